"""`twofold report`: a study as one file to read."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import (
    DATA_DIR,
    DEFAULT_STORE,
    FILE,
    MODELS,
    NOTHING,
    Given,
    Margin,
    StoreUrl,
    selections,
    with_options,
)
from twofold.cli.selection import Selection, Which, find_models

_ALL = Which()


@with_options(settings=selections())
def report(
    *,
    out: Annotated[Path, FILE, Parameter(name=["--out", "-o"], help="The file to write.")] = Path("report.html"),
    title: Annotated[
        str, Parameter(help="The study's name, at the top of the report.")
    ] = "A study of two-branch networks",
    equivalence_margin: Margin = None,
    data_dir: Annotated[Path | None, DATA_DIR] = None,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """Write a report about all the trials in the store: the answer, every round, and how they were made.

    It is one HTML file to send around: it needs no server and asks no other host for anything. Where networks are
    kept (twofold study --keep-models best), the reader can draw digits for them.

    Example: twofold report -o report.html --title "Twenty rounds of MNIST"
    """
    from twofold.cli.output import say
    from twofold.networks import NETWORKS
    from twofold.report.page.demo import demo_or_reason
    from twofold.report.page.html import write_page
    from twofold.report.page.networks import own_networks
    from twofold.report.page.questions import asked_in
    from twofold.report.page.report import report_page
    from twofold.report.places import check_file

    check_file(out)
    chosen = Selection(store, which, settings)
    table = chosen.read(histories=True)
    kept = find_models(models, store)
    portable = bool(table.network.isin(list(NETWORKS)).any()) or table.empty
    demo, reason = demo_or_reason(kept, set(table.key), data_dir, portable=portable)
    for note in kept.notes:
        say(note)
    page = report_page(
        table,
        title=title,
        store=chosen.store.url,
        demo=demo,
        demo_note=reason,
        networks=own_networks(table, chosen.store.described()),
        relations=asked_in(table, chosen.store.answers()),
        equivalence_margin=equivalence_margin,
    )
    say(write_page(out, page))
