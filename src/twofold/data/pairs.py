"""Pairs of digits: how they are drawn, and what is asked of them. Pure functions of their arguments."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32

from twofold.data.digits import Digits
from twofold.data.source import Source
from twofold.errors import DataError, SettingError, unknown_choice
from twofold.settings import check_names

Classes = Int32[np.ndarray, " n"]

# NumPy's arrays, or JAX's where a transformation puts them in their place.
AnyArray = Any

RELATIONS: dict[str, Callable[[Classes, Classes], Bool[np.ndarray, " n"]]] = {
    "<=": np.less_equal,
    "<": np.less,
    "==": np.equal,
    "same parity": lambda first, second: first % 2 == second % 2,
}

check_names("relation", RELATIONS)

# Which pool of digits a split is drawn from, and the number that sets its random stream apart.
_TRAINING_STREAM, _TEST_STREAM = 0, 1
SPLITS = ("train", "validation", "test")


class PairSet(NamedTuple):
    """n pairs of images, whether the relation holds for each (1) or not (0), and the two digits' classes.

    A tuple, so that JAX passes it through its transformations, with arrays of its own in place of NumPy's.
    """

    images: Float[AnyArray, "n 2 h w"]
    targets: Int32[AnyArray, " n"]
    classes: Int32[AnyArray, "n 2"]


def draw_pairs(
    digits: Digits,
    *,
    seed: int,
    round: int,
    split: str,
    pairs: int,
    relation: str = "<=",
    training_pairs: int | None = None,
) -> PairSet:
    """Draw the pairs of one split of one round; the same arguments always give the same pairs.

    A round shuffles the training digits once: the training pairs are the first of them, the validation pairs
    those that follow after `training_pairs` (which that split needs). So no digit comes twice in a set, the two
    sets are disjoint, and a smaller training set is the beginning of a larger one. Test pairs come from the test
    digits, in the same way.

    Raises `SettingError` for an unknown split or relation, `DataError` where there are too few digits.
    """
    if split not in SPLITS:
        raise unknown_choice("split", split, SPLITS)
    if relation not in RELATIONS:
        raise unknown_choice("relation", relation, RELATIONS)
    if split == "validation" and training_pairs is None:
        raise SettingError("`training_pairs` (=None) must be given for the validation split, which comes after them")
    skipped, wanted = _span(digits, split, pairs, training_pairs)
    test = split == "test"
    images, labels = (digits.test_images, digits.test_labels) if test else (digits.train_images, digits.train_labels)
    stream = np.random.SeedSequence([seed, round, _TEST_STREAM if test else _TRAINING_STREAM])
    order = np.random.Generator(np.random.Philox(stream)).permutation(len(labels))
    chosen = order[skipped:wanted].reshape(pairs, 2)
    classes = labels[chosen]
    holds = RELATIONS[relation](classes[:, 0], classes[:, 1])
    return PairSet(images[chosen], holds.astype(np.int32), classes)


def standardise(train: PairSet, *others: PairSet) -> tuple[PairSet, ...]:
    """All the sets, with pixels shifted and scaled so that the training pixels have mean 0 and deviation 1."""
    mean, deviation = pixel_scale(train)
    return tuple(
        pairs._replace(images=((pairs.images - mean) / deviation).astype(np.float32)) for pairs in (train, *others)
    )


def pixel_scale(train: PairSet) -> tuple[float, float]:
    """What `standardise` subtracts from pixels, and what it then divides them by."""
    mean = float(train.images.mean(dtype=np.float64))
    return mean, float(train.images.std(dtype=np.float64)) or 1.0  # images of one colour stay at 0


def check_enough(digits: Digits | Source, *, pairs: int, test_pairs: int, validation_pairs: int) -> None:
    """Raise `DataError` where there are too few digits for so many pairs of each split."""
    for split, wanted in (("train", pairs), ("validation", validation_pairs), ("test", test_pairs)):
        _span(digits, split, wanted, pairs)


def _span(digits: Digits | Source, split: str, pairs: int, training_pairs: int | None) -> tuple[int, int]:
    """Where the digits of the split begin and end in its pool, once it is known that the pool has them."""
    pool = digits.test_count if split == "test" else digits.train_count
    skipped = 2 * (training_pairs or 0) if split == "validation" else 0
    wanted = skipped + 2 * pairs
    if wanted > pool:
        raise DataError(
            f"`{_option(split)}` (={pairs}) takes {wanted} {'test' if split == 'test' else 'training'} digits"
            f"{' with the training pairs' if skipped else ''}, but {digits.name} has {pool}; "
            f"ask for at most {max(0, pool - skipped) // 2}, or use a larger data set (--data mnist)"
        )
    return skipped, wanted


def _option(split: str) -> str:
    return {"train": "pairs", "validation": "validation_pairs", "test": "test_pairs"}[split]
