"""What the owner does not wish to keep, on real archives: `keep` of feed tables without archives."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from feedbridge.settings import FeedTable

if TYPE_CHECKING:
    from tests.conftest import Site

DAY = timedelta(days=1)


def fill(site: "Site", ages: dict[int, int]) -> None:
    """Write articles by number, so many days old."""
    for number, days in ages.items():
        site.archive.write(number, published=site.now - days * DAY)


def texts(site: "Site") -> dict[str, bool]:
    """Whether each article that the store knows still has its text, by the end of its link."""
    found = site.query("SELECT link, content <> '' AND title <> '' AND removed_at IS NULL FROM articles")
    return {link.rsplit("/", 1)[1]: bool(whole) for link, whole in found}


def numbers(site: "Site", feed: str = "news") -> list[int]:
    """The articles that a feed shows, by the number in their link."""
    return sorted(int((entry.link or "").rsplit("/", 1)[1].removesuffix(".html")) for entry in site.shown(feed))


def keeping(site: "Site", keep: str | int, *others: dict[str, object]) -> None:
    site.feeds = [{"name": "news", "archives": False, "keep": keep}, *others]


def test_old_entries_leave_and_their_articles_are_emptied(site: "Site") -> None:
    """As time passes, what is older than `keep` leaves the feed; the text goes, id and aliases stay."""
    keeping(site, "30d")
    fill(site, {1: 5, 2: 20, 3: 29})
    site.build()
    assert numbers(site) == [1, 2, 3]
    (gone,) = site.query("SELECT uid FROM articles WHERE link LIKE '%/3.html'")
    site.now += 5 * DAY
    done = site.build()
    assert numbers(site) == [1, 2]
    assert "feeds/news.atom" in done.published.written
    assert texts(site) == {"1.html": True, "2.html": True, "3.html": False}
    assert site.query("SELECT uid, details FROM articles WHERE removed_at IS NOT NULL")[0][0] == gone[0]
    assert site.query("SELECT count(*) FROM aliases a JOIN articles b ON b.id = a.article_id WHERE b.title = ''")[0][0]
    assert site.build().published.written == []


def test_what_is_too_old_from_the_start_is_never_shown_nor_kept(site: "Site") -> None:
    """A first build of an old archive keeps no text that no feed may show."""
    keeping(site, "30d")
    fill(site, {1: 5, 2: 31, 3: 900})
    site.build()
    assert numbers(site) == [1]
    assert texts(site) == {"1.html": True, "2.html": False, "3.html": False}


def test_entries_beyond_the_count_leave_the_oldest_first(site: "Site") -> None:
    """Of 25 articles the newest 20 stay; a new one pushes the oldest out."""
    keeping(site, 20)
    fill(site, {number: 100 - number for number in range(1, 26)})
    site.build()
    assert numbers(site) == list(range(6, 26))
    fill(site, {30: 0})
    site.build()
    assert numbers(site) == [*range(7, 26), 30]
    assert {name for name, whole in texts(site).items() if not whole} == {f"{number}.html" for number in range(1, 7)}


@pytest.mark.parametrize("keep", ["30d", 2])
def test_what_was_dropped_does_not_come_back(site: "Site", keep: str | int) -> None:
    """Not by a touched file, an edit, a second file, new rules, or feeds that are made anew."""
    keeping(site, keep)
    fill(site, {1: 50, 2: 40, 3: 5, 4: 4})
    site.build()
    published = site.published()
    assert numbers(site) == [3, 4]

    site.archive.touch(site.archive.root / "00001.md")
    site.build()
    site.archive.write(1, published=site.now - 50 * DAY, text="An edit.")
    site.build()
    site.archive.write(2, published=site.now - 40 * DAY, name="copy.md", text="Another telling.")
    site.build()
    site.build(reread=["voa"])
    assert site.published() == published
    site.forget_public()
    site.build()
    assert site.published() == published
    site.query("DELETE FROM families")
    site.build()
    assert numbers(site) == [3, 4]
    assert texts(site) == {"1.html": False, "2.html": False, "3.html": True, "4.html": True}
    site.feeds.append({"name": "late", "archives": True})
    site.build()
    assert [numbers(site), numbers(site, "late")] == [[3, 4], [3, 4]]


@pytest.mark.parametrize("keep", ["30d", 2])
def test_another_feed_keeps_what_it_shows(site: "Site", keep: str | int) -> None:
    """What leaves one feed stays whole as long as another shows it, and an edit does not bring it back."""
    keeping(site, keep, {"name": "all"})
    fill(site, {1: 50, 2: 40, 3: 5, 4: 4})
    site.build()
    assert [numbers(site), numbers(site, "all")] == [[3, 4], [1, 2, 3, 4]]
    assert all(texts(site).values())
    site.archive.write(1, published=site.now - 50 * DAY, text="An edit.")
    done = site.build()
    assert "An edit." in site.entry("/1.html", "all").content
    assert numbers(site) == [3, 4]
    assert not [path for path in done.published.written if path.startswith("feeds/news")]
    site.feeds.pop()
    site.build()
    assert numbers(site) == [3, 4]


def test_a_longer_keep_brings_nothing_back_and_a_shorter_one_drops_at_once(site: "Site") -> None:
    """`keep` is for good."""
    keeping(site, "30d")
    fill(site, {1: 50, 2: 20, 3: 5})
    site.build()
    keeping(site, "100d")
    site.build()
    assert numbers(site) == [2, 3]
    keeping(site, "10d")
    site.build()
    assert numbers(site) == [3]


def test_each_feed_of_a_family_keeps_its_own_count(site: "Site") -> None:
    """With `by`, the newest of each value; and a value that has nothing left has no feed."""
    site.feeds = [{"name": "by", "by": "author", "archives": False, "keep": "30d"}]
    for number, (author, days) in enumerate([("Ann", 5), ("Ann", 50), ("Bob", 28), ("Cid", 60)], 1):
        site.archive.write(number, author=author, published=site.now - days * DAY)
    site.build()
    feeds = {path.name for path in (site.public / "feeds").glob("*.json")}
    assert {name.split("-")[1] for name in feeds} == {"ann", "bob"}
    site.now += 5 * DAY
    site.build()
    assert {path.name.split("-")[1] for path in (site.public / "feeds").glob("*.json")} == {"ann"}
    assert texts(site) == {"1.html": True, "2.html": False, "3.html": False, "4.html": False}
    site.feeds = [{"name": "by", "by": "author", "archives": False, "keep": 1}]
    site.archive.write(9, author="Ann", published=site.now)
    site.build()
    (left,) = (site.public / "feeds").glob("*.json")
    assert numbers(site, left.stem) == [9]


def test_two_feeds_that_both_drop_it_empty_it(site: "Site") -> None:
    """The last feed that lets an article go decides, whatever their order."""
    for first, second in (("30d", "60d"), ("60d", "30d")):
        site.feeds = [
            {"name": "news", "archives": False, "keep": first},
            {"name": "more", "archives": False, "keep": second},
        ]
        fill(site, {1: 45, 2: 5})
        site.build()
        assert texts(site)["1.html"]
    site.now += 20 * DAY
    site.build()
    assert texts(site) == {"1.html": False, "2.html": True}


def test_nothing_is_dropped_while_a_feed_is_held(site: "Site") -> None:
    """With the store lost and a folder away, a feed stands as it was: what it shows is not emptied meanwhile."""
    other = site.add_source("other", seed=2)
    other.write(7)
    fill(site, {1: 50, 2: 5})
    keeping(site, "30d", {"name": "all"})
    site.feeds[0]["sources"] = ["voa"]
    site.build()
    assert numbers(site, "all") == [1, 2, 7]
    site.forget_store()
    other.root.rename(site.folder / "away")
    assert site.build().published.held
    assert texts(site) == {"1.html": True, "2.html": True}
    (site.folder / "away").rename(other.root)
    site.build()
    assert [numbers(site), numbers(site, "all")] == [[2], [1, 2, 7]]


def test_the_longest_keep_drops_nothing(site: "Site") -> None:
    """Some say "for ever" so."""
    keeping(site, "100y")
    fill(site, {1: 13_000, 2: 5})
    site.build()
    assert numbers(site) == [1, 2]


@pytest.mark.parametrize("archives", [True, False])
def test_without_keep_nothing_is_ever_dropped(site: "Site", archives: bool) -> None:
    """However old, however many, in archives or not."""
    site.feeds = [{"name": "news", "archives": archives, "limit": 5}]
    fill(site, {number: 400 * number for number in range(1, 21)})
    site.build()
    site.now += 3650 * DAY
    site.build()
    assert all(texts(site).values())
    assert len(texts(site)) == 20
    assert site.query("SELECT count(*) FROM feed_entries") == [(20,)]


def test_keep_with_archives_is_refused() -> None:
    """One drops what the other keeps; the settings say so."""
    with pytest.raises(ValidationError, match="say archives = false, or leave keep out"):
        FeedTable(name="news", keep=20)
    assert FeedTable(name="news", keep=20, archives=False).keep == 20


@pytest.mark.parametrize("keep", [0, -1, True, "", "30", "d", "-3d", 1.5])
def test_a_keep_that_means_nothing_is_refused(keep: object) -> None:
    """It would drop everything, or nobody knows what."""
    with pytest.raises(ValidationError):
        FeedTable.model_validate({"name": "news", "archives": False, "keep": keep})
