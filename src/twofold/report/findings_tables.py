"""What `twofold analyse` and `twofold power` print: tables, and under each a few sentences that say what it means."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from twofold.analysis import BOTH_DEAD, DIVERGED, KINDS, ONE_DEAD, OUTLIER, Findings
from twofold.report.tables import PAPERS_DATA, interval, p_value, percent, points, points_interval, text_table, words

_SIGNIFICANT = 0.05

Row = dict[str, Any]
Cells = dict[str, Callable[[Row], str]]


@dataclass(frozen=True)
class Section:
    """A table, and what it means in words; no table where none can be given."""

    table: Table | None
    sentences: Sequence[str]


def findings_sections(findings: Findings) -> list[Section]:
    """Everything that `twofold.analysis.findings` found, in the order of reading."""
    draw = {
        "summary": _summary,
        "differences": _differences,
        "effects": _effects,
        "spreads": _spreads,
        "collapse": _rates if findings.varied else _collapse,
        "explained": _explained,
        "agreement": _agreement,
    }
    sections = [Section(None, [_settings(findings)])]
    for name, section in draw.items():
        if name in findings.reasons:
            sections.append(Section(None, [f"No {_TITLES[name]}: {findings.reasons[name]}."]))
        elif name in findings.tables:
            sections.append(section(findings))
    if findings.varied:
        sections.append(Section(None, [_choose(findings)]))
    return sections


def power_section(plan: pd.DataFrame) -> Section:
    """How many rounds tell each two networks apart."""
    cells: Cells = {
        "networks": lambda row: f"{row['second']} − {row['first']}",
        "sd": lambda row: percent(row["sd"]),
        "observed": lambda row: points(row["observed"]),
        "to find": lambda row: percent(row["difference"]),
        "power\nnow %": lambda row: percent(row["power_now"], 0),
        "rounds\nfor 80 %": lambda row: _count(row["rounds_80"]),
        "rounds\nfor 90 %": lambda row: _count(row["rounds_90"]),
    }
    sentences = [
        "Differences are in points of test error, sd is that of the difference over rounds. Power is the chance that a "
        "single paired t test at 5 %, without correction for other pairs, finds a true difference of the size to find, "
        "were differences normal. A difference seen in the pilot flatters, and the pilot's sd is itself an estimate: "
        "take some rounds more.",
        *_notes(plan),
    ]
    return Section(_table("Rounds needed to tell two networks apart", plan, cells), sentences)


_TITLES = {
    "summary": "summary",
    "differences": "paired differences",
    "effects": "effects",
    "spreads": "comparison of spreads",
    "collapse": "account of collapse",
    "explained": "account of outliers",
    "agreement": "comparison with the paper",
}


def _settings(findings: Findings) -> str:
    fixed = [f"{words(name)} {values[0]}" for name, values in findings.settings.items() if len(values) == 1]
    return f"Settings: {', '.join(fixed)}." if fixed else "The table tells of no setting that all trials share."


def _choose(findings: Findings) -> str:
    several = [f"{words(name)} ({', '.join(map(str, findings.settings[name]))})" for name in findings.varied]
    options = " and ".join("--" + name.replace("_", "-") for name in findings.varied)
    return (
        f"Several settings: {', '.join(several)}. Rounds pair up within one setting only: choose one with {options} "
        "for differences, effects, spreads and the comparison with the paper."
    )


def _summary(findings: Findings) -> Section:
    frame = findings.tables["summary"]
    cells: Cells = {
        "mean %": lambda row: percent(row["mean"]),
        "sd": lambda row: percent(row["sd"]),
        "95 % interval": lambda row: interval(row["ci_low"], row["ci_high"]),
        "median": lambda row: percent(row["median"], 1),
        "IQM": lambda row: percent(row["iqm"], 1),
    }
    if not findings.varied:
        cells["best to worst"] = lambda row: interval(row["best"], row["worst"], 1)
        cells["digit\nerror %"] = lambda row: percent(row["digit_error"])
    sentences = [
        "IQM is the mean of the middle half of the rounds. Intervals are Student's, of the mean over rounds; they take "
        "rounds as independent, though all draw from one pool of digits and so overlap a little."
    ]
    if frame.diverged.any():
        cells["diverged"] = lambda row: str(row["diverged"])
        sentences.append("Diverged trainings count with the error of the answers that such a network gives.")
    return Section(_table("Test error", frame, cells, ["network", *findings.varied]), sentences)


def _differences(findings: Findings) -> Section:
    frame = findings.tables["differences"]
    table = _table("Paired differences of the test error, in points", frame, _of_contrast(_minus))
    apart, alike = _split(frame, frame.p_holm < _SIGNIFICANT, lambda row: f"{row['first']} and {row['second']}")
    sentences = ["Negative: the network named first errs less. p is that of the sign-flip test, Holm its correction."]
    sentences += [f"Told apart at 5 % after correction: {apart}."] if apart else []
    sentences += [f"Not told apart: {alike}."] if alike else []
    return Section(table, [*sentences, *_too_few(frame), *_notes(frame)])


def _effects(findings: Findings) -> Section:
    frame = findings.tables["effects"]
    table = _table("Effects on the test error, in points", frame, _of_contrast(lambda row: row["effect"], "effect"))
    sentences = [_effect(row) for row in _records(frame) if not np.isnan(row["p_holm"])]
    return Section(table, [*sentences, *_too_few(frame), *_notes(frame)])


def _effect(row: Row) -> str:
    low, high = row["ci_low"], row["ci_high"]
    span = f"95 % interval {points(low)} to {points(high)} points"
    name = row["effect"].capitalize()
    if row["p_holm"] >= _SIGNIFICANT:
        alone = "; it leaves out 0, but not once corrected for three tests" if low > 0 or high < 0 else ""
        return f"{name}: no effect is shown ({span}{alone})."
    if row["effect"] == "interaction":
        side = "above" if row["difference"] > 0 else "below"
        return (
            f"Interaction: with auxiliary losses, the change that weight sharing makes lies "
            f"{percent(abs(row['difference']))} points {side} the one that it makes without ({span})."
        )
    verb = "lowers" if row["difference"] < 0 else "raises"
    verb = verb if row["effect"] == "weight sharing" else verb.removesuffix("s")  # losses lower, sharing lowers
    return f"{name} {verb} the test error by {percent(abs(row['difference']))} points on average ({span})."


def _spreads(findings: Findings) -> Section:
    frame = findings.tables["spreads"]
    cells: Cells = {
        "networks": lambda row: f"{row['second']} / {row['first']}",
        "ratio of sd": lambda row: _ratio(row["log_ratio"]),
        "95 % interval": lambda row: _ratio_interval(row["ci_low"], row["ci_high"]),
        "Brown-\nForsythe p": lambda row: p_value(row["p"]),
        "Holm": lambda row: p_value(row["p_holm"]),
    }
    table = _table("Spread over rounds: ratios of standard deviations", frame, cells)
    return Section(table, [*_least_varying(findings), *_notes(frame)])


def _least_varying(findings: Findings) -> Iterator[str]:
    """Which network varies least, and than which others certainly so."""
    frame = findings.tables["spreads"]
    summary = findings.tables["summary"].set_index("network")
    if not summary.sd.notna().any() or frame.log_ratio.isna().all():
        return
    least = str(summary.sd.idxmin())
    own = frame[(frame["first"] == least) | (frame["second"] == least)]
    apart, alike = _split(
        own,
        ((own.ci_low > 0) | (own.ci_high < 0)) & (own.p_holm < _SIGNIFICANT),
        lambda row: row["second"] if row["first"] == least else row["first"],
    )
    yield f"{least} varies least (sd {percent(summary.sd[least])} points)" + (
        f"; clearly less than {apart}." if apart else "; not clearly less than any other."
    )
    if apart and alike:
        yield f"Not clearly told apart from it: {alike}."
    yield "Clearly: the interval (bootstrap over rounds) leaves out 1, and the corrected Brown-Forsythe p is below 5 %."


def _collapse(findings: Findings) -> Section:
    frame = findings.tables["collapse"]
    shown = frame[(frame.kind != DIVERGED) | (frame["count"] > 0)]
    cells: Cells = {
        "count": lambda row: str(row["count"]),
        "% (95 % interval)": _rate,
        "error %": lambda row: percent(row["mean"]),
        "range": lambda row: interval(row["best"], row["worst"], 1),
    }
    return Section(
        _table("Collapse: branches whose ten units never fire", shown, cells, ["network", "kind"]), [_what_dead_means()]
    )


def _rates(findings: Findings) -> Section:
    """How often branches die, a line per network and setting."""
    frame = findings.tables["collapse"]
    groups = ["network", *findings.varied]
    by_kind = {kind: frame[frame.kind == kind].set_index(groups) for kind in KINDS}
    lines = frame[frame.kind == ONE_DEAD]

    def rate(kind: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            key = tuple(row[name] for name in groups)
            return _rate(by_kind[kind].loc[key].to_dict())

        return cell

    cells: Cells = {
        "one branch\ndead %": rate(ONE_DEAD),
        "both branches\ndead %": rate(BOTH_DEAD),
    }
    if (frame["count"][frame.kind == DIVERGED] > 0).any():
        cells["diverged %"] = rate(DIVERGED)
    table = _table("Collapse, in percent of rounds (Wilson's 95 % interval)", lines, cells, groups)
    sentences = [_what_dead_means()]
    if "leaky_relu" in findings.settings.get("bottleneck_activation", ()):
        sentences.append(
            "Behind a leaky ReLU a branch that never fires still passes 1 % of its units on, and their gradients back."
        )
    return Section(table, sentences)


def _rate(row: Row) -> str:
    return f"{percent(row['rate'], 1)} ({interval(row['ci_low'], row['ci_high'], 1)})"


def _what_dead_means() -> str:
    return "A branch is dead if none of its ten bottleneck units is above 0 on any test image."


def _explained(findings: Findings) -> Section:
    frame = findings.tables["explained"]
    cells: Cells = {
        f"beyond\n{percent(OUTLIER, 0)} % error": lambda row: str(row["outliers"]),
        "of them\nunexplained": lambda row: str(row["unexplained"]),
        "variance\nexplained %": lambda row: percent(row["variance_explained"], 1),
    }
    title = "Outliers and dead branches"
    table = _table(title, frame, cells, ["network", *findings.varied])
    sentences = [
        "Variance explained: the share of the error's variance over rounds that lies between the kinds.",
        *_unexplained(findings),
    ]
    return Section(table, sentences)


def _unexplained(findings: Findings) -> Iterator[str]:
    frame = findings.tables["explained"]
    if frame.unexplained.sum() == 0:
        found = int(frame.outliers.sum())
        yield (
            f"All {found} rounds beyond {percent(OUTLIER, 0)} % error have a dead branch or diverged."
            if found
            else f"No round is beyond {percent(OUTLIER, 0)} % error."
        )
    for row in _records(frame[frame.unexplained > 0]):
        setting = "".join(f", {words(name)} {row[name]}" for name in findings.varied)
        rounds = ", ".join(map(str, row["unexplained_rounds"]))
        yield f"Beyond {percent(OUTLIER, 0)} % error, both branches alive: {row['network']}{setting}, round {rounds}."


def _agreement(findings: Findings) -> Section:
    frame = findings.tables["agreement"]
    cells: Cells = {
        "network": lambda row: row["network"],
        "mean % ± sd": lambda row: f"{percent(row['mean'])} ± {percent(row['sd'])}",
        "paper's": lambda row: f"{percent(row['paper_mean'])} ± {percent(row['paper_sd'])}",
        "difference": lambda row: points(row["difference"]),
        "z": lambda row: "–" if pd.isna(row["z"]) else f"{row['z']:+.2f}".replace("-", "−"),
        "p": lambda row: p_value(row["p"]),
        "Holm": lambda row: p_value(row["p_holm"]),
    }
    differ, agree = _split(frame, frame.p_holm < _SIGNIFICANT, lambda row: row["network"])
    sentences = ["z is the difference from the paper's mean (20 rounds) in standard errors; p is that of Welch's test."]
    sentences += [f"Other than in the paper: {differ}."] if differ else []
    sentences += [f"No difference from the paper is shown: {agree}."] if agree else []
    data = findings.settings.get("data", [PAPERS_DATA])
    if data != [PAPERS_DATA]:
        sentences.append(f"The paper's digits are the full MNIST (data mnist); these are {', '.join(map(str, data))}.")
    return Section(_table("Beside the paper's study (Figure 2b)", frame, cells), sentences)


def _of_contrast(name: Callable[[Row], str], heading: str = "networks") -> Cells:
    return {
        heading: name,
        "difference": lambda row: points(row["difference"]),
        "sd": lambda row: percent(row["sd"]),
        "95 % interval": lambda row: points_interval(row["ci_low"], row["ci_high"]),
        "p": lambda row: p_value(row["p"]),
        "Holm": lambda row: p_value(row["p_holm"]),
    }


def _table(title: str, frame: pd.DataFrame, cells: Cells, by: Sequence[str] = ()) -> Table:
    """A line per row of the frame: the columns `by`, in words, and then the cells.

    How many rounds there are stands in the title, or in a column where the lines differ in it. Lines are kept within
    80 characters for the statistics of one setting.
    """
    words: Cells = {name.replace("_", "\n"): _text_of(name) for name in by}
    named = words | cells
    if frame["rounds"].nunique() == 1:
        title = f"{title}, {_rounds(int(frame['rounds'].iloc[0]))}"
    else:
        first = len(by) or 1
        named = dict([*list(named.items())[:first], ("rounds", _text_of("rounds")), *list(named.items())[first:]])
    rows = [[cell(row) for cell in named.values()] for row in _records(frame)]
    table = text_table(title, list(named), rows, left=len(by) or 1)
    table.show_edge = False
    return table


def _text_of(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _split(frame: pd.DataFrame, found: pd.Series, name: Callable[[Row], str]) -> tuple[str, str]:
    """The names of the rows for which something is found, and of the others that had a p-value; each as one text."""
    known = frame.p_holm.notna()
    texts = [", ".join(name(row) for row in _records(frame[part])) for part in (found & known, ~found & known)]
    return texts[0], texts[1]


def _too_few(frame: pd.DataFrame) -> Iterator[str]:
    """Says so where rounds are too few for any sign-flip p-value to fall below 5 % after correction."""
    rounds = int(frame.rounds.max())
    least = 2.0 ** (1 - rounds)
    tested = int(frame.p.notna().sum())
    if tested and least * tested >= _SIGNIFICANT:
        yield (
            f"{rounds} rounds cannot show anything at 5 %: the least p-value that a sign-flip test of them can give is "
            f"{least:.3f}, before correction for {tested} tests."
        )


def _notes(frame: pd.DataFrame) -> Iterator[str]:
    """Why numbers are missing, and how many rounds were left out; what holds of several lines is said once."""
    said: dict[str, list[str]] = {}
    for row in _records(frame):
        name = row.get("effect") or f"{row['first']} and {row['second']}"
        if row["note"]:
            said.setdefault(f"{row['note']}.", []).append(name)
        if row.get("left_out"):
            text = f"rounds left out because a network lacks in them: {row['left_out']}."
            said.setdefault(text, []).append(name)
    for text, names in said.items():
        yield text[0].upper() + text[1:] if len(names) == len(frame) else f"{'; '.join(names)}: {text}"


def _minus(row: Row) -> str:
    return f"{row['second']} − {row['first']}"


def _ratio(log_ratio: float) -> str:
    return "–" if pd.isna(log_ratio) else f"{np.exp(log_ratio):.2f}"


def _ratio_interval(low: float, high: float) -> str:
    return "–" if pd.isna(low) else f"{_ratio(low)} to {_ratio(high)}"


def _count(rounds: Any) -> str:
    return "–" if pd.isna(rounds) else f"{rounds:,}"
