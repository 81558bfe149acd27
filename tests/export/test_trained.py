"""Kept networks of one's own, back in the user's own class."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from safetensors.numpy import load_file, save_file
from torch import nn

import twofold
from twofold import Study
from twofold.cli import main
from twofold.data import draw_pairs, load_images
from twofold.errors import NetworkError, SettingError, StoreError
from twofold.networks.pytorch.weights import seeded
from twofold.results import ModelStore

pytestmark = pytest.mark.usefixtures("compiled_quickly")

FEW = {"rounds": 2, "epochs": 2, "pairs": 100, "test_pairs": 60, "validation_pairs": 20, "progress": False}


class Twin(nn.Module):
    """Shared or not, with state, a lazy layer, and arguments of several kinds."""

    def __init__(self, share=True, sizes=(4, 8), activation=nn.ReLU):
        super().__init__()

        def branch():
            return nn.Sequential(
                nn.Conv2d(1, sizes[0], 5, stride=3), nn.BatchNorm2d(sizes[0]), activation(), nn.Flatten(),
                nn.LazyLinear(sizes[1]),
            )  # fmt: skip

        self.first = branch()
        self.second = self.first if share else branch()
        self.head = nn.Linear(2 * sizes[1], 2)

    def forward(self, left, right):
        return self.head(torch.cat([self.first(left), self.second(right)], 1))


class Wider(Twin):
    def __init__(self, **arguments):
        super().__init__(**{**arguments, "sizes": (4, 9)})


def run(networks, folder, keep="all", **others):
    settings = {**FEW, **others}
    progress = settings.pop("progress")
    return Study(networks=networks, **settings).run(store=folder / "t.db", keep_models=keep, progress=progress)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    run([twofold.network(Twin, share=[False, True], sizes=(4, 8)), "NetWS"], folder)
    return ModelStore(folder / "t.models")


def error_of(module, record):
    """The test error of a module of PyTorch on the pairs of a record."""
    pairs = draw_pairs(
        load_images("mnist5k"), seed=record["seed"], round=record["round"], split="test", pairs=record["test_pairs"]
    )
    images = torch.from_numpy(pairs.images)
    with torch.no_grad():
        out = module(images[:, :1], images[:, 1:]) if isinstance(module, Twin) else module(images)[0]
    return float(np.mean(out.argmax(1).numpy() != pairs.targets))


def test_a_beginning_of_several_names_is_refused(tmp_path):
    for name in ("d0e5", "d2b3", "d971", "d98c"):
        (tmp_path / f"{name}.safetensors").touch()
    with pytest.raises(SettingError, match="several kept networks: d0e5, d2b3, d971 and 1 more; give one name"):
        twofold.trained(tmp_path / "d", Twin)


def test_a_module_with_the_kept_weights_makes_the_same_errors(kept):
    records = kept.records()
    assert sorted(record["network"] for record in records) == sorted(
        2 * ["Twin(share=False, sizes=(4, 8))", "Twin(share=True, sizes=(4, 8))", "NetWS"]
    )
    for record in records:
        make = Twin if record["network"] != "NetWS" else None
        module = twofold.trained(kept.path(record["key"]), make)
        assert not module.training
        assert error_of(module, record) == pytest.approx(record["test_error"])
        if make:
            assert (module.first is module.second) == ("share=True" in record["network"])
            assert int(module.first[1].num_batches_tracked) == (16 if module.first is module.second else 8)


class OfPairs(nn.Module):
    """It takes other arguments, and gives other outputs."""

    def forward(self, pairs):
        return pairs.sum((1, 2)), pairs, pairs.flatten(1)


def functional(width):
    return OfPairs()


@pytest.mark.parametrize(("make", "kind"), [(Wider, "class"), (OfPairs, "class"), (functional, "function")])
def test_another_class_is_refused_in_one_line(make, kind, kept):
    own = next(record for record in kept.records() if record["network"].startswith("Twin"))
    with pytest.raises(NetworkError) as error:
        twofold.trained(kept.path(own["key"]), make)
    assert str(error.value) == (
        f"{own['network']} was trained from {own['source']}, and {make.__name__} is another {kind}; give Twin of that "
        "file, or one that computes the same"
    )
    assert own["source"].endswith("test_trained:Twin")


def test_the_class_as_it_is_now_is_refused_where_it_computes_something_else(kept):
    own = next(record for record in kept.records() if record["network"].startswith("Twin"))
    with pytest.raises(NetworkError, match=r"`make` \(=Twin\) computes something else than Twin"):
        twofold.trained(kept.path(own["key"]), Twin, sizes=(4, 9))


class NetWS(nn.Module):
    """Has the name of a built-in network, a tensor that is expanded, one of no axis, and a layer that is not used."""

    def __init__(self):
        super().__init__()
        self.layer, self.unused = nn.Linear(392, 2), nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("mask", torch.ones(1).expand(2))

    def forward(self, pairs):
        return self.layer(pairs.flatten(1)) * self.mask * self.scale


@pytest.fixture(scope="module")
def of_a_built_in_name(tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    run([twofold.network(NetWS), "NetWS"], folder, keep="best")
    return ModelStore(folder / "t.models")


def own_record(kept):
    return next(record for record in kept.records() if record["identity"])


def test_a_class_of_a_built_in_networks_name_is_another_network(of_a_built_in_name, tmp_path, monkeypatch, capsys):
    kept = of_a_built_in_name
    assert {record["network"] for record in kept.records()} == {"NetWS", "NetWS()"}
    monkeypatch.chdir(tmp_path)
    store = ["--store", str(kept.folder.with_name("t.db"))]
    for command in (["demo"], ["report"], ["analyse"], ["models"], ["networks", "NetWS()"]):
        assert main([*command, *store]) == 0
    assert "not those of NetWS()" in capsys.readouterr().err
    record = own_record(kept)
    module = twofold.trained(kept.path(record["key"]), NetWS)
    pairs = draw_pairs(load_images("mnist5k"), seed=0, round=record["round"], split="test", pairs=60)
    with torch.no_grad():
        said = module(torch.from_numpy(pairs.images)).argmax(1).numpy()
    assert float(np.mean(said != pairs.targets)) == pytest.approx(record["test_error"])
    with seeded(0, record["round"]):
        assert torch.equal(NetWS().unused.weight, module.unused.weight)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer.bias": None}, "it has no tensor 'layer.bias'"),
        ({"layer.bias": np.zeros(1, np.float32)}, r"its tensor 'layer.bias' is \(1,\), not \(2,\)"),
        ({"mask": None}, "it has no tensor 'mask'"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(change, said, of_a_built_in_name, tmp_path):
    record = own_record(of_a_built_in_name)
    arrays = {**load_file(of_a_built_in_name.path(record["key"])), **change}
    file = tmp_path / "k.safetensors"
    metadata = {"format": "twofold model 1", "record": json.dumps(record)}
    save_file({name: array for name, array in arrays.items() if array is not None}, file, metadata)
    with pytest.raises(StoreError, match=said):
        twofold.trained(file, NetWS)


def test_a_record_without_its_arrays_and_a_text_for_a_class_are_refused(of_a_built_in_name, tmp_path):
    record = own_record(of_a_built_in_name)
    with pytest.raises(SettingError, match=r"`make` .* must be the class"):
        twofold.trained(of_a_built_in_name.path(record["key"]), "net.py:NetWS")
    file = tmp_path / "k.safetensors"
    record = {name: value for name, value in record.items() if name != "parameters"}
    save_file({}, file, {"format": "twofold model 1", "record": json.dumps(record)})
    with pytest.raises(StoreError, match="does not say what the network computes with"):
        twofold.trained(file, NetWS)


def test_a_class_is_needed_for_ones_own_and_for_no_other(kept):
    for record in kept.records():
        make = Twin if record["network"] == "NetWS" else None
        with pytest.raises(SettingError, match="built in" if make else "network of your own"):
            twofold.trained(kept.path(record["key"]), make)


def test_what_is_no_literal_has_to_be_given_again(tmp_path):
    run([twofold.network(Twin, activation=nn.Tanh)], tmp_path, rounds=1)
    kept = ModelStore(tmp_path / "t.models")
    (record,) = kept.records()
    with pytest.raises(SettingError, match=r"`activation` .* give it again"):
        twofold.trained(kept.path(record["key"]), Twin)
    module = twofold.trained(kept.path(record["key"]), Twin, activation=nn.Tanh)
    assert error_of(module, record) == pytest.approx(record["test_error"])


def test_the_best_of_each_is_kept_and_a_stored_study_is_trained_again_for_it(tmp_path):
    networks = [twofold.network(Twin, share=[False, True])]
    run(networks, tmp_path, keep="none")
    run(networks, tmp_path, keep="best")
    assert len(ModelStore(tmp_path / "t.models").records()) == 2
    run(networks, tmp_path, keep="all")
    assert len(ModelStore(tmp_path / "t.models").records()) == 4


def test_the_commands_list_them_and_the_demo_says_what_it_cannot_run(kept, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    models = ["--models", str(kept.folder), "--store", str(kept.folder.with_name("t.db"))]
    assert main(["models", *models, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 6
    assert main(["demo", *models]) == 0
    said = capsys.readouterr().err
    assert "not those of Twin(share=False, sizes=(4, 8)), Twin(share=True, sizes=(4, 8))" in said
    page = (tmp_path / "demo.html").read_text("utf-8")
    assert "Not every network that was kept can be asked" in page
    assert main(["report", *models]) == 0


def test_a_demo_of_networks_of_ones_own_alone_is_refused_plainly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run([twofold.network(Twin)], tmp_path, rounds=1)
    assert main(["demo", "--store", "t.db"]) == 2
    assert "no networks are kept that the demo can run" in capsys.readouterr().err
    assert main(["report", "--store", "t.db"]) == 0
    assert "There is no demo: no networks are kept that the demo can run" in (tmp_path / "report.html").read_text(
        "utf-8"
    )
