"""What a store is, wherever it is kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from feedbridge.errors import StoreError
from feedbridge.store import polls
from feedbridge.store.database import REVISIONS, Store, is_there
from feedbridge.store.schema import metadata, sources


def test_a_new_store_has_exactly_the_schema(store: Store) -> None:
    """What is made is what the code believes in, to the last index, and is of the newest revision."""
    with store.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == REVISIONS[-1]


def test_reference_to_nothing_is_refused(store: Store) -> None:
    """A row that refers to a missing source is refused, in words that name the store."""
    values = {"source_id": 77, "started_at": 1, "finished_at": 1, "new": 0, "changed": 0, "unusable": 0}
    with pytest.raises(StoreError, match=r"(?i)foreign key") as raised, store.transaction() as connection:
        connection.execute(insert(metadata.tables["polls"]), [values])
    assert store.name in str(raised.value)


def test_transaction_is_all_or_nothing(store: Store) -> None:
    """What was written before a failure in the same transaction is undone."""
    with pytest.raises(RuntimeError, match="stop"):
        _stop_half_way(store)
    with store.transaction() as connection:
        assert connection.execute(select(sources)).all() == []


def _stop_half_way(store: Store) -> None:
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        raise RuntimeError("stop")


def test_a_failure_in_one_thread_leaves_the_turn_to_the_next(store: Store) -> None:
    """What a thread had begun is undone, and the others go on."""
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(RuntimeError, match="stop"):
            pool.submit(_stop_half_way, store).result(timeout=10)
        with store.transaction() as connection:
            assert connection.execute(select(sources)).all() == []


def test_threads_share_a_store(store: Store) -> None:
    """Ten threads that read and write at once all come to their turn, and nothing is lost or locked."""

    def work(thread: int) -> int:
        for count in range(30):
            with store.transaction() as connection:
                polls.source_state(connection, f"{thread}-{count}")
            with store.transaction() as connection:
                connection.execute(select(sources)).all()
            if count % 10 == 0:
                store.tidy()
        return 30

    with ThreadPoolExecutor(10) as pool:
        done = [pool.submit(work, thread) for thread in range(10)]
        assert sum(one.result(timeout=60) for one in done) == 300
    with store.transaction() as connection:
        assert len(connection.execute(select(sources)).all()) == 300


def test_a_check_waits_for_nobody(store: Store) -> None:
    """It answers while others write for long, however many."""
    with ThreadPoolExecutor(1) as pool, store.transaction() as connection:
        polls.source_state(connection, "voa")
        pool.submit(store.check).result(timeout=10)


def test_store_opens_again_as_it_was(address: Path | str) -> None:
    """What one has written the next one finds."""
    with Store(address, write=True) as store, store.transaction() as connection:
        polls.source_state(connection, "voa")
    for write in (True, False):
        with Store(address, write=write) as store, store.transaction() as connection:
            assert connection.scalars(select(sources.c.name)).all() == ["voa"]


def test_newer_store_is_refused(address: Path | str) -> None:
    """Nobody writes to, or reads from, what he does not know."""
    with Store(address, write=True) as store, store.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    for write in (True, False):
        with pytest.raises(StoreError, match=rf"newer feedbridge \(its schema is 0999.*up to {REVISIONS[-1]}\)"):
            Store(address, write=write).__enter__()


def test_reader_cannot_write_and_sees_one_state(address: Path | str) -> None:
    """What is committed while a reader's transaction lasts is for its next one to see."""
    with Store(address, write=True) as writer, Store(address, write=False) as reader:
        with reader.transaction() as connection:
            assert connection.scalars(select(sources.c.name)).all() == []
            with writer.transaction() as writing:
                polls.source_state(writing, "voa")
            assert connection.scalars(select(sources.c.name)).all() == []
        with pytest.raises(StoreError, match="cannot be written"), reader.transaction() as connection:
            polls.source_state(connection, "rfa")
        with reader.transaction() as connection:
            assert connection.scalars(select(sources.c.name)).all() == ["voa"]


def test_a_store_is_there_once_it_is_made(address: Path | str, tmp_path: Path) -> None:
    """Asking makes none."""
    assert not is_there(tmp_path / "none.db")
    with Store(address, write=True):
        pass
    assert is_there(address)
    assert list(tmp_path.glob("none*")) == []
