"""Compiling a program that runs once and on little, as a comparison does: nearly all of its time is compiling."""

from collections.abc import Callable
from typing import Any

import jax

# Optimizing less, and XLA's older way to make machine code, take a sixth of the time together.
OPTIONS: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}


def compile_quickly(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """The function, compiled for arguments of these shapes."""
    return jax.jit(function).lower(*arguments).compile(OPTIONS)
