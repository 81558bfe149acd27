"""What is said of differences beside the margin that does not matter: better, worse, equivalent or not decided."""

from collections.abc import Iterator

import pandas as pd

from twofold.analysis import BETTER, DECIDING_POWER, EQUIVALENT, NOT_DECIDED, WORSE
from twofold.analysis.designs import is_interaction
from twofold.report.text.numbers import MISSING, listed, percent, whole, written
from twofold.report.text.tables import Column, Row, rows_of

# More rows of a verdict than these are counted.
_MOST_NAMED = 6


def verdict_columns(frame: pd.DataFrame) -> list[Column]:
    """The column of verdicts, where a margin was given: see `twofold.analysis.with_verdicts`."""
    return [Column("verdict", lambda row: _word(row) or MISSING)] if "verdict" in frame else []


def verdict_notes(frame: pd.DataFrame) -> Iterator[str]:
    """What the verdicts mean and say, and how many rounds would decide what is open; nothing without a margin."""
    if "verdict" not in frame:
        return
    margin = margin_text(frame.equivalence_margin.iloc[0])
    yield (
        f"Equivalent: shown to differ by less than {margin} (two one-sided tests). All verdicts are at 5 %, corrected "
        "over the rows (Holm)."
    )
    rows = rows_of(frame)
    told = {
        BETTER: [_winner(row) for row in rows if row["verdict"] in (BETTER, WORSE) and "first" in row],
        EQUIVALENT: [_both(row) for row in rows if row["verdict"] == EQUIVALENT],
        NOT_DECIDED: [f"{_both(row)} ({_needed(row)})" for row in rows if row["verdict"] == NOT_DECIDED],
    }
    for verdict, names in told.items():
        if names:
            those = listed(names) if len(names) <= _MOST_NAMED else f"{len(names)} of {len(rows)}"
            yield f"{verdict.capitalize()}: {those}."
    if told[NOT_DECIDED]:
        yield (
            f"So many rounds decide in {percent(DECIDING_POWER, 0)} of 100 studies, were the true difference the one "
            "seen, which is itself uncertain."
        )


def margin_text(equivalence_margin: float) -> str:
    """The margin in points."""
    number = written(100 * equivalence_margin, ".6g")
    return f"{number} point{'' if number == '1' else 's'}"


def _winner(row: Row) -> str:
    """Which of two networks errs less."""
    names = (row["second"], row["first"]) if row["verdict"] == BETTER else (row["first"], row["second"])
    return " than ".join(names)


def _both(row: Row) -> str:
    """What is compared: two networks, or what an effect or a line of a table is of."""
    return f"{row['second']} and {row['first']}" if "first" in row else str(row.get("effect") or row["network"])


def _needed(row: Row) -> str:
    needed = row["rounds_to_decide"]
    return "no number of rounds" if pd.isna(needed) else f"{whole(needed)} rounds"


def _word(row: Row) -> str:
    """The verdict on a row; an interaction is neither better nor worse."""
    verdict = str(row["verdict"])
    return "there" if verdict in (BETTER, WORSE) and is_interaction(row.get("effect", "")) else verdict
