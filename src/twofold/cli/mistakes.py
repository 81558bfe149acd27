"""What is said of slips of the keyboard: one line each, with the nearest right thing in full."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from cyclopts import (
    App,
    Argument,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnusedCliTokensError,
)

from twofold.errors import OptionError, shown
from twofold.paths import is_text
from twofold.settings import option

# What web pages, mail and word processors make of a hyphen.
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"

# What every command has, and the program by itself.
_EVERYWHERE = ("--help", "--version")


def check_text(words: Sequence[str]) -> None:
    """Raise `OptionError` for a word that is no text: stores, pages and terminals could not take it."""
    for word in words:
        if not is_text(word):
            raise OptionError(f"`{word}` is no text in UTF-8; give it another name")


def one_line(text: str) -> str:
    """The text without line breaks, and without a full stop."""
    return " ".join(text.split()).rstrip(".")


def commands_of(app: App) -> dict[str, App]:
    """The commands by their names in full: those of a group have its name before their own, as in "store merge"."""
    found: dict[str, App] = {}
    for name in _names_in(app):
        group = {f"{name} {each}": app[name][each] for each in _names_in(app[name])}
        itself = {name: app[name]} if not group or app[name].default_command else {}
        found |= itself | group
    return found


def _names_in(app: App) -> list[str]:
    return [name for name in app.resolved_commands() if not name.startswith("-")]


def in_options(text: str, written: Callable[[str], str]) -> str:
    """A sentence in which each setting or argument that is named, but for columns of tables, is `written` otherwise."""
    return re.sub(r"(?<!has )(?<!column )`(\w+)`", lambda match: f"`{written(match[1])}`", text)


class Mistakes:
    """What is wrong with the words of one command line."""

    def __init__(self, app: App, words: Sequence[str]) -> None:
        self._words, self._commands = words, commands_of(app)
        self._top = _names_in(app)
        self._command = next((name for name in (" ".join(words[:2]), *words[:1]) if name in self._commands), "")
        # A group whose command is not known.
        self._group = words[0] if not self._command and words[:1] and words[0] in self._top else ""
        self._arguments_given = words[len(self._command.split()) :]

    def told(self, error: CycloptsError) -> str:
        """What is wrong, and where to look further."""
        where = " ".join(["twofold", *filter(None, [self._command or self._group]), "--help"])
        told = self._told(error)
        return told if told.endswith("?") else f"{told}; see {where}"

    def named(self, text: str) -> str:
        """A sentence about settings and arguments, in which those that are options of the command are written so."""
        known = {name: name for name in self._options}
        known |= {"--network": "--networks"} if "--networks" in known else {}
        return in_options(text, lambda name: known.get(option(name), name)) if self._command else text

    def _told(self, error: CycloptsError) -> str:
        if isinstance(error, UnknownCommandError) or not self._command:
            return self._unknown_command()
        if isinstance(error, MissingArgumentError) and (name := _name(error.argument, error.keyword)):
            return f"`{name}` needs a value"
        if isinstance(error, RepeatArgumentError):
            return f"`{error.token.keyword}` is given twice; give it once"
        if isinstance(error, CoercionError) and error.token and self._is_flag(str(error.token.keyword)):
            return f"`{error.token.keyword}={shown(error.token.value)}`: this option takes no value"
        if "--" in self._words:
            return "after -- no options are read; leave -- out"
        if unknown := next(filter(self._is_unknown, self._arguments_given), ""):
            return self._unknown_option(unknown.partition("=")[0])
        if isinstance(error, UnusedCliTokensError):
            return self._too_many(error.unused_tokens or [str(error.msg)])
        return one_line(str(error))

    def _unknown_command(self) -> str:
        """What is wrong with the word in the place of a command, of the program's or of a group's."""
        before = f"{self._group} " if self._group else ""
        word, *rest = self._words[len(before.split()) :]
        names = [name.removeprefix(before) for name in self._commands if name.startswith(before)]
        names = names if before else self._top
        if word == "help":
            known = [name for name in rest if name in names]
            return f"`{word}` is no command; did you mean twofold {before}{' '.join([*known[:1], '--help'])}?"
        near = _nearest(word, [*names, *_EVERYWHERE]) or next((w for w in rest[:1] if w in names), "")
        near = near or next((name for name in self._commands if name.endswith(f" {word}") and not before), "")
        having = [] if near in _EVERYWHERE else self._having(word.partition("=")[0])
        having = [name for name in having if name.startswith(before)]
        if having:
            return f"`{word}` is an option of {_and(having)}; the command comes first: twofold {having[0]} {word}"
        of = f" of {self._group}" if before else ""
        hint = f"did you mean twofold {before}{near}?" if near else f"the commands{of} are {_and(names)}"
        return f"`{_quoted(word)}` is no command{of}; {hint}"

    def _unknown_option(self, word: str) -> str:
        near = _nearest(word, self._options, only_alike=True)
        having = [] if near else self._having(word)
        near = near or _nearest(word, self._options)
        if having:
            return f"`{word}` is no option of {self._command}; it is one of {_and(having)}"
        return f"`{shown(word)}` is no option of {self._command}" + (f"; did you mean {near}?" if near else "")

    def _too_many(self, unused: Sequence[str]) -> str:
        """What is wrong with words that no option takes: most often an option was given two values."""
        place = next((at for at, word in enumerate(self._words) if word in unused), 0)
        before = [at for at in range(place) if self._words[at].startswith("--")]
        if not before:
            hint = f"; did you mean twofold {self._command} --help?" if unused[:1] == ["help"] else ""
            return f"{' '.join(map(_quoted, unused))}: no such argument is expected{hint}"
        given = " ".join(map(_quoted, self._words[before[-1] : place + 1]))
        if self._is_flag(self._words[before[-1]]):
            return f"`{given}`: {self._words[before[-1]]} takes no value"
        several = " (grid and sweep take several)" if self._command == "study" else ""
        return f"`{given}`: one value is expected{several}"

    @cached_property
    def _options(self) -> list[str]:
        return [*self._names(self._command), *_EVERYWHERE] if self._command else []

    def _names(self, command: str) -> list[str]:
        return [name for argument in self._arguments(command) for name in argument.names if name.startswith("-")]

    def _arguments(self, command: str) -> Iterable[Argument]:
        return self._commands[command].assemble_argument_collection()

    def _having(self, word: str) -> list[str]:
        """The commands that have this option."""
        return [command for command in self._commands if _nearest(word, self._names(command), only_alike=True)]

    def _is_flag(self, name: str) -> bool:
        return any(
            name in argument.names and "bool" in str(argument.hint) for argument in self._arguments(self._command)
        )

    def _is_unknown(self, word: str) -> bool:
        """Whether a word looks like an option, and is none."""
        name = word.partition("=")[0]
        return name[:1] in tuple(_DASHES) and not re.match(r"-[\d.]", name) and name not in self._options


def _name(argument: Argument | None, keyword: str | None) -> str:
    return keyword or (argument.name if argument else "")


def _nearest(word: str, names: Iterable[str], *, only_alike: bool = False) -> str:
    """The name that was meant, or "": one that differs in dashes, underscores and case only, or else a similar one.

    A part of a name, from its beginning, and the initials of its words are similar: --lr is --learning-rate.
    """
    plain: Mapping[str, str] = {_plain(name): name for name in names}
    typed = _plain(word)
    if typed in plain or only_alike or not typed:
        return plain.get(typed, "")
    parts = [name for name in plain if name.startswith(typed) or typed == "".join(w[0] for w in name.split("-"))]
    near = parts[:1] if len(parts) == 1 else difflib.get_close_matches(typed, plain, n=1)
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    return name.strip(_DASHES).replace("_", "-").lower()


def _quoted(word: str) -> str:
    return shown(word) if word else "''"


def _and(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
