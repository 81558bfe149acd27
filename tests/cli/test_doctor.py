"""`twofold doctor`: what is here, in one screen, and an exit code that says whether something would fail."""

import json
import os
import re
import subprocess

import pytest
from tests.cli.program import PROGRAM

import twofold.cache
from twofold import doctor
from twofold.native import handlers


def found(out):
    return {(each["part"], each["name"]): each for each in json.loads(out)}


def test_where_all_is_well(run):
    code, out, err = run("doctor")
    assert (code, err) == (0, "all is well\n")
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
    assert of["devices", "workers"]["found"].startswith("2, since there are ")
    assert list(tmp_path.iterdir()) == []


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
    def broken():
        raise ImportError("libcrypt.so.1: cannot open shared object file")
        yield

    monkeypatch.setattr(doctor, "_devices", broken)
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert found(out)["devices", "devices"]["wrong"].startswith("ImportError: libcrypt.so.1")


def test_a_device_that_is_not_here(tmp_path):
    process = subprocess.run(
        [*PROGRAM, "doctor"],
        cwd=tmp_path,
        env={**os.environ, "JAX_PLATFORMS": "nonsense"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 1
    assert "would fail: JAX_PLATFORMS (=nonsense)" in process.stdout
    assert "Traceback" not in process.stderr
