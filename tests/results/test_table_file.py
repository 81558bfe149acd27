"""Tables of trials that went through a spreadsheet: read as they were written, or refused with the cell's name."""

import csv
import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.analysis import AnalysisError, as_trials, findings
from twofold.cli import main
from twofold.errors import DataError
from twofold.results import Store
from twofold.results.cells import TYPES
from twofold.results.store import LONG_COLUMNS
from twofold.results.table_file import read_csv

Made = Callable[..., pd.DataFrame]
Cells = list[list[str]]

# True and false as spreadsheets and people write them.
_WORDS = """True False|t f|T F|1 0|1.0 0.0|TRUE FALSE|true false|yes no|Y N|WAHR FALSCH|ja nein|VRAI FAUX|oui non
VERDADERO FALSO|SÍ NO|SI NO|VERO FALSO|VERDADEIRO FALSO|sim não|WAAR ONWAAR|SANT FALSKT|SAND FALSK|SANN USANN
PRAWDA FAŁSZ|PRAVDA NEPRAVDA|TOSI EPÄTOSI|IGAZ HAMIS|DOĞRU YANLIŞ|ADEVĂRAT FALS|ИСТИНА ЛОЖЬ|да нет"""
WORDS = [tuple(pair.split()) for line in _WORDS.splitlines() for pair in line.split("|")]

# What a spreadsheet calls "Unicode text" is the last.
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le with its mark"]


@pytest.fixture(scope="module")
def stored(row: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The trials of a store of all kinds of values, as the store gives them."""
    store = Store(tmp_path_factory.mktemp("stored") / "trials.db")
    for number in range(4):
        other = {"shuffle": True, "learning_rate": 0.001, "seed": 0} if number % 2 else {"digit_error": None}
        errors = {"train_error": 0.0, "test_error": number / 7, "seconds": 1234.5 * number}
        store.add({**row, "key": f"{number}", "round": number, "diverged": number == 3, **errors, **other})
    return store.read()


@pytest.fixture(scope="module")
def written(stored: pd.DataFrame) -> Cells:
    """The cells of the file that `twofold results --csv` makes of them."""
    return list(csv.reader(io.StringIO(stored.to_csv(index=False))))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trials.csv"


def text_of(cells: Cells, separator: str = ",", line_end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(cells)
    return text.getvalue()


def encoded(text: str, encoding: str) -> bytes:
    return ("\ufeff" + text).encode("utf-16-le") if encoding == "utf-16-le with its mark" else text.encode(encoding)


def with_numbers(cells: Cells, change: Callable[[str, str], str]) -> Cells:
    """The cells, those below a column of the store changed by a function of the column's name and the cell."""
    header, *rows = cells
    return [header, *([change(name, cell) for name, cell in zip(header, row)] for row in rows)]


def saved_with(word: tuple[str, str], decimal: str) -> Callable[[str, str], str]:
    def change(name: str, cell: str) -> str:
        if TYPES[name] is bool:
            return {"True": word[0], "False": word[1]}[cell].replace(".", decimal)
        return cell.replace(".", decimal) if TYPES[name] in (int, float) else cell

    return change


def cell_of(cells: Cells, name: str, row: int, value: str) -> Cells:
    """The cells with one changed; rows count as a spreadsheet counts them."""
    changed = [list(line) for line in cells]
    changed[row - 1][changed[0].index(name)] = value
    return changed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=st.sampled_from(WORDS),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from(".,"),
    encoding=st.sampled_from(ENCODINGS),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    order=st.permutations(range(len(TYPES) - len(LONG_COLUMNS))),
    blanks=st.sampled_from(["", " ", "\u00a0"]),
    empty=st.sampled_from(["", "NaN", "#N/A"]),
    trailing=st.booleans(),
    index=st.sampled_from([None, "", "Unnamed: 0"]),
    whole=st.sampled_from(["", ".0", ".00"]),
    stated=st.booleans(),
)
def test_what_a_spreadsheet_changes_without_loss_is_read_as_it_was(
    stored: pd.DataFrame, written: Cells, file: Path, word: tuple[str, str], separator: str, decimal: str,
    encoding: str, line_end: str, quoting: int, order: list[int], blanks: str, empty: str, trailing: bool,
    index: str | None, whole: str, stated: bool,
) -> None:  # fmt: skip
    cells = with_numbers(written, lambda name, cell: cell + whole if TYPES[name] is int else cell)
    cells = with_numbers(cells, saved_with(word, decimal))
    cells = [[blanks + (cell or empty) + blanks for cell in (line[i] for i in order)] for line in cells]
    if index is not None:
        cells = [[index if n == 0 else str(n - 1), *line] for n, line in enumerate(cells)]
    if trailing:
        cells = [[*line, "", ""] for line in cells] + [[""] * len(cells[0]), []]
    text = f"sep={separator}{line_end}" if stated and line_end != "\r" else ""
    file.write_bytes(encoded(text + text_of(cells, separator, line_end, quoting), encoding))
    read = read_csv(file)
    pd.testing.assert_frame_equal(read[list(stored)], stored, check_exact=True)


def test_a_file_as_it_was_written_is_the_store_to_the_last_bit(stored: pd.DataFrame, file: Path) -> None:
    stored.to_csv(file, index=False)
    pd.testing.assert_frame_equal(read_csv(file), stored, check_exact=True)


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_trials_are_the_same_whatever_true_is_called(made_up: Made, file: Path, words: tuple[str, str]) -> None:
    table = made_up(3)
    truths = {name: table[name].map({True: words[0], False: words[1]}) for name in table if TYPES[name] is bool}
    changed = table.assign(**truths)
    changed.to_csv(file, index=False)
    for found in (read_csv(file), as_trials(changed), as_trials(pd.read_csv(file, dtype=object))):
        pd.testing.assert_frame_equal(found, table, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("learning_rate", "1E-03", 0.001),
        ("learning_rate", "1.00E-03", 0.001),
        ("learning_rate", ".001", 0.001),
        ("round", "7.", 7),
        ("round", "1.2E+01", 12),
        ("seed", "9223372036854775807", 2**63 - 1),
        ("digit_error", "", None),
        ("digit_error", "None", None),
        ("key", "1.23E+40", "1.23E+40"),
        ("data", "nan", "nan"),
    ],
)
def test_cells_that_a_spreadsheet_wrote_its_way_are_read(
    written: Cells, file: Path, column: str, text: str, value: Any
) -> None:
    file.write_text(text_of(cell_of(written, column, 3, text)), encoding="utf-8")
    read = read_csv(file)[column][1]
    assert pd.isna(read) if value is None else read == value


@pytest.mark.parametrize(
    ("column", "text", "must_be"),
    [
        ("weight_sharing", "2", "True or False"),
        ("auxiliary_losses", "maybe", "True or False"),
        ("diverged", "-1", "True or False"),
        ("shuffle", "", "have a value"),
        ("normalise", "0,0", "True or False"),
        ("round", "Mar 1", "a whole number"),
        ("round", "01.03.2026", "a whole number"),
        ("round", "3.5", "a whole number"),
        ("round", "½", "a whole number"),
        ("round", "٣", "a whole number"),
        ("round", "", "have a value"),
        ("round", "1.000", "a whole number; '.' may stand before its thousands or its decimals"),
        ("pairs", "1,000", "a whole number"),
        ("pairs", "1 000", "a whole number"),
        ("pairs", "1'000", "a whole number"),
        ("pairs", "1_000", "a whole number"),
        ("pairs", "1.00E+03", "a whole number with all its digits"),
        ("pairs", "0", "at least 1"),
        ("seed", "9.22337E+18", "a whole number with all its digits"),
        ("round", "99999999999999999999", "at most 9223372036854775807"),
        ("epochs", "99999999999999999999", "at most"),
        ("test_error", "", "have a value"),
        ("test_error", "#DIV/0!", "a value, not a spreadsheet's error"),
        ("test_error", "12.5", "a fraction between 0 and 1; divide percents by 100"),
        ("test_error", "12.5 %", "a number"),
        ("test_error", "0,125", "a number with '.' before its decimals"),
        ("test_error", "Dez 12", "a number"),
        ("test_error", "inf", "a number"),
        ("digit_error", "0.1.2", "a number"),
        ("learning_rate", "0", "greater than 0"),
        ("test_error", "1e999", "a fraction between 0 and 1"),
        ("aux_weight", "1.000.000", "a number"),
        ("network", "#NAME?", "a value, not a spreadsheet's error"),
        ("network", "", "have a value"),
        ("relation", "Err:510", "a value, not a spreadsheet's error"),
        ("optimizer", "Adam", "did you mean adam?"),
    ],
)
@pytest.mark.parametrize("blank_rows", [0, 2])
def test_a_cell_that_lost_its_value_is_named_by_row_column_and_value(
    written: Cells, file: Path, column: str, text: str, must_be: str, blank_rows: int
) -> None:
    cells = cell_of(written, column, 4, text)
    file.write_text(text_of(cells[:2] + [[]] * blank_rows + cells[2:]), encoding="utf-8")
    with pytest.raises(DataError) as raised:
        read_csv(file)
    message = str(raised.value)
    assert message.startswith(f"{file}, row {4 + blank_rows}: `{column}` (=")
    assert text in message
    assert must_be in message
    assert "\n" not in message


@pytest.mark.parametrize(("decimal", "other"), [(",", "."), (".", ",")])
def test_a_sign_between_thousands_is_refused(written: Cells, file: Path, decimal: str, other: str) -> None:
    cells = with_numbers(written, saved_with(("True", "False"), decimal))
    for name in ("pairs", "seconds"):
        file.write_text(text_of(cell_of(cells, name, 2, f"1{other}000"), ";"), encoding="utf-8")
        with pytest.raises(DataError, match=rf"row 2: `{name}` \(='1\{other}000'\) must be a"):
            read_csv(file)


def test_decimal_commas_between_commas_are_refused(written: Cells, file: Path) -> None:
    cells = with_numbers(written, saved_with(("True", "False"), ","))
    file.write_text("\n".join(",".join(line) for line in cells), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 2: \d+ cells for \d+ columns; where numbers have decimal commas"):
        read_csv(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "it is empty"),
        (b"PK\x03\x04 and so on", "it is a spreadsheet's own file; save it as CSV"),
        ("network,round\nNetWS,1\nZwölf,2\n".encode("cp1252"), "row 3 is not UTF-8; save it as CSV UTF-8"),
        ("network,round\n".encode("utf-16-le"), "it is not UTF-8; save it as CSV UTF-8"),
        (b"\xff\xfen", "truncated data"),
        (b'network,round\nNetWS,"1\n', "unexpected end of data"),
        (b"network,round,round\nNetWS,1,1\n", "row 1: two columns are named `round`; leave one"),
        (b"round,network,Round\n1,NetWS,1\n", "row 1: two columns are named `round`; leave one"),
        (b'"a\nb","a\nb"\n1,2\n', r"row 1: two columns are named `a\nb`; leave one"),
        (b"network,round\nNetWS,1,2\n", "row 2: 3 cells for 2 columns"),
        (b"network,round\nNetWS\n", "row 2: `round` (='') must have a value"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_csv(file)
    assert message in str(raised.value)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_columns_are_known_however_they_are_spaced_and_capitalised(stored: pd.DataFrame, file: Path) -> None:
    stored.rename(columns=lambda name: f" {name.replace('_', ' ').title()}").to_csv(file, index=False)
    pd.testing.assert_frame_equal(read_csv(file), stored, check_exact=True)


def test_further_columns_are_texts_and_change_nothing(made_up: Made, file: Path) -> None:
    table = made_up(5)
    table.assign(remark="see p. 3", mine="#REF!").to_csv(file, index=False)
    read = read_csv(file)
    assert set(read.mine) == {"#REF!"}
    pd.testing.assert_frame_equal(findings(read).tables["effects"], findings(table).tables["effects"])


def test_columns_that_no_statistic_needs_may_lack(made_up: Made, file: Path) -> None:
    table = made_up(5)
    table[["network", "round", "test_error"]].to_csv(file, index=False)
    pd.testing.assert_frame_equal(findings(read_csv(file)).tables["effects"], findings(table).tables["effects"])


def test_a_history_of_many_epochs_is_read_and_pythons_limit_is_as_before(
    row: Mapping[str, Any], tmp_path: Path, file: Path
) -> None:
    epochs = 20_000
    losses, units = [1 / (epoch + 3) for epoch in range(epochs)], [[3, epoch % 11] for epoch in range(epochs)]
    store = Store(tmp_path / "trials.db")
    store.add({**row, "epochs": epochs, "train_loss": losses, "dead_units_trace": units})
    stored = store.read(histories=True)
    stored.to_csv(file, index=False)
    limit = csv.field_size_limit()
    assert max(map(len, file.read_text().split('"'))) > limit
    pd.testing.assert_frame_equal(read_csv(file), stored, check_exact=True)
    assert csv.field_size_limit() == limit
    with ThreadPoolExecutor(4) as threads:
        assert {len(table) for table in threads.map(read_csv, [file] * 8)} == {1}
    file.write_text(file.read_text() + '"')
    with pytest.raises(DataError, match="is no table of trials"):
        read_csv(file)
    assert csv.field_size_limit() == limit


def test_histories_are_lists(row: Mapping[str, Any], tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "trials.db")
    store.add({**row, "train_loss": [1.5, None]})
    store.add({**row, "key": "other", "dead_units_trace": None})
    table = store.read(histories=True)
    table.to_csv(file, index=False)
    pd.testing.assert_frame_equal(read_csv(file), table, check_exact=True)
    file.write_text(file.read_text().replace('"[1.5, None]"', "12/1/2026"))
    with pytest.raises(DataError, match=r"row 2: `train_loss` \(='12/1/2026'\) must be a list"):
        read_csv(file)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("auxiliary_losses", "maybe", r"`auxiliary_losses` \(='maybe'\) must be True or False"),
        ("weight_sharing", 2, r"`weight_sharing` \(='2'\) must be True or False"),
        ("diverged", None, r"`diverged` \(='None'\) must have a value"),
        ("pairs", "1,000", r"`pairs` \(='1,000'\) must be a whole number"),
    ],
)
def test_a_table_in_python_is_checked_too(made_up: Made, column: str, value: Any, message: str) -> None:
    table = made_up(2)
    table[column] = [value, *table[column].astype(object)[1:]]
    with pytest.raises(AnalysisError, match=message):
        as_trials(table)


def test_the_program_says_which_cell_is_wrong(
    made_up: Made, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = made_up(4).astype({"weight_sharing": object})
    table.loc[2, "weight_sharing"] = "?"
    table.to_csv(file, index=False)
    monkeypatch.chdir(file.parent)
    for command in ("analyse", "power"):
        assert main([command, "--csv", file.name]) == 4
        assert "trials.csv, row 4: `weight_sharing` (='?') must be True or False\n" in capsys.readouterr().err
