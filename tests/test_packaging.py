"""What `pyproject.toml` promises agrees with itself and with what the program imports; see packaging/ for the rest."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))

# Packages that are imported by another name than they are installed by.
_CALLED = {"PIL": "pillow"}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def imported() -> Iterator[str]:
    """The packages that the program imports, wherever it does."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node.module.partition(".")[0]


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    packages = {_CALLED.get(name, name) for name in imported()} - sys.stdlib_module_names - {"twofold"}
    packages |= {"tqdm"}  # which pooch shows progress by
    optional = PROJECT["optional-dependencies"]
    tried = ["onnxruntime"]  # what was exported, where it is at hand
    extras = [requirement for extra in ("tune", "torch", "onnx", "cluster") for requirement in optional[extra]]
    assert packages == names(PROJECT["dependencies"] + extras + tried)


def test_the_pythons_are_the_same_everywhere() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert f"Python {PYTHONS[0]} or newer" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    platforms = (ROOT / "docs" / "platforms.md").read_text("utf-8")
    assert re.findall(r"^\| (3\.\d+)", platforms, re.MULTILINE) == PYTHONS


def test_every_dependency_has_a_lowest_version() -> None:
    for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["tune"]:
        assert re.fullmatch(r"[\w-]+>=\d+(\.\d+)*", requirement), requirement
