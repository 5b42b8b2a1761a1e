"""The picture proxy: `/img/<signature>/<address>`, for what feedbridge itself published and nothing else.

Nothing of a request goes on to the picture's host, and nothing of that host's answer but the picture comes back.
"""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from feedbridge.asking import body_of, without_user
from feedbridge.errors import FetchError, Refused
from feedbridge.fetch.client import Answer
from feedbridge.logs import logger
from feedbridge.pictures.cache import CAN_READ_AT_ONCE, Cache, Held, Label
from feedbridge.pictures.fetching import Fetch
from feedbridge.pictures.keys import Keys
from feedbridge.pictures.kinds import Unfit
from feedbridge.pictures.referers import Referers
from feedbridge.pictures.resize import Shape
from feedbridge.reach import host_of, refuse_url
from feedbridge.server.respond import ALLOWED, Headers, Reply, plain

WAIT_SECONDS = 30.0
"""Nobody waits longer for a picture; it is fetched all the same, and there when it is asked for again."""

AT_ONCE = 16
AT_ONCE_PER_HOST = 4
"""So many pictures are fetched at the same time, so that one slow host does not keep the others waiting."""

MAX_WAITING = 512
"""With so many pictures still to be fetched, no further one is begun."""

MAX_FAILURES = 10_000
"""So many are remembered."""

PASSING = timedelta(minutes=10)
LASTING = timedelta(hours=1)
"""How long a failure is remembered: one that may pass, and one that rarely does."""

PLACEHOLDER = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""A GIF of one pixel that cannot be seen."""

SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
"""Every answer has these."""

_KEPT_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
_BUSY = timedelta(seconds=10)
_DISK = timedelta(minutes=1)
_CHUNK = 64 * 1024
_FINDERS, _TAKERS = 4, 4
_AT_HAND, _SMALL = 64, 512 * 1024
_SHOWN_LENGTH = 300
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})", re.ASCII | re.IGNORECASE)
_READ = (b"if-none-match", b"range", b"if-range")
_LONGEST_HEADER = 8192


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a picture is not shown.

    Attributes:
        status: That is answered.
        until: For so long it is remembered, in seconds of the proxy's clock.
    """

    status: int
    until: float


class _NoPicture(Exception):  # noqa: N818  (an answer, not a fault)
    """What came is not shown as a picture."""


def image_routes(proxy: "ImageProxy") -> list[BaseRoute]:
    """The routes of the proxy, for `make_app`."""
    return [Route("/img", proxy), Route("/img/{rest:path}", proxy)]


class ImageProxy:
    """Answers for pictures; for one event loop. `aclose` ends what is being fetched.

    A picture is fetched once for all who ask for it at the same time, and again only when it has been thrown out of
    the cache. What fails is logged once, and not tried again for a while.

    Args:
        keys: That signed the addresses.
        cache: Prepared.
        fetch: Fetches a picture.
        referers: What is sent with that.
        shape: What pictures are made into; None: left as they are.
        now: The time, aware.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        keys: Keys,
        cache: Cache,
        fetch: Fetch,
        *,
        referers: Referers,
        shape: Shape | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._cache = cache
        self._fetch = fetch
        self._referers = referers
        self._shape = shape
        self._now = now
        self._clock = clock
        self._largest = cache.max_bytes // 4
        self._turns = _Turns()
        self._finders = ThreadPoolExecutor(_FINDERS, "pictures")
        self._takers = ThreadPoolExecutor(_TAKERS, "new-pictures")
        self._fetches: dict[str, asyncio.Task[Failure | None]] = {}
        self._at_hand: OrderedDict[str, Held] = OrderedDict()
        self._failures = _Failures(clock)
        self._waits = _Failures(clock)

    async def aclose(self) -> None:
        """End what is being fetched."""
        under_way = list(self._fetches.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._at_hand.clear()
        self._finders.shutdown(wait=False, cancel_futures=True)
        self._takers.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["method"] not in ALLOWED:
            await _give(_refusal(405, "method not allowed", (b"allow", b"GET, HEAD")), send)
            return
        signature, _, encoded = scope.get("path_params", {}).get("rest", "").partition("/")
        address = self._keys.verify(signature, encoded, now=self._now())
        if address is None:
            await _give(_refusal(403, "no picture was published at this address"), send)
            return
        found = await self.get(address)
        if isinstance(found, Failure):
            await _give(placeholder(found, now=self._clock()), send, with_body=scope["method"] == "GET")
            return
        await _send(found, scope, receive, send)

    async def get(self, address: str) -> Held | Failure:
        """The picture at an address, or why there is none."""
        name = self._name(address)
        if held := self._at_hand.get(name):
            self._at_hand.move_to_end(name)
            if self._cache.is_touch_due(held):
                self._finders.submit(self._cache.touch, held)
            return held
        try:
            if held := await self._open(name):
                return held
            if failure := self._failures.get(name) or self._waits.get(_host(address)):
                return failure
            if name not in self._fetches and len(self._fetches) >= MAX_WAITING:
                return self._passing(503, _BUSY)
            fetch = self._fetches.get(name) or self._begin(name, address)
            async with asyncio.timeout(WAIT_SECONDS):
                failure = await asyncio.shield(fetch)
            return failure or await self._open(name) or self._passing(503, _BUSY)
        except TimeoutError:
            return self._passing(504, _BUSY)
        except OSError as error:
            return self._failed(name, address, 503, _DISK, f"the cache cannot be read ({error.strerror or error})")

    async def _open(self, name: str) -> Held | None:
        """Open a picture, and keep a small one open for those who ask for it next."""
        held = await asyncio.get_running_loop().run_in_executor(self._finders, self._cache.find, name)
        if held is not None and held.label.size <= _SMALL:
            self._at_hand[name] = held
            if len(self._at_hand) > _AT_HAND:
                self._at_hand.popitem(last=False)
        return held

    def _begin(self, name: str, address: str) -> "asyncio.Task[Failure | None]":
        task = asyncio.create_task(self._bring(name, address))
        self._fetches[name] = task
        task.add_done_callback(_look_at)
        return task

    async def _bring(self, name: str, address: str) -> Failure | None:
        """Bring a picture into the cache; whoever asked may have left meanwhile."""
        try:
            if refusal := refuse_url(address):
                raise FetchError(f"{_shown(address)}: {refusal}")
            async with self._turns.at(_host(address)):
                if failure := self._waits.get(_host(address)):  # told to another while this one stood in line
                    return failure
                if await self._open(name) is None:  # nor has it come since somebody looked
                    answer = await self._fetch(address, self._referers.of(address))
                    await asyncio.get_running_loop().run_in_executor(self._takers, self._take, name, answer)
                return None
        except Refused as error:
            wait = max(min(error.retry_after, LASTING), timedelta(seconds=1))
            failure = self._failed(name, address, 503, wait, str(error))
            self._waits.put(_host(error.url or address), failure)
            return failure
        except FetchError as error:
            status = _status_of(error)
            return self._failed(name, address, status, LASTING if status == 404 else PASSING, str(error))
        except _NoPicture as error:
            return self._failed(name, address, 415, LASTING, str(error))
        except OSError as error:
            reason = f"the picture cannot be kept ({error.strerror or error})"
            return self._failed(name, address, 503, _DISK, reason)
        finally:
            del self._fetches[name]

    def _take(self, name: str, answer: Answer) -> None:
        """Put what came into the cache, if it is a picture."""
        with body_of(answer) as pieces, self._cache.draft() as draft:
            for piece in pieces:
                draft.write(piece)
                if draft.size > self._largest:
                    raise _NoPicture(f"what came is longer than a quarter of the cache, {self._largest:,} bytes")
            kind = draft.identify()
            if isinstance(kind, Unfit):
                raise _NoPicture(f"what came {kind.reason}")
            made = self._shape.fit(Path(draft.path)) if self._shape is not None else None
            if made is None:
                self._cache.keep(name, draft, kind, fetched=self._now())
        if made is not None:
            self._take_made(name, made)

    def _take_made(self, name: str, made: bytes) -> None:
        with self._cache.draft() as draft:
            draft.write(made)
            kind = draft.identify()
            if isinstance(kind, Unfit):
                raise _NoPicture(f"what was made of it {kind.reason}")
            self._cache.keep(name, draft, kind, fetched=self._now())

    def _name(self, address: str) -> str:
        """What a picture is called in the cache: another shape is another picture."""
        return f"{self._shape.name} {address}" if self._shape is not None else address

    def _failed(self, name: str, address: str, status: int, keep_for: timedelta, reason: str) -> Failure:
        """Remember a failure, and tell of it if it is new."""
        failure = self._passing(status, keep_for)
        if self._failures.get(name) is None:
            logger().warning("picture not shown", url=_shown(address), status=status, error=reason)
        self._failures.put(name, failure)
        return failure

    def _passing(self, status: int, keep_for: timedelta) -> Failure:
        return Failure(status=status, until=self._clock() + keep_for.total_seconds())


class _Failures:
    """Failures by name, the latest of them, each as long as it is to be remembered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[bytes, Failure] = OrderedDict()

    def get(self, name: str) -> Failure | None:
        failure = self._failures.get(_digest(name))
        return failure if failure is not None and failure.until > self._clock() else None

    def put(self, name: str, failure: Failure) -> None:
        key = _digest(name)
        self._failures.pop(key, None)
        self._failures[key] = failure
        if len(self._failures) > MAX_FAILURES:
            self._failures.popitem(last=False)


@dataclass(slots=True)
class _Line:
    """Those who wait for one host."""

    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_PER_HOST))
    length: int = 0


class _Turns:
    """Who may fetch now: few at a host, and not too many at all."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def at(self, host: str) -> AsyncIterator[None]:
        line = self._lines.setdefault(host, _Line())
        line.length += 1
        try:
            async with line.door, self._all:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[host]


def _status_of(error: FetchError) -> int:
    """What is answered for a failed fetch."""
    if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return 404
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TimeoutError):
        cause = cause.__cause__
    return 502 if cause is None else 504


def _host(address: str) -> str:
    try:
        return host_of(address)
    except ValueError:
        return ""


def _shown(address: str) -> str:
    """An address for the log: without user name and password, not too long."""
    try:
        shown = without_user(address)
    except ValueError:
        shown = "an address that cannot be read"
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}…"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", errors="surrogatepass")).digest()


def _look_at(task: "asyncio.Task[Failure | None]") -> None:
    """Look at how it ended, so that it is not reported as lost when all who waited have left."""
    if not task.cancelled():
        task.exception()


# What is answered


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The request headers that matter, None where absent or of absurd length."""

    if_none_match: str | None = None
    range: str | None = None
    if_range: str | None = None


def wanted(headers: list[tuple[bytes, bytes]]) -> Wanted:
    """Take what matters from request headers with lower-case names; several of one name are joined with commas."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ:
            found[name] = found[name] + b"," + value if name in found else value
    read = {name: value.decode("latin-1") for name, value in found.items() if len(value) <= _LONGEST_HEADER}
    return Wanted(if_none_match=read.get(b"if-none-match"), range=read.get(b"range"), if_range=read.get(b"if-range"))


def opening(method: str, wanted: Wanted, label: Label) -> tuple[Reply, range]:
    """Answer for a picture (RFC 9110, sections 13 and 14): status and headers, and which of its bytes follow.

    Of several ranges none is served, which section 14.2 allows.
    """
    etag = f'"{label.digest[:32]}"'
    headers: Headers = [*SAFE, _KEPT_FOR_EVER, (b"etag", etag.encode())]
    if wanted.if_none_match is not None and _matches(wanted.if_none_match, etag):
        return Reply(304, headers), range(0)
    headers += [(b"content-type", label.kind.media_type.encode()), (b"accept-ranges", b"bytes")]
    part = None
    if method == "GET" and wanted.range is not None and wanted.if_range in (None, etag):
        part = _part(wanted.range, label.size)
    if part is None:
        status, part = 200, range(label.size)
    elif not part:
        told = _refusal(416, "no such part", (b"content-range", b"bytes */%d" % label.size))
        return told, part
    else:
        status = 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part[0], part[-1], label.size)))
    headers.append((b"content-length", b"%d" % len(part)))
    return Reply(status, headers), part if method == "GET" else range(0)


def placeholder(failure: Failure, *, now: float) -> Reply:
    """Answer for a picture that is not to be had: with a status that says so, and a pixel that shows nothing."""
    left = max(1, int(failure.until - now))
    headers = [
        *SAFE,
        (b"cache-control", b"no-store" if failure.status == 503 else b"public, max-age=%d" % min(left, 600)),
        (b"content-type", b"image/gif"),
        (b"content-length", b"%d" % len(PLACEHOLDER)),
    ]
    if failure.status == 503:
        headers.append((b"retry-after", b"%d" % left))
    return Reply(failure.status, headers, PLACEHOLDER)


def _refusal(status: int, text: str, *more: tuple[bytes, bytes]) -> Reply:
    reply = plain(status, text, *more, *SAFE[1:])
    return Reply(status, reply.headers, reply.body)


def _part(asked: str, size: int) -> range | None:
    """The bytes that a Range header asks for, none where they lie outside; None if it is to be overlooked."""
    match = _RANGE.fullmatch(asked.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    first, last = int(match[1]), int(match[2]) if match[2] else size
    if match[2] and last < first:
        return None
    return range(first, min(last + 1, size)) if first < size else range(0)


def _matches(if_none_match: str, etag: str) -> bool:
    """Compare weakly; our tags hold no comma."""
    tags = [piece.strip().removeprefix("W/") for piece in if_none_match.split(",")]
    return etag in tags or tags == ["*"]


async def _give(reply: Reply, send: Send, *, with_body: bool = True) -> None:
    assert isinstance(reply.body, bytes)
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


async def _send(held: Held, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a picture in pieces; no more is read once the client has left."""
    reply, part = opening(scope["method"], wanted(scope["headers"]), held.label)
    if not part:
        await _give(reply, send)
        return
    leaving = asyncio.create_task(_left(receive)) if len(part) > _CHUNK else None
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        while part and not (leaving and leaving.done()):
            piece = await _read(held, part[:_CHUNK])
            part = part[len(piece) :]
            await send({"type": "http.response.body", "body": piece, "more_body": bool(part)})
    finally:
        if leaving:
            leaving.cancel()


async def _read(held: Held, part: range) -> bytes:
    """The bytes of a part, or the first of them."""
    piece = held.read_at_once(part.start, len(part)) if CAN_READ_AT_ONCE else None
    if piece is None:
        piece = await asyncio.to_thread(held.read, part.start, len(part))
    if not piece:
        raise OSError("the picture became shorter while it was sent")
    return piece


async def _left(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
