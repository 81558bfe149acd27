"""What a run will take, before it begins: trials, programs to compile, time on this machine, and disk.

The time is that of the store's own trials of the same networks on the same images, trained on such a device; where it
has none, that of a measurement, which trains a few epochs whose outcomes are thrown away.
"""

import dataclasses
import functools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

from twofold.data import Images, Source, Task
from twofold.networks import Network
from twofold.results import Store
from twofold.results.schema import bytes_of_row
from twofold.settings import of_role
from twofold.study.cluster import Cluster
from twofold.study.conduct import conduct
from twofold.study.keep import setting_of
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

# Of a measurement: the difference of these epochs is what epochs cost, without what a training does once.
FEW, MORE = 2, 12

# Networks that are measured: others are taken to be like them.
_MOST_MEASURED = 4

# On a GPU so many trials are measured together, as many as are trained together at most.
_MOST_TOGETHER = 256

# A run has a measurement before it where it has so many times as many epochs to train.
_WORTH_MEASURING = 10

# On a GPU so many: a measurement compiles programs there, of which a short run would be through meanwhile.
_WORTH_MEASURING_ON_A_GPU = 1000

# Trainings that are this much shorter say little: what is done once in each weighs in their time.
_TOO_SHORT = 10

# A kept network's file has a record of about so many bytes beside four for each number.
_BYTES_OF_RECORD, _BYTES_OF_NUMBER = 4000, 4


@dataclass(frozen=True)
class Forecast:
    """What the training of `trials` trials will take.

    `programs` is how many have to be compiled at most: those that an earlier run has kept are read. `seconds` is wall
    time on the `devices` devices that it is trained on (0 of a cluster), without compiling; None where it is not known.
    It comes from trials in the "store", or was "measured". `row_bytes` and `network_bytes` are what rows and kept
    networks will take on disk.
    """

    trials: int
    programs: int
    devices: int
    seconds: float | None
    seconds_from: Literal["store", "measured", ""]
    row_bytes: int
    network_bytes: int

    def times(self, count: int) -> "Forecast":
        """Of so many times as many trials of the same kinds."""
        return dataclasses.replace(
            self,
            trials=count * self.trials,
            seconds=None if self.seconds is None else count * self.seconds,
            row_bytes=count * self.row_bytes,
            network_bytes=count * self.network_bytes,
        )


# Of nothing that is left to train.
NOTHING = Forecast(0, 0, 0, 0.0, "", 0, 0)


def forecast(
    trials: Sequence[Trial],
    digits: Images | Source,
    devices: "Sequence[jax.Device] | Cluster",
    *,
    store: Store | None = None,
    trace: bool = False,
    keep: str = "none",
    measured: pd.DataFrame | None = None,
    short: bool = False,
) -> Forecast:
    """What it will take to train these trials, each as often as it stands there, on these devices.

    `store` has times, if it is there; `measured` is what `measure` gave. Networks of which neither knows anything are
    measured now, which takes some seconds, but not, with `short`, where the whole is as soon trained as measured.
    How long nodes of a cluster take is not known. `trace` and `keep` are those of a study.
    """
    if not trials:
        return NOTHING
    from twofold.study.trainer import groups_of  # it needs JAX, which is not loaded where nothing is left to train

    groups = [group for _, group in groups_of(trials, digits.task, trace=trace)]
    told = {
        "trials": len(trials),
        "programs": len(groups),
        "row_bytes": sum(bytes_of_row(trial.epochs, trace=trace) for trial in trials),
        "network_bytes": sum(_bytes_of_network(trial, digits.task) for trial in _kept(trials, keep)),
    }
    if isinstance(devices, Cluster):
        return Forecast(**told, devices=0, seconds=None, seconds_from="")
    paces = [] if measured is None else _measured_paces(measured)
    if store is not None:
        paces += _stored_paces(store, digits, devices[0])
    known = _Paces(paces)
    source: Literal["store", "measured", ""] = "store" if measured is None else "measured"
    if unknown := [trial for trial in trials if known.of(trial) is None]:
        chosen = _to_measure(unknown, devices)
        times = _WORTH_MEASURING if devices[0].platform == "cpu" else _WORTH_MEASURING_ON_A_GPU
        worth = times * len(chosen) * (FEW + MORE)
        if short and sum(trial.epochs for trial in unknown) < worth:
            source = ""
        else:
            known = _Paces([*paces, *_measured_paces(measure(chosen, digits, devices))])
            source = "measured"
    return Forecast(
        **told,
        devices=len(devices),
        seconds=sum(_wall(group, known, len(devices)) for group in groups) if source else None,
        seconds_from=source,
    )


def measure(trials: Iterable[Trial], digits: Images | Source, devices: "Sequence[jax.Device]") -> pd.DataFrame:
    """Train each of the trials for a few epochs and for some more, and return the rows, which no store keeps."""
    store, rows = Store("sqlite://"), []
    every = list(trials)
    for epochs in (FEW, MORE):  # one after the other, so that those of a cohort are equally long
        short = {trial.key: trial for trial in (dataclasses.replace(each, epochs=epochs) for each in every)}
        conduct(list(short.values()), digits, store, devices=lambda: devices)
        rows.append(store.read(short))
    return pd.concat(rows, ignore_index=True)


class _Pace(NamedTuple):
    """How long an epoch of a training takes, in seconds for each of its pairs, and how many epochs that was seen in.

    What decides it is the network and the images, its `kind`, and beside them the settings that are compiled in.
    """

    kind: tuple[str, str]
    program: tuple
    seconds: float
    epochs: float


class _Paces:
    """What is known of the paces of trainings."""

    def __init__(self, paces: Iterable[_Pace]) -> None:
        self._of_kind: dict[tuple[str, str], list[_Pace]] = defaultdict(list)
        for pace in paces:
            self._of_kind[pace.kind].append(pace)
        self._seconds = functools.cache(self._median)

    def of(self, trial: Trial) -> float | None:
        """The seconds that a trial takes, as far as trials of its network on its images tell that were not too short.

        It is the median, of those with the same settings compiled in if there are any.
        """
        pace = self._seconds(_kind(vars(trial)), _program(vars(trial)), trial.epochs)
        return None if pace is None else pace * trial.epochs * trial.pairs

    def mean_of_others(self, trial: Trial) -> float:
        """The seconds that a trial takes if it is as the mean of other networks on its images."""
        each = [statistics.median(p.seconds for p in some) for some in self._of_kind.values()]
        return statistics.fmean(each) * trial.epochs * trial.pairs

    def _median(self, kind: tuple[str, str], program: tuple, epochs: int) -> float | None:
        long = [pace for pace in self._of_kind.get(kind, ()) if pace.epochs * _TOO_SHORT >= epochs]
        alike = [pace for pace in long if pace.program == program]
        return statistics.median(pace.seconds for pace in alike or long) if long else None


def _kind(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["identity"] or row["network"], row["fingerprint"]


def _program(row: Mapping[str, Any]) -> tuple:
    return tuple(row[name] for name in of_role("program"))


def _stored_paces(store: Store, digits: Images | Source, device: "jax.Device") -> list[_Pace]:
    """What the store's trials on these images, trained on such a device, took."""
    from twofold.native.handlers import engine
    from twofold.study.machine import device_name

    rows = store.times(digits.fingerprint, device_name(device), engine(), of_role("program"))
    return [
        _Pace(_kind(row), _program(row), row["seconds"] / row["epochs"] / row["pairs"], row["epochs"]) for row in rows
    ]


def _measured_paces(rows: pd.DataFrame) -> list[_Pace]:
    """What `measure` found: the difference of many and few epochs is free of what a training does once."""
    paces = []
    for _, some in rows.groupby(rows.identity.fillna("") + rows.network, sort=False):
        first = {str(name): value for name, value in some.to_dict("records")[0].items()}
        few, more = (float(some.seconds[some.epochs == epochs].mean()) for epochs in (FEW, MORE))
        # Of trainings so short that noise is more than they take, what they take is too much rather than nothing.
        each = (more - few) / (MORE - FEW) if more > few else more / MORE
        paces.append(_Pace(_kind(first), _program(first), each / first["pairs"], math.inf))
    return paces


def _to_measure(trials: Sequence[Trial], devices: "Sequence[jax.Device]") -> list[Trial]:
    """Of some of the networks as many trials as are trained together, with the settings that most of them have."""
    of_kind: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        of_kind[_kind(vars(trial))].append(trial)
    together = len(devices) * (1 if devices[0].platform == "cpu" else _MOST_TOGETHER)
    chosen = []
    for kind in list(of_kind.values())[:: math.ceil(len(of_kind) / _MOST_MEASURED)]:
        (common, _), *_ = Counter(map(_compiled, kind)).most_common(1)
        alike = {trial.round: trial for trial in kind if _compiled(trial) == common}
        chosen += list(alike.values())[:together]
    return chosen


def _compiled(trial: Trial) -> tuple:
    """What trials have in common that one program trains."""
    return (*_program(vars(trial)), trial.pairs, trial.test_pairs, trial.validation_pairs)


def _wall(group: Sequence[Trial], paces: _Paces, devices: int) -> float:
    """The seconds from the first to the last of trials that one program trains; in the end devices may be idle."""
    seconds = [paces.of(trial) for trial in group]
    known = [paces.mean_of_others(trial) if each is None else each for trial, each in zip(group, seconds)]
    return statistics.fmean(known) * math.ceil(len(group) / devices)


def _kept(trials: Sequence[Trial], keep: str) -> list[Trial]:
    """The trials whose networks will be kept in the end."""
    if keep == "best":
        return list({setting_of(trial): trial for trial in trials}.values())
    return list(trials) if keep == "all" else []


@functools.cache
def _numbers(network: Network, task: Task) -> int:
    """How many numbers a network computes with."""
    if network.identity:
        shapes = [*network.description["parameters"].values(), *network.description["buffers"].values()]
        return sum(math.prod(shape) for shape in shapes)
    return sum(row.parameters for row in network.structure().layers(task))


def _bytes_of_network(trial: Trial, task: Task) -> int:
    return _BYTES_OF_RECORD + _BYTES_OF_NUMBER * _numbers(trial.architecture, task)
