"""Sizes that `twofold.native.tiles` works with; they need no Numba."""

# Places of a tile.
TILE = 36

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
    return TILE * (plane(at_once, inputs) + plane(at_once, outputs) + plane(inputs, outputs)) + 2 * TILE * _LANES


def backward_space(inputs: int, outputs: int) -> int:
    """Numbers in the workspace of the backward kernel."""
    return forward_space(inputs, outputs) + TILE * plane(inputs, outputs)
