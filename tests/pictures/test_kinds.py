import io
import mmap
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.pictures.kinds import Kind, Unfit, identify


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int = 3, height: int = 2, body: bytes | None = None) -> bytes:
    """A grey picture."""
    body = zlib.compress(bytes((width + 1) * height)) if body is None else body
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def jpeg(width: int = 3, height: int = 2, *, before: bytes = b"", frame: int = 0xC0) -> bytes:
    """What a JPEG has up to its data, and an end."""
    size = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    head = b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + before
    return head + segment(frame, size) + segment(0xDA, b"\1\1\0\0\x3f\0") + b"\0\xff\xd9"


def gif(width: int = 3, height: int = 2) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def riff(name: bytes, body: bytes) -> bytes:
    inside = b"WEBP" + name + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def webp_extended(width: int = 3, height: int = 2) -> bytes:
    return riff(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def webp_lossless(width: int = 3, height: int = 2) -> bytes:
    return riff(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(5))


def webp_lossy(width: int = 3, height: int = 2) -> bytes:
    return riff(b"VP8 ", b"\x30\1\0\x9d\1\x2a" + struct.pack("<HH", width, height) + bytes(4))


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def avif(*sizes: tuple[int, int], brands: bytes = b"avif\0\0\0\0avifmif1") -> bytes:
    properties = b"".join(box(b"ispe", bytes(4) + struct.pack(">II", *size)) for size in sizes or [(3, 2)])
    inside = box(b"hdlr", bytes(24)) + box(b"iprp", box(b"ipco", box(b"av1C", bytes(4)) + properties))
    return box(b"ftyp", brands) + box(b"meta", bytes(4) + inside) + box(b"mdat", bytes(20))


def dib(width: int, height: int) -> bytes:
    return struct.pack("<IiiHH", 40, width, height, 1, 24) + bytes(24)


def bmp(width: int = 3, height: int = 2) -> bytes:
    return b"BM" + bytes(12) + dib(width, height) + bytes(36)


def ico(*pictures: bytes, says: tuple[int, int] = (3, 2)) -> bytes:
    pictures = pictures or (dib(3, 4),)
    at, directory = 6 + 16 * len(pictures), b""
    for picture in pictures:
        directory += struct.pack("<BBBBHHII", *says, 0, 0, 1, 32, len(picture), at)
        at += len(picture)
    return b"\0\0\1\0" + struct.pack("<H", len(pictures)) + directory + b"".join(pictures)


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("run.class", b"\xca\xfe\xba\xbe")
    return packed.getvalue()


KINDS = {
    "jpeg": (jpeg(), "image/jpeg", "jpg"),
    "progressive jpeg": (jpeg(frame=0xC2), "image/jpeg", "jpg"),
    "png": (png(), "image/png", "png"),
    "gif": (gif(), "image/gif", "gif"),
    "webp, extended": (webp_extended(), "image/webp", "webp"),
    "webp, lossless": (webp_lossless(), "image/webp", "webp"),
    "webp, lossy": (webp_lossy(), "image/webp", "webp"),
    "avif": (avif(), "image/avif", "avif"),
    "bmp": (bmp(), "image/bmp", "bmp"),
    "bmp, downwards": (bmp(3, -2), "image/bmp", "bmp"),
    "ico": (ico(), "image/x-icon", "ico"),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_known_by_its_bytes(name: str) -> None:
    """Media type, ending and size come from the bytes alone."""
    data, media_type, ending = KINDS[name]
    assert identify(data) == Kind(media_type=media_type, ending=ending, width=3, height=2)


def test_a_mapped_file_is_read_like_bytes(tmp_path: Path) -> None:
    """A long file need not be in memory."""
    path = tmp_path / "picture"
    for data, _, _ in KINDS.values():
        path.write_bytes(data)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert identify(mapped) == identify(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "ICO"])
def test_what_others_write_is_read(form: str) -> None:
    """Pillow's own pictures are known, with their size."""
    image = pytest.importorskip("PIL.Image")
    written = io.BytesIO()
    image.new("RGB", (48, 32), "teal").save(written, form, **({"sizes": [(48, 32)]} if form == "ICO" else {}))
    found = identify(written.getvalue())
    assert isinstance(found, Kind)
    assert (found.width, found.height) == (48, 32)


def test_the_frame_of_a_jpeg_may_stand_far_back() -> None:
    """Behind megabytes of other segments, and fill bytes."""
    before = segment(0xE1, bytes(65000)) * 40 + b"\xff\xff\xff" + segment(0xC4, bytes(20)) + b"\xff\x01"
    found = identify(jpeg(640, 480, before=before))
    assert (found.width, found.height) == (640, 480) if isinstance(found, Kind) else found


def test_the_largest_part_of_an_avif_counts() -> None:
    """A grid has the size of its tiles, and that of the whole."""
    assert identify(avif((512, 512), (2048, 100))) == Kind(
        media_type="image/avif", ending="avif", width=2048, height=512
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><p>", "is an HTML page"),
        (b"\xef\xbb\xbf \n<HTML>", "is an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "is SVG, which can hold scripts"),
        (b"<?xml version='1.0'?>\n<!-- -->\n<SVG/>", "is SVG, which can hold scripts"),
        (b"not found\n", "is text"),
        ("图片不存在".encode("gb18030"), "is text"),
        (b"BMW is a car, and no bitmap at all" + bytes(40), "begins like BMP, but its size cannot be read"),
        (archive(), "is a ZIP archive"),
        (b"\0\1\2\3", "is no picture of a known kind"),
        (b"\0\0\2\0\1\0", "is no picture of a known kind"),
        (b"II*\0" + bytes(20), "is no picture of a known kind"),
        (avif(brands=b"heic\0\0\0\0heicmif1"), "is no picture of a known kind"),
        (b"\xff\xd8\xff", "begins like JPEG, but its size cannot be read"),
        (b"\xff\xd8\xff\xd9", "begins like JPEG, but its size cannot be read"),
        (png()[:20], "begins like PNG, but its size cannot be read"),
        (png(0, 5, b""), "is PNG without a size"),
        (box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", bytes(4)), "begins like AVIF, but its size cannot be read"),
        (b"\0\0\1\0\1\0" + bytes(12) + b"\xff\xff\xff\xff" + bytes(16), "begins like ICO, but its size cannot be read"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, reason: str) -> None:
    """The reason says what it is instead."""
    assert identify(data) == Unfit(reason)


@pytest.mark.parametrize(
    "bomb",
    [
        png(30_000, 30_000, zlib.compress(bytes(1000))),
        png(20_001, 1),
        png(1, 20_001),
        png(8_000, 8_000, b""),
        jpeg(60_000, 60_000),
        gif(65_535, 65_535),
        webp_extended(16_000_000, 16_000_000),
        webp_lossless(16_000, 16_000),
        avif((3, 2), (70_000, 70_000)),
        bmp(2**31 - 1, -(2**31)),
        ico(png(30_000, 30_000, b"")),
        ico(dib(3, 4), dib(30_000, 60_000)),
    ],
)
def test_a_bomb_is_refused(bomb: bytes) -> None:
    """Few bytes that unpack to very many pixels are unfit, in whatever place they say so."""
    found = identify(bomb)
    assert isinstance(found, Unfit)
    assert found.reason.startswith("has ")
    assert "pixels; 50,000,000 and 20,000 a side are taken" in found.reason


def test_the_largest_picture_is_taken() -> None:
    """Fifty million pixels are not too many."""
    assert identify(png(10_000, 5_000, b"")) == Kind(media_type="image/png", ending="png", width=10_000, height=5_000)


@pytest.mark.parametrize("picture", [data for data, _, _ in KINDS.values()])
@pytest.mark.parametrize("behind", [b"", b"some rubbish behind the end"])
def test_a_picture_that_is_an_archive_is_refused(picture: bytes, behind: bytes) -> None:
    """Programs that look for an archive's end would open it as one."""
    found = identify(picture + archive() + behind)
    assert isinstance(found, Unfit)
    assert found.reason.endswith("and a ZIP archive at once")


def test_the_sign_of_an_archive_alone_does_not_make_one() -> None:
    """Four bytes can come by chance; and further in front nobody looks for them."""
    assert isinstance(identify(png() + b"PK\x05\x06" + b"\x12" * 40), Kind)
    assert isinstance(identify(png() + b"PK\x05\x06"), Kind)
    assert isinstance(identify(png() + archive() + bytes(70_000)), Kind)


def test_hostile_heads_cost_little() -> None:
    """Millions of small parts are not walked through."""
    many = 20 * 2**20 // 4
    hostile = [
        b"\xff\xd8\xff" + b"\xff" * 4 * many,
        b"\xff\xd8" + b"\xff\xe0\0\2" * many,
        box(b"ftyp", b"avif\0\0\0\0") + box(b"free", b"") * (many // 2),
        b"\0\0\1\0\xff\xff" + bytes(4 * many),
        png() + b"PK\x05\x06" * many,
    ]
    started = time.process_time()
    for data in hostile:
        identify(data)
    assert time.process_time() - started < 1


@given(st.sampled_from([data for data, _, _ in KINDS.values()]), st.data())
def test_broken_pictures_never_raise(data: bytes, more: st.DataObject) -> None:
    """Cut anywhere, with any byte changed: a kind or a reason comes back."""
    at = more.draw(st.integers(0, len(data) - 1))
    cut = data[: more.draw(st.integers(0, len(data)))]
    changed = data[:at] + more.draw(st.binary(min_size=1, max_size=8)) + data[at + 1 :]
    for each in (cut, changed):
        assert isinstance(identify(each), Kind | Unfit)


@given(st.sampled_from([data[:8] for data, _, _ in KINDS.values()]), st.binary(max_size=200))
def test_rubbish_behind_a_head_never_raises(head: bytes, rubbish: bytes) -> None:
    """A kind or a reason comes back."""
    assert isinstance(identify(head + rubbish), Kind | Unfit)
