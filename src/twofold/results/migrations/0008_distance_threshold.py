"""The distance between embeddings by which a network answers; earlier ones had none."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    """Add the column, empty for the rows there are."""
    op.add_column("trials", sa.Column("distance_threshold", sa.Double))
