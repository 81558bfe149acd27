"""Sizes that `twofold.native.tiles` works with; they need no Numba."""

# Rows and columns of a tile, and its places.
SIDE = 6
TILE = SIDE * SIDE

# Channels that are transformed at once: so many that a tile stays in the first-level cache.
CHANNELS_AT_ONCE = 64

# The most numbers in a register.
_LANES = 16


def tiles_at_once(inputs: int, outputs: int) -> int:
    """So many that their planes stay in the second-level cache."""
    return 48 if inputs + outputs <= 96 else 24


def plane(rows: int, columns: int) -> int:
    """From one plane to the next: 16 numbers more, since planes a multiple of 4 KiB apart would compete for the same
    lines of the first-level cache."""
    return rows * columns + 16


def forward_space(inputs: int, outputs: int) -> int:
    """Numbers in the workspace of the forward kernel."""
    at_once = tiles_at_once(inputs, outputs)
    planes = plane(at_once, inputs) + plane(at_once, outputs) + plane(inputs, outputs)
    return TILE * planes + 2 * TILE * max(_LANES, min(CHANNELS_AT_ONCE, max(inputs, outputs)))


def backward_space(inputs: int, outputs: int) -> int:
    """Numbers in the workspace of the backward kernel."""
    return forward_space(inputs, outputs) + TILE * plane(inputs, outputs)
