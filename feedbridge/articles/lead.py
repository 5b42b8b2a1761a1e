"""The head block of an archive article: the line or two before the text that name author and date."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from feedbridge.articles.dates import read_date
from feedbridge.model import Person

LONGEST_BLOCK = 2_000
LONGEST_AUTHOR_LINE = 80
MOST_AUTHOR_LINES = 2
LONGEST_NAME = 40
LONGEST_AUTHORS = 500
"""All in characters, but for the number of lines."""

_PLAIN_TAGS = frozenset(("html", "body", "div", "p", "b", "br", "em", "font", "i", "small", "span", "strong", "time"))
_PLAIN = re.compile(r"(?:</?(?:div|p|b|em|i|span|strong)>|<br/?>|[^<>&]++)*+")
"""A block so plainly written that no parser could read it otherwise."""
_BREAK = re.compile("<br/?>")
_TAG = re.compile("<[^<>]+>")
_DATE_LABEL = re.compile(r"(?:(?:发布|發布|發佈)?(?:日期|时间|時間)|date|published)\s*[:：]\s*", re.IGNORECASE)
_AUTHOR_LABEL = re.compile(r"(?:null\b|作者\s*[:：])\s*")  # `null`: what a template wrote for a missing name
_COMMAS = re.compile("[,，、]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """What a head block says.

    Attributes:
        date_text: The date as written; `read_date` understands it.
        author: The line or lines beside it, a doubled name given once, or None.
    """

    date_text: str
    author: str | None


def read_lead(block_html: str) -> Lead | None:
    """Read the first block of an archive article's body, if it is a head block.

    It is one if one of its lines is a date and nothing else, and if there is nothing beside that but at most
    two short lines, taken for the author. A block with a picture, a link or a heading is part of the article.

    Args:
        block_html: The block's outer HTML, or the bare text that stands in its place.

    Returns:
        Author and date, or None if the block belongs to the article's text.
    """
    if len(block_html) > LONGEST_BLOCK or not re.search(r"\d", block_html):
        return None
    lines = _plain_lines(block_html) if _PLAIN.fullmatch(block_html) else _lines(block_html)
    if lines is None:
        return None
    dates: list[str] = []
    others: list[str] = []
    for line in lines:
        (dates if _is_date(line) else others).append(line)
    if len(dates) != 1 or len(others) > MOST_AUTHOR_LINES:
        return None
    if any(len(line) > LONGEST_AUTHOR_LINE for line in others):
        return None
    names = [name for line in others if (name := _author(line))]
    return Lead(date_text=_unlabelled(dates[0]), author=", ".join(names) or None)


def authors(text: str) -> tuple[Person, ...]:
    """Turn an author line into persons, each once, in their order.

    Commas part names only where every part is short enough to be one. What is too long for any list of names
    (`LONGEST_AUTHORS`) gives nobody.
    """
    if len(text) > LONGEST_AUTHORS:
        return ()
    parts = [" ".join(part.split()) for part in _COMMAS.split(text)]
    if any(len(part) > LONGEST_NAME for part in parts):
        parts = [" ".join(text.split())]
    return tuple(Person(name=name) for name in dict.fromkeys(parts) if _is_name(name))


def _plain_lines(block_html: str) -> list[str]:
    """The visible text, parted at <br> alone, trimmed, without empty lines."""
    return _trimmed(_TAG.sub("", line) for line in _BREAK.split(block_html))


def _lines(block_html: str) -> list[str] | None:
    """The same of a block that may be written in any way; None if it holds what no head block does."""
    from bs4 import BeautifulSoup  # here, for most runs need none of it
    from bs4.element import NavigableString, Tag

    # The <div> keeps bs4 from warning that bare text looks like the name of a file. Python's own parser is the faster
    # one on so little, and slow only on markup that does not end.
    block = BeautifulSoup(f"<div>{block_html}</div>", "html.parser")
    lines = [""]
    for node in block.descendants:
        if isinstance(node, Tag):
            if node.name not in _PLAIN_TAGS:
                return None
            if node.name == "br":
                lines.append("")
        elif type(node) is NavigableString:  # its subclasses are comments and the like
            lines[-1] += node
    return _trimmed(lines)


def _trimmed(lines: Iterable[str]) -> list[str]:
    return [line for line in (" ".join(line.split()) for line in lines) if line]


def _is_date(line: str) -> bool:
    """True for a date as people print it; a bare number is none here."""
    text = _unlabelled(line)
    return not text.isdigit() and read_date(text) is not None


def _unlabelled(line: str) -> str:
    return _DATE_LABEL.sub("", line, count=1) if _DATE_LABEL.match(line) else line


def _author(line: str) -> str:
    """The line as it is, but a name that stands twice stands once; empty if it holds no name."""
    line = line.removeprefix(label.group()) if (label := _AUTHOR_LABEL.match(line)) else line
    parts = [part.strip() for part in _COMMAS.split(line)]
    once = list(dict.fromkeys(parts))
    if len(once) < len(parts):
        line = ", ".join(once)
    return line if _is_name(line) else ""


def _is_name(text: str) -> bool:
    return any(character.isalnum() for character in text)
