"""Pictures of digits, of any size, prepared as MNIST's digits were.

MNIST's digits were black and white. They were fitted into 20x20 pixels, which made them grey at the edges, and moved so
that their centre of mass is in the middle of 28x28 (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based
learning applied to document recognition", Proceedings of the IEEE 86, 1998, section III.A). Pictures differ more than
the forms did that those digits were written on. So before that, ink is told from paper, and strokes are made as wide as
MNIST's (`twofold.data.strokes`). The page of `twofold demo` does the same with what is drawn on it, from `_as_mnist` on
(`report/page/templates/drawing.js`).
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Shaped
from PIL import Image

from twofold.data.strokes import as_mnists
from twofold.errors import DataError

_SIDE = 28
_DIGIT_SIDE = 20
# Strokes are looked at where the longer side of the digit has so many pixels: five for each of MNIST's.
_FINE_SIDE = 100
# Around it is room for what the strokes may grow.
_MARGIN = 20
# Larger pictures are made smaller first: more than this shows nothing more of a digit.
_LARGEST_SIDE = 1024
# The lightness of the paper is looked for in a picture of this size.
_PAPER_SIDE = 64
# Ink differs from paper at least by this part of what white differs from black, and by so many deviations of noise.
_LEAST_CONTRAST = 0.04
_LEAST_NOISES = 6
# What has half as much ink as strokes have is ink: a stroke's edge is where a pixel is covered half.
_INKED = 0.5
# What hangs together and is less than this part of the largest such thing is a speck. The bar of a 5 is more.
_SPECK = 0.04

_Grey = Float[np.ndarray, "h w"]
_Resized = Float[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class Prepared:
    """A digit as MNIST has it: `image` of grey values from 0 (paper) to 255 (ink).

    `light_on_dark` says whether the picture had light ink on dark paper.
    """

    image: Float[np.ndarray, "28 28"]
    light_on_dark: bool


def prepare_digit(picture: Shaped[np.ndarray, "h w"], alpha: Shaped[np.ndarray, "h w"] | None = None) -> Prepared:
    """The digit in a grey picture of any size, light on dark or dark on light, as MNIST has its digits.

    Grey values are from 0 (black) to 255 or, where none is above 1, to 1. `alpha`, likewise, says how opaque each pixel
    is. The lightness of the paper may change over the picture, as in a photograph; specks are left out.

    Raises `DataError` where there is no digit in the picture, or a pixel is no number.
    """
    grey = _unit(picture)
    if alpha is not None:
        grey = _on_paper(grey, _unit(alpha))
    if not grey.size or not np.isfinite(grey).all():
        raise DataError("the picture has no pixels, or some that are no numbers; save it anew")
    ink, light_on_dark = _ink_in(_at_most(grey, _LARGEST_SIDE))
    return Prepared(_as_mnist(ink), light_on_dark)


def _unit(values: Shaped[np.ndarray, "h w"]) -> _Grey:
    """Values from 0 to 1."""
    whole = np.asarray(values, np.float64)
    return whole / 255 if whole.max(initial=0) > 1 else whole


def _on_paper(grey: _Grey, alpha: _Grey) -> _Grey:
    """A picture that is transparent in part, on paper from which what is opaque differs most."""
    opaque = alpha.sum()
    white = opaque > 0 and (grey * alpha).sum() / opaque < 0.5
    return grey * alpha + (1 - alpha) * white


def _ink_in(grey: _Grey) -> tuple[_Grey, bool]:
    """How much ink there is in each pixel, from 0 to 1, and whether ink is lighter than paper."""
    height, width = grey.shape
    small = _at_most(grey, _PAPER_SIDE)
    paper = _paper(small)
    # What is not paper is on one side of it, and its cubes outweigh those of the noise.
    light = bool(((small - paper) ** 3).sum() > 0)
    difference = (grey - _resized(paper, (width, height))) * (1 if light else -1)
    full = _full(difference)
    # The deviation of the normal distribution with this quartile: at least a quarter of any picture is paper.
    noise = 3.14 * float(np.quantile(np.abs(difference), 0.25))
    if full < max(_LEAST_CONTRAST, _LEAST_NOISES * noise):
        raise _no_digit()
    return np.clip(difference / full, 0, 1), light


def _paper(small: _Grey) -> _Grey:
    """The lightness of the paper under and around the ink: a surface of the second degree.

    It begins as the usual lightness of the picture's border and is fitted by least squares, again and again, in which a
    pixel counts the less the further it is from the surface before: so ink does not count (Cauchy's weights).
    """
    height, width = small.shape
    y, x = (axis.ravel() for axis in np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij"))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    values = small.ravel()
    surface = np.full_like(values, np.median(values[np.maximum(np.abs(x), np.abs(y)) == 1]))
    for _ in range(12):
        weighted = terms.T / ((values - surface) ** 2 + 0.05**2)
        surface = terms @ np.linalg.lstsq(weighted @ terms, weighted @ values)[0]  # singular for a picture of one row
    return surface.reshape(height, width)


def _full(ink: _Grey) -> float:
    """How much ink there is where a stroke covers a pixel."""
    strong = ink[ink > ink.max() / 2]
    return float(np.median(strong)) if strong.size else 0.0


def _as_mnist(ink: _Grey) -> Float[np.ndarray, "28 28"]:
    """Ink on a picture of any size as a digit of MNIST's, from 0 to 255."""
    fine = _enlarged(ink)
    strokes = as_mnists(fine >= _INKED * _full(fine))
    bounds = _bounds(strokes)
    small = _resized(strokes.astype(np.float64), _fitting(bounds, _DIGIT_SIDE), bounds, Image.Resampling.BOX)
    return _centred(255 * small)


def _enlarged(ink: _Grey) -> _Resized:
    """The digit alone, its longer side of `_FINE_SIDE` pixels, with a margin, and smooth."""
    coarseness = max(1, max(ink.shape) // _FINE_SIDE)
    ink = np.pad(ink, 1 + 2 * coarseness)
    # Noise of single pixels is no ink in a large picture.
    smooth = scipy.ndimage.gaussian_filter(ink, coarseness / 2) if coarseness > 1 else ink
    mask = _without_specks(smooth >= _INKED * _full(smooth))
    digit = np.where(scipy.ndimage.binary_dilation(mask, iterations=1 + coarseness), ink, 0)
    left, top, right, bottom = _bounds(mask)
    bounds = (left - 1, top - 1, right + 1, bottom + 1)
    fine = _resized(digit, _fitting(bounds, _FINE_SIDE), bounds)
    return scipy.ndimage.gaussian_filter(np.pad(fine, _MARGIN), 1)


def _without_specks(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    things, _ = scipy.ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(things.ravel())
    sizes[0] = 0
    return (sizes >= max(1, _SPECK * sizes.max()))[things]


def _centred(small: _Grey) -> Float[np.ndarray, "28 28"]:
    """The digit in an empty image, moved by whole pixels so that its centre of mass is in the middle.

    What would then be outside is not there: it happens to a digit whose ink is almost all at one end.
    """
    image = np.zeros((3 * _SIDE, 3 * _SIDE), np.float32)
    top, left = (_SIDE + _rounded((_SIDE - 1) / 2 - place) for place in scipy.ndimage.center_of_mass(small))
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return image[_SIDE : 2 * _SIDE, _SIDE : 2 * _SIDE]


_Box = tuple[int, int, int, int]


def _bounds(mask: Bool[np.ndarray, "h w"]) -> _Box:
    """The smallest box that holds all that is true: left, top, right and bottom, the last two exclusive."""
    rows, columns = np.nonzero(mask)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _fitting(box: _Box, longer: int) -> tuple[int, int]:
    """Width and height with the proportions of the box, of which the longer is as given."""
    sides = box[2] - box[0], box[3] - box[1]
    width, height = (max(1, _rounded(side * longer / max(sides))) for side in sides)
    return width, height


def _rounded(number: float) -> int:
    """The nearest whole number, a half upwards as in JavaScript."""
    return math.floor(number + 0.5)


def _at_most(grey: _Grey, longest: int) -> _Resized:
    """The picture, made smaller where a side is longer than that."""
    height, width = grey.shape
    return grey if max(height, width) <= longest else _resized(grey, _fitting((0, 0, width, height), longest))


def _resized(
    grey: _Grey, size: tuple[int, int], box: _Box | None = None, how: Image.Resampling = Image.Resampling.BILINEAR
) -> _Resized:
    """A box of the picture, all of it by default, as one of this width and height."""
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize(size, how, box=box), np.float64)


def _no_digit() -> DataError:
    return DataError("the picture shows no digit; give one with dark ink on light paper, or light ink on dark")
