"""The page of feeds, read back by beautifulsoup4."""

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup

from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, HTML, JSON_FEED, RSS
from feedbridge.pages.frame import SiteFace, Subscription
from feedbridge.pages.index import IndexFeed, index
from feedbridge.pages.theme import theme_of

FEEDS = (
    IndexFeed(
        title="新闻 & 评论",
        subtitle="每天的<b>新闻</b>",
        language="zh-Hant",
        page="feeds/news.html",
        newest=datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC),
        newest_title="两国 <签署>",
        interval=timedelta(hours=8),
        subscriptions=(
            Subscription(path="feeds/news.atom", media_type=ATOM),
            Subscription(path="feeds/news.rss", media_type=RSS),
            Subscription(path="feeds/news.json", media_type=JSON_FEED),
        ),
    ),
    IndexFeed(title="Empty", subscriptions=(Subscription(path="feeds/empty.atom", media_type=ATOM),)),
)


def face(title: str = "示例站", language: str | None = "zh-Hans", *, listed: bool = True) -> SiteFace:
    return SiteFace(
        title=title, language=language, base_url="https://feeds.example/", listed=listed, theme=theme_of(None)
    )


def page(*feeds: IndexFeed, title: str = "示例站", language: str | None = "zh-Hans") -> BeautifulSoup:
    return BeautifulSoup(index(face(title, language), feeds, opml="feeds.opml"), "lxml")


def test_each_feed_has_title_date_rhythm_and_formats() -> None:
    """A person sees what there is, how new it is, how often something comes, and how to subscribe."""
    first, second = page(*FEEDS).select(".cards > li")
    assert first.h2 is not None
    assert (first.h2.text, first.h2["lang"]) == ("新闻 & 评论", "zh-Hant")
    assert [link["href"] for link in first.select("h2 a")] == ["feeds/news.html"]
    assert [time["datetime"] for time in first.select("time")] == ["2023-07-12T09:38:33Z"]
    assert [time.text for time in first.select("time")] == ["2023-07-12 09:38 UTC"]
    assert [one.text for one in first.select("bdi")] == ["两国 <签署>"]
    assert [one.text for one in first.select(".pace")] == ["每天约 3 篇"]
    assert [(link.text, link["href"]) for link in first.select(".formats a")] == [
        ("Atom", "feeds/news.atom"),
        ("RSS", "feeds/news.rss"),
        ("JSON Feed", "feeds/news.json"),
    ]
    assert second.select("time, .pace, h2 a") == []
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
    assert b"OPML" not in index(face(), FEEDS)


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
    feed = IndexFeed(
        title=hostile,
        subtitle=hostile,
        newest_title=hostile,
        newest=FEEDS[0].newest,
        subscriptions=FEEDS[0].subscriptions,
    )
    soup = page(feed, title=hostile)
    assert len(soup.select("script")) == 1
    assert soup.h1 is not None
    assert soup.h1.text == hostile
    assert [one.text for one in soup.select("h2, bdi")] == [hostile, hostile]


@pytest.mark.parametrize("listed", [True, False])
def test_search_engines_are_told(listed: bool) -> None:
    """What the settings say."""
    soup = BeautifulSoup(index(face(listed=listed), ()), "lxml")
    assert [meta["content"] for meta in soup.select("meta[name=robots]")] == ([] if listed else ["noindex"])


@pytest.mark.parametrize("feeds", [FEEDS, ()])
def test_passes_the_lint(feeds: tuple[IndexFeed, ...]) -> None:
    """The page runs nothing of others, also with no feeds, and is the same each time."""
    body = index(face("Site", None), feeds, opml="feeds.opml")
    assert lint(body, HTML) == ()
    assert body == index(face("Site", None), feeds, opml="feeds.opml")
