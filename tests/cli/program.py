"""The program as users run it: a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.processes import Launch, launching

# What the console script `twofold` runs; Ctrl-C reaches it even where whoever runs the tests ignores it.
PROGRAM = [
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from twofold.cli import main; sys.exit(main())",
]


def start(
    launch: Launch, *arguments: str, cwd: Path, program: Sequence[str] = PROGRAM, **variables: str
) -> subprocess.Popen:
    """Start the program in a folder, by `launch`, with these variables beside those of this process."""
    return launch(
        [*program, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "TWOFOLD_DATA_DIR"} | variables,
    )


def run(
    *arguments: str, cwd: Path, timeout: float = 300, program: Sequence[str] = PROGRAM, **variables: str
) -> subprocess.CompletedProcess:
    """Run the program in a folder to its end, which has to come within `timeout` seconds."""
    with launching() as launch:
        process = start(launch, *arguments, cwd=cwd, program=program, **variables)
        out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def small_study(rounds: int = 2) -> list[str]:
    """The arguments of a study of two networks that takes a moment."""
    networks = ["--networks", "NetWS", "NetWSAL"]
    return ["study", *networks, "--rounds", str(rounds), "--epochs", "1", "--pairs", "100", "--test-pairs", "50"]


def long_study(rounds: int = 40) -> list[str]:
    """The arguments of a study of trials that each take a good part of a second: something to interrupt."""
    sizes = ["--epochs", "100", "--pairs", "100", "--test-pairs", "50"]
    return ["study", "--networks", "NetWS", "--rounds", str(rounds), *sizes]
