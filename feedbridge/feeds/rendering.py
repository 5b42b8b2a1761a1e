"""What every format shares: the media types, and the result of writing a feed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lxml.etree import LxmlError

from feedbridge.errors import PublishError
from feedbridge.feeds.tidy import tidy
from feedbridge.model import Feed

ATOM = "application/atom+xml"
RSS = "application/rss+xml"
JSON_FEED = "application/feed+json"
OPML = "text/x-opml"
HTML = "text/html"
XML = "application/xml"
TEXT = "text/plain"
MEDIA_TYPES = {"atom": ATOM, "rss": RSS, "json": JSON_FEED, "html": HTML}
"""Of the formats that feeds are written in; a page is one of them."""

ANY_BYTES = "application/octet-stream"
"""The type of a file of which nothing is known, where a format wants one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """An entry that could not be written, and why."""

    entry_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """A feed in one format, and the entries that are missing from it."""

    body: bytes
    left_out: tuple[LeftOut, ...] = ()


def render(feed: Feed, write: Callable[[Feed], bytes]) -> Rendering:
    """Tidy a feed and write it; an entry that cannot be written is left out and named, the rest stands.

    Args:
        feed: What to write.
        write: Gives the whole document, and raises ValueError, TypeError or LxmlError if it cannot.

    Raises:
        PublishError: The feed cannot be written even without its bad entries.
    """
    feed = tidy(feed)
    try:
        return Rendering(body=write(feed))
    except (ValueError, TypeError, LxmlError):
        left_out = _refused(feed, write)
    bad = {left.entry_id for left in left_out}
    kept = tuple(entry for entry in feed.entries if entry.id not in bad)
    try:
        return Rendering(body=write(replace(feed, entries=kept)), left_out=left_out)
    except (ValueError, TypeError, LxmlError) as refusal:
        raise PublishError(f"{feed.self_link!r} cannot be written: {refusal}") from refusal


def _refused(feed: Feed, write: Callable[[Feed], bytes]) -> tuple[LeftOut, ...]:
    """Try each entry alone; only a document that failed as a whole pays for this."""
    left_out = []
    for entry in feed.entries:
        try:
            write(replace(feed, entries=(entry,)))
        except (ValueError, TypeError, LxmlError) as refusal:
            left_out.append(LeftOut(entry_id=entry.id, reason=str(refusal)))
    return tuple(left_out)
