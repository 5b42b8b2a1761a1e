"""What files and pages tell is made articles of, and kept."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from feedbridge.articles import items
from feedbridge.articles.identity import Identity, apart, is_same, otherwise
from feedbridge.articles.merge import Circumstances, merge
from feedbridge.articles.normalise import NORMALISER_VERSION, Normalised, Rules, as_seen, normalise
from feedbridge.errors import UnusableItem, reason_of
from feedbridge.model import Article, RawItem
from feedbridge.settings import Source
from feedbridge.store import articles, visits
from feedbridge.store.articles import Kept, KnownFile
from feedbridge.store.database import Store
from feedbridge.store.polls import SourceState
from feedbridge.store.visits import Told
from feedbridge.tally import Tally

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    """What a file or an entry tells.

    Attributes:
        name: What it is called in the tally.
        item: What an entry says, or None.
        identity: Which article it tells of; None where it holds none, or is known already.
        fresh: The article that a file holds, as if it were first seen now; an entry's is made of its item.
        unusable: Why it holds none.
        file: The file, where it is one.
        digest: The digest of the item, where it is a feed's.
        article: The row of its article, where that is known.
        only_rules_changed: It was told before; only the rules that it is read by are new.
    """

    name: str
    item: RawItem | None = None
    identity: Identity | None = None
    fresh: Normalised | None = None
    unusable: str | None = None
    file: KnownFile | None = None
    digest: str | None = None
    article: int | None = None
    only_rules_changed: bool = False


@dataclass(kw_only=True, slots=True, eq=False)
class _Draft:
    """An article on its way into the store; `row` is None while it is new.

    Attributes:
        told: The telling that it follows.
        text_is_told: The text is that of the telling; an old one that is better stays.
    """

    row: int | None
    kept: Kept | None
    current: Normalised | None
    aliases: list[str] = field(default_factory=list)
    files: list[KnownFile] = field(default_factory=list)
    told: Telling | None = None
    text_is_told: bool = True


class Keeper:
    """Keeps what one refresh of one source brings."""

    def __init__(
        self,
        store: Store,
        state: SourceState,
        rules: Rules,
        tally: Tally,
        *,
        now: datetime,
        absent: Collection[str] = (),
        first_wins: bool = False,
    ) -> None:
        """Say what is kept, and how.

        Args:
            store: Open for writing.
            state: The source's.
            rules: How its items are read.
            tally: Told what becomes of them.
            now: The time of the refresh; aware, UTC, whole seconds.
            absent: Files that are no longer there.
            first_wins: An article that is told twice in one refresh is as it was told first, as in a feed, whose
                newest entry comes first; else the stamps decide.
        """
        self._store = store
        self._state = state
        self._rules = rules
        self._tally = tally
        self._now = now
        self._absent = absent
        self._first_wins = first_wins
        self._met: set[int] = set()

    def meet(self, rows: Iterable[int]) -> None:
        """Note articles that this refresh has met as they are kept."""
        self._met.update(rows)

    def keep(self, tellings: Sequence[Telling]) -> None:
        """Keep what a batch tells, in one transaction."""
        if not tellings:
            return
        names = self._find(alias for one in tellings if one.identity for alias in one.identity.aliases)
        kept = self._load([*names.values(), *(one.article for one in tellings if one.article is not None)])
        drafts, files = self._draft(tellings, names, kept)
        with self._store.transaction() as connection:
            self._write(connection, drafts, files)

    def _find(self, aliases: Iterable[str]) -> dict[str, int]:
        with self._store.transaction() as connection:
            return articles.find(connection, self._state.row, aliases)

    def _load(self, rows: Iterable[int]) -> dict[int, Kept]:
        with self._store.transaction() as connection:
            return articles.load(connection, rows)

    def _draft(
        self, tellings: Sequence[Telling], names: dict[str, int], kept: dict[int, Kept]
    ) -> tuple[list[_Draft], list[KnownFile]]:
        """Decide what becomes of each article; gives the drafts, and the files that belong to none of them."""
        batch = _Batch(names=names, kept=kept)
        files: list[KnownFile] = []
        for telling in tellings:
            reason = self._take(telling, batch)
            if reason:
                self._tally.unusable.append((telling.name, reason))
            if telling.file and (reason or telling.identity is None):
                files.append(replace(telling.file, unusable=reason))
        return batch.drafts, files

    def _take(self, telling: Telling, batch: "_Batch") -> str | None:
        """Let a telling speak of its article; gives the reason if it cannot be used."""
        if telling.identity is None:
            return telling.unusable
        try:
            if telling.article is None:
                identity, draft = self._recognise(telling.item, telling.identity, batch)
            else:
                identity, draft = telling.identity, batch.of_row(telling.article)
            if draft is None:
                draft = _Draft(row=None, kept=None, current=None)
            if not self._is_told(draft):
                self._tell(draft, telling, identity)
        except Exception as error:  # noqa: BLE001  (one bad item must not take its source down)
            return reason_of(error)
        draft.aliases += identity.aliases
        if telling.file:
            draft.files.append(telling.file)
        batch.enter(draft, identity)
        return None

    def _recognise(self, item: RawItem | None, identity: Identity, batch: "_Batch") -> tuple[Identity, _Draft | None]:
        """Find the article that is told of; an item that only shares a name with a known one is told apart.

        A file is always what it is met as: nobody numbers saved articles for a feed.

        Raises:
            ValueError: Nothing else names it.
        """
        rejected: set[str] = set()
        while True:
            alias = next((alias for alias in identity.aliases if batch.knows(alias)), None)
            if alias is None:
                return identity, None
            draft = batch.draft(alias)
            known = draft.current.article if draft.current else None
            if known is None or item is None or (draft.kept and draft.kept.removed) or is_same(known, item, alias):
                return identity, draft
            rejected.add(alias)
            identity = apart(item, source=self._rules.source, rejected=rejected)
            batch.learn(self._find(identity.aliases), self._load)

    def _is_told(self, draft: _Draft) -> bool:
        return self._first_wins and (draft.told is not None or draft.row in self._met)

    def _tell(self, draft: _Draft, telling: Telling, identity: Identity) -> None:
        """Let an item tell of an article; one that was taken down stays down.

        Raises:
            UnusableItem: It cannot be used.
        """
        if draft.kept and draft.kept.removed:
            return
        reread = telling.only_rules_changed
        first_seen = draft.kept.article.first_seen if draft.kept and reread else self._now
        if telling.fresh is not None:
            fresh = as_seen(telling.fresh, self._rules, first_seen=first_seen)
        elif telling.item is not None:
            fresh = normalise(telling.item, identity, self._rules, first_seen=first_seen)
        else:
            raise UnusableItem(telling.unusable or "")
        draft.told = telling
        if draft.current is None:
            draft.current = fresh
            return
        circumstances = Circumstances(
            now=self._now,
            settled=self._is_settled(draft.current.article),
            reread=reread,
            met=draft.row in self._met or draft.row is None,
            gone=draft.current.path in self._absent,
        )
        draft.current = merge(draft.current, fresh, circumstances)
        draft.text_is_told = draft.current.article.content == fresh.article.content
        if draft.row is not None:
            self._met.add(draft.row)

    def _is_settled(self, article: Article) -> bool:
        """Whether readers may have the article: its source was complete before, and this refresh did not find it."""
        return self._state.completed_at is not None and article.first_seen != self._now

    def _write(self, connection: Connection, drafts: Sequence[_Draft], files: Sequence[KnownFile]) -> None:
        new = [draft for draft in drafts if draft.row is None and draft.current]
        self._rename_taken(connection, new)
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
        visits.keep_items(connection, self._state.row, self._told(connection, drafts))
        self._tally.new += len(new)
        self._tally.changed += sum(1 for draft in old if _visibly_changed(draft))
        self._tally.same += sum(1 for draft in old if not _visibly_changed(draft))

    def _told(self, connection: Connection, drafts: Sequence[_Draft]) -> list[Told]:
        """The items to remember; where a text was not believed, with the text that was kept in its place."""
        told = [(draft.row, draft.told, draft.text_is_told) for draft in drafts if draft.told and draft.row is not None]
        before = visits.items_told(connection, [row for row, _, text_is_told in told if not text_is_told])
        found = []
        for row, telling, text_is_told in told:
            if telling.item is None or telling.digest is None or telling.only_rules_changed:
                continue
            item: RawItem | None = telling.item
            if not text_is_told:
                item = _with_text_of(before[row], telling.item) if row in before else None
            found.append(Told(article=row, digest=telling.digest, item=item))
        return found

    def _rename_taken(self, connection: Connection, new: Sequence[_Draft]) -> None:
        """Give new articles whose id another article of the source has an id of their own."""
        ids = [draft.current.article.id for draft in new if draft.current]
        taken = articles.taken(connection, self._state.row, ids)
        for draft in new:
            assert draft.current is not None
            article = draft.current.article
            if article.id in taken:
                own = otherwise(Identity(id=article.id, aliases=tuple(draft.aliases)), source=article.source)
                article = replace(article, id=own.id)
                draft.current = replace(draft.current, article=article)
            taken.add(article.id)

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


class _Batch:
    """The articles that a batch speaks of, and what they are known by."""

    def __init__(self, *, names: dict[str, int], kept: dict[int, Kept]) -> None:
        self.drafts: list[_Draft] = []
        self._names = names
        self._kept = kept
        self._by_alias: dict[str, _Draft] = {}
        self._by_row: dict[int, _Draft] = {}

    def knows(self, alias: str) -> bool:
        return alias in self._names or alias in self._by_alias

    def draft(self, alias: str) -> _Draft:
        """The draft of the article that is known by this alias."""
        if alias not in self._names:
            return self._by_alias[alias]
        return self.of_row(self._names[alias])

    def of_row(self, row: int) -> _Draft:
        """The draft of an article that is kept."""
        one = self._kept[row]
        return self._by_row.get(row) or _Draft(row=row, kept=one, current=_normalised(one))

    def learn(self, names: dict[str, int], load: Callable[[Iterable[int]], dict[int, Kept]]) -> None:
        """Take in further aliases from the store."""
        self._names |= names
        self._kept |= load(row for row in names.values() if row not in self._kept)

    def enter(self, draft: _Draft, identity: Identity) -> None:
        """Note a draft, by whatever its article is known by."""
        if draft not in self.drafts:
            self.drafts.append(draft)
        for alias in identity.aliases:
            self._by_alias.setdefault(alias, draft)
        if draft.row is not None:
            self._by_row[draft.row] = draft


def rules_of(source: Source) -> Rules:
    """How a source's items are read."""
    return Rules(
        source=source.name,
        timezone=source.timezone,
        remove=source.remove,
        remove_text=source.remove_text,
        image_proxy_hosts=source.image_proxy_hosts,
    )


def too_many(count: int) -> str:
    """That a page has so many entries more than are read of one page."""
    return f"{count:,} {'entry' if count == 1 else 'entries'} more than are read"


def _normalised(kept: Kept) -> Normalised:
    return Normalised(article=kept.article, stamp=kept.body_stamp, path=kept.body_path)


def _differs(draft: _Draft) -> bool:
    return draft.kept is None or draft.current != _normalised(draft.kept) or draft.kept.normaliser < NORMALISER_VERSION


def _visibly_changed(draft: _Draft) -> bool:
    if draft.kept is None or draft.current is None:
        return False
    before, now = draft.kept.article, draft.current.article
    return (before.content_hash, before.title, before.updated) != (now.content_hash, now.title, now.updated)


def _with_text_of(before: RawItem, now: RawItem) -> RawItem:
    """An item as it is told now, with the text, and all that shows it, that it was told with before."""
    return replace(
        now,
        link=items.link(now) or now.link,
        base=items.base(before),
        content=before.content,
        lead_block=before.lead_block,
        pictures=before.pictures,
        extensions=before.extensions,
    )
