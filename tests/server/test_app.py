"""The application behind a real server, asked by httpx and by hand-written requests."""

import gzip
import logging
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import brotli
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from feedbridge.server import app as app_module
from feedbridge.server import shelf as shelf_module
from feedbridge.server.respond import LargeFile

from .conftest import Site

Serve = Callable[..., Site]


def raw(site: Site, request: bytes) -> bytes:
    """Send bytes as they are, and give all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def ask(site: Site, target: bytes, method: bytes = b"GET") -> bytes:
    return raw(site, method + b" " + target + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")


def test_both_validators_give_304(serve: Serve) -> None:
    """Tag and date of an answer, sent back, give 304 with the same headers; also from another server."""
    for _ in range(2):
        site = serve()
        for coding in ("identity", "gzip", "br"):
            whole = site.get("/feeds/news.atom", accept_encoding=coding)
            validators = {"if_none_match": whole.headers["etag"]}, {"if_modified_since": whole.headers["last-modified"]}
            for validator in validators:
                again = site.get("/feeds/news.atom", accept_encoding=coding, **validator)
                assert (again.status_code, again.content) == (304, b"")
                for name in ("etag", "last-modified", "cache-control", "vary"):
                    assert again.headers[name] == whole.headers[name]


def test_a_304_lasts_as_long_as_the_file(serve: Serve) -> None:
    """Who asks again and again is told of every change: of the file, of how long it may be kept, and of its end."""
    ages = {"feeds/news.atom": 60}
    site = serve(max_age=lambda name: ages[name])
    path = site.root / "feeds/news.atom"
    before = site.get("/feeds/news.atom")

    def again() -> httpx.Response:
        return site.get("/feeds/news.atom", if_none_match=before.headers["etag"])

    assert [again().status_code for _ in range(3)] == [304, 304, 304]
    ages["feeds/news.atom"] = 77
    assert again().headers["cache-control"] == "public, max-age=77"
    path.write_bytes(before.content + b"<!-- new -->")
    assert again().status_code == 200
    path.write_bytes(before.content)
    assert [again().status_code for _ in range(3)] == [304, 304, 304]
    path.unlink()
    assert again().status_code == 404


def test_a_304_hides_no_file_that_goes_before(serve: Serve) -> None:
    """Below a base path two files may be meant: the first is answered as soon as it is there."""
    site = serve(base_path="/feeds/")
    etag = site.get("/feeds/news.atom").headers["etag"]
    assert [site.get("/feeds/news.atom", if_none_match=etag).status_code for _ in range(2)] == [304, 304]
    (site.root / "news.atom").write_text("<feed/>")
    assert site.get("/feeds/news.atom", if_none_match=etag).text == "<feed/>"


def test_many_tags_take_no_memory(site: Site) -> None:
    """However many tags a client names, and however long they are, they are not kept."""
    etag = site.get("/feeds/news.atom").headers["etag"]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with httpx.Client(headers={"accept-encoding": "identity"}) as client:
            for number in range(4500):
                tags = f'"{number:0{240 if number % 3 else 7000}}", {etag}'
                answer = client.get(f"{site.url}/feeds/news.atom", headers={"if-none-match": tags})
                assert answer.status_code == 304
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 1_500_000


def test_a_tag_of_one_server_serves_at_the_next(serve: Serve) -> None:
    """Readers get 304 after the program was started anew."""
    etag = serve().get("/feeds/news.atom").headers["etag"]
    assert serve().get("/feeds/news.atom", if_none_match=etag).status_code == 304


def test_codings_differ_in_tag_and_hold_the_same(site: Site) -> None:
    """Each coding unpacks to the file and has a tag of its own; caches are told what the answer hangs on."""
    whole = (site.root / "feeds/news.atom").read_bytes()
    unpack: dict[str, Callable[[bytes], bytes]] = {
        "identity": bytes,
        "gzip": gzip.decompress,
        "br": brotli.decompress,
    }
    etags = set()
    for coding, unpacked in unpack.items():
        with httpx.stream("GET", site.url + "/feeds/news.atom", headers={"accept-encoding": coding}) as answer:
            body = b"".join(answer.iter_raw())
        assert unpacked(body) == whole
        assert answer.headers.get("content-encoding", "identity") == coding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(body)
        etags.add(answer.headers["etag"])
    assert len(etags) == 3


def test_the_file_time_is_last_modified(site: Site) -> None:
    """Last-Modified is the file's own time, in whole seconds."""
    os.utime(site.root / "feeds/news.atom", ns=(0, 1_689_154_743_999_999_999))
    assert site.get("/feeds/news.atom").headers["last-modified"] == formatdate(1_689_154_743, usegmt=True)


def test_head_equals_get(site: Site) -> None:
    """HEAD has the headers of GET and no body, for files and for what is not there."""
    for path in ("/feeds/news.atom", "/", "/nothing.atom", "/healthz"):
        for coding in ("identity", "br"):
            head, get = (
                httpx.request(method, site.url + path, headers={"accept-encoding": coding})
                for method in ("HEAD", "GET")
            )
            assert head.status_code == get.status_code
            assert head.content == b""
            assert drop_date(head) == drop_date(get)


def drop_date(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers.multi_items() if name != "date"]


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/feeds/news.atom", "application/atom+xml; charset=utf-8"),
        ("/feeds/news.rss", "application/rss+xml; charset=utf-8"),
        ("/feeds/news.json", "application/feed+json; charset=utf-8"),
        ("/feeds.opml", "text/x-opml; charset=utf-8"),
        ("/", "text/html; charset=utf-8"),
    ],
)
def test_media_types(site: Site, path: str, media_type: str) -> None:
    """Each kind of file says what it is, and forbids guessing; nothing tells what serves it."""
    answer = site.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    assert "date" in answer.headers


def test_feeds_name_themselves_and_their_hub(serve: Serve) -> None:
    """Feeds link to their public address and to the hub, and say how long they keep."""
    site = serve(
        base_url="https://feeds.example/sub/",
        hub="https://hub.example/",
        max_age=lambda name: 900 if name == "feeds/news.atom" else 60,
    )
    feed, page = site.get("/feeds/news.atom"), site.get("/")
    assert feed.headers["link"] == (
        '<https://feeds.example/sub/feeds/news.atom>; rel="self", <https://hub.example/>; rel="hub"'
    )
    assert feed.headers["access-control-allow-origin"] == "*"
    assert feed.headers["cache-control"] == "public, max-age=900"
    assert page.headers["cache-control"] == "public, max-age=60"
    assert "link" not in page.headers


def test_a_rewritten_file_is_served_at_once(site: Site) -> None:
    """The next answer after a change has the new bytes and another tag, and the old tag is no longer current."""
    old = site.get("/feeds/news.atom")
    (site.root / "feeds/.new").write_bytes(b"<feed>new</feed>")
    (site.root / "feeds/.new").replace(site.root / "feeds/news.atom")
    new = site.get("/feeds/news.atom", if_none_match=old.headers["etag"])
    assert (new.status_code, new.content) == (200, b"<feed>new</feed>")
    assert new.headers["etag"] != old.headers["etag"]


@pytest.mark.parametrize("base_path", ["/sub/", "/feeds/"])
def test_a_path_in_front_may_be_there_or_not(serve: Serve, base_path: str) -> None:
    """Published below a path, files and pages answer with it and without it."""
    site = serve(base_path=base_path)
    for path in ("/feeds/news.atom", "/", "/healthz"):
        assert site.get(path).status_code == 200
        assert site.get(base_path.rstrip("/") + path).status_code == 200
    assert site.get("/other/feeds/news.atom").status_code == 404


def test_the_absolute_form_is_understood(site: Site) -> None:
    """A request line may hold the whole address (RFC 9112 section 3.2.2)."""
    assert ask(site, b"http://x/feeds/news.atom").startswith(b"HTTP/1.1 200 ")
    assert ask(site, b"http://x/").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "target",
    [
        b"/../secret.html",
        b"/feeds/../../secret.html",
        b"/..%2fsecret.html",
        b"/%2e%2e/secret.html",
        b"/%2e%2e%2fsecret.html",
        b"/%252e%252e/secret.html",
        b"//secret.html",
        b"//../secret.html",
        b"/..\\secret.html",
        b"/..%5csecret.html",
        b"/index.html%00.atom",
        b"/%00",
        b"/%c0%ae%c0%ae/secret.html",
        b"/%e0%80%ae%e0%80%ae/secret.html",
        b"/%ff",
        b"/%",
        b"/.%00./secret.html",
        b"/feeds/..;/..;/secret.html",
        b"/feeds/",
        b"/feeds",
        b"/out.html",
        b"http://x/../secret.html",
        b"*",
        b"secret.html",
        b"?",
    ],
)
def test_no_target_leads_out(site: Site, caplog: pytest.LogCaptureFixture, target: bytes) -> None:
    """However a path is spelt, it stays inside: 4xx, without a word in the log."""
    (site.root.parent / "secret.html").write_text("secret")
    (site.root / "out.html").symlink_to("../secret.html")
    answer = ask(site, target)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"secret" not in answer
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"PROPFIND", b"BREW"])
@pytest.mark.parametrize("path", [b"/feeds/news.atom", b"/nothing", b"/healthz"])
def test_other_methods_are_refused(site: Site, method: bytes, path: bytes) -> None:
    """Anything but GET and HEAD is answered with 405 and what is allowed, or refused as no HTTP."""
    answer = ask(site, path, method)
    assert answer.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 400 "))
    assert b"allow: " in answer.lower() or answer.startswith(b"HTTP/1.1 400 ")


def test_what_is_not_there_is_404(site: Site) -> None:
    """A path without a file gives plain text, and is kept by nobody."""
    answer = site.get("/feeds/none.atom")
    assert (answer.status_code, answer.text) == (404, "not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["vary"] == "Accept-Encoding"


def test_ranges_are_not_served(site: Site) -> None:
    """A request for a part gets the whole, and is told that there are no parts (RFC 9110 section 14.3)."""
    answer = site.get("/feeds/news.atom", range="bytes=0-9")
    assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
    assert answer.content == (site.root / "feeds/news.atom").read_bytes()


def test_concurrent_requests_for_a_cold_file_load_it_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty clients that ask for one cold file at once cost one read."""
    reads = []
    real = shelf_module._read_file

    def slow(*arguments: object) -> object:
        reads.append(arguments)
        time.sleep(0.3)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shelf_module, "_read_file", slow)
    gate = threading.Barrier(40)

    def fetch(_: int) -> bytes:
        gate.wait()
        return ask(site, b"/feeds/news.atom")

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(fetch, range(40)))
    assert len({answer.partition(b"\r\n\r\n")[2] for answer in answers}) == 1
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert len(reads) == 1


def test_large_files_are_sent_from_disk(serve: Serve) -> None:
    """A file too large for memory comes whole, uncompressed, with validators, and without being kept."""
    site = serve(max_bytes=400_000)
    whole = os.urandom(3_000_000)
    (site.root / "big.jpg").write_bytes(whole)
    answer = site.get("/big.jpg", accept_encoding="br")
    assert answer.content == whole
    assert "content-encoding" not in answer.headers
    assert site.get("/big.jpg", if_none_match=answer.headers["etag"]).status_code == 304
    assert httpx.head(site.url + "/big.jpg").headers["content-length"] == "3000000"
    assert site.shelf.kept_bytes < 10_000


@pytest.mark.parametrize("max_bytes", [1 << 20, 64 << 20])
def test_a_file_replaced_while_it_is_sent_is_whole(serve: Serve, max_bytes: int) -> None:
    """Whoever has begun to read gets the old file to its end, whether it is sent from memory or from disk."""
    site = serve(max_bytes=max_bytes)
    target = site.root / "big.jpg"
    target.write_bytes(b"a" * 12_000_000)
    with httpx.stream("GET", site.url + "/big.jpg") as answer:
        pieces = answer.iter_raw()
        body = next(pieces)
        (site.root / ".beside").write_bytes(b"b" * 5_000_000)
        (site.root / ".beside").replace(target)
        body += b"".join(pieces)
    assert body == b"a" * 12_000_000
    assert site.get("/big.jpg").content == b"b" * 5_000_000


def test_a_large_file_replaced_before_it_is_sent_is_looked_up_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look-up and the sending another file may take the place; then that one comes, whole."""
    site = serve(max_bytes=1 << 20)
    target = site.root / "big.jpg"
    target.write_bytes(b"a" * 2_000_000)
    real = shelf_module.open_large
    news = [b"b" * 3_000_000, b"c" * 10]

    def late(file: LargeFile) -> int | None:
        if news:
            (site.root / ".beside").write_bytes(news.pop(0))
            (site.root / ".beside").replace(target)
        return real(file)

    monkeypatch.setattr(app_module, "open_large", late)
    assert site.get("/big.jpg").content == b"c" * 10


def test_conditional_requests_leave_memory_flat(site: Site) -> None:
    """10,000 requests, conditional, for many missing paths and with odd headers, keep nothing."""
    etag = site.get("/feeds/news.atom").headers["etag"].encode()
    site.get("/feeds/news.rss")

    def burst(first: int) -> None:
        numbers = range(first, first + 50)
        requests = b"".join(
            b"GET /feeds/news.atom HTTP/1.1\r\nhost: x\r\nif-none-match: %b\r\n\r\n"
            b"HEAD /feeds/news.rss HTTP/1.1\r\nhost: x\r\naccept-encoding: br;q=0.%03d, x%d\r\n"
            b'if-none-match: "%d"\r\nif-modified-since: %d\r\n\r\n'
            b"GET /feeds/%d.atom?%d HTTP/1.1\r\nhost: x\r\n\r\n" % (etag, n % 1000, n, n, n, n, n)
            for n in numbers
        )
        answers = raw(site, requests + b"GET /feeds.opml HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        counts = [answers.count(b"HTTP/1.1 %d " % status) for status in (304, 404, 200)]
        assert counts == [50, 50, 51]

    for first in range(0, 500, 50):
        burst(first)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for first in range(500, 3850, 50):
            burst(first)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 300_000


def test_health_never_touches_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """`/healthz` says that the process lives, even where the folder cannot be read."""

    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(shelf_module.Shelf, "look", broken)
    answer = site.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert site.get("/feeds/news.atom").status_code == 503


def test_ready_when_no_check_complains(serve: Serve) -> None:
    """`/readyz` names each check and is 200 when all are well."""
    site = serve(checks={"store": lambda: None, "output": lambda: None})
    answer = site.get("/readyz")
    assert (answer.status_code, answer.text) == (200, "store: ok\noutput: ok\n")


def test_not_ready_says_why(serve: Serve) -> None:
    """A complaint, or an error in a check, makes it 503 with the reason in one line."""

    def broken() -> str | None:
        raise RuntimeError("no\nstore")

    site = serve(checks={"store": broken, "output": lambda: "not written for 3 h", "loop": lambda: None})
    answer = site.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "store: RuntimeError: no store\noutput: not written for 3 h\nloop: ok\n"


def test_a_check_that_hangs_is_a_complaint(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that does not answer in time is named; asking again starts no second one."""
    monkeypatch.setattr(app_module, "READY_SECONDS", 0.1)
    release = threading.Event()
    begun = []

    def hang() -> str | None:
        begun.append(1)
        release.wait(20)
        return None

    site = serve(checks={"disk": hang, "store": lambda: None})
    for _ in range(3):
        answer = site.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "disk: no answer within 0.1 s\nstore: ok\n")
    assert len(begun) == 1
    release.set()


def test_metrics_count_what_was_answered(site: Site) -> None:
    """`/metrics` is Prometheus text, and holds the answers and bytes so far."""
    body = site.get("/feeds/news.atom").content
    site.get("/none")
    answer = site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {
        (sample.name, sample.labels.get("class")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["feedbridge_responses_total", "2xx"] == 1
    assert found["feedbridge_responses_total", "4xx"] == 1
    assert found["feedbridge_served_bytes_total", None] == len(body) + len("not found\n")


def test_an_unexpected_error_tells_nothing(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours is 500 in plain text; the cause is in the log, once a minute."""

    def broken(_: str) -> int:
        raise RuntimeError("a secret")

    site = serve(max_age=broken)
    with caplog.at_level(logging.WARNING):
        answers = [site.get("/feeds/news.atom") for _ in range(5)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(500, "internal error\n")}
    assert "secret" not in answers[0].text
    assert len([record for record in caplog.records if record.msg.startswith("a request failed")]) <= 1


def test_a_page_of_the_callers_own(serve: Serve) -> None:
    """Routes that are handed in answer below their first segment; an error in one is a plain 500."""

    async def page(request: Request) -> PlainTextResponse:
        if request.path_params["name"] == "bad":
            raise RuntimeError("a secret")
        return PlainTextResponse(request.path_params["name"])

    site = serve(routes=[Route("/pages/{name}", page)], base_path="/sub/")
    assert site.get("/sub/pages/a").text == "a"
    bad = site.get("/pages/bad")
    assert (bad.status_code, bad.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert "secret" not in bad.text


def test_an_unreadable_file_is_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without free handles what is in memory is still served, and the rest is 503 for the moment."""
    known = site.get("/feeds/news.atom").content

    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(shelf_module, "_read_file", none_left)
    assert site.get("/feeds/news.atom").content == known
    answer = site.get("/feeds/news.rss")
    assert (answer.status_code, answer.text) == (503, "cannot be read just now\n")


def test_the_folder_may_come_later(serve: Serve, published: Path) -> None:
    """While nothing is published yet all is 404, and it is served as soon as it is there."""
    published.rename(published.parent / "aside")
    site = serve()
    assert site.get("/feeds/news.atom").status_code == 404
    (published.parent / "aside").rename(published)
    assert site.get("/feeds/news.atom").status_code == 200
