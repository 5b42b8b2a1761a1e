"""Captions: which words belong to a picture, and the figure that holds both."""

from dataclasses import replace

from feedbridge.articles.figures import lone_picture
from feedbridge.articles.flow import trimmed
from feedbridge.articles.images import Likeness, likeness
from feedbridge.articles.tree import Element, Node, elements, is_blank, is_longer, text_of

_CAPTION_CLASSES = frozenset(("wp-caption-text", "image-caption", "caption-text", "media-caption"))
_LONGEST_CAPTION = 1_000
_LONGEST_CREDIT = 200


def is_caption(node: Node) -> bool:
    """Whether its tag or its class calls this a caption."""
    if isinstance(node, str) or not (node.attributes or node.tag == "figcaption"):
        return False
    return node.tag == "figcaption" or not _CAPTION_CLASSES.isdisjoint(node.classes())


def is_picture_box(node: Element) -> bool:
    """Whether this wrapper holds a caption of its own, and little text beside it: a figure by another name."""
    others = [child for child in node.children if not is_caption(child)]
    return len(others) == len(node.children) - 1 and not is_longer(others, _LONGEST_CREDIT)


def follows_as_caption(node: Element, before: Node) -> bool:
    """Whether this is the caption of the picture before it."""
    if not is_caption(node):
        if node.tag != "div":
            return False
        solid = [child for child in node.children if not is_blank(child)]
        if len(solid) != 1 or not isinstance(solid[0], Element) or solid[0].tag != "small":
            return False
    return lone_picture(before) is not None and bool(text_of(node.children))


def as_figure(blocks: list[Node]) -> list[Node]:
    """Blocks that hold pictures, as one figure; all text that stands by them is its caption.

    Blocks that hold none, or a good deal more text than a caption, stay what they are.
    """
    content: list[Node] = []
    lines: list[list[Node]] = []
    images: list[Element] = []
    seen: set[Likeness] = set()
    for block in blocks:
        assert isinstance(block, Element)
        if block.tag not in ("p", "figcaption"):
            content.append(block)
            continue
        said: list[Node] = []
        for child in block.children:
            shown = _pictures(child)
            alike = {likeness(picture.image.origin) for picture in shown if picture.image is not None}
            if shown and alike <= seen and not text_of([child]):
                continue
            images.extend(shown)
            seen |= alike
            (content if shown else said).append(child)
        said = trimmed(said)
        if said:
            lines.append(said)
    if not images or is_longer((node for line in lines for node in line), _LONGEST_CAPTION):
        return _quoting_figure(blocks)
    if not lines:
        return [Element("figure", content)]
    caption: list[Node] = []
    for line in lines:
        caption.extend((Element("br"), *line) if caption else line)
    if images[0].image is not None:
        images[0].image = replace(images[0].image, caption=text_of(caption) or None)
    return [Element("figure", [*content, Element("figcaption", caption)])]


def _pictures(node: Node) -> list[Element]:
    if isinstance(node, str):
        return []
    if node.image is not None:
        return [node]
    return [element for element in elements(node.children) if element.image is not None]


def _quoting_figure(blocks: list[Node]) -> list[Node]:
    """A figure around something else, such as a table or a quotation, with its caption; else plain paragraphs."""
    if any(isinstance(block, Element) and block.tag in ("table", "pre", "blockquote", "figure") for block in blocks):
        return [Element("figure", blocks)]
    return _as_paragraphs(blocks)


def _as_paragraphs(blocks: list[Node]) -> list[Node]:
    for block in blocks:
        if isinstance(block, Element) and block.tag == "figcaption":
            block.tag = "p"
    return blocks
