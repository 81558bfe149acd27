"""Which figures a command draws, by the names of their files."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from twofold.analysis import Section, by_round, classes_of, in_order, varying_settings
from twofold.data import RELATIONS, Relation
from twofold.networks import PAPERS
from twofold.report.figures.files import Drawing
from twofold.report.text.names import only_value
from twofold.report.text.networks import NetworkFacts
from twofold.report.text.sections import section_text
from twofold.settings import SETTINGS


def study_figures(trials: pd.DataFrame, *, some_classes: bool = False) -> dict[str, Drawing]:
    """The paper's Figure 2, which of other networks than the paper's is named for what it shows.

    `some_classes`, here and below, says whether the classes were chosen: then the names of files have them.
    Raises `AnalysisError` where the study has several settings: the figure shows one.
    """
    by_round(trials)
    name = "figure2" if set(trials.network) <= set(PAPERS) else "errors"
    return _of_task({name: Drawing("study:figure2", trials)}, trials, some_classes)


def sweep_figures(trials: pd.DataFrame, swept: Sequence[str], *, some_classes: bool = False) -> dict[str, Drawing]:
    """A figure for each setting that has several values."""
    drawings = {f"sweep_{name}": Drawing("sweep:sweep_figure", trials, {"quantity": name}) for name in swept}
    return _of_task(drawings, trials, some_classes)


def grid_figures(trials: pd.DataFrame, *, some_classes: bool = False) -> dict[str, Drawing]:
    """For each network every round, and a heatmap."""
    drawings = {}
    networks = in_order(trials.network.tolist())
    for network, stem in zip(networks, _stems(networks)):
        rows = trials[trials.network == network]
        for name, draw in (("rounds", "rounds_figure"), ("heatmap", "heatmap_figure")):
            drawings[f"grid_{name}_{stem}"] = Drawing(f"grid:{draw}", rows, {"network": network})
    return _of_task(drawings, trials, some_classes)


# Signs of relations in the names of files.
_SIGNS = {"<=": "le", ">=": "ge", "==": "eq", "!=": "ne", "<": "lt", ">": "gt", "+": "plus", "//": "over", "*": "times"}


def _of_task(drawings: dict[str, Drawing], trials: pd.DataFrame, some_classes: bool) -> dict[str, Drawing]:
    """The drawings under names that say which images and classes and which question, where these are not the default.

    So studies of several questions have figures of their own in one folder.
    """
    given = {name: only_value(trials, name, (SETTINGS[name].default,)) for name in ("data", "relation")}
    parts = [re.split(r"[\\/]", value.rstrip("\\/"))[-1] for value in given["data"]]
    parts += [_classes_stem(names) for names in classes_of(trials) if some_classes]
    for value in given["relation"]:
        spelled = re.sub(r"[<>=!]=|//|[<>+*]", lambda sign: f" {_SIGNS[sign[0]]} ", str(value))
        stem = re.sub(r"[^A-Za-z0-9]+", "-", re.sub(r" - ", " minus ", spelled)).strip("-")
        digest = "" if value in RELATIONS else f"-{hashlib.sha256(str(value).encode()).hexdigest()[:6]}"
        parts.append(stem[:_LONGEST_STEM] + digest)
    suffix = "".join(f"_{stem}" for stem in _stems(parts))
    return {f"{name}{suffix}": drawing for name, drawing in drawings.items()}


def _classes_stem(names: Sequence[str]) -> str:
    """The names of a few classes, or how many there are and the first digits of a hash, in that of a file."""
    plain = len(names) <= _MOST_CLASSES and all(re.fullmatch(r"[A-Za-z0-9]+( [A-Za-z0-9]+)*", name) for name in names)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:6]
    return "_".join(names) if plain else f"{len(names)}-classes-{digest}"


# Of more classes a file's name does not have the names.
_MOST_CLASSES = 4

# Of a network's name in that of a file: systems allow 255 bytes for the whole.
_LONGEST_STEM = 80


def _stems(networks: Sequence[str]) -> list[str]:
    """The names of networks as parts of file names that need no quotes in a shell: Twin(a=1) is Twin-a-1."""
    stems: list[str] = []
    uses: Counter[str] = Counter()
    for network in networks:
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", network)[:_LONGEST_STEM].strip("-.") or "network"
        uses[stem.casefold()] += 1  # some file systems do not tell cases apart
        another = uses[stem.casefold()]
        stems.append(f"{stem}~{another}" if another > 1 else stem)
    return stems


def tune_figures(
    proposals: Mapping[str, pd.DataFrame], importances: Mapping[str, Mapping[str, float]]
) -> dict[str, Drawing]:
    """The course of the searches, the importance of each setting, and the error against the auxiliary weight.

    Both are by the networks of a search, in words.
    """
    return {
        "tune_history": Drawing("tune:history_figure", proposals),
        "tune_importances": Drawing("tune:importances_figure", importances),
        "tune_aux_weight": Drawing("tune:slice_figure", proposals),
    }


def findings_figures(found: Sequence[Section]) -> dict[str, Drawing]:
    """All the figures of findings that the trials of each section allow; of several, their names say which it is.

    For one setting these are effects, collapse, dead units over epochs and spread; for several, the collapse rates of
    each, since rounds pair up within one setting only.
    """
    stems = _stems([section_text(section.told) for section in found])
    return {
        f"{name}_{stem}" if section.told else name: drawing
        for section, stem in zip(found, stems)
        for name, drawing in _findings_figures(section.trials).items()
    }


def _findings_figures(trials: pd.DataFrame) -> dict[str, Drawing]:
    if varying_settings(trials):
        return {"collapse_rates": Drawing("collapse:rates_figure", trials)}
    return {
        "effects": Drawing("effects:effects_figure", trials),
        "collapse": Drawing("collapse:collapse_figure", trials),
        "dead_units": Drawing("collapse:trace_figure", trials),
        "spread": Drawing("effects:spread_figure", trials),
    }


def question_figures(relations: Sequence[Relation]) -> dict[str, Drawing]:
    """The table of answers of each relation."""
    stems = _stems([relation.text for relation in relations])
    return {f"question_{stem}": Drawing("answers:answers_figure", relation) for stem, relation in zip(stems, relations)}


def network_figures(networks: Sequence[NetworkFacts]) -> dict[str, Drawing]:
    """The paper's Figure 1 of each network of the paper's, and the layers of each of one's own."""
    drawings = {}
    for stem, facts in zip(_stems([facts.name for facts in networks]), networks):
        if facts.calls:
            drawings[f"layers_{stem}"] = Drawing("layers:layers_figure", facts)
        else:
            drawings[f"figure1_{stem}"] = Drawing("architecture:figure1", facts)
    return drawings
