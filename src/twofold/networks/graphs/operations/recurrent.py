"""Recurrent layers as loops: taken apart, each step of a sequence would be compiled by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.networks.graphs.operations.sampling import dropout
from twofold.networks.graphs.operations.table import Key, Number, operation, part_of

# A step: from what the input gives to the gates and the state to the new state, whose first part is the output.
Step = Callable[[Array, tuple[Array, ...], Sequence[Array | None]], tuple[Array, ...]]


def _lstm_step(given: Array, state: tuple[Array, ...], weights: Sequence[Array | None]) -> tuple[Array, ...]:
    hidden, cell = state
    recurrent, bias, projection = weights
    into, forget, new, out = jnp.split(given + _affine(hidden, recurrent, bias), 4, axis=-1)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(into) * jnp.tanh(new)
    hidden = jax.nn.sigmoid(out) * jnp.tanh(cell)
    return (hidden if projection is None else hidden @ projection.T), cell


def _gru_step(given: Array, state: tuple[Array, ...], weights: Sequence[Array | None]) -> tuple[Array, ...]:
    recurrent, bias, _ = weights
    reset, update, new = jnp.split(given, 3, axis=-1)
    from_reset, from_update, from_new = jnp.split(_affine(state[0], recurrent, bias), 3, axis=-1)
    update = jax.nn.sigmoid(update + from_update)
    new = jnp.tanh(new + jax.nn.sigmoid(reset + from_reset) * from_new)
    return ((state[0] - new) * update + new,)


def _plain_step(activation: Callable[[Array], Array]) -> Step:
    def step(given: Array, state: tuple[Array, ...], weights: Sequence[Array | None]) -> tuple[Array, ...]:
        recurrent, bias, _ = weights
        return (activation(given + _affine(state[0], recurrent, bias)),)

    return step


def _enter(name: str, step: Step) -> None:
    """Recurrent layers: the outputs, and the last states of all layers. The state of an LSTM is two arrays."""

    @operation(name, random=True)
    def layer(
        x: Array,
        start: Array | tuple[Array, ...],
        params: Sequence[Array],
        has_biases: bool,
        num_layers: int,
        p: Number,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
        *,
        key: Key,
    ) -> tuple[Array, ...]:
        layers = _layers(params, has_biases, num_layers * (1 + bidirectional))
        states = start if isinstance(start, tuple) else (start,)
        return _stacked(step, x, states, layers, p if train else 0, bidirectional, batch_first, key)


_enter("lstm.input", _lstm_step)
_enter("gru.input", _gru_step)
_enter("rnn_tanh.input", _plain_step(jnp.tanh))
_enter("rnn_relu.input", _plain_step(jax.nn.relu))


def _affine(x: Array, weight: Any, bias: Array | None) -> Array:
    product = x @ weight.T
    return product if bias is None else product + bias


def _layers(params: Sequence[Array], has_biases: bool, count: int) -> list[list[Array | None]]:
    """For each layer and direction: weights of the input and the state, their biases, the projection."""
    each = len(params) // count
    layers = []
    for first in range(0, len(params), each):
        weights = list(params[first : first + each])
        biases = weights[2:4] if has_biases else [None, None]
        projection = weights[-1] if each % 2 else None
        layers.append([*weights[:2], *biases, projection])
    return layers


def _stacked(
    step: Step,
    x: Array,
    start: tuple[Array, ...],
    layers: list[list[Array | None]],
    p: Number,
    bidirectional: bool,
    batch_first: bool,
    key: Key,
) -> tuple[Array, ...]:
    """Layers one on the other, each of one direction or of two: the outputs, and the last states."""
    x = jnp.swapaxes(x, 0, 1) if batch_first and x.ndim == 3 else x
    ends = []
    for number, (into, recurrent, bias, recurrent_bias, projection) in enumerate(layers):
        backwards = bidirectional and number % 2 == 1
        if not backwards:
            given = x if number == 0 or p == 0 else dropout(x, p, True, key=part_of(key, number))
            outputs = []
        weights = (recurrent, recurrent_bias, projection)

        def one(state: tuple[Array, ...], gates: Array, weights: tuple = weights) -> tuple[tuple[Array, ...], Array]:
            state = step(gates, state, weights)
            return state, state[0]

        state = tuple(each[number] for each in start)
        end, output = jax.lax.scan(one, state, _affine(given, into, bias), reverse=backwards)
        ends.append(end)
        outputs.append(output)
        x = jnp.concatenate(outputs, axis=-1)
    last = tuple(jnp.stack(each) for each in zip(*ends))
    return jnp.swapaxes(x, 0, 1) if batch_first and x.ndim == 3 else x, *last
