"""What the program writes to: outputs of few signs, readers who leave, closed and full ones, log files."""

import csv
import io
import json
import os
import select
import sqlite3
import subprocess
import sys

import pytest
from tests.cli.program import PROGRAM, small_study
from tests.processes import wait_until

from twofold.cli import main
from twofold.cli.streams import tell

NOISE = ("Traceback", "Exception ignored", "roken pipe", "BrokenPipe")

# Commands that train nothing in the folder of a finished study, and what tells that their numbers are there.
COMMANDS = {
    "results": "NetWSAL",
    "results --csv": "NetWSAL",
    "results --json": "NetWSAL",
    "analyse": "NetWSAL - NetWS",
    "analyse --json": "NetWSAL",
    "power --difference 0.01": "NetWSAL - NetWS",
    "networks NetWSAL": "14 x 14 x 1",
    "networks NetWSAL --json": "NetWSAL",
    " ".join(small_study()): "NetWSAL",
    " ".join(small_study()).replace("study", "grid --optimizer adam --learning-rate 0.001", 1): " +/- ",
}
ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437"]


def plain(text):
    """The text with the signs that some encodings have and others lack."""
    return (
        text.replace("±", "+/-")
        .replace("×", "x")
        .replace("−", "-")
        .replace("–", "-")
        .replace("─", "-")
        .replace("“", '"')
        .replace("”", '"')
    )


@pytest.fixture
def shown(finished, tmp_path, monkeypatch):
    """Runs `twofold` with outputs of an encoding, beside a finished study; exit code, standard output and error."""
    monkeypatch.chdir(finished.folder)

    def run_it(encoding, *arguments):
        out, err = io.BytesIO(), io.BytesIO()
        with monkeypatch.context() as streams:
            streams.setattr(sys, "stdout", io.TextIOWrapper(out, encoding))
            streams.setattr(sys, "stderr", io.TextIOWrapper(err, encoding))
            code = main([*arguments])
            sys.stdout.flush()
            sys.stderr.flush()
            return code, out.getvalue().decode(encoding), err.getvalue().decode(encoding)

    return run_it


def run(words, folder, redirections="", **environment):
    """The program in a process of its own, whose outputs the shell redirects first."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *PROGRAM, *words],
        cwd=folder,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=300,
    )


def left_alone():
    """A pipe whose reader has gone already."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def quiet(text):
    return not any(noise in text for noise in NOISE)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_numbers_are_printed_in_the_signs_that_the_output_has(shown, command, encoding):
    # Into one folder, so that figures are drawn once.
    drawn = [] if command.split()[0] in ("results", "analyse", "power") else ["--out", "drawn"]
    code, out, err = shown(encoding, *command.split(), *drawn)
    assert code == 0, err
    assert COMMANDS[command] in plain(out)
    assert "\\" not in out
    assert "?" not in out


def test_a_table_in_plainer_signs_is_the_same_table(shown):
    """Columns stand below their headings, with a rule of hyphens, though some signs are wider."""
    command = next(command for command in COMMANDS if command.startswith("grid"))
    full, ascii = (shown(encoding, *command.split(), "--out", "figures")[1] for encoding in ("utf-8", "ascii"))
    assert [line.split() for line in ascii.replace("-", "").splitlines()] == [
        line.split() for line in plain(full).replace("-", "").splitlines()
    ]
    widths = {len(line) for line in ascii.splitlines() if "+/-" in line and "NetWS" not in line}
    assert len(widths) == 1
    assert "|" not in ascii


@pytest.mark.parametrize("command", ["", "study", "grid", "tune", "sweep", "report", "demo", "models"])
def test_help_is_shown_on_an_output_of_ascii(shown, command):
    code, out, _ = shown("ascii", *command.split(), "--help")
    assert code == 0
    assert "Example: twofold" in out
    assert "\\" not in out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("words", ["analyse --csv na\udcefme", "models --models na\udcefme", "nonsense≤\udcef"])
def test_names_with_odd_bytes_are_told_of(shown, words, encoding):
    _, _, err = shown(encoding, *words.split())
    assert "\\xef" in err
    assert "?" not in err
    assert len(err.splitlines()) == 1


def test_a_page_has_the_title_that_was_typed(shown, tmp_path):
    code, _, err = shown("ascii", "report", "--out", str(tmp_path / "naïve.html"), "--title", "naïve ≤")
    assert code == 0, err
    assert "naïve ≤" in (tmp_path / "naïve.html").read_text(encoding="utf-8")
    assert "na\\xefve.html" in err


@pytest.mark.parametrize(
    ("redirections", "code"), [("<&- >&- 2>&-", 0), ("2>/dev/full", 0), (">/dev/full", 1), (">/dev/full 2>&-", 1)]
)
def test_a_study_comes_to_its_end_on_outputs_that_are_closed_or_full(finished, tmp_path, redirections, code):
    words = [*small_study(), "--out", str(tmp_path)]
    ended = run(words, finished.folder, redirections)
    # Nothing that was meant for a closed output stands in a file that took its number.
    assert (tmp_path / "figure2.png").read_bytes().startswith(b"\x89PNG")
    assert ended.returncode == code
    told = ended.stderr.decode()
    assert quiet(told)
    if code and "2>" not in redirections:
        assert "twofold: cannot write to standard output (No space left on device)" in told.splitlines()[-1]


@pytest.mark.parametrize(("command", "unbuffered"), [("--help", "1"), ("results --csv", ""), ("results", "1")])
def test_output_that_is_lost_is_told_of(finished, command, unbuffered):
    ended = run(command.split(), finished.folder, ">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert ended.returncode == 1
    assert ended.stderr.decode().startswith("twofold: cannot write to standard output (No space left on device)")
    assert len(ended.stderr.splitlines()) == 1


def test_the_exit_code_of_another_fault_stays(finished):
    assert run(["study", "--rounds", "x"], finished.folder, "2>/dev/full").returncode == 2


@pytest.mark.parametrize(
    "command",
    [
        "results",
        "results --csv",
        "analyse",
        "networks NetWSAL",
        " ".join(small_study()),
        "--help",
        "report -o /dev/stdout",
    ],
)
def test_a_reader_who_has_left_is_no_fault(finished, tmp_path, command):
    drawn = ["--out", str(tmp_path)] if command.startswith(("study", "networks")) else []
    process = subprocess.run(
        [*PROGRAM, *command.split(), *drawn],
        cwd=finished.folder,
        stdout=left_alone(),
        stderr=subprocess.PIPE,
        timeout=300,
    )
    assert process.returncode == 0
    assert quiet(process.stderr.decode())
    assert bool(drawn) == any(tmp_path.iterdir())


def test_a_training_that_nobody_watches_is_stored_and_drawn(tmp_path):
    gone = left_alone()
    process = subprocess.run([*PROGRAM, *small_study(), "--json"], cwd=tmp_path, stdout=gone, stderr=gone, timeout=300)
    assert process.returncode == 0
    assert (tmp_path / "figures" / "figure2.svg").exists()
    with sqlite3.connect(tmp_path / "twofold.db") as store:
        assert store.execute("select count(*) from trials").fetchone() == (4,)


@pytest.fixture
def large(finished, tmp_path):
    """A folder with a store of more rows than fit into a pipe."""
    with sqlite3.connect(finished.folder / "twofold.db") as small, sqlite3.connect(tmp_path / "twofold.db") as store:
        small.backup(store)
        store.row_factory = sqlite3.Row
        row = dict(store.execute("select * from trials").fetchone())
        for number in range(100, 1100):
            row.update(key=f"{number:064x}", round=number)
            store.execute(f"insert into trials ({','.join(row)}) values ({','.join('?' * len(row))})", [*row.values()])
    return tmp_path


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_a_reader_may_leave_in_the_middle(large, form, launch):
    process = launch([*PROGRAM, "results", form], cwd=large, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"key," if form == "--csv" else b"[")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=300) == 0


def test_a_pipe_that_does_not_wait_gets_every_row(large, launch):
    """As some programs that start others hand it over; what does not fit at once would be lost."""
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8", newline="") as lines:
        with os.fdopen(writing, "wb"):
            os.set_blocking(writing, False)
            process = launch([*PROGRAM, "results", "--csv"], cwd=large, stdout=writing, stderr=subprocess.PIPE)
            # The reader is slow: it begins when the pipe is full.
            wait_until(process, lambda: not select.select([], [writing], [], 0)[1])
        rows = list(csv.DictReader(lines))
    assert len(rows) == 1004
    assert process.communicate(timeout=300)[1] == b""
    assert process.returncode == 0


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("width", "lines"), [("60", 4), ("200", 1)])
def test_what_is_told_breaks_between_words_on_a_terminal_alone(monkeypatch, capsys, width, lines):
    monkeypatch.setenv("COLUMNS", width)
    text = "the equivalence-margin " * 7 + "`--equivalence-margin`"
    tell(text)
    assert capsys.readouterr().err == f"{text}\n"
    monkeypatch.setattr(sys, "stderr", Terminal())
    tell(text)
    shown = sys.stderr.getvalue()
    assert shown.split() == text.split()
    assert len(shown.splitlines()) == lines
    assert max(map(len, shown.splitlines())) <= int(width)
    tell("import torch\nmodule = " + "x" * 300)  # code stays as it is
    assert sys.stderr.getvalue().endswith("\nmodule = " + "x" * 300 + "\n")


@pytest.mark.parametrize("columns", ["0", "1", "", "abc", "-5", "²", "99999999"])
def test_a_width_that_no_word_fits_into_loses_nothing(finished, columns):
    table, help = (
        run(words, finished.folder, COLUMNS=columns, LINES=columns) for words in (["analyse"], ["study", "--help"])
    )
    assert "Negative: the network named first errs less." in table.stdout.decode()
    assert help.returncode == 0
    assert "--rounds" in help.stdout.decode()
    assert max(map(len, help.stdout.decode().splitlines())) <= 1000


def test_a_log_file_has_plain_lines(finished):
    """No control codes, and lines of a moderate length."""
    text = finished.out + finished.err
    assert not [sign for sign in text if not sign.isprintable() and sign != "\n"]
    assert max(map(len, finished.err.splitlines())) <= 120


def test_the_streams_of_python_are_its_own_again(shown):
    before = sys.stdout, sys.stderr
    assert main(["--version"]) == 0
    assert (sys.stdout, sys.stderr) == before


def test_json_is_the_same_whatever_the_output_knows(shown):
    texts = [shown(encoding, "results", "--json")[1] for encoding in ("ascii", "utf-8")]
    assert texts[0] == texts[1]
    assert json.loads(texts[0])
