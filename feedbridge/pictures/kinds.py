"""What a picture is, by its own bytes; never by a header or a name."""

import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_PIXELS = 50_000_000
"""A picture of more is refused: a hundred kilobytes can unpack to gigabytes."""

MAX_SIDE = 20_000
"""Pixels of width or height."""

Data = bytes | mmap.mmap

Size = tuple[int, int]

_STEPS = 1024
_HEAD = 1024
_ZIP_TAIL = 65536 + 22
_ZIP_END = struct.Struct("<4sHHHHIIH")
_DIB_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}
_DIB_DEPTHS = {0, 1, 2, 4, 8, 16, 24, 32}
_NO_FRAME = {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title")
_TEXT = bytes({7, 8, 9, 10, 12, 13, 27, *range(0x20, 0x100)} - {0x7F})


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What a picture is.

    Attributes:
        media_type: Such as `image/jpeg`.
        ending: Of its file, without the dot.
        width: In pixels, at least 1.
        height: Likewise.
    """

    media_type: str
    ending: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why something is not shown as a picture; `reason` goes on after "it"."""

    reason: str


class _Broken(Exception):  # noqa: N818  (it is a verdict)
    """The bytes are not what their beginning says."""


def identify(data: Data) -> Kind | Unfit:
    """Say what a file is: JPEG, PNG, GIF, WebP, AVIF, BMP or ICO, or why it is not shown.

    Whatever the bytes are, a bounded part of them is read, and nothing is unpacked. A picture of too many pixels is
    unfit, as is one that is a ZIP archive as well, which some programs would open as such.
    """
    form = next((form for form in _FORMS if form.begins(data)), None)
    if form is None:
        return Unfit(_other(data[:_HEAD]))
    try:
        width, height = form.size(data)
    except (_Broken, struct.error):
        return Unfit(f"begins like {form.name}, but its size cannot be read")
    if width < 1 or height < 1:
        return Unfit(f"is {form.name} without a size")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        return Unfit(f"has {width:,} × {height:,} pixels; {MAX_PIXELS:,} and {MAX_SIDE:,} a side are taken")
    if _is_archive(data):
        return Unfit(f"is {form.name} and a ZIP archive at once")
    return Kind(media_type=form.media_type, ending=form.ending, width=width, height=height)


def _other(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return "is empty"
    if text.startswith(b"<") and b"<svg" in text:
        return "is SVG, which can hold scripts"
    if text.startswith(_PAGES):
        return "is an HTML page"
    if head.startswith(b"PK\x03\x04"):
        return "is a ZIP archive"
    return "is no picture of a known kind" if head.translate(None, _TEXT) else "is text"


def _is_archive(data: Data) -> bool:
    """Whether a ZIP's end of central directory stands in the last 64 KiB, where it is looked for."""
    tail = data[-_ZIP_TAIL:]
    at = tail.find(b"PK\x05\x06")
    while 0 <= at <= len(tail) - _ZIP_END.size:
        _, disk, _, _, _, _, _, comment = _ZIP_END.unpack_from(tail, at)
        if disk in (0, 0xFFFF) and at + _ZIP_END.size + comment <= len(tail):
            return True
        at = tail.find(b"PK\x05\x06", at + 1)
    return False


# Where each format has its size


def _jpeg(data: Data) -> Size:
    """The frame header, behind any number of other segments (ITU-T T.81, annex B)."""
    at = 2
    for _ in range(_STEPS):
        mark, code = struct.unpack_from("BB", data, at)
        if mark != 0xFF:
            break
        if code == 0xFF:  # a fill byte
            at += 1
        elif code in _STANDALONE:
            at += 2
        elif 0xC0 <= code <= 0xCF and code not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        elif code in (0xD8, 0xD9, 0xDA):  # another picture begins, this one ends, or its data come
            break
        else:
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    raise _Broken


def _png(data: Data) -> Size:
    length, name, width, height = struct.unpack_from(">I4sII", data, 8)
    if (length, name) != (13, b"IHDR"):
        raise _Broken
    return width, height


def _gif(data: Data) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: Data) -> Size:
    """RFC 9649, section 2."""
    name = data[12:16]
    if name == b"VP8X":
        return 1 + int.from_bytes(_part(data, 24, 3), "little"), 1 + int.from_bytes(_part(data, 27, 3), "little")
    if name == b"VP8L" and data[20:21] == b"\x2f":
        bits = int.from_bytes(_part(data, 21, 4), "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise _Broken


def _avif(data: Data) -> Size:
    """The largest of the sizes that its parts have (ISO/IEC 23008-12, 6.5.3)."""
    start, end = _inside(data, b"meta", 0, len(data))
    for name in (b"iprp", b"ipco"):
        start, end = _inside(data, name, start + 4 * (name == b"iprp"), end)  # `meta` has a version in front
    sizes = [struct.unpack_from(">II", data, at + 4) for name, at, _ in _boxes(data, start, end) if name == b"ispe"]
    if not sizes:
        raise _Broken
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _bmp(data: Data) -> Size:
    return _dib(data, 14)


def _ico(data: Data) -> Size:
    """The largest of its pictures, by the directory and by what each says of itself."""
    (count,) = struct.unpack_from("<H", data, 4)
    sizes: list[Size] = []
    for number in range(min(count, _STEPS)):
        width, height, _, _, _, _, length, at = struct.unpack_from("<BBBBHHII", data, 6 + 16 * number)
        if at + length > len(data):
            raise _Broken
        sizes.append((width or 256, height or 256))
        if data[at : at + 8] == _PNG:
            sizes.append(_png(data[at : at + 24]))
        else:
            width, height = _dib(data, at)
            sizes.append((width, height // 2))  # the mask stands below the picture
    if not sizes:
        raise _Broken
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _dib(data: Data, at: int) -> Size:
    """The size in the header of a bitmap; rows that go downwards have a negative height."""
    (head,) = struct.unpack_from("<I", data, at)
    if head not in _DIB_SIZES:
        raise _Broken
    width, height, planes, depth = struct.unpack_from("<HHHH" if head == 12 else "<iiHH", data, at + 4)
    if planes != 1 or depth not in _DIB_DEPTHS:
        raise _Broken
    return width, abs(height)


def _inside(data: Data, wanted: bytes, start: int, end: int) -> Size:
    """Where the inside of the first box of a name begins and ends."""
    found = next(((at, to) for name, at, to in _boxes(data, start, end) if name == wanted), None)
    if found is None:
        raise _Broken
    return found


def _boxes(data: Data, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a part of the file: name, begin and end of what is inside (ISO/IEC 14496-12, 4.2)."""
    for _ in range(_STEPS):
        if end - start < 8:
            return
        size, name = struct.unpack_from(">I4s", data, start)
        inside = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, inside)
            inside += 8
        to = start + size if size else end
        if not inside <= to <= end:
            return
        yield name, inside, to
        start = to


def _part(data: Data, at: int, length: int) -> bytes:
    part = data[at : at + length]
    if len(part) != length:
        raise _Broken
    return part


# The table of formats


@dataclass(frozen=True, slots=True)
class _Form:
    name: str
    media_type: str
    ending: str
    begins: Callable[[Data], bool]
    size: Callable[[Data], Size]


_PNG = b"\x89PNG\r\n\x1a\n"


def _with(*beginnings: bytes) -> Callable[[Data], bool]:
    return lambda data: data[:12].startswith(beginnings)


def _is_webp(data: Data) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _is_avif(data: Data) -> bool:
    """By the brands of its first box, of which the first may be a more general one."""
    length = min(int.from_bytes(data[:4], "big"), _HEAD)
    brands = data[8:length]
    named = {brands[at : at + 4] for at in range(0, len(brands), 4)}
    return data[4:8] == b"ftyp" and bool(named & {b"avif", b"avis"})


_FORMS = (
    _Form("JPEG", "image/jpeg", "jpg", _with(b"\xff\xd8\xff"), _jpeg),
    _Form("PNG", "image/png", "png", _with(_PNG), _png),
    _Form("GIF", "image/gif", "gif", _with(b"GIF87a", b"GIF89a"), _gif),
    _Form("WebP", "image/webp", "webp", _is_webp, _webp),
    _Form("AVIF", "image/avif", "avif", _is_avif, _avif),
    _Form("BMP", "image/bmp", "bmp", _with(b"BM"), _bmp),
    _Form("ICO", "image/x-icon", "ico", _with(b"\0\0\1\0"), _ico),
)
