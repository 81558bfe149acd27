"""JAX's equations under the names that graphs know: layers, activations, shapes, and arithmetic."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twofold.networks.graphs.graph import Dtype, Node, Reference, Spec
from twofold.networks.jaxcode.translate import (
    EQUATIONS,
    EXPAND,
    FULL,
    PERMUTE,
    RESHAPE,
    ZERO_OR_MORE,
    Translated,
    Translation,
    Value,
)

# One array to one, each element by itself.
_UNARY = {
    **{name: f"aten.{name}.default" for name in ("neg", "exp", "exp2", "log", "log1p", "expm1", "tanh", "abs", "sqrt")},
    **{name: f"aten.{name}.default" for name in ("rsqrt", "sin", "cos", "floor", "ceil", "erf", "erfc", "square")},
    "logistic": "aten.sigmoid.default",
    "stop_gradient": "aten.detach.default",
}

# Several arrays to one, each element by itself; `div` of whole numbers is another operation.
_BROADCAST = {
    "add": "aten.add.Tensor",
    "add_any": "aten.add.Tensor",
    "sub": "aten.sub.Tensor",
    "mul": "aten.mul.Tensor",
    "div": "aten.div.Tensor",
    "max": "aten.maximum.default",
    "min": "aten.minimum.default",
    **{name: f"aten.{name}.Tensor" for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}

_REDUCTIONS = {
    "reduce_sum": "aten.sum.dim_IntList",
    "reduce_max": "aten.amax.default",
    "reduce_min": "aten.amin.default",
}

CONVOLUTIONS = {f"aten.conv{axes}d.default" for axes in (1, 2, 3)}
LINEAR = "aten.linear.default"

# The types of numbers that stand in an equation as they are.
_PLAIN = {"float32", "float64", "int32", "int64", "bool"}

# What gives numbers of one sign where it is given such, and which argument that is; and what gives squares.
_PASSING = {RESHAPE: 0, EXPAND: 0, "aten.div.Tensor": 0, "aten.sum.dim_IntList": 0, "aten.where.self": 1}
_SQUARES = {"aten.square.default", "aten.mul.Tensor"}

# So many axes of space, at most, has a convolution or a pooling here.
_MOST_AXES = 3


def _enter(*names: str) -> Callable[[Translated], Translated]:
    def enter(function: Translated) -> Translated:
        EQUATIONS.update(dict.fromkeys(names, function))
        return function

    return enter


def _is_real(spec: Spec) -> bool:
    """Whether these are real numbers of full length; what is computed in shorter ones is left as it is."""
    return spec.dtype in ("float32", "float64")


def _on_one(name: str) -> Translated:
    def translated(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
        if not _is_real(spec) or params.get("accuracy") is not None or not isinstance(given[0], Reference):
            return None
        return t.on_each(name, given, spec)

    return translated


def _on_several(name: str) -> Translated:
    def translated(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
        whole = name == "aten.div.Tensor" and not _is_real(spec)
        if whole or not any(isinstance(each, Reference) for each in given):
            return None
        return t.on_each(name, given, spec)

    return translated


EQUATIONS |= {name: _on_one(operation) for name, operation in _UNARY.items()}
EQUATIONS |= {name: _on_several(operation) for name, operation in _BROADCAST.items()}


@_enter("max")
def _max(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """The larger of two values; of one and 0 what a layer of units ends in."""
    small = [t.unrepeated(each, 0) for each in given]
    arrays = [each for each in small if isinstance(each, Reference)]
    numbers = [each for each in small if not isinstance(each, Reference)]
    of_units = _is_real(spec) and numbers == [0] and t.spec(arrays[0]).shape == spec.shape
    if of_units and not _is_of_squares(t, arrays[0]):
        return t.on_each(ZERO_OR_MORE, arrays, spec)
    return _on_several("aten.maximum.default")(t, given, params, spec)


def _is_of_squares(t: Translation, value: Value) -> bool:
    """Whether a value is made of squares, as a variance is: what is below 0 there is rounding, and no dead unit."""
    node = t.maker(value, {*_PASSING, *_SQUARES})
    if node is None:
        return False
    if node.operation in _PASSING:
        return _is_of_squares(t, node.arguments[_PASSING[node.operation]])
    return node.operation == "aten.square.default" or node.arguments[0] == node.arguments[1]


@_enter("add", "add_any")
def _add(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """A sum, or the bias of the layer before."""
    made = _on_several("aten.add.Tensor")(t, given, params, spec)
    return None if made is None else _through_turns(t, made, lambda node: _with_bias(t, node))


@_enter("div")
def _div(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """A quotient, or a softmax, whose end it is."""
    made = _on_several("aten.div.Tensor")(t, given, params, spec)
    return None if made is None else _through_turns(t, made, lambda node: _softmax(t, node))


def _through_turns(t: Translation, value: Value, change: Callable[[Node], Value | None]) -> Value:
    """A value in whose making, but for a last turn of axes or another shape, something is changed."""
    last = t.maker(value, {PERMUTE, RESHAPE})
    inner = last.arguments[0] if last else value
    node = t.maker(inner, {"aten.add.Tensor", "aten.div.Tensor"})
    changed = change(node) if node else None
    if not isinstance(changed, Reference):
        return value
    if last is None:
        return changed
    return (t.permute if last.operation == PERMUTE else t.reshape)(changed, last.arguments[1])


def _with_bias(t: Translation, node: Node) -> Value | None:
    """A convolution or a linear layer with the bias that is added to what it gives."""
    for layer, bias in (node.arguments, node.arguments[::-1]):
        made = t.maker(layer, CONVOLUTIONS | {LINEAR})
        if made is None or not t.is_of_weights(bias) or (len(made.arguments) > 2 and made.arguments[2] is not None):
            continue
        spec = node.outputs[0]
        axis = 1 if made.operation in CONVOLUTIONS else len(spec.shape) - 1
        wanted = tuple(size if place == axis else 1 for place, size in enumerate(spec.shape))
        if t.spec(bias).shape == wanted and t.spec(layer).shape == spec.shape:
            arguments = (*made.arguments[:2], t.reshape(bias, (spec.shape[axis],)), *made.arguments[3:])
            return t.one(made.operation, arguments, spec)
    return None


def _softmax(t: Translation, node: Node) -> Value | None:
    """The softmax of z, where this is exp(z) by its sum along an axis; what is taken off z first changes nothing."""
    above, below = node.arguments
    power, total = t.maker(above, "aten.exp.default"), t.maker(_unshaped(t, below), "aten.sum.dim_IntList")
    if power is None or total is None or total.arguments[0] != above or len(total.arguments[1]) != 1:
        return None
    (axis,) = total.arguments[1]
    z = power.arguments[0]
    kept = tuple(1 if place == axis else size for place, size in enumerate(t.spec(z).shape))
    if t.spec(below).shape != kept:
        return None
    shifted = t.maker(z, "aten.sub.Tensor")
    if shifted and t.maker(shifted.arguments[1], "aten.detach.default") and t.spec(shifted.arguments[1]).shape == kept:
        z = shifted.arguments[0]
    return t.one("aten.softmax.int", (z, axis), node.outputs[0])


def _unshaped(t: Translation, value: Value) -> Value:
    node = t.maker(value, RESHAPE)
    return node.arguments[0] if node else value


@_enter("integer_pow")
def _integer_pow(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    return t.on_each("aten.pow.Tensor_Scalar", [*given, int(params["y"])], spec) if _is_real(spec) else None


@_enter("select_n")
def _select(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    which, *cases = given
    if len(cases) != 2 or t.spec(which).dtype != "bool":
        return None
    return t.on_each("aten.where.self", [which, cases[1], cases[0]], spec)


@_enter("convert_element_type")
def _converted(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    if not isinstance(given[0], Reference):
        return np.asarray(given[0], spec.dtype).item() if spec.dtype in _PLAIN else None
    if t.spec(given[0]).dtype == spec.dtype:
        return given[0]
    return t.one("aten.to.dtype", (*given, Dtype(spec.dtype)), spec)


def _reduction(name: str) -> Translated:
    def translated(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
        axes = tuple(sorted(map(int, params["axes"])))
        return t.one(name, (given[0], axes), spec) if _is_real(spec) and axes else None

    return translated


EQUATIONS |= {name: _reduction(operation) for name, operation in _REDUCTIONS.items()}


@_enter("psum")
def _sum_over_pairs(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """What is summed over an axis of `vmap`, which has a number by now."""
    axes = params["axes"]
    if not _are_arrays(given) or not _is_real(spec) or not all(isinstance(axis, int) for axis in axes):
        return None
    return t.one("aten.sum.dim_IntList", (given[0], tuple(axes)), spec)


@_enter("reshape")
def _reshape(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    return t.reshape(given[0], spec.shape) if params.get("dimensions") is None and _are_arrays(given) else None


@_enter("squeeze", "expand_dims")
def _squeeze(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    return t.reshape(given[0], spec.shape) if _are_arrays(given) else None


@_enter("transpose")
def _transpose(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    return t.permute(given[0], params["permutation"])


@_enter("broadcast_in_dim")
def _broadcast(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    value = given[0]
    if not isinstance(value, Reference):
        return t.one(FULL, (spec.shape, value), spec)
    between = [1] * len(spec.shape)
    for axis, size in zip(params["broadcast_dimensions"], t.spec(value).shape):
        between[axis] = size
    value = t.reshape(value, between)
    return value if tuple(between) == spec.shape else t.one(EXPAND, (value, spec.shape), spec)


@_enter("slice")
def _slice(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    value = given[0]
    steps = params["strides"] or [1] * len(spec.shape)
    for axis, bounds in enumerate(zip(params["start_indices"], params["limit_indices"], steps)):
        value = t.slice(value, axis, *map(int, bounds))
    return value


@_enter("dynamic_slice")
def _dynamic_slice(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """A part that begins at numbers that stand in the equation."""
    value, *starts = given
    if any(isinstance(each, Reference) for each in starts):
        return None
    for axis, (start, size) in enumerate(zip(starts, spec.shape)):
        start = min(max(int(start), 0), t.spec(value).shape[axis] - size)
        value = t.slice(value, axis, start, start + size)
    return value


@_enter("concatenate")
def _concatenate(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    if not _are_arrays(given) or not _is_real(spec):
        return None
    return t.one("aten.cat.default", (tuple(given), int(params["dimension"])), spec)


def _are_arrays(given: Sequence[Value]) -> bool:
    return all(isinstance(each, Reference) for each in given)


@_enter("dot_general")
def _product(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """A linear layer, where one side is a matrix of weights; other products stay as they are."""
    (contracted, batch) = params["dimension_numbers"]
    specs = [t.spec(each) for each in given]
    if not _are_arrays(given) or any(map(len, batch)) or [len(each) for each in contracted] != [1, 1]:
        return None
    if not _is_real(spec) or any(each.dtype != spec.dtype for each in specs):
        return None
    side = next((i for i in (0, 1) if t.is_of_weights(given[i]) and len(specs[i].shape) == 2), None)
    if side is None or t.is_of_weights(given[1 - side]):
        return None
    weights, x = given[side], given[1 - side]
    inner, axis = int(contracted[side][0]), int(contracted[1 - side][0])
    matrix = t.permute(weights, (1 - inner, inner))  # (out, in)
    rest = [each for each in range(len(specs[1 - side].shape)) if each != axis]
    last = t.permute(x, (*rest, axis))
    made = Spec((*(specs[1 - side].shape[each] for each in rest), specs[side].shape[1 - inner]), spec.dtype)
    layer = t.one(LINEAR, (last, matrix), made)
    return t.permute(layer, (len(rest), *range(len(rest)))) if side == 0 else layer


@_enter("conv_general_dilated")
def _convolution(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
    """A convolution of channels after the pairs; one that spreads its images is that of spread images."""
    images, kernel, result = params["dimension_numbers"]
    space = len(spec.shape) - 2
    if not _are_arrays(given) or not _is_real(spec) or params["batch_group_count"] != 1 or not 1 <= space <= _MOST_AXES:
        return None
    x, weights = t.permute(given[0], images), t.permute(given[1], kernel)
    x = _spread(t, x, [int(each) for each in params["lhs_dilation"]])
    x, edges = _with_edges(t, x, [(int(low), int(high)) for low, high in params["padding"]], 0.0)
    strides, dilation = (tuple(map(int, params[name])) for name in ("window_strides", "rhs_dilation"))
    made = Spec(tuple(spec.shape[axis] for axis in result), spec.dtype)
    arguments = (x, weights, None, strides, edges, dilation, int(params["feature_group_count"]))
    layer = t.one(f"aten.conv{space}d.default", arguments, made)
    return t.permute(layer, [result.index(axis) for axis in range(len(result))])


def _spread(t: Translation, x: Reference, factors: Sequence[int]) -> Reference:
    """Images with zeros between their pixels, as a transposed convolution has them."""
    for axis, factor in enumerate(factors, 2):
        if factor == 1:
            continue
        shape, real = t.spec(x).shape, t.spec(x).dtype
        apart = t.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
        sizes = (*(0, 0) * (len(shape) - axis - 1), 0, factor - 1)
        wider = (*shape[: axis + 1], factor, *shape[axis + 1 :])
        apart = t.one("aten.pad.default", (apart, sizes, "constant", 0.0), Spec(wider, real))
        x = t.reshape(apart, (*shape[:axis], shape[axis] * factor, *shape[axis + 1 :]))
        x = t.slice(x, axis, 0, (shape[axis] - 1) * factor + 1)
    return x


def _with_edges(
    t: Translation, x: Reference, padding: Sequence[tuple[int, int]], fill: float
) -> tuple[Reference, tuple[int, ...]]:
    """Images (n, channels, ...), and the edges that are still to be added on both sides of each axis of space."""
    if all(low == high >= 0 for low, high in padding):
        return x, tuple(low for low, _ in padding)
    sizes = tuple(size for each in reversed(padding) for size in each)
    shape, real = t.spec(x).shape, t.spec(x).dtype
    wider = (*shape[:2], *(size + low + high for size, (low, high) in zip(shape[2:], padding)))
    return t.one("aten.pad.default", (x, sizes, "constant", fill), Spec(wider, real)), (0,) * len(padding)


def _pooling(kind: str, fill: float) -> Translated:
    def translated(t: Translation, given: list[Any], params: dict[str, Any], spec: Spec) -> Value | None:
        """Windows along at most three axes; the others are those of pairs and of channels."""
        windows = list(zip(params["window_dimensions"], params["window_strides"], params["padding"]))
        pooled = [axis for axis, each in enumerate(windows) if each != (1, 1, (0, 0))]
        others = [axis for axis in range(len(windows)) if axis not in pooled]
        spread = any(each != 1 for each in (*params["base_dilation"], *params["window_dilation"]))
        if spread or not 1 <= len(pooled) <= _MOST_AXES or not others or not _is_real(spec):
            return None
        order = (*others, *pooled)
        sizes = t.spec(given[0]).shape
        ahead = (math.prod(sizes[axis] for axis in others[:-1]), sizes[others[-1]])
        x = t.reshape(t.permute(given[0], order), (*ahead, *(sizes[axis] for axis in pooled)))
        x, edges = _with_edges(t, x, [windows[axis][2] for axis in pooled], fill)
        size, stride = (tuple(int(windows[axis][i]) for axis in pooled) for i in (0, 1))
        if any(2 * edge > length for edge, length in zip(edges, size)):
            return None
        more = () if kind == "max" else (False, True, 1)
        made = Spec((*ahead, *(spec.shape[axis] for axis in pooled)), spec.dtype)
        name = f"aten.{kind}_pool{len(pooled)}d.default"
        value = t.one(name, (x, size, stride, *((edges, *more) if any(edges) or more else ())), made)
        value = t.reshape(value, [spec.shape[axis] for axis in order])
        return t.permute(value, [order.index(axis) for axis in range(len(order))])

    return translated


EQUATIONS |= {"reduce_window_max": _pooling("max", -math.inf), "reduce_window_sum": _pooling("avg", 0.0)}
