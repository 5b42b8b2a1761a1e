"""Telling a hub, on loopback."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from feedbridge.publish import notify

TOPICS = ["https://feeds.example/feeds/news.atom", "https://feeds.example/feeds/新闻.rss?a=b&c"]


class Hub:
    """Answers with these codes, one after the other; the last stays."""

    def __init__(self, codes: Sequence[int]) -> None:
        hub = self
        self.told: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                hub.told.append((self.headers["content-type"], body))
                code = codes[min(len(hub.told), len(codes)) - 1]
                with contextlib.suppress(OSError):
                    self.send_response(code)
                    self.send_header("location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(b"x" * 1_000_000)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextlib.contextmanager
def hub_with(*codes: int) -> Iterator[Hub]:
    hub = Hub(codes)
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()


def ping(url: str) -> str | None:
    return asyncio.run(notify.ping(url, TOPICS, pause=timedelta(milliseconds=10)))


@pytest.mark.parametrize("code", [200, 202, 204])
def test_a_hub_is_told_once(code: int) -> None:
    """One form names the mode and every changed document (WebSub section 5 leaves the form to hubs; all know this)."""
    with hub_with(code) as hub:
        assert ping(hub.url) is None
    assert hub.told == [
        (
            "application/x-www-form-urlencoded",
            "hub.mode=publish&hub.url=https%3A%2F%2Ffeeds.example%2Ffeeds%2Fnews.atom"
            "&hub.url=https%3A%2F%2Ffeeds.example%2Ffeeds%2F%E6%96%B0%E9%97%BB.rss%3Fa%3Db%26c",
        )
    ]


def test_a_hub_that_recovers_has_the_word() -> None:
    """What it did not take at first it is told again."""
    with hub_with(500, 429, 204) as hub:
        assert ping(hub.url) is None
    assert len(hub.told) == 3


@pytest.mark.parametrize("code", [302, 400, 503])
def test_a_hub_that_refuses_is_told_a_few_times(code: int) -> None:
    """After some tries the reason is given; nobody follows it elsewhere."""
    with hub_with(code) as hub:
        assert ping(hub.url) == f"answered {code}"
    assert len(hub.told) == notify.TRIES


def test_nobody_there_is_a_reason() -> None:
    """A port where nobody listens, and an address that is none."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    assert ping(f"http://127.0.0.1:{port}/")
    assert ping("http://[::1") is not None


@pytest.mark.parametrize("drip", [b"", b"H", b"HTTP/1.1 200 OK\r\nx: "])
def test_a_hub_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, drip: bytes) -> None:
    """One that says nothing, or says it a byte at a time, is left after the time for all of one try."""
    monkeypatch.setattr(notify, "_TIMEOUT_SECONDS", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while not done.is_set():
                    client, _ = listener.accept()
                    threading.Thread(target=speak, args=(client,), daemon=True).start()

        def speak(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                client.sendall(drip)
                while not done.wait(0.05):
                    if drip:
                        client.sendall(b"x")

        threading.Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        assert ping(f"http://127.0.0.1:{listener.getsockname()[1]}/") == "no answer within 0.3 s"
        assert time.monotonic() - began < 5
        done.set()
