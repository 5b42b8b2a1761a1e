"""A document that we wrote is cut into its entries, so that those that stay are copied into the next one.

It is cut where its writer begins and ends an entry. No text can look like that: in XML and on pages each `<` of a text
is escaped, in JSON each line break.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape, unescape

from feedbridge.feeds.checks import parse_xml
from feedbridge.feeds.vocabularies import PREFIXES


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A document in pieces: the entries by id, in their order, and what stands before and after them."""

    head: bytes
    entries: Mapping[str, bytes]
    tail: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Marks:
    """How a writer begins and ends an entry, and the document after the last; and where it says the entry's id."""

    begin: bytes
    end: bytes
    tail: bytes
    id: re.Pattern[bytes]


_XML = {
    "atom": _Marks(
        begin=b"\n  <entry",
        end=b"\n  </entry>",
        tail=b"\n</feed>\n",
        id=re.compile(rb"<id>([^<]+)</id>"),
    ),
    "rss": _Marks(
        begin=b"\n    <item>",
        end=b"\n    </item>",
        tail=b"\n  </channel>\n</rss>\n",
        id=re.compile(rb'<guid isPermaLink="false">([^<]+)</guid>'),
    ),
}
_LIST, _LIST_END = b'\n "items": [', b"]\n}\n"
_ITEM, _ITEM_END = b"\n  {\n", b"\n  }"
PAGE_BEGIN, PAGE_END = "<!-- entries -->", "\n<!-- no more entries -->"
"""What stands on a page before its first entry and after its last."""
_PAGE_ENTRY, _PAGE_ENTRY_END = "\n<!-- entry ", "<!-- end -->"
_PAGE_ID = re.compile(rb"\n<!-- entry ([^>]+) -->")
_ITEM_ID = re.compile(rb'\n  \{\n   "id": ("[^\n]+"),\n')


def cut(document: bytes, form: str) -> Cut | None:
    """Cut a document that we wrote; None if it does not look as we write it."""
    if form == "json":
        return _cut_json(document)
    return _cut_page(document) if form == "html" else _cut_xml(document, _XML[form])


def page_entry(entry_id: str, body: str) -> str:
    """An entry as it stands on a page, whatever the page's template makes of it."""
    return f"{_PAGE_ENTRY}{escape(entry_id)} -->{body}{_PAGE_ENTRY_END}"


def splice(document: bytes, form: str, copied: Mapping[str, bytes], order: Iterable[str]) -> bytes | None:
    """Put entries of an older document beside those of a new one.

    Args:
        document: As it was written with the new entries alone.
        form: Its format.
        copied: The entries of the older one that stay.
        order: The ids of all entries, in their order; those that are in neither document may be among them.

    Returns:
        The document as it would have been written with all entries, or None if the new one cannot be cut, or a reader
        could not read what came of it.
    """
    new = cut(document, form)
    if new is None or new.entries.keys() & copied.keys():
        return None
    entries = {**new.entries, **copied}
    shown = [entries.pop(one) for one in order if one in entries]
    if entries:
        return None
    if form == "json":
        spliced = b"".join((new.head, b",".join(shown), b"\n " if shown else b"", new.tail))
    else:
        spliced = b"".join((new.head, *shown, new.tail))
    return spliced if _is_sound(spliced, form) else None


def _is_sound(document: bytes, form: str) -> bool:
    try:
        if form == "json":
            json.loads(document)
        elif form == "html":
            document.decode()
        else:
            parse_xml(document)
    except ValueError:
        return False
    return True


def vocabularies(document: Cut, ids: Iterable[str]) -> frozenset[str]:
    """The namespaces that entries of a document use, of those that it declares only where they are used."""
    entries = [document.entries[one] for one in ids]
    return frozenset(
        namespace
        for namespace, prefix in PREFIXES.items()
        if f"xmlns:{prefix}=".encode() in document.head and any(f"<{prefix}:".encode() in entry for entry in entries)
    )


def _cut_xml(document: bytes, marks: _Marks) -> Cut | None:
    if not document.endswith(marks.tail):
        return None
    head, *rest = document.removesuffix(marks.tail).split(marks.begin)
    slices = [marks.begin + one for one in rest]
    if not all(one.endswith(marks.end) for one in slices):
        return None
    ids = [unescape(found[1].decode()) for found in map(marks.id.search, slices) if found]
    return _whole(head, slices, ids, marks.tail)


def _cut_json(document: bytes) -> Cut | None:
    head, found, rest = document.partition(_LIST)
    if not found or not rest.endswith(_LIST_END):
        return None
    first, *others = rest.removesuffix(_LIST_END).removesuffix(b"\n ").split(b"," + _ITEM)
    slices = [first, *(_ITEM + one for one in others)] if first else []
    if not all(one.endswith(_ITEM_END) for one in slices):
        return None
    ids = [str(json.loads(found[1])) for found in map(_ITEM_ID.match, slices) if found]
    return _whole(head + _LIST, slices, ids, _LIST_END)


def _cut_page(document: bytes) -> Cut | None:
    head, begun, rest = document.partition(PAGE_BEGIN.encode())
    inner, ended, tail = rest.partition(PAGE_END.encode())
    between, *others = inner.split(_PAGE_ENTRY.encode())
    slices = [_PAGE_ENTRY.encode() + one for one in others]
    if between or not (begun and ended and all(one.endswith(_PAGE_ENTRY_END.encode()) for one in slices)):
        return None
    ids = [unescape(found[1].decode()) for found in map(_PAGE_ID.match, slices) if found]
    return _whole(head + begun, slices, ids, ended + tail)


def _whole(head: bytes, slices: list[bytes], ids: list[str], tail: bytes) -> Cut | None:
    """The document in pieces, if each entry has its own id."""
    if not len(slices) == len(ids) == len(set(ids)):
        return None
    return Cut(head=head, entries=dict(zip(ids, slices, strict=True)), tail=tail)
