"""Who is due, and what is done about it: the schedule in the store, driven by whoever has the clock."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection

from feedbridge import schedule
from feedbridge.fetch.validators import LONGEST_WISH
from feedbridge.reach import host_of
from feedbridge.refresh import refresh
from feedbridge.schedule import Rhythm
from feedbridge.settings import ArchiveSource, FeedSource, Settings, Source
from feedbridge.store import claims, polls, troubles, visits
from feedbridge.store.claims import Claim, Planned
from feedbridge.store.database import Store
from feedbridge.tally import Tally, Wish

CLOCK_SLACK = timedelta(seconds=30)
"""The wall clock and the monotonic clock may part by so much before the clock counts as set."""

LEASE = timedelta(seconds=60)
"""Where several share a store, the claims of one that is not heard of for so long are taken up by the others."""

WAITING_LEASE = timedelta(hours=1)
"""A batch may wait so long for a worker; then its sources are claimed anew."""

BATCH = 50
"""So many sources are handed over at a time."""

QUEUE_OF_HOST = 2
"""So many sources of one host are claimed at a time; they are asked one after the other."""

STAGGER = timedelta(seconds=60)
"""Sources that fell due while nobody was there are spread over so much time."""


class Stopped(Exception):  # noqa: N818  (no error: the refresh was asked to stop)
    """A refresh was asked to stop; what it has kept stays, and the source is still due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Sources that are due, claimed in the name of the batch; a host's stand together.

    Attributes:
        name: That nothing else has.
        sources: Their names.
    """

    name: str
    sources: tuple[str, ...]


Beside = Callable[[Connection, Iterable[str]], None]
"""Told in the transaction, of these sources: their claims are settled or taken back, and they may have changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Polled:
    """A refresh of a source that was due.

    Attributes:
        tally: What it did; None if it was asked to stop, or its source is no longer in the settings.
        failures: How often the source has now failed on end.
        next_poll_at: When it is due again.
        is_lost: The claim had been taken back, for we were not heard of: the source is others' to schedule.
    """

    claim: Claim
    tally: Tally | None
    failures: int
    next_poll_at: datetime
    is_lost: bool = False


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
    """The schedule of all sources, kept in the store. Its methods may be called from any thread.

    Where several processes share a store, each has a schedule, and a source is claimed by one of them at a time.
    """

    def __init__(self, store: Store, settings: Settings, *, dice: random.Random, beside: Beside | None = None) -> None:
        self._store = store
        self._beside = beside
        self._dice = dice
        self._sources: Mapping[str, Source] = {}
        self._hosts: Mapping[str, str] = {}
        self._ahead: timedelta | None = None
        self._looked: timedelta | None = None
        self._holder = uuid4().hex
        self._renewed: timedelta | None = None
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Take the sources from these settings."""
        self._sources = {source.name: source for source in settings.source}
        self._looked_at: dict[str, datetime] = {}
        self._hosts = {source.name: host_of(source.url) for source in settings.source if isinstance(source, FeedSource)}
        self._output = settings.site.output_folder

    def start(self, *, now: datetime) -> None:
        """Take up the schedule where it was left.

        New sources are due at once. Those that fell due while nobody was there are spread over a while, so that a
        restart makes no burst. What others had claimed who are no more is due again.
        """
        self._hold()
        with self._store.transaction() as connection:
            self._enter(connection, now=now)

    def renew(self, *, monotonic: timedelta) -> None:
        """Keep what is claimed, and take back what others had claimed who are no more; to be called every few seconds.

        Args:
            monotonic: A clock that nobody sets.
        """
        if self._renewed is None or monotonic - self._renewed >= LEASE / 3:
            self._hold()
            self._renewed = monotonic

    def leave(self) -> None:
        """Give back what is claimed, and claim no more: others need not wait until the lease ends.

        Where the store is not shared, the next start does that.
        """
        if not self._store.is_alone:
            with self._store.transaction() as connection:
                claims.leave(connection, self._holder)

    def enter_new(self, *, now: datetime) -> None:
        """Put sources on the schedule that the settings have gained, and heed rhythms that have become quicker."""
        with self._store.transaction() as connection:
            self._enter(connection, now=now)

    def source(self, name: str) -> Source | None:
        """A source by its name, or None if it is no longer in the settings."""
        return self._sources.get(name)

    def take_folders(self, *, now: datetime, limit: int) -> list[Claim]:
        """Claim folders that are due, the longest due first."""
        names = [name for name, source in self._sources.items() if isinstance(source, ArchiveSource)]
        with self._store.transaction() as connection:
            return claims.claim(connection, names, holder=self._holder, now=now, limit=limit)

    def take_sites(self, *, now: datetime, limit: int, at_work: Iterable[str]) -> list[Claim]:
        """Claim sources on the web that are due, the longest due first, but few of any one host.

        Args:
            now: The time; aware.
            limit: At most so many.
            at_work: The names of those that are claimed already.
        """
        hosts = self._hosts
        queues = Counter(hosts[name] for name in at_work if name in hosts)
        chosen: list[str] = []
        with self._store.transaction() as connection:
            for name in claims.due(connection, list(hosts), now=now):
                if queues[hosts[name]] < QUEUE_OF_HOST:
                    queues[hosts[name]] += 1
                    chosen.append(name)
                if len(chosen) >= limit:
                    break
            if not chosen:
                return []
            return claims.claim(connection, chosen, holder=self._holder, now=now, limit=limit)

    def take_batch(self, connection: Connection, *, now: datetime) -> Batch | None:
        """Claim sources for others to work on, the longest due first; None if nothing is due.

        Those on one host stand together, and no other batch has one of it; a folder has a batch to itself.
        """
        names = list(self._sources)
        busy = {self._hosts[name] for name in claims.at_work(connection, list(self._hosts))}
        by_host: dict[str, list[str]] = {}
        count = 0
        for name in claims.due(connection, names, now=now):
            host = self._hosts.get(name, "")
            if (host in busy) if host else count:
                continue
            by_host.setdefault(host, []).append(name)
            count += 1
            if not host or count >= BATCH:
                break
        chosen = [name for some in by_host.values() for name in some]
        batch = uuid4().hex
        claims.hold(connection, batch, lease=WAITING_LEASE)
        taken = {one.name for one in claims.claim(connection, chosen, holder=batch, now=now, limit=BATCH)}
        if not taken:
            claims.leave(connection, batch)
            return None
        return Batch(name=batch, sources=tuple(name for name in chosen if name in taken))

    def take_over(self, batch: Batch, *, attempt: int) -> list[Claim]:
        """Begin to work on a batch; what it still holds, if others have tried before, and lost it.

        Args:
            batch: From `take_batch`.
            attempt: How often it has been tried.
        """
        with self._store.transaction() as connection:
            if attempt and self._beside:
                self._beside(connection, batch.sources)
            return claims.take_over(
                connection,
                batch.sources,
                before=[batch.name, *(_tried(batch, number) for number in range(attempt))],
                holder=_tried(batch, attempt),
                lease=LEASE,
            )

    def keep(self, batch: Batch, *, attempt: int) -> None:
        """Keep the claims of a batch that is at work; to be called several times in `LEASE`."""
        with self._store.transaction() as connection:
            claims.hold(connection, _tried(batch, attempt), lease=LEASE)

    def end(self, batch: Batch, *, attempt: int) -> None:
        """Claim nothing more in the name of a batch."""
        with self._store.transaction() as connection:
            claims.leave(connection, _tried(batch, attempt))

    def waiting(self, *, now: datetime) -> int:
        """How many sources are due and not at work."""
        with self._store.transaction() as connection:
            return claims.waiting(connection, list(self._sources), now=now)

    def at_work(self, names: Sequence[str]) -> set[str]:
        """Those of these sources that somebody is at work on, or about to be."""
        with self._store.transaction() as connection:
            return set(claims.at_work(connection, names)) if names else set()

    def hasten(self, name: str, *, now: datetime) -> None:
        """Make a source due now."""
        with self._store.transaction() as connection:
            claims.hasten(connection, name, now=now)

    def heed_clock(self, *, now: datetime, monotonic: timedelta) -> timedelta | None:
        """Notice that the wall clock was set, and move the schedule with it; notice a sleep, and spread what it left.

        Args:
            now: The wall clock; aware.
            monotonic: A clock that nobody sets.

        Returns:
            By how much the clock was set, or None.
        """
        ahead = now - datetime(1970, 1, 1, tzinfo=now.tzinfo) - monotonic
        before = ahead if self._ahead is None else self._ahead
        asleep = self._looked is not None and monotonic - self._looked > STAGGER
        was_set = abs(ahead - before) > CLOCK_SLACK
        if was_set or asleep:
            with self._store.transaction() as connection:
                if was_set:
                    self._move(connection, by=ahead - before, now=now)
                self._catch_up(connection, now=now)
        self._ahead, self._looked = (ahead if was_set else before), monotonic
        return ahead - before if was_set else None

    def poll(
        self, claim: Claim, *, now: datetime, stop: threading.Event, noticed: frozenset[Path] | None = None
    ) -> Polled:
        """Refresh a claimed folder, and say when it is due again.

        Args:
            claim: From `take`; when it was taken, and not `now`, decides what is next, since the clock may have been
                set in between.
            now: The time of the refresh; aware.
            stop: Set when it is to end early.
            noticed: The places where something changed; None where it may be anywhere. All of the folder is looked at
                once in its rhythm nevertheless, for not every change is noticed.

        Raises:
            StoreError: The store cannot be written; the claim is given back by the next start.
        """

        def heed(_done: int, _of: int) -> None:
            if stop.is_set():
                raise Stopped

        source = self._sources.get(claim.name)
        if not isinstance(source, ArchiveSource):
            return self.give_back(claim)
        looked = self._looked_at.pop(claim.name, None)
        if looked is None or abs(now - looked) >= schedule.base_interval(rhythm_of(source), now=now):
            noticed = None
        try:
            tally = refresh(self._store, source, Wish(now=now, leave_out=self._output, noticed=noticed), heed)
        except Stopped:
            return self.give_back(claim)
        if not tally.error and (seen := now if tally.is_whole else looked):
            self._looked_at[claim.name] = seen
        return self.settle(claim, tally)

    def settle(self, claim: Claim, tally: Tally) -> Polled:
        """Say when a source that was refreshed is due again: never before its site wishes.

        Raises:
            StoreError: The store cannot be written.
        """
        source = self._sources.get(claim.name)
        if source is None:
            return self.give_back(claim)
        if tally.asked:
            failures = claim.failures + 1 if tally.error else 0
            following = self._next(source, claim, failures=failures)
        else:
            failures, following = (
                claim.failures,
                claim.taken + schedule.base_interval(rhythm_of(source), now=claim.taken),
            )
        at = max(following, tally.not_before) if tally.not_before else following
        return self._settle(claim, tally, next_poll_at=at, failures=failures)

    def give_back(self, claim: Claim) -> Polled:
        """Leave a claimed source as it was: still due."""
        return self._settle(claim, None, next_poll_at=claim.due, failures=claim.failures)

    def _next(self, source: Source, claim: Claim, *, failures: int) -> datetime:
        rhythm = rhythm_of(source)
        if failures:
            return schedule.after_failure(rhythm, now=claim.taken, failures=failures, dice=self._dice)
        history = []
        if rhythm.every is None and rhythm.cron is None:
            with self._store.transaction() as connection:
                history = polls.history(connection, source.name)
        return schedule.after_success(rhythm, due=claim.due, now=claim.taken, history=history, dice=self._dice)

    def _settle(self, claim: Claim, tally: Tally | None, *, next_poll_at: datetime, failures: int) -> Polled:
        with self._store.transaction() as connection:
            at = next_poll_at + claims.moved(connection, claim)
            is_ours = claims.settle(connection, claim, next_poll_at=at, failures=failures)
            if is_ours and tally and tally.error and failures >= schedule.AILING_AFTER:
                troubles.begin(connection, claim.name, at=claim.taken, reason=tally.error)
            if self._beside and (tally is None or tally.error or tally.read or tally.new):
                self._beside(connection, [claim.name])
        return Polled(claim=claim, tally=tally, failures=failures, next_poll_at=at, is_lost=not is_ours)

    def _hold(self) -> None:
        """Let our claims be good, and then, lest two that do so at once block each other, end those of the dead."""
        is_alone = self._store.is_alone
        with self._store.transaction() as connection:
            claims.hold(connection, self._holder, lease=None if is_alone else LEASE)
        with self._store.transaction() as connection:
            lost = claims.release_abandoned(connection, self._holder, is_alone=is_alone)
            if self._beside and lost:
                self._beside(connection, lost)

    def _enter(self, connection: Connection, *, now: datetime) -> None:
        claims.enter(connection, list(self._sources), now=now)
        addresses = {name: source.url for name, source in self._sources.items() if isinstance(source, FeedSource)}
        visits.begin_anew(connection, addresses, now=now)
        self._catch_up(connection, now=now)

    def _catch_up(self, connection: Connection, *, now: datetime) -> None:
        """Spread what fell due while nobody looked over as much time as it is late, up to a while.

        What lies further ahead than its rhythm allows counts as late: the rhythm is new, or the clock was set back.
        """
        late = [one for one in claims.schedule(connection, list(self._sources)) if self._is_late(one, now=now)]
        span = max((min(abs(now - one.due), STAGGER) for one in late), default=STAGGER)
        turns: dict[str, datetime] = {}
        for count, one in enumerate(late):
            at = now + span * count / len(late)
            turns[one.name] = max(at, _wish(one, now=now) or at)
        claims.set_due(connection, turns)

    def _is_late(self, one: Planned, *, now: datetime) -> bool:
        rhythm = rhythm_of(self._sources[one.name])
        latest = schedule.latest(rhythm, now=now, failures=one.failures)
        return one.due < now or one.due > max(latest, _wish(one, now=now) or latest)

    def _move(self, connection: Connection, *, by: timedelta, now: datetime) -> None:
        """Move the schedule with the clock; the turns of cron lines stay on the wall clock, none is missed."""
        standing = claims.schedule(connection, list(self._sources))
        claims.shift(connection, by)
        turns: dict[str, datetime] = {}
        for one in standing:
            rhythm = rhythm_of(self._sources[one.name])
            if rhythm.cron is not None and not one.failures:
                turns[one.name] = min(one.due, schedule.next_by_cron(rhythm.cron, rhythm.zone, after=now))
        claims.set_due(connection, turns)


def _tried(batch: Batch, number: int) -> str:
    """Who holds the claims of a batch while it is tried: who tried before, and is not heard of, settles nothing."""
    return f"{batch.name}.{number}"


def _wish(one: Planned, *, now: datetime) -> datetime | None:
    """Until when its site wishes to be left alone; None where that is no wish, but a clock that ran ahead."""
    return one.not_before if one.not_before and one.not_before <= now + LONGEST_WISH else None
