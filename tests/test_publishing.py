"""From the store to the files."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from feedbridge.feeds import lint, rendering
from feedbridge.feeds.checks import Problem
from feedbridge.intake import file_slug
from feedbridge.model import Article, Category
from feedbridge.publish import files
from feedbridge.store import articles, polls
from feedbridge.store import feeds as rows
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store

if TYPE_CHECKING:
    from tests.conftest import Site

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASE = "http://127.0.0.1:8000/"
ATOM = "{http://www.w3.org/2005/Atom}"


def atom_links(site: "Site", path: str) -> dict[str, str]:
    root = etree.fromstring((site.public / path).read_bytes())
    return {str(link.get("rel")): str(link.get("href")) for link in root.findall(f"{ATOM}link")}


def ids(site: "Site", feed: str = "news", number: int = 0) -> list[str]:
    return [entry.id for entry in site.shown(feed, number)]


def numbers(site: "Site", feed: str = "news", number: int = 0) -> list[int]:
    """The numbers of the generated articles in a document."""
    return [int((entry.link or "").rsplit("/", 1)[-1].partition(".")[0]) for entry in site.shown(feed, number)]


def full_documents(site: "Site") -> dict[str, bytes]:
    """The archive documents that hold a hundred entries, in all formats."""
    full = [number for number in site.archived() if len(site.shown("news", number)) == 100]
    return {path: body for path, body in site.published().items() if path[11:15] in {f"{one:04}" for one in full}}


def put_into_store(site: "Site", *kept: Kept) -> None:
    """Articles that no source could make, straight into the store of a site that was built before."""
    with Store(site.address, write=True) as store, store.transaction() as connection:
        source = polls.source_state(connection, "voa")
        articles.add(connection, source.row, kept)


def made(site: "Site", number: int, **fields: Any) -> Kept:
    date = site.now - timedelta(days=1, minutes=number)
    values: dict[str, Any] = {
        "id": f"urn:example:{number}",
        "title": f"Title {number}",
        "link": f"https://news.example/{number}",
        "content": "<p>Text</p>",
        "published": date,
        "updated": date,
        **fields,
    }
    article = Article(source="voa", first_seen=site.now, changed=site.now, content_hash="1:00", **values)
    return Kept(article=article, normaliser=1)


# Documents


def test_every_article_stands_once(site: "Site") -> None:
    """The newest 50 are in the subscription document, the others in archive documents of 100, oldest first."""
    site.archive.write_many(373)
    site.build()
    assert numbers(site) == list(range(372, 322, -1))
    assert site.archived() == [1, 2, 3, 4]
    documents = [numbers(site, "news", number) for number in site.archived()]
    assert documents == [
        list(range(99, -1, -1)),
        list(range(199, 99, -1)),
        list(range(299, 199, -1)),
        list(range(322, 299, -1)),
    ]


def test_all_formats_hold_the_same_entries(site: "Site") -> None:
    """Atom, RSS and JSON Feed say the same ids in the same order, in every document."""
    site.archive.write_many(160)
    site.build()
    for stem in ("feeds/news", "feeds/news/0001", "feeds/news/0002"):
        atom = etree.fromstring((site.public / f"{stem}.atom").read_bytes())
        rss = etree.fromstring((site.public / f"{stem}.rss").read_bytes())
        found = json.loads((site.public / f"{stem}.json").read_bytes())
        expected = [item["id"] for item in found["items"]]
        assert [str(entry.findtext(f"{ATOM}id")) for entry in atom.iter(f"{ATOM}entry")] == expected
        assert [item.findtext("guid") for item in rss.iter("item")] == expected


@pytest.mark.parametrize("count", [10, 51, 150, 151, 250, 260])
def test_documents_lead_to_one_another(site: "Site", count: int) -> None:
    """From the subscription document every archive document is reached backwards, and from the first the last
    forwards; each link resolves to a file that exists."""
    site.archive.write_many(count)
    site.build()
    chain = ["feeds/news.atom"]
    while previous := atom_links(site, chain[-1]).get("prev-archive"):
        path = previous.removeprefix(BASE)
        links = atom_links(site, path)
        assert links["self"] == previous
        assert links["current"] == f"{BASE}feeds/news.atom"
        following = links.get("next-archive")
        assert following == (BASE + chain[-1] if len(chain) > 1 else None)
        chain.append(path)
    assert chain[1:] == [f"feeds/news/{number:04}.atom" for number in reversed(site.archived())]
    assert atom_links(site, "feeds/news.atom")["self"] == f"{BASE}feeds/news.atom"
    assert sum(len(etree.fromstring((site.public / p).read_bytes()).findall(f"{ATOM}entry")) for p in chain) == count


def test_every_published_file_passes_the_lint(site: "Site") -> None:
    """What stands in the output folder is valid, index and list too."""
    site.archive.write_many(160)
    site.build()
    types = {
        "atom": rendering.ATOM,
        "rss": rendering.RSS,
        "json": rendering.JSON_FEED,
        "opml": rendering.OPML,
        "html": rendering.HTML,
    }
    published = site.published()
    assert len(published) == 3 + 3 * 3
    for path, body in published.items():
        assert lint.lint(body, types[path.rpartition(".")[2]], not_after=site.now) == ()


def test_second_build_writes_nothing(site: "Site") -> None:
    """Where nothing changed no file is touched."""
    site.archive.write_many(160)
    assert len(site.build().published.written) == 12
    before = site.published(), site.stamps()
    done = site.build()
    assert (done.published.written, done.published.removed, done.failed) == ([], [], False)
    assert (site.published(), site.stamps()) == before


def test_empty_store_gives_the_same_bytes(site: "Site") -> None:
    """From an empty store, and from an empty output folder, the same ids and bytes come again."""
    site.archive.write_many(260)
    site.archive.write(300, name="0.md", link=site.archive.link(7))
    site.build()
    before = site.published()
    site.forget_store()
    assert site.build().published.written == []
    assert site.published() == before
    site.forget_public()
    site.build()
    assert site.published() == before


def test_order_of_the_files_does_not_matter(site: "Site", other_site: "Site") -> None:
    """The same articles in files of other names give the same bytes."""
    order = random.Random(7).sample(range(260), 260)
    for number in range(260):
        site.archive.write(number)
        other_site.archive.write(number, name=f"a/{order[number]}.md")
    site.build()
    other_site.build()
    assert site.published() == other_site.published()


@pytest.mark.parametrize(
    "path", ["feeds/news.rss", "feeds/news.html", "feeds/news/0001.atom", "feeds.opml", "index.html"]
)
@pytest.mark.parametrize("harm", ["gone", "cut", "longer", "link", "empty"])
def test_harmed_file_is_repaired(site: "Site", path: str, harm: str) -> None:
    """A file that is gone, or whose size is not what we wrote, is written again, and only that one."""
    site.archive.write_many(160)
    site.build()
    before = site.published()
    target = site.public / path
    match harm:
        case "gone" | "link":
            target.unlink()
        case "cut":
            target.write_bytes(before[path][:-1])
        case "longer":
            target.write_bytes(before[path] + b" ")
        case _:
            target.write_bytes(b"")
    if harm == "link":
        target.symlink_to("nowhere")
    done = site.build()
    assert (done.published.written, done.failed) == ([path], False)
    assert site.published() == before
    assert not target.is_symlink()


def test_folder_in_place_of_a_document_harms_only_that(site: "Site") -> None:
    """Where a folder stands in a document's place, it is told; all else is published, and later it too."""
    site.archive.write_many(160)
    site.build()
    before = site.published()
    target = site.public / "feeds/news.atom"
    target.unlink()
    target.mkdir()
    site.archive.write(200)
    done = site.build()
    assert done.failed
    (told,) = done.published.errors
    assert "feeds/news.atom: cannot be written" in told
    assert 200 in numbers(site)
    target.rmdir()
    assert site.build().published.written == ["feeds/news.atom"]
    assert site.published().keys() == before.keys()


# What changes


def test_edit_rewrites_only_the_documents_that_hold_it(site: "Site") -> None:
    """An article in the middle of the archive costs its document in each format; the list knows no texts."""
    site.archive.write_many(260)
    site.build()
    site.archive.write(120, text="Quite another text.", marker=site.now)
    done = site.build()
    assert sorted(done.published.written) == [f"feeds/news/0002.{form}" for form in ("atom", "json", "rss")]
    site.archive.write(255, text="Quite another text.", marker=site.now)
    forms = ("atom", "html", "json", "rss")
    assert sorted(site.build().published.written) == [f"feeds/news.{form}" for form in forms]


def test_new_article_goes_on_top_and_pushes_one_out(site: "Site") -> None:
    """The subscription document stays at 50; what leaves it is the newest in the archive."""
    site.archive.write_many(120)
    site.build()
    site.archive.write(120)
    site.build()
    assert numbers(site) == list(range(120, 70, -1))
    assert numbers(site, "news", 1) == list(range(70, -1, -1))


def test_full_archive_documents_never_change(site: "Site") -> None:
    """However many articles come, and also where a document had just been filled, a full one keeps its bytes."""
    site.archive.write_many(150)
    site.build()
    assert [len(site.shown("news", number)) for number in site.archived()] == [100, 0]
    kept = full_documents(site)
    assert len(kept) == 3
    start = 150
    for count in (1, 99, 100, 49, 51, 230):
        site.archive.write_many(count, start=start)
        start += count
        site.build()
        now = full_documents(site)
        assert {path: now[path] for path in kept} == kept
        kept = now
        assert sorted(n for number in (0, *site.archived()) for n in numbers(site, "news", number)) == [*range(start)]
    assert len(kept) == 6 * 3


def test_late_found_article_reaches_the_subscribers(site: "Site") -> None:
    """An old article that turns up later goes on top, with its own date, and never moves again."""
    site.archive.write_many(160, start=1000)
    site.build()
    site.archive.write(3)
    site.build()
    assert numbers(site)[0] == 3
    assert site.entry("/3.html").published == "2024-01-01T09:00:00Z"
    order = site.order()
    site.archive.write(3, title="Edited", marker=site.now)
    site.archive.write_many(80, start=2000)
    site.build()
    after = site.order()
    assert {uid: after[uid] for uid in order} == order


def test_backfill_does_not_flood_the_subscribers(site: "Site") -> None:
    """Many old articles at once go into the archive by their dates; the subscription document keeps its own."""
    site.archive.write_many(160, start=1000)
    site.build()
    before = ids(site)
    site.archive.write_many(26)
    site.build()
    assert ids(site) == before
    assert len(site.everything()) == 186


def test_few_old_articles_are_no_backfill(site: "Site") -> None:
    """Up to half a subscription document they all go on top."""
    site.archive.write_many(160, start=1000)
    site.build()
    site.archive.write_many(25)
    site.build()
    assert sorted(numbers(site)[:25]) == list(range(25))


def test_removed_article_leaves_its_neighbours_in_place(site: "Site") -> None:
    """A tombstone takes one entry out of its document; the other members of all documents stay."""
    site.archive.write_many(260)
    site.build()
    before = {number: ids(site, "news", number) for number in (0, 1, 2, 3)}
    gone = site.archive.link(150)
    done = site.remove(gone)
    assert sorted(done.published.written) == [f"feeds/news/0002.{form}" for form in ("atom", "json", "rss")]
    site.archive.write_many(30, start=300)
    site.build()
    after = {number: ids(site, "news", number) for number in (1, 2)}
    (missing,) = set(before[2]) - set(after[2])
    assert after == {1: before[1], 2: [uid for uid in before[2] if uid != missing]}


# What a feed selects and how it looks


def test_limit_and_bytes_bound_the_subscription_document(site: "Site") -> None:
    """What does not fit is in the archive: nothing is lost by a smaller document."""
    site.feeds[0] |= {"limit": 7}
    site.archive.write_many(30)
    site.build()
    assert numbers(site) == list(range(29, 22, -1))
    assert len(site.everything()) == 30


@pytest.mark.parametrize("letter", ["字", "a", "\\", "\t|", "&amp;", "&lt;", '"', "'", "\n|", "😀", "<b>x</b>"])
def test_subscription_documents_stay_within_max_bytes(site: "Site", letter: str) -> None:
    """Whatever letters the articles hold and however long the feed's own words are, no format is larger, and
    a fair part of the room is used."""
    words = "名" * 500
    site.feeds[0] |= {"max_bytes": 60_000, "title": words, "subtitle": words, "rights": words, "author": words}
    body = f"<pre>{letter * (9000 // len(letter.encode()))}</pre>"
    site.archive.write_many(40, body=body, tags="一, 二, 三", author="作者")
    site.build()
    sizes = {form: len(site.published()[f"feeds/news.{form}"]) for form in ("atom", "rss", "json")}
    assert max(sizes.values()) <= 60_000
    assert len(site.shown()) >= 1
    assert len(site.everything()) == 40


def test_one_article_larger_than_the_document_is_shown_alone(site: "Site") -> None:
    """The newest article is always in the subscription document."""
    site.feeds[0] |= {"max_bytes": 10_000}
    site.archive.write_many(5, body=f"<p>{'字' * 20_000}</p>")
    site.build()
    assert numbers(site) == [4]


def test_raised_limit_shows_older_ones_again_at_once(site: "Site") -> None:
    """Archived entries come back into the subscription document and stay in the archive as well."""
    site.feeds[0] |= {"limit": 20}
    site.archive.write_many(200)
    site.build()
    archive = {number: ids(site, "news", number) for number in site.archived()}
    site.feeds[0] |= {"limit": 60}
    site.build()
    assert numbers(site) == list(range(199, 139, -1))
    assert {number: ids(site, "news", number) for number in site.archived()} == archive
    site.archive.write(200)
    site.build()
    assert numbers(site) == list(range(200, 140, -1))
    site.feeds[0] |= {"limit": 10}
    site.build()
    assert numbers(site) == list(range(200, 190, -1))
    assert len({entry.id for entry in site.everything()}) == 201


def test_an_archived_article_that_is_shown_again_is_up_to_date_everywhere(site: "Site") -> None:
    """Edited or removed, it is so in the subscription document as in the archive."""
    site.feeds[0] |= {"limit": 20}
    site.archive.write_many(120)
    site.build()
    site.feeds[0] |= {"limit": 60}
    site.build()
    site.archive.write(70, text="Quite another text.", marker=site.now)
    site.build()
    texts = [entry.content for number in (0, 1) for entry in site.shown("news", number) if "/70." in (entry.link or "")]
    assert len(texts) == 2
    assert all("Quite another text." in text for text in texts)
    site.remove(site.archive.link(70))
    assert 70 not in numbers(site) + numbers(site, "news", 1)


def test_raised_max_bytes_shows_older_ones_again_at_once(site: "Site") -> None:
    """Room is used as soon as there is some."""
    site.feeds[0] |= {"max_bytes": 30_000}
    site.archive.write_many(60, body=f"<p>{'字' * 1000}</p>")
    site.build()
    few = len(site.shown())
    assert 2 <= few < 10
    site.feeds[0] |= {"max_bytes": 2**20}
    site.build()
    assert numbers(site) == list(range(59, 9, -1))


def test_without_archives_older_entries_have_no_file(site: "Site") -> None:
    """Turned off, the archive's files and links go; turned on again, everything is reachable again."""
    site.archive.write_many(260)
    site.build()
    before = site.published()
    site.feeds[0] |= {"archives": False}
    site.build()
    assert sorted(site.published()) == [
        "feeds.opml",
        "feeds/news.atom",
        "feeds/news.html",
        "feeds/news.json",
        "feeds/news.rss",
        "index.html",
    ]
    assert "prev-archive" not in atom_links(site, "feeds/news.atom")
    assert not (site.public / "feeds/news").exists()
    site.archive.write_many(120, start=300)
    site.build()
    assert site.archived() == []
    site.feeds[0] |= {"archives": True}
    site.build()
    assert sorted(n for number in (0, *site.archived()) for n in numbers(site, "news", number)) == [
        *range(260),
        *range(300, 420),
    ]
    after = site.published()
    assert {p: after[p] for p in before if "/0001." in p} == {p: b for p, b in before.items() if "/0001." in p}


def test_format_that_is_wanted_no_more_goes(site: "Site") -> None:
    """Its files are removed, those of the others stay."""
    site.archive.write_many(60)
    site.build()
    before = site.published()
    site.feeds[0] |= {"formats": ["rss"]}
    done = site.build()
    assert sorted(done.published.removed) == [
        f"feeds/news{part}.{form}" for part in ("", "/0001") for form in ("atom", "json")
    ]
    assert {path: body for path, body in site.published().items() if path.endswith(".rss")} == {
        path: body for path, body in before.items() if path.endswith(".rss")
    }
    site.feeds[0] |= {"formats": ["atom", "rss", "json"]}
    site.build()
    assert site.published() == before


def test_renamed_feed_leaves_no_old_files(site: "Site") -> None:
    """The old files go, the new ones hold the same articles."""
    site.archive.write_many(160)
    site.build()
    before = ids(site)
    site.feeds[0]["name"] = "latest"
    done = site.build()
    assert len(done.published.removed) == 10
    assert not [path for path in site.published() if "news" in path]
    assert ids(site, "latest") == before
    assert not (site.public / "feeds" / "news").exists()


def test_file_that_a_person_has_changed_is_not_removed(site: "Site") -> None:
    """Only what we wrote ourselves is ever removed."""
    site.archive.write_many(160)
    site.build()
    (site.public / "feeds" / "mine.atom").write_text("mine")
    (site.public / "feeds" / "news.atom").write_text("changed")
    (site.public / "feeds" / "news" / "0001.rss").write_text("changed")
    site.feeds[0]["name"] = "latest"
    site.build()
    left = {path: body for path, body in site.published().items() if "latest" not in path}
    assert sorted(left) == ["feeds.opml", "feeds/mine.atom", "feeds/news.atom", "feeds/news/0001.rss", "index.html"]
    assert left["feeds/news.atom"] == left["feeds/news/0001.rss"] == b"changed"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", "新名"),
        ("subtitle", "x"),
        ("language", "zh-Hans"),
        ("author", "作者"),
        ("rights", "©"),
        ("link", "http://x/"),
    ],
)
def test_new_look_rewrites_the_documents_without_reading(site: "Site", key: str, value: str) -> None:
    """A setting of the feed alone rewrites its documents, entries as they were, and reads no file."""
    site.archive.write_many(160)
    site.build()
    before = site.everything()
    site.feeds[0][key] = value
    done = site.build()
    assert done.tallies[0].read == 0
    assert value.encode() in site.published()["feeds/news.atom"]
    assert value.encode() in site.published()["feeds/news/0001.atom"]
    assert site.everything() == before


def test_id_from_the_settings_is_the_feeds(site: "Site") -> None:
    """A given id stands in all documents; one that is made is the same again."""
    site.archive.write_many(60)
    site.build()

    def feed_ids() -> set[str | None]:
        found = [path for path in site.published() if path.endswith(".atom")]
        return {etree.fromstring(site.published()[path]).findtext(f"{ATOM}id") for path in found}

    (one,) = feed_ids()
    site.feeds[0]["id"] = "tag:example.org,2026:news"
    site.build()
    assert feed_ids() == {"tag:example.org,2026:news"}
    del site.feeds[0]["id"]
    site.build()
    assert feed_ids() == {one}


# Families


def test_feed_for_each_category(site: "Site") -> None:
    """Each category has a feed whose file is named in ASCII; values that look like paths are only values."""
    values = ["亚洲 新闻", "../../x", ".", "..", "/etc/passwd", "A/B", "a-b", "con", "x" * 300, "亚洲"]
    for number, value in enumerate(values):
        site.archive.write(number, tags=f'"{value}"')
    site.archive.write(50, tags="亚洲, 欧洲")
    site.archive.write(51, front=False)
    site.feeds[0]["by"] = "category"
    site.build()
    names = {path for path in site.published() if path.startswith("feeds/") and path.count("/") == 1}
    expected = {
        f"feeds/news-{file_slug(value)}.{form}"
        for value in [*values, "欧洲"]
        for form in ("atom", "rss", "json", "html")
    }
    assert names == expected
    assert all(len(name) < 80 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-./") for name in names)
    assert numbers(site, f"news-{file_slug('亚洲')}") == [50, 9]
    assert numbers(site, f"news-{file_slug('欧洲')}") == [50]
    assert {path.name for path in site.folder.iterdir()} - {"var"} == {"public", "voa"}


def test_slug_is_safe_and_tells_values_apart() -> None:
    """ASCII letters, digits and hyphens; values that differ only in what a file name cannot hold differ."""
    assert file_slug("Asia & Pacific") == "asia-pacific-" + file_slug("Asia & Pacific")[-8:]
    assert len({file_slug(value) for value in ("a b", "a-b", "A B", "a/b", "a.b", "")}) == 6
    assert len(file_slug("亚洲")) == 8


def test_feeds_by_author_and_by_source(site: "Site") -> None:
    """An article stands in the feed of each of its authors, or of its source."""
    rfa = site.add_source("rfa", title="自由亚洲")
    site.archive.write(1, author="王小明")
    site.archive.write(2, author="Ann O'Neil")
    rfa.write(3, author="王小明")
    site.feeds = [{"name": "a", "by": "author"}, {"name": "s", "by": "source"}]
    site.build()
    assert numbers(site, f"a-{file_slug('王小明')}") == [3, 1]
    assert numbers(site, f"a-{file_slug(chr(65) + 'nn O' + chr(39) + 'Neil')}") == [2]
    assert numbers(site, f"s-{file_slug('rfa')}") == [3]
    assert json.loads(site.published()[f"feeds/s-{file_slug('rfa')}.json"])["title"] == "feedbridge · 自由亚洲"


def test_category_that_nobody_has_any_more(site: "Site") -> None:
    """Its files go with its last article, and begin anew when one comes back."""
    site.feeds[0]["by"] = "category"
    site.archive.write_many(170, tags="亚洲")
    site.archive.write(500, tags="欧洲")
    site.build()
    before = site.published()
    feed = f"news-{file_slug('亚洲')}"
    site.archive.write_many(170, tags="欧洲")
    site.build(accept=["voa"])
    assert not [path for path in site.published() if feed in path]
    assert len(site.everything(f"news-{file_slug('欧洲')}")) == 171
    site.archive.write_many(170, tags="亚洲")
    site.build()
    after = {path: body for path, body in site.published().items() if feed in path}
    assert after == {path: body for path, body in before.items() if feed in path}


def test_feed_becomes_a_family_and_back(site: "Site") -> None:
    """Where `by` is set the one feed's files go; unset, they come again as they were."""
    site.archive.write_many(160, tags="亚洲")
    site.build()
    before = site.published()
    site.feeds[0]["by"] = "category"
    site.build()
    feed = f"news-{file_slug('亚洲')}"
    assert not [path for path in site.published() if path.startswith(("feeds/news.", "feeds/news/"))]
    assert len(site.everything(feed)) == 160
    del site.feeds[0]["by"]
    site.build()
    assert site.published() == before


# Several sources


def test_merged_feed_names_the_source_of_each_entry(site: "Site") -> None:
    """With several sources each entry says where it is from; with one it does not."""
    rfa = site.add_source("rfa", title="自由亚洲", link="https://rfa.example/")
    site.archive.write(1)
    rfa.write(2)
    site.feeds.append({"name": "voa", "sources": ["voa"]})
    site.build()
    assert [(entry.link, entry.source) for entry in site.shown()] == [
        ("https://news.example/zh/2.html", "自由亚洲"),
        ("https://news.example/en/1.html", "voa"),
    ]
    assert [entry.source for entry in site.shown("voa")] == [None]
    atom = etree.fromstring(site.published()["feeds/news.atom"])
    sources = [entry.find(f"{ATOM}source") for entry in atom.iter(f"{ATOM}entry")]
    assert [source is not None and source.findtext(f"{ATOM}title") for source in sources] == ["自由亚洲", "voa"]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("order", [["voa", "rfa"], ["rfa", "voa"]])
def test_equal_ids_are_shown_once(site: "Site", order: list[str], *, at_once: bool) -> None:
    """An article that two sources have is shown as the source named first has it, whichever came first."""
    rfa = site.add_source("rfa")
    site.feeds[0]["sources"] = order
    site.archive.write(1, title="From voa")
    site.archive.write(2)
    if not at_once:
        site.build()
    rfa.write(1, title="From rfa")
    site.build()
    assert len(site.everything()) == 2
    assert site.entry("/1.html").title == f"From {order[0]}"
    site.feeds[0]["sources"] = order[::-1]
    site.build()
    assert site.entry("/1.html").title == f"From {order[1]}"
    assert len(site.everything()) == 2


def test_other_source_shows_what_the_first_shows_no_more(site: "Site") -> None:
    """When the first source leaves the feed, the other's article of the same id stands in its place."""
    rfa = site.add_source("rfa")
    site.archive.write(1, title="From voa")
    rfa.write(1, title="From rfa")
    site.build()
    assert site.entry("/1.html").title == "From voa"
    site.feeds[0]["sources"] = ["rfa"]
    site.build()
    assert [entry.title for entry in site.everything()] == ["From rfa"]


def test_renamed_source_keeps_every_article_in_its_document(site: "Site") -> None:
    """A source under a new name tells the same ids: they stay where they were."""
    site.archive.write_many(260)
    site.build()
    before = {number: ids(site, "news", number) for number in (0, *site.archived())}
    order = site.order()
    site.sources[0]["name"] = "voice"
    site.build()
    assert {number: ids(site, "news", number) for number in (0, *site.archived())} == before
    assert site.order() == order


def test_source_that_leaves_takes_its_articles_out_of_the_feed(site: "Site") -> None:
    """A feed shows only its sources; what the others had in the archive goes out of its documents."""
    rfa = site.add_source("rfa")
    site.archive.write_many(150)
    rfa.write_many(150, start=500)
    site.build()
    site.feeds[0]["sources"] = ["voa"]
    site.build()
    assert sorted(n for number in (0, *site.archived()) for n in numbers(site, "news", number)) == list(range(150))


# Pictures


@pytest.fixture
def pictured(site: "Site") -> "Site":
    """A site with one article whose picture came through a proxy."""
    site.archive.write(
        5, text="Text.", body='<p><img src="https://images.weserv.nl/?url=a.pictures.example/5.jpg"></p>'
    )
    return site


def picture(site: "Site", feed: str = "news") -> list[str]:
    found = etree.HTML(site.entry("/5.html", feed).content).iter("img")
    return [str(image.get("src")) for image in found]


def test_nearest_picture_policy_wins(pictured: "Site") -> None:
    """Feed before source before site before `keep`; none of it reads a file again."""
    site, origin = pictured, "https://a.pictures.example/5.jpg"
    site.feeds.append({"name": "plain"})
    assert site.build().tallies[0].read == 1
    assert picture(site) == ["https://images.weserv.nl/?url=a.pictures.example/5.jpg"]
    steps: list[tuple[dict[str, Any], dict[str, str], list[str], list[str]]] = [
        (site.options, {"images": "origin"}, [origin], [origin]),
        (
            site.sources[0],
            {"images": "https://s.example/?u=${href_ue}"},
            *[["https://s.example/?u=https%3A%2F%2Fa.pictures.example%2F5.jpg"]] * 2,
        ),
        (
            site.feeds[0],
            {"images": "https://f.example/${host_path}"},
            ["https://f.example/a.pictures.example/5.jpg"],
            ["https://s.example/?u=https%3A%2F%2Fa.pictures.example%2F5.jpg"],
        ),
        (site.feeds[0], {"images": "drop"}, [], ["https://s.example/?u=https%3A%2F%2Fa.pictures.example%2F5.jpg"]),
    ]
    for table, keys, news, plain in steps:
        table.update(keys)
        assert site.build().tallies[0].read == 0
        assert (picture(site), picture(site, "plain")) == (news, plain)


def test_rules_by_host_come_before_the_policy_of_their_table(pictured: "Site") -> None:
    """A rule for a host counts for its subdomains; a nearer table's policy hides the rules of those behind it."""
    site = pictured
    site.options["image_rule"] = [{"host": "pictures.example", "images": "origin"}]
    site.options["images"] = "drop"
    site.build()
    assert picture(site) == ["https://a.pictures.example/5.jpg"]
    site.feeds[0]["image_rule"] = [{"host": "other.example", "images": "drop"}]
    site.build()
    assert picture(site) == ["https://a.pictures.example/5.jpg"]
    site.sources[0]["images"] = "keep"
    site.build()
    assert picture(site) == ["https://images.weserv.nl/?url=a.pictures.example/5.jpg"]


def test_dropped_pictures_leave_no_frame(site: "Site") -> None:
    """Under `drop` neither figures nor captions nor links around pictures are left; texts are."""
    site.options["images"] = "drop"
    site.archive.write(
        1, text="One.", body='<figure><img src="https://p.example/1.jpg"><figcaption>Caption</figcaption></figure>'
    )
    site.archive.write(
        2, text="Two.", body='<figure><a href="https://p.example/"><img src="https://p.example/1.jpg"></a></figure>'
    )
    site.archive.write(
        3, text="Three.", body='<p><a href="https://p.example/"><img src="https://p.example/1.jpg"></a></p>'
    )
    site.archive.write(
        4,
        text="Four.",
        body='<figure><figure><img src="https://p.example/1.jpg"></figure><figcaption>Caption</figcaption></figure>',
    )
    site.archive.write_many(100, start=10)
    site.build()
    for entry in site.everything():
        assert not any(part in entry.content for part in ("<figure", "<img", "<figcaption", "<a ", "image:"))
    assert "<p>Four.</p>" in site.entry("/4.html").content


# Bad entries


@pytest.mark.parametrize("field", ["title", "content", "excerpt"])
def test_bad_entry_is_left_out_and_named(site: "Site", field: str) -> None:
    """An entry that no document can hold costs itself; the others are published, the report says which it was."""
    site.archive.write_many(5)
    site.build()
    put_into_store(site, made(site, 1), made(site, 2, **{field: "a\x08b"}), made(site, 3))
    done = site.build()
    assert {uid for _, uid, _ in done.published.left_out} == {"urn:example:2"}
    assert not done.failed
    assert len(site.shown()) == 7
    assert "urn:example:2" not in ids(site)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "\ud800"},
        {"content": '<p onclick="alert(1)">x</p>'},
        {"content": "<script>alert(1)</script>"},
        {"id": "no iri at all"},
        {"id": " urn:example:2 "},
        {"id": " urn:example:2 ", "content": "<script>alert(1)</script>"},
        {"id": "urn:example:\x08"},
        {"id": ""},
    ],
)
def test_no_bad_entry_reaches_a_reader(site: "Site", fields: dict[str, str]) -> None:
    """Whatever stands in the store, what is published passes the lint, or what stood there stays."""
    site.archive.write_many(5)
    site.build()
    before = site.published()
    if "\ud800" in fields.get("title", ""):
        fields = {"title": "\ufffe"}
    put_into_store(site, made(site, 1), made(site, 2, **fields))
    done = site.build()
    types = {"atom": rendering.ATOM, "rss": rendering.RSS, "json": rendering.JSON_FEED}
    for form, media_type in types.items():
        body = site.published()[f"feeds/news.{form}"]
        assert lint.lint(body, media_type) == ()
        assert b"urn:example:1" in body or body == before[f"feeds/news.{form}"]
    assert done.published.left_out or done.published.errors or fields == {"id": " urn:example:2 "}


def test_document_that_fails_as_a_whole_does_not_replace_what_stands(
    site: "Site", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays, the build fails with a line that names it, and the next build publishes it."""
    site.archive.write_many(60)
    site.build()
    before = site.published()
    whole = lint.lint

    def strict(body: bytes, media_type: str) -> tuple[Problem, ...]:
        found = whole(body, media_type)
        bad = media_type == rendering.RSS and b"Quite another text" in body
        return (*found, Problem(entry=None, message="it is Friday")) if bad else found

    monkeypatch.setattr(lint, "lint", strict)
    site.archive.write(55, text="Quite another text.", marker=site.now)
    done = site.build()
    assert done.failed
    assert done.published.errors == ["feeds/news.rss: not published, for it is Friday; what stands there stays"]
    assert site.published()["feeds/news.rss"] == before["feeds/news.rss"]
    assert site.published()["feeds/news.atom"] != before["feeds/news.atom"]
    monkeypatch.undo()
    assert site.build().published.written == ["feeds/news.rss"]


def test_feed_that_cannot_be_written_harms_no_other(site: "Site") -> None:
    """A value that no document can hold costs its own feed; the other feeds of the family are published."""
    site.feeds[0]["by"] = "category"
    site.archive.write(1, tags="good")
    site.build()
    bad = made(site, 2, categories=(Category(term="a\x08b"),))
    put_into_store(site, bad, made(site, 3, categories=(Category(term="zzz"),)))
    done = site.build()
    assert all("cannot be written" in error for error in done.published.errors)
    assert {"feeds/news-a-b" in error for error in done.published.errors[:3]} == {True}
    assert ids(site, f"news-{file_slug('zzz')}") == ["urn:example:3"]


# Power cuts


def test_folder_is_synced_before_a_document_counts_as_written(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """A document is noted as written, or a file as removed, only when that would outlive a power cut; and what
    the subscription document no longer holds is in the archive by then."""
    events: list[str] = []

    def noting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            events.append(name)
            return call(*arguments, **options)

        return noted

    monkeypatch.setattr(Path, "replace", noting("put", Path.replace))
    monkeypatch.setattr(files, "sync_folder", noting("sync", files.sync_folder))
    monkeypatch.setattr(rows, "mark_clean", noting("clean", rows.mark_clean))
    site.archive.write_many(160)
    site.build()
    assert events.count("clean") == 3
    assert all(events[place - 1] == "sync" for place, event in enumerate(events) if event == "clean")
    assert events[-1] == "sync"
    monkeypatch.setattr(Path, "unlink", noting("unlink", Path.unlink))
    monkeypatch.setattr(rows, "forget_outputs", noting("forget", rows.forget_outputs))
    site.feeds[0]["formats"] = ["atom"]
    del events[:]
    site.build()
    assert "sync" in events[events.index("unlink") : events.index("forget")]


# Nothing worse


def test_a_lost_store_does_not_empty_what_stands(site: "Site") -> None:
    """Without its store, and with a source that cannot be read, a feed stays until all of its sources were read."""
    rfa = site.add_source("rfa")
    site.archive.write_many(60)
    rfa.write_many(60, start=100)
    site.build()
    before = site.published()
    site.forget_store()
    rfa.root.rename(site.folder / "away")
    done = site.build()
    assert [held.partition(":")[0] for held in done.published.held] == ['feed "news"']
    assert site.published() == before
    (site.folder / "away").rename(rfa.root)
    done = site.build()
    assert (done.published.held, len(site.everything())) == ([], 120)


def test_a_new_source_that_fails_holds_nothing(site: "Site") -> None:
    """Its feed was written by this very store; a packed copy that somebody put beside it changes nothing."""
    site.archive.write_many(3)
    site.build()
    (site.public / "feeds/news.atom.gz").write_bytes(b"packed")
    site.add_source("rfa").root.rmdir()
    site.archive.write_many(1, start=3)
    done = site.build()
    assert (done.published.held, len(site.shown())) == ([], 4)


def test_a_feed_that_is_held_keeps_its_files(site: "Site") -> None:
    """A name that another program's feed has already: neither that nor what was written before is swept away."""
    site.archive.write_many(3)
    site.build()
    (site.public / "feeds/more.atom").write_bytes(b"another program's")
    site.feeds.append({"name": "more", "sources": ["rfa"]})
    site.add_source("rfa").root.rmdir()
    before = site.published()
    assert site.build().published.held
    assert site.published().keys() == before.keys()
    assert site.published()["feeds/more.atom"] == b"another program's"


def test_a_foreign_index_stays(site: "Site") -> None:
    """The page of somebody who publishes into his own folder is not ours to replace."""
    site.public.mkdir(parents=True)
    (site.public / "index.html").write_text("<h1>My home</h1>", encoding="utf-8")
    done = site.build()
    assert done.published.held == ["index.html: stays as it stands, for feedbridge did not write it"]
    assert (site.public / "index.html").read_text(encoding="utf-8") == "<h1>My home</h1>"


def test_a_feed_speaks_the_language_of_its_sources(site: "Site") -> None:
    """If they have one in common; a setting of its own or of the site goes before."""
    site.sources[0]["language"] = "zh-Hans"
    site.archive.write_many(1)
    site.build()
    assert b'xml:lang="zh-Hans"' in site.published()["feeds/news.atom"].partition(b"<entry")[0]
    site.options["language"] = "en"
    site.build()
    assert b'xml:lang="en"' in site.published()["feeds/news.atom"].partition(b"<entry")[0]


@pytest.mark.parametrize("more", [100, 1000])
def test_what_points_to_a_document_is_written_after_it(site: Any, more: int) -> None:
    """New archive documents first, then those that name them, the subscription document, and the lists of feeds."""
    site.archive.write_many(250)
    site.build()
    before, standing = site.stamps(), set(site.archived())
    site.archive.write_many(more, start=250)
    site.build()
    stamps = {path: stamp for path, stamp in site.stamps().items() if before.get(path) != stamp}
    archived = {path: stamp for path, stamp in stamps.items() if path.count("/") == 2}
    new = {path: stamp for path, stamp in archived.items() if int(Path(path).stem) not in standing}
    named = [stamp for path, stamp in archived.items() if path not in new]
    subscriptions = [stamp for path, stamp in stamps.items() if path.count("/") == 1]
    assert len(new) == 3 * (more // 100)
    assert len(subscriptions) == 4
    assert max(new.values()) < min(named)
    assert max(named) < min(subscriptions)
    assert max(subscriptions) < stamps["index.html"]
