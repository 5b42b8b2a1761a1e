"""What JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/) demands of a document."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

from feedbridge.feeds.checks import (
    Problem,
    address_problems,
    date_problems,
    html_problems,
    language_problems,
    media_type_problems,
    read_rfc3339,
)
from feedbridge.feeds.spelling import illegal_character

VERSION = "https://jsonfeed.org/version/1.1"


def json_problems(body: bytes, not_after: datetime | None) -> Iterator[Problem]:
    """Check a document, key by key; an item is named by its id."""
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        yield Problem(entry=None, message=f"is not JSON in UTF-8: {error}")
        return
    if not isinstance(document, dict) or document.get("version") != VERSION:
        yield Problem(entry=None, message=f"the version is not {VERSION}")
        return
    for message in _feed_problems(document):
        yield Problem(entry=None, message=message)
    items = document.get("items")
    yield from _items_problems(items if isinstance(items, list) else [], not_after)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _feed_problems(document: dict[str, Any]) -> Iterator[str]:
    """`feed_url` and `home_page_url` are optional there and a must for us."""
    if not document.get("title") or not isinstance(document["title"], str):
        yield "the title is missing or no text"
    if not isinstance(document.get("items"), list):
        yield "items is missing or no list"
    for key in ("feed_url", "home_page_url"):
        yield from address_problems(key, _text(document.get(key)))
    for key in ("next_url", "icon", "favicon"):
        if key in document:
            yield from address_problems(key, _text(document[key]))
    for hub in _list(document, "hubs"):
        if not isinstance(hub, dict) or not _text(hub.get("type")):
            yield "a hub has no type"
        else:
            yield from address_problems("a hub's url", _text(hub.get("url")))
    yield from _shared_problems(document)


def _items_problems(items: list[Any], not_after: datetime | None) -> Iterator[Problem]:
    seen: set[str] = set()
    for item in items:
        if not isinstance(item, dict):
            yield Problem(entry=None, message="an item is no object")
            continue
        item_id = _text(item.get("id")) or None
        if item_id in seen:
            yield Problem(entry=item_id, message="another item has the same id")
        seen.add(item_id or "")
        for message in _item_problems(item, not_after):
            yield Problem(entry=item_id, message=message)


def _item_problems(item: dict[str, Any], not_after: datetime | None) -> Iterator[str]:
    if not _text(item.get("id")):
        yield "the id is missing or no text"
    if not isinstance(item.get("content_html", item.get("content_text")), str):
        yield "there is neither content_html nor content_text"
    for key in ("url", "external_url", "image", "banner_image"):
        if key in item:
            yield from address_problems(key, _text(item[key]))
    for key in ("title", "summary", "content_text"):
        if key in item and not isinstance(item[key], str):
            yield f"{key} is no text"
        elif character := illegal_character(item.get(key, "")):
            yield f"{key} holds the character {character}"
    keys = [key for key in ("date_published", "date_modified") if key in item]
    yield from date_problems({key: read_rfc3339(_text(item[key])) for key in keys}, not_after)
    if not all(isinstance(tag, str) for tag in _list(item, "tags")):
        yield "a tag is no text"
    for attachment in _list(item, "attachments"):
        yield from _attachment_problems(attachment)
    yield from _provenance_problems(item.get("_feedbridge", {}))
    yield from _shared_problems(item)
    yield from html_problems(_text(item.get("content_html")))


def _provenance_problems(ours: object) -> Iterator[str]:
    """Our extension: `via` is where an item was taken from, `source` the feed that it was first in."""
    source = ours.get("source", {}) if isinstance(ours, dict) else None
    if not isinstance(ours, dict) or not isinstance(source, dict):
        yield "_feedbridge or its source is no object"
        return
    if "via" in ours:
        yield from address_problems("via", _text(ours["via"]))
    if not source:
        return
    yield from address_problems("the source's id", _text(source.get("id")))
    if not _text(source.get("title")):
        yield "the source has no title"
    if read_rfc3339(_text(source.get("date_modified"))) is None:
        yield "the source's date_modified is not a valid date with a zone"
    for key in ("url", "feed_url"):
        if key in source:
            yield from address_problems(f"the source's {key}", _text(source[key]))


def _shared_problems(values: dict[str, Any]) -> Iterator[str]:
    """What feed and items have in common."""
    if "language" in values:
        yield from language_problems("language", _text(values["language"]))
    for author in _list(values, "authors"):
        if not isinstance(author, dict) or not any(_text(author.get(key)) for key in ("name", "url", "avatar")):
            yield "an author has neither name nor url nor avatar"
        elif "url" in author:
            yield from address_problems("an author's url", _text(author["url"]))
    for key in ("authors", "hubs", "tags", "attachments"):
        if not isinstance(values.get(key, []), list):
            yield f"{key} is no list"


def _attachment_problems(attachment: object) -> Iterator[str]:
    if not isinstance(attachment, dict):
        yield "an attachment is no object"
        return
    yield from address_problems("an attachment's url", _text(attachment.get("url")))
    yield from media_type_problems("an attachment's mime_type", _text(attachment.get("mime_type")))
    size = attachment.get("size_in_bytes", 0)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        yield "an attachment's size_in_bytes is not a number of bytes"
    duration = attachment.get("duration_in_seconds", 0)
    if isinstance(duration, bool) or not isinstance(duration, int | float) or duration < 0:
        yield "an attachment's duration_in_seconds is not a number of seconds"
    if not isinstance(attachment.get("title", ""), str):
        yield "an attachment's title is no text"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(values: dict[str, Any], key: str) -> list[Any]:
    found = values.get(key)
    return found if isinstance(found, list) else []
