"""Sites that do their worst, and a daemon that goes on as if nothing were: a process of its own, on loopback."""

import asyncio
import gzip
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Answer, Daemon, Site, Web

    Start = Callable[..., Daemon]

pytestmark = pytest.mark.alone

DAEMON_BYTES = 150e6
CHILD_BYTES = 400e6


# What sites answer


def whole(body: bytes, *headers: str, status: str = "200 OK") -> "Answer":
    """An answer as it should be, once its headers are known."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return says("\r\n".join([*lines, "", ""]).encode() + body)


def says(*pieces: bytes) -> "Answer":
    async def answer() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return answer


def drips(first: bytes, drop: bytes) -> "Answer":
    """Never ends, a few bytes at a time."""

    async def answer() -> AsyncIterator[bytes]:
        yield first
        while True:
            await asyncio.sleep(0.1)
            yield drop

    return answer


def pours(first: bytes, flood: bytes) -> "Answer":
    """Never ends, as fast as it is taken."""

    async def answer() -> AsyncIterator[bytes]:
        yield first
        while True:
            yield flood

    return answer


def moved(to: str) -> "Answer":
    return whole(b"", f"Location: {to}", status="302 Found")


def rss(inside: bytes, before: bytes = b"") -> bytes:
    head = b'<?xml version="1.0"?>' + before + b'<rss version="2.0"><channel><title>A site</title>'
    return head + b"<link>http://site.example/</link>" + inside + b"</channel></rss>"


def item(number: object, more: bytes = b"") -> bytes:
    title = f"<title>Item {number}</title><link>http://site.example/{number}</link>"
    return b"<item>" + title.encode() + more + b"</item>"


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{one} "{f"&a{one - 1};" * 10}">' for one in range(1, 10))
    + "]><rss><channel><title>&a9;</title></channel></rss>"
)
"""An entity bomb, the billion laughs."""

CHAIN = "".join(f'<!ENTITY e{one} "&e{one + 1};">' for one in range(30_000)).encode()
"""30,000 entities, each in the one before: it takes expat down, and the process that it runs in."""

FRONT, END = rss(b"").split(b"</channel>")[0], b"</channel></rss>"
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
PACKED = "Content-Encoding: gzip"


def bad_answers(port: int) -> dict[str, tuple["Answer", str]]:
    """What hostile sites answer, by name, and what is then to be said of them (a pattern)."""
    spaces = b" " * 1000
    bomb = gzip.compress(spaces * 200_000, 1)
    attributes = b" ".join(b'a%d="x"' % one for one in range(100_000))
    entities = "the XML declares entities"
    giant = FRONT + b"<item><description>" + b"word " * 10_000_000 + b"</description></item>" + END
    slow = "no whole answer within 3 s$"
    return {
        "slow-headers": (drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"), slow),
        "slow-body": (drips(OK + b"\r\n", b" "), slow),
        "silent": (drips(b"", b""), slow),
        "endless": (pours(OK + b"\r\n", b" " * 65536), "longer than 10 MiB$"),
        "endless-headers": (pours(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), "more than 1,000 headers came$"),
        "long-headers": (whole(b"", "X: " + "x" * 2**20), "more than 64 KiB of headers came$"),
        "bomb": (whole(bomb, PACKED), "longer than 50 MiB once it is unpacked$"),
        "bomb-in-bomb": (whole(gzip.compress(bomb), f"{PACKED}, gzip"), "encoded more than once"),
        "bomb-as-feed": (whole(gzip.compress(bomb), PACKED), "a gzip file came$"),
        "circle": (moved("/circle"), "the redirects go in a circle$"),
        "loopback": (moved(f"http://127.0.0.2:{port}/"), r"127\.0\.0\.2 is this machine itself"),
        "private": (moved("http://10.0.0.1/"), r"10\.0\.0\.1 is in a private network"),
        "file": (moved("file:///etc/passwd"), "only http and https are fetched$"),
        "cut": (says(OK + b"Content-Length: 1000\r\n\r\n" + rss(item(1))), "the answer was cut short$"),
        "more": (says(OK + b"Content-Length: 20\r\n\r\n" + rss(item(1))), "more came than its Content-Length says"),
        "chunks": (says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + rss(item(1))), "the answer was cut short$"),
        "deep": (whole(rss(item(1, b"<a>" * 100_000))), "nested deeper than 500 elements$"),
        "laughs": (whole(LAUGHS.encode()), entities),
        "laughs-in-utf-16": (whole(LAUGHS.encode("utf-16")), entities),
        "chain": (whole(rss(item(1, b"&e0;"), b"<!DOCTYPE rss [" + CHAIN + b"]>")), entities),
        "attributes": (whole(rss(b"<item " + attributes + b"/>")), "a tag or a comment of more than 1 MiB$"),
        "elements": (whole(gzip.compress(rss(b"<x/>" * 1_500_000), 1), PACKED), "within 20 s$|needs more memory"),
        "giant": (whole(gzip.compress(giant, 1), PACKED), "nothing that can be taken .*: its content is too long"),
    }


def odd_answers() -> dict[str, tuple["Answer", int, str | None]]:
    """What is read for all its oddity: by name, with the articles in it, and what is said of the rest."""
    words = b"<description>" + b"word " * 25 + b"</description>"
    entries = gzip.compress(FRONT + b"".join(item(one, words) for one in range(100_000)) + END, 1)
    return {
        "entries": (whole(entries, PACKED), 5000, "95,000 entries more than are read"),
        "author": (whole(rss(item(1, b"<author>" + b"a@b (" * 200_000 + b"</author>"))), 1, None),
        "halves": (whole(rss(item(1, b"<description>&#xD83D;&#x110000;</description>"))), 1, None),
    }


# What is seen of the daemon


class Watch:
    """Looks at a daemon all along: its memory and that of its children, and how soon it answers."""

    def __init__(self, daemon: "Daemon") -> None:
        self.largest: dict[int, int] = {}
        self.seconds: list[float] = []
        self._daemon = daemon
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._look), threading.Thread(target=self._ask)]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def told(self) -> str:
        """The figures, for whoever looks at them."""
        own = self.largest[self._daemon.process.pid]
        child = max(size for pid, size in self.largest.items() if pid != self._daemon.process.pid)
        return f"daemon {own / 1e6:.0f} MB, reader {child / 1e6:.0f} MB, /healthz at most {max(self.seconds):.3f} s"

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for pid in (self._daemon.process.pid, *self._daemon.children()):
                self.largest[pid] = max(self.largest.get(pid, 0), most_resident(pid))

    def _ask(self) -> None:
        while not self._over.wait(0.02):
            began = time.monotonic()
            assert self._daemon.get("/healthz").status_code == 200
            self.seconds.append(time.monotonic() - began)


def most_resident(pid: int) -> int:
    """The most memory that a process ever had, bytes; 0 if it is gone."""
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1]) * 1024
    return 0


def lateness(times: list[float], every: float) -> float:
    """By how much the longest wait between two requests was longer than it should be; seconds."""
    return max(later - earlier for earlier, later in pairwise(times)) - every


def is_gone(pid: int, *, seconds: float = 10) -> bool:
    """Whether a process that was killed is gone, once the system has had time to bury it."""
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def growing(web: "Web", name: str) -> "Answer":
    """A feed with a new entry at each request."""

    async def answer() -> AsyncIterator[bytes]:
        body = rss(item(f"{name}-{len(web.times(f'/{name}'))}"))
        yield OK + b"Content-Length: %d\r\n\r\n" % len(body) + body

    return answer


def test_hostile_sites_harm_themselves_alone(site: "Site", web: "Web", start: "Start") -> None:
    """Each ends in time with its own error; meanwhile the others are refreshed in time, the daemon answers at once and
    stays small, as do its readers; told to end, it ends, and so do they.
    """
    site.sources, site.options["pause"] = [], "0s"
    bad, odd = bad_answers(web.port), odd_answers()
    steady, lively = [f"steady-{number}" for number in range(10)], [f"lively-{number}" for number in range(10)]
    good = {name: whole(rss(item(name))) for name in steady} | {name: growing(web, name) for name in lively}
    answers = {name: one for name, (one, *_) in (bad | odd).items()} | good
    for number, (name, answer) in enumerate(answers.items()):
        web.answers[f"/{name}"] = answer
        every = "2s" if name in good else "1h"
        site.add_feed(name, f"http://127.0.1.{number + 1}:{web.port}/{name}", every=every, timeout="3s")
    daemon = start(site)
    daemon.wait(daemon.answers)
    began = time.monotonic()

    def all_have_ended() -> bool:
        told = {line["source"] for event in ("refresh", "left out") for line in daemon.lines(event)}
        return told >= bad.keys() | odd.keys()

    with Watch(daemon) as watch:
        daemon.wait(all_have_ended, seconds=150)  # how long each took is looked at below
        time.sleep(max(0.0, began + 25 - time.monotonic()))
    asked = {name: len(web.times(f"/{name}")) for name in lively}
    status, left_out = daemon.status(), {line["source"]: line["reason"] for line in daemon.lines("left out")}
    took = {line["source"]: line["seconds"] for line in daemon.lines("refresh") if line["source"] not in good}
    readers = daemon.children()
    ended = daemon.stop()

    for name, (_, error) in bad.items():
        assert re.search(error, status[name]["last_error"] or "none"), name
        assert (status[name]["articles"], status[name]["failures"]) == (0, 1)
        assert took[name] < 60, name  # three seconds for the answer, then one long page after the other is read
    for name, (_, count, said) in odd.items():
        assert (status[name]["last_error"], status[name]["articles"]) == (None, count), name
        assert (said or "") in left_out.get(name, ""), name
        assert took.get(name, 0) < 60, name
    late, later = (max(lateness(web.times(f"/{name}"), 2) for name in names) for names in (steady, lively))
    print(f"\n{watch.told()}; latest {late:.2f} s, {later:.2f} s to be read; ended within {ended[1]:.2f} s")
    assert late < 10  # a long page alone takes twice as long
    assert later < 15  # there is a reader that the long pages leave to them
    assert {name: status[name]["articles"] for name in steady} == dict.fromkeys(steady, 1)
    assert all(status[name]["articles"] >= asked[name] - 2 for name in lively)
    assert watch.largest[daemon.process.pid] < DAEMON_BYTES
    assert max(size for pid, size in watch.largest.items() if pid != daemon.process.pid) < CHILD_BYTES
    assert max(watch.seconds) < 2
    assert ended[0] == 0
    assert ended[1] < 5
    assert readers
    assert all(is_gone(pid) for pid in readers)
    assert "Traceback" not in daemon.log.read_text()


def test_a_few_that_hang_delay_nobody(site: "Site", web: "Web", start: "Start") -> None:
    """195 of 200 sources are refreshed in time while 5 are stuck."""
    site.sources, site.options["pause"] = [], "0s"
    names = [f"site-{number}" for number in range(200)]
    stuck = names[::40]
    for number, name in enumerate(names):
        body = rss(item(name))
        web.answers[f"/{name}"] = drips(OK, b"X") if name in stuck else whole(body)
        every, timeout = ("1s", "90s") if name in stuck else ("3s", "30s")
        site.add_feed(name, f"http://127.0.1.{number + 1}:{web.port}/{name}", every=every, timeout=timeout)
    daemon = start(site)
    well = [name for name in names if name not in stuck]
    daemon.wait(lambda: all(len(web.times(f"/{name}")) >= 4 for name in well), seconds=80)
    late = {name: lateness(web.times(f"/{name}")[1:], 3) for name in well}
    print(f"\nlatest {max(late.values()):.2f} s")
    assert max(late.values()) < 12  # the stuck are stuck for much longer
    assert all(len(web.times(f"/{name}")) == 1 for name in stuck)
    status = daemon.status()
    assert {name: status[name]["articles"] for name in names} == {name: int(name in well) for name in names}
    code, took = daemon.stop()
    assert (code, took < 5) == (0, True)
    assert "Traceback" not in daemon.log.read_text()
