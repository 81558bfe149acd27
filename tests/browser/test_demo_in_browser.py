"""The demo in a browser: it computes what Python computes, and reads what is drawn."""

import base64

import numpy as np
import pytest
from PIL import Image
from tests.browser.strokes import STROKES

import twofold
from twofold.data import draw_pairs, load_images
from twofold.data.form import Form
from twofold.data.preparation import prepare_digit
from twofold.networks import NETWORKS
from twofold.report.page.demo import choose_models, demo_data, demo_page
from twofold.report.page.encoding import rounded
from twofold.report.page.kept import outputs_of
from twofold.results import ModelStore

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("compiled_quickly")]

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


def draw(page, side, digit, size=1.0, steps=6):
    """Write a digit on a pad with the mouse, in its middle."""
    pad = page.locator(".drawing").nth(side)
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for stroke in STROKES[digit]:
        inside = 0.5 + size * (np.array(stroke) - 0.5)
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in inside]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=steps)
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


PREPARED = "([ink, width, height]) => Array.from(prepare(Float64Array.from(ink), width, height, [14, 14]))"


def test_a_drawing_is_prepared_as_python_prepares_a_picture(visit, demo_file):
    """Thin, usual and thick strokes, small and large, with a speck."""
    page = visit(demo_file)
    rows, columns = np.indices((200, 140))
    for radius, width in ((20, 14), (20, 3), (50, 12), (50, 30), (50, 2)):
        distance = np.hypot(rows - 90, columns - 60) - radius
        ink = 255 * np.clip(width / 2 - np.abs(distance) + 0.5, 0, 1)
        ink[90 - radius : 150, 60 + radius : 60 + radius + width] = 255
        ink[190:192, 3:5] = 255
        seen = np.reshape(page.evaluate(PREPARED, [ink.ravel().tolist(), 140, 200]), (14, 14))
        ours = prepare_digit(ink).image.reshape(14, 2, 14, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(seen, ours, atol=0.05 * 255)
        assert seen.max() > 200
    assert page.evaluate("prepare(new Float64Array(100), 10, 10, [14, 14])") is None


@pytest.mark.parametrize(("size", "pen"), [(0.3, 0.04), (1, 0.09), (1, 0.01)])
def test_digits_are_read_large_and_small_with_thick_pens_and_thin(visit, demo_file, tmp_path, size, pen):
    file = tmp_path / "demo.html"
    text = demo_file.read_text(encoding="utf-8")
    assert text.count("const STROKE = 0.04;") == 1
    file.write_text(text.replace("const STROKE = 0.04;", f"const STROKE = {pen};"), encoding="utf-8")
    page = visit(file)
    page.evaluate("requestAnimationFrame = () => 0")  # read when the pen is lifted, and not before: it is quicker
    right = 0
    for digit in STROKES:
        page.get_by_role("button", name="clear the first digit").click()
        draw(page, 0, digit, size, steps=1)
        right += page.evaluate(READ) == digit
    assert right >= 8


READ = """() => {
    const network = demoNetworks.find(one => one.network === "NetWSAL"), { image } = pads[0];
    const units = Array.from(comparePair(network, image, image).classLogits[0]);
    return units.indexOf(Math.max(...units));
}"""


def in_colour(folder):
    """A folder of 3-channel images in four classes, each of its own colour."""
    random = np.random.default_rng(0)
    labels = np.arange(200) % 4
    images = random.integers(0, 60, (200, 24, 28, 3))
    images[np.arange(200), 6:18, 8:20, labels % 3] += 150
    images[labels == 3, 6:18, 8:20] = 200
    for label, name in enumerate(("red", "green", "blue", "white")):
        (folder / name).mkdir(parents=True)
        for place in np.flatnonzero(labels == label):
            Image.fromarray(images[place].astype(np.uint8)).save(folder / name / f"{place}.png")
    return folder


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """The page of networks that saw colours, and the networks."""
    folder = tmp_path_factory.mktemp("colours")
    data = str(in_colour(folder / "colours"))
    study = twofold.Study(rounds=1, epochs=4, pairs=25, test_pairs=20, data=data)
    study.run(store=str(folder / "a.db"), keep_models="all", progress=False)
    models = ModelStore(folder / "a.models")
    file = folder / "demo.html"
    file.write_text(demo_page(demo_data(models, choose_models(models.records()))), encoding="utf-8")
    return file, models, load_images(data)


def test_networks_of_coloured_images_compute_what_python_computes(visit, colours):
    file, models, images = colours
    shown = images.test_images[:40].reshape(20, 2, *images.test_images.shape[1:])
    assert shown.shape[2:] == (3, 12, 14)
    answers = visit(file).evaluate(COMPARE, encoded(shown))
    for record, answer in zip(choose_models(models.records()).values(), answers, strict=True):
        logits, classes = outputs_of(models.load(record["key"]), shown)
        assert classes.shape == (20, 2, 4)
        np.testing.assert_allclose([row["logits"] for row in answer], logits, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose([row["digits"] for row in answer], classes, rtol=1e-4, atol=1e-3)


def test_images_that_are_no_digits_are_chosen_with_the_keyboard(visit, colours):
    page = visit(colours[0], width=375)
    assert page.locator("h1").inner_text() == "Ask the networks about two images"
    assert "digit" not in page.locator("main").inner_text()
    page.get_by_role("button", name="white, a test image").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("group", name="the second image").get_by_role("button", name="red, a test image").first.click()
    assert "In fact these are white and red" in page.locator("#truth").inner_text()
    assert page.locator('.examples [aria-pressed="true"]').count() == 2
    middle = "c => Array.from(c.getContext('2d').getImageData(140, 140, 1, 1).data)"
    red, green, blue, _ = page.locator(".drawing").nth(1).evaluate(middle)
    assert red > 130 > max(green, blue)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("size", [(24, 28), (61, 40), (11, 9)])
def test_a_picture_of_ones_own_is_prepared_as_predict_does(visit, colours, tmp_path, size):
    """Of the study's size, larger and smaller; partly transparent."""
    file, models, _ = colours
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 4), np.uint8)
    pixels[..., 3] = np.where(np.arange(size[1]) < size[1] // 2, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    page = visit(file, width=375)
    page.get_by_label("a picture of your own as the first image").set_input_files(tmp_path / "mine.png")
    page.get_by_text("mine.png").wait_for()
    seen = np.reshape(page.evaluate("Array.from(pads[0].image)"), (3, 12, 14))
    ours, _ = Form.of(models.records()[0]).image(str(tmp_path / "mine.png"))
    np.testing.assert_allclose(seen, ours, atol=2)
    (tmp_path / "none.png").write_bytes(b"no picture")
    page.get_by_label("a picture of your own as the first image").set_input_files(tmp_path / "none.png")
    page.get_by_text("cannot read it as a picture").wait_for()
    assert page.evaluate("pads[0].image") is None


def test_rounded_weights_are_decoded_by_branch_and_unit(visit, colours):
    weight = np.random.default_rng(4).normal(size=(2, 3, 5)).astype(np.float32) * np.arange(1, 6)
    layer = {"shape": weight.shape, **rounded(weight)}
    back = visit(colours[0]).evaluate("layer => Array.from(decodeWeights(layer))", layer)
    np.testing.assert_allclose(np.reshape(back, weight.shape), weight, atol=0.51 * np.abs(weight).max() / 127)


def test_on_a_phone_the_answers_are_seen_when_an_image_is_picked(visit, colours):
    page = visit(colours[0], width=375)
    pickers = page.locator(".examples")
    pickers.last.scroll_into_view_if_needed()
    for side in range(2):
        pickers.nth(side).locator("button").first.click()
    assert page.evaluate("""() => {
        const { top, bottom } = document.getElementById("answers").getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
    }""")
    assert "%" in page.locator("#answers").inner_text()


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
