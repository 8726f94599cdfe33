"""``tad doctor``: what is installed, which Align1D backend is active and why, what is wrong, and how to mend it."""

import os
import platform

from tad.doctor.diagnosis import diagnose
from tad.doctor.facts import collect
from tad.report.environment import versions


def examine(facts=None):
    """Plain values for JSON; the keys stay the same from version to version.

    :param facts: :class:`tad.doctor.facts.Facts`; None for those of this machine.
    """
    facts = facts or collect()
    active = facts.active
    return {
        "versions": versions(),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "torch": {"version": facts.torch, "cuda": facts.torch_cuda, "architectures": facts.torch_architectures,
                  "cuda_available": facts.cuda_available, "problem": facts.cuda_problem},
        "driver": {"cuda": facts.driver_cuda, "version": facts.driver_version, "problem": facts.driver_problem},
        "gpus": [{"name": gpu.name, "architecture": "sm_%d" % gpu.architecture} for gpu in facts.gpus],
        "nvrtc": {"path": facts.nvrtc_path, "version": facts.nvrtc_version, "origin": facts.nvrtc_origin,
                  "problem": facts.nvrtc_problem},
        "cache": {"path": facts.cache_path, "writable": facts.cache_writable, "problem": facts.cache_problem},
        "device": active.device,
        "align1d": {"choice": facts.choice, "wanted": facts.wanted, "backend": active.backend, "reason": active.reason,
                    "works": facts.works},
        "checks": [dict(check._asdict(), passed=check.passed) for check in facts.checks],
        "findings": [dict(finding._asdict()) for finding in diagnose(facts)],
    }


def describe(found):
    """What :func:`examine` gives, as lines of text."""
    lines = [line(name, version or "none") for name, version in found["versions"].items() if name != "cuda"]
    lines.append(line("platform", "%(platform)s, %(cpus)s CPUs" % found["machine"]))
    torch, driver = found["torch"], found["driver"]
    built = "CUDA %s" % torch["cuda"] if torch["cuda"] else "the CPU only"
    binaries = " (%s)" % " ".join(torch["architectures"]) if torch["architectures"] else ""
    lines.append(line("built for", built + binaries))
    supported = "supports CUDA %s" % driver["cuda"] if driver["cuda"] else "none"
    lines.append(line("driver", supported + (", version %s" % driver["version"] if driver["version"] else "")
                      + (" (%s)" % driver["problem"] if driver["problem"] else "")))
    lines += [line("GPU %d" % index, "%(name)s, %(architecture)s" % gpu) for index, gpu in enumerate(found["gpus"])]
    nvrtc, cache, align = found["nvrtc"], found["cache"], found["align1d"]
    lines.append(line("NVRTC", "%(version)s, %(path)s (%(origin)s)" % nvrtc if nvrtc["path"] else "none"))
    lines.append(line("cache", "%s, %s" % (cache["path"], "writable" if cache["writable"] else "NOT writable")))
    lines.append(line("device", found["device"]))
    lines.append(line("Align1D", "%s: %s" % (align["backend"] or "none", align["reason"])))
    lines += [line("live check", describe_check(check)) for check in found["checks"]]
    for finding in found["findings"]:
        lines += ["", "%s: %s" % (finding["severity"], finding["what"]), "  fix: %s" % finding["fix"]]
    lines += ["", "Align1D %s as wanted (%s)." % ("works" if align["works"] else "does NOT work", align["wanted"])]
    return "\n".join(lines)


def line(name, value):
    """A line of the table."""
    return "%-12s %s" % (name, value)


def describe_check(check):
    """A live check in one line."""
    if not check["passed"]:
        return "%s FAILED: %s" % (check["device"], check["problem"])
    return "%(device)s passed (relative error %(forward).1e forward, %(backward).1e backward)" % check
