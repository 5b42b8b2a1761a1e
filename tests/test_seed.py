"""The seed, the whole way: from its file through the pipeline into each format, read back by other libraries."""

import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import struct_time
from typing import Any

import feedparser
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from feedbridge import pipeline, settings
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS

SEEDS = Path(__file__).parent.parent / "seeds"
SEED = SEEDS / "000_93babe1cfb858445.txt"

ID = "urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6"
TITLE = "日韩强化与北约伙伴关系 中国坚决反对北约东进亚太"
LINK = "https://www.voachinese.com/a/japan-south-korea-and-nato-agree-on-new-partnership-program-20230712/7177283.html"
PUBLISHED = datetime(2023, 7, 12, 9, 38, 33, tzinfo=UTC)
UPDATED = datetime(2023, 7, 12, 9, 39, 3, tzinfo=UTC)
ORIGIN = "https://gdb.voanews.com/cdc4cedc-e24f-422d-83be-fc77c0e2fe42_r1_s_w900.jpg"
SHOWN = f"https://images.weserv.nl/?url={ORIGIN.removeprefix('https://')}"
CAPTION = (
    "出席北约峰会的日本、韩国、澳大利亚和新西兰的政府首脑2023年7月12日"
    "与北约秘书长延斯·斯托尔滕贝格（中）合影。（法新社）"
)
BUILT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

CONFIG = """
[site]
base_url = "https://feeds.example/"
output = "public"
store = "sqlite:///var/feedbridge.db"

[[source]]
name = "voa"
kind = "archive"
path = "{seeds}"
{more}

[[feed]]
name = "news"
title = "News"
"""


def build(folder: Path, more: str = "") -> Path:
    """Build the seed's feed in a folder; gives the folder of the published feeds."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "feedbridge.toml"
    config.write_text(CONFIG.format(seeds=SEEDS, more=more), encoding="utf-8")
    done = pipeline.build(settings.load(config, {}), now=BUILT, progress=lambda *_: None)
    assert not done.failed
    assert [(tally.new, tally.unusable) for tally in done.tallies] == [(1, [])]
    return folder / "public" / "feeds"


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published feeds under the policy `keep`."""
    return build(tmp_path_factory.mktemp("seed"))


def parsed(body: bytes) -> Mapping[str, Any]:
    """The one entry of a feed as feedparser reads it."""
    found = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    assert not found.bozo
    assert len(found.entries) == 1
    entry: Mapping[str, Any] = found.entries[0]
    return entry


def instant(parts: struct_time) -> datetime:
    return datetime(*parts[:6], tzinfo=UTC)


def atom_content(feeds: Path) -> str:
    content: str = parsed((feeds / "news.atom").read_bytes())["content"][0]["value"]
    return content


def rss_content(feeds: Path) -> str:
    content: str = parsed((feeds / "news.rss").read_bytes())["content"][0]["value"]
    return content


def json_item(feeds: Path) -> Mapping[str, Any]:
    items = json.loads((feeds / "news.json").read_text(encoding="utf-8"))["items"]
    assert len(items) == 1
    item: Mapping[str, Any] = items[0]
    return item


def json_content(feeds: Path) -> str:
    content: str = json_item(feeds)["content_html"]
    return content


CONTENTS = pytest.mark.parametrize("content_of", [atom_content, rss_content, json_content])
ContentOf = Callable[[Path], str]


def body_of(html: str) -> LexborNode:
    body = LexborHTMLParser(html).body
    assert body is not None
    return body


def test_atom(feeds: Path) -> None:
    """Id, title, link and both dates in Atom, the content as HTML."""
    entry = parsed((feeds / "news.atom").read_bytes())

    assert (entry["id"], entry["title"], entry["link"]) == (ID, TITLE, LINK)
    assert instant(entry["published_parsed"]) == PUBLISHED
    assert instant(entry["updated_parsed"]) == UPDATED
    assert entry["content"][0]["type"] == "text/html"


def test_rss(feeds: Path) -> None:
    """Id, title, link, publication date and the lead picture in RSS; the guid is no link."""
    body = (feeds / "news.rss").read_bytes()
    entry = parsed(body)

    assert (entry["id"], entry["title"], entry["link"]) == (ID, TITLE, LINK)
    assert instant(entry["published_parsed"]) == PUBLISHED
    assert entry["guidislink"] is False
    assert [one["url"] for one in entry["media_content"]] == [SHOWN]
    assert [one["url"] for one in entry["media_thumbnail"]] == [SHOWN]
    assert b"<lastBuildDate>Wed, 12 Jul 2023 09:39:03 +0000</lastBuildDate>" in body


def test_json_feed(feeds: Path) -> None:
    """Id, title, link, both dates and the lead picture in JSON Feed."""
    item = json_item(feeds)

    assert (item["id"], item["title"], item["url"], item["image"]) == (ID, TITLE, LINK, SHOWN)
    assert (item["date_published"], item["date_modified"]) == ("2023-07-12T09:38:33Z", "2023-07-12T09:39:03Z")


@CONTENTS
def test_lead_picture(feeds: Path, content_of: ContentOf) -> None:
    """The content opens with the picture and its caption, exactly, as a figure."""
    content = content_of(feeds)
    figure = content.partition("</figure>")[0]

    assert re.fullmatch(
        rf'<figure><img src="{re.escape(SHOWN)}" alt=""><figcaption>{re.escape(CAPTION)}</figcaption>', figure
    )
    assert content.count("<img") == 1
    assert content.count(CAPTION) == 1


@CONTENTS
def test_body(feeds: Path, content_of: ContentOf) -> None:
    """Eight paragraphs of unbroken text, with nothing left of styles, spans and the date line; `<em>` is kept."""
    body = body_of(content_of(feeds))
    paragraphs = body.css("p")

    assert [child.tag for child in body.iter()] == ["figure", *["p"] * 8]
    assert [node.tag for node in body.css("*") if node.attributes and node.tag != "img"] == []
    assert {node.tag for node in body.css("figure, p, figure *, p *")} == {"figure", "img", "figcaption", "p", "em"}
    assert paragraphs[0].text().startswith("北大西洋公约组织（NATO）峰会本周在立陶宛首都维尔纽斯召开，")
    assert "延斯·斯托尔滕贝格（Jens Stoltenberg）的联合声明中表示" in paragraphs[2].text()
    assert paragraphs[3].text().endswith("岸田文雄5月证实此事，但同时也表示日本没有计划成为北约成员国。")
    assert paragraphs[7].html == "<p><em>（此文参考了路透社的报道。）</em></p>"
    assert "09:38:33" not in body.text()


@CONTENTS
def test_no_text_is_lost(feeds: Path, content_of: ContentOf) -> None:
    """Beside the date line, every character of the seed's body comes out, in its order."""
    written = SEED.read_text(encoding="utf-8").partition("------\n")[2]
    whole = body_of(written).text().strip()

    assert body_of(content_of(feeds)).text() == whole.removeprefix("Wed, 12 Jul 2023 09:38:33 GMT")


@pytest.mark.parametrize(
    ("policy", "address"),
    [
        ("keep", SHOWN),
        ("origin", ORIGIN),
        ("https://wsrv.nl/?url=${href_ue}", f"https://wsrv.nl/?url={ORIGIN.replace(':', '%3A').replace('/', '%2F')}"),
    ],
)
def test_picture_policies(tmp_path: Path, policy: str, address: str) -> None:
    """The picture's own address is what is kept; the policy decides which one is shown."""
    feeds = build(tmp_path, f'images = "{policy}"')

    for content in (atom_content(feeds), rss_content(feeds), json_content(feeds)):
        picture = body_of(content).css_first("figure > img")
        assert picture is not None
        assert picture.attributes["src"] == address
    assert json_item(feeds)["image"] == address


def test_without_pictures(tmp_path: Path) -> None:
    """`drop` takes the whole figure, and the lead picture with it."""
    feeds = build(tmp_path, 'images = "drop"')

    for content in (atom_content(feeds), rss_content(feeds), json_content(feeds)):
        assert [child.tag for child in body_of(content).iter()] == ["p"] * 8
    assert "image" not in json_item(feeds)


@pytest.mark.parametrize(("name", "media_type"), [("news.atom", ATOM), ("news.rss", RSS), ("news.json", JSON_FEED)])
def test_documents_are_valid(feeds: Path, name: str, media_type: str) -> None:
    """No document has a problem, and no date in it lies after the build."""
    assert lint((feeds / name).read_bytes(), media_type, not_after=BUILT) == ()


def test_the_same_bytes_from_an_empty_store(feeds: Path, tmp_path: Path) -> None:
    """Another installation gives the same ids, dates and words."""
    again = build(tmp_path)

    for name in ("news.atom", "news.rss", "news.json"):
        assert (again / name).read_bytes() == (feeds / name).read_bytes()
