"""What a network of one's own is to twofold, and whether that is right, for `twofold check`: before hours of work."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from twofold.api import Study
from twofold.data import Images, Reading, Source, answered_by_distance, draw_pairs, find_source
from twofold.doctor import Finding
from twofold.errors import DataError, SettingError, TwofoldError
from twofold.networks.typed import is_typed, parse
from twofold.settings import SETTINGS, Settings, value_text
from twofold.study.forecast import MORE, forecast, measure

if TYPE_CHECKING:
    from twofold.networks.graphs.loading import Own

# Rounds of the study whose time is told, and those that are measured for it.
_ROUNDS, _MEASURED = 20, 2

# Parameters that are named where something is wrong with many.
_MOST_NAMED = 3

# How class predictions are laid out, in words.
_LAYOUTS = {
    None: "none",
    "apart": "two outputs, one for each image",
    "stacked": "one output (n, 2, classes)",
    "stacked first": "one output (2, n, classes)",
    "successive rows": "one output (2n, classes), the images of a pair one after the other",
    "halves": "one output (2n, classes), all left images before all right ones",
}

# How embeddings of so many numbers are.
_EMBEDDINGS = {
    "apart": "two of (n, {0})",
    "stacked": "one of (n, 2, {0})",
    "stacked first": "one of (2, n, {0})",
    "successive rows": "one of (2n, {0}), the images of a pair one after the other",
    "halves": "one of (2n, {0}), all left images before all right ones",
}


def examine(
    text: str, data: str = str(Settings.data), *, tell: Callable[[str], None] = lambda _: None, **images: Any
) -> list[Finding]:
    """Look at every network that is typed: outputs and roles, parameters, parity, units that may die, and the time.

    `images` are `pool`, `size` and `classes` as a study takes them. `tell` is told what is looked at next. Parity is
    that of the user's own module in double precision. Raises `SettingError` for what is no network of one's own,
    `NetworkError` for one that cannot be trained.
    """
    if not is_typed(text):
        raise SettingError(f"`network` (={text}) must be a class in a file or module, such as file.py:Twin")
    from twofold.training.devices import use_devices

    use_devices()  # all of them, before anything else starts JAX
    source = find_source(SETTINGS["data"].checked(data), reading=Reading.of(images, images.get("classes")))
    drawn = source.load()
    found: list[Finding] = []
    tell("Looking at the networks …")
    relation = Settings.relation
    for own in _networks(text, source):
        tell(f"Comparing {own.name} with your module …")
        found += _of(own, drawn)
        relation = _settings(own).relation if own.roles.embeddings else relation
    if any(each.wrong and each.name.startswith("parity") for each in found):
        return [*found, Finding("study", "time", "not measured, since no study trains what differs from your module")]
    tell("Measuring how long a study takes …")
    told = {each.part for each in found if each.wrong}
    return [
        *found,
        *(each for each in _short_studies(text, relation, source, data=data, **images) if each.part not in told),
    ]


def _networks(text: str, source: Source) -> "Iterator[Own]":
    from twofold.networks.importing import import_home
    from twofold.networks.kinds import each_of

    typed = parse(text)
    imported = import_home(typed.home)
    return each_of(typed, imported.find(typed.name), source.task, None, imported.there, imported.digest())


def _of(own: "Own", images: Images) -> Iterator[Finding]:
    from twofold.networks.graphs.roles import shape_text

    described = own.description()
    name, roles = own.name, own.roles
    yield Finding(name, "called with", described["convention"])
    if roles.embeddings:
        yield Finding(name, "embeddings", _embeddings_text(_EMBEDDINGS[roles.embeddings].format(roles.width)))
        yield Finding(name, "relations", f"{' and '.join(answered_by_distance())}, the same in either order")
        yield Finding(name, "pixels", "with --normalise, or unit length, many embeddings learn more")
    else:
        yield Finding(name, "answer", roles.answer + (", before its sigmoid or softmax" if roles.logits_taken else ""))
        yield Finding(name, "class predictions", _LAYOUTS[roles.classes])
    if roles.unused:
        yield Finding(name, "not used", f"outputs {', '.join(map(shape_text, roles.unused))}")
    yield Finding(name, "parameters", _parameters(described))
    yield _weights(own)
    yield from _first_step(own, images)
    layers = described["units"]
    yield Finding(name, "units that may die", ", ".join(f"{layer}: {n}" for layer, n in layers.items()) or "none")
    yield from _parity(own)


def _embeddings_text(shape: str) -> str:
    margin = value_text(Settings.contrastive_margin)
    return f"{shape}, trained by a contrastive loss (margin {margin}), answered by a threshold"


def _weights(own: "Own") -> Finding:
    """Whether each round has weights of its own: a class that seeds a generator itself gives all the same."""
    (first, _), (second, _) = own.fresh(0, 0), own.fresh(0, 1)
    if any((one != other).any() for one, other in zip(first, second)):
        return Finding(own.name, "first weights", "others in each round")
    wrong = f"rounds would differ in their pairs alone; {own.constant_weights}"
    return Finding(own.name, "first weights", "the same in every round", wrong)


def _settings(own: "Own") -> Settings:
    """The defaults, with a relation that the network can answer."""
    return Settings(relation=answered_by_distance()[0]) if own.roles.embeddings else Settings()


def _first_step(own: "Own", images: Images) -> Iterator[Finding]:
    """Whether what the network computes in the first step of a training, and the gradients there, are numbers."""
    from twofold.training.first_step import first_step

    settings = _settings(own)
    try:
        pairs, relation = settings.batch_size, settings.relation
        batch = draw_pairs(images, seed=settings.seed, round=0, split="train", pairs=pairs, relation=relation)
    except DataError as error:
        yield Finding(own.name, "first step", "not looked at", str(error))
        return
    outputs, gradients = first_step(own.structure(settings), settings, 0, batch)
    lost = [held.names[0] for held, finite in zip(own.exported.parameters, gradients, strict=True) if not finite]
    if not outputs:
        wrong = "some are infinite or no numbers, and nothing can be learnt"
        yield Finding(own.name, "first outputs", "not finite", wrong)
    elif lost:
        yield Finding(own.name, "first gradients", "not finite", _lost_text(lost))
    else:
        yield Finding(own.name, "first step", "outputs and gradients are finite")


def _lost_text(names: Sequence[str]) -> str:
    """What it means that the gradients of these parameters are not finite, and what to do."""
    several = f"{', '.join(names[:_MOST_NAMED])}{f' and {len(names) - _MOST_NAMED} more' * (len(names) > _MOST_NAMED)}"
    return (
        f"those of {several} are infinite or no numbers in the first step, and so are the weights from then on; where "
        "it takes a square root, norm, logarithm or quotient of what may be 0, add a small number to that, such as 1e-6"
    )


def _parameters(described: dict) -> str:
    sizes = [math.prod(shape) for shape in described["parameters"].values()]
    text = f"{sum(sizes):,} in {len(sizes)} arrays"
    if described["buffers"]:
        text += f"; state in {len(described['buffers'])} more"
    if described["unused_parameters"]:
        text += f"; not used, and not trained: {', '.join(described['unused_parameters'])}"
    return text


def _parity(own: "Own") -> Iterator[Finding]:
    compared = own.differences()
    if len(compared) == 1:
        yield Finding(own.name, "parity in training", "not compared: how it draws random numbers is not known here")
    if compared[0].in_single:
        why = "single, in which your module computes something: what it rounds may differ by so much"
        yield Finding(own.name, "parity: precision", why)
    for each in compared:
        wrong = "" if each.is_right else f"it differs by more than {each.allowed:g} from your module"
        found = f"{each.largest:.1e}, at most {each.allowed:g}{'' if each.all_finite else ', where they are finite'}"
        yield Finding(own.name, f"parity: {each.of}", found, wrong)
    if not all(each.is_right for each in compared):
        yield Finding(own.name, "why", own.why_it_differs())
    elif own.changes_later():
        yield Finding(own.name, "parity: after many calls", "not compared", own.why_it_differs())


def _short_studies(text: str, relation: str, source: Source, **images: Any) -> Iterator[Finding]:
    """What a study with the settings' defaults would take here, from trainings of a few epochs, and which diverged."""
    import jax

    devices = jax.devices()
    try:
        trials = Study(networks=[text], rounds=_ROUNDS, relation=relation, **images).trials()
        short = measure([trial for trial in trials if trial.round < _MEASURED], source, devices)
    except TwofoldError as error:  # too few images, for one
        yield Finding("study", "time", "not measured", str(error))
        return
    yield from _diverged(short)
    minutes = (forecast(trials, source, devices, measured=short).seconds or 0) / 60
    networks = len({trial.network for trial in trials})
    yield Finding("study", "time", f"about {minutes:.1f} min for {_ROUNDS} rounds of {networks} with the defaults")


def _diverged(trials: pd.DataFrame) -> Iterator[Finding]:
    """The networks of which short trainings ended in what is no number; wrong are those of which all did."""
    for network, diverged in trials.groupby("network", sort=False).diverged:
        if diverged.any():
            found = f"{diverged.sum()} of {len(diverged)} diverged within {MORE} epochs"
            remedy = "losses or weights are infinite or no numbers; try --normalise, or a smaller --learning-rate"
            yield Finding(str(network), "short trainings", found, remedy if diverged.all() else "")
