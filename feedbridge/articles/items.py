"""What an item says of itself, cleaned as far as is needed to tell items apart."""

import hashlib

from feedbridge.articles.addresses import absolute
from feedbridge.articles.text import excerpt, one_line
from feedbridge.model import RawItem, Witness

MAX_TITLE = 1_000
"""Characters; a longer title is cut as an excerpt is."""

MAX_ID = 2_000
"""Characters; a longer upstream id is known by its digest."""

MAX_DATE = 300
"""Characters of a date, or of what stands in its place, that are kept to be shown."""


def upstream_id(item: RawItem) -> str | None:
    """The id that the source gives, in one line and of bounded length, or None."""
    written = one_line(item.id) if item.id else ""
    if len(written) > MAX_ID:
        return f"sha256:{hashlib.sha256(written.encode()).hexdigest()}"
    return written or None


def link(item: RawItem) -> str | None:
    """The address of the article, absolute http(s), or None."""
    return absolute(item.link, item.base) if item.link else None


def base(item: RawItem) -> str | None:
    """What relative addresses in the item are relative to: the base that it gives, else its link."""
    given = absolute(item.base, None) if item.base else None
    return given or link(item)


def title(item: RawItem) -> str:
    """The title in one line of bounded length; empty if there is none."""
    return excerpt(item.title or "", MAX_TITLE)


def date_text(witness: Witness) -> str:
    """A date as it was written, in one line of bounded length: as testimonies keep it."""
    return one_line(witness.text)[:MAX_DATE]
