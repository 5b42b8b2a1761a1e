"""Who may see the owner's pages, and which forms are really the owner's. No sockets, no disk.

All that is secret is compared in a time that tells nothing of how much of it was right.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

COOKIE = "feedbridge-status"
COOKIE_SECONDS = 30 * 86_400
FORM_SECONDS = 12 * 3_600
"""A form is good so long after its page was made."""

_LONGEST = 1_000
_FORWARDED = ("forwarded", "via", "x-real-ip")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Knock:
    """A request, as far as the door looks at it.

    Attributes:
        peer: Address of the other end of the connection.
        version: Of HTTP, such as `1.1`.
        headers: By lower-case name, each with all its values.
    """

    method: str
    headers: Mapping[str, Sequence[str]]
    query: str = ""
    peer: str | None = None
    version: str = "1.1"

    def one(self, name: str) -> str | None:
        """The value of a header; None where there is none, or more than one."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Welcome:
    """The owner may come in.

    Attributes:
        cookie: The value of Set-Cookie that is to be given, for the token stood in the address.
    """

    cookie: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Somebody stays outside; `prompt`: he may say who he is (RFC 7617)."""

    status: int
    text: str
    prompt: bool = False


class Door(Protocol):
    """Decides who comes in."""

    def open(self, knock: Knock, *, feed: bool = False) -> Welcome | Refusal:
        """Look at a request; `feed`: it is for the trouble feed, which has an address of its own."""

    def feed_token(self) -> str | None:
        """What opens the trouble feed, and nothing else; None where nothing is needed."""


class LoopbackDoor:
    """Lets in who is on this machine, and did not come through a proxy or by another site's name."""

    def open(self, knock: Knock, *, feed: bool = False) -> Welcome | Refusal:
        """Look at the connection's other end; a proxy on this machine would let in the whole world."""
        forwarded = any(name in _FORWARDED or name.startswith("x-forwarded-") for name in knock.headers)
        if not _is_loopback(knock.peer) or forwarded or knock.version == "1.0":  # which proxies like to speak
            return Refusal(status=403, text="these pages are shown on the machine itself, and not through a proxy")
        if not is_loopback_name(knock.one("host")):  # a stranger's name that leads here (DNS rebinding)
            return Refusal(status=403, text='ask for these pages by "localhost" or "127.0.0.1"')
        return Welcome()

    def feed_token(self) -> str | None:
        """Nothing is needed."""
        return None


class TokenDoor:
    """Lets in who has the token: as the password of basic authentication, in the address, or by a cookie for it.

    Args:
        token: Printable ASCII.
        base_url: Where readers find the site; a cookie that was given there over HTTPS is sent over nothing else.
        clock: Seconds since the epoch.
    """

    def __init__(self, token: str, *, base_url: str, clock: Callable[[], float]) -> None:
        self._token = token
        self._site = urlsplit(base_url)
        self._clock = clock

    def open(self, knock: Knock, *, feed: bool = False) -> Welcome | Refusal:
        """Look for the token, or for what was given for it."""
        in_address = _query(knock.query, "token") if knock.method in {"GET", "HEAD"} else None
        if in_address is not None and self._is_token(in_address):
            return Welcome(cookie=None if feed else self._cookie(knock))
        if feed and in_address is not None and _same(in_address, self.feed_token()):
            return Welcome()
        password = _password(knock.one("authorization"))
        if password is not None and self._is_token(password):
            return Welcome()
        if any(self._is_ours(value) for value in _cookies(knock.headers.get("cookie", ()))):
            return Welcome()
        return Refusal(status=401, text="these pages are the owner's; they take the token", prompt=True)

    def feed_token(self) -> str:
        """What opens the trouble feed alone, so that no reader need know the token itself."""
        return self._mark("trouble feed")

    def _is_token(self, given: str) -> bool:
        return _same(given, self._token)

    def _cookie(self, knock: Knock) -> str:
        """Without a path, it is good for the folder that the browser asked in, whatever a proxy calls it here."""
        expires = f"{int(self._clock()) + COOKIE_SECONDS}"
        is_secure = self._site.scheme == "https" and knock.one("host") == self._site.netloc
        ending = "; Secure" if is_secure else ""
        value = f"{expires}.{self._mark(f'cookie {expires}')}"
        return f"{COOKIE}={value}; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict{ending}"

    def _is_ours(self, cookie: str) -> bool:
        expires, _, mark = cookie.partition(".")
        is_good = _same(mark, self._mark(f"cookie {expires}"))
        return is_good and int(expires) > self._clock()

    def _mark(self, text: str) -> str:
        return _encoded(hmac.digest(self._token.encode(), text.encode("utf-8", errors="replace"), hashlib.sha256))


class Forms:
    """Tells the forms of our pages from those that other sites send in the owner's name.

    Args:
        base_url: Where readers find the site.
        clock: Seconds since the epoch.
    """

    def __init__(self, *, base_url: str, clock: Callable[[], float]) -> None:
        self._origin = _origin(base_url)
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def token(self, deed: str) -> str:
        """What a form must hold that is to do a deed."""
        expires = f"{int(self._clock()) + FORM_SECONDS}"
        return f"{expires}.{self._mark(deed, expires)}"

    def is_good(self, knock: Knock, deed: str, token: str) -> bool:
        """Whether a form is ours, not too old, and sent by a page of ours."""
        expires, _, mark = token.partition(".")
        return _same(mark, self._mark(deed, expires)) and int(expires) > self._clock() and self._is_from_our_page(knock)

    def _is_from_our_page(self, knock: Knock) -> bool:
        """By what browsers say of the page that sends a form; what says nothing of the kind is no browser."""
        origins = knock.headers.get("origin", ())
        host = knock.one("host")
        ours = {self._origin, f"http://{host}", f"https://{host}"}
        return all(one == "same-origin" for one in knock.headers.get("sec-fetch-site", ())) and all(
            one in ours for one in origins
        )

    def _mark(self, deed: str, expires: str) -> str:
        text = f"{expires} {deed}".encode("utf-8", errors="replace")
        return _encoded(hmac.digest(self._secret, text, hashlib.sha256))


def is_loopback_name(host: str | None) -> bool:
    """Whether a Host header names this machine for itself."""
    match = _HOST.fullmatch(host or "")
    return match is not None and (match[1].lower() == "localhost" or _is_loopback(match[1].strip("[]")))


def _is_loopback(address: str | None) -> bool:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _same(given: str, right: str) -> bool:
    """Compare in a time that depends on neither what is given nor what would be right."""
    digests = [hashlib.sha256(one.encode("utf-8", errors="replace")).digest() for one in (given[:_LONGEST], right)]
    return hmac.compare_digest(*digests)


def _query(query: str, name: str) -> str | None:
    try:
        values = [value for key, value in parse_qsl(query, max_num_fields=20) if key == name]
    except ValueError:
        return None
    return values[0] if len(values) == 1 else None


def _password(authorization: str | None) -> str | None:
    """The password of basic authentication, whatever the name beside it (RFC 7617)."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 2 * _LONGEST:
        return None
    try:
        pair = base64.b64decode(encoded.strip(" "), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    _, colon, password = pair.partition(":")
    return password if colon else None


def _cookies(headers: Sequence[str]) -> Sequence[str]:
    """The values of our cookie: another site of the host may have put one of the same name before it."""
    pairs = (pair.strip().partition("=") for header in headers for pair in header.split(";"))
    return [value for name, _, value in pairs if name == COOKIE]


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
