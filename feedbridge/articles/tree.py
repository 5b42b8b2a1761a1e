"""A small tree of an article's body: read by Lexbor, rearranged here, written as HTML again.

Lexbor reads; the rearranging is done on plain Python lists, where a node that was taken out cannot be freed
under somebody who still holds it.
"""

import re
from collections.abc import Iterable, Iterator
from html import escape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from feedbridge.articles.text import clean, words
from feedbridge.errors import UnusableItem
from feedbridge.model import Image

MAX_DEPTH = 250
"""Deeper trees are refused; `markup.tame` has refused the text before, so this only guards the recursion."""

VOID = words("br col embed hr img source track wbr")

BLOCKS = words(
    "p h2 h3 h4 h5 h6 ul ol li dl dt dd table caption colgroup col thead tbody tfoot tr td th figure figcaption"
    " pre blockquote hr details summary address"
)
"""Elements of the safe vocabulary that stand on lines of their own."""

_BLANK_CHARACTERS = " \t\n\r\xa0\xad\u3000\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"

_HIDDEN_CLASSES = words(
    "off-screen screen-reader-text visually-hidden visuallyhidden sr-only element-invisible element-hidden"
)
_FURNITURE_CLASSES = words(
    "sharedaddy jp-relatedposts addtoany_share_save_container social-share wpcnt bbccom_slot mpu-ad"
)
_UNWANTED_CLASSES = _HIDDEN_CLASSES | _FURNITURE_CLASSES
_MAY_HIDE = frozenset(("class", "hidden", "style"))
_DISPLAY_NONE = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_FOLD = re.compile(r"[ \t\n]+")
_ON_LINES_OF_THEIR_OWN = BLOCKS | {"div", "br"}


class Element:
    """An element.

    Attributes:
        image: The picture that an `img` was found to show.
        block: Whether it stands on lines of its own, or holds something that does.
    """

    __slots__ = ("attributes", "block", "children", "image", "tag")

    def __init__(
        self,
        tag: str,
        children: "Iterable[Node]" = (),
        attributes: dict[str, str | None] | None = None,
        image: Image | None = None,
    ) -> None:
        self.tag = tag
        self.children: list[Node] = [*children]
        self.attributes = {} if attributes is None else attributes
        self.image = image
        self.block = tag in BLOCKS

    def classes(self) -> frozenset[str]:
        return frozenset((self.attributes.get("class") or "").split())


Node = Element | str


def read_tree(markup: str, remove: tuple[str, ...] = ()) -> Element:
    """Read well-nested markup (`markup.tame`); comments, hidden elements and known furniture are left out.

    Args:
        remove: CSS selectors of elements to leave out as well.

    Raises:
        UnusableItem: The tree is deeper than `MAX_DEPTH`.
    """
    parser = LexborHTMLParser(markup)
    unwanted = {node.mem_id for selector in remove for node in parser.css(selector)}
    # Only a numeric reference can bring back a character that the text was cleaned of.
    reader = _Reader(unwanted, untidy="&#" in markup)
    root = Element("body")
    if parser.body:
        reader.read(parser.body, root.children, 1)
    return root


class _Reader:
    def __init__(self, unwanted: set[int], *, untidy: bool) -> None:
        self._unwanted = unwanted
        self._untidy = untidy

    def read(self, parent: LexborNode, nodes: list[Node], depth: int) -> None:
        """Add what the parent holds to the nodes."""
        if depth > MAX_DEPTH:
            raise UnusableItem(f"elements are nested more than {MAX_DEPTH} deep")
        unwanted = self._unwanted
        node = parent.first_child
        while node is not None:
            text = node.text_content
            if text is not None:
                nodes.append(clean(text) if self._untidy else text)
            elif node.is_element_node:
                tag = node.tag or ""
                attributes = node.attributes
                if not (attributes and _hidden(attributes)) and not (unwanted and node.mem_id in unwanted):
                    if attributes and self._untidy:
                        attributes = {name: value and clean(value) for name, value in attributes.items()}
                    element = Element(tag, (), attributes)
                    nodes.append(element)
                    if tag not in VOID:
                        self.read(node, element.children, depth + 1)
            node = node.next


def _hidden(attributes: dict[str, str | None]) -> bool:
    if _MAY_HIDE.isdisjoint(attributes):
        return False
    classes = attributes.get("class")
    if classes and not _UNWANTED_CLASSES.isdisjoint(classes.split()):
        return True
    style = attributes.get("style")
    return "hidden" in attributes or bool(style and _DISPLAY_NONE.search(style))


def is_blank(node: Node) -> bool:
    """Whether this is text that shows nothing."""
    return isinstance(node, str) and not node.lstrip(_BLANK_CHARACTERS)


def is_longer(nodes: Iterable[Node], limit: int) -> bool:
    """Whether these hold more text than `limit` characters, an element counted as one; stops counting there."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        limit -= len(node) if isinstance(node, str) else 1
        if limit < 0:
            return True
        if isinstance(node, Element):
            waiting.extend(node.children)
    return False


def elements(nodes: Iterable[Node]) -> Iterator[Element]:
    """All elements in the order of the text."""
    waiting = [*nodes]
    waiting.reverse()
    while waiting:
        node = waiting.pop()
        if isinstance(node, Element):
            yield node
            waiting += node.children[::-1]


def serialise(nodes: Iterable[Node]) -> str:
    """Write the nodes as HTML."""
    out: list[str] = []
    _write(nodes, out)
    return "".join(out)


def _write(nodes: Iterable[Node], out: list[str]) -> None:
    for node in nodes:
        if isinstance(node, str):
            out.append(escape(node, quote=False) if "&" in node or "<" in node or ">" in node else node)
            continue
        tag = node.tag
        if node.attributes:
            written = [f' {name}="{escape(value or "")}"' for name, value in node.attributes.items()]
            out.append(f"<{tag}{''.join(written)}>")
        else:
            out.append(f"<{tag}>")
        if tag not in VOID:
            _write(node.children, out)
            out.append(f"</{tag}>")


def visible_text(nodes: Iterable[Node]) -> str:
    """The text as it is read: whitespace folded, a line for each block and after each `br`, no blank lines."""
    out: list[str] = []
    _read_out(nodes, out)
    return "\n".join([folded for line in "".join(out).split("\n") if line and (folded := _folded(line))])


def _folded(line: str) -> str:
    # What can be printed holds no whitespace but spaces.
    return line.strip() if line.isprintable() and "  " not in line else " ".join(line.split())


def _read_out(nodes: Iterable[Node], out: list[str]) -> None:
    for node in nodes:
        if isinstance(node, str):
            out.append(node)
        elif node.tag in _ON_LINES_OF_THEIR_OWN:
            out.append("\n")
            _read_out(node.children, out)
            out.append("\n")
        else:
            _read_out(node.children, out)


def text_of(nodes: Iterable[Node]) -> str:
    """The visible text in one line."""
    return visible_text(nodes).replace("\n", " ")


def fold(text: str) -> str:
    """Fold spaces, tabs and line feeds into one space, as a browser does."""
    if "\n" in text or "  " in text or "\t" in text:
        return _FOLD.sub(" ", text)
    return text
