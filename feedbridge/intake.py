"""What changed in the store is taken into the feeds: which of them hold it, where it stands, what is let go."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from feedbridge.articles.identity import mint
from feedbridge.settings import FeedTable, Settings, digest
from feedbridge.store import articles
from feedbridge.store import feeds as rows
from feedbridge.store.articles import Change
from feedbridge.store.database import Store
from feedbridge.store.feeds import SUBSCRIPTION, Placed


def take_in(store: Store, settings: Settings, table: FeedTable, *, look: str, now: datetime) -> int:
    """Bring the feeds of one settings table up to date with the articles; what is due to be written is marked.

    Args:
        store: Open for writing.
        settings: Of which `table` is a part.
        table: The feed, or the family of feeds.
        look: Digests of all that shapes its documents but the articles, and of what shapes only its pages, between
            them a space.
        now: The creation date of feeds that are new; aware, UTC.

    Returns:
        The revision up to which articles have been taken in.
    """
    with store.transaction() as connection:
        return take_in_by(connection, settings, table, look=look, now=now)


def take_in_by(connection: Connection, settings: Settings, table: FeedTable, *, look: str, now: datetime) -> int:
    """The same as a part of a transaction."""
    return _Intake(connection, settings, table, look=look, now=now).run()


def retain(store: Store, settings: Settings, tables: Sequence[FeedTable], *, now: datetime) -> None:
    """Drop what the owner does not wish to keep.

    Entries leave the feeds whose table has `keep`; an article that is then in no feed is emptied, and its tombstone
    keeps it away.
    """
    for table in tables:
        if table.keep is None:
            continue
        with store.transaction() as connection:
            dropped: set[int] = set()
            for feed in rows.feeds_of(connection, table.name):
                if isinstance(table.keep, timedelta):
                    over = rows.older_than(connection, feed, now - table.keep)
                else:
                    over = rows.beyond(connection, feed, table.keep)
                rows.drop_entries(connection, [(feed.row, article) for article in over])
                if over:
                    pages = over if settings.pages_of(table) == "entries" else []
                    rows.mark_dirty(
                        connection, [(feed.row, number) for number in (SUBSCRIPTION, *(-one for one in pages))]
                    )
                dropped.update(over)
            for article in rows.without_feed(connection, sorted(dropped)):
                articles.remove(connection, article, now=now)
            rows.forget_empty_feeds(connection, table.name, by_value=table.by is not None)


class _Intake:
    """Takes what changed in the store into the feeds of one settings table."""

    def __init__(
        self, connection: Connection, settings: Settings, table: FeedTable, *, look: str, now: datetime
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._table = table
        self._look = look
        self._now = now
        self._sources = {source.name: rank for rank, source in enumerate(settings.sources_of(table))}
        feeds = rows.feeds_of(connection, table.name)
        self._feeds = {feed.value: feed.row for feed in feeds}
        self._floors = {feed.row: feed.floor for feed in feeds}
        self._dirty: set[tuple[int, int]] = set()
        self._has_entry_pages = settings.pages_of(table) == "entries"
        self._vacated: dict[tuple[int, str], Placed] = {}

    def run(self) -> int:
        family = rows.family(self._connection, self._table.name)
        selection = digest([list(self._sources), self._table.by])
        if self._table.by is None and None not in self._feeds:
            self._add_feed(None)
        anew = family.selection != selection
        reached = articles.latest_revision(self._connection)  # first: what comes meanwhile is for the next time, too
        changes = articles.changed_since(self._connection, list(self._sources), 0 if anew else family.revision)
        self._take(list(changes), anew=anew)
        rows.mark_dirty(self._connection, self._dirty)
        rows.forget_empty_feeds(self._connection, self._table.name, by_value=self._table.by is not None)
        if family.look != self._look:
            self._mark_all(family.look)
        rows.keep_family(
            self._connection, self._table.name, rows.Family(selection=selection, look=self._look, revision=reached)
        )
        return reached

    def _mark_all(self, before: str) -> None:
        """Mark what looks otherwise now: all, or the pages alone."""
        name, pages = self._table.name, self._settings.pages_of(self._table)
        only_pages = before.split()[:1] == self._look.split()[:1]
        rows.mark_all_dirty(self._connection, name, below=1 if only_pages and pages in ("none", "feed") else None)
        if self._has_entry_pages:
            rows.mark_pages(self._connection, name)

    def _take(self, changes: Sequence[Change], *, anew: bool) -> None:
        """Bring the entries of the changed articles, or of all of them, up to date."""
        wanted = {
            (self._feed(value), change.row): change
            for change in changes
            if not change.removed
            for value in _values(self._table.by, change)
        }
        standing = {
            (place.feed, place.article): place
            for place in rows.entries_of(self._connection, self._table.name, [change.row for change in changes])
        }
        wanted = self._without_doubles(wanted)
        surplus = rows.all_entries(self._connection, self._table.name) if anew else standing.keys()
        gone = [pair for pair in surplus if pair not in wanted]
        for pair in {*wanted, *gone} & standing.keys():
            self._dirty |= self._documents(standing[pair])
        if anew:
            self._dirty |= {(feed, SUBSCRIPTION) for feed in self._feeds.values()}
        rows.drop_entries(self._connection, gone)
        self._dirty |= self._pages(gone)
        self._add({pair: change for pair, change in wanted.items() if pair not in standing})

    def _without_doubles(self, wanted: dict[tuple[int, int], Change]) -> dict[tuple[int, int], Change]:
        """Of articles with equal ids, keep in each feed that of the source named first."""
        best: dict[tuple[int, str], tuple[int, int]] = {}
        for (feed, row), change in wanted.items():
            rival = (self._sources[change.source], row)
            best[feed, change.uid] = min(best.get((feed, change.uid), rival), rival)
        uids = [change.uid for change in wanted.values()]
        placed = rows.entries_by_uid(self._connection, self._table.name, uids)
        rivals = {(place.feed, place.uid): place for place in placed}
        strangers = {place.article for place in rivals.values()} - {row for _, row in wanted}
        kept = articles.load(self._connection, strangers) if strangers else {}
        for key, place in rivals.items():
            other = kept.get(place.article)
            if other and other.article.source in self._sources and not other.removed and key in best:
                best[key] = min(best[key], (self._sources[other.article.source], place.article))
        self._vacated = {key: place for key, place in rivals.items() if key in best and best[key][1] != place.article}
        for place in self._vacated.values():
            self._dirty |= self._documents(place)
        rows.drop_entries(self._connection, [(place.feed, place.article) for place in self._vacated.values()])
        return {pair: change for pair, change in wanted.items() if best[pair[0], change.uid][1] == pair[1]}

    def _add(self, new: dict[tuple[int, int], Change]) -> None:
        """Enter new entries in the feed's own order.

        They come in the order of their dates where a source's first refresh found them, or a refresh that brought
        more old articles than half a subscription document holds; else an article found late goes on top, so that
        it still reaches the readers. One that stands for another source's article of the same id takes its place.
        """
        late: dict[tuple[int, str, datetime], int] = {}
        for (feed, _), change in new.items():
            key = (feed, change.source, change.first_seen)
            late[key] = late.get(key, 0) + change.late
        placed = []
        for (feed, row), change in new.items():
            self._dirty |= {(feed, SUBSCRIPTION), *self._pages([(feed, row)])}
            if vacated := self._vacated.get((feed, change.uid)):
                placed.append(replace(vacated, article=row))
                continue
            backfill = late[feed, change.source, change.first_seen] * 2 > self._table.limit
            as_dated = change.from_first or backfill
            instant = change.published if as_dated else max(change.published, change.first_seen)
            placed.append(
                Placed(
                    feed=feed,
                    article=row,
                    uid=change.uid,
                    ordered_at=int(instant.timestamp() * 1000),
                    published=change.published,
                )
            )
        rows.add_entries(self._connection, placed)

    def _documents(self, place: Placed) -> set[tuple[int, int]]:
        """The documents that show an entry: an archived one may be shown again, after a limit was raised."""
        pages = self._pages([(place.feed, place.article)])
        if place.document is None:
            return {(place.feed, SUBSCRIPTION)} | pages
        floor = self._floors[place.feed]
        is_shown = floor is not None and place.ordered_at >= floor
        return {(place.feed, place.document)} | ({(place.feed, SUBSCRIPTION)} if is_shown else set()) | pages

    def _pages(self, pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """The pages of entries (feed and article), where they have pages."""
        return {(feed, -article) for feed, article in pairs} if self._has_entry_pages else set()

    def _feed(self, value: str | None) -> int:
        return self._feeds[value] if value in self._feeds else self._add_feed(value)

    def _add_feed(self, value: str | None) -> int:
        name = self._table.name if value is None else f"{self._table.name}-{file_slug(value)}"
        uid = self._table.id or mint(f"{self._settings.site.base_url}{name}")
        self._feeds[value] = rows.add_feed(
            self._connection, family=self._table.name, name=name, value=value, uid=uid, created_at=self._now
        )
        return self._feeds[value]


def file_slug(value: str) -> str:
    """A name for files about a value: its ASCII letters and digits, and eight hex digits of its SHA-256."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in value.lower())
    slug = "-".join(letters.split())[:40].strip("-")
    digits = hashlib.sha256(value.encode()).hexdigest()[:8]
    return f"{slug}-{digits}" if slug else digits


def _values(by: str | None, change: Change) -> tuple[str | None, ...]:
    match by:
        case "category":
            return tuple(dict.fromkeys(change.categories))
        case "author":
            return tuple(dict.fromkeys(change.authors))
        case "source":
            return (change.source,)
        case _:
            return (None,)
