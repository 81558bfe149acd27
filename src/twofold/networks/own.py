"""Networks of one's own beside those that are built in: from what is typed, or a class in Python, to `Network`s."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twofold.data import Task
from twofold.errors import SettingError
from twofold.networks.finding import Network, check_size, find_network, remember
from twofold.networks.typed import Typed, check_levels, is_typed, parse


@dataclass(frozen=True)
class Own:
    """A class of the user's and the arguments that it is called with; see `network`."""

    typed: Typed
    make: Callable[..., Any]
    outputs: tuple[str, ...] | None = None


def network(make: Callable[..., Any], *, outputs: Sequence[str] | None = None, **arguments: Any) -> Own:
    """A network of your own for `Study(networks=[...])`: a class, or a function, that makes one.

    It makes a `torch.nn.Module`, an `equinox.Module`, or two functions (init, apply) for any other library of JAX's.

    An argument that is a list is a factor: every combination of its values, its levels, is trained. Any other is one
    value, a tuple too. `outputs` says of each output of the network whether it is the "answer", "classes",
    "embedding" or "unused", where their shapes do not tell.

    >>> network(Twin, share=[False, True], aux=[False, True])  # doctest: +SKIP

    Raises `SettingError` for what cannot be called, and for a factor without levels.
    """
    if not callable(make):
        raise SettingError(f"`make` (={make!r}) must be a class, or a function that makes a network")
    for name, value in arguments.items():
        if isinstance(value, list):
            check_levels(name, value)
    values = {name: tuple(value) if isinstance(value, list) else (value,) for name, value in arguments.items()}
    factors = tuple(name for name, value in arguments.items() if isinstance(value, list))
    name = getattr(make, "__qualname__", type(make).__name__).rpartition("<locals>.")[-1]
    home = getattr(make, "__module__", "__main__")
    return Own(Typed(home, name, values, factors), make, None if outputs is None else tuple(outputs))


def resolve(wanted: Sequence[str | Own], task: Task, starting: Callable[[], None] = lambda: None) -> list[Network]:
    """The networks that were asked for, in order, for images of a task.

    What the user wrote, and nothing else, is imported; `starting` is called before JAX may compute it. Raises
    `SettingError` for a name that is none, `NetworkError` for a network that cannot be trained.
    """
    found: dict[str, Network] = {}
    for each in wanted:
        built_in = isinstance(each, str) and not is_typed(each)
        several = [find_network(str(each))] if built_in else _own(each, task, starting)
        for one in several:
            check_size(one, task.height, task.width)
            if found.setdefault(one.name, one).identity != one.identity:
                raise SettingError(
                    f"`networks` has two networks of the name {one.name}, from {found[one.name].source} and "
                    f"{one.source}; give one of the classes another name"
                )
    return list(found.values())


def _own(wanted: str | Own, task: Task, starting: Callable[[], None]) -> list[Network]:
    from twofold.native import handlers

    handlers.prepare()  # while libraries are imported and networks are looked at
    from twofold.networks.kinds import each_of, load

    if isinstance(wanted, str):
        from twofold.networks.importing import import_home

        typed = parse(wanted)
        imported = import_home(typed.home)
        make, source = imported.find(typed.name), imported.digest()
        several = each_of(typed, make, task, None, imported.there, source, starting)
    else:
        typed = wanted.typed
        several = each_of(typed, wanted.make, task, wanted.outputs, starting=starting)
    networks = load(typed, several)
    for each in networks:
        remember(each)
    return networks
