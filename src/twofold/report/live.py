"""What a run shows on a terminal while it goes on: a bar with the time left, and the means so far."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TextIO, cast

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from twofold import shutdown
from twofold.report.course import MEANS_HEADINGS, Course, Means
from twofold.report.streams import SafeStream

# On something that is no terminal (a log file), one line at most every so many seconds.
_LINE_EVERY = 30.0

# Columns that the table of means takes up with the shortest names, and the bar with its times.
_ROOM_FOR_NUMBERS, _ROOM_FOR_TIMES = 45, 60
_LEAST_NAME = 8


class LiveDisplay(Course):
    """A listener that draws on a terminal, and writes plain lines anywhere else.

    A context manager; it writes to standard error, so that results alone go to standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=cast(TextIO, SafeStream("stderr")))
        super().__init__(*self._columns())
        self._animated = self.console.is_terminal and not self.console.is_dumb_terminal
        self._last_line = time.monotonic()
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

    def done(self, row: Mapping[str, Any]) -> None:
        """See `twofold.study.listener.Listener`."""
        super().done(row)
        if not self._animated and time.monotonic() - self._last_line > _LINE_EVERY:
            self._last_line = time.monotonic()
            self.note(f"{self.state}, {self.time_left}")

    def note(self, text: str) -> None:
        """See `twofold.study.listener.Listener`."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=not self.console.is_terminal)

    def changed(self) -> None:
        """See `Course`."""
        if self._animated:
            self._live.update(self._render())

    def _render(self) -> Group:
        # A line as wide as the terminal would break when Ctrl-C shows as ^C at its end, and leave a line behind.
        width = self.console.width - len("^C")
        bar, means = Constrain(self.progress, width), self.means
        if not means or self._is_narrow:
            return Group(bar)
        return Group(Constrain(_table(means, width), width), *([self.left_out] if self.left_out else []), bar)

    def _columns(self) -> Sequence[ProgressColumn]:
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, finished_style="green"),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("time left"),
            TimeRemainingColumn(elapsed_when_finished=False),
        ]
        return columns[:1] if self._is_narrow else columns[:3] if self.console.width < _ROOM_FOR_TIMES else columns

    @property
    def _is_narrow(self) -> bool:
        """Whether numbers would lose their last digits, which would make others of them."""
        return self.console.width < _ROOM_FOR_NUMBERS


def _table(means: Sequence[Means], width: int) -> Table:
    """The table of means, in which long names give room to the numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    most = max(_LEAST_NAME, width - _ROOM_FOR_NUMBERS + _LEAST_NAME)
    table.add_column(MEANS_HEADINGS[0], min_width=_LEAST_NAME, max_width=most, no_wrap=True, overflow="ellipsis")
    for heading in MEANS_HEADINGS[1:]:
        table.add_column(heading, justify="right", min_width=6, no_wrap=True)
    for each in means:
        table.add_row(*each.cells)
    return table
