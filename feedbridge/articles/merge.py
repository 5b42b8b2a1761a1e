"""What becomes of a kept article when its source tells it again."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from feedbridge.articles.normalise import Normalised
from feedbridge.model import Article

_NO_STAMP = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """How an article is met again.

    Attributes:
        now: The time of this refresh; aware, UTC.
        settled: The source's first refresh is complete, so that `published` stands.
        reread: The files are the same, only the rules are new: readers are not to notice more than they must.
        met: The article was met before in this refresh.
        gone: The file that the kept body came from is no longer there.
    """

    now: datetime
    settled: bool
    reread: bool = False
    met: bool = False
    gone: bool = False


def merge(known: Normalised, fresh: Normalised, circumstances: Circumstances) -> Normalised:
    """Join what is kept and what is told now; `known` itself comes back where nothing is to be written.

    The newest body wins; the id and the first `published` stay.
    """
    published = _published(known.article, fresh.article, circumstances)
    if not _wins(known, fresh, gone=circumstances.gone):
        updated = max(known.article.updated, published)
        return replace(known, article=replace(known.article, published=published, updated=updated))
    article = replace(
        fresh.article,
        id=known.article.id,
        first_seen=known.article.first_seen,
        published=published,
        changed=known.article.changed,
        updated=max(known.article.updated, published),
    )
    if not circumstances.settled:
        article = replace(article, updated=max(fresh.article.updated, published))
    elif _text_changed(known.article, fresh.article) and not circumstances.reread:
        article = replace(article, updated=_updated(known.article, fresh, circumstances), changed=circumstances.now)
    return Normalised(article=article, stamp=fresh.stamp, path=fresh.path)


def _published(known: Article, fresh: Article, circumstances: Circumstances) -> datetime:
    if circumstances.reread and not circumstances.met and _still_told(known):
        return fresh.published
    if circumstances.reread or not circumstances.settled:
        return min(known.published, fresh.published)
    return known.published


def _still_told(known: Article) -> bool:
    """Whether the kept date rests on what the kept version tells; if an older version told it, nobody can again."""
    return known.published in {known.first_seen, *(testimony.value for testimony in known.testimonies)}


def _wins(known: Normalised, fresh: Normalised, *, gone: bool) -> bool:
    """Whether the new telling's body replaces the kept one.

    Anything is better than nothing: an emptied file does not replace what is published. Of two files, that with
    the later stamp has the newest body; the path decides between equals, so that the order of reading does not.
    A file that is gone loses to its equal, for that may be the same under a new name.
    """
    if bool(fresh.article.content) != bool(known.article.content):
        return bool(fresh.article.content)
    if fresh.path == known.path:
        return True
    known_path = "" if gone else known.path or ""
    return (fresh.stamp or _NO_STAMP, fresh.path or "") > (known.stamp or _NO_STAMP, known_path)


def _text_changed(known: Article, fresh: Article) -> bool:
    """Whether the hash moved; hashes of different rules say nothing about the text."""
    old_rule, _, old = known.content_hash.partition(":")
    new_rule, _, new = fresh.content_hash.partition(":")
    return old_rule == new_rule and old != new


def _updated(known: Article, fresh: Normalised, circumstances: Circumstances) -> datetime:
    if fresh.stamp and known.updated < fresh.stamp <= circumstances.now:
        return fresh.stamp
    return max(circumstances.now, known.updated)
