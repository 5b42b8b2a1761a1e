"""Which article an item is: an id minted once, and the keys by which its source's items are known again.

The rules of the key are version 1 and frozen: ids that readers have seen depend on them. A later rule may only add
aliases.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from feedbridge.articles.addresses import absolute

_ABSOLUTE_IRI = re.compile(r"(?:https?://|urn:|tag:)[^\s<>\"{}|\\^`]{1,2000}", re.IGNORECASE)

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


def identify(*, source: str, link: str | None, upstream_id: str | None = None, path: str | None = None) -> Identity:
    """Find out what an item is called.

    Args:
        source: The name of the item's source.
        link: Its absolute address, cleaned.
        upstream_id: The id that the source gives it.
        path: Its file, relative to the source's folder.

    Raises:
        ValueError: Nothing names the item.
    """
    aliases = tuple(_aliases(link=link, upstream_id=upstream_id, path=path))
    if not aliases:
        raise ValueError("an item needs a link, an id or a path")
    if upstream_id and _ABSOLUTE_IRI.fullmatch(upstream_id):
        return Identity(id=upstream_id, aliases=aliases)
    key = canonical_link(link) if link else f"{source}\n{upstream_id or path}"
    return Identity(id=mint(key), aliases=aliases)


def mint(key: str) -> str:
    """An id made from a key: `urn:uuid:` and the UUIDv5 of the key in the URL namespace (RFC 9562 section 5.5)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, key).urn


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


def _aliases(*, link: str | None, upstream_id: str | None, path: str | None) -> Iterator[str]:
    if upstream_id:
        yield f"id:{upstream_id}"
    if link:
        yield f"link:{canonical_link(link)}"
    if path and not link and not upstream_id:
        yield f"path:{path}"


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
