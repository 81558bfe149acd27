"""What kept networks say: of images, and of the pairs that they were tested on. It computes, and so needs JAX."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from twofold.data import Images, draw_pairs, relation_of_record
from twofold.networks import find_network
from twofold.networks.protocol import Structure
from twofold.report.page.encoding import base64_of, image_of, rounded
from twofold.results import Model
from twofold.settings import SETTINGS, Settings
from twofold.training import outputs

_MISTAKES_SHOWN = 12

# Networks of more weights have those of their larger layers rounded: exact, four take 10 MB for colours of 32x32.
_MOST_EXACT, _SMALL_LAYER = 250_000, 10_000

Record = Mapping[str, Any]


def outputs_of(
    model: Model, images: Float[np.ndarray, "n 2 *channels h w"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2 classes"]]:
    """The logits and class logits of a kept network for n pairs of images as they were drawn, not standardised."""
    record = model.record
    scaled = (images - record["pixel_mean"]) / record["pixel_deviation"]
    said = outputs.outputs_of(_structure(record), model.variables, scaled, _numbers(record))
    return np.asarray(said.logits), np.asarray(said.class_logits)


def find_mistakes(model: Model, digits: Images) -> dict[str, Any]:
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
        relation=relation_of_record(record),
        balance=record.get("balance", SETTINGS["balance"].default),
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
                "images": [image_of(image, digits.reading.pool) for image in pairs.images[place]],
                "classes": pairs.classes[place].tolist(),
                "probability": float(probability[place]),
            }
            for place in surest[:_MISTAKES_SHOWN]
        ],
    }


def encoded(model: Model) -> dict[str, Any]:
    """The network as the page's script reads it: its layers, and what to do to images before and after."""
    record = model.record
    of_network = vars(model.network)
    whole = sum(layer.weight.size for layer in of_network.values()) <= _MOST_EXACT
    layers = {}
    for name, layer in of_network.items():
        exact = whole or layer.weight.size <= _SMALL_LAYER
        weight = {"weight": base64_of(layer.weight)} if exact else rounded(layer.weight)
        layers[name] = {"shape": list(layer.weight.shape), **weight, "bias": base64_of(layer.bias)}
    wanted = ("network", "auxiliary_losses", "image_size", "pixel_mean", "pixel_deviation", "round", "test_error")
    return {**{name: record[name] for name in wanted}, **_numbers(record), "rounded": not whole, "layers": layers}


def _structure(record: Record) -> Structure:
    return find_network(record["network"]).structure()


def _numbers(record: Record) -> dict[str, float]:
    """What the network takes beside images. A setting that is newer than the record had its default."""
    return _structure(record).numbers(Settings(**{name: record[name] for name in SETTINGS if name in record}))
