"""What a run shows while it goes on: a bar with the time left, and the means so far."""

import statistics
import time
from importlib.util import find_spec
from types import TracebackType
from typing import Any, TextIO, cast

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from twofold import shutdown
from twofold.report.streams import SafeStream
from twofold.report.text import told

# On something that is no terminal (a log file), one line at most every so many seconds.
_LINE_EVERY = 30.0

# Columns that the table of means takes up, and the bar with its times.
_ROOM_FOR_NUMBERS, _ROOM_FOR_TIMES = 45, 60


class LiveDisplay:
    """A listener that draws on a terminal or in a notebook, and writes plain lines anywhere else.

    A context manager; it writes to standard error, so that results alone go to standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=cast(TextIO, SafeStream("stderr")))
        self._animated = _redraws(self.console)
        self._errors: dict[str, list[float]] = {}
        self._finished = 0
        self._last_line = time.monotonic()
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, finished_style="green"),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("time left"),
            TimeRemainingColumn(elapsed_when_finished=False),
        ]
        shown = columns[:1] if self._is_narrow else columns[:3] if self.console.width < _ROOM_FOR_TIMES else columns
        self._progress = Progress(*shown, console=self.console, speed_estimate_period=120)
        self._task = self._progress.add_task("compiling", total=None, visible=False)
        self._live = Live(self._render(), console=self.console, refresh_per_second=4, auto_refresh=self._animated)

    def __enter__(self) -> "LiveDisplay":
        if self._animated:
            shutdown.register(self._live.stop)  # which shows the cursor again
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._animated:
            self._live.update(self._render(), refresh=True)
            self._live.stop()
            shutdown.unregister(self._live.stop)
        elif self.console.is_jupyter:
            self.console.print(self._render())

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """See `twofold.study.listener.Listener`."""
        self._trials, self._stored = trials, stored
        if stored:
            self.note(told.stored_trials(stored, trials))
        self._progress.update(self._task, total=epochs, visible=stored < trials)

    def advance(self, epochs: int) -> None:
        """See `twofold.study.listener.Listener`."""
        self._progress.update(self._task, advance=epochs, description=self._state())

    def done(self, row: dict[str, Any]) -> None:
        """See `twofold.study.listener.Listener`."""
        self._finished += 1
        self._errors.setdefault(row["network"], []).append(100 * row["test_error"])
        self._progress.update(self._task, description=self._state())
        if self._animated:
            self._live.update(self._render())
        elif time.monotonic() - self._last_line > _LINE_EVERY:
            self._last_line = time.monotonic()
            self.note(f"{self._state()}, {self._time_left()}")

    def note(self, text: str) -> None:
        """See `twofold.study.listener.Listener`."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _state(self) -> str:
        return told.done_trials(self._stored + self._finished, self._trials)

    def _time_left(self) -> str:
        return told.time_left(self._progress.tasks[0].time_remaining)

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("network", min_width=8)
        for name in ("rounds", "mean %", "sd", "last %"):
            table.add_column(name, justify="right", min_width=6)
        for network, errors in self._errors.items():
            sd = f"{statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
            table.add_row(network, str(len(errors)), f"{statistics.fmean(errors):.2f}", sd, f"{errors[-1]:.1f}")
        # A line as wide as the terminal would break when Ctrl-C shows as ^C at its end, and leave a line behind.
        bar = Constrain(self._progress, self.console.width - len("^C"))
        return Group(table, bar) if self._errors and not self._is_narrow else Group(bar)

    @property
    def _is_narrow(self) -> bool:
        """Whether numbers would lose their last digits, which would make others of them."""
        return self.console.width < _ROOM_FOR_NUMBERS


def _redraws(console: Console) -> bool:
    """Whether what is drawn can be drawn over: not in a file, nor on a terminal that only writes on (TERM=dumb)."""
    if console.is_jupyter:  # there rich needs the help of ipywidgets
        return find_spec("ipywidgets") is not None
    return console.is_terminal and not console.is_dumb_terminal
