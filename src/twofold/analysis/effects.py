"""What each factor is worth: main effects and interactions of full crossings, round by round."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from twofold.analysis.contrasts import contrast, holm
from twofold.analysis.designs import Design, is_interaction, lacking_designs, own_designs, papers_design
from twofold.analysis.equivalence import with_verdicts
from twofold.analysis.trials import AnalysisError, as_trials, by_round

# The paper's effects: coefficients of the errors of its four networks.
EFFECTS = papers_design().effects()


def effects(table: pd.DataFrame, equivalence_margin: float | None = None) -> pd.DataFrame:
    """A row per effect with the columns of `contrast`, and `p_holm`, corrected over those of its design.

    Effects are changes of the test error, as fractions: negative means fewer errors. Those of the paper's four come
    first, then those of each class of the user's whose levels are fully crossed. With an `equivalence_margin` (a
    fraction) there are the columns of `with_verdicts` too. Raises `AnalysisError` where the table has no design,
    `SettingError` for a margin outside (0, 1).
    """
    found = []
    for design, rounds in _by_round(table):
        most = [sum(max(0.0, share) for share in effect.values()) for effect in design.effects().values()]
        rows = pd.DataFrame(
            [{"effect": name, **contrast(rounds[name], m)} for name, m in zip(rounds, most, strict=True)]
        )
        rows = with_verdicts(rows.assign(p_holm=holm(rows["p"])), equivalence_margin)
        found.append(rows.assign(design=design.name))
    result = pd.concat(found, ignore_index=True)
    return result if (result.design != "").any() else result.drop(columns="design")


def main_effects(effects: pd.DataFrame) -> pd.DataFrame:
    """Those rows of `effects` that are the changes which factors make, each averaged over the others."""
    return effects[~effects.effect.map(is_interaction)]


def effects_by_round(table: pd.DataFrame) -> pd.DataFrame:
    """A row per (seed, round), a column per effect; NaN where one of a design's networks lacks in the round.

    Raises `AnalysisError` where the table has no design.
    """
    return pd.concat([rounds for _, rounds in _by_round(table)], axis=1)


def _by_round(table: pd.DataFrame) -> Iterator[tuple[Design, pd.DataFrame]]:
    """Each design of the table, with its effects in every round, which are named after its class if there are more."""
    errors, trials = by_round(table), as_trials(table)
    papers, own = papers_design(), own_designs(trials)
    lacking = [name for name in papers.cells.values() if name not in errors]
    if lacking and not own:
        raise AnalysisError(_reason(trials, lacking))
    designs = [*([] if lacking else [papers]), *own]
    for design in designs:
        named = design.effects()
        networks = list(design.cells.values())
        of_networks = errors[networks].to_numpy(float)  # rounds, networks
        weights = np.column_stack([[effect[name] for name in networks] for effect in named.values()])
        several = len(designs) > 1 and design.name
        columns = [f"{design.name}: {name}" if several else name for name in named]
        yield design, pd.DataFrame(of_networks @ weights, index=errors.index, columns=columns)


def _reason(trials: pd.DataFrame, lacking: list[str]) -> str:
    """Why a table has no effects; `lacking` are those of the paper's networks that are not there."""
    crossing = next(iter(lacking_designs(trials)), None)
    if crossing is not None:
        return (
            f"the effects need all combinations of the levels of {', '.join(crossing.factors)}, but the table has no "
            f"trial of {', '.join(crossing.lacking)}"
        )
    if "arguments" in trials and trials.arguments.notna().any():
        return "the effects need a factor, such as share in --networks 'file.py:Twin(share=[False, True])'"
    return f"the effects need all four networks, but the table has no trial of {', '.join(lacking)}"
