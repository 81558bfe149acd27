"""A user's class or function that makes networks in JAX."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import equinox as eqx
import jax
import numpy as np

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.native.pinning import pinned
from twofold.networks.graphs.exported import Convention, Exported, Held
from twofold.networks.graphs.graph import Spec
from twofold.networks.graphs.loading import Own
from twofold.networks.graphs.parity import STEPS, Difference
from twofold.networks.graphs.roles import Range
from twofold.networks.jaxcode import parity, probing
from twofold.networks.jaxcode.calling import Arrays, Callee, made
from twofold.networks.jaxcode.tracing import export, fitting
from twofold.networks.protocol import EVALUATED_AT_ONCE
from twofold.networks.seeding import generators_seeded
from twofold.networks.telling import words_of
from twofold.settings import Settings


class OwnFunctions(Own):
    """One network in JAX, made by the user's class, or function, with its arguments."""

    constant_weights = "make them from the argument key, and from no key or seed of the class's own"
    no_draws = "turn it off there: equinox's layers do so in inference, and a function by its argument training"

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        task: Task,
        outputs: tuple[str, ...] | None,
        around: Callable[[], AbstractContextManager[None]],
        source: str,
    ) -> None:
        self._make = make
        self._convention = Convention("one pair")
        super().__init__(name, task, outputs, around, source)

    def _read(self) -> None:
        """By the first convention whose outputs have a role: a function may take what it was not meant for."""
        with self._within():
            conventions = fitting(self._callee(0, 0), self._pairs(Settings.batch_size))
        errors = []
        for self._convention in conventions:
            try:
                super()._read()
                return
            except NetworkError as error:
                errors.append(error)
        raise errors[0]

    def _pairs(self, n: int) -> Spec:
        channels, image = self._task.channels, self._task.image_size
        return Spec((n, 2, *((channels,) if channels > 1 else ()), *image), "float32")

    def _callee(self, seed: int, round: int) -> Callee:
        try:
            with generators_seeded(seed, round), _on_processor():
                return Callee(self.name, made(self._make, seed=seed, round=round), seed=seed, round=round)
        except NetworkError:
            raise
        except (Exception, SystemExit) as error:
            raise NetworkError(f"{self.name} cannot be made: {type(error).__name__}: {words_of(error)}") from error

    @contextlib.contextmanager
    def _within(self) -> Iterator[None]:
        with super()._within(), pinned():
            yield

    def _exported(self, batch_size: int) -> Exported:
        numbers = [(True, batch_size), (False, EVALUATED_AT_ONCE)]
        with self._within():
            return export(self._callee(0, 0), self._convention, self._pairs(batch_size), numbers)

    def _ranges_of(self) -> list[list[Range]]:
        with self._within():
            return probing.ranges_of(self._callee(0, 0), self._convention, self._pairs(probing.PAIRS))

    def differences(self, *, steps: int = STEPS) -> list[Difference]:
        """See `Own`."""
        numbers = [(mode, n) for mode, n, _ in self.exported.graphs]
        with self._within():
            return parity.differences(
                self._callee(0, 0), self._convention, self._pairs(Settings.batch_size), numbers, steps=steps
            )

    def changes_later(self) -> bool:
        """See `Own`: what it computes is a function of its arguments."""
        return False

    def why_it_differs(self) -> str:
        """See `Own`."""
        return (
            "where it keeps numbers elsewhere than in its arguments, keep them in a state; else this is a fault of "
            "twofold's: please report it with your file"
        )

    def fresh(self, seed: int, round: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """See `Own`."""
        with self._within():
            callee = self._callee(seed, round)
        return self._of(callee.parameters, self.exported.parameters), self._of(callee.buffers, self.exported.buffers)

    def _of(self, arrays: Arrays, held: Sequence[Held]) -> list[np.ndarray]:
        by_name = {name: np.asarray(value) for name, value in zip(arrays.names, arrays.values)}
        found = [by_name.get(each.names[0], np.empty(0)) for each in held]
        for array, each in zip(found, held):
            if Spec(array.shape, array.dtype.name) != each.spec:
                raise NetworkError(
                    f"{self.name}: {each.names[0]} is {array.shape} in this round and was {each.spec.shape} when it "
                    "was read; make every shape the same in each round"
                )
        return found

    def trained(self, arrays: Mapping[str, np.ndarray], *, seed: int, round: int) -> Any:
        """See `Own`: an Equinox module in inference, or the parameters; with the state where there is one."""
        with self._within():
            callee = self._callee(seed, round)  # what no output depends on is as it was drawn
            return callee.filled(*(_with(arrays, each) for each in (callee.parameters, callee.buffers)))

    def versions(self) -> dict[str, str]:
        """See `Own`."""
        return {"jax_version": jax.__version__, "equinox_version": eqx.__version__}

    def _numbers(self) -> np.ndarray:
        names = [held.names[0] for held in self.exported.parameters]
        with self._within():
            return probing.numbers_of(self._callee(0, 0), self._convention, self._pairs(probing.PAIRS), names)


def _on_processor() -> AbstractContextManager[Any]:
    """First weights are made on a processor, where there is one for JAX, so that they are the same beside any GPU."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:
        return contextlib.nullcontext()


def _with(arrays: Mapping[str, np.ndarray], own: Arrays) -> list[jax.Array]:
    """The network's own arrays, or those of the same names in their place."""
    each = zip(own.names, own.values)
    return [jax.numpy.asarray(arrays.get(name, value), value.dtype) for name, value in each]
