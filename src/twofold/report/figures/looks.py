"""Colours and markers, for figures and pages; nothing of matplotlib."""

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

# The built-in networks take them in the order of the registry; of the first four the warm ones have no auxiliary
# losses.
_NETWORK_LOOKS = dict(zip(NETWORKS, _PALETTE))
_OWN_LOOK = (INK, "X")

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


def colour_of(network: str) -> str:
    """The network's colour; a user's own network is drawn in ink."""
    return _NETWORK_LOOKS.get(network, _OWN_LOOK)[0]


def marker_of(network: str) -> str:
    """The network's marker."""
    return _NETWORK_LOOKS.get(network, _OWN_LOOK)[1]


def factor_looks() -> dict[str, str]:
    """The factors whose worth is drawn, each with the network of the paper that has that factor alone."""
    alone = {}
    for name in PAPERS:
        has = [factor for factor in _FACTORS if getattr(NETWORKS[name], factor)]
        if len(has) == 1:
            alone[has[0].replace("_", " ")] = name
    return alone
