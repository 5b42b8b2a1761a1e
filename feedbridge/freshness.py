"""How long caches may keep what is published: Cache-Control by the rhythm of the sources behind each file."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from feedbridge import schedule
from feedbridge.pictures import media
from feedbridge.polling import rhythm_of
from feedbridge.settings import FeedTable, Settings

_SHORTEST, _INDEX, _LONGEST, _FOR_EVER = 30, 300, 3600, 31_536_000
_LOOK_SECONDS = 10.0
"""So often it is worked out anew: the next turn of a cron rhythm comes nearer all the time."""


class Freshness:
    """Answers for one server; what a request asks is a look into a table, however many sources there are."""

    def __init__(self, settings: Callable[[], Settings], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Say where the settings in force are, and what tells seconds that only grow."""
        self._settings = settings
        self._clock = clock
        self._seen: Settings | None = None
        self._until = 0.0
        self._tables: dict[str, FeedTable] = {}
        self._ages: dict[str | None, int] = {}

    def max_age(self, path: str) -> int:
        """Seconds that caches may keep the file at a path below the published folder.

        Half the shortest interval of a feed's sources for its subscription document; archive documents are left longer.
        """
        if path.startswith(f"{media.FOLDER}/"):
            return _FOR_EVER
        if not path.startswith("feeds/") or path.count("/") > 1:
            return _LONGEST if path.startswith("feeds/") else _INDEX
        settings = self._settings()
        if settings is not self._seen or self._clock() >= self._until:
            self._tables = {table.name: table for table in settings.feed}
            self._ages.clear()
            self._seen, self._until = settings, self._clock() + _LOOK_SECONDS
        name = path.removeprefix("feeds/").rpartition(".")[0]
        feed = name if name in self._tables else None  # the feeds of a family are many: they go by all sources
        if feed not in self._ages:
            self._ages[feed] = _age(settings, self._tables[feed] if feed else None)
        return self._ages[feed]


def _age(settings: Settings, table: FeedTable | None) -> int:
    now = datetime.now(UTC)
    rhythms = {rhythm_of(source) for source in (settings.sources_of(table) if table else settings.source)}
    shortest = min(schedule.base_interval(rhythm, now=now).total_seconds() for rhythm in rhythms)
    return int(min(max(shortest / 2, _SHORTEST), _LONGEST))
