"""What is answered to a request for a published file, by RFC 9110: no sockets, no disk, no clock."""

import re
from calendar import monthrange, timegm
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]
Stamp = tuple[int, int, int, int]
"""Device, inode, size and time of the last change in nanoseconds: a file is the same as long as these are."""

_Shared = tuple[tuple[bytes, bytes], ...]

ALLOWED = ("GET", "HEAD")

FEED_TYPES = ("application/atom+xml", "application/rss+xml", "application/feed+json")

PLAIN = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"Accept-Encoding"),
)

_MATTER = (b"if-none-match", b"if-modified-since", b"accept-encoding")
_LONGEST_HEADER = 8192
_CODINGS_READ = 50
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = "|".join(_MONTHS)
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) (?P<month>{_MONTH}) (?P<year>\d{{4}}) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-(?P<month>{_MONTH})-(?P<year>\d\d) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<month>{_MONTH}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})", re.ASCII),
)
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file's bytes in one content coding.

    Attributes:
        coding: As in Content-Encoding: `br`, `gzip` or `identity`.
        body: The bytes.
        etag: Strong, with its quotes; no two codings share one.
    """

    coding: str
    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file too large for memory: read from disk while it is sent.

    Attributes:
        path: Where it is.
        stamp: It is another file where this differs.
        etag: Strong, with its quotes.
    """

    path: str
    stamp: Stamp
    etag: str

    @property
    def size(self) -> int:
        return self.stamp[2]


@dataclass(frozen=True, slots=True)
class Served:
    """A published file.

    Attributes:
        name: Path below the published folder, with `/`.
        media_type: Without parameters.
        text: Whether it is UTF-8 text.
        last_modified: Whole seconds since the epoch.
        stamp: It is another file where this differs.
        whole: The bytes as they are.
        packed: Compressed forms, the best first.
        policy: The Content-Security-Policy that a page of ours names itself.
    """

    name: str
    media_type: str
    text: bool
    last_modified: int
    stamp: Stamp
    whole: Encoded | LargeFile
    packed: tuple[Encoded, ...] = ()
    policy: str | None = None

    @property
    def is_feed(self) -> bool:
        return self.media_type in FEED_TYPES


class Asked(NamedTuple):
    """The request headers that matter, None where absent; several of one name are joined with commas."""

    if_none_match: str | None = None
    if_modified_since: str | None = None
    accept_encoding: str | None = None


class Terms(NamedTuple):
    """What the caller says about a file.

    Attributes:
        max_age: Seconds that caches may keep it.
        self_link: Its public address, for feeds.
        hub: Address of the WebSub hub, for feeds.
    """

    max_age: int = 300
    self_link: str | None = None
    hub: str | None = None


class Reply(NamedTuple):
    """An answer; a large file stands for its bytes."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes | LargeFile = b""


def asked(headers: Sequence[tuple[bytes, bytes]]) -> Asked:
    """Take what matters from request headers with lower-case names; one of absurd length counts as absent."""
    found = dict(headers)
    if len(found) < len(headers):
        for name in (b"if-none-match", b"accept-encoding"):
            if name in found:
                found[name] = b",".join(value for other, value in headers if other == name)
    return Asked(*map(_text, map(found.get, _MATTER)))


def respond(method: str, asked: Asked, served: Served | None, terms: Terms) -> Reply:
    """Answer a request.

    Ranges are not served, which RFC 9110 section 14.2 allows: documents are small and come compressed.

    Args:
        method: As in the request line.
        asked: Its headers.
        served: The file at its path, or None if there is none.
        terms: For this file.
    """
    if method not in ALLOWED:
        return plain(405, "method not allowed", (b"allow", b"GET, HEAD"))
    if served is None:
        return plain(404, "not found")
    chosen = _choose(served, asked.accept_encoding)
    standing, beside = _headers(chosen.etag, served.last_modified, served.is_feed, terms)
    if _is_known(asked, chosen.etag, served.last_modified):
        return Reply(304, standing)
    headers = [*standing, *beside]
    size = chosen.size if isinstance(chosen, LargeFile) else len(chosen.body)
    parameter = "; charset=utf-8" if served.text else ""
    headers.append((b"content-type", f"{served.media_type}{parameter}".encode()))
    headers.append((b"content-length", b"%d" % size))
    headers.append((b"accept-ranges", b"none"))
    if served.policy:  # as a header it can also forbid what a page cannot forbid itself
        headers.append((b"content-security-policy", f"{served.policy}; frame-ancestors 'none'".encode()))
    if isinstance(chosen, LargeFile):
        return Reply(200, headers, b"" if method == "HEAD" else chosen)
    if chosen.coding != "identity":
        headers.append((b"content-encoding", chosen.coding.encode()))
    return Reply(200, headers, b"" if method == "HEAD" else chosen.body)


def plain(status: int, text: str, *more: tuple[bytes, bytes]) -> Reply:
    """A short answer in plain text, which nobody keeps."""
    body = f"{text}\n".encode()
    return Reply(status, [*PLAIN, (b"content-length", b"%d" % len(body)), *more], body)


def parse_date(text: str) -> int | None:
    """Read a date in one of the three forms of RFC 9110 section 5.6.7.

    Two digits of a year below 70 are of this century, others of the last.

    Returns:
        Seconds since the epoch, or None if it has none of the forms or is no date.
    """
    match = next(filter(None, (form.fullmatch(text) for form in _DATES)), None)
    if match is None:
        return None
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        year += 2000 if year < 70 else 1900
    month = _MONTHS.index(match["month"]) + 1
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if year == 0 or not 1 <= day <= monthrange(year, month)[1] or hour > 23 or minute > 59 or second > 60:
        return None
    return timegm((year, month, day, hour, minute, second))


@lru_cache(maxsize=256)
def weights(accept_encoding: str) -> dict[str, float]:
    """Read Accept-Encoding (RFC 9110 section 12.5.3); what cannot be read is left out."""
    found: dict[str, float] = {}
    for part in accept_encoding.split(",", _CODINGS_READ)[:_CODINGS_READ]:
        coding, *parameters = (piece.strip() for piece in part.lower().split(";"))
        quality = _quality(parameters)
        if coding and quality is not None:
            found["gzip" if coding == "x-gzip" else coding] = quality
    return found


def _choose(served: Served, accept_encoding: str | None) -> Encoded | LargeFile:
    """The coding that the client likes best; of equals, the first; never none."""
    if not accept_encoding or not served.packed:
        return served.whole
    found = weights(accept_encoding)
    others = found.get("*", 0.0)
    best = max(served.packed, key=lambda form: found.get(form.coding, others))
    liking = found.get(best.coding, others)
    return best if liking > 0 and liking >= found.get("identity", 0.0) else served.whole


@lru_cache(maxsize=512)
def _headers(etag: str, last_modified: int, is_feed: bool, terms: Terms) -> tuple[_Shared, _Shared]:
    """The headers that a 304 repeats, for caches need them (RFC 9110 section 15.4.5), and more that a 200 has."""
    standing = [
        (b"etag", etag.encode()),
        (b"last-modified", formatdate(last_modified, usegmt=True).encode()),
        (b"cache-control", b"public, max-age=%d" % max(0, terms.max_age)),
        (b"vary", b"Accept-Encoding"),
    ]
    beside = [(b"x-content-type-options", b"nosniff")]
    if is_feed:
        standing.append((b"access-control-allow-origin", b"*"))
        links = (("self", terms.self_link), ("hub", terms.hub))
        beside += [(b"link", f'<{link}>; rel="{rel}"'.encode()) for rel, link in links if link]
    return tuple(standing), tuple(beside)


def _is_known(asked: Asked, etag: str, last_modified: int) -> bool:
    """Whether the client has it already: If-None-Match wins (RFC 9110 section 13.2.2)."""
    if asked.if_none_match is not None:
        return _matches(asked.if_none_match, etag)
    if asked.if_modified_since is not None:
        since = parse_date(asked.if_modified_since.strip())
        return since is not None and last_modified <= since
    return False


def _matches(if_none_match: str, etag: str) -> bool:
    """Compare weakly; our tags hold no comma, so that a piece between commas that equals ours is a whole tag."""
    if if_none_match.strip() == "*":
        return True
    return any(piece.strip().removeprefix("W/") == etag for piece in if_none_match.split(","))


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            value = value.strip()
            return float(value) if _QUALITY.fullmatch(value) else None
    return 1.0


def _text(value: bytes | None) -> str | None:
    return None if value is None or len(value) > _LONGEST_HEADER else value.decode("latin-1")
