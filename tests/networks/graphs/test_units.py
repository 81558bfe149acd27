"""Units that may die: which there are, and that a dead one is counted and another is not."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from tests.networks.graphs.test_roles import NOTHING
from torch import nn

from twofold.data import Task
from twofold.native import quickly
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.settings import Settings

TASK = Task(8, 8, channels=1, classes=10)

ACTIVATIONS = {
    "relu": (nn.ReLU, True),
    "relu in place": (lambda: nn.ReLU(inplace=True), True),
    "relu6": (nn.ReLU6, True),
    "hardtanh from 0": (lambda: nn.Hardtanh(0, 1), True),
    "threshold": (lambda: nn.Threshold(0, 0), True),
    "hardtanh": (nn.Hardtanh, False),
    "leaky": (nn.LeakyReLU, False),
    "gelu": (nn.GELU, False),
    "elu": (nn.ELU, False),
    "tanh": (nn.Tanh, False),
}


class Net(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.hidden = nn.Linear(2 * 3 * 36, 5)
        self.head = nn.Linear(5, 2)
        self.after_conv, self.after_hidden = activation(), activation()
        with torch.no_grad():
            self.conv.bias[1] = -100.0  # dead
            self.hidden.bias[[0, 4]] = -100.0

    def forward(self, left, right):
        both = torch.cat([self.after_conv(self.conv(left)), self.after_conv(self.conv(right))], 1)
        return self.head(self.after_hidden(self.hidden(both.flatten(1))))


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_dead_units_are_counted_behind_what_is_0_below_0(kind):
    activation, counts = ACTIVATIONS[kind]
    own = Own("Net", lambda: Net(activation), TASK, None, NOTHING, "")
    structure = own.structure(Settings())
    images = np.random.default_rng(0).uniform(size=(50, 2, 8, 8)).astype(np.float32)
    layers = list(own.description()["units"].values())
    if not counts:
        outputs, _ = jax.eval_shape(lambda v, i: structure.apply(v, i, {}), structure.initial(0, 0), images)
        assert outputs.units == {}
        assert layers == []
        return
    apply = jax.jit(lambda v, i: structure.apply(v, i, {}), compiler_options=quickly.OPTIONS)
    outputs, _ = apply(structure.initial(0, 0), images)
    dead = {name: int((np.asarray(units) <= 0).all(0).sum()) for name, units in outputs.units.items()}
    assert layers == [3, 3, 5]
    first, second, hidden = dead.values()
    assert first >= 1
    assert second >= 1
    assert hidden >= 2
    expected = structure.initial(0, 0).parameters
    assert all(np.isfinite(each).all() for each in expected)


class SequenceFirst(nn.Module):
    """Whose rows are the first axis, as recurrent layers often have them."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(8, 5), nn.Linear(5, 2)

    def forward(self, left, right):
        rows = torch.cat([left, right], 2)[:, 0].transpose(0, 1)  # (16, n, 8)
        return self.head(torch.relu(self.embed(rows)).mean(0))


def test_a_layer_whose_first_axis_is_not_that_of_pairs_is_left_out():
    own = Own("SequenceFirst", SequenceFirst, TASK, None, NOTHING, "")
    structure = own.structure(Settings())
    images = np.ones((50, 2, 8, 8), np.float32)
    outputs, _ = jax.eval_shape(lambda v, i: structure.apply(v, i, {}), structure.initial(0, 0), images)
    assert outputs.units == {}
    assert own.description()["units"] == {}
