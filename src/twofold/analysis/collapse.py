"""Why rounds fail: branches whose ten bottleneck units never fire.

A unit is dead if it is at or below 0 on every test image. A branch whose ten units are dead passes nothing on: the
network sees one digit only, and where both branches are dead its answer is a constant.
"""

import numpy as np
import pandas as pd
from scipy import stats

from twofold.analysis.trials import as_trials, in_order

BRANCH_UNITS = 10
HEALTHY, ONE_DEAD, BOTH_DEAD, DIVERGED = "healthy", "one branch dead", "both branches dead", "diverged"
KINDS = (HEALTHY, ONE_DEAD, BOTH_DEAD, DIVERGED)

# An error beyond this is an outlier that has to be accounted for.
OUTLIER = 0.25

_NEEDS = ("network", "round", "test_error", "dead_first", "dead_second")


def kind_of(table: pd.DataFrame) -> pd.Series:
    """Each trial's kind, one of `KINDS`.

    A diverged training is a kind of its own: where units are not numbers, "at or below 0" says nothing.
    """
    trials = as_trials(table, _NEEDS)
    dead = (trials[["dead_first", "dead_second"]] >= BRANCH_UNITS).sum(axis=1).to_numpy()
    kinds = np.array(KINDS, object)[dead]
    return pd.Series(np.where(trials.diverged.astype(bool), DIVERGED, kinds), index=trials.index, name="kind")


def collapse(table: pd.DataFrame) -> pd.DataFrame:
    """A row per network and kind: how often, and the error when it is so.

    Columns: `rounds` (of the network), `count`, `rate` with Wilson's 95 % interval `ci_low`, `ci_high` (Wilson 1927),
    and the test error's `mean`, `sd`, `best` and `worst` within the kind (NaN where there is none).
    """
    trials = as_trials(table, _NEEDS).assign(kind=kind_of(table))
    rows = []
    for network in in_order(list(trials.network)):
        of_network = trials[trials.network == network]
        for kind in KINDS:
            errors = of_network.test_error[of_network.kind == kind].to_numpy(float)
            rows.append({"network": network, "kind": kind, **_rate(len(errors), len(of_network)), **_errors(errors)})
    return pd.DataFrame(rows)


def explained(table: pd.DataFrame) -> pd.DataFrame:
    """A row per network: how much of its failures the kinds account for.

    `variance_explained` is the share of the variance of the test error that lies between kinds (eta squared); NaN
    where the error does not vary. `outliers` counts the rounds beyond 25 % error, and `unexplained` those of them that
    are healthy; `unexplained_rounds` lists these.
    """
    trials = as_trials(table, _NEEDS).assign(kind=kind_of(table))
    rows = []
    for network in in_order(list(trials.network)):
        of_network = trials[trials.network == network]
        outliers = of_network[of_network.test_error > OUTLIER]
        unexplained = outliers[outliers.kind == HEALTHY]
        total = ((of_network.test_error - of_network.test_error.mean()) ** 2).sum()
        means = of_network.groupby("kind").test_error.transform("mean")
        between = ((means - of_network.test_error.mean()) ** 2).sum()
        rows.append(
            {
                "network": network,
                "variance_explained": between / total if total > 0 else np.nan,
                "outliers": len(outliers),
                "unexplained": len(unexplained),
                "unexplained_rounds": [int(number) for number in unexplained["round"]],
            }
        )
    return pd.DataFrame(rows)


def _rate(count: int, n: int) -> dict[str, float]:
    interval = stats.binomtest(count, n).proportion_ci(method="wilson")
    return {"rounds": n, "count": count, "rate": count / n, "ci_low": interval.low, "ci_high": interval.high}


def _errors(errors: np.ndarray) -> dict[str, float]:
    if not len(errors):
        return dict.fromkeys(("mean", "sd", "best", "worst"), np.nan)
    sd = errors.std(ddof=1) if len(errors) > 1 else np.nan
    return {"mean": errors.mean(), "sd": sd, "best": errors.min(), "worst": errors.max()}
