"""Pages: one self-contained HTML file each, which asks no other host for anything and opens from a disk."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from twofold import __version__
from twofold.report.figures.looks import INK, looks_of
from twofold.report.places import not_writable, write_file
from twofold.report.text.numbers import percent
from twofold.report.text.signs import PLAINER

# Markers of matplotlib's as SVG paths around (0, 0), some eight units wide.
_MARKER_PATHS = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
    "s": "M-3.5-3.5h7v7h-7Z",
    "^": "M0-4.6 4.4 3.2h-8.8Z",
    "D": "M0-5 5 0 0 5-5 0Z",
    "v": "M0 4.6 4.4-3.2h-8.8Z",
    "P": "M-1.6-4.2h3.2v2.6h2.6v3.2h-2.6v2.6h-3.2v-2.6h-2.6v-3.2h2.6Z",
    "*": "M0-5.2 1.2-1.6 4.9-1.6 1.9 0.6 3.1 4.2 0 2-3.1 4.2-1.9 0.6-4.9-1.6-1.2-1.6Z",
    "X": "M-4-2.2-2.2-4 0-1.8 2.2-4 4-2.2 1.8 0 4 2.2 2.2 4 0 1.8-2.2 4-4 2.2-1.8 0Z",
}


# What a line does not end within.
_WHOLE = re.compile(r"([\d.]+ %|(?<!\S)--[a-z][a-z-]*|p-values?)")


def render(template: str, **values: Any) -> str:
    """The text of a page; every value is escaped where it stands, so that no text becomes markup or script."""
    return _environment().get_template(template).render(**values)


def write_page(path: Path, text: str) -> str:
    """Write a page and say so; its folder is made if it lacks. Raises `SettingError` where it cannot be written."""
    try:
        return write_file(path, text.encode(errors=PLAINER))
    except OSError as error:
        raise not_writable(path, error) from error


def css(colour: str) -> str:
    """A colour of figures for a page: what is drawn in ink takes the page's own ink, which is light on dark."""
    return "currentColor" if colour == INK else colour


def swatch(network: str, among: Iterable[str] = ()) -> Markup:
    """The network's marker in its colour, to stand beside its name; `among` are those that are shown with it."""
    look = looks_of([*among, network])[network]
    return Markup(
        '<svg class="swatch" viewBox="-6 -6 12 12" aria-hidden="true"><use href="#marker-{}" fill="{}"/></svg>'
    ).format(look.marker, css(look.colour))


def unbroken(text: str) -> Markup:
    """A text of which a number with its percent sign, an option or a p-value is not broken at the end of a line."""
    parts = _WHOLE.split(text)  # what stands between, and then what is whole, in turn
    return Markup("").join(
        Markup('<span class="whole">{}</span>').format(part) if place % 2 else part for place, part in enumerate(parts)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("twofold.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, swatch=swatch, unbroken=unbroken)
    environment.globals.update(version=__version__, markers=_MARKER_PATHS)
    return environment
