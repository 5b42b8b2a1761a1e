import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedbridge.errors import FetchError
from feedbridge.fetch.body import PIECE_BYTES, Body, Decoder, read_coding


def decoded(coding: str, *pieces: bytes) -> bytes:
    """What a decoder makes of bytes that come in pieces."""
    decoder = Decoder(coding)
    found = [out for piece in pieces for out in decoder.decode(piece)]
    decoder.finish()
    assert all(len(out) <= PIECE_BYTES for out in found)
    return b"".join(found)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("identity, gzip,", "gzip"),
        (" deflate ", "deflate"),
    ],
)
def test_codings_that_were_asked_for_are_read(header: str, coding: str) -> None:
    """gzip and deflate, under the names that RFC 9110 gives them."""
    assert read_coding(header) == coding


@pytest.mark.parametrize("header", ["br", "zstd", "gzip, gzip", "deflate,gzip", "utf-8", "x-x-gzip", "gzip;q=1"])
def test_other_and_stacked_codings_are_refused(header: str) -> None:
    """What was not asked for is not unpacked, and no coding around another one is."""
    with pytest.raises(FetchError, match="it is encoded"):
        read_coding(header)


@given(st.binary(max_size=2000), st.integers(1, 50), st.sampled_from(["identity", "gzip", "deflate", "raw"]))
def test_what_was_encoded_comes_back(data: bytes, step: int, coding: str) -> None:
    """However the bytes are cut into pieces on the way, the document is the same."""
    wires = {"identity": data, "gzip": gzip.compress(data), "deflate": zlib.compress(data), "raw": raw_deflate(data)}
    wire = wires[coding]
    pieces = [wire[start : start + step] for start in range(0, len(wire), step)]
    assert decoded("deflate" if coding == "raw" else coding, *pieces) == data


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.booleans())
def test_any_bytes_are_decoded_or_refused(data: bytes, coding: str, with_head: bool) -> None:
    """Whatever comes, it is decoded or said to be broken."""
    head = (gzip.compress(b"x")[:10] if coding == "gzip" else b"\x78\x9c") if with_head else b""
    try:
        decoded(coding, head + data)
    except FetchError as error:
        reason = str(error)
    else:
        reason = "it is fine"
    assert reason.startswith(("it is broken: ", "it was cut short: its", "it is fine"))


def test_a_gzip_may_have_several_members() -> None:
    """Members one after the other are one document (RFC 1952 section 2.2), wherever the bytes are cut."""
    wire = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    assert decoded("gzip", wire) == b"one two"
    assert decoded("gzip", *(bytes([byte]) for byte in wire)) == b"one two"


def test_zlib_under_the_name_of_gzip_is_read() -> None:
    """Some servers mix the two up."""
    assert decoded("gzip", zlib.compress(b"feed")) == b"feed"


def test_only_what_is_encoded_once_is_decoded() -> None:
    """A gzip inside a gzip is a document that happens to be a gzip: it is not unpacked again."""
    inner = gzip.compress(b"feed")
    assert decoded("gzip", gzip.compress(inner)) == inner


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_missing_end_is_noticed(coding: str) -> None:
    """Every prefix of a packed document but the empty one is cut short."""
    wire = gzip.compress(b"feed") if coding == "gzip" else zlib.compress(b"feed")
    for end in range(1, len(wire)):
        with pytest.raises(FetchError, match=f"^it was cut short: its {coding} has no end$"):
            decoded(coding, wire[:end])
    assert decoded(coding) == b""


@pytest.mark.parametrize(
    ("coding", "wire", "reason"),
    [
        ("gzip", b"<rss/>", "it is broken: no valid gzip"),
        ("gzip", gzip.compress(b"feed", mtime=0)[:-8] + b"\0" * 8, "it is broken: no valid gzip"),
        ("gzip", gzip.compress(b"feed", mtime=0) + b"<!-- -->", "it is broken: something else follows its end"),
        ("deflate", zlib.compress(b"feed") + b"!", "it is broken: something else follows its end"),
        ("deflate", b"\xff\xff\xff", "it is broken: no valid deflate"),
    ],
)
def test_broken_bytes_are_named(coding: str, wire: bytes, reason: str) -> None:
    """What is no valid coding, or goes on behind its end, is not a document."""
    with pytest.raises(FetchError) as raised:
        decoded(coding, wire)
    assert str(raised.value) == reason


def test_steps_are_small_however_far_it_swells() -> None:
    """A thousandfold bomb comes out in pieces of 64 KiB, and thousands of empty members in steps of their own."""
    steps = Decoder("gzip").decode(gzip.compress(b"\0" * 2**24))
    assert [len(next(steps)) for _ in range(3)] == [PIECE_BYTES] * 3
    assert len(list(Decoder("gzip").decode(gzip.compress(b"") * 1000))) == 1000


@pytest.mark.parametrize("length", [0, 1, 300_000])
def test_a_body_is_read_as_often_as_wanted(length: int) -> None:
    """Short ones stay in memory, long ones go to a file; both are read from the beginning, decoded."""
    document = bytes(number % 251 for number in range(length))
    with Body("gzip") as body:
        body.write(gzip.compress(document, 0))
        assert b"".join(body.chunks()) == document
        assert b"".join(body.chunks()) == document
        assert body.wire_size == len(gzip.compress(document, 0))
        assert all(0 < len(piece) <= PIECE_BYTES for piece in body.chunks())
