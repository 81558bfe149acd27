"""The four networks by name: two flags, weight sharing and auxiliary losses."""

from dataclasses import dataclass

from twofold.errors import unknown_choice


@dataclass(frozen=True)
class Architecture:
    """A network of the paper (section III).

    With `weight_sharing` both branches have the same weights (a siamese network); with `auxiliary_losses` each
    branch's ten units are also judged by how well they name the branch's digit.
    """

    name: str
    weight_sharing: bool
    auxiliary_losses: bool


NETWORKS: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("NetBase", weight_sharing=False, auxiliary_losses=False),
        Architecture("NetWS", weight_sharing=True, auxiliary_losses=False),
        Architecture("NetAL", weight_sharing=False, auxiliary_losses=True),
        Architecture("NetWSAL", weight_sharing=True, auxiliary_losses=True),
    )
}


def find_network(name: str) -> Architecture:
    """The architecture of that name. Raises `SettingError` where there is none."""
    if name not in NETWORKS:
        raise unknown_choice("network", name, NETWORKS)
    return NETWORKS[name]
