"""Documents in a bucket, at a real server, over a line that breaks when it is told to."""

import gzip
import os
import re
import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest
from lxml import etree

from feedbridge.errors import OutputError
from feedbridge.feeds import lint, rendering
from feedbridge.publish import objects
from feedbridge.publish.objects import open_bucket
from tests.buckets import KEY, Line, line_to, running

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site

_MEDIA_TYPES = {**rendering.MEDIA_TYPES, "html": rendering.HTML, "opml": rendering.OPML}


@dataclass
class Stage:
    """A site that is published in a bucket; `address` is where its readers look."""

    site: "Site"
    line: Line
    address: str

    def get(self, path: str) -> httpx.Response:
        return httpx.get(urljoin(self.address, path), trust_env=False)

    def build(self, *, anew: bool = False) -> list[str]:
        """Build, as a process of its own if `anew`; gives what went wrong."""
        if anew:
            objects._know.cache_clear()
        return self.site.build().published.errors

    def published(self) -> dict[str, bytes]:
        """All that readers come to from what they subscribe to: each document is there, and sound."""
        found: dict[str, bytes] = {}
        begin = ("index.html", "feeds.opml", "feeds/news.atom", "feeds/news.rss", "feeds/news.json")
        ahead = [path for path in begin if self.get(path).is_success]
        while ahead:
            path = ahead.pop()
            answer = self.get(path)
            assert answer.status_code == 200, f"{path}: {answer.status_code}"
            assert not lint.lint(answer.content, _MEDIA_TYPES[Path(path).suffix[1:]]), path
            found[path] = answer.content
            links = [urljoin(f"{self.address}{path}", link) for link in _links(path, answer)]
            links = [link.partition("#")[0] for link in links if link.startswith(self.address)]
            ours = {link.removeprefix(self.address) for link in links}
            ahead += sorted(ours - {""} - found.keys() - set(ahead))
        return found

    def puts(self) -> list[str]:
        return [asked.removeprefix("PUT ") for asked in self.line.asked if asked.startswith("PUT ")]


def _links(path: str, answer: httpx.Response) -> list[str]:
    """What a document of ours names."""
    if path.endswith(".json"):
        return [answer.json().get("next_url", ""), answer.json()["feed_url"]]
    if path.endswith(".html"):
        return re.findall(r'href="([^"]*)"', answer.text)
    root = etree.fromstring(answer.content)
    return [str(link) for link in root.xpath("//@xmlUrl | /*/*[local-name()='link']/@href | /*/*/*/@href")]


@pytest.fixture
def stage(site: Any, tmp_path: Path) -> Iterator[Stage]:
    with running(tmp_path / "buckets", "feeds") as server, line_to(server, "/feeds/some/place/") as (line, port):
        site.options |= {
            "output": "s3://feeds/some/place",
            "base_url": f"http://127.0.0.1:{server}/feeds/some/place/",
            "storage": {
                "endpoint": f"http://127.0.0.1:{port}",
                "access_key": KEY,
                "secret_key": "not to be told",
                "timeout": "2s",
            },
        }
        yield Stage(site, line, site.options["base_url"])


def test_a_build_puts_a_whole_site(stage: Stage) -> None:
    """Each document says what it is, and how long caches may keep it; they are compressed."""
    stage.site.archive.write_many(160)
    assert stage.build() == []
    assert sorted(stage.published()) == [
        "feeds.opml",
        *(f"feeds/news.{form}" for form in ("atom", "html", "json", "rss")),
        *(f"feeds/news/{number:04}.{form}" for number in (1, 2) for form in ("atom", "json", "rss")),
        "index.html",
    ]
    for path, media_type, age in (
        ("feeds/news.atom", "application/atom+xml", 300),
        ("feeds/news/0001.json", "application/json", 3600),
        ("feeds/news.html", "text/html", 300),
        ("index.html", "text/html", 300),
        ("feeds.opml", "text/x-opml", 300),
    ):
        headers = stage.get(path).headers
        assert headers["content-type"] == f"{media_type}; charset=utf-8"
        assert headers["cache-control"] == f"public, max-age={age}"
        assert headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("count", [260, 1060])
def test_a_bucket_holds_the_bytes_that_a_folder_would(stage: Stage, count: int) -> None:
    """Through changes, too, where entries are copied from what stands; of many documents, each process puts some."""
    folder = stage.site.public
    stage.site.archive.write_many(count)
    stage.build()
    stage.site.archive.write_many(30, start=count)
    stage.site.archive.write(count - 5, title="Another title")
    stage.build()
    del stage.site.options["output"]
    assert stage.build() == []
    assert stage.published() == {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_site_moves_into_a_bucket(stage: Stage) -> None:
    """The store knows of files in a folder; in the bucket there is nothing yet, and everything is put."""
    address = stage.site.options.pop("output")
    stage.site.archive.write_many(160)
    stage.build()
    stage.site.options["output"] = address
    assert stage.build() == []
    assert stage.published() == stage.site.published()


def test_what_did_not_change_is_not_put_again(stage: Stage) -> None:
    """One list is all that a build asks that finds nothing to do; a process that goes on asks nothing."""
    stage.site.archive.write_many(160)
    stage.build()
    stage.line.asked.clear()
    assert stage.build() == []
    assert stage.line.asked == []
    assert stage.build(anew=True) == []
    assert stage.line.asked == ["GET /feeds"]


def test_a_document_that_comes_out_the_same_is_not_put_again(stage: Stage) -> None:
    """An object says what it holds: the store may be new, and know nothing."""
    stage.site.archive.write_many(160)
    stage.build()
    stage.site.forget_store()
    stage.line.asked.clear()
    assert stage.build(anew=True) == []
    assert stage.puts() == []


def test_what_is_pointed_to_is_put_first(stage: Stage) -> None:
    """New documents of the archive, then those that name them, the feed, and the lists of feeds."""
    stage.site.archive.write_many(260)
    stage.build()
    stage.line.asked.clear()
    stage.site.archive.write_many(100, start=260)
    assert stage.build() == []
    assert [path.rpartition(".")[0] for path in stage.puts()] == [
        *("feeds/news/0004", "feeds/news/0004", "feeds/news/0004"),
        *("feeds/news/0003", "feeds/news/0003", "feeds/news/0003"),
        *("feeds/news", "feeds/news", "feeds/news", "feeds/news"),
        *("feeds", "index"),
    ]
    assert stage.puts()[-3:] == ["feeds/news.html", "feeds.opml", "index.html"]


@pytest.mark.parametrize(
    ("how", "which"),
    [
        ("cut", "PUT feeds/news/0004.atom"),
        ("lose", "PUT feeds/news/0004.json"),
        ("cut", "PUT feeds/news/0003.rss"),
        ("lose", "PUT feeds/news/0003.rss"),
        ("cut", "PUT feeds/news.atom"),
        ("lose", "PUT feeds/news.json"),
        ("cut", "PUT feeds/news.html"),
        ("cut", "PUT index.html"),
        ("403 Forbidden", "PUT feeds/news/0003.rss"),
        ("403 Forbidden", "HEAD feeds/news/0003.json"),
        ("503 Service Unavailable", "PUT feeds/news.rss"),
        ("503 Service Unavailable", "GET feeds/news.atom"),
        ("507 Insufficient Storage", "PUT feeds/news/0004.rss"),
        ("507 Insufficient Storage", "PUT feeds/news.json"),
    ],
)
def test_readers_find_a_whole_site_whatever_fails(stage: Stage, how: str, which: str) -> None:
    """A build that fails in the middle leaves nothing that leads nowhere; the next one goes on from there."""
    stage.site.archive.write_many(260)
    assert stage.build() == []
    before = stage.published()
    stage.site.archive.write_many(100, start=260)
    if how in {"cut", "lose"}:
        setattr(stage.line, how, which)
    else:
        stage.line.refuse, stage.line.status = which, how
    (error,) = stage.build()
    path = which.partition(" ")[2]
    reason = "does not answer" if how in {"cut", "lose"} else f"answers {how[:3]}"
    assert error.startswith(f"s3://feeds/some/place/{path}: cannot be published (the storage {reason}")
    assert "not to be told" not in error
    assert before.keys() <= stage.published().keys()

    stage.line.mends()
    assert stage.build(anew=True) == []
    after = stage.published()
    assert after.keys() - before.keys() == {f"feeds/news/0004.{form}" for form in ("atom", "json", "rss")}
    stage.line.mends()
    assert stage.build(anew=True) == []
    assert stage.puts() == []


@pytest.fixture
def with_pages(stage: Stage) -> Stage:
    """With a page for each entry, and what leads search engines to them, at the top of a host."""
    stage.site.options["robots"] = "index"
    stage.site.feeds[0]["pages"] = "entries"
    return stage


def test_pages_are_put_before_what_leads_to_them(with_pages: Stage) -> None:
    """That of an entry before the feed, the page of the feed after the feed, what leads to all at last."""
    stage = with_pages
    stage.site.archive.write_many(160)
    stage.build()
    before = stage.published()
    stage.line.asked.clear()
    stage.site.archive.write(160)
    assert stage.build() == []
    (new,) = stage.published().keys() - before.keys()
    puts = stage.puts()
    assert new.startswith("entries/news/")
    assert puts[0] == new
    assert puts.index("feeds/news.json") < puts.index("feeds/news.html") < puts.index("feeds.opml")
    assert puts[-1] == "index.html"
    for path, media_type, age in ((new, "text/html", 3600), ("sitemap.xml", "application/xml", 300)):
        headers = stage.get(path).headers
        assert headers["content-type"] == f"{media_type}; charset=utf-8"
        assert headers["cache-control"] == f"public, max-age={age}"
    del stage.site.options["output"]
    assert stage.build() == []
    assert stage.published() | {"sitemap.xml": stage.get("sitemap.xml").content} == stage.site.published()


def test_pages_of_entries_go_when_nothing_leads_to_them(with_pages: Stage) -> None:
    """Those that cannot be removed now are removed by the next build; the first failure ends the attempt."""
    stage = with_pages
    stage.site.archive.write_many(20)
    stage.build()
    before = stage.published()
    stage.site.feeds[0]["keep"] = 5
    stage.site.feeds[0]["archives"] = False
    stage.line.asked.clear()
    stage.line.refuse = "POST|DELETE"
    assert len(stage.build()) == 1
    gone = before.keys() - stage.published().keys()
    assert len(gone) == 15
    assert all(stage.get(path).is_success for path in gone)
    assert len([asked for asked in stage.line.asked if re.match(stage.line.refuse, asked)]) <= 3
    stage.line.mends()
    assert stage.build(anew=True) == []
    assert not any(stage.get(path).is_success for path in gone)
    stage.site.feeds[0]["pages"] = "feed"
    assert stage.build() == []
    assert not any(stage.get(path).is_success for path in before if path.startswith("entries/"))


def test_a_site_in_a_bucket_is_never_taken_to_stand_still(stage: Stage) -> None:
    """What is in a bucket cannot be seen by looking at files: each build looks at all that a build looks at."""
    stage.site.archive.write_many(10)
    folder = stage.site.options.pop("output")
    for _ in range(2):
        assert stage.site.run("build").returncode == 0
    (note,) = stage.site.folder.rglob("*.standstill")
    stage.site.options["output"] = folder
    for _ in range(2):
        assert stage.site.run("build").returncode == 0
    httpx.delete(f"{stage.address}feeds/news.atom", trust_env=False).raise_for_status()
    assert "  feeds/news.atom\n" in stage.site.run("build").stdout
    assert note.exists()


@pytest.mark.parametrize("which", [r"PUT feeds/news/0002.rss", r"PUT feeds/news.rss", r"PUT index.html"])
def test_a_first_build_that_breaks_off_shows_nothing_half(stage: Stage, which: str) -> None:
    """There is no page of feeds before there are feeds, and what names the archive comes after it."""
    stage.site.archive.write_many(260)
    stage.line.cut = which
    assert len(stage.build()) == 1
    stage.published()
    assert not stage.get("index.html").is_success
    stage.line.mends()
    assert stage.build(anew=True) == []
    assert len(stage.published()) == 2 + 4 + 9


def test_many_documents_fail_as_one_does(stage: Stage) -> None:
    """Where several processes put them, too: what names them waits, and the build ends soon."""
    stage.site.archive.write_many(260)
    stage.build()
    before = stage.published()
    stage.site.archive.write_many(1000, start=260)
    stage.line.cut = "PUT feeds/news/"
    began = time.monotonic()
    assert len(stage.build()) == 1
    assert time.monotonic() - began < 60
    assert stage.published() == before
    stage.line.mends()
    assert stage.build(anew=True) == []
    assert len(stage.published()) == 2 + 4 + 3 * 13


def test_a_short_break_is_not_noticed(stage: Stage) -> None:
    """A request that fails once is made again."""
    stage.site.archive.write_many(60)
    stage.line.refuse, stage.line.refusals = "PUT feeds/news.atom", 2
    assert stage.build() == []
    assert stage.line.refusals == 0
    assert stage.published()


def test_a_wrong_key_is_named_and_not_shown(stage: Stage) -> None:
    """The server itself refuses it; what is published stays."""
    stage.site.archive.write_many(60)
    stage.build()
    before = stage.published()
    stage.site.options["storage"] |= {"access_key": "SOMEBODY"}
    stage.site.archive.write(60)
    assert stage.build() == [
        "s3://feeds/some/place: cannot be published (the storage answers 403: look at the key, and at what it may do);"
        " what was published before stays"
    ]
    assert stage.published() == before
    site = stage.site.settings().site
    with pytest.raises(OutputError) as caught:
        open_bucket(str(site.output), site.storage).put("index.html", b"new")
    assert "SOMEBODY" not in "".join(traceback.format_exception(caught.value))
    stage.site.options["storage"] |= {"access_key": KEY}
    assert stage.build() == []
    assert stage.published() != before


def test_nothing_is_removed_before_nothing_names_it(stage: Stage) -> None:
    """The list of feeds goes first; what cannot be removed now is removed by the next build."""
    stage.site.archive.write_many(160)
    stage.site.feeds = [{"name": "news"}, {"name": "more"}]
    stage.build()
    stage.site.feeds = [{"name": "news"}]
    stage.line.asked.clear()
    stage.line.refuse = "POST"
    assert len(stage.build()) == 1
    assert stage.puts() == ["feeds.opml", "index.html"]
    assert not [path for path in stage.published() if "more" in path]
    assert stage.get("feeds/more.atom").is_success
    stage.line.mends()
    assert stage.build(anew=True) == []
    assert [stage.get(f"feeds/more{end}").status_code for end in (".atom", "/0001.atom", "/0002.json")] == [404] * 3


def test_what_somebody_changed_is_not_removed(stage: Stage) -> None:
    """An object that is not ours any more stays."""
    stage.site.archive.write_many(10)
    stage.site.feeds = [{"name": "news"}, {"name": "more"}]
    stage.build()
    httpx.put(f"{stage.address}feeds/more.atom", content=b"theirs", trust_env=False).raise_for_status()
    stage.site.feeds = [{"name": "news"}]
    assert stage.build() == []
    assert stage.get("feeds/more.atom").content == b"theirs"
    assert stage.get("feeds/more.rss").status_code == 404


def test_nothing_is_copied_from_what_somebody_changed(stage: Stage) -> None:
    """An object that does not hold what we wrote is written anew when it is due."""
    stage.site.archive.write_many(60)
    stage.build()
    httpx.put(f"{stage.address}feeds/news.json", content=b"theirs", trust_env=False).raise_for_status()
    stage.site.archive.write(60, title="A new one")
    assert stage.build() == []
    assert b"A new one" in stage.published()["feeds/news.json"]


def test_a_page_of_somebody_else_stays(stage: Stage) -> None:
    """As in a folder."""
    httpx.put(f"{stage.address}index.html", content=b"<p>mine", trust_env=False).raise_for_status()
    stage.site.archive.write_many(10)
    assert stage.build() == []
    assert stage.get("index.html").content == b"<p>mine"


def test_what_somebody_took_away_is_put_again(stage: Stage) -> None:
    """The next process finds it missing."""
    stage.site.archive.write_many(160)
    stage.build()
    before = stage.published()
    httpx.delete(f"{stage.address}feeds/news/0001.atom", trust_env=False).raise_for_status()
    assert stage.build(anew=True) == []
    assert stage.published() == before


def test_a_feed_older_than_the_store_stays_until_all_is_read(stage: Stage) -> None:
    """As in a folder: a lost store does not empty the feeds."""
    stage.site.archive.write_many(60)
    stage.build()
    before = stage.published()
    stage.site.forget_store()
    stage.site.archive.root.rename(stage.site.folder / "away")
    stage.line.asked.clear()
    assert stage.site.build().published.held
    assert stage.puts() == []
    assert stage.published() == before


def test_documents_are_as_they_are_where_that_is_wished(stage: Stage) -> None:
    """`compress = false`: for a CDN that compresses, or readers that take no gzip."""
    stage.site.archive.write_many(60)
    stage.build()
    before = stage.published()
    stage.site.options["storage"] |= {"compress": False, "max_age": "2h"}
    stage.build()
    assert stage.published() == before
    for path in before:
        headers = stage.get(path).headers
        assert "content-encoding" not in headers
        assert headers["cache-control"] == "public, max-age=7200"
    stage.line.asked.clear()
    stage.build()
    assert stage.line.asked == []


def test_processes_that_print_have_the_keys_of_the_environment(stage: Stage) -> None:
    """Google's and Microsoft's are nowhere else. They have not listed what is there, so they ask before they put."""
    storage = stage.site.options["storage"]
    keys = {"AWS_ACCESS_KEY_ID": storage.pop("access_key"), "AWS_SECRET_ACCESS_KEY": storage.pop("secret_key")}
    stage.site.archive.write_many(1560)
    done = stage.site.run("build", env=os.environ | keys)
    assert done.returncode == 0, done.stderr
    assert [asked for asked in stage.line.asked if asked.startswith("HEAD feeds/news/")]
    assert len(stage.published()) == 2 + 4 + 3 * 16


def test_what_calls_itself_packed_and_is_not_stays(stage: Stage) -> None:
    """It is somebody else's."""
    packed = {"content-encoding": "gzip"}
    broken = gzip.compress(b"<p>mine")[:12] + b"\xff" * 9
    with httpx.Client(trust_env=False) as client:
        client.put(f"{stage.address}index.html", content=broken, headers=packed).raise_for_status()
    stage.site.archive.write_many(10)
    assert stage.build() == []
    with httpx.stream("GET", f"{stage.address}index.html", trust_env=False) as answer:
        assert b"".join(answer.iter_raw()) == broken


def test_a_storage_that_says_nothing_is_waited_for_so_long(stage: Stage) -> None:
    """A build ends, whatever the storage does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        stage.site.options["storage"] |= {"endpoint": f"http://127.0.0.1:{port}", "timeout": "1s"}
        began = time.monotonic()
        (error,) = stage.build()
    assert "does not answer" in error
    assert time.monotonic() - began < 15


def test_the_daemon_publishes_in_a_bucket(stage: Stage, start: Any) -> None:
    """With the key that the environment says; readers are not served by us, and the key is in no line of the log."""
    storage = stage.site.options["storage"]
    keys = {"AWS_ACCESS_KEY_ID": storage.pop("access_key"), "AWS_SECRET_ACCESS_KEY": storage.pop("secret_key")}
    stage.site.archive.write_many(60)
    stage.line.refuse = "PUT feeds/news.atom"
    daemon: Daemon = start(stage.site, **keys)
    daemon.wait(lambda: daemon.lines("publishing failed"))
    assert daemon.get("/readyz").status_code == 503
    stage.line.mends()
    daemon.wait(lambda: stage.get("index.html").is_success)
    assert len(stage.published()) == 2 + 4 + 3
    stage.site.archive.write(61, title="A new one")
    daemon.wait(lambda: "A new one" in stage.get("feeds/news.json").text)
    assert daemon.get("/feeds/news.json").status_code == 404
    assert daemon.get("/healthz").status_code == 200
    assert keys["AWS_SECRET_ACCESS_KEY"] not in str(daemon.lines())


def test_serve_has_nothing_to_serve(stage: Stage) -> None:
    """It says who does, and how."""
    done = stage.site.run("serve")
    assert done.returncode == 2
    assert "s3://feeds/some/place: is no folder" in done.stderr


def test_a_storage_that_says_nothing_holds_nobody_up(stage: Stage, start: Any) -> None:
    """The daemon ends in time while it waits for an answer."""
    stage.site.archive.write_many(10)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stage.site.options["storage"] |= {"endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}", "timeout": "30s"}
        daemon: Daemon = start(stage.site)
        connection, _ = silent.accept()
        with connection:
            code, seconds = daemon.stop()
    assert code == 0
    assert seconds < 5
