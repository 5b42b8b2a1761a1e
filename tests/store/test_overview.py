"""What the owner is shown of many sources at once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from feedbridge.store import overview, polls, schema
from feedbridge.store.database import Store
from feedbridge.store.overview import Counts, Hour
from feedbridge.store.polls import Poll
from feedbridge.store.times import to_ms

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAMES = ["broken", "failing", "fine", "gone", "new"]


@pytest.fixture
def rows(store: Store) -> dict[str, int]:
    """Sources that stand in different ways, and one that is no longer in the settings."""
    ways: dict[str, dict[str, object]] = {
        "fine": {"succeeded_at": to_ms(NOON), "next_poll_at": to_ms(NOON + HOUR)},
        "failing": {"failures": 4, "next_poll_at": to_ms(NOON)},
        "broken": {"failures": 5, "claimed_at": to_ms(NOON), "claimed_by": "x", "next_poll_at": to_ms(NOON)},
        "gone": {"gone_at": to_ms(NOON), "next_poll_at": to_ms(NOON)},
        "new": {"next_poll_at": to_ms(NOON)},
        "left": {"failures": 9, "next_poll_at": to_ms(NOON)},
    }
    found = {}
    with store.transaction() as connection:
        for name, values in ways.items():
            found[name] = polls.source_state(connection, name).row
            connection.execute(update(schema.sources).where(schema.sources.c.name == name).values(**values))
    return found


def article(row: int, number: int, published: datetime, *, removed: bool = False) -> dict[str, object]:
    at = to_ms(published)
    return {
        "source_id": row,
        "uid": f"urn:x:{row}:{number}",
        "revision": row * 1000 + number,
        "published": at,
        "updated": at,
        "first_seen": at,
        "changed": at,
        "removed_at": at if removed else None,
        "late": False,
        "content_hash": "x",
        "normaliser": 1,
        "title": f"{number}",
        "details": "{}",
        "content": "",
    }


def test_sources_are_counted_by_how_they_stand(store: Store, rows: dict[str, int]) -> None:
    """Those of the settings alone."""
    with store.transaction() as connection:
        found = overview.counts(connection, NAMES, broken_after=5, now=NOON)
    assert found == Counts(sources=5, broken=2, failing=1, due=2, at_work=1)


def test_those_in_trouble_come_first(store: Store, rows: dict[str, int]) -> None:
    """Then by name, page by page; or they alone."""

    def page(*, in_trouble: bool, limit: int = 10, offset: int = 0) -> list[str]:
        with store.transaction() as connection:
            found = overview.standings(
                connection, NAMES, broken_after=5, in_trouble=in_trouble, limit=limit, offset=offset
            )
        return [one.name for one in found]

    assert page(in_trouble=False) == ["broken", "gone", "failing", "fine", "new"]
    assert page(in_trouble=False, limit=2, offset=2) == ["failing", "fine"]
    assert page(in_trouble=True) == ["broken", "gone", "failing"]


def test_the_last_errors(store: Store, rows: dict[str, int]) -> None:
    """Of the sources that are asked for; a success after them does not hide them."""
    with store.transaction() as connection:
        for name in ("fine", "failing", "broken"):
            for number, error in enumerate([None, "old", f"last of {name}", None]):
                at = NOON + number * HOUR
                polls.record(connection, rows[name], Poll(started_at=at, finished_at=at, error=error))
        found = overview.last_errors(connection, [rows["failing"], rows["broken"], rows["new"]])
    assert {row: poll.error for row, poll in found.items()} == {
        rows["failing"]: "last of failing",
        rows["broken"]: "last of broken",
    }


def test_refreshes_by_the_hour(store: Store, rows: dict[str, int]) -> None:
    """How many went how, and how long they took."""
    took = timedelta(seconds=2)
    with store.transaction() as connection:
        for minutes, error, new in ((-1, None, 1), (0, None, 1), (5, None, 0), (59, "no", 0), (60, None, 0)):
            at = NOON + timedelta(minutes=minutes)
            poll = Poll(started_at=at, finished_at=at + took * (1 + 3 * (minutes == 5)), error=error, new=new)
            polls.record(connection, rows["fine"], poll)
        found = overview.hours(connection, since=NOON)
    assert found == [
        Hour(start=NOON, changed=1, unchanged=1, failed=1, seconds=4.0, longest=8.0),
        Hour(start=NOON + HOUR, unchanged=1, seconds=2.0, longest=2.0),
    ]


def test_articles_by_the_day(store: Store, rows: dict[str, int]) -> None:
    """In UTC; days without any are left out."""
    midnight = NOON.replace(hour=0)
    moments = [midnight - timedelta(seconds=1), midnight, midnight + 23 * HOUR, midnight - 9 * DAY]
    with store.transaction() as connection:
        connection.execute(
            insert(schema.articles), [article(rows["fine"], number, at) for number, at in enumerate(moments)]
        )
        found = overview.published_by_day(connection, [rows["fine"], rows["new"]], since=midnight - 5 * DAY)
        assert overview.article_count(connection) == 4
    assert found == {rows["fine"]: {date(2026, 11, 22): 1, date(2026, 11, 23): 2}}


def test_articles_page_by_page(store: Store, rows: dict[str, int]) -> None:
    """The newest first, each once, also where several have one date; what was taken down is left out."""
    with store.transaction() as connection:
        values = [
            article(rows["fine"], number, NOON + (number // 3) * HOUR, removed=number == 4) for number in range(9)
        ]
        connection.execute(insert(schema.articles), values)
        seen: list[str] = []
        before = None
        while page := overview.headlines(connection, rows["fine"], before=before, limit=3):
            seen += [one.title for one in page]
            before = page[-1].row
        assert overview.headlines(connection, rows["fine"], before=10**12, limit=3) == []
    assert seen == ["8", "7", "6", "5", "3", "2", "1", "0"]


def test_the_size_of_a_store(store: Store) -> None:
    """Some kilobytes before anything is kept."""
    assert 30_000 < store.size() < 50_000_000


def test_when_it_began(store: Store, rows: dict[str, int]) -> None:
    """With the first complete refresh."""
    with store.transaction() as connection:
        assert overview.began(connection) is None
        for hours, name in ((2, "fine"), (1, "new")):
            at = NOON + hours * HOUR
            polls.record_success(connection, rows[name], Poll(started_at=at, finished_at=at), shape="x")
        assert overview.began(connection) == NOON + HOUR
