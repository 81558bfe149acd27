"""Kept networks as their own classes make them, with the weights that were trained here."""

import ast
import glob
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twofold.data import Task
from twofold.errors import NetworkError, SettingError, needing
from twofold.networks.kinds import own_of
from twofold.paths import typed_path
from twofold.results import Model, ModelStore

# Kept networks that are named where several begin alike.
_MOST_LISTED = 3


def trained(file: str | Path, make: Any = None, **arguments: Any) -> Any:
    """A kept network, in evaluation: a PyTorch module, or what your own class makes.

    `file` is one of those that `twofold models` lists, or the folder and the beginning of its name. `make` is the
    class, or the function, that the network was made by; a built-in network needs none, and becomes a PyTorch module.
    It is called with the arguments that the network was trained with; `arguments` are given in the place of those. Of
    an Equinox module with state it is the module and its state, of functions (init, apply) what `init` makes: the
    parameters, with their state where there is one. Images go in as they were trained on: shifted by the record's
    `pixel_mean` and divided by its `pixel_deviation`, which are 0 and 1 unless the study normalised.

    >>> trained("twofold.models/0a1b2c.safetensors", Twin)  # doctest: +SKIP

    Raises `StoreError` where the file is no kept network, `SettingError` where several begin so, or the class lacks or
    is one too many, `NetworkError` where the class computes something else now than what was trained, `ExtraError`
    where PyTorch is needed and not installed.
    """
    path = _found(file)
    model = ModelStore(path.parent).load(path.stem)
    name, is_own = model.record["network"], bool(model.record.get("identity"))
    if is_own == (make is None):
        remedy = "give its class, as in trained(file, Twin)" if is_own else "leave `make` out"
        raise SettingError(f"{name} is {'a network of your own' if is_own else 'built in'}; {remedy}")
    if make is not None and not callable(make):
        raise SettingError(f"`make` (={make!r}) must be the class, imported from its file")
    return _own(model, make, arguments) if make is not None else _built_in(model)


def _found(file: str | Path) -> Path:
    """The file that was named, or the only one whose name begins so."""
    path = typed_path("file", file)
    begin = sorted(path.parent.glob(f"{glob.escape(path.stem)}*.safetensors"))
    if path.is_file() or not begin:
        return path
    if len(begin) > 1:
        several = ", ".join(each.stem for each in begin[:_MOST_LISTED])
        more = f" and {len(begin) - _MOST_LISTED} more" if len(begin) > _MOST_LISTED else ""
        raise SettingError(
            f"`file` (={file}) is the beginning of several kept networks: {several}{more}; give one name"
        )
    return begin[0]


def _built_in(model: Model) -> Any:
    with needing("torch", "twofold.trained of a built-in network"):
        from twofold.export.pytorch import to_pytorch
    return to_pytorch(model.network).eval()


def _own(model: Model, make: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    record = model.record
    height, width = record["image_size"]
    task = Task(height, width, channels=record["channels"], classes=record["classes"])
    made_with = {**_typed(record, set(arguments)), **arguments}
    another = _is_another(record, make)
    try:
        own = own_of(record["network"], make, made_with, task, tuple(record["outputs"]))
    except NetworkError as error:  # of arguments and outputs that it was never meant for
        raise another or error from error
    if own.identity != record["identity"]:
        if another:
            raise another
        then, now = record["torch_version"], own.versions().get("torch_version")
        versions = "" if then == now else f", with PyTorch {then}; here is {now}"
        raise NetworkError(
            f"`make` (={getattr(make, '__qualname__', make)}) computes something else than {record['network']}, which "
            f"was trained (#{own.identity[:6]}, and was #{record['identity'][:6]}{versions}); "
            "give the class and the arguments as they were then"
        )
    arrays = {**model.variables.parameters, **model.variables.buffers}
    return own.trained(arrays, seed=record["seed"], round=record["round"])


def _is_another(record: Any, make: Callable[..., Any]) -> NetworkError | None:
    """What is said where this fails, and it has another name than what the network was trained from."""
    name = getattr(make, "__qualname__", "").rpartition("<locals>.")[-1]
    _, _, trained_from = record["source"].rpartition(":")
    if name in ("", trained_from):
        return None
    return NetworkError(
        f"{record['network']} was trained from {record['source']}, and {name} is another "
        f"{'class' if isinstance(make, type) else 'function'}; give {trained_from} of that file, or one that computes "
        "the same"
    )


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
