"""Picture policies: which address a picture gets when a feed is written.

`keep` shows it as its source had it, `origin` from its own host, `drop` not at all; `serve` through our own server,
`mirror` from a copy beside the feeds; a template puts an address of the owner's choice in front, in RSSHub's words:
`https://wsrv.nl/?url=${href_ue}`. Several make a chain: the first that works is used.
"""

import base64
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from feedbridge.model import Image

KEEP, ORIGIN, DROP, SERVE, MIRROR = WORDS = ("keep", "origin", "drop", "serve", "mirror")
LONGEST_CHAIN = 8
MAX_LENGTH = 8192
"""Characters of an address that a template makes."""

_NAME = re.compile(r"\$\{([^${}]*)\}")
_WHOLE_HOST = re.compile(r"https?://[^/?#]+[/?#]")
_SAMPLE = Image(origin="https://pictures.example.org/a/picture.jpg?size=full")
_USER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)"
_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
_QUERY = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
_ADDRESS = re.compile(
    rf"https?://(?:{_USER})?{_HOST}(?::[0-9]*)?(?:/{_PATH})?(?:\?{_QUERY})?(?:#{_QUERY})?"
)  # RFC 3986 appendix A
_UNCHANGED_BY_ENCODE_URI_COMPONENT = "-_.!~*'()"


@dataclass(frozen=True, slots=True)
class Policy:
    """A picture policy; `parse_policy` makes them.

    Attributes:
        text: One of `WORDS`, or a template, as in the settings.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def address(self, image: Image) -> str | None:
        """The address that the picture comes from, or None if it is not to be shown.

        Under `serve` and `mirror` that is its origin, which we fetch for the readers. A `data:` image needs no
        fetching: it stays as it is, except under `drop`. A picture that a template would put behind its own proxy a
        second time, or that it makes no valid address of, keeps its origin.
        """
        if self.text == DROP:
            return None
        if self.text == KEEP and image.chain:
            return image.chain[0]
        if self.text in WORDS or image.origin.startswith("data:"):
            return image.origin
        return _expand(self.text, image.origin)


Chain = tuple[Policy, ...]
"""The first that works is used, the last whether it works or not; never empty.

A `mirror` at the end that has no copy shows the picture as `keep` does.
"""

DEFAULT: Chain = (Policy(KEEP),)

PolicyRules = Sequence[tuple[str, Chain]]
"""Chains by host: `example.org` means it and its subdomains, `*.example.org` its subdomains alone."""


def parse_policy(text: str) -> Policy:
    """Read a picture policy as the settings have it.

    Raises:
        ValueError: It is none; the sentence says what would be right.
    """
    text = text.strip()
    if text in WORDS:
        return Policy(text)
    if "$" not in text and "/" not in text:
        words = ", ".join(f'"{word}"' for word in WORDS)
        raise ValueError(f"give {words} or a template with ${{href_ue}}{_suggest(text, WORDS)}")
    _check_template(text)
    return Policy(text)


def parse_chain(texts: Sequence[str]) -> Chain:
    """Read a chain of picture policies.

    Raises:
        ValueError: It is none; the sentence says what would be right.
    """
    chain = tuple(parse_policy(text) for text in texts)
    if not 0 < len(chain) <= LONGEST_CHAIN:
        raise ValueError(f"give one policy, or a list of up to {LONGEST_CHAIN}")
    repeated = next((policy for policy in chain if chain.count(policy) > 1), None)
    if repeated:
        raise ValueError(f'"{repeated}" stands there twice; leave one out')
    if Policy(DROP) in chain[:-1]:
        raise ValueError('nothing is tried after "drop": put it last')
    return chain


def choose(image: Image, rules: PolicyRules, default: Chain) -> Chain:
    """Choose the chain for a picture: that of the first rule which names the host of its origin."""
    host = _host(image.origin) if rules else ""
    return next((chain for pattern, chain in rules if _is_at(host, pattern)), default) if host else default


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_at(host: str, pattern: str) -> bool:
    wildcard = pattern.startswith("*.")
    name = _in_ascii(pattern.removeprefix("*.").strip().rstrip(".").lower())
    return (host == name and not wildcard) or (bool(name) and host.endswith(f".{name}"))


def _in_ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


# Templates


def _check_template(template: str) -> None:
    if not template.startswith(("http://", "https://")):
        raise ValueError('begin the template with "http://" or "https://"')
    names = _NAME.findall(template)
    for name in names:
        if name not in _VALUES:
            raise ValueError(f"${{{name}}} is none of {', '.join(_VALUES)}{_suggest(name, _VALUES)}")
    if not names or "${" in _NAME.sub("", template):
        raise ValueError('name the picture with "${href_ue}", "${href}" or another name between "${" and "}"')
    if not _is_address(_fill(template, _SAMPLE.origin)):
        raise ValueError(
            "the template makes no valid address; check its host and write spaces, quotes and other signs as %20"
        )


def _suggest(word: str, known: Sequence[str] | dict[str, "_Value"]) -> str:
    near = difflib.get_close_matches(word[:40], list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _expand(template: str, origin: str) -> str:
    if _is_through(template, origin):
        return origin
    try:
        address = _fill(template, origin)
    except ValueError:
        return origin
    return address if _is_address(address) else origin


def _is_through(template: str, origin: str) -> bool:
    """Whether the origin has the template's own beginning, up to its first name, with the whole host in it."""
    beginning = template.partition("${")[0]
    return _WHOLE_HOST.match(beginning) is not None and origin.startswith(beginning)


def _fill(template: str, origin: str) -> str:
    parts = urlsplit(origin)
    return _NAME.sub(lambda name: _VALUES[name[1]](parts), template)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        reachable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return reachable and len(text) <= MAX_LENGTH and _ADDRESS.fullmatch(text) is not None


# The names, with the meanings that they have in JavaScript's URL

_Value = Callable[[SplitResult], str]
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _protocol(parts: SplitResult) -> str:
    return f"{parts.scheme}:"


def _hostname(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _port(parts: SplitResult) -> str:
    return "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else str(parts.port)


def _host_and_port(parts: SplitResult) -> str:
    port = _port(parts)
    return _hostname(parts) + (f":{port}" if port else "")


def _pathname(parts: SplitResult) -> str:
    return parts.path or "/"


def _search(parts: SplitResult) -> str:
    return f"?{parts.query}" if parts.query else ""


def _hash(parts: SplitResult) -> str:
    return f"#{parts.fragment}" if parts.fragment else ""


def _origin(parts: SplitResult) -> str:
    return f"{_protocol(parts)}//{_host_and_port(parts)}"


def _username(parts: SplitResult) -> str:
    return parts.username or ""


def _password(parts: SplitResult) -> str:
    return parts.password or ""


def _host_path(parts: SplitResult) -> str:
    return _host_and_port(parts) + _pathname(parts) + _search(parts)


def _href(parts: SplitResult) -> str:
    secret = f":{_password(parts)}" if _password(parts) else ""
    user = f"{_username(parts)}{secret}@" if _username(parts) or secret else ""
    return f"{_protocol(parts)}//{user}{_host_path(parts)}{_hash(parts)}"


def _href_b64(parts: SplitResult) -> str:
    return base64.urlsafe_b64encode(_href(parts).encode()).decode("ascii").rstrip("=")


def _href_hex(parts: SplitResult) -> str:
    return _href(parts).encode().hex()


def _encoded(value: _Value) -> _Value:
    """The same, as JavaScript's encodeURIComponent gives it."""
    return lambda parts: quote(value(parts), safe=_UNCHANGED_BY_ENCODE_URI_COMPONENT)


_PLAIN: dict[str, _Value] = {
    "href": _href,
    "protocol": _protocol,
    "host": _host_and_port,
    "hostname": _hostname,
    "port": _port,
    "pathname": _pathname,
    "search": _search,
    "hash": _hash,
    "origin": _origin,
    "username": _username,
    "password": _password,
    "host_path": _host_path,
}
_VALUES: dict[str, _Value] = {
    **_PLAIN,
    **{f"{name}_ue": _encoded(value) for name, value in _PLAIN.items()},
    "href_b64": _href_b64,
    "href_hex": _href_hex,
}
