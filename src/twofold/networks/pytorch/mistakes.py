"""What is said where a user's network cannot be made, called or followed: one line with the cause and what to do."""

import traceback
from collections.abc import Sequence

from twofold.errors import NetworkError
from twofold.networks.pytorch.translate import users_line
from twofold.networks.telling import words_of

# Errors of `torch.export`, by name, where the way through `forward` depends on the numbers in a tensor.
_OF_DATA = ("GuardOnDataDependentSymNode", "DataDependentOutputException", "PendingUnbackedSymbolNotFound")

# Known causes: what an error's text has, what that means, and the remedy.
_CAUSES = (
    (
        "fake tensor in the exported",
        "it uses .data of a tensor",
        "use detach(), and write in place under torch.no_grad()",
    ),
    (
        "not supported for tensor subclasses",
        "it leaves PyTorch with .numpy()",
        "use PyTorch's operations in the place of NumPy's",
    ),
    ("TorchScript", "it has a part that torch.jit has compiled", "leave torch.jit out"),
    ("ScriptModule", "it has a part that torch.jit has compiled", "leave torch.jit out"),
    ("not compiled with CUDA", "it asks for a GPU by name", "write x.to(weights.device) in the place of x.cuda()"),
    ("no NVIDIA driver", "it asks for a GPU by name", "write x.to(weights.device) in the place of x.cuda()"),
    ('missing the required "forward"', "its class has no forward", "write def forward(self, pairs)"),
    (
        "does not have a grad_fn",
        "no gradient reaches its parameters, as after detach() or under torch.no_grad()",
        "leave these out of forward",
    ),
    (
        "Expected hidden size",
        "a recurrent layer is given a state of another number of pairs",
        "begin with a new state in each call",
    ),
    ("BatchedTensorImpl", "it uses torch.vmap", "use PyTorch's operations on a whole batch"),
    (
        "the same dtype",
        "it mixes float32, which images are, with another type",
        "leave double() and its kin out",
    ),
)


class OwnGradientError(Exception):
    """A function of the user's own has a gradient of its own."""


class InferenceModeError(Exception):
    """What is computed in this mode has no gradient, ever after, which a graph does not show."""


def is_known(error: BaseException) -> bool:
    """Whether an error's text has a known cause."""
    return any(text in str(error) for text, _, _ in _CAUSES)


def mistake(network: str, error: BaseException, *, pairs: Sequence[int] = ()) -> NetworkError:
    """The error about what went wrong in `forward`, or where it cannot be followed.

    `pairs` is the shape of the pairs that it is called with, (n, 2, ..., h, w), where that may be the reason.
    """
    if isinstance(error, NetworkError):
        return error
    line = _line_of(error)
    where = f"{network} ({line})" if line else network
    return NetworkError(f"{where}: {_cause(error, pairs)}")


def _cause(error: BaseException, pairs: Sequence[int]) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the program (exit code {error.code}); take sys.exit out"
    if isinstance(error, InferenceModeError):
        return "it uses torch.inference_mode, after which there are no gradients; use torch.no_grad()"
    if isinstance(error, OwnGradientError):
        return (
            f"{error} has a gradient of its own, which a graph does not show; write it with detach(): "
            "x + (f(x) - x).detach() has the value of f(x) and the gradient of x"
        )
    if type(error).__name__ in _OF_DATA:
        return (
            "what is computed depends on the numbers in a tensor (if, while, assert, int() or float() of one); "
            "use torch.where, which computes both ways"
        )
    for text, what, remedy in _CAUSES:
        if text in str(error):
            return f"{what}; {remedy}"
    remedy = "mend forward, or try the module in PyTorch"
    if pairs:
        size = " x ".join(map(str, pairs[-2:]))
        remedy = f"it is called with {pairs[0]} pairs of {size} images here: take sizes from x.shape, or {remedy}"
    return f"{type(error).__name__}: {words_of(error)}; {remedy}"


def _line_of(error: BaseException) -> str:
    frames = "".join(
        f'File "{frame.filename}", line {frame.lineno}\n' for frame in traceback.extract_tb(error.__traceback__)
    )
    theirs = "\n".join(
        line for line in frames.splitlines() if "twofold/networks/pytorch" not in line.replace("\\", "/")
    )
    return users_line(theirs) or users_line(str(error))
