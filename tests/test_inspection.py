"""Looking without touching, on real folders and a real store."""

import contextlib
import json
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from feedbridge import inspection, pipeline, reports
from feedbridge.errors import FetchError, ParseError, SourceError, StoreError
from feedbridge.polling import Schedule
from feedbridge.reach import parse_allowance
from feedbridge.schedule import AILING_AFTER
from feedbridge.settings import ArchiveSource, FeedSource, FeedTable, Settings, Site
from feedbridge.store import polls
from feedbridge.store.database import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LINK = "https://news.example.org/a/one-20260228/1.html"
PICTURE = "https://images.weserv.nl?url=pics.example.org/one.jpg"


def article(link: str, title: str = "One") -> str:
    """A saved article in the bare layout."""
    return (
        f"<!--1772280000000-->\n[{title}]({link})\n------\n\n"
        f"<div><i>Sat, 28 Feb 2026 09:00:00 GMT</i></div><p>Text of {title}.</p><img src='{PICTURE}'>"
    )


def save(path: Path, text: str, *, age_seconds: int = 3600) -> None:
    """Write a file that was last changed long enough ago to be whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    then = path.stat().st_mtime - age_seconds
    os.utime(path, (then, then))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two articles, and files that hold none."""
    folder = tmp_path / "articles"
    save(folder / "one.md", article(LINK))
    save(folder / "deep" / "two.md", article("https://news.example.org/a/2.html", "Two"), age_seconds=60)
    save(folder / "empty.md", "")
    save(folder / "notes.rst", article("https://news.example.org/a/3.html", "Three"))
    save(folder / ".hidden.md", article("https://news.example.org/a/4.html", "Four"))
    return folder


def settings_of(folder: Path, **source: object) -> Settings:
    """Settings of one source, with store and output beside its folder."""
    return Settings(
        site=Site(output=folder.parent / "public", store=f"sqlite:///{folder.parent}/s.db"),
        source=(ArchiveSource(name="example", kind="archive", path=folder, **source),),  # type: ignore[arg-type]
        feed=(FeedTable(name="news"), FeedTable(name="bare", images="drop")),  # type: ignore[arg-type]
    )


def build(settings: Settings, *, now: datetime = NOW) -> pipeline.Build:
    return pipeline.build(settings, now=now, progress=lambda _: None)


@dataclass
class Upstream:
    """Somebody's server on loopback: what it answers by path, as status, headers and body."""

    port: int
    answers: dict[str, tuple[int, dict[str, str], str]] = field(default_factory=dict)

    def settings(self, folder: Path, path: str = "/feed", *, user: str = "") -> Settings:
        """Settings of one source, the feed at a path."""
        source = FeedSource(
            name="blog",
            kind="feed",
            url=f"http://{user}127.0.0.1:{self.port}{path}",
            allow_private=parse_allowance([f"127.0.0.1:{self.port}"]),
        )
        site = Site(output=folder / "public", store=f"sqlite:///{folder}/s.db", pause=timedelta())
        return Settings(site=site, source=(source,))

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server that answers 404 until it is told otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = there.answers.get(self.path, (404, {}, ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the method it replaces)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Upstream(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield there
    server.shutdown()
    thread.join()
    server.server_close()


def feed_of(*items: str) -> str:
    """A feed with these items."""
    return f"<rss version='2.0'><channel><title>Blog</title><link>https://b.example/</link>{''.join(items)}</channel></rss>"


def item_of(name: str) -> str:
    """An item that was first in another feed, with a recording."""
    return (
        f"<item><title>{name}</title><link>https://b.example/{name}?utm_source=rss</link>"
        f"<guid isPermaLink='false'>{name}-1</guid><pubDate>Sat, 28 Feb 2026 09:00:00 GMT</pubDate>"
        f"<description>Text of {name}.</description><source url='https://a.example/feed'>Elsewhere</source>"
        "<enclosure url='https://b.example/talk.mp3' type='audio/mpeg' length='1234'/></item>"
    )


GOOD = (200, {"Content-Type": "application/rss+xml"}, feed_of(item_of("one"), item_of("two")))


def explain(settings: Settings, name: str) -> list[inspection.Explanation]:
    return inspection.explain(settings, name, now=NOW)


# explain


@pytest.mark.parametrize(
    "name",
    [LINK, "http://NEWS.example.org/a//one-20260228/1.html?utm_source=x#top", "one.md", "deep/../one.md"],
)
def test_an_article_is_found_by_any_spelling_of_its_link_and_by_its_file(folder: Path, name: str) -> None:
    """What is told of it is the same whichever name it was asked by."""
    settings = settings_of(folder)
    build(settings)
    (found,) = explain(settings, name)
    assert found.article
    assert (found.article.title, found.article.link, found.kept, found.removed) == ("One", LINK, True, False)
    assert (found.files, found.body_from) == (("one.md",), "one.md")
    assert found.places == (("news", "feeds/news.atom"), ("bare", "feeds/bare.atom"))
    assert found == explain(settings, found.article.id)[0]
    assert {it.kind for it in found.article.testimonies} >= {"marker", "body", "link", "file-name"}


def test_an_articles_pictures_are_shown_with_the_address_that_each_feed_gives(folder: Path) -> None:
    """None is a picture that is left out."""
    settings = settings_of(folder)
    build(settings)
    ((picture,),) = [one.images for one in explain(settings, LINK)]
    assert picture.image.origin == "https://pics.example.org/one.jpg"
    shown = {feed: [choice.address for choice in choices if choice.chosen] for feed, choices in picture.feeds}
    assert shown == {"news": ["https://images.weserv.nl/?url=pics.example.org/one.jpg"], "bare": [None]}


def test_a_file_is_found_once_from_within_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, the name of the file means the same as a path and relative to the source."""
    monkeypatch.chdir(folder)
    settings = settings_of(folder)
    assert len(explain(settings, "one.md")) == 1
    build(settings)
    assert len(explain(settings, "one.md")) == 1
    assert len(explain(settings, str(folder / "one.md"))) == 1
    assert len(explain(settings, "empty.md")) == 1


def test_before_the_first_build_a_file_is_read_as_a_build_would(folder: Path) -> None:
    """And nothing is kept: no store is made."""
    settings = settings_of(folder)
    (before,) = explain(settings, "one.md")
    assert before.article
    assert (before.kept, before.article.title, before.files) == (False, "One", ("one.md",))
    assert [path.name for path in folder.parent.iterdir()] == ["articles"]
    build(settings)
    (after,) = explain(settings, "one.md")
    assert after.article == before.article


@pytest.mark.parametrize("built", [False, True])
def test_a_file_that_holds_no_article_says_why(folder: Path, built: bool) -> None:
    """The same reason before and after a build."""
    settings = settings_of(folder)
    if built:
        build(settings)
    assert explain(settings, "empty.md") == [
        inspection.Explanation(
            file="empty.md",
            unusable="is empty",
            files=() if built else ("empty.md",),
            body_from=None if built else "empty.md",
        )
    ]


@pytest.mark.parametrize("name", ["notes.rst", ".hidden.md"])
@pytest.mark.parametrize("built", [False, True])
def test_a_file_that_the_source_does_not_take_says_so(folder: Path, name: str, built: bool) -> None:
    """It is not told as if the next build would read it."""
    settings = settings_of(folder)
    if built:
        build(settings)
    (found,) = explain(settings, name)
    assert (found.file, found.article) == (name, None)
    assert found.unusable == 'is no article of source "example": its `glob` or a leading dot leaves it out'


def test_an_article_that_was_taken_down_is_known_as_such(folder: Path) -> None:
    """The tombstone is found by link and by file."""
    settings = settings_of(folder)
    build(settings)
    pipeline.remove(settings, LINK, now=NOW)
    for name in (LINK, "one.md"):
        (found,) = explain(settings, name)
        assert (found.removed, found.places) == (True, ())


def test_an_article_is_told_of_each_source_that_has_it(folder: Path) -> None:
    """Sources do not share articles."""
    both = settings_of(folder)
    other = ArchiveSource(name="other", kind="archive", path=folder, glob=("one.md",))
    both = both.model_copy(update={"source": (*both.source, other)})
    build(both)
    assert [found.article and found.article.source for found in explain(both, LINK)] == ["example", "other"]


def test_a_file_whose_name_is_no_utf_8_is_found(folder: Path) -> None:
    """As bytes, as it stands on the disk."""
    name = os.fsdecode(b"\xb5\xda.md")
    save(folder / name, article("https://news.example.org/a/5.html", "Five"))
    settings = settings_of(folder)
    for _ in range(2):
        (found,) = explain(settings, name)
        assert found.article
        assert (found.article.title, found.files) == ("Five", ("\\xb5\\xda.md",))
        build(settings)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "/etc/passwd", "../s.db", "x" * 5000, "x/" * 5000, "\udcff", "https://[x/", "a\0b"]
)
@pytest.mark.parametrize("built", [False, True])
def test_what_is_not_known_is_a_named_error(folder: Path, name: str, built: bool) -> None:
    """Nothing outside the folder of a source is ever read."""
    settings = settings_of(folder)
    if built:
        build(settings)
    with pytest.raises(SourceError, match="nothing is known by this link, id or file; give the whole link"):
        explain(settings, name)


def test_links_in_a_circle_are_no_file(folder: Path) -> None:
    """They lead nowhere, and that is all."""
    (folder / "loop").symlink_to(folder / "loop")
    with pytest.raises(SourceError):
        explain(settings_of(folder), "loop")


def test_a_folder_that_is_not_there_does_not_keep_others_from_being_looked_at(folder: Path) -> None:
    """An article that is kept is explained though its mount is away."""
    settings = settings_of(folder)
    build(settings)
    folder.rename(folder.parent / "away")
    (found,) = explain(settings, LINK)
    assert found.kept
    assert [file.kept for file in explain(settings, "one.md")] == [True]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=40) | st.text(max_size=20).map("https://".__add__))
def test_any_name_is_known_or_a_named_error(folder: Path, name: str) -> None:
    """Whatever somebody types."""
    settings = settings_of(folder)
    if not settings.site.store_path.exists():
        build(settings)
    with contextlib.suppress(SourceError):
        assert explain(settings, name)


def test_an_article_of_a_feed_tells_by_what_it_is_known_and_where_it_was_first(
    upstream: Upstream, tmp_path: Path
) -> None:
    """Its guid and its link without tracking parameters; the feed that it was first in; its dates with witnesses."""
    upstream.answers["/feed"] = GOOD
    settings = upstream.settings(tmp_path)
    build(settings)
    (found,) = explain(settings, "https://b.example/one")
    assert found.article
    assert (found.article.title, found.files, found.body_from) == ("one", (), None)
    assert set(found.aliases) >= {"id:one-1", "link:https://b.example/one"}
    assert [(it.kind, it.value) for it in found.article.testimonies if it.kind == "published"] == [
        ("published", datetime(2026, 2, 28, 9, 0, tzinfo=UTC))
    ]
    lines = reports.explanation_lines([found])
    for line in (
        "  first in   “Elsewhere” https://a.example/feed",
        "  known by   id:one-1",
        "  known by   link:https://b.example/one",
        "  enclosure  https://b.example/talk.mp3 (audio/mpeg, 1,234 bytes)",
    ):
        assert line in lines
    values = json.loads(json.dumps(reports.explanation_values(found)))
    assert values["aliases"] == list(found.aliases)
    assert values["origin"] == {
        "id": None,
        "title": "Elsewhere",
        "link": None,
        "self_link": "https://a.example/feed",
    }
    assert values["enclosures"] == [
        {"address": "https://b.example/talk.mp3", "type": "audio/mpeg", "length": 1234},
    ]


# preview


def test_preview_of_a_feed_shows_its_entries_in_its_order_and_keeps_nothing(upstream: Upstream, tmp_path: Path) -> None:
    """As many as were asked for, whole."""
    upstream.answers["/feed"] = GOOD
    settings = upstream.settings(tmp_path)
    first, second = inspection.preview(settings, "blog", now=NOW, limit=20)
    assert [one.told and one.told.article.title for one in (first, second)] == ["one", "two"]
    assert list(inspection.preview(settings, "blog", now=NOW, limit=1)) == [first]
    assert list(tmp_path.iterdir()) == []
    assert reports.preview_lines([first], kind="feed") == [
        "2026-02-28T09:00:00Z  one",
        "    https://b.example/one?utm_source=rss",
        "    0 pictures; Text of one.",
    ]
    values = reports.preview_values(first, kind="feed")
    assert (values["entry"], values["unusable"]) == ("https://b.example/one?utm_source=rss", None)


def test_preview_follows_a_page_to_its_feed(upstream: Upstream, tmp_path: Path) -> None:
    """As a refresh does."""
    page = "<!doctype html><title>Blog</title><link rel=alternate type=application/rss+xml href=/feed>"
    upstream.answers |= {"/feed": GOOD, "/": (200, {"Content-Type": "text/html"}, page)}
    found = inspection.preview(upstream.settings(tmp_path, "/"), "blog", now=NOW, limit=20)
    assert [one.told and one.told.article.title for one in found] == ["one", "two"]


def test_preview_of_a_feed_names_what_is_left_out(upstream: Upstream, tmp_path: Path) -> None:
    """An entry that is too long, and those beyond the number that is read."""
    long = f"<item><title>long</title><link>https://b.example/l</link><description>{'x' * 2**21}.</description></item>"
    short = (f"<item><title>{number}</title></item>" for number in range(5_000))
    upstream.answers["/feed"] = (200, {}, feed_of(long, *short))
    found = list(inspection.preview(upstream.settings(tmp_path), "blog", now=NOW, limit=1))
    assert [one.path for one in found if one.unusable] == ["long", "the rest"]
    assert [one.unusable for one in found][1:] == [
        "its content is too long: 2,097,153 bytes, and 2,097,152 are taken",
        "1 entry more than are read",
    ]


def test_preview_of_what_is_no_feed_is_a_named_error(upstream: Upstream, tmp_path: Path) -> None:
    """It says where it asked, and what came instead."""
    upstream.answers["/feed"] = (200, {}, "<!doctype html><title>Log in</title>")
    with pytest.raises(ParseError) as caught:
        list(inspection.preview(upstream.settings(tmp_path), "blog", now=NOW, limit=1))
    assert str(caught.value).startswith(f"{upstream.address('/feed')}: ")
    assert "an HTML page titled “Log in” came" in str(caught.value)


def test_an_empty_feed_is_no_empty_folder() -> None:
    """Nothing to show is said in the words of what was looked at."""
    assert reports.preview_lines([], kind="feed") == ["it has no entries"]
    assert reports.preview_lines([], kind="archive") == ["no files match"]


def test_preview_shows_the_latest_files_first_and_keeps_nothing(folder: Path) -> None:
    """As many as were asked for, whether they can be used or not."""
    settings = settings_of(folder)
    found = list(inspection.preview(settings, "example", now=NOW, limit=2))
    assert [one.path for one in found] == ["deep/two.md", "empty.md"]
    assert found[0].told
    assert found[0].told.article.title == "Two"
    assert found[1] == inspection.Previewed(path="empty.md", unusable="is empty")
    assert [path.name for path in folder.parent.iterdir()] == ["articles"]


def test_preview_names_what_cannot_be_read(folder: Path) -> None:
    """Links that lead out, and files beyond the limit of size."""
    (folder / "out.md").symlink_to("/etc/passwd")
    found = list(inspection.preview(settings_of(folder, max_file_bytes=100), "example", now=NOW, limit=20))
    reasons = {one.path: one.unusable for one in found}
    assert reasons["out.md"] == "is a link that leads out of the folder, or nowhere"
    assert (reasons["one.md"] or "").endswith("and max_file_bytes is 100")


def test_preview_of_a_missing_folder_is_a_named_error(folder: Path) -> None:
    """It says what to do."""
    with pytest.raises(FetchError, match="no such folder; mend `path`, or mount it"):
        list(inspection.preview(settings_of(folder.parent / "away"), "example", now=NOW, limit=2))


# status


def test_status_before_the_first_build_says_how_to_make_one(folder: Path) -> None:
    """It is not the place that makes a store."""
    with pytest.raises(StoreError, match='there is no store yet; "feedbridge build" makes it'):
        inspection.status(settings_of(folder), now=NOW)
    assert [path.name for path in folder.parent.iterdir()] == ["articles"]


def test_status_counts_articles_and_entries(folder: Path) -> None:
    """As they stand in the store, with the address that readers subscribe to."""
    settings = settings_of(folder)
    build(settings)
    found = inspection.status(settings, now=NOW)
    ((source, ailing, silent),) = [(one.summary, one.ailing, one.silent) for one in found.sources]
    assert (ailing, silent) == (False, False)
    assert (source.name, source.articles, source.new_in_a_day, source.last_success) == ("example", 2, 2, NOW)
    assert source.unusable == (("empty.md", "is empty"),)
    assert found.feeds == tuple(
        inspection.FeedStatus(
            name=name,
            title=f"feedbridge · {name}",
            entries=2,
            newest=datetime(2026, 2, 28, 9, 0, tzinfo=UTC),
            address=f"http://127.0.0.1:8000/feeds/{name}.atom",
        )
        for name in ("news", "bare")
    )


def test_status_of_a_source_that_is_new_in_the_settings(folder: Path) -> None:
    """It stands there with nothing, until it is built."""
    settings = settings_of(folder)
    build(settings)
    other = ArchiveSource(name="other", kind="archive", path=folder)
    found = inspection.status(settings.model_copy(update={"source": (*settings.source, other)}), now=NOW)
    assert found.sources[1] == inspection.SourceStatus(
        summary=polls.SourceSummary(name="other"), ailing=False, silent=False
    )


def test_status_tells_of_a_source_that_fails(folder: Path) -> None:
    """Its last error with reason and time, when it is tried again, and from some failures on that it is ailing; its
    articles and feeds stay."""
    settings = settings_of(folder)
    build(settings)
    feeds = inspection.status(settings, now=NOW).feeds
    folder.rename(folder.parent / "away")
    now = NOW
    with Store(settings.site.store, write=True) as store:
        schedule = Schedule(store, settings, dice=random.Random(1))
        schedule.start(now=now)
        for failures in range(1, AILING_AFTER + 1):
            (claim,) = schedule.take_folders(now=now, limit=1)
            failed_at, now = now, schedule.poll(claim, now=now, stop=threading.Event()).next_poll_at
            (source,) = inspection.status(settings, now=failed_at).sources
            assert source.ailing == (failures == AILING_AFTER)
    summary = source.summary
    assert (summary.failures, summary.articles, summary.last_success) == (AILING_AFTER, 2, NOW)
    assert summary.next_poll_at == now
    assert summary.last_error
    assert summary.last_error.started_at == failed_at
    assert "no such folder; mend `path`, or mount it" in (summary.last_error.error or "")
    assert inspection.status(settings, now=now).feeds == feeds
    assert pipeline.build(settings, now=now, progress=lambda *_: None).published.written == []


def site_of(settings: Settings, *, now: datetime) -> tuple[inspection.SiteStatus, list[str]]:
    """How the site of the only source stands, and the lines of that source."""
    found = inspection.status(settings, now=now)
    (source,) = found.sources
    assert source.site
    lines = reports.status_lines(replace(found, feeds=()), shown=10)
    return source.site, lines


def test_status_tells_where_a_source_on_the_web_is_asked(upstream: Upstream, tmp_path: Path) -> None:
    """Before it is asked, there is its address alone; what it brought, and that it brought nothing new, comes after."""
    upstream.answers["/feed"] = GOOD
    settings = upstream.settings(tmp_path, user="you:secret@")
    address = upstream.address("/feed")
    with Store(settings.site.store, write=True):
        pass
    site, lines = site_of(settings, now=NOW)
    assert site == inspection.SiteStatus(address=address, asked_at=address)
    assert lines == ["blog: 0 articles, 0 new in a day", f"  address {address}", "  never refreshed"]
    build(settings)
    assert site_of(settings, now=NOW)[0].unchanged is False
    later = NOW + timedelta(hours=1)
    assert build(settings, now=later).tallies[0].note == "not changed"
    site, lines = site_of(settings, now=later)
    assert site == inspection.SiteStatus(address=address, asked_at=address, unchanged=True)
    assert lines[1:] == [f"  address {address}", "  last success 2026-03-01T13:00:00Z, nothing new"]


def test_status_tells_the_wish_of_a_site_as_long_as_it_holds(upstream: Upstream, tmp_path: Path) -> None:
    """A source that is not asked has a line in the build, too."""
    upstream.answers["/feed"] = (200, {"Cache-Control": "max-age=7200"}, GOOD[2])
    settings = upstream.settings(tmp_path)
    build(settings)
    site, lines = site_of(settings, now=NOW)
    assert site.not_before == NOW + timedelta(hours=2)
    assert "  its site wishes not to be asked before 2026-03-01T14:00:00Z" in lines
    assert reports.build_lines(build(settings, now=NOW + timedelta(hours=1)), shown=10) == [
        "blog: not asked: its site wishes to be left alone until 2026-03-01T14:00:00Z",
        "nothing to write: every file is as it should be",
    ]
    site, lines = site_of(settings, now=NOW + timedelta(hours=2))
    assert site.not_before is None
    assert [line for line in lines if "wishes" in line] == []


def test_status_tells_which_feed_a_page_names(upstream: Upstream, tmp_path: Path) -> None:
    """That is the one that is asked from then on."""
    page = "<!doctype html><title>Blog</title><link rel=alternate type=application/rss+xml href=/feed>"
    upstream.answers |= {"/feed": GOOD, "/": (200, {"Content-Type": "text/html"}, page)}
    settings = upstream.settings(tmp_path, "/")
    build(settings)
    site, lines = site_of(settings, now=NOW)
    feed = upstream.address("/feed")
    assert (site.address, site.asked_at, site.found) == (upstream.address("/"), feed, feed)
    assert lines[1:3] == [
        f"  address {upstream.address('/')}",
        f"  its page names the feed {feed}",
    ]


def test_status_tells_where_a_source_has_moved(upstream: Upstream, tmp_path: Path) -> None:
    """First as what it says; once that has held for a while, as what it is."""
    upstream.answers |= {"/new": GOOD, "/feed": (301, {"Location": "/new"}, "")}
    settings = upstream.settings(tmp_path)
    new = upstream.address("/new")
    build(settings)
    site, lines = site_of(settings, now=NOW)
    assert (site.asked_at, site.moved_to) == (upstream.address("/feed"), new)
    assert lines[3] == f"  has moved, it says, to {new}; once it has said so for a day, that is asked instead"
    for hours in (12, 24):
        build(settings, now=NOW + timedelta(hours=hours))
    site, lines = site_of(settings, now=NOW + timedelta(hours=24))
    assert (site.asked_at, site.moved_to) == (new, new)
    assert lines[3] == f"  has moved for good to {new}"


def test_status_tells_that_a_source_is_gone(upstream: Upstream, tmp_path: Path) -> None:
    """Since when, and what to do if it is back."""
    upstream.answers["/feed"] = (410, {}, "")
    settings = upstream.settings(tmp_path)
    build(settings)
    later = NOW + timedelta(hours=1)
    assert not build(settings, now=later).failed
    found = inspection.status(settings, now=later)
    values = reports.status_values(found)["sources"][0]["site"]
    assert (values["gone_since"], values["not_before"], values["unchanged"]) == ("2026-03-01T12:00:00Z", None, None)
    lines = reports.status_lines(found, shown=10)
    assert "  gone for good since 2026-03-01T12:00:00Z, its site says; it is not asked any more" in lines
    assert 'feedbridge build --accept "blog"' in "\n".join(lines)


def test_what_is_known_of_another_address_is_not_told(upstream: Upstream, tmp_path: Path) -> None:
    """Once the settings name a new one, what the old one said counts no more."""
    upstream.answers |= {"/new": GOOD, "/feed": (301, {"Location": "/new"}, "")}
    build(upstream.settings(tmp_path))
    site, _ = site_of(upstream.settings(tmp_path, "/other"), now=NOW)
    assert (site.address, site.asked_at, site.moved_to) == (*2 * (upstream.address("/other"),), None)


def test_a_feed_that_is_read_anew_counts_its_articles(upstream: Upstream, tmp_path: Path) -> None:
    """Though its site is not asked."""
    upstream.answers["/feed"] = GOOD
    settings = upstream.settings(tmp_path)
    build(settings)
    upstream.answers.clear()
    done = pipeline.build(settings, now=NOW, progress=lambda *_: None, reread=["blog"])
    line = "blog: read anew from what is kept; its site was not asked (2 articles made anew, 0 changed)"
    assert reports.build_lines(done, shown=10)[0] == line


def test_status_tells_of_a_source_that_fell_silent(folder: Path) -> None:
    """One that brought an article each hour, and then nothing for a week."""
    for number in range(8):
        hour = f"{number:02}:00:00"
        text = article(f"https://news.example.org/h/{number}.html").replace(
            "28 Feb 2026 09:00:00", f"27 Feb 2026 {hour}"
        )
        save(folder / f"h{number}.md", text.replace("Sat,", "Fri,"))
    settings = settings_of(folder)
    build(settings)
    assert not inspection.status(settings, now=NOW + timedelta(days=14)).sources[0].silent, "an old archive is no habit"
    save(folder / "later.md", article("https://news.example.org/h/later.html").replace("28 Feb 2026", "27 Feb 2026"))
    pipeline.build(settings, now=NOW + timedelta(hours=1), progress=lambda _: None)
    silences = [inspection.status(settings, now=NOW + timedelta(days=days)).sources[0].silent for days in (0, 14)]
    assert silences == [False, True]


def test_all_of_the_status_is_in_the_json_and_in_the_lines(folder: Path) -> None:
    """What a person is told, a machine may read."""
    now = NOW.replace(tzinfo=UTC)
    failed = polls.Poll(started_at=now, finished_at=now, error="is the folder mounted?")
    summary = polls.SourceSummary(
        name="example",
        articles=2000,
        new_in_a_day=3,
        newest=now - timedelta(hours=1),
        old_rules=4,
        last_success=now - timedelta(hours=2),
        last_error=failed,
        failures=6,
        next_poll_at=now + timedelta(hours=3),
        history=(now,),
        unusable=(("bad.md", "is empty"),),
    )
    feed = inspection.FeedStatus(
        name="news", title="News", entries=7, newest=now, address="http://127.0.0.1:8000/feeds/news.atom"
    )
    found = inspection.Status(
        sources=(inspection.SourceStatus(summary=summary, ailing=True, silent=True),), feeds=(feed,)
    )
    assert json.loads(json.dumps(reports.status_values(found))) == {
        "sources": [
            {
                "name": "example",
                "state": "ailing",
                "articles": 2000,
                "new_in_a_day": 3,
                "newest": "2026-03-01T11:00:00Z",
                "silent": True,
                "ailing": True,
                "failures": 6,
                "old_rules": 4,
                "last_success": "2026-03-01T10:00:00Z",
                "last_error": "is the folder mounted?",
                "last_error_at": "2026-03-01T12:00:00Z",
                "next_poll": "2026-03-01T15:00:00Z",
                "unusable": [{"file": "bad.md", "reason": "is empty"}],
                "site": None,
            }
        ],
        "work": None,
        "feeds": [
            {
                "name": "news",
                "title": "News",
                "entries": 7,
                "newest": "2026-03-01T12:00:00Z",
                "address": "http://127.0.0.1:8000/feeds/news.atom",
            }
        ],
    }
    told = "\n".join(reports.status_lines(found, shown=10))
    for words in (
        "2,000 articles, 3 new in a day, newest 2026-03-01T11:00:00Z",
        "silent for longer than is its habit",
        "last success 2026-03-01T10:00:00Z",
        "last error 2026-03-01T12:00:00Z: is the folder mounted?",
        "failed 6 times on end, ailing; its last good feeds stay up",
        "next poll 2026-03-01T15:00:00Z",
        "left out bad.md: is empty",
    ):
        assert words in told


# folders


def test_folders_that_cannot_be_read_are_named_with_the_reason(folder: Path) -> None:
    """No folder, or a file in its place."""
    reasons = {}
    for path in (folder, folder / "one.md", folder.parent / "away"):
        reasons[path.name] = [reason for _, reason in inspection.missing_folders(settings_of(path))]
    assert reasons == {
        "articles": [],
        "one.md": ["not a directory"],
        "away": ["no such file or directory"],
    }
