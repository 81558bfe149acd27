"""How commands speak: tables and JSON to standard output, everything else to standard error."""

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from twofold.analysis import Findings, with_factors
from twofold.cli.streams import tell
from twofold.data import relation_of_record
from twofold.errors import SettingError
from twofold.report.terminal.fitting import fitted, in_lines, whole
from twofold.report.terminal.tables import Section
from twofold.report.text.signs import in_signs_of

if TYPE_CHECKING:
    from twofold.doctor import Finding

# Wider than any table.
_UNBOUNDED = 1000


def print_table(table: Table) -> None:
    """Print a table to standard output: into a pipe or a file as wide as it needs to be, on a terminal as it fits."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNBOUNDED)
    parts = fitted(table, console) if console.is_terminal and table.show_header else whole(table, console)
    for place, each in enumerate(parts):
        if place and not table.show_edge:  # its parts would stand without a line between them
            console.print()
        console.print(each)


def print_section(section: Section) -> None:
    """Print a table and the sentences that belong to it; into a pipe or a file, each sentence on one line."""
    console = Console()
    if section.table is not None:
        print_table(section.table)
        console.print()
    print_lines(section.sentences)
    console.print()


def print_heading(text: str) -> None:
    """Print what stands above a part of what is shown, underlined, since a file and a pipe know no bold letters."""
    console = Console()
    signs = in_signs_of(console.encoding, text)
    rule = in_signs_of(console.encoding, "─" * min(cell_len(signs), console.width))
    console.print()
    for line in (signs, rule):
        console.print(line, style="bold", markup=False, highlight=False, soft_wrap=not console.is_terminal)
    console.print()


def print_lines(lines: Iterable[str], *, hanging: int = 0) -> None:
    """Print lines to standard output; a terminal breaks them between words, and what follows is set in by `hanging`."""
    console = Console()
    for line in lines:
        signs = in_lines(line, console) if console.is_terminal else in_signs_of(console.encoding, line)
        if console.is_terminal and hanging:
            signs = textwrap.fill(signs, console.width, subsequent_indent=" " * hanging, break_on_hyphens=False)
        console.print(signs, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def print_json(table: pd.DataFrame) -> None:
    """Print the trials as one JSON array, with their factors; what is missing or not a number is null."""
    print_json_pages([with_factors(table)])


def print_json_pages(pages: Iterable[pd.DataFrame]) -> None:
    """Print trials, some at a time, as one JSON array, each on a line; what is missing or not a number is null."""
    before = "["
    for page in pages:
        for row in json_rows(page):
            print(before, json.dumps(row), sep="\n ", end="")
            before = ","
    print("[]" if before == "[" else "\n]")


def print_csv_pages(pages: Iterable[pd.DataFrame]) -> None:
    """Print trials, some at a time, as comma-separated values, with the columns of the first."""
    for number, page in enumerate(pages):
        page.to_csv(sys.stdout, index=False, header=number == 0)


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The trials as JSON objects, with `dead_units` as [first branch, second branch].

    Of a network of one's own `dead_units` is null; `dead_layers` has them.
    """
    rows = records_of(table)
    for row in rows:
        branches = row.pop("dead_first"), row.pop("dead_second")
        row["dead_units"] = None if branches == (None, None) else list(branches)
    return rows


def print_records(table: pd.DataFrame) -> None:
    """Print a table of statistics as one JSON array; what is missing or not a number is null."""
    json.dump(records_of(table), sys.stdout, indent=1)
    print()


def print_answers(table: pd.DataFrame, record: Mapping[str, Any], *, as_json: bool, as_csv: bool) -> None:
    """Print what the network of a record says of pairs: of one in sentences, of several as a table."""
    from twofold.report.terminal.tables import drawn  # other commands have no use for these
    from twofold.report.text.predictions import answers_table, one_answer

    rows, threshold, relation = records_of(table), record.get("distance_threshold"), relation_of_record(record)
    if as_json:
        print_records(table)
    elif as_csv:
        table.to_csv(sys.stdout, index=False)
    elif len(rows) > 1:
        print_table(drawn(answers_table(rows, record["network"], relation, threshold)))
    elif rows[0]["error"] is None:
        print_section(Section(None, list(one_answer(rows[0], relation, threshold))))


def print_findings(found: Sequence[tuple[Mapping[str, Any], Findings]]) -> None:
    """Print the findings of a section as a JSON object: an array for each statistic, or null and in `reasons` why not.

    Those of several are in `sections`, each with what tells it from the others in `section`.
    """
    objects = [{**({"section": dict(told)} if told else {}), **_findings_object(each)} for told, each in found]
    json.dump(objects[0] if len(objects) == 1 else {"sections": objects}, sys.stdout, indent=1)
    print()


def _findings_object(found: Findings) -> dict[str, Any]:
    tables = {name: records_of(table) for name, table in found.tables.items()}
    return {"settings": found.settings, **tables, **dict.fromkeys(found.reasons), "reasons": found.reasons}


def print_examined(found: "Sequence[Finding]", *, as_json: bool, wrong: str, right: str) -> int:
    """Print what an examination found as a table or one JSON array; the exit code is 1 where anything is wrong.

    `wrong` and `right` end the sentence under the table; `wrong` stands before what is wrong, too.
    """
    from twofold.report.terminal.doctor import findings_table  # other commands have no use for it

    count = sum(bool(finding.wrong) for finding in found)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        print_table(findings_table(found, wrong))
        say(f"{count} of these {wrong}" if count else right)
    return 1 if count else 0


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table; what is missing or not a number is None."""
    # As objects, so that whole numbers stay whole and what is missing can be None.
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]


def asked() -> bool:
    """Whether the user, shown what would be deleted, says yes. Raises `SettingError` where nobody can be asked."""
    from rich.prompt import Confirm

    if not sys.stdin.isatty():
        raise SettingError("nobody can be asked here; give `yes` to delete without being asked")
    return Confirm.ask("Delete this?", console=Console(stderr=True), default=False)


def say(text: str, *, quiet: bool = False) -> None:
    """Tell the user something that is no result."""
    if not quiet:
        tell(text)
