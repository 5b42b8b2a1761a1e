"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from feedbridge.feeds.rendering import ANY_BYTES, Rendering, render
from feedbridge.feeds.spelling import illegal_character, rfc3339
from feedbridge.feeds.vocabularies import ITUNES_DURATION, MEDIA_TITLE, attribute, full_name, media_contents, walk
from feedbridge.model import Element, Enclosure, Entry, EntrySource, Feed, Person

VERSION = "https://jsonfeed.org/version/1.1"

_DURATION = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,4}):)?([0-9]{1,7})(?:\.[0-9]{1,9})?")


def json_feed(feed: Feed) -> Rendering:
    """Write a feed as JSON Feed 1.1, in UTF-8, one value a line.

    Older entries are reached by `next_url`, which is the previous archive document. An entry with a character
    that XML cannot hold is left out here too, so that all formats hold the same entries.

    Raises:
        PublishError: The feed cannot be written even without its bad entries.
    """
    return render(feed, _document)


def _document(feed: Feed) -> bytes:
    document = _without_nothing(
        {
            "version": VERSION,
            "title": feed.title,
            "home_page_url": feed.link,
            "feed_url": feed.self_link,
            "description": feed.subtitle,
            "next_url": feed.prev_archive,
            "icon": feed.icon,
            "authors": [_author(feed.author)],
            "language": feed.language,
            "hubs": [{"type": "WebSub", "url": feed.hub}] if feed.hub else None,
        }
    )
    document["items"] = [_item(entry) for entry in feed.entries]  # needed even when there are none
    for text in chain(_texts(document), *map(_texts_elsewhere, feed.entries)):
        if character := illegal_character(text):
            raise ValueError(f"holds the character {character}, which XML cannot hold")
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _item(entry: Entry) -> dict[str, Any]:
    if not entry.title:
        raise ValueError("has no title")
    item = _without_nothing(
        {
            "id": entry.id,
            "url": entry.link,
            "title": entry.title,
            "summary": entry.summary or entry.excerpt,
            "image": entry.image and entry.image.href,
            "date_published": rfc3339(entry.published),
            "date_modified": rfc3339(entry.updated),
            "authors": [_author(author) for author in entry.authors],
            "tags": [category.label or category.term for category in entry.categories],
            "language": entry.language,
            "attachments": _attachments(entry),
            "_feedbridge": _without_nothing({"source": entry.source and _source(entry.source), "via": entry.via}),
        }
    )
    item["content_html"] = entry.content  # needed even when it is empty
    return item


def _author(person: Person) -> dict[str, Any]:
    """A JSON Feed author has no place for an address but its `url`, where `mailto:` is allowed."""
    mailto = f"mailto:{person.email}" if person.email else None
    address = person.uri or mailto
    return _without_nothing({"name": person.name, "url": address})


def _attachments(entry: Entry) -> list[dict[str, Any]]:
    """The files of an entry, with what iTunes and Media RSS know of them."""
    described = media_contents(entry.extensions)
    durations = (element.text for element in entry.extensions if full_name(element) == ITUNES_DURATION)
    whole = _seconds(next(durations, ""))
    return [_attachment(file, described.get(file.href), whole) for file in entry.enclosures]


def _attachment(enclosure: Enclosure, described: Element | None, whole: int | None) -> dict[str, Any]:
    attachment: dict[str, Any] = {"url": enclosure.href, "mime_type": enclosure.type or ANY_BYTES}
    titles = [child.text for child in described.children if full_name(child) == MEDIA_TITLE] if described else []
    if titles and titles[0].strip():
        attachment["title"] = titles[0].strip()
    if enclosure.length is not None:
        attachment["size_in_bytes"] = enclosure.length
    own = _seconds(attribute(described, "duration") or "") if described else None
    plays = attachment["mime_type"].startswith(("audio/", "video/"))
    if duration := own or (whole if plays else None):
        attachment["duration_in_seconds"] = duration
    return attachment


def _seconds(text: str) -> int | None:
    """Read how long something plays: seconds, MM:SS or HH:MM:SS; None if it is none of them."""
    read = _DURATION.fullmatch(text.strip())
    if not read:
        return None
    hours, minutes, seconds = (int(part or 0) for part in read.groups())
    return (hours * 60 + minutes) * 60 + seconds


def _source(source: EntrySource) -> dict[str, Any]:
    updated = rfc3339(source.updated)
    return _without_nothing(
        {
            "id": source.id,
            "title": source.title,
            "url": source.link,
            "feed_url": source.self_link,
            "date_modified": updated,
        }
    )


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _texts_elsewhere(entry: Entry) -> Iterator[str]:
    """The texts of an entry that only the other formats have."""
    yield entry.rights or ""
    for element in walk(entry.extensions):
        yield element.text
        yield from (value for _, value in element.attributes)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
