"""One refresh of a folder: the files that are new or changed are read, and what they tell is kept."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from feedbridge.articles.identity import Identity
from feedbridge.errors import FetchError, SourceError
from feedbridge.fetch import files as folder
from feedbridge.keeping import Keeper, Tally, Telling, rules_of
from feedbridge.preparing import Order, Prepared, Recipe, prepare
from feedbridge.settings import ArchiveSource
from feedbridge.sources.archive import GLANCE_BYTES, Archive, glance
from feedbridge.store import articles, polls
from feedbridge.store.articles import KnownFile, Standing
from feedbridge.store.database import Store

BATCH_FILES = 100
"""Files that are kept in one transaction, at most."""

BATCH_BYTES = 8 * 2**20
"""Bytes of the files of one transaction, unless a single one is longer."""

MANY_FILES = 200
"""From so many files on, it pays to start processes that prepare them."""

HELD_BACK_FROM = 10
"""From so many articles on, a refresh that would give most of them new ids is held back."""

Progress = Callable[[int, int], None]
"""Told how many files of how many are done, and now and then while nothing is; what it raises ends the refresh."""

_Prepare = Callable[[Iterable[Sequence[Order]]], Iterator[list[Prepared]]]

_CREW = threading.Lock()
"""One source at a time has processes: they take all cores. The others do with their thread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstLook:
    """What is done when the newest articles of a large new folder are kept, long before the rest.

    Attributes:
        count: So many articles.
        done: Called then, once.
    """

    count: int
    done: Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """How a source is to be refreshed.

    Attributes:
        now: The time of the refresh; aware, UTC, whole seconds.
        reread: Read every file again, for the rules have changed.
        accept: Take the folder as it is, even if most of its files are gone or most articles got new ids.
        leave_out: Our own output folder, which may lie in that of the articles.
        first_look: What is done early in the first refresh of a large folder.
    """

    now: datetime
    leave_out: Path | None = None
    first_look: FirstLook | None = None
    reread: bool = False
    accept: bool = False


def refresh(store: Store, source: ArchiveSource, wish: Wish, progress: Progress) -> Tally:
    """Refresh a source; a failure is its own, and is told in the tally.

    Raises:
        StoreError: The store cannot be written.
    """
    tally = Tally(source=source.name)
    with store.transaction() as connection:
        state = polls.source_state(connection, source.name)
    try:
        _Refresh(store, source, wish, state, tally).run(progress)
    except SourceError as error:
        tally.error = str(error)
        with store.transaction() as connection:
            polls.record(connection, state.row, poll_of(tally, now=wish.now))
    return tally


class _Refresh:
    """One run over one source's folder."""

    def __init__(self, store: Store, source: ArchiveSource, wish: Wish, state: polls.SourceState, tally: Tally) -> None:
        self._store = store
        self._settings = source
        self._request = replace(Archive(source).start(), leave_out=wish.leave_out)
        self._rules = rules_of(source)
        self._shape = source.shape()
        self._reread = wish.reread or (state.shape is not None and state.shape != self._shape)
        self._wish = wish
        self._state = state
        self._tally = tally
        self._standing: Mapping[str, Standing] = {}
        self._known: dict[str, KnownFile] = {}
        self._absent: set[str] = set()
        self._done = 0
        self._recipe = Recipe(
            root=self._request.root,
            max_bytes=self._request.max_bytes,
            folder_as=source.folder_as,
            now=wish.now,
            rules=self._rules,
        )
        self._keeper = Keeper(store, state, self._rules, tally, now=wish.now, absent=self._absent)

    def run(self, progress: Progress) -> None:
        listing = folder.list_folder(self._request)
        with self._store.transaction() as connection:
            self._standing = articles.standing(connection, self._state.row)
        self._tally.files = len(listing.files)
        self._tally.unusable += listing.refused
        self._absent |= self._standing.keys() - listing.keys()
        gone = self._gone()
        due = list(self._due(listing.files))
        with self._prepared_by(len(due), progress) as prepare:
            self._hold_back_new_ids(due, prepare)
            if self._state.shape != self._shape:
                with self._store.transaction() as connection:
                    polls.begin(connection, self._state.row, shape=self._shape)
            self._work(due, prepare, progress)
        self._tally.unusable.sort()
        with self._store.transaction() as connection:
            articles.mark_missing(connection, self._state.row, gone)
            polls.record_success(
                connection, self._state.row, poll_of(self._tally, now=self._wish.now), shape=self._shape
            )

    @contextmanager
    def _prepared_by(self, count: int, progress: Progress) -> Iterator[_Prepare]:
        """What prepares files: processes of their own where there are many, and no other source has some; else we."""
        if count < MANY_FILES or not _CREW.acquire(blocking=False):
            yield partial(_prepare_here, self._recipe)
            return
        from feedbridge.crew import Crew  # here, for most refreshes have no need of it

        try:
            with Crew(self._recipe) as crew:
                yield partial(crew.prepare, heed=lambda: progress(self._done, count))
        finally:
            _CREW.release()

    def _gone(self) -> list[str]:
        """Files that were there last time.

        Raises:
            FetchError: They are more than half of all.
        """
        there = [key for key, known in self._standing.items() if not known.missing]
        gone = [key for key in there if key in self._absent]
        if len(gone) * 2 > len(there) and not self._wish.accept:
            raise FetchError(
                f"{self._request.root}: {len(gone)} of {len(there)} known files are gone; is the folder mounted?"
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
            elif self._reread or known is None or known.missing or _moved(known, file):
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

    def _hold_back_new_ids(self, due: Sequence[folder.FoundFile], prepare: _Prepare) -> None:
        """Look at identities first where most known articles are told anew.

        Raises:
            SourceError: Most of them would get new ids.
        """
        known = {one.article for one in self._standing.values() if one.article is not None}
        told = [file for file in due if (one := self._standing.get(file.key)) and one.article is not None]
        if self._wish.accept or len(known) < HELD_BACK_FROM or len(told) * 2 <= len(known):
            return
        moved = 0
        for batch in self._prepared(told, prepare, names_only=True):
            identities = [(file.key, one.identity) for file, one in batch if one.identity]
            with self._store.transaction() as connection:
                names = articles.find(
                    connection, self._state.row, (alias for _, identity in identities for alias in identity.aliases)
                )
            moved += sum(1 for key, identity in identities if _row(identity, names) != self._standing[key].article)
            self._known.clear()
        if moved * 2 > len(known):
            raise SourceError(
                f"{self._request.root}: {moved} of {len(known)} known articles would get new ids, for their links have"
                " changed; readers would see them all again. If that is meant: stop the daemon, if one runs, and"
                f' feedbridge build --accept "{self._settings.name}"'
            )

    def _work(self, due: Sequence[folder.FoundFile], prepare: _Prepare, progress: Progress) -> None:
        """Read and keep: first what stands still, then, after a moment, what was written just now."""
        now_ns = time.time_ns()
        young = [file for file in due if folder.is_young(file, now_ns=now_ns)]
        waiting = set(young)
        steady = [file for file in due if file not in waiting]
        if self._wish.first_look and self._state.completed_at is None and len(steady) >= MANY_FILES:
            steady = self._take_newest(steady, self._wish.first_look, progress)
        for batch in self._prepared(steady, prepare):
            self._keep(batch)
            progress(self._done, len(due))
        if young:
            folder.wait_to_settle()
        for batch in self._prepared(young, prepare, settled=True):
            self._keep(batch)
            progress(self._done, len(due))

    def _take_newest(
        self, files: list[folder.FoundFile], first: FirstLook, progress: Progress
    ) -> list[folder.FoundFile]:
        """Keep the newest articles first, as far as a glance tells, and let them be shown; gives the other files."""
        root = self._request.root
        dated = {file: glance(folder.read_head(root, file, count=GLANCE_BYTES), file.path) for file in files}
        newest = sorted(files, key=lambda file: dated[file], reverse=True)[: first.count]
        if not all(dated[file] for file in newest):
            return files
        for batch in self._prepared(newest, partial(_prepare_here, self._recipe)):
            self._keep(batch)
            progress(self._done, len(files))
        first.done()
        taken = set(newest)
        return [file for file in files if file not in taken]

    def _prepared(
        self,
        files: Sequence[folder.FoundFile],
        prepare: _Prepare,
        *,
        settled: bool = False,
        names_only: bool = False,
    ) -> Iterator[list[tuple[folder.FoundFile, Prepared]]]:
        """What the files hold, in batches that are kept together."""
        batches = list(_batches(files))
        orders = (self._orders(batch, settled=settled, names_only=names_only) for batch in batches)
        for batch, done in zip(batches, prepare(orders), strict=True):
            yield list(zip(batch, done, strict=True))

    def _orders(self, batch: Sequence[folder.FoundFile], *, settled: bool, names_only: bool) -> list[Order]:
        if keys := [key for file in batch if (key := file.key) in self._standing]:
            with self._store.transaction() as connection:
                self._known |= articles.known_files(connection, self._state.row, keys)
        digests = {} if self._reread else {key: self._known[key].digest for key in keys}
        return [Order(file=file, settled=settled, known=digests.get(file.key), names_only=names_only) for file in batch]

    def _keep(self, batch: Sequence[tuple[folder.FoundFile, Prepared]]) -> None:
        self._keeper.keep([telling for file, prepared in batch if (telling := self._telling(file, prepared))])
        self._done += len(batch)

    def _telling(self, file: folder.FoundFile, prepared: Prepared) -> Telling | None:
        """What a file tells; None if it cannot be read now, which the tally says.

        Where the rules have changed, one that cannot be read now is known no more, so that the next refresh reads it.
        """
        known = self._known.pop(file.key, None)
        if prepared.unread is not None:
            self._tally.unusable.append((file.key, prepared.unread))
            return _of_file(replace(known, digest=None, mtime_ns=0)) if known and self._reread else None
        same = known is not None and known.digest is not None and known.digest == prepared.digest
        now = KnownFile(
            key=file.key,
            size=file.size,
            mtime_ns=file.mtime_ns,
            digest=prepared.digest,
            article=known.article if known else None,
            unusable=known.unusable if known and same else None,
        )
        if same and not self._reread:
            return _of_file(now)
        self._tally.read += 1
        if prepared.identity is None:
            return _of_file(replace(now, unusable=prepared.unusable))
        return Telling(
            name=file.key,
            file=replace(now, unusable=None),
            identity=prepared.identity,
            fresh=prepared.fresh,
            unusable=prepared.unusable,
            only_rules_changed=same,
        )


def _prepare_here(recipe: Recipe, batches: Iterable[Sequence[Order]]) -> Iterator[list[Prepared]]:
    return ([prepare(recipe, order) for order in batch] for batch in batches)


def _moved(known: Standing, file: folder.FoundFile) -> bool:
    return (known.size, known.mtime_ns) != (file.size, file.mtime_ns)


def _batches(files: Sequence[folder.FoundFile]) -> Iterator[list[folder.FoundFile]]:
    batch: list[folder.FoundFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) >= BATCH_FILES or size + file.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _of_file(file: KnownFile) -> Telling:
    return Telling(name=file.key, file=file, unusable=file.unusable)


def _row(identity: Identity, names: dict[str, int]) -> int | None:
    return next((names[alias] for alias in identity.aliases if alias in names), None)


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
