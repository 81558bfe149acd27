"""What weight sharing and auxiliary losses are worth: the 2x2 factorial, round by round."""

import numpy as np
import pandas as pd

from twofold.analysis.contrasts import contrast, holm
from twofold.analysis.trials import AnalysisError, by_round
from twofold.networks import NETWORKS, PAPERS


def _sign(flag: bool | None) -> int:
    return 1 if flag else -1


# Coefficients of the errors of the four networks in each effect, by whether they have each of the two factors
# (Montgomery, "Design and Analysis of Experiments", chapter 6). A main effect is the mean change that the factor makes;
# the interaction is how much the change that weight sharing makes differs with auxiliary losses from without.
EFFECTS: dict[str, dict[str, float]] = {
    "weight sharing": {name: _sign(NETWORKS[name].weight_sharing) / 2 for name in PAPERS},
    "auxiliary losses": {name: _sign(NETWORKS[name].auxiliary_losses) / 2 for name in PAPERS},
    "interaction": {
        name: _sign(NETWORKS[name].weight_sharing) * _sign(NETWORKS[name].auxiliary_losses) for name in PAPERS
    },
}


def effects(table: pd.DataFrame) -> pd.DataFrame:
    """A row per effect with the columns of `contrast`, and `p_holm`, corrected over the three.

    Effects are changes of the test error, as fractions: negative means fewer errors. Raises `AnalysisError` where one
    of the four networks lacks altogether.
    """
    rounds = effects_by_round(table)
    result = pd.DataFrame([{"effect": name, **contrast(rounds[name])} for name in EFFECTS])
    result["p_holm"] = holm(result["p"])
    return result


def effects_by_round(table: pd.DataFrame) -> pd.DataFrame:
    """A row per (seed, round), a column per effect; NaN where one of the four networks lacks in the round.

    Raises `AnalysisError` where one of them lacks altogether.
    """
    errors = by_round(table)
    lacking = [name for name in PAPERS if name not in errors]
    if lacking:
        raise AnalysisError(f"the effects need all four networks, but the table has no trial of {', '.join(lacking)}")
    four = errors[list(PAPERS)].to_numpy(float)  # rounds, 4
    weights = np.column_stack([list(effect.values()) for effect in EFFECTS.values()])  # 4, effects
    return pd.DataFrame(four @ weights, index=errors.index, columns=list(EFFECTS))
