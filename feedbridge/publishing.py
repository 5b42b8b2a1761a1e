"""From the store to the files: what is due is laid out, written, checked, and put in place."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from feedbridge import intake
from feedbridge.articles.identity import is_iri, mint
from feedbridge.articles.images import read_image
from feedbridge.errors import PublishError
from feedbridge.feeds import archives, assemble, html, jsonfeed, lint, opml, rendering, syndication
from feedbridge.feeds.assemble import SourceFace
from feedbridge.model import Element, Entry, Feed, Image, Person, SourceFacts
from feedbridge.pictures.album import Album, ChainOf
from feedbridge.pictures.keys import FILE_NAME, Keys
from feedbridge.policies import DEFAULT, SERVE, Chain, choose
from feedbridge.publish.files import OutputError, OutputFolder
from feedbridge.settings import FeedSource, FeedTable, Settings, Source, digest
from feedbridge.store import articles, pictures, polls, visits
from feedbridge.store import feeds as rows
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store
from feedbridge.store.feeds import SUBSCRIPTION, FeedRow, Output
from feedbridge.store.pictures import Wanted

RENDERING_VERSION = 2
"""Counts up when documents would be written otherwise; all are then written again."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DOCUMENT_OVERHEAD = 4096
"""Bytes set aside for what stands around a document's entries."""


INDEXES = frozenset(("feeds.opml", "index.html"))


@dataclass(frozen=True, slots=True)
class Format:
    """A format that feeds are written in."""

    ending: str
    media_type: str
    render: Callable[[Feed], rendering.Rendering]


FORMATS = {
    "atom": Format("atom", rendering.ATOM, syndication.atom),
    "rss": Format("rss", rendering.RSS, syndication.rss),
    "json": Format("json", rendering.JSON_FEED, jsonfeed.json_feed),
}


Facts = Mapping[str, SourceFacts]
"""What sources say of themselves, by name."""

_NO_FACTS = SourceFacts()


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
    store: Store, settings: Settings, *, now: datetime, report: Report, patience: Patience = _NO_PATIENCE
) -> None:
    """Write every document that is due.

    Args:
        store: Open for writing.
        settings: What is to be written.
        now: The creation date of feeds that are new; aware, UTC.
        report: Told what was done, and what failed.
        patience: How long documents wait for copies of their pictures.

    Raises:
        StoreError: The store cannot be read or written.
        PublishError: The output folder cannot be used at all.
        SettingsError: The keys that sign pictures cannot be used.
    """
    folder = OutputFolder(settings.site.output)
    folder.prepare()
    with store.transaction() as connection:
        rows.forget_families(connection, but=[table.name for table in settings.feed])
        outputs = rows.written(connection)
        facts = visits.facts(connection)
    keys = Keys(key_file(settings)) if settings.uses(SERVE) else None
    press = _Press(store, settings, folder, outputs, report, facts, keys, patience)
    expected: set[str] = set()
    tables = [table for table in settings.feed if not _is_held(store, settings, table, folder, outputs, report)]
    for table in tables:
        intake.take_in(store, settings, table, look=_look(settings, table, facts, keys), now=now)
    if len(tables) == len(settings.feed):  # else what one feed lets go may be what a held one shows
        intake.retain(store, tables, now=now)
    for table in tables:
        expected |= press.print_family(table)
    if len(tables) == len(settings.feed):  # else the index would lose the feeds that are held, and they their files
        expected |= press.print_indexes()
        press.sweep(outputs, expected)
    press.sync()


def _is_held(
    store: Store,
    settings: Settings,
    table: FeedTable,
    folder: OutputFolder,
    outputs: Mapping[str, Output],
    report: Report,
) -> bool:
    """Whether the files of a feed must stay as they stand, for the store is new and does not know all of it yet.

    Were the store lost, and a source's folder with it, the feed would otherwise be replaced by one with less in it.
    """
    endings = [FORMATS[form].ending for form in table.formats]
    found = folder.feeds(table.name, endings, family=table.by is not None)
    standing = [path for path in found if path not in outputs]
    names = [source.name for source in settings.sources_of(table)]
    with store.transaction() as connection:
        complete = polls.completed(connection)
    missing = [name for name in names if name not in complete]
    if standing and missing:
        report.held.append(
            f'feed "{table.name}": its files stay as they stand, for they are older than the store'
            f" and not every source has been read yet: {', '.join(missing)}"
        )
    return bool(standing and missing)


class _Press:
    """Writes documents."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        folder: OutputFolder,
        outputs: Mapping[str, Output],
        report: Report,
        facts: Facts,
        keys: Keys | None,
        patience: Patience,
    ) -> None:
        self._store = store
        self._settings = settings
        self._album = Album(base_url=settings.site.base_url, keys=keys)
        self._patience = patience
        self._folder = folder
        self._ours = frozenset(outputs)
        self._known = {path: output for path, output in outputs.items() if folder.size(path) == output.size}
        self._report = report
        self._facts = facts
        self._indexed: list[html.IndexFeed] = []
        self._listed: list[opml.OpmlFeed] = []
        self._newest: datetime | None = None

    def print_family(self, table: FeedTable) -> set[str]:
        """Write what is due of a family; gives the paths of all its files."""
        expected: set[str] = set()
        with self._store.transaction() as connection:
            feeds = rows.feeds_of(connection, table.name)
            counts = rows.counts(connection, table.name)
        for feed in feeds:
            _, newest = counts.get(feed.row, (0, None))
            layout = _Layout(self, self._store, self._settings, table, feed, self._facts, self._album, self._patience)
            expected |= layout.print()
            self._report.waiting += layout.waiting
            self._list(table, feed, newest=newest)
        return expected

    def print_indexes(self) -> frozenset[str]:
        """Write the list of all feeds, as a page and as OPML."""
        site = self._settings.site
        self.put("feeds.opml", opml.opml(site.title, self._listed, self._newest or EPOCH), rendering.OPML)
        page = html.index(site.title, site.language, self._indexed, opml_href="feeds.opml")
        if "index.html" not in self._ours and self._folder.is_foreign("index.html", mark=html.MARK):
            self._report.held.append("index.html: stays as it stands, for feedbridge did not write it")
            return INDEXES - {"index.html"}
        self.put("index.html", page, rendering.HTML)
        return INDEXES

    def put(self, path: str, body: bytes, media_type: str) -> None:
        """Check a document and put it in place; what fails is reported, and what stands there stays."""
        problems = lint.lint(body, media_type)
        if problems:
            self._report.errors.append(f"{path}: not published, for {problems[0].message}; what stands there stays")
            return
        self._write(path, body)

    def print_document(self, path: str, feed: Feed, form: Format) -> bool:
        """Write a document; a bad entry is left out and named. Says whether it stands as it should."""
        left_out: dict[str, str] = {}
        while True:
            shown = tuple(entry for entry in feed.entries if entry.id not in left_out)
            try:
                made = form.render(replace(feed, entries=shown))
            except PublishError as error:
                self._report.errors.append(str(error))
                return False
            left_out |= {one.entry_id: one.reason for one in made.left_out}
            problems = lint.lint(made.body, form.media_type)
            bad = {problem.entry: problem.message for problem in problems if problem.entry}
            if not bad.keys() - left_out.keys():
                break
            left_out |= bad
        self._report.left_out += [(path, entry, reason) for entry, reason in left_out.items()]
        if problems:
            self._report.errors.append(f"{path}: not published, for {problems[0].message}; what stands there stays")
            return False
        return self._write(path, made.body)

    def is_whole(self, path: str) -> bool:
        """Whether the file stands as we wrote it, as far as its size tells."""
        return path in self._known

    def sweep(self, outputs: dict[str, Output], expected: Iterable[str]) -> None:
        """Remove files that no feed has any more, if nobody but us wrote them."""
        gone = []
        for path in sorted(outputs.keys() - set(expected)):
            try:
                if self._folder.remove(path, outputs[path].digest):
                    self._report.removed.append(path)
            except PublishError as error:
                self._report.errors.append(str(error))
                continue
            gone.append(path)
        self.sync()
        with self._store.transaction() as connection:
            rows.forget_outputs(connection, gone)

    def sync(self) -> None:
        """Make what was written outlive a power cut."""
        self._folder.sync()

    def _write(self, path: str, body: bytes) -> bool:
        try:
            new = self._folder.put(path, body)
        except OutputError:
            raise
        except PublishError as error:
            self._report.errors.append(str(error))
            return False
        if new:
            self._report.written.append(path)
        else:
            self._report.same += 1
        output = Output(path=path, digest=hashlib.sha256(body).hexdigest(), size=len(body))
        if self._known.get(path) != output:
            with self._store.transaction() as connection:
                rows.keep_outputs(connection, [output])
            self._known[path] = output
        return True

    def _list(self, table: FeedTable, feed: FeedRow, *, newest: datetime | None) -> None:
        self._newest = max((date for date in (newest, self._newest) if date), default=None)
        site = self._settings.site
        title = feed_title(self._settings, table, feed, self._facts)
        about = _about(self._settings, table, self._facts)
        paths = {form: subscription_path(feed.name, form) for form in table.formats}
        first = next(iter(paths.values()))
        self._listed.append(
            opml.OpmlFeed(title=title, xml_url=f"{site.base_url}{first}", html_url=table.link or site.base_url)
        )
        self._indexed.append(
            html.IndexFeed(
                title=title,
                subtitle=table.subtitle or about.subtitle,
                language=table.language or about.language,
                newest=newest,
                subscriptions=tuple(
                    html.Subscription(href=path, media_type=FORMATS[form].media_type) for form, path in paths.items()
                ),
            )
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Page:
    """What a document shows.

    Attributes:
        pictures: What its pictures need, by address.
        lacks_copies: Copies of its pictures are still to be looked for.
    """

    entries: tuple[Entry, ...]
    icon: str | None
    extensions: tuple[Element, ...]
    pictures: Mapping[str, Wanted]
    lacks_copies: bool


class _Layout:
    """Lays out one feed and writes its documents that are due."""

    def __init__(
        self,
        press: _Press,
        store: Store,
        settings: Settings,
        table: FeedTable,
        feed: FeedRow,
        facts: Facts,
        album: Album,
        patience: Patience,
    ) -> None:
        self.waiting = 0
        """Documents that wait for copies of their pictures."""
        self._press = press
        self._album = album
        self._patience = patience
        self._store = store
        self._site = settings.site
        self._settings = settings
        self._table = table
        self._feed = feed
        self._sources = settings.sources_of(table)
        self._facts = facts
        self._chains = {source.name: chain_of(settings, table, source) for source in self._sources}
        self._faces = {
            source.name: face(settings, source, facts, album, self._chains[source.name]) for source in self._sources
        }
        self._about = _about(settings, table, facts)
        self._own_pictures = list(self._find_own_pictures())

    def print(self) -> set[str]:
        with self._store.transaction() as connection:
            due = rows.documents_of(connection, self._feed)
        shown: _Page | None = None
        if due.get(SUBSCRIPTION, True) or not self._is_whole(SUBSCRIPTION):
            with self._store.transaction() as connection:
                shown = self._lay_out(connection)
                due = rows.documents_of(connection, self._feed)
        last = max(due) if self._table.archives else SUBSCRIPTION
        for number in range(1, last + 1):
            if due.get(number, True) or not self._is_whole(number):
                self._print_archive(number, last)
        if shown is not None:
            self._print(SUBSCRIPTION, shown, before=last or None, after=None)
        return {path for number in range(last + 1) for path in self._paths(number)}

    def _lay_out(self, connection: Connection) -> "_Page":
        """Choose the entries of the subscription document; the others go into the archive."""
        limits = f"{self._table.limit}/{self._table.max_bytes}"
        raised = self._feed.limits != "" and _is_raised(self._feed.limits, limits)
        floor = 0 if raised else self._feed.floor
        places = rows.candidates(connection, self._feed, limit=self._table.limit, floor=floor)
        kept = articles.load(connection, [place.article for place in places])
        page = self._page(connection, [kept[place.article] for place in places])
        fitting = assemble.within(page.entries, max_bytes=self._table.max_bytes, overhead=DOCUMENT_OVERHEAD)
        if self._table.archives:
            self._archive(connection, {place.article for place in places[:fitting]})
        archived = [place.ordered_at for place in places[:fitting] if place.document is not None]
        rows.note_layout(connection, self._feed.row, limits=limits, floor=min(archived, default=None))
        return replace(page, entries=page.entries[:fitting])

    def _archive(self, connection: Connection, shown: set[int]) -> None:
        over = [article for article in rows.unarchived(connection, self._feed) if article not in shown]
        number, filled = rows.open_archive(connection, self._feed)
        numbers, last = archives.place(len(over), number=number, filled=filled)
        rows.archive(connection, self._feed, dict(zip(over, numbers, strict=True)))
        if numbers:
            rows.mark_dirty(connection, {(self._feed.row, one) for one in (*numbers, last)})

    def _print_archive(self, number: int, last: int) -> None:
        with self._store.transaction() as connection:
            page = self._page(connection, articles.in_document(connection, self._feed.row, number))
        before, after = archives.neighbours(number, last=last)
        self._print(number, page, before=before, after=after)

    def _page(self, connection: Connection, kept: Sequence[Kept]) -> "_Page":
        """What a document with these articles shows."""
        images = [
            (image, self._chains[one.article.source](image))
            for one in kept
            for image in (*one.article.images, one.article.lead_image)
            if image is not None
        ]
        self._album.begin(connection, [*images, *self._own_pictures])
        return _Page(
            entries=tuple(self._entry(one) for one in kept),
            icon=self._table.icon or self._icon(),
            extensions=self._feed_extensions(),
            pictures=self._album.wanted,
            lacks_copies=self._album.lacks_copies,
        )

    def _print(self, number: int, page: "_Page", *, before: int | None, after: int | None) -> None:
        row = self._feed.row
        if page.pictures:
            with self._store.transaction() as connection:
                pictures.show(connection, row, number, page.pictures)
        if page.lacks_copies and self._patience.waits(row, number):
            self.waiting += 1
            return
        done = []
        for name in self._table.formats:
            form = FORMATS[name]
            path = document_path(self._feed.name, number, name)
            feed = Feed(
                id=self._table.id or self._feed.uid,
                title=feed_title(self._settings, self._table, self._feed, self._facts),
                subtitle=self._table.subtitle or self._about.subtitle,
                link=self._table.link or self._site.base_url,
                self_link=self._address(number, name),
                current=self._address(SUBSCRIPTION, name),
                prev_archive=self._address(before, name) if before else None,
                next_archive=self._address(after, name) if after else None,
                archive=number != SUBSCRIPTION,
                updated=max((entry.updated for entry in page.entries), default=self._feed.created_at),
                author=Person(name=self._table.author or self._site.author or self._site.title),
                language=self._table.language or self._site.language or self._common_language(),
                rights=self._table.rights or self._about.rights,
                icon=page.icon,
                extensions=page.extensions,
                hub=self._site.hub,
                entries=page.entries,
            )
            done.append(self._press.print_document(path, feed, form))
        self._press.sync()
        if all(done):
            self._patience.ends(row, number)
            with self._store.transaction() as connection:
                rows.mark_clean(connection, [(row, number)])
                pictures.show_only(connection, row, number, page.pictures)

    def _entry(self, kept: Kept) -> Entry:
        return assemble.entry(kept.article, self._faces[kept.article.source], merged=len(self._sources) > 1)

    def _common_language(self) -> str | None:
        """The language of the feed's sources, if they have one in common."""
        spoken = {face.language for face in self._faces.values()}
        return spoken.pop() if len(spoken) == 1 else None

    def _icon(self) -> str | None:
        """The picture of the feed that this one republishes, at the address that its policy gives it."""
        image = self._icon_image()
        return self._only_face().address_of(image) if image else None

    def _icon_image(self) -> Image | None:
        if self._about.icon is None:
            return None
        image = read_image({"src": self._about.icon}, base=self._about.link)
        return image if image and not image.origin.startswith("data:") else None

    def _feed_extensions(self) -> tuple[Element, ...]:
        """What the feed that this one republishes says of itself in other vocabularies."""
        if not self._about.extensions:
            return ()
        return assemble.feed_extensions(self._about.extensions, self._only_face().address_of)

    def _find_own_pictures(self) -> Iterator[tuple[Image, Chain]]:
        """The pictures that stand for the whole feed."""
        found: list[Image] = []

        def note(image: Image) -> str:
            found.append(image)
            return image.origin

        assemble.feed_extensions(self._about.extensions, note)
        icon = self._icon_image()
        for image in (*found, *([icon] if icon else ())):
            (chain,) = self._chains.values()
            yield image, chain(image)

    def _only_face(self) -> SourceFace:
        (only,) = self._faces.values()
        return only

    def _address(self, number: int, form: str) -> str:
        return f"{self._site.base_url}{document_path(self._feed.name, number, form)}"

    def _paths(self, number: int) -> Iterator[str]:
        for form in self._table.formats:
            yield document_path(self._feed.name, number, form)

    def _is_whole(self, number: int) -> bool:
        return all(self._press.is_whole(path) for path in self._paths(number))


def subscription_path(feed: str, form: str) -> str:
    """Where a feed's subscription document is, relative to the output folder."""
    return f"feeds/{feed}.{form}"


def is_subscription(path: str) -> bool:
    """Whether a path is that of a subscription document."""
    return path.startswith("feeds/") and path.count("/") == 1


def feed_title(settings: Settings, table: FeedTable, feed: FeedRow, facts: Facts) -> str:
    """What readers see as the feed's name: its own, else that of the one feed that it republishes, else the site's."""
    own = table.title or _about(settings, table, facts).title
    title = own or settings.site.title
    if feed.value is None:
        return title if own or len(settings.feed) == 1 else f"{title} · {table.name}"
    if table.by != "source":
        return f"{title} · {feed.value}"
    named = next((source for source in settings.source if source.name == feed.value), None)
    return f"{title} · {_title_of(named, facts) if named else feed.value}"


def chain_of(settings: Settings, table: FeedTable | None, source: Source) -> ChainOf:
    """Which chain of picture policies a picture of a source has; the nearest wins: feed, source, site."""
    rules: list[tuple[str, Chain]] = []
    general = None
    for level in (table, source, settings.site):
        if level is not None and general is None:
            rules += [(rule.host, rule.images) for rule in level.image_rule]
            general = level.images
    default = general or DEFAULT
    return lambda image: choose(image, rules, default)


def face(settings: Settings, source: Source, facts: Facts, album: Album, chain: ChainOf) -> SourceFace:
    """What the readers of a feed see of a source."""
    told = facts.get(source.name, _NO_FACTS)
    return SourceFace(
        id=told.id if told.id and is_iri(told.id) else mint(f"{settings.site.base_url}source/{source.name}"),
        title=_title_of(source, facts),
        link=source.link or told.link,
        language=source.language or told.language or settings.site.language,
        author=source.author or next((person.name for person in told.authors), None),
        via=source.url if isinstance(source, FeedSource) else None,
        self_link=told.self_link,
        address_of=lambda image: album.address(image, chain(image)),
        measured=album.measured,
    )


def _title_of(source: Source, facts: Facts) -> str:
    return source.title or facts.get(source.name, _NO_FACTS).title or source.name


def key_file(settings: Settings) -> Path:
    """The file with the keys that sign pictures, beside the store."""
    return settings.site.store_path.with_name(FILE_NAME)


def cache_folder(settings: Settings) -> Path:
    """The folder with pictures that are served, beside the store."""
    return settings.site.store_path.with_name("pictures")


def document_path(feed: str, number: int, form: str) -> str:
    """Where a document of a feed is, relative to the output folder; 0 is the subscription document."""
    ending = FORMATS[form].ending
    return subscription_path(feed, ending) if number == SUBSCRIPTION else f"feeds/{feed}/{number:04}.{ending}"


def _is_raised(old: str, new: str) -> bool:
    return any(int(after) > int(before) for before, after in zip(old.split("/"), new.split("/"), strict=True))


def _about(settings: Settings, table: FeedTable, facts: Facts) -> SourceFacts:
    """What the one source of a feed says of itself; nothing where there are several."""
    sources = settings.sources_of(table)
    return facts.get(sources[0].name, _NO_FACTS) if len(sources) == 1 and not table.by else _NO_FACTS


def _look(settings: Settings, table: FeedTable, facts: Facts, keys: Keys | None) -> str:
    """A digest of all that shapes a feed's documents but the articles."""
    site = {"title", "base_url", "language", "author", "hub", "images", "image_rule"}
    faces = {"name", "title", "link", "language", "author", "images", "image_rule", "url"}
    shown = {source.name: facts[source.name] for source in settings.sources_of(table) if source.name in facts}
    return digest(
        {
            "rendering": RENDERING_VERSION,
            "keys": keys.name if keys else None,
            "site": settings.site.model_dump(mode="json", include=site),
            "facts": {name: repr(_seen(told)) for name, told in shown.items()},
            "feed": table.model_dump(mode="json"),
            "sources": [source.model_dump(mode="json", include=faces) for source in settings.sources_of(table)],
        }
    )


def _seen(facts: SourceFacts) -> SourceFacts:
    """What readers may see of it."""
    return replace(facts, least_interval=None, skip_hours=frozenset(), skip_days=frozenset())
