"""Sources that have not changed: a round of our visits, with all that they keep, beside bare requests.

Theirs is what one would write by hand: `httpx.AsyncClient` and `asyncio.gather` over the same addresses, with the same
conditional headers. It has no timeout, for with the usual one most requests give up while they wait for a connection.
It remembers nothing, knows no hosts and reads no answer; ours does all of that, and writes each visit to a store on
disk. Both begin without connections and run in the loop that they are meant for: ours in uvloop, as the daemon does.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import uvloop

from feedbridge.asking import Web
from feedbridge.keeping import Tally
from feedbridge.pipeline import VISITING_THREADS
from feedbridge.refresh import Wish
from feedbridge.settings import FeedSource, Settings
from feedbridge.store.database import Store
from feedbridge.visiting import Visitor
from tests.benchmarks.runner import Comparison, Contest, GateError
from tests.benchmarks.server import Sites, etag, sites

SOURCES, HOSTS = 1000, 50
SMALL_SOURCES, SMALL_HOSTS = 20, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """The sources, and the process that answers for them."""

    settings: Settings
    store: Store
    server: Sites

    def ours(self) -> float:
        """Visit every source once; the seconds that it took."""
        began = time.perf_counter()
        with ThreadPoolExecutor(VISITING_THREADS) as pool:
            tallies = uvloop.run(self._visit_all(pool))
        took = time.perf_counter() - began
        self._check([tally.error or tally.note for tally in tallies], well="not changed")
        return took

    def theirs(self) -> float:
        """Ask for every address once; the seconds that it took."""
        began = time.perf_counter()
        answers = asyncio.run(_gather(self._addresses()))
        took = time.perf_counter() - began
        self._check([answer.status_code for answer in answers], well=304)
        return took

    def learn(self) -> None:
        """Visit every source for the first time."""
        with ThreadPoolExecutor(VISITING_THREADS) as pool:
            tallies = uvloop.run(self._visit_all(pool))
        if wrong := [tally for tally in tallies if tally.error or tally.new != 1]:
            raise GateError(f"{len(wrong)} first visits failed: {wrong[0]}")
        self.server.asked()

    async def _visit_all(self, pool: ThreadPoolExecutor) -> Sequence[Tally]:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, pool)
        now = datetime.now(UTC).replace(microsecond=0)
        async with Web(self.settings.site) as web:
            visitor = Visitor(self.store, web, in_thread=in_thread)
            return await asyncio.gather(*(visitor.refresh(source, Wish(now=now)) for source in self._sources()))

    def _check(self, results: Sequence[object], *, well: object) -> None:
        """See that each source was asked once and has not changed, and that whoever asked knows it."""
        asked, paths = self.server.asked(), [httpx.URL(url).path for url in self._addresses()]
        if asked.times != dict.fromkeys(paths, 1) or asked.not_modified != asked.times:
            raise GateError(f"{asked.times.total()} requests, {asked.not_modified.total()} answered by 304")
        if wrong := [one for one in results if one != well]:
            raise GateError(f"{len(wrong)} of {len(results)} are not as expected: {wrong[0]}")
        failed = self._store_says_failed()
        if failed:
            raise GateError(f"the store says of {failed} sources that they failed")

    def _store_says_failed(self) -> int:
        with self.store.transaction() as connection:
            query = "SELECT count(*) FROM sources WHERE failures OR succeeded_at IS NULL"
            return int(connection.exec_driver_sql(query).scalar_one())

    def _sources(self) -> list[FeedSource]:
        return [source for source in self.settings.source if isinstance(source, FeedSource)]

    def _addresses(self) -> list[str]:
        return [source.url for source in self._sources()]


async def _gather(addresses: Sequence[str]) -> Sequence[httpx.Response]:
    async with httpx.AsyncClient(timeout=None) as client:
        asks = (client.get(url, headers={"If-None-Match": etag(httpx.URL(url).path)}) for url in addresses)
        return await asyncio.gather(*asks)


@contextmanager
def _prepare(small: bool) -> Iterator[Contest]:
    count, hosts = (SMALL_SOURCES, SMALL_HOSTS) if small else (SOURCES, HOSTS)
    with tempfile.TemporaryDirectory() as folder, sites() as server:
        settings = _settings(Path(folder), server.port, count=count, hosts=hosts)
        with Store(settings.site.store_path, write=True) as store:
            stage = _Stage(settings=settings, store=store, server=server)
            stage.learn()
            yield Contest(ours=stage.ours, theirs=stage.theirs)


def _settings(folder: Path, port: int, *, count: int, hosts: int) -> Settings:
    return Settings.model_validate(
        {
            "site": {"store": f"sqlite:///{folder / 'store.db'}", "output": str(folder / "public"), "pause": "0s"},
            "source": [
                {
                    "name": f"source {number}",
                    "kind": "feed",
                    "url": f"http://127.0.0.{1 + number % hosts}:{port}/{number}.atom",
                    "allow_private": ["127.0.0.0/8"],
                }
                for number in range(count)
            ],
        }
    )


COMPARISON = Comparison(
    name="unchanged",
    about=f"{SOURCES:,} sources on {HOSTS} hosts that answer 304, beside a plain httpx.AsyncClient",
    goal=0.6,
    prepare=_prepare,
)
