"""The public page that lists the feeds, for people and for feed readers that look for feeds on a page."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS
from feedbridge.feeds.spelling import rfc3339

MARK = b'<meta name="generator" content="feedbridge">'
"""Stands in every page of ours, and tells it from one that somebody else wrote."""

FORMAT_NAMES = {ATOM: "Atom", RSS: "RSS", JSON_FEED: "JSON Feed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """One document of a feed; `href` may be relative to the page."""

    href: str
    media_type: str

    @property
    def name(self) -> str:
        """The format's name, the same in every language."""
        return FORMAT_NAMES.get(self.media_type, self.media_type)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFeed:
    """A feed as the page lists it.

    Attributes:
        subtitle: Plain text.
        language: A BCP 47 tag, if it is known.
        newest: The date of the newest entry, None while there is none.
        subscriptions: The formats, the one to recommend first.
    """

    title: str
    subscriptions: tuple[Subscription, ...]
    subtitle: str | None = None
    language: str | None = None
    newest: datetime | None = None


_ENGLISH = {
    "language": "en",
    "lead": "Copy the address of a feed into your feed reader.",
    "newest": "Newest entry:",
    "no_entries": "No entries yet",
    "no_feeds": "There are no feeds yet.",
    "opml": "All feeds as OPML",
    "opml_hint": "for importing them at once",
    "made_by": "Published by feedbridge",
}
_SIMPLIFIED = {
    "language": "zh-Hans",
    "lead": "将订阅地址复制到您的阅读器即可订阅。",
    "newest": "最新文章：",
    "no_entries": "暂无文章",
    "no_feeds": "暂无订阅源。",
    "opml": "全部订阅源（OPML）",
    "opml_hint": "可一次导入阅读器",
    "made_by": "由 feedbridge 发布",
}
_TRADITIONAL = {
    "language": "zh-Hant",
    "lead": "將訂閱網址複製到您的閱讀器即可訂閱。",
    "newest": "最新文章：",
    "no_entries": "尚無文章",
    "no_feeds": "尚無訂閱源。",
    "opml": "全部訂閱源（OPML）",
    "opml_hint": "可一次匯入閱讀器",
    "made_by": "由 feedbridge 發布",
}


def index(site_title: str, language: str | None, feeds: Sequence[IndexFeed], *, opml_href: str | None = None) -> bytes:
    """Write the page, in UTF-8; it runs nothing and loads nothing.

    Args:
        site_title: Plain text.
        language: The site's; the page's own words are Chinese for `zh`, else English.
        feeds: In the order in which they are shown.
        opml_href: Where the list of all feeds is, perhaps relative to the page.
    """
    page = _template().render(
        title=site_title,
        title_language=language,
        words=_words(language),
        feeds=[(feed, feed.newest and rfc3339(feed.newest)) for feed in feeds],
        opml_href=opml_href,
        style=Markup(_style()),  # noqa: S704  (our own file)
        style_hash=b64encode(sha256(_style().encode()).digest()).decode(),
    )
    return page.encode()


def _words(language: str | None) -> Mapping[str, str]:
    subtags = (language or "").lower().split("-")
    if subtags[0] != "zh":
        return _ENGLISH
    return _TRADITIONAL if {"hant", "tw", "hk", "mo"} & set(subtags) else _SIMPLIFIED


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("feedbridge.feeds"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _template() -> Template:
    return _templates().get_template("index.html")


@cache
def _style() -> str:
    """The style sheet as it stands between the tags; the page's policy names its hash."""
    return _templates().get_template("index.css").render()
