"""Runs of text and blocks: where paragraphs begin and end."""

from collections.abc import Iterable

from feedbridge.articles.text import words
from feedbridge.articles.tree import Element, Node, is_blank

INLINE = words(
    "em strong b i u s del ins mark small sub sup abbr dfn time q cite code kbd samp var ruby rb rt rp rtc bdi bdo"
)
MOST_BREAKS = 2
_PARTS_OF_LISTS = words("li dt dd summary")

BLANKS = " \n\t\xa0"
"""Characters that go from both ends of a line."""

APART = Element("apart")
"""Stands where a wrapper began or ended."""
APART.block = True


def part(out: list[Node]) -> None:
    """Note that what comes next stands apart from what came before."""
    if not out or out[-1] is not APART:
        out.append(APART)


def is_space(node: Node) -> bool:
    return is_blank(node) if isinstance(node, str) else node.tag in ("br", "wbr") or node is APART


def all_space(nodes: Iterable[Node]) -> bool:
    """Whether none of these shows anything but a break."""
    for node in nodes:  # noqa: SIM110  (`any` takes three times as long)
        if not is_space(node):
            return False
    return True


def hold_blocks(nodes: Iterable[Node]) -> bool:
    """Whether one of these stands on lines of its own."""
    for node in nodes:  # noqa: SIM110  (this is asked of every paragraph, and `any` takes three times as long)
        if isinstance(node, Element) and node.block:
            return True
    return False


def is_solid(element: Element) -> bool:
    """Whether the element itself shows something: a picture, a player, or text directly in it."""
    if element.image is not None or element.tag in ("video", "audio"):
        return True
    return any(isinstance(child, str) and not is_blank(child) for child in element.children)


def add_inline(element: Element, out: list[Node]) -> None:
    """Add an inline element; one that holds blocks is a block, and a single paragraph goes around it."""
    if not hold_blocks(element.children):
        out.append(element)
        return
    element.children = paragraphs(element.children)
    element.block = True
    only = element.children[0] if len(element.children) == 1 else None
    if isinstance(only, Element) and only.tag in ("p", "h2", "h3", "h4", "h5", "h6"):
        element.children, element.block = only.children, False
        only.children = [element]
        out.append(only)
    elif element.children:
        out.append(element)


def paragraphs(nodes: Iterable[Node]) -> list[Node]:
    """Blocks as they are, and a paragraph for each run of text between them."""
    blocks: list[Node] = []
    run: list[Node] = []
    for node in nodes:
        if isinstance(node, str) or not node.block:
            run.append(node)
            continue
        if run:
            _end_run(run, blocks)
            run = []
        if node.tag in _PARTS_OF_LISTS:
            # Its list is not there.
            blocks.extend(paragraphs(node.children))
        elif node is not APART:
            blocks.append(node)
    if run:
        _end_run(run, blocks)
    return blocks


def _end_run(run: list[Node], blocks: list[Node]) -> None:
    if line := trimmed(run):
        blocks.append(Element("p", line))


def trimmed(nodes: list[Node]) -> list[Node]:
    """Without blanks and breaks at both ends, and with no more than two breaks on end."""
    start, end = 0, len(nodes)
    while start < end and is_space(nodes[start]):
        start += 1
    while end > start and is_space(nodes[end - 1]):
        end -= 1
    kept = nodes[start:end]
    if len(kept) > MOST_BREAKS:
        kept = _with_few_breaks(kept)
    if kept and isinstance(kept[0], str):
        kept[0] = kept[0].lstrip(BLANKS)
    if kept and isinstance(kept[-1], str):
        kept[-1] = kept[-1].rstrip(BLANKS)
    return kept


def _with_few_breaks(nodes: list[Node]) -> list[Node]:
    kept: list[Node] = []
    breaks = 0
    for node in nodes:
        if isinstance(node, Element) and node.tag == "br":
            breaks += 1
            if breaks > MOST_BREAKS:
                continue
        elif not is_blank(node):
            breaks = 0
        kept.append(node)
    return kept


def flattened(nodes: Iterable[Node], separator: Node) -> list[Node]:
    """Without blocks, for places that hold one line of text: a separator stands where a block began or ended."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, str) or not node.block:
            out.append(node)
            continue
        if node.tag in INLINE or node.tag == "a":
            flat = Element(node.tag, flattened(node.children, separator), node.attributes)
            inside: list[Node] = [flat] if flat.children else []
        else:
            inside = flattened(node.children, separator)
        for piece in (separator, *inside, separator):
            if piece is not separator or (out and out[-1] is not separator):
                out.append(piece)
    if out and out[-1] is separator:
        out.pop()
    return out


def held(tag: str, nodes: list[Node]) -> list[Node]:
    """What an item, a cell or a quotation holds; a first paragraph that stands alone needs no tag of its own."""
    if tag == "details":
        summary = [node for node in nodes if isinstance(node, Element) and node.tag == "summary"][:1]
        rest = paragraphs(node for node in nodes if node not in summary)
        return [*summary, *rest] if rest else list(paragraphs(summary))
    if not hold_blocks(nodes):
        return trimmed(nodes)
    blocks = paragraphs(nodes)
    plain = [block for block in blocks if isinstance(block, Element) and block.tag == "p"]
    if tag != "blockquote" and len(plain) == 1 and plain[0] is blocks[0]:
        return [*plain[0].children, *blocks[1:]]
    return blocks


def grouped(item: str, nodes: list[Node]) -> list[Node]:
    """What a list holds: items; anything else becomes one."""
    out: list[Node] = []
    stray: list[Node] = []
    for node in [*nodes, Element(item)]:
        if not isinstance(node, Element) or node.tag not in ("li", "dt", "dd"):
            stray.append(node)
            continue
        if blocks := paragraphs(stray):
            out.append(Element(item, held(item, blocks)))
        stray = []
        if node.children:
            node.tag = "li" if item == "li" else node.tag if node.tag != "li" else "dd"
            out.append(node)
    return out


def without_stray_rules(blocks: list[Node]) -> list[Node]:
    """Without rules at both ends, and without a rule that follows another."""
    kept: list[Node] = []
    stray = True
    for block in blocks:
        rule = isinstance(block, Element) and block.tag == "hr"
        if not (rule and stray):
            kept.append(block)
        stray = rule
    if kept and stray:
        kept.pop()
    return kept
