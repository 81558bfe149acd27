"""A user's class or function that makes modules of PyTorch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.graphs.exported import Exported
from twofold.networks.graphs.loading import Own
from twofold.networks.graphs.parity import Difference
from twofold.networks.graphs.roles import Range
from twofold.networks.protocol import EVALUATED_AT_ONCE
from twofold.networks.pytorch import parity
from twofold.networks.pytorch.export import could_take_two, example, export
from twofold.networks.pytorch.ranges import ranges_of
from twofold.networks.pytorch.weights import find, fresh, made, seeded
from twofold.networks.telling import words_of

T = TypeVar("T")


class OwnModule(Own):
    """One module of PyTorch's, made by the user's class, or function, with its arguments."""

    constant_weights = "leave torch.manual_seed, or constant weights, out of the class"
    no_draws = "turn it off there, as in dropout(x, training=self.training)"

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        task: Task,
        outputs: tuple[str, ...] | None,
        around: Callable[[], AbstractContextManager[None]],
        source: str,
    ) -> None:
        self._make = partial(_module, name, make)
        self._two_images = False
        super().__init__(name, task, outputs, around, source)

    def _read(self) -> None:
        try:
            super()._read()
        except NetworkError:
            if not self._takes_two():
                raise
            super()._read()
        if self.roles.embeddings and self.exported.convention.name == "rows":
            self._prefer_two()

    def _takes_two(self) -> bool:
        """Whether `forward(left, right=None)` may say other things of two images than of one; then two are given."""
        with self._within():
            self._two_images = could_take_two(self._make())
        return self._two_images

    def _prefer_two(self) -> None:
        """Give two images where that can be done: of one image there may be its embedding, of two the answer."""
        before = self.exported, self.roles
        try:
            if self._takes_two():
                super()._read()
        except NetworkError:  # its second argument is something else
            self._two_images, (self.exported, self.roles) = False, before

    def _exported(self, batch_size: int) -> Exported:
        what = f"{batch_size}{' of two images' if self._two_images else ''}"
        return Exported.from_json(self._kept(what, lambda: self._export(batch_size).to_json()))

    def _export(self, batch_size: int) -> Exported:
        image = (self._task.channels, *self._task.image_size)
        with self._within(), seeded(0, 0):
            return export(
                self._make(),
                image,
                training=[batch_size],
                evaluation=[EVALUATED_AT_ONCE],
                two_images=self._two_images,
            )

    def within(self, look: Callable[[Callable[[], torch.nn.Module], Exported], T]) -> T:
        """What a function finds that is given how the module is made, and its graphs."""
        with self._within():
            return look(self._make, self.exported)

    def _ranges_of(self) -> list[list[Range]]:
        return self.within(ranges_of)

    def differences(self, *, steps: int = 5) -> list[Difference]:
        """See `Own`."""
        return self.within(partial(parity.differences, steps=steps))

    def changes_later(self) -> bool:
        """See `Own`."""
        changed = self.within(parity.changed_by_calls)
        return bool(changed) and self.within(partial(parity.counts_for_something, names=changed))

    def why_it_differs(self) -> str:
        """See `Own`."""
        changed = self.within(parity.changed_by_calls)
        if not changed:
            return "this is a fault of twofold's: please report it with your file"
        named = ", ".join(f"self.{name}" for name in changed)
        return (
            f"forward changes {named}, which stays in a graph as it was when that was made; keep it in a buffer, as in "
            "self.register_buffer('calls', torch.tensor(0.0)), and write to that: self.calls += 1"
        )

    def fresh(self, seed: int, round: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """See `Own`."""
        with self._within():
            return fresh(self._make, self.exported, seed=seed, round=round)

    def trained(self, arrays: Mapping[str, np.ndarray], *, seed: int, round: int) -> torch.nn.Module:
        """See `Own`; the module is in evaluation."""
        with self._within():
            with seeded(seed, round):  # what no output depends on is as it was drawn
                module = made(self._make, self.exported)
            with torch.no_grad():
                for held in (*self.exported.parameters, *self.exported.buffers):
                    tensor, array = find(module, held.names[0]), torch.from_numpy(np.array(arrays[held.names[0]]))
                    # One that is expanded cannot be written, nor changes.
                    if not torch.equal(tensor, array.to(tensor.dtype)):
                        tensor.copy_(array)
            return module.eval()

    def versions(self) -> dict[str, str]:
        """See `Own`."""
        return {"torch_version": torch.__version__}

    def _numbers(self) -> np.ndarray:
        shapes = self.exported.convention.shapes(self._graphs[1].images)
        with self._within(), seeded(0, 0), torch.enable_grad():  # whoever asks may have none
            module = self._make().eval()
            try:
                return _numbers_of(module, shapes)
            except Exception:  # it computes in single precision alone: then its graphs have to do
                return np.empty(0)


def _numbers_of(module: torch.nn.Module, shapes: list[tuple[int, ...]]) -> np.ndarray:
    module.double()
    for number, parameter in enumerate(module.parameters()):
        parameter.data = 0.5 * torch.sin(example(parameter.shape).double() * 9 + number)
    outputs = [each for each in _leaves(module(*(example(shape).double() for shape in shapes)))]
    first = next((each for each in module.parameters() if each.requires_grad), None)
    total = sum(each.sin().sum() for each in outputs)
    numbers = [*outputs, *(torch.autograd.grad(total, [first], allow_unused=True) if first is not None else ())]
    return np.concatenate([each.detach().numpy().ravel() for each in numbers if each is not None])


def _leaves(outputs: Any) -> Iterator[torch.Tensor]:
    yield from (each for each in torch.utils._pytree.tree_leaves(outputs) if isinstance(each, torch.Tensor))


def _module(name: str, make: Callable[[], Any]) -> torch.nn.Module:
    try:
        module = make()
    except (Exception, SystemExit) as error:
        raise NetworkError(f"{name} cannot be made: {type(error).__name__}: {words_of(error)}") from error
    if not isinstance(module, torch.nn.Module):
        raise NetworkError(f"{name} gives a {type(module).__name__}, which is no torch.nn.Module")
    return module
