"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/).

Nearly all that a feed may say is optional, and much is written otherwise than the standard has it: a value of the
wrong kind counts as missing, and an item that says nothing is left out.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import from_json

from feedbridge.errors import ParseError
from feedbridge.model import (
    Category,
    Element,
    Enclosure,
    Image,
    Origin,
    Part,
    Person,
    RawItem,
    SourceFacts,
    Unread,
    Witness,
)
from feedbridge.sources.extensions import ITUNES, resolved

MAX_ITEMS = 5_000
"""Of one document; further ones are left out."""
MAX_PARTS = 1_000
"""Authors, tags or attachments of one item; further ones are not read."""
_MOST_DIGITS = 18
_SHOWN_KEYS = 5
_SHOWN_LENGTH = 40

_OPENING = re.compile(r"\s*+[{\[]\s*+(?:[\"}\]{\[]|\Z)")
_VERSION = re.compile(r"(?:https?:)?(?://)?(?:www\.)?jsonfeed\.org/version/", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_IN_XML = re.compile("[\0-\x08\x0e-\x1f\ufffe\uffff]")
_NUMERIC_REFERENCE = re.compile(r"&#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});")
_BLANK_LINES = re.compile(r"\n[ \t]*+\n\s*+")
_MAILTO = "mailto:"


def _text(value: object) -> str | None:
    """A text that is not blank; a number is written out, for ids are numbers in many feeds."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _SURROGATE.sub("", str(value)).strip() or None


def _count(value: object) -> int | None:
    text = _text(value) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    """What is in a list; what should be in one may stand alone."""
    return value[:MAX_PARTS] if isinstance(value, list) else [value]


def _texts(value: object) -> list[str]:
    return [text for text in map(_text, _list(value)) if text]


def _objects(value: object) -> list[object]:
    return [part for part in _list(value) if isinstance(part, dict)]


def _authors(value: object) -> list[object]:
    """Authors; some feeds have bare names."""
    return [{"name": part} if isinstance(part, str) else part for part in _list(value) if isinstance(part, str | dict)]


_Text = Annotated[str | None, BeforeValidator(_text)]
_Count = Annotated[int | None, BeforeValidator(_count)]


class _Part(BaseModel):
    """A part of the document; keys that we do not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Author(_Part):
    name: _Text = None
    url: _Text = None


class _Attachment(_Part):
    url: _Text = None
    mime_type: _Text = None
    size_in_bytes: _Count = None
    duration_in_seconds: _Count = None


_Authors = Annotated[list[_Author], BeforeValidator(_authors)]


class _Source(_Part):
    id: _Text = None
    title: _Text = None
    url: _Text = None
    feed_url: _Text = None


class _Ours(_Part):
    """What our own feeds say beyond the standard."""

    source: Annotated[_Source, BeforeValidator(_object)] = _Source()


class _Item(_Part):
    id: _Text = None
    url: _Text = None
    external_url: _Text = None
    title: _Text = None
    content_html: _Text = None
    content_text: _Text = None
    summary: _Text = None
    image: _Text = None
    banner_image: _Text = None
    date_published: _Text = None
    date_modified: _Text = None
    author: _Authors = []
    authors: _Authors = []
    tags: Annotated[list[str], BeforeValidator(_texts)] = []
    language: _Text = None
    attachments: Annotated[list[_Attachment], BeforeValidator(_objects)] = []
    ours: Annotated[_Ours, BeforeValidator(_object)] = Field(default=_Ours(), alias="_feedbridge")


class _Feed(_Part):
    title: _Text = None
    home_page_url: _Text = None
    feed_url: _Text = None
    description: _Text = None
    icon: _Text = None
    favicon: _Text = None
    author: _Authors = []
    authors: _Authors = []
    language: _Text = None


def looks_like_json(text: str) -> bool:
    """Whether a page begins as a JSON object or list does."""
    return _OPENING.match(text) is not None


def read_json_feed(text: str, *, url: str) -> Iterator[Part]:
    """What a JSON Feed says of itself, and then its items, and how many more there are.

    A document that breaks off is read up to the item before the last that is there.

    Args:
        url: The feed's address: what it says is relative to it.

    Raises:
        ParseError: It is no JSON, or no JSON Feed; its text says what came.
    """
    document, items = _load(text)
    return _read(document, items, url)


def _read(document: Mapping[str, object], items: Sequence[object], url: str) -> Iterator[Part]:
    yield _facts(_Feed.model_validate(document), url)
    for value in items[:MAX_ITEMS]:
        if isinstance(value, dict) and (item := _item(_Item.model_validate(value), url)):
            yield item
    if len(items) > MAX_ITEMS:
        yield Unread(count=len(items) - MAX_ITEMS)


def _load(text: str) -> tuple[Mapping[str, object], Sequence[object]]:
    """The document and its items.

    Raises:
        ParseError: It is no JSON, or no JSON Feed.
    """
    document, whole = _parse(text)
    if not isinstance(document, dict):
        raise ParseError(f"JSON came that is no feed: {'a list' if isinstance(document, list) else 'a bare value'}")
    version, items = document.get("version"), document.get("items")
    if not (isinstance(version, str) and _VERSION.match(version.strip()) and isinstance(items, list)):
        raise ParseError(f"JSON came that is no feed: an object with {_keys(document)}")
    return document, items if whole else items[:-1]


def _keys(document: Mapping[str, object]) -> str:
    names = ["".join(filter(str.isprintable, key))[:_SHOWN_LENGTH] for key in list(document)[:_SHOWN_KEYS]]
    return "the keys " + ", ".join(f"“{name}”" for name in names) if names else "no keys"


def _parse(text: str) -> tuple[object, bool]:
    """The value that a JSON text holds, and whether it has an end.

    Of equal keys the last counts; numbers beyond the usual, as well as fractions, stay as written; what is not a
    number is nothing, and so is what stands behind the value.

    Raises:
        ParseError: It is no JSON.
    """
    decoder = json.JSONDecoder(parse_int=_integer, parse_float=str, parse_constant=lambda _: None, strict=False)
    try:
        return decoder.raw_decode(text.lstrip())[0], True
    except RecursionError as error:
        raise ParseError("the JSON is nested too deeply") from error
    except ValueError as error:
        return _parse_part(text, error), False


def _parse_part(text: str, error: ValueError) -> object:
    try:
        return from_json(text, allow_partial=True)
    except ValueError:
        raise ParseError(f"the JSON cannot be read: {error}") from error


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _facts(feed: _Feed, url: str) -> SourceFacts:
    return SourceFacts(
        title=_one_line(feed.title),
        subtitle=_one_line(feed.description),
        link=_one_line(_resolved(feed.home_page_url, url)),
        self_link=_one_line(_resolved(feed.feed_url, url)),
        icon=_one_line(_resolved(feed.icon or feed.favicon, url)),
        language=_one_line(feed.language),
        authors=_persons(feed.authors, feed.author),
    )


def _item(item: _Item, url: str) -> RawItem | None:
    """The item as the feed has it; None if it says nothing."""
    content = item.content_html or _paragraphs(item.content_text or "")
    if not (item.id or item.url or item.external_url or item.title or content):
        return None
    link = _resolved(item.url or item.external_url, url)
    pictures = dict.fromkeys(resolved(address, url) for address in (item.image, item.banner_image) if address)
    dates = (("published", item.date_published), ("updated", item.date_modified))
    return RawItem(
        id=item.id,
        link=link,
        title=_title(item.title),
        authors=_persons(item.authors, item.author),
        categories=tuple(Category(term=tag) for tag in dict.fromkeys(item.tags)),
        summary=item.summary,
        content=content,
        enclosures=tuple(_enclosure(one, url) for one in item.attachments if one.url),
        base=None if link else url,
        language=item.language,
        pictures=tuple(Image(origin=address) for address in pictures),
        witnesses=tuple(Witness(kind=kind, text=text) for kind, text in dates if text),
        origin=_origin(item.ours.source),
        extensions=_duration(item.attachments),
    )


def _persons(authors: Sequence[_Author], older: Sequence[_Author]) -> tuple[Person, ...]:
    """The authors of 1.1, or else the one of 1.0."""
    return tuple(filter(None, map(_person, authors))) or tuple(filter(None, map(_person, older)))


def _person(author: _Author) -> Person | None:
    address = author.url or ""
    email = address[len(_MAILTO) :].partition("?")[0] if address.lower().startswith(_MAILTO) else None
    name = _one_line(author.name) or email or address
    return Person(name=name, uri=None if email else author.url, email=email) if name else None


def _enclosure(attachment: _Attachment, url: str) -> Enclosure:
    href = resolved(attachment.url or "", url)
    return Enclosure(href=href, type=attachment.mime_type, length=attachment.size_in_bytes)


def _duration(attachments: Sequence[_Attachment]) -> tuple[Element, ...]:
    """How long the first recording plays, as podcasts say it."""
    seconds = next((one.duration_in_seconds for one in attachments if one.url and one.duration_in_seconds), None)
    return (Element(namespace=ITUNES, name="duration", text=str(seconds)),) if seconds else ()


def _origin(source: _Source) -> Origin | None:
    origin = Origin(id=source.id, title=source.title, link=source.url, self_link=source.feed_url)
    return origin if origin != Origin() else None


def _resolved(address: str | None, url: str) -> str | None:
    return resolved(address, url) if address else None


def _title(title: str | None) -> str | None:
    """The title in one line; it is plain text, but many a weblog writes its apostrophes as `&#8217;`."""
    return _one_line(_NUMERIC_REFERENCE.sub(lambda reference: html.unescape(reference[0]), title or ""))


def _one_line(text: str | None) -> str | None:
    """The text in one line, without the characters that other formats cannot hold."""
    return " ".join(_NOT_IN_XML.sub("", text or "").split()) or None


def _paragraphs(text: str) -> str:
    """Plain text as HTML: blank lines part paragraphs, a line stays a line."""
    parts = _BLANK_LINES.split(html.escape(text.strip().replace("\r\n", "\n"), quote=False))
    return "".join(f"<p>{'<br>'.join(part.splitlines())}</p>" for part in parts if part)
