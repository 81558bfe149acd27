"""How numbers are written: errors as percent, differences as points, a missing value as an en dash."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from twofold.errors import counted as counted

MISSING = "–"


def written(value: float, form: str) -> str:
    """A number in one of Python's formats, with the minus sign."""
    return f"{value:{form}}".replace("-", "−")


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent."""
    return MISSING if value is None or pd.isna(value) else written(100 * value, f".{digits}f")


# A number of so many digits that its end tells nobody anything, and as many digits as are kept of it at least.
_MANY_DIGITS = re.compile(r"(0\.0*|\d+\.)(\d{8,})(e-?\d+)?")
_LEAST_DIGITS = 4


def cut_numbers(texts: Sequence[str]) -> list[str]:
    """The texts with long numbers cut, "0.0036…", and still told apart."""
    longest = max(map(len, texts), default=0)
    for digits in range(_LEAST_DIGITS, longest):
        cut = [_cut(text, digits) for text in texts]
        if len(set(cut)) == len(set(texts)):
            return cut
    return list(texts)


def _cut(text: str, digits: int) -> str:
    number = _MANY_DIGITS.fullmatch(text)
    if number is None or len(number[2]) <= digits:
        return text
    return f"{number[1]}{number[2][:digits]}…{number[3] or ''}"


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval of fractions in percent."""
    return MISSING if pd.isna(low) else f"{percent(low, digits)} to {percent(high, digits)}"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return signed(100 * difference)


def points_interval(low: float, high: float) -> str:
    """An interval of differences in percentage points."""
    return MISSING if pd.isna(low) else f"{points(low)} to {points(high)}"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign; what rounds to 0 has none."""
    if pd.isna(value):
        return MISSING
    text = written(value, f"+.{digits}f")
    return text if text.strip("+−0.") else text[1:]


def mean_and_sd(mean: float, sd: float) -> str:
    """A mean and its standard deviation, both fractions, in percent; without the deviation where there is none."""
    return percent(mean) if pd.isna(sd) else f"{percent(mean)} ± {percent(sd)}"


def p_value(p: float) -> str:
    """A p-value to three places, never 0."""
    return MISSING if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def ratio(log_ratio: float) -> str:
    """A ratio, given by its logarithm."""
    return MISSING if pd.isna(log_ratio) else f"{math.exp(log_ratio):.2f}"


def ratio_interval(low: float, high: float) -> str:
    """An interval of ratios, given by their logarithms."""
    return MISSING if pd.isna(low) else f"{ratio(low)} to {ratio(high)}"


def whole(number: Any) -> str:
    """A whole number, which may be large."""
    return MISSING if pd.isna(number) else f"{number:,}"


def span(numbers: Iterable[int]) -> str:
    """From the least to the greatest, or the one that they all are."""
    low, high = min(numbers := list(numbers)), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shape_text(shape: Sequence[int], between: str = " × ") -> str:
    """The shape of an array."""
    return between.join(map(str, shape))


def duration(seconds: float) -> str:
    """How long something took, in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size_text(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    if count < 1000:
        return f"{count} B"
    if count < 999_500:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 999_950_000 else f"{count / 1e9:.1f} GB"


def shortened(name: str, letters: int) -> str:
    """A name in so many letters: its beginning and its end, which differ most among arguments."""
    if len(name) <= letters:
        return name
    end = (letters - 1) * 2 // 3
    return f"{name[: letters - 1 - end]}…{name[-end:]}"
