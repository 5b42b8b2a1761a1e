"""The checks that the formats share: addresses, dates, language tags, and the safety of HTML.

Each gives what is wrong in words, and nothing if all is well.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from feedbridge.feeds.spelling import (
    illegal_character,
    is_absolute,
    is_email,
    is_iri,
    is_language,
    is_media_type,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A fault of a document, and the id of the entry that has it, if it is one entry's."""

    entry: str | None
    message: str


_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_RFC_822 = re.compile(
    r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?"
    r"[0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    r" [0-9]{2}:[0-9]{2}:[0-9]{2} (?:GMT|UT|[+-][0-9]{4})"
)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_LIVE_ELEMENTS = frozenset((
    "applet", "base", "button", "embed", "form", "frame", "frameset", "iframe", "input", "link", "math",
    "meta", "noscript", "object", "portal", "script", "select", "style", "svg", "template", "textarea",
))  # fmt: skip
_LIVE_ATTRIBUTES = frozenset(("formaction", "ping", "srcdoc"))
ADDRESS_ATTRIBUTES = frozenset((
    "action", "background", "cite", "data", "href", "longdesc", "poster", "src", "xlink:href",
))  # fmt: skip
_LIVE_SCHEMES = frozenset(("javascript", "vbscript", "livescript", "data"))
_PICTURE_DATA = re.compile(r"data:image/(?:avif|bmp|gif|jpeg|jpg|png|webp|x-icon)[;,]", re.IGNORECASE)
_WELL_KNOWN = re.compile(r"https?://[^/?#\s\\]", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):", re.IGNORECASE)
_IGNORED_IN_ADDRESSES = re.compile(r"^[\x00-\x20]+|[\t\n\r]+")
_DESCRIPTOR = re.compile(r"[0-9.]+[wxh],?")
_TAG = re.compile(r"<(/?)(?!(?:area|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)[a-z]", re.IGNORECASE)

# A tree of nested elements costs its square to parse, so a body with so many tags is measured first.
_MANY_TAGS = 10_000
_MAX_DEPTH = 1_000

_PLAIN_ATTRIBUTE = (
    r"(?:alt|class|colspan|datetime|dir|height|id|lang|rowspan|start|title|type|width)=\"[^\"<>]*+\""
    r"|(?:cite|href|poster|src)=\"https?://[^/?#\s\\\"<>&][^\"<>]*+\"|href=\"#[^\"<>]*+\"|controls|open"
)
_PLAIN_NAME = (  # the usual ones first
    r"p|a|br|img|li|strong|em|b|figure|figcaption|h[1-6]|ul|ol|blockquote|code|pre|abbr|audio|bdi|bdo|caption|cite|col"
    r"|colgroup|dd|del|details|dfn|div|dl|dt|hr|i|ins|kbd|mark|q|rp|rt|ruby|s|samp|small|span|sub|summary|sup|table"
    r"|tbody|td|tfoot|th|thead|time|tr|u|var|video|wbr"
)
_PLAIN_TAG = rf"</?+(?:{_PLAIN_NAME})(?:>|(?: (?:{_PLAIN_ATTRIBUTE}))++>)"
_PLAIN = re.compile(rf"(?:[^<]*+{_PLAIN_TAG}){{0,{_MANY_TAGS}}}+[^<]*+")
_DOUBTFUL_REFERENCE = re.compile("&#(?!x27;)")


def address_problems(what: str, address: str | None) -> Iterator[str]:
    """Check for an absolute IRI (RFC 3987)."""
    if not address or not is_absolute(address):
        yield f"{what} is not an absolute address: {address!r}"
    elif not is_iri(address):
        yield f"{what} holds a character that must be encoded: {address!r}"


def language_problems(what: str, language: str) -> Iterator[str]:
    """Check for the shape of a language tag (RFC 5646 section 2.1)."""
    if not is_language(language):
        yield f"{what} is not a language tag: {language!r}"


def email_problems(what: str, email: str) -> Iterator[str]:
    """Check for something before and after one `@`."""
    if not is_email(email):
        yield f"{what} is not an e-mail address: {email!r}"


def media_type_problems(what: str, media_type: str | None) -> Iterator[str]:
    """Check for `type/subtype` (RFC 4288 section 4.2)."""
    if not media_type or not is_media_type(media_type):
        yield f"{what} is not a media type: {media_type!r}"


def length_problems(what: str, length: str | None) -> Iterator[str]:
    """Check for a number of bytes."""
    if not length or not (length.isascii() and length.isdigit()):
        yield f"{what} is not a number of bytes: {length!r}"


def read_rfc3339(text: str) -> datetime | None:
    """Read a date of Atom (RFC 4287 section 3.3), or None if it is not exactly one."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_rfc822(text: str) -> datetime | None:
    """Read a date of RSS, with four digits in the year and the right weekday, or None if it is not one."""
    shape = _RFC_822.fullmatch(text)
    if not shape:
        return None
    try:
        moment = parsedate_to_datetime(text.removesuffix("UT") + "GMT" if text.endswith("UT") else text)
    except ValueError:
        return None
    return moment if shape[1] in (None, _WEEKDAYS[moment.weekday()]) else None


def date_problems(dates: Mapping[str, datetime | None], not_after: datetime | None) -> Iterator[str]:
    """Check dates that were read: each could be, none is too late, the first is not after the second."""
    for name, moment in dates.items():
        if moment is None:
            yield f"{name} is not a valid date with a zone"
        elif not_after and moment > not_after:
            yield f"{name} lies in the future: {moment.isoformat()}"
    known = [moment for moment in dates.values() if moment]
    if len(known) == 2 and known[0] - known[1] >= timedelta(seconds=1):
        yield " is later than ".join(dates)


def parse_xml(body: bytes) -> etree._Element:
    """Read XML without entities, document types or anything from outside.

    Raises:
        ValueError: It is not well-formed XML in UTF-8, or declares a document type; says where.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"is not well-formed XML: {error}") from error
    described = root.getroottree().docinfo
    if described.doctype or described.internalDTD is not None:
        raise ValueError("declares a document type")
    if (described.encoding or "UTF-8").upper() not in ("UTF-8", "US-ASCII", "ASCII"):
        raise ValueError(f"is not in UTF-8 but in {described.encoding}")
    return root


Children = Mapping[str, list[etree._Element]]


def children_by_name(element: etree._Element) -> Children:
    """Sort an element's children by their full names, in one pass; comments are passed over."""
    children: defaultdict[str, list[etree._Element]] = defaultdict(list)
    for child in element.iterchildren("*"):
        children[str(child.tag)].append(child)
    return children


def text_of(elements: list[etree._Element]) -> str:
    """Give the text of the first element, without white space around it; empty if there is none."""
    if not elements:
        return ""
    first = elements[0]
    return ("".join(map(str, first.itertext())) if len(first) else first.text or "").strip()


def count_problems(children: Children, *, exactly_one: tuple[str, ...], at_most_one: tuple[str, ...]) -> Iterator[str]:
    """Check how often elements stand in their parent."""
    for name in exactly_one:
        if (count := len(children.get(name, ()))) != 1:
            yield f"there must be exactly one {bare(name)}, here are {count}"
    for name in at_most_one:
        if name in children and (count := len(children[name])) > 1:
            yield f"there may be only one {bare(name)}, here are {count}"


def bare(name: object) -> str:
    """Give a name without its namespace."""
    return str(name).rpartition("}")[2]


def html_problems(html: str) -> Iterator[str]:
    """Check that HTML can be shown as it is: nothing live in it, every address absolute.

    A reference within the article itself (`#note`) is allowed.
    """
    if character := illegal_character(html):
        yield f"the HTML holds the character {character}"
    yield from markup_problems(html)


def markup_problems(html: str) -> tuple[str, ...]:
    """The same for a text that was read from XML, so that each of its characters is one that may be there."""
    return () if is_plain(html) else tree_problems(html)


def is_plain(html: str) -> bool:
    """Say whether HTML is written so plainly that no parser could find a problem in it, as ours mostly is."""
    return _PLAIN.fullmatch(html) is not None and _DOUBTFUL_REFERENCE.search(html) is None


@lru_cache(maxsize=128)  # the same entries are checked in each format of a document
def tree_problems(html: str) -> tuple[str, ...]:
    """Check what a browser would make of HTML."""
    return tuple(_tree_problems(html))


def _tree_problems(html: str) -> Iterator[str]:
    if html.count("<") > _MANY_TAGS and _depth(html) > _MAX_DEPTH:
        yield f"the HTML is nested more than {_MAX_DEPTH} deep"
        return
    root = LexborHTMLParser(html).root
    assert root is not None  # a document always has one
    for node in root.traverse():
        if node.tag in _LIVE_ELEMENTS:
            yield f"the HTML holds a live element: <{node.tag}>"
        for name, value in node.attributes.items():
            yield from _attribute_problems(name.lower(), value or "")
    if "&#" in html and (character := illegal_character(root.text())):
        yield f"the HTML holds the character {character}"


def _depth(html: str) -> int:
    """Count how deep elements stand at most; as ours are all closed, `<p>` needs no rule of its own."""
    depth = deepest = 0
    for tag in _TAG.finditer(html):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _attribute_problems(name: str, value: str) -> Iterator[str]:
    if name.startswith("on") or name in _LIVE_ATTRIBUTES:
        yield f"the HTML holds a live attribute: {name}"
    elif name in ADDRESS_ATTRIBUTES:
        yield from _reference_problems(name, value)
    elif name == "srcset":
        for part in value.split():
            if not _DESCRIPTOR.fullmatch(part):
                yield from _reference_problems(name, part)


def leads_nowhere(address: str) -> bool:
    """Say whether an address is a placeholder of ours, or runs what it holds, as a browser would read it."""
    scheme = _SCHEME.match(_IGNORED_IN_ADDRESSES.sub("", address))
    return scheme is not None and scheme[1].lower() in _LIVE_SCHEMES | {"image"}


def _reference_problems(name: str, value: str) -> Iterator[str]:
    if _WELL_KNOWN.match(value):
        return
    address = _IGNORED_IN_ADDRESSES.sub("", value)  # as browsers do before they look for a scheme
    scheme = _SCHEME.match(address)
    if scheme is None:
        if name != "href" or not address.startswith("#"):
            yield f"the HTML holds a relative address: {name}={value[:100]!r}"
    elif scheme[1].lower() in _LIVE_SCHEMES and not (name == "src" and _PICTURE_DATA.match(address)):
        yield f"the HTML holds a live address: {name}={value[:100]!r}"
    elif scheme[1].lower() in ("http", "https") and not _WELL_KNOWN.match(address):
        yield f"the HTML holds an address without a host: {name}={value[:100]!r}"
    elif scheme[1].lower() == "image":
        yield f"the HTML holds a placeholder for a picture: {name}={value[:100]!r}"
