"""From the store to the files: what is due is laid out, printed, and noted."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from feedbridge import intake
from feedbridge.children import cores
from feedbridge.composing import (
    ENTRIES,
    PAGE,
    Composer,
    Copied,
    Facts,
    Page,
    Standing,
    about,
    document_path,
    entry_path,
    feed_title,
    forms_of,
    keys_of,
    paths_of,
    site_face,
    subscription_path,
    subscription_to,
)
from feedbridge.errors import OutputError, PublishError
from feedbridge.feeds import archives, assemble, slices
from feedbridge.feeds.slices import Cut
from feedbridge.model import SourceFacts
from feedbridge.pages import crawlers
from feedbridge.pages.frame import MARK
from feedbridge.pages.theme import theme_of
from feedbridge.paging import EntryPages
from feedbridge.pictures.album import Album
from feedbridge.pictures.keys import Keys
from feedbridge.printing import MOST_PROCESSES, Job, Printed, Printers, not_published, print_page, put
from feedbridge.publish.opening import open_outlet
from feedbridge.publish.outputs import Outlet
from feedbridge.settings import FeedTable, Settings, Site, digest
from feedbridge.store import feeds as rows
from feedbridge.store import pictures, polls, visits
from feedbridge.store.database import Store
from feedbridge.store.feeds import SUBSCRIPTION, FeedRow, Output, Pace, Stand
from feedbridge.store.pictures import Wanted
from feedbridge.tally import Progress

RENDERING_VERSION = 3
"""Counts up when documents would be written otherwise; all are then written again."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DOCUMENT_OVERHEAD = 4096
"""Bytes set aside for what stands around a document's entries."""


_MARKS = {"index.html": MARK, "robots.txt": crawlers.ROBOTS_MARK, "sitemap.xml": crawlers.SITEMAP_MARK}
"""What tells files of ours from those that somebody else wrote in their place."""

PRINTERS_FROM = 8
"""From so many archive documents on, they are printed by processes of their own."""


@dataclass(kw_only=True, slots=True)
class Report:
    """What publishing did.

    Attributes:
        written: Files whose bytes are new.
        same: Files that were due and came out the same.
        removed: Files that are no more.
        left_out: Entries that could not be written, as document, entry and reason.
        held: Feeds whose files stay as they stand, with the reason.
        waiting: Documents that wait for copies of their pictures.
        errors: Why a document could not be written.
    """

    written: list[str] = field(default_factory=list)
    same: int = 0
    removed: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    waiting: int = 0
    errors: list[str] = field(default_factory=list)

    def fail(self, errors: Iterable[str]) -> None:
        """Tell why documents cannot be written; what is wrong with many of them is told once."""
        self.errors = list(dict.fromkeys((*self.errors, *errors)))

    def go_on(self, later: "Report") -> None:
        """Add what was done later, where the same documents may be told of again."""
        self.written = list(dict.fromkeys((*self.written, *later.written)))
        self.same += later.same
        self.removed += later.removed
        self.left_out = list(dict.fromkeys((*self.left_out, *later.left_out)))
        self.held, self.waiting, self.errors = later.held, later.waiting, later.errors


class Patience:
    """How long documents wait for copies of their pictures, so that readers get those from the first.

    Args:
        seconds: From when a document was first due.
        clock: Seconds that only grow.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[tuple[int, int], float] = {}

    def waits(self, feed: int, number: int) -> bool:
        """Whether a document is to wait still."""
        since = self._since.setdefault((feed, number), self._clock())
        return self._clock() - since < self._seconds

    def ends(self, feed: int, number: int) -> None:
        """Forget a document that was written."""
        self._since.pop((feed, number), None)


_NO_PATIENCE = Patience(0)


def publish(
    store: Store,
    settings: Settings,
    *,
    now: datetime,
    report: Report,
    patience: Patience = _NO_PATIENCE,
    progress: Progress = lambda _done, _of: None,
) -> None:
    """Write every document that is due.

    Args:
        store: Open for writing.
        settings: What is to be written.
        now: The creation date of feeds that are new; aware, UTC.
        report: Told what was done, and what failed.
        patience: How long documents wait for copies of their pictures.
        progress: Told, with every document, how many families of feeds of how many are done.

    Raises:
        StoreError: The store cannot be read or written.
        PublishError: The output folder cannot be used at all.
        SettingsError: The keys that sign pictures cannot be used.
    """
    folder = open_outlet(settings.site)
    folder.prepare()
    with store.transaction() as connection:
        rows.forget_families(connection, but=[*(table.name for table in settings.feed), rows.INDEX])
        outputs = rows.written(connection, but=f"{ENTRIES}/")
        facts = visits.facts(connection)
        complete = polls.completed(connection)
    keys = keys_of(settings)
    families = 0
    press = _Press(
        store, settings, folder, outputs, report, facts, keys, patience, lambda: progress(families, len(settings.feed))
    )
    tables = [table for table in settings.feed if not _is_held(settings, table, folder, outputs, complete, report)]
    reached = {
        table.name: intake.take_in(store, settings, table, look=_look(settings, table, facts, keys), now=now)
        for table in tables
    }
    if len(tables) == len(settings.feed):  # else what one feed lets go may be what a held one shows
        intake.retain(store, settings, tables, now=now)
    for families, table in enumerate(tables):  # noqa: B007  (progress tells it)
        press.print_family(table, revision=reached[table.name])
    progress(len(tables), len(settings.feed))
    if len(tables) == len(settings.feed):  # else the index would lose the feeds that are held, and they their files
        press.sweep(outputs, press.print_indexes())
        press.sweep_entries()
    press.sync()


def publish_family(
    store: Store, settings: Settings, name: str, *, now: datetime, report: Report, patience: Patience = _NO_PATIENCE
) -> None:
    """Write every document of one family that is due, while others may write those of the others.

    Args:
        store: Open for writing.
        settings: What is to be written.
        name: The family's; one that the settings do not have has nothing to be written.
        now: The creation date of feeds that are new; aware, UTC.
        report: Told what was done, and what failed.
        patience: How long documents wait for copies of their pictures.

    Raises:
        StoreError: The store cannot be read or written.
        PublishError: The output folder cannot be used at all, or another process writes the family.
        SettingsError: The keys that sign pictures cannot be used.
    """
    for table in settings.feed:
        if table.name != name:
            continue
        with store.exclusively(_lock(name)) as check:
            if check is None:
                raise PublishError(f'feed "{name}": another process is writing it')
            folder = open_outlet(settings.site, check=check)
            folder.prepare(sweep=False)
            names = [source.name for source in settings.sources_of(table)]
            with store.transaction() as connection:
                outputs = rows.written(connection, below=[f"feeds/{name}{following}" for following in "./-"])
                facts = visits.facts(connection, names)
                complete = polls.completed(connection, names)
            if _is_held(settings, table, folder, outputs, complete, report):
                return
            keys = keys_of(settings)
            press = _Press(store, settings, folder, outputs, report, facts, keys, patience)
            revision = intake.take_in(store, settings, table, look=_look(settings, table, facts, keys), now=now)
            press.print_family(table, revision=revision)
            press.sync()


def publish_indexes(store: Store, settings: Settings, *, report: Report) -> None:
    """Write the list of all feeds, where it says something new, and remove the files that no feed has any more.

    Raises:
        StoreError: The store cannot be read or written.
        PublishError: The output folder cannot be used at all, or another process is at it.
    """
    with store.exclusively(_lock(rows.INDEX)) as check:
        if check is None:
            raise PublishError("the list of all feeds: another process is writing it")
        folder = open_outlet(settings.site, check=check)
        folder.prepare(sweep=False)
        with store.transaction() as connection:  # first: what is written from now on is not swept away
            outputs = rows.written(connection, but=f"{ENTRIES}/")
            facts = visits.facts(connection)
            complete = polls.completed(connection)
        if any(_is_held(settings, table, folder, outputs, complete, report) for table in settings.feed):
            return
        press = _Press(store, settings, folder, outputs, report, facts, None, _NO_PATIENCE)
        press.sweep(outputs, press.print_indexes())
        press.sweep_entries()
        press.sync()


def let_go(store: Store, settings: Settings, *, now: datetime) -> None:
    """Drop the feeds that the settings no longer have, and what the owner does not wish to keep.

    A family that another process writes is waited for.

    Raises:
        StoreError: The store cannot be read or written.
        PublishError: The output folder cannot be used at all.
        SettingsError: The keys that sign pictures cannot be used.
    """
    folder = open_outlet(settings.site)
    folder.prepare(sweep=False)
    with store.transaction() as connection:
        rows.forget_families(connection, but=[*(table.name for table in settings.feed), rows.INDEX])
        outputs = rows.written(connection, but=f"{ENTRIES}/")
        facts = visits.facts(connection)
        complete = polls.completed(connection)
    keepers = [table for table in settings.feed if table.keep is not None]
    if not keepers or any(_is_held(settings, table, folder, outputs, complete, Report()) for table in settings.feed):
        return
    keys = keys_of(settings)
    for table in settings.feed:  # first: what one feed lets go may be what another is to show
        with store.exclusively(_lock(table.name), waits=True):
            intake.take_in(store, settings, table, look=_look(settings, table, facts, keys), now=now)
    for table in keepers:
        with store.exclusively(_lock(table.name), waits=True):
            intake.retain(store, settings, [table], now=now)


def _lock(family: str) -> str:
    return f"feedbridge: {family}"


def publish_first(store: Store, settings: Settings, source: str, *, now: datetime) -> None:
    """Write the subscription documents that show a source and do not stand yet, though not all of it is read.

    What they show is what is kept by now; archives come when all is known. Nothing that stands is touched, and the
    feeds' own order is not begun: it is made when all dates are known.

    Raises:
        StoreError: The store cannot be read or written.
        PublishError: The output folder cannot be used at all.
    """
    folder, report = open_outlet(settings.site), Report()
    folder.prepare()
    with store.transaction() as connection:
        outputs, facts = rows.written(connection, but=f"{ENTRIES}/"), visits.facts(connection)
    keys = keys_of(settings)
    press = _Press(store, settings, folder, outputs, report, facts, keys, _NO_PATIENCE)
    for table in settings.feed:
        shows = any(one.name == source for one in settings.sources_of(table))
        if shows and not folder.feeds(table.name, table.formats, family=table.by is not None):
            press.print_first(table, look=_look(settings, table, facts, keys), now=now)


class _Undone(Exception):  # noqa: N818  (it is how a transaction is undone)
    """What was tried out is not kept."""


def _is_held(
    settings: Settings,
    table: FeedTable,
    folder: Outlet,
    outputs: Mapping[str, Output],
    complete: Collection[str],
    report: Report,
) -> bool:
    """Whether the files of a feed must stay as they stand, for the store is new and does not know all of it yet.

    Were the store lost, and a source's folder with it, the feed would otherwise be replaced by one with less in it.
    """
    names = [source.name for source in settings.sources_of(table)]
    missing = [name for name in names if name not in complete]
    if not missing:
        return False
    found = folder.feeds(table.name, table.formats, family=table.by is not None)
    standing = [path for path in found if path not in outputs]
    if standing:
        report.held.append(
            f'feed "{table.name}": its files stay as they stand, for they are older than the store'
            f" and not every source has been read yet: {', '.join(missing)}"
        )
    return bool(standing)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listed:
    """A feed as the list of all feeds has it.

    Attributes:
        paths: Its subscription documents, with their formats.
        pages: Its pages, that with the newest entries first; those of single entries are not among them.
        files: All its files, but the pages of single entries.
    """

    title: str
    subtitle: str | None
    language: str | None
    link: str
    newest: datetime | None
    pace: Pace | None
    paths: tuple[tuple[str, str], ...]
    pages: tuple[str, ...]
    files: tuple[str, ...] = field(repr=False)


class _Press:
    """Writes documents."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        folder: Outlet,
        outputs: Mapping[str, Output],
        report: Report,
        facts: Facts,
        keys: Keys | None,
        patience: Patience,
        heed: Callable[[], None] = lambda: None,
    ) -> None:
        self._heed = heed
        self._store = store
        self._settings = settings
        self._album = Album(base_url=settings.site.base_url, keys=keys)
        self._patience = patience
        self.folder = folder
        self._ours = frozenset(outputs)
        self._known = {path: outputs[path] for path in folder.whole(outputs)}
        self._report = report
        self._facts = facts

    def print_first(self, table: FeedTable, *, look: str, now: datetime) -> None:
        """Write the subscription documents of a family with what is there; the store knows the files alone of it."""
        pages: list[tuple[Composer, FeedRow, Page]] = []
        with contextlib.suppress(_Undone), self._store.transaction() as connection:
            intake.take_in_by(connection, self._settings, table, look=look, now=now)
            for feed in rows.feeds_of(connection, table.name):
                composer = Composer(self._settings, table, feed, self._facts, self._album)
                layout = _Layout(self, self._store, self._settings, table, feed, composer, revision=0)
                pages.append((composer, feed, layout.lay_out(connection, first=True)))
            raise _Undone
        for composer, feed, page in pages:
            printed = print_page(self.folder, composer, table.formats, feed, page, SUBSCRIPTION, last=SUBSCRIPTION)
            with self._store.transaction() as connection:
                rows.keep_outputs(connection, self._take(printed))
                rows.mark_all_dirty(connection, table.name)

    def print_family(self, table: FeedTable, *, revision: int) -> None:
        """Write what is due of a family, into which articles were taken up to a revision."""
        has_entries = self._settings.pages_of(table) == "entries"
        with self._store.transaction() as connection:
            feeds = rows.feeds_of(connection, table.name)
            documents = rows.documents_by_feed(connection, table.name)
        for feed in feeds:
            composer = Composer(self._settings, table, feed, self._facts, self._album)
            layout = _Layout(self, self._store, self._settings, table, feed, composer, revision=revision)
            entries = EntryPages(self._store, self.folder, feed, composer) if has_entries else None
            for printed in entries.print() if entries else ():  # before what leads there
                self.tell(printed)
            layout.print(documents.get(feed.row, {}))
            if entries:
                removed, errors = entries.remove()
                self._report.removed += removed
                self._report.errors += errors

    def print_indexes(self) -> set[str]:
        """Write what leads to all feeds, where it says something new; gives its paths, and all that it leads to."""
        site = self._settings.site
        told = site.model_dump(mode="json", exclude={"storage"}) | _kept_as(site)
        theme = theme_of(site.theme).digest if site.pages else None
        with self._store.transaction() as connection:
            before = rows.family(connection, rows.INDEX)
            listed = self._list(connection)
        look = digest([RENDERING_VERSION, told, theme, repr(listed)])
        foreign = {path for path in _indexes(site) if self._is_foreign(path)}
        if "index.html" in foreign:
            self._report.held.append("index.html: stays as it stands, for feedbridge did not write it")
        paths = [path for path in _indexes(site) if path not in foreign]
        if before.look != look or not all(map(self.is_whole, paths)):
            stand = [self._put_index(path, listed) for path in paths]
            if all(stand):
                with self._store.transaction() as connection:
                    rows.keep_family(connection, rows.INDEX, rows.Family(look=look))
        return {*paths, *(path for feed in listed for path in feed.files)}

    def _put_index(self, path: str, listed: Sequence[_Listed]) -> bool:
        try:
            body, media_type = self._index(path, listed)
        except PublishError as error:
            self._report.fail([str(error)])
            return False
        return self.put(path, body, media_type)

    def _is_foreign(self, path: str) -> bool:
        """Whether somebody else wrote what stands there; robots.txt and the sitemap often are."""
        mark = _MARKS.get(path)
        return mark is not None and path not in self._ours and self.folder.is_foreign(path, mark=mark)

    def _index(self, path: str, listed: Sequence[_Listed]) -> tuple[bytes, str]:
        """What stands at the top of the site, and its media type."""
        from feedbridge.feeds import opml, rendering
        from feedbridge.pages import index

        site = self._settings.site
        match path:
            case "feeds.opml":
                newest = max((feed.newest for feed in listed if feed.newest), default=EPOCH)
                outlines = [
                    opml.OpmlFeed(title=feed.title, xml_url=f"{site.base_url}{feed.paths[0][1]}", html_url=feed.link)
                    for feed in listed
                ]
                return opml.opml(site.title, outlines, newest), rendering.OPML
            case "sitemap.xml":
                pages = ("", *(page for feed in listed for page in feed.pages))
                return crawlers.sitemap(f"{site.base_url}{page}" for page in pages), rendering.XML
            case "robots.txt":
                return crawlers.robots(f"{site.base_url}sitemap.xml"), rendering.TEXT
            case _:
                feeds = [
                    index.IndexFeed(
                        title=feed.title,
                        subtitle=feed.subtitle,
                        language=feed.language,
                        page=feed.pages[0] if feed.pages else None,
                        newest=feed.newest,
                        newest_title=feed.pace.title if feed.pace else None,
                        interval=feed.pace.interval if feed.pace else None,
                        subscriptions=tuple(subscription_to(path, form) for form, path in feed.paths),
                    )
                    for feed in listed
                ]
                return index.index(site_face(self._settings), feeds, opml="feeds.opml"), rendering.HTML

    def put(self, path: str, body: bytes, media_type: str) -> bool:
        """Check a document and put it in place; what fails is reported, and what stands there stays."""
        from feedbridge.feeds import lint

        problems = lint.lint(body, media_type)
        if problems:
            self._report.errors.append(not_published(path, problems[0].message))
            return False
        printed = put(self.folder, path, body)
        self._report.errors += printed.errors
        if fresh := self._take(printed):
            with self._store.transaction() as connection:
                rows.keep_outputs(connection, fresh)
        return not printed.errors

    def standing(self, feed: FeedRow, number: int, stand: Stand, forms: Iterable[str]) -> Standing | None:
        """A document as it stands; None where not each of its files is as we wrote it."""
        cuts = dict[str, Cut]()
        for form in forms:
            output = self._known.get(document_path(feed.name, number, form))
            body = self.folder.read(output.path, output.digest) if output else None
            cut = slices.cut(body, form) if body else None
            if cut is None:
                return None
            cuts[form] = cut
        return Standing(stand=stand, cuts=cuts)

    def print_many(self, jobs: Sequence[Job], *, beside: Callable[[Job], Printed], stand: Stand) -> Iterator[int]:
        """Print archive documents in several processes, this one among them; gives the numbers of what is done."""
        with Printers(self._settings, self._facts, count=max(1, min(cores(), MOST_PROCESSES) - 1)) as printers:
            for job, printed in printers.print(jobs, beside=beside):
                if printed is not None:
                    self.note(job.feed, job.number, printed, stand=stand, shown={})
                    yield job.number

    def is_held_up(self, feed: FeedRow, number: int, page: Page) -> bool:
        """Note what the pictures of a document need, and say whether it is to wait for copies of them."""
        if page.pictures:
            with self._store.transaction() as connection:
                pictures.show(connection, feed.row, number, page.pictures)
        waits = page.lacks_copies and self._patience.waits(feed.row, number)
        self._report.waiting += waits
        return waits

    def note(self, feed: FeedRow, number: int, printed: Printed, *, stand: Stand, shown: Mapping[str, Wanted]) -> None:
        """Note what became of a document; where all of its files stand as they should, it is no longer due.

        Args:
            feed: Whose document it is.
            number: Its number.
            printed: What became of it.
            stand: What it was printed with.
            shown: What its pictures need.
        """
        fresh = self.tell(printed)
        with self._store.transaction() as connection:
            rows.keep_outputs(connection, fresh)
            if not printed.errors:
                rows.mark_clean(connection, [(feed.row, number)], stand=stand)
                pictures.show_only(connection, feed.row, number, shown)
            else:
                rows.distrust(connection, feed.row, number)
        if not printed.errors:
            self._patience.ends(feed.row, number)

    def tell(self, printed: Printed) -> list[Output]:
        """Report what became of a document; gives the files that are other than the store has them."""
        self._heed()
        self._report.left_out += printed.left_out
        self._report.fail(printed.errors)
        return self._take(printed)

    def is_whole(self, path: str) -> bool:
        """Whether the file stands as we wrote it, as far as its size tells."""
        return path in self._known

    def sweep(self, outputs: dict[str, Output], expected: Iterable[str]) -> None:
        """Remove files that no feed has any more, if nobody but us wrote them."""
        gone = []
        for path in sorted(outputs.keys() - set(expected)):
            try:
                if self.folder.remove(path, outputs[path].digest):
                    self._report.removed.append(path)
            except OutputError as error:
                self._report.errors.append(str(error))
                break
            except PublishError as error:
                self._report.errors.append(str(error))
                continue
            gone.append(path)
        self.sync()
        with self._store.transaction() as connection:
            rows.forget_outputs(connection, gone)

    def sweep_entries(self) -> None:
        """Remove the pages of entries of feeds that have none any more."""
        found = self.folder.folders(ENTRIES)  # first: a feed is known before it has pages
        if not found:
            return
        tables = [table for table in self._settings.feed if self._settings.pages_of(table) == "entries"]
        with self._store.transaction() as connection:
            feeds = rows.feeds_by_family(connection)
            stay = {feed.name for table in tables for feed in feeds.get(table.name, ())}
            gone = [rows.written(connection, below=[entry_path(name)]) for name in found if name not in stay]
        for outputs in gone:
            self.sweep(outputs, ())

    def sync(self) -> None:
        """Make what was written outlive a power cut."""
        self.folder.sync()

    def _take(self, printed: Printed) -> list[Output]:
        """Report the files of a document; gives those that are other than the store has them."""
        fresh = []
        for output, is_new in printed.outputs:
            if is_new:
                self._report.written.append(output.path)
            else:
                self._report.same += 1
            if self._known.get(output.path) != output:
                fresh.append(output)
                self._known[output.path] = output
        return fresh

    def _list(self, connection: Connection) -> list[_Listed]:
        """All feeds, in the order of the settings."""
        feeds, last = rows.feeds_by_family(connection), rows.last_documents(connection)
        newest = rows.newest_by_feed(connection)
        paces = rows.paces(connection) if self._settings.site.pages else {}
        return [
            self._listed(
                table,
                feed,
                newest=newest.get(feed.row),
                pace=paces.get(feed.row),
                last=last.get(feed.row, SUBSCRIPTION) if table.archives else SUBSCRIPTION,
            )
            for table in self._settings.feed
            for feed in feeds.get(table.name, ())
        ]

    def _listed(
        self, table: FeedTable, feed: FeedRow, *, newest: datetime | None, pace: Pace | None, last: int
    ) -> _Listed:
        told = about(self._settings, table, self._facts)
        files = [path for number in range(last + 1) for path in paths_of(self._settings, table, feed, number)]
        return _Listed(
            title=feed_title(self._settings, table, feed, self._facts),
            subtitle=table.subtitle or told.subtitle,
            language=table.language or told.language,
            link=table.link or self._settings.site.base_url,
            newest=newest,
            pace=pace,
            paths=tuple((form, subscription_path(feed.name, form)) for form in table.formats),
            pages=tuple(path for path in files if path.endswith(f".{PAGE}")),
            files=tuple(files),
        )


class _Layout:
    """Lays out one feed and prints its documents that are due."""

    def __init__(
        self,
        press: _Press,
        store: Store,
        settings: Settings,
        table: FeedTable,
        feed: FeedRow,
        composer: Composer,
        *,
        revision: int,
    ) -> None:
        self._revision = revision  # articles up to here have been taken in
        self._press = press
        self._store = store
        self._settings = settings
        self._table = table
        self._feed = feed
        self._composer = composer
        self._stands: Mapping[int, Stand] | None = None

    def print(self, due: Mapping[int, bool]) -> None:
        """Print what is due.

        Args:
            due: Its documents, and whether each is due to be written.
        """
        shown: Page | None = None
        if due.get(SUBSCRIPTION, True) or not self._is_whole(SUBSCRIPTION):
            standing = self._standing(SUBSCRIPTION)
            with self._store.transaction() as connection:
                shown = self.lay_out(connection, standing)
                due = rows.documents_of(connection, self._feed)
        last = max(due) if self._table.archives else SUBSCRIPTION
        numbers = [number for number in range(1, last + 1) if due.get(number, True) or not self._is_whole(number)]
        new = {number for number in numbers if not self._has_readers(number)}
        self._print_archives(sorted(new), last)  # before those that stand, which readers follow to them
        self._print_archives([number for number in numbers if number not in new], last)
        if shown is not None:
            self._print(SUBSCRIPTION, shown, last)

    def lay_out(self, connection: Connection, standing: Standing | None = None, *, first: bool = False) -> Page:
        """Choose the entries of the subscription document; the others go into the archive, unless it is the `first`."""
        limits = f"{self._table.limit}/{self._table.max_bytes}"
        raised = self._feed.limits != "" and _is_raised(self._feed.limits, limits)
        floor = 0 if raised else self._feed.floor
        places = rows.candidates(connection, self._feed, limit=self._table.limit, floor=floor)
        page = self._composer.page(connection, places, standing)
        sizes = [entry.size if isinstance(entry, Copied) else assemble.size(entry) for entry in page.entries]
        fitting = assemble.within(sizes, max_bytes=self._table.max_bytes, overhead=DOCUMENT_OVERHEAD)
        entries = page.entries[:fitting]
        page = replace(
            page, entries=entries, sizes={entry.id: size for entry, size in zip(entries, sizes, strict=False)}
        )
        if first:
            return page
        if self._table.archives:
            self._archive(connection, {place.article for place in places[:fitting]})
        archived = [place.ordered_at for place in places[:fitting] if place.document is not None]
        rows.note_layout(connection, self._feed.row, limits=limits, floor=min(archived, default=None))
        return page

    def _archive(self, connection: Connection, shown: set[int]) -> None:
        over = [article for article in rows.unarchived(connection, self._feed) if article not in shown]
        number, filled = rows.open_archive(connection, self._feed)
        numbers, last = archives.place(len(over), number=number, filled=filled)
        rows.archive(connection, self._feed, dict(zip(over, numbers, strict=True)))
        if numbers:
            rows.mark_dirty(connection, {(self._feed.row, one) for one in (*numbers, last)})

    def _print_archives(self, due: Sequence[int], last: int) -> None:
        """Print archive documents: many of them at once, where nothing has to be noted of their pictures."""
        if len(due) >= PRINTERS_FROM and not self._settings.looks_for_pictures:
            jobs = [Job(table=self._table, feed=self._feed, number=number, last=last) for number in due]
            done = set(self._press.print_many(jobs, beside=self._print_job, stand=self._stand({})))
            due = [number for number in due if number not in done]
        for number in due:
            self._print(number, self._page(number), last)

    def _print_job(self, job: Job) -> Printed:
        with self._store.transaction() as connection:
            page = self._composer.archive(connection, job.number)
        forms = forms_of(self._settings, job.table, job.number)
        return print_page(self._press.folder, self._composer, forms, job.feed, page, job.number, last=job.last)

    def _page(self, number: int) -> Page:
        standing = self._standing(number)
        with self._store.transaction() as connection:
            return self._composer.archive(connection, number, standing)

    def _print(self, number: int, page: Page, last: int) -> None:
        if not self._press.is_held_up(self._feed, number, page):
            forms = self._forms(number)
            printed = print_page(self._press.folder, self._composer, forms, self._feed, page, number, last=last)
            self._press.note(self._feed, number, printed, stand=self._stand(page.sizes), shown=page.pictures)

    def _standing(self, number: int) -> Standing | None:
        """A document as it stands, where entries may be copied from it.

        Where it matters which pictures are found, an entry may be due although its article did not change.
        """
        if self._settings.looks_for_pictures:
            return None
        if self._stands is None:
            with self._store.transaction() as connection:
                self._stands = rows.stands_of(connection, self._feed)
        stand = self._stands.get(number)
        if stand is None:
            return None
        return self._press.standing(self._feed, number, stand, self._forms(number))

    def _stand(self, sizes: Mapping[str, int]) -> Stand:
        return Stand(revision=self._revision, sizes=sizes)

    def _forms(self, number: int) -> tuple[str, ...]:
        return forms_of(self._settings, self._table, number)

    def _has_readers(self, number: int) -> bool:
        return any(map(self._press.is_whole, paths_of(self._settings, self._table, self._feed, number)))

    def _is_whole(self, number: int) -> bool:
        return all(map(self._press.is_whole, paths_of(self._settings, self._table, self._feed, number)))


def _indexes(site: Site) -> tuple[str, ...]:
    """What leads to all feeds; the page for people comes last, for it leads to the rest."""
    if not site.pages:
        return ("feeds.opml",)
    if site.robots == "noindex":
        return ("feeds.opml", "index.html")
    own_host = urlsplit(site.base_url).path == "/"  # else nobody would look for robots.txt here
    return ("feeds.opml", "sitemap.xml", *(("robots.txt",) if own_host else ()), "index.html")


def _is_raised(old: str, new: str) -> bool:
    return any(int(after) > int(before) for before, after in zip(old.split("/"), new.split("/"), strict=True))


def _look(settings: Settings, table: FeedTable, facts: Facts, keys: Keys | None) -> str:
    """Digests of all that shapes a feed's documents but the articles, and of what shapes only its pages."""
    site = {"title", "base_url", "language", "author", "hub", "images", "image_rule"}
    faces = {"name", "title", "link", "language", "author", "images", "image_rule", "url"}
    sources = [
        digest([source.model_dump(mode="json", include=faces), repr(_seen(facts.get(source.name)))])
        for source in settings.sources_of(table)
    ]
    documents = digest(
        {
            "rendering": RENDERING_VERSION,
            "keys": keys.name if keys else None,
            "site": settings.site.model_dump(mode="json", include=site),
            "feed": table.model_dump(mode="json", exclude={"pages"}),
            "sources": sources,
        }
        | _kept_as(settings.site)
    )
    theme = theme_of(settings.site.theme).digest if settings.pages_of(table) != "none" else None
    return f"{documents} {digest([settings.pages_of(table), settings.site.robots, theme])}"


def _kept_as(site: Site) -> dict[str, Any]:
    """How documents are kept in a bucket, if that is where they go."""
    if site.output_folder is not None:
        return {}
    return {"storage": site.storage.model_dump(mode="json", include={"max_age", "compress"})}


def _seen(facts: SourceFacts | None) -> SourceFacts | None:
    """What readers may see of it."""
    return facts and replace(facts, least_interval=None, skip_hours=frozenset(), skip_days=frozenset())
