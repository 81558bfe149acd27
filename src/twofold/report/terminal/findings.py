"""What `twofold analyse` and `twofold power` print: tables, and under each a few sentences that say what it means."""

from collections.abc import Callable
from itertools import groupby

import pandas as pd

from twofold.analysis import Findings
from twofold.report.terminal.tables import Section, section
from twofold.report.text import notes, statistics
from twofold.report.text.names import PAPERS_DATA
from twofold.report.text.tables import TextTable


def findings_sections(findings: Findings) -> list[Section]:
    """Everything that `twofold.analysis.findings` found, in the order of reading."""
    sections = [Section(None, [notes.settings_note(findings)])]
    there = [name for name in _STATISTICS if name in findings.tables or name in findings.reasons]
    for reason, names in groupby(there, findings.reasons.get):
        if reason:
            sections.append(Section(None, [notes.lacking_note(list(names), reason)]))
        else:
            sections += [section(_STATISTICS[name](findings)) for name in names]
    if findings.lacking:
        sections.append(Section(None, list(notes.lacking_cells_notes(findings.lacking))))
    if findings.varied:
        sections.append(Section(None, [notes.choose_note(findings)]))
    if findings.crossed and "components" not in findings.tables:
        sections.append(Section(None, [notes.crossed_note(findings.crossed, elsewhere=False)]))
    return sections


def crossing_sections(findings: Findings) -> list[Section]:
    """What a study shows below its table where pairs and initial weights are crossed."""
    if "components" in findings.tables:
        return [section(statistics.components_table(findings.tables["components"]))]
    return [Section(None, [notes.crossed_note(findings.crossed)])]


def power_section(plan: pd.DataFrame, equivalence_margin: float | None = None) -> Section:
    """How many rounds tell each two networks apart, or show them to be equivalent by a margin."""
    return section(statistics.power_table(plan, equivalence_margin))


def _summary(findings: Findings) -> TextTable:
    return statistics.summary_table(findings.tables["summary"], findings.varied)


def _collapse(findings: Findings) -> TextTable:
    frame = findings.tables["collapse"]
    if not findings.varied:
        return statistics.collapse_table(frame)
    leaky = "leaky_relu" in findings.settings.get("bottleneck_activation", ())
    return statistics.rates_table(frame, findings.varied, leaky)


# In the order of reading.
_STATISTICS: dict[str, Callable[[Findings], TextTable]] = {
    "summary": _summary,
    "effects": lambda found: statistics.effects_table(found.tables["effects"]),
    "differences": lambda found: statistics.differences_table(found.tables["differences"]),
    "spreads": lambda found: statistics.spreads_table(found.tables["spreads"], found.tables["summary"]),
    "collapse": _collapse,
    "explained": lambda found: statistics.explained_table(found.tables["explained"], found.varied),
    "agreement": lambda found: statistics.agreement_table(
        found.tables["agreement"], found.settings.get("data", [PAPERS_DATA])
    ),
    "components": lambda found: statistics.components_table(found.tables["components"]),
    "counting": lambda found: statistics.counting_table(found.tables["counting"]),
    "ensembles": lambda found: statistics.ensembles_table(found.tables["ensembles"]),
}
