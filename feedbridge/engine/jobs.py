"""Work for others: batches of due sources, and what is to be written, as jobs of Procrastinate.

A job is handed over in the transaction that makes it due, on the connection of the store: it is there if, and only if,
its claims are. Jobs that must not run at the same time have one lock.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from procrastinate import App, RetryStrategy, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Connection

from feedbridge.errors import StoreError
from feedbridge.polling import Schedule
from feedbridge.settings import Settings
from feedbridge.store import jobs, turns
from feedbridge.store.database import Store
from feedbridge.store.jobs import JobCounts

QUEUE = "feedbridge"
POLL, RENDER, INDEX, LOOK_OVER = "poll", "render", "index", "look over"

BATCHES_AHEAD = 32
"""So many batches wait at most: what falls due meanwhile waits in the schedule, where it is cheap."""

INDEX_PAUSE = timedelta(seconds=5)
"""What changes in the list of all feeds is collected for so long."""

WAITING_PAUSE = timedelta(seconds=2)
"""Documents that wait for copies of their pictures are looked at again after this."""

AGAIN = RetryStrategy(max_attempts=30, wait=1, linear_wait=1)
"""A job that broke off is tried again, each time a second later: for the database was away, or the disk is full. It is
given up after eight minutes; when all is looked over, what is due is handed over anew.
"""


class Jobs:
    """Hands over work. Every method raises StoreError where the database does not take it."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._app = App(connector=SyncPsycopgConnector())
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Take feeds and sources from these settings."""
        shown_by: dict[str, list[str]] = {}
        for table in settings.feed:
            for source in settings.sources_of(table):
                shown_by.setdefault(source.name, []).append(table.name)
        self._shown_by = shown_by
        self._families = sorted(table.name for table in settings.feed)

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

    def counts(self) -> JobCounts:
        """How the work of all machines stands."""
        with self._store.transaction() as connection:
            return jobs.counts(connection)

    def look_over(self) -> None:
        """Let all that is due be written, and what is missing; what nobody wishes to keep is let go."""
        with self._store.transaction() as connection:
            self._defer_once(connection, LOOK_OVER, [""])

    def render(self, connection: Connection, sources: Iterable[str]) -> None:
        """Let the families be written that show these sources."""
        self._defer_once(connection, RENDER, sorted({name for one in sources for name in self._shown_by.get(one, ())}))

    def render_all(self) -> None:
        """Let all families be written, as far as they are due, and then their list."""
        with self._store.transaction() as connection:
            self._defer_once(connection, RENDER, self._families)
            self._defer_once(connection, INDEX, [""])

    def take_along(self, lock: str | None) -> None:
        """Do with a job that has just begun what others were to do: several were handed over at the same instant."""
        if lock:
            with self._store.transaction() as connection:
                jobs.take_along(connection, lock)

    def render_again(self, family: str) -> None:
        """Let a family be written that waits for copies of its pictures."""
        with self._store.transaction() as connection:
            self._defer_once(connection, RENDER, [family], after=WAITING_PAUSE)

    def list_feeds(self) -> None:
        """Let the list of all feeds be written, soon: more may change until then."""
        with self._store.transaction() as connection:
            self._defer_once(connection, INDEX, [""], after=INDEX_PAUSE)

    def _defer_once(
        self, connection: Connection, task: str, names: Sequence[str], *, after: timedelta | None = None
    ) -> None:
        """Hand over a job for each name, unless one waits to be begun: it will see to it, too."""
        locks = {f"{task} {name}": name for name in names}
        awaited = jobs.awaited(connection, list(locks))
        for lock, name in locks.items():
            if lock not in awaited:
                self._defer(connection, task, lock=lock, after=after, **({"family": name} if name else {}))

    def _defer(
        self,
        connection: Connection,
        task: str,
        *,
        lock: str | None = None,
        after: timedelta | None = None,
        **words: Any,
    ) -> None:
        job = self._app.configure_task(
            task,
            queue=QUEUE,
            lock=lock,
            schedule_in={"seconds": after.total_seconds()} if after else None,
            connection=jobs.driver(connection),
        )
        try:
            job.defer(**words)
        except ConnectorException as error:
            raise StoreError(f"{self._store.name}: takes no jobs ({error.__cause__ or error})") from error
