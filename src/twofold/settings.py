"""Every setting of a trial, declared once: what a user may choose, and all that follows from it.

A field of `Settings` is a setting. From it follow the fields of `Trial` and of `Study` and their checks, the trial's
key, the column of the store, the options of every command, what `twofold tune` may search and the names in tables. No
other file lists settings. This one imports nothing heavy, since the help of the command line is made from it.
"""

from __future__ import annotations

import math
import os
import reprlib
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, dataclass_transform

from twofold.errors import SettingError, shown, unknown_choice

T = TypeVar("T")
C = TypeVar("C")

if TYPE_CHECKING:

    class Setting(Generic[T]):
        """The type of a setting: a trial has one value of it, a study is given one or several."""

        def __get__(self, instance: object, owner: Any = None) -> T: ...
        def __set__(self, instance: object, value: T | Sequence[T]) -> None: ...

else:

    class Setting:
        """At run time a setting has its value's type."""

        def __class_getitem__(cls, of: Any) -> Any:
            return of


# What a setting decides: which images there are; which pairs are drawn; which weights a training begins with; what is
# compiled, so that another value is another program; a number that the compiled program takes; how long it trains; or
# something that the network takes, in its own way.
Role = Literal["images", "pairs", "weights", "program", "number", "epochs", "network"]

# The two headings under which commands list the options.
TASK, TRAINING = "What is learnt", "How it is trained"

# Those that decide from what pairs are drawn, and how.
_DRAWING: tuple[Role, ...] = ("images", "pairs")

# The first version's settings are all in a trial's key; a later one is only where it differs from its default.
FIRST = "0.1"

# A search takes rounds from 0 up, its confirmation from here on, so that the two never share a round.
FIRST_FRESH_ROUND = 1000


@dataclass(frozen=True)
class Search:
    """Where `twofold tune` looks for a setting: among choices, or from the first to the last of a range.

    Ranges begin above 0 and are searched on a logarithmic scale. `by_default` says whether it looks at all unless it is
    told to.
    """

    values: tuple
    of: Literal["choices", "range"] = "range"
    by_default: bool = True


@dataclass(frozen=True)
class Declaration:
    """What is known of a setting.

    `choices` are the names that a text may have; where `also` says in words what else it may be, the room that uses it
    checks that. `least`, `above` and `most` bound a number. `compared` says whether trials of a round that differ in it
    are trials of different settings: validation pairs change no training, and a seed sets rounds apart. A setting
    `of_network` is one that a network may not know: its trials have the value `unused`. A number that is at `off` is
    compiled out. What may be given in several ways is `written` as a trial keeps it, and takes up to so many `words` of
    a command. Where no value is given, it is that of the trial's field that it `follows`; commands name the values of
    such a setting as they do rounds. Of a setting of the role "images" a study has one value, and no key has any: the
    images' fingerprint is there instead.
    """

    name: str
    type: type
    default: Any
    help: str
    example: str
    role: Role
    group: str
    unit: str
    since: str
    choices: tuple[str, ...]
    also: str
    least: int | float
    above: int | float
    most: int | float
    compared: bool
    numbers_draws: bool
    of_network: bool
    unused: Any
    off: float | None
    search: Search | None
    written: Callable[[Any], str] | None
    words: int
    follows: str

    @property
    def option(self) -> str:
        """The option of the command line."""
        return option(self.name)

    def says(self, values: Mapping[str, Any]) -> bool:
        """Whether its value, among those of a trial, is another than without it."""
        return values[self.name] != (values[self.follows] if self.follows else self.default)

    @property
    def of_section(self) -> bool:
        """Whether trials that differ in it were not drawn alike, so that they are of different sections."""
        return self.role in _DRAWING and not self.numbers_draws

    @property
    def label(self) -> str:
        """The setting's name in tables, figures and pages."""
        return words(self.name)

    @property
    def axis(self) -> str:
        """The name of an axis of its values: with the unit, where that says more."""
        return self.label if not self.unit or self.label.endswith(self.unit) else f"{self.label} ({self.unit})"

    def checked(self, value: Any) -> Any:
        """The value as a trial keeps it: NumPy's numbers become Python's. Raises `SettingError` where it cannot be."""
        value = plain(value)
        if self.written is not None:
            value = self.written(value)
        elif self.type is bool:
            if not isinstance(value, bool):
                raise SettingError(f"`{self.name}` (={value!r}) must be True or False")
        elif self.type is int:
            check_whole(self.name, value, least=self.least, most=self.most)
        elif self.type is float:
            value = _number(self, value)
        elif self.choices and not self.also:
            if value not in self.choices:
                raise unknown_choice(self.name, str(value), self.choices)
        elif isinstance(value, str) or (isinstance(value, os.PathLike) and not self.choices):
            value = os.fspath(value)
        else:
            raise SettingError(f"`{self.name}` (={shown(value)}) must be one name or {self.also or 'path'}")
        return value


def setting(
    *,
    default: T,
    help: str,
    role: Role,
    example: str = "",
    group: str = TRAINING,
    unit: str = "",
    since: str = FIRST,
    choices: tuple[str, ...] = (),
    also: str = "",
    least: int | float = -math.inf,
    above: int | float = -math.inf,
    most: int | float = math.inf,
    compared: bool = True,
    numbers_draws: bool = False,
    of_network: bool = False,
    unused: Any = None,
    off: float | None = None,
    search: Search | None = None,
    written: Callable[[Any], str] | None = None,
    words: int = 1,
    follows: str = "",
) -> Setting[T]:
    """A field of `Settings`; see `Declaration`. `example` has values as a user might type them."""
    known = {name: value for name, value in locals().items() if name != "default"}
    declared: Any = field(default=default, metadata=known)
    return declared


@dataclass_transform(kw_only_default=True, field_specifiers=(setting, field))
def settings_class(cls: type[C]) -> type[C]:
    """A frozen dataclass of keywords; its name lets type checkers see settings as what `Setting` says."""
    return dataclass(frozen=True, kw_only=True, repr=False)(cls)


# How values are shown where a study or a trial is: long ones in short.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80

# No study has so many rounds; more are a slip of the keyboard.
_MOST_ROUNDS = 1_000_000

# The least and the largest number that single precision holds, in which the engine computes.
_LEAST_SINGLE, _MOST_SINGLE = 1.17549435e-38, 3.4028234e38

# The largest whole number that every database holds.
_LARGEST = 2**63 - 1

# The size of images that are left as they are; more pixels than these along a side are a slip of the keyboard.
AS_THEY_ARE = "as they are"
_MOST_PIXELS = 1024


def _size_text(value: Any) -> str:
    """A size of images, from one or two numbers or a text of them: 32x24. Raises `SettingError` where it is none."""
    given = several(value)
    if given == [AS_THEY_ARE]:
        return AS_THEY_ARE
    # 32x24 in one word, as tables have it, or 32 24 in two.
    parts = [
        part for one in given for part in (one.lower().replace("x", " ").split() if isinstance(one, str) else [one])
    ]
    numbers = [int(part) if isinstance(part, str) and part.isdecimal() else part for part in parts]
    whole = all(type(number) is int and 1 <= number <= _MOST_PIXELS for number in numbers)
    if len(numbers) not in (1, 2) or not whole:
        raise SettingError(
            f"`size` (={shown(' '.join(map(str, given)))}) must be one or two whole numbers from 1 to {_MOST_PIXELS}, "
            "height and width: 32, or 32 24, or 32x24"
        )
    return f"{numbers[0]}x{numbers[-1]}"


@settings_class
class Settings:
    """The settings, in the order in which tables and help have them; the defaults are the paper's."""

    def __repr__(self) -> str:
        """What is not at its default, as a call; settings come last."""
        last = sorted(fields(self), key=lambda each: each.name in SETTINGS)
        shown = {each.name: _SHORT.repr(getattr(self, each.name)) for each in last if each.repr}
        at_default = {each.name: _SHORT.repr(self._default_of(each)) for each in last}
        given = (f"{name}={text}" for name, text in shown.items() if text != at_default[name])
        return f"{type(self).__name__}({', '.join(given)})"

    def _default_of(self, each: Field) -> Any:
        return each.default

    data: Setting[str | Path] = setting(
        default="mnist5k",
        role="images",
        group=TASK,
        example="mnist",
        help="The images: mnist5k (embedded), mnist, fashion-mnist, kmnist, a folder with a folder of pictures for "
        "each class, a CSV file of paths and labels, IDX files in a folder, or an .npz file (docs/own_data.md).",
    )
    pool: Setting[int] = setting(
        default=2,
        role="images",
        group=TASK,
        since="0.2",
        unit="pixels",
        least=1,
        most=_MOST_PIXELS,
        example="1",
        help="Average pooling: so many pixels down and across become one; 1 is none.",
    )
    size: Setting[str] = setting(
        default=AS_THEY_ARE,
        role="images",
        group=TASK,
        since="0.2",
        written=_size_text,
        words=2,
        example="32x24",
        help="Height and width that images are brought to before pooling, or one number for both, for example --size "
        "32 24; by default they stay as they are.",
    )
    relation: Setting[str] = setting(
        default="<=",
        role="pairs",
        group=TASK,
        choices=("<=", "<", "==", "same parity"),
        also="an expression over the classes' numbers a and b such as '(a - b) % 3 == 0' or \"a == 'cat'\", or "
        "file.py:function",
        example='"<" "=="',
        help="What is asked of a pair (first, second).",
    )
    balance: Setting[bool] = setting(
        default=False,
        role="pairs",
        group=TASK,
        since="0.2",
        help="Draw half of the pairs of each answer; of an odd number one more is false.",
    )
    pairs: Setting[int] = setting(
        default=1000,
        role="pairs",
        group=TASK,
        unit="pairs",
        least=1,
        most=_LARGEST,
        example="100 300 1000",
        help="Training pairs in a round.",
    )
    test_pairs: Setting[int] = setting(
        default=1000,
        role="pairs",
        group=TASK,
        unit="pairs",
        least=1,
        most=_LARGEST,
        example="1000",
        help="Test pairs in a round.",
    )
    validation_pairs: Setting[int | None] = setting(
        default=None,
        role="pairs",
        group=TASK,
        unit="pairs",
        least=0,
        most=_LARGEST,
        compared=False,
        example="200",
        help="Validation pairs in a round, from the training images; by default 1000, or as many as remain there.",
    )
    normalise: Setting[bool] = setting(
        default=False,
        role="pairs",
        group=TASK,
        help="Standardise the pixels by the training pairs.",
    )
    optimizer: Setting[str] = setting(
        default="adam",
        role="program",
        choices=("sgd", "adam", "adadelta", "adagrad", "rmsprop", "adamw"),
        example="adam sgd",
        search=Search(("sgd", "adam", "adadelta", "adagrad", "rmsprop"), "choices"),
        help="The optimizer; adamw is adam with decoupled weight decay: without --weight-decay it is adam.",
    )
    learning_rate: Setting[float] = setting(
        default=0.001,
        role="number",
        above=0.0,
        example="0.001 0.01",
        search=Search((1e-4, 1.0)),
        help="The optimizer's learning rate.",
    )
    aux_weight: Setting[float] = setting(
        default=1.0,
        role="number",
        least=0.0,
        of_network=True,
        unused=0.0,
        example="0.1 1 10",
        search=Search((0.01, 10.0)),
        help="The weight of the auxiliary losses, for networks that have them.",
    )
    contrastive_margin: Setting[float] = setting(
        default=1.0,
        role="network",
        since="0.2",
        above=0.0,
        of_network=True,
        unused=1.0,
        example="0.5 1 2",
        search=Search((0.1, 10.0), by_default=False),
        help="The distance from which embeddings of unlike images are far enough apart, for networks of your own that "
        "give embeddings.",
    )
    weight_decay: Setting[float] = setting(
        default=0.0,
        role="number",
        since="0.2",
        least=0.0,
        off=0.0,
        example="0 0.0001 0.01",
        search=Search((1e-6, 0.1), by_default=False),
        help="The optimizer's weight decay: so much of the weights is added to their gradient; adamw shrinks them "
        "instead.",
    )
    batch_size: Setting[int] = setting(
        default=25,
        role="program",
        unit="pairs",
        least=1,
        most=_LARGEST,
        example="10 25 50",
        search=Search((10, 25, 50, 100), "choices"),
        help="Pairs in a step; it divides --pairs.",
    )
    epochs: Setting[int] = setting(
        default=100,
        role="epochs",
        unit="epochs",
        least=1,
        most=1_000_000,
        example="50 100",
        search=Search((25, 200)),
        help="Passes over the training pairs.",
    )
    shuffle: Setting[bool] = setting(
        default=False,
        role="program",
        help="Shuffle the pairs in every epoch; the paper does not.",
    )
    bottleneck_activation: Setting[str] = setting(
        default="relu",
        role="network",
        of_network=True,
        unused="relu",
        choices=("relu", "leaky_relu"),
        example="relu leaky_relu",
        help="The activation of the bottleneck units of each branch.",
    )
    precision: Setting[str] = setting(
        default="float32",
        role="program",
        since="0.2",
        choices=("float32", "tf32"),
        example="float32 tf32",
        help="The precision of products on a GPU; tf32 is faster, and rounds each factor to 11 bits.",
    )
    seed: Setting[int] = setting(
        default=0,
        role="pairs",
        group=TASK,
        least=0,
        most=_LARGEST,
        compared=False,
        numbers_draws=True,
        example="0 1",
        help="With the round it decides every draw and every initial weight.",
    )
    weight_round: Setting[int | None] = setting(
        default=None,
        role="weights",
        since="0.2",
        unit="round",
        least=0,
        most=_MOST_ROUNDS - 1,
        compared=False,
        follows="round",
        example="0-9",
        help="The rounds whose initial weights the pairs of every round are trained with, by default its own alone: "
        "--rounds 0-9 --weight-rounds 0-9 crosses ten draws of pairs with ten of weights, for example.",
    )


def _declarations() -> Mapping[str, Declaration]:
    types = typing.get_type_hints(Settings)
    declared = {}
    for each in fields(Settings):
        one = next(
            kind
            for kind in (bool, int, float, str)
            if kind in (typing.get_args(types[each.name]) or (types[each.name],))
        )
        declared[each.name] = Declaration(each.name, one, each.default, **each.metadata)
    return MappingProxyType(declared)


SETTINGS = _declarations()

# What makes two trials of one round different, beside the network: see `Declaration.compared`.
COMPARED = tuple(name for name, declared in SETTINGS.items() if declared.compared)

# What decides the section of a trial, together with `is_fresh` of its round: no mean and no contrast is over trials
# that differ in one of these. A new setting is among them by its role.
SECTIONING = tuple(name for name, declared in SETTINGS.items() if declared.of_section)


def is_fresh(rounds: Any) -> Any:
    """Whether a round (or each of several, or a column of a database) is one that searches leave to confirmations.

    On the others settings may have been chosen, and those that were look better there than they are.
    """
    return rounds >= FIRST_FRESH_ROUND


def of_role(role: Role) -> tuple[str, ...]:
    """The names of the settings with this role."""
    return tuple(name for name, declared in SETTINGS.items() if declared.role == role)


def check_names(name: str, registry: Iterable[str]) -> None:
    """Raise `TypeError` unless a registry has exactly the choices that are declared for a setting."""
    if set(registry) != set(SETTINGS[name].choices):
        raise TypeError(f"the registry of `{name}` has {sorted(registry)}, but declared are {SETTINGS[name].choices}")


def option(name: str) -> str:
    """The option of the command line for a name; one that names rounds names several."""
    several = name in SETTINGS and SETTINGS[name].follows
    return "--" + name.replace("_", "-") + ("s" if several else "")


def words(name: str) -> str:
    """A name as people write it."""
    return name.replace("_", " ")


def value_text(value: Any) -> str:
    """A setting's value as people write it: two values that differ never look the same."""
    value = plain(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def several(value: Any) -> list:
    """One value or several, as a list of values."""
    if isinstance(value, list | tuple | range) or getattr(value, "ndim", 0) == 1:
        return [plain(one) for one in value]
    return [plain(value)]


def plain(value: Any) -> Any:
    """A number of NumPy's (or of anything that has one in an array of no dimension) as Python's; others as they are.

    Of a number in less than double precision it is the one with the fewest digits, as it prints: 0.001 for
    `np.float32(0.001)`. The engine computes in single precision, to which both are the same.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    ways: dict[str, Callable[[Any], Any]] = {"b": bool, "i": int, "u": int, "f": lambda number: float(str(number))}
    convert = ways.get(kind)
    return value if convert is None or value.ndim else convert(value)


def round_numbers(rounds: Any, name: str = "rounds") -> range:
    """The rounds that a number, a text or a range names: 20 names rounds 0 to 19, "1000-1049" those.

    "0-18/2" names every second of them. Raises `SettingError`, for an argument of that `name`, where it names none.
    """
    found = _rounds_of_text(rounds, name) if isinstance(rounds, str) else rounds
    if not isinstance(found, range):
        number = plain(found)
        if isinstance(number, bool) or not isinstance(number, int):
            raise SettingError(f"`{name}` (={number!r}) must be a whole number, a range, or a text such as '1000-1049'")
        found = range(check_whole(name, number, least=1))
    if not found or min(found[0], found[-1]) < 0:
        raise SettingError(
            f"`{name}` (={shown(rounds)}) must be a range of at least one round from 0 up, for example 0-19"
        )
    if max(found[0], found[-1]) >= _MOST_ROUNDS:
        raise SettingError(f"`{name}` (={shown(rounds)}) must be below {_MOST_ROUNDS}")
    return found


def _rounds_of_text(text: str, name: str) -> int | range:
    """The number or the range that a text names."""
    ends, slash, step = text.partition("/")
    parts = [part.strip() for part in (*ends.split("-"), *([step] if slash else []))]
    if len(parts) - bool(slash) not in (1 + bool(slash), 2) or not all(part.isdecimal() for part in parts):
        raise SettingError(f"`{name}` (={shown(text)}) must be a whole number such as 20, or a range such as 1000-1049")
    # Of a number that is too large the first digits are enough; Python refuses to read thousands of them.
    first, *last = (int(part.lstrip("0")[:9] or "0") for part in parts)
    return range(first, last[0] + 1, *([max(1, last[1])] if slash else [])) if last else first


def rounds_text(rounds: range) -> str:
    """What `round_numbers` reads as these rounds, in ascending order: 0-19, or 0-18/2 for every second."""
    ascending = rounds if rounds.step > 0 else rounds[::-1]
    step = f"/{ascending.step}" if ascending.step > 1 and len(ascending) > 1 else ""
    return f"{ascending[0]}-{ascending[-1]}{step}"


def moment(at: datetime) -> str:
    """A moment as stores write it, in which later ones come later in the order of texts too."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def check_whole(name: str, value: object, *, least: int | float, most: int | float = math.inf) -> int:
    """The value as Python's whole number. Raises `SettingError` unless it is one, from `least` to `most`."""
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise SettingError(f"`{name}` (={shown(number)}) must be a whole number")
    if number < least:
        raise SettingError(f"`{name}` (={shown(number)}) must be at least {least}")
    if number > most:
        raise SettingError(f"`{name}` (={shown(number)}) must be at most {most}")
    return number


def _number(declared: Declaration, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST_SINGLE:
        raise SettingError(f"`{declared.name}` (={shown(value)}) must be a finite number of single precision")
    if 0 < abs(value) < _LEAST_SINGLE:
        raise SettingError(f"`{declared.name}` (={value!r}) is 0 in single precision; give a larger number, or 0")
    if not value > declared.above:
        raise SettingError(f"`{declared.name}` (={value}) must be greater than {declared.above:g}")
    if value < declared.least:
        raise SettingError(f"`{declared.name}` (={value}) must be at least {declared.least:g}")
    if value > declared.most:
        raise SettingError(f"`{declared.name}` (={value}) must be at most {declared.most:g}")
    return float(value)
