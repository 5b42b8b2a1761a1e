"""What stands around the pages of a feed."""

import pytest

from feedbridge.feeds.rendering import ATOM, RSS
from feedbridge.pages.frame import FeedFrame, SiteFace, Subscription
from feedbridge.pages.theme import theme_of


@pytest.fixture
def frame() -> FeedFrame:
    """The page with the newest entries, whose entries have no pages."""
    return FeedFrame(
        site=SiteFace(
            title="示例站",
            language="zh-Hans",
            base_url="https://feeds.example/",
            listed=True,
            theme=theme_of(None),
        ),
        path="feeds/news.html",
        feed_path="feeds/news.html",
        subscriptions=(
            Subscription(path="feeds/news.atom", media_type=ATOM),
            Subscription(path="feeds/news.rss", media_type=RSS),
        ),
    )
