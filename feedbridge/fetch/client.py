"""The one client that fetches from the web: small in what it sends, bounded in all that it takes.

No cookies, no referrer, no retries but for a kept connection that had gone stale. Who may be asked is `guard`'s
business; when, and how often, is `manners`'.
"""

import asyncio
import base64
import hashlib
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Self, cast
from urllib.parse import unquote, urlsplit

import httpcore
import httpx

from feedbridge.errors import FetchError, Gone, Refused
from feedbridge.fetch.body import Body as Body
from feedbridge.fetch.body import Decoder, read_coding
from feedbridge.fetch.guard import Connection, Guard, Resolve, Resolver, check_for_proxy, reason
from feedbridge.fetch.validators import retry_after
from feedbridge.reach import Address, Allowance, refuse_url

MAX_REDIRECTS = 5

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, "
    "application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, text/html;q=0.6, */*;q=0.4"
)

RETRY_AFTER = timedelta(minutes=1)
"""After a 429 that does not say when."""

_REDIRECTS = {301, 302, 303, 307, 308}
_PERMANENT = {301, 308}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NOT_KEPT = {"set-cookie", "set-cookie2"}
_VALIDATORS = {"etag", "last-modified"}
_KEPT_ALIVE = 100
_KEPT_ALIVE_EACH = 1
_KEPT_ALIVE_SECONDS = 15.0
_STEPS_ON_END = 16
_TRIES = 3
_SHOWN_LENGTH = 300
_WITH_BODY = {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}
_UNITS = ((2**20, "MiB"), (2**10, "KiB"))
_USER = re.compile(r"//[^/?#]*@")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_Origin = tuple[str, bytes, int]
"""Scheme, host and port."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What to fetch, and how far to go for it.

    Attributes:
        timeout: For everything together: connections, redirects, headers and body.
        max_bytes: Of the body as it comes.
        max_decoded_bytes: Of the body once it is decoded.
        headers: Credentials and the like: sent to the origin (scheme, host and port) of `url` alone, as are a user
            name and password in `url`.
        etag: Sent back as it came (If-None-Match).
        last_modified: Sent back as it came (If-Modified-Since).
        allow: What may be reached beside the public web.
        proxy: `http://` or `https://`, perhaps with `user:password@`.
    """

    url: str
    timeout: timedelta = timedelta(seconds=30)
    max_bytes: int = 10 * 2**20
    max_decoded_bytes: int = 50 * 2**20
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    allow: Allowance = field(default_factory=Allowance)
    proxy: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came.

    Attributes:
        status: 200 or 203 with a body, or 304 without: nothing has changed.
        url: Where it came from in the end, without user name and fragment.
        moved_to: Where permanent redirects (301, 308) lead from the start, as far as no other redirect comes between;
            never from https to http, and never to another origin where headers or a password were given for the first.
        headers: By name in lower case, without cookies; control characters are gone.
        body: To be closed by whoever asked.
        digest: SHA-256 of the decoded body, in hex.
    """

    status: int
    url: str
    moved_to: str | None
    headers: Mapping[str, str]
    body: Body | None
    digest: str | None


class Client:
    """Fetches; one for the whole process, used as `async with`.

    Connections are kept for a while and used again, but only under the allowance and through the proxy that they were
    opened with. Each server has a pool of its own: a common one looks through all connections at each request.

    Args:
        user_agent: Says who asks, and whom to write to.
        resolve: Looks names up; left out, the system does.
    """

    def __init__(self, *, user_agent: str, resolve: Resolve | None = None) -> None:
        self._user_agent = user_agent
        self._resolve = resolve or Resolver()
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._transports: dict[tuple[Allowance, str | None, _Origin], _Transport] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._transports:
            await self._transports.popitem()[1].aclose()

    async def fetch(self, ask: Ask) -> Answer:
        """Fetch an address; at most five redirects are followed, each checked like the first address.

        Raises:
            Refused: The server asks to be left alone (429, or 503 with Retry-After).
            Gone: It is gone for good (410), as far as permanent redirects lead.
            FetchError: Nothing usable came; the text names the address and the reason.
        """
        with _named_errors(lambda words: f"{_shown(ask.url)}: {words}"):
            journey = _Journey(ask)
        seconds = ask.timeout.total_seconds()
        with _named_errors(journey.named):
            try:
                async with asyncio.timeout(seconds):
                    return await self._follow(ask, journey)
            except TimeoutError as error:
                raise FetchError(f"no whole answer within {seconds:g} s") from error

    async def _follow(self, ask: Ask, journey: "_Journey") -> Answer:
        while True:
            async with self._transport(ask, journey.url) as transport:
                response = await self._send(transport, ask, journey)
                try:
                    if response.status_code not in _REDIRECTS:
                        return await _answer(ask, journey, response)
                    journey.go_on(response)
                finally:
                    await response.aclose()

    async def _send(self, transport: "_Transport", ask: Ask, journey: "_Journey") -> httpx.Response:
        """Ask for it; once more where a connection that was kept turns out to be closed at the other end."""
        url = journey.url
        if ask.proxy is not None:
            host = url.raw_host.decode("ascii")
            await check_for_proxy(host, _port(url), allow=ask.allow, resolve=self._resolve)
        opened: list[str] = []

        async def note(event: str, _: object) -> None:
            if event == "connection.connect_tcp.started":
                opened.append(event)

        headers = _headers(ask, self._user_agent, own=journey.own_headers())
        request = httpx.Request("GET", url, headers=headers, extensions={"trace": note})
        for tries_left in reversed(range(_TRIES)):
            try:
                return await transport.handle_async_request(request)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if opened or not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _transport(self, ask: Ask, url: httpx.URL) -> AsyncIterator["_Transport"]:
        """The way to a server, while it is used; the ways that were used last stand last in their table."""
        key = (ask.allow, ask.proxy, _origin(url))
        transport = self._transports.pop(key, None)
        if transport is None:
            transport = _Transport(ask.allow, ask.proxy, tls=self._tls, resolve=self._resolve)
        self._transports[key] = transport
        transport.users, transport.used_at = transport.users + 1, time.monotonic()
        try:
            yield transport
        finally:
            self._transports.pop(key, None)  # unless all is closed already
            self._transports[key] = transport
            transport.users, transport.used_at = transport.users - 1, time.monotonic()
            await self._drop_idle()

    async def _drop_idle(self) -> None:
        """Close the ways that nobody has used for a while, and the oldest of more than are kept."""
        long_ago = time.monotonic() - _KEPT_ALIVE_SECONDS
        surplus = len(self._transports) - _KEPT_ALIVE
        idle = []
        for number, (key, transport) in enumerate(self._transports.items()):
            if number >= surplus and transport.used_at > long_ago:
                break
            if not transport.users:
                idle.append(key)
        for transport in [self._transports.pop(key) for key in idle]:
            await transport.aclose()


class _Transport(httpx.AsyncHTTPTransport):
    """A pool of connections to one server, which only the guard opens.

    Attributes:
        users: So many requests are under way.
        used_at: When the last one began or ended, on the monotonic clock.
    """

    def __init__(self, allow: Allowance, proxy: str | None, *, tls: ssl.SSLContext, resolve: Resolve) -> None:
        super().__init__(verify=tls, trust_env=False)
        self.users = 0
        self.used_at = 0.0
        if proxy is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=None,
                max_keepalive_connections=_KEPT_ALIVE_EACH,
                keepalive_expiry=_KEPT_ALIVE_SECONDS,
                network_backend=Guard(allow.refusal, resolve),
            )
            return
        way = _proxy(proxy)
        self._pool = httpcore.AsyncHTTPProxy(
            proxy_url=httpcore.URL(scheme=way.url.raw_scheme, host=way.url.raw_host, port=_port(way.url), target=b"/"),
            proxy_auth=way.raw_auth,
            ssl_context=tls,
            proxy_ssl_context=tls if way.url.scheme == "https" else None,
            max_connections=None,
            max_keepalive_connections=_KEPT_ALIVE_EACH,
            keepalive_expiry=_KEPT_ALIVE_SECONDS,
            network_backend=Guard(_owners_choice, resolve),
        )


def _owners_choice(host: str, port: int, address: Address) -> None:
    """The proxy is named by the owner: it may be anywhere."""


def _proxy(address: str) -> httpx.Proxy:
    try:
        return httpx.Proxy(_read_url(address))
    except FetchError:
        raise FetchError('the proxy cannot be used; give an address such as "http://proxy.example:3128"') from None


class _Journey:
    """The way from the address that was asked for, through redirects, to where the answer is."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._start = _read_url(ask.url)
        self._moved_to: httpx.URL | None = None
        self._visited = [_bare(self._start)]
        self.has_moved_for_good = True

    @property
    def url(self) -> httpx.URL:
        """Where we are."""
        return self._visited[-1]

    @property
    def is_at_origin(self) -> bool:
        """Whether we still talk with the server that was asked first."""
        return _origin(self.url) == _origin(self._start)

    def own_headers(self) -> dict[str, str]:
        """What was given for the first server alone, by names in lower case; nothing once we talk with another."""
        if not self.is_at_origin:
            return {}
        login = login_of(self._ask.url)
        own = {"authorization": basic(login)} if login else {}
        return own | {name.lower(): value for name, value in self._ask.headers.items()}

    @property
    def has_secrets(self) -> bool:
        """Whether something was given that is for the first server alone."""
        return bool(self._ask.headers or self._start.userinfo)

    @property
    def moved_to(self) -> str | None:
        """As `Answer` has it; with the user name and password where they are still for the same server."""
        if self._moved_to is None:
            return None
        if _origin(self._moved_to) == _origin(self._start):
            return str(self._moved_to.copy_with(userinfo=self._start.userinfo))
        return None if self.has_secrets else str(self._moved_to)

    def go_on(self, response: httpx.Response) -> None:
        """Follow a redirect.

        Raises:
            FetchError: It leads nowhere, in a circle, too far, or where nothing is fetched from.
        """
        status = _status(response.status_code)
        location = next((value for name, value in response.headers.raw if name.lower() == b"location"), b"").strip()
        if not location:
            raise FetchError(f"{status} without saying where to (no Location)")
        following = _join(self.url, location)
        if following in self._visited:
            raise FetchError(f"{status}: the redirects go in a circle")
        if len(self._visited) > MAX_REDIRECTS:
            raise FetchError(f"{status}: more than {MAX_REDIRECTS} redirects, one after the other")
        is_weaker = self.url.scheme == "https" and following.scheme == "http"
        if response.status_code not in _PERMANENT or is_weaker:
            self.has_moved_for_good = False
        if self.has_moved_for_good:
            self._moved_to = following
        self._visited.append(following)

    def named(self, words: str) -> str:
        """What is said of it, with the address in front."""
        there = f" (redirected to {_shown(str(self.url))})" if len(self._visited) > 1 else ""
        return f"{_shown(self._ask.url)}{there}: {words}"


@contextmanager
def _named_errors(name: Callable[[str], str]) -> Iterator[None]:
    """Let every error name the address, and say in words what httpx says in classes."""
    try:
        yield
    except Refused as error:
        raise Refused(name(str(error)), retry_after=error.retry_after, url=error.url, status=error.status) from error
    except FetchError as error:
        raise type(error)(name(str(error)), status=error.status) from error
    except httpx.HTTPError as error:
        raise FetchError(name(_in_words(error))) from error
    except OSError as error:  # such as a TLS record that cannot be read
        raise FetchError(name(f"the connection broke off ({reason(error)})")) from error


def _in_words(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ProxyError():
            return f"the proxy does not connect us ({_CONTROLS.sub('', str(error))[:_SHOWN_LENGTH]})"
        case httpx.ConnectError():
            return f"no safe connection ({reason(error)})"
        case httpx.LocalProtocolError():
            return "one of the headers that were set for it cannot be sent"
        case httpx.RemoteProtocolError() if "disconnected" in str(error):
            return "the server hung up before it had answered"
        case httpx.RemoteProtocolError():
            return "what came is no valid HTTP answer"
        case _:
            return "the connection broke off"


# Logins


def login_of(url: str) -> str | None:
    """The user name and password that stand in an address (URL), as `user:password`; None where none do."""
    stands = urlsplit(url).netloc.rpartition("@")[0]
    user, _, password = stands.partition(":")
    return f"{unquote(user)}:{unquote(password)}" if stands else None


def basic(login: str) -> str:
    """`user:password` as the header Authorization has it (RFC 7617)."""
    return f"Basic {base64.b64encode(login.encode()).decode()}"


# Addresses


def _read_url(text: str) -> httpx.URL:
    refusal = refuse_url(text)
    if refusal is not None:
        raise FetchError(refusal)
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("it is no valid address") from None


def _join(url: httpx.URL, location: bytes) -> httpx.URL:
    """Where a redirect leads; it may be written in UTF-8, though it should not."""
    try:
        text = location.decode("utf-8")
    except UnicodeDecodeError:
        text = location.decode("latin-1")
    try:
        return _bare(_read_url(str(url.join(text))))
    except (httpx.InvalidURL, ValueError):
        raise FetchError(f"redirected to {_shown(text)}, which is no valid address") from None
    except FetchError as error:
        raise FetchError(f"redirected to {_shown(text)}: {error}") from None


def _bare(url: httpx.URL) -> httpx.URL:
    return url.copy_with(userinfo=b"", fragment=None)


def _port(url: httpx.URL) -> int:
    return url.port or _DEFAULT_PORTS[url.scheme]


def _origin(url: httpx.URL) -> _Origin:
    return url.scheme, url.raw_host, _port(url)


def _shown(url: str) -> str:
    """An address for an error's text: without user name and password, in one line, not too long."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in _USER.sub("//", url, count=1))
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}…"


# Headers


def _headers(ask: Ask, user_agent: str, *, own: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What is sent; `own` headers of the source stand in for ours."""
    headers = {"user-agent": user_agent, "accept": ACCEPT, **own, "accept-encoding": "gzip, deflate"}
    if ask.etag:
        headers["if-none-match"] = ask.etag
    if ask.last_modified:
        headers["if-modified-since"] = ask.last_modified
    return [(_encoded(name.title()), _encoded(value)) for name, value in headers.items()]


def _encoded(text: str) -> bytes:
    """Header text as it came: one byte a sign, as in `_read_headers`."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", errors="replace")


def _read_headers(response: httpx.Response) -> dict[str, str]:
    """By name in lower case; those that come several times in one line (RFC 9110 section 5.3).

    Validators are sent back as they came or not at all: they are left out where something would have to be mended.
    """
    headers: dict[str, list[str]] = {}
    for name, value in response.headers.raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        mended = _CONTROLS.sub("", text)
        if key not in _NOT_KEPT and (key not in _VALIDATORS or mended == text):
            headers.setdefault(key, []).append(mended)
    return {name: ", ".join(values) for name, values in headers.items()}


# Answers


async def _answer(ask: Ask, journey: _Journey, response: httpx.Response) -> Answer:
    headers = _read_headers(response)
    status = response.status_code
    if status == HTTPStatus.NOT_MODIFIED and (ask.etag or ask.last_modified):
        await response.aread()  # there is nothing to read (RFC 9110 section 15.4.5), but it frees the connection
        body, digest = None, None
    elif status in _WITH_BODY:
        body, digest = await _receive(ask, response, headers)
    else:
        raise _failure(status, headers, journey)
    return Answer(
        status=status, url=str(journey.url), moved_to=journey.moved_to, headers=headers, body=body, digest=digest
    )


def _failure(status: int, headers: Mapping[str, str], journey: _Journey) -> FetchError:
    words = _status(status)
    wait = retry_after(headers, now=datetime.now(UTC))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = RETRY_AFTER if wait is None else wait
        return Refused(words, retry_after=wait, url=str(journey.url), status=status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None:
        return Refused(words, retry_after=wait, url=str(journey.url), status=status)
    if status == HTTPStatus.GONE and journey.has_moved_for_good:
        return Gone(words, status=status)
    if status == HTTPStatus.NOT_MODIFIED:
        words += ", though nothing was there to compare with"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and journey.has_secrets and not journey.is_at_origin:
        words += "; headers and passwords are not sent on to another server: set its own address if it is to have them"
    return FetchError(words, status=status)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


async def _receive(ask: Ask, response: httpx.Response, headers: Mapping[str, str]) -> tuple[Body, str]:
    """Take the body as it comes; gives it with its digest."""
    coding = read_coding(headers.get("content-encoding", ""))
    is_counted = "transfer-encoding" not in headers and "content-length" in headers
    if is_counted and int(response.headers["content-length"].partition(",")[0]) > ask.max_bytes:
        raise _too_long(ask)
    body = Body(coding)
    try:
        digest = await _fill(body, Decoder(coding), ask, response, is_counted=is_counted)
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        body.close()
        raise FetchError("the answer was cut short") from error
    except BaseException:
        body.close()
        raise
    return body, digest


async def _fill(body: Body, decoder: Decoder, ask: Ask, response: httpx.Response, *, is_counted: bool) -> str:
    """Fill a body, in steps so small that nothing else has to wait; gives its digest."""
    connection = response.extensions["network_stream"]
    assert isinstance(connection, Connection)
    connection.expect_body()
    digest, steps = hashlib.sha256(), 0
    data = read = b""
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_raw())) as coming:
        async for data in coming:
            read = connection.last_read
            body.write(data)
            if body.wire_size > ask.max_bytes:
                raise _too_long(ask)
            for piece in decoder.decode(data):
                body.size += len(piece)
                if body.size > ask.max_decoded_bytes:
                    raise FetchError(f"it is longer than {_in_units(ask.max_decoded_bytes)} once it is unpacked")
                digest.update(piece)
                steps += 1
                if steps % _STEPS_ON_END == 0:
                    await asyncio.sleep(0)
    decoder.finish()
    if is_counted and not read.endswith(data or b"\0"):
        await connection.aclose()  # what follows must not be taken for the next answer
        if not read.rstrip().endswith(data.rstrip()):
            raise FetchError("more came than its Content-Length says: it may be cut short")
    return digest.hexdigest()


def _too_long(ask: Ask) -> FetchError:
    return FetchError(f"it is longer than {_in_units(ask.max_bytes)}")


def _in_units(size: int) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if size >= unit), (1, "bytes"))
    return f"{size / unit:.4g} {name}"
