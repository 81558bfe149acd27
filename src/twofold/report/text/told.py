"""What is told while a command runs and of the files that it writes."""

from pathlib import Path

NO_TRIALS = "no trials yet"


def wrote(file: Path) -> str:
    """A file that was not there before."""
    return f"wrote {file}"


def replaced(file: Path) -> str:
    """A file in the place of one that was there."""
    return f"replaced {file}"


def unchanged(file: Path, other: str) -> str:
    """A figure whose rows are those that it shows already; `other` is the name of its second file."""
    return f"{file} and {other} are up to date"


def stored_trials(stored: int, trials: int) -> str:
    """How much of a run is in the store already."""
    rest = f"training the other {trials - stored}" if stored < trials else "nothing is left to train"
    return f"{stored} of {trials} trials are in the store already; {rest}"


def done_trials(done: int, trials: int) -> str:
    """How far a run is."""
    return f"{done} of {trials} trials"


def time_left(seconds: int | float | None) -> str:
    """How long a run will go on."""
    return "time left unknown" if seconds is None else f"about {seconds / 60:.1f} min left"
