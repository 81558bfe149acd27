"""Drawings of networks of one's own: boxes that do not overlap, whatever the network."""

import itertools

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from tests.networks.pytorch.parity import evaluation_graph, image_of
from tests.networks.pytorch.zoo import KINDS
from torch import nn

from twofold.networks.calls import rows_of
from twofold.networks.graphs.layers import calls_of, calls_of_outputs
from twofold.report.figures.layers import layers_figure
from twofold.report.text.networks import NetworkFacts


class Long(nn.Module):
    """More layers than a drawing holds, in both branches."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Flatten(), nn.Linear(120, 8), *(nn.Linear(8, 8) for _ in range(30)))
        self.head = nn.Linear(8, 2)

    def forward(self, left, right):
        return self.head(self.branch(left) * self.branch(right))


def drawn(make, image=(12, 10)):
    graph = evaluation_graph(make, image)
    calls = calls_of(graph)
    outputs = [("answer", number) for number in calls_of_outputs(graph)]
    figure = layers_figure(NetworkFacts("Net(" + "long=True, " * 9 + ")", None, True, rows_of(calls), calls, outputs))
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("kind", [*KINDS, "long"])
def test_no_two_boxes_overlap_and_all_are_within_the_drawing(kind):
    figure = drawn(KINDS.get(kind, Long), image_of(kind))
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if hasattr(patch, "get_boxstyle")]
    assert len(boxes) > 1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.padded(-1).overlaps(other.padded(-1))
    for box in boxes:
        assert axes.get_window_extent().padded(1).contains(box.x0, box.y0)
    assert figure.get_size_inches()[0] < 30


def test_a_long_network_says_how_much_is_left_out():
    (axes,) = drawn(Long).axes
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if "operations" in text]
    assert "left image" in texts
    assert "right image" in texts


@pytest.mark.parametrize("kind", [*KINDS, "long"])
def test_arrows_that_go_past_boxes_do_not_run_along_each_other(kind):
    (axes,) = drawn(KINDS.get(kind, Long), image_of(kind)).axes
    level = [line.get_xydata()[1:] for line in axes.lines if len(line.get_xydata()) == 3]
    for (a, b), (c, d) in itertools.combinations(level, 2):
        apart = abs(a[1] - c[1]) > 0.1 or min(b[0], d[0]) <= max(a[0], c[0])
        assert apart, f"{a} to {b} runs along {c} to {d}"
