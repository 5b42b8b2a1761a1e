"""The page that lists the feeds, for people and for feed readers that look for feeds on a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from feedbridge.feeds.spelling import rfc3339
from feedbridge.pages.frame import SiteFace, Subscription
from feedbridge.pages.spelling import SUMMARY, TITLE, clipped, plain


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFeed:
    """A feed as the page lists it.

    Attributes:
        subtitle: Plain text.
        language: A BCP 47 tag, if it is known.
        page: Path of its page, where it has one.
        newest: The date of the newest entry, None while there is none.
        newest_title: What is on top of the feed.
        interval: Between two entries, on average, as far as it is known.
        subscriptions: The formats, the one to recommend first.
    """

    title: str
    subscriptions: tuple[Subscription, ...]
    subtitle: str | None = None
    language: str | None = None
    page: str | None = None
    newest: datetime | None = None
    newest_title: str | None = None
    interval: timedelta | None = None


def index(site: SiteFace, feeds: Sequence[IndexFeed], *, opml: str | None = None) -> bytes:
    """Write the page, in UTF-8.

    Args:
        site: What it is the page of.
        feeds: In the order in which they are shown.
        opml: Path of the list of all feeds.

    Raises:
        PublishError: The theme cannot be used.
    """
    words = site.words
    page = site.theme.render(
        "index.html",
        site=site,
        words=words,
        root="",
        head_title=plain(site.title),
        policy=site.theme.policy(shows_pictures=False),
        feeds=[
            {
                "title": clipped(feed.title, TITLE),
                "plain_title": plain(feed.title),
                "subtitle": clipped(feed.subtitle or "", SUMMARY),
                "language": feed.language,
                "page": feed.page,
                "newest": feed.newest and rfc3339(feed.newest),
                "newest_title": clipped(feed.newest_title or "", TITLE),
                "pace": words.pace(feed.interval),
                "subscriptions": feed.subscriptions,
            }
            for feed in feeds
        ],
        opml=opml,
    )
    return page.encode()
