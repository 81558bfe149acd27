"""The examples of docs/own_network.md, as a reader would run them."""

import json
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from twofold.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "own_network.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"file `(\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^    twofold (.*)$", PAGE, re.MULTILINE)
pytestmark = pytest.mark.usefixtures("compiled_quickly")
FEW = ["--rounds", "1", "--epochs", "1", "--pairs", "100", "--test-pairs", "40", "--validation-pairs", "20", "--quiet"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The reader's folder, with the page's files in it."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_page_has_its_examples_and_their_commands():
    assert set(FILES) == {"twin.py", "regular.py", "embed.py", "equal.py", "products.py"}
    assert {command.split()[0] for command in COMMANDS} >= {"check", "study", "analyse", "report", "networks", "models"}


def test_every_study_of_the_page_runs_and_what_reads_it_does(folder, capsys):
    studies = [command for command in COMMANDS if command.startswith("study")]
    assert len(studies) >= 4
    for command in studies:
        words = [word for word in shlex.split(command) if word not in ("--data", "mnist")]
        assert main([*words, *FEW, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert len(rows) in (1, 2, 4, 8)
    for command in COMMANDS:
        if command.split()[0] in ("analyse", "report", "networks", "models"):
            assert main(shlex.split(command)) == 0
