"""Images for training and, apart from them, for tests; and how they are made of what a source has."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int32

from twofold.data.arrays import check_part, check_sizes, prepared
from twofold.data.naming import check_names, check_wanted
from twofold.data.reading import USUAL, Part, Raw, Reading, classes_text, listed_classes, names_of_text
from twofold.data.splitting import drawn, halved
from twofold.data.task import Task
from twofold.errors import DataError

DIGIT_NAMES = tuple("0123456789")
CLASSES = len(DIGIT_NAMES)


@dataclass(frozen=True)
class Images:
    """Images for training pairs and, apart from them, images for test pairs.

    Images are pixels as published (0 to 255 for MNIST, not scaled), brought to a size and pooled as their `Reading`
    says: (n, h, w) of grey ones, (n, channels, h, w) of others. A label is the place of its class among the
    `class_names`. `fingerprint` is a hash of all four arrays, and of the number of classes where it is not ten: the
    same images have the same one wherever they come from.
    """

    name: str
    train_images: Float[np.ndarray, "n *channels h w"]
    train_labels: Int32[np.ndarray, " n"]
    test_images: Float[np.ndarray, "m *channels h w"]
    test_labels: Int32[np.ndarray, " m"]
    fingerprint: str
    class_names: tuple[str, ...] = DIGIT_NAMES
    reading: Reading = USUAL

    @property
    def train_count(self) -> int:
        """How many images there are for training pairs and validation pairs."""
        return len(self.train_labels)

    @property
    def test_count(self) -> int:
        """How many images there are for test pairs."""
        return len(self.test_labels)

    @property
    def task(self) -> Task:
        """What the images look like."""
        *channels, height, width = self.train_images.shape[1:]
        return Task(height, width, channels=channels[0] if channels else 1, classes=len(self.class_names))

    def shared_count(self) -> int:
        """How many test images are, pixel by pixel, the same as one for training."""
        known = {hashlib.sha256(image.tobytes()).digest() for image in self.train_images}
        return sum(hashlib.sha256(image.tobytes()).digest() in known for image in self.test_images)

    def load(self) -> "Images":
        """Itself: images that are there are loaded (see `twofold.data.source.Source`)."""
        return self


def images_of(name: str, raw: Raw, reading: Reading) -> Images:
    """What a source has, checked, as it is trained on.

    Raises `DataError` where the images or labels do not suit, `SettingError` for a class that there is none of.
    """
    parts = [check_part(part) for part in (raw.train, raw.test) if part is not None]
    raw = raw._replace(train=parts[0], test=parts[1] if raw.test is not None else None)
    names, labels = _named(parts, raw.class_names)
    in_halves = raw.halved and names == DIGIT_NAMES
    if reading.classes is not None:
        parts, labels, names = _chosen(parts, labels, names, reading.classes)
        raw = raw._replace(train=parts[0], test=parts[1] if raw.test is not None else None)
    check_sizes(raw, reading)
    _check_classes(labels[0], names, parts[0].origin, in_halves=in_halves)
    images = [prepared(part, reading, sized=raw.sized) for part in parts]
    if len(images) == 1:
        whole, of = images[0], labels[0]
        first = halved(of) if in_halves else drawn(whole, of, names, parts[0].origin)
        images, labels = [whole[first], whole[~first]], [of[first], of[~first]]
    arrays = images[0], labels[0], images[1], labels[1]
    return Images(name, *arrays, _fingerprint(arrays, len(names)), names, reading)


def stored_names(class_names: tuple[str, ...]) -> str | None:
    """The names of classes as a store keeps them: None are the ten digits, which every earlier row is of."""
    return None if class_names == DIGIT_NAMES else classes_text(class_names)


def names_stored(kept: Any) -> tuple[str, ...]:
    """The names of classes, of what a store or the record of a kept network has; of nothing the ten digits."""
    if isinstance(kept, list):
        return tuple(kept)
    return names_of_text(kept) if isinstance(kept, str) else DIGIT_NAMES


def reading_of(record: Mapping[str, Any]) -> Reading:
    """How the images of a kept network were read; what an earlier version kept says nothing of it."""
    names = record.get("class_names")
    return Reading.of(record, None if names is None or tuple(names) == DIGIT_NAMES else names)


def is_digits(class_names: tuple[str, ...]) -> bool:
    """Whether classes are digits, all or some."""
    return set(class_names) <= set(DIGIT_NAMES)


def _named(parts: list[Part], names: tuple[str, ...] | None) -> tuple[tuple[str, ...], list[Int32[np.ndarray, " n"]]]:
    """The names of the classes, and each label's place among them.

    Without names, labels from 0 to 9 are those of digits where images are grey, or where there are all ten; others name
    their classes themselves.
    """
    most = CLASSES if names is None else len(names)
    for _, each, origin in parts:
        whole = np.isfinite(each) & (each >= 0) & (np.where(np.isfinite(each), each, 0) % 1 == 0)
        whole &= each < (most if names is not None else 2**31)
        if not whole.all():
            upto = "" if names is None else f" to {most - 1}, the places of the names of classes"
            raise DataError(
                f"{origin} goes with the label {each[~whole][0]}; labels must be whole numbers from 0{upto or ' on'}"
            )
    numbers = [part.labels.astype(np.int32) for part in parts]
    if names is not None:
        return names, numbers
    distinct = np.unique(np.concatenate(numbers))
    if distinct.max() < CLASSES and (parts[0].images.ndim == 3 or len(distinct) == CLASSES):
        return DIGIT_NAMES, numbers
    found = tuple(map(str, distinct.tolist()))
    check_names(found, parts[0].origin)
    return found, [np.searchsorted(distinct, each).astype(np.int32) for each in numbers]


def _chosen(
    parts: list[Part], labels: list[np.ndarray], names: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[list[Part], list[np.ndarray], tuple[str, ...]]:
    """The images of the classes that are wanted, whose labels are their places among those."""
    check_wanted(wanted, names)
    place_of = np.full(len(names), -1, np.int32)
    place_of[[names.index(name) for name in wanted]] = np.arange(len(wanted))
    places = [place_of[each] for each in labels]
    kept = [Part(part.images[of >= 0], part.labels[of >= 0], part.origin) for part, of in zip(parts, places)]
    for part in kept:
        if not len(part.labels):
            raise DataError(f"{part.origin} has no image of the classes {listed_classes(wanted)}; choose others")
    return kept, [of[of >= 0] for of in places], wanted


def _check_classes(labels: np.ndarray, names: tuple[str, ...], origin: str, *, in_halves: bool) -> None:
    """Raise `DataError` for a class that has no image to train on; of digits some may lack, as they always might."""
    if names == DIGIT_NAMES or in_halves:
        return
    lacking = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if len(lacking):
        raise DataError(f"{origin} has no training image of the class {names[lacking[0]]}; add some, or leave it out")


def _fingerprint(arrays: tuple[np.ndarray, ...], classes: int) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    if classes != CLASSES:
        digest.update(f"{classes} classes".encode())
    return digest.hexdigest()[:32]
