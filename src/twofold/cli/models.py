"""`twofold models`: which trained networks are kept."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import DEFAULT_STORE, FLAG, MODELS, NOTHING, Given, StoreUrl, selections, with_options
from twofold.cli.selection import Which, find_records

_ALL = Which()


@with_options(settings=selections())
def models(
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per network.", **FLAG)] = False,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """List the trained networks that `twofold study --keep-models` has kept, each with its settings and errors.

    Example: twofold models --json
    """
    import json as json_module

    from twofold.cli.output import print_table, say
    from twofold.report.terminal.study import models_table

    kept, chosen = find_records(models, store, which, settings)
    records = [{**record, "file": str(kept.path(record["key"]))} for record in chosen]
    for note in kept.notes:
        say(note)
    if json:
        print(json_module.dumps(records, indent=1))
    elif not records:
        say(f"no networks in {kept.folder} yet; `twofold study --keep-models best` keeps some")
    else:
        print_table(models_table(records, kept.folder))
