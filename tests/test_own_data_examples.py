"""The sections Predict and Export of docs/own_data.md, as a reader would run them."""

import json
import re
import shlex
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="PyTorch is not installed: it writes what is exported")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from twofold.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "own_data.md").read_text(encoding="utf-8")
PAGE = PAGE[PAGE.index("## Predict") :]
COMMANDS = [shlex.split(line) for line in re.findall(r"^    twofold (.*)$", PAGE, re.MULTILINE)]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FIRST = Path(__file__).parent / "stores" / "first" / "twofold.models"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The reader's folder: kept networks, two digits, and the same in folders, a list and arrays."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIRST, "twofold.models")
    with np.load(resources.files("twofold.data") / "mnist5k.npz") as raw:
        seven, nine = (raw["images"][np.flatnonzero(raw["labels"] == label)[3]] for label in (7, 9))
    pictures = [Image.fromarray(255 - seven).resize((90, 90)), Image.fromarray(nine).resize((90, 90))]
    for name, place, picture in zip(("seven.png", "nine.jpg"), ("first", "second"), pictures):
        picture.save(name)
        Path(place).mkdir()
        picture.save(f"{place}/1.png")
    Path("pairs.csv").write_text("left,right\nseven.png,nine.jpg\n", encoding="utf-8")
    np.savez("pairs.npz", images=np.stack([seven, nine])[None])


def test_the_pages_commands_and_scripts_run(folder, capsys):
    run = [words for words in COMMANDS if words[0] in ("predict", "export") and "--network" not in words]
    assert len(run) == 8
    for words in run:
        words = words[: words.index(">")] if ">" in words else words
        assert main([*words, "--models", "twofold.models"]) == 0
        said = capsys.readouterr()
        if "--json" in words:
            assert [row["answer"] for row in json.loads(said.out)] == [True]
        elif words[0] == "predict" and "--csv" not in words:
            assert "7 ≤ 9: yes" in said.out
        elif words[0] == "export":
            assert said.err.startswith("wrote ")
    assert len(PYTHON) == 2
    for script in PYTHON:
        exec(script, {})


def test_what_the_page_says_of_metadata_is_there():
    from twofold.export.portable import TOLD

    table = PAGE[PAGE.index("| in the metadata") : PAGE.index("**PyTorch**")]
    named = set(re.findall(r"`(\w+)`", table)) - {"preparation", "answer_below_threshold", "exported_by"}
    assert named == set(TOLD) - {"balance"}
