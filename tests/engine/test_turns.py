"""Turns at hosts are shared by processes, through the store."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest

from feedbridge.engine.turns import SharedTurns
from feedbridge.fetch.manners import Manners
from feedbridge.store import turns
from feedbridge.store.database import Store

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL

Result = TypeVar("Result")
PAUSE = timedelta(seconds=0.15)
LONG = timedelta(seconds=30)


async def in_thread(work: Callable[[], Result], /) -> Result:
    return await asyncio.to_thread(work)


@pytest.fixture
def stores(postgresql: "PostgreSQL") -> Iterator[list[Store]]:
    """The store of three processes."""
    address = postgresql.make()
    with ExitStack() as opened:
        yield [opened.enter_context(Store(address, write=True, shared=True)) for _ in range(3)]


def test_one_host_is_asked_by_one_process_at_a_time(stores: list[Store]) -> None:
    """With the pause between two; another host is asked meanwhile."""
    spans: dict[str, list[tuple[float, float]]] = {"a.example": [], "b.example": []}

    async def ask(manners: Manners, host: str) -> None:
        async with manners.turn(host):
            began = time.monotonic()
            await asyncio.sleep(0.05)
            spans[host].append((began, time.monotonic()))

    async def ask_all() -> None:
        all_manners = [Manners(pause=PAUSE, shared=SharedTurns(store, in_thread=in_thread)) for store in stores]
        await asyncio.gather(*(ask(one, host) for one in all_manners for host in spans for _ in range(2)))

    asyncio.run(ask_all())
    for several in spans.values():
        several.sort()
        assert len(several) == 6
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(several)]
        assert min(gaps) >= PAUSE.total_seconds() - 0.01
    assert max(spans["a.example"])[0] > min(spans["b.example"])[0]
    assert max(spans["b.example"])[0] > min(spans["a.example"])[0]


def test_who_dies_in_the_middle_keeps_a_host_for_a_while_alone(stores: list[Store]) -> None:
    """As long as its request may have taken; and what it says afterwards does not count."""
    with stores[0].transaction() as connection:
        lost = turns.take(connection, "a.example", lease=timedelta(seconds=0.3))
    assert isinstance(lost, turns.Turn)
    with stores[1].transaction() as connection:
        left = turns.take(connection, "a.example", lease=LONG)
    assert isinstance(left, timedelta)
    assert timedelta() < left <= timedelta(seconds=0.3)
    time.sleep(left.total_seconds() + 0.01)
    with stores[1].transaction() as connection:
        assert isinstance(turns.take(connection, "a.example", lease=LONG), turns.Turn)
    with stores[0].transaction() as connection:
        turns.end(connection, lost, pause=timedelta())
        assert isinstance(turns.take(connection, "a.example", lease=LONG), timedelta)


def test_hosts_that_nobody_asks_are_forgotten(stores: list[Store]) -> None:
    """Those whose turn is over for so long."""
    with stores[0].transaction() as connection:
        for host, lease in (("old.example", timedelta()), ("new.example", LONG)):
            turns.take(connection, host, lease=lease)
        turns.forget(connection, after=timedelta(milliseconds=-1))
        assert isinstance(turns.take(connection, "old.example", lease=LONG), turns.Turn)
        assert isinstance(turns.take(connection, "new.example", lease=LONG), timedelta)


def test_a_turn_that_cannot_be_given_back_ends_by_itself(stores: list[Store]) -> None:
    """The refresh that had it has gone well all the same."""

    async def ask() -> None:
        shared = SharedTurns(stores[0], in_thread=in_thread)
        async with AsyncExitStack() as held:
            await held.enter_async_context(shared.turn("a.example", lease=timedelta(seconds=0.2), pause=PAUSE))
            with stores[1].transaction() as connection:
                connection.exec_driver_sql("ALTER TABLE turns RENAME TO elsewhere")

    asyncio.run(ask())
    with stores[1].transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO turns")
    time.sleep(0.2)
    with stores[1].transaction() as connection:
        assert isinstance(turns.take(connection, "a.example", lease=LONG), turns.Turn)
