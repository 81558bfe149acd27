"""Which of a study's trained networks are kept: none, the best of each network and setting, or all."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twofold.data import Images, Source, draw_pairs, pixel_scale
from twofold.data.form import edge_range
from twofold.errors import unknown_choice
from twofold.networks import Network
from twofold.results import ModelStore, Store
from twofold.results.store import LONG_COLUMNS
from twofold.study.trial import Trial

if TYPE_CHECKING:
    from twofold.networks.protocol import Variables

KEEP = ("none", "best", "all")


def check_keep(keep: str) -> None:
    """Raise `SettingError` unless `keep` is one of `KEEP`."""
    if keep not in KEEP:
        raise unknown_choice("keep_models", keep, KEEP)


class Keeper:
    """Keeps networks of a plan in a model store.

    `all` keeps every trial's. `best` keeps, of each network and setting (all that a trial is but its round), the
    trial with the lowest validation error, or the lowest test error where there are no validation pairs; the
    earlier round where two are equal; never one that diverged. Whatever was stored without its network and should
    have it is trained once more; what comes out is kept even where another machine's rounding makes it differ from
    the row.

    Unless it is only to `look` what is there, the folder is made. Raises `SettingError` for a `keep` that is none of
    `KEEP`, `StoreError` where the folder cannot be made.
    """

    def __init__(
        self,
        keep: str,
        models: ModelStore,
        store: Store,
        trials: Sequence[Trial],
        digits: Images | Source,
        *,
        look: bool = False,
    ) -> None:
        check_keep(keep)
        if keep != "none" and not look:
            models.make_folder()  # rather than find out after the first training that it cannot be done
        self.keep, self._models, self._store, self._digits = keep, models, store, digits
        self._trials = {trial.key: trial for trial in trials}
        self._best: dict[str, tuple[tuple[float, int], str]] = {}  # setting -> (rank, key)

    @property
    def keeps(self) -> bool:
        """Whether any network may be kept."""
        return self.keep != "none"

    def lacking(self, stored: set[str]) -> set[str]:
        """Those of the stored trials of the plan that have to be trained again, for their networks to be kept.

        Which are the best shows only when all of the plan is stored.
        """
        if not self.keeps or (self.keep == "best" and len(stored) < len(self._trials)):
            return set()
        wanted = stored if self.keep == "all" else self._best_stored()
        return wanted - self._models.present(wanted)

    def lacks(self, key: str) -> bool:
        """Whether this trial's network should be there already, and is not."""
        if not self.keeps:
            return False
        wanted = self.keep == "all" or key in {best for _, best in self._best.values()}
        return wanted and not self._models.present([key])

    def offer(self, trial: Trial, row: Mapping[str, Any], variables: "Variables") -> None:
        """Keep the network of a complete trial if it is to be kept, or may yet turn out to be the best."""
        if not self.keeps:
            return
        if self.keep == "all" or self.lacks(trial.key) or self._is_best_so_far(trial, row):
            self._models.add(_by_name(trial, variables), self._record(trial, row))

    def copy(self, trial: Trial, row: Mapping[str, Any], variables: "Variables", models: ModelStore) -> None:
        """Keep the network of a complete trial in another place, if any are kept."""
        if self.keeps:
            models.add(_by_name(trial, variables), self._record(trial, row))

    def finish(self) -> None:
        """Delete what `best` kept on the way of networks that are not the best after all.

        What was ever kept because all were to be kept stays, whatever is best later.
        """
        if not self.keeps:
            return
        best = self._best_stored() if self.keep == "best" else set()
        for key in self._models.present(self._trials.keys() - best):
            if self._models.record(key).get("kept") != "best":
                continue
            if self.keep == "best":
                self._models.remove(key)
            else:
                model = self._models.load(key)
                self._models.add(model.variables, {**model.record, "kept": "all"})

    def _best_stored(self) -> set[str]:
        self._best.clear()
        for row in self._store.read(self._trials).to_dict("records"):
            self._is_best_so_far(self._trials[row["key"]], row)
        return {key for _, key in self._best.values()}

    def _is_best_so_far(self, trial: Trial, row: Mapping[Any, Any]) -> bool:
        if row["diverged"]:
            return False
        error = row["validation_error"] if trial.validation_pairs else row["test_error"]
        rank = (float(error), trial.round)
        setting = setting_of(trial)
        if setting in self._best and self._best[setting][0] < rank:
            return False
        self._best[setting] = (rank, trial.key)
        return True

    @functools.cached_property
    def _ranges(self) -> tuple[list[float], list[float]]:
        """Of the training images: where their edges lie, and their pixels."""
        images = self._digits.load().train_images
        return list(edge_range(images)), [float(images.min()), float(images.max())]

    def _record(self, trial: Trial, row: Mapping[str, Any]) -> dict[str, Any]:
        images = self._digits.load()
        mean, deviation = _scale(images, trial)
        task = self._digits.task
        return {
            **{name: value for name, value in row.items() if name not in LONG_COLUMNS},
            "image_size": list(task.image_size),
            "channels": task.channels,
            "classes": task.classes,
            "class_names": list(self._digits.class_names),
            "answers": trial.asked.packed,
            "pixel_mean": mean,
            "pixel_deviation": deviation,
            "edge_range": self._ranges[0],
            "pixel_range": self._ranges[1],
            "kept": self.keep,
            **_own(trial.architecture),
        }


def _by_name(trial: Trial, variables: "Variables") -> "Variables":
    """Of a network of one's own what it computes with by the names of its module; of another as it is."""
    network = trial.architecture
    if not network.identity:
        return variables
    named = (dict(zip(network.description[each], getattr(variables, each))) for each in ("parameters", "buffers"))
    return type(variables)(*named)


def _own(network: Network) -> dict[str, Any]:
    """What a record needs for a network of one's own to be made again: arguments as they are typed, and its roles."""
    if not network.identity:
        return {}
    arguments = {name: repr(value) for name, value in network.arguments.items()}
    return {
        "arguments": arguments,
        "outputs": network.description["roles"],
        "parameters": network.description["parameters"],
        "buffers": network.description["buffers"],
    }


@functools.lru_cache(maxsize=4096)
def setting_of(trial: Trial) -> str:
    """The same for all rounds of one network and setting, whosever weights they begin with."""
    return dataclasses.replace(trial, round=0, weight_round=0).key


def _scale(digits: Images, trial: Trial) -> tuple[float, float]:
    """What this trial's pixels are shifted by, and then divided by."""
    if not trial.normalise:
        return 0.0, 1.0
    asked = {name: getattr(trial, name) for name in ("seed", "round", "pairs", "balance")}
    return pixel_scale(draw_pairs(digits, split="train", relation=trial.asked, **asked))
