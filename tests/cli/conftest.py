"""A study that ran from the shell, and the program in this process."""

import functools
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.program import run, small_study
from tests.cli.program import start as start_by

from twofold.cli import main


@dataclass(frozen=True)
class Finished:
    """A small study that ran with --json: where, and what it wrote."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    """A small study, run once for all tests."""
    folder = tmp_path_factory.mktemp("finished")
    process = run(*small_study(), "--json", cwd=folder)
    assert process.returncode == 0, process.stderr
    return Finished(folder, process.stdout, process.stderr)


@pytest.fixture
def start(launch):
    """Starts the program in a process of its own, which does not outlive the test."""
    return functools.partial(start_by, launch)


@pytest.fixture(name="run")
def run_here(tmp_path, monkeypatch, capsys):
    """Runs `twofold` in an empty folder and returns its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments):
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_it
