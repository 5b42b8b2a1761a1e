"""A feed of 100 full-text entries is fetched, cleaned, kept and written, beside feedparser and feedgen.

Theirs is what one would write by hand: `feedparser.parse` with its defaults, of bytes that it already has, and what it
tells put into an Atom feed by feedgen; nothing is kept, and nothing is cleaned beyond what feedparser does. Ours is
what the daemon does, in a loop like its own, with reading processes that are running: the feed comes over loopback, and
Atom and RSS are written. `unchanged` is the same bytes once more, with a new date of modification: no 304 helps.
"""

import asyncio
import io
import shutil
import sys
import time
from calendar import timegm
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from pathlib import Path

import feedparser
import uvloop
from feedgen.feed import FeedGenerator

from feedbridge import publishing
from feedbridge.asking import Web
from feedbridge.pipeline import VISITING_THREADS
from feedbridge.settings import FeedSource, Settings
from feedbridge.store.database import Store
from feedbridge.tally import Tally, Wish
from feedbridge.visiting import Visitor
from tests.benchmarks import gate, processes
from tests.benchmarks.archive import OLDEST, articles, link, write
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage

ENTRIES, SMALL_ENTRIES = 100, 10


class _Stage:
    """A feed that somebody serves, and our way to it."""

    def __init__(self, folder: Path, port: int, entries: int, runner: asyncio.Runner, pool: ThreadPoolExecutor) -> None:
        self._served = folder / "served" / "feed.xml"
        self._written = folder / "theirs.atom"
        self._folder = folder
        self._entries = [_entry(number, one.text) for number, one in enumerate(articles(entries + 1, traps=False))]
        self._count = entries
        self._settings = _settings(folder, port, entries)
        self._public = folder / "public"
        self._runner = runner
        self._pool = pool
        self._changes = 0
        self._web = Web(self._settings.site)

    def open(self) -> None:
        """Open the way to sites."""
        self._runner.run(self._web.__aenter__())

    def close(self) -> None:
        """End the reading processes, and all connections."""
        self._runner.run(self._web.__aexit__(None, None, None))

    def ours(self) -> Figures:
        """The feed for the first time, with an entry more and one less, and as before."""
        for name in ("public", "var"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        with Store(self._settings.site.store, write=True) as store:
            self._serve(self._body(first=0))
            first, tally = self._refresh(store)
            self._check(tally, new=self._count, shown=range(self._count - 1, -1, -1))
            self._serve(self._body(first=1))
            new, tally = self._refresh(store)
            self._check(tally, new=1, shown=range(self._count, 0, -1))
            before = self._stamps()
            self._serve(self._body(first=1))
            unchanged, tally = self._refresh(store)
            if self._stamps() != before or tally.new or tally.read:
                raise GateError(f"not as before: {tally}")
        return {"first": first, "new": new, "unchanged": unchanged}

    def theirs(self) -> Figures:
        body = self._body(first=0)
        began = time.perf_counter()
        parsed = feedparser.parse(io.BytesIO(body))
        made = FeedGenerator()
        made.id("urn:news")
        made.title("News")
        for told in parsed.entries:
            entry = made.add_entry(order="append")
            entry.id(told.id)
            entry.title(told.title)
            entry.link(href=told.link)
            entry.updated(datetime.fromtimestamp(timegm(told.published_parsed), UTC))
            entry.content(told.content[0].value, type="html")
        made.atom_file(str(self._written))
        took = time.perf_counter() - began
        gate.count_entries(self._written.read_bytes(), self._count)
        return {"theirs": took}

    def _body(self, *, first: int) -> bytes:
        """The feed, with so many entries from one on, the newest first."""
        shown = "".join(reversed(self._entries[first : first + self._count]))
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/'
            'content/"><channel><title>News</title><link>https://news0.example/</link><description>News</description>'
            f"\n{shown}</channel></rss>\n"
        ).encode()

    def _serve(self, body: bytes) -> None:
        self._changes += 1
        write(self._served, body.decode(), age=self._changes)

    def _refresh(self, store: Store) -> tuple[float, Tally]:
        now = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=self._changes)
        source = self._settings.source[0]
        assert isinstance(source, FeedSource)
        began = time.perf_counter()
        tally = self._runner.run(self._visit(store, source, now))
        if tally.read or tally.new:  # as the daemon does
            publishing.publish(store, self._settings, now=now, report=publishing.Report())
        return time.perf_counter() - began, tally

    async def _visit(self, store: Store, source: FeedSource, now: datetime) -> Tally:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._pool)
        return await Visitor(store, self._web, in_thread=in_thread).refresh(source, Wish(now=now))

    def _check(self, tally: Tally, *, new: int, shown: Sequence[int]) -> None:
        if tally.error or tally.unusable or tally.new != new:
            raise GateError(f"{new} entries were to be new: {tally}")
        gate.check_newest((self._public / "feeds" / "news.atom").read_bytes(), shown)
        gate.check_all(self._public, range(max(shown) + 1))

    def _stamps(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self._public.rglob("*.*")}


def _entry(number: int, text: str) -> str:
    _, _, body = text.partition("------\n")
    date = OLDEST + timedelta(hours=number)
    return (
        f"<item><title>News {number}</title><link>{link(number)}</link><guid>{link(number)}</guid>"
        f"<pubDate>{date:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        f"<content:encoded>{escape(body)}</content:encoded></item>\n"
    )


def _settings(folder: Path, port: int, entries: int) -> Settings:
    feed = {"name": "news", "formats": ["atom", "rss"], "limit": entries, "max_bytes": "64MiB"}
    source = {"name": "news", "kind": "feed", "url": f"http://127.0.0.1:{port}/feed.xml"}
    site = {"store": f"sqlite:///{folder}/var/store.db", "output": str(folder / "public"), "pause": "0s"}
    return Settings.model_validate(
        {"site": site, "source": [source | {"allow_private": ["127.0.0.1"]}], "feed": [feed]}
    )


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    port, served = processes.free_port(), stage.folder / "served"
    served.mkdir()
    server = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(served))
    with ExitStack() as opened:
        opened.enter_context(processes.start(server, log=stage.folder / "server.log"))
        runner = opened.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        pool = opened.enter_context(ThreadPoolExecutor(VISITING_THREADS))
        processes.wait_until(lambda: processes.listens(port), "a server")
        entries = SMALL_ENTRIES if stage.small else ENTRIES
        played = _Stage(stage.folder, port, entries, runner, pool)
        played.open()
        opened.callback(played.close)
        yield played.ours, played.theirs


COMPARISON = Comparison(
    name="upstream",
    about=f"a feed of {ENTRIES} whole articles, cleaned, kept and written, beside feedparser.parse and feedgen",
    rows=(
        Row(name="first time", ours="first", theirs="theirs", goal=0.15),
        Row(name="one new", ours="new", theirs="theirs", goal=0.08),
        Row(name="unchanged", ours="unchanged", theirs="theirs", goal=0.02),
    ),
    prepare=_prepare,
)
