"""Images of the user's own: what each kind of source gives."""

import os

import numpy as np
import pytest
from PIL import Image
from tests.data.sources import CLASSES, class_folders, picture, save

import twofold.cache
from twofold.data import Reading, find_source, load_images
from twofold.data import pictures as pictures_module
from twofold.data.naming import natural
from twofold.data.pictures import read_picture
from twofold.data.reading import classes_text

WHOLE = Reading(pool=1)


def all_of(images):
    """Every image, its class's name, and whether it is for tests."""
    for part, test in ((images.train_images, False), (images.test_images, True)):
        labels = images.test_labels if test else images.train_labels
        for image, label in zip(part, labels):
            yield image, images.class_names[label], test


def test_a_folder_has_a_class_for_each_of_its_folders(tmp_path):
    images = load_images(str(class_folders(tmp_path / "farm")), reading=WHOLE)
    assert images.class_names == CLASSES
    assert (images.train_images.shape, images.test_images.shape) == ((8, 3, 8, 8), (8, 3, 8, 8))
    assert images.task == type(images.task)(8, 8, channels=3, classes=4)
    for image, name, _ in all_of(images):
        files = [np.asarray(Image.open(path)) for path in (tmp_path / "farm" / name).iterdir()]
        assert any((image.transpose(1, 2, 0) == pixels).all() for pixels in files)


@pytest.mark.parametrize("called", [("train", "test"), ("Train", "TEST")])
def test_train_and_test_folders_are_kept_apart(called, tmp_path):
    class_folders(tmp_path / "own" / called[0], ("b", "a"), 3, colours=False)
    class_folders(tmp_path / "own" / called[1], ("a",), 2, first=100, colours=False)
    images = load_images(str(tmp_path / "own"), reading=WHOLE)
    assert images.class_names == ("a", "b")
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.test_labels.tolist() == [0, 0]
    np.testing.assert_array_equal(images.test_images[0], picture(100, colours=False))


def test_classes_come_in_the_order_of_people():
    assert natural(["10", "2", "b", "A", "a10", "a9", "1"]) == ["1", "2", "10", "A", "a9", "a10", "b"]
    assert natural(["1" + "0" * 5000, "9", "007", "x1y10", "x1y9", "10x", "x"])[:3] == ["007", "9", "10x"]


def test_classes_are_chosen_and_ordered_by_their_names(tmp_path):
    farm = str(class_folders(tmp_path))
    chosen = load_images(farm, reading=Reading(1, None, ("sheep", "cat")))
    assert chosen.class_names == ("sheep", "cat")
    whole = {image.tobytes(): name for image, name, _ in all_of(load_images(farm, reading=WHOLE))}
    assert all(whole[image.tobytes()] == name for image, name, _ in all_of(chosen))
    assert Reading.of({}, 'sheep, "cat, black"').classes == ("sheep", "cat, black")
    assert Reading.of({}, classes_text(("sheep", "cat, black"))).classes == ("sheep", "cat, black")


def test_ten_digits_may_be_three(npz):
    some = load_images(str(npz()), reading=Reading(classes=("7", "2", "1")))
    assert (some.task.classes, some.train_count) == (3, 12)
    assert sorted(set(some.train_labels.tolist())) == [0, 1, 2]


@pytest.mark.parametrize("header", ["path,label,split\n", "Split;Class;File\n", ""])
def test_a_table_names_pictures_their_classes_and_parts(header, tmp_path):
    save(tmp_path / "p" / "one.png", picture(1))
    save(tmp_path / "p" / "four.png", picture(1))
    save(tmp_path / "two, three.png", picture(2))
    rows = [("p/one.png", "black cat", "train"), ("two, three.png", "a/b", "train"), ("p/four.png", "a/b", "test")]
    rows.append((str(save(tmp_path / "five.png", picture(2))), "black cat", "testing"))
    if header.startswith("Split"):
        lines = [f"{split};{label};{path}" for path, label, split in rows]
    else:
        lines = [f'"{path}", {label} ,{split}' for path, label, split in rows]
    (tmp_path / "own.csv").write_text("\ufeff" + header + "\n".join(lines), encoding="utf-8")
    images = load_images(str(tmp_path / "own.csv"), reading=WHOLE)
    assert images.class_names == ("a/b", "black cat")
    np.testing.assert_array_equal(images.train_images[0], picture(2).transpose(2, 0, 1))
    assert images.test_labels.tolist() == [0, 1]


def test_a_table_without_parts_is_split_by_class(tmp_path):
    class_folders(tmp_path, ("x", "y"), 6)
    rows = [f"{name}/{place}.png,{name}" for name in ("x", "y") for place in range(6)]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    images = load_images(str(tmp_path / "own.csv"), reading=WHOLE)
    assert np.bincount(images.train_labels).tolist() == np.bincount(images.test_labels).tolist() == [3, 3]
    assert (
        images.fingerprint
        == load_images(str(class_folders(tmp_path / "same", ("x", "y"), 6)), reading=WHOLE).fingerprint
    )


def test_no_image_is_in_both_parts_even_where_it_comes_twice(tmp_path):
    """Also under another class's name."""
    class_folders(tmp_path, ("x", "y"), 9)
    for number in range(8):
        save(tmp_path / ("y" if number % 2 else "x") / f"again{number}.png", picture(number))
    images = load_images(str(tmp_path), reading=WHOLE)
    train, test = ({image.tobytes() for image in part} for part in (images.train_images, images.test_images))
    assert not train & test
    assert len(train | test) == 18
    assert images.train_count + images.test_count == 26
    assert abs(images.train_count - 13) <= 2


def test_grey_pictures_have_no_channels_and_one_of_colour_gives_all_three(tmp_path):
    class_folders(tmp_path, ("x", "y"), 3, colours=False)
    grey = load_images(str(tmp_path), reading=WHOLE)
    assert (grey.train_images.ndim, grey.task.channels) == (3, 1)
    save(tmp_path / "y" / "zz.png", picture(99))
    colour = load_images(str(tmp_path), reading=WHOLE)
    assert (colour.train_images.ndim, colour.task.channels) == (4, 3)
    of_grey = [image for image, name, _ in all_of(colour) if name == "x"]
    assert all((image == image[:1]).all() for image in of_grey)


def test_pictures_of_several_sizes_are_brought_to_one(tmp_path):
    class_folders(tmp_path, ("x", "y"), 2)
    save(tmp_path / "x" / "large.png", picture(50, side=31))
    images = load_images(str(tmp_path), reading=Reading(pool=2, size=(12, 16)))
    assert images.train_images.shape[1:] == (3, 6, 8)


def test_arrays_are_brought_to_a_size_as_pictures_are(tmp_path):
    class_folders(tmp_path / "own" / "train", ("x", "y"), 2)
    class_folders(tmp_path / "own" / "test", ("x", "y"), 2, first=50)
    pictures = load_images(str(tmp_path / "own"), reading=Reading(pool=1, size=(4, 6)))
    train = np.stack([picture(n) for n in range(4)])
    test = np.stack([picture(50 + n) for n in range(4)])
    labels = [0, 0, 1, 1]
    np.savez(
        tmp_path / "own.npz", images=train, labels=labels, test_images=test, test_labels=labels, class_names=["x", "y"]
    )
    arrays = load_images(str(tmp_path / "own.npz"), reading=Reading(pool=1, size=(4, 6)))
    assert np.abs(arrays.train_images - pictures.train_images).max() <= 1.01  # which are rounded to 8 bits, twice
    assert arrays.class_names == ("x", "y")


@pytest.mark.parametrize("pool", [1, 2, 4])
def test_pooling_is_the_mean_of_windows_however_many_are_pooled_at_once(pool, tmp_path, monkeypatch):
    """Bit for bit, also of numbers that are no whole ones."""
    images = np.random.default_rng(3).random((24, 3, 8, 12), np.float32)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(24) % 2, class_names=["x", "y"])
    reading = Reading(pool=pool)
    whole = load_images(str(tmp_path / "own.npz"), reading=reading)
    monkeypatch.setattr("twofold.data.arrays._AT_ONCE", 5 * 3 * 8 * 12)
    parts = load_images(str(tmp_path / "own.npz"), reading=reading)
    assert parts.fingerprint == whole.fingerprint
    means = images.reshape(24, 3, 8 // pool, pool, 12 // pool, pool).mean((3, 5), dtype=np.float64)
    for image, _, _ in all_of(whole):
        assert np.abs(means - image).max((1, 2, 3)).min() < 1e-6


def test_channels_may_come_first_or_last(tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (12, 8, 10, 3), np.uint8), np.arange(12) % 3
    found = []
    for arranged in (images, images.transpose(0, 3, 1, 2)):
        np.savez(tmp_path / "own.npz", images=arranged, labels=labels, class_names=list("abc"))
        found.append(load_images(str(tmp_path / "own.npz")))
    assert found[0].fingerprint == found[1].fingerprint
    assert found[0].train_images.shape == (6, 3, 4, 5)


def test_labels_beyond_digits_name_their_classes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (104, 8, 8), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=1 + np.arange(104) % 26)
    found = load_images(str(tmp_path / "own.npz"))
    assert found.class_names == tuple(map(str, range(1, 27)))
    assert np.bincount(found.train_labels).tolist() == [2] * 26


@pytest.mark.parametrize(("classes", "names"), [(4, tuple("0123")), (10, tuple("0123456789"))])
def test_labels_of_colours_are_digits_where_there_are_all_ten(classes, names, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % classes)
    found = load_images(str(tmp_path / "own.npz"))
    assert found.class_names == names
    assert np.bincount(found.train_labels).tolist() == [20 // classes] * classes


def test_the_number_of_classes_is_part_of_the_fingerprint(tmp_path):
    """Two sources of equal arrays are two tasks where one has more classes: their networks differ."""
    images, labels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8), np.arange(40) % 4
    parts = {"images": images, "labels": labels, "test_images": images, "test_labels": labels}
    fingerprints = set()
    for names in ({}, {"class_names": list("abcd")}, {"class_names": list("wxyz")}):
        np.savez(tmp_path / "own.npz", **parts, **names)
        fingerprints.add(load_images(str(tmp_path / "own.npz")).fingerprint)
    assert len(fingerprints) == 2


NAMES_OF_IDX = {
    "dotted": lambda name: name.replace("-idx", ".idx"),
    "of a larger set": lambda name: "emnist-letters-" + name.replace("t10k", "test"),
    "in capitals": str.upper,
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("way", NAMES_OF_IDX)
def test_idx_files_may_have_other_usual_names(way, zipped, idx_folder, npz):
    folder = idx_folder("own", zipped=zipped)
    for path in list(folder.iterdir()):
        path.rename(folder / NAMES_OF_IDX[way](path.name))
    if way != "in capitals" or not zipped:  # .GZ is another ending
        assert load_images(str(folder)).fingerprint == load_images(str(npz())).fingerprint


def test_published_sets_have_the_names_of_their_authors(idx_folder):
    parent = idx_folder("sets/fashion-mnist").parent
    assert load_images("fashion-mnist", parent).class_names[-1] == "Ankle boot"


GREY, COLOURS = picture(5, colours=False), picture(6)


def with_alpha(pixels):
    """The picture with its left half transparent."""
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    alpha[:, :4] = 0
    return np.dstack([pixels, alpha])


def on_white(pixels):
    on = pixels.copy()
    on[:, :4] = 255
    return on


PICTURES = {
    "grey.png": (Image.fromarray(GREY), {}, GREY),
    "colours.png": (Image.fromarray(COLOURS), {}, COLOURS),
    "grey in colours.png": (Image.fromarray(np.dstack([GREY] * 3)), {}, GREY),
    "of 16 bits.png": (Image.fromarray(GREY.astype(np.uint16) * 257), {}, GREY),
    "of 1 bit.png": (Image.fromarray(GREY > 127), {}, np.where(GREY > 127, 255, 0).astype(np.uint8)),
    "alpha.png": (Image.fromarray(with_alpha(COLOURS)), {}, on_white(COLOURS)),
    "grey and alpha.png": (Image.fromarray(with_alpha(GREY)), {}, on_white(GREY)),
    "palette.png": (Image.fromarray(np.dstack([GREY // 32 * 32] * 3)).quantize(8), {}, GREY // 32 * 32),
    "turned.jpg": (Image.fromarray(np.zeros((8, 16), np.uint8)), {"exif": {0x0112: 6}}, np.zeros((16, 8), np.uint8)),
    "print.tif": (Image.fromarray(np.zeros((8, 8, 4), np.uint8), mode="CMYK"), {}, np.full((8, 8), 255, np.uint8)),
    "one frame.gif": (Image.fromarray(GREY), {}, GREY),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_a_picture_is_inside(name, tmp_path):
    image, options, expected = PICTURES[name]
    if "exif" in options:
        exif = Image.Exif()
        exif.update(options["exif"])
        options = {"exif": exif}
    image.save(tmp_path / name, **options)
    pixels = read_picture(str(tmp_path / name))
    np.testing.assert_array_equal(pixels, expected.transpose(2, 0, 1) if expected.ndim == 3 else expected)


def test_links_within_are_followed(tmp_path):
    class_folders(tmp_path / "pictures", ("x", "y"), 4)
    (tmp_path / "own" / "x").mkdir(parents=True)
    (tmp_path / "own" / "y").symlink_to(tmp_path / "pictures" / "y")
    for place in range(4):
        (tmp_path / "own" / "x" / f"{place}.png").symlink_to(tmp_path / "pictures" / "x" / f"{place}.png")
    linked, there = (load_images(str(tmp_path / name), reading=WHOLE) for name in ("own", "pictures"))
    assert linked.fingerprint == there.fingerprint


def test_names_of_files_may_be_no_text(tmp_path):
    class_folders(tmp_path, ("x", "y"), 4)
    os.rename(tmp_path / "x" / "0.png", os.fsencode(tmp_path / "x") + b"/0\xff.png")
    assert load_images(str(tmp_path), reading=WHOLE).train_count == 4


def test_the_facts_of_a_folder_are_those_of_its_pictures_and_of_how_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "cache")
    farm = class_folders(tmp_path / "farm")
    first = find_source(str(farm), reading=WHOLE)
    reads = []
    real = pictures_module.read_picture
    monkeypatch.setattr(pictures_module, "read_picture", lambda *given: reads.append(1) or real(*given))
    again = find_source(str(farm), reading=WHOLE)
    assert (again.fingerprint, again.class_names, reads) == (first.fingerprint, CLASSES, [])
    pooled = find_source(str(farm), reading=Reading(pool=2))
    assert (pooled.task.image_size, len(reads)) == ((4, 4), 16)
    save(farm / "cat" / "new.png", picture(77))
    assert find_source(str(farm), reading=WHOLE).fingerprint != first.fingerprint


def test_test_images_that_are_training_images_too_are_counted(npz, tmp_path):
    images = picture(1)[..., 0][None] + np.arange(6, dtype=np.uint8)[:, None, None]
    labels = np.arange(6) % 2
    np.savez(
        tmp_path / "own.npz",
        images=images,
        labels=labels,
        test_images=np.array([images[4], images[5] + 9]),
        test_labels=labels[4:],
    )
    assert load_images(str(tmp_path / "own.npz"), reading=WHOLE).shared_count() == 1


def test_numbers_below_0_come_in_their_order():
    assert natural(["10", "-1", "2", "a", "-2", "-10", "0"]) == ["-10", "-2", "-1", "0", "2", "10", "a"]
