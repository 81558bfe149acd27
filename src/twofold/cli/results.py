"""`twofold results`: what is in the store."""

from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import DEFAULT_STORE, FLAG, NOTHING, Given, StoreUrl, selections, with_options
from twofold.cli.selection import Which, read_store

_ALL = Which()


@with_options(settings=selections())
def results(
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per trial.", **FLAG)] = False,
    csv: Annotated[bool, Parameter(help="Print comma-separated values, a row per trial.", **FLAG)] = False,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """List the trials that a store holds: a line per setting, or with --json or --csv a row per trial.

    Example: twofold results --csv > trials.csv
    """
    import sys

    from twofold.analysis import sections, with_factors
    from twofold.cli.output import print_heading, print_json, print_lines, print_table, say
    from twofold.errors import SettingError
    from twofold.report.terminal.study import settings_table
    from twofold.report.text.sections import section_heading, sections_notes

    if json and csv:
        raise SettingError("`json` and `csv` exclude each other; give one of them")
    table, url = read_store(store, which, settings)
    if json:
        print_json(table)
    elif csv:
        with_factors(table).to_csv(sys.stdout, index=False)
    elif table.empty:
        say(f"no trials in {url} yet; `twofold study` makes some")
    else:
        alike = sections(table, crossed=True)
        print_lines(sections_notes(alike, len(alike)))
        for place, section in enumerate(alike):
            if section.told:
                print_heading(section_heading(place, len(alike), section.told))
            print_table(settings_table(section.trials))
