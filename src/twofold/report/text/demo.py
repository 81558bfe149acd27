"""Why a report has no demo, or not of all networks."""

import shlex
from collections.abc import Sequence

from twofold.settings import option

NONE_KEPT = "No networks of these trials were kept; twofold study --keep-models best keeps some."

NOT_OF_OWN = "A demo can ask the paper's four networks only; these trials are of others."


ROUNDED = (
    "So that the demo stays small, it has the weights of large layers in 8 bits: its probabilities may differ by some "
    "tenths of a percent from those of twofold predict."
)


def cannot_run(names: Sequence[str]) -> str:
    """Of the networks kept the demo cannot run these."""
    return f"the demo computes the layers of the paper's four networks, and not those of {', '.join(names)}"


def no_demo(why: Exception) -> str:
    """The demo cannot be made of the networks kept."""
    return f"There is no demo: {why}."


def several_kept(name: str, there: Sequence[str]) -> str:
    """No demo of networks that were kept for `there`: several questions or, where `name` is data, sets of images."""
    what = "sets of images" if name == "data" else "questions"
    command = f"twofold demo {option(name)} {shlex.quote(there[0])}"
    return f"The networks kept are for several {what}, and a demo can ask those for one: {command} makes such a demo."


def invitation(*, drawn: bool) -> str:
    """What to do where an image lacks."""
    return (
        "Draw two digits, or pick them from the test digits."
        if drawn
        else "Choose an image on each side, or give a picture of your own."
    )


def unnamed(*, drawn: bool) -> str:
    """Of a network without auxiliary losses, in place of what it takes the images for."""
    return f"not trained to name {'digits' if drawn else 'classes'}"
