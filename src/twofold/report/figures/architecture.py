"""The paper's Figure 1: a drawing of a network, its two branches and where they meet."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from twofold.networks import Architecture
from twofold.report.style import FAINT, INK, Picture, colour_of, house_style, new_picture

_WIDTH, _HEIGHT = 1.5, 0.9


@dataclass(frozen=True)
class _Box:
    """A stage of the network: what stands in the box, and the shape that leaves it."""

    name: str
    shape: str


def figure1(architecture: Architecture, image_size: tuple[int, int] = (14, 14)) -> Picture:
    """Draw one network for images of the given size (height, width): layers, shapes, shared weights, losses."""
    colour = colour_of(architecture.name)
    with house_style():
        figure, axes = new_picture(11.5, 3.9)
        axes.set_axis_off()
        axes.set_title(architecture.name, fontsize=14)
        for centre, side in ((2.6, "first"), (0.6, "second")):
            _draw_branch(axes, side, centre, image_size, colour)
            if architecture.auxiliary_losses:
                _draw_auxiliary_loss(axes, side, centre)
        _draw_weights(axes, architecture.weight_sharing, colour)
        _draw_head(axes, colour)
        axes.set(xlim=(-0.95, 15.6), ylim=(-0.75, 4.0))
        axes.set_aspect("equal")
    return figure


def _stages(side: str, image_size: tuple[int, int]) -> list[_Box]:
    height, width = image_size
    after1 = ((height - 2) // 2, (width - 2) // 2)
    after2 = ((after1[0] - 2) // 2, (after1[1] - 2) // 2)
    return [
        _Box(f"{side}\nimage", f"{height}×{width}"),
        _Box("conv 3×3\nmax pool 2×2", f"{after1[0]}×{after1[1]}×32"),
        _Box("conv 3×3\nmax pool 2×2", f"{after2[0]}×{after2[1]}×64"),
        _Box("dense", "128"),
        _Box("dense", "10"),
    ]


def _place(stage: int) -> float:
    return 2.05 * stage


def _draw_branch(axes: Axes, side: str, centre: float, image_size: tuple[int, int], colour: str) -> None:
    stages = _stages(side, image_size)
    for stage, box in enumerate(stages):
        _draw_box(axes, _place(stage), centre, box, INK if stage == 0 else colour)
        if stage:
            _arrow(axes, (_place(stage - 1) + _WIDTH / 2, centre), (_place(stage) - _WIDTH / 2, centre))
    _arrow(axes, (_place(4) + _WIDTH / 2, centre), (_place(5) - _WIDTH / 2, 1.6))


def _draw_weights(axes: Axes, shared: bool, colour: str) -> None:
    text = "the two branches share their weights" if shared else "each branch has weights of its own"
    axes.text((_place(1) + _place(4)) / 2, 1.6, text, ha="center", va="center", style="italic", color=colour)


def _draw_auxiliary_loss(axes: Axes, side: str, centre: float) -> None:
    up = 1 if centre > 1.6 else -1
    start = centre + up * (_HEIGHT / 2 + (0 if up > 0 else 0.27))
    end = centre + up * (_HEIGHT / 2 + 0.5)
    _arrow(axes, (_place(4), start), (_place(4), end))
    axes.text(
        _place(4) + 0.15,
        end,
        f"auxiliary loss: which digit is the {side}?",
        ha="left",
        va="bottom" if up > 0 else "top",
        fontsize=9,
    )


def _draw_head(axes: Axes, colour: str) -> None:
    boxes = [_Box("concatenate", "20"), _Box("dense", "128"), _Box("dense", "2")]
    for stage, box in enumerate(boxes, start=5):
        _draw_box(axes, _place(stage), 1.6, box, colour)
        if stage > 5:
            _arrow(axes, (_place(stage - 1) + _WIDTH / 2, 1.6), (_place(stage) - _WIDTH / 2, 1.6))
    axes.text(_place(7) + _WIDTH / 2 - 0.05, 2.5, "main loss:\nfirst ≤ second?", ha="right", va="bottom", fontsize=9)
    _arrow(axes, (_place(7), 1.6 + _HEIGHT / 2), (_place(7), 2.45))


def _draw_box(axes: Axes, x: float, y: float, box: _Box, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="white",
            edgecolor=colour,
            linewidth=1.6,
        )
    )
    axes.text(x, y, box.name, ha="center", va="center", fontsize=8.5)
    axes.text(x, y - _HEIGHT / 2 - 0.05, box.shape, ha="center", va="top", fontsize=8, color=FAINT)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.0})
