"""The pages' own words, in English and in both Chinese scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

_DAY = timedelta(days=1)
_UNITS = (("day", 1.5, _DAY), ("week", 1.5, 7 * _DAY), ("month", 1.5, 30 * _DAY), ("year", 0.0, 365 * _DAY))
"""By what entries are counted: the first unit that holds more of them than so many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What the pages say of their own accord.

    Attributes:
        language: The tag of the language that they are in.
        locale: The same as Open Graph has it.
        paces: How often something new comes, by unit; `{}` is a number.
    """

    language: str
    locale: str
    lead: str
    skip: str
    all_feeds: str
    newest: str
    no_entries: str
    no_feeds: str
    opml: str
    opml_hint: str
    subscribe: str
    subscribe_hint: str
    copy: str
    copied: str
    entries: str
    archive: str
    older: str
    newer: str
    latest: str
    old_entries: str
    original: str
    no_original: str
    published: str
    updated: str
    authors: str
    topics: str
    source: str
    via: str
    rights: str
    rights_hint: str
    files: str
    website: str
    table: str
    picture: str
    made_by: str
    paces: Mapping[str, str]

    def pace(self, interval: timedelta | None) -> str | None:
        """How often something new comes, in words; None where that is not known.

        Args:
            interval: Between two entries, on average.
        """
        if not interval:
            return None
        unit, _, length = next(one for one in _UNITS if one[2] / interval > one[1])
        count = max(1, round(length / interval))
        size = 10 ** max(0, len(str(count)) - 1)  # 34 is about 30
        return self.paces[unit].format(f"{count if count <= 20 else round(count / size) * size:,}")


_ENGLISH = Words(
    language="en",
    locale="en_US",
    lead="Copy the address of a feed into your feed reader.",
    skip="Skip to the content",
    all_feeds="All feeds",
    newest="Newest:",
    no_entries="No entries yet",
    no_feeds="There are no feeds yet.",
    opml="All feeds as OPML",
    opml_hint="for importing them at once",
    subscribe="Subscribe",
    subscribe_hint="Copy one of these addresses into your feed reader.",
    copy="Copy address",
    copied="The address is copied.",
    entries="Entries",
    archive="Archive, page {}",
    older="Older entries",
    newer="Newer entries",
    latest="Newest entries",
    old_entries="Older entries are in the feed's archive, which feed readers walk through:",
    original="Original article:",
    no_original="The original has no address.",
    published="Published:",
    updated="Updated:",
    authors="By",
    topics="Topics:",
    source="Source:",
    via="Taken from the feed:",
    rights="Rights:",
    rights_hint="The texts and pictures belong to their authors and publishers.",
    files="Files",
    website="Website:",
    table="Table",
    picture="Picture",
    made_by="Published by feedbridge",
    paces={
        "day": "about {} entries a day",
        "week": "about {} entries a week",
        "month": "about {} entries a month",
        "year": "about {} entries a year",
    },
)
_SIMPLIFIED = Words(
    language="zh-Hans",
    locale="zh_CN",
    lead="将订阅地址复制到您的阅读器即可订阅。",
    skip="跳到正文",
    all_feeds="全部订阅源",
    newest="最新：",
    no_entries="暂无文章",
    no_feeds="暂无订阅源。",
    opml="全部订阅源（OPML）",
    opml_hint="可一次导入阅读器",
    subscribe="订阅",
    subscribe_hint="将下列任一地址复制到您的阅读器即可订阅。",
    copy="复制地址",
    copied="地址已复制。",
    entries="文章",
    archive="存档，第 {} 页",
    older="更早的文章",
    newer="较新的文章",
    latest="最新的文章",
    old_entries="更早的文章在订阅源的存档中，阅读器会自动读取：",
    original="原文：",
    no_original="原文没有网址。",
    published="发布：",
    updated="更新：",
    authors="作者：",
    topics="主题：",
    source="来源：",
    via="取自订阅源：",
    rights="版权：",
    rights_hint="文章与图片的版权归原作者及发布者所有。",
    files="附件",
    website="网站：",
    table="表格",
    picture="图片",
    made_by="由 feedbridge 发布",
    paces={
        "day": "每天约 {} 篇",
        "week": "每周约 {} 篇",
        "month": "每月约 {} 篇",
        "year": "每年约 {} 篇",
    },
)
_TRADITIONAL = Words(
    language="zh-Hant",
    locale="zh_TW",
    lead="將訂閱網址複製到您的閱讀器即可訂閱。",
    skip="跳到正文",
    all_feeds="全部訂閱源",
    newest="最新：",
    no_entries="尚無文章",
    no_feeds="尚無訂閱源。",
    opml="全部訂閱源（OPML）",
    opml_hint="可一次匯入閱讀器",
    subscribe="訂閱",
    subscribe_hint="將下列任一網址複製到您的閱讀器即可訂閱。",
    copy="複製網址",
    copied="網址已複製。",
    entries="文章",
    archive="存檔，第 {} 頁",
    older="更早的文章",
    newer="較新的文章",
    latest="最新的文章",
    old_entries="更早的文章在訂閱源的存檔中，閱讀器會自動讀取：",
    original="原文：",
    no_original="原文沒有網址。",
    published="發布：",
    updated="更新：",
    authors="作者：",
    topics="主題：",
    source="來源：",
    via="取自訂閱源：",
    rights="版權：",
    rights_hint="文章與圖片的版權歸原作者及發布者所有。",
    files="附件",
    website="網站：",
    table="表格",
    picture="圖片",
    made_by="由 feedbridge 發布",
    paces={
        "day": "每天約 {} 篇",
        "week": "每週約 {} 篇",
        "month": "每月約 {} 篇",
        "year": "每年約 {} 篇",
    },
)


def words_for(language: str | None) -> Words:
    """The words for a site in a language (BCP 47): Chinese for `zh`, else English."""
    subtags = (language or "").lower().split("-")
    if subtags[0] != "zh":
        return _ENGLISH
    return _TRADITIONAL if {"hant", "tw", "hk", "mo"} & set(subtags) else _SIMPLIFIED
