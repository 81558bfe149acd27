"""Tables for the terminal: each function takes rows and returns a rich table. Errors are shown in percent."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from twofold.analysis import SETTINGS, agreement, in_order, summary, varying_settings
from twofold.networks import Architecture, layer_table

# What the paper calls its digits; others are compared with it all the same, and the table says so.
PAPERS_DATA = "mnist"


def text_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], *, left: int = 1, caption: str | None = None
) -> Table:
    """A table of which the first `left` columns hold words, the others numbers."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0), caption=caption, caption_justify="left",
    )  # fmt: skip
    for place, name in enumerate(columns):
        # Where room lacks, cells break into lines: a number without its last digits would be another number.
        table.add_column(name, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as text: "[old]" in the name of a file is no markup
    return table


def turned(table: Table) -> Table:
    """The same table with its rows as columns, which is narrower where rows are few."""
    first, *others = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    caption = table.caption if isinstance(table.caption, str) else None
    return text_table(str(table.title), first, others, caption=caption)


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent; a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{100 * value:.{digits}f}"


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval of fractions in percent; a dash where there is none."""
    return "–" if pd.isna(low) else f"{percent(low, digits)} to {percent(high, digits)}"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign; a dash where there is none."""
    return "–" if pd.isna(difference) else f"{100 * difference:+.2f}".replace("-", "−")


def points_interval(low: float, high: float) -> str:
    """An interval of differences in percentage points; a dash where there is none."""
    return "–" if pd.isna(low) else f"{points(low)} to {points(high)}"


def mean_and_sd(mean: float, sd: float) -> str:
    """A mean and its standard deviation, both fractions, in percent; without the deviation where there is none."""
    return percent(mean) if pd.isna(sd) else f"{percent(mean)} ± {percent(sd)}"


def value_text(value: Any) -> str:
    """A setting's value as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def p_value(p: float) -> str:
    """A p-value to three places, never 0."""
    return "–" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def summary_table(trials: pd.DataFrame) -> Table:
    """A study's test errors: a line per network, or per network and setting where several settings were tried."""
    varied = varying_settings(trials)
    table = summary(trials, ["network", *varied])
    paper = {} if varied else {row.network: row for row in agreement(trials).itertuples()}
    columns = ["network", *map(words, varied), "rounds", "mean %", "sd", "95 % interval", "median", "min", "max"]
    some_diverged = bool(table.diverged.any())
    columns += ["digit error %", *(["diverged"] if some_diverged else []), *(["paper %"] if paper else [])]
    rows = []
    for row in table.to_dict("records"):
        cells = [row["network"], *(value_text(row[name]) for name in varied), str(row["rounds"])]
        cells += [percent(row["mean"]), percent(row["sd"]), interval(row["ci_low"], row["ci_high"])]
        cells += [percent(row[name], 1) for name in ("median", "best", "worst")] + [percent(row["digit_error"])]
        cells += [str(row["diverged"])] if some_diverged else []
        cells += [_papers(paper.get(row["network"]))] if paper else []
        rows.append(cells)
    return text_table("Test error", columns, rows, left=1 + len(varied), caption=digits_note(trials) if paper else None)


def settings_table(trials: pd.DataFrame) -> Table:
    """What a store holds: a line per network and setting."""
    varying = {*varying_settings(trials), "data", "optimizer"}
    varied = [name for name in SETTINGS if name in varying]
    table = summary(trials, ["network", *varied])
    columns = ["network", *map(words, varied), "trials", "mean %", "sd", "min", "max"]
    rows = [
        [
            row["network"],
            *(value_text(row[name]) for name in varied),
            str(row["rounds"]),
            *(percent(row[name]) for name in ("mean", "sd")),
            *(percent(row[name], 1) for name in ("best", "worst")),
        ]
        for row in table.to_dict("records")
    ]
    return text_table(f"Test error of {len(trials)} trials", columns, rows, left=1 + len(varied))


def models_table(records: Sequence[Mapping[str, Any]], folder: Path) -> Table:
    """The networks that are kept: a line per network, with its file's name to the first twelve of its 64 digits."""
    kept = pd.DataFrame(records)
    kept["network"] = pd.Categorical(kept.network, in_order(list(kept.network)))
    varied = [name for name in SETTINGS if name in {*varying_settings(kept), "data"}]
    columns = ["network", *map(words, varied), "round", "validation %", "test %", "digit error %", "file"]
    rows = [
        [
            row["network"],
            *(str(row[name]) for name in varied),
            str(row["round"]),
            *(percent(row[name]) for name in ("validation_error", "test_error", "digit_error")),
            f"{row['key'][:12]}…",
        ]
        for row in kept.sort_values(["network", *varied, "round"], kind="stable").to_dict("records")
    ]
    count = f"{len(rows)} network{'s' if len(rows) > 1 else ''}"
    return text_table(f"{count} in {folder}", columns, rows, left=1 + len(varied))


def layer_rows(architecture: Architecture, image_size: tuple[int, int] = (14, 14)) -> list[dict[str, Any]]:
    """The layers of a network as JSON has them, a row per layer."""
    return [
        {
            "network": architecture.name,
            "layer": row.layer,
            "input_shape": list(row.input_shape),
            "output_shape": list(row.output_shape),
            "parameters": row.parameters,
        }
        for row in layer_table(architecture, image_size)
    ]


def layers_table(architecture: Architecture, image_size: tuple[int, int] = (14, 14)) -> Table:
    """The layers of a network, their shapes and parameters."""
    rows = layer_table(architecture, image_size)
    shared = "shared by both branches" if architecture.weight_sharing else "one for each branch"
    losses = "with auxiliary losses" if architecture.auxiliary_losses else "without auxiliary losses"
    cells = [[row.layer, _shape(row.input_shape), _shape(row.output_shape), f"{row.parameters:,}"] for row in rows]
    cells.append(["total", "", "", f"{sum(row.parameters for row in rows):,}"])
    return text_table(
        f"{architecture.name}: branch weights {shared}, {losses}", ["layer", "input", "output", "parameters"], cells
    )


def _papers(row: Any) -> str:
    return "–" if row is None else mean_and_sd(row.paper_mean, row.paper_sd)


def digits_note(trials: pd.DataFrame) -> str | None:
    """What to say beside the paper's numbers where the digits are not the paper's."""
    data = sorted(set(trials.data)) if "data" in trials else []
    if data == [PAPERS_DATA]:
        return None
    return f"The paper's digits are the full MNIST (--data mnist); these are {', '.join(data)}."


def words(name: str) -> str:
    """A column's name as people write it."""
    return name.replace("_", " ")


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
