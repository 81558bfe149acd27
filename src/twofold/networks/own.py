"""Networks of one's own beside those that are built in: from what is typed, or a class in Python, to `Network`s."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
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


@dataclass(frozen=True)
class Sent:
    """A class and the arguments that it is called with, as another machine gets them.

    `files` are the sources that it is imported from, by their paths in one folder; there are none of what is installed
    there too. A class that was given in Python has no sources: it is `make` itself.
    """

    typed: Typed
    outputs: tuple[str, ...] | None = None
    make: Callable[..., Any] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


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
    if isinstance(wanted, Own):
        return _made(Sent(wanted.typed, wanted.outputs, wanted.make), wanted.make, task, starting=starting)
    return _imported(Sent(parse(wanted)), task, None, starting)


def received(sent: Sent, task: Task, folder: Path) -> list[Network]:
    """The networks that another machine sent, for images of a task; their sources are written into an empty folder.

    Raises `NetworkError` where they cannot be made here.
    """
    if sent.make is not None:
        return _made(sent, sent.make, task)
    for name, source in sent.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source)
    return _imported(sent, task, folder)


def _imported(
    sent: Sent, task: Task, folder: Path | None, starting: Callable[[], None] = lambda: None
) -> list[Network]:
    from twofold.networks.importing import import_home

    imported = import_home(sent.typed.home, folder)
    make, source = imported.find(sent.typed.name), imported.digest()
    return _made(sent, make, task, imported.there, source, starting, imported.files)


def _made(
    sent: Sent,
    make: Callable[..., Any],
    task: Task,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
    source: str = "",
    starting: Callable[[], None] = lambda: None,
    files: Callable[[], Mapping[str, bytes]] = dict,
) -> list[Network]:
    """The networks of a class, known to `find_network` from now on; `files` are read when all is imported."""
    from twofold.networks.kinds import each_of, load

    networks = load(sent.typed, each_of(sent.typed, make, task, sent.outputs, around, source, starting))
    sent = replace(sent, files=files())
    networks = [replace(each, sent=sent) for each in networks]
    for each in networks:
        remember(each)
    return networks
