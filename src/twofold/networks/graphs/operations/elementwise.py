"""Operations on each element. Where a derivative jumps, it has PyTorch's value at the jump."""

import math
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.native import activation
from twofold.networks.graphs.operations.table import Number, Operand, operation

_SIXTH = 0.1666666716337204

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

for _name, _function in cast(
    dict[str, Callable[..., Any]],
    {
        "abs": jnp.abs,
        "neg": jnp.negative,
        "exp": jnp.exp,
        "exp2": jnp.exp2,
        "expm1": jnp.expm1,
        "log": jnp.log,
        "log1p": jnp.log1p,
        "log2": jnp.log2,
        "log10": jnp.log10,
        "sqrt": jnp.sqrt,
        "rsqrt": jax.lax.rsqrt,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "tan": jnp.tan,
        "asin": jnp.arcsin,
        "acos": jnp.arccos,
        "atan": jnp.arctan,
        "sinh": jnp.sinh,
        "cosh": jnp.cosh,
        "tanh": jnp.tanh,
        "asinh": jnp.arcsinh,
        "acosh": jnp.arccosh,
        "atanh": jnp.arctanh,
        "sigmoid": jax.nn.sigmoid,
        "erf": jax.scipy.special.erf,
        "erfc": jax.scipy.special.erfc,
        "erfinv": jax.scipy.special.erfinv,
        "lgamma": jax.scipy.special.gammaln,
        "digamma": jax.scipy.special.digamma,
        "floor": jnp.floor,
        "ceil": jnp.ceil,
        "trunc": jnp.trunc,
        "sign": jnp.sign,
        "sgn": jnp.sign,
        "reciprocal": jnp.reciprocal,
        "square": jnp.square,
        "relu": jax.nn.relu,
        "silu": jax.nn.silu,
        "log_sigmoid": jax.nn.log_sigmoid,
        "logical_not": jnp.logical_not,
        "bitwise_not": jnp.bitwise_not,
        "isnan": jnp.isnan,
        "isinf": jnp.isinf,
        "isfinite": jnp.isfinite,
        "maximum": jnp.maximum,
        "minimum": jnp.minimum,
        "fmax": jnp.fmax,
        "fmin": jnp.fmin,
        "max.other": jnp.maximum,
        "min.other": jnp.minimum,
        "atan2": jnp.arctan2,
        "hypot": jnp.hypot,
        "logaddexp": jnp.logaddexp,
        "logical_and": jnp.logical_and,
        "logical_or": jnp.logical_or,
        "logical_xor": jnp.logical_xor,
        "mul.Tensor": jnp.multiply,
        "mul.Scalar": jnp.multiply,
        "floor_divide": jnp.floor_divide,
        "floor_divide.Scalar": jnp.floor_divide,
        "remainder.Tensor": jnp.remainder,
        "remainder.Scalar": jnp.remainder,
        "fmod.Tensor": jnp.fmod,
        "fmod.Scalar": jnp.fmod,
        "pow.Tensor_Tensor": jnp.power,
        "pow.Scalar": jnp.power,
        "where.self": jnp.where,
        "where.ScalarOther": jnp.where,
        "where.ScalarSelf": jnp.where,
        "where.Scalar": jnp.where,
    },
).items():
    operation(_name, layout="any")(_function)

for _name, _function in cast(
    dict[str, Callable[..., Any]],
    {
        "eq": jnp.equal,
        "ne": jnp.not_equal,
        "lt": jnp.less,
        "le": jnp.less_equal,
        "gt": jnp.greater,
        "ge": jnp.greater_equal,
        "bitwise_and": jnp.bitwise_and,
        "bitwise_or": jnp.bitwise_or,
        "bitwise_xor": jnp.bitwise_xor,
    },
).items():
    operation(f"{_name}.Tensor", f"{_name}.Scalar", layout="any")(_function)


@operation(
    "clone",
    "contiguous",
    "alias",
    "lift_fresh",
    "lift_fresh_copy",
    "positive",
    "to.dtype",
    "to.dtype_layout",
    layout="any",
)
@operation(
    "to.device", "to.other", "to.prim_Device", "_to_copy", "type_as", "lift", "conj", "resolve_conj", layout="any"
)
@operation("resolve_neg", "float", "double", "int", "long", "bool", "half", "requires_grad_", layout="any")
def same(x: Array, *_: Any, **__: Any) -> Array:
    """The same numbers; where their type changes, the interpreter changes it after every operation."""
    return x


@operation("detach", layout="any")
def detach(x: Array) -> Array:
    """The same numbers, of which there is no derivative."""
    return jax.lax.stop_gradient(x)


@jax.custom_jvp
def write_unseen(before: Array, after: Array) -> Array:
    """What was written where gradients do not look: its numbers, and the derivative of what was there before."""
    return jnp.broadcast_to(after, before.shape)


@write_unseen.defjvp
def _as_before(values: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return write_unseen(*values), tangents[0]


operation("twofold.write_unseen", layout="any")(write_unseen)


@operation("copy")
def copy(x: Array, source: Array, non_blocking: bool = False) -> Array:
    """The source in the shape of x."""
    return jnp.broadcast_to(source, x.shape)


@operation("fill.Scalar", "fill.Tensor", layout="any")
def fill(x: Array, value: Operand) -> Array:
    """One value in the shape of x."""
    return jnp.broadcast_to(jnp.asarray(value, x.dtype), x.shape)


@operation("zero", layout="any")
def zero(x: Array) -> Array:
    """Zeros in the shape of x."""
    return jnp.zeros_like(x)


@operation("frac", layout="any")
def frac(x: Array) -> Array:
    """What follows the point."""
    return x - jnp.trunc(x)


@operation("round", "round.decimals", layout="any")
def round_(x: Array, *, decimals: int = 0) -> Array:
    """The nearest whole number, of two the even one."""
    return jnp.round(x * 10**decimals) / 10**decimals if decimals else jnp.round(x)


@operation("add.Tensor", "add.Scalar", layout="any")
def add(x: Operand, y: Operand, *more: Operand, alpha: Operand = 1) -> Array:
    """x + alpha y."""
    alpha = more[0] if more else alpha
    return jnp.add(x, y if _is_one(alpha) else jnp.multiply(y, alpha))


@operation("sub.Tensor", "sub.Scalar", layout="any")
def sub(x: Operand, y: Operand, *more: Operand, alpha: Operand = 1) -> Array:
    """x - alpha y."""
    alpha = more[0] if more else alpha
    return jnp.subtract(x, y if _is_one(alpha) else jnp.multiply(y, alpha))


@operation("rsub.Tensor", "rsub.Scalar", layout="any")
def rsub(x: Operand, y: Operand, *more: Operand, alpha: Operand = 1) -> Array:
    """y - alpha x."""
    return sub(y, x, *more, alpha=alpha)


def _is_one(alpha: Operand) -> bool:
    return isinstance(alpha, int | float) and alpha == 1


@operation(
    "div.Tensor",
    "div.Scalar",
    "div.Tensor_mode",
    "div.Scalar_mode",
    "true_divide.Tensor",
    "divide.Tensor",
    layout="any",
)
def div(x: Operand, y: Operand, *, rounding_mode: str | None = None) -> Array:
    """x / y, as it is or rounded to a whole number."""
    if rounding_mode == "floor":
        return jnp.floor_divide(x, y)
    if rounding_mode == "trunc":
        x, y = jnp.broadcast_arrays(x, y)
        dtype = jnp.promote_types(x.dtype, y.dtype)
        if jnp.issubdtype(dtype, jnp.integer):
            return jax.lax.div(x.astype(dtype), y.astype(dtype))
        return jnp.trunc(jnp.true_divide(x, y))
    return jnp.true_divide(x, y)


@operation("pow.Tensor_Scalar", layout="any")
def power(x: Array, exponent: Operand) -> Array:
    """x to a constant power; a whole one gives a derivative at 0 too."""
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) < 64:
        exponent = int(exponent)
    if isinstance(exponent, int) and not jnp.issubdtype(x.dtype, jnp.integer):
        return jax.lax.integer_pow(x, exponent)
    return jnp.power(x, exponent)


@operation("clamp", "clamp.Tensor", "clip", "clip.Tensor", layout="any")
def clamp(x: Array, min: Operand | None = None, max: Operand | None = None) -> Array:
    """x within bounds; at a bound the gradient goes to x."""
    low = x if min is None else jnp.where(x < min, min, x)
    clamped = low if max is None else jnp.where(low > max, max, low)
    return jnp.where(jnp.isnan(x), x, clamped) if jnp.issubdtype(x.dtype, jnp.inexact) else clamped


@operation("clamp_min", "clamp_min.Tensor", layout="any")
def clamp_min(x: Array, min: Operand) -> Array:
    """x, or the lower bound."""
    return clamp(x, min)


@operation("clamp_max", "clamp_max.Tensor", layout="any")
def clamp_max(x: Array, max: Operand) -> Array:
    """x, or the upper bound."""
    return clamp(x, None, max)


@operation("twofold.relu_of_sum", layout="any")
def relu_of_sum(x: Array, bias: Array | None, others: Array | None) -> Array:
    """The ReLU of images, of a bias for each channel, and of other images, together; the bias has the images' axes."""
    if bias is None:
        return activation.relu_of_sum(x, None, others)
    if bias.shape == (*[1] * (x.ndim - 1), x.shape[-1]):
        return activation.relu_of_sum(x, bias.ravel(), others)
    return activation.portable_relu(x, bias, others)


@operation("twofold.zero_or_more", layout="any")
def zero_or_more(x: Array) -> Array:
    """The larger of x and 0 as JAX has it: with half of the gradient where x is 0, of which a ReLU passes none."""
    return jnp.maximum(x, 0)


@operation("relu6", layout="any")
def relu6(x: Array) -> Array:
    """x within 0 and 6."""
    return hardtanh(x, 0, 6)


@operation("hardtanh", layout="any")
def hardtanh(x: Array, min_val: Number = -1, max_val: Number = 1) -> Array:
    """x within bounds; at a bound there is no gradient."""
    low, high = jnp.asarray(min_val, x.dtype), jnp.asarray(max_val, x.dtype)
    return jnp.where(x <= low, low, jnp.where(x >= high, high, x))


@operation("leaky_relu", layout="any")
def leaky_relu(x: Array, negative_slope: Number = 0.01) -> Array:
    """x, or a part of it below 0."""
    return jnp.where(x > 0, x, x * negative_slope)


@operation("prelu", "_prelu_kernel", layout="kept")
def prelu(x: Array, weight: Array, *, channels_last: bool = False) -> Array:
    """x, or a part of it below 0 that is learnt, for each channel."""
    if channels_last:
        weight = weight.reshape(-1)
    elif weight.ndim < 2 and x.ndim > 1:
        weight = weight.reshape(1, -1, *[1] * (x.ndim - 2))
    return jnp.where(x > 0, x, x * weight)


@operation("threshold", layout="any")
def threshold(x: Array, threshold: Number, value: Number) -> Array:
    """x above the threshold, else the value."""
    return jnp.where(x > threshold, x, jnp.asarray(value, x.dtype))


@operation("elu", layout="any")
def elu(x: Array, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1) -> Array:
    """Scaled x, or an exponential below 0."""
    return jnp.where(x > 0, x * scale, alpha * scale * jnp.expm1(jnp.where(x > 0, 0, x) * input_scale))


@operation("selu", layout="any")
def selu(x: Array) -> Array:
    """The ELU that keeps means and variances."""
    return elu(x, _SELU_ALPHA, _SELU_SCALE)


@operation("celu", layout="any")
def celu(x: Array, alpha: Number = 1) -> Array:
    """The ELU whose derivative is continuous."""
    return elu(x, alpha, 1, 1 / alpha)


@operation("gelu", layout="any")
def gelu(x: Array, *, approximate: str = "none") -> Array:
    """x times the normal distribution at x."""
    if approximate == "tanh":
        return 0.5 * x * (1 + jnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return _gelu(x)


@jax.custom_vjp
def _gelu(x: Array) -> Array:
    return _gelu_and_slope(x)[0]


def _gelu_and_slope(x: Array) -> tuple[Array, Array]:
    """Both at once: the normal distribution, which takes long, is computed for one of them alone."""
    below = 0.5 * (1 + jax.scipy.special.erf(x * math.sqrt(0.5)))
    return x * below, below + x * jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


_gelu.defvjp(_gelu_and_slope, lambda slope, gradient: (gradient * slope,))


@operation("mish", layout="any")
def mish(x: Array) -> Array:
    """x times the hyperbolic tangent of its softplus."""
    return x * jnp.tanh(softplus(x))


@operation("softplus", layout="any")
def softplus(x: Array, beta: Number = 1, threshold: Number = 20) -> Array:
    """The smooth ReLU; beyond the threshold x itself."""
    scaled = x * beta
    return jnp.where(scaled > threshold, x, jnp.log1p(jnp.exp(jnp.where(scaled > threshold, 0, scaled))) / beta)


@operation("hardsigmoid", layout="any")
def hardsigmoid(x: Array) -> Array:
    """A sigmoid of three straight lines; PyTorch has its derivative in single precision always."""
    sloped = hardtanh(x, -3, 3) * _SIXTH
    return sloped + jax.lax.stop_gradient(hardtanh(x + 3, 0, 6) / 6 - sloped)


@operation("hardswish", layout="any")
def hardswish(x: Array) -> Array:
    """x times its hard sigmoid."""
    return jnp.where(x <= -3, jnp.zeros_like(x), jnp.where(x < 3, x * (x + 3) / 6, x))


@operation("hardshrink", layout="any")
def hardshrink(x: Array, lambd: Number = 0.5) -> Array:
    """x where it is far enough from 0."""
    return jnp.where((x >= -lambd) & (x <= lambd), jnp.zeros_like(x), x)


@operation("softshrink", layout="any")
def softshrink(x: Array, lambd: Number = 0.5) -> Array:
    """x, moved towards 0."""
    return jnp.where(x > lambd, x - lambd, jnp.where(x < -lambd, x + lambd, jnp.zeros_like(x)))


@operation("glu")
def glu(x: Array, dim: int = -1) -> Array:
    """One half times the sigmoid of the other."""
    kept, gate = jnp.split(x, 2, axis=dim)
    return kept * jax.nn.sigmoid(gate)


@operation("logit", layout="any")
def logit(x: Array, eps: Number | None = None) -> Array:
    """The inverse of the sigmoid."""
    x = x if eps is None else clamp(x, eps, 1 - eps)
    return jnp.log(x / (1 - x))


@operation("lerp.Scalar", "lerp.Tensor", layout="any")
def lerp(start: Array, end: Array, weight: Operand) -> Array:
    """From the start towards the end."""
    return start + weight * (end - start)


@operation("addcmul", layout="any")
def addcmul(x: Array, first: Array, second: Array, *, value: Number = 1) -> Array:
    """x and a product."""
    return x + value * first * second


@operation("addcdiv", layout="any")
def addcdiv(x: Array, first: Array, second: Array, *, value: Number = 1) -> Array:
    """x and a quotient."""
    return x + value * first / second


@operation("nan_to_num", layout="any")
def nan_to_num(
    x: Array, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None
) -> Array:
    """x without what are no numbers."""
    return jnp.nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf)


@operation("masked_fill.Scalar", "masked_fill.Tensor", layout="any")
def masked_fill(x: Array, mask: Array, value: Operand) -> Array:
    """The value where the mask is, else x."""
    return jnp.where(mask, jnp.asarray(value, x.dtype), x)


# Probabilities are kept so far from 0 and 1, beyond which single precision has no logit of theirs.
_LEAST = 1e-7


@operation("twofold.logit")
def logit_of_probability(p: Array) -> Array:
    """The logit of a probability."""
    p = jnp.clip(p, _LEAST, 1 - _LEAST)
    return jnp.log(p) - jnp.log1p(-p)


@operation("twofold.logit_of_logarithm")
def logit_of_logarithm(log_p: Array) -> Array:
    """The logit of a probability that is given by its logarithm."""
    log_p = jnp.clip(log_p, None, -_LEAST)
    return log_p - jnp.log(-jnp.expm1(log_p))


@operation("twofold.logarithm_of_probability")
def logarithm_of_probability(p: Array) -> Array:
    """Of several probabilities that add up to 1: logits whose softmax they are."""
    return jnp.log(jnp.clip(p, _LEAST, None))


@operation("twofold.logit_of_one")
def logit_of_one(x: Array, place: int, kept: bool) -> Array:
    """Of logits along the last axis: the logit of one class against all others; the axis stays where it is `kept`."""
    rest = jax.nn.logsumexp(jnp.delete(x, place, axis=-1), axis=-1)
    value = x[..., place] - rest
    return value[..., None] if kept else value
