"""What is said of what is to be deleted, and was."""

from collections.abc import Iterator

from twofold.report.text.numbers import counted, size_text
from twofold.report.text.plans import plan_text
from twofold.study.delete import Removal

NOTHING_CHOSEN = "nothing is chosen; choose by --plan or other options, or give --all to delete all"
NOTHING_THERE = "there is nothing to delete"
NOT_DELETED = "nothing was deleted"


def removal_lines(removal: Removal) -> Iterator[str]:
    """What is to go, a line each."""
    if removal.plan:
        yield f"{plan_text(removal.plan)} of {removal.store.url}"
    if removal.whole:
        yield f"everything in {removal.store.url}, its plans and searches too"
    if removal.trials or not removal.plan:
        yield f"{counted(removal.trials, 'trial')} (about {size_text(removal.bytes_stored)})"
    if removal.files:
        yield kept_text(len(removal.files), removal.bytes_kept, str(removal.models.folder))
    if removal.spared:
        yield f"{counted(removal.spared, 'trial')} of other plans too, which stay; --shared takes them as well"


def kept_text(count: int, size: int, folder: str) -> str:
    """So many kept networks of a folder."""
    return f"{counted(count, 'kept network')} in {folder} ({size_text(size)})"


def deleted_text(removal: Removal, smaller: int) -> str:
    """What was deleted, and how much smaller the store's file is."""
    parts = [counted(removal.trials, "trial")]
    parts += [counted(len(removal.files), "kept network")] if removal.files else []
    parts += [f"plan {removal.plan.number}"] if removal.plan else []
    told = f"deleted: {', '.join(parts)}"
    return f"{told}; the file is {size_text(smaller)} smaller" if smaller else f"{told}; new trials fill the room"
