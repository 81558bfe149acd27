"""What decides a round: its pairs, its initial weights, both together, and the counting of its test pairs.

Where the pairs of every round are trained with the initial weights of several, the test error e of round i with the
weights of round j is e_ij = mean + P_i + W_j + B_ij, three independent random parts of which each has a variance of its
own. B is what pairs and weights do together, and what rounding does to a training: one training of each cell cannot
tell these apart. The variances are estimated from the mean squares of the two-way table (Searle, Casella and McCulloch
1992, "Variance Components", section 4.3).

A test error counts so many test pairs out of all that there might be. How much of its variance is that, the answers
tell: were a round's test pairs drawn again out of themselves, the errors of all its networks would vary together by the
covariances of their right and wrong answers, divided by the number of pairs (the bootstrap's variance, without its
noise; Efron and Tibshirani 1993, section 5.3). What they share is a part of P, the rest is a part of B.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float, Int8

from twofold.analysis.trials import AnalysisError, as_trials, require_distinct
from twofold.networks import in_order
from twofold.results.answers import unpacked

PAIRS, WEIGHTS, BOTH, ALL = "pairs", "weights", "both", "all"

# In each tail of an interval of 95 %.
_TAIL = 0.025

# What so many times the test pairs would win is said: they halve what counting makes, and are there in most data sets.
MORE_PAIRS = 4

_Cell = tuple[int, int, int]  # a seed, a round, and the round of the initial weights
_Table = list[list[_Cell]]  # a line a round


class MeanSquares(NamedTuple):
    """The mean squares of a table of `rounds` x `weight_rounds` errors, each a number or an array of many tables'."""

    pairs: Any
    weights: Any
    both: Any
    rounds: int
    weight_rounds: int


def components(table: pd.DataFrame) -> pd.DataFrame:
    """Four rows per network, and per two networks for the difference of their errors: `part` is `PAIRS`, `WEIGHTS`,
    `BOTH` or `ALL`.

    Columns: `first` and `second` (None of one network; the difference is second - first), `rounds` and `weight_rounds`
    of the crossing, `test_pairs` of a round; `variance` (of fractions), its 95 % interval `ci_low`, `ci_high`, its
    `share` of that of all; `estimate`, which is the variance unless it is negative: then the variance is 0; `counting`,
    the part of the variance that is due to counting so many test pairs (NaN where answers lack), and `counting_share`,
    what that is of the variance of all; and `left_out`, the
    trials that make no part of the largest full crossing.

    Intervals are those of `intervals`, cut at the most that errors, or their differences, can vary: standard deviations
    of 50 and 100 points. Raises `AnalysisError` where no network is fully crossed in two rounds and two rounds of
    weights or more.
    """
    trials = as_trials(table, crossed=True)
    require_distinct(trials)
    rows = [row for each in _compared(trials, _largest_crossing) for row in _of_crossing(each)]
    if not rows:
        raise AnalysisError(
            "no network has all combinations of two rounds or more with the initial weights of two or more; "
            "`twofold study --rounds 0-9 --weight-rounds 0-9` trains them"
        )
    return pd.DataFrame(rows)


def counting(table: pd.DataFrame) -> pd.DataFrame:
    """A row per network, and per two networks for the difference of their errors, over rounds with their own weights.

    Columns: `first` and `second` as in `components`, `rounds`, `test_pairs`, `sd` of the error over rounds, `counting`
    (the standard deviation that counting so many test pairs alone would make), the `share` of the variance that this
    is, at most 1, with its 95 % interval `ci_low` to `ci_high`, and `sd_more`, the standard deviation with `MORE_PAIRS`
    times as many test pairs.

    The interval takes errors as normal, so that their variance has a chi-square distribution, and the part that is
    counting as known. In 10,000 simulations (docs/rounds.md) it covers 94.4-95.3 % from 5 rounds on, for errors from 1
    % to 50 %. Where one round in seven collapses it is too narrow: it covers 53 % with 5 rounds, 87 % with 20. Raises
    `AnalysisError` where no two rounds of a network kept their answers.
    """
    trials = as_trials(table)
    require_distinct(trials)
    kept = trials[trials.wrong_answers.notna()] if "wrong_answers" in trials else trials[:0]
    rows = [_of_counting(each) for each in _compared(kept, _every_round)]
    if not rows:
        raise AnalysisError(
            "no two rounds of a network kept their answers, which trials of version 0.1 and tables in files have not; "
            "train them again in another store"
        )
    return pd.DataFrame(rows)


def mean_squares(errors: Float[np.ndarray, "*tables rounds weight_rounds"]) -> MeanSquares:
    """The mean squares of two-way tables with one error in each cell."""
    a, b = errors.shape[-2:]
    of_rounds, of_weights = errors.mean(axis=-1, keepdims=True), errors.mean(axis=-2, keepdims=True)
    mean = errors.mean(axis=(-2, -1), keepdims=True)
    rest = errors - of_rounds - of_weights + mean
    return MeanSquares(
        pairs=b * ((of_rounds - mean) ** 2).sum(axis=(-2, -1)) / (a - 1),
        weights=a * ((of_weights - mean) ** 2).sum(axis=(-2, -1)) / (b - 1),
        both=(rest**2).sum(axis=(-2, -1)) / ((a - 1) * (b - 1)),
        rounds=a,
        weight_rounds=b,
    )


def estimates(squares: MeanSquares) -> dict[str, Any]:
    """The variance of each part, which may come out negative, and their sum (Searle, Casella and McCulloch 1992)."""
    a, b = squares.rounds, squares.weight_rounds
    pairs, weights = (squares.pairs - squares.both) / b, (squares.weights - squares.both) / a
    return {PAIRS: pairs, WEIGHTS: weights, BOTH: squares.both, ALL: pairs + weights + squares.both}


def intervals(squares: MeanSquares) -> dict[str, tuple[Any, Any]]:
    """The 95 % interval of each part's variance and of their sum; none is below 0.

    That of `BOTH` is the chi-square interval. Those of `PAIRS` and `WEIGHTS`, differences of mean squares, are by the
    modified large-sample method of Ting, Burdick, Graybill, Jeyaratnam and Lu (1990, "Confidence intervals on linear
    combinations of variance components that are unrestricted in sign", J. Stat. Comput. Simul. 35); that of `ALL`, a
    sum, is by Graybill and Wang's (1980, "Confidence intervals on nonnegative linear combinations of variances", JASA
    75). See Burdick and Graybill 1992, sections 3.2 and 3.3.

    They take the parts as normal. In 10,000 simulations (docs/rounds.md) they then cover 94.3-96.2 %, and 97.4-97.6 %
    of a part that is 0, with 5 x 5, 10 x 10 and 20 x 5 rounds; for errors of 1000 pairs, 1 % to 20 % of them wrong,
    93.2-95.5 %. Where one in seven of a part collapses they are too narrow: they cover 55-78 % of the weights'
    variance, 85-87 % of that of both together.
    """
    a, b = squares.rounds, squares.weight_rounds
    degrees = {PAIRS: a - 1, WEIGHTS: b - 1, BOTH: (a - 1) * (b - 1)}
    both = [(squares.both, 1.0, degrees[BOTH])]
    of_all = [(squares.pairs, 1 / b, degrees[PAIRS]), (squares.weights, 1 / a, degrees[WEIGHTS])]
    of_all.append((squares.both, 1 - 1 / a - 1 / b, degrees[BOTH]))
    return {
        PAIRS: _of_difference(squares.pairs, degrees[PAIRS], squares.both, degrees[BOTH], b),
        WEIGHTS: _of_difference(squares.weights, degrees[WEIGHTS], squares.both, degrees[BOTH], a),
        BOTH: _of_sum(both),
        ALL: _of_sum(of_all),
    }


def _of_sum(terms: list[tuple[Any, float, int]]) -> tuple[Any, Any]:
    """Graybill and Wang's interval of a sum of mean squares, each with its factor and degrees of freedom."""
    total = sum(factor * square for square, factor, _ in terms)
    below = sum((_g(degrees) * factor * square) ** 2 for square, factor, degrees in terms)
    above = sum((_h(degrees) * factor * square) ** 2 for square, factor, degrees in terms)
    return total - np.sqrt(below), total + np.sqrt(above)


def _of_difference(first: Any, n: int, second: Any, m: int, divisor: int) -> tuple[Any, Any]:
    """The interval of (first - second) / divisor, mean squares with n and m degrees of freedom (Ting et al. 1990)."""
    upper, lower = scipy.special.fdtri(n, m, 1 - _TAIL), scipy.special.fdtri(n, m, _TAIL)
    g_both = ((upper - 1) ** 2 - (_g(n) * upper) ** 2 - _h(m) ** 2) / upper
    h_both = ((1 - lower) ** 2 - (_h(n) * lower) ** 2 - _g(m) ** 2) / lower
    below = (_g(n) * first) ** 2 + (_h(m) * second) ** 2 + g_both * first * second
    above = (_h(n) * first) ** 2 + (_g(m) * second) ** 2 + h_both * first * second
    difference = first - second
    ends = (difference - np.sqrt(np.maximum(below, 0)), difference + np.sqrt(np.maximum(above, 0)))
    low, high = (np.maximum(end, 0) / divisor for end in ends)
    return low, high


def _g(degrees: int) -> float:
    """1 - 1/F of the upper tail, with infinite degrees of freedom below: F is then chi-square over its degrees."""
    return float(1 - degrees / scipy.special.chdtri(degrees, _TAIL))


def _h(degrees: int) -> float:
    """1/F - 1 of the lower tail, likewise."""
    return float(degrees / scipy.special.chdtri(degrees, 1 - _TAIL) - 1)


class _Compared(NamedTuple):
    """The errors of a network, or by how much those of the second exceed the first's, in rounds x weight rounds.

    `answers` are those errors pair by pair: 1 where the answer is wrong, or the difference of two such numbers.
    """

    first: str
    second: str | None
    errors: Float[np.ndarray, "rounds weight_rounds"]
    answers: Int8[np.ndarray, "rounds weight_rounds test_pairs"] | None
    test_pairs: float
    left_out: int

    @property
    def named(self) -> dict[str, Any]:
        """What is compared, as the columns of a row."""
        return {"first": self.first, "second": self.second}


def _compared(trials: pd.DataFrame, chosen: Callable[[Sequence[_Cell]], _Table]) -> Iterator[_Compared]:
    """Each network, and each two, in those of their cells that are `chosen`, where there are any."""
    by_cell = {name: _by_cell(trials[trials.network == name]) for name in in_order(list(trials.network))}
    for names in [*((name,) for name in by_cell), *itertools.combinations(by_cell, 2)]:
        of = [by_cell[name] for name in names]
        common = [cell for cell in of[0] if cell in of[-1]]
        cells = chosen(common)
        if not cells:
            continue
        errors, answers = ([_laid_out(each, cells, what) for each in of] for what in (_error, _wrong))
        every = [cell for line in cells for cell in line]
        yield _Compared(
            first=names[0],
            second=names[1] if len(names) > 1 else None,
            errors=_difference(errors),
            answers=None if any(each is None for each in answers) else _difference(answers),
            test_pairs=getattr(of[0][every[0]], "test_pairs", np.nan),
            left_out=_crossed(common) - _crossed(every),
        )


def _by_cell(trials: pd.DataFrame) -> dict[_Cell, Any]:
    """The trials of one network by seed, round and round of initial weights."""
    rows = trials if "weight_round" in trials else trials.assign(weight_round=trials["round"])
    places = rows[["seed", "round", "weight_round"]].astype(int).itertuples(index=False, name=None)
    return dict(sorted(zip(places, rows.itertuples(index=False), strict=True), key=lambda item: item[0]))


def _largest_crossing(cells: Sequence[_Cell]) -> _Table:
    """The most cells of one seed in which every round has the same rounds of weights, two at least; none where none."""
    of_rounds: dict[tuple[int, int], set[int]] = {}
    for seed, round_, weight_round in cells:
        of_rounds.setdefault((seed, round_), set()).add(weight_round)
    tables: list[_Table] = [[]]
    for seed, weights in {(seed, frozenset(found)) for (seed, _), found in of_rounds.items() if len(found) > 1}:
        rounds = [each for each, found in of_rounds.items() if each[0] == seed and found >= weights]
        if len(rounds) > 1:
            tables.append([[(*each, weight_round) for weight_round in sorted(weights)] for each in rounds])
    # Of those equally large the first by its cells, whatever the order of a set.
    return max(sorted(tables), key=lambda table: sum(map(len, table)))


def _every_round(cells: Sequence[_Cell]) -> _Table:
    """Every round with its own weights, where there are two at least."""
    return [[cell] for cell in cells] if len(cells) > 1 else []


def _crossed(cells: Sequence[_Cell]) -> int:
    return sum(round_ != weight_round for _, round_, weight_round in cells)


def _laid_out(rows: dict[_Cell, Any], cells: _Table, what: Callable[[Any], Any]) -> np.ndarray | None:
    """What each trial of a table has, as an array; None where one has nothing."""
    values = [[what(rows[cell]) for cell in line] for line in cells]
    return None if any(value is None for line in values for value in line) else np.array(values)


def _error(row: Any) -> float:
    return float(row.test_error)


def _wrong(row: Any) -> Int8[np.ndarray, " test_pairs"] | None:
    kept = getattr(row, "wrong_answers", None)
    return unpacked(kept, row.test_pairs).astype(np.int8) if isinstance(kept, bytes) else None


def _difference(values: Sequence[Any]) -> Any:
    """The values of the only network, or by how much those of the second exceed those of the first."""
    return values[0] if len(values) == 1 else values[1] - values[0]


def _of_crossing(compared: _Compared) -> Iterator[dict[str, Any]]:
    squares = mean_squares(compared.errors)
    found, ends, counted = estimates(squares), intervals(squares), _counting(compared)
    variances = {part: max(float(found[part]), 0.0) for part in (PAIRS, WEIGHTS, BOTH)}
    variances[ALL] = sum(variances.values())
    most = 0.25 if compared.second is None else 1.0  # no fraction varies more, and no difference of two
    for part, variance in variances.items():
        yield {
            **compared.named,
            "part": part,
            "rounds": squares.rounds,
            "weight_rounds": squares.weight_rounds,
            "test_pairs": compared.test_pairs,
            "variance": variance,
            "ci_low": min(float(ends[part][0]), most),
            "ci_high": min(float(ends[part][1]), most),
            "share": variance / variances[ALL] if variances[ALL] else np.nan,
            "estimate": float(found[part]),
            "counting": counted[part],
            "counting_share": counted[part] / variances[ALL] if variances[ALL] else np.nan,
            "left_out": compared.left_out,
        }


def _counting(compared: _Compared) -> dict[str, float]:
    """How much of each part's variance is due to counting so many test pairs; NaN where answers lack."""
    if compared.answers is None or compared.answers.shape[-1] < 2:
        return dict.fromkeys((PAIRS, WEIGHTS, BOTH, ALL), np.nan)
    pairs = compared.answers.shape[-1]
    covariances = np.mean([np.atleast_2d(np.cov(each)) for each in compared.answers], axis=0) / pairs
    every, size = float(np.trace(covariances)) / len(covariances), len(covariances)
    shared = float(covariances.sum() - np.trace(covariances)) / (size * (size - 1)) if size > 1 else 0.0
    return {PAIRS: shared, WEIGHTS: 0.0, BOTH: every - shared, ALL: every}


def _of_counting(compared: _Compared) -> dict[str, Any]:
    errors, counted = compared.errors[:, 0], _counting(compared)[ALL]
    n, variance = len(errors), float(compared.errors.var(ddof=1))
    low, high = share_interval(counted, variance, n)
    rest = max(variance - counted, 0.0)
    return {
        **compared.named,
        "rounds": n,
        "test_pairs": compared.test_pairs,
        "sd": np.sqrt(variance),
        "counting": np.sqrt(counted),
        "share": min(counted / variance, 1.0) if variance else np.nan,
        "ci_low": low,
        "ci_high": high,
        "sd_more": np.sqrt(rest + counted / MORE_PAIRS),
    }


def share_interval(counted: Any, variance: Any, rounds: int) -> tuple[Any, Any]:
    """The 95 % interval of the share that `counted` is of a variance, of which n rounds gave this estimate.

    See `counting`. It ends at 1; NaN where the rounds do not vary.
    """
    degrees, variance = rounds - 1, np.asarray(variance, float)
    ends = (scipy.special.chdtri(degrees, tail) / degrees for tail in (1 - _TAIL, _TAIL))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (np.where(variance > 0, np.minimum(counted / variance * end, 1.0), np.nan)[()] for end in ends)
    return low, high
