"""`twofold networks`: what networks look like."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from twofold.cli.options import FLAG, NOTHING, PATH, SEVERAL, SOME_NETWORKS, Given, images_alone, with_options
from twofold.networks import NETWORKS
from twofold.settings import SETTINGS

if TYPE_CHECKING:
    from twofold.report.text.networks import NetworkFacts


@with_options(images=images_alone())
def networks(
    names: Annotated[
        list[str] | None,
        Parameter(
            help=f"Networks, for example {SOME_NETWORKS}, or a class in a file or module, for example "
            f"'file.py:Twin(share=[False, True])'; by default all that are built in: {', '.join(NETWORKS)}.",
            **SEVERAL,
        ),
    ] = None,
    /,
    *,
    store: Annotated[
        str | None,
        Parameter(
            help="A results store: the networks of your own that it has trials of, as they were trained, for example "
            "--store twofold.db. No file is imported."
        ),
    ] = None,
    images: Given = NOTHING,
    relation: Annotated[
        str | None,
        Parameter(
            help="The question that stands in the paper's Figure 1, as for twofold study: a name or an expression, for "
            'example --relation "<"; by default the paper\'s where the images are digits.'
        ),
    ] = None,
    out: Annotated[Path, PATH, Parameter(help="The folder for the drawings.")] = Path("figures"),
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per layer, instead of tables.", **FLAG)] = False,
) -> None:
    """Print each network's layers, shapes and parameters, and draw it (the paper's Figure 1) as PNG and SVG.

    Shapes are those for the images of --data; a store has those that were trained.

    Example: twofold networks --out drawings
    """
    import json as json_module

    from twofold.cli.output import print_table, say
    from twofold.report.figures.catalogue import network_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.places import check_folder
    from twofold.report.terminal.networks import layer_rows
    from twofold.report.terminal.tables import drawn as drawn_table
    from twofold.report.text.networks import layers_table

    check_folder(out)
    chosen = _stored(store, names) if store is not None else _named(names, images.given(), relation)
    if json:
        print(json_module.dumps([row for facts in chosen for row in layer_rows(facts)], indent=1))
    else:
        for facts in chosen:
            print_table(drawn_table(layers_table(facts)))
    drawn = [facts for facts in chosen if facts.calls or NETWORKS[facts.name].portable]
    for line in write_figures(out, network_figures(drawn)):
        say(line)
    for facts in chosen:
        if facts not in drawn:
            say(f"{facts.name} is not drawn: there is a drawing for the paper's layers only")


def _named(names: list[str] | None, images: Mapping[str, Any], relation: str | None) -> "list[NetworkFacts]":
    """What is to be told of these networks, or of all that are built in; those of one's own are imported."""
    from twofold.data import Reading, find_relation, find_source, is_digits
    from twofold.networks.own import resolve
    from twofold.report.text.networks import NetworkFacts, facts_of_own

    reading = Reading.of(images, images.get("classes"))
    source = find_source(images.get("data", SETTINGS["data"].default), reading=reading)
    if relation is None and is_digits(source.class_names):
        relation = SETTINGS["relation"].default
    asked = find_relation(relation, source.class_names).text if relation is not None else ""
    task = source.task
    return [
        facts_of_own(each.name, each.description)
        if each.identity
        else NetworkFacts(
            each.name, bool(each.weight_sharing), each.auxiliary_losses, each.structure().layers(task), relation=asked
        )
        for each in resolve(list(NETWORKS) if names is None else names, task)
    ]


def _stored(store: str, names: list[str] | None) -> "list[NetworkFacts]":
    """What a store knows of the networks of one's own that it has trials of, or of those that are named or typed."""
    from twofold.analysis.own import named, told_apart
    from twofold.errors import SettingError
    from twofold.report.text.networks import facts_of_own
    from twofold.results import Store

    opened = Store(store, create=False)
    table = told_apart(opened.described())
    wanted = table if names is None else table[named(table, names)]
    if wanted.empty:
        there = ", ".join(table.network) or "none"
        raise SettingError(f"`store` (={opened.url}) has no trials of such networks of your own; it has {there}")
    return [facts_of_own(name, described) for name, described in zip(wanted.network, wanted.description)]
