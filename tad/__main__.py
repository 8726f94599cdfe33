"""``python -m tad``"""

from tad.cli import command

if __name__ == "__main__":
    command()
