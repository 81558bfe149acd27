"""What a run tells of itself while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from twofold.study.forecast import Forecast


@runtime_checkable
class Listener(Protocol):
    """What a run tells of itself while it goes on."""

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """The plan has `trials`, of which `stored` are there already; `epochs` of training lie ahead."""

    def expect(self, forecast: Callable[[], Forecast]) -> None:
        """What lies ahead. Finding out may take some seconds: only who tells of it asks."""

    def known(self, rows: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        """The network, settings and test error of the trials of the plan that are there already."""

    def advance(self, epochs: int) -> None:
        """So many more epochs are trained, summed over trials."""

    def done(self, row: dict[str, Any]) -> None:
        """A trial is complete and stored."""

    def note(self, text: str) -> None:
        """Something that the user should know."""


class Silence:
    """The listener that says nothing."""

    def begin(self, trials: int, stored: int, epochs: int) -> None: ...
    def expect(self, forecast: Callable[[], Forecast]) -> None: ...
    def known(self, rows: Callable[[], Iterable[Mapping[str, Any]]]) -> None: ...
    def advance(self, epochs: int) -> None: ...
    def done(self, row: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
