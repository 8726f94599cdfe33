"""Everything that a developer can run: ``nox --list``; without nox, ``python3 bootstrap.py -s NAME``."""

import os

import nox

PYTHON = "3.11"
TORCH = "2.13.0"
# PyTorch's own CPU builds are small; where this index cannot be reached pip says so and goes on with the default index
TORCH_INDEX = os.environ.get("TAD_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
REQUIREMENTS = os.path.join("docker", "requirements-cpu.txt")

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests-cpu", "lint"]


@nox.session(name="tests-cpu", python=PYTHON)
def tests_cpu(session):
    """The test suite on the CPU; arguments after -- go to pytest."""
    # NVRTC is not part of a CPU build of PyTorch; with it, the tests compile the kernels though there is no GPU
    install(session, "pytest==9.2.0", "nvidia-cuda-nvrtc==13.0.88")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHON)
def lint(session):
    """Ruff over the whole tree."""
    session.install("ruff==0.17.6")
    session.run("ruff", "check", ".")


@nox.session(python=PYTHON)
def demo(session):
    """Train on shipped motion capture, detect in a held-out recording, draw the result."""
    install(session)
    session.run("tad", "demo", *session.posargs)


@nox.session(name="compile-matrix", python=PYTHON)
def compile_matrix(session):
    """Compile Align1D with every NVRTC from 9.0 to 13, without a GPU; arguments after -- go to the script."""
    session.install("pip==26.2.1")
    script = os.path.join("benchmarks", "compile_matrix.py")
    session.run("python", script, *session.posargs, env={"PYTHONPATH": os.curdir})


def install(session, *extra):
    """The pinned CPU environment with this checkout in it; prints which build of PyTorch it is."""
    index = ["--extra-index-url", TORCH_INDEX, "--retries", "1"] if TORCH_INDEX else []
    session.install("torch==" + TORCH, *index)
    session.install("-r", REQUIREMENTS, *extra)
    session.install("--no-deps", "-e", ".")
    session.run("python", "-c", "import torch; print('PyTorch build:', torch.__version__)")
