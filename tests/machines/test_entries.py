"""Machines files are read strictly, from the place that a user expects, and say where a mistake is."""

import dataclasses
import os

import pytest

from tad.errors import UserError
from tad.machines.entries import SHIPPED, Machine, SlurmSettings, all_entries, find_entry, own_file, read_entries
from tests.helpers import ROOT


def write(folder, text, name="machines.yaml"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return str(path)


def test_the_shipped_examples_are_those_of_the_old_script():
    entries = {entry.name: entry.machine for entry in all_entries()}
    assert list(entries) == ["local", "datacenter", "zhaocws", "ibex"]
    assert {machine.launcher for machine in entries.values()} == {"local", "docker", "slurm"}
    assert entries["local"] == Machine()
    assert (entries["ibex"].time, entries["ibex"].gpus, entries["ibex"].slurm.gpu_type) == ("24:00:00", 1, "v100")


def test_what_is_commented_out_in_the_examples_is_right(tmp_path):
    """A user takes the marks away; the result must be an entry, not a surprise."""
    with open(SHIPPED, encoding="utf-8") as stream:
        lines = stream.read().split("local:", 1)[1].splitlines()
    lines = [line.replace("  # ", "  ", 1) if line.startswith("  ") and "# " in line[:8] else line for line in lines]
    entries = {entry.name: entry.machine for entry in read_entries(write(tmp_path, "local:" + "\n".join(lines)))}
    ibex = entries["ibex"]
    assert ibex.data == "/ibex/project/NAME/data" and ibex.setup.startswith("module load cuda\nsource ")
    assert ibex.slurm.partition == "batch" and ibex.slurm.options.strip() == "--mail-type=END,FAIL"
    assert entries["datacenter"].data == "/data" and "activate tad" in entries["zhaocws"].setup


def test_which_file_is_used(tmp_path, monkeypatch):
    """The nearest to the command wins: option, variable, working folder, home."""
    (tmp_path / "config" / "tad").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(str(tmp_path / "here"))
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert own_file(None, home) is None
    write(tmp_path / "config" / "tad", "a: {}\n")
    assert own_file(None, home) == str(tmp_path / "config" / "tad" / "machines.yaml")
    write(tmp_path / "here", "b: {}\n")
    assert own_file(None, home) == "machines.yaml"
    named = write(tmp_path, "c: {}\n", "named.yaml")
    assert own_file(None, dict(home, TAD_MACHINES=named)) == named
    assert own_file("machines.yaml", dict(home, TAD_MACHINES=named)) == "machines.yaml"
    with pytest.raises(UserError, match=r"no machines file nowhere.yaml .named by --machines"):
        own_file("nowhere.yaml", home)
    with pytest.raises(UserError, match=r"no machines file gone.yaml .named by \$TAD_MACHINES"):
        own_file(None, dict(home, TAD_MACHINES="gone.yaml"))


def test_own_machines_come_first_and_shipped_ones_stay(tmp_path):
    path = write(tmp_path, "mine: {launcher: slurm}\nibex: {launcher: local}\n")
    entries = all_entries(path)
    assert [(entry.name, entry.file) for entry in entries] == [
        ("mine", path), ("ibex", path), ("local", SHIPPED), ("datacenter", SHIPPED), ("zhaocws", SHIPPED)]
    assert find_entry("ibex", path).machine.launcher == "local"
    with pytest.raises(UserError, match="no machine 'mime' in .*machines.yaml; did you mean 'mine'; there are: mine, "):
        find_entry("mime", path)
    with pytest.raises(UserError, match="no machine 'x' in the shipped .*; there are: local"):
        find_entry("x")


def test_paths_are_those_of_the_machine_that_is_used(tmp_path, monkeypatch):
    """A variable that only the cluster has must not break the other machines of the file."""
    path = write(tmp_path, "a: {data: '${SCRATCH_OF_TEST}/d'}\nb: {data: sub/data, python: '~/v/python'}\n")
    monkeypatch.delenv("SCRATCH_OF_TEST", raising=False)
    machine = find_entry("b", path).machine
    assert machine.data == str(tmp_path / "sub" / "data") and machine.python == os.path.expanduser("~/v/python")
    with pytest.raises(UserError, match=r"machine 'a': 'data' needs \$\{SCRATCH_OF_TEST\}"):
        find_entry("a", path)
    monkeypatch.setenv("SCRATCH_OF_TEST", "/s")
    assert find_entry("a", path).machine.data == "/s/d"


@pytest.mark.parametrize("text, words", [
    ("a: {gpu: 1}", ["machine 'a'", "unknown setting 'gpu'", "did you mean 'gpus'", "launcher"]),
    ("a: {launcher: slurm, slurm: {partion: x}}", ["slurm.partion", "did you mean 'slurm.partition'", "slurm.account"]),
    ("a: {slurm: 5}", ["'slurm' is a section"]),
    ("a: {launcher: pbs}", ["'launcher' must be one of local, docker, slurm", "'pbs'"]),
    ("a: {gpus: many}", ["'gpus' must be a whole number or null", "'many'"]),
    ("a: {gpus: -1}", ["'gpus' must be at least 0"]),
    ("a: {gpus: 2}", ["machine 'a'", "'gpus' must be 0 or 1 with the launcher 'local'", "torchrun"]),
    ("a: {launcher: docker, gpus: 2}", ["'gpus' must be 0 or 1 with the launcher 'docker'"]),
    ("a: {nodes: 2}", ["'nodes' means nothing to the launcher 'local'"]),
    ("a: {launcher: slurm, nodes: 0}", ["'nodes' must be at least 1"]),
    ("a: {cpus: 0}", ["'cpus' must be at least 1"]),
    ("a: {launcher: slurm, time: 60}", ["'time' must be hours:minutes:seconds", "24:00:00", "'60'"]),
    ("a: {launcher: slurm, time: '10:00'}", ["'time'", "'10:00'"]),
    ("a: {launcher: slurm, memory: lots}", ["'memory'", "64G", "'lots'"]),
    ("a: {launcher: slurm, memory: 64}", ["'memory'", "64G", "'64'"]),
    ("a: {launcher: slurm, memory: 64GB}", ["'memory'", "'64GB'"]),
    ("a: {memory: 64G}", ["'memory' means nothing to the launcher 'local'"]),
    ("a: {launcher: docker, time: 1:00:00}", ["'time' means nothing to the launcher 'docker'"]),
    ("a: {launcher: docker, slurm: {account: x}}", ["'slurm' means nothing"]),
    ("a: {launcher: docker, setup: module load x}", ["'setup' means nothing"]),
    ("a: {launcher: slurm, docker: {compose: x}}", ["'docker' means nothing"]),
    ("a: {environment: ../x}", ["'environment' must be the name"]),
    ("a: {environment: cpu, setup: x}", ["'environment', or 'setup' and 'python'"]),
    ("a: {launcher: slurm, slurm: {account: 'x y'}}", ["'slurm.account' must be one word"]),
    ("a: {launcher: slurm, slurm: {partition: \"x\\n#SBATCH --y\"}}", ["'slurm.partition' must be one word"]),
    ("a: {launcher: slurm, slurm: {gpu_type: v100}}", ["'slurm.gpu_type' needs gpus: 1"]),
    ("a: {launcher: slurm, slurm: {options: rm}}", ["option of sbatch", "'rm'"]),
    ("a: {launcher: slurm, slurm: {warning_s: 0}}", ["at least 1"]),
    ("a: local", ["machine 'a' must hold 'key: value' lines"]),
    ("'a b': {}", ["machine's name", "'a b'"]), ("5: {}", ["machine's name", "5"]),
    ("a: {}\na: {}", ["'a' stands there twice", "line 2"]),
    ("- a", ["must hold 'key: value' lines"]), ("a: [", ["not valid YAML"]),
    (b"a: \xff\xfe", ["the machines file", "not UTF-8", "save it as UTF-8"]),
])
def test_mistakes_name_file_machine_and_remedy(tmp_path, text, words):
    with pytest.raises(UserError) as raised:
        all_entries(write(tmp_path, text))
    for word in words + ["machines.yaml"]:
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_time_may_be_written_as_sbatch_takes_it(tmp_path):
    for time in ("24:00:00", "1:30:00", "00:30:00", "2-12:00:00"):
        entry, = read_entries(write(tmp_path, "a: {launcher: slurm, time: %s}" % time))
        assert entry.machine.time == time


def test_an_empty_file_leaves_the_shipped_machines(tmp_path):
    assert [entry.file for entry in all_entries(write(tmp_path, ""))] == [SHIPPED] * 4


def test_the_example_of_the_documentation_is_an_entry(tmp_path, monkeypatch):
    with open(os.path.join(ROOT, "docs", "machines.md"), encoding="utf-8") as stream:
        document = stream.read()
    text = document.split("```yaml\n")[1].split("```")[0]
    monkeypatch.setenv("USER", "me")
    machine = find_entry("mycluster", write(tmp_path, text)).machine
    assert (machine.data, machine.time, machine.slurm.account) == ("/scratch/me/data", "24:00:00", "my-project")
    for record in (Machine, SlurmSettings):
        for field in dataclasses.fields(record):
            assert "`%s`" % field.name in document or ".%s`" % field.name in document, field.name
