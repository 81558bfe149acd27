"""How images are read: what is done to them before pairs are drawn, and what a reader of a source gives."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from twofold.errors import SettingError
from twofold.settings import AS_THEY_ARE, SETTINGS

# So many bytes a set of images may take as it lies, and as many as it is trained on: in between there are both.
MOST_BYTES = 2 * 1024**3

# A list of more pictures than these is no set of images for pairs; the largest published ones have so many.
MOST_PICTURES = 2_000_000

LEAST_CLASSES, MOST_CLASSES = 2, 1000


@dataclass(frozen=True)
class Reading:
    """How images are read: brought to a `size` (height, width) unless None, then pooled `pool` by `pool`.

    `classes` are the names of those that are taken, in the order that numbers them; None takes all.
    """

    pool: int = 2
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], classes: str | Sequence[str] | None = None) -> "Reading":
        """What settings say, those that lack by their defaults; `classes` are names, or a text with commas.

        Raises `SettingError` where a setting or the classes cannot be used.
        """
        pool, size = (SETTINGS[name].checked(settings.get(name, SETTINGS[name].default)) for name in ("pool", "size"))
        height, _, width = size.partition("x")
        sides = None if size == AS_THEY_ARE else (int(height), int(width))
        return cls(pool, sides, None if classes is None else _class_names(classes))

    def settings(self) -> dict[str, Any]:
        """The settings that say so, but for the name of the data."""
        return {"pool": self.pool, "size": AS_THEY_ARE if self.size is None else f"{self.size[0]}x{self.size[1]}"}


# The first version's way, and the paper's.
USUAL = Reading()


class Part(NamedTuple):
    """Images as a source has them, (n, h, w), (n, channels, h, w) or (n, h, w, channels), and the label of each."""

    images: np.ndarray
    labels: np.ndarray
    origin: str


class Raw(NamedTuple):
    """What a source has: images for training and, unless None, for tests; what labels are the places of, where known.

    `sized` images have been brought to the reading's size already. Without test images those are the second half of
    each class where `halved`, as in the first version, and else drawn.
    """

    train: Part
    test: Part | None
    class_names: tuple[str, ...] | None = None
    sized: bool = False
    halved: bool = False


def classes_text(classes: Sequence[str]) -> str:
    """Names of classes as `Reading.of` takes them, in one text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(classes)
    return text.getvalue()


def listed_classes(classes: Iterable[str]) -> str:
    """Names of classes as people read them: cat, dog; one with a comma is quoted, as `names_of_text` takes it."""
    return ", ".join(classes_text([name]) for name in classes)


def names_of_text(text: str) -> tuple[str, ...]:
    """The names that `classes_text` made a text of, or that were typed so."""
    return tuple(next(csv.reader([text], skipinitialspace=True), []))


def _class_names(classes: str | Sequence[str]) -> tuple[str, ...]:
    given = names_of_text(classes) if isinstance(classes, str) else classes
    if not isinstance(given, Iterable) or not all(isinstance(name, str) for name in given):
        raise SettingError(f"`classes` (={given!r}) must be names of classes")
    names = tuple(name.strip() for name in given)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingError(f"`classes` has {twice!r} twice; give each class once")
    if not LEAST_CLASSES <= len(names) <= MOST_CLASSES:
        raise SettingError(
            f"`classes` names {len(names)}; give {LEAST_CLASSES} to {MOST_CLASSES}, separated by commas: cat,dog"
        )
    return names
