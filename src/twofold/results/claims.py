"""Claims: which run trains which trial, so that several share a study out between them."""

from __future__ import annotations

import os
import platform
import time
import uuid

import sqlalchemy as sa

from twofold.results.database import writing
from twofold.results.schema import claims

# A claim that was not renewed for this long (in seconds) belongs to a run that was killed.
_CLAIM_LIFETIME = 120.0


def new_owner() -> str:
    """A name for this run, to claim trials with: it tells the machine and the process as well."""
    return f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex}"


class Claims:
    """The claims in a database. Methods raise what SQLAlchemy raises."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def take(self, key: str, owner: str) -> bool:
        """Claim a trial, unless a living run has; say whether that was done."""
        self._drop_stale(key)
        try:
            with writing(self._engine) as connection:
                connection.execute(sa.insert(claims), {"key": key, "owner": owner, "renewed_at": time.time()})
        except sa.exc.IntegrityError:
            return False
        return True

    def give_up(self, key: str) -> None:
        """Forget who has claimed a trial."""
        with writing(self._engine) as connection:
            connection.execute(forgetting(key))

    def renew(self, owner: str) -> None:
        """Say that `owner` is alive."""
        with writing(self._engine) as connection:
            mine = claims.c.owner == owner
            connection.execute(sa.update(claims).where(mine).values(renewed_at=time.time()))

    def release(self, owner: str) -> None:
        """Forget all that `owner` has claimed."""
        with writing(self._engine) as connection:
            connection.execute(sa.delete(claims).where(claims.c.owner == owner))

    def _drop_stale(self, key: str) -> None:
        with writing(self._engine) as connection:
            claim = connection.execute(sa.select(claims).where(claims.c.key == key)).one_or_none()
            if claim and (claim.renewed_at < time.time() - _CLAIM_LIFETIME or _is_dead(claim.owner)):
                connection.execute(forgetting(key).where(claims.c.owner == claim.owner))


def forgetting(key: str) -> sa.Delete:
    """The statement by which the claim of a trial is forgotten, for a transaction that does more."""
    return sa.delete(claims).where(claims.c.key == key)


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
