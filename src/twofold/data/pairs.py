"""Pairs of digits: how they are drawn, and what is asked of them. Pure functions of their arguments."""

import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int32

from twofold.data.images import Images, is_digits
from twofold.data.relations import Relation, find_relation
from twofold.data.source import Source
from twofold.errors import DataError, SettingError, unknown_choice

Classes = Int[np.ndarray, " n"]

# NumPy's arrays, or JAX's where a transformation puts them in their place.
AnyArray = Any

# Which pool of digits a split is drawn from, and the number that sets its random stream apart; that of initial weights
# is 2. What balances the answers of a split has a stream of its own.
_TRAINING_STREAM, _TEST_STREAM, _BALANCE_STREAM = 0, 1, 3
SPLITS = ("train", "validation", "test")

# The ways to make two pairs of four images, of which the first two and the last two are a pair: places of the four.
_WAYS = np.array([way for way in itertools.permutations(range(4)) if way[0] < way[2]])

# Pairs are rearranged until so many tries in a row have changed no answer.
_MOST_FRUITLESS = 10


class PairSet(NamedTuple):
    """n pairs of images, whether the relation holds for each (1) or not (0), and the two digits' classes.

    A tuple, so that JAX passes it through its transformations, with arrays of its own in place of NumPy's.
    """

    images: Float[AnyArray, "n 2 *channels h w"]
    targets: Int32[AnyArray, " n"]
    classes: Int32[AnyArray, "n 2"]


def draw_pairs(
    digits: Images,
    *,
    seed: int,
    round: int,
    split: str,
    pairs: int,
    relation: str | Relation = "<=",
    balance: bool = False,
    training_pairs: int | None = None,
) -> PairSet:
    """Draw the pairs of one split of one round; the same arguments always give the same pairs.

    A round shuffles the training digits once: the training pairs are the first of them, the validation pairs
    those that follow after `training_pairs` (which that split needs). So no digit comes twice in a set, the two
    sets are disjoint, and a smaller training set is the beginning of a larger one. Test pairs come from the test
    digits, in the same way.

    With `balance` the same digits are paired in another way, so that the relation holds for half of the pairs, rounded
    down. Sets are still disjoint. The digits of a smaller training set are the first of a larger one, but its pairs are
    others; and where no pairing gives so many of each answer, a few digits come twice in the place of others.

    Raises `SettingError` for an unknown split or relation, `DataError` where there are too few digits, or where there
    should be pairs of an answer that no two of the digits have.
    """
    if split not in SPLITS:
        raise unknown_choice("split", split, SPLITS)
    asked = find_relation(relation, digits.class_names) if isinstance(relation, str) else relation
    if split == "validation" and training_pairs is None:
        raise SettingError("`training_pairs` (=None) must be given for the validation split, which comes after them")
    skipped, wanted = _span(digits, split, pairs, training_pairs)
    test = split == "test"
    images, labels = (digits.test_images, digits.test_labels) if test else (digits.train_images, digits.train_labels)
    stream = np.random.SeedSequence([seed, round, _TEST_STREAM if test else _TRAINING_STREAM])
    order = np.random.Generator(np.random.Philox(stream)).permutation(len(labels))
    chosen = order[skipped:wanted].reshape(pairs, 2)
    if balance:
        stream = np.random.SeedSequence([seed, round, _BALANCE_STREAM, SPLITS.index(split)])
        places = balanced_places(labels[chosen], asked, np.random.Generator(np.random.Philox(stream)))
        if places is None:
            few = f"and among the {2 * pairs} {split} images of round {round} no two have one of them"
            more = f"ask for more `{_option(split)}` (={pairs})"
            if not _has_both_answers(labels, asked):
                few = f"and no two of all {split} images have one of them"
                more = "choose another relation or other images"
            raise DataError(
                f"`balance` (=True) needs pairs of both answers, {few} (relation {asked.text}); {more}, or leave "
                "`balance` out"
            )
        chosen = chosen.ravel()[places]
    classes = labels[chosen]
    holds = asked.holds(classes[:, 0], classes[:, 1])
    return PairSet(images[chosen], holds.astype(np.int32), classes)


def balanced_places(
    classes: Int[np.ndarray, "n 2"], relation: Relation, generator: np.random.Generator
) -> Int[np.ndarray, "n 2"] | None:
    """Which of the 2n images stand in each of n pairs, so that the relation holds for half of them, rounded down.

    Pairs stay as they are as far as possible: two pairs of the answer that too many have are taken at random, and their
    images paired in another way. What so cannot be reached is made up by pairs of images that come twice (of "same
    parity" the pairs of both answers are even or odd in number as the odd digits are). None where no two images have an
    answer that is needed.
    """
    flat = classes.ravel()
    places, fruitless = np.arange(flat.size).reshape(-1, 2), 0
    while (excess := _excess(flat[places], relation)) and fruitless < _MOST_FRUITLESS:
        places = _rearranged(places, flat, relation, excess, generator)
        fruitless = 0 if _excess(flat[places], relation) != excess else fruitless + 1
    many = excess > 0
    for place in generator.permutation(np.flatnonzero(relation.holds(*flat[places].T) == many))[: abs(excess)]:
        found = _any_pair(not many, flat, relation, generator)
        if found is None:
            return None
        places[place] = found
    return places


def _has_both_answers(classes: Classes, relation: Relation) -> bool:
    """Whether there are two of these images for which the relation holds, and two for which it does not."""
    known, counts = np.unique(classes, return_counts=True)
    first, second = np.indices((len(known), len(known)))
    two = (first != second) | (counts[first] > 1)  # an image is no pair with itself
    holds = relation.holds(known[first], known[second])
    return bool((holds & two).any() and (~holds & two).any())


def _excess(classes: Int[np.ndarray, "n 2"], relation: Relation) -> int:
    """How many more pairs than half, rounded down, the relation holds for."""
    return int(relation.holds(*classes.T).sum()) - len(classes) // 2


def _rearranged(
    places: np.ndarray, classes: Classes, relation: Relation, excess: int, generator: np.random.Generator
) -> np.ndarray:
    """The pairs, of which couples exchanged images so that fewer have the answer that `excess` too many have."""
    many = excess > 0
    those = generator.permutation(np.flatnonzero(relation.holds(*classes[places].T) == many))
    couples = those[: len(those) // 2 * 2].reshape(-1, 2)
    ways = places[couples].reshape(-1, 4)[:, _WAYS]
    of = classes[ways]
    first_changed, second_changed = (relation.holds(of[..., n], of[..., n + 1]) != many for n in (0, 2))
    changed = first_changed.astype(int) + second_changed
    # Any way that changes one pair, else one that changes both.
    liking = generator.random(changed.shape) + 2.0 * (changed == 1) - 4.0 * (changed == 0)
    best = liking.argmax(axis=1)[:, None]
    gain = np.take_along_axis(changed, best, axis=1)[:, 0]
    taken = (gain > 0) & (gain.cumsum() <= abs(excess))
    places = places.copy()
    places[couples[taken]] = np.take_along_axis(ways, best[..., None], axis=1)[taken, 0].reshape(-1, 2, 2)
    return places


def _any_pair(
    answer: bool, classes: Classes, relation: Relation, generator: np.random.Generator
) -> tuple[int, int] | None:
    """The places of any two images with this answer; None where there are no two."""
    for first in generator.permutation(len(classes)):
        partners = np.flatnonzero(relation.holds(classes[first], classes) == answer)
        partners = partners[partners != first]
        if len(partners):
            return int(first), int(generator.choice(partners))
    return None


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


def check_enough(digits: Images | Source, *, pairs: int, test_pairs: int, validation_pairs: int) -> None:
    """Raise `DataError` where there are too few digits for so many pairs of each split."""
    for split, wanted in (("train", pairs), ("validation", validation_pairs), ("test", test_pairs)):
        _span(digits, split, wanted, pairs)


def _span(digits: Images | Source, split: str, pairs: int, training_pairs: int | None) -> tuple[int, int]:
    """Where the digits of the split begin and end in its pool, once it is known that the pool has them."""
    pool = digits.test_count if split == "test" else digits.train_count
    skipped = 2 * (training_pairs or 0) if split == "validation" else 0
    wanted = skipped + 2 * pairs
    if wanted > pool:
        digital = is_digits(digits.class_names)
        raise DataError(
            f"`{_option(split)}` (={pairs}) takes {wanted} {'test' if split == 'test' else 'training'} "
            f"{'digits' if digital else 'images'}{' with the training pairs' if skipped else ''}, but {digits.name} "
            f"has {pool}; ask for at most {max(0, pool - skipped) // 2}, or "
            f"{'use a larger data set (--data mnist)' if digital else 'add images'}"
        )
    return skipped, wanted


def _option(split: str) -> str:
    return {"train": "pairs", "validation": "validation_pairs", "test": "test_pairs"}[split]
