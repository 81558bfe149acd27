"""Which images are for training and which for tests, where their source does not say."""

import hashlib

import numpy as np
from jaxtyping import Bool, Float, Int32

from twofold.errors import DataError

# One split of one source for good: what differs from round to round are the pairs.
_SEED = 0


def halved(labels: Int32[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which images are for training: the first half of each class, as they come."""
    first = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        first[places[: len(places) // 2]] = True
    return first


def drawn(
    images: Float[np.ndarray, "n *channels h w"],
    labels: Int32[np.ndarray, " n"],
    class_names: tuple[str, ...],
    origin: str,
) -> Bool[np.ndarray, " n"]:
    """Which images are for training: half of each class, drawn, and of images that are the same all or none.

    Images that are the same count for the class that the first of them has. Raises `DataError` where a class has no two
    that differ.
    """
    first = np.zeros(len(labels), bool)
    groups: dict[bytes, list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault(hashlib.sha256(image.tobytes()).digest(), []).append(place)
    of_class: dict[int, list[list[int]]] = {}
    for places in groups.values():
        of_class.setdefault(int(labels[places[0]]), []).append(places)
    for label, name in enumerate(class_names):
        alike = of_class.get(label, [])
        if len(alike) < 2:
            raise DataError(
                f"{origin} has {'one image' if alike else 'no image'} of the class {name} that no other class has; it "
                "needs two that differ, one for training and one for tests"
            )
        first[_half(alike, np.random.Generator(np.random.Philox(np.random.SeedSequence([_SEED, label]))))] = True
    return first


def _half(alike: list[list[int]], generator: np.random.Generator) -> list[int]:
    """The images of as many groups as make up half of all; at least one group is in it, and one is not."""
    half = sum(map(len, alike)) // 2
    taken: list[int] = []
    for number, group in enumerate(generator.permutation(len(alike))):
        if number and (len(taken) + len(alike[group]) > half or number == len(alike) - 1):
            continue
        taken += alike[group]
    return taken
