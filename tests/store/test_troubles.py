"""What broke and what recovered."""

from datetime import UTC, datetime, timedelta

import pytest

from feedbridge.store import polls, troubles
from feedbridge.store.database import Store
from feedbridge.store.polls import Poll

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def voa(store: Store) -> int:
    """The row of a source."""
    with store.transaction() as connection:
        return polls.source_state(connection, "voa").row


def told(store: Store) -> list[tuple[str, datetime, datetime | None]]:
    with store.transaction() as connection:
        return [(one.reason, one.broke_at, one.healed_at) for one in troubles.latest(connection, limit=10)]


def test_a_trouble_is_told_once(store: Store, voa: int) -> None:
    """However often it is noted until it ends; the next one is another."""
    for number in range(3):
        with store.transaction() as connection:
            troubles.begin(connection, "voa", at=NOON + number * HOUR, reason=f"reason {number}")
    assert told(store) == [("reason 0", NOON, None)]
    with store.transaction() as connection:
        troubles.end(connection, voa, at=NOON + 4 * HOUR)
        troubles.end(connection, voa, at=NOON + 5 * HOUR)
        troubles.begin(connection, "voa", at=NOON + 6 * HOUR, reason="again")
        ids = {one.uid for one in troubles.latest(connection, limit=10)}
    assert told(store) == [("again", NOON + 6 * HOUR, None), ("reason 0", NOON, NOON + 4 * HOUR)]
    assert len(ids) == 2
    assert all(one.startswith("urn:uuid:") for one in ids)


def test_a_success_ends_it(store: Store, voa: int) -> None:
    """Whoever refreshed the source: a daemon or a build."""
    with store.transaction() as connection:
        troubles.begin(connection, "voa", at=NOON, reason="no")
        polls.record(connection, voa, Poll(started_at=NOON + HOUR, finished_at=NOON + HOUR, error="no"))
    assert told(store) == [("no", NOON, None)]
    with store.transaction() as connection:
        well = Poll(started_at=NOON + 2 * HOUR, finished_at=NOON + 3 * HOUR)
        polls.record_success(connection, voa, well, shape="x")
    assert told(store) == [("no", NOON, NOON + 2 * HOUR)]


def test_nothing_recovers_before_it_broke(store: Store, voa: int) -> None:
    """The clock may have been set back meanwhile."""
    with store.transaction() as connection:
        troubles.begin(connection, "voa", at=NOON, reason="no")
        troubles.end(connection, voa, at=NOON - HOUR)
    assert told(store) == [("no", NOON, NOON)]


def test_a_source_that_is_not_known_has_none(store: Store) -> None:
    """It has been taken out of the settings, and forgotten."""
    with store.transaction() as connection:
        troubles.begin(connection, "nobody", at=NOON, reason="no")
    assert told(store) == []


def test_the_latest_are_those_in_which_something_happened_last(store: Store, voa: int) -> None:
    """What recovered just now comes before what broke a while ago."""
    with store.transaction() as connection:
        polls.source_state(connection, "rfa")
        troubles.begin(connection, "voa", at=NOON, reason="first")
        troubles.begin(connection, "rfa", at=NOON + HOUR, reason="second")
        troubles.end(connection, voa, at=NOON + 2 * HOUR)
        assert [one.source for one in troubles.latest(connection, limit=1)] == ["voa"]


def test_old_ones_are_forgotten(store: Store, voa: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But none that is not over."""
    monkeypatch.setattr(troubles, "KEPT", 3)
    with store.transaction() as connection:
        polls.source_state(connection, "rfa")
        troubles.begin(connection, "rfa", at=NOON, reason="for ever")
        for number in range(8):
            troubles.begin(connection, "voa", at=NOON + number * HOUR, reason=f"{number}")
            troubles.end(connection, voa, at=NOON + number * HOUR)
    assert [reason for reason, _, _ in told(store)] == ["7", "6", "5", "for ever"]
