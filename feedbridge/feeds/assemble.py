"""Articles become the entries of one feed: the picture policy is applied, and a document's worth is chosen."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from feedbridge.feeds.spelling import is_absolute
from feedbridge.feeds.vocabularies import MEDIA_CONTENT, MEDIA_THUMBNAIL, PICTURES, full_name, walk
from feedbridge.model import Article, Element, Entry, EntryImage, EntrySource, Image, Origin, Person

_PLACEHOLDER = re.compile(r'<img src="image:(\d+)"[^<>]*>')
_FIGURE = re.compile(r"<figure\b[^<>]*>[^<]*+(?:<(?!/?figure\b)[^<]*+)*+</figure>")
_SHOWS_SOMETHING = re.compile(r"<(?:img|video|audio|table|pre)\b")
_EMPTIED = re.compile(r"<(a|p|li|ul|ol|dd|dt|dl|figure|blockquote)\b[^<>]*>\s*</\1>")
_PICTURE = re.compile(r"image:([0-9]{1,9})")
_LONGER = {"&": 4, "<": 3, ">": 3, '"': 5, "'": 5, "\n": 1, "\t": 1, "\\": 1}
"""By so many bytes a letter is longer where it is escaped."""
_MAIN_ADDRESSES = frozenset(("href", "url"))

AddressOf = Callable[[Image], str | None]
Measure = Callable[[Image, EntryImage], EntryImage]
_Spelling = Callable[[Element, str, str], str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFace:
    """What readers see of a source.

    Attributes:
        address_of: Its picture policy: the address that a picture gets, or None to leave it out.
        measured: Completes a picture beside the text by what is known of it.
        language: Of its articles that name none.
        author: Of its articles that name none.
        via: The address that it is fetched from, if it is itself a feed; its entries then name it.
        self_link: The address that it gives for itself, if it is itself a feed and gives one.
    """

    id: str
    title: str
    address_of: AddressOf
    measured: Measure = lambda _, shown: shown
    link: str | None = None
    language: str | None = None
    author: str | None = None
    via: str | None = None
    self_link: str | None = None


def entry(article: Article, source: SourceFace, *, merged: bool) -> Entry:
    """An article as a feed shows it.

    An entry that was in another feed before says in which: the one that its source names, else its source.

    Args:
        article: The article.
        source: The source that it is from.
        merged: The feed has several sources, so each entry names its own.
    """
    image = _lead(article.lead_image, source)
    return Entry(
        id=article.id,
        title=article.title,
        link=article.link,
        published=article.published,
        updated=article.updated,
        authors=article.authors or ((Person(name=source.author),) if source.author else ()),
        categories=article.categories,
        summary=article.summary,
        excerpt=article.excerpt,
        content=with_pictures(article.content, article.images, source.address_of),
        image=image,
        enclosures=article.enclosures,
        rights=article.rights,
        language=article.language or source.language,
        source=_source(article, source, merged=merged),
        via=_without_user(source.via),
        extensions=_without_repeats(_extensions(article, source.address_of), image),
    )


def feed_extensions(elements: Iterable[Element], address_of: AddressOf) -> tuple[Element, ...]:
    """What a source says of its whole feed in other vocabularies, with the picture policy applied.

    Args:
        elements: As the source has them; a picture stands in them by its own address.
        address_of: The picture policy.
    """

    def spelled(element: Element, name: str, value: str) -> str | None:
        if (full_name(element), name) in PICTURES:
            return _address(Image(origin=value), address_of)
        return value

    return _shown(elements, spelled)


def with_pictures(content: str, images: Sequence[Image], address_of: AddressOf) -> str:
    """Replace the numbered placeholders by pictures; one without an address goes, with the figure around it."""
    dropped = False

    def picture(match: re.Match[str]) -> str:
        nonlocal dropped
        number = int(match[1])
        image = images[number] if number < len(images) else None
        address = address_of(image) if image else None
        if image is None or address is None:
            dropped = True
            return ""
        return _tag(image, address)

    def figure(match: re.Match[str]) -> str:
        left = _PLACEHOLDER.sub(picture, match[0])
        return left if _SHOWS_SOMETHING.search(left) or "image:" not in match[0] else ""

    shown = _PLACEHOLDER.sub(picture, _FIGURE.sub(figure, content))
    while dropped and (left := _EMPTIED.sub("", shown)) != shown:
        shown = left
    return shown


def within(sizes: Iterable[int], *, max_bytes: int, overhead: int) -> int:
    """How many entries, newest first, fit in a document of so many bytes; the first always does.

    Args:
        sizes: Theirs, newest first.
        max_bytes: The limit of the document.
        overhead: Bytes of the document around its entries.
    """
    used = overhead
    fitting = 0
    for one in sizes:
        used += one
        if fitting and used > max_bytes:
            break
        fitting += 1
    return fitting


def size(one: Entry) -> int:
    """Bytes that an entry takes at most, in whichever format."""
    values = [one.id, one.title, one.link, one.summary, one.excerpt, one.excerpt, one.rights]
    values += [part for person in one.authors for part in (person.name, person.uri, person.email)]
    values += [part for category in one.categories for part in (category.term, category.scheme, category.label)]
    values += [enclosure.href for enclosure in one.enclosures]
    values += [one.image.href, one.image.href] if one.image else []
    values += [one.source.id, one.source.title, one.source.link] if one.source else []
    addresses = [one.via, one.source.self_link if one.source else None]
    text = sum(_escaped(value) for value in (*values, *addresses) if value)
    parts = 1 + len(one.authors) + len(one.categories) + 2 * len(one.enclosures) + len(list(filter(None, addresses)))
    beside = sum(map(_element_size, walk(one.extensions)))
    return text + _escaped(one.content) + beside + 900 + 100 * parts


def _element_size(element: Element) -> int:
    """Bytes that an element takes at most, without those inside it: its name stands twice, each time indented."""
    attributes = sum(len(name) + 4 + _escaped(value) for name, value in element.attributes)
    return 100 + 2 * len(element.name) + attributes + _escaped(element.text)


def _escaped(value: str) -> int:
    """Bytes of a text as XML or JSON has it, whichever is longer at each character."""
    return len(value.encode()) + sum(longer * value.count(letter) for letter, longer in _LONGER.items())


def _tag(image: Image, address: str) -> str:
    title = "" if image.title is None else f' title="{html.escape(image.title)}"'
    sides = "".join(
        f' {name}="{pixels}"'
        for name, pixels in (("width", image.width), ("height", image.height))
        if pixels is not None
    )
    return f'<img src="{html.escape(address)}" alt="{html.escape(image.alt or "")}"{title}{sides}>'


def _lead(image: Image | None, source: SourceFace) -> EntryImage | None:
    address = _address(image, source.address_of)
    if image is None or address is None:
        return None
    return source.measured(image, EntryImage(href=address, width=image.width, height=image.height))


def _address(image: Image | None, address_of: AddressOf) -> str | None:
    """Where a picture that stands beside the text can be fetched; one that is its own address has no place there."""
    address = address_of(image) if image else None
    return None if address is None or address.startswith("data:") else address


def _source(article: Article, source: SourceFace, *, merged: bool) -> EntrySource | None:
    """The feed as an entry names it; its date is the entry's own, so that old entries keep their bytes."""
    if article.origin and article.origin != Origin():
        return _origin(article.origin, article, source)
    if not (merged or source.via):
        return None
    return EntrySource(
        id=source.id,
        title=source.title,
        updated=article.updated,
        link=source.link,
        self_link=_without_user(source.self_link or source.via),
    )


def _origin(origin: Origin, article: Article, source: SourceFace) -> EntrySource:
    addresses = filter(None, (origin.id, origin.self_link, origin.link))
    address = next(filter(is_absolute, addresses), source.id)
    return EntrySource(
        id=address,
        title=origin.title or address,
        updated=article.updated,
        link=origin.link,
        self_link=origin.self_link,
    )


def _without_user(address: str | None) -> str | None:
    """The name and password by which a source is fetched are nobody else's business."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    if "@" not in parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _extensions(article: Article, address_of: AddressOf) -> tuple[Element, ...]:
    def spelled(_element: Element, _name: str, value: str) -> str | None:
        number = _PICTURE.fullmatch(value)
        if not number:
            return value
        index = int(number[1])
        return _address(article.images[index] if index < len(article.images) else None, address_of)

    return _shown(article.extensions, spelled)


def _shown(elements: Iterable[Element], spelled: _Spelling) -> tuple[Element, ...]:
    """Spell out the addresses; an element goes with its main one, and what stood around it alone goes too."""
    shown = []
    for element in elements:
        attributes = [(name, spelled(element, name, value)) for name, value in element.attributes]
        if any(value is None and name in _MAIN_ADDRESSES for name, value in attributes):
            continue
        left = tuple((name, value) for name, value in attributes if value is not None)
        children = _shown(element.children, spelled)
        if not _is_emptied(element, children):
            shown.append(replace(element, attributes=left, children=children))
    return tuple(shown)


def _without_repeats(elements: Iterable[Element], image: EntryImage | None) -> tuple[Element, ...]:
    """Leave out what says no more than the picture that we write beside the text ourselves."""
    left = []
    for element in elements:
        children = _without_repeats(element.children, image)
        if not (_repeats(element, image) or _is_emptied(element, children)):
            left.append(replace(element, children=children))
    return tuple(left)


def _repeats(element: Element, image: EntryImage | None) -> bool:
    if image is None or element.children or full_name(element) not in (MEDIA_CONTENT, MEDIA_THUMBNAIL):
        return False
    return ("url", image.href) in element.attributes


def _is_emptied(element: Element, left: tuple[Element, ...]) -> bool:
    """Whether nothing remains of an element that was there for what it held."""
    return bool(element.children) and not (left or element.attributes or element.text.strip())
