"""Sources on the web: what their servers said, and the items as they wrote them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what is remembered of sites, hosts and items."""
    with op.batch_alter_table("sources") as table:
        table.add_column(sa.Column("not_before", sa.BigInteger()))
        table.add_column(sa.Column("gone_at", sa.BigInteger()))
    op.create_table(
        "items",
        sa.Column("article_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", _WORD, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("fk_items_article_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_items_source_id")),
        sa.PrimaryKeyConstraint("article_id", name=op.f("pk_items")),
    )
    op.create_index(op.f("ix_items_source_id_digest"), "items", ["source_id", "digest"], unique=False)
    op.create_table(
        "visits",
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", _TEXT, nullable=False),
        sa.Column("moved_to", _TEXT, nullable=True),
        sa.Column("moved_since", sa.BigInteger(), nullable=True),
        sa.Column("moved_times", sa.Integer(), nullable=False),
        sa.Column("found", _TEXT, nullable=True),
        sa.Column("etag", _TEXT, nullable=True),
        sa.Column("last_modified", _TEXT, nullable=True),
        sa.Column("digest", _WORD, nullable=True),
        sa.Column("lifetime", sa.BigInteger(), nullable=True),
        sa.Column("facts", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_visits_source_id")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_visits")),
    )
    op.create_table(
        "hosts",
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", "source", name=op.f("pk_hosts")),
    )
