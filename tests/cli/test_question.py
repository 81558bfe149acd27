"""A question of one's own, as a user asks it: one store with an expression and a function, for all tests."""

import json

import numpy as np
import pytest

import twofold
from twofold.cli import main
from twofold.data import find_relation
from twofold.results import ModelStore, Store
from twofold.study import Trial

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SIZES = ["--rounds", "2", "--pairs", "50", "--test-pairs", "40", "--validation-pairs", "20", "--epochs", "1", "--quiet"]
STUDY = ["study", "--networks", "NetWS", *SIZES, "--relation"]
ASK = "def near(a, b):\n    return abs(a - b) <= {}\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The folder of a store of three questions, of which each was asked in two ways, and a kept network of each."""
    folder = tmp_path_factory.mktemp("question")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "ask.py").write_text(ASK.format(2), "utf-8")
        assert main([*STUDY, "(a - b) % 3 == 0", "--keep-models", "best"]) == 0
        for typed in (["b % 3 == a % 3", "a <= b"], "<=", ["ask.py:near"], "abs(a - b) < 3"):
            train(typed)
        (folder / "ask.py").write_text(ASK.format(4), "utf-8")
        train("ask.py:near")
    return folder


def train(relation):
    """A study like that of the command, in Python."""
    sizes = {"rounds": 2, "pairs": 50, "test_pairs": 40, "validation_pairs": 20, "epochs": 1}
    twofold.Study(networks="NetWS", relation=relation, **sizes).run(progress=False, keep_models="best")


@pytest.fixture
def ask(store, monkeypatch, capsys):
    """Runs `twofold` in that folder, and gives what it wrote."""
    monkeypatch.chdir(store)

    def run(*words):
        code = main([*words])
        captured = capsys.readouterr()
        return captured.out if code == 0 else f"{code} {captured.err}"

    return run


def rows_of(text: str) -> dict[str, int]:
    """How many rows have each relation."""
    relations = [row["relation"] for row in json.loads(text)]
    return {relation: relations.count(relation) for relation in relations}


def test_a_question_is_trained_once_and_has_the_words_that_came_first(ask):
    changed = find_relation("abs(a - b) <= 4").identity.partition("-")[2][:6]
    first = find_relation("abs(a - b) <= 2").identity.partition("-")[2][:6]
    expected = {"(a - b) % 3 == 0": 2, "<=": 2, f"ask.py:near #{first}": 2, f"ask.py:near #{changed}": 2}
    assert rows_of(ask("results", "--json")) == expected


def test_a_study_shows_the_words_that_it_was_asked_in(ask):
    assert rows_of(ask(*STUDY, "(b - a) % 3 < 1", "--json")) == {"(b - a) % 3 < 1": 2}


@pytest.mark.parametrize("typed", ["(a - b) % 3 == 0", "(a-b)%3==0", "a % 3 == b % 3"])
def test_trials_are_chosen_by_a_question_however_it_is_written(ask, typed):
    assert rows_of(ask("results", "--json", "--relation", typed)) == {"(a - b) % 3 == 0": 2}


def test_trials_of_a_function_are_chosen_by_its_name(ask):
    assert sum(rows_of(ask("results", "--json", "--relation", "ask.py:near")).values()) == 4
    assert "no trial has `relation` a + 1 == b; there is (a - b) % 3 == 0, <=, ask.py:near" in ask(
        "results", "--relation", "a + 1 == b"
    )


def test_rows_know_chance(store):
    table = Store(store / "twofold.db", create=False).read().set_index("relation")
    row = table.loc["(a - b) % 3 == 0"].iloc[0]
    assert row.question == find_relation("(a - b) % 3 == 0").identity
    assert row.true_share == pytest.approx(0.34, abs=0.005)
    assert row.one_image_error == pytest.approx(0.34, abs=0.005)


def test_the_key_is_of_the_table_and_of_a_name_where_there_is_one(store):
    keys = set(Store(store / "twofold.db", create=False).read().key)
    settings = {"network": "NetWS", "round": 0, "pairs": 50, "test_pairs": 40, "validation_pairs": 20, "epochs": 1}
    (fingerprint,) = set(Store(store / "twofold.db", create=False).read().fingerprint)
    for typed in ("a % 3 == b % 3", "not a > b", "<=", "abs(a - b) in (0, 1, 2)"):
        assert Trial(**settings, fingerprint=fingerprint, relation=typed).key in keys
    assert Trial(**settings, fingerprint=fingerprint, relation="a % 3 == (b + 1) % 3").key not in keys


def test_tables_say_what_chance_is_and_who_is_not_better(ask):
    said = " ".join(ask("analyse", "--relation", "(a - b) % 3 == 0").split())
    assert (
        "Chance: the relation is true of 34.0 % of test pairs, so that the same answer to all of them errs on" in said
    )
    assert "one image alone errs on at least 34.0 %. Not shown to be better than chance (95 %): NetWS." in said


def test_the_report_draws_each_table_of_answers(ask, store):
    assert ask("report", "-o", "page.html", "--relation", "b % 3 == a % 3", "ask.py:near") == ""
    page = (store / "page.html").read_text("utf-8")
    near = find_relation("abs(a - b) <= 2").identity.partition("-")[2][:6]
    for statement, holding in (("(a - b) % 3 == 0", 34), (f"ask.py:near #{near}", 44)):
        assert f"Table of 10 x 10 classes: “{statement}” is true of {holding} of the 100 pairs" in page
    assert page.count('<image class="cells"') == 3


def test_the_demo_knows_the_answers(ask, store):
    assert "must be given" in ask("demo", "-o", "demo.html")
    assert ask("demo", "-o", "demo.html", "--relation", "a % 3 == b % 3") == ""
    page = (store / "demo.html").read_text("utf-8")
    data = json.loads(page.split('id="demo-data">')[1].split("</script>")[0])
    assert data["statement"] == "(a - b) % 3 == 0"
    assert data["holds"] == find_relation("(a - b) % 3 == 0").packed


def test_a_kept_network_has_its_table(store):
    records = {record["relation"]: record for record in ModelStore(store / "twofold.models").records()}
    assert records["<="]["answers"] == find_relation("<=").packed
    assert records["ask.py:near"]["answers"] == find_relation("abs(a - b) <= 2").packed


WRONG_FILES = {
    "none.py:near": "there is no file none.py; write where the function is",
    "ask.py:far": "ask.py has no function far; its functions are: near",
    "broken.py:near": "cannot be imported (broken.py, line 1)",
    "ends.py:near": "ends the program while it is imported",
    "says.py:near": "it gives 'yes' for the classes 0 and 0; it must give True or False",
    "fails.py:near": "it fails for the classes 0 and 0: ZeroDivisionError: integer division or modulo by zero",
    "leaves.py:near": "it fails for the classes 0 and 0: RuntimeError: it ends the program",
    "always.py:near": "it is true of any two of the 10 classes",
}
FILES = {
    "broken": "def near(a, b:\n",
    "ends": "raise SystemExit(3)\n",
    "says": "def near(a, b):\n    print('asked')\n    return 'yes'\n",
    "fails": "def near(a, b):\n    return a // b == 1\n",
    "leaves": "def near(a, b):\n    raise SystemExit(1)\n",
    "always": "def near(a, b):\n    return a == a\n",
}


@pytest.mark.parametrize("typed", WRONG_FILES)
def test_what_is_wrong_with_a_function_is_said_in_a_line(ask, store, typed):
    for name, text in FILES.items():
        (store / f"{name}.py").write_text(text, "utf-8")
    said = ask(*STUDY, typed)
    assert WRONG_FILES[typed] in said
    assert said.startswith("2 ")
    assert said.splitlines()[-1].startswith(("twofold: `--relation`", "2 twofold: `--relation`"))


def test_an_expression_that_cannot_be_is_said_in_a_line(ask):
    said = ask(*STUDY, "a == 'seven'")
    assert said.startswith("2 twofold: `--relation` (=\"a == 'seven'\") cannot be asked: there is no class 'seven'; ")
    assert len(said.splitlines()) == 1


def test_what_is_always_true_of_the_test_images_is_refused(ask, store):
    """Of ten digits it is not; but the images show two of them."""
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (400, 20, 20)).astype(np.uint8), np.arange(400) % 2
    np.savez(store / "two.npz", images=images, labels=labels)
    said = ask(*STUDY, "a < 7", "--data", "two.npz")
    assert said == (
        "4 twofold: `--relation` (=a < 7) is true of any two test images of two.npz; ask what is now true, now false\n"
    )


def test_a_function_that_was_changed_is_chosen_by_its_hash(ask):
    first = find_relation("abs(a - b) <= 2").identity.partition("-")[2][:6]
    assert rows_of(ask("results", "--json", "--relation", f"ask.py:near #{first}")) == {f"ask.py:near #{first}": 2}


def test_a_function_finds_the_trials_that_have_its_answers_by_another_name(ask, store):
    (store / "other.py").write_text("def order(a, b):\n    return a <= b\n", "utf-8")
    assert rows_of(ask("results", "--json", "--relation", "other.py:order")) == {"<=": 2}


def test_a_broken_expression_is_told_where_trials_are_read(ask):
    assert "(='a <') cannot be asked: invalid syntax" in ask("results", "--relation", "a <")


@pytest.mark.parametrize("size", ["16", "16x16"])
def test_a_size_is_read_in_every_form(ask, size):
    assert "no trial has `size` 16" in ask("results", "--size", size)
    assert rows_of(ask("results", "--json", "--size", "as they are", "--relation", "<=")) == {"<=": 2}
