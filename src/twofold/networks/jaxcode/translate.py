"""What JAX traced, translated to a draft: the equations of a jaxpr, one by one, under the names that graphs know.

A draft here is tidy as it grows: an equation that only turns axes or reshapes goes with what it turned before, since
`vmap` leaves many that together do nothing, and patterns look for layers next to each other.
"""

import functools
import math
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import equinox
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun

from twofold.networks.graphs.draft import Draft, Leaf
from twofold.networks.graphs.graph import Constant, Node, Reference, Spec, references_in
from twofold.networks.graphs.operations import FIXED, TABLE, Key
from twofold.networks.graphs.operations.table import Operation
from twofold.networks.jaxcode.generic import hold
from twofold.networks.telling import shown_path

# A value in the draft, or a number that stands in the equation.
Value: TypeAlias = Reference | bool | int | float

# Equations that hold others, which are put in their place, and the parameter that has them.
_INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}

# Equations that give what they are given.
_NOTHING = {"copy", "copy_p", "optimization_barrier", "reduce_precision", "pvary"}

RESHAPE, PERMUTE, EXPAND, FULL = (f"aten.{name}.default" for name in ("reshape", "permute", "expand", "full"))
RELU, ZERO_OR_MORE = "aten.relu.default", "twofold.zero_or_more"

# What makes of an equation's inputs, parameters and output one value; None where that is not possible after all.
Translated: TypeAlias = Callable[["Translation", list[Any], dict[str, Any], Spec], Value | None]
EQUATIONS: dict[str, Translated] = {}

# What belongs to the layer before it.
_AFTER_LAYERS = {RESHAPE, PERMUTE, RELU, ZERO_OR_MORE, "aten.tanh.default", "aten.sigmoid.default"}
_AFTER_LAYERS |= {f"aten.{kind}_pool{axes}d.default" for kind in ("max", "avg") for axes in (1, 2, 3)}

# The operation that gives the step's key.
STEP_KEY = "jax.random"

# Where the files are that are not the user's.
_LIBRARIES = (
    *(str(Path(each).parent) for each in (jax.__file__, equinox.__file__, Path(__file__).parent)),
    sysconfig.get_path("stdlib"),
)


def _step_key(*, key: Key) -> Any:
    """The step's key, from which JAX's own functions draw."""
    return jax.random.key(0) if key is FIXED else key


TABLE[STEP_KEY] = Operation(_step_key, random=True, layout="")


class Translation:
    """A draft, and what is known of its values: what makes them, their shapes, and whose weights they are."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.specs: dict[int, Spec] = {0: draft.images}
        self._makers: dict[int, Node] = {}
        self._known: dict[Any, tuple[Reference, ...]] = {}
        self._weights: dict[int, str] = {}  # values that are made of weights alone, and the layer of these
        self._layers: dict[int, str] = {}  # the layer that a value comes from

    def enter(self, value: Reference, spec: Spec, layer: str | None = None) -> Reference:
        """A value that comes in; of weights with their layer."""
        self.specs[value.number] = spec
        if layer is not None:
            self._weights[value.number] = layer
        return value

    def follow(self, jaxpr: Jaxpr, constants: Sequence[Any], given: Sequence[Value]) -> list[Value]:
        """Translate equations with these inputs: what they give."""
        values: dict[Any, Value] = dict(zip(jaxpr.invars, given, strict=True))
        values |= {each: self._constant(array) for each, array in zip(jaxpr.constvars, constants, strict=True)}

        def read(each: Any) -> Value:
            return self._literal(each) if isinstance(each, Literal) else values[each]

        for equation in jaxpr.eqns:
            self.draft.line = users_line(equation) or self.draft.line
            results = self._translated(jaxpr, equation, [read(each) for each in equation.invars])
            values |= dict(zip(equation.outvars, results, strict=True))
        return [read(each) for each in jaxpr.outvars]

    def _translated(self, jaxpr: Jaxpr, equation: Any, given: list[Value]) -> Sequence[Value]:
        name, params = equation.primitive.name, equation.params
        if name in _INLINED:
            inner = params[_INLINED[name]]
            closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
            return self.follow(closed.jaxpr, closed.consts, given)
        if name in _NOTHING:
            return given
        if name == "custom_jvp_call" and is_relu(jaxpr, equation):
            return [self.on_each(RELU, given, spec_of(equation.outvars[0]))]
        if len(equation.outvars) == 1 and name in EQUATIONS:
            made = EQUATIONS[name](self, given, params, spec_of(equation.outvars[0]))
            if made is not None:
                return [made]
        return self._generic(jaxpr, equation, given)

    def _generic(self, outer: Jaxpr, equation: Any, given: list[Value]) -> Sequence[Value]:
        """The equation as an operation of its own, which takes what is no number that stands in it."""
        inputs = [each for each in equation.invars if not isinstance(each, Literal)]
        places = list(dict.fromkeys(inputs))
        name, text = hold(ClosedJaxpr(_alone(outer, equation, places), ()), equation.primitive.name)
        taken = {
            each: self.array(value, spec_of(each))
            for each, value in zip(equation.invars, given)
            if not isinstance(each, Literal)
        }
        specs = [spec_of(each) for each in equation.outvars]
        return self.emit(name, tuple(taken[each] for each in places), {"held": text}, *specs)

    def array(self, value: Value, spec: Spec) -> Reference:
        """A value as an array: numbers become constants."""
        if isinstance(value, Reference):
            return value
        return self._constant(np.full(spec.shape, value, spec.dtype))

    def _constant(self, array: Any) -> Reference:
        constant = Constant.of(np.asarray(array))
        if constant not in self._known:
            value = self.draft.constant(constant)
            self._known[constant] = (self.enter(value, constant.spec),)
        return self._known[constant][0]

    def _literal(self, literal: Literal) -> Value:
        spec = spec_of(literal)
        array = np.asarray(literal.val, spec.dtype)
        return self._constant(array) if array.ndim or array.dtype.kind not in "bif" else array.item()

    def spec(self, value: Value) -> Spec:
        """The shape and the type of a value; those of a number are not looked at."""
        return self.specs[value.number] if isinstance(value, Reference) else Spec((), "")

    def maker(self, value: Value, operations: set[str] | str) -> Node | None:
        """The operation that gives a value, where it is one of these."""
        node = self._makers.get(value.number) if isinstance(value, Reference) else None
        wanted = {operations} if isinstance(operations, str) else operations
        return node if node and node.operation in wanted else None

    def emit(self, name: str, arguments: tuple, keywords: dict[str, Any], *specs: Spec) -> tuple[Reference, ...]:
        """One more operation, or what the same gave before."""
        key = (name, tuple(map(_typed, arguments)), tuple(sorted(keywords.items())), specs)
        if key not in self._known:
            taken = [reference.number for reference in references_in((arguments, dict(keywords)))]
            self.draft.layer = self._layer(name, taken)
            self._known[key] = self.draft.emit(name, arguments, keywords, *specs)
            node = Node(name, arguments, tuple(sorted(keywords.items())), specs)
            only_weights = bool(taken) and all(each in self._weights for each in taken)
            for value, spec in zip(self._known[key], specs):
                self.specs[value.number], self._makers[value.number] = spec, node
                self._layers[value.number] = self.draft.layer
                if only_weights:
                    self._weights[value.number] = self.draft.layer
        return self._known[key]

    def _layer(self, name: str, taken: Sequence[int]) -> str:
        """The layer of an operation: that whose weights it takes; of activations and pooling that before them."""
        weights = [self._weights[each] for each in taken if each in self._weights]
        if weights:
            return weights[0]
        return self._layers.get(taken[0], "") if name in _AFTER_LAYERS else ""

    def is_of_weights(self, value: Value) -> bool:
        """Whether a value is made of weights alone."""
        return isinstance(value, Reference) and value.number in self._weights

    def one(self, name: str, arguments: tuple, spec: Spec, **keywords: Any) -> Reference:
        """One more operation that gives one value."""
        return self.emit(name, arguments, keywords, spec)[0]

    # Shapes.

    def reshape(self, value: Reference, shape: Sequence[int]) -> Reference:
        """Another shape of the same elements, in the fewest steps."""
        shape, spec = tuple(map(int, shape)), self.spec(value)
        node = self.maker(value, RESHAPE)
        if node:
            return self.reshape(node.arguments[0], shape)
        return value if shape == spec.shape else self.one(RESHAPE, (value, shape), Spec(shape, spec.dtype))

    def permute(self, value: Reference, order: Sequence[int]) -> Reference:
        """Axes in another order, in the fewest steps; axes of one are only reshaped."""
        order, spec = tuple(map(int, order)), self.spec(value)
        shape = tuple(spec.shape[axis] for axis in order)
        moved = [axis for axis in order if spec.shape[axis] != 1]
        if moved == sorted(moved):
            return self.reshape(value, shape)
        before = self.maker(value, PERMUTE)
        if before:
            return self.permute(before.arguments[0], [before.arguments[1][axis] for axis in order])
        reshaped = self.maker(value, RESHAPE)
        if reshaped and _longer(self.spec(reshaped.arguments[0]).shape) == _longer(spec.shape):
            return self.reshape(self._of_longer(reshaped.arguments[0], spec.shape, moved), shape)
        return self.one(PERMUTE, (value, order), Spec(shape, spec.dtype))

    def _of_longer(self, source: Reference, shape: Sequence[int], moved: Sequence[int]) -> Reference:
        """What is reshaped by axes of one alone, with the others in the order `moved` of axes of that shape."""
        sizes = self.spec(source).shape
        others = [axis for axis, size in enumerate(sizes) if size != 1]
        ranks = {axis: rank for rank, axis in enumerate(axis for axis, size in enumerate(shape) if size != 1)}
        ones = [axis for axis, size in enumerate(sizes) if size == 1]
        return self.permute(source, [*ones, *(others[ranks[axis]] for axis in moved)])

    def slice(self, value: Reference, axis: int, start: int, end: int, step: int = 1) -> Reference:
        """Some places along an axis."""
        spec = self.spec(value)
        if (start, end, step) == (0, spec.shape[axis], 1):
            return value
        shape = (*spec.shape[:axis], len(range(start, end, step)), *spec.shape[axis + 1 :])
        more = () if step == 1 else (step,)
        return self.one("aten.slice.Tensor", (value, axis, start, end, *more), Spec(shape, spec.dtype))

    # Elements.

    def on_each(self, name: str, given: Sequence[Value], spec: Spec) -> Reference:
        """An operation on each element, whose operands are as small as broadcasting lets them be.

        Where the largest has its axes turned, or rows of its own that `vmap` made axes, the result has that instead,
        so that layers stay next to each other.
        """
        operands = self._small(given, spec.shape)
        largest = next((each for each in operands if self.spec(each).shape == spec.shape), None)
        moved = self.maker(largest, {PERMUTE, RESHAPE}) if largest is not None else None
        before = self._before(operands, moved) if moved else None
        if moved is None or before is None:
            return self.one(name, tuple(operands), spec)
        result = self.on_each(name, before, Spec(self.spec(moved.arguments[0]).shape, spec.dtype))
        if moved.operation == PERMUTE:
            return self.permute(result, moved.arguments[1])
        return self.reshape(result, spec.shape)

    def _before(self, operands: Sequence[Value], moved: Node) -> list[Value] | None:
        """What operands are before axes were turned or reshaped; None where that would have to move many elements."""
        several = []
        for each in operands:
            node, shape = self.maker(each, moved.operation), self.spec(each).shape
            if not isinstance(each, Reference) or not shape:
                several.append(each)
            elif node and node.arguments[1] == moved.arguments[1] and self._as_large(node, moved):
                several.append(node.arguments[0])
            elif math.prod(shape) > max(moved.outputs[0].shape):
                return None
            elif moved.operation == PERMUTE:
                order = moved.arguments[1]
                several.append(self.permute(each, [order.index(axis) for axis in range(len(order))]))
            else:
                before, after = self.spec(moved.arguments[0]).shape, moved.outputs[0].shape
                kept = _common_end(before, after)
                if any(size != 1 for size in shape[: len(after) - kept]):
                    return None
                several.append(self.reshape(each, (*(1,) * (len(before) - kept), *shape[len(after) - kept :])))
        return several

    def _as_large(self, node: Node, other: Node) -> bool:
        return self.spec(node.arguments[0]).shape == self.spec(other.arguments[0]).shape

    def _small(self, given: Sequence[Value], shape: tuple[int, ...]) -> list[Value]:
        """Operands without repeats along axes, as far as the result has its shape all the same."""
        operands = list(given)
        for place, each in enumerate(given):
            source = self.unrepeated(each, len(shape))
            sizes = [self.spec(other).shape for other in (*operands[:place], source, *operands[place + 1 :])]
            if np.broadcast_shapes(*sizes) == shape:
                operands[place] = source
        return operands

    def unrepeated(self, value: Value, rank: int) -> Value:
        """A value of so many axes before it is repeated along some of them; a number where it is one everywhere."""
        node = self.maker(value, {EXPAND, FULL})
        if node and node.operation == FULL:
            return node.arguments[1]
        value = node.arguments[0] if node else value
        shape = self.spec(value).shape
        if not isinstance(value, Reference) or not shape:
            return value
        return self.reshape(value, (1,) * (rank - len(shape)) + shape)


def _typed(value: Any) -> Any:
    """An argument that is told from another of another type that is equal, as 1, 1.0 and True are; and from -0.0."""
    return tuple(map(_typed, value)) if isinstance(value, tuple) else (type(value), repr(value))


def _common_end(one: Sequence[int], other: Sequence[int]) -> int:
    """How many axes of two shapes are the same, from the last on."""
    same = [a == b for a, b in zip(reversed(one), reversed(other))]
    return same.index(False) if False in same else len(same)


def _longer(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def leaf_of(name: str, spec: Spec, *, trained: bool) -> Leaf:
    """An array that comes in; JAX's have no layout that shows."""
    strides = tuple(math.prod(spec.shape[axis + 1 :]) for axis in range(len(spec.shape)))
    return Leaf((name,), spec, (spec.shape, strides, (0,)), trained)


def spec_of(each: Any) -> Spec:
    """The shape and the type of a variable of JAX's."""
    return Spec(tuple(map(int, each.aval.shape)), str(each.aval.dtype))


def users_line(equation: Any) -> str:
    """The line of the user's file that an equation is from, as file:line; empty where there is none."""
    traceback = equation.source_info.traceback
    return line_of([(each.file_name, each.line_num) for each in traceback.frames]) if traceback else ""


def line_of(frames: Sequence[tuple[str, int]]) -> str:
    """The innermost line that is the user's, of frames from the innermost on."""
    for file, line in frames:
        if not file.startswith(_LIBRARIES) and "site-packages" not in Path(file).parts and not file.startswith("<"):
            return f"{shown_path(file)}:{line}"
    return ""


def _alone(outer: Jaxpr, equation: Any, inputs: Sequence[Any]) -> Jaxpr:
    """A jaxpr of one equation of another."""
    names: dict[str, Any] = {"arg_names": ("",) * len(inputs), "result_paths": ("",) * len(equation.outvars)}
    return Jaxpr(
        constvars=[],
        invars=list(inputs),
        outvars=equation.outvars,
        eqns=[equation],
        effects=equation.effects,
        debug_info=outer.debug_info._replace(**names),
    )


# A longer function is none of the activations that are known here.
_MOST_EQUATIONS = 8


def is_relu(outer: Jaxpr, equation: Any) -> bool:
    """Whether this is `jax.nn.relu`, whatever it is called: its values, and its derivative too."""
    if len(equation.invars) != 1 or isinstance(equation.invars[0], Literal) or equation.params["num_consts"]:
        return False
    aval = equation.invars[0].aval
    if not jax.numpy.issubdtype(aval.dtype, np.floating):  # a whole number has no derivative
        return False
    jaxpr = _alone(outer, equation, equation.invars)
    return _slope(lambda x: jaxpr_as_fun(ClosedJaxpr(jaxpr, ()))(x)[0], aval.shape, aval.dtype) == _relus()


@functools.cache
def _relus() -> str:
    return _slope(jax.nn.relu, (), np.float32)


class _Formula(NamedTuple):
    """What is computed on each element, and the order in which it has the axes; no order has what is one number."""

    text: str
    order: tuple[int, ...] = ()


def _slope(function: Callable[[Any], Any], shape: tuple[int, ...], dtype: Any) -> str:
    """A function of each element and its derivative as formulas, whatever the shape; empty for a long one.

    Under `vmap` a derivative turns axes, and turns them back; where they stay turned it is another function.
    """
    example = jax.ShapeDtypeStruct(shape, dtype)
    traced = jax.make_jaxpr(lambda x, t: jax.jvp(function, (x,), (t,)))(example, example)
    order = tuple(range(len(shape)))
    formulas = _formulas(traced.jaxpr, [_Formula("x", order), _Formula("t", order)])
    return " ".join(each.text if each.order == order else "turned" for each in formulas)


def _formulas(jaxpr: Jaxpr, given: Sequence[_Formula]) -> list[_Formula]:
    formulas: dict[Any, _Formula] = dict(zip(jaxpr.invars, given))
    if len(jaxpr.eqns) > _MOST_EQUATIONS or jaxpr.constvars:
        return []
    for equation in jaxpr.eqns:
        taken = [
            _Formula(str(each.val)) if isinstance(each, Literal) else formulas.get(each, _Formula(""))
            for each in equation.invars
        ]
        inner = equation.params.get(_INLINED.get(equation.primitive.name, "call_jaxpr"))
        within = _formulas(inner.jaxpr, taken) if isinstance(inner, ClosedJaxpr) else []
        formulas |= dict(zip(equation.outvars, within or [_formula(equation, taken)]))
    return [formulas.get(each, _Formula("")) for each in jaxpr.outvars]


def _formula(equation: Any, taken: Sequence[_Formula]) -> _Formula:
    """What one equation computes of these."""
    name, orders = equation.primitive.name, {each.order for each in taken if each.order}
    if name == "broadcast_in_dim" and not orders:
        return taken[0]
    if name == "transpose" and orders:
        return _Formula(taken[0].text, tuple(taken[0].order[axis] for axis in equation.params["permutation"]))
    text = f"{name}({','.join(each.text for each in taken)})"
    return _Formula(text, *orders) if len(orders) <= 1 else _Formula(f"turned {text}")
