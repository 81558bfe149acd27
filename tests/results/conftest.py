"""Rows as a study makes them."""

from typing import Any

import pytest

from twofold.results import Store
from twofold.settings import SETTINGS


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path) -> Store:
    """An empty store in a file, and one on a server."""
    if request.param == "sqlite":
        return Store(tmp_path / "t.db")
    return Store(request.getfixturevalue("postgres").database())


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    """The row of a trial of NetWSAL with two epochs."""
    return {
        **{name: declared.default for name, declared in SETTINGS.items()},
        "key": "k",
        "network": "NetWSAL",
        "round": 0,
        "weight_round": 0,
        "wrong_answers": None,
        "weight_sharing": True,
        "auxiliary_losses": True,
        "learning_rate": 1e-20,
        "epochs": 2,
        "pairs": 100,
        "test_pairs": 50,
        "validation_pairs": 10,
        "relation": "same parity",
        "question": "10-" + "7" * 32,
        "true_share": 0.5,
        "one_image_error": 1 / 3,
        "data": "zwölf Ziffern.npz",
        "fingerprint": "f" * 32,
        "seed": 2**63 - 1,
        "train_error": 0.1 + 0.2,
        "validation_error": 0.3,
        "test_error": 1 / 3,
        "digit_error": 0.25,
        "distance_threshold": 0.7,
        "dead_first": 0,
        "dead_second": 10,
        "diverged": False,
        "train_loss": [1.5, 0.1 + 0.2],
        "dead_units_trace": [[0, 9], [0, 10]],
        **dict.fromkeys(["class_names", "identity", "source", "arguments", "dead_layers", "torch_version"]),
        "seconds": 1.25,
        "twofold_version": "0.1.0",
        "jax_version": "0.10.2",
        "engine": "native",
        "device": "cpu: some processor",
        "finished_at": "2026-01-02T03:04:05.678+00:00",
    }


def in_tables(row: dict[str, Any]) -> dict[str, Any]:
    """A row as `Store.read` gives it, which leaves out answers."""
    return {name: value for name, value in row.items() if name != "wrong_answers"}
