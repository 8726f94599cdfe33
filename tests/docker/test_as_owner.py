"""docker/as-owner.sh: what a container writes belongs to the owner of the mounted folder, whoever that is."""

import os
import shutil
import subprocess
import tempfile

import pytest

from tests.helpers import ROOT

SCRIPT = os.path.join(ROOT, "docker", "as-owner.sh")
pytestmark = pytest.mark.skipif(not shutil.which("sh"), reason="needs a POSIX shell")


def can_become_others():
    """Root may, with setpriv, unless it was started without its powers, as in the container of the tests."""
    with tempfile.NamedTemporaryFile() as file:
        try:
            os.chown(file.name, 4321, 8765)
        except (OSError, AttributeError):
            return False
    return shutil.which("setpriv") is not None


ROOT_ONLY = pytest.mark.skipif(not can_become_others(), reason="only root, with its powers and setpriv, may do it")


@pytest.fixture
def folder():
    """An empty folder that is not below one of pytest's, which are closed to others; the script is copied beside it."""
    place = tempfile.mkdtemp()
    os.chmod(place, 0o755)
    shutil.copy(SCRIPT, os.path.join(place, "as-owner"))
    os.chmod(os.path.join(place, "as-owner"), 0o755)
    os.mkdir(os.path.join(place, "work"))
    yield os.path.join(place, "work")
    shutil.rmtree(place)


def run(folder, *command, **options):
    script = os.path.join(os.path.dirname(folder), "as-owner")
    return subprocess.run(options.get("before", []) + [script] + list(command), cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)


def test_git_keeps_it_executable():
    assert os.access(SCRIPT, os.X_OK)


def test_words_and_exit_code_pass_through(folder):
    done = run(folder, "sh", "-c", 'printf "%s|" "$@"; exit 7', "name", "two words", "", "$HOME", "*")
    assert (done.returncode, done.stdout, done.stderr) == (7, "two words||$HOME|*|", "")


def test_the_process_is_replaced_so_that_signals_reach_it(folder):
    """No shell stays in between."""
    started = subprocess.Popen([os.path.join(os.path.dirname(folder), "as-owner"), "sh", "-c", "echo $$"], cwd=folder,
                               stdout=subprocess.PIPE, universal_newlines=True)
    assert int(started.communicate()[0]) == started.pid


@ROOT_ONLY
def test_root_becomes_the_owner_without_groups_or_powers(folder, rng):
    user, group = (int(number) for number in rng.randint(20000, 60000, 2))
    os.chown(folder, user, group)
    os.chmod(folder, 0o700)
    done = run(folder, "sh", "-c", "touch made; id -u; id -g; id -G; grep CapEff /proc/self/status")
    assert done.stderr == ""
    assert done.stdout.split()[:3] == [str(user), str(group), str(group)]
    assert int(done.stdout.split()[-1], 16) == 0
    made = os.stat(os.path.join(folder, "made"))
    assert (made.st_uid, made.st_gid) == (user, group)


@ROOT_ONLY
def test_root_stays_root_in_its_own_folder(folder):
    assert run(folder, "id", "-u").stdout == "0\n"


@ROOT_ONLY
def test_another_user_is_told_how_to_get_a_folder_to_write_to(folder):
    """``docker run`` without --user: the image's user, and a folder of somebody else."""
    os.chown(folder, 4321, 8765)
    done = run(folder, "id", "-u", before=["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"])
    assert done.stdout == "1000\n", "reading, as for eval and doctor, is still possible"
    assert "--user 4321:8765" in done.stderr and done.stderr.count("\n") == 1
