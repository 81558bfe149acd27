"""A disk that is full, at every place that is written: one sentence, nothing damaged, and with room it goes on."""

import os
import re
import resource
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.cli.program import run
from tests.mutations.readers import row_of

from twofold import cache
from twofold.cli import main
from twofold.errors import SettingError, StoreAway, StoreError
from twofold.networks.protocol import Variables
from twofold.report.figures.files import Drawing, write_figures
from twofold.report.page.html import write_page
from twofold.results import ModelStore, Store
from twofold.study.audit import audit

SIZE = 2 * 1024**2


class SmallDisk:
    """A file system of its own, of so many bytes, in a folder."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root, and not in every container, may mount a small disk")

    def grow(self, size: int) -> None:
        """Make room for so many bytes in all."""
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)

    def unmount(self) -> None:
        """Take it away, with all that is on it."""
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    @contextmanager
    def full(self):
        """Without room meanwhile."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)) == 4096 and os.statvfs(self.folder).f_bavail:
                pass
        yield
        filler.unlink()


class Limit:
    """A limit to the size of files, which every system has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self):
        """With room for a thousand bytes meanwhile."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture(params=["a small disk", "a limit"])
def disk(request, tmp_path):
    if request.param == "a limit":
        yield Limit(tmp_path)
        return
    small = SmallDisk(tmp_path)
    yield small
    small.unmount()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "filler")


def test_the_store(disk):
    store = Store(disk.folder / "t.db")
    store.add(row_of(0))
    long = row_of(1, train_loss=[0.5] * 40_000)
    with disk.full(), pytest.raises(StoreAway, match=r"t\.db \(.*\); try again"):
        store.add(long)
    assert store.present([row_of(0)["key"], long["key"]]) == {row_of(0)["key"]}
    store.add(long)
    assert store.present([long["key"]]) == {long["key"]}
    with closing(sqlite3.connect(disk.folder / "t.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_store_that_is_not_there_yet(disk):
    with disk.full(), pytest.raises(StoreError, match=r"t\.db"):
        Store(disk.folder / "t.db")
    assert Store(disk.folder / "t.db").count() == 0


def test_kept_networks(disk):
    network = Variables({"weight": np.ones((100, 100), np.float32)}, {})
    models, record = ModelStore(disk.folder / "m"), {**row_of(0), "network": "Twin", "identity": "a" * 64}
    record |= {"image_size": [14, 14], "pixel_mean": 0.0, "pixel_deviation": 1.0, "class_names": None}
    models.add(network, record)
    with disk.full():
        with pytest.raises(StoreAway, match=r"cannot write .*\(.*\); name another folder with --models"):
            models.add(network, {**record, "round": 7})
        with pytest.raises(StoreAway, match=r"cannot write to .*\(.*\); name another folder with --models"):
            models.make_folder()
    assert [kept["round"] for kept in models.records()] == [0]
    models.add(network, {**record, "round": 7})
    assert [kept["round"] for kept in models.records()] == [7]
    assert len(names(disk.folder / "m")) == 1


def test_a_page(disk):
    page = disk.folder / "page.html"
    write_page(page, "old")
    with disk.full(), pytest.raises(SettingError, match=r"`out` .* cannot be written \(.*\); name another file"):
        write_page(page, "new" * 100_000)
    assert page.read_text() == "old"
    assert names(disk.folder) == ["page.html"]
    assert write_page(page, "new") == f"replaced {page}"


def test_figures(tmp_path, made_up):
    disk = Limit(tmp_path)  # drawing takes long, and both kinds of disks say the same
    (rows, others) = (made_up(2, seed=seed, networks=["NetWS"]) for seed in (1, 2))
    write_figures(disk.folder, {"f": Drawing("study:figure2", rows)})
    before = {name: (disk.folder / name).read_bytes() for name in names(disk.folder)}
    drawing = {"f": Drawing("study:figure2", others)}
    with disk.full(), pytest.raises(SettingError, match=r"cannot be written \(.*\); name another folder"):
        write_figures(disk.folder, drawing)
    assert {name: (disk.folder / name).read_bytes() for name in names(disk.folder)} == before
    assert write_figures(disk.folder, drawing)[0].startswith("replaced")


def test_the_cache(disk, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk.folder))
    cache.keep("some/kept", b"old", most=9)
    with disk.full():
        cache.keep("some/kept", b"new" * 2000, most=9)
    assert cache.read_kept("some/kept") == b"old"
    assert names(disk.folder / "twofold" / "some") == ["kept"]
    cache.keep("some/kept", b"new", most=9)
    assert cache.read_kept("some/kept") == b"new"


# The command line.

SIZES = ["--epochs", "1", "--pairs", "100", "--test-pairs", "50", "--workers", "1"]
STUDY = ["study", "--networks", "NetWS", "--rounds", "6", *SIZES, "--keep-models", "all"]
# A disk of so many bytes takes the store and some of the networks.
ROOM = 1_500_000


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A disk that became full under a study, which ended; and the same command when there was room.

    Then another disk is full, where compiled programs and the list of fonts are kept.
    """
    small, cache = SmallDisk(tmp_path_factory.mktemp("small"), ROOM), SmallDisk(tmp_path_factory.mktemp("cache"), 4096)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    first = run(*STUDY, cwd=small.folder, TMPDIR=str(elsewhere), TWOFOLD_STORE_PATIENCE="1")
    small.grow(10 * ROOM)
    with cache.full():
        second = run(*STUDY, cwd=small.folder, XDG_CACHE_HOME=str(cache.folder), TWOFOLD_NATIVE="0")
    yield small, elsewhere, first, second
    small.unmount()
    cache.unmount()


def test_a_study_whose_disk_becomes_full_ends_in_one_line(story):
    _, elsewhere, first, _ = story
    assert first.returncode == 3, first.stderr
    last = first.stderr.splitlines()[-1]
    cause = (
        r"cannot write twofold\.models/\w+\.safetensors \(No space left on device\); name another folder with --models"
    )
    assert re.fullmatch(
        rf"twofold: {cause}; \d finished trials? kept in \S+; `twofold store merge \S+` stores what is there", last
    )
    assert "Traceback" not in first.stderr
    assert {"twofold-rescued.db", "twofold-rescued.models"} == {path.name for path in elsewhere.iterdir()}


def test_the_same_command_goes_on_when_there_is_room(story):
    small, _, _, second = story
    assert second.returncode == 0, second.stderr
    said = [line for line in second.stderr.splitlines() if not re.match(r"\d of 6 trials", line)]
    assert "to train" in said.pop(0)
    assert said == ["wrote figures/figure2.png", "wrote figures/figure2.svg"]
    found = audit(Store(small.folder / "twofold.db", create=False), ModelStore(small.folder / "twofold.models"))
    assert (found.trials, found.kept, found.faults) == (6, 6, [])


@pytest.mark.parametrize(
    ("words", "made"), [([*STUDY, "--out", "drawn"], "drawn/figure2.svg"), (["report", "-o", "page.html"], "page.html")]
)
def test_what_is_drawn_on_a_full_disk_is_one_line(story, words, made, monkeypatch, capsys):
    small, *_ = story
    monkeypatch.chdir(small.folder)
    with small.full():
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.fullmatch(
            r"twofold: `--out` \(=\S+\) cannot be written \(No space left on device\); name another \w+", line
        )
        assert not (small.folder / made).exists()
    assert main(words) == 0
    assert (small.folder / made).exists()
    assert not list(small.folder.rglob("*.partial"))
