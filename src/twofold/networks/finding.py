"""Networks by name. What is here needs no JAX: tables and help are made from it, and most commands train nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twofold.errors import SettingError, unknown_choice
from twofold.settings import Settings

if TYPE_CHECKING:
    from twofold.networks.own import Sent
    from twofold.networks.protocol import Structure


@dataclass(frozen=True)
class Network:
    """A network by its name, and what there is to know of it before it is made.

    `weight_sharing` and `auxiliary_losses` are its factors: with the first both branches have the same weights (a
    siamese network); with the second each branch is also judged by how well it names its image's class. `uses` are
    those settings of networks that make a difference to it (see `twofold.settings.Declaration.of_network`). `home` is
    where its structure is, "module:class"; the class is called with `weight_sharing`. `portable` says whether it can be
    exported, drawn, and asked in a page: what does so knows the layers of the paper's networks. `sides` are the least
    and the most pixels, after pooling, that it takes down and across; None where only its making tells.

    A network of one's own has an `identity`, the hash of what it computes, whatever it is called. Its factors are among
    its `arguments`, `source` is where its class was, as typed, `description` what a store keeps of it, `make` gives its
    structure, `verify` raises `NetworkError` where that is not what the class computes, and `sent` is what another
    machine makes it of (see `twofold.networks.own.Sent`). It has no `weight_sharing`: only its author knows.
    """

    name: str
    weight_sharing: bool | None
    auxiliary_losses: bool
    uses: frozenset[str]
    home: str = ""
    portable: bool = False
    sides: tuple[int, int] | None = None
    identity: str = ""
    source: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)
    description: Mapping[str, Any] = field(default_factory=dict, compare=False)
    make: "Callable[[Settings], Structure] | None" = field(default=None, compare=False)
    verify: Callable[[], None] = field(default=lambda: None, compare=False)
    sent: "Sent | None" = field(default=None, compare=False)

    @property
    def embeds(self) -> bool:
        """Whether it gives embeddings, which are trained by a contrastive loss and answer by their distance."""
        return "contrastive_margin" in self.uses

    def structure(self, settings: Settings | None = None) -> "Structure":
        """What is compiled of it, as far as settings (by default their defaults) decide that: batches, the relation.

        Auxiliary losses are not: networks that differ in them alone are one program.
        """
        if self.make is not None:
            return self.make(settings or Settings())
        module, _, name = self.home.partition(":")
        make: Callable[..., Structure] = getattr(import_module(module), name)
        return make(weight_sharing=self.weight_sharing)


def _papers(name: str, *, weight_sharing: bool = False, auxiliary_losses: bool = False) -> Network:
    uses = {"bottleneck_activation", *(["aux_weight"] if auxiliary_losses else [])}
    home = "twofold.networks.paper:Twin"
    return Network(name, weight_sharing, auxiliary_losses, frozenset(uses), home, portable=True, sides=(10, 64))


# The paper's four, in its order (section III): what is trained by default, and what effects are computed from, being
# every combination of the two factors.
_FOUR = (
    _papers("NetBase"),
    _papers("NetWS", weight_sharing=True),
    _papers("NetAL", auxiliary_losses=True),
    _papers("NetWSAL", weight_sharing=True, auxiliary_losses=True),
)
PAPERS = tuple(network.name for network in _FOUR)

# All networks that are built in; a new one is added at the end.
NETWORKS = MappingProxyType({network.name: network for network in (*_FOUR,)})


# Networks of one's own that this process has read, by their identities, and the last of each name.
_OWN: dict[str, Network] = {}
_LAST: dict[str, Network] = {}


def remember(network: Network) -> None:
    """Make a network of one's own known to `find_network`."""
    _OWN[network.identity] = _LAST[network.name] = network


def find_network(name: str, identity: str = "") -> Network:
    """The network of that name; of one's own that of the identity, or the last of the name that was read.

    Raises `SettingError` where there is none.
    """
    own = _OWN.get(identity) if identity else _LAST.get(name)
    if own is not None:
        return own
    if name not in NETWORKS:
        raise unknown_choice("network", name, NETWORKS)
    return NETWORKS[name]


def in_order(names: Sequence[str]) -> list[str]:
    """The distinct names: those of `NETWORKS` in their order, then others as they come."""
    distinct = list(dict.fromkeys(names))
    return [name for name in NETWORKS if name in distinct] + [name for name in distinct if name not in NETWORKS]


def check_size(network: Network, height: int, width: int) -> None:
    """Raise `SettingError` where images of this size, after pooling, are none that a network takes."""
    least, most = network.sides or (1, max(height, width))
    if least <= min(height, width) and max(height, width) <= most:
        return
    small = min(height, width) < least
    remedy = "a larger --size, or a smaller --pool (1 is none)" if small else "a smaller --size, or a larger --pool"
    raise SettingError(
        f"`networks` (={network.name}) takes images of {least}x{least} to {most}x{most} pixels after pooling, and "
        f"these are {height}x{width} then; give {remedy}"
    )


def check_used(names: Sequence[str], chosen: Sequence[str]) -> None:
    """Raise `SettingError` where a setting of networks was chosen that none of these networks uses."""
    for setting in chosen:
        networks = [find_network(name) for name in names]
        if not any(setting in network.uses for network in networks):
            remedy = _remedy(setting, has_own=any(network.identity for network in networks))
            raise SettingError(
                f"`{setting}` cannot be used by {' or '.join(in_order(names))}; leave it out, or {remedy}"
            )


def _remedy(setting: str, *, has_own: bool) -> str:
    """What to do for networks to use the setting."""
    if setting == "contrastive_margin":
        return "train a network of your own that gives two embeddings and no answer"
    if setting == "aux_weight" and has_own:
        return "give class predictions as outputs, which it weighs the losses of"
    return f"add one of {', '.join(name for name, network in NETWORKS.items() if setting in network.uses)}"
