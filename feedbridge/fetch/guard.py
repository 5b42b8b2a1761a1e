"""The guard at the door: a connection is opened to an address that was checked, and to no other.

A name is resolved here, each of its addresses is asked about (`reach`), and the very address that passed is connected
to. So nothing changes between the check and the connection, and every redirect goes through the same door.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore

from feedbridge.errors import FetchError
from feedbridge.reach import WEB_PORTS, Address, Allowance

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host for a port, the best first; raises OSError or UnicodeError if there are none."""

MAX_ADDRESSES = 8
"""Of one name; further ones are not tried."""

MAX_HEAD_BYTES = 64 * 1024
"""Of an answer before its body: its headers, and interim answers before them."""

MAX_HEAD_LINES = 1000

_PATIENCE_SECONDS = 2.0
"""For an address to answer while there is another one to try."""
_LOOK_UPS = 32
_OPTIONS = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)]
# so that what comes faster than it is worked on waits at the sender's: uvloop takes all that the system has
_HEAD_READ_BYTES = 8 * 1024


class Forbidden(FetchError):  # noqa: N818  (an answer, not a fault)
    """The address may not be reached."""


class Unresolved(FetchError):  # noqa: N818  (an answer, not a fault)
    """The name has no address that we know of."""


class LongHead(FetchError):  # noqa: N818  (an answer, not a fault)
    """The headers of an answer do not end."""


Refusal = Callable[[str, int, Address], str | None]
"""Why a host must not be connected to at one of its addresses, in words; None if it may be."""


class Guard(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses.

    Args:
        refusal: Is asked about each address, such as `Allowance.refusal`.
        resolve: Looks names up.
    """

    def __init__(self, refusal: Refusal, resolve: Resolve) -> None:
        self._refusal = refusal
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address of a host that answers.

        Raises:
            Forbidden: None of its addresses may be reached.
            Unresolved: It has no address.
            FetchError: None of them answers.
        """
        *others, last = await addresses(host, port, refusal=self._refusal, resolve=self._resolve)
        for address in others:
            with contextlib.suppress(FetchError, TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await self._connect(host, address, port)
        return await self._connect(host, last, port)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Nothing on the web is at a Unix socket."""
        raise Forbidden(f"{path} is a Unix socket: it may not be reached")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _connect(self, host: str, address: Address, port: int) -> "Connection":
        try:
            return Connection(await self._backend.connect_tcp(str(address), port, socket_options=_OPTIONS))
        except httpcore.ConnectError as error:
            raise FetchError(f"no connection to {host} at {address}, port {port} ({reason(error)})") from error


async def addresses(host: str, port: int, *, refusal: Refusal, resolve: Resolve) -> list[Address]:
    """The addresses of a host that may be reached: one at least, the best first.

    Raises:
        Forbidden: None of its addresses may be reached.
        Unresolved: It has no address.
    """
    answers = [(address, refusal(host, port, address)) for address in await _all_addresses(host, port, resolve)]
    checked = [address for address, words in answers if words is None]
    if not checked:
        raise Forbidden(_refused(host, port, next(words for _, words in answers if words)))
    return checked[:MAX_ADDRESSES]


async def check_for_proxy(host: str, port: int, *, allow: Allowance, resolve: Resolve) -> None:
    """Check a host that a proxy will connect to, as far as that can be done from here.

    A name that is not known here is left to the proxy unless it is one of a local machine.

    Raises:
        Forbidden: It may not be reached.
    """
    try:
        await addresses(host, port, refusal=allow.refusal, resolve=resolve)
    except Unresolved:
        words = allow.unseen_refusal(host, port)
        if words:
            raise Forbidden(_refused(host, port, words)) from None


def reason(error: BaseException) -> str:
    """What the system or TLS says about a connection that failed, without numbers and names of classes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            words = (getattr(cause, "reason", None) or "").lower().replace("_", " ")
            return f"TLS failed: {words}" if words else "TLS failed"
        if isinstance(cause, OSError) and cause.strerror:
            return os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "broken off"


def _refused(host: str, port: int, refusal: str) -> str:
    place = f"[{host}]" if ":" in host else host
    opened = place if port in WEB_PORTS else f"{place}:{port}"
    return f'{host} may not be reached: {refusal}; if that is meant, allow it: allow_private = ["{opened}"]'


async def _all_addresses(host: str, port: int, resolve: Resolve) -> list[Address]:
    with contextlib.suppress(ValueError):
        return [ipaddress.ip_address(host)]
    try:
        found = [ipaddress.ip_address(text) for text in await resolve(host, port)]
    except (OSError, ValueError) as error:  # a UnicodeError is a ValueError
        raise Unresolved(f"the name {host} cannot be resolved ({getattr(error, 'strerror', None) or error})") from error
    if not found:
        raise Unresolved(f"the name {host} has no address")
    return list(dict.fromkeys(found))


class Resolver:
    """Looks names up with the system's resolver, a number of them at a time, each in a thread of its own.

    A look-up cannot be broken off; its thread is a daemon's, so that a name server that never answers does not
    hold up the end of the process.
    """

    def __init__(self, at_once: int = _LOOK_UPS) -> None:
        self._slots = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a host; raises OSError or UnicodeError if there are none."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def settle(addresses: list[str] | None, error: Exception | None) -> None:
            self._slots.release()
            if found.done():
                return
            if error is not None:
                found.set_exception(error)
            else:
                found.set_result(addresses or [])

        def look_up() -> None:
            addresses, failure = None, None
            try:
                answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                addresses = [str(place[0]) for *_, place in answers]
            except (OSError, UnicodeError) as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
                loop.call_soon_threadsafe(settle, addresses, failure)

        try:
            threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
        except RuntimeError as error:
            self._slots.release()
            raise OSError("the system gives us no further thread") from error
        return await found


class Connection(httpcore.AsyncNetworkStream):
    """A connection that ends when the headers of an answer do not, and remembers what it read last.

    Until `expect_body` is called, what comes after a request is taken for headers and interim answers (1xx).
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._is_head = True
        self._head_bytes = self._head_lines = 0
        self.last_read = b""

    def expect_body(self) -> None:
        self._is_head = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.last_read = await self._stream.read(_HEAD_READ_BYTES if self._is_head else max_bytes, timeout)
        if self._is_head:
            self._count(self.last_read)
        return self.last_read

    def _count(self, data: bytes) -> None:
        self._head_bytes += len(data)
        self._head_lines += data.partition(b"\r\n\r\n")[0].count(b"\n")
        if self._head_bytes > MAX_HEAD_BYTES:
            raise LongHead(f"more than {MAX_HEAD_BYTES // 1024} KiB of headers came")
        if self._head_lines > MAX_HEAD_LINES:
            raise LongHead(f"more than {MAX_HEAD_LINES:,} headers came")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_head = True
        self._head_bytes = self._head_lines = 0
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "Connection":
        return Connection(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
