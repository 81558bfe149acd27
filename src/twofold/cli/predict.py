"""`twofold predict`: pictures of one's own, and what a kept network says of them."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import DEFAULT_STORE, FLAG, MODELS, StoreUrl
from twofold.cli.selection import OWN_NETWORK, Kept, PlanOption, kept_file


def predict(
    model: Kept,
    left: Annotated[
        str,
        Parameter(
            help="The first picture, for example seven.png, or a folder of them; or, alone, a CSV file with the "
            "columns left and right, or an .npz file with images (n, 2, h, w)."
        ),
    ],
    right: Annotated[
        str | None,
        Parameter(
            help="The second picture, for example nine.jpg, or a folder of as many as on the left, paired in the "
            "natural order of names."
        ),
    ] = None,
    /,
    *,
    network: Annotated[str | None, OWN_NETWORK] = None,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per pair.", **FLAG)] = False,
    csv: Annotated[bool, Parameter(help="Print comma-separated values, a row per pair.", **FLAG)] = False,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    plan: PlanOption = None,
) -> int:
    """Say what a kept network answers to pictures of your own: the answer, how sure it is, and the classes it sees.

    Pictures are of any format that Pillow reads. For networks trained on MNIST they are prepared as MNIST's digits
    were; for others they are brought to the size of the study's images. A picture that cannot be read is named, the
    others are done, and the exit code is 4.

    Example: twofold predict 0a1b2c seven.png nine.jpg
    """
    from twofold.api import predict as answers
    from twofold.cli.output import print_answers, records_of, say
    from twofold.errors import DataError, SettingError
    from twofold.report.text.predictions import inverted_warning
    from twofold.results import ModelStore

    if json and csv:
        raise SettingError("`json` and `csv` exclude each other; give one of them")
    file = kept_file(model, models, store, plan)
    table = answers(file, left, right, network)
    print_answers(table, ModelStore(file.parent).record(file.stem), as_json=json, as_csv=csv)
    if warning := inverted_warning(records_of(table)):
        say(f"twofold: {warning}")
    damaged = table.error.dropna()
    for error in damaged:
        say(f"twofold: {error}")
    return DataError.exit_code if len(damaged) else 0
