"""NumPy's archives: an .npz file with `images` and `labels`, and maybe `test_images`, `test_labels`, `class_names`."""

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from twofold.data.naming import check_names
from twofold.data.reading import MOST_BYTES, Part, Raw
from twofold.errors import DataError, cause_of, shown

_WANTED = ("images", "labels")
_KNOWN = {*_WANTED, "test_images", "test_labels", "class_names"}
_SAVE = "save one with numpy.savez(path, images=..., labels=...)"


def read_npz(path: Path) -> Raw:
    """The arrays of an .npz file. Raises `DataError` where it is none, lacks an array, or is too large."""
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path} is no .npz file; {_SAVE}")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            lacking = [key for key in _WANTED if key not in content]
            if lacking:
                found = shown(", ".join(content) or "nothing")
                raise DataError(f"{path} lacks `{lacking[0]}` (it holds {found}); it needs `images` and `labels`")
            check_room(path, _KNOWN)
            arrays = {key: content[key] for key in content if key in _KNOWN}
    # NotImplementedError of a way to compress that Python lacks, RuntimeError of an archive with a password.
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"cannot read {path} as an .npz file of numbers ({cause_of(error)}); {_SAVE}") from error
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise DataError(f"{path} has one of `test_images` and `test_labels`; give both or neither")
    train = Part(arrays["images"], arrays["labels"], str(path))
    test = Part(arrays["test_images"], arrays["test_labels"], str(path)) if "test_images" in arrays else None
    names = _class_names(path, arrays["class_names"]) if "class_names" in arrays else None
    return Raw(train, test, names, halved=names is None and train.images.ndim == 3)


def check_room(path: Path, known: Collection[str]) -> None:
    """Raise `DataError` where the arrays of these names would take more memory than is allowed, and `ValueError` where
    one is no array of numbers, or takes more or less than it says."""
    total = 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name not in known:
                continue
            with archive.open(info) as member:
                version = np.lib.format.read_magic(member)
                if version not in ((1, 0), (2, 0)):
                    raise ValueError(f"`{name}` is in a form of another kind than arrays of numbers are")
                read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
                shape, _, kind = read(member)
                said = math.prod(shape) * kind.itemsize
                held = info.file_size - member.tell()
            if kind.hasobject:
                raise ValueError(f"`{name}` holds objects of Python")
            if said != held:
                raise ValueError(f"`{name}` holds {held} bytes where its header announces {said}")
            total += said
            if total > MOST_BYTES:
                raise DataError(
                    f"{path} takes {total / 1e9:.1f} GB when it is unpacked, and at most {MOST_BYTES / 1e9:.1f} GB are "
                    "read; save fewer or smaller images, or numbers of 8 bits"
                )


def _class_names(path: Path, names: np.ndarray) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise DataError(
            f"{path} has `class_names` of shape {names.shape} and type {names.dtype}; give a list of texts, one a class"
        )
    try:
        texts = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist())
    except UnicodeDecodeError as error:
        raise DataError(f"{path} has `class_names` that are no text in UTF-8; save them as texts") from error
    check_names(texts, str(path))
    return texts
