"""Fresh parameters and buffers of a user's class, by the module's own initialisers."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from twofold.errors import NetworkError
from twofold.networks.graphs.exported import Exported, Held
from twofold.networks.graphs.graph import Spec
from twofold.networks.pytorch.export import example
from twofold.networks.seeding import generators_seeded, words


def fresh(
    make: Callable[[], torch.nn.Module], exported: Exported, *, seed: int, round: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The parameters and the buffers that `make` draws for a round, in the order of the graphs.

    PyTorch's generator, Python's and NumPy's are seeded with words of `numpy.random.SeedSequence([seed, round, 3])`
    (64 bits for PyTorch, 32 each for the other two), and are afterwards as they were.
    """
    with seeded(seed, round):
        module = made(make, exported)
        return _arrays(module, exported.parameters), _arrays(module, exported.buffers)


@contextlib.contextmanager
def seeded(seed: int, round: int) -> Iterator[None]:
    """All the generators that a class may draw from, seeded for a round, and put back at the end."""
    low, high, *_ = words(seed, round)
    with generators_seeded(seed, round), torch.random.fork_rng(devices=[]):
        torch.manual_seed(high << 32 | low)
        yield


def made(make: Callable[[], torch.nn.Module], exported: Exported) -> torch.nn.Module:
    """A fresh module. Where parameters get their shapes from the first images, it is called once."""
    module = make()
    if any(torch.nn.parameter.is_lazy(each) for each in module.parameters()):
        mode, graph = module.training, exported.graphs[0][-1]
        module.eval()
        with torch.no_grad():
            module(*map(example, exported.convention.shapes(graph.images)))
        module.train(mode)
    return module


def find(module: torch.nn.Module, name: str) -> torch.Tensor:
    """The parameter, buffer or plain tensor of that name. Raises `NetworkError` where a fresh module has none."""
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, torch.Tensor):
        raise NetworkError(
            f"{type(module).__name__}: {name} is no tensor until forward has been called; begin with one in __init__: "
            f"self.register_buffer({name.rpartition('.')[2]!r}, torch.zeros(...))"
        )
    return found


def _arrays(module: torch.nn.Module, held: tuple[Held, ...]) -> list[np.ndarray]:
    arrays = []
    for each in held:
        array = find(module, each.names[0]).detach().cpu().numpy().copy()
        if Spec(array.shape, array.dtype.name) != each.spec:
            raise NetworkError(
                f"{type(module).__name__}: {each.names[0]} is {array.shape} in this round and was {each.spec.shape} "
                "when it was read; make every shape of the class the same in each round"
            )
        arrays.append(array)
    return arrays
