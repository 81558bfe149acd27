"""Kept networks as their own classes make them, with the weights that were trained here."""

from __future__ import annotations

import ast
import glob
from collections.abc import Callable, Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from twofold.data import Relation, Task, relation_of_record
from twofold.errors import NetworkError, SettingError, needing
from twofold.networks import find_network
from twofold.networks.importing import import_home
from twofold.networks.kinds import own_of
from twofold.networks.typed import parse
from twofold.paths import typed_path
from twofold.results import Model, ModelStore
from twofold.settings import SETTINGS, Settings, settings_class

if TYPE_CHECKING:
    from twofold.networks.graphs.loading import Own
    from twofold.networks.protocol import Structure
    from twofold.training.outputs import Said

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
    return open_kept(file, make, arguments).module()


@dataclass(frozen=True)
class Kept:
    """A kept network, and what computes it: `own` is a network of the user's, made again, and None of a built-in."""

    file: Path
    model: Model
    own: Own | None

    @property
    def record(self) -> Mapping[str, Any]:
        """What is known of its training, and of its images: see `twofold.results.Model`."""
        return self.model.record

    def module(self) -> Any:
        """What `trained` gives."""
        if self.own is not None:
            arrays = {**self.model.variables.parameters, **self.model.variables.buffers}
            made_in = self.record.get("weight_round", self.record["round"])  # earlier records have no other
            return self.own.trained(arrays, seed=self.record["seed"], round=made_in)
        with needing("torch", f"{self.record['network']} as a PyTorch module"):
            from twofold.export.pytorch import to_pytorch
        return to_pytorch(self.model.network, self._numbers(self._structure())["negative_slope"]).eval()

    def outputs(self, images: Float[np.ndarray, "n 2 ..."]) -> Said:
        """What it says of pairs of images that are prepared as they were for its training: NumPy arrays."""
        from twofold.networks.protocol import Variables
        from twofold.training.outputs import outputs_of

        structure, variables = self._structure(), self.model.variables
        if self.own is not None:  # its arrays have names in the file, and places in its graphs
            variables = Variables(list(variables.parameters.values()), list(variables.buffers.values()))
        return outputs_of(structure, variables, images, self._numbers(structure))

    @cached_property
    def relation(self) -> Relation:
        """What it was trained to answer."""
        return relation_of_record(self.record)

    @property
    def names_classes(self) -> bool:
        """Whether it was trained to name the class of each image."""
        return bool(self.record["auxiliary_losses"] and self.record["aux_weight"])

    @property
    def answer_below_threshold(self) -> bool:
        """What embeddings answer whose distance is below the threshold: what holds of two images of one class."""
        return bool(self.relation.of_alike)

    def _structure(self) -> Structure:
        if self.own is not None:
            return self.own.structure(self._settings)
        return find_network(self.record["network"]).structure()

    def _numbers(self, structure: Structure) -> dict[str, float]:
        return structure.numbers(self._settings)

    @property
    def _settings(self) -> Settings:
        """Its settings, and the relation that was asked. One that is newer than the record had its default."""
        settings = _Settings(**{name: self.record[name] for name in SETTINGS if name in self.record})
        return replace(settings, asked=self.relation)


@settings_class
class _Settings(Settings):
    """Settings that carry what is asked, for `twofold.data.asked_of`."""

    asked: Relation | None = None


def open_kept(
    file: str | Path,
    make: Any = None,
    arguments: Mapping[str, Any] | None = None,
    *,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
    source: str = "",
    named: str = "make",
) -> Kept:
    """A kept network with its class; the arguments, and what is raised, are those of `trained`.

    `around` and `source` are those of `twofold.networks.kinds.own_of`; `named` is what the user gave the class by.
    """
    path = find_kept(file)
    model = ModelStore(path.parent).load(path.stem)
    name, is_own = model.record["network"], bool(model.record.get("identity"))
    if is_own == (make is None):
        typed = model.record.get("source")
        example = ", as in trained(file, Twin)" if named == "make" else f" with `{named}`, for example {typed}"
        what = f"a network of your own; give its class{example}" if is_own else f"built in; leave `{named}` out"
        raise SettingError(f"{name} is {what}")
    if make is None:
        return Kept(path, model, None)
    if not callable(make):
        raise SettingError(f"`{named}` (={make!r}) must be the class, imported from its file")
    return Kept(path, model, _own(model, make, arguments or {}, around, source, named))


def open_named(file: str | Path, network: Any) -> Kept:
    """A kept network with its class as it is typed, or itself: file.py:Twin, with arguments where others are wanted.

    Raises what `trained` does, and `SettingError` for a text that names several networks.
    """
    if not isinstance(network, str):
        return open_kept(file, network, named="network")
    typed = parse(network)
    if typed.factors:
        raise SettingError(f"`network` (={network}) names several networks; give {typed.factors[0]} one value")
    imported = import_home(typed.home)
    make, (arguments,) = imported.find(typed.name), typed.combinations()
    path = find_kept(file)
    # What is known of these sources is kept under the name of the network, which has the class and its arguments.
    same = not arguments and ModelStore(path.parent).record(path.stem)["network"].partition("(")[0] == typed.name
    source = imported.digest() if same else ""
    return open_kept(path, make, arguments, around=imported.there, source=source, named="network")


def find_kept(file: str | Path, keys: Set[str] | None = None) -> Path:
    """The file that was named, or the only one whose name begins so; without either what was named, as a path.

    With `keys` those of these trials are all that there are. Raises `SettingError` for the beginning of several.
    """
    path = typed_path("file", file)
    begin = sorted(path.parent.glob(f"{glob.escape(path.stem)}*.safetensors"))
    begin = [each for each in begin if keys is None or each.stem in keys]
    if path.is_file() or not begin:
        return path
    if len(begin) > 1:
        several = ", ".join(each.stem for each in begin[:_MOST_LISTED])
        more = f" and {len(begin) - _MOST_LISTED} more" if len(begin) > _MOST_LISTED else ""
        raise SettingError(
            f"`file` (={file}) is the beginning of several kept networks: {several}{more}; give one name"
        )
    return begin[0]


def _own(
    model: Model,
    make: Callable[..., Any],
    arguments: Mapping[str, Any],
    around: Callable[[], AbstractContextManager[None]],
    source: str,
    named: str,
) -> Own:
    record = model.record
    height, width = record["image_size"]
    task = Task(height, width, channels=record["channels"], classes=record["classes"])
    made_with = {**_typed(record, set(arguments)), **arguments}
    another = _is_another(record, make)
    given = f"`{named}` (={getattr(make, '__qualname__', make)})"
    try:
        own = own_of(record["network"], make, made_with, task, tuple(record["outputs"]), around, source)
    except NetworkError as error:  # of arguments and outputs that it was never meant for
        refusal = NetworkError(f"{given} does not make {record['network']} as it was trained: {error}")
        raise another or refusal from error
    if own.identity != record["identity"]:
        if another:
            raise another
        then, now = record["torch_version"], own.versions().get("torch_version")
        versions = "" if then == now else f", with PyTorch {then}; here is {now}"
        raise NetworkError(
            f"{given} computes something else than {record['network']}, which was trained (#{own.identity[:6]}, and "
            f"was #{record['identity'][:6]}{versions}); give the class and the arguments as they were then"
        )
    return own


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
