"""Sources, and how their refreshes went."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from feedbridge.model import Article
from feedbridge.store import articles, polls, visits
from feedbridge.store.articles import Kept, KnownFile
from feedbridge.store.database import Store
from feedbridge.store.polls import POLLS_KEPT, Poll, SourceState, SourceSummary

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def poll(started_at: datetime, error: str | None = None) -> Poll:
    return Poll(started_at=started_at, finished_at=started_at + HOUR, error=error, new=1, changed=2, unusable=3)


def test_source_is_entered_once(store: Store) -> None:
    """Asking for a source enters it; asking again gives the same row."""
    with store.transaction() as connection:
        first = polls.source_state(connection, "来源 '1'")
        assert first == SourceState(row=1, shape=None, completed_at=None, succeeded_at=None)
        assert polls.source_state(connection, "来源 '1'") == first
        assert polls.source_state(connection, "other").row == 2


def test_first_complete_refresh_is_remembered_for_good(store: Store) -> None:
    """Later successes move `succeeded_at` and the shape, not `completed_at`."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        polls.record_success(connection, 1, poll(NOON), shape="a")
        polls.record_success(connection, 1, poll(NOON + HOUR), shape="b")
        state = polls.source_state(connection, "voa")
    assert state == SourceState(row=1, shape="b", completed_at=NOON, succeeded_at=NOON + HOUR)


def test_shape_is_noted_when_reading_begins(store: Store) -> None:
    """The first refresh notes what shapes it at once; another shape makes all doubtful until it has been read whole."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        shapes = []
        for shape in ("a", "b", "a"):
            polls.begin(connection, 1, shape=shape)
            shapes.append(polls.source_state(connection, "voa").shape)
        polls.record_success(connection, 1, poll(NOON), shape="a")
        assert [*shapes, polls.source_state(connection, "voa").shape] == ["a", "", "", "a"]


def test_failure_changes_nothing_but_the_notes(store: Store) -> None:
    """After a failure the source's state is what it was, and the failure is the last error."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        polls.record_success(connection, 1, poll(NOON), shape="a")
        before = polls.source_state(connection, "voa")
        polls.record(connection, 1, poll(NOON + HOUR, error="is the folder mounted?"))
        assert polls.source_state(connection, "voa") == before
        found = polls.summary(connection, "voa", now=NOON, normaliser=1)
    assert found.last_error == poll(NOON + HOUR, error="is the folder mounted?")
    assert found.last_success == NOON


def test_last_error_is_told_after_later_successes(store: Store) -> None:
    """What went wrong, and when, stands there until it is forgotten with the other old notes."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        for count, error in enumerate(["first", "second", None, None]):
            polls.record(connection, 1, poll(NOON + count * HOUR, error=error))
        assert polls.summary(connection, "voa", now=NOON, normaliser=1).last_error == poll(NOON + HOUR, error="second")
        for count in range(POLLS_KEPT):
            polls.record(connection, 1, poll(NOON + (4 + count) * HOUR))
        assert polls.summary(connection, "voa", now=NOON, normaliser=1).last_error is None


def test_history_holds_the_newest_of_the_source_alone(store: Store) -> None:
    """Newest first, no more than asked for; what was taken down had been published all the same."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        polls.source_state(connection, "rfa")
        rows = articles.add(connection, 1, [_kept(number, NOON - number * HOUR) for number in (3, 1, 2)])
        articles.add(connection, 2, [_kept(9, NOON)])
        articles.remove(connection, rows[1], now=NOON)
        assert polls.history(connection, "voa") == [NOON - HOUR, NOON - 2 * HOUR, NOON - 3 * HOUR]
        assert polls.history(connection, "voa", limit=1) == [NOON - HOUR]
        assert polls.history(connection, "unknown") == []
        assert polls.count(connection, "voa") == 2


def test_old_notes_are_dropped_source_by_source(store: Store) -> None:
    """Only the latest refreshes of each source are remembered; another source's stay."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        polls.source_state(connection, "rfa")
        polls.record(connection, 2, poll(NOON))
        for count in range(POLLS_KEPT + 5):
            polls.record(connection, 1, poll(NOON + count * HOUR))
        rows = connection.exec_driver_sql("SELECT source_id, count(*) FROM polls GROUP BY 1 ORDER BY 1").all()
        assert [tuple(row) for row in rows] == [(1, POLLS_KEPT), (2, 1)]
        oldest = connection.exec_driver_sql("SELECT min(started_at) FROM polls WHERE source_id = 1").scalar()
        assert oldest == (NOON + 5 * HOUR).timestamp() * 1000


def test_what_a_site_wishes_is_part_of_the_state(store: Store) -> None:
    """A wish and an end are kept by a success as by a failure, until they are taken back."""
    with store.transaction() as connection:
        polls.source_state(connection, "blog")
        visits.note_wish(connection, 1, not_before=NOON + HOUR)
        visits.note_gone(connection, 1, at=NOON)
        polls.record_success(connection, 1, poll(NOON), shape="a")
        polls.record(connection, 1, poll(NOON, error="410"))
        state = polls.source_state(connection, "blog")
        assert (state.not_before, state.gone_at) == (NOON + HOUR, NOON)
        found = polls.summary(connection, "blog", now=NOON, normaliser=1)
        assert (found.not_before, found.gone_at) == (NOON + HOUR, NOON)
        visits.note_wish(connection, 1, not_before=None)
        visits.note_gone(connection, 1, at=None)
        state = polls.source_state(connection, "blog")
        assert (state.not_before, state.gone_at) == (None, None)


def test_a_shape_is_noted_once_all_was_read_by_it(store: Store) -> None:
    """It ends the doubt that `begin` left, without a success."""
    with store.transaction() as connection:
        polls.source_state(connection, "blog")
        polls.record_success(connection, 1, poll(NOON), shape="a")
        polls.begin(connection, 1, shape="b")
        polls.note_shape(connection, 1, shape="b")
        state = polls.source_state(connection, "blog")
    assert (state.shape, state.succeeded_at) == ("b", NOON)


def test_the_last_success_says_whether_it_brought_something(store: Store) -> None:
    """A failure since then changes nothing; before the first success nobody knows."""
    brought = []
    with store.transaction() as connection:
        for name in ("voa", "other"):
            polls.source_state(connection, name)
        polls.record(connection, 2, poll(NOON))
        for one in (poll(NOON, error="away"), replace(poll(NOON), new=0), replace(poll(NOON), new=0, changed=0)):
            polls.record(connection, 1, one)
            polls.record(connection, 1, poll(NOON, error="away"))
            brought.append(polls.summary(connection, "voa", now=NOON, normaliser=1).unchanged)
    assert brought == [None, False, True]


def test_unknown_source_has_an_empty_summary(store: Store) -> None:
    """A source that was never refreshed is told as such, and is not entered by the question."""
    with store.transaction() as connection:
        found = polls.summary(connection, "voa", now=NOON, normaliser=1)
        assert polls.source_state(connection, "other").row == 1
    assert found == SourceSummary(
        name="voa",
        articles=0,
        new_in_a_day=0,
        newest=None,
        old_rules=0,
        last_success=None,
        last_error=None,
        failures=0,
        next_poll_at=None,
        history=(),
        unusable=(),
    )


def test_summary_counts_what_readers_have(store: Store) -> None:
    """Tombstones and missing files are not counted; articles of older rules are."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
        first = _kept(1, NOON - 3 * HOUR)
        old = replace(_kept(2, NOON - timedelta(days=2)), normaliser=0)
        rows = articles.add(connection, 1, [first, old, _kept(3, NOON)])
        articles.remove(connection, rows[2], now=NOON)
        bad = KnownFile(key="bad.md", size=1, mtime_ns=1, unusable="is empty")
        articles.keep_files(connection, 1, [bad, replace(bad, key="away.md", missing=True)])
        found = polls.summary(connection, "voa", now=NOON, normaliser=1)
    assert found == SourceSummary(
        name="voa",
        articles=2,
        new_in_a_day=1,
        newest=NOON - 3 * HOUR,
        old_rules=1,
        last_success=None,
        last_error=None,
        history=(NOON, NOON - 3 * HOUR, NOON - timedelta(days=2)),
        unusable=(("bad.md", "is empty"),),
    )


def _kept(number: int, first_seen: datetime) -> Kept:
    article = Article(
        id=f"urn:example:{number}",
        source="voa",
        title="Title",
        link=None,
        published=first_seen,
        updated=first_seen,
        first_seen=first_seen,
        changed=first_seen,
        content_hash="1:00",
    )
    return Kept(article=article, normaliser=1)
