"""How many digits the demo's page reads that are drawn on it with its own pen, in a browser.

    python benchmarks/drawn_digits.py demo.html [--drawings 100]

demo.html is a page of `twofold demo` on digits, with a NetWSAL. Each digit is written as strokes of a pen that are
turned, slanted, stretched and shaken at random; what is counted is for how many the NetWSAL takes the drawing for the
digit. It needs playwright and Chromium, as `make test-browser` does.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from tests.browser.conftest import BROWSERS, FLAGS
from tests.browser.strokes import STROKES

PEN = "const STROKE = 0.04;"
# The longer side of a digit and the pen's width, as parts of the pad's side, and the width of the window.
LOOKS = {
    "large": (0.9, 0.04, 1200),
    "normal": (0.6, 0.04, 1200),
    "small": (0.35, 0.04, 1200),
    "tiny": (0.2, 0.04, 1200),
    "thick pen": (0.6, 0.085, 1200),
    "thin pen": (0.6, 0.015, 1200),
    "phone": (0.6, 0.04, 375),
    "phone, small": (0.35, 0.04, 375),
}
READ = """() => {
    const network = demoNetworks.find(one => one.network === "NetWSAL"), { image } = pads[0];
    const units = Array.from(comparePair(network, image, image).classLogits[0]);
    return units.indexOf(Math.max(...units));
}"""


def written(digit: int, size: float, random: np.random.Generator) -> list[np.ndarray]:
    """The strokes of a digit somewhere on the pad, a unit square."""
    turn, slant = random.normal(0, 0.08), random.normal(0.05, 0.12)
    stretch = np.exp(random.normal(0, 0.12))
    form = np.array([[stretch, slant], [0, 1]]) @ np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    strokes = [np.asarray(stroke) @ form.T for stroke in STROKES[digit]]
    strokes = [stroke + random.normal(0, 0.012, stroke.shape) for stroke in strokes]
    every = np.concatenate(strokes)
    corner, sides = every.min(axis=0), np.ptp(every, axis=0)
    scale = size / sides.max()
    room = 0.97 - sides * scale
    place = 0.015 + np.maximum(room, 0) * random.random(2)
    return [(stroke - corner) * scale + place for stroke in strokes]


def draw(page: Page, strokes: list[np.ndarray]) -> None:
    box = page.locator(".drawing").first.bounding_box()
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--drawings", type=int, default=100)
    arguments = parser.parse_args()
    text = arguments.page.read_text(encoding="utf-8")
    program = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        for look, (size, pen, width) in LOOKS.items():
            file = Path(folder) / "demo.html"
            file.write_text(text.replace(PEN, f"const STROKE = {pen};"), encoding="utf-8")
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(file.as_uri())
            page.evaluate("requestAnimationFrame = () => 0")  # a drawing is read when the pen is lifted, and not before
            page.locator(".drawing").first.scroll_into_view_if_needed()
            random = np.random.default_rng(0)
            right = np.zeros(10, int)
            for number in range(arguments.drawings):
                draw(page, written(number % 10, size, random))
                right[number % 10] += page.evaluate(READ) == number % 10
                page.evaluate("pads[0].clear()")
            by_digit = ", ".join(f"{digit}: {count}" for digit, count in enumerate(right))
            print(f"{look:14} {right.sum()} of {arguments.drawings} ({by_digit})", flush=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
