"""RSS 0.90 to 2.0, RDF, Atom 0.3 and 1.0, read by feedparser.

Two things stand between a document and feedparser. The document is made well-formed, so that one and the same reading
of it is seen by all (`wellformed`); and what feedparser loses or mixes up is read from the tree and taken out of it
(`beside`, `core`): dates, people, files, and vocabularies whose texts feedparser puts in the place of the item's.
"""

import html
import io
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import feedparser

from feedbridge.errors import ParseError
from feedbridge.model import Category, Origin, Part, RawItem, SourceFacts, Unread
from feedbridge.sources.beside import BesideChannel, BesideItem, beside_channel, beside_item
from feedbridge.sources.core import channel_of, core_document, items_of, shown
from feedbridge.sources.plain import plain_text, plain_title
from feedbridge.sources.wellformed import read_tree

MAX_SUMMARY = 2_000
"""Characters of plain text; a description beside the content that is longer is no summary."""

_LONGEST_PART = 20_000
"""Characters; a longer description is no summary, and so much of the content is compared with it."""

_OUR_GENERATOR = "feedbridge"

_EXCERPT_ENDS = " .…[]"
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_WEB_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n[ \t]*+\n\s*+")


class _Dialect(Enum):
    """What a text is: Atom says it, RSS leaves it open, but our own RSS holds plain titles, escaped once."""

    ATOM = "atom"
    RSS = "rss"
    OUR_RSS = "our rss"


def read_syndicated(text: str, *, url: str) -> Iterator[Part]:
    """What a feed document says of itself, then its items in their order, and how many more there are.

    Args:
        text: The document, decoded and looked at.
        url: Its own address, absolute.

    Raises:
        ParseError: It is no feed; or it was cut off before the end of its first item; or nothing is in its items.
    """
    channel, besides, core, texts, unread = _take_apart(text, url)
    expected = len(besides)
    parsed = _parse(core, url)
    if len(parsed.entries) != expected:  # feedparser saw other items: nothing tells which is which
        besides = [BesideItem()] * len(parsed.entries)
    dialect = _dialect(parsed)
    yield _facts(shown(parsed.feed, texts), channel, dialect)
    read_items = (_item(shown(entry, texts), one, dialect) for entry, one in zip(parsed.entries, besides, strict=True))
    kept = 0
    for item in read_items:
        if item.id or item.link or item.title or item.content or item.enclosures:
            kept += 1
            yield item
    if expected and not kept:
        raise ParseError(f"the feed's items ({expected}) hold nothing")
    if unread:
        yield Unread(count=unread)


def _take_apart(text: str, url: str) -> tuple[BesideChannel, list[BesideItem], bytes, dict[str, str], int]:
    """What feedparser loses, of the channel and of each item; the document that is left for it, and the texts that were
    put aside; items left unread.
    """
    read = read_tree(text)
    if read is None:
        raise ParseError("is no RSS or Atom feed")
    root, ended = read
    items, unread = items_of(root)
    if not items and not ended:
        raise ParseError("the feed was cut off before the end of its first item")
    channel = beside_channel(channel_of(root), url=url)
    besides = [beside_item(item, url=url) for item in items]
    return channel, besides, *core_document(root, items), unread


def _parse(core: bytes, url: str) -> Any:
    """What feedparser reads.

    The letters from U+0080 to U+00FF are put aside meanwhile, for feedparser takes what looks like misread UTF-8 for
    misread UTF-8.
    """
    declared = b"<?xml version='1.0' encoding='utf-8'?>\n" + core
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    return feedparser.parse(
        io.BytesIO(declared), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )


def _dialect(parsed: Any) -> _Dialect:
    if str(parsed.version).startswith("atom"):
        return _Dialect.ATOM
    return _Dialect.OUR_RSS if str(parsed.feed.get("generator", "")).strip() == _OUR_GENERATOR else _Dialect.RSS


# The feed


def _facts(feed: dict[str, Any], beside: BesideChannel, dialect: _Dialect) -> SourceFacts:
    address = _text(feed, "id")
    return SourceFacts(
        id=address if _ABSOLUTE.fullmatch(address) else None,
        title=_plain(feed, "title", dialect),
        subtitle=_plain(feed, "subtitle", dialect) or beside.subtitle,
        link=_link(feed),
        self_link=next((link["href"] for link in _links(feed) if link.get("rel") == "self"), None),
        icon=_text(feed, "icon") or _text(feed, "logo") or beside.icon,
        language=_text(feed, "language").replace("_", "-") or None,
        rights=_plain(feed, "rights", dialect),
        authors=beside.authors,
        least_interval=beside.least_interval,
        skip_hours=beside.skip_hours,
        skip_days=beside.skip_days,
        extensions=beside.extensions,
    )


def _links(holder: dict[str, Any]) -> list[dict[str, str]]:
    links = holder.get("links")
    return [link for link in links if link.get("href")] if isinstance(links, list) else []


def _link(holder: dict[str, Any]) -> str | None:
    """The page: the first alternate that is HTML, else the first of any type."""
    alternates = [link for link in _links(holder) if link.get("rel", "alternate") == "alternate"]
    pages = (link for link in alternates if "html" in link.get("type", "text/html"))
    best = next(pages, alternates[0] if alternates else None)
    return best["href"] if best else None


# Items


def _item(entry: dict[str, Any], beside: BesideItem, dialect: _Dialect) -> RawItem:
    content, summary = _texts_of(entry, beside, dialect)
    return RawItem(
        id=_text(entry, "id") or None,
        link=_text(entry, "feedburner_origlink") or _link(entry) or _web_address(beside.permalink),
        title=_plain(entry, "title", dialect) or beside.title,
        authors=beside.authors,
        categories=tuple(_categories(entry, dialect)),
        summary=summary,
        content=content,
        enclosures=beside.enclosures,
        base=beside.base,
        rights=_plain(entry, "rights", dialect),
        language=beside.language,
        pictures=beside.pictures,
        witnesses=beside.witnesses,
        origin=_origin(entry.get("source"), dialect),
        extensions=beside.extensions,
    )


def _text(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value.strip() if isinstance(value, str) else ""


def _plain(holder: dict[str, Any], key: str, dialect: _Dialect) -> str | None:
    """A text construct in one line of plain text (RFC 4287 section 3.1)."""
    value = _text(holder, key)
    if dialect is _Dialect.RSS:
        return plain_title(value, markup=None) or None
    return plain_title(value, markup=dialect is _Dialect.ATOM and _is_html(holder, key)) or None


def _is_html(holder: dict[str, Any], key: str) -> bool:
    detail = holder.get(f"{key}_detail")
    return isinstance(detail, dict) and "html" in detail.get("type", "")


def _web_address(address: str | None) -> str | None:
    return address if address and _WEB_ADDRESS.fullmatch(address) else None


def _texts_of(entry: dict[str, Any], beside: BesideItem, dialect: _Dialect) -> tuple[str, str | None]:
    """The content as HTML, and the summary as plain text, where it is more than the first words of the content."""
    content = _content(entry)
    described = _text(entry, "summary") if "summary_detail" in entry else ""  # else a copy of the content
    description = _as_html(described) if dialect is _Dialect.ATOM and not _is_html(entry, "summary") else described
    if not content:
        other = beside.description if beside.description_is_html else _as_html(beside.description)
        return description or other, None
    summary = plain_text(description) if len(description) <= _LONGEST_PART else ""
    if not 0 < len(summary) <= MAX_SUMMARY:
        return content, None
    is_excerpt = plain_text(content[:_LONGEST_PART]).startswith(summary.rstrip(_EXCERPT_ENDS))
    return content, None if is_excerpt else summary


def _content(entry: dict[str, Any]) -> str:
    """The content as HTML, from the first that is HTML, else the first that is text."""
    contents = [(one.get("type", ""), one.get("value", "").strip()) for one in entry.get("content", ())]
    markup = (value for kind, value in contents if "html" in kind and value)
    texts = (_as_html(value) for kind, value in contents if kind.startswith("text/") and "html" not in kind and value)
    return next(markup, None) or next(texts, "")


def _as_html(text: str) -> str:
    """Plain text as HTML: blank lines part paragraphs, a line stays a line."""
    parts = _BLANK_LINES.split(html.escape(text, quote=False).strip())
    return "".join(f"<p>{'<br>'.join(part.splitlines())}</p>" for part in parts if part)


def _categories(entry: dict[str, Any], dialect: _Dialect) -> Iterator[Category]:
    tags = entry.get("tags")
    for tag in tags if isinstance(tags, list) else ():
        label = tag.get("label") or None
        if term := plain_title(tag.get("term") or label or "", markup=None if dialect is _Dialect.RSS else False):
            yield Category(term=term, scheme=tag.get("scheme") or None, label=label)


def _origin(source: Any, dialect: _Dialect) -> Origin | None:
    """The feed that an item was in: Atom's `source`, or that of RSS with its address."""
    if not isinstance(source, dict):
        return None
    own = (link["href"] for link in _links(source) if link.get("rel") == "self")
    origin = Origin(
        id=_text(source, "id") or None,
        title=_plain(source, "title", dialect),
        link=_link(source),
        self_link=next(own, None) or _text(source, "href") or None,
    )
    return None if origin == Origin() else origin
