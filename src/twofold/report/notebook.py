"""What a notebook shows: of a run that goes on one output, which is drawn over; and tables of results.

The output has the run's lines, a bar and the means so far, and stays as the output of the cell. It needs nothing but
IPython, which every notebook has.
"""

import io
import sys
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from html import escape
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twofold.report.course import MEANS_HEADINGS, Course
from twofold.report.text import told

# Of a table of results so many lines are shown.
_MOST_LINES = 12

# Columns of a text.
_WIDTH = 100

# Seconds between two drawings: a page that is drawn over more often is hard to read.
_DRAWN_EVERY = 0.5


def _css(**properties: str) -> str:
    return "; ".join(f"{name.replace('_', '-')}: {value}" for name, value in properties.items())


# Colours are the notebook's own, light or dark.
_STYLE = _css(font_family="sans-serif", font_size="13px", line_height="1.5", font_variant_numeric="tabular-nums")
_BAR = _css(width="24em", max_width="60%", vertical_align="middle", margin_right="0.8em")
_TABLE = _css(border="none", margin="0.3em 0")
_BELOW = _css(max_width="60em")
_SIDES = {side: _css(padding="0 1em 0 0", text_align=side, background="none") for side in ("left", "right")}


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, whose cells show what is displayed; IPython on a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and shell.has_trait("kernel")


class NotebookDisplay(Course):
    """A listener that draws in a notebook; a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._notes: list[str] = []
        self._drawn = 0.0
        self._ending = ""
        self._handle: Any = None

    def __enter__(self) -> "NotebookDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._ending = told.STOPPED_CELL
        if self._handle is not None:
            self._draw()

    def note(self, text: str) -> None:
        """See `twofold.study.listener.Listener`."""
        self._notes.append(text)
        self._draw()

    def changed(self) -> None:
        """See `Course`."""
        if time.monotonic() - self._drawn > _DRAWN_EVERY:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        self._drawn = time.monotonic()
        shown = {"text/html": self._html(), "text/plain": self._text()}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    @property
    def _status(self) -> str:
        """Beside the bar."""
        task = self.progress.tasks[0]
        left = "" if task.finished or self._ending else f", {self.time_left}"
        return f"{task.description}{left}" if task.completed else task.description

    def _text(self) -> str:
        lines = [*self._notes]
        lines += ["  ".join(each.cells) for each in self.means]
        lines += [self.left_out] if self.left_out else []
        lines += [self._status] if self.progress.tasks[0].visible else []
        return "\n".join([*lines, *([self._ending] if self._ending else [])])

    def _html(self) -> str:
        task, parts = self.progress.tasks[0], [f"<div>{escape(note)}</div>" for note in self._notes]
        if self.means:
            sides = ["left", *["right"] * (len(MEANS_HEADINGS) - 1)]
            parts.append(_html_table(MEANS_HEADINGS, [each.cells for each in self.means], sides))
        if self.left_out:
            parts.append(f"<div>{escape(self.left_out)}</div>")
        if task.visible:
            value = f'value="{task.completed:g}" max="{task.total:g}"' if task.total and task.completed else ""
            parts.append(f'<div><progress {value} style="{_BAR}"></progress>{escape(self._status)}</div>')
        if self._ending:
            parts.append(f"<div>{escape(self._ending)}</div>")
        return f'<div style="{_STYLE}">{"".join(parts)}</div>'


def as_text(table: Table) -> str:
    """The first lines of a table of results as text."""
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, force_terminal=False, force_jupyter=False)
    console.print(_shortened(table))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def as_html(table: Table) -> str:
    """The first lines of a table of results for a notebook; left are the columns that hold words."""
    shown = _shortened(table)
    headings = [str(column.header) for column in shown.columns]
    sides = ["left" if column.justify == "left" else "right" for column in shown.columns]
    rows = list(zip(*(map(str, column.cells) for column in shown.columns), strict=True))
    below = "" if shown.caption is None else f'<div style="{_BELOW}">{escape(str(shown.caption))}</div>'
    above = f"<div><b>{escape(str(shown.title))}</b></div>"
    return f'<div style="{_STYLE}">{above}{_html_table(headings, rows, sides)}{below}</div>'


def _shortened(table: Table) -> Table:
    """The table without the lines for which there is no room, which its caption then counts."""
    if len(table.rows) <= _MOST_LINES:
        return table
    short = copy(table)
    cells = [[str(cell) for cell in column.cells][:_MOST_LINES] for column in table.columns]
    short.columns, short.rows = [replace(column, _cells=[]) for column in table.columns], []
    for row in zip(*cells, strict=True):
        short.add_row(*map(Text, row))
    told_of_rest = told.more_lines(len(table.rows) - _MOST_LINES)
    short.caption = Text(" ".join([told_of_rest, *([] if table.caption is None else [str(table.caption)])]))
    return short


def _html_table(headings: Sequence[str], rows: Sequence[Sequence[str]], sides: Sequence[str]) -> str:
    styles = [_SIDES[side] for side in sides]
    head = "".join(f'<th style="{style}">{escape(text)}</th>' for style, text in zip(styles, headings, strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td style="{style}">{escape(text)}</td>' for style, text in zip(styles, row)) + "</tr>"
        for row in rows
    )
    return f'<table style="{_TABLE}"><tr>{head}</tr>{body}</table>'
