"""The program `twofold`: its commands, and how it ends when something is wrong."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from twofold import __version__
from twofold.cli.analyse import analyse
from twofold.cli.check import check
from twofold.cli.demo import demo
from twofold.cli.doctor import doctor
from twofold.cli.export import export
from twofold.cli.grid import grid
from twofold.cli.mistakes import Mistakes, check_text, one_line
from twofold.cli.models import models
from twofold.cli.networks import networks
from twofold.cli.options import in_new_words
from twofold.cli.power import power
from twofold.cli.predict import predict
from twofold.cli.report import report
from twofold.cli.results import results
from twofold.cli.store import store
from twofold.cli.streams import tell, with_safe_streams
from twofold.cli.study import study
from twofold.cli.sweep import sweep
from twofold.cli.tune import tune
from twofold.errors import SettingError, TwofoldError, hidden

app = App(
    name="twofold",
    help="""What are weight sharing and auxiliary losses worth? Train two-branch networks by the hundred, and see.

    Example: twofold study --rounds 20

    docs/glossary.md says what the words mean.
    """,
    help_format="markdown",
    version=__version__,
    exit_on_error=False,
    print_error=False,
    help_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
_READING = (results, analyse, power, report, demo, models, predict, export, networks)
for _command in (study, grid, sweep, tune, *_READING, check, store, doctor):
    app.command(_command)


@with_safe_streams
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code, or what it returns: 2 for a bad option, 3 store, 4 data, 5 a cluster."""
    try:
        words, note = in_new_words(sys.argv[1:] if arguments is None else arguments)
        if note:
            tell(f"twofold: {note}")
        check_text(words)
        code: int | None = app(words)
    except CycloptsError as error:
        tell(f"twofold: {hidden(Mistakes(app, words).told(error))}")
        return SettingError.exit_code
    except TwofoldError as error:
        tell(f"twofold: {hidden(one_line(Mistakes(app, words).named(str(error))))}")
        return error.exit_code
    return code or 0
