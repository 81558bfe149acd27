"""What tests start ends with them, whatever becomes of them."""

import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.processes import launching, wait_until

TESTS = Path(__file__).parent
WAITING = [sys.executable, "-c", "print('ready', flush=True); input()"]


def test_what_a_failing_test_leaves_behind_is_killed_and_reaped():
    pipe = subprocess.PIPE
    with suppress(ZeroDivisionError), launching() as launch:
        left, done = (launch(WAITING, stdin=pipe, stdout=pipe, text=True) for _ in range(2))
        assert done.communicate("\n", timeout=60) == ("ready\n", None)
        assert left.stdout.readline() == "ready\n"
        raise ZeroDivisionError
    assert (left.returncode, done.returncode) == (-signal.SIGKILL, 0)
    assert left.stdin.closed
    assert left.stdout.closed


def test_what_never_comes_about_is_not_waited_for(launch, monkeypatch):
    monkeypatch.setattr("tests.processes.PATIENCE", 0.1)
    process = launch(WAITING, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with pytest.raises(AssertionError, match="it did not come about"):
        wait_until(process, lambda: False)
    process.communicate("\n", timeout=60)
    with pytest.raises(AssertionError, match="ready"):
        wait_until(launch([sys.executable, "-c", "print('ready')"], stdout=subprocess.PIPE, text=True), lambda: False)


def test_no_test_starts_a_process_that_may_outlive_it():
    starting = re.compile(r"\bPopen\(")
    files = [file.relative_to(TESTS).as_posix() for file in TESTS.rglob("*.py") if starting.search(file.read_text())]
    assert files == ["processes.py"]
