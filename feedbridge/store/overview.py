"""What the owner is shown of many sources at once: counted by the database, and never more than fits a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from feedbridge.store.dialects import is_one_of
from feedbridge.store.polls import Poll, poll_of_row
from feedbridge.store.schema import articles, polls, sources
from feedbridge.store.times import from_ms, to_ms

_SECOND = 1_000
_HOUR = 3_600 * _SECOND
_DAY = 24 * _HOUR


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A source, as far as its row tells.

    Attributes:
        failures: How often it has failed on end.
        at_work: Somebody is refreshing it.
    """

    row: int
    name: str
    failures: int
    succeeded_at: datetime | None
    next_poll_at: datetime | None
    not_before: datetime | None
    gone_at: datetime | None
    at_work: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many sources there are, and how many of them stand how.

    Attributes:
        broken: Ailing, or gone for good.
        failing: Failed the last time, but not often enough to be broken.
        due: Wait for their turn.
    """

    sources: int = 0
    broken: int = 0
    failing: int = 0
    due: int = 0
    at_work: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hour:
    """The refreshes that began within an hour.

    Attributes:
        seconds: How long they took, on average.
        longest: How long the longest took, in seconds.
    """

    start: datetime
    changed: int = 0
    unchanged: int = 0
    failed: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """An article in a list."""

    row: int
    title: str
    link: str | None
    published: datetime
    first_seen: datetime


def counts(connection: Connection, names: Sequence[str], *, broken_after: int, now: datetime) -> Counts:
    """How many of these sources stand how.

    Args:
        connection: To the store.
        names: Those of the settings.
        broken_after: Failures on end after which a source counts as broken.
        now: The time; aware.
    """
    broken = _is_broken(broken_after)
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(broken),
            func.count().filter(and_(sources.c.failures > 0, ~broken)),
            func.count().filter(
                and_(sources.c.next_poll_at <= to_ms(now), sources.c.claimed_at.is_(None), sources.c.gone_at.is_(None))
            ),
            func.count(sources.c.claimed_at),
        ).where(is_one_of(sources.c.name, names))
    ).one()
    return Counts(sources=row[0], broken=row[1], failing=row[2], due=row[3], at_work=row[4])


def standings(
    connection: Connection, names: Sequence[str], *, broken_after: int, in_trouble: bool, limit: int, offset: int
) -> list[Standing]:
    """Some of these sources: first the broken ones, then those that failed the last time, then the rest by name.

    Args:
        connection: To the store.
        names: Those of the settings.
        broken_after: Failures on end after which a source counts as broken.
        in_trouble: Only those that are broken, or failed the last time.
        limit: At most so many.
        offset: So many are passed over.
    """
    broken = _is_broken(broken_after)
    query = select(sources).where(is_one_of(sources.c.name, names))
    if in_trouble:
        query = query.where(or_(broken, sources.c.failures > 0))
    order = case((broken, 0), (sources.c.failures > 0, 1), else_=2)
    return [
        _standing(row) for row in connection.execute(query.order_by(order, sources.c.name).limit(limit).offset(offset))
    ]


def standing(connection: Connection, name: str) -> Standing | None:
    """One source; None if it was never entered."""
    row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
    return _standing(row) if row else None


def last_errors(connection: Connection, rows: Sequence[int]) -> Mapping[int, Poll]:
    """The last refreshes that failed, of these sources, by row."""
    newest = (select(func.max(polls.c.id)).where(polls.c.source_id.in_(rows), polls.c.error.is_not(None))).group_by(
        polls.c.source_id
    )
    found = connection.execute(select(polls).where(polls.c.id.in_(newest)))
    return {row.source_id: poll_of_row(row) for row in found}


def recent_polls(connection: Connection, row: int, *, limit: int) -> list[Poll]:
    """The refreshes of a source, the latest first."""
    query = select(polls).where(polls.c.source_id == row).order_by(polls.c.started_at.desc(), polls.c.id.desc())
    return [poll_of_row(one) for one in connection.execute(query.limit(limit))]


def hours(connection: Connection, *, since: datetime) -> list[Hour]:
    """The refreshes of all sources by the hour in which they began, oldest first; hours without any are left out."""
    hour = polls.c.started_at - polls.c.started_at % _HOUR
    went_well = polls.c.error.is_(None)
    brought = polls.c.new + polls.c.changed > 0
    took = polls.c.finished_at - polls.c.started_at
    query = (
        select(
            hour.label("start"),
            func.count().filter(and_(went_well, brought)),
            func.count().filter(and_(went_well, ~brought)),
            func.count(polls.c.error),
            func.avg(took),
            func.max(took),
        )
        .where(polls.c.started_at >= to_ms(since))
        .group_by(hour)
        .order_by(hour)
    )
    return [
        Hour(
            start=from_ms(row[0]),
            changed=row[1],
            unchanged=row[2],
            failed=row[3],
            seconds=float(row[4]) / _SECOND,
            longest=row[5] / _SECOND,
        )
        for row in connection.execute(query)
    ]


def published_by_day(
    connection: Connection, rows: Sequence[int], *, since: datetime
) -> Mapping[int, Mapping[date, int]]:
    """How many articles of these sources were published on which day (UTC), by row; days without any are left out."""
    day = articles.c.published - articles.c.published % _DAY
    query = (
        select(articles.c.source_id, day, func.count())
        .where(articles.c.source_id.in_(rows), articles.c.published >= to_ms(since))
        .group_by(articles.c.source_id, day)
    )
    found: dict[int, dict[date, int]] = {}
    for source, start, number in connection.execute(query):
        found.setdefault(source, {})[from_ms(start).date()] = number
    return found


def headlines(connection: Connection, row: int, *, before: int | None, limit: int) -> list[Headline]:
    """The articles of a source, the newest first, without those that were taken down.

    Args:
        connection: To the store.
        row: Of the source.
        before: Only what comes after the article of this row.
        limit: At most so many.
    """
    columns = (articles.c.id, articles.c.title, articles.c.link, articles.c.published, articles.c.first_seen)
    query = select(*columns).where(articles.c.source_id == row, articles.c.removed_at.is_(None))
    if before is not None:
        published = connection.scalar(select(articles.c.published).where(articles.c.id == before))
        if published is None:
            return []
        same = and_(articles.c.published == published, articles.c.id < before)
        query = query.where(or_(articles.c.published < published, same))
    query = query.order_by(articles.c.published.desc(), articles.c.id.desc()).limit(limit)
    return [
        Headline(
            row=one.id,
            title=one.title,
            link=one.link,
            published=from_ms(one.published),
            first_seen=from_ms(one.first_seen),
        )
        for one in connection.execute(query)
    ]


def article_count(connection: Connection) -> int:
    """How many articles there are, those that were taken down among them."""
    return connection.scalar(select(func.count()).select_from(articles)) or 0


def began(connection: Connection) -> datetime | None:
    """When the first source was read; None before."""
    first: int | None = connection.scalar(select(func.min(sources.c.completed_at)))
    return from_ms(first)


def _is_broken(after: int) -> ColumnElement[bool]:
    return or_(sources.c.failures >= after, sources.c.gone_at.is_not(None))


def _standing(row: Row[Any]) -> Standing:
    return Standing(
        row=row.id,
        name=row.name,
        failures=row.failures,
        succeeded_at=from_ms(row.succeeded_at),
        next_poll_at=from_ms(row.next_poll_at),
        not_before=from_ms(row.not_before),
        gone_at=from_ms(row.gone_at),
        at_work=row.claimed_at is not None,
    )
