"""What stands before and after an article's text without being part of it."""

import re
from collections.abc import Sequence

from feedbridge.articles.lead import Lead, read_lead
from feedbridge.articles.text import words
from feedbridge.articles.tree import Element, Node, fold, is_blank, is_longer, serialise, text_of

_LONGEST_LEAD = 300
_LONGEST_ADVERT = 300
_ADVERT_MARKS = ("获取更多RSS", "feedx.net", "feedx.xyz")
_DEEPEST_WRAPPER = 4
_SITE_NAME = re.compile(r" [-–—|·_] [^-–—|·_]{1,40}$")
_HEADINGS = frozenset(("h2", "h3", "h4", "h5", "h6"))
_LEAVES = words("p h2 h3 h4 h5 h6 li dt dd td th caption figcaption pre summary address")


def take_lead(root: Element) -> Lead | None:
    """Take out the first block of the body if it is a head block, and return what it says.

    The block may stand inside up to three wrappers; blank elements before it are passed over.
    """
    holder = root
    for _ in range(_DEEPEST_WRAPPER):
        place = _first_solid(holder)
        if place is None:
            return None
        first = holder.children[place]
        if isinstance(first, str) or not is_longer((first,), _LONGEST_LEAD):
            lead = read_lead(serialise((first,)))
            if lead is not None:
                del holder.children[: place + 1]
                return lead
        if isinstance(first, str) or first.tag not in ("div", "section", "article"):
            return None
        holder = first
    return None


def drop_null(root: Element) -> None:
    """Drop the word `null` that a mirror's script wrote before the text where a field was missing."""
    holder = root
    for _ in range(_DEEPEST_WRAPPER):
        place = next((index for index, child in enumerate(holder.children) if not is_blank(child)), None)
        if place is None:
            return
        first = holder.children[place]
        if isinstance(first, Element):
            if first.tag != "div":
                return
            holder = first
        else:
            if first.strip() == "null" and _starts_block(holder.children[place + 1 :]):
                del holder.children[place]
            return


def drop_advert(blocks: list[Node]) -> None:
    """Drop the mirror's own advert: the last rule, and after it a few words that name the mirror."""
    rules = [place for place, block in enumerate(blocks) if isinstance(block, Element) and block.tag == "hr"]
    if rules and not is_longer(blocks[rules[-1] + 1 :], _LONGEST_ADVERT):
        text = text_of(blocks[rules[-1] + 1 :])
        if any(mark in text for mark in _ADVERT_MARKS):
            del blocks[rules[-1] :]


def drop_title(blocks: list[Node], title: str) -> None:
    """Drop a heading that opens the text and says the title again; pictures may stand before it.

    The title may have the name of its site behind it: "Title - Site".
    """
    whole = " ".join(title.split())
    wanted = {whole, _SITE_NAME.sub("", whole)}
    for place, block in enumerate(blocks):
        text = text_of((block,))
        if text:
            if isinstance(block, Element) and block.tag in _HEADINGS and text in wanted:
                del blocks[place]
            return


def drop_phrases(blocks: list[Node], phrases: Sequence[str]) -> list[Node]:
    """Drop phrases that a source adds to its articles.

    Each is plain text, compared with whitespace folded. A block that says nothing else goes wherever it
    stands; at the very start and end of the article the phrase is cut off, if it stands in one piece.
    """
    wanted = {folded for phrase in phrases if (folded := " ".join(phrase.split()))}
    if not wanted:
        return blocks
    kept = _without_blocks(blocks, wanted)
    for phrase in wanted:
        _cut(kept, phrase, start=True)
        _cut(kept, phrase, start=False)
    return kept


def _first_solid(holder: Element) -> int | None:
    return next((index for index, child in enumerate(holder.children) if not _shows_nothing(child)), None)


def _shows_nothing(node: Node) -> bool:
    if isinstance(node, str):
        return is_blank(node)
    return node.tag != "img" and all(_shows_nothing(child) for child in node.children)


def _starts_block(nodes: Sequence[Node]) -> bool:
    first = next((node for node in nodes if not is_blank(node)), None)
    return first is None or (isinstance(first, Element) and (first.block or first.tag in ("div", "img", "br")))


def _without_blocks(nodes: list[Node], wanted: set[str]) -> list[Node]:
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, Element) and node.block:
            leaf = not any(isinstance(child, Element) and child.block for child in node.children)
            if leaf and node.tag in _LEAVES and text_of((node,)) in wanted:
                continue
            if not leaf:
                node.children = _without_blocks(node.children, wanted)
                if not node.children:
                    continue
        kept.append(node)
    return kept


def _cut(nodes: list[Node], phrase: str, *, start: bool) -> None:
    """Cut the phrase off the first or last piece of text."""
    holder = nodes
    while True:
        place = next(
            (i for i in (range(len(holder)) if start else range(len(holder) - 1, -1, -1)) if not is_blank(holder[i])),
            None,
        )
        if place is None:
            return
        node = holder[place]
        if isinstance(node, Element):
            holder = node.children
            continue
        text = fold(node)
        if start and text.lstrip().startswith(phrase):
            holder[place] = text.lstrip()[len(phrase) :].lstrip()
        elif not start and text.rstrip().endswith(phrase):
            holder[place] = text.rstrip()[: -len(phrase)].rstrip()
        return
