"""A foreign tree becomes the safe vocabulary: paragraphs, headings, lists, tables, figures and little else.

Text is never reordered, and what stood apart stays apart: a wrapper is taken away, but the text that stood
directly in it becomes a paragraph.
"""

import re
from collections.abc import Sequence

from feedbridge.articles.addresses import absolute
from feedbridge.articles.captions import as_figure, follows_as_caption, is_caption, is_picture_box
from feedbridge.articles.embeds import link_to
from feedbridge.articles.flow import (
    APART,
    BLANKS,
    INLINE,
    MOST_BREAKS,
    add_inline,
    all_space,
    flattened,
    grouped,
    held,
    hold_blocks,
    is_solid,
    paragraphs,
    part,
    trimmed,
    without_stray_rules,
)
from feedbridge.articles.text import words
from feedbridge.articles.tree import Element, Node, elements, fold, is_blank

_DIVISIONS = words("div section article header footer main aside nav center fieldset legend hgroup dialog search")
"""Blocks that mean nothing to a reader; each still parts what it holds from what stands around it."""

_RENAMED = {
    "h1": "h2",
    "strike": "s",
    "acronym": "abbr",
    "tt": "code",
    "dir": "ul",
    "menu": "ul",
    "listing": "pre",
}
_PARAGRAPHS = words("p h2 h3 h4 h5 h6 dt summary caption address")
_HOLDERS = words("li dd td th blockquote details")
_LINES = _PARAGRAPHS | words("li dd blockquote")
"""What becomes of these is plain where they hold a line of text and nothing else."""

_GROUPS = {"ul": "li", "ol": "li", "dl": "dd"}
_TABLE_GROUPS = words("table thead tbody tfoot tr colgroup")
_KEPT_EMPTY = frozenset(("td", "th"))
_EMBEDS = frozenset(("iframe", "embed", "object"))
_LINK_SCHEMES = frozenset(("mailto", "tel"))

_NUMBER = re.compile(r"[0-9]{1,4}")
_WORDS = re.compile(r"[\w .:,;+-]{1,64}")
_ANYTHING = re.compile(r"(?s:.{1,1000})")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,35}")
_DIRECTION = re.compile(r"ltr|rtl|auto")
_FLAG = re.compile(r".{0,20}")
_EVERYWHERE = {"lang": _LANGUAGE, "dir": _DIRECTION}
_OF_ONE_TAG = {
    "a": {"title": _ANYTHING, "hreflang": _LANGUAGE},
    "abbr": {"title": _ANYTHING},
    "dfn": {"title": _ANYTHING},
    "td": {"colspan": _NUMBER, "rowspan": _NUMBER},
    "th": {"colspan": _NUMBER, "rowspan": _NUMBER},
    "col": {"span": _NUMBER},
    "colgroup": {"span": _NUMBER},
    "ol": {"start": _NUMBER, "type": re.compile("[1aAiI]"), "reversed": _FLAG},
    "li": {"value": _NUMBER},
    "time": {"datetime": _WORDS},
    "del": {"datetime": _WORDS},
    "ins": {"datetime": _WORDS},
    "details": {"open": _FLAG},
    "source": {"type": _ANYTHING},
    "track": {"kind": _WORDS, "srclang": _LANGUAGE, "label": _WORDS},
}
"""What stays of an element's attributes, and how it must look; addresses are read on their own."""

_ATTRIBUTES = {tag: _EVERYWHERE | forms for tag, forms in _OF_ONE_TAG.items()}


def shape(root: Element, *, base: str | None) -> list[Node]:
    """Give the body's blocks in the safe vocabulary, in the order of the text, empty ones left out.

    Args:
        root: The body, its pictures found (`figures.find_pictures`).
        base: What relative links are resolved against.
    """
    shaper = _Shaper(base)
    return without_stray_rules(paragraphs(shaper.nodes(root.children)))


class _Shaper:
    def __init__(self, base: str | None) -> None:
        self._base = base
        self._figures = 0
        self._verbatim = 0

    def nodes(self, nodes: Sequence[Node]) -> list[Node]:
        """All of these, converted; a picture and the caption that follows it become a figure."""
        if len(nodes) == 1 and isinstance(nodes[0], str):  # as most are
            return [nodes[0] if self._verbatim else fold(nodes[0])]
        out: list[Node] = []
        before: Element | None = None
        mark = 0
        for node in nodes:
            if isinstance(node, str):
                out.append(node if self._verbatim else fold(node))
                if before is not None and not is_blank(node):
                    before = None
                continue
            if node.tag in _LINES and not node.attributes and self._line(node, out):
                before = None
                continue
            if before is not None and not self._figures and follows_as_caption(node, before):
                self._figures += 1
                pair = self.nodes((before, Element("figcaption", node.children)))
                self._figures -= 1
                out[mark:] = as_figure(paragraphs(pair))
                before = None
                continue
            before, mark = node, len(out)
            self._add(node, out)
        return out

    def _line(self, node: Element, out: list[Node]) -> bool:
        """Add a block that holds a line of text and nothing else, as most do; False if it is another."""
        text = node.children[0] if len(node.children) == 1 else None
        if not isinstance(text, str) or self._verbatim:
            return False
        if is_blank(text):
            part(out)
        else:
            node.children[0] = fold(text).strip(BLANKS)
            out.append(node)
        return True

    def _add(self, node: Element, out: list[Node]) -> None:
        tag = _RENAMED.get(node.tag, node.tag)
        if tag in _PARAGRAPHS:
            self._block(node, tag, self._phrase(node.children), out)
        elif tag in _DIVISIONS:
            self._division(node, out)
        elif tag in INLINE:
            self._inline(node, tag, out)
        elif tag == "a":
            self._link(node, out)
        elif tag == "img":
            if node.image is not None:
                out.append(Element("img", image=node.image))
        elif tag in ("br", "wbr"):
            out.append(Element(tag))
        else:
            self._add_rarer(node, tag, out)

    def _add_rarer(self, node: Element, tag: str, out: list[Node]) -> None:
        if tag in _HOLDERS:
            self._block(node, tag, held(tag, self.nodes(node.children)), out)
        elif tag in _GROUPS:
            self._block(node, tag, grouped(_GROUPS[tag], self.nodes(node.children)), out)
        elif tag in _TABLE_GROUPS:
            self._block(node, tag, self._table_part(node, tag), out)
        elif tag == "figure":
            if self._figures or any(element.tag == "figure" for element in elements(node.children)):
                # A gallery is taken apart into its figures.
                self._apart(node, out)
            else:
                out.extend(self._figure(node))
        elif tag == "figcaption":
            self._division(node, out)
        elif tag == "pre":
            self._verbatim += 1
            self._block(node, tag, self._phrase(node.children), out)
            self._verbatim -= 1
        elif tag in ("video", "audio"):
            self._player(node, tag, out)
        elif tag in _EMBEDS:
            link = link_to(node, self._base)
            if link is not None:
                out.append(Element("p", (link,)))
        elif tag in ("hr", "col"):
            out.append(Element(tag, (), _attributes(tag, node)))
        elif tag == "button":
            # A picture that opens larger on a click is often a button; the others are controls.
            if any(element.image for element in elements(node.children)):
                out.extend(self.nodes(node.children))
        else:
            out.extend(self.nodes(node.children))

    def _division(self, node: Element, out: list[Node]) -> None:
        if self._figures:
            if is_caption(node):
                self._caption(node, out)
                return
        elif is_picture_box(node):
            out.extend(self._figure(node))
            return
        self._apart(node, out)

    def _apart(self, node: Element, out: list[Node]) -> None:
        part(out)
        out.extend(self.nodes(node.children))
        part(out)

    def _block(self, node: Element, tag: str, inside: list[Node], out: list[Node]) -> None:
        if inside or tag in _KEPT_EMPTY:
            out.append(Element(tag, inside, _attributes(tag, node) if node.attributes else None))
        else:
            part(out)

    def _table_part(self, node: Element, tag: str) -> list[Node]:
        inside = [child for child in self.nodes(node.children) if isinstance(child, Element) and child is not APART]
        if tag == "table" and not any(is_solid(element) for element in elements(inside)):
            return []
        return list(inside)

    def _caption(self, node: Element, out: list[Node]) -> None:
        inside = self._phrase(node.children)
        only = inside[0] if len(inside) == 1 else None
        if isinstance(only, Element) and only.tag == "small":
            inside = only.children
        if inside:
            out.append(Element("figcaption", inside))

    def _inline(self, node: Element, tag: str, out: list[Node]) -> None:
        inside = self.nodes(node.children)
        if all_space(inside):
            out.extend(self._space(inside))
        else:
            add_inline(Element(tag, inside, _attributes(tag, node)), out)

    def _link(self, node: Element, out: list[Node]) -> None:
        inside = self.nodes(node.children)
        href = absolute(node.attributes.get("href") or "", self._base, also=_LINK_SCHEMES)
        if all_space(inside):
            out.extend(self._space(inside))
        elif not href or not node.attributes.get("href"):
            out.extend(inside)
        else:
            add_inline(Element("a", inside, {"href": href, **_attributes("a", node)}), out)

    def _space(self, nodes: list[Node]) -> list[Node]:
        """The same space in a few nodes, so that none is looked at again and again on its way up."""
        text = "".join(node for node in nodes if isinstance(node, str))
        breaks = sum(1 for node in nodes if isinstance(node, Element) and node.tag == "br")
        space: list[Node] = [text if self._verbatim else fold(text)] if text else []
        space.extend(Element("br") for _ in range(min(breaks, MOST_BREAKS)))
        if any(node is APART for node in nodes):
            part(space)
        return space

    def _phrase(self, nodes: Sequence[Node]) -> list[Node]:
        inside = self.nodes(nodes)
        if hold_blocks(inside):
            inside = flattened(inside, "\n" if self._verbatim else Element("br"))
        if self._verbatim:
            return [] if all_space(inside) else inside
        return trimmed(inside)

    def _figure(self, node: Element) -> list[Node]:
        self._figures += 1
        inside = paragraphs(self.nodes(node.children))
        self._figures -= 1
        return as_figure(inside)

    def _player(self, node: Element, tag: str, out: list[Node]) -> None:
        """A player with its sources; what a browser without players would show goes."""
        attributes: dict[str, str | None] = {"controls": ""}
        src = self._source(node)
        if src:
            attributes["src"] = src
        inside = [
            Element(child.tag, (), {"src": address, **_attributes(child.tag, child)})
            for child in node.children
            if isinstance(child, Element) and child.tag in ("source", "track") and (address := self._source(child))
        ]
        if src or any(child.tag == "source" for child in inside):
            out.append(Element(tag, inside, attributes))

    def _source(self, node: Element) -> str | None:
        written = node.attributes.get("src") or node.attributes.get("data-src")
        return absolute(written, self._base) if written else None


def _attributes(tag: str, node: Element) -> dict[str, str | None]:
    if not node.attributes:
        return {}
    forms = _ATTRIBUTES.get(tag, _EVERYWHERE)
    return {
        name: value or ""
        for name, value in node.attributes.items()
        if name in forms and forms[name].fullmatch(value or "")
    }
