"""One refresh of one source, seen from the feed that readers have of it."""

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from feedbridge import gathering
from feedbridge.fetch import files as folder
from feedbridge.model import FolderRequest
from feedbridge.pipeline import Build
from feedbridge.refresh import NOTICED_AT_MOST, refresh, request_of
from feedbridge.settings import ArchiveSource
from feedbridge.store import schema
from feedbridge.store.database import Store
from feedbridge.tally import Step, Tally, Wish

if TYPE_CHECKING:
    from tests.conftest import Archive, Site

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

PACKAGE = str(Path(gathering.__file__).parents[1])

HOLD_OPEN = """
import sys
file = open(sys.argv[1], "r+b")
print("held", flush=True)
sys.stdin.read()
"""


def stamp(site: "Site", *, ago: timedelta = timedelta()) -> str:
    return f"{site.now - ago:%Y-%m-%dT%H:%M:%SZ}"


def tally(done: Build) -> tuple[int, int, int, int]:
    """Files read, and articles that were new, changed, the same."""
    (one,) = done.tallies
    assert one.error is None
    return one.read, one.new, one.changed, one.same


def error(done: Build) -> str:
    (one,) = done.tallies
    assert done.failed
    return one.error or ""


@contextlib.contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Another process has the file open for writing."""
    words = [sys.executable, "-c", HOLD_OPEN, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate("")


# What is new or changed


def test_second_refresh_reads_nothing(site: "Site") -> None:
    """Files that stand as they were are not read again."""
    site.archive.write_many(30)
    assert tally(site.build()) == (30, 30, 0, 0)
    assert tally(site.build()) == (0, 0, 0, 0)


def test_edit_keeps_id_and_published_and_takes_the_new_marker(site: "Site") -> None:
    """An edited title and text update the one entry; its date of change is the new marker."""
    site.archive.write_many(5)
    site.build()
    before = {entry.id: entry for entry in site.everything()}
    old = site.entry("/3.html")
    site.archive.write(3, title="新的标题", text="Quite another text.", marker=site.now + MINUTE)
    assert tally(site.build()) == (1, 0, 1, 0)
    new = site.entry("/3.html")
    assert (new.id, new.published, new.link) == (old.id, old.published, old.link)
    assert (new.title, new.content) == ("新的标题", "<p>Quite another text.</p>")
    assert new.updated == stamp(site, ago=HOUR - MINUTE)
    assert {entry.id: entry for entry in site.everything()} == before | {new.id: new}


@pytest.mark.parametrize("marker", ["same", "NaN", "older", "future"])
def test_edit_without_a_later_stamp_is_dated_by_the_refresh(site: "Site", marker: str) -> None:
    """Where the marker did not move, is none, went back or lies ahead, the change is dated when it was seen."""
    site.archive.write_many(3)
    site.build()
    old = site.entry("/1.html")
    published = site.archive.published(1)
    markers = {"same": None, "older": published - MINUTE, "future": site.now + 2 * HOUR, "NaN": "NaN"}
    site.archive.write(1, text="Quite another text.", marker=markers[marker])
    site.build()
    new = site.entry("/1.html")
    assert (new.id, new.published, new.updated) == (old.id, old.published, stamp(site))
    assert new.content == "<p>Quite another text.</p>"


def test_new_marker_on_the_same_text_moves_nothing(site: "Site") -> None:
    """The date of change moves with the text, not with the stamp; nothing is written."""
    site.archive.write_many(3, text="A text.")
    site.build()
    before = site.published(), site.stamps()
    site.archive.write(1, text='<span style="color: red">A text.</span>', marker=site.now)
    assert tally(site.build()) == (1, 0, 0, 1)
    assert (site.published(), site.stamps()) == before


def test_touched_file_moves_nothing(site: "Site") -> None:
    """A file with a new time and the same bytes is read, and that is all; the next refresh leaves it alone."""
    site.archive.write_many(3)
    site.build()
    before = site.published(), site.stamps()
    site.archive.touch(site.archive.write(1))
    assert tally(site.build()) == (0, 0, 0, 0)
    assert (site.published(), site.stamps()) == before
    assert tally(site.build()) == (0, 0, 0, 0)


def test_emptied_file_does_not_replace_what_is_published(site: "Site") -> None:
    """A file that lost its text is named, and its article stays as it was."""
    site.archive.write_many(3)
    site.build()
    before = site.published()
    path = site.archive.write(1)
    path.write_bytes(b"")
    site.archive.touch(path)
    done = site.build()
    assert done.tallies[0].unusable == [("00001.md", "is empty")]
    assert site.published() == before
    assert not done.failed


# The same article


@pytest.mark.parametrize("newest_name", ["a.md", "z.md"])
@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("settled", [False, True])
def test_two_files_of_a_link_are_one_article(
    site: "Site", monkeypatch: pytest.MonkeyPatch, *, newest_name: str, batch: int, settled: bool
) -> None:
    """The newest body wins and the earliest date stays, in whatever order and batches the files are read,
    and whether or not the source was complete before."""
    monkeypatch.setattr(gathering, "BATCH_FILES", batch)
    if settled:
        site.archive.write_many(3, start=100)
        site.build()
    link, first = site.archive.link(1), site.archive.published(1)
    names = ("z.md", "a.md") if newest_name == "a.md" else ("a.md", "z.md")
    site.archive.write(1, name=names[0], link=link, title="Old", text="Old.", published=first)
    site.archive.write(
        2, name=names[1], link=link, title="New", text="New.", published=first + HOUR, marker=first + DAY
    )
    done = site.build()
    assert (done.tallies[0].read, done.tallies[0].new) == (2, 1)
    entry = site.entry("/1.html")
    assert (entry.title, entry.content) == ("New", "<p>New.</p>")
    assert (entry.published, entry.updated) == ("2024-01-01T07:00:00Z", "2024-01-02T07:00:00Z")


@pytest.mark.parametrize("newest_name", ["a.md", "z.md"])
def test_later_file_with_a_newer_body_wins(site: "Site", newest_name: str) -> None:
    """A file that comes later and has the newer marker changes text and date of change; id and date stay."""
    link = site.archive.link(1)
    site.archive.write(1, name="m.md", title="Old", text="Old.")
    site.build()
    old = site.entry("/1.html")
    site.archive.write(2, name=newest_name, link=link, title="New", text="New.", marker=site.now)
    site.build()
    new = site.entry("/1.html")
    assert (new.id, new.published, new.title) == (old.id, old.published, "New")
    assert new.updated == stamp(site, ago=HOUR)
    assert len(site.everything()) == 1


@pytest.mark.parametrize("oldest_name", ["a.md", "z.md"])
def test_later_file_with_an_older_body_changes_nothing(site: "Site", oldest_name: str) -> None:
    """A file that comes later and has the older marker leaves what readers have byte for byte."""
    link, first = site.archive.link(1), site.archive.published(1)
    site.archive.write(1, name="m.md", title="New", text="New.", published=first, marker=first + DAY)
    site.build()
    before = site.published()
    site.archive.write(2, name=oldest_name, link=link, title="Old", text="Old.", published=first - HOUR)
    assert tally(site.build()) == (1, 0, 0, 1)
    assert site.published() == before


def test_equal_stamps_are_decided_by_the_name(site: "Site", other_site: "Site") -> None:
    """Of two bodies with the same marker the same one wins whichever was read first."""
    for names, one in ((("a.md", "b.md"), site), (("b.md", "a.md"), other_site)):
        for name in names:
            one.archive.write(1, name=name, title=f"From {name}", text=f"From {name}.")
            one.build()
    assert [one.entry("/1.html").title for one in (site, other_site)] == ["From b.md", "From b.md"]


@pytest.mark.parametrize("name", ["a.md", "c.md"])
def test_renamed_file_can_still_be_edited(site: "Site", name: str) -> None:
    """A file under a new name takes the place of the old one, so that a later edit counts, even with the old marker."""
    site.archive.write_many(3, start=2)
    site.archive.write(1, name="b.md")
    site.build()
    (site.archive.root / "b.md").rename(site.archive.root / name)
    site.build()
    site.archive.write(1, name=name, text="Quite another text.")
    site.build()
    assert site.entry("/1.html").content == "<p>Quite another text.</p>"


@pytest.mark.parametrize(
    "variant",
    [
        "http://news.example/en/1.html",
        "https://NEWS.example:443/en/1.html",
        "https://news.example/en/1.html#comments",
        "https://news.example/en/1.html?utm_source=rss&fbclid=7",
        "https://news.example//en//1.html",
    ],
)
def test_variants_of_a_link_are_the_same_article(site: "Site", variant: str) -> None:
    """Scheme, default port, fragment, tracking and doubled slashes do not make another article."""
    site.archive.write(1, name="a.md")
    site.build()
    old = site.entry("/1.html")
    site.archive.write(1, name="b.md", link=variant, title="New", marker=site.now)
    site.build()
    (new,) = site.everything()
    assert (new.id, new.title) == (old.id, "New")


def test_parameters_that_carry_identity_make_another_article(site: "Site") -> None:
    """`?p=1` and `?p=2` are two articles."""
    for number in (1, 2):
        site.archive.write(number, link=f"https://news.example/?p={number}")
    site.build()
    assert len({entry.id for entry in site.everything()}) == 2


# What is gone


def test_vanished_file_keeps_its_article(site: "Site") -> None:
    """A file that is gone takes nothing with it; when it comes back nothing has happened."""
    site.archive.write_many(5)
    site.build()
    before = site.published(), site.stamps()
    (site.archive.root / "00002.md").unlink()
    assert tally(site.build()) == (0, 0, 0, 0)
    site.archive.write(2)
    assert tally(site.build()) == (0, 0, 0, 0)
    assert (site.published(), site.stamps()) == before


@pytest.mark.parametrize("loss", ["most", "empty", "missing", "file"])
def test_lost_folder_fails_the_source_and_nothing_else(site: "Site", loss: str) -> None:
    """Where most files or the folder are gone the source says so; its articles and files stay, the others go on."""
    rfa = site.add_source("rfa", seed=2)
    site.feeds += [{"name": "rfa", "sources": ["rfa"]}, {"name": "voa", "sources": ["voa"]}]
    site.archive.write_many(10)
    rfa.write_many(3, start=500)
    site.build()
    before = {path: body for path, body in site.published().items() if "voa" in path}
    found = sorted(site.archive.root.iterdir())
    for path in found[: 6 if loss == "most" else 10]:
        path.unlink()
    if loss in {"missing", "file"}:
        site.archive.root.rmdir()
    if loss == "file":
        site.archive.root.write_text("")
    rfa.write(600)
    done = site.build()
    assert done.failed
    assert (done.tallies[0].new, done.tallies[1].new, done.tallies[1].error) == (0, 1, None)
    expected = {
        "most": "6 of 10 known files are gone; is the folder mounted?",
        "empty": "10 of 10 known files are gone; is the folder mounted?",
        "missing": "no such folder; mend `path`, or mount it",
        "file": "is not a folder; mend `path`",
    }
    assert expected[loss] in (done.tallies[0].error or "")
    assert str(site.archive.root) in (done.tallies[0].error or "")
    after = {entry.id for entry in site.everything()}
    assert len(after) == 14
    assert len(site.shown("rfa")) == 4
    assert {path: site.published()[path] for path in before} == before
    assert len(before) == 4
    done = site.build()
    assert done.failed
    assert done.published.written == []


def test_lost_folder_leaves_every_byte(site: "Site") -> None:
    """The published files of a source that failed are not touched, however often it fails."""
    site.archive.write_many(120)
    site.build()
    before = site.published(), site.stamps()
    for path in site.archive.root.iterdir():
        path.unlink()
    for _ in range(3):
        assert "120 of 120" in error(site.build())
    assert (site.published(), site.stamps()) == before


def test_half_of_the_files_may_go(site: "Site") -> None:
    """Exactly half is no alarm."""
    site.archive.write_many(10)
    site.build()
    for number in range(5):
        (site.archive.root / f"{number:05}.md").unlink()
    assert tally(site.build()) == (0, 0, 0, 0)
    assert len(site.everything()) == 10


def test_accepted_loss_is_no_failure(site: "Site") -> None:
    """`accept` takes the folder as it is; the articles stay, and the next refresh needs no leave."""
    site.archive.write_many(10)
    site.build()
    before = site.published()
    for number in range(9):
        (site.archive.root / f"{number:05}.md").unlink()
    assert "9 of 10" in error(site.build(accept=["another"]))
    assert tally(site.build(accept=["voa"])) == (0, 0, 0, 0)
    assert tally(site.build()) == (0, 0, 0, 0)
    assert site.published() == before


def test_new_ids_for_most_articles_are_held_back(site: "Site") -> None:
    """Where most files tell of other links, nothing is taken in until somebody accepts it."""
    site.archive.write_many(20)
    site.build()
    before = site.published()
    for number in range(11):
        site.archive.write(number, link=f"https://moved.example/{number}")
    site.archive.write(50)
    for _ in range(2):
        assert "11 of 20 known articles would get new ids" in error(site.build())
        assert site.published() == before
    assert tally(site.build(accept=["voa"])) == (12, 12, 0, 0)
    assert len(site.everything()) == 32


def test_new_ids_for_a_few_articles_are_taken(site: "Site") -> None:
    """Up to half of the articles may move: the old ones stay beside the new."""
    site.archive.write_many(20)
    site.build()
    for number in range(10):
        site.archive.write(number, link=f"https://moved.example/{number}")
    assert tally(site.build()) == (10, 10, 0, 0)
    assert len(site.everything()) == 30


def test_edits_of_all_articles_are_not_held_back(site: "Site") -> None:
    """New texts under the old links are changes, however many."""
    site.archive.write_many(20)
    site.build()
    site.archive.write_many(20, text="Quite another text.")
    assert tally(site.build()) == (20, 0, 20, 0)


# What cannot be read


def test_unusable_files_are_named_and_the_rest_goes_on(site: "Site", tmp_path: Path) -> None:
    """Nothing in the folder can stop a refresh; each left-out file is named with its reason, in every report."""
    site.sources[0]["max_file_bytes"] = 5000
    root = site.archive.root
    site.archive.write_many(3)
    os.mkfifo(root / "fifo.md")
    (root / "nowhere.md").symlink_to(root / "nothing.md")
    outside = tmp_path / "outside.md"
    outside.write_text("[Secret](https://secret.example/)\n------\n<p>Secret</p>")
    (root / "outside.md").symlink_to(outside)
    (root / "loop.md").symlink_to(root / "loop.md")
    (root / "folder.md").mkdir()
    (root / "empty.md").write_bytes(b"")
    (root / "blank.md").write_bytes(b" \n\t\n")
    (root / "binary.md").write_bytes(b"\x7fELF\0\1\2\3")
    (root / "long.md").write_bytes(b"x" * 5001)
    (root / os.fsdecode(b"\xff\n.md")).write_bytes(b"")
    (root / ".hidden.md").write_bytes(b"")
    (root / "picture.jpg").write_bytes(b"")
    for path in root.glob("*.md"):
        if path.is_file() and not path.is_symlink():
            site.archive.touch(path)
    first, second = site.build(), site.build()
    assert tally(first)[1] == 3
    reasons = dict(first.tallies[0].unusable)
    assert first.tallies[0].unusable == second.tallies[0].unusable
    assert reasons == {
        "\\xff\n.md": "is empty",
        "binary.md": "is not text: it holds NUL bytes",
        "blank.md": "is empty",
        "empty.md": "is empty",
        "fifo.md": "is not a file",
        "long.md": "is too long: 5,001 bytes, and max_file_bytes is 5,000",
        "loop.md": "is a link that leads out of the folder, or nowhere",
        "nowhere.md": "is a link that leads out of the folder, or nowhere",
        "outside.md": "is a link that leads out of the folder, or nowhere",
    }
    assert not first.failed
    assert len(site.everything()) == 3


def test_mended_file_is_read(site: "Site") -> None:
    """A file that was left out is read when it has changed."""
    site.archive.write_many(2)
    path = site.archive.write(2)
    good = path.read_bytes()
    path.write_bytes(b"\0")
    site.archive.touch(path)
    assert len(site.build().tallies[0].unusable) == 1
    path.write_bytes(good)
    site.archive.touch(path)
    done = site.build()
    assert (tally(done), done.tallies[0].unusable) == ((1, 1, 0, 0), [])


def test_file_becomes_a_folder(site: "Site") -> None:
    """Where a known file is now something else, its article stays and nothing fails."""
    site.archive.write_many(5)
    site.build()
    before = site.published()
    for number, make in enumerate((os.mkdir, os.mkfifo)):
        path = site.archive.root / f"{number:05}.md"
        path.unlink()
        make(path)
    done = site.build()
    assert done.tallies[0].unusable == [("00001.md", "is not a file")]
    assert (done.failed, site.published()) == (False, before)


def test_file_that_is_being_written_waits(site: "Site") -> None:
    """A file that another process has open for writing is named and not read; the next refresh reads it."""
    site.archive.write_many(3)
    path = site.archive.write(3)
    with held_open(path):
        done = site.build()
    assert (tally(done), done.tallies[0].unusable) == ((3, 3, 0, 0), [("00003.md", "is still being written")])
    done = site.build()
    assert (tally(done), done.tallies[0].unusable) == ((1, 1, 0, 0), [])


def test_file_that_was_written_just_now_is_read_after_a_moment(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """A young file is looked at twice: read in the same refresh if it stands still, else left for the next."""
    monkeypatch.setattr(folder, "SETTLE_SECONDS", 600.0)  # however slow the machine is, they are young
    site.archive.write_many(2)
    still, growing = site.archive.write(2), site.archive.write(3)
    for path in (still, growing):
        os.utime(path)
    waited = []

    def settle() -> None:
        waited.append(True)
        with growing.open("a") as file:
            file.write("<p>More</p>")

    monkeypatch.setattr(folder, "wait_to_settle", settle)
    done = site.build()
    assert waited == [True]
    assert (tally(done), done.tallies[0].unusable) == ((3, 3, 0, 0), [("00003.md", "is still being written")])
    os.utime(growing, (1_700_000_000, 1_700_009_999))
    assert tally(site.build()) == (1, 1, 0, 0)
    assert "<p>More</p>" in site.entry("/3.html").content


def test_settling_takes_about_a_second(site: "Site") -> None:
    """With the real clock too, a file written milliseconds ago is read by the refresh that finds it."""
    os.utime(site.archive.write(1))
    assert tally(site.build()) == (1, 1, 0, 0)


# New rules


def test_new_rules_reread_everything_silently(site: "Site") -> None:
    """A setting that shapes what is read changes texts; ids, dates and the order stay."""
    site.archive.write_many(160, body="<aside>Advert</aside><p>Last.</p>")
    site.build()
    before, order = site.everything(), site.order()
    assert all("Advert" in entry.content for entry in before)
    site.sources[0]["remove"] = ["aside"]
    assert tally(site.build())[:2] == (160, 0)
    after = site.everything()
    assert not any("Advert" in entry.content for entry in after)
    assert [(e.id, e.published, e.updated) for e in after] == [(e.id, e.published, e.updated) for e in before]
    assert site.order() == order
    assert tally(site.build()) == (0, 0, 0, 0)


def test_new_zone_moves_dates_without_a_zone(site: "Site") -> None:
    """Dates that name no zone are read anew; ids, dates of change and the order stay."""
    for number in range(3):
        date = site.archive.published(number)
        body = f"<div><i>{date:%Y-%m-%d %H:%M:%S}</i></div><p>Text {number}.</p>"
        path = site.archive.root / f"{number}.md"
        path.write_text(f"[Title {number}](https://news.example/{number})\n------\n{body}")
        site.archive.touch(path)
    site.build()
    before, order = site.everything(), site.order()
    assert before[0].published == "2024-01-01T08:00:00Z"
    site.sources[0]["timezone"] = "Asia/Shanghai"
    site.build()
    after = site.everything()
    assert after[0].published == "2024-01-01T00:00:00Z"
    assert [(e.id, e.updated) for e in after] == [(e.id, e.updated) for e in before]
    assert site.order() == order


def test_renormalise_of_what_is_right_changes_nothing(site: "Site") -> None:
    """Reading everything anew by the same rules leaves every byte, also of doubles and edited articles."""
    site.archive.write_many(130)
    site.archive.write(200, name="double.md", link=site.archive.link(7), marker=site.archive.published(9))
    site.build()
    site.archive.write(8, text="Quite another text.", marker=site.now)
    site.archive.write(9, text="Quite another text.")
    site.build()
    before = site.published(), site.stamps()
    assert tally(site.build(reread=["voa"])) == (131, 0, 0, 131)
    assert (site.published(), site.stamps()) == before


def test_settings_that_change_after_a_killed_first_refresh_count(site: "Site") -> None:
    """What a refresh had read when it was ended is read again if the rules are others by then."""
    site.archive.write_many(250, body="<aside>Advert</aside>")

    def end(step: Step) -> None:
        if step.done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.build(progress=end)
    site.sources[0]["remove"] = ["aside"]
    site.build()
    entries = site.everything()
    assert len(entries) == 250
    assert not any("Advert" in entry.content for entry in entries)


def test_rules_that_change_back_after_a_killed_reread_count(site: "Site") -> None:
    """Where a refresh under other rules was ended half-way and the old rules are back, all is as it was."""
    site.archive.write_many(250, body="<aside>Advert</aside>")
    site.build()
    before = site.published()
    site.sources[0]["remove"] = ["aside"]

    def end(step: Step) -> None:
        if step.done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.build(progress=end)
    site.sources[0]["remove"] = []
    site.build()
    assert site.published() == before


def test_ended_refresh_goes_on_where_it_was(site: "Site") -> None:
    """What was kept before a refresh was ended need not be read again."""
    site.archive.write_many(350)

    def end(step: Step) -> None:
        if step.done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.build(progress=end)
    assert tally(site.build()) == (90, 90, 0, 0)


def test_file_that_was_being_written_during_a_reread_is_read_by_the_next(site: "Site") -> None:
    """New rules reach every file, also one that could not be read when they came."""
    site.archive.write_many(5, body="<aside>Advert</aside>")
    site.build()
    site.sources[0]["remove"] = ["aside"]
    with held_open(site.archive.root / "00002.md"):
        site.build()
    assert [entry.link for entry in site.everything() if "Advert" in entry.content] == [site.archive.link(2)]
    site.build()
    assert not any("Advert" in entry.content for entry in site.everything())
    assert tally(site.build()) == (0, 0, 0, 0)


# Taken down


def test_removed_article_stays_away(site: "Site", other_site: "Site") -> None:
    """After `remove` neither edits nor doubles nor new rules nor a new output folder bring it back."""
    archive: Archive = site.archive
    archive.write_many(10)
    site.build()
    gone = site.entry("/4.html")
    done = site.remove("http://news.example/zh/4.html?utm_source=x#top")
    assert done.articles == (("voa", gone.title),)
    archive.write(4, text="Edited.", marker=site.now)
    site.build()
    archive.write(4, name="double.md", marker=site.now)
    site.build()
    site.build(reread=["voa"])
    site.sources[0]["remove"] = ["aside"]
    site.build()
    site.forget_public()
    site.build()
    assert len(site.everything()) == 9
    assert not any(gone.id.encode() in body for body in site.published().values())


def test_a_file_that_is_too_long_is_remembered(site: "Site") -> None:
    """The status names it, too, and an article that it told of before stays."""
    site.sources[0]["max_file_bytes"] = 2000
    path = site.archive.write(1)
    site.build()
    path.write_text(path.read_text(encoding="utf-8") + "<p>x</p>" * 1000, encoding="utf-8")
    for _ in range(2):
        (tally,) = site.build().tallies
        assert [name for name, reason in tally.unusable if "is too long" in reason] == [path.name]
    assert site.query("SELECT unusable IS NOT NULL, article_id IS NOT NULL FROM files") == [(1, 1)]
    assert len(site.shown()) == 1


# Processes


def test_processes_change_nothing(site: "Site", other_site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept, and what is told of it, is the same whether or not others prepare the files."""
    told: list[list[object]] = []
    kept: list[list[object]] = []
    of_article = "FROM {0} LEFT JOIN articles ON articles.id = {0}.article_id"
    for one, many_files in ((site, 10_000), (other_site, 1)):
        monkeypatch.setattr(gathering, "MANY_FILES", many_files)
        archive, steps = one.archive, []
        archive.write_many(25, body='<div class="promo">Now</div><img src="a.jpg">')
        archive.write(30, name="old.md", link=archive.link(3), text="Older.", marker=archive.published(2))
        (archive.root / "empty.md").write_bytes(b"")
        (archive.root / os.fsdecode(b"\xff.md")).write_bytes(archive.write(26).read_bytes())
        for path in archive.root.iterdir():
            archive.touch(path)
        steps.append(one.build())
        archive.write(1, text="Edited.")
        archive.write(5, text="Written just now.")
        steps.append(one.build())
        one.remove(archive.link(2))
        one.sources[0]["remove"] = [".promo"]
        one.sources[0]["timezone"] = "Asia/Taipei"
        steps.append(one.build())
        for number in range(25):
            archive.write(number, link=f"https://elsewhere.example/{number}")
        steps.append(one.build())
        tallies = [step.tallies[0] for step in steps]
        error = (tallies[-1].error or "").removeprefix(str(one.folder))
        told.append([*tallies[:-1], error, *(sorted(step.published.written) for step in steps)])
        columns = {column.name for column in schema.articles.c} - {"id", "revision"}
        kept.append([one.query(f"SELECT {', '.join(sorted(columns))} FROM articles ORDER BY uid")])
        kept[-1].append(one.query(f"SELECT alias, uid {of_article.format('aliases')} ORDER BY alias, uid"))
        kept[-1].append(
            one.query(f"SELECT path, digest, uid, unusable, missing {of_article.format('files')} ORDER BY 1")
        )
    assert "25 of 26 known articles would get new ids" in str(told[0][3])
    assert told[0] == told[1]
    assert kept[0] == kept[1]


def test_refresh_with_processes_can_be_ended(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on where it was, and its processes are gone."""
    monkeypatch.setattr(gathering, "MANY_FILES", 1)
    monkeypatch.setattr(gathering, "BATCH_FILES", 10)
    site.archive.write_many(50)

    def end(step: Step) -> None:
        if step.done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.build(progress=end)
    assert tally(site.build()) == (30, 30, 0, 0)


@pytest.mark.parametrize("limit", ["BATCH_FILES", "BATCH_BYTES"])
def test_batches_are_bounded(site: "Site", monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """By files, and by their bytes, so that long ones do not come together."""
    monkeypatch.setattr(gathering, limit, 1)
    site.archive.write_many(5)
    told: list[int] = []
    site.build(progress=lambda step: told.append(step.done) if step.unit == "files" and step.of else None)
    assert told == [1, 2, 3, 4, 5]


def test_the_newest_can_be_read_while_the_rest_is_taken_in(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large new folder the subscription document stands early, as it is in the end but for the way to the rest."""
    site.feeds = [{"name": "news", "limit": 10}]
    site.archive.write_many(150)
    monkeypatch.setattr(gathering, "MANY_FILES", 50)
    seen: list[tuple[int, list[str]]] = []

    def look(step: Step) -> None:
        if (site.public / "feeds/news.json").exists():
            seen.append((step.done, [entry.title for entry in site.shown()]))

    site.build(progress=look)
    done, early = seen[0]
    assert done < 150
    assert early == [entry.title for entry in site.shown()]
    assert early == [site.archive.title(number) for number in range(149, 139, -1)]
    in_the_end = site.published()
    site.forget_store()
    site.forget_public()
    site.now -= HOUR
    monkeypatch.setattr(gathering, "MANY_FILES", 1_000)
    site.build()
    assert site.published() == in_the_end


def test_what_stands_is_not_replaced_by_the_newest_alone(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that gains a large folder keeps its document until all is read."""
    site.feeds = [{"name": "news", "limit": 10}]
    site.archive.write_many(30)
    site.build()
    before = site.published()["feeds/news.json"]
    monkeypatch.setattr(gathering, "MANY_FILES", 50)
    site.add_source("more", seed=2).write_many(60, start=1000)
    during: list[bytes] = []

    def look(step: Step) -> None:
        if step.unit == "files":
            during.append((site.public / "feeds/news.json").read_bytes())

    site.build(progress=look)
    assert set(during) == {before}
    assert site.published()["feeds/news.json"] != before


def test_settings_say_which_files_are_asked_for() -> None:
    """By their names and their length, and our own output is none of them."""
    values = {"name": "s", "kind": "archive", "path": "/a", "glob": ["*.md"], "max_file_bytes": "1KiB"}
    request = request_of(ArchiveSource.model_validate(values), leave_out=Path("/a/public"))
    expected = FolderRequest(root=Path("/a"), patterns=("*.md",), max_bytes=1024, leave_out=Path("/a/public"))
    assert request == expected


# What a watch has noticed


def look(site: "Site", *paths: Path, whole: bool = False) -> Tally:
    """Refresh the source, told which files moved."""
    site.now += HOUR
    loaded = site.settings()
    (source,) = loaded.source
    assert isinstance(source, ArchiveSource)
    noticed = None if whole else frozenset(paths)
    with Store(loaded.site.store, write=True) as store:
        found = refresh(store, source, Wish(now=site.now, noticed=noticed), lambda *_: None)
    assert found.error is None
    return found


def test_of_what_was_noticed_no_more_is_looked_at(site: "Site") -> None:
    """A file that is new or changed is read, though nobody lists the folder; what is of no use stays told."""
    site.archive.write_many(30)
    bad = site.archive.root / "bad.md"
    bad.write_text("")
    site.build()
    new, edited = site.archive.write(30), site.archive.write(3, text="edited")
    unnoticed = site.archive.write(31)
    found = look(site, new, edited)
    assert (found.files, found.read, found.new, found.changed) == (2, 2, 1, 1)
    assert [path for path, _ in found.unusable] == ["bad.md"]
    found = look(site, new)
    assert (found.files, found.read, found.new, found.changed) == (1, 0, 0, 0)
    found = look(site, whole=True)
    assert (found.files, found.read, found.new) == (33, 1, 1)
    assert unnoticed.exists()


def test_all_is_looked_at_where_a_few_files_do_not_tell(site: "Site") -> None:
    """In the first refresh, where a file or a folder is gone or new, where many moved, and where the rules did."""
    few = [site.archive.write(number) for number in range(8)]
    assert look(site, few[0]).files == 8
    few[7].unlink()
    assert look(site, few[7]).files == 7
    (site.archive.root / "sub").mkdir()
    few[6] = few[6].rename(site.archive.root / "sub/6.md")
    assert look(site, site.archive.root / "sub").read == 1
    assert look(site, *few[:NOTICED_AT_MOST]).files == NOTICED_AT_MOST
    assert look(site, *few[: NOTICED_AT_MOST + 1]).files == 7
    site.sources[0]["timezone"] = "Asia/Shanghai"
    assert look(site, few[0]).read == 7


def test_what_is_held_back_counts_more_than_may_be_noticed() -> None:
    """So few files never make most of what a refresh would hold back."""
    assert NOTICED_AT_MOST * 2 <= gathering.HELD_BACK_FROM


def happen(archive: "Archive", chance: random.Random) -> list[Path]:
    """Let something happen in a folder; gives what a watch would notice."""
    paths = sorted(path for path in archive.root.rglob("*.md"))
    path, number = chance.choice(paths), chance.randrange(40)
    what = chance.randrange(8)
    if what == 0:
        return [archive.write(number, text=f"text {chance.random()}")]
    if what == 1:
        return [archive.write(number, name=f"sub/{chance.randrange(3)}.md")]
    if what == 2:
        return [archive.write(number, published=archive.published(number) + HOUR, text="later"), path]
    if what == 3:
        path.write_text(chance.choice(["", "no article"]))
        archive.touch(path)
        return [path]
    if what == 4:
        archive.touch(path)
        return [path]
    if what == 5:
        path.unlink()
        return [path]
    if what == 6:
        return [path, path.rename(archive.root / f"{number:05}.md")]
    return [archive.write(one) for one in range(number, number + 4)]


def kept(site: "Site") -> list[tuple[object, ...]]:
    """What the store knows of files and articles."""
    told = (
        "SELECT f.path, f.size, f.mtime_ns, f.digest, f.unusable, f.missing, a.uid FROM files f"
        " LEFT JOIN articles a ON a.id = f.article_id ORDER BY f.path"
    )
    columns = "uid, title, link, published, updated, first_seen, changed, late, body_stamp, body_path, content"
    return [*site.query(told), *site.query(f"SELECT {columns} FROM articles ORDER BY uid")]


@pytest.mark.parametrize("seed", range(4))
def test_looks_at_what_was_noticed_add_up(site: "Site", other_site: "Site", seed: int) -> None:
    """Whatever happens in a folder, looks at what was noticed leave the store as looks at all of it do."""
    for one in (site, other_site):
        one.archive.write_many(20)
        look(one, whole=True)
    looked = 0
    for turn in range(60):
        noticed = happen(site.archive, random.Random(f"{seed}/{turn}"))
        looked += look(site, *noticed).files <= NOTICED_AT_MOST
        happen(other_site.archive, random.Random(f"{seed}/{turn}"))
        look(other_site, whole=True)
        assert kept(site) == kept(other_site)
    assert 10 < looked < 60


def loaded_of(names: tuple[str, ...], site: "Site") -> str:
    """What a build in a process of its own prints, and then those of these modules that it has loaded."""
    look = (
        "import atexit, sys; from feedbridge.__main__ import main;"
        f" atexit.register(lambda: print([name for name in {names} if name in sys.modules]));"
        f" sys.argv[1:] = ['build', '--config', {str(site.write_config())!r}]; main()"
    )
    words = [sys.executable, "-c", look]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": PACKAGE})
    return done.stdout


def test_nothing_is_loaded_that_cleans_where_nothing_is_new(site: "Site") -> None:
    """A build that finds all as it was loads neither HTML cleaners nor migrations, nor what asks sites."""
    site.archive.write_many(3)
    site.build()
    heavy = ("alembic", "bs4", "httpx", "nh3", "uvloop", "feedbridge.keeping", "feedbridge.inspection")
    assert loaded_of(heavy, site).endswith("every file is as it should be\n[]\n")


@pytest.mark.sqlite
def test_nothing_of_a_server_is_loaded_for_a_file(site: "Site") -> None:
    """A store in a file takes neither the driver of PostgreSQL nor what is said otherwise to it."""
    site.archive.write_many(3)
    site.build()
    assert loaded_of(("psycopg", "sqlalchemy.dialects.postgresql", "feedbridge.store.postgresql"), site).endswith(
        "[]\n"
    )
