"""Networks of one's own in a table: their names, and what a typed text chooses."""

import pandas as pd
import pytest

from twofold.analysis import AnalysisError, as_trials, effects, select, told_apart, typed_texts, with_factors
from twofold.errors import SettingError
from twofold.networks.typed import parse


def rows_of(text, identity="", rounds=2, stored=repr):
    """Trials of each network that is typed."""
    typed = parse(text)
    return [
        {
            "network": typed.label(arguments),
            "identity": (identity + typed.label(arguments).encode().hex())[:64],
            "source": typed.text,
            "arguments": {n: stored(v) if isinstance(v, tuple) else v for n, v in arguments.items()},
            "round": number,
            "test_error": 0.1,
        }
        for arguments in typed.combinations()
        for number in range(rounds)
    ]


PAPERS = [{"network": name, "round": number, "test_error": 0.1} for name in ("NetWS", "NetAL") for number in range(2)]
TABLE = pd.DataFrame(
    [
        *rows_of("nets/file.py:Twin(share=[False, True], size=[(3, 3), (5, 5)])"),
        *rows_of("other.module:Twin(share=True)", identity="f00d"),
        *rows_of("nets/file.py:Plain"),
        *PAPERS,
    ]
)


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("nets/file.py:Twin", 8),
        ("./nets/../nets/file.py:Twin()", 8),
        ("nets/file.py:Twin(share=True)", 4),
        ("nets/file.py:Twin(size=(3, 3))", 4),
        ("nets/file.py:Twin(size=[(5, 5), (3, 3)], share=False)", 4),
        ("nets/file.py:Twin(share=[False, True])", 8),
        ("nets/file.py: Twin( share = True, size=(5,5) )", 2),
        ("other.module:Twin(share=True)", 2),
        ("nets/file.py:Plain", 2),
        ("Plain", 2),
        ("NetWS", 2),
        ("Twin(share=True, size=(3, 3))", 2),
    ],
)
def test_a_typed_network_chooses_the_rows_that_have_its_source_and_arguments(typed, rows):
    assert len(select(TABLE, {"network": [typed]})) == rows
    assert len(select(TABLE, {"network": [typed, "NetAL"]})) == rows + 2


@pytest.mark.parametrize(
    "typed",
    [
        "file.py:Twin",
        "nets/file.py:Twins",
        "nets/file.py:Twin(share=1)",
        "nets/file.py:Twin(depth=3)",
        "nets/file.py:Twin(size='(3, 3)')",
        "other.module:Twin(share=None)",
        "nets/file.py:NetWS",
        "Twin",
    ],
)
def test_what_no_row_has_chooses_nothing_and_says_what_there_is(typed):
    with pytest.raises(SettingError, match=r"no trial has `network` .*there is NetAL, NetWS, Plain, Twin\(share=False"):
        select(TABLE, {"network": [typed]})


def test_what_cannot_be_read_is_refused():
    with pytest.raises(SettingError, match="must be a literal"):
        select(TABLE, {"network": ["file.py:Twin(share=maybe)"]})


def test_networks_of_one_name_that_differ_are_told_apart():
    changed = pd.DataFrame(rows_of("nets/file.py:Plain", identity="a1b2c3"))
    table = pd.concat([TABLE, changed], ignore_index=True)
    names = set(told_apart(table).network)
    assert {"Plain #506c61", "Plain #a1b2c3", "NetWS", "Twin(share=True)"} < names
    assert "Plain" not in names
    again = as_trials(told_apart(table))
    assert set(again.network) == names
    for chosen, rows in (("Plain", 4), ("Plain #a1b2c3", 2), ("nets/file.py:Plain", 4)):
        assert len(select(table, {"network": [chosen]})) == rows
    assert told_apart(TABLE) is TABLE


def test_a_network_with_a_built_in_name_is_told_apart_from_it():
    table = told_apart(pd.concat([TABLE, pd.DataFrame(rows_of("f.py:NetWS", identity="123456"))], ignore_index=True))
    assert set(table.network[table.source == "f.py:NetWS"]) == {"NetWS()"}
    assert (table.network == "NetWS").sum() == 2
    later = table.assign(network=table.network.replace("NetWS()", "NetWS"))  # built in since those rows were written
    assert set(told_apart(later).network[table.source == "f.py:NetWS"]) == {"NetWS #123456"}


@pytest.mark.parametrize(
    "typed",
    [
        ["f.py:Twin(share=[False, True], aux=[False, True], norm='batch')"],
        ["f.py:Twin(share=True)", "f.py:Twin(share=True, aux=False)", "g.py:Plain"],
        ["a.module:Twin(size=[(3, 3), 'wide', None, 1, 1.5])"],
    ],
)
def test_networks_are_typed_as_they_were(typed):
    table = pd.DataFrame([row for text in typed for row in rows_of(text)])
    assert typed_texts(pd.concat([table, pd.DataFrame(PAPERS)])) == ["NetWS", "NetAL", *typed]


def test_what_is_no_whole_crossing_is_typed_one_by_one():
    table = pd.DataFrame(rows_of("f.py:Twin(share=[False, True], aux=[False, True])")[:-2])
    texts = typed_texts(table)
    assert len(texts) == 3
    assert [label for text in texts for label in map(parse(text).label, parse(text).combinations())] == list(
        dict.fromkeys(table.network)
    )


def test_factors_are_columns_after_the_network():
    table = with_factors(TABLE)
    assert list(table.columns[:4]) == ["network", "share", "Twin.size", "identity"]
    assert table["Twin.size"].isna().sum() == 2 + 2 + 4
    assert set(table["Twin.size"].dropna()) == {"(3, 3)", "(5, 5)"}
    assert table.share[table.network.str.startswith("Twin(share=False")].tolist() == [False] * 4
    pd.testing.assert_frame_equal(table[TABLE.columns], TABLE)


@pytest.mark.parametrize("name", ["seed", "Round", "test_error", "device"])
def test_a_factor_named_as_a_column_has_its_own(name):
    table = with_factors(pd.DataFrame(rows_of(f"f.py:Twin({name}=[1, 2])")))
    assert f"Twin.{name}" in table
    assert table[f"Twin.{name}"].tolist() == [1, 1, 2, 2]


def test_tables_without_own_networks_have_no_factors():
    assert list(with_factors(pd.DataFrame(PAPERS))) == ["network", "round", "test_error"]


def test_arguments_may_be_texts_as_in_a_file():
    table = pd.DataFrame(rows_of("f.py:Twin(share=[False, True])"))
    as_text = table.assign(arguments=table.arguments.map(str))
    pd.testing.assert_frame_equal(effects(as_text), effects(table))
    with pytest.raises(AnalysisError, match=r"`arguments` \(='share'\) must be names and values"):
        as_trials(table.assign(arguments="share"))
