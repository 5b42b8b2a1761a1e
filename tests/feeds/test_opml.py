"""OPML, read back by lxml."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from feedbridge.errors import PublishError
from feedbridge.feeds.lint import lint
from feedbridge.feeds.opml import OpmlFeed, opml
from feedbridge.feeds.rendering import OPML

MOMENT = datetime(2023, 7, 12, 9, 39, 3, tzinfo=UTC)
FEEDS = (
    OpmlFeed(
        title="新闻 & 评论 <全部>",
        xml_url="https://feeds.example/feeds/news.atom",
        html_url="https://feeds.example/",
    ),
    OpmlFeed(title="News", xml_url="https://feeds.example/feeds/a b.atom"),
)


def test_golden(assert_golden: Callable[[str, bytes], None]) -> None:
    """The list comes out as the golden file, byte by byte."""
    assert_golden("full.opml", opml("示例站", FEEDS, MOMENT))


def test_each_feed_is_an_outline() -> None:
    """A feed reader finds the address, the title and the page of each feed, in the order given."""
    root = etree.fromstring(opml("示例站", FEEDS, MOMENT))
    assert [root.tag, root.get("version"), root.findtext("head/title")] == ["opml", "2.0", "示例站"]
    assert [dict(outline.attrib) for outline in root.findall("body/outline")] == [
        {
            "type": "rss",
            "text": "新闻 & 评论 <全部>",
            "title": "新闻 & 评论 <全部>",
            "xmlUrl": "https://feeds.example/feeds/news.atom",
            "htmlUrl": "https://feeds.example/",
        },
        {
            "type": "rss",
            "text": "News",
            "title": "News",
            "xmlUrl": "https://feeds.example/feeds/a%20b.atom",
        },
    ]


def test_date_is_written_in_utc() -> None:
    """The same instant gives the same bytes, whatever its zone."""
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=8)))
    assert opml("示例站", FEEDS, elsewhere) == opml("示例站", FEEDS, MOMENT)
    assert b"<dateModified>Wed, 12 Jul 2023 09:39:03 GMT</dateModified>" in opml("示例站", FEEDS, elsewhere)


@pytest.mark.parametrize("feeds", [FEEDS, ()])
def test_passes_the_lint(feeds: tuple[OpmlFeed, ...]) -> None:
    """A list is valid, also an empty one."""
    assert lint(opml("示例站", feeds, MOMENT), OPML) == ()


def test_illegal_character_is_an_error() -> None:
    """What XML cannot hold gives no document, and the error says so."""
    with pytest.raises(PublishError, match="cannot be written"):
        opml("a\x00", FEEDS, MOMENT)
