"""Whether a row of a store is whole and right: its cells, its network, its relation, and its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twofold.data import Relation, names_stored
from twofold.data.relations import RELATIONS, unpacked_table
from twofold.errors import shown
from twofold.networks import NETWORKS
from twofold.results import Store
from twofold.results.raw_cells import row_of
from twofold.results.store import KEPT_BESIDE
from twofold.study.trial import key_of_row

# The relations of a store, by each row's `question` and `fingerprint`.
Tables = Mapping[tuple[str, str], Relation]

# What came out of a training; what else a row says beside its settings is how it was made.
OUTCOMES = (
    "train_error",
    "validation_error",
    "test_error",
    "digit_error",
    "distance_threshold",
    "dead_first",
    "dead_second",
    "dead_layers",
    "diverged",
    "train_loss",
)


def tables_of(store: Store) -> tuple[dict[tuple[str, str], Relation], list[str]]:
    """What the relations of a store mean, among classes without names, and what is wrong with the others.

    Raises `StoreError` where the store cannot be read.
    """
    tables, wrong = {}, []
    for row in store.questions():
        try:
            tables[row.question, row.fingerprint] = unpacked_table(row.relation, row.question, row.answers)
        except (ValueError, TypeError) as error:
            wrong.append(str(error))
    return tables, wrong


def examined(cells: Mapping[str, Any], tables: Tables) -> tuple[dict[str, Any], list[str]]:
    """The row that a store's cells of a trial hold, and what is wrong with it: whole and right is one without."""
    row, wrong = row_of(cells)
    if not wrong:
        wrong = [text for text in (_network(row), _relation(row, tables)) if text]
    if not wrong:
        key = key_of_row(row)
        wrong = [] if key == row["key"] else [f"its settings give another key, {key[:12]}"]
    return row, wrong


def differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The outcomes of one trial that differ between two rows; a trace, or answers, count where both have them."""
    both = [name for name in KEPT_BESIDE if ours[name] is not None and theirs[name] is not None]
    return [name for name in (*OUTCOMES, *both) if ours[name] != theirs[name]]


def has_more(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether another row of a trial has a trace or answers that ours lacks, and lacks nothing that ours has."""
    gains = any(ours[name] is None and theirs[name] is not None for name in KEPT_BESIDE)
    return gains and not any(ours[name] is not None and theirs[name] is None for name in KEPT_BESIDE)


def made_alike(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether two rows were made by one processor, versions and operations, as far as they say: bits are equal then."""
    return all(ours.get(name) == theirs.get(name) for name in _MADE)


_MADE = ("twofold_version", "jax_version", "torch_version", "device", "engine")


def _network(row: Mapping[str, Any]) -> str:
    if row["identity"] is not None:
        return ""
    network = NETWORKS.get(row["network"])
    if network is None:
        return f"its network {shown(row['network'])} is none that this twofold knows"
    if (row["weight_sharing"], row["auxiliary_losses"]) != (network.weight_sharing, network.auxiliary_losses):
        return f"its factors are not those of {network.name}"
    return ""


def _relation(row: Mapping[str, Any], tables: Tables) -> str:
    text, question = shown(row["relation"]), row["question"]
    if question is None:  # of an earlier version
        return "" if row["relation"] in RELATIONS else f"its relation {text} has no table of answers"
    table = tables.get((question, row["fingerprint"]))
    if table is None:
        return f"the table of answers of its relation {text} is not in the store"
    if table.text != row["relation"]:
        return f"its relation is called {text}, and the store's of that table {shown(table.text)}"
    classes = len(names_stored(row["class_names"]))
    return "" if classes == len(table.answers) else f"it has {classes} classes, and its table {len(table.answers)}"
