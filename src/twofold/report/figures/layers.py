"""A drawing of a network of one's own: its layers from the images to its outputs, its branches beside each other."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from twofold.networks.calls import BOTH, LEFT, RIGHT, Call
from twofold.report.figures.looks import FAINT, INK, colour_of
from twofold.report.figures.style import Picture, house_style, new_picture
from twofold.report.text.networks import IMAGES, LEFT_OUT, SHARED, NetworkFacts, parameters_text
from twofold.report.text.numbers import shape_text

_WIDTH, _GAP, _LINE = 1.7, 0.42, 0.27
_INCHES = 0.78  # of a unit of the drawing

# A drawing is wide enough, in inches, for the sentence under its title, and titles are broken to fit it.
_NARROWEST, _LETTERS_PER_INCH = 6.5, 9

# How far arrows that go past boxes are apart, and leave and enter boxes from their corners: beside their titles.
_APART, _CORNER = 0.22, 0.13

# Lines in a box, columns in a drawing, and characters of a layer's name, at the most.
_MOST_LINES, _MOST_COLUMNS, _MOST_LETTERS = 5, 14, 17

_COLOURS = {LEFT: "#0072B2", RIGHT: "#D55E00", BOTH: INK}


@dataclass
class _Box:
    """Calls that follow each other without a branch between them: the first has parameters, or has several inputs."""

    calls: list[int]
    of: str
    lines: list[str]
    title: str = ""
    shape: str = ""
    inputs: set[int] = field(default_factory=set)
    shared: bool = False
    outputs: list[str] = field(default_factory=list)
    column: int = 0
    y: float = 0.0

    @property
    def x(self) -> float:
        return self.column * (_WIDTH + _GAP)

    @property
    def height(self) -> float:
        return _LINE * (len(self.lines) + 1.0)


def layers_figure(facts: NetworkFacts) -> Picture:
    """Draw the layers of a network of one's own, from what is known of its calls."""
    boxes = _placed(_boxes(facts))
    past = _past(boxes)
    colour = colour_of(facts.name)
    high = max(*(box.y + box.height / 2 + 0.4 for box in boxes), *past.values()) + 0.15
    low = min(*(box.y - box.height / 2 - 0.4 for box in boxes), *past.values()) - 0.15
    left, right = -_WIDTH / 2 - 0.15, max(box.x for box in boxes) + _WIDTH / 2 + 0.15
    with house_style():
        width = max(_NARROWEST, _INCHES * (right - left))
        title = textwrap.fill(facts.name, int(_LETTERS_PER_INCH * width))
        figure, axes = new_picture(width, _INCHES * (high - low) + 0.55 + 0.2 * (title.count("\n") + 1))
        axes.set_axis_off()
        axes.set_title(f"{title}\n", fontsize=12, color=colour)
        note = "; ".join([parameters_text(facts), *([SHARED] if any(box.shared for box in boxes) else [])])
        axes.text(left, high, note, fontsize=8.5, style="italic", va="bottom", color=FAINT)
        for place, box in enumerate(boxes):
            for number in sorted(box.inputs):
                _arrow(axes, boxes[number], box, past.get((number, place)))
        for box in boxes:
            _draw(axes, box)
        axes.set(xlim=(left, right), ylim=(low, high))
        axes.set_aspect("equal")
    return figure


def _boxes(facts: NetworkFacts) -> list[_Box]:
    """Boxes of images and of calls, with the numbers of those boxes that each takes its inputs from."""
    calls = facts.calls
    users = Counter(number for call in calls for number in set(call.inputs))
    sides = [side for side in (LEFT, RIGHT, BOTH) if any(call.of == side for call in calls if -1 in call.inputs)]
    boxes = [_Box([], side, [IMAGES[side]], shape="") for side in sides]
    where: dict[tuple[int, str], int] = {(-1, side): number for number, side in enumerate(sides)}
    for number, call in enumerate(calls):
        before = where.get((call.inputs[0], "")) if len(call.inputs) == 1 else None
        if before is not None and _joins(boxes[before], call, users[call.inputs[0]]):
            box = boxes[before]
            box.lines.append(call.operation)
        else:
            box = _Box([], call.of, [call.operation], title=call.layer)
            box.inputs = {where[(each, call.of if each == -1 else "")] for each in call.inputs}
            boxes.append(box)
        box.calls.append(number)
        box.shared |= call.again is not None
        box.shape = shape_text(call.output_shape, "×")
        where[(number, "")] = boxes.index(box) if before is None or box is not boxes[before] else before
    for role, number in facts.outputs:
        if (number, "") in where:
            boxes[where[(number, "")]].outputs.append(role)
    return boxes


def _joins(box: _Box, call: Call, users: int) -> bool:
    """Whether a call stands in the box of what goes into it: nothing else takes that, and it has nothing to learn
    but the scales of a normalisation."""
    light = (not call.parameters and call.again is None) or "norm" in call.operation
    return bool(box.calls) and light and users == 1 and len(box.lines) < _MOST_LINES


def _placed(boxes: list[_Box]) -> list[_Box]:
    """The boxes in columns by what they wait for, in rows by the images that they come from."""
    for box in boxes:
        box.column = 1 + max((boxes[number].column for number in box.inputs), default=-1)
    boxes = _folded(boxes)
    lanes = {LEFT: 1, RIGHT: -1, BOTH: 0}
    tall = max(box.height for box in boxes) + 0.95
    stacks = {
        (column, side): [box for box in boxes if (box.column, box.of) == (column, side)]
        for column in {box.column for box in boxes}
        for side in lanes
    }
    most = {side: max((len(stack) for (_, each), stack in stacks.items() if each == side), default=0) for side in lanes}
    # What comes from both images stands between the branches, which make room for it where it is beside them.
    beside = any(stacks[column, BOTH] and (stacks[column, LEFT] or stacks[column, RIGHT]) for column, _ in stacks)
    room = most[BOTH] / 2 if beside else 0
    for (_, side), stack in stacks.items():
        for place, box in enumerate(stack):
            offset = place - (len(stack) - 1) / 2
            middle = lanes[side] * (most[side] / 2 + room if most[LEFT] else 0) * tall
            box.y = middle - offset * tall
    return boxes


def _folded(boxes: list[_Box]) -> list[_Box]:
    """Without the columns in the middle of a long network: a box for each side says how many there are."""
    last = max(box.column for box in boxes)
    if last <= _MOST_COLUMNS:
        return boxes
    begin, end = _MOST_COLUMNS // 2, last - _MOST_COLUMNS // 2 + 1
    out = [box for box in boxes if begin <= box.column < end]
    instead = {}
    for side in (LEFT, RIGHT, BOTH):
        several = [box for box in out if box.of == side]
        if several:
            number = sum(len(box.calls) for box in several)
            box = _Box(several[0].calls, side, ["…", LEFT_OUT.format(number), "…"], shape=several[-1].shape)
            box.column = begin
            instead[side] = box
    kept = [box for box in boxes if box not in out]
    together = [*kept, *instead.values()]
    places = {id(box): number for number, box in enumerate(together)}

    def place(number: int) -> int:
        box = boxes[number]
        return places[id(box)] if id(box) in places else places[id(instead[box.of])]

    for box in kept:
        box.inputs = {place(number) for number in box.inputs}
        box.column -= (end - begin - 1) if box.column >= end else 0
    for side, box in instead.items():
        inputs = {place(number) for each in out if each.of == side for number in each.inputs}
        box.inputs = inputs - {places[id(box)]}
    return together


def _draw(axes: Axes, box: _Box) -> None:
    image = not box.calls
    axes.add_patch(
        FancyBboxPatch(
            (box.x - _WIDTH / 2, box.y - box.height / 2),
            _WIDTH,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="#F1F1F1" if image else "white",
            edgecolor=_COLOURS[box.of],
            linewidth=1.5,
            linestyle="--" if box.shared else "-",
        )
    )
    axes.text(
        box.x,
        box.y,
        "\n".join(_short(line) for line in box.lines),
        ha="center",
        va="center",
        fontsize=8,
        linespacing=1.2,
    )
    if box.title:
        axes.text(
            box.x, box.y + box.height / 2 + 0.06, _short(box.title), ha="center", va="bottom", fontsize=7.5,
            color=_COLOURS[box.of],
        )  # fmt: skip
    below = "\n".join([box.shape, *box.outputs]) if box.shape else ""
    axes.text(box.x, box.y - box.height / 2 - 0.06, below, ha="center", va="top", fontsize=7.5, color=FAINT)


def _short(text: str) -> str:
    """A name that fits a box: of a long one its end, which tells layers apart."""
    return text if len(text) <= _MOST_LETTERS else f"…{text[-_MOST_LETTERS + 1 :]}"


def _past(boxes: Sequence[_Box]) -> dict[tuple[int, int], float]:
    """The heights of the arrows that go past boxes, by the numbers of their ends: no two run along each other."""
    heights: dict[tuple[int, int], float] = {}
    pairs = [(number, place) for place, box in enumerate(boxes) for number in box.inputs]
    for number, place in sorted(pairs, key=lambda pair: (boxes[pair[1]].column - boxes[pair[0]].column, pair)):
        start, end = boxes[number], boxes[place]
        columns = range(start.column + 1, end.column)
        between = [box for box in boxes if box.column in columns and abs(box.y - start.y) < 0.1 + box.height / 2]
        if not between:
            continue
        beside = [
            height
            for (first, last), height in heights.items()
            if boxes[first].column < end.column and start.column < boxes[last].column
        ]
        up = _up(start)
        height = start.y + up * (max(box.height / 2 for box in (*between, start, end)) + 0.34)
        while any(abs(height - each) < _APART for each in beside):
            height += up * _APART
        heights[number, place] = height
    return heights


def _up(start: _Box) -> int:
    return -1 if start.of == RIGHT else 1


def _arrow(axes: Axes, start: _Box, end: _Box, height: float | None) -> None:
    """From one box to another: at a height, where it goes past what stands between them."""
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    if height is None:
        # Level until the column before the end, so that it crosses no box of another row.
        turn, last = max(start.x + _WIDTH / 2, end.x - _WIDTH / 2 - _GAP), (end.x - _WIDTH / 2, end.y)
        axes.plot([start.x + _WIDTH / 2, turn], [start.y, start.y], color=INK, linewidth=0.9)
        axes.annotate("", xy=last, xytext=(turn, start.y), arrowprops=arrow)
        return
    up = _up(start)
    x0, x1 = start.x + _WIDTH / 2 - _CORNER, end.x - _WIDTH / 2 + _CORNER
    y0, y1 = start.y + up * start.height / 2, end.y + up * end.height / 2
    axes.plot([x0, x0, x1], [y0, height, height], color=INK, linewidth=0.9, solid_joinstyle="round")
    axes.annotate("", xy=(x1, y1), xytext=(x1, height), arrowprops=arrow)
