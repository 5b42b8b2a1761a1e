"""What workers did, on whichever machine, as the store tells it: for the metrics of the whole installation."""

from feedbridge.metrics import Metrics
from feedbridge.store import polls
from feedbridge.store.database import Store

_LATE = 200
"""So many of the latest refreshes are looked at again: who notes one first may end the transaction last."""


class Tidings:
    """Counts the refreshes that are noted in the store, each once."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._newest: int | None = None
        self._seen: set[int] = set()

    def count(self) -> set[str]:
        """Count the refreshes that were noted since the last time; gives the sources that brought something new.

        The first time says where to begin.
        """
        is_first = self._newest is None
        with self._store.transaction() as connection:
            newest = polls.newest(connection) if self._newest is None else self._newest
            noted = polls.noted(connection, after=newest - _LATE)
        fresh = [] if is_first else [(source, poll) for row, source, poll in noted if row not in self._seen]
        for source, poll in fresh:
            outcome = "failed" if poll.error else "changed" if poll.new or poll.changed else "unchanged"
            self._metrics.poll(source, outcome, (poll.finished_at - poll.started_at).total_seconds())
            self._metrics.articles(source, new=poll.new, changed=poll.changed)
        self._seen = {row for row, _, _ in noted}
        self._newest = max(self._seen, default=newest)
        return {source for source, poll in fresh if poll.new}
