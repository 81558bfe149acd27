"""Digits made up for the tests, and files that hold them."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twofold.data.download import PUBLISHED

TRAINING, TEST = 40, 20


def idx_bytes(array: np.ndarray) -> bytes:
    """The array of unsigned bytes as an IDX file holds it."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    """40 + 20 images of noise, 20x24, whose labels go round the classes."""
    noise = np.random.default_rng(4)
    return {
        "images": noise.integers(0, 256, (TRAINING, 20, 24), np.uint8),
        "labels": np.arange(TRAINING, dtype=np.uint8) % 10,
        "test_images": noise.integers(0, 256, (TEST, 20, 24), np.uint8),
        "test_labels": np.arange(TEST, dtype=np.uint8) % 10,
    }


@pytest.fixture(scope="session")
def idx_files(arrays) -> dict[str, bytes]:
    """The made-up digits as the four IDX files of MNIST, by their names without .gz."""
    names = (name.removesuffix(".gz") for name in PUBLISHED["mnist"].sha256)
    return {name: idx_bytes(array) for name, array in zip(names, arrays.values(), strict=True)}


@pytest.fixture
def idx_folder(tmp_path, idx_files) -> Callable[..., Path]:
    """A function that writes the four files into a folder below the test's own, gzipped or not."""

    def write(name: str, *, zipped: bool = False) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for file, content in idx_files.items():
            if zipped:
                (folder / f"{file}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / file).write_bytes(content)
        return folder

    return write


@pytest.fixture
def npz(tmp_path, arrays) -> Callable[..., Path]:
    """A function that writes an .npz file of the made-up digits, with arrays replaced, or left out where None."""

    def write(**changed: np.ndarray | None) -> Path:
        chosen = {name: array for name, array in (arrays | changed).items() if array is not None}
        path = tmp_path / "own.npz"
        np.savez(path, **chosen)
        return path

    return write


@pytest.fixture
def no_network(monkeypatch):
    """Every attempt to download fails the test."""

    def refuse(*arguments):
        raise AssertionError("a download was attempted")

    monkeypatch.setattr("twofold.data.finding.download", refuse)
