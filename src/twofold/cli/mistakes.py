"""What is said of slips of the keyboard: one line each, with the right thing in full where it is near."""

from collections.abc import Sequence

from twofold.errors import OptionError
from twofold.settings import is_text


def check_text(words: Sequence[str]) -> None:
    """Raise `OptionError` for a word that is no text: stores, pages and terminals could not take it."""
    for word in words:
        if not is_text(word):
            raise OptionError(f"{word!r} is no text in UTF-8; give it another name")


def too_many(words: Sequence[str], unused: Sequence[str]) -> str:
    """What is wrong with words that no option takes: most often an option was given two values."""
    place = next((at for at, word in enumerate(words) if word in unused), 0)
    before = [at for at in range(place) if words[at].startswith("--")]
    if not before:
        return f"{' '.join(unused)}: no such argument is expected"
    several = " (grid and sweep take several)" if words[0] == "study" else ""
    return f"`{' '.join(words[before[-1] : place + 1])}`: one value is expected{several}"


def one_line(text: str) -> str:
    """The text without line breaks, and without a full stop."""
    return " ".join(text.split()).rstrip(".")
