"""Chance in pairs, compared with all the pairs that there are, counted one by one."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.data import RELATIONS, Chance, chance_of, draw_pairs, find_relation, load_images
from twofold.data.relations import numbered

counts = st.lists(st.integers(0, 6), min_size=3, max_size=5).filter(lambda found: sum(found) > 2)
questions = st.sampled_from([*RELATIONS, "a == 1", "b == 1", "(a + 2 * b) % 3 == 0", "a < 2 and b > 0"])


@pytest.mark.parametrize(
    ("relation", "balance", "expected"),
    [
        ("<=", False, Chance(0.55, 0.25)),
        ("<", False, Chance(0.45, 0.25)),
        ("==", False, Chance(0.1, 0.1)),
        ("same parity", False, Chance(0.5, 0.5)),
        ("a == 3", False, Chance(0.1, 0.0)),
        ("b == 3", False, Chance(0.1, 0.0)),
        ("==", True, Chance(0.5, None)),
        ("a == b == 3", True, Chance(0.5, None)),
    ],
)
def test_chance_where_all_classes_are_as_frequent(relation, balance, expected):
    found = chance_of(find_relation(relation), balance=balance)
    assert found.true_share == pytest.approx(expected.true_share)
    assert found.one_image_error == (None if balance else pytest.approx(expected.one_image_error))
    assert found.error == pytest.approx(min(expected.true_share, 1 - expected.true_share))


@given(relation=questions, counts=counts)
def test_chance_is_that_of_all_pairs_of_different_images(relation, counts):
    asked = find_relation(relation, numbered(len(counts)))
    labels = np.repeat(np.arange(len(counts)), counts)
    pairs = [(labels[i], labels[j]) for i, j in itertools.permutations(range(len(labels)), 2)]
    answers = np.array([asked.answers[pair] for pair in pairs])
    found = chance_of(asked, balance=False, counts=np.array(counts))
    assert found.true_share == pytest.approx(answers.mean())
    errors = []
    for side in (0, 1):
        seen = np.array([pair[side] for pair in pairs])
        rarer = (min(answers[seen == c].sum(), (~answers[seen == c]).sum()) for c in range(len(counts)))
        errors.append(sum(rarer) / len(pairs))
    assert found.one_image_error == pytest.approx(min(errors))
    assert found.one_image_error <= found.error + 1e-9


@pytest.mark.parametrize("relation", ["<=", "==", "a % 3 == b % 3"])
@pytest.mark.parametrize("balance", [False, True])
def test_chance_is_near_what_is_drawn(relation, balance):
    """Of 4000 test pairs, the share that is true and the error of who knows the first class are near what is told."""
    images = load_images("mnist5k")
    asked = find_relation(relation)
    drawn = [
        draw_pairs(images, seed=0, round=n, split="test", pairs=1000, relation=asked, balance=balance) for n in range(4)
    ]
    targets, first = (np.concatenate(each) for each in ([d.targets for d in drawn], [d.classes[:, 0] for d in drawn]))
    found = chance_of(asked, balance=balance, counts=np.bincount(images.test_labels))
    assert targets.mean() == pytest.approx(found.true_share, abs=4 * 0.5 / np.sqrt(len(targets)))
    if balance:
        return
    rarer = sum(min(targets[first == c].sum(), (1 - targets[first == c]).sum()) for c in range(10))
    assert rarer / len(targets) == pytest.approx(found.one_image_error, abs=0.03)


PAGE = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")
PAGE = PAGE[PAGE.index("## The question") :]
TOLD = re.findall(r"^\| `(.+)` \| (\d+) % \| (\d+) % \| (\d+) % \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("relation", "true", "chance", "one"), TOLD)
def test_the_page_tells_chance_as_it_is(relation, true, chance, one):
    found = chance_of(find_relation(relation), balance=False)
    percents = [100 * share for share in (found.true_share, found.error, found.one_image_error)]
    assert percents == pytest.approx([int(true), int(chance), int(one)])


def test_the_pages_questions_can_be_asked():
    asked = re.findall(r'--relation "(.+?)"', PAGE)
    assert len(asked) > 2
    assert len(TOLD) > 4
    for typed in asked:
        find_relation(typed, ("cat", "dog", "tit"))
