"""The tables of a store, as its newest version has them; the scripts in migrations/ make them.

A setting needs no line here: its column follows from its declaration. The script that adds the column to the stores
there are is the one thing that cannot follow, since it must stay as it was when later declarations change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from twofold.settings import SETTINGS

metadata = sa.MetaData()

_TYPES: Mapping[type, Any] = {bool: sa.Boolean, int: sa.Integer, float: sa.Double, str: sa.String}

# Settings of more than 32 bits. Numbers of pairs and epochs fit into 32; a seed may be any number.
_LARGE = {"seed"}


def _settings() -> Iterator[sa.Column]:
    for name, declared in SETTINGS.items():
        yield sa.Column(name, sa.BigInteger if name in _LARGE else _TYPES[declared.type], nullable=False)


trials = sa.Table(
    "trials",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    # What was trained.
    sa.Column("network", sa.String, nullable=False),
    # Of a network of one's own: what it computes (see `twofold.networks.finding.Network`), where its class was, as it
    # was typed, and what it was called with. Such a network has no column for weight sharing: that is one of its
    # arguments, or of no concern.
    sa.Column("identity", sa.String(64)),
    sa.Column("source", sa.String),
    sa.Column("arguments", sa.JSON(none_as_null=True), info={"type": dict}),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("weight_sharing", sa.Boolean),
    sa.Column("auxiliary_losses", sa.Boolean, nullable=False),
    *_settings(),
    sa.Column("fingerprint", sa.String, nullable=False),
    # The names of the classes, whose places are the labels, separated by commas; null are the digits from 0 to 9.
    sa.Column("class_names", sa.String),
    # What the relation's table of answers is told by, and chance in its test pairs (see `twofold.data.Chance`). Null
    # where an earlier version trained: then it is one with a name, of ten digits.
    sa.Column("question", sa.String(64)),
    sa.Column("true_share", sa.Double),
    sa.Column("one_image_error", sa.Double),
    # What came out. Errors are fractions; a diverged loss is stored as null, JSON having no NaN.
    sa.Column("train_error", sa.Double, nullable=False),
    sa.Column("validation_error", sa.Double),
    sa.Column("test_error", sa.Double, nullable=False),
    sa.Column("digit_error", sa.Double),
    # Which test pairs were answered wrongly (see `twofold.results.answers`). Null where an earlier version trained.
    sa.Column("wrong_answers", sa.LargeBinary),
    # Of a network that gives embeddings: those at a smaller distance are alike. Null where it diverged.
    sa.Column("distance_threshold", sa.Double),
    # The paper's networks have two layers whose units may die, one in each branch; others have dead and all units of
    # each of their layers, by its name.
    sa.Column("dead_first", sa.Integer),
    sa.Column("dead_second", sa.Integer),
    sa.Column("dead_layers", sa.JSON(none_as_null=True), info={"type": dict}),
    sa.Column("diverged", sa.Boolean, nullable=False),
    sa.Column("train_loss", sa.JSON, nullable=False),
    sa.Column("dead_units_trace", sa.JSON(none_as_null=True)),
    # How it was made.
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("twofold_version", sa.String, nullable=False),
    sa.Column("jax_version", sa.String, nullable=False),
    sa.Column("torch_version", sa.String),
    sa.Column("device", sa.String, nullable=False),
    # "native" or "portable": see `twofold.native.handlers`. Null where an earlier version trained.
    sa.Column("engine", sa.String),
    sa.Column("finished_at", sa.String, nullable=False),
)

# What a row and its key in the index take, and an epoch's loss and dead units as text.
_BYTES_OF_ROW, _BYTES_OF_LOSS, _BYTES_OF_TRACE = 480, 22, 10

# What it takes in the index of groups (migrations/0014_groups.py).
_BYTES_OF_GROUPS = 330

# SQLite's pages: as many rows as have room are in one, and a longer row takes several.
_PAGE = 4096


def bytes_of_row(epochs: int, *, trace: bool) -> int:
    """About how much of the disk a trial's row takes."""
    alone = _BYTES_OF_ROW + epochs * (_BYTES_OF_LOSS + _BYTES_OF_TRACE * trace)
    in_pages = _PAGE // (_PAGE // alone) if alone <= _PAGE else -(-alone // _PAGE) * _PAGE
    return in_pages + _BYTES_OF_GROUPS


# What is to be known of each network of one's own without asking its class: its layers, and what they compute.
networks = sa.Table(
    "networks",
    metadata,
    sa.Column("identity", sa.String(64), primary_key=True),
    sa.Column("description", sa.JSON, nullable=False),
)

# What relations mean: of each table of answers, for each set of images, the text that stands in the rows.
questions = sa.Table(
    "questions",
    metadata,
    sa.Column("question", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("relation", sa.String, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),
)

# The runs that train for this store now, each with the process that it is in, the number of its beats (see
# `twofold.results.claims`), when the last one was, and what it trains, for people. Times are the database's.
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("owner", sa.String(32), primary_key=True),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("process", sa.String, nullable=False),
    sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("trials", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("beats", sa.Integer, nullable=False),
    sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("plan", sa.JSON(none_as_null=True)),
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(32), nullable=False, index=True),
)

# What runs were asked to train (see `twofold.results.plans`). A number is never given twice, not even after its plan
# was deleted: people write numbers down.
plans = sa.Table(
    "plans",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("identity", sa.String(64), nullable=False, unique=True),
    sa.Column("command", sa.String, nullable=False),
    sa.Column("trials", sa.Integer, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("first_at", sa.String, nullable=False),
    sa.Column("last_at", sa.String, nullable=False),
    sa.Column("version", sa.String, nullable=False),
    sqlite_autoincrement=True,
)

# The keys of each plan's trials, stored or not. What a plan says could not be searched for: which trials it has follows
# from it only with its networks, images and relations at hand, by hashing each trial.
plan_trials = sa.Table(
    "plan_trials",
    metadata,
    sa.Column("plan", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(64), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

# What an optimizer of settings writes down of its search, entry by entry.
journal = sa.Table(
    "search_journal",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.JSON, nullable=False),
)
