"""Pictures made up for the tests, and the folders and tables that have them."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "horse", "sheep")


def picture(seed: int, *, side: int = 8, colours: bool = True) -> np.ndarray:
    """Noise in 8 bits, (h, w, 3) or (h, w)."""
    shape = (side, side, 3) if colours else (side, side)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    """A picture in a file, whose ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def class_folders(folder: Path, classes=CLASSES, each: int = 4, *, first: int = 0, **looks) -> Path:
    """A folder of pictures for each class, all different."""
    for number, name in enumerate(classes):
        for place in range(each):
            save(folder / name / f"{place}.png", picture(first + number * each + place, **looks))
    return folder
