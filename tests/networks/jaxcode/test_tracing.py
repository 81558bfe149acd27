"""What becomes of a network in JAX: layers that patterns know, and a text that names do not change."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import relu
from tests.networks.jaxcode.zoo import Unrolled, filled

from twofold.networks.graphs.graph import Spec
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.rewriting import PATTERNS, rewritten
from twofold.networks.graphs.units import layers_of
from twofold.networks.jaxcode.calling import Callee
from twofold.networks.jaxcode.tracing import export, fitting


class Papers(eqx.Module):
    """The paper's network with shared branches and classes, for one pair."""

    conv1: eqx.nn.Conv2d
    conv2: eqx.nn.Conv2d
    dense1: eqx.nn.Linear
    dense2: eqx.nn.Linear
    head: eqx.nn.MLP
    pool: eqx.nn.MaxPool2d
    together: bool

    def __init__(self, together, key):
        self.conv1, self.conv2 = eqx.nn.Conv2d(1, 32, 3, key=key), eqx.nn.Conv2d(32, 64, 3, key=key)
        self.dense1, self.dense2 = eqx.nn.Linear(256, 128, key=key), eqx.nn.Linear(128, 10, key=key)
        self.head, self.pool = eqx.nn.MLP(20, 2, 128, 1, key=key), eqx.nn.MaxPool2d(2, 2)
        self.together = together

    def branch(self, image):
        x = relu(self.pool(self.conv1(image)))
        x = self.pool(relu(self.conv2(x)))
        return self.dense2(relu(self.dense1(x.ravel())))

    def __call__(self, pair):
        if self.together:
            left, right = jax.vmap(self.branch)(pair[:, None])
        else:
            left, right = self.branch(pair[:1]), self.branch(pair[1:])
        return self.head(relu(jnp.concatenate([left, right]))), left, right


def graph_of(made, images=(8, 8)):
    callee, pairs = Callee("Net", made, seed=0, round=0), Spec((4, 2, *images), "float32")
    return export(callee, fitting(callee, pairs)[0], pairs, [(True, 4)]).graphs[0][-1]


@pytest.mark.parametrize("together", [False, True])
def test_the_papers_network_is_computed_by_the_operations_of_the_built_in_one(together):
    graph = graph_of(filled(lambda key: Papers(together, key)), (14, 14))
    operations = [node.operation for node in rewritten(graph, tuple(PATTERNS)).nodes]
    assert operations.count("twofold.papers_branch") == 1
    assert operations.count("aten.linear.default") == 4  # both branches' together
    assert {"aten.conv2d.default", "aten.add.Tensor"}.isdisjoint(operations)
    assert not any(each.startswith("jax.") for each in operations)


def test_channels_last_are_the_same_layers():
    def apply(parameters, pairs):
        x = pairs[:, 0, :, :, None]
        x = jax.lax.conv_general_dilated(x, parameters["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = relu(x + parameters["b"])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return x.reshape(len(x), -1)[:, :2]

    parameters = {"w": jnp.asarray(np.zeros((3, 3, 1, 4), np.float32)), "b": jnp.asarray(np.zeros(4, np.float32))}
    graph = graph_of((lambda key: parameters, apply))
    operations = [node.operation for node in rewritten(graph, tuple(PATTERNS)).nodes]
    assert operations.count("twofold.max_pool_relu") == 1
    assert {"aten.relu.default", "aten.add.Tensor"}.isdisjoint(operations)


def test_layers_have_the_names_of_their_weights_and_lines_are_the_users():
    nodes = {node.operation: node for node in graph_of(filled(lambda key: Papers(False, key)), (14, 14)).nodes}
    assert nodes["aten.linear.default"].layer == "head.layers.1"
    assert nodes["aten.conv2d.default"].layer == nodes["aten.max_pool2d.default"].layer == "conv2"
    assert nodes["aten.conv2d.default"].line.rpartition(":")[0].endswith("test_tracing.py")


class Normed(eqx.Module):
    norm: eqx.nn.LayerNorm
    w: jax.Array

    def __init__(self):
        self.norm, self.w = eqx.nn.LayerNorm((128,)), jnp.asarray(np.ones((128, 2), np.float32))

    def __call__(self, pair):
        return jnp.maximum(0, self.norm(pair.ravel()) @ self.w)


def test_what_is_kept_from_0_is_a_layer_of_units_and_a_variance_is_none():
    graph = graph_of(Normed())
    assert [layer.units for layer in layers_of(graph)] == [2]
    assert any(node.operation == "aten.maximum.default" for node in graph.nodes)


def one_layer(hidden, size=(7, 128)):
    """A network of one layer of matrices, called with one pair; `hidden` gives its seven units."""

    class OneLayer(eqx.Module):
        w: jax.Array
        v: jax.Array

        def __init__(self):
            self.w, self.v = (jnp.asarray(np.ones(shape, np.float32)) for shape in (size, (2, 7)))

        def __call__(self, pair):
            return self.v @ hidden(self.w, pair)

    return OneLayer()


@pytest.mark.parametrize(
    ("hidden", "units"),
    [
        (lambda w, pair: relu(w @ pair.ravel()), [7]),
        (lambda w, pair: relu(jnp.einsum("ij,j->i", w, pair.ravel())), [7]),
        (lambda w, pair: jax.vmap(relu)(w @ pair.ravel()), [7]),
        (lambda w, pair: relu(w @ pair.ravel() - w @ pair[::-1].ravel()), [7]),
        (lambda w, pair: relu(w[:, :64] @ pair.reshape(2, 64).T).sum(1), [7]),
        (lambda w, pair: relu(w[:, :64] @ pair[0].ravel()) * relu(w[:, :64] @ pair[1].ravel()), [7, 7]),
        (lambda w, pair: w @ pair.ravel() + relu(jnp.round(w @ pair.ravel()).astype(int)), []),
    ],
)
def test_units_are_found_wherever_vmap_puts_the_pairs(hidden, units):
    graph = graph_of(one_layer(hidden))
    assert [layer.units for layer in layers_of(graph)] == units
    relus = [node for node in graph.nodes if node.operation == "aten.relu.default"]
    assert len(relus) == len(units)
    assert all(node.outputs[0].shape[0] == 4 for node in relus)  # of pairs first


def test_the_larger_of_x_and_0_has_half_of_the_gradient_at_0():
    """As in JAX: black parts of an image are exactly 0 after a convolution whose bias is 0."""
    graph = graph_of(AtZero())

    def total(parameters):
        (answers,), _ = run(graph, parameters, [], np.ones(graph.images.shape, np.float32))
        return answers.sum()

    np.testing.assert_array_equal(jax.grad(total)([np.zeros(128, np.float32)])[0], np.full(128, 4 * 0.5))


class AtZero(eqx.Module):
    w: jax.Array

    def __init__(self):
        self.w = jnp.zeros(128)

    def __call__(self, pair):
        return jnp.maximum(pair.ravel() @ self.w, 0)[None]


class Loop(eqx.Module):
    first: jax.Array
    second: jax.Array

    def __init__(self):
        self.first = jnp.asarray(np.ones((8, 3), np.float32))
        self.second = jnp.asarray(np.ones((3, 2), np.float32))

    def __call__(self, pair):
        def step(state, row):
            return straight(state + row @ self.first), None

        return jax.lax.scan(step, jnp.zeros(3), pair[0])[0] @ self.second


class Renamed(eqx.Module):
    one: jax.Array
    two: jax.Array

    def __init__(self):
        self.one = jnp.asarray(np.ones((8, 3), np.float32))
        self.two = jnp.asarray(np.ones((3, 2), np.float32))

    def __call__(self, both):
        def other(before, line):
            return through(before + line @ self.one), None

        last, _ = jax.lax.scan(other, jnp.zeros(3), both[0])
        return last @ self.two


class Another(Loop):
    def __call__(self, pair):
        def step(state, row):
            return straight(state - row @ self.first), None

        return jax.lax.scan(step, jnp.zeros(3), pair[0])[0] @ self.second


@jax.custom_vjp
def straight(x):
    return jnp.sign(x)


@jax.custom_vjp
def through(x):
    return jnp.sign(x)


for each in (straight, through):
    each.defvjp(lambda x: (jnp.sign(x), None), lambda _, gradient: (gradient,))


def test_names_change_nothing_within_a_loop_either_and_another_operation_does():
    texts = [graph_of(make()).canonical() for make in (Loop, Renamed, Another)]
    assert texts[0] == texts[1] != texts[2]
    assert b"0x" not in texts[0]
    assert b".py" not in texts[0]


class OfMyOwn(eqx.Module):
    w: jax.Array

    def __init__(self):
        self.w = jnp.asarray(np.ones((128, 2), np.float32))

    def __call__(self, pair):
        return leaking(pair.ravel() @ self.w)


@jax.custom_jvp
def leaking(x):
    """The values of a ReLU, and another derivative."""
    return jnp.maximum(x, 0.0)


@leaking.defjvp
def _(values, tangents):
    return leaking(*values), 0.5 * tangents[0]


@jax.custom_jvp
def turning(x):
    """The values of a ReLU, and its derivative with rows for columns."""
    return jnp.maximum(x, 0.0)


@turning.defjvp
def _(values, tangents):
    return turning(*values), jnp.where(values[0] > 0, tangents[0], 0.0).T


@jax.custom_jvp
def cut(x):
    """Several parts, complex numbers, and numbers that are made of nothing, in one derivative of one's own."""
    several = jnp.split(x * (1 + 0j), [3], axis=-1)
    return jnp.concatenate(several, -1).real + jnp.arange(x.shape[-1])


@cut.defjvp
def _(values, tangents):
    return cut(*values), tangents[0]


@pytest.mark.parametrize(
    "made",
    [
        OfMyOwn(),
        one_layer(lambda w, pair: turning(jnp.stack([w @ pair.ravel()] * 7)).sum(1)),
        one_layer(lambda w, pair: cut(w @ pair.ravel())),
    ],
)
def test_a_derivative_of_ones_own_is_kept_and_is_no_relu(made):
    operations = [node.operation for node in graph_of(made).nodes]
    assert "jax.custom_jvp_call" in operations
    assert "aten.relu.default" not in operations


def test_convolutions_in_a_loop_are_by_our_operations_too():
    made = filled(Unrolled)
    graph = graph_of(made)
    parameters = [np.zeros(spec.shape, np.float32) for spec in graph.parameters]
    traced = str(
        jax.make_jaxpr(lambda images: run(graph, parameters, [], images)[0])(np.zeros((4, 2, 8, 8), np.float32))
    )
    assert "scan" in traced
    assert "conv_general_dilated" not in traced
