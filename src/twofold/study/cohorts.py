"""Which trials a node of a cluster trains next, and which are trained again since their node was lost."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twofold.errors import ClusterError, counted
from twofold.study.trial import Trial

if TYPE_CHECKING:
    from twofold.study.machine import Group

# A trial whose nodes are lost so often may be what they are lost by.
_MOST_LOSSES = 3


@dataclass
class Cohort:
    """Trials of one group, the `place`th, that a node trains, and the most that it was to get; `epochs` are done."""

    place: int
    trials: Sequence[Trial]
    most: int
    epochs: int = 0


@dataclass
class _Line:
    """The trials of a group that no node trains: some that are `waiting`, and those that are yet to be claimed."""

    claimed: Iterator[Trial]
    most: int
    waiting: deque[Trial] = field(default_factory=deque)

    def take(self, count: int) -> list[Trial]:
        """So many trials, or as many as there are."""
        taken = [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]
        return [*taken, *itertools.islice(self.claimed, count - len(taken))]

    def waits(self) -> bool:
        """Whether there is a trial."""
        self.waiting.extend(itertools.islice(self.claimed, not self.waiting))
        return bool(self.waiting)


class Cohorts:
    """The groups of a plan, cut into cohorts as nodes ask for them; so all nodes come to their end together."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._lines = [_Line(group.trials, group.most) for group in groups]
        self._at: dict[str, int] = {}  # the group that a node is at
        self._losses: Counter[str] = Counter()

    def any_left(self) -> bool:
        """Whether there is a trial that no node trains."""
        return any(line.waits() for line in self._lines)

    def next(self, node: str, room: Callable[[int], int]) -> Cohort | None:
        """A cohort for a node, or None where there is nothing left to train.

        `room` says how many trials it gets of a group of at most so many. A node goes on with the program that it has;
        then it takes the one that the fewest nodes are at, since it has to compile every other.
        """
        others = Counter(place for other, place in self._at.items() if other != node)
        mine = self._at.get(node)
        for place in sorted(range(len(self._lines)), key=lambda place: (place != mine, others[place], place)):
            most = room(self._lines[place].most)
            if trials := self._lines[place].take(most):
                self._at[node] = place
                return Cohort(place, trials, most)
        self._at.pop(node, None)
        return None

    def give_back(self, cohort: Cohort, node: str, *, lost_by: str = "") -> None:
        """Have the trials of a cohort trained by others than this node, which is no more.

        Raises `ClusterError` where one of them was `lost_by` too many nodes.
        """
        self._at.pop(node, None)
        self._lines[cohort.place].waiting.extend(cohort.trials)
        if not lost_by:
            return
        self._losses.update(trial.key for trial in cohort.trials)
        trial = max(cohort.trials, key=lambda trial: self._losses[trial.key])
        if self._losses[trial.key] >= _MOST_LOSSES:
            raise ClusterError(
                f"{trial.network} in round {trial.round} was given up: {counted(_MOST_LOSSES, 'node')} that trained it "
                f"were lost, the last ({lost_by}); it may need more memory than nodes have"
            )
