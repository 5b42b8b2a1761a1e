"""What feedparser loses of a channel or an item, read from the tree itself: dates as written, people, files."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from urllib.parse import urlsplit

from lxml import etree

from feedbridge.model import Element, Enclosure, Image, Person, Witness
from feedbridge.sources.extensions import ITUNES, MEDIA, name_of, read_extensions, resolved
from feedbridge.sources.plain import plain_title

MAX_PARTS = 100
"""Of one item: dates, people, files and pictures, each."""

MAX_NAME = 500
"""Characters of a date or a person."""

LONGEST_INTERVAL = timedelta(days=31)
"""A source that asks for more is taken to mean this."""

_XML = "{http://www.w3.org/XML/1998/namespace}"

DATES = {
    "pubdate": "published",
    "published": "published",
    "publicationdate": "published",
    "issued": "published",
    "created": "published",
    "date": "published",
    "updated": "updated",
    "modified": "updated",
}
_PEOPLE = frozenset(("author", "creator", "managingeditor"))
_NAME_BEHIND = re.compile(r"([^\s()<>]{1,200}@[^\s()<>]{1,200})\s*\(([^()]*)\)")
_NAME_BEFORE = re.compile(r"([^<>]*)<\s*([^\s()<>]{1,200}@[^\s()<>]{1,200})\s*>")
_MAIL = re.compile(r"[^\s()<>@,;]{1,200}@[^\s()<>@,;]{1,200}")

_RECORDINGS = frozenset(
    ".aac .flac .m4a .m4b .m4v .mkv .mov .mp3 .mp4 .mpeg .mpg .oga .ogg .ogv .opus .wav .webm".split()  # noqa: SIM905
)
_PLAYER = "application/x-shockwave-flash"
_PICTURES = frozenset((".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"))

_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideItem:
    """What feedparser loses of an item.

    Attributes:
        permalink: The id, where it may stand for a link (RSS 2.0, `isPermaLink`).
        title: That of another vocabulary, for an item without one; plain text.
        description: That of another vocabulary, for an item without text.
        description_is_html: Whether that is markup.
        base: What relative addresses in it are relative to, where it says so (`xml:base`); absolute.
        language: The item's own.
    """

    permalink: str | None = None
    title: str | None = None
    description: str = ""
    description_is_html: bool = False
    authors: tuple[Person, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    pictures: tuple[Image, ...] = ()
    base: str | None = None
    language: str | None = None
    extensions: tuple[Element, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideChannel:
    """What feedparser loses of a channel; the fields are those of `SourceFacts`."""

    icon: str | None = None
    subtitle: str | None = None
    authors: tuple[Person, ...] = ()
    least_interval: timedelta | None = None
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    extensions: tuple[Element, ...] = ()


def beside_item(item: etree._Element, *, url: str) -> BesideItem:
    """Read an item; `url` is the document's own, absolute."""
    base = _base(item, url) or url
    description, is_html = _other_description(item)
    return BesideItem(
        permalink=_permalink(item),
        title=plain_title(_other(item, "title"), markup=None) or None,
        description=description,
        description_is_html=is_html,
        authors=_people(item),
        witnesses=tuple(_witnesses(item)),
        enclosures=tuple(_enclosures(item, base)),
        pictures=tuple(_pictures(item, base)),
        base=_base_of_content(item, url),
        language=_language(item),
        extensions=read_extensions(item, base=base),
    )


def beside_channel(channel: etree._Element, *, url: str) -> BesideChannel:
    """Read a channel; `url` is the document's own, absolute."""
    base = _base(channel, url) or url
    parent = channel.getparent()
    beside = () if parent is None else _images(parent)  # RSS 0.90 and 1.0 have it beside the channel
    picture = next(chain(_images(channel), beside, _pictures_of_podcasts(channel)), None)
    words = dict(_own_children(channel))
    return BesideChannel(
        icon=resolved(picture.origin, base) if picture else None,
        subtitle=plain_title(_other(channel, "subtitle") or _other(channel, "summary"), markup=None) or None,
        authors=_people(channel),
        least_interval=_least_interval({name: _text(child) for name, child in words.items()}),
        skip_hours=frozenset(_skip_hours(words.get("skiphours"))),
        skip_days=frozenset(_skip_days(words.get("skipdays"))),
        extensions=read_extensions(channel, base=base),
    )


# Elements


def _own_children(holder: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """The children that are of no pass-through vocabulary, by local name in lower case."""
    for child in holder.iterchildren(etree.Element):
        namespace, name = name_of(child)
        if namespace is None:
            yield name.rpartition("}")[2].lower(), child


def _of(holder: etree._Element, namespace: str, *names: str, deep: bool = False) -> Iterator[etree._Element]:
    """The elements of a vocabulary by these names, among the children or wherever they stand in the holder."""
    for element in holder.iter(etree.Element) if deep else holder.iterchildren(etree.Element):
        found, name = name_of(element)
        if found == namespace and name in names:
            yield element


def _text(element: etree._Element) -> str:
    return (element.text or "").strip()


def _number(text: str | None, *, most: int) -> int | None:
    """A whole number above 0, at most `most`; None for all else."""
    text = (text or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text) if 0 < int(text) <= most else None


def _base(element: etree._Element, url: str) -> str | None:
    """What `xml:base` on it or above it says, absolute; None where nothing does."""
    said = element.base
    return resolved(str(said), url) if said else None


def _base_of_content(item: etree._Element, url: str) -> str | None:
    """The base of the element that holds the text, else the item's."""
    for name, child in _own_children(item):
        if name in ("content", "encoded", "description"):
            inside = next(child.iterchildren(etree.Element), None)
            holder = child if inside is None or not inside.get(_XML + "base") else inside
            if holder.get(_XML + "base"):
                return _base(holder, url)
    return _base(item, url)


def _language(item: etree._Element) -> str | None:
    own = (_text(child) for name, child in _own_children(item) if name == "language")
    said = item.get(_XML + "lang") or next(own, "")
    return said.strip().replace("_", "-")[:MAX_NAME] or None


def _other(holder: etree._Element, name: str) -> str:
    """What iTunes or Media RSS say by this name, the first of a channel or an item."""
    itunes = (_text(element) for element in _of(holder, ITUNES, name))
    media = (_text(element) for element in _of(holder, MEDIA, name, deep=True))
    return next((text for texts in (itunes, media) for text in texts if text), "")


def _other_description(item: etree._Element) -> tuple[str, bool]:
    for element in _of(item, ITUNES, "summary"):
        if text := _text(element):
            return text, "</" in text or "<br" in text
    for element in _of(item, MEDIA, "description", deep=True):
        if text := _text(element):
            return text, element.get("type") == "html"
    return "", False


def _permalink(item: etree._Element) -> str | None:
    for name, child in _own_children(item):
        if name == "guid" and child.get("isPermaLink", child.get("ispermalink", "true")).strip().lower() == "true":
            return _text(child) or None
    return None


# Dates


def _witnesses(item: etree._Element) -> Iterator[Witness]:
    found = ((DATES.get(name), _text(child)) for name, child in _own_children(item))
    dates = dict.fromkeys(Witness(kind=kind, text=text[:MAX_NAME]) for kind, text in found if kind and text)
    yield from list(dates)[:MAX_PARTS]


# People


def _people(holder: etree._Element) -> tuple[Person, ...]:
    """Its own authors, else iTunes'."""
    own = [child for name, child in _own_children(holder) if name in _PEOPLE]
    found = [_person(child) for child in own[:MAX_PARTS]]
    if not any(found):
        found = [_person(child) for child in _of(holder, ITUNES, "author")][:1]
    return _merged([person for person in found if person])


def _merged(people: list[Person]) -> tuple[Person, ...]:
    """Each once: one who is named alone, and elsewhere with an address, stands with it where the name stands."""
    told = {person.name: person for person in reversed(people) if person.uri or person.email}
    bare = {person.name for person in people if person == Person(name=person.name)}
    standing = (person for person in people if person.name not in bare or person == Person(name=person.name))
    return tuple(dict.fromkeys(told.get(person.name, person) for person in standing))


def _person(element: etree._Element) -> Person | None:
    parts = {name: _text(child)[:MAX_NAME] for name, child in _own_children(element)}
    if not {"name", "uri", "url", "email"} & parts.keys():
        return person_of("".join(element.itertext()))
    email = parts.get("email") or None
    uri = parts.get("uri") or parts.get("url") or parts.get("homepage") or None
    name = parts.get("name") or email or uri
    return Person(name=name, uri=uri, email=email) if name else None


def person_of(text: str) -> Person | None:
    """Read `mail (Name)`, `Name <mail>`, a mail address or a name; None if there is nothing in it."""
    text = plain_title(text[:MAX_NAME], markup=None)
    if behind := _NAME_BEHIND.fullmatch(text):
        return Person(name=behind[2].strip() or behind[1], email=behind[1])
    if before := _NAME_BEFORE.fullmatch(text):
        return Person(name=before[1].strip(" \"'") or before[2], email=before[2])
    if not text:
        return None
    return Person(name=text, email=text if _MAIL.fullmatch(text) else None)


# Files


def _enclosures(item: etree._Element, base: str) -> Iterator[Enclosure]:
    found: dict[str, Enclosure] = {}
    for href, kind, length in (*_own_files(item), *_recordings(item)):
        address = resolved(href, base)
        found.setdefault(address, Enclosure(href=address, type=kind, length=_number(length, most=2**53)))
    yield from list(found.values())[:MAX_PARTS]


def _own_files(item: etree._Element) -> Iterator[tuple[str, str | None, str | None]]:
    for name, child in _own_children(item):
        if name == "enclosure" or (name == "link" and child.get("rel", "").strip().lower() == "enclosure"):
            href = (child.get("url") or child.get("href") or "").strip()
            if href:
                yield href, _media_type(child), child.get("length")


def _recordings(item: etree._Element) -> Iterator[tuple[str, str | None, str | None]]:
    for element in _of(item, MEDIA, "content", deep=True):
        if (href := element.get("url", "").strip()) and _is_file(element):
            yield href, _media_type(element), element.get("fileSize")


def _is_file(element: etree._Element) -> bool:
    """Whether a `media:content` is a recording or a document, not a picture, a page or a player."""
    return _kind_of(element) in ("audio", "video", "document", "application") and _media_type(element) != _PLAYER


def _media_type(element: etree._Element) -> str | None:
    return element.get("type", "").strip().lower()[:MAX_NAME] or None


def _kind_of(element: etree._Element) -> str:
    """`image`, `audio`, `video` or another word: by type, by medium, or by how the address ends."""
    kind = (_media_type(element) or "").partition("/")[0]
    if kind:
        return kind
    if medium := element.get("medium", "").strip().lower():
        return medium
    ending = _ending(element.get("url", ""))
    if ending in _RECORDINGS:
        return "video"
    return "image" if ending in _PICTURES or (not ending and element.get("width")) else ""


def _ending(address: str) -> str:
    try:
        name = urlsplit(address).path.rpartition("/")[2].lower()
    except ValueError:
        return ""
    return "." + name.rpartition(".")[2] if "." in name else ""


# Pictures


def _pictures(item: etree._Element, base: str) -> Iterator[Image]:
    """Pictures beside the text, the best first, each once."""
    found: dict[str, Image] = {}
    for picture in (
        *_by_size(_of(item, MEDIA, "content", deep=True), only_images=True),
        *_by_size(_of(item, MEDIA, "thumbnail", deep=True)),
        *_pictures_of_podcasts(item),
        *_own_pictures(item),
    ):
        address = resolved(picture.origin, base)
        found.setdefault(address, Image(origin=address, width=picture.width, height=picture.height))
    yield from list(found.values())[:MAX_PARTS]


def _by_size(elements: Iterable[etree._Element], *, only_images: bool = False) -> list[Image]:
    images = [
        Image(
            origin=element.get("url", "").strip() or _text(element),
            width=_number(element.get("width"), most=100_000),
            height=_number(element.get("height"), most=100_000),
        )
        for element in elements
        if not only_images or _kind_of(element) == "image"
    ]
    return sorted(filter(lambda image: image.origin, images), key=_area, reverse=True)


def _area(image: Image) -> int:
    return (image.width or 1) * (image.height or 1)


def _pictures_of_podcasts(holder: etree._Element) -> Iterator[Image]:
    for element in _of(holder, ITUNES, "image"):
        if href := (element.get("href") or element.get("url") or "").strip() or _text(element):
            yield Image(origin=href)


def _own_pictures(item: etree._Element) -> Iterator[Image]:
    """Enclosures that are pictures, and the `image` that some put into an RSS item."""
    yield from (Image(origin=href) for href, kind, _ in _own_files(item) if (kind or "").startswith("image/"))
    yield from _images(item)


def _images(holder: etree._Element) -> Iterator[Image]:
    """What RSS's `image` shows."""
    for name, child in _own_children(holder):
        if name == "image":
            inside = {inner: _text(one) for inner, one in _own_children(child)}
            if href := inside.get("url") or _text(child) or child.get("href", "").strip():
                yield Image(origin=href)


# When to ask again


def _least_interval(words: dict[str, str]) -> timedelta | None:
    """The longer of RSS `ttl`, in minutes, and the interval of the syndication module."""
    asked: list[timedelta] = []
    if minutes := _number(words.get("ttl"), most=10**9):
        asked.append(timedelta(minutes=minutes))
    if "updateperiod" in words or "updatefrequency" in words:
        period = _PERIODS.get(words.get("updateperiod", "").lower(), _PERIODS["daily"])
        asked.append(period / (_number(words.get("updatefrequency"), most=10**6) or 1))
    return min(max(asked), LONGEST_INTERVAL) if asked else None


def _skip_hours(element: etree._Element | None) -> Iterator[int]:
    """Hours from 0 to 23; 24 is midnight, as RSS 0.91 counts."""
    for _, child in _own_children(element) if element is not None else ():
        text = _text(child)
        if text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= 24:
            yield int(text) % 24


def _skip_days(element: etree._Element | None) -> Iterator[int]:
    for _, child in _own_children(element) if element is not None else ():
        if (day := _text(child).lower()) in _DAYS:
            yield _DAYS.index(day)
