"""What runs were asked to train: their plans, and the trials of each."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    """Add the tables of plans and of their trials, empty: of the trials there are nobody knows what asked for them."""
    op.create_table(
        "plans",
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
    op.create_table(
        "plan_trials",
        sa.Column("plan", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(64), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_plan_trials_key", "plan_trials", ["key"])
