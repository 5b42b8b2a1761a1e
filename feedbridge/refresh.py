"""One refresh of a folder: which files are new or changed, so that they are to be read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feedbridge.errors import FetchError, SourceError
from feedbridge.fetch import files as folder
from feedbridge.model import FolderRequest
from feedbridge.settings import ArchiveSource
from feedbridge.store import articles, polls
from feedbridge.store.articles import KnownFile, Standing
from feedbridge.store.database import Store
from feedbridge.tally import Progress, Tally, Wish

if TYPE_CHECKING:
    from feedbridge.fetch.buckets import BucketRequest

NOTICED_AT_MOST = 5
"""Of so few files that moved, no more need be known: fewer than what would be held back as gone, or as of new ids."""

TAIL = 900
"""So many of the last known names are listed again where names sort by time; a page of a list has a thousand."""


def refresh(
    store: Store,
    source: ArchiveSource,
    wish: Wish,
    progress: Progress,
    *,
    listed: Callable[[folder.Listing], object] = lambda _: None,
    tally: Tally | None = None,
) -> Tally:
    """Refresh a source; a failure is its own, and is told in the tally.

    Args:
        store: Open for writing.
        source: Its settings.
        wish: How it is to be refreshed.
        progress: Told how far it is.
        listed: Told what the folder holds, before anything is read.
        tally: That of the source, for who wishes to look at it meanwhile.

    Raises:
        StoreError: The store cannot be written.
    """
    tally = tally or Tally(source=source.name)
    with store.transaction() as connection:
        state = polls.source_state(connection, source.name)
    try:
        _Refresh(store, source, wish, state, tally).run(progress, listed)
    except SourceError as error:
        tally.error = str(error)
        with store.transaction() as connection:
            polls.record(connection, state.row, poll_of(tally, now=wish.now))
    return tally


def at_rest(store: Store, source: ArchiveSource, listing: folder.Listing, wish: Wish) -> Tally | None:
    """What a refresh would tell that finds the folder so; None where it would have something to do.

    Raises:
        StoreError: The store cannot be read.
    """
    tally = Tally(source=source.name)
    with store.transaction() as connection:
        state = polls.source_state(connection, source.name)
    try:
        gone, due = _Refresh(store, source, wish, state, tally).compare(listing)
    except SourceError:
        return None
    return None if gone or due or state.shape != source.shape() else tally


def request_of(source: ArchiveSource, *, leave_out: Path | None) -> "FolderRequest | BucketRequest":
    """What is asked of a source's folder, whatever of our own lies in it, or of its bucket."""
    if isinstance(source.path, str):
        from feedbridge.fetch.buckets import BucketRequest  # here, for a folder needs none of it

        return BucketRequest(
            root=source.path, storage=source.storage, patterns=source.glob, max_bytes=source.max_file_bytes
        )
    return FolderRequest(root=source.path, patterns=source.glob, max_bytes=source.max_file_bytes, leave_out=leave_out)


def listing_of(
    request: "FolderRequest | BucketRequest", *, after: str = "", heed: Callable[[], None] = lambda: None
) -> folder.Listing:
    """What is in a folder, or in a bucket.

    Args:
        request: What is asked for.
        after: Only names that sort after this one, of a bucket.
        heed: Called now and then; what it raises ends the listing.

    Raises:
        FetchError: It cannot be listed.
    """
    if isinstance(request, FolderRequest):
        return folder.list_folder(request)
    from feedbridge.fetch.buckets import list_bucket

    return list_bucket(request, after=after, heed=heed)


class _Refresh:
    """One run over one source's folder."""

    def __init__(self, store: Store, source: ArchiveSource, wish: Wish, state: polls.SourceState, tally: Tally) -> None:
        self._store = store
        self._settings = source
        self._request = request_of(source, leave_out=wish.leave_out)
        self._shape = source.shape()
        self._wish = replace(wish, reread=wish.reread or (state.shape is not None and state.shape != self._shape))
        self._state = state
        self._tally = tally
        self._standing: Mapping[str, Standing] = {}
        self._absent: set[str] = set()

    def run(self, progress: Progress, listed: Callable[[folder.Listing], object]) -> None:
        if (listing := self._noticed()) is not None:
            self._tally.is_whole = False
            gone, due = self.compare(listing)
        else:
            listing = listing_of(self._request, after=self._after(), heed=lambda: progress(0, 0))
            listed(listing)
            gone, due = self.compare(listing)
        if due:
            self._gather(due, progress)
            self._tally.unusable.sort()
        with self._store.transaction() as connection:
            articles.mark_missing(connection, self._state.row, gone)
            polls.record_success(
                connection, self._state.row, poll_of(self._tally, now=self._wish.now), shape=self._shape
            )

    def _noticed(self) -> folder.Listing | None:
        """The files that moved, where it is known that these alone did, and a look at these few will do."""
        noticed = self._wish.noticed
        if noticed is None or len(noticed) > NOTICED_AT_MOST or self._wish.reread or not self._state.completed_at:
            return None
        if not isinstance(self._request, FolderRequest):
            return None
        return folder.look_at(self._request, noticed)

    def compare(self, listing: folder.Listing) -> tuple[list[str], list[folder.FoundFile]]:
        """The files that are gone, and those that are to be read.

        The listing is of all that sorts after `listing.after`; or, where the tally says that the folder was not looked
        at as a whole, of a few files that are there. The others are as the store has them.

        Raises:
            FetchError: More than half of all are gone.
        """
        keys, is_whole = listing.keys(), self._tally.is_whole
        with self._store.transaction() as connection:
            self._standing = articles.standing(
                connection, self._state.row, keys=None if is_whole else keys, after=listing.after
            )
        self._tally.files = len(listing.files)
        self._tally.unusable += listing.refused
        for key in self._standing.keys() - keys:
            known = self._standing[key]
            if known.missing or (is_whole and key > listing.after):
                self._absent.add(key)
            elif known.unusable:
                self._tally.unusable.append((key, known.unusable))
        gone, due = self._gone(), list(self._due(listing.files))
        self._tally.unusable.sort()
        return gone, due

    def _after(self) -> str:
        """The name that it is enough to list after; once an hour, and where all is to be read, everything is listed."""
        last = self._state.succeeded_at
        is_first = last is None or _hour(last) != _hour(self._wish.now)
        if is_first or self._wish.reread or self._wish.accept or not self._settings.names_by_time:
            return ""
        with self._store.transaction() as connection:
            return articles.name_before(connection, self._state.row, last=TAIL)

    def _gather(self, due: Sequence[folder.FoundFile], progress: Progress) -> None:
        from feedbridge.gathering import Gathering  # here, for it takes long to load, and mostly nothing is due

        gathering = Gathering(
            self._store,
            self._settings,
            self._wish,
            self._state,
            self._tally,
            request=self._request,
            standing=self._standing,
            absent=self._absent,
        )
        gathering.run(due, progress)

    def _gone(self) -> list[str]:
        """Files that were there last time.

        Raises:
            FetchError: They are more than half of all.
        """
        there = [key for key, known in self._standing.items() if not known.missing]
        gone = [key for key in there if key in self._absent]
        if len(gone) * 2 > len(there) and not self._wish.accept:
            doubt = "is the folder mounted?" if self._settings.folder else "is it the right place?"
            raise FetchError(
                f"{self._request.root}: {len(gone)} of {len(there)} known files are gone; {doubt}"
                " If they were meant to go: stop the daemon, if one runs, and"
                f' feedbridge build --accept "{self._settings.name}"'
            )
        return gone

    def _due(self, found: Iterable[folder.FoundFile]) -> Iterator[folder.FoundFile]:
        """The files to read: new or changed by size or time, or all of them where the rules have changed."""
        for file in found:
            known = self._standing.get(key := file.key)
            if file.size > self._request.max_bytes:
                self._refuse(file, known, folder.too_long(file.size, self._request.max_bytes))
            elif self._wish.reread or known is None or known.missing or _moved(known, file):
                yield file
            elif known.unusable:
                self._tally.unusable.append((key, known.unusable))

    def _refuse(self, file: folder.FoundFile, known: Standing | None, reason: str) -> None:
        """Leave a file unread, and remember why; an article that it told of before stays."""
        self._tally.unusable.append((file.key, reason))
        if known is None or known.unusable != reason or known.missing:
            article = known.article if known else None
            unread = KnownFile(key=file.key, size=file.size, mtime_ns=0, article=article, unusable=reason)
            with self._store.transaction() as connection:
                articles.keep_files(connection, self._state.row, [unread])


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def _moved(known: Standing, file: folder.FoundFile) -> bool:
    return (known.size, known.mtime_ns) != (file.size, file.mtime_ns)


def poll_of(tally: Tally, *, now: datetime) -> polls.Poll:
    """A refresh as the store remembers it."""
    return polls.Poll(
        started_at=now,
        finished_at=max(datetime.now(UTC), now),
        error=tally.error,
        new=tally.new,
        changed=tally.changed,
        unusable=len(tally.unusable),
    )
