"""Compiles our operations for this processor, in a process of its own.

    python -m twofold.native.compiling float32 papers

To standard output goes what `twofold.native.packing.pack` makes: object files by their names, with their symbols. So
whoever trains needs neither Numba nor a compiler, and nothing that is set for those reaches it.
"""

import sys

import numpy as np

from twofold.native.layout import check_layout
from twofold.native.packing import Code, pack
from twofold.native.stages import give_way, stage


def compile_part(real: str, part: str) -> Code:
    """Symbol and object file of every handler of a part of the work, by its name, for a type of numbers."""
    with stage("look at XLA's interface"):
        check_layout()
    with stage("import Numba"):
        from twofold.native import foreign, kernels
    number = np.dtype(real).type(0)
    compiled: Code = {}
    for name, describe in kernels.HANDLERS[part].items():
        with stage(f"compile {name}"):
            compiled[name] = foreign.machine_code(describe(number), f"twofold_{name}_{real}")
    return compiled


if __name__ == "__main__":
    give_way()
    sys.stdout.buffer.write(pack(compile_part(*sys.argv[1:])))
