"""What stands in figures and charts: titles, axes, legends, descriptions for those who cannot see them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from twofold.data import Relation
from twofold.report.text.names import statement
from twofold.report.text.numbers import (
    counted,
    interval,
    listed,
    mean_and_sd,
    p_value,
    percent,
    points,
    points_interval,
    shortened,
    span,
    written,
)
from twofold.settings import words

EVERY_ROUND = "Every round"
MEAN_INTERVAL = "Mean, 95 % interval"
EFFECT_AXIS = "change of the test error (points); left of 0: fewer errors"
CHANGE_AXIS = "change of test error\n(points)"
DEAD_AXIS = "dead units, of {}"
DEAD_AXIS_OF_OWN = "dead units"
BRANCH_AXIS = "dead units of a branch, of {}"
LAYER_AXIS = "% of a branch's or layer's units dead"
RATIO_AXIS = "ratio of standard deviations\nleft of 1: the network named first varies less"
RATE_AXIS = "% of rounds"
NO_TRACE = "no trial has a trace of its dead units; twofold study --trace keeps it"
NO_TRACE_OF_NETWORK = "no trial has a trace"
NO_SEARCHES = "no searches yet"
FEW_PROPOSALS = "too few proposals to tell"
PROPOSAL, LOWEST = "a proposal", "lowest so far"
FIRST_CLASS, SECOND_CLASS = "class of the first image (a)", "class of the second image (b)"
TABLE_OF_ANSWERS = (
    "For each class that the first image may have (down) and each that the second may have (across): whether the "
    "answer is yes."
)
YES, NO = "yes", "no"
HEAT_SCALE = "mean test error (%)"

# Titles of figures, to be filled in.
GRID_FIGURE = "{network}: every round of the grid"
HEATMAP_FIGURE = "{network}: test error (%), mean ± sd"
EFFECTS_FIGURE = "Effects: mean and 95 % interval, {rounds} (dots)"
COLLAPSE_FIGURE = "Test error and dead bottleneck units, {rounds}"
OWN_COLLAPSE_FIGURE = "Test error and dead units, {rounds}"
OWN_TRACE_FIGURE = "Dead units after every epoch, {rounds}"
TRACE_FIGURE = "Dead bottleneck units after every epoch, {rounds}"
SPREAD_FIGURE = "Spread over {rounds}: ratios and 95 % intervals"

# Titles of charts.
ROUNDS_TITLE = "The test error of every round"
STRIP_TITLE = "Rounds, means and intervals"
EFFECTS_TITLE = "Effects of the two factors"
OWN_EFFECTS_TITLE = "Effects of the factors"
COLLAPSE_TITLE = "Errors and dead units"
CURVES_TITLE = "Training loss: median and middle half of the rounds"
CURVES_NOTE = (
    "With auxiliary losses the loss has two terms more, so its height does not compare with that without; nor does "
    "that of a contrastive loss."
)
OWN_INTERACTION_NOTE = "a x b is by how much the change that a makes differs between the levels of b."
INTERACTION_NOTE = (
    "The interaction is the change that weight sharing makes with auxiliary losses, less the one without."
)


def chance_note(error: float, near: bool) -> str:
    """Below a chart: what its dashed line is, or that chance lies beyond its axis."""
    chance = f"({percent(error, 1)} %)"
    if near:
        return f"Dashed: chance {chance}, the error of the same answer to all pairs."
    return f"Chance {chance} is beyond the axis."


def rounds_of(trials: pd.DataFrame) -> str:
    """How many rounds there are in a table of trials."""
    by = [name for name in ("seed", "round") if name in trials]
    return counted(len(trials.drop_duplicates(by)), "round")


def legend_text(network: str, errors: pd.Series) -> str:
    """A network in the legend of Figure 2."""
    return f"{network}  {mean_and_sd(errors.mean(), errors.std())} %"


def rates_title(rounds: pd.Series, *, own: bool = False) -> str:
    """The figure of collapse rates; `own` where there are networks of one's own, whose layers die."""
    return f"Rounds in which {'layers' if own else 'branches'} died, of {span(rounds.tolist())}, with 95 % intervals"


def no_spreads(notes: Sequence[str]) -> str:
    """Why the figure of spreads is empty."""
    return f"no spreads to compare: {'; '.join(dict.fromkeys(notes)) or 'there is but one network'}"


def not_searched(quantity: str) -> str:
    """Why the figure of a searched setting is empty."""
    return f"no search looked at the {words(quantity)}"


def outliers_text(limit: float) -> str:
    """What the line of a network in the figure of errors and dead units is."""
    return f"outliers: beyond {percent(limit, 1)} %"


def effect_label(row: Mapping[str, Any]) -> str:
    """An effect with its interval, as it stands over its line in a figure."""
    known = not pd.isna(row["ci_low"])
    return points(row["difference"]) + (f" ({points_interval(row['ci_low'], row['ci_high'])})" if known else "")


def trial_tip(row: Any) -> str:
    """What the mark of a trial tells."""
    return f"{row.network}, round {row.round}: {percent(row.test_error)} %"


def dead_tip(row: Any, kind: str) -> str:
    """What the mark of a trial tells beside its dead units."""
    return f"{trial_tip(row)}, dead units {dead_text(row)}: {kind}"


def dead_text(row: Any) -> str:
    """The dead units of both branches, or of the layers that have some."""
    layers = getattr(row, "dead_layers", None)
    if not isinstance(layers, dict):
        return f"{int(row.dead_first)} and {int(row.dead_second)}"
    some = [f"{dead} of {units} in {name}" for name, (dead, units) in layers.items() if dead]
    return ", ".join(some) or "none"


def loss_tip(network: str, epoch: int, loss: float) -> str:
    """What the mark of a training curve tells."""
    return f"{network}, epoch {epoch}: median loss {written(loss, '.3g')}"


def mean_line(row: Any, letters: int = 1000) -> str:
    """A network's mean and its interval; where these are more letters without the interval, or the end of the name."""
    mean = f": {percent(row.mean)} %"
    line = f"{row.network}{mean}" + (f" ({interval(row.ci_low, row.ci_high)} %)" if row.rounds > 1 else "")
    return line if len(line) <= letters else f"{shortened(row.network, letters - len(mean))}{mean}"


def effect_line(row: Any) -> str:
    """An effect and its interval."""
    span = f" ({points_interval(row.ci_low, row.ci_high)} points)" if row.rounds > 1 else ""
    return f"{row.effect}: {points(row.difference)} points{span}"


def effect_tip(row: Any) -> str:
    """What the mark of an effect tells."""
    return effect_line(row) + (f", p {p_value(row.p)}, Holm {p_value(row.p_holm)}" if row.rounds > 1 else "")


def rounds_description(networks: Sequence[str]) -> str:
    """The chart of every round, for those who cannot see it."""
    return (
        f"Line chart of test error in percent against round for {listed(networks)}; the table of all trials has every "
        "value."
    )


def strip_description(lines: Sequence[str]) -> str:
    """The chart of rounds and means, for those who cannot see it."""
    return f"Strip plot. Mean test error: {'; '.join(lines)}. In brackets the 95 % intervals of the means."


def answers_description(relation: Relation) -> str:
    """The figure of a table of answers, for those who cannot see it."""
    count, holding = len(relation.answers), int(relation.answers.sum())
    return (
        f"Table of {count} x {count} classes: “{statement(relation.text)}” is true of {holding} of the {count**2} "
        "pairs of a first class (down) and a second (across)."
    )


def effects_description(lines: Sequence[str]) -> str:
    """The chart of effects, for those who cannot see it."""
    return f"Changes of the test error with 95 % intervals: {'; '.join(lines)}."


def collapse_description(counts: Mapping[str, int], *, own: bool = False) -> str:
    """The chart of errors and dead units, for those who cannot see it; `own` where there are networks of one's own."""
    listed_kinds = "; ".join(f"{kind}: {count}" for kind, count in counts.items())
    units = "dead units" if own else "dead bottleneck units of both branches"
    return f"Scatter plot of test error against {units}. Trials: {listed_kinds}."


def curves_description(ends: Mapping[str, float]) -> str:
    """The chart of training losses, for those who cannot see it."""
    last = "; ".join(f"{network} {written(loss, '.3g')}" for network, loss in ends.items())
    return f"Line chart of training loss against epoch. Median at the last epoch: {last}."


def collapse_note(passes_nothing: bool) -> str:
    """What a dead branch does, under the chart of errors and dead units; where it is one of a leaky ReLU, or a layer
    of another network, it may pass something on.
    """
    what = "A branch whose units are all dead passes nothing on"
    what = what if passes_nothing else "A unit is dead if it is never above 0"
    return f"{what}; marks are moved sideways a little, to show them all."
