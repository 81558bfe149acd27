"""Settings are declared once: what follows from a declaration, and what values are taken."""

import dataclasses
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twofold
from twofold.analysis import settings_of
from twofold.cli.app import app
from twofold.data import RELATIONS
from twofold.errors import SettingError
from twofold.networks.paper import SLOPES
from twofold.results.schema import trials
from twofold.settings import (
    COMPARED,
    FIRST,
    SETTINGS,
    check_names,
    plain,
    round_numbers,
    several,
    value_text,
)
from twofold.study import Trial
from twofold.study.tune import searchable
from twofold.training.environment import PRECISIONS
from twofold.training.optimizers import OPTIMIZERS

SOURCE = Path(twofold.__file__).parent
TRAINING, READING = ("study", "grid", "sweep", "tune"), ("results", "analyse", "power", "report")


def options_of(command):
    return {name for argument in app[command].assemble_argument_collection() for name in argument.names}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_everywhere(name):
    assert name in {field.name for field in dataclasses.fields(Trial)}
    assert name in inspect.signature(twofold.Study).parameters
    assert name in trials.c
    for command in (*TRAINING, *READING):
        assert SETTINGS[name].option in options_of(command), command


def test_only_settings_are_searched_that_say_where():
    assert set(searchable()) == {name for name, declared in SETTINGS.items() if declared.search}


@pytest.mark.parametrize(
    ("name", "registry"),
    [("optimizer", OPTIMIZERS), ("relation", RELATIONS), ("bottleneck_activation", SLOPES), ("precision", PRECISIONS)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_registry_has_what_is_declared(name, registry):
    check_names(name, registry)
    with pytest.raises(TypeError, match=name):
        check_names(name, [*registry, "another"])


def test_every_choice_is_in_a_registry():
    assert {name for name, declared in SETTINGS.items() if declared.choices} == {
        "optimizer",
        "relation",
        "bottleneck_activation",
        "precision",
    }


@pytest.mark.parametrize("value", [3, None, b"<", Path("<"), ["<"]])
def test_a_setting_that_may_be_more_than_its_choices_is_a_text(value):
    assert SETTINGS["relation"].checked("a < b") == "a < b"
    with pytest.raises(SettingError, match=r"^`relation` \(=.*must be one name or an expression over"):
        SETTINGS["relation"].checked(value)


def test_defaults_of_the_first_version_are_what_they_were():
    """A default never changes: a key says nothing of a later setting that has it."""
    first = {name: declared.default for name, declared in SETTINGS.items() if declared.since == FIRST}
    assert first == {
        "data": "mnist5k",
        "relation": "<=",
        "pairs": 1000,
        "test_pairs": 1000,
        "validation_pairs": None,
        "normalise": False,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "aux_weight": 1.0,
        "batch_size": 25,
        "epochs": 100,
        "shuffle": False,
        "bottleneck_activation": "relu",
        "seed": 0,
    }


NEW = """
    momentous: Setting[float] = setting(
        default=0.5,
        role="number",
        since="99",
        least=0.0,
        example="0.5 0.7",
        search=Search((0.1, 1.0), by_default=False),
        help="What nobody has thought of.",
    )
"""
MIGRATION = '''"""A setting more."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{number}", "{before}"


def upgrade() -> None:
    """Add the column."""
    op.add_column("trials", sa.Column("momentous", sa.Double, nullable=False, server_default="0.5"))
'''
LOOK = """
import subprocess, sys
import twofold
from twofold.cli.app import app, main
from twofold.report.text.names import setting_text
from twofold.results import Store
from twofold.settings import COMPARED
from twofold.study import Trial

plain = Trial(network="NetWS", round=0, fingerprint="f" * 32)
assert plain.momentous == 0.5
assert plain.key == sys.argv[1], "a new setting changes the keys of trials without it"
assert Trial(network="NetWS", round=0, fingerprint="f" * 32, momentous=0.7).key != plain.key
small = dict(networks="NetWS", rounds=1, epochs=1, pairs=50, test_pairs=50)
table = twofold.Study(**small, momentous=[0.5, 0.7]).run(store="own.db", progress=False).table
assert table.momentous.tolist() == [0.5, 0.7], table
assert "momentous 0.7" in setting_text({"momentous": 0.7})
assert "momentous" in COMPARED
for command in ("study", "grid", "sweep", "tune", "results", "analyse", "power", "report"):
    names = {name for argument in app[command].assemble_argument_collection() for name in argument.names}
    assert "--momentous" in names, command
assert main(["results", "--store", "own.db", "--momentous", "0.7", "0.5"]) == 0
assert main(["study", "--momentous", "-1", "--quiet"]) == 2
"""


def test_a_setting_that_is_declared_is_there(tmp_path):
    """In a copy of the program a setting is added by its declaration and its column alone."""
    copy = tmp_path / "twofold"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    declarations = copy / "settings.py"
    text = declarations.read_text("utf-8")
    declarations.write_text(text.replace("    seed: Setting[int]", f"{NEW}    seed: Setting[int]", 1), "utf-8")
    newest = sorted(path.name[:4] for path in (copy / "results" / "migrations").glob("0*.py"))[-1]
    number = f"{int(newest) + 1:04d}"
    script = copy / "results" / "migrations" / f"{number}_momentous.py"
    script.write_text(MIGRATION.format(number=number, before=newest), "utf-8")
    key = Trial(network="NetWS", round=0, fingerprint="f" * 32).key
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{LOOK}", key]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "momentous" in done.stdout


NUMBERS = [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64]


@given(kind=st.sampled_from(NUMBERS), number=st.integers(1, 100))
def test_whole_numbers_of_numpy_are_numbers(kind, number):
    for value in (kind(number), np.array(number, kind)):
        assert SETTINGS["epochs"].checked(value) == number
        assert type(SETTINGS["epochs"].checked(value)) is int
        assert round_numbers(value) == range(number)


@given(st.floats(1e-4, 1e4))
def test_numbers_of_numpy_are_the_numbers_that_they_print(number):
    for kind in (np.float32, np.float64, np.float16, np.longdouble):
        found = SETTINGS["learning_rate"].checked(kind(number))
        assert type(found) is float
        assert kind(found) == kind(number)
    assert SETTINGS["learning_rate"].checked(np.float64(number)) == number


@pytest.mark.parametrize("flag", [np.True_, np.False_, np.array(True)])
def test_flags_of_numpy_are_flags(flag):
    assert SETTINGS["shuffle"].checked(flag) is bool(flag)


@pytest.mark.parametrize("name", [name for name, declared in SETTINGS.items() if declared.type is int])
@pytest.mark.parametrize("value", [2.5, np.float64(2.5), 2.0, True, np.True_, "2", None, float("nan")])
def test_what_is_no_whole_number_is_refused_by_name(name, value):
    with pytest.raises(SettingError, match=f"`{name}`"):
        SETTINGS[name].checked(value)


@pytest.mark.parametrize("name", [name for name, declared in SETTINGS.items() if declared.type is float])
@pytest.mark.parametrize("value", ["0.1", None, True, float("nan"), float("inf"), np.float32("nan"), 1j, -1.0])
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(SettingError, match=f"`{name}`"):
        SETTINGS[name].checked(value)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_values_that_differ_print_differently(one, two):
    assert (value_text(one) == value_text(two)) == (one == two and str(one) == str(two))
    assert float(value_text(one)) == one


@pytest.mark.parametrize(
    ("rounds", "numbers"),
    [
        (20, range(20)),
        ("20", range(20)),
        ("1000-1049", range(1000, 1050)),
        ("7-7", range(7, 8)),
        (range(3, 9), range(3, 9)),
        (np.int64(2), range(2)),
    ],
)
def test_rounds(rounds, numbers):
    assert round_numbers(rounds) == numbers


@pytest.mark.parametrize("rounds", [0, "0", -1, "-1", 2.5, "2.5", "many", "", "3-", "-3", "5-2", "1-2-3", "1e2", True])
def test_rounds_that_cannot_be(rounds):
    with pytest.raises(SettingError, match="`rounds`"):
        round_numbers(rounds)


def test_several_values_are_a_list_of_pythons():
    assert several(np.array([0.1, 0.2])) == [0.1, 0.2]
    assert several(np.arange(2)) == [0, 1]
    assert several((1, np.int64(2))) == [1, 2]
    assert several("adam") == ["adam"]
    assert [type(value) for value in several(np.arange(2))] == [int, int]
    assert plain("adam") == "adam"


def test_what_is_compared_is_what_a_table_tells_of(made_up):
    assert set(settings_of(made_up(2))) <= set(COMPARED)
    assert set(SETTINGS) - set(COMPARED) == {"validation_pairs", "seed", "weight_round"}
