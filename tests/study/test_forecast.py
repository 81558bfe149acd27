"""What is said of a run before it begins: what is counted is right, and the time follows from times that were seen."""

import math
import statistics
from pathlib import Path

import jax
import pytest

from twofold import Study
from twofold.data import load_images
from twofold.networks import PAPERS
from twofold.results import ModelStore, Store, models_folder
from twofold.settings import SETTINGS
from twofold.study import factorial
from twofold.study import forecast as forecast_module
from twofold.study.conduct import conduct
from twofold.study.forecast import MORE, NOTHING, forecast, measure
from twofold.study.keep import Keeper

DIGITS = load_images("mnist5k")
SMALL = {"pairs": 100, "test_pairs": 50}


def plan(rounds, network="NetWS", **settings):
    return factorial(DIGITS, rounds=rounds, network=network, **(SMALL | {"epochs": 20} | settings))


def ahead(trials, **more):
    return forecast(trials, DIGITS, jax.devices(), **more)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A store with six trials of NetWS, and kept networks."""
    path = tmp_path_factory.mktemp("forecast") / "s.db"
    store, trials = Store(path), plan(range(6))
    keeper = Keeper("all", ModelStore(models_folder(path)), store, trials, DIGITS)
    conduct(trials, DIGITS, store, devices=jax.devices, keeper=keeper)
    return store


@pytest.fixture
def unmeasured(monkeypatch):
    """Fails where anything is measured."""
    monkeypatch.setattr(forecast_module, "measure", lambda *arguments: pytest.fail("it was measured"))


def test_the_papers_grid_is_six_hundred_trials_of_ten_programs():
    grid = plan(range(10), PAPERS, optimizer=SETTINGS["optimizer"].search.values, learning_rate=[0.001, 0.005, 0.01])
    found = ahead(grid)
    assert (found.trials, found.programs, found.devices) == (600, 10, 2)
    assert found.seconds_from == "measured"
    assert found.seconds > 0


def test_the_time_is_that_of_alike_trials_in_the_store(store, unmeasured):
    """Here of trials with twice the epochs and pairs, five for two devices, of which one is idle in the end."""
    found = ahead(plan(range(100, 105), epochs=40, pairs=200), store=store)
    each = statistics.median(store.read().seconds)
    assert found.seconds_from == "store"
    assert found.seconds == pytest.approx(4 * each * math.ceil(5 / 2))


def test_settings_that_are_compiled_in_count_where_there_are_such_trials(store, unmeasured):
    rows = store.read().to_dict("records")
    other = Store("sqlite://")
    for row in store.read(histories=True).to_dict("records"):
        other.add(row)
        # Alike but for the optimizer, which here makes them a hundred times slower.
        slow = {"key": row["key"][::-1], "optimizer": "sgd", "seconds": 100 * row["seconds"]}
        other.add(row | slow)
    each = statistics.median(row["seconds"] for row in rows)
    assert ahead(plan([100], optimizer="sgd"), store=other).seconds == pytest.approx(100 * each)
    assert ahead(plan([100], optimizer="adam"), store=other).seconds == pytest.approx(each)


@pytest.mark.parametrize("another", [{"network": "NetBase"}, {"epochs": 20 * 10 + 1}])
def test_what_the_store_says_nothing_of_is_measured(store, another):
    trials = plan(range(100, 104), **another)
    assert ahead(trials, store=store).seconds_from == "measured"
    assert len(store.read()) == 6


def test_trials_on_another_device_say_nothing(store, monkeypatch):
    monkeypatch.setattr("twofold.study.machine.device_name", lambda device: "another")
    assert ahead(plan([100]), store=store).seconds_from == "measured"


def test_what_is_as_soon_trained_as_measured_is_not_measured(unmeasured):
    found = ahead(plan(range(2)), short=True)
    assert (found.trials, found.seconds, found.seconds_from) == (2, None, "")


def test_of_many_networks_some_are_measured(monkeypatch):
    monkeypatch.setattr(forecast_module, "_MOST_MEASURED", 2)
    seen = []

    def counted(trials, *arguments):
        seen.extend(trials)
        return measure(trials, *arguments)

    monkeypatch.setattr(forecast_module, "measure", counted)
    every = ahead(plan(range(4), PAPERS))
    assert {trial.network for trial in seen} == {"NetBase", "NetAL"}
    assert len(seen) == 4  # one for each device
    assert every.seconds > 0


def test_a_measurement_has_rows_of_both_lengths():
    rows = measure(plan(range(2)), DIGITS, jax.devices())
    assert sorted(rows.epochs) == [2, 2, MORE, MORE]
    assert set(rows["round"]) == {0, 1}


@pytest.mark.parametrize(("epochs", "trace"), [(1, False), (100, False), (100, True)])
def test_rows_take_about_as_much_of_the_disk_as_is_said(epochs, trace, store, tmp_path):
    row = store.read(histories=True).to_dict("records")[0]
    losses = [loss * (1 + epoch / 7) for epoch, loss in enumerate((row["train_loss"] * 5)[:epochs])]
    row |= {"train_loss": losses, "dead_units_trace": [[10, 3]] * epochs if trace else None}
    filled = Store(tmp_path / "s.db")
    before = (tmp_path / "s.db").stat().st_size
    for number in range(300):
        filled.add(row | {"key": f"{number:064x}"})
    grown = (tmp_path / "s.db").stat().st_size - before
    said = 300 * ahead(plan([0], epochs=epochs), trace=trace, short=True).row_bytes
    assert said == pytest.approx(grown, rel=0.3)


def test_kept_networks_take_as_much_as_is_said(store):
    files = ModelStore(models_folder(store.url)).files()
    said = ahead(plan(range(6)), keep="all", store=store).network_bytes
    assert said == pytest.approx(sum(file.stat().st_size for file in files), rel=0.05)
    assert ahead(plan(range(6)), keep="best", store=store).network_bytes == pytest.approx(said / 6)
    assert ahead(plan(range(6)), store=store).network_bytes == 0


def test_a_dry_run_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Study(networks="NetWS", rounds=3, epochs=5, **SMALL)
    found = study.dry_run(keep_models="all")
    assert (found.trials, found.programs) == (3, 1)
    assert found.seconds > 0
    assert found.network_bytes > 3 * 4 * 10_000
    assert list(tmp_path.iterdir()) == []
    study.run(progress=False)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert study.dry_run() == NOTHING
    assert study.dry_run(trace=True).trials == 3  # for traces they would be trained again
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_dry_search_counts_what_is_left_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Study(networks=["NetWS", "NetWSAL"], rounds=2, pairs=50, test_pairs=50)
    space = {"optimizer": ["sgd"], "batch_size": [25], "epochs": (1, 2)}
    assert study.dry_tune(budget=20, **space).trials == 2 * 20
    assert list(tmp_path.iterdir()) == []
    study.tune(budget=8, progress=False, **space)
    before = Path("twofold.db").read_bytes()
    assert study.dry_tune(budget=20, **space).trials == 2 * (20 - 8)
    assert study.dry_tune(budget=20, batch=2, **space).trials == 2 * 20  # another search
    assert study.dry_tune(budget=8, **space) == NOTHING
    assert Path("twofold.db").read_bytes() == before
