"""Contents are written into a document last, escaped once for all formats.

While a document is made, a mark stands for each of them: a tree would copy, check and escape the text of every entry
anew for every format, which is most of what writing it costs.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from uuid import uuid4

from lxml import etree

from feedbridge.model import Entry

MARK = uuid4().hex
"""Stands for a content; no text of others can hold it, for it is another one in each process."""


def put_in(document: bytes, entries: Iterable[Entry]) -> bytes:
    """Put the contents of the entries in place of the marks, which are as many and in the same order.

    Raises:
        ValueError: A content holds what XML cannot hold.
    """
    contents = [_escaped(entry.content) for entry in entries if entry.content]
    pieces = zip(document.split(MARK.encode()), [*contents, b""], strict=True)
    return b"".join(chain.from_iterable(pieces))


@lru_cache(maxsize=128)  # the entries of a document in each of its formats
def _escaped(content: str) -> bytes:
    element = etree.Element("x")
    element.text = content
    return etree.tostring(element, encoding="UTF-8").removeprefix(b"<x>").removesuffix(b"</x>")
