"""Starting the program with its log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import Launch

LOG = "trained.log"


def start(launch: Launch, folder: Path, *arguments: str, before: tuple[str, ...] = (), ahead: float = 0.0, log=None):
    """Start a command in a folder, behind the words `before`; its clock is so many seconds `ahead`."""
    log = log or folder / LOG
    variables = {name: value for name, value in os.environ.items() if name != "TWOFOLD_DATA_DIR"}
    return launch(
        [*before, sys.executable, "-m", "tests.campaigns.soak.worker", str(log), str(ahead), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=variables | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), variables.get("PYTHONPATH", "")])},
    )


def finish(process: subprocess.Popen, seconds: float = 600) -> None:
    """Wait for a command that has to succeed."""
    _, said = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {said}")
