"""What a feed may hold in any format: addresses become IRIs, and optional parts that are not valid go.

An article is worth more than its author's address: what would make a document invalid costs itself, not the
entry that it belongs to.
"""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from feedbridge.feeds.checks import html_problems, leads_nowhere
from feedbridge.feeds.spelling import illegal_character, iri, is_absolute, is_email, is_language, is_media_type
from feedbridge.feeds.vocabularies import (
    ADDRESSES,
    MEDIA_CONTENT,
    MEDIA_PLAYER,
    NEEDED,
    NEW_FEED_URL,
    ONCE,
    PREFIXES,
    full_name,
    walk,
)
from feedbridge.model import Category, Element, Enclosure, Entry, EntryImage, EntrySource, Feed, Person

_QUERY = re.compile(r"[?#]")
_XML_NAME = re.compile(r"(?!xml)[A-Za-z_][A-Za-z0-9_.\-]{0,99}", re.IGNORECASE)

_ONE_LINE = str.maketrans("\t\n\r", "   ")

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
        extensions=tuple(element for element in _extensions(feed.extensions) if _fits_our_feed(element)),
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
        via=_address(entry.via),
        extensions=_extensions(entry.extensions),
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
    """The type is the source's, else a guess by the suffix."""
    suffix = PurePosixPath(_QUERY.split(enclosure.href, maxsplit=1)[0]).suffix.lower()
    length = enclosure.length if enclosure.length is not None and enclosure.length >= 0 else None
    return Enclosure(
        href=iri(enclosure.href), type=_known_type(enclosure.type) or _TYPES_BY_SUFFIX.get(suffix), length=length
    )


def _known_type(name: str | None) -> str | None:
    return name if name and is_media_type(name) else None


def _source(source: EntrySource) -> EntrySource | None:
    if not is_absolute(source.id) or not source.title.strip():
        return None
    return replace(source, id=iri(source.id), link=_address(source.link), self_link=_address(source.self_link))


def _extensions(elements: tuple[Element, ...]) -> tuple[Element, ...]:
    """What passes of other vocabularies; where one word is allowed the first holds."""
    kept = []
    seen = set()
    for element in _elements(elements):
        name = full_name(element)
        if name not in seen:
            kept.append(element)
        if name in ONCE:
            seen.add(name)
    return tuple(kept)


def _elements(elements: tuple[Element, ...]) -> tuple[Element, ...]:
    return tuple(kept for element in elements if (kept := _element(element)))


def _element(element: Element) -> Element | None:
    if element.namespace not in PREFIXES or not _XML_NAME.fullmatch(element.name):
        return None
    written: dict[str, str] = {}
    for name, value in element.attributes:
        if _XML_NAME.fullmatch(name):
            written.setdefault(name, value)
    spelled = ((name, _value(name, value)) for name, value in written.items())
    kept = replace(
        element,
        attributes=tuple((name, value) for name, value in spelled if value is not None),
        children=_elements(element.children),
    )
    return kept if _says_something(kept) and _is_safe(kept.text) else None


def _is_safe(text: str) -> bool:
    """Whether those can show a text who take it for HTML; what XML cannot hold is another matter."""
    return "<" not in text or illegal_character(text) is not None or not any(html_problems(text))


def _value(name: str, value: str) -> str | None:
    """An attribute's value in one line, as XML reads it; an address leads somewhere or goes."""
    if name in ADDRESSES:
        return None if leads_nowhere(value) else _address(value)
    return value.translate(_ONE_LINE)


def _says_something(element: Element) -> bool:
    name = full_name(element)
    attributes = dict(element.attributes)
    if name == MEDIA_CONTENT:
        return "url" in attributes or any(full_name(child) == MEDIA_PLAYER for child in element.children)
    return name not in NEEDED or NEEDED[name] in attributes


def _fits_our_feed(element: Element) -> bool:
    """Where its source moves to is no news of our feed; and no word on a whole feed is worth all its entries."""
    parts = tuple(walk((element,)))
    texts = [text for part in parts for text in (part.text, *(value for _, value in part.attributes))]
    return full_name(element) != NEW_FEED_URL and not any(map(illegal_character, texts))
