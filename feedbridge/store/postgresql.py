"""A store on a server: PostgreSQL, for as many processes as there are, on as many machines."""

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from feedbridge.errors import StoreError
from feedbridge.store.faults import in_words, meaning

CONNECTIONS = 4
"""Of one process, at most; other threads wait for their turn."""

TURN_SECONDS = 600
"""A thread waits so long for its turn at a connection, and the server for a transaction that has fallen silent."""

_CONNECT_SECONDS = 10
_LOCKS = 0x66656564
_MIGRATION, _HOLDER = (_LOCKS << 32) + 1, (_LOCKS << 32) + 3
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""In seconds, and how many: so each side notices when the other's machine is gone."""

_UNHEARD_MS = 60_000
"""What was sent is to be acknowledged within this, or the connection is given up."""


class Server:
    """A database of a server; see `Home`.

    A process that writes sees what others have committed as soon as they have; one that only reads sees in one
    transaction one state of all.
    """

    def __init__(self, address: str, *, write: bool, shared: bool) -> None:
        try:
            url = make_url(address)
        except (ArgumentError, ValueError) as error:
            raise StoreError("`store` is no address; give one as postgresql+psycopg://USER@HOST/NAME") from error
        self.name = _shown(url)
        self.engine = _engine(url, self.name, write=write)
        self._parameters = parameters_of(url)
        self.is_alone = write and not shared
        self._write = write
        self._holder: Any = None
        self._turn = threading.Lock()

    def is_there(self) -> bool:
        """Whether somebody has begun a store in the database."""
        with in_words(self.name, explain), self.engine.connect() as connection:
            return bool(self.tables(connection))

    def open(self) -> None:
        """Hold the database, if it is to be written: alone, or together with all who share it.

        Raises:
            StoreError: Another holds it so that we cannot, or it cannot be reached.
        """
        if self._write:
            self._hold()
            event.listen(self.engine, "connect", lambda *_: self._hold())  # for a restart lets go

    def tables(self, connection: Connection) -> set[str]:
        """The names of the tables."""
        query = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        return set(connection.scalars(text(query)))

    def prepare(self) -> None:
        """Refuse a database that cannot hold every letter.

        Raises:
            StoreError: It cannot, or it cannot be reached.
        """
        with in_words(self.name, explain), self.engine.connect() as connection:
            encoding = connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise StoreError(
                f"{self.name}: keeps text in {encoding}; make a database for it by"
                " \"CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0\""
            )

    def keep(self, *, before: str, revision: str) -> None:
        """No copy is kept: here a migration that fails is undone as a whole, and copies are the server's affair."""

    def take_turn(self, connection: Connection) -> None:
        """Wait until nobody else is migrating; until the end of the transaction nobody else will."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION})

    def begin(self) -> None:
        """All is ready."""

    def close(self) -> None:
        """Let the database go, and hang up: the server would take a moment to notice that we have."""
        self.engine.dispose()
        if self._holder:
            with contextlib.suppress(Exception):  # it may be gone by now, and what was held with it
                self._holder.execute("SELECT pg_advisory_unlock_all()")
            self._holder.close()
            self._holder = None

    def explain(self, error: Exception) -> str:
        """What an error means."""
        return explain(error)

    def back_up(self, target: Path) -> None:
        """Say who does that.

        Raises:
            StoreError: Always.
        """
        raise StoreError(f'{self.name}: is copied by PostgreSQL\'s own "pg_dump --format=custom", not by feedbridge')

    def size(self) -> int:
        """Bytes of the database, its indexes among them."""
        with in_words(self.name, explain), self.engine.connect() as connection:
            return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)

    def tidy(self) -> None:
        """See that the database is still held; all else the server does by itself."""
        self.check()

    def check(self) -> None:
        """Ask by the connection that holds the database, which is made anew where it was lost."""
        if self._write:
            self._hold()
        else:
            with in_words(self.name, explain), self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    def _hold(self) -> None:
        """Hold the database as long as a connection of its own is open."""
        from psycopg import Error, connect

        take = "SELECT pg_try_advisory_lock(%s)" if self.is_alone else "SELECT pg_try_advisory_lock_shared(%s)"
        with self._turn:
            if self._holder:
                with contextlib.suppress(Error):
                    self._holder.execute("SELECT 1")
                    return
            try:
                self._holder = connect(**self._parameters, autocommit=True)
                if self._holder.execute(take, (_HOLDER,)).fetchone()[0]:
                    return
                other = self._holder.execute(_WHO_HOLDS, (_LOCKS, _HOLDER & 0xFFFFFFFF)).fetchone()
                self._holder.close()
            except Error as error:
                raise StoreError(f"{self.name}: {explain(error)}") from error
        who = other[0] if other else "feedbridge"
        raise StoreError(f"{self.name}: is in use by another {who}; wait for it or stop it")


_WHO_HOLDS = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND datname = current_database()
"""


def _engine(url: URL, name: str, *, write: bool) -> Engine:
    reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args=_parameters(url),
            execution_options={} if write else reading,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=TURN_SECONDS,
            pool_pre_ping=True,
        )
    except ImportError as error:
        raise StoreError(
            f"{name}: PostgreSQL takes the extra `postgres`; \"pip install 'feedbridge[postgres]'\" brings it"
        ) from error


def parameters_of(url: URL | str) -> dict[str, Any]:
    """What psycopg is told to make a connection to the database at an address of SQLAlchemy's."""
    url = make_url(url)
    return {
        **create_engine(url.set(drivername="postgresql+psycopg")).dialect.create_connect_args(url)[1],
        **_parameters(url),
    }


def _shown(url: URL) -> str:
    """An address as it may be shown: without password, and without options, one of which may be another."""
    shown = URL.create(url.drivername, username=url.username, host=url.host, port=url.port, database=url.database)
    return shown.render_as_string()


def _parameters(url: URL) -> dict[str, Any]:
    """What is asked of every connection, beside what the address asks."""
    wishes = {"idle_in_transaction_session_timeout": f"{TURN_SECONDS}s", "synchronous_commit": "on"}
    wishes |= {f"tcp_{name}": str(value) for name, value in _KEEPALIVES.items()}
    options = " ".join([str(url.query.get("options", "")), *(f"-c {name}={value}" for name, value in wishes.items())])
    return {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": f"feedbridge (process {os.getpid()} on {socket.gethostname()[:24]})",
        "client_encoding": "utf8",
        "options": options.strip(),
        "tcp_user_timeout": _UNHEARD_MS,
        **_KEEPALIVES,
    }


_BY_STATE = {
    "25006": "cannot be written: it was opened for reading, or the server is a standby; name the primary",
    "40P01": "was changed by another process at the same time; what was not kept is tried again",
    "42501": "the user may not do that there; let the database belong to the user",
    "53100": "cannot be written: the server's disk is full",
    "53300": "has no connection left; raise its `max_connections`, or run fewer processes",
}
_MEANINGS = (
    (
        r'database ".*" does not exist',
        'there is no such database; make it by "createdb --encoding=UTF8 --template=template0 NAME"',
    ),
    ("password|authentication|pg_hba|role .* does not exist", "the server refuses the user; mend name and password"),
    ("remaining connection slots|too many (clients|connections)", _BY_STATE["53300"]),
    (
        "starting up|shutting down|terminating connection|recovery mode|server closed the connection|connection is lost"
        "|consuming input failed|the connection is closed",
        "the server was stopped or restarted meanwhile; what was not kept is tried again when it is back",
    ),
    (
        "connection (failed|refused|timeout)|could not (connect|translate)|failed to resolve|connection to server",
        "the server cannot be reached; is it running, and is the address right?",
    ),
)


def explain(error: Exception) -> str:
    """What an error means, and the mend."""
    if isinstance(error, ValidationError):
        return "is damaged: it holds what feedbridge did not write; put a backup in its place"
    state = getattr(error, "sqlstate", None)
    if state in _BY_STATE:
        return _BY_STATE[state]
    first, *_ = [*str(error).splitlines(), type(error).__name__]
    return meaning(first, _MEANINGS) if state is None or state[:2] in {"08", "28", "3D", "57"} else first
