"""Elements of other vocabularies: what of them passes through, with whole addresses and numbered pictures."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from feedbridge.articles.addresses import absolute
from feedbridge.articles.images import read_image
from feedbridge.articles.text import clean, one_line
from feedbridge.model import Element, Image

MAX_ELEMENTS = 200
"""Elements of one article, the inner ones among them."""

MAX_DEPTH = 6
MAX_ATTRIBUTES = 30
MAX_VALUE = 1_000
"""Characters of an attribute's value that is no address."""

MAX_TEXT = 10_000
"""Characters of an element's text; a longer one is the article's text over again."""

MAX_CHARACTERS = 100_000
"""Characters of all texts and values of one article together."""

MAX_PICTURES = 50
"""Pictures that an article's elements add to those of its text."""

_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}:[!#-;=?-\[\]_a-z~]{1,300}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_ADDRESSES = frozenset(("href", "src", "uri", "url"))
_PLACEHOLDER = re.compile(r"\s*image:\s*[0-9]*\s*", re.IGNORECASE)
_LIVE = re.compile(r"\s*(?:javascript|vbscript|livescript|data):\S+\s*", re.IGNORECASE)

_ITUNES = "http://www.itunes.com/dtds/podcast-1.0.dtd"
_MEDIA = "http://search.yahoo.com/mrss/"
_PODCAST = "https://podcastindex.org/namespace/1.0"
_PLAY = "http://www.google.com/schemas/play-podcasts/1.0"
_PICTURES = {
    (_ITUNES, "image"): "href",
    (_PLAY, "image"): "href",
    (_PODCAST, "image"): "href",
    (_PODCAST, "person"): "img",
    (_MEDIA, "thumbnail"): "url",
}
"""Which attribute holds the address of a picture."""
_PICTURE_NAME = re.compile(r".*\.(?:jpe?g|png|gif|webp|avif|bmp)", re.IGNORECASE | re.DOTALL)


def pass_through(
    elements: Sequence[Element],
    *,
    base: str | None,
    hosts: frozenset[str] = frozenset(),
    images: Sequence[Image] = (),
    enclosures: Collection[str] = (),
) -> tuple[tuple[Element, ...], tuple[Image, ...]]:
    """Make elements of other vocabularies fit to be published.

    Text and values are clean and bounded. An address (`url`, `href`, `uri`, `src`) is absolute http(s), or its
    element goes; that of a picture is `image:N`, the picture's number. What would be taken for such a number, or
    for a live address, goes, as do `srcset` and Media RSS elements that only repeat an enclosure.

    Args:
        elements: As the source wrote them.
        base: What relative addresses are relative to.
        hosts: Further image proxies, as for `proxies.unwrap`.
        images: The pictures that are numbered already.
        enclosures: The addresses of the article's enclosures.

    Returns:
        The elements, in their order, and the given pictures followed by those that the elements add.
    """
    passage = _Passage(base=base, hosts=hosts, enclosures=frozenset(enclosures), images=list(images))
    return passage.elements(elements, depth=1), tuple(passage.images)


@dataclass(kw_only=True, slots=True)
class _Passage:
    """What has passed so far, and how much may still pass."""

    base: str | None
    hosts: frozenset[str]
    enclosures: frozenset[str]
    images: list[Image]
    room: int = MAX_ELEMENTS
    characters: int = MAX_CHARACTERS
    pictures: int = MAX_PICTURES
    numbers: dict[str, int] = field(init=False)
    """The number of each picture by its origin."""

    def __post_init__(self) -> None:
        self.numbers = {image.origin: number for number, image in reversed(list(enumerate(self.images)))}

    def elements(self, written: Sequence[Element], *, depth: int) -> tuple[Element, ...]:
        return tuple(self._passing(written, depth)) if depth <= MAX_DEPTH else ()

    def _passing(self, written: Sequence[Element], depth: int) -> Iterator[Element]:
        for element in written:
            if self.room <= 0:
                return
            self.room -= 1
            if passed := self._element(element, depth):
                yield passed

    def _element(self, element: Element, depth: int) -> Element | None:
        if not _NAMESPACE.fullmatch(element.namespace) or not _NAME.fullmatch(element.name):
            return None
        if len(element.text) > MAX_TEXT or _LIVE.fullmatch(element.text) or self._repeats_enclosure(element):
            return None
        attributes = self._attributes(element)
        if attributes is None:
            return None
        text = "" if _PLACEHOLDER.fullmatch(element.text) else clean(element.text).strip()
        self.characters -= len(text) + sum(len(name) + len(value) for name, value in attributes)
        if self.characters < 0:
            return None
        children = self.elements(element.children, depth=depth + 1)
        lost = element.attributes or element.children or element.text
        if lost and not (attributes or children or text):
            return None
        return Element(
            namespace=element.namespace, name=element.name, attributes=attributes, text=text, children=children
        )

    def _attributes(self, element: Element) -> tuple[tuple[str, str], ...] | None:
        """The attributes that pass; None where the element is nothing without one that does not."""
        passed: dict[str, str] = {}
        picture = _picture_attribute(element)
        for name, written in element.attributes[:MAX_ATTRIBUTES]:
            if name == "srcset":
                return None
            if not _NAME.fullmatch(name) or name in passed or name.lower().startswith("xml"):
                continue
            if _PLACEHOLDER.fullmatch(written):
                value = None
            elif name == picture:
                value = self._number(element, written)
            elif name in _ADDRESSES:
                value = absolute(written, self.base)
            else:
                value = _plain(written)
            if value is not None:
                passed[name] = value
            elif name in _ADDRESSES:
                return None
        return tuple(passed.items())

    def _number(self, element: Element, address: str) -> str | None:
        """The placeholder of the picture at an address, or None if there is none to show."""
        sides = {name: value for name, value in element.attributes[:MAX_ATTRIBUTES] if name in ("width", "height")}
        image = read_image({**sides, "src": address}, base=self.base, hosts=self.hosts)
        if image is None:
            return None
        if image.origin not in self.numbers:
            if self.pictures <= 0:
                return None
            self.pictures -= 1
            self.numbers[image.origin] = len(self.images)
            self.images.append(image)
        return f"image:{self.numbers[image.origin]}"

    def _repeats_enclosure(self, element: Element) -> bool:
        if (element.namespace, element.name) != (_MEDIA, "content") or element.children:
            return False
        return any(
            name == "url" and absolute(url, self.base) in self.enclosures
            for name, url in element.attributes[:MAX_ATTRIBUTES]
        )


def _plain(written: str) -> str | None:
    if len(written) > MAX_VALUE or _LIVE.fullmatch(written):
        return None
    return one_line(written)


def _picture_attribute(element: Element) -> str | None:
    if (element.namespace, element.name) == (_MEDIA, "content"):
        return "url" if _shows_picture(dict(element.attributes[:MAX_ATTRIBUTES])) else None
    return _PICTURES.get((element.namespace, element.name))


def _shows_picture(attributes: dict[str, str]) -> bool:
    """Whether a `media:content` is a picture: by its medium, else its type, else the ending of its address."""
    medium, kind = attributes.get("medium", "").strip().lower(), attributes.get("type", "").strip().lower()
    if medium or kind:
        return medium == "image" if medium else kind.startswith("image/")
    try:
        path = urlsplit(attributes.get("url", "")).path
    except ValueError:
        return False
    return _PICTURE_NAME.fullmatch(path) is not None
