"""One request at a time at a host, and the pause between two, over all processes that share a store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from feedbridge.errors import StoreError
from feedbridge.store import turns
from feedbridge.store.database import Store
from feedbridge.store.turns import Turn
from feedbridge.visiting import InThread

LOOK_SECONDS = 0.25
"""Who waits for another process looks so often, at least."""


class SharedTurns:
    """Turns at hosts, taken in the store; see `fetch.manners.Turns`.

    Who is killed in the middle keeps a host from others no longer than its request might have taken.
    """

    def __init__(self, store: Store, *, in_thread: InThread) -> None:
        self._store = store
        self._in_thread = in_thread

    @contextlib.asynccontextmanager
    async def turn(self, host: str, *, lease: timedelta, pause: timedelta) -> AsyncIterator[None]:
        """Wait until the host is free, and hold it.

        Raises:
            StoreError: The store cannot be written.
        """
        while not isinstance(taken := await self._in_thread(partial(self._take, host, lease)), Turn):
            await asyncio.sleep(min(taken.total_seconds() + 0.001, LOOK_SECONDS))
        try:
            yield
        finally:
            with contextlib.suppress(StoreError):  # then it ends by itself
                await self._in_thread(partial(self._end, taken, pause))

    def _take(self, host: str, lease: timedelta) -> Turn | timedelta:
        with self._store.transaction() as connection:
            return turns.take(connection, host, lease=lease)

    def _end(self, turn: Turn, pause: timedelta) -> None:
        with self._store.transaction() as connection:
            turns.end(connection, turn, pause=pause)
