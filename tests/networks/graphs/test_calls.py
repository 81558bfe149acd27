"""The table of a network's layers, from its graph: every parameter once, branches told apart, nothing twice."""

import json

import pytest
from tests.networks.pytorch.parity import evaluation_graph, image_of
from tests.networks.pytorch.zoo import KINDS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn

from twofold.networks.calls import calls_as_data, calls_from_data, rows_of
from twofold.networks.graphs.layers import calls_of, calls_of_outputs


def calls(make, image=(12, 10)):
    graph = evaluation_graph(make, image)
    return graph, calls_of(graph)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_that_is_used_is_counted_once(kind):
    graph, found = calls(KINDS[kind], image_of(kind))
    used = {reference for node in graph.nodes for reference in _numbers(node)}
    sizes = [torch.Size(spec.shape).numel() for i, spec in enumerate(graph.parameters, 1) if i in used]
    assert sum(call.parameters for call in found) == sum(row.parameters for row in rows_of(found)) == sum(sizes)
    for number, call in enumerate(found):
        assert all(-1 <= each < number for each in call.inputs)
        assert call.again is None or call.again < number
    assert all(number < len(found) for number in calls_of_outputs(graph))
    assert calls_from_data(json.loads(json.dumps(calls_as_data(found)))) == found


def _numbers(node):
    from twofold.networks.graphs.graph import references_in

    return [reference.number for reference in references_in((node.arguments, dict(node.keywords)))]


class Net(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(240, 5))
        self.second = self.first if share else nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(240, 5))
        self.head = nn.Linear(5, 2)


PARTS = {
    "slices": lambda net, pairs: (pairs[:, :1], pairs[:, 1:]),
    "select": lambda net, pairs: (pairs[:, 0].unsqueeze(1), pairs[:, 1].unsqueeze(1)),
    "split": lambda net, pairs: pairs.split(1, 1),
    "chunk": lambda net, pairs: pairs.chunk(2, dim=1),
    "unbind": lambda net, pairs: [each[:, None] for each in pairs.unbind(1)],
    "from the end": lambda net, pairs: (pairs[:, -2:-1], pairs[:, -1:]),
}


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("parts", PARTS)
def test_branches_are_told_apart_and_shared_weights_counted_where_they_are_first(parts, share):
    class Parted(Net):
        def forward(self, pairs):
            left, right = PARTS[parts](self, pairs)
            return self.head(self.first(left) - self.second(right))

    _, found = calls(lambda: Parted(share))
    sides = {side: [call for call in found if call.of == side] for side in ("left", "right", "both")}
    assert [call.name for call in sides["left"]] == ["first.0: conv2d", "first.1: relu", "first.3: linear"]
    assert [call.operation for call in sides["right"]] == ["conv2d", *(["relu"] if share else []), "linear"]
    assert [call.name for call in sides["both"]] == ["sub", "head: linear"]
    again = [call.again for call in sides["right"] if call.operation != "relu"]
    assert again == ([0, 2] if share else [None, None])
    assert [call.parameters for call in sides["both"]] == [0, 12]
