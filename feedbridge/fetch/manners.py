"""Politeness: one request at a time per host, a pause between two, and staying away where we are asked to.

async with manners.turn(host):
    if manners.waits_until(host, source, now=now) is None:  # told to another source while this one stood in line
        ...
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from feedbridge.fetch.validators import LONGEST_WAIT
from feedbridge.settings import HostRule

_FEW = 1024
"""Tables of fewer hosts are not swept."""


SLACK = timedelta(seconds=5)
"""A turn at other processes is held for so much longer than a request may take."""


class Turns(Protocol):
    """Turns at hosts that are shared with other processes."""

    def turn(self, host: str, *, lease: timedelta, pause: timedelta) -> AbstractAsyncContextManager[None]:
        """Wait until none of them asks the host, and hold it; after `lease` it ends by itself."""


@dataclass(slots=True)
class _Line:
    """Those who wait for one host."""

    pause: float
    head: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0
    free_at: float = float("-inf")


class Manners:
    """Who may ask which host, and when. For one event loop.

    Args:
        pause: Between the end of a request to a host and the start of the next.
        rules: For single hosts; the first that names a host wins.
        at_once: So many requests run at the same time, to all hosts together.
        clock: Seconds that only grow.
        sleep: Waits for so many seconds of that clock.
        shared: Other processes ask the same hosts: how turns are shared with them.
    """

    def __init__(
        self,
        *,
        pause: timedelta,
        rules: Sequence[HostRule] = (),
        at_once: int = 100,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        shared: Turns | None = None,
    ) -> None:
        self._shared = shared
        self._pause = pause
        self._rules = tuple(rules)
        self._at_once = asyncio.Semaphore(at_once)
        self._clock = clock
        self._sleep = sleep
        self._lines: dict[str, _Line] = {}
        self._many_lines = _FEW
        self._waits: dict[tuple[str, str | None], datetime] = {}
        self._many_waits = _FEW

    def use(self, *, pause: timedelta, rules: Sequence[HostRule]) -> None:
        """Treat hosts as these rules say, from their next turn on."""
        self._pause, self._rules = pause, tuple(rules)
        for name, line in self._lines.items():
            line.pause = self._pause_of(name)

    @asynccontextmanager
    async def turn(self, host: str, *, at_most: timedelta = timedelta(minutes=1)) -> AsyncIterator[None]:
        """Wait for a turn at the host, first come, first served, and hold it, for so long at most.

        Those who wait for one host keep nobody from another: a place among the requests that run at once is taken
        only when the host is free, as far as this process knows. A turn among other processes comes after that, for
        its time runs.
        """
        line = self._line(_spelled(host))
        line.length += 1
        try:
            async with line.head:
                while (left := line.free_at - self._clock()) > 0:
                    await self._sleep(left)
                async with self._at_once, self._among_others(_spelled(host), line.pause, at_most):
                    try:
                        yield
                    finally:
                        line.free_at = self._clock() + line.pause
        finally:
            line.length -= 1

    def asked_to_wait(self, host: str, source: str, *, until: datetime) -> None:
        """Remember that the host asked a source to stay away (Retry-After); of several such wishes the latest counts.

        It holds for that host, with none of its neighbours on the same domain, or for the source alone where the
        host's rule says so.
        """
        name = _spelled(host)
        rule = self._rule(name)
        key = name, source if rule and rule.backoff == "source" else None
        self._waits[key] = max(until, self._waits.get(key, until))

    def waits_until(self, host: str, source: str, *, now: datetime) -> datetime | None:
        """When the source may ask the host again; None: now."""
        if len(self._waits) > self._many_waits:
            self._waits = {key: until for key, until in self._waits.items() if _holds(until, now=now)}
            self._many_waits = max(_FEW, 2 * len(self._waits))
        name = _spelled(host)
        told = (self._waits.get((name, who)) for who in (source, None))
        return max((until for until in told if until and _holds(until, now=now)), default=None)

    def _among_others(self, name: str, pause: float, at_most: timedelta) -> AbstractAsyncContextManager[None]:
        if self._shared is None:
            return nullcontext()
        return self._shared.turn(name, lease=at_most + SLACK, pause=timedelta(seconds=pause))

    def _line(self, name: str) -> _Line:
        if name not in self._lines:
            self._forget_idle_hosts()
            self._lines[name] = _Line(self._pause_of(name))
        return self._lines[name]

    def _pause_of(self, name: str) -> float:
        rule = self._rule(name)
        return (self._pause if rule is None or rule.pause is None else rule.pause).total_seconds()

    def _forget_idle_hosts(self) -> None:
        """Let go of the hosts that nobody waits for and whose pause is over, whenever the table has doubled."""
        if len(self._lines) >= self._many_lines:
            now = self._clock()
            self._lines = {name: line for name, line in self._lines.items() if line.length or line.free_at > now}
            self._many_lines = max(_FEW, 2 * len(self._lines))

    def _rule(self, name: str) -> HostRule | None:
        return next((rule for rule in self._rules if _is_at(name, rule.host)), None)


def _spelled(host: str) -> str:
    return host.lower().rstrip(".")


def _is_at(name: str, pattern: str) -> bool:
    domain = _spelled(pattern.removeprefix("*."))
    return (name == domain and not pattern.startswith("*.")) or name.endswith(f".{domain}")


def _holds(until: datetime, *, now: datetime) -> bool:
    """Whether it is still to come; nobody was asked to wait for longer than the longest wait, but clocks jump."""
    return now < until <= now + LONGEST_WAIT
