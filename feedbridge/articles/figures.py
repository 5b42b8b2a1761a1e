"""The pictures of an article's tree: which element shows one, and which show it twice."""

from collections.abc import Iterable

from feedbridge.articles.images import read_image, same_picture
from feedbridge.articles.text import words
from feedbridge.articles.tree import Element, Node, elements, is_blank
from feedbridge.model import Image

MAX_IMAGES = 2_000
"""Pictures of one article; later ones are left out."""

_MAX_LOOKED_AT = 10_000
_NEAR = 50
"""Blank nodes that may stand between a lazy picture and the `noscript` beside it."""

_WRAPPERS = words("p div span a center b strong em i font")
_SOURCE_ATTRIBUTES = ("data-srcset", "srcset", "data-src", "src")


def find_pictures(root: Element, *, base: str | None, hosts: frozenset[str]) -> None:
    """Put one `img` with its image where a picture is shown; spacers and unusable ones go.

    A `picture` becomes one, a video's poster stands before the video, and what a `noscript` holds takes the
    place of the lazy picture beside it.
    """
    finder = _Finder(base, hosts)
    root.children = finder.nodes(root.children)
    if finder.found > 1:
        _drop_doubles(root)


def lone_picture(node: Node) -> Element | None:
    """The picture, if this is one, or an element that holds one and nothing else."""
    while isinstance(node, Element):
        if node.image is not None:
            return node
        solid = [child for child in node.children if not _is_nothing(child)]
        if node.tag not in _WRAPPERS or len(solid) != 1:
            return None
        node = solid[0]
    return None


def _is_nothing(node: Node) -> bool:
    return is_blank(node) or (isinstance(node, Element) and node.tag == "br")


class _Finder:
    def __init__(self, base: str | None, hosts: frozenset[str]) -> None:
        self._base = base
        self._hosts = hosts
        self._looked_at = 0
        self.found = 0

    def nodes(self, nodes: list[Node]) -> list[Node]:
        out: list[Node] = []
        for node in nodes:
            if isinstance(node, str):
                out.append(node)
            elif node.tag == "img":
                out.extend(self._picture(node.attributes))
            elif node.tag == "picture":
                out.extend(self._from_picture(node))
            elif node.tag == "noscript":
                self._settle_noscript(out, self.nodes(node.children))
            else:
                if node.tag == "video" and node.attributes.get("poster"):
                    out.extend(self._picture({"src": node.attributes["poster"]}))
                if len(node.children) != 1 or not isinstance(node.children[0], str):  # or else it is a line of text
                    node.children = self.nodes(node.children)
                out.append(node)
        return out

    def _picture(self, attributes: dict[str, str | None]) -> list[Element]:
        self._looked_at += 1
        if self.found >= MAX_IMAGES or self._looked_at > _MAX_LOOKED_AT:
            return []
        image = read_image(attributes, base=self._base, hosts=self._hosts)
        if image is None:
            return []
        self.found += 1
        lazy: dict[str, str | None] = {"lazy": ""} if _is_lazy(attributes) else {}
        return [Element("img", (), lazy, image)]

    def _from_picture(self, picture: Element) -> list[Element]:
        """The `img` of a `picture` is what every reader can show; a `source` counts where that has no address."""
        inside = list(elements(picture.children))
        attributes = next((child.attributes for child in inside if child.tag == "img"), {})
        found = self._picture(attributes)
        if found and found[0].image and not _is_inline_data(found[0].image):
            return found
        for source in inside:
            if source.tag == "source":
                described = {name: source.attributes.get(name) for name in _SOURCE_ATTRIBUTES}
                better = self._picture({"alt": attributes.get("alt"), **described})
                if better:
                    return better
        return found

    def _settle_noscript(self, out: list[Node], inside: list[Node]) -> None:
        """Let either the lazy picture before a `noscript` show, or the one inside."""
        near = range(len(out) - 1, max(-1, len(out) - 1 - _NEAR), -1)
        before = next((place for place in near if not _is_nothing(out[place])), None)
        beside = lone_picture(out[before]) if before is not None else None
        pictures = [element for element in elements(inside) if element.image]
        if before is not None and beside is not None and beside.image is not None and len(pictures) == 1:
            if _is_inline_data(beside.image):
                del out[before]
            elif "lazy" in beside.attributes:
                return
        out.extend(inside)


def _is_lazy(attributes: dict[str, str | None]) -> bool:
    return any(name.startswith("data-") and ("src" in name or "original" in name) for name in attributes)


def _is_inline_data(image: Image) -> bool:
    return image.origin.startswith("data:")


def _drop_doubles(root: Element) -> None:
    """Of pictures that follow each other with nothing between keep one: that in a figure, else the first."""
    doubles = _Doubles()
    doubles.look_at(root.children, figure=False)
    if doubles.found:
        _without(root, doubles.found)


class _Doubles:
    def __init__(self) -> None:
        self.found: set[int] = set()
        self._last: tuple[Element, bool] | None = None

    def look_at(self, nodes: Iterable[Node], *, figure: bool) -> None:
        for node in nodes:
            if isinstance(node, str):
                if self._last is not None and not is_blank(node):
                    self._last = None
            elif node.image is not None:
                self._picture(node, node.image, figure)
            elif node.tag in ("video", "audio", "iframe", "embed", "object", "hr"):
                self._last = None
            else:
                self.look_at(node.children, figure=figure or node.tag == "figure")

    def _picture(self, node: Element, image: Image, figure: bool) -> None:
        if self._last is not None:
            other, other_in_figure = self._last
            if other.image is not None and same_picture(other.image, image):
                if other_in_figure or not figure:
                    self.found.add(id(node))
                    return
                self.found.add(id(other))
        self._last = (node, figure)


def _without(parent: Element, unwanted: set[int]) -> None:
    parent.children = [child for child in parent.children if id(child) not in unwanted]
    for child in parent.children:
        if isinstance(child, Element):
            _without(child, unwanted)
