"""What a study asks: relations as they are typed, of which functions are the user's own code."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twofold.data import Relation, find_relation
from twofold.data.relations import function_parts, is_function, relation_of_function
from twofold.errors import NetworkError, SettingError
from twofold.networks.importing import Imported, import_home
from twofold.paths import typed_path


def ask(texts: Iterable[str], class_names: Sequence[str]) -> dict[str, Relation]:
    """The relation that each text means among these classes: a name, an expression, or a function as file.py:function.

    Functions are called, with all pairs of classes. Raises `SettingError` for what is no relation.
    """
    names = tuple(class_names)
    return {text: _of_function(text, names) if is_function(text) else find_relation(text, names) for text in texts}


def _of_function(text: str, class_names: tuple[str, ...]) -> Relation:
    file, name = function_parts(text)
    path = typed_path("relation", file)
    if not path.is_file():
        raise SettingError(f"`relation` (={text}): there is no file {file}; write where the function is")
    try:
        imported = import_home(str(path))
    except NetworkError as error:
        raise SettingError(f"`relation` (={text}): {error}") from error
    function = getattr(imported.module, name, None)
    if not callable(function):
        there = ", ".join(_functions(imported)) or "none"
        raise SettingError(f"`relation` (={text}): {file} has no function {name}; its functions are: {there}")
    with imported.there(), contextlib.redirect_stdout(sys.stderr):
        return relation_of_function(text, _called(function), class_names, imported.told)


def _called(function: Callable[..., Any]) -> Callable[[int, int], object]:
    """The function; where it ends the program, that is an error as any other."""

    def call(a: int, b: int) -> object:
        try:
            return function(a, b)
        except SystemExit as error:
            raise RuntimeError("it ends the program") from error

    return call


def _functions(imported: Imported) -> list[str]:
    home = imported.module.__name__
    return [name for name, each in vars(imported.module).items() if getattr(each, "__module__", "") == home]
