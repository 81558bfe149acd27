"""`twofold sweep` as a user runs it: a few values of two quantities, really trained, on the embedded digits."""

import json
import re
from functools import partial

import pytest

SMALL = ["--test-pairs", "50", "--validation-pairs", "60", "--epochs", "1", "--optimizer", "sgd", "--rounds", "2"]
NETWORKS = ["--networks", "NetWS", "NetWSAL"]


@pytest.fixture
def run(run):
    """Runs `twofold sweep`."""
    return partial(run, "sweep")


def test_every_swept_quantity_has_a_figure_and_every_combination_a_line(run, tmp_path):
    code, out, _ = run(*SMALL, *NETWORKS, "--pairs", "50", "100", "--aux-weight", "0", "1")
    assert code == 0
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"sweep_{name}.{ending}" for name in ("pairs", "aux_weight") for ending in ("png", "svg")}
    lines = re.findall(r"^ *Net\w+ +\d.*$", out, re.MULTILINE)  # the foot, too, may have a line that begins with a name
    assert len(lines) == 2 + 4  # NetWS has no auxiliary weight to sweep


def test_json_has_a_row_for_every_training(run):
    _, out, _ = run(*SMALL, *NETWORKS, "--pairs", "50", "100", "--quiet", "--json")
    rows = json.loads(out)
    assert {(row["network"], row["pairs"], row["round"]) for row in rows} == {
        (network, pairs, round_) for network in NETWORKS[1:] for pairs in (50, 100) for round_ in (0, 1)
    }
    assert len(rows) == 8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing is swept; give several values"),
        (["--pairs", "100", "100"], 2, "nothing is swept"),
        (["--pairs", "100", "3000"], 4, "`--pairs` (=3000) takes 6000 training digits, but mnist5k has 2500"),
        (["--pairs", "100", "130"], 2, "`--batch-size` (=25) must divide `--pairs` (=130)"),
        (["--aux-weight", "-1", "1"], 2, "`--aux-weight` (=-1.0) must be at least 0"),
    ],
)
def test_a_mistake_is_told_in_one_line_before_anything_is_trained(run, arguments, code, message):
    ended, out, err = run(*arguments)
    assert ended == code
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
