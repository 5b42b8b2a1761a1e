"""Atom 1.0 and RSS 2.0, written by feedgen with the extension of `elements`.

The same feed gives the same bytes: every date is set, and the generator is named without its version, since
an upgrade must not rewrite all archives.
"""

from functools import partial
from html import escape
from threading import Lock

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from feedbridge.feeds import contents, elements
from feedbridge.feeds.rendering import ANY_BYTES, ATOM, RSS, Rendering, render
from feedbridge.model import Category, Entry, Feed, Person

_GENERATOR = "feedbridge"
_EXTENSION = "feedbridge"

# feedgen switches the locale of the whole process while it writes a date.
_writing = Lock()


def atom(feed: Feed) -> Rendering:
    """Write a feed as Atom 1.0 (RFC 4287), an archive document as RFC 5005 has it.

    Raises:
        PublishError: The feed cannot be written even without its bad entries.
    """
    with _writing:
        return render(feed, _atom)


def rss(feed: Feed) -> Rendering:
    """Write a feed as RSS 2.0, by the RSS Board's profile.

    Raises:
        PublishError: The feed cannot be written even without its bad entries.
    """
    with _writing:
        return render(feed, _rss)


def _atom(feed: Feed) -> bytes:
    generator = _generator(feed, ATOM)
    generator.register_extension(_EXTENSION, partial(elements.AtomFeedElements, feed), rss=False)
    generator.author(_person(feed.author))
    generator.subtitle(feed.subtitle)
    generator.icon(feed.icon)
    for entry in feed.entries:
        generator.add_entry(_atom_entry(entry, feed), order="append")
    return contents.put_in(generator.atom_str(pretty=True), feed.entries)


def _rss(feed: Feed) -> bytes:
    generator = _generator(feed, RSS)
    generator.register_extension(_EXTENSION, partial(elements.RssFeedElements, feed, RSS), atom=False)
    generator.description(feed.subtitle or feed.title)
    generator.image(feed.icon)
    generator.docs("")
    for entry in feed.entries:
        generator.add_entry(_rss_item(entry, feed), order="append")
    return contents.put_in(generator.rss_str(pretty=True), feed.entries)


def _generator(feed: Feed, own_type: str) -> FeedGenerator:
    generator = FeedGenerator()
    generator.id(feed.id)
    generator.title(feed.title)
    generator.updated(feed.updated)
    generator.link(elements.feed_links(feed, own_type))
    generator.language(feed.language)
    generator.rights(feed.rights)
    generator.generator(_GENERATOR)
    return generator


def _atom_entry(entry: Entry, feed: Feed) -> FeedEntry:
    built = _entry(entry)
    built.register_extension(_EXTENSION, partial(elements.AtomEntryElements, entry, feed), rss=False)
    if entry.summary:
        built.summary(entry.summary)
    if entry.content or not entry.link:  # one of the two must be there (RFC 4287 section 4.1.2)
        built.content(contents.MARK if entry.content else "", type="html")
    built.rights(entry.rights)
    return built


def _rss_item(entry: Entry, feed: Feed) -> FeedEntry:
    built = _entry(entry)
    built.register_extension(_EXTENSION, partial(elements.RssItemElements, entry, feed), atom=False)
    description = entry.summary or entry.excerpt
    if description:
        built.description(escape(description, quote=False))  # a description is HTML, our text is not
    if description and entry.content:
        built.content(contents.MARK)
    if main := elements.main_enclosure(entry):
        built.enclosure(main.href, main.length or 0, main.type or ANY_BYTES)
    if entry.source and (address := entry.source.self_link or entry.source.link):  # RSS asks for the feed's own
        built.source(address, entry.source.title)
    return built


def _entry(entry: Entry) -> FeedEntry:
    if not entry.title:
        raise ValueError("has no title")  # feedgen's RSS would let it pass where there is a description
    built = FeedEntry()
    built.id(entry.id)
    built.title(entry.title)
    built.published(entry.published)
    built.updated(entry.updated)
    if entry.link:
        built.link(href=entry.link)
    built.author([_person(author) for author in entry.authors])
    built.category([_category(category) for category in entry.categories])
    return built


def _person(person: Person) -> dict[str, str | None]:
    return {"name": person.name, "uri": person.uri, "email": person.email}


def _category(category: Category) -> dict[str, str | None]:
    label = {"label": category.label} if category.label else {}  # an empty one would be RSS's word for it
    return {"term": category.term, "scheme": category.scheme} | label
