"""Having claimed trials trained, and storing them; whoever comes here has something to train, and so needs JAX."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twofold.data import Chance, Images, Relation, Source, Task, chance_of, stored_names
from twofold.errors import DataError, counted
from twofold.study.cluster import AtWork, Cluster
from twofold.study.listener import Listener
from twofold.study.machine import Group, Machine, Trained, program_for
from twofold.study.outbox import Finished, Outbox
from twofold.study.trial import Trial
from twofold.training.run import Program

if TYPE_CHECKING:
    import jax


class Trainer:
    """Has trials trained, each when it is claimed for one run, and puts them in the outbox.

    `devices` are those of this machine, or a cluster. Networks come with the trials where they are `kept`.
    """

    def __init__(
        self,
        digits: Images | Source,
        claimed: Callable[[Sequence[str]], Iterator[str]],
        outbox: Outbox,
        devices: "Sequence[jax.Device] | Cluster",
        *,
        trace: bool,
        kept: bool,
        note: Callable[[str], None],
    ) -> None:
        self._task, self._claimed_keys, self._outbox, self._trace = digits.task, claimed, outbox, trace
        self._class_names = stored_names(digits.class_names)
        images = digits.load()
        if shared := images.shared_count():
            note(
                f"{shared} of the {counted(images.test_count, 'test image')} of {images.name} are training images too: "
                "test errors may look lower than they are"
            )
        self._chance = functools.cache(functools.partial(_chance, images))
        self._at: Machine | AtWork
        if isinstance(devices, Cluster):
            self._at = devices.at_work(images, trace=trace, kept=kept)
        else:
            self._at = Machine(images, devices, trace=trace)

    def train(self, trials: Sequence[Trial], listener: Listener) -> set[str]:
        """Train those of the trials that no other run has claimed or completed, store each, and return their keys."""
        for network in {trial.architecture for trial in trials}:
            network.verify()
        for trial in trials:
            self._chance(trial.asked, trial.balance)
        self._at.prepare(trials, listener.note)
        groups = [
            Group(program, self._claimed(alike), len(alike), alike[0])
            for program, alike in groups_of(trials, self._task, trace=self._trace)
        ]
        keys = set()
        for trained in self._at.train(groups, listener.advance):
            self._outbox.put(Finished(trained.trial, self._row(trained), trained.variables, listener))
            keys.add(trained.trial.key)
        self._outbox.empty()
        return keys

    def _claimed(self, trials: Sequence[Trial]) -> Iterator[Trial]:
        """Those of the trials that this run is to train, as their turn comes."""
        by_key = {trial.key: trial for trial in trials}
        return (by_key[key] for key in self._claimed_keys(list(by_key)))

    def _row(self, trained: Trained) -> dict[str, Any]:
        chance = self._chance(trained.trial.asked, trained.trial.balance)
        of_chance = {"true_share": chance.true_share, "one_image_error": chance.one_image_error}
        return {**trained.row, "class_names": self._class_names, **of_chance}


def groups_of(trials: Sequence[Trial], task: Task, *, trace: bool) -> Iterator[tuple[Program, list[Trial]]]:
    """The trials that one compiled program trains: equal programs, on arrays of equal shapes.

    Within a group short trainings come first, so that those of one cohort take about equally long.
    """
    programs = {trial: program_for(trial, task, trace=trace) for trial in trials}

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
