"""The network as a whole: against the plain formulation, its initial weights, and what is told of its layers."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.networks.plain import plain_network

from twofold.data import Task
from twofold.errors import SettingError
from twofold.native.quickly import compile_quickly
from twofold.networks import NETWORKS, find_network
from twofold.networks.finding import check_size
from twofold.networks.paper import init_network


def layers(name, image_size=(14, 14)):
    return NETWORKS[name].structure().layers(Task(*image_size, channels=1, classes=10))


def network_and_images(weight_sharing, image_size, n=4):
    network = init_network(jax.random.key(0), weight_sharing=weight_sharing, image_size=image_size)
    return network, jax.random.uniform(jax.random.key(1), (n, 2, *image_size)) * 255


@settings(max_examples=5, deadline=None)
@given(
    weight_sharing=st.booleans(),
    image_size=st.tuples(st.integers(10, 20), st.integers(10, 20)),
    negative_slope=st.sampled_from([0.0, 0.01]),
)
def test_outputs_are_those_of_the_plain_network(weight_sharing, image_size, negative_slope):
    network, images = network_and_images(weight_sharing, image_size)
    ours = compile_quickly(lambda network, images: network(images, negative_slope), network, images)
    plain = compile_quickly(plain_network, network, images, negative_slope)
    both = ours(network, images), plain(network, images, negative_slope)
    for a, b in zip(*map(jax.tree.leaves, both), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("weight_sharing", [True, False])
def test_gradients_are_those_of_the_plain_network(weight_sharing):
    network, images = network_and_images(weight_sharing, (14, 14), n=25)

    def gradient(function):
        def total(network):
            outputs = function(network, images)
            return outputs.logits[:, 0].sum() + jnp.sin(outputs.class_logits / 100).sum()

        return jax.jit(jax.grad(total))(network)

    ours, plain = gradient(lambda network, images: network(images)), gradient(plain_network)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-4 * float(jnp.abs(b).max())), ours, plain
    )


def test_shared_branches_see_both_images_alike():
    network, images = network_and_images(True, (14, 14))
    digits, swapped = network(images).class_logits, network(images[:, ::-1]).class_logits
    np.testing.assert_allclose(digits, swapped[:, ::-1], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("weight_sharing", [True, False])
def test_initial_weights_are_uniform_within_pytorchs_bounds(weight_sharing):
    """torch.nn.Linear and torch.nn.Conv2d draw weights and biases uniformly from +-1/sqrt(fan_in)."""
    network = init_network(jax.random.key(3), weight_sharing=weight_sharing)
    fan_in = {"conv1": 9, "conv2": 288, "dense1": 256, "dense2": 128, "head1": 20, "head2": 128}
    for name, count in fan_in.items():
        layer = getattr(network, name)
        bound = count**-0.5
        weights = np.asarray(layer.weight).ravel()
        assert abs(weights).max() <= bound
        assert abs(np.asarray(layer.bias)).max() <= bound
        assert stats.kstest(weights, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-4


def test_initial_weights_depend_on_the_key_and_the_structure_alone():
    def leaves(seed, **structure):
        return jax.tree.leaves(init_network(jax.random.key(seed), **structure))

    again = zip(leaves(0, weight_sharing=True), leaves(0, weight_sharing=True))
    other = zip(leaves(0, weight_sharing=True), leaves(1, weight_sharing=True))
    assert all((a == b).all() for a, b in again)
    assert not any((a == b).all() for a, b in other)
    first, second = init_network(jax.random.key(0), weight_sharing=False).conv1.weight
    assert not (first == second).any()


@pytest.mark.parametrize(
    ("name", "parameters"), [("NetBase", 108_950), ("NetWS", 55_948), ("NetAL", 108_950), ("NetWSAL", 55_948)]
)
def test_parameter_counts(name, parameters):
    """NetWSAL's 55,948 is the paper's: a branch of 53,002 and a head of 2,946. Separate branches have two of them."""
    assert sum(row.parameters for row in layers(name)) == parameters


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("image_size", [(14, 14), (10, 17)])
def test_layer_table_is_that_of_the_network(name, image_size):
    architecture = NETWORKS[name]
    network = init_network(jax.random.key(0), weight_sharing=architecture.weight_sharing, image_size=image_size)
    rows = layers(name, image_size)
    assert sum(row.parameters for row in rows) == sum(leaf.size for leaf in jax.tree.leaves(network))
    for row in rows[2:]:
        layer = getattr(network, row.layer.split(":")[0])
        assert layer.weight.shape[1:] == (*row.input_shape, *row.output_shape)


def test_a_table_of_layers_starts_no_device():
    """A notebook may look at one before a study, which then can still make each core a device."""
    code = """
from twofold.data import Task
from twofold.networks import NETWORKS
NETWORKS["NetWSAL"].structure().layers(Task(14, 14, channels=1, classes=10))
from twofold.training.devices import use_devices
use_devices(2, print)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == ""


def test_an_unknown_network_is_refused_with_a_guess():
    with pytest.raises(SettingError, match="did you mean NetWSAL"):
        find_network("netwsall")


def test_the_networks_follow_the_task():
    rows = NETWORKS["NetBase"].structure().layers(Task(32, 24, channels=3, classes=26))
    assert [(row.input_shape, row.output_shape) for row in rows] == [
        ((32, 24, 3), (15, 11, 32)),
        ((15, 11, 32), (6, 4, 64)),
        ((6 * 4 * 64,), (128,)),
        ((128,), (26,)),
        ((52,), (128,)),
        ((128,), (2,)),
    ]
    assert rows[0].parameters == 2 * (3 * 3 * 3 * 32 + 32)


@pytest.mark.parametrize(
    ("size", "says"), [((9, 30), "a larger --size, or a smaller --pool"), ((64, 65), "a smaller --size")]
)
def test_images_that_are_too_small_or_too_large_are_refused(size, says):
    with pytest.raises(
        SettingError, match=rf"takes images of 10x10 to 64x64 .* these are {size[0]}x{size[1]} then; give {says}"
    ):
        check_size(NETWORKS["NetWS"], *size)
    check_size(NETWORKS["NetWS"], 10, 64)
