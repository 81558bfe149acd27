"""Searching for the best settings with Optuna (the extra `tune`).

A proposal is a setting; it is judged by the mean validation error over the same few rounds as all others, and every
training behind it is a trial of the results store. Optuna's record of the search lies in the same database, as a
journal of its own: a search goes on from there. The store's keys and claims see to it that nothing is trained twice.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import jax
import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from twofold.data import Digits
from twofold.errors import SettingError, unknown_choice
from twofold.networks import NETWORKS
from twofold.results import Store
from twofold.study.conduct import Listener, conduct
from twofold.study.trial import Trial
from twofold.training import OPTIMIZERS

# How much of the devices' time a batch of proposals may leave unused.
_MOST_IDLE = 0.1

# A proposal that still lacks settings after this long was being made when its run was killed.
_MAKING = timedelta(minutes=1)

# Importances of fewer proposals mean nothing.
_LEAST_FOR_IMPORTANCES = 10

# What a compiled program depends on: proposals that agree in it are trained side by side.
_PROGRAM = ("optimizer", "batch_size")


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What to search: choices of optimizers and batch sizes, and ranges (low, high) of the rest, both ends included.

    Learning rate, epochs and auxiliary weight are searched on a logarithmic scale; the auxiliary weight only where one
    of the networks has auxiliary losses. Raises `SettingError` where a choice or a range cannot be used.
    """

    optimizers: tuple[str, ...] = tuple(OPTIMIZERS)
    learning_rate: tuple[float, float] = (1e-4, 1.0)
    batch_sizes: tuple[int, ...] = (10, 25, 50, 100)
    epochs: tuple[int, int] = (25, 200)
    aux_weight: tuple[float, float] = (0.01, 10.0)

    def __post_init__(self) -> None:
        for name in ("optimizers", "batch_sizes"):
            if not getattr(self, name):
                raise SettingError(f"`{name}` is empty; give at least one value")
        for optimizer in self.optimizers:
            if optimizer not in OPTIMIZERS:
                raise unknown_choice("optimizers", optimizer, OPTIMIZERS)
        for name in ("learning_rate", "epochs", "aux_weight"):
            low, high = getattr(self, name)
            if not (0 < low <= high < math.inf):
                raise SettingError(f"`{name}` (={low:g} {high:g}) must be a range: the low end, above 0, then the high")

    def distributions(self, networks: Iterable[str]) -> dict[str, BaseDistribution]:
        """The space as Optuna has it."""
        space: dict[str, BaseDistribution] = {
            "optimizer": CategoricalDistribution(self.optimizers),
            "learning_rate": FloatDistribution(*self.learning_rate, log=True),
            "batch_size": CategoricalDistribution(self.batch_sizes),
            "epochs": IntDistribution(*self.epochs, log=True),
        }
        if any(NETWORKS[network].auxiliary_losses for network in networks):
            space["aux_weight"] = FloatDistribution(*self.aux_weight, log=True)
        return space


@dataclass(frozen=True)
class Search:
    """One search: the networks that share a setting, where to look for it, and how a setting becomes trials.

    `trials` gives, for a setting, those of all the networks in all the rounds that the search looks at; `first` is
    the setting that it starts from, where the space has it.
    """

    networks: tuple[str, ...]
    space: SearchSpace
    trials: Callable[..., list[Trial]]
    first: dict[str, Any]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The space as Optuna has it, for these networks."""
        return self.space.distributions(self.networks)

    @property
    def starts_within(self) -> bool:
        """Whether the space has the setting `first`."""
        space, first = self.space, self.first
        chosen = first["optimizer"] in space.optimizers and first["batch_size"] in space.batch_sizes
        ranges = [name for name in ("learning_rate", "epochs", "aux_weight") if name in self.distributions]
        return chosen and all(getattr(space, n)[0] <= first[n] <= getattr(space, n)[1] for n in ranges)

    @property
    def cost(self) -> int:
        """The trainings of one proposal."""
        return len(self.trials(**self.first))

    @property
    def name(self) -> str:
        """Optuna's name for the search: the networks, and a hash of all that decides what a proposal comes to."""
        identity = [dataclasses.asdict(self.space), [trial.key for trial in self.trials(**self.first)]]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        return f"{'+'.join(self.networks)} {digest[:12]}"


@dataclass(frozen=True)
class Found:
    """What a search found.

    `proposals` has a row per proposal, in the order in which they were made: its settings, and `validation_error`, the
    mean over networks and rounds. `trials` are the trainings behind them. `importances` says which part each setting
    has in a proposal's being among the best (PED-ANOVA: Watanabe et al. 2023); it is empty for few proposals.
    """

    networks: tuple[str, ...]
    proposals: pd.DataFrame
    importances: dict[str, float]
    trials: list[Trial]

    @property
    def best(self) -> dict[str, Any]:
        """The setting with the lowest validation error, the earliest of equals."""
        rows = self.proposals.drop(columns="validation_error").to_dict("records")
        return {str(name): value for name, value in rows[int(self.proposals.validation_error.argmin())].items()}


def tune(
    searches: Sequence[Search],
    *,
    budget: int,
    digits: Digits,
    store: Store,
    devices: Sequence[jax.Device],
    listener: Listener,
    seed: int = 0,
) -> list[Found]:
    """Conduct each search until it has used `budget` trainings, or as many as make up whole proposals.

    What earlier runs of the same search found counts. Proposals that a killed run left unfinished are finished first.
    Raises `SettingError` where the budget does not suffice for one proposal, or a setting cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(_Journal(store))
    for search in searches:
        _check(search, budget)
    studies = [optuna.create_study(storage=storage, study_name=s.name, load_if_exists=True) for s in searches]
    left = sum(budget - s.cost * len(_counted(study)) for s, study in zip(searches, studies, strict=True))
    progress = _Progress(listener, left)
    for search, study in zip(searches, studies, strict=True):
        if done := len(study.get_trials(states=(TrialState.COMPLETE,))):
            listener.note(f"{search.name}: {done} of {budget // search.cost} proposals are done already")
        for batch in _batches(search, study, budget // search.cost, len(devices), seed):
            planned = [search.trials(**proposal.setting) for proposal in batch]
            every = {trial.key: trial for trials in planned for trial in trials}
            conduct(list(every.values()), digits, store, devices=devices, listener=progress)
            for proposal, trials in zip(batch, planned, strict=True):
                errors = store.read([trial.key for trial in trials]).validation_error
                study.tell(proposal.number, float(errors.mean()), skip_if_finished=True)
    return [_found(search, study) for search, study in zip(searches, studies, strict=True)]


class _Proposal(NamedTuple):
    """A setting that Optuna proposes, and the number of its trial there."""

    number: int
    setting: dict[str, Any]


class _Journal(BaseJournalBackend):
    """Optuna's record of its studies, kept in the results store.

    Optuna's own tables cannot lie in the same database as ours: both have one of the name `trials`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self._store.read_journal(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._store.append_journal(logs)


class _Progress:
    """Passes on the progress of batches as that of the whole search, whose epochs it can only estimate."""

    def __init__(self, listener: Listener, left: int) -> None:
        self._listener = listener
        self._left = left
        self._trained = self._epochs = 0

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """See `twofold.study.Listener`."""
        self._left -= stored
        self._trained += trials - stored
        self._epochs += epochs
        ahead = max(0, self._left - self._trained) * self._epochs / max(1, self._trained)
        self._listener.begin(self._left, 0, self._epochs + round(ahead))

    def advance(self, epochs: int) -> None:
        """See `twofold.study.Listener`."""
        self._listener.advance(epochs)

    def done(self, row: dict[str, Any]) -> None:
        """See `twofold.study.Listener`."""
        self._listener.done(row)

    def note(self, text: str) -> None:
        """See `twofold.study.Listener`."""
        self._listener.note(text)


def _check(search: Search, budget: int) -> None:
    for batch_size in search.space.batch_sizes:
        search.trials(**{**search.first, "batch_size": batch_size})
    if budget < search.cost:
        raise SettingError(
            f"`budget` (={budget}) must be at least the {search.cost} trainings of one proposal "
            "(the replicates of every network that it is for)"
        )


def _counted(study: optuna.Study) -> list[FrozenTrial]:
    """The proposals that count towards the budget: those finished and those under way."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.RUNNING))


def _batches(search: Search, study: optuna.Study, most: int, devices: int, seed: int) -> Iterator[list[_Proposal]]:
    """Proposals to train side by side: what was left unfinished, then new ones, `most` in all.

    In the end come those that another run is training: this run helps, or waits for them.
    """
    if not study.trials and search.starts_within:
        study.enqueue_trial({name: search.first[name] for name in search.distributions})
    yield from _unfinished(search, study)
    size = _batch_size(search.cost, devices)
    while (room := most - len(_counted(study))) > 0:
        yield _ask(search, study, min(size, room), seed)
    yield from _unfinished(search, study)


def _unfinished(search: Search, study: optuna.Study) -> Iterator[list[_Proposal]]:
    """The proposals under way, as one batch; those that were never made in full are given up."""
    batch = []
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if trial.params.keys() >= search.distributions.keys():
            batch.append(_Proposal(trial.number, trial.params))
        elif trial.datetime_start and datetime.now(UTC) - trial.datetime_start.astimezone(UTC) > _MAKING:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    if batch:
        yield batch


def _ask(search: Search, study: optuna.Study, count: int, seed: int) -> list[_Proposal]:
    """New proposals, by the tree-structured Parzen estimator (Bergstra et al. 2011).

    Those under way count as bad ones, so that the proposals of a batch differ (constant liar: Ginsbourger et al.
    2010). All take the optimizer and the batch size of the first, so that one compiled program trains them together.
    """
    words = np.random.SeedSequence([seed, len(study.trials)]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(seed=int(words[0]), constant_liar=True)
    proposals: list[_Proposal] = []
    for _ in range(count):
        if proposals:
            study.enqueue_trial({name: proposals[0].setting[name] for name in _PROGRAM})
        trial = study.ask(search.distributions)
        proposals.append(_Proposal(trial.number, trial.params))
    return proposals


def _batch_size(cost: int, devices: int) -> int:
    """The fewest proposals whose trainings leave hardly any place of the devices' cohorts empty."""

    def idle(proposals: int) -> float:
        trainings = proposals * cost
        return 1 - trainings / (math.ceil(trainings / devices) * devices)

    return next(count for count in itertools.count(1) if idle(count) <= _MOST_IDLE)


def _found(search: Search, study: optuna.Study) -> Found:
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    rows = [{**trial.params, "validation_error": trial.value} for trial in complete]
    keys = {trial.key: trial for row in complete for trial in search.trials(**row.params)}
    enough = len(rows) >= _LEAST_FOR_IMPORTANCES and len({row["validation_error"] for row in rows}) > 1
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return Found(
        networks=search.networks,
        proposals=pd.DataFrame(rows, columns=[*search.distributions, "validation_error"]),
        importances=optuna.importance.get_param_importances(study, evaluator=evaluator) if enough else {},
        trials=list(keys.values()),
    )
