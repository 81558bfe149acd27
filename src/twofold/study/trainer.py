"""Training claimed trials and making their rows; whoever comes here has something to train, and so needs JAX."""

import dataclasses
import functools
import itertools
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

from twofold import __version__
from twofold.data import Chance, Images, Relation, Source, Task, chance_of, draw_pairs, standardise, stored_names
from twofold.errors import DataError, SettingError, counted
from twofold.native import handlers
from twofold.networks import Network
from twofold.networks.protocol import Structure
from twofold.results.answers import packed
from twofold.settings import of_role
from twofold.study.listener import Listener
from twofold.study.outbox import Finished, Outbox
from twofold.study.trial import Trial
from twofold.training.cohort import Job, Outcome, TrialData, train_cohorts
from twofold.training.devices import wait_for_operations
from twofold.training.run import Program, numbers_of, program_of, trial_key


class Trainer:
    """Trains trials on the devices, each when it has claimed it for one run, the `owner`, and puts it in the outbox."""

    def __init__(
        self,
        digits: Images | Source,
        claimed: Callable[[Sequence[str]], Iterator[str]],
        outbox: Outbox,
        devices: Sequence[jax.Device],
        *,
        trace: bool,
        note: Callable[[str], None],
    ) -> None:
        self._task, self._claimed_keys, self._outbox, self._devices = digits.task, claimed, outbox, devices
        self._class_names = stored_names(digits.class_names)
        self._trace = trace
        images = digits.load()
        if shared := images.shared_count():
            note(
                f"{shared} of the {counted(images.test_count, 'test image')} of {images.name} are training images too: "
                "test errors may look lower than they are"
            )
        self._load = functools.lru_cache(maxsize=8)(functools.partial(_draw, images))
        self._chance = functools.cache(functools.partial(_chance, images))

    def train(self, trials: Sequence[Trial], listener: Listener) -> set[str]:
        """Train those of the trials that no other run has claimed or completed, store each, and return their keys."""
        _check_precision(trials, self._devices[0])
        for network in {trial.architecture for trial in trials}:
            network.verify()
        for trial in trials:
            self._chance(trial.asked, trial.balance)
        wait_for_operations(self._devices[0], listener.note)
        trained = set()
        for program, group in _groups(trials, self._task, self._trace):
            jobs = (_job(trial, self._load) for trial in self._claimed(group))
            cohorts = train_cohorts(
                program, jobs, devices=self._devices, on_progress=listener.advance, expected=len(group)
            )
            for job, outcome in cohorts:
                self._outbox.put(Finished(job.id, self._row(job.id, outcome), outcome.variables, listener))
                trained.add(job.id.key)
        self._outbox.empty()
        return trained

    def _claimed(self, trials: Sequence[Trial]) -> Iterator[Trial]:
        """Those of the trials that this run is to train, as their turn comes."""
        by_key = {trial.key: trial for trial in trials}
        return (by_key[key] for key in self._claimed_keys(list(by_key)))

    def _row(self, trial: Trial, outcome: Outcome) -> dict[str, Any]:
        chance = _asked(self._chance(trial.asked, trial.balance))
        return {**_row(trial, outcome, self._devices[0]), "class_names": self._class_names, **chance}


# From this generation on NVIDIA's GPUs have TF32.
_FIRST_WITH_TF32 = 8.0


def _check_precision(trials: Sequence[Trial], device: jax.Device) -> None:
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


def _groups(trials: Sequence[Trial], task: Task, trace: bool) -> Iterator[tuple[Program, list[Trial]]]:
    """The trials that one compiled program trains: equal programs, on arrays of equal shapes.

    Within a group short trainings come first, so that those of one cohort take about equally long.
    """
    programs = {trial: program_of(_structure(trial), task, trial, trace=trace) for trial in trials}

    # Equal programs have one number, in the order in which the trials come to them.
    numbers = {program: number for number, program in enumerate(dict.fromkeys(programs.values()))}

    def shape(trial: Trial) -> tuple:
        return (numbers[programs[trial]], trial.pairs, trial.test_pairs, trial.validation_pairs)

    for _, group in itertools.groupby(sorted(trials, key=lambda t: (shape(t), t.epochs)), key=shape):
        alike = list(group)
        yield programs[alike[0]], alike


def _chance(images: Images, relation: Relation, balance: bool) -> Chance:
    """Chance in test pairs. Raises `DataError` where no two test images have one of the answers."""
    counts = np.bincount(images.test_labels, minlength=len(images.class_names))
    chance = chance_of(relation, balance=balance, counts=counts)
    if chance.error == 0:
        answer = "true" if chance.true_share else "false"
        raise DataError(
            f"`relation` (={relation.text}) is {answer} of any two test images of {images.name}; ask what is now true, "
            "now false"
        )
    return chance


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
        "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _asked(chance: Chance) -> dict[str, Any]:
    """What a row says of chance."""
    return {"true_share": chance.true_share, "one_image_error": chance.one_image_error}


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
