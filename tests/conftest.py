"""Two CPU devices for every test, and shapes that are checked at run time."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Before PyTorch and NumPy are imported, here and in the processes that tests start: tests run side by side, one on each
# core, and threads of theirs that wait for one another would take most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
from jaxtyping import install_import_hook
from tests.postgres import Server, running
from tests.processes import Launch, launching

# Before anything of twofold is imported: every shape and type in a signature is checked at every call; but not where
# functions are compiled and no longer Python's, or sent to other machines by their code, not in the declarations,
# whose types are for type checkers, and not in what users call, who are told of a slip by us.
_SOURCE = Path(__file__).parents[1] / "src"
_COMPILED = {
    "__init__.py",
    "settings.py",
    "api.py",
    "cluster.py",
    "foreign.py",
    "geometry.py",
    "vectors.py",
    "winograd.py",
    "kernels.py",
    "rules.py",
    "steps.py",
}
_PLAIN = [path for path in (_SOURCE / "twofold").rglob("*.py") if path.name not in _COMPILED]
install_import_hook([".".join(path.relative_to(_SOURCE).with_suffix("").parts) for path in _PLAIN], "beartype.beartype")

from twofold.native import handlers, quickly  # noqa: E402
from twofold.settings import SETTINGS  # noqa: E402
from twofold.training import compiled, engines  # noqa: E402
from twofold.training.devices import use_devices  # noqa: E402

_find_out = handlers._find_out


def _find_out_one_at_a_time(real: str) -> None:
    """Of processes that run tests side by side one compiles our operations, and the others wait for what it keeps."""
    with open(Path(tempfile.gettempdir()) / f"twofold-tests-{os.getuid()}-{real}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _find_out(real)


handlers._find_out = _find_out_one_at_a_time
use_devices(2)


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts processes as `Popen` does, and sees to it that none outlives the test."""
    with launching() as launched:
        yield launched


@pytest.fixture(scope="module")
def compiled_quickly() -> Iterator[None]:
    """Trainings are compiled in less time, and run for longer: where no test of a module looks at last bits or speed.

    What is compiled so is for the module alone.
    """

    def compile(lowered: Any, devices: Any, options: Any = None) -> Any:
        return compiled.compile_or_load(lowered, devices, {**(options or {}), **quickly.OPTIONS})

    engines._ENGINES.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "compile_or_load", compile)
        yield
    engines._ENGINES.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own; skips where none can be had."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder that holds mnist/; skips where TWOFOLD_DATA_DIR does not name one."""
    folder = os.environ.get("TWOFOLD_DATA_DIR")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("TWOFOLD_DATA_DIR names no folder with mnist/: the full MNIST is not at hand")
    return Path(folder)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how the guards compared the numbers of trainings: what they can do differs from machine to machine."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "guard":
                terminalreporter.write_line(f"guard: {value}")


# Mean error and standard deviation of healthy rounds, as fractions; roughly those of the paper's settings.
_HEALTHY = {"NetBase": (0.15, 0.015), "NetWS": (0.135, 0.012), "NetAL": (0.07, 0.01), "NetWSAL": (0.059, 0.009)}


@pytest.fixture(scope="session")
def made_up() -> Callable[..., pd.DataFrame]:
    """Makes a table of trials as a store gives it, without training anything.

    Networks without auxiliary losses collapse in the share `collapsing` of their rounds, as the paper's do; further
    keywords are columns.
    """

    def make(
        rounds: int,
        *,
        seed: int = 0,
        networks: Sequence[str] = tuple(_HEALTHY),
        collapsing: float = 0.15,
        **columns: Any,
    ) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        rows = [_made_up_trial(random, network, number, collapsing) for number in range(rounds) for network in networks]
        return pd.DataFrame(rows).assign(**columns)

    return make


def _made_up_trial(random: np.random.Generator, network: str, number: int, collapsing: float) -> dict[str, Any]:
    losses = "AL" in network
    mean, sd = _HEALTHY.get(network, (0.2, 0.02))
    error, dead = random.normal(mean, sd), random.integers(0, 6, 2)
    if not losses and random.random() < collapsing:
        both = random.random() < 0.5 or network == "NetWS"
        error, dead = (random.normal(0.46, 0.02), [10, 10]) if both else (random.normal(0.33, 0.02), [10, dead[1]])
    return {
        **{name: declared.default for name, declared in SETTINGS.items()},
        "network": network,
        "round": number,
        "weight_round": number,
        "weight_sharing": "WS" in network,
        "auxiliary_losses": losses,
        "data": "mnist",
        "validation_pairs": 1000,
        "aux_weight": 1.0 if losses else 0.0,
        "train_error": 0.0,
        "validation_error": float(np.round(error, 3)),
        "test_error": float(np.round(error, 3)),
        "digit_error": 0.05 if losses else np.nan,
        "dead_first": int(dead[0]),
        "dead_second": int(dead[1]),
        "diverged": False,
    }
