"""What there is at an address or in a folder, asked of a real server on loopback."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from feedbridge import discovery, settings, starter
from feedbridge.errors import FetchError, ParseError, SettingsError, SourceError
from feedbridge.settings import Settings, Site
from feedbridge.starter import Start

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Place:
    """Somebody's server: what it answers by path, and what it was asked for."""

    port: int
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def feed(self, path: str, title: str, *names: str, language: str = "en") -> str:
        """Put a feed with entries of these names there; gives its path."""
        items = "".join(f"<item><title>{name}</title><link>https://x.example/{name}</link></item>" for name in names)
        head = f"<title>{title}</title><link>https://x.example/</link><language>{language}</language>"
        self.pages[path] = ("application/rss+xml", f"<rss version='2.0'><channel>{head}{items}</channel></rss>")
        return path

    def page(self, path: str, *feeds: str, title: str = "A page", body: str = "") -> str:
        """Put a page there that names feeds; gives its path."""
        links = "".join(f"<link rel='alternate' type='application/rss+xml' href='{feed}'>" for feed in feeds)
        self.pages[path] = ("text/html", f"<!doctype html><title>{title}</title>{links}<body>{body}")
        return path


@pytest.fixture
def place() -> Iterator[Place]:
    """A server that has nothing yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there.asked.append(self.path)
            kind, text = there.pages.get(self.path, ("text/plain", ""))
            self.send_response(200 if self.path in there.pages else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the method it replaces)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Place(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield there
    server.shutdown()
    thread.join()
    server.server_close()


def look(what: str, *, allow: bool = True, config: Path = Path("feedbridge.toml")) -> Start:
    opened = ["127.0.0.1"] if allow else []
    site = Site(pause=timedelta())
    return discovery.look_at(what, settings=config, site=site, allow_private=opened, now=NOW)


def load(start: Start, folder: Path) -> Settings:
    """The settings that are written, read back."""
    path = folder / "c.toml"
    starter.write(path, start)
    return settings.load(path, {})


def test_a_feed(place: Place, tmp_path: Path) -> None:
    """By its title and its language."""
    start = look(place.url(place.feed("/feed", "Harbour notes", "one", "two", language="de")))
    (find,) = start.finds
    assert (start.title, start.language) == ("Harbour notes", "de")
    assert (find.name, find.title, find.kind) == ("harbour-notes", "Harbour notes", "feed")
    assert find.keys == {"url": place.url("/feed"), "allow_private": ["127.0.0.1"]}
    assert find.told == f"2 entries, at {place.url('/feed')}"
    assert load(start, tmp_path).source[0].name == "harbour-notes"
    assert place.asked == ["/feed"]


def test_a_page_with_two_feeds(place: Place, tmp_path: Path) -> None:
    """Both are sources, with a feed each; a Chinese title has a name for its files, too."""
    place.feed("/a", "The Harbour", "one")
    place.feed("/b", "港口", "two", language="zh-CN")
    start = look(place.url(place.page("/", "/a", "/b", title="Two feeds")))
    assert (start.title, start.language, start.left_out) == ("Two feeds", None, ())
    assert [find.title for find in start.finds] == ["The Harbour", "港口"]
    made = load(start, tmp_path)
    assert [source.name for source in made.source] == ["the-harbour", starter.slug("港口")]
    assert [feed.sources for feed in made.feed] == [(source.name,) for source in made.source]


def test_the_same_in_another_format_is_told_and_left_out(place: Place) -> None:
    """As most blogs have it; so is what cannot be read, and the comments are not even asked for."""
    place.feed("/rss", "Blog", "one", "two")
    place.feed("/atom", "Blog", "one", "two", "three")
    place.feed("/same", "Blog in another spelling", "two", "one")
    place.page("/page")
    place.page("/", "/rss", "/atom", "/same", "/page", "/gone", "/comments/feed")
    start = look(place.url("/"))
    assert [find.keys["url"] for find in start.finds] == [place.url("/rss")]
    same = f"tells the same as {place.url('/rss')}"
    assert start.left_out[:2] == ((place.url("/atom"), same), (place.url("/same"), same))
    assert [name for name, _ in start.left_out[2:]] == [place.url("/page"), place.url("/gone")]
    assert start.left_out[3][1] == "404 Not Found"
    assert "/comments/feed" not in place.asked


def test_links_that_look_like_feeds_where_a_page_names_none(place: Place) -> None:
    """Where it names one, its links are not looked at."""
    place.feed("/news.rss", "News", "one")
    place.feed("/named", "Named", "two")
    body = "<a href='/about'>About</a> <a class=x href='news.rss'>RSS</a> <!-- <a href='/old.rss'> -->"
    assert [find.title for find in look(place.url(place.page("/", body=body))).finds] == ["News"]
    assert place.asked == ["/", "/news.rss"]
    assert [find.title for find in look(place.url(place.page("/", "/named", body=body))).finds] == ["Named"]


def test_not_all_feeds_of_a_page_that_names_very_many(place: Place) -> None:
    """The rest is told."""
    feeds = [place.feed(f"/{number}", f"Feed number {number}", f"n{number}") for number in range(15)]
    start = look(place.url(place.page("/", *feeds)))
    assert len(start.finds) == discovery.MOST_FEEDS
    assert start.left_out[0] == (place.url("/10"), f"only the first {discovery.MOST_FEEDS} are looked at")


def test_what_is_no_feed_and_leads_to_none_says_what_came(place: Place) -> None:
    """Each in words that say what to do."""
    place.page("/none", title="Log in")
    place.page("/broken", "/gone", "/none")
    place.pages["/text"] = ("text/plain", "Hello")
    with pytest.raises(ParseError) as caught:
        look(place.url("/none"))
    assert str(caught.value) == (
        f"{place.url('/none')}: an HTML page titled “Log in” came, which names no feed and links none;"
        " give the address of the feed itself"
    )
    with pytest.raises(SourceError) as failed:
        look(place.url("/broken"))
    lines = str(failed.value).split("\n")
    assert lines[:2] == [
        f"{place.url('/broken')}: leads to no feed that can be read",
        f"  {place.url('/gone')}: 404 Not Found",
    ]
    for path, words in (
        ("/text", "is no feed: text that begins “Hello” came"),
        ("/gone", "404 Not Found; look whether the address is right"),
    ):
        with pytest.raises(SourceError, match=words):
            look(place.url(path))


def test_what_is_not_on_the_public_web_must_be_allowed(place: Place) -> None:
    """The error names the option that does."""
    place.feed("/feed", "Harbour", "one")
    with pytest.raises(FetchError) as caught:
        look(place.url("/feed"), allow=False)
    assert str(caught.value).endswith(f"if that is meant, allow it: --allow-private 127.0.0.1:{place.port}")
    assert place.asked == []


def test_a_folder(tmp_path: Path) -> None:
    """Named by a path that counts from the settings file, which may lie in `config`."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "a.md").write_text("[One](https://x.example/1)\n---\n<p>Text</p>", encoding="utf-8")
    for config, path in ((tmp_path / "c.toml", "saved"), (tmp_path / "config" / "c.toml", "../saved")):
        (find,) = look(str(tmp_path / "saved"), config=config).finds
        assert (find.kind, find.keys["path"]) == ("archive", path)


def test_what_is_neither_is_named(tmp_path: Path) -> None:
    """With what would be right."""
    (tmp_path / "file.md").touch()
    said = {
        str(
            tmp_path / "away"
        ): "no such folder; mend the path, or, if it is an address on the web, begin it with https://",
        str(tmp_path / "file.md"): "is a file; name the folder that it is in",
        "x" * 5000: "cannot be looked at (File name too long)",
        "http://you:secret@x.example/": "leave user name and password out of the address",
        "http://": 'give a whole address that begins with "http://" or "https://"',
        "http://[x/": "give a whole address",
        "https://例子.example/": "write it in ASCII",
    }
    for what, words in said.items():
        with pytest.raises(SettingsError) as caught:
            look(what)
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)
