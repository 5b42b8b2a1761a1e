"""Several processes keep one schedule, in a store on a server: real ones, of which one may die or fall silent."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from feedbridge import polling, settings
from feedbridge.errors import StoreError
from feedbridge.polling import Schedule
from feedbridge.store import claims
from feedbridge.store.claims import Claim
from feedbridge.store.database import Store

if TYPE_CHECKING:
    from tests.conftest import Site

NAMES = [f"s{number}" for number in range(12)]
EACH_ONCE = [(row, 3) for row in range(1, 13)]
"""The articles of each source, none of them twice."""

LEASE = timedelta(seconds=1.5)


class Turn(NamedTuple):
    """A refresh; the times are of the machine's monotonic clock."""

    source: str
    began: float
    ended: float


class Scheduler:
    """A scheduler as it stands in its own process, and what it is told to do there by name."""

    def __init__(self, config: Path, lease: timedelta) -> None:
        polling.LEASE = lease
        loaded = settings.load(config, {})
        self._opened = ExitStack()
        store = self._opened.enter_context(Store(loaded.site.store, write=True, shared=True))
        self._schedule = Schedule(store, loaded, dice=random.Random(0))
        self._schedule.start(now=now())
        self._claims: list[Claim] = []
        self._faults: list[str] = []
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        while True:
            try:
                self._schedule.renew(monotonic=timedelta(seconds=time.monotonic()))
            except StoreError as error:
                self._faults.append(str(error))
            time.sleep(0.1)

    def faults(self) -> list[str]:
        """What went wrong with the lease."""
        return self._faults

    def take(self, limit: int) -> list[str]:
        """Claim what is due; gives the names."""
        found = self._schedule.take_folders(now=now(), limit=limit)
        self._claims += found
        return [claim.name for claim in found]

    def take_all(self, count: int) -> list[str]:
        """Claim what is due and what falls due, until it is so many."""
        taken: list[str] = []
        while len(taken) < count:
            taken += self.take(count - len(taken))
            time.sleep(0.02)
        return taken

    def settle(self) -> dict[str, bool]:
        """Refresh all that is claimed; by name, whether the claim was lost meanwhile."""
        done = [self._schedule.poll(claim, now=now(), stop=threading.Event()) for claim in self._claims]
        self._claims.clear()
        return {one.claim.name: one.is_lost for one in done}

    def run(self, seconds: float) -> list[Turn]:
        """Refresh what is due, as it comes."""
        turns: list[Turn] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for claim in self._schedule.take_folders(now=now(), limit=3):
                began = time.monotonic()
                assert not self._schedule.poll(claim, now=now(), stop=threading.Event()).is_lost
                turns.append(Turn(claim.name, began, time.monotonic()))
        return turns

    def leave(self) -> None:
        self._schedule.leave()
        self._opened.close()


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def work(config: Path, lease: timedelta, told: "Pipe[Any, Any]") -> None:
    scheduler = Scheduler(config, lease)
    told.send(None)
    while True:
        deed, arguments = told.recv()
        told.send(getattr(scheduler, deed)(*arguments))


class Remote:
    """A scheduler in a process of its own."""

    def __init__(self, config: Path, lease: timedelta) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self.process: SpawnProcess = multiprocessing.get_context("spawn").Process(
            target=work, args=(config, lease, theirs)
        )
        self.process.start()
        self.answer()

    def tell(self, deed: str, *arguments: object) -> None:
        self._pipe.send((deed, arguments))

    def answer(self) -> Any:
        assert self._pipe.poll(30)
        return self._pipe.recv()

    def do(self, deed: str, *arguments: object) -> Any:
        self.tell(deed, *arguments)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid
        os.kill(self.process.pid, number)


@pytest.fixture
def shared(remote: "Site") -> "Site":
    """A site of twelve folders with three articles each, which are due every second."""
    remote.sources.clear()
    for name in NAMES:
        remote.add_source(name, every="1s").write_many(3)
    return remote


@pytest.fixture
def begin(shared: "Site") -> "Iterator[Callable[..., Remote]]":
    """Starts a scheduler in a process of its own; all are gone afterwards."""
    config, begun = shared.write_config(), []

    def begin(lease: timedelta = LEASE) -> Remote:
        begun.append(Remote(config, lease))
        return begun[-1]

    yield begin
    for remote in begun:
        remote.kill()


def holders(site: "Site") -> dict[str, str]:
    """Who has claimed which source."""
    return dict(site.query("SELECT name, claimed_by FROM sources WHERE claimed_at IS NOT NULL"))


def test_two_schedulers_share_what_is_due(shared: "Site", begin: Callable[..., Remote]) -> None:
    """Both work, no source is at work twice at a time or before its turn, and every article is kept once."""
    both = [begin(), begin()]
    for one in both:
        one.tell("run", 6)
    shares: list[list[Turn]] = [one.answer() for one in both]
    assert min(len(share) for share in shares) >= 10
    for name in NAMES:
        turns = sorted((turn for share in shares for turn in share if turn.source == name), key=lambda one: one.began)
        assert 3 <= len(turns) <= 8
        assert all(earlier.ended <= later.began for earlier, later in pairwise(turns))
    assert holders(shared) == {}
    assert shared.query("SELECT source_id, count(*) FROM articles GROUP BY 1 ORDER BY 1") == EACH_ONCE
    polls = shared.query("SELECT count(*), count(error) FROM polls")
    assert polls == [(sum(map(len, shares)), 0)]


def test_a_restart_gives_back_its_own_claims_alone(shared: "Site", begin: Callable[..., Remote]) -> None:
    """Who leaves leaves nothing behind, and who begins takes nothing from others."""
    one, other = begin(), begin()
    mine, theirs = one.do("take_all", 4), other.do("take_all", 5)
    assert len({*mine, *theirs}) == 9
    one.do("leave")
    assert sorted(holders(shared)) == sorted(theirs)
    again = begin()
    assert sorted(holders(shared)) == sorted(theirs)
    assert sorted([*again.do("take_all", 7), *theirs]) == sorted(NAMES)
    assert other.do("settle") == dict.fromkeys(theirs, False)


def test_claims_of_a_killed_one_are_taken_up_after_its_lease(shared: "Site", begin: Callable[..., Remote]) -> None:
    """Not before, and not much later; meanwhile the others go on with what is theirs."""
    one, other = begin(), begin()
    lost = one.do("take_all", 4)
    (holder,) = set(holders(shared).values())
    one.kill()
    ((expires_at,),) = shared.query("SELECT expires_at FROM holders WHERE name = ?", holder)
    taken: dict[str, float] = {}
    deadline = time.monotonic() + 20
    while not taken.keys() >= set(lost):
        assert time.monotonic() < deadline
        for name in other.do("take", 12):
            taken.setdefault(name, time.time() * 1000)
        other.do("settle")
    assert taken.keys() == set(NAMES)
    first = min(taken[name] for name in lost)
    assert expires_at <= first <= expires_at + 2_000
    assert shared.query("SELECT count(*) FROM holders WHERE name = ?", holder) == [(0,)]


def test_who_was_silent_for_too_long_has_lost_its_claims(shared: "Site", begin: Callable[..., Remote]) -> None:
    """Another takes them up; when the silent one goes on, the schedule stays as the other left it."""
    one, other = begin(), begin()
    lost = one.do("take_all", 12)
    one.signal(signal.SIGSTOP)
    assert sorted(other.do("take_all", 12)) == sorted(lost)
    one.signal(signal.SIGCONT)
    before = shared.query("SELECT name, claimed_by, next_poll_at, failures FROM sources ORDER BY name")
    assert one.do("settle") == dict.fromkeys(lost, True)
    assert shared.query("SELECT name, claimed_by, next_poll_at, failures FROM sources ORDER BY name") == before
    assert other.do("settle") == dict.fromkeys(lost, False)
    assert shared.query("SELECT source_id, count(*) FROM articles GROUP BY 1 ORDER BY 1") == EACH_ONCE


def test_two_who_renew_their_leases_at_once_do_not_block_each_other(
    shared: "Site", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both leases had ended, so that each is about to take back what the other claimed."""
    loaded, both_hold = shared.settings(), threading.Barrier(2)
    release = claims.release_abandoned

    def together(*words: Any, **options: Any) -> None:
        both_hold.wait(10)
        release(*words, **options)

    with ExitStack() as opened:
        stores = [opened.enter_context(Store(shared.address, write=True, shared=True)) for _ in range(2)]
        schedules = [Schedule(store, loaded, dice=random.Random(0)) for store in stores]
        for one in schedules:
            one.start(now=now())
        shared.query("UPDATE holders SET expires_at = 0")
        monkeypatch.setattr(claims, "release_abandoned", together)
        pool = opened.enter_context(ThreadPoolExecutor(2))
        for done in [pool.submit(one.renew, monotonic=timedelta()) for one in schedules]:
            done.result(20)
    assert shared.query("SELECT count(*) FROM holders WHERE expires_at > 0") == [(2,)]


def test_all_who_were_silent_for_too_long_go_on(shared: "Site", begin: Callable[..., Remote]) -> None:
    """Though each may take back what the others claimed, none blocks another."""
    several = [begin() for _ in range(3)]
    for _ in range(3):
        for one in several:
            one.signal(signal.SIGSTOP)
        time.sleep(LEASE.total_seconds() * 1.2)
        for one in several:
            one.signal(signal.SIGCONT)
        for one in several:
            one.do("take_all", 2)
            one.do("settle")
    assert [one.do("faults") for one in several] == [[], [], []]
