"""What a run shows: on a terminal, in a log file, in a notebook."""

import contextlib
import io
import os
import sys

import pytest
from rich.console import Console

from twofold.report.live import LiveDisplay
from twofold.study.conduct import Listener
from twofold.study.forecast import Forecast


def play(display: LiveDisplay, stored: int = 0) -> None:
    """A run of four trials of ten epochs."""
    with display:
        display.begin(4, stored, 10 * (4 - stored))
        for number in range(stored, 4):
            for _ in range(2):
                display.advance(5)
            display.done({"network": f"Net{number % 2}", "test_error": number / 10})


def terminal(width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=24, legacy_windows=False)


def last_picture(console: Console) -> str:
    """What a terminal shows in the end, without colours: what follows the last move of the cursor upwards."""
    from rich.text import Text

    output = console.file.getvalue()
    return Text.from_ansi(output[output.rfind("\x1b[1A") :]).plain


def test_it_is_a_listener():
    assert isinstance(LiveDisplay(terminal()), Listener)


@pytest.mark.parametrize("width", [80, 60, 45])
def test_a_terminal_ends_with_the_table_and_the_full_bar(width):
    console = terminal(width)
    play(LiveDisplay(console))
    picture = last_picture(console)
    assert "4 of 4 trials" in picture
    assert "100 %" in picture
    assert all(len(line) <= width - len("^C") for line in picture.splitlines())
    # Net0 had 0 and 20 %, Net1 10 and 30 %: mean, sample deviation, last.
    assert ["Net0", "2", "10.00", "14.14", "20.0"] in [line.split() for line in picture.splitlines()]
    assert ["Net1", "2", "20.00", "14.14", "30.0"] in [line.split() for line in picture.splitlines()]


def test_stored_trials_are_told_of_and_counted():
    console = terminal()
    play(LiveDisplay(console), stored=1)
    assert "1 of 4 trials are in the store already; training the other 3" in console.file.getvalue()
    assert "4 of 4 trials" in last_picture(console)


def test_where_nothing_is_left_to_train_there_is_no_bar():
    console = terminal()
    play(LiveDisplay(console), stored=4)
    output = console.file.getvalue()
    assert "4 of 4 trials are in the store already; nothing is left to train" in output
    assert "compiling" not in output
    assert "%" not in output


@pytest.mark.parametrize("width", [80, 60, 45])
def test_names_of_many_letters_leave_room_for_the_numbers(width):
    console = terminal(width)
    with LiveDisplay(console) as display:
        display.begin(4, 0, 4)
        for rate in (0.021845351726813452, 0.781433817812293):
            for error in (0.1, 0.3):
                display.done({"network": "NetWSAL", "learning_rate": rate, "optimizer": "rmsprop", "test_error": error})
    lines = [line.strip() for line in last_picture(console).splitlines()]
    shown = [line for line in lines if line.startswith("NetWS")]
    assert [line.split()[-4:] for line in shown] == [["2", "20.00", "14.14", "30.0"]] * 2


def test_an_error_leaves_the_terminal_as_it_was():
    console = terminal()

    def fail():
        with LiveDisplay(console) as display:
            display.begin(1, 0, 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert console.file.getvalue().rstrip("\n").endswith("\x1b[?25h")  # the cursor shows again


def test_a_log_file_gets_plain_lines_and_few_of_them(monkeypatch):
    console = Console(file=io.StringIO(), width=80)
    play(LiveDisplay(console), stored=1)
    assert console.file.getvalue() == "1 of 4 trials are in the store already; training the other 3\n"
    monkeypatch.setattr("twofold.report.live._LINE_EVERY", -1.0)
    console = Console(file=io.StringIO(), width=80)
    play(LiveDisplay(console))
    lines = console.file.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{n} of 4 trials" for n in (1, 2, 3, 4)]


def test_a_note_is_one_line_and_no_markup():
    console = Console(file=io.StringIO(), width=20)
    LiveDisplay(console).note("a note that is [bold] and longer than the log is wide")
    assert console.file.getvalue() == "a note that is [bold] and longer than the log is wide\n"


def test_it_writes_to_standard_error(capsys):
    play(LiveDisplay(), stored=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1 of 4 trials" in err


def test_trials_that_the_store_had_are_among_the_means():
    console = terminal()
    with LiveDisplay(console) as display:
        display.begin(3, 2, 10)
        display.known(lambda: [{"network": "Net0", "test_error": error} for error in (0.1, 0.2)])
        display.done({"network": "Net0", "test_error": 0.6})
    assert ["Net0", "3", "30.00", "26.46", "60.0"] in [line.split() for line in last_picture(console).splitlines()]


def test_settings_are_told_apart_and_those_trained_last_are_shown():
    """No mean is over several settings; of ten the last eight have room."""
    console = terminal(100)
    with LiveDisplay(console) as display:
        display.begin(20, 0, 10)
        for rate in range(1, 11):
            for error in (0.1, 0.3):
                display.done({"network": "Net0", "learning_rate": rate / 1000, "test_error": error})
    lines = [line.strip() for line in last_picture(console).splitlines()]
    shown = [line for line in lines if line.startswith("Net0")]
    assert len(shown) == 8
    assert shown[0].split()[:4] == ["Net0,", "learning", "rate", "0.003"]
    assert all(line.split()[-4:] == ["2", "20.00", "14.14", "30.0"] for line in shown)
    assert "the last 8 of 10 networks and settings" in lines


@pytest.mark.parametrize(
    ("seconds", "source", "says"),
    [
        (95.4, "store", "about 95 s of training with 2 workers here (by times in the store)"),
        (0.2, "measured", "about 1 s of training with 2 workers here (as measured now)"),
        (None, "", "too short to measure how long"),
    ],
)
def test_what_lies_ahead_is_one_line(seconds, source, says):
    console = Console(file=io.StringIO(), width=40)
    display = LiveDisplay(console)
    display.begin(80, 0, 8000)
    display.expect(lambda: Forecast(80, 4, 2, seconds, source, 250_000, 1_500_000_000))
    assert console.file.getvalue() == (
        f"80 trials to train, at most 4 programs to compile, {says}, 250 kB on disk, and 1.5 GB for kept networks\n"
    )


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_only_writes_on_gets_lines(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("twofold.report.live._LINE_EVERY", -1.0)
    console = terminal()
    play(LiveDisplay(console))
    lines = console.file.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{n} of 4 trials" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("width", [20, 44])
def test_a_narrow_terminal_shows_no_number_without_its_last_digits(width):
    console = terminal(width)
    play(LiveDisplay(console))
    shown = console.file.getvalue()
    assert "4 of 4 trials" in shown
    assert not any(sign in shown for sign in ("%", "mean", "…"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_of_few_signs_has_its_bar_of_hyphens(encoding):
    output = io.BytesIO()
    console = Console(
        file=io.TextIOWrapper(output, encoding), force_terminal=True, width=80, legacy_windows=False, color_system=None
    )
    play(LiveDisplay(console))
    console.file.flush()
    assert "4 of 4 trials ----" in output.getvalue().decode(encoding)


def test_a_standard_error_that_nobody_reads_stops_nothing(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stderr", nobody)
        display = LiveDisplay()
        play(display, stored=1)
        display.note("a note")
        monkeypatch.undo()


def test_without_a_standard_error_there_is_silence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    play(LiveDisplay(), stored=1)
    assert capsys.readouterr().out == ""
