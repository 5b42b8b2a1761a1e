"""The feedgen extension: the elements that feedgen leaves out of a feed or writes only in part.

feedgen builds Atom elements without a namespace and declares Atom's on the root, so Atom's own elements are
made by their bare names here, and every other element by its full name.
"""

from feedgen.ext.base import BaseEntryExtension, BaseExtension
from lxml import etree

from feedbridge.feeds.namespaces import (
    ATOM_NAMESPACE,
    CONTENT_NAMESPACE,
    DUBLIN_CORE_NAMESPACE,
    HISTORY_NAMESPACE,
    MEDIA_NAMESPACE,
    XML_LANG,
)
from feedbridge.feeds.rendering import HTML
from feedbridge.feeds.spelling import rfc3339
from feedbridge.model import Enclosure, Entry, EntryImage, EntrySource, Feed


def feed_links(feed: Feed, own_type: str) -> list[dict[str, str]]:
    """Give the links of a feed (RFC 4287 section 4.2.7, RFC 5005 section 4, WebSub), `alternate` last."""
    links = [{"rel": "self", "href": feed.self_link, "type": own_type}]
    if feed.hub:
        links.append({"rel": "hub", "href": feed.hub})
    pages = {"current": feed.current, "prev-archive": feed.prev_archive, "next-archive": feed.next_archive}
    links += [{"rel": rel, "href": href, "type": own_type} for rel, href in pages.items() if href]
    return [*links, {"rel": "alternate", "href": feed.link, "type": HTML}]


class AtomFeedElements(BaseExtension):  # type: ignore[misc]
    """What an Atom feed needs beyond feedgen's own elements."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def extend_ns(self) -> dict[str, str]:
        return {"media": MEDIA_NAMESPACE, "fh": HISTORY_NAMESPACE}

    def extend_atom(self, root: etree._Element) -> etree._Element:
        _mark_as_text(root, "title", "subtitle", "rights")
        if self._feed.archive:
            etree.SubElement(root, f"{{{HISTORY_NAMESPACE}}}archive")
        return root


class AtomEntryElements(BaseEntryExtension):  # type: ignore[misc]
    """What an Atom entry needs beyond feedgen's own elements."""

    def __init__(self, entry: Entry, feed: Feed) -> None:
        self._entry = entry
        self._feed = feed

    def extend_atom(self, element: etree._Element) -> etree._Element:
        entry = self._entry
        _mark_as_text(element, "title", "summary", "rights")
        for link in element.iterchildren("link"):
            link.set("rel", "alternate")  # feedgen drops it
        for enclosure in entry.enclosures:
            _add_enclosure_link(element, enclosure)
        if entry.language and entry.language != self._feed.language:
            element.set(XML_LANG, entry.language)
        if entry.source:
            _add_source(element, entry.source)
        if entry.image:
            _add_image(element, entry.image)
        return element


class RssFeedElements(BaseExtension):  # type: ignore[misc]
    """What an RSS channel needs beyond feedgen's own elements."""

    def __init__(self, feed: Feed, own_type: str) -> None:
        self._feed = feed
        self._own_type = own_type

    def extend_ns(self) -> dict[str, str]:
        return {"dc": DUBLIN_CORE_NAMESPACE, "media": MEDIA_NAMESPACE, "fh": HISTORY_NAMESPACE}

    def extend_rss(self, root: etree._Element) -> etree._Element:
        channel = root[0]
        for link in feed_links(self._feed, self._own_type):
            if link["rel"] not in ("self", "alternate"):  # these two are feedgen's
                etree.SubElement(channel, f"{{{ATOM_NAMESPACE}}}link", link)
        if self._feed.archive:
            etree.SubElement(channel, f"{{{HISTORY_NAMESPACE}}}archive")
        return root


class RssItemElements(BaseEntryExtension):  # type: ignore[misc]
    """What an RSS item needs beyond feedgen's own elements."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def extend_rss(self, item: etree._Element) -> etree._Element:
        entry = self._entry
        if entry.content and item.find("description") is None:
            _add_text(item, f"{{{CONTENT_NAMESPACE}}}encoded", entry.content)  # feedgen's needs a description
        for author in entry.authors:
            _add_text(item, f"{{{DUBLIN_CORE_NAMESPACE}}}creator", author.name)
        _add_text(item, f"{{{ATOM_NAMESPACE}}}updated", rfc3339(entry.updated))
        if entry.image:
            _add_image(item, entry.image)
        return item


def _add_text(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = text


def _mark_as_text(parent: etree._Element, *tags: str) -> None:
    """Say aloud that these are plain text (RFC 4287 section 3.1.1.1)."""
    for element in parent.iterchildren(*tags):
        element.set("type", "text")


def _add_enclosure_link(parent: etree._Element, enclosure: Enclosure) -> None:
    link = {"rel": "enclosure", "href": enclosure.href, "type": str(enclosure.type)}
    if enclosure.length is not None:
        link["length"] = str(enclosure.length)
    etree.SubElement(parent, "link", link)


def _add_source(parent: etree._Element, source: EntrySource) -> None:
    """Say where the entry was first (RFC 4287 section 4.2.11)."""
    element = etree.SubElement(parent, "source")
    _add_text(element, "id", source.id)
    _add_text(element, "title", source.title)
    _mark_as_text(element, "title")
    _add_text(element, "updated", rfc3339(source.updated))
    if source.link:
        etree.SubElement(element, "link", {"rel": "alternate", "href": source.link})


def _add_image(parent: etree._Element, image: EntryImage) -> None:
    """Show a picture beside the text, as the Media RSS specification writes it."""
    size = {"width": image.width, "height": image.height}
    sized = {name: str(pixels) for name, pixels in size.items() if pixels is not None}
    content = {"url": image.href, "medium": "image"} | ({"type": image.type} if image.type else {}) | sized
    etree.SubElement(parent, f"{{{MEDIA_NAMESPACE}}}content", content)
    etree.SubElement(parent, f"{{{MEDIA_NAMESPACE}}}thumbnail", {"url": image.href} | sized)
