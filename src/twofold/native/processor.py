"""What machine code for this processor depends on."""

from functools import cache

import llvmlite.binding as llvm


@cache
def processor() -> str:
    """The processor's kind and features as LLVM names them, and the system that it runs."""
    features = ",".join(sorted(name for name, there in llvm.get_host_cpu_features().items() if there))
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"
