"""Who draws random numbers, and when: networks with every kind of dropout are compared where it is turned off."""

import random
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

import torch.nn.functional as F
from torch import nn

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.networks.pytorch.parity import differences
from twofold.settings import Settings

TASK = Task(6, 5, channels=1, classes=10)


class Rows(nn.Module):
    """The rows of both images, one after the other, and a head: what is between is the subclass's."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(5, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, pairs):
        return self.head(self.between(self.embed(pairs.flatten(1, 2))).mean(1))


class Encoder(Rows):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1)

    def between(self, x):
        return self.layer(x)


class Attention(Rows):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, dropout=0.3, batch_first=True)

    def between(self, x):
        return self.layer(x, x, x, need_weights=False)[0]


class Scaled(Rows):
    def between(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.2 if self.training else 0.0)


class Recurrent(Rows):
    def __init__(self):
        super().__init__()
        self.layer = nn.GRU(8, 8, 2, dropout=0.5, batch_first=True)

    def between(self, x):
        return self.layer(x)[0]


class Channels(Rows):
    def between(self, x):
        return F.dropout1d(F.alpha_dropout(x, 0.1, self.training), 0.2, self.training)


class Bare(Rows):
    def between(self, x):
        return F.dropout(x, 0.3, training=self.training)


@pytest.mark.parametrize("make", [Encoder, Attention, Scaled, Recurrent, Channels, Bare])
def test_dropout_draws_in_training_alone_and_all_else_is_the_modules(make):
    own = Own("Net", make, TASK, None, nullcontext, "")
    assert own.structure(Settings()).draws
    found = own.within(differences)
    assert len(found) == 5
    assert all(each.is_right for each in found)


@pytest.mark.parametrize(
    "between",
    [lambda self, x: F.dropout(x, 0.3), lambda self, x: F.gumbel_softmax(x), lambda self, x: x + torch.randn_like(x)],
)
def test_what_draws_in_evaluation_too_is_refused_with_its_line(between):
    with pytest.raises(NetworkError, match=r"test_drawing.py:\d+\): aten.*draws random numbers in evaluation too"):
        Own("Net", type("Net", (Rows,), {"between": between}), TASK, None, nullcontext, "")


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: random.choice([1, 2])])
def test_what_draws_from_others_generators_is_refused(draw):
    class Depth(Rows):
        def between(self, x):
            return x * 2 if self.training and draw() > 0.5 else x

    with pytest.raises(NetworkError, match="draws from Python's or NumPy's random numbers"):
        Own("Net", Depth, TASK, None, nullcontext, "")


def test_a_network_without_parameters_is_refused():
    class Nothing(nn.Module):
        def forward(self, pairs):
            return pairs.mean((2, 3))

    with pytest.raises(NetworkError, match="depend on no parameters"):
        Own("Net", Nothing, TASK, None, nullcontext, "")


def test_an_error_that_no_shape_explains_is_told_once_with_its_line():
    class Unwilling(Rows):
        def between(self, x):
            raise AssertionError("not today")

    with pytest.raises(NetworkError, match=r"Unwilling \(.*test_drawing.py:\d+\): AssertionError: not today"):
        Own("Net", Unwilling, TASK, None, nullcontext, "")


def test_forward_of_any_number_of_images_gets_two():
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(60, 2)

        def forward(self, *images):
            return self.layer(torch.cat([image.flatten(1) for image in images], 1))

    assert Own("Net", Several, TASK, None, nullcontext, "").exported.convention.name == "two images"
