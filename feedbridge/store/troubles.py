"""What broke and what recovered: each time once, however often a source fails meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, case, delete, func, insert, select, update

from feedbridge.store.schema import sources, troubles
from feedbridge.store.times import from_ms, to_ms

KEPT = 1_000
"""Troubles that are over are forgotten when so many have come after them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A source was broken, or is.

    Attributes:
        uid: An absolute IRI, the same for ever.
        source: The name of the source.
        reason: Why it failed when it broke.
        healed_at: When it was read again; None: not yet.
    """

    uid: str
    source: str
    broke_at: datetime
    reason: str
    healed_at: datetime | None = None


def begin(connection: Connection, name: str, *, at: datetime, reason: str) -> None:
    """Note that a source is broken, unless it is known to be."""
    row = connection.scalar(select(sources.c.id).where(sources.c.name == name))
    known = select(troubles.c.id).where(troubles.c.source_id == row, troubles.c.healed_at.is_(None)).limit(1)
    if row is None or connection.scalar(known) is not None:
        return
    connection.execute(insert(troubles).values(source_id=row, uid=uuid4().urn, broke_at=to_ms(at), reason=reason))
    newest = connection.scalar(select(func.max(troubles.c.id))) or 0
    connection.execute(delete(troubles).where(troubles.c.id <= newest - KEPT, troubles.c.healed_at.is_not(None)))


def end(connection: Connection, source_id: int, *, at: datetime) -> None:
    """Note that a source has been read again, if it was broken."""
    moment = to_ms(at)
    not_sooner = case((troubles.c.broke_at > moment, troubles.c.broke_at), else_=moment)  # the clock may have been set
    connection.execute(
        update(troubles)
        .where(troubles.c.source_id == source_id, troubles.c.healed_at.is_(None))
        .values(healed_at=not_sooner)
    )


def latest(connection: Connection, *, limit: int) -> Sequence[Trouble]:
    """The troubles in which something happened last, the latest first."""
    happened = func.coalesce(troubles.c.healed_at, troubles.c.broke_at)
    query = (
        select(troubles, sources.c.name)
        .join(sources, sources.c.id == troubles.c.source_id)
        .order_by(happened.desc(), troubles.c.id.desc())
        .limit(limit)
    )
    return [
        Trouble(
            uid=row.uid,
            source=row.name,
            broke_at=from_ms(row.broke_at),
            reason=row.reason,
            healed_at=from_ms(row.healed_at),
        )
        for row in connection.execute(query)
    ]
