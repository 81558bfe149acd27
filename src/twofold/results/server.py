"""PostgreSQL: how a server's URL is read and shown, how its database is opened, and which of its errors may pass."""

from __future__ import annotations

import difflib
import re
from typing import Any

import sqlalchemy as sa

# The one driver that stores are tested with; SQLAlchemy's own choice differs between its versions.
_DRIVER = "postgresql+psycopg"

FORM = "postgresql://USER@HOST/DATABASE"

# Kinds of databases that people name, and other names of PostgreSQL's: what is similar to one was meant as a URL.
_OURS = ("sqlite", "postgresql")
_KINDS = (*_OURS, "postgres", "pgsql", "psql", "mysql", "mariadb", "mssql", "oracle", "mongodb")

# The parameters of a URL whose values are shown. Of the others some are secret, and a mistyped name may mean one.
_TOLD = {"host", "hostaddr", "port", "service", "sslmode", "target_session_attrs"}

# What stands in a text that was meant as a URL and is none: a password before a host.
_CREDENTIALS = re.compile(r"[^/]*:.*@[^/]+/")

# A connection that a network lost without a word is given up after about a minute, and not after the system's hours;
# a server that does not answer a new one after as many seconds. What a URL says otherwise counts.
_PATIENCE = {
    "connect_timeout": 15,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,
}

# Milliseconds after which a transaction is ended by the server: of a run that was stopped in its midst, which would
# make all others wait, and of one that waits.
_LIMITS = {"idle_in_transaction_session_timeout": 30_000, "lock_timeout": 30_000}

# What may pass by itself: classes of states (PostgreSQL's documentation, appendix A) of connections, of what was undone
# for another's sake, of resources, of what is not ready, of an operator's doing, and of the system; and states of
# transactions that may only read, as on a standby, or were idle for too long.
_PASSING = ("08", "40", "53", "55", "57", "58", "25006", "25P03", "25P04")

# A connection that is refused has no state, only a text of the server's. These will be refused again.
_HOPELESS = re.compile(
    "authentication failed|no password supplied|does not exist|not permitted to log in|permission denied|"
    "no pg_hba.conf entry|definition of service|SSL was required|certificate verify failed|requires a value|"
    "unrecognized configuration parameter|invalid "
)


def url_of(text: str) -> sa.URL:
    """The URL of a database on a server. Raises `ValueError` that says what is wrong with it, and quotes nothing of it.

    A password may have most characters as they are; where that makes it unclear where it ends, it is not guessed.
    """
    kind, _, rest = text.partition("://")
    base, _, driver = kind.lower().partition("+")
    if base != "postgresql":
        near = meant_as(base)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"stores are SQLite files and PostgreSQL databases{hint}")
    if driver not in ("", "psycopg"):
        raise ValueError(f"twofold reaches PostgreSQL by psycopg; write {FORM}")
    if not text.isprintable():
        raise ValueError("it has signs that cannot be printed")
    if rest.count("@") > 1:
        raise ValueError("an @ in a password or a user's name is written %40")
    try:
        return sa.make_url(f"{_DRIVER}://{rest}")
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(f"what follows the host's colon is no port; write {FORM}") from None


def shown(url: sa.URL) -> str:
    """A URL as it may be shown to anybody: without what is secret, or may be."""
    query = {name: value if name in _TOLD else "***" for name, value in url.query.items()}
    text = url.set(drivername="postgresql", query=query).render_as_string(hide_password=True)
    return text.replace("%2A%2A%2A", "***")


def meant_as(kind: str) -> str:
    """The beginning of the URL that somebody meant who wrote this kind of database; empty where nothing is near."""
    near = difflib.get_close_matches(kind, _KINDS, n=1, cutoff=0.7)
    if not near or near[0] in ("mysql", "mariadb", "mssql", "oracle", "mongodb"):
        return ""
    return "sqlite:///" if near[0] == "sqlite" else "postgresql://"


def mistyped(text: str) -> str:
    """How a text that is no URL was meant as one of a database, if it was: as it may be shown, or empty."""
    kind = re.match(r"(\w+)(\+\w+)?(:|//)", text)
    if kind and difflib.get_close_matches(kind[1].lower(), _KINDS, n=1, cutoff=0.7):
        return f"{kind[0]}***"
    return f"***@{text.rpartition('@')[2]}" if _CREDENTIALS.match(text.removeprefix("//")) else ""


def open_server(url: sa.URL) -> sa.Engine:
    """SQLAlchemy's engine for a database on a server. A connection that was cut is made anew when it is next wanted.

    The server's own default for transactions is not ours: who has waited for a lock has to see what was done meanwhile.
    No statement is prepared: a pooler between us and the server may give the next one another connection.
    """
    options: dict[str, Any] = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    options["prepare_threshold"] = None
    engine = sa.create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=options)
    sa.event.listen(engine, "connect", _limit)
    return engine


def may_pass(error: sa.exc.DBAPIError) -> bool:
    """Whether what the driver raised may succeed when it is tried again later."""
    if state := getattr(error.orig, "sqlstate", None):
        return bool(state.startswith(_PASSING))
    if error.connection_invalidated:
        return True
    of_connections = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    return of_connections and not _HOPELESS.search(str(error.orig))


def cause_in(error: Exception) -> str:
    """What the driver says, in one line."""
    lines = str(error).splitlines() or [type(error).__name__]
    return " ".join(lines[0].split()).removeprefix("connection failed: ")


def _limit(connection: Any, _: object) -> None:
    """Set limits to what a connection does; a pooler between us and the server takes no such parameter at its start."""
    with connection.cursor() as cursor:
        for name, value in _LIMITS.items():
            cursor.execute(f"SET {name} = {value}")
    connection.commit()
