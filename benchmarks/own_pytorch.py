"""Networks of one's own in PyTorch, in two ways: as it comes, on all threads, and as an expert would train them."""

import functools
import time
from multiprocessing.connection import Connection

import numpy as np
import torch
from own_kinds import IMAGE, experts
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

BATCH, BATCHES = 25, 8


def images_of(image: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of pairs (n, 2, *image) and answers."""
    rng = np.random.default_rng(seed)
    n = BATCH * BATCHES
    return rng.uniform(size=(n, 2, *image)).astype(np.float32), rng.integers(0, 2, n).astype(np.int32)


def loss_of(outputs: object, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy, whose logits are the mean of all outputs: so that networks without an answer can be measured."""
    each = [x for x in torch.utils._pytree.tree_leaves(outputs) if isinstance(x, torch.Tensor)]
    total = sum(x.float().mean() for x in each)
    return F.cross_entropy(total * torch.ones(len(targets), 2) * torch.arange(2.0), targets)


def seconds_of_epochs(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[tuple[tuple[torch.Tensor, ...], torch.Tensor]],
    epochs: int,
) -> float:
    begin = time.perf_counter()
    for _ in range(epochs):
        for images, targets in batches:
            loss = loss_of(module(*images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - begin


def megaflops(module: nn.Module) -> float:
    """Of the products of a step, forward and backward."""
    images, targets = images_of(IMAGE)
    with FlopCounterMode(display=False) as counter:
        loss_of(module(torch.from_numpy(images[:BATCH])), torch.from_numpy(targets[:BATCH]).long()).backward()
    return counter.get_total_flops() / 1e6


@functools.cache
def _expert(name: str) -> tuple[nn.Module, torch.optim.Optimizer, list]:
    """The module in the memory format in which it is faster, fused Adam, and batches that were made before."""
    images, targets = images_of(IMAGE)
    cut = [slice(first, first + BATCH) for first in range(0, len(images), BATCH)]
    batches = [((torch.from_numpy(images[rows]),), torch.from_numpy(targets[rows]).long()) for rows in cut]
    ways = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        module = experts(name).train().to(memory_format=layout)
        way = module, torch.optim.Adam(module.parameters(), lr=0.001, fused=True), batches
        seconds_of_epochs(*way, epochs=2)
        ways.append((seconds_of_epochs(*way, epochs=3), way))
    return min(ways, key=lambda each: each[0])[1]


def expert_worker(connection: Connection) -> None:
    """A process on one core that trains a kind of network for some epochs whenever asked, until it is sent None."""
    torch.set_num_threads(1)
    while (work := connection.recv()) is not None:
        name, epochs = work
        connection.send(seconds_of_epochs(*_expert(name), epochs=epochs))
