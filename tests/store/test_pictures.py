"""Pictures, as the store gives them back."""

from datetime import UTC, datetime, timedelta

from feedbridge.store import feeds, pictures
from feedbridge.store.database import Store
from feedbridge.store.pictures import Host, Wanted

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_host_is_asked_for_what_was_there_and_else_for_what_was_never_looked_for(store: Store) -> None:
    """And then for what was looked for longest ago."""
    addresses = [f"https://a.example/{number}.jpg" for number in range(3)]
    with store.transaction() as connection:
        feed = feeds.add_feed(connection, family="news", name="news", value=None, uid="urn:f", created_at=NOON)
        pictures.show(connection, feed, 0, {address: Wanted(check=True) for address in addresses})
        pictures.keep_host(connection, Host(host="a.example", due_at=NOON, checked_at=NOON))
        rows = {address: one.row for address, one in pictures.known(connection, addresses).items()}
        asked = []
        for hour in range(4):
            (due,) = pictures.due_hosts(connection, now=NOON + hour * HOUR)
            asked.append(due.picture.address)
            now = NOON + hour * HOUR
            pictures.keep_missing(connection, due.picture.row, now=now, due_at=now, reason="404")
        assert sorted(asked[:3]) == addresses
        assert asked[3] == asked[0]
        found = rows[asked[1]]
        pictures.keep_found(
            connection,
            found,
            now=NOON,
            due_at=NOON,
            media_type="image/png",
            width=1,
            height=1,
            size=None,
            copy=None,
        )
        assert [one.picture.row for one in pictures.due_hosts(connection, now=NOON)] == [found]


def test_showing_again_is_no_harm(store: Store) -> None:
    """A picture is known once, however many documents show it, and however often that is noted."""
    wanted = {"https://a.example/1.jpg": Wanted(copy=True, check=True, also=("https://b.example/1.jpg",))}
    with store.transaction() as connection:
        feed = feeds.add_feed(connection, family="news", name="news", value=None, uid="urn:f", created_at=NOON)
        for number in (0, 1, 1):
            pictures.show(connection, feed, number, wanted)
        assert [due.picture.also for due in pictures.due(connection, now=NOON, limit=5)] == [
            ("https://b.example/1.jpg",)
        ]
        (counts,) = pictures.counts(connection)
        assert (counts.host, counts.unknown, counts.copied_bytes) == ("a.example", 1, 0)
