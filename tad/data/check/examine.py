"""Runs a data set through the rules of training and inference without training."""

from collections import OrderedDict

from tad.data.annotations import class_names, read_annotations, read_ground_truth
from tad.data.check.actions import absent_classes, repeated
from tad.data.check.findings import Finding, Report, Subset
from tad.data.check.names import counterparts, difference, similar
from tad.data.features import FeatureStore
from tad.data.naming import count, shortened
from tad.data.recipe import Recipe, differences, read_recipe
from tad.data.sources import left_out, load_sources
from tad.errors import UserError
from tad.settings import replace

READABLE = ("missing", "unreadable", "shape", "not finite")  # kinds that say that features were not found


def examine(annotations, features, settings, subsets=None):
    """Everything that is wrong with annotations and features.

    :param features: path, or None to look at annotations alone.
    :param settings: :class:`tad.config.Settings`; of their ``dataset`` the paths are not used.
    :param subsets: names to look at; None for all.
    :returns: :class:`tad.data.check.findings.Report`
    :raises UserError: a file cannot be understood at all.
    """
    findings = []
    cleaned = read_annotations(annotations, tell=_teller(findings, None))
    truth = read_ground_truth(annotations)
    chosen = _by_subset(cleaned, subsets, annotations)
    findings = [_with_subset(finding, cleaned) for finding in findings if cleaned[finding.recording].subset in chosen]
    training = _training_subset(chosen, settings.dataset.train_subset)
    classes = class_names(chosen[training])
    store = None if features is None else FeatureStore(features, 0)
    findings += _id_findings(cleaned, store, chosen)
    findings += repeated(recording for recording in truth.values() if recording.subset in chosen)
    findings += absent_classes(chosen, training)
    if store is None:
        counted = [Subset(name, len(recordings), 0, 0, _actions(recordings), ()) for name, recordings in chosen.items()]
        return Report(annotations, None, None, classes, counted, findings, settings.dataset.max_missing, training, {})
    findings += _recipe_findings(features, settings.dataset)
    counted, sources, width = [], {}, None
    # The training subset first: its width is what the others must have
    for name in sorted(chosen, key=lambda name: name != training):
        sources[name], width = _examine_subset(name, chosen[name], store, settings.dataset, classes, width, findings)
        counted.append(_counts(name, chosen[name], sources[name], findings))
    return Report(annotations, features, width, classes, counted, findings, settings.dataset.max_missing, training,
                  sources)


def _teller(findings, subset):
    def tell(kind, recording, text, done):
        findings.append(Finding(kind, subset, recording, "%s; %s" % (text, done)))

    return tell


def _with_subset(finding, recordings):
    return finding._replace(subset=recordings[finding.recording].subset)


def _by_subset(recordings, wanted, path):
    subsets = OrderedDict()
    for recording in recordings.values():
        subsets.setdefault(recording.subset, []).append(recording)
    missing = [name for name in wanted or () if name not in subsets]
    if missing:
        raise UserError("%s has no recording in subset '%s'; its subsets are: %s"
                        % (path, missing[0], ", ".join("'%s'" % name for name in subsets)))
    return OrderedDict((name, subsets[name]) for name in wanted or subsets)


def _training_subset(subsets, wanted):
    """The subset that is learned from: the configured one, else the largest one of that sound, else the largest."""
    if wanted in subsets:
        return wanted
    sounding = [name for name in subsets if name.lower().startswith("train")]
    return max(sounding or subsets, key=lambda name: _actions(subsets[name]))


def _actions(recordings):
    return sum(len(recording.labels) for recording in recordings)


def _id_findings(recordings, store, chosen):
    """Ids that are alike, among the annotations and between them and the features."""
    findings = []
    for group in similar(recordings):
        if any(recordings[name].subset in chosen for name in group):
            findings.append(Finding("similar ids", "", group[0], "the annotations also have %s (%s)" % (
                ", ".join("'%s'" % name for name in group[1:]), difference(group[0], group[1]))))
    if store is None:
        return findings
    meant = counterparts([name for name in recordings if recordings[name].subset in chosen], store.ids)
    for name, other in meant.items():
        findings.append(Finding("similar ids", recordings[name].subset, name, "the features have '%s' (%s)"
                                % (other, difference(name, other))))
    unused = sorted(set(store.ids) - set(recordings) - set(meant.values()))
    if unused:
        findings.append(Finding("unused features", "", "", "%s: %s" % (count(len(unused), "recording"),
                                                                      shortened(unused))))
    return findings


def _recipe_findings(features, dataset):
    recipe = read_recipe(features)
    if recipe is None:
        return []
    told = Recipe(normalization=recipe.normalization)
    if dataset.fps:
        told = told._replace(fps=dataset.fps, stride=dataset.stride, window=dataset.window)
    return [Finding("recipe", "", "", "the recipe has " + text.replace(" where ", " where the settings have ")
                    .replace(" is needed", ""))
            for text in differences(told, recipe)]


def _examine_subset(name, recordings, store, dataset, classes, width, findings):
    """Sources of one subset, and the width; adds to the findings.

    The settings let everything pass, so that nothing stays unseen.
    """
    told = []
    try:
        sources, width = load_sources(recordings, store, replace(dataset, strict=False, allow_missing=True), classes,
                                      width, _teller(told, name))
        hidden = sorted({label for recording in recordings for label in recording.labels}
                        - {classes[index] for source in sources for index in source.classes if index >= 0})
    except UserError as error:
        sources, hidden = [], []
        told.append(Finding("data set", name, "", str(error)))
    told += [Finding("hidden label", name, "", "'%s'" % label) for label in hidden if label in classes]
    findings += [finding for finding in told if finding.kind != "unknown label"]  # told for all recordings at once
    return sources, width


def _counts(name, recordings, sources, findings):
    """The :class:`Subset`."""
    unfound = {finding.recording for finding in findings if finding.subset == name and finding.kind in READABLE}
    return Subset(name, len(recordings), len(recordings) - len(unfound), len(sources), _actions(recordings),
                  tuple(left_out(recordings, sources)))

