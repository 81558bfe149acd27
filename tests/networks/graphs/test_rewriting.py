"""Patterns of rewriting: each is found where it should be, and computes the same as the graph without it.

That all of them together compute what the modules of the tests do is seen in test_parity.py.
"""

from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from twofold.native.quickly import compile_quickly
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.rewriting import PATTERNS, rewritten
from twofold.networks.pytorch.export import export
from twofold.networks.pytorch.weights import fresh

PAIRS = 3


class Branched(nn.Module):
    """A branch that is called for both images."""

    def __init__(self, branch, size):
        super().__init__()
        self.branch = branch
        with torch.no_grad():
            outputs = branch(torch.zeros(2, 1, *size)).flatten(1).shape[1]
        self.head = nn.Linear(2 * outputs, 2)

    def forward(self, pairs):
        left, right = (self.branch(pairs[:, i : i + 1]).flatten(1) for i in (0, 1))
        return self.head(torch.cat([left, right], 1))


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.on = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = self.into(x)
        return F.gelu(x + self.on(x))


class Reading(nn.Module):
    """A branch whose second product reads the other rows."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(110, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = self.one(x.flatten(1))
        return self.two(x - x.mean(0))


def normed():
    return nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2))


def plain():
    return nn.Sequential(nn.Conv2d(1, 5, 3), nn.MaxPool2d(2, 1), nn.ReLU(), nn.Conv2d(5, 6, 2, stride=2), nn.Tanh())


def pooled_twice():
    return nn.Sequential(nn.Conv2d(1, 5, 3), nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU())


def residual():
    """Two places where what was before is added, the second to a normalisation."""
    return nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), Adding(5, False), Adding(5, True))


class Adding(nn.Module):
    def __init__(self, channels, normed):
        super().__init__()
        self.on = nn.Conv2d(channels, channels, 3, padding=1, bias=not normed)
        self.norm = nn.BatchNorm2d(channels) if normed else nn.Identity()

    def forward(self, x):
        return F.relu(x + self.norm(self.on(x)))


def grouped():
    return nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.ReLU())


def of_images():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))


def of_odd_sizes():
    """At 11x10 the first pooling leaves out a row, the second a row and a column of what is made with strides."""
    return nn.Sequential(
        *(nn.Conv2d(1, 5, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(5, 3, 2, stride=(1, 2), padding=(1, 0), dilation=(1, 2)), nn.MaxPool2d((4, 1), (3, 2))),
    )


class ReadTwice(nn.Module):
    """What is added before a ReLU is read elsewhere, too, and so has to be there."""

    def __init__(self):
        super().__init__()
        self.on = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        added = x + self.on(x)
        return F.relu(added) * added


def papers():
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)), *(nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU())
    )


def perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(110, 7), nn.LayerNorm(7), nn.ReLU(), nn.Linear(7, 3))


# A branch, and the operations that are to be found in what a pattern makes, with how often.
FOUND = {
    "bias before normalisation": (normed, {"aten.conv2d.default": 2, "twofold.batch_norm_training": 2}),
    "pooling with bias and ReLU": (plain, {"twofold.max_pool_relu": 2, "aten.relu.default": 0}),
    "a ReLU between two poolings": (pooled_twice, {"twofold.max_pool_relu": 4, "aten.relu.default": 0}),
    "two calls of a branch": (plain, {"aten.conv2d.default": 2, "aten.max_pool2d.default": 1}),
    "two calls, with a skip": (Skipping, {"aten.conv2d.default": 2, "aten.gelu.default": 1}),
    "two calls of a perceptron": (perceptron, {"aten.linear.default": 3, "aten.layer_norm.default": 1}),
    "two calls that read other rows": (Reading, {"aten.linear.default": 5}),
    "two calls that take each its own mean": (normed, {"twofold.batch_norm_training": 2, "aten.conv2d.default": 2}),
    # The two additions that are left count the batches of a normalisation.
    "ReLU with what is added": (residual, {"twofold.relu_of_sum": 6, "aten.relu.default": 0, "aten.add.Tensor": 2}),
    "normalisation with ReLU": (
        residual,
        {"twofold.batch_norm_training": 2, "aten.relu.default": 4, "aten.add.Tensor": 4},
    ),
    "normalisation of groups with ReLU": (grouped, {"aten.group_norm.default": 2, "aten.relu.default": 2}),
    "normalisation of images with ReLU": (of_images, {"aten.instance_norm.default": 2, "aten.relu.default": 0}),
    "a sum that is read twice": (ReadTwice, {"twofold.relu_of_sum": 0, "aten.add.Tensor": 2}),
    "what pooling does not see": (of_odd_sizes, {"aten.conv2d.default": 4}),
    "the paper's branch": (papers, {"twofold.papers_branch": 2, "aten.conv2d.default": 0}),
}
SWITCHED_ON = {
    **{name: ("two calls of a branch",) for name in FOUND if name.startswith("two calls")},
    "bias before normalisation": ("bias before normalisation",),
    "pooling with bias and ReLU": ("pooling with bias and ReLU",),
    "a ReLU between two poolings": ("pooling with bias and ReLU",),
    "ReLU with what is added": ("ReLU with what is added",),
    **{name: ("normalisation with ReLU",) for name in FOUND if name.startswith("normalisation")},
    "what pooling does not see": ("pooling with bias and ReLU", "what pooling does not see"),
    "a sum that is read twice": ("ReLU with what is added",),
    "the paper's branch": ("pooling with bias and ReLU", "the paper's branch"),
}


def exported_of(make, size=(11, 10)):
    torch.manual_seed(0)
    return export(make(), size, training=[PAIRS], evaluation=[2])


def compare(make, exported, patterns):
    """Outputs, state and gradients with these patterns and with none, in double precision."""
    parameters, buffers = fresh(make, exported, seed=0, round=0)
    with jax.enable_x64(True):
        parameters, buffers = (
            [np.asarray(each, _double(each)) for each in several] for several in (parameters, buffers)
        )
        for _, _, graph in exported.graphs:
            images = np.random.default_rng(0).normal(size=graph.images.shape)

            def total(parameters, used, graph=graph, images=images):
                outputs, state = run(graph, parameters, buffers, images, "fixed", used)
                return sum((each**2).sum() for each in jax.tree.leaves(outputs)), (outputs, state)

            both = [partial(jax.value_and_grad(total, has_aux=True), used=used) for used in (patterns, ())]
            # As one program, which takes less time than two.
            run_both = compile_quickly(lambda parameters, both=both: [way(parameters) for way in both], parameters)
            ways = run_both(parameters)
            for ours, theirs in zip(*map(jax.tree.leaves, ways), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def _double(array):
    return np.float64 if array.dtype == np.float32 else array.dtype


@pytest.mark.parametrize("name", FOUND)
def test_a_pattern_is_found_and_computes_the_same(name):
    branch, expected = FOUND[name]

    def make():
        return Branched(branch(), (11, 10))

    exported = exported_of(make)
    graph = rewritten(exported.graphs[0][2], SWITCHED_ON[name])
    operations = [node.operation for node in graph.nodes]
    assert {operation: operations.count(operation) for operation in expected} == expected
    compare(make, exported, SWITCHED_ON[name])


def test_what_pooling_does_not_see_is_not_computed():
    exported = exported_of(lambda: Branched(of_odd_sizes(), (11, 10)))
    graph = rewritten(exported.graphs[0][2], SWITCHED_ON["what pooling does not see"])
    shapes = [node.outputs[0].shape for node in graph.nodes if node.operation == "aten.conv2d.default"]
    assert shapes == 2 * [(PAIRS, 5, 10, 10), (PAIRS, 3, 4, 1)]


@settings(max_examples=6, deadline=None)
@given(
    height=st.integers(10, 15), width=st.integers(10, 15), window=st.integers(1, 3), stride=st.integers(1, 3),
    channels=st.integers(1, 5), relu_first=st.booleans(), ceil=st.booleans(),
)  # fmt: skip
def test_random_sizes(height, width, window, stride, channels, relu_first, ceil):
    def make():
        between = [nn.ReLU(), nn.MaxPool2d(window, stride, padding=window // 2, ceil_mode=ceil)]
        branch = nn.Sequential(
            nn.Conv2d(1, channels, 3), *(between if relu_first else between[::-1]), nn.Conv2d(channels, 3, 2)
        )
        return Branched(branch, (height, width))

    compare(make, exported_of(make, (height, width)), tuple(PATTERNS))


def test_a_value_that_is_asked_for_stays():
    class Showing(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.head = nn.Conv2d(2, 3, 3), nn.Linear(48, 2)

        def forward(self, pairs):
            before = self.convolution(pairs)
            return self.head(F.max_pool2d(F.relu(before), 2).flatten(1)), before

    exported = exported_of(Showing)
    operations = [node.operation for node in rewritten(exported.graphs[0][2], tuple(PATTERNS)).nodes]
    assert "twofold.max_pool_relu" in operations
    compare(Showing, exported, tuple(PATTERNS))


def test_a_product_of_its_own_result_stays_two():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(220, 220), nn.Linear(220, 2)

        def forward(self, pairs):
            return self.head(self.layer(self.layer(pairs.flatten(1))))

    exported = exported_of(Twice)
    graph = exported.graphs[0][2]
    assert [node.operation for node in rewritten(graph, tuple(PATTERNS)).nodes] == [n.operation for n in graph.nodes]
