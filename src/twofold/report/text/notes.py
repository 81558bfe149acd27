"""What stands below tables: what a column means, what is told apart, why numbers are missing."""

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from twofold.analysis import (
    ALL,
    BEST,
    EQUIVALENT,
    FEWER_ROUNDS,
    MORE_PAIRS,
    NOT_DECIDED,
    NOT_WORSE,
    SIGNIFICANT,
    WORSE,
    Design,
    Findings,
    is_marked,
    least_p,
)
from twofold.networks import NETWORKS
from twofold.report.text.effects import leaves_out_0
from twofold.report.text.equivalence import margin_text
from twofold.report.text.names import PAPERS_DATA, PARTS, compared_text, setting_text
from twofold.report.text.numbers import counted, listed, percent, signed, written
from twofold.report.text.tables import Row, rows_of
from twofold.settings import option, value_text, words

SUMMARY = (
    "IQM is the mean of the middle half of the rounds. Intervals are of the mean over rounds (Wilson's, for as many "
    "pairs as tell as much); they take rounds as independent, though all draw from one pool of images and so overlap a "
    "little."
)
DIVERGED_COUNT = "Diverged trainings count with the error of the answers that such a network gives."
DIVERGED_CELLS = "†: so many trainings diverged (their loss was no longer finite); the mean has them in it."
DIFFERENCES = "Negative: the network named first errs less. p is that of the sign-flip test, Holm its correction."
AT_ONCE = "The intervals hold for all pairs at once."
CLEARLY = "Clearly: the interval (bootstrap over rounds) leaves out 1, and the corrected Brown-Forsythe p is below 5 %."
IDENTITIES = (
    "Networks of one name that compute different things are told apart by the first digits of a hash of what they "
    "compute (#); effects are those of the latest of each name."
)
LAYERS = "A layer is dead if none of its units is above 0 on any test image."
DEAD = "A branch is dead if none of its bottleneck units is above 0 on any test image."
LEAKY = "Behind a leaky ReLU a branch that never fires still passes 1 % of its units on, and their gradients back."
OUTLIERS = (
    "Beyond its limit a round is an outlier: it errs too much for the network's other rounds (Rosner's test at 1 %), "
    "and has gone a quarter of the way from their median to chance."
)
VARIANCE = "Variance explained: the share of the error's variance over rounds that lies between the kinds."
AGREEMENT = "z is the difference from the paper's mean in standard errors; p is that of Welch's test."
POWER = (
    "Differences are in points of test error, sd is that of the difference over rounds. Power is the chance that a "
    "single paired t test at 5 %, without correction for other pairs, finds a true difference of the size to find, "
    "if differences are normal. A difference seen in the pilot flatters, and the pilot's sd is itself an estimate: "
    "take some rounds more."
)
COMPONENTS = (
    "Pairs: what the draw of pairs does to the error. Weights: what the initial weights do. Both together: what only "
    "the two in combination do, and what rounding does to a training: one training of each combination cannot tell "
    "these apart. Intervals take all three as normal, and are too narrow where some trainings collapse."
)
COUNTED = (
    "Counting: the part that comes of testing on {pairs} pairs and no more, in percent of all variance; what the "
    "trainings of a round share of it is in pairs, the rest in both together."
)
COUNTING = (
    "Counting alone: the standard deviation of an error that is counted on {pairs} test pairs, if nothing else "
    "differed, from the answers that the trials kept."
)
NO_ANSWERS = "Counting is not told: not all of these trials kept their answers."
UNCONFIRMED = "The best of many looks better than it is; on fresh rounds, --confirm shows by how much."
COMPARISON = "Test error on {rounds}: the setting found, and the one at the start"
ONE_ROUND = "One round says nothing of chance: no setting is shown to be worse than the best."

# A cell whose distance from the paper's is more standard errors than this does not agree with it.
_AGREES_WITHIN = 3.0

# More lines with collapsed rounds than these are counted.
_MOST_COLLAPSED = 4

# More pairs of networks than those of the paper's four are counted rather than listed below their table.
_MOST_PAIRS = 6

# The statistics of `twofold.analysis.findings`, as a sentence names them.
_STATISTICS = {
    "summary": "summary",
    "differences": "paired differences",
    "effects": "effects",
    "spreads": "comparison of spreads",
    "collapse": "account of collapse",
    "explained": "account of outliers",
    "agreement": "comparison with the paper",
    "components": "account of what decides a round",
    "counting": "account of what counting the test pairs does",
    "ensembles": "ensembles",
}


def settings_note(findings: Findings) -> str:
    """The settings that all trials share."""
    fixed = {name: values[0] for name, values in findings.settings.items() if len(values) == 1}
    told = ", ".join(f"{words(name)} {value_text(value)}" for name, value in fixed.items())
    return f"Settings: {told}." if fixed else "The table tells of no setting that all trials share."


def choose_note(findings: Findings) -> str:
    """How to choose one of several settings."""
    varied = findings.varied
    several = [f"{words(name)} ({', '.join(map(value_text, findings.settings[name]))})" for name in varied]
    return (
        f"Several settings: {', '.join(several)}. Rounds pair up within one setting only: choose one with "
        f"{listed(list(map(option, varied)))} for differences, effects, spreads and the comparison with the paper."
    )


def lacking_note(statistics: Sequence[str], reason: str) -> str:
    """Why some statistics cannot be given, for the same reason."""
    return f"No {', no '.join(_STATISTICS[each] for each in statistics)}: {reason}."


def power_of_equivalence_note(equivalence_margin: float) -> str:
    """What rounds needed are where a margin was given."""
    return (
        "Rounds are those that tell two networks apart or show that they differ by less than "
        f"{margin_text(equivalence_margin)} (two one-sided tests at 5 %), whichever are fewer."
    )


def digits_note(data: Sequence[str]) -> list[str]:
    """What to say beside the paper's numbers where the digits are not the paper's."""
    others = sorted(set(data) - {PAPERS_DATA})
    if not others:
        return []
    return [f"The paper's digits are the full MNIST (--data {PAPERS_DATA}); these are {', '.join(others)}."]


def collapsed_notes(summary: pd.DataFrame, varied: Sequence[str] = ()) -> Iterator[str]:
    """Which rows of `twofold.analysis.summary` have collapsed rounds in their means, and the means without them."""
    some = rows_of(summary[summary.collapsed.fillna(0) > 0])
    if len(some) > _MOST_COLLAPSED:
        yield f"Collapsed rounds are in the means of {len(some)} of {len(summary)} lines; medians leave them out."
    elif some:
        named = [", ".join(filter(None, (r["network"], setting_text({n: r[n] for n in varied})))) for r in some]
        rounds = [
            f"{r['collapsed']} of {r['rounds']}"
            + ("" if pd.isna(r["mean_of_others"]) else f" (mean of the others {percent(r['mean_of_others'])} %)")
            for r in some
        ]
        those = "; ".join(f"{name} {text}" for name, text in zip(named, rounds, strict=True))
        yield f"Collapsed rounds are in the means: {those}."


def apart_notes(frame: pd.DataFrame) -> Iterator[str]:
    """Which pairs of networks differ, and by how much the others could."""
    tested = frame[frame.p_holm.notna()]
    differ = [_both(row) for row in rows_of(tested[tested.p_holm < SIGNIFICANT])]
    alike = rows_of(tested[tested.p_holm >= SIGNIFICANT])
    if len(tested) > _MOST_PAIRS:
        yield f"Told apart at 5 % after correction: {len(differ)} of {len(tested)} pairs."
        if alike:
            yield f"Not shown to differ: {len(alike)} pairs (at most {max(map(_most, alike), key=float)} points, 95 %)."
        yield from _apart_alone(alike, len(tested))
        return
    if differ:
        yield f"Told apart at 5 % after correction: {', '.join(differ)}."
    if alike:
        named = ", ".join(f"{_both(row)} (at most {_most(row)} points)" for row in alike)
        yield f"Not shown to differ (95 %): {named}."
    yield from _apart_alone(alike, len(tested))


def _apart_alone(alike: Sequence[Row], tests: int) -> Iterator[str]:
    """What to say of pairs that are not shown to differ, though 0 lies outside their intervals."""
    alone = [row for row in alike if not row["all_low"] <= 0 <= row["all_high"]]
    if len(alone) > _MOST_PAIRS:
        yield f"Of {len(alone)} of them {leaves_out_0(tests)}"
    elif alone:
        yield f"{'; '.join(map(_both, alone))}: {leaves_out_0(tests)}"


def _both(row: Row) -> str:
    return f"{row['first']} and {row['second']}"


def _most(row: Row) -> str:
    """The largest difference that the interval holds, in points."""
    return percent(max(abs(row["all_low"]), abs(row["all_high"])))


def identities_note(networks: Iterable[str]) -> list[str]:
    """Where names have digits of an identity, what these are."""
    return [IDENTITIES] if any(map(is_marked, networks)) else []


def lacking_cells_notes(designs: Iterable[Design]) -> Iterator[str]:
    """Which networks lack for the effects of a design of the user's."""
    for design in designs:
        yield (
            f"No effects of {listed(list(design.factors))} of {design.name}: they need all combinations, and there is "
            f"no trial of {', '.join(design.lacking)}."
        )


def too_few_note(frame: pd.DataFrame) -> Iterator[str]:
    """Says so where rounds are too few for any sign-flip p-value to fall below 5 % after correction."""
    rounds = int(frame.rounds.max())
    least = least_p(rounds)
    tested = int(frame.p.notna().sum())  # of one family
    if tested and least * tested >= SIGNIFICANT:
        yield (
            f"{rounds} rounds cannot show anything at 5 %: the least p-value that a sign-flip test of them can give is "
            f"{written(least, '.3f')}, before correction for {counted(tested, 'test')}."
        )


def missing_notes(frame: pd.DataFrame) -> Iterator[str]:
    """Why numbers are missing, and how many rounds were left out; what holds of several lines is said once."""
    said: dict[str, list[str]] = {}
    for row in rows_of(frame):
        name = row.get("effect") or _both(row)
        if row["note"]:
            said.setdefault(f"{row['note']}.", []).append(name)
        if row.get("left_out"):
            text = f"rounds left out because a network lacks in them: {row['left_out']}."
            said.setdefault(text, []).append(name)
    for text, names in said.items():
        yield text[0].upper() + text[1:] if len(names) == len(frame) else f"{'; '.join(names)}: {text}"


def spread_notes(spreads: pd.DataFrame, summary: pd.DataFrame) -> Iterator[str]:
    """Which network varies least, and than which others certainly so."""
    of_network = summary.set_index("network")
    if not of_network.sd.notna().any() or spreads.log_ratio.isna().all():
        return
    least = str(of_network.sd.idxmin())
    own = spreads[((spreads["first"] == least) | (spreads["second"] == least)) & spreads.p_holm.notna()]
    clear = ((own.ci_low > 0) | (own.ci_high < 0)) & (own.p_holm < SIGNIFICANT)
    apart, alike = (_others(own[part], least) for part in (clear, ~clear))
    yield f"{least} varies least (sd {percent(of_network.sd[least])} points)" + (
        f"; clearly less than {apart}." if apart else "; not clearly less than any other."
    )
    if apart and alike:
        yield f"Not clearly told apart from it: {alike}."
    yield CLEARLY


def _others(pairs: pd.DataFrame, network: str) -> str:
    return ", ".join(row["second"] if row["first"] == network else row["first"] for row in rows_of(pairs))


def outlier_notes(explained: pd.DataFrame, varied: Sequence[str]) -> Iterator[str]:
    """Whether outliers have a dead branch, and which ones have none."""
    if explained.limit.isna().all():
        yield "With fewer than 3 rounds none can be told to be an outlier."
    elif explained.unexplained.sum() == 0:
        found = int(explained.outliers.sum())
        dead = _listed_dead(explained.network)
        yield f"All {found} outliers have a dead {dead} or diverged." if found else "No round is an outlier."
    for row in rows_of(explained[explained.unexplained > 0]):
        setting = setting_text({name: row[name] for name in varied})
        rounds = ", ".join(map(str, row["unexplained_rounds"]))
        where = ", ".join(filter(None, (row["network"], setting, f"round {rounds}")))
        alive = "both branches" if row["network"] in NETWORKS else "all layers"
        yield f"Outliers, {alive} alive: {where}."


def _listed_dead(networks: Iterable[str]) -> str:
    """What dies in these networks: a branch of a built-in one, a layer of another."""
    return " or ".join(dict.fromkeys("branch" if name in NETWORKS else "layer" for name in networks))


def agreement_notes(beside: pd.DataFrame) -> Iterator[str]:
    """Which networks differ from the paper's."""
    for said, found in (
        ("Other than in the paper", beside.p_holm < SIGNIFICANT),
        ("Not shown to differ from the paper's", beside.p_holm >= SIGNIFICANT),
    ):
        if found.any():
            yield f"{said}: {', '.join(beside.network[found])}."


def cells_note(beside: pd.DataFrame) -> Iterator[str]:
    """How many cells of a grid agree with the paper's, and which do not."""
    compared = beside[beside.z.notna()]
    if len(compared):
        far = compared[compared.z.abs() > _AGREES_WITHIN]
        by = [*(["network"] if beside.network.nunique() > 1 else []), "optimizer", "learning_rate"]
        cells = [(" ".join(value_text(row[name]) for name in by), signed(row["z"], 1)) for row in rows_of(far)]
        named = [f"{cell} (z = {z})" for cell, z in cells]
        agree = f"{len(compared) - len(far)} of {len(compared)} cells agree with the paper within 3 standard errors"
        yield f"{agree}{'; not: ' + ', '.join(named) if named else ''}."


def components_notes(components: pd.DataFrame) -> Iterator[str]:
    """What the parts are, which came out below 0, and what is left out."""
    yield COMPONENTS
    yield COUNTED.format(pairs=_test_pairs(components)) if components.counting.notna().all() else NO_ANSWERS
    below = components[(components.estimate < 0) & (components.part != ALL)]
    if len(below):
        named = ", ".join(f"{PARTS[row['part']]} of {compared_text(row)}" for row in rows_of(below))
        yield f"Estimated below 0, which no variance is, and shown as 0: {named}."
    if left_out := int(components.left_out.max()):
        yield f"Trials that make no full crossing and are left out, of a network: up to {left_out}."


def counting_notes(counting: pd.DataFrame) -> Iterator[str]:
    """What counting is, and what more test pairs would win; not where counting alone makes more than was seen."""
    yield COUNTING.format(pairs=_test_pairs(counting))
    won = counting.assign(narrower=1 - counting.sd_more / counting.sd).dropna(subset="narrower")
    won = won[won.narrower > 0]
    if len(won):
        yield f"With {MORE_PAIRS} times as many test pairs intervals would be narrower by {_narrower(won)}."
    if (counting.share >= 1).any():
        yield "Where counting alone makes more than the spread seen, its share is shown as 100 %."


def _narrower(won: pd.DataFrame) -> str:
    if len(won) > _MOST_PAIRS:
        ends = rows_of(won.loc[[won.narrower.idxmin(), won.narrower.idxmax()]])
        return " to ".join(f"{percent(row['narrower'], 0)} % ({compared_text(row)})" for row in ends)
    return ", ".join(f"{percent(row['narrower'], 0)} % ({compared_text(row)})" for row in rows_of(won))


def _test_pairs(frame: pd.DataFrame) -> str:
    return listed([f"{int(pairs)}" for pairs in sorted(set(frame.test_pairs.dropna()))])


def ensembles_notes(ensembles: pd.DataFrame) -> Iterator[str]:
    """What an ensemble is, and for what its intervals hold."""
    size = int(ensembles["size"].iloc[0])
    tied = " Equal votes count as half an error." if size % 2 == 0 else ""
    yield (
        f"An ensemble answers what most of its {size} networks answer, which were trained on the same pairs from other "
        f"initial weights; single is their mean error.{tied}"
    )
    yield "Rounds redraw the pairs, so intervals hold for these initial weights. p is that of the sign-flip test."


def crossed_note(count: int, *, elsewhere: bool = True) -> str:
    """What tables over rounds leave out of crossed pairs and initial weights; what tells of it may be elsewhere."""
    out = f"Left out of all tables over rounds: {counted(count, 'trial')} with the initial weights of another round"
    return f"{out}; `twofold analyse` says what they show." if elsewhere else f"{out}."


def worse_by_at_most(most: float) -> str:
    """How much worse a setting may be than the best."""
    return f"at most {percent(max(most, 0.0))} points worse, 95 %"


def choice_notes(choice: pd.DataFrame, listed: int) -> Iterator[str]:
    """What the verdicts on settings mean, and how many settings the table leaves out."""
    good, worse, fewer = (
        int(choice.chosen.isin(found).sum())
        for found in ((BEST, NOT_WORSE, EQUIVALENT, NOT_DECIDED), (WORSE,), (FEWER_ROUNDS,))
    )
    if choice.rounds.max() < 2:
        yield ONE_ROUND
    else:
        yield f"p and “at most” (95 %) are for all pairs of settings. Worse at 5 %: {worse} of {len(choice)} settings."
    if "equivalence_margin" in choice:
        margin = margin_text(choice.equivalence_margin.max())
        yield f"Equivalent: shown to be less than {margin} from the best (two one-sided tests)."
    if good > listed:
        yield f"The first {listed} of {good} that are not shown to be worse."
    if fewer:
        yield f"Not compared, having fewer rounds: {fewer}."


def confirmation_note(select_on: str, rounds: str) -> str:
    """What the columns of a confirmation are."""
    return (
        f"Searched: the {select_on} error on the {rounds} of the search. Fresh: the same, on the fresh rounds. "
        "Test: the test error there."
    )


def first_rows_note(shown: int, of: int) -> list[str]:
    """Where a report's table of trials has not all of them."""
    return [f"The first {shown} of {of}; `twofold results --csv` prints all."] if of > shown else []
