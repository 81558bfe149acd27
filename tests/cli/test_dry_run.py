"""`--dry-run` of the commands that train: what is said, and that nothing is written."""

import json

import pytest

SIZES = ["--networks", "NetWS", "--pairs", "50", "--test-pairs", "50", "--epochs", "2", "--dry-run"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["study", "--rounds", "3"], {"study": 3}),
        (["sweep", "--learning-rate", "0.001", "0.01", "--rounds", "2"], {"sweep": 4}),
        (["grid", "--optimizer", "adam", "--rounds", "2", "--confirm", "5"], {"grid": 6, "confirmation": 5}),
        (
            ["tune", "--optimizer", "adam", "--batch-size", "25", "--budget", "7", "--confirm", "4"],
            {"search": 6, "confirmation": 8},
        ),
    ],
)
def test_a_dry_run_says_what_it_would_take_and_writes_nothing(arguments, parts, run, tmp_path):
    code, out, err = run(*arguments, *SIZES, "--keep-models", "all")
    assert (code, err) == (0, "")
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert lines.keys() == parts.keys()
    for part, trials in parts.items():
        assert lines[part].startswith(f"{trials} trials to train, at most 1 program to compile, ")
        assert "for kept networks" in lines[part]
    _, out, _ = run(*arguments, *SIZES, "--json")
    assert {each["part"]: each["trials"] for each in json.loads(out)} == parts
    assert list(tmp_path.iterdir()) == []


def test_the_first_line_of_a_run_says_the_same(run):
    sizes = [each for each in SIZES if each != "--dry-run"]
    code, _, err = run("study", "--rounds", "3", *sizes)
    assert code == 0
    assert err.splitlines()[0].startswith("3 trials to train, at most 1 program to compile, ")
    code, out, _ = run("study", "--rounds", "3", *SIZES)
    assert (code, out) == (0, "study: nothing is left to train\n")
