"""The page of an entry, read back by beautifulsoup4."""

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import HTML
from feedbridge.model import Category, Enclosure, Feed, Person
from feedbridge.pages.entry import entry_page
from feedbridge.pages.frame import FeedFrame, entry_name
from tests.pages.test_feed import BARE, FEED, FULL

FILES = (
    Enclosure(href="https://media.example/a/1.mp3?x=1", type="audio/mpeg", length=8_123_456),
    Enclosure(href="javascript:alert(1)", type="text/html"),
)
AUTHORS = (Person(name="王小明", uri="https://news.example/wang"), Person(name="Eve", uri="data:text/html,x"))
ENTRY = replace(
    FULL,
    content='<h1>Part</h1><p>今天 <a href="https://news.example/b">x</a></p>',
    authors=AUTHORS,
    categories=(Category(term="asia", label="亚洲"),),
    enclosures=FILES,
    via="https://news.example/feed",
)


def soup_of(feed: Feed, frame: FeedFrame) -> BeautifulSoup:
    path = f"entries/news/{entry_name(feed.entries[0].id)}"
    body = entry_page(feed, replace(frame, path=path))
    assert lint(body, HTML) == ()
    return BeautifulSoup(body, "lxml")


def test_the_whole_article_and_what_is_known_of_it(frame: FeedFrame) -> None:
    """Text, authors, dates, topics, files; addresses that are none of the web lead nowhere."""
    soup = soup_of(replace(FEED, entries=(ENTRY,)), frame)
    assert [(one.name, one.text) for one in soup.select("h1, .text h2, .text p")] == [
        ("h1", "两国签署“伙伴计划” <草案>"),
        ("h2", "Part"),
        ("p", "今天 x"),
    ]
    (text,) = soup.select(".text")
    assert (text["lang"], text["dir"]) == ("zh-Hant", "auto")
    assert [one.text for one in soup.select("bdi")] == [
        "新闻 & 评论",
        "王小明",
        "Eve",
        "1.mp3",
        "亚洲",
        "示例新闻社",
        "© 2023",
    ]
    assert "8.1 MB" in soup.text
    assert not [link["href"] for link in soup.select("a") if str(link["href"]).startswith(("javascript:", "data:"))]


def test_the_original_is_always_named(frame: FeedFrame) -> None:
    """For people, and for search engines, to whom it is the one that counts."""
    soup = soup_of(replace(FEED, entries=(ENTRY,)), frame)
    assert [(link.text, link["href"]) for link in soup.select(".origin a")] == [("news.example", FULL.link)]
    assert [link["href"] for link in soup.select("link[rel=canonical]")] == [FULL.link]
    own = soup_of(replace(FEED, entries=(BARE,)), frame)
    address = f"https://feeds.example/entries/news/{entry_name(BARE.id)}"
    assert [link["href"] for link in own.select("link[rel=canonical]")] == [address]
    assert [one.text for one in own.select(".origin")] == ["原文没有网址。"]
    assert [one.text for one in own.select("footer bdi")] == ["© 各家媒体"]


def test_the_ways_back_lead_somewhere(frame: FeedFrame) -> None:
    """To the list of feeds, the feed, and its documents."""
    soup = soup_of(replace(FEED, entries=(ENTRY,)), frame)
    assert [link["href"] for link in soup.select(".way a")] == ["../../index.html", "../../feeds/news.html"]
    assert [link["href"] for link in soup.select("link[rel=alternate]")] == [
        "../../feeds/news.atom",
        "../../feeds/news.rss",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "<script>x</script>",
        "<p onclick=x>",
        "<iframe></iframe>",
        "<form></form>",
        '<a href="javascript:x">x</a>',
        "\x08",
    ],
)
def test_what_is_not_clean_has_no_page(frame: FeedFrame, content: str) -> None:
    """The feeds refuse it, too; here it would run on our own site."""
    with pytest.raises(ValueError, match="holds"):
        entry_page(replace(FEED, entries=(replace(ENTRY, content=content),)), frame)
