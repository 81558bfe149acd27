"""Networks in JAX on the command line, from their file to a table; PyTorch is not needed."""

import importlib.util
import json
import sys

import equinox as eqx
import jax
import numpy as np
import pytest

import twofold
from twofold.errors import NetworkError
from twofold.results import ModelStore, Store

pytestmark = pytest.mark.usefixtures("compiled_quickly")
NET = '''
import equinox as eqx
import jax
import jax.numpy as jnp


class Twin(eqx.Module):
    """Two branches with batch normalisation and dropout."""

    branches: list
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout

    def __init__(self, share=True, *, key):
        keys = jax.random.split(key)
        self.branches = [eqx.nn.Linear(196, 10, key=each) for each in (keys[:1] if share else keys)]
        self.norm, self.dropout = eqx.nn.BatchNorm(20, "batch", mode="ema"), eqx.nn.Dropout(0.2)

    def __call__(self, left, right, state, *, key):
        a, b = self.branches[0](left.ravel()), self.branches[-1](right.ravel())
        x, state = self.norm(jax.nn.relu(jnp.concatenate([a, b])), state)
        return (self.dropout(x, key=key).reshape(2, 10).sum(1), a, b), state


def plain(width=8):
    def init(key):
        return {"w": jax.random.normal(key, (392, width)) / 20, "b": jnp.zeros(width)}

    def apply(parameters, pairs):
        hidden = jnp.tanh(pairs.reshape(len(pairs), -1) @ parameters["w"] + parameters["b"])
        return jax.nn.sigmoid(hidden.sum(1))

    return init, apply
'''
SIZES = [
    *("--rounds", "2", "--epochs", "2", "--pairs", "100", "--test-pairs", "60"),
    "--validation-pairs",
    "20",
    "--quiet",
]
TYPED = ["net.py:Twin(share=[True])", "net.py:plain"]
NAMES = ["Twin(share=True)", "plain"]


def imported(folder):
    spec = importlib.util.spec_from_file_location("net_in_jax", folder / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the networks' file, and a store in which a study of them is, without PyTorch."""
    from twofold.cli import main

    folder = tmp_path_factory.mktemp("jax")
    (folder / "net.py").write_text(NET, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(sys.modules, "torch", None)
        assert main(["study", "--networks", *TYPED, "--keep-models", "best", *SIZES]) == 0
    return folder


def test_its_rows_say_what_it_is_and_nothing_is_trained_again(trained, run, monkeypatch):
    table = Store(trained / "twofold.db", create=False).read()
    assert sorted(set(table.network)) == NAMES
    assert len(table) == 4
    assert table.identity.nunique() == 2
    assert table.torch_version.isna().all()
    twins = table[table.network != "plain"]
    assert [units for _, units in twins.dead_layers.iloc[0].values()] == [20]
    monkeypatch.chdir(trained)
    before = (trained / "twofold.db").read_bytes()
    (trained / "net.py").write_text(
        NET.replace("hidden", "within").replace("import jax\n", "import jax  # of mine\n", 1)
    )
    code, out, _ = run("study", "--networks", *TYPED, *SIZES, "--json")
    assert (code, len(json.loads(out))) == (0, 4)
    assert (trained / "twofold.db").read_bytes() == before


def test_what_reads_the_store_shows_it(trained, run, monkeypatch):
    monkeypatch.chdir(trained)
    assert run("report")[0] == 0
    assert "Twin(share=True)" in (trained / "report.html").read_text("utf-8")
    code, out, _ = run("networks", "--store", "twofold.db", "--json")
    assert code == 0
    assert "branches.0: linear" in out


def test_kept_networks_come_back_as_their_own_classes_make_them(trained):
    net, store = imported(trained), ModelStore(trained / "twofold.models")
    records = {record["network"]: record for record in store.records()}
    kept = {name: store.load(record["key"]).variables.parameters for name, record in records.items()}
    places = {name: trained / "twofold.models" / f"{record['key']}.safetensors" for name, record in records.items()}
    module, state = twofold.trained(places["Twin(share=True)"], net.Twin)
    assert (isinstance(module, net.Twin), isinstance(state, eqx.nn.State), module.dropout.inference) == (
        True,
        True,
        True,
    )
    np.testing.assert_array_equal(module.branches[0].weight, kept["Twin(share=True)"]["branches.0.weight"])
    images = np.zeros((4, 1, 14, 14), np.float32)
    (answers, *_), _ = jax.vmap(module, in_axes=(0, 0, None), out_axes=(0, None))(images, images, state, key=None)
    assert np.isfinite(answers).all()
    parameters = twofold.trained(places["plain"], net.plain)
    assert {name: array.shape for name, array in parameters.items()} == {"w": (392, 8), "b": (8,)}
    np.testing.assert_array_equal(parameters["w"], kept["plain"]["w"])
    with pytest.raises(NetworkError, match="computes something else than plain"):
        twofold.trained(places["plain"], net.plain, width=9)


def test_check_says_what_it_is_and_that_it_is_right(trained, run, monkeypatch):
    monkeypatch.chdir(trained)
    code, out, _ = run("check", "net.py:plain", "--json")
    found = {each["name"]: each["found"] for each in json.loads(out)}
    assert (code, found["called with"], found["answer"]) == (0, "pairs", "one logit, before its sigmoid or softmax")
    assert found["first weights"] == "others in each round"
