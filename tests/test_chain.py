"""A chain of three: feedbridge reads what feedbridge publishes, which reads what feedbridge publishes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from feedbridge import pipeline, settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FORMATS = ("atom", "rss", "json")
ARTICLES = 20

ATOM = "{http://www.w3.org/2005/Atom}"

TITLES = ("北方市场今天开放", "River & market: a <small> report", "部长表示：经济“稳定”", "What’s new in the city?")
TEXTS = ("<p>北方市场今天会议声明，经济合作。</p>", "<p>The river &amp; the <b>bridge</b> — “open” since 5 &lt; 6.</p>")
PICTURE = (
    '<img src="https://images.weserv.nl?url=pictures.example/{}.jpg" width="100%"><div><small>城市 {}</small></div>'
)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """An installation whose public folder is served on loopback."""

    folder: Path
    url: str
    config: Path

    def configure(self, *tables: str) -> None:
        site = f'[site]\ntitle = "{self.folder.name}"\nbase_url = "{self.url}/"\noutput = "public"\npause = "0s"\n'
        store = 'store = "sqlite:///var/feedbridge.db"\n'
        self.config.write_text(site + store + "\n".join(tables), encoding="utf-8")

    def build(self, now: datetime) -> pipeline.Build:
        done = pipeline.build(settings.load(self.config, {}), now=now, progress=lambda *_: None)
        assert not done.failed, done
        assert not done.published.left_out
        assert not any(tally.unusable for tally in done.tallies)
        return done

    def document(self, name: str) -> bytes:
        return (self.folder / "public" / "feeds" / name).read_bytes()

    def items(self, feed: str) -> list[dict[str, Any]]:
        """The entries of a feed as JSON Feed has them."""
        found: list[dict[str, Any]] = json.loads(self.document(f"{feed}.json"))["items"]
        return found

    def entries(self, feed: str) -> list[ElementTree.Element]:
        """The entries of a feed as Atom has them."""
        return ElementTree.fromstring(self.document(f"{feed}.atom")).findall(f"{ATOM}entry")


@contextmanager
def served(folder: Path) -> Iterator[Bridge]:
    public = folder / "public"
    public.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=public))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield Bridge(folder=folder, url=url, config=folder / "feedbridge.toml")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_archive(folder: Path) -> None:
    """Saved articles as in an archive: Chinese and English, with pictures, tags, authors, and dates of all kinds."""
    folder.mkdir()
    for number in range(ARTICLES):
        write_article(folder, number)


def write_article(folder: Path, number: int, *, edited: str = "") -> None:
    published = datetime(2026, 10, 1, 6, tzinfo=UTC) + timedelta(hours=7 * number, minutes=number)
    marker = int((published + timedelta(minutes=5) + (HOUR if edited else timedelta())).timestamp() * 1000)
    title = f"{TITLES[number % len(TITLES)]} {number}"
    head = f"---\nlayout: post\ntitle: {json.dumps(title, ensure_ascii=False)}\n"
    head += f"date: {published:%Y-%m-%d %H:%M:%S} +0000\n"
    head += "tags: [新闻, world news]\n" if number % 3 else "tags: [R&D]\n"
    head += 'author: "王小明"\n' if number % 4 == 0 else ""
    picture = PICTURE.format(number, number) if number % 5 == 0 else ""
    more = f'<p><a href="https://news.example/{number - 1}.html?a=1&amp;b=2">Before</a></p><ul><li>一</li></ul>{edited}'
    date = f"<div><i>{published:%a, %d %b %Y %H:%M:%S} GMT</i></div>"
    opening = f"<!--{marker}-->\n[{title}](https://news.example/{number}.html)\n------\n\n"
    body = f"{opening}{date}{picture}{TEXTS[number % 2]}{more}"
    (folder / f"{number:03}.md").write_text(f"{head}---\n{body}", encoding="utf-8")


def subscription(name: str, url: str) -> str:
    """Settings of a source with a feed of its own."""
    return (
        f'[[source]]\nname = "{name}"\nkind = "feed"\nurl = "{url}"\nallow_private = ["127.0.0.0/8"]\n'
        f'[[feed]]\nname = "{name}"\nsources = ["{name}"]\n'
    )


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A reads an archive, B the three formats of A's feed, C the three formats of B's feed of A's Atom."""

    a: Bridge
    b: Bridge
    c: Bridge

    def build(self, now: datetime) -> list[pipeline.Build]:
        return [bridge.build(now + number * HOUR) for number, bridge in enumerate((self.a, self.b, self.c))]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """All three, built."""
    folder = tmp_path_factory.mktemp("chain")
    with served(folder / "A") as a, served(folder / "B") as b, served(folder / "C") as c:
        write_archive(a.folder / "seeds")
        a.configure(
            '[[source]]\nname = "voa"\nkind = "archive"\npath = "seeds"\nauthor = "北方社"\nlanguage = "zh-Hans"',
            '[[feed]]\nname = "news"\ntitle = "北方 & News"\nsubtitle = "A subtitle"',
        )
        b.configure(*(subscription(form, f"{a.url}/feeds/news.{form}") for form in FORMATS))
        c.configure(*(subscription(form, f"{b.url}/feeds/atom.{form}") for form in FORMATS))
        chain = Chain(a=a, b=b, c=c)
        chain.build(NOON)
        yield chain


def told(item: dict[str, Any]) -> dict[str, Any]:
    """What an entry tells, without where it comes from."""
    return {key: value for key, value in item.items() if key != "_feedbridge"}


@pytest.mark.parametrize("form", FORMATS)
def test_the_second_hop_has_the_same_articles(chain: Chain, form: str) -> None:
    """Ids, links, titles, dates, texts, pictures, people and categories are those of the first, in whatever format."""
    first = [told(item) for item in chain.a.items("news")]
    assert len(first) == ARTICLES
    assert [told(item) for item in chain.b.items(form)] == first


@pytest.mark.parametrize("form", FORMATS)
def test_the_third_hop_has_the_same_articles(chain: Chain, form: str) -> None:
    """Nothing wears off on the way."""
    assert [told(item) for item in chain.c.items(form)] == [told(item) for item in chain.a.items("news")]


@pytest.mark.parametrize("form", FORMATS)
def test_entries_say_where_they_come_from(chain: Chain, form: str) -> None:
    """Each names the feed that it was first in, and the one that it was taken from; so in the third hop, too."""
    feed = json.loads(chain.a.document("news.json"))
    atom = ElementTree.fromstring(chain.a.document("news.atom"))
    for bridge, upstream in (
        (chain.b, f"{chain.a.url}/feeds/news.{form}"),
        (chain.c, f"{chain.b.url}/feeds/atom.{form}"),
    ):
        for item in bridge.items(form):
            origin = item["_feedbridge"]["source"]
            assert origin["title"] == feed["title"] == "北方 & News"
            assert origin["feed_url"].startswith(f"{chain.a.url}/feeds/news.")
            assert item["_feedbridge"]["via"] == upstream
    for bridge in (chain.b, chain.c):
        for entry in bridge.entries("atom"):
            source = entry.find(f"{ATOM}source")
            assert source is not None
            assert source.findtext(f"{ATOM}id") == atom.findtext(f"{ATOM}id")
            assert source.findtext(f"{ATOM}title") == "北方 & News"
            assert [link.get("rel") for link in entry.findall(f"{ATOM}link")].count("via") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_feed_is_called_what_its_upstream_is_called(chain: Chain, form: str) -> None:
    """The defaults of a feed with one source are what that source says of itself."""
    feed = json.loads(chain.c.document(f"{form}.json"))
    assert (feed["title"], feed["description"]) == ("北方 & News", "A subtitle")


def test_a_second_round_changes_nothing(chain: Chain) -> None:
    """Who reads what has not changed publishes the same bytes."""
    before = [(bridge.folder, path, path.read_bytes()) for bridge in (chain.b, chain.c) for path in _files(bridge)]
    for done in chain.build(NOON + 24 * HOUR):
        assert not done.published.written
        assert not any(tally.new or tally.changed for tally in done.tallies)
    assert [(folder, path, path.read_bytes()) for folder, path, _ in before] == before


def _files(bridge: Bridge) -> list[Path]:
    return sorted(path for path in (bridge.folder / "public").rglob("*") if path.is_file())


def test_an_edit_goes_through_and_an_article_too(chain: Chain) -> None:
    """The edited article keeps its id and gets its new date in every hop; the new one is on top."""
    seeds = chain.a.folder / "seeds"
    write_article(seeds, 3, edited="<p>A correction.</p>")
    write_article(seeds, ARTICLES)
    for done in chain.build(NOON + 48 * HOUR):
        assert {(tally.new, tally.changed) for tally in done.tallies} == {(1, 1)}
    first = {item["id"]: told(item) for item in chain.a.items("news")}
    assert len(first) == ARTICLES + 1
    for bridge in (chain.b, chain.c):
        for form in FORMATS:
            assert {item["id"]: told(item) for item in bridge.items(form)} == first
