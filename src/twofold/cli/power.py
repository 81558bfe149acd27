"""`twofold power`: how many rounds are enough."""

from typing import Annotated

from cyclopts import Parameter

from twofold.cli.mistakes import in_options
from twofold.cli.options import FLAG, NOTHING, NUMBER, Given, Margin, selections, with_options
from twofold.cli.selection import CsvOption, StoreOption, Which, read_table
from twofold.settings import option

_ALL = Which()


@with_options(settings=selections())
def power(
    *,
    difference: Annotated[
        float | None,
        NUMBER,
        Parameter(
            help="The difference to find, for example --difference 0.01, one point; by default the one observed."
        ),
    ] = None,
    equivalence_margin: Margin = None,
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per two networks.", **FLAG)] = False,
    store: StoreOption = None,
    csv: CsvOption = None,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """Say how many rounds tell two networks apart at 80 % and 90 % power, from the rounds that there are.

    With a margin, how many tell them apart or show that they are equivalent. Trials that were not drawn alike are
    sections of their own, one after another.

    Example: twofold power --difference 0.01 --data mnist
    """
    from twofold.analysis import is_crossed, power_by_section, power_rows
    from twofold.cli.output import print_heading, print_lines, print_records, print_section, say
    from twofold.report.terminal.findings import power_section
    from twofold.report.terminal.tables import Section
    from twofold.report.text.notes import crossed_note
    from twofold.report.text.sections import MOST_SECTIONS, section_heading, sections_notes

    table = read_table(store, csv, which, settings)
    found = power_by_section(table, difference, equivalence_margin)
    if crossed := int(is_crossed(table).sum()):
        say(crossed_note(crossed))
    if json:
        print_records(power_rows(found))
        return
    print_lines(sections_notes([section for section, _ in found]))
    for place, (section, plan) in enumerate(found[:MOST_SECTIONS]):
        if section.told:
            print_heading(section_heading(place, len(found), section.told))
        if isinstance(plan, str):
            print_section(Section(None, [_sentence(plan)]))
        else:
            print_section(power_section(plan, equivalence_margin))


def _sentence(reason: str) -> str:
    """Why there is no plan, with settings as the options that choose them."""
    told = in_options(reason, option)
    return f"{told[:1].upper()}{told[1:]}."
