"""A kept network as ONNX, for any number of pairs: written by PyTorch's exporter, and checked. Needs both extras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import onnx
import onnxscript as onnxscript  # what PyTorch writes ONNX with
import torch
from jaxtyping import Float
from scipy.special import softmax

from twofold.errors import NetworkError
from twofold.export.answering import Answering
from twofold.networks.pytorch.loading import OwnModule
from twofold.networks.telling import quietly, words_of
from twofold.training.outputs import Said, distances_of

if TYPE_CHECKING:
    from twofold.export.trained import Kept

T = TypeVar("T")

# Pairs that the exporter sees, and those that are compared afterwards: another number, since any has to do.
_SEEN, _COMPARED = 2, 7

# Of probabilities, and of embeddings relative to the largest number in them.
_TOLERANCE = 1e-4

# Pixels of images as they are read.
_WHITE = 255.0

# What PyTorch's exporter notes of where in somebody's files a thing came from.
_NOTES = ("metadata_props", "doc_string")


def onnx_of(kept: Kept, metadata: Mapping[str, str]) -> tuple[bytes, str]:
    """The file with its metadata, and a sentence of how it was checked.

    The input `pairs` is (n, 2, h, w), or (n, 2, channels, h, w), of prepared images; the outputs are those of
    `Answering`. Raises `NetworkError` where PyTorch cannot write the network, or what was written gives other numbers.
    """
    module = answering_of(kept).eval()
    try:
        model = _within(kept, lambda: _written(module, _pairs(kept, _SEEN)))
    except Exception as error:
        raise NetworkError(
            f"{kept.record['network']} cannot be written as ONNX ({type(error).__name__}: {words_of(error)}); export "
            "it with --to pytorch"
        ) from error
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=value)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    return content, compared(kept, module.names, content)


def compared(kept: Kept, names: Sequence[str], content: bytes) -> str:
    """How much the numbers of a file for ONNX differ from ours, where ONNX Runtime is there.

    `names` are those of its outputs. Raises `NetworkError` where they do.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return "checked by onnx.checker; not run, since ONNX Runtime is not installed (pip install onnxruntime)"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    pairs = _pairs(kept, _COMPARED)
    theirs = dict(zip(names, session.run(names, {"pairs": pairs})))
    ours = kept.outputs(pairs)
    difference = max(_apart(name, each, _of(name, ours)) for name, each in theirs.items())
    if not difference <= _TOLERANCE:
        raise NetworkError(
            f"{kept.record['network']} gives other numbers as ONNX (by {difference:.1e} of probabilities, or of the "
            "largest embedding); export it with --to pytorch"
        )
    return f"checked: for {_COMPARED} pairs ONNX Runtime gives twofold's numbers to {difference:.0e}"


def answering_of(kept: Kept) -> Answering:
    """A kept network behind the way to be called that ONNX gets."""
    if kept.own is None:
        return Answering.of_papers(kept.module(), kept.relation.answers, names_classes=kept.names_classes)
    own = kept.own
    return Answering(kept.module(), own.exported.convention.name, own.roles, own.ranges, kept.relation.answers)


def _within(kept: Kept, look: Callable[[], T]) -> T:
    """What a function finds, among what the user's file imported where there is one, and in silence."""
    if isinstance(kept.own, OwnModule):
        return kept.own.within(lambda make, exported: look())
    with quietly():
        return look()


def _written(module: Answering, pairs: Float[np.ndarray, "n 2 ..."]) -> onnx.ModelProto:
    program = torch.onnx.export(
        module,
        (torch.from_numpy(pairs),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("n")},),
        input_names=["pairs"],
        output_names=module.names,
        verbose=False,
    )
    model = program.model_proto
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        for note in _NOTES:
            each.ClearField(note)
    return model


def _pairs(kept: Kept, n: int) -> Float[np.ndarray, "n 2 ..."]:
    """Images of noise, as they are after their preparation."""
    record = kept.record
    channels = record.get("channels", 1)
    image = (*([channels] if channels > 1 else []), *record["image_size"])
    pixels = np.random.default_rng(0).uniform(0, _WHITE, (n, 2, *image))
    return ((pixels - record["pixel_mean"]) / record["pixel_deviation"]).astype(np.float32)


def _of(name: str, outputs: Said) -> np.ndarray:
    return distances_of(np.asarray(outputs.embeddings)) if name == "distance" else getattr(outputs, name)


def _apart(name: str, theirs: np.ndarray, ours: np.ndarray) -> float:
    """The largest difference: of logits, that of the probabilities."""
    if name.endswith("logits"):
        theirs, ours = softmax(theirs, axis=-1), softmax(ours, axis=-1)
    return float(np.abs(theirs - ours).max() / max(1.0, np.abs(ours).max()))
