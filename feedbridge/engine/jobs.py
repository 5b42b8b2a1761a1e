"""Work for others: batches of due sources, and what is to be written, as jobs of Procrastinate.

A job is handed over in the transaction that makes it due, on the connection of the store: it is there if, and only if,
its claims are. Jobs that must not run at the same time have one lock.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from procrastinate import App, RetryStrategy, SyncPsycopgConnector
from sqlalchemy import Connection

from feedbridge.polling import Schedule
from feedbridge.store import jobs, turns
from feedbridge.store.database import Store

QUEUE = "feedbridge"
POLL, PUBLISH = "poll", "publish"

BATCHES_AHEAD = 32
"""So many batches wait at most: what falls due meanwhile waits in the schedule, where it is cheap."""

AGAIN = RetryStrategy(max_attempts=100, wait=1)
"""A job that broke off, for the database was away, is tried again."""

logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it tells of each job


class Jobs:
    """Hands over work."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._app = App(connector=SyncPsycopgConnector())

    def bring_up_to_date(self) -> bool:
        """Make or change the tables of jobs; says whether there was something to do."""
        with self._store.transaction() as connection:
            return jobs.bring_up_to_date(connection)

    def tidy(self) -> None:
        """Forget what nobody asks about any more."""
        with self._store.transaction() as connection:
            jobs.forget_failed(connection)
            turns.forget(connection, after=timedelta(days=1))

    def dispatch(self, schedule: Schedule, *, now: datetime) -> int:
        """Hand over what is due, as far as not too much waits already; any number may do so at a time.

        Args:
            schedule: Of all sources.
            now: The instant of the refreshes; aware.

        Returns:
            How many sources were handed over.
        """
        count = 0
        while True:
            with self._store.transaction() as connection:
                jobs.retry_stalled(connection)
                if jobs.waiting(connection, POLL) >= BATCHES_AHEAD:
                    return count
                batch = schedule.take_batch(connection, now=now)
                if batch is None:
                    return count
                self._defer(connection, POLL, batch=batch.name, sources=list(batch.sources), now=now.isoformat())
            count += len(batch.sources)

    def publish(self, connection: Connection, _sources: Iterable[str] = ()) -> None:
        """Let be written what is due; a job that waits to be begun will see to it, too."""
        if not jobs.is_waiting(connection, PUBLISH):
            self._defer(connection, PUBLISH, lock=PUBLISH)

    def _defer(self, connection: Connection, task: str, *, lock: str | None = None, **words: Any) -> None:
        job = self._app.configure_task(task, queue=QUEUE, lock=lock, connection=jobs.driver(connection))
        job.defer(**words)
