"""The demo's data: the right networks, their very weights, and mistakes that are mistakes."""

import base64
import json
import re

import numpy as np
import pytest

import twofold
from twofold.data import RELATIONS, load_images
from twofold.errors import DataError, SettingError
from twofold.networks import NETWORKS
from twofold.report.page.demo import SeveralKept, choose_models, demo_data, demo_or_reason, demo_page
from twofold.report.page.kept import find_mistakes, outputs_of
from twofold.report.text.demo import several_kept
from twofold.results import ModelStore, Store

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def record(network="NetWS", **more):
    settings = {"relation": "<=", "data": "mnist5k", "diverged": False, "round": 0, "validation_error": None}
    return {"network": network, "key": "k", "test_error": 0.2, **settings, **more}


def test_the_best_of_each_network_is_chosen_by_validation_error_and_in_the_papers_order():
    records = [
        record("NetWSAL", test_error=0.1, validation_error=0.3),
        record("NetWSAL", test_error=0.2, validation_error=0.2, round=1),
        record("NetBase", test_error=0.4, round=2),
        record("NetBase", test_error=0.3, round=3),
        record("NetBase", test_error=0.0, diverged=True),
    ]
    chosen = choose_models(records)
    assert {name: found["round"] for name, found in chosen.items()} == {"NetBase": 3, "NetWSAL": 1}
    assert list(chosen) == ["NetBase", "NetWSAL"]


@pytest.mark.parametrize("name", ["relation", "data"])
def test_several_questions_or_sets_of_digits_have_to_be_chosen_between(name):
    records = [record(**{name: "=="}), record(**{name: "<"}), record("NetAL", **{name: "<"})]
    with pytest.raises(SettingError, match=f"`{name}` must be given: .* --{name} == or --{name} '<'"):
        choose_models(records)
    assert list(choose_models(records, **{name: "<"})) == ["NetWS", "NetAL"]
    with pytest.raises(SettingError, match=f"`{name}` \\(='x'\\) names no networks .* type --{name} =="):
        choose_models(records, **{name: "x"})


def test_images_are_chosen_by_the_word_they_were_given_or_by_how_their_name_begins():
    lists = {"NetWS": ["x", "y"], "NetAL": ["y", "x"]}
    records = [record(name, data="./shapes", fingerprint=name, class_names=of) for name, of in lists.items()]
    assert list(choose_models(records, data="./shapes (y")) == ["NetAL"]
    assert list(choose_models(records[:1], data="./shap")) == ["NetWS"]
    with pytest.raises(SettingError, match=r"type --data '\./shapes \(x, y\)' or --data '\./shapes \(y, x\)'"):
        choose_models(records, data="./shapes")


@pytest.mark.parametrize(("name", "what"), [("data", "sets of images"), ("relation", "questions")])
def test_a_report_on_several_sets_or_questions_says_how_to_make_a_demo_of_one(name, what):
    with pytest.raises(SeveralKept) as caught:
        choose_models([record(**{name: "=="}), record(**{name: "<"})])
    said = several_kept(caught.value.name, caught.value.there)
    assert f"for several {what}" in said
    assert f"twofold demo --{name} == makes" in said


@pytest.mark.parametrize("records", [[], [record(diverged=True)]])
def test_nothing_kept_says_which_command_keeps_something(records):
    with pytest.raises(SettingError, match="twofold study --keep-models best"):
        choose_models(records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of one round with its networks kept, on pairs of the same parity."""
    folder = tmp_path_factory.mktemp("kept")
    study = twofold.Study(rounds=1, epochs=1, pairs=50, test_pairs=80, relation="same parity")
    study.run(store=str(folder / "a.db"), keep_models="all", progress=False)
    return folder


@pytest.fixture(scope="module")
def models(folder):
    return ModelStore(folder / "a.models")


@pytest.fixture(scope="module")
def data(models):
    return demo_data(models, choose_models(models.records()))


def decoded(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def pixels(image):
    numbers = np.frombuffer(base64.b64decode(image["values"]), {1: "u1", 2: "<u2", 4: "<f4"}[image["bytes"]])
    return numbers.astype(np.float32) / image["parts"]


def test_the_page_has_every_weight(models, data):
    assert [network["network"] for network in data["networks"]] == list(NETWORKS)
    for network, kept in zip(data["networks"], choose_models(models.records()).values()):
        model = models.load(kept["key"])
        for name, layer in vars(model.network).items():
            encoded = network["layers"][name]
            np.testing.assert_array_equal(decoded(encoded["weight"]), np.ravel(layer.weight))
            np.testing.assert_array_equal(decoded(encoded["bias"]), np.ravel(layer.bias))
            assert encoded["shape"] == list(layer.weight.shape)


def test_mistakes_are_wrong_and_the_surest_come_first(models, data):
    table = Store(str(models.folder.with_suffix(".db"))).read().set_index("network")
    relation = RELATIONS["same parity"]
    for mistakes in data["mistakes"]:
        assert mistakes["wrong"] / mistakes["of"] == pytest.approx(table.test_error[mistakes["network"]])
        assert len(mistakes["pairs"]) == min(12, mistakes["wrong"])
        model = models.load(table.key[mistakes["network"]])
        certainties = []
        for pair in mistakes["pairs"]:
            images = np.stack([pixels(image).reshape(14, 14) for image in pair["images"]])[None]
            logits, _ = outputs_of(model, images)
            first, second = np.array(pair["classes"], np.int32)[:, None]
            assert (logits[0, 1] > logits[0, 0]) != relation(first, second)[0] == (pair["probability"] < 0.5)
            certainties.append(abs(pair["probability"] - 0.5))
        assert certainties == sorted(certainties, reverse=True)


def test_each_side_shows_a_test_digit_of_every_class(data):
    digits = load_images("mnist5k")
    for side in data["examples"]:
        assert [example["label"] for example in side] == list(range(10))
        for example in side:
            of_class = digits.test_images[digits.test_labels == example["label"]]
            assert (of_class == pixels(example["image"]).reshape(14, 14)).all(axis=(1, 2)).any()
    firsts, seconds = ([example["image"]["values"] for example in side] for side in data["examples"])
    assert not set(firsts) & set(seconds)


def test_the_page_knows_for_which_digits_the_question_holds(data):
    assert data["statement"] == "same parity"
    bits = np.unpackbits(np.frombuffer(base64.b64decode(data["holds"]), np.uint8))[:100].reshape(10, 10)
    assert bits.tolist() == [[(first - second) % 2 == 0 for second in range(10)] for first in range(10)]


def test_the_page_holds_the_data_as_json_and_asks_nobody(data):
    page = demo_page(data)
    (text,) = re.findall(r'<script type="application/json" id="demo-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(text) == json.loads(json.dumps(data))
    assert not re.search(r"https?://|url\(|@import", page)
    assert len(page.encode()) < 5_000_000


def test_a_network_without_mistakes_has_none(models, monkeypatch):
    model = models.load(models.records()[0]["key"])
    digits = load_images("mnist5k")
    alike = {"first": digits.test_images[:1], "label": digits.test_labels[:1]}
    one = type(digits)(
        "one",
        digits.train_images,
        digits.train_labels,
        np.repeat(alike["first"], 160, axis=0),
        np.repeat(alike["label"], 160),
        "f",
    )
    assert find_mistakes(model, one)["wrong"] in (0, 80)  # one pair, 80 times


def test_other_digits_under_the_same_name_are_refused(models):
    chosen = {name: {**found, "fingerprint": "other"} for name, found in choose_models(models.records()).items()}
    with pytest.raises(DataError, match="the images of mnist5k are not those"):
        demo_data(models, chosen)


def test_a_report_has_the_demo_of_its_own_trials_or_says_why_not(models, tmp_path):
    keys = {found["key"] for found in models.records()}
    assert demo_or_reason(models, keys)[0] is not None
    assert demo_or_reason(models, {"other"}) == demo_or_reason(ModelStore(tmp_path), keys)
    assert "twofold study --keep-models best keeps some" in demo_or_reason(models, set())[1]
