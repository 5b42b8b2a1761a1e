"""Articles become the entries of one feed: the picture policy is applied, and a document's worth is chosen."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from feedbridge.model import Article, Entry, EntryImage, EntrySource, Image, Person

_PLACEHOLDER = re.compile(r'<img src="image:(\d+)"[^<>]*>')
_FIGURE = re.compile(r"<figure\b[^<>]*>(?:(?!</?figure\b).)*</figure>", re.DOTALL)
_SHOWS_SOMETHING = re.compile(r"<(?:img|video|audio|table|pre)\b")
_EMPTIED = re.compile(r"<(a|p|li|ul|ol|dd|dt|dl|figure|blockquote)\b[^<>]*>\s*</\1>")

AddressOf = Callable[[Image], str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFace:
    """What readers see of a source.

    Attributes:
        address_of: Its picture policy: the address that a picture gets, or None to leave it out.
        language: Of its articles that name none.
        author: Of its articles that name none.
    """

    id: str
    title: str
    address_of: AddressOf
    link: str | None = None
    language: str | None = None
    author: str | None = None


def entry(article: Article, source: SourceFace, *, merged: bool) -> Entry:
    """An article as a feed shows it.

    Args:
        article: The article.
        source: The source that it is from.
        merged: The feed has several sources, so each entry names its own.
    """
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
        image=_lead(article.lead_image, source.address_of),
        enclosures=article.enclosures,
        rights=article.rights,
        language=article.language or source.language,
        source=_origin(article, source) if merged else None,
    )


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


def within(entries: Iterable[Entry], *, max_bytes: int, overhead: int) -> int:
    """How many entries, newest first, fit in a document of so many bytes; the first always does.

    Args:
        entries: Newest first.
        max_bytes: The limit of the document.
        overhead: Bytes of the document around its entries.
    """
    used = overhead
    fitting = 0
    for one in entries:
        used += size(one)
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
    text = sum(_escaped(value) for value in values if value)
    parts = 1 + len(one.authors) + len(one.categories) + len(one.enclosures)
    return text + _escaped(one.content) + 900 + 100 * parts


def _escaped(value: str) -> int:
    return len(html.escape(value).encode()) + sum(value.count(letter) for letter in "\n\t\\")  # as JSON has them


def _tag(image: Image, address: str) -> str:
    attributes = {
        "src": address,
        "alt": image.alt or "",
        "title": image.title,
        "width": image.width,
        "height": image.height,
    }
    return "<img" + "".join(_attribute(name, value) for name, value in attributes.items() if value is not None) + ">"


def _attribute(name: str, value: str | int) -> str:
    return f' {name}="{html.escape(str(value))}"'


def _lead(image: Image | None, address_of: AddressOf) -> EntryImage | None:
    address = address_of(image) if image else None
    if image is None or address is None or address.startswith("data:"):
        return None
    return EntryImage(href=address, width=image.width, height=image.height)


def _origin(article: Article, source: SourceFace) -> EntrySource:
    """The source as an entry names it; its date is the entry's own, so that old entries keep their bytes."""
    return EntrySource(id=source.id, title=source.title, updated=article.updated, link=source.link)
