"""What becomes of a kept article when its source tells it again."""

import html
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from feedbridge.articles.normalise import Normalised
from feedbridge.model import Article, Testimony

SHORTENED = 0.6
"""A beginning of the kept text that is shorter than this part of it is an excerpt."""

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

    The newest body wins; the id and the first `published` stay. A feed that comes to tell only the beginning of a
    text, or none, is believed in all but that: the text that is published is not replaced by something worse.
    """
    if (
        known.path is None
        and fresh.path is None
        and not circumstances.reread
        and _is_worse(known.article, fresh.article)
    ):
        fresh = replace(fresh, article=_with_text_of(known.article, fresh.article))
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
        testimonies=_testimonies(known.article, fresh.article),
    )
    if not circumstances.settled:
        article = replace(article, updated=max(fresh.article.updated, published))
    elif _reads_otherwise(known.article, fresh.article) and not circumstances.reread:
        article = replace(article, updated=_updated(known.article, fresh, circumstances), changed=circumstances.now)
    return Normalised(article=article, stamp=fresh.stamp, path=fresh.path)


def _with_text_of(known: Article, fresh: Article) -> Article:
    """The new telling with the kept text, its pictures, and the elements that show them."""
    return replace(
        fresh,
        excerpt=known.excerpt,
        content=known.content,
        images=known.images,
        lead_image=known.lead_image,
        extensions=known.extensions,
        content_hash=known.content_hash,
    )


def _testimonies(known: Article, fresh: Article) -> tuple[Testimony, ...]:
    """Those of the new telling; but the article was first seen when it was."""
    seen = next((one for one in known.testimonies if one.kind == "first-seen"), None)
    return tuple(
        replace(one, text=seen.text, value=seen.value) if seen and one.kind == "first-seen" else one
        for one in fresh.testimonies
    )


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


def _reads_otherwise(known: Article, fresh: Article) -> bool:
    """Whether the hash moved, or the title did where the hash is that of a kept text."""
    if known.content_hash == fresh.content_hash:
        return known.title != fresh.title
    return _text_changed(known, fresh)


def _text_changed(known: Article, fresh: Article) -> bool:
    """Whether the hash moved; hashes of different rules say nothing about the text."""
    old_rule, _, old = known.content_hash.partition(":")
    new_rule, _, new = fresh.content_hash.partition(":")
    return old_rule == new_rule and old != new


_TAG = re.compile("<[^<>]*>")
_CAPTION = re.compile("<figcaption>(?:(?!</?figcaption>).)*</figcaption>", re.DOTALL)
_FOOTER = re.compile("thepost.{1,300}appearedfirston.{1,200}")
_MARKS = " .…。[]()（）<>«»‹›→←↓:：|-–—"
_READ_ON = tuple(
    """
    readmore readon continuereading more seemore fullstory readfullarticle readthefullarticle readthewholestory
    阅读全文 阅读更多 继续阅读 查看全文 查看更多 全文 更多 閱讀全文 閱讀更多 繼續閱讀 続きを読む
    weiterlesen mehr lirelasuite liremás leermás seguirleyendo continuarealeggere leggitutto подробнее читатьдалее
    """.split()  # noqa: SIM905  (a table of words)
)
"""What stands at the end of an excerpt, without spaces and in small letters."""


def _is_worse(known: Article, fresh: Article) -> bool:
    """Whether the new text is none, or only the beginning of the kept one, cut off."""
    if known.content_hash == fresh.content_hash or not known.content:
        return False
    old, new = _words(known.content), _words(fresh.content)
    if not old:
        return False
    beginning = _without_end(new)
    return len(beginning) < SHORTENED * len(old) and old.startswith(beginning)


def _words(content: str) -> str:
    """The visible text without captions, in small letters and without spaces, for no two excerpts are spaced alike."""
    return "".join(html.unescape(_TAG.sub(" ", _CAPTION.sub(" ", content))).casefold().split())


def _without_end(words: str) -> str:
    """A text without the marks that say that it goes on elsewhere."""
    footer = words.rfind("thepost", max(0, len(words) - 600))
    if footer >= 0 and _FOOTER.fullmatch(words, footer):
        words = words[:footer]
    words = words.rstrip(_MARKS)
    ending = next((one for one in _READ_ON if words.endswith(one)), "")
    return words.removesuffix(ending).rstrip(_MARKS)


def _updated(known: Article, fresh: Normalised, circumstances: Circumstances) -> datetime:
    if fresh.stamp and known.updated < fresh.stamp <= circumstances.now:
        return fresh.stamp
    return max(circumstances.now, known.updated)
