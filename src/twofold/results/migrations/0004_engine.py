"""Which operations computed a trial, which earlier versions did not write down."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Add the column, empty for the rows there are."""
    op.add_column("trials", sa.Column("engine", sa.String))
