"""What a trial is: one network, trained once, and everything that decides how well it does."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import Field, field
from functools import cached_property
from typing import Any, cast

from twofold.data import Relation, answered_by_distance, find_relation
from twofold.data.relations import name_of_table
from twofold.errors import SettingError
from twofold.networks import Network, find_network
from twofold.settings import FIRST, SETTINGS, Settings, check_whole, settings_class

# Part of every key: raise it when the meaning of a setting changes, so that rows made under the old
# meaning are not taken for rows made under the new one.
_KEY_VERSION = 1


@settings_class
class Trial(Settings):
    """One training of one network in one round; the defaults are the paper's settings.

    `data` is the name under which the images were asked for, `pool` and `size` what was done to them, and `fingerprint`
    the hash of what came of it; only the hash is part of the trial's identity. A setting that the network does not use
    has one value, whatever was asked, so that a sweep over it trains such a network once: the `aux_weight` of a network
    without auxiliary losses is 0.

    The pairs follow from `seed` and `round`; what the training itself draws (initial weights, the order of shuffled
    pairs, what dropout leaves out) from `seed` and `weight_round`, which is the round where it is not given.

    A network of one's own is told by its `identity`, the hash of what it computes: its name is not part of the key.

    `asked` is what the text of `relation` means among the images' classes. Where it is of another text, as by default,
    the text is read anew among its classes: a trial that is told of none has the ten digits.

    Raises `SettingError` where a value cannot be used.
    """

    network: str
    identity: str = field(default="", repr=False)
    round: int
    fingerprint: str = field(repr=False)
    asked: Relation = field(default=find_relation(Settings.relation), repr=False)
    # A trial knows of no pool of images that something might be left in.
    validation_pairs: int = 0
    weight_round: int = cast(int, None)  # the round, where none is given

    def _default_of(self, each: Field) -> Any:
        followed = SETTINGS[each.name].follows if each.name in SETTINGS else None
        return getattr(self, followed) if followed else super()._default_of(each)

    def __post_init__(self) -> None:
        uses = self.architecture.uses
        object.__setattr__(self, "round", check_whole("round", self.round, least=0))
        for name, declared in SETTINGS.items():
            if declared.follows and getattr(self, name) is None:
                object.__setattr__(self, name, getattr(self, declared.follows))
            value = declared.checked(getattr(self, name))
            unused = declared.of_network and name not in uses
            object.__setattr__(self, name, declared.unused if unused else value)
        if self.relation != self.asked.text:
            object.__setattr__(self, "asked", find_relation(self.relation, self.asked.class_names))
            object.__setattr__(self, "relation", self.asked.text)
        if self.architecture.embeds and self.asked.of_alike is None:
            able = " or ".join(answered_by_distance())
            raise SettingError(
                f"`relation` (={self.relation}) cannot be answered by the embeddings of {self.network}, whose distance "
                f"is the same in either order; choose {able}, or another that is so and has one answer for any two of "
                "a class, or let the network give an answer"
            )
        if self.pairs % self.batch_size:
            raise SettingError(
                f"`batch_size` (={self.batch_size}) must divide `pairs` (={self.pairs}); "
                f"the nearest that does is {_nearest_divisor(self.pairs, self.batch_size)}"
            )

    @cached_property
    def key(self) -> str:
        """The SHA-256 of all that decides the trial's outcome, in hex: its identity in every results store.

        The first version's settings are in it, all of them, and later ones where they differ from their defaults: so a
        setting that is new changes no key of a trial that was trained without it. A relation is in it by its name, or
        where its table of answers has none, by the table.
        """
        relation = self.asked.name or self.asked.identity
        return _key(vars(self), network=self.identity or self.network, relation=relation)

    @property
    def architecture(self) -> Network:
        """The trial's network."""
        return find_network(self.network, self.identity)


def key_of_row(row: Mapping[str, Any]) -> str:
    """The key that a row's settings give, without its network or relation being at hand.

    Raises `ValueError` where its `question` tells no table of answers.
    """
    relation = row["relation"] if row["question"] is None else name_of_table(row["question"]) or row["question"]
    return _key(row, network=row["identity"] or row["network"], relation=relation)


def _key(values: Mapping[str, Any], *, network: str, relation: str) -> str:
    """The key of settings, a round and a fingerprint; see `Trial.key`."""
    identity = {
        name: values[name]
        for name, declared in SETTINGS.items()
        if declared.role != "images" and (declared.since == FIRST or declared.says(values))
    }
    identity.update(
        network=network,
        relation=relation,
        round=values["round"],
        fingerprint=values["fingerprint"],
        version=_KEY_VERSION,
    )
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: (abs(d - wanted), d))
