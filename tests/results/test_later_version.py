"""The next two versions: a copy of the package declares three more settings, with two more scripts."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from tests.results.test_versions import STORES, contents, files, sql

import twofold
from twofold.errors import StoreError
from twofold.results import Store
from twofold.results.versions import VERSIONS

ROOT = Path(__file__).parents[2]
NEXT, LAST = (f"{int(VERSIONS[-1]) + more:04}" for more in (1, 2))

DECLARED = """
    drop_rate: Setting[float] = setting(default=0.25, role="number", since="9.1", help="How many units are left out.")
    schedule: Setting[str] = setting(default="constant", role="program", since="9.1", help="How the rate changes.")
    averaged: Setting[bool] = setting(default=False, role="program", since="9.2", help="Whether weights are averaged.")


def _declarations("""

SCRIPTS = {
    NEXT: """
    op.add_column("trials", sa.Column("drop_rate", sa.Double(), nullable=False, server_default="0.25"))
    op.add_column("trials", sa.Column("schedule", sa.String(), nullable=False, server_default="constant"))""",
    LAST: """
    op.add_column("trials", sa.Column("averaged", sa.Boolean(), nullable=False, server_default=sa.false()))
    if "KILLED" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    if "FAILING" in os.environ:
        op.execute("insert into nowhere values (1)")""",
}

SCRIPT = '''"""A later version."""

import os
import signal
import sqlite3

import sqlalchemy as sa
from alembic import op

revision = "{version}"
down_revision = "{before}"


def upgrade() -> None:
    """Add columns."""{body}
'''


@pytest.fixture(scope="session")
def later():
    """The folder of a twofold that has two more versions; other users may read it, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        package = Path(shutil.copytree(Path(twofold.__file__).parent, folder / "twofold"))
        declared = (package / "settings.py").read_text(encoding="utf-8")
        (package / "settings.py").write_text(declared.replace("\n\ndef _declarations(", DECLARED), encoding="utf-8")
        before = VERSIONS[-1]
        for version, body in SCRIPTS.items():
            script = SCRIPT.format(version=version, before=before, body=body)
            (package / "results" / "migrations" / f"{version}_later.py").write_text(script, encoding="utf-8")
            before = version
        yield folder


@pytest.fixture
def start(launch, later):
    """Starts a process of the later twofold."""

    def start_it(*arguments, **environment):
        return launch(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(later), **environment},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start_it


OPEN = """
import sys
import tempfile
from twofold.errors import StoreError
from twofold.results import Store
print("ready", flush=True)
sys.stdin.readline()
try:
    print(*Store(sys.argv[1]).notes)
except StoreError as error:
    print("refused:", error)
"""


def opened(start, path, **environment):
    """Open a store for writing with the later twofold, and give what it says and the exit status."""
    process = start("-c", OPEN, str(path), **environment)
    out, _ = process.communicate("go\n", timeout=60)
    return out.removeprefix("ready\n").strip(), process.returncode


@pytest.fixture
def path(tmp_path):
    """A copy of the first version's store."""
    return Path(shutil.copyfile(STORES / "first" / "twofold.db", tmp_path / "twofold.db"))


def version(path):
    """The number of a store's version."""
    return sql(path, "select version_num from twofold_version")


SAYS = f"the store was brought to version {LAST}; the file as it was is kept as twofold.db.version-{VERSIONS[0]}"


@pytest.mark.slow
def test_a_setting_needs_its_declaration_and_one_script(start):
    """All that holds for stores of each version holds for those of the next versions as well."""
    tests = ["-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "tests/results/test_versions.py"]
    out, _ = start(*tests).communicate(timeout=300)
    assert re.search(r"^\d+ passed", out.splitlines()[-1]), out
    assert "failed" not in out
    assert tuple(SCRIPTS) == (NEXT, LAST)


def test_a_run_that_is_killed_while_it_migrates_leaves_the_store_as_it_was(start, path):
    before = contents(path)
    assert opened(start, path, KILLED="") == ("", -signal.SIGKILL)
    assert contents(path) == before
    assert len(Store(str(path), create=False).read()) == 86
    assert opened(start, path) == (f"{SAYS}.2.bak", 0)
    assert version(path) == [(LAST,)]
    assert {"drop_rate", "schedule", "averaged"} < set(contents(path)["trials"][0])


def test_a_script_that_fails_leaves_all_files_as_they_were(start, path):
    before = files(path.parent)
    said, _ = opened(start, path, FAILING="")
    assert re.fullmatch(
        r"refused: cannot use the store .* \(no such table: nowhere\); name another with --store.*", said
    )
    assert files(path.parent) == before


def opened_at_once(start, path):
    """Open a store in four processes at once, and give what they say, sorted."""
    processes = [start("-c", OPEN, str(path)) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return sorted(process.communicate(timeout=60)[0].strip() for process in processes)


def test_of_processes_that_open_an_old_store_at_once_one_migrates(start, path):
    assert opened_at_once(start, path) == ["", "", "", f"{SAYS}.bak"]
    assert version(path) == [(LAST,)]
    assert set(files(path.parent)) == {path.name, f"{path.name}.version-{VERSIONS[0]}.bak"}


def test_of_processes_that_open_a_store_that_is_not_there_one_makes_it(start, tmp_path):
    assert opened_at_once(start, tmp_path / "new.db") == [""] * 4
    assert version(tmp_path / "new.db") == [(LAST,)]
    assert set(files(tmp_path)) == {"new.db"}


def test_an_earlier_copy_is_never_overwritten(start, path):
    (path.parent / f"twofold.db.version-{VERSIONS[0]}.bak").write_text("an earlier one")
    assert opened(start, path) == (f"{SAYS}.2.bak", 0)
    assert (path.parent / f"twofold.db.version-{VERSIONS[0]}.bak").read_text() == "an earlier one"


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))" + OPEN


def test_no_room_for_the_copy_leaves_all_files_as_they_were(start, path):
    """A process that may write no file as large as the store meets what a full disk would be to it."""
    before = files(path.parent)
    said, _ = start("-c", LIMITED, str(path)).communicate("go\n", timeout=60)
    assert re.fullmatch(r"ready\nrefused: cannot copy the store .*twofold\.db beside itself .*--store\n", said)
    assert files(path.parent) == before


def test_a_copy_that_cannot_be_made_leaves_the_store_as_it_was(start, path):
    (path.parent / f"twofold.db.version-{VERSIONS[0]}.partial").mkdir()
    before = path.read_bytes()
    said, _ = opened(start, path)
    assert re.fullmatch(r"refused: cannot copy the store .*twofold\.db beside itself .*--store", said)
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_a_store_that_a_later_twofold_made_is_refused(start, tmp_path, create):
    path = tmp_path / "new.db"
    assert opened(start, path) == ("", 0)
    with pytest.raises(StoreError, match=f"has version {LAST}, and this twofold knows versions up to {VERSIONS[-1]}"):
        Store(str(path), create=create)


def test_a_run_that_goes_on_while_its_store_is_migrated_loses_nothing(start, path, row):
    store = Store(str(path))
    assert opened(start, path)[1] == 0
    store.add(row)
    assert sql(path, "select drop_rate, schedule, averaged from trials where key = 'k'") == [(0.25, "constant", 0)]


def test_a_store_is_copied_whole_while_it_is_written_to(start, path):
    """What another process has not yet committed is waited for."""
    process = start("-c", OPEN, str(path))
    assert process.stdout.readline() == "ready\n"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("update trials set device = 'changed'")
        process.stdin.write("go\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)
        writer.commit()
    assert process.communicate(timeout=60)[0].strip() == f"{SAYS}.bak"
    for file in (path, path.with_name(f"twofold.db.version-{VERSIONS[0]}.bak")):
        assert sql(file, "select distinct device from trials") == [("changed",)]


READ_AND_OPEN = """
import os, sys
from twofold.errors import StoreError
from twofold.results import Store
Store(sys.argv[1], create=False).read()  # reads all files of this twofold that are needed
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere, so be nobody
table = Store(sys.argv[1], create=False).read()
print(len(table), set(table.drop_rate))
try:
    Store(sys.argv[1])
except StoreError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize(
    ("folder_mode", "mode", "says"),
    [
        (0o555, 0o444, r"cannot copy .*\(unable to open database file\).* make the folder writable"),
        (0o555, 0o666, r"cannot copy .*\(unable to open database file\).* make the folder writable"),
        (0o777, 0o444, r"cannot use .*\(attempt to write a readonly database\)"),
    ],
)
def test_who_may_not_write_reads_an_old_store_and_is_told_why_it_is_not_migrated(start, folder_mode, mode, says):
    # Not in tmp_path, which another user may not enter.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copyfile(STORES / "first" / "twofold.db", Path(folder) / "twofold.db"))
        before = files(path.parent)
        path.chmod(mode)
        path.parent.chmod(folder_mode)
        out, _ = start("-c", READ_AND_OPEN, str(path)).communicate(timeout=60)
        path.parent.chmod(0o755)
        read, refused = out.splitlines()
        assert read == "86 {0.25}"
        assert re.fullmatch(rf"refused: {says}.*--store.*", refused)
        assert files(path.parent) == before
