"""What pictures there are, where they come from, what is known of them, and what a policy would make of them."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from feedbridge import composing
from feedbridge.asking import body_of, user_agent
from feedbridge.composing import cache_folder
from feedbridge.errors import FetchError, SettingsError
from feedbridge.fetch.client import Client
from feedbridge.inspection import standing_keys
from feedbridge.model import Image
from feedbridge.pictures.album import Album
from feedbridge.pictures.cache import Cache
from feedbridge.pictures.keys import Keys
from feedbridge.pictures.kinds import Unfit, identify
from feedbridge.pictures.referers import read_referers
from feedbridge.policies import Chain
from feedbridge.settings import Settings, Source
from feedbridge.settling import picture_fetch
from feedbridge.store import articles, pictures
from feedbridge.store.database import Store
from feedbridge.store.pictures import HostCounts, host_of

SAMPLES = 3
_BATCH = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class HostSurvey:
    """The pictures of one host: how many there are, and how many of those that were looked for are there.

    Attributes:
        trouble: Why none of them is used, or None.
    """

    host: str
    pictures: int
    found: int = 0
    missing: int = 0
    copies: int = 0
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The address of a picture now, and as a policy would have it; None: left out."""

    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What came from an address: a picture, or the reason why none did."""

    address: str
    kind: str | None = None
    width: int | None = None
    height: int | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What a policy would make of the pictures.

    Attributes:
        hosts: Where readers would fetch them from, with how many of them.
        checks: What came from some of the addresses.
    """

    policy: tuple[str, ...]
    changed: int
    same: int
    left_out: int
    samples: tuple[Sample, ...]
    hosts: tuple[tuple[str, int], ...]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What pictures there are, each once.

    Attributes:
        hosts: By how many pictures they have.
        proxies: Hosts that pictures came through, with how many.
        copied_bytes: What the copies take.
        cached_bytes: What the cache of served pictures takes.
        waiting: How many pictures are still to be looked for.
    """

    pictures: int
    articles: int
    hosts: tuple[HostSurvey, ...]
    proxies: tuple[tuple[str, int], ...]
    copied_bytes: int
    cached_bytes: int
    waiting: int
    trial: Trial | None = None


@dataclass(slots=True)
class _Count:
    """What is counted while the articles go by."""

    origins: set[str] = field(default_factory=set)
    articles: int = 0
    hosts: Counter[str] = field(default_factory=Counter)
    proxies: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    left_out: int = 0
    samples: list[Sample] = field(default_factory=list)
    after: Counter[str] = field(default_factory=Counter)
    to_check: dict[str, list[str]] = field(default_factory=dict)


def survey(settings: Settings, *, policy: Chain | None, check: int) -> Survey:
    """Look over the pictures of all articles.

    Args:
        settings: The sources, the store, and the policies that are in force.
        policy: One to try out, or None.
        check: Of each host that pictures would come from under it, so many addresses are asked.

    Raises:
        StoreError: The store cannot be read.
        SettingsError: The table of referers cannot be used.
    """
    count = _Count()
    with Store(settings.site.store, write=False) as store, store.transaction() as connection:
        album = Album(base_url=settings.site.base_url, keys=standing_keys(settings))
        for source in settings.source:
            for batch in _images(connection, source):
                _count(count, batch, album, connection, settings, source, policy)
        known = {counts.host: counts for counts in pictures.counts(connection)}
        failing = pictures.failing_hosts(connection)
        copied = sum(pictures.copies(connection).values())
        waiting = sum(counts.unknown for counts in known.values())
    return Survey(
        pictures=len(count.origins),
        articles=count.articles,
        hosts=tuple(
            _host(name, number, known.get(name), failing.get(name)) for name, number in count.hosts.most_common()
        ),
        proxies=tuple(count.proxies.most_common()),
        copied_bytes=copied,
        cached_bytes=_cached(settings),
        waiting=waiting,
        trial=_trial(settings, count, policy, check) if policy else None,
    )


def replace_key(settings: Settings, *, now: datetime) -> None:
    """Let a new key sign pictures; addresses that the old one signed stay good for a while.

    Raises:
        SettingsError: There is none yet, or the file of the keys is not as it should be.
        StoreError: It cannot be read or written.
    """
    file = composing.key_file(settings)
    if not file.exists():
        raise SettingsError(f'{file}: there is no key yet; the first build with images = "serve" makes it')
    Keys(file).rotate(now=now, keep_for=settings.pictures.keep_links)


def _images(connection: Connection, source: Source) -> Iterator[list[list[Image]]]:
    """The pictures of a source's articles, article by article, in batches."""
    rows = [change.row for change in articles.changed_since(connection, [source.name], 0) if not change.removed]
    for start in range(0, len(rows), _BATCH):
        kept = articles.load(connection, rows[start : start + _BATCH])
        yield [list(one.article.images) for one in kept.values()]


def _count(
    count: _Count,
    batch: Sequence[Sequence[Image]],
    album: Album,
    connection: Connection,
    settings: Settings,
    source: Source,
    policy: Chain | None,
) -> None:
    table = next((table for table in settings.feed if source in settings.sources_of(table)), None)
    chain_of = composing.chain_of(settings, table, source)
    fresh: list[Image] = []
    for images in batch:
        count.articles += bool(images)
        for image in images:
            if image.origin not in count.origins:
                count.origins.add(image.origin)
                fresh.append(image)
    count.hosts.update(host_of(image.origin) for image in fresh)
    count.proxies.update(host_of(address) for image in fresh for address in image.chain)
    if policy is None:
        return
    album.begin(connection, [(image, chain) for image in fresh for chain in (chain_of(image), policy)])
    for image in fresh:
        before, after = album.address(image, chain_of(image)), album.address(image, policy)
        if after is None:
            count.left_out += 1
            continue
        count.after[host_of(after)] += 1
        for comes_from in filter(None, (one.address(image) for one in policy)):
            count.to_check.setdefault(host_of(comes_from), []).append(comes_from)
        if before != after:
            count.changed += 1
            if len(count.samples) < SAMPLES:
                count.samples.append(Sample(before=before, after=after))


def _host(name: str, number: int, known: HostCounts | None, trouble: str | None) -> HostSurvey:
    survey = HostSurvey(host=name, pictures=number, trouble=trouble)
    if known is None:
        return survey
    return replace(survey, found=known.found, missing=known.missing, copies=known.copies)


def _cached(settings: Settings) -> int:
    folder = cache_folder(settings)
    return Cache(folder, max_bytes=settings.pictures.cache).used() if folder.is_dir() else 0


def _trial(settings: Settings, count: _Count, policy: Chain, check: int) -> Trial:
    addresses = [address for host, some in count.to_check.items() if host for address in some[:check]]
    return Trial(
        policy=tuple(str(one) for one in policy),
        changed=count.changed,
        same=len(count.origins) - count.changed - count.left_out,
        left_out=count.left_out,
        samples=tuple(count.samples),
        hosts=tuple(count.after.most_common()),
        checks=tuple(asyncio.run(_ask(settings, addresses))) if addresses else (),
    )


async def _ask(settings: Settings, addresses: Sequence[str]) -> list[Check]:
    """Ask for pictures, one after the other."""
    referers = read_referers(settings.pictures.referers)
    checks = []
    async with Client(user_agent=user_agent(settings.site)) as client:
        fetch = picture_fetch(settings, client)
        for address in addresses:
            try:
                answer = await fetch(address, referers.of(address))
            except FetchError as error:
                checks.append(Check(address=address, reason=str(error)))
                continue
            with body_of(answer) as pieces:
                kind = identify(b"".join(pieces))
            if isinstance(kind, Unfit):
                checks.append(Check(address=address, reason=f"what came {kind.reason}"))
            else:
                checks.append(Check(address=address, kind=kind.media_type, width=kind.width, height=kind.height))
    return checks
