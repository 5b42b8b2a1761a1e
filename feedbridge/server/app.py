"""What answers at which path: published files, and whether the program is well."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feedbridge import metrics as measures
from feedbridge.metrics import Metrics
from feedbridge.server.respond import (
    ALLOWED,
    PLAIN,
    Asked,
    LargeFile,
    Reply,
    Served,
    Stamp,
    Terms,
    asked,
    plain,
    respond,
)
from feedbridge.server.shelf import Shelf, file_name, open_large

Check = Callable[[], str | None]
"""Says what is wrong in one line, or None."""

READY_SECONDS = 3.0
"""Checks that have not answered by then are complaints."""

DEFAULT_MAX_AGE = 300

_logger = logging.getLogger("feedbridge.server")
_CHUNK = 64 * 1024
_TRIES = 5
_KNOWN_KEPT = 1024
_KNOWN_TAGS = 256
_NOT_KEPT = {name.decode(): value.decode() for name, value in PLAIN[1:]}


def make_app(
    shelf: Shelf,
    metrics: Metrics,
    *,
    base_url: str | None = None,
    base_path: str = "/",
    hub: str | None = None,
    max_age: Callable[[str], int] | None = None,
    checks: Mapping[str, Check] | None = None,
    routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """Make the application.

    Args:
        shelf: The published files.
        metrics: Told of every answer, and shown at `/metrics`.
        base_url: Public address of the published folder, with `/` at its end; feeds then name their own.
        base_path: Path of that address; requests may have it or not, as a proxy in front likes it.
        hub: Address of the WebSub hub that feeds name.
        max_age: Seconds that caches may keep a file, by its name such as `feeds/news.atom`; 300 if left out.
        checks: What `/readyz` asks, by name; run in threads.
        routes: More pages, each below a first segment that no published file has.
    """
    own = [
        Route("/healthz", _health),
        Route("/readyz", _Readiness(checks or {}).answer),
        Route("/metrics", _show(metrics)),
        *routes,
    ]
    return _Door(
        shelf,
        metrics,
        Starlette(routes=own),
        rooms={_first_segment(route.path) for route in own if isinstance(route, Route)},
        base_url=base_url,
        base_path=base_path,
        hub=hub,
        max_age=max_age or (lambda _: DEFAULT_MAX_AGE),
    )


class _Door:
    """The way in: files are answered here, other pages by Starlette, whose routing takes longer than a file."""

    def __init__(
        self,
        shelf: Shelf,
        metrics: Metrics,
        pages: ASGIApp,
        *,
        rooms: set[str],
        base_url: str | None,
        base_path: str,
        hub: str | None,
        max_age: Callable[[str], int],
    ) -> None:
        self._shelf = shelf
        self._metrics = metrics
        self._pages = pages
        self._rooms = rooms
        self._base_url = base_url
        self._prefix = base_path.rstrip("/")
        self._hub = hub
        self._max_age = max_age
        self._known: dict[_Question, _Known] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']}: only HTTP is spoken here")
        answer = _Answer(self._metrics, send)
        try:
            await self._answer(scope, receive, answer)
        except asyncio.CancelledError:
            return  # the grace of a stop is over; what is unfinished is closed
        except OSError:
            _logger.warning("a published file cannot be read", exc_info=True)
            await answer.fail(503, "cannot be read just now")
        except Exception:
            _logger.exception("a request failed")
            await answer.fail(500, "internal error")

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        question = scope["method"], scope["path"], asked(scope["headers"])
        known = self._known.get(question)
        if known is not None and self._holds(known):
            await answer.give(known.reply)
            return
        paths = self._meant(scope["path"])
        for path in paths:
            if _first_segment(path) in self._rooms:
                await self._pages({**scope, "path": path, "raw_path": path.encode()}, receive, answer.send)
                return
        served = None
        if scope["method"] in ALLOWED:
            served = await self._find(paths)
        terms = self._terms(served)
        reply = respond(scope["method"], question[2], served, terms)
        if isinstance(reply.body, LargeFile):
            await self._stream(scope, receive, reply, answer)
            return
        if served is not None and reply.status == 304 and served.name == file_name(paths[0]):
            self._note(question, _Known(served.name, served.stamp, terms.max_age, reply))
        await answer.give(reply)

    def _note(self, question: "_Question", known: "_Known") -> None:
        if any(header and len(header) > _KNOWN_TAGS for header in question[2]):
            return
        if len(self._known) >= _KNOWN_KEPT:
            del self._known[next(iter(self._known))]
        self._known[question] = known

    def _holds(self, known: "_Known") -> bool:
        return self._shelf.look(known.name) == known.stamp and self._max_age(known.name) == known.max_age

    def _meant(self, path: str) -> tuple[str, ...]:
        """The paths below the published folder that a request path may mean."""
        if path.startswith(("http://", "https://")):  # the absolute form, RFC 9112 section 3.2.2
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        if self._prefix and path.startswith(self._prefix + "/"):
            return path[len(self._prefix) :], path
        return (path,)

    async def _find(self, paths: Sequence[str]) -> Served | None:
        for path in paths:
            served = await self._shelf.get(path)
            if served is not None:
                return served
        return None

    def _terms(self, served: Served | None) -> Terms:
        if served is None:
            return Terms()
        self_link = f"{self._base_url}{served.name}" if self._base_url and served.is_feed else None
        return Terms(max_age=self._max_age(served.name), self_link=self_link, hub=self._hub)

    async def _stream(self, scope: Scope, receive: Receive, reply: Reply, answer: "_Answer") -> None:
        """Send a file from disk; one that was replaced since it was looked up is looked up again."""
        for _ in range(_TRIES):
            if not isinstance(reply.body, LargeFile):
                await answer.give(reply)
                return
            handle = await asyncio.to_thread(open_large, reply.body)
            if handle is not None:
                await _send_file(handle, reply, reply.body.size, receive, answer)
                return
            served = await self._find(self._meant(scope["path"]))
            reply = respond(scope["method"], asked(scope["headers"]), served, self._terms(served))
        raise OSError(f"{scope['path']}: changes faster than it can be sent")


_Question = tuple[str, str, Asked]
"""Method, path and headers that matter."""


class _Known(NamedTuple):
    """That a client has a file already, as most have; it holds while the file and its terms are the same."""

    name: str
    stamp: Stamp
    max_age: int
    reply: Reply


class _Answer:
    """One answer on its way, counted when it starts and as its body goes out."""

    def __init__(self, metrics: Metrics, send: Send) -> None:
        self._metrics = metrics
        self._send = send
        self._started = False

    async def give(self, reply: Reply) -> None:
        """Send an answer from memory, a large one in pieces: a slow client then holds one piece, not a copy."""
        assert isinstance(reply.body, bytes)
        await self.start(reply)
        if len(reply.body) <= _CHUNK:
            await self.send({"type": "http.response.body", "body": reply.body})
            return
        rest = memoryview(reply.body)
        while rest:
            piece, rest = rest[:_CHUNK], rest[_CHUNK:]
            await self.body(bytes(piece), more=bool(rest))

    async def start(self, reply: Reply) -> None:
        await self.send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})

    async def body(self, piece: bytes, *, more: bool) -> None:
        await self.send({"type": "http.response.body", "body": piece, "more_body": more})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self._metrics.answered(message["status"])
        elif body := message.get("body"):
            self._metrics.sent(len(body))
        await self._send(message)

    async def fail(self, status: int, text: str) -> None:
        """Say that something failed; an answer that has begun stays unfinished, so that its connection is closed."""
        if not self._started:
            await self.give(plain(status, text))


async def _send_file(handle: int, reply: Reply, size: int, receive: Receive, answer: _Answer) -> None:
    """Send what is behind a handle, and close it; no more is read once the client has left."""
    leaving = asyncio.create_task(_left(receive))
    try:
        await answer.start(reply)
        at = 0
        while at < size and not leaving.done():
            block = await asyncio.to_thread(os.pread, handle, min(_CHUNK, size - at), at)
            if not block:
                raise OSError("the file became shorter while it was sent")
            at += len(block)
            await answer.body(block, more=at < size)
    finally:
        leaving.cancel()
        os.close(handle)


async def _left(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Readiness:
    """Asks the checks, each once at a time however many requests wait for it."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._running: dict[str, asyncio.Future[str | None]] = {}

    async def answer(self, _: Request) -> Response:
        loop = asyncio.get_running_loop()
        for name, check in self._checks.items():
            if name not in self._running or self._running[name].done():
                self._running[name] = _in_thread(loop, check)
        asked = dict(self._running)
        if asked:
            await asyncio.wait(asked.values(), timeout=READY_SECONDS)
        found = {name: _complaint(future) for name, future in asked.items()}
        lines = [f"{name}: {complaint or 'ok'}\n" for name, complaint in found.items()]
        status = 503 if any(found.values()) else 200
        return PlainTextResponse("".join(lines) or "ok\n", status, headers=_NOT_KEPT)


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n", headers=_NOT_KEPT)


def _show(metrics: Metrics) -> Callable[[Request], Response]:
    def show(_: Request) -> Response:
        return Response(metrics.text(), headers={**_NOT_KEPT, "content-type": measures.CONTENT_TYPE})

    return show


def _complaint(future: "asyncio.Future[str | None]") -> str | None:
    if not future.done():
        return f"no answer within {READY_SECONDS:g} s"
    failure = future.exception()
    found = f"{type(failure).__name__}: {failure}" if failure is not None else future.result()
    return " ".join(found.split()) if found is not None else None


def _in_thread(loop: asyncio.AbstractEventLoop, check: Check) -> "asyncio.Future[str | None]":
    """Run a check in a thread of its own, which keeps neither other work nor the end of the program waiting."""
    future: asyncio.Future[str | None] = loop.create_future()

    def settle(result: str | None, failure: Exception | None) -> None:
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)

    def run() -> None:
        result, failure = None, None
        try:
            result = check()
        except Exception as error:  # noqa: BLE001  (whatever a check raises is its complaint)
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="readiness", daemon=True).start()
    return future


def _first_segment(path: str) -> str:
    return path[1:].split("/", 1)[0]
