"""The token that opens the owner's pages: that of the settings, or one that is made and kept in a file."""

import contextlib
import os
import secrets
from pathlib import Path

from feedbridge.errors import SettingsError, StoreError
from feedbridge.settings import STATUS_TOKEN, Site

FILE_NAME = "status-token"
"""In the folder `state`."""

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


def token_of(site: Site) -> str:
    """The token; the first is made.

    Raises:
        SettingsError: Its file is open to others, or holds something else.
        StoreError: It cannot be read or written.
    """
    if site.status_token is not None:
        return site.status_token
    path = site.state_folder / FILE_NAME
    try:
        with contextlib.suppress(FileNotFoundError):
            return _read(path)
        _make(path)
        return _read(path)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"{path}: the token of the owner's pages cannot be kept ({reason})") from error


def _read(path: Path) -> str:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS), "rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise SettingsError(
                f"{path}: others on this machine may read it, and so see the owner's pages;"
                f" run `chmod 600 {path}`, or remove it, and a new one is made"
            )
        token = file.read(1000).decode("ascii", errors="replace").strip()
    if not STATUS_TOKEN.fullmatch(token):
        raise SettingsError(f"{path}: does not hold a token; remove it, and a new one is made")
    return token


def _make(path: Path) -> None:
    """Write a new token, whole or not at all; if another process was quicker, its token stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600), "w") as file:
            file.write(f"{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
