"""The feedgen extension: the elements that feedgen leaves out of a feed or writes only in part.

feedgen builds Atom elements without a namespace and declares Atom's on the root, so Atom's own elements are
made by their bare names here, and every other element by its full name.
"""

from feedgen.ext.base import BaseEntryExtension, BaseExtension
from lxml import etree

from feedbridge.feeds import contents
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
from feedbridge.feeds.vocabularies import MEDIA_CONTENT, MEDIA_THUMBNAIL, PREFIXES, full_name, media_contents, walk
from feedbridge.model import Element, Enclosure, Entry, EntryImage, EntrySource, Feed


def feed_links(feed: Feed, own_type: str) -> list[dict[str, str]]:
    """Give the links of a feed (RFC 4287 section 4.2.7, RFC 5005 section 4, WebSub), `alternate` last."""
    links = [{"rel": "self", "href": feed.self_link, "type": own_type}]
    if feed.hub:
        links.append({"rel": "hub", "href": feed.hub})
    pages = {"current": feed.current, "prev-archive": feed.prev_archive, "next-archive": feed.next_archive}
    links += [{"rel": rel, "href": href, "type": own_type} for rel, href in pages.items() if href]
    return [*links, {"rel": "alternate", "href": feed.link, "type": HTML}]


def main_enclosure(entry: Entry) -> Enclosure | None:
    """Choose the one that RSS has room for: podcast players look there for what they play."""
    playable = (file for file in entry.enclosures if (file.type or "").startswith(("audio/", "video/")))
    return next(playable, entry.enclosures[0] if entry.enclosures else None)


class AtomFeedElements(BaseExtension):  # type: ignore[misc]
    """What an Atom feed needs beyond feedgen's own elements."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def extend_ns(self) -> dict[str, str]:
        return {"media": MEDIA_NAMESPACE, "fh": HISTORY_NAMESPACE} | _foreign_namespaces(self._feed)

    def extend_atom(self, root: etree._Element) -> etree._Element:
        _mark_as_text(root, "title", "subtitle", "rights")
        if self._feed.archive:
            etree.SubElement(root, f"{{{HISTORY_NAMESPACE}}}archive")
        _add_elements(root, self._feed.extensions)
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
        if entry.via:
            etree.SubElement(element, "link", {"rel": "via", "href": entry.via})
        if entry.language and entry.language != self._feed.language:
            element.set(XML_LANG, entry.language)
        if entry.source:
            _add_source(element, entry.source)
        if entry.image:
            _add_image(element, entry.image, entry.extensions)
        _add_elements(element, entry.extensions)
        return element


class RssFeedElements(BaseExtension):  # type: ignore[misc]
    """What an RSS channel needs beyond feedgen's own elements."""

    def __init__(self, feed: Feed, own_type: str) -> None:
        self._feed = feed
        self._own_type = own_type

    def extend_ns(self) -> dict[str, str]:
        ours = {"dc": DUBLIN_CORE_NAMESPACE, "media": MEDIA_NAMESPACE, "fh": HISTORY_NAMESPACE}
        return ours | _foreign_namespaces(self._feed)

    def extend_rss(self, root: etree._Element) -> etree._Element:
        channel = root[0]
        for link in feed_links(self._feed, self._own_type):
            if link["rel"] not in ("self", "alternate"):  # these two are feedgen's
                etree.SubElement(channel, f"{{{ATOM_NAMESPACE}}}link", link)
        if self._feed.archive:
            etree.SubElement(channel, f"{{{HISTORY_NAMESPACE}}}archive")
        _add_elements(channel, self._feed.extensions)
        return root


class RssItemElements(BaseEntryExtension):  # type: ignore[misc]
    """What an RSS item needs beyond feedgen's own elements."""

    def __init__(self, entry: Entry, feed: Feed) -> None:
        self._entry = entry
        self._feed = feed

    def extend_rss(self, item: etree._Element) -> etree._Element:
        entry = self._entry
        if entry.content and item.find("description") is None:
            _add_text(item, f"{{{CONTENT_NAMESPACE}}}encoded", contents.MARK)  # feedgen's needs a description
        for author in entry.authors:
            _add_text(item, f"{{{DUBLIN_CORE_NAMESPACE}}}creator", author.name)
        if entry.rights:
            _add_text(item, f"{{{DUBLIN_CORE_NAMESPACE}}}rights", entry.rights)
        if entry.language and entry.language != self._feed.language:
            _add_text(item, f"{{{DUBLIN_CORE_NAMESPACE}}}language", entry.language)
        _add_text(item, f"{{{ATOM_NAMESPACE}}}updated", rfc3339(entry.updated))
        if entry.via:
            etree.SubElement(item, f"{{{ATOM_NAMESPACE}}}link", {"rel": "via", "href": entry.via})
        if entry.image:
            _add_image(item, entry.image, entry.extensions)
        _add_further_enclosures(item, entry)
        _add_elements(item, entry.extensions)
        return item


def _add_text(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = text


def _mark_as_text(parent: etree._Element, *tags: str) -> None:
    """Say aloud that these are plain text (RFC 4287 section 3.1.1.1)."""
    for element in parent.iterchildren(*tags):
        element.set("type", "text")


def _add_enclosure_link(parent: etree._Element, enclosure: Enclosure) -> None:
    link = {"rel": "enclosure", "href": enclosure.href}
    if enclosure.type:
        link["type"] = enclosure.type
    if enclosure.length is not None:
        link["length"] = str(enclosure.length)
    etree.SubElement(parent, "link", link)


def _add_further_enclosures(parent: etree._Element, entry: Entry) -> None:
    """Name the files that RSS has no room for, unless they are named by Media RSS anyway."""
    named = media_contents(entry.extensions).keys() | ({entry.image.href} if entry.image else set())
    main = main_enclosure(entry)
    for enclosure in entry.enclosures:
        if enclosure is main or enclosure.href in named:
            continue
        content = {"url": enclosure.href}
        if enclosure.type:
            content["type"] = enclosure.type
        if enclosure.length is not None:
            content["fileSize"] = str(enclosure.length)
        etree.SubElement(parent, MEDIA_CONTENT, content)


def _add_source(parent: etree._Element, source: EntrySource) -> None:
    """Say where the entry was first (RFC 4287 section 4.2.11)."""
    element = etree.SubElement(parent, "source")
    _add_text(element, "id", source.id)
    _add_text(element, "title", source.title)
    _mark_as_text(element, "title")
    _add_text(element, "updated", rfc3339(source.updated))
    if source.link:
        etree.SubElement(element, "link", {"rel": "alternate", "href": source.link})
    if source.self_link:
        etree.SubElement(element, "link", {"rel": "self", "href": source.self_link})


def _add_image(parent: etree._Element, image: EntryImage, extensions: tuple[Element, ...]) -> None:
    """Show a picture beside the text, as Media RSS writes it; what the source says of it more fully stands."""
    size = {"width": image.width, "height": image.height}
    sized = {name: str(pixels) for name, pixels in size.items() if pixels is not None}
    told = {"type": image.type, "fileSize": image.length}
    content = {"url": image.href, "medium": "image"} | {name: str(value) for name, value in told.items() if value}
    content |= sized
    if image.href not in media_contents(extensions):
        etree.SubElement(parent, MEDIA_CONTENT, content)
    etree.SubElement(parent, MEDIA_THUMBNAIL, {"url": image.href} | sized)


def _add_elements(parent: etree._Element, elements: tuple[Element, ...]) -> None:
    """Pass on what is said in other vocabularies."""
    for element in elements:
        added = etree.SubElement(parent, full_name(element), dict(element.attributes))
        added.text = element.text or None
        _add_elements(added, element.children)


def _foreign_namespaces(feed: Feed) -> dict[str, str]:
    """The vocabularies that a feed uses, by their usual prefixes; the others leave no trace in the document."""
    used = feed.vocabularies | {element.namespace for element in walk(feed.extensions)}
    used |= {element.namespace for entry in feed.entries for element in walk(entry.extensions)}
    return {prefix: namespace for namespace, prefix in PREFIXES.items() if namespace in used}
