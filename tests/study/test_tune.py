"""Searches: what a space allows, what is proposed, and that a search goes on from where it was stopped."""

from datetime import timedelta
from functools import partial

import jax
import optuna
import pytest
from tests.study.stores import killed_at_its_end, runs_in

from twofold.data import load_images
from twofold.errors import SettingError, StoreAway
from twofold.networks import NETWORKS
from twofold.results import Store
from twofold.results.patience import Patience
from twofold.study import factorial
from twofold.study.listener import Silence
from twofold.study.tune import Search, SearchSpace, _Journal, tune

PAPERS = {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 25, "epochs": 100, "aux_weight": 1.0}
TASK = {"pairs": 50, "test_pairs": 50, "validation_pairs": 60}
# One compiled program for all proposals.
SPACE = SearchSpace.of({"optimizer": "sgd", "learning_rate": (0.001, 0.01), "batch_size": 25, "epochs": (1, 2)})


@pytest.fixture(scope="module")
def digits():
    return load_images("mnist5k")


def _search(digits, **batch):
    """A search for the setting of one network, on two rounds."""

    def plan(**setting):
        return factorial(digits, network=["NetWS"], rounds=range(2), **TASK, **setting)

    return Search(networks=("NetWS",), space=SPACE, trials=plan, first=PAPERS, **batch)


@pytest.fixture
def search(digits):
    return _search(digits)


class Counting(Silence):
    """Counts the trainings, and can stop the run after some, as Ctrl-C does."""

    def __init__(self, stop_after=None):
        self.trained, self.stop_after = [], stop_after

    def done(self, row):
        self.trained.append(row["key"])
        if len(self.trained) == self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture
def conducted(digits):
    """Conducts a search in a store and returns what it found and the keys of what it trained."""

    def conduct(search, store, budget, stop_after=None, devices=1):
        listener = Counting(stop_after)
        found = tune(
            [search],
            budget=budget,
            digits=digits,
            store=store,
            devices=lambda: jax.devices()[:devices],
            listener=listener,
            seed=3,
        )
        return found[0], listener.trained

    return conduct


def test_a_search_spends_its_budget_on_proposals_within_the_space(search, conducted, tmp_path):
    found, trained = conducted(search, Store(str(tmp_path / "s.db")), 9)
    assert len(trained) == len(found.trials) == 8  # four proposals of two rounds; a fifth would not fit
    assert found.proposals.learning_rate.between(0.001, 0.01).all()
    assert found.proposals.epochs.isin([1, 2]).all()
    assert "aux_weight" not in found.proposals
    lowest = found.proposals[found.proposals.validation_error == found.proposals.validation_error.min()]
    assert found.best == lowest.drop(columns="validation_error").to_dict("records")[0]


def test_a_search_that_is_complete_clears_what_a_killed_run_left(search, conducted, tmp_path):
    path = tmp_path / "s.db"
    conducted(search, Store(path), 2)
    killed_at_its_end(path)
    conducted(search, Store(path), 2)
    assert (runs_in(path), [file.name for file in tmp_path.iterdir()]) == (0, ["s.db"])


def test_a_proposal_is_judged_by_its_mean_validation_error(search, conducted, tmp_path):
    store = Store(str(tmp_path / "s.db"))
    found, _ = conducted(search, store, 4)
    for proposal in found.proposals.to_dict("records"):
        error = proposal.pop("validation_error")
        stored = store.read([trial.key for trial in search.trials(**proposal)])
        assert len(stored) == 2
        assert error == pytest.approx(stored.validation_error.mean())


@pytest.fixture(scope="module")
def at_once(digits, tmp_path_factory):
    """What a search by batches of three proposes, of fourteen of two trainings, when nothing stops it."""
    store = Store(str(tmp_path_factory.mktemp("search") / "s.db"))
    return tune(
        [_search(digits, batch=3)],
        budget=28,
        digits=digits,
        store=store,
        devices=jax.devices,
        listener=Silence(),
        seed=3,
    )[0].proposals


def test_as_many_workers_as_there_are_propose_the_same(digits, conducted, tmp_path, at_once):
    """The estimator, which learns from the errors, proposes the last; two workers proposed the others."""
    assert len(jax.devices()) == 2
    found, _ = conducted(_search(digits, batch=3), Store(str(tmp_path / "s.db")), 28, devices=1)
    assert found.proposals.equals(at_once)


@pytest.mark.parametrize("first_budget", [2, 6, 22])
def test_a_search_goes_on_to_a_larger_budget_as_if_it_had_never_stopped(
    first_budget, digits, conducted, tmp_path, at_once
):
    """Also where the budget ended in the midst of a batch."""
    store, search = Store(str(tmp_path / "s.db")), _search(digits, batch=3)
    found, trained = conducted(search, store, first_budget)
    assert len(trained) == first_budget
    assert found.proposals.equals(at_once[: first_budget // 2])
    found, trained = conducted(search, store, 28)
    assert len(trained) == 28 - first_budget
    assert found.proposals.equals(at_once)


def test_an_interrupted_proposal_is_finished_and_nothing_is_trained_twice(digits, conducted, tmp_path, at_once):
    store, search = Store(str(tmp_path / "s.db")), _search(digits, batch=3)
    with pytest.raises(KeyboardInterrupt):
        conducted(search, store, 28, stop_after=3)
    before = set(store.read().key)
    assert len(before) == 3
    found, trained = conducted(search, store, 28)
    assert found.proposals.equals(at_once)
    assert before.isdisjoint(trained)
    assert len(store.read()) == 28


def test_a_batch_that_was_being_made_when_its_run_was_killed_is_made_up(
    digits, conducted, tmp_path, at_once, monkeypatch
):
    """Whether the last entry that was written is a whole proposal or the wish for one."""
    search, ask = _search(digits, batch=3), optuna.Study.ask
    for whole in (True, False):
        store, asked = Store(str(tmp_path / f"{whole}.db")), []

        def killed(study, *arguments, whole=whole, asked=asked):
            asked.append(study)
            if len(asked) == 5 and not whole:
                raise KeyboardInterrupt
            proposed = ask(study, *arguments)
            if len(asked) == 5:
                raise KeyboardInterrupt
            return proposed

        with monkeypatch.context() as patched:
            patched.setattr(optuna.Study, "ask", killed)
            with pytest.raises(KeyboardInterrupt):
                conducted(search, store, 28)
        assert conducted(search, store, 28)[0].proposals.equals(at_once)


def test_a_proposal_that_was_never_made_in_full_is_given_up(search, conducted, tmp_path, monkeypatch):
    store = Store(str(tmp_path / "s.db"))
    storage = optuna.storages.JournalStorage(_Journal(store, Patience(print)))
    study = optuna.create_study(storage=storage, study_name=search.name)
    study.ask()  # without a setting, as by a run that is killed just then
    monkeypatch.setattr("twofold.study.tune._MAKING", timedelta(0))
    found, _ = conducted(search, store, 4)
    assert len(found.proposals) == 2
    assert study.get_trials()[0].state is optuna.trial.TrialState.FAIL


def test_an_entry_is_written_once_wherever_the_connection_is_cut(tmp_path, monkeypatch):
    """When the transaction ends, which has written it, and before."""
    store, notes = Store(str(tmp_path / "s.db")), []
    journal, append, faults = _Journal(store, Patience(notes.append)), store.append_journal, ["after", "before", ""]

    def cut(entries):
        fault = faults.pop(0)
        if fault != "before":
            append(entries)
        if fault:
            raise StoreAway("cut", "it was cut")

    monkeypatch.setattr(store, "append_journal", cut)
    journal.append_logs([{"op": 1}])
    assert journal.read_logs(0) == [{"op": 1}]
    journal.append_logs([{"op": 1}])  # another of the same kind
    assert journal.read_logs(0) == [{"op": 1}, {"op": 1}]
    assert notes == 2 * [
        "it was cut; trying again for 10 minutes: what is trained waits in memory",
        "the store is back",
    ]
    assert faults == []


def test_the_search_starts_from_the_papers_setting_where_the_space_has_it(search, conducted, tmp_path):
    nearby = SearchSpace.of({"optimizer": "sgd", "learning_rate": (0.001, 0.01), "batch_size": 25, "epochs": 1})
    first = {**PAPERS, "optimizer": "sgd", "learning_rate": 0.005, "epochs": 1}
    within = Search(networks=search.networks, space=nearby, trials=search.trials, first=first)
    found, _ = conducted(within, Store(str(tmp_path / "s.db")), 2)
    assert found.best == {name: first[name] for name in ("optimizer", "learning_rate", "batch_size", "epochs")}


def test_a_search_has_a_name_of_its_own_for_every_question(digits, search):
    plan = partial(factorial, digits, network=["NetWS"], **TASK)
    names = {
        search.name,
        Search(search.networks, SearchSpace.of({}), search.trials, PAPERS).name,
        Search(search.networks, SPACE, partial(plan, rounds=range(3)), PAPERS).name,
        Search(search.networks, SPACE, partial(plan, rounds=range(2), seed=1), PAPERS).name,
        Search(search.networks, SPACE, partial(plan, rounds=range(2)), PAPERS, batch=8).name,
    }
    assert len(names) == 5
    assert Search(search.networks, SPACE, partial(plan, rounds=range(2)), PAPERS).name == search.name
    assert search.name == "NetWS 2b6f21a26a0b"  # what stores of earlier versions call it: there it goes on


@pytest.mark.parametrize("network", NETWORKS)
def test_the_auxiliary_weight_is_searched_where_there_are_auxiliary_losses(network):
    assert ("aux_weight" in SearchSpace.of({}).distributions([network])) == NETWORKS[network].auxiliary_losses


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"optimizer": ("adm",)}, "did you mean adam"),
        ({"optimizer": ()}, "`optimizer` is empty"),
        ({"learning_rate": (0.1, 0.01)}, r"`learning_rate` \(=0.1 0.01\) must be a range"),
        ({"learning_rate": (0.0, 0.01)}, r"`learning_rate` \(=0.0\) must be greater than 0"),
        ({"epochs": (0, 5)}, r"`epochs` \(=0\) must be at least 1"),
        ({"aux_weight": (1.0, float("inf"))}, r"`aux_weight` \(=inf\) must be a finite number"),
        ({"aux_weight": (0.0, 1.0)}, r"`aux_weight` \(=0 1\) must be a range"),
        ({"epochs": (1, 2, 3)}, r"`epochs` \(=1 2 3\) must be a range"),
        ({"pairs": (100, 200)}, "unknown"),
    ],
)
def test_a_space_that_cannot_be_searched_is_an_error(space, message):
    with pytest.raises(SettingError, match=message):
        SearchSpace.of(space)


def test_a_budget_below_one_proposal_is_an_error(search, conducted, tmp_path):
    with pytest.raises(SettingError, match=r"`budget` \(=1\) must be at least the 2 trainings of one proposal"):
        conducted(search, Store(str(tmp_path / "s.db")), 1)
