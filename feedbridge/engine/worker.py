"""A worker: refreshes and writes what schedulers hand over, beside any number of others, on any machine."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import uvloop
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import Error as DatabaseError

from feedbridge import composing, polling, publishing
from feedbridge.asking import Web
from feedbridge.engine.batch import Hands
from feedbridge.engine.jobs import AGAIN, INDEX, LOOK_OVER, POLL, QUEUE, RENDER, Jobs
from feedbridge.engine.turns import SharedTurns
from feedbridge.errors import FeedbridgeError, PublishError
from feedbridge.logs import logger
from feedbridge.metrics import Metrics
from feedbridge.pipeline import COPIES_SECONDS
from feedbridge.polling import Batch, Polled, Schedule
from feedbridge.publish import notify
from feedbridge.settings import Settings
from feedbridge.store import jobs
from feedbridge.store.database import Store
from feedbridge.store.postgresql import parameters_of
from feedbridge.visiting import Visitor

Result = TypeVar("Result")

JOBS_AT_ONCE = 4
FOLDERS_AT_ONCE = 2
STORE_THREADS = 4
STOP_SECONDS = 4.0
"""What is not at its end so long after SIGTERM is given to another worker."""

LOOK_SECONDS = 1.0
"""Jobs are looked for so often where nobody told of any."""

HEARTBEAT_SECONDS = jobs.STALLED_SECONDS / 3

PATIENCE_SECONDS = 5.0
"""After so long without an answer the database is away."""

AWAY_SECONDS = 1.0
"""After so long a database that was away is tried again."""

_POOLS = ("store", "poll", "publish")


def work(loaded: Settings) -> int:
    """Work until told to stop; gives the exit code.

    Args:
        loaded: They name a store that is shared.

    Raises:
        StoreError: The store cannot be used, or another process has it alone.
    """
    sys.setswitchinterval(0.001)  # the event loop gets its turn soon, whatever the working threads do
    with (
        Store(loaded.site.store, write=True, shared=True) as store,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_Worker(loaded, store).run())


class _Worker:
    def __init__(self, loaded: Settings, store: Store) -> None:
        self._settings = loaded
        self._store = store
        self._log = logger()
        self._jobs = Jobs(store, loaded)
        self._schedule = Schedule(store, loaded, dice=random.Random(), beside=self._jobs.render)  # noqa: S311  (jitter is no secret)
        self._asked_to_stop = threading.Event()
        self._threads = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store")
        self._folders = ThreadPoolExecutor(FOLDERS_AT_ONCE, thread_name_prefix="poll")
        self._publishing = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._web = Web(loaded.site, turns=SharedTurns(store, in_thread=self._in_store))
        self._visitor = Visitor(store, self._web, in_thread=self._in_store)
        self._hands = Hands(
            store,
            self._schedule,
            self._visitor,
            in_thread=partial(_in_thread, self._folders),
            stop=self._asked_to_stop,
            metrics=Metrics(),
        )
        self._patience = publishing.Patience(COPIES_SECONDS)
        parameters = parameters_of(loaded.site.store)
        self._app = App(connector=PsycopgConnector(kwargs=parameters, min_size=1, max_size=2, timeout=PATIENCE_SECONDS))
        self._app.task(name=POLL, pass_context=True, retry=AGAIN)(self._poll)
        self._app.task(name=RENDER, pass_context=True, retry=AGAIN)(self._render)
        self._app.task(name=INDEX, pass_context=True, retry=AGAIN)(self._index)
        self._app.task(name=LOOK_OVER, retry=AGAIN)(self._look_over)

    async def run(self) -> int:
        self._stop = asyncio.Event()
        self._abandoned = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        await _in_thread(self._threads, self._jobs.bring_up_to_date)
        self._log.info("started", store=self._store.name, pid=os.getpid())
        async with self._web:
            await self._work()
        self._leave()
        return 0

    def _leave(self) -> None:
        """Wait for the threads; what cannot be interrupted is abandoned, as a crash would."""
        for pool in (self._threads, self._folders, self._publishing):
            pool.shutdown(wait=False, cancel_futures=True)
        unfinished = [thread for thread in threading.enumerate() if thread.name.startswith(_POOLS)]
        for thread in unfinished:
            thread.join(max(0.0, self._abandoned - time.monotonic()))
        self._log.info("stopped")
        if any(thread.is_alive() for thread in unfinished):
            os._exit(0)

    async def _work(self) -> None:
        """Work on jobs; where the database goes away, wait for it, and go on."""
        told = asyncio.create_task(self._stop.wait())
        while not told.done():
            working = asyncio.create_task(self._work_on_jobs())
            await asyncio.wait((told, working), return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                self._asked_to_stop.set()
                self._abandoned = time.monotonic() + STOP_SECONDS
                self._log.info("stopping")
                working.cancel()
            try:
                await working
            except asyncio.CancelledError:
                pass
            except (ConnectorException, DatabaseError, OSError) as error:
                self._log.error("jobs cannot be looked for", error=str(error.__cause__ or error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(told), AWAY_SECONDS)

    async def _work_on_jobs(self) -> None:
        async with self._app.open_async():
            await self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=JOBS_AT_ONCE,
                fetch_job_polling_interval=LOOK_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=jobs.STALLED_SECONDS,
                shutdown_graceful_timeout=STOP_SECONDS / 4,
                delete_jobs="successful",
                install_signal_handlers=False,
            )

    async def _poll(self, context: JobContext, *, batch: str, sources: Iterable[str], now: str) -> None:
        """Refresh a batch of sources."""
        found, attempt = Batch(name=batch, sources=tuple(sources)), context.job.attempts
        claims = await self._in_store(partial(self._schedule.take_over, found, attempt=attempt))
        if claims:
            async with self._keeping(found, attempt):
                await self._visitor.start(now=datetime.fromisoformat(now))
                await self._hands.poll_batch(claims, now=datetime.fromisoformat(now), settled=_forget)
        await self._in_store(partial(self._schedule.end, found, attempt=attempt))

    @contextlib.asynccontextmanager
    async def _keeping(self, batch: Batch, attempt: int) -> AsyncIterator[None]:
        """Keep the claims of a batch meanwhile."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(polling.LEASE.total_seconds() / 3)
                with contextlib.suppress(FeedbridgeError):  # it is tried again in time
                    await self._in_store(partial(self._schedule.keep, batch, attempt=attempt))

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()

    async def _render(self, context: JobContext, *, family: str) -> None:
        """Write what is due of a family; who tried it before may have written, and not come to tell."""
        await self._in_store(partial(self._jobs.take_along, context.job.lock))
        write = partial(publishing.publish_family, self._store, self._settings, family, patience=self._patience)
        report = await _in_thread(self._publishing, partial(_reported, partial(write, now=_now())))
        if report.written or context.job.attempts:
            await self._in_store(self._jobs.list_feeds)
        if report.waiting:
            await self._in_store(partial(self._jobs.render_again, family))
        await self._tell(report)

    async def _index(self, context: JobContext) -> None:
        """Write the list of all feeds."""
        await self._in_store(partial(self._jobs.take_along, context.job.lock))
        write = partial(publishing.publish_indexes, self._store, self._settings)
        await self._tell(await _in_thread(self._publishing, partial(_reported, write)))

    async def _look_over(self) -> None:
        """Let all be written that is due, or missing."""
        await _in_thread(self._publishing, partial(publishing.let_go, self._store, self._settings, now=_now()))
        await self._in_store(self._jobs.render_all)

    async def _tell(self, report: publishing.Report) -> None:
        """Say what was written.

        Raises:
            PublishError: Some of it could not be written; it is tried again.
        """
        for path, entry, reason in report.left_out:
            self._log.warning("entry left out", path=path, entry=entry, reason=reason)
        for line in report.held:
            self._log.warning("held back", reason=line)
        if report.written:
            self._log.info("published", files=len(report.written))
            await self._ping(report)
        if report.errors:
            for line in dict.fromkeys(report.errors):
                self._log.error("publishing failed", error=line)
            raise PublishError("; ".join(report.errors))

    async def _ping(self, report: publishing.Report) -> None:
        site = self._settings.site
        topics = [site.base_url + path for path in report.written if composing.is_subscription(path)]
        if site.hub and topics and (reason := await notify.ping(site.hub, topics)):
            self._log.warning("the hub did not take the word", url=site.hub, error=reason)

    async def _in_store(self, work: Callable[[], Result], /) -> Result:
        return await _in_thread(self._threads, work)


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def _reported(write: Callable[..., None]) -> publishing.Report:
    report = publishing.Report()
    write(report=report)
    return report


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _forget(_done: Polled) -> None:
    """All that follows was noted in the transaction that settled it."""
