"""Pictures: which addresses answer, what was copied, and which documents show them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, and_, case, delete, exists, func, or_, select, true, update

from feedbridge.store.dialects import lock, upsert
from feedbridge.store.schema import documents, picture_hosts, pictures, shown_pictures
from feedbridge.store.times import from_ms, to_ms

Wish = Literal["copy", "check"]
COPY: Wish = "copy"
CHECK: Wish = "check"

_VARIABLES = 500
_NEVER = 2**62
_NOW = 0
_PORTS = {"http": 80, "https": 443}

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """What is known of the picture at an address.

    Attributes:
        host: Of the address, in lower case.
        also: Where else a copy of it can be had.
        checked_at: When it was last looked for; None: never.
        failures: How often it has not been found, on end.
        reason: Why it was not found, or None.
        copy: Its copy, relative to the output folder.
    """

    row: int
    address: str
    host: str
    also: tuple[str, ...] = ()
    checked_at: datetime | None = None
    failures: int = 0
    reason: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    size: int | None = None
    copy: str | None = None

    @property
    def is_found(self) -> bool:
        """Whether it was there when it was last looked for."""
        return self.checked_at is not None and self.reason is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A picture that is to be looked for, and whether a copy of it is to be had."""

    picture: Picture
    copy: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """What is known of a host of pictures.

    Attributes:
        due_at: When it is to be asked next.
        failures: How often it has failed on end.
        paused: It is asked for one picture now and then, until one is found.
        reason: Why none of its pictures is used; None while they are.
    """

    host: str
    due_at: datetime
    checked_at: datetime
    failures: int = 0
    paused: bool = False
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What documents wish of an address: that it is checked, that a copy is had, and where else that may be."""

    check: bool = False
    copy: bool = False
    also: tuple[str, ...] = ()


def key_of(address: str) -> str:
    """What an address is found by."""
    return hashlib.sha256(address.encode("utf-8", errors="surrogatepass")).hexdigest()


def host_of(address: str) -> str:
    """The host of an address in lower case, with its port where that is a special one; else an empty text."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        return host if parts.port in {None, _PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
    except ValueError:
        return ""


def known(connection: Connection, addresses: Iterable[str]) -> dict[str, Picture]:
    """What is known of the pictures at these addresses."""
    keys = sorted({key_of(address) for address in addresses})
    found = {}
    for some in _some(keys):
        for row in connection.execute(select(pictures).where(pictures.c.key.in_(some))):
            found[row.address] = _picture(row)
    return found


def failing_hosts(connection: Connection) -> dict[str, str]:
    """The hosts whose pictures are not used, with the reason."""
    query = select(picture_hosts.c.host, picture_hosts.c.reason).where(picture_hosts.c.reason.is_not(None))
    return {row.host: row.reason for row in connection.execute(query)}


def show(connection: Connection, feed: int, number: int, wanted: Mapping[str, Wanted]) -> None:
    """Note what a document is about to show, beside what it shows now; what is new is looked for soon."""
    before = known(connection, wanted)
    fresh = [
        {"key": key_of(address), "address": address, "host": host_of(address), "due_at": _NOW, "also": "[]"}
        for address in wanted
        if address not in before
    ]
    if fresh:
        connection.execute(upsert(connection, pictures).on_conflict_do_nothing(), fresh)
    now = known(connection, wanted)
    uncopied = [one for address, one in now.items() if wanted[address].copy and one.copy is None]
    for one in uncopied:
        also = wanted[one.address].also
        if also != one.also:
            connection.execute(update(pictures).where(pictures.c.id == one.row).values(also=json.dumps(also)))
    for some in _some([one.row for one in uncopied if one.is_found]):
        connection.execute(update(pictures).where(pictures.c.id.in_(some)).values(due_at=_NOW))
    values = [
        {"feed_id": feed, "number": number, "picture_id": row, "wish": wish} for row, wish in _wishes(wanted, now)
    ]
    if values:
        connection.execute(upsert(connection, shown_pictures).on_conflict_do_nothing(), values)


def show_only(connection: Connection, feed: int, number: int, wanted: Mapping[str, Wanted]) -> None:
    """Note that a document shows these now, and no others."""
    mine = shown_pictures.c.feed_id == feed, shown_pictures.c.number == number
    wishes = set(_wishes(wanted, known(connection, wanted)))
    query = select(shown_pictures.c.picture_id, shown_pictures.c.wish).where(*mine)
    for row, wish in [(row.picture_id, row.wish) for row in connection.execute(query)]:
        if (row, wish) not in wishes:
            connection.execute(
                delete(shown_pictures).where(*mine, shown_pictures.c.picture_id == row, shown_pictures.c.wish == wish)
            )


def due(
    connection: Connection, *, now: datetime, limit: int, beside: Iterable[int] = (), copies_only: bool = False
) -> list[Due]:
    """Pictures to look for: those of subscription documents first, then of the newest archive documents.

    Left out are those whose host is paused, unless a copy may be had elsewhere.

    Args:
        connection: To the store.
        now: The time; aware.
        limit: At most so many.
        beside: Rows that are at work already.
        copies_only: Those alone that a copy is to be had of.
    """
    paused = exists().where(picture_hosts.c.host == pictures.c.host, picture_hosts.c.paused)
    copy = func.max(case((shown_pictures.c.wish == COPY, 1), else_=0))
    order = func.min(case((shown_pictures.c.number == 0, 0), else_=1)), func.max(shown_pictures.c.number).desc()
    query = (
        select(pictures, copy.label("to_copy"))
        .join(shown_pictures, shown_pictures.c.picture_id == pictures.c.id)
        .where(pictures.c.due_at <= to_ms(now), pictures.c.id.not_in(list(beside)))
        .where(or_(~paused, and_(shown_pictures.c.wish == COPY, pictures.c.also != "[]")))
        .where(shown_pictures.c.wish == COPY if copies_only else true())
        .group_by(pictures.c.id)
        .order_by(*order, pictures.c.id)
        .limit(limit)
    )
    return [Due(picture=_picture(row), copy=bool(row.to_copy)) for row in connection.execute(query)]


def due_hosts(connection: Connection, *, now: datetime) -> list[Due]:
    """A picture of each host that is to be asked: one that was found before, if there is one.

    A host of which nothing depends any more is forgotten.
    """
    found = []
    names = select(picture_hosts.c.host).where(picture_hosts.c.due_at <= to_ms(now))
    for name in connection.scalars(names).all():
        sample = _sample(connection, name)
        if sample is None:
            connection.execute(delete(picture_hosts).where(picture_hosts.c.host == name))
        else:
            found.append(sample)
    return found


def _sample(connection: Connection, host: str) -> Due | None:
    copy = func.max(case((shown_pictures.c.wish == COPY, 1), else_=0))
    was_found = and_(pictures.c.checked_at.is_not(None), pictures.c.reason.is_(None))
    row = connection.execute(
        select(pictures, copy.label("to_copy"))
        .join(shown_pictures, shown_pictures.c.picture_id == pictures.c.id)
        .where(pictures.c.host == host, or_(shown_pictures.c.wish == CHECK, pictures.c.copy.is_(None)))
        .group_by(pictures.c.id)
        .order_by(case((was_found, 0), else_=1), pictures.c.checked_at.nulls_first(), pictures.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else Due(picture=_picture(row), copy=bool(row.to_copy) and row.copy is None)


def host(connection: Connection, name: str) -> Host | None:
    """What is known of a host, or None; nobody else changes it until the end of the transaction."""
    query = select(picture_hosts).where(picture_hosts.c.host == name)
    row = connection.execute(query.with_for_update(key_share=True)).one_or_none()
    return None if row is None else _host(row)


def has_found(connection: Connection, name: str, *, but: int) -> bool:
    """Whether any other picture of a host was there when it was last looked for."""
    query = select(pictures.c.id).where(
        pictures.c.host == name,
        pictures.c.id != but,
        pictures.c.checked_at.is_not(None),
        pictures.c.reason.is_(None),
    )
    return connection.scalar(query.limit(1)) is not None


def keep_host(connection: Connection, verdict: Host) -> bool:
    """Remember what a host did; says whether its pictures are used from now on, or no longer, and marks documents."""
    before = host(connection, verdict.host)
    values = {
        "due_at": to_ms(verdict.due_at),
        "checked_at": to_ms(verdict.checked_at),
        "failures": verdict.failures,
        "paused": verdict.paused,
        "reason": verdict.reason,
    }
    statement = upsert(connection, picture_hosts).values(host=verdict.host, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["host"], set_=values))
    turned = ((before.reason if before else None) is None) != (verdict.reason is None)
    if turned:
        mine = select(pictures.c.id).where(pictures.c.host == verdict.host)
        _mark(connection, and_(shown_pictures.c.picture_id.in_(mine), shown_pictures.c.wish == CHECK))
    return turned


def keep_found(
    connection: Connection,
    row: int,
    *,
    now: datetime,
    due_at: datetime,
    media_type: str,
    width: int,
    height: int,
    size: int | None,
    copy: str | None,
) -> bool:
    """Remember that a picture is there, and its copy; says whether documents show it otherwise now, and marks them."""
    before = _held(connection, row)
    values: dict[str, Any] = {
        "checked_at": to_ms(now),
        "due_at": to_ms(due_at),
        "failures": 0,
        "reason": None,
        "media_type": media_type,
        "width": width,
        "height": height,
    }
    values |= {"size": size} if size is not None else {}
    values |= {"copy": copy} if copy is not None else {}
    connection.execute(update(pictures).where(pictures.c.id == row).values(values))
    is_new_copy = copy is not None and copy != before.copy
    if is_new_copy or before.reason is not None:
        _mark(connection, shown_pictures.c.picture_id == row)
    return is_new_copy or before.reason is not None


def keep_missing(connection: Connection, row: int, *, now: datetime, due_at: datetime, reason: str) -> bool:
    """Remember that a picture is not there; says whether documents show it otherwise now, and marks them."""
    before = _held(connection, row)
    connection.execute(
        update(pictures)
        .where(pictures.c.id == row)
        .values(checked_at=to_ms(now), due_at=to_ms(due_at), failures=before.failures + 1, reason=reason)
    )
    if before.reason is None and before.copy is None:
        _mark(connection, shown_pictures.c.picture_id == row)
        return True
    return False


def put_off(connection: Connection, row: int, *, due_at: datetime) -> None:
    """Look for a picture later; what is known of it stays."""
    connection.execute(update(pictures).where(pictures.c.id == row).values(due_at=to_ms(due_at)))


# Copies


def copies(connection: Connection) -> dict[str, int]:
    """The copies, with their bytes."""
    query = select(pictures.c.copy, func.max(pictures.c.size)).where(pictures.c.copy.is_not(None))
    return {row[0]: row[1] or 0 for row in connection.execute(query.group_by(pictures.c.copy))}


def lose(connection: Connection, lost: Sequence[str]) -> None:
    """Note that copies are no more; they are had again, and documents that show them are marked."""
    for some in _some(lost):
        mine = select(pictures.c.id).where(pictures.c.copy.in_(some))
        _mark(connection, shown_pictures.c.picture_id.in_(mine))
        connection.execute(update(pictures).where(pictures.c.copy.in_(some)).values(copy=None, due_at=_NOW))


def adopt(connection: Connection, strays: Mapping[str, int], *, now: datetime) -> None:
    """Note copies of which nothing is known but their bytes, such as those of a store that was lost.

    They stay as long as others that no document shows: a backup may still tell what they are copies of.
    """
    noted = {"host": "", "due_at": _NEVER, "unshown_at": to_ms(now)}
    values = [
        {"key": key_of(path), "address": path, "size": size, "copy": path, **noted} for path, size in strays.items()
    ]
    if values:
        statement = upsert(connection, pictures)
        again = {name: statement.excluded[name] for name in ("size", "copy", "unshown_at")}
        connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=again), values)


def note_unshown(connection: Connection, *, now: datetime) -> None:
    """Note since when pictures are shown by no document."""
    is_shown = exists().where(shown_pictures.c.picture_id == pictures.c.id)
    connection.execute(update(pictures).where(pictures.c.unshown_at.is_(None), ~is_shown).values(unshown_at=to_ms(now)))
    connection.execute(update(pictures).where(pictures.c.unshown_at.is_not(None), is_shown).values(unshown_at=None))


def forget_unshown(connection: Connection, *, before: datetime) -> None:
    """Forget pictures that no document has shown since then."""
    connection.execute(delete(pictures).where(pictures.c.unshown_at <= to_ms(before)))


def forget_unshown_copies(connection: Connection, *, but: int) -> None:
    """Forget the oldest copies that no document shows, until the others take so many bytes, or none is left."""
    sizes = copies(connection)
    used = sum(sizes.values())
    is_unshown = func.count() == func.count(pictures.c.unshown_at)
    query = (
        select(pictures.c.copy)
        .where(pictures.c.copy.is_not(None))
        .group_by(pictures.c.copy)
        .having(is_unshown)
        .order_by(func.max(pictures.c.unshown_at))
    )
    for copy in connection.scalars(query).all():
        if used <= but:
            break
        connection.execute(update(pictures).where(pictures.c.copy == copy).values(copy=None))
        used -= sizes[copy]


# What is told of them


@dataclass(frozen=True, kw_only=True, slots=True)
class HostCounts:
    """What is known of the pictures of one host.

    Attributes:
        found: Those that were there when they were last looked for.
        missing: Those that were not.
        unknown: Those that were never looked for.
        copies: Those that there is a copy of.
        copied_bytes: What the copies take, each once.
    """

    host: str
    found: int
    missing: int
    unknown: int
    copies: int
    copied_bytes: int


def counts(connection: Connection) -> list[HostCounts]:
    """What is known of the pictures that documents show, host by host."""
    is_shown = exists().where(shown_pictures.c.picture_id == pictures.c.id)
    was_found = and_(pictures.c.checked_at.is_not(None), pictures.c.reason.is_(None))
    query = (
        select(
            pictures.c.host,
            func.sum(case((was_found, 1), else_=0)),
            func.sum(case((pictures.c.reason.is_not(None), 1), else_=0)),
            func.sum(case((pictures.c.checked_at.is_(None), 1), else_=0)),
            func.count(pictures.c.copy),
        )
        .where(is_shown)
        .group_by(pictures.c.host)
        .order_by(pictures.c.host)
    )
    sizes = {
        row[0]: int(row[1] or 0)
        for row in connection.execute(
            select(pictures.c.host, func.sum(pictures.c.size))
            .where(pictures.c.copy.is_not(None), is_shown)
            .group_by(pictures.c.host)
        )
    }
    return [
        HostCounts(
            host=row[0], found=row[1], missing=row[2], unknown=row[3], copies=row[4], copied_bytes=sizes.get(row[0], 0)
        )
        for row in connection.execute(query)
    ]


def hosts(connection: Connection) -> dict[str, Host]:
    """What is known of hosts, by name."""
    return {row.host: _host(row) for row in connection.execute(select(picture_hosts))}


def waiting(connection: Connection, *, now: datetime) -> int:
    """How many pictures that documents show are to be looked for now."""
    is_shown = exists().where(shown_pictures.c.picture_id == pictures.c.id)
    query = select(func.count()).select_from(pictures).where(pictures.c.due_at <= to_ms(now), is_shown)
    return connection.scalar(query) or 0


def _held(connection: Connection, row: int) -> Picture:
    """A picture that nobody else changes until the end of the transaction."""
    query = select(pictures).where(pictures.c.id == row)
    return _picture(connection.execute(query.with_for_update(key_share=True)).one())


def _mark(connection: Connection, which: Any) -> None:
    """Note that the documents which show these pictures are due to be written."""
    mine = (
        exists()
        .where(shown_pictures.c.feed_id == documents.c.feed_id, shown_pictures.c.number == documents.c.number)
        .where(which)
    )
    lock(connection, select(documents.c.number).where(mine).order_by(documents.c.feed_id, documents.c.number))
    connection.execute(update(documents).where(mine).values(dirty=True))


def _wishes(wanted: Mapping[str, Wanted], now: Mapping[str, Picture]) -> Iterator[tuple[int, Wish]]:
    for address, one in wanted.items():
        if one.copy:
            yield now[address].row, COPY
        if one.check:
            yield now[address].row, CHECK


def _some(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), _VARIABLES):
        yield values[start : start + _VARIABLES]


def _picture(row: Row[*tuple[Any, ...]]) -> Picture:
    return Picture(
        row=row.id,
        address=row.address,
        host=row.host,
        also=tuple(json.loads(row.also)),
        checked_at=from_ms(row.checked_at),
        failures=row.failures,
        reason=row.reason,
        media_type=row.media_type,
        width=row.width,
        height=row.height,
        size=row.size,
        copy=row.copy,
    )


def _host(row: Row[*tuple[Any, ...]]) -> Host:
    return Host(
        host=row.host,
        due_at=from_ms(row.due_at),
        checked_at=from_ms(row.checked_at),
        failures=row.failures,
        paused=row.paused,
        reason=row.reason,
    )
