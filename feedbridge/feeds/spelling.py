"""How values are spelled in every format, and which spellings are valid."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_IRI = re.compile(r'[\x00-\x20"<>\\^`{|}\x7f]|%(?![0-9A-Fa-f]{2})')
_ABSOLUTE = re.compile(r"(?:https?://[^/?#\s]|(?!https?:)[a-z][a-z0-9+.\-]*:[^\s])", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_EMAIL = re.compile(r"[^\s@<>()]+@[^\s@<>()]+")
_MEDIA_TYPE = re.compile(r"[\w.+\-]+/[\w.+\-]+(?: *;.*)?", re.ASCII)


def illegal_character(text: str) -> str | None:
    """Give the first character that XML 1.0 cannot hold (section 2.2), as `U+0008`, or None."""
    found = _NOT_IN_XML.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def is_iri(address: str) -> bool:
    """Say whether an absolute address holds only characters that an IRI may hold (RFC 3987 section 2.2).

    Square brackets are let through everywhere: `?a[]=1` is too common to be wrong.
    """
    return not _NOT_IN_IRI.search(address)


def iri(address: str) -> str:
    """Percent-encode what an IRI may not hold, so that `?a=1|2` becomes `?a=1%7C2`; the rest stays."""
    return _NOT_IN_IRI.sub(lambda found: quote(found[0], safe=""), address)


def rfc3339(moment: datetime) -> str:
    """Spell an instant as RFC 3339 does, in UTC with `Z` and whole seconds.

    Raises:
        ValueError: The instant has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the date {moment} has no zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def is_absolute(address: str) -> bool:
    """Say whether an address has a scheme, and a host if it is of the web."""
    return bool(_ABSOLUTE.match(address))


def is_language(tag: str) -> bool:
    """Say whether a language tag has the right shape (RFC 5646 section 2.1)."""
    return bool(_LANGUAGE.fullmatch(tag))


def is_email(address: str) -> bool:
    """Say whether there is something before and after one `@`."""
    return bool(_EMAIL.fullmatch(address))


def is_media_type(name: str) -> bool:
    """Say whether a media type has the shape `type/subtype` (RFC 6838 section 4.2)."""
    return bool(_MEDIA_TYPE.fullmatch(name))
