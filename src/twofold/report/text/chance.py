"""What stands below tables and in figures of chance: how often one is right without looking, and who is not better."""

from collections.abc import Iterator, Sequence

import pandas as pd
import scipy.special

from twofold.analysis import CHANCE, chances
from twofold.report.text.names import setting_text
from twofold.report.text.numbers import counted, percent
from twofold.report.text.tables import Row, rows_of

# What chance depends on, where it varies.
_OF = ("data", "relation", "balance")

# The upper end of an interval of 95 %.
_UPPER = 0.975

# More questions, or networks, than these are counted rather than listed.
_MOST_QUESTIONS, _MOST_NAMED = 3, 8


def chance_notes(rows: pd.DataFrame, varied: Sequence[str] = ()) -> Iterator[str]:
    """What chance is for the rows of `twofold.analysis.summary`, and which of them are not shown to be better.

    `varied` are the settings that the rows may differ in.
    """
    varied = [name for name in varied if rows[name].nunique() > 1]
    by = [name for name in _OF if name in varied]
    yield from _sentences(rows[rows.chance.notna()].drop_duplicates([*by, *CHANCE]), by)
    yield from not_better(rows, varied)


def not_better(rows: pd.DataFrame, varied: Sequence[str] = ()) -> Iterator[str]:
    """Which of the rows are not shown to be better than chance, if any."""
    them = [row for row in rows_of(rows) if not _is_better(row)]
    names = [", ".join(filter(None, (row["network"], setting_text({n: row[n] for n in varied})))) for row in them]
    if them:
        listed = "; ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} of {len(rows)} lines"
        yield f"Not shown to be better than chance (95 %): {listed}."


def chance_of_table(trials: pd.DataFrame) -> list[str]:
    """What chance is for what was asked in these trials."""
    questions = chances(trials)
    return list(_sentences(questions, [name for name in _OF if name in questions and questions[name].nunique() > 1]))


def chance_line(error: float, between: str = " ") -> str:
    """The name of the line of chance in a figure."""
    return f"chance:{between}{percent(error, 1)} %"


def chance_beyond(error: float) -> str:
    """What stands at the upper end of a figure that ends below chance."""
    return f"↑ {chance_line(error)}"


def _sentences(questions: pd.DataFrame, by: Sequence[str]) -> Iterator[str]:
    told = {name: ["" if pd.isna(value) else percent(value, 1) for value in questions[name]] for name in CHANCE}
    distinct = questions.assign(**told).drop_duplicates([*by, *CHANCE])
    for row in rows_of(distinct.head(_MOST_QUESTIONS)):
        where = f" with {setting_text({name: row[name] for name in by})}" if by and len(distinct) > 1 else ""
        alone = row["one_image_error"]
        yield (
            f"Chance{where}: the relation is true of {row['true_share']} % of test pairs, so that the same answer "
            f"to all of them errs on {row['chance']} %"
            + (f"; who sees one image alone errs on at least {alone} %." if alone else ".")
        )
    if more := max(0, len(distinct) - _MOST_QUESTIONS):
        yield f"Chance of {counted(more, 'question')} more is not listed."


def _is_better(row: Row) -> bool:
    """Whether a mean error is shown to be below chance: the whole of its interval. Of one round that is the interval of
    Clopper and Pearson (1934) over its test pairs, which is about that network alone."""
    bound: float = row["ci_high"]
    if row["rounds"] == 1 and not pd.isna(row["tested"]):
        wrong, tested = round(row["mean"] * row["tested"]), int(row["tested"])
        bound = float(scipy.special.betaincinv(wrong + 1, tested - wrong, _UPPER)) if wrong < tested else 1.0
    return pd.isna(row["chance"]) or pd.isna(bound) or bool(bound < row["chance"])
