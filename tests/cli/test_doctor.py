"""`twofold doctor`: what is here, in one screen, and an exit code that says whether something would fail."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli import program

import twofold.cache
from twofold import doctor
from twofold.native import handlers
from twofold.training import devices


def found(out):
    return {(each["part"], each["name"]): each for each in json.loads(out)}


def test_where_all_is_well(run):
    code, out, err = run("doctor")
    assert code == 0
    assert err.endswith("all is well\n")
    assert max(map(len, out.splitlines())) < 200
    assert len(out.splitlines()) < 30
    parts = ("versions", "packages", "extras", "devices", "operations", "cache", "store", "data", "folder")
    assert all(re.search(rf"^{part} ", out, re.MULTILINE) for part in parts)


def test_json_has_every_package_and_nothing_is_made(run, tmp_path):
    code, out, _ = run("doctor", "--json", "--store", "own.db")
    assert code == 0
    of = found(out)
    assert of["packages", "jaxlib"]["found"] == doctor._version("jaxlib")
    assert of["store", "own.db"]["found"] == "not there yet; the first study makes it"
    assert of["devices", "workers"]["found"].startswith("2, since this machine has ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cores", "usable", "share", "why"),
    [
        (1, 1, 1, "since this machine has 1 core"),
        (8, 8, 8, "since this machine has 8 cores"),
        (8, 2, 1, "since this machine has 8 cores, of which this process may use 2, for the time of 1"),
    ],
)
def test_why_there_are_so_many_workers_on_a_processor(cores, usable, share, why, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(devices, "usable_cores", lambda: usable)
    monkeypatch.setattr(devices, "processor_share", lambda: share)
    assert doctor._why_so_many_cores() == why


@pytest.mark.parametrize(
    ("count", "platform", "kind", "told"),
    [
        (1, "gpu", "NVIDIA H100 80GB HBM3", ("1 (NVIDIA H100 80GB HBM3)", "1, one for each GPU")),
        (4, "gpu", "AMD Instinct MI250X", ("4 (AMD Instinct MI250X)", "4, one for each GPU")),
        (8, "tpu", "TPU v4", ("8 (TPU v4)", "8, one for each TPU")),
    ],
)
def test_what_is_said_of_devices_that_are_not_here(count, platform, kind, told, monkeypatch):
    there = [SimpleNamespace(platform=platform, device_kind=kind)] * count
    monkeypatch.setattr(devices, "use_devices", lambda tell: there)
    found = list(doctor._devices(print))
    assert [each.name for each in found] == [platform, "workers"]
    assert tuple(each.found for each in found) == told


def test_what_takes_long_is_told_before(run, monkeypatch):
    told = "twofold's own operations are compiled for this processor and compared, once: about 15 seconds"
    monkeypatch.setattr(handlers, "is_known", lambda: False)
    code, _, err = run("doctor")
    assert code == 0
    assert told in err.splitlines()[:-1]


def test_a_store_with_trials(finished, run):
    code, out, _ = run("doctor", "--json", "--store", str(finished.folder / "twofold.db"))
    assert (code, found(out)["store", str(finished.folder / "twofold.db")]["found"]) == (0, "4 trials")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--store", "letter.txt"], "no store|not a database"),
        (["--data-dir", "nowhere"], "there is no such folder"),
    ],
)
def test_what_would_fail(words, said, run, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear friend, this is a letter and no database.")
    code, out, err = run("doctor", *words)
    assert code == 1
    assert re.search(f"would fail: .*({said})", " ".join(out.split()))
    assert err == "1 of these would fail\n"


def test_a_package_that_is_too_old_or_lacks(run, monkeypatch):
    versions = {"numpy": "1.20.0", "rich": ""}
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, real(name)))
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert re.fullmatch(
        r"twofold needs numpy>=[\d.]+: pip install 'numpy>=[\d.]+'", found(out)["packages", "numpy"]["wrong"]
    )
    assert found(out)["packages", "rich"]["found"] == "not installed"


def test_a_cache_that_cannot_be_written_is_told_and_fails_nothing(run, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "file" / "cache")
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path / "file" / "cache")
    code, out, _ = run("doctor", "--json")
    (cache,) = [each for each in json.loads(out) if each["part"] == "cache"]
    assert code == 0
    assert "it cannot be written" in cache["found"]


def test_operations_that_are_not_used_say_why(run, monkeypatch):
    monkeypatch.setattr(handlers, "_TRUST", {"float32": handlers.Trust(handlers.PORTABLE, "at 'compare product': odd")})
    code, out, _ = run("doctor", "--json")
    assert (code, found(out)["operations", "portable"]["found"]) == (0, "at 'compare product': odd")


def test_operations_that_failed_for_good_can_be_compared_again(run, monkeypatch):
    found_out = handlers.Trust(handlers.PORTABLE, "at 'compare product': odd", kept=True)
    monkeypatch.setattr(handlers, "_TRUST", {"float32": found_out})
    _, out, _ = run("doctor", "--json")
    said = found(out)["operations", "portable"]["found"]
    assert said.endswith(f"; to have them compared again, delete {handlers.verdict_file()}")


def test_what_a_library_raises_is_a_finding(run, monkeypatch):
    def broken(tell):
        raise ImportError("libcrypt.so.1: cannot open shared object file")
        yield

    monkeypatch.setattr(doctor, "_devices", broken)
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert found(out)["devices", "devices"]["wrong"].startswith("ImportError: libcrypt.so.1")


def test_a_device_that_is_not_here(tmp_path):
    process = program.run("doctor", cwd=tmp_path, timeout=120, JAX_PLATFORMS="nonsense")
    assert process.returncode == 1
    assert "would fail: JAX_PLATFORMS (=nonsense)" in process.stdout
    assert "Traceback" not in process.stderr


def test_files_that_another_run_deletes_meanwhile_are_not_counted(tmp_path, monkeypatch):
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(b"1234")
    stat = Path.stat

    def of_another_run(file, **options):
        if file.name == "two":
            raise FileNotFoundError(file)
        return stat(file, **options)

    monkeypatch.setattr(Path, "stat", of_another_run)
    monkeypatch.setattr(Path, "is_file", lambda file: True)
    assert list(doctor._sizes(tmp_path)) == [4, 4]
