"""The tables of the first version.

Stores that the first version made itself have no number of a version, and rarely lack a table: where a run was killed
while it made them. So each is made only where it is not there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables that are not there."""
    op.create_table(
        "claims",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("renewed_at", sa.Double(), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "search_journal",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("entry", sa.JSON(), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "trials",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("weight_sharing", sa.Boolean(), nullable=False),
        sa.Column("auxiliary_losses", sa.Boolean(), nullable=False),
        sa.Column("optimizer", sa.String(), nullable=False),
        sa.Column("learning_rate", sa.Double(), nullable=False),
        sa.Column("aux_weight", sa.Double(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("shuffle", sa.Boolean(), nullable=False),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("test_pairs", sa.Integer(), nullable=False),
        sa.Column("validation_pairs", sa.Integer(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("normalise", sa.Boolean(), nullable=False),
        sa.Column("bottleneck_activation", sa.String(), nullable=False),
        sa.Column("data", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("train_error", sa.Double(), nullable=False),
        sa.Column("validation_error", sa.Double()),
        sa.Column("test_error", sa.Double(), nullable=False),
        sa.Column("digit_error", sa.Double()),
        sa.Column("dead_first", sa.Integer(), nullable=False),
        sa.Column("dead_second", sa.Integer(), nullable=False),
        sa.Column("diverged", sa.Boolean(), nullable=False),
        sa.Column("train_loss", sa.JSON(), nullable=False),
        sa.Column("dead_units_trace", sa.JSON()),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("twofold_version", sa.String(), nullable=False),
        sa.Column("jax_version", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("finished_at", sa.String(), nullable=False),
        if_not_exists=True,
    )
