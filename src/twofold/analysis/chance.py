"""How often a trial would be right without looking: chance, as rows have it or as their relation's name tells it."""

import pandas as pd

from twofold.data import RELATIONS, chance_of, find_relation
from twofold.settings import Settings

# What decides chance: the question, and the images of each class.
_DECIDING = ("data", "fingerprint", "relation", "balance")

# What rows know of chance: see `twofold.data.Chance`.
_KNOWN = ("true_share", "one_image_error")

CHANCE = ("chance", *_KNOWN)


def chance_of_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The columns `chance`, `true_share` and `one_image_error` of each trial: fractions, NaN where they are not known.

    `chance` is the error of the best constant answer. Rows of earlier versions are of ten digits, all as frequent; what
    later rows know of the same question about the same images holds for them too. Nothing is known of a table that does
    not say what was asked.
    """
    # By places in the table: its index may have a number twice.
    told = trials.reset_index(drop=True)
    columns = {name: told[name] if name in told else float("nan") for name in _KNOWN}
    found = pd.DataFrame(columns, told.index, dtype=float)
    if "relation" in told and len(told):
        balance = told.get("balance", pd.Series(Settings.balance, told.index)).fillna(Settings.balance).astype(bool)
        told = told.assign(balance=balance)
        found = found.groupby([told[name] for name in _DECIDING if name in told], dropna=False).transform("first")
        for (relation, balanced), some in told[found.true_share.isna()].groupby(["relation", "balance"]):
            if relation in RELATIONS:
                chance = chance_of(find_relation(str(relation)), balance=bool(balanced))
                found.loc[some.index, list(_KNOWN)] = [chance.true_share, chance.one_image_error]
    found["chance"] = found.true_share.where(found.true_share < 0.5, 1 - found.true_share)
    return found[list(CHANCE)].set_index(trials.index)


def chances(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for each question of the trials, as they come: what `chance_of_trials` knows, and of what.

    A question is told by the settings `data`, `relation` and `balance`, as far as the table has them. Those of which
    nothing is known are left out.
    """
    by = [name for name in ("data", "relation", "balance") if name in trials]
    questions = trials[by].assign(**chance_of_trials(trials))
    return questions[questions.chance.notna()].drop_duplicates([*by, *CHANCE]).reset_index(drop=True)
