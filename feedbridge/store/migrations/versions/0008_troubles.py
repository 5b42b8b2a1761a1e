"""What broke and what recovered, for the owner."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what is remembered of broken sources, and let refreshes of all sources be found by their time."""
    op.create_table(
        "troubles",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("source_id", _KEY, nullable=False),
        sa.Column("uid", _WORD, nullable=False),
        sa.Column("broke_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("healed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_troubles_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_troubles")),
    )
    op.create_index(op.f("ix_troubles_source_id_broke_at"), "troubles", ["source_id", "broke_at"], unique=False)
    op.create_index(op.f("ix_polls_started_at"), "polls", ["started_at"], unique=False)
