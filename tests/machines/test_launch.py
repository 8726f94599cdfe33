"""What starts a command on each machine: exact words, and real processes started by them."""

import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

from tad.engine.checkpoint import saved_steps
from tad.errors import UserError
from tad.machines import launch as launch_module
from tad.machines.entries import Entry, Machine
from tad.machines.launch import Job, launch_docker, launch_local, mounted, pinned_python, shown
from tad.settings import replace
from tests.helpers import ROOT, TINY, call, environment, sets, write_data


def entry(**changes):
    return Entry("m", replace(Machine(), **changes), "machines.yaml")


def job(folder, *words, **changes):
    return Job(words or ("train", "--config", "a b.yaml"), str(folder), str(folder / "run"), **changes)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Data with a configuration that reaches it through ``${TAD_DATA}``, and a working folder with a blank in it."""
    root = tmp_path / "data root"
    config = write_data(root, np.random.RandomState(0))
    work = tmp_path / "it's work"
    work.mkdir()
    with open(config) as stream:
        text = stream.read().replace(": annotations.json", ": ${TAD_DATA}/annotations.json").replace(
            ": features", ": ${TAD_DATA}/features")
    (work / "my config.yaml").write_text(text)
    monkeypatch.chdir(str(work))
    monkeypatch.delenv("TAD_DATA", raising=False)
    return root


TRAIN = ["--config", "my config.yaml", "--output", "the run"] + sets(TINY)


def tad(*arguments, **variables):
    """Exit code and output of ``tad`` in a process of its own (``tad run`` replaces its process)."""
    done = subprocess.run([sys.executable, "-m", "tad"] + list(arguments), env=dict(environment(), **variables),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    return done.returncode, done.stdout, done.stderr


def machines(text):
    with open("machines.yaml", "w") as stream:
        stream.write(text)


def test_local_trains_with_the_data_root_of_the_machine(data):
    machines("here: {data: '%s', cpus: 1, gpus: 0}\n" % data)
    code, output, errors = tad("run", "--machine", "here", "train", *TRAIN)
    assert code == 0 and output == "trained: the run\n"
    assert "tad: machine 'here' of machines.yaml" in errors
    assert saved_steps(os.path.join("the run", "checkpoints")) == [4, 2]
    code, output, _ = tad("run", "--machine", "here", "infer", "--checkpoint", "the run", "--output", "d e.json")
    assert code == 0 and output.endswith("detections in 1 recordings: d e.json\n")


def test_setup_lines_run_before_and_an_exit_code_comes_back(data):
    machines("here:\n  data: %s\n  python: %s\n  setup: |\n    echo \"set up $NOT_SET\"\n    export PYTHONPATH=%s\n"
             % (data, sys.executable, shlex.quote(ROOT)))
    code, output, _ = tad("run", "--machine", "here", "train", *TRAIN)
    assert code == 0 and output == "set up \ntrained: the run\n"
    code, output, errors = tad("run", "--machine", "here", "train", *TRAIN)  # it is trained already
    assert code == 2 and "--resume auto" in errors and "Traceback" not in errors
    machines("here: {setup: 'false'}\n")
    assert tad("run", "--machine", "here", "train", "--config", "mocap6")[0] == 1


def test_a_dry_run_prints_what_would_be_started_and_does_nothing(data, capsys):
    machines("here: {data: '%s', cpus: 3, gpus: 0}\n" % data)
    for place in (0, 1, len(TRAIN) + 1):
        arguments = ["train"] + TRAIN
        arguments.insert(place, "--dry-run")
        assert call(["run", "--machine", "here"] + arguments) == 0
        words = shlex.split(capsys.readouterr().out)
        assert words == ["env", "CUDA_VISIBLE_DEVICES=", "OMP_NUM_THREADS=3", "TAD_DATA=%s" % data,
                         sys.executable, "-m", "tad", "train"] + TRAIN
    assert sorted(os.listdir(".")) == ["machines.yaml", "my config.yaml"]


def test_a_printed_command_is_the_command(tmp_path):
    launched = launch_local(entry(cpus=2), job(tmp_path, "train", "a b", "it's", "$HOME", "*"))
    assert shlex.split(shown(launched))[2:] == list(launched.words)


def test_docker_is_called_with_folders_user_and_environment(data, monkeypatch, tmp_path):
    """A docker of the test's own records what it was asked for."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$TAD_ENV" "$TAD_DATA" "$@" > docker.txt\nexit 7\n')
    (tools / "docker").chmod(0o755)
    (tmp_path / "compose.yml").write_text("services: {}\n")
    machines("box: {launcher: docker, environment: cuda13, data: '%s', docker: {compose: ../compose.yml}}\n" % data)
    code, _, errors = tad("run", "--machine", "box", "traininfer", *TRAIN,
                          PATH=str(tools) + os.pathsep + os.environ["PATH"])
    assert code == 7, errors
    with open("docker.txt") as stream:
        words = stream.read().splitlines()
    here = os.getcwd()
    assert words == ["cuda13", str(data), "compose", "-f", str(tmp_path / "compose.yml"), "run", "--rm", "-u",
                     "%d:%d" % (os.getuid(), os.getgid()), "-w", here, "-T",
                     "-v", "%s:%s" % (data, data), "-v", "%s:%s" % (here, here),
                     "-e", "TAD_DATA=%s" % data, "--entrypoint", "tad", "train", "traininfer"] + TRAIN


def test_inference_has_its_own_service(tmp_path):
    (tmp_path / "c.yml").write_text("")
    words = launch_docker(entry(launcher="docker", docker__compose=str(tmp_path / "c.yml")),
                          job(tmp_path, "infer", "--checkpoint", "r")).words
    assert words[-4:] == ("infer", "infer", "--checkpoint", "r")


def test_without_docker_there_is_one_sentence(tmp_path, data):
    (tmp_path / "compose.yml").write_text("")
    machines("box: {launcher: docker, docker: {compose: ../compose.yml}}\n")
    code, _, errors = tad("run", "--machine", "box", "train", "--config", "mocap6", PATH="/nowhere")
    assert code == 2 and errors.endswith("machine 'box': cannot start docker: No such file or directory\n")


def test_mounted_folders(tmp_path):
    """Outputs that do not exist yet are made inside by their user: Docker would make them as root."""
    (tmp_path / "work").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "c.yaml").write_text("")
    inside = job(tmp_path / "work", used=(str(tmp_path / "other" / "c.yaml"),))
    assert mounted(inside, str(tmp_path / "work" / "data")) == [str(tmp_path / "other"), str(tmp_path / "work")]
    outside = inside._replace(output=str(tmp_path / "new" / "run"), used=())
    assert mounted(outside, None) == [str(tmp_path)]
    with pytest.raises(UserError, match="cannot mount / over its own"):
        mounted(outside._replace(output="/not-there/run"), None)
    (tmp_path / "a:b").mkdir()
    with pytest.raises(UserError, match="a:b because of the colon"):
        mounted(outside._replace(folder=str(tmp_path / "a:b"), output=str(tmp_path / "work")), None)


def test_a_data_root_that_is_not_there(tmp_path):
    for start in (launch_local, launch_docker):
        with pytest.raises(UserError, match="machine 'm': there is no data root /nowhere; mend 'data'"):
            start(entry(data="/nowhere"), job(tmp_path))


def test_pinned_environments(tmp_path, monkeypatch):
    monkeypatch.setattr(launch_module, "CHECKOUT", str(tmp_path))
    with pytest.raises(UserError, match="'cuda10' is not there .*bootstrap.py -s train-cuda10"):
        pinned_python(entry(environment="cuda10"))
    path = tmp_path / ".nox" / "env-cuda10" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert launch_local(entry(environment="cuda10"), job(tmp_path)).words[0] == str(path)


@pytest.mark.parametrize("arguments, words", [
    (["--machine", "ibx", "train"], ["no machine 'ibx'", "did you mean 'ibex'"]),
    (["train", "--config", "x"], ["--machine NAME train", "tad run list"]),
    (["--machine", "local", "trian"], ["'trian'", "traininfer"]),
    (["--machine", "local"], ["mode"]),
    (["--machine", "local", "train"], ["--config", "tad run --machine local train --help"]),
    (["--machine", "local", "train", "--config", "mocap6", "--outptu", "x"], ["--outptu"]),
    (["--machine", "local", "train", "--config", "nowhere"], ["no configuration nowhere", "mocap6"]),
    (["--machine", "local", "train", "--config", "mocap6", "--set", "train.step=1"], ["train.step", "train.steps"]),
    (["--machine", "local", "train", "--config", "my config.yaml"], ["my config.yaml", "${TAD_DATA}", "'data'"]),
    (["--machine", "local", "infer", "--checkpoint", "nowhere"], ["no run folder or checkpoint nowhere"]),
    (["--machine", "box", "train", "--config", "mocap6"], ["machine 'box'", "there is no /", "compose.yml; set "]),
    (["--machines", "m.yaml", "--machine", "local", "train", "--config", "mocap6"], ["no machines file m.yaml"]),
])
def test_a_mistake_is_found_before_anything_starts(data, capsys, arguments, words):
    machines("box: {launcher: docker, docker: {compose: compose.yml}}\n")
    assert call(["run"] + arguments) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("tad: machine ")]
    assert len(told) == 1 and all(word in told[0] for word in words), told


def test_the_list_names_every_machine_and_its_file(data, capsys):
    assert call(["run", "list"]) == 0
    output = capsys.readouterr().out
    assert [line.split()[:2] for line in output.splitlines()[:4]] == [
        ["local", "local"], ["datacenter", "docker"], ["zhaocws", "local"], ["ibex", "slurm"]]
    assert "copy " in output and os.path.join("machines", "machines.yaml") in output
    machines("mine: {launcher: slurm}\n")
    assert call(["run", "list"]) == 0
    output = capsys.readouterr().out
    assert output.split()[:3] == ["mine", "slurm", "machines.yaml"] and "copy" not in output


def test_starting_elsewhere_needs_no_pytorch_here(data):
    """A login node and a Docker host have none."""
    code = ("import sys; sys.modules['torch'] = None; from tad.cli import main; "
            "sys.exit(main(['run', '--machine', 'ibex', '--dry-run', 'train', '--config', 'mocap6']))")
    assert b"#SBATCH" in subprocess.check_output([sys.executable, "-c", code], env=environment())


def test_run_sh_is_the_old_scripts_way(data, tmp_path):
    """``run.sh NAME MODE ...`` without an installed tad uses the checkout that it lies in."""
    variables = dict(environment(), PYTHON=sys.executable, PATH="/usr/bin:/bin")
    script = os.path.join(ROOT, "run.sh")
    del variables["PYTHONPATH"]
    done = subprocess.run([script, "local", "train", "--config", "mocap6", "--output", "a b", "--dry-run"],
                          env=variables, stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0
    assert shlex.split(done.stdout)[-6:] == ["tad", "train", "--config", "mocap6", "--output", "a b"]
    assert subprocess.run([script, "local"], env=variables, stderr=subprocess.DEVNULL).returncode == 2
    tool = tmp_path / "tad"
    tool.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    tool.chmod(0o755)
    done = subprocess.run([script, "ibex", "infer", "--checkpoint", "x y"], stdout=subprocess.PIPE,
                          env=dict(variables, PATH="%s:/usr/bin:/bin" % tmp_path), universal_newlines=True)
    assert done.stdout == "run|--machine|ibex|infer|--checkpoint|x y|"
