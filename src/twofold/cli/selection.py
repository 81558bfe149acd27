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
    from collections.abc import Iterator, Sequence

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

# So many trials are read at a time where all are shown.
_A_PAGE = 2000

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

    def chosen(self, settings: Given) -> dict[str, Sequence[Any] | None]:
        """The columns and the values chosen, with those of the settings."""
        return {
            "network": self.networks,
            "round": None if self.rounds is None else round_numbers(self.rounds),
            "classes": None if self.classes is None else [self.classes],
            **{name: several(value) for name, value in settings.given().items()},
        }

    @property
    def when(self) -> str:
        """What is chosen by plan and time, in words; empty where that is all."""
        told = [] if self.plan is None else [f"of plan {self.plan} is stored"]
        told += [] if self.since is None else [f"finished since {self.since[:16].replace('T', ' ')} (UTC)"]
        return " and ".join(told)


class Selection:
    """The trials of a store that options choose.

    They are chosen by their `groups` (`twofold.results.groups`), so that no others are read: a table of these, each
    with the columns that its trials share, in which no two networks, sets of images or questions have one name, and
    with `COUNTED`.
    """

    def __init__(self, url: str, which: Which, settings: Given) -> None:
        """Raises `SettingError` where no trial fits, `StoreError` where the store cannot be read."""
        from concurrent.futures import ThreadPoolExecutor

        from twofold.errors import SettingError
        from twofold.results import Store
        from twofold.results.groups import DRAWN, Where

        self.store = Store(url, create=False)
        if which.plan is not None:
            find_plan(self.store, which.plan)
        chosen = {name: values for name, values in which.chosen(settings).items() if values is not None}
        self._where = Where(which.plan, which.since, {name: chosen.pop(name) for name in DRAWN if name in chosen})
        with ThreadPoolExecutor(1) as beside:  # the database counts while this thread loads what looks at the counts
            counting = beside.submit(self.store.groups, self._where)
            import scipy.special  # noqa: F401 - what is told of counts needs it

            from twofold.analysis import all_told_apart, select

            groups = counting.result()
        if groups.empty and which.when:
            raise SettingError(f"no trial {which.when}; `twofold results --plans` says what is done of each plan")
        groups = select(groups, chosen) if chosen else all_told_apart(groups)
        self.groups = groups[groups.trials > 0].reset_index(drop=True)
        if self._where.drawn and self.groups.empty:
            self._say_what_there_is(list(groups.key))

    def keys(self) -> list[str]:
        """The keys of the trials, as they finished."""
        return self._members()[0]

    def read(self, *, histories: bool = False, answers: bool = False) -> pd.DataFrame:
        """The trials, as they finished, as `Store.read` gives them, and named as the groups are.

        With `answers` they have a column `wrong_answers`, too, unless they are of several settings.
        """
        from twofold.analysis import varying_settings
        from twofold.settings import SECTIONING

        keys, places = self._members()
        found = _as_groups(self.store.read(keys, histories=histories), self.groups.iloc[places].set_axis(keys))
        if answers and set(varying_settings(found)) <= set(SECTIONING):
            found = found.assign(wrong_answers=found.key.map(self.store.wrong_answers(found.key)))
        return found

    def pages(self) -> Iterator[pd.DataFrame]:
        """The trials, as they finished, some at a time, with a column for each factor of networks of one's own.

        All pages have the same columns, whatever their trials lack, and there is one at least.
        """
        from twofold.analysis import with_factors
        from twofold.results.cells import COUNTS

        keys, places = self._members()
        groups = with_factors(self.groups)
        factors = [str(name) for name in groups if name not in self.groups]
        for start in range(0, max(1, len(keys)), _A_PAGE):
            some = slice(start, start + _A_PAGE)
            page = _as_groups(self.store.read(keys[some]), groups.iloc[places[some]].set_axis(keys[some]), factors)
            yield page.astype(dict.fromkeys(COUNTS, "Int64"))

    def _members(self) -> tuple[list[str], list[int]]:
        return self.store.members(list(self.groups.key), self._where)

    def _say_what_there_is(self, groups: list[str]) -> None:
        """Raise `SettingError` for the first choice of what is drawn that no trial fits."""
        from twofold.analysis import none_has

        where = self._where._replace(drawn={})
        for name, values in self._where.drawn.items():
            there = self.store.drawn(name, groups, where)
            if not set(values).intersection(there):
                raise none_has(name, list(values), there)
            where = where._replace(drawn={**where.drawn, name: values})


def _as_groups(trials: pd.DataFrame, groups: pd.DataFrame, factors: Sequence[str] = ()) -> pd.DataFrame:
    """The trials, named as their groups are, with these columns of their groups after `network`.

    `groups` has the group of each trial by its key.
    """
    of = groups.loc[trials.key]
    named = [name for name in ("network", "relation", "data", "data_given") if name in of]
    columns = list(trials)
    after = columns.index("network") + 1
    trials = trials.assign(**{name: of[name].to_numpy(object) for name in (*named, *factors)})
    added = [name for name in named if name not in columns]
    return trials[[*columns[:after], *factors, *columns[after:], *added]]


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
    """The chosen trials of a store, or of a file that `twofold results --csv` made; see `Selection.read`.

    Raises `SettingError` for two sources or where no trial fits, `StoreError` or `DataError` where the source cannot
    be read.
    """
    from twofold.analysis import as_trials, select
    from twofold.errors import SettingError
    from twofold.results.table_file import read_csv

    if csv is None:
        url = default_store() if store is None else store
        table = Selection(url, which, settings).read(histories=histories, answers=answers)
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
