"""The page of an entry: the whole article, for those whose way to the original is blocked, or where it is gone."""

from feedbridge.feeds.checks import html_problems
from feedbridge.feeds.tidy import tidy
from feedbridge.model import Feed
from feedbridge.pages.feed import told
from feedbridge.pages.frame import FeedFrame, root
from feedbridge.pages.prose import fitted
from feedbridge.pages.spelling import SUMMARY, TITLE, clipped, plain


def entry_page(feed: Feed, frame: FeedFrame) -> bytes:
    """Write the page of the one entry that a feed is given with, in UTF-8.

    Raises:
        ValueError: The entry cannot be written; says why.
        PublishError: The theme cannot be used.
    """
    feed = tidy(feed)
    (entry,) = feed.entries
    site = frame.site
    values = told(entry, feed, frame)
    for problem in html_problems(entry.content):
        raise ValueError(problem)
    page = site.theme.render(
        "entry.html",
        site=site,
        words=site.words,
        root=root(frame.path),
        frame=frame,
        feed=feed,
        entry=values,
        content=fitted(entry.content, site.words),
        content_language=entry.language or feed.language,
        rights=clipped(entry.rights or feed.rights or "", SUMMARY),
        feed_title=clipped(feed.title, TITLE),
        plain_feed_title=plain(feed.title),
        head_title=plain(entry.title),
        url=f"{site.base_url}{frame.path}",
        policy=site.theme.policy(shows_pictures=True),
    )
    return page.encode()
