"""Daemons hand work to workers: real processes, and a store on a server."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from procrastinate.schema import SchemaManager

from feedbridge.engine.jobs import Jobs
from feedbridge.errors import StoreError
from feedbridge.store.database import REVISIONS, Store

if TYPE_CHECKING:
    from tests.conftest import Daemon, PostgreSQL, Site, Web

Start = Callable[..., "Daemon"]


@pytest.fixture
def crew(remote: "Site") -> "Site":
    """A site whose work is done by workers, with one folder and one feed."""
    remote.options |= {"engine": "procrastinate", "pause": "0s"}
    return remote


def test_a_worker_refreshes_and_writes_what_a_daemon_hands_over(crew: "Site", web: "Web", start: Start) -> None:
    """Folders and feeds alike; the daemon serves it."""
    crew.archive.write_many(3)
    web.feed("/feed", "one", "two")
    crew.add_feed("site", web.url("/feed"))
    daemon, worker = start(crew), start(crew, "worker")
    daemon.ready()
    daemon.wait(lambda: len(daemon.titles()) == 5)
    assert crew.query("SELECT count(*), count(error) FROM polls") == [(2, 0)]
    crew.archive.write_many(1, start=3)
    daemon.wait(lambda: len(daemon.titles()) == 6)
    assert daemon.lines("refresh") == []
    assert {line["source"] for line in worker.lines("refresh changed")} == {"voa", "site"}
    daemon.wait(lambda: crew.query("SELECT count(*) FROM procrastinate_jobs") == [(0,)])
    daemon.wait(lambda: "feedbridge_workers 1.0" in daemon.get("/metrics").text)
    told = daemon.get("/metrics").text
    assert 'feedbridge_jobs{state="failed"} 0.0' in told
    assert 'feedbridge_polls_total{outcome="changed",source="voa"} 2.0' in told
    assert 'feedbridge_articles_new_total{source="site"} 2.0' in told
    assert daemon.ask("status").stdout.splitlines()[-1] == "0 jobs wait, 0 at work, 0 given up; 1 worker"
    assert json.loads(daemon.ask("status", "--json").stdout)["work"]["workers"] == 1
    assert [one.stop()[0] for one in (worker, daemon)] == [0, 0]
    assert crew.query("SELECT count(*) FROM sources WHERE claimed_at IS NOT NULL") == [(0,)]
    assert crew.query("SELECT count(*) FROM holders") == [(0,)]


def test_work_waits_for_a_worker(crew: "Site", start: Start) -> None:
    """The daemon does not do it itself; whatever was handed over is done as soon as there is one."""
    crew.archive.write_many(1)
    words = [sys.executable, "-m", "feedbridge", "db", "upgrade", "--config", str(crew.write_config())]
    told = [subprocess.run(words, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    assert all("the newest" in one for one in told)
    assert crew.query("SELECT version_num, to_regclass('procrastinate_jobs')::text FROM alembic_version") == [
        (REVISIONS[-1], "procrastinate_jobs")
    ]
    daemon = start(crew)
    daemon.wait(lambda: crew.query("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'poll'") == [(1,)])
    assert daemon.stop()[0] == 0
    worker = start(crew, "worker")
    shown = crew.public / "feeds" / "news.json"
    worker.wait(lambda: shown.exists() and [one.title for one in crew.shown()] == [crew.archive.title(0)])
    assert worker.stop()[0] == 0


def test_a_worker_that_is_told_to_stop_leaves_its_work_to_others(crew: "Site", web: "Web", start: Start) -> None:
    """Within five seconds, though a site does not answer; the next goes on at once."""
    crew.sources.clear()
    crew.add_feed("slow", web.url("/slow"), timeout="60s")
    web.hang("/slow")
    daemon, worker = start(crew), start(crew, "worker")
    daemon.wait(lambda: web.times("/slow"))
    code, seconds = worker.stop()
    assert code == 0
    assert seconds < 5
    web.feed("/slow", "one")
    other = start(crew, "worker")
    other.wait(lambda: other.lines("refresh changed"))
    assert crew.query("SELECT count(*), count(error) FROM polls") == [(1, 0)]
    assert len(web.times("/slow")) == 2


def test_a_family_is_written_once_however_many_saw_changes(crew: "Site", start: Start) -> None:
    """Workers that settle at the same instant do not see each other's jobs: the first that is begun does them all."""
    crew.archive.write_many(1)
    crew.build()  # so that no refresh brings what is to be written, too
    for path in (crew.public / "feeds").glob("news.*"):
        path.unlink()
    settings, render = crew.settings(), "SELECT status FROM procrastinate_jobs WHERE task_name = 'render'"
    with ExitStack() as opened:
        stores = [opened.enter_context(Store(crew.address, write=True, shared=True)) for _ in range(5)]
        handing = [Jobs(store, settings) for store in stores]
        handing[0].bring_up_to_date()
        with ExitStack() as settling:
            for one, store in zip(handing, stores, strict=True):
                one.render(settling.enter_context(store.transaction()), ["voa"])
        assert crew.query(render) == [("todo",)] * 5
        with stores[0].transaction() as connection:
            handing[0].render(connection, ["voa"])
        assert crew.query(render) == [("todo",)] * 5
        crew.query("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT min(id) FROM procrastinate_jobs)")
        handing[1].take_along("render news")
        assert crew.query(render) == [("doing",)]
        with stores[0].transaction() as connection:
            handing[0].render(connection, ["voa"])
            handing[0].render(connection, ["voa"])
        assert sorted(crew.query(render)) == [("doing",), ("todo",)]
    daemon, worker = start(crew), start(crew, "worker")
    worker.wait(lambda: crew.query("SELECT count(*) FROM procrastinate_jobs") == [(0,)] and worker.lines("published"))
    assert len([line for line in worker.lines("published") if line["files"] == 4]) == 1
    assert [one.stop()[0] for one in (worker, daemon)] == [0, 0]


def test_a_daemon_and_its_workers_outlive_a_restart_of_the_database(
    crew: "Site", web: "Web", start: Start, stopping: "PostgreSQL"
) -> None:
    """They say so, go on serving, and when it is back do what has come up meanwhile."""
    crew.archive.write_many(1)
    web.feed("/feed", "one")
    crew.add_feed("site", web.url("/feed"), every="2s", min="1s")
    daemon, worker = start(crew), start(crew, "worker")
    daemon.ready()
    daemon.wait(lambda: len(daemon.titles()) == 2)
    stopping.stop()
    daemon.wait(lambda: daemon.lines("the schedule cannot be kept"))
    worker.wait(lambda: worker.lines("jobs cannot be looked for"))
    assert len(daemon.titles()) == 2
    assert not daemon.answers("/readyz")
    crew.archive.write_many(1, start=1)
    web.feed("/feed", "one", "two")
    stopping.start()
    daemon.wait(lambda: daemon.answers("/readyz"))
    daemon.wait(lambda: len(daemon.titles()) == 4)
    assert crew.query("SELECT count(*) FROM polls WHERE error IS NOT NULL") == [(0,)]
    assert [one.stop()[0] for one in (worker, daemon)] == [0, 0]


def test_the_tables_of_jobs_are_brought_up_to_date(crew: "Site") -> None:
    """By those of its migrations that the database has not seen, each once."""
    scripts = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    crew.query("CREATE TABLE procrastinate_migrations (name varchar PRIMARY KEY)")
    for script in scripts[:-2]:
        crew.query(script.read_text(encoding="utf-8"))
        crew.query("INSERT INTO procrastinate_migrations VALUES (?)", script.name)
    functions = "SELECT count(*) FROM pg_proc WHERE proname = 'procrastinate_retry_job_v2'"
    assert crew.query(functions) == [(0,)]
    with Store(crew.address, write=True) as store:
        assert [Jobs(store, crew.settings()).bring_up_to_date() for _ in range(2)] == [True, False]
    assert crew.query(functions) == [(1,)]


def test_a_job_that_the_database_does_not_take_is_an_error_of_the_store(crew: "Site") -> None:
    """And of no source: what was to be handed over with it is undone."""
    with Store(crew.address, write=True, shared=True) as store:
        handing = Jobs(store, crew.settings())
        handing.bring_up_to_date()
        with crew.refusing("procrastinate_jobs", "no room"), pytest.raises(StoreError, match=r"jobs \(no room"):
            handing.look_over()
        handing.look_over()
    assert crew.query("SELECT count(*) FROM procrastinate_jobs") == [(1,)]


def test_a_worker_is_for_an_installation_that_has_some(site: "Site") -> None:
    """Else it says what to change."""
    done = site.run("worker")
    assert done.returncode == 2
    assert 'engine: workers are for "procrastinate"; it says "local"' in done.stderr
