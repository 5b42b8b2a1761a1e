"""What each document of a feed says, before it is written in a format. Only looks into the store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection

from feedbridge.articles.identity import is_iri, mint
from feedbridge.articles.images import read_image
from feedbridge.feeds import archives, assemble
from feedbridge.feeds.assemble import SourceFace
from feedbridge.feeds.rendering import MEDIA_TYPES
from feedbridge.feeds.slices import Cut
from feedbridge.model import Element, Entry, Feed, Image, Person, SourceFacts
from feedbridge.pages.frame import FeedFrame, SiteFace, Subscription, entry_name
from feedbridge.pages.theme import theme_of
from feedbridge.pictures.album import Album, ChainOf
from feedbridge.pictures.keys import FILE_NAME, Keys
from feedbridge.policies import DEFAULT, SERVE, Chain, choose
from feedbridge.settings import FeedSource, FeedTable, Settings, Source
from feedbridge.store import articles
from feedbridge.store import feeds as rows
from feedbridge.store.articles import Kept
from feedbridge.store.feeds import SUBSCRIPTION, FeedRow, Placed, Stand
from feedbridge.store.pictures import Wanted

Facts = Mapping[str, SourceFacts]
"""What sources say of themselves, by name."""

PAGE = "html"
"""The format that is for browsers."""

ENTRIES = "entries"
"""The folder with the pages of entries, below the output folder."""

_NO_FACTS = SourceFacts()


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A document as it stands in its files, which hold what we wrote.

    Attributes:
        stand: What it was printed with.
        cuts: It in each of its formats.
    """

    stand: Stand
    cuts: Mapping[str, Cut]


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """An entry that stands in the files already as it is to be.

    Attributes:
        size: Bytes that it was counted with; 0 in archive documents, which have no limit.
    """

    id: str
    updated: datetime
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What a document shows.

    Attributes:
        pictures: What its pictures need, by address.
        lacks_copies: Copies of its pictures are still to be looked for.
        standing: Where entries are copied from.
        sizes: Bytes that its entries are counted with, by id, where they are counted.
    """

    entries: tuple[Entry | Copied, ...]
    icon: str | None
    extensions: tuple[Element, ...]
    pictures: Mapping[str, Wanted]
    lacks_copies: bool
    standing: Standing | None
    sizes: Mapping[str, int] = field(default_factory=dict)


class Composer:
    """Composes the documents of one feed."""

    def __init__(self, settings: Settings, table: FeedTable, feed: FeedRow, facts: Facts, album: Album) -> None:
        self._settings = settings
        self._site = settings.site
        self._table = table
        self._feed = feed
        self._facts = facts
        self._album = album
        self._sources = {source.name: source for source in settings.sources_of(table)}
        self._chains: dict[str, ChainOf] = {}
        self._faces: dict[str, SourceFace] = {}
        self._about = about(settings, table, facts)
        self._own_pictures = list(self._find_own_pictures())

    def archive(self, connection: Connection, number: int, standing: Standing | None = None) -> Page:
        """What an archive document shows; what did not change since it was printed is copied from there."""
        return self.page(connection, rows.in_document(connection, self._feed, number), standing)

    def page(self, connection: Connection, places: Sequence[Placed], standing: Standing | None) -> Page:
        """What a document with these entries shows; what did not change since it was printed is copied from there."""
        copied = _copied(places, standing) if standing else {}
        kept = articles.load(connection, [place.article for place in places if place.article not in copied])
        images = [
            (image, self._chain(one.article.source)(image))
            for one in kept.values()
            for image in (*one.article.images, one.article.lead_image)
            if image is not None
        ]
        self._album.begin(connection, [*images, *self._own_pictures])
        return Page(
            entries=tuple(copied.get(place.article) or self._entry(kept[place.article]) for place in places),
            icon=self._table.icon or self._icon(),
            extensions=self._feed_extensions(),
            pictures=self._album.wanted,
            lacks_copies=self._album.lacks_copies,
            standing=standing,
        )

    def feed(self, page: Page, number: int, form: str, *, last: int) -> Feed:
        """A document, to be written in a format, without the entries that are copied.

        Args:
            page: What it shows.
            number: 0 is the subscription document.
            form: The format.
            last: Number of the newest archive document, 0 where there is none.
        """
        before, after = (last or None, None) if number == SUBSCRIPTION else archives.neighbours(number, last=last)
        return Feed(
            id=self._table.id or self._feed.uid,
            title=feed_title(self._settings, self._table, self._feed, self._facts),
            subtitle=self._table.subtitle or self._about.subtitle,
            link=self._table.link or self._site.base_url,
            self_link=self._address(number, form),
            current=self._address(SUBSCRIPTION, form),
            prev_archive=self._address(before, form) if before else None,
            next_archive=self._address(after, form) if after else None,
            archive=number != SUBSCRIPTION,
            updated=max((entry.updated for entry in page.entries), default=self._feed.created_at),
            author=Person(name=self._table.author or self._site.author or self._site.title),
            language=self._table.language or self._site.language or self._common_language(),
            rights=self._table.rights or self._about.rights,
            icon=page.icon,
            extensions=page.extensions,
            hub=self._site.hub,
            entries=tuple(entry for entry in page.entries if isinstance(entry, Entry)),
        )

    def frame(self, number: int, *, last: int) -> FeedFrame:
        """What stands around the entries on the page of a document.

        Args:
            number: 0 is the subscription document.
            last: Number of the newest archive document, 0 where there is none.
        """
        pages, name = self._settings.pages_of(self._table), self._feed.name
        newest = subscription_path(name, PAGE)
        newer = older = archive = None
        if pages == "feed":
            form = self._table.formats[0]
            archive = subscription_to(document_path(name, last, form), form) if last else None
        else:
            before, after = (last or None, None) if number == SUBSCRIPTION else archives.neighbours(number, last=last)
            older = document_path(name, before, PAGE) if before else None
            newer = None if number == SUBSCRIPTION else document_path(name, after, PAGE) if after else newest
        return FeedFrame(
            site=self._site_face,
            path=document_path(name, number, PAGE),
            feed_path=newest,
            subscriptions=tuple(subscription_to(subscription_path(name, form), form) for form in self._table.formats),
            entries=entry_path(name) if pages == "entries" else None,
            newer=newer,
            older=older,
            archive=archive,
            number=number,
        )

    @cached_property
    def _site_face(self) -> SiteFace:
        return site_face(self._settings)

    def _entry(self, kept: Kept) -> Entry:
        return assemble.entry(kept.article, self._face(kept.article.source), merged=len(self._sources) > 1)

    def _common_language(self) -> str | None:
        """The language of the feed's sources, if they have one in common."""
        spoken = {_language_of(self._settings, source, self._facts) for source in self._sources.values()}
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
            (only,) = self._sources
            yield image, self._chain(only)(image)

    def _only_face(self) -> SourceFace:
        (only,) = self._sources
        return self._face(only)

    def _chain(self, name: str) -> ChainOf:
        """The picture policies for a source; made when it is first shown, for a feed may have ten thousand."""
        if name not in self._chains:
            self._chains[name] = chain_of(self._settings, self._table, self._sources[name])
        return self._chains[name]

    def _face(self, name: str) -> SourceFace:
        """What the readers see of a source."""
        if name not in self._faces:
            self._faces[name] = face(self._settings, self._sources[name], self._facts, self._album, self._chain(name))
        return self._faces[name]

    def _address(self, number: int, form: str) -> str:
        return f"{self._site.base_url}{document_path(self._feed.name, number, form)}"


def _copied(places: Sequence[Placed], standing: Standing) -> dict[int, Copied]:
    """The entries that stand in every format and whose articles have not changed since, by article."""
    first, *others = (one.entries.keys() for one in standing.cuts.values())
    everywhere = set(first).intersection(*others)
    return {
        place.article: Copied(id=place.uid, updated=stamp.updated, size=standing.stand.sizes.get(place.uid, 0))
        for place in places
        if place.uid in everywhere and (stamp := place.stamp) and stamp.revision <= standing.stand.revision
    }


def subscription_path(feed: str, form: str) -> str:
    """Where a feed's subscription document is, relative to the output folder; files end as their format is called."""
    return f"feeds/{feed}.{form}"


def subscription_to(path: str, form: str) -> Subscription:
    """A document as pages link it."""
    return Subscription(path=path, media_type=MEDIA_TYPES[form])


def is_subscription(path: str) -> bool:
    """Whether a path is that of a subscription document."""
    return path.startswith("feeds/") and path.count("/") == 1 and not path.endswith(f".{PAGE}")


def entry_path(feed: str, entry_id: str | None = None) -> str:
    """Where the page of an entry is, the same for ever, or without one the folder of all, with `/` at its end."""
    return f"{ENTRIES}/{feed}/{entry_name(entry_id) if entry_id else ''}"


def forms_of(settings: Settings, table: FeedTable, number: int) -> tuple[str, ...]:
    """The formats that a document is written in; a page is one of them, where it is wanted."""
    has_page = settings.pages_of(table) != "none" and (number == SUBSCRIPTION or has_archive_pages(settings, table))
    return (*table.formats, PAGE) if has_page else table.formats


def paths_of(settings: Settings, table: FeedTable, feed: FeedRow, number: int) -> list[str]:
    """The files of a document, one for each format."""
    return [document_path(feed.name, number, form) for form in forms_of(settings, table, number)]


def has_archive_pages(settings: Settings, table: FeedTable) -> bool:
    """Whether each archive document of a feed has a page."""
    return settings.pages_of(table) in ("archives", "entries")


def site_face(settings: Settings) -> SiteFace:
    """What the pages say of the whole site."""
    site = settings.site
    return SiteFace(
        title=site.title,
        language=site.language,
        base_url=site.base_url,
        listed=site.robots == "index",
        theme=theme_of(site.theme),
    )


def feed_title(settings: Settings, table: FeedTable, feed: FeedRow, facts: Facts) -> str:
    """What readers see as the feed's name: its own, else that of the one feed that it republishes, else the site's."""
    own = table.title or about(settings, table, facts).title
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
        language=_language_of(settings, source, facts),
        author=source.author or next((person.name for person in told.authors), None),
        via=source.url if isinstance(source, FeedSource) else None,
        self_link=told.self_link,
        address_of=lambda image: album.address(image, chain(image)),
        measured=album.measured,
    )


def _language_of(settings: Settings, source: Source, facts: Facts) -> str | None:
    return source.language or facts.get(source.name, _NO_FACTS).language or settings.site.language


def _title_of(source: Source, facts: Facts) -> str:
    return source.title or facts.get(source.name, _NO_FACTS).title or source.name


def key_file(settings: Settings) -> Path:
    """The file with the keys that sign pictures, beside the store."""
    return settings.site.state_folder / FILE_NAME


def keys_of(settings: Settings) -> Keys | None:
    """The keys that sign pictures, where a policy says `serve`; the first are made.

    Raises:
        SettingsError: The file of the keys is not as it should be.
        StoreError: It cannot be read or written.
    """
    return Keys(key_file(settings)) if settings.uses(SERVE) else None


def cache_folder(settings: Settings) -> Path:
    """The folder with pictures that are served, beside the store."""
    return settings.site.state_folder / "pictures"


def document_path(feed: str, number: int, form: str) -> str:
    """Where a document of a feed is, relative to the output folder; 0 is the subscription document."""
    return subscription_path(feed, form) if number == SUBSCRIPTION else f"feeds/{feed}/{number:04}.{form}"


def about(settings: Settings, table: FeedTable, facts: Facts) -> SourceFacts:
    """What the one source of a feed says of itself; nothing where there are several."""
    sources = settings.sources_of(table)
    return facts.get(sources[0].name, _NO_FACTS) if len(sources) == 1 and not table.by else _NO_FACTS
