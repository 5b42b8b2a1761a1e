"""Documents: what they were printed with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what must be known of a document whose entries are to be copied from its files."""
    op.add_column("documents", sa.Column("revision", sa.BigInteger(), nullable=True))
    op.add_column("documents", sa.Column("sizes", _TEXT, nullable=True))
