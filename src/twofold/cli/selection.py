"""Options that say which trials to read, for the commands that only look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from twofold.cli.options import (
    DEFAULT_STORE,
    PATH,
    ROUNDS,
    SEVERAL,
    SINCE,
    SOME_NETWORKS,
    STORE_HELP,
    STORE_VARIABLE,
    WHICH,
    WHOLE,
    Given,
    default_store,
)
from twofold.settings import round_numbers, several

if TYPE_CHECKING:
    import pandas as pd

    from twofold.results import ModelStore, Recorded, Store

StoreOption = Annotated[
    str | None,
    Parameter(
        help=f"{STORE_HELP}, for example --store mine.db; by default {DEFAULT_STORE}, or what {STORE_VARIABLE} says.",
        group=WHICH,
    ),
]

CsvOption = Annotated[
    Path | None,
    PATH,
    Parameter(
        help="A file made by `twofold results --csv`, to read in place of a store, for example --csv trials.csv.",
        group=WHICH,
    ),
]

Kept = Annotated[
    str,
    Parameter(
        help="A kept network: its file, or the beginning of its name as twofold models has it, for example 0a1b2c."
    ),
]

OWN_NETWORK = Parameter(
    help="Of a network of your own its class, in a file or module, for example --network file.py:Twin; it is called "
    "with the arguments that it was trained with.",
)


PlanOption = Annotated[
    int | None,
    WHOLE,
    Parameter(
        help="Only the trials of this plan, by its number in `twofold results --plans`, for example --plan 3.",
        group=WHICH,
    ),
]


@Parameter(name="*", group=WHICH)
@dataclass(frozen=True, kw_only=True)
class Which:
    """Which plan, networks and rounds to take, and from when: all, unless an option chooses."""

    plan: PlanOption = None
    since: Annotated[
        str | None,
        SINCE,
        Parameter(
            help="Only trials that finished since a date or a moment of UTC, or since so long ago, for example --since "
            "2026-11-01, --since 2026-11-01T18:30, or --since 2h (90m, 3d)."
        ),
    ] = None
    networks: Annotated[
        list[str] | None,
        Parameter(
            help=f"Only these networks, for example --networks {SOME_NETWORKS}, or networks of your own as they were "
            "typed, for example 'file.py:Twin(share=True)', with whatever other arguments.",
            **SEVERAL,
        ),
    ] = None
    rounds: Annotated[
        str | None,
        ROUNDS,
        Parameter(help="Only these rounds, for example --rounds 20 for rounds 0 to 19, or --rounds 1000-1049."),
    ] = None

    classes: Annotated[
        str | None,
        Parameter(
            help="Only trials with these classes, in the order that numbers them, for example --classes cat,dog,horse."
        ),
    ] = None

    def chosen(self, settings: Given) -> dict[str, list[Any] | None]:
        """The columns and the values chosen, with those of the settings."""
        rounds = None if self.rounds is None else list(round_numbers(self.rounds))
        return {
            "network": self.networks,
            "round": rounds,
            "classes": None if self.classes is None else [self.classes],
            **{name: several(value) for name, value in settings.given().items()},
        }

    @property
    def when(self) -> str:
        """What is chosen by plan and time, in words; empty where that is all."""
        told = [] if self.plan is None else [f"of plan {self.plan} is stored"]
        told += [] if self.since is None else [f"finished since {self.since[:16].replace('T', ' ')} (UTC)"]
        return " and ".join(told)


def read_store(
    url: str, which: Which, settings: Given, *, histories: bool = False, answers: bool = False
) -> tuple[pd.DataFrame, str]:
    """The chosen trials of a store, and the store's URL; with `histories` they have their losses and traces.

    With `answers` they have a column `wrong_answers`, too, unless they are of several settings.

    Raises `SettingError` where no trial fits, `StoreError` where the store cannot be read.
    """
    from twofold.analysis import all_told_apart, select, varying_settings
    from twofold.errors import SettingError
    from twofold.results import Store
    from twofold.settings import SECTIONING

    store = Store(url, create=False)
    if which.plan is not None:
        find_plan(store, which.plan)
    table = store.read(histories=histories, plan=which.plan, since=which.since)
    if table.empty and which.when:
        raise SettingError(f"no trial {which.when}; `twofold results --plans` says what is done of each plan")
    chosen = which.chosen(settings)
    some = any(value is not None for value in chosen.values())
    found = select(table, chosen) if some else all_told_apart(table)
    if answers and set(varying_settings(found)) <= set(SECTIONING):
        found = found.assign(wrong_answers=found.key.map(store.wrong_answers(found.key)))
    return found, store.url


def find_plan(store: Store, number: int) -> Recorded:
    """A plan of a store. Raises `SettingError` where there is none of that number."""
    from twofold.errors import SettingError
    from twofold.report.text.numbers import listed

    plans = {each.number: each for each in store.plans(counted=False)}
    if number not in plans:
        there = (
            f"there {'is' if len(plans) == 1 else 'are'} {listed(list(map(str, plans)))}" if plans else "it has none"
        )
        raise SettingError(f"`plan` (={number}) is no plan of {store.url}; {there} (twofold results --plans)")
    return plans[number]


def find_records(
    models: Path | None, store: str, which: Which, settings: Given
) -> tuple[ModelStore, list[dict[str, Any]]]:
    """The kept networks, and the records of those that are chosen.

    Raises `SettingError` where none fits, or there is no such folder, `StoreError` where there is no such store.
    """
    import pandas as pd

    from twofold.analysis import select
    from twofold.data import stored_names
    from twofold.errors import SettingError

    kept = find_models(models, store)
    records = kept.records(_keys_of_plan(store, which.plan))
    if which.since is not None:
        records = [record for record in records if record.get("finished_at", "") >= which.since]
    if not records and which.when:
        raise SettingError(f"no kept network's trial {which.when}; `twofold models` lists those that are kept")
    chosen = which.chosen(settings)
    if not records or all(value is None for value in chosen.values()):
        return kept, records
    names = [record.get("class_names") for record in records]
    texts = pd.Series([None if each is None else stored_names(each) for each in names], dtype=object)
    table = pd.DataFrame(records).assign(class_names=texts)
    keys = set(select(table, chosen).key)
    return kept, [record for record in records if record["key"] in keys]


def _keys_of_plan(store: str, plan: int | None) -> set[str] | None:
    """The keys of a plan's trials; None where no plan is chosen."""
    from twofold.results import Store

    if plan is None:
        return None
    opened = Store(store, create=False)
    return set(opened.keys_of_plan(find_plan(opened, plan).number))


def find_models(models: Path | None, store: str) -> ModelStore:
    """The kept networks in the folder `models`, or in the one beside a store, which may have none.

    Raises `SettingError` where there is no such folder, `StoreError` where there is no such store.
    """
    from twofold.errors import SettingError
    from twofold.results import ModelStore, Store, models_folder

    if models is None:
        Store(store, create=False)
    elif not models.is_dir():
        raise SettingError(f"`models` (={models}) is no folder; `twofold study --keep-models best` makes and fills one")
    return ModelStore(models or models_folder(store))


def kept_file(model: str, models: Path | None, store: str, plan: int | None = None) -> Path:
    """The file of a kept network: a path, or the beginning of a name in the folder of kept networks.

    With `plan` those of its trials are all that there are. Raises `SettingError` for the beginning of several,
    `StoreError` where none begins so.
    """
    from twofold.errors import StoreError
    from twofold.export.trained import find_kept
    from twofold.paths import typed_path

    path = typed_path("model", model.removesuffix("…"))  # which the table of networks ends a name with
    named = path.is_file() or path.parent != Path()
    keys = _keys_of_plan(store, plan)
    there = find_kept(path if named else find_models(models, store).folder / path, keys)
    if not there.is_file() or (keys is not None and there.stem not in keys):
        of_plan = "" if plan is None else f" of plan {plan}"
        raise StoreError(
            f"`model` (={model}) is no file and begins no kept network{of_plan}; `twofold models` lists those that are"
        )
    return there


def read_table(
    store: str | None,
    csv: Path | None,
    which: Which,
    settings: Given,
    *,
    histories: bool = False,
    answers: bool = False,
) -> pd.DataFrame:
    """The chosen trials of a store, or of a file that `twofold results --csv` made; see `read_store`.

    Raises `SettingError` for two sources or where no trial fits, `StoreError` or `DataError` where the source cannot
    be read.
    """
    from twofold.analysis import as_trials, select
    from twofold.errors import SettingError
    from twofold.results.table_file import read_csv

    if csv is None:
        url = default_store() if store is None else store
        table, _ = read_store(url, which, settings, histories=histories, answers=answers)
        return as_trials(table, ("network", "round"), crossed=True)
    for name, value in (("store", store), ("plan", which.plan)):
        if value is not None:
            raise SettingError(f"`{name}` and `csv` exclude each other; give one of them")
    table = read_csv(csv)
    if which.since is not None:
        if "finished_at" not in table:
            raise SettingError(f"`since` cannot be chosen by: {csv} has no column `finished_at`")
        table = table[table.finished_at >= which.since]
        if table.empty:
            raise SettingError(f"no trial {which.when}")
    return select(table, which.chosen(settings))
