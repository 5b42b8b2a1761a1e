"""Folders: which files are there, and the bytes of one that is whole."""

import contextlib
import fcntl
import heapq
import os
import re
import signal
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from feedbridge.errors import FetchError, UnusableItem
from feedbridge.model import FolderRequest

MAX_PATH = 2_000
"""Bytes of a path below the folder that can be remembered; no index of a database takes one much longer."""

SETTLE_SECONDS = 0.5
"""A file written less than this ago is looked at twice before it is read."""


class Unsettled(UnusableItem):
    """The file is still being written, or cannot be read now; the next refresh tries again."""


class FoundFile(NamedTuple):
    """A file as the folder lists it; of these there may be very many.

    Attributes:
        path: Relative to the folder, with `/`; bytes that are no UTF-8 come as lone surrogates.
        key: The same as text that can be stored.
        size: In bytes.
        mtime_ns: Time of the last change, nanoseconds since the epoch.
    """

    path: str
    size: int
    mtime_ns: int

    @property
    def key(self) -> str:
        return storable(self.path)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds.

    Attributes:
        files: In the order of their names.
        refused: What was left out, with the reason.
        after: Only what sorts after this name was looked at.
    """

    files: tuple[FoundFile, ...]
    refused: tuple[tuple[str, str], ...]
    after: str = ""

    def keys(self) -> set[str]:
        """Everything that is there, be it left out or not."""
        return {file.key for file in self.files} | {path for path, _ in self.refused}


def storable(path: str) -> str:
    """A path as text that any store and any report can hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", errors="backslashreplace")
    return path


def list_folder(request: FolderRequest) -> Listing:
    """List the files that the request asks for; names with a leading dot are left out.

    Links are followed as long as they stay inside the folder.

    Raises:
        FetchError: The folder cannot be listed.
    """
    wanted = matcher(request.patterns)
    try:
        root = request.root.resolve(strict=True)
        files: list[FoundFile] = []
        refused: list[tuple[str, str]] = []
        for path, entry in _walk(root, request.leave_out, wanted, refused):
            try:
                found = entry.stat()
            except OSError as error:
                refused.append((storable(path), f"cannot be looked at ({error.strerror})"))
            else:
                _take(path, found, files, refused)
    except NotADirectoryError as error:
        raise FetchError(f"{request.root}: is not a folder; mend `path`") from error
    except FileNotFoundError as error:
        raise FetchError(f"{request.root}: no such folder; mend `path`, or mount it") from error
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FetchError(f"{request.root}: cannot be listed ({reason})") from error
    return Listing(tuple(sorted(files)), tuple(sorted(refused)))


def look_at(request: FolderRequest, paths: Collection[Path]) -> Listing | None:
    """The files of a folder at these places, absolute, as far as the request asks for them.

    Returns:
        None where only a look at the whole folder tells: something is gone, is a folder or a link, or cannot be seen.
    """
    wanted = matcher(request.patterns)
    files: list[FoundFile] = []
    refused: list[tuple[str, str]] = []
    try:
        root = request.root.resolve(strict=True)
        left_out = request.leave_out.resolve() if request.leave_out is not None else None
        for place in {path.parent.resolve(strict=True) / path.name for path in paths}:
            path = place.relative_to(root).as_posix()
            if any(part[0] == "." for part in path.split("/")) or (left_out and place.is_relative_to(left_out)):
                continue
            found = place.lstat()
            if not stat.S_ISREG(found.st_mode):
                return None
            if wanted.fullmatch(path):
                _take(path, found, files, refused)
    except (OSError, RuntimeError, ValueError):
        return None
    return Listing(tuple(sorted(files)), tuple(sorted(refused)))


def matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    """Globs as an expression that whole paths match."""
    return re.compile("|".join(f"(?:{_expression(pattern)})" for pattern in patterns))


def read_file(root: Path, file: FoundFile, *, max_bytes: int) -> bytes:
    """Read a file that is whole: nobody has it open for writing, size and time stand still.

    Raises:
        UnusableItem: The file is too long.
        Unsettled: It is being written, or cannot be opened now.
    """
    try:
        handle = os.open(root / file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unsettled(f"cannot be opened ({error.strerror})") from error
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise Unsettled("is no longer a file")
        if before.st_size > max_bytes:
            raise UnusableItem(too_long(before.st_size, max_bytes))
        if (before.st_size, before.st_mtime_ns) != (file.size, file.mtime_ns) or _has_writer(handle):
            raise Unsettled("is still being written")
        body = _read_all(handle, before.st_size)
        after = os.fstat(handle)
    except OSError as error:
        raise Unsettled(f"cannot be read ({error.strerror})") from error
    finally:
        os.close(handle)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or len(body) != after.st_size:
        raise Unsettled("is still being written")
    return body


def read_head(root: Path, file: FoundFile, *, count: int) -> bytes:
    """The first bytes of a file, for a glance; none where it cannot be read now."""
    try:
        handle = os.open(f"{root}/{file.path}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(handle, count)
    except OSError:
        return b""
    finally:
        os.close(handle)


def is_young(file: FoundFile, *, now_ns: int) -> bool:
    """Whether the file changed so lately that a second look is due; `now_ns` counts from the epoch."""
    return abs(now_ns - file.mtime_ns) < SETTLE_SECONDS * 1e9


def wait_to_settle() -> None:
    """Let the time pass after which young files are looked at again."""
    time.sleep(SETTLE_SECONDS)


def look_again(root: Path, file: FoundFile) -> FoundFile:
    """The file as it is now.

    Raises:
        Unsettled: It is gone, or it has changed since.
    """
    try:
        now = (root / file.path).stat()
    except OSError as error:
        raise Unsettled(f"cannot be opened ({error.strerror})") from error
    if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns):
        raise Unsettled("is still being written")
    return file


def too_long(size: int, limit: int) -> str:
    """Why a long file is refused."""
    return f"is too long: {size:,} bytes, and max_file_bytes is {limit:,}"


def _walk(
    root: Path, leave_out: Path | None, wanted: re.Pattern[str], refused: list[tuple[str, str]]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that may be wanted files, each to be looked at before the next is asked for.

    A folder is visited once, by its own name sooner than by that of a link.
    """
    pending = [("", str(root))]
    linked: list[tuple[str, str]] = []
    seen: set[tuple[int, int]] = set()
    if leave_out is not None and leave_out.is_dir():
        seen.add(_identity(leave_out))
    while pending or linked:
        prefix, folder = pending.pop() if pending else heapq.heappop(linked)
        try:
            handle, entries = _open(folder, seen)
        except OSError as error:
            if not prefix:
                raise
            refused.append((storable(prefix), f"cannot be listed ({error.strerror})"))
            continue
        try:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_symlink() and not _stays_inside(f"{folder}/{entry.name}", root):
                    refused.append((storable(path), "is a link that leads out of the folder, or nowhere"))
                elif _is_folder(entry):
                    if entry.is_symlink():
                        heapq.heappush(linked, (path + "/", f"{folder}/{entry.name}"))
                    else:
                        pending.append((path + "/", f"{folder}/{entry.name}"))
                elif wanted.fullmatch(path):
                    yield path, entry
        finally:
            os.close(handle)


def _open(folder: str, seen: set[tuple[int, int]]) -> tuple[int, list[os.DirEntry[str]]]:
    """A folder's handle, and what is in it if it was not seen yet; so no entry's whole path need be looked up."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        identity = _identity(handle)
        entries = [] if identity in seen else [entry for entry in os.scandir(handle) if entry.name[0] != "."]
    except BaseException:
        os.close(handle)
        raise
    seen.add(identity)
    return handle, entries


def _take(path: str, found: os.stat_result, files: list[FoundFile], refused: list[tuple[str, str]]) -> None:
    if not stat.S_ISREG(found.st_mode):
        refused.append((storable(path), "is not a file"))
    elif len(path) > MAX_PATH // 4 and len(storable(path).encode()) > MAX_PATH:
        refused.append((storable(path), f"has a path of more than {MAX_PATH:,} bytes; move it up"))
    else:
        files.append(FoundFile(path, found.st_size, found.st_mtime_ns))


def _stays_inside(path: str, root: Path) -> bool:
    try:
        return Path(path).resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(folder: int | Path) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116  (it may be a handle)
    return found.st_dev, found.st_ino


def _expression(pattern: str) -> str:
    """A glob as a regular expression: `**/` any folders, `*` and `?` within one name."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "(?s:" + "".join(meaning.get(part, re.escape(part)) for part in parts) + ")"


def _has_writer(handle: int) -> bool:
    """Whether any process has the file open for writing; False where the system cannot tell.

    Linux grants a read lease only on a file that nobody has open for writing. The lease is given back at once;
    should a writer come in between, the signal that tells of it is one that is ignored.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    with contextlib.suppress(OSError):
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _read_all(handle: int, size: int) -> bytes:
    chunks = []
    left = size + 1
    while left > 0 and (chunk := os.read(handle, min(left, 1 << 20))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)
