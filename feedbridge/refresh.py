"""One refresh of one source: what is new or changed is read, made an article, and kept."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from feedbridge.articles.identity import Identity
from feedbridge.articles.merge import Circumstances, merge
from feedbridge.articles.normalise import NORMALISER_VERSION, Normalised, Rules, normalise, recognise
from feedbridge.errors import FetchError, SourceError, UnusableItem
from feedbridge.fetch import files as folder
from feedbridge.model import Article, Page, RawItem
from feedbridge.settings import ArchiveSource
from feedbridge.sources.archive import Archive
from feedbridge.store import articles, polls
from feedbridge.store.articles import Kept, KnownFile
from feedbridge.store.database import Store

BATCH_FILES = 100
"""Files that are kept in one transaction."""

HELD_BACK_FROM = 10
"""From so many articles on, a refresh that would give most of them new ids is held back."""

Value = TypeVar("Value")

Progress = Callable[[int, int], None]
"""Told how many files of how many are done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """How a source is to be refreshed.

    Attributes:
        now: The time of the refresh; aware, UTC, whole seconds.
        reread: Read every file again, for the rules have changed.
        accept: Take the folder as it is, even if most of its files are gone or most articles got new ids.
        leave_out: Our own output folder, which may lie in that of the articles.
    """

    now: datetime
    leave_out: Path | None = None
    reread: bool = False
    accept: bool = False


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a refresh did.

    Attributes:
        files: Files that the folder holds.
        read: Files that were read, being new or changed.
        same: Articles that were told again as they were.
        unusable: Files that hold no article, or could not be read, with the reason.
        error: Why the refresh failed, or None.
    """

    source: str
    files: int = 0
    read: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    unusable: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """A file that was read, and what it tells."""

    file: KnownFile
    item: RawItem | None = None
    identity: Identity | None = None
    only_rules_changed: bool = False


@dataclass(kw_only=True, slots=True)
class _Draft:
    """An article on its way into the store; `row` is None while it is new."""

    row: int | None
    kept: Kept | None
    current: Normalised | None
    aliases: list[str] = field(default_factory=list)
    files: list[KnownFile] = field(default_factory=list)


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
            polls.record(connection, state.row, _poll(wish, tally))
    return tally


class _Refresh:
    """One run over one source's folder."""

    def __init__(self, store: Store, source: ArchiveSource, wish: Wish, state: polls.SourceState, tally: Tally) -> None:
        self._store = store
        self._settings = source
        self._archive = Archive(source)
        self._request = replace(self._archive.start(), leave_out=wish.leave_out)
        self._rules = rules_of(source)
        self._shape = source.shape()
        self._reread = wish.reread or (state.shape is not None and state.shape != self._shape)
        self._wish = wish
        self._state = state
        self._tally = tally
        self._known: dict[str, KnownFile] = {}
        self._absent: set[str] = set()
        self._met: set[int] = set()

    def run(self, progress: Progress) -> None:
        listing = folder.list_folder(self._request)
        with self._store.transaction() as connection:
            self._known = articles.known_files(connection, self._state.row)
        self._tally.files = len(listing.files)
        self._tally.unusable += listing.refused
        self._absent = self._known.keys() - listing.keys()
        gone = self._gone()
        due = list(self._due(listing.files))
        self._hold_back_new_ids(due)
        if self._state.shape != self._shape:
            with self._store.transaction() as connection:
                polls.begin(connection, self._state.row, shape=self._shape)
        self._work(due, progress)
        self._tally.unusable.sort()
        with self._store.transaction() as connection:
            articles.mark_missing(connection, self._state.row, gone)
            polls.record_success(connection, self._state.row, _poll(self._wish, self._tally), shape=self._shape)

    def _gone(self) -> list[str]:
        """Files that were there last time.

        Raises:
            FetchError: They are more than half of all.
        """
        there = [file.key for file in self._known.values() if not file.missing]
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
            known = self._known.get(file.key)
            if file.size > self._request.max_bytes:
                self._refuse(file, known, folder.too_long(file.size, self._request.max_bytes))
                continue
            if self._reread or known is None or known.missing or _moved(known, file):
                yield file
            elif known.unusable:
                self._tally.unusable.append((file.key, known.unusable))

    def _refuse(self, file: folder.FoundFile, known: KnownFile | None, reason: str) -> None:
        """Leave a file unread, and remember why; an article that it told of before stays."""
        self._tally.unusable.append((file.key, reason))
        if known is None or known.unusable != reason or known.missing:
            article = known.article if known else None
            unread = KnownFile(key=file.key, size=file.size, mtime_ns=0, article=article, unusable=reason)
            with self._store.transaction() as connection:
                articles.keep_files(connection, self._state.row, [unread])

    def _hold_back_new_ids(self, due: Sequence[folder.FoundFile]) -> None:
        """Look at identities first where most known articles are told anew.

        Raises:
            SourceError: Most of them would get new ids.
        """
        known = {file.article for file in self._known.values() if file.article is not None}
        told = [file for file in due if (one := self._known.get(file.key)) and one.article is not None]
        if self._wish.accept or len(known) < HELD_BACK_FROM or len(told) * 2 <= len(known):
            return
        moved = 0
        for batch in _batches(told):
            readings = [reading for file in batch if (reading := self._read(file, quiet=True)) and reading.identity]
            with self._store.transaction() as connection:
                names = articles.find(connection, self._state.row, _aliases(readings))
            moved += sum(1 for reading in readings if _row(reading, names) != reading.file.article)
        if moved * 2 > len(known):
            raise SourceError(
                f"{self._request.root}: {moved} of {len(known)} known articles would get new ids, for their links have"
                " changed; readers would see them all again. If that is meant: stop the daemon, if one runs, and"
                f' feedbridge build --accept "{self._settings.name}"'
            )

    def _work(self, due: Sequence[folder.FoundFile], progress: Progress) -> None:
        """Read and keep: first what stands still, then, after a moment, what was written just now."""
        now_ns = time.time_ns()
        young = [file for file in due if folder.is_young(file, now_ns=now_ns)]
        waiting = set(young)
        done = 0
        for batch in _batches([file for file in due if file not in waiting]):
            self._keep([reading for file in batch if (reading := self._read(file))])
            done += len(batch)
            progress(done, len(due))
        if young:
            folder.wait_to_settle()
        for batch in _batches(young):
            self._keep([reading for file in batch if (reading := self._read(file, again=True))])
            done += len(batch)
            progress(done, len(due))

    def _read(self, file: folder.FoundFile, *, again: bool = False, quiet: bool = False) -> _Reading | None:
        """Read a file; None if it cannot be read now, which the tally says unless `quiet`.

        Where the rules have changed, one that cannot be read now is known no more, so that the next refresh reads it.
        """
        known = self._known.get(file.key)
        try:
            if again:
                folder.look_again(self._request.root, file)
            body = folder.read_file(self._request.root, file, max_bytes=self._request.max_bytes)
        except UnusableItem as error:
            if not quiet:
                self._tally.unusable.append((file.key, str(error)))
            return _Reading(file=replace(known, digest=None, mtime_ns=0)) if known and self._reread else None
        digest = hashlib.sha256(body).hexdigest()
        same = known is not None and known.digest == digest
        now = KnownFile(
            key=file.key,
            size=file.size,
            mtime_ns=file.mtime_ns,
            digest=digest,
            article=known.article if known else None,
            unusable=known.unusable if known and same else None,
        )
        if same and not self._reread:
            return _Reading(file=now)
        if not quiet:
            self._tally.read += 1
        return self._parse(Page(path=file.key, body=body), now, only_rules_changed=same)

    def _parse(self, page: Page, file: KnownFile, *, only_rules_changed: bool) -> _Reading:
        try:
            item = next(self._archive.parse(page))
            identity = recognise(item, self._rules)
        except Exception as error:  # noqa: BLE001  (one bad file must not take its source down)
            return _Reading(file=replace(file, unusable=reason_of(error)))
        return _Reading(
            file=replace(file, unusable=None), item=item, identity=identity, only_rules_changed=only_rules_changed
        )

    def _keep(self, readings: Sequence[_Reading]) -> None:
        """Keep what a batch of files tells, in one transaction."""
        if not readings:
            return
        with self._store.transaction() as connection:
            names = articles.find(connection, self._state.row, _aliases(readings))
            rows = {*names.values(), *(reading.file.article for reading in readings if reading.file.article)}
            kept = articles.load(connection, rows)
        drafts, files = self._draft(readings, names, kept)
        with self._store.transaction() as connection:
            self._write(connection, drafts, files)

    def _draft(
        self, readings: Sequence[_Reading], names: dict[str, int], kept: dict[int, Kept]
    ) -> tuple[list[_Draft], list[KnownFile]]:
        """Decide what becomes of each article; gives the drafts, and the files that belong to none of them."""
        drafts: list[_Draft] = []
        by_alias: dict[str, _Draft] = {}
        by_row: dict[int, _Draft] = {}
        files: list[KnownFile] = []
        for reading in readings:
            if reading.item is None or reading.identity is None:
                files.append(reading.file)
                if reading.file.unusable:
                    self._tally.unusable.append((reading.file.key, reading.file.unusable))
                continue
            row = _row(reading, names)
            draft = by_row.get(row) if row is not None else _first(by_alias, reading.identity.aliases)
            met = draft is not None
            if draft is None:
                one = kept[row] if row is not None else None
                draft = _Draft(row=row, kept=one, current=_normalised(one) if one else None)
            reason = self._tell(draft, reading)
            if reason:
                files.append(replace(reading.file, unusable=reason))
                self._tally.unusable.append((reading.file.key, reason))
                continue
            draft.aliases += reading.identity.aliases
            draft.files.append(reading.file)
            by_alias.update(dict.fromkeys(reading.identity.aliases, draft))
            if row is not None:
                by_row[row] = draft
            if not met:
                drafts.append(draft)
        return drafts, files

    def _tell(self, draft: _Draft, reading: _Reading) -> str | None:
        """Let a file tell of an article; gives the reason if it cannot be used."""
        if draft.kept and draft.kept.removed:
            return None
        if reading.item is None or reading.identity is None:
            return "holds no article"
        reread = reading.only_rules_changed
        first_seen = draft.kept.article.first_seen if draft.kept and reread else self._wish.now
        try:
            fresh = normalise(reading.item, reading.identity, self._rules, first_seen=first_seen)
        except Exception as error:  # noqa: BLE001  (one bad article must not take its source down)
            return reason_of(error)
        if draft.current is None:
            draft.current = fresh
            return None
        circumstances = Circumstances(
            now=self._wish.now,
            settled=self._is_settled(draft.current.article),
            reread=reread,
            met=draft.row in self._met or draft.row is None,
            gone=draft.current.path in self._absent,
        )
        draft.current = merge(draft.current, fresh, circumstances)
        if draft.row is not None:
            self._met.add(draft.row)
        return None

    def _is_settled(self, article: Article) -> bool:
        """Whether readers may have the article: its source was complete before, and this refresh did not find it."""
        return self._state.completed_at is not None and article.first_seen != self._wish.now

    def _write(self, connection: Connection, drafts: Sequence[_Draft], files: Sequence[KnownFile]) -> None:
        new = [draft for draft in drafts if draft.row is None]
        rows = articles.add(connection, self._state.row, [self._kept(draft) for draft in new])
        for draft, row in zip(new, rows, strict=True):
            draft.row = row
            self._met.add(row)
        old = [draft for draft in drafts if draft.kept and not draft.kept.removed]
        changed = {draft.row: self._kept(draft) for draft in old if draft.row is not None and _differs(draft)}
        articles.change(connection, changed)
        articles.name(
            connection, self._state.row, [(alias, draft.row or 0) for draft in drafts for alias in draft.aliases]
        )
        told = [replace(file, article=draft.row) for draft in drafts for file in draft.files]
        articles.keep_files(connection, self._state.row, [*files, *told])
        self._tally.new += len(new)
        self._tally.changed += sum(1 for draft in old if _visibly_changed(draft))
        self._tally.same += sum(1 for draft in old if not _visibly_changed(draft))

    def _kept(self, draft: _Draft) -> Kept:
        if draft.current is None:
            raise AssertionError("a draft without a telling is never written")
        article = draft.current.article
        succeeded = self._state.succeeded_at
        return Kept(
            article=article,
            late=succeeded is not None and article.published < succeeded,
            body_stamp=draft.current.stamp,
            body_path=draft.current.path,
            normaliser=NORMALISER_VERSION,
        )


def rules_of(source: ArchiveSource) -> Rules:
    """How a source's items are read."""
    return Rules(
        source=source.name,
        timezone=source.timezone,
        remove=source.remove,
        remove_text=source.remove_text,
        image_proxy_hosts=source.image_proxy_hosts,
    )


def _moved(known: KnownFile, file: folder.FoundFile) -> bool:
    return (known.size, known.mtime_ns) != (file.size, file.mtime_ns)


def _batches(found: Sequence[folder.FoundFile]) -> Iterator[Sequence[folder.FoundFile]]:
    for start in range(0, len(found), BATCH_FILES):
        yield found[start : start + BATCH_FILES]


def _aliases(readings: Iterable[_Reading]) -> Iterator[str]:
    for reading in readings:
        if reading.identity:
            yield from reading.identity.aliases


def _row(reading: _Reading, names: dict[str, int]) -> int | None:
    return _first(names, reading.identity.aliases) if reading.identity else None


def _first(known: dict[str, Value], aliases: Iterable[str]) -> Value | None:
    return next((known[alias] for alias in aliases if alias in known), None)


def _normalised(kept: Kept) -> Normalised:
    return Normalised(article=kept.article, stamp=kept.body_stamp, path=kept.body_path)


def _differs(draft: _Draft) -> bool:
    return draft.kept is None or draft.current != _normalised(draft.kept) or draft.kept.normaliser < NORMALISER_VERSION


def _visibly_changed(draft: _Draft) -> bool:
    if draft.kept is None or draft.current is None:
        return False
    before, now = draft.kept.article, draft.current.article
    return (before.content_hash, before.title, before.updated) != (now.content_hash, now.title, now.updated)


def reason_of(error: Exception) -> str:
    if isinstance(error, UnusableItem):
        return str(error)
    return f"cannot be read ({type(error).__name__}: {str(error)[:200]})"


def _poll(wish: Wish, tally: Tally) -> polls.Poll:
    return polls.Poll(
        started_at=wish.now,
        finished_at=max(datetime.now(UTC), wish.now),
        error=tally.error,
        new=tally.new,
        changed=tally.changed,
        unusable=len(tally.unusable),
    )
