"""Cohorts: every trial goes out once, whatever nodes ask for and whichever are lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.data import load_images
from twofold.errors import ClusterError
from twofold.study import factorial
from twofold.study.cohorts import Cohorts
from twofold.study.machine import Group

DIGITS = load_images("mnist5k")


def groups_of(*sizes):
    """Groups of so many trials each, of one learning rate; their programs are not looked at."""
    rates = [0.001 * (place + 1) for place in range(len(sizes))]
    plans = [
        factorial(DIGITS, rounds=range(size), network="NetWS", learning_rate=rate) for size, rate in zip(sizes, rates)
    ]
    return [Group(None, iter(trials), len(trials)) for trials in plans], [t.key for trials in plans for t in trials]


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    rooms=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_every_trial_goes_out_until_it_is_done(sizes, rooms, seed):
    """Nodes of different sizes ask in any order, and some are lost, none of them with the same trial three times."""
    chance = random.Random(seed)
    groups, keys = groups_of(*sizes)
    cohorts = Cohorts(groups)
    under_way, done, losses = {}, [], 2
    while under_way or cohorts.any_left():
        node = chance.randrange(len(rooms))
        if node in under_way:
            cohort = under_way.pop(node)
            if losses and chance.random() < 0.3:
                losses -= 1
                cohorts.give_back(cohort, str(node), lost_by="a power cut")
            else:
                done += [trial.key for trial in cohort.trials]
        elif cohort := cohorts.next(str(node), lambda most, node=node: rooms[node]):
            assert 1 <= len(cohort.trials) <= rooms[node] == cohort.most
            assert len({trial.learning_rate for trial in cohort.trials}) == 1
            under_way[node] = cohort
    assert sorted(done) == sorted(keys)


def test_a_node_goes_on_with_what_it_has_compiled_and_then_takes_what_the_fewest_are_at():
    groups, _ = groups_of(4, 4, 4)
    cohorts = Cohorts(groups)
    assert [cohorts.next(node, lambda most: 2).place for node in "abaacb"] == [0, 1, 0, 2, 1, 2]
    assert cohorts.next("a", lambda most: 2) is None


def test_room_is_asked_for_the_group_at_hand():
    groups, _ = groups_of(7)
    asked = []
    cohort = Cohorts(groups).next("a", lambda most: asked.append(most) or 3)
    assert asked == [7]
    assert (len(cohort.trials), cohort.most) == (3, 3)


def test_what_nodes_are_lost_by_is_given_up():
    groups, _ = groups_of(2)
    cohorts = Cohorts(groups)
    for node in ("a", "b"):
        cohorts.give_back(cohorts.next(node, lambda most: 2), node, lost_by="out of memory")
    with pytest.raises(
        ClusterError, match=r"^NetWS in round 0 was given up: 3 nodes that trained it were lost, the last "
    ):
        cohorts.give_back(cohorts.next("c", lambda most: 2), "c", lost_by="out of memory")


def test_a_node_that_is_refused_is_no_loss():
    groups, _ = groups_of(1)
    cohorts = Cohorts(groups)
    for node in "abcde":
        cohorts.give_back(cohorts.next(node, lambda most: 1), node)
    assert cohorts.any_left()
