"""Claims belong to a holder, and end with its lease."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add who may claim sources, and who has; who had claimed some is no more, or the store would not be ours."""
    op.create_table(
        "holders",
        sa.Column("name", _WORD, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_holders"),
    )
    op.add_column("sources", sa.Column("claimed_by", _WORD, nullable=True))
    op.execute("UPDATE sources SET claimed_at = NULL")
