"""Twofold as a notebook or a script uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.figure
import pytest

import twofold
from twofold import Study
from twofold.errors import SettingError

SMALL = {"rounds": 2, "epochs": 1, "pairs": 100, "test_pairs": 50}
EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("api") / "results.db")


@pytest.fixture(scope="module")
def result(store):
    return Study(**SMALL).run(store=store, progress=False)


def test_the_table_is_tidy(result):
    table = result.table
    assert list(zip(table["round"], table.network)) == [
        (round_, network) for round_ in (0, 1) for network in ("NetBase", "NetWS", "NetAL", "NetWSAL")
    ]
    assert table.test_error.between(0, 1).all()
    assert table.digit_error.isna().tolist() == (~table.auxiliary_losses).tolist()
    assert table.key.is_unique


def test_histories_hold_the_loss_of_every_epoch(result):
    assert [len(losses) for losses in result.histories.train_loss] == [1] * 8


def test_the_summary_is_that_of_the_table(result):
    for row in result.summary.itertuples():
        errors = result.table.test_error[result.table.network == row.network]
        assert row.rounds == 2
        assert row.mean == pytest.approx(errors.mean())
        assert row.sd == pytest.approx(errors.std())


def test_the_figure_is_one_that_notebooks_show(result):
    figure = result.figure()
    assert isinstance(figure, matplotlib.figure.Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_running_twice_trains_nothing_the_second_time(result, store, capsys):
    again = Study(**SMALL).run(store=store)
    assert "8 of 8 trials are in the store already; nothing is left to train" in capsys.readouterr().err
    assert again.table.equals(result.table)  # the seconds and the time of day too


def test_a_part_of_a_study_is_read_by_itself(result, store):
    part = Study(**SMALL | {"networks": "NetAL", "rounds": range(1, 2)}).run(store=store, progress=False)
    expected = result.table[(result.table.network == "NetAL") & (result.table["round"] == 1)]
    assert part.table.equals(expected.reset_index(drop=True))


def test_lists_of_settings_make_every_combination(store):
    study = Study(**SMALL | {"networks": ["NetWS"], "learning_rate": [0.001, 0.01], "relation": ["<=", "=="]})
    table = study.run(store=store, progress=False).table
    found = set(zip(table["round"], table.learning_rate, table.relation))
    assert found == {(r, rate, relation) for r in (0, 1) for rate in (0.001, 0.01) for relation in ("<=", "==")}
    assert len(table) == 8


@pytest.mark.parametrize(
    ("rounds", "says"),
    [
        (0, r"`rounds` \(=0\) must be at least 1"),
        (range(0), r"`rounds` \(=range\(0, 0\)\) must be a range of at least one round from 0 up"),
        (range(-1, 2), r"`rounds` \(=range\(-1, 2\)\)"),
        (range(2, -2, -1), r"`rounds` \(=range\(2, -2, -1\)\)"),
    ],
)
def test_rounds_that_cannot_be_are_named(rounds, says):
    with pytest.raises(SettingError, match=says):
        Study(rounds=rounds).trials()


def test_a_study_knows_its_trials_without_training():
    assert len(Study(rounds=3).trials()) == 12


IN_A_NOTEBOOK = """
import jax, json, sys
jax.config.update("jax_num_cpu_devices", 1)
assert len(jax.devices()) == 1  # JAX runs before twofold is there
import twofold
result = twofold.Study(**json.loads(sys.argv[1]), networks=["NetWS"]).run(store="sqlite://")
assert len(result.table) == 2
"""


def test_where_jax_runs_already_with_one_device_that_one_is_used(tmp_path):
    """With a note, on a machine that has more cores."""
    command = [sys.executable, "-c", IN_A_NOTEBOOK, json.dumps(SMALL)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    if len(os.sched_getaffinity(0)) > 1:
        assert "JAX was running already with 1 of" in done.stderr


def test_the_example_draws_figure_2(tmp_path):
    command = [sys.executable, str(EXAMPLES / "figure2.py"), "--rounds", "1", "--epochs", "1", "--pairs", "100"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(network in done.stdout for network in twofold.api.NETWORKS)
    assert (tmp_path / "figure2.png").read_bytes().startswith(b"\x89PNG")
