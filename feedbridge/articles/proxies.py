"""Image proxies: which picture an address shows, and the proxies that it comes through.

`RECOGNISERS` is the table of what is known. Each takes the parts of an absolute address and gives the address
that it wraps, or None if it is no wrapper of that kind; it is asked only if its clue is in the address. Those that
go by the path alone may stand on any host, so they ask for a whole http(s) address inside: the path of an ordinary
picture has none.
"""

import base64
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from feedbridge.articles.addresses import absolute, mend_entities

MAX_DEPTH = 4
"""Wrappers in wrappers; an address that is wrapped more often is left alone as nobody's honest picture."""

_SCHEME = re.compile(r"(https?):/{1,3}", re.IGNORECASE)
_ENCODED_SCHEME = re.compile(r"(?:(?:https?|ssl)%(?:25){0,3}3A|https?:%(?:25){0,3}2F)", re.IGNORECASE)
_HTTP = re.compile(r"https?(?::/|:%|%)", re.IGNORECASE)
_HTTP_SEGMENT = re.compile(r"/(?=https?(?::/|:%|%(?:25){0,3}3A))", re.IGNORECASE)
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)+\.?(?::[0-9]{1,5})?", re.ASCII)
_MAX_DECODINGS = 3


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A picture's address, taken apart.

    Attributes:
        origin: The address at its own host.
        chain: The wrappers around it, outermost first, each a whole address in canonical spelling.
    """

    origin: str
    chain: tuple[str, ...] = ()


class _Address(NamedTuple):
    """An address and its parts; the host, in lower case, is asked for more often than it is cut out."""

    scheme: str
    netloc: str
    path: str
    query: str
    fragment: str
    host: str
    whole: str


def _address(text: str) -> _Address:
    parts = urlsplit(text)
    return _Address(*parts, parts.hostname or "", text)


def unwrap(address: str, *, hosts: frozenset[str] = frozenset()) -> Unwrapped:
    """Find the origin of a picture.

    Whatever is unwrapped is spelled as `addresses.absolute` does. A wrapper whose inside is no usable address is
    the origin itself, and so is one that hides what it wraps. Unwrapping an origin changes nothing.

    Args:
        address: An absolute address. One that is not usable (`data:`, `cid:`, relative) comes back as it is.
        hosts: Further proxies, in lower case, that carry the address in `url=`, `src=` or `u=`.
    """
    outermost = absolute(mend_entities(address), None)
    if outermost is None:
        return Unwrapped(address)
    steps = [_address(outermost)]
    while (inner := _inside(steps[-1], hosts)) is not None:
        if inner in steps or len(steps) > MAX_DEPTH:
            return Unwrapped(outermost)
        steps.append(inner)
    return Unwrapped(steps[-1].whole, tuple(_canonical(wrapper) for wrapper in steps[:-1]))


def _inside(parts: _Address, hosts: frozenset[str]) -> _Address | None:
    if _is_terminal(parts):
        return None
    lowered = parts.whole.lower()
    asked = (recognise(parts) for clue, recognise in RECOGNISERS if clue in lowered)
    found = next(filter(None, asked), None) or _named(parts, hosts)
    spelled = absolute(mend_entities(found), None) if found else None
    if spelled is None:
        return None
    inner = _address(spelled)
    # No proxy reaches a host without a dot: it was a word, not an address.
    return inner if "." in inner.host or ":" in inner.host else None


def _is_terminal(parts: _Address) -> bool:
    """Proxies that keep what they wrap to themselves."""
    host = parts.host
    return (
        host == "imagedelivery.net"
        or host.startswith("encrypted-tbn")
        or (host.endswith(".googleusercontent.com") and parts.path.startswith("/proxy/"))
    )


def _canonical(parts: _Address) -> str:
    wrapped = _read_weserv(parts)
    if wrapped is None:
        return parts.whole
    pairs = (f"url={wrapped.value}", *wrapped.inner, *wrapped.own)
    return f"https://{parts.host}/?{'&'.join(pairs)}"


# What the grammars below have in common.


def _decode(text: str) -> str:
    """Percent-decode once; bytes that are not ASCII stay encoded, in whatever charset they are."""
    return quote(unquote_to_bytes(text), safe=string.punctuation)


def _readable(value: str) -> str:
    """Decode an address that was encoded as a whole; a readable one is never decoded."""
    for _ in range(_MAX_DECODINGS):
        if not _ENCODED_SCHEME.match(value) and ("/" in value or "%2F" not in value.upper()):
            break
        value = _decode(value)
    return value


def _http(value: str) -> str | None:
    """The http(s) address that a value holds, encoded or not, or None. Proxies lose slashes: `https:/host`."""
    readable = _readable(value)
    if readable.startswith("//"):
        return f"https:{readable}"
    scheme = _SCHEME.match(readable)
    return f"{scheme[1]}://{readable[scheme.end() :]}" if scheme else None


def _at_end(text: str, query: str) -> str | None:
    """The address that ends a path. The query is part of it, unless it is encoded and so complete."""
    if not _HTTP.match(text):
        return None
    address = _http(text)
    return f"{address}?{query}" if address and query and not _ENCODED_SCHEME.match(text) else address


def _from_first_address(path: str, query: str) -> str | None:
    """The address that begins with the first segment of a path that is an http(s) address."""
    start = _HTTP_SEGMENT.search(path)
    return _at_end(path[start.end() :], query) if start else None


def _parameter(query: str, name: str) -> str | None:
    """The first value of a parameter, as written, or None if it is missing or empty."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == name and value:
            return value
    return None


def _address_in(query: str, name: str) -> str | None:
    value = _parameter(query, name)
    return _http(value) if value else None


def _here_or_elsewhere(parts: _Address, value: str) -> str | None:
    """An address, or a path on the proxy's own host."""
    readable = _readable(value)
    if readable.startswith("/") and not readable.startswith("//"):
        return f"{parts.scheme}://{parts.netloc}{readable}"
    return _http(readable)


def _from_bytes(raw: bytes) -> str | None:
    address = quote(raw, safe=string.punctuation)
    return address if _SCHEME.match(address) else None


def _from_base64(text: str) -> str | None:
    """The http(s) address in base64 of either alphabet, with padding or not."""
    digits = unquote(text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return _from_bytes(base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True))
    except ValueError:
        return None


# The table.


@dataclass(frozen=True, slots=True)
class _Weserv:
    value: str
    inner: tuple[str, ...]
    own: tuple[str, ...]


def _values(pattern: str, names: str) -> dict[str, re.Pattern[str]]:
    return dict.fromkeys(names.split(), re.compile(pattern, re.IGNORECASE))


_WESERV_HOSTS = frozenset({"images.weserv.nl", "wsrv.nl"})
_WESERV_PARAMETERS = (
    _values(
        r"(?:[0-9.,+-]|%2C){0,40}",
        "w h dpr crop cx cy cw ch trim mtrim ro blur sharp sharpf sharpj mod sat hue con gam bri q l n page fpx fpy",
    )
    | _values(r"(?:true|false|yes|no|h|v|[0-9])?", "flip flop il we af ll circle precrop")
    | _values(r"[#0-9a-z,.()%]{0,40}", "bg cbg mbg rbg tint")
    | _values(r"[0-9]{1,12}[a-z]?", "maxage")
    | _values(r"auto|[0-9]{1,3}", "or")
    | _values(r"inside|outside|cover|contain|fill", "fit")
    | _values(r"fit|fitup|square|squaredown|absolute|letterbox", "t")
    | _values(
        r"(?:top|bottom|left|right|center)(?:-(?:top|bottom|left|right|center))?"
        r"|[tblrc]|smart|attention|entropy|(?:focal|crop)(?:-[0-9.%-]{1,30})?",
        "a",
    )
    | _values(r"(?:jpe?g|png|gif|tiff?|webp|avif|json|base64)", "output encoding")
    | _values(r"[a-z0-9-]{1,20}", "mask shape")
    | _values(r"greyscale|grayscale|sepia|duotone|negate|negative", "filt")
    | _values(r".*", "filename default errorredirect")
)


def _read_weserv(parts: _Address) -> _Weserv | None:
    if parts.host not in _WESERV_HOSTS or parts.path not in {"", "/"}:
        return None
    value, inner, own = None, [], []
    for pair in parts.query.split("&"):
        name, _, text = pair.partition("=")
        grammar = _WESERV_PARAMETERS.get(name)
        if name == "url" and value is None:
            value = text
        elif grammar and grammar.fullmatch(text):
            own.append(pair)
        elif pair and value is not None:
            inner.append(pair)
    return _Weserv(value, tuple(inner), tuple(own)) if value else None


def _weserv(parts: _Address) -> str | None:
    """`https://images.weserv.nl/?url=VALUE`, `url` anywhere among weserv's own parameters.

    VALUE is `host/path`, `ssl:host/path`, `//host/path` or an http(s) address, encoded or not; https is meant
    where it names no scheme. Parameters after it that are not weserv's, by name and value, belong to the picture.
    """
    wrapped = _read_weserv(parts)
    if wrapped is None:
        return None
    address = _readable(wrapped.value)
    if address[:4].lower() == "ssl:":
        address = address[4:].lstrip("/")
    address = _http(address) or f"https://{address}"
    if wrapped.inner:
        address += ("&" if "?" in address else "?") + "&".join(wrapped.inner)
    return address


_PHOTON_HOST = re.compile(r"i[0-3]\.wp\.com")


def _photon(parts: _Address) -> str | None:
    """`https://i0.wp.com/HOST/PATH`: https if `ssl=1` is among the parameters, even of a broken fragment.

    The parameters are Photon's own, but `q`, which is the picture's query, encoded.
    """
    host, _, path = parts.path[1:].partition("/")
    if not _PHOTON_HOST.fullmatch(parts.host) or not _DOTTED.fullmatch(host) or not path:
        return None
    scheme = "https" if "ssl=1" in re.split("[&;?]", f"{parts.query}&{parts.fragment}") else "http"
    query = _parameter(parts.query, "q")
    return f"{scheme}://{host}/{path}" + (f"?{_decode(query)}" if query else "")


def _substack(parts: _Address) -> str | None:
    """`https://substackcdn.com/image/fetch/OPTIONS/URL`, URL mostly encoded."""
    known = parts.host in {"substackcdn.com", "cdn.substack.com"} and parts.path.startswith("/image/fetch/")
    return _from_first_address(parts.path, parts.query) if known else None


_CLOUDINARY_PATH = re.compile(r"/[^/]+/image/fetch/")


def _cloudinary(parts: _Address) -> str | None:
    """`https://res.cloudinary.com/CLOUD/image/fetch/OPTIONS/URL`, the options in any number of segments."""
    known = parts.host == "res.cloudinary.com" and _CLOUDINARY_PATH.match(parts.path)
    return _from_first_address(parts.path, parts.query) if known else None


_THUMBOR_KEY = re.compile(r"/(?:unsafe|[A-Za-z0-9_-]{27}(?:=|%3D))/")
_THUMBOR_OPTION = re.compile(
    r"(?:meta|debug|smart|left|right|center|top|middle|bottom"
    r"|trim(?::[\w:-]{1,40}+)?"
    r"|[\d.]{1,9}x[\d.]{1,9}:[\d.]{1,9}x[\d.]{1,9}"
    r"|(?:adaptive-)?(?:full-)?fit-in"
    r"|-?(?:\d{1,5}|orig)?x-?(?:\d{1,5}|orig)?"
    r"|filters:(?:[^/()]|\([^()]*+\))*+"
    r")/",
    re.ASCII,
)


def _thumbor(parts: _Address) -> str | None:
    """`/unsafe/OPTION/…/IMAGE`, or the HMAC in place of `unsafe`: 28 characters of base64 that end in `=`.

    IMAGE is an http(s) address; a key of the server's own store is terminal.
    """
    key = _THUMBOR_KEY.match(parts.path)
    if not key:
        return None
    at = key.end()
    while option := _THUMBOR_OPTION.match(parts.path, at):
        at = option.end()
    return _at_end(parts.path[at:], parts.query)


_IMGPROXY_SIGNATURE = re.compile(r"unsafe|insecure|_|[A-Za-z0-9_-]{43}")
_IMGPROXY_OPTION = re.compile(r"[a-z_]{1,40}(?::|%3A)[^/]*", re.IGNORECASE)
_IMGPROXY_BASIC = re.compile(r"(?:fit|fill|fill-down|force|auto|crop)/\d+/\d+/[a-z]{2}[^/]*/[01]", re.ASCII)
_EXTENSION = re.compile(r"@[A-Za-z0-9]{0,5}$")
_HTTP_IN_BASE64 = "aHR0c"


def _imgproxy(parts: _Address) -> str | None:
    """`/SIGNATURE/OPTION/…/plain/URL[@ext]` or `/SIGNATURE/OPTION/…/BASE64[.ext]`, BASE64 split at will by `/`.

    Options are `name:arguments`, or the older five segments `fill/300/200/sm/0`. `enc/…` hides what it wraps.
    The query is nobody's: URL holds its own encoded.
    """
    before, _, plain = parts.path.partition("/plain/")
    if before and _HTTP.match(plain):
        return _http(_EXTENSION.sub("", plain))
    if _HTTP_IN_BASE64 not in parts.path.replace("/", ""):
        return None
    signature, *segments = parts.path[1:].split("/")
    count = 5 if _IMGPROXY_BASIC.fullmatch("/".join(segments[:5])) else 0
    while count < len(segments) and _IMGPROXY_OPTION.fullmatch(segments[count]):
        count += 1
    encoded = "".join(segments[count:])
    signed = count or _IMGPROXY_SIGNATURE.fullmatch(signature)
    return _from_base64(encoded.partition(".")[0]) if signed and encoded.startswith(_HTTP_IN_BASE64) else None


_CAMO_HEX = re.compile(r"/(?:[0-9a-f]{40}|[0-9a-f]{64})/(68747470[0-9a-f]+)", re.IGNORECASE)
_CAMO_QUERY = re.compile(r"/[0-9a-f]{40}/?", re.IGNORECASE)
_CAMO_BASE64 = re.compile(r"/[A-Za-z0-9_-]{27}=?/(aHR0c[A-Za-z0-9_=-]+)")


def _camo(parts: _Address) -> str | None:
    """`/DIGEST/HEX` and `/DIGEST?url=ENC`, the digest in hex; `/DIGEST/BASE64`, the digest in base64."""
    if match := _CAMO_HEX.fullmatch(parts.path):
        return _from_bytes(bytes.fromhex(match[1])) if len(match[1]) % 2 == 0 else None
    if match := _CAMO_BASE64.fullmatch(parts.path):
        return _from_base64(match[1])
    return _address_in(parts.query, "url") if _CAMO_QUERY.fullmatch(parts.path) else None


_MINIFLUX_PATH = re.compile(r"/proxy/(?:[A-Za-z0-9_-]{43}(?:=|%3D)?/)?(aHR0c[A-Za-z0-9_=%-]+)$")


def _miniflux(parts: _Address) -> str | None:
    """`…/proxy/BASE64(HMAC)/BASE64(URL)`, in older versions `…/proxy/BASE64(URL)`."""
    match = _MINIFLUX_PATH.search(parts.path)
    return _from_base64(match[1]) if match else None


def _rss_funnel(parts: _Address) -> str | None:
    """`…/_image?url=ENC&sig=…`"""
    return _address_in(parts.query, "url") if parts.path.endswith("/_image") else None


def _duckduckgo(parts: _Address) -> str | None:
    """`https://external-content.duckduckgo.com/iu/?u=ENC`"""
    known = parts.host in {"external-content.duckduckgo.com", "proxy.duckduckgo.com"}
    return _address_in(parts.query, "u") if known and parts.path.rstrip("/") == "/iu" else None


def _google_gadgets(parts: _Address) -> str | None:
    """`https://NAME-opensocial.googleusercontent.com/gadgets/proxy?…url=ENC`, or `url` raw and last."""
    if not parts.host.endswith("-opensocial.googleusercontent.com"):
        return None
    _, _, value = f"&{parts.query}".partition("&url=")
    if parts.path != "/gadgets/proxy" or not value:
        return None
    return _http(value.partition("&")[0] if _ENCODED_SCHEME.match(value) else value)


_BAIDU_HOST = re.compile(r"gimg[0-9]\.baidu\.com")
_BAIDU_PATH = re.compile(r"/(?:image_search|gimg)/&?src=([^&]+)")


def _baidu(parts: _Address) -> str | None:
    """`https://image.baidu.com/search/down?url=…` or `thumburl=…`; `https://gimg2.baidu.com/image_search/src=…&…`"""
    if parts.host == "image.baidu.com" and parts.path.rstrip("/") == "/search/down":
        return _address_in(parts.query, "url") or _address_in(parts.query, "thumburl")
    match = _BAIDU_PATH.match(parts.path) if _BAIDU_HOST.fullmatch(parts.host) else None
    return _http(match[1]) if match else None


_STATICALLY_OPTIONS = re.compile(r"[a-z]+=[^/,=]+(?:,[a-z]+=[^/,=]+)*")


def _statically(parts: _Address) -> str | None:
    """`https://cdn.statically.io/img/HOST/[f=auto,w=600/]PATH`; the query is Statically's own."""
    if parts.host != "cdn.statically.io" or not parts.path.startswith("/img/"):
        return None
    host, _, path = parts.path.removeprefix("/img/").partition("/")
    first, _, rest = path.partition("/")
    path = rest if _STATICALLY_OPTIONS.fullmatch(first) else path
    return f"https://{host}/{path}" if _DOTTED.fullmatch(host) and path else None


def _pimg(parts: _Address) -> str | None:
    """`https://imageproxy.pimg.tw/resize?url=ENC`, `/zoomcrop?…&url=ENC`"""
    known = parts.host == "imageproxy.pimg.tw" and parts.path in {"/resize", "/zoomcrop"}
    return _address_in(parts.query, "url") if known else None


def _framework(parts: _Address) -> str | None:
    """Next.js `…/_next/image?url=`, Vercel `/_vercel/image?url=`, Netlify `/.netlify/images?url=`.

    The value is an address, or a path on the same host.
    """
    known = parts.path.rstrip("/").endswith(("/_next/image", "/_vercel/image", "/.netlify/images"))
    value = _parameter(parts.query, "url") if known else None
    return _here_or_elsewhere(parts, value) if value else None


_CLOUDFLARE_PATH = re.compile(r"/cdn-cgi/image/[a-z-]+=[^/]*/(.+)", re.IGNORECASE)


def _cloudflare(parts: _Address) -> str | None:
    """`https://ZONE/cdn-cgi/image/OPTIONS/SOURCE`: a path on ZONE, or an address, either with its query."""
    match = _CLOUDFLARE_PATH.fullmatch(parts.path)
    if not match:
        return None
    if _HTTP.match(match[1]):
        return _at_end(match[1], parts.query)
    path = match[1].lstrip("/") + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{parts.netloc}/{path}" if path else None


_PICTURE_NAME = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|bmp|svg)$", re.IGNORECASE)


def _prefixed(parts: _Address) -> str | None:
    """`https://HOST/URL`, as FreshRSS writes a proxy: URL, encoded or not, names a picture by its extension.

    Without that, it may well be a service that photographs the page at URL.
    """
    inner = _at_end(parts.path[1:], parts.query)
    return inner if inner and _PICTURE_NAME.search(re.split("[?#]", inner, maxsplit=1)[0]) else None


RECOGNISERS: tuple[tuple[str, Callable[[_Address], str | None]], ...] = (
    ("url=", _weserv),
    (".wp.com", _photon),
    ("/image/fetch/", _substack),
    ("/image/fetch/", _cloudinary),
    ("/http", _thumbor),
    ("/", _imgproxy),
    ("/", _camo),
    ("/proxy/", _miniflux),
    ("/_image", _rss_funnel),
    ("duckduckgo.com", _duckduckgo),
    ("url=", _google_gadgets),
    ("baidu.com", _baidu),
    ("cdn.statically.io", _statically),
    ("imageproxy.pimg.tw", _pimg),
    ("url=", _framework),
    ("/cdn-cgi/image/", _cloudflare),
    ("/http", _prefixed),
)
"""Each with its clue: what every address of the kind holds, in lower case."""


def _named(parts: _Address, hosts: frozenset[str]) -> str | None:
    """`?url=`, `?src=` or `?u=` on a host that the settings name: an address, a path there, or `host/path`."""
    if parts.host not in hosts:
        return None
    value = next(filter(None, (_parameter(parts.query, name) for name in ("url", "src", "u"))), None)
    if value is None:
        return None
    readable = _readable(value)
    host, _, path = readable.partition("/")
    bare = f"https://{readable}" if path and _DOTTED.fullmatch(host) else None
    return _here_or_elsewhere(parts, readable) or bare
