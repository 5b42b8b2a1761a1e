"""What came instead of a feed: where a page says its feeds are, and what it is, in words for a person."""

import re
from collections.abc import Sequence
from urllib.parse import urldefrag, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_PAGE = 512 * 1024
"""Characters of a page that are read."""
MAX_ALTERNATES = 20
MAX_ADDRESS = 4_096
_SHOWN_LENGTH = 80
_LOOKED_AT = 64 * 1024

_RANKS = {
    "application/rss+xml": 0,
    "application/atom+xml": 0,
    "application/feed+json": 0,
    "application/rdf+xml": 0,
    "application/json": 1,
    "application/xml": 1,
    "text/xml": 1,
}
"""Types of feeds, and those that may be something else, too."""
_LAST_RANK = 2
_COMMENTS = re.compile(
    r"\bcomments?\b|\breplies\b|评论|評論|留言|コメント|комментари|kommentar|commentaires|comentarios", re.I
)
_INNER_BREAKS = str.maketrans("", "", "\t\n\r")
_PROGRAMS = re.compile(r"/wp-json/|/oembed\b", re.IGNORECASE)

_BEFORE_THE_ROOT = re.compile(
    r"(?:[\s\ufeff]++|<\?.*?(?:\?>|\Z)|<!--.*?(?:-->|\Z)|<!DOCTYPE[^\[>]*+(?:\[[^\]]*+\])?+\s*+>)*+",
    re.DOTALL | re.IGNORECASE,
)
_HEAD_PIECE = re.compile(
    r"""<!--.*?(?:-->|\Z)
      | <(script|style|textarea|template|svg)\b.*?(?:</\1|\Z)
      | (<title\b[^<>]*+>[^<]{0,2000})
      | (<(?:link|base)\b(?:[^<>"']++|"[^"]*+"|'[^']*+'|["'])*+>)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_LINK_PIECE = re.compile(
    r"""<!--.*?(?:-->|\Z)
      | <(script|style|textarea|template|svg)\b.*?(?:</\1|\Z)
      | (<a\s(?:[^<>"']++|"[^"]*+"|'[^']*+'|["'])*+>)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_FEED_LIKE = re.compile(
    r"\.(?:rss|atom|rdf)(?:\?|$)|/(?:feed|rss|atom|index|news)2?\.(?:xml|json)(?:\?|$)|/(?:feed|rss|atom)/?(?:\?|$)"
    r"|[?&](?:feed|format)=(?:rss2?|atom|feed)\b|//(?:feeds|rss)\.",
    re.IGNORECASE,
)
"""How addresses of feeds mostly end, or their hosts begin."""
_DOCTYPE_OF_HTML = re.compile(r"<!DOCTYPE\s++html\b", re.IGNORECASE)
_ROOT = re.compile(r"<([A-Za-z_][\w.:-]{0,60})(?=[\s/>])")
_HTML_ROOTS = frozenset(("html", "head", "body", "title", "meta", "script", "style", "link", "frameset"))
_FEED_ROOTS = frozenset(("rss", "feed", "rdf:rdf"))
_ROOTS = {"urlset": "a sitemap", "sitemapindex": "a sitemap", "opml": "an OPML list"}

_CHALLENGE_TITLE = re.compile(
    r"just a moment|one moment, please|attention required|ddos-guard|ddos protection|checking your browser|captcha"
    r"|are you (?:a )?(?:human|robot)|verify(?:ing)? (?:that )?you are|human verification"
    r"|security (?:check|verification)|请稍候|安全验证|人机验证",
    re.IGNORECASE,
)
_CHALLENGE_MARK = re.compile(
    r"_cf_chl_opt|cf-browser-verification|/\.well-known/ddos-guard/|_Incapsula_Resource|sucuri_cloudproxy_js"
    r"|captcha-delivery\.com|px-captcha|/\.well-known/sgcaptcha|AwsWafIntegration"
)


def looks_like_html(text: str) -> bool:
    """Whether a page is HTML rather than XML or text; XHTML is HTML."""
    place = _root_place(text)
    root = _ROOT.match(text, place)
    name = root[1].lower() if root else ""
    if name in _HTML_ROOTS:
        return True
    return name not in _FEED_ROOTS and _DOCTYPE_OF_HTML.search(text, 0, min(place, _LOOKED_AT)) is not None


def alternates(text: str, *, url: str, main: bool = False) -> Sequence[str]:
    """The addresses of the feeds that an HTML page names in its `<link rel="alternate">`.

    Args:
        text: The page.
        url: The page's own address.
        main: Leave out those of comments and of programs' interfaces.

    Returns:
        Absolute http(s) addresses, each once and none the page's own, as in the page; but those of a type that may
        not be a feed come behind the others, and those of comments and of programs' interfaces last.
    """
    page = _head(text[:MAX_PAGE])
    base = _base(page, url)
    found: dict[str, int] = {}
    for link in page.css("link[rel][href][type]"):
        rank = _rank(link)
        address = _address(link.attributes.get("href"), base) if rank is not None else None
        if rank is not None and address and address != urldefrag(url).url and not (main and rank == _LAST_RANK):
            found.setdefault(address, rank)
    return tuple(sorted(found, key=found.__getitem__)[:MAX_ALTERNATES])


def anchors(text: str, *, url: str) -> Sequence[str]:
    """The addresses that an HTML page links and that look like those of feeds, for pages that name none.

    Args:
        text: The page.
        url: The page's own address.

    Returns:
        Absolute http(s) addresses, each once and none the page's own, as in the page.
    """
    pieces = [piece[2] or "" for piece in _LINK_PIECE.finditer(text[:MAX_PAGE])]
    base = _base(_head(text[:MAX_PAGE]), url)
    links = (link.attributes.get("href") for link in LexborHTMLParser("".join(pieces)).css("a[href]"))
    found = dict.fromkeys(address for href in links if (address := _address(href, base)) and _FEED_LIKE.search(address))
    return tuple(address for address in found if address != urldefrag(url).url)[:MAX_ALTERNATES]


def title_of(text: str) -> str:
    """The title of an HTML page in one short line; empty where it has none."""
    element = _head(text[:_LOOKED_AT]).css_first("title")
    return _shown(element.text()) if element else ""


def what_came(text: str) -> str:
    """A few words for a person that say what a page is which is no feed, such as `an HTML page titled “Log in”`."""
    if looks_like_html(text):
        return _what_page(text[:_LOOKED_AT])
    if root := _ROOT.match(text, _root_place(text)):
        return _ROOTS.get(root[1].lower(), f"XML with the root <{root[1]}>")
    shown = _shown(text[:_LOOKED_AT])
    return f"text that begins “{shown}”" if shown else "nothing that can be shown"


def _root_place(text: str) -> int:
    before = _BEFORE_THE_ROOT.match(text)
    return before.end() if before else 0


def _head(text: str) -> LexborHTMLParser:
    """The title, base and links of a page and nothing else: the parser is slow where elements are nested deeply."""
    pieces = (piece.group(2, 3) for piece in _HEAD_PIECE.finditer(text))
    return LexborHTMLParser("".join(f"{title}</title>" if title else tag or "" for title, tag in pieces))


def _rank(link: LexborNode) -> int | None:
    """How sure it is that this link is the page's feed, 0 the surest; None if it is none."""
    attributes = {name: value or "" for name, value in link.attributes.items()}
    if "alternate" not in attributes.get("rel", "").lower().split():
        return None
    rank = _RANKS.get(attributes.get("type", "").partition(";")[0].strip().lower())
    if rank is None:
        return None
    address = attributes.get("href", "")
    is_last = _PROGRAMS.search(address) or _COMMENTS.search(attributes.get("title", "")) or _COMMENTS.search(address)
    return _LAST_RANK if is_last else rank


def _base(page: LexborHTMLParser, url: str) -> str:
    element = page.css_first("base[href]")
    return (_address(element.attributes.get("href"), url) if element else None) or url


def _address(href: str | None, base: str) -> str | None:
    """The absolute http(s) address without its fragment, or None."""
    trimmed = (href or "").translate(_INNER_BREAKS).strip().replace(" ", "%20")
    if not trimmed or len(trimmed) > MAX_ADDRESS or not trimmed.isprintable():
        return None
    try:
        address = urldefrag(urljoin(base, trimmed)).url
        parts = urlsplit(address)
        return address if parts.scheme in {"http", "https"} and parts.hostname else None
    except ValueError:
        return None


def _what_page(text: str) -> str:
    title = title_of(text)
    if _CHALLENGE_TITLE.search(title) or _CHALLENGE_MARK.search(text):
        return f"a challenge page (“{title}”)" if title else "a challenge page"
    return f"an HTML page titled “{title}”" if title else "an HTML page without a title"


def _shown(text: str) -> str:
    """The text in one short line of characters that can be shown."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= _SHOWN_LENGTH else line[: _SHOWN_LENGTH - 1].rstrip() + "…"
