"""Kept networks in other programs: ONNX Runtime and plain PyTorch give the numbers that this engine gives."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it writes what is exported")
onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from safetensors import safe_open
from safetensors.torch import load_file
from tests.export.keeping import keep

import twofold
from twofold.cli import main
from twofold.errors import NetworkError, SettingError, TwofoldError
from twofold.export import onnx_file
from twofold.export.onnx_file import answering_of
from twofold.export.portable import check_exportable
from twofold.export.pytorch import from_pytorch, module_for
from twofold.export.trained import open_named
from twofold.networks import PAPERS
from twofold.networks.protocol import Variables
from twofold.results import ModelStore
from twofold.training.outputs import distances_of

FIRST = Path(__file__).parents[1] / "stores" / "first" / "twofold.models"
PAIRS = 1000

NETWORKS = '''
import torch
import torch.nn.functional as F
from torch import nn


class Normed(nn.Module):
    """Batch normalisation and dropout; one probability, and those of the classes."""

    def __init__(self, share=True, drop=0.3):
        super().__init__()

        def branch():
            layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(drop)]
            return nn.Sequential(*layers, nn.Linear(144, 10))

        self.left = branch()
        self.right = self.left if share else branch()
        self.head = nn.Linear(20, 1)

    def forward(self, pairs):
        a, b = self.left(pairs[:, :1]), self.right(pairs[:, 1:])
        return torch.sigmoid(self.head(torch.relu(torch.cat([a, b], 1)))), a.softmax(-1), b.softmax(-1)


class Residual(nn.Module):
    """Two images, a residual block with group norm, and a layer that gets its shape from the first images."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, stride=2)
        self.first, self.second = (nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.GroupNorm(2, 4)) for _ in range(2))
        self.out, self.head = nn.LazyLinear(10), nn.Linear(20, 2)

    def forward(self, left, right):
        a, b = (self.stem(each) for each in (left, right))
        a, b = (self.out((each + self.second(F.relu(self.first(each)))).flatten(1)) for each in (a, b))
        return self.head(F.relu(torch.cat([a, b], 1))), a, b


class Attending(nn.Module):
    """Embeddings of rows by attention over the patches of an image."""

    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.attention, self.norm = nn.MultiheadAttention(width, 2, batch_first=True), nn.LayerNorm(width)

    def forward(self, rows):
        x = self.patches(rows).flatten(2).transpose(1, 2)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return F.normalize(x.mean(1), dim=1)
'''
OWN = {
    "Normed": ("nets.py:Normed(drop=0.2)", {}),
    "Residual": ("nets.py:Residual", {}),
    "Attending": ("nets.py:Attending", {"relation": "==", "distance_threshold": 0.5}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the user's networks and the paper's four, which were trained."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "nets.py").write_text(NETWORKS, encoding="utf-8")
    shutil.copytree(FIRST, folder / "twofold.models")
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    """One of the paper's networks and its file for ONNX."""
    file = papers(folder, "NetWSAL")
    (written,) = twofold.export_model(file, "onnx", folder / "made" / "net.onnx")
    return open_named(file, None), written


@pytest.fixture
def there(folder, tmp_path, monkeypatch):
    """The current folder: one of this test alone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def papers(folder, name):
    kept = ModelStore(folder / "twofold.models")
    return next(kept.path(record["key"]) for record in kept.records() if record["network"] == name)


def own(folder, name):
    """The file of a network of the user's, and its class as it is typed."""
    text, others = OWN[name]
    typed = f"{folder}/{text}"
    return keep(folder / name, typed, **others), typed.partition("(")[0]


def prepared(record, n=PAIRS):
    pixels = np.random.default_rng(1).uniform(0, 255, (n, 2, *record["image_size"]))
    return ((pixels - record["pixel_mean"]) / record["pixel_deviation"]).astype(np.float32)


def ours(kept, pairs):
    said = kept.outputs(pairs)
    distance = None if said.embeddings is None else distances_of(said.embeddings)
    return {**said._asdict(), "distance": distance}


def as_told(name, numbers):
    """Logits as what they say: probabilities, of which the logarithms of probabilities are logits too."""
    numbers = torch.from_numpy(np.array(numbers, np.float64))
    return (numbers.log_softmax(-1) if name.endswith("logits") else numbers).numpy()


def assert_same(names, theirs, expected):
    for name, numbers in zip(names, theirs, strict=True):
        assert len(numbers) == PAIRS
        np.testing.assert_allclose(as_told(name, numbers), as_told(name, expected[name]), rtol=1e-4, atol=1e-4)


def assert_all_agree(kept, file):
    """On 1000 pairs: this engine, PyTorch, and ONNX Runtime, which gets any number of pairs."""
    pairs = prepared(kept.record)
    expected, module = ours(kept, pairs), answering_of(kept).eval()
    with torch.no_grad():
        assert_same(module.names, [each.numpy() for each in module(torch.from_numpy(pairs))], expected)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["pairs"]
    assert [each.name for each in session.get_outputs()] == module.names
    assert_same(module.names, session.run(None, {"pairs": pairs}), expected)
    assert [len(each) for each in session.run(None, {"pairs": pairs[:1]})] == [1] * len(module.names)


def test_the_papers_networks_give_the_same_numbers_everywhere(exported):
    assert_all_agree(*exported)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS[:3])
def test_all_the_papers_networks_do(name, folder, there):
    file = papers(folder, name)
    (written,) = twofold.export_model(file, "onnx")
    assert_all_agree(open_named(file, None), written)


_LONG = [pytest.param(name, marks=pytest.mark.slow) for name in ("Residual", "Attending")]


@pytest.mark.parametrize("name", ["Normed", *_LONG])
def test_networks_of_ones_own_give_the_same_numbers_everywhere(name, folder, there):
    file, typed = own(folder, name)
    (written,) = twofold.export_model(file, "onnx", network=typed)
    assert_all_agree(open_named(file, typed), written)
    told = {each.key: each.value for each in onnx.load(written).metadata_props}
    assert told["network"] == ModelStore(file.parent).record(file.stem)["network"]
    assert told["relation"] == OWN[name][1].get("relation", "<=")
    assert json.loads(told["image_size"]) == [14, 14]
    assert (float(told["pixel_mean"]), float(told["pixel_deviation"])) == (33.0, 77.0)
    assert ("answer_below_threshold" in told) == (name == "Attending")


def test_the_papers_network_loads_in_plain_pytorch(folder, there, capsys, monkeypatch):
    file = papers(folder, "NetWS")
    assert main(["export", file.stem[:8], "--to", "pytorch", "--models", str(file.parent)]) == 0
    said = capsys.readouterr().err.splitlines()
    state = there / f"NetWS-{file.stem[:12]}.pt"
    assert said[:3] == [f"wrote {state.name}", f"wrote {state.with_suffix('.json').name}", "wrote pair_module.py"]
    told = json.loads(state.with_suffix(".json").read_text("utf-8"))
    assert told["load"] == "\n".join(said[3:])
    assert (told["network"], told["image_size"], told["pool"]) == ("NetWS", [14, 14], 2)
    kept = open_named(file, None)
    pairs = prepared(kept.record, 50)
    expected = kept.outputs(pairs)
    monkeypatch.setitem(sys.modules, "twofold", None)  # whoever gets the files has none
    monkeypatch.syspath_prepend(there)
    names = {"torch": torch}
    exec(told["load"], names)
    assert Path(sys.modules.pop("pair_module").__file__) == there / "pair_module.py"
    with torch.no_grad():
        logits, digits = names["module"](torch.from_numpy(pairs))
    np.testing.assert_allclose(logits, expected.logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(digits, expected.class_logits, rtol=1e-4, atol=1e-4)


def test_colours_other_classes_and_leaky_units_come_along(folder, there):
    file = papers(folder, "NetAL")
    record = {**ModelStore(file.parent).record(file.stem), "key": "colour", "bottleneck_activation": "leaky_relu"}
    sizes = {"channels": 3, "classes": 4, "image_size": (10, 12)}
    network = from_pytorch(module_for("NetAL", (10, 12), channels=3, classes=4))
    kept = open_named(ModelStore(there).add(Variables(network), {**record, **sizes}), None)
    pairs = np.random.default_rng(0).normal(0, 60, (20, 2, 3, 10, 12)).astype(np.float32)
    state, _, _ = twofold.export_model(kept.file, "pytorch")
    recipe = json.loads(state.with_suffix(".json").read_text("utf-8"))["load"]
    assert "channels=3, classes=4, negative_slope=0.01)" in recipe
    with torch.no_grad():
        logits, classes = kept.module()(torch.from_numpy(pairs))
    expected = kept.outputs(pairs)
    np.testing.assert_allclose(logits, expected.logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(classes, expected.class_logits, rtol=1e-4, atol=1e-4)


def test_a_network_of_ones_own_loads_into_its_own_class(folder, there):
    file, typed = own(folder, "Normed")
    shutil.copy(folder / "nets.py", there)
    module = open_named(file, typed).module()
    for to, read in (("pytorch", lambda path: torch.load(path, weights_only=True)), ("safetensors", load_file)):
        state = twofold.export_model(file, to, network=typed)[0]
        fresh = imported(there).Normed(drop=0.2)
        fresh.load_state_dict(read(state), strict=True)
        pairs = torch.from_numpy(prepared(ModelStore(file.parent).record(file.stem), 20))
        with torch.no_grad():
            for mine, theirs in zip(fresh.eval()(pairs), module(pairs), strict=True):
                assert torch.equal(mine, theirs)
    with safe_open(state, "np") as opened:
        told = opened.metadata()
    assert told["load"].startswith(
        "import safetensors.torch\nfrom nets import Normed\nmodule = Normed(drop=0.2)\nmodule.load"
    )


def imported(folder):
    import importlib.util

    spec = importlib.util.spec_from_file_location("nets", folder / "nets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(words, folder, capsys, says, code=2):
    assert main(["export", *words, "--models", str(folder / "twofold.models")]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said


def test_what_cannot_be_exported_is_one_line_and_nothing_is_written(folder, there, capsys):
    file = papers(folder, "NetAL")
    refused([file.stem, "--to", "onx"], folder, capsys, "`--to` (='onx') is unknown; did you mean onnx?")
    refused(["zz", "--to", "onnx"], folder, capsys, "`model` (=zz) is no file and begins no kept network", code=3)
    refused(["", "--to", "onnx"], folder, capsys, "must be a path")
    refused([str(file), "--to", "safetensors", "--out", str(file)], folder, capsys, "is the kept network itself")
    refused([str(file), "--to", "pytorch", "--out", "a.json"], folder, capsys, "written beside it; end it in .pt")
    refused([str(file), "--to", "pytorch", "--out", "."], folder, capsys, "cannot be written (a folder has that name)")
    refused(
        [str(file), "--to", "onnx", "--network", f"{folder}/nets.py:Normed"],
        folder,
        capsys,
        "NetAL is built in; leave `--network` out",
    )
    refused(
        [str(file), "--to", "onnx", "--network", f"{folder}/nets.py:Normed(drop=[0, 1])"],
        folder,
        capsys,
        "names several networks; give drop one value",
    )
    assert list(there.iterdir()) == []


def test_a_network_of_ones_own_needs_its_class_as_it_was(folder, there):
    file, typed = own(folder, "Normed")
    with pytest.raises(SettingError, match=r"of your own; give its class with `network`, for example .*nets.py:Normed"):
        twofold.export_model(file, "pytorch")
    for text, says in (
        (f"{typed}(drop=0.5)", r"`network` \(=Normed\) computes something else than Normed\(drop=0.2\)"),
        (typed.replace("Normed", "Attending"), r"was trained from .*nets.py:Normed, and Attending is another class"),
    ):
        with pytest.raises(NetworkError, match=says):
            twofold.export_model(file, "pytorch", network=text)
    assert list(there.iterdir()) == []


def test_a_network_in_jax_is_refused_before_its_class_is_wanted(folder):
    some = ModelStore(folder / "twofold.models").records()[0]
    record = {**some, "network": "Flax", "identity": "0a", "torch_version": None}
    with pytest.raises(SettingError, match="Flax is written in JAX, and only networks in PyTorch can be exported"):
        check_exportable(record, "onnx", Path("k.safetensors"))


def test_other_numbers_are_refused(folder, exported):
    """What is written is compared with what twofold says: here it is another network's."""
    other = open_named(papers(folder, "NetWS"), None)
    with pytest.raises(NetworkError, match="NetWS gives other numbers as ONNX"):
        onnx_file.compared(other, ["logits", "class_logits"], exported[1].read_bytes())


def test_without_what_writes_onnx_the_remedy_is_told(folder, there, monkeypatch):
    monkeypatch.delitem(sys.modules, "twofold.export.onnx_file", raising=False)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(TwofoldError, match=r"twofold export --to onnx needs ONNX.*pip install -e '\.\[onnx\]'"):
        twofold.export_model(papers(folder, "NetWS"), "onnx")


@pytest.mark.parametrize("name", ["my-net.py", "class.py"])
def test_a_file_whose_name_no_import_can_have_is_loaded_all_the_same(name, folder, there):
    (there / name).write_text(NETWORKS, encoding="utf-8")
    file = keep(there / "twofold.others", f"{there}/{name}:Normed(drop=0.2)")
    state = twofold.export_model(file, "safetensors", network=f"{there}/{name}:Normed")[0]
    with safe_open(state, "np") as opened:
        recipe = opened.metadata()["load"]
    names = {}
    exec(recipe, names)
    assert type(names["module"]).__name__ == "Normed"
