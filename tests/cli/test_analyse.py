"""twofold analyse and twofold power, as users run them: on a store with several remedies, on CSV, and on mistakes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from twofold.cli import main
from twofold.networks import NETWORKS
from twofold.results import Store

Made = Callable[..., pd.DataFrame]
Output = pytest.CaptureFixture[str]

_SMALL = ["--rounds", "2", "--epochs", "3", "--pairs", "50", "--test-pairs", "50", "--validation-pairs", "0", "--quiet"]
_REMEDIES = {
    "none": ["--trace"],
    "normalise": ["--normalise", "--trace"],
    "leaky_relu": ["--bottleneck-activation", "leaky_relu", "--trace"],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a small traced study of all four networks for each remedy."""
    folder = tmp_path_factory.mktemp("remedies")
    where = ["--store", str(folder / "trials.db"), "--out", str(folder)]
    for options in _REMEDIES.values():
        assert main(["study", *_SMALL, *where, *options]) == 0
    return str(folder / "trials.db")


@pytest.fixture
def csv(made_up: Made, tmp_path: Path) -> str:
    path = tmp_path / "trials.csv"
    made_up(20).to_csv(path, index=False)
    return str(path)


def answer(output: Output) -> Any:
    """What was printed, as the strictest JSON parser reads it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(output.readouterr().out, parse_constant=refuse)


def answer_of(command: list[str], output: Output) -> Any:
    """What a command prints as JSON."""
    assert main(command) == 0
    return answer(output)


def test_traces_end_at_the_dead_units_and_last_as_long_as_the_training(store: str) -> None:
    table = Store(store).read(histories=True)
    assert len(table) == 3 * 2 * 4
    traces = np.array(table.dead_units_trace.tolist())
    assert traces.shape == (24, 3, 2)
    assert (traces[:, -1] == table[["dead_first", "dead_second"]].to_numpy()).all()


def test_every_remedy_changes_every_training(store: str) -> None:
    table = Store(store).read(histories=True)
    losses = table.assign(loss=[tuple(loss) for loss in table.train_loss])
    assert len(set(losses.loss)) == len(table)
    assert set(zip(table.normalise, table.bottleneck_activation)) == {
        (False, "relu"),
        (True, "relu"),
        (False, "leaky_relu"),
    }


def test_several_remedies_give_a_line_each_and_no_comparison_by_round(store: str, capsys: Output) -> None:
    assert main(["analyse", "--store", store, "--no-normalise", "--json"]) == 0
    found = answer(capsys)
    assert set(found) == {"settings", "summary", "collapse", "explained", "reasons"}
    assert {row["bottleneck_activation"] for row in found["collapse"]} == {"relu", "leaky_relu"}
    assert len(found["collapse"]) == 2 * 4 * 4
    assert main(["analyse", "--store", store, "--no-normalise"]) == 0
    text = capsys.readouterr().out
    assert "choose one with --bottleneck-activation" in text
    assert [line.split()[:2] for line in text.splitlines() if line.startswith("NetBase")][:2] == [
        ["NetBase", "relu"],
        ["NetBase", "leaky_relu"],
    ]


def test_normalised_pairs_are_a_section_of_their_own(store: str, capsys: Output) -> None:
    assert main(["analyse", "--store", store, "--json"]) == 0
    without, with_it = answer(capsys)["sections"]
    assert (without["section"], with_it["section"]) == ({"normalise": False}, {"normalise": True})
    assert {"effects", "differences"} <= set(with_it)
    assert main(["analyse", "--store", store]) == 0
    assert "Choose with --normalise." in capsys.readouterr().out


def test_options_choose_one_setting(store: str, capsys: Output) -> None:
    chosen = ["--store", store, "--no-normalise", "--bottleneck-activation", "relu"]
    assert main(["analyse", *chosen, "--json"]) == 0
    found = answer(capsys)
    assert found["settings"]["normalise"] == [False]
    assert [row["effect"] for row in found["effects"]] == ["weight sharing", "auxiliary losses", "interaction"]
    assert len(found["differences"]) == len(found["spreads"]) == 6
    assert found["agreement"] is None
    assert "not the paper's settings" in found["reasons"]["agreement"]
    assert main(["analyse", *chosen, "--networks", "NetBase", "NetWS", "--json"]) == 0
    found = answer(capsys)
    assert {row["network"] for row in found["summary"]} == {"NetBase", "NetWS"}
    assert found["effects"] is None


def test_figures_are_written_as_png_and_svg(store: str, tmp_path: Path, capsys: Output) -> None:
    one = ["--no-normalise", "--bottleneck-activation", "relu"]
    assert main(["analyse", "--store", store, *one, "--figures", str(tmp_path / "one")]) == 0
    stems = ("collapse", "dead_units", "effects", "spread")
    expected = sorted(f"{stem}{ending}" for stem in stems for ending in (".png", ".svg"))
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == expected
    assert "no trial has a trace" not in (tmp_path / "one" / "dead_units.svg").read_text()
    assert main(["analyse", "--store", store, "--no-normalise", "--figures", str(tmp_path / "all")]) == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["collapse_rates.png", "collapse_rates.svg"]
    assert "wrote" in capsys.readouterr().err


def test_a_csv_of_the_store_says_the_same(store: str, tmp_path: Path, capsys: Output) -> None:
    assert main(["results", "--store", store, "--csv"]) == 0
    path = tmp_path / "trials.csv"
    path.write_text(capsys.readouterr().out)
    chosen = ["--normalise", "--json"]
    assert main(["analyse", "--store", store, *chosen]) == 0
    from_store = answer(capsys)
    assert main(["analyse", "--csv", str(path), *chosen]) == 0
    from_table = answer(capsys)
    assert "tables in files have not" in from_table["reasons"].pop("counting")
    counted = from_store.pop("counting")
    assert {row["first"] for row in counted} >= {"NetBase", "NetWS"}
    assert from_table.pop("counting") is None
    assert from_table == from_store


def test_all_is_printed_for_one_setting(csv: str, capsys: Output) -> None:
    assert main(["analyse", "--csv", csv]) == 0
    text = capsys.readouterr().out
    for title in ("Test error, 20 rounds", "Paired differences", "Effects on", "Spread over rounds", "Collapse"):
        assert title in text
    assert "Beside the paper's study" in text
    assert "nan" not in text


def test_power_plans_for_the_difference_asked_for(csv: str, capsys: Output) -> None:
    assert main(["power", "--csv", csv, "--difference", "0.01", "--json"]) == 0
    rows = answer(capsys)
    assert len(rows) == 6
    assert {row["difference"] for row in rows} == {0.01}
    assert all(row["rounds_80"] < row["rounds_90"] for row in rows)
    assert main(["power", "--csv", csv]) == 0
    assert "Rounds needed to tell two networks apart, 20 rounds" in capsys.readouterr().out


def test_a_margin_gives_verdicts_and_what_would_decide(csv: str, capsys: Output) -> None:
    assert main(["analyse", "--csv", csv, "--equivalence-margin", "1", "--json"]) == 0
    found = answer(capsys)
    for row in [*found["differences"], *found["effects"]]:
        assert row["equivalence_margin"] == 0.01
        assert row["verdict"] in {"better", "worse", "equivalent", "not decided"}
        assert (row["rounds_to_decide"] is None) == (row["verdict"] != "not decided")
    open_rows = [row for row in found["differences"] if row["verdict"] == "not decided"]
    assert open_rows
    assert main(["analyse", "--csv", csv, "--equivalence-margin", "1"]) == 0
    text = capsys.readouterr().out
    assert "Equivalent: shown to differ by less than 1 point (two one-sided tests)." in text
    assert all(f"({row['rounds_to_decide']:,} rounds)" in text for row in open_rows)
    assert "verdict" not in json.dumps(answer_of(["analyse", "--csv", csv, "--json"], capsys))


def test_rounds_that_decide_are_planned_with_a_margin(csv: str, capsys: Output) -> None:
    rows = answer_of(["power", "--csv", csv, "--difference", "0.001", "--equivalence-margin", "2", "--json"], capsys)
    plain = answer_of(["power", "--csv", csv, "--difference", "0.001", "--json"], capsys)
    assert all(row["rounds_80"] < before["rounds_80"] for row, before in zip(rows, plain, strict=True))
    assert main(["power", "--csv", csv, "--equivalence-margin", "2"]) == 0
    assert "differ by less than 2 points" in capsys.readouterr().out


def test_power_of_one_round_is_null_and_says_why(made_up: Made, tmp_path: Path, capsys: Output) -> None:
    made_up(1).to_csv(tmp_path / "one.csv", index=False)
    assert main(["power", "--csv", str(tmp_path / "one.csv"), "--json"]) == 0
    row = answer(capsys)[0]
    assert row["rounds_80"] is None
    assert "2 rounds that are needed" in row["note"]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_alone_is_summed_up(csv: str, network: str, capsys: Output) -> None:
    assert main(["analyse", "--csv", csv, "--networks", network, "--json"]) == 0
    found = answer(capsys)
    assert [row["network"] for row in found["summary"]] == [network]
    assert found["differences"] is None
    assert "one network" in found["reasons"]["differences"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["analyse", "--csv", "nowhere.csv"], 4, "cannot read nowhere.csv (No such file or directory)"),
        (["analyse", "--csv", "."], 4, "cannot read . (Is a directory)"),
        (["analyse", "--csv", "empty.csv"], 4, "empty.csv is no table of trials"),
        (["analyse", "--csv", "picture.csv"], 4, "picture.csv is no table of trials"),
        (["analyse", "--csv", "other.csv"], 4, "no column `network`; it has a, b"),
        (["analyse", "--csv", "header.csv"], 4, "empty; run `twofold study` first"),
        (["analyse", "--csv", "trials.csv", "--store", "x.db"], 2, "`--store` and `--csv` exclude each other"),
        (["analyse", "--csv", "trials.csv", "--optimizer", "sgd"], 2, "no trial has `optimizer` sgd; there is adam"),
        (["analyse", "--csv", "trials.csv", "--networks", "NetFoo"], 2, "there is NetAL, NetBase, NetWS, NetWSAL"),
        (["analyse", "--csv", "trials.csv", "--epochs", "many"], 2, "many"),
        (["analyse", "--store", "nowhere.db"], 3, "there is no store at nowhere.db"),
        (["analyse"], 3, "there is no store at twofold.db"),
        (["power", "--csv", "trials.csv", "--difference", "1"], 2, "`--difference` (=1) must be a fraction"),
        (["power", "--csv", "trials.csv", "--networks", "NetWS"], 4, "one network, NetWS"),
    ],
)
def test_mistakes_are_told_in_one_line(
    csv: str, monkeypatch: pytest.MonkeyPatch, capsys: Output, options: list[str], code: int, message: str
) -> None:
    folder = Path(csv).parent
    monkeypatch.chdir(folder)
    (folder / "empty.csv").write_text("")
    (folder / "picture.csv").write_bytes(bytes(range(256)))
    (folder / "other.csv").write_text("a,b\n1,2\n")
    (folder / "header.csv").write_text("network,round,test_error\n")
    assert main(options) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert message in output.err
