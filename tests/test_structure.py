"""The habits of CONTRIBUTING.md, read off the sources: forward imports, one place for versions, short files."""

import ast
import os
import re
import sys

import pytest

from tests.helpers import ROOT

# Data moves from lower to higher; what stands on one line does not know the others on it
ORDER = (
    ("errors", "__init__"), ("files", "arrays", "segments", "config"), ("compat",), ("settings",),
    ("data",), ("ops", "extraction"), ("models",), ("proposals",), ("assignment",), ("losses", "postprocess"),
    ("evaluation",), ("report",), ("detectors",), ("engine",), ("planning",),
    ("pipeline", "doctor"), ("reproduce", "predict", "export", "machines"), ("commands",), ("cli",), ("__main__",),
)
# The one import against the order: tad.load, inside its function, so that users need not know the parts
DOORS = {(os.path.join("tad", "__init__.py"), "tad.predict.load_predictor")}
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


def sources(folder):
    for place, folders, names in os.walk(os.path.join(ROOT, folder)):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(place, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


TREES = {path: ast.parse(read(path)) for path in sources("tad")}
everywhere = pytest.mark.parametrize("path", sorted(TREES))


def imports(tree):
    """Full names of the modules that a file imports, and the names it takes from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                yield node.module + "." + alias.name


def part(path):
    """The step that a file of ``tad`` belongs to."""
    return path.split(os.sep)[1].replace(".py", "")


@everywhere
def test_imports_go_backward_in_the_order_of_the_data(path):
    own = part(path)
    for name in imports(TREES[path]):
        words = name.split(".")
        if words[0] == "tad" and len(words) > 1 and (path, name) not in DOORS:
            other = words[1] if words[1] in RANK else "__init__"
            assert other == own or RANK[other] < RANK[own], "%s must not import %s" % (path, name)


def test_every_part_has_its_place():
    assert {part(path) for path in TREES} <= set(RANK)


FORBIDDEN = {"evaluation": ("torch", "tad.models", "tad.engine"), "data": ("torch",), "assignment": ("torch",),
             "postprocess": ("torch",), "proposals": ("torch",),
             "models": ("os", "io", "json", "tad.files", "tad.data"), "losses": ("os", "tad.files", "tad.data")}


@everywhere
def test_evaluation_knows_no_models_and_models_no_files(path):
    for name in imports(TREES[path]):
        for forbidden in FORBIDDEN.get(part(path), ()):
            assert not (name + ".").startswith(forbidden + "."), "%s must not import %s" % (path, name)


@everywhere
def test_only_compat_asks_for_versions(path):
    if part(path) == "compat":
        return
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Compare):
            asked = {getattr(inner, "attr", getattr(inner, "id", None)) for inner in ast.walk(node)}
            asked &= {"version_info", "__version__", "TORCH_VERSION", "hexversion", "python_version"}
            assert not asked, "%s line %d asks for a version" % (path, node.lineno)


@everywhere
def test_no_device_is_written_into_the_code(path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != "cuda", "%s line %d calls .cuda(" % (path, node.lineno)
            if node.func.attr == "to":
                assert not any(isinstance(inner.value if hasattr(inner, "value") else getattr(inner, "s", None), str)
                               for inner in node.args), "%s line %d names a device" % (path, node.lineno)


def _switched_on(call):
    """Names of the arguments that are the constant True."""
    return {keyword.arg for keyword in call.keywords if getattr(keyword.value, "value", False) is True}


@everywhere
def test_nothing_is_unpickled(path):
    for name in imports(TREES[path]):
        assert name.split(".")[0] not in ("pickle", "cPickle", "dill", "joblib", "shelve", "marshal"), path
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            if ast.dump(node.func) == ast.dump(ast.parse("torch.load").body[0].value):
                assert part(path) == "compat" and "weights_only" in _switched_on(node), path
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert not getattr(keyword.value, "value", True), path
    assert "yaml.load(" not in read(path) or "Loader=_StrictLoader" in read(path), path


@everywhere
def test_no_error_is_swallowed(path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "%s line %d: bare except" % (path, node.lineno)
            assert not all(isinstance(inner, (ast.Pass, ast.Continue)) for inner in node.body), \
                "%s line %d hides an error" % (path, node.lineno)


@everywhere
def test_files_and_functions_are_short_and_explained(path):
    assert read(path).count("\n") <= LONGEST_FILE, path
    assert ast.get_docstring(TREES[path]), "%s has no docstring" % path
    lines = read(path).splitlines()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            last = max(getattr(inner, "lineno", 0) for inner in ast.walk(node))
            assert last - node.lineno < LONGEST_FUNCTION, "%s: %s is too long" % (path, node.name)
    assert not any(len(line) > 120 for line in lines)


@pytest.mark.skipif(sys.version_info < (3, 8), reason="Python before 3.8 cannot parse by an older grammar")
@everywhere
def test_the_syntax_is_that_of_python_3_6(path):
    ast.parse(read(path), feature_version=(3, 6))


def test_tests_mirror_the_package():
    folders = {os.path.dirname(path).split(os.sep)[1] for path in sources("tests") if path.count(os.sep) > 1}
    assert folders - {"benchmarks", "docker"} <= {part(path) for path in TREES}


def test_every_folder_of_the_package_is_a_package():
    """A folder without __init__.py would be missing from an installed tad."""
    folders = {os.path.dirname(path) for path in TREES}
    assert {folder for folder in folders if os.path.join(folder, "__init__.py") not in TREES} == set()


DOCUMENTS = [name for name in os.listdir(ROOT) if name.endswith(".md")] + [
    os.path.join("docs", name) for name in os.listdir(os.path.join(ROOT, "docs")) if name.endswith(".md")]


@pytest.mark.parametrize("path", sorted(DOCUMENTS))
def test_links_in_documents_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", read(path))
    places = [os.path.join(ROOT, os.path.dirname(path), link) for link in links if "://" not in link]
    assert [place for place in places if not os.path.exists(place)] == []
