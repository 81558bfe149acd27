"""What the factors are worth, in sentences: direction, size, and how sure it is."""

from collections.abc import Iterator, Sequence

import pandas as pd

from twofold.analysis import EFFECTS, SIGNIFICANT
from twofold.analysis.designs import BETWEEN, is_interaction
from twofold.report.text.numbers import interval, listed, percent, points, points_interval
from twofold.report.text.tables import Row, rows_of

_SHARING = "weight sharing"
_COUNTS = {2: "two", 3: "three"}

# Factors that are several things, and take the verb of several.
_PLURAL = ("auxiliary losses",)


def effect_sentences(effects: pd.DataFrame) -> list[str]:
    """What the rows of `twofold.analysis.effects` say that have a p-value, design by design.

    A sentence for each factor, the one of most effect first, and then what is known of interactions.
    """
    sentences = []
    for design, of_design in families(effects):
        rows = [row for row in rows_of(of_design) if not pd.isna(row["p_holm"])]
        mains = [row for row in rows if not is_interaction(row["effect"])]
        sentences += [_factor(row, len(rows)) for row in sorted(mains, key=lambda row: -abs(row["difference"]))]
        interactions = [row for row in rows if is_interaction(row["effect"])]
        sharing = [row for row in mains if row["effect"] == _SHARING]
        if design or not sharing:
            sentences += _interactions(interactions)
        else:
            sentences += [_together(sharing[0], row, len(rows)) for row in interactions]
    return sentences


def families(effects: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The effects of each design, whose p-values are corrected together; the paper's has no name."""
    if "design" not in effects:
        yield "", effects
        return
    for design, rows in effects.groupby("design", sort=False):
        yield str(design), rows


def effect_title(effect: str) -> str:
    """An effect as a line's name; factors of one's own are written as in their file."""
    return effect.capitalize() if effect in EFFECTS else effect


def shown(row: Row) -> bool:
    """Whether an effect or a difference is shown: 0 lies outside its interval, and its corrected p is below 5 %."""
    return not row["ci_low"] <= 0 <= row["ci_high"] and row["p_holm"] < SIGNIFICANT


def _factor(row: Row, tests: int) -> str:
    name, several = effect_title(row["effect"]), row["effect"] in _PLURAL
    if not shown(row):
        verb = "are" if several else "is"
        may_be = f"the change may be {_span(row)} (95 % interval)"
        return f"{name} {verb} not shown to change the test error: {may_be}.{_alone(row, tests)}"
    verb = ("lower" if row["difference"] < 0 else "raise") + ("" if several else "s")
    sizes = interval(*sorted((abs(row["ci_low"]), abs(row["ci_high"]))))
    return f"{name} {verb} the test error by {percent(abs(row['difference']))} points (95 % interval {sizes} points)."


def _interactions(rows: Sequence[Row]) -> list[str]:
    """Those interactions of a design of the user's that are shown, and how large the others may be."""
    there, others = [row for row in rows if shown(row)], [row for row in rows if not shown(row)]
    sentences = [_differs(row) for row in there]
    if others:
        most = percent(max(max(abs(row["ci_low"]), abs(row["ci_high"])) for row in others))
        which = "No other interaction" if there else "No interaction"
        names = ", ".join(row["effect"] for row in others)
        sentences.append(f"{which} is shown (at most {most} points, 95 %): {names}.")
    return sentences


def _differs(row: Row) -> str:
    """That factors of a design of the user's do not act each for itself."""
    design, _, effect = row["effect"].rpartition(": ")
    first, *others = effect.split(BETWEEN)
    by = f"{points(row['difference'])} points (95 % interval {_span(row)})"
    start = f"{design}: the" if design else "The"
    if len(others) == 1:
        return f"{start} change that {first} makes differs between the levels of {others[0]} by {by}."
    return f"{start} change that {first} makes depends on {listed(others)} together: {row['effect']} is {by}."


def _together(sharing: Row, interaction: Row, tests: int) -> str:
    """How the change that weight sharing makes depends on auxiliary losses.

    Its effect is the mean of the changes without and with them, the interaction is what they differ by.
    """
    half = interaction["difference"] / 2
    changes = (
        f"Weight sharing changes the test error by {points(sharing['difference'] - half)} points without auxiliary "
        f"losses and by {points(sharing['difference'] + half)} points with them"
    )
    if not shown(interaction):
        difference = f"it is not shown that these differ: the difference may be {_span(interaction)} (95 % interval)"
        return f"{changes}; {difference}.{_alone(interaction, tests)}"
    return (
        f"{changes}: a difference of {points(interaction['difference'])} points (95 % interval {_span(interaction)})."
    )


def _span(row: Row) -> str:
    return f"{points_interval(row['ci_low'], row['ci_high'])} points"


def _alone(row: Row, tests: int) -> str:
    """What to say of an interval that leaves out 0 where the corrected p-value is not small."""
    return "" if row["ci_low"] <= 0 <= row["ci_high"] else f" T{leaves_out_0(tests)[1:]}"


def leaves_out_0(tests: int) -> str:
    """What to say of an interval that leaves out 0 where the p-value, corrected for so many tests, is not small."""
    corrected = f" corrected for {_COUNTS.get(tests, tests)} tests" if tests > 1 else ""
    return f"the interval leaves out 0, but p{corrected} is not below 5 %."
