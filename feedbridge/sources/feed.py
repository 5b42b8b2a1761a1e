"""Other people's feeds: RSS, RDF, Atom and JSON Feed at an address."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from feedbridge.errors import ParseError
from feedbridge.model import Page, Part, RawItem, Request, SourceFacts, Unread
from feedbridge.sources.charset import decode_page
from feedbridge.sources.instead import alternates, looks_like_html, what_came
from feedbridge.sources.jsonfeed import looks_like_json, read_json_feed
from feedbridge.sources.prolog import look
from feedbridge.sources.syndicated import read_syndicated
from feedbridge.sources.wellformed import find_root


class Feed:
    """A feed as a source."""

    def parse(self, page: Page) -> Iterator[Part]:
        """What the feed says of itself, its items, and how many more there are; or, of an HTML page, where its feed is.

        A whole feed without entries gives its facts alone. Items that say the same twice come once.

        Args:
            page: Its `path` is the address that it came from.

        Raises:
            ParseError: There is no usable item in what came; the text says what came.
        """
        text = decode_page(page.body, page.content_type)
        if looks_like_json(text):
            yield from _in_order(read_json_feed(text, url=page.path))
        elif find_root(text) is not None:
            look(text)
            yield from _in_order(read_syndicated(text, url=page.path))
        else:
            yield Request(url=_instead(text, url=page.path))


def _in_order(read: Iterator[Part]) -> Iterator[Part]:
    """The facts, then the items, marked; nothing at all before everything is read."""
    found = list(read)
    yield from (one for one in found if isinstance(one, SourceFacts))
    yield from mark_shared([one for one in found if isinstance(one, RawItem)])
    yield from (one for one in found if isinstance(one, Unread))


def _instead(text: str, *, url: str) -> str:
    """The address of the feed that a page names first.

    Raises:
        ParseError: It is no page, or names none.
    """
    if not looks_like_html(text):
        raise ParseError(f"is no feed: {what_came(text)} came")
    named = alternates(text, url=url)
    if not named:
        raise ParseError(f"is no feed: {what_came(text)} came, and it names no feed")
    return named[0]


def mark_shared(items: Sequence[RawItem]) -> list[RawItem]:
    """The items of a page with the ids and links marked that tell nothing; exact repeats are left out.

    An id is shared where it stands in items with different links or titles, a link where it stands in items with
    different ids or titles.
    """
    first: dict[tuple[str | None, ...], RawItem] = {}
    for item in items:
        first.setdefault((item.id, item.link, item.title, item.content), item)
    unique = list(first.values())
    ids: dict[str | None, set[tuple[str | None, str | None]]] = {}
    links: dict[str | None, set[tuple[str | None, str | None]]] = {}
    for item in unique:
        ids.setdefault(item.id, set()).add((item.link, item.title))
        links.setdefault(item.link, set()).add((item.id, item.title))
    return [
        replace(
            item,
            shared_id=bool(item.id) and len(ids[item.id]) > 1,
            shared_link=bool(item.link) and len(links[item.link]) > 1,
        )
        for item in unique
    ]
