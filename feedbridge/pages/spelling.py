"""Texts of others on a page of ours: cut to a length, in one line, and unable to disturb what stands around them."""

import re
from urllib.parse import urlsplit

TITLE = 300
"""The longest title on a page, in characters."""
SUMMARY = 400

_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PILED_UP = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
_WEB = re.compile(r"https?://[^/?#\s\\]", re.IGNORECASE)


def clipped(text: str, limit: int) -> str:
    """A text in one line and of so many characters at most, with no more than four accents on a letter."""
    line = " ".join(_PILED_UP.sub(r"\1", text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain(text: str, limit: int = TITLE) -> str:
    """The same without characters that change the direction of what follows: for where no element can hold them in."""
    return clipped(_BIDI.sub("", text), limit)


def web_address(address: str | None) -> str | None:
    """An address if it is one of the web; what else leads somewhere has no place on a page."""
    return address if address and _WEB.match(address) else None


def host(address: str | None) -> str | None:
    """The host of an address, as one would say it."""
    try:
        name = urlsplit(address or "").hostname or ""
    except ValueError:
        return None
    return clipped(name.removeprefix("www."), 60) or None
