"""Deleting trials and plans of a store, with the networks kept of them.

Kept networks go first, then all rows in one transaction, which has begun before: killed in between, the store has
trials whose networks are not kept, as many have, and never a kept network without its trial. The same again goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twofold.errors import StoreError, needing
from twofold.results import ModelStore, Recorded, Store


@dataclass(frozen=True)
class Removal:
    """What is to be deleted: so many trials, of these keys, the files of kept networks, and a plan if it goes as well.

    `spared` is how many trials of the plan stay since other plans have them too. With `whole` the store is emptied,
    and there are no keys.
    """

    store: Store
    models: ModelStore
    trials: int
    keys: Sequence[str]
    plan: Recorded | None = None
    spared: int = 0
    whole: bool = False
    files: Sequence[Path] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to delete."""
        return not self.trials and not self.files and self.plan is None

    @property
    def bytes_kept(self) -> int:
        """The size of the kept networks that go."""
        return sum(path.stat().st_size for path in self.files if path.is_file())

    @property
    def bytes_stored(self) -> int:
        """About how many bytes of the database the trials take: as many as others on average."""
        count = self.store.count()
        return round(self.store.size() * self.trials / count) if count else 0


def removal_of(
    store: Store,
    models: ModelStore,
    keys: Sequence[str],
    *,
    plan: Recorded | None = None,
    shared: bool = False,
) -> Removal:
    """What deleting these trials comes to; with a `plan`, the whole of it.

    Of a plan, trials that other plans have too stay, unless those that are `shared` are to go as well. Raises
    `StoreError` where a run trains what is to go, or its plan, now.
    """
    there = store.present(keys)
    others = store.in_other_plans(keys, plan.number) & there if plan and not shared else set()
    gone = sorted(there - others)
    store.check_idle(gone, plan=plan and plan.number)
    files = [path for path in models.files() if path.stem in set(gone)]
    return Removal(store, models, len(gone), gone, plan, len(others), files=files)


def removal_of_all(store: Store, models: ModelStore) -> Removal:
    """What emptying a store comes to. Raises `StoreError` where a run trains for it now."""
    store.check_idle()
    return Removal(store, models, store.count(), [], whole=True, files=models.files())


def delete(removal: Removal) -> int:
    """Delete it, and return how many bytes smaller the store's file is.

    Raises `StoreError` where a run has begun meanwhile that trains it, or the store or a file cannot be written,
    `ExtraError` where a search is to be forgotten and Optuna is not installed.
    """
    store = removal.store
    if removal.plan and "search" in removal.plan.plan.content:
        with needing("tune", "deleting a search"):
            from twofold.study.tune import forget
        forget(store, removal.plan.plan.content["search"].get("names", []))
    store.delete(
        removal.keys,
        plan=removal.plan and removal.plan.number,
        whole=removal.whole,
        before=lambda: delete_kept(removal.files),
    )
    return store.shrink()


def delete_kept(files: Sequence[Path]) -> None:
    """Delete kept networks. Raises `StoreError` where one cannot be."""
    for path in files:
        ModelStore(path.parent).remove(path.stem)


def check_kept_idle(store: str, keys: Sequence[str]) -> None:
    """Raise `StoreError` where a run of a store, if there is one, trains the plan of a trial of these keys now."""
    try:
        opened = Store(store, create=False)
    except StoreError:
        return  # a folder of networks without its store
    opened.check_idle(keys)
