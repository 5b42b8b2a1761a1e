"""The keys that sign the addresses of pictures, so that only what feedbridge itself published can be asked for."""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feedbridge.errors import SettingsError, StoreError

FILE_NAME = "image-keys"
"""Beside the store."""

KEY_BYTES = 32

MAX_LENGTH = 8192
"""Characters; longer addresses are not signed, nor read."""

_SIGNATURE_LENGTH = 43
_BESIDE = ".feedbridge-tmp"
_TRIES = 100
_NOTE = """\
# These keys sign the addresses of pictures: the first signs, and each other is good until the time behind it.
# Who has them can let this server fetch anything public: keep the file to yourself.
"""

_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A secret, and until when it is good; None: until it is replaced."""

    secret: bytes = field(repr=False)
    expires: datetime | None = None

    def is_good(self, *, now: datetime) -> bool:
        """Whether what it signed may still be asked for."""
        return self.expires is None or now < self.expires


class Keys:
    """The keys in a file, which is made where there is none.

    Several processes may use one file: what one of them replaces, the others see at once. May be used from any
    thread.
    """

    def __init__(self, path: Path) -> None:
        """Read the keys, or make the first.

        Args:
            path: A file of mode 0600, in a folder that exists.

        Raises:
            SettingsError: The file is open to others, or holds something else; the text names the mend.
            StoreError: It cannot be read or written.
        """
        self._path = path
        with _in_words(path), _locked(path) as handle:
            path.with_name(path.name + _BESIDE).unlink(missing_ok=True)  # what a killed run left
            if not os.fstat(handle).st_size:
                _write(path, [Key(secret=secrets.token_bytes(KEY_BYTES))])
        self._stamp, self._keys = _read(path)

    @property
    def name(self) -> str:
        """Tells the key that signs now from others, and nothing else."""
        return hashlib.sha256(b"name of " + self._current()[0].secret).hexdigest()[:16]

    def sign(self, address: str) -> str:
        """The path, below the public address of the site, at which a picture may be asked for.

        It is always the same for the same address and key, and of letters, digits, `-`, `_` and `/` alone.

        Raises:
            ValueError: The address is too long, or no text that can be encoded.
        """
        raw = address.encode("utf-8")
        if len(raw) > MAX_LENGTH:
            raise ValueError(f"longer than {MAX_LENGTH:,} bytes")
        return f"img/{_signature(self._current()[0], raw)}/{_encode(raw)}"

    def verify(self, signature: str, encoded: str, *, now: datetime) -> str | None:
        """The address behind the two parts of a path, or None if no key that is still good signed just that.

        How long it takes tells nothing of how much of a signature is right.
        """
        raw = _decode(encoded)
        if raw is None or len(signature) != _SIGNATURE_LENGTH or not signature.isascii():
            return None
        given = signature.encode("ascii")
        good = [key for key in self._current() if key.is_good(now=now)]
        found = [hmac.compare_digest(_signature(key, raw).encode("ascii"), given) for key in good]
        try:
            return raw.decode("utf-8") if any(found) else None
        except UnicodeDecodeError:
            return None

    def rotate(self, *, now: datetime, keep_for: timedelta) -> None:
        """Let a new key sign; what the old one signed stays good for so long, and what earlier ones signed no longer.

        Raises:
            SettingsError: The file is not as it should be.
            StoreError: It cannot be read or written; the keys stay as they were.
        """
        with _in_words(self._path), _locked(self._path):
            _, keys = _read(self._path)
            until = now + keep_for
            kept = [Key(secret=key.secret, expires=min(key.expires or until, until)) for key in keys]
            good = [key for key in kept if key.is_good(now=now)]
            _write(self._path, [Key(secret=secrets.token_bytes(KEY_BYTES)), *good])
        self._stamp, self._keys = _read(self._path)

    def _current(self) -> Sequence[Key]:
        """The keys as the file has them now; where it cannot be read, as they were, for links must stay good."""
        with contextlib.suppress(OSError, SettingsError):
            if _stamp(self._path.stat()) != self._stamp:
                self._stamp, self._keys = _read(self._path)
        return self._keys


def _signature(key: Key, raw: bytes) -> str:
    return _encode(hmac.digest(key.secret, raw, hashlib.sha256))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(encoded: str) -> bytes | None:
    """What was encoded; None if it would have been written in any other way."""
    if len(encoded) > MAX_LENGTH * 4 // 3 + 3:
        return None
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (ValueError, binascii.Error):
        return None
    return raw if raw and _encode(raw) == encoded else None


# The file


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold the file, which is made empty where there is none, while nobody else does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES):
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    yield handle
                    return
        finally:
            os.close(handle)
    raise StoreError(f"{path}: is replaced again and again")


def _open(path: Path) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)


def _read(path: Path) -> tuple[_Stamp, tuple[Key, ...]]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if found.st_mode & 0o077:
            raise SettingsError(
                f"{path}: others on this machine may read it, and so sign what they like; "
                f"run `chmod 600 {path}`, or remove it, and a new one is made"
            )
        try:
            lines = file.read(1 << 20).decode("ascii").splitlines()
            keys = tuple(_key(line) for line in lines if line and not line.startswith("#"))
        except ValueError:
            keys = ()
    if not keys or keys[0].expires is not None:
        raise SettingsError(
            f"{path}: does not hold the keys that it should; put it back from a copy, or remove it: "
            "a new one is made, and pictures show again once the feeds are written anew"
        )
    return _stamp(found), keys


def _key(line: str) -> Key:
    secret, _, expires = line.partition(" ")
    raw = _decode(secret)
    if raw is None or len(raw) < KEY_BYTES:
        raise ValueError("no key")
    return Key(secret=raw, expires=datetime.fromisoformat(expires).astimezone(UTC) if expires else None)


def _write(path: Path, keys: Sequence[Key]) -> None:
    """Put the file in place at once; whoever calls holds its lock."""
    lines = [f"{_encode(key.secret)} {key.expires.isoformat() if key.expires else ''}".rstrip() for key in keys]
    beside = path.with_name(path.name + _BESIDE)
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(_NOTE + "\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: the keys of pictures cannot be kept ({error.strerror or error})") from error
