"""`twofold check`: what a network of one's own is to twofold, and whether that is right."""

from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import FLAG, NOTHING, Given, images_alone, with_options


@with_options(images=images_alone())
def check(
    network: Annotated[
        str, Parameter(help="A class in a file or module, for example 'file.py:Twin(share=[False, True])'.")
    ],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per line of the table.", **FLAG)] = False,
    images: Given = NOTHING,
) -> int:
    """Look at a network of your own before hours of work: its outputs, its parameters, and how long a study takes.

    It is compared with your own module in double precision: outputs, gradients, state, and five steps. The exit code
    is 0 only if all is right.

    Example: twofold check 'file.py:Twin(share=[False, True])'
    """
    from twofold.check import examine
    from twofold.cli.output import print_examined, say

    return print_examined(
        examine(network, **images.given(), tell=say), as_json=json, wrong="failed", right="all is right"
    )
