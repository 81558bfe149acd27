"""Trials on a real cluster of Ray's, of several nodes on this machine: the same rows, whatever becomes of nodes."""

import json
import os
import shutil
import signal
import sys
import textwrap

import pytest
from tests.cli.program import start as start_by
from tests.cli.watched import stored
from tests.processes import wait_until
from tests.study.ray_cluster import running
from tests.study.test_conduct import DIGITS, Witness, assert_same_outcomes, plan, table_of

from twofold import Study
from twofold.cli import main
from twofold.errors import ClusterError, ExtraError, SettingError
from twofold.results import Store
from twofold.study import conduct as conduct_module
from twofold.study.cluster import Cluster
from twofold.study.connection import check_cluster

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own, from wherever it is imported first
    pytest.mark.xdist_group("ray"),
]


@pytest.fixture(scope="module")
def ray():
    """Ray itself, which comes with the extra `test`."""
    return pytest.importorskip("ray")


@pytest.fixture(scope="module")
def ray_cluster(ray):
    """A cluster of a head that trains nothing and a node of one core."""
    with running() as cluster:
        yield cluster


def on_cluster(ray_cluster, trials, listener, **more):
    """Conduct the trials on the cluster, and read their rows."""
    store = Store("sqlite://")
    with Cluster(ray_cluster.address, None, listener.note) as cluster:
        conduct_module.conduct(trials, DIGITS, store, devices=lambda: cluster, listener=listener, **more)
    return store.read([trial.key for trial in trials], histories=True)


def test_a_node_is_lost_and_another_comes_and_the_rows_are_those_of_one_machine(ray_cluster):
    class Trouble(Witness):
        def done(self, row):
            super().done(row)
            if len(self.rows) == 1:
                ray_cluster.add()
                ray_cluster.kill(first)

    first = ray_cluster.first
    trials = plan(rounds=4, network=["NetWS", "NetWSAL"], epochs=[1, 3])
    trouble = Trouble()
    table = on_cluster(ray_cluster, trials, trouble)
    assert_same_outcomes(table, table_of(trials))
    assert trouble.epochs == sum(trial.epochs for trial in trials)
    (lost,) = [note for note in trouble.notes if " is lost: " in note]
    assert lost.endswith("what it trained (1 trial) begins again elsewhere")


def test_a_network_of_ones_own_travels_with_all_that_its_file_imports(ray_cluster, tmp_path, monkeypatch):
    """What the nodes would have to read is gone before they are asked."""
    pytest.importorskip("torch")
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "layers.py").write_text(
        "import torch\n\n\ndef layer(n, m):\n    return torch.nn.Linear(n, m)\n"
    )
    (folder / "net.py").write_text(
        textwrap.dedent("""\
            import torch
            from parts.layers import layer


            class Twin(torch.nn.Module):
                def __init__(self, share=True):
                    super().__init__()
                    self.first = layer(196, 8)
                    self.second = self.first if share else layer(196, 8)
                    self.head = layer(16, 2)

                def forward(self, x):
                    images = x.flatten(2)
                    seen = [self.first(images[:, 0]), self.second(images[:, 1])]
                    return self.head(torch.relu(torch.cat(seen, 1)))
        """)
    )
    monkeypatch.chdir(folder)
    small = {"rounds": 2, "epochs": 1, "pairs": 100, "test_pairs": 50}
    study = Study(networks="net.py:Twin(share=[False, True])", **small)
    here = study.run(store="here.db", progress=False, keep_models="all").histories
    shutil.move(folder / "here.db", tmp_path)
    shutil.move(folder / "here.models", tmp_path)
    shutil.rmtree(folder / "parts")
    (folder / "net.py").unlink()
    there = study.run(store="there.db", progress=False, keep_models="all", cluster=ray_cluster.address).histories
    assert_same_outcomes(there, here)
    kept = [
        sorted(file.name for file in place.iterdir()) for place in (folder / "there.models", tmp_path / "here.models")
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 4


def test_grid_sweep_and_tune_train_there_too(ray_cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sizes = ["--networks", "NetWSAL", "--pairs", "100", "--test-pairs", "50", "--epochs", "1", "--json", "--quiet"]
    where = ["--cluster", ray_cluster.address, "--store", "all.db"]
    commands = [
        ["grid", "--rounds", "1", "--optimizer", "adam", "--learning-rate", "0.001", "0.002"],
        ["sweep", "--rounds", "1", "--aux-weight", "0.5", "1"],
        ["tune", "--rounds", "1", "--budget", "2", "--optimizer", "adam", "--batch-size", "10"],
    ]
    keys = set()
    for command in commands:
        assert main([*command, *sizes, *where]) == 0, capsys.readouterr().err
        captured = capsys.readouterr()
        rows = json.loads(captured.out)
        assert len(rows) == 2
        keys |= {row["key"] for row in rows}
        assert captured.err == ""
    assert set(Store("all.db", create=False).read().key) == keys


def test_a_node_with_other_versions_is_not_used(ray_cluster, tmp_path):
    """Where there is none but such, that is an error in one line."""
    folder = tmp_path / "jax-0.0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: jax\nVersion: 0.0.1\n")
    other = ray_cluster.add(PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    listener = Witness()
    try:
        table = on_cluster(ray_cluster, plan(rounds=3), listener)
    finally:
        ray_cluster.kill(other)
    assert len(table) == 3
    (refused,) = [note for note in listener.notes if " is not used: " in note]
    assert "is not used: it has jax 0.0.1, and this machine jax " in refused


def test_ctrl_c_keeps_what_is_complete_and_leaves_no_process(ray, launch, tmp_path):
    mark = f"TWOFOLD_TEST_MARK={tmp_path}"
    sizes = ["--epochs", "100", "--pairs", "100", "--test-pairs", "50"]
    study = ["study", "--networks", "NetWS", "--rounds", "40", *sizes, "--cluster", "local", "--workers", "1"]
    process = start_by(launch, *study, cwd=tmp_path, TWOFOLD_TEST_MARK=str(tmp_path))
    wait_until(process, lambda: stored(tmp_path))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (
        err.splitlines()[-1] == "twofold: stopped; what was complete is stored, and the same command goes on from there"
    )
    assert "ray" not in err.replace("`ray status`", "").lower()
    assert 1 <= len(stored(tmp_path)) < 40
    deadline = launch(["sleep", "60"])
    wait_until(deadline, lambda: not marked(mark))


def marked(mark):
    """The processes that have this variable."""
    found = []
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                with open(f"/proc/{process}/environ", "rb") as environment:
                    found += [process] * (mark.encode() in environment.read().split(b"\0"))
            except OSError:
                pass  # it has ended, or is another user's
    return found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("locl", r"`cluster` \(=locl\) is no address of a cluster; give local, auto, or the address that "),
        ("", r"`cluster` \(=\) is no address of a cluster; give local"),
        ("10.0.0.1", r"is no address of a cluster"),
        ("ray://10.0.0.1:10001", r"start twofold on a machine of the cluster, with auto"),
        ("me:secret@10.0.0.1:6379", r"^`cluster` \(=me:\*\*\*@10.0.0.1:6379\) is no address"),
    ],
)
def test_what_is_no_cluster_is_refused(text, says):
    with pytest.raises(SettingError, match=says):
        check_cluster(text)


def test_without_ray_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraError, match=r"^training on a cluster needs Ray, .* pip install -e '\.\[cluster\]'$"):
        check_cluster("local")


def test_where_nothing_answers_that_is_told(ray, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = main(["study", "--networks", "NetWS", "--rounds", "1", "--cluster", "127.0.0.1:1", "--quiet"])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == ClusterError.exit_code == 5
    assert line.startswith("twofold: `--cluster` (=127.0.0.1:1): nothing answers there (Connection refused)")


def test_what_is_stored_needs_no_cluster(ray, tmp_path):
    """Nothing is connected where nothing is to train."""
    small = {"networks": "NetWS", "rounds": 1, "epochs": 1, "pairs": 100, "test_pairs": 50}
    store = tmp_path / "own.db"
    Study(**small).run(store=store, progress=False)
    assert len(Study(**small).run(store=store, progress=False, cluster="127.0.0.1:1").table) == 1
