"""Networks that draw random numbers, compared with the user's module in training: the same numbers on both sides."""

from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from twofold.data import Task
from twofold.networks.graphs.operations import TABLE
from twofold.networks.graphs.operations.sampling import fixed
from twofold.networks.pytorch.fixed import FixedNumbers, UnknownDrawError
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.networks.pytorch.parity import differences

TASK = Task(6, 5, channels=1, classes=10)


def made(layers, draw):
    """A network with a part that draws in training; `layers` gives modules that `draw` is given too."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.answer = nn.Linear(60, 8), nn.Linear(8, 2)
            self.layers = nn.ModuleList(layers())
            self.register_buffer("mean", torch.zeros(8))

        def branch(self, image):
            z = self.into(image.flatten(1))
            if self.training:
                z = draw(z, *self.layers)
                with torch.no_grad():
                    self.mean.mul_(0.9).add_(z.mean(0), alpha=0.1)
            return z - self.mean

        def forward(self, pairs):
            return self.answer(self.branch(pairs) * self.branch(pairs.flip(1)))

    return Net


def convolved(z, *layers):
    return nn.Sequential(*layers)(z.view(-1, 2, 2, 2)).flatten(1)


DRAWING = {
    "rand": (lambda: [], lambda z: z + torch.rand_like(z) * torch.rand(8)),
    "randn": (lambda: [], lambda z: z + torch.randn_like(z) * torch.randn(8)),
    "normal": (lambda: [], lambda z: torch.normal(z, 0.5) + torch.normal(0.1, z.exp()) + torch.normal(z, z.exp()) + z),
    "variational": (lambda: [], lambda z: torch.distributions.Normal(z, F.softplus(z)).rsample()),
    "gumbel": (lambda: [], lambda z: F.gumbel_softmax(z, tau=0.5)),
    "exponential": (lambda: [], lambda z: z * torch.empty_like(z).exponential_(2.0)),
    "bernoulli": (lambda: [], lambda z: z * torch.bernoulli(torch.sigmoid(z)) * torch.bernoulli(z.detach(), 0.7)),
    "in place": (
        lambda: [],
        lambda z: z * torch.empty_like(z).bernoulli_(0.6) + torch.empty_like(z).uniform_(-1, 2).normal_(1, 3),
    ),
    "whole": (lambda: [], lambda z: z[torch.randperm(len(z))] * torch.randint(2, 7, (8,)) * torch.randint(3, (8,))),
    "dropout": (lambda: [nn.Dropout(0.3)], lambda z, drop: drop(z)),
    "channels": (lambda: [nn.Conv2d(2, 4, 1), nn.Dropout2d(0.4), nn.Dropout(0.2), nn.Conv2d(4, 2, 1)], convolved),
    "alpha": (
        lambda: [nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.4)],
        lambda z, one, other: one(z) + other(z.view(-1, 4, 2)).flatten(1),
    ),
    "rrelu": (lambda: [nn.RReLU()], lambda z, rrelu: rrelu(z)),
    "recurrent": (
        lambda: [nn.LSTM(2, 4, 3, dropout=0.4, bidirectional=True)],
        lambda z, lstm: lstm(z.view(4, -1, 2))[0][-1],
    ),
    "attention": (
        lambda: [nn.TransformerEncoderLayer(4, 2, 8, dropout=0.3)],
        lambda z, layer: layer(z.view(-1, 2, 4)).flatten(1),
    ),
    "drawn again": (
        lambda: [nn.Dropout(0.5)],
        lambda z, drop: checkpoint(lambda y: drop(y.tanh()), z, use_reentrant=False),
    ),
}


@pytest.mark.parametrize("name", DRAWING)
def test_what_draws_is_compared_in_training_with_the_same_numbers(name):
    layers, draw = DRAWING[name]
    found = Own("Net", made(layers, draw), TASK, None, nullcontext, "").within(differences)
    assert len(found) == 5
    assert all(each.is_right for each in found), found


def test_dropout_that_drops_something_else_is_found(monkeypatch):
    name = "aten.dropout.default"
    right = TABLE[name].function
    monkeypatch.setitem(
        TABLE, name, TABLE[name]._replace(function=lambda x, p, train, *, key: right(x, 0.9 * p, train, key=key))
    )
    found = Own("Net", made(lambda: [nn.Dropout(0.3)], lambda z, drop: drop(z)), TASK, None, nullcontext, "").within(
        differences
    )
    assert {each.of for each in found if not each.is_right} >= {"outputs in training", "gradients"}


def test_pytorch_draws_the_numbers_which_are_spread_evenly():
    assert abs(fixed([1000]).mean() - 0.5) < 0.01
    with FixedNumbers():
        assert torch.rand(3).tolist() == pytest.approx(fixed([3]).tolist())


def test_an_operation_that_draws_in_another_way_is_told_from_one_that_draws_nothing():
    with FixedNumbers():
        assert F.scaled_dot_product_attention(*[torch.ones(1, 1, 2, 2)] * 3).sum() == 4
        with pytest.raises(UnknownDrawError, match="multinomial"):
            torch.multinomial(torch.ones(3), 1)
