"""What the factors are worth, in sentences: direction, size, and how sure it is."""

import pandas as pd

from twofold.analysis.designs import BETWEEN
from twofold.report.text.numbers import interval, percent, points, points_interval
from twofold.report.text.tables import Row, rows_of

SIGNIFICANT = 0.05

_INTERACTION = "interaction"
# Factors that are several things, and take the verb of several.
_PLURAL = ("auxiliary losses",)


def effect_sentences(effects: pd.DataFrame) -> list[str]:
    """A sentence for each row of `twofold.analysis.effects` that has a p-value, the factor of most effect first."""
    rows = {row["effect"]: row for row in rows_of(effects) if not pd.isna(row["p_holm"])}
    interaction = rows.pop(_INTERACTION, None)
    factors = [row for row in rows.values() if BETWEEN not in row["effect"]]
    sentences = [_factor(row) for row in sorted(factors, key=lambda row: -abs(row["difference"]))]
    sentences += [_differs(row) for row in rows.values() if BETWEEN in row["effect"] and shown(row)]
    if interaction is not None and "weight sharing" in rows:
        sentences.append(_together(rows["weight sharing"], interaction))
    return sentences


def shown(row: Row) -> bool:
    """Whether an effect or a difference is shown: 0 lies outside its interval, and its corrected p is below 5 %."""
    return not row["ci_low"] <= 0 <= row["ci_high"] and row["p_holm"] < SIGNIFICANT


def _factor(row: Row) -> str:
    name, several = row["effect"].capitalize(), row["effect"] in _PLURAL
    if not shown(row):
        verb = "are" if several else "is"
        return f"{name} {verb} not shown to change the test error: the change may be {_span(row)}.{_alone(row)}"
    verb = ("lower" if row["difference"] < 0 else "raise") + ("" if several else "s")
    sizes = interval(*sorted((abs(row["ci_low"]), abs(row["ci_high"]))))
    return f"{name} {verb} the test error by {percent(abs(row['difference']))} points (95 % interval {sizes})."


def _differs(row: Row) -> str:
    """That factors of a design of the user's do not act each for itself."""
    first, *others = row["effect"].split(BETWEEN)
    by = f"{points(row['difference'])} points (95 % interval {_bare(row)})"
    return f"The change that {first} makes differs with {' and '.join(others)} by {by}."


def _together(sharing: Row, interaction: Row) -> str:
    """How the change that weight sharing makes depends on auxiliary losses.

    Its effect is the mean of the changes without and with them, the interaction is what they differ by.
    """
    half = interaction["difference"] / 2
    changes = (
        f"Weight sharing changes the test error by {points(sharing['difference'] - half)} points without auxiliary "
        f"losses and by {points(sharing['difference'] + half)} points with them"
    )
    if not shown(interaction):
        difference = f"it is not shown that these differ: the difference may be {_span(interaction)}"
        return f"{changes}; {difference}.{_alone(interaction)}"
    return (
        f"{changes}: a difference of {points(interaction['difference'])} points (95 % interval {_bare(interaction)})."
    )


def _span(row: Row) -> str:
    return f"{_bare(row)} points (95 % interval)"


def _bare(row: Row) -> str:
    return points_interval(row["ci_low"], row["ci_high"])


def _alone(row: Row) -> str:
    """What to say of an interval that leaves out 0 where the corrected p-value is not small."""
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return ""
    return " The interval leaves out 0, but p corrected for three tests is not below 5 %."
