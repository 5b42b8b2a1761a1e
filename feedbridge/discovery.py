"""What somebody has who begins: an archive, a feed, or a page that leads to feeds."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from feedbridge.asking import Web
from feedbridge.errors import FeedbridgeError, FetchError, ParseError, SettingsError, SourceError
from feedbridge.fetch.client import Answer
from feedbridge.settings import FeedSource, Site
from feedbridge.sounding import look_at_folder
from feedbridge.sources.charset import decode_page
from feedbridge.sources.instead import alternates, anchors, looks_like_html, title_of, what_came
from feedbridge.starter import Find, Start, Value, host_name, is_below, one_line, slug, start_of

MOST_FEEDS = 10
"""Feeds of a page that are looked at."""

_OPENED = re.compile(r'allow_private = \["([^"]+)"\]')
"""The mend as the settings have it."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}")


def look_at(what: str, *, settings: Path, site: Site, allow_private: Sequence[str], now: datetime) -> Start:
    """What there is to start with at an address or in a folder.

    Args:
        what: An http(s) address, or the path of a folder.
        settings: Where the settings file will be.
        site: How sites are asked.
        allow_private: What may be reached beside the public web, as in the settings of a source.
        now: The time; aware.

    Raises:
        SettingsError: It is neither.
        SourceError: There is neither an article nor a feed, or it cannot be reached.
    """
    if what.lower().startswith(("http://", "https://")):
        try:
            return asyncio.run(_look_at_address(what, site=site, allow_private=allow_private, now=now))
        except FetchError as error:
            mend = "; look whether the address is right" if error.status else ""
            raise FetchError(_OPENED.sub(r"--allow-private \1", f"{error}{mend}")) from error
    folder = Path(what).expanduser()
    try:
        if folder.is_dir():
            near = settings.absolute().parent.resolve()
            within = near.parent if is_below(settings) else near
            return look_at_folder(folder, settings_folder=near, within=within, now=now)
        is_there = folder.exists()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{what}: cannot be looked at ({getattr(error, 'strerror', None) or error})") from error
    if is_there:
        raise SettingsError(f"{what}: is a file; name the folder that it is in")
    raise SettingsError(
        f"{what}: no such folder; mend the path, or, if it is an address on the web, begin it with https://"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Feed:
    """A feed that was read; `links` are those of its entries."""

    url: str
    title: str
    language: str | None
    links: frozenset[str]
    entries: int

    def is_also(self, other: "_Feed") -> bool:
        """Whether another one tells the same, in another format."""
        return bool(self.links) and (
            self.links == other.links or (self.title == other.title and bool(self.links & other.links))
        )


async def _look_at_address(url: str, *, site: Site, allow_private: Sequence[str], now: datetime) -> Start:
    opened: dict[str, Value] = {"allow_private": allow_private} if allow_private else {}
    source = _source(url, opened)
    left_out: list[tuple[str, str]] = []
    async with Web(site) as web:
        answer = await _fetch(web, source, url, now=now)
        page = _page_of(answer)
        if page is None:
            feeds, title = [await _read(web, source, url, answer, now=now)], None
        else:
            title = one_line(title_of(page)) or None
            feeds, left_out = await _read_all(web, source, _named(page, answer.url), now=now)
    finds = [(_find(feed, opened), feed.language) for feed in feeds]
    return start_of(finds, title=title, left_out=left_out)


def _source(url: str, keys: Mapping[str, Value]) -> FeedSource:
    """An address as a source.

    Raises:
        SettingsError: It cannot be one.
    """
    try:
        source = FeedSource.model_validate({"name": "start", "kind": "feed", "url": url, **keys})
    except ValidationError as error:
        reasons = "; ".join(one["msg"] for one in error.errors())
        raise SettingsError(f"{url.rpartition('@')[2]}: {reasons}") from error
    if urlsplit(url).username:
        raise SettingsError(
            "leave user name and password out of the address, for they are not written down; `login` in the settings"
            " takes them from the environment"
        )
    return source


async def _fetch(web: Web, source: FeedSource, url: str, *, now: datetime) -> Answer:
    async with web.turn(source, url):
        return await web.fetch(source, url, now=now)


def _page_of(answer: Answer) -> str | None:
    """The text of what came, if it is an HTML page; else the body may be read once more."""
    if answer.body is None:
        return None
    text = decode_page(b"".join(answer.body.chunks()), answer.headers.get("content-type"))
    if not looks_like_html(text):
        return None
    answer.body.close()
    return text


def _named(page: str, url: str) -> Sequence[str]:
    """The feeds that a page leads to: those that it names, else those that it links.

    Raises:
        ParseError: There are none.
    """
    found = alternates(page, url=url, main=True) or anchors(page, url=url)
    if not found:
        raise ParseError(
            f"{url}: {what_came(page)} came, which names no feed and links none; give the address of the feed itself"
        )
    return found


async def _read_all(
    web: Web, source: FeedSource, urls: Sequence[str], *, now: datetime
) -> tuple[list[_Feed], list[tuple[str, str]]]:
    """Read the feeds that a page leads to, one after the other; what is not taken comes with the reason.

    Raises:
        SourceError: None of them can be read.
    """
    feeds: list[_Feed] = []
    left_out: list[tuple[str, str]] = []
    for url in urls[:MOST_FEEDS]:
        try:
            feed = await _read(web, source, url, await _fetch(web, source, url, now=now), now=now)
        except FeedbridgeError as error:
            left_out.append((url, str(error).removeprefix(f"{url}: ")))
            continue
        same = next((one for one in feeds if feed.is_also(one)), None)
        if same:
            left_out.append((url, f"tells the same as {same.url}"))
        else:
            feeds.append(feed)
    left_out += [(url, f"only the first {MOST_FEEDS} are looked at") for url in urls[MOST_FEEDS:]]
    if not feeds:
        reasons = "".join(f"\n  {url}: {reason}" for url, reason in left_out)
        raise SourceError(f"{source.url}: leads to no feed that can be read{reasons}")
    return feeds, left_out


async def _read(web: Web, source: FeedSource, url: str, answer: Answer, *, now: datetime) -> _Feed:
    """Read the feed that came from an address; it is kept by the one where it has moved for good.

    Raises:
        SourceError: It is none, or cannot be read.
    """
    async with web.read(source, answer, now=now) as found:
        index = found.reading.index
    facts = index.facts
    return _Feed(
        url=answer.moved_to or url,
        title=one_line((facts and facts.title) or "") or host_name(urlsplit(answer.url).hostname or ""),
        language=facts.language if facts and _LANGUAGE.fullmatch(facts.language or "") else None,
        links=frozenset(outline.item.link for outline in index.outlines if outline.item.link),
        entries=len(index.outlines),
    )


def _find(feed: _Feed, opened: Mapping[str, Value]) -> Find:
    told = "1 entry" if feed.entries == 1 else f"{feed.entries:,} entries"
    name = slug(feed.title, instead=[host_name(urlsplit(feed.url).hostname or "")])
    keys: dict[str, Value] = {"url": feed.url, **opened}
    return Find(name=name, title=feed.title, kind="feed", keys=keys, told=f"{told}, at {feed.url}")
