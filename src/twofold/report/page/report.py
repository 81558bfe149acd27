"""The report: a study as one page, with the answer, every round, and how it was made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from twofold.analysis import (
    AnalysisError,
    Section,
    agreement,
    as_trials,
    choice,
    collapse,
    effects,
    for_every_value,
    grid_agreement,
    in_order,
    is_crossed,
    paired_differences,
    sections,
    summary,
    varying_settings,
)
from twofold.data import Relation
from twofold.report.figures.heatmap import Heatmap, heatmap_of, scale_of
from twofold.report.page.charts import (
    NARROW,
    WIDE,
    Chart,
    collapse_chart,
    curves_chart,
    effects_chart,
    rounds_chart,
    strip_chart,
)
from twofold.report.page.commands import commands
from twofold.report.page.html import render
from twofold.report.page.networks import shown_networks
from twofold.report.page.questions import shown_questions
from twofold.report.text import pictures, statistics
from twofold.report.text.answer import answer, answer_of_settings, best_in_short, question, task_sentence
from twofold.report.text.made import made_of
from twofold.report.text.names import setting_text
from twofold.report.text.networks import NetworkFacts
from twofold.report.text.notes import crossed_note
from twofold.report.text.sections import (
    MOST_SECTIONS,
    overview_table,
    section_heading,
    section_text,
    sections_notes,
)
from twofold.report.text.tables import TextTable
from twofold.report.text.trials import trials_table
from twofold.settings import SETTINGS

# More settings, or trials, than these would make a page that nobody reads to its end.
_MOST_SETTINGS = 24
_MOST_TRIALS = 2000

T = TypeVar("T")
_Setting = dict[str, Any]
_Groups = list[tuple[_Setting, pd.DataFrame]]


@dataclass(frozen=True)
class OfSetting:
    """What the page shows of the trials of one setting."""

    heading: str
    answer: Sequence[str]
    rounds: Sequence[Chart]  # wide, narrow
    charts: Sequence[Chart]
    tables: Sequence[TextTable]
    commands: Sequence[str]


@dataclass(frozen=True)
class Part:
    """What the page shows of a section of the trials; `heading` and `mark`, for links, are empty where it is the only.

    `short` is its line in the table of all sections, `left_out` the number of settings that are in the tables only.
    """

    heading: str
    mark: str
    task: str
    answer: Sequence[str]
    short: Mapping[str, Any]
    settings: Sequence[OfSetting]
    left_out: int
    heatmaps: Sequence[Heatmap]
    choice: TextTable | None
    paper: TextTable | None


def report_page(
    table: pd.DataFrame,
    *,
    title: str,
    store: str,
    demo: Mapping[str, Any] | None = None,
    demo_note: str = "",
    networks: Sequence[NetworkFacts] = (),
    relations: Sequence[Relation] = (),
    equivalence_margin: float | None = None,
) -> str:
    """The report on all the trials of a table that `Store.read(histories=True)` gives, as HTML.

    `title` and `store` are shown as they are. `demo` is what `twofold.report.page.demo.demo_data` gives; where it is
    None, `demo_note` says why there is nothing to draw on. Of `networks` the page has drawings and layers, of
    `relations` their tables of answers. Trials that were not drawn alike (`twofold.analysis.sections`) are parts of the
    page, each with an answer of its own. With an `equivalence_margin` (a fraction) comparisons have verdicts.
    """
    common = {
        "title": title,
        "store": store,
        "question": "" if table.empty else question(table),
        "demo": demo,
        "demo_note": demo_note,
    }
    if table.empty:
        return render("report.html", **common, trials=0)
    # What has one name and is something else gets a name of its own first, so that it is not taken for the same.
    crossed = int(is_crossed(table).sum())
    table = as_trials(table)
    alike = sections(table)
    parts = [
        _part(place, len(alike), section, equivalence_margin) for place, section in enumerate(alike[:MOST_SECTIONS])
    ]
    return render(
        "report.html",
        **common,
        trials=len(table),
        several=len(alike) > 1,
        notes=[*sections_notes(alike), *([crossed_note(crossed)] if crossed else [])],
        parts=parts,
        sections=[f"#section{part.mark}" for part in parts],
        overview=overview_table([part.short for part in parts]),
        networks=shown_networks(networks),
        questions=shown_questions(relations),
        what_is_asked=pictures.TABLE_OF_ANSWERS,
        every=trials_table(table, _telling(table, alike[0]), _MOST_TRIALS),
        made=made_of(table),
    )


def _telling(table: pd.DataFrame, section: Section) -> list[str]:
    """The settings in which a table's trials differ."""
    varied = {*varying_settings(table), *section.told}
    return [name for name in SETTINGS if name in varied]


def _part(place: int, of: int, section: Section, margin: float | None) -> Part:
    """What the page shows of a section."""
    table = section.trials
    varied = varying_settings(table)
    ranking = _ranking(table, margin) if varied else None
    groups = _by_setting(table, varied, ranking)
    ranked = None if ranking is None else statistics.choice_table(ranking, _ranked_by(table), table.network.nunique())
    setting, shown = groups[0]
    return Part(
        heading=section_heading(place, of, section.told) if section.told else "",
        mark=f"-{place + 1}" if section.told else "",
        task=task_sentence(table),
        answer=_overall_answer(table, groups, ranking, varied, margin),
        short={
            "section": section_text(section.told) if section.told else "",
            "trials": len(table),
            "setting": setting_text(setting),
            **best_in_short(shown),
        },
        settings=[_of_setting(setting, trials, margin) for setting, trials in groups[:_MOST_SETTINGS]],
        left_out=max(0, len(groups) - _MOST_SETTINGS),
        heatmaps=_heatmaps(table, varied),
        choice=ranked,
        paper=_paper_table(table, varied),
    )


def _ranking(table: pd.DataFrame, margin: float | None) -> pd.DataFrame | None:
    """The settings from the best on, by validation error where every trial has one, else by test error.

    None where no round has all the networks in any of them.
    """
    try:
        ranking = choice(table, f"{_ranked_by(table)}_error", equivalence_margin=margin)
    except AnalysisError:
        return None
    return None if ranking["mean"].isna().all() else ranking


def _ranked_by(table: pd.DataFrame) -> str:
    """The kind of error by which settings are compared."""
    return "validation" if table.validation_error.notna().all() else "test"


def _by_setting(table: pd.DataFrame, varied: list[str], ranking: pd.DataFrame | None) -> _Groups:
    """The trials of each setting, the best settings first."""
    if not varied:
        return [({}, table)]
    groups = {setting: trials for setting, trials in for_every_value(table, varied).groupby(varied, sort=False)}
    order = [] if ranking is None else list(ranking[varied].itertuples(index=False, name=None))
    ranked = [setting for setting in order if setting in groups]
    ranked += [setting for setting in groups if setting not in set(ranked)]
    return [(dict(zip(varied, setting)), groups[setting].reset_index(drop=True)) for setting in ranked]


def _overall_answer(
    table: pd.DataFrame, groups: _Groups, ranking: pd.DataFrame | None, varied: list[str], margin: float | None
) -> list[str]:
    setting, trials = groups[0]
    if not varied:
        return answer(trials, margin)
    first = answer_of_settings(len(groups), ranking, setting, _ranked_by(table))
    return [first] if ranking is None else [first, f"With {setting_text(setting)}:", *answer(trials, margin)]


def _of_setting(setting: _Setting, trials: pd.DataFrame, margin: float | None) -> OfSetting:
    charts = (_or_none(effects_chart, trials), strip_chart(trials), collapse_chart(trials), curves_chart(trials))
    tables = (
        statistics.summary_table(summary(trials)),
        _or_none(lambda trials: _effects(trials, margin), trials),
        _differences(trials, margin),
        statistics.collapse_table(collapse(trials)),
    )
    return OfSetting(
        heading=setting_text(setting),
        answer=answer(trials, margin),
        rounds=[rounds_chart(trials, width) for width in (WIDE, NARROW)],
        charts=[chart for chart in charts if chart is not None],
        tables=[table for table in tables if table is not None],
        commands=list(commands(trials)),
    )


def _or_none(make: Callable[[pd.DataFrame], T], trials: pd.DataFrame) -> T | None:
    """The chart or table, where the trials suffice for it; the answer says what they lack."""
    try:
        return make(trials)
    except AnalysisError:
        return None


def _effects(trials: pd.DataFrame, margin: float | None) -> TextTable:
    return statistics.effects_table(effects(trials, margin), in_words=False)


def _differences(trials: pd.DataFrame, margin: float | None) -> TextTable | None:
    differences = paired_differences(trials, margin)
    return statistics.differences_table(differences) if len(differences) else None


def _paper_table(table: pd.DataFrame, varied: list[str]) -> TextTable | None:
    """The paper's study, or its grid search, beside ours; None where no trial has its settings."""
    in_grid = bool({"optimizer", "learning_rate"} & set(varied))
    beside = (grid_agreement if in_grid else agreement)(table)
    by = ["network", "optimizer", "learning_rate"] if in_grid else ["network"]
    return None if beside.empty else statistics.agreement_table(beside, list(table.data), by)


def _heatmaps(table: pd.DataFrame, varied: list[str]) -> list[Heatmap]:
    """A heatmap per network: the learning rates, or what else varies, from left to right."""
    if not varied:
        return []
    across = "learning_rate" if "learning_rate" in varied else varied[-1]
    down = [name for name in varied if name != across]
    worst = scale_of(table)
    networks = in_order(list(table.network))
    return [heatmap_of(table[table.network == network], across, down, worst=worst) for network in networks]
