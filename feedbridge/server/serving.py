"""Listening, and the bounds on what a client may cost."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from feedbridge.errors import FeedbridgeError

HEADER_BYTES = 16 * 1024
"""A request's first line and headers may be this long."""

HEADER_SECONDS = 15.0
"""From a connection's start, or a request's first byte, to the end of its headers."""

KEEP_ALIVE_SECONDS = 10

STALL_SECONDS = 20.0
STALL_BYTES = 16 * 1024
"""A client that takes less than this in that time while it is sent something is closed."""

MAX_CONNECTIONS = 512
"""With more, requests are answered 503; with twice as many, connections are closed unheard."""

_SWEEP_SECONDS = 1.0
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"x-content-type-options: nosniff\r\ncontent-length: 17\r\nconnection: close\r\n\r\nheaders too long\n"
)


class ServeError(FeedbridgeError):
    """The address cannot be listened at; nothing is served."""


class Server:
    """Serves an application in the event loop that is running."""

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Say where; port 0 takes any that is free."""
        self._host = host
        self._port = port
        self._guards: set[_Guard] = set()
        config = uvicorn.Config(
            cast(Any, app),
            http=cast(Any, self._guarded),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=True,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._uvicorn = _Uvicorn(config)
        self._serving: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened at, once started."""
        return self._port

    async def start(self) -> None:
        """Return when requests are answered.

        Raises:
            ServeError: Names the address and the mend.
        """
        sockets = _listen(self._host, self._port)
        self._port = sockets[0].getsockname()[1]
        for name in ("uvicorn.error", "feedbridge.server"):
            logging.getLogger(name).addFilter(_seldom)
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets=sockets))
        while not self._uvicorn.started and not self._serving.done():
            await asyncio.sleep(0.005)
        if self._serving.done():
            await self._serving
        await self._uvicorn.on_tick(0)  # the date, which is otherwise missing for a tenth of a second
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self, grace_seconds: float = 3.0) -> None:
        """Listen no more, let requests that are being answered end, and close what is left after the grace."""
        if self._serving is None or self._sweeping is None:
            return
        self._uvicorn.config.timeout_graceful_shutdown = cast(Any, grace_seconds)
        self._uvicorn.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving
        self._sweeping.cancel()
        for guard in list(self._guards):
            guard.abort()
        self._serving = self._sweeping = None

    def _guarded(self, **uvicorns: Any) -> asyncio.Protocol:
        return _Guard(cast(_Inner, AutoHTTPProtocol(**uvicorns)), self._guards)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for guard in list(self._guards):
                guard.check(loop.time())


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handlers, which would raise SIGTERM once more after the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Cycle(Protocol):
    response_complete: bool


class _Inner(Protocol):
    """What uvicorn's HTTP protocols have in common."""

    cycle: _Cycle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class _Guard(asyncio.Protocol):
    """Stands before uvicorn's protocol and bounds what uvicorn does not.

    These are: the time and length of a request's headers, a body after its answer, connections that say nothing,
    and clients that do not take what they are sent.
    """

    def __init__(self, inner: _Inner, guards: "set[_Guard]") -> None:
        self._inner = inner
        self._guards = guards
        self._clock = asyncio.get_running_loop().time
        self._transport: asyncio.Transport | None = None
        self._header_since: float | None = None
        self._header_bytes = 0
        self._stalled: tuple[float, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._guards.add(self)
        self._header_since = self._clock()
        self._inner.connection_made(transport)
        if len(self._guards) > 2 * MAX_CONNECTIONS:
            self.abort()

    def data_received(self, data: bytes) -> None:
        before = self._inner.cycle
        waiting = before is None or before.response_complete
        self._header_bytes += len(data)
        if self._header_bytes > HEADER_BYTES and self._is_too_long(data):
            self._refuse(say=waiting)
            return
        self._inner.data_received(data)
        if self._inner.cycle is not before:
            self._header_since = None
            self._header_bytes = 0
        elif waiting and self._header_since is None:
            self._header_since = self._clock()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._guards.discard(self)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._stalled = (self._clock(), self._unsent())
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stalled = None
        self._inner.resume_writing()

    def check(self, now: float) -> None:
        """Close the connection if the client took too long."""
        if self._header_since is not None and now - self._header_since > HEADER_SECONDS:
            self.abort()
        elif self._stalled is not None and now - self._stalled[0] > STALL_SECONDS:
            unsent = self._unsent()
            if self._stalled[1] - unsent < STALL_BYTES:
                self.abort()
            self._stalled = (now, unsent)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _is_too_long(self, data: bytes) -> bool:
        """Whether the headers do not end where they must; `data` is the latest piece."""
        room = HEADER_BYTES - (self._header_bytes - len(data))
        return data.find(b"\r\n\r\n", 0, max(0, room)) < 0

    def _refuse(self, *, say: bool) -> None:
        """Close the connection; in the midst of an answer there is no place to say why."""
        if self._transport is None or self._transport.is_closing():
            return
        if say:
            self._transport.write(_TOO_LONG)
            self._transport.close()
        else:
            self._transport.abort()

    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0


class Seldom(logging.Filter):
    """Lets one line of a kind through a minute, and says in it how many were held back.

    A kind is a message before its arguments are filled in.
    """

    def __init__(self, *, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Count the line; whether it may pass."""
        now = self._clock()
        kind = str(record.msg)
        last, held = self._kinds.get(kind, (None, 0))
        if last is not None and now - last < self._seconds:
            self._kinds[kind] = (last, held + 1)
            return False
        self._kinds[kind] = (now, 0)
        if held:
            record.msg = f"{kind.rstrip()} (and {held} more before it)"
        return True


_seldom = Seldom()


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listen at every address that the host has, at one port."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bound(family, (address[0], chosen, *address[2:])))
    except (OSError, OverflowError, UnicodeError) as error:
        for one in sockets:
            one.close()
        reason = getattr(error, "strerror", None) or error
        raise ServeError(
            f"{host}:{port}: cannot be listened at ({reason}); end what listens there, or choose another address"
        ) from error
    return sockets


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio sets no TCP_NODELAY
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
