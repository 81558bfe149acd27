"""How images were read, and the names of their classes; earlier ones were pooled 2 by 2, and were of ten classes."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("trials", sa.Column("pool", sa.Integer, nullable=False, server_default="2"))
    op.add_column("trials", sa.Column("size", sa.String, nullable=False, server_default="as they are"))
    op.add_column("trials", sa.Column("class_names", sa.String))
