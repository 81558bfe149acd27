"""The look of figures: colours that stay apart."""

import itertools

import matplotlib.colors
import numpy as np
import pytest

from twofold.networks import NETWORKS
from twofold.report.figures.looks import INK, colour_of, factor_looks, looks_of, marker_of
from twofold.report.figures.style import new_picture
from twofold.report.page import html

# What the eye's cones make of linear red, green and blue where one kind of cone lacks (Machado, Oliveira and Fernandes
# 2009, table 1, severity 1.0).
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "none": np.eye(3).tolist(),
}


def seen(colour: str, kind: str) -> np.ndarray:
    """The colour as seen with a kind of colour blindness, in CIE L*a*b* (D65)."""
    srgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(BLINDNESS[kind]) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    xyz = np.array(to_xyz) @ linear / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_networks_colours_stay_apart(kind):
    """A difference of 2.3 in L*a*b* can just be seen; lines that cross want a good deal more."""
    for one, two in itertools.combinations(map(colour_of, NETWORKS), 2):
        assert np.linalg.norm(seen(one, kind) - seen(two, kind)) > 15


def test_every_network_has_a_colour_and_a_marker_of_its_own():
    looks = [(colour_of(network), marker_of(network)) for network in NETWORKS]
    assert len(dict(looks)) == len({marker for _, marker in looks}) == len(NETWORKS)
    assert colour_of("Mine") == INK
    assert marker_of("Mine") not in {marker for _, marker in looks}


def test_a_factor_looks_like_the_network_that_has_it_alone():
    assert list(factor_looks()) == ["weight sharing", "auxiliary losses"]
    names = {(colour_of(name), marker_of(name)): name for name in NETWORKS}
    for factor, look in factor_looks().items():
        flags = NETWORKS[names[look]].weight_sharing, NETWORKS[names[look]].auxiliary_losses
        assert flags == (factor == "weight sharing", factor == "auxiliary losses")
    assert len(set(factor_looks(["share", "aux"]).values())) == 4


OWN = [f"Twin(depth={depth})" for depth in range(12)]


@pytest.mark.parametrize("beside", [[], list(NETWORKS)[:2], list(NETWORKS)])
@pytest.mark.parametrize("count", [1, 2, 8, 12])
def test_networks_of_ones_own_look_different_from_all_that_are_shown_with_them(beside, count):
    looks = looks_of([*OWN[:count], *beside])
    assert len(set(looks.values())) == len(looks) == count + len(beside)
    assert all(look.marker in html._MARKER_PATHS for look in looks.values())
    assert {name: looks[name] for name in beside} == {name: (colour_of(name), marker_of(name)) for name in beside}
    few = looks if count <= 8 and not beside else {}
    assert len({look.colour for look in few.values()}) == len({look.marker for look in few.values()}) == len(few)


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_colours_of_eight_networks_of_ones_own_stay_apart(kind):
    for one, two in itertools.combinations([look.colour for look in looks_of(OWN[:8]).values()], 2):
        assert np.linalg.norm(seen(one, kind) - seen(two, kind)) > 15


def test_a_picture_is_shown_by_notebooks():
    picture, _ = new_picture(1.0, 1.0)
    assert picture._repr_png_().startswith(b"\x89PNG")
