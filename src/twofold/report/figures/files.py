"""Figures as files: PNG and SVG, drawn again only where their rows, or what draws them, are others.

Each file carries a digest of all that it was drawn from in its metadata.
"""

import hashlib
import importlib
import io
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twofold import __version__, shutdown
from twofold.report.places import not_a_folder, write_file
from twofold.report.text.told import unchanged

_FORMATS = ("png", "svg")

# Where in a file its metadata lie, at the most.
_HEAD = 16384

# Columns of a trial that no figure shows: how it was made, not what came out.
_UNSEEN = ("seconds", "device", "engine", "finished_at", "twofold_version", "jax_version")


@dataclass(frozen=True)
class Drawing:
    """A figure that is not drawn yet: the function `draw` ("module:function" of this folder), its rows, arguments.

    The function is named rather than given, since to import it is to import matplotlib.
    """

    draw: str
    rows: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def figure(self) -> Any:
        """Draw it: a `twofold.report.figures.style.Picture`."""
        module, function = self.draw.split(":")
        # Who cannot keep the list of fonts, since the disk is full, makes it the next time.
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
        with shutdown.critical:  # the first to import matplotlib on a machine lists its fonts, and locks the list
            draw = getattr(importlib.import_module(f"twofold.report.figures.{module}"), function)
        return draw(self.rows, **self.arguments)

    @property
    def digest(self) -> str:
        """The hash of the rows, and of all else that decides what the files hold."""
        known = hashlib.sha256(f"{_program()} {self.draw} {dict(self.arguments)!r}".encode())
        _add(known, self.rows)
        return f"twofold:{known.hexdigest()}"


@cache
def _program() -> str:
    """What draws: the versions, and the code of the figures, of what stands in them, and of what computes it."""
    code = hashlib.sha256()
    package = Path(__file__).parents[2]
    for room in ("report/figures", "report/text", "analysis", "networks"):
        for file in sorted((package / room).glob("*.py")):
            code.update(file.read_bytes())
    code.update((package / "settings.py").read_bytes())
    versions = [version(name) for name in ("matplotlib", "numpy", "pandas", "scipy")]
    return f"{__version__} {versions} {code.hexdigest()}"


def write_figures(folder: Path, drawings: Mapping[str, Drawing], name: str = "out") -> list[str]:
    """Write each drawing as `<name>.png` and `<name>.svg` and return what is to be told of them, a sentence each.

    `name` is the option that names the folder. Raises `SettingError` where the folder cannot be written.
    """
    try:
        return [sentence for stem, drawing in drawings.items() for sentence in _written(folder, stem, drawing)]
    except OSError as error:
        raise not_a_folder(folder, error, name) from error


def _written(folder: Path, stem: str, drawing: Drawing) -> list[str]:
    digest = drawing.digest
    files = [folder / f"{stem}.{ending}" for ending in _FORMATS]
    if all(_carries(file, digest) for file in files):
        return [unchanged(files[0], files[1].name)]
    figure = drawing.figure()
    contents = [file_of(figure, ending, digest) for ending in _FORMATS]  # all, before any of the old ones goes
    return [write_file(file, content) for file, content in zip(files, contents)]


def file_of(figure: Any, ending: str, digest: str) -> bytes:
    """The figure as a file of a format, with a digest in its metadata: the same rows give the same bytes."""
    from twofold.report.figures.style import house_style

    metadata = {"Identifier": digest} | ({"Date": None} if ending == "svg" else {})
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=ending, metadata=metadata)
    return buffer.getvalue()


def _carries(file: Path, digest: str) -> bool:
    try:
        with file.open("rb") as content:
            return digest.encode() in content.read(_HEAD)
    except OSError:
        return False


def _add(known: Any, rows: Any) -> None:
    """Add rows to a hash: a table, several tables by name, or anything that prints all of itself."""
    if isinstance(rows, pd.DataFrame):
        for name in rows.columns.difference(list(_UNSEEN), sort=False):
            known.update(f"\n{name} {rows[name].dtype} {len(rows)}\n".encode())
            known.update(_bytes_of(rows[name]))
    elif isinstance(rows, Mapping):
        for name, each in rows.items():
            known.update(f"\n{name}\n".encode())
            _add(known, each)
    else:
        known.update(repr(rows).encode())


def _bytes_of(column: pd.Series) -> bytes:
    if column.dtype.kind in "biuf":
        return column.to_numpy().tobytes()
    return b"\n".join(_cells(column.tolist()))


def _cells(values: Iterable[Any]) -> Iterable[bytes]:
    for value in values:
        # A loss that was not finite is None in a list.
        yield np.array(value, float).tobytes() if isinstance(value, list) else repr(value).encode()
