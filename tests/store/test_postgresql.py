"""A store on a server: many processes, restarts, faults in words."""

import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, select, text

from feedbridge.errors import StoreError
from feedbridge.model import Article
from feedbridge.store import articles, claims, polls
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store, is_there
from feedbridge.store.schema import sources

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ME = "me"


@pytest.fixture
def address(postgresql: "PostgreSQL") -> str:
    """An empty store on a server."""
    return postgresql.make()


def made(number: int) -> Kept:
    article = Article(
        id=f"urn:example:{number}",
        source="voa",
        title=str(number),
        link=None,
        published=NOON,
        updated=NOON,
        content="",
        first_seen=NOON,
        changed=NOON,
        content_hash="1:00",
    )
    return Kept(article=article, normaliser=1)


def refusal(address: str, *, write: bool = True) -> str:
    """What is said when a store is opened in vain."""
    with pytest.raises(StoreError) as raised:
        Store(address, write=write).__enter__()
    return str(raised.value)


# Opening


def test_many_processes_may_begin_a_store_at_once(postgresql: "PostgreSQL") -> None:
    """One makes the tables, the others wait for it and go on."""
    empty = postgresql.make(empty=True)

    def begin(number: int) -> None:
        with Store(empty, write=True, shared=True) as store, store.transaction() as connection:
            polls.source_state(connection, str(number))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, range(6)))
    assert postgresql.ask(empty, "SELECT count(*) FROM sources") == [(6,)]
    assert postgresql.ask(empty, "SELECT count(*) FROM alembic_version") == [(1,)]


def test_reader_of_an_empty_database_is_told_how_to_make_a_store(postgresql: "PostgreSQL") -> None:
    """A reader makes nothing."""
    empty = postgresql.make(empty=True)
    assert not is_there(empty)
    assert refusal(empty, write=False).endswith('there is no store yet; "feedbridge build" makes it')
    assert postgresql.ask(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_database_of_another_program_is_refused(postgresql: "PostgreSQL") -> None:
    """Its tables stay alone."""
    other = postgresql.make(empty=True)
    postgresql.ask(other, "CREATE TABLE bookmarks (id integer)")
    for write in (True, False):
        assert "is a database of another program" in refusal(other, write=write)
    assert postgresql.ask(other, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("bookmarks",)]


def test_database_that_cannot_hold_every_letter_is_refused(postgresql: "PostgreSQL") -> None:
    """Before anything is made in it; the mend is told."""
    postgresql.ask(
        "postgres",
        "CREATE DATABASE s0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0",
    )
    said = refusal(postgresql.address("s0"))
    assert "keeps text in LATIN1; make a database for it by \"CREATE DATABASE … ENCODING 'UTF8'" in said


def test_without_the_extra_it_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a server must have its driver."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"extra `postgres`; \"pip install 'feedbridge\[postgres\]'\" brings it"):
        Store(address, write=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("/s", "/none"), 'there is no such database; make it by "createdb --encoding=UTF8'),
        (("//tests", "//nobody"), "the server refuses the user; mend name and password"),
        (("tests:", "tests:not"), "the server refuses the user; mend name and password"),
        (("@127.0.0.1:", "@127.0.0.2:"), "the server cannot be reached; is it running, and is the address right?"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(
    address: str, postgresql: "PostgreSQL", change: tuple[str, str], said: str
) -> None:
    """The address is named, as far as it is no secret, and the mend."""
    secret = address.split(":")[2].split("@")[0]
    told = refusal(address.replace(*change) + "?application_name=hidden")
    assert said in told
    assert "127.0.0" in told
    assert secret not in told
    assert "hidden" not in told


@pytest.mark.parametrize("address", ["postgresql+psycopg://h:port/x", "nonsense"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Without repeating it, for a secret may be in it."""
    assert refusal(address) == "`store` is no address; give one as postgresql+psycopg://USER@HOST/NAME"


def test_backups_are_made_by_others(address: str, tmp_path: Path) -> None:
    """The words name the program that does it."""
    with Store(address, write=False) as store, pytest.raises(StoreError, match="copied by PostgreSQL's own \"pg_dump"):
        store.back_up(tmp_path / "copy")


# Restarts


def test_a_restart_is_survived(stopping: "PostgreSQL", address: str) -> None:
    """What was at work is undone and told; while the server is away each transaction says so; then all goes on."""
    with Store(address, write=True) as store, Store(address, write=False) as reader:
        with store.transaction() as connection:
            polls.source_state(connection, "kept")
        with pytest.raises(StoreError, match="stopped or restarted meanwhile"):
            _write_while_it_stops(store, stopping)
        for opened in (store, reader):
            with pytest.raises(StoreError, match="the server cannot be reached"), opened.transaction():
                pass
        stopping.start()
        for opened in (store, reader):
            with opened.transaction() as connection:
                assert connection.scalars(select(sources.c.name)).all() == ["kept"]


def _write_while_it_stops(store: Store, server: "PostgreSQL") -> None:
    with store.transaction() as connection:
        polls.source_state(connection, "lost")
        server.stop()
        polls.source_state(connection, "lost, too")


# Many at once


def write_until_killed(address: str, told: "Pipe[str, str]") -> None:
    store = Store(address, write=True).__enter__()
    with store.transaction() as connection:
        polls.source_state(connection, "committed")
    with store.transaction() as connection:
        for number in range(100):
            polls.source_state(connection, f"not committed {number}")
        told.send("written")
        time.sleep(60)


def test_processes_never_claim_the_same(address: str) -> None:
    """Six that take at once share 300 sources between them, each once, the longest due first."""
    many = [f"s{number}" for number in range(300)]
    with Store(address, write=True, shared=True) as store, store.transaction() as connection:
        claims.hold(connection, ME, lease=MINUTE)
        claims.enter(connection, many, now=NOON)

    def take(_: int) -> list[str]:
        taken: list[str] = []
        with Store(address, write=True, shared=True) as store:
            while True:
                with store.transaction() as connection:
                    some = claims.claim(connection, many, holder=ME, now=NOON, limit=7)
                if not some:
                    return taken
                taken += [one.name for one in some]

    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(take, range(6)))
    assert sorted(name for share in shares for name in share) == sorted(many)


def test_a_claim_waits_for_nobody(address: str) -> None:
    """What another is claiming at the moment is left to it, and the next ones are taken."""
    with Store(address, write=True, shared=True) as one, Store(address, write=True, shared=True) as other:
        with one.transaction() as connection:
            claims.hold(connection, ME, lease=MINUTE)
            claims.enter(connection, ["a", "b", "c"], now=NOON)
        with one.transaction() as first, other.transaction() as second:
            assert [claim.name for claim in claims.claim(first, ["a", "b", "c"], holder=ME, now=NOON, limit=2)] == [
                "a",
                "b",
            ]
            assert [claim.name for claim in claims.claim(second, ["a", "b", "c"], holder=ME, now=NOON, limit=2)] == [
                "c"
            ]


def test_what_is_being_claimed_is_taken_back_once_it_is(address: str) -> None:
    """Though the lease ends meanwhile: no claim is left behind that belongs to nobody."""
    with (
        Store(address, write=True, shared=True) as one,
        Store(address, write=True, shared=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        with one.transaction() as connection:
            claims.enter(connection, ["a"], now=NOON)
            claims.hold(connection, "late", lease=timedelta(milliseconds=300))
            claims.hold(connection, ME, lease=MINUTE)
        with one.transaction() as connection:
            assert len(claims.claim(connection, ["a"], holder="late", now=NOON, limit=1)) == 1
            time.sleep(0.4)
            taking_back = pool.submit(take_back, other)
            time.sleep(0.2)
            assert not taking_back.done()
        taking_back.result(10)
        with other.transaction() as connection:
            assert len(claims.claim(connection, ["a"], holder=ME, now=NOON, limit=1)) == 1


def take_back(store: Store) -> None:
    with store.transaction() as connection:
        claims.release_abandoned(connection, ME, is_alone=False)


def test_what_is_being_planned_is_not_claimed(address: str) -> None:
    """Nor is what was claimed and settled meanwhile planned again, by what was known of it before."""
    with Store(address, write=True, shared=True) as one, Store(address, write=True, shared=True) as other:
        with one.transaction() as connection:
            claims.hold(connection, ME, lease=MINUTE)
            claims.enter(connection, ["a", "b"], now=NOON)
        with other.transaction() as second:
            assert len(claims.claim(second, ["b"], holder=ME, now=NOON, limit=1)) == 1
            with one.transaction() as first:
                assert [planned.name for planned in claims.schedule(first, ["a", "b"])] == ["a"]
                assert claims.claim(second, ["a"], holder=ME, now=NOON, limit=1) == []
                claims.set_due(first, {"a": NOON + MINUTE})
        with other.transaction() as second:
            assert claims.claim(second, ["a"], holder=ME, now=NOON, limit=1) == []


def add_slowly(store: Store, number: int, *, may_end: threading.Event, begun: threading.Event) -> None:
    with store.transaction() as connection:
        articles.add(connection, 1, [made(number)])
        begun.set()
        assert may_end.wait(10)


def seen(connection: Connection) -> list[str]:
    return [change.uid for change in articles.changed_since(connection, ["voa"], 0)]


def test_who_has_seen_a_revision_has_seen_all_before(address: str) -> None:
    """While one writes articles, another that wishes to waits; so no smaller revision turns up later."""
    with (
        Store(address, write=True, shared=True) as one,
        Store(address, write=True, shared=True) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        with one.transaction() as connection:
            polls.source_state(connection, "voa")
        may_end, begun, free = threading.Event(), threading.Event(), threading.Event()
        free.set()
        first = pool.submit(add_slowly, one, 1, may_end=may_end, begun=begun)
        assert begun.wait(10)
        second = pool.submit(add_slowly, other, 2, may_end=free, begun=threading.Event())
        time.sleep(0.2)
        with one.transaction() as connection:
            assert (seen(connection), articles.latest_revision(connection)) == ([], 0)
        assert not second.done()
        may_end.set()
        first.result(10)
        second.result(10)
        with one.transaction() as connection:
            assert (seen(connection), articles.latest_revision(connection)) == (["urn:example:1", "urn:example:2"], 2)


def test_a_schedule_is_not_moved_under_the_hands_of_who_works_by_it(address: str) -> None:
    """Who meant to move a source that was claimed meanwhile does not."""
    with Store(address, write=True, shared=True) as store, store.transaction() as connection:
        claims.hold(connection, ME, lease=MINUTE)
        claims.enter(connection, ["a"], now=NOON)
        (claim,) = claims.claim(connection, ["a"], holder=ME, now=NOON, limit=1)
        claims.set_due(connection, {"a": datetime(2026, 12, 1, tzinfo=UTC)})
        assert not claims.moved(connection, claim)


def test_a_second_writer_is_told_who_holds_the_store(address: str, stopping: "PostgreSQL") -> None:
    """Unless all are to share it, there is one; also after a restart, once it has done something. Readers may read."""
    held = rf"s\d+: is in use by another feedbridge \(process {os.getpid()} on .+\); wait for it or stop it"
    with Store(address, write=True) as store:
        with pytest.raises(StoreError, match=held):
            Store(address, write=True).__enter__()
        with pytest.raises(StoreError, match=held):
            Store(address, write=True, shared=True).__enter__()
        with Store(address, write=False):
            pass
        stopping.stop()
        stopping.start()
        with store.transaction() as connection:
            polls.source_state(connection, "voa")
        with pytest.raises(StoreError, match=held):
            Store(address, write=True).__enter__()
    with Store(address, write=True):
        pass


def test_those_who_share_a_store_are_many_and_leave_it_to_none_alone(address: str, postgresql: "PostgreSQL") -> None:
    """Who wants it alone is told who has it, until the last has gone; also after their connections were lost."""
    held = rf"s\d+: is in use by another feedbridge \(process {os.getpid()} on .+\); wait for it or stop it"
    with Store(address, write=True, shared=True) as last:
        with Store(address, write=True, shared=True) as other:
            assert not other.is_alone
            with pytest.raises(StoreError, match=held):
                Store(address, write=True).__enter__()
        postgresql.ask("postgres", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        last.check()
        with pytest.raises(StoreError, match=held):
            Store(address, write=True).__enter__()
    with Store(address, write=True) as alone:
        assert alone.is_alone


def backends(server: "PostgreSQL") -> set[int]:
    """The connections that there are to stores."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'feedbridge %'"
    return {pid for (pid,) in server.ask("postgres", query)}


def test_a_check_asks_by_the_connection_that_holds_the_store(address: str, postgresql: "PostgreSQL") -> None:
    """It opens none, unless that one was lost: then the store is held anew."""
    with Store(address, write=True) as store:
        before = backends(postgresql)
        store.check()
        assert backends(postgresql) == before
        postgresql.ask("postgres", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        store.check()
        assert len(backends(postgresql) - before) == 1
        with pytest.raises(StoreError, match="is in use by another feedbridge"):
            Store(address, write=True).__enter__()
    with Store(address, write=False) as reader:
        reader.check()


def test_a_killed_writer_holds_nothing(address: str) -> None:
    """What it had committed stays, what it had not is gone, and another may write."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=write_until_killed, args=(address, theirs))
    process.start()
    assert ours.recv() == "written"
    process.kill()
    process.join()
    deadline = time.monotonic() + 10
    while True:
        try:
            with Store(address, write=True) as store, store.transaction() as connection:
                assert connection.scalars(select(sources.c.name)).all() == ["committed"]
            return
        except StoreError:  # the server takes a moment to notice
            assert time.monotonic() < deadline
            time.sleep(0.05)


# What PostgreSQL cannot


def test_names_that_no_index_takes_are_found_again(address: str) -> None:
    """Links of eight thousand characters, and those that hold what is no text there."""
    names = [f"link:{''.join(chr(0x4E00 + i * 37 % 20_000) for i in range(8_000))}", "id:a\0b", "id:plain"]
    with Store(address, write=True, shared=True) as store, store.transaction() as connection:
        row = polls.source_state(connection, "voa").row
        (article,) = articles.add(connection, row, [made(1)])
        articles.name(connection, row, [(name, article) for name in names])
        assert articles.find(connection, row, [*names, "id:ab"]) == dict.fromkeys(names, article)
        assert articles.search(connection, names[:1]).keys() == {article}


def test_a_silent_transaction_is_ended(address: str) -> None:
    """A process that was stopped in the middle of one does not hold up the others for ever."""
    with Store(address, write=True, shared=True) as store, store.transaction() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "10min"
