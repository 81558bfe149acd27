"""Programs and their arguments, for networks of the paper on images of 14x14 in ten classes."""

from typing import Any

import numpy as np

from twofold.data import Task
from twofold.networks import find_network
from twofold.settings import Settings
from twofold.training.run import Arguments, Program, numbers_of, program_of

MNIST = Task(14, 14, channels=1, classes=10)


def program(network: str = "NetWSAL", *, trace: bool = False, **settings: Any) -> Program:
    """The program that trains a network with these settings."""
    return program_of(find_network(network).structure(), MNIST, Settings(**settings), trace=trace)


def numbers(network: str = "NetWSAL", **settings: Any) -> dict[str, float]:
    """What such a program takes as numbers."""
    return numbers_of(find_network(network).structure(), Settings(**settings))


def arguments(key: np.ndarray, *, network: str = "NetWSAL", epochs: int = 4, **settings: Any) -> Arguments:
    """All that such a program takes, as NumPy has it."""
    values = {name: np.float32(value) for name, value in numbers(network, **settings).items()}
    return Arguments(key, values, np.int32(epochs))
