"""`twofold doctor`: what is here, and what would fail."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import DATA_DIR, DEFAULT_STORE, FLAG, StoreUrl


def doctor(
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per line of the table.", **FLAG)] = False,
    store: StoreUrl = DEFAULT_STORE,
    data_dir: Annotated[Path | None, DATA_DIR] = None,
) -> int:
    """Show what this machine has and what would fail: versions, devices, workers, operations, caches, store, data.

    The exit code is 1 when something would fail.

    Example: twofold doctor --json
    """
    from twofold.cli.output import print_examined, say
    from twofold.doctor import examine

    return print_examined(examine(store, data_dir, say), as_json=json, wrong="would fail", right="all is well")
