"""What the owner's pages show, as it stands in the store now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from feedbridge import inspection, schedule, standstill
from feedbridge.inspection import Explanation, SourceStatus
from feedbridge.settings import Settings, Source
from feedbridge.store import articles, overview, pictures, troubles
from feedbridge.store.database import Store
from feedbridge.store.overview import Counts, Headline, Hour, Standing
from feedbridge.store.pictures import HostCounts
from feedbridge.store.polls import POLLS_KEPT, Poll
from feedbridge.store.troubles import Trouble

SOURCES = 50
"""On one page."""
HEADLINES = 20
"""On one page."""
HOSTS = 100
"""Hosts of pictures, at most."""
DAYS = 30
"""So far back the charts of a day each go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceLine:
    """A source in the list.

    Attributes:
        state: `fine`, `failing`, `ailing`, `gone` or `new`.
        error: The last refresh that failed, while it is in trouble.
        days: Articles by the day of publication, the oldest first, as far back as `DAYS`.
    """

    standing: Standing
    title: str
    language: str | None
    state: str
    error: Poll | None
    days: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OverviewView:
    """The first page.

    Attributes:
        hours: The last 24, the oldest first.
        page: Counts from 1.
        has_next: There are more pages.
    """

    counts: Counts
    articles: int
    store_bytes: int
    hours: tuple[Hour, ...]
    lines: tuple[SourceLine, ...]
    in_trouble: bool
    page: int
    has_next: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceView:
    """One source's page.

    Attributes:
        status: As `feedbridge status` tells it.
        headlines: Some of its articles, the newest first.
        before: The row after which the next page of them begins; None on the last.
        days: The last of them is today.
    """

    line: SourceLine
    status: SourceStatus
    polls: tuple[Poll, ...]
    headlines: tuple[Headline, ...]
    before: int | None
    days: tuple[date, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView:
    """A host of pictures; `reason`: why none of its pictures is used."""

    counts: HostCounts
    reason: str | None


def overview_view(settings: Settings, *, in_trouble: bool, page: int, now: datetime) -> OverviewView:
    """How all stands: a page of the sources, those in trouble first.

    Raises:
        StoreError: The store cannot be read.
    """
    names = [source.name for source in settings.source]
    by_name = {source.name: source for source in settings.source}
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        standings = overview.standings(
            connection,
            names,
            broken_after=schedule.AILING_AFTER,
            in_trouble=in_trouble,
            limit=SOURCES + 1,
            offset=(page - 1) * SOURCES,
        )
        shown = standings[:SOURCES]
        return OverviewView(
            counts=overview.counts(connection, names, broken_after=schedule.AILING_AFTER, now=now),
            articles=overview.article_count(connection),
            store_bytes=store.size(),
            hours=tuple(_hours(connection, now=now)),
            lines=tuple(_lines(connection, settings, [(by_name[one.name], one) for one in shown], now=now)),
            in_trouble=in_trouble,
            page=page,
            has_next=len(standings) > SOURCES,
        )


def source_view(settings: Settings, name: str, *, before: int | None, now: datetime) -> SourceView | None:
    """One source, or None if there is none of this name.

    Args:
        settings: The sources, and the store.
        name: Its name.
        before: The row after which the list of its articles begins.
        now: The time; aware.

    Raises:
        StoreError: The store cannot be read.
    """
    source = next((source for source in settings.source if source.name == name), None)
    if source is None:
        return None
    looked_at = standstill.looked_at(settings.site.store_path) if settings.site.store_is_file else None
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        standing = overview.standing(connection, name)
        if standing is None:
            return None
        (line,) = _lines(connection, settings, [(source, standing)], now=now)
        headlines = overview.headlines(connection, standing.row, before=before, limit=HEADLINES + 1)
        return SourceView(
            line=line,
            status=inspection.source_status(connection, source, looked_at=looked_at, now=now),
            polls=tuple(overview.recent_polls(connection, standing.row, limit=POLLS_KEPT)),
            headlines=tuple(headlines[:HEADLINES]),
            before=headlines[HEADLINES - 1].row if len(headlines) > HEADLINES else None,
            days=tuple(_days(now)),
        )


def article_view(settings: Settings, row: int) -> Explanation | None:
    """What made the article of a row; None if there is none.

    Raises:
        StoreError: The store cannot be read.
    """
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        kept = articles.load(connection, [row]).get(row)
        return inspection.explain_kept(connection, settings, row, kept) if kept else None


def pictures_view(settings: Settings) -> tuple[Sequence[HostView], int]:
    """Hosts of pictures, those in trouble first, and how many there are in all.

    Raises:
        StoreError: The store cannot be read.
    """
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        failing = pictures.failing_hosts(connection)
        found = [HostView(counts=one, reason=failing.get(one.host)) for one in pictures.counts(connection)]
    found.sort(key=lambda one: (one.reason is None, -one.counts.missing, -one.counts.found, one.counts.host))
    return found[:HOSTS], len(found)


def troubles_view(settings: Settings, *, limit: int) -> tuple[Sequence[Trouble], datetime | None]:
    """The latest troubles, and when the first source was read.

    Raises:
        StoreError: The store cannot be read.
    """
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        return troubles.latest(connection, limit=limit), overview.began(connection)


def may_refresh(settings: Settings, name: str, *, now: datetime) -> bool:
    """Whether a source is to be refreshed because its owner asks for it now: neither gone, nor against its site's wish.

    Raises:
        StoreError: The store cannot be read.
    """
    if name not in {source.name for source in settings.source}:
        return False
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        standing = overview.standing(connection, name)
    return standing is not None and standing.gone_at is None and not waits(standing, now=now)


def waits(standing: Standing, *, now: datetime) -> bool:
    """Whether a source's site wishes to be left alone still."""
    return inspection.wish_ahead(standing.not_before, now=now) is not None


def state_of(standing: Standing) -> str:
    """How a source stands, in a word of ours."""
    if standing.gone_at:
        return "gone"
    if standing.failures:
        return "ailing" if standing.failures >= schedule.AILING_AFTER else "failing"
    return "fine" if standing.succeeded_at else "new"


def _lines(
    connection: Connection, settings: Settings, shown: Sequence[tuple[Source, Standing]], *, now: datetime
) -> Sequence[SourceLine]:
    rows = [standing.row for _, standing in shown]
    days = list(_days(now))
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    published = overview.published_by_day(connection, rows, since=since)
    errors = overview.last_errors(connection, rows)
    return [
        SourceLine(
            standing=standing,
            title=source.title or source.name,
            language=source.language or settings.site.language,
            state=state_of(standing),
            error=errors.get(standing.row) if standing.failures or standing.gone_at else None,
            days=tuple(published.get(standing.row, {}).get(day, 0) for day in days),
        )
        for source, standing in shown
    ]


def _days(now: datetime) -> Sequence[date]:
    return [now.date() - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]


def _hours(connection: Connection, *, now: datetime) -> Sequence[Hour]:
    """The last 24 hours, also those in which nothing was refreshed."""
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=23)
    found = {hour.start: hour for hour in overview.hours(connection, since=first)}
    starts = [first + timedelta(hours=number) for number in range(24)]
    return [found.get(start, Hour(start=start)) for start in starts]
