"""A short study of everything that decides how a training goes, and what it runs on; printed as JSON.

    python tests/guards/short_study.py {native,portable} [--write]

With --write the numbers take the place of those recorded beside this file: only where a change of the rounding is
meant, and after showing that the distributions of errors agree.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding

from twofold import Study
from twofold.native import handlers

RECORDED = Path(__file__).with_name("recorded.json")

# All networks, two rounds each: three optimizers, shuffled and not, normalised, leaky.
PARTS: dict[str, dict[str, Any]] = {
    "adam": {"learning_rate": 0.001},
    "shuffled": {"shuffle": True, "normalise": True},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05, "bottleneck_activation": "leaky_relu"},
    "adadelta": {"optimizer": "adadelta", "learning_rate": 1.0, "aux_weight": 0.5},
}
SIZES: dict[str, Any] = {"rounds": 2, "seed": 11, "epochs": 3, "pairs": 200, "test_pairs": 200, "validation_pairs": 50}
NUMBERS = ("train_loss", "train_error", "validation_error", "test_error", "digit_error", "dead_first", "dead_second")


def machine() -> dict[str, str]:
    """What the last bits of a number depend on."""
    features = llvmlite.binding.get_host_cpu_features()
    return {
        "processor": llvmlite.binding.get_host_cpu_name(),
        "features": ",".join(sorted(name for name, there in features.items() if there)),
        **{name: version(name) for name in ("jaxlib", "numba", "llvmlite")},
    }


def numbers(way: str) -> dict[str, dict[str, Any]]:
    """What each trial came to, by its part, network and round."""
    os.environ[handlers.VARIABLE] = "1" if way == handlers.NATIVE else "0"
    found = {}
    for part, settings in PARTS.items():
        table = Study(**SIZES, **settings).run(store="sqlite://", progress=False, workers=2).histories
        for row in table.astype(object).where(table.notna(), None).to_dict("records"):
            found[f"{part} {row['network']} {row['round']}"] = {name: row[name] for name in NUMBERS}
    return found


def main() -> None:
    """Print the numbers of one way, or record them."""
    way = sys.argv[1]
    content = {"machine": machine(), "rows": numbers(way)}
    if "--write" in sys.argv:
        recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
        RECORDED.write_text(json.dumps({**recorded, way: content}, indent=1) + "\n")
    else:
        json.dump(content, sys.stdout)


if __name__ == "__main__":
    main()
