"""Draws the rooms of the package and the imports between them: an arrow from a room to each that it imports from.

    python scripts/draw_house.py [--package src/twofold] [--out docs/figures/house.svg]

A room is a folder of the package, or a file beside them. Rooms stand in the order in which
data flows, the first below; an arrow that goes up, against the flow, is red. All rooms may import errors, shutdown,
cache, paths and settings, which have no arrows.
"""

import argparse
import ast
import tomllib
from collections import Counter
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

# Of a contract in pyproject.toml: the room above imports from those below it.
LAYERS = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
ORDER = [room.strip().split(".")[1] for layer in reversed(LAYERS) for room in layer.split("|")]
# Rooms that nearly all others import from: arrows to them would hide the rest.
FOR_ALL = ("errors", "shutdown", "cache", "paths", "settings")
INK, FAINT, AGAINST, ROOM = "#222222", "#8A8A8A", "#D55E00", "#EAF3F8"


def room_of(file: Path, package: Path) -> str:
    """The room that a file is in."""
    return file.relative_to(package).parts[0].removesuffix(".py")


def measured(package: Path) -> tuple[Counter[str], Counter[str], Counter[tuple[str, str]]]:
    """Lines and files of each room, and the imports from one room of another."""
    lines, files, imports = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for file in sorted(package.rglob("*.py")):
        room, text = room_of(file, package), file.read_text("utf-8")
        if room == "__init__":
            continue
        lines[room] += text.count("\n")
        files[room] += 1
        for node in ast.walk(ast.parse(text)):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                if parts[0] == package.name and len(parts) > 1 and parts[1] != room:
                    imports[room, parts[1]] += 1
    return lines, files, imports


def draw(package: Path) -> Figure:
    """The figure of a package."""
    lines, files, imports = measured(package)
    rooms = [room for room in ORDER if room in lines] + sorted(room for room in lines if room not in ORDER)
    figure = Figure(figsize=(6.4, 0.72 * len(rooms) + 0.5))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(1.2, 8.8), ylim=(-0.6, len(rooms) - 0.3))
    axes.set_axis_off()
    places = {room: place for place, room in enumerate(rooms)}
    for room, place in places.items():
        box = FancyBboxPatch((3.6, place - 0.26), 2.8, 0.52, "round,pad=0,rounding_size=0.1", fc=ROOM, ec=INK, lw=1)
        axes.add_patch(box)
        count = f"{lines[room]:,} lines" + (f" in {files[room]} files" if files[room] > 1 else "")
        axes.text(5, place + 0.08, room, ha="center", va="center", fontsize=11, weight="bold", color=INK)
        axes.text(5, place - 0.14, count, ha="center", va="center", fontsize=7.5, color=FAINT)
    for (above, below), count in sorted(imports.items()):
        if below not in places or below in FOR_ALL:
            continue
        along = places[above] > places[below]
        side = 6.4 if (places[above] + places[below]) % 2 else 3.6
        distance = abs(places[above] - places[below])
        bend = 10 / (distance + 20) * (-1 if (side > 5) == along else 1)  # long arrows stay within the figure
        arrow = FancyArrowPatch(
            (side, places[above] - 0.05), (side, places[below] + 0.05), connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>", mutation_scale=9, lw=0.6 + 0.12 * min(count, 12), color=INK if along else AGAINST,
            alpha=0.55 if along else 1.0, shrinkA=0, shrinkB=0,
        )  # fmt: skip
        axes.add_patch(arrow)
    return figure


def main() -> None:
    """Draw, and say how many imports there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, default=Path("src/twofold"))
    parser.add_argument("--out", type=Path, default=Path("docs/figures/house.svg"))
    options = parser.parse_args()
    draw(options.package).savefig(options.out, metadata={"Date": None} if options.out.suffix == ".svg" else None)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
