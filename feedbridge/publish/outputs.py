"""Where documents are published: what publishing asks of a folder, and of a bucket alike."""

from collections.abc import Iterable, Mapping
from typing import Protocol

MEDIA_TYPES = {
    ".atom": "application/atom+xml",
    ".rss": "application/rss+xml",
    ".json": "application/json",
    ".opml": "text/x-opml",
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".txt": "text/plain",
    ".xml": "application/xml",
}
"""Text files that are published, by their endings."""


class Written(Protocol):
    """A file that we wrote; `digest` is SHA-256 in hex, `size` in bytes."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...


class Outlet(Protocol):
    """Takes documents, each whole or not at all; paths are relative to it, with `/`.

    A document is written by one process at a time. Every method raises PublishError, which names the document; what
    stands there stays. It is an OutputError where no other document would fare better.
    """

    def prepare(self, *, sweep: bool = True) -> None:
        """Be ready to take documents, and sweep away what a killed run left; not where others may be writing."""

    def put(self, path: str, body: bytes) -> bool:
        """Put a document in place at once; says whether it is new there."""

    def sync(self) -> None:
        """Return when everything that was put or removed so far would outlive a power cut."""

    def feeds(self, name: str, endings: Iterable[str], *, family: bool) -> list[str]:
        """The subscription documents that stand for a feed, or for a family of feeds, in these formats."""

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder; none where there is no such."""

    def is_foreign(self, path: str, *, mark: bytes) -> bool:
        """Whether a document stands there that has not the mark of ours in it."""

    def whole(self, written: Mapping[str, Written]) -> frozenset[str]:
        """Those of these documents that stand as we wrote them, as far as can be told without reading them."""

    def read(self, path: str, body_digest: str) -> bytes | None:
        """The bytes of a document if they are those that we wrote."""

    def remove(self, path: str, body_digest: str) -> bool:
        """Remove a document if it still holds what we wrote; says whether it is gone."""
