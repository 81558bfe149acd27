"""Colours and markers, for figures and pages; nothing of matplotlib."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from twofold.analysis import BOTH_DEAD, DIVERGED, HEALTHY, LAYER_DEAD, ONE_DEAD
from twofold.networks import NETWORKS, PAPERS
from twofold.settings import SETTINGS

# Okabe and Ito's palette, which stays apart under the common kinds of colour blindness; the markers tell things apart
# without any colour.
_PALETTE = (
    ("#D55E00", "o"),
    ("#E69F00", "s"),
    ("#0072B2", "^"),
    ("#009E73", "D"),
    ("#CC79A7", "v"),
    ("#56B4E9", "P"),
)
INK, FAINT = "#222222", "#8A8A8A"


class Look(NamedTuple):
    """A colour and a marker."""

    colour: str
    marker: str


# The built-in networks take them in the order of the registry; of the first four the warm ones have no auxiliary
# losses.
_NETWORK_LOOKS = {name: Look(*look) for name, look in zip(NETWORKS, _PALETTE)}
_OWN_LOOK = Look(INK, "X")
# Of several networks of one's own each has one of these, the last from Tol's palette, which stays apart from the
# others; beyond eight, a colour that comes again has another marker.
_OWN_PALETTE = (*_PALETTE, _OWN_LOOK, ("#882255", "*"))

# Each optimizer's colour and marker, where lines stand for optimizers: in the order in which they are declared.
_OPTIMIZER_PALETTE = (
    (INK, "o"),
    ("#0072B2", "s"),
    ("#009E73", "^"),
    ("#E69F00", "D"),
    ("#CC79A7", "v"),
    ("#D55E00", "P"),
    ("#56B4E9", "X"),
    (FAINT, "*"),
)
OPTIMIZER_LOOKS = dict(zip(SETTINGS["optimizer"].choices, _OPTIMIZER_PALETTE, strict=False))

# Kinds of trials: of the same palette as the networks, and told apart by their markers as well.
KIND_COLOURS = {HEALTHY: "#56B4E9", ONE_DEAD: "#E69F00", BOTH_DEAD: "#D55E00", LAYER_DEAD: "#D55E00", DIVERGED: INK}
KIND_MARKERS = {HEALTHY: "o", ONE_DEAD: "s", BOTH_DEAD: "^", LAYER_DEAD: "^", DIVERGED: "X"}

# The flags of a network that are factors of a study.
_FACTORS = ("weight_sharing", "auxiliary_losses")


def looks_of(networks: Iterable[str]) -> Mapping[str, Look]:
    """The looks of networks that are shown together, no two alike.

    A network that is not built in is drawn in ink if it is the only one; several take, as they come, what the built-in
    networks beside them leave.
    """
    distinct = list(dict.fromkeys(networks))
    taken = {name: _NETWORK_LOOKS[name] for name in distinct if name in _NETWORK_LOOKS}
    own = [name for name in distinct if name not in taken]
    if len(own) == 1:
        return {**taken, own[0]: _OWN_LOOK}
    colours, markers = zip(*_OWN_PALETTE, strict=True)
    count = len(_OWN_PALETTE)
    every = (
        Look(colours[place % count], markers[(place + place // count) % count])
        for place in range(len(taken) + len(own) + count * count)
    )
    free = (look for look in every if look not in taken.values())
    return {**taken, **dict(zip(own, free))}


def colour_of(network: str) -> str:
    """The colour of a network by itself."""
    return looks_of([network])[network].colour


def marker_of(network: str) -> str:
    """The marker of a network by itself."""
    return looks_of([network])[network].marker


def factor_looks(effects: Iterable[str] = ()) -> Mapping[str, Look]:
    """The looks of the factors whose worth is drawn: of the paper's, those of its network that has that factor alone.

    `effects` are those of factors of one's own.
    """
    alone = {}
    for name in PAPERS:
        has = [factor for factor in _FACTORS if getattr(NETWORKS[name], factor)]
        if len(has) == 1:
            alone[has[0].replace("_", " ")] = name
    own = [effect for effect in effects if effect not in alone]
    looks = looks_of([*alone.values(), *own])
    return {factor: looks[name] for factor, name in {**alone, **dict(zip(own, own))}.items()}
