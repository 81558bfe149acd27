"""The look of figures: colours that stay apart, files that are written."""

import itertools

import matplotlib.colors
import numpy as np
import pytest

from twofold.errors import SettingError
from twofold.networks import NETWORKS
from twofold.report.style import NETWORK_COLOURS, NETWORK_MARKERS, colour_of, marker_of, new_picture, save

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
    for one, two in itertools.combinations(NETWORK_COLOURS.values(), 2):
        assert np.linalg.norm(seen(one, kind) - seen(two, kind)) > 15


def test_every_network_has_a_colour_and_a_marker_of_its_own():
    assert list(NETWORK_COLOURS) == list(NETWORK_MARKERS) == list(NETWORKS)
    assert len(set(NETWORK_MARKERS.values())) == len(set(NETWORK_COLOURS.values())) == len(NETWORKS)
    assert colour_of("Mine") not in NETWORK_COLOURS.values()
    assert marker_of("Mine") not in NETWORK_MARKERS.values()


def test_a_picture_is_shown_by_notebooks():
    picture, _ = new_picture(1.0, 1.0)
    assert picture._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("place", ["a file", "below a file"])
def test_a_folder_that_cannot_be_written_is_named(place, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" if place == "a file" else tmp_path / "file" / "below"
    picture, _ = new_picture(1.0, 1.0)
    with pytest.raises(SettingError, match=r"cannot write figures to `out` \(=.*file.*\); name another folder"):
        save(picture, folder / "figure")


def test_a_file_that_is_there_is_replaced(tmp_path):
    picture, _ = new_picture(1.0, 1.0)
    (tmp_path / "figure.png").write_text("old")
    paths = save(picture, tmp_path / "figure")
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "figure.svg"]
