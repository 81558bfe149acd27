"""A trained PyTorch module behind one way to be called and one to answer, whatever its own are: what ONNX gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from twofold.networks.graphs.roles import Layout, Range, Roles

# Probabilities are not taken to be less, so that their logarithms are finite.
_LEAST = torch.finfo(torch.float32).tiny


class Answering(nn.Module):
    """Pairs (n, 2, h, w), or (n, 2, c, h, w), to what `names` says.

    `logits` (n, 2) are of the answer, whose softmax is the probabilities that the relation does not hold and that it
    does, and `class_logits` (n, 2, classes) of each image's class; or `embeddings` (n, 2, d) of both images, and their
    `distance` (n,). `convention`, `roles` and `ranges` are the module's own (see `twofold.networks.graphs`), `holds`
    (classes, classes) says for which classes the relation holds.
    """

    def __init__(
        self, module: nn.Module, convention: str, roles: Roles, ranges: Sequence[Range], holds: np.ndarray
    ) -> None:
        super().__init__()
        self.module = module
        self._convention, self._roles, self._ranges = convention, roles, list(ranges)
        self.register_buffer("_holds", torch.from_numpy(np.array(holds, bool)))

    @classmethod
    def of_papers(cls, module: nn.Module, holds: np.ndarray, *, names_classes: bool) -> Answering:
        """One of the paper's networks, and whether it was trained to name the classes."""
        from twofold.networks.graphs.roles import Roles

        outputs = "answer", "classes" if names_classes else "unused"
        roles = Roles("two logits", "stacked" if names_classes else None, outputs, False, ())
        return cls(module, "pairs", roles, ["any", "any"], holds)

    @property
    def names(self) -> list[str]:
        """What its outputs are called, in their order."""
        if self._roles.embeddings:
            return ["embeddings", "distance"]
        return ["logits", *(["class_logits"] if self._roles.classes else [])]

    def forward(self, pairs: Tensor) -> tuple[Tensor, ...]:
        outputs = torch.utils._pytree.tree_leaves(self.module(*_given(pairs, self._convention)))
        tensors = [each for each in outputs if isinstance(each, Tensor)]
        of: dict[str, list[Tensor]] = {"answer": [], "classes": [], "embedding": [], "unused": []}
        for tensor, role, within in zip(tensors, self._roles.of_outputs, self._ranges, strict=True):
            of[role].append(tensor if role in ("embedding", "unused") else _as_logits(tensor, within))
        if self._roles.embeddings:
            embeddings = _of_both(of["embedding"], self._roles.embeddings)
            return embeddings, (embeddings[:, 0] - embeddings[:, 1]).square().sum(-1).sqrt()
        class_logits = [_of_both(of["classes"], self._roles.classes)] if self._roles.classes else []
        logits = self._logits(of["answer"]) if of["answer"] else self._of_classes(*class_logits)
        return logits, *class_logits

    def _logits(self, answer: list[Tensor]) -> Tensor:
        if self._roles.answer == "two logits":
            return answer[0].reshape(-1, 2)
        z = answer[0].reshape(-1)
        return torch.stack([torch.zeros_like(z), z], dim=-1)

    def _of_classes(self, class_logits: Tensor) -> Tensor:
        """The logarithms of the probabilities that the relation does not hold, and that it does."""
        log_probabilities = class_logits.log_softmax(-1)
        both = log_probabilities[:, 0, :, None] + log_probabilities[:, 1, None, :]

        def summed(where: Tensor) -> Tensor:
            return both.masked_fill(~where, -torch.inf).flatten(1).logsumexp(1)

        holds = self.get_buffer("_holds")
        return torch.stack([summed(~holds), summed(holds)], dim=-1)


def _given(pairs: Tensor, convention: str) -> tuple[Tensor, ...]:
    """The arguments of a module that is called so (see `twofold.networks.graphs.exported.Convention`)."""
    if convention == "pairs":
        return (pairs,)
    with_channels = pairs if pairs.ndim == 5 else pairs.unsqueeze(2)
    if convention == "pairs with channels":
        return (with_channels,)
    if convention == "rows":
        return (with_channels.flatten(0, 1),)
    return with_channels[:, 0], with_channels[:, 1]


def _as_logits(said: Tensor, within: Range) -> Tensor:
    """Logits for probabilities or their logarithms; what is neither is taken for logits."""
    single = said.ndim == 1 or said.shape[-1] == 1
    if within == "from 0 to 1":
        logarithm = said.clamp_min(_LEAST).log()
        return logarithm - (1 - said).clamp_min(_LEAST).log() if single else logarithm
    if within == "to 0" and single:
        return said - (-said.expm1()).clamp_min(_LEAST).log()
    return said


def _of_both(said: list[Tensor], layout: Layout) -> Tensor:
    """What outputs of this layout say of both images of each pair: (n, 2, d)."""
    if layout == "apart":
        return torch.stack([each.flatten(1) for each in said], dim=1)
    rows = said[0]
    if layout in ("stacked", "successive rows"):
        return rows.reshape(-1, 2, rows.shape[-1])
    return rows.reshape(2, -1, rows.shape[-1]).transpose(0, 1)
