"""What items tell is made articles of, and kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from feedbridge.articles.normalise import Rules, recognise
from feedbridge.errors import UnusableItem, reason_of
from feedbridge.keeping import Keeper, Telling, rules_of
from feedbridge.model import Article, Image, RawItem, Witness
from feedbridge.settings import FeedSource
from feedbridge.store import articles, polls, schema, visits
from feedbridge.store.database import Store
from feedbridge.store.polls import Poll
from feedbridge.store.visits import Told
from feedbridge.tally import Tally

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = Rules(source="blog")
LONG = "".join(f"<p>Sentence {number} tells of the river and of the bridge.</p>" for number in range(20))
SHORT = "<p>Sentence 0 tells of the river…</p>"


class Blog:
    """A source whose refreshes come an hour apart."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON

    def keep(self, *items: RawItem, batches: int = 1, rules: Rules = RULES, article: int | None = None) -> Tally:
        """Keep what a refresh tells, in so many batches; with `article` only the rules have changed."""
        self.now += HOUR
        tally = Tally(source="blog")
        with self.store.transaction() as connection:
            state = polls.source_state(connection, "blog")
        keeper = Keeper(self.store, state, rules, tally, now=self.now, first_wins=True)
        tellings = [telling(item, rules, article=article) for item in items]
        size = -(-len(tellings) // batches) or 1
        for start in range(0, len(tellings), size):
            keeper.keep(tellings[start : start + size])
        with self.store.transaction() as connection:
            polls.record_success(connection, state.row, Poll(started_at=self.now, finished_at=self.now), shape="x")
        return tally

    def kept(self) -> list[Article]:
        """The articles in the order in which they came."""
        with self.store.transaction() as connection:
            rows = connection.scalars(select(schema.articles.c.id).order_by(schema.articles.c.id)).all()
            found = articles.load(connection, rows)
        return [found[row].article for row in rows]

    def remembered(self) -> Sequence[Told]:
        with self.store.transaction() as connection:
            return visits.items_of(connection, 1, after=0, limit=1000)


def telling(item: RawItem, rules: Rules = RULES, *, article: int | None = None) -> Telling:
    digest = str(hash(item))
    try:
        identity = recognise(item, rules)
    except UnusableItem as error:
        return Telling(name="an entry", unusable=reason_of(error))
    name = item.title or "an entry"
    only_rules_changed = article is not None
    return Telling(
        name=name, item=item, identity=identity, digest=digest, article=article, only_rules_changed=only_rules_changed
    )


def item(number: int, **parts: object) -> RawItem:
    published = NOON - timedelta(days=10) + number * HOUR
    made = RawItem(
        id=f"urn:example:{number}",
        link=f"https://news.example/{number}.html",
        title=f"Title {number}",
        content=f"<p>Text {number}.</p>",
        witnesses=(Witness(kind="published", text=f"{published:%Y-%m-%dT%H:%M:%SZ}"),),
    )
    return replace(made, **parts)  # type: ignore[arg-type]


@pytest.fixture
def blog(store: Store) -> Blog:
    return Blog(store)


def test_items_become_articles_with_what_they_were_made_of(blog: Blog) -> None:
    """Each is counted as what it is; nothing is written where nothing is new."""
    assert blog.keep(item(1), item(2)) == Tally(source="blog", new=2)
    assert blog.keep(item(1), item(2, title="Other"), item(3)) == Tally(source="blog", new=1, changed=1, same=1)
    assert [one.title for one in blog.kept()] == ["Title 1", "Other", "Title 3"]
    assert [one.item for one in blog.remembered()] == [item(1), item(2, title="Other"), item(3)]
    with blog.store.transaction() as connection:
        before = articles.latest_revision(connection)
    assert blog.keep(item(1), item(2, title="Other"), item(3)) == Tally(source="blog", same=3)
    with blog.store.transaction() as connection:
        assert articles.latest_revision(connection) == before


def test_nothing_is_kept_of_nothing(blog: Blog) -> None:
    """An empty batch is no batch."""
    assert blog.keep() == Tally(source="blog")


@pytest.mark.parametrize("batches", [1, 3])
def test_one_bad_item_costs_itself(blog: Blog, batches: int) -> None:
    """It is named with the reason; the others of its batch are kept."""
    nameless, empty = RawItem(), RawItem(id="urn:example:empty")
    tally = blog.keep(item(1), nameless, empty, item(2), batches=batches)
    assert (tally.new, len(blog.kept())) == (2, 2)
    assert tally.unusable == [
        ("an entry", "an item needs a link, an id, a path or a title"),
        ("an entry", "holds no article: neither title nor text"),
    ]


def test_what_nobody_thought_of_is_told_in_words() -> None:
    """A verdict as it is; a surprise with its kind, and not at any length."""
    assert reason_of(UnusableItem("holds no article")) == "holds no article"
    assert reason_of(ZeroDivisionError("division by zero")) == "cannot be read (ZeroDivisionError: division by zero)"
    assert len(reason_of(ValueError("x" * 10_000))) < 300


@pytest.mark.parametrize("batches", [1, 2])
def test_the_first_telling_counts(blog: Blog, batches: int) -> None:
    """Of one article twice in a refresh, in one batch or in two; and again when it is told so again."""
    twice = (item(1, content="<p>Newer.</p>"), item(1, content="<p>Older.</p>"))
    assert blog.keep(*twice, batches=batches).new == 1
    for _ in range(3):
        tally = blog.keep(*twice, batches=batches)
        assert (tally.new, tally.changed) == (0, 0)
    assert [one.content for one in blog.kept()] == ["<p>Newer.</p>"]


def test_the_second_telling_gives_its_names(blog: Blog) -> None:
    """By whatever an article was met, it is met again."""
    blog.keep(item(1), item(1, id="urn:example:other", content=""))
    assert blog.keep(item(1, id="urn:example:other", link="https://news.example/moved")).new == 0
    assert blog.keep(item(1, id="urn:example:third", link="https://news.example/moved")).new == 0
    assert [one.id for one in blog.kept()] == ["urn:example:1"]


@pytest.mark.parametrize("batches", [1, 4])
def test_ids_are_never_given_twice(blog: Blog, batches: int) -> None:
    """An item whose own id is that of another article gets one of its own, and keeps it."""
    blog.keep(item(1, id=None))
    (first,) = blog.kept()
    thieves = [item(number, id=first.id) for number in (2, 3, 4)]
    blog.keep(*thieves, item(1, id=None), batches=batches)
    ids = [one.id for one in blog.kept()]
    assert len(set(ids)) == len(ids)
    assert ids[0] == first.id
    for _ in range(2):
        tally = blog.keep(*thieves, item(1, id=None), batches=batches)
        assert (tally.new, tally.changed) == (0, 0)
    assert [one.id for one in blog.kept()] == ids


def test_what_was_taken_down_stays_down(blog: Blog) -> None:
    """Whatever it is told by: nothing of it is remembered."""
    blog.keep(item(1))
    with blog.store.transaction() as connection:
        articles.remove(connection, 1, now=blog.now)
    for told in (item(1), item(1, title="Other"), item(1, id="urn:example:new")):
        assert blog.keep(told) == Tally(source="blog")
    assert [one.title for one in blog.kept()] == [""]
    assert blog.remembered() == []


def test_a_text_that_was_not_believed_is_not_remembered(blog: Blog) -> None:
    """What is remembered is what the article consists of: the old text with its pictures, and the new words around."""
    picture = Image(origin="/river.jpg")
    full = item(1, content=f'<img src="a.jpg">{LONG}', pictures=(picture,))
    cut = item(1, content=SHORT, title="Title 1, corrected", link="https://moved.example/1")
    blog.keep(full)
    blog.keep(cut)
    (told,) = blog.remembered()
    assert told.digest == telling(cut).digest
    assert told.item == replace(cut, content=full.content, pictures=(picture,), base="https://news.example/1.html")
    (before,) = blog.kept()
    assert before.images[0].origin == "https://news.example/a.jpg"
    blog.keep(told.item, article=told.article)
    (after,) = blog.kept()
    assert replace(after, content_hash="") == replace(before, content_hash="")


def test_a_cut_text_without_a_kept_item_leaves_a_digest(blog: Blog) -> None:
    """As where the article came from an older store: it is known by its digest, and not made anew from less."""
    blog.keep(item(1, content=LONG))
    with blog.store.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM items")
    blog.keep(item(1, content=SHORT))
    assert [one.item for one in blog.remembered()] == [None]
    assert blog.kept()[0].content == LONG


def test_other_rules_are_heeded_without_a_change_for_readers(blog: Blog) -> None:
    """The item is read for the article that it told of, though nothing in it names that any more."""
    blog.keep(item(1, content='<p>Text.</p><p class="ad">Buy!</p>'), item(2))
    before = blog.kept()
    (told, _) = blog.remembered()
    assert told.item
    stranger = replace(told.item, id="urn:example:9", link="https://elsewhere.example/", title="Another")
    tally = blog.keep(stranger, article=told.article, rules=replace(RULES, remove=(".ad",)))
    assert (tally.new, tally.changed) == (0, 1)
    (now, other) = blog.kept()
    assert (now.id, now.title, now.content, now.updated) == (before[0].id, "Another", "<p>Text.</p>", before[0].updated)
    assert other == before[1]
    assert next(iter(blog.remembered())).digest == told.digest


def test_articles_that_a_refresh_has_met_are_not_told_again(blog: Blog) -> None:
    """What is met as it is kept came first in its document."""
    blog.keep(item(1))
    tally = Tally(source="blog")
    with blog.store.transaction() as connection:
        state = polls.source_state(connection, "blog")
    keeper = Keeper(blog.store, state, RULES, tally, now=blog.now + HOUR, first_wins=True)
    keeper.meet([1])
    keeper.keep([telling(item(1, title="Other", content="<p>Other.</p>"))])
    assert [one.title for one in blog.kept()] == ["Title 1"]
    assert tally.changed == 0


def test_articles_of_another_source_are_nobody_s_business(blog: Blog) -> None:
    """The same item in two sources is two articles."""
    blog.keep(item(1))
    with blog.store.transaction() as connection:
        other = polls.source_state(connection, "other")
    tally = Tally(source="other")
    Keeper(blog.store, other, Rules(source="other"), tally, now=NOON, first_wins=True).keep([telling(item(1))])
    assert tally.new == 1
    assert [(one.source, one.id) for one in blog.kept()] == [("blog", "urn:example:1"), ("other", "urn:example:1")]


def test_a_batch_is_kept_whole_or_not_at_all(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks off in the midst of writing leaves nothing of its batch."""
    blog.keep(item(1))

    def crash(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(visits, "keep_items", crash)
        with pytest.raises(ZeroDivisionError):
            blog.keep(item(1, title="Other"), item(2))
    assert [one.title for one in blog.kept()] == ["Title 1"]
    assert blog.keep(item(1, title="Other"), item(2)) == Tally(source="blog", new=1, changed=1)


def test_late_articles_are_marked(blog: Blog) -> None:
    """Those that were published before the refresh before this one; feeds place them otherwise."""
    blog.keep(item(1))
    blog.keep(item(2), item(3, witnesses=()))
    with blog.store.transaction() as connection:
        late = [one.late for one in articles.load(connection, [1, 2, 3]).values()]
    assert late == [False, True, False]


def test_rules_are_those_of_the_settings() -> None:
    """All that shapes how an item is read, and nothing else."""
    values = {"name": "blog", "kind": "feed", "url": "https://news.example/", "timezone": "Asia/Shanghai"}
    lists = {"remove": [".ad"], "remove_text": ["Buy!"], "image_proxy_hosts": ["p.example"]}
    assert rules_of(FeedSource.model_validate(values | lists)) == Rules(
        source="blog",
        timezone="Asia/Shanghai",
        remove=(".ad",),
        remove_text=("Buy!",),
        image_proxy_hosts=("p.example",),
    )
