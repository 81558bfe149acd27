"""The model store: what goes in comes out, and nothing but a model of ours is taken for one."""

import functools
import json
import os
import pickle
import re
import resource
import signal
import struct
import subprocess
import sys

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from twofold.errors import StoreError
from twofold.networks import NETWORKS
from twofold.networks.paper import init_network
from twofold.networks.protocol import Variables
from twofold.results import ModelStore, models_folder
from twofold.settings import SETTINGS

RECORD = {
    **{name: 0 if declared.follows else declared.default for name, declared in SETTINGS.items()},
    "key": "k",
    "network": "NetWS",
    "round": 0,
    "validation_pairs": 250,
    "auxiliary_losses": False,
    "diverged": False,
    "test_error": 0.25,
    "image_size": [14, 14],
    "pixel_mean": 0.1 + 0.2,
    "pixel_deviation": 1 / 3,
    "data": "zwölf Ziffern </script>.npz",
    "validation_error": None,
}


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "kept")


@functools.cache
def network_of(name):
    return Variables(init_network(jax.random.key(3), weight_sharing=NETWORKS[name].weight_sharing))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_bit_by_bit_with_its_record(store, name):
    network, record = network_of(name), {**RECORD, "network": name}
    store.add(network, record)
    model = store.load("k")
    assert model.record == record
    same = jax.tree.map(lambda a, b: np.array_equal(a, b) and a.dtype == b.dtype, network, model.variables)
    assert all(jax.tree.leaves(same))
    images = jax.random.uniform(jax.random.key(1), (3, 2, 14, 14), maxval=255.0)
    np.testing.assert_array_equal(model.network(images).logits, network.parameters(images).logits)


def test_a_network_of_other_shapes_is_refused_when_it_is_loaded(store):
    store.add(network_of("NetBase"), {**RECORD, "network": "NetWS"})
    with pytest.raises(StoreError, match=r"its tensor 'conv1.weight' is \(2, 3, 3, 1, 32\), not \(1, 3, 3, 1, 32\)"):
        store.load("k")
    store.add(network_of("NetWS"), {**RECORD, "network": "NetWS", "image_size": [20, 20]})
    with pytest.raises(StoreError, match=r"its tensor 'dense1.weight'"):
        store.load("k")


def test_a_network_that_nobody_knows_is_refused(store):
    store.add(network_of("NetWS"), {**RECORD, "network": "NetOfAnother"})
    with pytest.raises(StoreError, match="there is no network NetOfAnother"):
        store.load("k")


def test_the_settings_stand_in_the_head_of_the_file_as_json(store):
    content = store.add(network_of("NetWS"), RECORD).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["record"]) == RECORD


def test_a_model_replaces_an_earlier_one_and_leaves_nothing_beside_it(store):
    store.add(network_of("NetWS"), RECORD)
    store.add(network_of("NetWS"), {**RECORD, "data": "others"})
    assert [path.name for path in store.folder.iterdir()] == ["k.safetensors"]
    assert store.record("k")["data"] == "others"


def test_a_store_knows_what_it_keeps(store):
    assert store.records() == []
    for key in ("b", "a"):
        store.add(network_of("NetWS"), {**RECORD, "key": key})
    assert [record["key"] for record in store.records()] == ["a", "b"]
    assert store.present(["a", "c"]) == {"a"}
    store.remove("a")
    store.remove("a")
    assert store.present(["a", "b"]) == {"b"}
    with pytest.raises(StoreError, match=r"there is no kept network .*a\.safetensors; `twofold models`"):
        store.load("a")


def metadata(**changes):
    return {"format": "twofold model 1", "record": json.dumps(RECORD), **changes}


def truncated(path):
    ModelStore(path.parent).add(network_of("NetWS"), {**RECORD, "key": path.stem})
    path.write_bytes(path.read_bytes()[:-100])


WEIGHTS = {"conv1.weight": np.zeros((1, 3, 3, 1, 32), np.float32)}
FOREIGN = {
    "truncated": truncated,
    "empty": lambda path: path.write_bytes(b""),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(WEIGHTS)),
    "another program's": lambda path: save_file(WEIGHTS, path),
    "another format": lambda path: save_file(WEIGHTS, path, metadata(format="twofold model 99")),
    "no record": lambda path: save_file(WEIGHTS, path, {"format": "twofold model 1"}),
    "a broken record": lambda path: save_file(WEIGHTS, path, metadata(record="{")),
    "a record that is none": lambda path: save_file(WEIGHTS, path, metadata(record="7")),
    "a short record": lambda path: save_file(WEIGHTS, path, metadata(record='{"key": "k"}')),
    "a layer lacks": lambda path: save_file(WEIGHTS, path, metadata()),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_model_is_refused_in_one_line_that_names_the_file(store, kind):
    store.make_folder()
    FOREIGN[kind](store.path("k"))
    with pytest.raises(StoreError, match=r"k\.safetensors is no model.*--models") as refusal:
        store.load("k")
    assert "\n" not in str(refusal.value)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot make .*file/kept.*--models"):
        ModelStore(tmp_path / "file" / "kept").add(network_of("NetWS"), RECORD)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:///twofold.db", "twofold.models"),
        ("runs/paper.db", "runs/paper.models"),
        ("sqlite:////data/a.sqlite3", "/data/a.models"),
        ("sqlite://", "twofold.models"),
        ("postgresql://user:secret@host/twofold", "twofold.models"),
    ],
)
def test_models_go_beside_the_store(url, folder):
    assert str(models_folder(url)) == folder


def test_listing_models_needs_no_jax(store):
    store.add(network_of("NetWS"), RECORD)
    program = (
        "import sys; from pathlib import Path; from twofold.results import ModelStore;"
        f"assert len(ModelStore(Path({str(store.folder)!r})).records()) == 1; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_folder_that_takes_no_files_is_refused_before_anything_is_trained(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(
            StoreError, match=r"cannot write to .* \(File too large\); name another folder with --models"
        ):
            ModelStore(tmp_path / "kept").make_folder()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list((tmp_path / "kept").iterdir()) == []


def kept(store, key):
    return store.add(network_of("NetWS"), {**RECORD, "key": key})


def flipped(path):
    """One bit of a weight is another."""
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def without_digest(path, change):
    """The file as an earlier version wrote it, with other weights."""
    with safe_open(path, "np") as file:
        tensors = {name: change(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        record = file.metadata()["record"]
    save_file(tensors, path, metadata(record=record))


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_folder(path):
    path.unlink()
    path.mkdir()


BAD = {
    "empty": (lambda path: path.write_bytes(b""), "is no model"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is no model"),
    "a bit of a weight": (flipped, "it is damaged"),
    "weights that are NaN": (lambda path: without_digest(path, lambda weight: weight * np.nan), "are not finite"),
    "another trial's": (lambda path: path.rename(path.with_stem("z")), "is the network of the trial b; call it b"),
    "a pipe": (a_pipe, "it is no file"),
    "a folder": (a_folder, "it is no file"),
    "a head beyond all bounds": (lambda path: path.write_bytes(b"\xff" * 8 + bytes(100)), "does not begin as one"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_told_of_and_does_not_count_and_the_others_do(store, kind):
    spoil, told = BAD[kind]
    for key in "abc":
        kept(store, key)
    assert store.present("abc") == {*"abc"}
    spoil(store.path("b"))
    assert [record["key"] for record in store.records()] == ["a", "c"]
    (note,) = store.notes
    assert told in note
    assert "\n" not in note
    assert re.search(r"delete it, or name another --models|call it b", note)
    assert store.present("abc") == {"a", "c"}
    if spoil is not a_folder:
        kept(store, "b")
        assert store.present("abc") == {*"abc"}


def test_what_an_earlier_version_kept_has_no_digest_and_is_whole(store):
    without_digest(kept(store, "a"), lambda weight: weight)
    assert store.present("a") == {"a"}
    assert [record["key"] for record in store.records()] == ["a"]
    assert store.notes == []


def test_a_network_that_diverged_may_have_weights_that_are_not_finite(store):
    path = store.add(network_of("NetWS"), {**RECORD, "key": "a", "diverged": True})
    without_digest(path, lambda weight: weight * np.nan)
    assert store.present("a") == {"a"}
