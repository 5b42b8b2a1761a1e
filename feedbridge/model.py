"""The values that pass between the stages: frozen, keyword-only, in the words of RFC 4287.

What a source says and what we saw are different fields. Unknown is None; a guess is made where it is shown.
Times are aware, in UTC, cut to whole seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime
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
        path: The file's path relative to its source's folder, with `/`.
        body: Its bytes, whole.
    """

    path: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class RawItem:
    """An item as its source wrote it; nothing is parsed, decoded or cleaned yet.

    Attributes:
        link: The address of the article, perhaps relative to `base`.
        title: Plain text, entities undone.
        content: HTML.
        lead_block: True where the content may open with a block that holds author and date.
        path: The file that it came from, relative to its source's folder.
        witnesses: The dates that the source gives, in no particular order.
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
    path: str | None = None
    witnesses: tuple[Witness, ...] = ()


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


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryImage:
    """A picture beside an entry's text, with the address that the policy gave it."""

    href: str
    type: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EntrySource:
    """Where an entry of a merged feed comes from (RFC 4287 section 4.2.11)."""

    id: str
    title: str
    updated: datetime
    link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An article as one feed shows it: the picture policy is applied, nothing is left to decide."""

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
    entries: tuple[Entry, ...] = field(default=())


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A file to publish; `path` is relative to the output folder, with `/`."""

    path: str
    media_type: str
    body: bytes
