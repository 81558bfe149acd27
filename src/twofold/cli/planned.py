"""Running a plan that is written in a file, and showing it as its command does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.cli.grid import show_grid
from twofold.cli.options import RunOptions
from twofold.cli.study import show_study
from twofold.cli.sweep import show_sweep
from twofold.cli.tune import show_search

if TYPE_CHECKING:
    from twofold.api import Study


def run_plan(file: Path, run: RunOptions) -> None:
    """Train what a plan says and the store does not have, and show it.

    Raises `DataError` or `SettingError` for the file, and what the command of the plan raises.
    """
    from twofold.api import planned_studies
    from twofold.cli.output import say
    from twofold.report.places import check_folder
    from twofold.study.plan_file import changed, read_plan

    check_folder(run.out)
    command, content = read_plan(file)
    studies = planned_studies(content, run.data_dir)
    first = studies[0]
    for note in changed(content.get("identities", {}), first.identities):
        say(f"twofold: {note}")
    if command == "tune":
        search = content["search"]
        how = {name: search[name] for name in ("budget", "together", "batch") if name in search}
        show_search(first, run, {**how, **search.get("space", {})})
    elif len(studies) > 1:
        _show_studies(studies, run, command)
    elif command == "grid":
        validated = all(trial.validation_pairs for trial in first.trials())
        show_grid(first, run, "validation" if validated else "test")
    elif command == "sweep":
        show_sweep(first, run)
    else:
        show_study(first, run, command)


def _show_studies(studies: "Sequence[Study]", run: RunOptions, command: str) -> None:
    """Train several studies as one plan, and show their errors."""
    from twofold.api import Running, run_together
    from twofold.cli.output import print_json, print_table
    from twofold.report.terminal.study import summary_table

    result = run_together(studies, command, Running(**run.running()))
    if run.json:
        print_json(result.table)
    else:
        print_table(summary_table(result.table))
