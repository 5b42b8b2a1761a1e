"""A store moves from its file to a server: all of it, however often that is broken off."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from feedbridge.errors import StoreError
from feedbridge.store import copying
from feedbridge.store.database import Store
from feedbridge.store.schema import metadata
from tests.conftest import Site

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL

LONG = "https://news.example/" + "长" * 900


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with a history, whose store is a file."""
    site = Site(tmp_path / "site")
    site.feeds = [{"name": "news", "limit": 10}, {"name": "tags", "by": "category"}]
    site.archive.write_many(60, tags="a, 二")
    site.archive.write(60, link=LONG)
    (site.archive.root / "bad.md").write_text("")
    site.build()
    site.archive.write(3, text="edited")
    site.remove(site.archive.link(5))
    site.build()
    return site


@pytest.fixture
def target(postgresql: "PostgreSQL") -> str:
    """An empty database."""
    return postgresql.make(empty=True)


def copy(site: Site, target: str, progress: copying.Progress = lambda *_: None) -> copying.Copied:
    return copying.copy_store(str(site.store), target, progress)


def move(site: Site, server: "PostgreSQL", target: str) -> None:
    """Let the site go on with the copy."""
    site.address, site._server = target, server


def rows(site: Site, server: "PostgreSQL", target: str) -> None:
    """See that every row of the file is in the database as well."""
    for table in metadata.sorted_tables:
        names = [column.name for column in table.columns if "claimed" not in column.name]
        columns = ", ".join(f'"{name}"' for name in names)
        query = f"SELECT {columns} FROM {table.name}"
        there = [] if table.name in ("holders", "turns") else [_as_there(names, row) for row in site.query(query)]
        here = [list(map(_plain, row)) for row in server.ask(target, query)]
        assert sorted(there, key=repr) == sorted(here, key=repr), table.name


def _as_there(names: list[str], row: tuple[Any, ...]) -> list[object]:
    """A row of the file as PostgreSQL keeps it: a digest stands for a long name."""
    told = dict(zip(names, row, strict=True))
    for name in {"uid", "alias"} & told.keys():
        if len(written := told[name].encode()) > 2000:
            told[name] = f"sha256:{hashlib.sha256(written).hexdigest()}"
    return list(told.values())


def _plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def test_a_site_goes_on_with_the_copy(site: Site, postgresql: "PostgreSQL", target: str) -> None:
    """Nothing is read or written anew; what comes then is as it would have been with the file."""
    copied = copy(site, target)
    rows(site, postgresql, target)
    assert copied.rows["articles"] == len(site.everything()) + 1  # the one that was taken down
    published, stamps = site.published(), site.stamps()
    move(site, postgresql, target)
    (tally,) = site.build().tallies
    assert (tally.read, tally.error) == (0, None)
    assert (site.published(), site.stamps()) == (published, stamps)
    site.archive.write(61)
    site.archive.write(4, text="edited, too")
    (tally,) = site.build().tallies
    assert (tally.new, tally.changed) == (1, 1)
    assert site.shown()[0].link == site.archive.link(61)
    assert site.archive.link(5) not in {entry.link for entry in site.everything()}


class BrokenOff(Exception):  # noqa: N818  (no error: it stands for a sudden end)
    """The copy is broken off here."""


def test_a_copy_goes_on_where_it_was_broken_off(
    site: Site, postgresql: "PostgreSQL", target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off after every batch, it is whole in the end; until then nobody takes it for a store."""
    monkeypatch.setattr(copying, "_BATCH_ROWS", 30)
    reached: dict[str, list[int]] = {}

    def break_off(table: str, done: int, _of: int) -> None:
        if done not in reached.setdefault(table, []):
            reached[table].append(done)
            raise BrokenOff

    for _ in range(200):
        try:
            copy(site, target, break_off)
            break
        except BrokenOff:
            with pytest.raises(StoreError, match=r'a copy into it was broken off; "feedbridge store copy" goes on'):
                Store(target, write=True).__enter__()
    assert reached["articles"] == [0, 30, 60, 61]
    assert len(reached["aliases"]) > 3
    rows(site, postgresql, target)
    with Store(target, write=True):
        pass


def test_a_copy_that_is_killed_goes_on(site: Site, postgresql: "PostgreSQL", target: str) -> None:
    """SIGKILL in the midst of it costs nothing but the batch."""
    words = [sys.executable, "-c", _SLOW, "store", "copy", str(site.store), target]
    for pause in (0.1, 0.4, 0.8):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = subprocess.run([sys.executable, "-m", "feedbridge", *words[3:], "--json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"]["articles"] == 61
    rows(site, postgresql, target)


_SLOW = """
import sys, time
from feedbridge.store import copying
copying._BATCH_ROWS = 10

def slowly(*given, **named):
    print("begun", flush=True)
    for batch in batches(*given, **named):
        time.sleep(0.05)
        yield batch

batches, copying._batches = copying._batches, slowly
from feedbridge.__main__ import main
main()
"""


def test_a_copy_of_what_has_changed_begins_anew(
    site: Site, postgresql: "PostgreSQL", target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied of an older state is not mixed with a newer one."""
    monkeypatch.setattr(copying, "_BATCH_ROWS", 30)

    def break_off(table: str, done: int, _of: int) -> None:
        if (table, done) == ("files", 30):
            raise BrokenOff

    with pytest.raises(BrokenOff):
        copy(site, target, break_off)
    site.archive.write(2, text="edited meanwhile")
    site.build()
    copy(site, target)
    rows(site, postgresql, target)


def test_a_restart_of_the_server_is_survived_by_a_second_try(site: Site, stopping: "PostgreSQL") -> None:
    """What was committed is there; the next copy goes on from it."""
    target = stopping.make(empty=True)

    def stop(table: str, done: int, _of: int) -> None:
        if table == "files" and done:
            stopping.stop(signal.SIGQUIT)

    with pytest.raises(StoreError, match=r"server"):
        copy(site, target, stop)
    stopping.start()
    copy(site, target)
    rows(site, stopping, target)


def test_what_holds_a_store_is_not_overwritten(site: Site, postgresql: "PostgreSQL", target: str) -> None:
    """An empty store will do; one with articles, and the tables of another program, stay as they are."""
    with Store(target, write=True):
        pass
    copy(site, target)
    with pytest.raises(StoreError, match=r"holds a store already; name an empty database"):
        copy(site, target)
    with Store(target, write=True):
        pass
    strange = postgresql.make(empty=True)
    postgresql.ask(strange, "CREATE TABLE theirs (x int)")
    with pytest.raises(StoreError, match=r"is a database of another program"):
        copy(site, strange)


def test_what_cannot_be_copied_is_said(site: Site, target: str, tmp_path: Path) -> None:
    """No store, a store at work, and the wrong way round."""
    with pytest.raises(StoreError, match=r"no\.db: there is no store"):
        copying.copy_store(str(tmp_path / "no.db"), target, lambda *_: None)
    with pytest.raises(StoreError, match=r"is no database of PostgreSQL"):
        copying.copy_store(str(site.store), f"sqlite:///{tmp_path}/new.db", lambda *_: None)
    with Store(site.store, write=True), pytest.raises(StoreError, match=r"is in use"):
        copy(site, target)
    with pytest.raises(StoreError, match=r"postgresql\S+: there is no store in a file"):
        copying.copy_store(target, target, lambda *_: None)


def test_a_count_that_differs_is_no_copy(
    site: Site, postgresql: "PostgreSQL", target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should rows be missing in the end, that is told, and nobody takes it for a store."""
    batches = copying._batches

    def lose_one(reading: Any, table: Any, *, after: Any) -> Iterator[Any]:
        for batch in batches(reading, table, after=after):
            yield batch[1:] if table.name == "files" else batch

    monkeypatch.setattr(copying, "_batches", lose_one)
    with pytest.raises(StoreError, match=r"files: 61 rows came of 62; drop the database"):
        copy(site, target)
    with pytest.raises(StoreError, match=r"broken off"):
        Store(target, write=True).__enter__()
