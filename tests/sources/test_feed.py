import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.errors import ParseError
from feedbridge.model import Page, Part, RawItem, Request, SourceFacts
from feedbridge.sources.feed import Feed, mark_shared

URL = "https://news.example/feeds/all"


def parse(body: str | bytes, content_type: str | None = None) -> list[Part]:
    body = body.encode() if isinstance(body, str) else body
    return list(Feed().parse(Page(path=URL, body=body, content_type=content_type)))


def reason(body: str | bytes) -> str:
    with pytest.raises(ParseError) as error:
        parse(body)
    return str(error.value)


class TestDispatch:
    def test_rss(self) -> None:
        """RSS is read whatever the server calls it."""
        body = "<rss><channel><title>a</title><item><title>b</title></item></channel></rss>"
        assert parse(body, "text/html") == [SourceFacts(title="a"), RawItem(title="b")]

    @pytest.mark.parametrize("encoding", ["gb18030", "big5", "shift_jis", "utf-16"])
    def test_encodings(self, encoding: str) -> None:
        """The declared encoding is undone before anything is read."""
        body = f'<?xml version="1.0" encoding="{encoding}"?><rss><item><title>日本中文</title></item></rss>'
        assert parse(body.encode(encoding)) == [SourceFacts(), RawItem(title="日本中文")]

    def test_atom(self) -> None:
        """Atom is read."""
        body = '<feed xmlns="http://www.w3.org/2005/Atom"><title>a</title><entry><id>urn:b</id></entry></feed>'
        assert parse(body) == [SourceFacts(title="a"), RawItem(id="urn:b")]

    def test_json_feed(self) -> None:
        """JSON Feed is read."""
        body = {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "a",
            "items": [{"id": "1", "content_html": "<p>b"}],
        }
        assert parse(json.dumps(body)) == [SourceFacts(title="a"), RawItem(id="1", content="<p>b", base=URL)]

    def test_page_that_names_a_feed(self) -> None:
        """An HTML page leads to the feed that it names first."""
        body = """<!doctype html><html><head>
            <link rel="alternate" type="application/rss+xml" href="/feed.rss">
            <link rel="alternate" type="application/atom+xml" href="/feed.atom"></head></html>"""
        assert parse(body) == [Request(url="https://news.example/feed.rss")]


class TestNothingUsable:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("", "an empty body came"),
            (
                "<html><title>Log in</title></html>",
                "is no feed: an HTML page titled “Log in” came, and it names no feed",
            ),
            ("<opml/>", "is no feed: an OPML list came"),
            ("Not found", "is no feed: text that begins “Not found” came"),
            ("<rss><channel><item>", "the feed was cut off before the end of its first item"),
        ],
    )
    def test_what_came(self, body: str, said: str) -> None:
        """A document without a usable item is an error that says what came."""
        assert reason(body) == said

    def test_declared_entities(self) -> None:
        """A document that declares entities is refused before a parser sees it."""
        assert "entities" in reason('<!DOCTYPE rss [<!ENTITY a "b">]><rss><item><title>&a;</title></item></rss>')

    def test_no_entries(self) -> None:
        """An empty feed is no error."""
        assert parse("<rss><channel><title>a</title></channel></rss>") == [SourceFacts(title="a")]


class TestShared:
    def test_id(self) -> None:
        """An id tells nothing where items with different links or titles have it."""
        items = [RawItem(id="1", link="a"), RawItem(id="1", link="b"), RawItem(id="2", link="c")]
        assert mark_shared(items) == [
            RawItem(id="1", link="a", shared_id=True),
            RawItem(id="1", link="b", shared_id=True),
            RawItem(id="2", link="c"),
        ]

    def test_link(self) -> None:
        """A link tells nothing where items with different ids or titles have it."""
        items = [RawItem(link="a", title="t"), RawItem(link="a", title="u"), RawItem(link="b", title="t")]
        assert mark_shared(items) == [
            RawItem(link="a", title="t", shared_link=True),
            RawItem(link="a", title="u", shared_link=True),
            RawItem(link="b", title="t"),
        ]

    def test_missing(self) -> None:
        """What is missing is not shared."""
        items = [RawItem(title="t", id=""), RawItem(title="u", id=""), RawItem(title="v")]
        assert mark_shared(items) == items

    def test_repeats(self) -> None:
        """An item that says the same twice comes once, where it stood first."""
        one, other = RawItem(id="1", link="a", title="t", content="c"), RawItem(id="2", link="b")
        assert mark_shared([one, other, one]) == [one, other]

    def test_two_versions(self) -> None:
        """Versions of an item that differ in their text alone share nothing."""
        items = [RawItem(id="1", link="a", content="new"), RawItem(id="1", link="a", content="old")]
        assert mark_shared(items) == items

    def test_in_a_page(self) -> None:
        """Items of a page are marked."""
        body = "<rss>" + "".join(f"<item><guid>x</guid><title>{title}</title></item>" for title in "aab") + "</rss>"
        assert parse(body) == [
            SourceFacts(),
            RawItem(id="x", title="a", shared_id=True),
            RawItem(id="x", title="b", shared_id=True),
        ]


@given(st.binary() | st.text().map(str.encode), st.none() | st.text(max_size=20))
def test_any_bytes(body: bytes, content_type: str | None) -> None:
    """Whatever comes, it is read or refused by name."""
    with contextlib.suppress(ParseError):
        found = parse(body, content_type)
        assert isinstance(found[0], SourceFacts | Request)
