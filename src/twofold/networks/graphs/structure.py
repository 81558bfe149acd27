"""A user's network as a structure that is trained: its graphs, what their outputs are, and its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from twofold.data import AnyArray, Relation, Task
from twofold.networks.calls import LayerRow, rows_of
from twofold.networks.graphs.drawing import first_that_draws
from twofold.networks.graphs.graph import Graph
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.layers import calls_of
from twofold.networks.graphs.roles import Layout, Roles
from twofold.networks.graphs.units import Layer
from twofold.networks.protocol import Outputs, Variables
from twofold.settings import Settings


@dataclass(frozen=True)
class Interpreted:
    """The structure (a `twofold.networks.protocol.Structure`) of a network whose graphs are interpreted.

    Both graphs have the outputs of `roles`. `fresh` gives its parameters and buffers for a seed and a round; it is no
    part of what is compiled.
    """

    training: Graph
    evaluation: Graph
    roles: Roles
    layers_with_units: tuple[Layer, ...]
    relation: Relation
    fresh: Callable[[int, int], tuple[list[np.ndarray], list[np.ndarray]]] = field(compare=False)

    def __hash__(self) -> int:
        # The graphs are long, and hashed often.
        return hash((len(self.training.nodes), self.training.images, self.relation, self.roles))

    @property
    def draws(self) -> bool:
        """See `twofold.networks.protocol.Structure`."""
        return first_that_draws(self.training) is not None

    def init(self, key: PRNGKeyArray, task: Task) -> Variables:
        """See `twofold.networks.protocol.Structure`: the weights are the user's own, by `initial`."""
        raise NotImplementedError

    def initial(self, seed: int, round: int) -> Variables:
        """See `twofold.networks.protocol.Structure`."""
        parameters, buffers = self.fresh(seed, round)
        shorter = {np.dtype(np.int64): np.int32, np.dtype(np.float64): np.float32}
        return Variables(*([a.astype(shorter.get(a.dtype, a.dtype)) for a in each] for each in (parameters, buffers)))

    def arrange(self, images: Float[AnyArray, "n 2 ..."]) -> Float[AnyArray, "n 2 ..."]:
        """See `twofold.networks.protocol.Structure`."""
        return images

    def apply(
        self,
        variables: Variables,
        images: Float[AnyArray, "n 2 ..."],
        numbers: Mapping[str, Float[AnyArray, ""]],
        *,
        training: bool = False,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Outputs, PyTree]:
        """See `twofold.networks.protocol.Structure`."""
        graph = self.training if training else self.evaluation
        values = [] if training else [layer.value for layer in self.layers_with_units]
        asked = replace(graph, outputs=(graph.outputs, tuple(values)))
        (outputs, before), buffers = run(asked, variables.parameters, variables.buffers, images, key)
        units = {layer.name: _units(array, layer, len(images)) for layer, array in zip(self.layers_with_units, before)}
        if self.roles.embeddings:
            return Outputs(None, None, units, _of_both(outputs, self.roles.embeddings, len(images))), buffers
        class_logits = self._class_logits(outputs, len(images))
        return Outputs(self._logits(outputs, class_logits, len(images)), class_logits, units), buffers

    def numbers(self, settings: Settings) -> dict[str, float]:
        """See `twofold.networks.protocol.Structure`, and its `Outputs`."""
        if not self.roles.embeddings:
            return {}
        return {"contrastive_margin": settings.contrastive_margin, "alike": float(bool(self.relation.of_alike))}

    def layers(self, task: Task) -> list[LayerRow]:
        """See `twofold.networks.protocol.Structure`."""
        return rows_of(calls_of(self.evaluation))

    # Outputs are reshaped, since those that are squeezed lack the axis of pairs where there is one pair.

    def _class_logits(self, outputs: tuple[Array, ...], n: int) -> Float[Array, "n 2 classes"] | None:
        if self.roles.classes is None:
            return None
        return _of_both(outputs[self.roles.answer != "class predictions alone" :], self.roles.classes, n)

    def _logits(self, outputs: tuple[Array, ...], class_logits: Array | None, n: int) -> Float[Array, "n 2"]:
        if self.roles.answer == "two logits":
            return outputs[0].reshape(n, 2)
        if self.roles.answer == "one logit":
            # The softmax of 0 and z is the sigmoid of z.
            z = outputs[0].reshape(-1)
            return jnp.stack([jnp.zeros_like(z), z], axis=-1)
        return relation_logits(jnp.asarray(class_logits), self.relation.answers)


def _of_both(outputs: tuple[Array, ...], layout: Layout, n: int) -> Float[Array, "n 2 d"]:
    """What outputs of this layout say of both images of each pair."""
    match layout:
        case "apart":
            return jnp.stack([each.reshape(n, -1) for each in outputs], axis=1)
        case "stacked" | "successive rows":
            return outputs[0].reshape(n, 2, -1)
        case "stacked first" | "halves":
            return outputs[0].reshape(2, n, -1).swapaxes(0, 1)


def relation_logits(
    class_logits: Float[Array, "n 2 classes"], holds: Bool[np.ndarray, "classes classes"]
) -> Float[Array, "n 2"]:
    """The logarithms of the probabilities that the relation does not hold, and that it does, of independent classes.

    `holds` is its table of answers.
    """
    log_probabilities = jax.nn.log_softmax(class_logits)
    both = log_probabilities[:, 0, :, None] + log_probabilities[:, 1, None, :]

    def summed(where: np.ndarray) -> Array:
        return jax.nn.logsumexp(jnp.where(where, both, -jnp.inf), axis=(1, 2))

    return jnp.stack([summed(~holds), summed(holds)], axis=-1)


def _units(array: Array, layer: Layer, n: int) -> Float[Array, "n units"]:
    """The largest value of each unit in each pair: over the places in an image, and over both images as rows."""
    last = jnp.moveaxis(array, layer.axis, -1)
    if last.shape[0] != n:
        last = last.reshape(-1, n, *last.shape[1:]).swapaxes(0, 1)
    return last.reshape(n, -1, layer.units).max(axis=1)
