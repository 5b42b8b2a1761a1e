"""A process that answers for many small sites on loopback: each path is a feed, and not changed once it was fetched.

It tells its port, and then, for each line that comes, what it was asked since the line before; it ends with its input.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

import uvloop

FEED = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Site {path}</title><id>http://site.example{path}</id>
<updated>2026-11-20T12:00:00Z</updated><author><name>Somebody</name></author>
<entry><title>News of {path}</title><id>http://site.example{path}/1</id><link href="http://site.example{path}/1"/>
<updated>2026-11-20T12:00:00Z</updated><content type="html">&lt;p&gt;Something has happened.</content></entry></feed>
"""


def etag(path: str) -> str:
    """What the feed at a path is known by."""
    return f'"{path}"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """How often each path was asked for, and how often it was answered with 304."""

    times: Counter[str]
    not_modified: Counter[str]


class Sites:
    """The process, seen from outside."""

    def __init__(self, to: IO[str], come: IO[str], port: int) -> None:
        self.port = port
        self._to = to
        self._from = come

    def asked(self) -> Asked:
        """What it was asked since this was asked before."""
        self._to.write("\n")
        self._to.flush()
        times, not_modified = json.loads(self._from.readline())
        return Asked(times=Counter(times), not_modified=Counter(not_modified))


@contextmanager
def sites() -> Iterator[Sites]:
    """Start the process; it ends with the context."""
    with subprocess.Popen(
        [sys.executable, "-m", __spec__.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Sites(process.stdin, process.stdout, int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(timeout=10)


class _Connection(asyncio.Protocol):
    """Answers GET, request after request."""

    asked = Asked(times=Counter(), not_modified=Counter())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._come = b""

    def data_received(self, data: bytes) -> None:
        self._come += data
        while b"\r\n\r\n" in self._come:
            head, _, self._come = self._come.partition(b"\r\n\r\n")
            self._transport.write(self._answer(head.decode("latin-1")))

    def _answer(self, head: str) -> bytes:
        path = head.split(" ", 2)[1]
        self.asked.times[path] += 1
        if f"if-none-match: {etag(path)}" in head.lower():
            self.asked.not_modified[path] += 1
            return f"HTTP/1.1 304 Not Modified\r\nETag: {etag(path)}\r\n\r\n".encode()
        body = FEED.format(path=path)
        return f"HTTP/1.1 200 OK\r\nETag: {etag(path)}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "0.0.0.0", 0, backlog=4096)  # all of 127.0.0.0/8
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        asked = _Connection.asked
        _Connection.asked = Asked(times=Counter(), not_modified=Counter())
        print(json.dumps([asked.times, asked.not_modified]), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve())
