"""JAX as it is by itself, whatever is set for it in this process."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import jax

# The platform of the devices that is computed for, where that is said.
_PLATFORM: ContextVar[str] = ContextVar("platform")


def platform() -> str:
    """For what kind of device operations are chosen: JAX's own default, unless another is pinned."""
    return _PLATFORM.get(None) or jax.default_backend()


@contextmanager
def pinned(precision: str | None = None, platform: str | None = None) -> Iterator[None]:
    """Within, JAX computes as nobody had set anything; afterwards all is as before.

    `precision` is JAX's name of that of products; None is the device's own. `platform` is that of the devices.
    """
    with ExitStack() as stack:
        if platform:
            stack.callback(_PLATFORM.reset, _PLATFORM.set(platform))
        for context in (
            jax.enable_x64(False),
            jax.threefry_partitionable(True),
            jax.default_prng_impl("threefry2x32"),
            jax.default_matmul_precision(precision),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.transfer_guard("allow"),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.disable_jit(False),
            jax.check_tracer_leaks(False),
            jax.default_device(None),
        ):
            stack.enter_context(context)
        yield
