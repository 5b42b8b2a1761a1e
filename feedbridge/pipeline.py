"""Everything once: refresh the sources, then write the feeds that changed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from feedbridge import publishing
from feedbridge.articles.identity import spellings
from feedbridge.errors import FeedbridgeError, PublishError, SourceError
from feedbridge.fetch.files import Listing
from feedbridge.model import FolderRequest
from feedbridge.pages.theme import files_of
from feedbridge.policies import LONGEST_CHAIN, SERVE
from feedbridge.refresh import at_rest, poll_of, refresh, request_of
from feedbridge.settings import ArchiveSource, FeedSource, Settings, Source
from feedbridge.standstill import Standstill
from feedbridge.store import articles, polls
from feedbridge.store.database import Store
from feedbridge.store.feeds import written
from feedbridge.tally import FirstLook, Step, Tally, Wish

if TYPE_CHECKING:
    from feedbridge.settling import InThread, Settler

Progress = Callable[[Step], None]
"""Told how far a build is, now and then; what it raises ends the build."""

WAITING_SHOWN = 3
"""So many of the sources whose sites have not answered are told."""

VISITING_THREADS = 2
"""Threads that work with the store for visits to sites: one waits for the disk while the other reads."""

FIRST_LOOK_SPARE = 10
"""So many articles more than a subscription document shows are read first, for a glance at them may deceive."""

COPIES_SECONDS = 60.0
"""Documents wait for copies of their pictures so long, then they are written without, and again later."""

CHECKS_SECONDS = 60.0
"""So long a build looks which pictures answer; the next one goes on from there. Copies are had to the last."""

_LONGEST_REASON = 200
_Wishes = Mapping[str, Wish]


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What a build did; and what the next one would find, if that is nothing to do and nothing moves."""

    tallies: tuple[Tally, ...]
    published: publishing.Report
    rest: "Rest | None" = None

    @property
    def failed(self) -> bool:
        """Whether a source or the output failed."""
        return any(tally.error for tally in self.tallies) or bool(self.published.errors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """What a build saw and left, where the next one would find nothing to do; and what that one would tell."""

    seen: Standstill
    tallies: tuple[Tally, ...]

    @property
    def build(self) -> Build:
        """The next one."""
        return Build(tallies=self.tallies, published=publishing.Report())


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
        progress: Told how far it is.
        reread: Names of sources to read anew from the first file to the last.
        accept: Names of sources to take as they are, even if most of their files are gone.
        rebuild: If the store is damaged, put it aside and start with an empty one.

    Raises:
        StoreError: The store cannot be read or written; the published files stay as they were.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    report = publishing.Report()
    with Store(settings.site.store, write=True, rebuild=rebuild) as store:
        wishes = {
            source.name: Wish(
                now=now,
                reread=source.name in reread,
                accept=source.name in accept,
                leave_out=settings.site.output_folder,
                first_look=_first_look(store, settings, source, now=now),
            )
            for source in settings.source
        }
        listings: dict[str, Listing] = {}
        tallies = _refresh_folders(store, settings, wishes, progress, listings) | _visit_sites(
            store, settings, wishes, progress, now=now
        )
        patience = publishing.Patience(COPIES_SECONDS)
        _publish(store, settings, progress, now=now, report=report, patience=patience)
        if settings.looks_for_pictures:
            _settle_pictures(store, settings, progress, now=now, report=report, patience=patience)
        failed = report.errors or any(tally.error for tally in tallies.values())
        rest = None if failed else _rest(store, settings, listings, report, now=now)
    return Build(tallies=tuple(tallies[source.name] for source in settings.source), published=report, rest=rest)


def _rest(
    store: Store, settings: Settings, listings: Mapping[str, Listing], report: publishing.Report, *, now: datetime
) -> Rest | None:
    """What the next build would find, if nothing moves; None where it would still have something to do.

    So it is where time may bring something new, or the web, or where a bucket is read or published in.
    """
    output = settings.site.output_folder
    by_time = settings.uses(SERVE) or any(isinstance(table.keep, timedelta) for table in settings.feed)
    if output is None or by_time or settings.looks_for_pictures or report.held:
        return None
    folders, tallies = [], []
    for source in settings.source:
        listing = listings.get(source.name)
        if not isinstance(source, ArchiveSource) or listing is None:
            return None
        request = request_of(source, leave_out=output)
        if not isinstance(request, FolderRequest):
            return None
        tally = at_rest(store, source, listing, Wish(now=now))
        if tally is None:
            return None
        tallies.append(tally)
        folders.append((request, listing))
    with store.transaction() as connection:
        files = [f"{output}/{path}" for path in written(connection)]
    if settings.site.pages:
        files += map(str, files_of(settings.site.theme))
    return Rest(seen=Standstill(folders=tuple(folders), files=tuple(files)), tallies=tuple(tallies))


def _first_look(store: Store, settings: Settings, source: Source, *, now: datetime) -> FirstLook | None:
    """Let readers have the newest articles of a large folder while the rest of it is read; copies take their time."""
    tables = [table for table in settings.feed if source in settings.sources_of(table)]
    if not tables or settings.looks_for_pictures:
        return None

    def publish() -> None:
        with contextlib.suppress(PublishError):  # which is told when all is published
            publishing.publish_first(store, settings, source.name, now=now)

    return FirstLook(count=max(table.limit for table in tables) + FIRST_LOOK_SPARE, done=publish)


def _refresh_folders(
    store: Store, settings: Settings, wishes: _Wishes, progress: Progress, listings: dict[str, Listing]
) -> dict[str, Tally]:
    """Refresh the folders one after the other, and note what is in them."""
    tallies = {}
    for source in settings.source:
        if isinstance(source, ArchiveSource):
            tally = Tally(source=source.name)
            told = partial(_tell_files, progress, tally)
            told(0, 0)
            try:
                listed = partial(listings.__setitem__, source.name)
                refresh(store, source, wishes[source.name], told, listed=listed, tally=tally)
            except FeedbridgeError:
                raise
            except Exception as error:  # noqa: BLE001  (one bad source must not harm the others)
                tally = broken_off(store, source, error, now=wishes[source.name].now)
            tallies[source.name] = tally
    return tallies


def _tell_files(progress: Progress, tally: Tally, done: int, of: int) -> None:
    progress(Step(unit="files", source=tally.source, done=done, of=of, came=tally.new + tally.changed))


def _visit_sites(
    store: Store, settings: Settings, wishes: _Wishes, progress: Progress, *, now: datetime
) -> dict[str, Tally]:
    """Refresh the sources on the web, all at once as far as their hosts allow it."""
    sources = [source for source in settings.source if isinstance(source, FeedSource)]
    if not sources:
        return {}
    import uvloop  # here, for they are what only the web needs

    from feedbridge.asking import Web
    from feedbridge.visiting import Visitor

    waiting, came = dict.fromkeys(source.name for source in sources), 0

    async def visit(visitor: "Visitor", source: FeedSource) -> Tally:
        nonlocal came
        try:
            tally = await visitor.refresh(source, wishes[source.name])
        except FeedbridgeError:
            raise
        except Exception as error:  # noqa: BLE001  (one bad source must not harm the others)
            tally = await visitor.in_thread(partial(broken_off, store, source, error, now=now))
        del waiting[source.name]
        came += tally.new + tally.changed
        tell()
        return tally

    def tell() -> None:
        first = tuple(islice(waiting, WAITING_SHOWN))
        done = len(sources) - len(waiting)
        progress(Step(unit="sites", done=done, of=len(sources), came=came, waiting=first))

    tell()

    async def visit_all(pool: ThreadPoolExecutor) -> dict[str, Tally]:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, pool)
        async with Web(settings.site) as web, asyncio.TaskGroup() as group:
            visitor = Visitor(store, web, in_thread=in_thread)
            await visitor.start(now=now)
            tasks = {source.name: group.create_task(visit(visitor, source)) for source in sources}
        return {name: task.result() for name, task in tasks.items()}

    with ThreadPoolExecutor(VISITING_THREADS) as pool, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(visit_all(pool))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None


def _publish(
    store: Store,
    settings: Settings,
    progress: Progress,
    *,
    now: datetime,
    report: publishing.Report,
    patience: publishing.Patience,
) -> None:
    """Write what is due, and add to the report."""
    latest = publishing.Report()

    def told(done: int, of: int) -> None:
        progress(Step(unit="feeds", done=done, of=of, came=len(latest.written)))

    try:
        publishing.publish(store, settings, now=now, report=latest, patience=patience, progress=told)
    except PublishError as error:
        latest.errors.append(str(error))
    report.go_on(latest)


def _settle_pictures(
    store: Store,
    settings: Settings,
    progress: Progress,
    *,
    now: datetime,
    report: publishing.Report,
    patience: publishing.Patience,
) -> None:
    """Look for pictures until all copies are had, and write the documents that show them; checks have their time.

    Documents are written again from time to time, so that readers need not wait for the last picture.
    """
    import uvloop  # here, for they are what only the web needs

    from feedbridge.asking import user_agent
    from feedbridge.fetch.client import Client
    from feedbridge.settling import make_settler

    async def settle(pool: ThreadPoolExecutor) -> None:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, pool)
        async with Client(user_agent=user_agent(settings.site)) as client:
            settler = make_settler(store, settings, client, in_thread=in_thread)
            changed = await settler.tidy()
            ends = time.monotonic() + CHECKS_SECONDS
            for _ in range(LONGEST_CHAIN):  # a document that was written anew may need other pictures looked for
                changed |= await look(settler, in_thread, ends)
                if not (changed or report.waiting):
                    return
                await in_thread(partial(publish, publishing.Patience(0)))
                changed = False

    async def look(settler: "Settler", in_thread: "InThread", ends: float) -> bool:
        """Look for all that is due; says whether documents are to be written otherwise."""
        looked, changed, published = 0, False, time.monotonic()
        while True:
            settled = await settler.settle(copies_only=time.monotonic() > ends)
            if not settled.looked:
                return changed
            changed |= settled.changed
            looked += settled.looked
            progress(Step(unit="pictures", done=looked, of=looked + settled.left))
            if changed and time.monotonic() - published > COPIES_SECONDS:
                await in_thread(partial(publish, patience))
                changed, published = False, time.monotonic()

    def publish(patience: publishing.Patience) -> None:
        _publish(store, settings, progress, now=now, report=report, patience=patience)

    with ThreadPoolExecutor(VISITING_THREADS) as pool, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(settle(pool))


def _first(error: BaseException) -> BaseException:
    """The first error of a group; each would have ended the build alone."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def broken_off(store: Store, source: Source, error: Exception, *, now: datetime) -> Tally:
    """What nobody thought of is the source's own failure, too, and does not harm the others; it is remembered as one.

    Raises:
        StoreError: The store cannot be written.
    """
    words = f"broke off ({type(error).__name__}: {str(error)[:_LONGEST_REASON]})"
    tally = Tally(source=source.name, kind=source.kind, error=words)
    with store.transaction() as connection:
        state = polls.source_state(connection, source.name)
        polls.record(connection, state.row, poll_of(tally, now=now))
    return tally


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
    with Store(settings.site.store, write=True) as store:
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
