"""Plans conducted: what decides a result, what is trained again, and how runs share a store."""

import dataclasses
import functools
import sqlite3
import time
from contextlib import closing
from unittest.mock import create_autospec

import jax
import numpy as np
import pandas as pd
import pytest
from tests.study.stores import killed_at_its_end, runs_in

from twofold.data import load_images
from twofold.errors import DataError, SettingError
from twofold.networks import NETWORKS
from twofold.results import Store, heartbeat, new_owner
from twofold.results.answers import fault_of
from twofold.study import conduct as conduct_module
from twofold.study import factorial, machine
from twofold.study.conduct import conduct
from twofold.study.listener import Silence
from twofold.study.machine import device_name
from twofold.study.outbox import Outbox
from twofold.training.run import trial_key

DIGITS = load_images("mnist5k")
# What a row says of how it was made, beside what came out.
HOW = ["seconds", "finished_at"]


def plan(rounds=1, network="NetWSAL", **more):
    settings = {"pairs": 100, "test_pairs": 50, "validation_pairs": 20, "epochs": 1} | more
    return factorial(DIGITS, rounds=range(rounds), network=network, **settings)


def table_of(trials, *, devices=2, store=None, **more) -> pd.DataFrame:
    """Conduct the trials and read their rows; in a store of their own, unless one is given."""
    store = store or Store("sqlite://")
    conduct(trials, DIGITS, store, devices=lambda: jax.devices()[:devices], **more)
    return store.read([trial.key for trial in trials], histories=True)


def assert_same_outcomes(ours, theirs):
    pd.testing.assert_frame_equal(ours.drop(columns=HOW), theirs.drop(columns=HOW), check_exact=True)


class Witness(Silence):
    """A listener that keeps all that it hears."""

    def __init__(self):
        self.begun, self.epochs, self.rows, self.notes = [], 0, [], []

    def begin(self, trials, stored, epochs):
        self.begun.append((trials, stored, epochs))

    def advance(self, epochs):
        self.epochs += epochs

    def done(self, row):
        self.rows.append(row)

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def mixed():
    """Twelve trials of two networks with different weights of the losses and numbers of epochs, and their rows."""
    trials = plan(rounds=2, network=["NetWS", "NetWSAL"], aux_weight=[0.5, 1.0], epochs=[1, 3])
    return trials, table_of(trials)


def test_a_row_tells_its_trial(mixed):
    trials, table = mixed
    assert len(trials) == len(table) == 12
    for trial, row in zip(trials, table.to_dict("records")):
        assert row["key"] == trial.key
        fields = {name: value for name, value in dataclasses.asdict(trial).items() if name != "asked"}
        assert {name: row[name] for name in fields} == {**fields, "identity": None}
        assert row["question"] == trial.asked.identity
        assert row["weight_sharing"] == NETWORKS[trial.network].weight_sharing
        assert row["auxiliary_losses"] == NETWORKS[trial.network].auxiliary_losses
        assert np.isnan(row["digit_error"]) != row["auxiliary_losses"]
        assert len(row["train_loss"]) == trial.epochs
        assert row["dead_units_trace"] is None
        assert row["seconds"] > 0
        for name, pairs in (("train_error", 100), ("validation_error", 20), ("test_error", 50)):
            assert 0 <= row[name] <= 1
            assert row[name] * pairs == pytest.approx(round(row[name] * pairs))


def test_a_result_does_not_depend_on_the_number_of_devices(mixed):
    trials, table = mixed
    assert_same_outcomes(table_of(trials, devices=1), table)


@pytest.mark.parametrize("place", [0, 5, 11])
def test_a_result_does_not_depend_on_what_else_is_in_its_cohort(place, mixed):
    trials, table = mixed
    alone = table_of([trials[place]])
    assert_same_outcomes(alone, table.iloc[[place]].reset_index(drop=True))


def test_a_result_does_not_depend_on_the_order_of_the_plan(mixed):
    trials, table = mixed
    assert_same_outcomes(table_of(trials[::-1]), table[::-1].reset_index(drop=True))


def test_rounds_and_networks_differ(mixed):
    _, table = mixed
    assert table.train_loss.map(tuple).nunique() == len(table)


def one(**more):
    (row,) = table_of(plan(**more)).to_dict("records")
    return row


@pytest.fixture(scope="module")
def plain():
    return one(epochs=3)


@pytest.mark.parametrize(
    "setting",
    [
        {"normalise": True},
        {"bottleneck_activation": "leaky_relu"},
        {"aux_weight": 0.5},
        {"learning_rate": 0.002},
        {"relation": "=="},
        {"seed": 1},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_is_honoured(setting, plain):
    """It changes the losses, from the first epoch on."""
    assert one(epochs=3, **setting)["train_loss"][0] != plain["train_loss"][0]


def test_more_epochs_go_on_from_fewer(plain):
    assert one(epochs=1)["train_loss"] == plain["train_loss"][:1]


def test_shuffling_changes_the_losses_and_is_decided_by_the_seed(plain):
    shuffled = one(epochs=3, shuffle=True)
    assert shuffled["train_loss"] != plain["train_loss"]
    assert shuffled["train_loss"] == one(epochs=3, shuffle=True)["train_loss"]


def test_crossed_rounds_are_trials_of_their_own_and_keep_their_answers():
    trials = plan(rounds=2, weight_round=[0, 1], shuffle=True)
    store = Store("sqlite://")
    table = table_of(trials, store=store).set_index(["round", "weight_round"])
    assert sorted(table.index) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({tuple(losses) for losses in table.train_loss}) == 4
    own = table_of(plan(rounds=2, shuffle=True)).set_index("round")
    for number in (0, 1):
        assert own.key[number] == table.key[number, number]
        assert own.train_loss[number] == table.train_loss[number, number]
    kept = store.wrong_answers(table.key)
    assert [fault_of(kept[key], 50, error) for key, error in zip(table.key, table.test_error)] == [""] * 4


def test_a_crossed_training_has_the_pairs_of_its_round_and_the_key_of_the_other():
    load = functools.partial(machine._draw, DIGITS)
    (crossed,), (own,) = plan(weight_round=[5]), plan()
    ours, plain = (machine._job(trial, load) for trial in (crossed, own))
    np.testing.assert_array_equal(ours.key, trial_key(0, 5))
    np.testing.assert_array_equal(plain.key, trial_key(0, 0))
    np.testing.assert_array_equal(ours.load().train.images, plain.load().train.images)


def test_validation_pairs_change_no_training(plain):
    without = one(epochs=3, validation_pairs=0)
    assert np.isnan(without["validation_error"])
    same = ["train_loss", "train_error", "test_error", "digit_error", "dead_first", "dead_second"]
    assert [without[name] for name in same] == [plain[name] for name in same]


def test_a_trace_counts_dead_units_after_every_epoch_and_changes_nothing_else(plain):
    trials = plan(epochs=3)
    store = Store("sqlite://")
    (untraced,) = table_of(trials, store=store).to_dict("records")
    witness = Witness()
    (traced,) = table_of(trials, store=store, trace=True, listener=witness).to_dict("records")
    assert witness.begun == [(1, 0, 3)]  # what was stored has no trace, and is trained again
    assert len(traced["dead_units_trace"]) == 3
    assert traced["dead_units_trace"][-1] == [traced["dead_first"], traced["dead_second"]]
    assert all(0 <= count <= 10 for counts in traced["dead_units_trace"] for count in counts)
    for row in (untraced, traced):
        for name in (*HOW, "dead_units_trace"):
            del row[name]
    np.testing.assert_equal(traced, untraced)
    # The other way round nothing is trained again: a traced row has all that an untraced one has.
    again = Witness()
    table_of(trials, store=store, listener=again)
    assert again.begun == [(1, 1, 0)]


def test_a_diverged_training_is_a_result():
    row = one(optimizer="sgd", learning_rate=1e6, epochs=2, network="NetWS")
    assert row["diverged"]
    assert None in row["train_loss"]
    assert 0 <= row["test_error"] <= 1


def test_the_listener_hears_of_every_epoch_and_trial(mixed):
    trials, table = mixed
    witness = Witness()
    table_of(trials, listener=witness)
    assert witness.begun == [(12, 0, sum(trial.epochs for trial in trials))]
    assert witness.epochs == sum(trial.epochs for trial in trials)
    assert {row["key"] for row in witness.rows} == set(table.key)
    assert witness.notes == []


def test_only_what_the_store_lacks_is_trained(mixed):
    trials, _ = mixed
    store = Store("sqlite://")
    table_of(trials[:5], store=store)
    witness = Witness()
    table = table_of(trials, store=store, listener=witness)
    assert witness.begun == [(12, 5, sum(trial.epochs for trial in trials[5:]))]
    assert len(witness.rows) == 7
    assert_same_outcomes(table, mixed[1])
    again = Witness()
    table_of(trials, store=store, listener=again)
    assert again.begun == [(12, 12, 0)]
    assert again.rows == []


def test_what_a_killed_run_left_is_cleared_where_nothing_is_left_to_train(tmp_path):
    """A run that was killed after its last trial had still to say that it ends, and to close its store."""
    path, trials = tmp_path / "r.db", plan()
    table_of(trials, store=Store(path))
    killed_at_its_end(path)
    table_of(trials, store=Store(path))
    assert (runs_in(path), [file.name for file in tmp_path.iterdir()]) == (0, ["r.db"])


class Interrupter(Silence):
    """Presses Ctrl-C when the first trial is stored."""

    def done(self, row):
        raise KeyboardInterrupt


def claims(path):
    connection = sqlite3.connect(path)
    found = connection.execute("select key, owner from claims").fetchall()
    connection.close()
    return found


def test_an_interruption_keeps_what_is_complete_and_gives_up_the_claims(mixed, tmp_path):
    trials, _ = mixed
    store = Store(str(tmp_path / "r.db"))
    with pytest.raises(KeyboardInterrupt):
        table_of(trials, store=store, listener=Interrupter())
    assert len(store.read()) == 1
    assert claims(tmp_path / "r.db") == []


def test_too_few_digits_leave_no_claim(tmp_path):
    store = Store(str(tmp_path / "r.db"))
    with pytest.raises(DataError, match=r"`test_pairs` \(=1300\) takes 2600 test digits, but mnist5k has 2500"):
        table_of(plan(test_pairs=1300), store=store)
    assert claims(tmp_path / "r.db") == []


class OtherRun(Witness):
    """Stands for another run on the same store, which completes its trial once we wait for it."""

    def __init__(self, store, row):
        super().__init__()
        self.store, self.row = store, row

    def note(self, text):
        super().note(text)
        self.store.add(self.row)


def test_what_another_run_trains_is_waited_for_and_not_trained(mixed, monkeypatch):
    monkeypatch.setattr(conduct_module, "_LOOK_EVERY", 0.0)
    trials, table = mixed
    store = Store("sqlite://")
    theirs = table.iloc[3].to_dict() | {"seconds": 999.0, "digit_error": None}
    assert store.claim([theirs["key"]], new_owner())[0]
    other = OtherRun(store, theirs)
    ours = table_of(trials, store=store, listener=other)
    assert other.notes == ["waiting for another run on this store, which is training 1 of the 12 trials"]
    assert ours.seconds[3] == 999.0
    assert len(other.rows) == 12
    assert other.epochs == sum(trial.epochs for trial in trials)


class Forgetter(Silence):
    """Has our run forgotten, as if it had been stopped, and waits for its next sign of life."""

    def __init__(self, path):
        self.path, self.seen = path, []

    def advance(self, epochs):
        if not (before := claims(self.path)):
            return  # between two portions
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            connection.execute("delete from claims")
            connection.execute("delete from runs")
        end = time.monotonic() + 60
        while not claims(self.path) and time.monotonic() < end:
            time.sleep(0.01)
        self.seen.append((before, claims(self.path)))


def test_a_run_beats_while_it_trains_and_claims_what_it_trains_anew_where_it_was_forgotten(monkeypatch, tmp_path):
    monkeypatch.setattr(heartbeat, "BEAT_EVERY", 0.05)
    path = tmp_path / "r.db"
    forgetter = Forgetter(path)
    table_of(plan(epochs=3), store=Store(str(path)), listener=forgetter)
    assert forgetter.seen
    for before, after in forgetter.seen:
        assert before == after


class Usurper(Silence):
    """Another run, which after our first trial has us forgotten, and takes the next two of our portion: trains one."""

    def __init__(self, path):
        self.path, self.store, self.owner = path, Store(str(path)), new_owner()
        self.taken, self.heard = [], 0

    def done(self, row):
        self.heard += 1
        if self.heard == 8:
            self.store.release_claims(self.owner)
        if self.taken:
            return
        [ours] = {owner for _, owner in claims(self.path)}
        self.taken = sorted({key for key, _ in claims(self.path)} - {row["key"]})[:2]
        assert self.store.claim(["another"], self.owner)[0]
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            connection.execute("delete from runs where owner = ?", [ours])
            connection.executemany("update claims set owner = ? where key = ?", [(self.owner, k) for k in self.taken])
        self.store.add(row | {"key": self.taken[0], "seconds": 999.0})
        end = time.monotonic() + 60
        while len(self.store.running()) < 2 and time.monotonic() < end:
            time.sleep(0.01)


def test_a_run_that_was_forgotten_trains_nothing_that_others_have_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(heartbeat, "BEAT_EVERY", 0.05)
    put, trained = Outbox.put, []
    monkeypatch.setattr(Outbox, "put", lambda self, it: (trained.append(it.trial.key), put(self, it)))
    trials = plan(16)
    usurper = Usurper(tmp_path / "r.db")
    table_of(trials, devices=1, store=Store(str(tmp_path / "r.db")), listener=usurper)
    stored_by_other, given_back = usurper.taken
    assert trained.index(given_back) >= 8
    assert sorted([*trained, stored_by_other]) == sorted(trial.key for trial in trials)


def test_a_processor_is_named():
    name = device_name(jax.devices()[0])
    assert name.startswith("cpu: ")
    assert len(name) > len("cpu: ")


@pytest.mark.parametrize(
    ("kind", "capability", "has"),
    [
        ("NVIDIA H100 80GB HBM3", "9.0", True),
        ("NVIDIA A100-SXM4-40GB", "8.0", True),
        ("Tesla V100-SXM2-16GB", "7.0", False),
        ("AMD Instinct MI250X", "gfx90a", False),
        ("AMD Instinct MI300X", "gfx942:sramecc+:xnack-", False),
        ("TPU v4", None, False),
    ],
)
def test_the_precision_of_nvidias_is_refused_elsewhere_in_a_line(kind, capability, has):
    told = {"platform": "tpu" if "TPU" in kind else "gpu", "device_kind": kind}
    device = create_autospec(jax.Device, instance=True, **told, compute_capability=capability)
    machine._check_precision(plan(), device)
    if has:
        machine._check_precision(plan(precision="tf32"), device)
    else:
        with pytest.raises(
            SettingError, match=rf"^`precision` \(=tf32\) needs a GPU of NVIDIA's .* here is .*{kind}; use f"
        ):
            machine._check_precision(plan(precision="tf32"), device)
