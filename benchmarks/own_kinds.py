"""Networks of several kinds, as users write them, for 14x14 pairs: a branch that sees each image, and a head."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

IMAGE = (14, 14)


class Twin(nn.Module):
    """Two calls of one branch; or, as an expert has it, one call on both images, where `together`."""

    def __init__(self, branch: nn.Module, features: int, *, together: bool = False) -> None:
        super().__init__()
        self.branch, self.head, self.together = branch, nn.Linear(2 * features, 2), together

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:  # (n, 2, 14, 14)
        if self.together:
            both = self.branch(pairs.reshape(-1, 1, *IMAGE)).reshape(len(pairs), -1)
        else:
            both = torch.cat([self.branch(pairs[:, i : i + 1]) for i in (0, 1)], 1)
        return self.head(both)


def convolution(inputs: int, outputs: int, size: int = 3, padding: int = 0, norm: bool = False) -> list[nn.Module]:
    after = [nn.BatchNorm2d(outputs)] if norm else []
    return [nn.Conv2d(inputs, outputs, size, padding=padding), *after, nn.ReLU()]


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(196, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())


def papers_layout() -> nn.Module:
    return nn.Sequential(
        *convolution(1, 32), nn.MaxPool2d(2), *convolution(32, 64), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10), nn.ReLU(),
    )  # fmt: skip


def padded() -> nn.Module:
    return nn.Sequential(
        *convolution(1, 16, padding=1), nn.MaxPool2d(2), *convolution(16, 32, padding=1), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(288, 64), nn.ReLU(),
    )  # fmt: skip


def wide_kernels() -> nn.Module:
    return nn.Sequential(
        *convolution(1, 16, 5, 2), nn.MaxPool2d(2), *convolution(16, 32, 5, 2), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(288, 64), nn.ReLU(),
    )  # fmt: skip


def deep() -> nn.Module:
    return nn.Sequential(
        *convolution(1, 32, 5, 2, norm=True), nn.MaxPool2d(2), nn.Dropout(0.1),
        *convolution(32, 64, 3, 1, norm=True), nn.MaxPool2d(2), nn.Dropout(0.1),
        *convolution(64, 64, 3, 1, norm=True), nn.Flatten(), nn.Dropout(0.5), nn.Linear(576, 64), nn.ReLU(),
    )  # fmt: skip


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *convolution(channels, channels, 3, 1, norm=True),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.layers(x))


def residual() -> nn.Module:
    first = convolution(1, 24, 3, 1, norm=True)
    return nn.Sequential(*first, Block(24), Block(24), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def depthwise() -> nn.Module:
    def separable(inputs: int, outputs: int) -> list[nn.Module]:
        each = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        return [each, nn.ReLU(), nn.Conv2d(inputs, outputs, 1), nn.ReLU()]

    return nn.Sequential(
        *convolution(1, 16, 3, 1), nn.MaxPool2d(2), *separable(16, 32), *separable(32, 32),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


class Attention(nn.Module):
    """The rows of an image as 14 tokens that see each other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(14, 32), nn.LayerNorm(32)
        self.attention, self.last = nn.MultiheadAttention(32, 4, batch_first=True), nn.Linear(32, 32)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(image[:, 0])
        seen = self.norm(tokens)
        tokens = tokens + self.attention(seen, seen, seen, need_weights=False)[0]
        return F.gelu(self.last(tokens)).mean(1)


def grouped() -> nn.Module:
    def normed(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(4, outputs), nn.GELU()]

    return nn.Sequential(
        *normed(1, 16), nn.AvgPool2d(2), *normed(16, 32), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(288, 64), nn.GELU()
    )


# A branch, how many features it gives, and whether an expert may see both images in one batch: not where a batch's
# means are taken of each image's own.
_BRANCHES: dict[str, tuple[Callable[[], nn.Module], int, bool]] = {
    "perceptron": (perceptron, 64, True),
    "the paper's layout": (papers_layout, 10, True),
    "16 and 32 channels, padded": (padded, 64, True),
    "kernels of 5x5": (wide_kernels, 64, True),
    "deep, batch normalisation, dropout": (deep, 64, False),
    "residual, 24 channels": (residual, 24, False),
    "depthwise": (depthwise, 32, True),
    "attention": (Attention, 32, True),
    "group normalisation, GELU": (grouped, 64, True),
}


def users(name: str) -> nn.Module:
    """A network as a user writes it."""
    branch, features, _ = _BRANCHES[name]
    return Twin(branch(), features)


def experts(name: str) -> nn.Module:
    """The same network as an expert calls it."""
    branch, features, together = _BRANCHES[name]
    return Twin(branch(), features, together=together)


OWN_KINDS = tuple(_BRANCHES)
