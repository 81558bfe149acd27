"""The model store: trained networks on disk, one safetensors file each, named by the key of its trial.

Weights are arrays and everything else is JSON in the file's metadata; nothing is ever pickled, so that a file from
anywhere can be opened without running what is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from twofold.data import Task
from twofold.errors import DataError, SettingError, StoreAway, StoreError, cause_of, shown
from twofold.files import clear_partial, write_whole
from twofold.networks import find_network
from twofold.paths import try_folder, typed_path
from twofold.results.database import address_of
from twofold.results.records import checked_record

if TYPE_CHECKING:
    from twofold.networks.protocol import Variables

# In the metadata of every file: what else its metadata and tensors are called depends on it.
_FORMAT = "twofold model 1"
_ENDING = ".safetensors"
# Longer heads of files than this are not read, nor files that are larger: no network of ours has so many weights.
_MOST_HEAD, _MOST_BYTES = 16 * 1024**2, 8 * 1024**3


@dataclass(frozen=True)
class Model:
    """A trained network and the record of its training.

    The record is what the results store knows of the trial (settings, errors as fractions, versions) and what its
    images have to be: `image_size` ([height, width]), and `pixel_mean` and `pixel_deviation`, by which pixels are
    shifted and then divided (0 and 1 unless the trial normalises). `edge_range` is what `twofold.data.form.edge_range`
    says of the training images, `pixel_range` their least and their largest pixel; what earlier versions kept has
    neither.
    """

    variables: Variables
    record: dict[str, Any]

    @property
    def network(self) -> Any:
        """Its parameters; one of the paper's is called with images, one of one's own has them by name."""
        return self.variables.parameters


class ModelStore:
    """A folder of trained networks.

    `notes` says in sentences which of its files `records` has left out, and what to do about each.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = typed_path("models", folder)
        self.notes: list[str] = []
        self._sound: dict[Path, tuple[int, ...]] = {}  # files that were read whole, as they were then

    def make_folder(self) -> None:
        """Make the folder if it lacks. Raises `StoreError` where that cannot be done, or it cannot be written."""
        self._make()
        with _errors("write to", self.folder):
            try_folder(self.folder)
        clear_partial(self.folder)

    def add(self, variables: Variables, record: Mapping[str, Any]) -> Path:
        """Keep a network under its record's `key`, in place of an earlier one, and return the file.

        The file appears whole or not at all. Raises `StoreError` where it cannot be written.
        """
        return self._write(_tensors(variables), record)

    def present(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys whose networks are kept, in files that are whole and undamaged."""
        return {key for key in keys if self._is_sound(key)}

    def records(self, keys: Set[str] | None = None) -> list[dict[str, Any]]:
        """The records of all networks kept, or of those of some keys, in the order of their keys.

        A file that is none of ours, or is damaged, is left out, and `notes` says so: so all is read, weights too.
        """
        self.notes.clear()
        records = []
        for path in self.files():
            if keys is not None and path.stem not in keys:
                continue
            try:
                records.append(_sound_record(path))
            except StoreError as error:
                self.notes.append(str(error))
        return records

    def files(self) -> list[Path]:
        """The files of all networks kept, in the order of their keys."""
        return sorted(self.folder.glob(f"*{_ENDING}"))

    def unfinished(self) -> list[Path]:
        """What is left of files that were being written when a run was killed, or are being written now."""
        return sorted(self.folder.glob("*.partial"))

    def take(self, key: str, other: ModelStore, changes: Mapping[str, Any]) -> None:
        """Keep a network of another store, with these changes of its record, unless one of the key is kept here.

        Raises `StoreError` where the other file cannot be read, or this one written.
        """
        if self._is_sound(key):
            return
        record, tensors = _read(other._existing(key), with_tensors=True)
        self._write(tensors, {**record, **changes})

    def record(self, key: str) -> dict[str, Any]:
        """The record of the network kept under a key. Raises `StoreError` as `load` does."""
        return _read(self._existing(key))[0]

    def load(self, key: str, *, of_trial: bool = False) -> Model:
        """The network kept under a key, and its record. Raises `StoreError` where there is none, or it is damaged.

        Any name will do for a file, unless it has to be the key of its trial (`of_trial`).
        """
        path = self._existing(key)
        record, tensors = _read(path, with_tensors=True)
        if of_trial:
            _check_name(path, record)
        return Model(_variables(path, record, tensors), record)

    def remove(self, key: str) -> None:
        """Delete the network kept under a key, if there is one. Raises `StoreError` where that cannot be done."""
        path = self.path(key)
        with _errors("delete", path):
            path.unlink(missing_ok=True)

    def path(self, key: str) -> Path:
        """The file of the network kept under a key."""
        return self.folder / f"{key}{_ENDING}"

    def _write(self, tensors: dict[str, np.ndarray], record: Mapping[str, Any]) -> Path:
        path, text = self.path(record["key"]), json.dumps(dict(record))
        content = save(tensors, {"format": _FORMAT, "record": text, "digest": _digest(text, tensors)})
        self._make()
        with _errors("write", path):
            write_whole(path, content)
        return path

    def _make(self) -> None:
        with _errors("make", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def _is_sound(self, key: str) -> bool:
        path = self.path(key)
        with suppress(OSError, StoreError):
            status = path.stat()
            now = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self._sound.get(path) != now:
                _sound_record(path)
                self._sound[path] = now
            return True
        return False

    def _existing(self, key: str) -> Path:
        path = self.path(key)
        if not path.is_file():
            raise StoreError(f"there is no kept network {path}; `twofold models` lists those that are")
        return path


def models_folder(store: str | os.PathLike[str]) -> Path:
    """Where models are kept by default: beside a store in a file (`twofold.db`: `twofold.models`), else right here.

    Raises `StoreError` for a name that can be no store's.
    """
    file = address_of(store).file
    return file.with_suffix(".models") if file else Path("twofold.models")


def _tensors(variables: Variables) -> dict[str, np.ndarray]:
    import jax

    arrays = variables.parameters
    if isinstance(arrays, dict):  # of a network of one's own, which may have buffers too
        arrays = {**arrays, **variables.buffers}
    leaves, _ = jax.tree_util.tree_flatten_with_path(arrays)
    return {_name(path): np.array(leaf, order="C") for path, leaf in leaves}


def _name(path: Any) -> str:
    """A parameter's name in the file, such as conv1.weight."""
    import jax

    return jax.tree_util.keystr(path, simple=True, separator=".")


def _variables(path: Path, record: Mapping[str, Any], tensors: dict[str, np.ndarray]) -> Variables:
    """What the network of the record computes with: the tensors."""
    # Not at the top: listing models, or a store without any, needs no JAX.
    import jax
    import jax.numpy as jnp

    from twofold.networks.protocol import Variables

    if record.get("identity"):
        return _of_own(path, record, tensors)
    height, width = record["image_size"]
    # What the first version wrote has neither: its images were grey, and of ten classes.
    task = Task(height, width, channels=record.get("channels", 1), classes=record.get("classes", 10))
    try:
        structure = find_network(record["network"]).structure()
    except SettingError as error:
        raise _no_model(path, f"there is no network {shown(record['network'])}") from error
    try:
        made = jax.eval_shape(lambda: structure.init(jax.random.key(0), task).parameters)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise _no_model(path, f"there is no such network for images of {height}x{width}") from error
    shapes, definition = jax.tree_util.tree_flatten_with_path(made)
    leaves = [jnp.asarray(_tensor(path, tensors, _name(place), shape.shape)) for place, shape in shapes]
    return Variables(jax.tree.unflatten(definition, leaves))


def _of_own(path: Path, record: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Variables:
    """What a network of one's own computes with, by the names in its module."""
    from twofold.networks.protocol import Variables

    if not {"parameters", "buffers"} <= record.keys():
        raise _no_model(path, "its record does not say what the network computes with")
    shapes = [{name: tuple(shape) for name, shape in record[kind].items()} for kind in ("parameters", "buffers")]
    return Variables(*({name: _tensor(path, tensors, name, shape) for name, shape in of.items()} for of in shapes))


def _tensor(path: Path, tensors: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    tensor = tensors.get(name)
    if tensor is None:
        raise _no_model(path, f"it has no tensor '{name}'")
    if tensor.shape != shape:
        raise _no_model(path, f"its tensor '{name}' is {tensor.shape}, not {shape}")
    return tensor


def _read(path: Path, *, with_tensors: bool = False) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record of a file, and its arrays if they are asked for: then its digest is compared, too."""
    try:
        _check_head(path)
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, TypeError, OverflowError) as error:  # of NumPy, about odd shapes
        raise _no_model(path, cause_of(error)) from error
    if metadata.get("format") != _FORMAT:
        raise _no_model(path, f"its format is {shown(metadata.get('format', 'not given'))}, not {_FORMAT}")
    # What earlier versions kept has no digest.
    text, digest = metadata.get("record", ""), metadata.get("digest")
    if with_tensors and digest is not None and digest != _digest(text, tensors):
        raise _no_model(path, "it is damaged: its weights or its record are not those that were written")
    try:
        record = checked_record(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _no_model(path, "its record cannot be read") from error
    except DataError as error:
        raise _no_model(path, f"in its record {error}") from error
    if not (record.get("identity") or record["diverged"] or all(np.isfinite(each).all() for each in tensors.values())):
        raise _no_model(path, "its weights are not finite")
    return record, tensors


def _sound_record(path: Path) -> dict[str, Any]:
    """The record of a file that is whole, and called as its trial. Raises `StoreError` for another."""
    record, _ = _read(path, with_tensors=True)
    _check_name(path, record)
    return record


def _check_name(path: Path, record: Mapping[str, Any]) -> None:
    """Raise `StoreError` unless a file is called as its trial."""
    if path.stem != record["key"]:
        key = shown(record["key"])
        raise StoreError(f"{path} is the network of the trial {key}; call it {key}{_ENDING}")


def _check_head(path: Path) -> None:
    """Raise `ValueError` for what is no file, or too large a one, before any memory is taken."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no file")
    if status.st_size > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES // 1024**3} GiB")
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > _MOST_HEAD:
            raise ValueError("it does not begin as one")


def _digest(record: str, tensors: Mapping[str, np.ndarray]) -> str:
    """The hash of all that a file holds."""
    known = hashlib.sha256(record.encode())
    for name, tensor in sorted(tensors.items()):
        known.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        known.update(tensor.tobytes())
    return known.hexdigest()


def _no_model(path: Path, cause: str) -> StoreError:
    return StoreError(f"{path} is no model that this twofold can read ({cause}); delete it, or name another --models")


@contextmanager
def _errors(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        failed = f"cannot {verb} {path} ({cause_of(error)})"
        raise StoreAway(f"{failed}; name another folder with --models", failed) from error
