"""How commands speak: tables and JSON to standard output, everything else to standard error."""

import json
import sys
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from twofold.report.tables import turned

# Wider than any table.
_UNBOUNDED = 1000

# Of so many rows and no more, a terminal can show each as a column.
_FEW_ROWS = 4


def print_table(table: Table) -> None:
    """Print a table to standard output: into a pipe or a file as wide as it needs to be, on a terminal as it fits."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNBOUNDED)
    elif _width(table) > console.width and table.row_count <= _FEW_ROWS:
        table = turned(table)
    console.print(table)


def _width(table: Table) -> int:
    return Console(width=_UNBOUNDED).measure(table).maximum


def print_json(table: pd.DataFrame) -> None:
    """Print the trials as one JSON array; what is missing or not a number is null."""
    json.dump(json_rows(table), sys.stdout, indent=1)
    print()


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The trials as JSON objects, with `dead_units` as [first branch, second branch]."""
    # As objects, so that whole numbers stay whole and what is missing can be None.
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    rows = [{str(name): value for name, value in record.items()} for record in records]
    for row in rows:
        row["dead_units"] = [row.pop("dead_first"), row.pop("dead_second")]
    return rows


def say(text: str, *, quiet: bool = False) -> None:
    """Tell the user something that is no result."""
    if not quiet:
        print(text, file=sys.stderr)
