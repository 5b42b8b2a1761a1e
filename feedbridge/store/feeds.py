"""Feeds: which articles they hold, in which order, in which documents, and the files that were written."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from feedbridge.store.dialects import lock, upsert
from feedbridge.store.schema import articles, documents, families, feed_entries, feeds, outputs, shown_pictures
from feedbridge.store.times import from_ms, to_ms

SUBSCRIPTION = 0
"""The number of the subscription document; archive documents count from 1.

The page of an entry has that of its article's row, below zero.
"""

INDEX = ""
"""The list of all feeds is kept as a family of its own, of which the look alone counts."""

_VARIABLES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """How far the feeds of one settings table have come.

    Attributes:
        selection: Digest of what it selects.
        look: Digest of all that shapes its documents but the articles.
        revision: Articles up to here have been taken in.
    """

    selection: str = ""
    look: str = ""
    revision: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedRow:
    """A feed as the store knows it.

    Attributes:
        row: Its row.
        value: The category, author or source that it is about.
        uid: Its id, an IRI.
        limits: The limits that it was last laid out with.
        floor: Archived entries from here on are shown again; epoch milliseconds.
    """

    row: int
    name: str
    value: str | None
    uid: str
    created_at: datetime
    limits: str
    floor: int | None


class Stamp(NamedTuple):
    """When an article changed: among all changes, and as readers are told."""

    revision: int
    updated: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An entry of a feed, in its place.

    Attributes:
        feed: The feed's row.
        article: The article's row.
        ordered_at: The feed's own order, epoch milliseconds.
        document: Number of its archive document, or None while it is in none.
        stamp: Its article's, where entries are asked for to be shown.
    """

    feed: int
    article: int
    uid: str
    ordered_at: int
    published: datetime
    document: int | None = None
    stamp: Stamp | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A file that we wrote; `digest` is SHA-256 in hex, `size` in bytes."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Stand:
    """What a document was printed with.

    Attributes:
        revision: Articles up to here, as they are, are those that stand in it.
        sizes: Bytes that its entries were counted with, by id; none where they were not counted.
    """

    revision: int
    sizes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How a feed goes.

    Attributes:
        title: Of its newest entry, None while there is none.
        interval: Between two entries, on average of the newest; None where there are too few.
    """

    title: str | None
    interval: timedelta | None


def family(connection: Connection, name: str) -> Family:
    """How far a family has come; a new one where it is not known."""
    row = connection.execute(select(families).where(families.c.name == name)).one_or_none()
    return Family(selection=row.selection, look=row.look, revision=row.revision) if row else Family()


def keep_family(connection: Connection, name: str, family: Family) -> None:
    """Remember how far a family has come."""
    values = {"selection": family.selection, "look": family.look, "revision": family.revision}
    statement = upsert(connection, families).values(name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def forget_families(connection: Connection, *, but: Iterable[str]) -> None:
    """Drop the feeds that the settings no longer have."""
    names = list(but)
    gone = select(feeds.c.id).where(feeds.c.family.not_in(names))
    for table in (documents, feed_entries, shown_pictures):
        connection.execute(delete(table).where(table.c.feed_id.in_(gone)))
    connection.execute(delete(feeds).where(feeds.c.family.not_in(names)))
    connection.execute(delete(families).where(families.c.name.not_in(names)))


def forget_empty_feeds(connection: Connection, family: str, *, by_value: bool) -> None:
    """Drop the feeds of a family that hold no entry, but for the one feed of a family that is not `by_value`."""
    held = select(feed_entries.c.feed_id).where(feed_entries.c.feed_id == feeds.c.id).exists()
    empty = feeds.c.family == family, ~held
    gone = select(feeds.c.id).where(*empty, *(() if by_value else (feeds.c.value.is_not(None),)))
    for table in (documents, shown_pictures):
        connection.execute(delete(table).where(table.c.feed_id.in_(gone)))
    connection.execute(delete(feeds).where(feeds.c.id.in_(gone)))


def feeds_of(connection: Connection, family: str) -> list[FeedRow]:
    """The feeds of a family, by name."""
    query = select(feeds).where(feeds.c.family == family).order_by(feeds.c.name)
    return [_feed(row) for row in connection.execute(query)]


def feeds_by_family(connection: Connection) -> dict[str, list[FeedRow]]:
    """All feeds, by name, of each family."""
    found: dict[str, list[FeedRow]] = {}
    for row in connection.execute(select(feeds).order_by(feeds.c.name)):
        found.setdefault(row.family, []).append(_feed(row))
    return found


def add_feed(
    connection: Connection, *, family: str, name: str, value: str | None, uid: str, created_at: datetime
) -> int:
    """Enter a feed; gives its row. Its subscription document is due to be written."""
    result = connection.execute(
        insert(feeds)
        .values(family=family, name=name, value=value, uid=uid, created_at=to_ms(created_at), limits="")
        .returning(feeds.c.id)
    )
    row: int = result.scalar_one()
    mark_dirty(connection, [(row, SUBSCRIPTION)])
    return row


def note_layout(connection: Connection, feed: int, *, limits: str, floor: int | None) -> None:
    """Remember the limits that a feed was laid out with."""
    connection.execute(update(feeds).where(feeds.c.id == feed).values(limits=limits, floor=floor))


def entries_of(connection: Connection, family: str, articles: Sequence[int]) -> list[Placed]:
    """The places that these articles have in the feeds of a family."""
    return _placed(connection, family, feed_entries.c.article_id, list(articles))


def entries_by_uid(connection: Connection, family: str, uids: Sequence[str]) -> list[Placed]:
    """The places of articles with these ids in the feeds of a family, whatever source they are of."""
    return _placed(connection, family, feed_entries.c.uid, list(uids))


def all_entries(connection: Connection, family: str) -> set[tuple[int, int]]:
    """Feed and article of all entries of a family."""
    query = select(feed_entries.c.feed_id, feed_entries.c.article_id).where(_in_family(family))
    return {(row.feed_id, row.article_id) for row in connection.execute(query)}


def add_entries(connection: Connection, placed: Iterable[Placed]) -> None:
    """Put entries into feeds."""
    values = [
        {
            "feed_id": entry.feed,
            "article_id": entry.article,
            "uid": entry.uid,
            "ordered_at": entry.ordered_at,
            "published": to_ms(entry.published),
            "document": entry.document,
        }
        for entry in placed
    ]
    if values:
        connection.execute(insert(feed_entries), values)


def drop_entries(connection: Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Take entries (feed and article) out of feeds."""
    values = [{"feed": feed, "article": article} for feed, article in pairs]
    if values:
        connection.execute(
            delete(feed_entries).where(
                feed_entries.c.feed_id == bindparam("feed"), feed_entries.c.article_id == bindparam("article")
            ),
            values,
        )


def candidates(connection: Connection, feed: FeedRow, *, limit: int, floor: int | None) -> list[Placed]:
    """The newest entries that may stand in the subscription document, newest first.

    These are the entries that are in no archive document, and archived ones from `floor` on.
    """
    free: ColumnElement[bool] = feed_entries.c.document.is_(None)
    if floor is not None:
        free = or_(free, feed_entries.c.ordered_at >= floor)
    return _shown(connection, feed, free, limit=limit)


def in_document(connection: Connection, feed: FeedRow, number: int) -> list[Placed]:
    """The entries of an archive document, newest first."""
    return _shown(connection, feed, feed_entries.c.document == number, limit=None)


def unarchived(connection: Connection, feed: FeedRow) -> list[int]:
    """The articles of a feed that are in no archive document, oldest first."""
    query = (
        select(feed_entries.c.article_id)
        .where(feed_entries.c.feed_id == feed.row, feed_entries.c.document.is_(None))
        .order_by(*_ORDER)
    )
    return list(connection.scalars(query))


def older_than(connection: Connection, feed: FeedRow, instant: datetime) -> list[int]:
    """The articles of a feed that were published before an instant."""
    query = select(feed_entries.c.article_id).where(
        feed_entries.c.feed_id == feed.row, feed_entries.c.published < to_ms(instant)
    )
    return list(connection.scalars(query))


def beyond(connection: Connection, feed: FeedRow, count: int) -> list[int]:
    """The articles of a feed but its newest so many."""
    query = (
        select(feed_entries.c.article_id)
        .where(feed_entries.c.feed_id == feed.row)
        .order_by(*_NEWEST_FIRST)
        .offset(count)
    )
    return list(connection.scalars(query))


def without_feed(connection: Connection, articles: Sequence[int]) -> list[int]:
    """Those of these articles that no feed holds."""
    found: list[int] = []
    for start in range(0, len(articles), _VARIABLES):
        some = list(articles[start : start + _VARIABLES])
        query = select(feed_entries.c.article_id).where(feed_entries.c.article_id.in_(some))
        held = set(connection.scalars(query))
        found += [article for article in some if article not in held]
    return found


def archive(connection: Connection, feed: FeedRow, places: Mapping[int, int]) -> None:
    """Put articles into archive documents, by article and number."""
    values = [{"article": article, "number": number} for article, number in places.items()]
    if values:
        connection.execute(
            update(feed_entries)
            .where(feed_entries.c.feed_id == feed.row, feed_entries.c.article_id == bindparam("article"))
            .values(document=bindparam("number")),
            values,
        )


def open_archive(connection: Connection, feed: FeedRow) -> tuple[int, int]:
    """Number of the archive document that is being filled, and its entries; (0, 0) before the first."""
    number = connection.scalar(select(func.max(documents.c.number)).where(documents.c.feed_id == feed.row)) or 0
    if number == SUBSCRIPTION:
        return 0, 0
    filled = connection.scalar(
        select(func.count())
        .select_from(feed_entries)
        .where(feed_entries.c.feed_id == feed.row, feed_entries.c.document == number)
    )
    return number, filled or 0


def mark_dirty(connection: Connection, marks: Iterable[tuple[int, int]]) -> None:
    """Note that documents (feed and number) are due to be written; new ones are entered."""
    values = [{"feed_id": feed, "number": number, "dirty": True} for feed, number in sorted(set(marks))]
    if values:
        statement = upsert(connection, documents)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["feed_id", "number"], set_={"dirty": True}),
            values,
        )


def mark_all_dirty(connection: Connection, family: str, *, below: int | None = None) -> None:
    """Note that all documents of a family are due to be written, and nothing may be copied from what stands.

    Args:
        connection: To the store.
        family: Whose documents.
        below: Those alone whose number is lower.
    """
    mine: list[ColumnElement[bool]] = [documents.c.feed_id.in_(select(feeds.c.id).where(feeds.c.family == family))]
    mine += [] if below is None else [documents.c.number < below]
    lock(connection, select(documents.c.number).where(*mine).order_by(documents.c.feed_id, documents.c.number))
    connection.execute(update(documents).where(*mine).values(dirty=True, revision=None))


def mark_pages(connection: Connection, family: str) -> None:
    """Note that the pages of all entries of a family are due to be written."""
    numbers = documents.c.feed_id.in_(select(feeds.c.id).where(feeds.c.family == family)), documents.c.number < 0
    lock(connection, select(documents.c.number).where(*numbers).order_by(documents.c.feed_id, documents.c.number))
    mine = select(feed_entries.c.feed_id, -feed_entries.c.article_id, literal(True)).where(_in_family(family))
    statement = upsert(connection, documents).from_select(["feed_id", "number", "dirty"], mine)
    connection.execute(statement.on_conflict_do_update(index_elements=["feed_id", "number"], set_={"dirty": True}))


def due_pages(connection: Connection, feed: FeedRow) -> list[int]:
    """The articles whose pages in a feed are due to be written, or to be removed."""
    query = select(-documents.c.number).where(
        documents.c.feed_id == feed.row, documents.c.number < SUBSCRIPTION, documents.c.dirty
    )
    return list(connection.scalars(query))


def shown_among(connection: Connection, feed: FeedRow, articles: Sequence[int]) -> list[Placed]:
    """The entries of a feed that are these articles, newest first."""
    return _shown(connection, feed, feed_entries.c.article_id.in_(list(articles)), limit=None)


def entry_ids(connection: Connection, feed: FeedRow) -> dict[str, int]:
    """The articles of a feed, by the ids of the entries."""
    query = select(feed_entries.c.uid, feed_entries.c.article_id).where(feed_entries.c.feed_id == feed.row)
    return {row.uid: row.article_id for row in connection.execute(query)}


def holds(connection: Connection, feed: FeedRow, ids: Iterable[str]) -> set[str]:
    """Those of these ids that entries of a feed have."""
    query = select(feed_entries.c.uid).where(feed_entries.c.feed_id == feed.row, feed_entries.c.uid.in_(list(ids)))
    return set(connection.scalars(query))


def ids_of(connection: Connection, rows: Sequence[int]) -> dict[int, str]:
    """The ids of articles, by row."""
    query = select(articles.c.id, articles.c.uid).where(articles.c.id.in_(list(rows)))
    return {row.id: row.uid for row in connection.execute(query)}


def forget_documents(connection: Connection, marks: Iterable[tuple[int, int]]) -> None:
    """Forget documents (feed and number) that are no more, and what they showed."""
    values = [{"feed": feed, "of": number} for feed, number in sorted(marks)]
    for table in (documents, shown_pictures):
        if values:
            mine = table.c.feed_id == bindparam("feed"), table.c.number == bindparam("of")
            connection.execute(delete(table).where(*mine), values)


def mark_clean(connection: Connection, marks: Iterable[tuple[int, int]], *, stand: Stand | None = None) -> None:
    """Note that documents have been written; what with, where entries may be copied from there."""
    revision, sizes = (stand.revision, json.dumps(dict(stand.sizes))) if stand else (None, None)
    values = [{"feed": feed, "of": number} for feed, number in marks]
    if values:
        connection.execute(
            update(documents)
            .where(documents.c.feed_id == bindparam("feed"), documents.c.number == bindparam("of"))
            .values(dirty=False, revision=revision, sizes=sizes),
            values,
        )


def distrust(connection: Connection, feed: int, number: int) -> None:
    """Note that nothing may be copied from what stands of a document."""
    mine = documents.c.feed_id == feed, documents.c.number == number
    connection.execute(update(documents).where(*mine).values(revision=None))


def stands_of(connection: Connection, feed: FeedRow) -> dict[int, Stand]:
    """What the documents of a feed were printed with, by number, where entries may be copied from them."""
    query = select(documents).where(documents.c.feed_id == feed.row, documents.c.revision.is_not(None))
    return {row.number: Stand(revision=row.revision, sizes=json.loads(row.sizes)) for row in connection.execute(query)}


def documents_of(connection: Connection, feed: FeedRow) -> dict[int, bool]:
    """The documents of a feed by number, and whether each is due to be written; pages of entries are not among them."""
    mine = documents.c.feed_id == feed.row, documents.c.number >= SUBSCRIPTION
    query = select(documents.c.number, documents.c.dirty).where(*mine)
    return {row.number: row.dirty for row in connection.execute(query.order_by(documents.c.number))}


def documents_by_feed(connection: Connection, family: str) -> dict[int, dict[int, bool]]:
    """The documents of the feeds of a family, by the feed's row: as `documents_of` has those of one."""
    theirs = documents.c.feed_id.in_(select(feeds.c.id).where(feeds.c.family == family))
    query = select(documents.c.feed_id, documents.c.number, documents.c.dirty)
    found: dict[int, dict[int, bool]] = {}
    for row in connection.execute(query.where(theirs, documents.c.number >= SUBSCRIPTION).order_by(documents.c.number)):
        found.setdefault(row.feed_id, {})[row.number] = row.dirty
    return found


def last_documents(connection: Connection) -> dict[int, int]:
    """The number of the newest archive document of each feed, 0 where it has none, by the feed's row."""
    query = select(documents.c.feed_id, func.max(documents.c.number)).where(documents.c.number >= SUBSCRIPTION)
    return {row[0]: row[1] for row in connection.execute(query.group_by(documents.c.feed_id))}


def newest_by_feed(connection: Connection) -> dict[int, datetime]:
    """When the newest entry of each feed that has one was published, by the feed's row."""
    query = select(feed_entries.c.feed_id, func.max(feed_entries.c.published)).group_by(feed_entries.c.feed_id)
    return {row[0]: from_ms(row[1]) for row in connection.execute(query)}


def counts(connection: Connection, family: str) -> dict[int, tuple[int, datetime | None]]:
    """Entries of each feed of a family, and when the newest was published, by the feed's row."""
    query = (
        select(feed_entries.c.feed_id, func.count(), func.max(feed_entries.c.published))
        .where(_in_family(family))
        .group_by(feed_entries.c.feed_id)
    )
    return {row[0]: (row[1], from_ms(row[2])) for row in connection.execute(query)}


def paces(connection: Connection) -> dict[int, Pace]:
    """What is on top of each feed, and how often something new comes, by the feed's row."""

    def newest(what: ColumnElement[Any], *, after: int) -> ScalarSelect[Any]:
        mine = select(what).where(feed_entries.c.feed_id == feeds.c.id).order_by(*_NEWEST_FIRST)
        return mine.limit(1).offset(after).correlate(feeds).scalar_subquery()

    top = select(articles.c.title).where(articles.c.id == newest(feed_entries.c.article_id, after=0)).scalar_subquery()
    instants = (newest(feed_entries.c.ordered_at, after=after) for after in _PACED)
    found = {}
    for row, title, latest, *earlier in connection.execute(select(feeds.c.id, top, *instants)):
        known = [(latest - instant) / after for after, instant in zip(_PACED[1:], earlier, strict=True) if instant]
        found[row] = Pace(title=title, interval=timedelta(milliseconds=known[-1]) if known else None)
    return found


def written(connection: Connection, *, below: Iterable[str] = ("",), but: str | None = None) -> dict[str, Output]:
    """The files that we wrote, by path.

    Args:
        connection: To the store.
        below: Those alone whose path begins with one of these.
        but: Without those whose path begins so.
    """
    query = select(outputs).where(or_(*(outputs.c.path.startswith(stem, autoescape=True) for stem in below)))
    if but:
        query = query.where(~outputs.c.path.startswith(but, autoescape=True))
    return {row.path: Output(path=row.path, digest=row.digest, size=row.size) for row in connection.execute(query)}


def keep_outputs(connection: Connection, written: Iterable[Output]) -> None:
    """Remember files that we wrote."""
    values = [{"path": output.path, "digest": output.digest, "size": output.size} for output in written]
    if values:
        statement = upsert(connection, outputs)
        new = {"digest": statement.excluded.digest, "size": statement.excluded.size}
        connection.execute(statement.on_conflict_do_update(index_elements=["path"], set_=new), values)


def forget_outputs(connection: Connection, paths: Iterable[str]) -> None:
    """Forget files that are no more."""
    values = [{"gone": path} for path in paths]
    if values:
        connection.execute(delete(outputs).where(outputs.c.path == bindparam("gone")), values)


_ORDER = (feed_entries.c.ordered_at, feed_entries.c.published, feed_entries.c.uid)
_NEWEST_FIRST = tuple(column.desc() for column in _ORDER)
_PACED = (0, 2, 5, 10, 20)
"""The entries that the pace of a feed is told by: from the newest to the last of these that there is."""


def _in_family(family: str) -> ColumnElement[bool]:
    return feed_entries.c.feed_id.in_(select(feeds.c.id).where(feeds.c.family == family))


def _placed(
    connection: Connection,
    family: str,
    column: ColumnElement[int] | ColumnElement[str],
    values: list[int] | list[str],
) -> list[Placed]:
    found: list[Placed] = []
    for start in range(0, len(values), _VARIABLES):
        some = values[start : start + _VARIABLES]
        query = select(feed_entries).where(and_(_in_family(family), column.in_(some)))
        found += [_place(row) for row in connection.execute(query)]
    return found


def _shown(connection: Connection, feed: FeedRow, which: ColumnElement[bool], *, limit: int | None) -> list[Placed]:
    """Entries of a feed to be shown, newest first."""
    query = (
        select(feed_entries, articles.c.revision, articles.c.updated)
        .join(articles, articles.c.id == feed_entries.c.article_id)
        .where(feed_entries.c.feed_id == feed.row, which)
        .order_by(*_NEWEST_FIRST)
        .limit(limit)
    )
    return [replace(_place(row), stamp=Stamp(row.revision, from_ms(row.updated))) for row in connection.execute(query)]


def _feed(row: Row[*tuple[Any, ...]]) -> FeedRow:
    return FeedRow(
        row=row.id,
        name=row.name,
        value=row.value,
        uid=row.uid,
        created_at=from_ms(row.created_at),
        limits=row.limits,
        floor=row.floor,
    )


def _place(row: Row[*tuple[Any, ...]]) -> Placed:
    return Placed(
        feed=row.feed_id,
        article=row.article_id,
        uid=row.uid,
        ordered_at=row.ordered_at,
        published=from_ms(row.published),
        document=row.document,
    )
