"""What is said of sections: trials that were drawn alike, which alone are pooled and compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from twofold.analysis import FRESH, Section
from twofold.report.text.names import setting_text
from twofold.report.text.numbers import MISSING, counted, listed
from twofold.report.text.statistics import MEAN, MEAN_INTERVAL
from twofold.report.text.tables import Column, Row, TextTable, count_column
from twofold.settings import FIRST_FRESH_ROUND, SETTINGS, option, words

# A screen or a page of more sections is read by nobody to its end.
MOST_SECTIONS = 12

# Where more settings than these differ, a section's name has the values that are not the defaults.
_MOST_SETTINGS = 2

_STAGES = {True: f"rounds from {FIRST_FRESH_ROUND} on", False: f"rounds below {FIRST_FRESH_ROUND}"}

_CHOSEN_ON = (
    f"Settings may have been chosen on rounds below {FIRST_FRESH_ROUND}. There the chosen ones look better than they "
    f"are. Rounds from {FIRST_FRESH_ROUND} on are fresh."
)


_OVERVIEW = "The network that errs least in each section, by its test error"
_BEST_SETTING = (
    "Of several settings the best is shown, by validation error where every trial has one. The best of many looks "
    "better than it is."
)


def section_text(told: Mapping[str, Any]) -> str:
    """What tells a section from the others: mnist, relation <, rounds from 1000 on."""
    settings = {name: value for name, value in told.items() if name != FRESH}
    if len(settings) > _MOST_SETTINGS:
        settings = {
            name: value for name, value in settings.items() if name == "data" or value != SETTINGS[name].default
        }
    setting = setting_text(settings)
    stage = _STAGES[bool(told[FRESH])] if FRESH in told else ""
    return ", ".join(filter(None, (setting, stage)))


def section_heading(place: int, of: int, told: Mapping[str, Any]) -> str:
    """What stands above what is said of a section."""
    return f"Section {place + 1} of {of}: {section_text(told)}"


def sections_notes(found: Sequence[Section], shown: int = MOST_SECTIONS) -> list[str]:
    """Why there are several sections, and how to choose one; which are left out where only so many are shown."""
    telling = list(found[0].told)
    if not telling:
        return []
    differ = [_STAGES[False].replace("below", "below and from") if name == FRESH else words(name) for name in telling]
    options = [_fresh_option(found) if name == FRESH else option(name) for name in telling]
    notes = [
        f"{counted(len(found), 'section')}: the trials were not drawn alike ({listed(differ)}), so nothing is pooled "
        f"or compared across these. Choose with {listed(options)}."
    ]
    if FRESH in telling:
        notes.append(_CHOSEN_ON)
    if len(found) > shown:
        left_out = counted(len(found) - shown, "section")
        notes.append(f"Left out: {left_out} after the first {shown}; choose one of them likewise.")
    return notes


def overview_table(rows: Sequence[Row]) -> TextTable:
    """The answer of each section in a line.

    A row has the name of its `section`, the number of its `trials`, the `setting` that is shown where it has several
    (in words, else empty), and of that setting what `twofold.report.text.answer.best_in_short` gives.
    """
    columns = [
        Column("section", lambda row: row["section"], words=True),
        Column("errs least", lambda row: ", ".join(filter(None, (row["network"], row["setting"]))), words=True),
        MEAN,
        MEAN_INTERVAL,
        Column(
            "others shown\nto err more", lambda row: f"{row['worse']} of {row['others']}" if row["others"] else MISSING
        ),
        count_column("trials"),
    ]
    notes = [_BEST_SETTING] if any(row["setting"] for row in rows) else []
    return TextTable(_OVERVIEW, columns, rows, notes)


def _fresh_option(found: Sequence[Section]) -> str:
    """What chooses the fresh rounds that there are."""
    fresh = [section.trials for section in found if section.told[FRESH]]
    first = min(trials.get("first_round", trials["round"]).min() for trials in fresh)
    return f"--rounds {first}-{max(trials.get('last_round', trials['round']).max() for trials in fresh)}"
