"""What a study looks at by itself before it trains: that its graphs compute what the user's module does."""

from contextlib import nullcontext

import jax.numpy as jnp
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.graphs.operations import TABLE
from twofold.networks.kinds import each_of, load
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.networks.pytorch.parity import differences
from twofold.networks.typed import parse

TASK = Task(6, 5, channels=1, classes=10)
TYPED = parse("file.py:Net")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(60, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, pairs):
        return self.layers(pairs)


class Single(Net):
    """It computes in single precision alone."""

    def forward(self, pairs):
        return self.layers(pairs.float()) + torch.ones(2, dtype=torch.float32)


class InADict(Net):
    """Its outputs have names that are in no alphabetical order."""

    def forward(self, pairs):
        return {"logits": self.layers(pairs), "embedding": {"z": pairs.flatten(1), "a": 2 * pairs.flatten(1)}}


def compared(make):
    return Own("Net", make, TASK, None, nullcontext, "").within(differences)


def test_a_module_that_computes_in_single_precision_alone_is_compared_there():
    found = compared(Single)
    assert len(found) == 5
    assert all(each.is_right and each.allowed == 1e-3 and each.in_single for each in found)


def test_outputs_in_a_dict_are_compared_in_their_order():
    assert all(each.is_right and each.allowed < 1e-3 for each in compared(InADict))


@pytest.mark.parametrize(("name", "wrong"), [("aten.relu.default", lambda x: jnp.maximum(x, -1e-3) * 1.0001)])
def test_a_network_that_is_computed_wrongly_is_refused_before_anything_is_trained(name, wrong, monkeypatch):
    monkeypatch.setitem(TABLE, name, TABLE[name]._replace(function=wrong))
    with pytest.raises(NetworkError, match=r"differs from your module \(outputs in evaluation.*gradients.*report it"):
        load(TYPED, each_of(TYPED, Net, TASK))[0].verify()


def test_what_was_found_right_is_not_compared_again(monkeypatch):
    own = Own("Net", Net, TASK, None, nullcontext, "some hash of sources")
    own.check_parity()
    monkeypatch.setattr(own, "_wrong", lambda: pytest.fail("compared again"))
    own.check_parity()
