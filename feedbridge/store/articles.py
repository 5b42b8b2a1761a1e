"""Articles, the aliases they are known by, and the files they came from."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, literal_column, select, update

from feedbridge.model import Article, Category, Element, Enclosure, Image, Origin, Person, Testimony
from feedbridge.store.dialects import as_key, is_one_of, lock_revisions, upsert
from feedbridge.store.schema import aliases, articles, files, items, sources
from feedbridge.store.times import from_ms, to_ms

_VARIABLES = 500
"""Values in one statement; SQLite takes at least 999."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """An article as the store keeps it.

    Attributes:
        removed: It is a tombstone.
        late: It was published before the refresh before the one that found it.
        body_stamp: The latest stamp on the body that is kept.
        body_path: The file that the body came from.
        normaliser: Version of the rules that read it.
    """

    article: Article
    removed: bool = False
    late: bool = False
    body_stamp: datetime | None = None
    body_path: str | None = None
    normaliser: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFile:
    """A file as it was when it was last read.

    Attributes:
        key: Its path relative to the source's folder, as text that can be stored.
        digest: SHA-256 of its bytes in hex, or None where they were not read.
        article: The row of its article, or None.
        unusable: Why it holds no article, or None.
    """

    key: str
    size: int
    mtime_ns: int
    digest: str | None = None
    article: int | None = None
    unusable: str | None = None
    missing: bool = False


class Standing(NamedTuple):
    """A file as far as it tells whether it must be read again; of these there may be very many."""

    size: int
    mtime_ns: int
    article: int | None
    unusable: str | None
    missing: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An article that is new, changed or removed, as far as feeds must know to place it.

    Attributes:
        row: Its row.
        from_first: Its source's first complete refresh found it.
        late: It was published before the refresh before the one that found it.
    """

    row: int
    uid: str
    source: str
    published: datetime
    first_seen: datetime
    removed: bool
    late: bool
    from_first: bool
    categories: tuple[str, ...]
    authors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Details:
    authors: tuple[Person, ...] = ()
    categories: tuple[Category, ...] = ()
    summary: str | None = None
    excerpt: str = ""
    images: tuple[Image, ...] = ()
    lead_image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    rights: str | None = None
    language: str | None = None
    testimonies: tuple[Testimony, ...] = ()
    origin: Origin | None = None
    extensions: tuple[Element, ...] = ()
    whole_id: str | None = None
    """The id, where it is so long that the column holds what stands for it."""


_DETAILS = TypeAdapter(_Details)
_DETAIL_NAMES = tuple(name for name in _Details.__dataclass_fields__ if name != "whole_id")


def find(connection: Connection, source_id: int, names: Iterable[str]) -> dict[str, int]:
    """The rows of the articles that a source knows by these aliases, by alias."""
    keys = {as_key(connection, name): name for name in names}
    found: dict[str, int] = {}
    for some in _portions(list(keys)):
        query = select(aliases.c.alias, aliases.c.article_id).where(
            aliases.c.source_id == source_id, aliases.c.alias.in_(some)
        )
        found.update((keys[row.alias], row.article_id) for row in connection.execute(query))
    return found


def load(connection: Connection, rows: Iterable[int]) -> dict[int, Kept]:
    """The articles of these rows."""
    found: dict[int, Kept] = {}
    for some in _portions(list(dict.fromkeys(rows))):
        query = _query().where(articles.c.id.in_(some))
        found.update((row.id, _kept(row)) for row in connection.execute(query))
    return found


def search(connection: Connection, names: Iterable[str]) -> dict[int, Kept]:
    """The articles of any source that are known by one of these aliases, or have one of these ids."""
    keys = [as_key(connection, name) for name in list(names)[:_VARIABLES]]
    rows = connection.scalars(
        select(aliases.c.article_id)
        .where(aliases.c.alias.in_(keys))
        .union(select(articles.c.id).where(articles.c.uid.in_(keys)))
    )
    return load(connection, rows.all())


def taken(connection: Connection, source_id: int, uids: Iterable[str]) -> set[str]:
    """Those of these ids that articles of a source have."""
    keys = {as_key(connection, uid): uid for uid in uids}
    found: set[str] = set()
    for some in _portions(list(keys)):
        query = select(articles.c.uid).where(articles.c.source_id == source_id, articles.c.uid.in_(some))
        found.update(keys[key] for key in connection.scalars(query))
    return found


def titles_known(connection: Connection, source_id: int, titles: Iterable[str]) -> dict[str, set[datetime]]:
    """Those of these titles that articles of a source have, with the dates on which they were published."""
    found: dict[str, set[datetime]] = {}
    for some in _portions(list(dict.fromkeys(titles))):
        query = select(articles.c.title, articles.c.published).where(
            articles.c.source_id == source_id, articles.c.title.in_(some)
        )
        for row in connection.execute(query):
            found.setdefault(row.title, set()).add(from_ms(row.published))
    return found


def add(connection: Connection, source_id: int, kept: Sequence[Kept]) -> list[int]:
    """Add articles; gives their rows in the same order."""
    if not kept:
        return []
    revision = _last_revision(connection)
    values = [
        {**_values(connection, one), "source_id": source_id, "revision": revision + count, "late": one.late}
        for count, one in enumerate(kept, 1)
    ]
    result = connection.execute(insert(articles).returning(articles.c.id, sort_by_parameter_order=True), values)
    return list(result.scalars())


def change(connection: Connection, kept: Mapping[int, Kept]) -> None:
    """Write articles that have changed; one that was taken down meanwhile stays down."""
    if not kept:
        return
    revision = _last_revision(connection)
    values = [
        {**_values(connection, one), "revision": revision + count, "row": row}
        for count, (row, one) in enumerate(kept.items(), 1)
    ]
    kept_still = (articles.c.id == bindparam("row"), articles.c.removed_at.is_(None))
    connection.execute(update(articles).where(*kept_still), values)


def remove(connection: Connection, row: int, *, now: datetime) -> None:
    """Make an article a tombstone: its text goes, its id and aliases stay and keep it away."""
    details = _DETAILS.validate_json(connection.scalar(select(articles.c.details).where(articles.c.id == row)) or "{}")
    connection.execute(
        update(articles)
        .where(articles.c.id == row)
        .values(
            removed_at=to_ms(now),
            revision=_last_revision(connection) + 1,
            title="",
            content="",
            content_hash="",
            details=_dumped(_Details(whole_id=details.whole_id)),
        )
    )
    connection.execute(delete(items).where(items.c.article_id == row))


def name(connection: Connection, source_id: int, names: Iterable[tuple[str, int]]) -> None:
    """Remember aliases of articles; one that is known already stays with its article."""
    values = [{"source_id": source_id, "alias": as_key(connection, alias), "article_id": row} for alias, row in names]
    if values:
        connection.execute(upsert(connection, aliases).on_conflict_do_nothing(), values)


def standing(
    connection: Connection, source_id: int, *, keys: Collection[str] | None = None, after: str = ""
) -> dict[str, Standing]:
    """How each file of a source stands, by key.

    Args:
        connection: To the store.
        source_id: The source.
        keys: Only these few, those that are missing and those of no use.
        after: Only those that sort after this name, those that are missing and those of no use.
    """
    columns = (files.c.size, files.c.mtime_ns, files.c.article_id, files.c.unusable, files.c.missing)
    query = select(files.c.path, *columns).where(files.c.source_id == source_id)
    if keys is not None:
        query = query.where(files.c.path.in_(keys) | files.c.missing | files.c.unusable.is_not(None))
    elif after:
        query = query.where((files.c.path > after) | files.c.missing | files.c.unusable.is_not(None))
    return {row[0]: Standing(*row[1:]) for row in connection.execute(query).all()}


def name_before(connection: Connection, source_id: int, *, last: int) -> str:
    """The name that so many of a source's files sort after, of those that are there; empty where there are no more."""
    query = select(files.c.path).where(files.c.source_id == source_id, ~files.c.missing)
    return connection.scalar(query.order_by(files.c.path.desc()).offset(last).limit(1)) or ""


def known_files(connection: Connection, source_id: int, keys: Iterable[str]) -> dict[str, KnownFile]:
    """Those of these files that a source is known to have, by key."""
    found: dict[str, KnownFile] = {}
    for some in _portions(list(keys)):
        query = select(files).where(files.c.source_id == source_id, files.c.path.in_(some))
        found.update((row.path, _known_file(row)) for row in connection.execute(query))
    return found


def keep_files(connection: Connection, source_id: int, known: Iterable[KnownFile]) -> None:
    """Remember files, new ones and those known before."""
    values = [
        {
            "source_id": source_id,
            "path": file.key,
            "size": file.size,
            "mtime_ns": file.mtime_ns,
            "digest": file.digest,
            "article_id": file.article,
            "unusable": file.unusable,
            "missing": file.missing,
        }
        for file in known
    ]
    if values:
        statement = upsert(connection, files)
        excluded = {column.name: statement.excluded[column.name] for column in files.c if not column.primary_key}
        connection.execute(statement.on_conflict_do_update(index_elements=["source_id", "path"], set_=excluded), values)


def mark_missing(connection: Connection, source_id: int, keys: Iterable[str]) -> None:
    """Note that files are gone; their articles stay."""
    for some in _portions(list(keys)):
        connection.execute(
            update(files).where(files.c.source_id == source_id, files.c.path.in_(some)).values(missing=True)
        )


def file_of(connection: Connection, source_name: str, key: str) -> KnownFile | None:
    """What is known of a source's file."""
    query = (
        select(files)
        .join(sources, sources.c.id == files.c.source_id)
        .where(sources.c.name == source_name, files.c.path == key)
    )
    row = connection.execute(query).one_or_none()
    return _known_file(row) if row else None


def files_of(connection: Connection, row: int) -> list[str]:
    """The files that told of an article."""
    return list(connection.scalars(select(files.c.path).where(files.c.article_id == row).order_by(files.c.path)))


def aliases_of(connection: Connection, row: int) -> list[str]:
    """Everything that an article is known by."""
    return list(
        connection.scalars(select(aliases.c.alias).where(aliases.c.article_id == row).order_by(aliases.c.alias))
    )


def changed_since(connection: Connection, source_names: Sequence[str], revision: int) -> Iterator[Change]:
    """Articles of these sources that changed after a revision, in the order of change."""
    columns = [articles.c[name] for name in ("id", "revision", "uid", "published", "first_seen", "late", "details")]
    while True:
        query = (
            select(*columns, articles.c.removed_at, sources.c.name, sources.c.completed_at)
            .select_from(articles)
            .join(sources, sources.c.id == literal_column("+articles.source_id"))  # the plus: found by their revision
            .where(articles.c.revision > revision, is_one_of(sources.c.name, source_names))
            .order_by(articles.c.revision)
            .limit(_VARIABLES)
        )
        rows = connection.execute(query).all()
        for row in rows:
            revision = row.revision
            yield _change(row)
        if len(rows) < _VARIABLES:
            return


def latest_revision(connection: Connection) -> int:
    """The revision of the latest change of all."""
    return connection.scalar(select(func.max(articles.c.revision))) or 0


def _query() -> Any:
    return select(articles, sources.c.name, sources.c.completed_at).join(sources, sources.c.id == articles.c.source_id)


def _last_revision(connection: Connection) -> int:
    """The last revision that was given out; nobody else gives out the next."""
    lock_revisions(connection)
    return latest_revision(connection)


def _portions(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _VARIABLES):
        yield values[start : start + _VARIABLES]


def _values(connection: Connection, kept: Kept) -> dict[str, Any]:
    article = kept.article
    uid = as_key(connection, article.id)
    details = {key: getattr(article, key) for key in _DETAIL_NAMES}
    return {
        "uid": uid,
        "published": to_ms(article.published),
        "updated": to_ms(article.updated),
        "first_seen": to_ms(article.first_seen),
        "changed": to_ms(article.changed),
        "body_stamp": to_ms(kept.body_stamp),
        "body_path": kept.body_path,
        "content_hash": article.content_hash,
        "normaliser": kept.normaliser,
        "title": article.title,
        "link": article.link,
        "details": _dumped(_Details(**details, whole_id=None if uid == article.id else article.id)),
        "content": article.content,
    }


def _dumped(details: _Details) -> str:
    return _DETAILS.dump_json(details, exclude_defaults=True).decode()


def _kept(row: Row[*tuple[Any, ...]]) -> Kept:
    details = _DETAILS.validate_json(row.details)
    article = Article(
        id=details.whole_id or row.uid,
        source=row.name,
        title=row.title,
        link=row.link,
        published=from_ms(row.published),
        updated=from_ms(row.updated),
        first_seen=from_ms(row.first_seen),
        changed=from_ms(row.changed),
        content_hash=row.content_hash,
        content=row.content,
        **{key: getattr(details, key) for key in _DETAIL_NAMES},
    )
    return Kept(
        article=article,
        removed=row.removed_at is not None,
        late=row.late,
        body_stamp=from_ms(row.body_stamp),
        body_path=row.body_path,
        normaliser=row.normaliser,
    )


def _change(row: Row[*tuple[Any, ...]]) -> Change:
    details = _DETAILS.validate_json(row.details)
    return Change(
        row=row.id,
        uid=row.uid,
        source=row.name,
        published=from_ms(row.published),
        first_seen=from_ms(row.first_seen),
        removed=row.removed_at is not None,
        late=row.late,
        from_first=row.completed_at is None or row.first_seen <= row.completed_at,
        categories=tuple(category.term for category in details.categories),
        authors=tuple(person.name for person in details.authors),
    )


def _known_file(row: Row[*tuple[Any, ...]]) -> KnownFile:
    return KnownFile(
        key=row.path,
        size=row.size,
        mtime_ns=row.mtime_ns,
        digest=row.digest,
        article=row.article_id,
        unusable=row.unusable,
        missing=row.missing,
    )
