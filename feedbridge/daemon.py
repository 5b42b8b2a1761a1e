"""The daemon: one process that refreshes every source on its schedule, writes what changed, and serves it."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from feedbridge import publishing, schedule, settings, watching
from feedbridge.errors import FeedbridgeError, PublishError, SettingsError
from feedbridge.logs import logger
from feedbridge.metrics import Metrics
from feedbridge.polling import Polled, Schedule, rhythm_of
from feedbridge.publish import notify
from feedbridge.refresh import Tally
from feedbridge.server.app import make_app
from feedbridge.server.serving import Server
from feedbridge.server.shelf import Shelf
from feedbridge.settings import Settings
from feedbridge.store import articles, claims, polls
from feedbridge.store.claims import Claim
from feedbridge.store.database import Store
from feedbridge.systemd import Manager

Result = TypeVar("Result")

POLLS_AT_ONCE = 4
STOP_SECONDS = 4.0
"""What is not at its end so long after SIGTERM is abandoned; the store and the files are whole at any moment."""

TICK = timedelta(seconds=1)
PUBLISH_AGAIN = timedelta(minutes=10)
"""Every so often the published files are looked over, and what is missing is written again."""

LONGEST_PAUSE_SECONDS = 60.0
"""What could not be published is tried again after two seconds, then twice as late each time, up to this."""

BROKEN_OFF_PAUSE = timedelta(seconds=10)
"""A source whose refresh broke off, for the store could not be written, is tried again after this."""

HOUSEKEEPING = timedelta(hours=1)
_STALLED_SECONDS = 60.0
_POOLS = ("poll", "publish", "schedule")
_SHORTEST_AGE, _INDEX_AGE, _LONGEST_AGE = 30, 300, 3600
_NAMED_FILES = 20


def run(path: Path, environ: Mapping[str, str], *, rebuild: bool = False) -> int:
    """Run the daemon until it is told to stop; gives the exit code.

    Args:
        path: The settings file.
        environ: The environment.
        rebuild: Start with an empty store if the one that is there is damaged.

    Raises:
        SettingsError: The settings cannot be used.
        StoreError: The store cannot be used, or another process holds it.
        ServeError: The address cannot be listened at.
    """
    loaded = settings.load(path, environ)
    sys.setswitchinterval(0.001)  # the event loop gets its turn soon, whatever the working threads do
    with Store(loaded.site.store_path, write=True, rebuild=rebuild) as store:
        return _run(_Daemon(path, environ, loaded, store).run())


def serve(loaded: Settings) -> int:
    """Serve the published files until told to stop; gives the exit code.

    Raises:
        ServeError: The address cannot be listened at.
        PublishError: Nothing is published yet.
    """
    if not (loaded.site.output / "index.html").is_file():
        raise PublishError(f'{loaded.site.output}: nothing is published there yet; "feedbridge build" does it')
    return _run(_serve(loaded))


async def _serve(loaded: Settings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = make_server(loaded, Metrics(), max_age=partial(max_age, loaded), checks={})
    await server.start()
    logger().info("serving", url=f"http://{loaded.site.listen}/", output=str(loaded.site.output), pid=os.getpid())
    await stop.wait()
    await server.stop(STOP_SECONDS / 2)
    return 0


def _run(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def make_server(
    loaded: Settings, metrics: Metrics, *, max_age: Callable[[str], int], checks: Mapping[str, Callable[[], str | None]]
) -> Server:
    """The server of the published files, where the settings say."""
    site = loaded.site
    host, _, port = site.listen.rpartition(":")
    app = make_app(
        Shelf(site.output),
        metrics,
        base_url=site.base_url,
        base_path=urlsplit(site.base_url).path or "/",
        hub=site.hub,
        max_age=max_age,
        checks=checks,
    )
    return Server(app, host=host.strip("[]"), port=int(port))


def max_age(loaded: Settings, path: str) -> int:
    """Seconds that caches may keep a file.

    Half the shortest interval of the sources for a subscription document; archive documents are left longer.
    """
    if not publishing.is_subscription(path):
        return _LONGEST_AGE if path.startswith("feeds/") else _INDEX_AGE
    now = _now()
    shortest = min(schedule.base_interval(rhythm_of(source), now=now).total_seconds() for source in loaded.source)
    return int(min(max(shortest / 2, _SHORTEST_AGE), _LONGEST_AGE))


@dataclass(slots=True)
class _Pulse:
    """When the parts were last heard of, on the monotonic clock, and what went wrong with them the last time."""

    dispatched: float
    dispatch_error: str | None = None
    publish_errors: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


class _Daemon:
    def __init__(self, path: Path, environ: Mapping[str, str], loaded: Settings, store: Store) -> None:
        self._path = path
        self._environ = environ
        self._settings = loaded
        self._store = store
        self._schedule = Schedule(store, loaded, dice=random.Random())  # noqa: S311  (jitter is no secret)
        self._metrics = Metrics()
        self._manager = Manager(environ)
        self._log = logger()
        self._scheduling = ThreadPoolExecutor(1, thread_name_prefix="schedule")
        self._polling = ThreadPoolExecutor(POLLS_AT_ONCE, thread_name_prefix="poll")
        self._publishing = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._asked_to_stop = threading.Event()
        self._pulse = _Pulse(dispatched=time.monotonic())
        self._running: set[asyncio.Task[None]] = set()
        self._watches: list[asyncio.Task[None]] = []
        self._noticed: set[str] = set()
        self._to_give_back: list[Claim] = []
        self._left_out: dict[str, set[tuple[str, str]]] = {}

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._due_to_publish = asyncio.Event()
        self._dispatching = asyncio.Lock()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, partial(self._start, self._reload, "reload"))
        checks = {"store": self._check_store, "scheduler": self._check_scheduler, "output": self._check_output}
        server = make_server(
            self._settings, self._metrics, max_age=lambda path: max_age(self._settings, path), checks=checks
        )
        await server.start()
        await self._in_thread(self._scheduling, partial(self._schedule.start, now=_now()))
        scheduler = self._make_scheduler()
        scheduler.start()
        self._watch()
        watch = watching.watch_file(self._path.absolute(), partial(self._start, self._reload, "reload"))
        background = [
            asyncio.create_task(job) for job in (self._publisher(), self._measure_lag(), self._watchdog(), watch)
        ]
        for task in background:
            task.add_done_callback(self._ended)
        self._due_to_publish.set()
        self._start(self._dispatch, "dispatch")
        self._manager.ready()
        self._log.info(
            "started", url=f"http://{self._settings.site.listen}/", store=str(self._store.path), pid=os.getpid()
        )
        await self._stop.wait()
        await self._end(scheduler, server, background)
        return 0

    async def _end(self, scheduler: AsyncIOScheduler, server: Server, background: list[asyncio.Task[None]]) -> None:
        """Stop in the reverse order: no new work, then what is at work, then serving."""
        self._log.info("stopping")
        self._manager.stopping()
        self._asked_to_stop.set()
        scheduler.shutdown(wait=False)
        abandoned = time.monotonic() + STOP_SECONDS
        for task in (*self._watches, *background, *(task for task in self._running if task.get_name() == "ping")):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_SECONDS / 2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS / 4), self._dispatching:
                pass  # the one that is under way has ended, and no other begins
        await server.stop(STOP_SECONDS / 4)
        for pool in (self._polling, self._publishing, self._scheduling):
            pool.shutdown(wait=False, cancel_futures=True)
        unfinished = [thread for thread in threading.enumerate() if thread.name.startswith(_POOLS)]
        for thread in unfinished:
            thread.join(max(0.0, abandoned - time.monotonic()))
        self._log.info("stopped")
        if any(thread.is_alive() for thread in unfinished):
            os._exit(0)  # what cannot be interrupted is abandoned, as a crash would; nothing is torn by that

    def _make_scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        scheduler.add_job(self._dispatch, "interval", seconds=TICK.total_seconds(), id="dispatch")
        scheduler.add_job(self._due_to_publish.set, "interval", seconds=PUBLISH_AGAIN.total_seconds(), id="publish")
        scheduler.add_job(self._keep_house, "interval", seconds=HOUSEKEEPING.total_seconds(), id="housekeeping")
        return scheduler

    async def _dispatch(self) -> None:
        """Claim what is due and set to work on it, as far as hands are free; a failure is said once, not each time."""
        async with self._dispatching:
            if self._asked_to_stop.is_set():
                return
            error = None
            try:
                await self._take_due(_now())
            except FeedbridgeError as failure:
                error = str(failure)
            if error is not None and error != self._pulse.dispatch_error:
                self._log.error("the schedule cannot be kept", error=error)
            self._pulse.dispatch_error = error
            self._pulse.dispatched = time.monotonic()

    async def _take_due(self, now: datetime) -> None:
        monotonic = timedelta(seconds=time.monotonic())
        set_by = await self._in_thread(
            self._scheduling, partial(self._schedule.heed_clock, now=now, monotonic=monotonic)
        )
        if set_by:
            self._log.warning("the clock was set; the schedule moves with it", seconds=set_by.total_seconds())
        await self._in_thread(self._scheduling, self._give_back)
        for name in sorted(self._noticed):
            await self._in_thread(self._scheduling, partial(self._schedule.hasten, name, now=now))
        free = POLLS_AT_ONCE - sum(task.get_name() == "poll" for task in self._running)
        if free > 0:
            for claim in await self._in_thread(self._scheduling, partial(self._schedule.take, now=now, limit=free)):
                self._start(partial(self._poll, claim), "poll")
        waiting = await self._in_thread(self._scheduling, partial(self._schedule.waiting, now=now))
        self._metrics.queue(waiting)

    def _give_back(self) -> None:
        """Settle the claims of refreshes that broke off, once the store can be written again."""
        while self._to_give_back:
            claim = self._to_give_back[0]
            with self._store.transaction() as connection:
                at = _now() + BROKEN_OFF_PAUSE
                claims.settle(connection, claim.name, next_poll_at=at, failures=claim.failures)
            del self._to_give_back[0]

    async def _poll(self, claim: Claim) -> None:
        self._noticed.discard(claim.name)
        began, now = time.monotonic(), _now()
        self._metrics.late((now - claim.due).total_seconds())
        work = partial(self._schedule.poll, claim, now=now, stop=self._asked_to_stop)
        try:
            done = await self._in_thread(self._polling, work)
        except FeedbridgeError as error:
            self._to_give_back.append(claim)
            self._log.error("refresh broke off", source=claim.name, error=str(error))
            return
        except Exception:
            self._to_give_back.append(claim)
            raise
        self._tell(done, seconds=time.monotonic() - began)
        if claim.name in self._noticed:
            await self._dispatch()

    def _tell(self, done: Polled, *, seconds: float) -> None:
        tally = done.tally
        if tally is None:
            return
        if tally.error:
            outcome, say = "failed", self._log.warning
        else:
            outcome, say = ("changed" if tally.new or tally.changed else "unchanged"), self._log.info
        self._metrics.poll(tally.source, outcome, seconds)
        self._metrics.articles(tally.source, new=tally.new, changed=tally.changed)
        words: dict[str, object] = {"source": tally.source, "new": tally.new, "changed": tally.changed}
        if tally.error:
            words |= {"error": tally.error, "failures": done.failures}
            words |= {"next": f"{done.next_poll_at:%Y-%m-%dT%H:%M:%SZ}"} if done.next_poll_at else {}
            words |= {"ailing": True} if done.failures >= schedule.AILING_AFTER else {}
        elif done.claim.failures:
            self._log.info("source recovered", source=tally.source, failures=done.claim.failures)
        if outcome != "unchanged":
            say(f"refresh {outcome}", **words, seconds=round(seconds, 3))
        self._tell_left_out(tally)
        if tally.read or (tally.error is None and tally.new):
            self._due_to_publish.set()

    def _tell_left_out(self, tally: Tally) -> None:
        """Name files that cannot be used, each once; of many, the first few."""
        before = self._left_out.get(tally.source, set())
        self._left_out[tally.source] = set(tally.unusable)
        fresh = [(path, reason) for path, reason in tally.unusable if (path, reason) not in before]
        for path, reason in fresh[:_NAMED_FILES]:
            self._log.warning("file left out", source=tally.source, path=path, reason=reason)
        if len(fresh) > _NAMED_FILES:
            self._log.warning("files left out", source=tally.source, more=len(fresh) - _NAMED_FILES)

    async def _publisher(self) -> None:
        """Write what is due whenever something changed, and again after a pause as long as something failed."""
        failures = 0
        while True:
            pause = min(2.0**failures, LONGEST_PAUSE_SECONDS) if failures else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due_to_publish.wait(), pause)
            self._due_to_publish.clear()
            report = await self._in_thread(self._publishing, self._publish)
            self._tell_published(report)
            failures = failures + 1 if report.errors else 0

    def _tell_published(self, report: publishing.Report) -> None:
        """Say what is new of it: an error that was said the last time is not said again."""
        for path, entry, reason in report.left_out:
            self._log.warning("entry left out", path=path, entry=entry, reason=reason)
        for line in dict.fromkeys(report.errors):
            if line not in self._pulse.publish_errors:
                self._log.error("publishing failed", error=line)
        for line in report.held:
            if line not in self._pulse.held:
                self._log.warning("held back", reason=line)
        self._pulse.publish_errors, self._pulse.held = tuple(report.errors), tuple(report.held)
        if report.written:
            self._log.info("published", files=len(report.written))
            self._start(partial(self._ping, report), "ping")

    def _publish(self) -> publishing.Report:
        report = publishing.Report()
        if self._asked_to_stop.is_set():
            return report  # the next start publishes what is due
        try:
            publishing.publish(self._store, self._settings, now=_now(), report=report)
            for source in self._settings.source:
                with self._store.transaction() as connection:
                    self._metrics.kept(source.name, polls.count(connection, source.name))
        except FeedbridgeError as error:
            report.errors.append(str(error))
        except Exception as error:  # noqa: BLE001  (what nobody thought of must not end all publishing)
            line = f"{type(error).__name__}: {error}"
            report.errors.append(line)
            if line not in self._pulse.publish_errors:
                self._log.error("publishing broke off", exc_info=error)
        return report

    async def _ping(self, report: publishing.Report) -> None:
        hub = self._settings.site.hub
        topics = [self._settings.site.base_url + path for path in report.written if publishing.is_subscription(path)]
        if hub and topics:
            reason = await notify.ping(hub, topics)
            if reason:
                self._log.warning("the hub did not take the word", url=hub, error=reason)
            else:
                self._log.info("the hub has the word", url=hub, feeds=len(topics))

    async def _keep_house(self) -> None:
        await self._in_thread(self._publishing, self._store.tidy)

    async def _reload(self) -> None:
        """Read the settings again; bad ones are refused, and the old stay in force."""
        self._manager.reloading()
        try:
            fresh = settings.load(self._path, self._environ)
            self._refuse_moves(fresh)
            self._schedule.use(fresh)
            self._settings = fresh
            self._watch()
            self._due_to_publish.set()
            await self._in_thread(self._scheduling, partial(self._schedule.enter_new, now=_now()))
        except SettingsError as error:
            self._log.error("settings refused, the old ones stay in force", error=str(error))
        except FeedbridgeError as error:
            self._log.error("settings reloaded, but new sources wait for the next start", error=str(error))
        else:
            self._log.info("settings reloaded", path=str(self._path))
        self._manager.ready()

    def _refuse_moves(self, fresh: Settings) -> None:
        for key in ("store", "output", "listen", "base_url", "hub"):
            if getattr(fresh.site, key) != getattr(self._settings.site, key):
                raise SettingsError(f"{self._path}: [site]: {key}: has changed; that takes a restart")

    def _watch(self) -> None:
        """Watch the folders of the sources that there are now."""
        for task in self._watches:
            task.cancel()
        folders: dict[Path, list[str]] = {}
        for source in self._settings.source:
            folders.setdefault(source.path, []).append(source.name)
        self._noticed &= {source.name for source in self._settings.source}
        self._watches = [
            asyncio.create_task(watching.watch_folder(folder, partial(self._notice, names)))
            for folder, names in folders.items()
        ]

    def _notice(self, names: Sequence[str]) -> None:
        """Something happened in the folder of these sources: refresh them now, or once more if they are at work."""
        self._noticed.update(names)
        self._start(self._dispatch, "dispatch")

    def _check_store(self) -> str | None:
        try:
            with Store(self._store.path, write=False) as store, store.transaction() as connection:
                articles.latest_revision(connection)
        except FeedbridgeError as error:
            return str(error)
        return None

    def _check_scheduler(self) -> str | None:
        silent = time.monotonic() - self._pulse.dispatched
        if silent > _STALLED_SECONDS:
            return f"has not looked for {silent:.0f} seconds"
        return self._pulse.dispatch_error

    def _check_output(self) -> str | None:
        return self._pulse.publish_errors[0] if self._pulse.publish_errors else None

    async def _watchdog(self) -> None:
        while self._manager.watchdog:
            if time.monotonic() - self._pulse.dispatched <= _STALLED_SECONDS:
                self._manager.alive()
            await asyncio.sleep(self._manager.watchdog.total_seconds() / 3)

    async def _measure_lag(self) -> None:
        pause = 0.5
        while True:
            before = time.monotonic()
            await asyncio.sleep(pause)
            self._metrics.loop_lag(time.monotonic() - before - pause)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Let something run beside; what goes wrong in it is logged, and nothing else is touched."""
        task = asyncio.create_task(work(), name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._log.error(f"{task.get_name()} failed", error=str(error), exc_info=error)

    async def _in_thread(self, pool: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
