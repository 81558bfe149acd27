"""What is asked of a pair: a relation between two classes, which is its table of answers.

Four have names; others are written as expressions over the two classes' numbers, or are functions of the user's. Two
that have one table are one question, however they are written.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from twofold.data.expressions import Expression
from twofold.data.images import DIGIT_NAMES
from twofold.data.reading import MOST_CLASSES
from twofold.errors import SettingError, cause_of, shown, unknown_choice
from twofold.settings import Settings, check_names

Classes = Int[np.ndarray, " ..."] | np.integer[Any]

# By their names, each as a function of two arrays of classes.
RELATIONS: dict[str, Callable[[Classes, Classes], Bool[np.ndarray, " ..."]]] = {
    "<=": np.less_equal,
    "<": np.less,
    "==": np.equal,
    "same parity": lambda first, second: first % 2 == second % 2,
}

check_names("relation", RELATIONS)

# What else can be typed, in errors.
_OTHERS = "or an expression over the classes a and b such as 'abs(a - b) <= 1', or file.py:function"

# A function in a file, as it is typed.
_FUNCTION = re.compile(r"(?P<file>.+\.py):\s*(?P<name>[^\W\d]\w*)\s*")

_IDENTITY = re.compile(r"[1-9]\d{0,3}-[0-9a-f]{32}", re.ASCII)
_MARK = re.compile(r" #[0-9a-f]{6}$")

# What an expression has that says anything of a pair: one of its classes.
_OF_BOTH = re.compile(r"(?<!\w)[ab](?!\w)")

# What tells a table of answers: see `Relation.identity`.
_IDENTITY = re.compile(r"([0-9]{1,4})-[0-9a-f]{32}")

# Classes of which so many pairs are asked of a function, twice, take a second or two.
_MOST_CLASSES = 1000


@dataclass(frozen=True, eq=False)
class Relation:
    """A relation: the `text` that it is called by, and whether it holds of each first class (down) and second (across).

    `class_names` are those of the rows and columns. Relations are equal that have the same answers.
    """

    text: str
    answers: Bool[np.ndarray, "classes classes"]
    class_names: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Relation) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:  # all that decides what is drawn of it, in a line
        return f"Relation({self.text!r}, {self.identity}, {self.class_names})"

    def holds(self, first: Classes, second: Classes) -> Bool[np.ndarray, " ..."]:
        """Whether it holds of classes, of which `first` and `second` have the numbers."""
        return self.answers[first, second]

    @cached_property
    def identity(self) -> str:
        """What the table is told by: the number of classes, and a hash of the answers."""
        return f"{len(self.answers)}-{hashlib.sha256(np.packbits(self.answers).tobytes()).hexdigest()[:32]}"

    @cached_property
    def name(self) -> str:
        """The first of the names in `RELATIONS` that has this table, or nothing."""
        return next((name for name in RELATIONS if _named(name, self.class_names) == self), "")

    @property
    def of_alike(self) -> bool | None:
        """The answer for two images of one class, if a distance can give it.

        None where the order of a pair matters, or where two of one class have now this answer, now that.
        """
        alike = np.diagonal(self.answers)
        return bool(alike[0]) if (self.answers == self.answers.T).all() and (alike == alike[0]).all() else None

    @property
    def packed(self) -> str:
        """The answers as text, for `unpacked`."""
        return base64.b64encode(np.packbits(self.answers).tobytes()).decode()


@lru_cache(maxsize=256)
def find_relation(typed: str, class_names: tuple[str, ...] = DIGIT_NAMES) -> Relation:
    """The relation of that name, or of that expression over a and b, among these classes.

    An expression that has the table of a name is the relation of that name. Raises `SettingError` for what is neither,
    and for what has one answer for all pairs.
    """
    text = typed.strip()
    if text in RELATIONS:
        return _checked(_named(text, class_names), typed)
    if is_function(text):
        raise SettingError(f"`relation` (={shown(text)}) is a function, which can only be asked where a study begins")
    if not _OF_BOTH.search(text):
        raise unknown_choice("relation", typed, [*RELATIONS, _OTHERS])
    expression = Expression(typed)
    return _by_name(_checked(Relation(expression.text, expression.answers(class_names), class_names), typed))


def is_meant(typed: str, text: str, question: str | None, class_names: Sequence[str] = ()) -> bool:
    """Whether a typed relation is the one that a row calls `text` and tells by `question`, its `Relation.identity`.

    It is where it reads the same but for blanks, or has the same answers; quoted names are known where `class_names`
    are given. One with a mark (see `marked`) means the relation with that hash alone. A row without `question` is of a
    relation with a name, of ten digits. What is no relation is not meant.
    """
    if mark := _MARK.search(typed):
        alike = "".join(_MARK.sub("", typed).split()) == "".join(_MARK.sub("", text).split())
        return alike and (question or "").partition("-")[2].startswith(mark[0].removeprefix(" #"))
    if "".join(typed.split()) in ("".join(text.split()), "".join(_MARK.sub("", text).split())):
        return True
    with suppress(SettingError, ValueError):
        told = question or find_relation(text).identity
        return find_relation(typed, tuple(class_names) or numbered(class_count(told))).identity == told
    return False


def marked(relation: Relation) -> str:
    """Its text with the first digits of its hash: what tells it from another of the same text."""
    return with_mark(relation.text, relation.identity)


def with_mark(text: str, question: str) -> str:
    """A relation's text with the first digits of the hash in its `Relation.identity`, if it has none yet."""
    return text if _MARK.search(text) else f"{text} #{question.partition('-')[2][:6]}"


def unmarked(text: str) -> str:
    """A relation's text without a hash."""
    return _MARK.sub("", text)


def check_written(typed: str) -> None:
    """Raise `SettingError` for an expression over a and b that is broken, whatever the classes are."""
    text = unmarked(typed.strip())
    if text not in RELATIONS and not is_function(text) and _OF_BOTH.search(text):
        Expression(text)


def is_function(typed: str) -> bool:
    """Whether a text names a function in a file, as file.py:function, marked or not."""
    return _FUNCTION.fullmatch(_MARK.sub("", typed.strip())) is not None


def function_parts(typed: str) -> tuple[str, str]:
    """The file, and the function in it, that such a text names."""
    found = _FUNCTION.fullmatch(typed.strip())
    if found is None:
        raise SettingError(f"`relation` (={shown(typed)}) must be a function in a file, as file.py:function")
    return found["file"], found["name"]


def relation_of_function(
    typed: str, function: Callable[[int, int], object], class_names: tuple[str, ...], told: Callable[[Exception], str]
) -> Relation:
    """The relation that a function of two classes' numbers gives, which is asked of all pairs of classes, twice.

    `told` says what went wrong in it, in a line. Raises `SettingError` where it fails, gives something else than True
    or False, or not the same twice.
    """
    first, second = (_answers_of(typed, function, len(class_names), told) for _ in range(2))
    if (first != second).any():
        a, b = np.argwhere(first != second)[0]
        raise _wrong(typed, f"it gave two answers for the classes {a} and {b}; it must give one, whatever came before")
    return _by_name(_checked(Relation(typed.strip(), first, class_names), typed))


def asked_of(settings: Settings, classes: int) -> Relation:
    """What settings ask: the relation that those of a trial carry, or the one of that text among so many classes."""
    carried = getattr(settings, "asked", None)
    return carried if isinstance(carried, Relation) else find_relation(settings.relation, numbered(classes))


def is_identity(text: str) -> bool:
    """Whether a text has the form of a `Relation.identity`."""
    return _IDENTITY.fullmatch(text) is not None


def numbered(classes: int) -> tuple[str, ...]:
    """The names of so many classes that have none."""
    return tuple(map(str, range(classes)))


def relation_of_record(record: Mapping[str, Any]) -> Relation:
    """The relation that a kept network was trained on; a record of an earlier version has its name, and of digits."""
    class_names = tuple(record.get("class_names", DIGIT_NAMES))
    if "answers" not in record:
        return find_relation(record["relation"], class_names)
    return unpacked(record["relation"], record["answers"], class_names)


def unpacked(text: str, answers: str, class_names: Sequence[str]) -> Relation:
    """The relation of these packed answers."""
    count = len(class_names)
    bits = np.unpackbits(np.frombuffer(base64.b64decode(answers), np.uint8), count=count**2)
    return Relation(text, bits.astype(bool).reshape(count, count), tuple(class_names))


def unpacked_table(text: str, question: str, answers: str) -> Relation:
    """The relation of packed answers among classes without names. Raises `ValueError` unless `question` tells it."""
    relation = unpacked(text, answers, numbered(class_count(question)))
    if relation.identity != question:
        raise ValueError(f"the answers of the relation {shown(text)} are not those of its hash")
    if text in RELATIONS and relation != _named(text, relation.class_names):
        raise ValueError(f"the answers of the relation {text} are another's")
    return relation


def name_of_table(question: str) -> str:
    """The first of the names in `RELATIONS` whose table has this `Relation.identity`, or nothing.

    Raises `ValueError` where the text tells no table.
    """
    classes = numbered(class_count(question))
    return next((name for name in RELATIONS if _named(name, classes).identity == question), "")


def class_count(question: str) -> int:
    """Of how many classes the table is that a `Relation.identity` tells. Raises `ValueError` where it tells none."""
    found = _IDENTITY.fullmatch(question)
    if found is None or not 1 < int(found[1]) <= MOST_CLASSES:
        raise ValueError(f"{shown(question)} tells no table of answers")
    return int(found[1])


def answered_by_distance() -> list[str]:
    """The names of the relations that a distance between two images can answer."""
    return [name for name in RELATIONS if _named(name, DIGIT_NAMES).of_alike is not None]


@lru_cache(maxsize=64)
def _named(name: str, class_names: tuple[str, ...]) -> Relation:
    first, second = np.indices((len(class_names),) * 2, dtype=np.int32)
    return Relation(name, RELATIONS[name](first, second), class_names)


def _by_name(relation: Relation) -> Relation:
    """The relation under its name, if it has one."""
    return _named(relation.name, relation.class_names) if relation.name else relation


def _checked(relation: Relation, typed: str) -> Relation:
    """The relation, unless it has one answer for all pairs."""
    if (relation.answers == relation.answers[0, 0]).all():
        answer = "true" if relation.answers[0, 0] else "false"
        count = len(relation.answers)
        raise _wrong(typed, f"it is {answer} of any two of the {count} classes; ask what is now true, now false")
    return relation


def _answers_of(
    typed: str, function: Callable[[int, int], object], classes: int, told: Callable[[Exception], str]
) -> Bool[np.ndarray, "classes classes"]:
    if classes > _MOST_CLASSES:
        raise _wrong(typed, f"a function is asked of at most {_MOST_CLASSES} classes, and there are {classes}")
    answers = np.zeros((classes, classes), bool)
    for a in range(classes):
        for b in range(classes):
            try:
                answer = function(a, b)
            except Exception as error:
                raise _wrong(typed, f"it fails for the classes {a} and {b}: {told(error)}") from error
            if not isinstance(answer, bool | np.bool_):
                given = f"{shown(repr(answer))} for the classes {a} and {b}"
                raise _wrong(typed, f"it gives {given}; it must give True or False")
            answers[a, b] = answer
    return answers


def _wrong(typed: str, why: str) -> SettingError:
    return SettingError(f"`relation` (={shown(repr(typed))}) cannot be asked: {cause_of(SettingError(why))}")
