"""What is said of sections: trials that were drawn alike, which alone are pooled and compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from twofold.analysis import FRESH, Section
from twofold.report.text.names import setting_text
from twofold.report.text.numbers import counted, listed
from twofold.settings import FIRST_FRESH_ROUND, SETTINGS, option, words

# A screen or a page of more sections is read by nobody to its end.
MOST_SECTIONS = 12

# Where more settings than these differ, a section's name has the values that are not the defaults.
_MOST_SETTINGS = 2

_STAGES = {True: f"rounds from {FIRST_FRESH_ROUND} on", False: f"rounds below {FIRST_FRESH_ROUND}"}

_CHOSEN_ON = (
    f"Settings may have been chosen on rounds below {FIRST_FRESH_ROUND}, and those that were look better there than "
    f"they are; rounds from {FIRST_FRESH_ROUND} on are fresh."
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


def _fresh_option(found: Sequence[Section]) -> str:
    """What chooses the fresh rounds that there are."""
    fresh = [section.trials for section in found if section.told[FRESH]]
    first = min(trials.get("first_round", trials["round"]).min() for trials in fresh)
    return f"--rounds {first}-{max(trials.get('last_round', trials['round']).max() for trials in fresh)}"
