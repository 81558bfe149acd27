"""The generators of Python and NumPy while a user's code runs: seeded where it may draw, watched where it may not."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

# Sets these weights apart from those of built-in networks and from what pairs are drawn with.
_STREAM = 3


def words(seed: int, round: int) -> tuple[int, int, int, int]:
    """Four words of 32 bits for a round's first weights."""
    first, second, third, fourth = np.random.SeedSequence([seed, round, _STREAM]).generate_state(4).tolist()
    return first, second, third, fourth


@contextlib.contextmanager
def generators_seeded(seed: int, round: int) -> Iterator[None]:
    """Python's and NumPy's generators, seeded for a round, and put back at the end."""
    *_, for_python, for_numpy = words(seed, round)
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        random.seed(for_python)
        np.random.seed(for_numpy)  # noqa: NPY002
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002


def generators() -> tuple:
    """Where Python's and NumPy's generators stand."""
    numpys: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return random.getstate(), numpys["state"]["key"].tobytes(), numpys["state"]["pos"]
