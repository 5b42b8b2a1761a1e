"""Embedded players and posts become links: no feed reader shows a foreign frame."""

import re
from urllib.parse import parse_qs, urlsplit

from feedbridge.articles.addresses import absolute
from feedbridge.articles.text import one_line
from feedbridge.articles.tree import Element

_NAMES = {
    "youtube.com": "YouTube",
    "youtube-nocookie.com": "YouTube",
    "youtu.be": "YouTube",
    "vimeo.com": "Vimeo",
    "twitter.com": "Twitter",
    "x.com": "X",
    "bilibili.com": "Bilibili",
    "facebook.com": "Facebook",
    "instagram.com": "Instagram",
    "t.me": "Telegram",
    "spotify.com": "Spotify",
    "soundcloud.com": "SoundCloud",
    "podcasts.apple.com": "Apple Podcasts",
}
_ADVERTISERS = ("doubleclick.net", "googlesyndication.com", "googletagmanager.com", "adnxs.com", "taboola.com")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_LABEL = 200


def link_to(embed: Element, base: str | None) -> Element | None:
    """The link that stands for an `iframe`, `embed` or `object`, or None if it shows nothing to a reader.

    Players that have a page of their own are linked by that page. The label is the frame's title, else the
    name of the site, else its host.
    """
    attributes = embed.attributes
    written = next(
        (value for name in ("src", "data-src", "data-lazy-src", "data") if (value := attributes.get(name))), None
    )
    if written is None or _is_dot(attributes):
        return None
    address = absolute(written, base)
    if address is None or _is_of(_host(address), _ADVERTISERS):
        return None
    page = _page(address)
    title = one_line(attributes.get("title") or "")[:_LONGEST_LABEL]
    return Element("a", (title or _name(page),), {"href": page})


def _is_dot(attributes: dict[str, str | None]) -> bool:
    return any((attributes.get(side) or "").strip() in ("0", "1", "0px", "1px") for side in ("width", "height"))


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "").removeprefix("www.")


def _is_of(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def _name(address: str) -> str:
    host = _host(address)
    return next((name for domain, name in _NAMES.items() if _is_of(host, (domain,))), host)


def _page(address: str) -> str:
    """The page of a video whose player has this address; the address itself if no page is known."""
    parts = urlsplit(address)
    host = _host(address)
    last = parts.path.rstrip("/").rpartition("/")[2]
    if (
        _is_of(host, ("youtube.com", "youtube-nocookie.com"))
        and parts.path.startswith("/embed/")
        and _ID.fullmatch(last)
    ):
        return address if last == "videoseries" else f"https://www.youtube.com/watch?v={last}"
    if host == "player.vimeo.com" and parts.path.startswith("/video/") and last.isascii() and last.isdigit():
        return f"https://vimeo.com/{last}"
    if host == "player.bilibili.com":
        video = parse_qs(parts.query, max_num_fields=50).get("bvid", [""])[0] if parts.query.count("&") < 50 else ""
        return f"https://www.bilibili.com/video/{video}" if _ID.fullmatch(video) else address
    return address
