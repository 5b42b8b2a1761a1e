"""Sources on the web, refreshed from real servers on loopback by a clock that the tests hold."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from feedbridge import settings
from feedbridge.asking import Web
from feedbridge.model import Article, Person
from feedbridge.settings import FeedSource, Settings, Site
from feedbridge.store import articles, polls, schema, visits
from feedbridge.store.database import Store
from feedbridge.store.visits import Visit
from feedbridge.tally import Tally, Wish
from feedbridge.visiting import MOVED_FOR, MOVED_TIMES, Visitor

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Result = TypeVar("Result")

_addresses = (f"127.0.{number // 250}.{number % 250 + 2}" for number in count(250))
"""Each site has a host of its own, since what one wishes must not delay another test's."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a site was asked; header names in lower case."""

    path: str
    headers: dict[str, str]

    @property
    def validators(self) -> dict[str, str]:
        return {name: self.headers[name] for name in ("if-none-match", "if-modified-since") if name in self.headers}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a site answers."""

    status: int = 200
    body: bytes | str = b""
    headers: dict[str, str] = field(default_factory=dict)


Page = Reply | Callable[[Asked], Reply]


class Upstream:
    """A site on an address of its own: it answers by `pages`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.host = next(_addresses)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = Asked(path=self.path, headers={name.lower(): value for name, value in self.headers.items()})
                outer.asked.append(asked)
                page = outer.pages.get(self.path, Reply(status=404))
                reply = page(asked) if callable(page) else page
                body = reply.body.encode() if isinstance(reply.body, str) else reply.body
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer((self.host, 0), Handler)
        self.url = f"http://{self.host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def serve(self, body: bytes | str, *, path: str = "/feed", **headers: str) -> None:
        """Answer with a document; `cache_control` names the header Cache-Control."""
        self.pages[path] = Reply(body=body, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def serve_version(self, body: bytes | str, *, path: str = "/feed", **headers: str) -> None:
        """Answer with a document, or 304 where the validators are those that are given."""
        told = {name.replace("_", "-"): text for name, text in headers.items()}
        expected = {"if-none-match": headers.get("etag"), "if-modified-since": headers.get("last_modified")}
        known = {name: text for name, text in expected.items() if text}

        def answer(asked: Asked) -> Reply:
            return Reply(status=304, headers=told) if asked.validators == known else Reply(body=body, headers=told)

        self.pages[path] = answer

    def fail(self, status: int, *, path: str = "/feed", **headers: str) -> None:
        self.pages[path] = Reply(
            status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    def redirect(self, path: str, to: str, *, status: int = 301) -> None:
        self.pages[path] = Reply(status=status, headers={"Location": to})

    def paths(self) -> list[str]:
        """The paths that were asked for since this was last called."""
        found = [asked.path for asked in self.asked]
        self.asked.clear()
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Visits:
    """Refreshes the sources of a settings file; every refresh comes an hour after the one before."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop, web: Web, store: Store) -> None:
        self.store = store
        self.now = NOON
        self._folder = folder
        self._loop = loop
        self._web = web
        self._visitor = Visitor(store, web, in_thread=asyncio.to_thread)
        self._sources: dict[str, FeedSource] = {}

    def use(self, url: str, name: str = "blog", *lines: str) -> FeedSource:
        """Set a source."""
        (source,) = load(self._folder, url, name, *lines).source
        assert isinstance(source, FeedSource)
        self._sources[name] = source
        return source

    def refresh(
        self, name: str = "blog", *, after: timedelta = HOUR, accept: bool = False, reread: bool = False
    ) -> Tally:
        """Refresh a source, so long after the last refresh."""
        self.now += after
        return self.run(self._visitor.refresh(self._sources[name], Wish(now=self.now, accept=accept, reread=reread)))

    def refresh_all(self, *, after: timedelta = HOUR) -> dict[str, Tally]:
        """Refresh all sources at the same time."""
        self.now += after

        async def work() -> list[Tally]:
            wish = Wish(now=self.now)
            return await asyncio.gather(*(self._visitor.refresh(source, wish) for source in self._sources.values()))

        return dict(zip(self._sources, self.run(work()), strict=True))

    def restart(self, site: Site | None = None) -> None:
        """What is only in memory is gone, as with a new process."""
        self._web = Web(site or Site(pause=timedelta()))
        self._visitor = Visitor(self.store, self._web, in_thread=asyncio.to_thread)
        self.run(self._visitor.start(now=self.now))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(work)

    def kept(self) -> list[Article]:
        """The articles, the oldest first; those of equal age by title."""
        with self.store.transaction() as connection:
            rows = connection.scalars(select(schema.articles.c.id).order_by(schema.articles.c.id)).all()
            found = [one.article for one in articles.load(connection, rows).values()]
        return sorted(found, key=lambda one: (one.published, one.title))

    def titles(self) -> list[str]:
        return [article.title for article in self.kept()]

    def visit(self, name: str = "blog") -> Visit:
        with self.store.transaction() as connection:
            found = visits.visit_of(connection, polls.source_state(connection, name).row)
        assert found is not None
        return found

    def state(self, name: str = "blog") -> polls.SourceState:
        with self.store.transaction() as connection:
            return polls.source_state(connection, name)

    def revision(self) -> int:
        """Moves with every change of any article."""
        with self.store.transaction() as connection:
            return articles.latest_revision(connection)

    def summary(self, name: str = "blog") -> polls.SourceSummary:
        with self.store.transaction() as connection:
            return polls.summary(connection, name, now=self.now, normaliser=1)


def load(folder: Path, url: str, name: str = "blog", *lines: str) -> Settings:
    """Settings with one source; nothing is paused for."""
    path = folder / "feedbridge.toml"
    path.write_text(
        f'[site]\npause = "0s"\n[[source]]\nname = "{name}"\nkind = "feed"\nurl = "{url}"\n'
        'allow_private = ["127.0.0.0/8"]\n' + "\n".join(lines),
        encoding="utf-8",
    )
    return settings.load(path, {})


def item(number: int, **parts: str | None) -> str:
    """An RSS item; what is given as None is left out."""
    published = NOON - timedelta(days=30) + timedelta(hours=number)
    told = {
        "guid": f"urn:example:{number}",
        "link": f"https://news.example/{number}.html",
        "title": f"Title {number}",
        "description": f"<p>Text {number} about the river and the market.</p>",
        "pubDate": f"{published:%a, %d %b %Y %H:%M:%S} GMT",
        **parts,
    }
    return f"<item>{''.join(f'<{key}>{escape(text)}</{key}>' for key, text in told.items() if text is not None)}</item>"


def rss(*items: str, head: str = "<title>A blog</title>", space: str = "") -> str:
    """An RSS document; `space` is whitespace that says nothing."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"'
        f' xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"><channel>{head}{space}{"".join(items)}</channel></rss>'
    )


def page(*feeds: str, title: str = "A site") -> str:
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="{href}">' for href in feeds)
    return f"<!DOCTYPE html><html><head><title>{title}</title>{links}</head><body><p>Hello.</p></body></html>"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture(scope="module")
def web(loop: asyncio.AbstractEventLoop) -> Iterator[Web]:
    """One way to all sites, with one reader."""
    web = Web(Site(pause=timedelta()))
    loop.run_until_complete(web.__aenter__())
    yield web
    loop.run_until_complete(web.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that is made once, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "store.db"
    with Store(path, write=True):
        return path


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Iterator[Store]:
    """An open, empty store."""
    path = tmp_path / "store.db"
    shutil.copyfile(empty_store, path)
    with Store(path, write=True) as opened:
        yield opened


@pytest.fixture
def blog(tmp_path: Path, loop: asyncio.AbstractEventLoop, web: Web, store: Store) -> Visits:
    """A store, and a way to refresh sources."""
    return Visits(tmp_path, loop, web, store)


@pytest.fixture
def start() -> Iterator[Callable[[], Upstream]]:
    """Starts sites."""
    started: list[Upstream] = []

    def begin() -> Upstream:
        started.append(Upstream())
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def site(start: Callable[[], Upstream], blog: Visits) -> Upstream:
    """A site whose feed is the source `blog`, with three articles."""
    one = start()
    one.serve(rss(item(1), item(2), item(3)))
    blog.use(f"{one.url}/feed")
    return one


def test_what_a_feed_tells_is_kept(site: Upstream, blog: Visits) -> None:
    """Its items become articles, its own words are remembered, and the tally says how many there were."""
    site.serve(rss(item(1), item(2), head="<title>A blog</title><ttl>90</ttl>"), etag='"1"', cache_control="max-age=60")
    assert blog.refresh() == Tally(
        source="blog", kind="feed", files=2, read=2, new=2, not_before=blog.now + 90 * MINUTE
    )
    first, second = blog.kept()
    assert (first.id, first.link, first.title) == ("urn:example:1", "https://news.example/1.html", "Title 1")
    assert first.content == "<p>Text 1 about the river and the market.</p>"
    assert (second.published, second.first_seen) == (NOON - 30 * DAY + 2 * HOUR, blog.now)
    visit = blog.visit()
    assert (visit.etag, visit.lifetime, visit.facts.title) == ('"1"', MINUTE, "A blog")
    assert visit.facts.least_interval == 90 * MINUTE
    assert blog.state().succeeded_at == blog.now


# Conditional requests


@pytest.mark.parametrize(
    "etag",
    ['"a"', 'W/"a"', 'W/"abc-gzip"', "bare", '"with \\" quote"', '""', "'odd'; x=\"1\"", '"caf\u00e9"', '"a", "b"'],
)
@pytest.mark.parametrize("last_modified", [None, "Mon, 23 Nov 2026 09:00:00 GMT", "yesterday, about noon"])
def test_validators_go_back_as_they_came(site: Upstream, blog: Visits, etag: str, last_modified: str | None) -> None:
    """However odd they are; and 304 ends the refresh: nothing is read, no article is written."""
    told = {"etag": etag} | ({"last_modified": last_modified} if last_modified else {})
    site.serve_version(rss(item(1)), **told)
    assert blog.refresh().new == 1
    before = blog.revision()
    assert blog.refresh() == Tally(source="blog", kind="feed", note="not changed")
    assert site.asked[0].validators == {}
    expected = {"if-none-match": etag} | ({"if-modified-since": last_modified} if last_modified else {})
    assert site.asked[1].validators == expected
    assert blog.revision() == before
    assert blog.state().succeeded_at == blog.now


def test_a_304_may_give_other_validators(site: Upstream, blog: Visits) -> None:
    """Those of the newest answer count (RFC 9111 section 4.3.4); what it does not tell stays."""
    site.serve(rss(item(1)), etag='"1"', last_modified="Mon, 23 Nov 2026 09:00:00 GMT")
    blog.refresh()
    site.fail(304, etag='"2"')
    blog.refresh()
    blog.refresh()
    assert site.asked[-1].validators == {
        "if-none-match": '"2"',
        "if-modified-since": "Mon, 23 Nov 2026 09:00:00 GMT",
    }


def test_validators_that_are_no_longer_given_are_forgotten(site: Upstream, blog: Visits) -> None:
    """A whole answer without them takes their place."""
    site.serve(rss(item(1)), etag='"1"')
    blog.refresh()
    site.serve(rss(item(1), item(2)))
    blog.refresh()
    blog.refresh()
    assert site.asked[-1].validators == {}


def test_the_same_body_is_not_read_again(site: Upstream, blog: Visits) -> None:
    """A server without validators, or with new ones every time, costs the transfer alone."""
    site.serve(rss(item(1)), etag='"1"')
    blog.refresh()
    before = blog.revision()
    site.serve(rss(item(1)), etag='"2"')
    assert blog.refresh() == Tally(source="blog", kind="feed", note="not changed")
    assert (blog.visit().etag, blog.revision()) == ('"2"', before)


def test_another_document_with_the_same_items_changes_nothing(site: Upstream, blog: Visits) -> None:
    """Whitespace and a new ETag are no news: no item is read again."""
    blog.refresh()
    before = blog.revision()
    for number in range(5):
        site.serve(rss(item(1), item(2), item(3), space="\n " * (number + 1)), etag=f'"{number}"')
        assert blog.refresh() == Tally(source="blog", kind="feed", files=3, same=3)
    assert blog.revision() == before


def test_only_what_is_new_is_read(site: Upstream, blog: Visits) -> None:
    """Of a feed that has grown by one item, one item is read."""
    blog.refresh()
    site.serve(rss(item(4), item(1), item(2), item(3)))
    assert blog.refresh() == Tally(source="blog", kind="feed", files=4, read=1, new=1, same=3)


def test_validators_of_what_could_not_be_read_are_not_kept(site: Upstream, blog: Visits) -> None:
    """Else a broken document would never be asked for again."""
    site.serve(rss(item(1)), etag='"good"')
    blog.refresh()
    site.serve("<rss><channel><item><tit", etag='"broken"')
    assert blog.refresh().error
    blog.refresh()
    assert [asked.validators for asked in site.asked[1:]] == [{"if-none-match": '"good"'}] * 2
    assert blog.titles() == ["Title 1"]


def test_validators_of_what_broke_off_are_not_kept(
    site: Upstream, blog: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between reading and the end leaves the old ones; what was kept by then stays."""
    site.serve(rss(item(1)), etag='"1"')
    blog.refresh()
    site.serve(rss(item(1), item(2)), etag='"2"')

    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(polls, "record_success", crash)
        with pytest.raises(ZeroDivisionError):
            blog.refresh()
    assert (blog.visit().etag, blog.titles()) == ('"1"', ["Title 1", "Title 2"])
    assert blog.refresh() == Tally(source="blog", kind="feed", files=2, same=2)
    assert blog.visit().etag == '"2"'


def test_another_address_is_asked_without_the_old_validators(site: Upstream, blog: Visits) -> None:
    """They were said of another document; the articles are the same."""
    site.serve(rss(item(1)), etag='"1"')
    blog.refresh()
    site.serve(rss(item(1), item(2)), path="/rss", etag='"1"')
    blog.use(f"{site.url}/rss")
    assert blog.refresh() == Tally(source="blog", kind="feed", files=2, read=1, new=1, same=1)
    assert site.asked[-1].validators == {}


def test_other_rules_read_all_anew_and_ask_for_all(site: Upstream, blog: Visits) -> None:
    """What is kept is made anew from the items as they were told, also those that the feed no longer shows."""
    text = '<p>Text {}.</p><p class="ad">Buy!</p>'
    site.serve_version(rss(item(1, description=text.format(1)), item(2, description=text.format(2))), etag='"1"')
    blog.refresh()
    assert "Buy!" in blog.kept()[0].content
    site.serve_version(rss(item(2, description=text.format(2))), etag='"2"')
    blog.refresh()
    blog.use(f"{site.url}/feed", "blog", 'remove = [".ad"]')
    tally = blog.refresh()
    assert (tally.error, tally.changed, tally.unusable) == (None, 2, [])
    assert site.asked[-1].validators == {}
    assert [one.content for one in blog.kept()] == ["<p>Text 1.</p>", "<p>Text 2.</p>"]
    assert [one.updated for one in blog.kept()] == [one.published for one in blog.kept()]
    assert blog.refresh().note == "not changed"


def test_other_rules_while_the_site_is_down(site: Upstream, blog: Visits) -> None:
    """The kept articles follow the rules all the same, and the next request asks for all."""
    site.serve(rss(item(1, description="<p>Text.</p><i>Buy!</i>")), etag='"1"')
    blog.refresh()
    site.fail(500)
    blog.use(f"{site.url}/feed", "blog", 'remove = ["i"]')
    assert blog.refresh().error
    assert blog.kept()[0].content == "<p>Text.</p>"
    blog.refresh()
    assert [asked.validators for asked in site.asked[1:]] == [{}, {}]


def test_other_rules_while_the_site_wishes_to_be_left_alone(site: Upstream, blog: Visits) -> None:
    """The wish holds; when it is over, all is asked for."""
    site.serve(rss(item(1, description="<p>Text.</p><i>Buy!</i>")), etag='"1"', cache_control="max-age=7200")
    blog.refresh()
    blog.use(f"{site.url}/feed", "blog", 'remove = ["i"]')
    assert not blog.refresh().asked
    assert blog.kept()[0].content == "<p>Text.</p>"
    blog.refresh()
    assert [asked.validators for asked in site.asked] == [{}, {}]


# Asking not sooner than is wished


@pytest.mark.parametrize(
    ("headers", "head", "minutes"),
    [
        ({"cache_control": "max-age=2700"}, "", 45),
        ({"cache_control": "public, max-age=2700, must-revalidate"}, "", 45),
        ({"cache_control": "max-age=2700", "age": "900"}, "", 30),
        ({"cache_control": "no-cache"}, "", 0),
        ({"cache_control": "no-cache, max-age=2700"}, "", 0),
        ({"date": "Mon, 23 Nov 2026 13:00:00 GMT", "expires": "Mon, 23 Nov 2026 14:30:00 GMT"}, "", 90),
        ({"expires": "0"}, "", 0),
        ({}, "<ttl>45</ttl>", 45),
        ({"cache_control": "max-age=600"}, "<ttl>45</ttl>", 45),
        ({"cache_control": "max-age=2700"}, "<ttl>10</ttl>", 45),
        ({}, "<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", 30),
        ({}, "<sy:updatePeriod>daily</sy:updatePeriod>", 24 * 60),
        ({}, "<skipHours><hour>14</hour><hour>15</hour></skipHours>", 0),
        ({"cache_control": "max-age=3600"}, "<skipHours><hour>14</hour><hour>15</hour></skipHours>", 180),
        ({"cache_control": "max-age=43200"}, "<skipDays><day>Tuesday</day></skipDays>", 35 * 60),
        ({"cache_control": "max-age=999999999"}, "", 7 * 24 * 60),
    ],
)
def test_nobody_asks_sooner_than_the_site_wishes(
    site: Upstream, blog: Visits, headers: dict[str, str], head: str, minutes: int
) -> None:
    """By headers and by what the feed says: to the minute, and not by a refresh by hand either."""
    site.serve(rss(item(1), head=f"<title>A blog</title>{head}"), **headers)
    wish = blog.refresh().not_before
    assert wish == (blog.now + minutes * MINUTE if minutes else None)
    if wish:
        told = blog.refresh(after=minutes * MINUTE - timedelta(seconds=1))
        assert (told.asked, told.not_before, len(site.asked)) == (False, wish, 1)
        assert told.note == f"not asked: its site wishes to be left alone until {wish:%Y-%m-%dT%H:%M:%SZ}"
        blog.refresh(after=timedelta(seconds=1))
    else:
        blog.refresh(after=MINUTE)
    assert len(site.asked) == 2


def test_hours_that_are_to_be_skipped_are_skipped_by_hand_too(site: Upstream, blog: Visits) -> None:
    """From their first minute to their last, whenever it is that we come."""
    site.serve(rss(item(1), head="<skipHours><hour>14</hour></skipHours>"))
    blog.refresh()
    assert blog.refresh(after=HOUR).not_before == datetime(2026, 11, 23, 15, tzinfo=UTC)
    assert not blog.refresh(after=59 * MINUTE).asked
    assert blog.refresh(after=MINUTE).asked
    assert len(site.asked) == 2


def test_a_304_renews_the_wish(site: Upstream, blog: Visits) -> None:
    """It may come with another one; without one, the last holds, as does what the feed said."""
    document = rss(item(1), head="<title>A blog</title>")
    site.serve_version(document, etag='"1"', cache_control="max-age=60")
    blog.refresh()
    site.serve_version(document, etag='"1"', cache_control="max-age=600")
    assert blog.refresh().not_before == blog.now + 10 * MINUTE
    site.serve_version(document, etag='"1"')
    assert blog.refresh().not_before == blog.now + 10 * MINUTE


def test_the_owner_may_ask_sooner(site: Upstream, blog: Visits) -> None:
    """With `accept` a source is taken as it is, and asked without conditions."""
    site.serve(rss(item(1)), etag='"1"', cache_control="max-age=86400")
    blog.refresh()
    assert blog.refresh(accept=True).asked
    assert site.asked[-1].validators == {}


def test_a_wish_of_a_clock_that_ran_ahead_is_none(site: Upstream, blog: Visits) -> None:
    """Nobody is left alone for years because the clock was wrong for a minute."""
    site.serve(rss(item(1)), cache_control="max-age=3600")
    blog.refresh(after=3650 * DAY)
    assert blog.refresh(after=-3649 * DAY).asked


# Being asked to stay away


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "7200"},
        {"date": "Mon, 23 Nov 2026 14:00:00 GMT", "retry_after": "Mon, 23 Nov 2026 16:00:00 GMT"},
    ],
    ids=["seconds", "date"],
)
def test_nobody_asks_during_retry_after(site: Upstream, blog: Visits, status: int, headers: dict[str, str]) -> None:
    """Not at all before it is over; the failure is told, the articles stay."""
    blog.refresh()
    site.fail(status, **headers)
    told = blog.refresh()
    assert told.error
    assert str(status) in told.error
    assert told.not_before == blog.now + 2 * HOUR
    site.serve(rss(item(1), item(4)))
    for _ in range(119):
        assert not blog.refresh(after=MINUTE).asked
    assert len(site.asked) == 2
    assert blog.refresh(after=MINUTE).new == 1
    error = blog.summary().last_error
    assert error
    assert error.error == told.error


def test_retry_after_holds_for_all_on_the_host(start: Callable[[], Upstream], site: Upstream, blog: Visits) -> None:
    """Other sources there wait as well, other hosts do not; and so it is after a restart."""
    other = start()
    for one, name in ((site, "other"), (other, "elsewhere")):
        one.serve(rss(item(9)), path="/other")
        blog.use(f"{one.url}/other", name)
    site.fail(429, retry_after="7200")
    assert blog.refresh().error
    until = blog.now + 2 * HOUR
    assert blog.refresh("elsewhere", after=MINUTE).new == 1
    for _ in range(2):
        told = blog.refresh("other", after=MINUTE)
        assert (told.asked, told.error, told.not_before) == (False, None, until)
        blog.restart()
    assert site.paths() == ["/feed"]
    assert blog.refresh("blog", after=MINUTE).asked is False
    site.serve(rss(item(1)))
    blog.now = until
    assert all(tally.asked and not tally.error for tally in blog.refresh_all(after=timedelta()).values())


def test_retry_after_holds_for_one_source_where_the_rule_says_so(site: Upstream, blog: Visits, tmp_path: Path) -> None:
    """Many a host serves many people's sites, and one of them is no measure for the others."""
    path = tmp_path / "rule.toml"
    rule = f'[site]\npause = "0s"\n[[site.host_rule]]\nhost = "{site.host}"\nbackoff = "source"\n'
    path.write_text(f'{rule}[[source]]\nname = "a"\nkind = "feed"\nurl = "{site.url}"\n', encoding="utf-8")
    loaded = settings.load(path, {}).site
    blog.restart(loaded)
    site.serve(rss(item(9)), path="/other")
    blog.use(f"{site.url}/other", "other")
    site.fail(429, retry_after="7200")
    assert blog.refresh().error
    assert blog.refresh("other", after=MINUTE).new == 1
    blog.restart(loaded)
    assert not blog.refresh(after=MINUTE).asked
    assert blog.refresh("other", after=MINUTE).asked


def test_who_stands_in_line_learns_of_retry_after(site: Upstream, blog: Visits) -> None:
    """Of twenty sources that are refreshed together, the first is answered 429: the others no longer ask."""
    site.fail(429, retry_after="3600")
    for number in range(19):
        site.fail(429, path=f"/{number}", retry_after="3600")
        blog.use(f"{site.url}/{number}", f"s{number}")
    told = blog.refresh_all()
    assert len(site.asked) == 1
    assert sum(1 for tally in told.values() if tally.error) == 1
    assert sum(1 for tally in told.values() if not tally.asked) == 19


def test_the_host_that_says_so_is_left_alone(start: Callable[[], Upstream], site: Upstream, blog: Visits) -> None:
    """Where a redirect leads to another host, that one waits, and its neighbours; not the one that sent us."""
    other = start()
    other.fail(429, path="/moved", retry_after="7200")
    other.serve(rss(item(8)), path="/neighbour")
    site.redirect("/feed", f"{other.url}/moved", status=302)
    site.serve(rss(item(9)), path="/here")
    blog.use(f"{site.url}/here", "here")
    blog.use(f"{other.url}/neighbour", "neighbour")
    assert blog.refresh().error
    assert blog.refresh("here", after=MINUTE).new == 1
    assert not blog.refresh("neighbour", after=MINUTE).asked
    assert not blog.refresh("blog", after=MINUTE).asked


def test_not_even_the_owner_asks_during_retry_after(site: Upstream, blog: Visits) -> None:
    """`accept` takes a source as it is; a host that asks for quiet gets it."""
    site.fail(503, retry_after="7200")
    blog.refresh()
    assert not blog.refresh(accept=True).asked
    assert len(site.asked) == 1


# Failures


@pytest.mark.parametrize("status", [400, 401, 403, 404, 451, 500, 502, 503])
def test_a_failure_is_told_and_costs_nothing(site: Upstream, blog: Visits, status: int) -> None:
    """The articles stay, the validators too; the error names the address and the status."""
    site.serve(rss(item(1)), etag='"1"')
    blog.refresh()
    site.fail(status)
    told = blog.refresh()
    assert told.error
    assert f"{site.url}/feed: {status}" in told.error
    assert (told.gone, told.asked, told.not_before) == (False, True, None)
    site.serve_version(rss(item(1)), etag='"1"')
    assert blog.refresh().note == "not changed"
    assert blog.titles() == ["Title 1"]


def test_gone_is_never_asked_again(site: Upstream, blog: Visits) -> None:
    """410 stops it for good; what is said names the way back, and that way works."""
    blog.refresh()
    site.fail(410)
    told = blog.refresh()
    assert told.gone
    assert told.error
    assert 'feedbridge build --accept "blog"' in told.error
    site.serve(rss(item(1), item(4)))
    for after in (MINUTE, DAY, 400 * DAY):
        told = blog.refresh(after=after)
        assert (told.asked, told.gone, told.error) == (False, True, None)
        assert told.note
        assert "said on 2026-11-23 that it is gone for good" in told.note
        assert 'feedbridge build --accept "blog"' in told.note
        blog.restart()
    assert len(site.asked) == 2
    assert blog.summary().gone_at == NOON + 2 * HOUR
    assert blog.titles() == ["Title 1", "Title 2", "Title 3"]
    assert blog.refresh(accept=True).new == 1
    assert blog.refresh().asked
    assert blog.summary().gone_at is None


def test_another_address_starts_anew(site: Upstream, blog: Visits) -> None:
    """What the old one was, and wished, says nothing about the new one."""
    site.serve(
        rss(item(1), head="<title>A blog</title><skipHours><hour>14</hour></skipHours>"), cache_control="max-age=99"
    )
    blog.refresh()
    site.fail(410)
    blog.refresh(after=2 * HOUR)
    site.serve(rss(item(1), item(2)), path="/rss")
    blog.use(f"{site.url}/rss")
    blog.now = datetime(2026, 11, 24, 14, tzinfo=UTC)
    assert blog.refresh(after=MINUTE).new == 1
    assert blog.state().gone_at is None


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (page(title="Log in to the intranet"), "text/html", "an HTML page titled “Log in to the intranet”"),
        (page(title="Just a moment..."), "text/html", "a challenge page"),
        (b"", "application/rss+xml", "an empty body came"),
        (b"\x00\xff\x00\xff" * 50, "application/rss+xml", ""),
        ('{"error": "no such feed"}', "application/json", "JSON"),
        ("Service temporarily unavailable", "text/plain", "Service temporarily unavailable"),
        (rss()[:60], "application/rss+xml", ""),
    ],
    ids=["login", "challenge", "empty", "noise", "json", "text", "cut"],
)
def test_what_is_no_feed_loses_nothing(
    site: Upstream, blog: Visits, body: bytes | str, content_type: str, words: str
) -> None:
    """The error says what came, and from where; the articles stay, and the next good answer is read."""
    blog.refresh()
    site.serve(body, content_type=content_type, etag='"bad"')
    told = blog.refresh()
    assert told.error
    assert told.error.startswith(f"{site.url}/feed: ")
    assert words in told.error
    assert blog.titles() == ["Title 1", "Title 2", "Title 3"]
    site.serve(rss(item(4)))
    assert blog.refresh().new == 1
    assert len(blog.titles()) == 4


def test_a_feed_without_entries_loses_nothing(site: Upstream, blog: Visits) -> None:
    """It is no failure: many a feed is empty for a while."""
    blog.refresh()
    site.serve(rss())
    assert blog.refresh() == Tally(source="blog", kind="feed")
    assert blog.titles() == ["Title 1", "Title 2", "Title 3"]


def test_entries_that_cannot_be_used_are_named(site: Upstream, blog: Visits) -> None:
    """They are left out, under names of a bounded length; the others are kept."""
    nothing = "<item><guid>urn:example:{}</guid></item>"
    site.serve(rss(item(1), nothing.format("nothing"), nothing.format("x" * 1000), item(2)))
    told = blog.refresh()
    assert (told.new, told.error) == (2, None)
    reason = "holds no article: neither title nor text"
    assert told.unusable == [("urn:example:nothing", reason), (f"urn:example:{'x' * 188}", reason)]


# Redirects


def moved(site: Upstream, *, status: int = 301) -> None:
    """The feed has moved to `/new`."""
    site.redirect("/feed", f"{site.url}/new", status=status)
    site.serve_version(rss(item(1), item(2), item(3)), path="/new", etag='"1"')


@pytest.mark.parametrize("status", [301, 308])
def test_a_permanent_redirect_is_believed_once_it_has_held(site: Upstream, blog: Visits, status: int) -> None:
    """After so many good answers over so long a time, and not before, the new address is asked first."""
    moved(site, status=status)
    for _ in range(MOVED_TIMES + 2):
        assert blog.refresh().error is None
    assert site.paths() == ["/feed", "/new"] * (MOVED_TIMES + 2)
    blog.refresh(after=MOVED_FOR)
    assert site.paths() == ["/new"]
    blog.restart()
    assert blog.visit().moved_to == f"{site.url}/new"


def test_a_permanent_redirect_is_not_believed_for_its_age_alone(site: Upstream, blog: Visits) -> None:
    """It has to be met several times."""
    moved(site)
    for _ in range(MOVED_TIMES):
        blog.refresh(after=10 * DAY)
        assert site.paths() == ["/feed", "/new"]
    blog.refresh()
    assert site.paths() == ["/new"]


@pytest.mark.parametrize("status", [302, 303, 307])
def test_a_temporary_redirect_is_never_remembered(site: Upstream, blog: Visits, status: int) -> None:
    """However long it holds."""
    moved(site, status=status)
    for _ in range(10):
        blog.refresh(after=DAY)
    assert site.paths() == ["/feed", "/new"] * 10


def test_a_redirect_that_pauses_starts_anew(site: Upstream, blog: Visits) -> None:
    """It has to be met on end."""
    moved(site)
    for _ in range(MOVED_TIMES - 1):
        blog.refresh(after=DAY)
    site.serve(rss(item(1)))
    blog.refresh(after=DAY)
    moved(site)
    site.paths()
    for _ in range(MOVED_TIMES):
        blog.refresh(after=DAY)
    assert site.paths() == ["/feed", "/new"] * MOVED_TIMES


def test_behind_a_temporary_hop_nothing_is_permanent(site: Upstream, blog: Visits) -> None:
    """Of a chain, only what stands before the first temporary redirect is remembered."""
    site.redirect("/feed", "/a")
    site.redirect("/a", "/b", status=302)
    site.redirect("/b", "/new")
    site.serve(rss(item(1)), path="/new")
    for _ in range(MOVED_TIMES):
        blog.refresh(after=DAY)
    site.paths()
    blog.refresh()
    assert site.paths() == ["/a", "/b", "/new"]


def test_a_new_address_that_fails_is_forgotten(site: Upstream, blog: Visits) -> None:
    """The one in the settings is asked next, without what was said of the other's document."""
    moved(site)
    for _ in range(MOVED_TIMES + 1):
        blog.refresh(after=DAY)
    site.serve(rss(item(1), item(4)))
    site.fail(404, path="/new")
    site.asked.clear()
    assert blog.refresh().error
    assert blog.refresh().new == 1
    assert [(asked.path, asked.validators) for asked in site.asked] == [
        ("/new", {"if-none-match": '"1"'}),
        ("/feed", {}),
    ]


def test_a_new_address_that_asks_for_quiet_is_not_forgotten(site: Upstream, blog: Visits) -> None:
    """To be asked to wait is no failure of the address."""
    moved(site)
    for _ in range(MOVED_TIMES + 1):
        blog.refresh(after=DAY)
    site.fail(429, path="/new", retry_after="60")
    blog.refresh()
    site.paths()
    blog.refresh()
    assert site.paths() == ["/new"]


def test_a_new_address_that_is_gone_is_not_the_end(site: Upstream, blog: Visits) -> None:
    """What the settings name is asked before a source counts as gone."""
    moved(site)
    for _ in range(MOVED_TIMES + 1):
        blog.refresh(after=DAY)
    site.fail(410, path="/new")
    assert not blog.refresh().gone
    site.serve(rss(item(4)))
    assert blog.refresh().new == 1


def test_a_feed_may_move_twice(site: Upstream, blog: Visits) -> None:
    """When the remembered address sends us on for good, that is believed in its turn."""
    moved(site)
    for _ in range(MOVED_TIMES + 1):
        blog.refresh(after=DAY)
    site.redirect("/new", "/newest")
    site.serve(rss(item(1)), path="/newest")
    for _ in range(MOVED_TIMES):
        blog.refresh(after=DAY)
    site.paths()
    blog.refresh()
    assert site.paths() == ["/newest"]


# A page that names its feed


@pytest.fixture
def home(site: Upstream, blog: Visits) -> Upstream:
    """A page whose feed is `/feed`."""
    site.serve(page("/feed"), path="/", content_type="text/html", etag='"page"')
    site.serve_version(rss(item(1), item(2), item(3)), etag='"feed"')
    blog.use(f"{site.url}/")
    return site


def test_the_feed_that_a_page_names_is_found_once(home: Upstream, blog: Visits) -> None:
    """It is read at once; from then on it is asked itself, with its own validators."""
    assert blog.refresh().new == 3
    assert blog.refresh().note == "not changed"
    blog.restart()
    assert blog.refresh().note == "not changed"
    assert [(asked.path, asked.validators) for asked in home.asked] == [
        ("/", {}),
        ("/feed", {}),
        ("/feed", {"if-none-match": '"feed"'}),
        ("/feed", {"if-none-match": '"feed"'}),
    ]


def test_a_found_feed_that_fails_is_looked_for_again(home: Upstream, blog: Visits) -> None:
    """The page is asked, without the feed's validators, and may name another one."""
    blog.refresh()
    home.fail(404)
    assert blog.refresh().error
    home.serve(page("/other"), path="/", last_modified="Mon, 23 Nov 2026 09:00:00 GMT")
    home.serve(rss(item(1), item(4)), path="/other")
    home.asked.clear()
    assert blog.refresh().new == 1
    assert blog.refresh().error is None
    assert [(asked.path, asked.validators) for asked in home.asked] == [("/", {}), ("/other", {}), ("/other", {})]


def test_a_found_feed_that_has_become_a_page_is_looked_for_again(home: Upstream, blog: Visits) -> None:
    """What cannot be read is a failure like any other."""
    blog.refresh()
    home.serve(page(title="Gone fishing"))
    assert blog.refresh().error
    home.serve(rss(item(4)))
    assert blog.refresh().new == 1


def test_a_page_that_names_a_page(home: Upstream, blog: Visits) -> None:
    """One step is enough: whoever names a page for a feed is not followed further."""
    home.serve(page("/feed/feed"), path="/feed")
    told = blog.refresh()
    assert told.error == f"{home.url}/feed: is a page, too, though another page names it as its feed"
    assert home.paths() == ["/", "/feed"]


def test_a_named_feed_that_is_gone_is_not_the_end(home: Upstream, blog: Visits) -> None:
    """The page is still there, and may name another one tomorrow."""
    home.fail(410)
    told = blog.refresh()
    assert told.error
    assert told.error.endswith(f"410 Gone, though {home.url}/ names it")
    assert not told.gone
    assert blog.refresh().asked


def test_a_named_feed_elsewhere_has_its_own_host(start: Callable[[], Upstream], home: Upstream, blog: Visits) -> None:
    """Its host's Retry-After is its own, also where it was told to another source; the page's host is not meant."""
    other = start()
    other.fail(429, path="/quiet", retry_after="7200")
    home.serve(page(f"{other.url}/feed"), path="/")
    blog.use(f"{other.url}/quiet", "quiet")
    blog.use(f"{home.url}/feed", "neighbour")
    blog.refresh("quiet")
    told = blog.refresh(after=MINUTE)
    assert told.error
    assert "wishes to be left alone" in told.error
    assert other.paths() == ["/quiet"]
    assert blog.refresh("neighbour", after=MINUTE).new == 3


def test_the_login_goes_to_the_site_alone(start: Callable[[], Upstream], site: Upstream, blog: Visits) -> None:
    """To the page and to its feed on the same site, not to a feed elsewhere."""
    other = start()
    other.serve(rss(item(1)))
    site.serve(page("/feed"), path="/")
    blog.use(f"{site.url}/", "blog", 'login = "you:pass"', 'headers = { X-Key = "k" }')
    blog.refresh()
    sent = [(asked.headers.get("authorization"), asked.headers.get("x-key")) for asked in site.asked]
    assert sent == [("Basic eW91OnBhc3M=", "k")] * 2
    site.serve(page(f"{other.url}/feed"), path="/")
    blog.refresh(accept=True)
    assert not {"authorization", "x-key"} & other.asked[0].headers.keys()


# One article stays one article


@dataclass(frozen=True)
class Slip:
    """How an article may be told otherwise than before; `edited` where readers are to see that it has changed."""

    before: dict[str, str | None]
    after: dict[str, str | None]
    edited: bool = False


PERMALINK = "https://news.example/1.html"
SLIPS = {
    "changed guid": Slip({}, {"guid": "urn:example:other"}),
    "guid gone": Slip({}, {"guid": None}),
    "guid comes": Slip({"guid": None}, {}),
    "moved link": Slip({}, {"link": "https://news.example/2026/11/one.html"}),
    "link gone": Slip({}, {"link": None}),
    "http": Slip({}, {"link": "http://news.example/1.html"}),
    "https": Slip({"link": "http://news.example/1.html"}, {}),
    "guid from http to https": Slip(
        {"guid": "http://news.example/?p=1", "link": None}, {"guid": "https://news.example/?p=1", "link": None}
    ),
    "tracking parameter": Slip({}, {"link": f"{PERMALINK}?utm_source=rss&utm_medium=feed"}),
    "tracking parameter and guid": Slip({}, {"link": f"{PERMALINK}?fbclid=1", "guid": "urn:example:other"}),
    "permalink as guid moves to https": Slip(
        {"guid": "http://news.example/1.html", "link": "http://news.example/1.html"},
        {"guid": PERMALINK, "link": PERMALINK},
    ),
    "guid and link swapped": Slip(
        {"guid": "https://news.example/?p=1", "link": PERMALINK},
        {"guid": PERMALINK, "link": "https://news.example/?p=1"},
    ),
    "edited title": Slip({}, {"title": "Title 1, corrected"}, edited=True),
    "edited text": Slip({}, {"description": "<p>Text 1 about the bridge.</p>"}, edited=True),
    "edited title and moved link": Slip(
        {}, {"title": "Title 1, corrected", "link": "https://news.example/one.html"}, edited=True
    ),
    "other date": Slip({}, {"pubDate": "Mon, 23 Nov 2026 01:00:00 GMT"}),
    "another category": Slip({}, {"category": "News"}),
}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS.keys())
def test_one_article_however_it_is_told(site: Upstream, blog: Visits, slip: Slip) -> None:
    """It keeps its id and its date, `updated` moves only with the text; and told as before, it is the same again."""
    neighbours = [item(2), item(3)]
    site.serve(rss(item(1, **slip.before), *neighbours))
    assert blog.refresh().new == 3
    (first, *_) = blog.kept()
    for number, parts in enumerate([slip.after, slip.before, slip.after, slip.before]):
        site.serve(rss(*neighbours, item(1, **parts), space=" " * number))
        told = blog.refresh()
        assert (told.error, told.new, told.changed) == (None, 0, int(slip.edited))
        (now, *others) = blog.kept()
        assert len(others) == 2
        assert (now.id, now.published, now.first_seen) == (first.id, first.published, first.first_seen)
        assert now.updated == (blog.now if slip.edited else first.updated)


def test_an_article_that_was_edited_away_and_back(site: Upstream, blog: Visits) -> None:
    """The newest telling is shown."""
    blog.refresh()
    site.serve(rss(item(1, title="Other"), item(2), item(3)))
    blog.refresh()
    assert blog.titles()[0] == "Other"
    site.serve(rss(item(1), item(2), item(3), space=" "))
    blog.refresh()
    assert blog.titles()[0] == "Title 1"


def flow(shape: Callable[[int], str], *, first: int, size: int = 6) -> str:
    """A document with so many items, newest first."""
    return rss(*(shape(number) for number in reversed(range(first, first + size))))


CARELESS: dict[str, Callable[[int], str]] = {
    "one guid for all": lambda number: item(number, guid="1"),
    "one IRI for all": lambda number: item(number, guid="https://news.example/feed"),
    "one link for all": lambda number: item(number, link="https://news.example/"),
    "one page for all": lambda number: item(number, link="https://news.example/news.html"),
    "one link and no guid": lambda number: item(number, link="https://news.example/", guid=None),
    "one page and no guid": lambda number: item(number, link="https://news.example/news.html", guid=None),
    "one guid and no link": lambda number: item(number, guid="1", link=None),
    "one guid and one link": lambda number: item(number, guid="1", link="https://news.example/"),
    "neither guid nor link": lambda number: item(number, guid=None, link=None),
    "one title for all": lambda number: item(number, title="News"),
    "places in one page": lambda number: item(number, link=f"https://news.example/news.html#{number}", guid=None),
}


@pytest.mark.parametrize("shape", CARELESS.values(), ids=CARELESS.keys())
def test_articles_of_a_careless_feed_stay_apart(site: Upstream, blog: Visits, shape: Callable[[int], str]) -> None:
    """Each item is one article, over refreshes in which the feed moves on, stands still and is spaced otherwise."""
    site.serve(flow(shape, first=0))
    assert blog.refresh().new == 6
    ids = {one.published: one.id for one in blog.kept()}
    assert len(set(ids.values())) == 6
    for number in range(1, 6):
        site.serve(flow(shape, first=2 * number) + " ")
        told = blog.refresh()
        assert (told.error, told.new, told.changed) == (None, 2, 0)
        site.serve(flow(shape, first=2 * number) + " " * (number + 1))
        told = blog.refresh()
        assert (told.error, told.new, told.changed, told.same) == (None, 0, 0, 6)
    assert len(blog.kept()) == 16
    assert len({one.id for one in blog.kept()}) == 16
    assert {one.published: one.id for one in blog.kept() if one.published in ids} == ids


def test_a_careless_feed_that_shrinks_to_one_item(site: Upstream, blog: Visits) -> None:
    """What an item shares with items of the past is no more its own than before."""
    shape = CARELESS["one guid for all"]
    site.serve(flow(shape, first=0, size=3))
    blog.refresh()
    for number in range(3, 8):
        site.serve(flow(shape, first=number, size=1))
        assert (blog.refresh().new, len(blog.kept())) == (1, number + 1)
    site.serve(flow(shape, first=3, size=5))
    told = blog.refresh()
    assert (told.new, told.changed, len(blog.kept())) == (0, 0, 8)


def test_the_same_article_twice_in_a_document(site: Upstream, blog: Visits) -> None:
    """The first counts, as in a feed whose newest entries come first; nothing moves to and fro."""
    twice = [item(1, description="<p>The newer text.</p>"), item(1, description="<p>The older text.</p>")]
    site.serve(rss(*twice, item(2)))
    assert blog.refresh().new == 2
    for space in (" ", "  ", "   "):
        site.serve(rss(*twice, item(2), space=space))
        told = blog.refresh()
        assert (told.new, told.changed, told.error) == (0, 0, None)
    assert blog.kept()[0].content == "<p>The newer text.</p>"


def test_an_upstream_id_that_equals_a_minted_one(site: Upstream, blog: Visits) -> None:
    """Two articles never have one id: the later gets one of its own, and the same again each time."""
    site.serve(rss(item(1, guid="1"), item(2, guid="2")))
    blog.refresh()
    minted = blog.kept()[0].id
    assert minted.startswith("urn:uuid:")
    thief = item(3, guid=minted)
    for space in ("", " ", "  "):
        site.serve(rss(thief, item(1, guid="1"), item(2, guid="2"), space=space))
        told = blog.refresh()
        assert (told.error, told.changed) == (None, 0)
    found = blog.kept()
    assert len({one.id for one in found}) == len(found) == 3
    assert found[0].id == minted
    assert found[2].id.startswith("urn:uuid:")


def test_an_article_that_was_taken_down_stays_down(site: Upstream, blog: Visits) -> None:
    """However often its source tells it."""
    blog.refresh()
    with blog.store.transaction() as connection:
        (row,) = articles.search(connection, ["id:urn:example:1"])
        articles.remove(connection, row, now=blog.now)
    for space in (" ", "  "):
        site.serve(rss(item(1), item(2), item(3), space=space))
        told = blog.refresh()
        assert (told.new, told.changed, told.error) == (0, 0, None)
    assert sorted(blog.titles()) == ["", "Title 2", "Title 3"]
    assert blog.refresh(reread=True).error is None
    assert sorted(blog.titles()) == ["", "Title 2", "Title 3"]


# Held back


def renamed(number: int) -> str:
    return item(number, guid=f"https://new.example/?p={number}", link=f"https://new.example/{number}")


def test_most_articles_under_new_names_are_held_back(site: Upstream, blog: Visits) -> None:
    """A site that moved with all its guids and links would be seen twice by all readers: that is for its owner to
    say, and then it is done.
    """
    site.serve(rss(*map(item, range(20))), etag='"1"')
    blog.refresh()
    site.serve(rss(*map(renamed, range(20))), etag='"2"')
    for _ in range(2):
        told = blog.refresh()
        assert told.error
        assert "20 of 20 new entries have titles that are known, but other links and ids" in told.error
        assert 'feedbridge build --accept "blog"' in told.error
    assert site.asked[-1].validators == {"if-none-match": '"1"'}
    assert len(blog.kept()) == 20
    assert blog.refresh(accept=True).new == 20
    assert blog.refresh().note == "not changed"


@pytest.mark.parametrize(
    "entry",
    [
        lambda number: item(number, title="Daily prices"),
        lambda number: item(number, title=f"Report {number % 20}"),
    ],
    ids=["one title", "titles that come again"],
)
def test_titles_that_come_again_hold_nothing_back(site: Upstream, blog: Visits, entry: Callable[[int], str]) -> None:
    """New articles at new dates are new, whatever they are called."""
    site.serve(rss(*map(entry, range(20))))
    blog.refresh()
    site.serve(rss(*map(entry, range(20, 40))))
    told = blog.refresh()
    assert (told.error, told.new) == (None, 20)


def test_a_few_articles_under_new_names_are_not_held_back(site: Upstream, blog: Visits) -> None:
    """That happens; a threshold keeps small feeds from being held."""
    site.serve(rss(*map(item, range(9))))
    blog.refresh()
    site.serve(rss(*map(renamed, range(9))))
    assert blog.refresh().error is None


# Texts


LONG = "".join(
    f"<p>Sentence {number} tells of the river, the bridge and the road to the city.</p>" for number in range(20)
)
SHORT = "<p>Sentence 0 tells of the river, the bridge and…</p>"


@pytest.mark.parametrize("worse", [SHORT, "", "<p>Sentence 0 tells of the river [Read more]</p>"])
def test_a_text_is_not_replaced_by_its_beginning(site: Upstream, blog: Visits, worse: str) -> None:
    """A feed that comes to tell only excerpts does not shorten what is published; the rest is believed."""
    site.serve(rss(item(1, description=LONG)))
    blog.refresh()
    (before,) = blog.kept()
    site.serve(rss(item(1, description=worse, category="River")))
    told = blog.refresh()
    assert (told.changed, told.new) == (0, 0)
    (after,) = blog.kept()
    assert (after.content, after.updated, after.content_hash) == (before.content, before.updated, before.content_hash)
    assert [one.term for one in after.categories] == ["River"]
    site.serve(rss(item(1, description=worse, category="River"), space=" "))
    assert blog.refresh() == Tally(source="blog", kind="feed", files=1, same=1)


def test_an_excerpt_is_replaced_by_the_text(site: Upstream, blog: Visits) -> None:
    """The longer text is news."""
    site.serve(rss(item(1, description=SHORT)))
    blog.refresh()
    site.serve(rss(item(1, description=LONG)))
    assert blog.refresh().changed == 1
    assert blog.kept()[0].content == LONG


def shown(article: Article) -> Article:
    """Without what no reader sees."""
    return replace(article, content_hash="")


def test_reading_anew_works_from_what_is_kept(site: Upstream, blog: Visits) -> None:
    """The site is not asked, nothing is new; what the rules leave as it was stays."""
    blog.refresh()
    before = blog.kept()
    site.paths()
    told = blog.refresh(reread=True)
    assert told == Tally(
        source="blog",
        kind="feed",
        files=3,
        read=3,
        same=3,
        asked=False,
        note="read anew from what is kept; its site was not asked",
    )
    assert site.paths() == []
    assert blog.kept() == before


def test_reading_anew_keeps_what_was_told_since(site: Upstream, blog: Visits) -> None:
    """Where the kept text is older than the rest, both stay: the full text, and the title of the newest telling."""
    picture = '<p><img src="/river.jpg" alt="River"></p>'
    site.serve(rss(item(1, description=f'{picture}{LONG}<p class="ad">Buy!</p>')))
    blog.refresh()
    moved_and_cut = item(1, title="Title 1, corrected", link="https://other.example/a/b.html", description=SHORT)
    site.serve(rss(moved_and_cut))
    assert blog.refresh().changed == 1
    before = blog.kept()
    assert before[0].images[0].origin == "https://news.example/river.jpg"
    assert blog.refresh(reread=True).error is None
    assert [shown(one) for one in blog.kept()] == [shown(one) for one in before]
    blog.use(f"{site.url}/feed", "blog", 'remove = [".ad"]')
    blog.refresh()
    (after,) = blog.kept()
    assert (after.title, after.link) == ("Title 1, corrected", "https://other.example/a/b.html")
    assert after.content == f'<p><img src="image:0"></p>{LONG}'
    assert after.images == before[0].images


def test_reading_anew_never_makes_a_second_article(site: Upstream, blog: Visits) -> None:
    """Each item is read for the article that it told of, however much that has changed since."""
    site.serve(rss(item(1, description=LONG), item(2)))
    blog.refresh()
    site.serve(rss(item(1, link="https://news.example/a", title="Other", description=""), item(2)))
    blog.refresh()
    assert blog.refresh(reread=True).new == 0
    assert [one.id for one in blog.kept()] == ["urn:example:1", "urn:example:2"]


def test_many_kept_items_are_read_anew_in_portions(
    site: Upstream, blog: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is left out, none is read twice."""
    monkeypatch.setattr("feedbridge.visiting.ITEMS_AT_ONCE", 7)
    site.serve(rss(*map(item, range(50))))
    blog.refresh()
    told = blog.refresh(reread=True)
    assert (told.read, told.same, told.changed) == (50, 50, 0)


def test_a_long_feed_is_kept_whole(site: Upstream, blog: Visits) -> None:
    """Batches of items are not torn: Chinese texts of a megabyte together."""
    text = "<p>" + "北方市场今天会议声明经济合作天气记者报道。" * 100 + "</p>"
    site.serve(rss(*(item(number, title=f"第{number}条", description=text) for number in range(200))))
    assert blog.refresh().new == 200
    assert {one.content for one in blog.kept()} == {text}
    assert {one.title for one in blog.kept()} == {f"第{number}条" for number in range(200)}


def test_facts_are_those_of_the_last_good_answer(site: Upstream, blog: Visits) -> None:
    """A failure does not take the feed's own title away."""
    site.serve(rss(item(1), head="<title>A blog</title><managingEditor>a@b.example (Ann)</managingEditor>"))
    blog.refresh()
    site.fail(500)
    blog.refresh()
    facts = blog.visit().facts
    assert (facts.title, facts.authors) == ("A blog", (Person(name="Ann", email="a@b.example"),))
    site.serve(rss(item(1), head="<title>Another name</title>"))
    blog.refresh()
    assert blog.visit().facts.title == "Another name"
    assert replace(blog.visit().facts, title=None).authors == ()
