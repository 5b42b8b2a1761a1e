"""What other vocabularies demand of their elements in a feed, an entry or an item, Atom's or RSS's."""

from collections.abc import Iterator

from lxml import etree

from feedbridge.feeds.checks import Children, address_problems, bare, count_problems, leads_nowhere, markup_problems
from feedbridge.feeds.vocabularies import ADDRESSES, MEDIA_CONTENT, MEDIA_PLAYER, NEEDED, ONCE, PREFIXES

_KNOWN = tuple(f"{{{namespace}}}" for namespace in PREFIXES)


def extension_problems(children: Children) -> Iterator[str]:
    """Check the elements of the vocabularies that we know, and those inside them."""
    ours = {name: found for name, found in children.items() if name.startswith(_KNOWN)}
    yield from count_problems(ours, exactly_one=(), at_most_one=tuple(name for name in ours if name in ONCE))
    for found in ours.values():
        for element in found:
            for part in element.iter("*"):
                yield from _element_problems(part)


def _element_problems(element: etree._Element) -> Iterator[str]:
    name = _prefixed(element)
    needed = NEEDED.get(str(element.tag))
    if needed and needed not in element.attrib:
        yield f"{name} has no {needed}"
    if element.tag == MEDIA_CONTENT and "url" not in element.attrib and element.find(MEDIA_PLAYER) is None:
        yield f"{name} has neither url nor player"
    for attribute, value in element.attrib.items():
        if attribute in ADDRESSES:
            yield from _address_problems(f"{name}'s {attribute}", value)
    if element.text and "<" in element.text:
        yield from (f"in {name}: {message}" for message in markup_problems(element.text))


def _address_problems(what: str, address: str) -> Iterator[str]:
    yield from address_problems(what, address)
    if leads_nowhere(address):
        yield f"{what} leads nowhere: {address[:100]!r}"


def _prefixed(element: etree._Element) -> str:
    prefix = PREFIXES.get(_namespace(str(element.tag)))
    return f"{prefix}:{bare(element.tag)}" if prefix else bare(element.tag)


def _namespace(name: str) -> str:
    return name[1:].partition("}")[0] if name.startswith("{") else ""
