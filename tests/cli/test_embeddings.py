"""A network that gives embeddings, from its file to its answers: one study for all that is asked of it."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

import torch

import twofold
from twofold.cli import main
from twofold.data import draw_pairs, load_images
from twofold.results import ModelStore, Store

pytestmark = pytest.mark.usefixtures("compiled_quickly")
NET = '''
import torch
from torch import nn

class Embed(nn.Module):
    """One branch for both images."""

    def __init__(self, head=False):
        super().__init__()
        self.branch = nn.Sequential(nn.Flatten(), nn.Linear(196, 16), nn.ReLU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 1) if head else None

    def forward(self, left, right):
        left, right = self.branch(left), self.branch(right)
        return (left, right) if self.head is None else self.head(abs(left - right))
'''
SIZES = ["--rounds", "2", "--pairs", "100", "--test-pairs", "61", "--validation-pairs", "20", "--quiet"]
STUDY = ["--networks", "net.py:Embed(head=[False, True])", "--relation", "==", "--balance", "--normalise", *SIZES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the network, a store of two margins, and what was kept."""
    folder = tmp_path_factory.mktemp("embeddings")
    (folder / "net.py").write_text(NET, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["--contrastive-margin", "1", "3", "--epochs", "20", "--keep-models", "all", "--trace"]
        assert main(["sweep", *STUDY, *words]) == 0
    return folder


@pytest.fixture
def table(trained):
    return Store(trained / "twofold.db", create=False).read(histories=True)


def test_a_margin_is_swept_for_those_that_give_embeddings(table):
    found = table.groupby("network").contrastive_margin.apply(sorted).to_dict()
    assert found == {"Embed(head=False)": [1, 1, 3, 3], "Embed(head=True)": [1, 1]}


def test_embeddings_learn_and_answer_by_a_threshold_of_their_own(table):
    answers = table.network == "Embed(head=True)"
    assert table[answers].distance_threshold.isna().all()
    of = table[~answers]
    assert (of.distance_threshold > 0).all()
    assert (of.train_error < 0.25).all()
    assert (of.test_error < 0.45).all()
    assert not of.diverged.any()
    assert of.digit_error.isna().all()
    for row in of.to_dict("records"):
        assert row["train_loss"][-1] < row["train_loss"][0]
        assert row["dead_layers"].keys() == {"branch.2", "branch.2 (2)"}
        assert len(row["dead_units_trace"]) == 20


def test_half_of_the_pairs_have_each_answer_and_the_users_class_answers_them_by_the_threshold(trained, monkeypatch):
    monkeypatch.syspath_prepend(trained)
    from net import Embed

    try:
        kept = ModelStore(trained / "twofold.models")
        records = [each for each in kept.records() if each["distance_threshold"] and each["round"] == 1]
        assert {record["contrastive_margin"] for record in records} == {1, 3}
        for record in records:
            pairs = draw_pairs(
                load_images("mnist5k"), seed=0, round=record["round"], split="test", pairs=61, relation="==",
                balance=True,
            )  # fmt: skip
            assert pairs.targets.sum() == 30
            images = (pairs.images - record["pixel_mean"]) / record["pixel_deviation"]
            left, right = (torch.tensor(images[:, place : place + 1], dtype=torch.float32) for place in (0, 1))
            with torch.no_grad():
                one, other = twofold.trained(kept.path(record["key"]), Embed)(left, right)
            equal = (one - other).norm(dim=1).numpy() < record["distance_threshold"]
            assert float(np.mean(equal != pairs.targets)) == pytest.approx(record["test_error"])
    finally:
        sys.modules.pop("net", None)


def test_what_reads_a_store_reads_embeddings(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    for command in (["analyse"], ["analyse", "--contrastive-margin", "3"], ["results"], ["models"], ["report"]):
        assert main(command) == 0
    assert main(["networks", "--store", "twofold.db"]) == 0
    assert "answers by a threshold on the distance of embeddings" in capsys.readouterr().out
    assert main(["demo"]) == 2
    page = (trained / "report.html").read_text("utf-8")
    assert "contrastive margin" in page
    assert (trained / "figures" / "sweep_contrastive_margin_eq.svg").exists()
    capsys.readouterr()
    assert main(["results", "--contrastive-margin", "3", "--json"]) == 0
    chosen = json.loads(capsys.readouterr().out)
    assert {(row["network"], row["contrastive_margin"]) for row in chosen} == {
        ("Embed(head=False)", 3.0),
        ("Embed(head=True)", 1.0),
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--relation", "<="], "`--relation` (=<=) cannot be answered by the embeddings of Embed(head=False)"),
        (["--networks", "NetWS", "--contrastive-margin", "2"], "`--contrastive-margin` cannot be used by NetWS; leave"),
        (["--contrastive-margin", "0"], "`--contrastive-margin` (=0.0) must be greater than 0"),
        (["--aux-weight", "2", "--networks", "net.py:Embed"], "`--aux-weight` cannot be used by Embed; leave it out"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_trained(changed, said, tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    options = dict(zip(changed[::2], changed[1::2]))
    words = {"--networks": STUDY[1], "--relation": "==", **options}
    code, out, err = run("study", *(word for pair in words.items() for word in pair), *SIZES)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not (tmp_path / "twofold.db").exists()


def test_a_training_whose_distances_are_not_finite_has_diverged(tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    words = ["--networks", "net.py:Embed", "--relation", "==", "--optimizer", "sgd", "--learning-rate", "1e30", *SIZES]
    code, out, _ = run("study", *words, "--epochs", "1", "--json")
    for row in json.loads(out):
        assert (code, row["diverged"], row["distance_threshold"]) == (0, True, None)
        assert 0 <= row["test_error"] <= 1


def test_check_says_what_embeddings_are_trained_and_answer_by(tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    code, out, _ = run("check", "net.py:Embed", "--json")
    found = {each["name"]: each["found"] for each in json.loads(out)}
    assert (code, "answer" in found) == (0, False)
    assert found["embeddings"] == ("two of (n, 8), trained by a contrastive loss (margin 1), answered by a threshold")
    assert found["relations"] == "== and same parity, the same in either order"
    assert "--normalise" in found["pixels"]
    assert "min for 20 rounds" in found["time"]
