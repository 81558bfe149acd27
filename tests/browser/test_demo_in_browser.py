"""The demo in a browser: it computes what Python computes, and reads what is drawn."""

import base64

import numpy as np
import pytest
from tests.browser.strokes import STROKES

import twofold
from twofold.data import draw_pairs, load_images
from twofold.networks import NETWORKS
from twofold.report.page.demo import choose_models, demo_data, demo_page
from twofold.report.page.kept import outputs_of
from twofold.results import ModelStore

pytestmark = pytest.mark.browser

PAIRS = 200

COMPARE = """images => demoNetworks.map(network => images.map(pair => {
    const { logits, classLogits } = comparePair(network, ...pair.map(decodeFloats));
    return { logits: Array.from(logits), digits: classLogits.map(units => Array.from(units)) };
}))"""


def encoded(images):
    return [[base64.b64encode(image.astype("<f4").tobytes()).decode() for image in pair] for pair in images]


def assert_same(page, models, chosen):
    """The page's outputs are Python's for every network, to 1e-4 of the largest output."""
    pairs = draw_pairs(load_images("mnist5k"), seed=5, round=7, split="test", pairs=PAIRS)
    answers = page.evaluate(COMPARE, encoded(pairs.images))
    assert len(answers) == len(chosen)
    for record, answer in zip(chosen.values(), answers, strict=True):
        logits, digits = outputs_of(models.load(record["key"]), pairs.images)
        for ours, theirs in ((logits, "logits"), (digits, "digits")):
            in_browser = np.array([row[theirs] for row in answer])
            np.testing.assert_allclose(in_browser, ours, rtol=1e-4, atol=1e-4 * max(1.0, np.abs(ours).max()))
        probabilities = [softmax(np.array([row["logits"] for row in answer])), softmax(logits)]
        np.testing.assert_allclose(*probabilities, atol=1e-4)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_page_gives_the_outputs_that_python_gives(visit, demo_file, models):
    chosen = choose_models(models.records())
    assert list(chosen) == list(NETWORKS)
    assert_same(visit(demo_file), models, chosen)


def test_standardised_pixels_and_leaky_units_come_out_the_same_too(visit, tmp_path):
    study = twofold.Study(rounds=1, epochs=1, pairs=100, normalise=True, bottleneck_activation="leaky_relu")
    study.run(store=str(tmp_path / "a.db"), keep_models="all", progress=False)
    models = ModelStore(tmp_path / "a.models")
    chosen = choose_models(models.records())
    file = tmp_path / "demo.html"
    file.write_text(demo_page(demo_data(models, chosen)), encoding="utf-8")
    assert_same(visit(file), models, chosen)


def draw(page, side, digit):
    """Write a digit on a pad with the mouse."""
    pad = page.locator(".drawing").nth(side)
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for stroke in STROKES[digit]:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=6)
        page.mouse.up()


def answers_of(page):
    """What the page says, by network: the probability and what it takes the digits for."""
    rows = page.locator("#answers tbody tr")
    return {
        rows.nth(place).locator("th").inner_text().strip(): (
            rows.nth(place).locator(".probability").inner_text(),
            rows.nth(place).locator(".reads").inner_text(),
        )
        for place in range(rows.count())
    }


def percent_in(text):
    return float(text.replace("%", "").strip())


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (2, 7), (7, 2), (3, 4), (4, 3), (6, 0)])
def test_drawn_digits_are_read_and_compared(visit, demo_file, first, second):
    page = visit(demo_file)
    draw(page, 0, first)
    draw(page, 1, second)
    probability, reads = answers_of(page)["NetWSAL"]
    assert [part.split()[0] for part in reads.split(" and ")] == [str(first), str(second)]
    assert (percent_in(probability) > 50) == (first <= second)
    assert answers_of(page)["NetBase"][1] == "not trained to name digits"


def test_a_drawing_is_prepared_as_mnist_was(visit, demo_file):
    """Wherever and however large a digit is drawn, the networks see it in the middle and of one size."""
    page = visit(demo_file)
    seen = """(([left, top, right, bottom]) => {
        const ink = new Float64Array(280 * 280);
        for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) ink[280 * y + x] = 255;
        return Array.from(prepare(ink, 280, 280, [14, 14]));
    })"""
    small, large = (np.reshape(page.evaluate(seen, box), (14, 14)) for box in ([10, 20, 30, 60], [100, 40, 200, 240]))
    np.testing.assert_allclose(small, large, atol=1e-6)  # 20 x 40 and 100 x 200: the same proportions
    # Fitted into 20x20 of 28x28 it is 10 wide and 20 high: 5 x 10 pooled, with its centre of mass in the middle.
    assert (large > 0).sum(axis=1).max() in (5, 6)
    assert (large > 0).sum(axis=0).max() in (10, 11)
    assert large.max() == 255
    rows, columns = np.indices((14, 14))
    centre = [(large * axis).sum() / large.sum() for axis in (rows, columns)]
    np.testing.assert_allclose(centre, 6.5, atol=0.26)  # whole pixels of 28x28 are halves of these
    assert page.evaluate("prepare(new Float64Array(100), 10, 10, [14, 14])") is None


def test_a_finger_draws_as_a_mouse_does(visit, demo_file):
    page = visit(demo_file, width=360, has_touch=True, is_mobile=True)
    touch = page.context.new_cdp_session(page)
    for side, digit in ((0, 1), (1, 7)):
        pad = page.locator(".drawing").nth(side)
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        (stroke,) = STROKES[digit]
        for kind, (x, y) in [("touchStart", stroke[0]), *(("touchMove", place) for place in stroke[1:])]:
            point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert [part.split()[0] for part in answers_of(page)["NetWSAL"][1].split(" and ")] == ["1", "7"]


def test_test_digits_and_mistakes_can_be_picked_and_cleared(visit, demo_file):
    page = visit(demo_file)
    page.get_by_role("button", name="a 3 from the test digits").first.click()
    page.get_by_role("button", name="a 8 from the test digits").last.press("Enter")
    assert "these are 3 and 8: “first ≤ second” is true" in page.locator("#truth").inner_text()
    page.get_by_role("button", name="clear the first digit").click()
    assert answers_of(page)["NetAL"][0] == "–"
    mistake = page.locator("#mistakes .gallery").first.locator("button").first
    said_true = "true" in mistake.inner_text()
    mistake.click()
    assert ("is true" in page.locator("#truth").inner_text()) != said_true
    assert (percent_in(answers_of(page)["NetBase"][0]) > 50) == said_true
