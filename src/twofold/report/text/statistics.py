"""The tables of statistics: for each the one description of its columns and of what stands below it."""

import math
from collections.abc import Callable, Sequence

import pandas as pd

from twofold.analysis import (
    BEST,
    BOTH_DEAD,
    DIVERGED,
    FEWER_ROUNDS,
    KINDS,
    LAYER_DEAD,
    MORE_PAIRS,
    ONE_DEAD,
    WORSE,
)
from twofold.networks import NETWORKS
from twofold.report.text import notes
from twofold.report.text.chance import chance_notes
from twofold.report.text.classes import class_word, classes_notes
from twofold.report.text.effects import effect_sentences, families
from twofold.report.text.equivalence import verdict_columns, verdict_notes
from twofold.report.text.names import PARTS, compared_text, pair_text
from twofold.report.text.numbers import (
    MISSING,
    counted,
    interval,
    mean_and_sd,
    p_value,
    percent,
    points,
    points_interval,
    ratio,
    ratio_interval,
    signed,
    whole,
)
from twofold.report.text.tables import Column, Row, TextTable, count_column, over_rounds, rows_of, value_column
from twofold.settings import COMPARED

_OWN_OUTLIERS = "Outliers and dead layers"

# As many settings are listed as are not shown to be worse than the best; in a small grid that may be all.
_MOST_LISTED = 12

MEAN = Column("mean %", lambda row: percent(row["mean"]))
SD = Column("sd\npoints", lambda row: percent(row["sd"]))
MEAN_INTERVAL = Column("95 %\ninterval %", lambda row: interval(row["ci_low"], row["ci_high"]))
RANGE = Column("min to\nmax %", lambda row: interval(row["best"], row["worst"], 1))
DIFFERENCE = Column("difference\npoints", lambda row: points(row["difference"]))
DIFFERENCE_INTERVAL = Column("95 % interval\npoints", lambda row: points_interval(row["ci_low"], row["ci_high"]))
_ALL_PAIRS = Column("95 % interval\npoints", lambda row: points_interval(row["all_low"], row["all_high"]))
P = Column("p", lambda row: p_value(row["p"]))
HOLM = Column("p (Holm)", lambda row: p_value(row["p_holm"]))
PAPERS = Column("paper %", lambda row: mean_and_sd(row["paper_mean"], row["paper_sd"]))


def summary_table(
    summary: pd.DataFrame,
    varied: Sequence[str] = (),
    paper: pd.DataFrame | None = None,
    data: Sequence[str] = (),
    task: str = "",
) -> TextTable:
    """The rows of `twofold.analysis.summary`, by network and the settings that vary; beside them the paper's, if any.

    `data` are the names of the digits: where they are not the paper's, a note says so.
    `task` is what the title says of them, and of the question.
    """
    columns = [*map(value_column, ("network", *varied)), MEAN, SD, MEAN_INTERVAL]
    columns += [Column(f"{name}\n%", _one_digit(key)) for name, key in (("median", "median"), ("IQM", "iqm"))]
    columns += [RANGE, class_error_column(summary)]
    below = [*notes.collapsed_notes(summary, varied), *notes.identities_note(summary.network)]
    below += [*classes_notes(summary), notes.SUMMARY]
    if summary.diverged.any():
        columns.append(count_column("diverged"))
        below.append(notes.DIVERGED_COUNT)
    below += chance_notes(summary, varied)
    if paper is not None and len(paper):
        summary = summary.merge(paper[["network", "paper_mean", "paper_sd"]], on="network", how="left")
        columns.append(PAPERS)
        below += notes.digits_note(data)
    return over_rounds(f"Test error{task}", columns, summary, below)


def error_column(kind: str, digits: int = 2) -> Column:
    """The column of a trial's errors of a kind: on its test, validation or training pairs."""
    return Column(f"{kind}\nerror %", lambda row: percent(row[f"{kind}_error"], digits))


def class_error_column(frame: pd.DataFrame) -> Column:
    """The column of the errors of naming the classes of single images."""
    return Column(f"{class_word(frame)}\nerror %", lambda row: percent(row["digit_error"]))


def _one_digit(name: str) -> Callable[[Row], str]:
    return lambda row: percent(row[name], 1)


def differences_table(differences: pd.DataFrame) -> TextTable:
    """The rows of `twofold.analysis.paired_differences`."""
    columns = [Column("networks", pair_text, words=True), DIFFERENCE, SD, _ALL_PAIRS, *tests_columns(differences)]
    verdicts = list(verdict_notes(differences))
    below = [
        notes.DIFFERENCES,
        *([notes.AT_ONCE] if len(differences) > 1 else []),
        *(verdicts or notes.apart_notes(differences)),
        *notes.too_few_note(differences),
        *notes.missing_notes(differences),
    ]
    return over_rounds("Paired differences of the test error", columns, differences, below)


def tests_columns(frame: pd.DataFrame) -> list[Column]:
    """The p-values; with verdicts the corrected one alone, for more has no room in 80 columns."""
    return [HOLM, *verdict_columns(frame)] if "verdict" in frame else [P, HOLM]


def effects_table(effects: pd.DataFrame, *, in_words: bool = True) -> TextTable:
    """The rows of `twofold.analysis.effects`, and what they say in words, if that stands nowhere else."""
    columns = [value_column("effect"), DIFFERENCE, SD, DIFFERENCE_INTERVAL, *tests_columns(effects)]
    few = [note for _, of_design in families(effects) for note in notes.too_few_note(of_design)]
    sentences = effect_sentences(effects) if in_words else []
    below = [*sentences, *verdict_notes(effects), *dict.fromkeys(few), *notes.missing_notes(effects)]
    return over_rounds("Effects on the test error", columns, effects, below)


def spreads_table(spreads: pd.DataFrame, summary: pd.DataFrame) -> TextTable:
    """The rows of `twofold.analysis.spread`; `summary` says how much each network varies."""
    columns = [
        Column("networks", lambda row: pair_text(row, " / "), words=True),
        Column("ratio of sd", lambda row: ratio(row["log_ratio"])),
        Column("95 % interval", lambda row: ratio_interval(row["ci_low"], row["ci_high"])),
        Column("Brown-\nForsythe p", lambda row: p_value(row["p"])),
        HOLM,
    ]
    below = [*notes.spread_notes(spreads, summary), *notes.missing_notes(spreads)]
    return over_rounds("Spread over rounds: ratios of standard deviations", columns, spreads, below)


def collapse_table(collapse: pd.DataFrame) -> TextTable:
    """The rows of `twofold.analysis.collapse` for one setting: a line per network and kind."""
    shown = collapse[(collapse.kind != DIVERGED) | (collapse["count"] > 0)]
    columns = [
        value_column("network"),
        value_column("kind"),
        count_column("count"),
        Column("% of rounds\n(95 % interval)", rate_text),
        Column("error %", lambda row: percent(row["mean"])),
        RANGE,
    ]
    return over_rounds(_titled("Collapse", collapse), columns, shown, _what_is_dead(collapse))


def _titled(what: str, collapse: pd.DataFrame) -> str:
    own = (collapse.kind == LAYER_DEAD).any()
    return f"{what}: {'layers whose units' if own else 'branches whose units'} never fire"


def _what_is_dead(collapse: pd.DataFrame) -> list[str]:
    told = {ONE_DEAD: notes.DEAD, LAYER_DEAD: notes.LAYERS}
    return [note for kind, note in told.items() if (collapse.kind == kind).any()]


def rates_table(collapse: pd.DataFrame, varied: Sequence[str], leaky: bool) -> TextTable:
    """How often branches die, a line per network and setting; `leaky` where some of them are leaky."""
    groups = ["network", *varied]
    columns = [*map(value_column, groups)]
    columns += [
        _rate(kind, collapse, groups) for kind in (ONE_DEAD, BOTH_DEAD, LAYER_DEAD) if (collapse.kind == kind).any()
    ]
    if (collapse["count"][collapse.kind == DIVERGED] > 0).any():
        columns.append(_rate(DIVERGED, collapse, groups))
    lines = collapse[collapse.kind == KINDS[0]]
    title = "Collapse, in percent of rounds (Wilson's 95 % interval)"
    return over_rounds(title, columns, lines, [*_what_is_dead(collapse), *([notes.LEAKY] if leaky else [])])


def _rate(kind: str, collapse: pd.DataFrame, groups: Sequence[str]) -> Column:
    # By texts, since a value that is missing is not equal to itself.
    cells = [value_column(name).cell for name in groups]
    of_kind = {tuple(cell(row) for cell in cells): row for row in rows_of(collapse[collapse.kind == kind])}
    heading = kind.replace(" dead", "\ndead") + " %"

    def text(row: Row) -> str:
        found = of_kind.get(tuple(cell(row) for cell in cells))
        return MISSING if found is None else rate_text(found)

    return Column(heading, text)


def rate_text(row: Row) -> str:
    """A share of rounds with its interval."""
    return f"{percent(row['rate'], 1)} ({interval(row['ci_low'], row['ci_high'], 1)})"


def explained_table(explained: pd.DataFrame, varied: Sequence[str] = ()) -> TextTable:
    """The rows of `twofold.analysis.explained`."""
    columns = [
        *map(value_column, ("network", *varied)),
        Column("limit\nerror %", lambda row: percent(row["limit"], 1)),
        Column("rounds\nbeyond", lambda row: str(row["outliers"])),
        Column("of them\nunexplained", lambda row: str(row["unexplained"])),
        Column("variance\nexplained %", lambda row: percent(row["variance_explained"], 1)),
    ]
    below = [notes.OUTLIERS, notes.VARIANCE, *notes.outlier_notes(explained, varied)]
    title = "Outliers and dead branches" if any(name in NETWORKS for name in explained.network) else _OWN_OUTLIERS
    return over_rounds(title, columns, explained, below)


def agreement_table(beside: pd.DataFrame, data: Sequence[str], by: Sequence[str] = ("network",)) -> TextTable:
    """The rows of `twofold.analysis.agreement`, or of `grid_agreement` by optimizer and rate as well."""
    grid = "p_bh" in beside
    columns = [
        *map(value_column, by),
        Column("mean ± sd\n%", lambda row: mean_and_sd(row["mean"], row["sd"])),
        PAPERS,
        DIFFERENCE,
        Column("z", lambda row: signed(row["z"])),
        P,
        Column("p (BH)", lambda row: p_value(row["p_bh"])) if grid else HOLM,
    ]
    found = notes.cells_note(beside) if grid else notes.agreement_notes(beside)
    title = f"Beside the paper's {'grid search' if grid else 'study (Figure 2b)'}"
    return over_rounds(title, columns, beside, [notes.AGREEMENT, *found, *notes.digits_note(data)])


def components_table(components: pd.DataFrame) -> TextTable:
    """The rows of `twofold.analysis.components`: what decides a round, a line per part."""
    sizes = components[["rounds", "weight_rounds"]].drop_duplicates()
    columns = [
        Column("networks", compared_text, words=True),
        Column("part", lambda row: PARTS[row["part"]], words=True),
        *([] if len(sizes) == 1 else [Column("rounds x\nweights", _size_text)]),
        Column("sd", lambda row: percent(math.sqrt(row["variance"]))),
        Column("95 % interval", lambda row: interval(math.sqrt(row["ci_low"]), math.sqrt(row["ci_high"]))),
        Column("variance\n%", lambda row: percent(row["share"], 0)),
        Column("counting\n%", lambda row: percent(round(row["counting_share"], 2) + 0.0, 0)),  # without a minus of 0
    ]
    title = "What decides a round, in points of test error"
    if len(sizes) == 1:
        rounds, weight_rounds = sizes.iloc[0]
        title += f", {counted(int(rounds), 'round')} x {counted(int(weight_rounds), 'weight round')}"
    return TextTable(title, columns, rows_of(components), list(notes.components_notes(components)))


def _size_text(row: Row) -> str:
    return f"{row['rounds']} x {row['weight_rounds']}"


def counting_table(counting: pd.DataFrame) -> TextTable:
    """The rows of `twofold.analysis.counting`: how much of the spread comes of counting the test pairs."""
    columns = [
        Column("networks", compared_text, words=True),
        SD,
        Column("counting\nalone", lambda row: percent(row["counting"])),
        Column("variance %\n(95 % interval)", _share_text),
        Column(f"sd with\n{MORE_PAIRS} x pairs", lambda row: percent(row["sd_more"])),
    ]
    below = list(notes.counting_notes(counting))
    return over_rounds("What counting the test pairs does to the error, in points", columns, counting, below)


def _share_text(row: Row) -> str:
    ends = interval(row["ci_low"], row["ci_high"], 0)
    return MISSING if pd.isna(row["share"]) else f"{percent(row['share'], 0)} ({ends})"


def ensembles_table(ensembles: pd.DataFrame) -> TextTable:
    """The rows of `twofold.analysis.ensembles`: ensembles beside their members."""
    size = int(ensembles["size"].iloc[0])
    columns = [
        value_column("network"),
        Column("single\n%", lambda row: percent(row["single"])),
        Column("ensemble\n%", lambda row: percent(row["mean"])),
        MEAN_INTERVAL,
        DIFFERENCE,
        Column("95 % interval", lambda row: points_interval(row["difference_low"], row["difference_high"])),
        P,
    ]
    return over_rounds(f"Ensembles of {size} networks", columns, ensembles, list(notes.ensembles_notes(ensembles)))


def power_table(plan: pd.DataFrame, equivalence_margin: float | None = None) -> TextTable:
    """The rows of `twofold.analysis.power_table`: how many rounds tell each two networks apart.

    With a margin, or show them to be equivalent.
    """
    columns = [
        Column("networks", pair_text, words=True),
        SD,
        Column("observed\npoints", lambda row: points(row["observed"])),
        Column("to find\npoints", lambda row: percent(row["difference"])),
        Column("power\nnow %", lambda row: percent(row["power_now"], 0)),
        Column("rounds\nfor 80 %", lambda row: whole(row["rounds_80"])),
        Column("rounds\nfor 90 %", lambda row: whole(row["rounds_90"])),
    ]
    margin = [] if equivalence_margin is None else [notes.power_of_equivalence_note(equivalence_margin)]
    below = [notes.POWER, *margin, *notes.missing_notes(plan)]
    return over_rounds("Rounds needed to tell two networks apart", columns, plan, below)


def choice_table(choice: pd.DataFrame, select_on: str, networks: int) -> TextTable:
    """The best setting of `twofold.analysis.choice`, and those that are not shown to be worse."""
    columns = [
        *(value_column(name) for name in COMPARED if name in choice),
        MEAN,
        MEAN_INTERVAL,
        Column("behind\npoints", lambda row: MISSING if row["chosen"] == BEST else points(row["behind"])),
        Column("worse by at\nmost, points", lambda row: percent(row["at_most"])),
        HOLM,
        Column("", lambda row: row["chosen"]),
    ]
    good = choice[~choice.chosen.isin([WORSE, FEWER_ROUNDS])].head(_MOST_LISTED)
    over = f", averaged over {networks} networks" if networks > 1 else ""
    title = f"Best of {counted(len(choice), 'setting')} by {select_on} error{over}"
    return over_rounds(title, columns, good, list(notes.choice_notes(choice, len(good))))
