"""A hundred documents made for the tests: each dialect, encoding and defect, and what is to come of it.

NAME.xml, .json or .html is the body as it comes; NAME.expected.json says what is expected: the feed and its items in
the short form of `told`, or the address that is to be asked instead, or words of the error.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from feedbridge.articles.normalise import Rules, normalise, recognise
from feedbridge.errors import ParseError
from feedbridge.feeds import jsonfeed, syndication
from feedbridge.feeds.assemble import SourceFace, entry, feed_extensions
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS
from feedbridge.model import Article, Category, Enclosure, Image, Page, Part, Person, RawItem, Request, SourceFacts
from feedbridge.model import Feed as Document
from feedbridge.sources import core
from feedbridge.sources.feed import Feed

DOCUMENTS = Path(__file__).parent / "documents"
BODIES = sorted(path for path in DOCUMENTS.iterdir() if not path.name.endswith(".expected.json"))
URL = "https://news.example/feed"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def expected_of(body: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads(body.with_suffix(".expected.json").read_text("utf-8"))
    return expected


def parse(body: Path, expected: dict[str, Any]) -> list[Part]:
    page = Page(path=expected.get("url", URL), body=body.read_bytes(), content_type=expected.get("content_type"))
    return list(Feed().parse(page))


def told(facts: SourceFacts, items: list[RawItem]) -> dict[str, Any]:
    """What a feed says, in the short form of the expectations: what it does not say is left out."""
    return {"feed": _short_facts(facts), "items": [_short_item(item) for item in items]}


def _short_facts(facts: SourceFacts) -> dict[str, Any]:
    plain = ("id", "title", "subtitle", "link", "icon", "language", "rights")
    return _said(
        {name: getattr(facts, name) for name in plain},
        self=facts.self_link,
        authors=[_person(author) for author in facts.authors],
        interval=facts.least_interval and facts.least_interval // timedelta(seconds=1),
        skip_hours=sorted(facts.skip_hours),
        skip_days=sorted(facts.skip_days),
        extensions=[element.name for element in facts.extensions],
    )


def _short_item(item: RawItem) -> dict[str, Any]:
    plain = ("id", "link", "title", "summary", "content", "base", "rights", "language")
    return _said(
        {name: getattr(item, name) for name in plain},
        dates=[f"{witness.kind}: {witness.text}" for witness in item.witnesses],
        authors=[_person(author) for author in item.authors],
        categories=[_category(category) for category in item.categories],
        enclosures=[_enclosure(enclosure) for enclosure in item.enclosures],
        pictures=[picture.origin for picture in item.pictures],
        origin=_said(asdict(item.origin)) if item.origin else None,
        extensions=[element.name for element in item.extensions],
        shared=[name for name in ("id", "link") if getattr(item, f"shared_{name}")],
    )


def _said(values: dict[str, Any], **others: object) -> dict[str, Any]:
    return {name: value for name, value in {**values, **others}.items() if value}


def _person(person: Person) -> str:
    email, uri = (f" <{person.email}>" if person.email else ""), (f" ({person.uri})" if person.uri else "")
    return person.name + email + uri


def _category(category: Category) -> str:
    scheme = f" {{{category.scheme}}}" if category.scheme else ""
    return category.term + scheme + (f" {category.label}" if category.label else "")


def _enclosure(enclosure: Enclosure) -> str:
    return " ".join(str(part) for part in (enclosure.href, enclosure.type, enclosure.length) if part is not None)


@pytest.mark.parametrize("body", BODIES, ids=lambda path: path.name)
def test_gives_what_is_expected(body: Path) -> None:
    """A document gives the feed and the items that are expected, or the address to ask, or the named error."""
    expected = expected_of(body)
    if "error" in expected:
        with pytest.raises(ParseError) as raised:
            parse(body, expected)
        assert expected["error"] in str(raised.value)
        return
    first, *others = parse(body, expected)
    if "request" in expected:
        assert (first, others) == (Request(url=expected["request"]), [])
        return
    assert isinstance(first, SourceFacts)
    items = [item for item in others if isinstance(item, RawItem)]
    assert told(first, items) == {"feed": expected["feed"], "items": expected["items"]}


@pytest.mark.parametrize("body", [body for body in BODIES if "items" in expected_of(body)], ids=lambda path: path.name)
def test_is_read_as_if_no_text_went_aside(body: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What feedparser is not shown comes out as it would if feedparser had seen it."""
    expected = expected_of(body)
    found = parse(body, expected)
    monkeypatch.setattr(core, "is_told_as_html", lambda _: False)
    assert parse(body, expected) == found


@pytest.mark.parametrize("body", [body for body in BODIES if "items" in expected_of(body)], ids=lambda path: path.name)
def test_becomes_a_valid_feed_of_ours(body: Path) -> None:
    """Every item becomes an article, and the feeds that we write of them have no problems."""
    first, *others = parse(body, expected_of(body))
    assert isinstance(first, SourceFacts)
    items = [item for item in others if isinstance(item, RawItem)]
    articles = list(_articles(items))
    assert len(articles) == len(items)
    document = _document(first, articles)
    for media_type, rendering in (
        (ATOM, syndication.atom(document)),
        (RSS, syndication.rss(document)),
        (JSON_FEED, jsonfeed.json_feed(document)),
    ):
        assert rendering.left_out == ()
        assert lint(rendering.body, media_type, not_after=NOW) == ()


def _articles(items: list[RawItem]) -> Iterator[Article]:
    rules = Rules(source="news")
    for item in items:
        yield normalise(item, recognise(item, rules), rules, first_seen=NOW).article


def _document(facts: SourceFacts, articles: list[Article]) -> Document:
    def address_of(image: Image) -> str | None:
        return image.origin

    face = SourceFace(id="urn:example:source", title=facts.title or "news", address_of=address_of, via=URL)
    entries = tuple(entry(article, face, merged=False) for article in articles)
    return Document(
        id="urn:example:feed",
        title=facts.title or "news",
        link="https://ours.example/",
        self_link="https://ours.example/feeds/news.atom",
        updated=max((one.updated for one in entries), default=NOW),
        author=Person(name="feedbridge"),
        extensions=feed_extensions(facts.extensions, address_of),
        entries=entries,
    )


def test_there_are_a_hundred() -> None:
    """Each document has its expectation, and the other way round, and there are at least a hundred."""
    assert len(BODIES) >= 100
    assert len(list(DOCUMENTS.iterdir())) == 2 * len(BODIES)
