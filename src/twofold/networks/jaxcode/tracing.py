"""A user's network in JAX as graphs: in training and in evaluation, for each number of pairs that is used."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr

from twofold.errors import NetworkError
from twofold.networks.graphs.draft import Draft, Leaf
from twofold.networks.graphs.exported import Convention, Exported, Held
from twofold.networks.graphs.graph import Reference, Spec
from twofold.networks.jaxcode import equations as equations
from twofold.networks.jaxcode.calling import Arrays, Callee, check_arrays, fitting_words
from twofold.networks.jaxcode.generic import text_of_closed
from twofold.networks.jaxcode.mistakes import is_of_shapes, mistake
from twofold.networks.jaxcode.translate import STEP_KEY, Translation, leaf_of
from twofold.networks.seeding import generators_seeded
from twofold.networks.telling import words_of


def fitting(callee: Callee, pairs: Spec) -> list[Convention]:
    """The conventions in which a network can be called in both modes, the one that is tried first ahead.

    Raises `NetworkError` where there is none.
    """
    found, tried = [], []
    errors: list[Exception] = []
    for convention in callee.conventions(pairs):
        try:
            for training in (True, False):
                jax.eval_shape(function_of(callee, convention, training=training), *_examples(callee, pairs))
        except NetworkError:
            raise
        except Exception as error:
            if not is_of_shapes(error):
                raise mistake(callee.name, error) from error
            tried.append((convention, words_of(error)))
            errors.append(error)
        else:
            found.append(convention)
    if found:
        return found
    if len(errors) == 1 or len({words for _, words in tried}) == 1:  # whatever the shape is, so it is not the shape
        raise mistake(callee.name, errors[0]) from errors[0]
    raise fitting_words(callee.name, tried, pairs)


def export(callee: Callee, convention: Convention, pairs: Spec, numbers: Sequence[tuple[bool, int]]) -> Exported:
    """The graphs of a network that is called by a convention, for each mode and number of pairs.

    They are traced in the precision of the pairs: double precision is known within `jax.enable_x64` alone.
    """
    check_arrays(callee.name, callee.parameters, callee.buffers)
    callee = callee.in_precision(pairs.dtype)
    leaves = [*_leaves(callee.parameters, trained=True), *_leaves(callee.buffers, trained=False)]
    drafts = [_draft(callee, convention, Spec((n, *pairs.shape[1:]), pairs.dtype), leaves, mode) for mode, n in numbers]
    used = list(dict.fromkeys(leaf for draft in drafts for leaf in draft.used()))
    parameters, buffers = (tuple(leaf for leaf in used if leaf.trained == trained) for trained in (True, False))
    return Exported(
        callee.name,
        convention,
        tuple((mode, n, draft.graph(parameters, buffers)) for (mode, n), draft in zip(numbers, drafts)),
        tuple(Held(leaf.names, leaf.spec) for leaf in parameters),
        tuple(Held(leaf.names, leaf.spec) for leaf in buffers),
        tuple(leaf.names[0] for leaf in leaves if leaf.trained and leaf not in parameters),
    )


def example_key() -> jax.Array:
    """The key of a try, and of comparisons."""
    return jax.random.key(0)


def function_of(callee: Callee, convention: Convention, *, training: bool) -> Callable[..., tuple[list, list]]:
    """The network as a function of parameters, buffers, pairs and a key: to its outputs, and the buffers afterwards."""

    def function(parameters: list, buffers: list, pairs: Any, key: Any) -> tuple[list, list]:
        outputs, after = callee.call(convention, parameters, buffers, pairs, key, training=training)
        return arrays_in(outputs), after

    return function


def _examples(callee: Callee, pairs: Spec) -> tuple[list, list, jax.ShapeDtypeStruct, jax.Array]:
    images = jax.ShapeDtypeStruct(pairs.shape, pairs.dtype)
    return callee.parameters.values, callee.buffers.values, images, example_key()


def arrays_in(outputs: Any) -> list[Any]:
    """The arrays of a nesting of outputs."""
    return [each for each in jax.tree.leaves(outputs) if hasattr(each, "shape")]


def _leaves(arrays: Arrays, *, trained: bool) -> list[Leaf]:
    specs = [Spec(tuple(array.shape), str(array.dtype)) for array in arrays.values]
    return [leaf_of(name, spec, trained=trained) for name, spec in zip(arrays.names, specs)]


def _traced(callee: Callee, convention: Convention, pairs: Spec, training: bool) -> ClosedJaxpr:
    """What is computed in a mode, for one number of pairs; the same whatever other generators than JAX's draw."""
    several = []
    for seed in (0, 1):
        try:
            with generators_seeded(seed, 0):
                function = function_of(callee, convention, training=training)
                several.append(jax.make_jaxpr(function)(*_examples(callee, pairs)))
        except Exception as error:
            raise mistake(callee.name, error) from error
    if len(set(map(text_of_closed, several))) > 1:
        raise NetworkError(
            f"{callee.name}: it draws from Python's or NumPy's random numbers, or counts, when it is called, which "
            "would be the same in every step; draw with jax.random from key, and count in a state"
        )
    return several[0]


def _draft(callee: Callee, convention: Convention, pairs: Spec, leaves: Sequence[Leaf], training: bool) -> Draft:
    traced = _traced(callee, convention, pairs, training)
    draft = Draft(callee.name, pairs)
    translation = Translation(draft)
    tensors = [draft.leaf(leaf, leaf.layout) for leaf in leaves]
    for leaf, tensor in zip(leaves, tensors):
        translation.enter(tensor.value, leaf.spec, leaf.names[0].rpartition(".")[0] if leaf.trained else None)
    (key,) = translation.emit(STEP_KEY, (), {}, Spec((), str(example_key().dtype)))
    given = [*(tensor.value for tensor in tensors), Reference(0), key]
    results = translation.follow(traced.jaxpr, traced.consts, given)
    count = len(results) - sum(not leaf.trained for leaf in leaves)
    written = [tensor for leaf, tensor in zip(leaves, tensors) if not leaf.trained]
    for tensor, value in zip(written, results[count:]):
        if value != tensor.value:
            draft.write(tensor, translation.array(value, tensor.spec))
    draft.finish(tuple(results[:count]))
    return draft
