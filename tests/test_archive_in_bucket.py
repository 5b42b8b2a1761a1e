"""Archives in a bucket, at a real server, over a line that breaks when it is told to."""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from feedbridge import refresh
from feedbridge.fetch import buckets
from tests.buckets import KEY, Line, line_to, running

if TYPE_CHECKING:
    from feedbridge.pipeline import Build
    from tests.conftest import Daemon, Site

ROOT = "s3://articles/mirror"


@dataclass
class Stage:
    """A site whose source is in a bucket; what its archive writes is put there by `put`."""

    site: "Site"
    line: Line
    address: str

    def put(self, *paths: Path) -> None:
        """Put these files, or all that the archive has, into the bucket."""
        root = self.site.archive.root
        with httpx.Client(trust_env=False) as client:
            for path in paths or sorted(root.rglob("*.md")):
                name = quote(path.relative_to(root).as_posix())
                client.put(f"{self.address}{name}", content=path.read_bytes()).raise_for_status()

    def put_as(self, name: str, body: bytes) -> None:
        httpx.put(f"{self.address}{quote(name)}", content=body, trust_env=False).raise_for_status()

    def delete(self, *numbers: int) -> None:
        for number in numbers:
            httpx.delete(f"{self.address}{number:05}.md", trust_env=False).raise_for_status()

    def write(self, count: int, *, start: int = 0) -> None:
        self.site.archive.write_many(count, start=start)
        self.put(*(self.site.archive.root / f"{number:05}.md" for number in range(start, start + count)))

    def build(self) -> tuple[int, int, int]:
        """Objects that there are, and that were read, and articles that are new."""
        self.line.asked.clear()
        self.line.queries.clear()
        (one,) = self.site.build().tallies
        assert one.error is None
        return one.files, one.read, one.new

    def fail(self) -> str:
        """Build, and say why the source fails; what is published stays as it is."""
        before = self.site.published() if self.site.public.exists() else {}
        done: Build = self.site.build()
        (one,) = done.tallies
        assert done.failed
        assert one.error is not None
        assert "not to be told" not in one.error
        if before:
            assert self.site.published() == before
        return one.error

    def missing(self) -> list[str]:
        return [path for (path,) in self.site.query("SELECT path FROM files WHERE missing")]


@pytest.fixture
def stage(site: Any, tmp_path: Path) -> Iterator[Stage]:
    with running(tmp_path / "buckets", "articles") as server, line_to(server, "/articles/mirror/") as (line, port):
        storage = {"endpoint": f"http://127.0.0.1:{port}", "access_key": KEY, "secret_key": "not to be told"}
        site.sources[0] |= {"path": ROOT, "storage": storage | {"timeout": "2s"}}
        yield Stage(site, line, f"http://127.0.0.1:{server}/articles/mirror/")


def test_a_bucket_gives_the_feeds_that_a_folder_gives(stage: Stage, other_site: Any) -> None:
    """To the byte; many are prepared by processes of their own, which have no keys."""
    stage.write(260)
    assert stage.build() == (260, 260, 260)
    other_site.archive.write_many(260)
    other_site.build()
    assert stage.site.published() == other_site.published()


def test_only_what_is_new_or_changed_is_read(stage: Stage) -> None:
    """One list tells; also of an object that was put again within a second, and is as long as before."""
    stage.write(30)
    stage.site.archive.write(30, title="A first title")
    stage.put()
    stage.build()
    assert stage.build() == (31, 0, 0)
    assert stage.line.asked == ["GET /articles"]
    changed = stage.site.archive.write(30, title="Other titles!")
    stage.put(changed)
    stage.write(1, start=31)
    assert stage.build() == (32, 2, 1)
    assert sorted(stage.line.asked) == ["GET /articles", "GET 00030.md", "GET 00031.md"]
    assert stage.site.entry("Other titles!")


def test_an_object_that_was_put_again_as_it_was_changes_nothing(stage: Stage) -> None:
    """It is read, for its time is another, and its article stays as it is."""
    stage.write(5)
    stage.build()
    before = stage.site.published()
    time.sleep(1.1)
    stage.put()
    assert stage.build() == (5, 0, 0)
    assert len(stage.line.asked) == 6
    assert stage.site.published() == before


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("403 Forbidden", "the storage answers 403: look at the key, and at what it may do"),
        ("404 Not Found", "look at"),
        ("503 Service Unavailable", "the storage answers 503: it is busy, or down"),
    ],
)
def test_a_bucket_that_cannot_be_listed_is_a_failed_refresh(stage: Stage, status: str, said: str) -> None:
    """It says why; nothing counts as gone, and the next refresh goes on as if nothing had been."""
    stage.write(20)
    stage.build()
    stage.line.refuse, stage.line.status = "GET /articles", status
    error = stage.fail()
    assert error.startswith(f"{ROOT}: cannot be listed (")
    assert said in error
    assert stage.missing() == []
    stage.line.mends()
    assert stage.build() == (20, 0, 0)


def test_a_bucket_that_does_not_exist_is_named(stage: Stage) -> None:
    """The server itself says so; a prefix with nothing below it is most likely a slip, too."""
    stage.write(3)
    stage.site.sources[0]["path"] = "s3://articels/mirror"
    assert "look at the name of the bucket" in stage.fail()
    stage.site.sources[0]["path"] = "s3://articles/miror"
    assert stage.fail() == "s3://articles/miror: there is nothing; mend `path`, or put articles there"


def test_a_wrong_key_is_told_and_not_shown(stage: Stage) -> None:
    """The server itself refuses it."""
    stage.write(3)
    stage.site.sources[0]["storage"] |= {"access_key": "SOMEBODY"}
    error = stage.fail()
    assert "the storage answers 403: look at the key" in error
    assert "SOMEBODY" not in error


def test_a_storage_that_says_nothing_is_waited_for_so_long(stage: Stage) -> None:
    """A build ends, whatever the storage does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        stage.site.sources[0]["storage"] |= {"endpoint": endpoint, "timeout": "1s"}
        began = time.monotonic()
        assert "the storage does not answer: look at the endpoint" in stage.fail()
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("how", ["cut", "clip", "refuse"])
def test_a_list_that_breaks_off_never_tells_that_something_is_gone(stage: Stage, how: str) -> None:
    """Though most came, on the first of its pages."""
    stage.line.page = 30
    stage.write(40)
    assert stage.build() == (40, 40, 40)
    assert len([query for query in stage.line.queries if "list-type" in query]) == 2
    setattr(stage.line, how, r"GET /articles\?.*continuation-token")
    assert "cannot be listed" in stage.fail()
    assert stage.missing() == []
    stage.line.mends()
    assert stage.build() == (40, 0, 0)


@pytest.mark.parametrize("how", ["cut", "clip", "refuse"])
def test_an_object_that_cannot_be_read_ends_the_refresh_and_the_next_goes_on(stage: Stage, how: str) -> None:
    """What was read before is kept, and is not read again; a feed is not taken for complete."""
    stage.write(150)
    setattr(stage.line, how, "GET 00120.md")
    assert stage.fail().startswith(f"{ROOT}/00120.md: cannot be read (the storage ")
    stage.line.mends()
    assert stage.build() == (150, 50, 50)


def test_an_object_that_goes_while_it_is_looked_for_is_looked_for_again(stage: Stage) -> None:
    """It was listed, and is no longer there: that says nothing of the others."""
    stage.write(10)
    stage.line.refuse, stage.line.status = "GET 00003.md", "404 Not Found"
    (one,) = stage.site.build().tallies
    assert one.error is None
    assert one.unusable == [("00003.md", "is gone since it was listed")]
    stage.line.mends()
    assert stage.build() == (10, 1, 1)


def test_what_is_gone_keeps_its_article_and_most_do_not_go_at_once(stage: Stage) -> None:
    """As in a folder; a bucket that was emptied is a failed refresh."""
    stage.write(10)
    stage.build()
    stage.delete(1, 2)
    assert stage.build() == (8, 0, 0)
    assert stage.missing() == ["00001.md", "00002.md"]
    assert len(stage.site.everything()) == 10
    stage.delete(3, 4, 5, 6, 7)
    assert "5 of 8 known files are gone; is it the right place?" in stage.fail()
    stage.delete(0, 8, 9)
    assert "there is nothing" in stage.fail()
    assert len(stage.missing()) == 2


def test_names_that_sort_by_time_are_listed_from_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new is found by its name; what changed or went before is found once an hour, when all is listed."""
    monkeypatch.setattr(refresh, "TAIL", 10)
    stage.site.sources[0]["names_by_time"] = True
    stage.write(30)
    stage.build()

    def soon() -> tuple[int, int, int]:
        stage.site.now -= timedelta(minutes=58)
        return stage.build()

    assert "start-after" not in stage.line.queries[0]
    stage.put(stage.site.archive.write(3, title="Another title"))
    stage.delete(4, 25)
    stage.write(2, start=30)
    assert soon() == (11, 2, 2)
    assert "start-after=mirror%2F00019.md" in stage.line.queries[0]
    assert stage.missing() == ["00025.md"]
    stage.line.cut = r"GET /articles\?.*start-after"
    stage.site.now -= timedelta(minutes=58)
    assert "cannot be listed" in stage.fail()
    stage.line.mends()
    assert stage.build() == (30, 1, 0)
    assert "start-after" not in stage.line.queries[0]
    assert stage.missing() == ["00004.md", "00025.md"]
    assert stage.site.entry("Another title")


def test_a_list_from_the_end_tells_still_what_is_unusable(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what it did not look at."""
    monkeypatch.setattr(refresh, "TAIL", 5)
    stage.site.sources[0]["names_by_time"] = True
    stage.write(20)
    stage.put_as("00000-empty.md", b"")
    first = stage.site.build().tallies[0].unusable
    stage.site.now -= timedelta(minutes=58)
    assert stage.site.build().tallies[0].unusable == first
    assert [name for name, _ in first] == ["00000-empty.md"]


def test_names_are_those_that_a_folder_would_take(stage: Stage) -> None:
    """Hidden ones and those of other files are left out; spaces, per cents and Chinese are names."""
    article = stage.site.archive.write(1).read_bytes()
    for name in ("a b.md", "%41.md", "新闻/文章.md", ".hidden.md", ".git/x.md", "sub/.x/y.md", "picture.png", "sub/"):
        stage.put_as(name, article.replace(b"](http", b"](https://x.example/" + quote(name).encode() + b"?"))
    assert stage.build()[:2] == (3, 3)
    assert {asked for asked in stage.line.asked if asked != "GET /articles"} == {
        *("GET a%20b.md", "GET %2541.md", f"GET {quote('新闻/文章.md')}")
    }


def test_a_name_that_no_storage_should_have_is_named(stage: Stage) -> None:
    """Nothing can be listed that it is in; that is told, and nothing counts as gone."""
    stage.write(3)
    stage.build()
    stage.put_as("bad\nname.md", b"")
    assert "an object has a name that cannot be asked for: 'mirror/bad\\nname.md'; rename it" in stage.fail()
    assert stage.missing() == []


def test_a_long_object_is_never_fetched(stage: Stage) -> None:
    """The list says how long it is."""
    stage.write(2)
    stage.put_as("long.md", b"x" * 50_000)
    stage.site.sources[0]["max_file_bytes"] = 40_000
    (one,) = stage.site.build().tallies
    assert one.unusable == [("long.md", "is too long: 50,000 bytes, and max_file_bytes is 40,000")]
    assert "GET long.md" not in stage.line.asked


def test_a_place_with_too_much_in_it_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read of it."""
    monkeypatch.setattr(buckets, "MOST_OBJECTS", 10)
    stage.line.page = 4
    stage.write(30)
    assert stage.fail() == f"{ROOT}: has more than 10 objects; name a longer prefix"
    assert set(stage.line.asked) == {"GET /articles"}


def test_a_bucket_never_stands_still_unseen(stage: Stage) -> None:
    """A build that found nothing leaves no note by which the next would not look."""
    stage.write(3)
    for _ in range(2):
        assert stage.site.run("build").returncode == 0
    assert not list(stage.site.folder.rglob("*.standstill"))
    stage.write(1, start=3)
    assert "1 new" in stage.site.run("build").stdout


def test_preview_check_and_explain_know_buckets(stage: Stage) -> None:
    """What was put last is shown first; an object is explained by its name or its whole address."""
    stage.write(3)
    shown = stage.site.run("preview", "voa", "--limit", "1")
    assert shown.returncode == 0, shown.stderr
    assert stage.site.archive.title(2) in shown.stdout or stage.site.archive.title(0) in shown.stdout
    assert stage.site.run("check").returncode == 0
    stage.build()
    for name in ("00001.md", f"{ROOT}/00001.md"):
        explained = stage.site.run("explain", name)
        assert explained.returncode == 0
        assert stage.site.archive.link(1) in explained.stdout


def test_the_daemon_reads_a_bucket(stage: Stage, start: Any) -> None:
    """With the key that the environment says, as often as `every` says."""
    source = stage.site.sources[0]
    storage = source["storage"]
    keys = {"AWS_ACCESS_KEY_ID": storage.pop("access_key"), "AWS_SECRET_ACCESS_KEY": storage.pop("secret_key")}
    source["every"] = "1s"
    stage.write(250)
    daemon: Daemon = start(stage.site, **keys)
    daemon.wait(lambda: len(stage.site.published()) > 3)
    stage.site.archive.write(250, title="A new one")
    stage.put()
    daemon.wait(lambda: "A new one" in daemon.get("/feeds/news.json").text)
    stage.line.refuse = "GET /articles"
    daemon.wait(lambda: re.search("the storage answers 503", str(daemon.lines())))
    assert keys["AWS_SECRET_ACCESS_KEY"] not in str(daemon.lines())


def test_a_storage_that_says_nothing_holds_nobody_up(stage: Stage, start: Any) -> None:
    """The daemon ends in time while it waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        stage.site.sources[0]["storage"] |= {"endpoint": endpoint, "timeout": "30s"}
        daemon: Daemon = start(stage.site)
        connection, _ = silent.accept()
        with connection:
            code, seconds = daemon.stop()
    assert code == 0
    assert seconds < 5
