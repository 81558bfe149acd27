"""Reading IDX, the format in which MNIST and its kin are published (yann.lecun.com/exdb/mnist, "file format")."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from twofold.errors import DataError, cause_of, counted

# The third byte of the magic number: unsigned bytes. No data set of digits uses another.
_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array of unsigned bytes in an IDX file, gzipped or not.

    Raises `DataError` where the file cannot be read, is damaged, or has another number of dimensions.
    """
    try:
        content = path.read_bytes()
        if content[:2] == _GZIP_MAGIC:
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path} ({cause_of(error)}); fetch the file anew") from error
    header = 4 + 4 * dimensions
    expected = (0, 0, _UNSIGNED_BYTE, dimensions)
    if len(content) < header or tuple(content[:4]) != expected:
        raise DataError(
            f"{path} is no IDX file of {dimensions}-dimensional bytes (it begins with "
            f"{content[:4].hex(' ') or 'nothing'}, not with {bytes(expected).hex(' ')}); fetch the file anew"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise DataError(
            f"{path} holds {counted(len(content) - header, 'byte')} of data where its header announces "
            f"{math.prod(shape)}; fetch the file anew"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
