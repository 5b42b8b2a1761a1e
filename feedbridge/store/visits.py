"""What is remembered of sources on the web: what their servers said, and the items as they wrote them."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, case, delete, select, update

from feedbridge.model import RawItem, SourceFacts
from feedbridge.store.dialects import is_one_of, upsert
from feedbridge.store.schema import articles, hosts, items, sources, visits
from feedbridge.store.times import from_ms, to_ms

_VARIABLES = 500
_LARGEST_ITEM = 64 * 2**20

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What is remembered of a source's address.

    Attributes:
        url: The address in the settings that all of this is about.
        moved_to: Where permanent redirects lead from there.
        moved_since: When they were first met.
        moved_times: How often they were met on end, with a good answer behind.
        found: The feed that the page at the address names.
        etag: As the server wrote it, with the answer that was last read to its end.
        last_modified: The same.
        digest: SHA-256 of its body, hex.
        lifetime: How long the server lets an answer be kept; None where it says nothing.
        facts: What the source says of itself.
    """

    url: str
    moved_to: str | None = None
    moved_since: datetime | None = None
    moved_times: int = 0
    found: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    lifetime: timedelta | None = None
    facts: SourceFacts = SourceFacts()  # noqa: RUF009  (frozen)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A host that wishes to be left alone, as it told one source."""

    host: str
    source: str
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An item with the row of its article.

    Attributes:
        digest: Of the item as it was told last.
        item: The item that the article can be made of anew; None where there is none.
    """

    article: int
    digest: str
    item: RawItem | None


class _Facts(Mapping[str, SourceFacts]):
    """What sources say of themselves, read when it is asked for: there may be ten thousand, and few are shown."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self._told = told

    def __getitem__(self, name: str) -> SourceFacts:
        return _facts_adapter().validate_json(self._told[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)


def visit_of(connection: Connection, source_id: int) -> Visit | None:
    """What is remembered of a source, or None before its first good answer."""
    row = connection.execute(select(visits).where(visits.c.source_id == source_id)).one_or_none()
    return _visit(row) if row else None


def visit_by_name(connection: Connection, name: str) -> Visit | None:
    """The same by the name of the source, which need not be known."""
    query = select(visits).join(sources, sources.c.id == visits.c.source_id).where(sources.c.name == name)
    row = connection.execute(query).one_or_none()
    return _visit(row) if row else None


def _visit(row: Row[Any]) -> Visit:
    return Visit(
        url=row.url,
        moved_to=row.moved_to,
        moved_since=from_ms(row.moved_since),
        moved_times=row.moved_times,
        found=row.found,
        etag=row.etag,
        last_modified=row.last_modified,
        digest=row.digest,
        lifetime=None if row.lifetime is None else timedelta(milliseconds=row.lifetime),
        facts=_facts_adapter().validate_json(row.facts),
    )


def keep_visit(connection: Connection, source_id: int, visit: Visit) -> None:
    """Remember what a server said."""
    values = {
        "url": visit.url,
        "moved_to": visit.moved_to,
        "moved_since": to_ms(visit.moved_since) if visit.moved_since else None,
        "moved_times": visit.moved_times,
        "found": visit.found,
        "etag": visit.etag,
        "last_modified": visit.last_modified,
        "digest": visit.digest,
        "lifetime": None if visit.lifetime is None else visit.lifetime // timedelta(milliseconds=1),
        "facts": _facts_adapter().dump_json(visit.facts, exclude_defaults=True).decode(),
    }
    statement = upsert(connection, visits).values(source_id=source_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["source_id"], set_=values))


def facts(connection: Connection, names: Sequence[str] | None = None) -> Mapping[str, SourceFacts]:
    """What sources, all or these, say of themselves, by name."""
    query = select(sources.c.name, visits.c.facts).join(visits, visits.c.source_id == sources.c.id)
    if names is not None:
        query = query.where(is_one_of(sources.c.name, names))
    return _Facts({row.name: row.facts for row in connection.execute(query)})


def note_wish(connection: Connection, source_id: int, *, not_before: datetime | None) -> None:
    """Remember that a site wishes not to be asked sooner."""
    moment = to_ms(not_before) if not_before else None
    connection.execute(update(sources).where(sources.c.id == source_id).values(not_before=moment))


def begin_anew(connection: Connection, addresses: Mapping[str, str], *, now: datetime) -> None:
    """Let sources be due whose address is another now: how the old one did, and what it wished, is no matter.

    Args:
        connection: To the store.
        addresses: Those in the settings, by the names of their sources.
        now: The time; aware.
    """
    query = select(sources.c.id, sources.c.name, visits.c.url).join(visits, visits.c.source_id == sources.c.id)
    others = [row.id for row in connection.execute(query) if addresses.get(row.name, row.url) != row.url]
    for some in _portions(others):
        connection.execute(
            update(sources)
            .where(sources.c.id.in_(some), sources.c.claimed_at.is_(None))
            .values(next_poll_at=to_ms(now), not_before=None, gone_at=None, failures=0)
        )


def note_gone(connection: Connection, source_id: int, *, at: datetime | None) -> None:
    """Remember that a source is gone for good, or that it is to be asked again."""
    connection.execute(update(sources).where(sources.c.id == source_id).values(gone_at=to_ms(at) if at else None))


def articles_told(connection: Connection, source_id: int, digests: Iterable[str]) -> dict[str, int]:
    """The rows of the articles that were last told by items of these digests, by digest."""
    found: dict[str, int] = {}
    for some in _portions(list(dict.fromkeys(digests))):
        query = select(items.c.digest, items.c.article_id).where(
            items.c.source_id == source_id, items.c.digest.in_(some)
        )
        found.update((row.digest, row.article_id) for row in connection.execute(query))
    return found


def keep_items(connection: Connection, source_id: int, told: Iterable[Told]) -> None:
    """Remember items as their source wrote them, in place of how it told them before.

    Where there is only a digest, the item that is remembered stays.
    """
    values = [
        {
            "article_id": one.article,
            "source_id": source_id,
            "digest": one.digest,
            "packed": _packed(one.item),
        }
        for one in told
    ]
    if values:
        statement = upsert(connection, items)
        fresh = statement.excluded
        replaced = {"digest": fresh.digest, "packed": case((fresh.packed == b"", items.c.packed), else_=fresh.packed)}
        connection.execute(statement.on_conflict_do_update(index_elements=["article_id"], set_=replaced), values)


def items_of(connection: Connection, source_id: int, *, after: int, limit: int) -> Sequence[Told]:
    """The items of a source's articles that are kept, in the order of their rows, from the one after `after` on."""
    query = (
        select(items.c.article_id, items.c.digest, items.c.packed)
        .join(articles, articles.c.id == items.c.article_id)
        .where(items.c.source_id == source_id, items.c.article_id > after, articles.c.removed_at.is_(None))
        .order_by(items.c.article_id)
        .limit(limit)
    )
    return [
        Told(article=row.article_id, digest=row.digest, item=_unpacked(row.packed)) for row in connection.execute(query)
    ]


def items_told(connection: Connection, rows: Iterable[int]) -> dict[int, RawItem]:
    """The items that the articles of these rows were made of, as far as they are kept, by row."""
    found: dict[int, RawItem] = {}
    for some in _portions(list(rows)):
        query = select(items.c.article_id, items.c.packed).where(items.c.article_id.in_(some))
        for row in connection.execute(query):
            if item := _unpacked(row.packed):
                found[row.article_id] = item
    return found


def waiting(connection: Connection, *, now: datetime) -> list[Waiting]:
    """The hosts that wish to be left alone still; wishes that are over are forgotten."""
    connection.execute(delete(hosts).where(hosts.c.not_before <= to_ms(now)))
    return [
        Waiting(host=row.host, source=row.source, until=from_ms(row.not_before))
        for row in connection.execute(select(hosts))
    ]


def keep_waiting(connection: Connection, wish: Waiting) -> None:
    """Remember that a host wishes to be left alone."""
    values = {"not_before": to_ms(wish.until)}
    statement = upsert(connection, hosts).values(host=wish.host, source=wish.source, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["host", "source"], set_=values))


def _packed(item: RawItem | None) -> bytes:
    return zlib.compress(_item_adapter().dump_json(item, exclude_defaults=True), 3) if item else b""


def _unpacked(packed: bytes) -> RawItem | None:
    """An item as it was packed; None where there was none."""
    return _item_adapter().validate_json(zlib.decompressobj().decompress(packed, _LARGEST_ITEM)) if packed else None


def _portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), _VARIABLES):
        yield values[start : start + _VARIABLES]


@cache
def _item_adapter() -> TypeAdapter[RawItem]:
    """Made when it is first needed, as the other: making it takes longer than most of what it does."""
    return TypeAdapter(RawItem)


@cache
def _facts_adapter() -> TypeAdapter[SourceFacts]:
    return TypeAdapter(SourceFacts)
