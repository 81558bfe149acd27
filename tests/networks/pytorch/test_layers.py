"""Convolutions and pooling with any arguments against PyTorch's own: outputs and gradients, in double precision."""

import jax
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: what is compared with it is left out")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.networks.pytorch.parity import TRAINING, Both, assert_near, flat, pairs_for
from torch import nn

from twofold.native import quickly

# The zoo of networks has the usual arguments.
pytestmark = pytest.mark.slow

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
LARGEST = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
MEANS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


class Around(nn.Module):
    """A layer on images (channels, *sizes), each element of which has a factor: so gradients of images are seen."""

    def __init__(self, layer, shape):
        super().__init__()
        self.layer, self.shape = layer, shape
        self.scale = nn.Parameter(torch.rand(shape) + 0.5)

    def forward(self, x):
        return self.layer(x.reshape(-1, *self.shape) * self.scale)


def assert_same(layer, shape):
    """The layer computes in its graph what it computes in PyTorch."""
    channels, *sizes = shape
    image = (channels, sizes[0], int(torch.Size(sizes[1:]).numel()))
    with jax.enable_x64(True):
        both = Both(lambda: Around(layer, shape), image if channels > 1 else image[1:])
        pairs = pairs_for(TRAINING, both.image, 1)
        step = jax.jit(both.step, compiler_options=quickly.OPTIONS)
        _, outputs, gradients, _ = step(both.parameters, both.buffers, pairs, jax.random.key(0))
        for ours, theirs in zip(outputs, flat(both.torch_outputs(pairs, True)), strict=True):
            assert_near(ours, theirs.detach().numpy(), 1e-13)
        for ours, theirs in zip(gradients, both.torch_gradients(pairs)[1], strict=True):
            assert_near(ours, theirs, 1e-12)


def several(space, low, high):
    """A number for each axis."""
    return st.tuples(*[st.integers(low, high)] * space)


@st.composite
def convolutions(draw):
    space = draw(st.sampled_from([2, 2, 2, 1, 3]))
    kernel, dilation = draw(several(space, 1, 3)), draw(several(space, 1, 2))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    groups, inputs, outputs = draw(st.tuples(st.sampled_from([1, 2, 3, 9]), st.integers(1, 3), st.integers(1, 3)))
    same = draw(st.booleans())
    padding = "same" if same else draw(several(space, 0, 2))
    stride = 1 if same else draw(several(space, 1, 3))
    least = [max(d * (k - 1) + 1, 5) for k, d in zip(kernel, dilation)]
    sizes = [draw(st.integers(low, low + 2)) for low in least]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "padding_mode": mode}
    bias = draw(st.booleans())
    layer = CONVOLUTIONS[space](inputs * groups, outputs * groups, kernel, bias=bias, **options)
    return layer, (inputs * groups, *sizes)


@FEW
@given(convolutions())
def test_a_convolution_of_any_kind_is_pytorchs(layer_and_shape):
    assert_same(*layer_and_shape)


@st.composite
def transposed_convolutions(draw):
    space = draw(st.sampled_from([2, 2, 2, 1, 3]))
    kernel, dilation, stride = draw(several(space, 1, 3)), draw(several(space, 1, 2)), draw(several(space, 1, 3))
    more = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation)]
    padding = [draw(st.integers(0, d * (k - 1))) for k, d in zip(kernel, dilation)]
    groups, inputs, outputs = draw(st.tuples(st.sampled_from([1, 2, 3]), st.integers(1, 3), st.integers(1, 3)))
    sizes = draw(several(space, 4, 6))
    options = {"stride": stride, "padding": padding, "output_padding": more, "dilation": dilation, "groups": groups}
    bias = draw(st.booleans())
    layer = TRANSPOSED[space](inputs * groups, outputs * groups, kernel, bias=bias, **options)
    return layer, (inputs * groups, *sizes)


@FEW
@given(transposed_convolutions())
def test_a_transposed_convolution_of_any_kind_is_pytorchs(layer_and_shape):
    assert_same(*layer_and_shape)


@st.composite
def poolings(draw):
    space = draw(st.sampled_from([2, 2, 2, 1, 3]))
    largest = draw(st.booleans())
    size = draw(several(space, 1, 4))
    stride = draw(st.none() | several(space, 1, 4))
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)
    options = {"stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    dilation = draw(several(space, 1, 2)) if largest else (1,) * space
    least = [max(d * (k - 1) + 1, 2) for k, d in zip(size, dilation)]
    sizes = [draw(st.integers(low, low + 4)) for low in least]
    if largest:
        layer = LARGEST[space](size, dilation=dilation, **options)
    else:
        divisor = {} if space == 1 else {"divisor_override": draw(st.none() | st.integers(1, 5))}
        layer = MEANS[space](size, count_include_pad=draw(st.booleans()), **options, **divisor)
    return layer, (draw(st.integers(1, 3)), *sizes)


@FEW
@given(poolings())
def test_pooling_of_any_kind_is_pytorchs(layer_and_shape):
    assert_same(*layer_and_shape)
