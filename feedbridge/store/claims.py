"""Which sources are due, and who is at work on them. `next_poll_at` in the store is the schedule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from feedbridge.store.dialects import is_one_of, upsert
from feedbridge.store.schema import sources
from feedbridge.store.times import from_ms, to_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A source on the schedule.

    Attributes:
        due: When it is due.
        failures: How often it has failed on end.
        not_before: Its site wishes not to be asked sooner, or None.
    """

    name: str
    due: datetime
    failures: int
    not_before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim(Planned):
    """A source that is due, and ours to refresh.

    Attributes:
        taken: When it was claimed, on the clock that `due` is told by.
    """

    taken: datetime


def enter(connection: Connection, names: Sequence[str], *, now: datetime) -> None:
    """Put sources on the schedule that are not on it; they are due at once."""
    if names:
        connection.execute(upsert(connection, sources).on_conflict_do_nothing(), [{"name": name} for name in names])
    connection.execute(
        update(sources)
        .where(is_one_of(sources.c.name, names), sources.c.next_poll_at.is_(None))
        .values(next_poll_at=to_ms(now))
    )


def release_all(connection: Connection) -> None:
    """Take back what a process that is no more had claimed."""
    connection.execute(update(sources).where(sources.c.claimed_at.is_not(None)).values(claimed_at=None))


def claim(connection: Connection, names: Sequence[str], *, now: datetime, limit: int) -> list[Claim]:
    """Claim sources that are due, the longest due first; a source is claimed once until it is settled.

    What another process is claiming at the same moment is left to it.
    """
    due = (
        select(sources.c.id)
        .where(*_is_due(names, now=now))
        .order_by(sources.c.next_poll_at, sources.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")  # or PostgreSQL might choose to ask again, and take more than it was told
    )
    claimed = connection.execute(
        update(sources)
        .where(sources.c.id.in_(select(due.c.id)))
        .values(claimed_at=to_ms(now))
        .returning(sources.c.name, sources.c.next_poll_at, sources.c.failures)
    )
    found = [Claim(name=row.name, due=from_ms(row.next_poll_at), failures=row.failures, taken=now) for row in claimed]
    return sorted(found, key=lambda one: (one.due, one.name))


def due(connection: Connection, names: Sequence[str], *, now: datetime) -> Iterator[str]:
    """Those of these sources that are due and not at work, the longest due first; no more are read than are taken."""
    query = select(sources.c.name).where(*_is_due(names, now=now)).order_by(sources.c.next_poll_at, sources.c.id)
    with connection.scalars(query.execution_options(stream_results=True)) as found:
        yield from found


def settle(connection: Connection, name: str, *, next_poll_at: datetime, failures: int) -> None:
    """Give a claim back, and say when the source is due again."""
    connection.execute(
        update(sources)
        .where(sources.c.name == name)
        .values(claimed_at=None, next_poll_at=to_ms(next_poll_at), failures=failures)
    )


def moved(connection: Connection, claim: Claim) -> timedelta:
    """By how much the schedule was shifted since a source was claimed."""
    due = connection.scalar(select(sources.c.next_poll_at).where(sources.c.name == claim.name))
    return from_ms(due) - claim.due if due is not None else timedelta()


def hasten(connection: Connection, name: str, *, now: datetime) -> None:
    """Make a source due now, unless it is due already."""
    connection.execute(
        update(sources)
        .where(sources.c.name == name, sources.c.next_poll_at > to_ms(now))
        .values(next_poll_at=to_ms(now))
    )


def shift(connection: Connection, by: timedelta) -> None:
    """Move the whole schedule, for the clock was set."""
    milliseconds = by // timedelta(milliseconds=1)
    connection.execute(
        update(sources).values(
            next_poll_at=sources.c.next_poll_at + milliseconds, not_before=sources.c.not_before + milliseconds
        )
    )


def schedule(connection: Connection, names: Sequence[str]) -> list[Planned]:
    """When those of these sources are due that nobody is at work on, the longest due first."""
    query = (
        select(sources.c.name, sources.c.next_poll_at, sources.c.failures, sources.c.not_before)
        .where(
            is_one_of(sources.c.name, names),
            sources.c.next_poll_at.is_not(None),
            sources.c.claimed_at.is_(None),
            sources.c.gone_at.is_(None),
        )
        .order_by(sources.c.next_poll_at, sources.c.id)
    )
    return [
        Planned(
            name=row.name,
            due=from_ms(row.next_poll_at),
            failures=row.failures,
            not_before=from_ms(row.not_before),
        )
        for row in connection.execute(query)
    ]


def set_due(connection: Connection, times: Mapping[str, datetime]) -> None:
    """Say when sources are due next that nobody is at work on."""
    if times:
        free = sources.c.name == bindparam("of"), sources.c.claimed_at.is_(None)
        values = [{"of": name, "at": to_ms(at)} for name, at in sorted(times.items())]
        connection.execute(update(sources).where(*free).values(next_poll_at=bindparam("at")), values)


def waiting(connection: Connection, names: Sequence[str], *, now: datetime) -> int:
    """How many sources are due and not at work."""
    query = select(func.count()).select_from(sources).where(*_is_due(names, now=now))
    return connection.scalar(query) or 0


def _is_due(names: Sequence[str], *, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        sources.c.next_poll_at <= to_ms(now),
        sources.c.claimed_at.is_(None),
        sources.c.gone_at.is_(None),
        is_one_of(sources.c.name, names),
    )
