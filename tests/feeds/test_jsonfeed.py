"""JSON Feed, read back as JSON."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedbridge.errors import PublishError
from feedbridge.feeds.jsonfeed import json_feed
from feedbridge.feeds.lint import lint
from feedbridge.feeds.namespaces import ITUNES_NAMESPACE
from feedbridge.feeds.rendering import JSON_FEED, LeftOut
from feedbridge.model import Category, Element, Enclosure, Entry, Feed, Person


def bare(feed: Feed, **changes: Any) -> Entry:
    return replace(feed.entries[1], **changes)


def only(feed: Feed, *entries: Entry) -> Feed:
    return replace(feed, entries=entries)


def test_golden(full_feed: Feed, assert_golden: Callable[[str, bytes], None]) -> None:
    """A feed with every field comes out as the golden file, byte by byte, with Chinese as it is."""
    rendering = json_feed(full_feed)
    assert rendering.left_out == ()
    assert "两国签署".encode() in rendering.body
    assert rendering.body.endswith(b"}\n")
    assert_golden("full.json", rendering.body)


def test_golden_of_foreign_entries(foreign_feed: Feed, assert_golden: Callable[[str, bytes], None]) -> None:
    """Entries that were in other feeds come out as the golden file, which passes the lint."""
    rendering = json_feed(foreign_feed)
    assert rendering.left_out == ()
    assert lint(rendering.body, JSON_FEED) == ()
    assert_golden("foreign.json", rendering.body)


def test_attachments_tell_what_is_known_of_the_files(foreign_feed: Feed) -> None:
    """What plays has the item's length, or its own; a type must stand, and any bytes is one."""
    assert json.loads(json_feed(foreign_feed).body)["items"][0]["attachments"] == [
        {
            "url": "https://radio.example/12.epub",
            "mime_type": "application/epub+zip",
            "size_in_bytes": 4567,
        },
        {
            "url": "https://radio.example/12.mp3",
            "mime_type": "audio/mpeg",
            "size_in_bytes": 50_000_000,
            "duration_in_seconds": 3723,
        },
        {
            "url": "https://radio.example/12.ogg",
            "mime_type": "audio/ogg",
            "title": "无损",
            "duration_in_seconds": 3724,
        },
        {"url": "https://radio.example/12.notes", "mime_type": "application/octet-stream"},
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45),
        (" 5:07 ", 307),
        ("90:00", 5400),
        ("01:02:03", 3723),
        ("61.9", 61),
        ("0", None),
        ("", None),
        ("1:2:3:4", None),
        ("-5", None),
        ("五分", None),
        ("٣", None),
        ("9" * 5000, None),
    ],
)
def test_duration(full_feed: Feed, text: str, seconds: int | None) -> None:
    """iTunes' durations are seconds, minutes and seconds, or hours too; what is none of these is not told."""
    duration = Element(namespace=ITUNES_NAMESPACE, name="duration", text=text)
    entry = bare(full_feed, enclosures=(Enclosure(href="https://a.example/1.mp3"),), extensions=(duration,))
    (attachment,) = json.loads(json_feed(only(full_feed, entry)).body)["items"][0]["attachments"]
    assert attachment.get("duration_in_seconds") == seconds


def test_item_says_where_it_was(foreign_feed: Feed) -> None:
    """`source` is the feed that an item was first in, `via` the one that it was taken from."""
    items = json.loads(json_feed(foreign_feed).body)["items"]
    assert items[1]["_feedbridge"] == {
        "source": {
            "id": "urn:uuid:4d0f9f4e-70c5-5f5b-9d38-0d9d6b1f6a01",
            "title": "某通讯社",
            "url": "https://agency.example/",
            "feed_url": "https://agency.example/feed",
            "date_modified": "2024-04-30T00:00:00Z",
        },
        "via": "https://radio.example/feed.xml",
    }


def test_same_feed_gives_same_bytes(full_feed: Feed) -> None:
    """The bytes depend on the feed alone, and pass the lint."""
    assert json_feed(full_feed) == json_feed(replace(full_feed))
    assert lint(json_feed(full_feed).body, JSON_FEED) == ()


def test_feed_keys(full_feed: Feed) -> None:
    """The feed says who it is; the entries before these are its next page."""
    document = json.loads(json_feed(full_feed).body)
    del document["items"]
    assert document == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "新闻 & 评论",
        "home_page_url": "https://feeds.example/",
        "feed_url": "https://feeds.example/feeds/news/0002",
        "description": "每天的新闻",
        "next_url": "https://feeds.example/feeds/news/0001",
        "icon": "https://feeds.example/icon.png",
        "authors": [{"name": "示例", "url": "https://feeds.example/about"}],
        "language": "zh-Hans",
        "hubs": [{"type": "WebSub", "url": "https://hub.example/"}],
    }


def test_item_keys(full_feed: Feed) -> None:
    """An item keeps all that the format has words for; where it comes from is our extension."""
    entry = full_feed.entries[0]
    assert json.loads(json_feed(full_feed).body)["items"][0] == {
        "id": entry.id,
        "url": "https://news.example/a/20230712/1.html?a=1%7C2&b=3",
        "title": "两国签署“伙伴计划” <草案> & 其他",
        "content_html": entry.content,
        "summary": "部长们说：1 < 2。",
        "image": "https://images.example/1.jpg",
        "date_published": "2023-07-12T09:38:33Z",
        "date_modified": "2023-07-12T09:39:03Z",
        "authors": [
            {"name": "王小明", "url": "https://news.example/authors/wang"},
            {"name": "A. Reporter", "url": "mailto:reporter@news.example"},
        ],
        "tags": ["亚洲", "politics"],
        "language": "zh-Hant",
        "attachments": [
            {"url": "https://media.example/1.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 123456},
            {"url": "https://media.example/1.mp4", "mime_type": "video/mp4"},
        ],
        "_feedbridge": {
            "source": {
                "id": "urn:uuid:6b3c1f86-6d0e-5f58-9d3c-6f0f0d0d7f10",
                "title": "示例新闻社",
                "url": "https://news.example/",
                "date_modified": "2023-07-12T09:40:00Z",
            }
        },
    }


def test_unknown_values_are_left_out(full_feed: Feed) -> None:
    """What is not known has no key; the content stands even when it is empty, for the format needs it."""
    item = json.loads(json_feed(only(full_feed, bare(full_feed, content=""))).body)["items"][0]
    assert sorted(item) == ["content_html", "date_modified", "date_published", "id", "title"]


def test_excerpt_stands_in_for_a_missing_summary(full_feed: Feed) -> None:
    """The summary is the source's, else our excerpt."""
    feed = only(full_feed, bare(full_feed, excerpt="没有链接"))
    assert json.loads(json_feed(feed).body)["items"][0]["summary"] == "没有链接"


def test_a_feed_without_entries_is_valid(full_feed: Feed) -> None:
    """`items` stands even when it is empty."""
    body = json_feed(only(full_feed)).body
    assert json.loads(body)["items"] == []
    assert lint(body, JSON_FEED) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": "a\x08b"}, "holds the character U+0008, which XML cannot hold"),
        ({"content": "\ud800"}, "holds the character U+D800, which XML cannot hold"),
        (
            {"authors": (Person(name="\ufffe"),)},
            "holds the character U+FFFE, which XML cannot hold",
        ),
        ({"title": ""}, "has no title"),
        ({"rights": "\x08"}, "holds the character U+0008, which XML cannot hold"),
        (
            {"extensions": (Element(namespace=ITUNES_NAMESPACE, name="subtitle", text="\x08"),)},
            "holds the character U+0008, which XML cannot hold",
        ),
    ],
)
def test_bad_entry_is_left_out_and_named(full_feed: Feed, changes: dict[str, Any], reason: str) -> None:
    """What Atom cannot hold is left out here too; the rest stands."""
    bad = bare(full_feed, id="urn:example:bad", **changes)
    rendering = json_feed(only(full_feed, full_feed.entries[0], bad))
    assert rendering.left_out == (LeftOut(entry_id="urn:example:bad", reason=reason),)
    assert rendering.body == json_feed(only(full_feed, full_feed.entries[0])).body


def test_feed_that_cannot_be_written_at_all(full_feed: Feed) -> None:
    """Where the feed itself is at fault there is no document, and the error names it."""
    with pytest.raises(PublishError, match="feeds/news/0002"):
        json_feed(replace(full_feed, title="a\x00"))


xml_text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


@settings(max_examples=150)
@given(title=xml_text, content=xml_text, author=xml_text, tag=xml_text)
def test_any_text_comes_back(full_feed: Feed, title: str, content: str, author: str, tag: str) -> None:
    """Whatever XML can hold passes the lint and is read back as it was."""
    html = "<p>" + content.replace("&", "&amp;").replace("<", "&lt;") + "</p>"
    people, tags = (Person(name=author),), (Category(term=tag),)
    entry = bare(full_feed, title=title, content=html, authors=people, categories=tags)
    body = json_feed(only(full_feed, entry)).body
    assert lint(body, JSON_FEED) == ()
    item = json.loads(body)["items"][0]
    assert [item["title"], item["content_html"], item.get("authors", []), item.get("tags", [])] == [
        title,
        html,
        [{"name": author}] if author.strip() else [],
        [tag] if tag.strip() else [],
    ]
