"""`twofold networks`: what the four networks look like."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import FLAG, PATH, SEVERAL, SOME_NETWORKS
from twofold.networks import NETWORKS
from twofold.settings import SETTINGS


def networks(
    names: Annotated[
        list[str] | None,
        Parameter(
            help=f"Networks, for example {SOME_NETWORKS}; by default all: {', '.join(NETWORKS)}.",
            **SEVERAL,
        ),
    ] = None,
    /,
    *,
    out: Annotated[Path, PATH, Parameter(help="The folder for the drawings.")] = Path("figures"),
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per layer, instead of tables.", **FLAG)] = False,
) -> None:
    """Print each network's layers, shapes and parameters, and draw it (the paper's Figure 1) as PNG and SVG.

    Example: twofold networks --out drawings
    """
    import json as json_module

    from twofold.cli.output import print_table, say
    from twofold.data import find_source
    from twofold.networks import find_network
    from twofold.report.figures.catalogue import network_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.places import check_folder
    from twofold.report.terminal.networks import layer_rows, layers_table
    from twofold.report.text.networks import NetworkFacts

    check_folder(out)
    found = [find_network(name) for name in (NETWORKS if names is None else names)]
    task = find_source(str(SETTINGS["data"].default)).task
    chosen = [
        NetworkFacts(each.name, bool(each.weight_sharing), each.auxiliary_losses, each.structure().layers(task))
        for each in found
    ]
    if json:
        print(json_module.dumps([row for facts in chosen for row in layer_rows(facts)], indent=1))
    else:
        for facts in chosen:
            print_table(layers_table(facts))
    drawn = [facts for facts in chosen if NETWORKS[facts.name].portable]
    for line in write_figures(out, network_figures(drawn)):
        say(line)
    for facts in chosen:
        if facts not in drawn:
            say(f"{facts.name} is not drawn: there is a drawing for the paper's layers only")
