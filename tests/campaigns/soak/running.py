"""Starting the program with its log."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli import program
from tests.cli.watched import watched
from tests.processes import Launch


def start(launch: Launch, folder: Path, *arguments: str, before: tuple[str, ...] = (), ahead: float = 0.0):
    """Start a command in a folder, behind the words `before`; its clock is so many seconds `ahead`."""
    return program.start(launch, *arguments, cwd=folder, program=[*before, *watched(ahead)])


def finish(process: subprocess.Popen, seconds: float = 600) -> None:
    """Wait for a command that has to succeed."""
    _, said = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {said}")
