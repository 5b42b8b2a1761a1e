"""Which article an item is: an id minted once, and the keys by which its source's items are known again.

The rules of the key are version 1 and frozen: ids that readers have seen depend on them. A later rule may only add
aliases.

An alias that is met is a hint, not a proof, where a source is careless: feeds give one id to many items, point all
of them at their front page, or change their ids. `is_same` says whether an item that hits an alias is that article
told again; where it is not, `apart` names it without what it only shares.
"""

import hashlib
import re
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from feedbridge.articles import items
from feedbridge.articles.addresses import absolute
from feedbridge.articles.text import one_line
from feedbridge.model import Article, RawItem

_SCHEMES = "https?|urn|tag|at|did|doi|info|ni|oai|yt"
"""Of names that are given to one thing in the whole world; `article:12` is another article at every site."""

_IRI = re.compile(
    rf"(?:{_SCHEMES}):"
    # What RFC 3987 section 2.2 allows, and square brackets, for `?a[]=1` is too common to be wrong
    '(?:[^\\s\x00-\x20\x7f-\x9f%<>"{}|\\\\^`\u200b-\u200f\u2028-\u202e\u2060-\u206f'
    "\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\uffff\U000e0000-\U0010ffff]|%[0-9A-Fa-f]{2}){1,2000}",
    re.IGNORECASE,
)
_WEB = re.compile("https?:", re.IGNORECASE)
_TAG = re.compile("<[^<>]*>")
_MAX_TOLD = 100_000
"""Characters of a text that stands for a missing title."""

_TRACKING_PREFIXES = ("utm_", "at_custom", "hsa_", "mtm_", "pk_", "ns_")
_TRACKING = frozenset(
    """
    __hsfp __hssc __hstc __s __twitter_impression _ga _gl _hsenc _hsmi _openstat
    at_campaign at_campaign_type at_format at_link_id at_link_origin at_link_type at_medium at_ptr_name
    cmpid dclid fbclid ftcamp gbraid gclid gclsrc guccounter guce_referrer guce_referrer_sig
    hss_channel igsh igshid li_fat_id maca mc_cid mc_eid mkt_tok msclkid ncid oly_anon_id oly_enc_id
    rb_clickid ref_src ref_url s_cid spm tsrc ttclid twclid vero_conv vero_id wbraid wickedid yclid ysclid
    """.split()  # noqa: SIM905  (a table of words)
)
"""Parameters that tell where a reader came from. Not `id`, `p`, `v`, `full` and the like: they carry identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What an item is called, and what it is known by.

    Attributes:
        id: An absolute IRI, the same again from an empty store.
        aliases: Everything by which the item can be met again in its source, the strongest first.
    """

    id: str
    aliases: tuple[str, ...]


def is_iri(text: str) -> bool:
    """Say whether a text can be the name of one thing for ever: an absolute IRI (RFC 3987) of a world-wide scheme.

    It is the one rule for ids that upstream gives. Every feed can write what passes: no spaces, controls or
    direction marks, percent signs only before two hexadecimal digits, and a usable host where it is of the web.
    """
    if not _IRI.fullmatch(text):
        return False
    return absolute(text, None) is not None if _WEB.match(text) else True


def identify(item: RawItem, *, source: str) -> Identity:
    """Find out what an item of a source is called.

    A valid upstream id is the id; else it is minted from the canonical link, else from the upstream id or the path
    within the source. An id or a link that other items share tells nothing, and neither names the item nor is an
    alias. Where nothing is left, the item is told by its fingerprint: its id and link, its title (its text, where
    it has none) and its published date as written; it stays the same while those do.

    Two aliases beside the id and the link are there for feeds that change their ways:

    - A guid that is a web address is mostly the permalink. Its canonical form is an alias like a link's, so that
      the article is met again when the guid flips from http to https, gains a tracking parameter, or trades places
      with the link. A guid with a fragment gives none, for `page#1` and `page#2` are two articles with one
      canonical form, nor does one that is a front page.
    - Where only one name is left, the title's fingerprint (`text:`, without the date) stands beside it: another
      item may come to share that name, and then still finds this one.

    Args:
        item: As the source wrote it.
        source: The name of its source.

    Raises:
        ValueError: Nothing names the item.
    """
    return _named(_names(item), source)


def apart(item: RawItem, *, source: str, rejected: Collection[str]) -> Identity:
    """Find out what an item is called that is none of the articles that it was met as.

    It is identified as if it did not have what was rejected: by its id or its link if that is left, else by its
    fingerprint. Its aliases may meet a known article again: that is then the next to ask `is_same` about.

    Args:
        rejected: The aliases that led to another article; none of them is given back.

    Raises:
        ValueError: Nothing else names the item.
    """
    return _named(_names(item, frozenset(rejected)), source)


def otherwise(identity: Identity, *, source: str) -> Identity:
    """The same item under another id, for when the id is already that of another article of its source.

    The id is minted from the source and the strongest alias, and so is the same again each time.
    """
    return Identity(id=mint(f"{source}\n{identity.aliases[0]}"), aliases=identity.aliases)


# The same article told again, or another that shares a name


def is_same(known: Article, item: RawItem, alias: str) -> bool:
    """Say whether an item that hits an alias of a known article of its source is that article told again.

    Compared are the link (its canonical form, and the place in the page where both name one), the title, and the
    published date as written. What either side does not tell cannot be compared, and nothing is told by a front
    page that both have as their link.

    - By `id:` it is, unless at least two of these can be compared and all that can be differ: one edited title or
      one moved link is no proof that an id was used again.
    - By `link:` it is, for a changed guid is the commonest slip of feeds; unless the link is weak: a front page,
      another place (`#`) in the known article's page, or an address that only the guid or an earlier link names.
      By a weak link it is only if title and date agree, as far as they can be compared, and one of them can.
      A guid that differs from the known id only as http from https is looked at as an id.
    - By `text:` it is, unless both name a date and none is the same.
    - A file of an archive is always what it is met as: nobody numbers saved articles for a feed.
    """
    if item.path is not None:
        return True
    if alias.startswith("text:"):
        return alias != _text_alias(item) or _share_a_date(known, item) is not False
    if alias.startswith("id:") or _is_guid(alias, known, item):
        compared = _told((_same_link(known, item), _same_title(known, item), _same_published(known, item)))
        return len(compared) < 2 or any(compared)
    if not _is_weak(known, item, alias):
        return True
    compared = _told((_same_title(known, item), _same_published(known, item)))
    return bool(compared) and all(compared)


def _is_guid(alias: str, known: Article, item: RawItem) -> bool:
    """Whether the alias is the permalink that both have as their id, spelled as it may be."""
    upstream_id = items.upstream_id(item)
    return upstream_id is not None and alias == _permalink_alias(known.id) == _permalink_alias(upstream_id)


def _told(answers: tuple[bool | None, ...]) -> list[bool]:
    return [answer for answer in answers if answer is not None]


def _is_weak(known: Article, item: RawItem, alias: str) -> bool:
    link = items.link(item)
    if link is None or alias != _link_alias(link) or _is_front(link):
        return True
    if known.link is None or _link_alias(known.link) != alias:
        return items.upstream_id(item) is not None
    return not _is_one_place(known.link, link)


def _same_link(known: Article, item: RawItem) -> bool | None:
    link = items.link(item)
    if link is None or known.link is None or item.shared_link:
        return None
    same = canonical_link(link) == canonical_link(known.link)
    return None if same and _is_front(link) else same and _is_one_place(known.link, link)


def _is_one_place(link: str, other: str) -> bool:
    """Whether links to one page do not name two places in it; `#comments` beside the bare page is the page."""
    places = {urlsplit(link).fragment, urlsplit(other).fragment} - {""}
    return len(places) < 2


def _same_title(known: Article, item: RawItem) -> bool | None:
    title = items.title(item)
    return title.casefold() == known.title.casefold() if title else None


def _same_published(known: Article, item: RawItem) -> bool | None:
    """Whether a date is the same; a moved `updated` is no difference, an edit moves it."""
    if _share_a_date(known, item):
        return True
    both = _dates_of(known, "published") and _dates(item, "published")
    return False if both else None


def _share_a_date(known: Article, item: RawItem) -> bool | None:
    """Whether one of the dates is written the same; None where one side has none."""
    before, now = _dates_of(known, "published", "updated"), _dates(item, "published", "updated")
    return not before.isdisjoint(now) if before and now else None


def _dates_of(known: Article, *kinds: str) -> set[str]:
    return {one.text for one in known.testimonies if one.kind in kinds}


def _dates(item: RawItem, *kinds: str) -> set[str]:
    return {items.date_text(one) for one in item.witnesses if one.kind in kinds} - {""}


# Keys


def mint(key: str) -> str:
    """An id made from a key: `urn:uuid:` and the UUIDv5 of the key in the URL namespace (RFC 9562 section 5.5)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, key).urn


@lru_cache(maxsize=64)  # every item asks for its own several times
def canonical_link(link: str) -> str:
    """The link's key, version 1: `https` whatever it said, the host in lower case, and without default port,
    fragment, doubled slashes in the path and tracking parameters. For comparing, never for publishing.
    """
    parts = urlsplit(link)
    path = re.sub(r"/{2,}", "/", parts.path) or "/"
    query = "&".join(part for part in parts.query.split("&") if part and not _is_tracking(part))
    return f"https://{_authority(parts)}{_upper_escapes(path)}{'?' if query else ''}{_upper_escapes(query)}"


def spellings(name: str) -> tuple[str, ...]:
    """What a person may mean who names an article by its link or its id: the id itself, and aliases."""
    name = name.strip()
    link = absolute(name, None)
    return (name, f"id:{name}", *(() if link is None else (f"link:{canonical_link(link)}",)))


# Names


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """What an item is called by, without what it shares with others.

    Attributes:
        others: Further aliases, and the whole of them where nothing else names the item.
        fingerprint: What the id is minted from where nothing else names the item.
    """

    upstream_id: str | None
    link: str | None
    path: str | None
    others: tuple[str, ...]
    fingerprint: str


def _names(item: RawItem, rejected: frozenset[str] = frozenset()) -> _Names:
    given_id, given_link = items.upstream_id(item), items.link(item)
    own_id = None if item.shared_id or f"id:{given_id}" in rejected else given_id
    own_link = None if item.shared_link or (given_link and _link_alias(given_link) in rejected) else given_link
    permalink = _permalink_alias(own_id) if own_id else None
    if permalink and given_link and not own_link and permalink == _link_alias(given_link):
        permalink = None
    others = []
    if permalink and permalink not in rejected:
        others.append(permalink)
    if item.path is None and _has_one_name(own_id, own_link) and (text := _text_alias(item)):
        others.append(_text_alias(item, dated=True) or text if text in rejected else text)
    path = item.path if not given_id and not given_link else None
    is_named = own_id or own_link or path
    return _Names(
        upstream_id=own_id,
        link=own_link,
        path=path,
        others=tuple(others),
        fingerprint="" if is_named else _fingerprint(item, sorted(_dates(item, "published"))),
    )


def _has_one_name(upstream_id: str | None, link: str | None) -> bool:
    """Whether an id and a link are at most one name, so that no other is left if items come to share it."""
    if upstream_id is None or link is None or _is_front(link):
        return True
    return _canonical_alias(upstream_id) == _link_alias(link)


def _named(names: _Names, source: str) -> Identity:
    aliases = tuple(dict.fromkeys(_aliases(names)))
    if not aliases:
        raise ValueError("an item needs a link, an id, a path or a title")
    if names.upstream_id and is_iri(names.upstream_id):
        return Identity(id=names.upstream_id, aliases=aliases)
    key = canonical_link(names.link) if names.link else f"{source}\n{_within_source(names)}"
    return Identity(id=mint(key), aliases=aliases)


def _within_source(names: _Names) -> str:
    return names.upstream_id or names.path or names.fingerprint


def _aliases(names: _Names) -> Iterator[str]:
    if names.upstream_id:
        yield f"id:{names.upstream_id}"
    if names.link:
        yield _link_alias(names.link)
    if names.path:
        yield f"path:{names.path}"
    yield from names.others


def _link_alias(link: str) -> str:
    return f"link:{canonical_link(link)}"


def _canonical_alias(upstream_id: str | None) -> str | None:
    """The alias that an upstream id has as a link, or None if it is no web address."""
    address = absolute(upstream_id, None) if upstream_id and _WEB.match(upstream_id) else None
    return _link_alias(address) if address else None


def _permalink_alias(upstream_id: str) -> str | None:
    if "#" in upstream_id or not (alias := _canonical_alias(upstream_id)) or _is_front(alias.removeprefix("link:")):
        return None
    return alias


def _is_front(link: str) -> bool:
    """Whether it is the front page of a site, which no article has for itself."""
    parts = urlsplit(canonical_link(link))
    return parts.path == "/" and not parts.query


def _text_alias(item: RawItem, *, dated: bool = False) -> str | None:
    """The alias of an item's fingerprint; None if it has neither title nor anything to stand for one."""
    if not _telling(item):
        return None
    dates = sorted(_dates(item, "published") or _dates(item, "updated")) if dated else []
    return f"text:{hashlib.sha256(_fingerprint(item, dates).encode()).hexdigest()[:32]}"


def _fingerprint(item: RawItem, dates: list[str]) -> str:
    link = items.link(item)
    parts = (items.upstream_id(item) or "", canonical_link(link) if link else "", _telling(item), *dates)
    return "\n".join(parts)


def _telling(item: RawItem) -> str:
    """The title, or the words that stand for one, or the first file; what markup they are in does not matter."""
    if title := items.title(item):
        return title
    for html in (item.content, item.summary or ""):
        if words := one_line(_TAG.sub(" ", html[:_MAX_TOLD])):
            return words
    addresses = [image.origin for image in item.pictures] + [enclosure.href for enclosure in item.enclosures]
    return one_line(addresses[0])[: items.MAX_ID] if addresses else one_line(item.content[:_MAX_TOLD])


def _authority(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    return host if port in {None, 80, 443} else f"{host}:{port}"


def _is_tracking(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    name = name.lower()
    if name == "source":
        return value.startswith("rss-")
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES)


def _upper_escapes(text: str) -> str:
    return re.sub(r"%[0-9a-f]{2}", lambda match: match[0].upper(), text, flags=re.IGNORECASE)
