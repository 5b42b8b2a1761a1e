"""Which sources are due, and who is at work on them. `next_poll_at` in the store is the schedule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, or_, select, update

from feedbridge.store.dialects import clock, is_one_of, upsert
from feedbridge.store.schema import holders, sources
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
        holder: Who claimed it.
    """

    taken: datetime
    holder: str


def hold(connection: Connection, holder: str, *, lease: timedelta | None) -> None:
    """Let a holder claim sources, and let its claims be good, for so long from now.

    Args:
        connection: To the store.
        holder: A name that no other process has, nor had.
        lease: By the database's clock; None: as long as the process has the store to itself.
    """
    until = clock() + lease // timedelta(milliseconds=1) if lease else None
    statement = upsert(connection, holders).values(name=holder, expires_at=until)
    new = statement.excluded.expires_at
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"expires_at": new},
            where=holders.c.expires_at.is_distinct_from(new),  # or a file would be written each time
        )
    )


def release_abandoned(connection: Connection, holder: str, *, is_alone: bool) -> list[str]:
    """Take back what other holders have claimed whose lease has ended, or all others, if the store is ours alone.

    Returns:
        The names of the sources.
    """
    others = holders.c.name != holder
    ended = or_(holders.c.expires_at.is_(None), holders.c.expires_at <= clock())  # who had it alone is no more, either
    gone = delete(holders).where(others if is_alone else and_(others, ended)).returning(holders.c.name)
    return _release(connection, connection.scalars(gone).all())


def take_over(
    connection: Connection, names: Sequence[str], *, before: Sequence[str], holder: str, lease: timedelta
) -> list[Claim]:
    """Go on with what others had claimed of these sources, whose work is now ours; they can settle it no more."""
    hold(connection, holder, lease=lease)
    connection.execute(delete(holders).where(holders.c.name.in_(before)))
    found = connection.execute(
        update(sources)
        .where(sources.c.name.in_(names), sources.c.claimed_by.in_(before))
        .values(claimed_by=holder)
        .returning(sources.c.name, sources.c.next_poll_at, sources.c.failures, sources.c.claimed_at)
    )
    claimed = [
        Claim(
            name=row.name,
            due=from_ms(row.next_poll_at),
            failures=row.failures,
            taken=from_ms(row.claimed_at),
            holder=holder,
        )
        for row in found
    ]
    return sorted(claimed, key=lambda one: (one.due, one.name))


def leave(connection: Connection, holder: str) -> None:
    """Give back all that a holder has claimed; it claims no more."""
    connection.execute(delete(holders).where(holders.c.name == holder))
    _release(connection, [holder])


def enter(connection: Connection, names: Sequence[str], *, now: datetime) -> None:
    """Put sources on the schedule that are not on it; they are due at once."""
    if names:
        connection.execute(upsert(connection, sources).on_conflict_do_nothing(), [{"name": name} for name in names])
    connection.execute(
        update(sources)
        .where(is_one_of(sources.c.name, names), sources.c.next_poll_at.is_(None))
        .values(next_poll_at=to_ms(now))
    )


def claim(connection: Connection, names: Sequence[str], *, holder: str, now: datetime, limit: int) -> list[Claim]:
    """Claim sources that are due, the longest due first; a source is claimed once until it is settled.

    What another process is claiming at the same moment is left to it. Who has no lease, or no longer, claims nothing.
    """
    if not _is_good(connection, holder):
        return []
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
        .values(claimed_at=to_ms(now), claimed_by=holder)
        .returning(sources.c.name, sources.c.next_poll_at, sources.c.failures)
    )
    found = [
        Claim(name=row.name, due=from_ms(row.next_poll_at), failures=row.failures, taken=now, holder=holder)
        for row in claimed
    ]
    return sorted(found, key=lambda one: (one.due, one.name))


def due(connection: Connection, names: Sequence[str], *, now: datetime) -> Iterator[str]:
    """Those of these sources that are due and not at work, the longest due first; no more are read than are taken."""
    query = select(sources.c.name).where(*_is_due(names, now=now)).order_by(sources.c.next_poll_at, sources.c.id)
    with connection.scalars(query.execution_options(stream_results=True)) as found:
        yield from found


def at_work(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those of these sources that somebody has claimed."""
    query = select(sources.c.name).where(sources.c.claimed_at.is_not(None), is_one_of(sources.c.name, names))
    return list(connection.scalars(query))


def settle(connection: Connection, claim: Claim, *, next_poll_at: datetime, failures: int) -> bool:
    """Give a claim back, and say when the source is due again; False: it was taken back, and nothing is changed."""
    settled = connection.execute(
        update(sources)
        .where(
            sources.c.name == claim.name,
            sources.c.claimed_by == claim.holder,
            sources.c.claimed_at == to_ms(claim.taken),
        )
        .values(claimed_at=None, claimed_by=None, next_poll_at=to_ms(next_poll_at), failures=failures)
    )
    return settled.rowcount == 1


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
    """When those of these sources are due that nobody is at work on, the longest due first.

    Until the end of the transaction nobody claims them.
    """
    query = (
        select(sources.c.name, sources.c.next_poll_at, sources.c.failures, sources.c.not_before)
        .where(
            is_one_of(sources.c.name, names),
            sources.c.next_poll_at.is_not(None),
            sources.c.claimed_at.is_(None),
            sources.c.gone_at.is_(None),
        )
        .order_by(sources.c.next_poll_at, sources.c.id)
        .with_for_update(skip_locked=True)
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


def _is_good(connection: Connection, holder: str) -> bool:
    """Whether a holder has a lease; nobody takes its claims back before the end of the transaction."""
    runs = or_(holders.c.expires_at.is_(None), holders.c.expires_at > clock())
    query = select(holders.c.name).where(holders.c.name == holder, runs).with_for_update(read=True)
    return connection.scalar(query) is not None


def _release(connection: Connection, gone: Sequence[str]) -> list[str]:
    if not gone:
        return []
    theirs = is_one_of(sources.c.claimed_by, gone)
    released = update(sources).where(theirs).values(claimed_at=None, claimed_by=None).returning(sources.c.name)
    return list(connection.scalars(released))
