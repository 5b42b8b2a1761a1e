"""Elements of the vocabularies that pass through feedbridge as they are: iTunes, Podcasting 2.0, Media RSS."""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urljoin

from lxml import etree

from feedbridge.model import Element

ITUNES = "http://www.itunes.com/dtds/podcast-1.0.dtd"
PODCAST = "https://podcastindex.org/namespace/1.0"
MEDIA = "http://search.yahoo.com/mrss/"

MAX_ELEMENTS = 200
"""Of one item or one channel, those inside others counted."""

MAX_DEPTH = 8
MAX_TEXT = 10_000
"""Characters of a text or an attribute; a longer text is cut, a longer attribute is left out."""

_SPELLINGS = {
    "www.itunes.com/dtds/podcast-1.0.dtd": ITUNES,
    "podcastindex.org/namespace/1.0": PODCAST,
    "github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md": PODCAST,
    "search.yahoo.com/mrss": MEDIA,
}
"""Without scheme and last slash, in lower case."""

_NOT_FOR_OTHERS = frozenset(("new-feed-url",))
"""Speaks of the source's own address: passed on, it would lead subscribers away from ours."""

_ADDRESSES = frozenset(("href", "img", "url"))
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def name_of(element: etree._Element) -> tuple[str | None, str]:
    """The canonical namespace of an element, if it is of one of these vocabularies, and its local name."""
    return _parted(str(element.tag))


@lru_cache(maxsize=1024)
def _parted(name: str) -> tuple[str | None, str]:
    if name.startswith("{"):
        namespace, _, local = name[1:].partition("}")
        return _SPELLINGS.get(namespace.strip().lower().partition("://")[2].rstrip("/")), local
    return None, name


def read_extensions(holder: etree._Element, *, base: str) -> tuple[Element, ...]:
    """The elements of these vocabularies that stand directly in a channel or an item, in their order.

    Depth, number and length are bounded; what is beyond is left out.

    Args:
        base: What addresses in it are relative to; they come out whole, for they will stand elsewhere.
    """
    room = iter(range(MAX_ELEMENTS))
    return tuple(_read_children(holder, room, 1, base))


def resolved(address: str, base: str) -> str:
    """An address as it is written if it is whole, else spelled out against a base."""
    if _SCHEME.match(address):
        return address
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def _read_children(holder: etree._Element, room: Iterator[int], depth: int, base: str) -> Iterator[Element]:
    for child in holder.iterchildren(etree.Element):
        namespace, name = name_of(child)
        if namespace is None or name in _NOT_FOR_OTHERS:
            continue
        if depth > MAX_DEPTH or next(room, None) is None:
            return
        yield Element(
            namespace=namespace,
            name=name,
            attributes=tuple(_attributes(child, base)),
            text=(child.text or "").strip()[:MAX_TEXT],
            children=tuple(_read_children(child, room, depth + 1, base)),
        )


def _attributes(element: etree._Element, base: str) -> Iterator[tuple[str, str]]:
    for name, value in element.items()[:MAX_ELEMENTS]:
        if ":" not in name and len(value) <= MAX_TEXT:
            yield name, resolved(value.strip(), base) if name in _ADDRESSES and value.strip() else value
