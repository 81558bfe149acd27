"""Twofold as a notebook or a script uses it."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

from twofold import Study
from twofold.errors import SettingError, StoreAway, StoreError
from twofold.networks import PAPERS
from twofold.results import Store

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


@pytest.mark.slow
def test_where_jax_runs_already_with_one_device_that_one_is_used(tmp_path):
    """With a note, on a machine that has more cores."""
    command = [sys.executable, "-c", IN_A_NOTEBOOK, json.dumps(SMALL)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    if len(os.sched_getaffinity(0)) > 1:
        assert "JAX was running already with 1 of" in done.stderr


def test_on_row_is_called_with_each_new_row_as_it_is_stored(tmp_path):
    """In the thread of the caller; rows that were there before are not new."""
    study, path, rows = Study(**SMALL | {"networks": "NetWS"}), tmp_path / "own.db", []

    def on_row(row):
        assert threading.current_thread() is threading.main_thread()
        assert Store(path).present([row["key"]]) == {row["key"]}
        rows.append(row)

    Study(**SMALL | {"networks": "NetWS", "rounds": 1}).run(store=path, progress=False)
    result = study.run(store=path, progress=False, on_row=on_row)
    assert [row["round"] for row in rows] == [1]
    stored = result.histories.set_index("round").loc[1].to_dict()
    assert {name: rows[0][name] for name in ("key", "test_error", "train_loss")} == {
        name: stored[name] for name in ("key", "test_error", "train_loss")
    }
    assert set(rows[0]) == set(result.histories)
    study.run(store=path, progress=False, on_row=on_row)
    assert len(rows) == 1
    study.run(store=path, progress=False, on_row=on_row, keep_models="all")  # trained again, for the networks alone
    assert len(rows) == 1


@pytest.mark.parametrize("error", [ValueError("mine"), StoreAway("mine", "mine")])
def test_what_on_row_raises_ends_the_run_which_goes_on_later(error, tmp_path):
    """Also what looks like an error of the store's own. No trial is left claimed."""
    study, path, seen = Study(**SMALL | {"networks": "NetWS", "rounds": 5}), tmp_path / "own.db", []

    def on_row(row):
        seen.append(row["key"])
        if len(seen) == 2:
            raise error

    with pytest.raises(type(error), match="mine"):
        study.run(store=path, progress=False, on_row=on_row, workers=1)
    assert Store(path).present(seen) == set(seen)
    assert list(tmp_path.glob("*rescued*")) == []
    assert Store(path).claimed_by_nobody() == 0
    result = study.run(store=path, progress=False, on_row=on_row)
    assert sorted(seen) == sorted(result.table.key)


def test_a_search_and_its_confirmation_tell_of_their_rows(tmp_path):
    study, rows = Study(networks="NetWS", rounds=1, pairs=50, test_pairs=50, epochs=1), []
    found = study.tune(
        budget=2,
        store=tmp_path / "own.db",
        progress=False,
        optimizer="sgd",
        batch_size=25,
        epochs=1,
        on_row=rows.append,
    )
    assert [row["key"] for row in rows] == list(found.table.key)
    ours, papers = found.confirm(1, progress=False, on_row=rows.append)
    assert {row["key"] for row in rows[2:]} == {*ours.key, *papers.key}


def test_results_and_studies_are_shown_in_short(result):
    """What a notebook shows of results is looked at in test_notebook.py."""
    assert repr(Study(**SMALL)) == "Study(rounds=2, pairs=100, test_pairs=50, epochs=1)"
    assert repr(result.trials[5]) == (
        "Trial(network='NetWS', round=1, pairs=100, test_pairs=50, validation_pairs=1000, aux_weight=0.0, epochs=1)"
    )
    lines = repr(result).splitlines()
    assert lines[0] == f"8 trials in {result.store.url}"
    assert [line.split()[0] for line in lines if line.strip().startswith("Net")] == list(PAPERS)
    assert max(map(len, lines)) <= 100


def test_results_of_many_settings_are_shown_in_twelve_lines(store):
    study = Study(**SMALL | {"networks": "NetWS", "learning_rate": list(np.linspace(0.001, 0.01, 14)), "rounds": 1})
    result = study.run(store=store, progress=False)
    assert "There are 2 lines more in `.summary`." in repr(result)
    assert result._repr_html_().count("<tr>") == 1 + 12
    assert list(result.table)[:4] == ["network", "learning_rate", "round", "test_error"]


def test_the_example_logs_to_mlflow(tmp_path):
    """Each row once, offline: a second run of the example logs nothing."""
    command = [sys.executable, str(EXAMPLES / "log_to_mlflow.py"), "--rounds", "2", "--epochs", "2", "--pairs", "100"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
    runs = {path.read_text(): path.parents[1] for path in tmp_path.glob("mlruns/*/*/tags/key")}
    table = Study(rounds=2, epochs=2, pairs=100).run(store=tmp_path / "twofold.db", progress=False).histories
    assert sorted(runs) == sorted(table.key)
    assert len(list(tmp_path.glob("mlruns/*/*/tags/key"))) == len(table) == 8
    for row in table.to_dict("records"):
        metrics, parameters = runs[row["key"]] / "metrics", runs[row["key"]] / "params"
        assert [float(line.split()[1]) for line in (metrics / "test_error").read_text().splitlines()] == [
            row["test_error"]
        ]
        assert [float(line.split()[1]) for line in (metrics / "train_loss").read_text().splitlines()] == row[
            "train_loss"
        ]
        assert (parameters / "learning_rate").read_text() == str(row["learning_rate"])
        assert (metrics / "digit_error").exists() == row["auxiliary_losses"]


def test_the_example_draws_figure_2(tmp_path):
    command = [sys.executable, str(EXAMPLES / "figure2.py"), "--rounds", "1", "--epochs", "1", "--pairs", "100"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(network in done.stdout for network in PAPERS)
    assert (tmp_path / "figure2.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"networks": 5}, "`networks` \\(=5\\) must be the name"),
        ({"networks": None}, "`networks` \\(=None\\) must be the name"),
        ({"networks": [Study]}, "Study'>\\) must be .* given as twofold.network\\(Net\\)"),
        ({"networks": Study}, "given as twofold.network\\(Net\\)"),
        ({"data": 5}, "`data` \\(=5\\) must be one name or path"),
        ({"data": ["mnist5k", "mnist"]}, "must be one name or path"),
        ({"rounds": [1, 2]}, "`rounds` \\(=\\[1, 2\\]\\) must be a whole number, a range, or a text"),
        ({"rounds": 10**20}, "`rounds`"),
        ({"rounds": range(10**30, 10**30 + 2)}, "`rounds`"),
        ({"learning_rate": 1e39}, "`learning_rate` \\(=1e\\+39\\) must be a finite number of single precision"),
        ({"learning_rate": 10**400}, "`learning_rate`"),
        ({"learning_rate": 1e-50}, "`learning_rate` \\(=1e-50\\) is 0 in single precision"),
        ({"pairs": []}, "`pairs` is empty"),
    ],
)
def test_what_a_study_cannot_be_is_one_line(settings, says):
    with pytest.raises(SettingError, match=says) as caught:
        Study(**settings).trials()
    assert "\n" not in str(caught.value)


def test_networks_may_come_one_after_another():
    assert len(Study(networks=(name for name in ("NetWS", "NetAL")), rounds=2).trials()) == 4


@pytest.mark.parametrize("store", ["", " "])
def test_a_store_without_a_name_is_refused(store):
    with pytest.raises(StoreError, match="`store`"):
        Study(**SMALL).run(store=store, progress=False)


def test_a_wrong_word_for_kept_networks_makes_no_store(tmp_path):
    for keep in ("some", ""):
        with pytest.raises(SettingError, match="`keep_models`"):
            Study(**SMALL).run(store=tmp_path / "own.db", keep_models=keep, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_only_can_be_read_suffices_where_all_is_there(tmp_path):
    path = tmp_path / "own.db"
    first = Study(**SMALL).run(store=path, progress=False).table
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert Study(**SMALL).run(store=path, progress=False).table.equals(first)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


@pytest.mark.parametrize(
    ("settings", "space", "says"),
    [
        ({"weight_decay": [0.0, 0.2]}, {}, "`weight_decay` .* must be one value for a search"),
        ({"shuffle": [True, False]}, {}, "`shuffle` .* must be one value for a search"),
        ({"aux_weight": 3.0, "networks": "NetBase"}, {}, "`aux_weight` cannot be used by NetBase"),
        ({}, {"batch_size": [25], "batch_sizes": [10]}, "`batch_sizes` and `batch_size` are one"),
        ({}, {"pairs": [100, 200]}, "`pairs`|'pairs'"),
    ],
)
def test_a_search_that_cannot_be_is_refused(settings, space, says, tmp_path):
    study = Study(**{"networks": "NetWSAL", **SMALL, **settings})
    with pytest.raises(SettingError, match=says):
        study.tune(budget=4, store=tmp_path / "own.db", progress=False, **space)
    assert list(tmp_path.iterdir()) == []


def test_old_words_of_a_search_work_and_say_so(tmp_path):
    study = Study(networks="NetWS", rounds=1, pairs=50, test_pairs=50)
    with pytest.warns(DeprecationWarning, match="`batch_sizes` is called `batch_size` now"):
        found = study.tune(
            budget=2, store=tmp_path / "own.db", progress=False, batch_sizes=[25], optimizer="sgd", epochs=1
        )
    assert set(found.table.batch_size) == {25}
    assert set(found.table.epochs) == {1}


def test_a_search_may_start_from_numbers_of_numpy(tmp_path):
    study = Study(
        networks="NetWS", rounds=1, pairs=50, test_pairs=50, learning_rate=np.float32(0.001), batch_size=np.int64(25)
    )
    space = {"optimizer": ["adam"], "batch_size": [25], "epochs": (1, np.int64(2)), "weight_decay": 0}
    assert len(study.tune(budget=2, store=tmp_path / "own.db", progress=False, **space).table) == 2
