"""Whether a store is whole and right: its file, rows, relations and networks, the networks kept beside it, its runs.

Nothing is changed, and nothing is trained (see `twofold.study.replay`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twofold.errors import StoreError, counted
from twofold.networks import find_network
from twofold.results import Model, ModelStore, Store
from twofold.settings import SETTINGS, Settings
from twofold.study.plan import is_of
from twofold.study.rows import OUTCOMES, Tables, examined, made_alike, tables_of

if TYPE_CHECKING:
    from twofold.networks.protocol import Variables

# What a kept network's record says of the trial as its row does. Images and relations may have been asked for by other
# names when a trial was trained once more for its network.
_SETTINGS = [name for name, declared in SETTINGS.items() if declared.role != "images" and name != "relation"]
_SAME = ("identity", "round", "fingerprint", "question", *_SETTINGS)

# A pair of images is asked of a kept network: so grey.
_GREY = 0.5


class Fault(NamedTuple):
    """Something that is not as it should be: what it is, its name or key, what is wrong, and the row if it is one."""

    what: str
    name: str
    wrong: str
    row: Mapping[str, Any] | None = None


@dataclass
class Audit:
    """What was looked at, and what is wrong with it.

    `sound` are the keys of the trials that are whole and right, with the sources of networks of one's own.
    """

    trials: int = 0
    kept: int = 0
    faults: list[Fault] = field(default_factory=list)
    sound: dict[str, str | None] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)


def audit(store: Store, models: ModelStore) -> Audit:
    """Look at all of a store, and at the networks kept beside it. Raises `StoreError` where it cannot be read."""
    found = Audit()
    found.faults += [Fault("store", store.url, f"the file is damaged: {line}") for line in store.damage()]
    try:
        _look(found, store, models)
    except StoreError as error:
        if not found.faults:
            raise
        found.faults.append(Fault("store", store.url, f"nothing more can be read: {error}"))
    return found


def _look(found: Audit, store: Store, models: ModelStore) -> None:
    """Look at what is in a store, and beside it, and note it."""
    found.tables, wrong = tables_of(store)
    found.faults += [Fault("relation", store.url, text) for text in wrong]
    descriptions, files = store.descriptions(), models.files()
    keys, with_network = {path.stem for path in files}, {}
    for cells in store.cells():
        row, wrong = examined(cells, found.tables)
        if not wrong and row["identity"] is not None and row["identity"] not in descriptions:
            wrong = ["what is known of its network is not in the store"]
        found.trials += 1
        found.faults += [Fault("trial", str(cells["key"]), text, cells) for text in wrong]
        if not wrong:
            found.sound[row["key"]] = row["source"]
        if cells["key"] in keys:
            with_network[cells["key"]] = row
    for path in files:
        found.kept += 1
        wrong = _of_kept(models, path.stem, with_network.get(path.stem), descriptions)
        found.faults += [Fault("kept network", path.stem, text) for text in wrong]
    found.faults += _of_plans(store)
    found.faults += _left(store, models)


def _of_plans(store: Store) -> Iterator[Fault]:
    """What is wrong with the plans: one that is none, or that has other trials than those that it is told by."""
    try:
        plans = store.plans(counted=False)
    except StoreError as error:
        yield Fault("plan", store.url, str(error))
        return
    for each in plans:
        keys = store.keys_of_plan(each.number)
        if not is_of(each.plan, keys):
            yield Fault("plan", str(each.number), f"its {counted(len(keys), 'trial')} are not those that it is told by")
    for number in store.plans_lost():
        yield Fault("plan", str(number), "it has trials, and is not there")


def _left(store: Store, models: ModelStore) -> Iterator[Fault]:
    """What runs have left that ended before their time."""
    for path in [*store.unfinished(), *models.unfinished()]:
        yield Fault("file", str(path), "it was never finished; delete it, unless a run writes it now")
    for run in store.running():
        if run.stands_still:
            why = "has ended" if run.ended else f"has given no sign of life for {run.sign / 60:.0f} minutes"
            claimed = f"claims {counted(run.claimed, 'trial')}"
            yield Fault("run", f"{run.process or '?'} on {run.host}", f"it {why} and {claimed}; the next run clears it")
    if lost := store.claimed_by_nobody():
        yield Fault("store", store.url, f"{counted(lost, 'trial')} claimed by a run that is not there")


def _of_kept(models: ModelStore, key: str, row: Mapping[str, Any] | None, descriptions: Mapping[str, Any]) -> list[str]:
    """What is wrong with a kept network."""
    try:
        model = models.load(key, of_trial=True)
    except StoreError as error:
        return [str(error)]
    record = model.record
    if row is None:
        return ["no trial of the store has its key"]
    wrong = [f"its `{name}` is not its trial's" for name in _SAME if record.get(name, row.get(name)) != row.get(name)]
    if not wrong and made_alike(record, row):
        wrong = [
            f"its `{name}` is not its trial's, though both were made alike"
            for name in OUTCOMES
            if name in record and _known(record[name]) != row.get(name)
        ]
    return [*wrong, *_of_arrays(model, diverged=bool(row.get("diverged")), descriptions=descriptions)]


def _known(value: Any) -> Any:
    """A value of a record as a row has it, in which a number that is none lacks."""
    return None if value != value else value


def _of_arrays(model: Model, *, diverged: bool, descriptions: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the numbers of a kept network, of which a training that diverged may leave any."""
    record = model.record
    if record.get("identity"):
        told = descriptions.get(record["identity"], {})
        for kind in ("parameters", "buffers"):
            if told and {**told[kind]} != {name: list(shape) for name, shape in record[kind].items()}:
                yield f"its {kind} are not those of its network"
    if not diverged and not _are_finite(model.variables):
        yield "some of its weights are no numbers, and its trial did not diverge"
    elif not record.get("identity"):
        yield from _of_outputs(model, diverged=diverged)


def _are_finite(variables: Variables) -> bool:
    import jax

    return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves((variables.parameters, variables.buffers)))


def _of_outputs(model: Model, *, diverged: bool) -> Iterator[str]:
    """What is wrong with what a built-in network says of a pair of grey images."""
    from twofold.training.outputs import outputs_of

    record = model.record
    structure = find_network(record["network"]).structure()
    settings = Settings(**{name: record[name] for name in SETTINGS if name in record})
    channels = [record["channels"]] if record.get("channels", 1) > 1 else []
    images = np.full((1, 2, *channels, *record["image_size"]), _GREY, np.float32)
    said = outputs_of(structure, model.variables, images, structure.numbers(settings))
    if said.logits is None or said.logits.shape != (1, 2):
        yield "it does not answer"
    elif not diverged and not all(each is None or np.isfinite(each).all() for each in said):
        yield "what it answers is no number, and its trial did not diverge"
