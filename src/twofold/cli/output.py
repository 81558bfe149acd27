"""How commands speak: tables and JSON to standard output, everything else to standard error."""

import json
import sys
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from twofold.analysis import Findings
from twofold.report.findings_tables import Section


def print_table(table: Table) -> None:
    """Print a table to standard output; into a pipe or a file, as wide as it needs to be."""
    _console().print(table)


def print_section(section: Section) -> None:
    """Print a table and the sentences that belong to it."""
    console = _console()
    if section.table is not None:
        console.print(section.table)
        console.print()
    for sentence in section.sentences:
        console.print(sentence, markup=False, highlight=False)
    console.print()


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=200)


def print_json(table: pd.DataFrame) -> None:
    """Print the trials as one JSON array; what is missing or not a number is null."""
    json.dump(json_rows(table), sys.stdout, indent=1)
    print()


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The trials as JSON objects, with `dead_units` as [first branch, second branch]."""
    rows = _records(table)
    for row in rows:
        row["dead_units"] = [row.pop("dead_first"), row.pop("dead_second")]
    return rows


def print_records(table: pd.DataFrame) -> None:
    """Print a table of statistics as one JSON array; what is missing or not a number is null."""
    json.dump(_records(table), sys.stdout, indent=1)
    print()


def print_findings(found: Findings) -> None:
    """Print the findings as one JSON object: an array for each statistic, or null and in `reasons` why not."""
    tables = {name: _records(table) for name, table in found.tables.items()}
    left_out = dict.fromkeys(found.reasons)
    json.dump({"settings": found.settings, **tables, **left_out, "reasons": found.reasons}, sys.stdout, indent=1)
    print()


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def say(text: str, *, quiet: bool = False) -> None:
    """Tell the user something that is no result."""
    if not quiet:
        print(text, file=sys.stderr)
