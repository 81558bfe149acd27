"""What kept networks say of pictures of one's own, on the command line and in Python."""

import csv
import io
import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from tests.export.keeping import keep

import twofold
from twofold.cli import main
from twofold.data import draw_pairs, load_images
from twofold.data.form import Form, edge_range
from twofold.errors import NetworkError
from twofold.export.trained import open_kept
from twofold.results import ModelStore

FIRST = Path(__file__).parents[1] / "stores" / "first" / "twofold.models"

NETWORKS = """
import torch
from torch import nn


class Seen(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch, self.head = nn.Linear(75, 4), nn.Linear(8, 2)

    def forward(self, left, right):
        a, b = (self.branch(each.flatten(1) / 255) for each in (left, right))
        return self.head(torch.cat([a, b], 1)), a, b


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(75, 8)

    def forward(self, left, right):
        return self.layer(left.flatten(1) / 255), self.layer(right.flatten(1) / 255)
"""
NAMES = ["cat", "dog", "bird of paradise", "fish"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with kept networks, and pictures of digits and of others."""
    folder = tmp_path_factory.mktemp("predict")
    shutil.copytree(FIRST, folder / "twofold.models")
    (folder / "nets.py").write_text(NETWORKS, encoding="utf-8")
    with np.load(resources.files("twofold.data") / "mnist5k.npz") as raw:
        images, labels = raw["images"], raw["labels"]
    for place in ("left", "right"):
        (folder / place).mkdir()
    digits = [3, 8, 1, 5]
    for number, (first, second) in enumerate(zip(digits, digits[::-1])):
        one, other = (images[np.flatnonzero(labels == label)[2]] for label in (first, second))
        Image.fromarray(255 - one).resize((150, 150)).save(folder / "left" / f"{number}.png")
        Image.fromarray(other).resize((60, 60)).save(folder / "right" / f"{number}.bmp")
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (folder / "some.csv").write_text("left,right\nleft/0.png,right/0.bmp\nleft/1.png,bad.png\n", encoding="utf-8")
    colours = np.random.default_rng(0).integers(0, 256, (3, 2, 10, 10, 3)).astype(np.uint8)
    np.savez(folder / "colour.npz", images=colours)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def named(network):
    kept = ModelStore("twofold.models")
    return next(kept.path(record["key"]) for record in kept.records() if record["network"] == network)


def animals(folder, network, key, **others):
    record = {
        "channels": 3,
        "classes": 4,
        "class_names": NAMES,
        "data": "animals",
        "pool": 2,
        "relation": "==",
        **others,
    }
    return keep(folder / "twofold.others", f"{folder}/nets.py:{network}", size=(5, 5), key=key, **record)


def test_two_pictures_are_answered_in_words(here, capsys):
    assert main(["predict", str(named("NetWSAL")), "left/0.png", "right/0.bmp"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:3] == [
        "3 ≤ 5: yes, over 99 %",
        "left/0.png: 3, over 99 %; read as dark on light",
        "right/0.bmp: 5, over 99 %; read as light on dark",
    ]
    assert err == ""


def test_folders_are_answered_in_a_table_and_in_python(here, capsys):
    file = named("NetWSAL")
    assert main(["predict", file.stem[:6], "left", "right", "--models", "twofold.models"]) == 0
    out = capsys.readouterr().out
    assert "What NetWSAL says of 4 pairs" in out
    assert "Read: 4 pictures as dark on light and 4 pictures as light on dark." in " ".join(out.split())
    table = twofold.predict(file, "left", "right")
    assert list(table.left_class) == ["3", "8", "1", "5"]
    assert list(table.right_class) == ["5", "1", "8", "3"]
    assert list(table.answer) == [True, False, True, False]
    for row in table.itertuples():
        assert f"{row.left_class} ≤ {row.right_class}: {'yes' if row.answer else 'no'}" in out


def test_a_damaged_picture_is_named_and_the_others_are_done(here, capsys):
    words = ["predict", str(named("NetBase")), "some.csv"]
    assert main([*words, "--json"]) == 4
    out, err = capsys.readouterr()
    first, second = json.loads(out)
    assert first["answer"] is not None
    assert first["left_class"] is None  # it was not trained to name classes
    assert (second["answer"], second["probability"], second["left_read_as"]) == (None, None, None)
    assert err.count("\n") == 1
    assert err.startswith("twofold: cannot read the picture bad.png (")
    assert main([*words, "--csv"]) == 4
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["left"] for row in rows] == ["left/0.png", "left/1.png"]
    assert "bad.png" in rows[1]["error"]
    assert main(words) == 4
    assert "left/1.png  bad.png" in capsys.readouterr().out
    assert main(["predict", str(named("NetBase")), "left/0.png", "bad.png"]) == 4
    assert capsys.readouterr().out == ""


def test_images_as_the_study_had_them_are_answered_as_in_the_study(here):
    file = named("NetWS")
    kept = open_kept(file)
    asked = {name: kept.record[name] for name in ("seed", "round", "relation")}
    pairs = draw_pairs(load_images("mnist5k"), split="test", pairs=kept.record["test_pairs"], **asked)
    # Before pooling: each pixel four times.
    np.savez("study.npz", images=np.kron(pairs.images, np.ones((2, 2))))
    table = twofold.predict(file, "study.npz")
    assert np.mean(table.answer.astype(bool) != pairs.targets.astype(bool)) == pytest.approx(kept.record["test_error"])


def test_classes_have_their_names(here, capsys):
    asked = "a == 'cat' or b == 'fish'"
    file = animals(here, "Seen", "aa", auxiliary_losses=True, aux_weight=1.0, relation=asked)
    words = ["predict", str(file), "colour.npz", "--network", f"{here}/nets.py:Seen"]
    assert main(words) == 0
    out = capsys.readouterr().out
    table = twofold.predict(file, "colour.npz", network=f"{here}/nets.py:Seen")
    for row in table.itertuples():
        assert {row.left_class, row.right_class} <= set(NAMES)
        assert f"{asked}, for a = {row.left_class} and b = {row.right_class}: {'yes' if row.answer else 'no'}" in out
    assert "Read:" not in out


def test_embeddings_answer_by_their_distance(here, capsys):
    far, near = (animals(here, "Embed", key, distance_threshold=least) for key, least in (("bb", 1e9), ("cc", 0.0)))
    typed = ["--network", f"{here}/nets.py:Embed"]
    assert main(["predict", str(far), "left/0.png", "left/1.png", *typed]) == 0
    assert capsys.readouterr().out.startswith("first = second: yes (distance ")
    assert main(["predict", str(near), "colour.npz", *typed]) == 0
    out = capsys.readouterr().out
    assert out.count("first = second: no") == 3
    assert "The threshold of distances is 0." in out


def test_a_network_that_diverged_is_told(here):
    file = animals(here, "Seen", "dd", pixel_deviation=1e-38)
    with pytest.raises(NetworkError, match="gives numbers that are not finite"):
        twofold.predict(file, "colour.npz", network=f"{here}/nets.py:Seen")


def test_two_formats_exclude_each_other(here, capsys):
    assert main(["predict", str(named("NetWS")), "left", "right", "--json", "--csv"]) == 2
    assert "`--json` and `--csv` exclude each other" in capsys.readouterr().err


def test_pictures_like_negatives_of_the_studys_images_are_named(here, capsys):
    file = animals(here, "Seen", "0f", edge_range=[0.0, 12.0])
    for number, (edge, ink) in enumerate([(0, 255), (255, 0), (130, 20), (20, 160)]):
        pixels = np.full((40, 40, 3), edge, np.uint8)
        pixels[10:30, 10:30] = ink
        Image.fromarray(pixels).save(here / f"shape{number}.png")
    (here / "shapes.csv").write_text("left,right\nshape0.png,shape1.png\nshape2.png,shape3.png\n", encoding="utf-8")
    seen = ["--network", "nets.py:Seen"]
    assert main(["predict", str(file), "shape0.png", "shape1.png", *seen]) == 0
    out, err = capsys.readouterr()
    assert out
    assert err == (
        "twofold: shape1.png looks like the negative of the study's images: light at the edge where they are dark, or "
        "the other way round; if so, the answer means nothing: invert the picture\n"
    )
    table = twofold.predict(file, "shapes.csv", network="nets.py:Seen")
    assert [list(table.left_inverted), list(table.right_inverted)] == [[False, False], [True, False]]
    earlier = animals(here, "Seen", "0e")
    assert main(["predict", str(earlier), "shape0.png", "shape1.png", *seen]) == 0
    assert capsys.readouterr().err == ""


def test_where_the_edges_of_images_lie():
    images = np.zeros((1000, 3, 6, 5))
    images[:, :, 1:-1, 1:-1] = 200
    images[0], images[1:4] = 255, 30
    assert edge_range(images) == (0, 0)
    images[1:20] = 30
    assert edge_range(images) == (0, 30)
    assert edge_range(images[:, 0]) == (0, 30)


def test_pictures_come_to_the_scale_of_the_studys_pixels(here, capsys):
    picture = str(here / "scale.png")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (10, 10, 3)).astype(np.uint8)).save(picture)
    usual, unit = (
        Form.of({"image_size": [5, 5], "channels": 3, "data": "animals", "pool": 2, "pixel_range": [0.0, most]})
        for most in (251.5, 0.98)
    )
    np.testing.assert_allclose(unit.image(picture)[0], usual.image(picture)[0] / 255, rtol=1e-6)
    dark = Form.of({**vars(unit), "image_size": [5, 5], "edge_range": [0.0, 0.05], "pixel_range": [0.0, 0.98]})
    assert [dark.is_inverted(np.full((5, 5), light)) for light in (0.02, 0.97, 0.5)] == [False, True, False]
    file = animals(here, "Seen", "0d", pixel_range=[-2.1, 2.6])
    assert main(["predict", str(file), picture, picture, "--network", "nets.py:Seen"]) == 4
    assert "the study's pixels are not from 0 to 255, nor from 0 to 1: give arrays" in capsys.readouterr().err
    assert main(["predict", str(file), "colour.npz", "--network", "nets.py:Seen", "--json"]) == 0


def test_a_list_names_the_lines_of_its_file_and_files_of_home(here, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "home.csv").write_text("left,right\n\n~/left/0.png,right/0.bmp\n", encoding="utf-8")
    assert main(["predict", str(named("NetBase")), "home.csv", "--json"]) == 0
    (here / "lacks.csv").write_text("left,right\n\nleft/0.png,right/0.bmp\nleft/0.png,\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["predict", str(named("NetBase")), "lacks.csv"]) == 4
    assert "lacks.csv, row 4: it has no right" in capsys.readouterr().err
