"""Plans: what runs were asked to train, each recorded in the store by the run itself.

A plan has its trials' keys in a table. A million of them take 165 MB there, with the index by key: a ninth of what the
trials of 100 epochs themselves take (docs/plans.md). So which trials are a plan's, how many of them are stored, and
which plans have a trial is asked of the database, and needs neither networks nor images at hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from twofold.errors import DataError, shown
from twofold.paths import is_text
from twofold.results.database import insert_new, wait_for_others
from twofold.results.rows import as_given, damaged, of_json
from twofold.results.schema import claims, plan_trials, plans, trials
from twofold.settings import moment

# What runs are called that train: the commands, and the second part of a grid or a search, in rounds of its own.
COMMANDS = ("study", "grid", "sweep", "tune", "confirmation")

# What a plan's content may have: its studies and what these have, a search and what it has, and what names meant.
_STUDY = {"networks", "rounds", "classes", "settings"}
_SEARCH = {"budget", "together", "batch", "space", "names"}
_CONTENT = {"studies", "search", "identities"}


class Plan(NamedTuple):
    """What one run is asked to train.

    `identity` is a hash of the command and of what is trained: what is run again is the same plan. `trials` is how many
    there are; of a search, how many trainings it may use. `content` says what they are (`check_content`).
    """

    identity: str
    command: str
    trials: int
    content: Mapping[str, Any]


class Recorded(NamedTuple):
    """A plan of a store: its number there, when it was run first and last, by which version first, how much is done.

    Times are of UTC, in ISO 8601; a run that found all there has changed nothing.
    """

    number: int
    plan: Plan
    first_at: str
    last_at: str
    version: str
    done: int = 0


def record(connection: sa.Connection, plan: Plan, keys: Sequence[str], *, version: str) -> int:
    """Record a plan and these trials of it, unless they are there, within a transaction that writes; its number.

    A plan that is there was run again: its last time is now, and of a search the trainings that it may use are these.
    """
    wait_for_others(connection)  # of two runs of one plan that begin at once, one records it
    now = moment(datetime.now(UTC))
    told = {"trials": plan.trials, "content": dict(plan.content), "last_at": now}
    number = connection.scalar(sa.select(plans.c.number).where(plans.c.identity == plan.identity))
    if number is None:
        row = {"identity": plan.identity, "command": plan.command, "first_at": now, "version": version}
        number = _number_of(connection.execute(sa.insert(plans), row | told))
    else:
        connection.execute(sa.update(plans).where(plans.c.number == number).values(told))
    _add_trials(connection, number, plan, keys)
    return number


def has(connection: sa.Connection, plan: Plan, trials: int) -> bool:
    """Whether a plan is recorded, of as many trials as it has now, and with the keys of so many."""
    count = sa.select(sa.func.count()).where(plan_trials.c.plan == plans.c.number).scalar_subquery()
    same = (plans.c.identity == plan.identity) & (plans.c.trials == plan.trials)
    return bool((connection.scalar(sa.select(count).where(same)) or 0) >= trials > 0)


def take(connection: sa.Connection, theirs: Recorded, keys: Sequence[str]) -> bool:
    """Record a plan of another store, within a transaction that writes; whether it was not here."""
    wait_for_others(connection)
    here = connection.execute(sa.select(plans).where(plans.c.identity == theirs.plan.identity)).first()
    if here is None:
        plan = theirs.plan._asdict() | {"content": dict(theirs.plan.content)}
        times = {"first_at": theirs.first_at, "last_at": theirs.last_at, "version": theirs.version}
        number = _number_of(connection.execute(sa.insert(plans), plan | times))
    else:
        number = here.number
        both = {
            "first_at": min(here.first_at, theirs.first_at),
            "last_at": max(here.last_at, theirs.last_at),
            "trials": max(here.trials, theirs.plan.trials),
        }
        connection.execute(sa.update(plans).where(plans.c.number == number).values(both))
    _add_trials(connection, number, theirs.plan, keys)
    return here is None


def recorded(connection: sa.Connection, shown_url: str, *, counted: bool) -> list[Recorded]:
    """The plans of a store in the order of their numbers, `counted` with how many of their trials are stored.

    Raises `StoreError` for one that no run has recorded.
    """
    text = connection.dialect.name == "sqlite"
    query = sa.select(*as_given(list(plans.c), connection.dialect.name)).order_by(plans.c.number)
    # No column, for which SQLite would look the trials up plan by plan: in the order of keys it takes half of the time.
    number = plan_trials.c.plan + sa.literal_column("0")
    done = sa.select(number, sa.func.count()).join(trials, trials.c.key == plan_trials.c.key).group_by(number)
    counts = {row[0]: row[1] for row in connection.execute(done)} if counted else {}
    return [_recorded(row, counts.get(row.number, 0), shown_url, text=text) for row in connection.execute(query)]


def without_plan(connection: sa.Connection) -> int:
    """How many stored trials no plan has."""
    known = sa.exists().where(plan_trials.c.key == trials.c.key)
    return connection.scalars(sa.select(sa.func.count()).select_from(trials).where(~known)).one()


def lost(connection: sa.Connection) -> list[Any]:
    """The numbers, or whatever stands there, of plans that are not there, and have trials."""
    numbers = sa.select(plan_trials.c.plan).where(plan_trials.c.plan.not_in(sa.select(plans.c.number))).distinct()
    return list(connection.scalars(numbers))


def keys_of(connection: sa.Connection, number: int, shown_url: str) -> list[str]:
    """The keys of a plan's trials, stored or not, in their order. Raises `StoreError` where one is no text."""
    query = sa.select(plan_trials.c.key).where(plan_trials.c.plan == number).order_by(plan_trials.c.key)
    keys = list(connection.scalars(query))
    for key in keys:
        if not _is_text(key):
            raise damaged(shown_url, f"of the plan {number} the key {shown(key)} is none")
    return keys


def in_plan(number: int) -> sa.ColumnElement[bool]:
    """The condition that a trial is one of a plan's."""
    return trials.c.key.in_(sa.select(plan_trials.c.key).where(plan_trials.c.plan == number))


def in_others(connection: sa.Connection, keys: Sequence[str], number: int) -> set[str]:
    """Those of a few keys that other plans have too."""
    others = sa.select(plan_trials.c.key).where(plan_trials.c.key.in_(keys), plan_trials.c.plan != number)
    return set(connection.scalars(others))


def having(connection: sa.Connection, keys: Sequence[str]) -> set[int]:
    """The plans that have one of a few keys."""
    found = connection.scalars(sa.select(plan_trials.c.plan).where(plan_trials.c.key.in_(keys)).distinct())
    return {number for number in found if _is_count(number)}


def under_way(connection: sa.Connection, owners: Sequence[str]) -> dict[int, str]:
    """The plans of which these runs have claimed trials, each with one of the runs."""
    claimed = (
        sa.select(plan_trials.c.plan, sa.func.min(claims.c.owner))
        .join(claims, claims.c.key == plan_trials.c.key)
        .where(claims.c.owner.in_(owners))
        .group_by(plan_trials.c.plan)
    )
    return {row[0]: row[1] for row in connection.execute(claimed) if _is_count(row[0])}


def remove(connection: sa.Connection, number: int | None = None) -> None:
    """Delete a plan, or all, within a transaction that writes; its trials stay."""
    connection.execute(sa.delete(plan_trials).where(sa.true() if number is None else plan_trials.c.plan == number))
    connection.execute(sa.delete(plans).where(sa.true() if number is None else plans.c.number == number))


def check_content(content: Any) -> None:
    """Raise `DataError` unless this says what a plan trains, as a plan file does.

    It has `studies`, each with the names of its `networks`, its `rounds` as one text, the `settings` that are not at
    their defaults (one value, or a list of several) and perhaps the `classes`; a `search` with its `budget`, whether it
    is for all networks `together`, the `batch` of proposals made at once, the `space` of settings, and the `names` that
    Optuna has for it; and `identities`: of what has a name of its own (a network, a relation, images) the hash that it
    had.
    """
    _check_names("its content", content, _CONTENT, {"studies"})
    studies = content["studies"]
    if not isinstance(studies, list) or not studies:
        raise DataError(f"`studies` (={shown(studies)}) must be a list of studies")
    for study in studies:
        _check_names("a study", study, _STUDY, {"networks", "rounds"})
        if not _are_texts(study["networks"]) or not study["networks"]:
            raise DataError(f"`networks` (={shown(study['networks'])}) must be a list of names")
        for name in ("rounds", "classes"):
            if not _is_text(study.get(name, "")):
                raise DataError(f"`{name}` (={shown(study[name])}) must be a text")
        _check_values("settings", study.get("settings", {}))
    if "search" in content:
        _check_names("a search", content["search"], _SEARCH, {"budget"})
        for name in ("budget", "batch"):
            count = content["search"].get(name, 1)
            if type(count) is not int or count < 1:
                raise DataError(f"`{name}` (={shown(count)}) must be a whole number of at least 1")
        if type(content["search"].get("together", False)) is not bool:
            raise DataError(f"`together` (={shown(content['search']['together'])}) must be True or False")
        if not _are_texts(content["search"].get("names", [])):
            raise DataError(f"`names` (={shown(content['search']['names'])}) must be a list of texts")
        _check_values("space", content["search"].get("space", {}))
    identities = content.get("identities", {})
    if not isinstance(identities, dict) or not _are_texts(list(identities.values())):
        raise DataError(f"`identities` (={shown(identities)}) must be names with their hashes")


def _check_names(what: str, given: Any, known: set[str], needed: set[str]) -> None:
    if not isinstance(given, dict) or not needed <= given.keys() <= known:
        raise DataError(f"{what} (={shown(given)}) must have {', '.join(sorted(needed))}, and nothing unknown")


def _check_values(name: str, given: Any) -> None:
    if not isinstance(given, dict) or not all(map(_is_plain, given.values())):
        raise DataError(f"`{name}` (={shown(given)}) must be names, each with a value or several")


def _is_plain(value: Any) -> bool:
    return _is_one(value) or (isinstance(value, list) and bool(value) and all(map(_is_one, value)))


def _is_one(value: Any) -> bool:
    return _is_text(value) or isinstance(value, bool | int | float)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_text, values))


def _recorded(row: Any, done: int, shown_url: str, *, text: bool) -> Recorded:
    try:
        content = of_json(row.content) if text else row.content
        check_content(content)
        for name, fits in _CELLS.items():
            if not fits(getattr(row, name)):
                raise DataError(f"`{name}` (={shown(getattr(row, name))}) cannot be")
    except DataError as error:
        raise damaged(shown_url, f"of the plan {shown(row.number)} {error}") from error
    plan = Plan(row.identity, row.command, row.trials, content)
    return Recorded(row.number, plan, row.first_at, row.last_at, row.version, done)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_text(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (ValueError, TypeError):
        return False


# What a plan's cells may be, beside its content.
_CELLS: Mapping[str, Any] = {
    "number": _is_count,
    "identity": lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None,
    "command": lambda value: isinstance(value, str) and value in COMMANDS,
    "trials": _is_count,
    "first_at": _is_moment,
    "last_at": _is_moment,
    "version": _is_text,
}


def _number_of(inserted: sa.CursorResult) -> int:
    """The number that the database gave a row."""
    key = inserted.inserted_primary_key
    return int(key[0]) if key else 0


def _add_trials(connection: sa.Connection, number: int, plan: Plan, keys: Sequence[str]) -> None:
    """Add trials to a plan that may have them: all but a search have all of theirs from the first."""
    here = sa.select(sa.func.count()).where(plan_trials.c.plan == number)
    if keys and ("search" in plan.content or connection.scalars(here).one() < plan.trials):
        rows = [{"plan": number, "key": key} for key in sorted(set(keys))]
        connection.execute(insert_new(connection, plan_trials), rows)
