"""What is asked of a pair: expressions mean what they mean in Python, whatever else is typed is refused in a line."""

import dataclasses
import random
import string
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twofold.data import RELATIONS, answered_by_distance, find_relation, relation_of_record
from twofold.data.expressions import Expression
from twofold.data.images import DIGIT_NAMES
from twofold.data.relations import is_function, is_meant, numbered, relation_of_function
from twofold.errors import SettingError

PETS = ("cat", "dog", "a long name", "кот", "it's")

MEANINGS = {
    "<=": lambda first, second: first <= second,
    "<": lambda first, second: first < second,
    "==": lambda first, second: first == second,
    "same parity": lambda first, second: (first + second) % 2 == 0,
}


def table_of(holds, classes: int) -> list[list[bool]]:
    return [[bool(holds(a, b)) for b in range(classes)] for a in range(classes)]


def told(ask):
    """What is found, and what is said where nothing is."""
    try:
        return ask(), ""
    except SettingError as error:
        return None, str(error)


def grown(number: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Numbers made of numbers."""
    binary = st.tuples(number, st.sampled_from(["+", "-", "*", "//", "%"]), number).map("({0[0]} {0[1]} {0[2]})".format)
    call = st.tuples(st.sampled_from(["min", "max"]), number, number).map("{0[0]}({0[1]}, {0[2]})".format)
    power = st.tuples(number, st.integers(0, 3)).map("({0[0]}) ** {0[1]}".format)
    return st.one_of(binary, call, power, number.map("abs({})".format), number.map("-({})".format))


def joined(answer: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Answers made of answers."""
    two = st.tuples(answer, st.sampled_from(["and", "or", "==", "!="]), answer).map("({0[0]}) {0[1]} ({0[2]})".format)
    three = st.tuples(answer, answer, answer).map("({0[0]}) or ({0[1]}) and ({0[2]})".format)
    return st.one_of(two, three, answer.map("not ({})".format))


numbers = st.recursive(st.sampled_from([*"aabb012", "3", "7"]), grown, max_leaves=6)
signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
comparisons = st.one_of(
    st.tuples(numbers, signs, numbers).map(" ".join),
    st.tuples(numbers, signs, numbers, signs, numbers).map(" ".join),
    st.tuples(numbers, st.sampled_from(["in", "not in"]), numbers, numbers).map(
        "{0[0]} {0[1]} ({0[2]}, {0[3]})".format
    ),
)
answers = st.recursive(comparisons, joined, max_leaves=4)


@settings(deadline=None, max_examples=120)
@given(expression=answers, classes=st.integers(2, 7))
def test_an_expression_means_what_python_means_by_it(expression, classes):
    """Python itself is asked of each two classes, one by one; it divides by zero where we do."""
    assume(len(expression) <= 500)
    oracle = compile(expression, "expression", "eval")
    known = {"abs": abs, "min": min, "max": max}
    try:
        expected = table_of(lambda a, b: eval(oracle, known, {"a": a, "b": b}), classes)
    except ZeroDivisionError:
        with pytest.raises(SettingError, match=r"divides by zero|beyond 1,000,000,000"):
            Expression(expression).answers(numbered(classes))
        return
    found, said = told(lambda: Expression(expression).answers(numbered(classes)))
    if said:
        assert "beyond 1,000,000,000" in said  # as it happens for powers of powers
    else:
        assert found.tolist() == expected


@given(st.integers(-50, 50), st.integers(-50, 50).filter(bool))
def test_division_rounds_down_as_in_python(number, divisor):
    found = Expression(f"({number}) // ({divisor}) == {number // divisor} and ({number}) % ({divisor}) == a")
    assert found.answers(numbered(60))[number % divisor if divisor > 0 else 0].all() == (number % divisor >= 0)


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("a <= b", "<="),
        ("not b < a", "<="),
        ("a - b < 0", "<"),
        (" a==b ", "=="),
        ("a in (b, b)", "=="),
        ("(a - b) % 2 == 0", "same parity"),
        ("(a % 2 == 0) == (b % 2 == 0)", "same parity"),
        ("max(a, b, 0) == b", "<="),
        ("b != 0 and a % b == 0 or a == b or a != a", "b == a or b > 0 and a // b * b == a"),
    ],
)
def test_expressions_of_one_table_are_one_question(expression, same):
    found, other = find_relation(expression), find_relation(same)
    assert found == other
    assert hash(found) == hash(other)
    assert found.name == (same if same in RELATIONS else "")
    assert found.text == (found.name or expression)


@pytest.mark.parametrize("name", RELATIONS)
@pytest.mark.parametrize("classes", [2, 3, 10, 26])
def test_names_mean_what_they_say(name, classes):
    found = find_relation(name, numbered(classes))
    holds = MEANINGS[name]
    assert found.answers.tolist() == table_of(holds, classes)
    assert found.text == name
    either = all(holds(a, b) == holds(b, a) for a in range(classes) for b in range(classes))
    assert found.of_alike == (holds(0, 0) if either else None)
    assert (name in answered_by_distance()) == either


def test_the_order_of_alike_matters_to_a_distance():
    """The same in either order, but of two zeros something else than of two ones."""
    assert find_relation("a + b > 1").of_alike is None
    assert find_relation("a != b").of_alike is False


@pytest.mark.parametrize("name", PETS)
def test_a_name_in_quotes_is_its_class(name):
    found = find_relation(f"a == {name!r}", PETS)
    assert found.answers.tolist() == table_of(lambda a, b: a == PETS.index(name), len(PETS))
    assert find_relation(f"b in ('dog', {name!r})", PETS).answers[0, PETS.index(name)]


# What is typed, and what is said of it.
WRONG = {
    "": "is unknown; known: <=, <, ==, same parity, or an expression",
    ">=": "is unknown; known: <=",
    "same parety": "did you mean same parity?",
    "__import__('os').system('x')": "is unknown",
    "x" * 600: "is unknown",
    "a": "it is a number; compare it",
    "a + b": "it is a number; compare it",
    "not a": "a is a number, and an answer is needed",
    "a and b": "a is a number, and an answer is needed",
    "(a < b) + 1 == 2": "a < b is an answer, and a number is needed",
    "(a < b) == 1": "are a number and an answer",
    "a.real < b": "a dot asks for a part",
    "a[0] < b": "by [ ]",
    "a() < b": "a cannot be called; there are abs, min, max",
    "print(a) < b": "print cannot be called",
    "a.bit_length() < b": "a.bit_length cannot be called",
    "open('/etc/passwd') == a": "open cannot be called",
    "(lambda: a)() == b": "cannot be called",
    "lambda a: b": "lambda makes a function",
    "(c := a) == b": "nothing can be assigned",
    "f'{a}' == b": "text cannot be made",
    "a < b if a else b": "there is no if",
    "[a for a in b]": "has no place in it",
    "{a: b}": "has no place in it",
    "*a, b": "invalid syntax",
    "await a": "has no place in it",
    "(yield a)": "has no place in it",
    "a == True": "True has no place in it",
    "a == None": "None has no place in it",
    "a < 1.5": "1.5 has no place in it",
    "a < b + 1j": "1j has no place in it",
    "a == b'x'": "b'x' has no place in it",
    "a @ b == 0": "MatMult has no place in it",
    "a << 2 < b": "LShift has no place in it",
    "a / b > 1": "/ gives fractions; write //",
    "a & b == 0": "write and",
    "a is b": "write ==",
    "a in b": "in brackets",
    "a in '123'": "in brackets",
    "abs(a, b) < 1": "abs takes one number",
    "max(a) < 1": "max takes two numbers or more",
    "max(*a) < 1": "max takes numbers alone",
    "max(a, b, key=a) < 1": "max takes numbers alone",
    "c < a": "there is no c; a and b are the classes",
    "a == dog": "dog is a class, whose name must stand in quotes",
    "a == 'doog'": "there is no class 'doog'; did you mean 'dog'? the classes are cat, dog,",
    "a + 'dog' == b": "'dog' is a class, which can be compared and no more",
    "9 ** 9 ** 9 > a": "beyond 1,000,000,000",
    "a < 2 ** 10 ** 10": "beyond 1,000,000,000",
    "a < 99999999999999999999999999": "beyond 1,000,000,000",
    "a * 999999999 * 9 < b": "beyond 1,000,000,000",
    "a < 2 ** (b - 9)": "a power below 0 for a = 0 and b = 0",
    "a % b == 0": "it divides by zero (%) for a = 0 and b = 0",
    "a // (b - 3) == 0": "it divides by zero (//) for a = 0 and b = 3",
    "(" * 300 + "a": "too many nested parentheses",
    "-" * 450 + "a < b": "nested deeper than 40",
    "not " * 100 + "a < b": "nested deeper than 40",
    "a < b or " * 60 + "a < b": "545 characters, and at most 500 are read",
    "a <": "invalid syntax",
    "a < b; b": "invalid syntax",
    "a = b": "invalid syntax",
    "a\n< b": "invalid syntax",
    "a < \0b": "null bytes",
    "a < \ud800b": "no text",
    "а < b": "there is no а",  # Cyrillic
    "a ≤ b": "invalid character",
    "a == a": "it is true of any two of the 5 classes",
    "a < 0 and 1 // 0 == b": "it is false of any two",
    "a > 7": "it is false of any two of the 5 classes",
    "net.py:ask": "is a function",
}


@pytest.mark.parametrize("typed", WRONG, ids=lambda typed: ascii(typed[:30]))
def test_what_cannot_be_asked_is_said_in_a_line(typed):
    with pytest.raises(SettingError) as caught:
        find_relation(typed, PETS)
    said = str(caught.value)
    assert WRONG[typed] in said
    assert said.startswith("`relation` (=")
    assert "\n" not in said
    assert len(said) < 400


@settings(deadline=None)
@given(st.text(alphabet="ab01 ()'+-*/%<>=!,.:[]{}\n\\notrdi", max_size=60))
def test_whatever_is_typed_has_a_table_or_an_error_of_a_line(typed):
    found, said = told(lambda: find_relation(typed, PETS))
    if said:
        assert len(said.splitlines()) == 1
    else:
        assert found.answers.shape == (5, 5)
        assert find_relation(found.text, PETS) == found


def test_a_text_is_one_line_without_comments():
    assert find_relation("(a <\n  b - 1)  # well below").text == "a < b - 1"
    assert find_relation("a  in  (1,2)").text == "a  in  (1,2)"


def test_a_thousand_classes_take_no_time():
    before = time.monotonic()
    found = find_relation("b != 0 and a % b == 0 or abs(a - b) in (1, 2, 3)", numbered(1000))
    assert found.answers[999, 333]
    assert not found.answers[998, 333]
    assert found.identity.startswith("1000-")
    assert time.monotonic() - before < 10  # one by one it takes minutes


def test_a_record_keeps_the_table():
    asked = find_relation("a == 'dog' or b == 'cat'", PETS)
    record = {"relation": asked.text, "answers": asked.packed, "class_names": list(PETS)}
    again = relation_of_record(record)
    assert again == asked
    assert (again.text, again.class_names) == (asked.text, PETS)
    assert relation_of_record({"relation": "<"}) == find_relation("<")  # of an earlier version


@pytest.mark.parametrize(
    ("typed", "text", "question", "meant"),
    [
        ("<", "<", None, True),
        ("a < b", "<", None, True),
        ("b > a", "<", find_relation("<", numbered(26)).identity, True),
        ("a<b+2", "a < b + 2", find_relation("a < b + 2").identity, True),
        ("b+2>a", "a < b + 2", find_relation("a < b + 2").identity, True),
        ("a < b + 3", "a < b + 2", find_relation("a < b + 2").identity, False),
        ("a == 'dog'", "a == 'dog'", find_relation("a == 'dog'", PETS).identity, True),
        ("'dog' == a", "a == 'dog'", find_relation("a == 'dog'", PETS).identity, False),  # no names are known here
        ("net.py:ask", "net.py:ask #a1b2c3", "5-a1b2c3", True),
        ("net.py:ask", "net.py:other", "5-a1b2c3", False),
        ("nonsense", "<", None, False),
    ],
)
def test_a_relation_is_meant_however_it_is_written(typed, text, question, meant):
    assert is_meant(typed, text, question) == meant


def test_names_of_classes_are_known_where_they_are_given():
    question = find_relation("a == 'dog'", PETS).identity
    assert is_meant("'dog' == a", "a == 'dog'", question, PETS)


def test_relations_of_other_classes_are_others():
    assert find_relation("<", numbered(26)) != find_relation("<")
    assert find_relation("<", tuple(string.ascii_lowercase)) == find_relation("<", numbered(26))
    assert dataclasses.replace(find_relation("<"), text="lower") == find_relation("<")


def asked(function, classes=DIGIT_NAMES):
    return relation_of_function("own.py:ask", function, classes, lambda error: f"{type(error).__name__}: {error}")


def test_a_function_is_asked_of_all_pairs():
    found = asked(lambda a, b: (a * b) % 3 == 1)
    assert found.answers.tolist() == table_of(lambda a, b: (a * b) % 3 == 1, 10)
    assert found.text == "own.py:ask"
    assert asked(lambda a, b: np.bool_(a <= b)).text == "<="


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda a, b: 3, "it gives 3 for the classes 0 and 0; it must give True or False"),
        (lambda a, b: None, "it gives None"),
        (lambda a, b: 1 // (a - 2) == b, "it fails for the classes 2 and 0: ZeroDivisionError"),
        (lambda a: True, "it fails for the classes 0 and 0: TypeError"),
        (lambda a, b: True, "it is true of any two of the 10 classes"),
        (lambda a, b: random.random() < 0.5, "it gave two answers for the classes"),
    ],
)
def test_what_a_function_gives_must_be_an_answer(function, says):
    with pytest.raises(SettingError, match=says) as caught:
        asked(function)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "is_one"),
    [("own.py:ask", True), ("/a b/own.py: ask", True), ("a < b", False), ("a == 'x.py:y'", False), ("own:ask", False)],
)
def test_what_names_a_function(typed, is_one):
    assert is_function(typed) == is_one
