"""The examples of docs/own_data.md, as a reader would run them: pictures in four classes, letters in 26, clothes."""

import gzip
import html
import itertools
import re
import runpy
import shlex
import struct
from pathlib import Path

import numpy as np
import pytest

from twofold.cli import main
from twofold.data import Reading, find_source
from twofold.data.download import PUBLISHED

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PAGE = (Path(__file__).parents[1] / "docs" / "own_data.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"file `(\w+\.py)`[^`]*:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^    twofold (.*)$", PAGE, re.MULTILINE)
FEW = ["--rounds", "1", "--epochs", "1", "--networks", "NetWSAL", "--workers", "1", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reader's folder in which the page's scripts have run."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
            runpy.run_path(name)
        yield folder


def commands(start):
    return [shlex.split(command) for command in COMMANDS if command.startswith(start)]


def in_short(words):
    """A study's command with fewer rounds, epochs and networks than on the page."""
    given = {name for name in FEW if name.startswith("--")}
    kept = [word for before, word in zip(["", *words], words) if word not in given and before not in given]
    return [*kept, *FEW]


def run(words, capsys):
    assert main(words) == 0
    return capsys.readouterr().out


def asked(words):
    """The images that a study's options ask for."""
    given = {word[2:]: value for word, value in itertools.pairwise(words) if word in ("--data", "--classes", "--pool")}
    return find_source(given["data"], reading=Reading.of({"pool": int(given.get("pool", 2))}, given.get("classes")))


def test_the_page_has_its_examples_and_their_commands():
    assert set(FILES) == {"shapes.py", "letters.py"}
    assert {words[0] for words in commands("")} >= {"networks", "study", "report"}
    assert len(commands("study")) >= 5


def test_pictures_in_four_classes_are_trained_on_and_reported(folder, capsys):
    layers = run([*commands("networks")[0], "NetWSAL"], capsys)
    assert "32 × 32 × 3" in layers
    whole, some = commands("study --data ./shapes")
    table = run([*in_short(whole), "--store", "shapes.db"], capsys)
    names = "blue square, green triangle, red circle, yellow cross"
    assert f"The 4 classes in their order, from 0 on: {names}." in " ".join(table.split())
    assert "class" in table
    assert "digit" not in table
    run(["report", "--store", "shapes.db", "-o", "shapes.html"], capsys)
    page = html.unescape((folder / "shapes.html").read_text(encoding="utf-8"))
    assert "Each network sees two images of ./shapes and has to say whether “first = second” is true." in page
    assert names in page
    assert "--pool 1" in page
    assert f"--classes '{names.replace(', ', ',')}'" in page
    source = asked(some)
    assert source.class_names == ("yellow cross", "red circle")
    assert source.task.classes == 2


@pytest.mark.slow
def test_letters_in_26_classes_are_trained_on_and_reported(folder, capsys):
    (study,) = commands("study --data ./letters.npz")
    table = run([*in_short(study), "--store", "letters.db"], capsys)
    assert "The 26 classes in their order, from 0 on: A, B, C," in table
    assert "The 26 classes in their order" in " ".join(run(["analyse", "--store", "letters.db"], capsys).split())
    run(["report", "--store", "letters.db", "-o", "letters.html"], capsys)
    page = (folder / "letters.html").read_text(encoding="utf-8")
    assert "dead units, of 52" in page


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """Fashion-MNIST's four files, with noise in the place of clothes."""
    random = np.random.default_rng(0)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for name, count in zip(PUBLISHED["fashion-mnist"].sha256, (200, 200, 160, 160)):
        axes = 3 if "images" in name else 1
        shape = (count, 28, 28)[:axes]
        header = struct.pack(f">BBBB{axes}I", 0, 0, 8, axes, *shape)
        values = random.integers(0, 256, shape, np.uint8) if axes == 3 else np.arange(count, dtype=np.uint8) % 10
        (folder / name).write_bytes(gzip.compress(header + values.tobytes()))
    monkeypatch.setenv("TWOFOLD_DATA_DIR", str(tmp_path))


@pytest.mark.usefixtures("clothes")
def test_clothes_are_named_as_their_authors_do():
    whole, shoes = map(asked, commands("study --data fashion-mnist"))
    assert whole.class_names[0] == "T-shirt/top"
    assert (whole.task.classes, whole.train_count) == (10, 200)
    assert shoes.class_names == ("Sandal", "Sneaker", "Ankle boot")
    assert (shoes.task.classes, shoes.train_count) == (3, 60)
