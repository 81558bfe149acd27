"""What a notebook or a script uses: `Study(...).run()` and the result it gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from twofold.analysis import SELECT_ON, SETTINGS, by_round, choice, summary, varying_settings
from twofold.data import Digits, load_digits
from twofold.errors import SettingError, unknown_choice
from twofold.networks import NETWORKS
from twofold.report.live import LiveDisplay
from twofold.results import DEFAULT_URL, ModelStore, Store, models_folder
from twofold.study import Keeper, Listener, Silence, Trial, conduct, factorial, fresh_rounds
from twofold.study.trial import check_whole
from twofold.training import use_devices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twofold.study.tune import Found


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study: networks, trained on fresh pairs with fresh weights in every round.

    The defaults are the paper's settings on the embedded digits. Every setting may be one value or a list of
    them: the study then trains every combination, as a grid search does. `rounds` is a number (rounds 0, 1, ...)
    or a range; `data` is the name of a data set, or the path of a folder of IDX files or of an .npz file;
    `validation_pairs=None` draws 1000, or as many as the training pool can spare. See `twofold study --help`.

    >>> Study(networks=["NetBase", "NetWSAL"], rounds=2, epochs=5).run().table  # doctest: +SKIP
    """

    networks: str | Sequence[str] = tuple(NETWORKS)
    rounds: int | range = 20
    pairs: int | Sequence[int] = 1000
    test_pairs: int = 1000
    validation_pairs: int | None = None
    batch_size: int | Sequence[int] = 25
    epochs: int | Sequence[int] = 100
    optimizer: str | Sequence[str] = "adam"
    learning_rate: float | Sequence[float] = 0.001
    aux_weight: float | Sequence[float] = 1.0
    relation: str | Sequence[str] = "<="
    shuffle: bool | Sequence[bool] = False
    normalise: bool | Sequence[bool] = False
    bottleneck_activation: str | Sequence[str] = "relu"
    data: str | Path = "mnist5k"
    data_dir: str | Path | None = None
    seed: int = 0

    def trials(self) -> list[Trial]:
        """The plan: every trial of the study, in the order of its rounds.

        Raises `SettingError` where a setting cannot be used, `DataError` where the digits cannot be read.
        """
        return self._trials_of(self.networks)

    def run(
        self,
        *,
        workers: int | None = None,
        store: str = DEFAULT_URL,
        progress: bool = True,
        trace: bool = False,
        keep_models: str = "none",
        models: str | Path | None = None,
    ) -> StudyResult:
        """Train what the store lacks and return the results of all the trials.

        `workers` is the number of devices to use (all the cores, or all the GPUs, by default), `store` an SQLAlchemy
        URL or the path of an SQLite file. `trace` keeps the number of dead units after every epoch as well.
        `keep_models` is "none", "best" or "all" (see `twofold.study.Keeper`): trained networks go into the folder
        `models`, by default one beside the store.

        Raises `SettingError`, `DataError` or `StoreError`, each with what to do about it.
        """
        devices, notes = use_devices(workers)
        trials = self.trials()
        opened = Store(store)
        folder = models_folder(store) if models is None else Path(models)
        keeper = Keeper(keep_models, ModelStore(folder), opened, trials, self._digits)
        with _listener(notes, progress) as listener:
            conduct(trials, self._digits, opened, devices=devices, listener=listener, trace=trace, keeper=keeper)
        return StudyResult(study=self, store=opened, trials=trials)

    def tune(
        self,
        *,
        budget: int = 600,
        together: bool = False,
        optimizers: Sequence[str] | None = None,
        learning_rate: tuple[float, float] | None = None,
        batch_sizes: Sequence[int] | None = None,
        epochs: tuple[int, int] | None = None,
        aux_weight: tuple[float, float] | None = None,
        workers: int | None = None,
        store: str = DEFAULT_URL,
        progress: bool = True,
    ) -> TuneResult:
        """Search for the settings with the lowest validation error: for each network, or `together` for all of them.

        `budget` is the number of trainings of each search. A proposal is trained in all the rounds of this study (few
        will do), whose own setting is the first proposal, if the search space has it. The arguments from `optimizers`
        on narrow or widen the space; see `twofold.study.tune.SearchSpace`. A search goes on from what the store holds.

        Needs the extra `tune` (Optuna). Raises `SettingError`, `DataError` or `StoreError`.
        """
        try:
            from twofold.study.tune import Search, SearchSpace, tune
        except ModuleNotFoundError as error:
            if error.name != "optuna":
                raise
            raise SettingError("tuning needs Optuna; install it with: pip install 'twofold[tune]'") from error
        check_whole("budget", budget, least=1)
        self.check_selection("validation")
        for name in _TUNED:
            if isinstance(getattr(self, name), list | tuple | range):
                raise SettingError(f"`{name}` (={getattr(self, name)!r}) must be one value for a search to start from")
        given: dict[str, Any] = {
            "optimizers": optimizers and tuple(optimizers),
            "learning_rate": learning_rate,
            "batch_sizes": batch_sizes and tuple(batch_sizes),
            "epochs": epochs,
            "aux_weight": aux_weight,
        }
        space = SearchSpace(**{name: value for name, value in given.items() if value is not None})
        names = (self.networks,) if isinstance(self.networks, str) else tuple(self.networks)
        searches = [
            Search(
                networks=group,
                space=space,
                trials=partial(self._trials_of, group),
                first={name: getattr(self, name) for name in _TUNED},
            )
            for group in ([names] if together else [(name,) for name in names])
        ]
        devices, notes = use_devices(workers)
        opened = Store(store)
        with _listener(notes, progress) as listener:
            found = tune(
                searches,
                budget=budget,
                digits=self._digits,
                store=opened,
                devices=devices,
                listener=listener,
                seed=self.seed,
            )
        return TuneResult(study=self, store=opened, found=found)

    def check_selection(self, select_on: str) -> None:
        """Raise `SettingError` unless `select_on` is "test", or "validation" and every trial has validation pairs."""
        if select_on not in SELECT_ON:
            raise unknown_choice("select_on", select_on, SELECT_ON)
        lacking = next((trial for trial in self.trials() if not trial.validation_pairs), None)
        if select_on == "validation" and lacking:
            raise SettingError(
                f"choosing by the validation error needs validation pairs, and {self._digits.name} is asked for none "
                f"beside {lacking.pairs} training pairs; ask for fewer `pairs`, use a larger data set (--data mnist), "
                "or, in a grid, select on 'test'"
            )

    def confirmation(self, setting: Mapping[str, Any], rounds: int) -> Study:
        """The study of one setting of this one, on `rounds` rounds of its own: 1000, 1001, ...

        What a search chose looks better than it is on the rounds that it was chosen on. The fresh rounds redraw
        pairs and weights, from the same pool of digits. Raises `SettingError` where this study reaches round 1000.
        """
        return replace(self, **dict(setting), rounds=fresh_rounds(rounds, max(self._rounds()) + 1))

    def _trials_of(self, networks: str | Sequence[str], **setting: Any) -> list[Trial]:
        """The plan for these networks, with some settings in the place of the study's own."""
        axes = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_AXES}
        return factorial(self._digits, network=networks, rounds=self._rounds(), **{**axes, **setting})

    @cached_property
    def _digits(self) -> Digits:
        return load_digits(str(self.data), None if self.data_dir is None else Path(self.data_dir))

    def _rounds(self) -> range:
        if isinstance(self.rounds, range):
            if not self.rounds or min(self.rounds) < 0:
                raise SettingError(f"`rounds` (={self.rounds}) must be a range of at least one round from 0 up")
            return self.rounds
        check_whole("rounds", self.rounds, least=1)
        return range(self.rounds)


# Fields of a study that are not axes of its plan, or are given to it apart.
_NOT_AXES = {"networks", "rounds", "data", "data_dir"}

# What a choice names even where a study has a single value of it, as the paper's does.
_SEARCHED = {"optimizer", "learning_rate"}

# What tuning searches.
_TUNED = ("optimizer", "learning_rate", "batch_size", "epochs", "aux_weight")


@contextlib.contextmanager
def _listener(notes: Sequence[str], progress: bool) -> Iterator[Listener]:
    """Who is told how a run goes on; the notes first."""
    display = LiveDisplay() if progress else contextlib.nullcontext(Silence())
    with display as listener:
        for note in notes:
            listener.note(note)
        yield listener


@dataclass(frozen=True)
class StudyResult:
    """The results of a study, read from the store that keeps them."""

    study: Study
    store: Store
    trials: list[Trial]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A tidy data frame, a row per trial in the order of the plan; errors are fractions."""
        return _read(self.store, self.trials)

    @cached_property
    def histories(self) -> pd.DataFrame:
        """The table with each trial's training loss per epoch and, if traced, its dead units per epoch."""
        return _read(self.store, self.trials, histories=True)

    @property
    def summary(self) -> pd.DataFrame:
        """Mean, standard deviation, interval and more of each network's and setting's test error, as fractions."""
        return summary(self.table, ["network", *varying_settings(self.table)])

    def choice(self, select_on: str = "validation") -> pd.DataFrame:
        """Which setting to take: see `twofold.analysis.choice`. The rows have every setting that the study varied.

        `select_on` is "validation" or "test"; the latter is the paper's way, and flatters what it chooses.
        """
        self.study.check_selection(select_on)
        varied = [name for name in SETTINGS if name in _SEARCHED or name in varying_settings(self.table)]
        return choice(self.table, SELECT_ON[select_on], by=varied)

    def figure(self) -> Figure:
        """The test error of every round: the paper's Figure 2.

        Raises `AnalysisError` where the study has several settings: a figure shows one.
        """
        from twofold.report.figures.study import figure2

        by_round(self.table)
        return figure2(self.table)


@dataclass(frozen=True)
class TuneResult:
    """What the searches of `Study.tune` found, read from the store."""

    study: Study
    store: Store
    found: list[Found]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A tidy data frame, a row per training of the searches; errors are fractions."""
        return _read(self.store, [trial for found in self.found for trial in found.trials])

    @property
    def start(self) -> dict[str, Any]:
        """The setting of the study itself, from which the searches started."""
        return {name: getattr(self.study, name) for name in _TUNED}

    def confirm(
        self, rounds: int, *, workers: int | None = None, progress: bool = True
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Train the best setting of each search, and the study's own, in `rounds` rounds that no search saw.

        Returns the table of the best settings' trials and that of the study's own setting. See `Study.confirmation`
        for the rounds, `Study.run` for the arguments.
        """
        fresh = self.study.confirmation({}, rounds)
        best = [trial for found in self.found for trial in fresh._trials_of(found.networks, **found.best)]
        start = fresh.trials()
        devices, notes = use_devices(workers)
        with _listener(notes, progress) as listener:
            every = {trial.key: trial for trial in [*best, *start]}
            conduct(list(every.values()), self.study._digits, self.store, devices=devices, listener=listener)
        return _read(self.store, best), _read(self.store, start)


def _read(store: Store, trials: Sequence[Trial], *, histories: bool = False) -> pd.DataFrame:
    """The rows of the trials. Their digits have the name asked for now: the store may know them by another."""
    table = store.read([trial.key for trial in trials], histories=histories)
    names = {trial.key: trial.data for trial in trials}
    return table.assign(data=table.key.map(names)) if len(table) else table
