"""Which sources are due, and who is at work on them."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event, select, text

from feedbridge.store import claims, polls, visits
from feedbridge.store.claims import Claim, Planned
from feedbridge.store.database import Store
from feedbridge.store.schema import holders

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAMES = ["a", "b", "c"]
ME = "me"


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction on a store with three sources: a is due at noon, b a minute before, c a minute later."""
    with store.transaction() as connection:
        claims.hold(connection, ME, lease=None)
        claims.enter(connection, NAMES, now=NOON)
        claims.set_due(connection, {"b": NOON - MINUTE, "c": NOON + MINUTE})
        yield connection


def names(found: list[Claim] | list[Planned]) -> list[str]:
    return [one.name for one in found]


def test_what_is_due_is_claimed_once_the_longest_due_first(connection: Connection) -> None:
    """A source that is claimed is nobody else's until it is settled, however long it takes."""
    first = claims.claim(connection, NAMES, holder=ME, now=NOON, limit=5)
    assert first == [
        Claim(name="b", due=NOON - MINUTE, failures=0, taken=NOON, holder=ME),
        Claim(name="a", due=NOON, failures=0, taken=NOON, holder=ME),
    ]
    assert claims.claim(connection, NAMES, holder=ME, now=NOON, limit=5) == []
    assert names(claims.claim(connection, NAMES, holder=ME, now=NOON + timedelta(days=9), limit=5)) == ["c"]
    assert claims.settle(connection, first[0], next_poll_at=NOON + 2 * MINUTE, failures=1)
    assert claims.claim(connection, NAMES, holder=ME, now=NOON + MINUTE, limit=5) == []
    (again,) = claims.claim(connection, NAMES, holder=ME, now=NOON + 2 * MINUTE, limit=5)
    assert (again.name, again.due, again.failures) == ("b", NOON + 2 * MINUTE, 1)


def test_a_claim_heeds_its_limit_and_the_settings(connection: Connection) -> None:
    """No more than there are hands, and nothing that the settings do not name."""
    assert claims.claim(connection, NAMES, holder=ME, now=NOON, limit=0) == []
    assert names(claims.claim(connection, NAMES, holder=ME, now=NOON, limit=1)) == ["b"]
    assert claims.claim(connection, ["c", "unknown", "'"], holder=ME, now=NOON, limit=5) == []
    assert claims.claim(connection, [], holder=ME, now=NOON, limit=5) == []
    assert names(claims.claim(connection, NAMES, holder=ME, now=NOON, limit=5)) == ["a"]


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


def test_hastening_never_delays(connection: Connection) -> None:
    """A source that is due keeps its place in the line, and so its turn."""
    for name in ("b", "c"):
        claims.hasten(connection, name, now=NOON)
    due = {one.name: one.due for one in claims.schedule(connection, NAMES)}
    assert due == {"a": NOON, "b": NOON - MINUTE, "c": NOON}


def test_the_schedule_tells_only_of_those_whom_nobody_is_at_work_on(connection: Connection) -> None:
    """What is claimed is not to be moved under the hands of who works on it."""
    claims.claim(connection, NAMES, holder=ME, now=NOON, limit=1)
    assert names(claims.schedule(connection, NAMES)) == ["a", "c"]


def test_waiting_counts_what_is_due_and_not_at_work(connection: Connection) -> None:
    """The queue, as it is measured."""
    assert claims.waiting(connection, NAMES, now=NOON) == 2
    claims.claim(connection, NAMES, holder=ME, now=NOON, limit=1)
    assert claims.waiting(connection, NAMES, now=NOON) == 1
    assert claims.waiting(connection, [], now=NOON) == 0


@pytest.mark.parametrize("by", [timedelta(days=3650), timedelta(days=-3650), timedelta(hours=1)])
def test_a_shift_moves_all_and_a_claim_learns_of_it(connection: Connection, by: timedelta) -> None:
    """Sources at work are shifted like the others, and who works on them can tell by how much."""
    (claim,) = claims.claim(connection, NAMES, holder=ME, now=NOON, limit=1)
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
    assert len(claims.claim(connection, many, holder=ME, now=NOON, limit=7)) == 7
    assert max(asked) < 10


def test_threads_never_claim_the_same(store: Store) -> None:
    """Eight threads that take at once share 200 sources between them, each once."""
    many = [f"s{number}" for number in range(200)]
    with store.transaction() as connection:
        claims.hold(connection, ME, lease=None)
        claims.enter(connection, many, now=NOON)

    def take(_: int) -> list[str]:
        with store.transaction() as connection:
            return names(claims.claim(connection, many, holder=ME, now=NOON, limit=7))

    with ThreadPoolExecutor(8) as pool:
        taken = [name for some in pool.map(take, range(40)) for name in some]
    assert sorted(taken) == sorted(many)


# Whose claims they are


def test_whoever_has_the_store_alone_takes_back_what_all_others_claimed(connection: Connection) -> None:
    """Who had claimed is no more, whatever its lease: the source is due as it was. Our own claims stay."""
    for holder, lease in (("alone", None), ("shared", MINUTE)):
        claims.hold(connection, holder, lease=lease)
        assert len(claims.claim(connection, NAMES, holder=holder, now=NOON, limit=1)) == 1
    (mine,) = claims.claim(connection, NAMES, holder=ME, now=NOON + MINUTE, limit=5)
    claims.release_abandoned(connection, ME, is_alone=True)
    assert [(one.name, one.due) for one in claims.claim(connection, NAMES, holder=ME, now=NOON, limit=5)] == [
        ("b", NOON - MINUTE),
        ("a", NOON),
    ]
    assert claims.settle(connection, mine, next_poll_at=NOON, failures=0)


def test_those_who_share_take_back_what_nobody_holds_any_more(connection: Connection) -> None:
    """Whose lease has ended, or who had the store alone, is no more; who has a lease keeps what it claimed."""
    for holder, lease in (("dead", MINUTE), ("living", MINUTE), ("alone", None)):
        claims.hold(connection, holder, lease=lease)
        assert len(claims.claim(connection, NAMES, holder=holder, now=NOON + MINUTE, limit=1)) == 1
    claims.hold(connection, "dead", lease=-MINUTE)
    claims.hold(connection, ME, lease=MINUTE)
    claims.release_abandoned(connection, ME, is_alone=False)
    assert names(claims.claim(connection, NAMES, holder=ME, now=NOON + MINUTE, limit=5)) == ["b", "c"]


def test_who_has_no_lease_claims_nothing(connection: Connection) -> None:
    """Be it unknown, or be its lease at an end, until it is renewed."""
    claims.hold(connection, "late", lease=-MINUTE)
    for holder in ("unknown", "late"):
        assert claims.claim(connection, NAMES, holder=holder, now=NOON, limit=5) == []
    claims.hold(connection, "late", lease=MINUTE)
    assert names(claims.claim(connection, NAMES, holder="late", now=NOON, limit=5)) == ["b", "a"]


def test_a_lease_that_ended_is_good_until_somebody_takes_the_claims_back(connection: Connection) -> None:
    """Who was silent for a while and speaks again before that has lost nothing."""
    claims.hold(connection, "late", lease=MINUTE)
    (claim, _) = claims.claim(connection, NAMES, holder="late", now=NOON, limit=5)
    for lease in (-MINUTE, MINUTE):
        claims.hold(connection, "late", lease=lease)
    claims.release_abandoned(connection, ME, is_alone=False)
    assert claims.settle(connection, claim, next_poll_at=NOON, failures=0)


def test_a_claim_that_was_taken_back_settles_nothing(connection: Connection) -> None:
    """Neither what is free again, nor what another claimed, nor what the same one claimed once more."""
    claims.hold(connection, "other", lease=None)
    (old, _) = claims.claim(connection, NAMES, holder="other", now=NOON, limit=5)
    claims.leave(connection, "other")
    assert not claims.settle(connection, old, next_poll_at=NOON + 9 * MINUTE, failures=9)
    claims.hold(connection, "other", lease=None)
    for holder, at in ((ME, NOON), ("other", NOON + MINUTE)):
        (new,) = claims.claim(connection, NAMES, holder=holder, now=at, limit=1)
        assert not claims.settle(connection, old, next_poll_at=NOON + 9 * MINUTE, failures=9)
        assert (new.name, new.due, new.failures) == ("b", NOON - MINUTE, 0)
        assert claims.settle(connection, new, next_poll_at=new.due, failures=0)


def test_who_leaves_gives_back_its_own_and_claims_no_more(connection: Connection) -> None:
    """What others claimed stays theirs."""
    claims.hold(connection, "other", lease=None)
    assert names(claims.claim(connection, NAMES, holder="other", now=NOON, limit=1)) == ["b"]
    assert names(claims.claim(connection, NAMES, holder=ME, now=NOON, limit=1)) == ["a"]
    claims.leave(connection, ME)
    assert claims.claim(connection, NAMES, holder=ME, now=NOON, limit=5) == []
    assert list(claims.due(connection, NAMES, now=NOON)) == ["a"]


def test_a_lease_is_measured_by_the_clock_of_the_database(connection: Connection) -> None:
    """In epoch milliseconds, as ours is."""
    claims.hold(connection, ME, lease=MINUTE)
    expires_at = connection.scalar(select(holders.c.expires_at).where(holders.c.name == ME))
    assert expires_at is not None
    assert abs(expires_at - (time.time() + 60) * 1000) < 10_000


# What sites wish


def test_what_is_due_is_told_without_a_claim(connection: Connection) -> None:
    """The longest due first; what somebody is at work on is not told."""
    assert list(claims.due(connection, NAMES, now=NOON)) == ["b", "a"]
    claims.claim(connection, NAMES, holder=ME, now=NOON, limit=1)
    assert list(claims.due(connection, NAMES, now=NOON)) == ["a"]
    assert list(claims.due(connection, ["c"], now=NOON)) == []


def test_what_is_gone_is_not_on_the_schedule(connection: Connection) -> None:
    """It is not due, not claimed, not counted and not planned, until it is to be asked again."""
    row = polls.source_state(connection, "b").row
    visits.note_gone(connection, row, at=NOON)
    assert list(claims.due(connection, NAMES, now=NOON)) == ["a"]
    assert names(claims.schedule(connection, NAMES)) == ["a", "c"]
    assert claims.waiting(connection, NAMES, now=NOON) == 1
    assert names(claims.claim(connection, NAMES, holder=ME, now=NOON, limit=5)) == ["a"]
    visits.note_gone(connection, row, at=None)
    assert list(claims.due(connection, NAMES, now=NOON)) == ["b"]


def test_a_wish_stands_on_the_schedule_and_is_shifted_with_it(connection: Connection) -> None:
    """A clock that is set makes it neither longer nor shorter."""
    visits.note_wish(connection, polls.source_state(connection, "a").row, not_before=NOON + 5 * MINUTE)
    claims.shift(connection, timedelta(days=9))
    (planned,) = claims.schedule(connection, ["a"])
    moved = NOON + timedelta(days=9)
    assert planned == Planned(name="a", due=moved, failures=0, not_before=moved + 5 * MINUTE)
