"""What a network says of pictures, in words."""

import pytest

from twofold.data import find_relation
from twofold.report.text.predictions import answers_table, one_answer

PETS = ("bird", "cat", "dog, small")


def row(answer, *classes, probability=0.81):
    seen = {f"{side}_class": name for side, name in zip(("left", "right"), classes or (None, None))}
    shares = dict.fromkeys(("left_probability", "right_probability"), 0.7 if classes else None)
    read = dict.fromkeys(("left_read_as", "right_read_as"))
    return {"left": "l", "right": "r", "answer": answer, "probability": probability, **seen, **shares, **read}


@pytest.mark.parametrize(
    ("relation", "names", "answer", "classes", "first"),
    [
        ("a == 'cat' and b != 'cat'", PETS, False, ("cat", "cat"),
         "a == 'cat' and b != 'cat', for a = cat and b = cat: no, 81 %"),
        ("a == 'cat' and b != 'cat'", PETS, True, (), "a == 'cat' and b != 'cat': yes, 81 %"),
        ("<=", tuple("0123456789"), True, ("7", "9"), "7 ≤ 9: yes, 81 %"),
        ("same parity", tuple("0123456789"), False, ("7", "8"), "7 and 8, same parity: no, 81 %"),
    ],
)  # fmt: skip
def test_an_answer_says_for_which_classes_it_is(relation, names, answer, classes, first):
    said = list(one_answer(row(answer, *classes), find_relation(relation, names), None))
    assert said[0] == first
    assert not any("contradicts" in line for line in said)


def test_an_answer_that_contradicts_the_classes_seen_is_said_to():
    less = find_relation("<=")
    assert list(one_answer(row(True, "7", "3"), less, None))[1] == (
        "The network contradicts itself: for the classes that it sees, the answer is no."
    )
    table = answers_table([row(True, "7", "3"), row(True, "3", "7"), row(None)], "NetAL", less, None)
    assert [cells[2] for cells in table.cells] == ["7 ≤ 3: yes †", "3 ≤ 7: yes", "–"]
    assert any(note.startswith("†") for note in table.notes)
    assert answers_table([row(True, "3", "7")] * 2, "NetAL", less, None).notes == []
