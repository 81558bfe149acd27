"""The demo: two images, digits drawn or others chosen, and what trained networks say of them, without a server."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twofold.analysis import images_told_apart, in_order
from twofold.data import Images, load_images, reading_of, relation_of_record
from twofold.data.form import Form
from twofold.data.images import is_digits
from twofold.data.relations import is_meant
from twofold.errors import DataError, SettingError, StoreError
from twofold.networks import NETWORKS
from twofold.report.page.encoding import image_of
from twofold.report.page.html import render
from twofold.report.text.demo import (
    NONE_KEPT,
    NOT_OF_OWN,
    ROUNDED,
    cannot_run,
    invitation,
    no_demo,
    several_kept,
    unnamed,
)
from twofold.report.text.names import statement
from twofold.results import ModelStore
from twofold.settings import option

# More would make a page that no mail takes, and a list that nobody reads to its end.
_MOST_CLASSES = 60
# Where there are few classes, there is more than one image of each.
_LEAST_EXAMPLES = 10

Record = Mapping[str, Any]


class SeveralKept(SettingError):
    """Networks are kept for several questions or sets of images, and it was not said which are meant."""

    def __init__(self, message: str, name: str, there: Sequence[str]) -> None:
        super().__init__(message)
        self.name, self.there = name, there


def choose_models(
    records: Sequence[Record], *, relation: str | None = None, data: str | None = None
) -> dict[str, Record]:
    """Of each network the best model kept, by its name: by validation error, or by test error where one lacks it.

    All answer one question about one set of digits. Raises `SettingError` where none is kept, or where they answer
    several questions, or of several sets of digits, and neither `relation` nor `data` says which is meant.
    """
    sound = [record for record in records if not record["diverged"] and _known(record)]
    if not sound and left_out(records):
        raise SettingError(f"no networks are kept that the demo can run: {left_out(records)}")
    if not sound:
        raise SettingError("no networks are kept for the demo; `twofold study --keep-models best` keeps some")
    images = _images_of(sound)
    sound = _meant("data", images, _full_name(images, data))
    relation = next((record["relation"] for record in sound if relation and _asks(record, relation)), relation)
    sound = _meant("relation", [(record["relation"], record) for record in sound], relation)
    return {
        network: min((record for record in sound if record["network"] == network), key=_error)
        for network in in_order([record["network"] for record in sound])
    }


def _images_of(records: Sequence[Record]) -> list[tuple[str, Record]]:
    """The records, and what their images are called, so that no two kinds are called alike."""
    told = ("data", "pool", "size", "fingerprint", "class_names")
    table = images_told_apart(pd.DataFrame([{name: record.get(name) for name in told} for record in records]))
    return list(zip(table.data, records, strict=True))


def _full_name(images: Sequence[tuple[str, Record]], chosen: str | None) -> str | None:
    """What the only images are called that were given so, or whose name begins so; else what was chosen."""
    called = {each for each, record in images if chosen in (each, record["data"])}
    called = called or {each for each, _ in images if chosen and each.startswith(chosen)}
    return called.pop() if len(called) == 1 else chosen


def _meant(name: str, called: Sequence[tuple[str, Record]], chosen: str | None) -> list[Record]:
    """Those of the records that are called as was chosen; all, where all are called alike and nothing was chosen."""
    there = list(dict.fromkeys(each for each, _ in called))
    typed = " or ".join(f"{option(name)} {shlex.quote(each)}" for each in there)
    if chosen is None and len(there) > 1:
        raise SeveralKept(f"`{name}` must be given: the networks kept are of several; type {typed}", name, there)
    if chosen is not None and chosen not in there:
        raise SettingError(f"`{name}` (={chosen!r}) names no networks kept, or those of several; type {typed}")
    return [record for each, record in called if each == (chosen or there[0])]


def left_out(records: Sequence[Record]) -> str:
    """Which of the networks kept the page cannot run, and why; empty where it can run all."""
    names = list(dict.fromkeys(record["network"] for record in records if not _known(record)))
    return cannot_run(names) if names else ""


def demo_data(
    models: ModelStore, records: Mapping[str, Record], data_dir: Path | None = None, *, note: str = ""
) -> dict[str, Any]:
    """What the page's script works on: networks with their weights, test digits, and each network's mistakes.

    `records` are those of `choose_models`; `note`, which the page shows, is of `left_out`. Raises `DataError` where the
    digits are not those that the networks were trained on, `StoreError` where a model cannot be read.
    """
    from twofold.report.page.kept import encoded, find_mistakes  # it needs JAX, and most pages need no JAX

    some = next(iter(records.values()))
    digits = load_images(some["data"], data_dir, reading_of(some))
    if digits.fingerprint != some.get("fingerprint"):
        raise DataError(f"the images of {some['data']} are not those that the networks kept were trained on")
    drawn = is_digits(digits.class_names) and digits.task.channels == 1
    form = Form.of(some)
    networks, mistakes = [], []
    for record in records.values():
        model = models.load(record["key"])
        networks.append(encoded(model))
        mistakes.append({"network": record["network"], **find_mistakes(model, digits)})
    return {
        "note": note,
        "rounded": ROUNDED if any(network["rounded"] for network in networks) else "",
        "statement": statement(some["relation"]),
        "holds": relation_of_record(some).packed,
        "class_names": list(digits.class_names),
        "left_out": max(0, digits.task.classes - _MOST_CLASSES),
        "drawn": drawn,
        "invitation": invitation(drawn=drawn),
        "unnamed": unnamed(drawn=drawn),
        "image_size": some["image_size"],
        "form": {"size": form.size, "pool": form.pool, "channels": form.channels},
        "white": float(digits.train_images.max()),
        "networks": networks,
        "examples": _examples(digits),
        "mistakes": mistakes,
    }


def demo_or_reason(
    models: ModelStore, keys: set[str], data_dir: Path | None = None, *, portable: bool = True
) -> tuple[dict[str, Any] | None, str]:
    """The demo's data for a page about the trials of these keys, or None and why there is none.

    `portable` says whether any of the trials is of a network that the demo could run.
    """
    try:
        records = [record for record in models.records() if record["key"] in keys]
        if not records:
            return None, NONE_KEPT if portable else NOT_OF_OWN
        return demo_data(models, choose_models(records), data_dir, note=left_out(records)), ""
    except SeveralKept as error:
        return None, several_kept(error.name, error.there)
    except (SettingError, DataError, StoreError) as error:
        return None, no_demo(error)


def demo_page(data: Mapping[str, Any]) -> str:
    """The demo as a page of its own, from `demo_data`."""
    return render("demo.html", demo=data)


def _known(record: Record) -> bool:
    """Whether the page's script can compute the network's answers."""
    network = None if record.get("identity") else NETWORKS.get(record["network"])
    return network is not None and network.portable


def _asks(record: Record, relation: str) -> bool:
    """Whether a network was asked this, however it is written."""
    return is_meant(relation, record["relation"], record.get("question"), record.get("class_names", ()))


def _error(record: Record) -> tuple[float, int]:
    validation = record["validation_error"]
    return (record["test_error"] if validation is None else validation, record["round"])


def _examples(images: Images) -> list[list[dict[str, Any]]]:
    """For each side test images of the classes, other ones for the second side where there are enough."""
    sides: list[list[dict[str, Any]]] = [[], []]
    each = -(-_LEAST_EXAMPLES // images.task.classes)
    for label in range(min(images.task.classes, _MOST_CLASSES)):
        places = np.flatnonzero(images.test_labels == label)
        for side, examples in enumerate(sides):
            for place in places[side * each : (side + 1) * each] if len(places) > each else places:
                examples.append({"label": label, "image": image_of(images.test_images[place], images.reading.pool)})
    return sides
