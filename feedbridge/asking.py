"""Sites are asked politely, and what they answer is read at arm's length."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import feedbridge
from feedbridge.errors import FetchError, Gone, ParseError, Refused
from feedbridge.fetch.client import Answer, Ask, Client, basic, login_of
from feedbridge.fetch.manners import Manners, Turns
from feedbridge.reach import host_of
from feedbridge.settings import FeedSource, Site
from feedbridge.workers import Job, Readers, Reading


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A feed that is read.

    Attributes:
        answer: What it came with.
        named: Its address, where it is another than the one asked: the page there names it.
    """

    answer: Answer
    reading: Reading
    named: str | None


class Web:
    """The way to sites; one for the whole process, used as `async with`."""

    def __init__(self, site: Site, *, turns: Turns | None = None) -> None:
        self._site = site
        self._manners = Manners(pause=site.pause, rules=site.host_rule, shared=turns)
        self._client = Client(user_agent=user_agent(site))
        self._readers = Readers()
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opened:
            await opened.enter_async_context(self._client)
            await opened.enter_async_context(self._readers)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    @property
    def client(self) -> Client:
        """Fetches without a turn: for pictures, whose hosts are used to being asked for many."""
        return self._client

    def use(self, site: Site) -> None:
        """Treat hosts as these settings say; another address to write to takes a new start."""
        self._site = site
        self._manners.use(pause=site.pause, rules=site.host_rule)

    def turn(self, source: FeedSource, url: str) -> AbstractAsyncContextManager[None]:
        """Wait until the host of an address has time for us, for one request of a source."""
        return self._manners.turn(host_of(url), at_most=source.timeout)

    def asked_to_wait(self, host: str, source: str, *, until: datetime) -> None:
        """Remember that a host wishes to be left alone."""
        self._manners.asked_to_wait(host, source, until=until)

    def waits_until(self, source: FeedSource, url: str, *, now: datetime) -> datetime | None:
        """Until when the host of an address wishes to be left alone, or None."""
        return self._manners.waits_until(host_of(url), source.name, now=now)

    async def fetch(
        self,
        source: FeedSource,
        url: str,
        *,
        now: datetime,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> Answer:
        """Fetch an address of a source, if it has changed since then.

        Args:
            source: Its settings say how, and what may be reached.
            url: Absolute; it is our turn at its host.
            now: The time of the refresh; aware.
            etag: As the server wrote it.
            last_modified: The same.

        Raises:
            Refused: Its host wishes to be left alone; who is next in line there learns of it.
            FetchError: Nothing usable came.
        """
        ask = Ask(
            url=url,
            timeout=source.timeout,
            max_bytes=source.max_bytes,
            max_decoded_bytes=source.max_decoded_bytes,
            headers=_headers(source, url),
            etag=etag,
            last_modified=last_modified,
            allow=source.allow_private,
            proxy=source.proxy or self._site.proxy,
        )
        try:
            return await self._client.fetch(ask)
        except Refused as error:
            error.url = error.url or url
            self.asked_to_wait(host_of(error.url), source.name, until=now + error.retry_after)
            raise

    @contextlib.asynccontextmanager
    async def read(self, source: FeedSource, answer: Answer, *, now: datetime) -> AsyncIterator[Found]:
        """Read the feed that came; where a page came that names one, that one.

        Raises:
            SourceError: There is no feed, or it cannot be read.
        """
        named = None
        while True:
            with body_of(answer) as chunks, _told_of(answer.url):
                content_type = answer.headers.get("content-type")
                job = Job(
                    kind=source.kind,
                    url=answer.url,
                    content_type=content_type,
                    chunks=chunks,
                    size=answer.body.size if answer.body else 0,
                )
                async with self._readers.read(job) as reading:
                    if reading.index.request is None:
                        yield Found(answer=answer, reading=reading, named=named)
                        return
                    if named is not None:
                        raise ParseError("is a page, too, though another page names it as its feed")
                    named = reading.index.request.url
            async with self.turn(source, named):
                answer = await self._fetch_named(source, named, now=now)

    async def _fetch_named(self, source: FeedSource, url: str, *, now: datetime) -> Answer:
        """Fetch the feed that a page names. If it is gone, the page is not: it may name another one tomorrow."""
        if until := self.waits_until(source, url, now=now):
            message = f"{url}: its host wishes to be left alone until {until:%Y-%m-%dT%H:%M:%SZ}"
            raise Refused(message, retry_after=until - now, url=url)
        try:
            return await self.fetch(source, url, now=now)
        except Gone as error:
            raise FetchError(f"{error}, though {without_user(source.url)} names it", status=error.status) from error


def user_agent(site: Site) -> str:
    """What we call ourselves, and where to write to."""
    contact = site.contact or site.base_url
    return f"feedbridge/{feedbridge.__version__} (+{contact.encode('ascii', 'replace').decode()})"


def _headers(source: FeedSource, url: str) -> dict[str, str]:
    """The source's own headers and login, for its own site alone."""
    own, asked = urlsplit(source.url), urlsplit(url)
    if (own.scheme, own.hostname, own.port) != (asked.scheme, asked.hostname, asked.port):
        return {}
    headers = dict(source.headers)
    if login := source.login or login_of(source.url):
        headers["Authorization"] = basic(login)
    return headers


def without_user(url: str) -> str:
    """An address for people, without the user name and password that may stand in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextlib.contextmanager
def _told_of(url: str) -> Iterator[None]:
    """Let what cannot be read be told with its address."""
    try:
        yield
    except ParseError as error:
        raise ParseError(f"{url}: {error}") from error


@contextlib.contextmanager
def body_of(answer: Answer) -> Iterator[Iterable[bytes]]:
    """The pieces of an answer's body, decoded; it is closed in the end."""
    if answer.body is None:
        yield iter(())
        return
    with answer.body as body:
        yield body.chunks()
