"""Searching for the best settings with Optuna (the extra `tune`).

A proposal is a setting; it is judged by the mean validation error over the same few rounds as all others, and every
training behind it is a trial of the results store. Optuna's record of the search lies in the same database, as a
journal of its own: a search goes on from there. The store's keys and claims see to it that nothing is trained twice.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from twofold.data import Images, Source
from twofold.errors import SettingError, cause_of, unknown_choice
from twofold.networks import find_network
from twofold.results import Store
from twofold.results.patience import Patience
from twofold.results.rows import damaged
from twofold.settings import SETTINGS, Declaration, of_role, several, value_text
from twofold.settings import Search as Space
from twofold.study.conduct import conduct, record
from twofold.study.keep import Keeper
from twofold.study.listener import Listener
from twofold.study.plan import plan_of_search
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

    from twofold.study.cluster import Cluster

# How much of the devices' time a batch of proposals may leave unused.
_MOST_IDLE = 0.1

# A proposal that still lacks settings after this long was being made when its run was killed.
_MAKING = timedelta(minutes=1)

# Importances of fewer proposals mean nothing.
_LEAST_FOR_IMPORTANCES = 10

# The settings that the first version searched, in its order, by the names under which it wrote their space down.
_FIRST_SPACE = {
    "optimizer": "optimizers",
    "learning_rate": "learning_rate",
    "batch_size": "batch_sizes",
    "epochs": "epochs",
    "aux_weight": "aux_weight",
}


def searchable() -> tuple[str, ...]:
    """The settings that may be searched: the first version's in its order, then later ones."""
    later = (name for name, declared in SETTINGS.items() if declared.search and name not in _FIRST_SPACE)
    return (*_FIRST_SPACE, *later)


@dataclass(frozen=True)
class SearchSpace:
    """What to search: choices of a setting, or the ends (low, high) of its range, both included.

    Ranges are searched on a logarithmic scale. A setting with one value keeps to it. `written` is `where` as it was
    given, before 1 became 1.0: by it the first version told searches apart.
    """

    where: Mapping[str, tuple]
    written: Mapping[str, tuple]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "SearchSpace":
        """The space that `twofold.settings` declares, with what is given in its place; one value fixes a setting.

        Raises `SettingError` where a setting cannot be searched, or its choices or range cannot be used.
        """
        where, written = {}, {}
        for name in given:
            if name not in searchable():
                raise unknown_choice("a setting to search", name, searchable())
        for name in searchable():
            search = SETTINGS[name].search
            if search and (name in given or search.by_default):
                written[name] = tuple(several(given.get(name, search.values)))
                where[name] = _space(SETTINGS[name], search, written[name])
        return cls(MappingProxyType(where), MappingProxyType(written))

    def distributions(self, networks: Iterable[str]) -> dict[str, BaseDistribution]:
        """The space as Optuna has it, of the settings that one of the networks uses."""
        uses = {setting for network in networks for setting in find_network(network).uses}
        return {
            name: _distribution(SETTINGS[name], values)
            for name, values in self.where.items()
            if name in uses or not SETTINGS[name].of_network
        }

    def identity(self) -> dict[str, tuple]:
        """What tells this space from others: the first version's settings, all of them, and those searched beside."""
        return {_FIRST_SPACE.get(name, name): values for name, values in self.written.items()}

    def has(self, name: str, value: Any) -> bool:
        """Whether the space has this value of a setting that it searches."""
        values = self.where[name]
        return value in values if _by_choices(SETTINGS[name]) else values[0] <= value <= values[-1]


def _by_choices(declared: Declaration) -> bool:
    return declared.search is not None and declared.search.of == "choices"


def _space(declared: Declaration, search: Space, values: Sequence[Any]) -> tuple:
    if not values:
        raise SettingError(f"`{declared.name}` is empty; give at least one value")
    checked = tuple(declared.checked(value) for value in values)
    if search.of == "choices" or len(checked) == 1:
        return checked
    if len(checked) > 2 or not 0 < checked[0] <= checked[-1]:
        shown = " ".join(map(value_text, checked))
        raise SettingError(f"`{declared.name}` (={shown}) must be a range: the low end, above 0, then the high")
    return checked


def _distribution(declared: Declaration, values: tuple) -> BaseDistribution:
    if _by_choices(declared) or len(values) == 1:
        return CategoricalDistribution(values)
    kind = IntDistribution if declared.type is int else FloatDistribution
    return kind(*values, log=True)


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
        return all(self.space.has(name, self.first[name]) for name in self.distributions)

    @property
    def cost(self) -> int:
        """The trainings of one proposal."""
        return len(self.trials(**self.first))

    @property
    def name(self) -> str:
        """Optuna's name for the search: the networks, and a hash of all that decides what a proposal comes to."""
        identity = [self.space.identity(), [trial.key for trial in self.trials(**self.first)]]
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


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Optuna without its lines about every proposal; how much it says elsewhere in the process is as before."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@_quiet_optuna()
def tune(
    searches: Sequence[Search],
    *,
    budget: int,
    digits: Images | Source,
    store: Store,
    devices: "Callable[[], Sequence[jax.Device] | Cluster]",
    listener: Listener,
    seed: int = 0,
    trace: bool = False,
    keeper_of: Callable[[Sequence[Trial]], Keeper] | None = None,
    content: Mapping[str, Any] | None = None,
) -> list[Found]:
    """Conduct each search until it has used `budget` trainings, or as many as make up whole proposals.

    What earlier runs of the same search found counts. Proposals that a killed run left unfinished are finished first.
    `devices`, as in `conduct`, is called when there is something to train; a batch of proposals is as many as occupy
    them. `trace` and the keeper that `keeper_of` gives for a batch are those of `conduct`. The plan that `content` says
    in words is recorded first, with the trials that were come to before, and each batch when it is proposed.

    Raises `SettingError` where the budget does not suffice for one proposal, or a setting cannot be used.
    """
    patience = Patience(listener.note)
    for search in searches:
        _check(search, budget)
    studies = _studies(_Journal(store, patience), [search.name for search in searches])
    left = sum(budget - s.cost * len(_counted(study)) for s, study in zip(searches, studies, strict=True))
    progress = _Progress(listener, left)
    names = [search.name for search in searches]
    plan = None if content is None else plan_of_search(names, budget, content)
    if plan:
        proposed = [proposal for search, study in zip(searches, studies) for proposal in _proposed(search, study)]
        goes_on = any(budget // s.cost > len(_complete(study)) for s, study in zip(searches, studies, strict=True))
        record(plan, sorted(set(proposed)), store, patience if goes_on else None, listener)
    for search, study in zip(searches, studies, strict=True):
        if done := len(_complete(study)):
            listener.note(f"{search.name}: {done} of {budget // search.cost} proposals are done already")
        for batch in _batches(search, study, budget // search.cost, devices, seed):
            planned = [search.trials(**proposal.setting) for proposal in batch]
            every = list({trial.key: trial for trials in planned for trial in trials}.values())
            keeper = keeper_of(every) if keeper_of else None
            conduct(every, digits, store, devices=devices, listener=progress, trace=trace, keeper=keeper, plan=plan)
            for proposal, trials in zip(batch, planned, strict=True):
                keys = [trial.key for trial in trials]
                errors = patience.with_(partial(store.read, keys)).validation_error
                study.tell(proposal.number, float(errors.mean()), skip_if_finished=True)
    return [_found(search, study) for search, study in zip(searches, studies, strict=True)]


@_quiet_optuna()
def forget(store: Store, names: Sequence[str]) -> None:
    """Have Optuna forget the searches of these names: what they proposed, and what came of it."""
    journal = _Journal(store, Patience(lambda _: None))
    for study in _studies(journal, names):
        optuna.delete_study(study_name=study.study_name, storage=optuna.storages.JournalStorage(journal))


class _Proposal(NamedTuple):
    """A setting that Optuna proposes, and the number of its trial there."""

    number: int
    setting: dict[str, Any]


class _Journal(BaseJournalBackend):
    """Optuna's record of its studies, kept in the results store.

    Optuna's own tables cannot lie in the same database as ours: both have one of the name `trials`.
    """

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store, self._patience = store, patience
        self.url = store.url
        self._read = 0  # how many entries Optuna has read; it reads after all that it appends

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        logs = self._patience.with_(lambda: self._store.read_journal(log_number_from))
        self._read = max(self._read, log_number_from + len(logs))
        return logs

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        tried = False

        def append() -> None:
            nonlocal tried
            # Where a connection was cut it may be that they were written, and we were not told.
            written = self._store.read_journal(self._read) if tried else []
            tried = True
            if not all(entry in written for entry in logs):
                self._store.append_journal(logs)

        self._patience.with_(append)


def _studies(journal: _Journal, names: Sequence[str]) -> list[optuna.Study]:
    """Optuna's studies of these names, with what the store's journal says of them. Raises `StoreError`."""
    try:
        storage = optuna.storages.JournalStorage(journal)
        return [optuna.create_study(storage=storage, study_name=name, load_if_exists=True) for name in names]
    except (
        AssertionError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:  # of entries that Optuna did not write
        raise damaged(journal.url, f"Optuna cannot read the journal of searches ({cause_of(error)})") from error


class _Progress:
    """Passes on the progress of batches as that of the whole search, whose epochs it can only estimate."""

    def __init__(self, listener: Listener, left: int) -> None:
        self._listener = listener
        self._left = left
        self._trained = self._epochs = 0

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """See `twofold.study.listener.Listener`."""
        self._left -= stored
        self._trained += trials - stored
        self._epochs += epochs
        ahead = max(0, self._left - self._trained) * self._epochs / max(1, self._trained)
        self._listener.begin(self._left, 0, self._epochs + round(ahead))

    def advance(self, epochs: int) -> None:
        """See `twofold.study.listener.Listener`."""
        self._listener.advance(epochs)

    def done(self, row: dict[str, Any]) -> None:
        """See `twofold.study.listener.Listener`."""
        self._listener.done(row)

    def note(self, text: str) -> None:
        """See `twofold.study.listener.Listener`."""
        self._listener.note(text)


def _check(search: Search, budget: int) -> None:
    for batch_size in search.space.where["batch_size"]:
        search.trials(**{**search.first, "batch_size": batch_size})
    if budget < search.cost:
        raise SettingError(
            f"`budget` (={budget}) must be at least the {search.cost} trainings of one proposal "
            "(the rounds of every network that it is for)"
        )


def _counted(study: optuna.Study) -> list[FrozenTrial]:
    """The proposals that count towards the budget: those finished and those under way."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.RUNNING))


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE,))


def _proposed(search: Search, study: optuna.Study) -> Iterator[str]:
    """The keys of the trials of all proposals that were made in full."""
    for proposal in _counted(study):
        if proposal.params.keys() >= search.distributions.keys():
            yield from (trial.key for trial in search.trials(**proposal.params))


def _batches(
    search: Search, study: optuna.Study, most: int, devices: Callable[[], Sized], seed: int
) -> Iterator[list[_Proposal]]:
    """Proposals to train side by side: what was left unfinished, then new ones, `most` in all.

    In the end come those that another run is training: this run helps, or waits for them.
    """
    if not study.trials and search.starts_within:
        study.enqueue_trial({name: search.first[name] for name in search.distributions})
    yield from _unfinished(search, study)
    while (room := most - len(_counted(study))) > 0:
        yield _ask(search, study, min(_batch_size(search.cost, len(devices())), room), seed)
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
    2010). All take what is compiled of the first, so that one program trains them together.
    """
    compiled = [name for name in of_role("program") if name in search.distributions]
    words = np.random.SeedSequence([seed, len(study.trials)]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(seed=int(words[0]), constant_liar=True)
    proposals: list[_Proposal] = []
    for _ in range(count):
        if proposals:
            study.enqueue_trial({name: proposals[0].setting[name] for name in compiled})
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
    complete = _complete(study)
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
