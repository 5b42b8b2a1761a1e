"""The tables. Times are epoch milliseconds, since SQLite keeps no time zones; digests are hex.

Text is ordered by its code points everywhere, as SQLite does by itself.

Articles and their aliases belong to their source, so that no source can overwrite another's.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Key = BigInteger().with_variant(Integer, "sqlite")
_Word = String().with_variant(String(collation="C"), "postgresql")
_Text = Text().with_variant(Text(collation="C"), "postgresql")


def _key() -> "Column[int]":
    return Column("id", _Key, primary_key=True, autoincrement=True)


sources = Table(
    "sources",
    metadata,
    _key(),
    Column("name", _Word, nullable=False, unique=True),
    Column("shape", _Word, doc="Digest of the settings that shaped what was read."),
    Column("completed_at", BigInteger, doc="When the first complete refresh began."),
    Column("succeeded_at", BigInteger, doc="When the last successful refresh began."),
    Column("next_poll_at", BigInteger, doc="When it is due next: the schedule."),
    Column("claimed_at", BigInteger, doc="Since when somebody is at work on it."),
    Column("claimed_by", _Word, doc="Who is, by the name of the holder."),
    Column("failures", Integer, nullable=False, server_default="0", doc="How often it has failed on end."),
    Column("not_before", BigInteger, doc="Its site wishes not to be asked sooner."),
    Column("gone_at", BigInteger, doc="When its site said that it is gone for good."),
    Index(None, "next_poll_at"),
)

holders = Table(
    "holders",
    metadata,
    Column("name", _Word, primary_key=True, doc="Of a process that claims sources, from its start to its end."),
    Column("expires_at", BigInteger, doc="When its claims end, by the database's clock; NULL: it has the store alone."),
)

polls = Table(
    "polls",
    metadata,
    _key(),
    Column("source_id", ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("error", _Text, doc="Why it failed; NULL where it did not."),
    Column("new", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unusable", Integer, nullable=False),
    Index(None, "source_id", "started_at"),
    Index(None, "started_at"),
)

troubles = Table(
    "troubles",
    metadata,
    _key(),
    Column("source_id", ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("uid", _Word, nullable=False, doc="An IRI: the id of the entry that tells of it."),
    Column("broke_at", BigInteger, nullable=False, doc="When the source counted as broken."),
    Column("reason", _Text, nullable=False),
    Column("healed_at", BigInteger, doc="When it was read again; NULL: not yet."),
    Index(None, "source_id", "broke_at"),
)

articles = Table(
    "articles",
    metadata,
    _key(),
    Column("source_id", ForeignKey(sources.c.id), nullable=False),
    Column("uid", _Word, nullable=False, doc="The article's id, an IRI; in PostgreSQL a digest stands for a long one."),
    Column("revision", BigInteger, nullable=False, doc="Counts up with every change of any article."),
    Column("published", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("removed_at", BigInteger, doc="Set on a tombstone: taken down for good, its text gone."),
    Column("late", Boolean, nullable=False, doc="Published before the refresh before the one that found it."),
    Column("body_stamp", BigInteger, doc="The latest stamp on the body that is kept."),
    Column("body_path", _Text, doc="The file that the body came from."),
    Column("content_hash", _Word, nullable=False),
    Column("normaliser", Integer, nullable=False, doc="Version of the rules that read it."),
    Column("title", _Text, nullable=False),
    Column("link", _Text),
    Column("details", _Text, nullable=False, doc="The article's other fields, as JSON."),
    Column("content", _Text, nullable=False),
    UniqueConstraint("source_id", "uid"),
    Index(None, "revision", unique=True),
    Index(None, "source_id", "published"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    Column("alias", _Text, primary_key=True),
    Column("article_id", ForeignKey(articles.c.id), nullable=False),
    Index(None, "article_id"),
    Index(None, "alias"),
)

files = Table(
    "files",
    metadata,
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    Column("path", _Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("digest", _Word, doc="SHA-256 of the bytes; NULL where they were not read."),
    Column("article_id", ForeignKey(articles.c.id)),
    Column("unusable", _Text, doc="Why it holds no article."),
    Column("missing", Boolean, nullable=False, default=False),
)

items = Table(
    "items",
    metadata,
    Column("article_id", ForeignKey(articles.c.id), primary_key=True, autoincrement=False),
    Column("source_id", ForeignKey(sources.c.id), nullable=False),
    Column("digest", _Word, nullable=False, doc="SHA-256 of the item as it was told last."),
    Column("packed", LargeBinary, nullable=False, doc="The item as its source wrote it, compressed JSON."),
    Index(None, "source_id", "digest"),
)

visits = Table(
    "visits",
    metadata,
    Column("source_id", ForeignKey(sources.c.id), primary_key=True, autoincrement=False),
    Column("url", _Text, nullable=False, doc="The address in the settings that all of this is about."),
    Column("moved_to", _Text, doc="Where permanent redirects lead from there."),
    Column("moved_since", BigInteger, doc="When they were first met."),
    Column("moved_times", Integer, nullable=False, doc="How often they were met on end, with a good answer behind."),
    Column("found", _Text, doc="The feed that the page at the address names."),
    Column("etag", _Text),
    Column("last_modified", _Text),
    Column("digest", _Word, doc="SHA-256 of the body that was last read to its end."),
    Column("lifetime", BigInteger, doc="How long the server lets an answer be kept, in milliseconds."),
    Column("facts", _Text, nullable=False, doc="What the source says of itself, as JSON."),
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", _Text, primary_key=True),
    Column("source", _Text, primary_key=True, doc="The source that alone is to wait, or empty for all on the host."),
    Column("not_before", BigInteger, nullable=False, doc="The host wishes not to be asked sooner."),
)

turns = Table(
    "turns",
    metadata,
    Column("host", _Text, primary_key=True),
    Column("free_at", BigInteger, nullable=False, doc="Nobody asks it sooner, by the database's clock."),
)

feeds = Table(
    "feeds",
    metadata,
    _key(),
    Column("name", _Word, nullable=False, unique=True),
    Column("family", _Word, nullable=False, doc="The name in the settings that it comes from."),
    Column("value", _Text, doc="The category, author or source that it is about."),
    Column("uid", _Text, nullable=False, doc="The feed's id, an IRI."),
    Column("created_at", BigInteger, nullable=False),
    Column("limits", _Word, nullable=False, default="", doc="The limits that it was last laid out with."),
    Column("floor", BigInteger, doc="Archived entries from here on are shown again, after a limit was raised."),
)

families = Table(
    "families",
    metadata,
    Column("name", _Word, primary_key=True),
    Column("selection", _Word, nullable=False, doc="Digest of what it selects."),
    Column("look", _Word, nullable=False, doc="Digest of all that shapes its documents but the articles."),
    Column("revision", BigInteger, nullable=False, doc="Articles up to here have been taken in."),
)

feed_entries = Table(
    "feed_entries",
    metadata,
    Column("feed_id", ForeignKey(feeds.c.id, ondelete="CASCADE"), primary_key=True),
    Column("article_id", ForeignKey(articles.c.id), primary_key=True),
    Column("ordered_at", BigInteger, nullable=False, doc="The feed's own order."),
    Column("published", BigInteger, nullable=False, doc="The article's, to order equals."),
    Column("uid", _Word, nullable=False, doc="The article's, to order equals."),
    Column("document", Integer, doc="Number of its archive document; NULL while it is in none."),
    UniqueConstraint("feed_id", "uid"),
    Index(None, "feed_id", "document", "ordered_at", "published", "uid"),
    Index(None, "feed_id", "ordered_at", "published", "uid"),
    Index(None, "article_id"),
)

documents = Table(
    "documents",
    metadata,
    Column("feed_id", ForeignKey(feeds.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, doc="0: the subscription document; from 1: archive documents."),
    Column("dirty", Boolean, nullable=False),
    Column("revision", BigInteger, doc="Articles up to here stand in its files as they are; NULL: nobody knows."),
    Column("sizes", _Text, doc="JSON: bytes that its entries were counted with, by id."),
)

outputs = Table(
    "outputs",
    metadata,
    Column("path", _Text, primary_key=True, doc="A file that we wrote, relative to the output folder."),
    Column("digest", _Word, nullable=False, doc="SHA-256 of its bytes."),
    Column("size", BigInteger, nullable=False),
)

pictures = Table(
    "pictures",
    metadata,
    _key(),
    Column("key", _Word, nullable=False, unique=True, doc="SHA-256 of the address, for addresses can be long."),
    Column("address", _Text, nullable=False),
    Column("host", _Text, nullable=False),
    Column("also", _Text, nullable=False, server_default="[]", doc="JSON: where else a copy can be had."),
    Column("due_at", BigInteger, nullable=False, doc="When it is to be looked for next."),
    Column("checked_at", BigInteger, doc="When it was last looked for."),
    Column("failures", Integer, nullable=False, server_default="0", doc="How often that has failed on end."),
    Column("reason", _Text, doc="Why it failed; NULL where it did not."),
    Column("media_type", _Word),
    Column("width", Integer),
    Column("height", Integer),
    Column("size", BigInteger),
    Column("copy", _Text, doc="Its copy, relative to the output folder."),
    Column("unshown_at", BigInteger, doc="Since when no document shows it."),
    Index(None, "host"),
    Index(None, "due_at"),
    Index(None, "copy"),
)

picture_hosts = Table(
    "picture_hosts",
    metadata,
    Column("host", _Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False, doc="When it is to be asked next."),
    Column("checked_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False, doc="How often it has failed on end."),
    Column("paused", Boolean, nullable=False, doc="It is asked for one picture now and then, until one is found."),
    Column("reason", _Text, doc="Why none of its pictures is used; NULL while they are."),
)

shown_pictures = Table(
    "shown_pictures",
    metadata,
    Column("feed_id", ForeignKey(feeds.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, doc="Of the document."),
    Column("picture_id", ForeignKey(pictures.c.id, ondelete="CASCADE"), primary_key=True),
    Column("wish", _Word, primary_key=True, doc="`copy` or `check`."),
    Index(None, "picture_id"),
)
