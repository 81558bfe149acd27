"""Plans: what a run is asked to train, as a list of trials and in words.

A study, a grid search and a sweep are the same product of axes.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twofold.data import Images, Relation, Source, check_enough, find_relation
from twofold.data.relations import is_function
from twofold.errors import SettingError
from twofold.networks import Network
from twofold.networks.typed import text_of
from twofold.results import Plan
from twofold.settings import COMPARED, FIRST_FRESH_ROUND, SETTINGS, check_whole, rounds_text, several
from twofold.study.trial import Trial

# The paper's validation pairs: none. Ours: as many as its test pairs, where the training pool has them to spare.
_MOST_VALIDATION_PAIRS = 1000

_MOST_FRESH_ROUNDS = 100_000

# No study has so many trials, which would take weeks; more are a slip of the keyboard, and would fill the memory.
_MOST_TRIALS = 500_000

# Of what differs in a plan so many values are told.
_MOST_TOLD = 8


def factorial(
    digits: Images | Source,
    *,
    rounds: Sequence[int],
    identities: Mapping[str, str] | None = None,
    asked: Mapping[str, Relation] | None = None,
    **axes: Any,
) -> list[Trial]:
    """Every combination of the axes, in every round, each trial once.

    An axis is a field of `Trial` with one value or a sequence of them. Where several combinations are the same
    trial (auxiliary weights of a network that has no auxiliary losses), it appears once. `validation_pairs=None`
    (the default) takes as many as `spare_validation_pairs` finds. `identities` are those of networks of one's own,
    `asked` what relations mean, where that is known already.

    Raises `SettingError` where a value cannot be used, `DataError` where the digits do not suffice for the pairs.
    """
    values = {name: several(value) for name, value in axes.items()}
    values.setdefault("validation_pairs", [None])
    for name, sequence in values.items():
        if not sequence:
            raise SettingError(f"`{name}` is empty; give at least one value")
    count = len(rounds) * math.prod(map(len, values.values()))
    if count > _MOST_TRIALS:
        raise SettingError(
            f"the plan has {count} trials, and at most {_MOST_TRIALS} are possible; give fewer `rounds` or fewer values"
        )
    images = {"data": digits.name, **digits.reading.settings()}
    trials: dict[str, Trial] = {}
    for round_, combination in itertools.product(rounds, itertools.product(*values.values())):
        settings = dict(zip(values, combination, strict=True))
        if settings.get("weight_round") is None:
            settings["weight_round"] = round_
        if settings["validation_pairs"] is None:
            settings["validation_pairs"] = spare_validation_pairs(digits, settings.get("pairs", Trial.pairs))
        identity = (identities or {}).get(settings["network"], "")
        typed = SETTINGS["relation"].checked(settings.get("relation", Trial.relation))
        relation = (asked or {}).get(typed) or find_relation(typed, tuple(digits.class_names))
        settings |= {"relation": relation.text, "asked": relation, "identity": identity}
        trial = Trial(round=round_, fingerprint=digits.fingerprint, **images, **settings)
        trials.setdefault(trial.key, trial)
    for pairs, test_pairs, validation_pairs in {(t.pairs, t.test_pairs, t.validation_pairs) for t in trials.values()}:
        check_enough(digits, pairs=pairs, test_pairs=test_pairs, validation_pairs=validation_pairs)
    return list(trials.values())


def plan_of(command: str, trials: Sequence[Trial], content: Mapping[str, Any]) -> Plan:
    """The plan of a command that trains these trials, which `content` says in words."""
    return Plan(_identity(command, [trial.key for trial in trials]), command, len(trials), content)


def plan_of_search(names: Sequence[str], budget: int, content: Mapping[str, Any]) -> Plan:
    """The plan of searches of these names, each of so many trainings: with a larger budget it is the same plan."""
    said = {**content, "search": {**content["search"], "names": list(names)}}
    return Plan(_identity("tune", names), "tune", budget * len(names), said)


def is_of(plan: Plan, keys: Sequence[str]) -> bool:
    """Whether these are the keys of a plan's trials; a search is told by something else, and has those of any."""
    return "search" in plan.content or _identity(plan.command, keys) == plan.identity


def study_in_words(
    networks: Sequence[Network],
    rounds: range,
    settings: Mapping[str, Any],
    classes: str | None,
    trials: Sequence[Trial],
) -> dict[str, Any]:
    """A study as a plan says it: networks as they are typed, its rounds, and the settings not at their defaults."""
    told = {}
    for name, declared in SETTINGS.items():
        values = several(settings[name])
        if values == [declared.default]:
            continue
        if None in values:  # beside others: as many validation pairs as there are
            values = sorted({getattr(trial, name) for trial in trials})
        checked = [declared.checked(value) for value in ([settings[name]] if declared.words > 1 else values)]
        told[name] = checked if len(checked) > 1 else checked[0]
    study: dict[str, Any] = {"networks": [_typed(each) for each in networks], "rounds": rounds_text(rounds)}
    return study | ({} if classes is None else {"classes": classes}) | ({"settings": told} if told else {})


def identities_of(
    networks: Iterable[Network], asked: Mapping[str, Relation], digits: Images | Source
) -> dict[str, str]:
    """What names of one's own meant: of networks, of functions and of the images the hash that they had."""
    return {
        **{_typed(network): network.identity for network in networks if network.identity},
        **{text: relation.identity for text, relation in asked.items() if is_function(text)},
        str(digits.name): digits.fingerprint,
    }


def _typed(network: Network) -> str:
    return text_of(network.source, network.arguments) if network.identity else network.name


def _identity(command: str, of: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([command, *sorted(of)]).encode()).hexdigest()


def in_short(trials: Sequence[Trial]) -> dict[str, list[Any]]:
    """What tells a plan from others, for people: values by their names, of each name the first few.

    Networks, images and rounds (the first and the last), and the settings that are not all at their defaults. What a
    network does not use is left out.
    """
    rounds = [trial.round for trial in trials]
    told: dict[str, list[Any]] = {
        "network": _distinct(trial.network for trial in trials),
        "data": _distinct(trial.data for trial in trials),
        "round": [min(rounds), max(rounds)],
    }
    for name in COMPARED:
        declared = SETTINGS[name]
        values = _distinct(getattr(trial, name) for trial in trials)
        used = [value for value in values if not declared.of_network or value != declared.unused]
        if name not in told and used not in ([], [declared.default]):
            told[name] = used
    if crossed := _distinct(trial.weight_round for trial in trials if trial.weight_round != trial.round):
        told["weight_round"] = crossed
    return {name: values[:_MOST_TOLD] for name, values in told.items()}


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def fresh_rounds(count: int, searched: int) -> range:
    """`count` rounds on which to confirm what a search of rounds 0 to `searched` - 1 chose: 1000, 1001, ...

    Raises `SettingError` where the search reaches so far, or a number cannot be used.
    """
    check_whole("confirm", count, least=1, most=_MOST_FRESH_ROUNDS)
    if searched > FIRST_FRESH_ROUND:
        raise SettingError(
            f"`rounds` (={searched}) reaches into the rounds kept for confirmation, {FIRST_FRESH_ROUND} and on; "
            f"search at most {FIRST_FRESH_ROUND} rounds"
        )
    return range(FIRST_FRESH_ROUND, FIRST_FRESH_ROUND + count)


def spare_validation_pairs(digits: Images | Source, pairs: int) -> int:
    """How many validation pairs to draw: 1000, or what the training pairs leave in the training pool."""
    check_whole("pairs", pairs, least=1)
    spare = (digits.train_count - 2 * pairs) // 2
    return max(0, min(_MOST_VALIDATION_PAIRS, spare))
