"""Which test pairs a trial answered wrongly: packed, stored with the row, and refused where they do not fit it."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import DataError, StoreError
from twofold.results import Store
from twofold.results.answers import fault_of, packed, unpacked
from twofold.results.cells import value_of
from twofold.results.raw_cells import row_of


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_bits_come_back_and_fit_their_error(wrong):
    cell = packed(np.array(wrong))
    assert unpacked(cell, len(wrong)).tolist() == wrong
    assert fault_of(cell, len(wrong), sum(wrong) / len(wrong)) == ""


def test_1000_pairs_take_125_bytes():
    assert len(packed(np.zeros(1000, bool))) == 125


FAULTS = {
    "too few bytes": (b"\x80", 9, 1 / 9, "`wrong_answers` has 1 bytes, and those of 9 `test_pairs` are 2"),
    "too many bytes": (b"\x80\x00", 8, 1 / 8, "`wrong_answers` has 2 bytes, and those of 8 `test_pairs` are 1"),
    "no bytes for endless pairs": (b"", 2**63 - 1, 0.0, "`wrong_answers` has 0 bytes, and those of 92233720"),
    "a bit after the last pair": (b"\x81", 7, 1 / 7, "`wrong_answers` has more bits than `test_pairs`"),
    "another error": (b"\xc0", 8, 1 / 8, "`wrong_answers` has 2 of 8, and `test_error` is 0.125"),
}


@pytest.mark.parametrize(("cell", "pairs", "error", "says"), FAULTS.values(), ids=FAULTS)
def test_bits_that_do_not_fit(cell, pairs, error, says):
    assert fault_of(cell, pairs, error).startswith(says)


def answered(row, wrong, **changes):
    """A row whose test pairs were answered so."""
    wrong = np.array(wrong)
    return {**row, "test_pairs": len(wrong), "test_error": wrong.mean(), "wrong_answers": packed(wrong), **changes}


WRONG = [True, False, False, True, False, False, False, False, False, True]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "trials.db")


def test_a_store_gives_what_it_was_given(store, row):
    kept = answered(row, WRONG)
    store.add(kept)
    store.add({**row, "key": "without"})
    assert store.wrong_answers(["k", "without", "nobody"]) == {"k": kept["wrong_answers"]}
    assert "wrong_answers" not in store.read(histories=True)
    found, wrong = row_of(next(store.cells(["k"])))
    assert (found["wrong_answers"], wrong) == (kept["wrong_answers"], [])


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("wrong_answers", b"\x90", "`wrong_answers` has 1 bytes, and those of 10 `test_pairs` are 2"),
        ("wrong_answers", "a text", "`wrong_answers` .* must be bytes"),
        ("wrong_answers", 7, "`wrong_answers` .* must be bytes"),
        ("test_error", 0.25, "`wrong_answers` has 3 of 10, and `test_error` is 0.25"),
    ],
)
def test_a_store_that_was_changed_is_refused(store, tmp_path, row, column, value, says):
    store.add(answered(row, WRONG))
    with closing(sqlite3.connect(tmp_path / "trials.db")) as connection, connection:
        connection.execute(f"update trials set {column} = ?", [value])
    with pytest.raises(StoreError, match=f"is damaged: in the trial k, {says}"):
        store.wrong_answers(["k"])
    assert row_of(next(store.cells()))[1] != []


TRACE = [[0, 9], [0, 10]]


@pytest.mark.parametrize(
    ("had", "has", "replaced"),
    [
        ((None, None), (None, WRONG), True),
        ((None, None), (TRACE, WRONG), True),
        ((TRACE, None), (TRACE, WRONG), True),
        ((None, WRONG), (TRACE, WRONG), True),
        ((TRACE, None), (None, WRONG), False),
        ((None, WRONG), (TRACE, None), False),
        ((TRACE, WRONG), (TRACE, WRONG), False),
        ((None, WRONG), (None, None), False),
    ],
)
def test_a_row_gives_way_to_one_that_has_more_and_lacks_nothing(store, row, had, has, replaced):
    for device, (trace, wrong) in (("first", had), ("second", has)):
        made = answered(row, WRONG, device=device, dead_units_trace=trace)
        store.add(made if wrong else {**made, "wrong_answers": None})
    assert store.read().device.tolist() == ["second" if replaced else "first"]


def test_a_table_has_no_answers():
    with pytest.raises(DataError, match=r"`wrong_answers` .* must be left out of a table: only a store has it"):
        value_of("wrong_answers", "gICA")
