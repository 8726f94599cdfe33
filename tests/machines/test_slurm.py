"""The sbatch script: what SLURM reads of it, what bash makes of it, and a submission to an sbatch of the test's own."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tad.engine.checkpoint import read_checkpoint, saved_steps, step_path
from tad.errors import UserError
from tad.machines.entries import Entry, Machine
from tad.machines.launch import Job
from tad.machines.slurm import directive, log_pattern, make_script, options, script_path, submit
from tad.settings import replace
from tests.helpers import ROOT, TINY, call, environment, sets, write_data

SBATCH = """#!%s
import os, shutil, sys
open("called.txt", "w").write("\\n".join([os.getcwd()] + sys.argv[1:]))
shutil.copy(sys.argv[-1], "submitted.sh")
print("a banner of the site")
print("4242;cluster")
""" % sys.executable


def entry(**changes):
    return Entry("m", replace(Machine(launcher="slurm"), **changes), "machines.yaml")


def job(folder, *words):
    return Job(words or ("train", "--config", "x"), str(folder), str(folder / "the run"))


def directives(script):
    """Options as sbatch reads them: words of the lines that begin with #SBATCH, before the first command."""
    head = re.split(r"^[^#\n]", script, maxsplit=1, flags=re.MULTILINE)[0]
    return [word for line in head.splitlines() if line.startswith("#SBATCH ") for word in shlex.split(line[8:])]


def check_syntax(script):
    subprocess.run(["bash", "-n"], input=script, universal_newlines=True, check=True)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with awkward names, data elsewhere, and an sbatch that records."""
    write_data(tmp_path / "data root", np.random.RandomState(0))
    work = tmp_path / "it's 100% work"
    work.mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sbatch").write_text(SBATCH)
    (tools / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    monkeypatch.chdir(str(work))
    (work / "my config.yaml").write_text("dataset:\n  annotations: ${TAD_DATA}/annotations.json\n"
                                         "  features: ${TAD_DATA}/features\n  fps: 25\n  stride: 16\n  window: 16\n")
    (work / "machines.yaml").write_text(
        "cluster:\n  launcher: slurm\n  data: ../data root\n  gpus: 1\n  cpus: 1\n  memory: 8G\n  time: 1-00:00:00\n"
        "  slurm: {partition: gpu, account: p-1, constraint: 'a100|v100', gpu_type: a100, warning_s: 60, "
        "options: '--mail-type=END'}\n")
    return work


TRAIN = ["--config", "my config.yaml", "--output", "a \"run\""] + sets(TINY)


def test_a_submitted_script_trains_and_goes_on(place, capsys):
    """From the command to weights: sbatch gets a script, bash runs it, a second run goes on with the first."""
    assert call(["run", "--machine", "cluster", "train"] + TRAIN) == 0
    output = capsys.readouterr().out
    run = os.path.join(os.getcwd(), 'a "run"')
    script = os.path.join(run, "slurm", "train-1.sh")
    assert output == "submitted job 4242\nscript: %s\nlog:    %s\n" % (script, os.path.join(run, "slurm",
                                                                                          "train-1-4242.log"))
    with open("called.txt") as stream:
        assert stream.read().split("\n") == [os.getcwd(), "--parsable", script]
    with open(script) as stream:
        text = stream.read()
    with open("submitted.sh") as stream:
        assert stream.read() == text
    assert directives(text) == [
        "--job-name=tad-train-a__run_", "--output=%s" % os.path.join(run.replace("%", "%%"), "slurm", "train-1-%j.log"),
        "--open-mode=append", "--nodes=1", "--ntasks=1", "--requeue", "--signal=B:TERM@60", "--gres=gpu:a100:1",
        "--cpus-per-task=1", "--mem=8G", "--time=1-00:00:00", "--partition=gpu", "--account=p-1",
        "--constraint=a100|v100", "--mail-type=END"]
    check_syntax(text)
    for _ in range(2):  # the second time as after a requeue
        done = subprocess.run(["bash", script], cwd="/", env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        assert (done.returncode, done.stdout) == (0, 'trained: a "run"\n'), done.stderr
    checkpoints = os.path.join(run, "checkpoints")
    assert saved_steps(checkpoints) == [4, 2]
    assert read_checkpoint(step_path(checkpoints, 4)).meta["settings"]["dataset"]["features"] == str(
        place.parent / "data root" / "features")


@pytest.mark.slow
def test_the_end_of_its_time_leaves_a_checkpoint(place, capsys):
    """SLURM sends SIGTERM to the script's process; the training in its place saves, and the next job goes on."""
    more = ["--set", "train.steps=100000", "--set", "train.checkpoint_every=5"]
    assert call(["run", "--machine", "cluster", "train"] + TRAIN + more) == 0
    checkpoints = os.path.join('a "run"', "checkpoints")
    steps = []
    for _ in range(2):
        job = subprocess.Popen(["bash", "submitted.sh"], env=environment(), stderr=subprocess.PIPE,
                               universal_newlines=True)
        until = time.time() + 120
        while saved_steps(checkpoints)[:1] <= steps[-1:]:
            assert job.poll() is None and time.time() < until, job.communicate()[1]
            time.sleep(0.01)
        job.send_signal(signal.SIGTERM)
        errors = job.communicate(timeout=120)[1]
        assert job.returncode == 143
        start = "going on from step %d of 100000 in" % steps[-1] if steps else "nothing to resume in"
        steps += saved_steps(checkpoints)[:1]
        assert re.match('tad: %s a "run".*\\ntad: stopped by SIGTERM; step %d of 100000 is saved' % (start, steps[-1]),
                        errors), errors


SRUN = """#!%s
import os, subprocess, sys
assert sys.argv[1] == "--kill-on-bad-exit=1"
options = dict(word.split("=") for word in os.environ["OPTIONS_OF_TEST"].split() if "=" in word)
nodes, each = int(options["--nodes"]), int(options["--ntasks-per-node"])
assert int(options["--ntasks"]) == nodes * each
ranks = [subprocess.Popen(sys.argv[2:], env=dict(os.environ, SLURM_PROCID=str(rank), SLURM_NTASKS=str(nodes * each),
                                                 SLURM_LOCALID=str(rank %% each))) for rank in range(nodes * each)]
sys.exit(max(rank.wait() for rank in ranks))
""" % sys.executable
SCONTROL = '#!/bin/sh\n[ "$*" = "show hostnames nodes[1-2]" ] && printf "localhost\\nanother\\n"\n'


def test_ranks_of_two_nodes_train_together(place, capsys):
    """A srun of the test's own starts one process for each of two "nodes", which both are this machine."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        tool = place.parent / "tools" / name
        tool.write_text(text)
        tool.chmod(0o755)
    (place / "machines.yaml").write_text("cluster: {launcher: slurm, data: ../data root, nodes: 2, cpus: 1}\n")
    assert call(["run", "--machine", "cluster", "train"] + TRAIN) == 0
    capsys.readouterr()
    with open("submitted.sh") as stream:
        text = stream.read()
    found = directives(text)
    assert "--signal=TERM@120" in found and found[3:6] == ["--nodes=2", "--ntasks=2", "--requeue"]
    check_syntax(text)
    variables = dict(environment(), SLURM_JOB_NODELIST="nodes[1-2]", SLURM_JOB_ID=str(random.randint(1, 10 ** 7)),
                     OPTIONS_OF_TEST=" ".join(word for word in found if word.startswith("--n")))
    for start in ("nothing to resume in", "going on from step 4 of 4 in"):
        done = subprocess.run(["bash", os.path.abspath("submitted.sh")], cwd="/", env=variables, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        assert (done.returncode, done.stdout) == (0, 'trained: a "run"\n'), done.stderr
        assert done.stderr.startswith("tad: " + start) and done.stderr.count("\n") == 1, done.stderr
    with open(os.path.join('a "run"', "manifest.json")) as stream:
        assert json.load(stream)["ranks"]["count"] == 2
    assert saved_steps(os.path.join('a "run"', "checkpoints")) == [4, 2]


@pytest.mark.parametrize("nodes, gpus, ranks, each", [(2, 4, 8, 4), (None, 2, 2, 2), (3, None, 3, 1), (2, 0, 2, 1)])
def test_there_is_a_rank_for_each_gpu_or_node(tmp_path, nodes, gpus, ranks, each):
    found = options(Machine(launcher="slurm", nodes=nodes, gpus=gpus), job(tmp_path), "log")
    assert {"--nodes=%d" % (nodes or 1), "--ntasks=%d" % ranks, "--ntasks-per-node=%d" % each} <= set(found)
    assert ("--gres=gpu:%d" % (gpus or 0) in found) is bool(gpus)


def test_a_dry_run_prints_the_script_alone(place, capsys):
    assert call(["run", "--machine", "cluster", "--dry-run", "traininfer"] + TRAIN) == 0
    output = capsys.readouterr()
    assert output.out.startswith("#!/bin/bash\n#SBATCH ") and output.out.endswith(" --resume auto\n")
    assert "would be written to " in output.err
    check_syntax(output.out)
    assert sorted(os.listdir(".")) == ["machines.yaml", "my config.yaml"]


def test_settings_are_checked_before_the_queue(place, capsys):
    assert call(["run", "--machine", "cluster", "train"] + TRAIN + ["--set", "train.stepps=3"]) == 2
    assert "train.stepps" in capsys.readouterr().err and not os.path.exists("called.txt")


def test_a_data_root_that_the_node_lacks_is_said_by_the_job(tmp_path):
    text = make_script(entry(data="/not here/$x"), job(tmp_path), "log")
    done = subprocess.run(["bash"], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert (done.returncode, done.stderr) == (2, "tad: there is no data root /not here/$x on this node\n")


def test_every_argument_reaches_the_command_as_it_is(tmp_path):
    letters = "ab $`\"'\\*?!#&|;<>(){}[]~%^\n\t\u00e9"
    words = tuple("".join(random.choice(letters) for _ in range(random.randint(1, 12))) for _ in range(30))
    tool = tmp_path / "py thon"
    tool.write_text('#!%s\nimport sys\nsys.stdout.buffer.write("\\0".join(sys.argv[1:]).encode("utf-8", '
                    '"surrogateescape"))\n' % sys.executable)
    tool.chmod(0o755)
    text = make_script(entry(python=str(tool)), job(tmp_path, "infer", *words), "log")
    check_syntax(text)
    done = subprocess.run(["bash"], input=text.encode("utf-8"), stdout=subprocess.PIPE, check=True,
                          env=dict(os.environ, PYTHONIOENCODING="utf-8", LC_ALL="C.UTF-8"))
    assert done.stdout.decode("utf-8").split("\0") == ["-m", "tad", "infer"] + list(words)


def test_setup_comes_before_the_command_and_its_failure_ends_the_job(tmp_path):
    text = make_script(entry(setup="echo one\nfalse\n", python="echo"), job(tmp_path), "log")
    done = subprocess.run(["bash"], input=text, stdout=subprocess.PIPE, universal_newlines=True)
    assert (done.returncode, done.stdout) == (1, "one\n")
    text = make_script(entry(setup='x="$NOT_SET"; shopt -s expand_aliases', python="echo"), job(tmp_path), "log")
    done = subprocess.run(["bash"], input=text, stdout=subprocess.PIPE, universal_newlines=True)
    assert (done.returncode, done.stdout) == (0, "-m tad train --config x --resume auto\n")


@pytest.mark.parametrize("words, resumes, signal", [
    (("train", "--config", "x"), True, True), (("traininfer", "--config", "x"), True, True),
    (("train", "--config", "x", "--resume", "auto"), False, True),
    (("train", "--resume=auto", "--config", "x"), False, True), (("infer", "--checkpoint", "r"), False, False)])
def test_only_trainings_are_resumed_and_warned(tmp_path, words, resumes, signal):
    text = make_script(entry(), job(tmp_path, *words), "log")
    assert text.endswith(" --resume auto\n") is (resumes or words[-1] == "auto")
    assert text.count("--resume") == (1 if signal else 0)
    assert ("--signal=B:TERM@120" in directives(text)) is signal
    assert "--requeue" in directives(text)


def test_nothing_is_asked_for_that_the_entry_leaves_open(tmp_path):
    found = options(Machine(launcher="slurm"), job(tmp_path, "infer"), "log")
    assert found == ["--job-name=tad-infer-the_run", "--output=log", "--open-mode=append", "--nodes=1", "--ntasks=1",
                     "--requeue"]


@pytest.mark.parametrize("value", ["plain/%j.log", "a b", 'say "x"', "back\\slash", "it's", "a#b", "a|b&c", "\u00e9 x"])
def test_directives_are_read_back_as_they_were(value):
    assert shlex.split(directive("--output=" + value)) == ["--output=" + value]


def test_scripts_of_one_run_folder_are_all_kept(place, capsys):
    for _ in range(2):
        assert call(["run", "--machine", "cluster", "train"] + TRAIN) == 0
    assert sorted(os.listdir(os.path.join('a "run"', "slurm"))) == ["train-1.sh", "train-2.sh"]
    assert "train-2-4242.log" in capsys.readouterr().out


def test_sbatch_that_is_not_there_or_refuses(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="machine 'm': there is no sbatch here; .*login node"):
        submit(entry(), job(tmp_path))
    assert os.listdir(str(tmp_path)) == []
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: Invalid account\n or so' >&2\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    with pytest.raises(UserError, match="sbatch refused .*train-1.sh: sbatch: error: Invalid account or so; mend mach"):
        submit(entry(), job(tmp_path))


def test_folders_in_which_sbatch_cannot_write_a_log(tmp_path):
    script = script_path(job(tmp_path)._replace(output=str(tmp_path / "a\\b")))
    with pytest.raises(UserError, match="another --output"):
        log_pattern(script)
