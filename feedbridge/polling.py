"""Who is due, and what is done about it: the schedule in the store, driven by whoever has the clock."""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from feedbridge import schedule
from feedbridge.refresh import Tally, Wish, refresh
from feedbridge.schedule import Rhythm
from feedbridge.settings import Settings, Source
from feedbridge.store import claims, polls
from feedbridge.store.claims import Claim
from feedbridge.store.database import Store

CLOCK_SLACK = timedelta(seconds=30)
"""The wall clock and the monotonic clock may part by so much before the clock counts as set."""

STAGGER = timedelta(seconds=60)
"""Sources that fell due while nobody was there are spread over so much time."""


class Stopped(Exception):  # noqa: N818  (no error: the refresh was asked to stop)
    """A refresh was asked to stop; what it has kept stays, and the source is still due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Polled:
    """A refresh of a source that was due.

    Attributes:
        tally: What it did; None if it was asked to stop.
        failures: How often the source has now failed on end.
        next_poll_at: When it is due again.
    """

    claim: Claim
    tally: Tally | None
    failures: int = 0
    next_poll_at: datetime | None = None


def rhythm_of(source: Source) -> Rhythm:
    """How often a source is to be refreshed, as its settings say."""
    return Rhythm(
        every=None if isinstance(source.every, str) or source.cron else source.every,
        cron=source.cron,
        zone=source.cron_timezone or source.timezone,
        shortest=source.min,
        longest=source.max,
        jitter=source.jitter or timedelta(),
    )


class Schedule:
    """The schedule of all sources, kept in the store. Its methods may be called from any thread."""

    def __init__(self, store: Store, settings: Settings, *, dice: random.Random) -> None:
        self._store = store
        self._dice = dice
        self._sources: Mapping[str, Source] = {}
        self._ahead: timedelta | None = None
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Take the sources from these settings."""
        self._sources = {source.name: source for source in settings.source}
        self._output = settings.site.output

    def start(self, *, now: datetime) -> None:
        """Take up the schedule where it was left.

        New sources are due at once. Those that fell due while nobody was there are spread over a while, so that a
        restart makes no burst; a schedule that lies absurdly far ahead was made by a clock since set back.
        """
        names = list(self._sources)
        with self._store.transaction() as connection:
            claims.release_all(connection)
            claims.enter(connection, names, now=now)
            due = claims.schedule(connection, names)
            for name, at in due.items():
                if at > schedule.latest(rhythm_of(self._sources[name]), now=now):
                    claims.set_due(connection, name, at=now)
            overdue = sorted((at, name) for name, at in due.items() if at < now - STAGGER)
            for count, (_, name) in enumerate(overdue[1:], 1):
                claims.set_due(connection, name, at=now + STAGGER * count / len(overdue))

    def enter_new(self, *, now: datetime) -> None:
        """Put sources on the schedule that the settings have gained."""
        with self._store.transaction() as connection:
            claims.enter(connection, list(self._sources), now=now)

    def take(self, *, now: datetime, limit: int) -> list[Claim]:
        """Claim sources that are due, the longest due first."""
        with self._store.transaction() as connection:
            return claims.claim(connection, list(self._sources), now=now, limit=limit)

    def waiting(self, *, now: datetime) -> int:
        """How many sources are due and not at work."""
        with self._store.transaction() as connection:
            return claims.waiting(connection, list(self._sources), now=now)

    def hasten(self, name: str, *, now: datetime) -> None:
        """Make a source due now."""
        with self._store.transaction() as connection:
            claims.hasten(connection, name, now=now)

    def heed_clock(self, *, now: datetime, monotonic: timedelta) -> timedelta | None:
        """Notice that the wall clock was set, and move the schedule with it.

        Args:
            now: The wall clock; aware.
            monotonic: A clock that nobody sets.

        Returns:
            By how much the clock was set, or None.
        """
        ahead = now - datetime(1970, 1, 1, tzinfo=now.tzinfo) - monotonic
        before, self._ahead = self._ahead, ahead
        if before is None or abs(ahead - before) <= CLOCK_SLACK:
            self._ahead = ahead if before is None else before
            return None
        with self._store.transaction() as connection:
            claims.shift(connection, ahead - before)
        return ahead - before

    def poll(self, claim: Claim, *, now: datetime, stop: threading.Event) -> Polled:
        """Refresh a claimed source, and say when it is due again.

        Raises:
            StoreError: The store cannot be written; the claim is given back by the next start.
        """

        def heed(_done: int, _of: int) -> None:
            if stop.is_set():
                raise Stopped

        source = self._sources[claim.name]
        try:
            tally = refresh(self._store, source, Wish(now=now, leave_out=self._output), heed)
        except Stopped:
            self._settle(claim, next_poll_at=claim.due, failures=claim.failures)
            return Polled(claim=claim, tally=None, failures=claim.failures)
        failures = claim.failures + 1 if tally.error else 0
        at = self._next(source, claim, now=now, failures=failures)
        self._settle(claim, next_poll_at=at, failures=failures)
        return Polled(claim=claim, tally=tally, failures=failures, next_poll_at=at)

    def _next(self, source: Source, claim: Claim, *, now: datetime, failures: int) -> datetime:
        rhythm = rhythm_of(source)
        if failures:
            return schedule.after_failure(rhythm, now=now, failures=failures, dice=self._dice)
        history = []
        if rhythm.every is None and rhythm.cron is None:
            with self._store.transaction() as connection:
                history = polls.history(connection, source.name)
        return schedule.after_success(rhythm, due=claim.due, now=now, history=history, dice=self._dice)

    def _settle(self, claim: Claim, *, next_poll_at: datetime, failures: int) -> None:
        with self._store.transaction() as connection:
            claims.settle(connection, claim.name, next_poll_at=next_poll_at, failures=failures)
