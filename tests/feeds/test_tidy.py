"""What is left out of an entry so that the entry itself can stay."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedbridge.feeds.jsonfeed import json_feed
from feedbridge.feeds.lint import lint
from feedbridge.feeds.namespaces import ITUNES_NAMESPACE, MEDIA_NAMESPACE, PODCAST_NAMESPACE
from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS
from feedbridge.feeds.syndication import atom, rss
from feedbridge.feeds.tidy import tidy
from feedbridge.model import Category, Element, Enclosure, EntryImage, EntrySource, Feed, Person

HREF = "https://x.example/"
SOURCE = EntrySource(id="urn:s", title="S", updated=datetime(2024, 1, 1, tzinfo=UTC))


def itunes(name: str, text: str = "", *children: Element, **attributes: str) -> Element:
    pairs = tuple(attributes.items())
    return Element(namespace=ITUNES_NAMESPACE, name=name, attributes=pairs, text=text, children=children)


def podcast(name: str, text: str = "", **attributes: str) -> Element:
    return replace(itunes(name, text, **attributes), namespace=PODCAST_NAMESPACE)


def media(name: str, text: str = "", *children: Element, **attributes: str) -> Element:
    return replace(itunes(name, text, *children, **attributes), namespace=MEDIA_NAMESPACE)


@pytest.mark.parametrize(
    ("had", "kept"),
    [
        ({"link": "/relative"}, {"link": None}),
        ({"link": "https://"}, {"link": None}),
        (
            {"link": 'https://x.example/中 "a"?b=1|2&c=100%'},
            {"link": "https://x.example/中%20%22a%22?b=1%7C2&c=100%25"},
        ),
        ({"link": "https://x.example/%E4%B8%AD?a[]=1"}, {"link": "https://x.example/%E4%B8%AD?a[]=1"}),
        ({"authors": (Person(name=" "),)}, {"authors": ()}),
        ({"authors": (Person(name="A", email="nobody", uri="me"),)}, {"authors": (Person(name="A"),)}),
        ({"categories": (Category(term=""), Category(term="a", scheme="b"))}, {"categories": (Category(term="a"),)}),
        ({"language": "zh_CN"}, {"language": None}),
        ({"image": EntryImage(href="/a.jpg")}, {"image": None}),
        ({"image": EntryImage(href=HREF, type="jpeg")}, {"image": EntryImage(href=HREF)}),
        ({"enclosures": (Enclosure(href="a.mp3"),)}, {"enclosures": ()}),
        ({"via": "/feed"}, {"via": None}),
        ({"via": f"{HREF}a|b"}, {"via": f"{HREF}a%7Cb"}),
        ({"source": replace(SOURCE, id="s")}, {"source": None}),
        ({"source": replace(SOURCE, title=" ")}, {"source": None}),
        (
            {"source": replace(SOURCE, id="urn:a b", self_link="a", link="b")},
            {"source": replace(SOURCE, id="urn:a%20b")},
        ),
        (
            {"enclosures": (Enclosure(href=f"{HREF}a.MP3?b=c.pdf", type="audio", length=-1),)},
            {"enclosures": (Enclosure(href=f"{HREF}a.MP3?b=c.pdf", type="audio/mpeg"),)},
        ),
        (
            {"enclosures": (Enclosure(href=HREF, type="bytes", length=0),)},
            {"enclosures": (Enclosure(href=HREF, length=0),)},
        ),
    ],
)
def test_entry_stays_without_its_invalid_parts(full_feed: Feed, had: dict[str, Any], kept: dict[str, Any]) -> None:
    """An optional part that no valid document may hold goes alone, and every format passes the lint."""
    bare = full_feed.entries[1]
    feed = replace(full_feed, entries=(replace(bare, **had),))
    assert tidy(feed).entries == (replace(bare, **kept),)
    assert lint(atom(feed).body, ATOM) == lint(rss(feed).body, RSS) == lint(json_feed(feed).body, JSON_FEED) == ()


@pytest.mark.parametrize(
    ("had", "kept"),
    [
        (itunes("duration", "1:02"), itunes("duration", "1:02")),
        (replace(itunes("x"), namespace="https://other.example/ns"), None),
        (replace(itunes("x"), namespace=""), None),
        (itunes("a b"), None),
        (itunes("1"), None),
        (itunes("a:b"), None),
        (itunes(""), None),
        (itunes("xmlns"), None),
        (itunes("x", a="1", **{"a b": "2", "xmlns": "urn:x", "XML-x": "3", "c:d": "4"}), itunes("x", a="1")),
        (itunes("x", a="1\n2\t3"), itunes("x", a="1 2 3")),
        (replace(itunes("x"), attributes=(("a", "1"), ("b", "2"), ("a", "3"))), itunes("x", a="1", b="2")),
        (itunes("image", href=f"{HREF}a|b"), itunes("image", href=f"{HREF}a%7Cb")),
        (itunes("image", href="/a.jpg"), None),
        (itunes("image"), None),
        (itunes("image", href="javascript:alert(1)"), None),
        (itunes("image", href="image:0"), None),
        (podcast("funding", "F", url=" JavaScript:alert(1)"), podcast("funding", "F")),
        (podcast("funding", "F", url="data:text/html,x"), podcast("funding", "F")),
        (podcast("source", uri="magnet:?xt=urn:btih:1"), podcast("source", uri="magnet:?xt=urn:btih:1")),
        (podcast("transcript", type="text/vtt"), None),
        (media("content", type="video/mp4"), None),
        (media("content", "", media("player", url=HREF)), media("content", "", media("player", url=HREF))),
        (media("content", "", media("player")), None),
        (media("thumbnail", width="1"), None),
        (
            media("group", "", replace(itunes("x"), namespace="urn:x"), media("title", "T")),
            media("group", "", media("title", "T")),
        ),
        (media("description", "1 < 2"), media("description", "1 < 2")),
        (media("description", "<p>a</p>", type="html"), media("description", "<p>a</p>", type="html")),
        (media("description", "<script>x</script>", type="html"), None),
        (itunes("summary", '<a href="javascript:x">x</a>'), None),
    ],
)
def test_what_passes_of_other_vocabularies(full_feed: Feed, had: Element, kept: Element | None) -> None:
    """Known vocabularies pass, with names that XML can hold, addresses that lead somewhere, nothing live."""
    bare = full_feed.entries[1]
    feed = replace(full_feed, extensions=(had,), entries=(replace(bare, extensions=(had,)),))
    left = (kept,) if kept else ()
    assert tidy(feed).entries == (replace(bare, extensions=left),)
    assert tidy(feed).extensions == left
    assert tidy(tidy(feed)) == tidy(feed)
    assert lint(atom(feed).body, ATOM) == lint(rss(feed).body, RSS) == lint(json_feed(feed).body, JSON_FEED) == ()


def test_where_one_word_is_allowed_the_first_holds(full_feed: Feed) -> None:
    """What a vocabulary wants once stands once; the rest stands as often as it is said."""
    first, second = itunes("duration", "1"), itunes("duration", "2")
    people = (podcast("person", "A"), podcast("person", "B"))
    feed = replace(full_feed, entries=(replace(full_feed.entries[1], extensions=(first, *people, second)),))
    assert tidy(feed).entries[0].extensions == (first, *people)


def test_a_word_on_the_whole_feed_does_not_take_it_down(full_feed: Feed) -> None:
    """What XML cannot hold goes, wherever it stands; so does the address that the source moves to."""
    author = itunes("author", "A")
    bad = (
        itunes("subtitle", "\x08"),
        itunes("x", a="\ufffe"),
        itunes("owner", "", itunes("name", "\x00")),
        itunes("new-feed-url", HREF),
    )
    feed = replace(full_feed, extensions=(*bad, author))
    assert tidy(feed).extensions == (author,)
    assert lint(atom(feed).body, ATOM) == lint(rss(feed).body, RSS) == ()


def test_tidy_feed_stays_as_it_is(full_feed: Feed) -> None:
    """What is tidy already does not change."""
    assert tidy(tidy(full_feed)) == tidy(full_feed)


@given(st.one_of(st.text(), st.text().map("https://".__add__), st.text().map("https://[".__add__)))
def test_any_address_can_be_tidied(full_feed: Feed, address: str) -> None:
    """No address is so wrong that it takes the feed down."""
    person, category, file = Person(name="A", uri=address, email=address), Category(term="a"), Enclosure(href=address)
    entry = replace(
        full_feed.entries[1],
        link=address,
        authors=(person,),
        categories=(replace(category, scheme=address),),
        enclosures=(file,),
        language=address,
    )
    (kept,) = tidy(replace(full_feed, entries=(entry,))).entries
    assert kept.id == entry.id


names = st.one_of(
    st.text(max_size=5), st.sampled_from(["image", "content", "thumbnail", "url", "href", "xmlns", "uri"])
)
texts = st.one_of(st.text(max_size=20), st.sampled_from(["<script>", "<a href=x>", HREF, "javascript:x", "image:0"]))
elements = st.recursive(
    st.builds(
        Element,
        namespace=st.sampled_from([ITUNES_NAMESPACE, MEDIA_NAMESPACE, PODCAST_NAMESPACE, "urn:x"]),
        name=names,
        attributes=st.lists(st.tuples(names, texts), max_size=3).map(tuple),
        text=texts,
    ),
    lambda inner: st.builds(
        Element,
        namespace=st.just(MEDIA_NAMESPACE),
        name=names,
        children=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.lists(elements, max_size=4).map(tuple))
def test_any_elements_of_other_vocabularies(full_feed: Feed, extensions: tuple[Element, ...]) -> None:
    """Whatever a source says in them, the documents are valid, and all formats hold the same entries."""
    bare = full_feed.entries[1]
    feed = replace(full_feed, extensions=extensions, entries=(replace(bare, extensions=extensions),))
    written = [(write(feed), media_type) for write, media_type in ((atom, ATOM), (rss, RSS), (json_feed, JSON_FEED))]
    assert [lint(rendering.body, media_type) for rendering, media_type in written] == [(), (), ()]
    assert len({len(rendering.left_out) for rendering, _ in written}) == 1
