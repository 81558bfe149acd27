"""Whose weights a trial begins with, which were its own round's, and what it answered, which nobody kept."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0013", "0012"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("trials", sa.Column("weight_round", sa.Integer, nullable=False, server_default="0"))
    op.execute(sa.text("UPDATE trials SET weight_round = round WHERE round <> 0"))
    op.add_column("trials", sa.Column("wrong_answers", sa.LargeBinary))
