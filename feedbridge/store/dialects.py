"""What is said otherwise to SQLite than to PostgreSQL."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import BigInteger, Boolean, Column, Connection, Select, Table, bindparam, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_REVISIONS = (0x66656564 << 32) + 2
_LONGEST_KEY = 2_000
"""In bytes. PostgreSQL's indexes take 2,704."""


def upsert(connection: Connection, table: Table) -> sqlite.Insert:
    """An INSERT that can say what is to be done where the row is there already."""
    if not _is_postgresql(connection):
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # here, for it takes a tenth of a second

    return cast(sqlite.Insert, postgresql.insert(table))  # the two have the same methods


class is_one_of(FunctionElement[bool]):  # noqa: N801  (it is used as a function)
    """Whether a text is one of these, be they ten thousand; for rows that are few already.

    They go as one JSON text, which the database takes apart by itself: ten thousand variables would be put into the
    statement one by one, while all other threads stand still.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: "Column[str]", values: Sequence[str]) -> None:
        super().__init__(column, bindparam(None, json.dumps(values), unique=True))


@compiles(is_one_of, "sqlite")
def _for_sqlite(element: is_one_of, compiler: SQLCompiler, **options: Any) -> str:
    """The plus keeps the planner from looking up each of them."""
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"+{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  (both are the compiler's words)


@compiles(is_one_of, "postgresql")
def _for_postgresql(element: is_one_of, compiler: SQLCompiler, **options: Any) -> str:
    """The CASE keeps the planner from comparing each row with each of them: it makes a table of hashes."""
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CASE WHEN {column} IN (SELECT json_array_elements_text(CAST({values} AS JSON))) THEN TRUE ELSE FALSE END"


class clock(FunctionElement[int]):  # noqa: N801  (it is used as a function)
    """The time by the database's own clock, epoch milliseconds: the same for all who write it, wherever they run."""

    type = BigInteger()
    inherit_cache = True


@compiles(clock, "sqlite")
def _clock_of_sqlite(_element: clock, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(clock, "postgresql")
def _clock_of_postgresql(_element: clock, _compiler: SQLCompiler, **_options: Any) -> str:
    """That of now, and not of the beginning of the transaction."""
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


def lock(connection: Connection, rows: Select[Any]) -> None:
    """Lock rows that are about to be written, in the order in which all lock them, so that none wait for each other.

    In SQLite a transaction has all to itself as it is.
    """
    if _is_postgresql(connection):
        connection.execute(rows.with_for_update()).close()


def take_lock(connection: Connection, name: str, *, waits: bool) -> bool:
    """Take a lock by its name, until it is given back or the connection ends; False: somebody else has it.

    In SQLite nobody else writes.
    """
    if not _is_postgresql(connection):
        return True
    take = "pg_advisory_lock" if waits else "pg_try_advisory_lock"
    return connection.scalar(text(f"SELECT {take}(hashtextextended(:name, 0))"), {"name": name}) is not False


def unlock(connection: Connection, name: str) -> None:
    """Give a lock back that was taken on this connection."""
    if _is_postgresql(connection):
        connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), {"name": name})


def lock_revisions(connection: Connection) -> None:
    """Wait until nobody else is giving out revisions; until the end of the transaction nobody else will.

    So they become visible in their order, and who has seen one has seen all before it. In SQLite there is one writer.
    """
    if _is_postgresql(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _REVISIONS})


def as_key(connection: Connection, name: str) -> str:
    """A text that somebody else wrote, as it can be looked up: PostgreSQL indexes no long ones, and knows no NUL."""
    if not _is_postgresql(connection) or (len(name) <= _LONGEST_KEY // 4 and "\0" not in name):
        return name
    written = name.encode()
    if len(written) <= _LONGEST_KEY and b"\0" not in written:
        return name
    return f"sha256:{hashlib.sha256(written).hexdigest()}"


def _is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
