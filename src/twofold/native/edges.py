"""Images with zeros put around them, or cut at their edges: row by row of pixels, as memory has them."""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, compiled, dimension, length, offset, result


@compiled
def _fill_edges(images, size, n, lines, count, before, copied, after, result):
    """`lines` says where in an image each row of the result begins, or below 0 that it is all zeros."""
    zero = np.int8(0)
    line = before + copied + after
    for image in range(n):
        for i in range(count):
            to, start = offset(result, (image * count + i) * line), lines[i]
            if start < 0:
                for k in range(line):
                    to[k] = zero
            else:
                for k in range(before):
                    to[k] = zero
                seen, inside = offset(images, image * size + start), offset(to, before)
                for k in range(copied):
                    inside[k] = seen[k]
                behind = offset(inside, copied)
                for k in range(after):
                    behind[k] = zero


def edges_handler(real: np.generic) -> Callable:
    """Arguments are images (n, ...), where lines begin, and how many numbers of a line are zeros, copied, and zeros
    again; the result is the images with other edges."""
    place = np.int32(0)

    def edges(frame):
        if begins(frame):
            n, ends = dimension(frame, 0, 0), argument(frame, 2, place)
            _fill_edges(
                argument(frame, 0, real),
                length(frame, 0) // n,
                n,
                argument(frame, 1, place),
                dimension(frame, 1, 0),
                ends[0],
                ends[1],
                ends[2],
                result(frame, 0, real),
            )
        return np.uintp(0)

    return edges
