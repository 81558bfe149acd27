"""`twofold analyse`: what the numbers in a store mean."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import FLAG, NOTHING, PATH, WHOLE, Given, Margin, selections, with_options
from twofold.cli.selection import CsvOption, StoreOption, Which, read_table

_ALL = Which()


@with_options(settings=selections())
def analyse(
    *,
    json: Annotated[bool, Parameter(help="Print one JSON object instead of tables and sentences.", **FLAG)] = False,
    figures: Annotated[
        Path | None,
        PATH,
        Parameter(help="A folder to draw the findings into too, as PNG and SVG, for example --figures figures."),
    ] = None,
    ensemble: Annotated[
        int | None,
        WHOLE,
        Parameter(
            help="Compare single networks with ensembles of so many, which began with other initial weights and were "
            "trained on the same pairs (study --weight-rounds), for example --ensemble 5."
        ),
    ] = None,
    equivalence_margin: Margin = None,
    store: StoreOption = None,
    csv: CsvOption = None,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """Say what weight sharing and auxiliary losses are worth, and how certain that is.

    For one setting: each network's errors, paired differences, the two effects and their interaction, spreads, rounds
    that collapsed, and the paper's numbers beside ours; how much of a round's error counting its test pairs makes, and
    where pairs and initial weights are crossed, how much each of these does. Where the store holds several settings,
    errors and collapse rates of each, until options choose one. Trials that were not drawn alike (other images,
    relations or numbers of pairs; rounds of a search, and of its confirmation) are sections of their own, one after
    another. With a margin: what is better, worse or equivalent, and what is open.

    Example: twofold analyse --data mnist --optimizer adam --figures figures
    """
    from twofold.analysis import findings, own_weights, sections
    from twofold.cli.output import print_findings, print_heading, print_lines, print_section, say
    from twofold.report.figures.catalogue import findings_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.places import check_folder
    from twofold.report.terminal.findings import findings_sections
    from twofold.report.text.sections import MOST_SECTIONS, section_heading, sections_notes

    if figures is not None:
        check_folder(figures, "figures")
    table = read_table(store, csv, which, settings, histories=figures is not None, answers=True)
    alike = sections(table, crossed=True)
    if json:
        print_findings([(each.told, findings(each.trials, equivalence_margin, ensemble=ensemble)) for each in alike])
    else:
        print_lines(sections_notes(alike))
        for place, section in enumerate(alike[:MOST_SECTIONS]):
            if section.told:
                print_heading(section_heading(place, len(alike), section.told))
            for part in findings_sections(findings(section.trials, equivalence_margin, ensemble=ensemble)):
                print_section(part)
    if figures is not None:
        for line in write_figures(figures, findings_figures(sections(own_weights(table))), "figures"):
            say(line)
