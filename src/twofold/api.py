"""What a notebook or a script uses: `Study(...).run()` and the result it gives."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from twofold.analysis import (
    SELECT_ON,
    by_round,
    choice,
    components,
    ensembles,
    own_weights,
    summary,
    varying_settings,
    without_unused,
)
from twofold.data import Reading, Relation, Source, find_source
from twofold.data.asked import find_pairs
from twofold.data.reading import classes_text
from twofold.errors import SettingError, StoreError, needing, unknown_choice
from twofold.export.portable import check_exportable, contents_of, files_of
from twofold.export.trained import find_kept, open_named
from twofold.networks import PAPERS, Network, check_used
from twofold.networks.own import Own, resolve
from twofold.paths import typed_path
from twofold.report.live import LiveDisplay
from twofold.report.notebook import NotebookDisplay, as_html, as_text, in_notebook
from twofold.report.places import check_file, not_writable, write_file
from twofold.report.terminal.study import summary_table
from twofold.report.terminal.tune import best_settings_table
from twofold.report.text.told import results_of
from twofold.results import DEFAULT_URL, ModelStore, Store, models_folder
from twofold.results.plans import COMMANDS, Plan
from twofold.settings import COMPARED, SETTINGS, Settings, check_whole, round_numbers, settings_class, several
from twofold.study import Trial, factorial, fresh_rounds
from twofold.study.asking import ask
from twofold.study.conduct import conduct, lacking
from twofold.study.connection import LOCAL, check_cluster
from twofold.study.forecast import NOTHING, Forecast, forecast
from twofold.study.keep import Keeper, check_keep
from twofold.study.listener import Listener, Silence
from twofold.study.plan import identities_of, plan_of, study_in_words
from twofold.training.devices import check_workers, prepare_devices

if TYPE_CHECKING:
    import jax
    from matplotlib.figure import Figure
    from rich.table import Table

    from twofold.study.cluster import Cluster
    from twofold.study.tune import Found, Search, SearchSpace

# What is called with each new row.
OnRow = Callable[[dict[str, Any]], Any]


@settings_class
class Study(Settings):
    """A study: networks, trained on fresh pairs with fresh weights in every round.

    The defaults are the paper's settings on the embedded digits. Every setting may be one value or several: the study
    then trains every combination, as a grid search does; but for the images: `data`, the name of a data set or the path
    of one's own (docs/own_data.md), `pool` and `size`. `classes` names those that are taken, in the order that numbers
    them. `rounds` is a number (rounds 0, 1, ...), a range, or a text such as "1000-1049". `validation_pairs=None` draws
    1000, or as many as remain in the training images. `weight_round=range(10)` crosses the pairs of every round with
    the initial weights of ten; by default they are the round's own. What each setting is stands in `twofold study
    --help`.

    >>> Study(rounds=2, epochs=[5, 10]).run().table  # doctest: +SKIP
    """

    networks: str | Own | Sequence[str | Own] = PAPERS
    rounds: int | str | range = 20
    data_dir: str | Path | None = None
    classes: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.networks, str | Own):
            several = tuple(self.networks) if isinstance(self.networks, Iterable) else (self.networks,)
            for each in several:
                if not isinstance(each, str | Own):
                    raise SettingError(
                        f"`networks` (={each!r}) must be the name of a network, or several; a class of your own is "
                        "given as twofold.network(Net)"
                    )
            object.__setattr__(self, "networks", several)

    def trials(self) -> list[Trial]:
        """The plan: every trial of the study, in the order of its rounds.

        Raises `SettingError` where a setting cannot be used, `DataError` where the images cannot be read.
        """
        return self._trials_of(self._networks)

    def run(
        self,
        *,
        workers: int | None = None,
        store: str | Path = DEFAULT_URL,
        progress: bool = True,
        trace: bool = False,
        keep_models: str = "none",
        models: str | Path | None = None,
        cluster: str | None = None,
        on_row: OnRow | None = None,
        command: str = "study",
    ) -> StudyResult:
        """Train the trials that are not in the store yet, and return the results of all.

        The store records what was asked for as a plan, which `command` is the name of in `twofold results --plans`.
        `workers` is the number of devices to use (all the cores, or all the GPUs, by default), `store` the path of an
        SQLite file or the URL of a PostgreSQL database. `trace` keeps the number of dead units after every epoch as
        well. `keep_models` is "none", "best" or "all" (see `twofold.study.keep.Keeper`): trained networks go into the
        folder `models`, by default one beside the store.

        `cluster` trains on a cluster of Ray's (the extra `cluster`; docs/cluster.md): "local" starts one of this
        machine for as long as the study runs, "auto" takes the one that this machine is part of, and an address
        another; `workers` are then those of each node.

        `on_row` is called with each row that this run stores, once it is stored: a dictionary with the columns of
        `StudyResult.histories`. It is called in the thread that called `run`, and the next training waits for it. An
        exception that it raises ends the run, and is raised here: what was stored stays, and the same run goes on from
        there, without calling it for those rows again.

        Raises `SettingError`, `DataError`, `StoreError` or `ClusterError`, each with what to do about it.
        """
        running = Running(store, workers, progress, trace, keep_models, models, cluster, on_row)
        return run_together([self], command, running)

    def dry_run(
        self,
        *,
        workers: int | None = None,
        store: str | Path = DEFAULT_URL,
        trace: bool = False,
        keep_models: str = "none",
        models: str | Path | None = None,
    ) -> Forecast:
        """What `run` with these arguments would take: trials, programs to compile, seconds, and bytes on disk.

        Nothing is stored, and no file or folder is made. The time comes from trials in the store, or from a measurement
        of some seconds: see `twofold.study.forecast`. Raises what `run` raises.
        """
        running = Running(store, workers, trace=trace, keep_models=keep_models, models=models)
        trials = self.trials()
        self._check_used(store, trials)
        there = Store.if_there(store)
        keeper = running.keeper(there, self._source, look=True)(trials) if there else None
        missing = lacking(trials, there, trace=trace, keeper=keeper)
        if not missing:
            return NOTHING
        with running.devices() as devices:
            return forecast(missing, self._source, devices(), store=there, trace=trace, keep=keep_models)

    def tune(
        self,
        *,
        budget: int = 600,
        together: bool = False,
        batch: int | None = None,
        workers: int | None = None,
        store: str | Path = DEFAULT_URL,
        progress: bool = True,
        trace: bool = False,
        keep_models: str = "none",
        models: str | Path | None = None,
        cluster: str | None = None,
        on_row: OnRow | None = None,
        **space: Any,
    ) -> TuneResult:
        """Search for the settings with the lowest validation error: for each network, or `together` for all of them.

        `budget` is the number of trainings of each search. A proposal is trained in all the rounds of this study (few
        will do), whose own setting is the first proposal, if the search space has it. `batch` proposals, by default 4,
        are made at a time, knowing what came of those before; for more than four devices make it larger. The same
        search proposes the same whatever the number of workers; another batch is another search. Further arguments say
        where to search a setting, by its name: choices, or the ends of a range, as in `optimizer=["adam", "sgd"],
        learning_rate=(0.0001, 0.01)`; by default where `twofold tune --help` says. A search goes on from what the store
        holds. The other arguments are those of `run`.

        Needs the extra `tune` (Optuna). Raises `SettingError`, `DataError` or `StoreError`.
        """
        with needing("tune", "tuning"):
            from twofold.study.tune import tune
        budget = check_whole("budget", budget, least=1)
        running = Running(store, workers, progress, trace, keep_models, models, cluster, on_row)
        start, searches = self._searches(space, together, batch)
        asked = {"batch": searches[0].batch, "space": searches[0].space.written}
        opened = Store(store)
        with running.listener(opened) as listener, running.devices(listener) as devices:
            found = tune(
                searches,
                budget=budget,
                digits=self._source,
                store=opened,
                devices=devices,
                listener=listener,
                seed=several(self.seed)[0],
                trace=trace,
                keeper_of=running.keeper(opened, self._source),
                content=start._plan_of([start._in_words([])], budget=budget, together=together, **asked),
                keep=keep_models,
                on_row=on_row,
            )
        return TuneResult(study=start, store=opened, found=found)

    def dry_tune(
        self,
        *,
        budget: int = 600,
        together: bool = False,
        batch: int | None = None,
        workers: int | None = None,
        store: str | Path = DEFAULT_URL,
        trace: bool = False,
        keep_models: str = "none",
        **space: Any,
    ) -> Forecast:
        """What `tune` with these arguments would take, if its proposals were drawn at random: see `dry_run`.

        Needs the extra `tune` (Optuna). Raises what `tune` raises.
        """
        with needing("tune", "tuning"):
            from twofold.study.tune import ahead
        budget = check_whole("budget", budget, least=1)
        running = Running(store, workers, trace=trace, keep_models=keep_models)
        _, searches = self._searches(space, together, batch)
        with running.devices() as devices:
            return ahead(
                searches,
                budget=budget,
                digits=self._source,
                store=Store.if_there(store),
                devices=devices,
                seed=several(self.seed)[0],
                trace=trace,
                keep=keep_models,
            )

    def check_selection(self, select_on: str) -> None:
        """Raise `SettingError` unless `select_on` is "test", or "validation" and every trial has validation pairs."""
        if select_on not in SELECT_ON:
            raise unknown_choice("select_on", select_on, SELECT_ON)
        lacking = next((trial for trial in self.trials() if not trial.validation_pairs), None)
        if select_on == "validation" and lacking:
            raise SettingError(
                f"choosing by the validation error needs validation pairs, and {self._source.name} is asked for none "
                f"beside {lacking.pairs} training pairs; ask for fewer `pairs`, use a larger data set (--data mnist), "
                "or, in a grid, select on 'test'"
            )

    def confirmation(self, setting: Mapping[str, Any], rounds: int) -> Study:
        """The study of one setting of this one, on `rounds` rounds of its own: 1000, 1001, ...

        What a search chose looks better than it is on the rounds that it was chosen on. The fresh rounds redraw
        pairs and weights, from the same images. Raises `SettingError` where this study reaches round 1000.
        """
        return replace(self, **dict(setting), rounds=fresh_rounds(rounds, max(round_numbers(self.rounds)) + 1))

    def _in_words(
        self, trials: Sequence[Trial], networks: Sequence[str] | None = None, **setting: Any
    ) -> dict[str, Any]:
        """This study as a plan says it, or these networks of it with some settings in the place of its own."""
        settings = {name: getattr(self, name) for name in SETTINGS} | setting
        chosen = [each for each in self._resolved if networks is None or each.name in networks]
        classes = self._reading.classes
        return study_in_words(
            chosen, round_numbers(self.rounds), settings, None if classes is None else classes_text(classes), trials
        )

    def _plan_of(self, studies: Sequence[Mapping[str, Any]], **search: Any) -> dict[str, Any]:
        """The content of a plan of these studies, which are all of this one's networks and images."""
        content = {"studies": list(studies), "identities": self.identities}
        if not search:
            return content
        space = {name: _one_or_several(values) for name, values in search["space"].items()}
        return content | {"search": {**search, "space": space}}

    def _trials_of(self, networks: Sequence[str], **setting: Any) -> list[Trial]:
        """The plan for these networks, with some settings in the place of the study's own."""
        axes = {name: getattr(self, name) for name, declared in SETTINGS.items() if declared.role != "images"}
        identities = {network.name: network.identity for network in self._resolved}
        return factorial(
            self._source,
            network=networks,
            identities=identities,
            asked=self._asked,
            rounds=round_numbers(self.rounds),
            **{**axes, **setting},
        )

    def _searches(self, space: Mapping[str, Any], together: bool, batch: int | None) -> tuple[Study, list[Search]]:
        """The study that `tune` starts from, and the searches that it conducts. Raises `SettingError`."""
        from twofold.study.tune import DEFAULT_BATCH, MOST_OF_A_BATCH, SearchSpace

        batch = check_whole("batch", DEFAULT_BATCH if batch is None else batch, least=1, most=MOST_OF_A_BATCH)
        chosen = {name: value for name, value in _in_new_words(space).items() if value is not None}
        start = self._startable(chosen)
        start.check_selection("validation")
        asked = [name for name in chosen if name in SETTINGS and SETTINGS[name].of_network]
        check_used(self._networks, [*asked, *self._of_networks])
        return start, start._searches_in(SearchSpace.of(chosen), together, batch)

    def _searches_in(self, space: SearchSpace, together: bool, batch: int) -> list[Search]:
        """The searches of a space. Raises `SettingError` where the study has several values to start from."""
        from twofold.study.tune import Search

        values = {
            name: several(getattr(self, name)) for name, declared in SETTINGS.items() if declared.role != "images"
        }
        for name, given in values.items():
            if len(given) != 1:
                raise SettingError(f"`{name}` (={getattr(self, name)!r}) must be one value for a search to start from")
        first = {name: SETTINGS[name].checked(values[name][0]) for name in space.where}
        return [
            Search(networks=group, space=space, trials=partial(self._trials_of, group), first=first, batch=batch)
            for group in ([self._networks] if together else [(name,) for name in self._networks])
        ]

    def _startable(self, space: Mapping[str, Any]) -> Study:
        """This study, or where no trial can have its settings, the one with those that a search keeps to."""
        try:
            self.trials()
        except SettingError:
            kept = {name: several(value) for name, value in space.items() if name in SETTINGS}
            return replace(self, **{name: values[0] for name, values in kept.items() if len(values) == 1})
        return self

    def _check_used(self, store: str | Path, trials: Sequence[Trial]) -> str:
        """Refuse settings that no network of the study uses, unless an earlier version has trained it all with them.

        Then it is said that they make no difference.
        """
        try:
            check_used(self._networks, self._of_networks)
        except SettingError as error:
            varied = any(len(several(getattr(self, name))) > 1 for name in self._of_networks)
            if varied or not _all_stored(store, trials):
                raise
            return f"{error}; all trials are in the store, which are those without it"
        return ""

    @property
    def identities(self) -> dict[str, str]:
        """Of what has a name of its own (networks, functions, the images) the hash that tells what it is now."""
        return identities_of(self._resolved, self._asked, self._source)

    @property
    def _of_networks(self) -> list[str]:
        """The settings of networks that are not left at their defaults."""
        return [n for n, s in SETTINGS.items() if s.of_network and several(getattr(self, n)) != [s.default]]

    @property
    def _networks(self) -> tuple[str, ...]:
        return tuple(network.name for network in self._resolved)

    @cached_property
    def _resolved(self) -> list[Network]:
        """The networks: those of one's own are read, which takes seconds, where there are any."""
        return resolve(several(self.networks), self._source.task, starting=prepare_devices)

    @cached_property
    def _asked(self) -> dict[str, Relation]:
        """What the relations mean: functions are read once for a study."""
        return ask(map(SETTINGS["relation"].checked, several(self.relation)), self._source.class_names)

    @cached_property
    def _source(self) -> Source:
        folder = None if self.data_dir is None else typed_path("data_dir", self.data_dir)
        return find_source(SETTINGS["data"].checked(self.data), folder, self._reading)

    @cached_property
    def _reading(self) -> Reading:
        return Reading.of({name: getattr(self, name) for name in SETTINGS}, self.classes)


def planned_studies(content: Mapping[str, Any], data_dir: Path | None = None) -> list[Study]:
    """The studies of a plan, as `twofold.results.plans.check_content` has it. Raises `SettingError`."""
    return [
        Study(
            networks=each["networks"],
            rounds=each["rounds"],
            classes=each.get("classes"),
            data_dir=data_dir,
            **each.get("settings", {}),
        )
        for each in content["studies"]
    ]


@dataclass(frozen=True)
class Running:
    """How trials are trained: what all that trains or looks ahead takes, as `Study.run` says it, checked.

    Raises `SettingError` or `ExtraError` for what cannot be trained on; nothing is started for it.
    """

    store: str | Path = DEFAULT_URL
    workers: int | None = None
    progress: bool = True
    trace: bool = False
    keep_models: str = "none"
    models: str | Path | None = None
    cluster: str | None = None
    on_row: OnRow | None = None

    def __post_init__(self) -> None:
        check_cluster(self.cluster)
        if self.cluster in (None, LOCAL):
            check_workers(self.workers)
        elif self.workers is not None:
            check_whole("workers", self.workers, least=1)
        check_keep(self.keep_models)

    def keeper(self, opened: Store, source: Source, *, look: bool = False) -> Callable[[Sequence[Trial]], Keeper]:
        """Makes the keeper of a plan's networks. Raises `SettingError` or `StoreError` where none can be."""
        kept = ModelStore(models_folder(self.store) if self.models is None else self.models)
        return lambda trials: Keeper(self.keep_models, kept, opened, trials, source, look=look)

    @contextlib.contextmanager
    def listener(self, opened: Store) -> Iterator[Listener]:
        """Who is told how it goes on; what the store has to tell, such as where its copy is, is told in any case."""
        shown: LiveDisplay | NotebookDisplay = NotebookDisplay() if in_notebook() else LiveDisplay()
        for note in opened.notes:
            shown.note(note)
        with shown if self.progress else contextlib.nullcontext(Silence()) as listener:
            yield listener

    @contextlib.contextmanager
    def devices(self, listener: Listener | None = None) -> Iterator[Callable[[], Sequence[jax.Device] | Cluster]]:
        """Gives the devices when they are first asked for, and tells the listener what there is to tell of them.

        They are those of this machine, or a cluster, which is left at the end.
        """
        tell = (listener or Silence()).note
        with contextlib.ExitStack() as ending:

            @functools.cache
            def devices() -> Sequence[jax.Device] | Cluster:
                if self.cluster is not None:
                    from twofold.study.cluster import Cluster

                    return ending.enter_context(Cluster(self.cluster, self.workers, tell))
                from twofold.training.devices import use_devices

                return use_devices(self.workers, tell)

            yield devices

    def train(self, trials: Sequence[Trial], source: Source, opened: Store, plan: Plan, note: str = "") -> None:
        """Train those of a plan's trials that a store lacks: see `twofold.study.conduct`."""
        keeper = self.keeper(opened, source)(trials)
        with self.listener(opened) as listener, self.devices(listener) as devices:
            if note:
                listener.note(note)
            conduct(
                trials,
                source,
                opened,
                devices=devices,
                listener=listener,
                trace=self.trace,
                keeper=keeper,
                plan=plan,
                on_row=self.on_row,
            )


def run_together(studies: Sequence[Study], command: str, running: Running) -> StudyResult:
    """Run studies of the same images as one plan: see `Study.run`."""
    if command not in COMMANDS:
        raise unknown_choice("command", command, COMMANDS)
    first, of_each = studies[0], [study.trials() for study in studies]
    if len({trial.fingerprint for trials in of_each for trial in trials}) > 1:
        raise SettingError("`studies` are of several data sets; a plan is of one: make a plan for each")
    every = list({trial.key: trial for trials in of_each for trial in trials}.values())
    unused = filter(None, (study._check_used(running.store, trials) for study, trials in zip(studies, of_each)))
    note = "; ".join(unused)
    said = [study._in_words(trials) for study, trials in zip(studies, of_each)]
    identities = {name: each for study in studies for name, each in study.identities.items()}
    plan = plan_of(command, every, {"studies": said, "identities": identities})
    opened = Store(running.store)
    running.train(every, first._source, opened, plan, note)
    return StudyResult(study=first, store=opened, trials=every)


# The errors of a trial, the one that matters first.
_ERRORS = ("test_error", "validation_error", "train_error", "digit_error")

# What a choice names even where a study has a single value of it, as the paper's does.
_SEARCHED = {"optimizer", "learning_rate"}

# What arguments of `Study.tune` were called in version 0.1; they work for one version more.
_OLD_WORDS = {"optimizers": "optimizer", "batch_sizes": "batch_size"}


def _one_or_several(values: Any) -> Any:
    """Plain values, as JSON has them."""
    given = several(values)
    return given if len(given) > 1 else given[0]


def _in_new_words(space: Mapping[str, Any]) -> dict[str, Any]:
    for old in _OLD_WORDS.keys() & space.keys():
        if _OLD_WORDS[old] in space:
            raise SettingError(f"`{old}` and `{_OLD_WORDS[old]}` are one; give the latter")
        warnings.warn(f"`{old}` is called `{_OLD_WORDS[old]}` now", DeprecationWarning, stacklevel=4)
    return {_OLD_WORDS.get(name, name): value for name, value in space.items()}


def _all_stored(store: str | Path, trials: Sequence[Trial]) -> bool:
    """Whether there is a store that has them all."""
    with contextlib.suppress(StoreError):
        keys = [trial.key for trial in trials]
        return len(Store(store, create=False).present(keys)) == len(keys)
    return False


class _Shown:
    """A result that shows itself as what it is of, and a table."""

    store: Store

    @property
    def table(self) -> pd.DataFrame:
        """A row per trial."""
        raise NotImplementedError

    def _drawn(self) -> Table:
        raise NotImplementedError

    def __repr__(self) -> str:
        head = results_of(len(self.table), self.store.url)
        return f"{head}\n{as_text(self._drawn())}" if len(self.table) else head

    def _repr_html_(self) -> str:
        head = f"<div>{escape(results_of(len(self.table), self.store.url))}</div>"
        return f"{head}{as_html(self._drawn())}" if len(self.table) else head


@dataclass(frozen=True, repr=False)
class StudyResult(_Shown):
    """The results of a study, read from the store that keeps them; a notebook shows their summary."""

    study: Study
    store: Store
    trials: list[Trial]

    def _drawn(self) -> Table:
        return summary_table(self.table)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A tidy data frame, a row per trial in the order of the plan; errors are fractions.

        First come the network, the settings that vary, the round and the errors, then all that is known besides.
        """
        return _read(self.store, self.trials)

    @cached_property
    def histories(self) -> pd.DataFrame:
        """The table with each trial's training loss per epoch and, if traced, its dead units per epoch."""
        return _read(self.store, self.trials, histories=True)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The table with each trial's `wrong_answers`: for each of its test pairs a bit, packed, or None."""
        return self.table.assign(wrong_answers=self.table.key.map(self.store.wrong_answers(self.table.key)))

    @property
    def components(self) -> pd.DataFrame:
        """How much of a round's error pairs, initial weights and both decide: see `twofold.analysis.components`.

        Raises `AnalysisError` unless pairs and weights are crossed, as by `Study(rounds=10, weight_round=range(10))`.
        """
        return components(self.answers)

    def ensembles(self, size: int) -> pd.DataFrame:
        """Ensembles of so many networks of a round beside these alone: see `twofold.analysis.ensembles`."""
        return ensembles(self.answers, size)

    @property
    def summary(self) -> pd.DataFrame:
        """Mean, standard deviation, interval and more of each network's and setting's test error, as fractions."""
        return summary(without_unused(self.table), ["network", *varying_settings(self.table)])

    def choice(self, select_on: str = "validation", equivalence_margin: float | None = None) -> pd.DataFrame:
        """Which setting to take: see `twofold.analysis.choice`. The rows have every setting that the study varied.

        `select_on` is "validation" or "test"; the latter is the paper's way, and flatters what it chooses. Differences
        of less than the `equivalence_margin` (a fraction) do not matter, where it is given.
        """
        self.study.check_selection(select_on)
        varied = [name for name in COMPARED if name in _SEARCHED or name in varying_settings(self.table)]
        return choice(self.table, SELECT_ON[select_on], by=varied, equivalence_margin=equivalence_margin)

    def figure(self) -> Figure:
        """The test error of every round: the paper's Figure 2.

        Raises `AnalysisError` where the study has several settings: a figure shows one.
        """
        from twofold.report.figures.study import figure2

        by_round(self.table)
        return figure2(own_weights(self.table))


@dataclass(frozen=True, repr=False)
class TuneResult(_Shown):
    """What the searches of `Study.tune` found, read from the store; a notebook shows the best settings."""

    study: Study
    store: Store
    found: list[Found]

    def _drawn(self) -> Table:
        best = {found.networks: (found.best, found.proposals) for found in self.found}
        return best_settings_table(best, self.start, len(round_numbers(self.study.rounds)), confirmed=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A tidy data frame, a row per training of the searches, as that of a study; errors are fractions."""
        return _read(self.store, [trial for found in self.found for trial in found.trials])

    @property
    def start(self) -> dict[str, Any]:
        """The setting of the study itself, from which the searches started."""
        names = dict.fromkeys(name for found in self.found for name in found.best)
        return {name: getattr(self.study, name) for name in names}

    def confirm(
        self,
        rounds: int,
        *,
        workers: int | None = None,
        progress: bool = True,
        trace: bool = False,
        keep_models: str = "none",
        models: str | Path | None = None,
        cluster: str | None = None,
        on_row: OnRow | None = None,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Train the best setting of each search, and the study's own, in `rounds` rounds that no search saw.

        Returns the table of the best settings' trials and that of the study's own setting. See `Study.confirmation`
        for the rounds, `Study.run` for the arguments.
        """
        running = Running(self.store.url, workers, progress, trace, keep_models, models, cluster, on_row)
        fresh = self.study.confirmation({}, rounds)
        best = [trial for found in self.found for trial in fresh._trials_of(found.networks, **found.best)]
        start = fresh.trials()
        every = list({trial.key: trial for trial in [*best, *start]}.values())
        said = [fresh._in_words(best, found.networks, **found.best) for found in self.found]
        plan = plan_of("confirmation", every, fresh._plan_of([*said, fresh._in_words(start)]))
        running.train(every, self.study._source, self.store, plan)
        return _read(self.store, best), _read(self.store, start)


def _read(store: Store, trials: Sequence[Trial], *, histories: bool = False) -> pd.DataFrame:
    """The rows of the trials. Images and relations have the texts asked for now: the store may know them by others."""
    table = store.read([trial.key for trial in trials], histories=histories)
    if table.empty:
        return table
    texts = {name: {trial.key: getattr(trial, name) for trial in trials} for name in ("data", "relation")}
    table = table.assign(**{name: table.key.map(of) for name, of in texts.items()})
    first = ["network", *varying_settings(table), "round", *_ERRORS]
    return table[[*first, *(name for name in table if name not in first)]]


def export_model(
    file: str | Path,
    to: str,
    out: str | Path | None = None,
    network: str | Callable[..., Any] | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write a kept network for other programs, and return the files: the first is the network.

    `file` is as in `twofold.trained`; `to` is "onnx", "pytorch" (a state_dict, and what is known of it beside) or
    "safetensors". `out` is the file to write, by default one in the current folder. `network` is the class of a network
    of your own, or a text such as "file.py:Twin". `tell` is told what was written, and how it was checked or is loaded.

    Raises `SettingError`, `StoreError`, `NetworkError` or `ExtraError`, each with what to do about it.
    """
    kept_file = find_kept(file)
    record = ModelStore(kept_file.parent).record(kept_file.stem)
    check_exportable(record, to, kept_file)
    places = files_of(record, to, None if out is None else typed_path("out", out))
    for place in places:
        check_file(place)
        if place.exists() and place.samefile(kept_file):
            raise SettingError(f"`out` (={place}) is the kept network itself; name another file")
    contents, how = contents_of(open_named(kept_file, network), to, places[0])
    for place, content in zip(places, contents, strict=True):
        try:
            tell(write_file(place, content))
        except OSError as error:
            raise not_writable(place, error) from error
    tell(how)
    return places


def predict(
    file: str | Path,
    left: str | Path,
    right: str | Path | None = None,
    network: str | Callable[..., Any] | None = None,
) -> pd.DataFrame:
    """What a kept network answers to pictures of your own: a row per pair.

    `file` is as in `twofold.trained`, `network` as in `twofold.export_model`. `left` and `right` are two pictures, or
    two folders of them, which are paired in the natural order of their names; or `left` alone is a CSV file with the
    columns left and right, or an .npz file with `images` (n, 2, h, w), or `left` and `right`.

    Columns: `left` and `right`, the names; the `answer`, whether the relation holds, and its `probability`; of a
    network that names classes `left_class`, `left_probability` and those of the right; the `distance` of embeddings;
    of pictures of digits how each was read, `left_read_as` and `right_read_as`; of others whether each looks like the
    negative of the study's images, `left_inverted` and `right_inverted`: its edge is light where theirs are dark, or
    the other way round, and the answer then means nothing; the `error` of a pair with a picture
    that cannot be read, which has nothing else.

    Raises `DataError`, `SettingError`, `StoreError`, `NetworkError` or `ExtraError`, each with what to do about it.
    """
    from twofold.export.predicting import answers_of  # it needs JAX, and what only reads needs none

    pairs = find_pairs(left, right)
    return pd.DataFrame(answers_of(open_named(file, network), pairs)).astype(object)
