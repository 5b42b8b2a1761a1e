"""The one way in: a raw item becomes an article."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from feedbridge.articles import text
from feedbridge.articles.addresses import absolute
from feedbridge.articles.dates import judge
from feedbridge.articles.html import Body, BodyRules, clean_body
from feedbridge.articles.identity import Identity, identify
from feedbridge.articles.lead import authors as read_authors
from feedbridge.errors import UnusableItem
from feedbridge.model import Article, Category, Enclosure, Person, RawItem, Witness

NORMALISER_VERSION = 1
"""Counts up when the rules would read a stored article differently; `renormalise` brings it up to date."""

HASH_VERSION = 1
"""Counts up when the content hash is taken otherwise; stored articles are then hashed again without a change."""

MAX_AUTHORS = 50
MAX_CATEGORIES = 100
MAX_NAME = 500
"""Characters of an author's or a category's name."""

MAX_TITLE = 1_000
"""Characters; a longer title is cut as an excerpt is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How the items of one source are read; the words are those of its settings."""

    source: str
    timezone: str = "UTC"
    remove: tuple[str, ...] = ()
    remove_text: tuple[str, ...] = ()
    image_proxy_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalised:
    """An article as one item tells it.

    Attributes:
        stamp: The latest believed stamp on this version, or None.
        path: The file that it came from.
    """

    article: Article
    stamp: datetime | None
    path: str | None


def recognise(item: RawItem, rules: Rules) -> Identity:
    """Find out which article an item is, without reading its text.

    Raises:
        UnusableItem: Nothing names it.
    """
    try:
        return identify(source=rules.source, link=_link(item), upstream_id=_one_line(item.id) or None, path=item.path)
    except ValueError as error:
        raise UnusableItem(str(error)) from error


def normalise(item: RawItem, identity: Identity, rules: Rules, *, first_seen: datetime) -> Normalised:
    """Make an article of an item.

    Args:
        item: As the source wrote it.
        identity: What `recognise` said of it.
        rules: Those of its source.
        first_seen: When the article was first seen; no date lies after it. Aware, UTC.

    Raises:
        UnusableItem: It holds no article, or one that would take too long to read.
    """
    link = _link(item)
    title = text.excerpt(item.title or "", MAX_TITLE)
    body = clean_body(
        item.content,
        BodyRules(
            base=link,
            lead_block=item.lead_block,
            title=title,
            remove=rules.remove,
            remove_text=rules.remove_text,
            image_hosts=frozenset(rules.image_proxy_hosts),
        ),
    )
    title = title or text.first_sentence(body.prose) or (_name_of(item) if body.content else "")
    if not title:
        raise UnusableItem("holds no article: neither title nor text")
    dates = judge(tuple(_witnesses(item, link, body)), zone=ZoneInfo(rules.timezone), first_seen=first_seen)
    article = Article(
        id=identity.id,
        source=rules.source,
        title=title,
        link=link,
        published=dates.published,
        updated=dates.updated,
        authors=_authors(item, body),
        categories=_categories(item),
        summary=_one_line(item.summary) or None,
        excerpt=text.excerpt(body.prose),
        content=body.content,
        images=body.images,
        lead_image=body.lead_image,
        enclosures=tuple(_enclosures(item, link)),
        rights=_one_line(item.rights) or None,
        language=item.language,
        first_seen=first_seen,
        changed=first_seen,
        content_hash=_content_hash(title, body),
        testimonies=dates.testimonies,
    )
    return Normalised(article=article, stamp=dates.stamp, path=item.path)


def _one_line(value: str | None) -> str:
    return text.one_line(value) if value else ""


def _link(item: RawItem) -> str | None:
    return absolute(item.link, item.base) if item.link else None


def _name_of(item: RawItem) -> str:
    return _one_line(PurePosixPath(item.path).stem) if item.path else ""


def _witnesses(item: RawItem, link: str | None, body: Body) -> Iterator[Witness]:
    for witness in item.witnesses:
        yield replace(witness, text=text.one_line(witness.text)[:300])
    if body.lead:
        yield Witness(kind="body", text=body.lead.date_text)
    if link:
        yield Witness(kind="link", text=link)


def _authors(item: RawItem, body: Body) -> tuple[Person, ...]:
    """The item's own authors, else those of the head block."""
    named = (replace(person, name=_one_line(person.name)[:MAX_NAME]) for person in item.authors)
    found = tuple(person for person in named if person.name)
    if not found and body.lead and body.lead.author:
        found = read_authors(body.lead.author)
    return tuple(dict.fromkeys(found))[:MAX_AUTHORS]


def _categories(item: RawItem) -> tuple[Category, ...]:
    """The first category of each term."""
    unique: dict[str, Category] = {}
    for category in item.categories:
        if term := _one_line(category.term)[:MAX_NAME]:
            unique.setdefault(term, replace(category, term=term))
    return tuple(unique.values())[:MAX_CATEGORIES]


def _enclosures(item: RawItem, link: str | None) -> Iterator[Enclosure]:
    for enclosure in item.enclosures:
        if href := absolute(enclosure.href, link or item.base):
            yield replace(enclosure, href=href)


def _content_hash(title: str, body: Body) -> str:
    digest = hashlib.sha256()
    for part in (title, body.text, *body.links, *(image.origin for image in body.images)):
        digest.update(part.encode())
        digest.update(b"\0")
    return f"{HASH_VERSION}:{digest.hexdigest()}"
