"""Which sources are due, and who is at work on them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event, text

from feedbridge.store import claims, polls, visits
from feedbridge.store.claims import Claim, Planned
from feedbridge.store.database import Store

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAMES = ["a", "b", "c"]


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction on a store with three sources: a is due at noon, b a minute before, c a minute later."""
    with store.transaction() as connection:
        claims.enter(connection, NAMES, now=NOON)
        claims.set_due(connection, {"b": NOON - MINUTE, "c": NOON + MINUTE})
        yield connection


def names(found: list[Claim] | list[Planned]) -> list[str]:
    return [one.name for one in found]


def test_what_is_due_is_claimed_once_the_longest_due_first(connection: Connection) -> None:
    """A source that is claimed is nobody else's until it is settled, however long it takes."""
    assert claims.claim(connection, NAMES, now=NOON, limit=5) == [
        Claim(name="b", due=NOON - MINUTE, failures=0, taken=NOON),
        Claim(name="a", due=NOON, failures=0, taken=NOON),
    ]
    assert claims.claim(connection, NAMES, now=NOON, limit=5) == []
    assert names(claims.claim(connection, NAMES, now=NOON + timedelta(days=9), limit=5)) == ["c"]
    claims.settle(connection, "b", next_poll_at=NOON + 2 * MINUTE, failures=1)
    assert claims.claim(connection, NAMES, now=NOON + MINUTE, limit=5) == []
    (again,) = claims.claim(connection, NAMES, now=NOON + 2 * MINUTE, limit=5)
    assert (again.name, again.due, again.failures) == ("b", NOON + 2 * MINUTE, 1)


def test_a_claim_heeds_its_limit_and_the_settings(connection: Connection) -> None:
    """No more than there are hands, and nothing that the settings do not name."""
    assert claims.claim(connection, NAMES, now=NOON, limit=0) == []
    assert names(claims.claim(connection, NAMES, now=NOON, limit=1)) == ["b"]
    assert claims.claim(connection, ["c", "unknown", "'"], now=NOON, limit=5) == []
    assert claims.claim(connection, [], now=NOON, limit=5) == []
    assert names(claims.claim(connection, NAMES, now=NOON, limit=5)) == ["a"]


def test_entering_moves_nobody_who_is_on_the_schedule(connection: Connection) -> None:
    """Only new sources are due at once."""
    claims.enter(connection, ["c", "d"], now=NOON + 3 * MINUTE)
    assert claims.schedule(connection, [*NAMES, "d"]) == [
        Planned(name="b", due=NOON - MINUTE, failures=0),
        Planned(name="a", due=NOON, failures=0),
        Planned(name="c", due=NOON + MINUTE, failures=0),
        Planned(name="d", due=NOON + 3 * MINUTE, failures=0),
    ]


def test_a_source_known_from_before_the_schedule_is_entered(connection: Connection) -> None:
    """One that a build refreshed, or that an older version left, has no time yet and is due at once."""
    connection.execute(text("INSERT INTO sources (name) VALUES ('old')"))
    claims.enter(connection, ["old"], now=NOON)
    assert claims.schedule(connection, ["old"]) == [Planned(name="old", due=NOON, failures=0)]


def test_claims_are_taken_back_and_still_due(connection: Connection) -> None:
    """Who had claimed is no more: the source is due as it was."""
    claims.claim(connection, NAMES, now=NOON, limit=5)
    claims.release_all(connection)
    assert [(one.name, one.due) for one in claims.claim(connection, NAMES, now=NOON, limit=5)] == [
        ("b", NOON - MINUTE),
        ("a", NOON),
    ]


def test_hastening_never_delays(connection: Connection) -> None:
    """A source that is due keeps its place in the line, and so its turn."""
    for name in ("b", "c"):
        claims.hasten(connection, name, now=NOON)
    due = {one.name: one.due for one in claims.schedule(connection, NAMES)}
    assert due == {"a": NOON, "b": NOON - MINUTE, "c": NOON}


def test_the_schedule_tells_only_of_those_whom_nobody_is_at_work_on(connection: Connection) -> None:
    """What is claimed is not to be moved under the hands of who works on it."""
    claims.claim(connection, NAMES, now=NOON, limit=1)
    assert names(claims.schedule(connection, NAMES)) == ["a", "c"]


def test_waiting_counts_what_is_due_and_not_at_work(connection: Connection) -> None:
    """The queue, as it is measured."""
    assert claims.waiting(connection, NAMES, now=NOON) == 2
    claims.claim(connection, NAMES, now=NOON, limit=1)
    assert claims.waiting(connection, NAMES, now=NOON) == 1
    assert claims.waiting(connection, [], now=NOON) == 0


@pytest.mark.parametrize("by", [timedelta(days=3650), timedelta(days=-3650), timedelta(hours=1)])
def test_a_shift_moves_all_and_a_claim_learns_of_it(connection: Connection, by: timedelta) -> None:
    """Sources at work are shifted like the others, and who works on them can tell by how much."""
    (claim,) = claims.claim(connection, NAMES, now=NOON, limit=1)
    assert claims.moved(connection, claim) == timedelta()
    claims.shift(connection, by)
    assert claims.moved(connection, claim) == by
    assert {one.name: one.due for one in claims.schedule(connection, NAMES)} == {
        "a": NOON + by,
        "c": NOON + MINUTE + by,
    }


def test_ten_thousand_names_are_one_value(connection: Connection) -> None:
    """However many sources there are, a statement has a handful of values: more would hold up all threads."""
    many = [f"s{number}" for number in range(10_000)]
    asked: list[int] = []

    def note(_1: object, _2: object, _3: str, values: Sequence[object], _4: object, several: bool) -> None:
        asked.append(0 if several else len(values))

    claims.enter(connection, many, now=NOON)
    event.listen(connection, "before_cursor_execute", note)
    assert len(list(claims.due(connection, many, now=NOON))) == 10_000
    assert claims.waiting(connection, many, now=NOON) == 10_000
    assert len(claims.schedule(connection, many)) == 10_000
    assert len(claims.claim(connection, many, now=NOON, limit=7)) == 7
    assert max(asked) < 10


def test_threads_never_claim_the_same(store: Store) -> None:
    """Eight threads that take at once share 200 sources between them, each once."""
    many = [f"s{number}" for number in range(200)]
    with store.transaction() as connection:
        claims.enter(connection, many, now=NOON)

    def take(_: int) -> list[str]:
        with store.transaction() as connection:
            return names(claims.claim(connection, many, now=NOON, limit=7))

    with ThreadPoolExecutor(8) as pool:
        taken = [name for some in pool.map(take, range(40)) for name in some]
    assert sorted(taken) == sorted(many)


# What sites wish


def test_what_is_due_is_told_without_a_claim(connection: Connection) -> None:
    """The longest due first; what somebody is at work on is not told."""
    assert list(claims.due(connection, NAMES, now=NOON)) == ["b", "a"]
    claims.claim(connection, NAMES, now=NOON, limit=1)
    assert list(claims.due(connection, NAMES, now=NOON)) == ["a"]
    assert list(claims.due(connection, ["c"], now=NOON)) == []


def test_what_is_gone_is_not_on_the_schedule(connection: Connection) -> None:
    """It is not due, not claimed, not counted and not planned, until it is to be asked again."""
    row = polls.source_state(connection, "b").row
    visits.note_gone(connection, row, at=NOON)
    assert list(claims.due(connection, NAMES, now=NOON)) == ["a"]
    assert names(claims.schedule(connection, NAMES)) == ["a", "c"]
    assert claims.waiting(connection, NAMES, now=NOON) == 1
    assert names(claims.claim(connection, NAMES, now=NOON, limit=5)) == ["a"]
    visits.note_gone(connection, row, at=None)
    assert list(claims.due(connection, NAMES, now=NOON)) == ["b"]


def test_a_wish_stands_on_the_schedule_and_is_shifted_with_it(connection: Connection) -> None:
    """A clock that is set makes it neither longer nor shorter."""
    visits.note_wish(connection, polls.source_state(connection, "a").row, not_before=NOON + 5 * MINUTE)
    claims.shift(connection, timedelta(days=9))
    (planned,) = claims.schedule(connection, ["a"])
    moved = NOON + timedelta(days=9)
    assert planned == Planned(name="a", due=moved, failures=0, not_before=moved + 5 * MINUTE)
