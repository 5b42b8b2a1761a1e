"""Which address is a picture's, among all that an `<img>` carries, and what else is known of the picture."""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from feedbridge.articles.addresses import absolute, mend_entities
from feedbridge.articles.proxies import Unwrapped, unwrap
from feedbridge.model import Image

Attributes = Mapping[str, str | None]
"""The attributes of one element, names in lower case, values as the HTML parser gives them."""

ADDRESS_ATTRIBUTES = (
    "data-xextension-imageproxy-original-src",
    "data-xextension-imageproxy-original-srcset",
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-actualsrc",
    "data-lazy-srcset",
    "data-srcset",
    "srcset",
    "src",
)
"""Where a picture's address may stand, the best place first: FreshRSS's own copy, then lazy loading, then HTML."""

MAX_TEXT_LENGTH = 1_000
MAX_SIDE = 20_000
"""CSS pixels; a larger width or height is a mistake."""
INLINE_BYTES = range(401, 8 * 1024 + 1)
"""Smaller `data:` images are spacers, larger ones too heavy for a feed."""


def read_image(attributes: Attributes, *, base: str | None, hosts: frozenset[str] = frozenset()) -> Image | None:
    """Make the picture that an `<img>` shows.

    Args:
        base: What relative addresses are relative to.
        hosts: Further image proxies, as for `proxies.unwrap`.

    Returns:
        The picture without a caption, or None if there is none to show: no usable address, or a tracking pixel.
    """
    if _is_dot(attributes):
        return None
    found = next(filter(None, (_find(address, base, hosts) for address in candidates(attributes))), None)
    if found is None or _is_tracker(found.origin):
        return None
    return Image(
        origin=found.origin,
        chain=found.chain,
        alt=_clean(attributes.get("alt")),
        title=_clean(attributes.get("title")),
        width=_side(attributes.get("width")),
        height=_side(attributes.get("height")),
    )


Likeness = tuple[str, str, tuple[str, ...]]


def same_picture(a: Image, b: Image) -> bool:
    """Tell whether two pictures are one in other sizes: a `<noscript>` twin, a lead that is repeated in the text."""
    return a.origin == b.origin or likeness(a.origin) == likeness(b.origin)


def _find(address: str, base: str | None, hosts: frozenset[str]) -> Unwrapped | None:
    if _is_inline(address):
        return Unwrapped(address)
    whole = absolute(mend_entities(address), base)
    found = unwrap(whole, hosts=hosts) if whole else None
    return None if found is None or _is_spacer(found.origin) or _is_bare_host(found.origin) else found


def _is_bare_host(address: str) -> bool:
    """Whether the address was cut off after its host: a home page is no picture."""
    parts = urlsplit(address)
    return parts.path in {"", "/"} and not parts.query


# Which addresses are real

_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]{0,30}):", re.IGNORECASE)
_NO_ADDRESS = frozenset({"", "#", "/", "0", "1", "true", "false", "null", "none", "undefined", "lazy"})
_SPACER = re.compile(
    r"(?:^|[/=]|%2F)(?:"
    r"(?:blank|spacer|transparent|clear|empty|1x1|1px|placeholder|gr[ea]y-placeholder|lazy|lazyload|loading"
    r"|transparent[-_.](?:1x1|1px|pixel)|(?:blank|1x1|pixel)[-_.]transparent)\.(?:gif|png|svg)"
    r"|(?:icon[-_]?zoom|zoom[-_]?icon)\.(?:gif|png|svg)"
    r"|(?:t|s|dot|trans|space|pixel)\.gif"
    r")(?=$|[?#&])",
    re.IGNORECASE,
)


def candidates(attributes: Attributes) -> Iterator[str]:
    """The addresses that may be the picture's, as written: the real ones in the order of `ADDRESS_ATTRIBUTES`, of a
    `srcset` its largest first; then `data:` images that are no mere spacers.
    """
    inline = []
    for name in ADDRESS_ATTRIBUTES:
        value = attributes.get(name)
        if not value:
            continue
        for address in _addresses(name, value):
            if _is_real(address):
                yield address
            else:
                inline.append(_inline(address))
    yield from filter(None, inline)


def _addresses(name: str, value: str) -> list[str]:
    if not name.endswith("srcset"):
        return [value.strip()]
    by_size = sorted(parse_srcset(value), key=lambda candidate: (candidate[2] == "w", candidate[1]), reverse=True)
    return [address for address, _, _ in by_size]


def _is_real(address: str) -> bool:
    scheme = _SCHEME.match(address)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        return False
    return address.lower() not in _NO_ADDRESS and not _is_spacer(address)


def _is_spacer(address: str) -> bool:
    return _SPACER.search(address) is not None


_INLINE = re.compile(r"data:(image/(?:png|gif|jpeg|webp));base64,", re.IGNORECASE)


def _is_inline(address: str) -> bool:
    return address[:5].lower() == "data:"


def _inline(address: str) -> str | None:
    """A `data:` image spelled without whitespace, or None if it is broken, of another kind, or out of bounds."""
    kind = _INLINE.match(address)
    if not kind or len(address) > 2 * INLINE_BYTES.stop:
        return None
    digits = "".join(address[kind.end() :].split())
    try:
        size = len(base64.b64decode(digits, validate=True))
    except ValueError:
        return None
    return f"data:{kind[1].lower()};base64,{digits}" if size in INLINE_BYTES else None


# srcset (HTML standard section 4.8.4.2.2, "Parsing a srcset attribute")

_SEPARATORS = re.compile(r"[ \t\n\f\r,]*")
_URL = re.compile(r"[^ \t\n\f\r]+")
_DESCRIPTOR_TEXT = re.compile(r"(?:[^(,]|\([^)]*+(?:\)|\Z))*+")
_DESCRIPTOR = re.compile(r"(-?[0-9]*\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,4})?)([wxh])")


def parse_srcset(text: str) -> list[tuple[str, float, str]]:
    """Read a `srcset` as browsers do: commas inside an address belong to it, those at its end do not.

    Returns:
        Each candidate's address, the value of its descriptor, and the kind: `w` for a width in pixels, `x` for a
        density. One without a descriptor is `1.0, "x"`; one whose descriptors are broken is left out.
    """
    candidates = []
    position = _skip(_SEPARATORS, text, 0)
    while url := _URL.match(text, position):
        position = url.end()
        address = url[0].rstrip(",")
        descriptors = ""
        if address == url[0]:
            position = _skip(_DESCRIPTOR_TEXT, text, position)
            descriptors = text[url.end() : position]
        size = _size(descriptors.split())
        if size:
            candidates.append((address, *size))
        position = _skip(_SEPARATORS, text, position)
    return candidates


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _size(descriptors: list[str]) -> tuple[float, str] | None:
    found: dict[str, float] = {}
    for descriptor in descriptors:
        match = _DESCRIPTOR.fullmatch(descriptor)
        if not match or match[2] in found:
            return None
        found[match[2]] = float(match[1])
    if not all(math.isfinite(value) and value >= 0 for value in found.values()) or {"w", "x"} <= found.keys():
        return None
    if "w" in found:
        return (found["w"], "w") if found["w"] >= 1 and found["w"].is_integer() else None
    return None if "h" in found else (found.get("x", 1.0), "x")


# What is not meant to be seen

_TINY_STYLE = re.compile(r"(?<![\w-])(width|height)\s{0,9}:\s{0,9}[01](?:\.0)?(?:px)?\s{0,9}(?:!|;|$)", re.IGNORECASE)
_TINY_SIDE = re.compile(r"\s*[01](?:px)?\s*", re.IGNORECASE)

_TRACKER = re.compile(
    r"""
    (?: [^/]*\. )?                                # a host of these, or below it
    (?: (?:feedsportal|scorecardresearch|google-analytics)\.com/
      | doubleclick\.net/
      | stats\.wordpress\.com/ | feeds\.wordpress\.com/1\.0/ | pixel\.wp\.com/[bg]\.gif
      | feeds\.feedburner\.com/~
      | pixel\.quantserve\.com/ | quantserve\.com/pixel
      | facebook\.com/tr/?\Z | medium\.com/_/stat
      | blogger\.googleusercontent\.com/tracker/ | amazon-adsystem\.com/e/ir
    )
    | [^/]+/ .* (?: rss-pixel | (?<=/)~[r4]/ )      # on any host
    """,
    re.VERBOSE,
)


def _is_dot(attributes: Attributes) -> bool:
    sides = {name for name in ("width", "height") if _TINY_SIDE.fullmatch(attributes.get(name) or "")}
    sides |= {name.lower() for name in _TINY_STYLE.findall(attributes.get("style") or "")}
    return len(sides) == 2


def _is_tracker(address: str) -> bool:
    parts = urlsplit(address)
    return _TRACKER.match(f"{parts.hostname}{parts.path or '/'}") is not None


# What is said of the picture

_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SIDE = re.compile(r"0{0,9}([0-9]{1,5})(?:\.[0-9]{0,9})?\s{0,9}(?:px)?", re.IGNORECASE)


def _clean(text: str | None) -> str | None:
    """One line of at most 1,000 characters that XML can hold; None if nothing is left."""
    return " ".join(_NO_TEXT.sub(" ", text or "").split())[:MAX_TEXT_LENGTH].rstrip() or None


def _side(text: str | None) -> int | None:
    match = _SIDE.fullmatch((text or "").strip())
    return int(match[1]) if match and 0 < int(match[1]) <= MAX_SIDE else None


_SIZE_SUFFIX = re.compile(r"(?:-[0-9]{1,5}x[0-9]{1,5}|-scaled)(?=\.[A-Za-z]{3,4}$)")
_SIZE_PARAMETERS = frozenset(
    ("w", "h", "width", "height", "resize", "fit", "crop", "ssl", "quality", "strip", "zoom", "dpr", "lb")
) | {"is-pending-load"}


@lru_cache(maxsize=256)
def likeness(address: str) -> Likeness:
    """What stays the same of an address when only the size of its picture changes."""
    if _is_inline(address):
        return (address, "", ())
    parts = urlsplit(address)
    pairs = parts.query.split("&") if parts.query else []
    kept = [pair for pair in pairs if pair and pair.partition("=")[0] not in _SIZE_PARAMETERS]
    return (parts.netloc, _SIZE_SUFFIX.sub("", parts.path), tuple(kept))
