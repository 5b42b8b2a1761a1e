"""The published files, kept in memory with their compressed forms."""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import stat
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import brotli

from feedbridge.publish.outputs import MEDIA_TYPES
from feedbridge.server.respond import Encoded, LargeFile, Served, Stamp

PICTURE_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".ico": "image/x-icon",
}
"""Pictures that are served, by their endings; no SVG, which can hold scripts."""

_POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([ -!#-%\'-~]{1,2000})">')
"""In printable ASCII without references."""
_POLICY_WITHIN = 1024
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._~-]*/)*[A-Za-z0-9_-][A-Za-z0-9._~-]*", re.ASCII)
_LONGEST_NAME = 1024
_LEAST_PACKED = 500
_BROTLI_QUALITY = 5
_GZIP_LEVEL = 6
_OVERHEAD = 2048
_BLOCK = 1 << 20
_TRIES = 5
_LOADS_AT_ONCE = 2
_LAST_SECOND = 253402300799


def file_name(path: str) -> str | None:
    """The name below the published folder that a decoded request path means, or None if it can mean none.

    Only letters, digits and `_ - . ~` make names, none with a leading dot, so that no path leads out of the folder
    or to a file that is being written; a path that ends in `/` means the folder's `index.html`.
    """
    if not path.startswith("/") or len(path) > _LONGEST_NAME:
        return None
    name = path[1:] + "index.html" if path.endswith("/") else path[1:]
    return name if _NAME.fullmatch(name) else None


class Shelf:
    """Published files by name.

    One event loop uses it. What is kept is checked by one `stat` a request; reading and compressing run in threads,
    once for all who wait for it.
    """

    def __init__(self, root: Path, *, max_bytes: int = 32 * 1024 * 1024) -> None:
        """Serve the files below a folder, keeping at most so many bytes; larger ones than a quarter are not kept."""
        self._root = root
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[Served, int]] = OrderedDict()
        self._bytes = 0
        self._loads: dict[str, asyncio.Task[Served | None]] = {}
        self._turns = asyncio.Semaphore(_LOADS_AT_ONCE)

    @property
    def kept_bytes(self) -> int:
        """Bytes in memory, with a little for each file's bookkeeping."""
        return self._bytes

    async def get(self, path: str) -> Served | None:
        """Give the file at a decoded request path, as it is now, or None if there is none.

        Raises:
            OSError: There is one, but it cannot be read.
        """
        name = file_name(path)
        if name is None or _media(name) is None:
            return None
        stamp = self.look(name)
        if stamp is None:
            self._drop(name)
            return None
        kept = self._kept.get(name)
        if kept is not None and kept[0].stamp == stamp:
            self._kept.move_to_end(name)
            return kept[0]
        joined = self._loads.get(name)
        loaded = await asyncio.shield(joined or self._start(name))
        if joined is not None and loaded is not None and loaded.stamp != stamp:
            return await self.get(path)  # what was being read when we came is older than what we saw
        return loaded

    def _start(self, name: str) -> "asyncio.Task[Served | None]":
        load = asyncio.create_task(self._load(name))
        self._loads[name] = load
        load.add_done_callback(_look_at)
        return load

    def look(self, name: str) -> Stamp | None:
        """What file is at a name below the published folder at this moment, or None if there is none.

        Raises:
            OSError: That cannot be seen.
        """
        try:
            found = os.stat(f"{self._root}/{name}")  # noqa: PTH116  (a Path takes longer than the call)
        except OSError as error:
            if _is_absence(error):
                return None
            raise
        return _stamp(found) if stat.S_ISREG(found.st_mode) else None

    async def _load(self, name: str) -> Served | None:
        try:
            async with self._turns:
                served = await asyncio.to_thread(_read_file, self._root, name, self._max_bytes // 4)
        finally:
            del self._loads[name]  # here and not in a callback: nobody may join a load that is done
        self._drop(name)
        if served is None:
            return None
        weight = _weight(served)
        self._kept[name] = (served, weight)
        self._bytes += weight
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))
        return served

    def _drop(self, name: str) -> None:
        _, weight = self._kept.pop(name, (None, 0))
        self._bytes -= weight


def open_large(file: LargeFile) -> int | None:
    """Open a large file and give its handle, or None if it is another file by now.

    Raises:
        OSError: It cannot be opened.
    """
    handle = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if _stamp(os.fstat(handle)) == file.stamp:
        return handle
    os.close(handle)
    return None


def _look_at(load: "asyncio.Task[Served | None]") -> None:
    """Look at how a load ended, so that it is not reported as lost when all who waited have left."""
    if not load.cancelled():
        load.exception()


def _is_absence(error: OSError) -> bool:
    """Whether an error means that nothing is published under the name."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def _read_file(root: Path, name: str, largest: int) -> Served | None:
    """Read a file that stayed the same while it was read, and again if another has taken its place by then."""
    path = f"{root}/{name}"
    whole: Served | None = None
    for _ in range(_TRIES):
        try:
            with _opened(path) as handle:
                found = os.fstat(handle)
                place = Path(path).resolve()
                if not stat.S_ISREG(found.st_mode) or not place.is_relative_to(root.resolve()):
                    return None
                if not os.path.samestat(place.stat(), found):
                    continue
                served = _served(name, path, handle, found, largest)
                if served is None or _stamp(os.fstat(handle)) != _stamp(found):
                    continue
                whole = served
                if _stamp(place.stat()) == served.stamp:
                    return whole
        except OSError as error:
            if _is_absence(error):
                return None
            raise
    if whole is None:
        raise OSError(f"{path}: changes faster than it can be read")
    return whole


def _served(name: str, path: str, handle: int, found: os.stat_result, largest: int) -> Served | None:
    """The file behind a handle, or None if it is shorter or longer than it was."""
    media_type, text = _media(name) or ("application/octet-stream", False)
    stamp = _stamp(found)
    whole: Encoded | LargeFile
    packed: tuple[Encoded, ...] = ()
    policy = None
    if found.st_size > largest:
        whole = LargeFile(path=path, stamp=stamp, etag=f'"{_digest(handle)}"')
    else:
        body = b"".join(_blocks(handle))
        if len(body) != found.st_size:
            return None
        digest = hashlib.sha256(body).hexdigest()[:32]
        whole = Encoded("identity", body, f'"{digest}"')
        policy = _POLICY.search(body, 0, _POLICY_WITHIN) if media_type == "text/html" else None
        packed = tuple(_pack(body, digest)) if text and len(body) >= _LEAST_PACKED else ()
    return Served(
        name=name,
        media_type=media_type,
        text=text,
        last_modified=min(max(int(found.st_mtime_ns // 1_000_000_000), 0), _LAST_SECOND),
        stamp=stamp,
        whole=whole,
        packed=packed,
        policy=policy[1].decode() if policy else None,
    )


def _pack(body: bytes, digest: str) -> Iterator[Encoded]:
    """The compressed forms that are shorter."""
    squeeze = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    forms = (
        Encoded("br", brotli.compress(body, quality=_BROTLI_QUALITY), f'"{digest}-br"'),
        Encoded("gzip", squeeze.compress(body) + squeeze.flush(), f'"{digest}-gz"'),
    )
    return (form for form in forms if len(form.body) < len(body))


def _media(name: str) -> tuple[str, bool] | None:
    """The media type of a file, and whether it is text; None if such files are not served."""
    ending = name[name.rfind(".") :]
    if ending == ".json" and name.startswith("feeds/"):
        return "application/feed+json", True
    if ending in MEDIA_TYPES:
        return MEDIA_TYPES[ending], True
    return (PICTURE_TYPES[ending], False) if ending in PICTURE_TYPES else None


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open for reading; does not wait for the other end of a pipe."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def _blocks(handle: int) -> Iterator[bytes]:
    while block := os.read(handle, _BLOCK):
        yield block


def _digest(handle: int) -> str:
    digest = hashlib.sha256()
    for block in _blocks(handle):
        digest.update(block)
    return digest.hexdigest()[:32]


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _weight(served: Served) -> int:
    forms = [form for form in (served.whole, *served.packed) if isinstance(form, Encoded)]
    return _OVERHEAD + sum(len(form.body) for form in forms)
