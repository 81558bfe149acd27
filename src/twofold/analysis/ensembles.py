"""Ensembles from kept answers: networks with other initial weights on the same pairs, which answer by majority.

What is averaged is the networks' answers, yes or no, not their probabilities: an answer is a bit of a store's row, and
networks that answer by a distance have no probability. So an ensemble answers what most of its members answer (Hansen
and Salamon 1990, "Neural Network Ensembles", section II); where as many say yes as no, that counts as half a wrong
answer, as if a coin decided.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from twofold.analysis.contrasts import contrast, t_interval
from twofold.analysis.trials import AnalysisError, as_trials, require_distinct
from twofold.networks import in_order
from twofold.results.answers import unpacked
from twofold.settings import check_whole


def ensembles(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """A row per network: ensembles of `size` of its trainings of a round, beside these alone.

    Trials of a round that began with the weights of different rounds are taken in the order of these, `size` of them at
    a time; a rest that is smaller takes no part. Columns: `rounds`, `ensembles` (in all), `size`, `single` (the mean
    error of a member), `mean`, `sd`, `ci_low` and `ci_high` (of the ensembles' error, averaged within a round, with
    Student's 95 % interval over rounds), and what `contrast` gives of the difference, ensemble - single, of each round:
    `difference`, `difference_low`, `difference_high` and `p`. Where the same initial weights serve all rounds,
    intervals hold for these weights: rounds redraw the pairs alone.

    Raises `SettingError` for a size below 2, `AnalysisError` where no round has so many trials that kept their answers.
    """
    check_whole("ensemble", size, least=2)
    trials = as_trials(table, crossed=True)
    require_distinct(trials)
    kept = trials[trials.wrong_answers.notna()] if "wrong_answers" in trials else trials[:0]
    rows = []
    for network in in_order(list(kept.network)):
        of_network = kept[kept.network == network]
        rounds = [_of_round(of_round, size) for _, of_round in of_network.groupby(["seed", "round"])]
        complete = [each for each in rounds if each is not None]
        if complete:
            rows.append({"network": network, "size": size, **_described(np.array(complete))})
    if not rows:
        raise AnalysisError(
            f"no round has {size} trials of one network that kept their answers; "
            f"`twofold study --rounds 0-9 --weight-rounds {size}` trains them"
        )
    return pd.DataFrame(rows)


def _of_round(trials: pd.DataFrame, size: int) -> tuple[float, float, int] | None:
    """The mean error of a round's ensembles, that of their members, and how many ensembles there are; None without."""
    count = len(trials) // size
    if not count:
        return None
    ordered = trials.sort_values("weight_round", kind="stable") if "weight_round" in trials else trials
    members = ordered.head(count * size)
    kept = zip(members.wrong_answers, members.test_pairs, strict=True)
    wrong = np.array([unpacked(cell, int(pairs)) for cell, pairs in kept])
    return float(majority(wrong.reshape(count, size, -1)).mean()), float(wrong.mean()), count


def majority(wrong: Bool[np.ndarray, "ensembles size pairs"]) -> np.ndarray:
    """How wrong the majority of each ensemble is on each pair: 0, 1, or a half where votes are equal."""
    votes = 2 * wrong.sum(axis=1)
    return (votes > wrong.shape[1]) + 0.5 * (votes == wrong.shape[1])


def _described(rounds: np.ndarray) -> dict[str, Any]:
    errors, single, counts = rounds.T
    n = len(errors)
    mean, sd = errors.mean(), errors.std(ddof=1) if n > 1 else np.nan
    low, high = t_interval(mean, sd, n)
    beside = contrast(errors - single)
    return {
        "rounds": n,
        "ensembles": int(counts.sum()),
        "single": single.mean(),
        "mean": mean,
        "sd": sd,
        "ci_low": low,
        "ci_high": high,
        "difference": beside["difference"],
        "difference_low": beside["ci_low"],
        "difference_high": beside["ci_high"],
        "p": beside["p"],
    }
