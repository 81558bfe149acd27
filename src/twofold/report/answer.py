"""The question of a study and its answer, in sentences."""

from typing import Any

import pandas as pd

from twofold.analysis import (
    BOTH_DEAD,
    DIVERGED,
    FOUR,
    ONE_DEAD,
    AnalysisError,
    by_round,
    effects,
    in_order,
    kind_of,
    paired_differences,
    summary,
)
from twofold.report.html import STATEMENTS
from twofold.report.tables import interval, percent, points, points_interval

_SIGNIFICANT = 0.05
_WENT_WRONG = "Rounds that went wrong"
_FAILURES = {ONE_DEAD: "with one branch dead", BOTH_DEAD: "with both branches dead", DIVERGED: "diverged"}

QUESTION = "What are weight sharing and auxiliary losses worth?"


def task_sentence(trials: pd.DataFrame) -> str:
    """What the networks have to do."""
    data = " and ".join(sorted(set(trials.data)))
    statements = " or ".join(f"“{STATEMENTS.get(relation, relation)}”" for relation in dict.fromkeys(trials.relation))
    return f"Each network sees two digits of {data} and has to say whether {statements} is true."


def answer(trials: pd.DataFrame) -> list[str]:
    """What the trials of one setting say, one sentence or two a line: effects, the best network, failed rounds.

    Where a number cannot be given the line says why.
    """
    return [line for line in (_effects(trials), _best(trials), _unequal(trials), _failed(trials)) if line]


def _effects(trials: pd.DataFrame) -> str:
    try:
        table = effects(trials)
    except AnalysisError as error:
        return f"What the two factors are worth cannot be told yet: {error}."
    rounds = int(table["rounds"].min())
    if rounds < 2:
        return (
            f"What the two factors are worth cannot be told yet: {_count(rounds, 'round')} with all four networks, "
            "and at least 2 are needed to know how sure the answer is."
        )
    of: dict[str, Any] = {row["effect"]: row for _, row in table.iterrows()}
    losses, sharing = of["auxiliary losses"], of["weight sharing"]
    return (
        f"Auxiliary losses {_change('lower', 'raise', losses)} the test error by {_size(losses)}, and weight sharing "
        f"{_change('lowers', 'raises', sharing)} it by {_size(sharing)}: percentage points, means over {rounds} rounds "
        f"with their 95 % intervals. {_together(trials, of['interaction'])}"
    )


def _change(less: str, more: str, row: Any) -> str:
    return less if row.difference < 0 else more


def _size(row: Any) -> str:
    """The size of an effect with its interval; where it is not significant among the three, that it may be nothing."""
    if row.ci_low <= 0 <= row.ci_high or row.p_holm >= _SIGNIFICANT:
        return f"{percent(abs(row.difference))} (a change of {points_interval(row.ci_low, row.ci_high)}: may be chance)"
    return f"{percent(abs(row.difference))} ({interval(*sorted((abs(row.ci_low), abs(row.ci_high))))})"


def _together(trials: pd.DataFrame, interaction: Any) -> str:
    """How the change that weight sharing makes depends on auxiliary losses."""
    means = by_round(trials)[list(FOUR)].dropna().mean()
    without, with_losses = means.NetWS - means.NetBase, means.NetWSAL - means.NetAL
    unclear = interaction.ci_low <= 0 <= interaction.ci_high or interaction.p_holm >= _SIGNIFICANT
    chance = ", which may be chance" if unclear else ""
    return (
        f"Weight sharing changes the error by {points(without)} without auxiliary losses and by {points(with_losses)} "
        f"with them: {points(interaction.difference)} from one to the other "
        f"({points_interval(interaction.ci_low, interaction.ci_high)}){chance}."
    )


def _best(trials: pd.DataFrame) -> str:
    table = summary(trials)
    best: Any = table.iloc[int(table["mean"].argmin())]
    sure = f" (95 % interval {interval(best.ci_low, best.ci_high)})" if best.rounds > 1 else ""
    error = f"{percent(best['mean'])} % of test pairs in {_count(int(best.rounds), 'round')}{sure}"
    if len(table) == 1:
        return f"{best.network} errs on {error}."
    alike = _not_told_apart(trials, best.network)
    doubt = f" Not clearly less than {' and '.join(alike)}." if alike else ""
    return f"{best.network} errs least: {error}.{doubt}"


def _not_told_apart(trials: pd.DataFrame, network: str) -> list[str]:
    """The networks from which this one is not told apart by paired differences, corrected over all of them."""
    unclear = paired_differences(trials)
    unclear = unclear[~(unclear.p_holm < _SIGNIFICANT)]
    return [a if b == network else b for a, b in zip(unclear["first"], unclear.second) if network in (a, b)]


def _unequal(trials: pd.DataFrame) -> str:
    errors = by_round(trials)
    counts = errors.notna().sum()
    if counts.nunique() == 1 and errors.notna().all(axis=None):
        return ""
    listed = ", ".join(f"{network} {count}" for network, count in counts.items())
    return (
        f"The study is not complete: the networks have these rounds: {listed}; differences between networks are over "
        "those that both have."
    )


def _failed(trials: pd.DataFrame) -> str:
    kinds = kind_of(trials)
    networks = []
    for network in in_order(list(trials.network)):
        counts = kinds[trials.network == network].value_counts()
        failed = [f"{counts[kind]} {words}" for kind, words in _FAILURES.items() if kind in counts.index]
        if failed:
            networks.append(f"{network} {' and '.join(failed)}, of {counts.sum()}")
    leaky = "bottleneck_activation" in trials and (trials.bottleneck_activation != "relu").all()
    what = "Rounds in which units never fire (leaky, they pass something on all the same)" if leaky else _WENT_WRONG
    return f"{what}: {'; '.join(networks)}." if networks else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
