"""A build that would find nothing to do, for whatever it would look at is as the build before it left it.

That one notes beside the store what it saw and left. The next one looks at the same, and compares: where nothing has
moved, there is nothing to open, to load or to write. Nothing is noted where time alone, or the web, may bring what is
new. The note may be deleted at any time; then a build looks at everything, as the first did.
"""

import contextlib
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feedbridge import __version__, defaults
from feedbridge.errors import SourceError
from feedbridge.fetch.files import FoundFile, Listing, list_folder
from feedbridge.model import FolderRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Standstill:
    """What a build saw and left, where the next one would find nothing to do.

    Attributes:
        folders: What was asked of each folder, and what was found.
        files: The published files, and those of the pages' theme with their folders, absolute.
    """

    folders: tuple[tuple[FolderRequest, Listing], ...]
    files: tuple[str, ...]


def settings_now(settings: Path, environ: Mapping[str, str]) -> str | None:
    """A digest of all that says what the settings are; None where they cannot be read."""
    ours = [f"{name}={value}" for name, value in sorted(environ.items()) if _is_looked_at(name)]
    try:
        return _digest([str(settings.absolute()), *ours, settings.read_text(encoding="utf-8-sig")])
    except (OSError, ValueError):
        return None


def note(
    found: Standstill,
    *,
    began_with: str | None,
    settings: Path,
    environ: Mapping[str, str],
    store: Path,
    values: object,
    lines: Sequence[str],
) -> None:
    """Note how things stand; that something is no longer there, or it cannot be written, harms nothing.

    Args:
        found: What a build saw and left; it has closed the store.
        began_with: What `settings_now` gave before the settings were read; if they are others by now, nothing is noted.
        settings: The settings file.
        environ: The environment.
        store: The database file.
        values: What the next build is to print as JSON.
        lines: What it is to print as text.
    """
    place = _beside(store)
    fresh = place.with_name(f".{place.name}")
    with contextlib.suppress(OSError, SourceError):
        seen = _seen(settings, environ, store, (listing for _, listing in found.folders), found.files)
        if began_with is None or seen["settings"] != began_with:
            return
        folders = [
            (str(one.root), one.patterns, one.max_bytes, one.leave_out and str(one.leave_out))
            for one, _ in found.folders
        ]
        told = {"folders": folders, "files": found.files, "seen": seen, "values": values, "lines": lines}
        fresh.write_text(json.dumps(told, default=str), encoding="utf-8")
        fresh.replace(place)


def answer(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """What a command would print, where it is a build that would find nothing to do; None where it is to be run.

    Args:
        words: The command's words.
        environ: The environment.
    """
    asked = _build_of(words, environ)
    if asked is None:
        return None
    settings, as_json = asked
    try:
        store = _store_of(settings, environ)
        told = json.loads(_beside(store).read_bytes())
        requests = [
            FolderRequest(root=Path(root), patterns=tuple(patterns), max_bytes=limit, leave_out=out and Path(out))
            for root, patterns, limit, out in told["folders"]
        ]
        seen = _seen(settings, environ, store, map(list_folder, requests), told["files"])
        if seen != told["seen"]:
            return None
        text = json.dumps(told["values"], indent=2) if as_json else "\n".join(told["lines"])
        os.utime(_beside(store))
    except (OSError, SourceError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return None
    return text


def looked_at(store: Path) -> datetime | None:
    """When a build last saw that nothing moves (aware, UTC); None where the store has been written since."""
    try:
        told = json.loads(_beside(store).read_bytes())
        if told["seen"]["store"] != _stamp_of_store(store):
            return None
        return datetime.fromtimestamp(_beside(store).stat().st_mtime, UTC).replace(microsecond=0)
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return None


def _build_of(words: Sequence[str], environ: Mapping[str, str]) -> tuple[Path, bool] | None:
    """The settings of a plain build, and whether it is to print JSON."""
    if not words or words[0] != "build":
        return None
    settings, as_json = environ.get(f"{defaults.PREFIX}CONFIG"), False
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "--json":
                as_json = True
            case "--config" | "-c":
                settings = next(rest, None)
            case _:
                return None
    return (Path(settings) if settings else defaults.SETTINGS), as_json


def _store_of(settings: Path, environ: Mapping[str, str]) -> Path:
    """The database file that settings name.

    Raises:
        ValueError: They name none.
    """
    site = tomllib.loads(settings.read_text(encoding="utf-8-sig")).get("site", {})
    address = environ.get(f"{defaults.PREFIX}STORE") or site.get("store", defaults.STORE)
    kind, slashes, path = address.partition("///")
    if kind != "sqlite:" or not slashes:
        raise ValueError(address)
    return Path(settings.absolute().parent, Path(path).expanduser()).resolve()


def _beside(store: Path) -> Path:
    return store.with_name(f"{store.name}.standstill")


def _seen(
    settings: Path, environ: Mapping[str, str], store: Path, listings: Iterable[Listing], files: Iterable[str]
) -> Any:
    """All that a build looks at, as it is now, in the shapes of JSON.

    Raises:
        OSError: Something of it is not there.
        FetchError: A folder cannot be listed.
    """
    program = list_folder(FolderRequest(root=Path(__file__).parent, patterns=("**/*.py",), max_bytes=0))
    return {
        "program": _digest([__version__, *map(_line, program.files)]),
        "settings": settings_now(settings, environ),
        "store": _stamp_of_store(store),
        "folders": [
            _digest([*map(_line, listing.files), *("\0".join(one) for one in listing.refused)]) for listing in listings
        ],
        "files": _digest(f"{file}\0{_stamp(file)}" for file in files),
    }


def _is_looked_at(variable: str) -> bool:
    """Whether it has a say in what the settings are; which file they are in is known."""
    return variable == "HOME" or (variable.startswith(defaults.PREFIX) and variable != f"{defaults.PREFIX}CONFIG")


def _line(file: FoundFile) -> str:
    return "%s\0%d\0%d" % file  # noqa: UP031  (of these there may be very many)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", errors="surrogatepass")).hexdigest()


def _stamp_of_store(store: Path) -> list[int]:
    """Which file it is, when it was last written, and what waits beside it to be written."""
    waiting = 0
    with contextlib.suppress(FileNotFoundError):
        waiting = store.with_name(f"{store.name}-wal").stat().st_size
    return [*_stamp(store), waiting]


def _stamp(path: str | Path) -> list[int]:
    """Which file it is, and when it was last written.

    Raises:
        OSError: It is not there.
    """
    found = os.stat(path)  # noqa: PTH116  (a path would be made for every file)
    return [found.st_ino, found.st_size, found.st_mtime_ns]
