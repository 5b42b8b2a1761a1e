"""Files that are due are read, and what they tell is kept."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from feedbridge.articles.identity import Identity
from feedbridge.errors import SourceError
from feedbridge.fetch import files as folder
from feedbridge.keeping import Keeper, Telling, rules_of
from feedbridge.model import FolderRequest
from feedbridge.preparing import Order, Prepared, Recipe, prepare
from feedbridge.settings import ArchiveSource
from feedbridge.sources.archive import GLANCE_BYTES, glance
from feedbridge.store import articles, polls
from feedbridge.store.articles import KnownFile, Standing
from feedbridge.store.database import Store
from feedbridge.store.polls import SourceState
from feedbridge.tally import FirstLook, Progress, Tally, Wish

if TYPE_CHECKING:
    from feedbridge.fetch.buckets import BucketRequest

BATCH_FILES = 100
"""Files that are kept in one transaction, at most."""

BATCH_BYTES = 8 * 2**20
"""Bytes of the files of one transaction, unless a single one is longer."""

MANY_FILES = 200
"""From so many files on, it pays to start processes that prepare them."""

HELD_BACK_FROM = 10
"""From so many articles on, a refresh that would give most of them new ids is held back."""

_Prepare = Callable[[Iterable[Sequence[Order]]], Iterator[list[Prepared]]]

_CREW = threading.Lock()
"""One source at a time has processes: they take all cores. The others do with their thread."""


class Gathering:
    """Reads and keeps the files of one refresh of one source."""

    def __init__(
        self,
        store: Store,
        source: ArchiveSource,
        wish: Wish,
        state: SourceState,
        tally: Tally,
        *,
        request: "FolderRequest | BucketRequest",
        standing: Mapping[str, Standing],
        absent: Collection[str],
    ) -> None:
        """Say what is gathered.

        Args:
            store: Open for writing.
            source: Its settings.
            wish: How it is to be refreshed.
            state: What the store knows of it.
            tally: Told what becomes of the files.
            request: What was asked of the folder, or of the bucket.
            standing: How its files stood, by key.
            absent: Files that are no longer there.
        """
        self._store = store
        self._source = source
        self._wish = wish
        self._state = state
        self._tally = tally
        self._request = request
        self._folder = request.root if isinstance(request, FolderRequest) else None
        self._standing = standing
        self._known: dict[str, KnownFile] = {}
        self._done = 0
        rules = rules_of(source)
        self._recipe = Recipe(
            root=self._folder,
            max_bytes=request.max_bytes,
            folder_as=source.folder_as,
            now=wish.now,
            rules=rules,
        )
        self._keeper = Keeper(store, state, rules, tally, now=wish.now, absent=absent)

    def run(self, due: Sequence[folder.FoundFile], progress: Progress) -> None:
        """Read these files, and keep what they tell.

        Raises:
            SourceError: Most known articles would get new ids.
        """
        with self._prepared_by(len(due), progress) as prepare:
            self._hold_back_new_ids(due, prepare)
            if self._state.shape != (shape := self._source.shape()):
                with self._store.transaction() as connection:
                    polls.begin(connection, self._state.row, shape=shape)
            self._work(due, prepare, progress)

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
                f' feedbridge build --accept "{self._source.name}"'
            )

    def _work(self, due: Sequence[folder.FoundFile], prepare: _Prepare, progress: Progress) -> None:
        """Read and keep: first what stands still, then, after a moment, what was written just now."""
        now_ns = time.time_ns()
        young = [file for file in due if self._folder and folder.is_young(file, now_ns=now_ns)]  # objects are whole
        waiting = set(young)
        steady = [file for file in due if file not in waiting]
        first = self._wish.first_look
        if first and self._folder and self._state.completed_at is None and len(steady) >= MANY_FILES:
            steady = self._take_newest(self._folder, steady, first, progress)
        for batch in self._prepared(steady, prepare):
            self._keep(batch)
            progress(self._done, len(due))
        if young:
            folder.wait_to_settle()
        for batch in self._prepared(young, prepare, settled=True):
            self._keep(batch)
            progress(self._done, len(due))

    def _take_newest(
        self, root: Path, files: list[folder.FoundFile], first: FirstLook, progress: Progress
    ) -> list[folder.FoundFile]:
        """Keep the newest articles first, as far as a glance tells, and let them be shown; gives the other files."""
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
        digests = {} if self._wish.reread else {key: self._known[key].digest for key in keys}
        orders = [
            Order(file=file, settled=settled, known=digests.get(file.key), names_only=names_only) for file in batch
        ]
        return orders if isinstance(self._request, FolderRequest) else _fetched(self._request, orders)

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
            return _of_file(replace(known, digest=None, mtime_ns=0)) if known and self._wish.reread else None
        same = known is not None and known.digest is not None and known.digest == prepared.digest
        now = KnownFile(
            key=file.key,
            size=file.size,
            mtime_ns=file.mtime_ns,
            digest=prepared.digest,
            article=known.article if known else None,
            unusable=known.unusable if known and same else None,
        )
        if same and not self._wish.reread:
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


def _fetched(request: "BucketRequest", orders: Sequence[Order]) -> list[Order]:
    """Orders with what is to be prepared, which only we can reach: no other process has the keys."""
    from feedbridge.fetch.buckets import read_objects

    found = zip(orders, read_objects(request, [order.file for order in orders]), strict=True)
    return [
        replace(order, body=body) if isinstance(body, bytes) else replace(order, unread=str(body))
        for order, body in found
    ]


def _of_file(file: KnownFile) -> Telling:
    return Telling(name=file.key, file=file, unusable=file.unusable)


def _row(identity: Identity, names: dict[str, int]) -> int | None:
    return next((names[alias] for alias in identity.aliases if alias in names), None)
