"""Files are written whole or not at all, and what a killed run left of one is cleared by the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from twofold import cache, shutdown
from twofold.files import clear_partial, put_in_place, write_whole, writing_whole
from twofold.report.places import write_file
from twofold.results import ModelStore

# Writes a file in parts, says when the first is written, and waits to be killed.
WRITER = """
import sys, time
from pathlib import Path
from twofold.files import writing_whole
with writing_whole(Path(sys.argv[1])) as part:
    part.write(b"half")
    part.flush()
    print("half", flush=True)
    time.sleep(600)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def writer(tmp_path, launch):
    """A process that is in the middle of writing `file` in a folder, where one that is whole has that name."""
    (tmp_path / "file").write_bytes(b"old")
    process = launch([sys.executable, "-c", WRITER, str(tmp_path / "file")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    return process


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_done(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda number: (done.append(os.readlink(f"/proc/self/fd/{number}")), fsync(number))
    )
    monkeypatch.setattr(Path, "replace", lambda one, other: (done.append("renamed"), replace(one, other)))
    write_whole(tmp_path / "file", b"whole")
    (part, *after) = done
    assert Path(part).match(".twofold-*.partial")
    assert after == ["renamed", str(tmp_path)]
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_in_the_middle_leaves_the_old_file_and_nothing_beside_it(error, tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    def fail():
        with writing_whole(tmp_path / "file") as part:
            part.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_end_of_the_program_takes_away_what_is_not_whole(tmp_path):
    def end_in_the_middle():
        with writing_whole(tmp_path / "file") as part:
            part.write(b"half")
            for action in shutdown._actions.copy():
                action()
            assert names(tmp_path) == []

    with pytest.raises(FileNotFoundError):
        end_in_the_middle()
    assert names(tmp_path) == []


def test_a_link_in_nowhere_is_a_link_to_the_file_afterwards(tmp_path):
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"whole")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"whole"


def test_what_somebody_writes_is_not_cleared_and_what_a_killed_one_left_is(tmp_path, writer):
    clear_partial(tmp_path)
    (left, _) = names(tmp_path)
    assert left.endswith(".partial")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert names(tmp_path) == [left, "file"]
    clear_partial(tmp_path)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


CLEARING = {
    "models": lambda folder: ModelStore(folder).make_folder(),
    "a report": lambda folder: write_file(folder / "page.html", b"page"),
    "the cache": lambda folder: cache.keep(str(folder / "kept"), b"content", most=9),
}


@pytest.mark.parametrize("kind", CLEARING)
def test_the_next_run_clears_what_was_not_whole_and_nothing_else(kind, tmp_path):
    ours = [".twofold-0123456789abcdef.partial", f"{'a' * 64}.4711.partial"]
    others = ["thesis.partial", ".twofold-notes.partial", f"{'a' * 64}.safetensors", "twofold.db", "x.1.partial"]
    for name in [*ours, *others]:
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".twofold-0000000000000000.partial").mkdir()
    CLEARING[kind](tmp_path)
    assert {*names(tmp_path)} - {"page.html", "kept"} == {*others, ".twofold-0000000000000000.partial"}


def test_two_who_write_one_file_do_not_meet(tmp_path):
    with writing_whole(tmp_path / "file") as one, writing_whole(tmp_path / "file") as other:
        one.write(b"one")
        other.write(b"other")
    assert (tmp_path / "file").read_bytes() == b"one"  # which was done last
    assert names(tmp_path) == ["file"]


def test_a_file_system_without_locks_and_without_folders_to_flush_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / ".twofold-0123456789abcdef.partial").write_bytes(b"half")
    write_whole(tmp_path / "file", b"whole")
    clear_partial(tmp_path)
    assert names(tmp_path) == [".twofold-0123456789abcdef.partial", "file"]
    monkeypatch.setattr(os, "open", refuse)
    (tmp_path / "part").write_bytes(b"other")
    put_in_place(tmp_path / "part", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"other"


def test_a_device_is_never_replaced(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for name in (Path("/dev/null"), link):
        with pytest.raises(OSError, match="it is a device"):
            write_whole(name, b"content")
    assert Path("/dev/null").is_char_device()
    assert link.is_symlink()
