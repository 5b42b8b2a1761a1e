"""A published folder, served for real on a free port of this machine."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

from feedbridge.metrics import Metrics
from feedbridge.server.app import make_app
from feedbridge.server.serving import Server
from feedbridge.server.shelf import Shelf

FEED = "<feed>" + "".join(f"<entry><id>{number}</id><title>新闻 {number}</title></entry>" for number in range(400))


class Site:
    """A server in a thread of its own, and the folder that it serves."""

    def __init__(self, root: Path, *, max_bytes: int = 32 << 20, **options: Any) -> None:
        self.root = root
        self.metrics = Metrics()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.shelf = Shelf(root, max_bytes=max_bytes)
        self.server = Server(make_app(self.shelf, self.metrics, **options), port=0)
        self.call(self.server.start())
        self.url = f"http://127.0.0.1:{self.server.port}"

    def call(self, waits: Any) -> Any:
        """Run a coroutine in the server's loop."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(waits, self._loop)
        return future.result(timeout=30)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a file; `accept_encoding` names the header Accept-Encoding; identity where there is none."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.url + path, headers={"accept-encoding": "identity", **sent})

    def close(self) -> None:
        self.call(self.server.stop(1))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with one file of each kind."""
    root = tmp_path / "public"
    (root / "feeds" / "news").mkdir(parents=True)
    for name in ("news.atom", "news.rss", "news/0001.atom"):
        (root / "feeds" / name).write_text(FEED, encoding="utf-8")
    (root / "feeds" / "news.json").write_text('{"version": "https://jsonfeed.org/version/1.1"}', encoding="utf-8")
    (root / "feeds.opml").write_text("<opml version='2.0'/>", encoding="utf-8")
    (root / "index.html").write_text("<!DOCTYPE html><title>feeds</title>", encoding="utf-8")
    return root


@pytest.fixture
def serve(published: Path) -> Iterator[Callable[..., Site]]:
    """Starts servers of the folder; they are stopped at the end."""
    sites: list[Site] = []

    def start(**options: Any) -> Site:
        sites.append(Site(published, **options))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    """A server with nothing special."""
    return serve()
