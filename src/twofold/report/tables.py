"""Tables for the terminal: each function takes rows and returns a rich table."""

from collections.abc import Iterable

import pandas as pd
from rich import box
from rich.table import Table

from twofold.analysis import summary
from twofold.networks import Architecture, layer_table


def text_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> Table:
    """A table of which the first `left` columns hold words, the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent; a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{100 * value:.{digits}f}"
