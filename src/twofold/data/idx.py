"""Reading IDX, the format in which MNIST and its kin are published (yann.lecun.com/exdb/mnist, "file format")."""

import gzip
import io
import math
import os
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from twofold.data.reading import MOST_BYTES, Part, Raw
from twofold.errors import DataError, cause_of, counted

# The third byte of the magic number: unsigned bytes. No data set of images uses another.
_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"

# What the four files hold, in the order of `read_idx_files`, and how MNIST names each.
USUAL_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# How others name them: with a dot, after the name of the set, as "test".
_NAME = re.compile(
    r"(?:.*[-_.])?(?P<part>train|t10k|test)[-_.](?P<what>images|labels)[-_.]idx(?P<axes>[13])[-_.]ubyte(?:\.gz)?",
    re.IGNORECASE,
)


def idx_file(folder: Path, usual: str) -> Path | None:
    """The file of a folder that has this usual name, or another usual one for the same; None where there is none.

    Raises `DataError` where there are several that are not the same one, zipped and not.
    """
    named = [name for name in _names_in(folder) if _role(name) == _role(usual) and (folder / name).is_file()]
    distinct = sorted({name.removesuffix(".gz") for name in named})
    if len(distinct) > 1:
        raise DataError(f"{folder} has {distinct[0]} and {distinct[1]}; keep one set of four files in a folder")
    return folder / named[-1] if named else None  # the zipped one, where there are both


def has_idx(folder: Path, usual: Iterable[str] = USUAL_NAMES) -> bool:
    """Whether a folder has any of the files."""
    wanted = {_role(name) for name in usual}
    return any(_role(name) in wanted for name in _names_in(folder))


def read_idx_files(images: Path, labels: Path, test_images: Path, test_labels: Path) -> Raw:
    """What the four files hold. Raises `DataError` as `read_idx`."""
    parts = [
        Part(read_idx(pixels, 3), read_idx(classes, 1), str(pixels))
        for pixels, classes in ((images, labels), (test_images, test_labels))
    ]
    return Raw(parts[0], parts[1])


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array of unsigned bytes in an IDX file, gzipped or not; no more is unpacked than the header announces.

    Raises `DataError` where the file cannot be read, is damaged, is too large, or has another number of dimensions.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            with gzip.open(file) if zipped else file as content:
                return _array(path, content, dimensions)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path} ({cause_of(error)}); fetch the file anew") from error


def _array(path: Path, content: io.BufferedIOBase, dimensions: int) -> np.ndarray:
    length = 4 + 4 * dimensions
    header = content.read(length)
    expected = (0, 0, _UNSIGNED_BYTE, dimensions)
    if len(header) < length or tuple(header[:4]) != expected:
        raise DataError(
            f"{path} is no IDX file of {dimensions}-dimensional bytes (it begins with "
            f"{header[:4].hex(' ') or 'nothing'}, not with {bytes(expected).hex(' ')}); fetch the file anew"
        )
    shape = struct.unpack(f">{dimensions}I", header[4:])
    announced = math.prod(shape)
    if announced > MOST_BYTES:
        raise DataError(
            f"{path} announces {announced / 1e9:.1f} GB, and at most {MOST_BYTES / 1e9:.1f} GB are read; take fewer "
            "images, or fetch the file anew"
        )
    data = content.read(announced)
    more = bool(content.read(1))
    if len(data) != announced or more:
        held = "more" if more else counted(len(data), "byte")
        raise DataError(f"{path} holds {held} of data where its header announces {announced}; fetch the file anew")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:  # whoever reads it says so
        return []


def _role(name: str) -> tuple[str, str, str] | None:
    found = _NAME.fullmatch(name)
    if not found:
        return None
    part = "train" if found["part"].lower() == "train" else "test"
    return part, found["what"].lower(), found["axes"]
