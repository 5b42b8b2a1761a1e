"""Copies of pictures beside the feeds: one file for the same bytes, whatever addresses they came from.

They are named by what they hold (`media/ab/<SHA-256>.jpg`), so that a file never changes, and may be kept by caches
for ever.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from feedbridge.errors import UnusableItem
from feedbridge.pictures.cache import Draft
from feedbridge.pictures.kinds import Kind, Unfit
from feedbridge.pictures.resize import Shape
from feedbridge.publish.files import sync_folder

FOLDER = "media"
"""Below the output folder."""

_NEW = ".new"
"""Below it, for what is being written: no web server shows what is hidden."""

_BESIDE = ".feedbridge-tmp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A copy of a picture.

    Attributes:
        path: Relative to the output folder, with `/`.
        size: In bytes.
        is_new: The same bytes were not there before.
    """

    path: str
    kind: Kind
    size: int
    is_new: bool


class Media:
    """The copies below an output folder. Methods may be called from any thread, and wait for the disk.

    Args:
        output: The folder that feeds are written to.
        shape: What pictures are made into; None: left as they are.
    """

    def __init__(self, output: Path, *, shape: Shape | None = None) -> None:
        self._output = output
        self._root = output / FOLDER
        self._shape = shape

    def take(self, pieces: Iterable[bytes]) -> Copy:
        """Keep a picture, whole or not at all.

        Raises:
            UnusableItem: It is none that is shown; the text goes on after "what came".
            OSError: The disk does not take it.
        """
        with self._draft() as draft:
            for piece in pieces:
                draft.write(piece)
            kind = draft.identify()
            if isinstance(kind, Unfit):
                raise UnusableItem(kind.reason)
            made = self._shape.fit(Path(draft.path)) if self._shape is not None else None
            if made is None:
                return self._keep(draft, kind)
        with self._draft() as draft:
            draft.write(made)
            kind = draft.identify()
            if isinstance(kind, Unfit):
                raise UnusableItem(kind.reason)
            return self._keep(draft, kind)

    def there(self) -> dict[str, int]:
        """What is there, with its bytes, by path; leftovers of a killed run are removed."""
        found = {}
        for folder in self._shelves():
            for entry in os.scandir(folder):
                if entry.name.endswith(_BESIDE):
                    Path(entry.path).unlink(missing_ok=True)
                elif entry.is_file(follow_symlinks=False):
                    found[f"{FOLDER}/{folder.name}/{entry.name}"] = entry.stat(follow_symlinks=False).st_size
        return found

    def remove(self, paths: Iterable[str]) -> None:
        """Remove copies, if they are there.

        Raises:
            OSError: One cannot be removed.
        """
        for path in paths:
            (self._output / path).unlink(missing_ok=True)

    def _shelves(self) -> Iterator[Path]:
        if self._root.is_dir():
            yield from (folder for folder in self._root.iterdir() if folder.is_dir() and not folder.is_symlink())

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Draft]:
        folder = self._root / _NEW
        folder.mkdir(parents=True, exist_ok=True)
        path = f"{folder}/{secrets.token_hex(8)}{_BESIDE}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            yield Draft(path, handle)
        finally:
            Path(path).unlink(missing_ok=True)
            os.close(handle)

    def _keep(self, draft: Draft, kind: Kind) -> Copy:
        digest = draft.digest
        path = f"{FOLDER}/{digest[:2]}/{digest}.{kind.ending}"
        target = self._output / path
        is_new = not (target.is_file() and target.stat().st_size == draft.size)
        if is_new:
            os.fsync(draft.handle)
            target.parent.mkdir(exist_ok=True)
            os.replace(draft.path, target)  # noqa: PTH105  (the draft's path is text)
            sync_folder(target.parent)
        return Copy(path=path, kind=kind, size=draft.size, is_new=is_new)
