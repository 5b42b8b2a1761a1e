"""Articles, their aliases and files, as the store gives them back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from feedbridge import model
from feedbridge.errors import StoreError
from feedbridge.model import Article, Category, Enclosure, Image, Person
from feedbridge.store import articles, feeds, polls
from feedbridge.store.articles import Change, Kept, KnownFile
from feedbridge.store.database import Store
from feedbridge.store.feeds import Placed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction with the sources `voa` (row 1) and `rfa` (row 2)."""
    with store.transaction() as opened:
        assert [polls.source_state(opened, name).row for name in ("voa", "rfa")] == [1, 2]
        yield opened


def made(number: int, *, source: str = "voa", content: str = "<p>Text</p>", late: bool = False) -> Kept:
    article = Article(
        id=f"urn:example:{number}",
        source=source,
        title=f"第{number}篇",
        link=f"https://news.example/{number}",
        published=NOON - timedelta(days=number),
        updated=NOON - timedelta(days=number),
        content=content,
        first_seen=NOON,
        changed=NOON,
        content_hash="1:00",
    )
    return Kept(article=article, late=late, normaliser=1)


def test_article_comes_back_as_it_went(connection: Connection) -> None:
    """Every field of an article survives the store, whatever letters it holds."""
    picture = Image(
        origin="https://a.example/1.jpg",
        chain=("https://b.example/?url=a.example/1.jpg",),
        alt='"<&>',
        title="题",
        width=3,
        height=4,
        caption="说明",
    )
    article = Article(
        id="urn:example:all",
        source="voa",
        title="题目 😀 '\"%:name",
        link="https://news.example/全",
        published=datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        updated=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        authors=(Person(name="王", uri="https://a.example/", email="a@a.example"), Person(name="B")),
        categories=(Category(term="亚洲", scheme="https://a.example/", label="Asia"), Category(term="b")),
        summary="短",
        excerpt="字",
        content='<img src="image:0">\n<pre>\t a\\b</pre>',
        images=(picture, Image(origin="data:image/gif;base64,R0lGODlhAQABAAAAACw=")),
        lead_image=picture,
        enclosures=(Enclosure(href="https://a.example/1.mp3", type="audio/mpeg", length=7),),
        rights="©",
        language="zh-Hans",
        first_seen=NOON,
        changed=NOON + timedelta(seconds=1),
        content_hash="1:ab",
        testimonies=(
            model.Testimony(kind="marker", text="NaN", value=None, note="cannot be read"),
            model.Testimony(kind="body", text="2023-07-12", value=NOON, note="believed"),
        ),
    )
    kept = Kept(article=article, late=True, body_stamp=NOON, body_path="a/第1.md", normaliser=3)
    (row,) = articles.add(connection, 1, [kept])
    assert articles.load(connection, [row]) == {row: kept}


def test_rows_come_in_the_order_of_what_was_added(connection: Connection) -> None:
    """Each row belongs to the article at the same place, in small batches and large, also of equal articles."""
    kept = [made(number) for number in range(1200)]
    rows = articles.add(connection, 1, kept)
    assert articles.add(connection, 1, []) == []
    assert articles.load(connection, rows) == dict(zip(rows, kept, strict=True))


def test_source_cannot_hold_an_id_twice_but_two_sources_can(connection: Connection) -> None:
    """Ids are unique in a source; another source's article of the same id is another row."""
    (first,) = articles.add(connection, 1, [made(1)])
    (second,) = articles.add(connection, 2, [made(1, source="rfa")])
    assert articles.load(connection, [first, second])[second].article.source == "rfa"


def test_id_twice_in_a_source_is_refused(store: Store) -> None:
    """The database itself refuses a second article of an id, and the transaction is undone."""
    with store.transaction() as connection:
        polls.source_state(connection, "voa")
    with pytest.raises(StoreError, match=r"UNIQUE|unique constraint"), store.transaction() as connection:
        articles.add(connection, 1, [made(1), made(1)])
    with store.transaction() as connection:
        assert articles.latest_revision(connection) == 0


def test_article_is_found_by_its_aliases_in_its_source_alone(connection: Connection) -> None:
    """Aliases belong to a source; more of them than fit in one statement are no harm."""
    rows = articles.add(connection, 1, [made(1), made(2)])
    articles.name(connection, 1, [("link:a", rows[0]), ("id:a", rows[0]), ("link:b", rows[1])])
    many = [f"link:{number}" for number in range(2000)]
    assert articles.find(connection, 1, [*many, "link:b", "id:a", "link:b"]) == {"link:b": rows[1], "id:a": rows[0]}
    assert articles.find(connection, 2, ["link:a"]) == {}
    assert articles.aliases_of(connection, rows[0]) == ["id:a", "link:a"]


def test_known_alias_stays_with_its_article(connection: Connection) -> None:
    """No later article takes an alias away."""
    rows = articles.add(connection, 1, [made(1), made(2)])
    articles.name(connection, 1, [("link:a", rows[0])])
    articles.name(connection, 1, [("link:a", rows[1]), ("link:b", rows[1])])
    assert articles.find(connection, 1, ["link:a", "link:b"]) == {"link:a": rows[0], "link:b": rows[1]}


def test_search_asks_all_sources_for_aliases_and_ids(connection: Connection) -> None:
    """An article is found by alias or by id, once, in whichever source."""
    (first,) = articles.add(connection, 1, [made(1)])
    (second,) = articles.add(connection, 2, [made(2, source="rfa")])
    articles.name(connection, 1, [("link:a", first)])
    assert articles.search(connection, ["link:a", "urn:example:1"]).keys() == {first}
    assert articles.search(connection, ["urn:example:2", "link:a"]).keys() == {first, second}
    assert articles.search(connection, ["link:nothing"]) == {}


def test_text_is_ordered_by_code_points(connection: Connection) -> None:
    """Not as some language would: equal dates must give the same order wherever the store is kept."""
    names = ["urn:A", "urn:B", "urn:Z", "urn:_", "urn:a", "urn:b", "urn:ä", "urn:文", "urn:😀"]
    (row,) = articles.add(connection, 1, [made(1)])
    articles.name(connection, 1, [(name, row) for name in reversed(names)])
    assert articles.aliases_of(connection, row) == names


def test_every_change_counts_up(connection: Connection) -> None:
    """Feeds ask for what changed since a revision and get exactly that, in the order of change."""
    rows = articles.add(connection, 1, [made(1), made(2), made(3)])
    began = articles.latest_revision(connection)
    assert [one.row for one in articles.changed_since(connection, ["voa"], 0)] == rows
    assert list(articles.changed_since(connection, ["voa"], began)) == []
    articles.change(connection, {rows[0]: made(1, content="<p>New</p>")})
    articles.change(connection, {})
    articles.remove(connection, rows[2], now=NOON)
    changes = list(articles.changed_since(connection, ["voa"], began))
    assert [(one.row, one.removed) for one in changes] == [(rows[0], False), (rows[2], True)]
    assert articles.latest_revision(connection) == began + 2
    assert articles.load(connection, rows[:1])[rows[0]].article.content == "<p>New</p>"


def test_changes_of_many_articles_come_whole(connection: Connection) -> None:
    """Asking in portions neither loses nor doubles any."""
    rows = articles.add(connection, 1, [made(number) for number in range(1000)])
    articles.add(connection, 2, [made(number, source="rfa") for number in range(10)])
    assert [one.row for one in articles.changed_since(connection, ["voa"], 0)] == rows
    assert len(list(articles.changed_since(connection, ["voa", "rfa"], 0))) == 1010
    assert list(articles.changed_since(connection, [], 0)) == []


def test_change_tells_what_feeds_must_know(connection: Connection) -> None:
    """A change carries what places an article; articles after the first complete refresh say so."""
    one = made(1, late=True)
    terms = (Category(term="b", label="B"), Category(term="a"))
    article = replace(one.article, categories=terms, authors=(Person(name="王"),))
    (row,) = articles.add(connection, 1, [replace(one, article=article)])
    expected = Change(
        row=row,
        uid="urn:example:1",
        source="voa",
        published=article.published,
        first_seen=NOON,
        removed=False,
        late=True,
        from_first=True,
        categories=("b", "a"),
        authors=("王",),
    )
    assert list(articles.changed_since(connection, ["voa"], 0)) == [expected]
    earlier = NOON - timedelta(hours=1)
    polls.record_success(connection, 1, polls.Poll(started_at=earlier, finished_at=earlier), shape="s")
    assert list(articles.changed_since(connection, ["voa"], 0)) == [replace(expected, from_first=False)]


def test_tombstone_keeps_the_id_and_nothing_of_the_text(connection: Connection) -> None:
    """What was taken down is gone from the store, its id and aliases stay."""
    kept = replace(made(1), article=replace(made(1).article, authors=(Person(name="王"),), excerpt="secret"))
    (row,) = articles.add(connection, 1, [kept])
    articles.name(connection, 1, [("link:a", row)])
    articles.remove(connection, row, now=NOON)
    left = articles.load(connection, [row])[row]
    assert left.removed
    told = (left.article.id, left.article.title, left.article.content, left.article.excerpt, left.article.authors)
    assert told == ("urn:example:1", "", "", "", ())
    assert articles.find(connection, 1, ["link:a"]) == {"link:a": row}


def test_an_id_may_be_longer_than_an_index_takes(connection: Connection) -> None:
    """It comes back whole, is taken in its source, finds its article, and places it in feeds, also once removed."""
    uid = "urn:" + "".join(chr(0x4E00 + number * 37 % 20_000) for number in range(1_990))
    kept = replace(made(1), article=replace(made(1).article, id=uid))
    (row,) = articles.add(connection, 1, [kept])
    articles.change(connection, {row: kept})
    assert articles.load(connection, [row]) == {row: kept}
    assert articles.taken(connection, 1, ["urn:example:1", uid]) == {uid}
    assert articles.search(connection, [uid]) == {row: kept}
    (change,) = articles.changed_since(connection, ["voa"], 0)
    feed = feeds.add_feed(connection, family="news", name="news", value=None, uid="urn:f", created_at=NOON)
    place = Placed(feed=feed, article=row, uid=change.uid, ordered_at=1, published=NOON, document=1)
    feeds.add_entries(connection, [place])
    assert feeds.entries_by_uid(connection, "news", [change.uid]) == [place]
    assert feeds.in_document(connection, feeds.feeds_of(connection, "news")[0], 1) == [place]
    articles.remove(connection, row, now=NOON)
    assert articles.load(connection, [row])[row].article.id == uid


def test_files_are_known_again(connection: Connection) -> None:
    """A file comes back as it was kept; keeping it again replaces what was known."""
    (row,) = articles.add(connection, 1, [made(1)])
    good = KnownFile(key="a/第 1\n.md", size=2**40, mtime_ns=2**60, digest="ab", article=row)
    bad = KnownFile(key="b.md", size=0, mtime_ns=1, unusable="is empty")
    articles.keep_files(connection, 1, [good, bad])
    articles.keep_files(connection, 2, [replace(bad, key="a/第 1\n.md")])
    assert articles.known_files(connection, 1, [good.key, "b.md", "c.md"]) == {good.key: good, "b.md": bad}
    assert articles.standing(connection, 1) == {
        good.key: (2**40, 2**60, row, None, False),
        "b.md": (0, 1, None, "is empty", False),
    }
    mended = replace(bad, size=9, unusable=None, article=row)
    articles.keep_files(connection, 1, [mended])
    assert articles.known_files(connection, 1, [good.key, "b.md"]) == {good.key: good, "b.md": mended}
    assert articles.files_of(connection, row) == [good.key, "b.md"]
    assert articles.file_of(connection, "voa", "b.md") == mended
    assert articles.file_of(connection, "voa", "c.md") is None


def test_missing_files_are_noted_and_come_back(connection: Connection) -> None:
    """Files that are gone are marked, however many; kept again, they are there."""
    known = [KnownFile(key=f"{number}.md", size=1, mtime_ns=1) for number in range(1200)]
    articles.keep_files(connection, 1, known)
    keys = [file.key for file in known]
    articles.mark_missing(connection, 1, keys[1:])
    assert [file.key for file in articles.known_files(connection, 1, keys).values() if not file.missing] == ["0.md"]
    articles.keep_files(connection, 1, known)
    assert not any(file.missing for file in articles.known_files(connection, 1, keys).values())
