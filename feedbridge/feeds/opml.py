"""OPML 2.0 (http://opml.org/spec2.opml): the list of feeds that a feed reader can import at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from lxml import etree

from feedbridge.errors import PublishError
from feedbridge.feeds.spelling import iri


@dataclass(frozen=True, kw_only=True, slots=True)
class OpmlFeed:
    """One subscription: the feed's title, the address of its document, and the page it belongs to."""

    title: str
    xml_url: str
    html_url: str | None = None


def opml(title: str, feeds: Sequence[OpmlFeed], updated: datetime) -> bytes:
    """List feeds in the order given; `updated` is aware and goes into `dateModified`.

    Raises:
        PublishError: A title or an address holds a character that XML cannot hold.
    """
    try:
        return _document(title, feeds, updated)
    except ValueError as refusal:
        raise PublishError(f"the list of feeds cannot be written: {refusal}") from refusal


def _document(title: str, feeds: Sequence[OpmlFeed], updated: datetime) -> bytes:
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = title
    etree.SubElement(head, "dateModified").text = format_datetime(updated.astimezone(UTC), usegmt=True)
    body = etree.SubElement(root, "body")
    for feed in feeds:
        outline = {"type": "rss", "text": feed.title, "title": feed.title, "xmlUrl": iri(feed.xml_url)}
        if feed.html_url:
            outline["htmlUrl"] = iri(feed.html_url)
        etree.SubElement(body, "outline", outline)
    return etree.tostring(root, pretty_print=True, encoding="UTF-8", xml_declaration=True)
