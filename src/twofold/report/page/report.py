"""The report: a study as one page, with the answer, every round, and how it was made."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from twofold.analysis import (
    SETTINGS,
    AnalysisError,
    agreement,
    choice,
    collapse,
    for_every_aux_weight,
    grid_agreement,
    in_order,
    paired_differences,
    summary,
    varying_settings,
)
from twofold.analysis.trials import with_losses
from twofold.report.answer import QUESTION, answer, task_sentence
from twofold.report.charts import (
    NARROW,
    WIDE,
    Chart,
    collapse_chart,
    curves_chart,
    effects_chart,
    rounds_chart,
    strip_chart,
)
from twofold.report.html import render
from twofold.report.tables import (
    PAPERS_DATA,
    interval,
    mean_and_sd,
    p_value,
    percent,
    points,
    points_interval,
    value_text,
    words,
)
from twofold.study import Trial

# More settings, or trials, than these would make a page that nobody reads to its end.
_MOST_SECTIONS = 24
_MOST_TRIALS = 2000
_MOST_CHOICES = 12


@dataclass(frozen=True)
class HtmlTable:
    """A table for a page, of which the first `left` columns hold words, the others numbers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    sortable: bool = False
    note: str = ""


@dataclass(frozen=True)
class Section:
    """What the page shows of the trials of one setting."""

    heading: str
    answer: Sequence[str]
    rounds: Sequence[Chart]  # wide, narrow
    charts: Sequence[Chart]
    tables: Sequence[HtmlTable]
    commands: Sequence[str]


@dataclass(frozen=True)
class Cell:
    """One cell of a heatmap: the text and what it stands on."""

    text: str
    detail: str
    background: str
    ink: str


@dataclass(frozen=True)
class Heatmap:
    """The mean test error of one network over the settings of a grid."""

    network: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]


def report_page(
    table: pd.DataFrame, *, title: str, store: str, demo: Mapping[str, Any] | None = None, demo_note: str = ""
) -> str:
    """The report on all the trials of a table that `Store.read(histories=True)` gives, as HTML.

    `title` and `store` are shown as they are. `demo` is what `twofold.report.demo.demo_data` gives; where it is
    None, `demo_note` says why there is nothing to draw on.
    """
    common = {"title": title, "store": store, "question": QUESTION, "demo": demo, "demo_note": demo_note}
    if table.empty:
        return render("report.html", **common, trials=0)
    table = _once_each(table)
    varied = varying_settings(table)
    ranking = _ranking(table) if varied else None
    groups = _by_setting(table, varied, ranking)
    return render(
        "report.html",
        **common,
        trials=len(table),
        task=task_sentence(table),
        answer=_overall_answer(table, groups, ranking, varied),
        sections=[_section(setting, trials) for setting, trials in groups[:_MOST_SECTIONS]],
        left_out=max(0, len(groups) - _MOST_SECTIONS),
        heatmaps=_heatmaps(table, varied),
        choice=_choice_table(ranking, varied) if ranking is not None else None,
        paper=_paper_table(table, varied),
        every=_trials_table(table, varied),
        made=_how_made(table),
    )


def _once_each(table: pd.DataFrame) -> pd.DataFrame:
    """The table with one trial of each network, setting and round: validation pairs make no other training."""
    same = [name for name in (*SETTINGS, "network", "seed", "round") if name in table]
    return table.drop_duplicates(same, keep="last").reset_index(drop=True)


_Setting = dict[str, Any]
_Groups = list[tuple[_Setting, pd.DataFrame]]


def _ranking(table: pd.DataFrame) -> pd.DataFrame | None:
    """The settings from the best on, by validation error where every trial has one, else by test error.

    None where no round has all the networks in any of them.
    """
    try:
        ranking = choice(table, _ranked_by(table))
    except AnalysisError:
        return None
    return None if ranking["mean"].isna().all() else ranking


def _ranked_by(table: pd.DataFrame) -> str:
    return "validation_error" if table.validation_error.notna().all() else "test_error"


def _by_setting(table: pd.DataFrame, varied: list[str], ranking: pd.DataFrame | None) -> _Groups:
    """The trials of each setting, the best settings first."""
    if not varied:
        return [({}, table)]
    complete = for_every_aux_weight(table) if "aux_weight" in varied else table
    groups = {setting: trials for setting, trials in complete.groupby(varied, sort=False)}
    order = [] if ranking is None else list(ranking[varied].itertuples(index=False, name=None))
    ranked = [setting for setting in order if setting in groups]
    ranked += [setting for setting in groups if setting not in set(ranked)]
    return [(dict(zip(varied, setting)), groups[setting].reset_index(drop=True)) for setting in ranked]


def _overall_answer(table: pd.DataFrame, groups: _Groups, ranking: pd.DataFrame | None, varied: list[str]) -> list[str]:
    setting, trials = groups[0]
    if not varied:
        return answer(trials)
    if ranking is None:
        return [f"The store holds {len(groups)} settings, in none of which all networks have a round in common."]
    best = ranking.iloc[0]
    others = int((ranking.chosen == "as good").sum())
    sure = f" (95 % interval {interval(best.ci_low, best.ci_high)})" if best.rounds > 1 else ""
    first = (
        f"Of {len(groups)} settings, {_named(setting)} has the lowest {_ranked_by(table).replace('_', ' ')} averaged "
        "over the networks: "
        f"{percent(best['mean'])} %{sure}; {others} of the others {'is' if others == 1 else 'are'} not significantly "
        "worse. The lowest of many is a little too good: chosen by these rounds, it needs fresh ones to be confirmed."
    )
    return [first, f"With {_named(setting)}:", *answer(trials)]


def _section(setting: _Setting, trials: pd.DataFrame) -> Section:
    charts = (_or_none(effects_chart, trials), strip_chart(trials), collapse_chart(trials), curves_chart(trials))
    tables = (_summary_table(trials), _differences_table(trials), _collapse_table(trials))
    return Section(
        heading=_named(setting),
        answer=answer(trials),
        rounds=[rounds_chart(trials, width) for width in (WIDE, NARROW)],
        charts=[chart for chart in charts if chart is not None],
        tables=[table for table in tables if table.rows],
        commands=list(_commands(trials)),
    )


def _or_none(draw: Callable[[pd.DataFrame], Chart], trials: pd.DataFrame) -> Chart | None:
    """The chart, where the trials suffice for it; the answer says what they lack."""
    try:
        return draw(trials)
    except AnalysisError:
        return None


def _summary_table(trials: pd.DataFrame) -> HtmlTable:
    columns = [
        "network",
        "rounds",
        "mean",
        "sd",
        "95 % interval",
        "median",
        "IQM",
        "min",
        "max",
        "digit error",
        "diverged",
    ]
    rows = [
        [
            row["network"],
            str(row["rounds"]),
            *(percent(row[name]) for name in ("mean", "sd")),
            interval(row["ci_low"], row["ci_high"]),
            *(percent(row[name]) for name in ("median", "iqm", "best", "worst", "digit_error")),
            str(row["diverged"]),
        ]
        for row in summary(trials).to_dict("records")
    ]
    note = "IQM: the mean of the middle half of the rounds. Intervals are Student's, over the rounds."
    return HtmlTable("Test error (%)", columns, rows, note=note)


def _differences_table(trials: pd.DataFrame) -> HtmlTable:
    columns = ["", "rounds", "difference", "95 % interval", "p", "p (Holm)"]
    rows = [
        [
            f"{row['second']} − {row['first']}",
            str(row["rounds"]),
            points(row["difference"]),
            points_interval(row["ci_low"], row["ci_high"]),
            p_value(row["p"]),
            p_value(row["p_holm"]),
        ]
        for row in paired_differences(trials).to_dict("records")
    ]
    note = (
        "Differences within rounds; p-values from flipping their signs, and corrected for the number of pairs (Holm)."
    )
    return HtmlTable("Differences of the test error (points)", columns, rows, note=note)


def _collapse_table(trials: pd.DataFrame) -> HtmlTable:
    table = collapse(trials)
    rows = [
        [
            row["network"],
            row["kind"],
            f"{row['count']} of {row['rounds']}",
            f"{percent(row['rate'], 0)} ({interval(row['ci_low'], row['ci_high'], 0)})",
            percent(row["mean"]),
            f"{percent(row['best'])} to {percent(row['worst'])}",
        ]
        for row in table[table["count"] > 0].to_dict("records")
    ]
    columns = ["network", "kind", "trials", "rate % (95 %, Wilson)", "mean error %", "from, to %"]
    return HtmlTable("Dead branches", columns, rows, left=2)


def _choice_table(ranking: pd.DataFrame, varied: list[str]) -> HtmlTable:
    rows = [
        [
            *(_value(row[name]) for name in varied),
            str(row["rounds"]),
            percent(row["mean"]),
            interval(row["ci_low"], row["ci_high"]),
            points(row["behind"]),
            p_value(row["p_holm"]),
            row["chosen"],
        ]
        for row in ranking.head(_MOST_CHOICES).to_dict("records")
    ]
    columns = [*map(words, varied), "rounds", "mean", "95 % interval", "behind", "p (Holm)", ""]
    note = f"The first {_MOST_CHOICES} of {len(ranking)} settings." if len(ranking) > _MOST_CHOICES else ""
    return HtmlTable("Test error averaged over the networks (%)", columns, rows, len(varied), note=note)


def _paper_table(table: pd.DataFrame, varied: list[str]) -> HtmlTable | None:
    """The paper's study, or its grid search, beside ours; None where no trial has its settings."""
    in_grid = bool({"optimizer", "learning_rate"} & set(varied))
    by = ["network", "optimizer", "learning_rate"] if in_grid else ["network"]
    several = table.data.nunique() > 1
    papers = table[table.data == PAPERS_DATA] if several else table
    beside = (grid_agreement if in_grid else agreement)(papers) if len(papers) else papers
    if beside.empty:
        return None
    rows = [
        [
            *(_value(row[name]) for name in by),
            mean_and_sd(row["mean"], row["sd"]),
            str(row["rounds"]),
            mean_and_sd(row["paper_mean"], row["paper_sd"]),
            str(row["paper_rounds"]),
            points(row["difference"]),
            "–" if pd.isna(row["z"]) else f"{row['z']:+.1f}",
        ]
        for row in beside.to_dict("records")
    ]
    columns = [*map(words, by), "ours", "rounds", "the paper's", "rounds", "difference", "z"]
    note = "Mean ± standard deviation. z: the difference in standard errors; one in twenty is beyond ±2 by chance."
    others = sorted(set(papers.data) - {PAPERS_DATA})
    if others:
        note += f" The paper's digits are the full MNIST; these are {', '.join(others)}."
    return HtmlTable("Test error (%) beside the paper's", columns, rows, len(by), note=note)


def _trials_table(table: pd.DataFrame, varied: list[str]) -> HtmlTable:
    several_seeds = ["seed"] if table.seed.nunique() > 1 else []
    settings = [*varied, *several_seeds]
    columns = ["network", *map(words, settings), "round", "test %", "validation %", "training %", "digit error %"]
    columns += ["dead first", "dead second", "diverged", "seconds"]
    shown = table.head(_MOST_TRIALS)
    rows = [
        [
            row["network"],
            *(_value(row[name]) for name in settings),
            str(row["round"]),
            *(percent(row[name], 1) for name in ("test_error", "validation_error", "train_error")),
            percent(row["digit_error"]),
            str(row["dead_first"]),
            str(row["dead_second"]),
            "yes" if row["diverged"] else "",
            f"{row['seconds']:.2f}",
        ]
        for row in shown.to_dict("records")
    ]
    note = (
        f"The first {_MOST_TRIALS} of {len(table)}; `twofold results --csv` prints all."
        if len(table) > len(shown)
        else ""
    )
    return HtmlTable("Every trial", columns, rows, 1 + len(settings), sortable=True, note=note)


def _heatmaps(table: pd.DataFrame, varied: list[str]) -> list[Heatmap]:
    """A heatmap per network: the learning rates, or what else varies, from left to right."""
    if not varied:
        return []
    across = "learning_rate" if "learning_rate" in varied else varied[-1]
    down = [name for name in varied if name != across]
    statistics = summary(table, ["network", *varied])
    scale = mpl.colors.Normalize(statistics["mean"].min(), statistics["mean"].max())
    heatmaps = []
    for network in in_order(list(statistics.network)):
        of_network = statistics[statistics.network == network]
        rounds = int(of_network["rounds"].max())
        records = of_network.to_dict("records")
        cells = {tuple(row[name] for name in varied): _cell(row, scale, rounds) for row in records}
        columns = sorted(of_network[across].unique())
        sides = list(dict.fromkeys(of_network[down].itertuples(index=False, name=None))) if down else [()]
        rows = []
        for side in sides:
            where = dict(zip(down, side))
            found = [cells.get(tuple({**where, across: column}[name] for name in varied)) for column in columns]
            rows.append((", ".join(_value(value) for value in side), found))
        corner = f"{words(across)} →" + "".join(f"\n{words(name)} ↓" for name in down)
        heatmaps.append(Heatmap(network, corner, [_value(column) for column in columns], rows))
    return heatmaps


def _cell(row: Mapping[Any, Any], scale: mpl.colors.Normalize, rounds: int) -> Cell:
    """A setting's mean and standard deviation; what else there is to know where it has fewer rounds or diverged."""
    red, green, blue, _ = colour = mpl.colormaps["cividis_r"](scale(row["mean"]))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    few = f"{row['rounds']} of {rounds} rounds" if row["rounds"] < rounds else ""
    diverged = f"{row['diverged']} diverged" if row["diverged"] else ""
    text = f"{percent(row['mean'], 1)}" + (f" ± {percent(row['sd'], 1)}" if row["rounds"] > 1 else "")
    return Cell(
        text,
        ", ".join(filter(None, (few, diverged))),
        mpl.colors.to_hex(colour),
        "#000000" if luminance > 0.18 else "#ffffff",
    )


def _how_made(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Names and values of what decided the results, and of what they cost."""
    rounds = table.groupby("network")["round"].nunique()
    counts = ", ".join(f"{network} {rounds[network]}" for network in in_order(list(table.network)))
    names = (*SETTINGS, "validation_pairs", "seed")
    # A network without auxiliary losses has the weight 0, which nobody chose.
    weighed = table[with_losses(table)]
    settings = [(words(name), _distinct((weighed if name == "aux_weight" else table)[name])) for name in names]
    return [
        ("trials", str(len(table))),
        ("rounds", counts),
        *settings,
        ("digits", ", ".join(f"{row.data}: {row.fingerprint[:16]}…" for row in _distinct_digits(table))),
        ("Twofold", _distinct(table.twofold_version)),
        ("JAX", _distinct(table.jax_version)),
        ("device", _distinct(table.device)),
        ("training time", f"{_duration(table.seconds.sum())} in all, each trial counted by itself"),
        (
            "finished",
            f"{min(table.finished_at)[:16].replace('T', ' ')} to {max(table.finished_at)[:16].replace('T', ' ')} UTC",
        ),
    ]


def _distinct_digits(table: pd.DataFrame) -> Iterable[Any]:
    return table[["data", "fingerprint"]].drop_duplicates().itertuples()


def _distinct(values: pd.Series) -> str:
    return ", ".join(_value(value) for value in dict.fromkeys(values)) or "–"


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.1f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def _commands(trials: pd.DataFrame) -> Iterable[str]:
    """The commands, one per seed, that make these trials; a call of Python where rounds do not count from 0."""
    for _, of_seed in trials.groupby("seed"):
        rounds = sorted(set(of_seed["round"]))
        settings = {**_settings(of_seed), "seed": of_seed.seed.iloc[0].item()}
        networks = in_order(list(of_seed.network))
        if rounds == list(range(len(rounds))):
            yield _command(settings, networks, len(rounds))
        else:
            whole = rounds == list(range(rounds[0], rounds[-1] + 1))
            for first, last in [(rounds[0], rounds[-1])] if whole else [(n, n) for n in rounds]:
                yield _call(settings, networks, range(first, last + 1))


def _settings(trials: pd.DataFrame) -> dict[str, Any]:
    """Those settings of the trials that are not the defaults."""
    row = trials.sort_values("aux_weight").iloc[-1]  # that of a network with auxiliary losses, where there is one
    names = [f.name for f in fields(Trial) if f.name not in ("network", "round", "seed", "fingerprint")]
    defaults = {f.name: f.default for f in fields(Trial)} | {"data": "mnist5k", "validation_pairs": None}
    values = {name: row[name].item() if isinstance(row[name], np.generic) else row[name] for name in names}
    if not with_losses(trials).any():
        values.pop("aux_weight")
    return {name: value for name, value in values.items() if value != defaults[name]}


def _command(settings: Mapping[str, Any], networks: Sequence[str], rounds: int) -> str:
    options = ["twofold", "study", "--networks", *networks, "--rounds", str(rounds)]
    for name, value in settings.items():
        if name == "seed" and value == 0:
            continue
        options += [f"--{name.replace('_', '-')}"] + ([] if value is True else [_exactly(value)])
    return shlex.join(options)


def _exactly(value: Any) -> str:
    """The value with all its digits: another rate would be another trial."""
    return repr(value) if isinstance(value, float) else str(value)


def _call(settings: Mapping[str, Any], networks: Sequence[str], rounds: range) -> str:
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    return f"twofold.Study(networks={list(networks)!r}, rounds={rounds!r}{given}).run()"


def _named(setting: _Setting) -> str:
    """A setting as a reader would name it: adam, learning rate 0.001."""
    bare = ("optimizer", "data")
    return ", ".join(
        _value(value) if name in bare else f"{words(name)} {_value(value)}" for name, value in setting.items()
    )


def _value(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return value_text(value)
