"""Winograd's minimal filtering: the matrices that turn a 3x3 convolution into few, large matrix products.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015, arXiv 1509.09308), section 4. A tile of
(m+2) x (m+2) inputs gives m x m outputs with (m+2)^2 products where the direct form has 9 m^2: 16 for 36 with
m = 2, 36 for 144 with m = 4.
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
    """The one-dimensional transforms of F(m x m, 3 x 3): each is to be applied along both axes of a tile, t = m + 2.

    `inputs` (B^T in the paper) is (t, t), `kernel` (G) is (t, 3) and `outputs` (A^T) is (m, t). The rows of `outputs`
    are ordered by place in the pooling window of two first and by window second.
    """

    inputs: np.ndarray
    kernel: np.ndarray
    outputs: np.ndarray


@cache
def winograd(m: int) -> Winograd:
    """The transforms for tiles of m x m outputs, m = 2 or 4."""
    inputs, kernel, outputs = (np.array(table[m], np.float64) for table in (_BT, _G, _AT))
    by_place = outputs.reshape(m // 2, 2, -1).swapaxes(0, 1).reshape(m, -1)
    return Winograd(inputs=inputs, kernel=kernel, outputs=by_place)
