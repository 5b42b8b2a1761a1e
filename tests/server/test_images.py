"""Pictures through the proxy: a real server on loopback as their host, and the real client, guard and server."""

import asyncio
import gc
import io
import os
import random
import socket
import struct
import threading
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from feedbridge.fetch.body import Body
from feedbridge.fetch.client import Answer, Client
from feedbridge.pictures.cache import Cache, Label
from feedbridge.pictures.fetching import ACCEPT, MAX_BYTES, fetching
from feedbridge.pictures.keys import Keys
from feedbridge.pictures.kinds import Kind, identify
from feedbridge.pictures.referers import Referers
from feedbridge.pictures.resize import Shape
from feedbridge.reach import parse_allowance
from feedbridge.server import images
from feedbridge.server.images import PLACEHOLDER, ImageProxy, image_routes, opening, wanted

from .conftest import Site

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
}
Play = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


# Pictures


def png(width: int, height: int, body: bytes, *, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )


def photo(size: int = 1000) -> bytes:
    """A picture of about so many bytes, none like the other."""
    return png(100, 100, os.urandom(size))


def jpeg() -> bytes:
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 2, 3, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + frame + b"\xff\xda\0\x08\1\1\0\0\x3f\0\0\xff\xd9"


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("run.class", b"\xca\xfe\xba\xbe")
    return packed.getvalue()


def bomb() -> bytes:
    """900 million pixels in 109 kB."""
    squeeze, row = zlib.compressobj(9), bytes(1 + 30_000 // 8)
    return png(30_000, 30_000, b"".join([*(squeeze.compress(row) for _ in range(30_000)), squeeze.flush()]), depth=1)


# Their host


def says(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(to: str) -> bytes:
    return says(b"", f"Location: {to}", status="302 Found")


class Host:
    """A server at 127.0.0.1 that says what a test wants said, by path; bytes, or a function that writes."""

    def __init__(self) -> None:
        self.pages: dict[str, Play] = {}
        self.heads: list[str] = []
        self.sent = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> int:
        return sum(head.split(" ")[1] == path for head in self.heads)

    def headers(self) -> dict[str, str]:
        """The headers of the last request, by name in lower case."""
        lines = self.heads[-1].split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}

    def close(self) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError), closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                page = self.pages[head.split(" ")[1]]
                if not isinstance(page, bytes):
                    await page(writer)
                    return
                writer.write(page)
                await writer.drain()

    async def for_ever(self, writer: asyncio.StreamWriter) -> None:
        """Answer with a picture that does not end."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + png(100, 100, b"")[:40])
        while True:
            writer.write(bytes(65536))
            self.sent += 65536
            await writer.drain()

    @staticmethod
    async def never(_: asyncio.StreamWriter) -> None:
        """Say nothing."""
        await asyncio.sleep(60)


def slowly(answer: bytes, seconds: float) -> Play:
    async def play(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(answer)
        await writer.drain()

    return play


# The proxy


async def at_home(_host: str, _port: int) -> Sequence[str]:
    """Every name is this machine."""
    return ["127.0.0.1"]


class Gallery:
    """A site with the proxy, and a host of pictures that it may reach.

    Attributes:
        now: The time for keys.
        later: So many seconds the proxy's clock is ahead.
        log: Every line that was logged.
    """

    def __init__(self, folder: Path, start: Callable[..., Site], **parts: Any) -> None:
        self.now = NOON
        self.later = 0.0
        self.host = Host()
        self.folder = folder
        self.keys = Keys(folder / "image-keys")
        self.cache = Cache(folder / "pictures", max_bytes=parts.pop("cache_bytes", 256 * 2**20))
        self.cache.prepare()
        self.client = Client(user_agent="feedbridge/0 (+https://feeds.example/)", resolve=parts.pop("resolve", at_home))
        allow = parse_allowance([f"127.0.0.1:{self.host.port}"])
        fetch = fetching(
            self.client,
            allow=allow,
            timeout=parts.pop("timeout", timedelta(seconds=5)),
            max_bytes=parts.pop("max_bytes", MAX_BYTES),
        )
        parts = {"fetch": fetch, "referers": Referers(), **parts}
        self.proxy = ImageProxy(
            self.keys,
            self.cache,
            now=lambda: self.now,
            clock=lambda: time.monotonic() + self.later,
            **parts,
        )
        self.site = start(routes=image_routes(self.proxy))

    def show(self, page: Play, path: str = "/picture") -> str:
        """Let the host say something; gives the signed path of it."""
        self.host.pages[path] = page
        return self.path(self.host.url + path)

    def path(self, address: str) -> str:
        return "/" + self.keys.sign(address)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.request(method, self.site.url + path, headers=sent, timeout=30)

    def left_over(self) -> list[Path]:
        """Files of the cache that are being written."""
        return list((self.folder / "pictures").glob("*.feedbridge-tmp"))

    def close(self) -> None:
        self.site.call(self.proxy.aclose())
        self.site.call(self.client.__aexit__(None, None, None))
        self.host.close()


@pytest.fixture
def galleries(tmp_path: Path, serve: Callable[..., Site]) -> Iterator[Callable[..., Gallery]]:
    """Makes galleries, with parts of the proxy."""
    made: list[Gallery] = []

    def make(**parts: Any) -> Gallery:
        folder = tmp_path / f"gallery-{len(made)}"
        folder.mkdir()
        made.append(Gallery(folder, serve, **parts))
        return made[-1]

    yield make
    for gallery in made:
        gallery.close()


@pytest.fixture
def gallery(galleries: Callable[..., Gallery]) -> Gallery:
    """One with nothing special."""
    return galleries()


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("date", "connection")}


def assert_placeholder(answer: httpx.Response, status: int) -> None:
    assert (answer.status_code, answer.content) == (status, PLACEHOLDER)
    assert headers_of(answer).items() >= {**SAFE, "content-type": "image/gif"}.items()
    assert answer.headers["cache-control"] == "no-store" or "max-age" in answer.headers["cache-control"]
    assert "immutable" not in answer.headers["cache-control"]


# A picture that is there


def test_a_picture_comes_through(gallery: Gallery) -> None:
    """With these headers and no others, the second time from the cache."""
    picture = photo()
    path = gallery.show(says(picture, "Content-Type: image/png"))
    for _ in range(2):
        answer = gallery.get(path)
        assert (answer.status_code, answer.content) == (200, picture)
        etag = answer.headers["etag"]
        assert len(etag) == 34
        assert headers_of(answer) == {
            **SAFE,
            "cache-control": "public, max-age=31536000, immutable",
            "etag": etag,
            "content-type": "image/png",
            "accept-ranges": "bytes",
            "content-length": str(len(picture)),
        }
    assert gallery.host.asked("/picture") == 1


def test_nothing_of_a_request_goes_on(gallery: Gallery) -> None:
    """The picture's host learns nothing of who looks at it."""
    path = gallery.show(says(photo()))
    gallery.get(
        path,
        cookie="a=b",
        referer="https://reader.example/private",
        authorization="Basic YTpi",
        user_agent="Mozilla/5.0",
        accept_language="zh",
        x_forwarded_for="192.0.2.1",
        range="bytes=0-1",
        if_none_match='"a"',
    )
    assert gallery.host.headers() == {
        "host": f"127.0.0.1:{gallery.host.port}",
        "user-agent": "feedbridge/0 (+https://feeds.example/)",
        "accept": ACCEPT,
        "accept-encoding": "gzip, deflate",
    }


def test_nothing_of_an_answer_comes_back(gallery: Gallery) -> None:
    """But the picture, whatever is said of it."""
    said = [
        "Content-Type: text/html",
        "Set-Cookie: a=b",
        "Content-Disposition: attachment; filename=a.exe",
        "Refresh: 0; url=https://a.example/",
        "Access-Control-Allow-Origin: *",
        "Cache-Control: no-store",
        "Link: <https://a.example/>; rel=preload",
        'ETag: "theirs"',
    ]
    answer = gallery.get(gallery.show(says(jpeg(), *said)))
    assert answer.headers["content-type"] == "image/jpeg"
    allowed = {*SAFE, "cache-control", "etag", "content-type", "accept-ranges", "content-length", "date", "connection"}
    assert set(answer.headers) <= allowed
    assert "theirs" not in answer.headers["etag"]


def test_hosts_get_the_referer_that_they_want(galleries: Callable[..., Gallery]) -> None:
    """By the table; on the way to another host it is not sent on."""
    gallery = galleries(referers=Referers({"127.0.0.1": "https://page.example/"}))
    gallery.get(gallery.show(says(photo())))
    assert gallery.host.headers()["referer"] == "https://page.example/"


def test_a_picture_outlives_its_host_and_the_program(gallery: Gallery, serve: Callable[..., Site]) -> None:
    """What was fetched once is shown after a new start, though its host is gone."""
    picture = photo()
    path = gallery.show(says(picture))
    gallery.get(path)
    gallery.host.pages.clear()

    async def nothing(_address: str, _referer: str | None) -> Answer:
        raise AssertionError("is fetched again")

    proxy = ImageProxy(Keys(gallery.folder / "image-keys"), gallery.cache, nothing, referers=Referers())
    site = serve(routes=image_routes(proxy))
    assert httpx.get(site.url + path).content == picture
    site.call(proxy.aclose())


def test_a_picture_is_found_below_a_base_path(gallery: Gallery, serve: Callable[..., Site]) -> None:
    """Where the site has a folder of its own on its host."""
    picture = photo()
    path = gallery.show(says(picture))
    site = serve(routes=image_routes(gallery.proxy), base_path="/news/")
    gallery.get(path)  # the proxy serves one event loop; from here on the picture is at hand
    assert httpx.get(f"{site.url}/news{path}").content == picture


def test_pictures_are_made_smaller_where_that_is_wanted(galleries: Callable[..., Gallery]) -> None:
    """Once, when they come; what cannot be made smaller is shown as it is."""
    image = pytest.importorskip("PIL.Image")
    wide = io.BytesIO()
    image.frombytes("RGB", (800, 400), random.Random(1).randbytes(960_000)).save(wide, "PNG")
    gallery = galleries(shape=Shape(width=200, form="WEBP"))
    made = gallery.get(gallery.show(says(wide.getvalue()), "/wide"))
    kind = identify(made.content)
    assert kind == Kind(media_type="image/webp", ending="webp", width=200, height=100)
    assert made.headers["content-type"] == "image/webp"
    assert gallery.get(gallery.show(says(jpeg()), "/odd")).content == jpeg()


# Ranges, validators, HEAD


def test_a_picture_that_is_known_is_not_sent(gallery: Gallery) -> None:
    """304 repeats the headers that matter (RFC 9110, 15.4.5)."""
    path = gallery.show(says(photo()))
    etag = gallery.get(path).headers["etag"]
    for sent in (etag, f"W/{etag}", f'"a", {etag}', "*"):
        answer = gallery.get(path, if_none_match=sent, range="bytes=0-3")
        assert (answer.status_code, answer.content) == (304, b"")
        kept = {**SAFE, "etag": etag, "cache-control": "public, max-age=31536000, immutable"}
        assert headers_of(answer) == kept
    assert gallery.get(path, if_none_match='"a"').status_code == 200


def test_head_equals_get(gallery: Gallery) -> None:
    """HEAD has the headers of GET and no body, for pictures, placeholders and refusals."""
    there = gallery.show(says(photo(200_000)), "/there")
    gone = gallery.show(says(b"", status="404 Not Found"), "/gone")
    for path in (there, gone, "/img/a/b", "/img"):
        head, get = gallery.ask("HEAD", path), gallery.get(path)
        assert head.status_code == get.status_code
        assert headers_of(head) == headers_of(get)
        assert head.content == b"" != get.content
    assert gallery.ask("HEAD", there, range="bytes=0-1").status_code == 200


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 150_000)),
        ("bytes=10-19", (10, 20)),
        ("BYTES= 149999-", (149_999, 150_000)),
        ("bytes=140000-999999999", (140_000, 150_000)),
        ("bytes=-1", (149_999, 150_000)),
        ("bytes=-999999", (0, 150_000)),
        ("bytes=1-140000", (1, 140_001)),
    ],
)
def test_a_range_is_served(gallery: Gallery, asked: str, part: tuple[int, int]) -> None:
    """One range, by its first and last byte, or from the end (RFC 9110, 14.1.2)."""
    picture = photo(150_000)[:150_000]
    answer = gallery.get(gallery.show(says(picture)), range=asked)
    assert (answer.status_code, answer.content) == (206, picture[slice(*part)])
    assert answer.headers["content-range"] == f"bytes {part[0]}-{part[1] - 1}/150000"
    assert answer.headers["content-length"] == str(part[1] - part[0])


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_outside_is_refused(gallery: Gallery, asked: str) -> None:
    """The answer says how long the picture is."""
    answer = gallery.get(gallery.show(says(photo()[:1000])), range=asked)
    assert answer.status_code == 416
    assert headers_of(answer).items() >= {**SAFE, "content-range": "bytes */1000"}.items()


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,3-4", "bytes=5-4", "bytes=-", "bytes=", "bytes", "items=0-1", "bytes=a-b", "bytes=0-1x", "bytes=٣-٤"],
)
def test_other_ranges_are_overlooked(gallery: Gallery, asked: str) -> None:
    """The whole picture comes (RFC 9110, 14.2)."""
    picture = photo()
    path = gallery.show(says(picture))
    answer = httpx.get(gallery.site.url + path, headers=[(b"range", asked.encode())])
    assert (answer.status_code, answer.content) == (200, picture)


def test_a_range_of_another_picture_is_not_served(gallery: Gallery) -> None:
    """If-Range compares strongly; else the whole comes (RFC 9110, 13.1.5)."""
    path = gallery.show(says(photo()))
    etag = gallery.get(path).headers["etag"]
    statuses = {
        sent: gallery.get(path, range="bytes=0-1", if_range=sent).status_code
        for sent in (etag, f"W/{etag}", '"a"', "Fri, 20 Nov 2026 12:00:00 GMT")
    }
    assert list(statuses.values()) == [206, 200, 200, 200]


LABEL = Label(
    kind=Kind(media_type="image/gif", ending="gif", width=1, height=1), size=1000, digest="0" * 64, fetched=NOON
)


@given(st.text("bytes=-, 0123456789", max_size=20) | st.text(max_size=20), st.sampled_from(["GET", "HEAD"]))
def test_any_range_has_an_honest_answer(asked: str, method: str) -> None:
    """Status, Content-Length and what follows belong together."""
    sent = [(b"range", b"bytes=" + asked.encode(errors="replace"))]
    reply, part = opening(method, wanted(sent), LABEL)
    length = int(dict(reply.headers)[b"content-length"])
    assert reply.status in (200, 206, 416)
    if reply.status == 416:
        assert length == len(reply.body) if isinstance(reply.body, bytes) else False
    elif method == "GET":
        assert length == len(part) > 0
        assert part.start >= 0
        assert part.stop <= 1000
    else:
        assert (length, len(part), reply.status) == (1000, 0, 200)


def test_absurdly_long_headers_are_overlooked() -> None:
    """They count as absent."""
    assert wanted([(b"range", b"bytes=0-" + b" " * 9000), (b"if-none-match", b"a," * 9000)]) == wanted([])


# Who may ask


def refused(gallery: Gallery, path: str) -> None:
    answer = gallery.get(path)
    assert answer.status_code == 403
    assert answer.text == "no picture was published at this address\n"
    assert headers_of(answer) == {
        **SAFE,
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "vary": "Accept-Encoding",
        "content-length": "41",
    }


def test_a_changed_signature_is_refused(gallery: Gallery) -> None:
    """Whatever is changed of it; also when the picture is there."""
    _, img, signature, encoded = gallery.show(says(photo())).split("/")
    assert gallery.get(f"/{img}/{signature}/{encoded}").status_code == 200
    for changed in (signature[::-1], signature[:-1], signature + "A", "A" * 43, "", "%00" * 43):
        refused(gallery, f"/img/{changed}/{encoded}")


def test_a_changed_address_is_refused(gallery: Gallery) -> None:
    """Be it another one or another spelling of the same; its host is not asked."""
    signature = gallery.show(says(photo())).split("/")[2]
    for other in (
        f"{gallery.host.url}/picture?",
        f"{gallery.host.url}/other",
        "http://127.0.0.1/",
        "file:///etc/passwd",
    ):
        encoded = gallery.path(other).split("/")[3]
        refused(gallery, f"/img/{signature}/{encoded}")
    assert gallery.host.heads == []


def test_an_expired_key_is_refused(gallery: Gallery) -> None:
    """Old links are good until its time is over."""
    path = gallery.show(says(photo()))
    gallery.keys.rotate(now=NOON, keep_for=timedelta(days=30))
    gallery.now = NOON + timedelta(days=29)
    assert gallery.get(path).status_code == 200
    gallery.now = NOON + timedelta(days=30)
    refused(gallery, path)
    assert gallery.get(gallery.path(f"{gallery.host.url}/picture")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/img",
        "/img/",
        "/img/a",
        "/img/a/b",
        "/img/a/b/c",
        "/img//",
        "/img/?url=http://127.0.0.1/",
        "/img/http://127.0.0.1/",
    ],
)
def test_what_is_not_signed_is_refused(gallery: Gallery, path: str) -> None:
    """There is no way to ask for an address but by a signed path."""
    refused(gallery, path)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_other_methods_are_refused(gallery: Gallery, method: str) -> None:
    """405 says what is allowed; the picture's host is not asked."""
    answer = gallery.ask(method, gallery.show(says(photo())))
    assert answer.status_code == 405
    assert headers_of(answer).items() >= {**SAFE, "allow": "GET, HEAD", "cache-control": "no-store"}.items()
    assert answer.headers["content-type"].startswith("text/plain")
    assert gallery.host.heads == []


# What may be reached


def test_a_signed_private_address_is_guarded(gallery: Gallery, log: list[MutableMapping[str, Any]]) -> None:
    """What a hostile article named may be signed, and is not reached all the same."""
    other = Host()
    try:
        for address in (
            f"{other.url}/",
            "http://169.254.169.254/latest/",
            "http://[::1]/",
            "ftp://a.example/",
            "http://[",
        ):
            assert_placeholder(gallery.get(gallery.path(address)), 502)
        assert other.heads == []
    finally:
        other.close()
    assert "127.0.0.1 may not be reached" in log[0]["error"]
    assert len(log) == 5


def test_a_redirect_to_a_private_address_is_refused(gallery: Gallery) -> None:
    """Each step is checked; the other machine is not connected to."""
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.settimeout(0.2)
        path = gallery.show(redirect(f"http://127.0.0.1:{inner.getsockname()[1]}/admin.png"))
        assert_placeholder(gallery.get(path), 502)
        with pytest.raises(TimeoutError):
            inner.accept()


def test_a_name_that_turns_private_is_refused(galleries: Callable[..., Gallery]) -> None:
    """What is checked is the address that is connected to."""
    asked: list[str] = []

    async def turning(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.1"]

    gallery = galleries(resolve=turning)
    assert_placeholder(gallery.get(gallery.path("http://pictures.example/a.png")), 502)
    assert asked == ["pictures.example"]


# What is no picture


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (lambda: b"<!doctype html><script>alert(1)</script>", 415, "what came is an HTML page"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", 415, "what came is SVG"),
        (bomb, 415, "what came has 30,000 × 30,000 pixels"),
        (lambda: jpeg() + archive(), 415, "what came is JPEG and a ZIP archive at once"),
        (lambda: b"", 415, "what came is empty"),
        (lambda: b"GIF", 415, "what came is text"),
    ],
)
def test_what_is_no_picture_is_refused(
    gallery: Gallery, log: list[MutableMapping[str, Any]], content: Callable[[], bytes], status: int, reason: str
) -> None:
    """It is said once in the log, remembered, and not kept; its header makes no picture of it."""
    body = content()
    path = gallery.show(says(body, "Content-Type: image/png"))
    for _ in range(3):
        assert_placeholder(gallery.get(path), status)
    assert gallery.host.asked("/picture") == 1
    assert [(line["event"], line["url"], line["status"]) for line in log] == [
        ("picture not shown", f"{gallery.host.url}/picture", status)
    ]
    assert log[0]["error"].startswith(reason)
    assert gallery.cache.used() == 0
    assert gallery.left_over() == []


def test_the_bomb_is_as_small_as_it_is_said_to_be() -> None:
    """So that the test above means something."""
    assert 100_000 < len(bomb()) < 120_000


def test_an_endless_body_is_cut_off(galleries: Callable[..., Gallery], log: list[MutableMapping[str, Any]]) -> None:
    """Not much more than the limit is taken, and nothing is kept."""
    gallery = galleries(max_bytes=2**20)
    path = gallery.show(gallery.host.for_ever)
    for _ in range(2):
        assert_placeholder(gallery.get(path), 502)
    assert gallery.host.asked("/picture") == 1
    assert 2**20 <= gallery.host.sent < 20 * 2**20
    assert [line["error"] for line in log] == [f"{gallery.host.url}/picture: it is longer than 1 MiB"]
    assert (gallery.cache.used(), gallery.left_over()) == (0, [])


def test_a_body_that_swells_is_cut_off(galleries: Callable[..., Gallery]) -> None:
    """The limit holds for what it unpacks to."""
    gallery = galleries(max_bytes=2**20)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([squeeze.compress(png(100, 100, b"")), *(squeeze.compress(bytes(2**20)) for _ in range(100))])
    assert_placeholder(gallery.get(gallery.show(says(packed + squeeze.flush(), "Content-Encoding: gzip"))), 502)
    assert gallery.left_over() == []


def test_a_picture_too_large_for_the_cache_is_refused(galleries: Callable[..., Gallery]) -> None:
    """One picture may not throw out most of the others."""
    gallery = galleries(cache_bytes=2**20)
    assert_placeholder(gallery.get(gallery.show(says(photo(300_000)))), 415)
    assert gallery.get(gallery.show(says(photo(200_000)), "/other")).status_code == 200


# What fails


@pytest.mark.parametrize(
    ("answer", "status", "cache_control"),
    [
        (says(b"not here", status="404 Not Found"), 404, "public, max-age=600"),
        (says(b"", status="410 Gone"), 404, "public, max-age=600"),
        (says(b"", status="403 Forbidden"), 502, "public, max-age=59"),
        (says(b"", status="500 Internal Server Error"), 502, "public, max-age=59"),
        (b"rubbish\r\n\r\n", 502, "public, max-age=59"),
        (says(b"", status="503 Service Unavailable"), 502, "public, max-age=59"),
        (says(b"", "Retry-After: 120", status="503 Service Unavailable"), 503, "no-store"),
        (says(b"", "Retry-After: 120", status="429 Too Many Requests"), 503, "no-store"),
    ],
)
def test_a_failure_has_a_clear_status(gallery: Gallery, answer: bytes, status: int, cache_control: str) -> None:
    """And a pixel that shows nothing; caches may keep it for a short while."""
    got = gallery.get(gallery.show(answer))
    assert_placeholder(got, status)
    assert got.headers["cache-control"][:18] == cache_control[:18]
    assert 0 < int((got.headers["cache-control"] + "=1").split("=")[1]) <= 600
    if status == 503:
        assert 110 < int(got.headers["retry-after"]) <= 120


def test_a_late_answer_is_told_as_such(galleries: Callable[..., Gallery]) -> None:
    """Nothing at all within the time, or no whole picture."""
    gallery = galleries(timeout=timedelta(seconds=0.3))
    assert_placeholder(gallery.get(gallery.show(Host.never)), 504)


def test_a_host_that_is_not_there_is_told(gallery: Gallery) -> None:
    """As a failure that may pass."""
    path = gallery.path(f"{gallery.host.url}/picture")
    gallery.host.close()
    assert_placeholder(gallery.get(path), 502)
    gallery.host = Host()


@pytest.mark.parametrize(
    ("answer", "minutes"),
    [
        (says(b"", status="404 Not Found"), 60),
        (says(b"text"), 60),
        (says(b"", status="500 Internal Server Error"), 10),
        (says(b"", "Retry-After: 120", status="429 Too Many Requests"), 2),
        (says(b"", "Retry-After: 999999", status="429 Too Many Requests"), 60),
    ],
)
def test_a_failure_is_remembered_for_a_while(
    gallery: Gallery, log: list[MutableMapping[str, Any]], answer: bytes, minutes: int
) -> None:
    """Then the picture is tried again, and shown if it is there; a failure is logged once for each time."""
    path = gallery.show(answer)
    gallery.get(path)
    gallery.later = minutes * 60 - 5
    gallery.get(path)
    assert (gallery.host.asked("/picture"), len(log)) == (1, 1)
    gallery.later = minutes * 60 + 5
    gallery.get(path)
    assert (gallery.host.asked("/picture"), len(log)) == (2, 2)
    gallery.later *= 2
    gallery.show(says(photo()))
    assert gallery.get(path).status_code == 200
    assert len(log) == 2


def test_a_host_that_asks_for_peace_has_it(gallery: Gallery, log: list[MutableMapping[str, Any]]) -> None:
    """None of its pictures is fetched until then; those that are kept are shown, and other hosts are asked."""
    kept = gallery.show(says(photo()), "/kept")
    gallery.get(kept)
    busy = gallery.show(says(b"", "Retry-After: 60", status="429 Too Many Requests"), "/busy")
    other = gallery.show(says(photo()), "/other")
    elsewhere = gallery.path(f"http://elsewhere.example:{gallery.host.port}/elsewhere")
    gallery.host.pages["/elsewhere"] = says(photo())
    assert_placeholder(gallery.get(busy), 503)
    assert_placeholder(gallery.get(other), 503)
    assert gallery.get(kept).status_code == 200
    assert gallery.get(elsewhere).status_code == 200
    assert gallery.host.asked("/other") == 0
    gallery.later = 61
    assert gallery.get(other).status_code == 200
    assert [line["status"] for line in log] == [503]


def test_a_full_disk_is_told(
    gallery: Gallery, log: list[MutableMapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As something that passes; the next try is soon."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = gallery.show(says(photo()))
    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", full)
        assert_placeholder(gallery.get(path), 503)
    assert log[0]["error"] == "the picture cannot be kept (No space left on device)"
    gallery.later = 61
    assert gallery.get(path).status_code == 200


def test_passwords_are_not_logged(gallery: Gallery, log: list[MutableMapping[str, Any]]) -> None:
    """An address may have one."""
    gallery.host.pages["/a"] = says(b"", status="404 Not Found")
    gallery.get(gallery.path(f"http://me:secret@127.0.0.1:{gallery.host.port}/a"))
    assert len(log) == 1
    assert "secret" not in str(log)


def test_few_failures_are_remembered(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest of them."""
    monkeypatch.setattr(images, "MAX_FAILURES", 3)
    paths = [gallery.show(says(b"", status="404 Not Found"), f"/{number}") for number in range(5)]
    for path in [*paths, *paths[3:], paths[0]]:
        gallery.get(path)
    assert [gallery.host.asked(f"/{number}") for number in range(5)] == [2, 1, 1, 1, 1]


def test_the_placeholder_is_a_picture() -> None:
    """Of one pixel that cannot be seen."""
    assert identify(PLACEHOLDER) == Kind(media_type="image/gif", ending="gif", width=1, height=1)
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(PLACEHOLDER)) as pixel:
        assert pixel.convert("RGBA").getpixel((0, 0))[3] == 0


# Many at once


def test_many_who_ask_make_one_request(gallery: Gallery) -> None:
    """A hundred at the same time have the picture from one fetch."""
    picture = photo(200_000)
    path = gallery.show(slowly(says(picture), 0.5))
    with ThreadPoolExecutor(100) as readers:
        answers = list(readers.map(lambda _: gallery.get(path), range(100)))
    assert all((answer.status_code, answer.content) == (200, picture) for answer in answers)
    assert gallery.host.asked("/picture") == 1


def test_who_leaves_keeps_nobody_from_the_picture(gallery: Gallery) -> None:
    """The first who asked is cancelled; the others have the picture, from the one fetch that was begun."""
    gallery.show(slowly(says(photo()), 0.4))

    async def ask() -> list[object]:
        asked = [asyncio.create_task(gallery.proxy.get(f"{gallery.host.url}/picture")) for _ in range(5)]
        await asyncio.sleep(0.1)
        asked[0].cancel()
        asked[3].cancel()
        return [type(found).__name__ for found in await asyncio.gather(*asked, return_exceptions=True)]

    assert gallery.site.call(ask()) == ["CancelledError", "Held", "Held", "CancelledError", "Held"]
    assert gallery.host.asked("/picture") == 1


def test_when_all_leave_the_picture_comes_all_the_same(gallery: Gallery) -> None:
    """It is there for who asks next."""
    path = gallery.show(slowly(says(photo()), 0.3))
    with socket.create_connection(("127.0.0.1", gallery.site.server.port)) as left:
        left.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        time.sleep(0.1)
    time.sleep(0.5)
    assert gallery.get(path).status_code == 200
    assert gallery.host.asked("/picture") == 1


def test_a_slow_host_keeps_nobody_from_another(gallery: Gallery) -> None:
    """However many of its pictures are asked for, few are fetched at once, and there is room for other hosts."""
    paths = [f"/never?{number}" for number in range(40)]
    gallery.host.pages |= dict.fromkeys(paths, Host.never)
    gallery.host.pages["/picture"] = says(photo())

    async def ask() -> tuple[int, str]:
        addresses = [f"http://slow.example:{gallery.host.port}{path}" for path in paths]
        waiting = [asyncio.create_task(gallery.proxy.get(address)) for address in addresses]
        async with asyncio.timeout(10):
            while len(gallery.host.heads) < images.AT_ONCE_PER_HOST:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # no more of them come
        begun = len(gallery.host.heads)
        async with asyncio.timeout(10):
            other = await gallery.proxy.get(f"http://quick.example:{gallery.host.port}/picture")
        for task in waiting:
            task.cancel()
        return begun, type(other).__name__

    assert gallery.site.call(ask()) == (images.AT_ONCE_PER_HOST, "Held")


def test_nobody_waits_for_ever(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has waited long enough is told so; the picture comes, and is there for who asks again."""
    monkeypatch.setattr(images, "WAIT_SECONDS", 0.2)
    path = gallery.show(slowly(says(photo()), 0.6))
    assert_placeholder(gallery.get(path), 504)
    end = time.monotonic() + 10
    while gallery.get(path).status_code != 200:
        assert time.monotonic() < end
    assert gallery.host.asked("/picture") == 1


def test_a_long_line_is_not_made_longer(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes too late is asked to come again."""
    monkeypatch.setattr(images, "MAX_WAITING", 1)
    first = gallery.show(slowly(says(photo()), 1.5), "/first")
    second = gallery.show(says(photo()), "/second")
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(gallery.get, first)
        end = time.monotonic() + 10
        while not gallery.host.asked("/first"):
            assert time.monotonic() < end
            time.sleep(0.01)
        late = gallery.get(second)
        assert_placeholder(late, 503)
        assert int(late.headers["retry-after"]) <= 10
        assert waiting.result().status_code == 200
    assert gallery.get(second).status_code == 200


# Memory


def large(size: int) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """A picture that is never whole in memory."""

    async def play(writer: asyncio.StreamWriter) -> None:
        head = png(100, 100, b"")[:40]
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + head)
        left = size - len(head)
        while left:
            writer.write(bytes(min(left, 65536)))
            left -= min(left, 65536)
            await writer.drain()

    return play


def test_a_large_picture_is_not_held_in_memory(gallery: Gallery) -> None:
    """Neither as it comes nor as it goes out."""
    path = gallery.show(large(19 * 2**20))
    gallery.get(gallery.show(says(photo()), "/warm"))
    tracemalloc.start()
    try:
        for _ in range(2):
            with httpx.stream("GET", gallery.site.url + path) as answer:
                assert sum(len(piece) for piece in answer.iter_raw(65536)) == 19 * 2**20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_slow_reader_holds_a_small_part(gallery: Gallery) -> None:
    """What was not taken yet is read when it is."""
    path = gallery.show(large(19 * 2**20))
    gallery.get(path)
    tracemalloc.start()
    try:
        readers = [socket.create_connection(("127.0.0.1", gallery.site.server.port)) for _ in range(10)]
        for reader in readers:
            reader.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        time.sleep(1)
        peak = tracemalloc.get_traced_memory()[1]
        for reader in readers:
            reader.close()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 2**20


def test_memory_is_flat_over_ten_thousand_pictures(tmp_path: Path) -> None:
    """Each comes once and is asked for twice; memory and open files stay as they were after the first of them."""
    cache = Cache(tmp_path / "pictures", max_bytes=64 * 2**20)
    cache.prepare()
    keys = Keys(tmp_path / "image-keys")
    fetched = 0

    async def fetch(address: str, _referer: str | None) -> Answer:
        nonlocal fetched
        fetched += 1
        body = Body()
        body.write(png(100, 100, address.encode() * 150))
        return Answer(status=200, url=address, moved_to=None, headers={}, body=body, digest=None)

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def show(proxy: ImageProxy, number: int) -> None:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        rest = keys.sign(f"https://host-{number % 8}.example/{number}.png").removeprefix("img/")
        scope = {"type": "http", "method": "GET", "headers": [], "path_params": {"rest": rest}}
        for _ in range(2):
            await proxy(scope, receive, send)
        assert [status for status in statuses if status] == [200, 200]  # whatever pieces they came in

    async def show_all(proxy: ImageProxy, numbers: range) -> None:
        for start in range(numbers.start, numbers.stop, 20):
            await asyncio.gather(*(show(proxy, number) for number in range(start, start + 20)))
        gc.collect()

    async def work() -> tuple[int, int, int]:
        proxy = ImageProxy(keys, cache, fetch, referers=Referers())
        await show_all(proxy, range(2000))
        resident, handles = in_use()
        await show_all(proxy, range(2000, 8800))
        tracemalloc.start()
        await show_all(proxy, range(8800, 9000))
        before = tracemalloc.get_traced_memory()[0]
        await show_all(proxy, range(9000, 10_000))
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        resident_now, handles_now = in_use()
        await proxy.aclose()
        return grown, resident_now - resident, handles_now - handles

    grown, resident, handles = asyncio.run(work())
    assert fetched == 10_000
    assert grown < 100 * 1024
    assert resident < 16 * 2**20
    assert handles <= 0
    assert 32 * 2**20 < cache.used() <= 64 * 2**20


def in_use() -> tuple[int, int]:
    """Bytes of memory, and open files, of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
