"""Sources that cannot be used: each is refused in one line that names what is wrong and what to do."""

import gzip
import os
import resource
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from tests.data.sources import class_folders, picture, save

from twofold.data import Reading, load_images
from twofold.errors import SettingError, TwofoldError, shown

WHOLE = Reading(pool=1)


def empty_class(folder):
    class_folders(folder)
    (folder / "goat").mkdir()


def one_class(folder):
    class_folders(folder, ("cat",))


def many_classes(folder):
    for number in range(1001):
        save(folder / str(number) / "0.png", picture(number, side=2))


def unreadable_picture(folder):
    class_folders(folder)
    (folder / "dog" / "note.txt").write_text("woof")


def cut_picture(folder):
    class_folders(folder, side=40)
    path = folder / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:1500])


def no_bytes(folder):
    class_folders(folder)
    (folder / "dog" / "1.png").write_bytes(b"")


def mixed_sizes(folder):
    class_folders(folder)
    save(folder / "dog" / "9.png", picture(9, side=12))


def odd_sizes(folder):
    class_folders(folder, side=9)


def animated(folder):
    class_folders(folder)
    frames = [Image.fromarray(picture(n)) for n in range(3)]
    frames[0].save(folder / "dog" / "9.gif", save_all=True, append_images=frames[1:])


def real_numbers(folder):
    class_folders(folder)
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "dog" / "9.tif")


def of_32_bits(folder):
    class_folders(folder)
    Image.fromarray(np.full((8, 8), 100_000, np.int32)).save(folder / "dog" / "9.tif")


def tiny(folder):
    class_folders(folder, side=1)


def huge(folder):
    """A picture of 20000x20000, as its head says, in a few hundred bytes."""
    class_folders(folder)
    path = save(folder / "dog" / "9.png", picture(9))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">2I", 20000, 20000)
    content[29:33] = struct.pack(">I", __import__("zlib").crc32(bytes(content[12:29])))
    path.write_bytes(content)


def large(folder):
    """The same of 11000x11000, which Pillow only warns of."""
    class_folders(folder)
    path = save(folder / "dog" / "9.png", picture(9))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">2I", 11000, 11000)
    content[29:33] = struct.pack(">I", __import__("zlib").crc32(bytes(content[12:29])))
    path.write_bytes(content)


def not_utf8(folder):
    class_folders(folder)
    os.rename(folder / "dog", os.fsencode(folder) + b"/d\xffg")


def tab_in_a_name(folder):
    class_folders(folder, ("cat", "d\tog"))


def long_name(folder):
    class_folders(folder, ("cat", "d" * 101))


def circle(folder):
    class_folders(folder)
    (folder / "dog" / "all").symlink_to(folder)


def link_into_nothing(folder):
    class_folders(folder)
    (folder / "dog" / "9.png").symlink_to(folder / "nowhere.png")


def pipe(folder):
    class_folders(folder)
    os.mkfifo(folder / "dog" / "9.png")


def no_folders(folder):
    folder.mkdir()
    save(folder / "0.png", picture(0))


def a_third_part(folder):
    for part in ("train", "test", "val"):
        class_folders(folder / part)


def another_class_in_test(folder):
    class_folders(folder / "train", ("cat", "dog"))
    class_folders(folder / "test", ("cat", "goat"))


def no_class_in_train(folder):
    (folder / "train").mkdir(parents=True)
    class_folders(folder / "test")


def one_image(folder):
    class_folders(folder)
    for place in range(3):
        (folder / "dog" / f"{place}.png").unlink()


def one_image_over_and_over(folder):
    class_folders(folder)
    for place in range(4):
        save(folder / "dog" / f"{place}.png", picture(1000))


def two_sets_of_idx(folder):
    folder.mkdir()
    for name in ("letters", "digits"):
        (folder / f"emnist-{name}-train-images-idx3-ubyte").write_bytes(b"")


FOLDERS = {
    empty_class: "goat has no pictures; put some in",
    one_class: "has 1 class; 2 to 1000",
    many_classes: "has 1001 classes; 2 to 1000",
    unreadable_picture: r"cannot read the picture .*note.txt \(it is none of PNG, .*\); mend or remove it",
    cut_picture: r"cannot read the picture .*dog/1.png .*; mend or remove it",
    no_bytes: r"cannot read the picture .*dog/1.png .*; mend or remove it",
    mixed_sizes: "0.png is 8x8 pixels and .*9.png is 12x12; .* --size 8 8",
    animated: "9.gif has 3 pictures in one file; save each",
    real_numbers: "9.tif has pixels of the kind F; save it as RGB or grey",
    of_32_bits: "9.tif has pixels of more than 16 bits; save it with 8 or 16",
    tiny: "images of 1x1.*must be 2x2 to 1024x1024 then: give another --size or --pool",
    huge: "9.png is too large: at most 100 million pixels are read; make it smaller",
    large: "9.png is too large, 11000x11000 pixels: at most 100 million",
    not_utf8: "a class whose name is no text in UTF-8 .*; rename it",
    tab_in_a_name: r"a class of the name 'd\\tog'; a name has letters",
    long_name: "a class whose name has 101 letters .*; give it at most 100",
    circle: "dog/all.* leads back to a folder that it lies in; remove the link",
    link_into_nothing: r"9.png leads nowhere \(No such file or directory\); mend or remove it",
    pipe: "9.png is a pipe or a device; remove it",
    no_folders: "has neither a folder of pictures for each class nor IDX files; it must hold either",
    a_third_part: "has train, test and val; it must have train and test alone",
    another_class_in_test: "test has the class goat, and train has none of that name; add it there",
    no_class_in_train: "train has no folder of pictures; make one for each class",
    one_image: "has one image of the class dog .*; it needs two that differ",
    one_image_over_and_over: "has one image of the class dog .*; it needs two that differ",
    two_sets_of_idx: "emnist-digits-.* and emnist-letters-.*; keep one set of four files in a folder",
}


def check_refused(path, says, reading=WHOLE):
    with pytest.raises(TwofoldError, match=says) as caught:
        load_images(str(path), reading=reading)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()  # it can be printed
    assert ";" in str(caught.value) or ":" in str(caught.value)


@pytest.mark.parametrize("make", FOLDERS, ids=lambda make: make.__name__)
def test_folders_that_cannot_be_used_are_refused(make, tmp_path):
    make(tmp_path / "own")
    check_refused(tmp_path / "own", FOLDERS[make])


def test_sizes_that_cannot_be_pooled_are_refused(tmp_path):
    odd_sizes(tmp_path)
    check_refused(tmp_path, r"multiples of `pool` \(=2\): give another --size, for example 8 8, or --pool 1", Reading())


def test_a_class_that_there_is_none_of_is_refused(tmp_path):
    class_folders(tmp_path)
    check_refused(tmp_path, "`classes` .*did you mean horse", Reading(1, None, ("cat", "horse2")))


TABLES = {
    "": "is empty; give each picture a row",
    "path,label\n": "names no picture; give each one a row",
    "path,number\na.png,1\n": r"has no column `label` \(it has path, number\)",
    "a.png\n": "row 1: it has 1 cells; a row has a path and a label",
    "path,label\na.png,\n": "row 2: it has no label; give one",
    "path,label\n,cat\n": "row 2: it has no path; give one",
    "path,label\na.png\n": "row 2: it has 1 of 2 cells",
    "path,label\nb.png,cat\n": "row 2: there is no file b.png; paths are seen from the table's folder",
    "path,label\n.,cat\n": r"row 2: there is no file \.;",
    "path,label,split\na.png,cat,validation\n": "row 2: 'validation' must be train or test",
    "path,label,split\na.png,cat,train\na.png,dog,train\n": "has no picture for test; name some",
    'path,label\n"a.png,cat\n': "is no CSV file .*; give each picture a row",
    "path,label\na.png,cat\n": "has 1 class; 2 to 1000",
    f"path,label\na.png,cat\na.png,{'1' * 5000}\n": "a class whose name has 5000 letters",
    'path,label\na.png,cat\na.png,"d\nog"\n': r"a class of the name 'd\\nog'",
}


@pytest.mark.parametrize("text", TABLES, ids=lambda text: shown(text))
def test_tables_that_cannot_be_used_are_refused(text, tmp_path):
    save(tmp_path / "a.png", picture(0))
    (tmp_path / "own.csv").write_text(text)
    check_refused(tmp_path / "own.csv", TABLES[text])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_tables_in_other_encodings_are_refused(encoding, tmp_path):
    (tmp_path / "own.csv").write_text("path,label\nä.png,Käse\n", encoding=encoding)
    check_refused(tmp_path / "own.csv", "is not UTF-8 .*; save it as CSV UTF-8")


IMAGES, LABELS = np.zeros((8, 20, 20), np.uint8), np.arange(8) % 4
ARRAYS = {
    "labels short": ({"labels": LABELS[:7]}, "goes with 7 labels but has 8 images; they must be as many"),
    "float labels": ({"labels": LABELS + 0.5}, "the label 0.5; labels must be whole numbers"),
    "a label without a name": (
        {"labels": LABELS + 1},
        "the label 4; labels must be whole numbers from 0 to 3, the places",
    ),
    "a name without an image": ({"class_names": list("abcde")}, "no training image of the class e; add some"),
    "names that are numbers": ({"class_names": np.arange(4)}, "`class_names` of shape .*; give a list of texts"),
    "a name twice": ({"class_names": list("aabc")}, "names two classes 'a'; give each a name of its own"),
    "an empty name": ({"class_names": ["a", "b", "c", " "]}, "a class of the name ' '; a name has letters"),
    "no images": ({"images": IMAGES[:0], "labels": LABELS[:0]}, "has no images; give some of each class"),
    "all the same": ({}, "no two|has one image of the class a"),
    "test in colours": (
        {"test_images": np.zeros((8, 20, 20, 3)), "test_labels": LABELS},
        "test images of 20x20 in 3 channels and training images of 20x20; they must have one size",
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_archives_that_cannot_be_used_are_refused(case, tmp_path):
    changed, says = ARRAYS[case]
    np.savez(tmp_path / "own.npz", **{"images": IMAGES, "labels": LABELS, "class_names": list("abcd"), **changed})
    check_refused(tmp_path / "own.npz", says)


def npy_header(shape, kind="|u1"):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def archive(path, shape, length):
    """An archive whose images are zeros: their shape, and how many bytes there are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("images.npy", "w", force_zip64=True) as member:
            member.write(npy_header(shape))
            for start in range(0, length, 2**24):
                member.write(bytes(min(2**24, length - start)))
        with file.open("labels.npy", "w") as member:
            np.save(member, np.arange(8) % 2)


def check_memory(path, says, most=2**31):
    """That a source is refused by a process that has 200 MB more than it starts with; `most` are read of an archive."""
    code = (
        "import resource, sys\n"
        "import twofold.data.npz as npz\n"
        "npz.MOST_BYTES = int(sys.argv[2])\n"
        "from twofold.data import load_images\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 200_000_000,) * 2)\n"
        "try:\n    load_images(sys.argv[1])\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(most)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("DataError")
    assert says in done.stdout


@pytest.mark.parametrize("said", [(10**7, 28, 28), (10**9, 20, 20, 3)])
def test_what_unpacks_to_too_much_takes_no_memory(said, tmp_path):
    """The first would be 7.8 GB, the second 1.2 TB; their headers alone are read."""
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as file:
        file.writestr("images.npy", npy_header(said))
        file.writestr("labels.npy", npy_header((said[0],)))
    # An archive says by itself how long its parts are, which this one does wrongly.
    check_refused(tmp_path / "own.npz", "holds 0 bytes where its header announces")
    header = gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, *said[:3]))
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (tmp_path / f"{name}.gz").write_bytes(header)
    check_memory(tmp_path, "announces")


def test_an_archive_of_zeros_that_would_fill_the_memory_is_refused(tmp_path):
    archive(tmp_path / "own.npz", (10**6, 20, 20), 400 * 10**6)
    assert (tmp_path / "own.npz").stat().st_size < 500_000
    check_memory(tmp_path / "own.npz", "takes 0.4 GB when it is unpacked, and at most 0.1 GB are read", most=10**8)


@pytest.mark.parametrize("more", [1, 1000, -1])
def test_archives_that_hold_more_or_less_than_they_say_are_refused(more, tmp_path):
    archive(tmp_path / "own.npz", (8, 20, 20), 8 * 20 * 20 + more)
    check_refused(tmp_path / "own.npz", rf"holds {3200 + more} bytes where its header announces 3200\); save one")


def test_a_zipped_idx_file_is_unpacked_no_further_than_it_says(tmp_path, monkeypatch):
    content = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 2, 2) + bytes(2**27)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content, 1))
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del content
    check_refused(tmp_path, "holds more of data where its header announces 8; fetch the file anew")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path):
    """Before there is room for them: the first one's size, and how many there are, say what all would take."""
    first = save(tmp_path / "cat" / "0.png", np.zeros((1000, 1000), np.uint8))
    for place in range(1, 1200):
        (tmp_path / "cat" / f"{place}.png").symlink_to(first)
    (tmp_path / "dog").symlink_to(tmp_path / "cat")
    check_refused(tmp_path, "the 2400 pictures such as .* take 2.4 GB, and at most 2.1 GB are read; .* smaller --size")


def test_images_that_would_fill_the_memory_as_they_are_trained_on_are_refused(tmp_path):
    np.savez_compressed(
        tmp_path / "own.npz", images=np.zeros((8, 20, 20), np.uint8), labels=LABELS, class_names=list("abcd")
    )
    (tmp_path / "more").mkdir()
    check_refused(tmp_path / "own.npz", "must be 2x2 to 1024x1024 then", Reading(1, (1024, 2048)))
    np.savez_compressed(tmp_path / "own.npz", images=np.zeros((800, 20, 20), np.uint8), labels=np.arange(800) % 4)
    says = "has 800 images, which take 3.4 GB as they are trained on, and at most 2.1 GB are possible; give a smaller"
    check_refused(tmp_path / "own.npz", says, Reading(1, (1024, 1024)))


def two_labels(folder):
    save(folder / "a.png", picture(0))
    save(folder / "b.png", picture(1))
    (folder / "own.csv").write_text("a.png,cat\nb.png,dog\n./a.png,dog\n")
    return folder / "own.csv"


def beside_the_classes(folder):
    save(class_folders(folder) / "stray.png", picture(0))
    return folder


def huge_pixels(folder):
    np.savez(folder / "own.npz", images=np.full((8, 4, 4), 1e300), labels=np.arange(8) % 2)
    return folder / "own.npz"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (two_labels, "'cat' and 'dog'; keep one"),
        (beside_the_classes, "stray.png lies beside the folders of the classes; move it"),
        (huge_pixels, r"has pixels beyond 1e\+15, .*; divide them"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, says, tmp_path):
    check_refused(make(tmp_path), says)


@pytest.mark.parametrize("classes", [("nope", "cat"), ("nope", "no")])
def test_classes_that_are_not_there_are_wrong_options_in_every_source(classes, tmp_path):
    class_folders(tmp_path / "pets", ("cat", "nope, small"))
    rows = "\n".join(f'pets/{name}/{n}.png,"{name}"' for name in ("cat", "nope, small") for n in range(4))
    (tmp_path / "own.csv").write_text(
        rows.replace("pets/nope, small", '"pets/nope, small').replace('.png,"nope', '.png","nope')
    )
    for source in ("pets", "own.csv"):
        with pytest.raises(SettingError, match='name with a comma: put it in double quotes, as "nope, small"'):
            load_images(str(tmp_path / source), reading=Reading(pool=1, classes=classes))
