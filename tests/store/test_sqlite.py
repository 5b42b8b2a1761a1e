"""A store in a file: one writer, brought up to date, faults in words."""

import gc
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text

from feedbridge.errors import StoreError
from feedbridge.store import claims, database, polls, sqlite
from feedbridge.store.articles import load
from feedbridge.store.database import REVISIONS, Store
from feedbridge.store.schema import articles, metadata, sources

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

NEWEST = REVISIONS[-1]

HOLD_LOCK = """
import fcntl, os, sys
lock = open(sys.argv[1], "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.truncate(0); lock.write(f"{os.getpid()}\\n"); lock.flush()
print("held", flush=True)
sys.stdin.read()
"""

HOLD_DATABASE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{newest}"

def upgrade():
    op.add_column("sources", sa.Column("note", sa.Text()))
    {then}
"""


@contextmanager
def held(script: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a script, which holds the path until the process is told to end."""
    words = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate("")


def make(path: Path) -> None:
    """A store with a source in it."""
    with Store(path, write=True) as store, store.transaction() as connection:
        polls.source_state(connection, "voa")


def ask(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found


def migrations_with(folder: Path, monkeypatch: pytest.MonkeyPatch, *, then: str) -> None:
    """Let the store know one more revision, 9000, which does something `then`."""
    folder.mkdir(exist_ok=True)
    here = Path(database.__file__).parent if not (folder / "migrations").exists() else folder
    if here != folder:
        shutil.copytree(here / "migrations", folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "migrations" / "versions" / "9000_note.py"
    script.write_text(MIGRATION.format(newest=NEWEST, then=then), encoding="utf-8")
    shutil.rmtree(script.parent / "__pycache__", ignore_errors=True)
    monkeypatch.setattr(database, "__file__", str(folder / "database.py"))
    monkeypatch.setattr(database, "REVISIONS", (*REVISIONS, "9000"))


def test_writer_is_durable_and_checks_references(tmp_path: Path) -> None:
    """Write-ahead log, synchronous FULL, foreign keys on."""
    with Store(tmp_path / "store.db", write=True) as store, store.transaction() as connection:
        pragmas = [connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
        assert pragmas == ["wal", 2]
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA busy_timeout")) >= 5000


def test_store_opens_again_as_it_was(tmp_path: Path) -> None:
    """Opening a store of this version neither migrates nor copies it."""
    make(tmp_path / "store.db")
    make(tmp_path / "store.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.db", "store.db.lock"]
    assert ask(tmp_path / "store.db", "SELECT name FROM sources") == [("voa",)]


@pytest.mark.parametrize("name", ["a?b=c", "a#b", "a%20b", "目录 mit Leerzeichen", "a'b", ":memory:"])
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    """Letters that mean something in an address mean nothing in a path."""
    path = tmp_path / name / "store.db"
    make(path)
    assert ask(path, "SELECT name FROM sources") == [("voa",)]
    with Store(path, write=False) as store, store.transaction() as connection:
        assert connection.scalars(select(sources.c.name)).all() == ["voa"]


# Versions


def test_newer_store_is_refused_untouched(tmp_path: Path) -> None:
    """A store of a newer program is refused, says so, and keeps every byte."""
    path = tmp_path / "store.db"
    make(path)
    ask(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    for write in (True, False):
        with pytest.raises(StoreError, match=rf"newer feedbridge \(its schema is 9999.*up to {NEWEST}\)"):
            Store(path, write=write).__enter__()
    assert path.read_bytes() == before


def test_older_store_is_copied_before_it_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrated store has the new column and the old rows; the copy beside it is the old store, whole."""
    path = tmp_path / "store.db"
    make(path)
    migrations_with(tmp_path / "newer", monkeypatch, then="pass")
    with Store(path, write=True) as store, store.transaction() as connection:
        assert connection.execute(text("SELECT name, note FROM sources")).all() == [("voa", None)]
    assert ask(path, "SELECT version_num FROM alembic_version") == [("9000",)]
    copy = tmp_path / f"store.db.before-9000-from-{NEWEST}"
    assert ask(copy, "SELECT version_num FROM alembic_version") == [(NEWEST,)]
    assert ask(copy, "SELECT name FROM sources") == [("voa",)]
    assert ask(copy, "PRAGMA integrity_check") == [("ok",)]
    assert [found for found in tmp_path.iterdir() if found.name.endswith(".tmp")] == []


def leave_as_killed(path: Path) -> Path:
    """Add a source, and copy the store as a run leaves it that is killed then: the source is in the log; the folder."""
    killed = path.parent / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO sources (name) VALUES ('late')")
        other.commit()
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.parent / name, killed / name)
    return killed


def test_rows_in_the_log_are_in_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run left in the write-ahead log is part of the copy, and rubbish of a killed copy is no harm."""
    path = tmp_path / "store.db"
    make(path)
    copied = leave_as_killed(path)
    (copied / f"store.db.before-9000-from-{NEWEST}.tmp").write_bytes(b"rubbish" * 1000)
    migrations_with(tmp_path / "newer", monkeypatch, then="pass")
    with Store(copied / "store.db", write=True):
        pass
    assert ask(copied / f"store.db.before-9000-from-{NEWEST}", "SELECT name FROM sources ORDER BY id") == [
        ("voa",),
        ("late",),
    ]


def test_failed_migration_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails half-way is undone as a whole, and a mended one succeeds."""
    path = tmp_path / "store.db"
    make(path)
    migrations_with(tmp_path / "newer", monkeypatch, then='op.execute("NO SQL AT ALL")')
    with pytest.raises(StoreError, match=r"store\.db: .*syntax error"):
        Store(path, write=True).__enter__()
    assert ask(path, "SELECT version_num FROM alembic_version") == [(NEWEST,)]
    assert "note" not in str(ask(path, "SELECT sql FROM sqlite_master"))
    migrations_with(tmp_path / "newer", monkeypatch, then="pass")
    with Store(path, write=True):
        pass
    assert ask(path, "SELECT version_num FROM alembic_version") == [("9000",)]


def test_reader_does_not_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that only reads says that the store is older, and leaves it so."""
    path = tmp_path / "store.db"
    make(path)
    migrations_with(tmp_path / "newer", monkeypatch, then="pass")
    with pytest.raises(StoreError, match='is of an older version; "feedbridge db upgrade" brings it up to date'):
        Store(path, write=False).__enter__()
    assert ask(path, "SELECT version_num FROM alembic_version") == [(NEWEST,)]


def make_first(path: Path) -> None:
    """A store of the first schema, with a source, three articles, one of them taken down, and a feed of them."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    configuration.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        for statement in FIRST.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()


FIRST = """
INSERT INTO sources VALUES (1, 'voa', 'a shape', 1700000000000, 1700000600000);
INSERT INTO polls VALUES (1, 1, 1700000000000, 1700000000000, 'is the folder mounted?', 0, 0, 0);
INSERT INTO articles SELECT
    value, 1, 'urn:example:' || value, value, 1600000000000 + value, 1600000000000 + value, 1600000001000,
    1600000001000, iif(value = 3, 1650000000000, NULL), 0, NULL, value || '.md', '1:00', 1, 'Title ' || value,
    'https://news.example/' || value, '{}', '<p>文章 ' || value || '</p>'
    FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3);
INSERT INTO aliases SELECT 1, 'link:' || id, id FROM articles;
INSERT INTO files SELECT 1, id || '.md', 10, 20, NULL, id, NULL, 0 FROM articles;
INSERT INTO feeds VALUES (1, 'news', 'news', NULL, 'urn:example:feed', 1600000000000, '50/1048576', NULL);
INSERT INTO feed_entries SELECT 1, id, 1600000000000 + id, published, uid, NULL FROM articles WHERE id < 3
"""


def shape(path: Path) -> dict[str, object]:
    """What the database knows of its tables, whatever the order in which it was told."""
    tables = ask(path, "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main'")
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = '{0}' ORDER BY name"
    columns = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{0}') ORDER BY name"
    links = 'SELECT "table", "from", "to", on_delete FROM pragma_foreign_key_list(\'{0}\') ORDER BY 1, 2'
    return {
        name: (kind, [ask(path, question.format(name)) for question in (columns, indexes, links)])
        for name, *kind in tables
        if name != "sqlite_sequence"
    }


def test_a_new_store_is_as_migrations_would_leave_it(tmp_path: Path) -> None:
    """Though they are not run for it."""
    make_first(tmp_path / "migrated.db")
    for name in ("migrated.db", "new.db"):
        with Store(tmp_path / name, write=True):
            pass
    assert len(shape(tmp_path / "new.db")) > 10
    assert shape(tmp_path / "new.db") == shape(tmp_path / "migrated.db")


def test_store_of_the_first_schema_is_copied_and_migrated(tmp_path: Path) -> None:
    """Every row is there afterwards, its sources are due at once, and the copy beside it is what it was."""
    path = tmp_path / "store.db"
    make_first(path)
    tables = ("articles", "aliases", "files", "feeds", "feed_entries", "polls")
    before = {table: ask(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}
    assert [len(rows) for rows in before.values()] == [3, 3, 3, 1, 2, 1]
    with pytest.raises(StoreError, match='is of an older version; "feedbridge db upgrade" brings it up to date'):
        Store(path, write=False).__enter__()
    assert [found.name for found in tmp_path.iterdir()] == ["store.db"]

    with Store(path, write=True) as store, store.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        kept = load(connection, [1, 2, 3])
        assert [(one.article.title, one.removed) for one in kept.values()] == [
            ("Title 1", False),
            ("Title 2", False),
            ("Title 3", True),
        ]
        summary = polls.summary(connection, "voa", now=NOON, normaliser=1)
        assert (summary.articles, summary.failures, summary.next_poll_at) == (2, 0, None)
        claims.hold(connection, "me", lease=None)
        claims.enter(connection, ["voa"], now=NOON)
        assert [one.name for one in claims.claim(connection, ["voa"], holder="me", now=NOON, limit=1)] == ["voa"]
        state = polls.source_state(connection, "voa")
        assert (state.shape, state.completed_at) == ("a shape", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
    assert {table: ask(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables} == before
    assert ask(path, "PRAGMA foreign_key_check") == []
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]

    copy = tmp_path / f"store.db.before-{NEWEST}-from-0001"
    assert ask(copy, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert {table: ask(copy, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables} == before
    copy.rename(path)
    with Store(path, write=True) as store, store.transaction() as connection:
        assert len(load(connection, [1, 2, 3])) == 3


@pytest.mark.parametrize("revision", [None, "0001", "3fa9c1"])
def test_database_of_another_program_is_refused_untouched(tmp_path: Path, revision: str | None) -> None:
    """Another program's database is refused whatever its own migrations are called, and keeps every byte."""
    path = tmp_path / "other.db"
    ask(path, "CREATE TABLE bookmarks (id INTEGER)")
    if revision:
        ask(path, "CREATE TABLE alembic_version (version_num TEXT)")
        ask(path, f"INSERT INTO alembic_version VALUES ('{revision}')")
    before = path.read_bytes()
    for write in (True, False):
        with pytest.raises(StoreError, match="another program"):
            Store(path, write=write).__enter__()
    assert path.read_bytes() == before


# Damage


@pytest.mark.parametrize("write", [True, False])
def test_file_that_is_no_database_is_told(tmp_path: Path, write: bool) -> None:
    """A file of rubbish gives one line that names it and the mend."""
    path = tmp_path / "store.db"
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match=r"store\.db: is damaged; put a backup in its place"):
        Store(path, write=write).__enter__()
    assert path.read_bytes() == b"rubbish" * 1000


def test_cut_database_is_told(tmp_path: Path) -> None:
    """A store that lost its second half is told to be damaged."""
    path = tmp_path / "store.db"
    make(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match="is damaged"):
        _read_everything(path)


def _read_everything(path: Path) -> None:
    with Store(path, write=True) as store, store.transaction() as connection:
        for table in metadata.sorted_tables:
            connection.execute(select(table)).all()


def test_store_cannot_be_a_folder(tmp_path: Path) -> None:
    """A folder in the store's place is told."""
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreError, match=r"store\.db: cannot be opened"):
        Store(tmp_path / "store.db", write=True).__enter__()


def test_folder_of_the_store_cannot_be_a_file(tmp_path: Path) -> None:
    """A file where the store's folder would be is told."""
    (tmp_path / "var").write_text("")
    with pytest.raises(StoreError, match="name another `store`"):
        Store(tmp_path / "var" / "store.db", write=True).__enter__()


def test_reader_of_no_store_is_told_how_to_make_one(tmp_path: Path) -> None:
    """A reader makes nothing."""
    with pytest.raises(StoreError, match='there is no store yet; "feedbridge build" makes it'):
        Store(tmp_path / "store.db", write=False).__enter__()
    assert list(tmp_path.iterdir()) == []


def spoil(path: Path) -> None:
    """Write over the middle of a store, as a bad disk does."""
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:4096] + b"\xaa" * (middle - 4096) + whole[middle:])


@pytest.mark.parametrize("damage", ["rubbish", "cut", "spoilt"])
def test_damaged_store_is_put_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    """Each damaged file keeps every byte, under a name that no other has; the new store is empty and works."""
    path = tmp_path / "store.db"
    for number in (1, 2):
        make(path)
        if damage == "spoilt":
            spoil(path)
        else:
            path.write_bytes(b"rubbish" * 1000 if damage == "rubbish" else path.read_bytes()[:9000])
        broken = path.read_bytes()
        with Store(path, write=True, rebuild=True) as store, store.transaction() as connection:
            assert connection.execute(select(sources)).all() == []
        assert path.with_name(f"store.db.damaged-{number}").read_bytes() == broken
    make(path)
    assert ask(path, "SELECT name FROM sources") == [("voa",)]


def test_sound_store_is_not_rebuilt(tmp_path: Path) -> None:
    """With nothing damaged, everything stays where it is, also what a killed run left in the log."""
    path = tmp_path / "store.db"
    make(path)
    killed = leave_as_killed(path)
    for store_path in (path, killed / "store.db", tmp_path / "none" / "store.db"):
        with Store(store_path, write=True, rebuild=True):
            pass
        assert not list(store_path.parent.glob("*damaged*"))
    for store_path in (path, killed / "store.db"):
        assert ask(store_path, "SELECT name FROM sources ORDER BY id") == [("voa",), ("late",)]


def test_what_cannot_be_opened_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in its place, a lock, another program's database, or no handles left: nothing is put aside."""
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "folder.db", write=True, rebuild=True).__enter__()
    ask(tmp_path / "other.db", "CREATE TABLE bookmarks (id INTEGER)")
    with pytest.raises(StoreError, match="another program"):
        Store(tmp_path / "other.db", write=True, rebuild=True).__enter__()
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    make(tmp_path / "locked.db")
    with held(HOLD_DATABASE, tmp_path / "locked.db"), pytest.raises(StoreError, match="locked"):
        Store(tmp_path / "locked.db", write=True, rebuild=True).__enter__()
    make(tmp_path / "store.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4, hard))
    try:
        sound = sqlite._is_sound(tmp_path / "store.db")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sound
    assert not list(tmp_path.glob("*damaged*"))


# Backups


def test_backup_beside_a_writer_is_whole(tmp_path: Path) -> None:
    """While another thread writes, each copy opens, is sound, and holds all that was committed before it began."""
    path = tmp_path / "store.db"
    (tmp_path / "backups").mkdir()
    stop = threading.Event()
    written = [0]

    def write(store: Store) -> None:
        while not stop.is_set():
            with store.transaction() as connection:
                for name in (f"{written[0]}-a", f"{written[0]}-b"):
                    polls.source_state(connection, name)
            written[0] += 1

    with Store(path, write=True) as store, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, store)
        try:
            for number in range(5):
                before = written[0]
                with Store(path, write=False) as reader:
                    reader.back_up(tmp_path / "backups" / f"{number}.db")
                with (
                    Store(tmp_path / "backups" / f"{number}.db", write=False) as copy,
                    copy.transaction() as connection,
                ):
                    names = connection.scalars(select(sources.c.name)).all()
                    assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
                assert len(names) % 2 == 0
                assert len(names) >= 2 * before
                while written[0] < before + 20:
                    assert not writing.done()
        finally:
            stop.set()
        writing.result()
    with Store(tmp_path / "backups" / "4.db", write=True) as restored, restored.transaction() as connection:
        polls.source_state(connection, "goes on")
    assert not list((tmp_path / "backups").glob("*.tmp*"))


def test_backup_onto_the_store_itself_is_refused(tmp_path: Path) -> None:
    """By whatever name; a daemon would go on writing to a file that is no more."""
    path = tmp_path / "store.db"
    make(path)
    (tmp_path / "link.db").symlink_to(path)
    inode = path.stat().st_ino
    with Store(path, write=False) as store:
        for target in (path, tmp_path / "link.db", tmp_path / "." / "store.db"):
            with pytest.raises(StoreError, match="is the store itself; name another file for the backup"):
                store.back_up(target)
    assert path.stat().st_ino == inode


def test_backup_that_fails_says_which_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    """A damaged store, or a place that cannot be written: the backup that stands there stays."""
    path, target = tmp_path / "store.db", tmp_path / "backup.db"
    make(path)
    with Store(path, write=False) as store:
        store.back_up(target)
        before = target.read_bytes()
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="file"):
            store.back_up(tmp_path / "file" / "backup.db")
        path.write_bytes(b"rubbish" * 1000)
        with pytest.raises(StoreError, match=r"store\.db: is damaged"):
            store.back_up(target)
    assert target.read_bytes() == before


def test_tidying_empties_the_log(tmp_path: Path) -> None:
    """The file beside the database does not stay as large as its worst day."""
    with Store(tmp_path / "store.db", write=True) as store:
        with store.transaction() as connection:
            for number in range(2000):
                polls.source_state(connection, f"a name that takes its room {number}")
        log = tmp_path / "store.db-wal"
        assert log.stat().st_size > 50_000
        store.tidy()
        assert log.stat().st_size == 0


def test_a_store_is_tidied_right_after_it_was_made(tmp_path: Path) -> None:
    """Nothing that brought it up to date stands in the way, even while it waits to be collected as garbage."""
    gc.disable()
    try:
        with Store(tmp_path / "store.db", write=True) as store:
            store.tidy()
    finally:
        gc.enable()


# Others


def test_second_writer_is_told_who_holds_the_store(tmp_path: Path) -> None:
    """While another process holds the store, opening it for writing fails and names that process."""
    path = tmp_path / "store.db"
    make(path)
    with held(HOLD_LOCK, path.with_name("store.db.lock")) as process:
        with pytest.raises(StoreError, match=rf"in use by another feedbridge \(process {process.pid}\)"):
            Store(path, write=True).__enter__()
        with Store(path, write=False) as reader, reader.transaction() as connection:
            assert connection.scalars(select(sources.c.name)).all() == ["voa"]
    make(path)


def test_failed_opening_lets_go_of_the_lock(tmp_path: Path) -> None:
    """After a refusal the store can be opened again in the same process, once it is mended."""
    path = tmp_path / "store.db"
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError):
        Store(path, write=True).__enter__()
    path.unlink()
    make(path)


def test_database_locked_by_another_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that another program holds on the database itself is waited for, and then told."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    path = tmp_path / "store.db"
    make(path)
    with (
        held(HOLD_DATABASE, path),
        pytest.raises(StoreError, match=r"store\.db: is locked by another program; close it and try again"),
    ):
        Store(path, write=True).__enter__()
    make(path)


def test_reader_works_beside_a_writer_and_cannot_write(tmp_path: Path) -> None:
    """A reader sees what was committed, is not held up by the writer's transaction, and changes nothing."""
    path = tmp_path / "store.db"
    make(path)
    with Store(path, write=True) as writer, writer.transaction() as writing:
        polls.source_state(writing, "second")
        with Store(path, write=False) as reader:
            with reader.transaction() as connection:
                assert connection.scalars(select(sources.c.name)).all() == ["voa"]
            with pytest.raises(StoreError, match="read-only"), reader.transaction() as connection:
                polls.source_state(connection, "third")


def test_killed_writer_leaves_the_store_whole(tmp_path: Path) -> None:
    """What a killed process had committed stays, what it had not is gone, and its lock goes with it."""
    path = tmp_path / "store.db"
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_write_until_killed, args=(path, theirs))
    process.start()
    assert ours.recv() == "written"
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Store(path, write=True) as store, store.transaction() as connection:
        assert connection.scalars(select(sources.c.name)).all() == ["committed"]
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.execute(select(articles)).all() == []


def _write_until_killed(path: Path, told: "Pipe[str, str]") -> None:
    store = Store(path, write=True).__enter__()
    with store.transaction() as connection:
        polls.source_state(connection, "committed")
    with store.transaction() as connection:
        for number in range(1000):
            polls.source_state(connection, f"not committed {number}")
        told.send("written")
        signal.pause()


def test_a_backup_replaces_an_older_one_and_nothing_else(tmp_path: Path) -> None:
    """A mistyped name costs nobody his settings; a folder that is not mounted is not made."""
    (tmp_path / "settings.toml").write_text("[site]", encoding="utf-8")
    with Store(tmp_path / "store.db", write=True) as store:
        store.back_up(tmp_path / "copy.db")
        store.back_up(tmp_path / "copy.db")
        for target, said in (
            ("settings.toml", "is there already, and is no backup; name another file"),
            (".", "is a folder; name a file in it for the backup"),
            ("mnt/copy.db", "no such folder; make it, or mount it"),
        ):
            with pytest.raises(StoreError, match=said):
                store.back_up(tmp_path / target)
    assert (tmp_path / "settings.toml").read_text(encoding="utf-8") == "[site]"
    assert not (tmp_path / "mnt").exists()


def test_a_check_finds_a_file_that_is_gone_or_damaged(tmp_path: Path) -> None:
    """Though the store, which has read what it needs, may not have noticed yet."""
    path = tmp_path / "store.db"
    with Store(path, write=True) as store:
        store.check()
        aside = path.rename(path.with_name("aside"))
        with pytest.raises(StoreError, match="cannot be opened: is its folder there"):
            store.check()
        aside.rename(path)
        path.write_bytes(b"x" * 200_000)
        with pytest.raises(StoreError, match="is damaged; put a backup in its place"):
            store.check()
