"""What a trial is: one network, trained once, and everything that decides how well it does."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property

from twofold.data import RELATIONS
from twofold.errors import SettingError, unknown_choice
from twofold.networks import NETWORKS
from twofold.training import OPTIMIZERS, Program

# PyTorch's default slope of nn.LeakyReLU.
BOTTLENECK_SLOPES = {"relu": 0.0, "leaky_relu": 0.01}

# The largest whole number that every database holds.
_LARGEST_SEED = 2**63 - 1

# Part of every key: raise it when the meaning of a setting changes, so that rows made under the old
# meaning are not taken for rows made under the new one.
_KEY_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of one network in one round; the defaults are the paper's settings.

    `data` is the name under which the digits were asked for and `fingerprint` the hash of their content; only
    the hash is part of the trial's identity. `aux_weight` is 0 for a network without auxiliary losses, whatever
    was asked, so that a sweep over it trains such a network once.

    Raises `SettingError` where a value cannot be used.
    """

    network: str
    round: int
    seed: int = 0
    data: str
    fingerprint: str
    optimizer: str = "adam"
    learning_rate: float = 0.001
    aux_weight: float = 1.0
    batch_size: int = 25
    epochs: int = 100
    shuffle: bool = False
    pairs: int = 1000
    test_pairs: int = 1000
    validation_pairs: int = 0
    relation: str = "<="
    normalise: bool = False
    bottleneck_activation: str = "relu"

    def __post_init__(self) -> None:
        _check_choice("network", self.network, NETWORKS)
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("relation", self.relation, RELATIONS)
        _check_choice("bottleneck_activation", self.bottleneck_activation, BOTTLENECK_SLOPES)
        for name in ("batch_size", "epochs", "pairs", "test_pairs"):
            check_whole(name, getattr(self, name), least=1)
        for name in ("round", "seed", "validation_pairs"):
            check_whole(name, getattr(self, name), least=0)
        if self.seed > _LARGEST_SEED:
            raise SettingError(f"`seed` (={self.seed}) must be at most {_LARGEST_SEED}")
        for name in ("shuffle", "normalise"):
            if not isinstance(getattr(self, name), bool):
                raise SettingError(f"`{name}` (={getattr(self, name)!r}) must be True or False")
        _check_number("learning_rate", self.learning_rate, above=0.0)
        _check_number("aux_weight", self.aux_weight, least=0.0)
        if self.pairs % self.batch_size:
            raise SettingError(
                f"`batch_size` (={self.batch_size}) must divide `pairs` (={self.pairs}); "
                f"the nearest that does is {_nearest_divisor(self.pairs, self.batch_size)}"
            )
        object.__setattr__(self, "learning_rate", float(self.learning_rate))
        weight = self.aux_weight if NETWORKS[self.network].auxiliary_losses else 0.0
        object.__setattr__(self, "aux_weight", float(weight))

    @cached_property
    def key(self) -> str:
        """The SHA-256 of all that decides the trial's outcome, in hex: its identity in every results store."""
        identity = dataclasses.asdict(self)
        del identity["data"]
        text = json.dumps({"version": _KEY_VERSION, **identity}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def program(self) -> Program:
        """What the compiled program that trains this network depends on, apart from the arrays' shapes."""
        return Program(
            weight_sharing=NETWORKS[self.network].weight_sharing,
            optimizer=self.optimizer,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
        )

    @property
    def negative_slope(self) -> float:
        """The slope of the bottleneck's activation below zero."""
        return BOTTLENECK_SLOPES[self.bottleneck_activation]


def check_whole(name: str, value: object, *, least: int) -> None:
    """Raise `SettingError` unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingError(f"`{name}` (={value!r}) must be a whole number")
    if value < least:
        raise SettingError(f"`{name}` (={value}) must be at least {least}")


def _check_number(name: str, value: object, *, above: float = -math.inf, least: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingError(f"`{name}` (={value!r}) must be a finite number")
    if not value > above:
        raise SettingError(f"`{name}` (={value}) must be greater than {above:g}")
    if value < least:
        raise SettingError(f"`{name}` (={value}) must be at least {least:g}")


def _check_choice(name: str, value: object, choices: dict) -> None:
    if value not in choices:
        raise unknown_choice(name, str(value), choices)


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: (abs(d - wanted), d))
