import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.errors import ParseError
from feedbridge.model import Category, Element, Enclosure, Image, Origin, Person, RawItem, SourceFacts, Witness
from feedbridge.sources.jsonfeed import looks_like_json, read_json_feed

URL = "https://news.example/feed.json"
VERSION = "https://jsonfeed.org/version/1.1"
SECONDS_FOR_THE_WORST = 30.0


def read(document: object) -> tuple[SourceFacts, list[RawItem]]:
    text = document if isinstance(document, str) else json.dumps(document)
    facts, *items = read_json_feed(text, url=URL)
    assert isinstance(facts, SourceFacts)
    return facts, [item for item in items if isinstance(item, RawItem)]


def items_of(*items: object, **keys: object) -> list[RawItem]:
    return read({"version": VERSION, "items": list(items), **keys})[1]


def item_of(**keys: object) -> RawItem:
    (item,) = items_of({"id": "1", **keys})
    return item


class TestTheFeed:
    def test_everything_it_says(self) -> None:
        """Each thing that a feed says of itself has its place."""
        facts, items = read(
            {
                "version": VERSION,
                "title": " 北方\n新闻 ",
                "home_page_url": "https://news.example/",
                "feed_url": URL,
                "description": "News",
                "icon": "https://news.example/icon.png",
                "favicon": "https://news.example/favicon.ico",
                "authors": [{"name": "王小明", "url": "https://news.example/wang", "avatar": "x"}],
                "language": "zh-CN",
                "hubs": [],
                "items": [],
            }
        )
        assert facts == SourceFacts(
            title="北方 新闻",
            subtitle="News",
            link="https://news.example/",
            self_link=URL,
            icon="https://news.example/icon.png",
            language="zh-CN",
            authors=(Person(name="王小明", uri="https://news.example/wang"),),
        )
        assert items == []

    def test_what_is_missing_or_of_the_wrong_kind_is_unknown(self) -> None:
        """Nothing is made up for what a feed does not say."""
        wrong = {"title": [], "home_page_url": {}, "feed_url": True, "authors": 7, "language": None, "icon": " "}

        assert read({"version": VERSION, "items": [], **wrong})[0] == SourceFacts()

    def test_what_no_other_format_can_hold_goes(self) -> None:
        """What a feed says of itself stands beside its articles in XML, and in databases that have no NUL."""
        told = {"title": "A\0\x01 s\x0bite", "home_page_url": "http://a.example/\0\uffff", "language": "e\0n"}
        facts, _ = read({"version": VERSION, "items": [], **told, "authors": [{"name": "\x1bB"}], "icon": "/i\0.png"})

        assert facts == SourceFacts(
            title="A s ite",
            link="http://a.example/",
            language="en",
            authors=(Person(name="B"),),
            icon="https://news.example/i.png",
        )

    @pytest.mark.parametrize(
        "version", ["https://jsonfeed.org/version/1", "http://www.jsonfeed.org/version/1.1", VERSION]
    )
    def test_versions(self, version: str) -> None:
        """Any version of the format is read, with the one author of 1.0 and the favicon for an icon."""
        facts, _ = read({"version": version, "items": [], "author": {"name": "A"}, "favicon": "f.ico"})

        assert facts == SourceFacts(authors=(Person(name="A"),), icon="https://news.example/f.ico")


class TestItems:
    def test_everything_it_says(self) -> None:
        """Each thing that an item says has its place; nothing is cleaned yet."""
        item = item_of(
            id="https://news.example/1#id",
            url="https://news.example/1",
            external_url="https://other.example/",
            title="题目 &lt;b&gt;",
            content_html="<p>文字</p>",
            content_text="文字",
            summary="摘要",
            image="/a.jpg",
            banner_image="/b.jpg",
            date_published="2026-11-20T10:00:00+08:00",
            date_modified="yesterday",
            authors=[{"name": "A", "url": "mailto:a@news.example?subject=b"}, {"url": "https://b.example/"}, {}],
            author={"name": "older"},
            tags=["新闻", "新闻", 2026, "", None, {"a": 1}],
            language="zh",
            attachments=[
                {"url": "a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 12, "duration_in_seconds": 90},
                {"url": "b.mp3", "size_in_bytes": "345"},
                {"mime_type": "audio/mpeg"},
                {"url": "c.mp3", "size_in_bytes": -1},
            ],
            _feedbridge={
                "source": {"id": "urn:a", "title": "T", "url": "https://o.example/", "feed_url": "https://o.example/f"}
            },
        )
        assert item == RawItem(
            id="https://news.example/1#id",
            link="https://news.example/1",
            title="题目 &lt;b&gt;",
            authors=(
                Person(name="A", email="a@news.example"),
                Person(name="https://b.example/", uri="https://b.example/"),
            ),
            categories=(Category(term="新闻"), Category(term="2026")),
            summary="摘要",
            content="<p>文字</p>",
            enclosures=(
                Enclosure(href="https://news.example/a.mp3", type="audio/mpeg", length=12),
                Enclosure(href="https://news.example/b.mp3", length=345),
                Enclosure(href="https://news.example/c.mp3"),
            ),
            language="zh",
            pictures=(Image(origin="https://news.example/a.jpg"), Image(origin="https://news.example/b.jpg")),
            witnesses=(
                Witness(kind="published", text="2026-11-20T10:00:00+08:00"),
                Witness(kind="updated", text="yesterday"),
            ),
            origin=Origin(id="urn:a", title="T", link="https://o.example/", self_link="https://o.example/f"),
            extensions=(Element(namespace="http://www.itunes.com/dtds/podcast-1.0.dtd", name="duration", text="90"),),
        )

    def test_relative_addresses(self) -> None:
        """Addresses beside the text are relative to the feed; those in the text to the item's page, if it has one."""
        item = item_of(url="1", image="/a.jpg", content_html="<a href='2'>2</a>")

        assert (item.link, item.pictures, item.base) == (
            "https://news.example/1",
            (Image(origin="https://news.example/a.jpg"),),
            None,
        )
        assert item_of(content_html="<a href='2'>2</a>").base == URL

    def test_text_becomes_paragraphs(self) -> None:
        """Plain text is shown as it is written: nothing in it is markup."""
        item = item_of(content_text="a < b & c\r\nsecond line\n \n\n<b>new</b>\n", content_html=" ")

        assert item.content == "<p>a &lt; b &amp; c<br>second line</p><p>&lt;b&gt;new&lt;/b&gt;</p>"

    def test_link_of_a_link_blog(self) -> None:
        """The page that an item speaks of stands in for a missing page of its own."""
        assert item_of(external_url="https://other.example/").link == "https://other.example/"

    @pytest.mark.parametrize(
        ("id_", "expected"), [(7, "7"), (1.50, "1.5"), (10**30, "1" + "0" * 30), (True, None), ([], None)]
    )
    def test_numbers_as_ids(self, id_: object, expected: str | None) -> None:
        """An id that is a number becomes a text; what is no id is none."""
        (item,) = items_of({"id": id_, "title": "T"})
        assert item.id == expected

    def test_numbers_stay_as_they_are_written(self) -> None:
        """No digit of an id is lost, and what is not a number is nothing."""
        text = f'{{"version": "{VERSION}", "items": [{{"id": 1.10, "title": NaN}}, {{"id": {"9" * 5000}}}]}}'

        assert [(item.id, item.title) for item in read(text)[1]] == [("1.10", None), ("9" * 5000, None)]

    def test_bad_items_do_no_harm(self) -> None:
        """What is no item, or says nothing, is left out; the others stay."""
        items = items_of(
            None, 1, "x", [], {}, {"summary": "only this"}, {"id": "1", "title": {}, "tags": 3}, {"title": "T"}
        )

        assert items == [RawItem(id="1", base=URL, categories=(Category(term="3"),)), RawItem(title="T", base=URL)]

    def test_authors_as_bare_names(self) -> None:
        """Names without an object around them are authors, too."""
        assert item_of(author="A").authors == (Person(name="A"),)
        assert item_of(authors=["A", "B", None]).authors == (Person(name="A"), Person(name="B"))

    def test_numeric_references_in_titles(self) -> None:
        """A title is plain text, but apostrophes that were left as numbers are undone."""
        assert item_of(title="It&#8217;s &#x4E2D; R&amp;D").title == "It’s 中 R&amp;D"

    def test_halves_of_characters(self) -> None:
        """A lone surrogate is dropped, a whole pair is its character."""
        text = f'{{"version": "{VERSION}", "items": [{{"id": "1\\ud83d", "title": "\\ud83d\\ude00 \\udc00x"}}]}}'

        assert [(item.id, item.title) for item in read(text)[1]] == [("1", "😀 x")]

    def test_the_last_of_equal_keys(self) -> None:
        """Of keys that stand twice the last counts."""
        text = f'{{"version": "{VERSION}", "items": [], "items": [{{"id": "1", "id": "2"}}]}}'

        assert [item.id for item in read(text)[1]] == ["2"]

    def test_very_many(self) -> None:
        """Five thousand items of a feed are read, and a thousand tags of an item, no more."""
        assert len(items_of(*({"id": number} for number in range(6_000)))) == 5_000
        assert len(item_of(tags=[str(number) for number in range(5_000)]).categories) == 1_000


class TestWhatIsNoFeed:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[]", "a list"),
            ('{"error": "log in", "code": 401}', "an object with the keys “error”, “code”"),
            ("{}", "an object with no keys"),
            (f'{{"version": "{VERSION}"}}', "the keys “version”"),
            (f'{{"version": "{VERSION}", "items": {{}}}}', "the keys “version”, “items”"),
            ('{"version": "1.0", "items": []}', "no feed"),
            ('{"version": 1, "items": []}', "no feed"),
            ("{nothing}", "cannot be read"),
            ("{" * 200, "cannot be read"),
            ("[" * 200_000, "nested too deeply"),
            ('{"a":' * 200_000, "nested too deeply"),
            ('{"a\\u202e\\u0007": 1}', "“a”"),
        ],
    )
    def test_is_called_by_what_it_is(self, text: str, words: str) -> None:
        """The error says what came in place of a JSON Feed, in characters that can be shown."""
        with pytest.raises(ParseError, match=words) as raised:
            read_json_feed(text, url=URL)
        assert str(raised.value).isprintable()

    @pytest.mark.parametrize("text", ['{"a": 1}', " \n{}", "[]", '["a"]', "[[1]]", "{", '{\n "version"'])
    def test_looks_like_json(self, text: str) -> None:
        """Objects and lists begin so."""
        assert looks_like_json(text)

    @pytest.mark.parametrize(
        "text", ["", "<rss/>", "[title](https://news.example)", "{{ template }}"[1:], "text", "1", '"a"']
    )
    def test_does_not_look_like_json(self, text: str) -> None:
        """Markup, prose and bare values do not."""
        assert not looks_like_json(text)


class TestACutDocument:
    @pytest.mark.parametrize("cut", range(1, 40))
    def test_is_read_up_to_its_last_whole_item(self, cut: int) -> None:
        """What was cut off is read but for the item that it broke off in."""
        items = [{"id": str(number), "content_html": "<p>text</p>"} for number in range(4)]
        text = json.dumps({"version": VERSION, "title": "T", "items": items})

        facts, found = read(text[:-cut])

        assert facts.title == "T"
        assert [item.id for item in found] == ["0", "1", "2"]
        assert {item.content for item in found} == {"<p>text</p>"}

    def test_what_stands_behind_it(self) -> None:
        """A comment behind the document, as caches write it, does no harm."""
        text = json.dumps({"version": VERSION, "items": [{"id": "1"}]})

        assert [item.id for item in read(f" {text}\n<!-- cached -->")[1]] == ["1"]

    def test_before_its_items(self) -> None:
        """Cut off before its first item it is no feed."""
        with pytest.raises(ParseError, match="no feed"):
            read_json_feed(f'{{"version": "{VERSION}", "title": "T', url=URL)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
_keys = st.sampled_from(
    [
        "id",
        "url",
        "title",
        "content_html",
        "content_text",
        "authors",
        "author",
        "tags",
        "attachments",
        "_feedbridge",
        "image",
    ]
)


class TestAnyDocument:
    @given(
        st.lists(_values | st.dictionaries(_keys, _values), max_size=4), st.dictionaries(st.text(max_size=12), _values)
    )
    def test_items_of_any_kind(self, items: list[Any], keys: dict[str, Any]) -> None:
        """Whatever stands in a feed, it is read, and what comes out can be written as UTF-8."""
        facts, found = read({**keys, "version": VERSION, "items": items})
        assert len(found) <= len(items)
        repr((facts, found)).encode()
        for item in found:
            "".join(filter(None, (item.id, item.link, item.title, item.content, item.summary))).encode()

    @given(st.text('{}[]",:\\u d83ntf0123eE.-') | st.text())
    @example('{"version": "https://jsonfeed.org/version/1", "items": [')
    def test_text_or_the_named_error(self, text: str) -> None:
        """Any text is a feed or a ParseError."""
        for one in (text, f'{{"version": "{VERSION}", "items": [{{"id": {text}'):
            try:
                list(read_json_feed(one, url=URL))
            except ParseError:
                continue

    @pytest.mark.parametrize("piece", ["[", "[],", '{"id":1},', '"', "\\", "9", '"\\ud83d', " ", '{"a":'])
    def test_time_grows_with_the_length_alone(self, piece: str) -> None:
        """Two megabytes of anything are read or refused in a moment."""
        text = f'{{"version": "{VERSION}", "items": [' + piece * (2_000_000 // len(piece))
        started = time.process_time()
        try:
            list(read_json_feed(text, url=URL))
        except ParseError:
            assert looks_like_json(text)
        assert time.process_time() - started < SECONDS_FOR_THE_WORST
