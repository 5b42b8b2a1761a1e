"""The reading process, spoken to frame by frame.

Run as a program, this file is such a process, with kinds of its own.
"""

import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from feedbridge import reading
from feedbridge.children import OUT_OF_MEMORY, frame
from feedbridge.errors import ParseError
from feedbridge.model import Category, Image, Page, RawItem, Request, SourceFacts
from feedbridge.reading import FRAME, MAX_ENTRIES, Answer, LeftOut, Outline

FEED = b"""<?xml version="1.0"?>
<rss version="2.0"><channel><title>News</title><link>http://a.example/</link>
<item><title>One</title><link>http://a.example/1</link><description>&lt;p&gt;First</description></item>
<item><title>Two</title><link>http://a.example/2</link><description>&lt;p&gt;Second</description></item>
</channel></rss>"""

Parts = Iterator[SourceFacts | RawItem | Request]


def many(page: Page) -> Parts:
    """Items that are read only as far as they are taken would not be counted."""
    yield from (RawItem(title=str(number), content="x" * 400) for number in range(MAX_ENTRIES + 3))


def wordy(page: Page) -> Parts:
    yield SourceFacts(title="x" * 2**20)
    yield RawItem(title="content", content="й" * 2**20 + "x")
    yield RawItem(link="http://a.example/whole", content="x" * 2**21, summary="x" * 2**22)
    yield RawItem(categories=(Category(term="x" * 2**16),))
    yield RawItem(title="good", content="й" * 2**20)


def wide(page: Page) -> Parts:
    yield from (RawItem(title="x" * 60_000) for _ in range(200))


def too_wordy(page: Page) -> Parts:
    yield SourceFacts(title="x")
    yield RawItem(title="content", content="x" * (2**21 + 1))
    yield RawItem(title="outline" * 2**16)


def strange(page: Page) -> Parts:
    print("this is no answer")
    os.write(1, b"nor is this")
    yield RawItem(title="a\ud83db", content="<p>\x00\ud83d\ude00")


def elsewhere(page: Page) -> Parts:
    yield SourceFacts(title="a page")
    yield Request(url="http://a.example/feed")


def unreadable(page: Page) -> Parts:
    yield RawItem(title="lost")
    raise ParseError("is no feed")


def surprising(page: Page) -> Parts:
    raise RecursionError("too\ndeep \ud83d" + "x" * 10_000)
    yield RawItem()


def greedy(page: Page) -> Parts:
    yield RawItem(title="x" * 2**30)


def endless(page: Page) -> Parts:
    while True:
        pass
    yield RawItem()


def limits(page: Page) -> Parts:
    names = ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_FSIZE")
    yield RawItem(title=" ".join(str(resource.getrlimit(getattr(resource, name))) for name in names))


def echo(page: Page) -> Parts:
    yield RawItem(link=page.path, title=page.content_type, content=page.body.decode())


class Made:
    """A kind from a function."""

    def __init__(self, parse: Callable[[Page], Parts]) -> None:
        self._parse = parse

    def parse(self, page: Page) -> Parts:
        return self._parse(page)


MADE = (many, wordy, too_wordy, wide, strange, elsewhere, unreadable, surprising, greedy, endless, limits, echo)


class Process:
    """A reading process."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.to, self.answers = self.process.stdin, self.process.stdout

    def tell(self, *contents: bytes) -> None:
        self.to.write(b"".join(map(frame, contents)))
        self.to.flush()

    def hear(self) -> bytes:
        return self.answers.read(int.from_bytes(self.answers.read(4)))

    def open(self, kind: str, body: bytes = b"", *, seconds: float = 30) -> Answer:
        opening = reading.Opening(kind=kind, url="http://a.example/f", content_type="text/xml", seconds=seconds)
        chunks = [body[at : at + 1000] for at in range(0, len(body), 1000)]
        self.tell(reading.OPENING.dump_json(opening), *chunks, b"")
        return reading.ANSWER.validate_json(self.hear() or b"null")

    def outlines(self, count: int) -> list[Outline]:
        found: list[Outline] = []
        while len(found) < count:
            written = self.hear()
            assert len(written) <= FRAME + 2
            found += reading.OUTLINES.validate_json(written)
        return found

    def items(self, *positions: int) -> tuple[tuple[int, RawItem], ...]:
        self.tell(reading.POSITIONS.dump_json(positions))
        return reading.ITEMS.validate_json(self.hear())


@contextlib.contextmanager
def running(*command: str) -> Iterator[Process]:
    reader = Process(*command)
    with reader.process:
        try:
            yield reader
        finally:
            reader.process.kill()


@pytest.fixture
def reader() -> Iterator[Process]:
    with running(sys.executable, __file__) as process:
        yield process


def test_a_feed_is_read() -> None:
    """The real process gives facts and outlines, and whole items by their positions, one page after the other."""
    with running(sys.executable, "-P", "-m", "feedbridge.reading") as process:
        for _ in range(2):
            answer = process.open("feed", FEED)
            assert answer.facts is not None
            assert (answer.facts.title, answer.items, answer.left_out, answer.beyond) == ("News", 2, (), 0)
            one, _ = process.outlines(2)
            assert (one.item.title, one.item.link, one.item.content) == ("One", "http://a.example/1", "")
            assert [(position, item.content) for position, item in process.items(1, 0)] == [
                (1, "<p>Second"),
                (0, "<p>First"),
            ]
            process.tell(b"")


def test_a_page_that_is_no_feed_is_told() -> None:
    """The parser's own error comes through, and the process goes on."""
    with running(sys.executable, "-P", "-m", "feedbridge.reading") as process:
        assert process.open("feed", b"<html><title>Log in</title>").error
        process.tell(b"")
        assert process.open("feed", FEED).items == 2


def test_a_digest_tells_items_apart(reader: Process) -> None:
    """The digest is that of the whole item: the same for the same text, another for another."""
    found = []
    for text in (b"one", b"one", b"two"):
        reader.open("echo", text)
        found += reader.outlines(1)
        reader.tell(b"")
    assert found[0] == found[1]
    assert found[0].item == found[2].item
    assert found[0].digest != found[2].digest
    written = TypeAdapter(RawItem).dump_json(replace(found[0].item, content="one"), exclude_defaults=True)
    assert found[0].digest == hashlib.sha256(written).hexdigest()


def test_a_body_comes_in_any_pieces(reader: Process) -> None:
    """However long the page is, it arrives whole."""
    body = bytes(range(65, 91)) * 100_000
    assert reader.open("echo", body[: 2**21]).items == 1
    reader.outlines(1)
    ((_, item),) = reader.items(0)
    assert (item.content.encode(), item.link, item.title) == (body[: 2**21], "http://a.example/f", "text/xml")


def test_only_so_many_items_are_taken(reader: Process) -> None:
    """The first 5,000 are taken, the rest is counted, and all comes in frames of a bounded length."""
    answer = reader.open("many")
    assert (answer.items, answer.left_out, answer.beyond) == (MAX_ENTRIES, (), 3)
    assert [outline.item.title for outline in reader.outlines(MAX_ENTRIES)] == list(map(str, range(MAX_ENTRIES)))
    batch = reader.items(*range(MAX_ENTRIES))
    assert [position for position, _ in batch] == list(range(len(batch)))
    assert 1000 < len(batch) < 3000


def test_what_is_too_long_is_left_out_and_named(reader: Process) -> None:
    """An item that is too long costs nobody else anything; it is named with the reason."""
    answer = reader.open("wordy")
    assert answer.facts == SourceFacts()
    assert answer.items == 1
    assert answer.left_out == (
        LeftOut(name="what it says of itself", reason="is too long: 1,048,588 bytes, and 1,048,576 are taken"),
        LeftOut(name="content", reason="its content is too long: 2,097,153 bytes, and 2,097,152 are taken"),
        LeftOut(name="http://a.example/whole", reason="is too long: 6,291,515 bytes, and 6,291,456 are taken"),
        LeftOut(
            name="an item without title and link",
            reason="even without its texts it is too long: 65,564 bytes, and 65,536 are taken",
        ),
    )
    assert [outline.item.title for outline in reader.outlines(1)] == ["good"]
    assert [item.content for _, item in reader.items(0)] == ["й" * 2**20]


def test_a_page_of_which_nothing_is_taken_cannot_be_read(reader: Process) -> None:
    """It is no page without news: the first item that was left out is named with the reason."""
    assert reader.open("too_wordy") == Answer(
        error="has nothing that can be taken"
        " (content: its content is too long: 2,097,153 bytes, and 2,097,152 are taken)"
    )


def test_the_index_is_bounded(reader: Process) -> None:
    """Items whose outlines no longer fit the index are counted."""
    answer = reader.open("wide")
    assert answer.items + answer.beyond == 200
    outlines = reader.outlines(answer.items)
    assert sum(len(outline.item.title or "") for outline in outlines) <= reading.MAX_INDEX + 60_000
    assert answer.items == 140


def test_strange_texts_and_words_pass(reader: Process) -> None:
    """Lone surrogates are replaced, other characters are not; what a parser prints is not taken for an answer."""
    assert reader.open("strange").items == 1
    assert [outline.item.title for outline in reader.outlines(1)] == ["a\ufffdb"]
    assert [item.content for _, item in reader.items(0)] == ["<p>\x00\ufffd\ufffd"]


def test_an_outline_is_an_item_without_its_texts() -> None:
    """All that tells items apart stays; all that is long goes."""
    harvest = reading._Harvest()
    item = RawItem(id="1", title="t", content="c", summary="s", pictures=(Image(origin="p"),), shared_id=True)
    harvest.take(item)
    (outline,) = reading.OUTLINES.validate_json(b"[%s]" % harvest.outlines[0])
    assert outline.item == RawItem(id="1", title="t", shared_id=True)


def test_another_page_may_be_asked_for(reader: Process) -> None:
    """A request stands alone."""
    assert reader.open("elsewhere") == Answer(request=Request(url="http://a.example/feed"))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unreadable", "is no feed"),
        ("surprising", "cannot be read (RecursionError: too deep \ufffd"),
        ("unknown", "cannot be read (KeyError: 'unknown')"),
    ],
)
def test_whatever_a_parser_raises_is_told(reader: Process, kind: str, error: str) -> None:
    """An error stands alone, in one line of bounded length, and the process goes on."""
    answer = reader.open(kind)
    assert answer.error is not None
    assert answer.error.startswith(error)
    assert len(answer.error) <= 500
    assert replace(answer, error=None) == Answer()
    reader.tell(b"")
    assert reader.open("echo", b"x").items == 1


def test_memory_has_an_end(reader: Process) -> None:
    """A page that needs more than there is ends the process with an exit code of its own."""
    with pytest.raises(ValueError):
        reader.open("greedy")
    assert reader.process.wait(10) == OUT_OF_MEMORY


@pytest.mark.parametrize("slip", [b"", b"<b></i>"], ids=["well-formed", "to be mended"])
def test_a_tree_that_is_too_large_is_no_slip_of_its_document(slip: bytes) -> None:
    """The parser of XML calls it one; it is said that memory ended all the same."""
    body = FEED.replace(b"<item>", slip + b"<x/>" * 3_000_000 + b"<item>", 1)
    with running(sys.executable, "-P", "-m", "feedbridge.reading") as process:
        with pytest.raises(ValueError):
            process.open("feed", body, seconds=300)
        assert process.process.wait(60) == OUT_OF_MEMORY


def test_time_has_an_end(reader: Process) -> None:
    """A process that nobody waits for any more ends itself, whatever it is doing."""
    with pytest.raises(ValueError):
        reader.open("endless", seconds=0.2)
    assert reader.process.wait(10) == -signal.SIGALRM


def test_what_a_reader_can_use_is_bounded(reader: Process) -> None:
    """Address space, core files, handles, processes and files."""
    reader.open("limits")
    (outline,) = reader.outlines(1)
    bounds = [resource.getrlimit(resource.RLIMIT_NOFILE)[1], 32]
    most = min(bound for bound in bounds if bound != resource.RLIM_INFINITY)
    assert outline.item.title == f"(398458880, 398458880) (0, 0) ({most}, {most}) (0, 0) (0, 0)"


def test_a_reader_is_ended_by_its_parent_alone(reader: Process) -> None:
    """What the terminal or the service manager sends to all processes does not break off a page."""
    reader.tell(b"")
    assert reader.hear() == b""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        reader.process.send_signal(number)
    assert reader.open("echo", b"x").items == 1


@pytest.mark.parametrize("rest", [b"", b"\x00", b"\x00\x00\x00\x09half"])
def test_a_reader_ends_with_its_input(reader: Process, rest: bytes) -> None:
    """Be it between two jobs or in the middle of a frame: the parent is gone, and so is the reader."""
    reader.to.write(rest)
    reader.to.close()
    assert reader.process.wait(10) == 0


def test_a_reader_ends_within_a_job(reader: Process) -> None:
    """A body that breaks off is not taken for a whole one."""
    opening = reading.Opening(kind="echo", url="http://a.example/f", content_type=None, seconds=30)
    reader.tell(reading.OPENING.dump_json(opening), b"half")
    reader.to.close()
    assert reader.answers.read() == b""
    assert reader.process.wait(10) == 0


if __name__ == "__main__":
    reading.KINDS.update({parse.__name__: lambda parse=parse: Made(parse) for parse in MADE})  # type: ignore[misc]
    reading.main()
