"""The errors that a user can cause; each says in one line what was wrong and what to do about it."""

import contextlib
import difflib
import re
from collections.abc import Callable, Iterable, Iterator

# What each extra installs, as people call it, and its modules that we import.
_OF_EXTRAS = {
    "torch": ("PyTorch", ("torch",)),
    "tune": ("Optuna", ("optuna",)),
    "onnx": ("ONNX", ("onnx", "onnxscript")),
    "cluster": ("Ray", ("ray",)),
}

# What stands before a password of a URL: a colon, where an @ comes later, or a parameter that is called so. What has
# been passed is not looked at again, so that a text takes as long as its length.
_BEFORE_SECRET = re.compile(r":(?!//)|[?&](\w*+)=(?!\*\*\*)")
_SECRETS = re.compile("pas|pw|secret|token|key", re.IGNORECASE)

# Longer values are cut in errors, and longer texts of other programs, which may quote whole files.
_LONGEST, _LONGEST_CAUSE = 80, 400


class TwofoldError(Exception):
    """A mistake that the user can mend. The command line prints its message and exits with `exit_code`."""

    exit_code = 1


class SettingError(TwofoldError, ValueError):
    """An option or argument has a value that cannot be used."""

    exit_code = 2


class OptionError(TwofoldError):
    """The text of an option of the command line cannot be read."""

    exit_code = 2


class StoreError(TwofoldError):
    """The results store cannot be opened, read or written."""

    exit_code = 3


class StoreAway(StoreError):
    """The store, or the folder of kept networks, does not answer now, and may do so later; `cause` says why."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class ExtraError(TwofoldError, ImportError):
    """A part that not everybody needs is not installed."""

    exit_code = 2


class NetworkError(TwofoldError):
    """A network of the user's own cannot be called, or uses what cannot be computed here."""

    exit_code = 2


class ClusterError(TwofoldError):
    """A cluster cannot be reached, has no node that can be used, or lost too many of them."""

    exit_code = 5


class DataError(TwofoldError):
    """A file or an array of digits is missing, damaged or does not suffice."""

    exit_code = 4


def unknown_choice(
    argument: str, value: object, choices: Iterable[str], listed: Callable[[Iterable[str]], str] = ", ".join
) -> SettingError:
    """The error for a name that is none of the choices, which are `listed` so, with the likeliest that was meant."""
    names = list(choices)
    together = str(value).split(",")
    if len(together) > 1 and set(together) <= set(names):
        return SettingError(f"`{argument}` (={value!r}) has several names in one; separate them: {' '.join(together)}")
    text = str(value).lower()
    near = difflib.get_close_matches(text, [name.lower() for name in names], n=1, cutoff=0.5)
    near = near if len(text) > 2 else []  # of a sign or two nobody knows what was meant
    meant = next((name for name in names if near and name.lower() == near[0]), None)
    hint = f"did you mean {listed([meant])}? " if meant else ""
    return SettingError(f"`{argument}` (={shown(repr(value))}) is unknown; {hint}known: {listed(names)}")


@contextlib.contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Where an import within fails for the package of an extra, the error says what needs it, and how to install it.

    Raises `ExtraError`. No index of packages has twofold, so the remedy is given for its clone.
    """
    package, modules = _OF_EXTRAS[extra]
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise
        raise ExtraError(
            f"{what} needs {package}, which is not installed; "
            f"in the folder of twofold's clone run: pip install -e '.[{extra}]'"
        ) from error


def hidden(text: str) -> str:
    """A text in which no password of a URL can be read, whether the URL is written right or not."""
    return re.sub(r"\S+", lambda word: _hidden_in(word[0]), text)


def _hidden_in(word: str) -> str:
    """The same of a text without blanks."""
    host, told, place = word.rfind("@"), [], 0
    while before := _BEFORE_SECRET.search(word, place):
        start = end = before.end()
        if before[1] is None:
            end = max(start, host)
        elif _SECRETS.search(before[1]):
            following = word.find("&", start)
            end = len(word) if following < 0 else following
        told += [word[place:start], "***" if end > start else ""]
        place = end
    return "".join(told) + word[place:]


def shown(value: object) -> str:
    """A value as it is quoted in errors: in one line, without passwords, and cut where nobody would read all of it."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
    text = hidden(text)
    return in_one_line(text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…")


def in_one_line(text: str) -> str:
    """A text with line breaks, and whatever else cannot be printed, written as Python writes them."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def counted(number: int, noun: str) -> str:
    """So many of a thing: 1 round, 2 rounds."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def cause_of(error: Exception) -> str:
    """What a library's or the system's error says, in one line, to be quoted in an error of ours."""
    line = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
    return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE]}…"
