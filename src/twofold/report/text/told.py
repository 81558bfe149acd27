"""What is told while a command runs and of the files that it writes."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from twofold.report.text.numbers import counted, duration, size_text

NO_TRIALS = "no trials yet"
NOTHING_LEFT = "nothing is left to train"

# What is said in a notebook where a run does not come to its end.
STOPPED_CELL = "stopped; what was complete is stored, and the same cell goes on from there"

# What a run does before its first epoch.
MEASURING, COMPILING = "measuring", "compiling"


@runtime_checkable
class Ahead(Protocol):
    """What a run will take: see `twofold.study.forecast.Forecast`."""

    @property
    def trials(self) -> int:
        """Trials to train."""

    @property
    def programs(self) -> int:
        """Programs to compile, at most."""

    @property
    def devices(self) -> int:
        """Devices to train on."""

    @property
    def seconds(self) -> float | None:
        """Wall time, if it is known."""

    @property
    def seconds_from(self) -> str:
        """Where the time is known from: "store" or "measured"."""

    @property
    def row_bytes(self) -> int:
        """What the rows take on disk."""

    @property
    def network_bytes(self) -> int:
        """What kept networks take on disk."""


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
    rest = f"training the other {trials - stored}" if stored < trials else NOTHING_LEFT
    return f"{stored} of {trials} trials are in the store already; {rest}"


def ahead(forecast: Ahead) -> str:
    """What a run will take, before it begins."""
    if not forecast.trials:
        return NOTHING_LEFT
    to_do = f"{counted(forecast.trials, 'trial')} to train, at most {counted(forecast.programs, 'program')} to compile"
    return f"{to_do}, {_time_ahead(forecast)}, {_disk_ahead(forecast)}"


# Where the time is known from.
_SOURCES = {"store": "by times in the store", "measured": "as measured now"}


def _time_ahead(forecast: Ahead) -> str:
    if not forecast.devices:
        return "for how long on a cluster is not known"
    if forecast.seconds is None:
        return "too short to measure how long"
    here = counted(forecast.devices, "worker")
    time = duration(max(1.0, forecast.seconds))
    return f"about {time} of training with {here} here ({_SOURCES[forecast.seconds_from]})"


def _disk_ahead(forecast: Ahead) -> str:
    networks = f", and {size_text(forecast.network_bytes)} for kept networks" if forecast.network_bytes else ""
    return f"{size_text(forecast.row_bytes)} on disk{networks}"


def done_trials(done: int, trials: int) -> str:
    """How far a run is."""
    return f"{done} of {trials} trials"


def results_of(trials: int, store: str) -> str:
    """What results are of, and where they are kept."""
    return f"{counted(trials, 'trial')} in {store}"


def more_lines(more: int) -> str:
    """How many lines a table of results has no room for; where they are."""
    return f"There are {more} lines more in `.summary`."


def last_lines(shown: int, there: int) -> str:
    """Which lines of the table of means are shown, where there is no room for all."""
    return f"the last {shown} of {there} networks and settings"


def time_left(seconds: int | float | None) -> str:
    """How long a run will go on."""
    return "time left unknown" if seconds is None else f"about {seconds / 60:.1f} min left"
