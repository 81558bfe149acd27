"""Normalisation, of batches, images and groups."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.native.activation import portable_relu
from twofold.native.normalisation import normalise, normalised
from twofold.networks.graphs.operations.table import Number, Operand, operation

# Images; or images, and others that are added to the outcome before the ReLU that follows.
Images: TypeAlias = Array | tuple[Array, ...]


def _by_channel(numbers: Array, ndim: int, last: bool) -> Array:
    return numbers if last else numbers.reshape(1, -1, *[1] * (ndim - 2))


def _scaled(x: Array, weight: Array | None, bias: Array | None, last: bool) -> Array:
    """Each channel times its weight, plus its bias."""
    x = x if weight is None else x * _by_channel(weight, x.ndim, last)
    return x if bias is None else x + _by_channel(bias, x.ndim, last)


def _space(x: Array, last: bool) -> tuple[int, ...]:
    """The axes of rows and columns."""
    return tuple(range(1, x.ndim - 1) if last else range(2, x.ndim))


def _with_running(
    x: Array, weight: Array | None, bias: Array | None, mean: Any, variance: Any, eps: Number, last: bool
) -> Array:
    inverse = 1 / jnp.sqrt(variance + eps)
    scale = inverse if weight is None else inverse * weight
    return _scaled(x - _by_channel(mean, x.ndim, last), scale, bias, last)


def _with_relu(x: Array, others: Array | None, relu: bool) -> Array:
    return portable_relu(x, None, others) if relu else x


@operation("batch_norm", layout="kept")
def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    training: bool,
    momentum: Number,
    eps: Number,
    cudnn_enabled: bool = False,
    *,
    channels_last: bool = False,
) -> Array:
    """Batch normalisation that leaves no trace."""
    if not training:
        return _with_running(x, weight, bias, running_mean, running_var, eps, channels_last)
    return _batch_norm(x, weight, bias, eps, channels_last)[0]


def _batch_norm(
    images: Images, weight: Array | None, bias: Array | None, eps: Number, last: bool, relu: bool = False
) -> tuple[Array, Array, Array]:
    x, others = _parts(images)
    last = last or x.ndim == 2
    if not last:
        result, mean, variance = normalised(x, (0, *_space(x, last)), eps)
        result = _with_relu(_scaled(result, weight, bias, last), others, relu)
        return result, mean.reshape(-1), variance.reshape(-1)
    images = x[None] if others is None else (x[None], others[None])
    result, mean, variance = _grouped(images, weight, bias, x.shape[-1], eps, relu)
    return result[0], mean[0], variance[0]


def _parts(images: Images) -> tuple[Array, Array | None]:
    """The images that are normalised, and those that are added before the ReLU that follows."""
    x, *others = images if isinstance(images, tuple) else (images,)
    return x, others[0] if others else None


def _grouped(
    images: Images, weight: Array | None, bias: Array | None, groups: int, eps: Number, relu: bool = False
) -> tuple[Array, Array, Array]:
    """Each image's groups of channels, which are the last axis, normalised, and their means and variances."""
    x, others = _parts(images)
    channels = x.shape[-1]
    weight = jnp.ones(channels, x.dtype) if weight is None else weight
    bias = jnp.zeros(channels, x.dtype) if bias is None else bias
    rows = len(x), -1, channels
    others = None if others is None else others.reshape(rows)
    result, mean, variance = normalise(x.reshape(rows), weight, bias, groups, eps, relu, others)
    return result.reshape(x.shape), mean, variance


@operation("twofold.batch_norm_training", layout="kept")
def batch_norm_training(
    images: Images,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    momentum: Operand,
    eps: Number,
    shift: Array | None = None,
    *,
    relu: bool = False,
    channels_last: bool = False,
) -> tuple[Array, Array, Array]:
    """Batch normalisation, and the new running mean and variance: the latter's divisor is one less than the count.

    `shift` is what lacks in the images of each channel, and so in its mean. With `relu` the ReLU of the outcome, before
    which other images may be added.
    """
    if shift is not None:  # which changes nothing, but where it, or its gradient, is no number
        bias = 0 * shift if bias is None else bias + 0 * shift
    result, mean, variance = _batch_norm(images, weight, bias, eps, channels_last, relu)
    mean = mean if shift is None else mean + shift
    return result, *_running(running_mean, running_var, mean, variance, result.size // mean.size, momentum)


def _running(
    running_mean: Array, running_var: Array, mean: Array, variance: Array, count: int, momentum: Operand
) -> tuple[Array, Array]:
    """The new running mean and variance, after means and variances of so many numbers each."""
    unbiased = variance * (count / (count - 1)) if count > 1 else variance * jnp.nan
    return _moved(running_mean, mean, momentum), _moved(running_var, unbiased, momentum)


def _moved(running: Array, now: Array, momentum: Operand) -> Array:
    return jax.lax.stop_gradient((1 - momentum) * running + momentum * now)


@operation("instance_norm", layout="kept")
def instance_norm(
    images: Images,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    use_input_stats: bool,
    momentum: Number,
    eps: Number,
    cudnn_enabled: bool = False,
    *,
    relu: bool = False,
    channels_last: bool = False,
) -> Array:
    """Each channel of each image normalised by itself; with `relu` the ReLU of that, before which other images may be
    added."""
    x, others = _parts(images)
    if not use_input_stats:
        result = _with_running(x, weight, bias, running_mean, running_var, eps, channels_last)
    elif channels_last:
        return _grouped(images, weight, bias, x.shape[-1], eps, relu)[0]
    else:
        result = _scaled(normalised(x, _space(x, channels_last), eps)[0], weight, bias, channels_last)
    return _with_relu(result, others, relu)


@operation("twofold.instance_norm_training", layout="kept")
def instance_norm_training(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    momentum: Operand,
    eps: Number,
    *,
    channels_last: bool = False,
) -> tuple[Array, Array, Array]:
    """The same, and the new running mean and variance: means over the images of what each image has."""
    result, mean, variance = normalised(x, _space(x, channels_last), eps)
    count = x.size // mean.size
    mean, variance = (each.reshape(x.shape[0], -1).mean(0) for each in (mean, variance))
    new = _running(running_mean, running_var, mean, variance, count, momentum)
    return _scaled(result, weight, bias, channels_last), *new


@operation("layer_norm")
def layer_norm(
    x: Array,
    shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: Number = 1e-5,
    cudnn_enable: bool = True,
) -> Array:
    """The last axes normalised together."""
    return native_layer_norm(x, shape, weight, bias, eps)[0]


@operation("native_layer_norm")
def native_layer_norm(
    x: Array, shape: Sequence[int], weight: Array | None, bias: Array | None, eps: Number
) -> tuple[Array, Array, Array]:
    """The same, the mean, and the inverse of the deviation."""
    before = x.shape[: x.ndim - len(shape)]
    rows = x.reshape(math.prod(before), math.prod(shape))
    weight, bias = (None if each is None else each.ravel() for each in (weight, bias))
    result, mean, variance = _grouped(rows, weight, bias, 1, eps)
    of_rows = (*before, *[1] * len(shape))
    return result.reshape(x.shape), mean.reshape(of_rows), 1 / jnp.sqrt(variance + eps).reshape(of_rows)


@operation("rms_norm")
def rms_norm(x: Array, shape: Sequence[int], weight: Array | None = None, eps: Number | None = None) -> Array:
    """The last axes divided by the root of their mean square."""
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    result = x / jnp.sqrt(jnp.mean(jnp.square(x), axes, keepdims=True) + eps)
    return result if weight is None else result * weight


@operation("group_norm", layout="kept")
def group_norm(
    images: Images,
    groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: Number = 1e-5,
    cudnn_enabled: bool = True,
    *,
    relu: bool = False,
    channels_last: bool = False,
) -> Array:
    """The channels of a group normalised together; with `relu` the ReLU of that, before which other images may be
    added."""
    if channels_last:
        return _grouped(images, weight, bias, groups, eps, relu)[0]
    x, others = _parts(images)
    grouped = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    axes = tuple(range(2, grouped.ndim))
    result = _scaled(normalised(grouped, axes, eps)[0].reshape(x.shape), weight, bias, channels_last)
    return _with_relu(result, others, relu)


@operation("_weight_norm")
def weight_norm(direction: Array, length: Array, dim: int = 0) -> Array:
    """Weights by their direction and their length."""
    axes = None if dim == -1 else tuple(axis for axis in range(direction.ndim) if axis != dim % direction.ndim)
    return direction * (length / jnp.sqrt(jnp.sum(jnp.square(direction), axes, keepdims=dim != -1)))
