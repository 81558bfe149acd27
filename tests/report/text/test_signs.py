"""Signs for outputs that know few."""

from pathlib import Path

import pytest

import twofold
from twofold.report.text.signs import in_signs_of

SOURCE = Path(twofold.__file__).parent

# What pages and figures show they show in UTF-8 and in fonts of their own; what spreadsheets call true is only read.
_ELSEWHERE = {"page", "figures", "cells.py"}
PRINTED = [path for path in SOURCE.rglob("*.py") if not _ELSEWHERE & set(path.relative_to(SOURCE).parts)]


def test_every_sign_of_ours_has_a_plainer_one():
    signs = {sign for path in PRINTED for sign in path.read_text(encoding="utf-8") if not sign.isascii()}
    assert "−" in signs
    assert not [sign for sign in signs if "\\" in in_signs_of("ascii", sign) or "?" in in_signs_of("ascii", sign)]


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "-1.5 +/- 2, 14 x 14, first <= second"), ("cp1252", "-1.5 ± 2, 14 × 14, first <= second")],
)
def test_only_what_the_output_lacks_is_replaced(encoding, shown):
    assert in_signs_of(encoding, "−1.5 ± 2, 14 × 14, first ≤ second") == shown


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "shift_jis", "utf-8", "utf-16"])
def test_the_odd_byte_of_a_name_is_shown_as_its_number(encoding):
    assert in_signs_of(encoding, b"na\xefme".decode("utf-8", "surrogateescape")) == "na\\xefme"


def test_letters_stay_themselves():
    """The name of a file in other letters would be that of another file."""
    assert in_signs_of("ascii", "für") == "f\\xfcr"
    assert in_signs_of("cp1252", "für") == "für"
    assert in_signs_of("utf-8", "数字 ± ≤") == "数字 ± ≤"
