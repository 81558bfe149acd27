"""How a table is drawn on a terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from twofold.report.text.signs import in_signs_of
from twofold.report.text.tables import TextTable


@dataclass(frozen=True)
class Section:
    """A table, and what it means in words; no table where none can be given."""

    table: Table | None
    sentences: Sequence[str]


class _Rule(Box):
    """A rule below the headings; of hyphens where the console has no other, for rich would draw a whole grid."""

    def substitute(self, options: ConsoleOptions, safe: bool = True) -> Box:
        return _HYPHENS if options.ascii_only else self


_HEAD = _Rule(str(SIMPLE_HEAD))
_HYPHENS = Box(str(SIMPLE_HEAD).replace("─", "-"), ascii=True)


class _Words(Text):
    """Text in the signs of its console, chosen before the table is laid out: plainer signs may be wider."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        return self._in_signs_of(options).__rich_console__(console, options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._in_signs_of(options))

    def _in_signs_of(self, options: ConsoleOptions) -> Text:
        plain = in_signs_of(options.encoding, self.plain)
        return Text(plain, self.style, justify=self.justify, overflow=self.overflow, no_wrap=self.no_wrap)


def rich_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], *, left: int = 1, caption: str | None = None
) -> Table:
    """A table of which the first `left` columns hold words, the others numbers."""
    table = Table(
        title=titled(title), title_justify="left", caption_justify="left",
        caption=captioned(caption) if caption else None,
        box=_HEAD, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for place, name in enumerate(columns):
        # Where room lacks, cells break into lines: a number without its last digits would be another number.
        table.add_column(_Words(name), justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(_Words, row))  # as text: "[old]" in the name of a file is no markup
    return table


def at_full_width(table: Table, encoding: str) -> Table:
    """The table with the width that each column needs: rich would measure each cell nine times to find it."""
    for column in table.columns:
        lines = [line for each in (column.header, *column.cells) for line in str(each).split("\n")]
        column.width = max(cell_len(in_signs_of(encoding, line)) for line in lines)
    return table


def titled(title: str) -> Text:
    """A table's title, which may be wider than the table."""
    return _Words(title, style="bold", no_wrap=True, overflow="ignore")


def captioned(caption: str) -> Text:
    """What stands below a table."""
    return _Words(caption, style="table.caption")


def drawn(table: TextTable) -> Table:
    """The table with its notes as a caption."""
    return rich_table(table.title, table.headings, table.cells, left=table.left, caption=" ".join(table.notes) or None)


def section(table: TextTable) -> Section:
    """The table with its notes as sentences."""
    table_alone = rich_table(table.title, table.headings, table.cells, left=table.left)
    table_alone.show_edge = False  # the sentences follow close below
    return Section(table_alone, table.notes)


def turned(table: Table) -> Table:
    """The same table with its rows as columns, which is narrower where rows are few; headings stand in one line."""
    headings = [str(column.header).replace("-\n", "-").replace("\n", " ") for column in table.columns]
    cells = [list(map(str, column.cells)) for column in table.columns]
    first, *others = [[heading, *of_column] for heading, of_column in zip(headings, cells, strict=True)]
    caption = None if table.caption is None else str(table.caption)
    return rich_table(str(table.title), first, others, caption=caption)
