"""What a feed may hold in any format: addresses become IRIs, and optional parts that are not valid go.

An article is worth more than its author's address: what would make a document invalid costs itself, not the
entry that it belongs to.
"""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from feedbridge.feeds.spelling import iri, is_absolute, is_email, is_language, is_media_type
from feedbridge.model import Category, Enclosure, Entry, EntryImage, EntrySource, Feed, Person

_QUERY = re.compile(r"[?#]")

# Our own table: the machine's would make the bytes of a feed depend on the machine.
_TYPES_BY_SUFFIX = {
    ".aac": "audio/aac",
    ".avif": "image/avif",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".torrent": "application/x-bittorrent",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".zip": "application/zip",
}


def tidy(feed: Feed) -> Feed:
    """Give the feed as it may be written; ids, titles, dates and texts stay as they are."""
    return replace(
        feed,
        link=iri(feed.link),
        self_link=iri(feed.self_link),
        author=_person(feed.author),
        language=_language(feed.language),
        icon=_address(feed.icon),
        hub=_address(feed.hub),
        current=_address(feed.current),
        prev_archive=_address(feed.prev_archive),
        next_archive=_address(feed.next_archive),
        entries=tuple(_entry(entry) for entry in feed.entries),
    )


def _entry(entry: Entry) -> Entry:
    return replace(
        entry,
        link=_address(entry.link),
        authors=tuple(_person(person) for person in entry.authors if person.name.strip()),
        categories=tuple(_category(category) for category in entry.categories if category.term.strip()),
        image=_image(entry.image) if entry.image and is_absolute(entry.image.href) else None,
        enclosures=tuple(_enclosure(file) for file in entry.enclosures if is_absolute(file.href)),
        language=_language(entry.language),
        source=_source(entry.source) if entry.source else None,
    )


def _address(address: str | None) -> str | None:
    return iri(address) if address and is_absolute(address) else None


def _language(tag: str | None) -> str | None:
    return tag if tag and is_language(tag) else None


def _person(person: Person) -> Person:
    email = person.email if person.email and is_email(person.email) else None
    return replace(person, uri=_address(person.uri), email=email)


def _category(category: Category) -> Category:
    return replace(category, scheme=_address(category.scheme))


def _image(image: EntryImage) -> EntryImage:
    return replace(image, href=iri(image.href), type=_known_type(image.type))


def _enclosure(enclosure: Enclosure) -> Enclosure:
    """RSS and JSON Feed need a type: the source's, else a guess by the suffix, else any bytes."""
    suffix = PurePosixPath(_QUERY.split(enclosure.href, maxsplit=1)[0]).suffix.lower()
    guess = _TYPES_BY_SUFFIX.get(suffix, "application/octet-stream")
    length = enclosure.length if enclosure.length is not None and enclosure.length >= 0 else None
    return Enclosure(href=iri(enclosure.href), type=_known_type(enclosure.type) or guess, length=length)


def _known_type(name: str | None) -> str | None:
    return name if name and is_media_type(name) else None


def _source(source: EntrySource) -> EntrySource:
    return replace(source, link=_address(source.link))
