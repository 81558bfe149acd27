"""Networks of one's own as they are typed: `file.py:Twin(share=[False, True])`. Nothing is imported here.

A list is a factor, whose values are its levels: every combination of levels is a network. Anything else is one value,
a tuple too.
"""

import ast
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twofold.errors import SettingError
from twofold.networks.finding import NETWORKS

# Where the class is, and how it is called: file.py:Twin, package.module:Twin(depth=2), file.py:Nets.Twin().
_TYPED = re.compile(r"(?P<home>.+?):\s*(?P<name>[^\W\d][\w.]*)\s*(?P<call>\(.*\))?\s*", re.DOTALL)

_EXAMPLE = "file.py:Twin(share=[False, True])"


@dataclass(frozen=True)
class Typed:
    """A network of one's own, or several: a class, and the arguments that it is called with.

    `home` is where the class is: the path of a file, or the name of a module. `values` are each argument's values, one
    or, of a factor, several; `factors` are the names of the latter, in order.
    """

    home: str
    name: str
    values: Mapping[str, tuple]
    factors: tuple[str, ...]

    @property
    def text(self) -> str:
        """Where the class is, as it was typed."""
        return f"{self.home}:{self.name}"

    def combinations(self) -> list[dict[str, Any]]:
        """The arguments of each network: every combination of the factors' levels, the last factor the fastest."""
        return [dict(zip(self.values, chosen)) for chosen in itertools.product(*self.values.values())]

    def label(self, arguments: Mapping[str, Any]) -> str:
        """The name of one of the networks: Twin(share=False), Twin, and NetWS() where that is a built-in's without."""
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return f"{self.name}({given})" if given or self.name in NETWORKS else self.name


def is_typed(text: str) -> bool:
    """Whether a text names a network of one's own, and none that is built in."""
    return ":" in text


def parse(text: str) -> Typed:
    """What was typed. Raises `SettingError` for what is no class with arguments that are literals."""
    found = _TYPED.fullmatch(text)
    if found is None:
        raise SettingError(f"`networks` (={text}) must be a name, or a class in a file or module such as {_EXAMPLE}")
    values, factors = {}, []
    for keyword in _keywords(text, found["call"] or "()"):
        value = _literal(text, keyword)
        name = str(keyword.arg)
        values[name] = tuple(value) if isinstance(value, list) else (value,)
        if isinstance(value, list):
            check_levels(name, value)
            factors.append(name)
    return Typed(found["home"].strip(), found["name"], values, tuple(factors))


def text_of(source: str, arguments: Mapping[str, Any]) -> str:
    """What to type for a class that is called with these arguments; a list of one level is the list that it has."""
    given = ", ".join(
        f"{name}={f'[{value!r}]' if isinstance(value, list) else literal(value)}" for name, value in arguments.items()
    )
    return f"{source}({given})" if given else source


def literal(value: Any) -> str:
    """An argument as it is typed; a store has a tuple as its text."""
    return value if isinstance(value, str) and _is_tuple(value) else repr(value)


def _is_tuple(text: str) -> bool:
    try:
        return text.startswith("(") and isinstance(ast.literal_eval(text), tuple)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def check_levels(name: str, levels: Sequence[Any]) -> None:
    """Raise `SettingError` unless a factor has levels, and no level twice."""
    if not levels:
        raise SettingError(f"`{name}` (=[]) has no level; give some, as in {name}=[False, True]")
    twice = [level for place, level in enumerate(levels) if repr(level) in map(repr, levels[:place])]
    if twice:
        raise SettingError(f"`{name}` has the level {twice[0]!r} twice; give each level once")


def _keywords(text: str, call: str) -> list[ast.keyword]:
    try:
        parsed = ast.parse(f"f{call}", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise SettingError(f"`networks` (={text}) cannot be read ({reason}); write it as in {_EXAMPLE}") from error
    if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, ast.Name):
        raise SettingError(f"`networks` (={text}) must be one class with its arguments, as in {_EXAMPLE}")
    names = [keyword.arg for keyword in parsed.keywords]
    if len(set(names)) < len(names):
        raise SettingError(f"`networks` (={text}) gives an argument twice; give each once")
    if parsed.args or None in names:
        raise SettingError(f"`networks` (={text}) must give every argument by its name, as in {_EXAMPLE}")
    return parsed.keywords


def _literal(text: str, keyword: ast.keyword) -> Any:
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        written = ast.unparse(keyword.value)
        raise SettingError(
            f"`networks` (={text}): {keyword.arg} (={written}) must be a literal of Python's such as 3, 'relu', True, "
            "None, (1, 2), or a list of them, which is a factor"
        ) from error
