"""What the program counts and measures, for Prometheus."""

import threading
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from feedbridge import __version__

MAX_SOURCES = 200
"""Sources that get a label of their own; the rest are counted together."""

OTHER = "other"
"""The label of the rest."""

CONTENT_TYPE = CONTENT_TYPE_LATEST

_DURATIONS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_LATENESS = (0.1, 1, 5, 15, 60, 300, 900, 3600, 14400)
_LAGS = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.3, 1, 3)


class Metrics:
    """All metrics of one process, in a registry of their own.

    Methods may be called from any thread.
    """

    def __init__(self, *, version: str = __version__, started: float | None = None) -> None:
        """Start at nothing.

        Args:
            version: Told as build info.
            started: When the process began, seconds since the epoch; now, if left out.
        """
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._sources: set[str] = set()
        self._kept_by_others: dict[str, int] = {}
        self._make_poll_metrics()
        self._make_serving_metrics()
        build = Gauge("feedbridge_build_info", "The version that runs.", ["version"], registry=self.registry)
        build.labels(version).set(1)
        start = Gauge(
            "feedbridge_process_start_time_seconds", "When the process began, since 1970.", registry=self.registry
        )
        start.set(time.time() if started is None else started)

    def _make_poll_metrics(self) -> None:
        registry = self.registry
        self._polls = Counter("feedbridge_polls", "Refreshes of sources.", ["source", "outcome"], registry=registry)
        self._durations = Histogram(
            "feedbridge_poll_duration_seconds", "How long refreshes took.", buckets=_DURATIONS, registry=registry
        )
        self._lateness = Histogram(
            "feedbridge_poll_lateness_seconds",
            "How long after they were due refreshes began.",
            buckets=_LATENESS,
            registry=registry,
        )
        self._new = Counter("feedbridge_articles_new", "Articles that were new.", ["source"], registry=registry)
        self._changed = Counter(
            "feedbridge_articles_changed", "Articles whose content changed.", ["source"], registry=registry
        )
        self._kept = Gauge("feedbridge_articles_kept", "Articles in the store.", ["source"], registry=registry)
        self._queue = Gauge("feedbridge_queue_length", "Sources that are due and wait.", registry=registry)
        self._jobs = Gauge("feedbridge_jobs", "Jobs of the whole installation.", ["state"], registry=registry)
        self._workers = Gauge("feedbridge_workers", "Workers that are alive.", registry=registry)

    def _make_serving_metrics(self) -> None:
        registry = self.registry
        responses = Counter("feedbridge_responses", "Answers to requests.", ["class"], registry=registry)
        self._responses = [responses.labels(f"{first}xx") for first in range(1, 6)]
        self._served = Counter("feedbridge_served_bytes", "Bytes of bodies in answers.", registry=registry)
        self._lag = Histogram(
            "feedbridge_loop_lag_seconds",
            "How late the event loop ran what was due.",
            buckets=_LAGS,
            registry=registry,
        )

    def poll(self, source: str, outcome: str, seconds: float) -> None:
        """Count a refresh of a source.

        Args:
            source: Its name.
            outcome: One of a handful of words, such as `changed`, `unchanged` or `failed`.
            seconds: How long it took.
        """
        self._polls.labels(self._label(source), outcome).inc()
        self._durations.observe(seconds)

    def late(self, seconds: float) -> None:
        """Note how long after it was due a refresh began."""
        self._lateness.observe(max(0.0, seconds))

    def articles(self, source: str, *, new: int, changed: int) -> None:
        """Count articles that a refresh brought."""
        label = self._label(source)
        self._new.labels(label).inc(new)
        self._changed.labels(label).inc(changed)

    def kept(self, source: str, count: int) -> None:
        """Say how many articles of a source are in the store."""
        label = self._label(source)
        if label != OTHER:
            self._kept.labels(label).set(count)
            return
        with self._lock:
            self._kept.labels(OTHER).inc(count - self._kept_by_others.get(source, 0))
            self._kept_by_others[source] = count

    def queue(self, length: int) -> None:
        """Say how many sources are due and wait for their turn."""
        self._queue.set(length)

    def work(self, *, waiting: int, running: int, failed: int, workers: int) -> None:
        """Say how many jobs wait, run and were given up, on all machines, and how many workers there are."""
        for state, count in (("waiting", waiting), ("running", running), ("failed", failed)):
            self._jobs.labels(state).set(count)
        self._workers.set(workers)

    def answered(self, status: int) -> None:
        """Count an answer to a request."""
        if 100 <= status < 600:
            self._responses[status // 100 - 1].inc()

    def sent(self, body_bytes: int) -> None:
        """Count bytes of an answer's body."""
        if body_bytes:
            self._served.inc(body_bytes)

    def loop_lag(self, seconds: float) -> None:
        """Note how late the event loop ran something that was due."""
        self._lag.observe(max(0.0, seconds))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _label(self, source: str) -> str:
        with self._lock:
            if source not in self._sources and source != OTHER and len(self._sources) < MAX_SOURCES:
                self._sources.add(source)
            return source if source in self._sources else OTHER
