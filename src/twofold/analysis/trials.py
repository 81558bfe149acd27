"""The table of trials that all statistics read: from a results store, or from anyone's CSV."""

import ast
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from twofold.analysis.classes import classes_of, images_told_apart
from twofold.analysis.own import named, told_apart
from twofold.data import Reading, classes_text, names_stored
from twofold.data.relations import check_written, class_count, is_function, is_meant, numbered, unmarked, with_mark
from twofold.errors import DataError, SettingError, TwofoldError, in_one_line, shown
from twofold.networks import in_order
from twofold.results.cells import TYPES, value_of
from twofold.settings import COMPARED, SECTIONING, SETTINGS, Settings, is_fresh, option, value_text
from twofold.study.asking import ask

# What tells fresh rounds from those of searches, beside the settings that tell sections apart.
FRESH = "fresh"

# What makes two trials of one round and setting different all the same: validation pairs change no training. (Other
# images of one name have names of their own by then.)
_REST = ("validation_pairs",)

# So many of what two trials differ in, and of the columns of a table, are named in an error.
_MOST_NAMED, _MOST_COLUMNS = 3, 30


class AnalysisError(TwofoldError):
    """A table of trials lacks what a statistic needs."""

    exit_code = DataError.exit_code


def as_trials(
    table: pd.DataFrame, needs: Sequence[str] = ("network", "round", "test_error"), *, crossed: bool = False
) -> pd.DataFrame:
    """The table with what is told in more than one way told in one, checked for the columns that are needed.

    A column `dead_units` (a pair, or its text, as JSON and CSV have it) becomes `dead_first` and `dead_second`;
    `diverged` is false and `seed` is 0 where the column lacks. What a store has as numbers, or as true or false, and
    this table as texts or objects, is read as from a file. Networks of one name that compute different things get names
    of their own, and so do other images and other questions of one name (`all_told_apart`). Trials with the initial
    weights of another round are no rounds of their own, so that most statistics leave them out: they are here only
    where they are asked for (`crossed`). Raises `AnalysisError` where no trial is left, or the table lacks a column, or
    has something else than fractions for errors, than numbers, or than true or false, where these belong.
    """
    if table.empty:
        raise AnalysisError("the table of trials is empty; run `twofold study` first")
    trials = table.copy()
    if "dead_units" in trials and "dead_first" not in trials:
        # Those of a network of one's own are counted by layers.
        layers = trials.get("dead_layers", pd.Series(None, index=trials.index, dtype=object)).notna()
        counts = zip(trials.pop("dead_units"), layers, strict=True)
        pairs = [(None, None) if by_layers else _pair(value) for value, by_layers in counts]
        trials["dead_first"], trials["dead_second"] = zip(*pairs, strict=True)
    for name in needs:
        if name not in trials:
            there = ", ".join(shown(str(each)) for each in trials.columns[:_MOST_COLUMNS])
            more = f" and {len(trials.columns) - _MOST_COLUMNS} more" if len(trials.columns) > _MOST_COLUMNS else ""
            raise AnalysisError(f"the table of trials has no column `{name}`; it has {there}{more}")
    defaults: dict[str, Any] = {"diverged": False, "seed": 0}
    for name, value in defaults.items():
        if name not in trials:
            trials[name] = value
    for name in TYPES:
        if name in trials and _untyped(name, trials[name]):
            trials[name] = _typed(name, trials[name])
    trials = all_told_apart(trials)
    if not crossed:
        trials = own_weights(trials)
    for name in needs:
        if name.endswith("_error"):
            _check_fractions(name, trials[name])
    return trials


def is_crossed(trials: pd.DataFrame) -> pd.Series:
    """Whether each trial began with the initial weights of another round than that of its pairs."""
    own = trials.get("weight_round", trials["round"])
    return own.notna() & (own != trials["round"])


def own_weights(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that began with the initial weights of their own round. Raises `AnalysisError` where none did."""
    others = is_crossed(trials)
    if len(trials) and others.all():
        raise AnalysisError(
            f"all {len(trials)} trials have the initial weights of another round; rounds are compared with weights of "
            "their own, so train some without --weight-rounds"
        )
    return trials[~others] if others.any() else trials


def by_round(table: pd.DataFrame, value: str = "test_error") -> pd.DataFrame:
    """A row per (seed, round), a column per network in order; NaN where a network lacks in a round.

    Raises `AnalysisError` where the table has several settings: then rounds do not pair up. Within one plan rounds from
    1000 on are like the others, so these are not looked at.
    """
    trials = as_trials(table, ("network", "round", value))
    require_distinct(trials)
    require_drawn_alike(telling_sections(trials, by_stage=False))
    wide = trials.pivot(index=["seed", "round"], columns="network", values=value)
    return wide[in_order(list(trials.network))]


def pairs_counted(trials: pd.DataFrame, value: str) -> float:
    """The pairs on which the errors of some trials were counted, the fewest of a trial; NaN where nothing tells."""
    column = value.replace("_error", "_pairs")
    return float(trials[column].min()) if column != value and column in trials else float("nan")


def with_losses(trials: pd.DataFrame) -> pd.Series:
    """Whether each trial's network has auxiliary losses: as its column says, or else where their weight is not 0."""
    return trials.auxiliary_losses.astype(bool) if "auxiliary_losses" in trials else trials.aux_weight != 0


def with_embeddings(trials: pd.DataFrame) -> pd.Series:
    """Whether each trial's network gives embeddings: any of its trials has a threshold, or a margin of its own."""
    told = pd.Series(False, index=trials.index)
    if "distance_threshold" in trials:
        told |= trials.distance_threshold.notna()
    if "contrastive_margin" in trials:
        told |= trials.contrastive_margin != Settings.contrastive_margin
    return told.groupby(trials.network).transform("any")


def with_bottlenecks(trials: pd.DataFrame) -> pd.Series:
    """Whether each trial's network is built in: those of one's own have the activations that they are written with."""
    return trials.identity.fillna("").eq("") if "identity" in trials else pd.Series(True, index=trials.index)


# Settings whose value says nothing in trials of networks that do not use them, and which trials are of those that do.
_USING = {
    "aux_weight": with_losses,
    "contrastive_margin": with_embeddings,
    "bottleneck_activation": with_bottlenecks,
}


def using(trials: pd.DataFrame, name: str) -> pd.Series:
    """Whether each trial's network uses the setting of that name."""
    return _USING[name](trials) if name in _USING else pd.Series(True, index=trials.index)


def without_unused(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials as tables show them: without a value of a setting that their network does not use."""
    return trials.assign(**{name: trials[name].where(using(trials, name)) for name in _USING if name in trials})


def require_distinct(trials: pd.DataFrame, by: Sequence[str] = ()) -> None:
    """Raise `AnalysisError` where one network has two trials in one round, for equal values of the columns `by`.

    Trials that begin with the initial weights of other rounds are others.
    """
    place = ["network", "seed", "round", *(["weight_round"] if "weight_round" in trials else []), *by]
    twice = trials.duplicated(place)
    if twice.any():
        first = trials[twice].iloc[0]
        alike = trials[(trials[place] == first[place]).all(axis=1)]
        differ = [f"`{name}`" for name in (*COMPARED, *_REST) if name in alike and alike[name].nunique() > 1]
        more = f" and {len(differ) - _MOST_NAMED} more" if len(differ) > _MOST_NAMED else ""
        raise AnalysisError(
            f"{in_one_line(str(first['network']))} has {len(alike)} trials in round {first['round']}, which differ in "
            f"{', '.join(differ[:_MOST_NAMED]) or 'nothing'}{more}; choose one setting"
        )


def telling_sections(trials: pd.DataFrame, *, by_stage: bool = True) -> list[str]:
    """What tells the sections of a table from each other: names of `SECTIONING`, and, if `by_stage`, `FRESH`."""
    telling = [name for name in SECTIONING if name in trials and trials[name].nunique(dropna=False) > 1]
    return [*telling, FRESH] if by_stage and is_fresh(trials["round"]).nunique() > 1 else telling


def require_drawn_alike(telling: Sequence[str]) -> None:
    """Raise `AnalysisError` where something tells sections of a table from each other, whose trials would be pooled."""
    if telling:
        differ = ["rounds below and from 1000" if name == FRESH else f"`{name}`" for name in telling[:_MOST_NAMED]]
        chosen = ["--rounds" if name == FRESH else option(name) for name in telling[:_MOST_NAMED]]
        raise AnalysisError(
            f"the table has trials that were not drawn alike (they differ in {', '.join(differ)}), and these are not "
            f"pooled; choose with {' and '.join(chosen)}"
        )


def settings_of(trials: pd.DataFrame) -> dict[str, list[Any]]:
    """Each setting that the table tells of, with its values in ascending order.

    Of a setting that not every network uses the values of those that do are told: the 0 that networks without
    auxiliary losses have as their auxiliary weight is no second value.
    """
    columns = {name: trials[name][using(trials, name)] for name in COMPARED if name in trials}
    return {name: sorted(column.dropna().unique().tolist()) for name, column in columns.items()}


def varying_settings(trials: pd.DataFrame) -> list[str]:
    """The settings that take more than one value in the table."""
    return [name for name, values in settings_of(trials).items() if len(values) > 1]


def select(table: pd.DataFrame, chosen: Mapping[str, Iterable[Any] | None]) -> pd.DataFrame:
    """The trials whose columns have one of the chosen values; None chooses all.

    A network may be chosen as it is typed, too: file.py:Twin(share=True). An argument that is not typed matches any.
    A relation may be written in any way that has the same answers.
    Networks that do not use a setting belong to every value of it that others have. Raises `SettingError` where no
    trial is left, with the values that there are, and `AnalysisError` where the table lacks a column that is chosen by.
    """
    trials = as_trials(table, ("network", "round"), crossed=True)
    for name, choices in chosen.items():
        if choices is None:
            continue
        column = _COLUMNS.get(name, name)
        if column not in trials:
            raise AnalysisError(f"`{name}` cannot be chosen: the table of trials has no such column")
        values = list(choices)
        if not values:
            raise SettingError(f"`{name}` is empty; give at least one value")
        fitting = _FITTING[name](trials, values) if name in _FITTING else trials[column].isin(values)
        used = using(trials, name)
        if fitting.any() or not used.any():
            fitting |= ~used
        if not fitting.any():
            there = _classes_there(trials) if name == "classes" else sorted(trials[column].unique())
            raise none_has(name, values, there)
        trials = trials[fitting]
    return trials.reset_index(drop=True)


def none_has(name: str, values: Sequence[Any], there: Sequence[Any]) -> SettingError:
    """The error where no trial has one of the values of a column that were chosen: it says which ones there are."""
    return SettingError(f"no trial has `{name}` {_listed(values)}; there is {_listed(there, ', ')}")


def _sized(trials: pd.DataFrame, sizes: Sequence[Any]) -> pd.Series:
    """Whether each trial's images have one of these sizes; two plain numbers are height and width, as in a study."""
    one = len(sizes) == 2 and all(str(size).isdecimal() for size in sizes)
    size = SETTINGS["size"]
    return trials["size"].isin([size.checked(list(sizes))] if one else [size.checked(each) for each in sizes])


def _asking(trials: pd.DataFrame, texts: Sequence[str]) -> pd.Series:
    """Whether each trial's relation is one of these, however it is written.

    A function that no trial is called by is asked: a trial that has its answers may be called by a name, or by words
    that came first. Raises `SettingError` where no trial is meant and a text is no expression, or no function.
    """
    lacking = [None] * len(trials)
    columns = [trials.relation, *(trials.get(name, lacking) for name in ("question", "class_names"))]
    rows = [
        (text, question if isinstance(question, str) else None, names_stored(names) if isinstance(names, str) else ())
        for text, question, names in zip(*columns, strict=True)
    ]
    meant = {row: any(is_meant(text, *row) for text in texts) for row in set(rows)}
    if not any(meant.values()):
        for text in texts:
            check_written(text)
        asked = [text for text in texts if is_function(text) and unmarked(text) == text]
        meant = {row: any(_is_asked(text, *row) for text in asked) for row in meant}
    return pd.Series([meant[row] for row in rows], trials.index, dtype=bool)


def _is_asked(function: str, _: str, question: str | None, class_names: Sequence[str]) -> bool:
    """Whether a function of the user's has the answers of a row's relation."""
    if question is None:
        return False
    names = tuple(class_names) or numbered(class_count(question))
    return ask([function], names)[function].identity == question


def all_told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The table, in which no two networks, sets of images or questions that are others have one name."""
    return _questions_told_apart(images_told_apart(told_apart(table)))


def _questions_told_apart(trials: pd.DataFrame) -> pd.DataFrame:
    """The table, in which relations of one text that have other answers of the same images are called by their hashes.

    A function that was changed is another question: ask.py:near #3f09c1. Of other classes every relation has another
    table, and needs no other name.
    """
    are_texts = "question" in trials and all(isinstance(text, str) for text in trials.get("relation", [None]))
    if not are_texts or not trials.relation.map(is_function).any():  # a figure has places where relations stood
        return trials
    here, texts = trials.question.notna(), trials.relation.map(unmarked)
    of_images = [trials[name] for name in ("fingerprint",) if name in trials]
    twice = here & (trials.question.groupby([*of_images, texts], dropna=False).transform("nunique") > 1)
    marked = [with_mark(*row) for row in zip(trials.relation[twice], trials.question[twice])]
    relation = trials.relation.copy()
    relation[twice] = marked
    return trials.assign(relation=relation) if twice.any() else trials


def _of_images(trials: pd.DataFrame, names: Sequence[Any]) -> pd.Series:
    """Whether each trial's images have one of these names, as they were given or as they are told apart."""
    return trials.data.isin(names) | trials.get("data_given", trials.data).isin(names)


def _with_classes(trials: pd.DataFrame, lists: Sequence[str]) -> pd.Series:
    """Whether the classes of each trial's images are one of these lists, in this order."""
    wanted = [Reading.of({}, each).classes for each in lists]
    return trials.class_names.map(lambda kept: names_stored(kept) in wanted).astype(bool)


def _classes_there(trials: pd.DataFrame) -> list[str]:
    """The lists of classes as they are typed."""
    return [shlex.quote(classes_text(names)) for names in classes_of(trials)]


# What is chosen by another column than that of its name.
_COLUMNS = {"classes": "class_names"}

# Columns whose values can be written in several ways.
_FITTING: dict[str, Callable[[pd.DataFrame, Sequence[Any]], pd.Series]] = {
    "network": named,
    "relation": _asking,
    "data": _of_images,
    "classes": _with_classes,
    "size": _sized,
}

# A list of more values than this says less than its ends.
_MOST_LISTED = 12


def _listed(values: Sequence[Any], between: str = " or ") -> str:
    """The values in words: all of them, or the first and the last of many."""
    texts = [in_one_line(value_text(value)) for value in values]
    return between.join(texts) if len(texts) <= _MOST_LISTED else f"{texts[0]} to {texts[-1]}"


def _untyped(name: str, column: pd.Series) -> bool:
    """Whether a column may hold something else than a store has in the column of that name."""
    if TYPES[name] is bool:
        return str(column.dtype) != "bool"
    if TYPES[name] is dict:
        return any(isinstance(cell, str) for cell in column)
    return TYPES[name] in (int, float) and not pd.api.types.is_numeric_dtype(column.dtype)


def _typed(name: str, column: pd.Series) -> pd.Series:
    """The column with the values that its cells stand for. True or false may not be missing."""
    try:
        values = [cell if TYPES[name] is not bool and _lacks(cell) else value_of(name, cell) for cell in column]
    except DataError as error:
        raise AnalysisError(str(error)) from error
    return pd.Series(values, index=column.index)


def _lacks(cell: Any) -> bool:
    return not isinstance(cell, dict) and bool(pd.isna(cell))


def _check_fractions(name: str, column: pd.Series) -> None:
    beyond = column[(column < 0) | (column > 1)]
    if len(beyond):
        raise AnalysisError(
            f"`{name}` (={beyond.iloc[0]:g}) must be a fraction between 0 and 1; divide percents by 100"
        )


def for_every_value(trials: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The trials, with those of networks that do not use one of these settings repeated for each value of it.

    Such a network is trained once, whatever the value; where values are compared it counts for each of them.
    """
    used = {name: using(trials, name).to_numpy() for name in names if name in _USING}
    place = "place in the table"
    every = trials.assign(**{place: range(len(trials))})
    for name, using_it in used.items():
        if using_it.any() and not using_it.all():
            values = trials[name][using_it].drop_duplicates()
            its = using_it[every[place]]
            others = every[~its].drop(columns=name).merge(values.to_frame(), how="cross")
            every = pd.concat([every[its], others[every.columns]], ignore_index=True)
    return every.drop(columns=place)


def _pair(value: Any) -> tuple[int, int]:
    try:
        first, second = ast.literal_eval(value) if isinstance(value, str) else value
        return int(first), int(second)
    except (TypeError, ValueError, SyntaxError) as error:
        raise AnalysisError(f"`dead_units` (={value!r}) must be a pair of counts such as [0, 10]") from error
