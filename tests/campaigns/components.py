"""How often the intervals of `twofold.analysis.components` and `counting` hold the truth, by simulation; as tables.

    python -m tests.campaigns.components

Each line is 10,000 simulated studies. What it found stands in docs/rounds.md.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from twofold.analysis.components import ALL, BOTH, PAIRS, WEIGHTS, intervals, mean_squares, share_interval

REPETITIONS = 10_000
SHAPES = ((10, 10), (5, 5), (20, 5))

# Variances of pairs, weights and both, in squared points.
NORMAL = {
    "1, 1, 1": (1.0, 1.0, 1.0),
    "4, 0.5, 1": (4.0, 0.5, 1.0),
    "0.2, 0.2, 1": (0.2, 0.2, 1.0),
    "1, 0, 1": (1.0, 0.0, 1.0),
}

# What collapses, in one of so many: its error is 30 points more.
COLLAPSE, SHARE = 0.3, 0.15

PAIRS_OF_A_TEST = 1000


class Errors(NamedTuple):
    """How errors of crossed studies are drawn, given how many and of what shape, and their true variances."""

    draw: Callable[[np.random.Generator, int, tuple[int, int]], np.ndarray]
    true: dict[str, float]


def _errors(draw: Callable, pairs: float, weights: float, both: float) -> Errors:
    return Errors(draw, {PAIRS: pairs, WEIGHTS: weights, BOTH: both, ALL: pairs + weights + both})


def normal(variances: tuple[float, float, float]) -> Errors:
    """Errors, as fractions, whose three parts are normal with these variances in squared points."""
    fractions = [1e-4 * variance for variance in variances]

    def draw(random: np.random.Generator, tables: int, shape: tuple[int, int]) -> np.ndarray:
        sizes = _sizes(tables, shape)
        return 0.1 + sum(random.normal(0, np.sqrt(each), size) for each, size in zip(fractions, sizes, strict=True))

    return _errors(draw, *fractions)


def counted(rate: float) -> Errors:
    """Errors of 1000 test pairs around this rate: pairs and weights each move it by a tenth of itself."""

    def draw(random: np.random.Generator, tables: int, shape: tuple[int, int]) -> np.ndarray:
        of_pairs, of_weights, _ = _sizes(tables, shape)
        rates = rate * (1 + 0.1 * random.normal(size=of_pairs) + 0.1 * random.normal(size=of_weights))
        return random.binomial(PAIRS_OF_A_TEST, rates.clip(0, 1)) / PAIRS_OF_A_TEST

    moved = (0.1 * rate) ** 2
    return _errors(draw, moved, moved, (rate * (1 - rate) - 2 * moved) / PAIRS_OF_A_TEST)


def collapsing(part: str) -> Errors:
    """Errors with three normal parts of a point each, of which one collapses now and then: the weights, or both."""
    healthy, place = normal((1.0, 1.0, 1.0)), (PAIRS, WEIGHTS, BOTH).index(part)

    def draw(random: np.random.Generator, tables: int, shape: tuple[int, int]) -> np.ndarray:
        dead = random.random(_sizes(tables, shape)[place]) < SHARE
        return healthy.draw(random, tables, shape) + COLLAPSE * dead

    variances = {name: healthy.true[name] for name in (PAIRS, WEIGHTS, BOTH)}
    variances[part] += SHARE * (1 - SHARE) * COLLAPSE**2
    return _errors(draw, *variances.values())


def _sizes(tables: int, shape: tuple[int, int]) -> tuple[tuple[int, int, int], ...]:
    """The shapes of what pairs, weights and single trainings do to the errors of many studies."""
    a, b = shape
    return (tables, a, 1), (tables, 1, b), (tables, a, b)


def coverage(errors: Errors, shape: tuple[int, int]) -> dict[str, float]:
    """In how many of 100 simulated studies each part's interval holds its variance."""
    found = intervals(mean_squares(errors.draw(np.random.default_rng(11), REPETITIONS, shape)))
    held = {name: (low <= errors.true[name]) & (errors.true[name] <= high) for name, (low, high) in found.items()}
    return {name: 100 * float(each.mean()) for name, each in held.items()}


def coverage_of_share(rate: float, rounds: int, *, dying: float = 0.0) -> float:
    """The same of the share of counting, where errors around a rate vary by a tenth of it, and rounds may collapse."""
    random = np.random.default_rng(8)

    def draw(tables: int) -> np.ndarray:
        rates = rate * (1 + 0.1 * random.normal(size=(tables, rounds)))
        return np.where(random.random((tables, rounds)) < dying, 0.45, rates.clip(0, 1))

    rates = draw(REPETITIONS)
    errors = random.binomial(PAIRS_OF_A_TEST, rates) / PAIRS_OF_A_TEST
    many = draw(20 * REPETITIONS)
    alone = (many * (1 - many)).mean() / PAIRS_OF_A_TEST
    true = alone / (alone + many.var())
    mean_alone = (errors * (1 - errors)).mean(axis=1) / (PAIRS_OF_A_TEST - 1)
    low, high = share_interval(mean_alone, errors.var(axis=1, ddof=1), rounds)
    return 100 * float(((low <= true) & (true <= high)).mean())


def _line(*cells: Any) -> None:
    print("|", " | ".join(cell if isinstance(cell, str) else f"{cell:.1f}" for cell in cells), "|")


def main() -> None:
    """Print the tables of docs/rounds.md."""
    draws = {f"normal: {name}": normal(variances) for name, variances in NORMAL.items()}
    draws |= {f"1000 pairs, {rate:.0%} wrong": counted(rate) for rate in (0.01, 0.06, 0.2)}
    draws |= {f"{part} collapse": collapsing(part) for part in (WEIGHTS, BOTH)}
    _line("errors", "rounds x weight rounds", PAIRS, WEIGHTS, BOTH, ALL)
    for name, errors in draws.items():
        for shape in SHAPES:
            found = coverage(errors, shape)
            _line(name, "{} x {}".format(*shape), *(found[part] for part in (PAIRS, WEIGHTS, BOTH, ALL)))
    print()
    _line("rounds", *(f"{rate:.0%} wrong" for rate in (0.01, 0.06, 0.2, 0.5)), "15 %, one in seven 45 %")
    for rounds in (5, 10, 20, 100):
        _line(str(rounds), *(coverage_of_share(rate, rounds) for rate in (0.01, 0.06, 0.2, 0.5)),
              coverage_of_share(0.15, rounds, dying=1 / 7))  # fmt: skip


if __name__ == "__main__":
    main()
