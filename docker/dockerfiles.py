"""Writes ``docker/Dockerfile.NAME`` for each pinned environment: ``python3 docker/dockerfiles.py``.

Its first lines come from ``environments.toml``, all others from ``Dockerfile.in``. Prints the README's table, too.
"""

import os

import environments

TEMPLATE = os.path.join(environments.HERE, "Dockerfile.in")


def path(name):
    """Where the Dockerfile of an environment is."""
    return os.path.join(environments.HERE, "Dockerfile." + name)


def dockerfile(name, entry):
    """The text of an environment's Dockerfile."""
    with open(TEMPLATE, encoding="utf-8") as stream:
        body = stream.read()
    return "%s\n%s" % (header(name, entry), body)


def header(name, entry):
    """What differs from one environment to the next."""
    # An image takes the build that it names or fails; PyPI's must be asked for
    wheel, *options = environments.torch_arguments(dict(entry, pypi_stands_in=False), "pytorch")
    lines = ['# tad in the pinned environment "%s": docker build --file docker/Dockerfile.%s --tag tad:%s .'
             % (name, name, name),
             "# Written by docker/dockerfiles.py from docker/environments.toml and docker/Dockerfile.in"]
    values = (("BASE_IMAGE", entry["base_image"]), ("ENVIRONMENT", name), ("TORCH_VERSION", entry["torch"]),
              ("TORCH_WHEEL", wheel), ("TORCH_OPTIONS", '"%s"' % " ".join(options)),
              ("TESTED", '"%s"' % " ".join(environments.tested(entry))))
    return "\n".join(lines + ["ARG %s=%s" % value for value in values]) + "\n"


def main():
    table = environments.load()
    for name, entry in table.items():
        with open(path(name), "w", encoding="utf-8", newline="\n") as stream:
            stream.write(dockerfile(name, entry))
        print("wrote", os.path.relpath(path(name)))
    print("README.md, section Environments, must hold:", *environments.document(table), sep="\n")


if __name__ == "__main__":
    main()
