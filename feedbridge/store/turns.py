"""Turns at hosts, of all processes that share a store; by the database's own clock."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from feedbridge.store.dialects import clock, upsert
from feedbridge.store.schema import turns

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A turn at a host, which ends by itself at `until` (epoch milliseconds) if nobody ends it."""

    host: str
    until: int


def take(connection: Connection, host: str, *, lease: timedelta) -> Turn | timedelta:
    """Take a turn at a host, for so long at most; if it is not free, the time until it is."""
    statement = upsert(connection, turns).values(host=host, free_at=clock() + lease // _MILLISECOND)
    taken = connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["host"],
            set_={"free_at": statement.excluded.free_at},
            where=turns.c.free_at <= clock(),
        ).returning(turns.c.free_at)
    )
    if taken is not None:
        return Turn(host=host, until=taken)
    left = connection.scalar(select(turns.c.free_at - clock()).where(turns.c.host == host)) or 0
    return max(left, 0) * _MILLISECOND


def end(connection: Connection, turn: Turn, *, pause: timedelta) -> None:
    """End a turn: the host is free after a pause. One that has ended by itself is others' by now."""
    mine = turns.c.host == turn.host, turns.c.free_at == turn.until
    connection.execute(update(turns).where(*mine).values(free_at=clock() + pause // _MILLISECOND))


def forget(connection: Connection, *, after: timedelta) -> None:
    """Drop the hosts that nobody has asked for so long."""
    connection.execute(delete(turns).where(turns.c.free_at < clock() - after // _MILLISECOND))
