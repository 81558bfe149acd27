"""What a run tells of itself while it goes on."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Listener(Protocol):
    """What a run tells of itself while it goes on."""

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """The plan has `trials`, of which `stored` are there already; `epochs` of training lie ahead."""

    def advance(self, epochs: int) -> None:
        """So many more epochs are trained, summed over trials."""

    def done(self, row: dict[str, Any]) -> None:
        """A trial is complete and stored."""

    def note(self, text: str) -> None:
        """Something that the user should know."""


class Silence:
    """The listener that says nothing."""

    def begin(self, trials: int, stored: int, epochs: int) -> None: ...
    def advance(self, epochs: int) -> None: ...
    def done(self, row: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
