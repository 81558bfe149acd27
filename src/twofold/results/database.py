"""Databases: how a store is named, how its database is opened, and what is said when that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from twofold import shutdown
from twofold.errors import StoreError, cause_of

DEFAULT_URL = "sqlite:///twofold.db"


def parse_url(url: str | os.PathLike[str]) -> sa.URL:
    """The SQLAlchemy URL of a store: itself, or the path of an SQLite file. Raises `StoreError` where it is neither."""
    if not isinstance(url, str | os.PathLike) or not os.fspath(url).strip():
        raise StoreError(f"`store` (={url!r}) must be a URL or the path of a file, for example results.db")
    url = os.fspath(url)
    try:
        return sa.make_url(url if "://" in url else f"sqlite:///{url}")
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        scheme, _, rest = url.partition("://")
        shown = f"{scheme}://{rest.rpartition('@')[2]}"  # nothing before an @, which may be a password
        raise StoreError(
            f"cannot use the store {shown} ({cause_of(error)}); name another with --store, "
            "for example sqlite:///results.db"
        ) from error


def open_engine(url: sa.URL) -> sa.Engine:
    """SQLAlchemy's engine for a database; nothing is opened until something is asked of it."""
    # A second process that writes makes SQLite wait, for at most this many seconds, instead of failing.
    options: dict[str, Any] = {"timeout": 60} if url.get_backend_name() == "sqlite" else {}
    return sa.create_engine(url, connect_args=options)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose transaction is committed at the end, or rolled back; a signal does not cut it short."""
    with shutdown.critical, engine.begin() as connection:
        yield connection


@contextmanager
def errors_of(shown_url: str) -> Iterator[None]:
    """Make `StoreError`s of what SQLAlchemy and a lacking driver raise."""
    try:
        yield
    except ImportError as error:
        raise StoreError(
            f"the store {shown_url} needs the Python package {error.name}; install it with pip install {error.name}"
        ) from error
    except sa.exc.SQLAlchemyError as error:
        cause = cause_of(getattr(error, "orig", None) or error)
        raise StoreError(
            f"cannot use the store {shown_url} ({cause}); name another with --store, for example sqlite:///results.db"
        ) from error
