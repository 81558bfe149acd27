"""Training stored trials again, to see that the same comes out.

On the processor, with the versions and the operations that a row tells of, it has to be the same to the last bit.
Elsewhere rounding differs, and moves an error after many epochs by a point: there only the loss of the first epoch is
compared, within a tolerance.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twofold.data import Reading, Relation, Source, find_relation, find_source, names_stored
from twofold.errors import DataError, SettingError, StoreError, TwofoldError
from twofold.networks.own import resolve
from twofold.networks.typed import literal, parse
from twofold.results import ModelStore, Store
from twofold.results.raw_cells import row_of
from twofold.settings import SETTINGS, check_whole
from twofold.study.audit import Audit, audit
from twofold.study.conduct import conduct
from twofold.study.listener import Listener, Silence
from twofold.study.rows import Tables, differing, made_alike
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

# By so much of itself the loss of a first epoch may differ where rounding does, as in the guards of our tests.
TOLERANCE = 1e-2

# A seed that nobody gave is one of so many, short enough to be typed again.
_SEEDS = 10_000


class Again(NamedTuple):
    """A trial that was trained again: its row, what came out (None where it could not be trained), and what is wrong.

    `to_the_bit` says how both were compared; `skipped` why it could not be trained, if so.
    """

    row: Mapping[str, Any]
    new: Mapping[str, Any] | None = None
    wrong: tuple[str, ...] = ()
    to_the_bit: bool = False
    skipped: str = ""


@dataclass(frozen=True)
class Replay:
    """How trials are trained again: so many, drawn as the `seed` says, by default another time others.

    `networks` are the classes of networks of one's own; of others none is trained, as no store decides which file is
    run. Images are looked for as a study does.
    """

    count: int = 0
    seed: int | None = None
    networks: Sequence[str] = ()
    data_dir: Path | None = None
    workers: int | None = None
    listener: Listener = field(default_factory=Silence)


@dataclass(frozen=True)
class Checked:
    """What was found of a store, and of trials that were trained again, drawn by a `seed`.

    `left_out` are trials of networks of one's own among which none was drawn.
    """

    audit: Audit
    seed: int = 0
    again: Sequence[Again] = ()
    left_out: int = 0

    @property
    def faults(self) -> int:
        """How much is wrong."""
        return len(self.audit.faults) + sum(bool(each.wrong) for each in self.again)


def check_store(store: Store, models: ModelStore, replay: Replay) -> Checked:
    """Look at a store and the networks kept beside it, and train some of its trials again.

    Raises `StoreError` where the store cannot be read, `SettingError` where the replay has a number that cannot be.
    """
    count = check_whole("replay", replay.count, least=0)
    seed = random.SystemRandom().randrange(_SEEDS) if replay.seed is None else replay.seed
    check_whole("replay_seed", seed, least=0)
    again = _Replaying(replay)
    if count:
        again.devices()  # before anything else starts JAX
    found = audit(store, models)
    if not count:
        return Checked(found)
    able = _able(found.sound, replay.networks)
    drawn = random.Random(seed).sample(able, min(count, len(able)))
    return Checked(found, seed, again.of(store, drawn, found.tables), len(found.sound) - len(able))


def _able(sound: Mapping[str, str | None], networks: Sequence[str]) -> list[str]:
    """The keys of the trials that may be trained again, in order."""
    classes = {parse(text).name for text in networks}
    return sorted(key for key, source in sound.items() if source is None or _class(source) in classes)


def _class(source: str) -> str:
    """The name of the class in a row's source, such as file.py:Twin."""
    return source.rpartition(":")[2]


class _Part(Silence):
    """Tells a listener of one of several plans, whose beginning it knows."""

    def __init__(self, listener: Listener) -> None:
        self.advance, self.done, self.note = listener.advance, listener.done, listener.note  # type: ignore[method-assign]


class _Replaying:
    def __init__(self, how: Replay) -> None:
        self._how = how
        self._sources: dict[tuple, Source | TwofoldError] = {}

    @cached_property
    def _devices(self) -> Sequence[jax.Device]:
        from twofold.training.devices import use_devices

        return use_devices(self._how.workers, self._how.listener.note)

    def devices(self) -> Sequence[jax.Device]:
        """The devices to train on."""
        return self._devices

    def of(self, store: Store, keys: Sequence[str], tables: Tables) -> list[Again]:
        """Train these trials of a store again, and compare. Raises `StoreError` where the store cannot be read."""
        again: list[Again] = []
        groups: dict[tuple, list[tuple[Trial, dict[str, Any]]]] = {}
        sources: dict[tuple, Source] = {}
        for cells in store.cells(keys):
            row, _ = row_of(cells)
            try:
                source = self._source(row)
                trial = self._trial(row, source, tables)
            except TwofoldError as error:
                again.append(Again(row, skipped=str(error)))
                continue
            group = source.fingerprint, source.name, row["dead_units_trace"] is not None
            sources[group] = source
            groups.setdefault(group, []).append((trial, row))
        trials = [trial for members in groups.values() for trial, _ in members]
        self._how.listener.begin(len(trials), 0, sum(trial.epochs for trial in trials))
        for group, members in groups.items():
            again += self._trained(sources[group], members, trace=group[-1])
        return again

    def _trained(self, source: Source, members: list[tuple[Trial, dict[str, Any]]], *, trace: bool) -> Iterator[Again]:
        fresh = Store("sqlite://")
        trials = [trial for trial, _ in members]
        try:
            conduct(trials, source, fresh, devices=self.devices, listener=_Part(self._how.listener), trace=trace)
        except StoreError:
            raise
        except TwofoldError as error:
            yield from (Again(row, skipped=str(error)) for _, row in members)
            return
        new = {cells["key"]: row_of(cells)[0] for cells in fresh.cells()}
        for trial, row in members:
            yield _compared(row, new[trial.key])

    def _source(self, row: Mapping[str, Any]) -> Source:
        """The images that a row was trained on. Raises `DataError` where they are not here."""
        wanted = names_stored(row["class_names"])
        place = row["data"], row["pool"], row["size"], wanted, row["fingerprint"]
        if place not in self._sources:
            try:
                self._sources[place] = self._found(row, wanted)
            except TwofoldError as error:
                self._sources[place] = error
        found = self._sources[place]
        if isinstance(found, TwofoldError):
            raise found
        return found

    def _found(self, row: Mapping[str, Any], wanted: tuple[str, ...]) -> Source:
        source = find_source(row["data"], self._how.data_dir, Reading.of(row))
        if source.class_names != wanted:
            source = find_source(row["data"], self._how.data_dir, Reading.of(row, wanted))
        if source.fingerprint != row["fingerprint"]:
            raise DataError(f"the images of {row['data']} here are others than those that it was trained on")
        return source

    def _trial(self, row: Mapping[str, Any], source: Source, tables: Tables) -> Trial:
        """The trial of a row. Raises `SettingError` or `NetworkError` where it cannot be made."""
        if row["identity"] is not None:
            self._find_own(row, source)
        asked = _asked(row, source, tables)
        settings = {name: row[name] for name in SETTINGS} | {"relation": asked.text}
        return Trial(
            network=row["network"],
            identity=row["identity"] or "",
            round=row["round"],
            fingerprint=row["fingerprint"],
            asked=asked,
            **settings,
        )

    def _find_own(self, row: Mapping[str, Any], source: Source) -> None:
        """Make a network of one's own known, as it was trained, by the class that the user named for it."""
        typed = next(each for each in map(parse, self._how.networks) if each.name == _class(row["source"]))
        given = {name: literal(value) for name, value in (row["arguments"] or {}).items()}
        call = ", ".join(f"{name}={text}" for name, text in given.items())
        (network,) = resolve([f"{typed.text}({call})"], source.task)
        if network.identity != row["identity"]:
            raise SettingError(f"{typed.text} computes something else now than what was trained")


def _asked(row: Mapping[str, Any], source: Source, tables: Tables) -> Relation:
    names = tuple(source.class_names)
    if row["question"] is None:
        return find_relation(row["relation"], names)
    table = tables[row["question"], row["fingerprint"]]
    return Relation(table.text, table.answers, names)


def _compared(row: Mapping[str, Any], new: Mapping[str, Any]) -> Again:
    if made_alike(row, new):
        return Again(row, new, tuple(differing(row, new)), to_the_bit=True)
    return Again(row, new, () if _is_near(row["train_loss"][0], new["train_loss"][0]) else ("train_loss",))


def _is_near(stored: float | None, now: float | None) -> bool:
    """Whether the losses of the first epoch are equal but for rounding; None is one that is no number."""
    if stored is None or now is None:
        return stored is now
    return abs(now - stored) <= TOLERANCE * abs(stored)
