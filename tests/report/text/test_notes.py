"""What stands below tables."""

import pandas as pd
import pytest

from twofold.report.text.notes import apart_notes


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
