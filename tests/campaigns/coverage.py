"""How often intervals hold and tests err, by simulation: writes the tables of docs/coverage.md.

    python -m tests.campaigns.coverage [PART ...] [--repeats 10000] [--out docs/coverage.md]

Errors are shares of 1,000 test pairs. The draws are those of `DRAWS`; seeds are fixed, so that the tables come again.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy

from twofold.analysis import holm, mean_interval, outlier_limit
from twofold.analysis.equivalence import p_equivalent
from twofold.analysis.simultaneous import half_widths

PAIRS = 1000
ROUNDS = (5, 10, 20, 50, 100)
_FEWER = (5, 10, 20, 100)
MARGIN = 0.01
CHANCE = 0.45

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Ends = tuple[np.ndarray, np.ndarray]


def counted(random: np.random.Generator, rates: np.ndarray) -> np.ndarray:
    """The errors on test pairs of networks whose rates of error are these."""
    return random.binomial(PAIRS, np.clip(rates, 0, 1)) / PAIRS


def healthy(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rates of error of rounds without a collapse, as those of NetBase are in docs/findings.md."""
    return random.normal(0.15, 0.012, shape)


def with_collapses(share: float, collapsed: float) -> Draw:
    """Rounds of which a share collapses to an error about `collapsed`."""

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        gone = random.random(shape) < share
        return counted(random, np.where(gone, random.normal(collapsed, 0.01, shape), healthy(random, shape)))

    return draw


def papers(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rounds of NetBase: 13 % with one branch dead, 6 % with both (docs/findings.md)."""
    kind = random.random(shape)
    gone = np.where(kind < 0.06, random.normal(0.447, 0.01, shape), random.normal(0.335, 0.018, shape))
    return counted(random, np.where(kind < 0.19, gone, random.normal(0.165, 0.012, shape)))


def of_rate(rate: float) -> Draw:
    """Rounds that differ by the pairs that they are counted on alone."""
    return lambda random, shape: counted(random, np.full(shape, rate))


# Names, draws of errors, and their true means.
DRAWS: dict[str, tuple[Draw, float]] = {
    "healthy, 15 %": (lambda random, shape: counted(random, healthy(random, shape)), 0.15),
    "0.2 %": (of_rate(0.002), 0.002),
    "0.02 %": (of_rate(0.0002), 0.0002),
    "5 % of rounds collapse to 50 %": (with_collapses(0.05, 0.5), 0.95 * 0.15 + 0.05 * 0.5),
    "NetBase of the paper": (papers, 0.81 * 0.165 + 0.13 * 0.335 + 0.06 * 0.447),
}


def ours(errors: np.ndarray) -> Ends:
    """The intervals that Twofold shows."""
    ends = [mean_interval(float(row.mean()), float(row.std(ddof=1)), len(row), float(PAIRS)) for row in errors]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def student(errors: np.ndarray) -> Ends:
    """Student's intervals."""
    half = _quantile(errors) * errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
    return errors.mean(axis=1) - half, errors.mean(axis=1) + half


def logit(errors: np.ndarray) -> Ends:
    """Student's intervals on the scale of log(mean / (1 - mean)), by the delta method."""
    mean = errors.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = _quantile(errors) * errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1]) / (mean * (1 - mean))
        middle = np.log(mean / (1 - mean))
    low, high = scipy.special.expit(middle - half), scipy.special.expit(middle + half)
    return np.where(mean > 0, low, 0.0), np.where(mean > 0, high, 0.0)


def arcsine(errors: np.ndarray) -> Ends:
    """Student's intervals on the scale of arcsin(sqrt(mean)), by the delta method (Anscombe 1948)."""
    mean = errors.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1]) / (2 * np.sqrt(mean * (1 - mean)))
    half = _quantile(errors) * np.nan_to_num(half)
    middle = np.arcsin(np.sqrt(mean))
    return np.sin(np.maximum(middle - half, 0)) ** 2, np.sin(np.minimum(middle + half, np.pi / 2)) ** 2


def bootstrap_t(errors: np.ndarray) -> Ends:
    """Intervals by the bootstrap-t (Efron and Tibshirani 1993, section 12.5), cut at 0 and 100 %."""
    random, n = np.random.default_rng(0), errors.shape[1]
    ends = []
    for row in errors:
        samples = row[random.integers(0, n, (999, n))]
        deviations = samples.std(axis=1, ddof=1)
        t = (samples.mean(axis=1) - row.mean())[deviations > 0] / deviations[deviations > 0]
        low, high = np.quantile(t, (0.975, 0.025)) if len(t) else (0.0, 0.0)
        ends.append(np.clip(row.mean() - np.array([low, high]) * row.std(ddof=1), 0, 1))
    return np.array(ends)[:, 0], np.array(ends)[:, 1]


def empirical_bernstein(errors: np.ndarray) -> Ends:
    """Intervals that hold for any bounded errors (Maurer and Pontil 2009, theorem 4), cut at 0 and 100 %."""
    n, log = errors.shape[1], np.log(4 / 0.05)
    half = np.sqrt(2 * errors.var(axis=1, ddof=1) * log / n) + 7 * log / (3 * (n - 1))
    return np.maximum(errors.mean(axis=1) - half, 0), np.minimum(errors.mean(axis=1) + half, 1)


def betting(errors: np.ndarray) -> Ends:
    """Intervals that hold for any bounded errors, by bets against each mean (Waudby-Smith and Ramdas 2024, theorem 3,
    hedged, with the predictable plug-in bets of its equation 26)."""
    repeats, n = errors.shape
    grid = np.arange(0.0005, 1, 0.001)
    steps = np.arange(1, n + 1)
    means = (0.5 + errors.cumsum(axis=1)) / (steps + 1)
    spread = (0.25 + ((errors - means) ** 2).cumsum(axis=1)) / (steps + 1)
    before = np.column_stack([np.full(repeats, 0.25), spread[:, :-1]])
    bets = np.sqrt(2 * np.log(2 / 0.05) / (before * n))
    ends = []
    for row, bet in zip(errors, bets, strict=True):
        away = row[:, None] - grid
        up = np.log1p(np.minimum(bet[:, None], 0.5 / grid) * away).cumsum(axis=0).max(axis=0)
        down = np.log1p(-np.minimum(bet[:, None], 0.5 / (1 - grid)) * away).cumsum(axis=0).max(axis=0)
        kept = grid[np.maximum(up, down) < np.log(2 / 0.05)]
        ends.append((kept[0] - 0.0005, kept[-1] + 0.0005) if len(kept) else (row.mean(), row.mean()))
    return np.array(ends)[:, 0], np.array(ends)[:, 1]


def _quantile(errors: np.ndarray) -> float:
    return float(scipy.special.stdtrit(errors.shape[1] - 1, 0.975))


# Methods that take long are compared in a tenth of the studies.
_SLOW = (bootstrap_t, betting)

METHODS: dict[str, Callable[[np.ndarray], Ends]] = {
    "**Wilson's, effective pairs**": ours,
    "Student's": student,
    "logit": logit,
    "arcsine": arcsine,
    "bootstrap-t": bootstrap_t,
    "betting": betting,
    "empirical Bernstein": empirical_bernstein,
}


def means(repeats: int, methods: Sequence[str] = tuple(METHODS)) -> Iterator[str]:
    """Intervals of means: how often each method's hold, and how wide they are."""
    yield "## Intervals of a mean error\n"
    yield (
        "Percent of 95 % intervals that hold the true mean; in brackets the mean width in points. Bootstrap-t and "
        "betting: a tenth of the studies.\n"
    )
    for name, (draw, truth) in DRAWS.items():
        yield f"### {name}\n"
        yield from _head("method", [f"{n} rounds" for n in ROUNDS])
        for method in methods:
            cells = []
            for n in ROUNDS:
                some = repeats // 10 if METHODS[method] in _SLOW else repeats
                errors = draw(np.random.default_rng(n), (some, n))
                low, high = METHODS[method](errors)
                held = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
                cells.append(f"{100 * held.mean():.1f} ({100 * (high - low).mean():.2f})")
            yield _line(method, cells)
        yield ""


FOUR: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "healthy": lambda random, n: (
        np.array([0.165, 0.155, 0.069, 0.061])
        + random.normal(0, 0.005, (n, 1))
        + random.normal(0, [0.014, 0.012, 0.012, 0.009], (n, 4))
    ),
    "equal networks": lambda random, n: random.normal(0, 0.01, (n, 1)) + random.normal(0, 0.01, (n, 4)),
    "two of four collapse, as in the paper": lambda random, n: np.column_stack(
        [papers(random, (n,)), with_collapses(0.06, 0.45)(random, (n,)), random.normal(0.07, [[0.012]] * n, (n, 2))]
    ),
}
_TRUE = {
    "healthy": np.array([0.165, 0.155, 0.069, 0.061]),
    "equal networks": np.zeros(4),
    "two of four collapse, as in the paper": np.array([DRAWS["NetBase of the paper"][1], 0.168, 0.07, 0.07]),
}


def pairs(repeats: int) -> Iterator[str]:
    """Simultaneous intervals: in how many studies all six hold."""
    yield "## Intervals of all six differences between four networks\n"
    repeats //= 5  # each study draws the distribution of its largest |t|
    yield (
        f"{repeats:,} studies a cell. Percent of studies in which all six intervals hold; in brackets, were each "
        "Student's 95 % interval.\n"
    )
    yield from _head("networks", [f"{n} rounds" for n in _FEWER])
    first, second = np.triu_indices(4, 1)
    for name, draw in FOUR.items():
        cells = []
        truth = _TRUE[name][second] - _TRUE[name][first]
        for n in _FEWER:
            random = np.random.default_rng(n)
            together, alone = 0, 0
            for _ in range(repeats):
                errors = draw(random, n)
                differences = errors[:, second] - errors[:, first]
                away = np.abs(differences.mean(axis=0) - truth)
                error = differences.std(axis=0, ddof=1) / np.sqrt(n)
                together += (away <= half_widths(errors)[first, second]).all()
                alone += (away <= scipy.special.stdtrit(n - 1, 0.975) * error).all()
            cells.append(f"{100 * together / repeats:.1f} ({100 * alone / repeats:.1f})")
        yield _line(name, cells)
    yield ""


def equivalence(repeats: int) -> Iterator[str]:
    """Two one-sided tests: how often networks that differ by the margin are called equivalent."""
    yield "## Equivalence\n"
    yield (
        f"Percent of studies in which two one-sided tests at 5 % call networks equivalent that differ by the margin, "
        f"{100 * MARGIN:g} point: it should be 5 at most. Of six pairs: any of them, corrected by Holm.\n"
    )
    yield from _head("differences", [f"{n} rounds" for n in ROUNDS])
    cases: dict[str, tuple[int, Draw]] = {
        "normal, sd 0.5 points": (1, lambda random, shape: random.normal(0, 0.005, shape)),
        "normal, sd 1.3 points": (1, lambda random, shape: random.normal(0, 0.013, shape)),
        "six pairs, sd 0.5 points": (6, lambda random, shape: random.normal(0, 0.005, shape)),
        "5 % of rounds collapse in one of the two": (
            1,
            lambda random, shape: random.normal(0, 0.005, shape) + 0.3 * ((random.random(shape) < 0.05) - 0.05),
        ),
        "5 % of rounds collapse in either": (
            1,
            lambda random, shape: (
                random.normal(0, 0.005, shape)
                + 0.3 * ((random.random(shape) < 0.05).astype(float) - (random.random(shape) < 0.05))
            ),
        ),
    }
    for name, (tests, draw) in cases.items():
        cells = []
        for n in ROUNDS:
            differences = MARGIN + draw(np.random.default_rng(n), (repeats, tests, n))
            error = differences.std(axis=2, ddof=1) / np.sqrt(n)
            p = p_equivalent(differences.mean(axis=2), error, np.full(error.shape, n), MARGIN)
            found = [(holm(row) < 0.05).any() for row in p]
            cells.append(f"{100 * np.mean(found):.1f}")
        yield _line(name, cells)
    yield ""


def outliers(repeats: int) -> Iterator[str]:
    """Outliers: how often rounds that did not collapse have one, and how many collapsed rounds are found."""
    yield "## Outliers\n"
    yield (
        "Percent of studies of one network, none of whose rounds collapsed, with an outlier; in brackets by Rosner's "
        "test alone, without the quarter of the way to chance.\n"
    )
    yield from _head("rounds without a collapse", [f"{n} rounds" for n in ROUNDS])
    calm: dict[str, Draw] = {name: DRAWS[name][0] for name in list(DRAWS)[:3]} | {
        "26 % with sd 2.3 points (100 pairs)": lambda random, shape: counted(random, random.normal(0.26, 0.019, shape)),
        "6.9 % with sd 1.3 points (NetAL)": lambda random, shape: counted(random, random.normal(0.069, 0.01, shape)),
    }
    for name, draw in calm.items():
        cells = []
        for n in ROUNDS:
            errors = draw(np.random.default_rng(n), (repeats, n))
            both, alone = (
                np.mean([(row > outlier_limit(row, chance)).any() for row in errors]) for chance in (CHANCE, np.nan)
            )
            cells.append(f"{100 * both:.2f} ({100 * alone:.2f})")
        yield _line(name, cells)
    yield "\nPercent of collapsed rounds that are outliers, of studies with rounds of both kinds.\n"
    yield from _head("rounds with collapses", [f"{n} rounds" for n in ROUNDS])
    for name, gone in (("5 % of rounds collapse to 50 %", 0.3), ("NetBase of the paper", 0.25)):
        cells = []
        for n in ROUNDS:
            errors = DRAWS[name][0](np.random.default_rng(n), (repeats, n))
            some = [row for row in errors if (row > gone).any() and (row <= gone).any()]
            found = sum(int((row > outlier_limit(row, CHANCE)).sum()) for row in some)
            cells.append(f"{100 * found / sum(int((row > gone).sum()) for row in some):.1f}")
        yield _line(name, cells)
    yield ""


PARTS: dict[str, Callable[[int], Iterator[str]]] = {
    "means": means,
    "pairs": pairs,
    "equivalence": equivalence,
    "outliers": outliers,
}


def _head(first: str, others: Sequence[str]) -> Iterator[str]:
    yield _line(first, others)
    yield _line("---", ["---"] * len(others))


def _line(first: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


def main() -> None:
    """Write the tables asked for, or all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = [line for part in given.parts for line in PARTS[part](given.repeats)]
    text = "\n".join(["# Coverage of intervals and errors of tests, by simulation\n", *lines])
    if given.out is None:
        print(text)
    else:
        given.out.write_text(f"{text.rstrip()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
