"""Which addresses are usable, and how they are spelled: every link and picture that is published passes here."""

import html
import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, quote, urljoin, urlsplit

MAX_LENGTH = 8192
"""Characters; longer addresses are not usable, neither before nor after they are spelled out."""

_ENDS = "".join(map(chr, range(0x21)))
_INNER_BREAKS = str.maketrans("", "", "\t\n\r")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ENTITY = re.compile(r"&(?:quot|apos|lt|gt|nbsp|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_AMPERSAND = re.compile(r"&(?:(?:amp|#0{0,4}38|#[xX]0{0,4}26);)+")
_LOST_AMPERSAND = re.compile(r"(?:&?#0{0,3}38;|&?038;(?=[A-Za-z][\w.-]{0,63}=))+", re.ASCII)
_ROUNDS = 4

_WHOLE = re.compile(r"https?://", re.IGNORECASE)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER = "!$&'()*+,;=:%"
_PATH = _USER + "@/"
_QUERY = _PATH + "?"
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]*)?")
_DOT = re.compile("[.\u3002\uff0e\uff61]")
_DEVIATION = re.compile("[ßς]")
_MAX_HOST_LENGTH = 253

_SPELLED_OUT = re.compile(
    r"https?://(?=[^/?#]{1,253}(?:[/?#]|\Z))[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+\.?"
    r"(?:/(?:[\w.~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*+)?"
    r"(?:\?(?:[\w.~!$&'()*+,=:@/?-]|%[0-9A-Fa-f]{2})++)?"
    r"(?:#(?:[\w.~!$&'()*+,=:@/?-]|%[0-9A-Fa-f]{2})++)?",
    re.ASCII,
)
"""What nearly all addresses look like, and what comes out as it went in: no entity, port or user, nothing to encode."""


def absolute(address: str, base: str | None, *, also: frozenset[str] = frozenset()) -> str | None:
    """Spell out an address so that it can be published.

    Spaces and control characters around it go, as do tabs and line breaks inside it, as in browsers; HTML
    entities that are still there are undone. What may not stand raw in a URI is percent-encoded as UTF-8; what
    is encoded already is never decoded and never encoded twice. The host is written in lower case and in ASCII
    (IDNA). A user name and password stay: they may be what makes a link work.

    Args:
        address: The address as the source wrote it.
        base: What a relative address is relative to; without one, `//host/path` is taken for https.
        also: Schemes that are accepted beside http and https, in lower case, such as `mailto`.

    Returns:
        A URI (RFC 3986) in printable ASCII, of at most 8,192 characters, that is http or https with a host, or
        one of `also`; None if the address cannot be made into one.
    """
    if len(address) > MAX_LENGTH:
        return None
    if _SPELLED_OUT.fullmatch(address):
        return address
    trimmed = _undo_entities(address).strip(_ENDS).translate(_INNER_BREAKS)
    if not trimmed:
        return None
    try:
        spelled = _spell(urlsplit(_resolve(_SURROGATE.sub("\ufffd", trimmed), base)), also)
    except ValueError:
        return None
    return spelled if spelled and len(spelled) <= MAX_LENGTH else None


def mend_entities(address: str) -> str:
    """Undo the HTML entities that were left in a picture's address.

    Beside whole entities, `#038;` and `038;` between two parameters are what remains of `&#038;`: they become
    `&`. In a link `#038;` could be a fragment, so this is for pictures.
    """
    if "&" not in address and "38;" not in address:
        return address
    path, mark, query = _undo_entities(address).partition("?")
    return path + mark + _LOST_AMPERSAND.sub("&", query)


def _undo_entities(address: str) -> str:
    for _ in range(_ROUNDS):
        undone = _AMPERSAND.sub("&", address)
        undone = _ENTITY.sub(lambda match: html.unescape(match[0]), undone)
        if undone == address:
            break
        address = undone
    return address


def _resolve(address: str, base: str | None) -> str:
    if _WHOLE.match(address):
        return address
    try:
        joined = urljoin(base or "", address)
    except ValueError:  # the base is broken, the address may still be whole
        joined = address
    return f"https:{joined}" if joined.startswith("//") else joined


def _spell(parts: SplitResult, also: frozenset[str]) -> str | None:
    rest = _encode(parts.path, _PATH)
    if parts.query:
        rest += "?" + _encode(parts.query, _QUERY)
    if parts.fragment:
        rest += "#" + _encode(parts.fragment, _QUERY)
    if parts.scheme in {"http", "https"}:
        authority = _authority(parts)
        return authority and f"{parts.scheme}://{authority}{rest}"
    return f"{parts.scheme}:{rest}" if parts.scheme in also and rest and not parts.netloc else None


def _authority(parts: SplitResult) -> str | None:
    user, _, place = parts.netloc.rpartition("@")
    if ("[" in place and not _BRACKETED.fullmatch(place)) or "\\" in parts.netloc:
        return None  # browsers and servers disagree about which host this names
    host, port = _host(parts.hostname or ""), parts.port
    if not host or port == 0:
        return None
    before = f"{_encode(user, _USER)}@" if user else ""
    after = f":{port}" if port is not None else ""
    return before + host + after


def _host(host: str) -> str | None:
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host)}]"
    if len(host) > _MAX_HOST_LENGTH:
        return None
    if not host.isascii():
        host = ".".join(map(_label_in_ascii, _DOT.split(host)))
    return host if _HOST.fullmatch(host) and len(host) <= _MAX_HOST_LENGTH else None


def _label_in_ascii(label: str) -> str:
    """One label of a host in IDNA, with ß and ς as themselves, as browsers have it (UTS 46, non-transitional)."""
    if _DEVIATION.search(label):
        return "xn--" + unicodedata.normalize("NFKC", label.lower()).encode("punycode").decode("ascii")
    return label.encode("idna").decode("ascii").lower()


def _encode(text: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)
