"""The routes of the owner's pages, `/status/`, behind their door."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qs

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from feedbridge.errors import FeedbridgeError
from feedbridge.feeds.rendering import ATOM
from feedbridge.owner import pages, views
from feedbridge.owner.door import Door, Forms, Knock, LoopbackDoor, Refusal, TokenDoor, is_loopback_name
from feedbridge.owner.pages import Frame, policy, source_address, words_of
from feedbridge.owner.token import token_of
from feedbridge.owner.trouble import ENTRIES, trouble_feed
from feedbridge.server.respond import ALLOWED, Headers, Reply, plain
from feedbridge.settings import Settings

WAITING = 8
"""So many requests are answered or wait at a time; the pages are for one reader."""

_LONGEST_FORM = 8 * 1024
_LAST_PAGE = 100_000
_ATOM_FILE = "trouble.atom"

Params = Mapping[str, str]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A request that has come through the door.

    Attributes:
        place: Below `/status/`.
        params: Of its address.
    """

    method: str
    place: str
    params: Params


@contextlib.asynccontextmanager
async def owner_routes(
    settings: Callable[[], Settings], *, refresh: Callable[[str], None]
) -> AsyncIterator[list[BaseRoute]]:
    """The routes, where the settings want the pages.

    Args:
        settings: As they are now; who may come in is decided once.
        refresh: Called in the event loop with the name of a source that is to be refreshed at its next turn.

    Raises:
        SettingsError: The file of the token is not as it should be.
        StoreError: It cannot be read or written.
    """
    site = settings().site
    if site.status == "off":
        yield []
        return
    door: Door
    if site.status == "token":
        token = await asyncio.to_thread(token_of, site)
        door, home = TokenDoor(token, base_url=site.base_url, clock=_seconds), site.base_url
    else:
        host, _, port = site.listen.rpartition(":")
        door, home = LoopbackDoor(), f"http://{host if is_loopback_name(host) else '127.0.0.1'}:{port}/"
    office = Office(
        door, Forms(base_url=site.base_url, clock=_seconds), settings, home=f"{home}status/", refresh=refresh
    )
    try:
        yield [Route("/status", office), Route("/status/{rest:path}", office)]
    finally:
        office.close()


class Office:
    """Answers for the owner's pages.

    Args:
        door: Decides who comes in.
        forms: Tells which forms are ours.
        settings: As they are now.
        home: The address of the pages, with `/` at its end.
        refresh: Called with the name of a source that is to be refreshed.
        now: The time; aware.
    """

    def __init__(
        self,
        door: Door,
        forms: Forms,
        settings: Callable[[], Settings],
        *,
        home: str,
        refresh: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
    ) -> None:
        self._door = door
        self._forms = forms
        self._settings = settings
        self._home = home
        self._refresh = refresh
        self._now = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="status")
        self._waiting = 0

    def close(self) -> None:
        """Answer no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            reply = await self._answer(scope, receive)
        except FeedbridgeError as error:
            reply = _say(503, str(error))
        assert isinstance(reply.body, bytes)
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        knock = _knock(scope)
        place = scope["path"].removeprefix("/status")
        answer = self._door.open(knock, feed=place == f"/{_ATOM_FILE}")
        if isinstance(answer, Refusal):
            return _refuse(answer)
        if not place:
            return _go_to(f"status/?{knock.query}" if knock.query else "status/")
        if answer.cookie:
            return _go_to("./", (b"set-cookie", answer.cookie.encode()))
        if self._waiting >= WAITING:
            return _say(503, "too many requests at a time", (b"retry-after", b"1"))
        asked = _Asked(method=knock.method, place=place[1:], params=_first(knock.query))
        if asked.place == "refresh":
            return await self._take(asked, knock, receive)
        if asked.method not in ALLOWED:
            return _say(405, "method not allowed", (b"allow", b"GET, HEAD"))
        return await self._in_turn(partial(self._show, asked))

    async def _take(self, asked: _Asked, knock: Knock, receive: Receive) -> Reply:
        """Take a form that asks for a refresh."""
        if asked.method != "POST":
            return _say(405, "method not allowed", (b"allow", b"POST"))
        body = await _body(receive)
        if body is None:
            return _say(413, "the form is too long")
        form = _first(body.decode("ascii", errors="replace"))
        name = form.get("name", "")
        if not self._forms.is_good(knock, f"refresh {name}", form.get("form", "")):
            return _say(403, "this form is too old, or not from these pages; load the page again")
        if not await self._in_turn(lambda: views.may_refresh(self._settings(), name, now=self._now())):
            return _go_to(source_address(name))
        self._refresh(name)
        return _go_to(f"{source_address(name)}&asked=1")

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        """Work beside the event loop, one request after the other."""
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def _show(self, asked: _Asked) -> Reply:
        """A page, or the feed."""
        settings, now, params = self._settings(), self._now(), asked.params
        frame = self._frame(settings, now)
        match asked.place:
            case "":
                number = min(max(1, _number(params.get("page")) or 1), _LAST_PAGE)
                in_trouble = params.get("show") == "trouble"
                found = views.overview_view(settings, in_trouble=in_trouble, page=number, now=now)
                return _page(pages.overview_page(frame, found))
            case "source":
                name = params.get("name", "")
                source = views.source_view(settings, name, before=_number(params.get("before")), now=now)
                if source is not None:
                    form = self._forms.token(f"refresh {name}")
                    return _page(pages.source_page(frame, source, form=form, asked="asked" in params))
            case "article":
                article = views.article_view(settings, _number(params.get("row")) or 0)
                if article is not None:
                    return _page(pages.article_page(frame, article))
            case "pictures":
                hosts, in_all = views.pictures_view(settings)
                return _page(pages.pictures_page(frame, hosts, in_all=in_all))
            case "trouble.atom":
                return _reply(self._trouble(settings), f"{ATOM}; charset=utf-8")
        return _say(404, "not found")

    def _trouble(self, settings: Settings) -> bytes:
        troubles, began = views.troubles_view(settings, limit=ENTRIES)
        return trouble_feed(
            troubles,
            site=settings.site.title,
            home=self._home,
            began=began,
            words=words_of(settings.site),
            page_of=lambda name: self._home + source_address(name),
        )

    def _frame(self, settings: Settings, now: datetime) -> Frame:
        token = self._door.feed_token()
        trouble = f"{_ATOM_FILE}?token={token}" if token else _ATOM_FILE
        return Frame(site=settings.site, now=now, trouble=trouble, trouble_address=self._home + trouble)


def _knock(scope: Scope) -> Knock:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    peer = scope.get("client")
    return Knock(
        method=scope["method"],
        headers=headers,
        query=scope.get("query_string", b"").decode("latin-1"),
        peer=peer[0] if peer else None,
        version=scope.get("http_version", "1.1"),
    )


async def _body(receive: Receive) -> bytes | None:
    """The body of a request; None if it is longer than a form of ours, or does not come."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > _LONGEST_FORM:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _first(query: str) -> Params:
    """The first value of each parameter; none where they cannot be read."""
    try:
        return {name: values[0] for name, values in parse_qs(query, max_num_fields=20).items()}
    except ValueError:
        return {}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _page(body: bytes) -> Reply:
    return _reply(body, "text/html; charset=utf-8")


def _reply(body: bytes, media_type: str) -> Reply:
    headers = [*_safe(), (b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
    return Reply(200, headers, body)


def _go_to(address: str, *more: tuple[bytes, bytes]) -> Reply:
    """Lead on, by an address that is relative to the one that was asked for, whatever a proxy calls it."""
    return Reply(303, [*_safe(), (b"location", address.encode("latin-1")), (b"content-length", b"0"), *more], b"")


def _refuse(refusal: Refusal) -> Reply:
    prompt = [(b"www-authenticate", b'Basic realm="feedbridge", charset="UTF-8"')] if refusal.prompt else []
    return _say(refusal.status, refusal.text, *prompt)


def _say(status: int, text: str, *more: tuple[bytes, bytes]) -> Reply:
    reply = plain(status, text, *more)
    have = {name for name, _ in reply.headers}
    return Reply(status, [*reply.headers, *(one for one in _safe() if one[0] not in have)], reply.body)


def _safe() -> Headers:
    """What every answer has: nobody keeps it, frames it, or learns from it where somebody came from."""
    return [
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy().encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"x-robots-tag", b"noindex"),
    ]


def _seconds() -> float:
    return datetime.now(UTC).timestamp()
