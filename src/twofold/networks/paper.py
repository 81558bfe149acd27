"""The paper's network (section III): two branches that each read an image, and a head that compares them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from twofold.data import AnyArray, Task
from twofold.native.geometry import CHANNELS1, CHANNELS2
from twofold.native.operations import features
from twofold.networks.blocks import dense, pooled_size
from twofold.networks.calls import LayerRow
from twofold.networks.protocol import Outputs, Variables
from twofold.settings import Settings, check_names

HIDDEN_UNITS = 128

# The slope of each bottleneck activation below zero; that of leaky_relu is PyTorch's default of nn.LeakyReLU.
SLOPES = {"relu": 0.0, "leaky_relu": 0.01}
check_names("bottleneck_activation", SLOPES)


class Layer(eqx.Module):
    """The parameters of a convolution or a fully connected layer.

    In a branch both have a leading axis `g` of 1 (shared by the branches) or 2 (one for each): convolutions are
    (g, 3, 3, in, out), dense layers (g, in, out). In the head g is 1.
    """

    weight: Float[Array, "g *inputs out"]
    bias: Float[Array, "g out"]


class PairNetwork(eqx.Module):
    """The two-branch network of the paper (section III); whether its weights are shared is in its shapes.

    The features that reach `dense1` are ordered (row, column, channel).
    """

    conv1: Layer
    conv2: Layer
    dense1: Layer
    dense2: Layer
    head1: Layer
    head2: Layer

    @property
    def branches(self) -> int:
        """1 where the branches share their weights, else 2."""
        return self.conv1.weight.shape[0]

    def __call__(self, images: Float[Array, "n 2 *channels h w"], negative_slope: float | Array = 0.0) -> Outputs:
        """The outputs for n pairs of images.

        `negative_slope` is the slope of the bottleneck's activation below zero: 0 makes it a ReLU.
        """
        return self.on_branches(by_branch(images, self.branches), negative_slope)

    def on_branches(self, images: Float[Array, "g n *channels h w"], negative_slope: float | Array) -> Outputs:
        """The outputs for pairs of images that `by_branch` has ordered."""
        conv1, conv2 = self.conv1, self.conv2
        hidden = features(images, conv1.weight, conv1.bias, conv2.weight, conv2.bias)
        hidden = jax.nn.relu(dense(hidden, self.dense1.weight, self.dense1.bias))
        digits = dense(hidden, self.dense2.weight, self.dense2.bias).reshape(2, -1, self.dense2.bias.shape[-1])
        bottleneck = jnp.where(digits > 0, digits, negative_slope * digits)
        both = jnp.concatenate([bottleneck[0], bottleneck[1]], axis=1)[None]  # 1, n, 2 * classes
        hidden = jax.nn.relu(dense(both, self.head1.weight, self.head1.bias))
        logits = dense(hidden, self.head2.weight, self.head2.bias)[0]
        class_logits = digits.transpose(1, 0, 2)
        return Outputs(logits, class_logits, units=class_logits)


@dataclass(frozen=True)
class Twin:
    """What is compiled of the four networks (a `twofold.networks.protocol.Structure`): branches of one kind or two.

    Auxiliary losses are no part of it: every twin names the classes, and the loss says whether that counts.
    """

    weight_sharing: bool
    draws: ClassVar[bool] = False

    def init(self, key: PRNGKeyArray, task: Task) -> Variables:
        """See `twofold.networks.protocol.Structure`."""
        shared, size, channels = self.weight_sharing, task.image_size, task.channels
        network = init_network(key, weight_sharing=shared, image_size=size, channels=channels, classes=task.classes)
        return Variables(network)

    def initial(self, seed: int, round: int) -> None:
        """See `twofold.networks.protocol.Structure`."""

    def arrange(self, images: Float[AnyArray, "n 2 *channels h w"]) -> Float[AnyArray, "g m *channels h w"]:
        """See `twofold.networks.protocol.Structure`."""
        return by_branch(images, 1 if self.weight_sharing else 2)

    def apply(
        self,
        variables: Variables,
        images: Float[AnyArray, "g m *channels h w"],
        numbers: Mapping[str, Float[AnyArray, ""]],
        *,
        training: bool = False,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Outputs, PyTree]:
        """See `twofold.networks.protocol.Structure`."""
        return variables.parameters.on_branches(images, numbers["negative_slope"]), variables.buffers

    def numbers(self, settings: Settings) -> dict[str, float]:
        """See `twofold.networks.protocol.Structure`."""
        return {"negative_slope": SLOPES[settings.bottleneck_activation]}

    def layers(self, task: Task) -> list[LayerRow]:
        """See `twofold.networks.protocol.Structure`; shapes are (height, width, channels) or (units,)."""

        def fresh() -> PairNetwork:  # the key is made within, so that nothing of JAX is started for shapes alone
            return self.init(jax.random.key(0), task).parameters

        network = eqx.filter_eval_shape(fresh)
        after1 = (*pooled_size(*task.image_size), CHANNELS1)
        after2 = (*pooled_size(*after1[:2]), CHANNELS2)
        features = after2[0] * after2[1] * after2[2]
        rows = [
            ("conv1", "convolution 3x3, max pooling 2x2, ReLU", (*task.image_size, task.channels), after1),
            ("conv2", "convolution 3x3, max pooling 2x2, ReLU", after1, after2),
            ("dense1", "dense, ReLU", (features,), (HIDDEN_UNITS,)),
            ("dense2", "dense, ReLU (bottleneck)", (HIDDEN_UNITS,), (task.classes,)),
            ("head1", "dense on both branches, ReLU", (2 * task.classes,), (HIDDEN_UNITS,)),
            ("head2", "dense", (HIDDEN_UNITS,), (2,)),
        ]
        return [
            LayerRow(f"{name}: {what}", before, after, _size(getattr(network, name)))
            for name, what, before, after in rows
        ]


def by_branch(images: Float[AnyArray, "n 2 *channels h w"], branches: int) -> Float[AnyArray, "g m *channels h w"]:
    """The images of n pairs for two branches, or for one that sees all the first images and then the second."""
    first_and_second = images.swapaxes(0, 1)
    return first_and_second if branches == 2 else first_and_second.reshape(1, -1, *images.shape[2:])


def init_network(
    key: PRNGKeyArray,
    *,
    weight_sharing: bool,
    image_size: tuple[int, int] = (14, 14),
    channels: int = 1,
    classes: int = 10,
) -> PairNetwork:
    """A fresh network for images of (height, width) in so many channels and classes, initialised as PyTorch does.

    Weights and biases are uniform in +-1/sqrt(fan_in) (torch.nn.Conv2d and torch.nn.Linear). Images must be at least
    10 x 10.
    """
    g = 1 if weight_sharing else 2
    rows, columns = pooled_size(*pooled_size(*image_size))
    shapes = {
        "conv1": (g, 3, 3, channels, CHANNELS1),
        "conv2": (g, 3, 3, CHANNELS1, CHANNELS2),
        "dense1": (g, rows * columns * CHANNELS2, HIDDEN_UNITS),
        "dense2": (g, HIDDEN_UNITS, classes),
        "head1": (1, 2 * classes, HIDDEN_UNITS),
        "head2": (1, HIDDEN_UNITS, 2),
    }
    keys = jax.random.split(key, len(shapes))
    return PairNetwork(**{name: _init_layer(k, shape) for k, (name, shape) in zip(keys, shapes.items())})


def _init_layer(key: PRNGKeyArray, shape: tuple[int, ...]) -> Layer:
    fan_in = 1
    for axis in shape[1:-1]:
        fan_in *= axis
    for_weight, for_bias = jax.random.split(key)
    bound = fan_in**-0.5
    return Layer(
        weight=jax.random.uniform(for_weight, shape, jnp.float32, -bound, bound),
        bias=jax.random.uniform(for_bias, (shape[0], shape[-1]), jnp.float32, -bound, bound),
    )


def _size(layer: Layer) -> int:
    return layer.weight.size + layer.bias.size
