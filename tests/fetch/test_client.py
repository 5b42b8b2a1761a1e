import asyncio
import gc
import gzip
import hashlib
import re
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from feedbridge.errors import FetchError, Gone, Refused
from feedbridge.fetch import client as fetching
from feedbridge.fetch.client import ACCEPT, Ask, Client
from feedbridge.fetch.guard import Connection, Forbidden, Resolver
from feedbridge.reach import Allowance, parse_allowance

if TYPE_CHECKING:
    from tests.fetch.conftest import Fetcher, Server

FEED = b"<rss version='2.0'/>"
LOOPBACK = parse_allowance(["127.0.0.0/8"])
SHORT = timedelta(seconds=0.4)


def says(body: bytes = FEED, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(to: str, status: int = 302) -> bytes:
    return says(b"", f"Location: {to}", status=f"{status} Moved")


def hangs_up_after(data: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return play


def says_for_ever(
    data: bytes, *, first: bytes = b"", pause: float = 0.0
) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause)

    return play


def says_in_pieces(data: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def play(writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), 65536):
            writer.write(data[start : start + 65536])
            await writer.drain()

    return play


def failure(fetch: "Fetcher", url: str, **parts: Any) -> str:
    """What is said when a fetch fails, without the address in front of it."""
    with pytest.raises(FetchError) as raised:
        fetch(url, **parts)
    text = str(raised.value)
    assert text.startswith(url)
    assert "\n" not in text
    return text.removeprefix(url).removeprefix(": ")


def always(address: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return [address]

    return resolve


# What is asked, and what comes


def test_a_document_is_fetched(fetch: "Fetcher", server: "Server") -> None:
    """Body, digest, final address and headers by lower-case names come back."""
    server.pages["/feed?a=b"] = says(FEED, "Content-Type: application/rss+xml", "X-A: 1", "x-a: 2", "Set-Cookie: a=b")
    got = fetch(f"{server.url}/feed?a=b#top")
    assert (got.status, got.url, got.moved_to) == (200, f"{server.url}/feed?a=b", None)
    assert (got.content, got.digest) == (FEED, hashlib.sha256(FEED).hexdigest())
    assert got.headers == {"content-type": "application/rss+xml", "x-a": "1, 2", "content-length": str(len(FEED))}


def test_little_is_said_of_us(fetch: "Fetcher", server: "Server") -> None:
    """Who we are and what we read; no cookie, no referrer, nothing else."""
    server.pages["*"] = says()
    fetch(f"{server.url}/")
    assert server.headers() == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "feedbridge/0 (+https://feeds.example/)",
        "accept": ACCEPT,
        "accept-encoding": "gzip, deflate",
    }


def test_cookies_and_referrers_are_not_sent(fetch: "Fetcher", server: "Server") -> None:
    """Neither on the way through a redirect nor the next time."""
    server.pages["/"] = says(b"", "Set-Cookie: a=b; Path=/", "Location: /feed", status="302 Found")
    server.pages["/feed"] = says(FEED, "Set-Cookie: c=d; Path=/")
    fetch.all(fetch.ask(f"{server.url}/"), fetch.ask(f"{server.url}/feed"))
    assert len(server.heads) == 3
    assert not any({"cookie", "referer"} & set(server.headers(number)) for number in range(3))


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"', "abc", '"a\\"b"', "W/abc", '"", "b"', '"\xe9"'])
def test_validators_are_sent_as_they_came(fetch: "Fetcher", server: "Server", etag: str) -> None:
    """Weak, unquoted or odd: the server gets back what it gave, and its 304 is an answer without a body."""
    server.pages["/new"] = says(FEED, f"ETag: {etag}", "Last-Modified: yesterday, about noon")
    server.pages["/same"] = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 500\r\n\r\n"
    first = fetch(f"{server.url}/new")
    known = {"etag": first.headers["etag"], "last_modified": first.headers["last-modified"]}
    got = fetch(f"{server.url}/same", **known)
    assert (got.status, got.content, got.digest) == (304, None, None)
    assert server.headers()["if-none-match"] == etag
    assert server.headers()["if-modified-since"] == "yesterday, about noon"


def test_a_validator_with_control_characters_is_left_out(fetch: "Fetcher", server: "Server") -> None:
    """It could not be stored as it came, and anything else is another one."""
    server.pages["*"] = says(FEED, 'ETag: "\xe9\x81"')
    assert "etag" not in fetch(f"{server.url}/").headers


def test_unchanged_without_having_been_asked_is_an_error(fetch: "Fetcher", server: "Server") -> None:
    """A 304 to a plain question leaves us with nothing."""
    server.pages["*"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert failure(fetch, f"{server.url}/") == "304 Not Modified, though nothing was there to compare with"


def test_control_characters_in_headers_are_gone(fetch: "Fetcher", server: "Server") -> None:
    """They are harmless wherever they are shown."""
    server.pages["*"] = says(FEED, "Content-Type: text/xml\x85;\x9b31m charset=\xe4")
    assert fetch(f"{server.url}/").headers["content-type"] == "text/xml;31m charset=\xe4"


def test_ipv6_is_fetched_from(fetch: "Fetcher", serve: "Callable[..., Server]") -> None:
    """An IPv6 address in brackets, with its port in Host."""
    server = serve("::1")
    server.pages["*"] = says()
    assert fetch(f"{server.url}/", allow=parse_allowance(["[::1]"])).content == FEED
    assert server.headers()["host"] == f"[::1]:{server.port}"


def test_an_empty_body_is_an_answer(fetch: "Fetcher", server: "Server") -> None:
    """What to think of it is for whoever reads it."""
    server.pages["*"] = says(b"", "Content-Encoding: gzip")
    assert fetch(f"{server.url}/").content == b""


def test_a_body_without_length_ends_with_the_connection(fetch: "Fetcher", server: "Server") -> None:
    """As in HTTP/1.0."""
    server.pages["*"] = hangs_up_after(b"HTTP/1.0 200 OK\r\n\r\n" + FEED)
    assert fetch(f"{server.url}/").content == FEED


def test_chunks_are_put_together(fetch: "Fetcher", server: "Server") -> None:
    """The body is the same however it was cut."""
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (1, bytes([byte])) for byte in FEED)
    server.pages["*"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX: y\r\n\r\n"
    assert fetch(f"{server.url}/").content == FEED


# Credentials


def test_headers_of_a_source_go_to_its_server(fetch: "Fetcher", server: "Server") -> None:
    """They stand in for ours, except for what we can read; they stay through redirects on the same server."""
    server.pages["/"] = redirect("/feed")
    server.pages["/feed"] = says()
    own = {"Authorization": "Bearer secret", "User-Agent": "own", "Accept-Encoding": "br", "X-Key": "k"}
    fetch(f"{server.url}/", headers=own)
    for number in (0, 1):
        sent = server.headers(number)
        assert (sent["authorization"], sent["x-key"], sent["user-agent"]) == ("Bearer secret", "k", "own")
        assert sent["accept-encoding"] == "gzip, deflate"


def test_credentials_go_nowhere_else(fetch: "Fetcher", serve: "Callable[..., Server]") -> None:
    """Another port is another server: neither headers nor a password in the address go there."""
    server, other = serve(), serve()
    server.pages["/"] = redirect(f"{other.url}/feed")
    other.pages["*"] = says()
    url = f"http://me:sec%20ret@127.0.0.1:{server.port}/"
    got = fetch(url, headers={"X-Key": "k"})
    assert server.headers()["authorization"] == "Basic bWU6c2VjIHJldA=="
    assert server.headers()["x-key"] == "k"
    assert got.url == f"{other.url}/feed"
    assert not {"authorization", "x-key"} & set(other.headers())
    assert "secret" not in other.heads[0]


def test_credentials_in_a_redirect_are_dropped(fetch: "Fetcher", server: "Server") -> None:
    """A server cannot make us log in somewhere."""
    server.pages["/"] = redirect(f"http://you:pass@127.0.0.1:{server.port}/feed", 301)
    server.pages["/feed"] = says()
    got = fetch(f"{server.url}/")
    assert "authorization" not in server.headers()
    assert (got.url, got.moved_to) == (f"{server.url}/feed", f"{server.url}/feed")


def test_missing_credentials_after_a_redirect_are_explained(fetch: "Fetcher", serve: "Callable[..., Server]") -> None:
    """A 401 that comes of not passing them on says so."""
    server, other = serve(), serve()
    server.pages["/"] = redirect(f"{other.url}/feed")
    other.pages["*"] = says(b"", status="401 Who")
    assert failure(fetch, f"{server.url}/", headers={"X-Key": "k"}) == (
        f" (redirected to {other.url}/feed): 401 Unauthorized; "
        "headers and passwords are not sent on to another server: set its own address if it is to have them"
    )


def test_passwords_are_not_shown(fetch: "Fetcher", server: "Server") -> None:
    """An error names the address without them."""
    server.pages["*"] = says(b"", status="404 Not Found")
    with pytest.raises(FetchError) as raised:
        fetch(f"http://me:secret@127.0.0.1:{server.port}/")
    assert str(raised.value) == f"{server.url}/: 404 Not Found"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\0b", " \n"])
def test_headers_that_cannot_be_sent_are_an_error(fetch: "Fetcher", server: "Server", value: str) -> None:
    """A line break in a setting does not become a header of its own."""
    said = failure(fetch, f"{server.url}/", headers={"X-Key": value})
    assert said == "one of the headers that were set for it cannot be sent"
    assert server.settled().heads == []


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(fetch: "Fetcher", server: "Server", status: int) -> None:
    """Five of them, relative or not; only permanent ones are remembered."""
    for number in range(5):
        server.pages[f"/{number}"] = redirect(f"{number + 1}" if number % 2 else f"{server.url}/{number + 1}", status)
    server.pages["/5"] = says()
    got = fetch(f"{server.url}/0")
    assert (got.content, got.url) == (FEED, f"{server.url}/5")
    assert got.moved_to == (f"{server.url}/5" if status in {301, 308} else None)


def test_a_sixth_redirect_is_too_many(fetch: "Fetcher", server: "Server") -> None:
    """The address that it stopped at is named."""
    for number in range(6):
        server.pages[f"/{number}"] = redirect(f"/{number + 1}")
    server.pages["/6"] = says()
    said = failure(fetch, f"{server.url}/0")
    assert said == f" (redirected to {server.url}/5): 302 Found: more than 5 redirects, one after the other"
    assert len(server.heads) == 6


@pytest.mark.parametrize("way", [["/a", "/a"], ["/a", "/b", "/a"], ["/a", "/b", "/b"]])
def test_redirects_in_a_circle_are_noticed(fetch: "Fetcher", server: "Server", way: list[str]) -> None:
    """At once, not after six rounds."""
    for here, there in pairwise(way):
        server.pages[here] = redirect(there)
    assert failure(fetch, f"{server.url}/a").endswith("302 Found: the redirects go in a circle")
    assert len(server.heads) == len(way) - 1


def test_only_an_unbroken_run_of_permanent_redirects_counts(fetch: "Fetcher", server: "Server") -> None:
    """What comes behind a temporary redirect is temporary too."""
    server.pages["/a"] = redirect("/b", 301)
    server.pages["/b"] = redirect("/c", 308)
    server.pages["/c"] = redirect("/d", 307)
    server.pages["/d"] = redirect("/e", 301)
    server.pages["/e"] = says()
    assert fetch(f"{server.url}/a").moved_to == f"{server.url}/c"
    assert fetch(f"{server.url}/c").moved_to is None


def test_a_move_is_told_with_an_unchanged_document_too(fetch: "Fetcher", server: "Server") -> None:
    """The usual answer of an old address is a redirect to a 304."""
    server.pages["/a"] = redirect("/b", 301)
    server.pages["/b"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    got = fetch(f"{server.url}/a", etag='"1"')
    assert (got.status, got.moved_to) == (304, f"{server.url}/b")


def test_a_move_to_another_server_is_not_remembered_with_credentials(
    fetch: "Fetcher", serve: "Callable[..., Server]"
) -> None:
    """They would go to the other server next time; on the same one the password stays in the address."""
    server, other = serve(), serve()
    server.pages["/away"] = redirect(f"{other.url}/feed", 301)
    server.pages["/near"] = redirect("/feed", 301)
    server.pages["/feed"] = other.pages["*"] = says()
    with_password = f"http://me:secret@127.0.0.1:{server.port}"
    assert fetch(f"{server.url}/away").moved_to == f"{other.url}/feed"
    assert fetch(f"{server.url}/away", headers={"X-Key": "k"}).moved_to is None
    assert fetch(f"{with_password}/away").moved_to is None
    assert fetch(f"{server.url}/near", headers={"X-Key": "k"}).moved_to == f"{server.url}/feed"
    assert fetch(f"{with_password}/near").moved_to == f"{with_password}/feed"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "redirected to file:///etc/passwd: only http and https are fetched"),
        ("ftp://127.0.0.1/feed", "redirected to ftp://127.0.0.1/feed: only http and https are fetched"),
        ("javascript:alert(1)", "redirected to javascript:alert(1): only http and https are fetched"),
        ("http://0x7f.1/", "redirected to http://0x7f.1/: its host is neither a valid name"),
        ("http://[::1/", "redirected to http://[::1/, which is no valid address"),
        ("http://127.0.0.1:x/", "redirected to http://127.0.0.1:x/, which is no valid address"),
        ("http://a:b@/", "redirected to http:///"),
        ("", "302 Found without saying where to (no Location)"),
    ],
)
def test_redirects_to_other_than_the_web_are_refused(
    fetch: "Fetcher", server: "Server", location: str, reason: str
) -> None:
    """Each address on the way is checked like the first."""
    server.pages["*"] = redirect(location)
    assert failure(fetch, f"{server.url}/").startswith(reason)


@pytest.mark.parametrize("host", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "[fd00::1]"])
def test_redirects_to_private_addresses_are_refused(fetch: "Fetcher", server: "Server", host: str) -> None:
    """What one server may be allowed, no redirect carries over to another."""
    server.pages["*"] = redirect(f"http://{host}/latest/meta-data/")
    with pytest.raises(Forbidden) as raised:
        fetch(f"{server.url}/", allow=parse_allowance(["127.0.0.1"]))
    assert str(raised.value).startswith(
        f"{server.url}/ (redirected to http://{host}/latest/meta-data/): {host.strip('[]')} may not be reached: "
    )


def test_a_redirect_in_raw_utf_8_is_followed(fetch: "Fetcher", server: "Server") -> None:
    """Servers write them, though the header is ASCII."""
    server.pages["/"] = redirect("/ü x").decode("latin-1").encode("utf-8")
    server.pages["/%C3%BC%20x"] = says()
    assert fetch(f"{server.url}/").url == f"{server.url}/%C3%BC%20x"


# What the server says no with


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("404 Gone fishing\x1b[31m", "404 Not Found"),
        ("500 Oops", "500 Internal Server Error"),
        ("503 Later", "503 Service Unavailable"),
        ("204 Empty", "204 No Content"),
        ("206 Part", "206 Partial Content"),
        ("300 Many", "300 Multiple Choices"),
        ("407 Who", "407 Proxy Authentication Required"),
        ("599 Odd", "599"),
    ],
)
def test_other_statuses_are_errors(fetch: "Fetcher", server: "Server", status: str, reason: str) -> None:
    """They are told by number and the standard's phrase, not by the server's own."""
    server.pages["*"] = says(b"<html>", status=status.replace("\x1b", ""))
    with pytest.raises(FetchError) as raised:
        fetch(f"{server.url}/")
    assert (str(raised.value), raised.value.status) == (f"{server.url}/: {reason}", int(status[:3]))


def test_gone_is_told_apart(fetch: "Fetcher", server: "Server") -> None:
    """A 410 speaks of the address itself, or of where it has moved for good; not of where it is sent for now."""
    server.pages["/gone"] = says(b"", status="410 Gone")
    server.pages["/moved"] = redirect("/gone", 301)
    server.pages["/elsewhere"] = redirect("/gone", 302)
    for path in ("/gone", "/moved"):
        with pytest.raises(Gone, match=r"410 Gone$") as gone:
            fetch(f"{server.url}{path}")
        assert gone.value.status == 410
    with pytest.raises(FetchError, match=r"410 Gone$") as raised:
        fetch(f"{server.url}/elsewhere")
    assert not isinstance(raised.value, Gone)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, ["Retry-After: 120"], 120),
        (429, [], 60),
        (429, ["Retry-After: soon"], 60),
        (503, ["Retry-After: 3600"], 3600),
    ],
)
def test_being_asked_to_stay_away_is_told_apart(
    fetch: "Fetcher", server: "Server", status: int, headers: list[str], seconds: int
) -> None:
    """A 429 always, with a minute where it does not say; a 503 where it says for how long."""
    server.pages["*"] = says(b"", *headers, status=f"{status} No")
    with pytest.raises(Refused) as raised:
        fetch(f"{server.url}/")
    assert (raised.value.retry_after, raised.value.status) == (timedelta(seconds=seconds), status)
    assert str(raised.value).startswith(f"{server.url}/: {status} ")


@pytest.mark.parametrize("status", [429, 503])
def test_a_date_to_come_back_is_read_by_the_servers_clock(fetch: "Fetcher", server: "Server", status: int) -> None:
    """A server whose clock is a year off means the same two hours."""
    theirs = datetime.now(UTC).replace(microsecond=0) - timedelta(days=365)
    dates = [f"Date: {format_datetime(theirs, usegmt=True)}"]
    dates += [f"Retry-After: {format_datetime(theirs + timedelta(hours=2), usegmt=True)}"]
    server.pages["*"] = says(b"", *dates, status=f"{status} No")
    with pytest.raises(Refused) as raised:
        fetch(f"{server.url}/")
    assert raised.value.retry_after == timedelta(hours=2)


def test_the_server_that_asks_to_be_left_alone_is_named(fetch: "Fetcher", serve: "Callable[..., Server]") -> None:
    """Behind a redirect it is the other one that is to be spared."""
    server, other = serve(), serve()
    server.pages["*"] = redirect(f"{other.url}/feed")
    other.pages["*"] = says(b"", status="429 No")
    with pytest.raises(Refused) as raised:
        fetch(f"{server.url}/")
    assert raised.value.url == f"{other.url}/feed"


def test_an_unreadable_wish_with_a_503_is_none(fetch: "Fetcher", server: "Server") -> None:
    """It is a failure like others."""
    server.pages["*"] = says(b"", "Retry-After: soon", status="503 No")
    with pytest.raises(FetchError, match="503 Service Unavailable") as raised:
        fetch(f"{server.url}/")
    assert not isinstance(raised.value, Refused)


# Time


HEAD = b"HTTP/1.1 200 OK\r\n"


async def _silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    "play",
    [
        _silent,
        says_for_ever(b"X", first=HEAD, pause=0.02),
        says_for_ever(b"X: y\r\n", first=HEAD, pause=0.02),
        says_for_ever(b"HTTP/1.1 103 Early Hints\r\n\r\n", pause=0.02),
        says_for_ever(b"x", first=HEAD + b"Content-Length: 100000\r\n\r\n", pause=0.02),
        says_for_ever(b"1\r\nx\r\n", first=HEAD + b"Transfer-Encoding: chunked\r\n\r\n", pause=0.02),
        says_for_ever(b"x" * 65536, first=HEAD + b"\r\n"),
        says_for_ever(b"1\r\nx\r\n" * 10_000, first=HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        says_for_ever(gzip.compress(b"") * 3000, first=HEAD + b"Content-Encoding: gzip\r\n\r\n"),
    ],
    ids=["silence", "line", "headers", "hints", "body", "chunks", "endless", "endless-chunks", "endless-members"],
)
def test_the_deadline_holds(fetch: "Fetcher", server: "Server", play: Any) -> None:
    """However slowly or endlessly a server talks, it ends in time."""
    server.pages["*"] = play
    began = time.monotonic()
    said = failure(fetch, f"{server.url}/", timeout=SHORT, max_bytes=2**40, max_decoded_bytes=2**40)
    assert said == "no whole answer within 0.4 s"
    assert time.monotonic() - began < 3


def test_the_deadline_is_for_all_redirects_together(fetch: "Fetcher", server: "Server") -> None:
    """Five slow redirects do not get five times as long."""

    def slow(to: str) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
        async def play(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.15)
            writer.write(redirect(to))

        return play

    for number in range(5):
        server.pages[f"/{number}"] = slow(f"/{number + 1}")
    server.pages["/5"] = says()
    assert failure(fetch, f"{server.url}/0", timeout=SHORT).endswith(": no whole answer within 0.4 s")


def test_the_deadline_is_for_names_too(fetch: "Fetcher") -> None:
    """A name server that does not answer takes no longer."""

    async def stuck(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(FetchError, match=r"^http://a\.example/: no whole answer within 0\.4 s$"):
        fetch.all(fetch.ask("http://a.example/", timeout=SHORT), resolve=stuck)


# Size


@pytest.mark.parametrize(
    "play",
    [
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
        HEAD + b"Content-Length: 100001\r\n\r\n" + b"x" * 100,
        says_for_ever(b"x" * 65536, first=HEAD + b"\r\n"),
        says_for_ever(b"400\r\n" + b"x" * 1024 + b"\r\n", first=HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        says_for_ever(gzip.compress(b"") * 3000, first=HEAD + b"Content-Encoding: gzip\r\n\r\n"),
    ],
)
def test_what_is_too_long_on_the_wire_is_not_taken(fetch: "Fetcher", server: "Server", play: Any) -> None:
    """Announced or not, packed or not."""
    server.pages["*"] = play
    assert failure(fetch, f"{server.url}/", max_bytes=100_000) == "it is longer than 97.66 KiB"


def test_what_is_just_short_enough_is_taken(fetch: "Fetcher", server: "Server") -> None:
    """The limits themselves are allowed."""
    server.pages["*"] = says(b"x" * 100_000)
    assert len(fetch(f"{server.url}/", max_bytes=100_000, max_decoded_bytes=100_000).content or b"") == 100_000


def test_a_bomb_does_not_go_off(fetch: "Fetcher", server: "Server") -> None:
    """A gibibyte packed into one mebibyte is given up at the limit; a small part of it is ever in memory."""
    bomb = gzip.compress(b"\0" * 2**24) * 64
    server.pages["*"] = says(bomb, "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        said = failure(fetch, f"{server.url}/", timeout=timedelta(seconds=20), max_decoded_bytes=8 * 2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert said == "it is longer than 8 MiB once it is unpacked"
    assert peak < 8 * 2**20


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_long_document_is_never_in_memory_as_a_whole(
    server: "Server", loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Neither while it comes nor while it is read, packed or not."""
    document = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(2**18))
    server.pages["/plain"] = says_in_pieces(says(document))
    server.pages["/packed"] = says_in_pieces(says(gzip.compress(document * 3, 1), "Content-Encoding: gzip"))

    async def work(path: str) -> int:
        async with Client(user_agent="feedbridge") as client:
            answer = await client.fetch(Ask(url=f"{server.url}{path}", allow=LOOPBACK, max_bytes=2**26))
            assert answer.body is not None
            with answer.body as body:
                return sum(len(piece) for piece in body.chunks())

    for path, length in (("/plain", len(document)), ("/packed", 3 * len(document))):
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(work(path))
            before = _peak_begins()
            assert runner.run(work(path)) == length
            assert _peak_ends() - before < 4 * 2**20


def _peak_begins() -> int:
    tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


def _peak_ends() -> int:
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "play",
    [
        HEAD + b"X: " + b"y" * 2**20 + b"\r\n\r\n",
        HEAD + b"X: y\r\n" * 2**18 + b"\r\n",
        says_for_ever(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 100),
    ],
)
def test_a_mebibyte_of_headers_is_not_taken(fetch: "Fetcher", server: "Server", play: Any) -> None:
    """One long, many short ones, or one interim answer after the other."""
    server.pages["*"] = play
    assert re.fullmatch("more than (64 KiB of|1,000) headers came", failure(fetch, f"{server.url}/"))


@pytest.fixture
def longest_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long each step of an event loop in this thread worked, in seconds of the processor.

    Nobody looks for garbage meanwhile: among what all tests hold, that takes longer than any step.
    """
    steps: list[float] = []
    run = asyncio.events.Handle._run

    def timed(handle: asyncio.events.Handle) -> None:
        began = time.thread_time()
        run(handle)
        steps.append(time.thread_time() - began)

    monkeypatch.setattr(asyncio.events.Handle, "_run", timed)
    gc.disable()
    yield steps
    gc.enable()


@pytest.mark.alone
@pytest.mark.parametrize(
    "play",
    [
        says(gzip.compress(b"\0" * 2**24) * 4, "Content-Encoding: gzip"),
        says(gzip.compress(b"") * 50_000, "Content-Encoding: gzip"),
        says_for_ever(b"1\r\nx\r\n" * 10_000, first=HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        says_for_ever(b"HTTP/1.1 100 \r\n\r\n" * 1000),
        HEAD + b"a:\r\n" * 16_000 + b"\r\n",
        HEAD + b"a:\r\n" * 990 + b"Content-Length: 0\r\n\r\n",
        says(b"x" * 2**24),
    ],
    ids=["bomb", "members", "chunks", "hints", "too-many-headers", "headers", "long"],
)
def test_others_do_not_wait(fetch: "Fetcher", server: "Server", longest_step: list[float], play: Any) -> None:
    """Whatever comes is worked on in steps of some milliseconds."""
    server.pages["*"] = play
    ask = fetch.ask(f"{server.url}/", timeout=timedelta(seconds=1), max_decoded_bytes=2**26)

    async def work() -> None:
        async with Client(user_agent="feedbridge") as client:
            longest_step.clear()
            await _try(client, ask)

    asyncio.run(work())
    assert max(longest_step) < 0.1


async def _try(client: Client, ask: Ask) -> str:
    """What went wrong, or nothing."""
    try:
        answer = await client.fetch(ask)
    except FetchError as error:
        return str(error)
    if answer.body is not None:
        answer.body.close()
    return ""


# Encodings


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP", "deflate", "raw deflate", "identity"])
def test_encodings_are_undone(fetch: "Fetcher", server: "Server", name: str) -> None:
    """gzip, and deflate in both of its readings."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = {"deflate": zlib.compress(FEED), "raw deflate": raw.compress(FEED) + raw.flush(), "identity": FEED}
    server.pages["*"] = says(packed.get(name, gzip.compress(FEED)), f"Content-Encoding: {name.removeprefix('raw ')}")
    got = fetch(f"{server.url}/")
    assert (got.content, got.digest) == (FEED, hashlib.sha256(FEED).hexdigest())


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (
            ["gzip, gzip"],
            gzip.compress(gzip.compress(FEED, mtime=0), mtime=0),
            "it is encoded more than once (gzip, gzip), which is not",
        ),
        (
            ["gzip", "gzip"],
            gzip.compress(gzip.compress(FEED, mtime=0), mtime=0),
            "it is encoded more than once (gzip, gzip), which is",
        ),
        (["br"], FEED, "it is encoded as br, which was not asked for"),
        (["gzip"], FEED, "it is broken: no valid gzip"),
        (["gzip"], gzip.compress(FEED, mtime=0)[:-4], "it was cut short: its gzip has no end"),
        (["gzip"], gzip.compress(FEED, mtime=0) + b"garbage", "it is broken: something else follows its end"),
    ],
)
def test_odd_encodings_are_named(
    fetch: "Fetcher", server: "Server", headers: list[str], body: bytes, reason: str
) -> None:
    """Stacked ones, ones that were not asked for, and those that are not what they say."""
    server.pages["*"] = says(body, *(f"Content-Encoding: {name}" for name in headers))
    assert failure(fetch, f"{server.url}/").startswith(reason)


def test_a_bomb_in_a_bomb_is_unpacked_once(fetch: "Fetcher", server: "Server") -> None:
    """What is inside is a document that no feed is."""
    inner = gzip.compress(b"\0" * 2**24)
    server.pages["*"] = says(gzip.compress(inner), "Content-Encoding: gzip")
    assert fetch(f"{server.url}/").content == inner


# Framing


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 21\r\n\r\n" + FEED,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n14\r\n" + FEED + b"\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n14\r\n" + FEED[:5],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + FEED,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + FEED,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + FEED,
    ],
)
def test_what_was_cut_short_is_not_taken_for_whole(fetch: "Fetcher", server: "Server", data: bytes) -> None:
    """Fewer bytes than announced, no last chunk, or chunks that are none."""
    server.pages["*"] = hangs_up_after(data)
    assert failure(fetch, f"{server.url}/") == "the answer was cut short"


def test_more_than_was_announced_is_not_taken_for_whole(fetch: "Fetcher", server: "Server") -> None:
    """Where a length is too small, the document is cut as well; a line break too many is none of it."""
    server.pages["/cut"] = HEAD + b"Content-Length: 5\r\n\r\n" + FEED
    server.pages["/break"] = says() + b"\r\n"
    assert failure(fetch, f"{server.url}/cut") == "more came than its Content-Length says: it may be cut short"
    assert fetch(f"{server.url}/break").content == FEED


@pytest.mark.parametrize("excess", [b"\r\n", b"\n\n\n", b"garbage"])
def test_what_follows_an_answer_is_not_the_next_one(fetch: "Fetcher", server: "Server", excess: bytes) -> None:
    """The next fetch has its own answer, whatever a server sent too much before."""
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nother\r\n0\r\n\r\n"
    server.pages["/a"] = (chunked if excess == b"garbage" else says(b"other")) + excess
    server.pages["/b"] = says()
    got = fetch.all(fetch.ask(f"{server.url}/a"), fetch.ask(f"{server.url}/b"))
    assert [one.content for one in got] == [b"other", FEED]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the server hung up before it had answered"),
        (b"HTTP/1.1 200 OK\r\nX", "the server hung up before it had answered"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server hung up before it had answered"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "what came is no valid HTTP answer"),
        (b"<rss/>\r\n\r\n", "what came is no valid HTTP answer"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "what came is no valid HTTP answer"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "what came is no valid HTTP answer"),
        (HEAD + b"Bad Header: x\r\n\r\n", "what came is no valid HTTP answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "what came is no valid HTTP answer"),
    ],
)
def test_what_is_no_http_is_said_so(fetch: "Fetcher", server: "Server", data: bytes, reason: str) -> None:
    """In words, without the names of our libraries."""
    server.pages["*"] = hangs_up_after(data)
    assert failure(fetch, f"{server.url}/") == reason


def test_a_reset_is_said_in_words(fetch: "Fetcher", server: "Server") -> None:
    """A connection that is torn down before or within the answer."""

    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server.pages["/"] = reset
    assert failure(fetch, f"{server.url}/") in {
        "the server hung up before it had answered",
        "the connection broke off",
    }


# Connections


def test_a_connection_that_goes_bad_is_a_fetch_error(
    fetch: "Fetcher", server: "Server", monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS may fail in the midst of an answer with an error of its own: it does not get past us."""

    async def broken(*_: object, **__: object) -> bytes:
        raise ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed (_ssl.c:2580)")

    monkeypatch.setattr(Connection, "read", broken)
    server.pages["*"] = says()
    assert failure(fetch, f"{server.url}/") == "the connection broke off (TLS failed)"


def test_a_connection_is_used_again(fetch: "Fetcher", server: "Server") -> None:
    """Two questions to one server need one connection; so do a 304 and what follows."""
    server.pages["*"] = says()
    server.pages["/same"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    asks = [fetch.ask(f"{server.url}{path}", etag='"1"') for path in ("/", "/same", "/again")]
    assert [got.status for got in fetch.all(*asks)] == [200, 304, 200]
    assert server.connections == 1


def test_a_connection_is_never_used_under_another_allowance(fetch: "Fetcher", server: "Server") -> None:
    """What was opened for a source that may is no way in for one that may not."""
    server.pages["*"] = says()
    wide = [fetch.ask(f"{server.url}/"), fetch.ask(f"{server.url}/", allow=parse_allowance(["127.0.0.1"]))]
    assert len(fetch.all(*wide)) == 2
    assert server.connections == 2
    with pytest.raises(Forbidden, match=r"may not be reached: 127\.0\.0\.1 is this machine itself"):
        fetch.all(wide[0], fetch.ask(f"{server.url}/", allow=Allowance()))
    assert server.settled().connections == 3


def test_only_so_many_connections_are_kept(
    fetch: "Fetcher", serve: "Callable[..., Server]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were used last; how many servers are asked is no matter."""
    monkeypatch.setattr(fetching, "_KEPT_ALIVE", 2)
    a, b, c = there = [serve() for _ in range(3)]
    for server in there:
        server.pages["*"] = says()
    fetch.all(*(fetch.ask(f"{server.url}/") for server in (a, b, a, c, a, c, b)))
    assert [server.connections for server in there] == [1, 2, 1]


def test_a_connection_is_not_kept_for_long(
    fetch: "Fetcher", serve: "Callable[..., Server]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed when it was of no use for a while, also if its own server is never asked again."""
    monkeypatch.setattr(fetching, "_KEPT_ALIVE_SECONDS", 0.1)
    idle, other = serve(), serve()
    for server in (idle, other):
        server.pages["*"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"

    async def work() -> tuple[int, int]:
        async with Client(user_agent="feedbridge/0") as one:
            await one.fetch(fetch.ask(f"{idle.url}/", etag='"1"'))
            before = idle.settled().open_connections
            await asyncio.sleep(0.15)
            await one.fetch(fetch.ask(f"{other.url}/", etag='"1"'))
            return before, idle.settled().open_connections

    assert asyncio.run(work()) == (1, 0)


def test_a_stale_connection_is_replaced(fetch: "Fetcher", server: "Server") -> None:
    """A server that hangs up between two questions, just as the second comes, is asked again on a new connection."""
    turns: Iterator[bytes | None] = iter([says(), None, says(b"second")])

    async def play(writer: asyncio.StreamWriter) -> None:
        turn = next(turns)
        if turn is not None:
            writer.write(turn)
            await writer.drain()
            await asyncio.sleep(0.3)

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await type(server).exchange(server, reader, writer)
        return len(server.heads) != 2

    server.pages["*"] = play
    server.exchange = keep  # type: ignore[method-assign]
    got = fetch.all(fetch.ask(f"{server.url}/"), fetch.ask(f"{server.url}/"))
    assert [one.content for one in got] == [FEED, b"second"]
    assert (len(server.heads), server.connections) == (3, 2)


def test_a_failing_server_is_asked_once(fetch: "Fetcher", server: "Server") -> None:
    """Only a connection that had been kept is a reason to ask again."""
    server.pages["*"] = hangs_up_after(b"")
    failure(fetch, f"{server.url}/")
    assert server.settled().connections == 1


# Names


def test_a_name_is_sent_as_it_is(fetch: "Fetcher", server: "Server") -> None:
    """The connection goes to the checked address, the name stays in Host."""
    server.pages["*"] = says()
    ask = fetch.ask(f"http://Feeds.Example:{server.port}/", allow=parse_allowance(["feeds.example"]))
    (got,) = fetch.all(ask, resolve=always("127.0.0.1"))
    assert server.headers()["host"] == f"feeds.example:{server.port}"
    assert got.url == f"http://feeds.example:{server.port}/"


def test_a_name_that_changes_its_answer_gains_nothing(fetch: "Fetcher", serve: "Callable[..., Server]") -> None:
    """The address that was checked is the one connected to; at the next connection it is checked anew."""
    good, bad = serve("127.0.0.2"), serve("127.0.0.3")
    good.pages["*"] = hangs_up_after(says(FEED, "Connection: close"))
    answers = [["127.0.0.2"], ["127.0.0.3"], ["127.0.0.3", "127.0.0.2"]]
    asked: list[str] = []

    async def fickle(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    async def work() -> list[str]:
        async with Client(user_agent="feedbridge", resolve=fickle) as client:
            ask = Ask(url=f"http://a.example:{good.port}/", allow=parse_allowance(["127.0.0.2"]))
            return [await _try(client, ask) for _ in answers]

    first, second, third = asyncio.run(work())
    assert (first, third, len(asked)) == ("", "", 3)
    assert "may not be reached: 127.0.0.3 is this machine itself (loopback)" in second
    assert bad.settled().connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a@127.0.0.1",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0",
        "0.0.0.0",
        "ⓛocalhost",
        "127。0。0。1",
    ],
)
def test_this_machine_is_refused_in_every_spelling(fetch: "Fetcher", server: "Server", host: str) -> None:
    """Without an allowance nothing that means loopback is connected to, with the system's own resolver."""

    async def work() -> str:
        async with Client(user_agent="feedbridge", resolve=Resolver()) as client:
            return await _try(client, fetch.ask(f"http://{host}:{server.port}/", allow=Allowance()))

    assert re.search(r"may not be reached|is neither a valid|cannot be resolved|no valid address", asyncio.run(work()))
    assert server.settled().connections == 0


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "http://", "http://a b/", "gopher://x/", "x" * 9000, "http://\ud800/", "http://[/"],
)
def test_what_is_no_web_address_is_refused(fetch: "Fetcher", url: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(FetchError):
        fetch(url)


def test_tls_is_for_the_name(fetch: "Fetcher") -> None:
    """The handshake names the host, not the address that it was resolved to; what fails in it is said in words."""
    named: list[str | None] = []

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.sni_callback = lambda _, name, __: named.append(name)

    async def work() -> str:
        listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
        async with listener, Client(user_agent="feedbridge", resolve=always("127.0.0.1")) as client:
            port = listener.sockets[0].getsockname()[1]
            return await _try(client, fetch.ask(f"https://feeds.example:{port}/"))

    said = asyncio.run(work())
    assert named == ["feeds.example"]
    assert re.search(r"^https://feeds\.example:\d+/: no safe connection \(TLS failed: [a-z0-9 ]+\)$", said)


def test_plain_text_instead_of_tls_is_said_in_words(fetch: "Fetcher", server: "Server") -> None:
    """https at a port that speaks http."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(says())
        return False

    server.exchange = plain  # type: ignore[method-assign]
    said = failure(fetch, f"https://127.0.0.1:{server.port}/")
    assert re.search(r"^no safe connection \(TLS failed: [a-z0-9 ]+\)$", said)


# Behind a proxy


def test_a_proxy_is_gone_through(fetch: "Fetcher", server: "Server", proxy: "Server") -> None:
    """It may be anywhere, has its own password, and gets names as they are."""
    server.pages["*"] = says()
    ask = fetch.ask(
        f"http://hidden.onion:{server.port}/feed",
        allow=parse_allowance([f"hidden.onion:{server.port}"]),
        proxy=f"http://me:sec%20ret@127.0.0.1:{proxy.port}",
        headers={"X-Key": "k"},
    )
    (got,) = fetch.all(ask)
    assert got.content == FEED
    assert proxy.heads[0].startswith(f"GET http://hidden.onion:{server.port}/feed HTTP/1.1\r\n")
    assert proxy.headers()["proxy-authorization"] == "Basic bWU6c2VjIHJldA=="
    assert (server.headers()["host"], server.headers()["x-key"]) == (f"hidden.onion:{server.port}", "k")
    assert "proxy-authorization" not in server.headers()


def test_tls_goes_through_a_proxy_untouched(fetch: "Fetcher", server: "Server", proxy: "Server") -> None:
    """The proxy is told the name alone; the server's answer is whatever TLS makes of it."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        server.heads.append((await reader.read(5)).hex())
        return False

    server.exchange = plain  # type: ignore[method-assign]
    url = f"https://127.0.0.1:{server.port}/secret"
    failure(fetch, url, proxy=proxy.url, headers={"X-Key": "k"})
    assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n")
    assert "secret" not in proxy.heads[0]
    assert "x-key" not in proxy.headers()
    assert server.heads[0].startswith("160301")  # the beginning of a handshake


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "localhost", "nas", "nas.local", "a.internal"])
def test_the_guard_holds_behind_a_proxy(fetch: "Fetcher", proxy: "Server", host: str) -> None:
    """The proxy does not hear of hosts that are private, or that are a local machine's by their name."""
    with pytest.raises(Forbidden, match="may not be reached"):
        fetch(f"http://{host}/", allow=Allowance(), proxy=proxy.url)
    assert proxy.settled().connections == 0


def test_a_redirect_behind_a_proxy_is_checked(fetch: "Fetcher", server: "Server", proxy: "Server") -> None:
    """Each address on the way, as without one."""
    server.pages["*"] = redirect("http://169.254.169.254/")
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254 is link-local"):
        fetch(f"{server.url}/", proxy=proxy.url)
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "127.0.0.1:3128", "http://", "ftp://a/", "http://[", ""])
def test_a_proxy_that_is_none_is_said_so(fetch: "Fetcher", address: str) -> None:
    """With the mend."""
    said = failure(fetch, "http://8.8.8.8/", proxy=address)
    assert said == 'the proxy cannot be used; give an address such as "http://proxy.example:3128"'


def test_a_proxy_that_is_down_is_named(fetch: "Fetcher", proxy: "Server", server: "Server") -> None:
    """So is one that does not connect us."""
    proxy.pages["*"] = b""
    said = failure(fetch, f"{server.url}/", proxy="http://127.0.0.1:1")
    assert said == "no connection to 127.0.0.1 at 127.0.0.1, port 1 (Connection refused)"


def test_a_proxy_that_does_not_connect_us_is_named(fetch: "Fetcher", server: "Server") -> None:
    """Its answer to CONNECT is told."""
    server.pages["*"] = says(b"", status="403 Forbidden")
    said = failure(fetch, "https://127.0.0.1/", proxy=server.url)
    assert said == "the proxy does not connect us (403 Forbidden)"
