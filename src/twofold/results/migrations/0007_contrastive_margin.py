"""The margin of the contrastive loss, which no earlier network was trained by."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("trials", sa.Column("contrastive_margin", sa.Double, nullable=False, server_default="1"))
