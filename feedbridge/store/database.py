"""The database file: opened by one writer at a time, brought up to date, its faults put in words."""

import contextlib
import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pydantic import ValidationError
from sqlalchemy import URL, Column, Connection, MetaData, QueuePool, String, Table, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from feedbridge.errors import StoreError
from feedbridge.store.schema import metadata

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Revisions of the schema, oldest first; the last is this program's."""

BUSY_SECONDS = 10
TURN_SECONDS = 600
"""A thread waits so long for its turn at the connection."""


class Store:
    """An open store. Use it as a context manager; with `write=True` no other process can open it for writing.

    Threads may share it: there is one connection, and a transaction waits for the one before it.

    Raises:
        StoreError: From every method; its text names the file and the mend.
    """

    def __init__(self, path: Path, *, write: bool, rebuild: bool = False) -> None:
        """Say where it is.

        Args:
            path: The database file.
            write: Whether it is to be written.
            rebuild: If the file is damaged, put it aside and start with an empty one.
        """
        self.path = path
        self._rebuild = rebuild
        self._write = write
        self._lock: IO[bytes] | None = None
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=TURN_SECONDS,
        )
        event.listen(self._engine, "connect", self._on_connect)
        event.listen(self._engine, "begin", self._on_begin)

    def __enter__(self) -> Self:
        if not self._write and not self.path.exists():
            raise StoreError(f'{self.path}: there is no store yet; "feedbridge build" makes it')
        if self._write:
            self._lock = _lock(self.path)
        try:
            if self._write and self._rebuild:
                self._put_aside_if_damaged()
            self._bring_up_to_date()
            self._write_ahead()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()
        if self._lock:
            self._lock.close()
            self._lock = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: all of it is kept, or nothing."""
        with _in_words(self.path), self._engine.begin() as connection:
            yield connection

    def back_up(self, target: Path) -> None:
        """Copy the store as it is now, whole or not at all, whoever is writing to it.

        An older copy is replaced; anything else that stands there is not.
        """
        with _in_words(target):
            if not target.parent.is_dir():
                raise StoreError(f"{target.parent}: no such folder; make it, or mount it")
            if target.is_dir():
                raise StoreError(f"{target}: is a folder; name a file in it for the backup")
            if target.exists() and target.samefile(self.path):
                raise StoreError(f"{target}: is the store itself; name another file for the backup")
            if target.exists() and not _is_store(target):
                raise StoreError(f"{target}: is there already, and is no backup; name another file")
        _copy_database(self.path, target)

    def tidy(self) -> None:
        """Let the log beside the database shrink, and the planner look at what has grown."""
        with _in_words(self.path), contextlib.closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.cursor().execute("PRAGMA optimize")

    def _put_aside_if_damaged(self) -> None:
        """Keep a damaged database for whoever may mend it, under a name that says so."""
        if not self.path.exists() or _is_sound(self.path):
            return
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        with _in_words(self.path):
            for ending in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + ending)
                if part.exists():
                    part.rename(aside.with_name(aside.name + ending))

    def _on_connect(self, connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        if self._write:
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA foreign_keys = ON")
        else:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    def _on_begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if self._write else "BEGIN")

    def _write_ahead(self) -> None:
        """Keep a log beside the database, so that readers need not wait; only after we know that it is ours."""
        if self._write:
            with _in_words(self.path), contextlib.closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")

    def _bring_up_to_date(self) -> None:
        revision = self._revision()
        if revision == REVISIONS[-1]:
            return
        if revision is not None and revision not in REVISIONS:
            raise StoreError(
                f"{self.path}: was written by a newer feedbridge (its schema is {revision}, this program knows up to"
                f" {REVISIONS[-1]}); install that version, or name another store"
            )
        if not self._write:
            raise StoreError(f'{self.path}: is of an older version; "feedbridge build" brings it up to date')
        if revision is None:
            self._create()
        else:
            self._copy(revision)
            self._migrate()
        self._engine.dispose()  # some questions stay open on the connection, and a log in use cannot shrink

    def _revision(self) -> str | None:
        with self.transaction() as connection:
            tables = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))
            if {"alembic_version", "feed_entries"} <= tables:
                return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
        if tables:
            raise StoreError(f"{self.path}: is a database of another program; name another file as `store`")
        return None

    def _create(self) -> None:
        """Make all tables as the migrations would leave them, of which the library takes long to load."""
        with self.transaction() as connection:
            metadata.create_all(connection)
            Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)).create(connection)
            connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": REVISIONS[-1]})

    def _copy(self, revision: str) -> None:
        """Keep a copy of an older store beside it before it is migrated."""
        target = self.path.with_name(f"{self.path.name}.before-{REVISIONS[-1]}-from-{revision}")
        _copy_database(self.path, target)

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        configuration = Config()
        configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        configuration.set_main_option("path_separator", "os")
        with self.transaction() as connection:
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")


def _is_store(path: Path) -> bool:
    """Whether a file is a store of ours, of whatever version."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'feed_entries')"
            return bool(database.execute(query).fetchone() == (2,))
    except sqlite3.Error:
        return False


def _is_sound(path: Path) -> bool:
    """Whether nothing shows that a database is damaged; one that cannot be opened now may well be sound."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            answer = database.execute("PRAGMA integrity_check(1)").fetchone()
            return bool(answer == ("ok",))
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        return code not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database that may be in use, whole or not at all.

    Raises:
        StoreError: The one cannot be read, or the other cannot be written.
    """
    beside = target.with_name(target.name + ".tmp")
    with _in_words(source), contextlib.closing(sqlite3.connect(source)) as old:
        old.execute("SELECT count(*) FROM sqlite_master")
        with _in_words(target):
            beside.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(beside)) as new:
                old.backup(new)
            beside.replace(target)


def _lock(store: Path) -> IO[bytes]:
    """Hold the store for writing as long as the returned file is open."""
    path = store.with_name(store.name + ".lock")
    with _in_words(path), contextlib.ExitStack() as opened:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = opened.enter_context(path.open("ab+", buffering=0))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"{store}: is in use by another feedbridge{_holder(lock)}; wait for it or stop it"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n".encode())
        opened.pop_all()
    return lock


def _holder(lock: IO[bytes]) -> str:
    lock.seek(0)
    number = lock.read(20).strip()
    return f" (process {number.decode()})" if number.isdigit() else ""


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn faults of the database and the disk into a `StoreError` that names the file."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"{path}: {_explain(str(error.orig))}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(f"{path}: {_explain(str(error))}") from error
    except ValidationError as error:  # of values that we wrote ourselves
        raise StoreError(f"{path}: {_explain('corrupt')}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; mend that, or name another `store`") from error


_MEANINGS = (
    ("locked", "is locked by another program; close it and try again"),
    (
        "malformed|not a database|corrupt|decode to UTF-8",
        'is damaged; put a backup in its place, or let "--rebuild" put it aside and read the archives anew',
    ),
    ("full", "cannot be written: the disk is full"),
    ("disk I/O", "cannot be read or written (disk I/O error): is the disk full or a size limit reached?"),
    ("readonly|read-only", "cannot be written: it is read-only"),
    ("unable to open", "cannot be opened: is its folder there, and may it be written?"),
)


def _explain(message: str) -> str:
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, message, re.IGNORECASE):
            return meaning
    return message
