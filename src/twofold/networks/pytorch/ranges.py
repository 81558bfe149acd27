"""Where the numbers of a network's outputs lie: by their shape, probabilities and distances look like logits.

The module is tried with weights of several sizes, on images of several, in training and in evaluation. Logits have
either sign then, and large sizes; what stays within bounds does so for a reason.
"""

from collections.abc import Callable

import numpy as np
import torch

from twofold.networks.graphs.exported import Exported
from twofold.networks.graphs.roles import Range, outputs_of, range_of
from twofold.networks.pytorch.export import unvalidated
from twofold.networks.pytorch.weights import find, made, seeded

# Sizes of weights and images, and how often each is tried.
_SIZES, _TRIES = (0.3, 1.0, 3.0, 30.0), 4


def ranges_of(make: Callable[[], torch.nn.Module], exported: Exported) -> list[list[Range]]:
    """The ranges of the outputs in training, and in evaluation."""
    with seeded(0, 0), unvalidated(), torch.no_grad():
        return [_in_mode(made(make, exported), exported, training) for training in (True, False)]


def _in_mode(module: torch.nn.Module, exported: Exported, training: bool) -> list[Range]:
    graph = next(graph for mode, _, graph in exported.graphs if mode == training)
    count = len(outputs_of(graph))
    least, most = np.full(count, np.inf), np.full(count, -np.inf)
    module.train(training)
    shapes = exported.convention.shapes(exported.graphs[0][-1].images)
    for size in _SIZES:
        for _ in range(_TRIES):
            for held in exported.parameters:
                find(module, held.names[0]).normal_(0, size / max(held.spec.shape[1:2] or (1,)) ** 0.5)
            try:
                outputs = module(*(size * torch.randn(shape) for shape in shapes))
            except Exception:  # it does not take such numbers, as it need not
                continue
            for number, each in enumerate(_tensors(outputs)[:count]):
                finite = each[torch.isfinite(each)].double()
                if finite.numel():
                    least[number] = min(least[number], float(finite.min()))
                    most[number] = max(most[number], float(finite.max()))
    return [range_of(*each) if np.isfinite(each).all() else "any" for each in zip(least, most)]


def _tensors(outputs: object) -> list[torch.Tensor]:
    return [each for each in torch.utils._pytree.tree_leaves(outputs) if isinstance(each, torch.Tensor)]
