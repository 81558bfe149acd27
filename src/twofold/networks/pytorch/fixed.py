"""PyTorch with the random numbers of `operations.sampling.fixed`: what a module draws is the same every time."""

from collections.abc import Callable
from typing import Any

import torch
from torch._decomp import get_decompositions
from torch.utils._python_dispatch import TorchDispatchMode

from twofold.networks.graphs.operations.sampling import fixed


class UnknownDrawError(Exception):
    """An operation draws random numbers in a way that is not known here."""


class FixedNumbers(TorchDispatchMode):
    """While it is entered, PyTorch draws the fixed numbers in the place of random ones. Raises `UnknownDrawError`."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in function.tags:
            return function(*args, **kwargs)
        draw = _DRAWN.get(function._schema.name.split("::")[1])
        if draw is not None:
            return draw(function, *args, **kwargs)
        before = torch.get_rng_state()
        result = function(*args, **kwargs)
        if torch.equal(torch.get_rng_state(), before):
            return result  # attention that drops nothing, for one
        known = get_decompositions([function])
        if function not in known:
            raise UnknownDrawError(str(function))
        with self:
            return known[function](*args, **kwargs)


def _uniform(shape: Any, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(fixed(shape)).to(like.dtype)


def _made(spread: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    """For an operation that makes a tensor: what it gives is not used, but for its shape and type."""

    def draw(function: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        made = function(*args, **kwargs)
        return spread(_uniform(made.shape, made))

    return draw


def _bernoulli(function: Any, p: torch.Tensor, *more: Any, **_: Any) -> torch.Tensor:
    return (torch.as_tensor(fixed(p.shape)) < (more[0] if more else p)).to(p.dtype)


def _bernoulli_in_place(function: Any, x: torch.Tensor, p: Any = 0.5, **_: Any) -> torch.Tensor:
    return x.copy_(torch.as_tensor(fixed(x.shape)) < p)


def _uniform_in_place(function: Any, x: torch.Tensor, low: float = 0, high: float = 1, **_: Any) -> torch.Tensor:
    return x.copy_(low + (high - low) * _uniform(x.shape, x))


def _normal_around(function: Any, mean: Any, std: Any = 1.0, **_: Any) -> torch.Tensor:
    scale = torch.as_tensor(mean) + 0 * torch.as_tensor(std)
    return mean + std * (2 * _uniform(scale.shape, scale) - 1)


def _normal_in_place(function: Any, x: torch.Tensor, mean: float = 0, std: float = 1, **_: Any) -> torch.Tensor:
    return x.copy_(mean + std * (2 * _uniform(x.shape, x) - 1))


def _whole(function: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    *bounds, _size = args
    low, high = bounds if len(bounds) == 2 else (0, bounds[0])
    made = function(*args, **kwargs)
    return (low + torch.as_tensor(fixed(made.shape)) * (high - low)).floor().to(made.dtype)


def _permuted(function: Any, n: int, **kwargs: Any) -> torch.Tensor:
    return torch.as_tensor(fixed([n])).argsort()


def _rrelu(
    function: Any,
    x: torch.Tensor,
    noise: torch.Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *_: Any,
) -> torch.Tensor:
    if training:  # the slopes are kept for the way back
        noise.copy_(torch.where(x > 0, 1.0, lower + (upper - lower) * _uniform(x.shape, x)))
    return x * noise if training else torch.nn.functional.leaky_relu(x, (lower + upper) / 2)


_DRAWN: dict[str, Callable[..., Any]] = {
    "rand": _made(lambda u: u),
    "rand_like": _made(lambda u: u),
    "randn": _made(lambda u: 2 * u - 1),
    "randn_like": _made(lambda u: 2 * u - 1),
    "bernoulli": _bernoulli,
    "bernoulli_": _bernoulli_in_place,
    "uniform_": _uniform_in_place,
    "normal": _normal_around,
    "normal_": _normal_in_place,
    "randint": _whole,
    "randperm": _permuted,
    "rrelu_with_noise": _rrelu,
}
