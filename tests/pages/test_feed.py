"""The page of a feed, read back by beautifulsoup4."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bs4 import BeautifulSoup

from feedbridge.feeds import slices
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, HTML
from feedbridge.model import Entry, EntryImage, EntrySource, Feed, Person
from feedbridge.pages.feed import feed_page
from feedbridge.pages.frame import FeedFrame, Subscription, entry_name

DATE = datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)
FULL = Entry(
    id="urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6",
    title="两国签署“伙伴计划” <草案>",
    link="https://www.news.example/a/1.html?a=1&b=3",
    published=DATE,
    updated=DATE,
    summary="部长们说：1 < 2。",
    content="<p>今天</p>",
    image=EntryImage(href="https://images.example/1.jpg"),
    rights="© 2023",
    language="zh-Hant",
    source=EntrySource(id="urn:x:1", title="示例新闻社", updated=DATE, link="https://news.example/"),
)
BARE = Entry(id="https://news.example/a/2", title="只有正文", link=None, published=DATE, updated=DATE)
FEED = Feed(
    id="urn:x:feed",
    title="新闻 & 评论",
    link="https://about.example/",
    self_link="https://feeds.example/feeds/news.html",
    updated=DATE,
    author=Person(name="示例"),
    subtitle="每天的<b>新闻",
    language="zh-Hans",
    rights="© 各家媒体",
    entries=(FULL, BARE),
)


def soup_of(feed: Feed, frame: FeedFrame) -> BeautifulSoup:
    body = feed_page(feed, frame).body
    assert lint(body, HTML) == ()
    return BeautifulSoup(body, "lxml")


def test_an_entry_shows_what_it_is_and_where_it_is_from(frame: FeedFrame) -> None:
    """Title, picture, summary, source, date, rights, and the way to the original, each in its own language."""
    full, bare = soup_of(FEED, frame).select("li.entry")
    assert full.h3 is not None
    assert (full.h3.text, full.h3["lang"], full.h3["dir"]) == ("两国签署“伙伴计划” <草案>", "zh-Hant", "auto")
    assert [link["href"] for link in full.select("a")] == ["https://www.news.example/a/1.html?a=1&b=3"]
    assert [image["src"] for image in full.select("img")] == ["https://images.example/1.jpg"]
    assert [one.text for one in full.select("bdi, .summary, time, .rights")] == [
        "2023-07-12 09:38 UTC",
        "示例新闻社",
        "news.example",
        "部长们说：1 < 2。",
        "© 2023",
    ]
    assert (bare.select("a, img, .summary"), bare.h3 and bare.h3.text) == ([], "只有正文")


def test_the_page_says_how_to_subscribe(frame: FeedFrame) -> None:
    """In the head for readers, and for people as links and as addresses to copy, relative to wherever the site is."""
    soup = soup_of(FEED, frame)
    hrefs = [link["href"] for link in soup.select("link[rel=alternate]")]
    assert hrefs == ["../feeds/news.atom", "../feeds/news.rss"]
    assert [one.text for one in soup.select("code")] == [
        "https://feeds.example/feeds/news.atom",
        "https://feeds.example/feeds/news.rss",
    ]
    buttons = soup.select("button[hidden]")
    assert [one["data-address"] for one in buttons] == ["../feeds/news.atom", "../feeds/news.rss"]


def test_the_head_tells_others_what_it_is(frame: FeedFrame) -> None:
    """Open Graph and the address of its own."""
    soup = soup_of(FEED, frame)
    told = {meta["property"]: meta["content"] for meta in soup.select("meta[property]")}
    assert told == {
        "og:type": "website",
        "og:title": "新闻 & 评论",
        "og:description": "每天的<b>新闻",
        "og:url": "https://feeds.example/feeds/news.html",
        "og:site_name": "示例站",
        "og:locale": "zh_CN",
    }
    assert [link["href"] for link in soup.select("link[rel=canonical]")] == ["https://feeds.example/feeds/news.html"]


def test_entries_lead_to_their_pages_where_they_have_some(frame: FeedFrame) -> None:
    """And the original stays one click away."""
    soup = soup_of(FEED, replace(frame, entries="entries/news/"))
    full, bare = soup.select("li.entry")
    assert [link["href"] for link in full.select("a")] == [f"../entries/news/{entry_name(FULL.id)}", FULL.link]
    assert [link["href"] for link in bare.select("a")] == [f"../entries/news/{entry_name(BARE.id)}"]


def test_the_name_of_an_entrys_page_never_changes() -> None:
    """It is an address that people keep."""
    assert entry_name(FULL.id) == "2b7d5d7140de4569.html"
    assert entry_name(f"sha256:{hashlib.sha256(FULL.id.encode()).hexdigest()}") == entry_name(FULL.id)


def test_pages_of_the_archive_lead_to_each_other(frame: FeedFrame) -> None:
    """In both directions, and to the newest entries; how to subscribe stands there."""
    older, path, newer = (f"feeds/news/000{number}.html" for number in (1, 2, 3))
    soup = soup_of(replace(FEED, archive=True), replace(frame, number=2, path=path, newer=newer, older=older))
    assert [link["href"] for link in soup.select("nav a")] == [
        "../../feeds/news/0003.html",
        "../../feeds/news/0001.html",
    ]
    assert [link["href"] for link in soup.select("h1 a")] == ["../../feeds/news.html"]
    assert soup.select("code") == []
    assert soup.title is not None
    assert soup.title.text == "新闻 & 评论 – 存档，第 2 页 – 示例站"


def test_where_the_archive_has_no_pages_its_document_is_named(frame: FeedFrame) -> None:
    """The newest one, where readers begin."""
    archive = Subscription(path="feeds/news/0007.atom", media_type=ATOM)
    soup = soup_of(FEED, replace(frame, archive=archive))
    assert [link["href"] for link in soup.select("main > p a")] == ["../feeds/news/0007.atom"]


HOSTILE = [
    '"><script>alert(1)</script>',
    "--><script>alert(1)</script><!-- entry x -->",
    "</title></style><base href=//x.example>",
    "\u202egnp.exe\u2066\u2067",
    "{{ 7 * 7 }}{% raw %}",
    "A" * 10_000,
    "e" + "\u0301" * 5_000,
    " \n\t ",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_only_texts(frame: FeedFrame, text: str) -> None:
    """Whatever they hold, the page has the same elements, and no title is without end."""
    hostile = replace(
        FULL,
        title=text,
        summary=text,
        rights=text,
        source=replace(FULL.source, title=text, link="javascript:alert(1)"),  # type: ignore[type-var]
        link="https://x.example/?q=" + text,
    )
    soup = soup_of(replace(FEED, title=text, subtitle=text, rights=text, entries=(hostile,)), frame)
    plain = soup_of(replace(FEED, entries=(replace(FULL, rights="x"),)), frame)
    names, found = ({tag.name for tag in one.find_all()} for one in (plain, soup))
    assert found <= names
    assert len(soup.select("script, style, base, li.entry")) == 3
    assert max(len(tag.text) for tag in soup.select("h1, h3, bdi, .summary, title")) < 800
    assert soup.title is not None
    assert not set("\u202e\u2066\u2067") & set(soup.title.text)


def test_the_page_is_cut_where_its_entries_are(frame: FeedFrame) -> None:
    """And put together again, byte by byte; no text can look like the end of one."""
    odd = replace(FULL, id="urn:x:a&b--", title="<!-- end --> <!-- entries -->", summary="\n<!-- no more entries -->")
    whole = feed_page(replace(FEED, entries=(odd, BARE)), frame).body
    cut = slices.cut(whole, "html")
    assert cut is not None
    assert list(cut.entries) == [odd.id, BARE.id]
    alone = feed_page(replace(FEED, entries=(odd,)), frame).body
    copied = {BARE.id: cut.entries[BARE.id]}
    assert slices.splice(alone, "html", copied, [odd.id, BARE.id]) == whole
    nothing = feed_page(replace(FEED, entries=()), frame).body
    assert slices.splice(nothing, "html", cut.entries, [odd.id, BARE.id]) == whole
    assert slices.cut(whole.replace(b"<!-- end -->", b"", 1), "html") is None


def test_an_entry_that_xml_cannot_hold_is_left_out(frame: FeedFrame) -> None:
    """As in every other format."""
    made = feed_page(replace(FEED, entries=(replace(FULL, title="a\x08"), BARE)), frame)
    assert [(left.entry_id, left.reason) for left in made.left_out] == [
        (FULL.id, "holds the character U+0008, which XML cannot hold")
    ]
    assert made.body == feed_page(replace(FEED, entries=(BARE,)), frame).body
