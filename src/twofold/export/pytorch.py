"""The networks as plain PyTorch modules, and the way there and back. Needs the extra `torch`.

The modules are written to be read beside the paper (section III): they are what its program builds, and what
the tests hold the engine against.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.networks import Architecture, PairNetwork, find_network, init_network

_FEATURE_CHANNELS = 64


class Branch(nn.Module):
    """One image (n, 1, h, w) to its ten bottleneck units (n, 10), before their ReLU."""

    def __init__(self, features: int = 256) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, _FEATURE_CHANNELS, kernel_size=3)
        self.dense1 = nn.Linear(features, 128)
        self.dense2 = nn.Linear(128, 10)

    def forward(self, image: Tensor) -> Tensor:
        hidden = F.relu(F.max_pool2d(self.conv1(image), kernel_size=2))  # n, 32, 6, 6
        hidden = F.relu(F.max_pool2d(self.conv2(hidden), kernel_size=2))  # n, 64, 2, 2
        hidden = F.relu(self.dense1(hidden.flatten(start_dim=1)))  # n, 128
        return self.dense2(hidden)


class PairModule(nn.Module):
    """Two images (n, 2, h, w) to two logits (n, 2) and what each branch says of its digit (n, 2, 10).

    With `weight_sharing` both branches are one module. Whether the digit logits enter the loss (auxiliary
    losses) is for the loss to say: the module is the same. `features` is what reaches the first dense layer.
    """

    def __init__(self, *, weight_sharing: bool, features: int = 256) -> None:
        super().__init__()
        self.first = Branch(features)
        self.second = self.first if weight_sharing else Branch(features)
        self.head1 = nn.Linear(20, 128)
        self.head2 = nn.Linear(128, 2)

    def forward(self, pairs: Tensor, negative_slope: float = 0.0) -> tuple[Tensor, Tensor]:
        digits = torch.stack([self.first(pairs[:, :1]), self.second(pairs[:, 1:])], dim=1)  # n, 2, 10
        bottleneck = F.leaky_relu(digits, negative_slope).flatten(start_dim=1)  # n, 20
        return self.head2(F.relu(self.head1(bottleneck))), digits


def pair_loss(
    logits: Tensor, digit_logits: Tensor, targets: Tensor, classes: Tensor, aux_weight: float
) -> Tensor:
    """The paper's loss (section III): the main cross entropy, and the weighted ones of the two digits."""
    loss = F.cross_entropy(logits, targets)
    if aux_weight:
        digits = [F.cross_entropy(digit_logits[:, side], classes[:, side]) for side in (0, 1)]
        loss = loss + aux_weight * (digits[0] + digits[1])
    return loss


def module_for(network: str | Architecture, image_size: tuple[int, int] = (14, 14)) -> PairModule:
    """A fresh module for NetBase, NetWS, NetAL or NetWSAL.

    Raises `SettingError` where there is no network of that name.
    """
    architecture = find_network(network) if isinstance(network, str) else network
    template = eqx.filter_eval_shape(
        init_network, jnp.zeros(2, jnp.uint32), weight_sharing=True, image_size=image_size
    )
    return PairModule(weight_sharing=architecture.weight_sharing, features=template.dense1.weight.shape[1])
