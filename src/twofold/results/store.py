"""The results store: one row per trial, written once, when the trial is complete, in one transaction."""

from __future__ import annotations

import glob
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from twofold import __version__
from twofold.data import Relation
from twofold.data.relations import marked
from twofold.errors import DataError, StoreError
from twofold.results import plans as planning
from twofold.results.cells import check_value
from twofold.results.claims import Claims, Run, forgetting
from twofold.results.database import (
    DEFAULT_URL,
    address_of,
    check_file,
    errors_of,
    insert_new,
    insert_or_replace,
    open_engine,
    wait_for_others,
    writing,
)
from twofold.results.groups import (
    COUNTED,
    DRAWN,
    LARGEST,
    TELLING,
    Columns,
    Where,
    check_counted,
    networks_of,
    shared_out,
    without_sorting,
)
from twofold.results.plans import Plan, Recorded
from twofold.results.rows import answers_of, as_given, check_question, damaged, description_of, entry_of, values_of
from twofold.results.schema import journal, metadata, networks, plans, questions, runs, trials
from twofold.results.sqlite import fold, vacuum, write_ahead
from twofold.results.versions import check, look
from twofold.settings import SETTINGS

if TYPE_CHECKING:
    import pandas as pd

# SQLite takes a limited number of bound values in one statement.
_KEYS_PER_QUERY = 500

# So many trials tell well enough how long others will take.
_MOST_LOOKED_THROUGH = 5000

# So many threads count the trials of a file.
_READERS = min(4, os.cpu_count() or 1)

# What `read` leaves out unless it is asked for histories: one number and more per epoch.
_HISTORIES = ("train_loss", "dead_units_trace")

# What tables and records of trials leave out.
LONG_COLUMNS = (*_HISTORIES, "wrong_answers")

# All trials of a store.
ALL = Where()

# What a run keeps of a trial that another did without: an earlier version, or one without --trace.
KEPT_BESIDE = ("dead_units_trace", "wrong_answers")


class Question(NamedTuple):
    """What a relation of rows is told by, the images that it is asked of, its text in rows, and its packed answers.

    These are what a database has, which may be anything.
    """

    question: Any
    fingerprint: Any
    relation: Any
    answers: Any


class Store:
    """A database of trials: SQLite in a file, or PostgreSQL on a server.

    `url` is the URL of a PostgreSQL database, or the path of an SQLite file. Opening makes the store where it is not
    there, and brings one of an earlier version to the newest: `notes` says so, in sentences. Unless `create` is true, a
    store that is not there is an error, and one that is stays as it is: columns that its version lacks are read as the
    defaults. Several processes may use one store at once.

    Raises `StoreError` where the database cannot be opened, is not one of ours, or is of a later version.
    """

    def __init__(self, url: str | Path = DEFAULT_URL, *, create: bool = True) -> None:
        self._address = address_of(url)
        self.url = self._address.shown
        self.notes: list[str] = []
        check_file(self._address, create=create)
        with self._errors():
            self._engine = open_engine(self._address, create=create)
            weakref.finalize(self, self._engine.dispose)  # else connections would be left to Python to close
            try:
                self._tables, self._columns = self._open(create=create)
            except BaseException:
                self._engine.dispose()  # a database in SQLite's WAL mode has two files beside it while it is open
                raise
        self._claims = Claims(self._engine)

    @classmethod
    def if_there(cls, url: str | Path) -> Store | None:
        """The store as it is, or None where it is not made yet; nothing is made or changed.

        Raises `StoreError` where none can be made either.
        """
        address = address_of(url)
        check_file(address, create=True)
        in_memory = address.file is None and address.url.get_backend_name() == "sqlite"
        if in_memory or (address.file and not (address.file.exists() and address.file.stat().st_size)):
            return None
        with errors_of(address):
            engine = open_engine(address, create=False)
            try:
                with engine.connect() as connection:
                    found = look(connection)
            finally:
                engine.dispose()
        check(found, address.shown, create=True, sharing=address.file is None)
        return cls(url, create=False) if found.version else None

    @property
    def folder(self) -> Path:
        """The folder that its file is in; where it has none, the one that the program runs in."""
        file = self._address.file
        return file.parent if file else Path.cwd()

    def is_same(self, other: Store) -> bool:
        """Whether another is the same database, by whatever name."""
        one, two = self._address.file, other._address.file
        if one and two:
            return one.samefile(two)
        return self._engine.url == other._engine.url and self.is_shared

    def unfinished(self) -> list[Path]:
        """Files beside it that were being written when a run was killed, or are being written now."""
        file = self._address.file
        return [] if file is None else sorted(file.parent.glob(f"{glob.escape(file.name)}.*.partial"))

    @property
    def is_shared(self) -> bool:
        """Whether other processes may use it too: not a database in memory."""
        return self._address.file is not None or self._engine.dialect.name != "sqlite"

    def add(self, row: Mapping[str, Any]) -> bool:
        """Store one complete trial, unless it is there already, and give up its claim; whether it was stored.

        One that was stored without its trace of dead units, or its answers, is replaced by one that has more of them.
        """
        with self._errors(), writing(self._engine) as connection:
            stored = connection.execute(insert_or_replace(connection, trials, _has_more), dict(row))
            connection.execute(forgetting(row["key"]))
        return stored.rowcount > 0

    def describe(self, identity: str, description: Mapping[str, Any]) -> None:
        """Keep what is to be known of a network of one's own, unless that is there already."""
        with self._errors(), writing(self._engine) as connection:
            row = {"identity": identity, "description": dict(description)}
            connection.execute(insert_new(connection, networks), row)

    def described(self) -> pd.DataFrame:
        """The networks of one's own of which trials are stored, as they first came.

        A row has `network`, `identity`, `source`, `arguments`, and `description`: what `describe` was given.
        """
        import pandas as pd

        of_trials = [trials.c[name] for name in ("network", "identity", "source", "arguments")]
        query = (
            sa.select(*as_given([*of_trials, networks.c.description], self._engine.dialect.name))
            .select_from(trials.join(networks, networks.c.identity == trials.c.identity))
            .order_by(trials.c.finished_at, trials.c.key)
        )
        with self._errors(), self._engine.connect() as connection:
            # A store of an earlier version that stays as it is has no such networks.
            rows: Sequence[sa.Row] = []
            if trials.c.identity in self._columns:
                rows = connection.execute(query).all()
        text = self._engine.dialect.name == "sqlite"
        distinct = {(row.network, row.identity): description_of(row, self.url, text=text) for row in rows}
        return pd.DataFrame(list(distinct.values()), columns=[*(column.name for column in of_trials), "description"])

    def name_question(self, fingerprint: str, relation: Relation) -> str:
        """The text by which rows call a relation between the classes of these images: that which came first.

        Where another relation has the text, which a function can have that was changed, this one's has the first digits
        of its hash added.
        """
        here = questions.c.fingerprint == fingerprint
        with self._errors(), writing(self._engine) as connection:
            wait_for_others(connection)
            known = dict(connection.execute(sa.select(questions.c.question, questions.c.relation).where(here)).all())
            if relation.identity not in known:
                taken = relation.text in known.values()
                known[relation.identity] = marked(relation) if taken else relation.text
                row = {"question": relation.identity, "fingerprint": fingerprint, "answers": relation.packed}
                connection.execute(sa.insert(questions), row | {"relation": known[relation.identity]})
        return known[relation.identity]

    def answers(self) -> dict[tuple[str, str], str]:
        """The packed answers of rows' relations, by their `question` and `fingerprint`; earlier rows have none."""
        known = self.questions()
        for each in known:
            check_question(each, self.url)
        return {(each.question, each.fingerprint): each.answers for each in known}

    def questions(self) -> list[Question]:
        """What rows' relations mean."""
        if questions.name not in self._tables:
            return []
        with self._errors(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(questions).order_by(questions.c.question))
            return [Question(row.question, row.fingerprint, row.relation, row.answers) for row in rows]

    def descriptions(self) -> dict[str, Any]:
        """What `describe` was given, by the identities of the networks."""
        if networks.name not in self._tables:
            return {}
        with self._errors(), self._engine.connect() as connection:
            return dict(connection.execute(sa.select(networks.c.identity, networks.c.description)).all())

    def cells(self, keys: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
        """What the database holds of every trial, or those of `keys`, in the order of keys, however wrong it may be.

        See `twofold.results.raw_cells`. No transaction is open meanwhile.
        """
        every, key = _cells(self._columns).order_by(trials.c.key), trials.c.key
        if keys is not None:
            for some in _slices(sorted(keys)):
                yield from self._rows(every.where(key.in_(some)))
            return
        page = self._rows(every.limit(_KEYS_PER_QUERY))
        while page:
            yield from page
            last = sa.literal(page[-1]["key"], sa.types.NullType())
            page = self._rows(every.where(key > last).limit(_KEYS_PER_QUERY))

    def take(
        self, rows: Sequence[Mapping[str, Any]], is_new: Callable[[Mapping[str, Any] | None, Mapping[str, Any]], bool]
    ) -> None:
        """Store those of a few complete trials of another store that `is_new` says, all or none.

        It is given what the database holds of the trial, or None, and the row. What it does is done before.
        """
        with self._errors(), writing(self._engine) as connection:
            here = _cells(self._columns).where(trials.c.key.in_([row["key"] for row in rows]))
            there = {row["key"]: dict(row) for row in connection.execute(here).mappings()}
            new = [dict(row) for row in rows if is_new(there.get(row["key"]), row)]
            if new:
                connection.execute(insert_or_replace(connection, trials, _has_more), new)
            for row in new:
                connection.execute(forgetting(row["key"]))

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file itself; of another database nothing is asked."""
        if self._engine.dialect.name != "sqlite":
            return []
        with self._errors(), self._engine.connect() as connection:
            try:
                found = connection.exec_driver_sql("PRAGMA quick_check(20)").scalars().all()
            except sa.exc.DatabaseError as error:  # damage that it does not get past
                found = [str(error.orig)]
        lines = [line for text in found for line in str(text).splitlines()]
        return [line for line in lines if line != "ok" and not line.startswith("***")]  # which is a heading

    def claimed_by_nobody(self) -> int:
        """How many trials are claimed by runs that are no more known."""
        if runs.name not in self._tables:
            return 0
        with self._errors(), self._engine.connect() as connection:
            return self._claims.without_run(connection)

    def present(self, keys: Iterable[str], *, traced: bool = False) -> set[str]:
        """Those of the keys whose trials are stored; with `traced`, only those that kept a trace of dead units."""
        with self._errors(), self._engine.connect() as connection:
            return _present(connection, keys, traced=traced)

    def count(self) -> int:
        """How many trials are stored."""
        with self._errors(), self._engine.connect() as connection:
            return connection.scalars(sa.select(sa.func.count()).select_from(trials)).one()

    def read(
        self,
        keys: Iterable[str] | None = None,
        *,
        histories: bool = False,
    ) -> pd.DataFrame:
        """A data frame with a row per stored trial: those of `keys`, in that order, or all, as they finished.

        With `histories` it has the columns `train_loss` (a list, one number per epoch) and `dead_units_trace`
        (a list of [first, second], or None) as well.
        """
        import pandas as pd

        left_out = set(LONG_COLUMNS).difference(_HISTORIES if histories else ())
        columns = [c for c in self._columns if c.name not in left_out]
        names = [column.name for column in columns]
        given = as_given(columns, self._engine.dialect.name)
        rows: list[sa.Row] = []
        wanted = None if keys is None else list(keys)
        with self._errors(), self._engine.connect() as connection:
            if wanted is None:
                rows += connection.execute(sa.select(*given).order_by(trials.c.finished_at, trials.c.key)).all()
            else:
                for some in _slices(wanted):
                    rows += connection.execute(sa.select(*given).where(trials.c.key.in_(some))).all()
        values = values_of(names, rows, self.url, text=self._engine.dialect.name == "sqlite")
        table = pd.DataFrame(values)
        for name in ("validation_error", "digit_error", *LARGEST):
            table[name] = table[name].astype(float)
        if wanted is None:
            return table
        found = set(table.key)
        return table.set_index("key").loc[[key for key in wanted if key in found]].reset_index()

    def groups(self, where: Where = ALL) -> pd.DataFrame:
        """A row per group of trials that differ in nothing but what is drawn, as they first finished, of those `where`.

        It has the columns of one of its trials that are the same in all, its draws, and of all those with what is drawn
        as chosen `COUNTED`: how many `trials` (0 where none was drawn so), the `total` of their test errors and of the
        `squares` of these, the `best` and the `worst`, the first round and the last. Where `distance_threshold`,
        `true_share` and `one_image_error` are missing in some trials, they are those of others.
        """
        rows = self._rows_of_groups(where)
        try:
            for row in rows:
                check_counted(row)
        except DataError as error:
            self.read()  # which says in which trial
            raise damaged(self.url, f"in some trial {error}") from error
        rows.sort(key=lambda row: (row.first, row.key))
        table = self.read(row.key for row in rows)
        kept = ("key", *DRAWN, *TELLING, "arguments", "weight_sharing", "auxiliary_losses", *LARGEST)
        counted = {name: [getattr(row, name) for row in rows] for name in (*COUNTED, *LARGEST)}
        return table[[name for name in table if name in kept]].assign(**counted).astype(dict.fromkeys(LARGEST, float))

    def members(self, groups: Sequence[str], where: Where = ALL) -> tuple[list[str], list[int]]:
        """The keys of the trials `where` of some groups, as they finished, and the place of each one's group.

        Groups are called by the keys that `groups` gives them.
        """
        place = {key: number for number, key in enumerate(groups)}
        query = self._by_name().members(groups, where, self._engine.dialect.name)
        keys: list[str] = []
        places: list[int] = []
        with self._errors(), self._engine.connect() as connection:
            for key, of in connection.execute(query.execution_options(yield_per=_KEYS_PER_QUERY)):
                keys.append(key)
                places.append(place[of])
        self._check_cells("key", (key for key in keys if not (type(key) is str and key.isascii())))
        return keys, places

    def drawn(self, name: str, groups: Sequence[str], where: Where = ALL) -> list[int]:
        """The rounds, seeds, or rounds of initial weights that there are in some groups, in ascending order."""
        query = self._by_name().values(name, groups, where, self._engine.dialect.name)
        with self._errors(), self._engine.connect() as connection:
            found = list(connection.scalars(query))
        self._check_cells(name, found)
        return sorted(found)

    def times(self, fingerprint: str, device: str, engine: str, settings: Sequence[str]) -> list[dict[str, Any]]:
        """How long trials on these images took, that were trained so: `seconds`, `epochs`, `pairs` and these settings.

        Of a large store a sample is looked through: keys are hashes, so that the first of them are drawn at random.
        """
        names = ("network", "identity", "fingerprint", "device", "engine", "seconds", "epochs", "pairs", *settings)
        some = sa.select(trials.c.key).order_by(trials.c.key).limit(_MOST_LOOKED_THROUGH)
        query = _cells([column for column in self._columns if column.name in names]).where(trials.c.key.in_(some))
        here = {"fingerprint": fingerprint, "device": device, "engine": engine}
        rows = [row for row in self._rows(query) if here.items() <= row.items()]
        return [row for row in rows if all(_is_positive(row[name]) for name in ("seconds", "epochs", "pairs"))]

    def tested(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Of those of the trials that are stored: key, network, settings, and the test error, a fraction."""
        wanted = ("key", "network", *SETTINGS, "test_error")
        columns = [column for column in self._columns if column.name in wanted]
        names, dialect = [column.name for column in columns], self._engine.dialect.name
        query = sa.select(*as_given(columns, dialect))
        for some in _slices(list(keys)):
            with self._errors(), self._engine.connect() as connection:
                rows = connection.execute(query.where(trials.c.key.in_(some))).all()
            values = values_of(names, rows, self.url, text=dialect == "sqlite")
            yield from (dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True))

    def wrong_answers(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Which test pairs trials answered wrongly, of those of `keys` that kept it: see `twofold.results.answers`.

        Raises `StoreError` where it does not fit the trial's test pairs and test error.
        """
        if trials.c.wrong_answers not in self._columns:  # of an earlier version that stays as it is
            return {}
        columns = [trials.c[name] for name in ("key", "test_pairs", "test_error", "wrong_answers")]
        given = as_given(columns, self._engine.dialect.name)
        rows: list[sa.Row] = []
        with self._errors(), self._engine.connect() as connection:
            for some in _slices(list(keys)):
                kept = trials.c.key.in_(some) & trials.c.wrong_answers.is_not(None)
                rows += connection.execute(sa.select(*given).where(kept))
        return answers_of(rows, self.url)

    def share(self) -> bool:
        """Prepare for others who read and write at the same time; false where all have to take turns.

        To be called before many trials are added.
        """
        file = self._address.file
        with self._errors():
            return file is None or write_ahead(self._engine, file)

    def rest(self) -> None:
        """End what `share` began: what is open is closed, and a file is one file again, unless others use it now.

        It opens again by itself when it is asked for something.
        """
        if self._address.file:
            fold(self._engine)
        elif self.is_shared:
            self._engine.dispose()

    def tidy(self) -> None:
        """Forget runs that were killed, and `rest`: what a run does that has nothing to train.

        Where the store cannot be written now, what they left stays.
        """
        with suppress(StoreError), self._errors():
            self._claims.forget_the_dead()
        self.rest()

    def claim(
        self,
        keys: Sequence[str],
        owner: str,
        *,
        traced: bool = False,
        wanted_again: Callable[[str], bool] = lambda key: False,
    ) -> tuple[list[str], list[str]]:
        """Claim a portion of the trials for `owner` to train: those that it may, and those that are left to be claimed.

        It may train what is not `present`, or is `wanted_again`, and no living run has. A portion is so large that all
        runs on the store come to their end together. Nothing is claimed only where nothing is left.
        """
        left = list(keys)
        with self._errors():
            self._claims.forget_the_dead(owner)
            while left:
                some, left = left[:_KEYS_PER_QUERY], left[_KEYS_PER_QUERY:]
                with writing(self._engine) as connection:
                    taken = self._claims.taken(connection, some, owner)
                    stored = _present(connection, some, traced=traced)
                    free = [key for key in some if key not in taken and (key not in stored or wanted_again(key))]
                    size = self._claims.portion(connection, owner, len(free) + len(left))
                    mine = self._claims.take(connection, free[:size], owner)
                    # What was stored, and its claim given up, since it was looked for.
                    late = {key for key in _present(connection, mine, traced=traced) if not wanted_again(key)}
                    for key in late:
                        connection.execute(forgetting(key))
                claimed = [key for key in mine if key not in late]
                left = free[size:] + left
                if claimed:
                    return claimed, left
        return [], []

    def beat(
        self, owner: str, held: Iterable[str], *, trials: int, done: int, plan: Mapping[str, Any] | None = None
    ) -> bool:
        """Say, every few seconds, that `owner` lives, still trains `held`, and has done so many of its trials.

        `plan` says in short what those are: see `Run`. Whether it was forgotten: others may have what it claimed.
        """
        with self._errors():
            return self._claims.beat(owner, held, trials=trials, done=done, plan=plan)

    def running(self) -> list[Run]:
        """The runs that train for this store, the earliest first; a store of an earlier version knows of none."""
        if runs.name not in self._tables:
            return []
        with self._errors(), self._engine.connect() as connection:
            return self._claims.running(connection)

    def release_claims(self, owner: str) -> None:
        """Give up what `owner` claimed and did not finish."""
        with self._errors():
            self._claims.release(owner)

    def record(self, plan: Plan, keys: Sequence[str]) -> int:
        """Record what a run is to train, and these trials of it, and return the plan's number.

        The keys are those of all its trials; of a search those that it has come to.
        """
        with self._errors(), writing(self._engine) as connection:
            return planning.record(connection, plan, keys, version=__version__)

    def has_plan(self, plan: Plan, keys: Sequence[str]) -> bool:
        """Whether a plan is recorded, with so many trials as these keys."""
        if plans.name not in self._tables:
            return False
        with self._errors(), self._engine.connect() as connection:
            return planning.has(connection, plan, len(keys))

    def take_plan(self, theirs: Recorded, keys: Sequence[str]) -> bool:
        """Record a plan of another store with its trials; whether it was not here."""
        with self._errors(), writing(self._engine) as connection:
            return planning.take(connection, theirs, keys)

    def plans(self, *, counted: bool = True) -> list[Recorded]:
        """The plans that runs have recorded, in the order of their numbers; a store of an earlier version has none.

        Unless they are to be `counted`, nothing is done of any: it takes a second where a million trials are.
        """
        if plans.name not in self._tables:
            return []
        with self._errors(), self._engine.connect() as connection:
            return planning.recorded(connection, self.url, counted=counted)

    def keys_of_plan(self, number: int) -> list[str]:
        """The keys of a plan's trials, stored or not."""
        if plans.name not in self._tables:
            return []
        with self._errors(), self._engine.connect() as connection:
            return planning.keys_of(connection, number, self.url)

    def plans_lost(self) -> list[Any]:
        """The numbers, or whatever stands there, of plans that are not there, and have trials."""
        if plans.name not in self._tables:
            return []
        with self._errors(), self._engine.connect() as connection:
            return planning.lost(connection)

    def without_plan(self) -> int:
        """How many trials no plan has: an earlier version stored them, or they were taken of a store without plans."""
        if plans.name not in self._tables:
            return self.count()
        with self._errors(), self._engine.connect() as connection:
            return planning.without_plan(connection)

    def in_other_plans(self, keys: Sequence[str], number: int) -> set[str]:
        """Those of the keys that other plans than the one of this number have too."""
        with self._errors(), self._engine.connect() as connection:
            return {key for some in _slices(list(keys)) for key in planning.in_others(connection, some, number)}

    def check_idle(self, keys: Sequence[str] | None = None, *, plan: int | None = None) -> None:
        """Raise `StoreError` where a run that lives trains one of these trials, or others of a plan that has one.

        Without keys no run may live.
        """
        if plans.name not in self._tables:
            return
        with self._errors(), self._engine.connect() as connection:
            self._check_idle(connection, keys, plan)

    def delete(
        self,
        keys: Sequence[str],
        *,
        plan: int | None = None,
        whole: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Delete trials, and the `plan` of this number, in one transaction, within which `before` is called first.

        With `whole` all trials are deleted, all plans, and what searches have written down. Raises `StoreError` where
        a run trains any of it now.
        """
        with self._errors(), writing(self._engine, whole=False) as connection:
            self._check_idle(connection, None if whole else keys, plan)
            before()
            for some in _slices(list(keys)):
                connection.execute(sa.delete(trials).where(trials.c.key.in_(some)))
            if whole:
                connection.execute(sa.delete(trials))
                connection.execute(sa.delete(journal))
            if whole or plan is not None:
                planning.remove(connection, None if whole else plan)

    def size(self) -> int:
        """How many bytes the database takes; of a server's, the table of trials."""
        server = "SELECT pg_total_relation_size('trials')"
        file = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        with self._errors(), self._engine.connect() as connection:
            text = file if self._engine.dialect.name == "sqlite" else server
            return int(connection.scalars(sa.text(text)).one())

    def shrink(self) -> int:
        """Give the room of what was deleted back to the disk, and return how many bytes that was.

        A file is written anew by SQLite, whole or not at all (VACUUM), which needs as much room again meanwhile, and
        that nobody else uses it: where either lacks it stays as large, and later trials fill it. A server does so by
        itself.
        """
        file = self._address.file
        with self._errors():
            return vacuum(self._engine, file) if file else 0

    def append_journal(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write the entries at the end of the search journal, all or none; several processes may write at once."""
        number = sa.select(sa.func.coalesce(sa.func.max(journal.c.number), -1) + 1)
        with self._errors(), writing(self._engine) as connection:
            wait_for_others(connection)  # or two would take the same number
            for entry in entries:
                row = number.add_columns(sa.literal(entry, sa.JSON))
                connection.execute(sa.insert(journal).from_select(["number", "entry"], row))

    def read_journal(self, start: int = 0) -> list[dict[str, Any]]:
        """The entries of the search journal from the one of this number on; the first has number 0."""
        entry = as_given([journal.c.entry], self._engine.dialect.name)
        query = sa.select(*entry).where(journal.c.number >= start).order_by(journal.c.number)
        with self._errors(), self._engine.connect() as connection:
            cells = list(connection.scalars(query))
        return [entry_of(cell, self.url, text=self._engine.dialect.name == "sqlite") for cell in cells]

    def _open(self, *, create: bool) -> tuple[Set[str], list[sa.ColumnElement]]:
        """Make or migrate the store if need be; return its tables, and what to select for each column of a trial."""
        file = self._address.file
        check_this = partial(check, shown_url=self.url, create=create, sharing=file is None)
        with self._engine.connect() as connection:
            found = look(connection)
        check_this(found)
        if create and not found.is_current:
            from twofold.results.migrate import upgrade  # imports Alembic, which a store up to date does not need

            self.notes += upgrade(self._engine, check_this, file)
            return metadata.tables.keys(), list(trials.c)
        return found.tables, [column if column.name in found.columns else _default(column) for column in trials.c]

    def _check_idle(self, connection: sa.Connection, keys: Sequence[str] | None, plan: int | None) -> None:
        living = self._claims.living(connection)
        if not living:
            return
        if keys is None:
            raise _trained(next(iter(living.values())), "for this store")
        busy = planning.under_way(connection, list(living))
        for some in [[], *_slices(list(keys))]:
            of_plans = busy.keys() & {*planning.having(connection, some), *([] if plan is None else [plan])}
            claimed = self._claims.owners_of(connection, some) & living.keys()
            if of_plans or claimed:
                run = living[busy[min(of_plans)] if of_plans else min(claimed)]
                raise _trained(run, f"plan {min(of_plans)}" if of_plans else "one of these trials")

    def _rows_of_groups(self, where: Where) -> list[Any]:
        """Of an SQLite file, which is read by the thread that asks, each of several has a share of the networks."""
        query = self._by_name().groups(where)

        def found(share: sa.ColumnElement[bool]) -> Sequence[Any]:
            with self._errors(), self._engine.connect() as connection:
                without_sorting(connection)
                return connection.execute(query.where(share)).all()

        if not self._address.file:
            return list(found(sa.true()))
        with self._errors(), self._engine.connect() as connection:
            names = [name for name in networks_of(connection) if isinstance(name, str) and name.isascii()]
        with ThreadPoolExecutor(_READERS) as readers:
            return list(chain.from_iterable(readers.map(found, shared_out(names, _READERS))))

    def _by_name(self) -> Columns:
        return Columns(self._columns, has_plans=plans.name in self._tables)

    def _check_cells(self, name: str, cells: Iterable[Any]) -> None:
        try:
            for cell in cells:
                check_value(name, cell)
        except DataError as error:
            raise damaged(self.url, f"in some trial {error}") from error

    def _rows(self, query: sa.Select) -> list[dict[str, Any]]:
        with self._errors(), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _errors(self) -> AbstractContextManager[None]:
        return errors_of(self._address)


def _cells(columns: Iterable[sa.ColumnElement]) -> sa.Select:
    """What selects of trials what the database holds, as it is."""
    return sa.select(*(sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in columns))


def _is_positive(cell: Any) -> bool:
    """Whether a database, which may hold anything, has a number here that something can be divided by."""
    return isinstance(cell, int | float) and cell > 0


def _present(connection: sa.Connection, keys: Iterable[str], *, traced: bool) -> set[str]:
    found: set[str] = set()
    for some in _slices(list(keys)):
        query = sa.select(trials.c.key).where(trials.c.key.in_(some))
        if traced:
            query = query.where(trials.c.dead_units_trace.is_not(None))
        found.update(connection.scalars(query))
    return found


def _has_more(new: Any) -> sa.ColumnElement:
    """Whether the new row of a trial has of `KEPT_BESIDE` what the stored one lacks, and lacks nothing that it has."""
    gains = [trials.c[name].is_(None) & new[name].is_not(None) for name in KEPT_BESIDE]
    loses = [trials.c[name].is_not(None) & new[name].is_(None) for name in KEPT_BESIDE]
    return sa.or_(*gains) & ~sa.or_(*loses)


def _default(column: sa.Column) -> sa.ColumnElement:
    """What a store of an earlier version has in place of a column that it lacks."""
    declared = SETTINGS.get(column.name)
    if declared and declared.follows:
        return trials.c[declared.follows].label(column.name)
    return sa.literal(declared.default if declared else None, column.type).label(column.name)


def _trained(run: Run, what: str) -> StoreError:
    """The error for what cannot be deleted, since a run trains it."""
    return StoreError(
        f"{run.host or 'another machine'} ({run.process}) trains {what} now; wait until it has ended, or stop it "
        "(`twofold store running` shows it)"
    )


def _slices(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        yield keys[start : start + _KEYS_PER_QUERY]
