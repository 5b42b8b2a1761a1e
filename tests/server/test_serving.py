"""The server against clients that are slow, absurd or many."""

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from feedbridge.metrics import Metrics
from feedbridge.server import serving
from feedbridge.server.app import make_app
from feedbridge.server.serving import Seldom, ServeError, Server
from feedbridge.server.shelf import Shelf

from .conftest import Site

Serve = Callable[..., Site]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits in time, shortened."""
    monkeypatch.setattr(serving, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(serving, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(serving, "_SWEEP_SECONDS", 0.05)


def connect(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.server.port), timeout=10)


def drain(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def drip(connection: socket.socket, pieces: Iterator[bytes], pause: float = 0.02) -> float:
    """Send piece by piece until the server closes; gives how long that took."""
    began = time.monotonic()
    connection.settimeout(pause)
    for piece in pieces:
        try:
            connection.sendall(piece)
            if not connection.recv(65536):
                return time.monotonic() - began
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
    raise AssertionError("was never closed")


REQUEST = b"GET /feeds/news.atom HTTP/1.1\r\nhost: x\r\n"


def test_a_dripped_header_is_cut_off(site: Site) -> None:
    """A client that sends its headers byte by byte is closed when their time is over."""
    with connect(site) as connection:
        assert drip(connection, (b"x" for _ in range(200))) < 3


def test_a_dripped_second_header_is_cut_off(site: Site) -> None:
    """The same goes for a later request of a connection."""
    with connect(site) as connection:
        connection.sendall(REQUEST + b"connection: keep-alive\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert drip(connection, (b"G" for _ in range(200))) < 3


def test_a_silent_connection_is_closed(site: Site) -> None:
    """Who connects and says nothing is closed."""
    with connect(site) as connection:
        assert drain(connection) == b""


def test_a_dripped_body_is_cut_off(site: Site) -> None:
    """A body that nobody asked for does not hold a connection."""
    with connect(site) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        assert drip(connection, (b"b" for _ in range(200))) < 3


def test_a_client_that_does_not_take_its_answer_is_closed(site: Site) -> None:
    """Who asks and does not read is closed, and takes next to no memory meanwhile."""
    (site.root / "big.jpg").write_bytes(bytes(7_000_000))
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", site.server.port))
        connection.sendall(b"GET /big.jpg HTTP/1.1\r\nhost: x\r\n\r\n")
        deadline = time.monotonic() + 5
        while not site.server._guards and time.monotonic() < deadline:
            time.sleep(0.01)
        guard = next(iter(site.server._guards))
        while site.server._guards and time.monotonic() < deadline:
            assert guard._unsent() < 300_000
            time.sleep(0.01)
        assert not site.server._guards
        assert len(drain(connection)) < 7_000_000


def test_a_slow_reader_is_served_to_the_end(site: Site) -> None:
    """Who takes a little all the time gets the whole answer."""
    (site.root / "big.jpg").write_bytes(bytes(1_000_000))
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        connection.connect(("127.0.0.1", site.server.port))
        connection.sendall(b"GET /big.jpg HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = 0
        while piece := connection.recv(16384):
            received += len(piece)
            time.sleep(0.01)
    assert received > 1_000_000


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nhost: x\r\n\r\n", id="64 KiB of path"),
        pytest.param(REQUEST + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)) + b"\r\n", id="bombs"),
        pytest.param(REQUEST + b"x: " + b"y" * 300_000 + b"\r\n\r\n", id="one long header"),
        pytest.param(REQUEST + b"x: y\r\n" * 20_000, id="no end"),
        pytest.param(REQUEST + b"bad header\r\n\r\n", id="no colon"),
        pytest.param(b"GET / HTTP/1.10\r\nhost: x\r\n\r\n", id="no such version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50 + b"\r\n\r\n", id="TLS"),
        pytest.param(b"\r\n\r\n\r\n\r\nnonsense\r\n\r\n", id="nonsense"),
        pytest.param(REQUEST + b"content-length: -1\r\n\r\n", id="negative length"),
        pytest.param(REQUEST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", id="two lengths"),
    ],
)
def test_absurd_requests_get_4xx(site: Site, caplog: pytest.LogCaptureFixture, request_: bytes) -> None:
    """Nonsense is answered 4xx and closed, or closed; the server goes on, and logs no traceback."""
    with connect(site) as connection:
        with suppress(OSError):
            connection.sendall(request_)
        answer = drain(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert "Traceback" not in caplog.text
    assert site.get("/feeds/news.atom").status_code == 200


def test_too_long_headers_are_told_so(site: Site) -> None:
    """Headers of more than 16 KiB get 431."""
    with connect(site) as connection:
        connection.sendall(REQUEST + b"x: " + b"y" * 17_000)
        assert drain(connection).startswith(b"HTTP/1.1 431 ")


def test_long_headers_are_fine(site: Site) -> None:
    """Headers of 12 KiB are served, in one piece and in two."""
    for cut in (0, 5000):
        request_ = REQUEST + b"cookie: " + b"y" * 12_000 + b"\r\nconnection: close\r\n\r\n"
        with connect(site) as connection:
            connection.sendall(request_[:cut])
            time.sleep(0.02)
            connection.sendall(request_[cut:])
            assert drain(connection).startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_all_answered(site: Site) -> None:
    """Many requests at once, longer together than one may be, are answered one after the other."""
    one = b"GET /feeds.opml HTTP/1.1\r\nhost: x\r\n"
    with connect(site) as connection:
        connection.sendall((one + b"\r\n") * 300 + one + b"connection: close\r\n\r\n")
        assert drain(connection).count(b"HTTP/1.1 200 OK") == 301


def test_too_many_connections_are_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit requests get 503, beyond twice the limit connections are closed; then all is well again."""
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(serving, "HEADER_SECONDS", 10)
    site = serve()
    idle = [connect(site) for _ in range(6)]
    with connect(site) as seventh:
        assert drain(seventh) == b""
    idle[0].sendall(REQUEST + b"\r\n")
    assert idle[0].recv(12) == b"HTTP/1.1 503"
    for connection in idle:
        connection.close()
    end = time.monotonic() + 10
    while site.get("/feeds.opml").status_code != 200:
        assert time.monotonic() < end


def test_a_port_in_use_is_named(site: Site) -> None:
    """Where something listens already, the error names the address and what to do."""

    async def start() -> None:
        await Server(make_app(site.shelf, Metrics()), port=site.server.port).start()

    with pytest.raises(ServeError, match=rf"127\.0\.0\.1:{site.server.port}: cannot be listened at .*another address"):
        asyncio.run(start())


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 99999), ("a" * 300, 0)])
def test_an_address_that_is_none_is_named(published: Path, host: str, port: int) -> None:
    """A host or port that cannot be is an error of ours, too."""

    async def start() -> None:
        await Server(make_app(Shelf(published), Metrics()), host=host, port=port).start()

    with pytest.raises(ServeError, match="cannot be listened at"):
        asyncio.run(start())


def slow_site(serve: Serve, seconds: float) -> tuple[Site, threading.Event]:
    begun = threading.Event()

    async def slow(_: Request) -> PlainTextResponse:
        begun.set()
        await asyncio.sleep(seconds)
        return PlainTextResponse("done")

    return serve(routes=[Route("/slow", slow)]), begun


def test_stop_lets_requests_end(serve: Serve) -> None:
    """A request that is being answered when the server stops is answered; idle connections are closed."""
    site, begun = slow_site(serve, 0.4)
    with connect(site) as connection, connect(site) as idle:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        assert begun.wait(5)
        site.call(site.server.stop(5))
        assert drain(connection).endswith(b"done")
        assert drain(idle) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(site)


def test_stop_waits_no_longer_than_the_grace(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """What is not answered within the grace is closed, without a traceback."""
    site, begun = slow_site(serve, 30)
    with connect(site) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        assert begun.wait(5)
        began = time.monotonic()
        site.call(site.server.stop(0.2))
        assert time.monotonic() - began < 2
        assert b"done" not in drain(connection)
    assert "Traceback" not in caplog.text


def test_signals_are_left_to_the_caller(published: Path) -> None:
    """The server installs no signal handlers of its own."""

    async def serve_once() -> list[object]:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        server = Server(make_app(Shelf(published), Metrics()), port=0)
        await server.start()
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        await server.stop(1)
        return [before == during]

    assert asyncio.run(serve_once()) == [True]


def test_nonsense_is_logged_once_a_minute() -> None:
    """One line of a kind passes in a minute; the next tells how many were held back."""
    now = [0.0]
    seldom = Seldom(clock=lambda: now[0])

    def passes(message: str, *arguments: object) -> str | None:
        record = logging.LogRecord("x", logging.WARNING, "x", 1, message, arguments, None)
        return record.getMessage() if seldom.filter(record) else None

    assert passes("bad %s", "a") == "bad a"
    assert [passes("bad %s", "b") for _ in range(7)] == [None] * 7
    assert passes("other") == "other"
    now[0] = 61
    assert passes("bad %s", "c") == "bad c (and 7 more before it)"
    now[0] = 122
    assert passes("bad %s", "d") == "bad d"
