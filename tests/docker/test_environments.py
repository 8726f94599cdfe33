"""The table itself, and the README, setup.cfg and .ci/run that follow it."""

import re

import environments
import pytest

from tests.docker import text

TABLE = environments.load()
KEYS = {"python": str, "torch": str, "cuda": str, "wheel": str, "pypi_cuda": str, "base_image": str, "driver": str,
        "pypi_driver": str, "architectures": list, "held": dict, "tests": list, "extras": list, "ci": bool,
        "limits": str}
OPTIONAL = {"index": str, "find_links": str, "pypi_stands_in": bool}

each = pytest.mark.parametrize("name", sorted(TABLE))


@each
def test_an_entry_is_whole_and_spelled_right(name):
    entry = TABLE[name]
    assert set(KEYS) <= set(entry) <= set(KEYS) | set(OPTIONAL)
    for key, value in entry.items():
        kind = KEYS.get(key) or OPTIONAL[key]
        assert isinstance(value, kind), "%s of %s is no %s" % (key, name, kind.__name__)
    assert re.match(r"[a-z][a-z0-9]*$", name) and re.match(r"3\.\d+$", entry["python"])
    assert re.match(r"\d+\.\d+\.\d+$", entry["torch"]) and entry["limits"]
    for key in ("cuda", "pypi_cuda"):
        assert re.match(r"(\d+\.\d+)?$", entry[key])
    assert all(re.match(r"\d{2,3}(\+PTX)?$", number) for number in entry["architectures"])
    assert set(entry["extras"]) <= {"tests", "export", "tensorboard"} and "tests" in entry["extras"]


@each
def test_the_wheel_is_of_this_pytorch_python_and_cuda(name):
    entry = TABLE[name]
    kind = "cu" + entry["cuda"].replace(".", "") if entry["cuda"] else "cpu"
    if entry["wheel"].startswith("https://"):
        tag = "cp" + entry["python"].replace(".", "")
        assert re.match(r"https://download\.pytorch\.org/whl/%s/torch-%s(%%2B%s)?-%s-%sm?-\w*linux\w*_x86_64\.whl$"
                        % (kind, re.escape(entry["torch"]), kind, tag, tag), entry["wheel"])
        assert "index" not in entry and "find_links" not in entry
    else:
        assert entry["wheel"] == "torch==%s+%s" % (entry["torch"], kind)
        assert ("index" in entry) != ("find_links" in entry)
        assert entry.get("index", "/" + kind).endswith("/" + kind)


@each
def test_the_image_has_this_python(name):
    assert re.match(r"python:%s-slim-[a-z]+$" % re.escape(TABLE[name]["python"]), TABLE[name]["base_image"])


@each
def test_a_cuda_environment_says_what_its_gpu_needs(name):
    entry = TABLE[name]
    assert bool(entry["cuda"]) == bool(entry["driver"]) == bool(entry["architectures"])
    assert bool(entry["pypi_cuda"]) == bool(entry["pypi_driver"])


def test_a_newer_cuda_needs_a_newer_driver():
    pairs = [(entry[cuda], entry[driver]) for entry in TABLE.values()
             for cuda, driver in (("cuda", "driver"), ("pypi_cuda", "pypi_driver")) if entry[cuda]]
    pairs = sorted((numbers(cuda), numbers(driver)) for cuda, driver in set(pairs))
    assert len({cuda for cuda, _ in pairs}) == len(pairs), "two drivers for one CUDA"
    assert [driver for _, driver in pairs] == sorted(driver for _, driver in pairs)


def numbers(version):
    return tuple(int(part) for part in version.split("."))


def test_where_pytorch_comes_from(monkeypatch):
    entry = {"torch": "1.4.0", "wheel": "torch==1.4.0+cu100", "find_links": "https://links", "cuda": "10.0"}
    assert environments.torch_arguments(entry, "pytorch")[:3] == ["torch==1.4.0+cu100", "--find-links", "https://links"]
    assert environments.torch_arguments(entry, "pypi") == ["torch==1.4.0"]
    lenient = {"torch": "2.0.0", "wheel": "torch==2.0.0+cpu", "index": "https://index", "pypi_stands_in": True}
    assert environments.torch_arguments(lenient, "pytorch")[:3] == ["torch==2.0.0", "--extra-index-url", "https://index"]
    monkeypatch.delenv("TAD_TORCH_SOURCE", raising=False)
    assert environments.torch_source() == "pytorch"
    monkeypatch.setenv("TAD_TORCH_SOURCE", "pypi")
    assert environments.torch_source() == "pypi"
    monkeypatch.setenv("TAD_TORCH_SOURCE", "PyPi")
    with pytest.raises(ValueError, match="'PyPi'; it can be pytorch or pypi"):
        environments.torch_source()


def test_only_a_build_that_computes_the_same_may_stand_in():
    assert all(not entry["cuda"] for entry in TABLE.values() if entry.get("pypi_stands_in"))


def test_the_readme_shows_the_table():
    wanted = "\n".join(environments.document(TABLE))
    assert wanted in text("README.md"), "README.md, section Environments, must hold:\n" + wanted


def test_the_readme_names_the_python_that_its_commands_need():
    assert "With nothing but Python %s and a clone" % TABLE["cpu"]["python"] in text("README.md")


def test_the_noxfile_holds_no_version():
    """It takes every one from where it is written: the table, the locks, docker/environments.py and ruff.toml."""
    assert re.findall(r"\d+\.\d[\d.]*", text("noxfile.py")) == []


def test_the_linter_is_one_exact_version():
    assert re.match(r"ruff==\d+\.\d+\.\d+$", environments.linter())


def test_setup_allows_every_environment():
    oldest = min(numbers(entry["python"]) for entry in TABLE.values())
    assert "python_requires = >=%d.%d\n" % oldest in text("setup.cfg")


def test_ci_runs_the_commands_of_the_readme():
    sessions = re.findall(r"^python3 bootstrap\.py -s (.*)$", text("README.md"), re.MULTILINE)
    run = text(".ci", "run").replace("\\\n", " ")
    there = re.findall(r"^python3 bootstrap\.py -s (.*)$", run, re.MULTILINE)
    assert "tests-cpu lint" in sessions and "tests-cpu lint" in there
    assert set(" ".join(sessions).split()) <= set(" ".join(there).split())


def test_ci_does_everything_in_every_environment_that_it_carries_checkpoints_through():
    run = text(".ci", "run").replace("\\\n", " ")
    there = set(" ".join(re.findall(r"^python3 bootstrap\.py -s (.*?)(?: -- .*)?$", run, re.MULTILINE)).split())
    names = re.search(r"-s checkpoints -- (.*)$", run, re.MULTILINE).group(1).split()
    assert set(names) == {name for name, entry in TABLE.items() if entry["ci"]}
    wanted = {"%s-%s" % (work, name) for work in ("tests", "train", "infer", "gradcheck") for name in names}
    assert there == wanted | {"lint", "demo", "checkpoints"}
