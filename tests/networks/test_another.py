"""A network more, in a copy of the program: it keeps the protocol, and all commands know what to do with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import twofold

SOURCE = Path(twofold.__file__).parent

TINY = '''"""A small network: a dense layer on the pixels, the class units, and a dense layer on both branches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from twofold.data import Task
from twofold.networks.calls import LayerRow
from twofold.networks.protocol import Outputs, Variables


class Weights(NamedTuple):
    """The parameters."""

    hidden: jax.Array
    classes: jax.Array
    head: jax.Array


@dataclass(frozen=True)
class Tiny:
    """The structure: both branches have the same weights."""

    weight_sharing: bool
    draws: ClassVar[bool] = False

    def init(self, key: Any, task: Task) -> Variables:
        """See `twofold.networks.protocol.Structure`."""
        shapes = ((task.height * task.width, 32), (32, task.classes), (2 * task.classes, 2))
        keys = jax.random.split(key, 3)
        return Variables(Weights(*(jax.random.normal(k, s) / s[0] / 10 for k, s in zip(keys, shapes))))

    def initial(self, seed: int, round: int) -> None:
        """See `twofold.networks.protocol.Structure`."""

    def arrange(self, images: Any) -> Any:
        """See `twofold.networks.protocol.Structure`."""
        return images.reshape(len(images), 2, -1)

    def apply(
        self, variables: Variables, images: Any, numbers: Mapping[str, Any], *, training: bool = False, key: Any = None
    ) -> tuple[Outputs, Any]:
        """See `twofold.networks.protocol.Structure`."""
        weights = variables.parameters
        classes = jax.nn.relu(images @ weights.hidden) @ weights.classes
        answers = jax.nn.relu(classes).reshape(len(images), -1) @ weights.head
        return Outputs(answers, classes, units=classes), variables.buffers

    def numbers(self, settings: Any) -> dict[str, float]:
        """See `twofold.networks.protocol.Structure`."""
        return {}

    def layers(self, task: Task) -> list[LayerRow]:
        """See `twofold.networks.protocol.Structure`."""
        return [LayerRow("hidden: dense, ReLU", (task.height * task.width,), (32,), 32 * task.height * task.width)]
'''
ENTRY = '    Network("NetTiny", True, True, frozenset({"aux_weight"}), "twofold.networks.tiny:Tiny"),\n'
LOOK = """
import json, sys
import twofold
from twofold.analysis import effects
from twofold.cli import main
from twofold.networks import NETWORKS, PAPERS
from twofold.results import ModelStore

assert list(NETWORKS) == [*PAPERS, "NetTiny"]
small = ["--rounds", "2", "--epochs", "1", "--pairs", "50", "--test-pairs", "50", "--quiet"]
assert main(["study", *small]) == 0  # the paper's four, by default
before = effects(twofold.results.Store("twofold.db").read())
assert main(["study", *small, "--networks", "NetTiny", "NetWSAL", "--keep-models", "all"]) == 0
table = twofold.results.Store("twofold.db").read()
assert set(table.network) == {*PAPERS, "NetTiny"}
assert effects(table).equals(before), "another network changes no effect"
for command in ("results", "analyse", "power", "report", "demo", "models", "networks"):
    assert main([command]) == 0, command
leaky = ["--networks", "NetTiny", "--bottleneck-activation", "leaky_relu"]
assert main(["study", *small, *leaky]) == 0  # stored already
assert main(["study", *small, "--seed", "1", *leaky]) == 2
(key,) = table.key[(table.network == "NetTiny") & (table["round"] == 0)]
model = ModelStore(twofold.results.models_folder("twofold.db")).load(key)
assert type(model.network).__name__ == "Weights"
from twofold.export.pytorch import module_for
try:
    module_for("NetTiny")
except twofold.SettingError as error:
    assert "cannot be exported" in str(error)
else:
    raise AssertionError("exported as another")
"""


@pytest.mark.slow
def test_a_network_that_is_added_is_there(tmp_path):
    pytest.importorskip("torch")
    copy = tmp_path / "twofold"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "networks" / "tiny.py").write_text(TINY, "utf-8")
    registry = copy / "networks" / "finding.py"
    text = registry.read_text("utf-8")
    before = "for network in (*_FOUR,)"
    assert before in text
    text = text.replace(before, "for network in (*_FOUR, _TINY)")
    place = text.index("# All networks that are built in")
    registry.write_text(text[:place] + "_TINY = " + ENTRY.strip().rstrip(",") + "\n" + text[place:], "utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport twofold.results\n{LOOK}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
