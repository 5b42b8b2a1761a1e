"""What is remembered of sources on the web."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from feedbridge.model import (
    Article,
    Category,
    Element,
    Enclosure,
    Image,
    Origin,
    Person,
    RawItem,
    SourceFacts,
    Witness,
)
from feedbridge.store import articles, claims, polls, visits
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store
from feedbridge.store.visits import Told, Visit, Waiting

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
URL = "https://news.example/feed"

VISIT = Visit(
    url=URL,
    moved_to="https://news.example/new",
    moved_since=NOON,
    moved_times=2,
    found="https://news.example/found",
    etag='W/"caf\u00e9 \\" odd"',
    last_modified="yesterday",
    digest="0" * 64,
    lifetime=timedelta(hours=1, milliseconds=5),
    facts=SourceFacts(
        id="urn:example:feed",
        title="北方 & News",
        authors=(Person(name="Ann", email="a@b.example"),),
        least_interval=HOUR,
        skip_hours=frozenset((1, 2)),
        skip_days=frozenset((6,)),
        extensions=(Element(namespace="urn:x", name="a", attributes=(("b", "c"),), children=()),),
    ),
)

ITEM = RawItem(
    id="1",
    link="/1.html",
    title="题目",
    authors=(Person(name="Ann"),),
    categories=(Category(term="R&D"),),
    summary="Summary",
    content="<p>Text</p>",
    enclosures=(Enclosure(href="a.mp3", length=2**40),),
    base="https://news.example/",
    pictures=(Image(origin="a.jpg", width=3),),
    witnesses=(Witness(kind="published", text="today"),),
    origin=Origin(title="Another"),
    extensions=(Element(namespace="urn:x", name="y", children=(Element(namespace="urn:x", name="z", text="t"),)),),
    shared_id=True,
)


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction on a store with the sources `blog` (1) and `other` (2)."""
    with store.transaction() as connection:
        for name in ("blog", "other"):
            polls.source_state(connection, name)
        yield connection


def add(connection: Connection, *numbers: int, source: int = 1) -> list[int]:
    """Articles to remember items of; gives their rows."""
    return articles.add(connection, source, [Kept(article=_article(number), normaliser=1) for number in numbers])


def _article(number: int) -> Article:
    return Article(
        id=f"urn:example:{number}",
        source="blog",
        title="Title",
        link=None,
        published=NOON,
        updated=NOON,
        first_seen=NOON,
        changed=NOON,
        content_hash="1:00",
    )


# Visits


def test_a_visit_comes_back_as_it_was_kept(connection: Connection) -> None:
    """To the letter; the next one takes its place, and each source has its own."""
    assert visits.visit_of(connection, 1) is None
    visits.keep_visit(connection, 1, VISIT)
    visits.keep_visit(connection, 2, Visit(url="https://other.example/"))
    assert visits.visit_of(connection, 1) == VISIT
    visits.keep_visit(connection, 1, Visit(url=URL))
    assert visits.visit_of(connection, 1) == Visit(url=URL)
    assert visits.visit_of(connection, 2) == Visit(url="https://other.example/")


def test_a_visit_is_found_by_the_name_of_its_source(connection: Connection) -> None:
    """None where there was none yet, and where nobody knows the name; the question enters no source."""
    visits.keep_visit(connection, 2, VISIT)
    assert [visits.visit_by_name(connection, name) for name in ("blog", "other", "unknown")] == [None, VISIT, None]
    assert polls.source_state(connection, "next").row == 3


def test_facts_are_told_by_name(connection: Connection) -> None:
    """Of the sources that have been visited."""
    assert visits.facts(connection) == {}
    visits.keep_visit(connection, 1, VISIT)
    assert visits.facts(connection) == {"blog": VISIT.facts}


# Wishes


def test_hosts_wish_until_their_time_is_over(connection: Connection) -> None:
    """Each source was told its own; the last word counts, and what is over is forgotten."""
    first = Waiting(host="news.example", source="blog", until=NOON + HOUR)
    second = Waiting(host="news.example", source="other", until=NOON + 2 * HOUR)
    for wish in (replace(first, until=NOON), first, second):
        visits.keep_waiting(connection, wish)
    assert visits.waiting(connection, now=NOON) == [first, second]
    assert visits.waiting(connection, now=NOON + HOUR) == [second]
    assert visits.waiting(connection, now=NOON) == [second]


def test_another_address_begins_anew(connection: Connection) -> None:
    """It is due at once, whatever the old one wished; sources at the same address, at work, or never visited stay."""
    for name in ("same", "at work", "never visited"):
        polls.source_state(connection, name)
    names = ["blog", "other", "same", "at work", "never visited"]
    claims.hold(connection, "me", lease=None)
    claims.enter(connection, names, now=NOON)
    claimed = claims.claim(connection, names, holder="me", now=NOON, limit=9)
    for row, name in enumerate(names, 1):
        if name != "never visited":
            visits.keep_visit(connection, row, Visit(url=URL))
        if name != "at work":
            (claim,) = (one for one in claimed if one.name == name)
            claims.settle(connection, claim, next_poll_at=NOON + 9 * HOUR, failures=3)
        visits.note_wish(connection, row, not_before=NOON + 5 * HOUR)
        visits.note_gone(connection, row, at=NOON)
    new = "https://news.example/new"
    addresses = {"blog": new, "at work": new, "same": URL, "never visited": new}
    visits.begin_anew(connection, addresses, now=NOON + HOUR)
    gone = {name: polls.source_state(connection, name).gone_at is not None for name in names}
    assert gone == {"blog": False, "other": True, "same": True, "at work": True, "never visited": True}
    (planned,) = claims.schedule(connection, names)
    assert planned == claims.Planned(name="blog", due=NOON + HOUR, failures=0)


# Items


def test_an_item_comes_back_as_it_was_told(connection: Connection) -> None:
    """Every field, by the row of its article and by its digest."""
    (row,) = add(connection, 1)
    visits.keep_items(connection, 1, [Told(article=row, digest="a", item=ITEM)])
    assert visits.items_of(connection, 1, after=0, limit=9) == [Told(article=row, digest="a", item=ITEM)]
    assert visits.items_told(connection, [row, 99]) == {row: ITEM}
    assert visits.articles_told(connection, 1, ["a", "b"]) == {"a": row}
    assert visits.articles_told(connection, 2, ["a"]) == {}


def test_the_last_telling_counts(connection: Connection) -> None:
    """The digest moves with it; without an item, that of before stays."""
    (row,) = add(connection, 1)
    other = replace(ITEM, title="Other")
    for digest, item in (("a", ITEM), ("b", other), ("c", None)):
        visits.keep_items(connection, 1, [Told(article=row, digest=digest, item=item)])
    assert visits.items_of(connection, 1, after=0, limit=9) == [Told(article=row, digest="c", item=other)]
    assert visits.articles_told(connection, 1, ["a", "b", "c"]) == {"c": row}


def test_a_digest_may_stand_without_an_item(connection: Connection) -> None:
    """The article was told, but of what was told it cannot be made."""
    (row,) = add(connection, 1)
    visits.keep_items(connection, 1, [Told(article=row, digest="a", item=None)])
    assert visits.items_of(connection, 1, after=0, limit=9) == [Told(article=row, digest="a", item=None)]
    assert visits.items_told(connection, [row]) == {}
    assert visits.articles_told(connection, 1, ["a"]) == {"a": row}


def test_items_come_in_portions(connection: Connection) -> None:
    """Each once, in the order of their articles; another source's not at all, nor what was taken down."""
    rows = add(connection, *range(1300))
    others = add(connection, 1, source=2)
    visits.keep_items(connection, 1, [Told(article=row, digest=f"d{row}", item=ITEM) for row in rows])
    visits.keep_items(connection, 2, [Told(article=others[0], digest="x", item=ITEM)])
    articles.remove(connection, rows[5], now=NOON)
    seen: list[int] = []
    while some := visits.items_of(connection, 1, after=seen[-1] if seen else 0, limit=500):
        seen += [one.article for one in some]
    assert seen == rows[:5] + rows[6:]
    assert len(visits.articles_told(connection, 1, (f"d{row}" for row in rows))) == 1299
    assert len(visits.items_told(connection, rows)) == 1299


def test_nothing_to_remember_is_no_error(connection: Connection) -> None:
    """No statement without values is sent."""
    visits.keep_items(connection, 1, [])
    assert visits.items_told(connection, []) == {}
    assert visits.articles_told(connection, 1, []) == {}
    visits.begin_anew(connection, {}, now=NOON)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(title=_TEXT, content=_TEXT, link=st.none() | _TEXT, text=_TEXT, shared=st.booleans())
def test_whatever_an_item_holds_comes_back(title: str, content: str, link: str | None, text: str, shared: bool) -> None:
    """Controls, NUL and all."""
    item = RawItem(
        title=title,
        content=content,
        link=link,
        shared_link=shared,
        witnesses=(Witness(kind="updated", text=text),),
        extensions=(Element(namespace=text, name=title, attributes=((text, content),)),),
    )
    packed = visits._packed(item)
    assert visits._unpacked(packed) == item
