"""Two feeds, one that uses every field and one of entries from elsewhere, and the golden files of them."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedbridge.feeds.assemble import SourceFace, entry, feed_extensions
from feedbridge.feeds.namespaces import ITUNES_NAMESPACE, MEDIA_NAMESPACE, PODCAST_NAMESPACE
from feedbridge.model import (
    Article,
    Category,
    Element,
    Enclosure,
    Entry,
    EntryImage,
    EntrySource,
    Feed,
    Image,
    Origin,
    Person,
)

GOLDEN = Path(__file__).parent / "golden"

FULL_ENTRY = Entry(
    id="urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6",
    title="两国签署“伙伴计划” <草案> & 其他",
    link="https://news.example/a/20230712/1.html?a=1|2&b=3",
    published=datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC),
    updated=datetime(2023, 7, 12, 9, 39, 3, tzinfo=UTC),
    authors=(
        Person(name="王小明", uri="https://news.example/authors/wang"),
        Person(name="A. Reporter", email="reporter@news.example"),
    ),
    categories=(
        Category(term="asia", scheme="https://news.example/topics", label="亚洲"),
        Category(term="politics"),
    ),
    summary="部长们说：1 < 2。",
    excerpt="今天，两国在首都签署了计划。",
    content=(
        '<figure><img src="https://images.example/1.jpg" alt="合影"><figcaption>合影 &amp; 说明</figcaption></figure>'
        '<p>今天，<a href="https://news.example/b">两国</a>在首都签署了计划。</p>'
    ),
    image=EntryImage(href="https://images.example/1.jpg", type="image/jpeg", width=900, height=506),
    enclosures=(
        Enclosure(href="https://media.example/1.mp3", type="audio/mpeg", length=123456),
        Enclosure(href="https://media.example/1.mp4"),
    ),
    rights="© 2023 示例新闻社",
    language="zh-Hant",
    source=EntrySource(
        id="urn:uuid:6b3c1f86-6d0e-5f58-9d3c-6f0f0d0d7f10",
        title="示例新闻社",
        updated=datetime(2023, 7, 12, 9, 40, tzinfo=UTC),
        link="https://news.example/",
    ),
)

BARE_ENTRY = Entry(
    id="https://news.example/a/2",
    title="只有正文",
    link=None,
    published=datetime(2023, 7, 11, tzinfo=UTC),
    updated=datetime(2023, 7, 11, tzinfo=UTC),
    content="<p>没有链接，没有摘要。</p>",
)

FULL_FEED = Feed(
    id="urn:uuid:2f4b9f0e-3a52-5c1d-8a53-0d3f2d8a9b11",
    title="新闻 & 评论",
    link="https://feeds.example/",
    self_link="https://feeds.example/feeds/news/0002",
    updated=datetime(2023, 7, 12, 9, 39, 3, tzinfo=UTC),
    author=Person(name="示例", uri="https://feeds.example/about", email="editor@feeds.example"),
    subtitle="每天的新闻",
    language="zh-Hans",
    rights="© 各家媒体",
    icon="https://feeds.example/icon.png",
    hub="https://hub.example/",
    current="https://feeds.example/feeds/news",
    prev_archive="https://feeds.example/feeds/news/0001",
    next_archive="https://feeds.example/feeds/news/0003",
    archive=True,
    entries=(FULL_ENTRY, BARE_ENTRY),
)


def itunes(name: str, text: str = "", /, *children: Element, **attributes: str) -> Element:
    return _element(ITUNES_NAMESPACE, name, text, children, attributes)


def podcast(name: str, text: str = "", /, *children: Element, **attributes: str) -> Element:
    return _element(PODCAST_NAMESPACE, name, text, children, attributes)


def media(name: str, text: str = "", /, *children: Element, **attributes: str) -> Element:
    return _element(MEDIA_NAMESPACE, name, text, children, attributes)


def _element(
    namespace: str, name: str, text: str, children: tuple[Element, ...], attributes: dict[str, str]
) -> Element:
    pairs = tuple(attributes.items())
    return Element(namespace=namespace, name=name, attributes=pairs, text=text, children=children)


def _address_of(image: Image) -> str | None:
    """Keep pictures, but for those of one host."""
    return None if "tracker.example" in image.origin else image.origin


RADIO = SourceFace(
    id="https://radio.example/show",
    title="示例电台",
    address_of=_address_of,
    link="https://radio.example/",
    language="zh-Hans",
    author="示例电台",
    via="https://reader:secret@radio.example/feed.xml",
)

EPISODE = Article(
    id="tag:radio.example,2024:12",
    source="radio",
    title="第十二集：声音 & 城市",
    link="https://radio.example/12",
    published=datetime(2024, 5, 1, 6, 0, tzinfo=UTC),
    updated=datetime(2024, 5, 2, 6, 30, tzinfo=UTC),
    categories=(Category(term="audio", scheme="https://radio.example/genres", label="音频"),),
    summary="一座城市的声音。",
    content='<p>一座城市的声音。</p><img src="image:0">',
    images=(
        Image(origin="https://radio.example/12.jpg", alt="封面", width=1400, height=1400),
        Image(origin="https://radio.example/guest.jpg"),
        Image(origin="https://tracker.example/pixel.gif"),
    ),
    lead_image=Image(origin="https://radio.example/12.jpg", width=1400, height=1400),
    enclosures=(
        Enclosure(href="https://radio.example/12.epub", type="application/epub+zip", length=4567),
        Enclosure(href="https://radio.example/12.mp3", type="audio/mpeg", length=50_000_000),
        Enclosure(href="https://radio.example/12.ogg"),
        Enclosure(href="https://radio.example/12.notes"),
    ),
    rights="CC BY 4.0",
    language="zh-Hant",
    first_seen=datetime(2024, 5, 1, 6, 5, tzinfo=UTC),
    changed=datetime(2024, 5, 2, 6, 35, tzinfo=UTC),
    content_hash="1:00",
    extensions=(
        itunes("title", "声音 & 城市"),
        itunes("duration", "1:02:03"),
        itunes("episode", "12"),
        itunes("explicit", "false"),
        itunes("image", href="image:0"),
        podcast("transcript", url="https://radio.example/12.vtt", type="text/vtt", language="zh-Hant"),
        podcast("transcript", url="https://radio.example/12.srt", type="application/x-subrip"),
        podcast("chapters", url="https://radio.example/12.json", type="application/json+chapters"),
        podcast("person", "李雷", role="guest", img="image:1", href="https://radio.example/li"),
        podcast("person", "韩梅梅", img="image:2"),
        podcast(
            "alternateEnclosure",
            "",
            podcast("source", uri="https://radio.example/12.opus"),
            type="audio/opus",
            title="小",
        ),
        media("thumbnail", url="image:0"),
        media("thumbnail", url="image:2"),
        media(
            "group",
            "",
            media("content", url="image:0", medium="image"),
            media(
                "content",
                "",
                media("title", "无损"),
                url="https://radio.example/12.ogg",
                type="audio/ogg",
                duration="3724",
            ),
        ),
        media("group", "", media("content", url="image:0", medium="image")),
    ),
)

REPRINT = Article(
    id="https://agency.example/7",
    source="radio",
    title="转载",
    link="https://agency.example/7",
    published=datetime(2024, 4, 30, tzinfo=UTC),
    updated=datetime(2024, 4, 30, tzinfo=UTC),
    content="<p>转载的消息。</p>",
    first_seen=datetime(2024, 4, 30, tzinfo=UTC),
    changed=datetime(2024, 4, 30, tzinfo=UTC),
    content_hash="1:00",
    origin=Origin(
        id="urn:uuid:4d0f9f4e-70c5-5f5b-9d38-0d9d6b1f6a01",
        title="某通讯社",
        link="https://agency.example/",
        self_link="https://agency.example/feed",
    ),
)

FOREIGN_FEED = Feed(
    id="urn:uuid:0c6a3a52-95b6-5f0e-8f5e-7b6f4c1f8f11",
    title="电台",
    link="https://feeds.example/",
    self_link="https://feeds.example/feeds/radio",
    updated=datetime(2024, 5, 2, 6, 30, tzinfo=UTC),
    author=Person(name="示例"),
    language="zh-Hans",
    extensions=feed_extensions(
        (
            itunes("author", "示例电台"),
            itunes("image", href="https://radio.example/show.jpg"),
            itunes("category", "", itunes("category", text="Places & Travel"), text="Society & Culture"),
            itunes("explicit", "false"),
            itunes("new-feed-url", "https://radio.example/elsewhere"),
            podcast("guid", "917393e3-1b1e-5cef-ace4-edaa54e1f810"),
            podcast("funding", "支持我们", url="https://radio.example/support"),
        ),
        _address_of,
    ),
    entries=tuple(entry(article, RADIO, merged=False) for article in (EPISODE, REPRINT)),
)


@pytest.fixture(scope="session")
def foreign_feed() -> Feed:
    """A podcast's episode and an entry that was in a third feed before, as one feed of ours has them."""
    return FOREIGN_FEED


@pytest.fixture(scope="session")
def full_feed() -> Feed:
    """An archive document with one entry that has everything and one that has next to nothing."""
    return FULL_FEED


@pytest.fixture(scope="session")
def assert_golden() -> Callable[[str, bytes], None]:
    """Compare bytes with a golden file; `REGENERATE_GOLDEN=1 pytest tests/feeds` writes them anew."""

    def check(name: str, body: bytes) -> None:
        if os.environ.get("REGENERATE_GOLDEN"):
            (GOLDEN / name).write_bytes(body)
        assert body.decode() == (GOLDEN / name).read_text(encoding="utf-8")

    return check
