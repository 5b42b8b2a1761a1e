"""The vocabularies of others that pass through our feeds, and what each demands of its elements.

iTunes' tags (https://podcasters.apple.com/support/823-podcast-requirements), Podcasting 2.0
(https://podcastindex.org/namespace/1.0) and Media RSS (https://www.rssboard.org/media-rss). An element is named
here as XML has it in full: `{namespace}name`.
"""

from collections.abc import Iterable, Iterator

from feedbridge.feeds.namespaces import ITUNES_NAMESPACE, MEDIA_NAMESPACE, PODCAST_NAMESPACE
from feedbridge.model import Element

PREFIXES = {ITUNES_NAMESPACE: "itunes", PODCAST_NAMESPACE: "podcast", MEDIA_NAMESPACE: "media"}
"""What passes, by the prefix that readers expect: some know `itunes:` by its spelling alone."""

MEDIA_CONTENT, MEDIA_PLAYER, MEDIA_THUMBNAIL, MEDIA_TITLE = (
    f"{{{MEDIA_NAMESPACE}}}{name}" for name in ("content", "player", "thumbnail", "title")
)
ITUNES_DURATION, ITUNES_IMAGE, NEW_FEED_URL = (
    f"{{{ITUNES_NAMESPACE}}}{name}" for name in ("duration", "image", "new-feed-url")
)
PODCAST_IMAGE = f"{{{PODCAST_NAMESPACE}}}image"

ADDRESSES = frozenset(("feedUrl", "href", "img", "src", "uri", "url"))
"""The attributes that hold an address."""

PICTURES = frozenset(((ITUNES_IMAGE, "href"), (MEDIA_THUMBNAIL, "url"), (PODCAST_IMAGE, "href")))
"""The elements that always show a picture, and where its address stands."""

NEEDED = {
    ITUNES_IMAGE: "href",
    MEDIA_THUMBNAIL: "url",
    MEDIA_PLAYER: "url",
    PODCAST_IMAGE: "href",
    f"{{{PODCAST_NAMESPACE}}}chapters": "url",
    f"{{{PODCAST_NAMESPACE}}}transcript": "url",
    f"{{{PODCAST_NAMESPACE}}}source": "uri",
}
"""The attribute without which an element says nothing."""

_OF_ITUNES = (
    "author", "block", "complete", "duration", "episode", "episodeType", "explicit", "image", "isClosedCaptioned",
    "keywords", "new-feed-url", "order", "owner", "season", "subtitle", "summary", "title", "type",
)  # fmt: skip
_OF_PODCAST = ("chapters", "episode", "guid", "license", "locked", "medium", "season")
ONCE = frozenset(f"{{{ITUNES_NAMESPACE}}}{name}" for name in _OF_ITUNES) | frozenset(
    f"{{{PODCAST_NAMESPACE}}}{name}" for name in _OF_PODCAST
)
"""The elements that an entry, or a feed, has at most once."""


def full_name(element: Element) -> str:
    """Name an element as XML does in full."""
    return f"{{{element.namespace}}}{element.name}"


def attribute(element: Element, name: str) -> str | None:
    """The value of an attribute, or None."""
    return dict(element.attributes).get(name)


def walk(elements: Iterable[Element]) -> Iterator[Element]:
    """Give every element, those inside others too, each before what it holds."""
    for element in elements:
        yield element
        yield from walk(element.children)


def media_contents(extensions: Iterable[Element]) -> dict[str, Element]:
    """The files that Media RSS describes, by their addresses; the first word on each holds."""
    contents: dict[str, Element] = {}
    for element in walk(extensions):
        if full_name(element) == MEDIA_CONTENT and (url := attribute(element, "url")):
            contents.setdefault(url, element)
    return contents
