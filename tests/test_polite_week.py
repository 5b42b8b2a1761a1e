"""A week of one source on the web, with the real schedule, store, client and reader: what its site sees of us."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import feedparser
import pytest

from feedbridge import inspection, pipeline, reports, settings
from feedbridge.asking import Web
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM
from feedbridge.owner.trouble import trouble_feed
from feedbridge.owner.words import words_for
from feedbridge.polling import Polled, Schedule
from feedbridge.settings import FeedSource, Settings
from feedbridge.store import claims, overview, polls, troubles
from feedbridge.store.database import Store
from feedbridge.tally import Wish
from feedbridge.visiting import Visitor

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
EVERY = timedelta(minutes=30)
BETWEEN_CHANGES = timedelta(hours=4)
QUIET_FROM, QUIET = MONDAY + 3 * DAY + 9 * HOUR, 2 * HOUR
"""When the site says Retry-After, and for how long."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, when it came and how it was answered."""

    at: datetime
    conditional: bool
    status: int
    allowed_from: datetime


@dataclass
class Blog:
    """A site that gains an entry six times a day, and wishes something else every day.

    Attributes:
        now: The clock on its wall, and ours.
        quiet: It says Retry-After at its hour.
        gone: It says that it is gone for good.
        broken: It answers 500 from then on, for so long.
        allowed_from: Nobody is to come sooner.
    """

    now: datetime = MONDAY
    quiet: bool = True
    gone: bool = False
    broken: list[tuple[datetime, timedelta]] = field(default_factory=list)
    allowed_from: datetime = MONDAY
    log: list[Asked] = field(default_factory=list)
    url: str = ""

    def answer(self, etag: str | None) -> tuple[int, dict[str, str], bytes]:
        """The answer to a request; it is noted, and says from when on the next may come."""
        status, headers, body, wish = self._answer(etag)
        self.log.append(Asked(at=self.now, conditional=etag is not None, status=status, allowed_from=self.allowed_from))
        self.allowed_from = self.now + wish
        return status, headers, body

    def _answer(self, etag: str | None) -> tuple[int, dict[str, str], bytes, timedelta]:
        if self.gone:
            return 410, {}, b"", timedelta()
        if any(start <= self.now < start + length for start, length in self.broken):
            return 500, {}, b"", timedelta()
        if self.quiet and QUIET_FROM <= self.now < QUIET_FROM + QUIET:
            left = QUIET_FROM + QUIET - self.now
            return 429, {"Retry-After": str(int(left.total_seconds()))}, b"", left
        headers, wish = self._wish()
        entries = (self.now - MONDAY) // BETWEEN_CHANGES + 1
        headers["ETag"] = current = f'W/"{entries}"'
        if etag == current:
            return 304, headers, b"", wish
        return 200, headers, _document(entries), wish

    def _wish(self) -> tuple[dict[str, str], timedelta]:
        """What it wishes on this day of the week, in headers."""
        today = f"{self.now:%a, %d %b %Y %H:%M:%S} GMT"
        in_two_hours = f"{self.now + 2 * HOUR:%a, %d %b %Y %H:%M:%S} GMT"
        return [
            ({}, timedelta()),
            ({"Cache-Control": "public, max-age=3600"}, HOUR),
            ({"Date": today, "Expires": in_two_hours}, 2 * HOUR),
            ({"Cache-Control": "no-cache"}, timedelta()),
            ({"Cache-Control": "max-age=900"}, 15 * MINUTE),
            ({"Cache-Control": "max-age=10800", "Age": "5400"}, 90 * MINUTE),
            ({"Date": today, "Expires": "0"}, timedelta()),
        ][self.now.weekday()]


def _document(entries: int) -> bytes:
    items = "".join(
        f"<item><guid>urn:example:{number}</guid><title>Entry {number}</title>"
        f"<pubDate>{MONDAY + number * BETWEEN_CHANGES:%a, %d %b %Y %H:%M:%S} GMT</pubDate></item>"
        for number in range(max(0, entries - 10), entries)
    )
    return f'<rss version="2.0"><channel><title>A blog</title>{items}</channel></rss>'.encode()


@pytest.fixture
def blog() -> Iterator[Blog]:
    """The site, on loopback."""
    blog = Blog()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = blog.answer(self.headers["If-None-Match"])
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The site keeps its own log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    blog.url = f"http://127.0.0.1:{server.server_port}/feed"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield blog
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def loaded(tmp_path: Path, blog: Blog) -> Settings:
    path = tmp_path / "feedbridge.toml"
    path.write_text(
        f'[site]\npause = "0s"\nstore = "sqlite:///store.db"\noutput = "public"\n[[source]]\nname = "blog"\n'
        f'kind = "feed"\nurl = "{blog.url}"\nallow_private = ["127.0.0.0/8"]\nevery = "30m"\n',
        encoding="utf-8",
    )
    return settings.load(path, {})


async def live(blog: Blog, loaded: Settings, store: Store, *, until: datetime) -> list[Polled]:
    """Do as the daemon does, from one due instant to the next; the process is started anew on each day."""
    done: list[Polled] = []
    while blog.now < until:
        plan = Schedule(store, loaded, dice=random.Random(1))
        plan.start(now=blog.now)
        async with Web(loaded.site) as web:
            visitor = Visitor(store, web, in_thread=asyncio.to_thread)
            await visitor.start(now=blog.now)
            end = min(until, blog.now + DAY)
            while (due := _next_due(store)) < end:
                blog.now = max(due, blog.now)
                (claim,) = plan.take_sites(now=blog.now, limit=10, at_work=())
                source = plan.source(claim.name)
                assert isinstance(source, FeedSource)
                done.append(plan.settle(claim, await visitor.refresh(source, Wish(now=blog.now))))
            blog.now = end
    return done


def _next_due(store: Store) -> datetime:
    with store.transaction() as connection:
        (planned,) = claims.schedule(connection, ["blog"])
    return planned.due


def test_a_polite_week(blog: Blog, loaded: Settings) -> None:
    """Few requests, all but the first conditional, none sooner than is wished, none while the site wants quiet; and
    each of the 42 entries arrives, in time.
    """
    with Store(loaded.site.store, write=True) as store:
        done = asyncio.run(live(blog, loaded, store, until=MONDAY + WEEK))
        with store.transaction() as connection:
            assert polls.count(connection, "blog") == 42
            seen = connection.exec_driver_sql("SELECT published, first_seen FROM articles").all()
    log = blog.log
    assert len(log) == len(done)  # by its own wish, nobody was sent there in vain
    assert 200 < len(log) <= WEEK / EVERY
    assert [asked.conditional for asked in log] == [False] + [True] * (len(log) - 1)
    assert all(asked.at >= asked.allowed_from for asked in log)
    assert all(later.at - earlier.at >= EVERY for earlier, later in pairwise(log))
    assert Counter(asked.status for asked in log) == {200: 42, 304: len(log) - 43, 429: 1}
    assert [asked.at for asked in log if QUIET_FROM <= asked.at < QUIET_FROM + QUIET] == [QUIET_FROM]
    slowest = max(later - earlier for earlier, later in pairwise(asked.at for asked in log))
    assert slowest <= QUIET + EVERY
    assert all(first_seen - published <= slowest.total_seconds() * 1000 for published, first_seen in seen)


def test_requests_a_day(blog: Blog, loaded: Settings) -> None:
    """Every half hour is our wish; by the site's, there are fewer on some days."""
    blog.quiet = False
    with Store(loaded.site.store, write=True) as store:
        asyncio.run(live(blog, loaded, store, until=MONDAY + WEEK))
    days = Counter(asked.at.weekday() for asked in blog.log)
    for day, most in enumerate([48, 24, 12, 48, 48, 16, 48]):
        assert most - 2 <= days[day] <= most


def told(loaded: Settings) -> list[tuple[str, str, str]]:
    """The entries of the trouble feed, as a reader sees them, the latest first; their ids are each there once."""
    with Store(loaded.site.store, write=False) as store, store.transaction() as connection:
        known, began = troubles.latest(connection, limit=100), overview.began(connection)
    body = trouble_feed(
        known,
        site=loaded.site.title,
        home="http://127.0.0.1:8000/status/",
        began=began,
        words=words_for("en"),
        page_of=lambda name: f"http://127.0.0.1:8000/status/source?name={name}",
    )
    assert lint(body, ATOM) == ()
    entries = feedparser.parse(body).entries
    assert len({entry.id for entry in entries}) == len({entry.link for entry in entries}) == len(entries)
    return [(entry.title, entry.updated, entry.id) for entry in entries]


def test_a_broken_day_is_told_in_two_entries(blog: Blog, loaded: Settings) -> None:
    """One when the source has failed as often as `status` calls it ailing, one when it is read again; none for a short
    failure, and none again after a restart: the process is started anew every day.
    """
    blog.quiet = False
    start = MONDAY + DAY + HOUR
    short = [(MONDAY + HOUR, HOUR), (start + 3 * DAY, 2 * HOUR), (start + 4 * DAY, 2 * HOUR)]
    blog.broken = [*short, (start, DAY)]
    with Store(loaded.site.store, write=True) as store:
        asyncio.run(live(blog, loaded, store, until=start + 8 * HOUR))
    assert told(loaded) == []
    with Store(loaded.site.store, write=True) as store:
        asyncio.run(live(blog, loaded, store, until=start + DAY))
    status = inspection.status(loaded, now=blog.now)
    assert status.sources[0].ailing
    ((title, broke_at, first),) = told(loaded)
    failed = [asked.at for asked in blog.log if asked.status == 500 and asked.at >= start]
    assert (title, broke_at) == ("Broken: blog", f"{failed[4]:%Y-%m-%dT%H:%M:%S}+00:00")
    with Store(loaded.site.store, write=True) as store:
        asyncio.run(live(blog, loaded, store, until=MONDAY + WEEK))
    healed = next(asked.at for asked in blog.log if asked.status in {200, 304} and asked.at >= start)
    (title, healed_at, second), last = told(loaded)
    assert (title, healed_at) == ("Recovered: blog", f"{healed:%Y-%m-%dT%H:%M:%S}+00:00")
    assert last == ("Broken: blog", broke_at, first)
    assert first != second
    assert [asked.status for asked in blog.log].count(500) > len(failed)


def test_a_source_that_is_gone_is_told_at_once(blog: Blog, loaded: Settings) -> None:
    """For it is not asked again; and once more when its owner has had it asked."""
    blog.gone = True
    for _ in range(3):
        pipeline.build(loaded, now=blog.now, progress=lambda *_: None)
        blog.now += HOUR
    assert [title for title, _, _ in told(loaded)] == ["Broken: blog"]
    blog.gone = False
    for _ in range(2):
        pipeline.build(loaded, now=blog.now, progress=lambda *_: None, accept=["blog"])
        blog.now += HOUR
    assert [title for title, _, _ in told(loaded)] == ["Recovered: blog", "Broken: blog"]


def test_a_build_every_minute_is_as_polite(blog: Blog, loaded: Settings) -> None:
    """Whoever lets cron call `build` every minute asks no sooner than the site wishes, and not while it wants quiet."""
    blog.now = QUIET_FROM - DAY
    for _ in range(3):
        for _ in range(20):
            done = pipeline.build(loaded, now=blog.now, progress=lambda *_: None)
            assert not done.failed
            blog.now += MINUTE
        blog.now += HOUR
    assert [(asked.at - (QUIET_FROM - DAY)) // MINUTE for asked in blog.log] == [0, 160]
    blog.log.clear()
    blog.now = QUIET_FROM
    failed = [
        pipeline.build(loaded, now=QUIET_FROM + number * 8 * MINUTE, progress=lambda *_: None).failed
        for number in range(15)
    ]
    assert failed == [True] + [False] * 14
    blog.now += QUIET
    assert not pipeline.build(loaded, now=blog.now, progress=lambda *_: None).failed
    assert [asked.at for asked in blog.log] == [QUIET_FROM, QUIET_FROM + QUIET]


def test_a_build_says_that_a_site_is_gone_and_how_to_ask_it_again(blog: Blog, loaded: Settings, tmp_path: Path) -> None:
    """As a failure once, then as a note; its articles stay in the feeds, and nobody asks until the owner does."""

    def build(*accept: str) -> tuple[bool, str]:
        blog.now += HOUR
        done = pipeline.build(loaded, now=blog.now, progress=lambda *_: None, accept=accept)
        return done.failed, "\n".join(reports.build_lines(done, shown=5))

    assert build()[0] is False
    published = (tmp_path / "public" / "feeds" / "news.atom").read_bytes()
    blog.gone = True
    failed, words = build()
    assert failed
    assert "410 Gone; it is not asked again" in words
    assert 'feedbridge build --accept "blog"' in words
    for _ in range(3):
        failed, words = build()
        assert not failed
        assert "gone for good" in words
        assert 'feedbridge build --accept "blog"' in words
    status = reports.status_lines(inspection.status(loaded, now=blog.now), shown=5)
    assert any("gone for good" in line for line in status)
    assert any('feedbridge build --accept "blog"' in line for line in status)
    assert len(blog.log) == 2
    assert (tmp_path / "public" / "feeds" / "news.atom").read_bytes() == published
    blog.gone = False
    assert build("blog")[0] is False
    assert build()[0] is False
    assert [asked.status for asked in blog.log] == [200, 410, 200, 304]
