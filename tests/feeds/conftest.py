"""One feed that uses every field, and the golden files that it must come out as."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedbridge.model import Category, Enclosure, Entry, EntryImage, EntrySource, Feed, Person

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
