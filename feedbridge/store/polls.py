"""Sources, and how their refreshes went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update

from feedbridge.store import troubles
from feedbridge.store.dialects import is_one_of, upsert
from feedbridge.store.schema import articles, files, polls, sources
from feedbridge.store.times import from_ms, to_ms

_MIXED = ""
"""The shape of a source whose articles were read under several settings, until a refresh has read them all."""

POLLS_KEPT = 100
"""Refreshes remembered for each source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceState:
    """What the store knows of a source.

    Attributes:
        row: Its row.
        shape: Digest of the settings that shaped what was read, None before the first refresh, and empty where a
            refresh that was to read all anew was ended.
        completed_at: When its first complete refresh began, or None.
        succeeded_at: When its last successful refresh began, or None.
        not_before: Its site wishes not to be asked sooner, or None.
        gone_at: When its site said that it is gone for good, or None.
    """

    row: int
    shape: str | None
    completed_at: datetime | None
    succeeded_at: datetime | None
    not_before: datetime | None = None
    gone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Poll:
    """One refresh of a source; `error` is None where it went well."""

    started_at: datetime
    finished_at: datetime
    error: str | None = None
    new: int = 0
    changed: int = 0
    unusable: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSummary:
    """How a source stands.

    Attributes:
        articles: Articles kept.
        new_in_a_day: Of these, first seen in the last 24 hours.
        unusable: Files that hold no article, with the reason, by path.
        newest: When the newest was published.
        old_rules: Articles that were read by rules older than this program's.
        last_success: When the last successful refresh began.
        last_error: The last refresh that failed, as far as it is remembered.
        unchanged: The last one that went well brought nothing new; None where none is remembered.
        failures: How often it has failed on end.
        next_poll_at: When it is due next; None where no daemon has scheduled it.
        not_before: Its site wishes not to be asked sooner.
        gone_at: When its site said that it is gone for good.
        history: When its newest articles were published.
        grown: It has brought something since its first refresh.
    """

    name: str
    articles: int = 0
    new_in_a_day: int = 0
    newest: datetime | None = None
    old_rules: int = 0
    last_success: datetime | None = None
    last_error: Poll | None = None
    unchanged: bool | None = None
    failures: int = 0
    next_poll_at: datetime | None = None
    not_before: datetime | None = None
    gone_at: datetime | None = None
    history: tuple[datetime, ...] = ()
    grown: bool = False
    unusable: tuple[tuple[str, str], ...] = ()


def source_state(connection: Connection, name: str) -> SourceState:
    """The state of a source, which is entered if it is new."""
    query = select(sources).where(sources.c.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        connection.execute(upsert(connection, sources).values(name=name).on_conflict_do_nothing())
        row = connection.execute(query).one()
    return SourceState(
        row=row.id,
        shape=row.shape,
        completed_at=from_ms(row.completed_at),
        succeeded_at=from_ms(row.succeeded_at),
        not_before=from_ms(row.not_before),
        gone_at=from_ms(row.gone_at),
    )


def completed(connection: Connection, names: Sequence[str] | None = None) -> set[str]:
    """The sources, of all or of these, that have been read from end to end at least once."""
    query = select(sources.c.name).where(sources.c.completed_at.is_not(None))
    return set(connection.scalars(query if names is None else query.where(is_one_of(sources.c.name, names))))


def begin(connection: Connection, source_id: int, *, shape: str) -> None:
    """Note what shapes the articles that will be read; where it is not what shaped those before, nothing does."""
    first = sources.c.shape.is_(None)
    connection.execute(
        update(sources).where(sources.c.id == source_id).values(shape=case((first, shape), else_=_MIXED))
    )


def note_shape(connection: Connection, source_id: int, *, shape: str) -> None:
    """Note that all that is kept was read by these settings."""
    connection.execute(update(sources).where(sources.c.id == source_id).values(shape=shape))


def record_success(connection: Connection, source_id: int, poll: Poll, *, shape: str) -> None:
    """Note that a refresh went well: what ailed the source is over."""
    began = to_ms(poll.started_at)
    connection.execute(
        update(sources)
        .where(sources.c.id == source_id)
        .values(shape=shape, succeeded_at=began, completed_at=func.coalesce(sources.c.completed_at, began), failures=0)
    )
    troubles.end(connection, source_id, at=poll.started_at)
    record(connection, source_id, poll)


def record(connection: Connection, source_id: int, poll: Poll) -> None:
    """Note how a refresh went; the oldest notes are dropped."""
    connection.execute(
        insert(polls).values(
            source_id=source_id,
            started_at=to_ms(poll.started_at),
            finished_at=to_ms(poll.finished_at),
            error=poll.error,
            new=poll.new,
            changed=poll.changed,
            unusable=poll.unusable,
        )
    )
    kept = select(polls.c.id).where(polls.c.source_id == source_id).order_by(polls.c.id.desc()).limit(POLLS_KEPT)
    connection.execute(delete(polls).where(polls.c.source_id == source_id, polls.c.id.not_in(kept)))


def summary(connection: Connection, name: str, *, now: datetime, normaliser: int) -> SourceSummary:
    """How a source stands; all empty if it was never refreshed."""
    row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
    if row is None:
        return SourceSummary(name=name)
    counts = connection.execute(
        select(
            func.count(),
            func.count().filter(articles.c.first_seen > to_ms(now - timedelta(days=1))),
            func.max(articles.c.published),
            func.count().filter(articles.c.normaliser < normaliser),
            func.count().filter(articles.c.first_seen > (row.completed_at or 0)),
        ).where(articles.c.source_id == row.id, articles.c.removed_at.is_(None))
    ).one()
    return SourceSummary(
        name=name,
        articles=counts[0],
        new_in_a_day=counts[1],
        newest=from_ms(counts[2]),
        old_rules=counts[3],
        last_success=from_ms(row.succeeded_at),
        last_error=_last_error(connection, row.id),
        unchanged=_brought_nothing(connection, row.id),
        failures=row.failures,
        next_poll_at=from_ms(row.next_poll_at),
        not_before=from_ms(row.not_before),
        gone_at=from_ms(row.gone_at),
        history=tuple(history(connection, name)),
        grown=row.completed_at is not None and counts[4] > 0,
        unusable=tuple(_unusable(connection, row.id)),
    )


def count(connection: Connection, name: str) -> int:
    """How many articles of a source are kept."""
    query = (
        select(func.count())
        .select_from(articles)
        .join(sources, sources.c.id == articles.c.source_id)
        .where(sources.c.name == name, articles.c.removed_at.is_(None))
    )
    return connection.scalar(query) or 0


def history(connection: Connection, name: str, *, limit: int = 20) -> list[datetime]:
    """When the newest articles of a source were published, newest first."""
    query = (
        select(articles.c.published)
        .join(sources, sources.c.id == articles.c.source_id)
        .where(sources.c.name == name)
        .order_by(articles.c.published.desc())
        .limit(limit)
    )
    return [from_ms(value) for value in connection.scalars(query)]


def newest(connection: Connection) -> int:
    """The row of the refresh that was noted last, 0 where there was none."""
    return connection.scalar(select(func.max(polls.c.id))) or 0


def noted(connection: Connection, *, after: int) -> list[tuple[int, str, Poll]]:
    """The refreshes of all sources that were noted after a row: the row, the source's name, and how it went."""
    query = select(polls, sources.c.name).join(sources, sources.c.id == polls.c.source_id).where(polls.c.id > after)
    return [(row.id, row.name, poll_of_row(row)) for row in connection.execute(query.order_by(polls.c.id))]


def poll_of_row(row: Row[Any]) -> Poll:
    """A refresh, of its row."""
    return Poll(
        started_at=from_ms(row.started_at),
        finished_at=from_ms(row.finished_at),
        error=row.error,
        new=row.new,
        changed=row.changed,
        unusable=row.unusable,
    )


def _last_error(connection: Connection, source_id: int) -> Poll | None:
    failed = select(polls).where(polls.c.source_id == source_id, polls.c.error.is_not(None))
    row = connection.execute(failed.order_by(polls.c.id.desc()).limit(1)).one_or_none()
    return poll_of_row(row) if row else None


def _brought_nothing(connection: Connection, source_id: int) -> bool | None:
    went_well = select(polls.c.new + polls.c.changed).where(polls.c.source_id == source_id, polls.c.error.is_(None))
    brought = connection.scalar(went_well.order_by(polls.c.id.desc()).limit(1))
    return None if brought is None else brought == 0


def _unusable(connection: Connection, source_id: int) -> Sequence[tuple[str, str]]:
    query = (
        select(files.c.path, files.c.unusable)
        .where(files.c.source_id == source_id, files.c.unusable.is_not(None), files.c.missing.is_(False))
        .order_by(files.c.path)
    )
    return [(row.path, row.unusable) for row in connection.execute(query)]
