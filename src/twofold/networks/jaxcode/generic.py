"""Operations of JAX's that have no other name in a graph: each is the equation that was traced, and its text.

The text is what a graph holds, and what its identity is made of: of equal equations it is equal, in every process and
wherever the user's file is. The equations themselves stay in this process, in which every graph of such a network is
made.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var, jaxpr_as_fun

from twofold.networks.graphs.operations import TABLE
from twofold.networks.graphs.operations.table import Operation

# Parameters of an equation that decide nothing: names, functions that were traced, where arrays are.
# fmt: off
_FOR_PEOPLE = {
    "name", "debug_info", "jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd", "ctx_mesh", "sharding", "out_sharding", "inline",
    "in_shardings", "out_shardings", "in_layouts", "out_layouts", "donated_invars", "keep_unused",
    "compiler_options_kvs",
}
# fmt: on

# What is computed on each element, so that it does not matter where the channels are.
_ON_EACH = {
    *("and", "or", "not", "xor", "clamp", "pow", "rem", "nextafter", "is_finite", "erf_inv", "lgamma", "digamma"),
    *("cbrt", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tan", "asinh", "acosh", "atanh", "exp2", "round"),
}

_HELD: dict[str, ClosedJaxpr] = {}


def hold(closed: ClosedJaxpr, name: str) -> tuple[str, str]:
    """Make an operation of equations without constants: its name in graphs, and the text that it takes as `held`."""
    operation, text = f"jax.{name}", text_of(closed.jaxpr)
    _HELD.setdefault(text, closed)
    if operation not in TABLE:
        TABLE[operation] = Operation(_computed, random=False, layout="any" if name in _ON_EACH else "")
    return operation, text


def _computed(*arrays: Any, held: str) -> Any:
    from twofold.networks.jaxcode.loops import by_operations

    results = jaxpr_as_fun(by_operations(_HELD[held]))(*arrays)
    return tuple(results) if len(results) > 1 else results[0]


def text_of(jaxpr: Any) -> str:
    """What equations compute, as a text without names, addresses and places in files."""
    numbers: dict[Var, int] = {}

    def shown(each: Any) -> str:
        if isinstance(each, Literal):
            return f"{np.asarray(each.val).tolist()!r}:{each.aval.str_short(short_dtypes=True)}"
        return f"{numbers.setdefault(each, len(numbers))}:{each.aval.str_short(short_dtypes=True)}"

    def list_of(several: Sequence[Any]) -> str:
        return " ".join(map(shown, several))

    lines = [list_of([*jaxpr.constvars, *jaxpr.invars])]
    for equation in jaxpr.eqns:
        given = ",".join(f"{name}={_text(value)}" for name, value in sorted(_deciding(equation.params).items()))
        taken = list_of(equation.invars)
        lines.append(f"{list_of(equation.outvars)} = {equation.primitive.name}[{given}] {taken}")
    return "{" + "\n".join([*lines, list_of(jaxpr.outvars)]) + "}"


def _deciding(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _FOR_PEOPLE}


def text_of_closed(closed: ClosedJaxpr) -> str:
    """The same with its constants."""
    constants = [np.asarray(each) for each in closed.consts if not str(each.dtype).startswith("key<")]
    hashes = (hashlib.sha256(np.ascontiguousarray(each).tobytes()).hexdigest() for each in constants)
    return text_of(closed.jaxpr) + "".join(f"{each.dtype}{each.shape}{of}" for each, of in zip(constants, hashes))


def _text(value: Any) -> str:
    if isinstance(value, ClosedJaxpr):
        return text_of_closed(value)
    if isinstance(value, Jaxpr):
        return text_of(value)
    if isinstance(value, tuple | list):
        return f"({','.join(map(_text, value))})"
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return str(value)
    if callable(value) and not isinstance(value, type):
        return "function"
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
