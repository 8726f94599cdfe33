"""Reads Dockerfiles and .dockerignore as far as the tests look into them."""

import os
import re

import environments

from tests.docker import text
from tests.helpers import ROOT

TABLE = environments.load()
DOCKERFILES = sorted(name for name in os.listdir(os.path.join(ROOT, "docker"))
                     if name.startswith("Dockerfile.") and name != "Dockerfile.in")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def instructions(name):
    """``(instruction, rest)`` of each instruction of ``docker/NAME``, continued lines joined."""
    lines = [line for line in text("docker", name).splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def stages(name):
    """The stages as ``[(words after FROM, instructions)]``, and the values of the ARGs before them."""
    given, found = {}, []
    for instruction, rest in instructions(name):
        if instruction == "FROM":
            found.append((rest, []))
        elif found:
            found[-1][1].append((instruction, rest))
        else:
            key, value = rest.split("=", 1)
            given[key] = value.strip('"')
    return found, given


def declared_in_stages(name):
    """``(instruction, rest, variables)`` with what ARG and ENV have declared where the instruction stands.

    A stage that begins with another one has that one's ENV, but not its ARGs.
    """
    found, given = stages(name)
    environment_of = {}
    for start, body in found:
        words = start.split()
        environment = dict(environment_of.get(words[0], {}))
        arguments = {}
        for instruction, rest in body:
            if instruction == "ARG":
                key, _, value = rest.partition("=")
                arguments[key] = value or given.get(key, "")
            yield instruction, rest, dict(arguments, **environment)
            if instruction == "ENV":
                environment.update(re.findall(r"(\w+)=(\S*)", rest))
        environment_of[words[-1]] = environment


def expand(words, variables):
    """``words`` with the variables' values; KeyError for one that is not declared."""
    return VARIABLE.sub(lambda match: variables[match.group(1) or match.group(2)], words)


def ignored(path):
    """Whether .dockerignore keeps a path (with /) out of the build: the last line that matches it or a parent says."""
    parts = path.split("/")
    candidates = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    result = False
    for line in text(".dockerignore").splitlines():
        if line.strip() and not line.startswith("#"):
            pattern = glob_pattern(line.lstrip("!").strip("/"))
            if any(pattern.match(candidate) for candidate in candidates):
                result = not line.startswith("!")
    return result


def glob_pattern(glob):
    """A pattern of .dockerignore as a regular expression."""
    known = {"**/": "(?:.*/)?", "*": "[^/]*"}
    pieces = re.split(r"(\*\*/|\*)", glob)
    return re.compile("".join(known.get(piece) or re.escape(piece) for piece in pieces) + r"\Z")
