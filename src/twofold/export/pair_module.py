"""The paper's networks (section III) as plain PyTorch. `twofold export` writes this file beside their weights.

It imports nothing but PyTorch, so that whoever gets it needs nothing else. It is written to be read beside the paper.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURE_CHANNELS = 64


class Branch(nn.Module):
    """One image (n, channels, h, w) to its bottleneck units (n, classes), before their ReLU."""

    def __init__(self, features: int = 256, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, FEATURE_CHANNELS, kernel_size=3)
        self.dense1 = nn.Linear(features, 128)
        self.dense2 = nn.Linear(128, classes)

    def forward(self, image: Tensor) -> Tensor:
        hidden = F.relu(F.max_pool2d(self.conv1(image), kernel_size=2))  # n, 32, 6, 6
        hidden = F.relu(F.max_pool2d(self.conv2(hidden), kernel_size=2))  # n, 64, 2, 2
        hidden = F.relu(self.dense1(hidden.flatten(start_dim=1)))  # n, 128
        return self.dense2(hidden)


class PairModule(nn.Module):
    """Two images (n, 2, h, w), or (n, 2, channels, h, w), to two logits (n, 2) and what each branch says of its image's
    class (n, 2, classes).

    With `weight_sharing` both branches are one module. Whether the class logits enter the loss (auxiliary losses) is
    for the loss to say: the module is the same. `features` is what reaches the first dense layer, `negative_slope` is
    of the bottleneck's activation below zero: 0 makes it a ReLU.
    """

    def __init__(
        self,
        *,
        weight_sharing: bool,
        features: int = 256,
        channels: int = 1,
        classes: int = 10,
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.first = Branch(features, channels, classes)
        self.second = self.first if weight_sharing else Branch(features, channels, classes)
        self.head1 = nn.Linear(2 * classes, 128)
        self.head2 = nn.Linear(128, 2)

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        images = pairs.unsqueeze(2) if pairs.ndim == 4 else pairs
        digits = torch.stack([self.first(images[:, 0]), self.second(images[:, 1])], dim=1)  # n, 2, classes
        bottleneck = F.leaky_relu(digits, self.negative_slope).flatten(start_dim=1)  # n, 2 * classes
        return self.head2(F.relu(self.head1(bottleneck))), digits
