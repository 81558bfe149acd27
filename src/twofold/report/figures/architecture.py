"""The paper's Figure 1: a drawing of a network, its two branches and where they meet."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from twofold.report.figures.looks import FAINT, INK, colour_of
from twofold.report.figures.style import Picture, house_style, new_picture
from twofold.report.text.networks import LayerFacts, NetworkFacts, auxiliary_loss_text, main_loss_text, weights_text
from twofold.report.text.numbers import shape_text

_WIDTH, _HEIGHT = 1.5, 0.9
_WHAT = {"convolution": "conv 3×3\nmax pool 2×2", "dense": "dense"}


@dataclass(frozen=True)
class _Box:
    """A stage of the network: what stands in the box, and the shape that leaves it."""

    name: str
    shape: str


def figure1(facts: NetworkFacts) -> Picture:
    """Draw one network: layers, shapes, shared weights, losses.

    Of its layers the last two are the head; the others are those of a branch.
    """
    colour = colour_of(facts.name)
    *branch, head1, head2 = facts.layers
    with house_style():
        figure, axes = new_picture(11.5, 4.1)
        axes.set_axis_off()
        axes.set_title(facts.name, fontsize=14)
        for centre, side in ((2.6, "first"), (0.6, "second")):
            _draw_branch(axes, _stages(side, branch), centre, colour)
            if facts.auxiliary_losses:
                _draw_auxiliary_loss(axes, side, centre)
        _draw_weights(axes, bool(facts.weight_sharing), colour)
        _draw_head(axes, [_Box("concatenate", shape_text(head1.input_shape)), _box(head1), _box(head2)], colour)
        _draw_main_loss(axes, main_loss_text(facts.relation))
        axes.set(xlim=(-0.95, 15.6), ylim=(-1.05, 4.0))
        axes.set_aspect("equal")
    return figure


def _stages(side: str, branch: list[LayerFacts]) -> list[_Box]:
    shape = branch[0].input_shape
    image = _Box(f"{side}\nimage", shape_text(shape[:2] if shape[2] == 1 else shape, "×"))  # grey has no channels
    return [image, *map(_box, branch)]


def _box(layer: LayerFacts) -> _Box:
    """A layer as "conv1: convolution 3x3, max pooling 2x2, ReLU" names it, in the few words that a box can hold."""
    kind = layer.layer.split(": ")[-1].replace(",", " ").split()[0]
    return _Box(_WHAT.get(kind, kind), shape_text(layer.output_shape, "×"))


def _place(stage: int) -> float:
    return 2.05 * stage


def _draw_branch(axes: Axes, stages: list[_Box], centre: float, colour: str) -> None:
    for stage, box in enumerate(stages):
        _draw_box(axes, _place(stage), centre, box, INK if stage == 0 else colour)
        if stage:
            _arrow(axes, (_place(stage - 1) + _WIDTH / 2, centre), (_place(stage) - _WIDTH / 2, centre))
    _arrow(axes, (_place(4) + _WIDTH / 2, centre), (_place(5) - _WIDTH / 2, 1.6))


def _draw_weights(axes: Axes, shared: bool, colour: str) -> None:
    axes.text(
        (_place(1) + _place(4)) / 2, 1.6, weights_text(shared), ha="center", va="center", style="italic", color=colour
    )


def _draw_auxiliary_loss(axes: Axes, side: str, centre: float) -> None:
    up = 1 if centre > 1.6 else -1
    start = centre + up * (_HEIGHT / 2 + (0 if up > 0 else 0.27))
    end = start + up * 0.5
    _arrow(axes, (_place(4), start), (_place(4), end))
    axes.text(
        _place(4) + 0.15,
        end,
        auxiliary_loss_text(side),
        ha="left",
        va="bottom" if up > 0 else "top",
        fontsize=9,
    )


def _draw_head(axes: Axes, boxes: list[_Box], colour: str) -> None:
    for stage, box in enumerate(boxes, start=5):
        _draw_box(axes, _place(stage), 1.6, box, colour)
        if stage > 5:
            _arrow(axes, (_place(stage - 1) + _WIDTH / 2, 1.6), (_place(stage) - _WIDTH / 2, 1.6))


def _draw_main_loss(axes: Axes, text: str) -> None:
    axes.text(_place(7) + _WIDTH / 2 - 0.05, 2.5, text, ha="right", va="bottom", fontsize=9)
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
