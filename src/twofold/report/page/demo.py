"""The demo: two digits to draw, and what trained networks say of them, in a page that needs no server."""

import base64
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from twofold.analysis import in_order
from twofold.data import RELATIONS, AnyArray, Digits, draw_pairs, load_digits
from twofold.errors import DataError, SettingError, StoreError
from twofold.networks import find_network
from twofold.networks.protocol import Outputs, Structure
from twofold.report.page.html import render
from twofold.report.text.demo import NONE_KEPT, no_demo
from twofold.report.text.names import statement
from twofold.results import Model, ModelStore
from twofold.settings import SETTINGS, Settings

_MISTAKES_SHOWN = 12

Record = Mapping[str, Any]


def choose_models(
    records: Sequence[Record], *, relation: str | None = None, data: str | None = None
) -> dict[str, Record]:
    """Of each network the best model kept, by its name: by validation error, or by test error where one lacks it.

    All answer one question about one set of digits. Raises `SettingError` where none is kept, or where they answer
    several questions, or of several sets of digits, and neither `relation` nor `data` says which is meant.
    """
    sound = [record for record in records if not record["diverged"]]
    if not sound:
        raise SettingError("no networks are kept for the demo; `twofold study --keep-models best` keeps some")
    for name, chosen in (("relation", relation), ("data", data)):
        there = list(dict.fromkeys(record[name] for record in sound))
        if chosen is None and len(there) > 1:
            raise SettingError(f"`{name}` must be given: the networks kept have {', '.join(map(repr, there))}")
        if chosen is not None and chosen not in there:
            raise SettingError(f"`{name}` (={chosen!r}) is none of the networks kept: {', '.join(map(repr, there))}")
        sound = [record for record in sound if record[name] == (chosen or there[0])]
    return {
        network: min((record for record in sound if record["network"] == network), key=_error)
        for network in in_order([record["network"] for record in sound])
    }


def demo_data(models: ModelStore, records: Mapping[str, Record], data_dir: Path | None = None) -> dict[str, Any]:
    """What the page's script works on: networks with their weights, test digits, and each network's mistakes.

    `records` are those of `choose_models`. Raises `DataError` where the digits are not those that the networks
    were trained on, `StoreError` where a model cannot be read.
    """
    some = next(iter(records.values()))
    digits = load_digits(some["data"], data_dir)
    if digits.fingerprint != some["fingerprint"]:
        raise DataError(f"the digits of {some['data']} are not those that the networks kept were trained on")
    networks, mistakes = [], []
    for record in records.values():
        model = models.load(record["key"])
        networks.append(_encoded(model))
        mistakes.append({"network": record["network"], **find_mistakes(model, digits)})
    return {
        "statement": statement(some["relation"]),
        "holds": _holds(some["relation"], digits.task.classes),
        "image_size": some["image_size"],
        "white": float(digits.train_images.max()),
        "networks": networks,
        "examples": _examples(digits),
        "mistakes": mistakes,
    }


def demo_or_reason(
    models: ModelStore, keys: set[str], data_dir: Path | None = None
) -> tuple[dict[str, Any] | None, str]:
    """The demo's data for a page about the trials of these keys, or None and why there is none."""
    try:
        records = [record for record in models.records() if record["key"] in keys]
        if not records:
            return None, NONE_KEPT
        return demo_data(models, choose_models(records), data_dir), ""
    except (SettingError, DataError, StoreError) as error:
        return None, no_demo(error)


def demo_page(data: Mapping[str, Any]) -> str:
    """The demo as a page of its own, from `demo_data`."""
    return render("demo.html", demo=data)


def outputs_of(
    model: Model, images: Float[np.ndarray, "n 2 h w"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2 10"]]:
    """The logits and digit logits of a kept network for n pairs of images as they were drawn, not standardised."""
    scaled = (images - model.record["pixel_mean"]) / model.record["pixel_deviation"]
    images_seen = jnp.asarray(scaled, jnp.float32)
    outputs = _call(_structure(model.record), model.network, images_seen, _numbers(model.record))
    return np.asarray(outputs.logits), np.asarray(outputs.class_logits)


def find_mistakes(model: Model, digits: Digits) -> dict[str, Any]:
    """How many of its own test pairs the network gets wrong, and those of them that it was surest of.

    Keys: `wrong`, `of`, and `pairs`, a list of {images, classes, probability} with the probability that the
    network gave to the relation.
    """
    record = model.record
    pairs = draw_pairs(
        digits,
        seed=record["seed"],
        round=record["round"],
        split="test",
        pairs=record["test_pairs"],
        relation=record["relation"],
    )
    logits, _ = outputs_of(model, pairs.images)
    probability = np.asarray(jax.nn.softmax(logits, axis=-1))[:, 1]
    wrong = np.flatnonzero(logits.argmax(axis=-1) != pairs.targets)
    surest = wrong[np.argsort(-np.abs(probability[wrong] - 0.5), kind="stable")]
    return {
        "wrong": len(wrong),
        "of": len(pairs.targets),
        "pairs": [
            {
                "images": [_base64(image) for image in pairs.images[place]],
                "classes": pairs.classes[place].tolist(),
                "probability": float(probability[place]),
            }
            for place in surest[:_MISTAKES_SHOWN]
        ],
    }


def _error(record: Record) -> tuple[float, int]:
    validation = record["validation_error"]
    return (record["test_error"] if validation is None else validation, record["round"])


@partial(jax.jit, static_argnums=0)
def _call(structure: Structure, network: PyTree, images: jax.Array, numbers: Mapping[str, AnyArray]) -> Outputs:
    return structure.apply(network, structure.arrange(images), numbers)


def _structure(record: Record) -> Structure:
    return find_network(record["network"]).structure()


def _numbers(record: Record) -> dict[str, float]:
    """What the network takes beside images. A setting that is newer than the record had its default."""
    return _structure(record).numbers(Settings(**{name: record[name] for name in SETTINGS if name in record}))


def _encoded(model: Model) -> dict[str, Any]:
    record = model.record
    layers = {
        name: {"shape": list(layer.weight.shape), "weight": _base64(layer.weight), "bias": _base64(layer.bias)}
        for name, layer in vars(model.network).items()
    }
    wanted = ("network", "auxiliary_losses", "image_size", "pixel_mean", "pixel_deviation", "round", "test_error")
    return {**{name: record[name] for name in wanted}, **_numbers(record), "layers": layers}


def _base64(array: Any) -> str:
    """Little-endian float32, which is what every browser's Float32Array reads."""
    return base64.b64encode(np.asarray(array).astype("<f4").tobytes()).decode()


def _holds(relation: str, classes: int) -> list[list[bool]]:
    first, second = np.indices((classes, classes), dtype=np.int32)
    holds = RELATIONS[relation](first.ravel(), second.ravel()).reshape(first.shape)
    return holds.tolist()


def _examples(digits: Digits) -> list[list[dict[str, Any]]]:
    """For each side a test digit of every class, another one for the second side where there are two."""
    sides: list[list[dict[str, Any]]] = [[], []]
    for label in range(digits.task.classes):
        places = np.flatnonzero(digits.test_labels == label)
        for side, examples in enumerate(sides):
            if len(places):
                image = digits.test_images[places[min(side, len(places) - 1)]]
                examples.append({"label": label, "image": _base64(image)})
    return sides
