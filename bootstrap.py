"""Runs nox on a machine that has only Python: ``python3 bootstrap.py -s demo``.

Makes a virtual environment in ``.bootstrap`` with a pinned nox, once; all arguments go to nox.
"""

import os
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, ".bootstrap")
NOX = "nox==2026.10.20"


def main():
    if sys.version_info < (3, 9):
        sys.exit("bootstrap.py: nox needs Python 3.9 or newer; this is Python %d.%d" % sys.version_info[:2])
    python = os.path.join(FOLDER, "Scripts" if os.name == "nt" else "bin", "python")
    stamp = os.path.join(FOLDER, "installed.txt")
    if not is_current(stamp):
        print("bootstrap.py: installing %s into %s" % (NOX, FOLDER), flush=True)
        venv.create(FOLDER, with_pip=True, clear=True)
        installed = subprocess.call([python, "-m", "pip", "install", "--quiet", NOX])
        if installed != 0:
            sys.exit("bootstrap.py: pip could not install %s; is a package index reachable?" % NOX)
        with open(stamp, "w") as stream:
            stream.write(NOX)
    os.chdir(HERE)
    sys.exit(subprocess.call([python, "-m", "nox"] + sys.argv[1:]))


def is_current(stamp):
    """Whether an earlier call has finished installing this nox."""
    try:
        with open(stamp) as stream:
            return stream.read() == NOX
    except OSError:
        return False


if __name__ == "__main__":
    main()
