"""The owner's pages' own words, in English and in both Chinese scripts; errors and addresses stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What the pages say of their own accord; `{}` is a number, or what the place tells.

    Attributes:
        language: The tag of the language that they are in.
        states: How a source stands.
        units: A stretch of time, by the letter of its unit.
    """

    language: str
    skip: str
    overview: str
    all_pages: str
    sources: str
    pictures: str
    trouble_feed: str
    trouble_hint: str
    public: str
    states: Mapping[str, str]
    units: Mapping[str, str]
    ago: str
    ahead: str
    now: str
    broken_count: str
    failing_count: str
    due_count: str
    at_work: str
    at_work_count: str
    articles: str
    article_count: str
    store_size: str
    all_sources: str
    in_trouble: str
    no_trouble: str
    last_success: str
    never: str
    next_poll: str
    due_now: str
    wish: str
    failed_once: str
    failed_times: str
    last_error: str
    hourly: str
    took_hourly: str
    changed: str
    unchanged: str
    failed: str
    average: str
    longest: str
    seconds: str
    no_refreshes: str
    daily: str
    none_daily: str
    newest: str
    most: str
    page: str
    earlier: str
    later: str
    refresh_now: str
    refresh_asked: str
    refresh_gone: str
    refresh_wish: str
    refresh_hint: str
    recent: str
    durations: str
    took: str
    new: str
    edited: str
    left_out: str
    more_left_out: str
    old_rules: str
    explain: str
    address: str
    found: str
    moved: str
    link: str
    published: str
    updated: str
    first_seen: str
    witnesses: str
    known_by: str
    file: str
    authors: str
    first_in: str
    enclosure: str
    picture: str
    came_through: str
    in_feed: str
    document: str
    is_chosen: str
    taken_down: str
    no_articles: str
    host: str
    hosts_used: str
    hosts_unused: str
    found_count: str
    missing_count: str
    unknown_count: str
    copies_count: str
    no_pictures: str
    more_hosts: str
    trouble_title: str
    broke: str
    broke_text: str
    healed: str
    healed_text: str

    def stretch(self, length: timedelta) -> str:
        """A stretch of time in its largest unit."""
        length = abs(length)
        if length >= 2 * _DAY:
            return self.units["d"].format(length // _DAY)
        if length >= 2 * _HOUR:
            return self.units["h"].format(length // _HOUR)
        return self.units["m"].format(length // _MINUTE)

    def from_now(self, instant: datetime, *, now: datetime) -> str:
        """How long ago an instant was, or how far ahead it is."""
        if abs(instant - now) < _MINUTE:
            return self.now
        return (self.ago if instant < now else self.ahead).format(self.stretch(instant - now))


_ENGLISH = Words(
    language="en",
    skip="Skip to the content",
    overview="How things stand",
    all_pages="The owner's pages",
    sources="Sources",
    pictures="Pictures",
    trouble_feed="Trouble feed",
    trouble_hint="Tells in your reader what broke and what recovered. Whoever has this address sees that, and no more:",
    public="Published feeds",
    states={
        "fine": "fine",
        "failing": "failed last time",
        "ailing": "broken",
        "gone": "gone for good",
        "new": "not read yet",
        "silent": "silent for longer than is its habit",
    },
    units={"m": "{} min", "h": "{} h", "d": "{} days"},
    ago="{} ago",
    ahead="in {}",
    now="just now",
    broken_count="broken",
    failing_count="failed last time",
    due_count="wait for their turn",
    at_work="being refreshed now",
    at_work_count="being refreshed",
    articles="Articles",
    article_count="articles in the store",
    store_size="size of the store",
    all_sources="All",
    in_trouble="In trouble",
    no_trouble="No source is in trouble.",
    last_success="Last success:",
    never="never",
    next_poll="Next refresh:",
    due_now="due now",
    wish="Its site wishes not to be asked before",
    failed_once="failed",
    failed_times="failed {} times on end",
    last_error="Last error:",
    hourly="Refreshes in the last 24 hours, by the hour",
    took_hourly="How long they took on average, by the hour",
    changed="brought something",
    unchanged="nothing new",
    failed="failed (below the line)",
    average="on average",
    longest="the longest {} s",
    seconds="{} s",
    no_refreshes="No refresh in the last 24 hours.",
    daily="Articles by the day of publication, last {} days",
    none_daily="no article in {} days",
    newest="Newest:",
    most="{} in all, at most {} a day",
    page="Page {}",
    earlier="Next page",
    later="Previous page",
    refresh_now="Refresh now",
    refresh_asked="A refresh is asked for. It comes as soon as it is the source's turn; load this page again then.",
    refresh_gone="Its site said that it is gone for good, so it is not asked any more.",
    refresh_wish="It can be refreshed again when its site wishes to be asked.",
    refresh_hint="Its host is asked no more often for that than it allows.",
    recent="Refreshes",
    durations="How long the last {} took, oldest first",
    took="{} s",
    new="{} new",
    edited="{} changed",
    left_out="Left out",
    more_left_out="and {} more",
    old_rules="{} read by older rules",
    explain="What made it",
    address="Address:",
    found="Its page names the feed",
    moved="It says that it has moved to",
    link="Link:",
    published="Published:",
    updated="Updated:",
    first_seen="First seen:",
    witnesses="Dates, and who tells them",
    known_by="Known by",
    file="File:",
    authors="By:",
    first_in="First in:",
    enclosure="Enclosure",
    picture="Picture {}",
    came_through="came through",
    in_feed="In feeds",
    document="document",
    is_chosen="this one is published",
    taken_down="It was taken down, and stays away.",
    no_articles="No articles yet.",
    host="Host",
    hosts_used="its pictures are used",
    hosts_unused="its pictures are not used",
    found_count="{} found",
    missing_count="{} not found",
    unknown_count="{} not looked for yet",
    copies_count="{} copied",
    no_pictures="No pictures are looked for: that is done for copies and for chains of policies.",
    more_hosts="The {} hosts with most pictures not found are shown.",
    trouble_title="Trouble: {}",
    broke="Broken: {}",
    broke_text="The source “{}” could not be read for a while, and its last good feeds stay up. The reason:",
    healed="Recovered: {}",
    healed_text="The source “{}” is read again. It was broken from {} to {}.",
)
_SIMPLIFIED = Words(
    language="zh-Hans",
    skip="跳到正文",
    overview="运行状况",
    all_pages="站长页面",
    sources="来源",
    pictures="图片",
    trouble_feed="故障订阅源",
    trouble_hint="在您的阅读器中告知哪些来源出了故障、哪些已恢复。持有此网址者只能看到这些：",
    public="公开的订阅源",
    states={
        "fine": "正常",
        "failing": "上次失败",
        "ailing": "故障",
        "gone": "已永久消失",
        "new": "尚未读取",
        "silent": "沉寂时间超出往常",
    },
    units={"m": "{} 分钟", "h": "{} 小时", "d": "{} 天"},
    ago="{}前",
    ahead="{}后",
    now="刚刚",
    broken_count="故障",
    failing_count="上次失败",
    due_count="等待更新",
    at_work="正在更新",
    at_work_count="正在更新",
    articles="文章",
    article_count="篇文章",
    store_size="数据库大小",
    all_sources="全部",
    in_trouble="有问题的",
    no_trouble="所有来源均无问题。",
    last_success="上次成功：",
    never="从未",
    next_poll="下次更新：",
    due_now="即将更新",
    wish="对方网站希望在此之前不被访问：",
    failed_once="失败",
    failed_times="连续失败 {} 次",
    last_error="上次错误：",
    hourly="最近 24 小时的更新次数（按小时）",
    took_hourly="平均用时（按小时）",
    changed="有新内容",
    unchanged="无新内容",
    failed="失败（横线之下）",
    average="平均",
    longest="最长 {} 秒",
    seconds="{} 秒",
    no_refreshes="最近 24 小时没有更新。",
    daily="最近 {} 天的文章（按发布日期）",
    none_daily="{} 天内没有文章",
    newest="最新：",
    most="共 {} 篇，一天最多 {} 篇",
    page="第 {} 页",
    earlier="下一页",
    later="上一页",
    refresh_now="立即更新",
    refresh_asked="已请求更新，轮到此来源时即会执行；请稍后重新载入本页。",
    refresh_gone="对方网站表示它已永久消失，因此不再访问。",
    refresh_wish="等到对方网站允许访问时才能再次更新。",
    refresh_hint="不会因此超出对方主机允许的访问频率。",
    recent="更新记录",
    durations="最近 {} 次更新的用时（从旧到新）",
    took="{} 秒",
    new="新增 {} 篇",
    edited="修改 {} 篇",
    left_out="未采用",
    more_left_out="另有 {} 项",
    old_rules="{} 篇按旧规则读取",
    explain="来历",
    address="网址：",
    found="其网页指明的订阅源：",
    moved="对方称已迁往",
    link="链接：",
    published="发布：",
    updated="更新：",
    first_seen="首次见到：",
    witnesses="日期及其依据",
    known_by="识别依据",
    file="文件：",
    authors="作者：",
    first_in="最初见于：",
    enclosure="附件",
    picture="图片 {}",
    came_through="经由",
    in_feed="所在订阅源",
    document="文档",
    is_chosen="采用此地址",
    taken_down="此文章已撤下，不再发布。",
    no_articles="暂无文章。",
    host="主机",
    hosts_used="采用其图片",
    hosts_unused="不采用其图片",
    found_count="找到 {} 张",
    missing_count="未找到 {} 张",
    unknown_count="尚未查找 {} 张",
    copies_count="已复制 {} 张",
    no_pictures="未查找任何图片：只有复制图片或使用多级策略时才会查找。",
    more_hosts="仅显示未找到图片最多的 {} 个主机。",
    trouble_title="故障：{}",
    broke="故障：{}",
    broke_text="来源“{}”已有一段时间无法读取，此前的订阅源保持不变。原因：",
    healed="已恢复：{}",
    healed_text="来源“{}”已恢复读取。故障时间：{} 至 {}。",
)
_TRADITIONAL = Words(
    language="zh-Hant",
    skip="跳到正文",
    overview="運作狀況",
    all_pages="站長頁面",
    sources="來源",
    pictures="圖片",
    trouble_feed="故障訂閱源",
    trouble_hint="在您的閱讀器中告知哪些來源發生故障、哪些已恢復。持有此網址者只能看到這些：",
    public="公開的訂閱源",
    states={
        "fine": "正常",
        "failing": "上次失敗",
        "ailing": "故障",
        "gone": "已永久消失",
        "new": "尚未讀取",
        "silent": "沉寂時間超出往常",
    },
    units={"m": "{} 分鐘", "h": "{} 小時", "d": "{} 天"},
    ago="{}前",
    ahead="{}後",
    now="剛剛",
    broken_count="故障",
    failing_count="上次失敗",
    due_count="等待更新",
    at_work="正在更新",
    at_work_count="正在更新",
    articles="文章",
    article_count="篇文章",
    store_size="資料庫大小",
    all_sources="全部",
    in_trouble="有問題的",
    no_trouble="所有來源皆無問題。",
    last_success="上次成功：",
    never="從未",
    next_poll="下次更新：",
    due_now="即將更新",
    wish="對方網站希望在此之前不被存取：",
    failed_once="失敗",
    failed_times="連續失敗 {} 次",
    last_error="上次錯誤：",
    hourly="最近 24 小時的更新次數（按小時）",
    took_hourly="平均用時（按小時）",
    changed="有新內容",
    unchanged="無新內容",
    failed="失敗（橫線之下）",
    average="平均",
    longest="最長 {} 秒",
    seconds="{} 秒",
    no_refreshes="最近 24 小時沒有更新。",
    daily="最近 {} 天的文章（按發布日期）",
    none_daily="{} 天內沒有文章",
    newest="最新：",
    most="共 {} 篇，一天最多 {} 篇",
    page="第 {} 頁",
    earlier="下一頁",
    later="上一頁",
    refresh_now="立即更新",
    refresh_asked="已請求更新，輪到此來源時即會執行；請稍後重新載入本頁。",
    refresh_gone="對方網站表示它已永久消失，因此不再存取。",
    refresh_wish="等到對方網站允許存取時才能再次更新。",
    refresh_hint="不會因此超出對方主機允許的存取頻率。",
    recent="更新紀錄",
    durations="最近 {} 次更新的用時（由舊到新）",
    took="{} 秒",
    new="新增 {} 篇",
    edited="修改 {} 篇",
    left_out="未採用",
    more_left_out="另有 {} 項",
    old_rules="{} 篇按舊規則讀取",
    explain="來歷",
    address="網址：",
    found="其網頁指明的訂閱源：",
    moved="對方稱已遷往",
    link="連結：",
    published="發布：",
    updated="更新：",
    first_seen="首次見到：",
    witnesses="日期及其依據",
    known_by="識別依據",
    file="檔案：",
    authors="作者：",
    first_in="最初見於：",
    enclosure="附件",
    picture="圖片 {}",
    came_through="經由",
    in_feed="所在訂閱源",
    document="文件",
    is_chosen="採用此網址",
    taken_down="此文章已撤下，不再發布。",
    no_articles="尚無文章。",
    host="主機",
    hosts_used="採用其圖片",
    hosts_unused="不採用其圖片",
    found_count="找到 {} 張",
    missing_count="未找到 {} 張",
    unknown_count="尚未查找 {} 張",
    copies_count="已複製 {} 張",
    no_pictures="未查找任何圖片：只有複製圖片或使用多級策略時才會查找。",
    more_hosts="僅顯示未找到圖片最多的 {} 個主機。",
    trouble_title="故障：{}",
    broke="故障：{}",
    broke_text="來源「{}」已有一段時間無法讀取，先前的訂閱源保持不變。原因：",
    healed="已恢復：{}",
    healed_text="來源「{}」已恢復讀取。故障時間：{} 至 {}。",
)


def words_for(public: str) -> Words:
    """The words in the language that the public pages have theirs in."""
    return {one.language: one for one in (_ENGLISH, _SIMPLIFIED, _TRADITIONAL)}[public]
