"""Every sentence stands once, in text/; values that differ look different; what only reads loads no engine."""

import ast
import io
import math
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.report.groups import groups_of
from tests.report.made_up import made_up_trials

import twofold.report
from twofold.analysis import choice, collapse, findings, summary, varying_settings
from twofold.networks import NETWORKS
from twofold.report.figures.collapse import rates_figure
from twofold.report.figures.grid import heatmap_figure, rounds_figure
from twofold.report.figures.heatmap import heatmap_of
from twofold.report.figures.sweep import sweep_figure
from twofold.report.page.commands import commands
from twofold.report.terminal.findings import findings_sections
from twofold.report.terminal.grid import grid_tables
from twofold.report.terminal.study import settings_table, summary_table
from twofold.report.terminal.tune import best_settings_table
from twofold.report.text import statistics
from twofold.report.text.names import setting_text

REPORT = Path(twofold.report.__file__).parent
FILES = sorted(REPORT.rglob("*.py"))

# A literal of more letters is a sentence, or a part of one that matters.
LONG = 40
# Beside text/, no literal has more words: names of figures' parts, not sentences.
FEW_WORDS = 6


def literals(tree):
    """The texts in a file: those of an f-string as one; neither docstrings nor errors, which stand where they arise."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node, ast.JoinedStr):
            yield "{}".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        yield from literals(node)


def texts_of(file):
    return list(literals(ast.parse(file.read_text(encoding="utf-8"))))


def test_no_sentence_stands_twice():
    parts = Counter(text for file in FILES for text in set(texts_of(file)) if len(text) > LONG)
    assert [text for text, times in parts.items() if times > 1] == []
    assert len(parts) > 30


@pytest.mark.parametrize("file", [file for file in FILES if "text" not in file.parts], ids=lambda file: file.stem)
def test_sentences_stand_in_text_alone(file):
    long = [
        text for text in texts_of(file) if len(re.findall(r"[A-Za-z]{2,}", text)) > FEW_WORDS and "<svg" not in text
    ]
    assert long == []


def test_no_network_is_named():
    written = [*FILES, *(REPORT / "page" / "templates").iterdir()]
    named = re.compile("|".join(rf"\b{name}\b" for name in NETWORKS))
    assert [file.name for file in written if named.search(file.read_text(encoding="utf-8"))] == []


ENGINE = (
    "jax",
    "equinox",
    "jaxtyping",
    "optuna",
    "twofold.training",
    "twofold.study",
    "twofold.data.",
    "twofold.results",
)


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.stem not in ("demo", "kept", "stores", "plans", "deleting")],
    ids=lambda file: file.stem,
)
def test_what_only_reads_loads_no_engine(file):
    """But for the demo, which asks kept networks, and what is said of work on stores, which may train."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            assert not [name for name in modules if name.startswith(ENGINE) and name != "twofold.data.relations"]
            if modules == ["twofold.data"]:
                assert not {alias.name for alias in node.names} & {"load_images", "find_source", "draw_pairs"}
            if modules == ["twofold.networks"]:
                assert {alias.name for alias in node.names} <= {"NETWORKS", "PAPERS"}


def printed(tables):
    console = Console(width=1000, file=io.StringIO())
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def drawn(figure):
    """All texts of a figure: titles, labels, ticks."""
    texts = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
        texts += [axes.get_title(loc="left"), *(text.get_text() for text in [*axes.texts, *ticks])]
    return "\n".join(texts)


def of_rates(*rates):
    """Trials with several learning rates, some columns more than the tables need."""
    table = pd.concat([made_up_trials(2, learning_rate=rate) for rate in rates], ignore_index=True)
    more = {"validation_error": table.test_error, "dead_first": 0, "dead_second": 0, "epochs": 100, "batch_size": 25}
    return table.assign(**more)


def everything_that_names_settings(table):
    """Each text in which settings stand, by what it is of."""
    varied = varying_settings(table)
    network = next(iter(NETWORKS))
    of_network = table[table.network == network]
    sections = findings_sections(findings(table))
    yield "study", printed([summary_table(table)])
    yield "results", printed([settings_table(groups_of(table))])
    yield "grid", printed(grid_tables(table))
    yield "rates", printed([section.table for section in sections if section.table is not None])
    yield "sentences", "\n".join(line for section in sections for line in section.sentences)
    cells = statistics.choice_table(choice(table, "test_error"), "test", 4).cells
    yield "choice", "\n".join(" ".join(row) for row in cells)
    yield "headings", "\n".join(setting_text({name: value}) for name in varied for value in table[name].unique())
    yield "heatmap", " ".join(heatmap_of(of_network, "learning_rate", [], worst=0.5).columns)
    yield "figures of a grid", drawn(rounds_figure(of_network, network))
    yield "figure of cells", drawn(heatmap_figure(of_network, network))
    yield "figure of a sweep", drawn(sweep_figure(table, "learning_rate"))
    yield "figure of rates", drawn(rates_figure(table))
    yield "commands", "\n".join(" ".join(commands(group)) for _, group in table.groupby("learning_rate"))
    proposals = of_network[["learning_rate", "validation_error"]]
    tuned = [{"learning_rate": rate} for rate in table.learning_rate.unique()]
    yield "tuned", printed(best_settings_table({(network,): (one, proposals)}, one, 2, confirmed=True) for one in tuned)


def numbers(text):
    return {float(found) for found in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)}


CLOSE = [(0.001, 0.00100001), (0.001, 0.001000001), (0.1, math.nextafter(0.1, 1)), (1.0, math.nextafter(1.0, 2))]


@pytest.mark.parametrize("rates", CLOSE)
def test_values_that_differ_print_differently_wherever_settings_stand(rates):
    for where, text in everything_that_names_settings(of_rates(*rates)):
        missing = set(rates) - numbers(text)
        # The default stands in no command.
        assert missing <= ({0.001} if where == "commands" else set()), where


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(1e-8, 1e8), st.floats(1e-8, 1e8))
def test_any_two_values_print_differently_in_tables_and_headings(one, other):
    assume(one != other)
    table = of_rates(one, other)
    assert setting_text({"learning_rate": one}) != setting_text({"learning_rate": other})
    frame = summary(table, ["network", "learning_rate"])
    lines = [tuple(row[:2]) for row in statistics.summary_table(frame, ["learning_rate"]).cells]
    assert len(set(lines)) == len(lines) == 2 * len(NETWORKS)
    rates = statistics.rates_table(collapse(table, ["learning_rate"]), ["learning_rate"], False)
    assert len({tuple(row[:2]) for row in rates.cells}) == 2 * len(NETWORKS)
    assert len(set(heatmap_of(table[table.network == table.network[0]], "learning_rate", [], worst=0.5).columns)) == 2
