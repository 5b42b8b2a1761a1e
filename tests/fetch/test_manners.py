"""Turns at a host, the pause between them, and who stays away."""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from feedbridge.fetch.manners import SLACK, Manners
from feedbridge.settings import HostRule

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class Clock:
    """Seconds that pass only when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, id(woken), woken))
        await woken

    async def run(self, *work: Awaitable[object]) -> None:
        """Do all the work, moving on to the next waking whenever nothing else can run."""
        tasks = [asyncio.ensure_future(one) for one in work]
        while not all(task.done() for task in tasks):
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers and not all(task.done() for task in tasks):
                self.now, _, woken = heapq.heappop(self._sleepers)
                if not woken.done():
                    woken.set_result(None)
        for task in tasks:
            if not task.cancelled():
                task.result()


class Log:
    """Requests that take a second each, with the time since the beginning at which each began."""

    def __init__(self, manners: Manners, clock: Clock) -> None:
        self._manners = manners
        self._clock = clock
        self._running = 0
        self.most = 0
        self.began: list[tuple[str, float]] = []

    async def ask(self, host: str, name: str | None = None, seconds: float = 1) -> None:
        async with self._manners.turn(host):
            self._running += 1
            self.most = max(self.most, self._running)
            self.began.append((name or host, self._clock.now - 1000))
            await self._clock.sleep(seconds)
            self._running -= 1


def polite(
    clock: Clock, *, pause: timedelta = 3 * SECOND, rules: tuple[HostRule, ...] = (), at_once: int = 100
) -> Manners:
    return Manners(pause=pause, rules=rules, at_once=at_once, clock=clock, sleep=clock.sleep)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await work()

    asyncio.run(main())


def test_a_host_is_asked_one_by_one_with_a_pause() -> None:
    """The pause runs from the end of one request to the start of the next; the first waits for nothing."""

    async def work() -> None:
        clock = Clock()
        log = Log(polite(clock), clock)
        await clock.run(*(log.ask("a.example", name) for name in "123"))
        assert log.began == [("1", 0), ("2", 4), ("3", 8)]

    run(work)


def test_the_pause_outlasts_the_last_who_waited() -> None:
    """Who comes to an idle host soon after a request waits out the pause; who comes later does not wait."""

    async def work() -> None:
        clock = Clock()
        log = Log(polite(clock), clock)
        await clock.run(log.ask("a.example"))
        clock.now += 1
        await clock.run(log.ask("A.example."))
        clock.now += 10
        await clock.run(log.ask("a.example"))
        assert [began for _, began in log.began] == [0, 4, 15]

    run(work)


def test_hosts_do_not_wait_for_each_other() -> None:
    """Two hosts are asked at the same time, be they on the same domain or not."""

    async def work() -> None:
        clock = Clock()
        log = Log(polite(clock), clock)
        await clock.run(log.ask("a.example"), log.ask("b.example"), log.ask("www.a.example"))
        assert log.began == [("a.example", 0), ("b.example", 0), ("www.a.example", 0)]

    run(work)


def test_a_crowd_at_one_host_delays_no_other() -> None:
    """However many wait for one host, they take no place among the requests that run at once."""

    async def work() -> None:
        clock = Clock()
        log = Log(polite(clock, at_once=2), clock)
        crowd = [asyncio.ensure_future(log.ask("crowd.example", seconds=60)) for _ in range(3000)]
        await clock.run(*(log.ask(f"{number}.example") for number in range(5)))
        assert [began for name, began in log.began if name != "crowd.example"] == [0, 1, 2, 3, 4]
        for one in crowd:
            one.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    run(work)


def test_a_turn_among_processes_begins_with_its_request() -> None:
    """Its time would run out in a line of our own; it is as long as the request may take, and a little more."""
    taken: list[tuple[str, float, timedelta, timedelta]] = []

    async def work() -> None:
        clock = Clock()

        class Shared:
            @asynccontextmanager
            async def turn(self, host: str, *, lease: timedelta, pause: timedelta) -> AsyncIterator[None]:
                taken.append((host, clock.now - 1000, lease, pause))
                yield

        async def ask(host: str) -> None:
            async with manners.turn(host, at_most=MINUTE):
                await clock.sleep(40)

        manners = Manners(pause=SECOND, at_once=1, clock=clock, sleep=clock.sleep, shared=Shared())
        await clock.run(ask("a.example"), ask("b.example"))

    run(work)
    assert taken == [("a.example", 0, MINUTE + SLACK, SECOND), ("b.example", 40, MINUTE + SLACK, SECOND)]


def test_only_so_many_requests_run_at_once() -> None:
    """The bound over all hosts is reached and never passed."""

    async def work() -> None:
        clock = Clock()
        log = Log(polite(clock, at_once=7), clock)
        await clock.run(*(log.ask(f"{number}.example") for number in range(30)))
        assert log.most == 7
        assert len(log.began) == 30

    run(work)


def test_the_first_rule_that_names_a_host_gives_its_pause() -> None:
    """A rule for a host holds for its subdomains, one with a star for those alone; no pause means the usual one."""
    rules = (
        HostRule(host="quick.a.example", pause=timedelta()),
        HostRule(host="*.a.example", pause=10 * SECOND),
        HostRule(host="b.example", backoff="source"),
        HostRule(host="b.example", pause=99 * SECOND),
    )

    async def work() -> None:
        for host, second in (
            ("quick.a.example", 1),
            ("x.quick.a.example", 1),
            ("slow.a.example", 11),
            ("a.example", 4),
            ("b.example", 4),
            ("www.b.example", 4),
            ("notb.example", 4),
        ):
            clock = Clock()
            log = Log(polite(clock, rules=rules), clock)
            await clock.run(log.ask(host), log.ask(host))
            assert log.began == [(host, 0), (host, second)]

    run(work)


def test_who_gives_up_keeps_nobody_waiting() -> None:
    """Cancelled while in line, during the pause or during the request: the next has its turn in time."""

    async def work() -> None:
        clock = Clock()
        log = Log(polite(clock), clock)
        first, second, third = (asyncio.ensure_future(log.ask("a.example", name)) for name in "123")
        await asyncio.sleep(0)
        third.cancel()
        clock.now += 0.5
        first.cancel()
        await asyncio.wait([first, third])
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        await clock.run(log.ask("a.example", "4"), log.ask("a.example", "5"))
        assert log.began == [("1", 0), ("4", 3.5), ("5", 7.5)]

    run(work)


def test_a_failed_request_ends_its_turn() -> None:
    """An error inside passes out, and the pause begins."""

    async def work() -> None:
        clock = Clock()
        manners = polite(clock)
        with pytest.raises(ZeroDivisionError):
            async with manners.turn("a.example"):
                raise ZeroDivisionError
        log = Log(manners, clock)
        await clock.run(log.ask("a.example"))
        assert log.began == [("a.example", 3)]

    run(work)


def test_hosts_are_forgotten() -> None:
    """The table of hosts stays small, and yet no pause is forgotten before it is over."""

    async def work() -> None:
        clock = Clock()
        manners = polite(clock)
        for number in range(10_000):
            async with manners.turn(f"{number}.example"):
                pass
            clock.now += 0.01
        assert len(manners._lines) < 2000
        log = Log(manners, clock)
        before = clock.now - 1000
        await clock.run(log.ask("9999.example"))
        assert log.began[0][1] == pytest.approx(before + 2.99)

    run(work)


def test_turns_keep_real_time() -> None:
    """With the clock of the machine the pause is never shorter than it should be."""

    async def work() -> None:
        manners = Manners(pause=timedelta(milliseconds=50))
        ended = 0.0
        for _ in range(4):
            async with manners.turn("a.example"):
                assert time.monotonic() - ended >= 0.05
                ended = time.monotonic()

    run(work)


def test_a_host_that_asks_for_it_is_left_alone_by_all() -> None:
    """Retry-After holds for every source on the host until its time, and for no other host of the domain."""
    manners = Manners(pause=SECOND)
    manners.asked_to_wait("a.example", "one", until=NOW + MINUTE)
    assert manners.waits_until("A.EXAMPLE.", "two", now=NOW) == NOW + MINUTE
    assert manners.waits_until("a.example", "two", now=NOW + MINUTE) is None
    assert manners.waits_until("www.a.example", "one", now=NOW) is None
    assert manners.waits_until("example", "one", now=NOW) is None


def test_a_shared_host_may_put_off_one_source_alone() -> None:
    """Where a rule says so, the neighbours on the same host go on."""
    manners = Manners(pause=SECOND, rules=(HostRule(host="a.example", backoff="source"),))
    manners.asked_to_wait("www.a.example", "one", until=NOW + MINUTE)
    assert manners.waits_until("www.a.example", "one", now=NOW) == NOW + MINUTE
    assert manners.waits_until("www.a.example", "two", now=NOW) is None


def test_the_latest_wish_counts() -> None:
    """A shorter wait does not undo a longer one."""
    manners = Manners(pause=SECOND)
    for minutes in (1, 5, 2):
        manners.asked_to_wait("a.example", "one", until=NOW + minutes * MINUTE)
    assert manners.waits_until("a.example", "one", now=NOW) == NOW + 5 * MINUTE


def test_a_clock_that_was_set_back_puts_nothing_off() -> None:
    """A wait beyond the longest was written by another clock: it is over."""
    manners = Manners(pause=SECOND)
    manners.asked_to_wait("a.example", "one", until=NOW + MINUTE)
    assert manners.waits_until("a.example", "one", now=NOW - timedelta(days=3650)) is None


def test_waits_are_forgotten() -> None:
    """The table of those who wait stays small."""
    manners = Manners(pause=SECOND)
    for number in range(10_000):
        now = NOW + number * SECOND
        manners.asked_to_wait(f"{number}.example", "one", until=now + MINUTE)
        assert manners.waits_until(f"{number}.example", "one", now=now) == now + MINUTE
    assert len(manners._waits) < 2000
