"""What stands below tables."""

import pandas as pd
import pytest

from twofold.report.text.notes import apart_notes, counting_notes


def test_what_more_test_pairs_win_is_said_where_it_is_known():
    """Where counting alone makes more than the spread seen, the spread with more pairs would come out larger."""
    rows = [
        {"first": "NetAL", "second": None, "test_pairs": 1000, "sd": 0.01, "sd_more": 0.008, "share": 0.5},
        {"first": "NetWS", "second": None, "test_pairs": 1000, "sd": 0.001, "sd_more": 0.006, "share": 1.0},
    ]
    (won,) = (note for note in counting_notes(pd.DataFrame(rows)) if "narrower" in note)
    assert "20 % (NetAL)" in won
    assert "NetWS" not in won
    assert not any("narrower" in note for note in counting_notes(pd.DataFrame(rows[1:])))


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (3, ["A0 and B0: the interval leaves out 0, but p corrected for three tests is not below 5 %."]),
        (9, ["A0 and B0: the interval leaves out 0, but p corrected for 9 tests is not below 5 %."]),
    ],
)
def test_a_pair_that_is_not_shown_to_differ_beside_an_interval_without_0_is_explained(pairs, told):
    rows = [
        {"first": f"A{n}", "second": f"B{n}", "all_low": -0.02, "all_high": 0.02, "p_holm": 0.9} for n in range(pairs)
    ]
    rows[0] |= {"all_low": 0.001, "p_holm": 0.08}
    assert [note for note in apart_notes(pd.DataFrame(rows)) if "leaves out" in note] == told
    assert not any("leaves out" in note for note in apart_notes(pd.DataFrame(rows[1:])))
