"""A network of the user's as it is trained, whatever it was written in; a front end for each kind says the rest."""

import contextlib
import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np

from twofold.cache import keep, read_kept
from twofold.data import Relation, Task, asked_of
from twofold.errors import NetworkError
from twofold.native.quickly import compile_quickly
from twofold.networks.calls import calls_as_data
from twofold.networks.graphs.drawing import first_that_draws, line_of_draw
from twofold.networks.graphs.exported import Exported
from twofold.networks.graphs.graph import Graph
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.layers import calls_of, calls_of_outputs
from twofold.networks.graphs.operations import FIXED
from twofold.networks.graphs.parity import Difference
from twofold.networks.graphs.roles import Layout, Range, Roles, embeddings_beside, find_roles, in_roles
from twofold.networks.graphs.structure import Interpreted
from twofold.networks.graphs.units import layers_of
from twofold.networks.telling import quietly
from twofold.settings import Settings

# Of the graphs that are kept between runs.
_MOST_KEPT = 500

# Digits of the probe's numbers that are part of a network's identity: in double precision rounding is far below them.
_DIGITS = 6


class Own(ABC):
    """One network of the user's: what makes it, for images of a task.

    `around` is that within which what the user imported is there; `source` is a hash of the user's sources, or empty.
    Raises `NetworkError` where it cannot be trained.
    """

    # What gives every round the same weights, as the user would mend it.
    constant_weights: ClassVar[str]

    # How randomness is turned off in evaluation.
    no_draws: ClassVar[str]

    def __init__(
        self,
        name: str,
        task: Task,
        outputs: tuple[str, ...] | None,
        around: Callable[[], AbstractContextManager[None]],
        source: str,
    ) -> None:
        self.name, self._task, self._outputs, self._around, self._source = name, task, outputs, around, source
        self._structures: dict[tuple[int, Relation], Interpreted] = {}
        self._read()
        self._ranges = self._checked_ranges()
        self._graphs = self._in_roles(self.exported)
        if not self.exported.parameters:
            raise NetworkError(f"{name}: its outputs depend on no parameters, so that there is nothing to train")

    @abstractmethod
    def _exported(self, batch_size: int) -> Exported:
        """Its graphs in training, for so many pairs, and in evaluation."""

    @abstractmethod
    def _ranges_of(self) -> list[list[Range]]:
        """Where each output's numbers lie, in training and in evaluation."""

    @abstractmethod
    def _numbers(self) -> np.ndarray:
        """Outputs and a gradient of the network itself, in double precision, for fixed images and weights."""

    @abstractmethod
    def differences(self, *, steps: int = 5) -> list[Difference]:
        """How much its graphs differ from the network itself."""

    @abstractmethod
    def why_it_differs(self) -> str:
        """What to do where the graphs compute something else than the network."""

    @abstractmethod
    def changes_later(self) -> bool:
        """Whether it counts its calls, and does something else after many."""

    @abstractmethod
    def fresh(self, seed: int, round: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The parameters and the buffers to begin with in a round."""

    @abstractmethod
    def trained(self, arrays: Mapping[str, np.ndarray], *, seed: int, round: int) -> Any:
        """What the user's class makes in a round, with these arrays in the place of its own, by their names."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions of what computes the network in the user's own program."""

    def _read(self) -> None:
        """Find its graphs, and what their outputs are."""
        self.exported = self._exported(Settings.batch_size)
        self.roles = self._find_roles()

    def _find_roles(self) -> Roles:
        graphs = [graph for _, _, graph in self.exported.graphs]
        rows = self.exported.convention.name == "rows"
        found = find_roles(self.name, graphs, self._task.classes, rows=rows, outputs=self._outputs)
        if "halves" not in (found.classes, found.embeddings):
            return found
        what = f"rows of {self.exported.convention.name}"
        alternate = json.loads(self._kept(what, lambda: json.dumps(self._rows_alternate(found))))
        layout: Layout = "successive rows" if alternate else "halves"  # which their shape does not tell
        return replace(found, classes=found.classes and layout, embeddings=found.embeddings and layout)

    def _rows_alternate(self, roles: Roles) -> bool:
        """Whether of the 2n rows of class predictions or embeddings the third is of the second pair, and the second is
        not."""
        _, _, graph = self.exported.graphs[-1]
        images = np.random.default_rng(0).random(graph.images.shape, np.float32)
        others = np.concatenate([images[:1], 1 - images[1:2], images[2:]])
        variables = self.fresh(0, 0)

        def rows(images: Any) -> Any:
            outputs, _ = run(graph, *variables, images, FIXED)
            named = zip(jax.tree.leaves(outputs), roles.of_outputs, strict=True)
            return next(each for each, role in named if role in ("classes", "embedding"))

        rows_of = compile_quickly(rows, images)
        changed = np.any(np.asarray(rows_of(images)) != np.asarray(rows_of(others)), axis=1)
        return bool(changed[2]) and not bool(changed[1])

    def _checked_ranges(self) -> dict[bool, list[Range]]:
        """Where each output's numbers lie, in each mode.

        Raises `NetworkError` for an answer that is always the same, or never below 0.
        """
        listed = json.loads(self._kept("ranges", lambda: json.dumps(self._ranges_of())))
        for ranges in listed:
            of_answer = [each for each, role in zip(ranges, self.roles.of_outputs) if role == "answer"]
            if "one number" in of_answer:
                raise NetworkError(
                    f"{self.name}: its answer is always the same number, as a softmax of one number is; give one "
                    "number as it is, or through a sigmoid"
                )
            if self.roles.answer == "one logit" and of_answer == ["from 0"]:
                meant = embeddings_beside(self.roles)
                remedy = "let a last layer make a number of either sign of it, or give a probability"
                if meant:
                    remedy += f"; or give embeddings alone, which answer by it: network(Net, outputs={meant}) in Python"
                raise NetworkError(
                    f"{self.name}: its answer is never below 0, as a distance is, and so no logit; {remedy}"
                )
        return dict(zip((True, False), listed, strict=True))

    @property
    def ranges(self) -> list[Range]:
        """Where the numbers of each output of the network itself lie, in evaluation."""
        return self._ranges[False]

    @functools.cached_property
    def identity(self) -> str:
        """The hash of what is computed: of graphs of fixed numbers of pairs, of roles, and of a probe."""
        return self._kept("identity", self._hash)

    def _hash(self) -> str:
        parts = [graph.canonical() for graph in self._graphs]
        embeddings = [self.roles.embeddings] if self.roles.embeddings else []
        roles = json.dumps([self.roles.answer, self.roles.classes, self.roles.logits_taken, *embeddings])
        probe = ",".join(f"{x:.{_DIGITS}e}" for x in self._numbers()).encode()
        return hashlib.sha256(b"\n".join([*parts, roles.encode(), probe])).hexdigest()

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
        wrong = [each.of for each in self.differences(steps=1) if not each.is_right]
        return wrong, self.why_it_differs() if wrong or self.changes_later() else ""

    def structure(self, settings: Settings) -> Interpreted:
        """What is compiled for a batch size and a relation."""
        relation = asked_of(settings, self._task.classes)
        key = (settings.batch_size, relation)
        if key not in self._structures:
            first = settings.batch_size == Settings.batch_size
            training, evaluation = self._graphs if first else self._in_roles(self._exported(settings.batch_size))
            self._structures[key] = Interpreted(
                training,
                evaluation,
                self.roles,
                layers_of(evaluation),
                relation,
                fresh=self.fresh,
            )
        return self._structures[key]

    @contextlib.contextmanager
    def _within(self) -> Iterator[None]:
        """Among what the user imported, and in silence: what a class prints is not asked for."""
        with self._around(), quietly():
            yield

    @property
    def uses(self) -> frozenset[str]:
        """Those settings of networks that make a difference to it."""
        used = {"aux_weight": self.roles.classes, "contrastive_margin": self.roles.embeddings}
        return frozenset(name for name, layout in used.items() if layout)

    def description(self) -> dict[str, Any]:
        """What a store keeps of the network."""
        exported = self.exported
        return {
            **self.versions(),
            "units": {layer.name: layer.units for layer in layers_of(self._graphs[1])},
            "convention": exported.convention.name,
            "answer": self.roles.answer,
            "classes": self.roles.classes,
            "embeddings": self.roles.embeddings,
            "logits_taken": self.roles.logits_taken,
            "calls": calls_as_data(calls_of(self._graphs[1])),
            "outputs": calls_of_outputs(self._graphs[1]),
            "roles": list(self.roles.of_outputs),
            "parameters": {held.names[0]: list(held.spec.shape) for held in exported.parameters},
            "buffers": {held.names[0]: list(held.spec.shape) for held in exported.buffers},
            "unused_parameters": list(exported.unused),
        }

    def _in_roles(self, exported: Exported) -> tuple[Graph, Graph]:
        """Its graphs of training and evaluation, with the outputs that have a role."""
        training, evaluation = (in_roles(graph, self.roles, self._ranges[mode]) for mode, _, graph in exported.graphs)
        drawn = first_that_draws(evaluation)
        if drawn is not None:
            line = line_of_draw(evaluation, drawn)
            where = f" ({line})" if line else ""
            raise NetworkError(
                f"{self.name}{where}: {drawn.operation} draws random numbers in evaluation too, so that no two answers "
                f"are the same; {self.no_draws}"
            )
        return training, evaluation

    def _kept(self, what: str, make: Callable[[], str]) -> str:
        """What was found out of these sources before, or is now; nothing is kept where there are none."""
        if not self._source:
            return make()
        named = f"{self.name} {what} {self._task} {self._outputs} {self._source} {self.versions()} {_room()}"
        place = f"graphs/{hashlib.sha256(named.encode()).hexdigest()}"
        kept = read_kept(place)
        if kept is not None:
            return kept.decode()
        made = make()
        keep(place, made.encode(), _MOST_KEPT)
        return made


@functools.cache
def _room() -> str:
    """The hash of our own sources here: what they made of a class, others may not."""
    sources = b"".join(file.read_bytes() for file in sorted(Path(__file__).parents[1].rglob("*.py")))
    return hashlib.sha256(sources).hexdigest()
