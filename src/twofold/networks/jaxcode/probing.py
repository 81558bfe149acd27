"""A user's network in JAX tried with weights of ours: where its outputs lie, and numbers that tell it from others."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from twofold.native.quickly import compile_quickly
from twofold.networks.graphs.exported import Convention
from twofold.networks.graphs.graph import Spec
from twofold.networks.graphs.operations.sampling import fixed
from twofold.networks.graphs.roles import Range, range_of
from twofold.networks.jaxcode.calling import Callee
from twofold.networks.jaxcode.tracing import example_key, function_of

# So many pairs are enough for a try.
PAIRS = 6

# Sizes of weights and images, and how often each is tried.
_SIZES, _TRIES = (0.3, 1.0, 3.0, 30.0), 4


def ranges_of(callee: Callee, convention: Convention, pairs: Spec) -> list[list[Range]]:
    """Where the outputs lie in training, and in evaluation; logits have either sign where weights are large."""
    return [_in_mode(callee, convention, pairs, training) for training in (True, False)]


def _in_mode(callee: Callee, convention: Convention, pairs: Spec, training: bool) -> list[Range]:
    parameters, buffers, key = callee.parameters.values, callee.buffers.values, example_key()
    function = function_of(callee, convention, training=training)
    images = np.zeros(pairs.shape, np.float32)
    compiled = compile_quickly(lambda *given: function(*given)[0], parameters, buffers, images, key)
    drawn = np.random.default_rng(0)
    least: dict[int, float] = {}
    most: dict[int, float] = {}
    for size in _SIZES * _TRIES:
        weights = [
            drawn.normal(0, size / max(each.shape[1:2] or (1,)) ** 0.5, each.shape).astype(each.dtype)
            for each in parameters
        ]
        outputs = compiled(weights, buffers, (size * drawn.normal(size=pairs.shape)).astype(np.float32), key)
        for number, each in enumerate(map(np.asarray, outputs)):
            finite = each[np.isfinite(each)].astype(float)
            if finite.size:
                least[number] = min(least.get(number, np.inf), float(finite.min()))
                most[number] = max(most.get(number, -np.inf), float(finite.max()))
    return [range_of(least[i], most[i]) if i in least else "any" for i in range(len(outputs))]


def numbers_of(callee: Callee, convention: Convention, pairs: Spec, names: Sequence[str]) -> np.ndarray:
    """Outputs and a gradient in double precision, for fixed images and weights, which have the order of these names.

    Of a network that computes in single precision alone there are none: then its graphs have to do.
    """
    with jax.enable_x64(True):
        double = callee.in_precision("float64")
        order = {name: number for number, name in enumerate(names)}
        parameters = [
            0.5 * np.sin(9 * fixed(each.shape) + order.get(name, 0))
            for name, each in zip(double.parameters.names, double.parameters.values)
        ]
        first = double.parameters.names.index(names[0])
        function = function_of(double, convention, training=False)

        def both(parameters: list, buffers: list, images: jax.Array, key: jax.Array) -> list:
            def total(one: jax.Array) -> tuple[jax.Array, list]:
                outputs, _ = function([*parameters[:first], one, *parameters[first + 1 :]], buffers, images, key)
                return sum((jnp.sin(each).sum() for each in outputs), jnp.zeros(())), outputs

            gradient, outputs = jax.grad(total, has_aux=True)(parameters[first])
            return [*outputs, gradient]

        given = (parameters, double.buffers.values, fixed(pairs.shape), example_key())
        try:
            numbers = compile_quickly(both, *given)(*given)
        except (TypeError, ValueError):
            return np.empty(0)
        return np.concatenate([np.asarray(each, float).ravel() for each in numbers])
