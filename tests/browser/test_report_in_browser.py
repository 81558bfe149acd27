"""Reports in a browser, at the widths and in the colours that people read them in."""

import pytest
from tests.report.synthetic import fill

from twofold.data import find_relation
from twofold.report.page.demo import demo_or_reason
from twofold.report.page.report import report_page
from twofold.results import Store

pytestmark = pytest.mark.browser

HOSTILE = """<script>alert(1)</script>"'</script></style>--><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"""


@pytest.fixture(scope="module")
def files(tmp_path_factory, study_folder, models):
    """Reports by name: of a real study with the demo, of a grid, of nothing, and of hostile names."""
    folder = tmp_path_factory.mktemp("reports")
    real = Store(str(study_folder / "twofold.db")).read(histories=True)
    demo, reason = demo_or_reason(models, set(real.key))
    assert demo is not None, reason
    axes = {"optimizer": ["adam", "sgd", "rmsprop"], "learning_rate": [0.001, 0.005, 0.01]}
    grid = fill(str(folder / "grid.db"), rounds=4, **axes).read(histories=True)
    hostile = fill(str(folder / "hostile.db"), rounds=3).read(histories=True).assign(data=HOSTILE, device=HOSTILE)
    hostile["network"] = hostile.network.replace("NetBase", HOSTILE)
    reports = {
        "study": report_page(real, title="A small study", store="a", demo=demo, relations=[find_relation("<=")]),
        "grid": report_page(grid, title="A grid", store="a", demo_note="Nothing was kept."),
        "empty": report_page(grid.head(0), title="Nothing yet", store="a"),
        "one trial": report_page(grid.head(1), title="One trial", store="a"),
        "hostile": report_page(hostile, title=HOSTILE, store=HOSTILE, demo_note=HOSTILE),
    }
    paths = {name: folder / f"{name}.html" for name in reports}
    for name, path in paths.items():
        path.write_text(reports[name], encoding="utf-8")
    return paths


CUT_OFF = """() => [...document.querySelectorAll('svg.plot')].filter(plot => plot.getBoundingClientRect().width > 0)
    .flatMap(plot => [...plot.querySelectorAll('text, use')].map(part => [part, plot.getBoundingClientRect()]))
    .filter(([part, plot]) => { const box = part.getBoundingClientRect();
        return box.left < plot.left - 3 || box.right > plot.right + 3 || box.bottom > plot.bottom + 3; })
    .map(([part]) => part.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("width", [320, 768, 1200])
@pytest.mark.parametrize("name", ["study", "grid", "empty", "one trial", "hostile"])
def test_nothing_is_wider_than_the_screen_or_cut_off(visit, files, name, width):
    page = visit(files[name], width=width)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    papers = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert papers[0] != papers[1]
    # A name of a hundred letters has no place in a chart; the tables have it in full.
    assert name == "hostile" or page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("width", [320, 375, 768, 1200, 1600])
def test_every_number_of_settings_compared_is_seen_or_scrolled_to_beside_its_name(visit, files, width):
    page = visit(files["grid"], width=width)
    for place in range(page.locator("table.heatmap").count()):
        table = page.locator("table.heatmap").nth(place)
        name, cells = table.locator("tbody th").first, table.locator("tbody tr").first.locator("td")
        edges = "cell => { const { left, right } = cell.getBoundingClientRect(); return [left, right]; }"
        assert cells.first.evaluate(edges)[1] <= width
        cells.last.evaluate(
            "cell => { const scroll = cell.closest('.scroll'); scroll.scrollLeft = scroll.scrollWidth; }"
        )
        (first, last), (beside, end) = name.evaluate(edges), cells.last.evaluate(edges)
        assert first >= 0
        assert last <= beside + 1
        assert end <= width


def test_the_table_of_answers_follows_a_dark_page(visit, files):
    page = visit(files["study"], scheme="dark")
    assert page.locator("#question img").count() == 0
    ink = page.locator("#question text").first.evaluate("text => getComputedStyle(text).fill")
    assert ink == page.evaluate("getComputedStyle(document.body).color")
    links = page.locator("nav a").evaluate_all("links => links.map(link => link.hash)")
    assert "#mistakes" in links
    assert all(page.locator(link).count() == 1 for link in links)


def test_hostile_text_stays_text(visit, files):
    page = visit(files["hostile"])
    assert page.locator("h1").text_content() == HOSTILE
    assert HOSTILE in page.locator("dl").inner_text()
    assert page.title() == HOSTILE
    assert page.locator("img").count() == 0
    assert page.locator("#trials tbody td").first.text_content() == HOSTILE
    assert "49" not in page.locator("h1").inner_text()


def test_a_mark_tells_its_value_to_a_mouse_and_to_the_arrow_keys(visit, files):
    page = visit(files["study"])
    plot = page.locator("svg.plot:visible").first
    mark = plot.locator("use[data-tip]").first
    mark.hover()
    assert page.locator("#tip").inner_text() == mark.get_attribute("data-tip")
    assert mark.get_attribute("data-tip").startswith("NetBase, round 0: ")
    plot.focus()
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip").inner_text().startswith("NetBase, round 1: ")


def test_a_mouse_that_rests_does_not_take_the_place_of_the_arrow_keys(visit, files):
    """A page that moves under the mouse makes the browser tell of overs and leaves, now or a moment later."""
    page = visit(files["study"])
    plot = page.locator("svg.plot:visible").first
    mark = plot.locator("use[data-tip]").first
    mark.hover()
    plot.focus()
    page.keyboard.press("ArrowRight")
    for target, kind in ((mark, "pointerover"), (plot, "pointerleave")):
        target.dispatch_event(kind, {"bubbles": kind == "pointerover"})
        assert page.locator("#tip").inner_text().startswith("NetBase, round 1: ")
    page.mouse.move(1, 1)
    assert page.locator("#tip").is_hidden()


def test_the_table_sorts_by_numbers_and_by_names_and_back(visit, files):
    page = visit(files["study"])
    column = "Array.from(document.querySelectorAll('#trials tbody tr'), row => row.cells[{}].textContent)"
    page.get_by_role("button", name="test error %").click()
    errors = [float(text) for text in page.evaluate(column.format(2))]
    assert errors == sorted(errors)
    assert page.locator("#trials th[aria-sort=ascending]").inner_text().startswith("test error %")
    page.get_by_role("button", name="test error %").click()
    assert [float(text) for text in page.evaluate(column.format(2))] == sorted(errors, reverse=True)
    page.get_by_role("button", name="digit error %").click()
    assert page.evaluate(column.format(5))[-4:] == ["–"] * 4
    page.get_by_role("button", name="network").click()
    names = page.evaluate(column.format(0))
    assert names == sorted(names, key=str.lower)


def test_the_policy_lets_the_page_ask_no_host(browser, files):
    """Even a script that had crept in could not ask: the browser refuses before a request is made."""
    with browser.new_context() as context:
        page = context.new_page()
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(files["empty"].resolve().as_uri())
        refused = page.evaluate(
            """() => new Promise(done => {
                document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
                fetch('http://127.0.0.1:9/').catch(() => {});
            })"""
        )
        assert refused == "connect-src"
        assert requests == [files["empty"].resolve().as_uri()]
