"""Everything that a developer can run: ``nox --list``; without nox, ``python3 bootstrap.py -s NAME``."""

import os
import shutil
import sys

import nox

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "docker"))

import compare_detections  # noqa: E402
import environments  # noqa: E402
from installing import Environment  # noqa: E402

TABLE = environments.load()
PYTHON = TABLE["cpu"]["python"]
# So few steps make nothing sure, so every detection is kept
SMOKE = ["--config", "mocap6", "--set", "train.steps=60", "--set", "train.warmup=10",
         "--set", "postprocess.min_score=0"]

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["tests-cpu", "lint"]


def for_each_environment(work):
    """A session ``WORK-NAME`` for each pinned environment."""
    def add(name):
        def run(session):
            work(session, name)
        run.__doc__ = work.__doc__.replace("NAME", name)
        nox.session(run, name="%s-%s" % (work.__name__, name), python=False)

    for name in TABLE:
        add(name)
    return work


@for_each_environment
def tests(session, name):
    """The test suite in NAME; arguments after -- go to pytest."""
    tested(session, name).python("-m", "pytest", *session.posargs)


@for_each_environment
def train(session, name):
    """Train a small demo in NAME into build/smoke/NAME; arguments after -- go to tad train."""
    train_smoke(prepared(session, name), session.posargs)


@for_each_environment
def infer(session, name):
    """Detect in NAME with the checkpoint of train-NAME, or: -- --checkpoint RUN_OR_FILE --output FILE."""
    environment = prepared(session, name)
    if not session.posargs and not os.path.isdir(os.path.join(smoke_folder(name), "checkpoints")):
        train_smoke(environment)
    environment.python("-m", "tad", "infer", *(session.posargs or ["--checkpoint", smoke_folder(name)]))


@for_each_environment
def gradcheck(session, name):
    """Gradients and kernels of Align1D in NAME: compiled with its own NVRTC, launched where there is a GPU."""
    files = [os.path.join("tests", "ops"), os.path.join("tests", "docker", "test_installed.py")]
    # The kernels emulated on the CPU are the same in every environment, take longest, and are part of tests-NAME
    emulated = os.path.join("tests", "ops", "align1d_cuda", "test_kernels.py")
    tested(session, name).python("-m", "pytest", "--ignore", emulated, *files, *session.posargs)


@nox.session(python=False)
def checkpoints(session):
    """Every environment reads every other's checkpoint and finds the same; -- cpu cuda10 picks environments."""
    names = chosen(session, session.posargs)
    opened = {name: prepared(session, name) for name in names}
    for environment in opened.values():
        train_smoke(environment)
    problems = [problem for writer in names for problem in carry(session, writer, opened)]
    if problems:
        session.error("checkpoints give other detections elsewhere:\n" + "\n".join(problems))


def carry(session, writer, opened):
    """Differences between what the environments detect with the checkpoint of ``writer``."""
    path, run = os.path.join("build", "smoke", "from-%s-in-%s.json"), smoke_folder(writer)
    for reader, environment in opened.items():
        environment.python("-m", "tad", "infer", "--checkpoint", run, "--output", path % (writer, reader))
    problems = []
    for reader in opened:
        found = compare_detections.differences(path % (writer, writer), path % (writer, reader))
        session.log("checkpoint of %s in %s: %s" % (writer, reader, "DIFFERS" if found else "same detections"))
        problems += found
    return problems


@nox.session(python=PYTHON)
def lint(session):
    """Ruff over the whole tree."""
    session.install(environments.linter())
    session.run("ruff", "check", ".")


@nox.session(python=False)
def demo(session):
    """Train on shipped motion capture, detect in a held-out recording, draw the result."""
    prepared(session, "cpu").python("-m", "tad", "demo", *session.posargs)


@nox.session(name="compile-matrix", python=PYTHON)
def compile_matrix(session):
    """Compile Align1D with NVRTC of every CUDA, without a GPU; arguments after -- go to the script."""
    session.install(*environments.lock_arguments("cpu", "pip"))
    script = os.path.join("benchmarks", "compile_matrix.py")
    session.run("python", script, *session.posargs, env={"PYTHONPATH": os.curdir})


@nox.session(python=PYTHON)
def lock(session):
    """Write docker/requirements-*.txt; -- NAME only those of one environment, -- --upgrade takes newer versions."""
    session.install(environments.RESOLVER)
    options = [word for word in session.posargs if word.startswith("-")]
    for name in chosen(session, [word for word in session.posargs if word not in options]):
        for each in environments.lock_order(TABLE[name]):
            write_lock(session, name, each, options)


def write_lock(session, name, each, options):
    """Resolve one lock, in agreement with those that were written before it."""
    source = os.path.join(session.create_tmp(), "wanted.in")
    with open(source, "w") as stream:
        stream.write("\n".join(environments.lock_inputs(name, each, TABLE)) + "\n")
    path = environments.lock_path(name, each)
    session.run("uv", "pip", "compile", "--quiet", *environments.lock_options(name, each, TABLE), *options, source,
                "--output-file", path)
    if each == "run" and TABLE[name]["cuda"] != TABLE[name]["pypi_cuda"]:
        environments.leave_out_libraries(path)


def prepared(session, name, *locks):
    """A pinned environment with PyTorch, this checkout, and what ``locks`` name beyond what running needs."""
    return Environment(session, name, TABLE).prepare(*locks)


def tested(session, name):
    """The same with what the tests need, and what they test where the environment has it."""
    return prepared(session, name, *environments.tested(TABLE[name]))


def smoke_folder(name):
    """The run folder of ``train-NAME``."""
    return os.path.join("build", "smoke", name)


def train_smoke(environment, changes=()):
    """The small demo, always anew."""
    folder = smoke_folder(environment.name)
    shutil.rmtree(folder, ignore_errors=True)
    environment.python("-m", "tad", "train", *SMOKE, "--output", folder, *changes)


def chosen(session, names):
    """The environments that were asked for; all of them when none was."""
    for name in names:
        if name not in TABLE:
            session.error("no environment '%s'; there are %s" % (name, ", ".join(TABLE)))
    return names or list(TABLE)
