"""What users' code says, and how it is quoted in errors."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

# The longest that a network's own words are quoted.
_LONGEST = 160


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep to ourselves what a class and its libraries print, log and warn of: what matters is in their errors."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)


def words_of(error: BaseException) -> str:
    """What an error says, in one line that is not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def said_of_shapes(tried: Iterable[tuple[str, str]]) -> str:
    """What was said of each shape of images that was tried; once of those of which the same was said."""
    shapes: dict[str, list[str]] = {}
    for shape, said in tried:
        shapes.setdefault(said, []).append(shape)
    return "; ".join(f"{', '.join(several)}: {said}" for said, several in shapes.items())


def shown_path(file: str) -> str:
    """A path as it is shown: from the current folder where it lies in that."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
