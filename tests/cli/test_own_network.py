"""A network of one's own on the command line, from its file to a table."""

import base64
import json
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from tests.cli import program

from twofold.results import Store

pytestmark = pytest.mark.usefixtures("compiled_quickly")
NET = '''
import torch
from torch import nn

class Twin(nn.Module):
    """Two branches of one convolution, with dropout and batch normalisation."""

    def __init__(self, share=True, aux=False):
        super().__init__()
        def branch():
            layers = nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)
            return nn.Sequential(*layers)
        self.first = branch()
        self.second = self.first if share else branch()
        self.aux, self.dropout, self.head = aux, nn.Dropout(0.2), nn.Linear(20, 1)

    def forward(self, left, right):
        a, b = self.first(left), self.second(right)
        answer = torch.sigmoid(self.head(self.dropout(torch.relu(torch.cat([a, b], 1)))))
        return (answer, a, b) if self.aux else answer
'''
SIZES = [
    "--rounds",
    "2",
    "--epochs",
    "2",
    "--pairs",
    "100",
    "--test-pairs",
    "60",
    "--validation-pairs",
    "20",
    "--quiet",
]
TYPED = "net.py:Twin(share=[False, True], aux=[False, True])"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a network, and a store in which a study of its flags is."""
    from twofold.cli import main

    folder = tmp_path_factory.mktemp("own")
    (folder / "net.py").write_text(NET, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["study", "--networks", TYPED, "NetWS", *SIZES]) == 0
    return folder


def test_every_combination_is_trained_and_its_rows_say_what_it_is(trained):
    table = Store(trained / "twofold.db", create=False).read(histories=True)
    own = table[table.network != "NetWS"]
    names = [f"Twin(share={share}, aux={aux})" for share in (False, True) for aux in (False, True)]
    assert set(own.network) == set(names)
    assert len(own) == 8
    assert set(own.source) == {"net.py:Twin"}
    assert own.identity.nunique() == 4
    for row in own.to_dict("records"):
        assert row["network"] == f"Twin(share={row['arguments']['share']}, aux={row['arguments']['aux']})"
        assert (row["digit_error"] >= 0) == row["arguments"]["aux"] == row["auxiliary_losses"]
        assert row["weight_sharing"] is None
        assert [units for _, units in row["dead_layers"].values()] == [4, 4, 20]
        assert len(row["train_loss"]) == 2
    papers = table[table.network == "NetWS"]
    assert papers.arguments.isna().all()
    assert papers.dead_first.notna().all()


def test_nothing_is_trained_again_and_a_comment_changes_nothing(trained, tmp_path, run):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "net.py").write_text(NET.replace("class Twin", "# of mine\n\nclass Twin").replace("a, b =", "a, b  ="))
    before = (tmp_path / "twofold.db").read_bytes()
    code, out, _ = run("study", "--networks", TYPED, "NetWS", *SIZES, "--json")
    assert code == 0
    assert len(json.loads(out)) == 10
    assert (tmp_path / "twofold.db").read_bytes() == before


def test_another_layer_is_another_network(trained, tmp_path, run):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "net.py").write_text(NET.replace("nn.ReLU()", "nn.GELU()"))
    code, out, _ = run("study", "--networks", "net.py:Twin(share=True)", *SIZES, "--json")
    rows = json.loads(out)
    assert (code, len(rows)) == (0, 2)
    old = Store(trained / "twofold.db", create=False).read()
    assert not set(old.key) & {row["key"] for row in rows}


@pytest.mark.parametrize("command", ["results", "analyse", "power", "report"])
def test_commands_that_read_import_nothing_of_it(command, trained, tmp_path, run, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "net.py").write_text("raise SystemExit('imported')")
    code, _, err = run(command)
    assert (code, "imported" in err) == (0, False)


def test_check_finds_weights_that_are_the_same_in_every_round(tmp_path, run):
    (tmp_path / "net.py").write_text(NET.replace("super().__init__()", "super().__init__(); torch.manual_seed(0)"))
    code, out, _ = run("check", "net.py:Twin", "--json")
    (wrong,) = [each for each in json.loads(out) if each["wrong"]]
    assert (code, wrong["name"], wrong["found"]) == (1, "first weights", "the same in every round")
    assert "leave torch.manual_seed" in wrong["wrong"]


def test_check_says_why_a_network_differs_and_that_no_study_trains_it(tmp_path, run):
    counts = "self.steps = getattr(self, 'steps', 0) + 1; left, right = (1 + self.steps) * left, right"
    (tmp_path / "net.py").write_text(
        NET.replace("def forward(self, left, right):", f"def forward(self, left, right):\n        {counts}")
    )
    code, out, err = run("check", "net.py:Twin", "--json")
    found = {each["name"]: each for each in json.loads(out)}
    assert (code, "Comparing Twin with your module" in err) == (1, True)
    assert "it differs by more than" in found["parity: outputs in evaluation"]["wrong"]
    assert found["why"]["found"].startswith("forward changes self.steps, which stays in a graph")
    assert found["time"]["found"].startswith("not measured")
    assert run("study", "--networks", "net.py:Twin", *SIZES)[0] == 2


@pytest.mark.parametrize(
    ("added", "name", "said"),
    [
        ("(-1 - left.mean()).sqrt()", "first outputs", "some are infinite or no numbers"),
        ("(a - a).pow(2).sum(1, True).sqrt()", "first gradients", "those of first.0.weight, first.0.bias, first.1.wei"),
    ],
)
def test_check_finds_what_is_no_number_and_goes_on_where_images_are_too_few(added, name, said, tmp_path, run):
    (tmp_path / "net.py").write_text(NET.replace("self.head(", f"{added} + self.head("))
    images = np.random.default_rng(0).integers(0, 255, (60, 28, 28), dtype=np.uint8)
    labels = np.arange(60) % 10
    np.savez(tmp_path / "few.npz", images=images, labels=labels, test_images=images, test_labels=labels)
    code, out, _ = run("check", "net.py:Twin", "--data", "few.npz", "--json")
    found = {each["name"]: each for each in json.loads(out)}
    assert (code, found[name]["found"]) == (1, "not finite")
    assert found[name]["wrong"].startswith(said)
    assert found["parity: gradients"]["found"].endswith("at most 1e-08, where they are finite")
    assert "takes 2000 training digits, but few.npz has 60" in found["time"]["wrong"]


def test_an_auxiliary_weight_needs_class_predictions(tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    code, _, err = run("study", "--networks", "net.py:Twin(aux=False)", "--aux-weight", "0.5", *SIZES)
    assert (code, "or give class predictions as outputs" in err, "NetAL" in err) == (2, True, False)


def test_the_figure_of_other_networks_than_the_papers_is_named_for_what_it_shows(trained):
    assert sorted(path.name for path in (trained / "figures").iterdir()) == ["errors.png", "errors.svg"]


def test_networks_looks_at_a_network_with_the_images_that_are_asked_for(tmp_path, run):
    (tmp_path / "net.py").write_text(NET.replace("nn.Linear(64,", "nn.LazyLinear("))
    images, labels = np.zeros((60, 40, 40), np.uint8), np.arange(60) % 10
    np.savez(tmp_path / "large.npz", images=images, labels=labels, test_images=images, test_labels=labels)
    code, out, _ = run("networks", "net.py:Twin", "--data", "large.npz", "--json")
    assert (code, json.loads(out)[0]["input_shape"]) == (0, [1, 20, 20])


def test_what_is_looked_at_before_a_study_leaves_it_all_cores(tmp_path):
    # In a process of its own: JAX's devices are settled when it first computes. The comment makes it a new file.
    (tmp_path / "net.py").write_text(f"# {tmp_path}\n{NET}")
    for command in (["check", "net.py:Twin"], ["study", "--networks", "net.py:Twin", *SIZES]):
        ended = program.run(*command, cwd=tmp_path)
        assert (ended.returncode, "JAX was running already" in ended.stderr) == (0, False)


def test_the_report_has_the_layers_and_the_drawings_of_the_networks_it_shows(trained, tmp_path, run):
    shutil.copy(trained / "twofold.db", tmp_path)
    assert run("report", "--networks", "net.py:Twin(aux=True)", "NetWS")[0] == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert re.findall(r'alt="the layers of ([^,]+, [^,]+),', page) == [
        f"Twin(share={share}, aux=True)" for share in (False, True)
    ]
    images = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert [base64.b64decode(each)[1:4] for each in images] == [b"PNG"] * 3  # and of the question
    assert page.count(">second.0: conv2d<") == 2
    assert run("report", "--networks", "NetWS")[0] == 0
    assert 'id="networks"' not in (tmp_path / "report.html").read_text("utf-8")


def test_networks_shows_the_same_of_a_file_and_of_a_store_which_imports_nothing(trained, tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    _, of_file, said = run("networks", TYPED, "--json")
    assert said.count("wrote figures/layers_Twin-share-") == 8
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    (tmp_path / "net.py").write_text("raise SystemExit('imported')")
    shutil.copy(trained / "twofold.db", tmp_path)
    code, of_store, said = run("networks", "--store", "twofold.db", "--json")
    assert (code, json.loads(of_store)) == (0, json.loads(of_file))
    assert said.count("are up to date") == 4
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == drawn
    code, table, _ = run("networks", "--store", "twofold.db", "Twin(share=True, aux=False)")
    assert (code, table.count("parameters,"), "first.0: conv2d" in table) == (0, 1, True)
    code, table, _ = run("networks", "--store", "twofold.db", "./net.py:Twin(aux=True)")
    assert (code, table.count("parameters,"), "aux=False" in table) == (0, 2, False)


@pytest.mark.parametrize("arguments", [["Twin(share=3)"], ["NetWS"]])
def test_networks_that_a_store_has_not_are_a_mistake(arguments, trained, tmp_path, run):
    shutil.copy(trained / "twofold.db", tmp_path)
    code, out, err = run("networks", "--store", "twofold.db", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "it has Twin(share=False, aux=False)" in err


def test_the_rows_do_not_depend_on_the_number_of_workers(trained, tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    code, out, _ = run("study", "--networks", "net.py:Twin(share=True)", *SIZES, "--json", "--workers", "1")
    assert code == 0
    table = Store(trained / "twofold.db", create=False).read().set_index("key")
    for row in json.loads(out):
        assert row["test_error"] == table.test_error[row["key"]]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("net.py:Tvin", "net.py has no class Tvin; its classes are: Twin"),
        ("nte.py:Twin", "there is no file nte.py"),
        ("net.py:Twin(share=[True, True])", "has the level True twice"),
        ("net.py:Twin(share=maybe)", "must be a literal"),
        ("net.py:Twin(depth=1)", "cannot be made: TypeError"),
    ],
)
def test_a_slip_is_one_line(typed, said, tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    code, out, err = run("study", "--networks", typed, *SIZES)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "twofold.db").exists()


def test_check_says_what_it_is_and_that_it_is_right(tmp_path, run):
    (tmp_path / "net.py").write_text(NET)
    code, out, err = run("check", "net.py:Twin(aux=True)", "--json")
    found = {each["name"]: each["found"] for each in json.loads(out)}
    assert (code, found["answer"]) == (0, "one logit, before its sigmoid or softmax")
    assert found["called with"] == "two images"
    assert found["class predictions"] == "two outputs, one for each image"
    assert found["parameters"].startswith("783 in")
    assert all(float(value.split(",")[0]) < 1e-9 for name, value in found.items() if name.startswith("parity"))
    assert "min for 20 rounds" in found["time"]
    assert (err.count("…"), err.count("\n")) == (3, 3)


def test_a_file_of_results_says_what_the_store_says_and_has_the_factors(trained, tmp_path, run):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "net.py").unlink()
    _, csv, _ = run("results", "--csv")
    assert csv.startswith("key,network,share,aux,identity,")
    (tmp_path / "trials.csv").write_text(csv)
    from_table, from_store = (json.loads(run("analyse", "--json", *more)[1]) for more in (["--csv", "trials.csv"], []))
    assert from_store["counting"]
    for found in (from_table, from_store):  # which a table has not
        del found["counting"]
        found["reasons"].pop("counting", None)
    assert from_table == from_store
    rows = json.loads(run("results", "--json", "--networks", "net.py:Twin(aux=True)")[1])
    assert {(row["share"], row["dead_units"]) for row in rows} == {(False, None), (True, None)}
    assert all(row["arguments"]["aux"] and "aux" not in row for row in rows)  # among these it is no factor
