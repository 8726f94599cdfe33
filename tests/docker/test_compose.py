"""docker-compose.yml agrees with the table, the Dockerfiles and the command line, and is careful with the host."""

import json
import os
import re
import shutil
import subprocess

import environments
import pytest
import yaml

from tad.cli import build_parser
from tests.docker import text
from tests.docker.reading import TABLE, stages
from tests.helpers import ROOT

COMPOSE = yaml.safe_load(text("docker-compose.yml"))
HARDWARE = yaml.safe_load(text("docker", "hardware.yml"))["services"]
SERVICES = COMPOSE["services"]
each_service = pytest.mark.parametrize("service", sorted(SERVICES))
each_environment = pytest.mark.parametrize("name", sorted(TABLE))
of_tad = pytest.mark.parametrize("service", sorted(set(SERVICES) - {"tensorboard"}))


def substitute(words, **given):
    """``words`` as compose reads them: ``${NAME:-default}``."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: given.get(match.group(1)) or match.group(2), words)


def test_the_services_that_are_documented():
    assert set(SERVICES) == {"train", "infer", "eval", "tad", "test", "tensorboard"}


@each_environment
def test_hardware_asks_for_a_gpu_where_the_table_has_cuda(name):
    asked = (HARDWARE[name] or {}).get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
    assert [device["capabilities"] for device in asked] == ([["gpu"]] if TABLE[name]["cuda"] else [])


def test_hardware_knows_no_other_environment():
    assert set(HARDWARE) == set(TABLE)


@of_tad
@each_environment
def test_tad_env_picks_image_dockerfile_and_hardware(service, name):
    about = SERVICES[service]
    assert substitute(about["extends"]["service"], TAD_ENV=name) == name
    assert substitute(about["image"], TAD_ENV=name).split("-")[0] == "tad:" + name
    dockerfile = substitute(about["build"]["dockerfile"], TAD_ENV=name)
    found, given = stages(os.path.basename(dockerfile))
    assert given["ENVIRONMENT"] == name
    assert about["build"]["target"] in {start.split()[-1] for start, _ in found}
    declared = {rest.split("=")[0] for _, body in found for word, rest in body if word == "ARG"}
    assert set(about["build"]["args"]) <= declared


@of_tad
def test_the_default_is_the_cpu_and_pytorchs_own_build(service):
    about = SERVICES[service]
    assert substitute(about["build"]["dockerfile"]) == "docker/Dockerfile.cpu"
    source = about["build"]["args"]["TORCH_SOURCE"]
    assert substitute(source) == environments.SOURCES[0]
    assert substitute(source, TAD_TORCH_SOURCE="pypi") in environments.SOURCES


@of_tad
def test_variables_that_the_documents_name_reach_the_container(service):
    """Two threads on busy cores wait for each other: the smoke test once trained at a hundredth of its speed."""
    assert SERVICES[service]["environment"] == ["OMP_NUM_THREADS", "TAD_ALIGN1D"]


def test_it_holds_no_version():
    """The Dockerfiles have them from the table; an argument here would overrule them."""
    for name in ("docker-compose.yml", os.path.join("docker", "hardware.yml")):
        words = re.sub(r"#.*", "", text(name)).replace("127.0.0.1", "")
        assert re.findall(r"\d+\.\d[\d.]*", words) == [], name


@pytest.mark.parametrize("service", ["train", "infer", "eval"])
def test_words_and_flags_are_those_of_the_command_line(service):
    about = SERVICES[service]
    assert about["entrypoint"] == ["as-owner", "tad", service]
    options = build_parser().parse_args(about["entrypoint"][2:] + about["command"])
    assert options.verb == service


def test_infer_and_eval_go_on_from_what_train_leaves():
    run = "runs/" + SERVICES["train"]["command"][1]
    assert SERVICES["infer"]["command"] == ["--checkpoint", run]
    options = build_parser().parse_args(["eval"] + SERVICES["eval"]["command"])
    assert os.path.dirname(options.detections) == run and os.path.dirname(options.output) == run
    folder = [substitute(volume).split(":") for volume in SERVICES["eval"]["volumes"] if ":/data:" in volume][0][0]
    with open(os.path.join(ROOT, folder, os.path.relpath(options.ground_truth, "/data"))) as stream:
        assert options.subset in {about["subset"] for about in json.load(stream)["database"].values()}


@each_service
def test_folders_of_the_host_are_there_before_the_engine_looks(service):
    """The engine would create a missing one, and root would own it."""
    for volume in SERVICES[service]["volumes"]:
        source = substitute(volume).split(":")[0]
        if source not in COMPOSE["volumes"]:
            assert os.path.isdir(os.path.join(ROOT, source)), source


@each_service
def test_it_starts_as_root_only_to_become_the_owner(service):
    about = SERVICES[service]
    assert about["user"] == "0:0" and about["cap_drop"] == ["ALL"]
    assert set(about["cap_add"]) == {"DAC_OVERRIDE", "KILL", "SETGID", "SETUID"}
    assert "no-new-privileges:true" in about["security_opt"] and "privileged" not in about
    assert about.get("entrypoint", ["as-owner"])[0] == "as-owner"


@each_service
def test_signals_reach_the_process(service):
    assert SERVICES[service]["init"] is True
    for key in ("entrypoint", "command"):
        assert isinstance(SERVICES[service].get(key, []), list), "a string would run in a shell"


@each_service
def test_ports_are_open_to_this_machine_only(service):
    for port in SERVICES[service].get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_up_without_a_name_starts_no_training():
    assert [name for name, about in SERVICES.items() if "profiles" not in about] == ["tensorboard"]


def compose_command():
    """A compose that runs here, of whichever generation; reading a file needs no engine."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run(command + ["version"], stdout=subprocess.DEVNULL,
                                                       stderr=subprocess.DEVNULL).returncode == 0:
            return command
    return pytest.skip("no docker compose here")


@each_environment
def test_compose_reads_it(name):
    done = subprocess.run(compose_command() + ["config"], cwd=ROOT, env=dict(os.environ, TAD_ENV=name),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    for about in services.values():
        if about["image"] != "tad:tensorboard":
            assert about["build"]["dockerfile"] == "docker/Dockerfile." + name
            assert ("deploy" in about) == bool(TABLE[name]["cuda"])
