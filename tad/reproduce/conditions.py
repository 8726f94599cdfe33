"""What is not as it was when a run was made: settings, data, versions, machine, switches.

Manifests of older versions of ``tad`` hold less; what one of the two lacks is not compared.
"""

import os

# Where things are is no difference; how many steps lie between log lines neither
NO_DIFFERENCE = ("dataset.annotations", "dataset.features", "device", "threads", "dataset.cache_mib", "train.workers",
                 "train.checkpoint_every", "train.log_every", "dataset.strict", "dataset.allow_missing")
PLACES_OF_VARIABLES = ("TAD_",)  # data roots and caches


def settings_differences(before, after):
    """Sentences on settings that no longer are what the checkpoint was trained with; flat dicts."""
    return ["setting %s: %s, and was %s" % (key, after[key], before[key]) for key in after
            if key in before and before[key] != after[key] and key not in NO_DIFFERENCE]


def data_differences(old, new):
    """Sentences on files that changed, by the checksums of two manifests.

    Sources are compared in their order (annotations, features, others), since data may have moved.
    """
    told = []
    for (was, old_sum), (now, new_sum) in zip(old["data"].items(), new["data"].items()):
        if old_sum == new_sum:
            continue
        before, after = ((manifest.get("files") or {}).get(path) for manifest, path in ((old, was), (new, now)))
        if before is None or after is None:
            told.append("data %s: its content has changed" % now)
            continue
        for name in sorted(set(before) | set(after)):
            if before.get(name) != after.get(name):
                state = "is missing" if name not in after else "is new" if name not in before else "has changed"
                told.append("data %s: %s" % (os.path.join(now, name), state))
    missing = len(old["data"]) - len(new["data"])
    if missing:
        told.append("data: %d files or folders were read, and now there are %d"
                    % (len(old["data"]), len(new["data"])))
    return told


def environment_differences(old, new):
    """Sentences on versions, machine, device, Align1D and switches."""
    told = []
    for part, word in (("versions", "version of"), ("machine", "machine's")):
        told += _different(word, old.get(part), new.get(part))
    told += _different("device:", {"name": old.get("device")}, {"name": new.get("device")})
    told += _different("ranks:", _only(old.get("ranks"), ("count",)), _only(new.get("ranks"), ("count",)))
    told += _different("Align1D's", _only(old.get("align1d"), ("backend",)), _only(new.get("align1d"), ("backend",)))
    told += _different("git", old.get("git"), new.get("git"))
    flags = [manifest.get("flags") or {} for manifest in (old, new)]
    told += _different("switch", *[each.get("torch") for each in flags])
    if all(flags):
        told += _different("variable", *[_variables(each) for each in flags], both=False)
    return told


def _different(word, old, new, both=True):
    old, new = old or {}, new or {}
    names = [name for name in list(old) + [name for name in new if name not in old]
             if not both or (name in old and name in new)]
    return ["%s %s: %s, and was %s" % (word, name, new.get(name, "not set"), old.get(name, "not set"))
            for name in names if old.get(name) != new.get(name)]


def _only(values, names):
    return {name: value for name, value in (values or {}).items() if name in names}


def _variables(flags):
    return {name: value for name, value in (flags.get("environment") or {}).items()
            if not name.startswith(PLACES_OF_VARIABLES) or name == "TAD_ALIGN1D"}
