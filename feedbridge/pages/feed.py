"""The page of a feed: its newest entries, or those of one archive document, and how to subscribe."""

from functools import partial
from typing import Any

from markupsafe import Markup

from feedbridge.feeds.rendering import Rendering, render
from feedbridge.feeds.slices import PAGE_BEGIN, PAGE_END, page_entry
from feedbridge.feeds.spelling import illegal_character, rfc3339
from feedbridge.model import Entry, Feed
from feedbridge.pages.frame import FeedFrame, entry_name, root
from feedbridge.pages.spelling import SUMMARY, TITLE, clipped, host, plain, web_address


def feed_page(feed: Feed, frame: FeedFrame) -> Rendering:
    """Write the page of a document, in UTF-8.

    Raises:
        PublishError: It cannot be written even without its bad entries, or the theme cannot be used.
    """
    return render(feed, partial(_page, frame=frame))


def _page(feed: Feed, frame: FeedFrame) -> bytes:
    site, words, up = frame.site, frame.site.words, root(frame.path)
    pieces = (page_entry(entry.id, _item(entry, feed, frame)) for entry in feed.entries)
    page = site.theme.render(
        "feed.html",
        site=site,
        words=words,
        root=up,
        frame=frame,
        feed=feed,
        head_title=plain(feed.title),
        title=clipped(feed.title, TITLE),
        subtitle=clipped(feed.subtitle or "", SUMMARY),
        description=plain(feed.subtitle or "", SUMMARY),
        rights=clipped(feed.rights or "", SUMMARY),
        icon=web_address(feed.icon),
        website=web_address(feed.link) if feed.link != site.base_url else None,
        website_host=host(feed.link),
        url=feed.self_link,
        updated=rfc3339(feed.updated),
        policy=site.theme.policy(shows_pictures=True),
        entries=Markup(f"{PAGE_BEGIN}{''.join(pieces)}{PAGE_END}"),  # noqa: S704  (templates wrote it)
    )
    return page.encode()


def _item(entry: Entry, feed: Feed, frame: FeedFrame) -> str:
    return frame.site.theme.render("item.html", words=frame.site.words, entry=told(entry, feed, frame))


def told(entry: Entry, feed: Feed, frame: FeedFrame) -> dict[str, Any]:
    """What a template is told of an entry, wherever it stands.

    Raises:
        ValueError: It has no title, or holds a character that no other format can hold.
    """
    texts = (entry.title, entry.summary or "", entry.excerpt, entry.content)
    if character := next(filter(None, map(illegal_character, texts)), None):
        raise ValueError(f"holds the character {character}, which XML cannot hold")
    if not entry.title:
        raise ValueError("has no title")
    source = entry.source
    origin = web_address(entry.link)
    return {
        "title": clipped(entry.title, TITLE),
        "plain_title": plain(entry.title),
        "language": entry.language or feed.language,
        "page": f"{root(frame.path)}{frame.entries}{entry_name(entry.id)}" if frame.entries else None,
        "origin": origin,
        "host": host(origin),
        "published": rfc3339(entry.published),
        "updated": rfc3339(entry.updated),
        "summary": clipped(entry.summary or entry.excerpt, SUMMARY),
        "description": plain(entry.summary or entry.excerpt, SUMMARY),
        "image": entry.image if entry.image and web_address(entry.image.href) else None,
        "authors": [
            {"name": clipped(person.name, 100), "uri": web_address(person.uri)} for person in entry.authors[:20]
        ],
        "topics": [clipped(topic.label or topic.term, 100) for topic in entry.categories[:30]],
        "source": clipped(source.title, 100) if source else None,
        "source_link": web_address(source.link) if source else None,
        "via": web_address(entry.via),
        "rights": clipped(entry.rights or "", SUMMARY),
        "files": [
            {"href": file.href, "name": clipped(file.href.partition("?")[0].rpartition("/")[2] or file.href, 100)}
            | {"type": file.type, "size": _size(file.length)}
            for file in entry.enclosures[:50]
            if web_address(file.href)
        ],
    }


def _size(length: int | None) -> str | None:
    """Bytes as one would say them."""
    if not length:
        return None
    return f"{length / 1_000_000:,.1f} MB" if length >= 1_000_000 else f"{max(1, round(length / 1000)):,} kB"
