"""Pictures on disk, bounded in bytes: what nobody asked for the longest goes first.

One file a picture, named by the SHA-256 of its address: its bytes, and behind them a line of fixed length that says
what it is. There is no index that could break, and a file's time is when it was last asked for. Several processes may
share a folder.
"""

# A Path for each file would take longer than what is done with it, and grow the table of names that Python keeps.
# ruff: noqa: PTH102, PTH105, PTH108, PTH116

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from feedbridge.pictures.kinds import Kind, Unfit, identify

MAX_ENTRIES = 50_000

_BESIDE = ".feedbridge-tmp"
_LABEL_BYTES = 256
_BLOCK = 4096
_FULL, _SWEPT, _UNSEEN = 0.9, 0.8, 0.02
_TOUCH_SECONDS = 60.0
_HEX = "0123456789abcdef"
_SHELVES = frozenset(a + b for a in _HEX for b in _HEX)


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What is kept of a picture beside its bytes.

    Attributes:
        kind: What it is, by its bytes.
        size: In bytes.
        digest: SHA-256 of the bytes, in hex.
        fetched: When it came; aware.
    """

    kind: Kind
    size: int
    digest: str
    fetched: datetime


class Held:
    """A picture that is open: it can be read to its end even if it is thrown out meanwhile.

    It is closed when nobody has it any more.

    Attributes:
        label: What is kept of it.
        asked_at: When it was last noted that somebody asked for it, seconds since the epoch.
    """

    def __init__(self, label: Label, handle: int, asked_at: float) -> None:
        self.label = label
        self.asked_at = asked_at
        self._handle = handle

    def read(self, at: int, length: int) -> bytes:
        """Some of its bytes; fewer come only at its end."""
        return os.pread(self._handle, min(length, self.label.size - at), at)

    def read_at_once(self, at: int, length: int) -> bytes | None:
        """The same without waiting for the disk, perhaps fewer; None if it would have to be waited for."""
        piece = bytearray(min(length, self.label.size - at))
        try:
            del piece[os.preadv(self._handle, [piece], at, _WITHOUT_WAITING) :]
        except OSError:
            return None
        return bytes(piece)

    def touch(self, now: float) -> None:
        """Note that somebody asked for it."""
        self.asked_at = now
        with contextlib.suppress(PermissionError):  # another user's, who may then sweep it sooner
            os.utime(self._handle, (now, now))

    def __del__(self) -> None:
        os.close(self._handle)


_WITHOUT_WAITING: int = getattr(os, "RWF_NOWAIT", 0)
CAN_READ_AT_ONCE = bool(_WITHOUT_WAITING)
"""Whether the system can tell if the disk would have to be waited for."""


class Draft:
    """A file that is being written; nobody finds it until it is kept.

    Attributes:
        path: Where it is.
        size: Bytes so far.
    """

    def __init__(self, path: str, handle: int) -> None:
        self.path = path
        self.handle = handle
        self.size = 0
        self._digest = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        """Add bytes."""
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self.handle, rest) :]
        self._digest.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> str:
        """SHA-256 of what has been written so far, in hex."""
        return self._digest.hexdigest()

    def identify(self) -> Kind | Unfit:
        """What has been written so far."""
        if not self.size:
            return identify(b"")
        with mmap.mmap(self.handle, self.size, access=mmap.ACCESS_READ) as data:
            return identify(data)

    def label(self, kind: Kind, fetched: datetime) -> Label:
        """What is to be kept of it."""
        return Label(kind=kind, size=self.size, digest=self.digest, fetched=fetched)


class Cache:
    """The pictures in a folder. Methods may be called from any thread, and wait for the disk.

    Args:
        root: The folder, used for nothing else.
        max_bytes: All pictures together, in blocks of 4 KiB; what is being written comes on top.
        max_entries: So many pictures at most.
        clock: Seconds since the epoch, to tell which picture was asked for last.
    """

    def __init__(
        self,
        root: Path,
        *,
        max_bytes: int,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        self._unseen_bytes = self._unseen_entries = 0
        self._is_counted = False

    @property
    def max_bytes(self) -> int:
        return self._max_bytes

    def prepare(self) -> None:
        """Make the folder, sweep away what a killed process was writing, and keep to the bounds.

        Raises:
            OSError: It cannot be made or read.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._root.glob(f"*{_BESIDE}"):
            _remove_if_nobody_writes(left)
        with self._lock, self._alone():
            self._make_room(0)

    def find(self, address: str) -> Held | None:
        """Open the picture of an address, or None if it is not here; it counts as asked for now.

        Raises:
            OSError: It cannot be read.
        """
        path = self._path(address)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(handle)
            label = _read_label(os.pread(handle, _LABEL_BYTES, max(0, found.st_size - _LABEL_BYTES)))
            if label is None or found.st_size != label.size + _LABEL_BYTES:
                _remove(path)  # a power cut left it
                label = None
        except BaseException:
            os.close(handle)
            raise
        if label is None:
            os.close(handle)
            return None
        held = Held(label, handle, found.st_mtime)
        self.touch(held)
        return held

    def touch(self, held: Held) -> None:
        """Note that a picture was asked for, if that was not noted within this minute."""
        if self.is_touch_due(held):
            held.touch(self._clock())

    def is_touch_due(self, held: Held) -> bool:
        """Whether `touch` would write to the disk."""
        return abs(self._clock() - held.asked_at) > _TOUCH_SECONDS

    @contextlib.contextmanager
    def draft(self) -> Iterator[Draft]:
        """Begin to write; what has not been kept in the end is gone.

        Raises:
            OSError: The disk does not take it.
        """
        path, handle = self._begin()
        try:
            yield Draft(path, handle)
        finally:
            _remove(path)
            os.close(handle)

    def keep(self, address: str, draft: Draft, kind: Kind, *, fetched: datetime) -> None:
        """Put a draft in place as the picture of an address; others may have to go for it.

        Raises:
            OSError: The disk does not take it.
        """
        os.pwrite(draft.handle, _write_label(draft.label(kind, fetched)), draft.size)
        os.fdatasync(draft.handle)
        os.utime(draft.handle, (self._clock(), self._clock()))
        path, weight = self._path(address), _weight(draft.size + _LABEL_BYTES)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path[: path.rindex("/")], 0o700)
        with self._lock:
            self._unseen_bytes += weight
            self._unseen_entries += 1
            if self._may_wait_with_counting():
                os.replace(draft.path, path)
            else:
                with self._alone():
                    self._make_room(weight)
                    os.replace(draft.path, path)

    def used(self) -> int:
        """Bytes that are taken now, by this and other processes."""
        with self._alone():
            return sum(weight for _, weight, _ in self._scan())

    def _path(self, address: str) -> str:
        name = hashlib.sha256(address.encode("utf-8", errors="surrogatepass")).hexdigest()
        return f"{self._root}/{name[:2]}/{name[2:]}"

    def _begin(self) -> tuple[str, int]:
        """A new file, locked as long as it is written, so that no other process takes it for a leftover."""
        while True:
            path = f"{self._root}/{secrets.token_hex(8)}{_BESIDE}"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.stat(path), os.fstat(handle)):
                    return path, handle
            os.close(handle)

    # Room

    def _may_wait_with_counting(self) -> bool:
        """Whether so little came from this process since it counted last that two of them stay within the bounds."""
        return (
            self._is_counted
            and self._unseen_bytes <= _UNSEEN * self._max_bytes
            and self._unseen_entries <= _UNSEEN * self._max_entries
        )

    def _make_room(self, weight: int) -> None:
        """Count what all processes keep, and throw out the oldest where it is too much with what comes."""
        found = self._scan()
        used, count = weight + sum(weight for _, weight, _ in found), len(found)
        if used > _FULL * self._max_bytes or count > _FULL * self._max_entries:
            for _, size, path in sorted(found):
                if used <= _SWEPT * self._max_bytes and count <= _SWEPT * self._max_entries:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    used, count = used - size, count - 1
        self._unseen_bytes = self._unseen_entries = 0
        self._is_counted = True

    def _scan(self) -> list[tuple[float, int, str]]:
        """When each picture was last asked for, what it takes, and where it is."""
        found: list[tuple[float, int, str]] = []
        for shelf in os.scandir(self._root):
            if shelf.name in _SHELVES:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    found += _entries(shelf.path)
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process counts or throws out meanwhile."""
        handle = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _entries(shelf: str) -> Iterator[tuple[float, int, str]]:
    with os.scandir(shelf) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # thrown out meanwhile
                found = entry.stat(follow_symlinks=False)
                yield found.st_mtime, _weight(found.st_size), entry.path


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _weight(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _remove_if_nobody_writes(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            pass  # another process is at it
        finally:
            os.close(handle)


def _write_label(label: Label) -> bytes:
    kind = label.kind
    told = {
        "type": kind.media_type,
        "ending": kind.ending,
        "width": kind.width,
        "height": kind.height,
        "size": label.size,
        "digest": label.digest,
        "fetched": int(label.fetched.timestamp()),
    }
    return json.dumps(told, separators=(",", ":")).encode("ascii").ljust(_LABEL_BYTES - 1) + b"\n"


def _read_label(line: bytes) -> Label | None:
    """What was written, or None if it is anything else."""
    try:
        told = json.loads(line)
        width, height, size = int(told["width"]), int(told["height"]), int(told["size"])
        kind = Kind(media_type=str(told["type"]), ending=str(told["ending"]), width=width, height=height)
        fetched = datetime.fromtimestamp(told["fetched"], UTC)
        return Label(kind=kind, size=size, digest=str(told["digest"]), fetched=fetched)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
