"""The process that reads foreign pages, `python -m feedbridge.reading`: what kills it harms nobody else.

`workers.py` starts it and speaks with it in frames (`children.py`). An empty frame is answered by an empty frame. A job
is an opening (JSON), the page's body in frames of its own, and an empty frame. The answer is one frame (JSON), followed
by the outlines of the items. Then items are asked for by their positions (a JSON list), and as many as fit a frame
come; an empty frame ends the job.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, BinaryIO

from pydantic import Field, TypeAdapter
from pydantic_core import PydanticSerializationError

from feedbridge.children import OUT_OF_MEMORY, alarm, confine, receive, send, streams
from feedbridge.errors import ParseError
from feedbridge.model import Page, RawItem, Request, SourceFacts, Unread
from feedbridge.sources.base import Source

MAX_ENTRIES = 5_000
"""So many items of a page are taken, the rest is counted."""

MAX_CONTENT = 2 * 2**20
"""Bytes of an item's content."""

MAX_ITEM = 6 * 2**20
"""Bytes of an item on its way, with all that belongs to it."""

MAX_OUTLINE = 64 * 2**10
"""Bytes of an item on its way, without its texts."""

MAX_INDEX = 8 * 2**20
"""Bytes of all outlines of a page; items beyond are counted."""

MAX_FACTS = 2**20
"""Bytes of what a source says of itself."""

FRAME = 256 * 2**10
"""Bytes of a frame, unless a single item needs more."""

BATCH = 2**20
"""Bytes of a frame of whole items: each such frame is kept in one transaction."""

MAX_MEMORY = 380 * 2**20
"""Bytes of address space."""

_LONGEST_NAME = 200
_LONGEST_REASON = 500
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What a job begins with.

    Attributes:
        kind: One of KINDS.
        url: The address that the page came from.
        content_type: The header's value as the server wrote it.
        seconds: The reader ends itself when a step takes longer: nobody waits for it any more.
    """

    kind: str
    url: str
    content_type: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """An item that is not taken, by its title or link, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """An item without its content, summary, pictures and extensions.

    Attributes:
        digest: SHA-256 of the whole item, in hex.
    """

    item: RawItem
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a page.

    Attributes:
        error: Why it cannot be read.
        request: The page that is to be asked for in its place.
        items: So many outlines follow.
        left_out: The items that were not taken.
        beyond: How many items there are beyond those that are taken from one page.
    """

    error: str | None = None
    facts: SourceFacts | None = None
    request: Request | None = None
    items: Annotated[int, Field(ge=0, le=MAX_ENTRIES)] = 0
    left_out: Annotated[tuple[LeftOut, ...], Field(max_length=MAX_ENTRIES + 1)] = ()
    beyond: Annotated[int, Field(ge=0)] = 0


OPENING = TypeAdapter(Opening)
ANSWER = TypeAdapter(Answer)
OUTLINES = TypeAdapter(tuple[Outline, ...])
POSITIONS = TypeAdapter(tuple[int, ...])
ITEMS = TypeAdapter(tuple[tuple[int, RawItem], ...])
_ITEM = TypeAdapter(RawItem)
_FACTS = TypeAdapter(SourceFacts)


def _feed() -> Source:
    from feedbridge.sources.feed import Feed

    return Feed()


KINDS: dict[str, Callable[[], Source]] = {"feed": _feed}
"""Each is imported when its first page comes."""


def main() -> None:
    """Read pages until the input ends."""
    confine(memory=MAX_MEMORY)
    asked, answers = streams()
    try:
        while (opening := receive(asked)) is not None:
            if opening:
                _work(OPENING.validate_json(opening), asked, answers)
            else:
                send(answers, b"")
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nobody is there any more
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _work(opening: Opening, asked: BinaryIO, answers: BinaryIO) -> None:
    """Do one job, from its body to the last item that is asked for."""
    with alarm(opening.seconds):
        harvest = _Harvest()
        answer = _read(opening, _receive_body(asked), harvest)
        send(answers, ANSWER.dump_json(answer, exclude_defaults=True))
        for batch in _batches(harvest.outlines, FRAME):
            send(answers, batch)
    while wanted := receive(asked):
        with alarm(opening.seconds):
            chosen = (b"[%d,%s]" % (position, harvest.items[position]) for position in POSITIONS.validate_json(wanted))
            send(answers, next(_batches(chosen, BATCH)))


def _read(opening: Opening, body: bytes, harvest: "_Harvest") -> Answer:
    """Gather the items of a page; a page that cannot be read, for whatever reason, makes an answer too."""
    page = Page(path=opening.url, body=body, content_type=opening.content_type)
    try:
        for part in KINDS[opening.kind]().parse(page):
            match part:
                case Request():
                    return Answer(request=part)
                case SourceFacts():
                    harvest.take_facts(part)
                case RawItem():
                    harvest.take(part)
                case Unread():
                    harvest.beyond += part.count
    except ParseError as error:
        return harvest.broken_off(str(error))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever a parser stumbles over is told, and costs this page alone)
        return harvest.broken_off(f"cannot be read ({type(error).__name__}: {error})")
    return harvest.answer()


@dataclass(slots=True)
class _Harvest:
    """What was taken from a page, in the form in which it is handed on."""

    facts: SourceFacts | None = None
    items: list[bytes] = field(default_factory=list)
    outlines: list[bytes] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    beyond: int = 0
    _index_size: int = 0

    def take_facts(self, facts: SourceFacts) -> None:
        written = _written(_FACTS, facts)
        if len(written) <= MAX_FACTS:
            self.facts = _FACTS.validate_json(written)
        else:
            self.facts = SourceFacts()
            self.left_out.append(LeftOut(name="what it says of itself", reason=_too_long(len(written), MAX_FACTS)))

    def take(self, item: RawItem) -> None:
        """Take an item, or count it; one that is too long is left out."""
        if len(self.items) + len(self.left_out) >= MAX_ENTRIES or self._index_size > MAX_INDEX:
            self.beyond += 1
            return
        try:
            self._take(item)
        except _LeaveOut as reason:
            name = item.title or item.link or item.id or "an item without title and link"
            self.left_out.append(LeftOut(name=_plain(name, _LONGEST_NAME), reason=str(reason)))

    def _take(self, item: RawItem) -> None:
        if (size := len(item.content.encode(errors="surrogatepass"))) > MAX_CONTENT:
            raise _LeaveOut(f"its content {_too_long(size, MAX_CONTENT)}")
        whole = _written(_ITEM, item)
        if len(whole) > MAX_ITEM:
            raise _LeaveOut(_too_long(len(whole), MAX_ITEM))
        bare = _written(_ITEM, replace(item, content="", summary=None, pictures=(), extensions=()))
        if len(bare) > MAX_OUTLINE:
            raise _LeaveOut(f"even without its texts it {_too_long(len(bare), MAX_OUTLINE)}")
        outline = b'{"item":%s,"digest":"%s"}' % (bare, hashlib.sha256(whole).hexdigest().encode())
        self.items.append(whole)
        self.outlines.append(outline)
        self._index_size += len(outline)

    def answer(self) -> Answer:
        """What was taken; where there was something, but nothing could be, that is why the page cannot be read."""
        if self.left_out and not self.items:
            first = self.left_out[0]
            return self.broken_off(f"has nothing that can be taken ({first.name}: {first.reason})")
        return Answer(facts=self.facts, items=len(self.items), left_out=tuple(self.left_out), beyond=self.beyond)

    def broken_off(self, reason: str) -> Answer:
        self.items.clear()
        self.outlines.clear()
        return Answer(error=_plain(reason, _LONGEST_REASON))


class _LeaveOut(Exception):  # noqa: N818  (a verdict on one item)
    """The item is left out; says why."""


def _written(adapter: TypeAdapter[RawItem] | TypeAdapter[SourceFacts], value: RawItem | SourceFacts) -> bytes:
    """A value as JSON, its defaults left out; always the same bytes for the same value.

    Lone surrogates, which UTF-8 cannot hold, become U+FFFD.
    """
    try:
        return adapter.dump_json(value, exclude_defaults=True)  # type: ignore[arg-type]
    except PydanticSerializationError:
        plain = adapter.dump_python(value, mode="json", exclude_defaults=True)  # type: ignore[arg-type]
        return _SURROGATE.sub("\ufffd", json.dumps(plain, ensure_ascii=False)).encode()


def _plain(text: str, longest: int) -> str:
    return _SURROGATE.sub("\ufffd", " ".join(text[: 2 * longest].split())[:longest])


def _too_long(size: int, most: int) -> str:
    return f"is too long: {size:,} bytes, and {most:,} are taken"


def _batches(parts: Sequence[bytes] | Iterator[bytes], longest: int) -> Iterator[bytes]:
    """JSON lists of the parts, in their order, each of them of about so many bytes."""
    batch: list[bytes] = []
    size = 0
    for part in parts:
        if batch and size + len(part) > longest:
            yield b"[%s]" % b",".join(batch)
            batch, size = [], 0
        batch.append(part)
        size += len(part) + 1
    if batch:
        yield b"[%s]" % b",".join(batch)


def _receive_body(asked: BinaryIO) -> bytes:
    body = io.BytesIO()
    while chunk := receive(asked):
        body.write(chunk)
    if chunk is None:
        raise EOFError
    return body.getvalue()


if __name__ == "__main__":
    main()
