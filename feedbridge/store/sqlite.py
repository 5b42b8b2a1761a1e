"""A store in a file: SQLite, one writer at a time, copied before it is migrated."""

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError
from sqlalchemy import URL, Connection, QueuePool, create_engine, event, text

from feedbridge.errors import StoreError
from feedbridge.store.faults import in_words, meaning

BUSY_SECONDS = 10
TURN_SECONDS = 600
"""A thread waits so long for its turn at the connection."""


class File:
    """The database file; see `Home`. There is one connection, and a transaction waits for the one before it."""

    def __init__(self, path: Path, *, write: bool, rebuild: bool) -> None:
        self.name = str(path)
        self.is_alone = write
        self.engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=TURN_SECONDS,
        )
        self._path = path
        self._write = write
        self._rebuild = rebuild
        self._lock: IO[bytes] | None = None
        event.listen(self.engine, "connect", self._on_connect)
        event.listen(self.engine, "begin", self._on_begin)

    def is_there(self) -> bool:
        """Whether there is such a file."""
        return self._path.exists()

    def open(self) -> None:
        """Hold the file, if it is to be written, and put a damaged one aside, if that is wished."""
        if self._write:
            self._lock = _lock(self._path)
            if self._rebuild:
                self._put_aside_if_damaged()

    def tables(self, connection: Connection) -> set[str]:
        """The names of the tables."""
        return set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))

    def prepare(self) -> None:
        """Any other database can become a store."""

    def keep(self, *, before: str, revision: str) -> None:
        """Keep a copy of an older store beside it before it is migrated."""
        _copy_database(self._path, self._path.with_name(f"{self._path.name}.before-{before}-from-{revision}"))

    def take_turn(self, connection: Connection) -> None:
        """Nobody else can be migrating: the file is held."""

    def begin(self) -> None:
        """Keep a log beside the database, so that readers need not wait; only after we know that it is ours."""
        if self._write:
            with in_words(self.name, explain), contextlib.closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Let the file go."""
        self.engine.dispose()
        if self._lock:
            self._lock.close()
            self._lock = None

    def explain(self, error: Exception) -> str:
        """What an error means."""
        return explain(error)

    def back_up(self, target: Path) -> None:
        """Copy the store as it is now, whole or not at all, whoever is writing to it."""
        with in_words(target, explain):
            if not target.parent.is_dir():
                raise StoreError(f"{target.parent}: no such folder; make it, or mount it")
            if target.is_dir():
                raise StoreError(f"{target}: is a folder; name a file in it for the backup")
            if target.exists() and target.samefile(self._path):
                raise StoreError(f"{target}: is the store itself; name another file for the backup")
            if target.exists() and not _is_store(target):
                raise StoreError(f"{target}: is there already, and is no backup; name another file")
        _copy_database(self._path, target)

    def size(self) -> int:
        """Bytes of the file and of the log beside it."""
        parts = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        with in_words(self.name, explain):
            return sum(part.stat().st_size for part in parts if part.exists())

    def tidy(self) -> None:
        """Let the log beside the database shrink, and the planner look at what has grown."""
        with in_words(self.name, explain), contextlib.closing(self.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.cursor().execute("PRAGMA optimize")

    def check(self) -> None:
        """Read something beside the one connection, whose turns may be long."""
        with in_words(self.name, explain), contextlib.closing(_reader(self._path)) as beside:
            beside.execute("SELECT max(revision) FROM articles").fetchone()

    def _put_aside_if_damaged(self) -> None:
        """Keep a damaged database for whoever may mend it, under a name that says so."""
        if not self._path.exists() or _is_sound(self._path):
            return
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        with in_words(self.name, explain):
            for ending in ("", "-wal", "-shm"):
                part = self._path.with_name(self._path.name + ending)
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


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _is_store(path: Path) -> bool:
    """Whether a file is a store of ours, of whatever version."""
    try:
        with contextlib.closing(_reader(path)) as database:
            query = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'feed_entries')"
            return bool(database.execute(query).fetchone() == (2,))
    except sqlite3.Error:
        return False


def _is_sound(path: Path) -> bool:
    """Whether nothing shows that a database is damaged; one that cannot be opened now may well be sound."""
    try:
        with contextlib.closing(_reader(path)) as database:
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
    with in_words(source, explain), contextlib.closing(sqlite3.connect(source)) as old:
        old.execute("SELECT count(*) FROM sqlite_master")
        with in_words(target, explain):
            beside.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(beside)) as new:
                old.backup(new)
            beside.replace(target)


def _lock(store: Path) -> IO[bytes]:
    """Hold the store for writing as long as the returned file is open."""
    path = store.with_name(store.name + ".lock")
    with in_words(path, explain), contextlib.ExitStack() as opened:
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


_DAMAGED = 'is damaged; put a backup in its place, or let "--rebuild" put it aside and read the archives anew'
_MEANINGS = (
    ("locked", "is locked by another program; close it and try again"),
    ("malformed|not a database|corrupt|decode to UTF-8", _DAMAGED),
    ("full", "cannot be written: the disk is full"),
    ("disk I/O", "cannot be read or written (disk I/O error): is the disk full or a size limit reached?"),
    ("readonly|read-only", "cannot be written: it is read-only"),
    ("unable to open", "cannot be opened: is its folder there, and may it be written?"),
)


def explain(error: Exception) -> str:
    """What an error means, and the mend."""
    return _DAMAGED if isinstance(error, ValidationError) else meaning(str(error), _MEANINGS)
