"""What is said where a user's network in JAX cannot be called or followed: one line with the cause and what to do."""

import traceback

import jax

from twofold.errors import NetworkError
from twofold.networks.jaxcode.translate import line_of
from twofold.networks.telling import words_of

# What a function raises that gets images of a shape it was not made for; anything else is a mistake in it.
_OF_SHAPES = (TypeError, ValueError, IndexError, AssertionError, ZeroDivisionError)

_OF_NUMBERS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)

# Known causes: what an error's text has, what that means, and the remedy.
_CAUSES = (
    (
        "requires a key",
        "a layer draws random numbers and is given no key",
        "write def __call__(self, pair, *, key), and give it to the layer: self.dropout(x, key=key)",
    ),
    (
        "unbound axis name",
        "its batch normalisation reads another axis than there is",
        'build it with axis_name="batch", and take one pair at a time',
    ),
    *(
        (
            text,
            "it gives jax.jit a module, of which not all is arrays",
            "leave jax.jit out, since all that is trained is compiled, or use equinox.filter_jit",
        )
        for text in ("as an abstract array", "unhashable type: 'DynamicJaxprTracer'")
    ),
    (
        "out_axes is None",
        "its state differs between the pairs of a batch",
        'make it of the whole batch, as jax.lax.pmean(x, "batch") does',
    ),
)


def is_of_shapes(error: BaseException) -> bool:
    """Whether other shapes of images may do."""
    known = any(text in str(error) for text, _, _ in _CAUSES)
    return isinstance(error, _OF_SHAPES) and not isinstance(error, _OF_NUMBERS) and not known


def mistake(network: str, error: BaseException) -> NetworkError:
    """The error about what went wrong when a network was called, or where it cannot be followed."""
    if isinstance(error, NetworkError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    line = line_of([(frame.filename, frame.lineno or 0) for frame in reversed(frames)])
    return NetworkError(f"{network}{f' ({line})' if line else ''}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the program (exit code {error.code}); take sys.exit out"
    if isinstance(error, jax.errors.TracerArrayConversionError):
        return "it leaves JAX with NumPy, as np.asarray does; use jax.numpy's functions in the place of NumPy's"
    if isinstance(error, _OF_NUMBERS):
        return (
            "what is computed depends on the numbers in an array (if, while, assert, int() or float() of one); use "
            "jnp.where or jax.lax.cond"
        )
    for text, what, remedy in _CAUSES:
        if text in str(error):
            return f"{what}; {remedy}"
    return f"{type(error).__name__}: {words_of(error)}; mend it, or try it with one pair in JAX"
