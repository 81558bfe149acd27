"""How a table is drawn on a terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from twofold.report.text.tables import TextTable


@dataclass(frozen=True)
class Section:
    """A table, and what it means in words; no table where none can be given."""

    table: Table | None
    sentences: Sequence[str]


def rich_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], *, left: int = 1, caption: str | None = None
) -> Table:
    """A table of which the first `left` columns hold words, the others numbers."""
    table = Table(
        title=Text(title, style="bold", no_wrap=True, overflow="ignore"), title_justify="left",
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left",
    )  # fmt: skip
    for place, name in enumerate(columns):
        # Where room lacks, cells break into lines: a number without its last digits would be another number.
        table.add_column(name, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as text: "[old]" in the name of a file is no markup
    return table


def drawn(table: TextTable) -> Table:
    """The table with its notes as a caption."""
    return rich_table(table.title, table.headings, table.cells, left=table.left, caption=" ".join(table.notes) or None)


def section(table: TextTable) -> Section:
    """The table with its notes as sentences."""
    table_alone = rich_table(table.title, table.headings, table.cells, left=table.left)
    table_alone.show_edge = False  # the sentences follow close below
    return Section(table_alone, table.notes)


def turned(table: Table) -> Table:
    """The same table with its rows as columns, which is narrower where rows are few."""
    first, *others = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    caption = table.caption if isinstance(table.caption, str) else None
    return rich_table(str(table.title), first, others, caption=caption)
