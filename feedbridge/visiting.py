"""One refresh of a source on the web: its site is asked politely, and what is new is read at arm's length and kept."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from feedbridge.articles.dates import judge
from feedbridge.articles.items import title
from feedbridge.articles.normalise import recognise
from feedbridge.asking import Web, body_of
from feedbridge.errors import FetchError, Gone, ParseError, Refused, SourceError, reason_of
from feedbridge.fetch.client import Answer
from feedbridge.fetch.validators import LONGEST_WISH, earliest, lifetime
from feedbridge.gathering import HELD_BACK_FROM
from feedbridge.keeping import Keeper, Telling, rules_of, too_many
from feedbridge.model import RawItem, SourceFacts
from feedbridge.reach import host_of
from feedbridge.refresh import poll_of
from feedbridge.settings import FeedSource
from feedbridge.store import articles, polls, troubles, visits
from feedbridge.store.database import Store
from feedbridge.store.visits import Visit, Waiting
from feedbridge.tally import Tally, Wish
from feedbridge.workers import Reading

MOVED_TIMES, MOVED_FOR = 3, timedelta(days=1)
"""A permanent redirect is believed once it was met so often on end, over so long a time."""

ITEMS_AT_ONCE = 100
"""Items that are read anew in one transaction, where the rules have changed."""

LONGEST_NAME = 200
"""Characters by which an entry is called in the tally."""

Result = TypeVar("Result")


class InThread(Protocol):
    """Runs what may take a while beside the event loop."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What is known of a source before it is asked."""

    state: polls.SourceState
    visit: Visit


class Visitor:
    """Refreshes sources on the web."""

    def __init__(self, store: Store, web: Web, *, in_thread: InThread) -> None:
        """Say what with.

        Args:
            store: Open for writing.
            web: The way to their sites.
            in_thread: Runs what works with the store.
        """
        self.store = store
        self.web = web
        self.in_thread = in_thread

    async def start(self, *, now: datetime) -> None:
        """Take up the wishes of hosts that are still in force."""
        for one in await self.in_thread(partial(self._waiting, now=now)):
            self.web.asked_to_wait(one.host, one.source, until=one.until)

    async def refresh(self, source: FeedSource, wish: Wish) -> Tally:
        """Refresh a source; a failure is its own, and is told in the tally.

        Raises:
            StoreError: The store cannot be written.
        """
        tally = Tally(source=source.name, kind=source.kind)
        known = await self.in_thread(partial(self._recall, source, wish))
        try:
            await _Refresh(self, source, wish, known, tally).run()
        except SourceError as error:
            await self.in_thread(partial(self._record_failure, source, wish, known, tally, error))
        return tally

    def _waiting(self, *, now: datetime) -> list[Waiting]:
        with self.store.transaction() as connection:
            return visits.waiting(connection, now=now)

    def _recall(self, source: FeedSource, wish: Wish) -> _Known:
        """What is known of a source; of another address, or where it is to be taken as it is, no wish is known."""
        with self.store.transaction() as connection:
            state = polls.source_state(connection, source.name)
            visit = visits.visit_of(connection, state.row) or Visit(url=source.url)
            if wish.accept or visit.url != source.url:
                visit = Visit(url=source.url, facts=_without_rhythm(visit.facts))
                visits.note_wish(connection, state.row, not_before=None)
                visits.note_gone(connection, state.row, at=None)
                state = replace(state, not_before=None, gone_at=None)
        if state.shape != source.shape():  # what the validators stand for was read by other rules
            visit = replace(visit, etag=None, last_modified=None, digest=None)
        return _Known(state=state, visit=visit)

    def _record_failure(self, source: FeedSource, wish: Wish, known: _Known, tally: Tally, error: SourceError) -> None:
        """Remember what went wrong, and whatever the site wishes."""
        tally.error = str(error)
        tally.gone = isinstance(error, Gone) and _is_asked_first_hand(source, known.visit, now=wish.now)
        if tally.gone:
            tally.error += f"; it is not asked again; {_if_it_is_back(source)}"
        pause = error.retry_after if isinstance(error, Refused) else None
        facts = _without_interval(known.visit.facts)
        tally.not_before = _later(wish.now, earliest(now=wish.now, lifetime=pause, facts=facts))
        with self.store.transaction() as connection:
            polls.record(connection, known.state.row, poll_of(tally, now=wish.now))
            visits.note_wish(connection, known.state.row, not_before=tally.not_before)
            visits.keep_visit(connection, known.state.row, _disappointed(source, known.visit, error, now=wish.now))
            if tally.gone:
                visits.note_gone(connection, known.state.row, at=wish.now)
                troubles.begin(connection, source.name, at=wish.now, reason=tally.error)
            if isinstance(error, Refused):
                host, until = host_of(error.url or source.url), wish.now + error.retry_after
                visits.keep_waiting(connection, Waiting(host=host, source=source.name, until=until))


class _Refresh:
    """One refresh of one source."""

    def __init__(self, visitor: Visitor, source: FeedSource, wish: Wish, known: _Known, tally: Tally) -> None:
        self._web = visitor.web
        self._store = visitor.store
        self._in_thread = visitor.in_thread
        self._source = source
        self._wish = wish
        self._state = known.state
        self._visit = known.visit
        self._tally = tally
        self._rules = rules_of(source)
        self._shape = source.shape()
        self._url = address_of(source, known.visit, now=wish.now)

    async def run(self) -> None:
        if self._wish.reread or self._state.shape not in {None, self._shape}:
            await self._in_thread(self._read_anew)
            if self._wish.reread:
                self._tally.asked = False
                self._tally.note = "read anew from what is kept; its site was not asked"
                return
        answer = await self._ask()
        if answer is None:
            return
        visit = self._after(answer)
        if answer.body is None or (answer.digest == self._visit.digest and answer.digest is not None):
            self._tally.note = "not changed"
            with body_of(answer):
                await self._in_thread(partial(self._end, visit))
            return
        async with self._web.read(self._source, answer, now=self._wish.now) as found:
            await self._keep(found.reading)
            if found.named:
                visit = replace(
                    self._after(found.answer), found=found.named, moved_to=None, moved_since=None, moved_times=0
                )
            visit = replace(visit, digest=found.answer.digest, facts=found.reading.index.facts or self._visit.facts)
            await self._in_thread(partial(self._end, visit))

    async def _ask(self) -> Answer | None:
        """Ask for what is new, unless the site wishes to be left alone; it may say so while we stand in line."""
        if self._stays_away():
            return None
        async with self._web.turn(self._source, self._url):
            if self._stays_away():
                return None
            return await self._web.fetch(
                self._source,
                self._url,
                now=self._wish.now,
                etag=self._visit.etag,
                last_modified=self._visit.last_modified,
            )

    def _read_anew(self) -> None:
        """Make the kept articles anew from the items as they were told, for the rules have changed.

        What the validators stand for was read by the old ones: they are forgotten.
        """
        keeper = Keeper(self._store, self._state, self._rules, self._tally, now=self._wish.now)
        with self._store.transaction() as connection:
            polls.begin(connection, self._state.row, shape=self._shape)
            visits.keep_visit(connection, self._state.row, self._visit)
        reached = 0
        while True:
            with self._store.transaction() as connection:
                told = visits.items_of(connection, self._state.row, after=reached, limit=ITEMS_AT_ONCE)
            if not told:
                break
            tellings = [self._telling(one.item, one.digest, article=one.article) for one in told if one.item]
            keeper.keep(tellings)
            self._tally.read += len(tellings)
            reached = told[-1].article
        with self._store.transaction() as connection:
            polls.note_shape(connection, self._state.row, shape=self._shape)
        if self._wish.reread:
            self._tally.files = self._tally.read
        else:
            self._tally.same = 0  # what the feed tells now is counted

    def _stays_away(self) -> bool:
        """Whether the site is not to be asked now; the tally says why."""
        now = self._wish.now
        if self._state.gone_at:
            self._tally.asked, self._tally.gone = False, True
            since = f"{self._state.gone_at:%Y-%m-%d}"
            self._tally.note = (
                f"not asked: its site said on {since} that it is gone for good; {_if_it_is_back(self._source)}"
            )
            return True
        wishes = [self._web.waits_until(self._source, self._url, now=now)]
        if not self._wish.accept:
            facts = _without_interval(self._visit.facts)
            wishes += [self._state.not_before, earliest(now=now, lifetime=None, facts=facts)]
        until = max((one for one in wishes if one and one <= now + LONGEST_WISH), default=now)
        if until <= now:
            return False
        self._tally.asked, self._tally.not_before = False, until
        self._tally.note = f"not asked: its site wishes to be left alone until {until:%Y-%m-%dT%H:%M:%SZ}"
        return True

    def _after(self, answer: Answer) -> Visit:
        """What is to be remembered once an answer was read to its end."""
        visit = self._visit
        moved_to = answer.moved_to or (visit.moved_to if self._url == visit.moved_to else None)
        again = moved_to == visit.moved_to
        since = visit.moved_since if again else self._wish.now
        return replace(
            visit,
            moved_to=moved_to,
            moved_since=since if moved_to else None,
            moved_times=(visit.moved_times + 1 if again else 1) if moved_to else 0,
            etag=answer.headers.get("etag", visit.etag if answer.status == 304 else None),
            last_modified=answer.headers.get("last-modified", visit.last_modified if answer.status == 304 else None),
            lifetime=self._lifetime(answer),
        )

    def _lifetime(self, answer: Answer) -> timedelta | None:
        """How long the answer may be kept; one that is not changed may leave it as it was (RFC 9111 section 4.3.4)."""
        told = lifetime(answer.headers, now=self._wish.now)
        return self._visit.lifetime if told is None and answer.status == 304 else told

    async def _keep(self, reading: Reading) -> None:
        """Keep what is new or changed of a feed.

        Raises:
            SourceError: Most of its articles would get new ids.
        """
        keeper = Keeper(self._store, self._state, self._rules, self._tally, now=self._wish.now, first_wins=True)
        wanted = await self._in_thread(partial(self._plan, reading, keeper))
        async for batch in reading.items(wanted):
            await self._in_thread(partial(self._keep_batch, reading, keeper, batch))

    def _plan(self, reading: Reading, keeper: Keeper) -> Sequence[int]:
        """The positions of the items that are new or changed."""
        index = reading.index
        self._tally.files = len(index.outlines) + len(index.left_out) + index.beyond
        self._tally.unusable += [(one.name, one.reason) for one in index.left_out]
        if index.beyond:
            self._tally.unusable.append(("the rest", too_many(index.beyond)))
        with self._store.transaction() as connection:
            told = visits.articles_told(connection, self._state.row, (one.digest for one in index.outlines))
        keeper.meet(told.values())
        self._tally.same += len(set(told.values()))
        wanted = [position for position, one in enumerate(index.outlines) if one.digest not in told]
        self._hold_back_new_ids([index.outlines[position].item for position in wanted])
        if self._state.shape is None:
            with self._store.transaction() as connection:
                polls.begin(connection, self._state.row, shape=self._shape)
        self._tally.read += len(wanted)
        return wanted

    def _hold_back_new_ids(self, items: Sequence[RawItem]) -> None:
        """Look whether a feed tells the articles that are known, but under other ids and links.

        An article is known again by its title and its date; many a feed has one title for many articles.

        Raises:
            SourceError: Most of what it tells anew it has told before.
        """
        if self._wish.accept or self._state.completed_at is None or len(items) < HELD_BACK_FROM:
            return
        tellings = [self._telling(item, "") for item in items]
        with self._store.transaction() as connection:
            aliases = [alias for one in tellings if one.identity for alias in one.identity.aliases]
            names = articles.find(connection, self._state.row, aliases)
            unknown = [
                one.item
                for one in tellings
                if one.item and one.identity and names.keys().isdisjoint(one.identity.aliases)
            ]
            known = articles.titles_known(connection, self._state.row, filter(None, map(title, unknown)))
        moved = sum(1 for item in unknown if self._may_be_of(item, known.get(title(item), set())))
        if moved >= HELD_BACK_FROM and moved * 2 > len(items):
            raise SourceError(
                f"{self._url}: {moved} of {len(items)} new entries have titles that are known, but other links and ids;"
                " readers would see them all again. If that is meant: stop the daemon, if one runs, and"
                f' feedbridge build --accept "{self._source.name}"'
            )

    def _may_be_of(self, item: RawItem, dates: Collection[datetime]) -> bool:
        """Whether an item was published on one of these dates, or does not say when."""
        published = [one for one in item.witnesses if one.kind == "published"]
        if not published or not dates:
            return bool(dates)
        zone = ZoneInfo(self._source.timezone)
        return judge(published, zone=zone, first_seen=self._wish.now).published in dates

    def _keep_batch(self, reading: Reading, keeper: Keeper, batch: Sequence[tuple[int, RawItem]]) -> None:
        outlines = reading.index.outlines
        keeper.keep([self._telling(item, outlines[position].digest) for position, item in batch])

    def _telling(self, item: RawItem, digest: str, *, article: int | None = None) -> Telling:
        """What an item tells; with the row of the article that it told of before, if only the rules are new."""
        name = (item.title or item.link or item.id or "an entry without a name")[:LONGEST_NAME]
        try:
            identity = recognise(item, self._rules)
        except Exception as error:  # noqa: BLE001  (one bad entry must not take its source down)
            return Telling(name=name, unusable=reason_of(error))
        return Telling(
            name=name,
            item=item,
            identity=identity,
            digest=digest,
            article=article,
            only_rules_changed=article is not None,
        )

    def _end(self, visit: Visit) -> None:
        """Remember that all went well."""
        self._tally.unusable.sort()
        now = self._wish.now
        self._tally.not_before = _later(now, earliest(now=now, lifetime=visit.lifetime, facts=visit.facts))
        with self._store.transaction() as connection:
            polls.record_success(
                connection, self._state.row, poll_of(self._tally, now=self._wish.now), shape=self._shape
            )
            visits.keep_visit(connection, self._state.row, visit)
            visits.note_wish(connection, self._state.row, not_before=self._tally.not_before)


def address_of(source: FeedSource, visit: Visit, *, now: datetime) -> str:
    """Where to ask for a source: where it has moved to for good, or at the feed that its page names."""
    held = visit.moved_since is not None and now - visit.moved_since >= MOVED_FOR
    if visit.moved_to and held and visit.moved_times >= MOVED_TIMES:
        return visit.moved_to
    return visit.found or source.url


def _is_asked_first_hand(source: FeedSource, visit: Visit, *, now: datetime) -> bool:
    return address_of(source, visit, now=now) == source.url


def _disappointed(source: FeedSource, visit: Visit, error: SourceError, *, now: datetime) -> Visit:
    """What is still remembered after a failure: an address that we were led to is forgotten where it failed, so that
    the one in the settings is asked next; and what came from there with it.
    """
    has_failed = isinstance(error, (FetchError, ParseError)) and not isinstance(error, Refused)
    if not has_failed or _is_asked_first_hand(source, visit, now=now):
        return visit
    return Visit(url=visit.url, lifetime=visit.lifetime, facts=visit.facts)


def _without_interval(facts: SourceFacts) -> SourceFacts:
    return replace(facts, least_interval=None)


def _without_rhythm(facts: SourceFacts) -> SourceFacts:
    return replace(facts, least_interval=None, skip_hours=frozenset(), skip_days=frozenset())


def _later(now: datetime, wish: datetime) -> datetime | None:
    return wish if wish > now else None


def _if_it_is_back(source: FeedSource) -> str:
    return f'if it is back: stop the daemon, if one runs, and feedbridge build --accept "{source.name}"'
