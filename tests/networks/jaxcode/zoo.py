"""Networks in JAX of many kinds, as people write them, for images of 8 x 8; each takes `key`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jax.nn import relu


class Twin(eqx.Module):
    """Two branches of a convolution and pooling, shared or not, with the classes of each image or without."""

    branches: list
    head: eqx.nn.Linear
    aux: bool

    def __init__(self, share=True, aux=False, *, key):
        first, second, third = random.split(key, 3)
        self.branches = [branch(first)] if share else [branch(first), branch(second)]
        self.head, self.aux = eqx.nn.Linear(20, 2, key=third), aux

    def __call__(self, pair):
        left, right = self.branches[0](pair[:1]), self.branches[-1](pair[1:])
        answer = self.head(relu(jnp.concatenate([left, right])))
        return (answer, left, right) if self.aux else answer


def branch(key):
    first, second = random.split(key)
    return eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(1, 4, 3, key=first),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.Lambda(relu),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(36, 10, key=second),
        ]
    )


class Norm(eqx.Module):
    """Batch normalisation with its state, and dropout."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    head: eqx.nn.Linear

    def __init__(self, mode="ema", *, key):
        first, second = random.split(key)
        self.conv = eqx.nn.Conv2d(2, 3, 3, stride=2, padding=1, key=first)
        self.norm = eqx.nn.BatchNorm(3, "rows", mode=mode, momentum=0.9)
        self.dropout = eqx.nn.Dropout(0.4)
        self.head = eqx.nn.Linear(48, 2, key=second)

    def __call__(self, pair, state, *, key):
        x, state = self.norm(self.conv(pair), state)
        return self.head(self.dropout(relu(x).ravel(), key=key)), state


class Norms(eqx.Module):
    """Layer and group normalisation, GELU and softmax, on two images."""

    conv: eqx.nn.Conv2d
    group: eqx.nn.GroupNorm
    layer: eqx.nn.LayerNorm
    head: eqx.nn.Linear

    def __init__(self, *, key):
        first, second = random.split(key)
        self.conv = eqx.nn.Conv2d(1, 4, 3, use_bias=False, key=first)
        self.group, self.layer = eqx.nn.GroupNorm(2, 4), eqx.nn.LayerNorm((144,))
        self.head = eqx.nn.Linear(288, 2, key=second)

    def __call__(self, left, right):
        several = [self.layer(jax.nn.gelu(self.group(self.conv(x))).ravel()) for x in (left, right)]
        return jax.nn.softmax(self.head(jnp.concatenate(several)))


class Residual(eqx.Module):
    """A skip around a convolution, a depthwise one, average pooling, and a mean over places."""

    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    depthwise: eqx.nn.Conv2d
    pool: eqx.nn.AvgPool2d
    head: eqx.nn.Linear

    def __init__(self, *, key):
        keys = random.split(key, 4)
        self.first = eqx.nn.Conv2d(2, 4, 3, padding="SAME", key=keys[0])
        self.second = eqx.nn.Conv2d(4, 4, 2, padding="SAME", key=keys[1])
        self.depthwise = eqx.nn.Conv2d(4, 8, 3, groups=4, dilation=2, key=keys[2])
        self.pool, self.head = eqx.nn.AvgPool2d(2, 2), eqx.nn.Linear(8, 2, key=keys[3])

    def __call__(self, pair):
        x = jax.nn.silu(self.first(pair))
        x = self.pool(self.depthwise(x + jax.nn.elu(self.second(x))))
        return self.head(x.mean((1, 2)))


class Perceptron(eqx.Module):
    """The difference of two images in one logit, through a sigmoid."""

    body: eqx.nn.MLP
    head: eqx.nn.Linear

    def __init__(self, *, key):
        first, second = random.split(key)
        self.body = eqx.nn.MLP(64, 6, 12, 2, activation=jnp.tanh, key=first)
        self.head = eqx.nn.Linear(6, "scalar", key=second)

    def __call__(self, left, right):
        return jax.nn.sigmoid(self.head(jnp.abs(self.body(left.ravel()) - self.body(right.ravel()))))


class Attention(eqx.Module):
    """Rows of both images that look at each other."""

    attention: eqx.nn.MultiheadAttention
    head: eqx.nn.Linear

    def __init__(self, *, key):
        first, second = random.split(key)
        self.attention = eqx.nn.MultiheadAttention(2, 8, dropout_p=0.1, key=first)
        self.head = eqx.nn.Linear(8, 2, key=second)

    def __call__(self, pair, key):
        rows = pair.reshape(16, 8)
        return self.head(self.attention(rows, rows, rows, key=key).max(0))


class Recurrent(eqx.Module):
    """A cell that reads the rows of each image one after the other."""

    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self, *, key):
        first, second = random.split(key)
        self.cell, self.head = eqx.nn.GRUCell(8, 5, key=first), eqx.nn.Linear(10, 2, key=second)

    def __call__(self, pair):
        def read(image):
            return jax.lax.scan(lambda state, row: (self.cell(row, state), None), jnp.zeros(5), image)[0]

        return self.head(jnp.concatenate([read(pair[0]), read(pair[1])]))


class ClassesAlone(eqx.Module):
    """What each image is, by one branch over both, and no answer."""

    branch: eqx.nn.Sequential

    def __init__(self, *, key):
        self.branch = branch(key)

    def __call__(self, pair):
        return jax.vmap(self.branch)(pair[:, None])


class Transposed(eqx.Module):
    """A transposed convolution, and layers in one axis."""

    up: eqx.nn.ConvTranspose2d
    along: eqx.nn.Conv1d
    pool: eqx.nn.MaxPool1d
    head: eqx.nn.Linear

    def __init__(self, *, key):
        keys = random.split(key, 3)
        self.up = eqx.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, key=keys[0])
        self.along = eqx.nn.Conv1d(3, 4, 5, stride=3, key=keys[1])
        self.pool, self.head = eqx.nn.MaxPool1d(3, 2, padding=1), eqx.nn.Linear(76, 2, key=keys[2])

    def __call__(self, pair):
        x = self.along(self.up(pair).reshape(3, -1)[:, :115])
        return self.head(jnp.maximum(self.pool(x), 0).ravel()[:76])


class Batches(eqx.Module):
    """A batch of pairs at once, by products alone, with weights that are drawn and never trained."""

    first: jax.Array
    second: jax.Array
    order: jax.Array

    def __init__(self, *, key):
        keys = random.split(key, 3)
        self.first, self.second = 0.1 * random.normal(keys[0], (128, 7)), random.normal(keys[1], (7, 2))
        self.order = random.permutation(keys[2], 128)

    def __call__(self, pairs):
        rows = pairs.reshape(len(pairs), 128)[:, self.order]
        return jax.nn.log_softmax(relu(rows @ self.first) @ self.second)


class Shared(eqx.Module):
    """Two layers that Equinox keeps one array for, and a gradient of the user's own."""

    layers: eqx.nn.Shared
    head: eqx.nn.Linear

    def __init__(self, *, key):
        first, second, third = random.split(key, 3)
        two = eqx.nn.Linear(64, 8, key=first), eqx.nn.Linear(64, 8, key=second)
        self.layers = eqx.nn.Shared(two, lambda both: both[1].weight, lambda both: both[0].weight)
        self.head = eqx.nn.Linear(16, 2, key=third)

    def __call__(self, left, right):
        one, two = self.layers()
        return self.head(passed(jnp.concatenate([one(left.ravel()), two(right.ravel())])))


@jax.custom_vjp
def passed(x):
    """The sign, with the gradient of x itself."""
    return jnp.sign(x)


passed.defvjp(lambda x: (jnp.sign(x), None), lambda _, gradient: (gradient,))


class Unrolled(eqx.Module):
    """A convolution in each turn of a loop."""

    conv: eqx.nn.Conv2d
    head: eqx.nn.Linear

    def __init__(self, *, key):
        first, second = random.split(key)
        self.conv = eqx.nn.Conv2d(2, 2, 3, padding=1, key=first)
        self.head = eqx.nn.Linear(128, 2, key=second)

    def __call__(self, pair):
        def turn(x, scale):
            return relu(scale * self.conv(x)), x.sum()

        x, sums = jax.lax.scan(turn, pair, jnp.arange(1.0, 3.0))
        return self.head(x.ravel()) + sums.mean()


def plain():
    """(init, apply) with parameters in dictionaries, and channels last, as Flax and Haiku have them."""

    def init(key):
        first, second = random.split(key)
        return {
            "conv": {"w": 0.3 * random.normal(first, (3, 3, 1, 4)), "b": jnp.zeros(4)},
            "head": {"w": 0.1 * random.normal(second, (72, 2)), "b": jnp.zeros(2)},
        }

    def one(parameters, images):
        x = jax.lax.conv_general_dilated(
            images[..., None], parameters["w"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = relu(x + parameters["b"])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return x.reshape(len(x), -1)

    def apply(parameters, pairs):
        both = [one(parameters["conv"], pairs[:, side]) for side in (0, 1)]
        return jnp.concatenate(both, axis=1) @ parameters["head"]["w"] + parameters["head"]["b"]

    return init, apply


def with_state():
    """(init, apply) with a running mean, and noise in training."""

    def init(key):
        return {"w": 0.1 * random.normal(key, (128, 2))}, {"mean": jnp.zeros(128), "calls": jnp.zeros((), int)}

    def apply(parameters, pairs, *, state, key, training):
        rows = pairs.reshape(len(pairs), -1)
        mean = rows.mean(0) if training else state["mean"]
        after = {"mean": 0.9 * state["mean"] + 0.1 * mean, "calls": state["calls"] + 1} if training else state
        noise = 0.1 * random.normal(key, rows.shape) if training else 0.0
        return {"answer": (rows - mean + noise) @ parameters["w"], "rows": rows}, after

    return init, apply


def two_images():
    """(init, apply) of two images, with a list of arrays, and a choice that depends on numbers."""

    def init(key):
        return [0.2 * random.normal(key, (64, 3)), jnp.ones(3)]

    def apply(parameters, left, right):
        a, b = (jnp.sin(x.reshape(len(x), 64) @ parameters[0]) for x in (left, right))
        z = jax.lax.cond(a.sum() > 0, lambda: a - b, lambda: (a - b) ** 3)
        return z @ parameters[1]

    return init, apply


def filled(make):
    """What `make` makes, with numbers that are drawn by NumPy: to compile JAX's own for each shape takes a second."""
    drawn = np.random.default_rng(0)

    def fill(each):
        if not isinstance(each, jax.ShapeDtypeStruct):
            return each
        if jnp.issubdtype(each.dtype, jnp.inexact):
            # Vectors may be variances.
            numbers = drawn.normal(0, 0.3, each.shape) if each.ndim > 1 else drawn.uniform(0.1, 0.5, each.shape)
            return jnp.asarray(numbers.astype(each.dtype))
        return jnp.asarray(np.arange(each.size).reshape(each.shape).astype(each.dtype))

    return jax.tree.map(fill, eqx.filter_eval_shape(make, key=random.key(0)))


MODULES = {
    "shared branches": Twin,
    "branches apart, with classes": lambda key: Twin(False, True, key=key),
    "batch normalisation": Norm,
    "batch normalisation of batches": lambda key: Norm("batch", key=key),
    "other normalisation": Norms,
    "a skip": Residual,
    "a distance": Perceptron,
    "attention": Attention,
    "a cell": Recurrent,
    "classes alone": ClassesAlone,
    "other convolutions": Transposed,
    "batches": Batches,
    "shared arrays": Shared,
    "a convolution in a loop": Unrolled,
}
PAIRS = {"plain": plain, "with state": with_state, "two images": two_images}
