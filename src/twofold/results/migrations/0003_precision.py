"""The precision of products, which on a processor was always float32."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("trials", sa.Column("precision", sa.String, nullable=False, server_default="float32"))
