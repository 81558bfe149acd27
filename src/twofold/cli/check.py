"""`twofold check`: what a network of one's own is to twofold, and whether that is right."""

from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import FLAG
from twofold.settings import Settings


def check(
    network: Annotated[
        str, Parameter(help="A class in a file or module, for example 'file.py:Twin(share=[False, True])'.")
    ],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per line of the table.", **FLAG)] = False,
    data: Annotated[str, Parameter(help="The images that it is to be trained on, as in twofold study.")] = str(
        Settings.data
    ),
) -> int:
    """Look at a network of your own before hours of work: its outputs, its parameters, and how long a study takes.

    It is compared with your own module in double precision: outputs, gradients, state, and five steps. The exit code
    is 0 only if all is right.

    Example: twofold check 'file.py:Twin(share=[False, True])'
    """
    from twofold.check import examine
    from twofold.cli.output import print_examined, say

    return print_examined(examine(network, data, tell=say), as_json=json, wrong="failed", right="all is right")
