"""What the user's class or function made, as a function of arrays that is called with pairs, however it asks for them.

An Equinox module is called with one pair at a time, as such modules are, or with a batch; the function `apply` of
(init, apply) with a batch, or with one pair.
"""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from twofold.errors import NetworkError
from twofold.networks.graphs.exported import Convention
from twofold.networks.graphs.graph import Spec
from twofold.networks.seeding import words
from twofold.networks.telling import said_of_shapes

# Arguments that are given by their names where a function has them.
_NAMED = ("state", "key", "training")

# Conventions by how many images they give at once, in the order in which they are tried.
_ONE_PAIR = {1: ("one pair", "one pair with channels"), 2: ("one pair as two images",)}
_BATCH = {1: ("pairs", "pairs with channels", "rows"), 2: ("two images",)}


@dataclass(frozen=True)
class Arrays:
    """The arrays of a network, in order, with their names."""

    values: list[Any]
    names: list[str]


def is_module_class(make: type) -> bool:
    """Whether a class makes Equinox modules."""
    return issubclass(make, eqx.Module)


def is_network(made: Any) -> bool:
    """Whether this is an Equinox module, alone or with its state, or a pair (init, apply)."""
    return isinstance(made, eqx.Module) or _has_state(made) or _is_pair(made)


def _has_state(made: Any) -> bool:
    several = isinstance(made, tuple) and len(made) == 2
    return several and isinstance(made[0], eqx.Module) and isinstance(made[1], eqx.nn.State)


def _is_pair(made: Any) -> bool:
    several = isinstance(made, tuple) and len(made) == 2
    return several and all(callable(each) and not isinstance(each, eqx.Module) for each in made)


def key_of(seed: int, round: int) -> jax.Array:
    """The key from which a network is made in a round."""
    low, high, *_ = words(seed, round)
    return jax.random.fold_in(jax.random.key(np.uint32(low)), np.uint32(high))


def made(make: Callable[..., Any], *, seed: int, round: int) -> Any:
    """What the user's class or function makes, given `key=` where it takes one."""
    return make(key=key_of(seed, round)) if "key" in _parameters(make) else make()


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a class that is not Python's
        return {}
    return {name: each for name, each in parameters.items() if not _is_given(function, name)}


def _is_given(function: Callable[..., Any], name: str) -> bool:
    return isinstance(function, partial) and name in function.keywords


class Callee:
    """A network that was made: its arrays, and how it is called with other arrays in their place.

    Raises `NetworkError` for what cannot be called with images.
    """

    def __init__(self, name: str, made: Any, *, seed: int, round: int) -> None:
        self.name = name
        self._is_module = not _is_pair(made)
        if self._is_module:
            self._split_module(made)
        else:
            self._split_pair(made, key_of(seed, round))
        self._check_arguments()

    def _split_module(self, made: Any) -> None:
        module, state = made if _has_state(made) else eqx.nn.make_with_state(lambda: made)()
        if not callable(module):
            raise NetworkError(f"{self.name}: its class has no __call__; write def __call__(self, pair)")
        self._given = _parameters(module)
        trained, rest = eqx.partition(module, eqx.is_inexact_array)
        fixed, self._rest = eqx.partition(rest, _is_array)
        self._trained, self._fixed, self._state = trained, fixed, state
        self._axis = _axis_of(module)

    def _split_pair(self, made: tuple[Callable[..., Any], Callable[..., Any]], key: jax.Array) -> None:
        init, self._apply = made
        variables = init(key)
        with_state = "state" in _parameters(self._apply)
        if with_state and not (isinstance(variables, tuple) and len(variables) == 2):
            raise NetworkError(f"{self.name}: its apply takes a state, so init must return (parameters, state)")
        parameters, self._state = variables if with_state else (variables, ())
        self._trained, self._rest = eqx.partition(parameters, lambda each: _is_array(each) and _is_real(each))
        self._fixed, self._rest = eqx.partition(self._rest, _is_array)
        self._given = dict([*_parameters(self._apply).items()][1:])  # after the parameters
        self._axis = "batch"

    @property
    def parameters(self) -> Arrays:
        """What is trained."""
        return _arrays(self._trained)

    @property
    def buffers(self) -> Arrays:
        """Other arrays, and then the state."""
        fixed, state = _arrays(self._fixed), _arrays(self._state, "state")
        return Arrays(fixed.values + state.values, fixed.names + state.names)

    def in_precision(self, real: str) -> "Callee":
        """The same network, whose real arrays are of this type; counters grow with them, as JAX's numbers do."""

        def cast(array: Any) -> Any:
            if array.dtype in (np.float32, np.float64):
                return array.astype(real)
            longer = real == "float64" and getattr(array, "weak_type", False)
            return array.astype("int64") if longer and array.dtype == np.int32 else array

        other = copy.copy(self)
        for name in ("_trained", "_fixed", "_state"):
            setattr(other, name, jax.tree.map(cast, getattr(self, name)))
        return other

    def filled(self, parameters: Sequence[Any], buffers: Sequence[Any]) -> Any:
        """What the user has, in evaluation, with other arrays: a module, or parameters; and the state if it has one."""
        trained, fixed, state = self._unflattened(parameters, buffers)
        whole = eqx.combine(trained, fixed, self._rest)
        if self._is_module:
            whole = eqx.nn.inference_mode(whole)
        return (whole, state) if jax.tree.leaves(self._state) else whole

    def _unflattened(self, parameters: Sequence[Any], buffers: Sequence[Any]) -> tuple[Any, Any, Any]:
        count = len(jax.tree.leaves(self._fixed))
        several = ((self._trained, parameters), (self._fixed, buffers[:count]), (self._state, buffers[count:]))
        trained, fixed, state = (jax.tree.unflatten(jax.tree.structure(tree), list(each)) for tree, each in several)
        return trained, fixed, state

    def conventions(self, pairs: Spec) -> list[Convention]:
        """The conventions that might fit, in the order in which they are tried."""
        several = (_ONE_PAIR, _BATCH) if self._is_module else (_BATCH, _ONE_PAIR)
        found: dict[tuple, Convention] = {}
        for images in self._counts:
            for kind in several:
                for name in kind[images]:
                    shapes = tuple(Convention(name).shapes(pairs))
                    found.setdefault((kind is _BATCH, shapes), Convention(name))
        return list(found.values())

    def call(
        self,
        convention: Convention,
        parameters: Sequence[Any],
        buffers: Sequence[Any],
        pairs: Any,
        key: Any,
        *,
        training: bool,
    ) -> tuple[Any, list[Any]]:
        """The outputs for pairs (n, 2, ...), as the user nests them, and the buffers afterwards."""
        trained, fixed, state = self._unflattened(parameters, buffers)
        whole = eqx.combine(trained, fixed, self._rest)
        if self._is_module:
            function = whole if training else eqx.nn.inference_mode(whole)
        else:
            function = partial(self._apply, whole)
        images = _images(convention, pairs)
        if convention.name in (*_BATCH[1], *_BATCH[2]):
            outputs, after = self._called(function, images, state, key, training)
        else:
            keys = jax.random.split(key, pairs.shape[0])
            one = jax.vmap(
                lambda images, key: self._called(function, images, state, key, training),
                out_axes=(0, None),
                axis_name=self._axis,
            )
            outputs, after = one(images, keys)
        wanted: Any = jax.tree.structure(self._state)  # that it was given may be used up, as Equinox's is
        if wanted != jax.tree.structure(after):
            raise NetworkError(f"{self.name}: it returns another state than it is given; return (outputs, state)")
        count = len(jax.tree.leaves(fixed))
        return outputs, [*buffers[:count], *jax.tree.leaves(after)]

    def _called(
        self, function: Callable[..., Any], images: tuple, state: Any, key: Any, training: bool
    ) -> tuple[Any, Any]:
        named = {"state": state, "key": key, "training": training}
        given = {name: named[name] for name in _NAMED if name in self._given}
        result = function(*images, **given)
        if "state" not in given:
            return result, state
        if not isinstance(result, tuple) or len(result) != 2:
            raise NetworkError(f"{self.name}: it takes a state, so it must return (outputs, state)")
        return result

    def _check_arguments(self) -> None:
        """Raise `NetworkError` unless it can be given one array of images, or two."""
        kinds = inspect.Parameter
        images = [
            each
            for name, each in self._given.items()
            if name not in _NAMED and each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        ]
        needed = [
            name
            for name, each in self._given.items()
            if name not in _NAMED and each.default is each.empty and each.kind not in _VARIABLE
        ]
        several = any(each.kind is kinds.VAR_POSITIONAL for each in self._given.values())
        count = 2 if several and not needed else len(needed) or min(len(images), 1)
        if count not in (1, 2) or len(images) + 2 * several < count:
            listed = ", ".join(needed) or "none"
            raise NetworkError(
                f"{self.name}: it must be given {len(needed)} arguments ({listed}); it can be given one (the pair) or "
                "two (the left and the right image), and state, key and training by these names"
            )
        takes_second = count == 1 and len(images) > 1 and images[1].default is None
        self._counts = (1, 2) if takes_second else (2, 1) if count == 2 and not images else (count,)
        if self._is_module and jax.tree.leaves(self._state) and "state" not in self._given:
            raise NetworkError(
                f"{self.name}: it has state, as batch normalisation has, and takes none; write "
                "def __call__(self, pair, state), and return (outputs, state)"
            )


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray)


def _is_real(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def _axis_of(module: Any) -> Any:
    """The name of the axis that its batch normalisation reads."""
    for each in jax.tree.leaves(module, is_leaf=lambda part: hasattr(part, "axis_name")):
        name = getattr(each, "axis_name", None)
        if isinstance(name, str):
            return name
    return "batch"


def _images(convention: Convention, pairs: Any) -> tuple[Any, ...]:
    """The images as a function takes them, of all pairs; one pair's have its axis ahead."""
    shapes = convention.shapes(Spec(pairs.shape, "float32"))
    parts = (pairs,) if len(shapes) == 1 else (pairs[:, 0], pairs[:, 1])
    ahead = () if convention.name in (*_BATCH[1], *_BATCH[2]) else (pairs.shape[0],)
    return tuple(each.reshape(*ahead, *shape) for each, shape in zip(parts, shapes))


def _arrays(tree: Any, root: str = "") -> Arrays:
    """The arrays of a tree, by their paths from the root: "branch.layers.0.weight"."""
    with_paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in with_paths]
    names = [".".join(filter(None, (root, path))) or "weights" for path in paths]
    return Arrays([value for _, value in with_paths], names)


def check_arrays(name: str, parameters: Arrays, buffers: Arrays) -> None:
    """Raise `NetworkError` for complex or short numbers, for keys, and for two names of one array."""
    first: dict[int, str] = {}
    for array, path in zip(parameters.values, parameters.names):
        if jnp.issubdtype(array.dtype, jnp.complexfloating):
            raise NetworkError(f"{name}: {path} is complex; keep its real and its imaginary part as two arrays")
        if array.dtype not in (jnp.float32, jnp.float64):
            raise NetworkError(
                f"{name}: {path} has numbers of {array.dtype}, and weights are trained in float32; leave its dtype "
                "out, and make what you compute shorter, with astype"
            )
        if id(array) in first:
            raise NetworkError(
                f"{name}: {first[id(array)]} and {path} are one array, which JAX trains as two; keep it under one "
                "name, and use that twice, or use equinox.nn.Shared"
            )
        first[id(array)] = path
    for array, path in zip(buffers.values, buffers.names):
        if str(array.dtype).startswith("key<"):
            raise NetworkError(
                f"{name}: it keeps a key, {path}; take the argument key instead, which is new in each step"
            )


def fitting_words(name: str, tried: Sequence[tuple[Convention, str]], pairs: Spec) -> NetworkError:
    """The error where no convention fits: what was tried, and what was said."""
    said = said_of_shapes(
        (f"{convention.name} {' and '.join(map(str, convention.shapes(pairs)))}", why) for convention, why in tried
    )
    size = " x ".join(map(str, pairs.shape[2:]))
    return NetworkError(
        f"{name}: no images that could be given fit: {said}; images are {size} here: take one pair (2, h, w), two "
        "images (1, h, w), or batches of these"
    )
