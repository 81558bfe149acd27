"""Arrays as a page holds them."""

import base64
from typing import Any

import numpy as np


def base64_of(array: Any) -> str:
    """Little-endian float32, which is what every browser's Float32Array reads."""
    return base64.b64encode(np.asarray(array).astype("<f4").tobytes()).decode()
