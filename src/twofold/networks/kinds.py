"""What a user's network is written in, told from what makes it; and the networks that a class and its factors make."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from twofold.data import Task
from twofold.errors import NetworkError, needing
from twofold.networks.finding import Network
from twofold.networks.seeding import generators_seeded
from twofold.networks.telling import quietly, words_of
from twofold.networks.typed import Typed

if TYPE_CHECKING:
    from twofold.networks.graphs.loading import Own

Around = Callable[[], AbstractContextManager[None]]

_EXPECTED = "a torch.nn.Module, an equinox.Module, or two functions (init, apply)"


def own_of(
    name: str,
    make: Callable[..., Any],
    arguments: Mapping[str, Any],
    task: Task,
    outputs: tuple[str, ...] | None = None,
    around: Around = nullcontext,
    source: str = "",
    starting: Callable[[], None] = lambda: None,
) -> "Own":
    """The network that `make` makes with these arguments: see `twofold.networks.graphs.loading.Own`.

    `starting` is called before JAX may compute what the user wrote.
    """
    given = (name, partial(make, **arguments), task, outputs, around, source)
    if not _is_torchs(make):
        starting()
    if _kind(name, make, arguments, around) == "PyTorch":
        with needing("torch", "a network of your own in PyTorch"):
            from twofold.networks.pytorch.loading import OwnModule

        return OwnModule(*given)
    from twofold.networks.jaxcode.loading import OwnFunctions

    return OwnFunctions(*given)


def _kind(
    name: str, make: Callable[..., Any], arguments: Mapping[str, Any], around: Around
) -> Literal["PyTorch", "JAX"]:
    from twofold.networks.jaxcode import calling

    if _is_torchs(make):
        return "PyTorch"
    if isinstance(make, type) and calling.is_module_class(make):
        return "JAX"
    torch = sys.modules.get("torch")
    torchs = nullcontext() if torch is None else torch.random.fork_rng(devices=[])
    with around(), quietly(), torchs, generators_seeded(0, 0):
        try:
            made = calling.made(partial(make, **arguments), seed=0, round=0)
        except (Exception, SystemExit) as error:
            raise NetworkError(f"{name} cannot be made: {type(error).__name__}: {words_of(error)}") from error
    torch = sys.modules.get("torch")  # which the function may have imported
    if torch is not None and isinstance(made, torch.nn.Module):
        return "PyTorch"
    if calling.is_network(made):
        return "JAX"
    raise NetworkError(f"{name} gives a {type(made).__name__}, and no network: {_EXPECTED}")


def _is_torchs(make: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(make, type) and issubclass(make, torch.nn.Module)


def each_of(
    typed: Typed,
    make: Callable[..., Any],
    task: Task,
    outputs: tuple[str, ...] | None = None,
    around: Around = nullcontext,
    source: str = "",
    starting: Callable[[], None] = lambda: None,
) -> "Iterator[Own]":
    """What a class and its factors make for images of a task; `load` makes networks of it.

    The class is called, and its modules are, within `around`, in which what the user imported is there. What is found
    out is kept for the next run under `source`, a hash of the user's sources, where that is known. `starting` is called
    before JAX may compute what the user wrote. Raises `NetworkError` where a network cannot be trained.
    """
    if _is_made(make):
        raise NetworkError(
            f"{typed.name} is a network that has been made already, and each round begins with fresh weights; name its "
            "class, or a function that makes it"
        )
    for arguments in typed.combinations():
        yield own_of(typed.label(arguments), make, arguments, task, outputs, around, source, starting)


def _is_made(make: Any) -> bool:
    from twofold.networks.jaxcode import calling

    torch = sys.modules.get("torch")
    return (torch is not None and isinstance(make, torch.nn.Module)) or calling.is_network(make)


def load(typed: Typed, several: "Iterable[Own]") -> list[Network]:
    """The networks that a class and its factors make, as `each_of` gives them one after the other.

    Raises `NetworkError` where a network cannot be trained, or where two levels make the same network.
    """
    networks: list[Network] = []
    seen: dict[str, Mapping[str, Any]] = {}
    for arguments, own in zip(typed.combinations(), several):
        name = own.name
        if own.identity in seen:
            raise _same(name, typed.label(seen[own.identity]), named_classes=own.roles.classes is not None)
        seen[own.identity] = arguments
        networks.append(
            Network(
                name,
                weight_sharing=None,
                auxiliary_losses=own.roles.classes is not None,
                uses=own.uses,
                identity=own.identity,
                source=typed.text,
                arguments=arguments,
                description=own.description(),
                make=own.structure,
                verify=own.check_parity,
            )
        )
    return networks


def _same(one: str, other: str, *, named_classes: bool) -> NetworkError:
    remedy = (
        "vary --aux-weight (0 and 1)"
        if named_classes
        else "give it class predictions as outputs, and vary --aux-weight"
    )
    return NetworkError(
        f"twofold sees no difference between {other} and {one}: their graphs are the same; if the flag chooses the "
        f"loss, {remedy}; else leave the flag out"
    )
