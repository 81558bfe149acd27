"""The cells of docs/notebook.md in a real kernel, what stands under them, and an interruption."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PAGE = Path(__file__).parents[1] / "docs" / "notebook.md"
CELLS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

LONG = """
long = twofold.Study(networks="NetWSAL", rounds=40, epochs=100, pairs=200)
long.run(store="long.db")
"""


class Notebook:
    """Cells that one kernel runs, in a folder."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._client = NotebookClient(
            nbformat.v4.new_notebook(), timeout=300, allow_errors=True, resources={"metadata": {"path": str(folder)}}
        )
        self._loop, self._folder = loop, folder

    def run(self, source: str, *, interrupt_when: str = "") -> list:
        """What stands under a cell; the kernel is interrupted when the store of that name has a trial."""
        return self._loop.run_until_complete(self._run(source, interrupt_when))

    async def start(self) -> None:
        """Start the kernel."""
        self._client.create_kernel_manager()
        await self._client.async_start_new_kernel()
        await self._client.async_start_new_kernel_client()

    async def stop(self) -> None:
        """End the kernel."""
        await self._client._async_cleanup_kernel()

    async def _run(self, source: str, interrupt_when: str) -> list:
        cells = self._client.nb.cells
        cells.append(nbformat.v4.new_code_cell(source))
        running = asyncio.ensure_future(self._client.async_execute_cell(cells[-1], len(cells) - 1))
        while interrupt_when and not running.done() and not _stored(self._folder / interrupt_when):
            await asyncio.sleep(0.05)
        while interrupt_when and not running.done():
            # Once more where Python was just where it lets none through, such as in a finalizer.
            await self._client.km.interrupt_kernel()
            await asyncio.wait([running], timeout=10)
        await running
        return cells[-1].outputs


def _stored(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, timeout=60)) as database:
        there = database.execute("select 1 from sqlite_master where name = 'trials'").fetchall()
        return database.execute("select count(*) from trials").fetchone()[0] if there else 0


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> Iterator[Notebook]:
    loop = asyncio.new_event_loop()
    opened = Notebook(tmp_path_factory.mktemp("notebook"), loop)
    loop.run_until_complete(opened.start())
    yield opened
    loop.run_until_complete(opened.stop())
    loop.close()


@pytest.fixture(scope="module")
def page(notebook) -> dict[str, list]:
    """What stands under each cell of the page, by the last line of the cell."""
    return {cell.strip().splitlines()[-1]: notebook.run(cell) for cell in CELLS}


def kinds(outputs) -> list[str]:
    return [output.output_type for output in outputs]


def test_no_cell_writes_to_standard_error_or_fails(page):
    assert len(page) == 6
    for cell, outputs in page.items():
        assert {"stream", "error"}.isdisjoint(kinds(outputs)), (cell, outputs)


@pytest.mark.parametrize("cell", ["result", "found"])
def test_a_run_shows_one_bar_and_its_result(page, cell):
    bar, result = page[cell]
    assert kinds([bar, result]) == ["display_data", "execute_result"]
    assert bar.data["text/html"].count("<progress") == 1
    assert "trials to train, at most" in bar.data["text/plain"].splitlines()[0]
    assert re.search(r"\d+ of \d+ trials", bar.data["text/html"])
    assert len(result.data["text/plain"]) < 2000
    assert result.data["text/html"].count("<table") == 1


def test_the_bar_of_a_whole_run_is_full(page):
    assert "6 of 6 trials" in page["result"][0].data["text/html"]
    assert '<progress value="60" max="60"' in page["result"][0].data["text/html"]


def test_a_table_has_the_columns_that_matter_first(page):
    (shown,) = page["result.table.head()"]
    headings = re.findall(r"<th>([^<]+)</th>", shown.data["text/html"])
    assert headings[:5] == ["network", "round", "test_error", "validation_error", "train_error"]


def test_a_figure_is_shown_once(page, notebook):
    assert [list(output.data) for output in page["result.figure()"]] == [["text/plain", "image/png"]]
    assert kinds(notebook.run("figure = result.figure()")) == []
    assert kinds(notebook.run("display(figure)")) == ["display_data"]


def test_what_a_study_and_its_trials_are_is_said_in_short(notebook):
    (shown,) = notebook.run("study")
    assert shown.data["text/plain"] == ("Study(networks=('NetBase', 'NetWSAL'), rounds=3, pairs=200, epochs=10)")
    (shown,) = notebook.run("study.trials()")
    assert len(shown.data["text/plain"]) < 1000


def test_rows_come_as_they_are_stored(page):
    (shown,) = page["errors"]
    assert re.fullmatch(r"\{3: [\d.]+, 4: [\d.]+\}", shown.data["text/plain"])


def test_an_interrupted_cell_goes_on_when_it_is_run_again(page, notebook):
    stopped = notebook.run(LONG, interrupt_when="long.db")
    assert (stopped[0].output_type, stopped[-1].output_type) == ("display_data", "error")
    assert stopped[-1].ename == "KeyboardInterrupt"
    assert "the same cell goes on from there" in stopped[0].data["text/html"]
    there = _stored(notebook._folder / "long.db")
    assert 0 < there < 40
    bar, _ = notebook.run(LONG)
    assert f"{there} of 40 trials are in the store already" in bar.data["text/plain"]
    assert "40 of 40 trials" in bar.data["text/plain"]
    assert _stored(notebook._folder / "long.db") == 40
