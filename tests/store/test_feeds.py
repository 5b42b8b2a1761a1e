"""Feeds as the store keeps them: their order, their documents, the files that were written."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from feedbridge.model import Article
from feedbridge.store import articles, feeds, polls
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store
from feedbridge.store.feeds import SUBSCRIPTION, Family, FeedRow, Output, Placed, Stand

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction with 20 articles, rows 1 to 20, and the feed `news`, row 1."""
    with store.transaction() as opened:
        polls.source_state(opened, "voa")
        assert articles.add(opened, 1, [_article(number) for number in range(1, 21)]) == list(range(1, 21))
        feeds.add_feed(opened, family="news", name="news", value=None, uid="urn:news", created_at=NOON)
        yield opened


def _article(number: int) -> Kept:
    article = Article(
        id=f"urn:example:{number:02}",
        source="voa",
        title="Title",
        link=None,
        published=NOON,
        updated=NOON,
        first_seen=NOON,
        changed=NOON,
        content_hash="1:00",
    )
    return Kept(article=article, normaliser=1)


def placed(number: int, *, feed: int = 1, at: int | None = None, document: int | None = None) -> Placed:
    return Placed(
        feed=feed,
        article=number,
        uid=f"urn:example:{number:02}",
        ordered_at=number if at is None else at,
        published=NOON,
        document=document,
    )


def news(connection: Connection) -> FeedRow:
    (feed,) = feeds.feeds_of(connection, "news")
    return feed


def test_feed_comes_back_as_it_was_entered(connection: Connection) -> None:
    """A new feed has no limits yet, and its subscription document is due."""
    expected = FeedRow(row=1, name="news", value=None, uid="urn:news", created_at=NOON, limits="", floor=None)
    assert feeds.feeds_of(connection, "news") == [expected]
    assert feeds.documents_of(connection, expected) == {SUBSCRIPTION: True}
    feeds.note_layout(connection, 1, limits="50/1", floor=7)
    assert (news(connection).limits, news(connection).floor) == ("50/1", 7)
    assert feeds.feeds_of(connection, "other") == []


def test_family_is_remembered(connection: Connection) -> None:
    """An unknown family has come nowhere; what is kept replaces what was known."""
    assert feeds.family(connection, "news") == Family(selection="", look="", revision=0)
    for known in (Family(selection="a", look="b", revision=7), Family(selection="c", look="d", revision=9)):
        feeds.keep_family(connection, "news", known)
        assert feeds.family(connection, "news") == known


def test_forgotten_families_leave_nothing_behind(connection: Connection) -> None:
    """Feeds, entries and documents of a family that the settings no longer have are dropped; the others stay."""
    other = feeds.add_feed(connection, family="old", name="old", value=None, uid="urn:old", created_at=NOON)
    feeds.add_entries(connection, [placed(1), placed(1, feed=other)])
    feeds.keep_family(connection, "old", Family(revision=3))
    feeds.forget_families(connection, but=["news"])
    assert feeds.feeds_of(connection, "old") == []
    assert feeds.all_entries(connection, "old") == set()
    assert feeds.family(connection, "old") == Family()
    assert feeds.all_entries(connection, "news") == {(1, 1)}
    feeds.forget_families(connection, but=[])
    assert feeds.feeds_of(connection, "news") == []


def test_feeds_without_entries_are_forgotten(connection: Connection) -> None:
    """A feed about a value goes with its last entry; the one of a whole table stays unless the table has values."""
    for value in ("full", "empty"):
        feeds.add_feed(connection, family="news", name=value, value=value, uid=f"urn:{value}", created_at=NOON)
    feeds.add_entries(connection, [placed(1, feed=2)])
    feeds.mark_dirty(connection, [(2, 1), (3, 1)])
    feeds.forget_empty_feeds(connection, "other", by_value=True)
    feeds.forget_empty_feeds(connection, "news", by_value=False)
    assert [feed.name for feed in feeds.feeds_of(connection, "news")] == ["full", "news"]
    feeds.forget_empty_feeds(connection, "news", by_value=True)
    (left,) = feeds.feeds_of(connection, "news")
    assert (left.name, feeds.documents_of(connection, left)) == ("full", {0: True, 1: True})


def test_entries_are_found_by_article_and_by_id_in_their_family(connection: Connection) -> None:
    """Both ways give the same place, and nothing of another family."""
    other = feeds.add_feed(connection, family="other", name="other", value=None, uid="urn:o", created_at=NOON)
    feeds.add_entries(connection, [placed(number) for number in range(1, 21)] + [placed(1, feed=other)])
    feeds.add_entries(connection, [])
    assert feeds.entries_of(connection, "news", [1, 99, *range(1000, 2000)]) == [placed(1)]
    assert feeds.entries_by_uid(connection, "news", ["urn:example:01", "urn:nothing"]) == [placed(1)]
    assert feeds.entries_of(connection, "news", []) == []
    feeds.drop_entries(connection, [(1, 1), (1, 77)])
    feeds.drop_entries(connection, [])
    assert feeds.entries_of(connection, "news", [1]) == []
    assert feeds.entries_of(connection, "other", [1]) == [placed(1, feed=other)]
    assert feeds.counts(connection, "news") == {1: (19, NOON)}


def test_candidates_are_the_newest_that_are_in_no_archive(connection: Connection) -> None:
    """Newest first, equals by id, at most `limit`; archived ones only from the floor on."""
    feeds.add_entries(connection, [placed(number, document=1) for number in range(1, 6)])
    feeds.add_entries(connection, [placed(6), placed(7), placed(8, at=7)])
    feed = news(connection)
    assert feeds.candidates(connection, feed, limit=2, floor=None) == [placed(8, at=7), placed(7)]
    found = feeds.candidates(connection, feed, limit=9, floor=4)
    assert [place.article for place in found] == [8, 7, 6, 5, 4]
    found = feeds.candidates(connection, feed, limit=9, floor=0)
    assert [place.article for place in found] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_document_holds_its_entries_newest_first(connection: Connection) -> None:
    """An archive document gives its entries in the feed's order; equals are ordered by date, then by id."""
    entries = [placed(number, at=7 if number == 2 else 5, document=1) for number in range(1, 5)]
    entries[2] = replace(entries[2], published=NOON - timedelta(hours=1))
    feeds.add_entries(connection, [*entries, placed(5, document=2), placed(6)])
    feed = news(connection)
    assert [place.article for place in feeds.in_document(connection, feed, 1)] == [2, 4, 1, 3]
    assert feeds.in_document(connection, feed, 3) == []


def test_archive_is_filled_where_it_is_open(connection: Connection) -> None:
    """Before the first document nothing is open; then the last that was entered, with as many as it holds."""
    feeds.add_entries(connection, [placed(number) for number in range(1, 6)])
    feed = news(connection)
    assert feeds.open_archive(connection, feed) == (0, 0)
    assert feeds.unarchived(connection, feed) == [1, 2, 3, 4, 5]
    feeds.archive(connection, feed, {1: 1, 2: 1, 3: 2})
    feeds.archive(connection, feed, {})
    feeds.mark_dirty(connection, [(1, 1), (1, 2)])
    assert feeds.unarchived(connection, feed) == [4, 5]
    assert feeds.open_archive(connection, feed) == (2, 1)
    feeds.mark_dirty(connection, [(1, 3)])
    assert feeds.open_archive(connection, feed) == (3, 0)


def test_documents_are_due_until_they_are_written(connection: Connection) -> None:
    """Marks come and go one by one, and all at once for a family."""
    feeds.add_feed(connection, family="other", name="other", value=None, uid="urn:o", created_at=NOON)
    feeds.mark_dirty(connection, [(1, 2), (1, 1), (1, 2)])
    feeds.mark_dirty(connection, [])
    feeds.mark_clean(connection, [(1, 0), (1, 1), (2, 0)])
    feeds.mark_clean(connection, [])
    assert feeds.documents_of(connection, news(connection)) == {0: False, 1: False, 2: True}
    feeds.mark_all_dirty(connection, "news")
    assert feeds.documents_of(connection, news(connection)) == {0: True, 1: True, 2: True}
    (other,) = feeds.feeds_of(connection, "other")
    assert feeds.documents_of(connection, other) == {0: False}


def test_what_a_document_was_printed_with_is_known_while_it_may_be_copied_from(connection: Connection) -> None:
    """Until all documents are due for another reason than articles, or what became of one is not known."""
    feeds.mark_dirty(connection, [(1, 1)])
    feeds.mark_clean(connection, [(1, 0)])
    assert feeds.stands_of(connection, news(connection)) == {}
    stand = Stand(revision=7, sizes={"urn:example:1": 2**40})
    feeds.mark_clean(connection, [(1, 0), (1, 1)], stand=stand)
    feeds.mark_dirty(connection, [(1, 0)])
    assert feeds.stands_of(connection, news(connection)) == {0: stand, 1: stand}
    feeds.distrust(connection, 1, 0)
    assert feeds.stands_of(connection, news(connection)) == {1: stand}
    feeds.mark_all_dirty(connection, "news")
    assert feeds.stands_of(connection, news(connection)) == {}


def test_written_files_are_remembered_and_forgotten(connection: Connection) -> None:
    """A file written again replaces what was known of it."""
    first, second = Output(path="a", digest="1", size=1), Output(path="目录/b", digest="2", size=2**40)
    feeds.keep_outputs(connection, [first, second])
    feeds.keep_outputs(connection, [Output(path="a", digest="3", size=3)])
    feeds.keep_outputs(connection, [])
    assert feeds.written(connection) == {"a": Output(path="a", digest="3", size=3), "目录/b": second}
    feeds.forget_outputs(connection, ["a", "nothing"])
    feeds.forget_outputs(connection, [])
    assert feeds.written(connection) == {"目录/b": second}


def test_newest_is_the_latest_published(connection: Connection) -> None:
    """Counts come by feed; a feed without entries is not among them."""
    feeds.add_feed(connection, family="news", name="empty", value="x", uid="urn:x", created_at=NOON)
    later = NOON + timedelta(days=1)
    feeds.add_entries(
        connection,
        [placed(1), Placed(feed=1, article=2, uid="urn:example:02", ordered_at=0, published=later)],
    )
    assert feeds.counts(connection, "news") == {1: (2, later)}
