"""The paper's numbers beside ours.

`reference.json` holds the means and sample standard deviations of the test error, in percent, that the paper
(figures 2a and 2b, section IV) and the notebook behind it print.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import scipy

from twofold.analysis.contrasts import benjamini_hochberg, holm
from twofold.analysis.summary import summary
from twofold.analysis.trials import as_trials, with_losses
from twofold.settings import COMPARED, SETTINGS

# What the paper's study and grid have in common: our defaults, but for what the grid varies, the images, which are not
# looked at, and the auxiliary weight, which only networks with auxiliary losses have.
_FIXED = {
    name: SETTINGS[name].default
    for name in COMPARED
    if name not in ("data", "optimizer", "learning_rate", "aux_weight")
}
_STUDY = {name: SETTINGS[name].default for name in ("optimizer", "learning_rate")}
_GRID_NAME = "grid_search_10_rounds"
_STUDY_NAME = "figure_2b_course_machine"


@cache
def study_reference() -> pd.DataFrame:
    """The paper's study (Figure 2b): `network`, `paper_mean`, `paper_sd` (fractions) and `paper_rounds`."""
    content = _reference()[_STUDY_NAME]
    rounds = content["rounds"]
    return _frame([(name, *value, rounds) for name, value in content.items() if name != "rounds"], ["network"])


@cache
def grid_reference() -> pd.DataFrame:
    """The paper's grid search (section IV), with the columns `optimizer` and `learning_rate` as well."""
    rows = []
    for network, cells in _reference()[_GRID_NAME].items():
        for cell, value in cells.items():
            optimizer, rate = cell.split(" lr=")
            rows.append((network, optimizer.lower(), float(rate), *value, 10))
    return _frame(rows, ["network", "optimizer", "learning_rate"])


def is_papers(table: pd.DataFrame) -> pd.Series:
    """For each trial, whether its settings are the paper's, whatever the optimizer, learning rate and digits."""
    trials = as_trials(table)
    same = pd.Series(True, index=trials.index)
    for name, value in _FIXED.items():
        if name in trials:
            same &= trials[name] == value
    if "aux_weight" in trials:
        same &= (trials.aux_weight == SETTINGS["aux_weight"].default) | ~with_losses(trials)
    return same


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Our study's test errors beside the paper's, a row per network whose settings are the paper's.

    Columns of `summary`, then `paper_mean`, `paper_sd`, `paper_rounds`, `difference` (ours - the paper's), its
    standard error `se` = sqrt(sd^2 / rounds + paper_sd^2 / paper_rounds), `z` = difference / se, its two-sided
    p-value `p` in Welch's t test (Welch 1947; normal errors, which collapsed rounds are not) and `p_holm` over the
    networks. The digits are not looked at: only the full MNIST are the paper's. Empty where no trial has the paper's
    settings.
    """
    trials = as_trials(table)
    fitting = is_papers(trials)
    for name, value in _STUDY.items():
        if name in trials:
            fitting &= trials[name] == value
    both = _beside(trials[fitting], study_reference(), ["network"])
    return both.assign(p_holm=holm(both.p))


def grid_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """As `agreement`, for the paper's grid search: a row per network, optimizer and learning rate.

    In place of `p_holm` there is `p_bh`, corrected as one does when exploring many (Benjamini and Hochberg 1995).
    """
    trials = as_trials(table, ("network", "optimizer", "learning_rate", "test_error"))
    both = _beside(trials[is_papers(trials)], grid_reference(), ["network", "optimizer", "learning_rate"])
    return both.assign(p_bh=benjamini_hochberg(both.p))


def _beside(trials: pd.DataFrame, reference: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    columns = [*by, "rounds", "mean", "sd", "ci_low", "ci_high"]
    ours = summary(trials, by)[columns] if len(trials) else pd.DataFrame(columns=columns)
    both = ours.merge(reference, on=by)
    both["difference"] = both["mean"] - both.paper_mean
    ours_squared = both.sd.astype(float) ** 2 / both.rounds.astype(float)
    papers_squared = both.paper_sd**2 / both.paper_rounds
    both["se"] = np.sqrt(ours_squared + papers_squared)
    both["z"] = both.difference / both.se
    # Welch and Satterthwaite's degrees of freedom; one round has none, nor a standard deviation.
    parts = ours_squared**2 / (both.rounds - 1).where(both.rounds > 1) + papers_squared**2 / (both.paper_rounds - 1)
    both["p"] = 2 * scipy.special.stdtr((both.se**4 / parts).astype(float), -both.z.abs().astype(float))
    return both


def _frame(rows: list[tuple], by: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*by, "paper_mean", "paper_sd", "paper_rounds"])
    frame[["paper_mean", "paper_sd"]] /= 100
    return frame


@cache
def _reference() -> dict[str, Any]:
    return json.loads((resources.files("twofold.analysis") / "reference.json").read_text(encoding="utf-8"))
