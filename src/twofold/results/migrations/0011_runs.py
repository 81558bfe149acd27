"""Runs that are told by a token and beat, in place of claims that are renewed; earlier claims are forgotten."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0011", "0010"


def upgrade() -> None:
    """Add the table of runs, and make that of claims anew: nobody trains while a store is brought to a version."""
    op.create_table(
        "runs",
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("process", sa.String, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("beats", sa.Integer, nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("plan", sa.JSON),
    )
    op.drop_table("claims")
    op.create_table(
        "claims",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False),
    )
    op.create_index("ix_claims_owner", "claims", ["owner"])
