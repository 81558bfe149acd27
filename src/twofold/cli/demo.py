"""`twofold demo`: two digits to draw, or two images to choose."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import (
    DATA_DIR,
    DEFAULT_STORE,
    FILE,
    MODELS,
    NOTHING,
    WHICH,
    Given,
    StoreUrl,
    selections,
    with_options,
)
from twofold.cli.selection import Which, find_records

_ALL = Which()


@with_options(settings=selections(but=("relation", "data")))
def demo(
    *,
    out: Annotated[Path, FILE, Parameter(name=["--out", "-o"], help="The file to write.")] = Path("demo.html"),
    relation: Annotated[
        str | None,
        Parameter(
            help='Which question, where the networks kept answer several; for example --relation "<".', group=WHICH
        ),
    ] = None,
    data: Annotated[
        str | None,
        Parameter(help="Which images, where networks were kept for several; for example --data mnist.", group=WHICH),
    ] = None,
    data_dir: Annotated[Path | None, DATA_DIR] = None,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """Write a demo: draw two digits, or choose two images, and it asks the best of the kept networks about them.

    It is one HTML file, which needs no server. Keep networks first: twofold study --keep-models best

    Example: twofold demo -o demo.html
    """
    from twofold.cli.output import say
    from twofold.report.page.demo import choose_models, demo_data, demo_page, left_out
    from twofold.report.page.html import write_page
    from twofold.report.places import check_file

    check_file(out)
    kept, records = find_records(models, store, which, settings)
    for left_aside in kept.notes:
        say(left_aside)
    chosen, note = choose_models(records, relation=relation, data=data), left_out(records)
    say(write_page(out, demo_page(demo_data(kept, chosen, data_dir, note=note))))
    if note:
        say(note)
