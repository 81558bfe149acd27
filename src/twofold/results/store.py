"""The results store: one row per trial, written once, when the trial is complete, in one transaction."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from twofold.errors import StoreError, cause_of

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_URL = "sqlite:///twofold.db"

# A claim that was not renewed for this long (in seconds) belongs to a run that was killed.
_CLAIM_LIFETIME = 120.0

# SQLite takes a limited number of bound values in one statement.
_KEYS_PER_QUERY = 500

_metadata = sa.MetaData()

trials = sa.Table(
    "trials",
    _metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    # What was trained.
    sa.Column("network", sa.String, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("weight_sharing", sa.Boolean, nullable=False),
    sa.Column("auxiliary_losses", sa.Boolean, nullable=False),
    sa.Column("optimizer", sa.String, nullable=False),
    sa.Column("learning_rate", sa.Double, nullable=False),
    sa.Column("aux_weight", sa.Double, nullable=False),
    sa.Column("batch_size", sa.Integer, nullable=False),
    sa.Column("epochs", sa.Integer, nullable=False),
    sa.Column("shuffle", sa.Boolean, nullable=False),
    sa.Column("pairs", sa.Integer, nullable=False),
    sa.Column("test_pairs", sa.Integer, nullable=False),
    sa.Column("validation_pairs", sa.Integer, nullable=False),
    sa.Column("relation", sa.String, nullable=False),
    sa.Column("normalise", sa.Boolean, nullable=False),
    sa.Column("bottleneck_activation", sa.String, nullable=False),
    sa.Column("data", sa.String, nullable=False),
    sa.Column("fingerprint", sa.String, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    # What came out. Errors are fractions; a diverged loss is stored as null, JSON having no NaN.
    sa.Column("train_error", sa.Double, nullable=False),
    sa.Column("validation_error", sa.Double),
    sa.Column("test_error", sa.Double, nullable=False),
    sa.Column("digit_error", sa.Double),
    sa.Column("dead_first", sa.Integer, nullable=False),
    sa.Column("dead_second", sa.Integer, nullable=False),
    sa.Column("diverged", sa.Boolean, nullable=False),
    sa.Column("train_loss", sa.JSON, nullable=False),
    sa.Column("dead_units_trace", sa.JSON(none_as_null=True)),
    # How it was made.
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("twofold_version", sa.String, nullable=False),
    sa.Column("jax_version", sa.String, nullable=False),
    sa.Column("device", sa.String, nullable=False),
    sa.Column("finished_at", sa.String, nullable=False),
)

_claims = sa.Table(
    "claims",
    _metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
)

# What an optimizer of settings writes down of its search, entry by entry.
_journal = sa.Table(
    "search_journal",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.JSON, nullable=False),
)

# What `read` leaves out unless it is asked for histories: one number and more per epoch.
LONG_COLUMNS = ("train_loss", "dead_units_trace")


class Store:
    """A database of trials: SQLite in a file, or any other that SQLAlchemy reaches.

    `url` is an SQLAlchemy URL, or the path of an SQLite file. Opening creates the tables where they lack, unless
    `create` is false: then a store that is not there is an error. Several processes may use one store at once.

    Raises `StoreError` where the database cannot be opened, or is not one of ours.
    """

    def __init__(self, url: str = DEFAULT_URL, *, create: bool = True) -> None:
        parsed = parse_url(url)
        self.url = parsed.render_as_string(hide_password=True)
        in_file = parsed.database if parsed.get_backend_name() == "sqlite" else None
        with self._errors():
            self._engine = sa.create_engine(parsed, **_engine_options(parsed))
            if not create and in_file and not Path(in_file).exists():
                raise StoreError(f"there is no store at {self.url}; run a study first, or name another with --store")
            self._check_tables(create=create, sharing=not in_file)
            if create:
                self._create_tables()

    def add(self, row: Mapping[str, Any]) -> None:
        """Store one complete trial, in place of an earlier row with the same key, and give up its claim."""
        with self._errors(), self._engine.begin() as connection:
            connection.execute(sa.delete(trials).where(trials.c.key == row["key"]))
            connection.execute(sa.insert(trials), dict(row))
            connection.execute(sa.delete(_claims).where(_claims.c.key == row["key"]))

    def present(self, keys: Iterable[str], *, traced: bool = False) -> set[str]:
        """Those of the keys whose trials are stored; with `traced`, only those that kept a trace of dead units."""
        found: set[str] = set()
        with self._errors(), self._engine.connect() as connection:
            for some in _slices(list(keys)):
                query = sa.select(trials.c.key).where(trials.c.key.in_(some))
                if traced:
                    query = query.where(trials.c.dead_units_trace.is_not(None))
                found.update(connection.scalars(query))
        return found

    def read(self, keys: Iterable[str] | None = None, *, histories: bool = False) -> pd.DataFrame:
        """A data frame with a row per stored trial: those of `keys`, in that order, or all, as they finished.

        With `histories` it has the columns `train_loss` (a list, one number per epoch) and `dead_units_trace`
        (a list of [first, second], or None) as well.
        """
        import pandas as pd

        columns = [c for c in trials.c if histories or c.name not in LONG_COLUMNS]
        rows: list[sa.Row] = []
        wanted = None if keys is None else list(keys)
        with self._errors(), self._engine.connect() as connection:
            if wanted is None:
                rows += connection.execute(sa.select(*columns).order_by(trials.c.finished_at, trials.c.key))
            else:
                for some in _slices(wanted):
                    rows += connection.execute(sa.select(*columns).where(trials.c.key.in_(some)))
        table = pd.DataFrame([tuple(row) for row in rows], columns=[c.name for c in columns])
        for name in ("validation_error", "digit_error"):
            table[name] = table[name].astype(float)
        if wanted is None:
            return table
        found = set(table.key)
        return table.set_index("key").loc[[key for key in wanted if key in found]].reset_index()

    def claim(
        self, key: str, owner: str, *, traced: bool = False, wanted_again: Callable[[str], bool] | None = None
    ) -> bool:
        """Whether `owner` may train this trial: it is not `present`, or `wanted_again`, and no living run has it."""
        with self._errors():
            self._drop_stale_claim(key)
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.insert(_claims), {"key": key, "owner": owner, "renewed_at": time.time()})
            except sa.exc.IntegrityError:
                return False
            # The row may have been stored, and its claim given up, since the caller last looked.
            if not self.present([key], traced=traced) or (wanted_again and wanted_again(key)):
                return True
            self._forget_claim(key)
            return False

    def renew_claims(self, owner: str) -> None:
        """Say that `owner` is alive; to be called well within two minutes."""
        with self._errors(), self._engine.begin() as connection:
            mine = _claims.c.owner == owner
            connection.execute(sa.update(_claims).where(mine).values(renewed_at=time.time()))

    def release_claims(self, owner: str) -> None:
        """Give up what `owner` claimed and did not finish."""
        with self._errors(), self._engine.begin() as connection:
            connection.execute(sa.delete(_claims).where(_claims.c.owner == owner))

    def append_journal(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write the entries at the end of the search journal, all or none; several processes may write at once."""
        number = sa.select(sa.func.coalesce(sa.func.max(_journal.c.number), -1) + 1)
        with self._errors():
            while True:
                try:
                    with self._engine.begin() as connection:
                        for entry in entries:
                            row = number.add_columns(sa.literal(entry, sa.JSON))
                            connection.execute(sa.insert(_journal).from_select(["number", "entry"], row))
                    return
                except sa.exc.IntegrityError:
                    continue  # another process took the number: it has written, so this makes progress

    def read_journal(self, start: int = 0) -> list[dict[str, Any]]:
        """The entries of the search journal from the one of this number on; the first has number 0."""
        query = sa.select(_journal.c.entry).where(_journal.c.number >= start).order_by(_journal.c.number)
        with self._errors(), self._engine.connect() as connection:
            return list(connection.scalars(query))

    def _drop_stale_claim(self, key: str) -> None:
        with self._engine.begin() as connection:
            claim = connection.execute(sa.select(_claims).where(_claims.c.key == key)).one_or_none()
            if claim and (claim.renewed_at < time.time() - _CLAIM_LIFETIME or _is_dead(claim.owner)):
                same = (_claims.c.key == key) & (_claims.c.owner == claim.owner)
                connection.execute(sa.delete(_claims).where(same))

    def _forget_claim(self, key: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_claims).where(_claims.c.key == key))

    def _create_tables(self) -> None:
        """Create what lacks, whoever else does so at the same time."""
        with self._engine.begin() as connection:
            for table in _metadata.sorted_tables:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))

    def _check_tables(self, *, create: bool, sharing: bool) -> None:
        """Raise `StoreError` unless the database is ours or, with `create`, can become so.

        A database server may be shared with other programs (`sharing`); a file that holds only tables of others is
        theirs.
        """
        inspector = sa.inspect(self._engine)
        names = set(inspector.get_table_names())
        if "trials" not in names:
            if not create or (names - set(_metadata.tables) and not sharing):
                raise StoreError(
                    f"{self.url} is no store of twofold: it has no table `trials`; name another with --store"
                )
            return
        there = {c["name"] for c in inspector.get_columns("trials")}
        lacking = [c.name for c in trials.c if c.name not in there]
        if lacking:
            raise StoreError(
                f"the store {self.url} was made by another program or another version of twofold (its table `trials` "
                f"has no column `{lacking[0]}`); name another with --store"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise StoreError(
                f"the store {self.url} needs the Python package {error.name}; install it with pip install {error.name}"
            ) from error
        except sa.exc.SQLAlchemyError as error:
            cause = cause_of(getattr(error, "orig", None) or error)
            raise StoreError(
                f"cannot use the store {self.url} ({cause}); name another with --store, "
                "for example sqlite:///results.db"
            ) from error


def new_owner() -> str:
    """A name for this run, to claim trials with: it tells the machine and the process as well."""
    return f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex}"


def _is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that is no more; false where that cannot be known."""
    here = f"{platform.node()}:"
    if not owner.startswith(here) or os.name != "posix":
        return False
    try:
        os.kill(int(owner.removeprefix(here).split(":")[0]), 0)  # sends no signal, only asks
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, and alive
        return False
    return False


def parse_url(url: str) -> sa.URL:
    """The SQLAlchemy URL of a store: itself, or the path of an SQLite file. Raises `StoreError` where it is neither."""
    try:
        return sa.make_url(url if "://" in url else f"sqlite:///{url}")
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        scheme, _, rest = url.partition("://")
        shown = f"{scheme}://{rest.rpartition('@')[2]}"  # nothing before an @, which may be a password
        raise StoreError(
            f"cannot use the store {shown} ({cause_of(error)}); name another with --store, "
            "for example sqlite:///results.db"
        ) from error


def _engine_options(url: sa.URL) -> dict[str, Any]:
    # A second process that writes makes SQLite wait, for at most this many seconds, instead of failing.
    return {"connect_args": {"timeout": 60}} if url.get_backend_name() == "sqlite" else {}


def _slices(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        yield keys[start : start + _KEYS_PER_QUERY]
