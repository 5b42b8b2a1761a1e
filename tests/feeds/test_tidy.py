"""What is left out of an entry so that the entry itself can stay."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.feeds.jsonfeed import json_feed
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS
from feedbridge.feeds.syndication import atom, rss
from feedbridge.feeds.tidy import tidy
from feedbridge.model import Category, Enclosure, EntryImage, Feed, Person

HREF = "https://x.example/"


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
        (
            {"enclosures": (Enclosure(href=f"{HREF}a.MP3?b=c.pdf", type="audio", length=-1),)},
            {"enclosures": (Enclosure(href=f"{HREF}a.MP3?b=c.pdf", type="audio/mpeg"),)},
        ),
        (
            {"enclosures": (Enclosure(href=HREF, length=0),)},
            {"enclosures": (Enclosure(href=HREF, type="application/octet-stream", length=0),)},
        ),
    ],
)
def test_entry_stays_without_its_invalid_parts(full_feed: Feed, had: dict[str, Any], kept: dict[str, Any]) -> None:
    """An optional part that no valid document may hold goes alone, and every format passes the lint."""
    bare = full_feed.entries[1]
    feed = replace(full_feed, entries=(replace(bare, **had),))
    assert tidy(feed).entries == (replace(bare, **kept),)
    assert lint(atom(feed).body, ATOM) == lint(rss(feed).body, RSS) == lint(json_feed(feed).body, JSON_FEED) == ()


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
