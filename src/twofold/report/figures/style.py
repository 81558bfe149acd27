"""How every figure looks: one palette, one type size, no pyplot state."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twofold.analysis import BOTH_DEAD, DIVERGED, HEALTHY, ONE_DEAD
from twofold.errors import SettingError, cause_of

# Okabe and Ito's palette, which stays apart under the common kinds of colour blindness; the markers tell the
# networks apart without any colour. Warm: no auxiliary losses. Cold: with them.
NETWORK_COLOURS = {"NetBase": "#D55E00", "NetWS": "#E69F00", "NetAL": "#0072B2", "NetWSAL": "#009E73"}
NETWORK_MARKERS = {"NetBase": "o", "NetWS": "s", "NetAL": "^", "NetWSAL": "D"}
# Each optimizer's colour and marker, where lines stand for optimizers.
OPTIMIZER_LOOKS = {
    "sgd": ("#222222", "o"),
    "adam": ("#0072B2", "s"),
    "adadelta": ("#009E73", "^"),
    "adagrad": ("#E69F00", "D"),
    "rmsprop": ("#CC79A7", "v"),
}
INK, FAINT = "#222222", "#8A8A8A"

# Kinds of trials: of the same palette as the networks, and told apart by their markers as well.
KIND_COLOURS = {HEALTHY: "#56B4E9", ONE_DEAD: "#E69F00", BOTH_DEAD: "#D55E00", DIVERGED: INK}
KIND_MARKERS = {HEALTHY: "o", ONE_DEAD: "s", BOTH_DEAD: "^", DIVERGED: "X"}

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    # The same table gives the same bytes.
    "svg.hashsalt": "twofold",
}


class Picture(Figure):
    """A matplotlib figure that a notebook shows by itself, with or without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house's style; the user's own matplotlib settings come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_picture(width: float, height: float, **subplots: Any) -> tuple[Picture, Any]:
    """An empty figure of the given size in inches, and its axes as `Figure.subplots` returns them."""
    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**subplots)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as `<stem>.png` and `<stem>.svg` and return both paths; the folder is made if it lacks.

    Raises `SettingError` where the folder cannot be written.
    """
    paths = [stem.with_name(stem.name + ending) for ending in (".png", ".svg")]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with house_style():
            for path in paths:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                figure.savefig(path, metadata=metadata)
    except OSError as error:
        raise SettingError(
            f"cannot write figures to `out` (={stem.parent}) ({cause_of(error)}); name another folder"
        ) from error
    return paths


def colour_of(network: str) -> str:
    """The network's colour; a user's own network is drawn in ink."""
    return NETWORK_COLOURS.get(network, INK)


def marker_of(network: str) -> str:
    """The network's marker."""
    return NETWORK_MARKERS.get(network, "X")


def empty_panel(axes: Axes, text: str) -> None:
    """Say in the middle of a panel why nothing is drawn in it."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT)
