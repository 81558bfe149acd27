"""Which of its test pairs a trial answered wrongly: a bit for each, in their order, so that 1000 pairs take 125 bytes.

What the network answered follows, since the seed and the round draw the pairs, with their true answers, again.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool


def packed(wrong: Bool[np.ndarray, " n"]) -> bytes:
    """The bits of n pairs, the first in the highest bit of the first byte; those after the last are 0."""
    return np.packbits(wrong).tobytes()


def unpacked(cell: bytes, pairs: int) -> Bool[np.ndarray, " n"]:
    """Which of so many pairs were answered wrongly, from bits in which `fault_of` finds nothing."""
    return np.unpackbits(np.frombuffer(cell, np.uint8), count=pairs).astype(bool)


def fault_of(cell: bytes, pairs: int, error: float) -> str:
    """What is wrong with the bits of a trial with so many test pairs and this test error; empty where nothing is."""
    if len(cell) != (length := -(-pairs // 8)):
        return f"`wrong_answers` has {len(cell)} bytes, and those of {pairs} `test_pairs` are {length}"
    bits = int.from_bytes(cell, "big")
    if bits & ((1 << -pairs % 8) - 1):
        return "`wrong_answers` has more bits than `test_pairs`"
    if bits.bit_count() / pairs != error:
        return f"`wrong_answers` has {bits.bit_count()} of {pairs}, and `test_error` is {error}"
    return ""
