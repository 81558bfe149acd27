"""Ways to one result, values and gradients, compared in double precision; and trials together with each alone."""

import jax
import jax.numpy as jnp
import numpy as np

from twofold.native.quickly import compile_quickly


def values_and_gradients(way, arrays):
    """The outputs, and the gradients of a function of them, or of the first of several, whose own gradient varies."""

    def total(*arrays):
        outputs = way(*arrays)
        return jnp.sin(jax.tree.leaves(outputs)[0]).sum(), outputs

    over = tuple(range(len(arrays)))
    (_, outputs), gradients = jax.value_and_grad(total, over, has_aux=True)(*arrays)
    return *jax.tree.leaves(outputs), *gradients


def assert_same_ways(ours, theirs, arrays, rtol=1e-10):
    """Each of `ours` comes to what `theirs` comes to; all are compiled as one program, which takes half the time."""
    with jax.enable_x64(True):
        run = compile_quickly(lambda *arrays: [values_and_gradients(way, arrays) for way in (*ours, theirs)], *arrays)
        *found, expected = run(*arrays)
        for number, each in enumerate(found):
            for a, b in zip(each, expected, strict=True):
                atol = 1e-11 * max(float(abs(b).max()), 1)
                np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"the way of number {number}")


def assert_alone_are_together(way, arrays):
    """Arrays have an axis of trials first; computed together and alone they are the same bits."""
    arrays = [each.astype(np.float32) for each in arrays]
    gradients = jax.grad(lambda *arrays: jnp.sin(way(*arrays)).sum(), tuple(range(len(arrays))))
    together, alone = jax.jit(jax.vmap(gradients))(*arrays), jax.jit(gradients)
    for number in range(len(arrays[0])):
        for a, b in zip(together, alone(*(each[number] for each in arrays)), strict=True):
            np.testing.assert_array_equal(a[number], b)
