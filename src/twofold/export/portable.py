"""Kept networks as files that other programs read: ONNX, PyTorch and safetensors, with what is known of them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

from twofold import __version__
from twofold.data.form import white_of
from twofold.errors import SettingError, needing, unknown_choice
from twofold.export.trained import Kept
from twofold.networks import find_network
from twofold.settings import SETTINGS

# What a kept network can be exported to, and the ending of its file.
ENDINGS = {"onnx": ".onnx", "pytorch": ".pt", "safetensors": ".safetensors"}

# Written beside the state of one of the paper's networks: the class that it loads into.
_CLASS_FILE = Path(__file__).with_name("pair_module.py")

# Of a record, what whoever has the network needs; the rest is about how it was trained.
TOLD = (
    "key",
    "network",
    "source",
    "arguments",
    "data",
    "relation",
    "answers",
    "balance",
    "image_size",
    "channels",
    "classes",
    "class_names",
    "size",
    "pool",
    "pixel_mean",
    "pixel_deviation",
    "distance_threshold",
    "test_error",
    "seed",
    "round",
    "weight_round",
    "twofold_version",
    "jax_version",
    "torch_version",
)
_PREPARATION = (
    "images as the study read them, {}: brought to `size`, averaged over "
    "squares of `pool` x `pool` pixels, and then (pixels - `pixel_mean`) / `pixel_deviation`"
)

_LONGEST_NAME = 60


def check_format(to: str) -> None:
    """Raise `SettingError` for a format that is unknown."""
    if to not in ENDINGS:
        raise unknown_choice("to", to, ENDINGS)


def check_exportable(record: Mapping[str, Any], to: str, file: Path) -> None:
    """Raise `SettingError` for a format that is unknown, and for a network that is none of PyTorch's."""
    check_format(to)
    name = record["network"]
    if record.get("identity") and not record.get("torch_version"):
        raise SettingError(
            f"{name} is written in JAX, and only networks in PyTorch can be exported; its arrays are in {file}, by "
            "their names"
        )
    if not record.get("identity") and not find_network(name).portable:
        raise SettingError(f"{name} cannot be exported: it is none of the paper's networks")


def files_of(record: Mapping[str, Any], to: str, out: Path | None) -> list[Path]:
    """The files of an export: `out`, by default one named by the network and its key here, and those beside it.

    Raises `SettingError` where two of them would be one, and where `out` ends as another format's file.
    """
    meant = next((each for each, ending in ENDINGS.items() if out and out.suffix.lower() == ending), to)
    if meant != to:
        raise SettingError(f"`out` (={out}) ends as a file of {meant}, and `to` is {to}; end it in {ENDINGS[to]}")
    name = re.sub(r"[^\w.-]+", "_", record["network"]).strip("_")[:_LONGEST_NAME]
    file = out or Path(f"{name}-{record['key'][:12]}{ENDINGS[to]}")
    if to != "pytorch":
        return [file]
    beside = [file.parent / f"{file.stem}.json"]
    if not record.get("identity"):
        beside.append(file.parent / _CLASS_FILE.name)
    if file in beside:
        raise SettingError(f"`out` (={file}) has the name of a file that is written beside it; end it in {ENDINGS[to]}")
    return [file, *beside]


def contents_of(kept: Kept, to: str, file: Path) -> tuple[list[bytes], str]:
    """What the files of `files_of` hold, of which `file` is the first, and how it is loaded or was checked.

    Raises `ExtraError` where PyTorch, or what ONNX needs, is not installed, `NetworkError` where the network cannot be
    written as ONNX, or gives other numbers there.
    """
    told = told_of(kept)
    if to == "onnx":
        with needing("torch", "twofold export"), needing("onnx", "twofold export --to onnx"):
            from twofold.export.onnx_file import onnx_of
        content, checked = onnx_of(kept, as_text(told))
        return [content], checked
    with needing("torch", "twofold export"):
        import torch
        from safetensors.torch import save
    module = kept.module()
    state, recipe = module.state_dict(), _recipe(kept, module, to, file)
    if to == "safetensors":
        # A weight of both branches has both its names there, which a strict loading wants.
        state = {name: each.clone().contiguous() for name, each in state.items()}
        return [save(state, as_text({**told, "load": recipe}))], recipe
    written = io.BytesIO()
    torch.save(state, written)
    beside = json.dumps({**told, "load": recipe}, indent=1).encode()
    return [written.getvalue(), beside, *([] if kept.own else [_CLASS_FILE.read_bytes()])], recipe


def told_of(kept: Kept) -> dict[str, Any]:
    """What travels with an exported network: how images are prepared, the question and the classes, where it is from.

    `answer_below_threshold` is the answer of embeddings whose distance is below the threshold.
    """
    record = {"pool": SETTINGS["pool"].default, "channels": 1, **kept.record}
    told = {name: record[name] for name in TOLD if record.get(name) is not None}
    if record.get("distance_threshold") is not None:
        told["answer_below_threshold"] = kept.answer_below_threshold
    white = white_of(record)
    scale = "on the scale of its pixels" if white is None else f"with pixels from 0 to {white:g}"
    return {**told, "preparation": _PREPARATION.format(scale), "exported_by": __version__}


def as_text(told: Mapping[str, Any]) -> dict[str, str]:
    """The same as texts alone; what is none is in JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}


def _recipe(kept: Kept, module: Any, to: str, file: Path) -> str:
    """The lines of Python that load a state into a fresh module of its class."""
    loaded = {
        "pytorch": f'torch.load("{file.name}", weights_only=True)',
        "safetensors": f'safetensors.torch.load_file("{file.name}")',
    }[to]
    imported = {"pytorch": "import torch", "safetensors": "import safetensors.torch"}[to]
    return "\n".join([imported, *_made(kept, module, to), f"module.load_state_dict({loaded})", "module.eval()"])


def _made(kept: Kept, module: Any, to: str) -> list[str]:
    """How the class of a network comes from its file, and makes a fresh module."""
    if kept.own is None:
        home = _CLASS_FILE.stem if to == "pytorch" else f"twofold.export.{_CLASS_FILE.stem}"
        first = module.first
        arguments = {
            "weight_sharing": first is module.second,
            "features": first.dense1.in_features,
            "channels": first.conv1.in_channels,
            "classes": first.dense2.out_features,
            "negative_slope": module.negative_slope,
        }
        given = ", ".join(f"{name}={value}" for name, value in arguments.items())
        return [f"from {home} import PairModule", f"module = PairModule({given})"]
    home, _, name = str(kept.record["source"]).rpartition(":")
    written = ", ".join(f"{name}={text}" for name, text in kept.record["arguments"].items())
    module = Path(home).stem if home.endswith(".py") else home
    outer = name.partition(".")[0]
    if all(part.isidentifier() and not iskeyword(part) for part in module.split(".")):
        imported = f"from {module} import {outer}"
    else:  # a file whose name no import statement can have
        imported = f"import runpy; {outer} = runpy.run_path({Path(home).name!r})[{outer!r}]"
    return [imported, f"module = {name}({written})"]
