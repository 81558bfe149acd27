"""The paper's training in PyTorch, written in two ways: as its program is, and as an expert would write it."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.data import PairSet
from twofold.export.pytorch import Branch, PairModule, module_for, pair_loss

BATCH = 25


def _tensors(pairs: PairSet) -> tuple[Tensor, Tensor, Tensor]:
    targets, classes = (torch.from_numpy(a.astype(np.int64)) for a in (pairs.targets, pairs.classes))
    return torch.from_numpy(pairs.images), targets, classes


def _train(
    forward: Callable[[Tensor], tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    targets: Tensor,
    classes: Tensor,
    aux_weight: float,
    epochs: int,
) -> float:
    """Seconds of so many epochs."""
    begin = time.perf_counter()
    for _ in range(epochs):
        for first in range(0, len(targets), BATCH):
            rows = slice(first, first + BATCH)
            logits, digits = forward(images[rows])
            loss = pair_loss(logits, digits, targets[rows], classes[rows], aux_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - begin


def papers_program(network: str, pairs: PairSet, aux_weight: float, epochs: int) -> float:
    """Eager, a call per branch, Adam as it comes; as many threads as PyTorch is set to use. Returns seconds."""
    module = module_for(network)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
    return _train(module, optimizer, *_tensors(pairs), aux_weight, epochs)


class ExpertModule(nn.Module):
    """The same network in channels_last; shared branches see both images in one batch."""

    def __init__(self, module: PairModule) -> None:
        super().__init__()
        self.module = module.to(memory_format=torch.channels_last)
        self.shared = module.first is module.second

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        n = len(pairs)
        if self.shared:
            images = pairs.transpose(0, 1).reshape(2 * n, 1, *pairs.shape[2:])
            digits = self.branch(self.module.first, images).reshape(2, n, -1)
        else:
            sides = zip((self.module.first, self.module.second), pairs.split(1, dim=1))
            digits = torch.stack([self.branch(branch, images) for branch, images in sides])
        hidden = F.relu(self.module.head1(F.relu(torch.cat([digits[0], digits[1]], dim=1))))
        return self.module.head2(hidden), digits.transpose(0, 1)

    def branch(self, branch: Branch, images: Tensor) -> Tensor:
        return branch(images.contiguous(memory_format=torch.channels_last))


def experts_program(network: str, pairs: PairSet, aux_weight: float, epochs: int) -> float:
    """channels_last, one batch for shared branches, fused Adam; one thread. Returns seconds."""
    module = ExpertModule(module_for(network))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001, fused=True)
    return _train(module, optimizer, *_tensors(pairs), aux_weight, epochs)


def expert_worker(connection: Connection) -> None:
    """A process on one core that runs the expert's program whenever asked, until it is sent None."""
    torch.set_num_threads(1)
    while (work := connection.recv()) is not None:
        connection.send(experts_program(*work))
