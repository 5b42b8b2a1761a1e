"""The store: opened, brought up to date, and written in transactions, whichever database keeps it."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, text
from sqlalchemy.exc import SQLAlchemyError

from feedbridge.errors import StoreError
from feedbridge.store.dialects import take_lock, unlock
from feedbridge.store.faults import in_words
from feedbridge.store.schema import metadata

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Revisions of the schema, oldest first; the last is this program's."""

COPYING = "copying"
"""The table that is there while a store is being copied into the database."""

Check = Callable[[], None]
"""Raises StoreError where what was ours alone no longer is."""

_FILE = "sqlite:///"


class Home(Protocol):
    """Where a store is kept: a file of SQLite, or a database of a PostgreSQL server.

    Attributes:
        name: As it is shown to people, without secrets.
        is_alone: While it is open, nobody else writes it.
    """

    name: str
    is_alone: bool
    engine: Engine

    def is_there(self) -> bool:
        """Whether there is a store, of whatever version."""

    def open(self) -> None:
        """Get hold of it."""

    def tables(self, connection: Connection) -> set[str]:
        """The names of the tables."""

    def prepare(self) -> None:
        """See that a new store can be made."""

    def keep(self, *, before: str, revision: str) -> None:
        """Keep a copy of an older store, if that is the way there."""

    def take_turn(self, connection: Connection) -> None:
        """Wait until nobody else is migrating."""

    def begin(self) -> None:
        """Get it ready for use, now that it is ours and up to date."""

    def close(self) -> None:
        """Let it go; it may never have been opened."""

    def explain(self, error: Exception) -> str:
        """What an error means, and the mend."""

    def back_up(self, target: Path) -> None:
        """Copy it into a file."""

    def size(self) -> int:
        """Bytes that it takes."""

    def tidy(self) -> None:
        """What is to be done now and then."""

    def check(self) -> None:
        """Find out whether it can be read now."""


class Store:
    """An open store. Use it as a context manager.

    Threads may share it. With `write=True` no other process can open it for writing, unless both are to share it.

    Attributes:
        address: Where it is, as it was given.
        name: The same as it may be shown to people.
        is_alone: While it is open, nobody else writes it.
        found: The revision of the schema that it had before it was opened; None where there was no store.

    Raises:
        StoreError: From every method; its text names the store and the mend.
    """

    def __init__(
        self,
        address: Path | str,
        *,
        write: bool,
        rebuild: bool = False,
        shared: bool = False,
        copying: bool = False,
    ) -> None:
        """Say where it is.

        Args:
            address: The database file, or an address: `sqlite:///` and a path, or `postgresql+psycopg://…`.
            write: Whether it is to be written.
            rebuild: If the file is damaged, put it aside and start with an empty one.
            shared: Others may write at the same time; files are never shared.
            copying: It may be the copy of a store that is not all there yet.
        """
        self.address = address
        self._write = write
        self._copying = copying
        self._home = _home(address, write=write, rebuild=rebuild, shared=shared)
        self.name = self._home.name
        self.is_alone = self._home.is_alone
        self.found: str | None = None

    def __enter__(self) -> Self:
        try:
            if not self._write and not self._home.is_there():
                raise StoreError(f'{self.name}: there is no store yet; "feedbridge build" makes it')
            self._home.open()
            self._bring_up_to_date()
            self._home.begin()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._home.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: all of it is kept, or nothing."""
        with in_words(self.name, self._home.explain), self._home.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def exclusively(self, name: str, *, waits: bool = False) -> Iterator[Check | None]:
        """Do something that no two processes do at a time; None: another is at it.

        Where the store is not shared, nobody else can be. A connection is taken up meanwhile, and if it is lost, others
        may begin: what is given finds out.

        Args:
            name: What is done.
            waits: Wait until no other is at it.
        """
        if self.is_alone:
            yield lambda: None
            return
        with in_words(self.name, self._home.explain):
            connection = self._home.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            with in_words(self.name, self._home.explain):
                is_ours = take_lock(connection, name, waits=waits)
            try:
                yield partial(self._check, connection) if is_ours else None
            finally:
                if is_ours:
                    with contextlib.suppress(SQLAlchemyError):  # the connection is lost, and the lock with it
                        unlock(connection, name)

    def _check(self, connection: Connection) -> None:
        with in_words(self.name, self._home.explain):
            connection.execute(text("SELECT 1"))

    def back_up(self, target: Path) -> None:
        """Copy the store as it is now, whole or not at all, whoever is writing to it.

        An older copy is replaced; anything else that stands there is not.
        """
        self._home.back_up(target)

    def size(self) -> int:
        """Bytes that it takes on its disk."""
        return self._home.size()

    def tidy(self) -> None:
        """Do what is to be done now and then, so that the database stays small and quick."""
        self._home.tidy()

    def check(self) -> None:
        """Find out whether it can be read now, without waiting for what is at work."""
        self._home.check()

    def _bring_up_to_date(self) -> None:
        self.found = revision = self._revision()
        if revision == REVISIONS[-1]:
            return
        if revision is not None and revision not in REVISIONS:
            raise StoreError(
                f"{self.name}: was written by a newer feedbridge (its schema is {revision}, this program knows up to"
                f" {REVISIONS[-1]}); install that version, or name another store"
            )
        if not self._write:
            raise StoreError(f'{self.name}: is of an older version; "feedbridge db upgrade" brings it up to date')
        if revision is None:
            self._home.prepare()
            self._create()
        else:
            self._home.keep(before=REVISIONS[-1], revision=revision)
            self._migrate()
        self._home.engine.dispose()  # of some questions that stay open on a connection, and keep a log from shrinking

    def _revision(self) -> str | None:
        with self.transaction() as connection:
            tables = self._home.tables(connection)
            if COPYING in tables and not self._copying:
                raise StoreError(f'{self.name}: a copy into it was broken off; "feedbridge store copy" goes on with it')
            if {"alembic_version", "feed_entries"} <= tables:
                return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
        if tables:
            raise StoreError(f"{self.name}: is a database of another program; name another one as `store`")
        return None

    def _create(self) -> None:
        """Make all tables as the migrations would leave them, of which the library takes long to load."""
        with self.transaction() as connection:
            self._home.take_turn(connection)
            if "alembic_version" in self._home.tables(connection):
                return  # another process was quicker
            metadata.create_all(connection)
            Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)).create(connection)
            connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": REVISIONS[-1]})

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        configuration = Config()
        configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        configuration.set_main_option("path_separator", "os")
        with self.transaction() as connection:
            self._home.take_turn(connection)  # what another process has done meanwhile is not done again
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")


def is_there(address: Path | str) -> bool:
    """Whether there is a store, of whatever version.

    Raises:
        StoreError: That cannot be found out.
    """
    home = _home(address, write=False)
    try:
        return home.is_there()
    finally:
        home.close()


def _home(address: Path | str, *, write: bool, rebuild: bool = False, shared: bool = False) -> Home:
    if isinstance(address, str) and not address.startswith(_FILE):
        from feedbridge.store.postgresql import Server  # here, for it takes time that others need not spend

        return Server(address, write=write, shared=shared)
    from feedbridge.store.sqlite import File

    path = Path(address.removeprefix(_FILE)) if isinstance(address, str) else address
    return File(path, write=write, rebuild=rebuild)
