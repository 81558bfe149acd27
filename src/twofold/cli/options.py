"""Options that several commands share; those of settings are made from their declarations."""

import dataclasses
import inspect
import os
import re
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter, Token, UnusedCliTokensError

from twofold.errors import OptionError, SettingError, shown
from twofold.networks import PAPERS
from twofold.paths import typed_path
from twofold.settings import SETTINGS, TASK, TRAINING, Declaration, moment, of_role, option, round_numbers, value_text

GROUPS = {TASK: Group(TASK, sort_key=2), TRAINING: Group(TRAINING, sort_key=3)}
RUNNING = Group("Running", sort_key=5)
SPACE = Group("Where to search", sort_key=4)
WHICH = Group("Which trials", sort_key=2)

# More words than anybody gives to one option.
_MANY = 1000

# Whole numbers up to here may have been meant by 1e6; in a larger one something else is wrong.
_PLAIN = 1e12

FLAG: dict[str, Any] = {"negative": "", "show_default": False}
SEVERAL: dict[str, Any] = {"consume_multiple": True, "negative": ""}

# A constant here, since the store's own would bring in SQLAlchemy for every help text; a test holds them together.
DEFAULT_STORE = "twofold.db"

# Where this is set, it is the store of all commands that are not given one: what is typed, all users of a machine see.
STORE_VARIABLE = "TWOFOLD_STORE"


def _whole(type_: Any, tokens: Sequence[Token]) -> Any:
    """Whole numbers that are written as such: cyclopts would cut 2.5 to 2."""
    return _each(int, "a whole number", type_, tokens)


def _numbers(type_: Any, tokens: Sequence[Token]) -> Any:
    """Numbers; cyclopts says nothing of what is wrong with a text that is none."""
    return _each(float, "a number", type_, tokens)


def _each(convert: Callable[[str], Any], what: str, type_: Any, tokens: Sequence[Token]) -> Any:
    values = []
    several = "list" in str(type_)
    for token in tokens:
        try:
            values.append(convert(token.value))
        except ValueError:
            hint = _as_number(token.value, convert, several=several)
            raise OptionError(f"`{token.keyword}` (={shown(token.value)}) must be {what}{hint}") from None
    return values if several else values[0]


def _as_number(text: str, convert: Callable[[str], Any], *, several: bool) -> str:
    """How to write what was meant by a text that is no number: a list, a decimal comma, a power of ten."""
    parts = text.split(",")
    with suppress(ValueError, OverflowError):
        if several and len(parts) > 1 and (convert is int or len(parts) > 2):
            return f"; separate several by blanks: {' '.join(str(convert(part)) for part in parts)}"
        if convert is float:
            return f"; write {float('.'.join(parts))}"
        number = float("".join(parts))
        if number == int(number) < _PLAIN:
            return f"; write {int(number)}"
    return ""


def _rounds(type_: Any, tokens: Sequence[Token]) -> str:
    """The text that names rounds, once it is known that it does."""
    try:
        round_numbers(tokens[0].value)
    except SettingError as error:
        raise OptionError(str(error)) from error
    return tokens[0].value


def _numbers_of_rounds(type_: Any, tokens: Sequence[Token]) -> range:
    """The rounds that a setting's values are."""
    try:
        return round_numbers(tokens[0].value, str(tokens[0].keyword))
    except SettingError as error:
        raise OptionError(str(error)) from error


# How long ago, as it is typed: 90m, 2h, 3d.
_AGO = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _since(type_: Any, tokens: Sequence[Token]) -> str:
    """A moment of UTC as stores write it, from a date, a date with a time, or how long ago."""
    text = tokens[0].value
    if ago := _AGO.fullmatch(text):
        with suppress(OverflowError):
            return moment(datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
    with suppress(ValueError, OverflowError):
        typed = datetime.fromisoformat(text)
        return moment(typed.replace(tzinfo=UTC) if typed.tzinfo is None else typed.astimezone(UTC))
    raise OptionError(
        f"`{tokens[0].keyword}` (={shown(text)}) must be a date such as 2026-11-01 or 2026-11-01T18:30, of UTC as "
        "tables have it, or how long ago, such as 90m, 2h or 3d"
    )


def _path(type_: Any, tokens: Sequence[Token]) -> Path:
    """The path of a folder, or of a file to read."""
    try:
        return typed_path(str(tokens[0].keyword), tokens[0].value)
    except SettingError as error:
        raise OptionError(str(error)) from error


def _plan_file(type_: Any, tokens: Sequence[Token]) -> Path:
    """The path of a plan; a word that cannot be one was meant for the option before it, and is a word too many."""
    text = tokens[0].value
    if not text.endswith(".toml") and "/" not in text:
        raise UnusedCliTokensError(text)  # cyclopts sets its tokens anew
    return typed_path("plan", text)


def _file_to_write(type_: Any, tokens: Sequence[Token]) -> Path:
    """The path of a file to write, which does not end as a folder's."""
    if tokens[0].value.endswith("/"):
        raise OptionError(f"`{tokens[0].keyword}` (={tokens[0].value}) is a folder's name; give a file's")
    return _path(type_, tokens)


def _store(type_: Any, tokens: Sequence[Token]) -> str:
    """A store as it is typed, or set in the environment, where what is empty is not set."""
    return tokens[0].value or ("" if tokens[0].keyword != STORE_VARIABLE else DEFAULT_STORE)


def default_store() -> str:
    """The store of a command that is not given one."""
    return os.environ.get(STORE_VARIABLE) or DEFAULT_STORE


def _fraction_of_points(type_: Any, tokens: Sequence[Token]) -> float:
    """A number of percentage points as the fraction that all errors are."""
    points = _numbers(type_, tokens)
    if not 0 < points < 100:
        raise OptionError(
            f"`{tokens[0].keyword}` (={tokens[0].value}) must be points between 0 and 100, as 1 for 1 point"
        )
    return points / 100


SINCE = Parameter(converter=_since)
WHOLE, NUMBER = Parameter(converter=_whole), Parameter(converter=_numbers)
PATH, FILE = Parameter(converter=_path), Parameter(converter=_file_to_write)
PLAN_FILE = Parameter(converter=_plan_file)
_CONVERTERS = {int: WHOLE, float: NUMBER}

STORE_HELP = "The results store: the path of an SQLite file, or the URL of a PostgreSQL database"
StoreUrl = Annotated[str, Parameter(converter=_store, help=f"{STORE_HELP}.", env_var=STORE_VARIABLE)]
Confirm = Annotated[list[int] | None, WHOLE, Parameter(consume_multiple=(0, 1), negative="")]
Margin = Annotated[
    float | None,
    Parameter(
        converter=_fraction_of_points,
        help="Differences of fewer points do not matter, for example --equivalence-margin 1: what is compared is then "
        "better, worse, equivalent (two one-sided tests) or not decided.",
    ),
]
DATA_DIR = Parameter(
    converter=_path,
    help="Where to look for data sets before downloading, for example --data-dir ~/datasets, which holds mnist/; or "
    "set TWOFOLD_DATA_DIR.",
)
CLASSES = Parameter(
    help="Only these classes, in the order that numbers them, for example --classes cat,dog,horse; a name with a comma "
    "stands in double quotes: --classes 'cat,\"dog, small\"'; by default all, as people list them: 2 before 10.",
)
MODELS = Parameter(
    converter=_path,
    help="The folder of kept networks, for example --models ~/networks; by default beside the store.",
)

SOME_NETWORKS = " ".join(PAPERS[::3])
Networks = Annotated[
    list[str] | None,
    Parameter(
        help=f"Networks, for example --networks {SOME_NETWORKS}, or a class of your own in PyTorch or Equinox, "
        f"for example 'file.py:Twin(share=[False, True])'; by default the paper's four: {', '.join(PAPERS)}.",
        **SEVERAL,
    ),
]
ROUNDS = Parameter(converter=_rounds)
Rounds = Annotated[
    str,
    ROUNDS,
    Parameter(
        help="Rounds, each with fresh pairs and fresh weights: 20 means rounds 0 to 19, and 1000-1049 those.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Given:
    """Options made from the declarations of settings."""

    def given(self) -> dict[str, Any]:
        """The options that were given, by the names of the settings."""
        return {name: value for name, value in vars(self).items() if value is not None}


# What a command's argument has where none of its options was given.
NOTHING = Given()

_Field = tuple[str, Any, Any]
C = TypeVar("C", bound=Callable[..., Any])


def with_options(**made: type[Given]) -> Callable[[C], C]:
    """Gives arguments of a command, which are of type `Given`, the options of these classes.

    The classes are made when the program starts, so that no type checker could know them.
    """

    def decorate(command: C) -> C:
        signature = inspect.signature(command)
        parameters = [
            parameter.replace(annotation=made[name], default=made[name]()) if name in made else parameter
            for name, parameter in signature.parameters.items()
        ]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__.update(made)
        return command

    return decorate


def _class(name: str, made: Sequence[_Field]) -> type[Given]:
    columns = [(n, annotation, dataclasses.field(default=default)) for n, annotation, default in made]
    cls = dataclasses.make_dataclass(name, columns, bases=(Given,), frozen=True, kw_only=True)
    cls.__module__ = __name__  # cyclopts looks into no class of the standard library, where it was made
    return Parameter(name="*")(cls)


def _choices(declared: Declaration) -> str:
    also = f"; or {declared.also}" if declared.also else ""
    return f" One of {', '.join(declared.choices)}{also}." if declared.choices else ""


def _example(declared: Declaration, values: str) -> str:
    return f"for example {declared.option} {values}"


def _converter(declared: Declaration) -> Parameter:
    return _CONVERTERS.get(declared.type, Parameter())


def _list_of(declared: Declaration, text: str, group: Group) -> _Field:
    """An option with values one after another, or none."""
    parameter = Parameter(help=text, group=group, **SEVERAL)
    return declared.name, Annotated[list[declared.type] | None, parameter, _converter(declared)], None


def _of_rounds(declared: Declaration, text: str, group: Group) -> _Field:
    """An option that names rounds, as --rounds does."""
    parameter = Parameter(name=declared.option, help=text, group=group, converter=_numbers_of_rounds)
    return declared.name, Annotated[str | None, parameter], None


def _one(declared: Declaration) -> _Field:
    """An option with one value; of a setting whose values are rounds with any number of them."""
    if declared.follows:
        return _of_rounds(declared, declared.help, GROUPS[declared.group])
    help = declared.help + _choices(declared)
    if declared.default is None:
        help = f"{help.removesuffix('.')}, {_example(declared, declared.example)}."
    text = Parameter(help=help, group=GROUPS[declared.group])
    if declared.type is bool:
        return declared.name, Annotated[bool, text], declared.default
    if declared.words > 1:
        # All that is given, so that the setting itself says what is wrong with more words than it takes.
        words = Parameter(consume_multiple=(1, _MANY), negative="", show_default=False)
        return declared.name, Annotated[list[str] | None, text, words], None
    kind = declared.type if declared.default is not None else declared.type | None
    return declared.name, Annotated[kind, text, _converter(declared)], declared.default


def _several(declared: Declaration, default: Any = None) -> _Field:
    """An option with one value or several."""
    if declared.follows:
        return _one(declared)
    shown = " ".join(map(value_text, default)) if default else value_text(declared.default)
    by_default = f"; by default {shown}" if declared.default is not None else ""
    if declared.type is bool:
        text = f"{declared.help} Both ways: for example {declared.option} --no-{declared.option[2:]}."
        return declared.name, Annotated[list[bool] | None, Parameter(help=text, group=GROUPS[declared.group])], None
    text = (
        f"{declared.help}{_choices(declared)} One value or several, {_example(declared, declared.example)}{by_default}."
    )
    return _list_of(declared, text, GROUPS[declared.group])


def _range(declared: Declaration) -> _Field:
    """An option that says where to search a setting."""
    search = declared.search
    if search is None:
        return _one(declared)
    shown = " ".join(map(value_text, search.values))
    by_default = shown if search.by_default else f"it is not searched, but {value_text(declared.default)}"
    what = "The choices" if search.of == "choices" else "The lowest and the highest value"
    example = declared.example if search.of == "choices" else shown
    text = f"{declared.help} {what}, or one value to keep to, {_example(declared, example)}; by default {by_default}."
    return _list_of(declared, text, SPACE)


def _only(declared: Declaration) -> _Field:
    """An option that chooses among trials that there are."""
    if declared.follows:
        text = f"Only trials with the initial weights of these rounds, {_example(declared, declared.example)}."
        return _of_rounds(declared, text, WHICH)
    if declared.type is bool:
        text = f"Only trials with {declared.label}, or without it, for example --no-{declared.option[2:]}."
        return declared.name, Annotated[bool | None, Parameter(help=text, group=WHICH)], None
    values = declared.example or value_text(declared.default)
    text = f"Only trials with these values of {declared.label}, {_example(declared, values)}."
    return _list_of(declared, text, WHICH)


# One study is of one set of images; how many validation pairs there are changes no training, so there is nothing to
# compare.
_ONE_ALONE = (*of_role("images"), "validation_pairs")


def one_value() -> type[Given]:
    """Every setting with one value, or none where it is not typed: `twofold study`."""
    return _class("OneValue", [_unless_typed(*_one(declared)) for declared in SETTINGS.values()])


def _unless_typed(name: str, annotation: Any, default: Any) -> _Field:
    """An option that is None unless it is typed; its help still shows the default."""
    if default is None:
        return name, annotation, default
    kind, *parameters = typing.get_args(annotation)
    return name, Annotated[kind | None, *parameters, Parameter(show_default=lambda _: str(default))], None


def images_alone() -> type[Given]:
    """The settings of images, each with one value, and the classes: for commands that look at networks."""
    made = [_one(SETTINGS[name]) for name in of_role("images")]
    classes = Annotated[str | None, CLASSES, Parameter(group=GROUPS[TASK])]
    return _class("ImagesAlone", [*made, ("classes", classes, None)])


def several_values(**defaults: Any) -> type[Given]:
    """Every setting with one value or several, but for what a study has one of: `twofold grid` and `twofold sweep`.

    `defaults` are what the command takes where nothing is given, in the place of the settings' own.
    """
    made = [
        _one(declared) if name in _ONE_ALONE else _several(declared, defaults.get(name))
        for name, declared in SETTINGS.items()
    ]
    return _class("SeveralValues", made)


def ranges() -> type[Given]:
    """Every setting with one value, or where to search it: `twofold tune`."""
    return _class("Ranges", [_range(declared) for declared in SETTINGS.values()])


def selections(*, but: Sequence[str] = ()) -> type[Given]:
    """Every setting as a choice among stored trials, but for what a command has otherwise: those that only read."""
    return _class("Selections", [_only(declared) for name, declared in SETTINGS.items() if name not in but])


@Parameter(name="*", group=RUNNING)
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where to run, where to keep results, and what to show."""

    data_dir: Annotated[Path | None, DATA_DIR, Parameter(group=GROUPS[TASK])] = None
    classes: Annotated[str | None, CLASSES, Parameter(group=GROUPS[TASK])] = None
    workers: Annotated[
        int | None, WHOLE, Parameter(help="Devices to use, for example --workers 2; by default all cores, or all GPUs.")
    ] = None
    cluster: Annotated[
        str | None,
        Parameter(
            help="Train on a Ray cluster: local (one of this machine), auto (the one that this machine is part of), or "
            "an address, for example --cluster 10.0.0.1:6379; --workers is then for each node (docs/cluster.md)."
        ),
    ] = None
    store: StoreUrl = DEFAULT_STORE
    trace: Annotated[bool, Parameter(help="Keep the number of dead units after every epoch.", **FLAG)] = False
    keep_models: Annotated[
        str,
        Parameter(
            help="Keep trained networks: none, all, or of each network and setting the best (lowest validation error)."
        ),
    ] = "none"
    models: Annotated[Path | None, MODELS] = None
    out: Annotated[Path, PATH, Parameter(help="The folder for figures.")] = Path("figures")
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per trial, instead of tables.", **FLAG)] = False
    quiet: Annotated[bool, Parameter(help="Show no progress.", **FLAG)] = False
    dry_run: Annotated[
        bool,
        Parameter(
            help="Only say what it would take: trials to train, programs to compile, time here, and disk. Nothing is "
            "stored or written; where the store has no times of such trials, some epochs are trained to measure them.",
            **FLAG,
        ),
    ] = False

    def looking(self) -> dict[str, Any]:
        """The options as `twofold.Study.dry_run` takes them. Raises `SettingError` for a cluster."""
        if self.cluster is not None:
            raise SettingError(
                f"`cluster` (={shown(self.cluster)}) and --dry-run exclude each other: it tells what this "
                "machine would take; leave one of them out"
            )
        return {name: value for name, value in self.running().items() if name not in ("progress", "cluster")}

    def running(self) -> dict[str, Any]:
        """The options as `twofold.Study.run` takes them."""
        names = ("workers", "cluster", "store", "trace", "keep_models", "models")
        return {**{name: getattr(self, name) for name in names}, "progress": not self.quiet}


# What options were called in version 0.1, in the commands that had them; they work for one version more.
_OLD = {
    "grid": {option(f"{name}s"): option(name) for name in ("optimizer", "learning_rate", "aux_weight", "batch_size")},
    "tune": {
        **{option(f"{name}s"): option(name) for name in ("optimizer", "batch_size")},
        "--replicates": "--rounds",
    },
}


def in_new_words(arguments: Sequence[str]) -> tuple[list[str], str]:
    """The arguments with options as they are called now, and what to say of those that were not, if anything."""
    new: list[str] = []
    old: dict[str, str] = {}
    known = _OLD.get(arguments[0], {}) if arguments else {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in known:
            old[name] = known[name]
        new.append(f"{old.get(name, name)}{equals}{value}")
    renamed = ", ".join(f"{before} is {now} now" for before, now in old.items())
    return new, f"{renamed}; the old spelling goes with the next version" if old else ""
