"""Tables in the width of a terminal: no line is too long, no word is broken, no number is lost."""

import io

import pandas as pd
import pytest
from rich.console import Console
from tests.report.groups import listed
from tests.report.made_up import made_up_trials

from twofold.report.terminal.fitting import fitted
from twofold.report.terminal.study import summary_table
from twofold.report.terminal.tables import rich_table

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


def test_a_table_that_fits_is_as_it_was():
    table = rich_table("Title", ["network", "mean %"], [["NetBase", "1.00"]])
    assert fitted(table, Console(width=80)) == [table]


def test_the_title_says_what_was_asked_where_it_is_not_the_usual():
    assert str(summary_table(made_up_trials(3, relation="<=")).title) == "Test error, 3 rounds"
    title = str(summary_table(made_up_trials(3, relation="==", data="pets", **CHANCE)).title)
    assert title == "Test error on pets, “first = second”, 3 rounds"
