"""Documents in a bucket of an object storage: whole or not at all, and left alone where they are the same.

A document's object says of itself what it holds (`sha256`, of the document as it was before it was compressed), so that
one question tells whether it is to be put again. Which objects are there is looked at once in a while; in between, what
the store knows of is taken to be there.
"""

import contextlib
import gzip
import hashlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import obstore

from feedbridge.errors import OutputError, PublishError
from feedbridge.publish.outputs import MEDIA_TYPES, Written
from feedbridge.settings import OutputStorage
from feedbridge.storage import FAILURES, open_storage, reason_of_failure

if TYPE_CHECKING:
    from obstore import Attribute, Attributes
    from obstore.store import ObjectStore

LOOK_AGAIN_SECONDS = 600.0
"""So often it is looked which objects are there: what somebody took away is put there again."""

ARCHIVE_MAX_AGE = timedelta(hours=1)
"""Archive documents are kept by caches so long at least: they seldom change."""

_GZIP_LEVEL = 6
_DIGEST = "sha256"
_OURS: "tuple[Attribute, ...]" = ("Content-Type", "Cache-Control", "Content-Encoding", _DIGEST)
"""What an object says of itself by our word; a storage may add to it."""


@dataclass(slots=True)
class _Known:
    """A storage, its connections, and which objects are there, as was seen when it was `looked` at, or put since."""

    store: "ObjectStore"
    there: set[str] = field(default_factory=set)
    looked: float | None = None


@lru_cache(maxsize=4)
def _know(address: str, storage: OutputStorage) -> _Known:
    return _Known(open_storage(address, storage))


def open_bucket(address: str, storage: OutputStorage, *, check: Callable[[], None] | None = None) -> "Bucket":
    """The bucket at an address; what is known of it is kept, and its connections.

    Args:
        address: `s3://BUCKET/PREFIX`, `gs://…` or `az://…`.
        storage: How it is reached; what is not said there is taken from the environment.
        check: Where others publish there, too: raises where they may be writing what is ours to write.

    Raises:
        OutputError: What the settings and the environment say of it cannot be used.
    """
    with _in_words(address):
        return Bucket(_know(address, storage), address, storage, check)


class Bucket:
    """The place in a bucket that documents are published in; paths are relative to it, with `/`.

    Every failure is an OutputError: publishing ends with it, so that nothing is put that points to what is not there.
    """

    def __init__(self, known: _Known, address: str, storage: OutputStorage, check: Callable[[], None] | None) -> None:
        self._known = known
        self._store = known.store
        self._address = address
        self._storage = storage
        self._check = check

    def prepare(self, *, sweep: bool = True) -> None:
        """Look which objects are there, unless that was done a while ago."""
        if self._known.looked is None or time.monotonic() - self._known.looked > LOOK_AGAIN_SECONDS:
            with _in_words(self._address):
                self._known.there = {one["path"] for some in obstore.list(self._store) for one in some}
            self._known.looked = time.monotonic()

    def put(self, path: str, body: bytes) -> bool:
        """Put a document in place at once; says whether it is new there."""
        attributes = self._attributes(_inside(path), body)
        with self._asking(path):
            asks = self._known.looked is None or path in self._known.there
            found = (self._head(path) if asks else None) or {}
            is_new = any(found.get(key) != attributes.get(key) for key in _OURS)
            if is_new:
                if self._check:
                    self._check()
                packed = gzip.compress(body, _GZIP_LEVEL, mtime=0) if self._storage.compress else body
                obstore.put(self._store, path, packed, attributes=attributes, use_multipart=False)
        self._known.there.add(path)
        return is_new

    def sync(self) -> None:
        """Nothing: an object that was taken is there to stay."""

    def feeds(self, name: str, endings: Iterable[str], *, family: bool) -> list[str]:
        """The subscription documents that stand for a feed, or for a family of feeds, in these formats."""
        patterns = [f"feeds/{name}-*.{ending}" if family else f"feeds/{name}.{ending}" for ending in endings]
        with self._asking("feeds"):
            found = [one["path"] for one in obstore.list_with_delimiter(self._store, "feeds")["objects"]]
        return sorted(path for path in found if any(PurePosixPath(path).match(pattern) for pattern in patterns))

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder, as was looked or put since; none where there is no such."""
        inside = (one.removeprefix(f"{path}/") for one in self._known.there if one.startswith(f"{path}/"))
        return sorted({name for name, slash, _ in (one.partition("/") for one in inside) if slash})

    def is_foreign(self, path: str, *, mark: bytes) -> bool:
        """Whether a document stands there that has not the mark of ours in it."""
        body = self._get(path)
        return body is not None and mark not in body

    def whole(self, written: Mapping[str, Written]) -> frozenset[str]:
        """Those of these documents that were there when that was looked at, or were put since, be it by others."""
        if self._check:
            for path in written.keys() - self._known.there:
                with self._asking(path):
                    found = self._head(path)
                if found is not None and found.get(_DIGEST) == written[path].digest:
                    self._known.there.add(path)
        return frozenset(written.keys() & self._known.there)

    def read(self, path: str, body_digest: str) -> bytes | None:
        """The bytes of a document if they are those that we wrote.

        Args:
            path: The document.
            body_digest: SHA-256 of what we wrote, in hex.
        """
        body = self._get(path)
        return body if body is not None and _digest(body) == body_digest else None

    def remove(self, path: str, body_digest: str) -> bool:
        """Remove a document if it still holds what we wrote; says whether it is gone.

        Args:
            path: The document.
            body_digest: SHA-256 of what we wrote, in hex.
        """
        with self._asking(path):
            found = self._head(path)
            if found is not None and found.get(_DIGEST) != body_digest:
                return False
            if found is not None:
                if self._check:
                    self._check()
                obstore.delete(self._store, path)
        self._known.there.discard(path)
        return True

    def _head(self, path: str) -> "Attributes | None":
        """What an object says of itself; None where there is none."""
        try:
            return obstore.get(self._store, path, options={"head": True}).attributes
        except FileNotFoundError:
            return None

    def _get(self, path: str) -> bytes | None:
        with self._asking(path):
            try:
                found = obstore.get(self._store, path)
                body = bytes(found.bytes())
            except FileNotFoundError:
                return None
        if found.attributes.get("Content-Encoding") != "gzip":
            return body
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error):  # it is none of ours
            return body

    def _attributes(self, path: str, body: bytes) -> "Attributes":
        """What an object is to say of itself."""
        age = self._storage.max_age
        if path.count("/") > 1:
            age = max(age, ARCHIVE_MAX_AGE)
        attributes: Attributes = {
            "Content-Type": f"{MEDIA_TYPES[PurePosixPath(path).suffix]}; charset=utf-8",
            "Cache-Control": f"public, max-age={int(age.total_seconds())}",
            _DIGEST: _digest(body),
        }
        if self._storage.compress:
            attributes["Content-Encoding"] = "gzip"
        return attributes

    def _asking(self, path: str) -> contextlib.AbstractContextManager[None]:
        return _in_words(f"{self._address}/{path}")


def _inside(path: str) -> str:
    """The path, if it is one that is inside.

    Raises:
        PublishError: It leads out.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts:
        raise PublishError(f"{path}: is no path inside the bucket")
    return path


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@contextlib.contextmanager
def _in_words(address: str) -> Iterator[None]:
    """Let what fails end publishing."""
    try:
        yield
    except FAILURES as error:
        raise OutputError(
            f"{address}: cannot be published ({reason_of_failure(error)}); what was published before stays"
        ) from None
