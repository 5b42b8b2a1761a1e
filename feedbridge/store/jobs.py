"""Procrastinate's own tables, in the same database: their schema, what stalls there, and how all stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from sqlalchemy import Connection, text

STALLED_SECONDS = 30.0
"""What a worker that is not heard of for so long was at is given to another."""

_MIGRATION = (0x66656564 << 32) + 4
_DAYS_KEPT = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class JobCounts:
    """How the work of all machines stands; `failed` are those that were given up in the last days."""

    waiting: int
    running: int
    failed: int
    workers: int


def bring_up_to_date(connection: Connection) -> bool:
    """Make the tables, or change them as the installed version needs it; says whether there was something to do.

    Procrastinate does not note which of its migrations a database has seen, so it is noted here.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION})
    connection.execute(text("CREATE TABLE IF NOT EXISTS procrastinate_migrations (name varchar PRIMARY KEY)"))
    folder = resources.files("procrastinate.sql")
    known = {one.name: one for one in (folder / "migrations").iterdir() if one.name.endswith(".sql")}
    seen = set(connection.scalars(text("SELECT name FROM procrastinate_migrations")))
    due: list[Traversable] = [known[name] for name in sorted(known.keys() - seen)]
    if not is_there(connection):
        due = [folder / "schema.sql"]
    for script in due:
        connection.execution_options(no_parameters=True).exec_driver_sql(script.read_text(encoding="utf-8"))
    for name in sorted(known.keys() - seen):
        connection.execute(text("INSERT INTO procrastinate_migrations VALUES (:name)"), {"name": name})
    return bool(due)


def is_there(connection: Connection) -> bool:
    """Whether there are such tables."""
    return connection.scalar(text("SELECT to_regclass('procrastinate_jobs')")) is not None


def driver(connection: Connection) -> Any:
    """The connection of psycopg, on which Procrastinate takes part in our transaction."""
    return connection.connection.driver_connection


def awaited(connection: Connection, locks: Sequence[str]) -> set[str]:
    """Those of these locks of which a job waits to be begun: it will see all that is committed by now."""
    query = "SELECT lock FROM procrastinate_jobs WHERE lock = ANY(:locks) AND status = 'todo'"
    return set(connection.scalars(text(query), {"locks": list(locks)}))


def take_along(connection: Connection, lock: str) -> None:
    """Drop the jobs with a lock that wait to be begun, for one that has just begun sees to what they were to see to."""
    query = "DELETE FROM procrastinate_jobs WHERE lock = :lock AND status = 'todo' AND attempts = 0"
    connection.execute(text(query), {"lock": lock})


def waiting(connection: Connection, task: str) -> int:
    """How many jobs of a kind wait."""
    query = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND task_name = :task"
    return connection.scalar(text(query), {"task": task}) or 0


def retry_stalled(connection: Connection) -> int:
    """Give what dead workers were at to others; says how many jobs that are."""
    return len(connection.scalars(text(_RETRY_STALLED), {"seconds": STALLED_SECONDS}).all())


def forget_failed(connection: Connection) -> None:
    """Drop what was given up long ago."""
    connection.execute(text(_FORGET_FAILED), {"days": _DAYS_KEPT})


def counts(connection: Connection) -> JobCounts:
    """How the work of all machines stands. Jobs that went well are gone, so that few rows are counted."""
    row = connection.execute(text(_COUNTS), {"seconds": STALLED_SECONDS}).one()
    return JobCounts(waiting=row.waiting, running=row.running, failed=row.failed, workers=row.workers)


_RETRY_STALLED = """
WITH stalled AS (
    SELECT job.id FROM procrastinate_jobs job
    WHERE job.status = 'doing' AND NOT job.abort_requested AND NOT EXISTS (
        SELECT FROM procrastinate_workers worker
        WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - make_interval(secs => :seconds)
    )
    FOR UPDATE OF job SKIP LOCKED
)
UPDATE procrastinate_jobs job SET status = 'todo', attempts = attempts + 1, scheduled_at = now(), worker_id = NULL
FROM stalled WHERE job.id = stalled.id
RETURNING job.id
"""

_FORGET_FAILED = """
DELETE FROM procrastinate_jobs job WHERE status IN ('failed', 'aborted', 'cancelled') AND NOT EXISTS (
    SELECT FROM procrastinate_events event
    WHERE event.job_id = job.id AND event.at > now() - make_interval(days => :days)
)
"""

_COUNTS = """
SELECT count(*) FILTER (WHERE status = 'todo') AS waiting, count(*) FILTER (WHERE status = 'doing') AS running,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    (
        SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => :seconds)
    ) AS workers
FROM procrastinate_jobs
"""
