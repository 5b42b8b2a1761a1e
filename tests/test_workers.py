"""Pages are read at arm's length: nothing that happens there reaches us.

Run as a program, this file is a reader with kinds of its own, or one that tells lies, or a process that has readers.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from feedbridge import reading
from feedbridge.children import frame
from feedbridge.errors import FetchError, ParseError
from feedbridge.model import Page, RawItem, Request, SourceFacts
from feedbridge.workers import Index, Job, Readers, Reading

FEED = b"""<?xml version="1.0"?>
<rss version="2.0"><channel><title>News</title><link>http://a.example/</link>
<item><title>One</title><link>http://a.example/1</link><description>&lt;p&gt;First</description></item>
<item><title>Two</title><link>http://a.example/2</link><description>&lt;p&gt;Second</description></item>
</channel></rss>"""

FAULTY = (sys.executable, __file__)
SECOND = timedelta(seconds=1)

Parts = Iterator[SourceFacts | RawItem | Request]
Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


class Obedient:
    """A kind that does what its page says."""

    def parse(self, page: Page) -> Parts:
        order, _, number = page.body[:40].decode().partition(" ")
        match order:
            case "sleep":
                time.sleep(float(number))
            case "crash":
                ctypes.string_at(0)
            case "eat":
                yield RawItem(title="x" * 2**30)
            case "exit":
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "environment":
                yield RawItem(title=" ".join(sorted(os.environ)))
            case "length":
                yield RawItem(title=str(len(page.body)))
            case "items":
                yield from (RawItem(title=str(index), content="x" * 100_000) for index in range(int(number)))
            case "elsewhere":
                yield Request(url="http://a.example/feed")
            case _:
                raise ParseError("is no order")
        yield RawItem(title=str(os.getpid()))


LIES: dict[str, Sequence[bytes]] = {
    "noise": [b"Segmentation fault\n" * 100],
    "long": [b"\xff\xff\xff\xff"],
    "no JSON": [frame(b"{")],
    "no index": [frame(b"[]")],
    "too many items": [frame(b'{"items":5001}')],
    "fewer than none": [frame(b'{"beyond":-1}')],
    "no outlines": [frame(b'{"items":1}'), frame(b"[]")],
    "more outlines": [
        frame(b'{"items":1}'),
        frame(b"[%s]" % b",".join([b'{"item":{},"digest":"%s"}' % (b"0" * 64)] * 2)),
    ],
    "no digest": [frame(b'{"items":1}'), frame(b'[{"item":{},"digest":"0"}]')],
    "deep": [frame(b"[" * 50_000)],
}


def lie(answer: Sequence[bytes]) -> None:
    """Greet, and then say this whatever is asked."""
    sys.stdout.buffer.write(frame(b"") + b"".join(answer))
    sys.stdout.buffer.flush()
    time.sleep(30)


def liar(answer: Sequence[bytes]) -> tuple[str, ...]:
    return (*FAULTY, "lie", json.dumps([part.hex() for part in answer]))


def job(order: str | Sequence[bytes], kind: str = "obedient") -> Job:
    chunks = [order.encode()] if isinstance(order, str) else order
    return Job(kind=kind, url="http://a.example/f", content_type=None, chunks=chunks)


async def titles(readers: Readers, order: str | Sequence[bytes]) -> list[str | None]:
    async with readers.read(job(order)) as page:
        return [outline.item.title for outline in page.index.outlines]


async def contents(page: Reading, *wanted: int) -> list[tuple[int, str]]:
    return [(position, item.content) async for batch in page.items(wanted) for position, item in batch]


def children() -> list[int]:
    """The processes that we started and that are not yet buried."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended has no children
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until(true: Callable[[], bool], *, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test on each kind of loop, and looks for what it leaves behind."""

    def run_and_look(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(60):
                gc.collect()  # what other tests left open is not closed in the midst of this one
                open_before, started_before = handles(), children()
                await work()
                await asyncio.sleep(0)
                assert handles() <= open_before
                assert set(children()) <= set(started_before)

        async def warmed_up() -> None:
            first = await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.PIPE)
            await first.communicate()  # uvloop keeps one handle from its first pipe on
            await main()

        request.param(warmed_up())
        gc.collect()

    return run_and_look


@contextlib.asynccontextmanager
async def faulty(**options: Any) -> AsyncIterator[Readers]:
    async with Readers(command=FAULTY, **options) as readers:
        yield readers


def test_a_feed_is_read(run: Run) -> None:
    """The index comes first, then the items that are wanted, in the order in which they are wanted."""

    async def work() -> None:
        async with Readers() as readers, readers.read(job([FEED[:99], b"", FEED[99:]], kind="feed")) as page:
            assert page.index.facts is not None
            assert page.index.facts.title == "News"
            assert [outline.item.title for outline in page.index.outlines] == ["One", "Two"]
            assert await contents(page, 1, 0) == [(1, "<p>Second"), (0, "<p>First")]
            assert await contents(page) == []

    run(work)


def test_items_come_in_batches(run: Run) -> None:
    """However many are wanted, only a few are on their way at a time."""

    async def work() -> None:
        async with faulty() as readers, readers.read(job("items 300")) as page:
            batches = [[position for position, _ in batch] async for batch in page.items(range(299, -1, -1))]
            assert [position for batch in batches for position in batch] == list(range(299, -1, -1))
            assert max(map(len, batches)) == 10

    run(work)


def test_another_page_may_be_asked_for(run: Run) -> None:
    """A request comes in place of everything else."""

    async def work() -> None:
        async with faulty() as readers, readers.read(job("elsewhere")) as page:
            assert page.index == Index(request=Request(url="http://a.example/feed"))

    run(work)


def test_only_what_is_there_can_be_wanted(run: Run) -> None:
    """A position outside the index, or a page that was left, is a mistake of the caller."""

    async def work() -> None:
        async with faulty() as readers:
            async with readers.read(job("sleep 0")) as page:
                with pytest.raises(ValueError, match="no item at such a position"):
                    await contents(page, 1)
                with pytest.raises(ValueError, match="no item at such a position"):
                    await contents(page, -1)
            with pytest.raises(RuntimeError, match="no longer being read"):
                await contents(page, 0)

    run(work)


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("crash", "took its reader down (signal 11)"),
        ("kill", "took its reader down (signal 9)"),
        ("exit", "took its reader down (exit code 3)"),
        ("eat", "needs more memory than a reader has"),
        ("nothing", "is no order"),
    ],
)
def test_a_bad_page_costs_itself_alone(run: Run, order: str, reason: str) -> None:
    """It is told what the matter was, and the next page is read."""

    async def work() -> None:
        async with faulty(count=1) as readers:
            with pytest.raises(ParseError) as caught:
                await titles(readers, order)
            assert str(caught.value) == reason
            assert len(await titles(readers, "sleep 0")) == 1

    run(work)


def test_a_page_that_takes_too_long_costs_itself_alone(run: Run) -> None:
    """Its reader is ended when the time is over, and the next page is read."""

    async def work() -> None:
        async with faulty(count=1, deadline=SECOND) as readers:
            began = time.monotonic()
            with pytest.raises(ParseError, match="could not be read within 1 s"):
                await titles(readers, "sleep 30")
            assert time.monotonic() - began < 10
            assert len(await titles(readers, "sleep 0")) == 1

    run(work)


def test_an_ordinary_error_costs_no_reader(run: Run) -> None:
    """A page that cannot be read is no reason to start a new process."""

    async def work() -> None:
        async with faulty(count=1) as readers:
            first = await titles(readers, "sleep 0")
            with pytest.raises(ParseError, match="is no order"):
                await titles(readers, "nothing")
            assert await titles(readers, "sleep 0") == first

    run(work)


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
def test_a_reader_that_lies_costs_its_page(run: Run, answer: Sequence[bytes]) -> None:
    """An answer that cannot be is refused before it takes memory or time."""

    async def work() -> None:
        async with Readers(command=liar(answer)) as readers:
            with pytest.raises(ParseError, match="the answer of its reader makes no sense"):
                await titles(readers, "sleep 0")

    run(work)


@pytest.mark.parametrize("items", [b"[]", b'[[1,{"title":"b"}]]', b"[[0,{}],[0,{}]]", b'[[0,{"title":1}]]', b"null"])
def test_items_that_nobody_wanted_are_refused(run: Run, items: bytes) -> None:
    """Only what was asked for is taken, in its order, and something has to come."""
    outlines = b"[%s]" % b",".join([b'{"item":{},"digest":"%s"}' % (b"0" * 64)] * 2)

    async def work() -> None:
        answer = [frame(part) for part in (b'{"items":2}', outlines, items)]
        async with Readers(command=liar(answer)) as readers, readers.read(job("")) as page:
            with pytest.raises(ParseError, match="makes no sense"):
                await contents(page, 0, 1)

    run(work)


def test_a_reader_that_ends_early_costs_its_page(run: Run) -> None:
    """One that is gone before the whole page is told is noticed at once."""
    greet_and_go = "import sys; sys.stdout.buffer.write(bytes(4)); sys.stdout.flush(); sys.stdin.buffer.read(5)"
    command = (sys.executable, "-c", greet_and_go)

    async def work() -> None:
        async with Readers(command=command) as readers:
            with pytest.raises(ParseError, match=r"took its reader down \(exit code 0\)"):
                await titles(readers, [b"x" * 2**20] * 20)

    run(work)


@pytest.mark.parametrize("command", [(sys.executable, "-c", ""), ("/nowhere/python",)])
def test_a_reader_that_cannot_start_is_told(run: Run, command: tuple[str, ...]) -> None:
    """It fails the page, not the program."""

    async def work() -> None:
        async with Readers(command=command) as readers:
            for _ in range(3):
                with pytest.raises(ParseError, match="cannot be read now"):
                    await titles(readers, "sleep 0")

    run(work)


def test_a_reader_that_died_in_its_sleep_costs_nothing(run: Run) -> None:
    """One that was ended while it had nothing to do is replaced, and no page fails."""

    async def work() -> None:
        async with faulty(count=1) as readers:
            (pid,) = await titles(readers, "sleep 0")
            os.kill(int(pid or ""), signal.SIGKILL)
            assert await titles(readers, "sleep 0") != [pid]

    run(work)


def test_readers_are_used_again_and_replaced(run: Run) -> None:
    """A reader does so many jobs, and no more."""

    async def work() -> None:
        async with faulty(count=1, jobs_each=2) as readers:
            first, second, third, fourth = [(await titles(readers, "sleep 0"))[0] for _ in range(4)]
            assert first == second != third == fourth

    run(work)


def test_a_long_page_takes_its_reader_with_it(run: Run) -> None:
    """The memory that a long page needed is given back."""

    async def work() -> None:
        async with faulty(count=1) as readers:
            _, pid = await titles(readers, [b"length ", b"x" * 5_000_000])
            assert [pid] != await titles(readers, "sleep 0")

    run(work)


def test_nobody_is_kept_for_nothing(run: Run) -> None:
    """Readers start with the first page, and end when there was none for a while."""

    async def work() -> None:
        async with faulty(idle=0.2 * SECOND) as readers:
            before = children()
            await titles(readers, "sleep 0")
            assert len(children()) == len(before) + 1
            await until(lambda: children() == before)
            assert len(await titles(readers, "sleep 0")) == 1

    run(work)


def test_pages_are_read_at_the_same_time(run: Run) -> None:
    """As many as there may be readers, each by its own; a further page waits until one is free."""

    async def work() -> None:
        async with faulty(count=2) as readers:
            async with readers.read(job("sleep 0")) as one, readers.read(job("sleep 0")) as two:
                assert one.index != two.index
                third = asyncio.ensure_future(titles(readers, "sleep 0"))
                await asyncio.sleep(0.1)
                assert not third.done()
            assert len(await third) == 1

    run(work)


def test_waiting_for_a_reader_is_not_counted(run: Run) -> None:
    """The deadline is for the work alone: a queue that takes longer is read to its end."""

    async def work() -> None:
        async with faulty(count=1, deadline=SECOND) as readers:
            found = await asyncio.gather(*(titles(readers, "sleep 0.3") for _ in range(6)))
            assert len({pid for (pid,) in found}) == 1

    run(work)


def test_who_stops_waiting_ends_the_work(run: Run) -> None:
    """A page whose reading is cancelled ends with its reader; one that only waited harms nobody."""

    async def work() -> None:
        async with faulty(count=1) as readers:
            before = children()
            busy = asyncio.ensure_future(titles(readers, "sleep 30"))
            waiting = asyncio.ensure_future(titles(readers, "sleep 0"))
            await until(lambda: len(children()) > len(before))
            await asyncio.sleep(0.3)
            waiting.cancel()
            busy.cancel()
            await asyncio.wait([busy, waiting])
            assert children() == before
            assert len(await titles(readers, "sleep 0")) == 1

    run(work)


def test_who_gives_up_before_the_start_leaves_nothing(run: Run) -> None:
    """Cancelled at any moment of the first milliseconds, no process stays."""

    async def work() -> None:
        async with faulty(count=1) as readers:
            before = children()
            for turns in range(12):
                early = asyncio.ensure_future(titles(readers, "sleep 0"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                early.cancel()
                await asyncio.wait([early])
            await until(lambda: children() == before)

    run(work)


def test_a_page_may_be_left_early(run: Run) -> None:
    """Who has seen enough goes, and the reader is used again; so it is after an error of the caller's own."""

    async def seen_enough(readers: Readers) -> None:
        async with readers.read(job("items 30")) as page:
            async for _ in page.items(range(30)):
                raise ZeroDivisionError

    async def work() -> None:
        async with faulty(count=1) as readers:
            (pid,) = await titles(readers, "sleep 0")
            with pytest.raises(ZeroDivisionError):
                await seen_enough(readers)
            assert await titles(readers, "sleep 0") == [pid]

    run(work)


def test_an_error_in_the_body_passes_through(run: Run) -> None:
    """A body that cannot be unpacked to its end is the fetcher's to report."""

    def chunks() -> Iterator[bytes]:
        yield b"sleep 0"
        raise FetchError("breaks off")

    async def work() -> None:
        async with faulty(count=1) as readers:
            with pytest.raises(FetchError, match="breaks off"):
                async with readers.read(Job(kind="obedient", url="u", content_type=None, chunks=chunks())):
                    pass
            assert len(await titles(readers, "sleep 0")) == 1

    run(work)


@pytest.mark.alone
def test_the_end_is_soon(run: Run) -> None:
    """All readers end within a second, busy or not, and whoever waits for them is told."""

    async def work() -> None:
        before = children()
        async with faulty(count=3) as readers:
            await titles(readers, "sleep 0")
            busy = [asyncio.ensure_future(titles(readers, "sleep 30")) for _ in range(3)]
            await until(lambda: len(children()) == len(before) + 3)
            await asyncio.sleep(0.5)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        assert children() == before
        for told in await asyncio.gather(*busy, return_exceptions=True):
            assert isinstance(told, ParseError)
        with pytest.raises(RuntimeError, match="closed"):
            await titles(readers, "sleep 0")

    run(work)


def test_a_reader_gets_no_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our environment it gets what its imports need."""
    monkeypatch.setenv("FEEDBRIDGE_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    async def work() -> None:
        async with faulty() as readers:
            (names, _) = await titles(readers, "environment")
            allowed = "PATH HOME LANG LC_ALL LC_CTYPE LD_LIBRARY_PATH PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX"
            assert set((names or "").split()) <= {*allowed.split(), "PYTHONDONTWRITEBYTECODE"}
            assert "PATH" in (names or "").split()

    run(work)


def test_a_long_page_takes_little_memory_here(run: Run) -> None:
    """40 MB pass through in pieces; neither they nor their items are ever held as a whole."""

    async def work() -> None:
        async with faulty() as readers:
            await titles(readers, "sleep 0")
            tracemalloc.start()
            try:
                chunks = (b"length ".ljust(100_000, b"x") for _ in range(400))
                async with readers.read(Job(kind="obedient", url="u", content_type=None, chunks=chunks)) as page:
                    assert page.index.outlines[0].item.title == "40000000"
                async with readers.read(job("items 400")) as page:
                    async for _ in page.items(range(400)):
                        pass
                assert tracemalloc.get_traced_memory()[1] < 6_000_000
            finally:
                tracemalloc.stop()

    run(work)


async def keep_reading(seconds: float) -> None:
    """A process that has a reader at work, and tells its id; then, what came of it."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    async with faulty(deadline=2 * SECOND) as readers:
        (pid,) = await titles(readers, "sleep 0")
        work = asyncio.ensure_future(titles(readers, f"sleep {seconds}"))
        await asyncio.sleep(0.3)
        print(pid, flush=True)
        print(*await work, flush=True)


@contextlib.contextmanager
def parent(seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = (*FAULTY, "parent", str(seconds))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_readers_do_not_outlive_their_parent() -> None:
    """Where the parent was killed in the middle of a page, its reader ends when the page's time is over."""
    with parent(60) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        assert is_alive(pid)
        asyncio.run(until(lambda: not is_alive(pid)))


def test_the_terminal_does_not_reach_readers() -> None:
    """Ctrl-C goes to all processes in the foreground: the page that is being read is still read."""
    with parent(1) as process:
        assert process.stdout is not None
        pid = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == pid


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lie", answer]:
            lie([bytes.fromhex(part) for part in json.loads(answer)])
        case ["parent", seconds]:
            asyncio.run(keep_reading(float(seconds)))
        case _:
            reading.KINDS["obedient"] = Obedient
            reading.main()


def test_long_pages_leave_a_reader_to_the_others(run: Run) -> None:
    """However many long pages wait to be read, a short one has its turn at once."""

    async def work() -> None:
        async with faulty() as readers:
            long_pages = [asyncio.create_task(read_long(readers)) for _ in range(3)]
            await asyncio.sleep(0.2)
            await titles(readers, "sleep 0")
            assert not any(page.done() for page in long_pages)
            for page in long_pages:
                page.cancel()
            await asyncio.gather(*long_pages, return_exceptions=True)

    async def read_long(readers: Readers) -> list[str | None]:
        async with readers.read(replace(job("sleep 30"), size=2**20)) as page:
            return [outline.item.title for outline in page.index.outlines]

    run(work)
