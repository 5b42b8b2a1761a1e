"""Documents are cut at their entries, and put together again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.feeds import slices
from feedbridge.feeds.jsonfeed import json_feed
from feedbridge.feeds.namespaces import ITUNES_NAMESPACE, MEDIA_NAMESPACE, PODCAST_NAMESPACE
from feedbridge.feeds.rendering import Rendering
from feedbridge.feeds.syndication import atom, rss
from feedbridge.model import Category, Element, Enclosure, Entry, EntryImage, EntrySource, Feed, Person

MOMENT = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
WRITERS: dict[str, Callable[[Feed], Rendering]] = {"atom": atom, "rss": rss, "json": json_feed}

# What would look like the edge of an entry, an id or the end of a document, were it not escaped.
EDGES = (
    "\n  <entry>\n    <id>urn:example:1</id>\n", "\n  </entry>", "\n</feed>\n", "\n    <item>\n", "\n    </item>",
    "\n  </channel>\n</rss>\n", '<guid isPermaLink="false">urn:example:2</guid>', "<itunes:author>", "&lt;entry>",
    '\n "items": [', ",\n  {\n", '\n  {\n   "id": "urn:example:3",\n', "\n  }", "\n ]\n}\n", "]]>", "\r\n", "&#10;",
)  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(EDGES), st.text("ab<>&\"'\n 中", max_size=9)), max_size=6).map("".join)
titles = texts.map(lambda text: f"Title {text}")
elements = st.builds(
    Element,
    namespace=st.sampled_from((ITUNES_NAMESPACE, PODCAST_NAMESPACE, MEDIA_NAMESPACE)),
    name=st.sampled_from(("author", "entry", "item", "id")),
    attributes=st.lists(st.tuples(st.just("role"), texts), max_size=1).map(tuple),
    text=texts,
    children=st.lists(st.builds(Element, namespace=st.just(PODCAST_NAMESPACE), name=st.just("x"), text=texts)).map(
        tuple
    ),
)
entries = st.builds(
    Entry,
    id=st.integers(0, 99).map("urn:example:&{}".format),
    title=titles,
    link=st.none() | st.just("https://news.example/?a=1&b=2"),
    published=st.just(MOMENT),
    updated=st.just(MOMENT),
    authors=st.lists(st.builds(Person, name=titles), max_size=1).map(tuple),
    categories=st.lists(st.builds(Category, term=titles), max_size=1).map(tuple),
    summary=st.none() | titles,
    content=texts,
    image=st.none() | st.just(EntryImage(href="https://pictures.example/1.jpg")),
    enclosures=st.lists(st.just(Enclosure(href="https://media.example/1.mp3")), max_size=2).map(tuple),
    language=st.sampled_from((None, "en", "zh")),
    source=st.none()
    | st.builds(EntrySource, id=st.just("urn:example:source"), title=titles, updated=st.just(MOMENT), link=st.none()),
    extensions=st.lists(elements, max_size=2).map(tuple),
)
several = st.lists(entries, max_size=5, unique_by=lambda entry: entry.id)


def feed_of(shown: Sequence[Entry]) -> Feed:
    return Feed(
        id="urn:example:feed",
        title="News",
        link="https://feeds.example/",
        self_link="https://feeds.example/feeds/news",
        updated=MOMENT,
        author=Person(name="N"),
        language="en",
        hub="https://hub.example/",
        entries=tuple(shown),
    )


@pytest.mark.parametrize("form", WRITERS)
@given(shown=several)
def test_a_document_is_cut_at_its_entries_whatever_they_say(form: str, shown: list[Entry]) -> None:
    """Each entry is found under its id, in order, though its texts look like the edges of others."""
    document = WRITERS[form](feed_of(shown)).body
    cut = slices.cut(document, form)
    assert cut is not None
    assert list(cut.entries) == [entry.id for entry in shown]
    between = b"," if form == "json" else b""
    end = b"\n " if form == "json" and shown else b""
    assert cut.head + between.join(cut.entries.values()) + end + cut.tail == document


@pytest.mark.parametrize("form", WRITERS)
@given(old=several, fresh=several, order=st.randoms(use_true_random=False))
def test_what_is_put_together_is_what_would_be_written(
    form: str, old: list[Entry], fresh: list[Entry], order: Any
) -> None:
    """Byte for byte, whatever stays of the old entries and wherever the new ones come, with the vocabularies that are
    used and no others.
    """
    write = WRITERS[form]
    cut = slices.cut(write(feed_of(old)).body, form)
    assert cut is not None
    kept = [entry for entry in old if entry.id not in {one.id for one in fresh} and order.random() < 0.7]
    every = [*kept, *fresh]
    order.shuffle(every)
    composed = [entry for entry in every if entry in fresh]
    feed = replace(feed_of(composed), vocabularies=slices.vocabularies(cut, [entry.id for entry in kept]))
    copied = {entry.id: cut.entries[entry.id] for entry in kept}
    ids = [entry.id for entry in every]
    assert slices.splice(write(feed).body, form, copied, [*ids, "urn:example:left-out"]) == write(feed_of(every)).body


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_not_as_we_write_it_is_not_cut(form: str) -> None:
    """A document that is cut short, one with an id twice, one without an id, one in another format."""
    entry = Entry(id="urn:example:1", title="T", link=None, published=MOMENT, updated=MOMENT, content="x")
    body = WRITERS[form](feed_of([entry, replace(entry, id="urn:example:2")])).body
    assert slices.cut(body, form) is not None
    other = "atom" if form == "json" else "json"
    for bad in (
        b"",
        body[:-1],
        body[: len(body) // 2],
        body + b" ",
        body.replace(b":2", b":1"),
        body.replace(b"id", b"no"),
    ):
        assert slices.cut(bad, form) is None
    assert slices.cut(body, other) is None


@pytest.mark.parametrize("form", WRITERS)
def test_no_entry_is_put_in_twice_or_lost(form: str) -> None:
    """What is in both documents, or is named nowhere, is a mistake of ours: nothing is put together."""
    entry = Entry(id="urn:example:1", title="T", link=None, published=MOMENT, updated=MOMENT, content="x")
    body = WRITERS[form](feed_of([entry])).body
    assert slices.splice(body, form, {"urn:example:1": b"x"}, ["urn:example:1"]) is None
    assert slices.splice(body, form, {}, []) is None
    assert slices.splice(body, form, {}, ["urn:example:1"]) == body
    assert slices.splice(body[:-1], form, {}, ["urn:example:1"]) is None


@pytest.mark.parametrize(
    ("form", "broken"), [("atom", b"\n  <entry>\n"), ("rss", b"\n    <item>&\n"), ("json", b"\n  {,}")]
)
def test_what_nobody_could_read_is_not_put_together(form: str, broken: bytes) -> None:
    """What comes of it is parsed once more: an entry that spoils the document is not let in."""
    entry = Entry(id="urn:example:1", title="T", link=None, published=MOMENT, updated=MOMENT, content="x")
    other = replace(entry, id="urn:example:2")
    body = WRITERS[form](feed_of([entry])).body
    whole = slices.cut(WRITERS[form](feed_of([other])).body, form)
    assert whole is not None
    ids = [entry.id, other.id]
    assert slices.splice(body, form, whole.entries, ids) == WRITERS[form](feed_of([entry, other])).body
    assert slices.splice(body, form, {other.id: broken}, ids) is None
