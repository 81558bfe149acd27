"""Where digits come from, and what is said about those that do not suit."""

import gzip
import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import twofold.data.finding as digits_module
from twofold.data import SOURCES, load_images
from twofold.data.download import PUBLISHED
from twofold.errors import DataError, SettingError

# Of the four arrays below, by the formula of the docstring of `Images`, when the reader was written. It changes only
# where the meaning of a fingerprint does: then every stored result loses its identity.
EMBEDDED_FINGERPRINT = "acf49fa9287a14f70b17315509161d51"


def assert_same_digits(ours, theirs):
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.fingerprint == theirs.fingerprint


@pytest.fixture(scope="module")
def embedded():
    return load_images("mnist5k")


def test_the_embedded_sample_is_balanced_and_small(embedded):
    for images, labels in (
        (embedded.train_images, embedded.train_labels),
        (embedded.test_images, embedded.test_labels),
    ):
        assert images.shape == (2500, 14, 14)
        assert images.dtype == np.float32
        assert labels.dtype == np.int32
        assert (np.bincount(labels) == 250).all()
        assert 0 <= images.min() < images.max() <= 255
    assert (resources.files("twofold.data") / "mnist5k.npz").stat().st_size < 1_000_000


def test_no_embedded_image_comes_twice(embedded):
    images = np.concatenate([embedded.train_images, embedded.test_images]).reshape(5000, -1)
    assert len(np.unique(images, axis=0)) == 5000


def test_the_embedded_digits_are_mnists(embedded, mnist_folder):
    """Each is one of the 60,000 training images, with its label."""
    mnist = load_images("mnist", mnist_folder)
    known = {image.tobytes(): label for image, label in zip(mnist.train_images, mnist.train_labels)}
    for image, label in (
        *zip(embedded.train_images, embedded.train_labels),
        *zip(embedded.test_images, embedded.test_labels),
    ):
        assert known[image.tobytes()] == label


def test_mnist_is_read_whole(mnist_folder):
    mnist = load_images("mnist", mnist_folder)
    assert mnist.train_images.shape == (60000, 14, 14)
    assert mnist.test_images.shape == (10000, 14, 14)
    # The counts of classes in the test set, as its authors' files have them.
    assert np.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_fingerprint_is_that_of_the_four_arrays(embedded):
    digest = hashlib.sha256()
    for array in (embedded.train_images, embedded.train_labels, embedded.test_images, embedded.test_labels):
        digest.update(str(array.shape).encode() + array.tobytes())
    assert embedded.fingerprint == digest.hexdigest()[:32] == EMBEDDED_FINGERPRINT


def test_the_fingerprint_sees_every_array(npz, arrays):
    whole = load_images(str(npz())).fingerprint
    for name, array in arrays.items():
        other = array.copy()
        other.flat[0] = (other.flat[0] + 1) % 10
        assert load_images(str(npz(**{name: other}))).fingerprint != whole


def test_images_are_average_pooled(npz, arrays):
    """Against a plain loop."""
    digits = load_images(str(npz()))
    image = arrays["images"][7].astype(float)
    for row in range(10):
        for column in range(12):
            window = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert digits.train_images[7, row, column] == window.mean()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_folder_of_idx_files_is_the_npz_file_with_the_same_arrays(zipped, idx_folder, npz):
    assert_same_digits(load_images(str(idx_folder("own", zipped=zipped))), load_images(str(npz())))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("layout", ["own", "torchvision"])
@pytest.mark.parametrize("told", ["argument", "variable"])
def test_a_published_data_set_is_found_in_the_data_folder(told, layout, name, zipped, idx_folder, npz, monkeypatch):
    place = name if layout == "own" else f"{PUBLISHED[name].torchvision_name}/raw"
    idx_folder(f"sets/{place}", zipped=zipped)
    parent = npz().parent / "sets"
    if told == "variable":
        monkeypatch.setenv("TWOFOLD_DATA_DIR", str(parent))
        found = load_images(name)
    else:
        monkeypatch.setenv("TWOFOLD_DATA_DIR", "/nowhere")  # the argument goes before the variable
        found = load_images(name, parent)
    assert_same_digits(found, load_images(str(npz())))
    assert found.name == name


@pytest.mark.usefixtures("no_network")
def test_debians_data_sets_are_found(idx_folder, npz, monkeypatch):
    """The package dataset-fashion-mnist puts its files into /usr/share/datasets/fashion-mnist, zipped."""
    monkeypatch.delenv("TWOFOLD_DATA_DIR", raising=False)
    monkeypatch.setattr(digits_module, "_SYSTEM_FOLDER", idx_folder("debian/fashion-mnist", zipped=True).parent)
    assert_same_digits(load_images("fashion-mnist"), load_images(str(npz())))


def test_without_test_arrays_each_class_is_halved(npz, arrays):
    own = load_images(str(npz(test_images=None, test_labels=None)))
    assert (np.bincount(own.train_labels) == 2).all()
    assert (np.bincount(own.test_labels) == 2).all()
    first_ten = arrays["images"][:10].reshape(10, 10, 2, 12, 2).mean((2, 4))
    np.testing.assert_array_equal(own.train_images[:10], first_ten)


def test_labels_may_be_whole_numbers_of_any_type(npz, arrays):
    for kind in (np.int64, np.float64):
        changed = npz(labels=arrays["labels"].astype(kind), test_labels=arrays["test_labels"].astype(kind))
        assert load_images(str(changed)).fingerprint == load_images(str(npz())).fingerprint


def with_pixel(images, value):
    changed = images.astype(np.float64)
    changed[3, 2, 1] = value
    return changed


BAD_ARRAYS = {
    "lengths differ": (lambda a: {"labels": a["labels"][:-1]}, "39 labels but has 40 images"),
    "a negative label": (lambda a: {"test_labels": np.r_[a["test_labels"][1:].astype(int), -1]}, "the label -1;"),
    "half a label": (lambda a: {"labels": np.r_[a["labels"][1:], 2.5]}, r"the label 2\.5;"),
    "a label that is no number": (lambda a: {"labels": np.r_[a["labels"][1:], np.nan]}, "the label nan;"),
    "NaN": (lambda a: {"images": with_pixel(a["images"], np.nan)}, "NaN or infinite pixels; replace or drop"),
    "infinity": (lambda a: {"test_images": with_pixel(a["test_images"], np.inf)}, "NaN or infinite pixels"),
    "odd height": (
        lambda a: {name: a[name][:, 1:] for name in ("images", "test_images")},
        r"19x24; height and width must be multiples of `pool` \(=2\)",
    ),
    "too small": (lambda a: {n: a[n][:, :2] for n in ("images", "test_images")}, "2x24, and so of 1x12 with `pool`"),
    "two sizes": (lambda a: {"images": a["images"][:, :, :22]}, "20x24 and training images of 20x22; .* one size"),
    "too many channels": (lambda a: {"images": a["images"][:, None].repeat(5, 1)}, r"\(40, 5, 20, 24\); .* at most 4"),
    "too many axes": (lambda a: {"images": a["images"][..., None, None]}, r"shape \(40, 20, 24, 1, 1\) .* must be \(n"),
    "text": (lambda a: {"labels": a["labels"].astype(str)}, "labels of type <U3; both must be numbers"),
    "complex pixels": (lambda a: {"images": a["images"] + 0j}, "images of type complex128"),
    "objects": (lambda a: {"images": a["images"].astype(object)}, "cannot read .* as an .npz file of numbers"),
    "no labels": (lambda a: {"labels": None}, r"lacks `labels` \(it holds images, test_images, test_labels\)"),
    "no images": (lambda a: {"images": None}, "lacks `images`"),
    "a name of two lines": (lambda a: {"images": None, "a\nb": a["labels"]}, r"lacks `images` \(it holds .*a\\nb.*\)"),
    "half a test set": (
        lambda a: {"test_labels": None},
        "one of `test_images` and `test_labels`; give both or neither",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_do_not_suit_are_named(case, npz, arrays):
    change, says = BAD_ARRAYS[case]
    with pytest.raises(DataError, match=says) as caught:
        load_images(str(npz(**change(arrays))))
    assert_names(caught.value, "own.npz")


def assert_names(error, file):
    """One line, which names the file and ends in what to do."""
    assert file in str(error)
    assert "\n" not in str(error)
    assert ";" in str(error)


BAD_FILES = {
    "empty": lambda content: b"",
    "another format": lambda content: b"GIF89a" + content[6:],
    "another number of dimensions": lambda content: content[:3] + b"\x01" + content[4:],
    "16-bit pixels": lambda content: content[:2] + b"\x0b" + content[3:],
    "cut in its header": lambda content: content[:9],
    "cut": lambda content: content[:-100],
    "too long": lambda content: content + b"\0",
    "cut while zipped": lambda content: gzip.compress(content)[:-100],
    "damaged while zipped": lambda content: gzip.compress(content)[:200] + bytes(50) + gzip.compress(content)[250:],
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_damaged_idx_files_are_named(case, idx_folder, idx_files):
    folder = idx_folder("own")
    name = "t10k-images-idx3-ubyte"
    (folder / name).write_bytes(BAD_FILES[case](idx_files[name]))
    with pytest.raises(DataError, match="fetch the file anew") as caught:
        load_images(str(folder))
    assert_names(caught.value, f"own/{name}")


def test_a_file_that_cannot_be_read_is_named(idx_folder, monkeypatch):
    """Root may read every file, so the refusal is the test's own."""
    folder = idx_folder("own")

    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*train-images-idx3-ubyte \(Permission denied\)"):
        load_images(str(folder))


def test_a_folder_that_lacks_a_file_is_named(idx_folder):
    folder = idx_folder("own")
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte") as caught:
        load_images(str(folder))
    assert_names(caught.value, str(folder))


def npy(path, npz_bytes):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


BAD_NPZ = {
    "an .npy file under another name": npy,
    "empty": lambda path, content: path.write_bytes(b""),
    "text": lambda path, content: path.write_text("digits"),
    "cut": lambda path, content: path.write_bytes(content[: len(content) // 2]),
    "damaged": lambda path, content: path.write_bytes(content[:500] + bytes(3000) + content[3500:]),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_npz_files_that_are_none_are_named(case, npz):
    path = npz()
    BAD_NPZ[case](path, path.read_bytes())
    with pytest.raises(DataError, match=r"save one with numpy\.savez") as caught:
        load_images(str(path))
    assert_names(caught.value, "own.npz")


def test_a_damaged_compressed_npz_file_is_named(tmp_path, arrays):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, **arrays)
    content = bytearray(path.read_bytes())
    content[2000:2400] = bytes(400)
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot read") as caught:
        load_images(str(path))
    assert_names(caught.value, "own.npz")


@pytest.mark.parametrize("path", ["own.npz", "no/such/folder", "/" + "a" * 300])
def test_a_path_to_nothing_is_named(path):
    with pytest.raises(DataError, match="check the path given as `data`"):
        load_images(path)


@pytest.mark.parametrize("name", ["minst", "fashion_mnist", "a" * 300])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(SettingError, match="known: " + ", ".join(SOURCES)):
        load_images(name)


@pytest.mark.parametrize("told", ["data_dir", "TWOFOLD_DATA_DIR"])
def test_a_data_folder_that_is_none_is_named(told, tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere"
    if told == "TWOFOLD_DATA_DIR":
        monkeypatch.setenv(told, str(nowhere))
    with pytest.raises(DataError, match=f"`{told}`.*nowhere.* is no folder; name the one that holds mnist/"):
        load_images("mnist", nowhere if told == "data_dir" else None)
