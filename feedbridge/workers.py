"""Foreign pages are read in processes of their own: what hangs, crashes or eats memory there costs one page.

async with Readers() as readers:
    async with readers.read(Job(kind="feed", url=url, content_type=None, chunks=[body])) as reading:
        async for batch in reading.items([...positions in reading.index.outlines...]):
            ...
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from feedbridge import reading as child
from feedbridge.children import OUT_OF_MEMORY, command, environment, frame
from feedbridge.errors import ParseError
from feedbridge.model import RawItem, Request, SourceFacts
from feedbridge.reading import LeftOut, Outline

__all__ = ["Index", "Job", "LeftOut", "Outline", "Readers", "Reading"]

MAX_FRAME = 16 * 2**20
"""Bytes; a reader that announces a longer frame is not in its right mind."""

COMMAND = command("feedbridge.reading")
"""What a reader is started by."""

_LONG_PAGE = 4 * 2**20
_HEAVY_PAGE = 2**20
"""Bytes; pages from this size on leave one reader to the others, which they could keep waiting."""

_ASKED_AT_ONCE = 200
_STARTING_SECONDS = 20.0
_GRACE_SECONDS = 1.0
_DYING_SECONDS = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A page to be read.

    Attributes:
        kind: The kind of its source.
        url: The address that it came from.
        content_type: The header's value as the server wrote it.
        chunks: Its body, in pieces; whatever error they raise passes through.
        size: Of the body, in bytes.
    """

    kind: str
    url: str
    content_type: str | None
    chunks: Iterable[bytes]
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """What a page holds.

    Attributes:
        facts: What the source says of itself.
        request: The page that is to be asked for in its place; then there is nothing else.
        outlines: Its items in its order, without their texts.
        left_out: Items that are too long.
        beyond: How many items there are beyond those that are taken from one page.
    """

    facts: SourceFacts | None = None
    request: Request | None = None
    outlines: tuple[Outline, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    beyond: int = 0


class Readers:
    """The reading processes: started when first needed, used again, ended at the latest with this context.

    Args:
        count: So many read at the same time; further jobs wait, for as long as it takes.
        deadline: For each step: the way from the body to the index, and each batch of items.
        jobs_each: A reader is replaced after so many.
        idle: One that has nothing to do for so long is ended.
        command: Starts a reader.
    """

    def __init__(
        self,
        *,
        count: int = 2,
        deadline: timedelta = timedelta(seconds=20),
        jobs_each: int = 200,
        idle: timedelta = timedelta(minutes=1),
        command: Sequence[str] | None = None,
    ) -> None:
        self._places = asyncio.Semaphore(count)
        self._heavy_places = asyncio.Semaphore(max(count - 1, 1))
        self._deadline = deadline
        self._jobs_each = jobs_each
        self._idle_for = idle
        self._command = tuple(command or COMMAND)
        self._readers: set[_Reader] = set()
        self._idle: dict[_Reader, asyncio.TimerHandle] = {}
        self._ending: dict[_Reader, asyncio.Task[None]] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all readers, within a second."""
        self._closed = True
        for reader in list(self._readers):
            self._end(reader)
        await asyncio.gather(*self._ending.values())

    @asynccontextmanager
    async def read(self, job: Job) -> AsyncIterator["Reading"]:
        """Have a page read; its reader is kept for as long as the context lasts.

        Raises:
            ParseError: The page cannot be read, or it was too much for its reader.
        """
        async with self._heavy_places if job.size >= _HEAVY_PAGE else contextlib.nullcontext(), self._places:
            reader = await self._reader()
            try:
                reading = Reading(reader, await reader.open(job))
                try:
                    yield reading
                finally:
                    reading.over = True
            finally:
                await self._take_back(reader)

    async def _reader(self) -> "_Reader":
        """One that has nothing to do and is well, else a new one."""
        while self._idle:
            reader, timer = self._idle.popitem()
            timer.cancel()
            if await self._is_well(reader):
                return reader
        reader = await self._start()
        if await self._is_well(reader):
            return reader
        raise ParseError(f"cannot be read now: {' '.join(self._command)} does not start")

    async def _start(self) -> "_Reader":
        if self._closed:
            raise RuntimeError("the readers are closed")
        starting = asyncio.ensure_future(_started(self._command))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._end_started)
            raise
        except OSError as error:
            raise ParseError(f"cannot be read now: no reader can be started ({error.strerror})") from error
        return self._add(process)

    def _add(self, process: asyncio.subprocess.Process) -> "_Reader":
        reader = _Reader(process, self._deadline)
        self._readers.add(reader)
        return reader

    def _end_started(self, starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        """End the reader that nobody waits for any more."""
        if not starting.cancelled() and starting.exception() is None:
            self._end(self._add(starting.result()))

    async def _is_well(self, reader: "_Reader") -> bool:
        try:
            await reader.greet()
        except ParseError:
            pass
        finally:
            if reader.owes:
                await asyncio.shield(self._end(reader))
        return not reader.owes

    async def _take_back(self, reader: "_Reader") -> None:
        if reader.owes or reader.has_read_much or reader.jobs >= self._jobs_each or self._closed:
            await asyncio.shield(self._end(reader))
            return
        reader.dismiss()
        loop = asyncio.get_running_loop()
        self._idle[reader] = loop.call_later(self._idle_for.total_seconds(), self._end, reader)

    def _end(self, reader: "_Reader") -> "asyncio.Task[None]":
        """Kill a reader; what is given is done when it is gone."""
        if timer := self._idle.pop(reader, None):
            timer.cancel()
        self._readers.discard(reader)
        if reader not in self._ending:
            reader.kill()
            self._ending[reader] = asyncio.ensure_future(reader.gone())
            self._ending[reader].add_done_callback(lambda _: self._ending.pop(reader))
        return self._ending[reader]


class Reading:
    """A page that is being read.

    Attributes:
        index: What it holds.
        over: True once its reader was given back.
    """

    def __init__(self, reader: "_Reader", index: Index) -> None:
        self.index = index
        self.over = False
        self._reader = reader

    async def items(self, wanted: Sequence[int]) -> AsyncIterator[Sequence[tuple[int, RawItem]]]:
        """The whole items at these positions of `index.outlines`, in the given order, each with its position.

        They come in batches of about 1 MiB, each when it is asked for. One such iteration at a time.

        Raises:
            ParseError: The reader was lost, or is too slow.
        """
        left = list(wanted)
        if any(not 0 <= position < len(self.index.outlines) for position in left):
            raise ValueError("there is no item at such a position")
        while left:
            if self.over:
                raise RuntimeError("the page is no longer being read")
            batch = await self._reader.items(left[:_ASKED_AT_ONCE])
            yield batch
            del left[: len(batch)]


class _Nonsense(Exception):  # noqa: N818  (it becomes a ParseError at once)
    """What the reader answers is no answer."""


class _Reader:
    """A reading process, and the talk with it.

    Attributes:
        owes: True while an answer is awaited; whoever breaks off then must end it.
        jobs: How many it was given.
        has_read_much: It read a page so long that the memory is better given back.
    """

    def __init__(self, process: asyncio.subprocess.Process, deadline: timedelta) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._to = process.stdin
        self._from = process.stdout
        self._talk = asyncio.Lock()
        self._seconds = deadline.total_seconds()
        self.owes = False
        self.jobs = 0
        self.has_read_much = False

    async def greet(self) -> None:
        """Be sure that it is there and listens."""
        async with self._step(seconds=_STARTING_SECONDS):
            await self._tell(b"")
            if await self._hear():
                raise _Nonsense

    async def open(self, job: Job) -> Index:
        """Give it a job; the index of the page comes back."""
        self.jobs += 1
        async with self._step():
            await self._tell_job(job)
            answer = child.ANSWER.validate_json(await self._hear())
            outlines = await self._hear_outlines(answer.items)
        if answer.error is not None:
            raise ParseError(answer.error)
        return Index(
            facts=answer.facts,
            request=answer.request,
            outlines=outlines,
            left_out=answer.left_out,
            beyond=answer.beyond,
        )

    async def items(self, wanted: Sequence[int]) -> Sequence[tuple[int, RawItem]]:
        """The first of the wanted items, at least one."""
        async with self._step():
            await self._tell(child.POSITIONS.dump_json(tuple(wanted)))
            batch = child.ITEMS.validate_json(await self._hear())
            if not batch or [position for position, _ in batch] != list(wanted[: len(batch)]):
                raise _Nonsense
        return batch

    def dismiss(self) -> None:
        """Let it forget its job."""
        self._to.write(frame(b""))

    def kill(self) -> None:
        """End it; it keeps nothing that could be lost. Whoever waits for its answer is told."""
        self.owes = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._to.close()

    async def gone(self) -> None:
        """Wait until it is gone, with its pipes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DYING_SECONDS), self._talk:
                while await self._from.read(child.FRAME):  # a pipe is closed once it is read to its end
                    pass
                await self._process.wait()

    @asynccontextmanager
    async def _step(self, *, seconds: float | None = None) -> AsyncIterator[None]:
        """Bound the time of a step, and tell what the matter is when no answer comes."""
        self.owes = True
        try:
            async with self._talk, asyncio.timeout(seconds or self._seconds) as bound:
                yield
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise ParseError(self._too_slow()) from error
        except (ValidationError, _Nonsense) as error:
            raise ParseError("could not be read: the answer of its reader makes no sense") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ParseError(await self._cause_of_death()) from error
        self.owes = False

    async def _cause_of_death(self) -> str:
        try:
            async with asyncio.timeout(_DYING_SECONDS):
                code = await self._process.wait()
        except TimeoutError:
            return "could not be read: its reader broke off"
        if code == OUT_OF_MEMORY:
            return "needs more memory than a reader has"
        if code == -signal.SIGALRM:
            return self._too_slow()
        return f"took its reader down ({f'signal {-code}' if code < 0 else f'exit code {code}'})"

    def _too_slow(self) -> str:
        return f"could not be read within {self._seconds:g} s"

    async def _tell_job(self, job: Job) -> None:
        opening = child.Opening(
            kind=job.kind, url=job.url, content_type=job.content_type, seconds=self._seconds + _GRACE_SECONDS
        )
        await self._tell(child.OPENING.dump_json(opening))
        size = 0
        for chunk in job.chunks:
            for start in range(0, len(chunk), child.FRAME):
                await self._tell(chunk[start : start + child.FRAME])
            size += len(chunk)
        self.has_read_much |= size > _LONG_PAGE
        await self._tell(b"")

    async def _hear_outlines(self, count: int) -> tuple[Outline, ...]:
        outlines: list[Outline] = []
        size = 0
        while len(outlines) < count:
            written = await self._hear()
            size += len(written)
            batch = child.OUTLINES.validate_json(written)
            outlines += batch
            if not batch or len(outlines) > count or size > child.MAX_INDEX + child.FRAME:
                raise _Nonsense
        return tuple(outlines)

    async def _tell(self, content: bytes) -> None:
        if self._to.is_closing():
            raise ConnectionResetError
        self._to.write(frame(content))
        await self._to.drain()

    async def _hear(self) -> bytes:
        length = int.from_bytes(await self._from.readexactly(4))
        if length > MAX_FRAME:
            raise _Nonsense
        return await self._from.readexactly(length)


async def _started(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a reader, in a session of its own: what is typed at our terminal is not for it."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
