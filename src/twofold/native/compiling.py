"""Compiles our operations for this processor, in a process of its own.

    python -m twofold.native.compiling float32

To standard output goes what `twofold.native.packing.pack` makes: object files by their names, with their symbols. So
whoever trains needs neither Numba nor a compiler, and nothing that is set for those reaches it.
"""

import sys
from collections.abc import Callable

import numpy as np

from twofold.native.layout import check_layout
from twofold.native.packing import Code, pack
from twofold.native.stages import stage


def compile_all(real: str) -> Code:
    """Symbol and object file of every handler, by its name, for a type of numbers."""
    with stage("look at XLA's interface"):
        check_layout()
    with stage("import Numba"):
        from twofold.native import foreign, kernels
        from twofold.native.rules import RULES
        from twofold.native.steps import step_handler
    number = np.dtype(real).type(0)
    described: dict[str, Callable] = {name: describe(number) for name, describe in kernels.HANDLERS.items()}
    described |= {rule.__name__: step_handler(rule, number) for rule in RULES}
    compiled: Code = {}
    for name, handler in described.items():
        with stage(f"compile {name}"):
            compiled[name] = foreign.machine_code(handler, f"twofold_{name}_{real}")
    return compiled


if __name__ == "__main__":
    sys.stdout.buffer.write(pack(compile_all(*sys.argv[1:])))
