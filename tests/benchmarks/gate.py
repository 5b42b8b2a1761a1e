"""What a run has written is read back: well-formed, and each article there exactly once."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO

from lxml import etree

from tests.benchmarks.runner import GateError

ATOM = "{http://www.w3.org/2005/Atom}"
_NUMBER = re.compile(r"/(\d+)\.html$")


def check_all(public: Path, numbers: Collection[int]) -> None:
    """Every file is well-formed, and over all documents of a format each article is there exactly once.

    Raises:
        GateError: It is not so.
    """
    expected = dict.fromkeys(numbers, 1)
    for ending in ("atom", "rss"):
        found: Counter[int] = Counter()
        for path in sorted((public / "feeds").rglob(f"*.{ending}")):
            with path.open("rb") as document:
                found.update(_shown(document, path.name))
        if found != expected:
            wrong = [number for number in found.keys() | expected.keys() if found[number] != expected.get(number)]
            raise GateError(f"{len(wrong)} articles are not there exactly once in {ending}: {sorted(wrong)[:5]}")
    for path in public.rglob("*.json"):
        json.loads(path.read_bytes())
    etree.parse(str(public / "feeds.opml"))


def check_newest(document: bytes, newest: Sequence[int]) -> None:
    """A subscription document is well-formed and shows just these articles, in this order.

    Raises:
        GateError: It does not.
    """
    if (found := list(_shown(BytesIO(document), "the subscription document"))) != list(newest):
        raise GateError(f"the subscription document shows {found[:5]}…, and not {newest[:5]}…")


def count_entries(document: bytes, count: int) -> None:
    """A document that need not be well-formed has so many entries.

    Raises:
        GateError: It has not.
    """
    if (found := document.count(b"<entry>")) != count:
        raise GateError(f"{found} entries instead of {count}")


def _shown(document: IO[bytes], name: str) -> Iterator[int]:
    """The numbers of the articles that a document shows."""
    try:
        for _, entry in etree.iterparse(document, tag=(f"{ATOM}entry", "item"), huge_tree=True):
            link = entry.find(f"{ATOM}link[@rel='alternate']")
            address = entry.findtext("link") if link is None else link.get("href")
            found = _NUMBER.search(address or "")
            if found is None:
                raise GateError(f"{name}: an entry with the link {address}")
            yield int(found[1])
            entry.clear()
    except etree.XMLSyntaxError as error:
        raise GateError(f"{name}: {error}") from error
