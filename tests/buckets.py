"""A server of buckets, and a line to it that breaks when it is told to."""

import contextlib
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

KEY = "S3RVER"
"""The only key that the server knows."""

_HEAD_END = b"\r\n\r\n"


def program() -> str:
    """The server, which `npm` installs beside the tests' own Python, or anywhere on the path."""
    beside = Path(sys.prefix) / "node_modules" / ".bin"
    found = shutil.which("s3rver", path=os.pathsep.join((str(beside), os.environ.get("PATH", ""))))
    if found is None:
        say = pytest.fail if os.environ.get("TESTS_MUST_RUN") else pytest.skip
        say("no server of buckets here: npm install --prefix .venv s3rver@3.7.1")
    return str(found)


@dataclass
class Line:
    """Passes requests on to the server, one to a connection, and notes them.

    Attributes:
        asked: Method and path of each, such as `PUT feeds/news.atom`; of a list, `GET` alone.
        queries: What each asked after the `?`.
        cut: Break the line in the middle of the requests that match this; their queries are looked at, too.
        clip: Break the line in the middle of the answers to the requests that match this.
        lose: Pass on the requests that match this, and lose the answers.
        page: Give lists in pages of so many, which this server cannot do where Node is new.
        refuse: Answer the requests that match this with `status`.
        refusals: So many times; None: always.
    """

    server: int
    prefix: str
    asked: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    cut: str | None = None
    clip: str | None = None
    lose: str | None = None
    page: int | None = None
    refuse: str | None = None
    refusals: int | None = None
    status: str = "503 Service Unavailable"
    _listed: bytes = b""

    def mends(self) -> None:
        self.cut = self.clip = self.lose = self.refuse = self.refusals = None
        self.asked.clear()
        self.queries.clear()

    def pass_on(self, client: socket.socket) -> None:
        head, _, body = _read_head(client).partition(_HEAD_END)
        if not head:
            return
        length = int((re.search(rb"(?i)\r\ncontent-length: (\d+)", head) or [b"", b"0"])[1])
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        place, _, query = path.partition("?")
        name = f"{method} {place.removeprefix(self.prefix)}".strip()
        self.asked.append(name)
        self.queries.append(query)
        name += f"?{query}" if query else ""
        if self.refuse and self.refusals != 0 and re.match(self.refuse, name):
            self.refusals = self.refusals and self.refusals - 1
            _drain(client, length - len(body))
            client.sendall(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        if self.cut and re.match(self.cut, name):  # storages take no half object; this server would
            _drain(client, (length - len(body)) // 2)
            return
        answer = self._ask(
            head + b"\r\nConnection: close" + _HEAD_END + body + _drain(client, length - len(body)), query
        )
        if self.lose and re.match(self.lose, name):
            return
        if self.clip and re.match(self.clip, name):
            head, _, body = answer.partition(_HEAD_END)
            answer = head + _HEAD_END + body[: len(body) // 2]
        client.sendall(answer)

    def _ask(self, request: bytes, query: str) -> bytes:
        """The server's answer; of a list, a page: the first, or that which a token asks for."""
        if self.page and "continuation-token" in query:
            return _paged(self._listed, query, self.page)
        with socket.create_connection(("127.0.0.1", self.server), timeout=10) as server:
            server.sendall(request)
            answer = b"".join(iter(lambda: server.recv(65536), b""))
        if self.page and "list-type=2" in query:
            self._listed = answer
            return _paged(answer, query, self.page)
        return answer


def _read_head(client: socket.socket) -> bytes:
    read = b""
    while _HEAD_END not in read:
        piece = client.recv(65536)
        if not piece:
            return b""
        read += piece
    return read


def _paged(answer: bytes, query: str, count: int) -> bytes:
    head, _, body = answer.partition(_HEAD_END)
    objects = re.findall(rb"<Contents>.*?</Contents>", body, re.DOTALL)
    start = int((re.search(r"continuation-token=(\d+)", query) or ["", "0"])[1])
    body = body.replace(b"".join(objects), b"".join(objects[start : start + count]))
    if start + count < len(objects):
        more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>" % (start + count)
        body = body.replace(b"<IsTruncated>false</IsTruncated>", more)
    return re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % len(body), head) + _HEAD_END + body


def _drain(client: socket.socket, length: int) -> bytes:
    read = b""
    while len(read) < length:
        piece = client.recv(65536)
        if not piece:
            break
        read += piece
    return read


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def line_to(server: int, prefix: str) -> Iterator[tuple[Line, int]]:
    """A line to the server, and its port."""
    line = Line(server=server, prefix=prefix)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                line.pass_on(self.request)

    with _Server(("127.0.0.1", 0), Handler) as opened:
        thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield line, opened.server_address[1]
        finally:
            opened.shutdown()
            thread.join()


@contextlib.contextmanager
def running(folder: Path, bucket: str) -> Iterator[int]:
    """The server, with an empty bucket; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    words = [program(), "-s", "-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "--no-vhost-buckets"]
    process = subprocess.Popen([*words, "--configure-bucket", bucket], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/{bucket}/", trust_env=False)
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
