"""The page of feeds, read back by beautifulsoup4."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from bs4 import BeautifulSoup

from feedbridge.feeds.html import IndexFeed, Subscription, index
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, HTML, JSON_FEED, RSS

FEEDS = (
    IndexFeed(
        title="新闻 & 评论",
        subtitle="每天的<b>新闻</b>",
        language="zh-Hant",
        newest=datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC),
        subscriptions=(
            Subscription(href="feeds/news.atom", media_type=ATOM),
            Subscription(href="feeds/news.rss", media_type=RSS),
            Subscription(href="feeds/news.json", media_type=JSON_FEED),
        ),
    ),
    IndexFeed(title="Empty", subscriptions=(Subscription(href="feeds/empty.atom", media_type=ATOM),)),
)


def page(*feeds: IndexFeed, title: str = "示例站", language: str | None = "zh-Hans") -> BeautifulSoup:
    return BeautifulSoup(index(title, language, feeds, opml_href="feeds.opml"), "lxml")


def test_golden(assert_golden: Callable[[str, bytes], None]) -> None:
    """The page comes out as the golden file, byte by byte."""
    assert_golden("index.html", index("示例站", "zh-Hans", FEEDS, opml_href="feeds.opml"))


def test_each_feed_has_title_date_and_formats() -> None:
    """A person sees what there is, how new it is, and how to subscribe."""
    first, second = page(*FEEDS).select(".feeds > li")
    assert first.h2 is not None
    assert first.h2.text == "新闻 & 评论"
    assert first.h2["lang"] == "zh-Hant"
    assert [time["datetime"] for time in first.select("time")] == ["2023-07-12T09:38:33Z"]
    assert [time.text for time in first.select("time")] == ["2023-07-12 09:38 UTC"]
    assert [(link.text, link["href"]) for link in first.select("a")] == [
        ("Atom", "feeds/news.atom"),
        ("RSS", "feeds/news.rss"),
        ("JSON Feed", "feeds/news.json"),
    ]
    assert second.select("time") == []
    assert second.select_one(".none") is not None


def test_feed_readers_find_every_format() -> None:
    """Autodiscovery: each document is named in the head, with its type and a title of its own."""
    links = page(*FEEDS).select("head > link[rel=alternate]")
    assert [(link["type"], link["title"], link["href"]) for link in links] == [
        (ATOM, "新闻 & 评论 (Atom)", "feeds/news.atom"),
        (RSS, "新闻 & 评论 (RSS)", "feeds/news.rss"),
        (JSON_FEED, "新闻 & 评论 (JSON Feed)", "feeds/news.json"),
        (ATOM, "Empty (Atom)", "feeds/empty.atom"),
    ]


def test_list_of_all_feeds_is_linked() -> None:
    """The list of all feeds is one click away, where there is one."""
    assert [link["href"] for link in page().select(".opml a")] == ["feeds.opml"]
    assert b"OPML" not in index("Site", None, FEEDS)


@pytest.mark.parametrize(
    ("language", "words", "lead"),
    [
        (None, "en", "Copy"),
        ("fr", "en", "Copy"),
        ("zh", "zh-Hans", "将订阅"),
        ("zh-CN", "zh-Hans", "将订阅"),
        ("zh-Hant-HK", "zh-Hant", "將訂閱"),
        ("zh-TW", "zh-Hant", "將訂閱"),
    ],
)
def test_page_names_the_language_of_its_words(language: str | None, words: str, lead: str) -> None:
    """The page is in Chinese for a Chinese site, else in English, and says which; the title keeps its own."""
    soup = page(*FEEDS, language=language)
    assert soup.html is not None
    assert soup.h1 is not None
    assert soup.html["lang"] == words
    assert soup.h1.get("lang") == language
    assert soup.select("header p")[0].text.startswith(lead)


def test_markup_in_titles_is_shown_as_text() -> None:
    """Titles and subtitles are plain text, whatever they hold."""
    hostile = '"><script>alert(1)</script>'
    soup = page(IndexFeed(title=hostile, subtitle=hostile, subscriptions=FEEDS[0].subscriptions), title=hostile)
    assert soup.select("script") == []
    assert soup.h1 is not None
    assert soup.h1.text == hostile
    assert [heading.text for heading in soup.select("h2")] == [hostile]


def test_policy_allows_our_style_and_nothing_else() -> None:
    """The style sheet's hash stands in the policy, and nothing may be loaded or run."""
    soup = page(*FEEDS)
    (style,) = soup.select("style")
    digest = b64encode(sha256(str(style.string).encode()).digest()).decode()
    (policy,) = soup.select("meta[http-equiv=Content-Security-Policy]")
    assert policy["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert soup.select("[style]") == []
    assert "url(" not in str(style.string)


@pytest.mark.parametrize("feeds", [FEEDS, ()])
def test_passes_the_lint(feeds: tuple[IndexFeed, ...]) -> None:
    """The page runs nothing, also with no feeds, and is the same each time."""
    body = index("Site", None, feeds, opml_href="feeds.opml")
    assert lint(body, HTML) == ()
    assert body == index("Site", None, feeds, opml_href="feeds.opml")
