"""What a network of one's own is to twofold, and whether that is right, for `twofold check`: before hours of work."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from twofold.api import Study
from twofold.data import Reading, Source, answered_by_distance, find_source
from twofold.doctor import Finding
from twofold.errors import SettingError, TwofoldError
from twofold.networks.typed import is_typed, parse
from twofold.settings import SETTINGS, Settings, value_text

if TYPE_CHECKING:
    from twofold.networks.graphs.loading import Own

# Of a study whose time is measured: the difference of these is what epochs cost, without what a study does once.
_FEW, _MORE = 2, 12


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
    found: list[Finding] = []
    tell("Looking at the networks …")
    relation = Settings.relation
    for own in _networks(text, source):
        tell(f"Comparing {own.name} with your module …")
        found += _of(own)
        if own.roles.embeddings:
            relation = answered_by_distance()[0]
    if any(each.wrong and each.name.startswith("parity") for each in found):
        return [*found, Finding("study", "time", "not measured, since no study trains what differs from your module")]
    tell("Measuring how long a study takes …")
    return [*found, _time(text, relation, data=data, **images)]


def _networks(text: str, source: Source) -> "Iterator[Own]":
    from twofold.networks.importing import import_home
    from twofold.networks.kinds import each_of

    typed = parse(text)
    imported = import_home(typed.home)
    return each_of(typed, imported.find(typed.name), source.task, None, imported.there, imported.digest())


def _of(own: "Own") -> Iterator[Finding]:
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
    yield _start(own)
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


def _start(own: "Own") -> Finding:
    """Whether the network's first outputs are numbers."""
    if own.begins_finite():
        return Finding(own.name, "first outputs", "finite")
    return Finding(
        own.name, "first outputs", "not finite", "some are infinite or no numbers, and nothing can be learnt"
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
    for each in compared:
        wrong = "" if each.is_right else f"it differs by more than {each.allowed:g} from your module"
        yield Finding(own.name, f"parity: {each.of}", f"{each.largest:.1e}, at most {each.allowed:g}", wrong)
    if not all(each.is_right for each in compared):
        yield Finding(own.name, "why", own.why_it_differs())
    elif own.changes_later():
        yield Finding(own.name, "parity: after many calls", "not compared", own.why_it_differs())


def _time(text: str, relation: str, **images: Any) -> Finding:
    """What a study with the settings' defaults would take here, from trainings of a few epochs."""

    def seconds(epochs: int) -> float:
        study = Study(networks=[text], rounds=2, epochs=epochs, relation=relation, **images)
        return float(study.run(store="sqlite://", progress=False).table.seconds.sum())

    import jax

    networks, rounds = len(parse(text).combinations()), 20
    try:
        each = (seconds(_MORE) - seconds(_FEW)) / (2 * networks) / (_MORE - _FEW)
    except TwofoldError as error:  # too few images, for one
        return Finding("study", "time", "not measured", str(error))
    whole = each * Settings.epochs * rounds * networks / len(jax.devices())
    return Finding("study", "time", f"about {whole / 60:.1f} min for {rounds} rounds of {networks} with the defaults")
