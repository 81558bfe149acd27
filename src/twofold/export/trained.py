"""Kept networks as PyTorch modules: those of one's own are the user's own, with the weights that were trained here."""

import ast
import functools
import glob
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from twofold.data import Task
from twofold.errors import NetworkError, SettingError, needing
from twofold.paths import typed_path
from twofold.results import Model, ModelStore

with needing("torch", "twofold.trained"):
    import torch

    from twofold.export.pytorch import to_pytorch
    from twofold.networks.pytorch.export import Exported
    from twofold.networks.pytorch.loading import Own
    from twofold.networks.pytorch.weights import find, made, seeded


def trained(file: str | Path, make: Any = None, **arguments: Any) -> torch.nn.Module:
    """A kept network as a PyTorch module, in evaluation: one of your own from your own class.

    `file` is one of those that `twofold models` lists, or the folder and the beginning of its name. `make` is the
    class, or the function, that the network was made by; a built-in network needs none. It is called with the arguments
    that the network was trained with; `arguments` are given in the place of those. Images go in as they were trained
    on: shifted by the record's `pixel_mean` and divided by its `pixel_deviation`, which are 0 and 1 unless the study
    normalised.

    >>> trained("twofold.models/0a1b2c.safetensors", Twin)  # doctest: +SKIP

    Raises `StoreError` where the file is no kept network, `SettingError` where the class lacks or is one too many,
    `NetworkError` where the class computes something else now than what was trained.
    """
    path = typed_path("file", file)
    begin = sorted(path.parent.glob(f"{glob.escape(path.stem)}*.safetensors"))
    if not path.is_file() and len(begin) == 1:
        path = begin[0]
    model = ModelStore(path.parent).load(path.stem)
    name, is_own = model.record["network"], bool(model.record.get("identity"))
    if is_own == (make is None):
        remedy = "give its class, as in trained(file, Twin)" if is_own else "leave `make` out"
        raise SettingError(f"{name} is {'a network of your own' if is_own else 'built in'}; {remedy}")
    if make is not None and not callable(make):
        raise SettingError(f"`make` (={make!r}) must be the class, imported from its file")
    return _own_module(model, make, arguments) if make is not None else to_pytorch(model.network).eval()


def _own_module(model: Model, make: Callable[..., torch.nn.Module], arguments: dict[str, Any]) -> torch.nn.Module:
    record = model.record
    height, width = record["image_size"]
    task = Task(height, width, channels=record["channels"], classes=record["classes"])
    made_with = functools.partial(make, **{**_typed(record, set(arguments)), **arguments})
    own = Own(record["network"], made_with, task, tuple(record["outputs"]), nullcontext, "")
    if own.identity != record["identity"]:
        then, now = record["torch_version"], own.description()["torch_version"]
        versions = "" if then == now else f", with PyTorch {then}; here is {now}"
        raise NetworkError(
            f"`make` (={getattr(make, '__qualname__', make)}) computes something else than {record['network']}, which "
            f"was trained (#{own.identity[:6]}, and was #{record['identity'][:6]}{versions}); "
            "give the class and the arguments as they were then"
        )
    return own.within(functools.partial(_filled, model))


def _typed(record: Any, given: set[str]) -> dict[str, Any]:
    """The arguments of the record, but for those that are given."""
    arguments = {}
    for name, text in record["arguments"].items():
        if name in given:
            continue
        try:
            arguments[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise SettingError(
                f"`{name}` (={text}) was no literal of Python's; give it again, as in trained(file, Net, {name}=...)"
            ) from error
    return arguments


def _filled(model: Model, make: Callable[[], torch.nn.Module], exported: Exported) -> torch.nn.Module:
    with seeded(model.record["seed"], model.record["round"]):  # what no output depends on is as it was drawn
        module = made(make, exported)
    arrays = {**model.variables.parameters, **model.variables.buffers}
    with torch.no_grad():
        for held in (*exported.parameters, *exported.buffers):
            tensor, array = find(module, held.names[0]), torch.from_numpy(np.array(arrays[held.names[0]]))
            if not torch.equal(tensor, array.to(tensor.dtype)):  # one that is expanded cannot be written, nor changes
                tensor.copy_(array)
    return module.eval()
