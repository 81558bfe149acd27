"""The optimizer's weight decay, which earlier trials did without."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("trials", sa.Column("weight_decay", sa.Double, nullable=False, server_default="0"))
