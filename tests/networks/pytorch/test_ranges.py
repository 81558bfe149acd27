"""Answers that are probabilities, their logarithms, or distances: what is trained on, and what is refused."""

import functools
from contextlib import nullcontext

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn
from torch.nn import functional as F

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.native import quickly
from twofold.networks.graphs.interpret import run
from twofold.networks.pytorch.export import export
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.networks.pytorch.parity import differences
from twofold.networks.pytorch.weights import made as fresh_module
from twofold.networks.pytorch.weights import seeded

TASK = Task(6, 5, channels=1, classes=10)


def network_of(count, answer):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(60, 8), nn.Tanh(), nn.Linear(8, count))

        def forward(self, pairs):
            return answer(self.layers(pairs))

    return Net


# From the last layer's numbers to the answer, and to the logit (n,) that is to be trained on.
PROBABILITIES = {
    "of two": (2, lambda z: z.softmax(1)[:, 1], lambda z: z[:, 1] - z[:, 0]),
    "of two, the first": (2, lambda z: z.softmax(-1)[:, 0], lambda z: z[:, 0] - z[:, 1]),
    "of two, a column": (2, lambda z: z.softmax(1)[:, 1:], lambda z: z[:, 1] - z[:, 0]),
    "of two, squeezed": (2, lambda z: z.softmax(1).narrow(1, 1, 1).squeeze(1), lambda z: z[:, 1] - z[:, 0]),
    "of three": (3, lambda z: z.softmax(1)[:, 2], lambda z: z[:, 2] - z[:, :2].logsumexp(1)),
    "against 0": (1, lambda z: torch.cat([z, 0 * z], 1).softmax(1)[:, 1], lambda z: -z[:, 0]),
    "clamped": (1, lambda z: z.sigmoid().clamp(1e-6, 1 - 1e-6), lambda z: z[:, 0]),
    "the other": (1, lambda z: 1 - z.sigmoid(), lambda z: -z[:, 0]),
    "by hand": (1, lambda z: 1 / (1 + (-z).exp()), lambda z: z[:, 0]),
    "of a tanh": (1, lambda z: (z.tanh() + 1) / 2, lambda z: 2 * z[:, 0]),
    "a logarithm": (2, lambda z: F.log_softmax(z, 1)[:, 1], lambda z: z[:, 1] - z[:, 0]),
    "two": (1, lambda z: torch.cat([1 - z.sigmoid(), z.sigmoid()], 1), lambda z: z[:, 0]),
    "two turned": (2, lambda z: z.softmax(1).flip(1), lambda z: z[:, 0] - z[:, 1]),
    "plain": (1, lambda z: z, lambda z: z[:, 0]),
    "two plain": (2, lambda z: z.relu(), lambda z: z[:, 1].relu() - z[:, 0].relu()),
    "logarithms of both": (2, lambda z: F.log_softmax(z, 1), lambda z: z[:, 1] - z[:, 0]),
}


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_what_is_trained_on_is_the_logit(kind):
    count, answer, logit = PROBABILITIES[kind]
    make = network_of(count, answer)
    own = Own("Net", make, TASK, None, nullcontext, "")
    with seeded(0, 0):
        module = fresh_module(make, own.exported)
    weights = [each.detach().numpy() for each in module.parameters()]
    for graph in own._graphs:
        images = np.random.default_rng(0).normal(size=graph.images.shape).astype(np.float32)
        interpreted = jax.jit(functools.partial(run, graph), compiler_options=quickly.OPTIONS)
        (found,), _ = interpreted(weights, [], images)
        found = np.asarray(found).reshape(len(images), -1)
        expected = logit(module.layers(torch.from_numpy(images))).detach().numpy()
        ours = found[:, 1] - found[:, 0] if found.shape[1] == 2 else found[:, 0]
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def test_answers_of_all_kinds_and_their_gradients_are_pytorchs():
    """Of one network that gives them all, as it is before its outputs have roles."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(network_of(count, answer)() for count, answer, _ in PROBABILITIES.values())

        def forward(self, pairs):
            return tuple(layer(pairs) for layer in self.layers)

    found = differences(Net, export(Net(), (6, 5), training=[25], evaluation=[50]))
    assert len(found) == 5
    assert all(each.is_right for each in found), found


@pytest.mark.parametrize("answer", [lambda z: z.norm(dim=1), lambda z: z.abs().sum(1, keepdim=True)])
def test_a_distance_is_no_logit(answer):
    with pytest.raises(
        NetworkError, match=r"never below 0, as a distance is.*let a last layer make a number of either"
    ):
        Own("Net", network_of(8, answer), TASK, None, nullcontext, "")


def test_an_answer_that_is_always_the_same_is_refused():
    with pytest.raises(NetworkError, match=r"always the same number, as a softmax of one number is"):
        Own("Net", network_of(1, lambda z: z.softmax(1)), TASK, None, nullcontext, "")


def test_each_mode_has_a_form_of_its_own():
    class Switching(network_of(1, lambda z: z)):
        def forward(self, pairs):
            z = super().forward(pairs)
            return z if self.training else (z.sigmoid() + 0).clamp(0, 1)

    own = Own("Net", Switching, TASK, None, nullcontext, "")
    assert own._ranges == {True: ["any"], False: ["from 0 to 1"]}
    assert [graph.nodes[-1].operation for graph in own._graphs][1] == "twofold.logit"
