"""Tables in the width of a terminal: no line is too long, no word is broken, no number is lost."""

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.report.groups import listed
from tests.report.made_up import made_up_trials

from twofold.report.terminal.fitting import fitted, whole
from twofold.report.terminal.study import summary_table
from twofold.report.terminal.tables import rich_table
from twofold.report.text.numbers import cut_numbers
from twofold.settings import value_text

LONG = "abs(a - b) <= 1 and a != 'zebra'"
CHANCE = {"true_share": 0.3, "one_image_error": 0.1}


def printed(table, width, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(width=width, file=file)
    for each in fitted(table, console):
        console.print(each)
    file.seek(0)
    return file.read()


def several():
    tables = [made_up_trials(3, relation=relation, data="animals-and-plants", **CHANCE) for relation in ("<=", LONG)]
    return pd.concat([*tables, tables[0].assign(learning_rate=0.0003)], ignore_index=True)


@pytest.mark.parametrize("make", [summary_table, listed])
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_words_stay_whole_in_any_width(make, width, encoding):
    text = printed(make(several()), width, encoding)
    assert max(map(len, text.splitlines())) <= width
    words = set(text.split())
    assert {"network", "relation", "learning", "NetWSAL", "0.0003", "'zebra'"} <= words
    assert "NetWSA" not in words
    assert {"animals-and-plants", "plants"} & words or make is summary_table


def test_where_columns_have_no_room_names_stand_beside_each_part_of_them():
    rows = [[f"net-{row}", *[f"{row}.{column:06}" for column in range(12)]] for row in range(6)]
    text = printed(rich_table("A title of many words " * 5, ["network", *map(str, range(12))], rows), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("net-5") == 3
    assert all(cell in text.split() for row in rows for cell in row)


RATES = ["0.001", "0.0010000001", "0.003658592458614746", "0.0036585999", "1.528489111467036e-05"]


def test_numbers_of_searches_are_cut_to_what_tells_them_apart_where_room_lacks():
    assert cut_numbers(RATES) == ["0.001", "0.001000000…", "0.003658592…", "0.003658599…", "1.5284891…e-05"]
    assert cut_numbers(RATES[2:3]) == ["0.003658…"]
    rows = [["NetBase", rate, "1" * 12, "2.00 to 3.00"] for rate in RATES]
    table = rich_table("", ["network", "learning\nrate", "trials", "95 %\ninterval %"], rows, left=2)
    assert all(rate in printed(table, 80).split() for rate in RATES)
    narrow = printed(table, 56)
    assert max(map(len, narrow.splitlines())) <= 56
    shown = [line.split()[1] for line in narrow.splitlines() if line.strip().startswith("NetBase")]
    assert shown == cut_numbers(RATES)


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=8, unique=True))
def test_cut_numbers_are_told_apart_and_begin_as_they_did(numbers):
    texts = [value_text(number) for number in numbers]
    cut = cut_numbers(texts)
    assert len(set(cut)) == len(texts)
    assert all(text.startswith(short.split("…")[0]) and len(short) <= len(text) for short, text in zip(cut, texts))


def test_what_stands_below_a_table_ends_its_lines_between_words_and_beside_no_sign():
    below = "of the others 11.40 % and of these 12.30 % " * 5
    table = rich_table("", ["network", "mean %"], [["NetBase", "1.00"]], caption=below)
    file = io.StringIO()
    console = Console(width=1000, file=file)
    console.print(*whole(table, console), sep="\n")
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert not [line for line in lines if line.startswith("%")]
    assert " ".join(" ".join(lines).split()).endswith(below.strip())


def test_a_table_that_fits_is_as_it_was():
    table = rich_table("Title", ["network", "mean %"], [["NetBase", "1.00"]])
    assert fitted(table, Console(width=80)) == [table]


def test_the_title_says_what_was_asked_where_it_is_not_the_usual():
    assert str(summary_table(made_up_trials(3, relation="<=")).title) == "Test error, 3 rounds"
    title = str(summary_table(made_up_trials(3, relation="==", data="pets", **CHANCE)).title)
    assert title == "Test error on pets, “first = second”, 3 rounds"
