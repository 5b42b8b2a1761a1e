"""What a foreign page's bytes say: its charset is found and what XML cannot hold is dropped.

Headers and declarations are often wrong, and the bytes know better: a charset is believed only if it reads them.
"""

import codecs
import re

from feedbridge.errors import ParseError

_SAMPLE_BYTES = 64 * 1024
_HEAD_BYTES = 2 * 1024

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = (
    (re.compile(rb"[<{\s]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[<{\s]"), "utf-32-be"),
    (re.compile(rb"[<{\s]\0[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\0[<{\s]\0[^\0]"), "utf-16-be"),
)
"""How a document begins whose characters are two or four bytes wide (XML 1.0 appendix F)."""

_PART_OF_WIDE_CHARACTERS = bytes(range(0x30, 0x3A)) + bytes(range(0x40, 0x100))

_IN_HEADER = re.compile(r"charset\s*+=\s*+[\"']?+([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_IN_DECLARATION = re.compile(
    rb"<\?xml\s[^>]{0,400}?encoding[ \t\r\n]{0,9}=[ \t\r\n]{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE
)
_WINDOWS = re.compile(r"win(?:dows)?[-_]?(?=\d)")
_SINGLE_BYTE = re.compile(r"iso8859-\d{1,2}|cp(?:12\d\d|437|8[56]\d|874)|koi8-\w|mac-\w{1,20}|tis-620|kz1048|ptcp154")
_MULTI_BYTE = re.compile(r"utf-8|gb18030|hz|big5\w{0,5}|cp9\d\d|euc_\w{1,10}|shift_jis\w{0,7}|johab|iso2022_\w{1,10}")
_READ_AS = {
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
    "tis-620": "cp874",
    "utf-8-sig": "utf-8",
}
"""What a name stands for in practice (https://encoding.spec.whatwg.org/#names-and-labels)."""

_ENOUGH_CHARACTERS = 10
"""So many characters are no longer UTF-8 by chance, where another multi-byte charset is named."""

_KINDS = (
    (b"%PDF-", "a PDF"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture or a recording"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
)
_CONTROLS = bytes(sorted({*range(0x20), 0x7F} - {*b"\t\n\f\r\x1b"}))
_CONTROLS_IN_TEXT = 0.1
"""The share of control characters up to which it is still a text."""

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEFORE_THE_TEXT = re.compile(r"(?:[\s\ufeff]++|<\?xml(?=[\s?])[^>]*+>)++", re.IGNORECASE)


def decode_page(body: bytes, content_type: str | None) -> str:
    """The text of a page, ready to be looked at.

    The byte order mark decides; then the header's charset, the XML declaration, UTF-8, and at last what the bytes
    look like. A charset that does not read the bytes, but for a few broken characters (U+FFFD), is passed over;
    one that reads anything, such as ISO-8859-1 in a header, does not win against a declaration or against UTF-8.

    Args:
        body: The bytes, no longer compressed.
        content_type: The header's value as the server wrote it.

    Returns:
        What stands in the page without byte order marks, blanks and XML declarations at its beginning, and
        without the characters that XML 1.0 cannot hold (section 2.2).

    Raises:
        ParseError: The body is empty or no text.
    """
    if not body.strip():
        raise ParseError("an empty body came")
    text = _decode_wide(body)
    if text is None:
        _refuse_binary(body)
        text = _decode_told(body, content_type) or decode_guessed(body)
    if text is None:
        raise ParseError("what came is no text in any known encoding")
    text = _begin(_ILLEGAL.sub("", text))
    if not text:
        raise ParseError("an empty body came")
    return text


def marked_encoding(body: bytes) -> str | None:
    """The encoding that a byte order mark of UTF-16 or UTF-32 tells."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if body.startswith(mark)), None)


def decode_nearly(body: bytes, encoding: str) -> str | None:
    """The text in this encoding, where a few characters may be broken and become U+FFFD; None if it is another."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        text = body.decode(encoding, errors="replace")
    broken = text.count("\ufffd")
    read = len(text) - broken
    foreign = read - len(text.encode("ascii", errors="ignore"))
    return text if broken <= max(3, foreign // 50) and foreign >= broken else None


def decode_guessed(body: bytes) -> str | None:
    """The text in the encoding that the bytes look most like; None if they look like no text."""
    from charset_normalizer import from_bytes  # here, for next to no page needs it

    sample = body[:_SAMPLE_BYTES]
    whole = sample.rstrip(_PART_OF_WIDE_CHARACTERS)  # the last character may be cut in two, or in four
    samples = [whole] if len(whole) * 2 > len(sample) else [sample[: len(sample) - cut] for cut in range(4)]
    best = next(filter(None, (from_bytes(one).best() for one in samples)), None)
    return body.decode(best.encoding, errors="replace") if best else None


def _decode_wide(body: bytes) -> str | None:
    encoding = marked_encoding(body) or next((name for start, name in _WIDE if start.match(body)), None)
    return body.decode(encoding, errors="replace") if encoding else None


def _refuse_binary(body: bytes) -> None:
    if kind := next((kind for start, kind in _KINDS if body.startswith(start)), None):
        raise ParseError(f"{kind} came")
    sample = body[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls > len(sample) * _CONTROLS_IN_TEXT:
        raise ParseError("binary data came")


def _decode_told(body: bytes, content_type: str | None) -> str | None:
    if body.startswith(codecs.BOM_UTF8) and (text := decode_nearly(body, "utf-8")) is not None:
        return text
    found = _IN_HEADER.search((content_type or "")[:1000])
    header = _codec(found[1]) if found else None
    declaration = _IN_DECLARATION.search(body[:_HEAD_BYTES])
    declared = _codec(declaration[1].decode("ascii")) if declaration else None
    encodings = _in_order(body, header, declared)
    return next((text for text in (decode_nearly(body, one) for one in encodings) if text is not None), None)


def _codec(name: str) -> str | None:
    """The codec for a charset's name, be it spelled oddly; None if it is none that texts are written in."""
    spelled = _WINDOWS.sub("cp", name.lower().removeprefix("x-"))
    try:
        known = codecs.lookup(spelled).name
    except LookupError:
        return None
    codec = _READ_AS.get(known, known)
    return codec if _SINGLE_BYTE.fullmatch(codec) or _MULTI_BYTE.fullmatch(codec) else None


def _in_order(body: bytes, header: str | None, declared: str | None) -> list[str]:
    """The encodings to be tried, UTF-8 among them, the most believable first."""
    told = [codec for codec in (header, declared) if codec]
    if header and _SINGLE_BYTE.fullmatch(header):  # often the server's default
        told.reverse()
    if not told or told[0] == "utf-8":
        return ["utf-8", *told[1:]]
    enough = 1 if _SINGLE_BYTE.fullmatch(told[0]) else _ENOUGH_CHARACTERS
    return ["utf-8", *told] if _characters_of_utf8(body) >= enough else [*told, "utf-8"]


def _characters_of_utf8(body: bytes) -> int:
    """How many characters beyond ASCII there are, read as UTF-8; none if it is not UTF-8 throughout."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return 0
    return len(text) - len(text.encode("ascii", errors="ignore"))


def _begin(text: str) -> str:
    """The text without what may stand before it; its XML declaration speaks of bytes that are gone."""
    before = _BEFORE_THE_TEXT.match(text)
    return text[before.end() :] if before else text
