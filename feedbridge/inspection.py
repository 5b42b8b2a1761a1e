"""Looking without touching: what made an article, what a source would yield, how all stands."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from feedbridge import composing, schedule, standstill
from feedbridge.articles.identity import spellings
from feedbridge.articles.normalise import NORMALISER_VERSION, Normalised, Rules, normalise, recognise
from feedbridge.errors import SourceError, UnusableItem, reason_of
from feedbridge.fetch import files as folder
from feedbridge.fetch.validators import LONGEST_WISH
from feedbridge.keeping import rules_of, too_many
from feedbridge.model import Article, FolderRequest, Image, Page, RawItem
from feedbridge.pages import theme
from feedbridge.pictures.album import Album, Choice
from feedbridge.pictures.keys import Keys
from feedbridge.refresh import listing_of, request_of
from feedbridge.settings import ArchiveSource, FeedSource, Settings, Source
from feedbridge.sources.archive import Archive
from feedbridge.store import articles, feeds, jobs, polls, visits
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store, is_there
from feedbridge.store.jobs import JobCounts
from feedbridge.store.visits import Visit


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedImage:
    """A picture, and what each feed makes of it: its chain, with the choice that is published."""

    image: Image
    feeds: tuple[tuple[str, tuple[Choice, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What is known of an article, or of a file that holds none.

    Attributes:
        file: The file that was asked for, if a file was.
        unusable: Why it holds no article.
        article: The article, kept or as it would be.
        kept: Whether it is in the store.
        removed: Whether it was taken down.
        files: The files that told of it.
        body_from: The one that its text comes from.
        aliases: Everything that it is known by.
        places: The feeds that show it, with the file of its document.
    """

    file: str | None = None
    unusable: str | None = None
    article: Article | None = None
    kept: bool = False
    removed: bool = False
    files: tuple[str, ...] = ()
    body_from: str | None = None
    aliases: tuple[str, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    images: tuple[ExplainedImage, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Previewed:
    """What one file or entry would yield: an article, or the reason why not."""

    path: str
    told: Normalised | None = None
    unusable: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedStatus:
    """How a feed stands; `newest` is when its newest entry was published."""

    name: str
    title: str
    entries: int
    newest: datetime | None
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteStatus:
    """How the site of a source on the web stands; addresses are without user name and password.

    Attributes:
        address: That of the settings.
        asked_at: The one that is asked: it may have moved for good, or its page names a feed.
        moved_to: Where permanent redirects lead, be they believed already or not.
        found: The feed that its page names.
        not_before: It wishes not to be asked sooner, as long as that lies ahead.
        unchanged: Its last good answer brought nothing new; None before the first.
    """

    address: str
    asked_at: str
    moved_to: str | None = None
    found: str | None = None
    not_before: datetime | None = None
    unchanged: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStatus:
    """How a source stands.

    Attributes:
        ailing: It has failed many times on end.
        silent: It has brought nothing for much longer than is its habit.
        site: Where it is on the web, if it is.
    """

    summary: polls.SourceSummary
    ailing: bool
    silent: bool
    site: SiteStatus | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How all stands.

    Attributes:
        work: That of all machines, where workers do it.
    """

    sources: tuple[SourceStatus, ...]
    feeds: tuple[FeedStatus, ...]
    work: JobCounts | None = None


def explain(settings: Settings, link_or_file: str, *, now: datetime) -> list[Explanation]:
    """Show what made an article.

    Args:
        settings: The sources, and the store where it may be kept.
        link_or_file: Its link, its id, or a file: as a path, or relative to its source's folder.
        now: First sight of a file that is not kept yet; aware.

    Raises:
        SourceError: Nothing is known by this name.
        StoreError: The store cannot be read.
    """
    found: list[Explanation] = []
    if is_there(settings.site.store):
        with Store(settings.site.store, write=False) as store, store.transaction() as connection:
            kept = articles.search(connection, spellings(folder.storable(link_or_file)))
            found = [explain_kept(connection, settings, row, one) for row, one in kept.items()]
            found = found or list(_explain_known_file(connection, settings, link_or_file))
    found = found or list(_explain_new_file(settings, link_or_file, now=now))
    if not found:
        raise SourceError(
            f"{link_or_file}: nothing is known by this link, id or file; give the whole link,"
            " or a file in the folder of a source"
        )
    return found


def preview(settings: Settings, source_name: str, *, now: datetime, limit: int) -> Iterator[Previewed]:
    """Show what a source would yield; nothing is kept.

    Of a folder, the files that changed last come first; of a feed, which is asked for, its entries in its own order.

    Raises:
        SourceError: The folder cannot be listed, or the feed cannot be read.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    source = next(source for source in settings.source if source.name == source_name)
    if isinstance(source, FeedSource):
        yield from _preview_feed(settings, source, now=now, limit=limit)
        return
    listing = _list(settings, source)
    newest = sorted(listing.files, key=lambda file: (-file.mtime_ns, file.path))
    for file in newest[:limit]:
        yield preview_file(source, file, now=now)
    for path, reason in listing.refused:
        yield Previewed(path=path, unusable=reason)


def missing_folders(settings: Settings) -> Iterator[tuple[ArchiveSource, str]]:
    """The sources whose folder cannot be read, with the reason."""
    for source in _folders(settings):
        if source.folder is None:
            continue
        try:
            os.scandir(source.folder).close()
        except OSError as error:
            yield source, (error.strerror or str(error)).lower()


def problems(settings: Settings) -> Iterator[str]:
    """What the settings name that is not there, or cannot be used: the key, the reason and the mend."""
    for source, reason in missing_folders(settings):
        yield f'[[source]] "{source.name}": path: {source.path}: {reason}; make the folder, or mend the path'
    if settings.site.pages and settings.site.theme:
        yield from (f"[site]: theme: {problem}" for problem in theme.problems_of(settings.site.theme))


def status(settings: Settings, *, now: datetime) -> Status:
    """How the sources and feeds stand.

    Raises:
        StoreError: There is no store yet, or it cannot be read.
    """
    looked_at = standstill.looked_at(settings.site.store_path) if settings.site.store_is_file else None
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        return Status(
            sources=tuple(
                source_status(connection, source, looked_at=looked_at, now=now) for source in settings.source
            ),
            feeds=tuple(_feed_statuses(connection, settings)),
            work=jobs.counts(connection) if settings.site.engine != "local" and jobs.is_there(connection) else None,
        )


def back_up(settings: Settings, target: Path) -> None:
    """Copy the store as it is now, whether or not a daemon is writing to it.

    Raises:
        StoreError: There is no store, or the copy cannot be written.
    """
    with Store(settings.site.store, write=False) as store:
        store.back_up(target)


def source_status(connection: Connection, source: Source, *, looked_at: datetime | None, now: datetime) -> SourceStatus:
    """How a source stands.

    Args:
        connection: To the store.
        source: Its settings.
        looked_at: When a build last found that nothing had moved, and so did not open the store.
        now: The time; aware.
    """
    summary = polls.summary(connection, source.name, now=now, normaliser=NORMALISER_VERSION)
    if looked_at and summary.last_success:
        summary = replace(summary, last_success=max(looked_at, summary.last_success))
    return SourceStatus(
        summary=summary,
        ailing=summary.failures >= schedule.AILING_AFTER,
        silent=summary.grown and schedule.is_silent(summary.history, now=now),
        site=_site_status(connection, source, summary, now=now) if isinstance(source, FeedSource) else None,
    )


def _site_status(
    connection: Connection, source: FeedSource, summary: polls.SourceSummary, *, now: datetime
) -> SiteStatus:
    from feedbridge.asking import without_user  # here, for they bring what only the web needs
    from feedbridge.visiting import address_of

    visit = visits.visit_by_name(connection, source.name)
    if visit is None or visit.url != source.url:  # what is remembered of another address says nothing of this one
        visit = Visit(url=source.url)
    return SiteStatus(
        address=without_user(source.url),
        asked_at=without_user(address_of(source, visit, now=now)),
        moved_to=without_user(visit.moved_to) if visit.moved_to else None,
        found=without_user(visit.found) if visit.found else None,
        not_before=wish_ahead(summary.not_before, now=now),
        unchanged=summary.unchanged,
    )


def wish_ahead(not_before: datetime | None, *, now: datetime) -> datetime | None:
    """Until when a site wishes to be left alone; None where that is over, or no wish, but a clock that ran ahead."""
    return not_before if not_before and now < not_before <= now + LONGEST_WISH else None


def _feed_statuses(connection: Connection, settings: Settings) -> Iterator[FeedStatus]:
    facts = visits.facts(connection)
    for table in settings.feed:
        counts = feeds.counts(connection, table.name)
        for feed in feeds.feeds_of(connection, table.name):
            entries, newest = counts.get(feed.row, (0, None))
            address = settings.site.base_url + composing.subscription_path(feed.name, table.formats[0])
            title = composing.feed_title(settings, table, feed, facts)
            yield FeedStatus(name=feed.name, title=title, entries=entries, newest=newest, address=address)


def explain_kept(connection: Connection, settings: Settings, row: int, kept: Kept) -> Explanation:
    """What made an article that is in the store, by its row."""
    return Explanation(
        article=kept.article,
        kept=True,
        removed=kept.removed,
        files=tuple(articles.files_of(connection, row)),
        body_from=kept.body_path,
        aliases=tuple(articles.aliases_of(connection, row)),
        places=tuple(_places(connection, settings, row)),
        images=_explain_images(settings, kept.article, connection),
    )


def _explain_known_file(connection: Connection, settings: Settings, name: str) -> Iterator[Explanation]:
    for source in _folders(settings):
        for path in _paths(source, name):
            if file := articles.file_of(connection, source.name, folder.storable(path)):
                if file.article is not None:
                    kept = articles.load(connection, [file.article])[file.article]
                    yield explain_kept(connection, settings, file.article, kept)
                elif file.unusable:
                    yield Explanation(file=file.key, unusable=file.unusable)


def _explain_new_file(settings: Settings, name: str, *, now: datetime) -> Iterator[Explanation]:
    """A file that was never kept is read as a refresh would read it."""
    now = now.astimezone(UTC).replace(microsecond=0)
    for source in _folders(settings):
        for path in _paths(source, name):
            if source.folder is None or not _is_file(source.folder / path):
                continue
            listing = _list(settings, source)
            file = next((file for file in listing.files if file.path == path), None)
            told = preview_file(source, file, now=now) if file else _left_out(source, path)
            article = told.told.article if told.told else None
            yield Explanation(
                file=told.path,
                unusable=told.unusable,
                article=article,
                files=(told.path,),
                body_from=told.path,
                images=_explain_images(settings, article, None) if article else (),
            )
            return


def _folders(settings: Settings) -> Iterator[ArchiveSource]:
    return (source for source in settings.source if isinstance(source, ArchiveSource))


def _list(settings: Settings, source: ArchiveSource) -> folder.Listing:
    return listing_of(request_of(source, leave_out=settings.site.output_folder))


def _paths(source: ArchiveSource, name: str) -> list[str]:
    """What a file may be called relative to a source's folder."""
    if source.folder is None:
        return [name.removeprefix(f"{source.path}/")]
    try:
        root = source.folder.resolve()
        found = [(start / name).resolve() for start in (Path(), root)]
        return list(dict.fromkeys(path.relative_to(root).as_posix() for path in found if root in path.parents))
    except (OSError, RuntimeError, ValueError):
        return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _left_out(source: ArchiveSource, path: str) -> Previewed:
    reason = f'is no article of source "{source.name}": its `glob` or a leading dot leaves it out'
    return Previewed(path=folder.storable(path), unusable=reason)


def _preview_feed(settings: Settings, source: FeedSource, *, now: datetime, limit: int) -> Iterator[Previewed]:
    from feedbridge.asking import Web  # here, for it brings what only the web needs
    from feedbridge.workers import Index

    async def peek() -> tuple[Index, list[RawItem]]:
        async with (
            Web(settings.site) as web,
            web.read(source, await web.fetch(source, source.url, now=now), now=now) as found,
        ):
            wanted = range(min(limit, len(found.reading.index.outlines)))
            items = [item async for batch in found.reading.items(wanted) for _, item in batch]
            return found.reading.index, items

    index, items = asyncio.run(peek())
    yield from (_preview_entry(item, rules_of(source), now=now) for item in items)
    yield from (Previewed(path=one.name, unusable=one.reason) for one in index.left_out)
    if index.beyond:
        yield Previewed(path="the rest", unusable=too_many(index.beyond))


def _preview_entry(item: RawItem, rules: Rules, *, now: datetime) -> Previewed:
    name = item.link or item.id or item.title or "an entry without a name"
    try:
        return Previewed(path=name, told=normalise(item, recognise(item, rules), rules, first_seen=now))
    except Exception as error:  # noqa: BLE001  (as in a refresh, a bad entry is named)
        return Previewed(path=name, unusable=reason_of(error))


def preview_file(source: ArchiveSource, file: folder.FoundFile, *, now: datetime) -> Previewed:
    """What a file of a source would yield."""
    rules = rules_of(source)
    try:
        body = _body_of(source, file)
        item = next(Archive(source).parse(Page(path=file.key, body=body)))
        told = normalise(item, recognise(item, rules), rules, first_seen=now)
    except Exception as error:  # noqa: BLE001  (as in a refresh, a bad file is named)
        return Previewed(path=file.key, unusable=reason_of(error))
    return Previewed(path=file.key, told=told)


def _body_of(source: ArchiveSource, file: folder.FoundFile) -> bytes:
    request = request_of(source, leave_out=None)
    if isinstance(request, FolderRequest):
        return folder.read_file(request.root, file, max_bytes=request.max_bytes)
    from feedbridge.fetch.buckets import read_objects  # here, for a folder needs none of it

    (body,) = read_objects(request, [file])
    if isinstance(body, UnusableItem):
        raise body
    return body


def _places(connection: Connection, settings: Settings, row: int) -> Iterator[tuple[str, str]]:
    for table in settings.feed:
        names = {feed.row: feed.name for feed in feeds.feeds_of(connection, table.name)}
        for place in feeds.entries_of(connection, table.name, [row]):
            name = names[place.feed]
            number = place.document or feeds.SUBSCRIPTION
            yield name, composing.document_path(name, number, table.formats[0])


def _explain_images(settings: Settings, article: Article, connection: Connection | None) -> tuple[ExplainedImage, ...]:
    source = next((source for source in settings.source if source.name == article.source), None)
    if source is None:
        return ()
    album = Album(base_url=settings.site.base_url, keys=standing_keys(settings))
    chains = {
        table.name: composing.chain_of(settings, table, source)
        for table in settings.feed
        if source in settings.sources_of(table)
    }
    if connection is not None:
        album.begin(connection, [(image, chain(image)) for chain in chains.values() for image in article.images])
    return tuple(
        ExplainedImage(
            image=image,
            feeds=tuple((name, tuple(album.choices(image, chain(image)))) for name, chain in chains.items()),
        )
        for image in article.images
    )


def standing_keys(settings: Settings) -> Keys | None:
    """The keys that sign pictures, if there are any yet: looking makes none."""
    file = composing.key_file(settings)
    return Keys(file) if file.exists() else None
