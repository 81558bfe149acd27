"""From a class of the user's to networks that are trained: one for every combination of its factors' levels."""

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from twofold.cache import keep, read_kept
from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.calls import calls_as_data
from twofold.networks.finding import Network
from twofold.networks.graphs.drawing import first_that_draws
from twofold.networks.graphs.graph import Graph
from twofold.networks.graphs.layers import calls_of, calls_of_outputs
from twofold.networks.graphs.roles import Range, Roles, find_roles, in_roles
from twofold.networks.graphs.structure import Interpreted
from twofold.networks.graphs.units import layers_of
from twofold.networks.protocol import EVALUATED_AT_ONCE
from twofold.networks.pytorch.export import Exported, could_take_two, example, export, quietly
from twofold.networks.pytorch.mistakes import words_of
from twofold.networks.pytorch.ranges import ranges_of
from twofold.networks.pytorch.weights import fresh, made, seeded
from twofold.networks.typed import Typed
from twofold.settings import Settings

T = TypeVar("T")

# Of the graphs that are kept between runs.
_MOST_KEPT = 500

# Digits of the probe's numbers that are part of a network's identity: in double precision rounding is far below them.
_DIGITS = 6


class Own:
    """One network of the user's: a class and its arguments, for images of a task."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        task: Task,
        outputs: tuple[str, ...] | None,
        around: Callable[[], AbstractContextManager[None]],
        source: str,
    ) -> None:
        self.name, self._task, self._outputs, self._around, self._source = name, task, outputs, around, source
        self._make = partial(_module, name, make)
        self._structures: dict[tuple[int, str], Interpreted] = {}
        self._two_images = False
        self.exported = self._exported(Settings.batch_size)
        try:
            self.roles = self._find_roles()
        except NetworkError:  # of one image it may say other things than of two: forward(left, right=None)
            with self._within():
                self._two_images = could_take_two(self._make())
            if not self._two_images:
                raise
            self.exported = self._exported(Settings.batch_size)
            self.roles = self._find_roles()
        self._ranges = self._checked_ranges()
        self._graphs = self._in_roles(self.exported)
        if not self.exported.parameters:
            raise NetworkError(f"{name}: its outputs depend on no parameters, so that there is nothing to train")

    def _find_roles(self) -> Roles:
        graphs = [graph for _, _, graph in self.exported.graphs]
        rows = self.exported.convention.name == "rows"
        return find_roles(self.name, graphs, self._task.classes, rows=rows, outputs=self._outputs)

    def _checked_ranges(self) -> dict[bool, list[Range]]:
        """Where each output's numbers lie, in each mode.

        Raises `NetworkError` for an answer that is always the same, or never below 0.
        """
        listed = json.loads(self._kept("ranges", lambda: json.dumps(self.within(ranges_of))))
        for ranges in listed:
            of_answer = [each for each, role in zip(ranges, self.roles.of_outputs) if role == "answer"]
            if "one number" in of_answer:
                raise NetworkError(
                    f"{self.name}: its answer is always the same number, as a softmax of one number is; give one "
                    "number as it is, or through a sigmoid"
                )
            if self.roles.answer == "one logit" and of_answer == ["from 0"]:
                raise NetworkError(
                    f"{self.name}: its answer is never below 0, as a distance is, and so no logit; let a last layer "
                    "make a number of either sign of it, or give a probability"
                )
        return dict(zip((True, False), listed, strict=True))

    @functools.cached_property
    def identity(self) -> str:
        """The hash of what is computed: of graphs of fixed numbers of pairs, of roles, and of a probe."""
        return self._kept("identity", self._hash)

    def _hash(self) -> str:
        parts = [graph.canonical() for graph in self._graphs]
        roles = json.dumps([self.roles.answer, self.roles.classes, self.roles.logits_taken])
        return hashlib.sha256(b"\n".join([*parts, roles.encode(), self._probe()])).hexdigest()

    def check_parity(self) -> None:
        """Raise `NetworkError` where the graphs compute something else than the module: outputs, and one step."""
        wrong, why = json.loads(self._kept("parity", lambda: json.dumps(self._wrong())))
        if why and not wrong:
            raise NetworkError(f"{self.name}: {why}")
        if wrong:
            raise NetworkError(
                f"{self.name}: what twofold computes differs from your module ({', '.join(wrong)}): {why}; twofold "
                "check says how much"
            )

    def _wrong(self) -> tuple[list[str], str]:
        from twofold.networks.pytorch.parity import differences

        wrong = [each.of for each in self.within(partial(differences, steps=1)) if not each.is_right]
        return wrong, self.why_it_differs() if wrong or self.changes_later() else ""

    def changes_later(self) -> bool:
        """Whether `forward` counts, and does something else after many calls."""
        from twofold.networks.pytorch.parity import changed_by_calls, counts_for_something

        changed = self.within(changed_by_calls)
        return bool(changed) and self.within(partial(counts_for_something, names=changed))

    def why_it_differs(self) -> str:
        """What to do where the graphs compute something else than the module."""
        from twofold.networks.pytorch.parity import changed_by_calls

        changed = self.within(changed_by_calls)
        if not changed:
            return "this is a fault of twofold's: please report it with your file"
        named = ", ".join(f"self.{name}" for name in changed)
        return (
            f"forward changes {named}, which stays in a graph as it was when that was made; keep it in a buffer, as in "
            "self.register_buffer('calls', torch.tensor(0.0)), and write to that: self.calls += 1"
        )

    def structure(self, settings: Settings) -> Interpreted:
        """What is compiled for a batch size and a relation."""
        key = (settings.batch_size, settings.relation)
        if key not in self._structures:
            first = settings.batch_size == Settings.batch_size
            training, evaluation = self._graphs if first else self._in_roles(self._exported(settings.batch_size))
            self._structures[key] = Interpreted(
                training,
                evaluation,
                self.roles,
                layers_of(evaluation),
                settings.relation,
                self._task.classes,
                fresh=self.fresh,
            )
        return self._structures[key]

    @contextlib.contextmanager
    def _within(self) -> Iterator[None]:
        """Among what the user imported, and in silence: what a class prints is not asked for."""
        with self._around(), quietly():
            yield

    def fresh(self, seed: int, round: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The parameters and the buffers to begin with in a round."""
        with self._within():
            return fresh(self._make, self.exported, seed=seed, round=round)

    def within(self, look: Callable[[Callable[[], torch.nn.Module], Exported], T]) -> T:
        """What a function finds that is given how the module is made, and its graphs."""
        with self._within():
            return look(self._make, self.exported)

    def begins_finite(self) -> bool:
        """Whether the outputs of a fresh module are finite, in evaluation."""
        shapes = self.exported.convention.shapes(self._graphs[1].images)
        with self._within(), seeded(0, 0), torch.no_grad():
            outputs = made(self._make, self.exported).eval()(*map(example, shapes))
        return all(bool(torch.isfinite(each).all()) for each in _leaves(outputs))

    def description(self) -> dict[str, Any]:
        """What a store keeps of the network."""
        exported = self.exported
        return {
            "torch_version": torch.__version__,
            "units": {layer.name: layer.units for layer in layers_of(self._graphs[1])},
            "convention": exported.convention.name,
            "answer": self.roles.answer,
            "classes": self.roles.classes,
            "logits_taken": self.roles.logits_taken,
            "calls": calls_as_data(calls_of(self._graphs[1])),
            "outputs": calls_of_outputs(self._graphs[1]),
            "roles": list(self.roles.of_outputs),
            "parameters": {held.names[0]: list(held.spec.shape) for held in exported.parameters},
            "buffers": {held.names[0]: list(held.spec.shape) for held in exported.buffers},
            "unused_parameters": list(exported.unused),
        }

    def _exported(self, batch_size: int) -> Exported:
        what = f"{batch_size}{' of two images' if self._two_images else ''}"
        return Exported.from_json(self._kept(what, lambda: self._export(batch_size).to_json()))

    def _in_roles(self, exported: Exported) -> tuple[Graph, Graph]:
        """Its graphs of training and evaluation, with the outputs that have a role."""
        training, evaluation = (in_roles(graph, self.roles, self._ranges[mode]) for mode, _, graph in exported.graphs)
        drawn = first_that_draws(evaluation)
        if drawn is not None:
            where = f" ({drawn.line})" if drawn.line else ""
            raise NetworkError(
                f"{self.name}{where}: {drawn.operation} draws random numbers in evaluation too, so that no two answers "
                "are the same; turn it off there, as in dropout(x, training=self.training)"
            )
        return training, evaluation

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

    def _kept(self, what: str, make: Callable[[], str]) -> str:
        """What was found out of these sources before, or is now; nothing is kept where there are none."""
        if not self._source:
            return make()
        named = f"{self.name} {what} {self._task} {self._outputs} {self._source} {torch.__version__} {_room()}"
        place = f"graphs/{hashlib.sha256(named.encode()).hexdigest()}"
        kept = read_kept(place)
        if kept is not None:
            return kept.decode()
        made = make()
        keep(place, made.encode(), _MOST_KEPT)
        return made

    def _probe(self) -> bytes:
        """The outputs and a gradient of the module itself, in double precision, for fixed images and weights."""
        shapes = self.exported.convention.shapes(self._graphs[1].images)
        with self._within(), seeded(0, 0):
            numbers = self._numbers_of(self._make().eval(), shapes)
        return ",".join(f"{x:.{_DIGITS}e}" for x in numbers).encode()

    def _numbers_of(self, module: torch.nn.Module, shapes: Sequence[tuple[int, ...]]) -> np.ndarray:
        try:
            module.double()
            for number, parameter in enumerate(module.parameters()):
                parameter.data = 0.5 * torch.sin(example(parameter.shape).double() * 9 + number)
            outputs = [each for each in _leaves(module(*(example(shape).double() for shape in shapes)))]
            first = next((each for each in module.parameters() if each.requires_grad), None)
            total = sum(each.sin().sum() for each in outputs)
            numbers = [*outputs, *(torch.autograd.grad(total, [first], allow_unused=True) if first is not None else ())]
        except Exception:  # it computes in single precision alone: then its graphs have to do
            return np.empty(0)
        return np.concatenate([each.detach().numpy().ravel() for each in numbers if each is not None])


@functools.cache
def _room() -> str:
    """The hash of our own sources here: what they made of a class, others may not."""
    sources = b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.rglob("*.py")))
    return hashlib.sha256(sources).hexdigest()


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


def each_of(
    typed: Typed,
    make: Callable[..., Any],
    task: Task,
    outputs: tuple[str, ...] | None,
    around: Callable[[], AbstractContextManager[None]],
    source: str,
) -> Iterator[Own]:
    """What a class and its factors make: see `load`, which makes networks of it."""
    if isinstance(make, torch.nn.Module):
        raise NetworkError(
            f"{typed.name} is a network that has been made already, and each round begins with fresh weights; name its "
            "class, or a function that makes it"
        )
    for arguments in typed.combinations():
        yield Own(typed.label(arguments), partial(make, **arguments), task, outputs, around, source)


def load(
    typed: Typed,
    make: Callable[..., Any],
    task: Task,
    outputs: tuple[str, ...] | None = None,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
    source: str = "",
) -> list[Network]:
    """The networks that a class and its factors make, for images of a task.

    The class is called, and its modules are, within `around`, in which what the user imported is there. What is found
    out is kept for the next run under `source`, a hash of the user's sources, where that is known. Raises
    `NetworkError` where a network cannot be trained, or where two levels make the same network.
    """
    networks: list[Network] = []
    seen: dict[str, Mapping[str, Any]] = {}
    several = each_of(typed, make, task, outputs, around, source)
    for arguments, own in zip(typed.combinations(), several):
        name = own.name
        if own.identity in seen:
            raise _same(name, typed.label(seen[own.identity]), named_classes=own.roles.classes is not None)
        seen[own.identity] = arguments
        networks.append(
            Network(
                name,
                weight_sharing=None,
                auxiliary_losses=own.roles.classes is not None,
                uses=frozenset({"aux_weight"} if own.roles.classes else ()),
                identity=own.identity,
                source=typed.text,
                arguments=arguments,
                description=own.description(),
                make=own.structure,
                verify=own.check_parity,
            )
        )
    return networks


def _same(one: str, other: str, *, named_classes: bool) -> NetworkError:
    remedy = (
        "vary --aux-weight (0 and 1)"
        if named_classes
        else "give it class predictions as outputs, and vary --aux-weight"
    )
    return NetworkError(
        f"twofold sees no difference between {other} and {one}: their graphs are the same; if the flag chooses the "
        f"loss, {remedy}; else leave the flag out"
    )
