"""What is asked beside the four relations with names: which table of answers, and chance in pairs of it; the tables."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    """Add the columns, empty for the rows there are, which have relations with names, and a table of questions."""
    op.add_column("trials", sa.Column("question", sa.String(64)))
    for name in ("true_share", "one_image_error"):
        op.add_column("trials", sa.Column(name, sa.Double))
    op.create_table(
        "questions",
        sa.Column("question", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("relation", sa.String, nullable=False),
        sa.Column("answers", sa.Text, nullable=False),
    )
