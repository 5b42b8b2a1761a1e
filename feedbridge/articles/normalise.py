"""The one way in: a raw item becomes an article."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from feedbridge.articles import items, text
from feedbridge.articles.addresses import absolute
from feedbridge.articles.dates import judge
from feedbridge.articles.extensions import pass_through
from feedbridge.articles.html import Body, BodyRules, clean_body
from feedbridge.articles.identity import Identity, identify, is_iri
from feedbridge.articles.images import MAX_TEXT_LENGTH, read_image
from feedbridge.articles.items import MAX_TITLE
from feedbridge.articles.lead import authors as read_authors
from feedbridge.errors import UnusableItem
from feedbridge.model import Article, Category, Enclosure, Image, Origin, Person, RawItem, Witness

NORMALISER_VERSION = 1
"""Counts up when the rules would read a stored article differently; `renormalise` brings it up to date."""

HASH_VERSION = 1
"""Counts up when the content hash is taken otherwise; stored articles are then hashed again without a change."""

MAX_AUTHORS = 50
MAX_CATEGORIES = 100
MAX_ENCLOSURES = 50
MAX_PICTURES = 20
"""Pictures beside the text that are looked at."""

MAX_WITNESSES = 20
MAX_NAME = 500
"""Characters of an author's or a category's name."""

MAX_SUMMARY = 10_000
"""Characters of a summary or of a rights statement; a longer one is cut as an excerpt is."""

MAX_LENGTH = 2**63 - 1
"""Bytes of an enclosure."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,8}|[xi](?:-[A-Za-z0-9]{1,8}){1,8}")
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,253}")
_MEDIA_TYPE = re.compile(
    r"([a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126})(?: *(;[ -~]{1,200}))?", re.I
)
_MAILTO = re.compile("mailto:", re.IGNORECASE)


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
        return identify(item, source=rules.source)
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
    link, base = items.link(item), items.base(item)
    hosts = frozenset(rules.image_proxy_hosts)
    title = items.title(item)
    body = clean_body(
        item.content,
        BodyRules(
            base=base,
            lead_block=item.lead_block,
            title=title,
            remove=rules.remove,
            remove_text=rules.remove_text,
            image_hosts=hosts,
        ),
    )
    summary = text.excerpt(item.summary or "", MAX_SUMMARY)
    lead_image = body.lead_image or next(_pictures(item.pictures, base, hosts), None)
    enclosures = tuple(islice(_enclosures(item.enclosures, base), MAX_ENCLOSURES))
    title = title or text.first_sentence(body.prose) or text.first_sentence(summary)
    if not title and (body.content or lead_image or enclosures):
        title = _made_title(item, link, (*body.images, *filter(None, [lead_image])))
    if not title:
        raise UnusableItem("holds no article: neither title nor text")
    extensions, images = pass_through(
        item.extensions,
        base=base,
        hosts=hosts,
        images=body.images,
        enclosures=frozenset(enclosure.href for enclosure in enclosures),
    )
    dates = judge(tuple(_witnesses(item, link, body)), zone=ZoneInfo(rules.timezone), first_seen=first_seen)
    article = Article(
        id=identity.id,
        source=rules.source,
        title=title,
        link=link,
        published=dates.published,
        updated=dates.updated,
        authors=_authors(item, body, base),
        categories=_categories(item),
        summary=summary or None,
        excerpt=text.excerpt(body.prose),
        content=body.content,
        images=images,
        lead_image=lead_image,
        enclosures=enclosures,
        rights=text.excerpt(item.rights or "", MAX_SUMMARY) or None,
        language=_language(item.language),
        first_seen=first_seen,
        changed=first_seen,
        content_hash=_content_hash(title, body),
        testimonies=dates.testimonies,
        origin=_origin(item.origin, base),
        extensions=extensions,
    )
    return Normalised(article=article, stamp=dates.stamp, path=item.path)


def as_seen(told: Normalised, rules: Rules, *, first_seen: datetime) -> Normalised:
    """The same as `normalise` gives for another first sight: what was heard is judged anew, the text is left alone.

    Args:
        told: What `normalise` gave.
        rules: Those that it was given.
        first_seen: When the article was first seen; no date lies after it. Aware, UTC.
    """
    article = told.article
    if article.first_seen == first_seen:
        return told
    heard = (Witness(kind=one.kind, text=one.text) for one in article.testimonies if one.kind != "first-seen")
    dates = judge(tuple(heard), zone=ZoneInfo(rules.timezone), first_seen=first_seen)
    article = replace(
        article,
        published=dates.published,
        updated=dates.updated,
        first_seen=first_seen,
        changed=first_seen,
        testimonies=dates.testimonies,
    )
    return replace(told, article=article, stamp=dates.stamp)


def _one_line(value: str | None) -> str:
    return text.one_line(value) if value else ""


def _made_title(item: RawItem, link: str | None, images: Sequence[Image]) -> str:
    """What to call an article that shows or plays something and says nothing."""
    said = (image.caption or image.alt or image.title for image in images)
    file_name = PurePosixPath(item.path).stem if item.path else ""
    address = link.partition("://")[2] if link else ""
    names = chain((text.one_line(name) for name in said if name), (text.one_line(file_name), address))
    return text.excerpt(next(filter(None, names), ""), MAX_TITLE)


def _witnesses(item: RawItem, link: str | None, body: Body) -> Iterator[Witness]:
    for witness in item.witnesses[:MAX_WITNESSES]:
        yield Witness(kind=witness.kind, text=items.date_text(witness))
    if body.lead:
        yield Witness(kind="body", text=body.lead.date_text)
    if link:
        yield Witness(kind="link", text=link)


def _pictures(written: Sequence[Image], base: str | None, hosts: frozenset[str]) -> Iterator[Image]:
    """The pictures beside the text that can be shown, `data:` images left out, the best first."""
    for picture in written[:MAX_PICTURES]:
        attributes = {"src": picture.origin, "alt": picture.alt, "title": picture.title}
        sides = {"width": picture.width, "height": picture.height}
        attributes |= {name: str(side) for name, side in sides.items() if side is not None}
        image = read_image(attributes, base=base, hosts=hosts)
        if image and not image.origin.startswith("data:"):
            yield replace(image, caption=_one_line(picture.caption)[:MAX_TEXT_LENGTH] or None)


def _authors(item: RawItem, body: Body, base: str | None) -> tuple[Person, ...]:
    """The item's own authors, else those of the head block."""
    found: dict[Person, None] = {}
    for written in item.authors:
        person = _person(written, base)
        if person.name:
            found[person] = None
        if len(found) == MAX_AUTHORS:
            break
    if not found and body.lead and body.lead.author:
        found = dict.fromkeys(read_authors(body.lead.author))
    return tuple(found)[:MAX_AUTHORS]


def _person(written: Person, base: str | None) -> Person:
    """A person who has no name goes by the address; without one the name stays empty."""
    email, uri = _one_line(written.email), _one_line(written.uri)
    if _MAILTO.match(uri):
        email, uri = email or uri[len("mailto:") :].partition("?")[0], ""
    address = absolute(uri, base) if uri else None
    mailbox = email if _EMAIL.fullmatch(email) else None
    name = _one_line(written.name) or mailbox or address or ""
    return Person(name=name[:MAX_NAME], uri=address, email=mailbox)


def _categories(item: RawItem) -> tuple[Category, ...]:
    """The first category of each term."""
    unique: dict[str, Category] = {}
    for category in item.categories:
        if (term := _one_line(category.term)[:MAX_NAME]) and term not in unique:
            scheme = _one_line(category.scheme)
            label = _one_line(category.label)[:MAX_NAME] or None
            unique[term] = Category(term=term, scheme=scheme if is_iri(scheme) else None, label=label)
        if len(unique) == MAX_CATEGORIES:
            break
    return tuple(unique.values())


def _enclosures(written: Sequence[Enclosure], base: str | None) -> Iterator[Enclosure]:
    """The files, each address once."""
    met: set[str] = set()
    for enclosure in written:
        href = absolute(enclosure.href, base)
        if href and href not in met:
            met.add(href)
            length = enclosure.length
            if length is not None and not 0 <= length <= MAX_LENGTH:
                length = None
            yield Enclosure(href=href, type=_media_type(enclosure.type), length=length)


def _media_type(written: str | None) -> str | None:
    """A media type (RFC 6838 section 4.2) in lower case, its parameters as they are; None if it is none."""
    found = _MEDIA_TYPE.fullmatch(_one_line(written))
    return found[1].lower() + (found[2] or "") if found else None


def _language(written: str | None) -> str | None:
    """A language tag (RFC 5646 section 2.1), `_` mended, or None if it has not the shape of one."""
    tag = _one_line(written).replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else None


def _origin(written: Origin | None, base: str | None) -> Origin | None:
    if written is None:
        return None
    name = _one_line(written.id)
    origin = Origin(
        id=name if is_iri(name) else None,
        title=text.excerpt(written.title or "", MAX_TITLE) or None,
        link=absolute(written.link, base) if written.link else None,
        self_link=absolute(written.self_link, base) if written.self_link else None,
    )
    return None if origin == Origin() else origin


def _content_hash(title: str, body: Body) -> str:
    parts = (title, body.text, *body.links, *(image.origin for image in body.images), "")
    return f"{HASH_VERSION}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
