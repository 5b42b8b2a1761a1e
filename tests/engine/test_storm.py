"""Many processes on one schedule while they are killed or frozen, and the database restarts: all ends as in quiet.

`TESTS_STORM` is the number of sources, `TESTS_STORM_WORKERS` that of workers; `TESTS_STORM_QUIET`: nobody is killed.
"""

import asyncio
import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from feedbridge import pipeline, polling, settings
from feedbridge.engine.jobs import Jobs
from feedbridge.errors import StoreError
from feedbridge.polling import Schedule
from feedbridge.store import jobs
from feedbridge.store.database import Store

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL, Site

SOURCES = int(os.environ.get("TESTS_STORM", "30"))
WORKERS = int(os.environ.get("TESTS_STORM_WORKERS", "3"))
IS_QUIET = "TESTS_STORM_QUIET" in os.environ
EACH_HOST = 3
ROUNDS = 3
BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STALLED_SECONDS = 2.0
LEASE = timedelta(seconds=4)

_WORKER = f"""
from datetime import timedelta
from feedbridge import polling
from feedbridge.fetch import manners
from feedbridge.store import jobs
manners.SLACK = timedelta(seconds=0.5)
polling.LEASE = timedelta(seconds={LEASE.total_seconds()})
jobs.STALLED_SECONDS = {STALLED_SECONDS}
from feedbridge.__main__ import main
main()
"""


class Upstream:
    """The sites, on addresses of 127.0.0.0/8; each notices whether it is asked while it is being asked.

    Attributes:
        hour: Since the beginning, by the clock of the test: what feeds tell depends on it.
        asked: How often, by path.
        most: Requests that were made at one host at a time.
    """

    def __init__(self) -> None:
        self.hour = 0
        self.asked: Counter[str] = Counter()
        self.most = 0
        self._at_once: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        start = asyncio.start_server(self._serve, "0.0.0.0", 0, backlog=1024)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def url(self, number: int) -> str:
        """Of a source; some are on one host."""
        host, place = divmod(number, EACH_HOST)
        return f"http://127.1.{host // 250}.{host % 250 + 1}:{self.port}/{number}.{place}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            path, host = head.split(b" ", 2)[1].decode(), writer.get_extra_info("sockname")[0]
            self.asked[path] += 1
            self._at_once[host] += 1
            self.most = max(self.most, self._at_once[host])
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.02)  # who hangs up is not asking any more
                body = self._feed(path)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
                await writer.drain()
            finally:
                self._at_once[host] -= 1

    def _feed(self, path: str) -> bytes:
        number = int(path[1:].partition(".")[0])
        items = "".join(
            f"<item><title>{number} of {hour}{' mended' if hour == 0 and self.hour > 1 else ''}</title>"
            f"<link>http://site.example{path}/{hour}</link><category>c{number % 4}</category>"
            f"<pubDate>{BEGIN + hour * HOUR - timedelta(minutes=1, seconds=number):%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
            f"<description>What {number} told at {hour}.</description></item>"
            for hour in range(self.hour + 1)
            if (number + hour) % 3
        )
        head = f'<rss version="2.0"><channel><title>{number}</title><link>http://site.example{path}</link>'
        return f'<?xml version="1.0"?>{head}{items}</channel></rss>'.encode()


def schedule(config: Path, hour: Any) -> None:
    """A scheduler, in a process of its own, by the clock of the test."""
    polling.LEASE, jobs.STALLED_SECONDS = LEASE, STALLED_SECONDS
    loaded = settings.load(config, {})
    with Store(loaded.site.store, write=True, shared=True) as store:
        handing = Jobs(store, loaded)
        kept = Schedule(store, loaded, dice=random.Random(0), beside=handing.render)
        kept.start(now=BEGIN)
        while True:
            with contextlib.suppress(StoreError):
                kept.renew(monotonic=timedelta(seconds=time.monotonic()))
                handing.dispatch(kept, now=BEGIN + hour.value * HOUR)
            time.sleep(0.1)


class Crew:
    """Schedulers and workers of a site."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._config = site.write_config()
        self.hour = multiprocessing.get_context("spawn").Value("i", 0)
        self.schedulers: list[SpawnProcess] = []
        self.workers: list[tuple[subprocess.Popen[bytes], Path]] = []
        self.killed = self.frozen = 0
        self._numbers = itertools.count()

    def begin(self, *, schedulers: int, workers: int) -> None:
        with Store(self._site.address, write=True, shared=True) as store:
            Jobs(store, self._site.settings()).bring_up_to_date()
        for _ in range(schedulers):
            process = multiprocessing.get_context("spawn").Process(target=schedule, args=(self._config, self.hour))
            process.start()
            self.schedulers.append(process)
        for _ in range(workers):
            self.begin_worker()

    def begin_worker(self) -> None:
        words = [sys.executable, "-c", _WORKER, "worker", "--config", str(self._config)]
        environment = os.environ | {"PYTHONPATH": str(Path(pipeline.__file__).parents[1])}
        path = self._site.folder / f"worker.{next(self._numbers)}.log"
        with path.open("wb") as log:
            self.workers.append((subprocess.Popen(words, stdout=log, stderr=log, env=environment), path))

    def kill_worker(self) -> None:
        """Kill the one that has lived longest, once it has begun to work; another begins."""
        lost, log = self.workers[0]
        if b"refresh changed" in log.read_bytes() or b"published" in log.read_bytes():
            lost.kill()
            lost.wait()
            del self.workers[0]
            self.killed += 1
            self.begin_worker()

    def freeze_worker(self, seconds: float) -> None:
        """Stop one for so long that it is thought dead; then it goes on, and knows nothing of it."""
        frozen, _ = self.workers[-1]
        frozen.send_signal(signal.SIGSTOP)
        self.frozen += 1
        threading.Timer(seconds, frozen.send_signal, [signal.SIGCONT]).start()

    def is_done(self) -> bool:
        """Whether all that is due by the clock of the test is done."""
        now = int((BEGIN + self.hour.value * HOUR).timestamp() * 1000)
        return self._ask("SELECT count(*) = ? FROM sources WHERE next_poll_at > ? AND claimed_at IS NULL", SOURCES, now)

    def is_idle(self) -> bool:
        """Whether there is no job left."""
        return self._ask("SELECT count(*) = 0 FROM procrastinate_jobs")

    def _ask(self, statement: str, *values: object) -> bool:
        try:
            return bool(self._site.query(statement, *values)[0][0])
        except OSError:
            return False  # the database is away

    def logs(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in sorted(self._site.folder.glob("worker.*.log")))

    def end(self) -> None:
        for process in self.schedulers:
            process.kill()
            process.join()
        for worker, _ in self.workers:
            worker.kill()
            worker.wait()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """The sites."""
    one = Upstream()
    yield one
    one.close()


def furnish(site: "Site", upstream: Upstream) -> None:
    """Give a site its sources, and feeds of all kinds."""
    site.options |= {"pause": "0s", "base_url": "http://127.0.0.1:8000/"}
    site.sources.clear()
    for number in range(SOURCES):
        site.add_feed(f"s{number:04}", upstream.url(number), timeout="5s")
    site.feeds = [
        {"name": "all", "archives": False},
        {"name": "each", "by": "source"},
        {"name": "about", "by": "category", "archives": False},
        *({"name": f"part{part}", "sources": [f"s{n:04}" for n in range(part, SOURCES, 10)]} for part in range(10)),
    ]


@pytest.mark.alone
def test_all_is_done_once_in_a_storm(
    remote: "Site", tmp_path: Path, upstream: Upstream, stopping: "PostgreSQL"
) -> None:
    """Every due refresh is made, no host is asked twice at a time, and all that is published is as in quiet."""
    from tests.conftest import Site

    furnish(remote, upstream)
    remote.options["engine"] = "procrastinate"
    crew, chance = Crew(remote), random.Random(1)
    seconds = []
    crew.begin(schedulers=2, workers=WORKERS)
    try:
        for hour in range(ROUNDS):
            began, killed = time.monotonic(), time.monotonic()
            upstream.hour = crew.hour.value = hour
            is_to_restart = hour == 1 and not IS_QUIET
            while is_to_restart or not crew.is_done():
                assert time.monotonic() - began < 600, crew.logs()
                time.sleep(0.05)
                if not IS_QUIET and time.monotonic() - killed > 1:
                    crew.kill_worker()
                    if crew.killed % 3 == 2:
                        crew.freeze_worker(STALLED_SECONDS * 1.5)
                    killed = time.monotonic() + chance.random() / 2
                if is_to_restart and time.monotonic() - began > 1:
                    stopping.stop(signal.SIGINT)
                    time.sleep(0.5)
                    stopping.start()
                    is_to_restart = False
            seconds.append(time.monotonic() - began)
        began = time.monotonic()
        while not crew.is_idle():
            assert time.monotonic() - began < 120, crew.logs()
            time.sleep(0.05)
        last = time.monotonic() - began
    finally:
        crew.end()
    print(f"{SOURCES} sources, {WORKERS} workers, {crew.killed} of them killed and {crew.frozen} frozen,")
    print(f"{sum(upstream.asked.values())} requests;")
    print(f"rounds took {[round(one, 2) for one in seconds]} s, all was written {last:.2f} s after the last,")
    print(f"polls a second: {[round(SOURCES / one, 1) for one in seconds]}")
    assert upstream.most == 1
    done = dict(
        remote.query("SELECT started_at, count(DISTINCT source_id) FROM polls WHERE error IS NULL GROUP BY started_at")
    )
    assert done == {int((BEGIN + hour * HOUR).timestamp() * 1000): SOURCES for hour in range(ROUNDS)}
    assert remote.query("SELECT count(*) FROM polls WHERE error IS NOT NULL") == [(0,)]
    quiet = Site(tmp_path / "quiet")
    furnish(quiet, upstream)
    for hour in range(ROUNDS):
        upstream.hour = hour
        quiet.now = BEGIN + (hour - 1) * HOUR
        assert not quiet.build().failed
    assert remote.published() == quiet.published()
