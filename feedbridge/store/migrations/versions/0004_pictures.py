"""Pictures: which addresses answer, what was copied, and which documents show them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what is remembered of pictures."""
    op.create_table(
        "pictures",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("key", _WORD, nullable=False),
        sa.Column("address", _TEXT, nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("also", _TEXT, server_default="[]", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("media_type", _WORD, nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("copy", _TEXT, nullable=True),
        sa.Column("unshown_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
        sa.UniqueConstraint("key", name=op.f("uq_pictures_key")),
    )
    for column in ("host", "due_at", "copy"):
        op.create_index(op.f(f"ix_pictures_{column}"), "pictures", [column], unique=False)
    op.create_table(
        "picture_hosts",
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_picture_hosts")),
    )
    op.create_table(
        "shown_pictures",
        sa.Column("feed_id", _KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("picture_id", _KEY, nullable=False),
        sa.Column("wish", _WORD, nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_shown_pictures_feed_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["picture_id"], ["pictures.id"], name=op.f("fk_shown_pictures_picture_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feed_id", "number", "picture_id", "wish", name=op.f("pk_shown_pictures")),
    )
    op.create_index(op.f("ix_shown_pictures_picture_id"), "shown_pictures", ["picture_id"], unique=False)
