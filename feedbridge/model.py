"""The values that pass between the stages: frozen, keyword-only, in the words of RFC 4287.

What a source says and what we saw are different fields. Unknown is None; a guess is made where it is shown.
Times are aware, in UTC, cut to whole seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """An author (RFC 4287 section 3.2)."""

    name: str
    uri: str | None = None
    email: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """A category (RFC 4287 section 4.2.2)."""

    term: str
    scheme: str | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Enclosure:
    """A file that belongs to an article, such as a podcast's recording; length in bytes."""

    href: str
    type: str | None = None
    length: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """An element of another vocabulary, such as iTunes' or Podcasting 2.0's, that passes through as it is.

    Attributes:
        namespace: The canonical address of its vocabulary.
        name: Its local name.
        attributes: Those without a namespace, in their order.
    """

    namespace: str
    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    text: str = ""
    children: tuple["Element", ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A picture of an article.

    Attributes:
        origin: The absolute address at its own host, or a small `data:` image.
        chain: The proxies that it came through, outermost first, each a whole address in canonical spelling;
            empty if it came straight from its host.
        width: In CSS pixels, as the source said.
        height: In CSS pixels, as the source said.
    """

    origin: str
    chain: tuple[str, ...] = ()
    alt: str | None = None
    title: str | None = None
    width: int | None = None
    height: int | None = None
    caption: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Witness:
    """A date as somebody wrote it, unparsed.

    Attributes:
        kind: `marker`, `body`, `front-matter`, `link`, `file-name`, `published`, `updated` or `first-seen`.
        text: The date, or the link or name that holds it, as written.
    """

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Testimony:
    """A witness after it was heard, kept with the article so that `explain` can show why.

    Attributes:
        value: The instant it names, or None if it could not be read.
        note: Why it was believed or not, in words.
    """

    kind: str
    text: str
    value: datetime | None
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderRequest:
    """Asks for the files of a folder that are new or changed.

    Attributes:
        root: The folder, absolute.
        patterns: Globs relative to the root; `**` crosses folders.
        max_bytes: Longer files are refused.
        leave_out: A folder whose files are not looked at, such as that of our own output.
    """

    root: Path
    patterns: tuple[str, ...]
    max_bytes: int
    leave_out: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What came for a request.

    Attributes:
        path: The file's path relative to its source's folder, with `/`; or the address that it came from.
        body: Its bytes, whole, no longer compressed.
        content_type: The header's value as the server wrote it.
    """

    path: str
    body: bytes
    content_type: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Asks for another page in place of this one; `url` is absolute."""

    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """Items of a page that are only counted, for it has more than are read."""

    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The feed that an item was first published in (RFC 4287 section 4.2.11), as far as it is told.

    Attributes:
        id: An absolute IRI.
        link: Its page.
        self_link: Its own address.
    """

    id: str | None = None
    title: str | None = None
    link: str | None = None
    self_link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFacts:
    """What a source says of itself.

    Attributes:
        id: An absolute IRI.
        title: Plain text in one line.
        subtitle: Plain text in one line: its description.
        link: The address of its page.
        self_link: The address that it gives for itself.
        icon: The address of its picture.
        language: A BCP 47 tag.
        least_interval: It asks not to be fetched again sooner (RSS `ttl`, `sy:updatePeriod`).
        skip_hours: Hours of the day, 0 to 23 in UTC, in which it is not to be fetched.
        skip_days: Days of the week, Monday is 0, in UTC, on which it is not to be fetched.
        extensions: Elements of other vocabularies that speak of the whole feed.
    """

    id: str | None = None
    title: str | None = None
    subtitle: str | None = None
    link: str | None = None
    self_link: str | None = None
    icon: str | None = None
    language: str | None = None
    rights: str | None = None
    authors: tuple[Person, ...] = ()
    least_interval: timedelta | None = None
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    extensions: tuple[Element, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RawItem:
    """An item as its source wrote it; nothing is parsed, decoded or cleaned yet.

    Attributes:
        link: The address of the article, perhaps relative to `base`.
        title: Plain text, entities undone.
        content: HTML.
        lead_block: True where the content may open with a block that holds author and date.
        pictures: Pictures beside the text, the best first; addresses as written.
        path: The file that it came from, relative to its source's folder.
        witnesses: The dates that the source gives, in no particular order.
        origin: The feed that it was in before it came to this one, if it says so.
        extensions: Elements of other vocabularies.
        shared_id: Other items of the page, with other links or titles, have the same id: it tells nothing.
        shared_link: Other items of the page, with other ids or titles, have the same link.
    """

    id: str | None = None
    link: str | None = None
    title: str | None = None
    authors: tuple[Person, ...] = ()
    categories: tuple[Category, ...] = ()
    summary: str | None = None
    content: str = ""
    lead_block: bool = False
    enclosures: tuple[Enclosure, ...] = ()
    base: str | None = None
    rights: str | None = None
    language: str | None = None
    pictures: tuple[Image, ...] = ()
    path: str | None = None
    witnesses: tuple[Witness, ...] = ()
    origin: Origin | None = None
    extensions: tuple[Element, ...] = ()
    shared_id: bool = False
    shared_link: bool = False


Part = SourceFacts | RawItem | Unread | Request
"""What a page may tell: of its source, an item, how much more there is, or which page to read in its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """An item once it is kept.

    Attributes:
        id: An absolute IRI, minted once (RFC 4287 section 4.2.6).
        source: The name of its source.
        title: Plain text in one line, never empty.
        link: Absolute http(s) address, or None.
        published: The publisher's own date, as far as it is known.
        updated: The last stamp on this version.
        summary: Plain text that the source gave as a summary.
        excerpt: The first words of the visible text, made by us.
        content: Safe HTML; picture number N stands in it as `<img src="image:N">`.
        images: The pictures by number.
        lead_image: The picture that stands for the article, if there is one.
        language: A BCP 47 tag.
        first_seen: When we first saw it.
        changed: When we last saw its text change.
        content_hash: Hex digest over title, visible text, links and picture origins, with the rule's version.
        origin: The feed that it was in before it came to its source.
        extensions: Elements of other vocabularies; an address of a picture stands in them as `image:N`.
    """

    id: str
    source: str
    title: str
    link: str | None
    published: datetime
    updated: datetime
    authors: tuple[Person, ...] = ()
    categories: tuple[Category, ...] = ()
    summary: str | None = None
    excerpt: str = ""
    content: str = ""
    images: tuple[Image, ...] = ()
    lead_image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    rights: str | None = None
    language: str | None = None
    first_seen: datetime
    changed: datetime
    content_hash: str
    testimonies: tuple[Testimony, ...] = ()
    origin: Origin | None = None
    extensions: tuple[Element, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryImage:
    """A picture beside an entry's text, with the address that the policy gave it; length in bytes."""

    href: str
    type: str | None = None
    length: int | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EntrySource:
    """Where an entry comes from (RFC 4287 section 4.2.11); `self_link` is the address of that feed."""

    id: str
    title: str
    updated: datetime
    link: str | None = None
    self_link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An article as one feed shows it: the picture policy is applied, nothing is left to decide.

    Attributes:
        source: The feed that it was first in, where that is another.
        via: The address of the feed that it was taken from (RFC 4287 section 4.2.7.2).
        extensions: Elements of other vocabularies.
    """

    id: str
    title: str
    link: str | None
    published: datetime
    updated: datetime
    authors: tuple[Person, ...] = ()
    categories: tuple[Category, ...] = ()
    summary: str | None = None
    excerpt: str = ""
    content: str = ""
    image: EntryImage | None = None
    enclosures: tuple[Enclosure, ...] = ()
    rights: str | None = None
    language: str | None = None
    source: EntrySource | None = None
    via: str | None = None
    extensions: tuple[Element, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """One document's worth of a feed, newest entry first, before it is written in a format.

    Attributes:
        id: An absolute IRI (RFC 4287 section 4.2.6), the same in all documents of the feed.
        link: The page that the feed belongs to (`alternate`).
        self_link: This document's own address.
        current: The subscription document's address; differs from `self_link` in archive documents.
        prev_archive: Address of the archive document with the entries before these (RFC 5005 section 4).
        next_archive: Address of the archive document with the entries after these; None in the open one.
        archive: True for an archive document.
        updated: The newest change among its entries.
        author: Stands for entries that have none.
        extensions: Elements of other vocabularies that speak of the whole feed.
        vocabularies: Namespaces that are declared as if an entry used them.
    """

    id: str
    title: str
    link: str
    self_link: str
    updated: datetime
    author: Person
    subtitle: str | None = None
    language: str | None = None
    rights: str | None = None
    icon: str | None = None
    hub: str | None = None
    current: str | None = None
    prev_archive: str | None = None
    next_archive: str | None = None
    archive: bool = False
    extensions: tuple[Element, ...] = ()
    vocabularies: frozenset[str] = frozenset()
    entries: tuple[Entry, ...] = field(default=())


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A file to publish; `path` is relative to the output folder, with `/`."""

    path: str
    media_type: str
    body: bytes
