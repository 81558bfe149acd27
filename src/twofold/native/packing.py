"""Object files and their symbols as one sequence of bytes, in the format of safetensors."""

import json

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

# Symbol and object file of each handler, by its name.
Code = dict[str, tuple[str, bytes]]

# Beside the symbols: why there are none.
_REASON = "reason"


def pack(code: Code, reason: str = "") -> bytes:
    """The bytes that `unpack` reads."""
    objects = {name: np.frombuffer(content, np.uint8) for name, (_, content) in code.items()}
    return save(objects, {_REASON: reason, **{name: symbol for name, (symbol, _) in code.items()}})


def unpack(content: bytes) -> tuple[Code, str]:
    """The code, and the reason where there is none. Raises `ValueError` for what `pack` did not make."""
    try:
        length = int.from_bytes(content[:8], "little")
        symbols = json.loads(content[8 : 8 + length])["__metadata__"]
        reason = symbols.pop(_REASON)
        return {name: (symbols[name], code.tobytes()) for name, code in load(content).items()}, reason
    except (KeyError, TypeError, SafetensorError) as error:
        raise ValueError("no packed code") from error
