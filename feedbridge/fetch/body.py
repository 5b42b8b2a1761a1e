"""The body of an answer: kept as it came, decoded in small steps however far it swells."""

import tempfile
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from feedbridge.errors import FetchError

PIECE_BYTES = 64 * 1024
"""Decoded bytes come in pieces of at most so many."""

_IN_MEMORY_BYTES = 256 * 1024
_GZIP_OR_ZLIB, _GZIP, _ZLIB, _RAW = 47, 31, 15, -15


def read_coding(header: str) -> str:
    """The one coding of a body by its Content-Encoding (RFC 9110 section 8.4): `gzip`, `deflate` or `identity`.

    Raises:
        FetchError: It is another one, or there are several, one around the other.
    """
    named = [name for part in header.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if len(named) > 1:
        raise FetchError(f"it is encoded more than once ({header[:80]}), which is not read")
    coding = (named or ["identity"])[0].removeprefix("x-")
    if coding not in {"gzip", "deflate", "identity"}:
        raise FetchError(f"it is encoded as {coding[:40]}, which was not asked for; only gzip and deflate are read")
    return coding


class Decoder:
    """Undoes a coding as the bytes come; `deflate` with its zlib wrapper or, as some servers have it, without."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflater: zlib._Decompress | None = None
        self._before = b""
        self._members = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The next decoded bytes, in pieces of at most `PIECE_BYTES`; an empty piece is a step that gave nothing.

        Raises:
            FetchError: They are not what the coding says, or something follows their end.
        """
        if self._coding == "identity":
            yield from (data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))
            return
        try:
            yield from self._inflate(data)
        except zlib.error as error:
            what = "something else follows its end" if self._follows else f"no valid {self._coding}"
            raise FetchError(f"it is broken: {what}") from error

    def finish(self) -> None:
        """Say that all bytes came.

        Raises:
            FetchError: The end is missing.
        """
        if self._inflater is not None or self._before:
            raise FetchError(f"it was cut short: its {self._coding} has no end")

    @property
    def _follows(self) -> bool:
        """Whether what is read now comes behind an end."""
        return self._members > 1

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        while data or len(piece) == PIECE_BYTES:
            if self._inflater is None:
                data, self._before = self._before + data, b""
                if len(data) < 2 and self._coding == "deflate" and not self._members:
                    self._before = data
                    return
                self._inflater = self._begin(data)
            piece = self._inflater.decompress(data, PIECE_BYTES)
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:
                data, self._inflater = self._inflater.unused_data, None
                if not data:
                    yield piece
                    return
            yield piece

    def _begin(self, data: bytes) -> "zlib._Decompress":
        self._members += 1
        if self._coding == "gzip":  # which may be several, one after the other (RFC 1952 section 2.2)
            return zlib.decompressobj(_GZIP if self._follows else _GZIP_OR_ZLIB)
        if self._follows:
            raise zlib.error("deflate has one end")
        wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # RFC 1950 section 2.2
        return zlib.decompressobj(_ZLIB if wrapped else _RAW)


class Body:
    """What came, as it came: in memory while it is short, else in a file without a name. Must be closed.

    Attributes:
        wire_size: Bytes as they came.
        size: Bytes once decoded.
    """

    def __init__(self, coding: str = "identity") -> None:
        self._coding = coding
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  (it lives as long as the body)
        self.wire_size = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes as they came.

        Raises:
            FetchError: The disk does not take them.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise FetchError(f"what came cannot be kept in {tempfile.gettempdir()} ({error.strerror})") from error
        self.wire_size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """The decoded body from its beginning, in pieces of at most 64 KiB."""
        self._file.seek(0)
        decoder = Decoder(self._coding)
        while data := self._file.read(PIECE_BYTES):
            yield from filter(None, decoder.decode(data))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
