"""Claims: which run trains which trial, so that several share a study out between them.

A run is told by a random token, its `owner`, and counts its beats in the store: its claims hold as long as it beats. No
clock is compared with another machine's. Who wants what another has claimed looks at the other's beats, and where they
stand still for `LIFETIME` of its own time, by a clock that nobody sets, it forgets that run. So claims hold whatever
time machines believe it is, and a laptop that slept has lost nothing when it wakes.
"""

from __future__ import annotations

import platform
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa

from twofold.results.database import insert_new, writing
from twofold.results.processes import has_ended, number_of, this_process
from twofold.results.schema import claims, runs

# Seconds between two beats of a run, and those for which a run's beats stand still before it is forgotten.
BEAT_EVERY = 5.0
LIFETIME = 60.0

# A portion is a fourth of a run's share of what is left, and not so large that one who comes later finds nothing to do.
_PARTS, _LARGEST_PORTION = 4, 64

# How many trials a run claims first: it cannot know of those that begin when it does.
_FIRST_PORTION = 4

# The most beats that a run begins with: half of what a whole number of SQL holds.
_MOST_BEATS = 2**30

# The most seconds that count between two looks at another run: who was stopped meanwhile has not seen it stand still.
_LONGEST_LOOK = LIFETIME / 4


def new_owner() -> str:
    """A token for a run, to claim trials with."""
    return uuid.uuid4().hex


class Claims:
    """The claims in a database. Methods raise what SQLAlchemy raises."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._watched: dict[str, _Watched] = {}
        self._claimed: Counter[str] = Counter()  # how many trials owners have claimed by this object

    def take(self, connection: sa.Connection, keys: Sequence[str], owner: str) -> list[str]:
        """Claim those of the trials that nobody has, and return them; at the end of the transaction it is so."""
        if not keys:
            return []
        connection.execute(insert_new(connection, runs), _of_this_process(owner))
        # In one order for all, so that no two wait for each other.
        rows = [{"key": key, "owner": owner} for key in sorted(keys)]
        connection.execute(insert_new(connection, claims), rows)
        mine = sa.select(claims.c.key).where(claims.c.key.in_(keys), claims.c.owner == owner)
        taken = set(connection.scalars(mine))
        self._claimed[owner] += len(taken)
        return [key for key in keys if key in taken]

    def taken(self, connection: sa.Connection, keys: Sequence[str], owner: str) -> set[str]:
        """Those of the trials that others than `owner` have claimed.

        Its own it may not know of: where a connection is cut, it may not hear that they were claimed.
        """
        others = sa.select(claims.c.key).where(claims.c.key.in_(keys), claims.c.owner != owner)
        return set(connection.scalars(others))

    def owners_of(self, connection: sa.Connection, keys: Sequence[str]) -> set[str]:
        """Who has claimed one of a few trials."""
        return set(connection.scalars(sa.select(claims.c.owner).where(claims.c.key.in_(keys)).distinct()))

    def portion(self, connection: sa.Connection, owner: str, left: int) -> int:
        """How many of the trials that are left `owner` should claim at once: no more than it has claimed before."""
        most = max(_FIRST_PORTION, self._claimed[owner])
        return min(most, portion(left, self._runs(connection, owner)))

    def _runs(self, connection: sa.Connection, owner: str) -> int:
        """How many runs there are, with `owner`, which may not have begun."""
        others = sa.select(sa.func.count()).where(runs.c.owner != owner)
        return 1 + connection.scalars(others).one()

    def beat(
        self, owner: str, held: Iterable[str], *, trials: int, done: int, plan: Mapping[str, Any] | None = None
    ) -> bool:
        """Say that `owner` is alive, and has done so many of its trials, which are those of a `plan` (see `Run`).

        Where it was forgotten, for it had been stopped, what it still trains (`held`) and nobody else has taken since
        is claimed anew, and the answer is true. A signal may cut this short, which is as if it had not been begun.
        """
        told = {"trials": trials, "done": done, "plan": plan}
        again = {"beats": runs.c.beats + 1, "beat_at": sa.func.now()}
        with writing(self._engine, whole=False) as connection:
            known = connection.execute(sa.update(runs).where(runs.c.owner == owner).values(told | again))
            if not known.rowcount:
                connection.execute(insert_new(connection, runs), _of_this_process(owner) | told)
                self.take(connection, list(held), owner)
        return not known.rowcount

    def running(self, connection: sa.Connection) -> list[Run]:
        """The runs that there are, the earliest first."""
        claimed = sa.select(sa.func.count()).where(claims.c.owner == runs.c.owner).scalar_subquery()
        now = sa.func.now()
        query = sa.select(runs, claimed.label("claimed"), now.label("now")).order_by(runs.c.began_at, runs.c.owner)
        return [_run(row) for row in connection.execute(query)]

    def living(self, connection: sa.Connection) -> dict[str, Run]:
        """The runs that are alive, by their tokens."""
        now = sa.func.now()
        query = sa.select(runs, sa.literal(0).label("claimed"), now.label("now"))
        found = {row.owner: _run(row) for row in connection.execute(query)}
        return {owner: run for owner, run in found.items() if not run.stands_still}

    def without_run(self, connection: sa.Connection) -> int:
        """How many trials are claimed by runs that are not there."""
        lost = claims.c.owner.not_in(sa.select(runs.c.owner))
        return connection.scalars(sa.select(sa.func.count()).select_from(claims).where(lost)).one()

    def release(self, owner: str) -> None:
        """Forget a run, and all that it has claimed."""
        with writing(self._engine) as connection:
            _forget(connection, owner)

    def forget_the_dead(self, owner: str = "") -> None:
        """Forget the runs that are no more, but never `owner`: exactly one of those who see it does so.

        A run is no more where its process was on this machine and has ended, or where its beats stand still.
        """
        with self._engine.connect() as connection:
            others = connection.execute(sa.select(runs).where(runs.c.owner != owner)).all()
        now = time.monotonic()
        before = self._watched
        watched = {run.owner: before.get(run.owner, _Watched(run.beats, now)).again(run.beats, now) for run in others}
        self._watched = watched
        for run in others:
            if watched[run.owner].still >= LIFETIME or has_ended(run.process):
                with writing(self._engine) as connection:
                    _forget(connection, run.owner, beats=run.beats)


class Run(NamedTuple):
    """A run that trains for a store, as it last told of itself.

    `process` is its number on its `host`, where that is known. It `began` and last gave a `sign` of life so many
    seconds ago, by the database's clock. Of its `trials` so many are `done`, and it has `claimed` others. `plan` are
    values of what it trains, by their names (see `twofold.study.share`); None of a run that has just begun. `ended` is
    true where its process is known to have ended.
    """

    host: str
    process: str
    began: float
    sign: float
    trials: int
    done: int
    claimed: int
    plan: Mapping[str, Any] | None
    ended: bool

    @property
    def stands_still(self) -> bool:
        """Whether others who need its trials may take them."""
        return self.ended or self.sign >= LIFETIME


def _run(row: Any) -> Run:
    began, sign = ((row.now - at).total_seconds() for at in (row.began_at, row.beat_at))
    return Run(
        host=row.host,
        process=number_of(row.process),
        began=max(0.0, began),
        sign=max(0.0, sign),
        trials=row.trials,
        done=row.done,
        claimed=row.claimed,
        plan=row.plan,
        ended=has_ended(row.process),
    )


def portion(left: int, runs: int) -> int:
    """How many of the trials that are left a run should claim at once, where so many runs share them.

    Guided self-scheduling (Polychronopoulos and Kuck 1987, section 3): a part of what is left, so that portions become
    smaller towards the end, and all runs end together.
    """
    return max(1, min(_LARGEST_PORTION, left // (_PARTS * runs)))


class _Watched:
    """Another run, as it was when it was looked at last, and for how many seconds its beats have stood still."""

    def __init__(self, beats: int, at: float, still: float = 0.0) -> None:
        self.beats, self.at, self.still = beats, at, still

    def again(self, beats: int, now: float) -> _Watched:
        still = self.still + min(now - self.at, _LONGEST_LOOK) if beats == self.beats else 0.0
        return _Watched(beats, now, still)


def forgetting(key: str) -> sa.Delete:
    """The statement by which the claim of a trial is forgotten, for a transaction that does more."""
    return sa.delete(claims).where(claims.c.key == key)


def _forget(connection: sa.Connection, owner: str, *, beats: int | None = None) -> None:
    """Forget a run and its claims; with `beats`, unless it has beaten since."""
    this = runs.c.owner == owner
    gone = connection.execute(sa.delete(runs).where(this if beats is None else this & (runs.c.beats == beats)))
    if gone.rowcount or beats is None:
        connection.execute(sa.delete(claims).where(claims.c.owner == owner))


def _of_this_process(owner: str) -> dict[str, Any]:
    host = ""
    with suppress(OSError):
        host = platform.node()
    # A run that was forgotten and comes again has not the number of beats at which others saw it stand still.
    beats = secrets.randbelow(_MOST_BEATS)
    return {"owner": owner, "host": host, "process": this_process(), "beats": beats, "trials": 0, "done": 0}
