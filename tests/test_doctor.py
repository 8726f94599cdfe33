"""``tad doctor``: made-up machines and the findings they must give; how facts are found; the exit code."""

import ctypes
import json
import os
import re
import sys

import pytest
import torch

from tad import doctor
from tad.cli import main
from tad.doctor import facts as facts_module
from tad.doctor.diagnosis import diagnose, runs_on
from tad.doctor.facts import Check, Facts, Gpu, collect, find_extensions
from tad.ops.align1d_cuda import driver, nvrtc
from tests.helpers import ROOT

CPU = Check("cpu", "reference", "vectorized PyTorch", 1e-8, 1e-8)
GPU = Check("cuda:0", "cuda", "compiled for sm_90", 1e-8, 1e-8)
H100 = Gpu("NVIDIA H100 80GB HBM3", 90)
HEALTHY = Facts(
    python="3.11.7", torch="2.11.0", torch_cuda="12.8", torch_architectures=["sm_80", "sm_90", "compute_90"],
    cuda_available=True, driver_cuda="12.8", driver_version="570.86.15", nvidia_hardware=True, gpus=[H100],
    nvrtc_path="libnvrtc.so.12", nvrtc_version="12.8", nvrtc_origin="nvidia wheel", cache_path="/c", checks=[GPU, CPU])
NO_GPU = HEALTHY._replace(cuda_available=False, gpus=[], driver_cuda=None, driver_version=None, nvidia_hardware=False,
                          driver_problem="libcuda.so.1 is not there", checks=[CPU])
FORCED = Check("cpu", None, "TAD_ALIGN1D=cuda, but the tensors are on 'cpu'", 1e-8, 1e-8)


def change(facts, **changes):
    return facts._replace(**changes)


def failing(problem, backend="cuda"):
    return [Check("cuda:0", backend, "compiled", problem=problem), CPU]


@pytest.mark.parametrize("facts", [
    HEALTHY, NO_GPU, change(NO_GPU, torch_cuda=None, nvrtc_path=None, nvrtc_problem="none", torch_architectures=None),
    change(HEALTHY, driver_cuda="12.2"), change(HEALTHY, torch_architectures=["sm_50", "sm_80", "sm_86", "compute_86"]),
    change(HEALTHY, gpus=[Gpu("L40", 89)], torch_architectures=["sm_80", "sm_86"]),
    change(HEALTHY, torch="1.4.0", torch_cuda="10.1", torch_architectures=None, gpus=[Gpu("T4", 75)])])
def test_a_healthy_machine_has_no_findings(facts):
    assert diagnose(facts) == [] and facts.works


CASES = {
    "old driver": (change(HEALTHY, cuda_available=False, driver_cuda="10.1", checks=[CPU]),
                   "old_driver", "warning", True, ["up to 10.1", "built for CUDA 12.8"], "driver to 525 or newer"),
    "pinned pair on today's GPU": (
        change(HEALTHY, torch="1.4.0", torch_cuda="10.0", torch_architectures=None),
        "gpu_without_code", "warning", True, ["1.4.0", "up to sm_75"], "CUDA 11.8 or newer"),
    "old driver of the pinned pair": (
        change(HEALTHY, torch="1.4.0", torch_cuda="10.0", torch_architectures=None, cuda_available=False,
               driver_cuda="9.2", gpus=[Gpu("Tesla V100", 70)], checks=[CPU]),
        "old_driver", "warning", True, ["up to 9.2", "built for CUDA 10.0"], "driver to 410 or newer"),
    "old driver of an old PyTorch": (
        change(HEALTHY, cuda_available=False, torch_cuda="9.0.176", driver_cuda="8.0", gpus=[], checks=[CPU]),
        "old_driver", "warning", True, ["for CUDA 9.0.176"], "384 or newer, or install a PyTorch built for CUDA 8"),
    "new GPU": (change(HEALTHY, torch_architectures=["sm_37", "sm_70", "sm_80", "sm_86"]),
                "gpu_without_code", "warning", True, ["error 98", "error 209", "sm_90", "sm_37", "Align1D is compiled"],
                "CUDA 11.8 or newer"),
    "new GPU, only exact code": (change(HEALTHY, gpus=[Gpu("B200", 100)], torch_architectures=["sm_90a", "sm_90"]),
                                 "gpu_without_code", "warning", True, ["sm_100"], "CUDA 12.8 or newer"),
    "new GPU, PyTorch does not tell": (
        change(HEALTHY, torch="1.4.0", torch_cuda="10.1", torch_architectures=None),
        "gpu_without_code", "warning", True, ["up to sm_75"], "CUDA 11.8 or newer"),
    "old GPU": (change(HEALTHY, gpus=[Gpu("Tesla K80", 37)]), "gpu_without_code", "warning", True, ["sm_37"],
                "older PyTorch"),
    "no kernel image": (
        change(HEALTHY, torch="1.4.0", torch_cuda="10.1", torch_architectures=None, gpus=[Gpu("Tesla K40c", 35)],
               checks=failing("CUDA error: no kernel image is available")),
        "gpu_without_code", "error", False, ["sm_35", "error 209", "does not tell"],
        "install an older PyTorch, whose binaries still have sm_35"),
    "invalid device function": (
        change(HEALTHY, torch_architectures=["sm_70"], checks=failing("cuda runtime error (98): some words")),
        "gpu_without_code", "error", False, ["error 98"], "install a PyTorch"),
    "CPU build": (change(NO_GPU, torch_cuda=None, gpus=[H100], driver_cuda="12.4"),
                  "cpu_build", "warning", True, ["H100", "CPU build"], "built for CUDA 12.4 or older"),
    "CPU build without a driver": (change(NO_GPU, torch_cuda=None, nvidia_hardware=True),
                                   "cpu_build", "warning", True, ["CPU build"], "and the NVIDIA driver"),
    "container": (change(NO_GPU, driver_version="570.86.15"), "no_driver", "warning", True, ["libcuda"], "--gpus all"),
    "hidden": (change(NO_GPU, driver_cuda="12.8", visible=""), "hidden_gpus", "warning", True, ["hides"], "unset"),
    "unusable": (change(NO_GPU, driver_cuda="12.8", nvidia_hardware=True, cuda_problem="unknown error"),
                 "unusable_gpu", "warning", True, ["unknown error"], "restart"),
    "extension": (change(HEALTHY, extensions=["/s/Align1D.so"]), "stale_extension", "note", True,
                  ["/s/Align1D.so", "undefined symbol"], "pip uninstall Align1D"),
    "illegal access": (change(HEALTHY, checks=failing("CUDA error: an illegal memory access was encountered")),
                       "illegal_access", "error", False, ["cuda:0"], "CUDA_LAUNCH_BLOCKING=1"),
    "illegal access of old": (change(HEALTHY, checks=failing("cuLaunchKernel failed with error 700 (unspecified)")),
                              "illegal_access", "error", False, ["stay inside"], "TAD_ALIGN1D=reference"),
    "no NVRTC": (change(HEALTHY, nvrtc_path=None, checks=[GPU._replace(backend="reference"), CPU]),
                 "no_nvrtc", "error", False, ["NVRTC"], "pip install 'nvidia-cuda-nvrtc-cu12==12.8.*'"),
    "no NVRTC 13": (change(HEALTHY, torch_cuda="13.0", nvrtc_path=None), "no_nvrtc", "error", True, ["NVRTC"],
                    "pip install 'nvidia-cuda-nvrtc==13.0.*'"),
    "no NVRTC 11": (change(NO_GPU, torch_cuda="11.3", nvrtc_path=None), "no_nvrtc", "note", True, [],
                    "pip install 'nvidia-cuda-nvrtc-cu11'"),
    "no NVRTC 10": (change(NO_GPU, torch_cuda="10.1", nvrtc_path=None), "no_nvrtc", "note", True, [],
                    "reinstall PyTorch"),
    "cache": (change(HEALTHY, cache_writable=False, cache_problem="read-only"),
              "cache_not_writable", "warning", True, ["read-only", "/c"], "TAD_CACHE_DIR"),
    "no home": (change(NO_GPU, cache_writable=False, cache_path=None, cache_problem="no home"),
                "cache_not_writable", "note", True, ["a cache folder (no home)"], "TAD_CACHE_DIR"),
    "reference asked for": (change(HEALTHY, choice="reference", checks=[GPU._replace(backend="reference"), CPU]),
                            "choice_set", "note", True, ["slower"], "unset TAD_ALIGN1D"),
    "cuda asked for": (change(HEALTHY, choice="cuda"), "choice_set", "note", True, ["never a fallback"], "unset"),
    "cuda asked for in vain": (change(NO_GPU, choice="cuda", checks=[FORCED]),
                               "choice_impossible", "error", False, ["cannot use a GPU"], "unset"),
    "nonsense asked for": (change(NO_GPU, choice="gpu", checks=[CPU._replace(backend=None)]),
                           "choice_unknown", "error", False, ["'gpu'"], "auto, cuda, reference"),
    "fallback": (change(HEALTHY, checks=[GPU._replace(backend="reference", reason="no luck"), CPU]),
                 "align1d_fails", "error", False, ["no luck"], "TAD_ALIGN1D=reference"),
    "wrong numbers": (change(HEALTHY, checks=failing("wrong numbers: relative error 1.0e+00 forward")),
                      "align1d_fails", "error", False, ["wrong numbers"], "report"),
    "second GPU": (change(HEALTHY, gpus=[H100, H100], checks=[GPU, Check("cuda:1", problem="out of memory"), CPU]),
                   "align1d_fails", "error", False, ["out of memory"], "report"),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_situation_is_recognised(name):
    facts, key, severity, works, words, fix = CASES[name]
    finding, = diagnose(facts)
    assert (finding.key, finding.severity, facts.works) == (key, severity, works)
    assert fix in finding.fix and "\n" not in finding.fix and finding.what == finding.what.strip()
    assert all(word in finding.what for word in words), finding.what


def test_the_worst_comes_first():
    found = diagnose(change(HEALTHY, extensions=["x"], cache_writable=False, nvrtc_path=None,
                            checks=[GPU._replace(backend="reference"), CPU]))
    assert [finding.severity for finding in found] == ["error", "warning", "note"]


@pytest.mark.parametrize("built, number, runs", [
    ("sm_80", 86, True), ("sm_86", 80, False), ("sm_80", 90, False), ("compute_70", 120, True),
    ("compute_90", 80, False), ("sm_90a", 90, True), ("sm_100a", 103, False), ("sm_100", 103, True),
    ("sm_120", 100, False)])
def test_which_gpus_code_runs_on(built, number, runs):
    assert runs_on([built], number) is runs


@pytest.mark.parametrize("name", sorted(CASES))
def test_text_and_json_tell_everything(name):
    facts = CASES[name][0]
    found = doctor.examine(facts)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    text = doctor.describe(found)
    for finding in found["findings"]:
        assert finding["what"] in text and "\n  fix: " + finding["fix"] in text
    assert all(gpu.name in text for gpu in facts.gpus)
    assert ("works as wanted" in text) == facts.works


def test_the_keys_are_stable():
    found = doctor.examine(HEALTHY)
    assert sorted(found) == ["align1d", "cache", "checks", "device", "driver", "findings", "gpus", "machine", "nvrtc",
                             "torch", "versions"]
    assert sorted(found["align1d"]) == ["backend", "choice", "reason", "wanted", "works"]
    assert sorted(found["checks"][0]) == ["backend", "backward", "device", "forward", "passed", "problem", "reason"]
    assert found["gpus"] == [{"name": "NVIDIA H100 80GB HBM3", "architecture": "sm_90"}]


@pytest.mark.parametrize("choice, code", [(None, 0), ("auto", 0), ("reference", 0), ("nonsense", 1)])
def test_exit_code_of_the_command(choice, code, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TAD_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("TAD_ALIGN1D", raising=False)
    if choice:
        monkeypatch.setenv("TAD_ALIGN1D", choice)
    assert main(["doctor", "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["align1d"]["works"] is (code == 0) and found["align1d"]["choice"] == choice
    assert main(["doctor"]) == code
    assert sys.version.split()[0] in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_forcing_cuda_without_a_gpu_fails(monkeypatch, capsys):
    monkeypatch.setenv("TAD_ALIGN1D", "cuda")
    assert main(["doctor"]) == 1
    assert "fix: unset TAD_ALIGN1D" in capsys.readouterr().out


def test_extensions_are_found_and_not_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert find_extensions() == []
    (tmp_path / "Align1D.py").write_text("raise SystemExit('imported')")
    (tmp_path / "align1d_cuda.py").write_text("raise SystemExit('imported')")
    (tmp_path / "Align1D_cuda").mkdir()  # a folder of sources is no module
    assert sorted(map(os.path.basename, find_extensions())) == ["Align1D.py", "align1d_cuda.py"]
    assert "Align1D" not in sys.modules


def test_a_read_only_cache_is_a_fact(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TAD_CACHE_DIR", str(tmp_path / "file"))
    assert not collect().cache_writable


class FakeDriver(object):
    """Answers as an old driver without a GPU does."""

    def cuDriverGetVersion(self, pointer):  # noqa: N802
        pointer._obj.value = 10010
        return 0

    def cuInit(self, flags):  # noqa: N802
        return 100


@pytest.fixture
def fresh_driver():
    caches = driver.opened, driver.library, driver.version
    [cached.cache_clear() for cached in caches]
    yield
    [cached.cache_clear() for cached in caches]


def test_the_driver_tells_its_version_without_a_gpu(monkeypatch, fresh_driver):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver())
    assert driver.version() == 10010
    with pytest.raises(driver.DriverError, match="error 100 .no GPU."):
        driver.gpus()


def test_everything_broken_is_still_told(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("broken today")

    for module, name in ((driver, "version"), (driver, "gpus"), (nvrtc, "load"), (facts_module, "active_backend"),
                         (torch.cuda, "current_device"), (facts_module, "binary_architectures")):
        monkeypatch.setattr(module, name, broken)
    found = collect()
    assert found.driver_problem == found.nvrtc_problem == "broken today" and found.checks[-1].passed
    assert found.torch_architectures is None
    assert doctor.describe(doctor.examine(found))


def test_the_live_check_notices_wrong_numbers(monkeypatch):
    right = facts_module.align1d_ref.backward
    monkeypatch.setattr(facts_module.align1d_ref, "backward", lambda grad, *rest: right(grad, *rest) * (
        1.0 if grad.dtype == torch.float64 else float("nan")))
    found = facts_module.check(torch.device("cpu"))
    assert not found.passed and "wrong numbers" in found.problem and found.backward is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu(monkeypatch):
    monkeypatch.delenv("TAD_ALIGN1D", raising=False)
    found = doctor.examine()
    assert found["align1d"]["backend"] == "cuda" and found["align1d"]["works"], found
    assert [gpu["name"] for gpu in found["gpus"]] == [
        torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def test_the_document_shows_what_is_printed_for_every_error_of_the_old_code_base():
    """Each block in docs/troubleshooting.md is what ``tad doctor`` prints on a made-up machine, line for line."""
    with open(os.path.join(ROOT, "docs", "troubleshooting.md"), encoding="utf-8") as stream:
        document = stream.read()
    printed = {}
    for facts, key, severity, _, _, _ in CASES.values():
        finding, = diagnose(facts)
        printed["%s: %s\n  fix: %s" % (severity, finding.what, finding.fix)] = key
    blocks = re.findall(r"```text\n(.*?)\n```", document, re.DOTALL)
    assert [printed.get(block) for block in blocks] == [
        "stale_extension", "old_driver", "gpu_without_code", "gpu_without_code", "illegal_access"]
    for error in ("undefined symbol: cudaSetupArgument", "cuda runtime error (98) : invalid device function",
                  "cuda runtime error (209) : no kernel image is available", "illegal memory access", ".cpu().numpy()"):
        assert error in document
