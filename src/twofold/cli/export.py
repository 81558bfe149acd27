"""`twofold export`: a kept network as a file for other programs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import DEFAULT_STORE, FILE, MODELS, StoreUrl
from twofold.cli.selection import OWN_NETWORK, Kept, PlanOption, kept_file


def export(
    model: Kept,
    /,
    *,
    to: Annotated[
        str, Parameter(help="What to write: onnx, pytorch (a state_dict) or safetensors, for example --to onnx.")
    ],
    out: Annotated[
        Path | None,
        FILE,
        Parameter(
            name=["--out", "-o"],
            help="The file to write, for example --out twin.onnx; by default one here, named by the network and its "
            "key.",
        ),
    ] = None,
    network: Annotated[str | None, OWN_NETWORK] = None,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    plan: PlanOption = None,
) -> None:
    """Write a kept network as ONNX, as a state of PyTorch's, or as safetensors, with what is known of its images.

    The paper's four and networks of your own in PyTorch are exported. Keep some first: twofold study --keep-models best

    Example: twofold export 0a1b2c --to onnx
    """
    from twofold.api import export_model
    from twofold.cli.output import say
    from twofold.export.portable import check_format

    check_format(to)  # before the store is looked for
    export_model(kept_file(model, models, store, plan), to, out, network, tell=say)
