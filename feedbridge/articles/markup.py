"""Foreign markup is made well nested before a parser sees it, in time linear in its length.

HTML parsers are quadratic on open elements, on the attributes of one tag and on formatting elements that are
left open: 100,000 nested `<div>` take one of them 16 seconds. So the tags are read here first, as the
tokenizer of the HTML standard reads them (section 13.2.5), and written out again with every end tag in its
place; what a parser would have to guess is said, and what no article needs is left out. Then depth, tags and
attributes can be counted exactly, and refused.
"""

import re

from feedbridge.articles.text import words
from feedbridge.articles.tree import VOID
from feedbridge.errors import UnusableItem

MAX_HTML = 8 * 1024 * 1024
"""In characters. The longest of 55,018 real articles has 679,000 bytes."""

MAX_DEPTH = 200
"""Elements inside one another. Real articles stay below 30; tables nested for layout reach 100."""

MAX_TAGS = 60_000
"""Tags, comments and declarations, and the end tags that were left out. Real articles have some hundreds."""

MAX_ATTRIBUTES = 200
"""On one tag."""

MAX_ATTRIBUTE_TEXT = 65_536
"""Characters of all attributes of one tag; longer ones, such as a large picture in `data:`, are left out."""

_SPACE = r"[ \t\n]"
_ATTRIBUTE = (
    r"[^ \t\n/>][^ \t\n/>=]*+"
    rf"(?:{_SPACE}*+={_SPACE}*+(?:\"[^\"]*+\"|'[^']*+'|[\"'](?s:.*+)|(?=>)|[^ \t\n>\"'][^ \t\n>]*+))?+"
)
_TAG = re.compile(rf"<(/?)([A-Za-z][^ \t\n/>]*+)((?:{_SPACE}++|/(?!>)|{_ATTRIBUTE})*+)(/?)>")
_PLAIN_TAG = re.compile(
    r"<(?:/([a-z][a-z0-9]*+)>"
    rf"|([a-z][a-z0-9]*+)((?:{_SPACE}++{_ATTRIBUTE}){{0,{MAX_ATTRIBUTES}}}+)(?<![=/])>"
    r"|)"
)
"""Finds each `<`, with its tag where that looks as tags are written here; an end tag is the first group."""
_COUNTED_ATTRIBUTE = re.compile(_ATTRIBUTE)
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])")
_TAG_START = re.compile(r"</?[A-Za-z]")
_COMMENT_END = re.compile(r"--!?>")
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9-]*")

_LITTER = words(
    "html head body input link meta base param frame frameset basefont bgsound area map keygen applet plaintext"
    " slot portal"
)
"""Tags that go while what they hold stays."""

_WHOLE = words("script style textarea title xmp noembed noframes iframe svg math template canvas select datalist")
"""Elements that go with everything up to their end tag; of an iframe the tag itself stays."""

_USUAL = words(
    "a abbr article aside audio b blockquote br center cite code dd del details div dl dt em figcaption figure font"
    " footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav noscript ol p picture pre q s section small"
    " source span strong sub summary sup table time u ul video"
)
"""Tags that are written as they are."""

_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
_CELLS = frozenset(("td", "th", "caption"))
_TABLE_PARTS = _CELLS | words("tr tbody thead tfoot colgroup")
_ENDS_PARAGRAPH = _HEADINGS | words(
    "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer"
    " header hgroup hr legend li listing main menu nav ol p pre search section summary table ul"
)
_SCOPE = _CELLS | {"table"}


def _implied_ends() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """By start tag: the open elements that it ends, and those beyond which it does not reach."""
    block = _SCOPE | {"button"}
    lists = block | words("ul ol menu dir dl")
    table = frozenset(("table",))
    ends = {name: (frozenset(("p",)), block) for name in _ENDS_PARAGRAPH}
    holders = block | words("div section article ul ol dl li blockquote figure")
    ends |= {name: (_HEADINGS | {"p"}, holders) for name in _HEADINGS}
    ends["li"] = (frozenset(("li", "p")), lists)
    ends["dt"] = ends["dd"] = (frozenset(("dt", "dd", "p")), lists)
    ends["a"] = (frozenset(("a",)), _SCOPE)
    ends["noscript"] = (frozenset(("noscript",)), _SCOPE)
    ends["nobr"] = (frozenset(("nobr",)), _SCOPE)
    ends["button"] = (frozenset(("button",)), _SCOPE)
    ends["rb"] = ends["rt"] = ends["rp"] = (frozenset(("rb", "rt", "rp")), _SCOPE | {"ruby", "rtc"})
    ends["rtc"] = (frozenset(("rb", "rt", "rp", "rtc")), _SCOPE | {"ruby"})
    ends["td"] = ends["th"] = (_CELLS | {"colgroup"}, table)
    ends["tr"] = (_CELLS | {"colgroup", "tr"}, table)
    for name in ("tbody", "thead", "tfoot", "caption", "colgroup"):
        ends[name] = (_TABLE_PARTS, table)
    return ends


_IMPLIED_ENDS = _implied_ends()
_MAY_END = {name: _IMPLIED_ENDS[name][0] if name in _IMPLIED_ENDS else frozenset() for name in _USUAL}
_TABLE_DEPTH = 3
"""A parser puts a body and a row into a table that has none."""


def tame(html: str) -> str:
    """Write the markup again, well nested, without comments, scripts and other things that are not text.

    Args:
        html: Text that `text.clean` has been through.

    Returns:
        Markup that holds the same text in the same order.

    Raises:
        UnusableItem: It is too long, nested too deeply, or has too many tags or attributes.
    """
    if len(html) > MAX_HTML:
        raise UnusableItem(f"the text has {len(html):,} characters; at most {MAX_HTML:,} are read")
    writer = _Writer()
    endless: set[str] = set()
    place = 0
    while (place := writer.copy(html, place)) < len(html):
        if tag := _TAG.match(html, place):
            place = _read_tag(html, tag, writer, endless)
        elif _MARKUP.match(html, place):
            place = _past_other(html, place)
            writer.count()
        else:  # a `<` that begins nothing is text
            following = _MARKUP.search(html, place)
            start, place = place, following.start() if following else len(html)
            writer.text(html[start:place])
    return writer.finish()


def _past_other(html: str, start: int) -> int:
    """Where a comment, declaration or broken tag ends; the standard drops them, and the rest if one has no end."""
    if _TAG_START.match(html, start):
        return len(html)
    if not html.startswith("<!--", start):
        return html.find(">", start) + 1 or len(html)
    if html.startswith((">", "->"), start + 4):
        return html.index(">", start) + 1
    end = _COMMENT_END.search(html, start + 4)
    return end.end() if end else len(html)


def _read_tag(html: str, tag: re.Match[str], writer: "_Writer", endless: set[str]) -> int:
    """Write one tag; returns where reading goes on."""
    closing, name, attributes, slash = tag.groups()
    name = name.lower()
    if len(attributes) > 2 * MAX_ATTRIBUTES:
        _check_attributes(name, attributes)
        if len(attributes) > MAX_ATTRIBUTE_TEXT:
            attributes = ""
    if closing:
        writer.end(name)
        return tag.end()
    if name not in _WHOLE:
        writer.start(name, attributes, empty=bool(slash))
        return tag.end()
    writer.count()
    if name == "iframe":
        writer.start(name, attributes, empty=True)
    return _past_whole(html, name, tag.end(), bool(slash), endless)


def _past_whole(html: str, name: str, start: int, self_closed: bool, endless: set[str]) -> int:
    """Where an element that goes as a whole ends; without an end tag only a script or style takes the rest along."""
    code = name in ("script", "style")
    if self_closed and not code:
        return start
    if name not in endless:
        end = re.compile(rf"</{name}(?=[ \t\n/>])", re.IGNORECASE).search(html, start)
        close = html.find(">", end.end()) if end else -1
        if close >= 0:
            return close + 1
    # No later one of this name has an end either: it is looked for once.
    endless.add(name)
    return len(html) if code and not self_closed else start


def _check_attributes(name: str, attributes: str) -> None:
    count = sum(1 for _ in _COUNTED_ATTRIBUTE.finditer(attributes))
    if count > MAX_ATTRIBUTES:
        raise UnusableItem(f"a <{name[:20]}> has {count:,} attributes; at most {MAX_ATTRIBUTES} are read")


class _Writer:
    """Writes tags so that every element ends inside the one that holds it."""

    def __init__(self) -> None:
        # Everything stands in the body, so that no parser moves it into a head.
        self._out = ["<!DOCTYPE html><body>"]
        self._open: list[str] = []
        self._tags = 0

    def copy(self, html: str, start: int) -> int:
        """Write text and tags as they stand, up to one that may have to be changed; returns where that begins."""
        place = len(html)
        opened = self._open
        tags = self._tags
        for tag in _PLAIN_TAG.finditer(html, start):
            end, name, attributes = tag.groups()
            if end and opened and opened[-1] == end:
                opened.pop()
            elif (
                name in _MAY_END
                and _MAY_END[name].isdisjoint(opened)
                and len(attributes) <= MAX_ATTRIBUTE_TEXT
                and len(opened) < MAX_DEPTH // _TABLE_DEPTH  # not too deep even if all of them are tables
            ):
                if name not in VOID:
                    opened.append(name)
            else:
                place = tag.start()
                break
            tags += 1
            if tags > MAX_TAGS:
                break
        self.count(tags - self._tags)
        self._out.append(html[start:place])
        return place

    def text(self, text: str) -> None:
        self._out.append(text.replace("<", "&lt;"))

    def count(self, tags: int = 1) -> None:
        self._tags += tags
        if self._tags > MAX_TAGS:
            raise UnusableItem(f"the text has more than {MAX_TAGS:,} tags")

    def start(self, name: str, attributes: str, *, empty: bool = False) -> None:
        self.count()
        if name not in _USUAL:
            name = self._meant(name)
            if name in _LITTER or not _PLAIN_NAME.fullmatch(name):
                return
        if implied := _IMPLIED_ENDS.get(name):
            self.count(self._end_outermost(*implied))
        self._out.append(f"<{name}{attributes}>" if attributes[-1:] not in ("=", "/") else f"<{name}{attributes} >")
        if name in VOID:
            return
        if empty or name == "object":
            # A parser treats what follows an <object> as its own; standing beside it does as well.
            self._out.append(f"</{name}>")
        else:
            self._push(name)

    def end(self, name: str) -> None:
        self.count()
        if self._open and self._open[-1] == name:
            self._open.pop()
            self._out.append(f"</{name}>")
            return
        if name == "br":
            self._out.append("<br>")
            return
        name = self._meant(name)
        if name == "table":
            self._end_outermost(frozenset((name,)), frozenset(), nearest=True)
        elif name in _TABLE_PARTS:
            self._end_outermost(frozenset((name,)), frozenset(("table",)))
        elif name in _HEADINGS:
            self._end_outermost(_HEADINGS, _SCOPE, nearest=True)
        else:
            self._end_outermost(frozenset((name,)), _SCOPE, nearest=True)

    def _meant(self, name: str) -> str:
        """The element to write for this one; parsers have special rules for those that no article needs."""
        if name == "image":
            return "img"
        if name in ("form", "marquee") or (name in _TABLE_PARTS and "table" not in self._open):
            return "div"
        return name

    def finish(self) -> str:
        self._pop_to(0)
        return "".join(self._out)

    def _end_outermost(self, names: frozenset[str], beyond: frozenset[str], *, nearest: bool = False) -> int:
        """End the outermost (or nearest) open element of these names, with all inside, up to the barrier.

        Returns how many were ended.
        """
        if names.isdisjoint(self._open):
            return 0
        open_before = len(self._open)
        place = open_before
        for index in range(open_before - 1, -1, -1):
            name = self._open[index]
            if name in names:
                place = index
                if nearest:
                    break
            elif name in beyond:
                break
        self._pop_to(place)
        return open_before - place

    def _push(self, name: str) -> None:
        self._open.append(name)
        if len(self._open) + (_TABLE_DEPTH - 1) * self._open.count("table") > MAX_DEPTH:
            raise UnusableItem(f"elements are nested more than {MAX_DEPTH} deep")

    def _pop_to(self, place: int) -> None:
        while len(self._open) > place:
            name = self._open.pop()
            self._out.append(f"</{name}>")
