"""The soak in short: a study that is killed, and one that three processes share, beside one that nobody disturbs."""

import random

import pytest
from tests.campaigns.soak import kills, sharing
from tests.campaigns.soak.compare import faults


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return kills.undisturbed(tmp_path_factory.mktemp("undisturbed") / "it", kills.SHORT, times=1)


def test_killed_at_any_moment(other, tmp_path):
    tally = kills.at_random(tmp_path / "it", other, 2, random.Random(0))
    assert (tally.kills, tally.wrong) == (2, [])


def test_killed_while_a_network_is_written(other, tmp_path):
    tally = kills.while_writing_networks(tmp_path / "it", other, 1)
    assert (tally.kills, tally.wrong) == (1, [])


@pytest.mark.skipif(not kills.can_trace(), reason="strace, which kills at a call, is not here or may do nothing")
def test_killed_before_a_call_that_writes(other, tmp_path):
    (call,) = kills.evenly(kills.calls_of(tmp_path / "it", other.study)["pwrite64"], 1)
    tally = kills.before_call(tmp_path / "it", other, call)
    assert (tally.kills, tally.spent, tally.wrong) == (1, 0, [])


def test_shared_by_three(other, tmp_path):
    store = tmp_path / "it" / kills.STORE
    shared = sharing.together(store.parent, other.study, str(store), 3, [str(other.store)])
    assert (shared.again, shared.wrong, faults(store, other.store)) == (0, [], [])
