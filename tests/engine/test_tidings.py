"""What workers did is counted by whoever asks the store."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from feedbridge.engine.tidings import Tidings
from feedbridge.metrics import Metrics
from feedbridge.store import polls
from feedbridge.store.database import Store
from feedbridge.store.polls import Poll

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def note(store: Store, name: str, *, new: int = 0, error: str | None = None) -> None:
    with store.transaction() as connection:
        source = polls.source_state(connection, name).row
        done = Poll(started_at=NOON, finished_at=NOON + timedelta(seconds=2), error=error, new=new)
        polls.record(connection, source, done)


def counted(metrics: Metrics) -> dict[str, float]:
    """The refreshes and the new articles that are told of sources."""
    return {
        f"{sample.name[11:-6]} {' '.join(sample.labels.values())}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name in {"feedbridge_polls_total", "feedbridge_articles_new_total"}
    }


def test_each_refresh_is_counted_once(store: Store) -> None:
    """Those of before are not, nor is any twice."""
    metrics = Metrics()
    tidings = Tidings(store, metrics)
    note(store, "a", new=9)
    assert tidings.count() == set()
    assert counted(metrics) == {}
    note(store, "a", new=2)
    note(store, "b")
    assert tidings.count() == {"a"}
    note(store, "b", error="away")
    assert tidings.count() == tidings.count() == set()
    assert counted(metrics) == {
        "polls a changed": 1,
        "polls b unchanged": 1,
        "polls b failed": 1,
        "articles_new a": 2,
        "articles_new b": 0,
    }


def test_what_was_noted_first_may_be_seen_last(postgresql: "PostgreSQL") -> None:
    """A transaction that ends after a later one is not overlooked."""
    with Store(postgresql.make(), write=True, shared=True) as store:
        note(store, "a")
        note(store, "b")
        metrics = Metrics()
        tidings = Tidings(store, metrics)
        tidings.count()
        with store.transaction() as slow:
            polls.record(slow, 1, Poll(started_at=NOON, finished_at=NOON, new=1))
            note(store, "b", new=1)
            assert tidings.count() == {"b"}
        assert tidings.count() == {"a"}
