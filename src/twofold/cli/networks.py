"""`twofold networks`: what the four networks look like."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import FLAG, SEVERAL


def networks(
    names: Annotated[
        list[str] | None,
        Parameter(
            help="Networks, for example NetBase NetWSAL; by default all four: NetBase, NetWS, NetAL, NetWSAL.",
            **SEVERAL,
        ),
    ] = None,
    /,
    *,
    out: Annotated[Path, Parameter(help="The folder for the drawings.")] = Path("figures"),
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per layer, instead of tables.", **FLAG)] = False,
) -> None:
    """Print each network's layers, shapes and parameters, and draw it (the paper's Figure 1) as PNG and SVG.

    Example: twofold networks NetWSAL
    """
    import json as json_module

    from twofold.cli.output import print_table, say
    from twofold.networks import NETWORKS, find_network
    from twofold.report.architecture import figure1
    from twofold.report.style import save
    from twofold.report.tables import layer_rows, layers_table

    chosen = [find_network(name) for name in (NETWORKS if names is None else names)]
    if json:
        print(json_module.dumps([row for architecture in chosen for row in layer_rows(architecture)], indent=1))
    else:
        for architecture in chosen:
            print_table(layers_table(architecture))
    for architecture in chosen:
        for path in save(figure1(architecture), out / f"figure1_{architecture.name}"):
            say(f"wrote {path}")
