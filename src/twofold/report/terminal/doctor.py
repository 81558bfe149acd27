"""The table of `twofold doctor`."""

from collections.abc import Sequence

from rich.table import Table

from twofold.doctor import Finding
from twofold.report.terminal.tables import rich_table


def findings_table(found: Sequence[Finding]) -> Table:
    """A line for each thing looked at, with what would fail and what to do about it in the place of what was found."""
    rows, part = [], ""
    for each in found:
        mark = "would fail" if each.wrong else "ok"
        text = f"{each.found}: {each.wrong}" if each.wrong else each.found
        rows.append(("" if each.part == part else each.part, each.name, mark, text))
        part = each.part
    return rich_table("What is here", ("", "", "", ""), rows, left=4)
