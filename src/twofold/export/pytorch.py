"""The networks as plain PyTorch modules, and the way there and back. Needs the extra `torch`.

The modules (`twofold.export.pair_module`) are what the paper's program builds, and what the tests hold the engine
against.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from twofold.errors import SettingError, needing
from twofold.networks import Network, find_network
from twofold.networks.blocks import pooled_size
from twofold.networks.paper import Layer, PairNetwork

with needing("torch", "twofold.export.pytorch"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    from twofold.export.pair_module import FEATURE_CHANNELS
    from twofold.export.pair_module import Branch as Branch
    from twofold.export.pair_module import PairModule as PairModule


def pair_loss(logits: Tensor, digit_logits: Tensor, targets: Tensor, classes: Tensor, aux_weight: float) -> Tensor:
    """The paper's loss (section III): the main cross entropy, and the weighted ones of the two digits."""
    loss = F.cross_entropy(logits, targets)
    if aux_weight:
        digits = [F.cross_entropy(digit_logits[:, side], classes[:, side]) for side in (0, 1)]
        loss = loss + aux_weight * (digits[0] + digits[1])
    return loss


def module_for(
    network: str | Network, image_size: tuple[int, int] = (14, 14), channels: int = 1, classes: int = 10
) -> PairModule:
    """A fresh module for one of the paper's networks, for images of this size in so many channels and classes.

    Raises `SettingError` where there is no network of that name, or it is none of those.
    """
    architecture = find_network(network) if isinstance(network, str) else network
    if not architecture.portable:
        raise SettingError(f"`network` (={architecture.name}) cannot be exported: it is none of the paper's networks")
    rows, columns = pooled_size(*pooled_size(*image_size))
    features = rows * columns * FEATURE_CHANNELS
    shared = bool(architecture.weight_sharing)
    return PairModule(weight_sharing=shared, features=features, channels=channels, classes=classes)


def to_pytorch(network: PairNetwork, negative_slope: float = 0.0) -> PairModule:
    """The network as a PyTorch module with copies of its weights: it gives the same outputs.

    `negative_slope` is of the bottleneck's activation below zero: 0 makes it a ReLU.
    """
    module = PairModule(
        weight_sharing=network.branches == 1,
        features=network.dense1.weight.shape[1],
        channels=network.conv1.weight.shape[3],
        classes=network.dense2.bias.shape[-1],
        negative_slope=negative_slope,
    )
    branches = [module.first, module.second][: network.branches]
    with torch.no_grad():
        for place, branch in enumerate(branches):
            for name in _CONVOLUTIONS:
                _fill(getattr(branch, name), getattr(network, name), place, _convolution_to_torch)
            _fill(branch.dense1, network.dense1, place, _features_to_torch)
            _fill(branch.dense2, network.dense2, place, np.transpose)
        for name in _HEAD:
            _fill(getattr(module, name), getattr(network, name), 0, np.transpose)
    return module


def from_pytorch(module: PairModule) -> PairNetwork:
    """The network with copies of a PyTorch module's weights: it gives the same outputs."""
    branches = [module.first] if module.second is module.first else [module.first, module.second]
    convolutions = {name: [getattr(branch, name) for branch in branches] for name in _CONVOLUTIONS}
    return PairNetwork(
        **{name: _layer(layers, _convolution_from_torch) for name, layers in convolutions.items()},
        dense1=_layer([branch.dense1 for branch in branches], _features_from_torch),
        dense2=_layer([branch.dense2 for branch in branches], np.transpose),
        **{name: _layer([getattr(module, name)], np.transpose) for name in _HEAD},
    )


_CONVOLUTIONS, _HEAD = ("conv1", "conv2"), ("head1", "head2")
_Change = Callable[[np.ndarray], np.ndarray]


def _fill(target: nn.Conv2d | nn.Linear, source: Layer, branch: int, change: _Change) -> None:
    """Copy one branch of our layer into PyTorch's."""
    target.weight.copy_(torch.from_numpy(np.ascontiguousarray(change(np.asarray(source.weight[branch])))))
    if target.bias is not None:
        target.bias.copy_(torch.from_numpy(np.array(source.bias[branch])))


def _layer(sources: Sequence[nn.Conv2d | nn.Linear], change: _Change) -> Layer:
    """Our layer from PyTorch's, one for each branch."""
    weights = [change(source.weight.detach().numpy()) for source in sources]
    biases = [source.bias.detach().numpy() for source in sources if source.bias is not None]
    return Layer(weight=jnp.asarray(np.stack(weights)), bias=jnp.asarray(np.stack(biases)))


def _convolution_to_torch(weight: np.ndarray) -> np.ndarray:
    return weight.transpose(3, 2, 0, 1)  # (3, 3, in, out) -> (out, in, 3, 3)


def _convolution_from_torch(weight: np.ndarray) -> np.ndarray:
    return weight.transpose(2, 3, 1, 0)


def _features_to_torch(weight: np.ndarray) -> np.ndarray:
    """(place, channel; out) -> (out; channel, place): PyTorch flattens its features channel by channel."""
    by_place = weight.reshape(-1, FEATURE_CHANNELS, weight.shape[1])
    return by_place.transpose(2, 1, 0).reshape(weight.shape[1], -1)


def _features_from_torch(weight: np.ndarray) -> np.ndarray:
    by_channel = weight.reshape(weight.shape[0], FEATURE_CHANNELS, -1)
    return by_channel.transpose(2, 1, 0).reshape(-1, weight.shape[0])
