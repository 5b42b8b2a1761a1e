"""Everything once: refresh the sources, then write the feeds that changed."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from feedbridge import publishing, refresh
from feedbridge.articles.identity import spellings
from feedbridge.errors import FeedbridgeError, PublishError, SourceError
from feedbridge.settings import Settings, Source
from feedbridge.store import articles
from feedbridge.store.database import Store

Progress = Callable[[str, int, int], None]
"""Told the source, and how many of its files of how many are done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What a build did."""

    tallies: tuple[refresh.Tally, ...]
    published: publishing.Report

    @property
    def failed(self) -> bool:
        """Whether a source or the output failed."""
        return any(tally.error for tally in self.tallies) or bool(self.published.errors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What `remove` did: the articles that were taken down, as source and title."""

    articles: tuple[tuple[str, str], ...]
    published: publishing.Report


def build(
    settings: Settings,
    *,
    now: datetime,
    progress: Progress,
    reread: Collection[str] = (),
    accept: Collection[str] = (),
    rebuild: bool = False,
) -> Build:
    """Refresh every source and write what changed.

    A source or a document that fails is told in the result; the others go on.

    Args:
        settings: What to read and write.
        now: The time of the build; aware.
        progress: Told how far each source is.
        reread: Names of sources to read anew from the first file to the last.
        accept: Names of sources to take as they are, even if most of their files are gone.
        rebuild: If the store is damaged, put it aside and start with an empty one.

    Raises:
        StoreError: The store cannot be read or written; the published files stay as they were.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    report = publishing.Report()
    tallies = []
    with Store(settings.site.store_path, write=True, rebuild=rebuild) as store:
        for source in settings.source:
            wish = refresh.Wish(
                now=now,
                reread=source.name in reread,
                accept=source.name in accept,
                leave_out=settings.site.output,
            )
            tallies.append(_refresh(store, source, wish, partial(progress, source.name)))
        try:
            publishing.publish(store, settings, now=now, report=report)
        except PublishError as error:
            report.errors.append(str(error))
    return Build(tallies=tuple(tallies), published=report)


def _refresh(store: Store, source: Source, wish: refresh.Wish, progress: refresh.Progress) -> refresh.Tally:
    """Refresh a source; what nobody thought of is its own failure, too, and does not end the build."""
    try:
        return refresh.refresh(store, source, wish, progress)
    except FeedbridgeError:
        raise
    except Exception as error:  # noqa: BLE001  (one bad source must not harm the others)
        return refresh.Tally(source=source.name, error=f"broke off ({type(error).__name__}: {error})")


def remove(settings: Settings, name: str, *, now: datetime) -> Removal:
    """Take an article down for good, in every source that has it.

    Args:
        settings: Where it is kept and published.
        name: Its link or its id.
        now: The time of the removal; aware.

    Raises:
        SourceError: No source has such an article.
        StoreError: The store cannot be read or written.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    report = publishing.Report()
    with Store(settings.site.store_path, write=True) as store:
        with store.transaction() as connection:
            known = articles.search(connection, spellings(name))
            found = {row: one for row, one in known.items() if not one.removed}
            if known and not found:
                raise SourceError(f"{name}: was taken down already, and stays away")
            if not found:
                raise SourceError(f"{name}: no article is known by this link or id; its whole link is needed")
            for row in found:
                articles.remove(connection, row, now=now)
        try:
            publishing.publish(store, settings, now=now, report=report)
        except PublishError as error:
            report.errors.append(str(error))
    taken = tuple((one.article.source, one.article.title) for one in found.values())
    return Removal(articles=taken, published=report)
