"""A real browser, pages opened from disk, and a watch over what they ask for and complain of."""

import contextlib
import shutil
from pathlib import Path

import pytest

import twofold
from twofold.report.page.demo import choose_models, demo_data, demo_page
from twofold.results import ModelStore

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser():
    """Chromium, driven by playwright; skips where either lacks."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[browser]'")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed: on Debian, apt-get install chromium")
    with driver.sync_playwright() as playwright:
        # launch() makes a fresh profile each time.
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), headless=True)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """A function that opens a file in a page; the page may ask for nothing else, and may not complain."""
    complaints, requests, files = [], [], []
    with contextlib.ExitStack() as contexts:

        def open_file(path: Path, width=1200, scheme="light", **options):
            size = {"width": width, "height": 900}
            context = contexts.enter_context(browser.new_context(viewport=size, color_scheme=scheme, **options))
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
            page.on("request", lambda request: requests.append(request.url))
            files.append(path.resolve().as_uri())
            page.goto(files[-1])
            return page

        yield open_file
    assert complaints == []
    assert requests == files


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory):
    """A study of two rounds with its best networks kept, trained well enough to read digits."""
    folder = tmp_path_factory.mktemp("study")
    study = twofold.Study(rounds=2, epochs=15)
    study.run(store=str(folder / "twofold.db"), keep_models="best", progress=False)
    return folder


@pytest.fixture(scope="session")
def models(study_folder):
    return ModelStore(study_folder / "twofold.models")


@pytest.fixture(scope="session")
def demo_file(study_folder, models):
    path = study_folder / "demo.html"
    path.write_text(demo_page(demo_data(models, choose_models(models.records()))), encoding="utf-8")
    return path
