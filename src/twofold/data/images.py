"""Sources of digits: the embedded sample, MNIST and its kin, and the user's own."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int32

from twofold.data.download import PUBLISHED, Publication, download, download_folder
from twofold.data.idx import read_idx
from twofold.data.task import Task
from twofold.errors import DataError, cause_of, counted, unknown_choice
from twofold.paths import typed_path

EMBEDDED = "mnist5k"
SOURCES = (EMBEDDED, *PUBLISHED)

DATA_DIR_VARIABLE = "TWOFOLD_DATA_DIR"
# Where Debian's package dataset-fashion-mnist puts its files.
_SYSTEM_FOLDER = Path("/usr/share/datasets")

DIGIT_NAMES = tuple("0123456789")
CLASSES = len(DIGIT_NAMES)
# Pooled to 10x10, an image leaves a single window after the network's second pooling.
_SMALLEST_SIDE = 20


@dataclass(frozen=True)
class Images:
    """Images for training pairs and, apart from them, images for test pairs.

    Images are grey values as published (0 to 255 for MNIST, not scaled), made half as high and wide by average
    pooling. A label is the place of its class among the `class_names`. `fingerprint` is a hash of all four arrays: the
    same digits have the same one wherever they come from.
    """

    name: str
    train_images: Float[np.ndarray, "n h w"]
    train_labels: Int32[np.ndarray, " n"]
    test_images: Float[np.ndarray, "m h w"]
    test_labels: Int32[np.ndarray, " m"]
    fingerprint: str
    class_names: tuple[str, ...] = DIGIT_NAMES

    @property
    def train_count(self) -> int:
        """How many digits there are for training pairs and validation pairs."""
        return len(self.train_labels)

    @property
    def test_count(self) -> int:
        """How many digits there are for test pairs."""
        return len(self.test_labels)

    @property
    def task(self) -> Task:
        """What the images look like."""
        height, width = self.train_images.shape[1:]
        return Task(height=height, width=width, channels=1, classes=len(self.class_names))

    def load(self) -> "Images":
        """Itself: digits that are there are loaded (see `twofold.data.source.Source`)."""
        return self


@dataclass(frozen=True)
class Place:
    """Where digits lie: their `name`, the files that they are read from, and how."""

    name: str
    files: tuple[Path, ...]
    read: Callable[[], Images]


def load_images(name_or_path: str, data_dir: Path | None = None) -> Images:
    """The digits of a named source, of a folder of four IDX files, or of an .npz file: see `find_images`."""
    return find_images(name_or_path, data_dir).read()


def find_images(name_or_path: str, data_dir: Path | None = None) -> Place:
    """Where the digits of a named source lie, or those of a folder of four IDX files, or of an .npz file.

    A published data set is looked for in `data_dir` (or, without it, in the folder that TWOFOLD_DATA_DIR names),
    as `<dir>/<name>/` or in torchvision's layout (`<dir>/MNIST/raw/`), then among the system's data sets, then in
    the cache folder; last, it is downloaded into the cache folder.

    An .npz file has `images` (n, h, w) and `labels` (n,), and may have `test_images` and `test_labels`; without
    them the first half of each class is for training pairs and the rest for test pairs.

    Raises `DataError` where files are missing, damaged or do not suit, `SettingError` for a name that is neither
    a source nor a path.
    """
    if name_or_path == EMBEDDED:
        with resources.as_file(resources.files("twofold.data") / "mnist5k.npz") as path:
            return Place(EMBEDDED, (path,), partial(_from_npz, EMBEDDED, path))
    if name_or_path in PUBLISHED:
        publication = PUBLISHED[name_or_path]
        return _in_folder(name_or_path, _find_published(publication, data_dir), publication)
    path = typed_path("data", name_or_path)
    if os.path.isdir(path):  # unlike Path.is_dir, false for a path that may not be looked at
        return _in_folder(name_or_path, path)
    if os.path.isfile(path):
        return Place(name_or_path, (path,), partial(_from_npz, name_or_path, path))
    if os.path.exists(path):
        raise DataError(f"`data` (={path}) is a pipe or a device; give the name of an .npz file or a folder")
    if path.suffix == ".npz" or len(path.parts) > 1:
        raise DataError(f"there is no file or folder {name_or_path}; check the path given as `data`")
    raise unknown_choice("data", name_or_path, [*SOURCES, "or the path of a folder or an .npz file"])


def _find_published(publication: Publication, data_dir: Path | None) -> Path:
    """The folder that holds all files of a publication; downloads them where there is none."""
    origin = "data_dir" if data_dir else DATA_DIR_VARIABLE
    text = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    given = typed_path(origin, text) if text else None
    if given is not None and not given.is_dir():
        raise DataError(f"`{origin}` (={given}) is no folder; name the one that holds {publication.name}/")
    for parent in (given, _SYSTEM_FOLDER):
        if parent is None:
            continue
        for folder in (parent / publication.name, parent / publication.torchvision_name / "raw"):
            if any(_file_in(folder, file) for file in publication.sha256):
                return folder
    cached = download_folder() / publication.name
    download(publication, cached)
    return cached


def _file_in(folder: Path, name: str) -> Path | None:
    """The file in the folder, with or without its ending .gz."""
    candidates = (folder / name, folder / name.removesuffix(".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _in_folder(name: str, folder: Path, publication: Publication | None = None) -> Place:
    names = list((publication or PUBLISHED["mnist"]).sha256)
    paths = []
    for file in names:
        path = _file_in(folder, file)
        if path is None:
            raise DataError(f"{folder} lacks {file} (or the same without .gz); it must hold {', '.join(names)}")
        paths.append(path)
    return Place(name, tuple(paths), partial(_from_idx, name, *paths))


def _from_idx(name: str, images: Path, labels: Path, test_images: Path, test_labels: Path) -> Images:
    return _checked(
        name,
        train=(read_idx(images, 3), read_idx(labels, 1), str(images)),
        test=(read_idx(test_images, 3), read_idx(test_labels, 1), str(test_images)),
    )


def _from_npz(name: str, path: Path) -> Images:
    wanted = ("images", "labels")
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path} is no .npz file; save one with numpy.savez(path, images=..., labels=...)")
        with np.load(path, allow_pickle=False) as content:
            lacking = [key for key in wanted if key not in content]
            if lacking:
                found = ", ".join(content) or "nothing"
                raise DataError(f"{path} lacks `{lacking[0]}` (it holds {found}); it needs `images` and `labels`")
            arrays = {key: content[key] for key in content if key.removeprefix("test_") in wanted}
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot read {path} as an .npz file of numbers ({cause_of(error)}); save one with "
            "numpy.savez(path, images=..., labels=...)"
        ) from error
    whole = (arrays["images"], arrays["labels"], str(path))
    if "test_images" not in arrays and "test_labels" not in arrays:
        return _checked(name, *_halves(*_checked_arrays(*whole), str(path)))
    if "test_images" not in arrays or "test_labels" not in arrays:
        raise DataError(f"{path} has one of `test_images` and `test_labels`; give both or neither")
    return _checked(name, train=whole, test=(arrays["test_images"], arrays["test_labels"], str(path)))


_Source = tuple[np.ndarray, np.ndarray, str]


def _halves(images: np.ndarray, labels: np.ndarray, origin: str) -> tuple[_Source, _Source]:
    """The first half of each class, and the second."""
    first = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        first[places[: len(places) // 2]] = True
    return (images[first], labels[first], origin), (images[~first], labels[~first], origin)


def _checked(name: str, train: _Source, test: _Source) -> Images:
    """Check both parts, pool their images and take the fingerprint."""
    train_images, train_labels = _checked_arrays(*train)
    test_images, test_labels = _checked_arrays(*test)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{test[2]} has test images of {_size(test_images)} and training images of {_size(train_images)}; "
            "they must have one size"
        )
    arrays = (_pool(train_images), train_labels, _pool(test_images), test_labels)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode() + array.astype(array.dtype.newbyteorder("<")).tobytes())
    train_pooled, _, test_pooled, _ = arrays
    return Images(name, train_pooled, train_labels, test_pooled, test_labels, digest.hexdigest()[:32])


def _checked_arrays(images: np.ndarray, labels: np.ndarray, origin: str) -> tuple[np.ndarray, np.ndarray]:
    """The arrays as float32 and int32, once they are known to be images and classes of digits."""
    if images.ndim != 3 or labels.ndim != 1:
        raise DataError(
            f"{origin} has images of shape {images.shape} and labels of shape {labels.shape}; "
            "they must be (n, h, w) and (n,)"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{origin} goes with {counted(len(labels), 'label')} but has {counted(len(images), 'image')}; "
            "they must be as many"
        )
    height, width = images.shape[1:]
    if height % 2 or width % 2 or min(height, width) < _SMALLEST_SIDE:
        raise DataError(
            f"{origin} has images of {_size(images)}; height and width must be even and at least {_SMALLEST_SIDE}"
        )
    if images.dtype.kind not in "iufb" or labels.dtype.kind not in "iuf":
        raise DataError(
            f"{origin} has images of type {images.dtype} and labels of type {labels.dtype}; both must be numbers"
        )
    if not np.isfinite(images).all():
        raise DataError(f"{origin} has images with NaN or infinite pixels; replace or drop them")
    whole = np.isfinite(labels) & (labels >= 0) & (labels < CLASSES)
    if not (whole & (np.where(whole, labels, 0) % 1 == 0)).all():
        wrong = labels[~whole] if not whole.all() else labels[labels % 1 != 0]
        raise DataError(f"{origin} goes with the label {wrong[0]}; labels must be whole numbers from 0 to 9")
    return images.astype(np.float32), labels.astype(np.int32)


def _pool(images: Float[np.ndarray, "n H W"]) -> Float[np.ndarray, "n h w"]:
    """2x2 average pooling."""
    n, height, width = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4), dtype=np.float32)


def _size(images: np.ndarray) -> str:
    return f"{images.shape[1]}x{images.shape[2]}"
