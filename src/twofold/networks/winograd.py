"""Winograd's minimal filtering: the matrices that turn a 3x3 convolution into few, large matrix products.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015, arXiv 1509.09308), section 4. A tile of
(m+2) x (m+2) inputs gives m x m outputs with (m+2)^2 products where the direct form has 9 m^2: 16 for 36 with
m = 2, 36 for 144 with m = 4. The three transforms act on a flattened tile, as Kronecker products of the
one-dimensional ones: each is then one matrix product over all channels and images, which a processor does at its
full speed.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

# F(m, 3) in one dimension: outputs = A^T ((G kernel) * (B^T inputs)).
_BT = {
    2: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    4: [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
}
_G = {
    2: [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
    4: [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
}
_AT = {
    2: [[1, 1, 1, 0], [0, 1, -1, -1]],
    4: [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
}


@dataclass(frozen=True)
class Winograd:
    """The transforms of F(m x m, 3 x 3) on flattened tiles, t = m + 2.

    `inputs` is (t*t, t*t), `kernel` (t*t, 9) and `outputs` (m*m, t*t). The rows of `outputs` are ordered by place in
    the 2x2 pooling window first and by window second, so that pooling is a maximum over a leading axis of four.
    """

    inputs: np.ndarray
    kernel: np.ndarray
    outputs: np.ndarray


@cache
def winograd(m: int) -> Winograd:
    """The transforms for tiles of m x m outputs, m = 2 or 4."""
    inputs, kernel, outputs = (np.array(table[m], np.float64) for table in (_BT, _G, _AT))
    half = m // 2
    rows = np.kron(outputs, outputs).reshape(half, 2, half, 2, -1)  # window row, row in it, window column, ...
    by_place = rows.transpose(1, 3, 0, 2, 4).reshape(m * m, -1)
    return Winograd(inputs=np.kron(inputs, inputs), kernel=np.kron(kernel, kernel), outputs=by_place)
