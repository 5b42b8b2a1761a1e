"""The tree of a feed, made ready for feedparser: what it would lose, mix up or choke on is taken out or rewritten."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from feedbridge.sources.beside import DATES
from feedbridge.sources.extensions import name_of

MAX_ITEMS = 5_000
"""Of one document; further ones are left out."""

MAX_CHILDREN = 1_000
"""Elements directly in an item; further ones are left out."""

_CORE = (
    "backend.userland.com/rss",
    "blogs.law.harvard.edu/tech/rss",
    "my.netscape.com/rdf/simple/0.9/",
    "purl.org/atom/ns#",
    "purl.org/rss/1.0/",
    "www.w3.org/2005/atom",
)
_KNOWN = (
    *_CORE,
    "purl.org/dc/",
    "rssnamespace.org/feedburner/",
    "www.w3.org/1999/02/22-rdf-syntax-ns#",
)
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_XHTML_BODY = "{http://www.w3.org/1999/xhtml}body"
_TEXTS = frozenset(
    "content description encoded info rights copyright subtitle summary tagline title".split()  # noqa: SIM905
)
_HTML_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,40}")
_HTML = frozenset(("html", "text/html"))
_DESCRIPTIONS = frozenset(("abstract", "body", "description", "summary"))
_HTML_TYPES = frozenset(("", "html", "xhtml", "text", "text/html", "text/plain", "application/xhtml+xml"))
_PEOPLE = frozenset(("author", "creator", "managingeditor", "webmaster", "contributor", "publisher"))
_TERMS = frozenset(("category", "subject", "keywords"))
_UNREAD = frozenset(("cloud", "enclosure", "image", "lastbuilddate", "tags", "textinput", *DATES))
"""What feedparser would read in vain, or mix up with what is the item's own."""

_LATIN = range(0x80, 0x100)
_ASIDE = 0xEFF00
_HIDE = {code: _ASIDE + code for code in _LATIN}
_SHOW = {_ASIDE + code: code for code in _LATIN}
_MARK = chr(_ASIDE)
"""With a number, it stands for a text. Nobody writes this character; who does can only repeat texts of his own feed."""


def channel_of(root: etree._Element) -> etree._Element:
    return next((child for child in root.iter(etree.Element) if _core_name(child) == "channel"), root)


def items_of(root: etree._Element) -> tuple[list[etree._Element], int]:
    """The items wherever they stand, the first 5,000, and how many others there were: these leave the tree."""
    found = [element for element in root.iter(etree.Element) if _core_name(element) in ("item", "entry")]
    outer = [element for element in found if not _is_inside(element)]
    for element in outer[MAX_ITEMS:]:
        _drop(element)
    for element in outer[:MAX_ITEMS]:
        del element[MAX_CHILDREN:]
    return outer[:MAX_ITEMS], len(outer[MAX_ITEMS:])


def _core_name(element: etree._Element) -> str:
    """The local name, in lower case, of an element of RSS or Atom; empty for others."""
    name = str(element.tag)
    if not name.startswith("{"):
        return "" if ":" in name else name.lower()
    namespace, _, local = name[1:].partition("}")
    spelled = namespace.lower().partition("://")[2]
    return local.lower() if element.prefix is None or spelled.startswith(_CORE) else ""


def _is_inside(element: etree._Element) -> bool:
    return any(_core_name(above) in ("item", "entry") for above in element.iterancestors())


def core_document(root: etree._Element, items: Sequence[etree._Element]) -> tuple[bytes, dict[str, str]]:
    """The document as feedparser gets it, and the texts that were put aside, by what stands for them.

    Markup goes through feedparser as it is, and slowly, since it is the most of a feed. The tree is used up.
    """
    texts: dict[str, str] = {}
    for item in items:
        for child in list(item.iterchildren(etree.Element)):
            _make_ready(child)
        for child in item.iterchildren(etree.Element):
            if child.text and is_told_as_html(child):
                mark = f"{_MARK}{len(texts)}"
                texts[mark], child.text = child.text, mark
    for child in list(channel_of(root).iterchildren(etree.Element)):
        if _name(child) in _PEOPLE:
            _drop(child)
        else:
            _escape_markup(child)
    _drop_foreign(root)
    etree.cleanup_namespaces(root)
    text = etree.tostring(root, encoding="unicode", with_tail=False)
    return text.translate(_HIDE).encode(), texts


def _drop_foreign(root: etree._Element) -> None:
    """Leave out what feedparser does not know or would take for the item's own, and keep ids as they are."""
    waiting = [root]
    while waiting:
        for child in list(waiting.pop().iterchildren(etree.Element)):
            if _is_foreign(child):
                _drop(child)
                continue
            waiting.append(child)
            for attribute in child.keys():  # noqa: SIM118  (the keys of the element, not of a map that changes)
                if not str(attribute).isascii():
                    del child.attrib[attribute]
            if _name(child) in ("guid", "id"):
                child.set("isPermaLink", "false")  # feedparser would make an address of it


def _is_foreign(child: etree._Element) -> bool:
    """Whether feedparser is not to see it; categories outside of items would cost it time alone."""
    name = _name(child)
    if name_of(child)[0] or ":" in name or name in _UNREAD or not (name + (child.prefix or "")).isascii():
        return True
    if name in _TERMS:
        parent = child.getparent()
        return parent is None or _core_name(parent) not in ("item", "entry")
    namespace = str(child.tag).lower().partition("}")[0].partition("://")[2]
    return bool(child.prefix) and not namespace.startswith(_KNOWN)


def _make_ready(child: etree._Element) -> None:
    """A child of an item as feedparser reads it right, or none."""
    if _name(child) in _PEOPLE:
        _drop(child)
        return
    if child.tag == _XHTML_BODY:
        child.tag = _CONTENT
    for element in (child, *(child if _name(child) == "source" else ())):
        _escape_markup(element)


def is_told_as_html(child: etree._Element) -> bool:
    """Whether feedparser takes the text of an item's child for HTML, whatever it is.

    What has no type is HTML in `content:encoded` and in the first `description`.
    """
    name = _name(child)
    if name not in ("content", "description", "encoded", "summary") or len(child):
        return False
    said = [(key, value.lower()) for key, value in child.items() if not key.startswith(_XML)]
    if said:
        return len(said) == 1 and said[0][0] == "type" and said[0][1] in _HTML
    before = child.itersiblings(etree.Element, preceding=True)
    return name == "encoded" or (name == "description" and _DESCRIPTIONS.isdisjoint(map(_name, before)))


def _name(element: etree._Element) -> str:
    """The local name in lower case, after a prefix that is not declared."""
    return str(element.tag).rpartition("}")[2].lower()


def _local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def _drop(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is None:
        return
    before = element.getprevious()
    if element.tail and before is not None:
        before.tail = (before.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _escape_markup(element: etree._Element) -> None:
    """Markup that stands as elements becomes escaped HTML: feedparser would write `<br></br>`, which is two breaks."""
    kind = element.get("type", "").strip().lower()
    if _name(element) not in _TEXTS or (not len(element) and "xhtml" not in kind):
        return
    inside = _inner_html(element) if kind in _HTML_TYPES else ""
    del element[:]
    element.text = inside
    element.set("type", "html")
    element.attrib.pop("mode", None)


def _inner_html(element: etree._Element) -> str:
    """The content of an element as HTML, without the `div` that Atom puts around it (RFC 4287 section 3.1.1.3)."""
    holder = element
    if len(element) == 1 and not (element.text or "").strip() and not (element[0].tail or "").strip():
        only = element[0]
        holder = only if "xhtml" in element.get("type", "") and str(only.tag).endswith("}div") else element
    box = etree.Element("div")
    box.text = html.escape(holder.text or "", quote=False)
    box.extend(list(holder))
    for inner in box.iterdescendants(etree.Element):
        local = _local_name(inner)
        inner.tag = local if _HTML_NAME.fullmatch(local) else "span"
    etree.cleanup_namespaces(box)
    return "".join((box.text, *(etree.tostring(child, method="html", encoding="unicode") for child in box)))


def shown(value: Any, texts: Mapping[str, str]) -> Any:
    """Plain lists, maps and texts, with the letters and the texts that were put aside back in their places."""
    if isinstance(value, str):
        return texts[value] if value in texts else value.translate(_SHOW)
    if isinstance(value, dict):
        return {key: shown(part, texts) for key, part in value.items()}
    return [shown(part, texts) for part in value] if isinstance(value, list) else value
