"""Standard output and standard error, in a form that never stops the work that they tell of."""

import io
import sys
from typing import TextIO

from twofold.report.text.signs import in_signs_of


class SafeStream(io.TextIOBase):
    """Writes to one of Python's streams what that one can show, and nothing any more once it fails.

    `name` is "stdout" or "stderr"; where a program was started without, there is none. `failure` is what it failed
    with.
    """

    def __init__(self, name: str) -> None:
        self._stream: TextIO | None = getattr(sys, name)
        self.failure: Exception | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream, by which rich chooses the lines of a table and of a bar."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text, in plainer signs where the stream lacks some."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.write(in_signs_of(self.encoding, text))
            except (OSError, ValueError) as error:  # ValueError: it was closed
                self.failure = error.with_traceback(None)  # which has all that was open
        return len(text)

    def flush(self) -> None:
        """Write what is still buffered."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self.failure = error.with_traceback(None)  # which has all that was open

    def isatty(self) -> bool:
        """Whether somebody sits before it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor. Raises `OSError` where it has none."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def writable(self) -> bool:
        """It is there to be written to."""
        return True
