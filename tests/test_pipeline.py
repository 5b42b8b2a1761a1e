"""Everything once: what a build gives back, what it costs, and how an article is taken down."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

from feedbridge import pipeline, refresh
from feedbridge.errors import SourceError, StoreError
from feedbridge.publish.files import OutputFolder
from feedbridge.store import articles
from feedbridge.store.schema import metadata
from feedbridge.tally import Step
from feedbridge.visiting import Visitor

if TYPE_CHECKING:
    from tests.conftest import Site, Web


def test_build_tells_what_it_did(site: "Site") -> None:
    """Tallies come in the order of the sources; progress is told by source and file."""
    rfa = site.add_source("rfa")
    site.archive.write_many(3)
    (site.archive.root / "empty.md").write_bytes(b"")
    site.archive.touch(site.archive.root / "empty.md")
    rfa.write_many(2, start=10)
    told: list[Step] = []
    done = site.build(progress=told.append)
    assert [(t.source, t.files, t.read, t.new, t.unusable, t.error) for t in done.tallies] == [
        ("voa", 4, 4, 3, [("empty.md", "is empty")], None),
        ("rfa", 2, 2, 2, [], None),
    ]
    assert told[:4] == [
        Step(unit="files", source="voa"),
        Step(unit="files", source="voa", done=4, of=4, came=3),
        Step(unit="files", source="rfa"),
        Step(unit="files", source="rfa", done=2, of=2, came=2),
    ]
    assert {(step.unit, step.of) for step in told[4:]} == {("feeds", 1)}
    assert [step.came for step in told[4:]] == sorted(step.came for step in told[4:])
    assert (told[-1].done, told[-1].came) == (1, 4)
    assert not done.failed
    forms = ("atom", "html", "json", "rss")
    assert sorted(done.published.written) == ["feeds.opml", *(f"feeds/news.{form}" for form in forms), "index.html"]


def test_first_build_of_nothing_publishes_empty_feeds(site: "Site") -> None:
    """An empty folder is fine: the feeds are there, to be subscribed to, and stay the same until something comes."""
    done = site.build()
    assert (done.failed, site.shown()) == (False, [])
    before = site.stamps()
    site.build()
    assert site.stamps() == before


def test_one_failing_source_does_not_stop_the_others(site: "Site") -> None:
    """The first source fails before it ever was read; the second is published; the build says that it failed."""
    site.add_source("rfa").write_many(3)
    site.archive.root.rmdir()
    done = site.build()
    assert done.failed
    assert "no such folder" in (done.tallies[0].error or "")
    assert len(site.shown()) == 3


def test_what_no_database_takes_loses_no_article(site: "Site", web: "Web") -> None:
    """NULs in whatever a feed may say, ids of six thousand bytes and paths of two thousand: what can be told apart is
    kept and published, and only a file that could not be remembered is left out and named.
    """
    text = "N\0 U\0 L &#0;"
    odd = {
        "url": f"https://a.example/{text}",
        "title": text,
        "content_html": f"<p>{text}</p><img src='https://a.example/{text}.jpg' alt='{text}'>",
        "image": f"https://a\0.example/{text}",
        "authors": [{"name": text, "url": text}],
        "tags": [text],
        "attachments": [{"url": f"https://a.example/{text}.mp3", "mime_type": text, "title": text}],
        **dict.fromkeys(("summary", "language", "date_published"), text),
    }
    ids = ["a\0b", "urn:a:\0", "urn:" + "".join(chr(0x4E00 + number * 37 % 20_000) for number in range(1_990))]
    face = dict.fromkeys(("title", "description", "home_page_url", "icon", "language"), text)
    items = [{**odd, "id": one, "url": f"{odd['url']}/{number}"} for number, one in enumerate(ids)]
    feed = {"version": "https://jsonfeed.org/version/1.1", **face, "authors": [{"name": text}], "items": items}
    web.say("/feed.json", json.dumps(feed).encode())
    site.add_feed("odd", web.url("/feed.json"))
    site.feeds = [{"name": "news"}, {"name": "tags", "by": "category"}, {"name": "people", "by": "author"}]
    site.archive.write(1)
    deep = "/".join(["章" * 80] * 9)
    site.archive.write(2, name=f"{deep}/2.md")
    done = site.build()
    assert [(tally.new, tally.error) for tally in done.tallies] == [(1, None), (3, None)]
    assert done.tallies[0].unusable == [(f"{deep}/2.md", "has a path of more than 2,000 bytes; move it up")]
    assert (done.published.left_out, done.published.errors) == ([], [])
    assert len(site.shown()) == 4
    assert ids[2] in {entry.id for entry in site.shown()}
    assert site.build().published.written == []


def test_time_of_the_build_may_be_of_any_zone(site: "Site") -> None:
    """Instants are kept in UTC and whole seconds, however the caller's clock counts."""
    site.archive.root.joinpath("1.md").write_text("[Title](https://news.example/1)\n------\n<p>Text.</p>")
    site.archive.touch(site.archive.root / "1.md")
    now = datetime(2026, 11, 20, 20, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=8)))
    pipeline.build(site.settings(), now=now, progress=lambda *_: None)
    assert site.shown()[0].published == "2026-11-20T12:00:00Z"


def test_clock_that_went_back_moves_no_date(site: "Site") -> None:
    """With a clock ten years slow, what is published stays as it is, and an edit is never dated ahead of it."""
    site.archive.write_many(3)
    site.build()
    before = site.published()
    site.now -= timedelta(days=3650)
    site.build()
    assert site.published() == before
    old = site.entry("/1.html")
    site.archive.write(1, text="Quite another text.")
    site.build()
    new = site.entry("/1.html")
    assert (new.id, new.published, new.updated) == (old.id, old.published, old.updated)


@pytest.mark.sqlite
def test_store_that_cannot_be_used_leaves_the_files(site: "Site") -> None:
    """A damaged store stops the build with a message; every published file stays."""
    site.archive.write_many(60)
    site.build()
    before = site.published(), site.stamps()
    site.store.write_bytes(b"rubbish" * 10_000)
    with pytest.raises(StoreError, match="is damaged; put a backup in its place"):
        site.build()
    assert (site.published(), site.stamps()) == before
    site.forget_store()
    site.build()
    assert (site.published(), site.stamps()) == before


@pytest.mark.parametrize(
    "harm", ["details = '{'", pytest.param("title = CAST(x'FF' AS TEXT)", marks=pytest.mark.sqlite)]
)
def test_unreadable_article_in_the_store_is_told_as_damage(site: "Site", harm: str) -> None:
    """Where the database is sound but holds what we never wrote, that is told as damage."""
    site.archive.write_many(3)
    site.build()
    site.query(f"UPDATE articles SET {harm}, revision = revision + 1000")
    with pytest.raises(StoreError, match="is damaged"):
        site.build()


def test_output_that_cannot_be_used_is_one_error(site: "Site") -> None:
    """With a file in place of the output folder the articles are kept, and the next build publishes them."""
    site.archive.write_many(60)
    site.public.parent.mkdir(exist_ok=True)
    site.public.write_text("mine")
    done = site.build()
    assert done.failed
    assert len(done.published.errors) == 1
    assert str(site.public) in done.published.errors[0]
    assert site.public.read_text() == "mine"
    site.public.unlink()
    assert not site.build().failed
    assert len(site.everything()) == 60


def test_full_output_is_one_error(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing more can be written, one line says so, not one for each document."""
    site.archive.write_many(260)
    monkeypatch.setattr(OutputFolder, "put", _no_room)
    done = site.build()
    assert done.published.errors == ["index.html: no room"]
    monkeypatch.undo()
    assert not site.build().failed
    assert len(site.everything()) == 260


def _no_room(*_: Any) -> bool:
    from feedbridge.errors import OutputError

    raise OutputError("index.html: no room")


# Taken down


@pytest.mark.parametrize("spelling", ["link", "http", "id", "space"])
def test_article_is_taken_down_by_any_of_its_names(site: "Site", spelling: str) -> None:
    """Its link in any spelling or its id will do."""
    site.archive.write_many(5)
    site.build()
    entry = site.entry("/3.html")
    link = entry.link or ""
    names = {"link": link, "http": f"http{link[5:]}#x", "id": entry.id, "space": f" {link} "}
    done = site.remove(names[spelling])
    assert done.articles == (("voa", entry.title),)
    assert len(site.shown()) == 4
    with pytest.raises(SourceError, match="was taken down already"):
        site.remove(link)


def test_unknown_article_cannot_be_taken_down(site: "Site") -> None:
    """A part of a link, or one that nobody has, is refused, and nothing changes."""
    site.archive.write_many(5)
    site.build()
    before = site.published()
    for name in ("https://news.example/", "3.html", "", "link:x", "%", "urn:uuid:7"):
        with pytest.raises(SourceError, match="its whole link is needed"):
            site.remove(name)
    assert site.published() == before


def test_article_is_taken_down_in_every_source(site: "Site") -> None:
    """What two sources have is gone from both."""
    rfa = site.add_source("rfa")
    site.archive.write_many(3)
    rfa.write_many(3)
    site.feeds.append({"name": "rfa", "sources": ["rfa"]})
    site.build()
    done = site.remove(site.archive.link(1))
    assert [source for source, _ in done.articles] == ["voa", "rfa"]
    assert (len(site.shown()), len(site.shown("rfa"))) == (2, 2)


def test_nothing_of_a_removed_article_is_left_in_the_store(site: "Site") -> None:
    """Its words are in no row of any table."""
    site.archive.write_many(3)
    site.archive.write(7, title="Secrettitle", text="Secrettext.", author="Secretauthor")
    site.build()
    site.remove(site.archive.link(7))
    found = [json.dumps(row) for table in metadata.tables for row in site.query(f"SELECT * FROM {table}")]
    assert found
    assert not [row for row in found if "Secret" in row]


# Cost


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Counts the statements that are sent and the articles that are loaded with their texts."""
    counts = {"statements": 0, "bodies": 0}
    whole = articles._kept

    def kept(row: Any) -> articles.Kept:
        counts["bodies"] += 1
        return whole(row)

    def sent(*_: object) -> None:
        counts["statements"] += 1

    event.listen(Engine, "before_cursor_execute", sent)
    with monkeypatch.context() as patched:
        patched.setattr(articles, "_kept", kept)
        yield counts
    event.remove(Engine, "before_cursor_execute", sent)


@pytest.mark.parametrize("change", ["nothing", "new", "subscription", "archive", "removed"])
def test_cost_follows_what_changed(
    site: "Site", other_site: "Site", monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """One changed file costs as many statements and texts among a thousand articles as among three hundred."""
    costs = []
    for one, count in ((site, 300), (other_site, 1000)):
        one.archive.write_many(count)
        one.build()
        match change:
            case "new":
                one.archive.write(count)
            case "subscription":
                one.archive.write(count - 1, text="Quite another text.", marker=one.now)
            case "archive":
                one.archive.write(20, text="Quite another text.", marker=one.now)
        with counted(monkeypatch) as counts:
            done = one.remove(one.archive.link(20)) if change == "removed" else one.build()
        assert not done.published.errors
        costs.append(counts)
    few, many = costs
    assert many == few
    assert many["statements"] <= 90
    assert many["bodies"] <= (0 if change == "nothing" else 2)


def test_what_nobody_thought_of_harms_one_source(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that source's failure, and remembered as one; the others go on."""
    site.add_source("rfa").write_many(2)
    real = refresh.refresh

    def broken(store: Any, source: Any, *others: Any, **more: Any) -> Any:
        if source.name == "voa":
            raise ZeroDivisionError("division by zero")
        return real(store, source, *others, **more)

    monkeypatch.setattr(pipeline, "refresh", broken)
    done = site.build()
    assert done.tallies[0].error == "broke off (ZeroDivisionError: division by zero)"
    assert (done.tallies[1].new, len(site.shown())) == (2, 2)
    assert site.query("SELECT error FROM polls ORDER BY error IS NOT NULL") == [(None,), (done.tallies[0].error,)]


def test_folders_and_sites_are_built_together(site: "Site", web: "Web") -> None:
    """Tallies come in the order of the sources, whatever their kind; each that is done is told."""
    site.sources.clear()
    site.add_feed("blog", web.url("/blog"))
    site.add_source("rfa").write_many(2)
    site.add_feed("away", web.url("/away"))
    web.feed("/blog", "One", "Two", "Three")
    web.say("/away", status="404 Not Found")
    told: list[Step] = []
    done = site.build(progress=told.append)
    assert [(t.source, t.kind, t.new, t.error) for t in done.tallies] == [
        ("blog", "feed", 3, None),
        ("rfa", "archive", 2, None),
        ("away", "feed", 0, f"{web.url('/away')}: 404 Not Found"),
    ]
    assert done.failed
    sites = [step for step in told if step.unit == "sites"]
    assert (sites[0].done, sites[0].of, sites[0].came, sites[0].waiting) == (0, 2, 0, ("blog", "away"))
    assert {sites[1].waiting} <= {("blog",), ("away",)}
    assert sites[2] == Step(unit="sites", done=2, of=2, came=3)
    assert len(site.shown()) == 5


def test_what_nobody_thought_of_harms_one_site(site: "Site", web: "Web", monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the failure of that source on the web, and remembered as one; the others go on."""
    site.sources = []
    for name in ("blog", "other"):
        site.add_feed(name, web.url(f"/{name}"))
        web.feed(f"/{name}", name)
    real = Visitor.refresh

    async def broken(self: Visitor, source: Any, wish: Any) -> Any:
        if source.name == "blog":
            raise ZeroDivisionError("division by zero")
        return await real(self, source, wish)

    monkeypatch.setattr(Visitor, "refresh", broken)
    done = site.build()
    assert done.tallies[0].error == "broke off (ZeroDivisionError: division by zero)"
    assert (done.tallies[0].kind, done.tallies[1].new, len(site.shown())) == ("feed", 1, 1)
    assert site.query("SELECT error FROM polls ORDER BY error IS NOT NULL") == [(None,), (done.tallies[0].error,)]


def test_a_store_that_fails_ends_a_build_of_sites(site: "Site", web: "Web") -> None:
    """It is one plain StoreError, however many visits were under way."""
    site.sources = []
    for name in ("a", "b", "c"):
        site.add_feed(name, web.url(f"/{name}"))
        web.feed(f"/{name}", name)
    site.build()
    before = site.published()
    with site.refusing("polls", "database or disk is full"), pytest.raises(StoreError, match="disk is full"):
        site.build()
    assert site.published() == before


def test_a_removal_is_told_once(site: "Site") -> None:
    """The second time says that it was done."""
    site.archive.write_many(1)
    site.build()
    link = site.shown()[0].link or ""
    site.remove(link)
    with pytest.raises(SourceError, match="was taken down already"):
        site.remove(link)
