"""Foreign XML made well-formed: what a source's slips would stop a parser at is mended before one sees it.

Every pass is linear in the length of the text.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.entities import html5

from lxml import etree

_ROOT = re.compile(
    r"<!--|<(?P<feed>(?:[a-z_][\w.-]{0,40}:)?(?:rss|feed|rdf|channel)(?=[\s>/]))|<(?:!doctype\s{1,99}html|html|head|body)\b",
    re.IGNORECASE,
)
_SECTION = re.compile(r"<!\[CDATA\[|<!--|<\?")
_ENDS = {"<![CDATA[": "]]>", "<!--": "-->", "<?": "?>"}

_BLANK_CONTROLS = re.compile("[\x0b\x0c]")
_ILLEGAL = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"&(?:#(?:([0-9]{1,10})|[xX]([0-9A-Fa-f]{1,8}))|([A-Za-z][A-Za-z0-9]{1,31}));|&")
_HALF = r"&#(x[0-9A-Fa-f]{4}|X[0-9A-Fa-f]{4}|[0-9]{5});"
_PAIR = re.compile(_HALF + r"(?=&#)" + _HALF)
_XML_NAMES = frozenset(("lt", "gt", "amp", "quot", "apos"))

_TAG = re.compile(r"<(/?)([A-Za-z_][\w.:-]*+)((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+|[^<>]*)>")
_ATTRIBUTE = re.compile(r"(?<![\w.:-])([A-Za-z_][\w.:-]*+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")
_VOID = frozenset(("br", "hr", "img", "wbr", "input"))
_PLAIN = frozenset(("title", "link", "guid", "id", "pubdate", "published", "updated"))
_PARTS = _PLAIN | frozenset(
    ("author", "category", "content", "creator", "description", "enclosure", "encoded", "summary")
)
"""What stands in an item, of which some have nothing but text in them."""

_MAX_DEPTH = 200

_PREFIXES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rss": "http://purl.org/rss/1.0/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
}
"""What a prefix means that its document does not declare."""


def read_tree(text: str) -> tuple[etree._Element, bool] | None:
    """The tree of the feed document in a text; entities, comments and processing instructions are gone from it.

    What stands before the root element is passed over. A document that is not well-formed is made simpler; where that
    does not help its nesting is mended; where it was cut off, its last, unfinished item is left out.

    Returns:
        The root element, and whether the document has an end; None if no feed document begins in the text.
    """
    start = find_root(text)
    if start is None:
        return None
    document = text[start:]
    if (root := _parsed(document, recover=False)) is not None:
        return root, True
    simple = simplify(document)
    if (root := _parsed(simple, recover=False)) is not None:
        return root, True
    mended, ended = mend(simple)
    if (root := _parsed(mended, recover=True)) is None:
        return None
    _declare(root)
    return root, ended


def find_root(text: str) -> int | None:
    """Where the root element of a feed begins; None if an HTML page begins before it, or none does."""
    place = 0
    last_end = text.rfind("-->")
    while found := _ROOT.search(text, place):
        if found[0] != "<!--":
            return found.start() if found["feed"] else None
        place = text.find("-->", found.end()) if found.end() <= last_end else found.end()
    return None


def simplify(text: str) -> str:
    """The same document without comments, processing instructions and CDATA sections, and without entities of HTML.

    Control characters go, references to what XML may not hold become U+FFFD or nothing, and a bare `&` is escaped.
    """
    text = _ILLEGAL.sub("", _BLANK_CONTROLS.sub(" ", text))
    return "".join(_simple_parts(text))


def _simple_parts(text: str) -> Iterator[str]:
    place = 0
    endless: set[str] = set()
    while found := _SECTION.search(text, place):
        yield _with_valid_references(text[place : found.start()])
        end = -1 if found[0] in endless else text.find(_ENDS[found[0]], found.end())
        if end < 0 and found[0] == "<![CDATA[":
            yield html.escape(text[found.end() :], quote=False)
            return
        if end < 0:
            endless.add(found[0])
            place = found.end()
            continue
        if found[0] == "<![CDATA[":
            yield html.escape(text[found.end() : end], quote=False)
        place = end + len(_ENDS[found[0]])
    yield _with_valid_references(text[place:])


def _with_valid_references(text: str) -> str:
    text = _PAIR.sub(_joined_pair, text) if "&#" in text else text
    return _REFERENCE.sub(_valid_reference, text).replace("]]>", "]]&gt;")


def _joined_pair(match: re.Match[str]) -> str:
    """The character that two references to halves of it mean, as UTF-16 writes it."""
    high, low = (int(half[1:], 16) if half[0] in "xX" else int(half) for half in match.groups())
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return f"&#{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)};"
    return match[0]


def _valid_reference(match: re.Match[str]) -> str:
    number, hexadecimal, name = match.groups()
    if name:
        return match[0] if name in _XML_NAMES else _by_number(name) or f"&amp;{name};"
    if not (number or hexadecimal):
        return "&amp;"
    code = int(number) if number else int(hexadecimal, 16)
    if code < 0x20 and code not in (9, 10, 13):
        return ""
    legal = code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return match[0] if legal else "\ufffd"


def _by_number(name: str) -> str:
    return "".join(f"&#{ord(character)};" for character in html5.get(f"{name};", ""))


def mend(text: str) -> tuple[str, bool]:
    """A simple document with its tags paired: what is left open is closed, what closes nothing is left out.

    Returns:
        The document up to the end of its root element, without an item that has no end, and whether it has an end.
    """
    mender = _Mender()
    place = 0
    for tag in _TAG.finditer(text):
        mender.write(text[place : tag.start()])
        mender.take(tag)
        place = tag.end()
        if mender.done:
            return mender.text(), True
    mender.cut_off()
    return mender.text(), False


class _Mender:
    """Writes a document whose tags are paired."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._open: list[str] = []
        self._count: Counter[str] = Counter()
        self._item: tuple[str, int] | None = None
        self.done = False

    def text(self) -> str:
        return "".join(self._written)

    def write(self, text: str) -> None:
        if self._open:
            self._written.append(text.replace("<", "&lt;"))

    def take(self, tag: re.Match[str]) -> None:
        closing, name, attributes = tag.groups()
        if closing:
            if self._count[name]:
                self._close(name)
                self.done = not self._open
            return
        if _local(name) in ("item", "entry"):
            if self._item:
                self._close(self._item[0])
            self._item = name, len(self._written)
        if self._open and _local(self._open[-1]) in _PLAIN and _local(name) in _PARTS:
            self._close(self._open[-1])
        if len(self._open) >= _MAX_DEPTH:
            return
        alone = attributes.endswith("/") or (self._open and name.lower() in _VOID)
        self._written.append(f"<{name}{_paired(attributes)}{'/' if alone else ''}>")
        if not alone:
            self._open.append(name)
            self._count[name] += 1
        elif self._item and self._item[0] == name and _local(name) in ("item", "entry"):
            self._item = None
        self.done = not self._open

    def cut_off(self) -> None:
        """The text ends here: leave out the item that is not finished, and close what is open."""
        if self._item:
            name, place = self._item
            while self._open and self._pop() != name:
                pass
            del self._written[place:]
        while self._open:
            self._close(self._open[-1])

    def _close(self, name: str) -> None:
        closed = ""
        while closed != name:
            closed = self._pop()
            self._written.append(f"</{closed}>")
            if self._item and closed == self._item[0]:
                self._item = None

    def _pop(self) -> str:
        name = self._open.pop()
        self._count[name] -= 1
        return name


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _paired(attributes: str) -> str:
    """The attributes, each once, in quotes."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(attributes):
        quoted = value if value[0] in "\"'" else f'"{value}"'
        found.setdefault(name, quoted.replace("<", "&lt;"))
    return "".join(f" {name}={value}" for name, value in found.items())


def _declare(root: etree._Element) -> None:
    """Give elements with an undeclared prefix the namespace that it usually means; attributes with one go."""
    for element in root.iter(etree.Element):
        name = str(element.tag)
        prefix, colon, local = name.partition(":")
        if colon and prefix.lower() in _PREFIXES and local.isascii() and local.isalnum():
            element.tag = f"{{{_PREFIXES[prefix.lower()]}}}{local}"
        for attribute in element.keys():  # noqa: SIM118  (the keys of the element, not of a map that changes)
            if ":" in attribute and not str(attribute).startswith("{"):
                del element.attrib[attribute]


def _parsed(text: str, *, recover: bool) -> etree._Element | None:
    """The tree of a document; None if it is not well-formed, or if even with `recover` there is none.

    Raises:
        MemoryError: There is not enough memory for it, which lxml takes for a slip of the document.
    """
    parser = etree.XMLParser(
        recover=recover,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    try:
        return etree.fromstring(text.encode(errors="surrogatepass"), parser)
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        return None
