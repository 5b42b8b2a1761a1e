"""A store moved from its file into a database of PostgreSQL; a copy that was broken off goes on where it was.

All is copied, row for row and with all ids: articles, feeds, documents, the schedule, what is known of sites and
pictures. So what is published stays as it is, and nothing is asked or read anew. Left behind is who is at work.

How far the copy has come stands in a table of its own, written with the rows, so that no row comes twice and none is
left out. While that table is there, the database is no store: nobody else opens it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from feedbridge.errors import StoreError
from feedbridge.store.database import COPYING, Store, is_there
from feedbridge.store.dialects import as_key
from feedbridge.store.schema import articles, holders, metadata, polls, turns

Progress = Callable[[str, int, int], None]
"""Told the table, and how many of its rows of how many are copied."""

_LEFT_BEHIND = {holders.name, turns.name}
_BLANK = {"sources": ("claimed_at", "claimed_by")}
_KEYS = {"articles": ("uid",), "aliases": ("alias",), "feed_entries": ("uid",)}
"""Texts that somebody else wrote, and that are looked up."""

_BATCH_ROWS = 2_000
_BATCH_BYTES = 8 * 1024 * 1024

_WHOLE = "*"
_copying = Table(
    COPYING,
    MetaData(),
    Column("name", String, primary_key=True, doc="A table; or `*`, for the store as a whole."),
    Column("copied", BigInteger, nullable=False, doc="Rows."),
    Column("last", Text, nullable=False, doc="JSON: the key of the last; of the whole, what it is a copy of."),
)


class Copied(NamedTuple):
    """What was copied.

    Attributes:
        source: The file, absolute.
        target: The database, as it may be shown.
        state: The folder where the key and the cache of pictures are, and stay.
        rows: How many, by table; the target has as many.
    """

    source: str
    target: str
    state: str
    rows: Mapping[str, int]


def copy_store(source: str, target: str, progress: Progress) -> Copied:
    """Copy a store into an empty database, or go on with a copy that was broken off.

    Where the source has changed since, the copy begins anew. In the end the rows of both are counted and compared.

    Args:
        source: The file, or its address.
        target: The address of a database of PostgreSQL.
        progress: Told how far it is.

    Raises:
        StoreError: One of the two cannot be used, or is in use; the target holds something else; or a count differs.
    """
    file = source.removeprefix("sqlite:///")
    if "://" in file:
        raise StoreError(
            f'{Store(source, write=False).name}: there is no store in a file; "pg_dump" copies it to another server'
        )
    path = Path(file).absolute()
    if not target.startswith("postgresql"):
        raise StoreError(f'{target}: is no database of PostgreSQL; "feedbridge backup" copies into a file')
    if not is_there(path):
        raise StoreError(f"{path}: there is no store")
    with Store(path, write=True) as ours, Store(target, write=True, copying=True) as theirs:
        rows = _copy(ours, theirs, progress)
        return Copied(source=str(path), target=theirs.name, state=str(path.parent), rows=rows)


def _copy(source: Store, target: Store, progress: Progress) -> dict[str, int]:
    """Copy all tables; nobody else writes either of the two meanwhile."""
    with source.transaction() as reading:
        tables = [table for table in metadata.sorted_tables if table.name not in _LEFT_BEHIND]
        rows = {table.name: _count(reading, table) for table in tables}
        _begin(target, tables, state=_state(reading, rows))
        for table in tables:
            _copy_table(reading, target, table, count=rows[table.name], progress=progress)
        with target.transaction() as writing:
            for table in tables:
                if (here := _count(writing, table)) != rows[table.name]:
                    raise StoreError(
                        f"{target.name}: {table.name}: {here:,} rows came of {rows[table.name]:,};"
                        " drop the database, make it again, and copy once more"
                    )
                _go_on_counting(writing, table)
            _copying.drop(writing)
    return rows


def _state(reading: Connection, rows: dict[str, int]) -> str:
    """What tells one state of the source from a later one."""
    return json.dumps([rows, *(reading.scalar(select(func.max(one))) for one in (articles.c.revision, polls.c.id))])


def _begin(target: Store, tables: Sequence[Table], *, state: str) -> None:
    """See that the target is empty, or the copy of this very state as far as it goes."""
    with target.transaction() as writing:
        _copying.create(writing, checkfirst=True)
        begun = writing.scalar(select(_copying.c.last).where(_copying.c.name == _WHOLE))
        if begun == state:
            return
        if begun is not None:
            writing.execute(text("TRUNCATE " + ", ".join(f'"{name}"' for name in (COPYING, *map(str, tables)))))
        elif any(_count(writing, table) for table in tables):
            raise StoreError(f"{target.name}: holds a store already; name an empty database")
        rows = [{"name": table.name, "copied": 0, "last": "null"} for table in tables]
        writing.execute(insert(_copying), [{"name": _WHOLE, "copied": 0, "last": state}, *rows])


def _copy_table(reading: Connection, target: Store, table: Table, *, count: int, progress: Progress) -> None:
    ours = _copying.c.name == table.name
    with target.transaction() as writing:
        copied, last = writing.execute(select(_copying.c.copied, _copying.c.last).where(ours)).one()
    progress(table.name, copied, count)
    for batch in _batches(reading, table, after=json.loads(last)):
        copied += len(batch)
        reached = [batch[-1][column] for column in table.primary_key]
        with target.transaction() as writing:
            writing.execute(insert(table), [_as_written(writing, table, row) for row in batch])
            writing.execute(update(_copying).where(ours).values(copied=copied, last=json.dumps(reached)))
        progress(table.name, copied, count)


def _batches(reading: Connection, table: Table, *, after: Sequence[Any] | None) -> Iterator[list[RowMapping]]:
    """The rows behind a key, in the order of their keys, so many at a time as memory bears."""
    key = tuple(table.primary_key)
    query = select(table).order_by(*key).execution_options(yield_per=100)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    batch: list[RowMapping] = []
    size = 0
    for row in reading.execute(query).mappings():
        batch.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _as_written(writing: Connection, table: Table, row: RowMapping) -> dict[str, Any]:
    values = dict(row) | dict.fromkeys(_BLANK.get(table.name, ()))
    return values | {name: as_key(writing, values[name]) for name in _KEYS.get(table.name, ())}


def _go_on_counting(writing: Connection, table: Table) -> None:
    """Let the next row that is added get the next id."""
    if "id" in table.columns:
        following = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
        writing.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), following, False)))


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0
