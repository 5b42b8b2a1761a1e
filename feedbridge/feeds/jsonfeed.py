"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

import json
from collections.abc import Iterator
from typing import Any

from feedbridge.feeds.rendering import Rendering, render
from feedbridge.feeds.spelling import illegal_character, rfc3339
from feedbridge.model import Enclosure, Entry, EntrySource, Feed, Person

VERSION = "https://jsonfeed.org/version/1.1"


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
    for text in _texts(document):
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
            "attachments": [_attachment(enclosure) for enclosure in entry.enclosures],
            "_feedbridge": entry.source and {"source": _source(entry.source)},
        }
    )
    item["content_html"] = entry.content  # needed even when it is empty
    return item


def _author(person: Person) -> dict[str, Any]:
    """A JSON Feed author has no place for an address but its `url`, where `mailto:` is allowed."""
    mailto = f"mailto:{person.email}" if person.email else None
    address = person.uri or mailto
    return _without_nothing({"name": person.name, "url": address})


def _attachment(enclosure: Enclosure) -> dict[str, Any]:
    attachment: dict[str, Any] = {"url": enclosure.href, "mime_type": enclosure.type}
    if enclosure.length is not None:
        attachment["size_in_bytes"] = enclosure.length
    return attachment


def _source(source: EntrySource) -> dict[str, Any]:
    updated = rfc3339(source.updated)
    return _without_nothing({"id": source.id, "title": source.title, "url": source.link, "date_modified": updated})


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
