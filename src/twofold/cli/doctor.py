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
    import json as json_module
    from dataclasses import asdict

    from twofold.cli.output import print_table, say
    from twofold.doctor import examine
    from twofold.report.terminal.doctor import findings_table

    found = examine(store, data_dir, say)
    wrong = [finding for finding in found if finding.wrong]
    if json:
        print(json_module.dumps([asdict(finding) for finding in found], indent=1))
    else:
        print_table(findings_table(found))
        say(f"{len(wrong)} of these would fail" if wrong else "all is well")
    return 1 if wrong else 0
