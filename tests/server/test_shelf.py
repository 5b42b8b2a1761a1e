"""Files in memory: current, whole, inside the folder, and bounded."""

import asyncio
import gzip
import itertools
import os
import threading
from pathlib import Path
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.server import shelf as shelf_module
from feedbridge.server.respond import Encoded, LargeFile, Served
from feedbridge.server.shelf import Shelf, file_name, open_large


def get(shelf: Shelf, path: str) -> Served | None:
    return asyncio.run(shelf.get(path))


def body(served: Served | None) -> bytes:
    assert served is not None
    assert isinstance(served.whole, Encoded)
    return served.whole.body


def test_compressed_forms_hold_the_file(published: Path) -> None:
    """Both compressed forms unpack to the file, and each coding has its own tag."""
    served = get(Shelf(published), "/feeds/news.atom")
    assert served is not None
    whole = (published / "feeds/news.atom").read_bytes()
    assert body(served) == whole
    packed = {form.coding: form for form in served.packed}
    assert list(packed) == ["br", "gzip"]
    assert brotli.decompress(packed["br"].body) == whole
    assert gzip.decompress(packed["gzip"].body) == whole
    assert len({served.whole.etag, packed["br"].etag, packed["gzip"].etag}) == 3


def test_small_files_are_not_compressed(published: Path) -> None:
    """Where compression would save next to nothing, there is none."""
    served = get(Shelf(published), "/feeds.opml")
    assert served is not None
    assert served.packed == ()


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/feeds/news.atom", "application/atom+xml"),
        ("/feeds/news/0001.atom", "application/atom+xml"),
        ("/feeds/news.rss", "application/rss+xml"),
        ("/feeds/news.json", "application/feed+json"),
        ("/feeds.opml", "text/x-opml"),
        ("/index.html", "text/html"),
        ("/", "text/html"),
    ],
)
def test_the_ending_says_the_type(published: Path, path: str, media_type: str) -> None:
    """Each kind of file has its media type; a folder means its page."""
    served = get(Shelf(published), path)
    assert served is not None
    assert served.media_type == media_type


def test_json_elsewhere_is_no_feed(published: Path) -> None:
    """Only JSON below `feeds/` is a feed."""
    (published / "a.json").write_text("{}")
    served = get(Shelf(published), "/a.json")
    assert served is not None
    assert served.media_type == "application/json"


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        (b"""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-x='">""",
         "default-src 'none'; style-src 'sha256-x='"),
        (b"<!doctype html><p>", None),
        (b"""<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;">""", None),
        (b"""<meta http-equiv="Content-Security-Policy" content="a\r\nset-cookie: x">""", None),
        (b" " * 2000 + b"""<meta http-equiv="Content-Security-Policy" content="default-src *">""", None),
    ],
)  # fmt: skip
def test_a_page_is_served_with_the_policy_in_its_head(published: Path, body: bytes, policy: str | None) -> None:
    """What could break a header is none, nor is what stands further down."""
    (published / "page.html").write_bytes(body)
    (published / "page.txt").write_bytes(body)
    shelf = Shelf(published)
    page, text = get(shelf, "/page.html"), get(shelf, "/page.txt")
    assert page is not None
    assert text is not None
    assert (page.policy, text.policy) == (policy, None)


@pytest.mark.parametrize("name", ["a.svg", "a.db", "a.py", "a", ".secret.html", "feeds/.news.atom.feedbridge-tmp"])
def test_other_files_are_not_served(published: Path, name: str) -> None:
    """Files of other kinds, and those with a leading dot, are not there."""
    (published / name).write_text("x")
    assert get(Shelf(published), f"/{name}") is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "feeds.opml",
        "/../secret.html",
        "/feeds/../../secret.html",
        "/feeds/../feeds.opml",
        "//feeds.opml",
        "/feeds//news.atom",
        "/./feeds.opml",
        "/feeds.opml\0",
        "/feeds\\news.atom",
        "/..\\secret.html",
        "/feeds",
        "/feeds/",
        "/feeds.opml/",
        "/" + "a" * 300 + ".html",
        "/" + "a/" * 5000,
        "/\ufffd\ufffd/secret.html",
        "/%2e%2e/secret.html",
    ],
)
def test_no_path_leads_elsewhere(published: Path, path: str) -> None:
    """No path leads out of the folder, lists one, or names a file in two ways."""
    (published.parent / "secret.html").write_text("secret")
    assert get(Shelf(published), path) is None


@given(st.text(max_size=80) | st.from_regex(r"(/|\.|\.\.|%2e|\\|a|b\.html|~)*"))
def test_names_stay_below_the_folder(path: str) -> None:
    """Whatever the path, its name has no empty, hidden or climbing part."""
    name = file_name(path)
    assert name is None or not any(part == "" or part.startswith(".") for part in name.split("/"))


def test_links_must_stay_inside(published: Path) -> None:
    """A link to a file inside the folder is followed, one that leads out is not, be it of a file or a folder."""
    secret = published.parent / "elsewhere"
    secret.mkdir()
    (secret / "a.html").write_text("secret")
    (published / "in.atom").symlink_to("feeds/news.atom")
    (published / "out.html").symlink_to(secret / "a.html")
    (published / "folder").symlink_to(secret)
    (published / "loop.html").symlink_to("loop.html")
    shelf = Shelf(published)
    assert body(get(shelf, "/in.atom")) == (published / "feeds/news.atom").read_bytes()
    assert [get(shelf, path) for path in ("/out.html", "/folder/a.html", "/loop.html")] == [None, None, None]


def test_only_regular_files_are_opened(published: Path) -> None:
    """A pipe and a folder with a file's name are not there, and nobody waits for them."""
    os.mkfifo(published / "pipe.html")
    (published / "folder.html").mkdir()
    assert [get(Shelf(published), path) for path in ("/pipe.html", "/folder.html")] == [None, None]


def test_a_rewritten_file_is_served_at_once(published: Path) -> None:
    """After a rename over the file the new bytes come with another tag; after its removal, nothing does."""
    shelf = Shelf(published)
    old = get(shelf, "/feeds/news.atom")
    beside = published / "feeds" / ".beside"
    beside.write_bytes(b"<feed>new</feed>")
    beside.replace(published / "feeds/news.atom")
    new = get(shelf, "/feeds/news.atom")
    assert old is not None
    assert new is not None
    assert body(new) == b"<feed>new</feed>"
    assert new.whole.etag != old.whole.etag
    (published / "feeds/news.atom").unlink()
    assert get(shelf, "/feeds/news.atom") is None
    assert shelf.kept_bytes == 0


def test_tags_outlive_the_process(published: Path) -> None:
    """Another shelf over the same folder gives equal answers, tags and dates included."""
    assert get(Shelf(published), "/feeds/news.atom") == get(Shelf(published), "/feeds/news.atom")


def test_a_hit_needs_no_thread(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory is given without a thread, a read or a turn of the loop."""
    shelf = Shelf(published)
    first = get(shelf, "/feeds/news.atom")
    waits = shelf.get("/feeds/news.atom")
    with pytest.raises(StopIteration) as given:
        waits.send(None)
    assert given.value.value is first


def test_many_who_ask_at_once_share_one_load(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold file is read and compressed once for all who ask for it."""
    loads = count_reads(monkeypatch)
    shelf = Shelf(published)

    async def ask() -> list[Served | None]:
        return await asyncio.gather(*(shelf.get("/feeds/news.atom") for _ in range(500)))

    answers = asyncio.run(ask())
    assert loads == ["feeds/news.atom"]
    assert len({id(answer) for answer in answers}) == 1


def test_who_leaves_takes_nobody_along(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the one who asked first leaves, the others still get the file."""
    loads = count_reads(monkeypatch)
    shelf = Shelf(published)

    async def ask() -> Served | None:
        first = asyncio.create_task(shelf.get("/feeds/news.atom"))
        second = asyncio.create_task(shelf.get("/feeds/news.atom"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(ask()) is not None
    assert loads == ["feeds/news.atom"]


def test_a_file_replaced_while_it_is_read_is_read_again(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given is the newest file, whole."""
    real = shelf_module._served
    news = [b"<feed>second</feed>", b"<feed>third</feed>"]

    def slow(*arguments: Any) -> Served | None:
        found = real(*arguments)
        if news:
            (published / "beside").write_bytes(news.pop(0))
            (published / "beside").replace(published / "feeds/news.atom")
        return found

    monkeypatch.setattr(shelf_module, "_served", slow)
    assert body(get(Shelf(published), "/feeds/news.atom")) == b"<feed>third</feed>"


def test_a_file_replaced_at_every_read_is_still_given(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another file takes the place at every try, a whole one is given, not an error."""
    real = shelf_module._served
    rounds = iter(range(100))

    def slow(*arguments: Any) -> Served | None:
        found = real(*arguments)
        (published / "beside").write_bytes(b"%03d" % next(rounds))
        (published / "beside").replace(published / "feeds/news.atom")
        return found

    monkeypatch.setattr(shelf_module, "_served", slow)
    assert len(body(get(Shelf(published), "/feeds/news.atom"))) == 3


def test_a_file_that_never_rests_is_an_error(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes at every try is given up, not given cut."""
    monkeypatch.setattr(shelf_module, "_served", lambda *_: None)
    with pytest.raises(OSError, match=r"news\.atom: changes faster"):
        get(Shelf(published), "/feeds/news.atom")


def test_readers_beside_a_writer_see_whole_files(published: Path) -> None:
    """While a file is replaced again and again, every answer is one of the versions, never a mixture."""
    target = published / "feeds/news.atom"
    target.write_bytes(b"0" * 100_000)
    done = threading.Event()

    def rewrite() -> None:
        for round_ in itertools.count():
            beside = published / "feeds/.beside"
            beside.write_bytes(b"%d" % (round_ % 10) * (100_000 + round_))
            beside.replace(target)
            if done.wait(0.001):
                return

    async def read() -> int:
        shelf = Shelf(published)
        versions: set[int] = set()
        while len(versions) < 50 and writer.is_alive():
            found = body(await shelf.get("/feeds/news.atom"))
            assert len(found) >= 100_000
            assert len(set(found)) == 1
            versions.add(len(found))
            await asyncio.sleep(0.001)  # let the writer have its turn
        return len(versions)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        assert asyncio.run(read()) == 50
    finally:
        done.set()
        writer.join()


def test_least_recently_used_files_go_out(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays below the limit; the files that were asked for last stay in it."""
    for number in range(20):
        (published / f"{number}.jpg").write_bytes(os.urandom(50_000))
    shelf = Shelf(published, max_bytes=300_000)
    for number in range(20):
        get(shelf, "/0.jpg")
        get(shelf, f"/{number}.jpg")
        assert shelf.kept_bytes <= 300_000
    loads = count_reads(monkeypatch)
    for name in ("0", "19", "1"):
        get(shelf, f"/{name}.jpg")
    assert loads == ["1.jpg"]


def test_large_files_stay_on_disk(published: Path) -> None:
    """A file larger than a quarter of the memory is not kept; its handle is refused once it is another file."""
    (published / "big.jpg").write_bytes(b"x" * 100_000)
    shelf = Shelf(published, max_bytes=200_000)
    served = get(shelf, "/big.jpg")
    assert served is not None
    large = served.whole
    assert isinstance(large, LargeFile)
    assert (large.size, served.packed) == (100_000, ())
    assert shelf.kept_bytes < 10_000
    handle = open_large(large)
    assert handle is not None
    os.close(handle)
    (published / "big.jpg").write_bytes(b"y" * 100_001)
    assert open_large(large) is None


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of files that are read."""
    real = shelf_module._read_file
    names: list[str] = []

    def read(root: Path, name: str, largest: int) -> Served | None:
        names.append(name)
        return real(root, name, largest)

    monkeypatch.setattr(shelf_module, "_read_file", read)
    return names


def test_nobody_joins_a_load_that_is_done(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that comes in the very moment a load ends looks at the file anew, should it be another by then."""
    shelf = Shelf(published)
    path = published / "feeds.opml"
    late: list[asyncio.Task[Served | None]] = []
    drop = Shelf._drop

    def drop_and_be_asked(self: Shelf, name: str) -> None:
        drop(self, name)
        if not late:
            path.write_text("<opml>newer</opml>")
            late.append(asyncio.get_running_loop().create_task(shelf.get("/feeds.opml")))

    async def ask() -> Served | None:
        await shelf.get("/feeds.opml")
        return await late[0]

    monkeypatch.setattr(Shelf, "_drop", drop_and_be_asked)
    served = asyncio.run(ask())
    assert served is not None
    assert body(served) == b"<opml>newer</opml>"
