"""What a training on a GPU is made of, before XLA compiles it; no GPU is needed for that.

python -m tests.training.lowered     # the table of docs/gpu.md
"""

import math
import re
from collections import Counter
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from tests.training.programs import MNIST, arguments, program

from twofold.data import PairSet
from twofold.networks.finding import PAPERS
from twofold.training.environment import pinned
from twofold.training.run import start, train_epochs, trial_key

TOGETHER, PAIRS = 256, 1000


def _together(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((TOGETHER, *np.shape(leaf)), leaf.dtype), tree)


@cache
def lowered(network: str) -> str:
    """The StableHLO, for CUDA, of the function that trains so many trials together for some epochs."""
    training, numbers = program(network), _together(arguments(trial_key(0, 0), network=network))
    images = np.zeros((PAIRS, 2, MNIST.height, MNIST.width), np.float32)
    pairs = _together(PairSet(images, np.zeros(PAIRS, np.int32), np.zeros((PAIRS, 2), np.int32)))
    with pinned("gpu"):
        state, batches = jax.eval_shape(jax.vmap(partial(start, training)), numbers, pairs)
        together = jax.vmap(partial(train_epochs, training), in_axes=(0, 0, 0, 0, 0, None))
        traced = jax.jit(together).trace(state, numbers, pairs, batches, pairs, np.int32(4))
        return traced.lower(lowering_platforms=("cuda",)).as_text()


def operations(network: str) -> Counter[str]:
    """How many operations of each kind there are; a loop counts as it stands, once."""
    found = Counter(re.findall(r"(?:= |^ *)\"?(?:stablehlo|chlo)\.(\w+)", lowered(network), re.MULTILINE))
    del found["return"]
    return found


def transposed(network: str) -> list[int]:
    """The bytes of each array that is transposed."""
    types = re.findall(r"stablehlo\.transpose .*-> tensor<([\dx]+)x[a-z]+(\d+)>", lowered(network))
    return [math.prod(map(int, shape.split("x"))) * int(bits) // 8 for shape, bits in types]


def table() -> list[str]:
    """The lines of the table in docs/gpu.md: a kind of operation in each."""
    counts = {network: operations(network) for network in PAPERS}
    kinds = sorted(set().union(*counts.values()), key=lambda kind: (-max(each[kind] for each in counts.values()), kind))
    rows = [(f"`{kind}`", *(each[kind] for each in counts.values())) for kind in kinds]
    rows.append(("all", *(each.total() for each in counts.values())))
    return [f"| {' | '.join(map(str, row))} |" for row in rows]


if __name__ == "__main__":
    print("\n".join([f"| operation | {' | '.join(PAPERS)} |", "|---|" + "---|" * len(PAPERS), *table()]))
