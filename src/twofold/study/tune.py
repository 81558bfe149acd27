"""Searching for the best settings with Optuna (the extra `tune`).

A proposal is a setting; it is judged by the mean validation error over the same few rounds as all others, and every
training behind it is a trial of the results store. Optuna's record of the search lies in the same database, as a
journal of its own: a search goes on from there. The store's keys and claims see to it that nothing is trained twice.

Proposals come in batches. Those of a batch are made knowing all earlier batches and nothing of their own, are trained
side by side, and their errors are told in their order: so what is proposed depends neither on how many devices there
are, nor on which training ends first, nor on where a search was stopped and gone on with.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from twofold.study.forecast import NOTHING, Forecast, forecast
from twofold.study.keep import Keeper
from twofold.study.listener import Listener
from twofold.study.plan import plan_of_search
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

    from twofold.study.cluster import Cluster

# Proposals of a batch: with four, one, two or four devices are busy whatever the trainings of one proposal, and most of
# a search still knows what came of the rest.
DEFAULT_BATCH = 4

# More proposals at a time are a slip of the keyboard: no search makes so many in all.
MOST_OF_A_BATCH = 10_000

# A proposal that still lacks settings after this long was being made when its run was killed.
_MAKING = timedelta(minutes=1)

# What lies ahead of a search is told by so many settings, drawn at random from its space.
_MOST_DRAWN = 100

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
    the setting that it starts from, where the space has it. `batch` is how many proposals are made at a time.
    """

    networks: tuple[str, ...]
    space: SearchSpace
    trials: Callable[..., list[Trial]]
    first: dict[str, Any]
    batch: int = DEFAULT_BATCH

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
        """Optuna's name for the search: the networks, and a hash of all that decides its proposals and their errors.

        The batch is in it where it is not the default, as later settings are in a trial's key.
        """
        identity: list[Any] = [self.space.identity(), [trial.key for trial in self.trials(**self.first)]]
        if self.batch != DEFAULT_BATCH:
            identity.append(self.batch)
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
    keep: str = "none",
    on_row: Callable[[dict[str, Any]], Any] | None = None,
) -> list[Found]:
    """Conduct each search until it has used `budget` trainings, or as many as make up whole proposals.

    What earlier runs of the same search found counts. Proposals that a killed run left unfinished are finished first.
    `devices` is called when there is something to train. `trace`, `on_row`, and the keeper that `keeper_of` gives for a
    batch are those of `conduct`. The plan that `content` says in words is recorded first, with the trials that were
    come to before, and each batch when it is proposed.

    Raises `SettingError` where the budget does not suffice for one proposal, or a setting cannot be used.
    """
    patience = Patience(listener.note)
    for search in searches:
        _check(search, budget)
    studies = _studies(_Journal(store, patience), [search.name for search in searches])
    most = [budget // search.cost for search in searches]
    done = [len(_complete(study)) for study in studies]
    left = sum(s.cost * max(0, wanted - there) for s, wanted, there in zip(searches, most, done, strict=True))
    progress = _Progress(listener, left)
    plan = None if content is None else plan_of_search([search.name for search in searches], budget, content)
    if plan:
        proposed = [proposal for search, study in zip(searches, studies) for proposal in _proposed(search, study)]
        record(plan, sorted(set(proposed)), store, patience if left else None, listener)
    if left:
        rest = [max(0, wanted - there) for wanted, there in zip(most, done, strict=True)]
        listener.expect(lambda: _ahead(searches, rest, digits, devices, store, seed=seed, trace=trace, keep=keep))
    else:
        store.tidy()
    for search, study, wanted, there in zip(searches, studies, most, done, strict=True):
        if there:
            listener.note(f"{search.name}: {there} of {wanted} proposals are done already")
        for batch in _batches(search, study, wanted, seed):
            planned = [search.trials(**proposal.setting) for proposal in batch]
            every = list({trial.key: trial for trials in planned for trial in trials}.values())
            conduct(
                every,
                digits,
                store,
                devices=devices,
                listener=progress,
                trace=trace,
                keeper=keeper_of(every) if keeper_of else None,
                plan=plan,
                on_row=on_row,
            )
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


def ahead(
    searches: Sequence[Search],
    *,
    budget: int,
    digits: Images | Source,
    store: Store | None,
    devices: "Callable[[], Sequence[jax.Device] | Cluster]",
    seed: int = 0,
    trace: bool = False,
    keep: str = "none",
) -> Forecast:
    """What `tune` would take, if its proposals were drawn at random; nothing is stored.

    Raises `SettingError` as `tune` does.
    """
    for search in searches:
        _check(search, budget)
    done = [0] * len(searches) if store is None else _done_in(store, [search.name for search in searches])
    rest = [max(0, budget // search.cost - there) for search, there in zip(searches, done, strict=True)]
    return _ahead(searches, rest, digits, devices, store, seed=seed, trace=trace, keep=keep)


def _ahead(
    searches: Sequence[Search],
    proposals: Sequence[int],
    digits: Images | Source,
    devices: "Callable[[], Sequence[jax.Device] | Cluster]",
    store: Store | None,
    *,
    seed: int,
    trace: bool,
    keep: str,
) -> Forecast:
    """What so many more proposals of each search take."""
    trials = [
        trial
        for search, count in zip(searches, proposals, strict=True)
        for setting in _at_random(search, count, seed)
        for trial in search.trials(**setting)
    ]
    return forecast(trials, digits, devices(), store=store, trace=trace, keep=keep, short=True) if trials else NOTHING


def _at_random(search: Search, count: int, seed: int) -> list[dict[str, Any]]:
    """So many settings of the search's space; of a large number some again and again."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    drawn = [study.ask(search.distributions).params for _ in range(min(count, _MOST_DRAWN))]
    return [drawn[number % len(drawn)] for number in range(count)]


def _done_in(store: Store, names: Sequence[str]) -> list[int]:
    """How many proposals of the searches of these names are done already."""
    journal = _Journal(store, Patience(lambda _: None))
    with _readable(journal):
        storage = optuna.storages.JournalStorage(journal)
        numbers = {study.study_name: study._study_id for study in storage.get_all_studies()}
        complete = (TrialState.COMPLETE,)
        return [storage.get_n_trials(numbers[name], complete) if name in numbers else 0 for name in names]


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
    with _readable(journal):
        storage = optuna.storages.JournalStorage(journal)
        return [optuna.create_study(storage=storage, study_name=name, load_if_exists=True) for name in names]


@contextmanager
def _readable(journal: _Journal) -> Iterator[None]:
    """Makes a `StoreError` of what Optuna raises where it reads entries that it did not write."""
    try:
        yield
    except (
        AssertionError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
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

    def expect(self, forecast: Callable[[], Forecast]) -> None:
        """What lies ahead of a batch is told with all that lies ahead of the search."""

    def known(self, rows: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        """See `twofold.study.listener.Listener`."""
        self._listener.known(rows)

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


def _batches(search: Search, study: optuna.Study, most: int, seed: int) -> Iterator[list[_Proposal]]:
    """Proposals to train side by side, until the first `most` of the search are done."""
    if not study.trials and search.starts_within:
        study.enqueue_trial({name: search.first[name] for name in search.distributions})
    while True:
        made = _made(search, study)
        unfinished = [trial for trial in made[:most] if trial.state is TrialState.RUNNING]
        if len(made) >= most and not unfinished:
            return
        if len(made) % search.batch or not unfinished:
            _make_rest(search, study, made, seed)
        else:
            yield [_Proposal(trial.number, trial.params) for trial in unfinished]


def _made(search: Search, study: optuna.Study) -> list[FrozenTrial]:
    """The proposals that were made in full, in their order; of the others those that nobody makes are given up."""
    made = []
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.RUNNING)):
        if trial.params.keys() >= search.distributions.keys():
            made.append(trial)
        elif trial.datetime_start and datetime.now(UTC) - trial.datetime_start.astimezone(UTC) > _MAKING:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return made


def _make_rest(search: Search, study: optuna.Study, made: Sequence[FrozenTrial], seed: int) -> None:
    """Make the rest of the last batch, by the tree-structured Parzen estimator (Bergstra et al. 2011).

    Those under way count as bad ones, so that the proposals of a batch differ (constant liar: Ginsbourger et al.
    2010). All take what is compiled of the first, so that one program trains them together. Each has random numbers of
    its own, by its place in the search.
    """
    compiled = [name for name in of_role("program") if name in search.distributions]
    begin = len(made) - len(made) % search.batch
    first = made[begin].params if begin < len(made) else None
    for place in range(len(made), begin + search.batch):
        words = np.random.SeedSequence([seed, place]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(seed=int(words[0]), constant_liar=True)
        # One may wait already, where a run was killed just here.
        if first and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial({name: first[name] for name in compiled})
        proposed = study.ask(search.distributions).params
        first = first or proposed


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _proposed(search: Search, study: optuna.Study) -> Iterator[str]:
    """The keys of the trials of all proposals that were made in full."""
    for proposal in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING)):
        if proposal.params.keys() >= search.distributions.keys():
            yield from (trial.key for trial in search.trials(**proposal.params))


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
