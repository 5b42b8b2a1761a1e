"""Sources keep their schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add when a source is next due, who is at work on it, and how often it failed; find a source's newest articles."""
    with op.batch_alter_table("sources") as table:
        table.add_column(sa.Column("next_poll_at", sa.BigInteger()))
        table.add_column(sa.Column("claimed_at", sa.BigInteger()))
        table.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        table.create_index("ix_sources_next_poll_at", ["next_poll_at"])
    op.create_index("ix_articles_source_id_published", "articles", ["source_id", "published"])
