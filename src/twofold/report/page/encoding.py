"""Arrays as a page holds them: base64 of what every browser's typed arrays read, little-endian."""

import base64
from typing import Any

import numpy as np

_MOST_OF_A_BYTE = 127


def base64_of(array: Any) -> str:
    """Float32, which is what is computed with."""
    return _text(np.asarray(array).astype("<f4"))


def image_of(image: np.ndarray, pool: int) -> dict[str, Any]:
    """An image (*channels, h, w) as `values` of so many `bytes` each, whose `parts` make one of the image's own.

    Pixels that are means of `pool` x `pool` whole numbers are whole parts, and exact so; others are float32.
    """
    parts = pool * pool
    whole = np.asarray(image, np.float64) * parts
    for size in (1, 2):
        if (whole == np.clip(np.rint(whole), 0, 256**size - 1)).all():
            return {"values": _text(whole.astype(f"<u{size}")), "bytes": size, "parts": parts}
    return {"values": base64_of(image), "bytes": 4, "parts": 1}


def rounded(weight: np.ndarray) -> dict[str, str]:
    """Weights (branch, *inputs, out) in a byte each, `rounded`, and `steps` (branch, out) that make them weights."""
    weight = np.asarray(weight)
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim - 1)), keepdims=True)
    steps = np.where(largest > 0, largest, 1) / _MOST_OF_A_BYTE
    return {"rounded": _text(np.rint(weight / steps).astype("i1")), "steps": base64_of(steps)}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
