"""What every page of a site shares."""

import hashlib
from dataclasses import dataclass

from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS
from feedbridge.pages.theme import Theme
from feedbridge.pages.words import Words, words_for

MARK = b'<meta name="generator" content="feedbridge">'
"""Stands in every page of ours, and tells it from one that somebody else wrote."""

_DIGEST = "sha256:"
"""No id begins so: only such are kept that can stand for one thing in the whole world."""

FORMAT_NAMES = {ATOM: "Atom", RSS: "RSS", JSON_FEED: "JSON Feed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """One document of a feed; `path` is relative to the output folder."""

    path: str
    media_type: str

    @property
    def name(self) -> str:
        """The format's name, the same in every language."""
        return FORMAT_NAMES.get(self.media_type, self.media_type)


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteFace:
    """What the pages say of the whole site.

    Attributes:
        title: Plain text.
        language: The site's; the page's own words are Chinese for `zh`, else English.
        base_url: Where readers find the published files, with `/` at its end.
        listed: Search engines may list the pages.
        theme: What the pages look like.
    """

    title: str
    language: str | None
    base_url: str
    listed: bool
    theme: Theme

    @property
    def words(self) -> Words:
        """The pages' own."""
        return words_for(self.language)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedFrame:
    """What stands around the entries of a feed's page.

    Attributes:
        site: Of which it is a part.
        path: Of the page, relative to the output folder.
        feed_path: Of the page with the newest entries.
        subscriptions: The formats, the one to recommend first.
        entries: The folder of the pages of its entries, with `/` at its end, where they have pages.
        newer: Path of the page with the entries after these.
        older: Path of the page with the entries before these.
        archive: The archive document that readers begin with, where its pages end.
        number: Of the archive document; 0 is the subscription document.
    """

    site: SiteFace
    path: str
    feed_path: str
    subscriptions: tuple[Subscription, ...]
    entries: str | None = None
    newer: str | None = None
    older: str | None = None
    archive: Subscription | None = None
    number: int = 0


def entry_name(entry_id: str) -> str:
    """The name of an entry's page, the same for ever: an id names no files, so it is 16 hex digits of its SHA-256.

    Args:
        entry_id: Its id, or the digest that a store keeps in its place, where no index would take it.
    """
    digest = entry_id.removeprefix(_DIGEST)
    if digest == entry_id:
        digest = hashlib.sha256(entry_id.encode()).hexdigest()
    return f"{digest[:16]}.html"


def root(path: str) -> str:
    """The way from a page to the output folder, as a relative address."""
    return "../" * path.count("/")
