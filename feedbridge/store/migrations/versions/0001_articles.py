"""Sources, their articles, and the feeds that hold them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "families",
        sa.Column("name", _WORD, nullable=False),
        sa.Column("selection", _WORD, nullable=False),
        sa.Column("look", _WORD, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_families")),
    )
    op.create_table(
        "feeds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", _WORD, nullable=False),
        sa.Column("family", _WORD, nullable=False),
        sa.Column("value", _TEXT, nullable=True),
        sa.Column("uid", _TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("limits", _WORD, nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("name", name=op.f("uq_feeds_name")),
    )
    op.create_table(
        "outputs",
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("digest", _WORD, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_outputs")),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", _WORD, nullable=False),
        sa.Column("shape", _WORD, nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("succeeded_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_sources_name")),
    )
    op.create_table(
        "articles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uid", _WORD, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("body_stamp", sa.BigInteger(), nullable=True),
        sa.Column("body_path", _TEXT, nullable=True),
        sa.Column("content_hash", _WORD, nullable=False),
        sa.Column("normaliser", sa.Integer(), nullable=False),
        sa.Column("title", _TEXT, nullable=False),
        sa.Column("link", _TEXT, nullable=True),
        sa.Column("details", _TEXT, nullable=False),
        sa.Column("content", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_articles_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
        sa.UniqueConstraint("source_id", "uid", name=op.f("uq_articles_source_id_uid")),
    )
    op.create_index(op.f("ix_articles_revision"), "articles", ["revision"], unique=True)
    op.create_table(
        "documents",
        sa.Column("feed_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_documents_feed_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feed_id", "number", name=op.f("pk_documents")),
    )
    op.create_table(
        "polls",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("error", _TEXT, nullable=True),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unusable", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_polls_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_polls")),
    )
    op.create_index(op.f("ix_polls_source_id_started_at"), "polls", ["source_id", "started_at"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alias", _TEXT, nullable=False),
        sa.Column("article_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("fk_aliases_article_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_aliases_source_id")),
        sa.PrimaryKeyConstraint("source_id", "alias", name=op.f("pk_aliases")),
    )
    op.create_index(op.f("ix_aliases_alias"), "aliases", ["alias"], unique=False)
    op.create_index(op.f("ix_aliases_article_id"), "aliases", ["article_id"], unique=False)
    op.create_table(
        "feed_entries",
        sa.Column("feed_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("article_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ordered_at", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("uid", _WORD, nullable=False),
        sa.Column("document", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("fk_feed_entries_article_id")),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_feed_entries_feed_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("feed_id", "article_id", name=op.f("pk_feed_entries")),
        sa.UniqueConstraint("feed_id", "uid", name=op.f("uq_feed_entries_feed_id_uid")),
    )
    op.create_index(op.f("ix_feed_entries_article_id"), "feed_entries", ["article_id"], unique=False)
    op.create_index(
        op.f("ix_feed_entries_feed_id_document_ordered_at_published_uid"),
        "feed_entries",
        ["feed_id", "document", "ordered_at", "published", "uid"],
        unique=False,
    )
    op.create_index(
        op.f("ix_feed_entries_feed_id_ordered_at_published_uid"),
        "feed_entries",
        ["feed_id", "ordered_at", "published", "uid"],
        unique=False,
    )
    op.create_table(
        "files",
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("digest", _WORD, nullable=True),
        sa.Column("article_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("unusable", _TEXT, nullable=True),
        sa.Column("missing", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("fk_files_article_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_files_source_id")),
        sa.PrimaryKeyConstraint("source_id", "path", name=op.f("pk_files")),
    )
