"""The question of a study and its answer, in sentences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from twofold.analysis import (
    BOTH_DEAD,
    DIVERGED,
    EQUIVALENT,
    LAYER_DEAD,
    NOT_DECIDED,
    NOT_WORSE,
    ONE_DEAD,
    SIGNIFICANT,
    AnalysisError,
    by_round,
    chances,
    effects,
    in_order,
    kind_of,
    lacking_designs,
    own_designs,
    paired_differences,
    summary,
)
from twofold.networks import NETWORKS, PAPERS
from twofold.report.text.chance import not_better
from twofold.report.text.classes import classes_notes, image_word
from twofold.report.text.effects import effect_sentences, families
from twofold.report.text.equivalence import verdict_notes
from twofold.report.text.names import LETTERS, has_letters, setting_text, statement
from twofold.report.text.notes import (
    UNCONFIRMED,
    identities_note,
    lacking_cells_notes,
    too_few_note,
    worse_by_at_most,
)
from twofold.report.text.numbers import counted, interval, listed, percent, span

PAPERS_FACTORS = ("weight sharing", "auxiliary losses")

# More networks that are not told apart from the best than these are counted, and not named.
_MOST_NAMED = 3

_NOT_YET = "What the factors are worth cannot be told yet"
_FAILURES = {
    ONE_DEAD: "with one branch dead",
    BOTH_DEAD: "with both branches dead",
    LAYER_DEAD: "with a layer dead",
    DIVERGED: "diverged",
}


def question(trials: pd.DataFrame) -> str:
    """What the trials are to answer: what the factors are worth, or which network is best where there are none."""
    own = [name for design in (*own_designs(trials), *lacking_designs(trials)) for name in design.factors]
    built_in = trials.network.isin(NETWORKS)
    if set(PAPERS) <= set(trials.network) or (built_in.any() and not own):
        own = [*PAPERS_FACTORS, *own]
    if not own:
        return "Which network errs least?" if trials.network.nunique() > 1 else "How often does the network err?"
    return f"What {'is' if len(own) == 1 else 'are'} {listed(list(dict.fromkeys(own)))} worth?"


def task_sentence(trials: pd.DataFrame) -> str:
    """What the networks have to do."""
    data = listed(sorted(set(trials.data)))
    statements = " or ".join(f"“{statement(relation)}”" for relation in dict.fromkeys(trials.relation))
    errors = " or ".join(dict.fromkeys(f"{percent(error, 0)} %" for error in sorted(chances(trials).chance)))
    letters = f" {LETTERS}" if any(map(has_letters, trials.relation)) else ""
    constant = f" The same answer to all pairs would err on {errors} of them." if errors else ""
    classes = " ".join(["", *classes_notes(trials)])
    told = f"Each network sees two {image_word(trials)} of {data} and has to say whether {statements} is true."
    return f"{told}{letters}{constant}{classes}"


def answer(trials: pd.DataFrame, equivalence_margin: float | None = None) -> list[str]:
    """What the trials of one setting say, some sentences a line: effects, the best network, failed rounds.

    Where a number cannot be given the line says why. With a margin a line says which networks are equivalent.
    """
    lines = (
        _effects(trials),
        _best(trials),
        " ".join(verdict_notes(paired_differences(trials, equivalence_margin))),
        *not_better(summary(trials)),
        _unequal(trials),
        _failed(trials),
        *identities_note(trials.network),
    )
    return [line for line in lines if line]


def best_in_short(trials: pd.DataFrame) -> dict[str, Any]:
    """The row of `summary` of the network that errs least in the trials of one setting, and how sure that is.

    `others` is how many other networks there are, `worse` how many of them are shown to err more.
    """
    table, differences = summary(trials), paired_differences(trials)
    best: Any = table.iloc[int(table["mean"].argmin())]
    shown = differences[differences.p_holm < SIGNIFICANT]
    worse = ((shown["first"] == best.network) & (shown.difference > 0)) | (
        (shown["second"] == best.network) & (shown.difference < 0)
    )
    return {**best.to_dict(), "others": len(table) - 1, "worse": int(worse.sum())}


def answer_of_settings(count: int, ranking: pd.DataFrame | None, setting: Mapping[str, Any], error: str) -> str:
    """Which of so many settings is best by an error, and how sure that is; `ranking` is that of `choice`, if any."""
    if ranking is None:
        return f"The store holds {count} settings, and no two of them have a round in common in which all networks are."
    best: Any = ranking.iloc[0]
    return (
        f"Of {count} settings, {setting_text(setting)} has the lowest {error} error averaged over the networks: "
        f"{percent(best['mean'])} %{_sure(best)}. Of the others, {_beside_best(ranking)}. {UNCONFIRMED}"
    )


def _beside_best(ranking: pd.DataFrame) -> str:
    """How many settings are not told from the best, and how much worse they may be."""
    told: list[str] = []
    for verdict in (EQUIVALENT, NOT_DECIDED, NOT_WORSE):
        those = ranking[ranking.chosen == verdict]
        if len(those) or (verdict == NOT_WORSE and not told):
            most = f" ({worse_by_at_most(those.at_most.max())})" if those.at_most.notna().any() else ""
            told.append(f"{len(those)} {'is' if len(those) == 1 else 'are'} {verdict}{most}")
    return listed(told)


def _sure(row: Any) -> str:
    return f" (95 % interval {interval(row.ci_low, row.ci_high)} %)" if row.rounds > 1 else ""


def _effects(trials: pd.DataFrame) -> str:
    try:
        table = effects(trials)
    except AnalysisError as error:
        return f"{_NOT_YET}: {error}."
    rounds = int(table["rounds"].max())
    if rounds < 2:
        return (
            f"{_NOT_YET}: {counted(rounds, 'round')} with all the networks, and at least 2 are needed to know how sure "
            "the answer is."
        )
    over = span(table["rounds"][table["rounds"] > 1].tolist())
    lacking = lacking_cells_notes(lacking_designs(trials))
    few = dict.fromkeys(note for _, of_design in families(table) for note in too_few_note(of_design))
    return " ".join([*effect_sentences(table), f"Changes are means over {over} rounds.", *few, *lacking])


def _best(trials: pd.DataFrame) -> str:
    table = summary(trials)
    best: Any = table.iloc[int(table["mean"].argmin())]
    error = f"{percent(best['mean'])} % of test pairs in {counted(int(best.rounds), 'round')}{_sure(best)}"
    if len(table) == 1:
        return f"{best.network} errs on {error}."
    first = [str(name) for name in table.network[table["mean"].map(percent) == percent(best["mean"])]]
    alike = {name: most for name, most in _not_told_apart(trials, best.network).items() if name not in first}
    others = _alike(alike, len(table) - len(first)) if alike else ""
    if len(first) > 1:
        names = listed(first) if len(first) <= _MOST_NAMED else f"{len(first)} of {len(table)} networks"
        doubt = f" They are not shown to err less than {others}." if others else ""
        return f"{names} err least, and equally often: on {percent(best['mean'])} % of test pairs.{doubt}"
    doubt = f" It is not shown to err less than {others}." if others else ""
    return f"{best.network} errs least: {error}.{doubt}"


def _alike(alike: Mapping[str, float], others: int) -> str:
    """These of so many other networks, or their number where they are many."""
    if len(alike) <= _MOST_NAMED:
        return listed([f"{other}{_at_most(better)}" for other, better in alike.items()])
    count = "any" if len(alike) == others else str(len(alike))
    return f"{count} of the other {others} networks{_at_most(max(alike.values()))}"


def _not_told_apart(trials: pd.DataFrame, network: str) -> dict[str, float]:
    """The networks from which this one is not told apart, and the most that it could be better by, in percent."""
    unclear = paired_differences(trials)
    found: dict[str, float] = {}
    for row in unclear[~(unclear.p_holm < SIGNIFICANT)].to_dict("records"):
        if row["second"] == network:
            found[str(row["first"])] = -row["all_low"]
        elif row["first"] == network:
            found[str(row["second"])] = row["all_high"]
    return found


def _at_most(better: float) -> str:
    return "" if pd.isna(better) else f" (by at most {percent(max(better, 0.0))} points, 95 %)"


def _unequal(trials: pd.DataFrame) -> str:
    errors = by_round(trials)
    counts = errors.notna().sum()
    if counts.nunique() == 1 and errors.notna().all(axis=None):
        return ""
    rounds = ", ".join(f"{network} {count}" for network, count in counts.items())
    return (
        f"The study is not complete: the networks have these rounds: {rounds}; differences between networks are over "
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
    what = (
        "Rounds in which units never fire (leaky, they pass something on all the same)"
        if leaky
        else "Rounds that went wrong"
    )
    return f"{what}: {'; '.join(networks)}." if networks else ""
