"""Files in the output folder: whole or not at all, and left alone where their bytes are the same."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from feedbridge.errors import OutputError, PublishError
from feedbridge.publish.outputs import Written

_BESIDE = ".feedbridge-tmp"
"""Ending of a file that is being written; what a killed run left is swept away by the next."""


_FOR_ALL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE})


class OutputFolder:
    """The folder that documents are published in; paths are relative to it, with `/`.

    A file is written by one process at a time. Every method raises PublishError, which names the file; what stands
    there stays. It is an OutputError where no other file would fare better.

    Args:
        root: The folder.
        check: Raises where others may be writing by now: before anything is put in place, or removed.
    """

    def __init__(self, root: Path, *, check: Callable[[], None] | None = None) -> None:
        self._root = root
        self._check = check or (lambda: None)
        self._touched: set[Path] = set()

    def prepare(self, *, sweep: bool = True) -> None:
        """Make the folder, and sweep away what a killed run left.

        Where others may be writing, nothing is swept: what was not put in place is still due, and then it is.
        """
        for folder in (self._root, self._root / "feeds"):
            with _in_words(folder):
                folder.mkdir(parents=True, exist_ok=True)
        if not sweep:
            return
        with _in_words(self._root):
            for folder in (
                self._root,
                self._root / "feeds",
                *self._root.glob("feeds/*/"),
                *self._root.glob("entries/*/"),
            ):
                for left in folder.glob(f".*{_BESIDE}"):
                    left.unlink(missing_ok=True)

    def put(self, path: str, body: bytes) -> bool:
        """Write a file beside, and put it in place at once; says whether the bytes are new."""
        target = self._target(path)
        with _in_words(target):
            if _holds(target, body):
                return False
            self._make_folder(target.parent)
            beside = target.with_name(f".{target.name}{_BESIDE}")
            try:
                _write(beside, body)
                self._check()
                beside.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    beside.unlink()
                raise
            self._touched.add(target.parent)
        return True

    def sync(self) -> None:
        """Return when everything that was put or removed so far would outlive a power cut."""
        while self._touched:
            folder = self._touched.pop()
            with _in_words(folder):
                sync_folder(folder)

    def feeds(self, name: str, endings: Iterable[str], *, family: bool) -> list[str]:
        """The subscription documents that stand for a feed, or for a family of feeds, in these formats."""
        stem = f"feeds/{name}-*" if family else f"feeds/{name}"
        found = (path for ending in endings for path in self._root.glob(f"{stem}.{ending}"))
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def is_foreign(self, path: str, *, mark: bytes) -> bool:
        """Whether a file stands there that has not the mark of ours in it."""
        try:
            return mark not in self._target(path).read_bytes()
        except OSError:
            return False

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder; none where there is no such."""
        with contextlib.suppress(OSError), os.scandir(self._target(path)) as found:
            return sorted(one.name for one in found if one.is_dir(follow_symlinks=False))
        return []

    def whole(self, written: Mapping[str, Written]) -> frozenset[str]:
        """Those of these files that stand as we wrote them, as far as their sizes tell."""
        return frozenset(path for path, one in written.items() if _size(f"{self._root}/{path}") == one.size)

    def read(self, path: str, body_digest: str) -> bytes | None:
        """The bytes of a file if they are those that we wrote.

        Args:
            path: The file.
            body_digest: SHA-256 of what we wrote, in hex.
        """
        try:
            body = self._target(path).read_bytes()
        except OSError:
            return None
        return body if hashlib.sha256(body).hexdigest() == body_digest else None

    def remove(self, path: str, body_digest: str) -> bool:
        """Remove a file if it still holds what we wrote; says whether it is gone.

        Args:
            path: The file.
            body_digest: SHA-256 of what we wrote, in hex.
        """
        target = self._target(path)
        with _in_words(target):
            try:
                body = target.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return True
            if hashlib.sha256(body).hexdigest() != body_digest:
                return False
            self._check()
            target.unlink()
            self._touched.add(target.parent)
            if target.parent != self._root and _is_empty(target.parent):
                target.parent.rmdir()
                self._touched.discard(target.parent)
                self._touched.add(target.parent.parent)
        return True

    def _target(self, path: str) -> Path:
        pure = PurePosixPath(path)
        if pure.is_absolute() or not pure.parts or ".." in pure.parts:
            raise PublishError(f"{path}: is no path inside the output folder")
        return self._root / pure

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            self._touched.update(parent for parent in folder.parents if parent.is_relative_to(self._root))


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116  (a path would be made for every file)
    except OSError:
        return None


def _holds(path: Path, body: bytes) -> bool:
    try:
        return path.stat().st_size == len(body) and path.read_bytes() == body
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as found:
        return next(found, None) is None


def _write(path: Path, body: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder would outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reach = OutputError if error.errno in _FOR_ALL else PublishError
        raise reach(
            f"{path}: cannot be written ({error.strerror or error}); what was published before stays"
        ) from error
