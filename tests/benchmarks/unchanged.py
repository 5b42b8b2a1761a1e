"""Sources that have not changed: a round of our visits, with all that they keep, beside bare requests.

Theirs is what one would write by hand: `httpx.AsyncClient` and `asyncio.gather` over the same addresses, with the same
conditional headers. It has no timeout, for with the usual one most requests give up while they wait for a connection.
It remembers nothing, knows no hosts and reads no answer; ours does all of that, and writes each visit to a store on
disk. Both begin without connections and run in the loop that they are meant for: ours in uvloop, as the daemon does.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvloop

from feedbridge.asking import Web
from feedbridge.pipeline import VISITING_THREADS
from feedbridge.settings import FeedSource, Settings
from feedbridge.store.database import Store
from feedbridge.tally import Tally, Wish
from feedbridge.visiting import Visitor
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage
from tests.benchmarks.server import Asked, Sites, etag, sites

SOURCES, HOSTS = 1000, 50
SMALL_SOURCES, SMALL_HOSTS = 20, 5


class Sources:
    """Sources that one process answers for.

    Attributes:
        tables: Their settings, as the file has them.
        settings: The same, read.
    """

    def __init__(self, folder: Path, port: int, *, count: int, hosts: int, listen: str = "127.0.0.1:8000") -> None:
        site = {"store": f"sqlite:///{folder}/var/store.db", "output": f"{folder}/public", "pause": "0s"}
        sources: list[Mapping[str, Any]] = [
            {
                "name": f"source {number}",
                "kind": "feed",
                "url": f"http://127.0.0.{1 + number % hosts}:{port}/{number}.atom",
                "allow_private": ["127.0.0.0/8"],
            }
            for number in range(count)
        ]
        self.tables = [
            ("[site]", site | {"listen": listen}),
            *(("[[source]]", source) for source in sources),
            ("[[feed]]", {"name": "news"}),
        ]
        self.settings = Settings.model_validate({"site": site, "source": sources, "feed": [{"name": "news"}]})
        self.sources = [source for source in self.settings.source if isinstance(source, FeedSource)]

    @property
    def addresses(self) -> list[str]:
        """Where they are."""
        return [source.url for source in self.sources]

    def learn(self, store: Store) -> None:
        """Visit every source for the first time."""
        tallies = self.visit(store)
        if wrong := [tally for tally in tallies if tally.error or tally.new != 1]:
            raise GateError(f"{len(wrong)} first visits failed: {wrong[0]}")

    def visit(self, store: Store) -> Sequence[Tally]:
        """Visit every source once."""
        with ThreadPoolExecutor(VISITING_THREADS) as pool:
            return uvloop.run(self._visit_all(store, pool))

    def check(self, asked: Asked) -> None:
        """See that each source was asked once, and has not changed."""
        paths = [httpx.URL(url).path for url in self.addresses]
        if asked.times != dict.fromkeys(paths, 1) or asked.not_modified != asked.times:
            raise GateError(f"{asked.times.total()} requests, {asked.not_modified.total()} answered by 304")

    async def _visit_all(self, store: Store, pool: ThreadPoolExecutor) -> Sequence[Tally]:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, pool)
        now = datetime.now(UTC).replace(microsecond=0)
        async with Web(self.settings.site) as web:
            visitor = Visitor(store, web, in_thread=in_thread)
            return await asyncio.gather(*(visitor.refresh(source, Wish(now=now)) for source in self.sources))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """The sources, and the process that answers for them."""

    sources: Sources
    store: Store
    server: Sites

    def ours(self) -> Figures:
        """Visit every source once."""
        began = time.perf_counter()
        tallies = self.sources.visit(self.store)
        took = time.perf_counter() - began
        self._check([tally.error or tally.note for tally in tallies], well="not changed")
        return {"ours": took}

    def theirs(self) -> Figures:
        """Ask for every address once."""
        began = time.perf_counter()
        answers = asyncio.run(_gather(self.sources.addresses))
        took = time.perf_counter() - began
        self._check([answer.status_code for answer in answers], well=304)
        return {"theirs": took}

    def _check(self, results: Sequence[object], *, well: object) -> None:
        """See that each source was asked once and has not changed, and that whoever asked knows it."""
        self.sources.check(self.server.asked())
        if wrong := [one for one in results if one != well]:
            raise GateError(f"{len(wrong)} of {len(results)} are not as expected: {wrong[0]}")
        failed = self._store_says_failed()
        if failed:
            raise GateError(f"the store says of {failed} sources that they failed")

    def _store_says_failed(self) -> int:
        with self.store.transaction() as connection:
            query = "SELECT count(*) FROM sources WHERE failures OR succeeded_at IS NULL"
            return int(connection.exec_driver_sql(query).scalar_one())


async def _gather(addresses: Sequence[str]) -> Sequence[httpx.Response]:
    async with httpx.AsyncClient(timeout=None) as client:
        asks = (client.get(url, headers={"If-None-Match": etag(httpx.URL(url).path)}) for url in addresses)
        return await asyncio.gather(*asks)


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    count, hosts = (SMALL_SOURCES, SMALL_HOSTS) if stage.small else (SOURCES, HOSTS)
    with sites() as server:
        sources = Sources(stage.folder, server.port, count=count, hosts=hosts)
        with Store(sources.settings.site.store, write=True) as store:
            sources.learn(store)
            server.asked()
            played = _Stage(sources=sources, store=store, server=server)
            yield played.ours, played.theirs


COMPARISON = Comparison(
    name="unchanged",
    about=f"{SOURCES:,} sources on {HOSTS} hosts that answer 304, beside a plain httpx.AsyncClient",
    rows=(Row(name="time", ours="ours", theirs="theirs", goal=0.6),),
    prepare=_prepare,
)
