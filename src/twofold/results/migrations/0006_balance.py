"""Whether half of the pairs have each answer; those of earlier trials came as they were drawn."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """Add the column."""
    op.add_column("trials", sa.Column("balance", sa.Boolean, nullable=False, server_default=sa.false()))
