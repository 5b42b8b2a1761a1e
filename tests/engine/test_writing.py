"""A family of feeds is written alone, by one process at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from feedbridge import publishing
from feedbridge.errors import PublishError, StoreError
from feedbridge.store.database import Store
from feedbridge.store.postgresql import CONNECTIONS

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL, Site


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def write(site: "Site", name: str) -> tuple[list[str], int]:
    """Write one family; gives the files that are new, and how many statements it took."""
    report = publishing.Report()
    with Store(site.address, write=True) as store, counted() as sent:
        publishing.publish_family(store, site.settings(), name, now=site.now, report=report)
    assert report.errors == []
    return sorted(report.written), len(sent)


def furnish(site: "Site", *, values: int) -> None:
    site.options["robots"] = "index"
    site.feeds = [{"name": "news", "pages": "entries"}, {"name": "about", "by": "category", "archives": False}]
    for number in range(values):
        site.archive.write(number, tags=f"t{number}")
    site.build()


def test_one_family_is_written_and_no_other(site: "Site") -> None:
    """In the end, with the list of all feeds, the same bytes stand as if all were written at once, pages among them."""
    furnish(site, values=55)
    expected = site.published()
    site.forget_public()
    found = sorted(path for path in expected if path.startswith(("feeds/news", "entries/news/")))
    assert len(found) == 2 * 4 + 55
    assert write(site, "news")[0] == found
    assert len(write(site, "about")[0]) == 55 * 4
    assert write(site, "nonsense")[0] == []
    report = publishing.Report()
    with Store(site.address, write=True) as store:
        publishing.publish_indexes(store, site.settings(), report=report)
    assert sorted(report.written) == ["feeds.opml", "index.html", "robots.txt", "sitemap.xml"]
    assert report.removed == []
    assert site.published() == expected


def test_as_much_is_asked_for_a_hundred_feeds_as_for_ten(site: "Site", other_site: "Site") -> None:
    """Where nothing is due; what is due costs as much as it is."""
    furnish(site, values=10)
    furnish(other_site, values=100)
    few, many = write(site, "about"), write(other_site, "about")
    assert few == many == ([], few[1])
    assert few[1] <= 25


def test_feeds_that_are_no_more_lose_their_files_with_the_list(site: "Site") -> None:
    """And the settings' own order is that of the list."""
    furnish(site, values=3)
    site.feeds = [{"name": "news"}]
    write(site, "news")
    with Store(site.address, write=True) as store:
        publishing.let_go(store, site.settings(), now=site.now)
        report = publishing.Report()
        publishing.publish_indexes(store, site.settings(), report=report)
    assert len(report.removed) == 3 * 4 + 3
    assert sorted(site.published()) == [
        "feeds.opml",
        "feeds/news.atom",
        "feeds/news.html",
        "feeds/news.json",
        "feeds/news.rss",
        "index.html",
        "robots.txt",
        "sitemap.xml",
    ]


def test_what_nobody_wishes_to_keep_is_let_go(site: "Site") -> None:
    """But not before every feed had its chance to show it."""
    site.feeds = [{"name": "few", "keep": 1, "archives": False}, {"name": "news"}]
    site.archive.write_many(3)
    site.build()
    site.archive.write_many(1, start=3)
    site.build()
    with Store(site.address, write=True) as store:
        publishing.let_go(store, site.settings(), now=site.now + timedelta(hours=1))
    write(site, "few")
    assert [len(site.shown(name)) for name in ("few", "news")] == [1, 4]


def test_what_is_let_go_waits_for_others_and_takes_one_connection(remote: "Site") -> None:
    """However many families there are; one that somebody is writing is waited for."""
    remote.feeds = [{"name": f"few{number}", "keep": 1, "archives": False} for number in range(CONNECTIONS + 1)]
    remote.archive.write_many(3)
    remote.build()
    remote.archive.write_many(1, start=3)
    remote.build()
    with (
        Store(remote.address, write=True, shared=True) as one,
        Store(remote.address, write=True, shared=True) as other,
        ThreadPoolExecutor(1) as beside,
    ):
        with one.exclusively("feedbridge: few0"):
            letting_go = beside.submit(publishing.let_go, other, remote.settings(), now=remote.now)
            with pytest.raises(TimeoutError):
                letting_go.result(0.5)
        letting_go.result(20)
    assert remote.query("SELECT count(*) FROM articles WHERE removed_at IS NULL") == [(1,)]


def test_nothing_is_let_go_while_a_feed_is_held_back(site: "Site") -> None:
    """For not all is known yet that it shows: as in a build, not even its order is begun."""
    site.feeds = [{"name": "few", "keep": 1, "archives": False}]
    late = site.add_source("late")
    site.archive.write_many(3)
    site.build()
    site.forget_store()
    late.root.rename(late.root.with_name("away"))
    site.build()
    held = publishing.Report()
    with Store(site.address, write=True) as store:
        publishing.let_go(store, site.settings(), now=site.now)
        publishing.publish_family(store, site.settings(), "few", now=site.now, report=held)
    assert len(held.held) == 1
    assert site.query("SELECT count(*) FROM feed_entries") == [(0,)]


def test_two_processes_do_not_write_one_family(remote: "Site") -> None:
    """The second is told so, and tries again later; another family is its to write."""
    furnish(remote, values=1)
    settings, report = remote.settings(), publishing.Report()
    with (
        Store(remote.address, write=True, shared=True) as one,
        Store(remote.address, write=True, shared=True) as other,
    ):
        with one.exclusively("feedbridge: news") as check:
            assert check
            with pytest.raises(PublishError, match=r'feed "news": another process is writing it'):
                publishing.publish_family(other, settings, "news", now=remote.now, report=report)
            publishing.publish_family(other, settings, "about", now=remote.now, report=report)
        publishing.publish_family(other, settings, "news", now=remote.now, report=report)


def test_who_was_alone_notices_that_it_is_no_longer(remote: "Site", stopping: "PostgreSQL") -> None:
    """After a restart of the database others may write: what is written from then on is not put in place."""
    furnish(remote, values=3)

    class Written(list[str]):
        """Restarts the database when the first file is written."""

        def append(self, path: str) -> None:
            if not self:
                stopping.stop()
                stopping.start()
            super().append(path)

    report = publishing.Report(written=Written())
    remote.forget_public()
    with Store(remote.address, write=True, shared=True) as store:
        with pytest.raises(StoreError, match="the server was stopped or restarted meanwhile"):
            publishing.publish_family(store, remote.settings(), "about", now=remote.now, report=report)
        before = remote.published()
        assert len(before) == 4
        publishing.publish_family(store, remote.settings(), "about", now=remote.now, report=publishing.Report())
    assert len(remote.published()) == 3 * 4
    assert before.items() <= remote.published().items()
