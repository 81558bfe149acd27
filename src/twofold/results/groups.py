"""Groups of trials that differ in nothing but what is drawn: the database tells and counts them.

So that a store of a million trials can be listed, and some of them chosen, without reading them all: what is chosen by,
beside rounds and other draws, is the same in all trials of a group. A group is called by the least key in it. An index
of SQLite's has all columns that are asked for here, in the order of the groups (migrations/0014_groups.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from twofold.results.cells import check_value
from twofold.results.plans import in_plan
from twofold.results.schema import trials
from twofold.settings import FIRST_FRESH_ROUND, SETTINGS

# What is drawn anew within a group.
DRAWN = ("round", *(name for name, declared in SETTINGS.items() if declared.numbers_draws or declared.follows))

# What tells groups apart, beside whether rounds are fresh and initial weights those of the round. What else a trial was
# given follows from its network.
TELLING = ("network", "identity", "source", *(n for n in SETTINGS if n not in DRAWN), "fingerprint", "class_names")
TELLING += ("question",)

# What is known of all trials of a group at once.
COUNTED = ("trials", "total", "squares", "best", "worst", "first_round", "last_round")

# What some trials of a group may lack, and is the same in the others, or only has to be there.
LARGEST = ("distance_threshold", "true_share", "one_image_error")

_INDEX = "ix_trials_groups"

# A statement's text of SQLite's holds so many keys.
_KEYS_IN_TEXT = 100_000


class Where(NamedTuple):
    """Which trials to look at: of a plan, finished since a moment of UTC in ISO 8601, with these of what is `DRAWN`."""

    plan: int | None = None
    since: str | None = None
    drawn: Mapping[str, Iterable[int]] = {}


class Columns:
    """The columns of a store by their names, of which one of an earlier version lacks some: see `Store`."""

    def __init__(self, given: Sequence[sa.ColumnElement], *, has_plans: bool) -> None:
        self._of = {column.name: column.element if isinstance(column, sa.Label) else column for column in given}
        self._has_plans = has_plans

    def groups(self, where: Where) -> sa.Select:
        """The query for the groups of the trials `where`: `key`, when they `first` finished, `COUNTED` and `LARGEST`.

        Of a group of which nothing drawn is chosen nothing is counted.
        """
        error, round_ = self._of["test_error"], self._of["round"]
        counts = {
            "trials": sa.func.count(error),
            "total": sa.func.sum(error),
            # Of fractions: of a million of them it is exact enough for a standard deviation of 10 digits.
            "squares": sa.func.sum(error * error),
            "best": sa.func.min(error),
            "worst": sa.func.max(error),
            "first_round": sa.func.min(round_),
            "last_round": sa.func.max(round_),
        }
        drawn = list(self._drawn(where))
        some = {name: each.filter(*drawn) if drawn else each for name, each in counts.items()}
        largest = {name: sa.func.max(self._of[name]) for name in LARGEST}
        least = {"key": sa.func.min(trials.c.key), "first": sa.func.min(trials.c.finished_at)}
        told = [each.label(name) for name, each in {**least, **some, **largest}.items()]
        return sa.select(*_as_they_are(told)).where(*self._among(where)).group_by(*self._telling(trials))

    def members(self, keys: Sequence[str], where: Where, dialect: str) -> sa.Select:
        """The query for the trials `where` of groups with these keys: `key`, and `of`, their group's; as finished."""
        first = trials.alias("first")
        alike = map(_is_same, self._telling(trials), self._telling(first))
        return (
            sa.select(trials.c.key, first.c.key.label("of"))
            .select_from(first.join(trials, sa.and_(*alike)))
            .where(first.c.key.in_(_listed(keys, dialect)), *self._among(where), *self._drawn(where))
            .order_by(trials.c.finished_at, trials.c.key)
        )

    def values(self, name: str, keys: Sequence[str], where: Where, dialect: str) -> sa.Select:
        """The query for the values of what is drawn that there are in these groups."""
        members = self.members(keys, where, dialect).order_by(None).subquery()
        return sa.select(self._of[name]).where(trials.c.key.in_(sa.select(members.c.key))).distinct()

    def _telling(self, table: sa.FromClause) -> list[sa.ColumnElement]:
        """What tells groups apart in `trials` or an alias of it: nothing does that a store of its version lacks."""
        names = [name for name in TELLING if isinstance(self._of[name], sa.Column)]
        fresh = table.c.round >= sa.literal_column(str(FIRST_FRESH_ROUND))  # no parameter, as in the index
        crossed = [table.c.weight_round != table.c.round] if self._of["weight_round"] is trials.c.weight_round else []
        return [*(table.c[name] for name in names), fresh, *crossed]

    def _among(self, where: Where) -> Iterator[sa.ColumnElement[bool]]:
        if where.plan is not None:
            yield in_plan(where.plan) if self._has_plans else sa.false()
        if where.since is not None:
            yield trials.c.finished_at >= where.since

    def _drawn(self, where: Where) -> Iterator[sa.ColumnElement[bool]]:
        for name, values in where.drawn.items():
            column = self._of[name]
            if isinstance(values, range) and values:
                ascending = values if values.step > 0 else values[::-1]
                yield column.between(ascending[0], ascending[-1])
                yield (column - ascending[0]) % ascending.step == 0
            else:
                yield column.in_(list(values))


def networks_of(connection: sa.Connection) -> list[Any]:
    """The networks in an SQLite file in their order, each looked up in the index; a store of before it has none."""
    if not any(row.name == _INDEX for row in connection.exec_driver_sql("PRAGMA index_list(trials)")):
        return []
    least = sa.func.min(trials.c.network)
    first = sa.select(least.label("network")).cte("networks", recursive=True)
    following = sa.select(least).where(trials.c.network > first.c.network).scalar_subquery()
    every = first.union_all(sa.select(following).where(first.c.network.is_not(None)))
    return list(connection.scalars(sa.select(every.c.network).where(every.c.network.is_not(None))))


def shared_out(names: Sequence[Any], shares: int) -> list[sa.ColumnElement[bool]]:
    """Conditions of which each trial meets one, for about as many of the networks each: at most so many, at least one.

    `names` are some of the networks, in their order in the database.
    """
    shares = max(1, min(shares, len(names)))
    starts = [names[len(names) * place // shares] for place in range(1, shares)]
    network = trials.c.network
    least = [sa.true(), *(network >= start for start in starts)]
    return [sa.and_(*both) for both in zip(least, [*(network < start for start in starts), sa.true()], strict=True)]


def without_sorting(connection: sa.Connection) -> None:
    """Have a server group trials by hashes in this transaction: it takes columns for independent, expects as many
    groups as trials, and would sort a million of them by all columns, which takes six times as long."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL enable_sort = off"))


def check_counted(row: Any) -> None:
    """Raise `DataError` where a row of `Columns.groups` shows that one of its trials has a cell that none can have.

    SQLite sorts texts behind numbers, and numbers behind nothing.
    """
    check_value("key", row.key)
    check_value("finished_at", row.first)
    ends = {"best": "test_error", "worst": "test_error", "first_round": "round", "last_round": "round"}
    for name, column in [*(ends.items() if row.trials else ()), *zip(LARGEST, LARGEST)]:
        check_value(column, getattr(row, name))


def _is_same(one: sa.ColumnElement, other: sa.ColumnElement) -> sa.ColumnElement[bool]:
    """The condition that two cells are the same, or both lacking: a server joins fast only by what never lacks."""
    lacks = isinstance(one, sa.Column) and one.nullable
    return one.is_not_distinct_from(other) if lacks else one == other


def _as_they_are(columns: Sequence[sa.Label]) -> list[sa.ColumnElement]:
    return [sa.type_coerce(column.element, sa.types.NullType()).label(column.name) for column in columns]


def _listed(keys: Sequence[str], dialect: str) -> Any:
    """The query for keys that are given: as texts of JSON, for a statement takes a limited number of values."""
    texts = [json.dumps(keys[start : start + _KEYS_IN_TEXT]) for start in range(0, len(keys), _KEYS_IN_TEXT)] or ["[]"]
    if dialect == "postgresql":
        arrays = [sa.func.json_array_elements_text(sa.cast(sa.literal(text), sa.JSON)) for text in texts]
    else:
        arrays = [sa.func.json_each(text) for text in texts]
    return sa.union_all(*(sa.select(each.table_valued("value").c.value) for each in arrays))
