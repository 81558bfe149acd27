"""What tells groups of trials apart, and what is counted of them, in an index: see `twofold.results.groups`."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0014", "0013"

_TELLING = (
    "network",
    "identity",
    "source",
    "data",
    "pool",
    "size",
    "relation",
    "balance",
    "pairs",
    "test_pairs",
    "validation_pairs",
    "normalise",
    "optimizer",
    "learning_rate",
    "aux_weight",
    "contrastive_margin",
    "weight_decay",
    "batch_size",
    "epochs",
    "shuffle",
    "bottleneck_activation",
    "precision",
    "fingerprint",
    "class_names",
    "question",
    "round >= 1000",
    "weight_round <> round",
)

_COUNTED = (
    "round",
    "weight_round",
    "seed",
    "finished_at",
    "test_error",
    "distance_threshold",
    "true_share",
    "one_image_error",
    "key",
)


def upgrade() -> None:
    """Add the index to SQLite's file; a server reads its table as fast, and has no room for so many columns in one."""
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_trials_groups", "trials", [sa.text(each) for each in (*_TELLING, *_COUNTED)])
