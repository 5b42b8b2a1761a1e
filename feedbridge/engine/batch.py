"""A batch of claimed sources is refreshed, and settled: in the daemon as in a worker."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from feedbridge import schedule
from feedbridge.errors import FeedbridgeError
from feedbridge.logs import logger
from feedbridge.metrics import Metrics
from feedbridge.pipeline import broken_off
from feedbridge.polling import Polled, Schedule
from feedbridge.settings import FeedSource
from feedbridge.store.claims import Claim
from feedbridge.store.database import Store
from feedbridge.tally import Tally, Wish
from feedbridge.visiting import InThread, Visitor

_NAMED_FILES = 20
_REMEMBERED_FILES = 200
_NAME_LENGTH = 200

Noticed = frozenset[Path] | None
Settled = Callable[[Polled], None]
"""Told what became of each source, as soon as it is settled."""


class Hands:
    """What a batch is worked on with.

    Args:
        store: Open for writing.
        schedule: Where claims are settled.
        visitor: Refreshes sources on the web, and works with the store in threads.
        in_thread: Runs what refreshes a folder.
        stop: Set when refreshes of folders are to end early.
        metrics: Told what was done.
    """

    def __init__(
        self,
        store: Store,
        schedule: Schedule,
        visitor: Visitor,
        *,
        in_thread: InThread,
        stop: threading.Event,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._schedule = schedule
        self._visitor = visitor
        self._in_thread = in_thread
        self._stop = stop
        self._metrics = metrics
        self._log = logger()
        self._left_out: dict[str, set[tuple[str, str]]] = {}

    async def poll_batch(
        self, claims: Sequence[Claim], *, now: datetime, settled: Settled, noticed: Noticed = None
    ) -> None:
        """Refresh sources, all at once as far as their hosts allow it, and say when they are due again.

        Args:
            claims: Of the sources.
            now: The instant of the refreshes; aware.
            settled: Told of each.
            noticed: Of a folder: where something changed, as far as that is known.

        Raises:
            StoreError: The store did not take all of it; those that `settled` was not told of are claimed still.
        """
        results = await asyncio.gather(
            *(self._poll(claim, now=now, settled=settled, noticed=noticed) for claim in claims), return_exceptions=True
        )
        for error in results:
            if error is not None:
                raise error

    async def _poll(self, claim: Claim, *, now: datetime, settled: Settled, noticed: Noticed) -> None:
        began = time.monotonic()
        self._metrics.late((now - claim.due).total_seconds())
        try:
            done = await self._refresh(claim, now=now, noticed=noticed)
        except FeedbridgeError as error:
            self._log.error("refresh broke off", source=claim.name, error=str(error))
            raise
        self._tell(done, seconds=time.monotonic() - began)
        settled(done)

    async def _refresh(self, claim: Claim, *, now: datetime, noticed: Noticed) -> Polled:
        """Refresh a source; what nobody thought of is its failure alone."""
        try:
            if isinstance(source := self._schedule.source(claim.name), FeedSource):
                tally = await self._visitor.refresh(source, Wish(now=now))
                return await self._visitor.in_thread(partial(self._schedule.settle, claim, tally))
            return await self._in_thread(partial(self._schedule.poll, claim, now=now, stop=self._stop, noticed=noticed))
        except FeedbridgeError:
            raise
        except Exception as error:  # noqa: BLE001  (told, and remembered)
            self._log.exception("refresh broke off", source=claim.name)
            return await self._visitor.in_thread(partial(self._break_off, claim, error, now=now))

    def _break_off(self, claim: Claim, error: Exception, *, now: datetime) -> Polled:
        """Remember how a refresh ended, and say when its source is due again."""
        source = self._schedule.source(claim.name)
        if source is None:
            return self._schedule.give_back(claim)
        return self._schedule.settle(claim, broken_off(self._store, source, error, now=now))

    def _tell(self, done: Polled, *, seconds: float) -> None:
        tally = done.tally
        if done.is_lost:
            self._log.warning("somebody else took the source over meanwhile", source=done.claim.name)
        if tally is None or not tally.asked:
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
            words |= {"gone": True} if tally.gone else {}
        elif done.claim.failures:
            self._log.info("source recovered", source=tally.source, failures=done.claim.failures)
        if outcome != "unchanged":
            say(f"refresh {outcome}", **words, seconds=round(seconds, 3))
        self._tell_left_out(tally)

    def _tell_left_out(self, tally: Tally) -> None:
        """Name files and entries that cannot be used, each once; of many, the first few."""
        before = self._left_out.pop(tally.source, set())
        noted = [(path[:_NAME_LENGTH], reason) for path, reason in tally.unusable[:_REMEMBERED_FILES]]
        if kept := set(noted) if tally.is_whole else before | set(noted):
            self._left_out[tally.source] = kept
        fresh = [(path, reason) for path, reason in noted if (path, reason) not in before]
        for path, reason in fresh[:_NAMED_FILES]:
            self._log.warning("left out", source=tally.source, path=path, reason=reason)
        if len(fresh) > _NAMED_FILES:
            self._log.warning("more left out", source=tally.source, more=len(tally.unusable) - _NAMED_FILES)
