"""Twofold as a notebook or a script uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

from twofold import Study
from twofold.errors import SettingError, StoreError
from twofold.networks import PAPERS

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
