"""The strokes of a drawing: how wide they are, and the same drawing with strokes as wide as those of MNIST's digits."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool

# Widths of strokes as parts of the longer side of a digit: of MNIST's first 300 training digits, enlarged as
# `twofold.data.preparation` enlarges them, the median is 0.12, and 9 of 10 lie between the other two.
_THINNEST, _USUAL, _THICKEST = 0.08, 0.12, 0.18


def as_mnists(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The drawing with strokes of MNIST's usual width; as it is where they are as wide as MNIST's can be.

    There must be ink in the mask, and as much room around it as strokes may grow. Thin strokes grow on all sides. Thick
    ones shrink on all sides, but not below the new width around their centre line, so that no stroke breaks.
    """
    depth = scipy.ndimage.distance_transform_edt(mask)
    # Zhang and Suen take away a square of 2x2 whole; the deepest place is always on the line.
    line = centre_line(mask) | (depth == depth.max())
    width = 2 * float(np.median(depth[line]))
    longer = max(np.ptp(places) + 1 for places in np.nonzero(mask))
    if _THINNEST <= width / longer <= _THICKEST:
        return mask
    # What is drawn with another pen along the same line is by as much larger or smaller as the pen is wider.
    new = _USUAL / (1 - _USUAL) * (longer - width)
    if new > width:
        return scipy.ndimage.distance_transform_edt(~mask) <= (new - width) / 2
    return (depth > (width - new) / 2) | (scipy.ndimage.distance_transform_edt(~line) <= new / 2)


def centre_line(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The lines of one pixel's width in the middle of strokes.

    T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", Communications of the ACM 27,
    1984: pixels at the edge are taken away, those of the south east and of the north west in turn, unless one is the
    end of a line or its loss would break one.
    """
    inked = np.pad(mask, 1)
    while True:
        before = inked.sum()
        for south_east in (True, False):
            inked[1:-1, 1:-1] &= ~_dispensable(inked, south_east=south_east)
        if inked.sum() == before:
            return inked[1:-1, 1:-1]


def _dispensable(inked: Bool[np.ndarray, "H W"], *, south_east: bool) -> Bool[np.ndarray, "h w"]:
    """Which pixels, of all but the outermost, a half step of the thinning takes away."""
    height, width = inked.shape
    # From the one above on, clockwise.
    around = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]
    ring = np.stack([inked[row : row + height - 2, column : column + width - 2] for row, column in around])
    count = ring.sum(axis=0, dtype=np.int8)
    beginnings = (~ring & np.roll(ring, -1, axis=0)).sum(axis=0, dtype=np.int8)
    north, east, south, west = ring[::2]
    at_edge = ~(east & south & (north | west)) if south_east else ~(north & west & (east | south))
    return (count >= 2) & (count <= 6) & (beginnings == 1) & at_edge
