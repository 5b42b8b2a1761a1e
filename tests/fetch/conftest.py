"""Servers on loopback that say whatever a test wants said, byte by byte, and a client that asks them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from feedbridge.fetch.client import Answer, Ask, Client
from feedbridge.reach import parse_allowance

Play = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What a server says: bytes, after which it listens on; or a function that writes, after which it hangs up."""

_FAREWELL = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class Server:
    """A server in a thread of its own, at port 0 of an address.

    Attributes:
        pages: What it says, by path; `*` is for all others.
        heads: What it was asked, in order: the request's line and headers.
        connections: How often it was connected to.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.pages: dict[str, Play] = {}
        self.heads: list[str] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._take, address, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.host = f"[{address}]" if ":" in address else address
        self.url = f"http://{self.host}:{self.port}"

    def headers(self, number: int = -1) -> dict[str, str]:
        """The headers of a request, by name in lower case."""
        lines = self.heads[number].split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    def settled(self) -> "Server":
        """The same, once whoever knocked has been let in."""
        self._call(asyncio.sleep(0.05))
        return self

    def close(self) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _stop(self) -> None:
        await asyncio.sleep(0.01)  # whoever is at the door is let in first
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            with suppress(AttributeError):  # asyncio's own, where it is gone already
                writer.transport.abort()
        await asyncio.sleep(0)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*_FAREWELL):
            with closing(writer):
                while await self.exchange(reader, writer):
                    await writer.drain()
            await writer.wait_closed()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a request and answer it; whether to listen on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        play = self.pages.get(head.split(" ")[1]) or self.pages["*"]
        if isinstance(play, bytes):
            writer.write(play)
            return True
        await play(writer)
        return False


class Proxy(Server):
    """A forward proxy (RFC 9110 section 9.3.6 for CONNECT) that takes every name for 127.0.0.1."""

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        place, _, path = target.removeprefix("http://").partition("/")
        there, onward = await asyncio.open_connection("127.0.0.1", int(place.rpartition(":")[2]))
        with closing(onward):
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                lines = [line for line in head.split("\r\n")[1:] if not line.lower().startswith("proxy-")]
                onward.write("\r\n".join([f"{method} /{path} HTTP/1.1", *lines]).encode("latin-1"))
            tasks = [asyncio.ensure_future(_pass_on(*pair)) for pair in ((reader, onward), (there, writer))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@dataclass(frozen=True, kw_only=True)
class Got:
    """An answer, with its body read."""

    status: int
    url: str
    moved_to: str | None
    headers: dict[str, str]
    content: bytes | None
    digest: str | None


def read(answer: Answer) -> Got:
    """Read an answer's body to its end and close it."""
    content = None
    if answer.body is not None:
        with answer.body as body:
            content = b"".join(body.chunks())
            assert body.size == len(content)
    return Got(
        status=answer.status,
        url=answer.url,
        moved_to=answer.moved_to,
        headers=dict(answer.headers),
        content=content,
        digest=answer.digest,
    )


class Fetcher:
    """Asks with a client of its own."""

    def __call__(self, url: str, **parts: Any) -> Got:
        """Fetch one address, within five seconds, with all of 127.0.0.0/8 allowed."""
        (got,) = self.all(self.ask(url, **parts))
        return got

    def ask(self, url: str, **parts: Any) -> Ask:
        parts = {"timeout": timedelta(seconds=5), "allow": parse_allowance(["127.0.0.0/8"]), **parts}
        return Ask(url=url, **parts)

    def all(self, *asks: Ask, resolve: Any = None) -> list[Got]:
        """Fetch several, one after the other, with one client."""

        async def work() -> list[Got]:
            async with Client(user_agent="feedbridge/0 (+https://feeds.example/)", resolve=resolve) as client:
                return [read(await client.fetch(ask)) for ask in asks]

        return asyncio.run(work())


@pytest.fixture
def fetch() -> Fetcher:
    """Asks with a client of its own; an address gives a `Got`."""
    return Fetcher()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, by address and perhaps by class."""
    started: list[Server] = []

    def begin(address: str = "127.0.0.1", kind: type[Server] = Server) -> Server:
        started.append(kind(address))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A server at 127.0.0.1."""
    return serve()


@pytest.fixture
def proxy(serve: Callable[..., Server]) -> Server:
    """A forward proxy at 127.0.0.1."""
    return serve(kind=Proxy)
