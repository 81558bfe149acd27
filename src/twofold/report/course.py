"""How far a run is and what came of it so far, for whoever draws that: a terminal or a notebook."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, ProgressColumn

from twofold.report.text import told
from twofold.report.text.names import setting_text
from twofold.report.text.told import Ahead
from twofold.settings import COMPARED, SETTINGS

# Lines of the table of means: of more settings, those that were trained last.
_MOST_LINES = 8

MEANS_HEADINGS = ("network", "rounds", "mean %", "sd", "last %")


class Means(NamedTuple):
    """A line of the table of means: test errors in percent of one network in one setting."""

    name: str
    rounds: int
    mean: float
    sd: float | None
    last: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as text, in the order of `MEANS_HEADINGS`."""
        sd = "" if self.sd is None else f"{self.sd:.2f}"
        return self.name, str(self.rounds), f"{self.mean:.2f}", sd, f"{self.last:.1f}"


class Course:
    """A listener that knows how far a run is; what draws it is told by `changed`, and lines of text by `note`.

    Errors are told apart by network and setting, as far as those vary: none is a mean over settings. Trials that the
    store had are among them.
    """

    def __init__(self, *columns: ProgressColumn) -> None:
        # It knows how fast it goes; when and where its columns are drawn is decided elsewhere.
        self.progress = Progress(
            *columns, speed_estimate_period=120, disable=True, console=Console(quiet=True, force_jupyter=False)
        )
        self.task = self.progress.add_task(told.COMPILING, total=None, visible=False)
        self._trials = self._stored = self._finished = 0
        self._errors: dict[tuple, list[float]] = {}

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """See `twofold.study.listener.Listener`."""
        self._trials, self._stored = trials, stored
        if stored:
            self.note(told.stored_trials(stored, trials))
        self.progress.update(self.task, total=epochs, visible=stored < trials)
        self.changed()

    def expect(self, forecast: Callable[[], Ahead]) -> None:
        """See `twofold.study.listener.Listener`."""
        self.progress.update(self.task, description=told.MEASURING)
        self.changed()
        self.note(told.ahead(forecast()))
        self.progress.update(self.task, description=told.COMPILING)
        self.changed()

    def known(self, rows: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        """See `twofold.study.listener.Listener`."""
        for row in rows():
            self._take(row)
        self.changed()

    def advance(self, epochs: int) -> None:
        """See `twofold.study.listener.Listener`."""
        self.progress.update(self.task, advance=epochs, description=self.state)
        self.changed()

    def done(self, row: Mapping[str, Any]) -> None:
        """See `twofold.study.listener.Listener`."""
        self._finished += 1
        self._take(row)
        self.progress.update(self.task, description=self.state)
        self.changed()

    def note(self, text: str) -> None:
        """See `twofold.study.listener.Listener`."""

    def changed(self) -> None:
        """There is something new to draw."""

    @property
    def state(self) -> str:
        """How many trials are done."""
        return told.done_trials(self._stored + self._finished, self._trials)

    @property
    def time_left(self) -> str:
        """How long it will go on."""
        return told.time_left(self.progress.tasks[0].time_remaining)

    @property
    def means(self) -> list[Means]:
        """The table of means, those of networks and settings that were trained last."""
        values = {name: {setting[place] for setting in self._errors} for place, name in enumerate(COMPARED, 1)}
        varying = [name for name, some in values.items() if sum(not _is_unused(name, value) for value in some) > 1]
        return [
            Means(
                name=_name(setting, varying),
                rounds=len(errors),
                mean=statistics.fmean(errors),
                sd=statistics.stdev(errors) if len(errors) > 1 else None,
                last=errors[-1],
            )
            for setting, errors in list(self._errors.items())[-_MOST_LINES:]
        ]

    @property
    def left_out(self) -> str:
        """What is said of lines that the table has no room for."""
        return told.last_lines(_MOST_LINES, len(self._errors)) if len(self._errors) > _MOST_LINES else ""

    def _take(self, row: Mapping[str, Any]) -> None:
        setting = (row["network"], *(row.get(name) for name in COMPARED))
        errors = self._errors.get(setting, [])
        if len(self._errors) >= _MOST_LINES:  # so that those trained last are at the end
            self._errors.pop(setting, None)
        self._errors[setting] = errors
        errors.append(100 * row["test_error"])


def _name(setting: tuple, varying: list[str]) -> str:
    network, values = setting[0], dict(zip(COMPARED, setting[1:], strict=True))
    used = {name: values[name] for name in varying if not _is_unused(name, values[name])}
    return f"{network}, {setting_text(used)}" if used else network


def _is_unused(name: str, value: Any) -> bool:
    return SETTINGS[name].of_network and value == SETTINGS[name].unused
