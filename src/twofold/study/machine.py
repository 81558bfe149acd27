"""One machine at work: claimed trials are trained on its devices, and become rows. Who comes here needs JAX."""

import dataclasses
import functools
import math
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import jax

from twofold import __version__
from twofold.data import Images, Relation, Task, draw_pairs, standardise
from twofold.errors import SettingError
from twofold.native import handlers
from twofold.networks import Network
from twofold.networks.protocol import Structure, Variables
from twofold.results.answers import packed
from twofold.settings import moment, of_role
from twofold.study.trial import Trial
from twofold.training.cohort import Job, Outcome, Work, train_works
from twofold.training.devices import wait_for_operations
from twofold.training.run import Program, TrialData, numbers_of, program_of, trial_key


class Group(NamedTuple):
    """Trials that one compiled program trains: those claimed, as their turn comes, and how many there may be.

    With an `example`, any trial that the program is for, it is compiled before a trial of it is claimed.
    """

    program: Program
    trials: Iterator[Trial]
    most: int
    example: Trial | None = None


class Trained(NamedTuple):
    """A trial that is trained: what its row says of the training, and its network, where that is wanted."""

    trial: Trial
    row: dict[str, Any]
    variables: Variables | None


class Machine:
    """Trains trials on devices of this machine, with pairs of these images."""

    def __init__(self, images: Images, devices: Sequence[jax.Device], *, trace: bool) -> None:
        self._task, self._devices, self._trace = images.task, devices, trace
        self._load = functools.lru_cache(maxsize=8)(functools.partial(_draw, images))

    def prepare(self, trials: Iterable[Trial], note: Callable[[str], None]) -> None:
        """See to it that the trials can be trained. Raises `SettingError` for a precision that the device has not."""
        _check_precision(trials, self._devices[0])
        wait_for_operations(self._devices[0], note)

    def train(self, groups: Iterable[Group], on_progress: Callable[[int], None]) -> Iterator[Trained]:
        """Train a group after the other; `on_progress` is as in `train_works`."""
        works = [
            Work(
                group.program,
                (_job(trial, self._load) for trial in group.trials),
                example=_job(group.example, self._load) if group.example else None,
                expected=group.most,
            )
            for group in groups
        ]
        for job, outcome in train_works(works, devices=self._devices, on_progress=on_progress):
            yield Trained(job.id, _row(job.id, outcome, self._devices[0]), outcome.variables)


def program_for(trial: Trial, task: Task, *, trace: bool) -> Program:
    """What is compiled for a trial, on images of a task."""
    return program_of(_structure(trial), task, trial, trace=trace)


# From this generation on NVIDIA's GPUs have TF32.
_FIRST_WITH_TF32 = 8.0


def _check_precision(trials: Iterable[Trial], device: jax.Device) -> None:
    """Raise `SettingError` for a precision that the device has not, and would leave unsaid."""
    if any(trial.precision == "tf32" for trial in trials) and _generation(device) < _FIRST_WITH_TF32:
        raise SettingError(
            f"`precision` (=tf32) needs a GPU of NVIDIA's with compute capability {_FIRST_WITH_TF32:g} or more; "
            f"here is {device_name(device)}; use float32"
        )


def _generation(device: jax.Device) -> float:
    """The compute capability of a GPU of NVIDIA's, and 0 of any other device: of AMD's it is a name (gfx90a)."""
    try:
        return float(getattr(device, "compute_capability", ""))
    except (TypeError, ValueError):
        return 0.0


def _draw(digits: Images, round_: int, relation: Relation, settings: tuple) -> TrialData:
    """The pairs of a round under those settings that decide them, in the order of `of_role`."""
    asked = dict(zip(of_role("pairs"), settings))
    pairs, validation_pairs = asked["pairs"], asked["validation_pairs"]
    draw = functools.partial(
        draw_pairs,
        digits,
        seed=asked["seed"],
        round=round_,
        relation=relation,
        balance=asked["balance"],
        training_pairs=pairs,
    )
    train, test = draw(split="train", pairs=pairs), draw(split="test", pairs=asked["test_pairs"])
    validation = draw(split="validation", pairs=validation_pairs) if validation_pairs else None
    if asked["normalise"]:
        train, test, *rest = standardise(train, test, *([validation] if validation else []))
        validation = rest[0] if rest else None
    return TrialData(train=train, test=test, validation=validation)


def _structure(trial: Trial) -> Structure:
    return trial.architecture.structure(trial)


def _job(trial: Trial, load: Callable[..., TrialData]) -> Job:
    structure = _structure(trial)
    deciding = tuple(getattr(trial, name) for name in of_role("pairs"))
    return Job(
        id=trial,
        key=trial_key(trial.seed, trial.weight_round),
        numbers=numbers_of(structure, trial),
        epochs=trial.epochs,
        load=functools.partial(load, trial.round, trial.asked, deciding),
        initial=functools.partial(structure.initial, trial.seed, trial.weight_round),
    )


def _row(trial: Trial, outcome: Outcome, device: jax.Device) -> dict[str, Any]:
    """The row of the results store for one complete trial."""
    network = trial.architecture
    return {
        "key": trial.key,
        **{field.name: getattr(trial, field.name) for field in dataclasses.fields(trial) if field.name != "asked"},
        "question": trial.asked.identity,
        **_own(network),
        "weight_sharing": network.weight_sharing,
        "auxiliary_losses": network.auxiliary_losses,
        "train_error": outcome.train_error,
        "validation_error": outcome.validation_error,
        "test_error": outcome.test_error,
        "wrong_answers": packed(outcome.wrong),
        "digit_error": outcome.digit_error if network.auxiliary_losses else None,
        "distance_threshold": outcome.distance_threshold,
        **_dead_units(network, outcome),
        "diverged": outcome.diverged,
        "train_loss": [x if math.isfinite(x) else None for x in map(float, outcome.train_loss)],
        "seconds": outcome.seconds,
        "twofold_version": __version__,
        "jax_version": jax.__version__,
        "device": device_name(device),
        "engine": handlers.engine(),
        "finished_at": moment(datetime.now(UTC)),
    }


def _own(network: Network) -> dict[str, Any]:
    """What a row says of a network of one's own, and leaves empty of another."""
    if not network.identity:
        return {"identity": None, "source": None, "arguments": None, "torch_version": None}
    described = {name: _as_json(value) for name, value in network.arguments.items()}
    return {
        "identity": network.identity,
        "source": network.source,
        "arguments": described,
        "torch_version": network.description.get("torch_version"),
    }


def _as_json(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _dead_units(network: Network, outcome: Outcome) -> dict[str, Any]:
    """The dead units of both branches of a network of the paper's, or of each layer of another."""
    dead, trace = outcome.dead_units, outcome.dead_units_trace
    if not network.identity:
        first, second = (int(count) for count in dead)
        both = None if trace is None else [[int(a), int(b)] for a, b in trace]
        return {"dead_first": first, "dead_second": second, "dead_layers": None, "dead_units_trace": both}
    # In the order of the network: JAX sorts the names of a dictionary.
    units = network.description["units"]
    layers = {name: [int(dead[name]), most] for name, most in units.items()}
    steps = None if trace is None else [list(map(int, counts)) for counts in zip(*(trace[name] for name in units))]
    return {"dead_first": None, "dead_second": None, "dead_layers": layers, "dead_units_trace": steps}


@functools.cache
def device_name(device: jax.Device) -> str:
    """The device as a reader would name it: the processor's model, where JAX only says "cpu"."""
    if device.platform != "cpu":
        return f"{device.platform}: {device.device_kind}"
    return f"cpu: {_processor_model() or platform.processor() or platform.machine()}"


def _processor_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
