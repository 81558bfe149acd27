"""Pairs of pictures that somebody asks about: two, folders, lists and arrays; and the form of a network's images."""

import os

import numpy as np
import pytest
from PIL import Image

from twofold.data import load_images, npz
from twofold.data.asked import find_pairs
from twofold.data.form import Form
from twofold.data.pictures import read_picture
from twofold.errors import DataError, SettingError, TwofoldError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with pictures, in which the paths are seen."""
    monkeypatch.chdir(tmp_path)
    for place in ("left", "right", "empty"):
        (tmp_path / place).mkdir()
    for number in (2, 10, 1):
        for place in ("left", "right"):
            Image.new("L", (20, 30), number).save(tmp_path / place / f"{number}.png")
    (tmp_path / "left" / ".hidden").touch()
    (tmp_path / "pairs.csv").write_text("\ufeffRight;Left\nright/1.png; left/2.png\n", encoding="utf-8")
    np.savez("pairs.npz", images=np.zeros((3, 2, 28, 28), np.uint8))
    np.savez("colour.npz", left=np.zeros((2, 28, 28, 3)), right=np.zeros((2, 3, 28, 28)))
    return tmp_path


def test_folders_are_paired_in_the_natural_order_of_names(folder):
    pairs = find_pairs("left", "right")
    assert [pair.names for pair in pairs] == [(f"left/{n}.png", f"right/{n}.png") for n in (1, 2, 10)]


def test_the_paths_of_a_list_are_seen_from_its_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (pair,) = find_pairs(folder / "pairs.csv")
    assert pair.names == ("left/2.png", "right/1.png")
    assert pair.pictures == (str(folder / "left/2.png"), str(folder / "right/1.png"))


def test_arrays_are_of_both_sides_together_or_apart(folder):
    assert [pair.pictures[1].shape for pair in find_pairs("pairs.npz")] == [(28, 28)] * 3
    assert [[each.shape for each in pair.pictures] for pair in find_pairs("colour.npz")] == [
        [(28, 28, 3), (3, 28, 28)]
    ] * 2
    assert find_pairs("pairs.npz")[2].names == ("left 2", "right 2")


def saved(name, **arrays):
    np.savez(name, **arrays)
    return name


WRONG = {
    "nothing there": (lambda: ("left/3.png", "right/1.png"), "there is no file or folder left/3.png"),
    "one side": (lambda: ("left/1.png", None), "is one side of a pair; give the other side too"),
    "a folder alone": (lambda: ("left", None), "is one side of a pair"),
    "a picture and a folder": (lambda: ("left/1.png", "right"), "must be two pictures, or two folders of them"),
    "unequal counts": (lambda: ("left", "empty"), "left has 3 pictures and empty has 0; give as many on each side"),
    "no pictures": (lambda: ("empty", "empty"), "have no pictures"),
    "a list without a side": (lambda: written("left,label\na.png,b\n"), "row 2: it has no right"),
    "a list with an empty cell": (lambda: written("left,right\na.png,\n"), "row 2: it has no right"),
    "an empty list": (lambda: written("left,right\n"), "names no pair"),
    "a list in Latin 1": (lambda: written("left,right\nä,ä\n", "latin-1"), "is no CSV file in UTF-8"),
    "no archive": (lambda: written("left", name="a.npz"), "cannot read a.npz as an .npz file of numbers"),
    "other arrays": (lambda: (saved("a.npz", pairs=np.zeros(2)), None), "lacks `left` (it holds pairs)"),
    "a name of two lines": (lambda: (saved("a.npz", **{"a\nb": np.zeros(2)}), None), "lacks `left` (it holds a\\nb)"),
    "no pairs of images": (lambda: (saved("a.npz", images=np.zeros((4, 3, 9, 9))), None), "they must be (n, 2, h, w)"),
    "unequal sides": (
        lambda: (saved("a.npz", left=np.zeros((2, 9, 9)), right=np.zeros((3, 9, 9))), None),
        "has 2 left and 3 right images",
    ),
    "texts": (lambda: (saved("a.npz", images=np.full((1, 2, 9, 9), "a")), None), "each side must be numbers"),
}


def written(text, encoding="utf-8", name="list.csv"):
    with open(name, "w", encoding=encoding) as file:
        file.write(text)
    return name, None


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_paired_is_told_in_one_line(case, folder):
    sides, says = WRONG[case]
    with pytest.raises(TwofoldError) as error:
        find_pairs(*sides())
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, SettingError | DataError)


def test_an_archive_that_unpacks_to_too_much_is_refused_before(folder, monkeypatch):
    monkeypatch.setattr(npz, "MOST_BYTES", 1_000_000)
    np.savez_compressed("large.npz", images=np.zeros((2, 2, 600, 600), bool))
    with pytest.raises(DataError, match=r"large.npz takes 0\.0 GB when it is unpacked"):
        find_pairs("large.npz")


def test_what_a_record_says_is_the_form():
    first = {"image_size": [14, 14], "data": "mnist5k"}
    assert Form.of(first) == Form((28, 28), 2, 1, digits=True)
    other = {"image_size": [8, 6], "data": "animals", "channels": 3, "pool": 1}
    assert Form.of(other) == Form((8, 6), 1, 3, digits=False)


def test_arrays_of_the_datas_own_size_are_what_the_study_had():
    images = load_images("mnist5k")
    with np.load(images_file()) as raw:
        image = raw["images"][0]
    made, read = Form((28, 28), 2, 1, digits=True).image(image)
    assert read == ""
    np.testing.assert_array_equal(made, images.train_images[0])


def images_file():
    from importlib import resources

    return resources.files("twofold.data") / "mnist5k.npz"


def test_a_picture_of_a_digit_is_prepared_and_told_how_it_was_read(tmp_path):
    with np.load(images_file()) as raw:
        digit = Image.fromarray(raw["images"][700]).resize((120, 120))
    form = Form((28, 28), 2, 1, digits=True)
    digit.save(tmp_path / "light.png")
    Image.fromarray(255 - np.asarray(digit)).save(tmp_path / "dark.png")
    light, dark = (form.image(str(tmp_path / f"{name}.png")) for name in ("light", "dark"))
    assert (light[1], dark[1]) == ("light on dark", "dark on light")
    assert light[0].shape == (14, 14)
    np.testing.assert_allclose(light[0], dark[0], atol=10)


def test_colours_sizes_and_channels_come_into_the_form(tmp_path):
    red = Image.new("RGB", (20, 10), (200, 0, 0))
    red.save(tmp_path / "red.png")
    Image.new("L", (20, 10), 90).save(tmp_path / "grey.png")
    grey_form, colour_form = Form((16, 12), 2, 1, digits=False), Form((16, 12), 2, 3, digits=False)
    grey, _ = grey_form.image(str(tmp_path / "red.png"))
    assert grey.shape == (8, 6)
    np.testing.assert_allclose(grey, 0.299 * 200, rtol=1e-5)
    colour, _ = colour_form.image(str(tmp_path / "red.png"))
    assert colour.shape == (3, 8, 6)
    assert colour.mean(axis=(1, 2)).tolist() == [200, 0, 0]
    np.testing.assert_array_equal(colour_form.image(str(tmp_path / "grey.png"))[0], np.full((3, 8, 6), 90))
    last, _ = colour_form.image(np.asarray(red).astype(float))
    np.testing.assert_allclose(last, colour, atol=1e-3)
    with pytest.raises(DataError, match="it has 4 channels; the network was trained on images of 3"):
        colour_form.image(np.zeros((4, 16, 12)))
    with pytest.raises(DataError, match="NaN or infinite"):
        grey_form.image(np.full((16, 12), np.nan))


def test_a_pipe_among_the_pictures_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is no file; name a picture"):
        read_picture(str(tmp_path / "pipe.png"))


def test_an_archive_that_is_none_is_refused(tmp_path):
    np.save(tmp_path / "pairs.npy", np.zeros((2, 2, 8, 8)))
    (tmp_path / "pairs.npy").rename(tmp_path / "pairs.npz")
    with pytest.raises(DataError, match=r"pairs\.npz as an \.npz file of numbers \(it is no archive\)"):
        find_pairs(tmp_path / "pairs.npz")
