"""What `twofold study`, `grid` and `sweep` are: one function, which they present each in its way."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twofold.cli.options import RunOptions
from twofold.networks import PAPERS

if TYPE_CHECKING:
    from twofold.api import Study, StudyResult


def plan(networks: Sequence[str] | None, rounds: str, settings: Mapping[str, Any], run: RunOptions) -> "Study":
    """The study that the options ask for, once it is known that its figures can be written."""
    from twofold.api import Study
    from twofold.report.places import check_folder

    check_folder(run.out)
    chosen = PAPERS if networks is None else networks
    return Study(networks=chosen, rounds=rounds, data_dir=run.data_dir, classes=run.classes, **settings)


def train(study: "Study", run: RunOptions, command: str) -> "StudyResult":
    """Train what is not in the store yet, as this command, and print the rows if they are all that is wanted."""
    from twofold.cli.output import print_json

    result = study.run(**run.running(), command=command)
    if run.json:
        print_json(result.table)
    return result
