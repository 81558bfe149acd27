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

# Those of one's own take these as they are first drawn, from Paul Tol's scheme "muted", which is apart from the above
# and told apart under colour blindness too ("Colour Schemes", SRON/EPS/TN/09-002, issue 3.2, 2021).
_OWN_PALETTE = (
    ("#332288", "X"),
    ("#44AA99", "o"),
    ("#882255", "s"),
    ("#999933", "^"),
    ("#AA4499", "D"),
    ("#117733", "v"),
    ("#88CCEE", "P"),
    ("#CC6677", "*"),
)
_OWN_LOOKS: dict[str, tuple[str, str]] = {}

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
    """The network's colour."""
    return _look_of(network)[0]


def marker_of(network: str) -> str:
    """The network's marker."""
    return _look_of(network)[1]


def _look_of(network: str) -> tuple[str, str]:
    if network in _NETWORK_LOOKS:
        return _NETWORK_LOOKS[network]
    return _OWN_LOOKS.setdefault(network, _OWN_PALETTE[len(_OWN_LOOKS) % len(_OWN_PALETTE)])


def factor_looks() -> dict[str, str]:
    """The factors whose worth is drawn, each with the network of the paper that has that factor alone."""
    alone = {}
    for name in PAPERS:
        has = [factor for factor in _FACTORS if getattr(NETWORKS[name], factor)]
        if len(has) == 1:
            alone[has[0].replace("_", " ")] = name
    return alone
