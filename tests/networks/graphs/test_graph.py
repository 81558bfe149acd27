"""Graphs as data: kept and read, and equal where networks are."""

import dataclasses
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: what is compared with it is left out")

from tests.networks.pytorch.parity import exported, image_of
from tests.networks.pytorch.zoo import KINDS
from torch import nn

from twofold.networks.graphs.exported import Exported
from twofold.networks.graphs.graph import Constant, Dtype, Graph, Node, Reference, Spec


class Plain(nn.Module):
    def __init__(self, width=4, slope=0.1, names=("first", "second")):
        super().__init__()
        self.names, self.slope = names, slope
        setattr(self, names[1], nn.Linear(240, width))
        setattr(self, names[0], nn.Linear(width, 2))

    def forward(self, pairs):
        first, second = (getattr(self, name) for name in self.names)
        return first(nn.functional.leaky_relu(second(pairs.flatten(1)), self.slope)) * torch.tensor([1.0, 2.0])


class Renamed(nn.Module):
    """The same, written otherwise: other names, another order, in place, comments."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 2)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(240, 4), nn.LeakyReLU(0.1), self.out)
        self.never_called = nn.Linear(7, 7)

    def forward(self, anything):
        # the factors of the two answers
        factors = torch.tensor([1.0, 2.0])
        return self.net(anything) * factors


def canonical(make):
    return [graph.canonical() for _, _, graph in exported(make)[1].graphs]


@pytest.mark.parametrize("name", ["buffers", "in place", "attention", "None, dict, tuple of one", "rows"])
def test_a_graph_is_read_as_it_was_kept(name):
    _, found = exported(KINDS[name], image_of(name))
    again = Exported.from_json(found.to_json())
    assert again == found
    assert [graph.canonical() for *_, graph in again.graphs] == [graph.canonical() for *_, graph in found.graphs]


def test_odd_numbers_and_nestings_are_kept_exactly():
    constant = Constant.of(np.array([[1.5, -0.0], [math.inf, 5e-324]]))
    arguments = (Reference(2), Dtype("int64"), (1, 1.0, True, None, "floor", -math.inf), ())
    nodes = (Node("aten.add.Tensor", arguments, (("alpha", 0.1 + 0.2),), (Spec((), "float32"),), "net.py:3", "net.0"),)
    outputs = (None, {"a": (Reference(3),), "b": {"c": 2.0}}, Reference(0))
    graph = Graph(Spec((1, 2, 3, 3), "float32"), (Spec((2,), "float32"),), (), (constant,), nodes, outputs, ())
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert [type(each) for each in again.nodes[0].arguments[2]] == [int, float, bool, type(None), str, float]
    np.testing.assert_array_equal(again.constants[0].array(), constant.array())


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 0}'])
def test_another_form_is_no_graph(text):
    with pytest.raises(ValueError, match="no graph of this form"):
        Graph.from_json(text)


def test_names_lines_and_unused_layers_are_no_part_of_what_is_computed():
    assert canonical(Plain) == canonical(lambda: Plain(names=("z", "a"))) == canonical(Renamed)


@pytest.mark.parametrize("other", [lambda: Plain(width=5), lambda: Plain(slope=0.2)])
def test_another_layer_or_number_is_another_network(other):
    assert canonical(Plain) != canonical(other)


class Layered(nn.Module):
    """A branch that is called twice with a ReLU of its own, and one ReLU in the network itself."""

    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(120, 4), nn.ReLU())

        def forward(self, x):
            return nn.functional.relu(self.net(x) - 0.1)

    def __init__(self):
        super().__init__()
        self.branch = self.Branch()
        self.head = nn.Linear(4, 2)

    def forward(self, left, right):
        return self.head((self.branch(left) - self.branch(right)).relu())


@pytest.mark.parametrize("again", [lambda found: found, lambda found: Exported.from_json(found.to_json())])
def test_an_operation_knows_the_layer_that_it_is_in(again):
    for *_, graph in again(exported(Layered)[1]).graphs:
        layers = [node.layer for node in graph.nodes if node.operation == "aten.relu.default"]
        assert layers == ["branch.net.2", "branch", "branch.net.2", "branch", ""]
        assert [node.layer for node in graph.nodes if node.operation == "aten.linear.default"][-1] == "head"
        elsewhere = tuple(dataclasses.replace(node, layer="x") for node in graph.nodes)
        assert dataclasses.replace(graph, nodes=elsewhere).canonical() == graph.canonical()


def test_the_order_of_lines_is_no_part_of_what_is_computed():
    class Counted(nn.Module):
        def __init__(self, turned):
            super().__init__()
            self.turned = turned
            norms = {"a": nn.BatchNorm1d(4), "b": nn.BatchNorm1d(4, eps=1e-3)}
            for name in sorted(norms, reverse=turned):
                setattr(self, name, norms[name])

        def forward(self, x):
            left, right = x[:, 0, 0, :4], x[:, 1, 0, :4]
            if self.turned:
                right = self.b(right)
                left = self.a(left)
            else:
                left = self.a(left)
                right = self.b(right)
            return left - right

    one, other = (exported(lambda turned=turned: Counted(turned))[1].graph(training=True, pairs=6) for turned in (0, 1))
    assert one.canonical() == other.canonical()


def test_a_constant_counts():
    graph = exported(Plain)[1].graphs[0][-1]
    assert len(graph.constants) == 1
    other = dataclasses.replace(graph, constants=(Constant.of(np.array([1.0, 3.0], np.float32)),))
    assert graph.canonical() != other.canonical()
