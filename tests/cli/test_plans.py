"""Plans as users meet them: listed, chosen by, printed, run from a file, and deleted."""

import io
import json
import shutil
import signal

import pytest

from twofold.results import ModelStore, Store, new_owner


@pytest.fixture
def study(finished, tmp_path):
    """A copy of the store of a small study: four trials, of one plan."""
    return shutil.copyfile(finished.folder / "twofold.db", tmp_path / "twofold.db")


@pytest.fixture
def asked_never(monkeypatch):
    """A standard input that is no terminal."""
    monkeypatch.setattr("sys.stdin", io.StringIO())


def keep(path, keys):
    """Put files in the place of kept networks of these keys."""
    folder = path.with_name("twofold.models")
    folder.mkdir(exist_ok=True)
    for key in keys:
        (folder / f"{key}.safetensors").write_bytes(bytes(1000))
    return ModelStore(folder)


def test_a_run_is_a_plan_and_a_run_of_its_file_trains_nothing(run, study, tmp_path):
    (plan,) = json.loads(run("results", "--plans", "--json")[1])
    assert (plan["plan"], plan["command"], plan["trials"], plan["done"]) == (1, "study", 4, 4)
    assert plan["studies"] == [
        {"networks": ["NetWS", "NetWSAL"], "rounds": "0-1", "settings": {"pairs": 100, "test_pairs": 50, "epochs": 1}}
    ]
    before = study.read_bytes()
    code, out, err = run("results", "--plan", "1", "--toml")
    assert (code, err) == (0, "")
    (tmp_path / "plan.toml").write_text(out)
    code, out, err = run("study", "plan.toml", "--json")
    assert (code, len(json.loads(out))) == (0, 4)
    assert "is not what it was" not in err
    assert study.read_bytes() == before
    code, out, _ = run("results", "--plans")
    assert code == 0
    assert "4 of 4" in out
    assert "NetWS and NetWSAL" in out
    assert "0 to 1" in out


def test_what_a_name_meant_before_is_told(run, study, tmp_path):
    text = run("results", "--plan", "1", "--toml")[1]
    name, identity = text.splitlines()[-1].split(" = ")
    (tmp_path / "plan.toml").write_text(text.replace(identity, '"0000"'))
    _, _, err = run("study", "plan.toml", "--quiet")
    assert f"twofold: {name} is not what it was when this plan was recorded (0000, now {identity[1:13]})" in err


def test_several_studies_of_a_file_are_one_plan(run, study, tmp_path):
    settings = "[studies.settings]\npairs = 100\ntest_pairs = 50\nepochs = 1\n"
    each = [f'[[studies]]\nnetworks = ["{name}"]\nrounds = 2\n{settings}' for name in ("NetWS", "NetWSAL")]
    (tmp_path / "plan.toml").write_text('command = "confirmation"\n' + "".join(each))
    code, out, _ = run("study", "plan.toml", "--quiet")
    assert code == 0
    assert "NetWSAL" in out
    _, two = json.loads(run("results", "--plans", "--json")[1])
    assert (two["command"], two["done"], len(two["studies"])) == ("confirmation", 4, 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["results", "--plan", "2"], "`--plan` (=2) is no plan of twofold.db; there is 1"),
        (["results", "--since", "soon"], "`--since` (=soon) must be a date such as 2026-11-01"),
        (["results", "--since", "2030-01-01"], "no trial finished since 2030-01-01 00:00 (UTC)"),
        (["analyse", "--since", "2030-01-01"], "no trial finished since 2030-01-01 00:00 (UTC)"),
        (["results", "--plans", "--csv"], "`--plans` and `--csv` exclude each other"),
        (["results", "--plans", "--epochs", "1"], "`--plans` and `--epochs` exclude each other"),
        (["results", "--toml"], "`--toml` prints one plan: give `--plan` beside it"),
        (["results", "--toml", "--plan", "1", "--since", "2h"], "`--toml` prints one plan"),
        (["study", "none.toml"], "cannot read the plan none.toml (No such file or directory)"),
        (["study", "plan.toml", "--rounds", "20"], "`--rounds` and a plan exclude each other; change it in plan.toml"),
        (["study", "plan.toml", "--no-shuffle"], "`--shuffle` and a plan exclude each other"),
        (["predict", "abc", "a.png", "--plan", "7"], "`--plan` (=7) is no plan"),
        (["models", "--plan", "1"], "no kept network's trial of plan 1 is stored"),
        (["store", "delete"], "nothing is chosen; choose by --plan or other options, or give --all"),
        (["models", "delete"], "nothing is chosen"),
        (["store", "delete", "--all", "--plan", "1"], "`--all` and a choice exclude each other"),
        (["store", "delete", "--shared", "--epochs", "1"], "`--shared` is for a whole plan"),
        (["store", "delete", "--plan", "1"], "nobody can be asked here; give `--yes`"),
    ],
)
@pytest.mark.usefixtures("asked_never")
def test_what_cannot_be_meant_is_refused_in_a_line(run, study, arguments, says):
    before = study.read_bytes()
    code, _, err = run(*arguments)
    assert code in (2, 3, 4)
    assert err.startswith(f"twofold: {says}")
    assert len(err.splitlines()) == 1
    assert study.read_bytes() == before


def test_a_plan_is_chosen_in_all_that_reads(run, study):
    Store(study).record(Store(study).plans()[0].plan._replace(identity="b" * 64), Store(study).keys_of_plan(1)[:1])
    assert len(json.loads(run("results", "--plan", "2", "--json")[1])) == 1
    assert len(json.loads(run("results", "--plan", "1", "--since", "9999d", "--json")[1])) == 4
    for command in ("analyse", "power", "report"):
        code, _, err = run(command, "--plan", "1")
        assert (code, err.count("twofold:")) == (0, 0), err
    run("results", "--csv")
    code, _, err = run("analyse", "--plan", "1", "--csv", "trials.csv")
    assert (code, err) == (2, "twofold: `--plan` and `--csv` exclude each other; give one of them\n")


def test_trials_of_no_plan_are_counted(run, study):
    store = Store(study)
    keys = store.keys_of_plan(1)
    store.delete([], plan=1)
    assert run("results", "--plans")[2] == (
        "no plans in twofold.db yet; 4 trials of no plan, stored by an earlier version or taken from such a "
        "store: `twofold results` lists them by setting.\n"
    )
    assert len(store.present(keys)) == 4


def test_a_plan_is_deleted_but_for_what_others_have(run, study):
    store = Store(study)
    keys = store.keys_of_plan(1)
    store.record(store.plans()[0].plan._replace(identity="b" * 64), keys[:1])
    kept = keep(study, keys[:2])
    code, out, err = run("store", "delete", "--plan", "1", "--yes")
    assert code == 0
    assert out.splitlines()[0].startswith("plan 1 (study: NetWS and NetWSAL; pairs 100")
    assert out.splitlines()[1].startswith("3 trials (about ")
    assert out.splitlines()[2:] == [
        "1 kept network in twofold.models (1 kB)",
        "1 trial of other plans too, which stay; --shared takes them as well",
    ]
    assert err.startswith("deleted: 3 trials, 1 kept network, plan 1; ")
    assert (store.present(keys), [path.stem for path in kept.files()]) == ({keys[0]}, [keys[0]])
    assert [each.number for each in store.plans()] == [2]


def test_trials_are_deleted_by_a_choice_and_kept_networks_alone(run, study, monkeypatch):
    store = Store(study)
    keys = store.keys_of_plan(1)
    kept = keep(study, keys)
    code, out, err = run("models", "delete", keys[0][:12], "--yes")
    assert (code, out) == (0, "1 kept network in twofold.models (1 kB)\n")
    assert len(kept.files()) == 3
    monkeypatch.setattr("twofold.cli.output.asked", lambda: False)
    code, out, err = run("store", "delete", "--networks", "NetWS", "--rounds", "0-0")
    assert (code, err) == (0, "nothing was deleted\n")
    assert out.startswith("1 trial (about ")
    assert run("store", "delete", "--networks", "NetWS", "--rounds", "0-0", "--yes")[0] == 0
    assert [(each.number, each.done) for each in store.plans()] == [(1, 3)]
    code, _, err = run("store", "delete", "--all", "--yes")
    assert (code, store.count(), kept.files(), store.plans()) == (0, 0, [], [])


def test_what_a_run_trains_now_stays(run, study):
    store = Store(study)
    plan = store.plans()[0].plan
    store.record(plan._replace(identity="b" * 64), [*store.keys_of_plan(1), "n" * 64])
    owner = new_owner()
    store.beat(owner, [], trials=5, done=4)
    store.claim(["n" * 64], owner)
    kept = keep(study, store.keys_of_plan(1)[:1])
    for command in (
        ["store", "delete", "--networks", "NetWS"],
        ["store", "delete", "--all"],
        ["models", "delete", "--all"],
    ):
        code, _, err = run(*command, "--yes")
        assert code == 3
        assert "trains " in err
        assert "now; wait until it has ended, or stop it" in err
    assert (store.count(), len(kept.files())) == (4, 1)


KILLED = """
import os, signal, sys
from pathlib import Path
import twofold.results.models as models
remove, gone = models.ModelStore.remove, []
def counted(self, key):
    remove(self, key)
    gone.append(key)
    if len(gone) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
models.ModelStore.remove = counted
from twofold.cli import main
main(["store", "delete", "--plan", "1", "--yes"])
"""


def test_killed_in_the_middle_rows_and_files_agree(run, study, launch, tmp_path):
    import subprocess
    import sys

    store = Store(study)
    keys = store.keys_of_plan(1)
    kept = keep(study, keys)
    process = launch([sys.executable, "-c", KILLED], cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert process.wait(120) == -signal.SIGKILL
    assert (len(kept.files()), len(store.present(keys)), len(store.plans())) == (2, 4, 1)
    assert run("store", "delete", "--plan", "1", "--yes")[0] == 0
    assert (kept.files(), store.present(keys), store.plans()) == ([], set(), [])
    assert run("store", "check")[0] == 0


def test_plans_are_merged(run, study, tmp_path):
    code, _, err = run("store", "merge", "twofold.db", "--store", "other.db")
    assert (code, err) == (0, "twofold.db: 4 trials taken, 0 here already, 1 plan taken\n")
    theirs, ours = (
        json.loads(run("results", "--plans", "--json", "--store", each)[1]) for each in ("twofold.db", "other.db")
    )
    assert ours == theirs
    assert run("store", "check", "--store", "other.db")[0] == 0
    Store("other.db").delete([], plan=1)
    Store("other.db").record(Store(study).plans()[0].plan, ["k"])
    code, out, _ = run("store", "check", "--store", "other.db")
    assert (code, out) == (3, "plan 2: its 1 trial are not those that it is told by\n")
