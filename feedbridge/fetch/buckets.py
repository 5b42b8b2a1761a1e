"""Buckets of an object storage: which objects are there, and the bytes of those that are due.

To whoever reads them, objects are files: a name, a size, and a time. What is told of the time has whole seconds, in
which an object may be put twice; so in place of nanoseconds stands a digest of its ETag.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import obstore

from feedbridge.errors import FetchError, UnusableItem
from feedbridge.fetch.files import FoundFile, Listing, Unsettled, matcher, too_long
from feedbridge.settings import Storage
from feedbridge.storage import FAILURES, open_storage, reason_of_failure

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

MOST_OBJECTS = 1_000_000
"""A longer list is broken off: such a place is no archive of articles, and what is listed is held in memory."""

_AT_ONCE = 8
_SECOND = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketRequest:
    """Asks for the objects of a bucket that are new or changed.

    Attributes:
        root: `s3://BUCKET/PREFIX`, `gs://…` or `az://…`.
        storage: How it is reached.
        patterns: Globs relative to the root; `**` crosses `/`.
        max_bytes: Longer objects are refused.
    """

    root: str
    storage: Storage = field(repr=False)
    patterns: tuple[str, ...]
    max_bytes: int


def list_bucket(request: BucketRequest, *, after: str = "", heed: Callable[[], None] = lambda: None) -> Listing:
    """List the objects that the request asks for; names with a part that has a leading dot are left out.

    Args:
        request: What is asked for.
        after: Only names that sort after this one.
        heed: Called for each thousand; what it raises ends the listing.

    Raises:
        FetchError: Not all of it can be listed, or there is nothing at all.
    """
    wanted, files, count = matcher(request.patterns), list[FoundFile](), 0
    try:
        store = open_storage(request.root, request.storage)
        for page in obstore.list(store, offset=after or None, chunk_size=1000):
            heed()
            count += len(page)
            if count > MOST_OBJECTS:
                raise FetchError(f"{request.root}: has more than {MOST_OBJECTS:,} objects; name a longer prefix")
            files += [_found(one) for one in page if _is_wanted(one["path"], wanted.fullmatch)]
    except FAILURES as error:
        raise FetchError(
            f"{request.root}: cannot be listed ({reason_of_failure(error)}); what is known of it stays"
        ) from None
    if not count and not after:
        raise FetchError(f"{request.root}: there is nothing; mend `path`, or put articles there")
    return Listing(tuple(sorted(files, key=lambda file: file.path)), (), after=after)


def read_objects(request: BucketRequest, files: Sequence[FoundFile]) -> list[bytes | UnusableItem]:
    """The bytes of objects, some at a time; instead of them, why an object cannot be used, or cannot be read now.

    Raises:
        FetchError: The storage fails, or refuses one.
    """
    try:
        store = open_storage(request.root, request.storage)
    except FAILURES as error:
        raise FetchError(f"{request.root}: cannot be read ({reason_of_failure(error)})") from None
    with ThreadPoolExecutor(min(_AT_ONCE, len(files)), thread_name_prefix="objects") as threads:
        return list(threads.map(partial(_read, store, request), files))


def _read(store: "ObjectStore", request: BucketRequest, file: FoundFile) -> bytes | UnusableItem:
    if file.size > request.max_bytes:
        return UnusableItem(too_long(file.size, request.max_bytes))
    try:
        found = obstore.get(store, file.path)
        changed = found.meta["last_modified"].timestamp()
        if found.meta["size"] != file.size or changed < file.mtime_ns // _SECOND:
            return Unsettled("is another than was listed; it is looked at again")
        return bytes(found.bytes())
    except FileNotFoundError:
        return Unsettled("is gone since it was listed")
    except FAILURES as error:
        raise FetchError(f"{request.root}/{file.path}: cannot be read ({reason_of_failure(error)})") from None


def _is_wanted(path: str, matches: Callable[[str], object]) -> bool:
    return not path.startswith(".") and "/." not in path and matches(path) is not None


def _found(one: "ObjectMeta") -> FoundFile:
    tag = hashlib.sha256((one["e_tag"] or "").encode()).digest()
    stamp = int(one["last_modified"].timestamp()) * _SECOND + int.from_bytes(tag[:8]) % _SECOND
    return FoundFile(one["path"], one["size"], stamp)
