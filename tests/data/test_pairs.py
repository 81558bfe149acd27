"""How pairs are drawn. To follow a digit through a draw, each image here says which digit it is."""

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.data import RELATIONS, Images, PairSet, draw_pairs, find_relation, load_images, standardise
from twofold.data.pairs import SPLITS, balanced_places
from twofold.errors import DataError, SettingError

TRAINING, TEST = 60, 40
DIGITS = Images(
    name="numbered",
    train_images=np.broadcast_to(np.arange(TRAINING, dtype=np.float32)[:, None, None], (TRAINING, 10, 12)),
    train_labels=(np.arange(TRAINING, dtype=np.int32) * 7) % 10,
    test_images=np.broadcast_to(1000 + np.arange(TEST, dtype=np.float32)[:, None, None], (TEST, 10, 12)),
    test_labels=(np.arange(TEST, dtype=np.int32) * 3) % 10,
    fingerprint="numbered",
)
# What is asked of a pair, in words of its own.
MEANINGS = {
    "<=": lambda first, second: first <= second,
    "<": lambda first, second: first < second,
    "==": lambda first, second: first == second,
    "same parity": lambda first, second: (first + second) % 2 == 0,
}

# Of the pairs of `test_draws_without_balance_are_those_of_earlier_versions`, at commit 7638051.
RECORDED = "df0b071a07f34d51411af7bdc04133581cdb31a975e8f8c7ccea24980097a20f"

seeds = st.integers(0, 2**63 - 1)
rounds = st.integers(0, 10**6)
sizes = st.integers(1, 10)


def numbers(pairs: PairSet) -> np.ndarray:
    """Which digits the pairs are made of, (n, 2)."""
    return pairs.images[:, :, 0, 0].astype(int)


def draw(split="train", seed=0, round=0, pairs=8, training_pairs=10, **more) -> PairSet:
    return draw_pairs(DIGITS, seed=seed, round=round, split=split, pairs=pairs, training_pairs=training_pairs, **more)


@settings(deadline=None)
@given(seed=seeds, round=rounds, split=st.sampled_from(SPLITS), pairs=sizes)
def test_a_draw_has_its_shapes_and_no_digit_twice(seed, round, split, pairs):
    drawn = draw(split, seed, round, pairs)
    assert drawn.images.shape == (pairs, 2, 10, 12)
    assert drawn.images.dtype == np.float32
    assert drawn.targets.shape == (pairs,)
    assert drawn.targets.dtype == drawn.classes.dtype == np.int32
    chosen = numbers(drawn)
    assert len(np.unique(chosen)) == 2 * pairs
    assert ((chosen >= 1000) == (split == "test")).all()
    labels = DIGITS.test_labels[chosen - 1000] if split == "test" else DIGITS.train_labels[chosen]
    np.testing.assert_array_equal(drawn.classes, labels)


@settings(deadline=None)
@given(seed=seeds, round=rounds, training=st.integers(1, 20), validation=st.integers(1, 10))
def test_training_and_validation_share_no_digit(seed, round, training, validation):
    train = draw("train", seed, round, training)
    held_out = draw("validation", seed, round, validation, training_pairs=training)
    assert not np.intersect1d(numbers(train), numbers(held_out)).size


@settings(deadline=None)
@given(seed=seeds, round=rounds, split=st.sampled_from(SPLITS), small=sizes, large=sizes)
def test_a_smaller_set_is_the_beginning_of_a_larger(seed, round, split, small, large):
    small, large = sorted((small, large))
    for few, many in zip(draw(split, seed, round, small), draw(split, seed, round, large)):
        np.testing.assert_array_equal(few, many[:small])


@settings(deadline=None)
@given(seed=seeds, round=rounds, split=st.sampled_from(SPLITS))
def test_a_draw_is_decided_by_its_arguments(seed, round, split):
    for once, again in zip(draw(split, seed, round), draw(split, seed, round)):
        np.testing.assert_array_equal(once, again)


@settings(deadline=None)
@given(seed=seeds, round=rounds)
def test_seed_round_and_split_each_change_the_draw(seed, round):
    """Two independent draws of 16 of 60 digits in order are the same once in 10^27 times."""
    drawn = numbers(draw("train", seed, round))
    assert (drawn != numbers(draw("train", seed + 1, round))).any()
    assert (drawn != numbers(draw("train", seed, round + 1))).any()
    # Test digits are numbered from 1000: the same places would show as the same numbers.
    assert (drawn != numbers(draw("test", seed, round)) - 1000).any()


def test_seed_and_round_do_not_stand_in_for_each_other():
    assert (numbers(draw(seed=1, round=2)) != numbers(draw(seed=2, round=1))).any()


@pytest.mark.parametrize("relation", RELATIONS)
def test_targets_say_whether_the_relation_holds(relation):
    for split in SPLITS:
        drawn = draw(split, relation=relation)
        expected = [int(MEANINGS[relation](int(a), int(b))) for a, b in drawn.classes]
        assert drawn.targets.tolist() == expected


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_relation_changes_neither_images_nor_classes(relation):
    ours, theirs = draw(relation=relation), draw()
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.classes, theirs.classes)


def test_every_relation_is_tested():
    assert set(MEANINGS) == set(RELATIONS)


@pytest.mark.parametrize(
    ("split", "pairs", "says"),
    [
        ("train", 31, r"`pairs` \(=31\) takes 62 training digits, but numbered has 60; ask for at most 30,"),
        ("test", 21, r"`test_pairs` \(=21\) takes 42 test digits, but numbered has 40; ask for at most 20,"),
        ("validation", 21, r"`validation_pairs` \(=21\) takes 62 training digits with the .* ask for at most 20,"),
    ],
)
def test_a_pool_that_is_too_small_says_what_it_can_give(split, pairs, says):
    with pytest.raises(DataError, match=says):
        draw(split, pairs=pairs)
    assert len(draw(split, pairs=pairs - 1).targets) == pairs - 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split": "trian"}, r"`split` \(='trian'\) is unknown; did you mean train\?"),
        ({"relation": "=<"}, r"`relation` \(='=<'\) is unknown; .*known: <=, <, ==, same parity"),
        ({"split": "validation", "training_pairs": None}, "`training_pairs`"),
    ],
)
def test_settings_that_cannot_be_used_are_named(arguments, says):
    with pytest.raises(SettingError, match=says):
        draw(**arguments)


relations = st.sampled_from(list(RELATIONS))


def any_two(classes: np.ndarray, relation: str) -> set[bool]:
    """The answers that two of the images have, in either order."""
    first, second = np.indices((len(classes), len(classes))).reshape(2, -1)
    apart = first != second
    return {bool(holds) for holds in RELATIONS[relation](classes[first[apart]], classes[second[apart]])}


@settings(deadline=None)
@given(seed=seeds, round=rounds, split=st.sampled_from(SPLITS), relation=relations, pairs=sizes)
def test_balanced_pairs_are_half_of_each_answer(seed, round, split, relation, pairs):
    plain = draw(split, seed, round, pairs, relation=relation)
    there, needed = any_two(plain.classes.ravel(), relation), {False, True} if pairs > 1 else {False}
    try:
        drawn = draw(split, seed, round, pairs, relation=relation, balance=True)
    except DataError:
        assert not needed <= there
        return
    assert drawn.targets.sum() == pairs // 2
    np.testing.assert_array_equal(drawn.targets, MEANINGS[relation](drawn.classes[:, 0], drawn.classes[:, 1]))
    # No other images than without balance, and never one beside itself.
    assert set(numbers(drawn).ravel()) <= set(numbers(plain).ravel())
    assert (numbers(drawn)[:, 0] != numbers(drawn)[:, 1]).all()
    chosen = numbers(drawn)
    labels = DIGITS.test_labels[chosen - 1000] if split == "test" else DIGITS.train_labels[chosen]
    np.testing.assert_array_equal(drawn.classes, labels)


@settings(deadline=None)
@given(seed=seeds, round=rounds, split=st.sampled_from(SPLITS), relation=relations)
def test_a_balanced_draw_is_decided_by_its_arguments(seed, round, split, relation):
    drawn, again = (draw(split, seed, round, 10, relation=relation, balance=True) for _ in range(2))
    for once, twice in zip(drawn, again):
        np.testing.assert_array_equal(once, twice)


@pytest.mark.parametrize(("relation", "most_twice"), [("<=", 0), ("<", 0), ("==", 0), ("same parity", 1)])
def test_of_many_balanced_pairs_images_come_twice_only_where_they_must(relation, most_twice):
    """Of "same parity" the pairs of unlike digits are even or odd in number as the odd digits are: not always half."""
    generator = np.random.Generator(np.random.Philox(3))
    twice = set()
    for _ in range(10):
        classes = generator.integers(0, 10, (500, 2))
        places = balanced_places(classes, find_relation(relation), generator)
        assert RELATIONS[relation](*classes.ravel()[places].T).sum() == 250
        twice.add(1000 - len(np.unique(places)))
    assert max(twice) <= 2 * most_twice
    assert 0 in twice
    assert len(twice) > 1 or not most_twice


def test_balanced_pairs_of_each_answer_have_all_classes_and_no_order():
    """Equal pairs are of all classes alike, and early pairs are as often true as late ones."""
    drawn = [
        draw_pairs(load_images("mnist5k"), seed=0, round=n, split="train", pairs=1000, relation="==", balance=True)
        for n in range(4)
    ]
    equal = np.concatenate([pairs.classes[pairs.targets == 1, 0] for pairs in drawn])
    assert np.bincount(equal, minlength=10) == pytest.approx(200, rel=0.3)
    early = sum(pairs.targets[:500].sum() for pairs in drawn)
    assert early == pytest.approx(1000, abs=4 * np.sqrt(500))


@pytest.mark.parametrize(
    ("others", "relation", "says"),
    [
        (
            3,
            "==",
            r"no two of all train images have one of them \(relation ==\); choose another relation or other images",
        ),
        (5, "same parity", "no two of all train images have one of them"),
        (5, "==", r"among the 16 train images of round 0 no two have one of them .*; ask for more `pairs` \(=8\)"),
    ],
)
def test_images_that_have_no_pairs_of_both_answers_are_refused_with_what_would_do(others, relation, says):
    order = np.random.Generator(np.random.Philox(np.random.SeedSequence([0, 0, 0]))).permutation(TRAINING)
    labels = np.full(TRAINING, 3, np.int32)
    labels[order[16:]] = others  # which the first eight pairs are not of
    images = dataclasses.replace(DIGITS, train_labels=labels)
    with pytest.raises(DataError, match=rf"`balance` \(=True\) needs pairs of both answers, and {says}"):
        draw_pairs(images, seed=0, round=0, split="train", pairs=8, relation=relation, balance=True)


def test_draws_without_balance_are_those_of_earlier_versions():
    drawn = draw_pairs(load_images("mnist5k"), seed=3, round=1, split="validation", pairs=100, training_pairs=1000)
    assert hashlib.sha256(b"".join(map(np.ndarray.tobytes, drawn))).hexdigest() == RECORDED


def test_standardised_pixels_have_mean_0_and_deviation_1():
    train, test = standardise(draw("train"), draw("test"))
    assert train.images.dtype == test.images.dtype == np.float32
    assert abs(train.images.mean()) < 1e-6
    assert abs(train.images.std() - 1) < 1e-6
    # The test pixels are shifted and scaled by the training pixels' numbers, not by their own.
    raw, raw_test = draw("train").images, draw("test").images
    np.testing.assert_allclose(test.images, (raw_test - raw.mean()) / raw.std(), rtol=1e-5)


def test_images_of_one_colour_stay_numbers():
    flat = draw()._replace(images=np.full((8, 2, 10, 12), 7, np.float32))
    (only,) = standardise(flat)
    assert (only.images == 0).all()
