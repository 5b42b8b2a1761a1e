"""The daemon: one process that refreshes every source on its schedule, writes what changed, and serves it."""

import asyncio
import contextlib
import gc
import math
import os
import random
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from starlette.routing import BaseRoute

from feedbridge import composing, publishing, schedule, settings, watching
from feedbridge.asking import Web, user_agent
from feedbridge.engine.batch import Hands
from feedbridge.engine.tidings import Tidings
from feedbridge.errors import FeedbridgeError, PublishError, SettingsError, StoreError
from feedbridge.fetch.client import Client
from feedbridge.freshness import Freshness
from feedbridge.logs import logger
from feedbridge.metrics import Metrics
from feedbridge.owner.office import owner_routes
from feedbridge.pictures.cache import Cache
from feedbridge.pictures.keys import Keys
from feedbridge.pictures.referers import read_referers
from feedbridge.pipeline import COPIES_SECONDS, VISITING_THREADS
from feedbridge.policies import SERVE
from feedbridge.polling import Polled, Schedule, rhythm_of
from feedbridge.publish import notify
from feedbridge.server.app import make_app
from feedbridge.server.images import ImageProxy, image_routes
from feedbridge.server.serving import Server
from feedbridge.server.shelf import Shelf
from feedbridge.settings import ArchiveSource, FeedSource, Settings
from feedbridge.settling import Settled, Settler, make_settler, picture_fetch, shape_of
from feedbridge.store import claims, polls, visits
from feedbridge.store.claims import Claim
from feedbridge.store.database import Store
from feedbridge.systemd import Manager
from feedbridge.visiting import Visitor

if TYPE_CHECKING:
    from feedbridge.engine.jobs import Jobs

Result = TypeVar("Result")

POLLS_AT_ONCE = 4
VISITS_AT_ONCE = 100
PICTURE_THREADS = 2
STOP_SECONDS = 4.0
"""What is not at its end so long after SIGTERM is abandoned; the store and the files are whole at any moment."""

TICK = timedelta(seconds=1)
LOOK_SOON_SECONDS = 0.1
"""Where sources wait for their turn, the schedule is looked at so soon after one has had its own."""

PUBLISH_AGAIN = timedelta(minutes=10)
"""Every so often the published files are looked over, and what is missing is written again."""

LONGEST_PAUSE_SECONDS = 60.0
"""What could not be published is tried again after two seconds, then twice as late each time, up to this."""

WAITING_PAUSE_SECONDS = 2.0
"""Documents that wait for copies of their pictures are looked at again after this."""

LONGEST_REST_SECONDS = 1.0
"""After writing, there is a rest of twice the time that it took, up to this; what came meanwhile is written then."""

BROKEN_OFF_PAUSE = timedelta(seconds=10)
"""A folder whose refresh broke off, for the store could not be written, is tried again after this; a source on the web
when it would have been its turn again: its site has no part in it.
"""

LOOK_FOR_PICTURES_SECONDS = 30.0
"""So often it is looked whether pictures, or their hosts, are to be asked again."""

HOUSEKEEPING = timedelta(hours=1)
_NOWHERE = Path(os.devnull)
"""Holds no file, as does the shelf where documents go to a bucket: their readers are not ours."""

_STALLED_SECONDS = 60.0
_POOLS = ("poll", "visit", "picture", "publish", "schedule", "status")
_NAMED_FILES = 20
_NAME_LENGTH = 200


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
    shared = loaded.site.engine != "local"
    with Store(loaded.site.store, write=True, rebuild=rebuild, shared=shared) as store:
        return _run(_Daemon(path, environ, loaded, store).run())


def serve(loaded: Settings) -> int:
    """Serve the published files until told to stop; gives the exit code.

    Raises:
        ServeError: The address cannot be listened at.
        PublishError: Nothing is published yet.
        SettingsError: What is published is not in a folder.
    """
    folder = loaded.site.output_folder
    if folder is None:
        raise SettingsError(f"{loaded.site.output}: is no folder; what is published there is served by its own server")
    if not (folder / "feeds.opml").is_file():
        raise PublishError(f'{folder}: nothing is published there yet; "feedbridge build" does it')
    return _run(_serve(loaded))


async def _serve(loaded: Settings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Client(user_agent=user_agent(loaded.site)) as client, picture_routes(loaded, client) as routes:
        server = make_server(loaded, Metrics(), max_age=Freshness(lambda: loaded).max_age, checks={}, routes=routes)
        await server.start()
        logger().info("serving", url=f"http://{loaded.site.listen}/", output=str(loaded.site.output), pid=os.getpid())
        await stop.wait()
        await server.stop(STOP_SECONDS / 2)
    return 0


@contextlib.asynccontextmanager
async def picture_routes(loaded: Settings, client: Client) -> AsyncIterator[list[BaseRoute]]:
    """The routes of the picture proxy, where a policy says `serve`, or said so once: old addresses stay good.

    Raises:
        SettingsError: The keys or the table of referers cannot be used.
        StoreError: The folder of the cache cannot be used.
    """
    file, folder, rules = composing.key_file(loaded), composing.cache_folder(loaded), loaded.pictures
    if not (loaded.uses(SERVE) or file.exists()):
        yield []
        return
    cache = Cache(folder, max_bytes=rules.cache)
    try:
        await asyncio.to_thread(cache.prepare)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}; it is to hold pictures that are served") from error
    proxy = ImageProxy(
        Keys(file),
        cache,
        picture_fetch(loaded, client),
        referers=read_referers(rules.referers),
        shape=shape_of(rules),
    )
    try:
        yield image_routes(proxy)
    finally:
        await proxy.aclose()


def _run(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def make_server(
    loaded: Settings,
    metrics: Metrics,
    *,
    max_age: Callable[[str], int],
    checks: Mapping[str, Callable[[], str | None]],
    routes: Sequence[BaseRoute] = (),
) -> Server:
    """The server of the published files, where the settings say."""
    site = loaded.site
    host, _, port = site.listen.rpartition(":")
    app = make_app(
        Shelf(site.output_folder or _NOWHERE),
        metrics,
        base_url=site.base_url,
        base_path=urlsplit(site.base_url).path or "/",
        hub=site.hub,
        max_age=max_age,
        checks=checks,
        routes=routes,
    )
    return Server(app, host=host.strip("[]"), port=int(port))


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
        self._jobs = _jobs(store, loaded)
        beside = self._jobs.render if self._jobs else None
        self._schedule = Schedule(store, loaded, dice=random.Random(), beside=beside)  # noqa: S311  (jitter is no secret)
        self._metrics = Metrics()
        self._tidings = Tidings(store, self._metrics)
        self._manager = Manager(environ)
        self._log = logger()
        self._scheduling = ThreadPoolExecutor(1, thread_name_prefix="schedule")
        self._polling = ThreadPoolExecutor(POLLS_AT_ONCE, thread_name_prefix="poll")
        self._visiting = ThreadPoolExecutor(VISITING_THREADS, thread_name_prefix="visit")
        self._picturing = ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="picture")
        self._publishing = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._web = Web(loaded.site)
        self._patience = publishing.Patience(COPIES_SECONDS)
        self._visitor = Visitor(store, self._web, in_thread=partial(self._in_thread, self._visiting))
        self._asked_to_stop = threading.Event()
        self._hands = Hands(
            store,
            self._schedule,
            self._visitor,
            in_thread=partial(self._in_thread, self._polling),
            stop=self._asked_to_stop,
            metrics=self._metrics,
        )
        self._visited: set[str] = set()
        self._waiting = 0
        self._look: asyncio.TimerHandle | None = None
        self._to_count = {source.name for source in loaded.source}
        self._pulse = _Pulse(dispatched=time.monotonic())
        self._running: set[asyncio.Task[None]] = set()
        self._watches: list[asyncio.Task[None]] = []
        self._noticed: dict[str, watching.Noticed] = {}
        self._to_give_back: list[Claim] = []
        self._cut_short: set[str] = set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._due_to_publish = asyncio.Event()
        self._due_to_look = asyncio.Event()
        self._dispatching = asyncio.Lock()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, partial(self._start, self._reload, "reload"))
        checks = {"store": self._check_store, "scheduler": self._check_scheduler, "output": self._check_output}
        async with contextlib.AsyncExitStack() as opened:
            await opened.enter_async_context(self._web)
            settler = make_settler(
                self._store, self._settings, self._web.client, in_thread=partial(self._in_thread, self._picturing)
            )
            routes = await opened.enter_async_context(picture_routes(self._settings, self._web.client))
            routes += await opened.enter_async_context(owner_routes(lambda: self._settings, refresh=self._refresh_now))
            server = make_server(
                self._settings,
                self._metrics,
                max_age=Freshness(lambda: self._settings).max_age,
                checks=checks,
                routes=routes,
            )
            await server.start()
            if self._jobs:
                await self._in_thread(self._scheduling, self._jobs.bring_up_to_date)
            await self._in_thread(self._scheduling, partial(self._schedule.start, now=_now()))
            await self._visitor.start(now=_now())
            await self._work(settler)
            await server.stop(STOP_SECONDS / 4)
        self._leave()
        return 0

    async def _work(self, settler: Settler) -> None:
        """Keep the schedule until told to stop."""
        scheduler = self._make_scheduler()
        scheduler.start()
        self._watch()
        watch = watching.watch_file(self._path.absolute(), partial(self._start, self._reload, "reload"))
        background = [
            asyncio.create_task(job)
            for job in (
                self._publisher(),
                self._look_for_pictures(settler),
                self._measure_lag(),
                self._watchdog(),
                watch,
            )
        ]
        for task in background:
            task.add_done_callback(self._ended)
        self._due_to_publish.set()
        self._start(self._dispatch, "dispatch")
        gc.collect()
        gc.freeze()  # what is there for good is not looked through again and again, while all else waits
        self._manager.ready()
        self._log.info("started", url=f"http://{self._settings.site.listen}/", store=self._store.name, pid=os.getpid())
        await self._stop.wait()
        self._abandoned = time.monotonic() + STOP_SECONDS
        await self._rest(scheduler, background)

    async def _rest(self, scheduler: AsyncIOScheduler, background: list[asyncio.Task[None]]) -> None:
        """Let what is at work end, and let nothing new begin; visits and pings are broken off."""
        self._log.info("stopping")
        self._manager.stopping()
        self._asked_to_stop.set()
        scheduler.shutdown(wait=False)
        waiting = [task for task in self._running if task.get_name() in {"ping", "visit"}]
        for task in (*self._watches, *background, *waiting):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_SECONDS / 3)
        with contextlib.suppress(TimeoutError, StoreError):  # then our claims end by themselves
            async with asyncio.timeout(STOP_SECONDS / 6), self._dispatching:  # what is under way ends; no other begins
                await self._in_thread(self._scheduling, self._schedule.leave)

    def _leave(self) -> None:
        """Wait for the threads; the server and the readers are gone by now."""
        for pool in (self._polling, self._visiting, self._picturing, self._publishing, self._scheduling):
            pool.shutdown(wait=False, cancel_futures=True)
        unfinished = [thread for thread in threading.enumerate() if thread.name.startswith(_POOLS)]
        for thread in unfinished:
            thread.join(max(0.0, self._abandoned - time.monotonic()))
        self._log.info("stopped")
        if any(thread.is_alive() for thread in unfinished):
            os._exit(0)  # what cannot be interrupted is abandoned, as a crash would; nothing is torn by that

    def _make_scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        scheduler.add_job(self._tick, "interval", seconds=TICK.total_seconds(), id="dispatch")
        scheduler.add_job(self._look_over, "interval", seconds=PUBLISH_AGAIN.total_seconds(), id="publish")
        scheduler.add_job(self._keep_house, "interval", seconds=HOUSEKEEPING.total_seconds(), id="housekeeping")
        return scheduler

    async def _tick(self) -> None:
        """Look at the schedule, unless somebody is looking."""
        if not self._dispatching.locked():
            self._start(self._dispatch, "dispatch")

    async def _look_over(self) -> None:
        """Let the published files be looked over."""
        self._due_to_publish.set()

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
        await self._in_thread(self._scheduling, partial(self._bring_up_to_date, sorted(self._noticed), now=now))
        if self._jobs:
            self._to_count |= await self._in_thread(self._scheduling, self._tidings.count)
            await self._in_thread(self._scheduling, partial(self._jobs.dispatch, self._schedule, now=now))
            work = await self._in_thread(self._scheduling, self._jobs.counts)
            self._metrics.work(waiting=work.waiting, running=work.running, failed=work.failed, workers=work.workers)
        else:
            await self._set_to_work(now)
        self._waiting = await self._in_thread(self._scheduling, partial(self._schedule.waiting, now=now))
        self._metrics.queue(self._waiting)

    async def _set_to_work(self, now: datetime) -> None:
        """Take what is due ourselves, as far as hands are free."""
        free = POLLS_AT_ONCE - sum(task.get_name() == "poll" for task in self._running)
        if free > 0:
            take = partial(self._schedule.take_folders, now=now, limit=free)
            for claim in await self._in_thread(self._scheduling, take):
                self._begin(self._poll, claim, "poll")
        if free := VISITS_AT_ONCE - len(self._visited):
            take = partial(self._schedule.take_sites, now=now, limit=free, at_work=frozenset(self._visited))
            for claim in await self._in_thread(self._scheduling, take):
                self._visited.add(claim.name)
                self._begin(self._visit, claim, "visit")

    def _begin(self, work: Callable[[Claim], Coroutine[Any, Any, None]], claim: Claim, name: str) -> None:
        """Set to work, unless we were told to stop while the source was claimed: the next start gives it back."""
        if not self._asked_to_stop.is_set():
            self._start(partial(work, claim), name)

    def _bring_up_to_date(self, noticed: Sequence[str], *, now: datetime) -> None:
        """Let the schedule know of us, of the clock, of refreshes that broke off, and of what was noticed."""
        monotonic = timedelta(seconds=time.monotonic())
        self._schedule.renew(monotonic=monotonic)
        set_by = self._schedule.heed_clock(now=now, monotonic=monotonic)
        if set_by:
            self._log.warning("the clock was set; the schedule moves with it", seconds=set_by.total_seconds())
        self._give_back()
        at_work = self._schedule.at_work(noticed) if self._jobs else ()
        for name in noticed:
            self._schedule.hasten(name, now=now)
            if self._jobs and name not in at_work:
                self._noticed.pop(name, None)

    def _give_back(self) -> None:
        """Settle the claims of refreshes that broke off, once the store can be written again."""
        while self._to_give_back:
            claim = self._to_give_back[0]
            self._cut_short.add(claim.name)  # what was kept already is not new to the next refresh
            now, pause = _now(), BROKEN_OFF_PAUSE
            source = self._schedule.source(claim.name)
            if isinstance(source, FeedSource):
                pause = max(pause, schedule.base_interval(rhythm_of(source), now=now))
            with self._store.transaction() as connection:
                claims.settle(connection, claim, next_poll_at=now + pause, failures=claim.failures)
            del self._to_give_back[0]

    def _look_soon(self) -> None:
        """Look at the schedule in a moment where sources wait for their turn: once for all that ask until then."""
        if self._waiting and self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SOON_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        self._start(self._dispatch, "dispatch")

    async def _poll(self, claim: Claim) -> None:
        await self._work_on(claim)
        if claim.name in self._noticed and claim not in self._to_give_back:
            await self._dispatch()
        else:
            self._look_soon()

    async def _visit(self, claim: Claim) -> None:
        """Refresh a source on the web; who is next need not wait long."""
        try:
            await self._work_on(claim)
        finally:
            self._visited.discard(claim.name)
        self._look_soon()

    async def _work_on(self, claim: Claim) -> None:
        """Refresh a source; where the store does not take it, its claim is given back later."""
        noticed = self._noticed.pop(claim.name, None)
        try:
            await self._hands.poll_batch([claim], now=_now(), settled=self._note, noticed=noticed)
        except FeedbridgeError:
            self._to_give_back.append(claim)
        except Exception:
            self._to_give_back.append(claim)
            raise

    def _note(self, done: Polled) -> None:
        """See that what a refresh brought is counted and published."""
        tally = done.tally
        if tally is None or not tally.asked:
            return
        was_cut_short = tally.source in self._cut_short
        self._cut_short.discard(tally.source)
        if tally.new or was_cut_short:
            self._to_count.add(tally.source)
        if tally.read or (tally.error is None and tally.new) or was_cut_short:
            self._due_to_publish.set()

    async def _publisher(self) -> None:
        """Write what is due whenever something changed, and again after a pause as long as something failed."""
        failures = waiting = 0
        while True:
            pause = min(2.0**failures, LONGEST_PAUSE_SECONDS) if failures else None
            if waiting:
                pause = WAITING_PAUSE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due_to_publish.wait(), pause)
            self._due_to_publish.clear()
            began = time.monotonic()
            report = await self._in_thread(self._publishing, self._publish)
            self._tell_published(report)
            to_count, self._to_count = self._to_count, set()
            left = await self._in_thread(self._publishing, partial(self._count, to_count))
            self._to_count |= left
            failures, waiting = failures + 1 if report.errors else 0, report.waiting
            await asyncio.sleep(min(2 * (time.monotonic() - began), LONGEST_REST_SECONDS))

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
        if report.written or report.waiting:
            self._due_to_look.set()
        if report.written:
            self._log.info("published", files=len(report.written))
            self._start(partial(self._ping, report), "ping")

    def _publish(self) -> publishing.Report:
        """Write what is due."""
        report = publishing.Report()
        if self._asked_to_stop.is_set():
            return report  # the next start publishes what is due
        try:
            if self._jobs:
                self._jobs.look_over()
                return report
            publishing.publish(self._store, self._settings, now=_now(), report=report, patience=self._patience)
        except FeedbridgeError as error:
            report.errors.append(str(error))
        except Exception as error:  # noqa: BLE001  (what nobody thought of must not end all publishing)
            line = f"{type(error).__name__}: {error}"
            report.errors.append(line)
            if line not in self._pulse.publish_errors:
                self._log.error("publishing broke off", exc_info=error)
        return report

    def _count(self, names: set[str]) -> set[str]:
        """Count the articles of these sources; gives those that could not be counted."""
        left = set(names)
        try:
            for name in names:
                if self._asked_to_stop.is_set():
                    break
                with self._store.transaction() as connection:
                    self._metrics.kept(name, polls.count(connection, name))
                left.discard(name)
        except FeedbridgeError as error:
            self._log.error("articles cannot be counted", error=str(error))
        return left

    async def _look_for_pictures(self, settler: Settler) -> None:
        """Look for the pictures that documents show, where the settings want it, and have copies."""
        tidied = -math.inf
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due_to_look.wait(), LOOK_FOR_PICTURES_SECONDS)
            self._due_to_look.clear()
            if not self._settings.looks_for_pictures:
                continue
            try:
                async with self._alone_at("pictures") as is_ours:
                    if is_ours and time.monotonic() - tidied > HOUSEKEEPING.total_seconds():
                        tidied = time.monotonic()
                        if await settler.tidy():
                            self._due_to_publish.set()
                    while is_ours and self._tell_settled(await settler.settle()):
                        pass
            except (FeedbridgeError, OSError) as error:
                self._log.error("pictures cannot be looked for", error=str(error))
            except Exception:  # noqa: BLE001  (what nobody thought of must not end all looking)
                self._log.exception("looking for pictures broke off")

    @contextlib.asynccontextmanager
    async def _alone_at(self, name: str) -> AsyncIterator[bool]:
        """Be the only one of all processes that share the store who does something; False: another is at it."""
        held = contextlib.ExitStack()
        take = partial(held.enter_context, self._store.exclusively(f"feedbridge: {name}"))
        check = await self._in_thread(self._picturing, take)
        try:
            yield check is not None
        finally:
            await self._in_thread(self._picturing, held.close)

    def _tell_settled(self, settled: Settled) -> bool:
        """Say what came of looking for pictures; says whether there was something to look for."""
        if settled.changed:
            self._due_to_publish.set()
        if settled.looked:
            counts = {"looked": settled.looked, "copied": settled.copied, "missing": len(settled.missing)}
            self._log.info("looked for pictures", **counts)
        for address, reason in settled.news[:_NAMED_FILES]:
            self._log.warning("picture not found", url=address[:_NAME_LENGTH], reason=reason)
        return settled.looked > 0

    async def _ping(self, report: publishing.Report) -> None:
        hub = self._settings.site.hub
        topics = [self._settings.site.base_url + path for path in report.written if composing.is_subscription(path)]
        if hub and topics:
            reason = await notify.ping(hub, topics)
            if reason:
                self._log.warning("the hub did not take the word", url=hub, error=reason)
            else:
                self._log.info("the hub has the word", url=hub, feeds=len(topics))

    async def _keep_house(self) -> None:
        self._to_count |= {source.name for source in self._settings.source}
        await self._in_thread(self._publishing, self._store.tidy)
        if self._jobs:
            await self._in_thread(self._publishing, self._jobs.tidy)

    async def _reload(self) -> None:
        """Read the settings again; bad ones are refused, and the old stay in force."""
        self._manager.reloading()
        try:
            fresh = settings.load(self._path, self._environ)
            self._refuse_moves(fresh)
            self._schedule.use(fresh)
            if self._jobs:
                self._jobs.use(fresh)
            self._web.use(fresh.site)
            moved = _moved(self._settings, fresh)
            self._settings = fresh
            self._watch()
            self._to_count |= {source.name for source in fresh.source}
            self._due_to_publish.set()
            self._noticed |= dict.fromkeys(moved)
            await self._in_thread(self._scheduling, partial(self._take_up, moved))
        except SettingsError as error:
            self._log.error("settings refused, the old ones stay in force", error=str(error))
        except FeedbridgeError as error:
            self._log.error("settings reloaded, but new sources wait for the next start", error=str(error))
        else:
            self._log.info("settings reloaded", path=str(self._path))
        self._manager.ready()

    def _take_up(self, moved: Collection[str]) -> None:
        """Put new sources on the schedule; what was wished at an address that is no longer asked is forgotten."""
        self._schedule.enter_new(now=_now())
        for name in moved:
            with self._store.transaction() as connection:
                state = polls.source_state(connection, name)
                visits.note_wish(connection, state.row, not_before=None)
                visits.note_gone(connection, state.row, at=None)

    def _refuse_moves(self, fresh: Settings) -> None:
        for key in (
            "engine",
            "store",
            "output",
            "storage",
            "listen",
            "base_url",
            "hub",
            "contact",
            "status",
            "status_token",
        ):
            if getattr(fresh.site, key) != getattr(self._settings.site, key):
                raise SettingsError(f"{self._path}: [site]: {key}: has changed; that takes a restart")
        if fresh.pictures != self._settings.pictures:
            raise SettingsError(f"{self._path}: [pictures]: has changed; that takes a restart")
        if fresh.uses(SERVE) and not self._settings.uses(SERVE):
            raise SettingsError(f'{self._path}: images: "serve" is new; that takes a restart')

    def _watch(self) -> None:
        """Watch the folders of the sources that there are now."""
        for task in self._watches:
            task.cancel()
        folders: dict[Path, list[str]] = {}
        for source in self._settings.source:
            if isinstance(source, ArchiveSource) and source.folder:
                folders.setdefault(source.folder, []).append(source.name)
        names = {source.name for source in self._settings.source}
        self._noticed = {name: places for name, places in self._noticed.items() if name in names}
        self._watches = [
            asyncio.create_task(watching.watch_folder(folder, partial(self._notice, names)))
            for folder, names in folders.items()
        ]

    def _notice(self, names: Sequence[str], places: watching.Noticed) -> None:
        """Something happened in the folder of these sources: refresh them now, or once more if they are at work."""
        for name in names:
            known = self._noticed.get(name, frozenset())
            self._noticed[name] = None if known is None or places is None else known | places
        self._start(self._dispatch, "dispatch")

    def _refresh_now(self, name: str) -> None:
        """The owner wants this source refreshed: it is due now; if it is at work, that is what is wanted."""
        if name not in self._visited:
            self._notice([name], None)

    def _check_store(self) -> str | None:
        try:
            self._store.check()
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


def _jobs(store: Store, loaded: Settings) -> "Jobs | None":
    """What hands work to others, where others are to do it."""
    if loaded.site.engine == "local":
        return None
    from feedbridge.engine.jobs import Jobs  # here, for it is what only they need

    return Jobs(store, loaded)


def _moved(before: Settings, fresh: Settings) -> set[str]:
    """The sources on the web that have another address now."""
    known = {source.name: source.url for source in before.source if isinstance(source, FeedSource)}
    there = (source for source in fresh.source if isinstance(source, FeedSource))
    return {source.name for source in there if known.get(source.name, source.url) != source.url}


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
