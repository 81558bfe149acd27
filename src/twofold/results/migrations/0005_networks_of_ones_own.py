"""Networks of one's own: what each is, its arguments, the dead units of each of its layers, and a table of them."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    """Add the columns, empty for the rows there are, and let those be empty that such networks do not have."""
    with op.batch_alter_table("trials") as batch:
        for name in ("identity", "source", "torch_version"):
            batch.add_column(sa.Column(name, sa.String(64) if name == "identity" else sa.String))
        for name in ("arguments", "dead_layers"):
            batch.add_column(sa.Column(name, sa.JSON))
        batch.alter_column("weight_sharing", existing_type=sa.Boolean(), nullable=True)
        for name in ("dead_first", "dead_second"):
            batch.alter_column(name, existing_type=sa.Integer(), nullable=True)
    op.create_table(
        "networks",
        sa.Column("identity", sa.String(64), primary_key=True),
        sa.Column("description", sa.JSON, nullable=False),
    )
