"""The trouble feed: tells the owner, in a feed reader, what broke and what recovered, each once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from uuid import NAMESPACE_URL, UUID, uuid5

from feedbridge.feeds.spelling import rfc3339
from feedbridge.feeds.syndication import atom
from feedbridge.model import Entry, Feed, Person
from feedbridge.owner.words import Words
from feedbridge.store.troubles import Trouble
from feedbridge.terminal import printable

ENTRIES = 100
"""The newest are shown."""

LONGEST_REASON = 2_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def trouble_feed(
    troubles: Sequence[Trouble],
    *,
    site: str,
    home: str,
    began: datetime | None,
    words: Words,
    page_of: Callable[[str], str],
) -> bytes:
    """Write the feed, as Atom.

    Its entries never change: an id and a date belong to the moment at which something broke, or was read again.

    Args:
        troubles: Of which it tells, in any order.
        site: The title of the site.
        home: The address of the owner's pages, with `/` at its end.
        began: When the first source was read.
        words: Its own.
        page_of: The address of a source's page.
    """
    entries = [entry for one in troubles for entry in _entries(one, words, page_of(one.source))]
    entries.sort(key=lambda entry: (entry.updated, entry.id), reverse=True)
    feed = Feed(
        id=uuid5(NAMESPACE_URL, f"{home}trouble").urn,
        title=words.trouble_title.format(site),
        link=home,
        self_link=f"{home}trouble.atom",
        updated=max((entry.updated for entry in entries), default=began or _EPOCH),
        author=Person(name=site),
        language=words.language,
        entries=tuple(entries[:ENTRIES]),
    )
    return atom(feed).body


def _entries(trouble: Trouble, words: Words, link: str) -> list[Entry]:
    name = trouble.source
    reason = (
        f"<p>{escape(words.broke_text.format(name))}</p><pre>{escape(printable(trouble.reason, LONGEST_REASON))}</pre>"
    )
    told = [_entry(trouble.uid, words.broke.format(name), link, trouble.broke_at, reason)]
    if trouble.healed_at:
        span = words.healed_text.format(name, rfc3339(trouble.broke_at), rfc3339(trouble.healed_at))
        uid = uuid5(UUID(trouble.uid), "healed").urn
        told.append(_entry(uid, words.healed.format(name), link, trouble.healed_at, f"<p>{escape(span)}</p>"))
    return told


def _entry(uid: str, title: str, page: str, at: datetime, content: str) -> Entry:
    """An entry with a link of its own, for some readers take two entries with one link for one."""
    return Entry(id=uid, title=title, link=f"{page}#{rfc3339(at)}", published=at, updated=at, content=content)
