"""The lint: a good document passes, and each fault is found, alone and in its place."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.feeds.checks import Problem, html_problems, is_plain, read_rfc822, read_rfc3339, tree_problems
from feedbridge.feeds.jsonfeed import json_feed
from feedbridge.feeds.lint import lint
from feedbridge.feeds.opml import OpmlFeed, opml
from feedbridge.feeds.rendering import ATOM, HTML, JSON_FEED, OPML, RSS, Rendering
from feedbridge.feeds.syndication import atom, rss
from feedbridge.model import Feed

FIRST = "urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6"
SECOND = "https://news.example/a/2"
FIRST_ID = f"<id>{FIRST}</id>"
SECOND_ID = f"<id>{SECOND}</id>"
SECOND_GUID = f'<guid isPermaLink="false">{SECOND}</guid>'
CONTENT = "&lt;p&gt;没有链接，没有摘要。&lt;/p&gt;"
ALTERNATE = '<link href="https://news.example/a/20230712/1.html?a=1%7C2&amp;b=3" rel="alternate"/>'


def found(body: bytes, media_type: str) -> list[tuple[str | None, str]]:
    return [(problem.entry, problem.message) for problem in lint(body, media_type)]


def broken(body: bytes, old: str, new: str) -> bytes:
    """Replace the first of a piece that must be there."""
    text = body.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("old", "new", "entry", "message"),
    [
        ("<feed ", "<fred ", None, None),
        ("<?xml version='1.0' encoding='UTF-8'?>", "<!DOCTYPE feed>", None, "declares a document type"),
        ("<id>urn:uuid:2f4b9f0e-3a52-5c1d-8a53-0d3f2d8a9b11</id>", "", None,
         "there must be exactly one id, here are 0"),
        ("<id>urn:uuid:2f4b9f0e-3a52-5c1d-8a53-0d3f2d8a9b11</id>", "<id>news</id>", None,
         "id is not an absolute address: 'news'"),
        ('<title type="text">新闻 &amp; 评论</title>', "", None, "there must be exactly one title, here are 0"),
        ('<title type="text">新闻 &amp; 评论</title>', '<title type="text"> </title>', None, "the title is empty"),
        ("<generator>feedbridge</generator>", "<generator>a</generator><generator>b</generator>", None,
         "there may be only one generator, here are 2"),
        ("https://feeds.example/icon.png", "icon.png", None, "icon or logo is not an absolute address: 'icon.png'"),
        ("<updated>2023-07-12T09:39:03+00:00</updated>", "<updated>2023-07-12T09:39:03</updated>", None,
         "updated is not a valid date with a zone"),
        ('rel="self"', 'rel="via"', None, "there is no link to the document itself"),
        ('rel="hub"', 'rel="self"', None, "there may be only one link self"),
        ('<link href="https://hub.example/"', '<link href="/hub"', None,
         "the link hub is not an absolute address: '/hub'"),
        ('rel="hub"', 'rel="hub" type="nothing"', None, "the type of the link hub is not a media type: 'nothing'"),
        ('rel="current"', 'rel="via"', None, "an archive document must have a link to the current one"),
        ("<fh:archive/>", "", None, "the document is not the current one, yet does not say that it is an archive"),
        ('xml:lang="zh-Hans"', 'xml:lang="中文"', None, "xml:lang is not a language tag: '中文'"),
        ("<name>示例</name>", "", None, "there must be exactly one name, here are 0"),
        ("<name>示例</name>", "<name/>", None, "an author's name is empty"),
        ("<email>editor@feeds.example</email>", "<email>editor</email>", None,
         "an author's email is not an e-mail address: 'editor'"),
        ("<uri>https://feeds.example/about</uri>", "<uri>about</uri>", None,
         "an author's uri is not an absolute address: 'about'"),
        (FIRST_ID, "", None, "there must be exactly one id, here are 0"),
        (SECOND_ID, "<id>2</id>", "2", "id is not an absolute address: '2'"),
        (SECOND_ID, "<id>urn:a b</id>", "urn:a b", "id holds a character that must be encoded: 'urn:a b'"),
        (SECOND_ID, FIRST_ID, FIRST, "another entry has the same id"),
        ('<title type="text">只有正文</title>', "", SECOND, "there must be exactly one title, here are 0"),
        ('<title type="text">只有正文</title>', '<title type="bold">x</title>', SECOND,
         "title has the type 'bold', which is none of text, html, xhtml"),
        ('<title type="text">只有正文</title>', '<title type="html">&lt;script&gt;&lt;/script&gt;</title>', SECOND,
         "the HTML holds a live element: <script>"),
        ('<title type="text">只有正文</title>', '<title type="text">只<b>有</b></title>', SECOND,
         "title of type text may not hold elements"),
        ("<updated>2023-07-11T00:00:00+00:00</updated>", "", SECOND, "there must be exactly one updated, here are 0"),
        ("<updated>2023-07-11T00:00:00+00:00</updated>", "<updated>2023-02-30T00:00:00Z</updated>", SECOND,
         "updated is not a valid date with a zone"),
        ("<published>2023-07-11T00:00:00+00:00</published>", "<published>Tue, 11 Jul 2023</published>", SECOND,
         "published is not a valid date with a zone"),
        ("<published>2023-07-11T00:00:00+00:00</published>", "<published>2023-07-11T00:00:01Z</published>", SECOND,
         "published is later than updated"),
        (f'<content type="html">{CONTENT}</content>', "", SECOND,
         "there is neither content nor a link to the article"),
        (f'<content type="html">{CONTENT}</content>', '<content type="html"><p>x</p></content>', SECOND,
         "content of type html may not hold elements"),
        (f'<content type="html">{CONTENT}</content>', '<content type="CDATA">x</content>', SECOND,
         "the content's type is not a media type: 'CDATA'"),
        (f'<content type="html">{CONTENT}</content>', '<content type="xhtml"><p>x</p></content>', SECOND,
         "content of type xhtml must hold one div"),
        (f'<content type="html">{CONTENT}</content>', '<content src="https://x.example/"/>', SECOND,
         "content with a src needs a summary"),
        (f'<content type="html">{CONTENT}</content>', '<content src="a"/><summary>s</summary>', SECOND,
         "the content's src is not an absolute address: 'a'"),
        (f'<content type="html">{CONTENT}</content>', '<content src="https://x.example/">x</content><summary/>',
         SECOND, "content with a src must be empty"),
        (CONTENT, "&lt;img src='a.jpg'&gt;", SECOND, "the HTML holds a relative address: src='a.jpg'"),
        (ALTERNATE, ALTERNATE * 2, FIRST, "two alternate links have the same type and language"),
        ('length="123456"', 'length="many"', FIRST,
         "the length of the link enclosure is not a number of bytes: 'many'"),
        ('term="asia" ', "", FIRST, "a category has no term"),
        ('scheme="https://news.example/topics"', 'scheme="topics"', FIRST,
         "a category's scheme is not an absolute address: 'topics'"),
        ("<id>urn:uuid:6b3c1f86-6d0e-5f58-9d3c-6f0f0d0d7f10</id>", "", FIRST,
         "in source: there must be exactly one id, here are 0"),
        ("<updated>2023-07-12T09:40:00Z</updated>", "<updated>then</updated>", FIRST,
         "in source: updated is not a valid date with a zone"),
        ('<media:thumbnail url="https://images.example/1.jpg"', '<media:thumbnail url="1.jpg"', FIRST,
         "media:thumbnail's url is not an absolute address: '1.jpg'"),
    ],
)  # fmt: skip
def test_atom(full_feed: Feed, old: str, new: str, entry: str | None, message: str | None) -> None:
    """Each demand of RFC 4287 and RFC 5005 is checked, and its breach is laid to the right entry."""
    body = broken(atom(full_feed).body, old, new)
    if message is None:
        ((owner, words),) = found(body, ATOM)
        assert (owner, words[:22]) == (None, "is not well-formed XML")
    else:
        assert found(body, ATOM) == [(entry, message)]


def test_atom_entry_without_any_author(full_feed: Feed) -> None:
    """Where the feed has no author each entry needs one (RFC 4287 section 4.1.2)."""
    text = atom(full_feed).body.decode()
    start, end = text.index("<author>"), text.index("</author>") + len("</author>")
    body = (text[:start] + text[end:]).encode()
    assert found(body, ATOM) == [(SECOND, "there is no author, neither here nor in the feed")]


@pytest.mark.parametrize(
    ("old", "new", "entry", "message"),
    [
        ('version="2.0"', 'version="0.91"', None, "the root is not RSS 2.0 with one channel"),
        ("<title>新闻 &amp; 评论</title>", "", None, "there must be exactly one title, here are 0"),
        ("<title>新闻 &amp; 评论</title>", "<title/>", None, "the channel's title is empty"),
        ("<description>每天的新闻</description>", "", None, "there must be exactly one description, here are 0"),
        ("<link>https://feeds.example/</link>", "", None, "there must be exactly one link, here are 0"),
        ("<link>https://feeds.example/</link>", "<link>/</link>", None,
         "the channel's link is not an absolute address: '/'"),
        ("<language>zh-Hans</language>", "<language>zh_CN</language>", None,
         "language is not a language tag: 'zh_CN'"),
        ("<language>zh-Hans</language>", "<language>zh</language><language>en</language>", None,
         "there may be only one language, here are 2"),
        ("Wed, 12 Jul 2023 09:39:03 +0000", "2023-07-12T09:39:03Z", None,
         "lastBuildDate is not a valid date with a zone"),
        ("<url>https://feeds.example/icon.png</url>", "", None,
         "in image: there must be exactly one url, here are 0"),
        ('<atom:link href="https://feeds.example/feeds/news/0002" rel="self"',
         '<atom:link href="https://feeds.example/feeds/news/0002" rel="via"', None,
         "there is no atom:link to the document itself"),
        ('href="https://hub.example/"', 'href="hub"', None, "the link hub is not an absolute address: 'hub'"),
        ('rel="current"', 'rel="via"', None, "an archive document must have a link to the current one"),
        ("<fh:archive/>", "", None, "the document is not the current one, yet does not say that it is an archive"),
        (SECOND_GUID, "", None, "there must be exactly one guid, here are 0"),
        (SECOND_GUID, f"<guid>{SECOND}</guid>", SECOND, 'the guid does not say isPermaLink="false"'),
        (SECOND_GUID, '<guid isPermaLink="false"/>', None, "the guid is empty"),
        (SECOND_GUID, f'<guid isPermaLink="false">{FIRST}</guid>', FIRST, "another item has the same guid"),
        ("<title>只有正文</title>", "", SECOND, "there is neither a title nor a description"),
        ("<title>只有正文</title>", "<title>只<b>有</b></title>", SECOND, "title may not hold elements"),
        (">https://news.example/a/20230712/1.html?a=1%7C2&amp;b=3<", ">1.html<", FIRST,
         "the item's link is not an absolute address: '1.html'"),
        (">https://news.example/a/20230712/1.html?a=1%7C2&amp;b=3<", ">https://news.example/1|2<", FIRST,
         "the item's link holds a character that must be encoded: 'https://news.example/1|2'"),
        ("Tue, 11 Jul 2023 00:00:00 +0000", "Mon, 11 Jul 2023 00:00:00 +0000", SECOND,
         "pubDate is not a valid date with a zone"),
        ("Tue, 11 Jul 2023 00:00:00 +0000", "Tue, 11 Jul 2023 00:00:01 +0000", SECOND,
         "pubDate is later than atom:updated"),
        ("<atom:updated>2023-07-11T00:00:00Z</atom:updated>", "<atom:updated>now</atom:updated>", SECOND,
         "atom:updated is not a valid date with a zone"),
        ("<author>reporter@news.example (A. Reporter)</author>", "<author>A. Reporter</author>", FIRST,
         "the item's author is not an e-mail address: 'A. Reporter'"),
        ('<enclosure url="https://media.example/1.mp3"', '<enclosure url="1.mp3"', FIRST,
         "the enclosure's url is not an absolute address: '1.mp3'"),
        ('length="123456" ', "", FIRST, "the enclosure's length is not a number of bytes: None"),
        ('type="audio/mpeg"/>', "/>", FIRST, "the enclosure's type is not a media type: None"),
        ("<enclosure ", '<enclosure url="https://a.example/" length="1" type="a/b"/><enclosure ', FIRST,
         "there may be only one enclosure, here are 2"),
        ('<source url="https://news.example/">', "<source>", FIRST,
         "the source's url is not an absolute address: None"),
        ('<media:content url="https://images.example/1.jpg"', '<media:content url="1.jpg"', FIRST,
         "media:content's url is not an absolute address: '1.jpg'"),
        ("<description>部长们说：1 &amp;lt; 2。</description>", "<description>&lt;form&gt;</description>", FIRST,
         "the HTML holds a live element: <form>"),
        (CONTENT, "&lt;p onclick='x()'&gt;", SECOND, "the HTML holds a live attribute: onclick"),
        (CONTENT, f"{CONTENT}<p/>", SECOND, "encoded may not hold elements"),
    ],
)  # fmt: skip
def test_rss(full_feed: Feed, old: str, new: str, entry: str | None, message: str) -> None:
    """Each demand of RSS 2.0 and of the Board's profile is checked, and laid to the right item."""
    assert found(broken(rss(full_feed).body, old, new), RSS) == [(entry, message)]


def test_rss_content_before_description(full_feed: Feed) -> None:
    """Readers that take the last text must find the whole one."""
    body = rss(full_feed).body.decode()
    described = "<description>部长们说：1 &amp;lt; 2。</description>"
    moved = body.replace(described, "").replace("<guid ", f"{described}<guid ", 1)
    assert found(moved.encode(), RSS) == [(FIRST, "content:encoded stands before description")]


FOREIGN = "tag:radio.example,2024:12"
VIA = 'rel="via" href="https://radio.example/feed.xml"'


@pytest.mark.parametrize(
    ("old", "new", "entry", "message"),
    [
        (VIA, 'rel="via" href="feed.xml"', FOREIGN, "the link via is not an absolute address: 'feed.xml'"),
        (VIA, 'rel="via"', FOREIGN, "the link via is not an absolute address: None"),
        ("<itunes:duration>", "<itunes:duration/><itunes:duration>", FOREIGN,
         "there may be only one duration, here are 2"),
        ('<itunes:image href="https://radio.example/12.jpg"/>', "<itunes:image/>", FOREIGN,
         "itunes:image has no href"),
        ('<itunes:image href="https://radio.example/12.jpg"/>', '<itunes:image href="12.jpg"/>', FOREIGN,
         "itunes:image's href is not an absolute address: '12.jpg'"),
        ('<itunes:image href="https://radio.example/12.jpg"/>', '<itunes:image href="image:0"/>', FOREIGN,
         "itunes:image's href leads nowhere: 'image:0'"),
        ('<podcast:source uri="https://radio.example/12.opus"/>', '<podcast:source uri="javascript:x"/>', FOREIGN,
         "podcast:source's uri leads nowhere: 'javascript:x'"),
        ('url="https://radio.example/12.ogg" ', "", FOREIGN, "media:content has neither url nor player"),
        (">无损<", ">&lt;script&gt;<", FOREIGN, "in media:title: the HTML holds a live element: <script>"),
        ('<itunes:image href="https://radio.example/show.jpg"/>', "<itunes:image/>", None, "itunes:image has no href"),
        ("<itunes:author>", "<itunes:author/><itunes:author>", None, "there may be only one author, here are 2"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("write", "media_type"), [(atom, ATOM), (rss, RSS)])
def test_foreign_entries(
    foreign_feed: Feed,
    write: Callable[[Feed], Rendering],
    media_type: str,
    old: str,
    new: str,
    entry: str | None,
    message: str,
) -> None:
    """What an entry says of where it was, and in other vocabularies, is checked in both formats."""
    assert found(broken(write(foreign_feed).body, old, new), media_type) == [(entry, message)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<dc:language>zh-Hant<", "<dc:language>zh_TW<", "dc:language is not a language tag: 'zh_TW'"),
        ("<dc:rights>", "<dc:rights/><dc:rights>", "there may be only one rights, here are 2"),
        ('length="50000000"', 'length="50 MB"', "the enclosure's length is not a number of bytes: '50 MB'"),
    ],
)
def test_foreign_items_of_rss(foreign_feed: Feed, old: str, new: str, message: str) -> None:
    """What RSS borrows for an item is checked as what it has itself."""
    assert found(broken(rss(foreign_feed).body, old, new), RSS) == [(FOREIGN, message)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ours: ours.update(via="feed"), "via is not an absolute address: 'feed'"),
        (lambda ours: ours.update(source=1), "_feedbridge or its source is no object"),
        (lambda ours: ours["source"].pop("id"), "the source's id is not an absolute address: ''"),
        (lambda ours: ours["source"].pop("title"), "the source has no title"),
        (lambda ours: ours["source"].update(feed_url="f"), "the source's feed_url is not an absolute address: 'f'"),
        (lambda ours: ours["source"].pop("date_modified"),
         "the source's date_modified is not a valid date with a zone"),
    ],
)  # fmt: skip
def test_provenance_in_json(foreign_feed: Feed, change: Callable[[dict[str, Any]], object], message: str) -> None:
    """Our extension of JSON Feed holds what Atom's `source` and `via` must hold."""
    document = json.loads(json_feed(foreign_feed).body)
    change(document["items"][0]["_feedbridge"])
    assert found(json.dumps(document).encode(), JSON_FEED) == [(FOREIGN, message)]


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "entry", "message"),
    [
        (lambda feed: feed.update(version="1.0"), None, "the version is not https://jsonfeed.org/version/1.1"),
        (lambda feed: feed.pop("title"), None, "the title is missing or no text"),
        (lambda feed: feed.pop("items"), None, "items is missing or no list"),
        (lambda feed: feed.update(feed_url="a"), None, "feed_url is not an absolute address: 'a'"),
        (lambda feed: feed.pop("home_page_url"), None, "home_page_url is not an absolute address: ''"),
        (lambda feed: feed.update(next_url=1), None, "next_url is not an absolute address: ''"),
        (lambda feed: feed.update(icon="a"), None, "icon is not an absolute address: 'a'"),
        (lambda feed: feed["hubs"][0].pop("type"), None, "a hub has no type"),
        (lambda feed: feed["hubs"][0].pop("url"), None, "a hub's url is not an absolute address: ''"),
        (lambda feed: feed.update(authors=[{}]), None, "an author has neither name nor url nor avatar"),
        (lambda feed: feed.update(authors={}), None, "authors is no list"),
        (lambda feed: feed.update(language="zh_CN"), None, "language is not a language tag: 'zh_CN'"),
        (lambda feed: feed["items"].append(1), None, "an item is no object"),
        (lambda feed: feed["items"][1].pop("id"), None, "the id is missing or no text"),
        (lambda feed: feed["items"][1].update(id=7), None, "the id is missing or no text"),
        (lambda feed: feed["items"][1].update(id=FIRST), FIRST, "another item has the same id"),
        (lambda feed: feed["items"][1].pop("content_html"), SECOND,
         "there is neither content_html nor content_text"),
        (lambda feed: feed["items"][1].update(url="a"), SECOND, "url is not an absolute address: 'a'"),
        (lambda feed: feed["items"][1].update(image="a"), SECOND, "image is not an absolute address: 'a'"),
        (lambda feed: feed["items"][1].update(title=1), SECOND, "title is no text"),
        (lambda feed: feed["items"][1].update(title="\x07"), SECOND, "title holds the character U+0007"),
        (lambda feed: feed["items"][1].update(date_published="2023-07-11"), SECOND,
         "date_published is not a valid date with a zone"),
        (lambda feed: feed["items"][1].update(date_published="2023-07-12T00:00:00Z"), SECOND,
         "date_published is later than date_modified"),
        (lambda feed: feed["items"][1].update(tags=[1]), SECOND, "a tag is no text"),
        (lambda feed: feed["items"][1].update(tags="a"), SECOND, "tags is no list"),
        (lambda feed: feed["items"][1].update(authors=[{"url": "a"}]), SECOND,
         "an author's url is not an absolute address: 'a'"),
        (lambda feed: feed["items"][1].update(attachments=[1]), SECOND, "an attachment is no object"),
        (lambda feed: feed["items"][0]["attachments"][0].pop("url"), FIRST,
         "an attachment's url is not an absolute address: ''"),
        (lambda feed: feed["items"][0]["attachments"][0].pop("mime_type"), FIRST,
         "an attachment's mime_type is not a media type: ''"),
        (lambda feed: feed["items"][0]["attachments"][0].update(size_in_bytes="1"), FIRST,
         "an attachment's size_in_bytes is not a number of bytes"),
        (lambda feed: feed["items"][0]["attachments"][0].update(duration_in_seconds="1:02"), FIRST,
         "an attachment's duration_in_seconds is not a number of seconds"),
        (lambda feed: feed["items"][0]["attachments"][0].update(title=1), FIRST, "an attachment's title is no text"),
        (lambda feed: feed["items"][0].update(_feedbridge=1), FIRST, "_feedbridge or its source is no object"),
        (lambda feed: feed["items"][1].update(content_html="<script>"), SECOND,
         "the HTML holds a live element: <script>"),
        (lambda feed: feed["items"][1].update(content_html="\x08"), SECOND,
         "the HTML holds the character U+0008"),
    ],
)  # fmt: skip
def test_json(full_feed: Feed, change: Change, entry: str | None, message: str) -> None:
    """Each key that JSON Feed 1.1 demands is checked, and its lack is laid to the right item."""
    document = json.loads(json_feed(full_feed).body)
    change(document)
    assert found(json.dumps(document).encode(), JSON_FEED) == [(entry, message)]


@pytest.mark.parametrize("body", [b"", b"{", b'{"version": NaN}', b'"\xff"', b"[" * 100_000, b"[]", b"null"])
def test_json_that_is_no_feed(body: bytes) -> None:
    """What cannot be read at all is one problem of the document."""
    assert [problem.entry for problem in lint(body, JSON_FEED)] == [None]


OUTLINES = (OpmlFeed(title="News", xml_url="https://feeds.example/a.atom", html_url="https://feeds.example/"),)


@pytest.mark.parametrize(
    ("old", "new", "entry", "message"),
    [
        ('version="2.0"', 'version="1.0"', None, "the root is not OPML 2.0"),
        ("<head>", "<head/><head>", None, "there must be one head and then one body"),
        ("Wed, 12 Jul 2023", "Thu, 12 Jul 2023", None,
         "dateModified is not a valid date: 'Thu, 12 Jul 2023 00:00:00 GMT'"),
        (' text="News"', "", "https://feeds.example/a.atom", "an outline has no text"),
        (' type="rss"', "", "https://feeds.example/a.atom", 'an outline is not of type "rss"'),
        ('xmlUrl="https://feeds.example/a.atom"', 'xmlUrl="a.atom"', "a.atom",
         "xmlUrl is not an absolute address: 'a.atom'"),
        ('htmlUrl="https://feeds.example/"', 'htmlUrl="/"', "https://feeds.example/a.atom",
         "htmlUrl is not an absolute address: '/'"),
    ],
)  # fmt: skip
def test_opml(old: str, new: str, entry: str | None, message: str) -> None:
    """Each demand of OPML 2.0 on a list of subscriptions is checked."""
    body = opml("Site", OUTLINES, datetime(2023, 7, 12, tzinfo=UTC))
    assert found(broken(body, old, new), OPML) == [(entry, message)]


PAGE = b"""<!DOCTYPE html>
<html><head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '%s'; script-src '%s'">
<style>p {}</style>
</head>
<body>
<p>JavaScript: the news</p>
<script>"use strict";</script>
</body></html>
""" % (
    b"sha256-SNJDlN1Iy2mnt7DOjQIyDb2LQE6O5PQiSZomcdzawQ4=",
    b"sha256-Xs8vTYPmJg2r1uxI522N3rzPlWVj80ByIhv5YNO4wlU=",
)


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("<!DOCTYPE", "<!DOCTYPE", []),
        ("Content-Security-Policy", "X", [
            "the page has no strict Content-Security-Policy",
            "the page holds a <style> that its policy does not name",
            "the page holds a <script> that its policy does not name",
        ]),
        ("default-src 'none'", "default-src *", ["the page has no strict Content-Security-Policy"]),
        ("style-src ", "style-src 'unsafe-inline' ", [
            "the page has no strict Content-Security-Policy",
            "the page holds a <style> that its policy does not name",
        ]),
        ("</body>", "<script></script></body>", ["the page holds a <script> that its policy does not name"]),
        ("<script>", "<script src='x.js'>", ["the page holds a <script> that its policy does not name"]),
        ("p {}", "p { color: red }", ["the page holds a <style> that its policy does not name"]),
        ("</body>", "<iframe></iframe></body>", ["the page holds a live element: <iframe>"]),
        ("<body>", "<body onload='x()'>", ["the page holds a live attribute: onload"]),
        ("</body>", "<a href=' java\nscript:x'>x</a></body>", ["the page holds a live attribute: href"]),
    ],
)  # fmt: skip
def test_page(old: str, new: str, messages: list[str]) -> None:
    """Nothing runs in a browser but what the page's policy names by its hash, and the policy is strict."""
    assert found(broken(PAGE, old, new), HTML) == [(None, message) for message in messages]


def test_html_page_in_another_encoding() -> None:
    """A page is in UTF-8."""
    ((entry, message),) = found(b"\xff", HTML)
    assert (entry, message[:15]) == (None, "is not in UTF-8")


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("<SCRIPT>x</SCRIPT>", "the HTML holds a live element: <script>"),
        ("<p><iframe src='https://x.example/'></iframe>", "the HTML holds a live element: <iframe>"),
        ("<svg></svg>", "the HTML holds a live element: <svg>"),
        ("<style>p{}</style>", "the HTML holds a live element: <style>"),
        ("<p>x<base href='https://x.example/'>", "the HTML holds a live element: <base>"),
        ("<meta http-equiv=refresh content=0>", "the HTML holds a live element: <meta>"),
        ("<body onload=x>", "the HTML holds a live attribute: onload"),
        ("<p OnClick=x>", "the HTML holds a live attribute: onclick"),
        ("<p srcdoc=x>", "the HTML holds a live attribute: srcdoc"),
        ("<a href='javascript:x'>", "the HTML holds a live address: href='javascript:x'"),
        ("<a href='&#1; JaVa&#10;Script&colon;x'>", "the HTML holds a live address: href='\\x01 JaVa\\nScript:x'"),
        ("<a href='vbscript:x'>", "the HTML holds a live address: href='vbscript:x'"),
        ("<a href='data:text/html,x'>", "the HTML holds a live address: href='data:text/html,x'"),
        ("<a href='data:image/png,x'>", "the HTML holds a live address: href='data:image/png,x'"),
        ("<img src='data:image/svg+xml,x'>", "the HTML holds a live address: src='data:image/svg+xml,x'"),
        ("<img src='/a.jpg'>", "the HTML holds a relative address: src='/a.jpg'"),
        ("<img src='//x.example/a.jpg'>", "the HTML holds a relative address: src='//x.example/a.jpg'"),
        ("<img src=''>", "the HTML holds a relative address: src=''"),
        ("<img src='#a'>", "the HTML holds a relative address: src='#a'"),
        ("<img src='image:0'>", "the HTML holds a placeholder for a picture: src='image:0'"),
        ("<a href='a.html'>", "the HTML holds a relative address: href='a.html'"),
        ("<a href='https:a.html'>", "the HTML holds an address without a host: href='https:a.html'"),
        ("<img srcset='https://x.example/a.jpg 1x, b.jpg 2x'>", "the HTML holds a relative address: srcset='b.jpg'"),
        ("<video poster='a.jpg'></video>", "the HTML holds a relative address: poster='a.jpg'"),
        ("<p>\x08</p>", "the HTML holds the character U+0008"),
        ("<p>&#8;</p>", "the HTML holds the character U+0008"),
        ("<b>" * 20_000, "the HTML is nested more than 1000 deep"),
    ],
)  # fmt: skip
def test_unsafe_html(html: str, message: str) -> None:
    """Nothing live and no address that leads nowhere gets past, however it is spelled."""
    assert list(html_problems(html)) == [message]


@pytest.mark.parametrize(
    "html",
    [
        "",
        "plain text",
        "<p>1 &lt; 2 &amp; &lt;script&gt; onclick=x javascript:x</p>",
        "<img src='https://x.example/a,b.jpg' srcset='https://x.example/a,b.jpg 1x, https://x.example/c.jpg 2x'>",
        "<img src='data:image/png;base64,iVBORw0KGgo='>",
        "<p><a href='#note1'>1</a> <a href='mailto:a@x.example'>m</a> <a href='HTTPS://X.example/中?a=|'>x</a></p>",
        "<audio src='https://x.example/a.mp3' controls></audio><ruby>漢<rt>hàn</rt></ruby>",
        "<p>a<br>b</p>" * 10_001,
    ],
)
def test_safe_html(html: str) -> None:
    """What articles hold, passes."""
    assert list(html_problems(html)) == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-07-12T09:38:33Z", datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)),
        ("2023-07-12T17:38:33.5+08:00", datetime(2023, 7, 12, 9, 38, 33, 500_000, tzinfo=UTC)),
        ("2023-07-12T09:38:33", None),
        ("2023-07-12 09:38:33Z", None),
        ("2023-07-12T09:38Z", None),
        ("2023-13-12T09:38:33Z", None),
        ("２０２３-07-12T09:38:33Z", None),
        ("", None),
    ],
)
def test_rfc3339(text: str, moment: datetime | None) -> None:
    """Only RFC 3339's own form, with a zone, is a date of Atom."""
    assert read_rfc3339(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Wed, 12 Jul 2023 09:38:33 +0000", datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)),
        ("12 Jul 2023 17:38:33 +0800", datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)),
        ("Wed, 12 Jul 2023 09:38:33 GMT", datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)),
        ("Wed, 12 Jul 2023 09:38:33 UT", datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)),
        ("Tue, 12 Jul 2023 09:38:33 GMT", None),
        ("Wed, 12 Jul 23 09:38:33 GMT", None),
        ("Wed, 12 Jul 2023 25:38:33 GMT", None),
        ("Fri, 31 Feb 2023 09:38:33 GMT", None),
        ("Wed, 12 Jul 2023 09:38:33", None),
        ("", None),
    ],
)
def test_rfc822(text: str, moment: datetime | None) -> None:
    """RSS dates have four digits in the year, a zone and the right weekday."""
    assert read_rfc822(text) == moment


def test_dates_in_the_future(full_feed: Feed) -> None:
    """Where the caller says what time it is, nothing may be later."""
    now = datetime(2023, 7, 12, tzinfo=UTC)
    late = ("2023-07-12T09:38:33+00:00", "2023-07-12T09:39:03+00:00")
    assert lint(atom(full_feed).body, ATOM, not_after=now) == (
        Problem(entry=None, message=f"updated lies in the future: {late[1]}"),
        Problem(entry=FIRST, message=f"published lies in the future: {late[0]}"),
        Problem(entry=FIRST, message=f"updated lies in the future: {late[1]}"),
    )
    assert {problem.entry for problem in lint(rss(full_feed).body, RSS, not_after=now)} == {None, FIRST}
    assert {problem.entry for problem in lint(json_feed(full_feed).body, JSON_FEED, not_after=now)} == {FIRST}
    assert lint(atom(full_feed).body, ATOM, not_after=full_feed.updated) == ()


def test_entities_are_never_expanded() -> None:
    """A document type is refused, with whatever it declares."""
    bomb = b'<!DOCTYPE feed [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>'
    assert found(bomb, ATOM) == [(None, "declares a document type")]


def test_other_encodings_are_refused(full_feed: Feed) -> None:
    """A document is in UTF-8 and says so."""
    body = atom(full_feed).body.decode().replace("UTF-8", "GB18030").encode("gb18030")
    assert found(body, ATOM) == [(None, "is not in UTF-8 but in GB18030")]


def test_unknown_media_type() -> None:
    """To ask for a check that does not exist is a mistake of the caller."""
    with pytest.raises(ValueError, match="text/csv"):
        lint(b"", "text/csv")


@given(
    body=st.one_of(st.binary(), st.text().map(str.encode)),
    media_type=st.sampled_from([ATOM, RSS, JSON_FEED, OPML, HTML]),
)
def test_any_bytes_give_problems_and_never_an_error(body: bytes, media_type: str) -> None:
    """Whatever is not a document of ours is described, not raised."""
    assert all(problem.message for problem in lint(body, media_type))


@given(html=st.text(alphabet="<>/=&;#\"' abonsrchefjxiptmg:\x08\n中"))
def test_any_html_can_be_checked(html: str) -> None:
    """Broken markup is judged as a browser would see it."""
    assert all(isinstance(message, str) for message in html_problems(html))


tags = [
    "<p>", "</p>", "<b>", "</i>", "<li>", "<pre>", "<br>", "<table>", "<td>", "<tr>", "</table>", "</a>",
    "x ", "&lt;", "&#x27;",
    '<a href="https://x.example/?a&amp;b">', '<a href="#n">', '<img src="https://x.example/a.jpg" alt="a" width="1">',
    '<img src="image:0">', '<a href="https:///x">', '<a href="https://&#47;">', '<a href="&#106;avascript:x">',
    '<p onclick="x">', '<p title="a>b">', "<p title='x'>", "<iframe>", "<svg>", "<title>",
    "<!--", "-->", "<![CDATA[", "<?", "&#8;", "<", ">", '"',
]  # fmt: skip


@given(html=st.lists(st.sampled_from(tags)).map("".join))
def test_what_is_plain_needs_no_parser(html: str) -> None:
    """In HTML that is told to be plain at a glance, a browser finds nothing wrong either."""
    assert not (is_plain(html) and tree_problems(html))


def test_what_we_write_is_plain() -> None:
    """A usual article is judged at a glance; whatever might be a problem is looked at as a browser would."""
    article = (
        '<p>a &lt; <b>b</b> <a href="https://x.example/">c</a></p><img src="https://x.example/a.jpg" alt="it&#x27;s">'
    )
    assert is_plain(article)
    assert not any(
        is_plain(article + doubtful)
        for doubtful in (
            "<svg>",
            "<p onclick='x'>",
            '<a href="/b">',
            '<a href="https://&#47;">',
            "&#8;",
            "<",
            "<p" * 20_000,
        )
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = [
    "id",
    "url",
    "title",
    "content_html",
    "authors",
    "tags",
    "attachments",
    "date_published",
    "language",
    "hubs",
    "_feedbridge",
]


@given(st.dictionaries(st.sampled_from(keys), values), st.dictionaries(st.sampled_from(keys), values))
def test_any_json_can_be_checked(feed: dict[str, Any], item: dict[str, Any]) -> None:
    """A value of the wrong kind is a problem, never an error."""
    document = {"version": "https://jsonfeed.org/version/1.1", "items": [item]} | feed
    assert all(problem.message for problem in lint(json.dumps(document).encode(), JSON_FEED))
