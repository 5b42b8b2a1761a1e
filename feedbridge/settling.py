"""Pictures are looked for: which addresses answer is found out, and copies are had.

What documents wish stands in the store; what is found out is kept there, and documents that are to be written
otherwise are marked. Nothing here writes documents.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import httpx

from feedbridge.asking import body_of
from feedbridge.errors import FetchError, Refused, UnusableItem
from feedbridge.fetch.client import Answer, Client
from feedbridge.fetch.guard import Unresolved
from feedbridge.logs import logger
from feedbridge.pictures import verdicts
from feedbridge.pictures.fetching import Fetch, fetching
from feedbridge.pictures.kinds import Kind, Unfit, identify
from feedbridge.pictures.media import Copy, Media
from feedbridge.pictures.referers import Referers, read_referers
from feedbridge.pictures.resize import Shape
from feedbridge.pictures.verdicts import Outcome
from feedbridge.settings import Pictures, Settings
from feedbridge.store import pictures
from feedbridge.store.database import Store
from feedbridge.store.pictures import Due, Picture

AT_ONCE = 16
AT_ONCE_PER_HOST = 2
"""So many pictures are fetched at the same time."""

BATCH = 200
_TROUBLES_OF_HOST = frozenset((429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530))
_LONGEST_LOOK = 1 << 20
_REASON_LENGTH = 300
_FULL_PAUSE = timedelta(hours=1)

Result = TypeVar("Result")


class InThread(Protocol):
    """Runs something that waits for the disk in a thread."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]: ...


@dataclass(kw_only=True, slots=True)
class Settled:
    """What came of looking for pictures.

    Attributes:
        looked: How many were looked for.
        copied: How many copies were had.
        missing: What was not found, as address and reason.
        news: Those of them of which that was not known before.
        left: How many are still to be looked for.
        changed: Documents are to be written otherwise.
    """

    looked: int = 0
    copied: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)
    news: list[tuple[str, str]] = field(default_factory=list)
    left: int = 0
    changed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """A picture that came, and its copy where one was to be had."""

    kind: Kind
    copy: Copy | None = None


class Settler:
    """Looks for pictures; for one event loop, one call at a time.

    Args:
        store: Open for writing.
        fetch: Fetches a picture.
        media: Where copies are kept.
        referers: What is sent when a picture is fetched.
        in_thread: Runs what waits for the disk.
        rules: How often hosts are asked, and how long and how many copies are kept.
        now: The time; aware.
    """

    def __init__(
        self,
        store: Store,
        fetch: Fetch,
        media: Media,
        *,
        referers: Referers,
        in_thread: InThread,
        rules: Pictures,
        now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
    ) -> None:
        self._store = store
        self._fetch = fetch
        self._media = media
        self._referers = referers
        self._in_thread = in_thread
        self._rules = rules
        self._now = now
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._doors: dict[str, asyncio.Semaphore] = {}
        self._paused: dict[str, str | None] = {}
        self._copied_bytes = 0
        self._is_full = False

    async def tidy(self) -> bool:
        """Remove copies that nobody is shown, and note those that are lost; says whether documents are marked."""
        return await self._in_thread(self._tidy)

    async def settle(self, *, copies_only: bool = False) -> Settled:
        """Look for some of the pictures that are due, and ask the hosts that are due.

        Args:
            copies_only: Look for those alone that copies are to be had of.
        """
        settled = Settled()
        probes, due, settled.left = await self._in_thread(partial(self._due, copies_only=copies_only))
        self._doors.clear()
        await asyncio.gather(*(self._look(probe, settled, is_probe=True) for probe in probes))
        await asyncio.gather(*(self._look(one, settled) for one in due))
        return settled

    async def _look(self, one: Due, settled: Settled, *, is_probe: bool = False) -> None:
        """Look for a picture; where a copy is to be had, wherever it may be."""
        picture = one.picture
        if one.copy and not is_probe and self._has_no_room():
            await self._in_thread(partial(self._put_off, picture, _FULL_PAUSE))
            return
        outcome, found = Outcome(reason="its host is paused", is_of_host=True), None
        tried = is_news = False
        for address in (picture.address, *(picture.also if one.copy else ())):
            host = pictures.host_of(address)
            async with self._door(host), self._at_once:
                if host in self._paused and not (is_probe and address == picture.address):
                    continue
                tried = True
                latest, found = await self._try(address, copy=one.copy)
                if address == picture.address:
                    outcome = latest
                    is_news = latest.reason != (self._paused.get(host) if latest.is_of_host else picture.reason)
                if await self._in_thread(partial(self._judge, one, address, latest)):
                    settled.changed = True
            if found:
                break
        settled.looked += tried
        if await self._in_thread(partial(self._keep, picture, outcome, found)):
            settled.changed = True
        if found:
            settled.copied += found.copy is not None
        elif tried:
            missing = picture.address, outcome.reason or ""
            settled.missing.append(missing)
            settled.news += [missing] if is_news else []

    def _door(self, host: str) -> asyncio.Semaphore:
        return self._doors.setdefault(host, asyncio.Semaphore(AT_ONCE_PER_HOST))

    async def _try(self, address: str, *, copy: bool) -> tuple[Outcome, _Found | None]:
        try:
            answer = await self._fetch(address, self._referers.of(address))
            return Outcome(), await self._in_thread(partial(self._take, answer, copy=copy))
        except Refused as error:
            return Outcome(reason=_short(error), is_of_host=True, pause=error.retry_after), None
        except FetchError as error:
            return Outcome(reason=_short(error), is_of_host=_is_of_host(error)), None
        except UnusableItem as error:
            return Outcome(reason=f"what came {error}"), None
        except OSError as error:
            logger().error("a picture cannot be copied", url=address, error=error.strerror or str(error))
            return Outcome(reason=f"cannot be copied ({error.strerror or error})"), None

    def _take(self, answer: Answer, *, copy: bool) -> _Found:
        with body_of(answer) as pieces:
            if copy:
                taken = self._media.take(pieces)
                self._copied_bytes += taken.size if taken.is_new else 0
                return _Found(kind=taken.kind, copy=taken)
            head = bytearray()
            for piece in pieces:
                head += piece
                if len(head) >= _LONGEST_LOOK:
                    break
            kind = identify(bytes(head))
        if isinstance(kind, Unfit):
            raise UnusableItem(kind.reason)
        return _Found(kind=kind)

    def _has_no_room(self) -> bool:
        quota = self._rules.quota
        is_full = quota is not None and self._copied_bytes >= quota
        if is_full and not self._is_full:
            logger().warning("no more pictures are copied, for the quota is reached", bytes=self._copied_bytes)
        self._is_full = is_full
        return is_full

    # What waits for the disk

    def _due(self, *, copies_only: bool) -> tuple[list[Due], list[Due], int]:
        with self._store.transaction() as connection:
            now = self._now()
            probes = [] if copies_only else pictures.due_hosts(connection, now=now)
            at_work = [probe.picture.row for probe in probes]
            due = pictures.due(connection, now=now, limit=BATCH, beside=at_work, copies_only=copies_only)
            self._paused = {name: host.reason for name, host in pictures.hosts(connection).items() if host.paused}
            left = pictures.waiting(connection, now=now)
        return probes, due, max(0, left - len(probes) - len(due))

    def _judge(self, one: Due, address: str, outcome: Outcome) -> bool:
        """Keep what is known of a host now; says whether documents are marked.

        One that lacks a picture may have others: where copies are to be had, each is asked for.
        """
        picture, name, is_own = one.picture, pictures.host_of(address), address == one.picture.address
        only_lacks_it = outcome.reason is not None and not outcome.is_of_host
        with self._store.transaction() as connection:
            before = pictures.host(connection, name)
            if not is_own and not outcome.is_of_host and before is None:
                return False
            if one.copy and only_lacks_it and not (before and before.paused):
                return False
            verdict = verdicts.judge(
                before,
                outcome,
                name=name,
                now=self._now(),
                every=self._rules.check,
                was_found=is_own and picture.is_found,
                others=pictures.has_found(connection, name, but=picture.row),
            )
            if verdict.paused:
                self._paused[name] = verdict.reason
            else:
                self._paused.pop(name, None)
            return pictures.keep_host(connection, verdict)

    def _keep(self, picture: Picture, outcome: Outcome, found: _Found | None) -> bool:
        """Keep what is known of a picture now; says whether documents are marked.

        Where its host is in trouble, nothing is known of the picture itself.
        """
        now = self._now()
        with self._store.transaction() as connection:
            if found:
                return pictures.keep_found(
                    connection,
                    picture.row,
                    now=now,
                    due_at=now + (verdicts.COPY_IS_GOOD_FOR if found.copy else verdicts.GOOD_FOR),
                    media_type=found.kind.media_type,
                    width=found.kind.width,
                    height=found.kind.height,
                    size=found.copy.size if found.copy else None,
                    copy=found.copy.path if found.copy else None,
                )
            if outcome.is_of_host:
                pictures.put_off(connection, picture.row, due_at=now + verdicts.PROBE_PAUSE)
                return False
            due_at = verdicts.next_look(picture.failures + 1, now=now)
            reason = outcome.reason or ""
            return pictures.keep_missing(connection, picture.row, now=now, due_at=due_at, reason=reason)

    def _put_off(self, picture: Picture, pause: timedelta) -> None:
        with self._store.transaction() as connection:
            pictures.put_off(connection, picture.row, due_at=self._now() + pause)

    def _tidy(self) -> bool:
        there, now = self._media.there(), self._now()
        with self._store.transaction() as connection:
            known = pictures.copies(connection)
            lost = [path for path, size in known.items() if there.get(path) != size]
            pictures.lose(connection, lost)
            pictures.note_unshown(connection, now=now)
            pictures.forget_unshown(connection, before=now - self._rules.keep)
            if self._rules.quota is not None:
                pictures.forget_unshown_copies(connection, but=self._rules.quota)
            pictures.adopt(connection, {path: size for path, size in there.items() if path not in known}, now=now)
            left = pictures.copies(connection)
        self._media.remove(there.keys() - left.keys())
        self._copied_bytes = sum(left.values())
        return bool(lost)


def make_settler(store: Store, settings: Settings, client: Client, *, in_thread: InThread) -> Settler:
    """A settler by the settings.

    Raises:
        SettingsError: The table of referers cannot be used.
    """
    rules = settings.pictures
    return Settler(
        store,
        picture_fetch(settings, client),
        Media(settings.site.output_folder or settings.site.state_folder, shape=shape_of(rules)),
        referers=read_referers(rules.referers),
        in_thread=in_thread,
        rules=rules,
    )


def picture_fetch(settings: Settings, client: Client) -> Fetch:
    """How pictures are fetched by the settings."""
    rules = settings.pictures
    return fetching(
        client,
        timeout=rules.timeout,
        max_bytes=rules.max_bytes,
        allow=rules.allow_private,
        proxy=rules.proxy or settings.site.proxy,
    )


def shape_of(rules: Pictures) -> Shape | None:
    """What pictures are made into, or None."""
    return Shape(width=rules.width, form="WEBP" if rules.webp else None) if rules.width or rules.webp else None


def _is_of_host(error: FetchError) -> bool:
    """Whether it is the host that is in trouble, and not only this picture."""
    if error.status is not None:
        return error.status in _TROUBLES_OF_HOST
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (httpx.TransportError, TimeoutError, OSError, Unresolved)):
            return True
        cause = cause.__cause__
    return False


def _short(error: FetchError) -> str:
    """What went wrong, without the address."""
    return str(error).rpartition(": ")[2][:_REASON_LENGTH]
