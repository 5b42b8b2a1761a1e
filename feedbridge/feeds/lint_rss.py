"""What RSS 2.0 and the RSS Board's profile (https://www.rssboard.org/rss-profile) demand of a document."""

from collections.abc import Iterator
from datetime import datetime

from lxml import etree

from feedbridge.feeds.checks import (
    Children,
    Problem,
    address_problems,
    bare,
    children_by_name,
    count_problems,
    date_problems,
    email_problems,
    language_problems,
    length_problems,
    markup_problems,
    media_type_problems,
    read_rfc822,
    read_rfc3339,
    text_of,
)
from feedbridge.feeds.lint_atom import ARCHIVE, LINK, UPDATED, archive_problems
from feedbridge.feeds.lint_extensions import extension_problems
from feedbridge.feeds.namespaces import CONTENT_NAMESPACE, DUBLIN_CORE_NAMESPACE

ENCODED = f"{{{CONTENT_NAMESPACE}}}encoded"
LANGUAGE, RIGHTS = (f"{{{DUBLIN_CORE_NAMESPACE}}}{name}" for name in ("language", "rights"))


def rss_problems(root: etree._Element, not_after: datetime | None) -> Iterator[Problem]:
    """Check a document, element by element; an item is named by its guid."""
    channels = root.findall("channel")
    if root.tag != "rss" or root.get("version") != "2.0" or len(channels) != 1:
        yield Problem(entry=None, message="the root is not RSS 2.0 with one channel")
        return
    children = children_by_name(channels[0])
    for message in _channel_problems(children, not_after):
        yield Problem(entry=None, message=message)
    seen: set[str] = set()
    for item in children.get("item", ()):
        of_item = children_by_name(item)
        guid = text_of(of_item.get("guid", [])) or None
        if guid in seen:
            yield Problem(entry=guid, message="another item has the same guid")
        seen.add(guid or "")
        for message in _item_problems(of_item, not_after):
            yield Problem(entry=guid, message=message)


def _channel_problems(children: Children, not_after: datetime | None) -> Iterator[str]:
    needed = ("title", "link", "description")
    optional = ("language", "copyright", "generator", "image", "lastBuildDate", "pubDate", "ttl", ARCHIVE)
    yield from count_problems(children, exactly_one=needed, at_most_one=optional)
    for name in needed:
        if name in children and not text_of(children[name]):
            yield f"the channel's {name} is empty"
    for link in children.get("link", ()):
        yield from address_problems("the channel's link", text_of([link]))
    for language in children.get("language", ()):
        yield from language_problems("language", text_of([language]))
    for name in ("lastBuildDate", "pubDate"):
        if name in children:
            yield from date_problems({name: read_rfc822(text_of(children[name]))}, not_after)
    for image in children.get("image", ()):
        yield from (f"in image: {message}" for message in _image_problems(children_by_name(image)))
    links = children.get(LINK, [])
    for link in links:
        yield from address_problems(f"the link {link.get('rel')}", link.get("href"))
    if not any(link.get("rel") == "self" for link in links):
        yield "there is no atom:link to the document itself"
    yield from archive_problems(links, is_archive=ARCHIVE in children)
    yield from extension_problems(children)


def _image_problems(children: Children) -> Iterator[str]:
    yield from count_problems(children, exactly_one=("url", "title", "link"), at_most_one=())
    for element in (*children.get("url", ()), *children.get("link", ())):
        yield from address_problems(str(element.tag), text_of([element]))


def _item_problems(children: Children, not_after: datetime | None) -> Iterator[str]:
    yield from count_problems(
        children,
        exactly_one=("guid",),
        at_most_one=(
            "title",
            "link",
            "description",
            "pubDate",
            "enclosure",
            "source",
            "comments",
            ENCODED,
            UPDATED,
            LANGUAGE,
            RIGHTS,
        ),
    )
    if not text_of(children.get("title", [])) and not text_of(children.get("description", [])):
        yield "there is neither a title nor a description"
    for link in children.get("link", ()):
        yield from address_problems("the item's link", text_of([link]))
    for guid in children.get("guid", ()):
        yield from _guid_problems(guid)
    for author in children.get("author", ()):
        yield from email_problems("the item's author", text_of([author]).partition(" (")[0])
    for source in children.get("source", ()):
        yield from address_problems("the source's url", source.get("url"))
    for enclosure in children.get("enclosure", ()):
        yield from address_problems("the enclosure's url", enclosure.get("url"))
        yield from length_problems("the enclosure's length", enclosure.get("length"))
        yield from media_type_problems("the enclosure's type", enclosure.get("type"))
    for link in children.get(LINK, ()):
        yield from address_problems(f"the link {link.get('rel')}", link.get("href"))
    for language in children.get(LANGUAGE, ()):
        yield from language_problems("dc:language", text_of([language]))
    yield from extension_problems(children)
    yield from _item_date_problems(children, not_after)
    yield from _item_text_problems(children)


def _guid_problems(guid: etree._Element) -> Iterator[str]:
    """Ours are ids, not links, and say so."""
    if not text_of([guid]):
        yield "the guid is empty"
    if guid.get("isPermaLink") != "false":
        yield 'the guid does not say isPermaLink="false"'


def _item_date_problems(children: Children, not_after: datetime | None) -> Iterator[str]:
    dates = {}
    if "pubDate" in children:
        dates["pubDate"] = read_rfc822(text_of(children["pubDate"]))
    if UPDATED in children:
        dates["atom:updated"] = read_rfc3339(text_of(children[UPDATED]))
    yield from date_problems(dates, not_after)


def _item_text_problems(children: Children) -> Iterator[str]:
    """Readers that go by order take the last of the two for the text, so the whole text stands last."""
    for name in ("title", "description", ENCODED):
        for element in children.get(name, ()):
            if len(element):
                yield f"{bare(name)} may not hold elements"
            elif name != "title":
                yield from markup_problems(element.text or "")
    if "description" in children and ENCODED in children:
        item = children["description"][0].getparent()
        assert item is not None  # it was found in one
        if item.index(children[ENCODED][0]) < item.index(children["description"][0]):
            yield "content:encoded stands before description"
