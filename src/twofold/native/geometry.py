"""Sizes that the kernels work with."""

from typing import NamedTuple

# Channels after the first and the second convolution.
CHANNELS1, CHANNELS2 = 32, 64

# Images taken at once; also rows of a product: so many that its factors fit in the registers.
BLOCK = 5

# Numbers in a transformed tile of 6x6, per channel; and of channels in a transformed kernel.
TILE, PAIRS = 36, CHANNELS1 * CHANNELS2

# From one matrix of a kernel to the next: 16 more, as matrices a multiple of 4 KiB apart would compete for the same few
# lines of the first-level cache.
PLANE = PAIRS + 16

# Which of the four places of a pooling window won, 0 to 3; or that the ReLU is shut.
SHUT = 4


class Geometry(NamedTuple):
    """Sizes that follow from those of an image."""

    height: int
    width: int
    rows: int  # of the first block's outputs
    columns: int
    window_rows: int  # of the second block's outputs
    window_columns: int
    down: int  # Winograd tiles; the last ones may reach beyond the outputs
    across: int
    stride: int  # columns from a row of `hidden` to the next
    tiles: int  # of an image
    hidden: int  # numbers in the first block's outputs of an image, with those that tiles reach beyond them
    inputs: int  # and without
    features: int  # numbers in the second block's outputs of an image


def geometry_of(height: int, width: int) -> Geometry:
    """The sizes for images of (height, width)."""
    rows, columns = (height - 2) // 2, (width - 2) // 2
    window_rows, window_columns = (rows - 2) // 2, (columns - 2) // 2
    down, across = (window_rows + 1) // 2, (window_columns + 1) // 2
    stride = max(4 * across + 2, columns)
    hidden = max(4 * down + 2, rows) * stride * CHANNELS1
    inputs, features = rows * columns * CHANNELS1, window_rows * window_columns * CHANNELS2
    shapes = height, width, rows, columns, window_rows, window_columns, down, across
    return Geometry(*shapes, stride, down * across, hidden, inputs, features)


def padded_tiles(sizes: Geometry, n: int) -> int:
    """The tiles of n images, filled up to whole blocks of images."""
    return (n + BLOCK - 1) // BLOCK * BLOCK * sizes.tiles


def forward_space(sizes: Geometry) -> int:
    """Numbers in the workspace of the forward kernel, which `_forward_branch` parts."""
    short = 12 * CHANNELS1 + 4 * sizes.height * sizes.columns
    return short + 24 * CHANNELS2 + sizes.hidden + BLOCK * sizes.tiles * TILE * CHANNELS2


def matrices_space(g: int) -> int:
    """Numbers in the transformed kernels of g branches."""
    return g * TILE * PLANE


def backward_space(sizes: Geometry, n: int) -> int:
    """Numbers in the workspace of the backward kernel, which the gradients of the two blocks part, each in its turn."""
    return max(6 * PLANE + padded_tiles(sizes, n) * 6 * CHANNELS2, TILE * CHANNELS1 + sizes.hidden)
