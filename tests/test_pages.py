"""Pages for browsers, as they are published: which are written when, and which go."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bs4 import BeautifulSoup
from lxml import etree

from feedbridge.feeds import lint
from feedbridge.feeds.rendering import HTML
from feedbridge.pages.frame import entry_name

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site

FORMS = ("atom", "rss", "json", "html")


def documents(path: str) -> list[str]:
    """A document in each format."""
    return [f"{path}.{form}" for form in FORMS]


def page_of(site: "Site", number: int) -> str:
    """The path of the page of an article."""
    return f"entries/news/{entry_name(site.entry(f'/{number}.html').id)}"


def pages(site: "Site") -> dict[str, bytes]:
    """The published pages."""
    return {path: body for path, body in site.published().items() if path.endswith(".html")}


def text_of(body: bytes) -> str:
    return BeautifulSoup(body, "lxml").text


def links(site: "Site", path: str) -> set[str]:
    """Where a page leads to among the published files, relative to their folder."""
    soup = BeautifulSoup((site.public / path).read_bytes(), "lxml")
    found = [str(tag["href"]) for tag in soup.select("[href]") if not re.match(r"https?:|data:|#", str(tag["href"]))]
    return {str((site.public / path).parent.joinpath(one).resolve().relative_to(site.public)) for one in found}


@pytest.fixture
def with_entries(site: "Site") -> "Site":
    """A site whose feed has a page for each entry."""
    site.feeds[0]["pages"] = "entries"
    return site


def test_one_new_article_writes_what_shows_it(with_entries: "Site") -> None:
    """Its own page before what leads there, the feed, the lists of feeds; the pages of others stay."""
    site = with_entries
    site.archive.write_many(10)
    site.build()
    site.archive.write(10)
    written = site.build().published.written
    assert written == [page_of(site, 10), *documents("feeds/news"), "feeds.opml", "index.html"]


def test_an_edited_article_writes_what_shows_it(with_entries: "Site") -> None:
    """In the archive, its own page, its archive document and that document's page."""
    site = with_entries
    site.archive.write_many(160)
    site.build()
    site.archive.write(20, text="Quite another text.", marker=site.now)
    assert site.build().published.written == [page_of(site, 20), *documents("feeds/news/0001")]
    assert b"Quite another text." in (site.public / page_of(site, 20)).read_bytes()


def test_everything_is_reachable_and_whole(with_entries: "Site") -> None:
    """From the index over the pages of the feed and its archive to each entry, by links that lead somewhere."""
    site = with_entries
    site.archive.write_many(260)
    site.build()
    seen, coming = set[str](), {"index.html"}
    while coming:
        path = coming.pop()
        seen.add(path)
        if path.endswith(".html"):
            coming |= links(site, path) - seen
    assert seen == set(site.published()) - {path for path in site.published() if re.search(r"/\d{4}\.(?!html)", path)}
    assert len([path for path in seen if path.startswith("entries/")]) == 260
    assert [path for path, body in pages(site).items() if lint.lint(body, HTML)] == []


def test_each_entry_stands_on_one_page_of_the_feed(site: "Site") -> None:
    """As in the other formats."""
    site.feeds[0]["pages"] = "archives"
    site.archive.write_many(260)
    site.build()
    titles = [
        title.text
        for path, body in sorted(pages(site).items())
        if path.startswith("feeds/")
        for title in BeautifulSoup(body, "lxml").select(".entry h3")
    ]
    assert sorted(titles) == sorted(entry.title for entry in site.everything())
    assert not (site.public / "entries").exists()


def test_a_removed_article_has_no_page(with_entries: "Site") -> None:
    """And nothing leads there; the others stay as they are."""
    site = with_entries
    site.archive.write_many(10)
    site.build()
    gone, before = page_of(site, 4), site.published()
    done = site.remove(site.archive.link(4))
    assert done.published.removed == [gone]
    assert gone not in site.published()
    assert site.build().published.written == []
    assert {path for path, body in site.published().items() if before[path] != body} >= set(documents("feeds/news"))
    assert not any(entry_name(gone).encode() in body for body in pages(site).values())


def test_dropped_entries_have_no_pages(with_entries: "Site") -> None:
    """What `keep` lets go."""
    site = with_entries
    site.feeds[0] |= {"archives": False, "keep": 5}
    site.archive.write_many(8)
    site.build()
    assert len(list((site.public / "entries/news").iterdir())) == 5
    site.archive.write(8)
    site.build()
    assert len(list((site.public / "entries/news").iterdir())) == 5
    assert b"</html>" in (site.public / page_of(site, 8)).read_bytes()


@pytest.mark.parametrize("harm", ["gone", "cut", "empty"])
def test_a_harmed_page_is_repaired(with_entries: "Site", harm: str) -> None:
    """That one alone, and with the same bytes."""
    site = with_entries
    site.archive.write_many(10)
    site.build()
    before, path = site.published(), page_of(site, 3)
    match harm:
        case "gone":
            (site.public / path).unlink()
        case "cut":
            (site.public / path).write_bytes(before[path][:-1])
        case _:
            (site.public / path).write_bytes(b"")
    assert site.build().published.written == [path]
    assert site.published() == before


def test_pages_come_and_go_with_the_settings(site: "Site") -> None:
    """Each step has what stands before it; the feeds stay as they are throughout."""
    site.archive.write_many(120)
    found: dict[object, set[str]] = {}
    feeds = set[bytes]()
    for wish in ("entries", "none", "archives", False, "feed", "entries"):
        site.options["pages"] = wish is not False
        site.feeds[0]["pages"] = wish or "entries"
        assert site.build().published.errors == []
        found[wish] = set(pages(site))
        feeds.add(b"".join(body for path, body in sorted(site.published().items()) if not path.endswith(".html")))
    assert len(feeds) == 1
    assert (found[False], found["none"], found["feed"]) == (set(), {"index.html"}, {"index.html", "feeds/news.html"})
    assert found["archives"] == {*found["feed"], "feeds/news/0001.html"}
    assert len(found["entries"] - found["archives"]) == 120
    site.feeds[0]["name"] = "latest"
    site.build()
    assert {path.partition("/")[2].partition("/")[0] for path in pages(site) if path.startswith("entries/")} == {
        "latest"
    }


def test_a_site_without_pages_is_served(site: "Site", start: "Callable[..., Daemon]") -> None:
    """There is no index then; the feeds are enough."""
    site.options["pages"] = False
    site.archive.write_many(3)
    site.build()
    daemon = start(site, "serve").ready()
    assert (daemon.get("/").status_code, daemon.get("/feeds/news.atom").status_code) == (404, 200)


def test_an_empty_store_gives_the_same_pages(with_entries: "Site") -> None:
    """From an empty output folder, too."""
    site = with_entries
    site.archive.write_many(120)
    site.build()
    before = site.published()
    site.forget_store()
    assert site.build().published.written == []
    assert site.published() == before
    site.forget_public()
    site.build()
    assert site.published() == before


def test_an_article_of_two_sources_has_one_page(with_entries: "Site") -> None:
    """That of the source that is named first; when that changes, the page does."""
    site = with_entries
    site.archive.write(1, text="From voa.")
    site.add_source("rfa").write(1, text="From rfa.")
    for order in (["voa", "rfa"], ["rfa", "voa"]):
        site.feeds[0]["sources"] = order
        site.build()
        assert f"From {order[0]}." in text_of((site.public / page_of(site, 1)).read_bytes())
        assert len(list((site.public / "entries/news").iterdir())) == 1


def test_feeds_by_category_have_pages_of_their_own(with_entries: "Site") -> None:
    """In folders that are named as the feeds; one that is empty goes with its pages."""
    site = with_entries
    site.feeds[0]["by"] = "category"
    site.archive.write(1, tags="a, b")
    site.archive.write(2, tags="b")
    site.build()
    folders = sorted((site.public / "entries").iterdir())
    assert [len(list(folder.iterdir())) for folder in folders] == [1, 2]
    site.remove(site.archive.link(1))
    assert sorted((site.public / "entries").iterdir()) == folders[1:]
    assert [len(list(folder.iterdir())) for folder in folders[1:]] == [1]


def test_a_page_is_written_again_when_its_pictures_move(with_entries: "Site") -> None:
    """It does not wait for them: it shows the first address of the chain until that is known to be dead."""
    site = with_entries
    site.options["images"] = ["http://127.0.0.1:9/?u=${href_ue}", "origin"]
    site.archive.write_many(6)
    site.build()
    assert b'<img src="https://pictures.example/5.jpg"' in (site.public / page_of(site, 5)).read_bytes()


def test_the_daemon_writes_pages_and_serves_them(with_entries: "Site", start: "Callable[..., Daemon]") -> None:
    """What is new stands on them as soon as in the feeds; they go out with their policy, and may be kept as long."""
    site = with_entries
    site.archive.write_many(3)
    daemon = start(site).ready("/feeds/news.html")
    daemon.wait(lambda: site.archive.title(2) in daemon.get("/feeds/news.html").text)
    site.archive.write(3)
    daemon.wait(lambda: site.archive.title(3) in daemon.get("/index.html").text)
    page, entry = daemon.get("/feeds/news.html"), daemon.get(f"/{page_of(site, 3)}")
    assert site.archive.title(3) in text_of(page.content)
    assert site.archive.title(3) in text_of(entry.content)
    for answer in (page, entry):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["content-security-policy"].endswith("; frame-ancestors 'none'")
    assert page.headers["cache-control"] == daemon.get("/feeds/news.atom").headers["cache-control"]


# The look


def test_a_changed_template_rewrites_pages_alone(with_entries: "Site", tmp_path: Path) -> None:
    """The feeds have not changed."""
    site = with_entries
    site.archive.write_many(3)
    theme = tmp_path / "theme"
    theme.mkdir()
    site.options["theme"] = str(theme)
    site.build()
    (theme / "entry.html").write_text("{% extends 'base.html' %}{% block body %}<p>{{ entry.title }}{% endblock %}")
    assert sorted(site.build().published.written) == sorted(page_of(site, number) for number in range(3))
    (theme / "item.html").write_text("<li>{{ entry.title }}</li>")
    assert site.build().published.written == ["feeds/news.html"]
    (theme / "style.css").write_text("p { margin: 0 }")
    assert set(site.build().published.written) == set(pages(site))


def test_a_build_that_would_find_nothing_looks_at_the_theme_too(with_entries: "Site", tmp_path: Path) -> None:
    """And at the pages of entries; else it would end before it had seen that they are to be written."""
    site = with_entries
    site.archive.write_many(3)
    theme = tmp_path / "theme"
    theme.mkdir()
    site.options["theme"] = str(theme)
    assert "3 new" in site.run("build").stdout
    assert "nothing to write" in site.run("build").stdout
    (theme / "item.html").write_text("<li>{{ entry.title }}</li>")
    assert "1 file written" in site.run("build").stdout
    assert "nothing to write" in site.run("build").stdout
    (theme / "item.html").write_text("<li>{{ entry.summary }}</li>")
    assert "1 file written" in site.run("build").stdout
    assert "nothing to write" in site.run("build").stdout
    (site.public / page_of(site, 1)).unlink()
    assert f"  {page_of(site, 1)}\n" in site.run("build").stdout


def test_a_broken_template_costs_pages_alone(with_entries: "Site", tmp_path: Path) -> None:
    """It is named, the feeds are written, and what stands of the pages stays until it is mended."""
    site = with_entries
    site.archive.write_many(3)
    theme = tmp_path / "theme"
    theme.mkdir()
    site.options["theme"] = str(theme)
    site.build()
    before = pages(site)
    (theme / "base.html").write_text("{% block head %}{{ nothing }}")
    site.archive.write(3)
    done = site.build().published
    assert {error.partition(" cannot")[0] for error in done.errors} == {"the template base.html, line 1"}
    assert sorted(done.written) == sorted([*documents("feeds/news")[:3], "feeds.opml"])
    assert pages(site) == before
    (theme / "base.html").unlink()
    done = site.build().published
    assert (done.errors, sorted(done.written)) == ([], sorted([page_of(site, 3), "feeds/news.html", "index.html"]))


def test_the_index_tells_how_often_something_comes(site: "Site") -> None:
    """By the newest entries, one an hour here; with one entry nothing is told."""
    site.archive.write(0)
    site.build()
    index = site.public / "index.html"
    assert "entries a" not in index.read_text(encoding="utf-8")
    site.archive.write_many(30, start=1)
    site.build()
    assert "about 20 entries a day" in index.read_text(encoding="utf-8")
    assert site.entry("/30.html").title in text_of(index.read_bytes())


# Search engines


def test_search_engines_are_invited_if_the_owner_wishes(with_entries: "Site") -> None:
    """By a sitemap of the pages that lead to all others, and robots.txt; and are turned away otherwise."""
    site = with_entries
    site.archive.write_many(60)
    site.build()
    assert not {"sitemap.xml", "robots.txt"} & set(site.published())
    assert all(b'<meta name="robots" content="noindex">' in body for body in pages(site).values())
    site.options["robots"] = "index"
    site.build()
    base = site.settings().site.base_url
    tree = etree.fromstring((site.public / "sitemap.xml").read_bytes())
    assert [one.text for one in tree.iter("{*}loc")] == [
        base,
        f"{base}feeds/news.html",
        f"{base}feeds/news/0001.html",
    ]
    assert f"Sitemap: {base}sitemap.xml\n" in (site.public / "robots.txt").read_text()
    assert not any(b'name="robots"' in body for body in pages(site).values())
    site.archive.write(60)
    assert "sitemap.xml" not in site.build().published.written
    site.options["robots"] = "noindex"
    assert site.build().published.removed == ["robots.txt", "sitemap.xml"]


def test_a_robots_txt_of_ones_own_stays(site: "Site") -> None:
    """It is for the owner to say; and not told again and again."""
    site.options["robots"] = "index"
    site.public.mkdir(parents=True)
    (site.public / "robots.txt").write_text("User-agent: *\nDisallow: /\n")
    done = site.build().published
    assert "sitemap.xml" in done.written
    assert (site.public / "robots.txt").read_text() == "User-agent: *\nDisallow: /\n"
    assert done.held == site.build().published.held == []


@pytest.mark.parametrize(("base_url", "there"), [("https://x.example/", True), ("https://x.example/news/", False)])
def test_robots_txt_is_written_where_it_is_looked_for(site: "Site", base_url: str, there: bool) -> None:
    """At the root of a host alone (RFC 9309 section 2.3)."""
    site.options |= {"robots": "index", "base_url": base_url}
    site.build()
    assert ((site.public / "robots.txt").exists(), (site.public / "sitemap.xml").exists()) == (there, True)
