"""Tables in the width of a terminal: cells break between words, and never within one while there is another way.

Of settings that searches proposed, which have many digits, so many stay as tell them apart.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twofold.report.terminal.tables import at_full_width, captioned, rich_table, titled, turned
from twofold.report.text.numbers import cut_numbers
from twofold.report.text.signs import in_signs_of

# Wider than any table.
_UNBOUNDED = 1000

# What stands below a narrow table has lines of so many letters.
_LEAST_BELOW = 60

# Of so many rows and no more, a terminal can show each as a column.
_FEW_ROWS = 4

# Where cells may break: at blanks and after hyphens; where that is not enough, within the code of a name.
# What ends in "to" or a percent sign, or begins with a sign of its own, stays with that.
_BEFORE = r"\s*(?:(?:[±−/<-]|\+/-) )?"
_AFTER = r"(?: %[^\s\w]*(?= |$))?(?: to(?= ))?"
_WORDS = re.compile(_BEFORE + r"\S+?(?=(?<=[^\W\d]-)[^\W\d]|\s|$)" + _AFTER)
_CODE = re.compile(_BEFORE + r"\S+?(?=(?<=[(,=/_])[^\s)]|(?<=[^\W\d]-)[^\W\d]|\s|$)" + _AFTER)


@dataclass(frozen=True)
class _Grid:
    """The texts of a table by columns, headings first; the first `left` columns hold words."""

    columns: Sequence[Sequence[str]]
    left: int
    pieces: re.Pattern[str] = _WORDS

    @property
    def widest(self) -> list[int]:
        return [max(cell_len(line) for text in column for line in text.split("\n")) for column in self.columns]

    @property
    def least(self) -> list[int]:
        return [
            max([1, *(cell_len(piece.strip()) for text in column for piece in self.pieces.findall(text))])
            for column in self.columns
        ]


def fitted(table: Table, console: Console) -> list[Table | Text]:
    """The table as it fits into the console: whole, turned, with cells in several lines, or in several tables.

    In the last case its columns of words stand in each. What stands below it follows in the width of the console.
    """
    below = [captioned(in_lines(str(table.caption), console))] if table.caption else []
    return [*_tables(table, console), *below]


def in_lines(text: str, console: Console) -> str:
    """The text in the signs of the console, in lines of its width that end between words."""
    return _broken(_signs(text, console), console.width, _WORDS)


def _tables(table: Table, console: Console) -> list[Table]:
    """The table without what stands below it."""
    table.caption = None
    width, title = console.width, in_lines(str(table.title or ""), console)
    if measured(table) <= width:
        if table.title:
            table.title = titled(title)
        return [table]
    if table.row_count <= _FEW_ROWS and measured(turned(table)) <= width:
        sideways = turned(table)
        sideways.title = titled(title)
        return [sideways]
    left = sum(column.justify == "left" for column in table.columns)
    texts = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    texts[:left] = [[header, *cut_numbers(cells)] for header, *cells in texts[:left]]
    parts = _parts(_Grid([[_signs(text, console) for text in column] for column in texts], left), width)
    tables = [_table(part, width) for part in parts]
    tables[0].title = titled(title)
    for each in tables:
        each.show_edge = table.show_edge
    return tables


def whole(table: Table, console: Console) -> list[Table | Text]:
    """The table as wide as it needs to be, and what stands below it in lines of that width."""
    below, table.caption = table.caption, None
    at_full_width(table, console.encoding)
    width = max(measured(table), _LEAST_BELOW)
    return [table, *([captioned(_broken(str(below), width, _WORDS))] if below else [])]


def measured(table: Table) -> int:
    """How wide a table is where there is room."""
    return Console(width=_UNBOUNDED).measure(table).maximum


def _parts(grid: _Grid, width: int) -> list[_Grid]:
    """The grid itself if it fits when its cells break; else several, each with the columns of words."""
    for pieces in (_WORDS, _CODE):
        if _total(replace(grid, pieces=pieces).least) <= width:
            return [replace(grid, pieces=pieces)]
    words, parts = grid.columns[: grid.left], [list(grid.columns[: grid.left])]
    pieces = _WORDS if _total(_Grid(words, grid.left).least) <= width // 2 else _CODE
    for column in grid.columns[grid.left :]:
        if len(parts[-1]) > grid.left and _total(_Grid([*parts[-1], column], grid.left, pieces).least) > width:
            parts.append(list(words))
        parts[-1].append(column)
    return [_Grid(part, grid.left, pieces) for part in parts]


def _total(widths: Sequence[int]) -> int:
    """The width of a table of such columns: two blanks are between each two, and one on either side."""
    return sum(widths) + 2 * len(widths)


def _widths(grid: _Grid, width: int) -> list[int]:
    """Columns of words give room first, the widest before others; numbers break where that is not enough."""
    widths, least = grid.widest, grid.least
    for some in (range(grid.left), range(grid.left, len(widths))):
        while _total(widths) > width and any(widths[place] > least[place] for place in some):
            widths[max(some, key=lambda place: (widths[place] > least[place], widths[place]))] -= 1
    while _total(widths) > width and max(widths) > 1:  # no way but within a word
        widths[widths.index(max(widths))] -= 1
    return widths


def _table(grid: _Grid, width: int) -> Table:
    widths = _widths(grid, width)
    columns = [
        [_broken(text, room, grid.pieces) for text in column] for column, room in zip(grid.columns, widths, strict=True)
    ]
    table = rich_table(
        "", [column[0] for column in columns], zip(*(c[1:] for c in columns), strict=True), left=grid.left
    )
    for column, room in zip(table.columns, widths, strict=True):
        column.width = room
    return table


def _broken(text: str, width: int, pieces: re.Pattern[str]) -> str:
    """The text in lines of a width, broken between its pieces."""
    lines = []
    for line in text.split("\n"):
        lines.append("")
        for piece in pieces.findall(line):
            if lines[-1] and cell_len(lines[-1] + piece) > width:
                lines.append(piece.lstrip())
            else:
                lines[-1] += piece
    return "\n".join(lines)


def _signs(text: object, console: Console) -> str:
    """The text in the signs of the console, which may be wider."""
    return "" if text is None else in_signs_of(console.encoding, str(text))
