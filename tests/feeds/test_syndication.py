"""Atom and RSS, read back by libraries that did not write them."""

import io
import locale
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feedbridge.errors import PublishError
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, RSS, LeftOut, Rendering
from feedbridge.feeds.syndication import atom, rss
from feedbridge.model import Category, Element, Enclosure, Entry, EntryImage, EntrySource, Feed, Person

A = "{http://www.w3.org/2005/Atom}"
NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "fh": "http://purl.org/syndication/history/1.0",
    "media": "http://search.yahoo.com/mrss/",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
MOMENT = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
WRITERS = [pytest.param(atom, ATOM, id="atom"), pytest.param(rss, RSS, id="rss")]
Writer = Callable[[Feed], Rendering]


def an_entry(number: int = 1, **changes: Any) -> Entry:
    plain = Entry(
        id=f"urn:example:{number}",
        title=f"Title {number}",
        link=f"https://news.example/{number}",
        published=MOMENT,
        updated=MOMENT,
        content=f"<p>Text {number}</p>",
    )
    return replace(plain, **changes)


def a_feed(*entries: Entry, **changes: Any) -> Feed:
    plain = Feed(
        id="urn:example:feed",
        title="News",
        link="https://feeds.example/",
        self_link="https://feeds.example/feeds/news.xml",
        updated=MOMENT,
        author=Person(name="Site"),
        entries=entries,
    )
    return replace(plain, **changes)


def tree(rendering: Rendering) -> etree._Element:
    assert rendering.left_out == ()
    return etree.fromstring(rendering.body)


def texts(element: etree._Element, path: str) -> list[str]:
    found = element.xpath(path, namespaces=NAMES)
    assert isinstance(found, list)
    return [str(text) for text in found]


def read(body: bytes) -> Any:
    parsed = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    assert not parsed.bozo
    return parsed


@pytest.mark.parametrize(("write", "media_type"), WRITERS)
def test_golden(write: Writer, media_type: str, full_feed: Feed, assert_golden: Callable[[str, bytes], None]) -> None:
    """A feed with every field comes out as the golden file, byte by byte."""
    rendering = write(full_feed)
    assert rendering.left_out == ()
    assert_golden({ATOM: "full.atom", RSS: "full.rss"}[media_type], rendering.body)


@pytest.mark.parametrize(("write", "media_type"), WRITERS)
def test_golden_of_foreign_entries(
    write: Writer, media_type: str, foreign_feed: Feed, assert_golden: Callable[[str, bytes], None]
) -> None:
    """Entries that were in other feeds come out as the golden file, which passes the lint."""
    rendering = write(foreign_feed)
    assert rendering.left_out == ()
    assert lint(rendering.body, media_type) == ()
    assert_golden({ATOM: "foreign.atom", RSS: "foreign.rss"}[media_type], rendering.body)


@pytest.mark.parametrize(("write", "media_type"), WRITERS)
def test_same_feed_gives_same_bytes(write: Writer, media_type: str, full_feed: Feed) -> None:
    """The bytes depend on the feed alone, and pass the lint."""
    assert write(full_feed) == write(replace(full_feed))
    assert lint(write(full_feed).body, media_type) == ()


@pytest.mark.parametrize(("write", "media_type"), WRITERS)
def test_a_feed_without_entries_is_valid(write: Writer, media_type: str) -> None:
    """A new feed can be published before it has entries."""
    assert lint(write(a_feed()).body, media_type) == ()


def test_atom_feed_elements(full_feed: Feed) -> None:
    """The feed says who it is, where it is, and where its neighbours are."""
    root = tree(atom(full_feed))
    assert texts(root, "a:id/text()") == [full_feed.id]
    assert texts(root, "a:title[@type='text']/text()") == ["新闻 & 评论"]
    assert texts(root, "a:updated/text()") == ["2023-07-12T09:39:03+00:00"]
    assert texts(root, "a:author/a:name/text()") == ["示例"]
    assert texts(root, "a:subtitle/text()") == ["每天的新闻"]
    assert texts(root, "a:rights/text()") == ["© 各家媒体"]
    assert texts(root, "a:icon/text()") == ["https://feeds.example/icon.png"]
    assert texts(root, "a:generator/text()") == ["feedbridge"]
    assert texts(root, "a:generator/@*") == []
    assert texts(root, "@xml:lang") == ["zh-Hans"]
    assert [dict(link.attrib) for link in root.iterchildren(f"{A}link")] == [
        {"rel": "self", "href": "https://feeds.example/feeds/news/0002", "type": ATOM},
        {"rel": "hub", "href": "https://hub.example/"},
        {"rel": "current", "href": "https://feeds.example/feeds/news", "type": ATOM},
        {"rel": "prev-archive", "href": "https://feeds.example/feeds/news/0001", "type": ATOM},
        {"rel": "next-archive", "href": "https://feeds.example/feeds/news/0003", "type": ATOM},
        {"rel": "alternate", "href": "https://feeds.example/", "type": "text/html"},
    ]
    assert len(root.findall("fh:archive", NAMES)) == 1


def test_atom_entry_elements(full_feed: Feed) -> None:
    """An entry keeps all that the model holds; an address gets the encoding that an IRI needs."""
    entry = tree(atom(full_feed)).findall(f"{A}entry")[0]
    assert texts(entry, "@xml:lang") == ["zh-Hant"]
    assert texts(entry, "a:title[@type='text']/text()") == ["两国签署“伙伴计划” <草案> & 其他"]
    assert texts(entry, "a:published/text()") == ["2023-07-12T09:38:33+00:00"]
    assert texts(entry, "a:updated/text()") == ["2023-07-12T09:39:03+00:00"]
    assert texts(entry, "a:author/a:name/text()") == ["王小明", "A. Reporter"]
    assert texts(entry, "a:author/a:email/text()") == ["reporter@news.example"]
    assert texts(entry, "a:author/a:uri/text()") == ["https://news.example/authors/wang"]
    assert texts(entry, "a:summary[@type='text']/text()") == ["部长们说：1 < 2。"]
    assert texts(entry, "a:content[@type='html']/text()") == [full_feed.entries[0].content]
    assert texts(entry, "a:rights/text()") == ["© 2023 示例新闻社"]
    assert [dict(category.attrib) for category in entry.iterchildren(f"{A}category")] == [
        {"term": "asia", "scheme": "https://news.example/topics", "label": "亚洲"},
        {"term": "politics"},
    ]
    assert [dict(link.attrib) for link in entry.iterchildren(f"{A}link")] == [
        {"rel": "alternate", "href": "https://news.example/a/20230712/1.html?a=1%7C2&b=3"},
        {"rel": "enclosure", "href": "https://media.example/1.mp3", "type": "audio/mpeg", "length": "123456"},
        {"rel": "enclosure", "href": "https://media.example/1.mp4", "type": "video/mp4"},
    ]
    assert texts(entry, "a:source/a:id/text()") == ["urn:uuid:6b3c1f86-6d0e-5f58-9d3c-6f0f0d0d7f10"]
    assert texts(entry, "a:source/a:title/text()") == ["示例新闻社"]
    assert texts(entry, "a:source/a:updated/text()") == ["2023-07-12T09:40:00Z"]
    assert texts(entry, "a:source/a:link/@href") == ["https://news.example/"]
    assert texts(entry, "media:thumbnail/@url") == ["https://images.example/1.jpg"]
    assert texts(entry, "media:content/@*") == [
        "https://images.example/1.jpg",
        "image",
        "image/jpeg",
        "900",
        "506",
    ]


def test_rss_channel_elements(full_feed: Feed) -> None:
    """The channel says the same in RSS's words, and links as Atom does."""
    root = tree(rss(full_feed))
    channel = root[0]
    assert [root.tag, root.get("version"), channel.tag] == ["rss", "2.0", "channel"]
    assert texts(channel, "title/text()") == ["新闻 & 评论"]
    assert texts(channel, "link/text()") == ["https://feeds.example/"]
    assert texts(channel, "description/text()") == ["每天的新闻"]
    assert texts(channel, "language/text()") == ["zh-Hans"]
    assert texts(channel, "copyright/text()") == ["© 各家媒体"]
    assert texts(channel, "lastBuildDate/text()") == ["Wed, 12 Jul 2023 09:39:03 +0000"]
    assert texts(channel, "generator/text()") == ["feedbridge"]
    assert texts(channel, "docs") == []
    assert texts(channel, "image/*/text()") == [
        "https://feeds.example/icon.png",
        "新闻 & 评论",
        "https://feeds.example/",
    ]
    assert texts(channel, "a:link/@rel") == ["self", "hub", "current", "prev-archive", "next-archive"]
    assert texts(channel, "a:link[@rel='self']/@href") == ["https://feeds.example/feeds/news/0002"]
    assert texts(channel, "a:link[@rel='self']/@type") == [RSS]
    assert len(channel.findall("fh:archive", NAMES)) == 1


def test_rss_item_elements(full_feed: Feed) -> None:
    """An item keeps what RSS has words for, and borrows from other namespaces what it has not."""
    item = tree(rss(full_feed))[0].findall("item")[0]
    assert texts(item, "title/text()") == ["两国签署“伙伴计划” <草案> & 其他"]
    assert texts(item, "link/text()") == ["https://news.example/a/20230712/1.html?a=1%7C2&b=3"]
    assert texts(item, "guid[@isPermaLink='false']/text()") == [full_feed.entries[0].id]
    assert texts(item, "pubDate/text()") == ["Wed, 12 Jul 2023 09:38:33 +0000"]
    assert texts(item, "a:updated/text()") == ["2023-07-12T09:39:03Z"]
    assert texts(item, "dc:creator/text()") == ["王小明", "A. Reporter"]
    assert texts(item, "author/text()") == ["reporter@news.example (A. Reporter)"]
    assert texts(item, "category/text()") == ["亚洲", "politics"]
    assert texts(item, "category/@domain") == ["https://news.example/topics"]
    assert texts(item, "content:encoded/text()") == [full_feed.entries[0].content]
    assert texts(item, "source/text()") == ["示例新闻社"]
    assert texts(item, "source/@url") == ["https://news.example/"]
    assert [dict(found.attrib) for found in item.findall("enclosure")] == [
        {"url": "https://media.example/1.mp3", "length": "123456", "type": "audio/mpeg"}
    ]
    assert texts(item, "dc:rights/text()") == ["© 2023 示例新闻社"]
    assert texts(item, "dc:language/text()") == ["zh-Hant"]
    assert texts(item, "media:content/@medium") == ["image"]
    assert texts(item, "media:content[not(@medium)]/@*") == ["https://media.example/1.mp4", "video/mp4"]
    assert texts(item, "media:thumbnail/@url") == ["https://images.example/1.jpg"]


def test_rss_description_is_html_made_of_plain_text(full_feed: Feed) -> None:
    """A description is HTML for readers, so markup in a plain summary is shown, not obeyed."""
    item = tree(rss(a_feed(an_entry(summary="1 < 2 <script>x</script> & so on"))))[0].findall("item")[0]
    assert texts(item, "description/text()") == ["1 &lt; 2 &lt;script&gt;x&lt;/script&gt; &amp; so on"]


def test_rss_excerpt_stands_in_for_a_missing_summary() -> None:
    """The description is the source's summary, else our excerpt; Atom's summary is the source's alone."""
    feed = a_feed(an_entry(excerpt="First words"))
    assert texts(tree(rss(feed)), "//item/description/text()") == ["First words"]
    assert texts(tree(atom(feed)), "//a:summary") == []


def test_rss_content_without_description_is_still_encoded() -> None:
    """A text with nothing to describe it is not mistaken for its own description."""
    item = tree(rss(a_feed(an_entry())))[0].findall("item")[0]
    assert texts(item, "description") == []
    assert texts(item, "content:encoded/text()") == ["<p>Text 1</p>"]


def test_entry_without_content_and_link() -> None:
    """A title alone is still published: Atom gets the empty content that it needs in place of a link."""
    feed = a_feed(an_entry(content="", link=None))
    entry = tree(atom(feed)).findall(f"{A}entry")[0]
    assert [element.get("type") for element in entry.findall(f"{A}content")] == ["html"]
    assert lint(atom(feed).body, ATOM) == ()
    assert lint(rss(feed).body, RSS) == ()


def test_language_of_an_entry_is_written_only_where_it_differs() -> None:
    """An entry in the feed's language needs no mark."""
    feed = a_feed(an_entry(1, language="zh"), an_entry(2, language="en"), language="zh")
    assert texts(tree(atom(feed)), "a:entry/@xml:lang") == ["en"]
    assert texts(tree(rss(feed)), "//item/dc:language/text()") == ["en"]


def test_atom_says_nothing_of_an_unknown_type() -> None:
    """Type and length are a hint there (RFC 4287 section 4.2.7), and no hint is better than a wrong one."""
    feed = a_feed(an_entry(enclosures=(Enclosure(href="https://media.example/a"),)))
    (link,) = tree(atom(feed)).findall(f"{A}entry/{A}link[@rel='enclosure']")
    assert dict(link.attrib) == {"rel": "enclosure", "href": "https://media.example/a"}
    assert lint(atom(feed).body, ATOM) == ()


def test_rss_encloses_what_can_be_played() -> None:
    """Podcast players look into the one enclosure; the other files are Media RSS, each once."""
    book = Enclosure(href="https://media.example/a.pdf", length=5)
    sound, film = Enclosure(href="https://media.example/a.mp3"), Enclosure(href="https://media.example/a.mp4")
    (item,) = tree(rss(a_feed(an_entry(enclosures=(book, sound, film)))))[0].findall("item")
    assert texts(item, "enclosure/@url") == [sound.href]
    assert [dict(content.attrib) for content in item.findall("media:content", NAMES)] == [
        {"url": book.href, "type": "application/pdf", "fileSize": "5"},
        {"url": film.href, "type": "video/mp4"},
    ]
    (item,) = tree(rss(a_feed(an_entry(enclosures=(book,)))))[0].findall("item")
    assert texts(item, "enclosure/@url") == [book.href]


def test_entry_says_where_it_was(foreign_feed: Feed) -> None:
    """`source` is the feed that an entry was first in, `via` the one that it was taken from."""
    root = tree(atom(foreign_feed))
    via = "https://radio.example/feed.xml"
    assert texts(root, "a:entry/a:link[@rel='via']/@href") == [via, via]
    assert texts(root, "a:entry/a:source/a:id/text()") == [
        "https://radio.example/show",
        "urn:uuid:4d0f9f4e-70c5-5f5b-9d38-0d9d6b1f6a01",
    ]
    assert texts(root, "a:entry/a:source/a:link[@rel='self']/@href") == [via, "https://agency.example/feed"]
    assert texts(root, "a:entry/a:source/a:link[@rel='alternate']/@href") == [
        "https://radio.example/",
        "https://agency.example/",
    ]
    channel = tree(rss(foreign_feed))[0]
    assert texts(channel, "item/a:link[@rel='via']/@href") == [via, via]
    assert texts(channel, "item/source/@url") == [via, "https://agency.example/feed"]
    assert texts(channel, "item/source/text()") == ["示例电台", "某通讯社"]


def test_source_of_which_only_the_page_is_known() -> None:
    """RSS's source needs an address: the feed's own, else the page's; without any there is none."""
    known = EntrySource(id="urn:s", title="S", updated=MOMENT, link="https://s.example/")
    assert texts(tree(rss(a_feed(an_entry(source=known)))), "//source/@url") == ["https://s.example/"]
    unknown = replace(known, link=None)
    assert texts(tree(rss(a_feed(an_entry(source=unknown)))), "//source") == []
    assert texts(tree(atom(a_feed(an_entry(source=unknown)))), "//a:source/a:id/text()") == ["urn:s"]


@pytest.mark.parametrize("write", [atom, rss])
def test_podcast_apps_find_what_they_need(write: Writer, foreign_feed: Feed) -> None:
    """Elements of other vocabularies stand in entry and feed as their source had them, in their order."""
    root = tree(write(foreign_feed))
    (entry, _) = root.findall(f"{A}entry") or root[0].findall("item")
    feed = entry.getparent()
    assert feed is not None
    assert texts(feed, "itunes:image/@href") == ["https://radio.example/show.jpg"]
    assert texts(feed, "itunes:category/@text") == ["Society & Culture"]
    assert texts(feed, "itunes:category/itunes:category/@text") == ["Places & Travel"]
    assert texts(feed, "itunes:new-feed-url") == []
    assert texts(feed, "podcast:funding/@url") == ["https://radio.example/support"]
    for path, found in {
        "itunes:duration/text()": ["1:02:03"],
        "itunes:episode/text()": ["12"],
        "itunes:explicit/text()": ["false"],
        "itunes:image/@href": ["https://radio.example/12.jpg"],
        "podcast:transcript/@type": ["text/vtt", "application/x-subrip"],
        "podcast:chapters/@url": ["https://radio.example/12.json"],
        "podcast:person/text()": ["李雷", "韩梅梅"],
        "podcast:person/@img": ["https://radio.example/guest.jpg"],
        "podcast:alternateEnclosure/podcast:source/@uri": ["https://radio.example/12.opus"],
        "media:thumbnail/@url": ["https://radio.example/12.jpg"],
        "media:content[@medium='image']/@url": ["https://radio.example/12.jpg"],
        "media:group/media:content/@url": ["https://radio.example/12.ogg"],
        "media:group/media:content/media:title/text()": ["无损"],
    }.items():
        assert texts(entry, path) == found


@pytest.mark.parametrize("write", [atom, rss])
def test_vocabularies_are_declared_once_and_only_where_they_are_used(write: Writer, foreign_feed: Feed) -> None:
    """Some readers know a vocabulary by its prefix alone; feeds without it have no word of it."""
    body = write(foreign_feed).body
    for prefix in ("itunes", "podcast", "media"):
        assert body.count(f"xmlns:{prefix}=".encode()) == 1
    assert b"xmlns:ns" not in body
    plain = write(replace(foreign_feed, extensions=(), entries=foreign_feed.entries[1:])).body
    assert b"itunes" not in plain
    assert b"podcast" not in plain
    one = Element(namespace=NAMES["podcast"], name="season", text="1")
    nested = Element(namespace=NAMES["media"], name="group", children=(one,))
    body = write(a_feed(an_entry(extensions=(nested,)))).body
    assert b'xmlns:podcast="' in body
    assert b"itunes" not in body


@pytest.mark.parametrize("write", [atom, rss])
def test_picture_that_its_source_describes_is_written_once(write: Writer) -> None:
    """Where Media RSS says more of the lead picture than we do, its words stand and ours do not."""
    credited = Element(
        namespace=NAMES["media"],
        name="content",
        attributes=(("url", "https://p.example/a|b.jpg"),),
        children=(Element(namespace=NAMES["media"], name="credit", text="Ann"),),
    )
    image = EntryImage(href="https://p.example/a|b.jpg")
    root = tree(write(a_feed(an_entry(image=image, extensions=(credited,)))))
    assert texts(root, "//media:content/@url") == ["https://p.example/a%7Cb.jpg"]
    assert texts(root, "//media:content/media:credit/text()") == ["Ann"]
    assert texts(root, "//media:thumbnail/@url") == ["https://p.example/a%7Cb.jpg"]


def test_unknown_type_and_length_of_an_enclosure() -> None:
    """RSS needs both: the type is guessed by the suffix, and a length that nobody knows is 0."""
    feed = a_feed(an_entry(enclosures=(Enclosure(href="https://media.example/a.OGG?x=1"),)))
    (enclosure,) = tree(rss(feed))[0].findall("item/enclosure")
    assert dict(enclosure.attrib) == {
        "url": "https://media.example/a.OGG?x=1",
        "length": "0",
        "type": "audio/ogg",
    }
    feed = a_feed(an_entry(enclosures=(Enclosure(href="https://media.example/a"),)))
    assert texts(tree(rss(feed)), "//enclosure/@type") == ["application/octet-stream"]


def test_entries_keep_their_order() -> None:
    """Newest first, as the feed has them."""
    feed = a_feed(an_entry(3), an_entry(2), an_entry(1))
    ids = ["urn:example:3", "urn:example:2", "urn:example:1"]
    assert texts(tree(atom(feed)), "a:entry/a:id/text()") == ids
    assert texts(tree(rss(feed)), "//guid/text()") == ids


@pytest.mark.parametrize(("write", "media_type"), WRITERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"title": "a\x08b"},
        {"title": "", "summary": "Words"},
        {"content": "<p>\x00</p>"},
        {"content": "\ud800"},
        {"authors": (Person(name="\ufffe"),)},
        {"categories": (Category(term="a\x1f"),)},
        {"link": "https://news.example/\x0b", "content": "\x0b"},
        {"rights": "\x0b"},
        {"extensions": (Element(namespace=NAMES["itunes"], name="subtitle", text="a\x08"),)},
        {"extensions": (Element(namespace=NAMES["itunes"], name="x", attributes=(("a", "\ufffe"),)),)},
        {"published": datetime(2024, 1, 1)},  # noqa: DTZ001  (the lack of a zone is the case)
    ],
)
def test_bad_entry_is_left_out_and_named(write: Writer, media_type: str, changes: dict[str, Any]) -> None:
    """An entry that cannot be written takes nothing else with it."""
    good, bad = an_entry(1), an_entry(2, **changes)
    rendering = write(a_feed(good, bad))
    assert [left.entry_id for left in rendering.left_out] == ["urn:example:2"]
    assert all(left.reason for left in rendering.left_out)
    assert rendering.body == write(a_feed(good)).body
    assert lint(rendering.body, media_type) == ()


def test_bad_entry_has_a_reason_in_words() -> None:
    """What is reported can be understood."""
    (left,) = atom(a_feed(an_entry(1, title=""))).left_out
    assert left == LeftOut(entry_id="urn:example:1", reason="has no title")


@pytest.mark.parametrize(("write", "media_type"), WRITERS)
def test_feed_that_cannot_be_written_at_all(write: Writer, media_type: str) -> None:
    """Where the feed itself is at fault there is no document, and the error names it."""
    with pytest.raises(PublishError, match="feeds/news"):
        write(a_feed(an_entry(), title="a\x00"))


def test_writing_in_many_threads(full_feed: Feed) -> None:
    """Threads do not disturb each other's dates, nor the locale of the process."""
    before = locale.setlocale(locale.LC_ALL)
    with ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(lambda _: rss(full_feed).body, range(64)))
    assert bodies == {rss(full_feed).body}
    assert locale.setlocale(locale.LC_ALL) == before


def _is_read_as_it_is(text: str) -> bool:
    """Whether feedparser leaves a text alone: one that looks like UTF-8 taken for Latin-1 it reads as UTF-8."""
    try:
        return text.isascii() or not text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return True


# What XML 1.0 can hold; U+0085 and its like are legal there, but feedparser reads them as Windows-1252.
xml_text = (
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1)
    .filter(str.strip)
    .filter(_is_read_as_it_is)
)
html_text = xml_text.map(lambda text: "<p>" + text.replace("&", "&amp;").replace("<", "&lt;") + "</p>")


@settings(max_examples=150)
@given(title=xml_text, content=html_text, author=xml_text, summary=xml_text, term=xml_text)
def test_any_text_comes_back(title: str, content: str, author: str, summary: str, term: str) -> None:
    """Whatever XML can hold passes the lint and is read back as it was."""
    entry = an_entry(
        title=title,
        content=content,
        authors=(Person(name=author),),
        summary=summary,
        categories=(Category(term=term),),
    )
    feed = a_feed(entry)
    as_atom, as_rss = atom(feed), rss(feed)
    assert lint(as_atom.body, ATOM) == ()
    assert lint(as_rss.body, RSS) == ()
    parsed = read(as_atom.body).entries[0]
    assert [parsed.title, parsed.content[0].value, parsed.summary] == [
        title.strip(),
        content.strip(),
        summary.strip(),
    ]
    (item,) = tree(as_rss)[0].findall("item")
    assert texts(item, "title/text()") == [title]
    assert texts(item, "content:encoded/text()") == [content]
    assert texts(item, "dc:creator/text()") == [author]
    assert texts(item, "category/text()") == [term]
    assert texts(tree(as_atom), "//a:entry/a:author/a:name/text()") == [author]
    assert texts(tree(as_atom), "//a:entry/a:category/@term") == [term]


def test_feedparser_reads_the_whole_feed(full_feed: Feed) -> None:
    """A reader that knows both formats finds the same entries in both."""
    for body in (atom(full_feed).body, rss(full_feed).body):
        parsed = read(body)
        assert parsed.feed.title == "新闻 & 评论"
        assert [entry.id for entry in parsed.entries] == [entry.id for entry in full_feed.entries]
        assert [entry.title for entry in parsed.entries] == [entry.title for entry in full_feed.entries]
        assert parsed.entries[0].content[0].value == full_feed.entries[0].content
        assert parsed.entries[0].published_parsed[:6] == (2023, 7, 12, 9, 38, 33)
        assert parsed.entries[0].updated_parsed[:6] == (2023, 7, 12, 9, 39, 3)
        assert parsed.entries[0].media_thumbnail[0]["url"] == "https://images.example/1.jpg"
        assert parsed.entries[0].enclosures[0]["href"] == "https://media.example/1.mp3"


def test_feedparser_reads_foreign_entries(foreign_feed: Feed) -> None:
    """A reader of podcasts finds the recording, its length, and where it comes from."""
    for body in (atom(foreign_feed).body, rss(foreign_feed).body):
        parsed = read(body)
        episode, reprint = parsed.entries
        assert parsed.feed.image.href == "https://radio.example/show.jpg"
        assert [episode.itunes_duration, episode.itunes_episode] == ["1:02:03", "12"]
        assert "https://radio.example/12.mp3" in [file.href for file in episode.enclosures]
        assert [link.href for link in episode.links if link.rel == "via"] == ["https://radio.example/feed.xml"]
        assert [episode.source.title, reprint.source.title] == ["示例电台", "某通讯社"]
