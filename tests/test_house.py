"""The house's own rules: imports go one way, what is public is explained, and nothing is left for later."""

import ast
import functools
import itertools
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import twofold
from twofold.networks import NETWORKS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "twofold"
FILES = sorted(PACKAGE.rglob("*.py"))

# The rooms from left to right, as pyproject.toml has them from below: each imports only from its left, or from itself.
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = [[room.strip().split(".")[1] for room in layer.split("|")] for layer in reversed(CONTRACTS[0]["layers"])]
ROOMS = [room for layer in LAYERS for room in layer]
# Neighbours that may not look at each other.
APART = {pair for layer in LAYERS for pair in itertools.permutations(layer, 2)}


def room_of(module: str) -> str | None:
    """The room that a module of ours is in; None for the package itself and for what is not ours."""
    parts = module.split(".")
    return parts[1] if parts[0] == "twofold" and len(parts) > 1 else None


@functools.cache  # copies of the package differ in one file each
def imported(source: str) -> list[str]:
    """The modules that are imported anywhere in a file, but for what only type checkers read."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def wrong_imports(package: Path) -> list[str]:
    """The imports in a copy of the package that go the wrong way, as 'file imports module'."""
    wrong = []
    for file in sorted(package.rglob("*.py")):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for module in imported(file.read_text(encoding="utf-8")):
            theirs = room_of(module)
            if theirs is None or theirs == room:
                continue
            if ROOMS.index(theirs) > ROOMS.index(room) or (room, theirs) in APART:
                wrong.append(f"{file.relative_to(package)} imports {module}")
    return wrong


def test_data_flows_one_way():
    assert wrong_imports(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("data/pairs.py", "from twofold.training import Program"),
        ("networks/blocks.py", "import twofold.study.trial"),
        ("analysis/summary.py", "def late():\n    from twofold.report.figures import files"),
        ("export/pytorch.py", "from twofold.report.places import write_file"),
        ("api.py", "from twofold.cli import main"),
    ],
)
def test_an_import_against_the_flow_is_found(file, line, tmp_path):
    """The test above can fail."""
    copy = tmp_path / "twofold"
    shutil.copytree(PACKAGE, copy)
    with (copy / file).open("a", encoding="utf-8") as end:
        end.write(f"\n\n{line}\n")
    (found,) = wrong_imports(copy)
    assert found.startswith(file)


def test_every_folder_is_a_room():
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert there - {"__init__"} == set(ROOMS)


def test_the_statistics_load_neither_the_engine_nor_the_plots():
    heavy = ["jax", "equinox", "matplotlib"]
    ask = f"import sys, twofold.analysis; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_all_public_names_are_there():
    for name in twofold.__all__:
        assert getattr(twofold, name) is not None
    assert dir(twofold) == twofold.__all__
    with pytest.raises(AttributeError, match="no attribute 'Stduy'"):
        _ = twofold.Stduy


def public_definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """The classes and functions of a file, and the methods of its public classes, but for private ones."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = []
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            found.append(node)
            if isinstance(node, ast.ClassDef):
                found += [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    return found


# A method that keeps a promise explained elsewhere: of torch.nn.Module.
EXPLAINED_ELSEWHERE = {("export/pair_module.py", "forward"), ("export/answering.py", "forward")}


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_public_is_explained(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    place = file.relative_to(PACKAGE).as_posix()
    if tree.body:
        assert ast.get_docstring(tree), "the file does not say what it is for"
    elsewhere = {name for where, name in EXPLAINED_ELSEWHERE if where == place}
    silent = [
        node.name
        for node in public_definitions(tree)
        if not ast.get_docstring(node) and node.name not in elsewhere and not _is_stub(node)
    ]
    assert silent == []


def _is_stub(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether the body is nothing but `...`: the methods of the listener that says nothing."""
    (only,) = node.body if len(node.body) == 1 else (None,)
    return isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_left_for_later(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    tree = ast.parse(text)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], "user input needs an error of ours"


def names_of_networks(package: Path) -> list[str]:
    """The files outside networks/ that name a network, by what they say: settings and factors are asked instead."""
    files = [path for ending in ("py", "js", "html", "css") for path in sorted(package.rglob(f"*.{ending}"))]
    outside = [path for path in files if path.relative_to(package).parts[0] != "networks"]
    pattern = re.compile(rf"\b({'|'.join(NETWORKS)})\b")
    return [str(path.relative_to(package)) for path in outside if pattern.search(path.read_text(encoding="utf-8"))]


def test_nothing_outside_networks_names_a_network(tmp_path):
    assert names_of_networks(PACKAGE) == []
    copy = tmp_path / "twofold"  # and the test can fail
    shutil.copytree(PACKAGE, copy)
    with (copy / "report" / "live.py").open("a", encoding="utf-8") as end:
        end.write('\nif network == "NetWS":\n    pass\n')
    assert names_of_networks(copy) == ["report/live.py"]


INIT_FILES = [path for path in FILES if path.name == "__init__.py" and path.parent != PACKAGE]


@pytest.mark.parametrize("file", INIT_FILES, ids=lambda path: path.parent.name)
def test_the_init_files_only_re_export(file):
    """One explicit name a line."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body[1:]:
        assert isinstance(node, ast.ImportFrom)
        (alias,) = node.names
        assert alias.asname == alias.name
