"""The way to sites: what is sent to them, who waits for whom, and what is read of what they answer."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest

import feedbridge
from feedbridge.asking import Web, body_of, user_agent, without_user
from feedbridge.errors import FetchError, Gone, ParseError, Refused
from feedbridge.fetch.client import Answer
from feedbridge.settings import FeedSource, Site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FEED = b'<rss version="2.0"><channel><title>A blog</title><item><title>One</title></item></channel></rss>'

Result = TypeVar("Result")


class Upstream:
    """A site on loopback: status, body and headers by path; it remembers what it was sent."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, bytes, dict[str, str]]] = {"/feed": (200, FEED, {})}
        self.sent: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.sent.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                status, body, headers = outer.pages[self.path]
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def name_feed(self, href: str, *, path: str = "/") -> None:
        """Show a page that names a feed."""
        link = f'<link rel="alternate" type="application/atom+xml" href="{href}">'
        self.pages[path] = (200, f"<!DOCTYPE html><html><head>{link}</head></html>".encode(), {})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Upstream]:
    """A site with a feed at `/feed`."""
    upstream = Upstream()
    yield upstream
    upstream.close()


def source_of(url: str, **keys: Any) -> FeedSource:
    values = {"name": "blog", "kind": "feed", "url": url, "allow_private": ["127.0.0.0/8"], **keys}
    return FeedSource.model_validate(values)


def with_web(work: Callable[[Web], Coroutine[Any, Any, Result]], site: Site | None = None) -> Result:
    """Do something with a way to sites."""

    async def run() -> Result:
        async with Web(site or Site(pause=timedelta())) as web:
            return await work(web)

    return asyncio.run(run())


async def titles(web: Web, source: FeedSource) -> tuple[list[str | None], str | None]:
    """The titles that a source shows, and the address of the feed that its page names."""
    answer = await web.fetch(source, source.url, now=NOON)
    async with web.read(source, answer, now=NOON) as found:
        return [one.item.title for one in found.reading.index.outlines], found.named


def test_who_asks_is_said_honestly(site: Upstream) -> None:
    """The name, the version, and where to write to: the contact, else the site's address."""
    with_web(lambda web: titles(web, source_of(f"{site.url}/feed")), Site(contact="mailto:me@example.org"))
    assert site.sent[0][1]["user-agent"] == f"feedbridge/{feedbridge.__version__} (+mailto:me@example.org)"
    assert user_agent(Site(base_url="https://feeds.example/")).endswith("(+https://feeds.example/)")
    assert user_agent(Site(contact="北方")).isascii()


def test_nothing_is_sent_that_nobody_asked_for(site: Upstream) -> None:
    """No cookies, no referrer, no language; validators as they are given."""
    site.pages["/feed"] = (200, FEED, {"Set-Cookie": "a=b"})
    source = source_of(f"{site.url}/feed")

    async def twice(web: Web) -> None:
        for etag in (None, 'W/"x"'):
            with body_of(await web.fetch(source, source.url, now=NOON, etag=etag)):
                pass

    with_web(twice)
    assert {name for _, headers in site.sent for name in headers} <= {
        *("host", "user-agent", "accept", "accept-encoding", "connection", "if-none-match")
    }
    assert [headers.get("if-none-match") for _, headers in site.sent] == [None, 'W/"x"']


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, (None, None)),
        ({"login": "you:pa:ss"}, ("Basic eW91OnBhOnNz", None)),
        ({"headers": {"X-Key": "k", "Authorization": "Bearer t"}}, ("Bearer t", "k")),
    ],
)
def test_login_and_headers_go_to_the_source_and_its_feed(
    site: Upstream, keys: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    """To the page as to the feed that it names, as long as that is on the same site."""
    site.name_feed("/feed")
    assert with_web(lambda web: titles(web, source_of(f"{site.url}/", **keys))) == (["One"], f"{site.url}/feed")
    assert [(sent.get("authorization"), sent.get("x-key")) for _, sent in site.sent] == [expected] * 2


def test_a_login_in_the_address_goes_to_its_feed(site: Upstream) -> None:
    """The page's address has it, the feed's as the page names it has not."""
    site.name_feed("/feed")
    with_web(lambda web: titles(web, source_of(f"http://you:p%40ss@{site.host}/")))
    assert [sent.get("authorization") for _, sent in site.sent] == ["Basic eW91OnBAc3M="] * 2


def test_secrets_stay_at_their_origin(site: Upstream) -> None:
    """Another port is another site."""
    other = Upstream()
    try:
        site.name_feed(f"{other.url}/feed")
        with_web(lambda web: titles(web, source_of(f"{site.url}/", login="you:pass", headers={"X-Key": "k"})))
        assert not {"authorization", "x-key"} & other.sent[0][1].keys()
    finally:
        other.close()


def test_a_page_is_followed_once(site: Upstream) -> None:
    """The feed's own address and answer come back; a page that names a page is an error with the feed's address."""
    site.name_feed("feed")
    assert with_web(lambda web: titles(web, source_of(f"{site.url}/"))) == (["One"], f"{site.url}/feed")
    site.name_feed("/third", path="/feed")
    with pytest.raises(ParseError, match=f"^{site.url}/feed: is a page, too"):
        with_web(lambda web: titles(web, source_of(f"{site.url}/")))
    assert [path for path, _ in site.sent] == ["/", "/feed"] * 2


def test_what_a_page_names_is_guarded(site: Upstream) -> None:
    """A page cannot send us to where its source may not reach."""
    with socket.create_server(("127.0.0.1", 0)) as secret:
        secret.setblocking(False)
        site.name_feed(f"http://127.0.0.1:{secret.getsockname()[1]}/feed")
        with pytest.raises(FetchError, match="may not be reached"):
            with_web(lambda web: titles(web, source_of(f"{site.url}/", allow_private=[site.host])))
        with pytest.raises(BlockingIOError):
            secret.accept()
    site.name_feed("file:///etc/passwd")
    with pytest.raises(ParseError, match="names no feed"):
        with_web(lambda web: titles(web, source_of(f"{site.url}/")))


def test_what_cannot_be_read_names_its_address(site: Upstream) -> None:
    """With the address that it came from in the end, and without a password."""
    site.pages["/feed"] = (302, b"", {"Location": "/login"})
    site.pages["/login"] = (200, b"<html><title>Log in</title></html>", {})
    with pytest.raises(ParseError) as error:
        with_web(lambda web: titles(web, source_of(f"http://you:pass@{site.host}/feed")))
    assert str(error.value).startswith(f"{site.url}/login: ")
    assert "“Log in”" in str(error.value)


def test_the_host_of_a_named_feed_is_asked_in_its_turn(site: Upstream) -> None:
    """What it was told to another source holds, and nothing is sent."""
    site.name_feed("/feed")

    async def read(web: Web) -> None:
        source = source_of(f"{site.url}/")
        answer = await web.fetch(source, source.url, now=NOON)
        web.asked_to_wait("127.0.0.1", "another", until=NOON + timedelta(minutes=5))
        async with web.read(source, answer, now=NOON):
            raise AssertionError("nothing is read")

    with pytest.raises(Refused, match="wishes to be left alone until 2026-11-23T12:05:00Z") as error:
        with_web(read)
    assert (error.value.retry_after, error.value.url) == (timedelta(minutes=5), f"{site.url}/feed")
    assert [path for path, _ in site.sent] == ["/"]


def test_a_refusal_is_known_before_the_next_has_its_turn(site: Upstream) -> None:
    """Whoever is next in line finds the wish already there."""
    site.pages["/feed"] = (429, b"", {"Retry-After": "60"})
    source = source_of(f"{site.url}/feed")

    async def ask(web: Web) -> bool:
        async with web.turn(source, source.url):
            if web.waits_until(source, source.url, now=NOON):
                return False
            with pytest.raises(Refused):
                await web.fetch(source, source.url, now=NOON)
            return True

    async def together(web: Web) -> list[bool]:
        return await asyncio.gather(*(ask(web) for _ in range(5)))

    assert with_web(together) == [True, False, False, False, False]
    assert len(site.sent) == 1


def test_a_refusal_counts_for_the_host_that_gave_it(site: Upstream) -> None:
    """Behind a redirect that is not the one that was asked."""
    port = site.host.rpartition(":")[2]
    site.pages["/moved"] = (302, b"", {"Location": f"http://127.0.0.2:{port}/feed"})
    other = ThreadingHTTPServer(("127.0.0.2", int(port)), _Quiet)
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    source = source_of(f"{site.url}/moved")

    async def ask(web: Web) -> tuple[bool, bool]:
        with pytest.raises(Refused) as error:
            await web.fetch(source, source.url, now=NOON)
        assert error.value.url == f"http://127.0.0.2:{port}/feed"
        waits = [web.waits_until(source, f"http://{host}/", now=NOON) for host in ("127.0.0.1", "127.0.0.2")]
        return waits[0] is None, waits[1] == NOON + timedelta(seconds=60)

    try:
        assert with_web(ask) == (True, True)
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


class _Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response_only(503)
        self.send_header("Retry-After", "60")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_a_named_feed_that_is_gone_is_a_failure_like_others(site: Upstream) -> None:
    """Gone for good is only what the settings name."""
    site.name_feed("/feed")
    site.pages["/feed"] = (410, b"", {})
    with pytest.raises(FetchError, match=f"410 Gone, though {site.url}/ names it$") as error:
        with_web(lambda web: titles(web, source_of(f"http://you:pass@{site.host}/")))
    assert not isinstance(error.value, Gone)


def test_other_settings_hold_from_the_next_turn_on(site: Upstream) -> None:
    """Rules by host, and the proxy that is named for the whole site."""

    async def work(web: Web) -> None:
        source = source_of(f"{site.url}/feed")
        web.asked_to_wait("127.0.0.1", "other", until=NOON + timedelta(hours=1))
        rule = {"host": "127.0.0.1", "backoff": "source"}
        web.use(Site.model_validate({"pause": "0s", "host_rule": [rule], "proxy": "http://127.0.0.1:9"}))
        web.asked_to_wait("127.0.0.1", "blog", until=NOON + timedelta(hours=2))
        assert web.waits_until(source, source.url, now=NOON) == NOON + timedelta(hours=2)
        with pytest.raises(FetchError):
            await web.fetch(source, source.url, now=NOON)

    with_web(work)
    assert site.sent == []


def test_bodies_are_closed_whatever_happens(site: Upstream) -> None:
    """Also where what is done with the reading fails; the next page is read all the same."""
    source = source_of(f"{site.url}/feed")

    async def work(web: Web) -> tuple[list[str | None], str | None]:
        answer = await web.fetch(source, source.url, now=NOON)
        with pytest.raises(ZeroDivisionError):
            async with web.read(source, answer, now=NOON):
                raise ZeroDivisionError
        assert answer.body is not None
        with pytest.raises(ValueError, match="closed"):
            next(answer.body.chunks())
        return await titles(web, source)

    assert with_web(work) == (["One"], None)


def test_an_answer_without_a_body_has_no_pieces() -> None:
    """As 304 has none."""
    with body_of(
        Answer(status=304, url="http://a.example/", moved_to=None, headers={}, body=None, digest=None)
    ) as told:
        assert list(told) == []


def test_addresses_for_people() -> None:
    """An address without user name and password."""
    assert without_user("https://you:pass@news.example:8443/a?b#c") == "https://news.example:8443/a?b#c"
    assert without_user("https://news.example/@a") == "https://news.example/@a"
